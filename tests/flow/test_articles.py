"""Articles that change under us: renumbered, deactivated, deleted, taxed otherwise.  The judges are both vendors' own ledgers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio

from connectors.sandbox.eaccounting import BooksSwitches
from daemon.app import get_ready
from daemon.flows.catalogue import Catalogue
from daemon.flows.planning import plan_products
from daemon.flows.products import ALL_EVERY
from daemon.settings import load
from daemon.text import ENGLISH
from tests.flow.shop import ARTICLES, Bridge, Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

D = Decimal
CANDLE, TEA, MUG = "KAARS-1", "THEE-1", "MOK-1"


def products(running: Shop) -> dict[str, Mapping[str, Any]]:
    """What the till has, by number."""
    return {one.number: one.values for one in running.till.till.products.values()}


def rows(running: Shop) -> Any:
    """What was booked: the number that each row's article has now, and how many."""
    numbers = {row["Id"]: row["Number"] for row in running.books.books.articles.rows.values()}
    documents = running.books.books.tables["customerinvoices"].rows.values()
    return [(numbers[row["ArticleId"]], row["Quantity"]) for document in documents for row in document["Rows"]]


async def whole_look(bridge: Bridge) -> None:
    """Let so much time pass that the whole catalogue is read, and settle."""
    await anyio.sleep(ALL_EVERY + 1)
    await bridge.settle()


# -- renumbered --------------------------------------------------------------------------------------------------------------------


async def test_a_renumbered_article_takes_its_product_and_its_stock_along(tmp_path: Path) -> None:
    """The till's product gets the new number, keeps its stock, and a delivery to the new number reaches it."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.books.bookkeeper.renumber_article(MUG, "MOK-2")
        await bridge.settle()
        running.books.bookkeeper.change_article("MOK-2", StockBalance=D(77))
        await bridge.settle()
        assert await bridge.held() == {}
    assert sorted(products(running)) == sorted(["MOK-2", *(one.sku for one in ARTICLES if one.sku != MUG)])
    assert running.till.ledger().stock == running.books.ledger().stock
    assert running.till.ledger().stock["MOK-2"] == 77


async def test_stock_goes_on_by_the_binding_before_the_number_is_carried_over(tmp_path: Path) -> None:
    """The products flow has not run yet, or its mapping leaves numbers alone: the stock knows the product all the same."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.books.bookkeeper.renumber_article(MUG, "MOK-2")
        running.books.bookkeeper.change_article("MOK-2", StockBalance=D(77))
        await bridge.settle("stock")
        assert running.till.ledger().stock[MUG] == 77
        assert await bridge.store.questions() == []


async def test_receipts_with_the_old_and_the_new_number_are_booked_on_the_same_article(tmp_path: Path) -> None:
    """One was rung up before the number changed and read after it, one before the till knew the new number, one after."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.till.ring_up(receipt("R1", line(MUG, "1", "7.33")))
        running.books.bookkeeper.renumber_article(MUG, "MOK-2")
        await bridge.settle("sales")
        running.till.ring_up(receipt("R2", line(MUG, "2", "7.33"), minute=1))
        await bridge.settle("sales", "products")
        running.till.ring_up(receipt("R3", line("MOK-2", "4", "7.33"), minute=2))
        await bridge.settle()
        assert await bridge.held() == {}
    assert sorted(rows(running)) == [("MOK-2", 1), ("MOK-2", 2), ("MOK-2", 4)]
    assert running.till.ledger().stock["MOK-2"] == running.books.ledger().stock["MOK-2"] == 23


async def test_an_old_number_that_a_new_article_got_is_still_the_old_product(tmp_path: Path) -> None:
    """The mug was renumbered and its number given to the tea: what the till sold is told by its product, not by the number."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.till.ring_up(receipt("R1", line(MUG, "1", "7.33")))
        running.books.bookkeeper.renumber_article(MUG, "MOK-2")
        running.books.bookkeeper.renumber_article(CANDLE, MUG)
        await bridge.settle("sales")
    assert rows(running) == [("MOK-2", 1)]


