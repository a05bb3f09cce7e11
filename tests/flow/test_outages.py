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
from daemon.web.app import worst
from tests.flow.running import running
from tests.flow.shop import line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt
    from tests.flow.running import Daemon
    from tests.flow.shop import Shop

MINUTE, HOUR = 60.0, 3600.0
SHORT = {"40 s": 40.0, "20 minutes": 20 * MINUTE}
LONG = {"6 hours": 6 * HOUR, "a night": 12 * HOUR}


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
    open_work = [work for flow in ("sales", "products") for work in await daemon.store.open_work("shop/till", flow)]
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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seconds", SHORT.values(), ids=SHORT)
@pytest.mark.parametrize("vendor", ["books", "till"])
async def test_an_outage_of_a_whole_vendor_spends_no_attempt(tmp_path: Path, vendor: str, seconds: float, way: str) -> None:
    """In whatever way it is away, all that was sold is booked and paid by itself, once."""
    await a_day_with(open_shop(tmp_path, world(), open_at_once=False, change=every(20, 60)), vendor, WAYS[way], seconds, {})


@pytest.mark.parametrize("way", ["500", "refused", "a page after the effect", "429"])
@pytest.mark.parametrize(("vendor", "part"), [one for one in PARTS if one[1] != "everything"])
async def test_an_outage_of_a_part_of_a_vendor_spends_no_attempt(tmp_path: Path, vendor: str, part: str, way: str) -> None:
    """One resource, or reading or writing alone, is away for twenty minutes while the rest goes on."""
    shop = open_shop(tmp_path, world(), open_at_once=False, change=every(20, 60))
    await a_day_with(shop, vendor, WAYS[way], 20 * MINUTE, PARTS[vendor, part])


@pytest.mark.parametrize("seconds", LONG.values(), ids=LONG)
@pytest.mark.parametrize(
    ("vendor", "part", "way"),
    [
        ("books", "everything", "a page with 503"),
        # not the sign-in too: an answer to a renewal that is lost for good ends the sign-in, which is for a person
        ("books", "the API", "500 after the effect"),
        ("books", "creating", "500"),
        ("books", "payments", "a page after the effect"),
        ("till", "everything", "refused"),
        ("till", "orders", "429"),
    ],
)
async def test_a_long_outage_is_only_a_longer_one(tmp_path: Path, vendor: str, part: str, way: str, seconds: float) -> None:
    """Six hours, a night."""
    shop = open_shop(tmp_path, world(), open_at_once=False, change=every(120, 600))
    await a_day_with(shop, vendor, WAYS[way], seconds, PARTS[vendor, part])
