"""The stock that the till shows while people sell and bookkeepers book.  The judges are the shelves of both vendors' own ledgers."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.port import Rejected
from connectors.sandbox.eaccounting import BooksSwitches
from connectors.sandbox.outages import Outage
from connectors.sandbox.salespos import TillSandbox, TillSwitches
from daemon.flow_run import FlowRunner
from daemon.settings import load
from tests.flow.running import running as daemon
from tests.flow.shop import ARTICLES, Bridge, Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.model import ProductPatch
    from connectors.port import ConnectorError
    from daemon.app import Pair

D = Decimal
MINUTE = 60.0
#: one of the ways to pay is unknown, so that its receipts are sold and not booked
PIN_ONLY = 'pin = "Pin"\n'
CANDLE, TEA, MUG = "KAARS-1", "THEE-1", "MOK-1"


def shown(running: Shop, sku: str = CANDLE) -> Any:
    """What the till shows."""
    return running.till.ledger().stock[sku]


def booked(running: Shop, sku: str = CANDLE) -> Any:
    """What the books have."""
    return running.books.ledger().stock[sku]


def written(running: Shop) -> int:
    """How often the till was told another stock (or another anything)."""
    return running.till.requests["PATCH", "products/:id"]


def sell(running: Shop, number: str, quantity: str = "3", sku: str = CANDLE, **more: Any) -> None:
    """Ring up a receipt."""
    article = next(one for one in ARTICLES if one.sku == sku)
    running.till.ring_up(receipt(number, line(sku, quantity, str(article.price), str(article.vat_rate)), **more))


def before(pair: Pair, side: str, call: str, happens: Any, *, times: int = 1) -> None:
    """Let something happen just before a connector is asked something, so many times."""
    connector: Any = getattr(pair.context, side)
    real = getattr(connector, call)
    left = [times]

    async def meanwhile(*args: Any, **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            done = happens()
            if done is not None:
                await done
        return await real(*args, **more)

    setattr(connector, call, meanwhile)


async def opened(bridge: Bridge) -> None:
    """Bring the catalogue to the till and everything to rest."""
    await bridge.settle()
    assert await bridge.held() == {}


# -- between two looks -----------------------------------------------------------------------------------------------


async def test_a_sale_rung_up_before_the_last_look_at_the_till_is_not_put_back(tmp_path: Path) -> None:
    """The books were read, then somebody sold three, then the till was read: it shows three less, and is right."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await opened(bridge)
        writes = written(running)
        before(bridge.pair, "till", "all_products", lambda: sell(running, "R1"))
        await bridge.runner.run("stock")
        assert (shown(running), written(running)) == (47, writes)
        await bridge.settle()
    assert shown(running) == booked(running) == 47


async def test_a_receipt_booked_between_the_two_looks_is_not_subtracted_twice(tmp_path: Path) -> None:
    """It was on its way when the run began, and in the books when they were read."""
    running = open_shop(tmp_path, world(), open_at_once=False, payment_methods=PIN_ONLY)
    async with running.process() as bridge:
        await opened(bridge)
        sell(running, "R1", paymethod="ideal")
        await bridge.settle("sales", "stock")
        assert (shown(running), booked(running)) == (47, 50)
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "Pin")
        writes = written(running)
        before(bridge.pair, "books", "stock_levels", lambda: bridge.settle("sales"))
        await bridge.runner.run("stock")
        assert (shown(running), booked(running), written(running)) == (47, 47, writes)


async def test_a_document_on_the_line_is_neither_counted_nor_forgotten(tmp_path: Path) -> None:
    """The books have lowered their stock, and their answer has not come yet: nobody can say which of the two numbers is right."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await opened(bridge)
        sell(running, "R0")
        await bridge.settle()  # the first receipt tells what private persons' prices mean
        writes = written(running)
        books: Any = bridge.pair.context.books
        real = books.book

        async def book(draft: Any) -> Any:
            document = await real(draft)
            assert booked(running) == 44
            await bridge.runner.run("stock")
            assert (shown(running), written(running)) == (44, writes)
            return document

        books.book = book
        sell(running, "R1")
        await bridge.settle("sales")
        books.book = real
        await bridge.settle()
    assert shown(running) == booked(running) == 44


async def test_goods_received_while_the_same_goods_are_sold_arrive_in_the_same_run(tmp_path: Path) -> None:
    """A hundred more, and three sold while we looked: looked at again, the till shows what is there."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    async with running.process() as bridge:
        await opened(bridge)
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(150))
        before(bridge.pair, "till", "all_products", lambda: sell(running, "R1"))
        await bridge.runner.run("stock")
        assert shown(running) == 147