async def test_a_number_that_the_till_gave_another_product_is_asked_about(tmp_path: Path) -> None:
    """Two products of one number would make every later receipt a guess: the change is held, and nothing else is."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.till.cashier.add_product("MOK-2", "Eigen mok", D(3))
        running.books.bookkeeper.renumber_article(MUG, "MOK-2")
        running.books.bookkeeper.change_article(TEA, GrossPrice=D("3.99"))
        await bridge.settle()
        assert await bridge.held() == {"MOK-2": "sku_ambiguous"}
    assert products(running)[MUG]["name"] == "Mok"
    assert products(running)[TEA]["price"] == D("3.99")


async def test_a_number_of_the_tills_own_is_left_alone(tmp_path: Path) -> None:
    """Somebody gave the product another number in the till: that is his, whatever the books do."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.till.cashier.change_product(MUG, productnumber="EIGEN-9")
        running.books.bookkeeper.renumber_article(MUG, "MOK-2")
        await bridge.settle()
        assert await bridge.held() == {}
    assert "EIGEN-9" in products(running)


async def test_a_catalogue_renumbered_at_once_is_asked_about_and_its_stock_goes_on(tmp_path: Path) -> None:
    """Thirty new numbers are a mass change of the till, but no article has vanished."""
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}") for number in range(30))
    running = open_shop(tmp_path, world(articles=many), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        for article in many:
            running.books.bookkeeper.renumber_article(article.sku, f"N-{article.sku}")
        running.books.bookkeeper.change_article("N-KAARS-3", StockBalance=D(77))
        await bridge.settle("stock", "products")
        [question] = await bridge.store.questions()
        assert "change the number of 30 of 30" in ENGLISH(question.text)
        assert running.till.ledger().stock["KAARS-3"] == 77
        await bridge.store.answer(question.pair, question.key, "continue")
        await bridge.settle()
    assert set(products(running)) == {f"N-{article.sku}" for article in many}


# -- deleted and deactivated ---------------------------------------------------------------------------------------------------------


async def test_an_article_deleted_in_the_books_is_taken_out_of_sale_and_not_lost(tmp_path: Path) -> None:
    """No change tells it; asked for by its id it is gone, and the till's product stays with its name and stock, inactive."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        running.books.bookkeeper.delete_article(MUG)
        [action] = await plan_products(bridge.pair.products, bridge.pair.context)
        assert (action.verb, [(change.field, change.after) for change in action.changes]) == ("update", [("active", "False")])
        await whole_look(bridge)
        assert products(running)[MUG]["active"] is False
        assert products(running)[MUG]["name"] == "Mok"
        assert running.till.ledger().stock[MUG] == 30
        requests = running.books.requests["GET", "/v2/articles/{id}"]
        await whole_look(bridge)
        assert running.books.requests["GET", "/v2/articles/{id}"] == requests
        assert await plan_products(bridge.pair.products, bridge.pair.context) == []
        assert await bridge.held() == {}


async def test_a_catalogue_deleted_at_once_is_asked_about(tmp_path: Path) -> None:
    """Twelve of thirty are really gone: all of them would be taken out of sale, and none is unasked."""
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}") for number in range(30))
    running = open_shop(tmp_path, world(articles=many), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle("products")
        for article in many[:12]:
            running.books.bookkeeper.delete_article(article.sku)
        await anyio.sleep(ALL_EVERY + 1)
        await bridge.settle("products")
        [question] = await bridge.store.questions()
        assert "deactivate 12 of 30" in ENGLISH(question.text)
        assert all(one["active"] for one in products(running).values())
        await bridge.store.answer(question.pair, question.key, "continue")
        await bridge.settle("products")
    assert sum(one["active"] for one in products(running).values()) == 18


async def test_a_mapping_that_does_not_write_activity_leaves_a_deleted_article_in_sale(tmp_path: Path) -> None:
    """What the till sells is then the shopkeeper's alone."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    folder = anyio.Path(tmp_path / "mapping")
    await folder.mkdir()
    await (folder / "products.toml").write_text('[update]\nactive = ""\n')
    file = anyio.Path(tmp_path / "kassabrug.toml")
    await file.write_text((await file.read_text()).replace("[links.shop]\n", '[links.shop]\nmapping = "mapping"\n'))
    running.settings = load(tmp_path / "kassabrug.toml")
    async with running.process() as bridge:
        await bridge.settle("products")
        assert products(running)[MUG]["active"] is True
        running.books.bookkeeper.delete_article(MUG)
        await whole_look(bridge)
        assert await bridge.held() == {}
    assert products(running)[MUG]["active"] is True


async def test_an_article_made_anew_under_the_number_of_a_deleted_one_is_in_sale_again(tmp_path: Path) -> None:
    """Another article for the books, the same product for the till."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    books = running.books.books
    async with running.process() as bridge:
        await bridge.settle()
        old = dict(books.articles.find("Number", MUG)[0])
        running.books.bookkeeper.delete_article(MUG)
        await whole_look(bridge)
        assert products(running)[MUG]["active"] is False
        books.add(books.articles, {**old, "Id": books.new_id(), "StockBalance": D(12), "StockBalanceAvailable": D(12)})
        await whole_look(bridge)
        assert await bridge.held() == {}
        running.till.ring_up(receipt("R1", line(MUG, "2", "7.33")))
        await bridge.settle()
    assert products(running)[MUG]["active"] is True
    assert len(running.till.till.products) == len(ARTICLES)
    assert running.till.ledger().stock[MUG] == running.books.ledger().stock[MUG] == 10


async def test_books_that_leave_articles_out_of_their_list_take_nothing_out_of_sale(tmp_path: Path) -> None:
    """What is there when it is asked for by its id is not gone, and a list that leaves out many is believed in nothing."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        books: Any = bridge.pair.context.books
        real = books.read_changes

        async def short(since: Any, *, after: Any = None) -> Any:
            page = await real(since, after=after)
            return replace(page, changes=())

        books.read_changes = short
        await whole_look(bridge)
    assert all(one["active"] for one in products(running).values())


# -- taxed otherwise -----------------------------------------------------------------------------------------------------------------


async def test_a_rate_that_no_articles_moment_tells_reaches_the_till(tmp_path: Path) -> None:
    """The coding was put right in the books, and no article of it has changed as far as its moment says."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await bridge.settle()
        assert products(running)[TEA]["taxtariff"] == "low a"
        coding = running.books.books.articles.find("Number", TEA)[0]["CodingName"]
        running.books.bookkeeper.set_coding_rate(coding, D(21))
        await whole_look(bridge)
    assert products(running)[TEA]["taxtariff"] == "normal"


async def test_fresh_articles_have_the_rates_of_this_moment(tmp_path: Path) -> None:
    """A coding's rate, an article moved to another coding, a new number: all as the books have them now, in three requests at most."""
    running = open_shop(tmp_path, world(), open_at_once=False, books=BooksSwitches(stock_touches_article=False))
    async with running.process() as bridge:
        context = bridge.pair.context
        await get_ready(context)
        catalogue = Catalogue(context.books, context.clock, life_seconds=300)
        rates = {one.sku: one.vat_rate for one in await catalogue.articles([CANDLE, TEA])}
        assert rates == {CANDLE: 21, TEA: 9}
        low = running.books.books.articles.find("Number", TEA)[0]["CodingName"]
        running.books.bookkeeper.set_coding_rate(low, D(21))
        before = running.books.requests.total()
        [tea] = await catalogue.fresh([TEA])
        assert tea.vat_rate == 21
        assert running.books.requests.total() - before == 2
        running.books.bookkeeper.set_coding_rate(low, D(9))
        running.books.bookkeeper.move_article(CANDLE, low, keep="gross")
        assert [one.vat_rate for one in await catalogue.fresh([CANDLE, TEA])] == [9, 9]


async def test_nothing_that_is_kept_is_used_for_longer_than_its_life(tmp_path: Path) -> None:
    """A life of a minute: within it the books are not asked, after it they are, for what is needed alone."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        context = bridge.pair.context
        await get_ready(context)
        catalogue = Catalogue(context.books, context.clock, life_seconds=60)
        await catalogue.articles([TEA])
        low = running.books.books.articles.find("Number", TEA)[0]["CodingName"]
        running.books.bookkeeper.set_coding_rate(low, D(21))
        before = running.books.requests.total()
        await anyio.sleep(20)
        assert [one.vat_rate for one in await catalogue.articles([TEA])] == [9]
        assert running.books.requests.total() == before
        await anyio.sleep(41)
        assert [one.vat_rate for one in await catalogue.articles([TEA])] == [21]
        await anyio.sleep(10)
        asked = running.books.requests.total()
        assert [one.vat_rate for one in await catalogue.fresh([TEA], within=20)] == [21]
        assert running.books.requests.total() == asked


async def test_what_is_kept_of_a_deleted_article_is_forgotten(tmp_path: Path) -> None:
    """Asked for afresh, it is missing; it was not only not found."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        context = bridge.pair.context
        await get_ready(context)
        catalogue = Catalogue(context.books, context.clock)
        assert len(await catalogue.articles([MUG])) == 1
        running.books.bookkeeper.delete_article(MUG)
        assert await catalogue.fresh([MUG]) == []
        assert catalogue.at_hand([MUG]) == []
