"""A vendor is away: for how long, in which way and with how much of it ever, everything waits, nothing is lost, and it is said.

The judges are both vendors' own ledgers, the counters of the sandboxes, and what a person would be shown.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import pytest

from connectors.sandbox.outages import Outage
from daemon.core.ids import PairId
from daemon.core.outcomes import Reason
from daemon.core.reachability import Pace
from daemon.sync_until_idle import PATIENCE, GaveUp
from daemon.web.app import worst
from daemon.web.page import render
from tests.flow.running import running
from tests.flow.shop import MORNING, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from connectors.sandbox.world import WorldReceipt
    from tests.flow.running import Daemon
    from tests.flow.shop import Shop

MINUTE, HOUR = 60.0, 3600.0
SIX_HOURS, A_NIGHT = 6 * HOUR, 12 * HOUR


def every(sales: float, others: float) -> str:
    """How often the flows look: seldom, so that a night is not ten thousand polls."""
    return "".join(
        f"[links.shop.flows.{flow}]\ninterval = {sales if flow == 'sales' else others}\n" for flow in ("sales", "products", "stock")
    )


WAYS = {
    "refused": Outage(kind="refuse"),
    "reset": Outage(kind="reset"),
    "reset after the effect": Outage(kind="reset", effect=True),
    "500": Outage(kind="status_500"),
    "500 after the effect": Outage(kind="status_500", effect=True),
    "502": Outage(kind="status_502"),
    "503 for an hour, it says": Outage(kind="status_503", retry_after=3600),
    "a page": Outage(kind="maintenance_200"),
    "a page after the effect": Outage(kind="maintenance_200", effect=True),
    "a page with 503": Outage(kind="maintenance_503"),
    "429": Outage(kind="status_429"),
    "429 for ten minutes, it says": Outage(kind="status_429", retry_after=600),
}
#: the parts of a vendor that may be away alone; a path with what is below it
PARTS: dict[tuple[str, str], dict[str, str]] = {
    ("books", "everything"): {},
    ("books", "the API"): {"path": "/v2"},
    ("books", "reading"): {"method": "GET"},
    ("books", "creating"): {"method": "POST"},
    ("books", "documents"): {"path": "/v2/customerinvoices"},
    ("books", "payments"): {"path": "/v2/customerinvoices/*/payments"},
    ("books", "drafts"): {"path": "/v2/customerinvoicedrafts"},
    ("books", "customers"): {"path": "/v2/customers"},
    ("books", "articles"): {"path": "/v2/articles"},
    ("books", "the sign-in"): {"path": "/connect"},
    ("till", "everything"): {},
    ("till", "writing"): {"method": "PATCH"},
    ("till", "orders"): {"path": "/api/rest/v1/orders"},
    ("till", "products"): {"path": "/api/rest/v1/products"},
}


def sold(number: int, *, minute: int = 0) -> WorldReceipt:
    """One of a few kinds of receipts: nobody's, a person's, a business's, and something that comes back."""
    match number % 4:
        case 0:
            return receipt(f"R{number}", line("THEE-1", "2", "3.79", "9"), line(), minute=minute)
        case 1:
            return receipt(f"R{number}", line("THEE-1", "2", "3.79", "9"), customer="p", minute=minute, paymethod="ideal")
        case 2:
            return receipt(f"R{number}", line("MOK-1", "3", "7.33"), customer="b", minute=minute)
        case _:
            return receipt(f"R{number}", line(quantity="-1"), minute=minute)


def begin(shop: Shop, vendor: str, outage: Outage, seconds: float, **part: str) -> None:
    """Let an outage begin now."""
    side = shop.books if vendor == "books" else shop.till
    side.outages.begin(replace(outage, until=shop.clock.now() + timedelta(seconds=seconds), **part))  # type: ignore[arg-type]  # texts only


async def ring_up(shop: Shop, numbers: range, seconds: float) -> None:
    """People go on buying, spread over this time."""
    for number in numbers:
        shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
        await anyio.sleep(seconds / len(numbers))


