"""Narrow windows, each on its own: what a search by points does not come to, or what it once found."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.port import Transient
from daemon.core.ids import LinkId, PairId, pair_of
from tests.fault.bridge import FLOWS, LINK, PAIR, Bridge, Disk, Life, settle_one_by_one
from tests.fault.checks import documents_by_key
from tests.fault.points import Crash, Points
from tests.fault.scenarios import BUSINESS, OPENED, PERSON, line, receipt
from tests.fault.shelf import Habits
from tests.fault.vendors import TillTwin, World
from tests.virtual_time import virtual_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connectors.model import Customer, Document, DocumentDraft, Sale

D = Decimal


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time is virtual."""
    return "asyncio", {"loop_factory": virtual_loop}


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """The store is inline here, knowingly; the flow tests watch for blocking calls."""


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[Life, Bridge]]:
    """A shop whose articles are in both, and a process that goes on."""
    world = World.open(Habits(), Habits())
    life = Life(world, Points(world.clock), Disk(directory))
    for step in OPENED:
        step.act(world)
        await life.until_quiet()
    async with life.process() as bridge:
        yield life, bridge


async def sell(life: Life, *sales: Sale, till: TillTwin | None = None) -> None:
    """Ring up, and wait until it is seen."""
    for sale in sales:
        (till or life.world.till).ring_up(replace(sale, sold_at=life.world.clock.now()))
    await life.world.clock.sleep(5.0)


async def held(bridge: Bridge) -> dict[str, str]:
    """What waits for a person, and why."""
    works = [work for flow in ("sales", "products") for work in await bridge.store.open_work(bridge.pair.context.pair_id, flow)]
    return {work.label: work.reason.value for work in works}


async def test_two_tills_make_one_customer_however_slow_the_books_are(tmp_path: Path) -> None:
    """The other till waits for the answer to what the first has sent, also when that takes longer than the index lag."""
    async with opened(tmp_path) as (life, bridge):
        kiosk = TillTwin(life.world.clock, Habits())
        other = life.build(bridge.store, pair_of(LINK, "kiosk"), kiosk, bridge.pair.context.common)
        await life.world.clock.sleep(60.0)
        create = life.world.books.create_customer

        async def slowly(customer: Customer) -> Customer:
            await life.world.clock.sleep(20.0)
            return await create(customer)

        life.world.books.create_customer = slowly  # type: ignore[method-assign]  # the books are slow today
        await sell(life, receipt("R1", line(), customer=PERSON))
        await sell(life, receipt("K1", line(), customer=PERSON), till=kiosk)
        async with anyio.create_task_group() as group:
            for one in (bridge, other):
                group.start_soon(settle_one_by_one, one.runner, ("sales",))
    assert sorted(documents_by_key(life.world.books)) == ["KB-K1", "KB-R1"]
    assert [one.email for one in life.world.books.customers.actual() if one.email] == [PERSON.email]


async def test_all_flows_of_all_tills_begin_with_one_salt(tmp_path: Path) -> None:
    """Otherwise a customer would have two names in the store, and be created twice."""
    world = World.open(Habits(), Habits())
    life = Life(world, Points(world.clock), Disk(tmp_path))
    async with life.process() as bridge:
        other = life.build(bridge.store, pair_of(LINK, "kiosk"), TillTwin(world.clock, Habits()), bridge.pair.context.common)
        async with anyio.create_task_group() as group:
            for one in (bridge, other):
                for flow in FLOWS:
                    group.start_soon(one.runner.run, flow)
        salts = {one.pair.context.salt for one in (bridge, other)} | {await bridge.store.secret(LinkId(""), "salt")}
    assert len(salts) == 1


async def test_a_number_that_comes_again_later_is_held(tmp_path: Path) -> None:
    """A till that begins to count anew must not have its receipts taken for those that had the numbers before."""
    async with opened(tmp_path) as (life, bridge):
        await sell(life, receipt("R1", line()))
        await settle_one_by_one(bridge.runner, FLOWS)
        await life.world.clock.sleep(timedelta(days=20).total_seconds())
        await bridge.store.prune(before=life.world.clock.now() - timedelta(days=10))
        await sell(life, replace(receipt("R1", line()), id="sale-another"))
        await settle_one_by_one(bridge.runner, FLOWS)
        assert await held(bridge) == {"R1": "document_ambiguous"}


async def test_a_number_that_comes_twice_in_a_day_is_held(tmp_path: Path) -> None:
    """The second receipt is not taken for the first, which has its document already."""
    async with opened(tmp_path) as (life, bridge):
        await sell(life, receipt("R1", line()))
        await settle_one_by_one(bridge.runner, FLOWS)
        await sell(life, replace(receipt("R1", line()), id="sale-another"))
        await settle_one_by_one(bridge.runner, FLOWS)
        assert await held(bridge) == {"R1": "document_ambiguous"}


async def test_processes_that_run_once_an_hour_find_what_was_shown_late(tmp_path: Path) -> None:
    """A receipt that a listing shows only when the cursor has passed it is booked by the next process, however shortly each runs."""
    async with opened(tmp_path) as (life, _):
        world = life.world
    world.till.ring_up(replace(receipt("R1", line()), sold_at=world.clock.now()), late=1500.0)
    await world.clock.sleep(1200.0)
    await sell(life, receipt("R2", line()))
    for _ in range(2):
        await life.until_quiet()
        await world.clock.sleep(3600.0)
    assert sorted(documents_by_key(world.books)) == ["KB-R1", "KB-R2"]


