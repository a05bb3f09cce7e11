"""The brake: what it measures by, and what an answer to it counts for.  The judges are the till's own products and its requests."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from daemon.app import get_ready
from daemon.flows.planning import plan_products, plan_stock
from daemon.state.port import WrongAnswer
from daemon.text import ENGLISH
from tests.flow.shop import ARTICLES, Bridge, Shop, open_shop, world

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.state.port import Question

D = Decimal
#: a catalogue of which too much can be changed at once
MANY = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}", stock=D(50)) for number in range(40))
#: the same goods as a shopkeeper typed them into his till long ago: at his own prices
OWN_PRICE, OWN_STOCK = D("7.77"), D(50)


def furnished(tmp_path: Path, count: int = len(MANY), *, price: Decimal = OWN_PRICE) -> Shop:
    """A shop whose till has these products before we ever looked at it."""
    running = open_shop(tmp_path, world(articles=MANY))
    for article in MANY[:count]:
        running.till.cashier.add_product(article.sku, article.name, price, stock=OWN_STOCK)
    return running


def prices(running: Shop) -> dict[str, Decimal]:
    """What each product costs in the till."""
    return {one.number: one.values["price"] - one.values["discount"] for one in running.till.till.products.values()}


def active(running: Shop) -> int:
    """How many products of the till can be sold."""
    return sum(bool(one.values["active"]) for one in running.till.till.products.values())


def changed(running: Shop) -> int:
    """How many products the till was told to change."""
    return running.till.requests["PATCH", "products/:id"]


async def asked(bridge: Bridge, flow: str = "products") -> Question:
    """The one question that waits for an answer."""
    [question] = [one for one in await bridge.store.questions() if one.flow == flow]
    return question


async def answer(bridge: Bridge, question: Question, text: str) -> None:
    """Answer what was read."""
    await bridge.store.answer(question.pair, question.key, text)


# -- what the share is a share of ------------------------------------------------------------------------------------


async def test_a_first_run_overwrites_no_prices_unasked(tmp_path: Path) -> None:
    """Nothing is bound yet, and every price in the till is the shopkeeper's own: not one is touched before he says so, then all are."""
    running = furnished(tmp_path)
    async with running.process() as bridge:
        await bridge.settle("products")
        assert set(prices(running).values()) == {OWN_PRICE}
        assert changed(running) == 0
        question = await asked(bridge)
        assert "change the price of 40 of 40" in ENGLISH(question.text)
        assert "KAARS-0 (7.77 -> 4.95)" in ENGLISH(question.text)
        await answer(bridge, question, "continue")
        await bridge.settle("products")
    assert set(prices(running).values()) == {D("4.95")}


async def test_a_first_run_sets_no_prices_to_zero_unasked(tmp_path: Path) -> None:
    """Books in which nobody filled in the prices make no shop where everything is free."""
    running = furnished(tmp_path)
    for article in MANY:
        running.books.bookkeeper.change_article(article.sku, NetPrice=D(0), GrossPrice=D(0))
    async with running.process() as bridge:
        await bridge.settle("products")
        assert "set the price to zero of 40 of 40" in ENGLISH((await asked(bridge)).text)
    assert set(prices(running).values()) == {OWN_PRICE}


async def test_a_first_run_deactivates_nothing_unasked(tmp_path: Path) -> None:
    """An old catalogue in the books, all of it inactive, does not close the shop."""
    running = furnished(tmp_path, price=D("4.95"))
    for article in MANY:
        running.books.bookkeeper.deactivate_article(article.sku)
    async with running.process() as bridge:
        await bridge.settle("products")
        assert "deactivate 40 of 40" in ENGLISH((await asked(bridge)).text)
    assert active(running) == len(MANY)


async def test_products_that_only_the_till_has_do_not_thin_the_share(tmp_path: Path) -> None:
    """Twelve of the books' products among a hundred of the till's own: all twelve would be overwritten, and that is asked about."""
    running = open_shop(tmp_path, world(articles=MANY[:12]))
    for number in range(100):
        running.till.cashier.add_product(f"EIGEN-{number}", "Eigen", D(1))
    for article in MANY[:12]:
        running.till.cashier.add_product(article.sku, article.name, OWN_PRICE)
    async with running.process() as bridge:
        await bridge.settle("products")
        assert "change the price of 12 of 12" in ENGLISH((await asked(bridge)).text)
    assert list(prices(running).values()).count(OWN_PRICE) == 12


