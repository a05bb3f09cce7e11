"""Goods that are weighed: three decimals of a quantity, whatever the books take; the document comes to what was paid.

The judges are both ledgers: what the till says was paid and taxed, what the books say it came to, and their stock.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.eaccounting import BooksSwitches
from tests.flow.judge import disagreements
from tests.flow.shop import ARTICLES, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt

CHEESE = replace(ARTICLES[0], sku="KAAS-1", name="Kaas", price=Decimal("12.49"), stock=Decimal(100))
NUTS = replace(ARTICLES[0], sku="NOOT-1", name="Noten", price=Decimal("7.99"), stock=Decimal(100))
SHOP = (*ARTICLES, CHEESE, NUTS)


def weighed(number: str, customer: str | None = None, *, back: bool = False, minute: int = 0) -> WorldReceipt:
    """A piece of cheese of more than a kilogram, a handful of nuts, and a few grams of them."""
    sign = "-" if back else ""
    lines = (line("KAAS-1", f"{sign}1.235", "12.49"), line("NOOT-1", f"{sign}0.345", "7.99"), line("NOOT-1", f"{sign}0.004", "7.99"))
    return receipt(number, *lines, customer=customer, minute=minute)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("document", ["invoice", "draft"])
async def test_weighed_goods_come_to_what_was_paid(tmp_path: Path, document: str, *, strict: bool) -> None:
    """For nobody, a person, a business, and a refund of each; where more decimals are refused, and where they are rounded."""
    kinds = [(customer, back) for back in (False, True) for customer in (None, "p", "b")]
    sold = [weighed(f"R{number}", customer, back=back, minute=number) for number, (customer, back) in enumerate(kinds)]
    change = f'[links.shop.sales]\ndocument = "{document}"\n'
    shop = open_shop(tmp_path, world(*sold, articles=SHOP), books=BooksSwitches(refuse_extra_decimals=strict), change=change)
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    if document == "invoice":
        assert disagreements(shop) == []
    assert sorted((one.reference or "", one.gross) for one in shop.books.documents()) == [
        (f"KB-{one.number}", one.gross) for one in shop.till.receipts()
    ]


async def test_a_weighed_receipt_is_taken_back_whole(tmp_path: Path) -> None:
    """Voided after it was booked: the credit comes to the same, and the goods are back to a gram or so."""
    shop = open_shop(tmp_path, world(weighed("R1"), weighed("R2", "b", minute=1), articles=SHOP))
    async with shop.process() as bridge:
        await bridge.settle()
        for number in ("R1", "R2"):
            shop.till.cashier.cancel(number)
        await bridge.settle()
        assert await bridge.held() == {}
    assert disagreements(shop) == []
    left = {sku: shop.books.ledger().stock[sku] for sku in ("KAAS-1", "NOOT-1")}
    assert all(abs(stock - 100) <= Decimal("0.02") for stock in left.values()), left


async def test_grams_move_stock_by_what_the_books_take(tmp_path: Path) -> None:
    """Two decimals: 1.24 for 1.235, and a hundredth for what is lighter."""
    shop = open_shop(tmp_path, world(weighed("R1", "b"), articles=SHOP))
    async with shop.process() as bridge:
        await bridge.settle()
    assert (shop.books.ledger().stock["KAAS-1"], shop.books.ledger().stock["NOOT-1"]) == (Decimal("98.76"), Decimal("99.64"))


@pytest.mark.parametrize("customer", [None, "p", "b"])
@pytest.mark.parametrize("quantity", ["0.345", "0.343"])
async def test_a_total_with_a_fraction_of_a_cent_is_booked_to_the_cent(tmp_path: Path, customer: str | None, quantity: str) -> None:
    """Nobody pays a fraction of a cent: the document is what a till's drawer, or a card, is charged."""
    shop = open_shop(tmp_path, world(articles=SHOP))
    nuts = replace(line("NOOT-1", quantity, "7.99"), quantity=Decimal(quantity))
    exact = Decimal(quantity) * Decimal("7.99")
    shop.till.cashier.ring_up(replace(receipt("R1", nuts, customer=customer), gross=exact), exact=True)
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    [document] = shop.books.documents()
    assert (document.gross, document.remaining) == (round(exact, 2), Decimal(0))