async def test_an_article_that_was_shown_late_comes_to_the_till(tmp_path: Path) -> None:
    """The cursor has passed it; reading again from far behind finds it."""
    async with opened(tmp_path) as (life, bridge):
        life.world.books.add_article("LAAT", late=300.0)
        await life.world.clock.sleep(200.0)
        life.world.books.add_article("VAAS")
        for _ in range(30):
            await life.world.clock.sleep(60.0)
            await bridge.runner.run("products")
    assert {"LAAT", "VAAS"} <= {one.sku for one in life.world.till.products.actual()}


async def test_a_receipt_held_after_it_was_booked_does_not_stop_the_stock(tmp_path: Path) -> None:
    """It is in the books: its quantities are on their way no more, and nobody waits for its lines."""
    async with opened(tmp_path) as (life, bridge):
        await sell(life, receipt("R1", line()))
        await settle_one_by_one(bridge.runner, FLOWS)
        edited = replace(receipt("R1", line(quantity="2")), sold_at=life.world.till.sales.get("sale-R1").sold_at)
        life.world.till.sales.put("sale-R1", edited)
        article = next(one for one in life.world.books.articles.actual() if one.sku == "KAARS")
        life.world.books.change_article(article.id, quantity=D(7))
        await life.world.clock.sleep(5.0)
        await settle_one_by_one(bridge.runner, FLOWS)
        assert await held(bridge) == {"R1": "changed_after_booking"}
    assert [one.quantity for one in life.world.till.products.actual() if one.sku == "KAARS"] == [7]


async def test_a_receipt_that_cannot_be_read_does_not_stop_the_stock(tmp_path: Path) -> None:
    """It is held; the stock of everything else goes on, and once it can be read it is booked."""
    async with opened(tmp_path) as (life, bridge):
        life.world.till.unreadable.add("sale-R1")
        await sell(life, receipt("R1", line()), receipt("R2", line("THEE", "1", "3.79", "9")))
        await settle_one_by_one(bridge.runner, FLOWS)
        assert await held(bridge) == {"sale-R1": "unreadable"}
        assert sorted(documents_by_key(life.world.books)) == ["KB-R2"]
        life.world.till.unreadable.clear()
        assert await bridge.store.resend(PairId(PAIR), "sale-R1") == 1
        await settle_one_by_one(bridge.runner, FLOWS)
        assert await held(bridge) == {}
    assert sorted(documents_by_key(life.world.books)) == ["KB-R1", "KB-R2"]


async def test_an_article_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    """It is held, and the articles beside it come to the till."""
    async with opened(tmp_path) as (life, bridge):
        life.world.books.unreadable.add(life.world.books.add_article("MOK"))
        life.world.books.add_article("VAAS")
        await life.world.clock.sleep(5.0)
        await settle_one_by_one(bridge.runner, ("products",))
        await settle_one_by_one(bridge.runner, ("products",))
        assert list((await held(bridge)).values()) == ["unreadable"]
    assert "VAAS" in [one.sku for one in life.world.till.products.actual()]


async def test_a_product_deleted_in_the_till_comes_back(tmp_path: Path) -> None:
    """When its article changes it is created anew, and not believed to be there because it once was."""
    async with opened(tmp_path) as (life, bridge):
        product = next(one for one in life.world.till.products.actual() if one.sku == "KAARS")
        life.world.till.products.put(product.id, None)
        article = next(one for one in life.world.books.articles.actual() if one.sku == "KAARS")
        life.world.books.change_article(article.id, price=D("5.25"))
        await life.world.clock.sleep(5.0)
        await settle_one_by_one(bridge.runner, ("products",))
        assert await held(bridge) == {}
    assert [one.price for one in life.world.till.products.actual() if one.sku == "KAARS"] == [D("5.25")]


async def test_an_answer_without_an_id_whose_look_up_fails_is_no_refusal(tmp_path: Path) -> None:
    """The customer was created: that asking for him failed afterwards does not say that he was not."""
    async with opened(tmp_path) as (life, bridge):
        books = life.world.books
        create, find = books.create_customer, books.find_customers
        failures = [1]

        async def nameless(customer: Customer) -> Customer:
            return replace(await create(customer), id="")

        async def failing(**given: Any) -> Any:
            if books.customers.actual()[-1].email and failures:
                failures.pop()
                raise Transient("busy")
            return await find(**given)

        books.create_customer, books.find_customers = nameless, failing  # type: ignore[method-assign]  # a bad day
        await sell(life, receipt("R1", line(), customer=BUSINESS))
        await settle_one_by_one(bridge.runner, FLOWS)
    assert failures == []
    assert [one.email for one in books.customers.actual() if one.email] == [BUSINESS.email]
    assert sorted(documents_by_key(books)) == ["KB-R1"]


async def test_a_clock_that_is_set_back_makes_nobody_look_too_early(tmp_path: Path) -> None:
    """How long ago something was sent is not asked of a clock that may be set."""
    async with opened(tmp_path) as (life, bridge):
        books, book = life.world.books, life.world.books.book
        await sell(life, receipt("R0", line()))
        await settle_one_by_one(bridge.runner, FLOWS)

    async def dying(draft: DocumentDraft) -> Document:
        await book(draft)
        books.book = book  # type: ignore[method-assign]  # the next one is answered
        raise life.points.die()

    books.book = dying  # type: ignore[method-assign]  # the process dies before its answer
    await sell(life, receipt("R1", line()))
    try:
        async with life.process() as bridge:
            await bridge.runner.run("sales")
    except* Crash:
        life.clock.skew = timedelta(hours=-1)
    await life.until_quiet()
    assert (life.points.crashes, [len(found) for found in documents_by_key(books).values()]) == (1, [1, 1])
