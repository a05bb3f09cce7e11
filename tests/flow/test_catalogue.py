"""Products and stock: from the books to the till."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2

from daemon.text import ENGLISH
from tests.flow.shop import ARTICLES, Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

D = Decimal


async def edit(running: Shop, number: str, **fields: Any) -> None:
    """Change an article in the books, as a person does."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(running.books.app), base_url="http://books") as person:
        answer = await person.post(f"/_sandbox/articles/{number}", json=fields)
    assert answer.status_code == 200, answer.text


def product(running: Shop, number: str) -> Any:
    """A product as the till has it."""
    return next(one for one in running.till.till.products.values() if one.number.casefold() == number.casefold())


async def test_the_catalogue_arrives_with_prices_vat_and_free_stock(tmp_path: Path) -> None:
    """Every article of the shop, and none that only books shipping and the like."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        assert bridge.counts("products")["created"] == len(ARTICLES)
    stock = running.till.ledger().stock
    assert stock == {article.sku: article.stock for article in ARTICLES}


async def test_a_new_price_reaches_the_till_and_nothing_else_is_written(tmp_path: Path) -> None:
    """One change in the books, one PATCH in the till."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        before = running.writes()
        await edit(running, "KAARS-1", GrossPrice=5.25)
        await bridge.settle()
        assert bridge.counts("products")["updated"] == 1
    assert running.writes() == before + 1
    assert product(running, "KAARS-1").values["price"] == D("5.25")


async def test_an_inactive_article_is_deactivated_in_the_till(tmp_path: Path) -> None:
    """It is not deleted: what was sold must stay explainable."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        await edit(running, "MOK-1", IsActive=False)
        await bridge.settle()
    assert product(running, "MOK-1").values["active"] is False


async def test_a_renamed_sku_stays_the_same_product(tmp_path: Path) -> None:
    """The binding knows it; no second product appears, and the one there is gets the new number."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        await edit(running, "MOK-1", Number="MOK-2", Name="Mok blauw")
        await bridge.settle()
    assert len(running.till.till.products) == len(ARTICLES)
    assert product(running, "MOK-2").values["name"] == "Mok blauw"


async def test_a_sale_in_the_till_needs_no_stock_write(tmp_path: Path) -> None:
    """The till lowered its stock, the invoice lowers the books': both agree without a word."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        before = running.till.requests["PATCH", "products/:id"]
        running.till.ring_up(receipt("R1", line(quantity="3")))
        await bridge.settle()
        assert "updated" not in bridge.counts("stock")
    assert running.till.requests["PATCH", "products/:id"] == before
    assert running.till.ledger().stock["KAARS-1"] == running.books.ledger().stock["KAARS-1"] == 47


async def test_a_receipt_that_is_held_keeps_its_stock_away(tmp_path: Path) -> None:
    """Sold but not booked: the books' old number does not put it back on the shelf."""
    running = open_shop(tmp_path, world(), open_at_once=False, payment_methods='pin = "Pin"\n')
    async with running.process() as bridge:
        await bridge.settle()
        running.till.ring_up(receipt("R1", line(quantity="3"), paymethod="ideal"))
        await bridge.settle()
        assert await bridge.held() == {"R1": "payment_method_unknown"}
    assert running.till.ledger().stock["KAARS-1"] == 47
    assert running.books.ledger().stock["KAARS-1"] == 50


async def test_goods_received_in_the_books_reach_the_till(tmp_path: Path) -> None:
    """A delivery raises the books' stock; the till shows it at the next run."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        await edit(running, "THEE-1", StockBalance=140)
        await bridge.settle()
        assert bridge.counts("stock")["updated"] == 1
    assert running.till.ledger().stock["THEE-1"] == 140


async def test_a_flood_of_new_prices_stops_and_asks(tmp_path: Path) -> None:
    """A price list gone wrong reaches no customer: nothing is written until a person says so, and then only that."""
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}") for number in range(30))
    running = open_shop(tmp_path, world(articles=many))
    async with running.process() as bridge:
        await bridge.settle()
        before = running.writes()
        for article in many[:20]:
            await edit(running, article.sku, GrossPrice=0.01)
        await bridge.settle("products")
        assert running.writes() == before
        [question] = await bridge.store.questions()
        assert "change the price of 20 of 30" in ENGLISH(question.text)
        await bridge.store.answer(question.pair, question.key, "continue")
        await bridge.settle("products")
        assert product(running, "KAARS-3").values["price"] == D("0.01")
        assert await bridge.store.questions() == []


async def test_books_that_list_nothing_write_nothing(tmp_path: Path) -> None:
    """A source that turns empty is asked about, and no product is touched."""
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}") for number in range(30))
    running = open_shop(tmp_path, world(articles=many))
    async with running.process() as bridge:
        await bridge.settle()
        before = running.writes()
        running.books.books.articles.rows.clear()
        await bridge.settle("stock")
        assert running.writes() == before
        [question] = await bridge.store.questions()
        assert "no longer see 30 of 30" in ENGLISH(question.text)


async def test_emptying_the_shop_stops_and_asks(tmp_path: Path) -> None:
    """A run that would set most of the stock to zero writes nothing; one answer lets one run pass."""
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}") for number in range(30))
    running = open_shop(tmp_path, world(articles=many))
    async with running.process() as bridge:
        await bridge.settle()
        before = running.writes()
        for article in many[:20]:
            await edit(running, article.sku, StockBalance=0)
        await bridge.settle("stock")
        assert running.writes() == before
        [question] = await bridge.store.questions()
        assert "20 of 30" in ENGLISH(question.text)
        await bridge.settle("stock")
        assert running.writes() == before
        await bridge.store.answer(question.pair, question.key, "continue")
        await bridge.settle("stock")
        assert running.till.ledger().stock["KAARS-3"] == 0
        assert await bridge.store.questions() == []
