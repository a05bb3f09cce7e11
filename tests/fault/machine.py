# ruff: noqa: T201 - a command prints what it finds
"""Anything in any order: people sell and edit on both sides, things fail, processes die, backups are put back.

After every step nothing may be doubled, both sides agree to the cent, and the cursor is not ahead of the stored work.  At the end, when
everything was given its time and every question its answer, both sides are equal, or a reason says why not.

``python -m tests.fault.machine --examples 500 --steps 60`` runs more of it than the tests do.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from connectors.model import Payment
from connectors.port import ConnectorError
from daemon.core.ids import PairId
from daemon.core.outcomes import State
from daemon.core.sku import sku_key
from daemon.flows.sales import SWEEP_EVERY
from tests.fault.bridge import FLOWS, PAIR, PAYMENT_METHODS, RESTART, SIGN_IN, Disk, Life, scratch, template
from tests.fault.checks import (
    Expected,
    Problem,
    all_sales_work,
    booked_and_in_hand,
    cursor_ahead,
    doubled,
    receipts,
    state,
)
from tests.fault.points import IN_FLIGHT, Crash, Mode, Points
from tests.fault.scenarios import BUSINESS, PERSON, line, receipt
from tests.fault.shelf import Habits
from tests.fault.touched import RENAMED, Touched, products, products_agree, unexplained
from tests.fault.vendors import World
from tests.unit.store_support import take_it
from tests.virtual_time import virtual_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from pathlib import Path

    from connectors.model import Customer, Product, Sale
    from tests.fault.bridge import Bridge

T = TypeVar("T")
D = Decimal

PRICES = {"KAARS": ("4.95", "21"), "THEE": ("3.79", "9"), "MOK": ("7.33", "21")}
CUSTOMERS: dict[str, Customer | None] = {
    "nobody": None,
    "person": PERSON,
    "moved": replace(PERSON, phone="0159999999"),
    "business": BUSINESS,
}
#: figures of all machines of this process
FIGURES: Counter[str] = Counter()

#: points counted from the beginning of a run, and what goes wrong there
faults = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 12), st.integers(0, 60)),
        st.sampled_from([*sorted(Mode), Mode.BEFORE, Mode.AFTER, Mode.AFTER, Mode.LOST, Mode.LOST]),
    ),
    min_size=1,
    max_size=6,
)
receipts_drawn = st.lists(
    st.fixed_dictionaries(
        {
            "lines": st.lists(st.tuples(st.sampled_from([*PRICES, "kaars", "LAMP"]), st.integers(1, 4)), min_size=1, max_size=3),
            "who": st.sampled_from(sorted(CUSTOMERS)),
            "method": st.sampled_from(["pin", "pin", "cash", "split", "split", "ideal"]),
            "refund": st.booleans(),
            "completed": st.sampled_from([True, True, True, True, False]),
            "late": st.sampled_from([None, None, None, None, 30.0, 1500.0]),
        }
    ),
    min_size=1,
    max_size=4,
)


def _rung_up(number: str, *, lines: list[tuple[str, int]], who: str, method: str, refund: bool, completed: bool) -> Sale:
    rung = []
    for sku, quantity in lines:
        price, rate = PRICES.get(sku.upper(), ("10.00", "21"))
        rung.append(line(sku, str(-quantity if refund else quantity), price, rate))
    sale = receipt(number, *rung, customer=CUSTOMERS[who], completed=completed)
    first = D(-1) if refund else D(1)
    shares = {"pin": first, "cash": sale.gross - first} if method == "split" else {method: sale.gross}
    return replace(sale, payments=tuple(Payment(name, name.title(), amount) for name, amount in shares.items()))


class Shop(RuleBasedStateMachine):
    """A shop, the bridge, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self._late: set[asyncio.Task[None]] = set()
        self._process = AsyncExitStack()
        self.bridge: Bridge | None = None
        self.numbers = 0
        self.touched = Touched()
        self.backup: Path | None = None
        with ExitStack() as undo:  # a machine that cannot be made is not torn down, and leaves nothing behind
            self.root = undo.enter_context(scratch())
            template(self.root / "first-start")
            self._loop = undo.enter_context(asyncio.Runner(loop_factory=virtual_loop))
            self.run(self._open())
            self._closing = undo.pop_all()

    # -- the loop ---------------------------------------------------------------------------------------------------------------
    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something in the machine's loop, whose time goes on from step to step."""
        return self._loop.run(coroutine)

    async def _open(self) -> None:
        self.world = World.open(Habits(), Habits())
        for sku, (price, rate) in PRICES.items():
            self.world.books.add_article(sku, price=D(price), vat_rate=D(rate), late=0)
        self.world.books.add_article("KB-ROUND", vat_rate=D(0), price=D(0), tracked=False, quantity=None, late=0)
        disk = Disk(self.root, like=self.root / "first-start")
        self.life = Life(self.world, Points(self.world.clock), disk, payment_methods=PAYMENT_METHODS)
        await self._keep_backup()
        await self._until_quiet()

    async def _start(self) -> None:
        self._process = AsyncExitStack()
        self.bridge = await self._process.enter_async_context(self.life.process())

    async def _stop(self) -> None:
        self.bridge = None
        await self._process.aclose()

    async def _run_flows(self, flows: tuple[str, ...], wrong: list[tuple[int, Mode]], *, together: bool = False) -> None:
        """Run flows once each, one after the other or all at once, with things going wrong at points counted from here."""
        points = self.life.points
        points.faults = {len(points.trace) + offset: mode for offset, mode in wrong}
        points.armed = True
        try:
            if self.bridge is None:
                await self._start()
            await self._each(flows, together=together)
        except* Crash:
            FIGURES["crashes"] += 1
        finally:
            points.armed, points.faults = False, {}
        if points.dead:
            await self._bury()

    async def _each(self, flows: tuple[str, ...], *, together: bool) -> None:
        assert self.bridge is not None
        if not together:
            for flow in flows:
                await self.bridge.runner.run(flow)
            return
        async with anyio.create_task_group() as group:
            for flow in flows:
                group.start_soon(self.bridge.runner.run, flow)

    async def _bury(self) -> None:
        """The process is gone; what it had sent may still arrive."""
        await self._stop()
        for effect in self.life.points.on_their_way:
            task = asyncio.create_task(self._arrive(effect))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        self.life.points.on_their_way = []
        await self.world.clock.sleep(RESTART)

    async def _arrive(self, effect: Callable[[], Awaitable[object]]) -> None:
        await self.world.clock.sleep(IN_FLIGHT)
        try:
            await effect()
        except ConnectorError:
            FIGURES["refused late"] += 1

    async def _until_quiet(self) -> None:
        """Run everything until nothing is due any more."""
        for _ in range(60):
            await self._run_flows(FLOWS, [])
            assert self.bridge is not None
            due = [moment for flow in FLOWS if (moment := await self.bridge.store.next_due(PairId(PAIR), flow)) is not None]
            if not due:
                return
            await self.world.clock.sleep(max(5.0, (min(due) - self.world.clock.now()).total_seconds()))
        message = "something is never done"
        raise AssertionError(message)

    # -- at the till ------------------------------------------------------------------------------------------------------------
    @rule(drawn=receipts_drawn)
    def sell(self, drawn: list[dict[str, Any]]) -> None:
        """Ring up receipts in one second; a listing may show one late."""
        self.run(self._sell(drawn))

    @rule(drawn=receipts_drawn, wrong=faults)
    def sell_and_run(self, drawn: list[dict[str, Any]], wrong: list[tuple[int, Mode]]) -> None:
        """Ring up receipts, and run all flows as soon as they are seen, with things going wrong."""
        self.run(self._sell(drawn))
        self.run(self._see_and_run(wrong))

    async def _see_and_run(self, wrong: list[tuple[int, Mode]]) -> None:
        await self.world.clock.sleep(self.world.till.habits.lag)
        await self._run_flows(FLOWS, wrong)

    async def _sell(self, drawn: list[dict[str, Any]]) -> None:
        for one in drawn:
            self.numbers += 1
            sale = _rung_up(f"R{self.numbers}", **{name: value for name, value in one.items() if name != "late"})
            if one["late"] is not None:
                self.touched.shown_late.add(sale.number)
            FIGURES["receipts"] += 1
            self.world.till.ring_up(replace(sale, sold_at=self.world.clock.now()), late=one["late"])

    def _sales(self, *, completed: bool) -> list[Sale]:
        return [sale for sale in self.world.till.sales.actual() if sale.completed is completed]

    @precondition(lambda self: self._sales(completed=True))
    @rule(data=st.data())
    def edit_receipt(self, data: st.DataObject) -> None:
        """Change a receipt, booked or not."""
        sale = data.draw(st.sampled_from(self._sales(completed=True)), label="sale")
        first = replace(sale.lines[0], quantity=sale.lines[0].quantity * 2)
        changed = receipt(sale.number, first, *sale.lines[1:], customer=sale.customer)
        self.touched.edited.add(sale.number)
        self.run(self._put_sale(replace(changed, sold_at=sale.sold_at)))

    @precondition(lambda self: self._sales(completed=False))
    @rule(data=st.data())
    def complete_receipt(self, data: st.DataObject) -> None:
        """Complete a receipt that was opened before."""
        sale = data.draw(st.sampled_from(self._sales(completed=False)), label="sale")
        self.run(self._put_sale(replace(sale, completed=True)))

    async def _put_sale(self, sale: Sale) -> None:
        self.world.till.sales.put(sale.id, sale)

    @rule(sku=st.sampled_from([*PRICES, "LAMP"]), what=st.sampled_from(["edit", "double", "delete"]))
    def touch_product(self, sku: str, what: str) -> None:
        """Edit or delete a product in the till, where the books are master (it lasts until the article changes), or make another."""
        self.run(self._touch_product(sku, what))

    async def _touch_product(self, sku: str, what: str) -> None:
        if what == "double":
            self.touched.own_products[sku_key(sku)] += 1
            self.world.till.add_product(sku.lower(), D("3.00"))
            return
        for product in products(self.world, sku):
            self.touched.loose.add(sku_key(sku))
            if what == "edit":
                self.world.till.change_product(product.id, price=D("1.00"))
            else:
                self.world.till.products.put(product.id, None)

    # -- in the books -----------------------------------------------------------------------------------------------------------
    def _articles(self, sku: str) -> list[Product]:
        return [article for article in self.world.books.articles.actual() if sku_key(article.sku) == sku_key(sku)]

    @rule(
        sku=st.sampled_from([*PRICES, "LAMP"]),
        price=st.sampled_from(["4.95", "5.95", "6.95"]),
        stock=st.integers(0, 40),
        active=st.sampled_from([True, True, True, False]),
    )
    def edit_article(self, sku: str, price: str, stock: int, *, active: bool) -> None:
        """Change an article's price and stock, take it out or bring it back, or make it."""
        self.run(self._edit_article(sku, price, stock, active=active))

    async def _edit_article(self, sku: str, price: str, stock: int, *, active: bool) -> None:
        articles = self._articles(sku)
        if not articles:
            self.world.books.add_article(sku, price=D(price), quantity=D(stock))
        for article in articles:
            self.touched.loose.discard(sku_key(sku))
            name = f"{sku} {self.world.clock.now()}"
            self.world.books.change_article(article.id, price=D(price), quantity=D(stock), name=name, active=active)

    @rule(data=st.data(), side=st.sampled_from(["books", "till", "neither"]))
    def spoil(self, data: st.DataObject, side: str) -> None:
        """Make one record of one side unreadable, and cure the one before."""
        self.world.books.unreadable.clear()
        self.world.till.unreadable.clear()
        articles, sales = self.world.books.articles.actual(), self.world.till.sales.actual()
        ids = sorted({"books": [one.id for one in articles], "till": [one.id for one in sales]}.get(side, []))
        if ids:
            FIGURES["spoilt"] += 1
            (self.world.books if side == "books" else self.world.till).unreadable.add(data.draw(st.sampled_from(ids), label="id"))

    @rule(sku=st.sampled_from(RENAMED))
    def rename_article(self, sku: str) -> None:
        """Give an article another number."""
        self.run(self._rename_article(sku))

    async def _rename_article(self, sku: str) -> None:
        for article in self._articles(sku):
            self.world.books.change_article(article.id, sku=RENAMED[1 - RENAMED.index(sku)])

    # -- time, faults, processes ------------------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0, 400.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(self.world.clock.sleep(seconds))

    @rule(flow=st.sampled_from(FLOWS), wrong=faults)
    def run_one(self, flow: str, wrong: list[tuple[int, Mode]]) -> None:
        """Run one flow, with things going wrong."""
        self.run(self._run_flows((flow,), wrong))

    @rule(wrong=faults, together=st.booleans())
    def run_all(self, wrong: list[tuple[int, Mode]], *, together: bool) -> None:
        """Run all flows, one after the other or all at once, with things going wrong."""
        self.run(self._run_flows(FLOWS, wrong, together=together))

    @rule(seconds=st.floats(0.02, 8.0))
    def stop_in_the_middle(self, seconds: float) -> None:
        """Tell the process to stop, and cut off what is in hand then."""
        self.run(self._stop_in_the_middle(seconds))

    async def _stop_in_the_middle(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._run_flows(FLOWS, [], together=True)
        await self._stop()

    @rule(hours=st.sampled_from([-25, -1, 0, 0, 1, 25]))
    def set_clock(self, hours: int) -> None:
        """Set the clock of our machine, wrong or right."""
        self.life.clock.skew = timedelta(hours=hours)

    @rule()
    def settle(self) -> None:
        """Run until nothing is due."""
        self.run(self._until_quiet())

    @rule(what=st.sampled_from(["sign out of books", "sign out of till", "restart", "back up", "put back", "iDEAL known", "iDEAL unknown"]))
    def operate(self, what: str) -> None:
        """What happens to a connection, the process, its state or its configuration."""
        self.run(self._operate(what))

    async def _operate(self, what: str) -> None:
        if what.startswith("sign out"):
            self.life.points.refused_until[what.rsplit(maxsplit=1)[-1]] = self.world.clock.monotonic() + SIGN_IN
            return
        await self._stop()
        if what == "back up":
            await self._keep_backup()
        elif what == "put back":
            await self._put_back()
        elif what.startswith("iDEAL"):
            self.life.payment_methods = {**PAYMENT_METHODS, **({"ideal": "iDEAL"} if what.endswith(" known") else {})}

    async def _keep_backup(self) -> None:
        await self._start()  # what a dead process left in the log is folded in when the next one ends
        await self._stop()
        self.backup = self.root / "backup.sqlite3"
        shutil.copy(self.life.disk.state / "state.sqlite3", self.backup)

    async def _put_back(self) -> None:
        """Put the copy back, which takes a person a minute."""
        assert self.backup is not None
        (self.life.disk.state / "state.sqlite3-wal").unlink(missing_ok=True)
        shutil.copy(self.backup, self.life.disk.state / "state.sqlite3")
        take_it(self.life.disk.state)
        FIGURES["backups put back"] += 1
        await self.world.clock.sleep(60.0)

    # -- what must be true ------------------------------------------------------------------------------------------------------
    @invariant()
    def nothing_doubled(self) -> None:
        """No second document, customer or payment, whatever goes on."""
        FIGURES["steps"] += 1
        self._none(doubled(self.world))
        assert not self.life.log.faults, self.life.log.faults

    @invariant()
    def equal_to_the_cent(self) -> None:
        """What is settled is booked as sold, and the cursor is not ahead of the work."""
        if self.bridge is not None:
            self.run(self._look())

    async def _look(self) -> None:
        assert self.bridge is not None
        works = await all_sales_work(self.world, self.bridge.store)
        self._none(booked_and_in_hand(self.world, works, self.touched.edited))
        self._none(await cursor_ahead(self.world, self.bridge.store, works, self.touched.shown_late))

    @staticmethod
    def _none(problems: list[Problem]) -> None:
        assert not problems, "\n".join(map(str, problems))

    def teardown(self) -> None:
        """Give everything its time, and look whether both sides are equal."""
        try:
            self.run(self._at_the_end())
        finally:
            try:
                self.run(self._stop())
            finally:
                self._closing.close()

    async def _at_the_end(self) -> None:
        self.life.points.refused_until.clear()
        self.life.clock.skew = timedelta()
        self.world.books.unreadable.clear()
        self.world.till.unreadable.clear()
        for _ in range(3):
            await self.world.clock.sleep(SWEEP_EVERY + SIGN_IN)
            await self._until_quiet()
            await self._cure()
        for _ in range(2):  # the first run may have compared with what listings showed before its own writes
            await self._until_quiet()
            await self.world.clock.sleep(SIGN_IN)
        await self._until_quiet()
        assert self.bridge is not None
        store = self.bridge.store
        held = {work.label: work for flow in ("sales", "products") for work in await store.open_work(PairId(PAIR), flow)}
        self._none([problem for work in held.values() for problem in unexplained(self.world, self.touched, work)])
        expected = Expected(
            {label: work.reason.value for label, work in held.items()},
            unbooked=frozenset(sale.number for sale in self._sales(completed=False)),
            accounts={**PAYMENT_METHODS, "ideal": "iDEAL"},
        )
        FIGURES["held at the end"] += len(held)
        FIGURES["documents"] += len(self.world.books.documents.actual())
        self._none([*doubled(self.world), *receipts(self.world, expected), *await state(self.world, store, expected)])
        self._none(products_agree(self.world, self.touched, expected))

    async def _cure(self) -> None:
        """A person brings back what is missing in the books, answers every question and sends again what is held."""
        assert self.bridge is not None
        await self._rename_article(RENAMED[1])
        for sku in (*PRICES, "LAMP"):
            if not any(article.active for article in self._articles(sku)):
                await self._edit_article(sku, PRICES.get(sku, ("10.00", "21"))[0], 7, active=True)
        store = self.bridge.store
        for question in await store.questions():
            answers = {"payment_method": "iDEAL", "article": "KB-ROUND", "changed": "correct"}
            await store.answer(question.pair, question.key, answers.get(question.key.partition(":")[0], "continue"))
        for flow in ("sales", "products"):
            for work in await store.open_work(PairId(PAIR), flow):
                if work.state in {State.HELD, State.DEAD}:
                    await store.resend(PairId(PAIR), work.record, flow=flow)


def run(*, examples: int, steps: int, chance: int | None = None) -> None:
    """Run machines, the same ones every time unless ``chance`` chooses others; raises what a machine found, with the steps to it."""
    given = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=chance is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    machine = type("Shop", (Shop,), {})
    run_state_machine_as_test(machine if chance is None else seed(chance)(machine), settings=given)


def main(arguments: Sequence[str]) -> int:
    """Run machines from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.machine", description=__doc__)
    parser.add_argument("--examples", type=int, default=400)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None, help="other machines than the usual ones")
    given = parser.parse_args(arguments)
    run(examples=given.examples, steps=given.steps, chance=given.seed)
    print(", ".join(f"{name} {count}" for name, count in sorted(FIGURES.items())), "; lost 0, doubled 0, difference 0.00")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
