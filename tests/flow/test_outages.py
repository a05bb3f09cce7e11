"""A vendor is away: for how long, in which way and with how much of it ever, everything waits, nothing is lost, and it is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from connectors.sandbox.outages import Outage
from tests.flow.running import running
from tests.flow.shop import BUSINESS, PERSON, VirtualClock, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt
    from tests.flow.running import Daemon
    from tests.flow.shop import Shop

MINUTE, HOUR = 60.0, 3600.0
DURATIONS = {"40 s": 40.0, "20 minutes": 20 * MINUTE, "6 hours": 6 * HOUR, "a night": 12 * HOUR}
#: how often the flows look, so that a night does not take the test ten minutes
SELDOM = "".join(f"[links.shop.flows.{flow}]\ninterval = {seconds}\n" for flow, seconds in (("sales", 30), ("products", 300), ("stock", 300)))


def sold(number: int, minute: int = 0) -> WorldReceipt:
    """One of a few kinds of receipts: nobody's, a person's, a business's, something that comes back."""
    lines = (line("THEE-1", "2", "3.79", "9"), line())
    match number % 4:
        case 0:
            return receipt(f"R{number}", *lines, minute=minute)
        case 1:
            return receipt(f"R{number}", *lines, customer="p", minute=minute, paymethod="ideal")
        case 2:
            return receipt(f"R{number}", line("MOK-1", "3", "7.33"), customer="b", minute=minute)
        case _:
            return receipt(f"C{number}", line(quantity="-1"), minute=minute)


def begin(shop: Shop, vendor: str, outage: Outage, seconds: float) -> None:
    """Let an outage begin now."""
    side = shop.books if vendor == "books" else shop.till
    side.outages.begin(replace(outage, until=shop.clock.now() + timedelta(seconds=seconds)))


async def ring_up(shop: Shop, numbers: range, seconds: float) -> None:
    """People go on buying, spread over this time."""
    for number in numbers:
        shop.till.ring_up(replace(sold(number), sold_at=shop.clock.now()))
        await anyio.sleep(seconds / len(numbers))


async def judge(daemon: Daemon, count: int) -> None:
    """Both ledgers: every receipt booked once and paid once; and nothing waits for a person, nor was an attempt spent."""
    shop = daemon.shop
    books, till = shop.books.ledger(), shop.till.ledger()
    open_work = [work for flow in ("sales", "products") for work in await daemon.store.open_work("shop/till", flow)]
    assert [(work.label, work.state, work.reason, work.detail) for work in open_work] == []
    assert sorted(str(one.reference) for one in books.documents) == sorted({str(one.reference) for one in books.documents})
    assert len(books.documents) == till.receipts == count
    assert books.gross == till.gross
    assert books.remaining == 0
    spent = [work for number in range(count) for name in (f"R{number}", f"C{number}") for work in await daemon.store.find_work(name)]
    assert {work.attempt for work in spent} == {0}
    assert len(spent) == count


async def test_try(tmp_path: Path) -> None:
    """Try."""
    shop = open_shop(tmp_path, world(), open_at_once=False)
    async with running(shop) as daemon:
        await anyio.sleep(30)
        begin(shop, "books", Outage(kind="status_500"), 20 * MINUTE)
        await ring_up(shop, range(40), 20 * MINUTE)
        await anyio.sleep(5 * MINUTE)
        print(await daemon.supervisor.health.health())
        print(daemon.told)
        print(daemon.wires["books"].requests)
        await judge(daemon, 40)