async def test_stock_never_starves_behind_a_steady_stream_of_sales(tmp_path: Path) -> None:
    """A sale every two to eight seconds: what the books receive reaches the till within minutes, and in the end both shelves are equal."""
    running = open_shop(tmp_path, world(), open_at_once=False)
    rng = random.Random(7)
    late: list[float] = []

    async def sell_on(minutes: float) -> None:
        """Sell the three goods in turn, and receive more of one of them every four minutes."""
        end, number = anyio.current_time() + minutes * MINUTE, 0
        received = 0.0
        while anyio.current_time() < end:
            number += 1
            sell(running, f"S{number}", "1", (CANDLE, TEA, MUG)[number % 3], minute=120 + int(anyio.current_time() / MINUTE))
            if anyio.current_time() - received >= 4 * MINUTE:
                received = anyio.current_time()
                running.books.bookkeeper.change_article("BOEK-1", StockBalance=booked(running, "BOEK-1") + 10)
                running.books.bookkeeper.change_article(TEA, StockBalance=booked(running, TEA) + 50)
            await anyio.sleep(rng.uniform(2, 8))
            if shown(running, "BOEK-1") != booked(running, "BOEK-1") or shown(running, TEA) < booked(running, TEA) - 20:
                late.append(anyio.current_time() - received)

    async with daemon(running) as bridge:
        await anyio.sleep(2 * MINUTE)
        await sell_on(9)
        await anyio.sleep(3 * MINUTE)
        assert len(bridge.documents()) > 90
    assert late
    assert max(late) < 2 * MINUTE
    assert running.till.ledger().stock == running.books.ledger().stock


# -- several tills ---------------------------------------------------------------------------------------------------


async def with_second_till(tmp_path: Path, running: Shop) -> TillSandbox:
    """Give the company a second till."""
    second = TillSandbox(world(), clock=running.clock.now, limits=False, switches=TillSwitches(), open_shop=False, seed=2, name="second")
    more = f"""
[connections.second]
kind = "salespos"
api = "http://127.0.0.1:3/api/rest/v1"
public_key = "{second.public_key}"
secret_key = "{second.secret_key}"
"""
    path = anyio.Path(tmp_path / "kassabrug.toml")
    text = await path.read_text(encoding="utf-8")
    await path.write_text(text.replace('tills = ["till"]', 'tills = ["till", "second"]') + more, encoding="utf-8")
    running.settings = load(tmp_path / "kassabrug.toml")
    return second


async def test_a_second_till_counts_what_the_first_has_sold_and_not_booked(tmp_path: Path) -> None:
    """Forty of fifty are sold at the first till and wait for an answer: the second does not offer fifty."""
    running = open_shop(tmp_path, world(), open_at_once=False, payment_methods=PIN_ONLY)
    second = await with_second_till(tmp_path, running)
    async with daemon(running, {"second": second.app}, loops=False) as bridge:
        one, two = (FlowRunner(pair) for pair in bridge.app.pairs)
        for runner in (one, two):
            for flow in ("sales", "products", "stock"):
                await runner.run(flow)
        assert second.ledger().stock[CANDLE] == 50
        sell(running, "R1", "40", paymethod="ideal")
        await two.run("stock")
        assert second.ledger().stock[CANDLE] == 10
        await one.run("sales")
        await two.run("stock")
        assert second.ledger().stock[CANDLE] == 10
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "Pin")
        for flow in ("sales", "stock"):
            await one.run(flow)
            await two.run(flow)
    assert shown(running) == second.ledger().stock[CANDLE] == booked(running) == 10


async def test_a_product_new_in_the_second_till_starts_with_what_is_left(tmp_path: Path) -> None:
    """The products flow brings it with the books' number less what the first till has sold."""
    running = open_shop(tmp_path, world(), open_at_once=False, payment_methods=PIN_ONLY)
    second = await with_second_till(tmp_path, running)
    async with daemon(running, {"second": second.app}, loops=False) as bridge:
        one, two = (FlowRunner(pair) for pair in bridge.app.pairs)
        for flow in ("products", "stock"):
            await one.run(flow)
        sell(running, "R1", "40", paymethod="ideal")
        await one.run("sales")
        await two.run("products")
        assert second.ledger().stock[CANDLE] == 10


