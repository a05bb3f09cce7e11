"""The daemon's clock jumps by more than a day, there and back, while it works; and a night in which the clocks are changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from connectors.sandbox import shop
from tests.flow.shop import VirtualClock, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.shop import Bridge, Shop

JUMP = timedelta(hours=26)


def far_away(app: Any, random: Random) -> Callable[..., Any]:
    """The same app, a fifth of a second away, at the end of a line on which one answer in twenty is lost.

    Answers with a new token are not: a lost one ends the sign-in, which another test is about.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.1)
        if random.random() < 0.05 and scope["path"] != "/connect/token":
            await app(scope, receive, _nobody)
            raise ConnectionResetError
        await app(scope, receive, send)
        await anyio.sleep(0.1)

    return answer


async def _nobody(_: Any) -> None:
    """Hear an answer that is lost."""


async def work(running: Shop, bridge: Bridge, longest: timedelta) -> None:
    """Run the flows as the daemon does, until every receipt is booked and every product there."""
    began = anyio.current_time()
    while True:
        for flow in ("products", "stock", "sales"):
            await bridge.runner.run(flow)
        open_now = [one for flow in ("products", "sales") for one in await bridge.store.open_work(bridge.pair.context.pair_id, flow)]
        if not open_now and len(running.books.ledger().documents) == running.till.ledger().receipts:
            return
        assert anyio.current_time() - began < longest.total_seconds(), open_now
        await bridge.pair.context.rest(5)


@pytest.mark.parametrize("seed", range(4))
async def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, seed: int) -> None:
    """Forward and back again at any moment: nothing is lost, nothing is doubled, and nothing waits for the wrong day to come."""
    random = Random(seed)
    running = open_shop(tmp_path, shop.generate(seed, 20))
    for side in (running.books, running.till):
        side.app = far_away(side.app, random)
    running.clock = VirtualClock()  # the daemon's own: the vendors' clocks are right

    async def jump() -> None:
        for _ in range(4):
            for by in (JUMP, timedelta(0)) if random.random() < 0.5 else (-JUMP, timedelta(0)):
                await anyio.sleep(random.uniform(0.5, 8))
                running.clock.jumped = by

    async with running.process() as bridge, anyio.create_task_group() as group:
        group.start_soon(jump)
        await work(running, bridge, timedelta(hours=1))
        group.cancel_scope.cancel()
    running.clock.jumped = timedelta(0)
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    till, books = running.till.ledger(), running.books.ledger()
    assert till.gross == books.gross
    assert till.receipts == len(books.documents) == len(set(running.references()))
    assert books.remaining == 0
    assert till.products == len(till.stock)


@pytest.mark.parametrize("evening", ["2026-03-28", "2026-10-24"])
async def test_the_night_in_which_the_clocks_are_changed(tmp_path: Path, evening: str) -> None:
    """An hour that is missing, or there twice, costs no receipt and doubles none; each document has the shop's own date."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    running.clock.start = datetime.fromisoformat(f"{evening}T20:30+00:00")
    sold = {}
    async with running.process() as bridge:
        for number in range(20):
            now = running.clock.now()
            one = replace(receipt(f"9{number:03}", line()), sold_at=now)
            running.till.ring_up(one)
            sold[f"KB-{one.number}"] = now.astimezone(ZoneInfo("Europe/Amsterdam")).date().isoformat()
            await bridge.runner.run("sales")
            assert len(running.books.ledger().documents) == number + 1
            await anyio.sleep(20 * 60)
        assert await bridge.held() == {}
    documents = running.books.ledger().documents
    assert {document.reference: document.dated[:10] for document in documents} == sold
    assert len(set(sold.values())) == 2
    assert len(documents) == len(sold) == running.till.ledger().receipts
    assert running.books.ledger().remaining == 0
