"""A date that is wrong at its source: it stops the record that carries it, by name, and no other; no position passes the vendor's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.port import Change, Cursor, Page, Unreadable
from connectors.sandbox.salespos.ledger import receipts
from daemon.core.cursor import AHEAD_VERSION
from daemon.core.outcomes import State
from daemon.engine.polling import read_pages
from daemon.text import ENGLISH
from tests.flow.shop import MORNING, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt
    from daemon.state.port import Work
    from tests.flow.shop import Bridge, Shop

FAR = [timedelta(days=7), timedelta(days=365), datetime(9999, 12, 31, 12, tzinfo=UTC) - MORNING]
BEFORE = timedelta(seconds=-1)


def dated(one: WorldReceipt, after: timedelta) -> WorldReceipt:
    """The receipt with a date so long after this morning."""
    return replace(one, sold_at=MORNING + after)


async def the_odd_one(bridge: Bridge) -> Work:
    """The work of the receipt that is dated wrongly."""
    [work] = await bridge.store.find_work("ODD")
    return work


def booked(running: Shop) -> list[str]:
    """The receipts that the books have, by the till's numbers, each checked against what the till says it came to."""
    ledger = running.books.ledger()
    paid = {one.number: one.gross for one in receipts(running.till.till)}
    for document in ledger.documents:
        assert document.gross == paid[str(document.reference).removeprefix("KB-")]
    return sorted(str(document.reference).removeprefix("KB-") for document in ledger.documents)


@pytest.mark.parametrize("ahead", FAR)
async def test_an_order_dated_in_the_future_ends_nothing(tmp_path: Path, ahead: timedelta) -> None:
    """The sales after it are booked as ever, in this process and the next; it waits by name with its date, and nothing of it is written."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    async with running.process() as bridge:
        running.till.cashier.ring_up(dated(receipt("ODD", line("MOK-1", price="7.33")), ahead))
        await bridge.settle("sales")
        assert booked(running) == ["R1"]
        assert await bridge.held() == {"ODD": "dated_ahead"}
        assert ENGLISH((await the_odd_one(bridge)).detail) == f"dated {(MORNING + ahead).isoformat(timespec='minutes')}"
        for number in range(3):
            await anyio.sleep(1200)
            running.till.cashier.ring_up(dated(receipt(f"L{number}", line()), timedelta(seconds=anyio.current_time()) + BEFORE))
            await bridge.settle("sales")
        assert booked(running) == ["L0", "L1", "L2", "R1"]
        position = await bridge.store.position(bridge.pair.context.pair_id, "sales")
        assert position.moment is not None
        assert position.moment <= running.clock.now()
    async with running.process() as bridge:
        await anyio.sleep(60)
        running.till.cashier.ring_up(dated(receipt("L3", line()), timedelta(seconds=anyio.current_time()) + BEFORE))
        await bridge.settle("sales")
        assert await bridge.held() == {"ODD": "dated_ahead"}
    assert booked(running) == ["L0", "L1", "L2", "L3", "R1"]


async def test_it_is_read_again_when_its_date_has_come(tmp_path: Path) -> None:
    """By itself: a week later it is booked on its day, once."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    running.till.cashier.ring_up(dated(receipt("ODD", line("MOK-1", price="7.33")), timedelta(days=7)))
    async with running.process() as bridge:
        await bridge.settle("sales")
        await anyio.sleep(timedelta(days=6).total_seconds())
        await bridge.settle("sales")
        assert booked(running) == ["R1"]
        await anyio.sleep(timedelta(days=1, minutes=1).total_seconds())
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert booked(running) == ["ODD", "R1"]
    assert [one.dated[:10] for one in running.books.ledger().documents if one.reference == "KB-ODD"] == ["2026-03-23"]


async def test_it_is_read_again_when_its_date_was_corrected(tmp_path: Path) -> None:
    """By itself, with the next look; another wrong date is told instead of the first."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    running.till.cashier.ring_up(dated(receipt("ODD", line()), timedelta(days=365)))
    async with running.process() as bridge:
        await bridge.settle("sales")
        running.till.cashier.change_date("ODD", MORNING + timedelta(days=30))
        await bridge.settle("sales")
        assert ENGLISH((await the_odd_one(bridge)).detail) == "dated 2026-04-15T08:00+00:00"
        running.till.cashier.change_date("ODD", MORNING - timedelta(hours=2))
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert booked(running) == ["ODD", "R1"]


async def test_resend_is_its_way_out_wherever_the_right_date_lies(tmp_path: Path) -> None:
    """Corrected to long before the days that are looked at again: sent again it is booked; sent again uncorrected it only waits on."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    running.till.cashier.ring_up(dated(receipt("ODD", line()), timedelta(days=365)))
    async with running.process() as bridge:
        await bridge.settle("sales")
        assert await bridge.store.resend(bridge.pair.context.pair_id, "ODD") == 1
        await bridge.settle("sales")
        assert await bridge.held() == {"ODD": "dated_ahead"}
        running.till.cashier.change_date("ODD", MORNING - timedelta(days=20))
        await bridge.settle("sales")
        assert await bridge.held() == {"ODD": "dated_ahead"}
        assert await bridge.store.resend(bridge.pair.context.pair_id, "ODD") == 1
        await bridge.settle("sales")
        assert await bridge.held() == {}
        await bridge.settle("sales")
    assert booked(running) == ["ODD", "R1"]