async def test_what_was_bound_to_a_till_that_was_replaced_does_not_thin_the_share(tmp_path: Path) -> None:
    """Forty bindings to products that are gone, eleven products in the new till: eleven of eleven, not of forty."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        for article in MANY:
            running.till.cashier.delete_product(article.sku)
        for article in MANY[:11]:
            running.till.cashier.add_product(article.sku, article.name, OWN_PRICE)
            running.books.bookkeeper.change_article(article.sku, GrossPrice=D(6))
        await bridge.settle("products")
        assert "change the price of 11 of 11" in ENGLISH((await asked(bridge)).text)
    assert set(prices(running).values()) == {OWN_PRICE}


# -- what an answer counts for ---------------------------------------------------------------------------------------


async def flooded(bridge: Bridge, running: Shop, count: int, price: str = "0.01") -> Question:
    """Change this many prices in the books, and return what is asked."""
    for article in MANY[:count]:
        running.books.bookkeeper.change_article(article.sku, GrossPrice=D(price))
    await bridge.settle("products")
    return await asked(bridge)


async def test_an_answer_to_a_question_that_has_grown_lets_nothing_pass(tmp_path: Path) -> None:
    """Twelve were read about when forty were meant: the answer is for the twelve, and the forty are asked about under their own number."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        before = changed(running)
        read = await flooded(bridge, running, 12)
        grown = await flooded(bridge, running, 40)
        assert read.key != grown.key
        with pytest.raises(KeyError):
            await answer(bridge, read, "continue")
        await bridge.settle("products")
        assert changed(running) == before
        await answer(bridge, grown, "continue")
        await bridge.settle("products")
    assert set(prices(running).values()) == {D("0.01")}


async def test_an_answer_given_while_the_question_grows_is_asked_for_again(tmp_path: Path) -> None:
    """The answer came first and the flood after it, before the next run: what nobody read about is not written."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        before = changed(running)
        await answer(bridge, await flooded(bridge, running, 12), "continue")
        again = await flooded(bridge, running, 40)
        assert "change the price of 40 of 40" in ENGLISH(again.text)
        assert changed(running) == before


async def test_the_same_products_at_other_prices_are_another_question(tmp_path: Path) -> None:
    """As many products, and the same ones: but not the prices that were read."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        before = changed(running)
        await answer(bridge, await flooded(bridge, running, 12, "0.02"), "continue")
        await flooded(bridge, running, 12, "0.01")
        assert changed(running) == before


async def test_an_answer_is_used_up_by_what_it_was_given_for(tmp_path: Path) -> None:
    """A month later the very same change is asked about again."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        for price in ("0.01", "4.95", "0.01"):
            question = await flooded(bridge, running, 12, price)
            assert list(prices(running).values()).count(D(price)) in {0, 28}
            await answer(bridge, question, "ja")
            await bridge.settle("products")
            assert await bridge.store.questions() == []
    assert list(prices(running).values()).count(D("0.01")) == 12


async def test_an_answer_outlives_a_run_that_is_broken_off(tmp_path: Path) -> None:
    """The process ended after some of what was allowed: the rest goes on without a second question."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        await answer(bridge, await flooded(bridge, running, 40), "continue")
        written = changed(running)
        update = bridge.pair.context.till.update_product

        async def few(product_id: str, draft: object) -> None:
            if changed(running) - written >= 5:
                bridge.pair.context.stopping.set()
            await update(product_id, draft)  # type: ignore[arg-type]

        bridge.pair.context.till.update_product = few  # type: ignore[method-assign]
        await bridge.runner.run("products")
    assert 0 < list(prices(running).values()).count(D("0.01")) < 29
    async with running.process() as bridge:
        await bridge.settle("products")
        assert await bridge.store.questions() == []
    assert set(prices(running).values()) == {D("0.01")}


@pytest.mark.parametrize("no", ["nee", "stop"])
async def test_no_is_an_answer(tmp_path: Path, no: str) -> None:
    """It keeps the run stopped, over a restart too, and is not asked about again until something changes."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        before = changed(running)
        question = await flooded(bridge, running, 12)
        assert await bridge.store.answer(question.pair, question.key, no) == 0
        for _ in range(3):
            await bridge.settle("products")
    async with running.process() as bridge:
        await bridge.settle("products")
        assert await bridge.store.questions() == []
        assert set((await bridge.held()).values()) == {"mass_change"}
        assert changed(running) == before
        assert "13 of 40" in ENGLISH((await flooded(bridge, running, 13)).text)
        for article in MANY[:13]:
            running.books.bookkeeper.change_article(article.sku, GrossPrice=D("4.95"))
        await bridge.settle("products")
        assert await bridge.held() == {}
        assert await bridge.store.questions() == []
    assert set(prices(running).values()) == {D("4.95")}


async def test_any_other_text_is_no_answer(tmp_path: Path) -> None:
    """Neither a yes nor a no: it is refused, and the question stands as it stood."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle("products")
        question = await flooded(bridge, running, 12)
        with pytest.raises(WrongAnswer, match="continue"):
            await answer(bridge, question, "misschien")
        await bridge.settle("products")
        assert (await asked(bridge)).key == question.key


