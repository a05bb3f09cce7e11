"""A shop's day, from the catalogue to the last cent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.sandbox import receipts, shop
from tests.conftest import RETAIL
from tests.flow.shop import Bridge, Shop, open_shop

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.sandbox.world import World


async def day(running: Shop, bridge: Bridge) -> None:
    """The catalogue goes to the till, the shop opens, the day is booked; both vendors' own ledgers must agree."""
    await bridge.settle("products", "stock")
    running.till.ring_up_all()
    outcome = await bridge.settle()
    till, books = running.till.ledger(), running.books.ledger()
    assert await bridge.held() == {}
    assert till.gross == books.gross == outcome.till == outcome.books
    assert till.receipts == len(books.documents) == outcome.documents
    assert len(set(running.references())) == len(books.documents)
    assert books.remaining == 0
    stock = {sku.casefold(): quantity for sku, quantity in books.stock.items()}
    assert {sku: q for sku, q in till.stock.items() if q is not None and stock[sku.casefold()] != q} == {}
    assert till.products == len(till.stock)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_day_of_the_made_up_shop_agrees_to_the_cent(tmp_path: Path, seed: int) -> None:
    """Refunds, vouchers, discounts, shipping, cash rounding, businesses, anonymous buyers: every receipt has its document."""
    running = open_shop(tmp_path, shop.generate(seed), open_at_once=False)
    async with running.process() as bridge:
        await day(running, bridge)


@pytest.fixture(params=["2010-12-23", "2011-01-20"])
def real(request: pytest.FixtureRequest) -> World:
    """A real shop's day."""
    path = RETAIL / f"{request.param}.csv"
    if not path.exists():
        pytest.skip("the real days do not lie here")
    return receipts.load([path])


@pytest.mark.timeout(120)
async def test_a_real_day_agrees_to_the_cent(tmp_path: Path, real: World) -> None:
    """Real, messy receipts: till and books come to the same, document by document."""
    running = open_shop(tmp_path, real, open_at_once=False)
    async with running.process() as bridge:
        await day(running, bridge)


async def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    """What is in step stays untouched: not one request that could change anything."""
    running = open_shop(tmp_path, shop.generate(4))
    async with running.process() as bridge:
        await bridge.settle()
        before = running.writes()
        again = await bridge.settle()
    async with running.process() as bridge:
        await bridge.settle()
        assert running.writes() == before
        assert again.difference == 0


async def test_a_lost_state_doubles_nothing(tmp_path: Path) -> None:
    """A new state directory over books that are full: every receipt's document is found, every product recognised."""
    running = open_shop(tmp_path, shop.generate(5))
    async with running.process(state="first") as bridge:
        await bridge.settle()
    before = running.writes()
    documents = len(running.books.ledger().documents)
    async with running.process(state="second") as bridge:
        outcome = await bridge.settle()
        assert len(running.books.ledger().documents) == documents
        assert outcome.difference == 0
        assert outcome.documents == documents
        assert set(bridge.counts("sales")) == {"skipped"}
    assert running.writes() == before