async def test_an_article_dated_in_the_future_ends_nothing(tmp_path: Path) -> None:
    """The articles that change after it reach the till; it is told by name, and follows when its date has come."""
    running = open_shop(tmp_path, world())
    books = running.books.books
    async with running.process() as bridge:
        await bridge.settle("products")
        odd = next(row for row in books.articles.rows.values() if row["Number"] == "MOK-1")
        books.change(books.articles, odd, {"Name": "Mok blauw"})
        books.articles.update(odd, ChangedUtc=books.stamp(MORNING + timedelta(days=30)))
        await bridge.settle("products")
        assert await bridge.held() == {"MOK-1": "dated_ahead"}
        await anyio.sleep(600)
        other = next(row for row in books.articles.rows.values() if row["Number"] == "THEE-1")
        books.change(books.articles, other, {"Name": "Thee vers"})
        await bridge.settle("products")
        names = {product.number: product.values["name"] for product in running.till.till.products.values()}
        assert (names["THEE-1"], names["MOK-1"]) == ("Thee vers", "Mok")
        await anyio.sleep(timedelta(days=30).total_seconds())
        await bridge.settle("products")
        assert await bridge.held() == {}
    names = {product.number: product.values["name"] for product in running.till.till.products.values()}
    assert names["MOK-1"] == "Mok blauw"


def without_a_clock(app: Any) -> Callable[..., Awaitable[None]]:
    """The same vendor, whose answers do not tell the time."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def strip(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [(name, value) for name, value in message["headers"] if name.lower() != b"date"]}
            await send(message)

        await app(scope, receive, strip)

    return answer


async def test_without_a_vendors_clock_ours_bounds_the_position(tmp_path: Path) -> None:
    """With a day's tolerance: what is dated further ahead waits, and what is made later is booked."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    running.till.app = without_a_clock(running.till.app)
    running.till.cashier.ring_up(dated(receipt("ODD", line()), timedelta(days=2)))
    async with running.process() as bridge:
        await bridge.settle("sales")
        assert await bridge.held() == {"ODD": "dated_ahead"}
        await anyio.sleep(1800)
        running.till.cashier.ring_up(dated(receipt("L1", line()), timedelta(minutes=29)))
        await bridge.settle("sales")
        assert booked(running) == ["L1", "R1"]
        await anyio.sleep(timedelta(days=2).total_seconds())
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert booked(running) == ["L1", "ODD", "R1"]


async def test_a_state_whose_position_lies_in_the_future_catches_up(tmp_path: Path) -> None:
    """As an earlier version left it behind: what was never read since is read, and what was booked stays booked once."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    async with running.process() as bridge:
        await bridge.settle("sales")
        scope = bridge.pair.context.pair_id
        await bridge.store.record_page(scope, "sales", Cursor(datetime(2031, 1, 1, tzinfo=UTC), frozenset({("9", "x")})), [])
        running.till.cashier.ring_up(dated(receipt("LOST", line()), timedelta(days=-40)))
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert booked(running) == ["LOST", "R1"]


async def test_a_receipt_a_few_minutes_ahead_is_booked_at_once(tmp_path: Path) -> None:
    """A till set by hand is no reason to wait; and what is rung up after it, with a date before its own, is not passed over."""
    running = open_shop(tmp_path, world())
    running.till.cashier.ring_up(dated(receipt("FAST", line()), timedelta(minutes=40)))
    async with running.process() as bridge:
        await bridge.settle("sales")
        assert booked(running) == ["FAST"]
        await anyio.sleep(60)
        running.till.cashier.ring_up(dated(receipt("NEXT", line()), timedelta(seconds=59)))
        await bridge.settle("sales")
        [work] = await bridge.store.find_work("FAST")
        assert work.state is State.DONE
        assert not work.version.startswith(AHEAD_VERSION)
    assert booked(running) == ["FAST", "NEXT"]


class Endless:
    """A source that always has another page."""

    def __init__(self) -> None:
        self.pages = 0

    async def read_changes(self, since: datetime | None, *, after: Change[object] | None = None) -> Page[str]:
        """Return one more record, a second later."""
        self.pages += 1
        await anyio.lowlevel.checkpoint()
        moment = MORNING + timedelta(seconds=self.pages)
        return Page((Change(str(self.pages), moment, "1", str(self.pages)),), more=True, server_time=MORNING + timedelta(days=1))


async def test_a_source_without_end_is_left_and_told() -> None:
    """What it delivered stays, and the run says so; the next one goes on from there."""
    source = Endless()
    delivered: dict[datetime | None, int] = {}

    async def read() -> None:
        async for reading in read_pages(source, Cursor(), overlap=timedelta(0), now=lambda: MORNING, most=50):
            delivered[reading.position.moment] = len(reading.fresh)

    with pytest.raises(Unreadable, match="not come to its end after 50 pages"):
        await read()
    assert delivered == {MORNING + timedelta(seconds=second): 1 for second in range(1, 51)}
    assert source.pages == 50