async def judge(daemon: Daemon, count: int) -> None:
    """Both ledgers: every receipt booked once and paid once; nothing waits, nothing is held, and no attempt was spent."""
    shop = daemon.shop
    open_work = [work for flow in ("sales", "products") for work in await daemon.store.open_work(PairId("shop/till"), flow)]
    assert [(work.label, work.state, work.reason, work.detail) for work in open_work] == []
    booked = {one.reference: (one.gross, one.remaining) for one in shop.books.documents()}
    assert booked == {f"KB-{one.number}": (one.gross, Decimal(0)) for one in shop.till.receipts()}
    assert len(shop.books.documents()) == len(booked) == count
    assert len(shop.books.books.drafts.rows) == 0
    assert sorted(row["EmailAddress"] for row in shop.books.books.customers.rows.values() if row["EmailAddress"]) == sorted(
        {"jan@example.nl", "inkoop@bakker.nl"} if count > 2 else set()
    )
    works = [work for number in range(count) for work in await daemon.store.find_work(f"R{number}")]
    assert [work.label for work in works if work.attempt] == []
    assert len(works) == count


async def shown(daemon: Daemon) -> tuple[str, str]:
    """What a probe and a person are told: the worst of /health, and the headline's colour."""
    return worst(await daemon.supervisor.health.health()), (await daemon.supervisor.health.overview()).tone