async def test_a_till_that_is_off_holds_up_no_other(tmp_path: Path) -> None:
    """What was stored of it counts, and goods that came in arrive in the till that is on."""
    running = open_shop(tmp_path, world(), open_at_once=False, payment_methods=PIN_ONLY)
    second = await with_second_till(tmp_path, running)
    async with daemon(running, {"second": second.app}, loops=False) as bridge:
        one, two = (FlowRunner(pair) for pair in bridge.app.pairs)
        for runner in (one, two):
            for flow in ("sales", "products", "stock"):
                await runner.run(flow)
        second.ring_up(receipt("R1", line(quantity="5"), paymethod="ideal"))
        await two.run("sales")
        bridge.wires["second"].refuse_everything = True
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(150))
        run = await one.run("stock")
        assert run.result == "success"
    assert shown(running) == 145


# -- sales that we do not book ---------------------------------------------------------------------------------------

SALES_OFF = "\n[links.shop.flows.sales]\nenabled = false\n"


async def test_with_the_sales_off_stock_goes_on_and_puts_nothing_back(tmp_path: Path) -> None:
    """What is sold and never booked by us is the till's own count; a number that changes in the books is carried over."""
    running = open_shop(tmp_path, world(), open_at_once=False, change=SALES_OFF)
    async with running.process() as bridge:
        await bridge.settle("products", "stock")
        sell(running, "R1")
        for _ in range(2):
            assert (await bridge.runner.run("stock")).result == "success"
        assert (shown(running), booked(running)) == (47, 50)
        running.books.bookkeeper.change_article(TEA, StockBalance=D(140))
        await bridge.settle("products", "stock")
        assert (shown(running), shown(running, TEA)) == (47, 140)
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(47))
        await bridge.settle("products", "stock")
        assert (shown(running), booked(running)) == (47, 47)
        assert await bridge.store.open_work(bridge.pair.context.pair_id, "sales") == []


async def test_sales_switched_off_with_receipts_in_hand_put_none_of_them_back(tmp_path: Path) -> None:
    """They were sold, and we have not booked them: not while they wait, nor when the books' number changes."""
    running = open_shop(tmp_path, world(), open_at_once=False, payment_methods=PIN_ONLY)
    async with running.process() as bridge:
        await opened(bridge)
        sell(running, "R1", paymethod="ideal")
        await bridge.settle()
        sell(running, "R2")
        await bridge.pair.sales.poll()  # stored, and its lines never fetched
    path = tmp_path / "kassabrug.toml"
    text = await anyio.Path(path).read_text(encoding="utf-8")
    await anyio.Path(path).write_text(text + SALES_OFF, encoding="utf-8")
    running.settings = load(path)
    async with running.process() as bridge:
        sell(running, "R3", "1")
        assert (await bridge.runner.run("stock")).result == "success"
        assert (shown(running), booked(running)) == (43, 50)
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(150))
        await bridge.runner.run("stock")
        assert shown(running) == 144
        running.books.bookkeeper.change_article(TEA, StockBalance=D(140))
        await bridge.runner.run("stock")
        assert shown(running, TEA) == 140


# -- books without the stock module ----------------------------------------------------------------------------------


async def test_a_product_added_later_to_the_till_does_not_stay_at_nothing(tmp_path: Path) -> None:
    """Without the stock module a number is carried over once: but not before there is a product to carry it to."""
    running = open_shop(tmp_path, world(), open_at_once=False, books=BooksSwitches(stock_module=False))
    async with running.process() as bridge:
        await bridge.settle("stock")
        running.till.cashier.add_product(MUG, "Mok", D("7.33"), stock=D(0))
        await bridge.settle("stock")
        assert shown(running, MUG) == 30
        sell(running, "R1", "2", MUG)
        await bridge.settle("stock")
        assert shown(running, MUG) == 28