async def test_no_to_empty_shelves_keeps_the_stock_as_it_is(tmp_path: Path) -> None:
    """The stock flow asks like the products do, and takes a no like they do."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle()
        for article in MANY[:20]:
            running.books.bookkeeper.change_article(article.sku, StockBalance=D(0))
        await bridge.settle("stock")
        await answer(bridge, await asked(bridge, "stock"), "nee")
        for _ in range(2):
            await bridge.settle("stock")
        assert await bridge.store.questions() == []
        assert set(running.till.ledger().stock.values()) == {D(50)}
        running.books.bookkeeper.change_article(MANY[20].sku, StockBalance=D(0))
        await bridge.settle("stock")
        assert "21 of 40" in ENGLISH((await asked(bridge, "stock")).text)


async def test_articles_that_are_gone_for_good_are_asked_about_once(tmp_path: Path) -> None:
    """A third of the catalogue was thrown out on purpose: one answer, and the rest of the stock goes on from then on."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle()
        for article in MANY[:12]:
            running.books.bookkeeper.delete_article(article.sku)
        await bridge.settle("stock")
        await answer(bridge, await asked(bridge, "stock"), "continue")
        for balance in (D(61), D(62)):
            running.books.bookkeeper.change_article(MANY[30].sku, StockBalance=balance)
            await bridge.settle("stock")
            assert running.till.ledger().stock[MANY[30].sku] == balance
        running.books.bookkeeper.delete_article(MANY[31].sku)
        await bridge.settle("stock")
        assert "no longer see 13 of 40" in ENGLISH((await asked(bridge, "stock")).text)


# -- the plan says so ------------------------------------------------------------------------------------------------


async def test_a_plan_of_forty_updates_says_that_the_brake_would_stop_them(tmp_path: Path) -> None:
    """What ``sync`` holds, ``plan`` shows as held, with the question and every field; after the answer both go on."""
    running = furnished(tmp_path)
    async with running.process() as bridge:
        await get_ready(bridge.pair.context)
        stop, *rest = await plan_products(bridge.pair.products, bridge.pair.context)
        assert (stop.verb, stop.reason) == ("stop", "mass_change")
        assert "change the price of 40 of 40" in ENGLISH(stop.detail)
        waiting = [action for action in rest if action.changes]
        assert {(action.verb, action.reason) for action in waiting} == {("hold", "mass_change")}
        assert {change.after for action in waiting for change in action.changes if change.field == "price"} == {"4.95"}
        assert len(waiting) == 40
        await bridge.settle("products")
        question = await asked(bridge)
        assert question.key == stop.label
        await answer(bridge, question, "continue")
        assert {action.verb for action in await plan_products(bridge.pair.products, bridge.pair.context)} <= {"update", "skip"}


async def test_a_plan_of_the_stock_says_that_the_brake_would_stop_it(tmp_path: Path) -> None:
    """Empty shelves are not promised that would be asked about."""
    running = open_shop(tmp_path, world(articles=MANY))
    async with running.process() as bridge:
        await bridge.settle()
        for article in MANY[:20]:
            running.books.bookkeeper.change_article(article.sku, StockBalance=D(0))
        stop, *rest = await plan_stock(bridge.pair.stock, [])
        assert (stop.verb, len(rest), {action.verb for action in rest}) == ("stop", 20, {"hold"})


async def test_a_plan_after_a_resend_is_what_sync_does(tmp_path: Path) -> None:
    """What is sent again has no payload any more; it is read and planned like anything else."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        running.till.cashier.change_product("MOK-1", name="Beker", price=D(1))
        await bridge.store.resend(bridge.pair.context.pair_id, "MOK-1")
        [action] = await plan_products(bridge.pair.products, bridge.pair.context)
        assert (action.verb, {change.field for change in action.changes}) == ("update", {"name", "price"})
        await bridge.settle("products")
        assert bridge.counts("products")["updated"] == 1