async def a_day_with(shop: Shop, vendor: str, outage: Outage, seconds: float, part: Mapping[str, str], *, count: int = 12) -> None:
    """Receipts are on their way when the outage begins, are rung up while it lasts, and are all there a while after it has ended."""
    async with running(shop) as daemon:
        await anyio.sleep(20)
        assert await shown(daemon) == ("pass", "good")
        for number in range(count // 3):
            shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
        await anyio.sleep(0.01)
        begin(shop, vendor, outage, seconds, **part)
        await ring_up(shop, range(count // 3, count), seconds)
        # the last probe came up to a minute before it was back, a vendor that names a time is asked when that is over; and work takes some
        await anyio.sleep(2.5 * MINUTE + (0 if outage.kind != "status_429" else max(outage.retry_after, 60)))
        await judge(daemon, count)
        await anyio.sleep(4 * MINUTE)
        assert await shown(daemon) == ("pass", "good")


@pytest.mark.parametrize(
    ("seconds", "way"), [(40.0, way) for way in WAYS] + [(20 * MINUTE, way) for way in ("refused", "500 after the effect", "429")]
)
@pytest.mark.parametrize("vendor", ["books", "till"])
async def test_an_outage_of_a_whole_vendor_spends_no_attempt(tmp_path: Path, vendor: str, seconds: float, way: str) -> None:
    """In whatever way it is away, all that was sold is booked and paid by itself, once."""
    await a_day_with(open_shop(tmp_path, world(), open_at_once=False, change=every(20, 60)), vendor, WAYS[way], seconds, {})


@pytest.mark.parametrize(
    ("vendor", "part", "way"),
    [
        (*place, way)
        for number, place in enumerate(place for place in PARTS if place[1] != "everything")
        for way in (("500", "a page after the effect") if number % 2 else ("refused", "429"))
    ],
)
async def test_an_outage_of_a_part_of_a_vendor_spends_no_attempt(tmp_path: Path, vendor: str, part: str, way: str) -> None:
    """One resource, or reading or writing alone, is away for twenty minutes while the rest goes on."""
    shop = open_shop(tmp_path, world(), open_at_once=False, change=every(20, 60))
    await a_day_with(shop, vendor, WAYS[way], 20 * MINUTE, PARTS[vendor, part])


@pytest.fixture
def calm_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gauges be looked at once a minute: in a night, every five seconds is most of what there is to compute."""
    monkeypatch.setattr("daemon.supervisor.HEARTBEAT", MINUTE)


@pytest.mark.parametrize(
    ("vendor", "part", "way", "seconds"),
    [
        ("books", "everything", "a page with 503", A_NIGHT),
        # not the sign-in too: an answer to a renewal that is lost for good ends the sign-in, which is for a person
        ("books", "the API", "500 after the effect", SIX_HOURS),
        ("books", "creating", "500", A_NIGHT),
        ("books", "payments", "a page after the effect", SIX_HOURS),
        ("till", "everything", "refused", A_NIGHT),
        ("till", "orders", "429", SIX_HOURS),
    ],
)
@pytest.mark.usefixtures("calm_gauges")
async def test_a_long_outage_is_only_a_longer_one(tmp_path: Path, vendor: str, part: str, way: str, seconds: float) -> None:
    """Six hours, a night."""
    shop = open_shop(tmp_path, world(), open_at_once=False, change=every(300, 3600))
    await a_day_with(shop, vendor, WAYS[way], seconds, PARTS[vendor, part])


# -- what is said meanwhile ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "part", "way"),
    [
        ("books", "everything", "500"),
        ("books", "everything", "429"),
        ("books", "creating", "a page"),
        ("books", "payments", "429"),
        ("till", "everything", "refused"),
        ("till", "everything", "429"),
        ("till", "orders", "a page"),
    ],
)
async def test_it_is_said_from_the_first_minute(tmp_path: Path, vendor: str, part: str, way: str) -> None:
    """From the second minute on /health and the headline are not green for a moment, whatever the runs of the flows say; then they are."""
    shop = open_shop(tmp_path, world(), open_at_once=False, change=every(15, 60))
    async with running(shop) as daemon:
        await anyio.sleep(20)
        begin(shop, vendor, WAYS[way], 20 * MINUTE, **PARTS[vendor, part])
        for number in range(4):
            shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
        await anyio.sleep(MINUTE)
        for _ in range(19 * 6 - 1):
            await anyio.sleep(10)
            health, tone = await shown(daemon)
            assert health in {"warn", "fail"}
            assert tone in {"warn", "bad"}
        overview = await daemon.supervisor.health.overview()
        assert "in step" not in render(overview)
        assert vendor in overview.headline
        if vendor == "books":
            assert "4 receipt(s) of" in overview.headline
            gross = sum((one.gross for one in shop.till.receipts()), Decimal(0))
            assert f"of {gross:.2f} in all" in overview.headline
        await anyio.sleep(8 * MINUTE)
        assert await shown(daemon) == ("pass", "good")
        await judge(daemon, 4)


async def test_one_outage_is_one_message(tmp_path: Path) -> None:
    """Not one for each flow that stands still because of it, and one when it is over; a person is not asked to do anything."""
    shop = open_shop(tmp_path, world(receipt("R1", line())), change=every(60, 300))
    async with running(shop) as daemon:
        await anyio.sleep(30)
        begin(shop, "books", WAYS["500"], 6 * HOUR)
        shop.till.ring_up(replace(sold(2), sold_at=shop.clock.now()))
        await anyio.sleep(5 * HOUR)
        assert daemon.told == ["Kassabrug: The connection books does not answer"]
        await anyio.sleep(1.1 * HOUR)
        assert daemon.told == ["Kassabrug: The connection books does not answer", "Kassabrug: over: The connection books does not answer"]


async def test_a_blip_is_not_told_and_costs_the_others_nothing(tmp_path: Path) -> None:
    """One refused connection among many receipts: it is tried again in a second or two, and nobody else waits for it."""
    shop = open_shop(tmp_path, world(), open_at_once=False)
    async with running(shop) as daemon:
        await anyio.sleep(31)
        for number in range(8):
            shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
        struck: list[str] = []

        def once(path: str) -> None:
            if path == "/v2/customerinvoices" and not struck:
                struck.append(path)
                raise ConnectionRefusedError("a blip")

        daemon.wires["books"].before = once
        await anyio.sleep(7)  # five of them until the till is looked at again
        assert struck
        assert len(shop.books.documents()) == 8
        assert daemon.told == []
        await anyio.sleep(10)
        await judge(daemon, 8)


async def test_the_freshness_survives_a_restart_in_the_middle(tmp_path: Path) -> None:
    """A process that starts while the books are away shows since when the oldest receipt waits, and how far it had come."""
    shop = open_shop(tmp_path, world(receipt("R0", line())), change=every(30, 300))
    async with running(shop) as daemon:
        await anyio.sleep(30)
        begin(shop, "books", WAYS["500"], 3 * HOUR)
        first = shop.clock.now()
        shop.till.ring_up(replace(sold(2), sold_at=first))
        await anyio.sleep(HOUR)
    async with running(shop) as daemon:
        shop.till.ring_up(replace(sold(4), sold_at=shop.clock.now()))
        await anyio.sleep(MINUTE)
        shown = daemon.metrics
        waiting, settled, newest = (
            gauge.labels("shop/till", "sales")._value.get() for gauge in (shown._waiting, shown._settled, shown._newest)
        )
        assert abs(waiting - first.timestamp()) < MINUTE
        assert settled <= first.timestamp()
        assert newest > first.timestamp() + 0.9 * HOUR
        assert shown._circuit.labels("eaccounting")._value.get() == 2
        assert shown._circuit.labels("salespos")._value.get() == 0
        assert len(await daemon.store.open_work(PairId("shop/till"), "sales")) == 2  # the till is read although the books never answered
        await anyio.sleep(2.1 * HOUR)
        assert len(shop.books.documents()) == 3


async def test_one_held_receipt_does_not_freeze_how_far_it_is(tmp_path: Path) -> None:
    """What waits for a person is not waited for; what is sold after it is settled, and that is shown."""
    shop = open_shop(tmp_path, world(receipt("R0", line(), paymethod="ideal")), payment_methods='pin = "Pin"\n')
    async with running(shop) as daemon:
        await anyio.sleep(30)
        later = shop.clock.now()
        shop.till.ring_up(replace(sold(2), sold_at=later))
        await anyio.sleep(30)
        assert [work.reason for work in await daemon.store.open_work(PairId("shop/till"), "sales")] == [Reason.PAYMENT_METHOD_UNKNOWN]
        settled = daemon.metrics._settled.labels("shop/till", "sales")._value.get()
        assert abs(settled - later.timestamp()) < 1
        assert daemon.metrics._waiting.labels("shop/till", "sales")._value.get() == 0


# -- what is not an outage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "way", "reason"),
    [("till", "500", Reason.ATTEMPTS_EXHAUSTED), ("till", "a page", Reason.UNREADABLE), ("books", "500", Reason.ATTEMPTS_EXHAUSTED)],
)
async def test_what_fails_for_one_receipt_alone_is_held(tmp_path: Path, vendor: str, way: str, reason: Reason) -> None:
    """The vendor takes all others: then it is this record's own fault, and a person is told; once cured, it is booked by a resend."""
    shop = open_shop(tmp_path, world(receipt("R999", line(), customer="b")), change=every(30, 600))
    order = next(iter(shop.till.till.orders.values()))
    if vendor == "till":
        shop.till.outages.begin(replace(WAYS[way], path=f"/api/rest/v1/orders/{order.id}/orderrows"))
    async with running(shop) as daemon:
        if vendor == "books":
            refuse_the_document_of(daemon, "KB-R999")
        for number in range(2, 162, 4):
            shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
            await anyio.sleep(1.5 * MINUTE)
        [work] = await daemon.store.open_work(PairId("shop/till"), "sales")
        assert (work.label, work.state, work.reason) == ("R999", "held", reason)
        assert set(shop.references()) == {f"KB-R{number}" for number in range(2, 162, 4)}
        assert daemon.told == ["Kassabrug: shop/till:sales: 1 record(s) wait for a person"]
        shop.till.outages.lift()
        shop.books.outages.lift()
        assert await daemon.store.resend(PairId("shop/till"), "R999") == 1
        await anyio.sleep(MINUTE)
        assert shop.references().count("KB-R999") == 1


@pytest.mark.parametrize(("vendor", "way", "bad"), [("till", "500", 2), ("till", "a page", 3), ("books", "500", 3)])
async def test_bad_receipts_stop_only_themselves(tmp_path: Path, vendor: str, way: str, bad: int) -> None:
    """Several at once that the vendor dislikes, the oldest of all, look like an outage; the others get their turn within two minutes."""
    disliked = [receipt(f"BAD{number}", line(), customer="b") for number in range(bad)]
    good = [replace(sold(number), sold_at=disliked[-1].sold_at + timedelta(minutes=1)) for number in range(11)]
    shop = open_shop(tmp_path, world(*disliked, *good), change=every(30, 600))
    for order in list(shop.till.till.orders.values())[: bad if vendor == "till" else 0]:
        shop.till.outages.begin(replace(WAYS[way], path=f"/api/rest/v1/orders/{order.id}/orderrows"))
    async with running(shop) as daemon:
        if vendor == "books":
            refuse_the_document_of(daemon, "KB-BAD")
        await anyio.sleep(2 * MINUTE)
        assert set(shop.references()) == {f"KB-{one.number}" for one in good}
        for number in range(22, 22 + 80, 4):  # the shop goes on selling
            shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
            await anyio.sleep(2 * MINUTE)
        held = await daemon.store.open_work(PairId("shop/till"), "sales")
        assert [(work.label, work.state) for work in held] == [(one.number, "held") for one in disliked]
        assert len(shop.references()) == len(set(shop.references())) == 11 + 20


async def test_what_fails_where_nobody_else_asks_is_held_after_longer_than_any_outage(tmp_path: Path) -> None:
    """Whether one resource is away or dislikes one record cannot be seen: a night is waited for, two days are not (here: minutes)."""
    shop = open_shop(tmp_path, world(receipt("R999", line(), customer="b")), change=every(60, 600))
    async with running(shop) as daemon:
        assert daemon.app.watches["books"].pace.alone == 24 * HOUR
        daemon.app.watches["books"].pace = Pace(alone=24 * MINUTE)
        refuse_the_document_of(daemon, "KB-R999")
        await anyio.sleep(16 * MINUTE)
        [work] = await daemon.store.open_work(PairId("shop/till"), "sales")
        assert (work.state, work.attempt) == ("uncertain", 0)
        await anyio.sleep(32 * MINUTE)
        [work] = await daemon.store.open_work(PairId("shop/till"), "sales")
        assert (work.state, work.reason) == ("held", Reason.ATTEMPTS_EXHAUSTED)


def refuse_the_document_of(daemon: Daemon, key: str) -> None:
    """Let the books answer 500 to the document of one receipt, without effect, until all outages are lifted."""
    shop, wire = daemon.shop, daemon.wires["books"]
    number = shop.books.outages.begin(Outage(kind="status_500", path="/nowhere"))
    inner = wire.app

    async def picky(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", scope["method"] == "POST" and number in shop.books.outages.known
        read = more
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)

        async def whole() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        if key.encode() in body:
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": b"{}"})
        else:
            await inner(scope, whole if read else receive, send)

    wire.app = picky


async def test_sync_waits_for_a_vendor_with_bounded_patience_and_loses_nothing(tmp_path: Path) -> None:
    """After half an hour it ends, saying why; the next one books everything."""
    shop = open_shop(tmp_path, world(*(sold(number, minute=number) for number in range(6))))
    begin(shop, "books", WAYS["500"], 2 * HOUR)
    async with shop.process() as bridge:
        began = anyio.current_time()
        with pytest.raises(GaveUp, match="books"):
            await bridge.settle()
        assert PATIENCE <= anyio.current_time() - began < 1.2 * PATIENCE
        assert await bridge.held() == dict.fromkeys([f"R{number}" for number in range(6)], "")
    await anyio.sleep(2 * HOUR)
    async with shop.process() as bridge:
        await bridge.settle()
    assert sorted(str(one) for one in shop.references()) == [f"KB-R{number}" for number in range(6)]


async def test_a_lock_is_given_back_when_what_it_was_for_fails(tmp_path: Path) -> None:
    """Names of locks are names of customers and polls: those that failed are not kept for ever."""
    async with open_shop(tmp_path, world()).process() as bridge:
        context = bridge.pair.context
        with pytest.raises(ZeroDivisionError):
            async with context.exclusive("one"):
                raise ZeroDivisionError
        assert "one" not in context.common.locks


@pytest.mark.parametrize("path", ["/v2/customerinvoices", ""])
async def test_three_minutes_without_the_books_are_waited_out(tmp_path: Path, path: str) -> None:
    """Connections are refused, for documents alone or altogether; then every receipt is booked once and paid, and nothing is held."""
    shop = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), minute=1)))
    back = MORNING + timedelta(minutes=3)
    shop.books.outages.begin(Outage(kind="refuse", path=path, until=back))
    async with shop.process() as bridge:
        result = await bridge.settle("sales")
    assert shop.clock.now() >= back
    assert sorted((str(one.reference), one.gross, one.remaining) for one in shop.books.documents()) == [
        (f"KB-{one.number}", one.gross, Decimal(0)) for one in shop.till.receipts()
    ]
    assert (result.held, shop.books.outages.as_json()[0]["struck"] > 0) == (0, True)