async def test_a_product_made_anew_in_the_till_gets_the_number_again(tmp_path: Path) -> None:
    """What an earlier product has taken over is not what this one shows."""
    running = open_shop(tmp_path, world(), open_at_once=False, books=BooksSwitches(stock_module=False))
    async with running.process() as bridge:
        await opened(bridge)
        running.till.cashier.delete_product(MUG)
        running.till.cashier.add_product(MUG, "Mok", D("7.33"), stock=D(0))
        await bridge.settle("stock")
    assert shown(running, MUG) == 30


async def test_what_is_sold_before_the_first_look_at_the_stock_is_not_put_back(tmp_path: Path) -> None:
    """A new product took the books' number with it; the till counts from there."""
    running = open_shop(tmp_path, world(), open_at_once=False, books=BooksSwitches(stock_module=False))
    async with running.process() as bridge:
        await bridge.settle("products")
        sell(running, "R1")
        await bridge.settle("sales", "stock")
    assert shown(running) == 47


# -- weighed goods ---------------------------------------------------------------------------------------------------

CHEESE = replace(ARTICLES[0], sku="KAAS-1", name="Kaas", price=D("12.49"), stock=D("10.250"))


@pytest.mark.parametrize("module", [True, False])
async def test_weighed_goods_keep_three_decimals(tmp_path: Path, *, module: bool) -> None:
    """A cut of 1.235 kg lowers both shelves by that; in step nothing is written, and a number of the books arrives as it is."""
    running = open_shop(
        tmp_path,
        world(articles=(*ARTICLES, CHEESE)),
        open_at_once=False,
        books=BooksSwitches(stock_module=module),
        payment_methods=PIN_ONLY,
    )
    async with running.process() as bridge:
        await opened(bridge)
        writes = written(running)
        running.till.ring_up(receipt("R1", line("KAAS-1", "1.235", "12.49"), paymethod="ideal"))
        await bridge.settle()
        assert (shown(running, "KAAS-1"), written(running)) == (D("9.015"), writes)
        running.books.bookkeeper.change_article("KAAS-1", StockBalance=D("15.37"))
        await bridge.settle()
        assert shown(running, "KAAS-1") == (D("14.135") if module else D("15.37"))


# -- what the till does not take -----------------------------------------------------------------------------------------------------


def refuse_stock(running: Shop, bridge: Bridge, sku: str, error: ConnectorError) -> None:
    """Let the till refuse to take another stock of one product."""
    till: Any = bridge.pair.context.till
    real, disliked = till.update_product, str(running.till.till.product_id(sku))

    async def picky(product_id: str, draft: ProductPatch) -> None:
        if product_id == disliked:
            raise error
        await real(product_id, draft)

    till.update_product = picky


async def test_a_product_whose_stock_is_refused_stops_only_itself(tmp_path: Path) -> None:
    """The others get theirs, the run goes well, it is told once, and it is taken as soon as the till takes it."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await opened(bridge)
        refuse_stock(running, bridge, CANDLE, Rejected("stock: not for this product", code="422"))
        for sku, number in ((CANDLE, "7"), ("MOK-1", "8")):
            running.books.bookkeeper.change_article(sku, StockBalance=D(number))
        results = [(await bridge.runner.run("stock")).result for _ in range(3)]
        assert (results, shown(running), shown(running, "MOK-1")) == (["partial"] * 3, D(50), D(8))
        refused = [one for one in await bridge.store.activity(limit=100) if one.outcome == "rejected"]
        assert [(one.label, one.detail) for one in refused] == [(CANDLE, "422: stock: not for this product")]
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(50))
        assert (await bridge.runner.run("stock")).result == "success"
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(7))
        assert (await bridge.runner.run("stock")).result == "partial"
        again = [one for one in await bridge.store.activity(limit=100) if one.outcome == "rejected"]
        assert len(again) == 2  # refused anew, and told anew
    async with running.process() as bridge:
        await bridge.settle()
        assert shown(running) == D(7)


async def test_an_outage_while_stock_is_written_refuses_nothing(tmp_path: Path) -> None:
    """It is the till's, and no product's: the run failed, and nothing is counted as refused."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await opened(bridge)
        running.books.bookkeeper.change_article(CANDLE, StockBalance=D(7))
        running.till.outages.begin(Outage(kind="status_500", method="PATCH"))
        assert (await bridge.runner.run("stock")).result == "failure"
        assert "failed" not in bridge.counts("stock")
        running.till.outages.lift()
        await bridge.settle()
        assert shown(running) == D(7)
