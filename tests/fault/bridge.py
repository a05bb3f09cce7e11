"""One process of the bridge between the two vendors in memory, and what is left of it when it dies.

The state lies in a directory (in memory where the machine has such a place).  A process that dies leaves the files as they were at
that moment: they are copied before anything is closed, and the next process opens the copy.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import traceback
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import anyio

from connectors.port import ConnectorError
from daemon.app import Pair, booking_rules
from daemon.core.brake import BrakeRules
from daemon.core.ids import LinkId, PairId
from daemon.core.outcomes import Reason
from daemon.core.retry import RetryPolicy
from daemon.engine import worker
from daemon.engine.connection_health import ConnectionHealth
from daemon.engine.context import Common, Context, Mappings
from daemon.flow_run import FlowRunner
from daemon.flows.products import Products
from daemon.flows.sales import Sales
from daemon.flows.stock import Stock
from daemon.flows.unbooked_sales import Counter
from daemon.mappings import MappingFiles, load_mappings
from daemon.observe.metrics import Metrics
from daemon.settings import LinkSettings
from daemon.state.sqlite import open_store
from daemon.sync_until_idle import GaveUp, settle_all
from tests.fault.points import IN_FLIGHT, Crash, Points, faulty_books, faulty_store, faulty_till
from tests.fault.shelf import LoopClock, SkewedClock
from tests.unit.store_support import take_it
from tests.virtual_time import virtual_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from structlog.typing import FilteringBoundLogger

    from daemon.flow_run import Run
    from daemon.state.port import Store
    from tests.fault.vendors import TillTwin, World

T = TypeVar("T")

LINK, PAIR = LinkId("shop"), PairId("shop/till")
FLOWS = ("sales", "products", "stock")
#: how long the next process takes to start, and how long a person takes to sign in again, in seconds
RESTART, SIGN_IN = 1.0, 60.0
PAYMENT_METHODS = {"pin": "Pin", "cash": "Kas"}
#: so many processes may be needed in one run; more say that it goes on for ever
_MOST_LIVES = 40
_LONGEST = 7 * 86400.0


class Stuck(Exception):
    """The process does not come to rest."""


@cache
def _mappings() -> MappingFiles:
    return load_mappings(None)


@cache
def _metrics() -> Metrics:
    return Metrics()


def in_virtual_time(function: Callable[..., Awaitable[T]], *args: object, start: float = 0.0) -> T:
    """Run a coroutine function to its end."""
    return anyio.run(function, *args, backend_options={"loop_factory": partial(virtual_loop, start)})


@contextmanager
def scratch() -> Iterator[Path]:
    """Lend a directory, in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - only used when it is there, and only under a name of our own
    with tempfile.TemporaryDirectory(prefix="kassabrug-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


class Disk:
    """Where the state lies, and what a crash or a backup makes of it."""

    def __init__(self, root: Path, *, like: Path | None = None) -> None:
        self.root = root
        self._count = 0
        self.state = root / "state-0"
        if like is not None:
            shutil.copytree(like, self.state)

    def copy(self) -> Path:
        """Copy the files as they are."""
        self._count += 1
        target = self.root / f"state-{self._count}"
        shutil.copytree(self.state, target, ignore=shutil.ignore_patterns("*-shm"))
        return target

    def back_up(self) -> None:
        """Keep a copy of the database, as a copy of the files makes it."""
        kept = self.root / "backup"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.state, kept, ignore=lambda _, names: [name for name in names if not name.startswith("state.sqlite3")])

    def put_back(self) -> bool:
        """Put that copy in the place of the database, if there is one; what lies beside the database stays."""
        kept = self.root / "backup"
        if not kept.is_dir():
            return False
        for file in self.state.glob("state.sqlite3*"):
            file.unlink()
        shutil.copytree(kept, self.state, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*-shm"))
        take_it(self.state)
        return True

    def go_on_with(self, directory: Path) -> None:
        """Let the next process find these files."""
        old, self.state = self.state, directory
        shutil.rmtree(old)


class Log:
    """A log that keeps faults of the program, and nothing else."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def error(self, event: str, *, exc_info: BaseException | None = None, **more: object) -> None:
        """Keep a fault with its traceback."""
        told = "".join(traceback.format_exception(exc_info)) if exc_info else ""
        self.faults.append(f"{event} {more}\n{told}")

    def info(self, event: str, **more: object) -> None:
        """Keep nothing."""

    def warning(self, event: str, **more: object) -> None:
        """Keep nothing."""


@dataclass(slots=True)
class Bridge:
    """One process."""

    store: Store
    pair: Pair
    runner: FlowRunner


@dataclass(slots=True)
class Life:
    """All the processes that live, one after the other, between the same vendors and on the same disk."""

    world: World
    points: Points
    disk: Disk
    payment_methods: Mapping[str, str] = field(default_factory=lambda: PAYMENT_METHODS)
    policy: RetryPolicy = field(default_factory=lambda: replace(RetryPolicy(), index_lag=5.0))
    workers: int = 2
    chunk: int = 10
    #: whether all flows run at once, as they do in the daemon, or one after the other
    together: bool = False
    #: what a known-bad variant does to the store
    spoil: Callable[[Store], Store] = lambda store: store
    log: Log = field(default_factory=Log)
    #: what the process takes for the time
    clock: SkewedClock = field(default_factory=SkewedClock)
    lives: int = 0

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Bridge]:
        """Run one process; at the end the files are what it left, however it ended."""
        self.points.dead = False
        self.lives += 1
        usual, worker.CHUNK = worker.CHUNK, self.chunk  # small, so that a few receipts are enough for several workers
        store = await open_store(self.disk.state, clock=self.clock, inline=True)
        guarded = self.spoil(faulty_store(store, self.points))
        try:
            await guarded.recover()
            yield self.build(guarded)
        finally:
            worker.CHUNK = usual
            left = self.disk.copy() if self.points.dead else None
            await store.close()
            if left is not None:
                self.disk.go_on_with(left)

    def build(self, store: Store, pair_id: PairId = PAIR, till: TillTwin | None = None, common: Common | None = None) -> Bridge:
        """Put the flows of one till together, on a store that is open."""
        files = _mappings()
        link = LinkSettings(books="books", tills=["till"], payment_methods=dict(self.payment_methods))
        context = Context(
            link_id=LINK,
            pair_id=pair_id,
            books=faulty_books(self.world.books, self.points),
            till=faulty_till(till or self.world.till, self.points),
            store=store,
            clock=self.clock,
            rng=random.Random(7),
            policy=self.policy,
            brake=BrakeRules(),
            mappings=Mappings(files.products, files.customers),
            metrics=_metrics(),
            log=cast("FilteringBoundLogger", self.log),
            workers=self.workers,
            stopping=anyio.Event(),
            common=common or Common(),
        )
        sales = Sales(context, booking_rules(link, files, prefix="KB", context=context))
        products = Products(context, frozenset(files.articles.values()))
        watches = (
            ConnectionHealth("books", "eaccounting", _metrics(), self.world.clock),
            ConnectionHealth("till", "salespos", _metrics(), self.world.clock),
        )
        pair = Pair(context, link, sales, products, Stock(context, {pair_id: Counter(sales.poll, context.till)}), watches)
        return Bridge(store, pair, FlowRunner(pair))

    async def until_quiet(
        self,
        flows: Sequence[str] = FLOWS,
        first: Callable[[Bridge], Awaitable[None]] | None = None,
    ) -> None:
        """Run processes until one ends because nothing is left to do.  ``first`` is what a person has to tell it, in every life anew.

        Raises:
            Stuck: it never comes to rest.
        """
        for _ in range(_MOST_LIVES):
            ended = ""
            with anyio.move_on_after(_LONGEST):
                try:
                    async with self.process() as bridge:
                        if first is not None:
                            await first(bridge)
                        await (settle_together if self.together else settle_one_by_one)(bridge.runner, flows)
                    ended = "quiet"
                except* Crash:
                    ended = "died"
                except* GaveUp:
                    ended = "gave up"
            if ended == "quiet":
                return
            if not ended:
                break
            async with anyio.create_task_group() as group:
                for effect in self.points.on_their_way:
                    group.start_soon(self._arrive, effect)
                self.points.on_their_way = []
                await self.world.clock.sleep(RESTART if ended == "died" else SIGN_IN)
        raise Stuck(f"does not come to rest, after {self.lives} processes and {self.world.clock.monotonic():.0f} s")

    async def _arrive(self, effect: Callable[[], Awaitable[object]]) -> None:
        """What was on its way has its effect after all, unless the vendor refuses it."""
        await self.world.clock.sleep(IN_FLIGHT)
        try:
            await effect()
        except ConnectorError:
            return


async def settle_one_by_one(runner: FlowRunner, flows: Sequence[str]) -> None:
    """Run the flows as ``sync`` does until nothing is left to do."""
    await settle_all(runner, flows, waiting=lambda _: None)


async def settle_together(runner: FlowRunner, flows: Sequence[str]) -> None:
    """Run the flows as the daemon does, all at once, until nothing is left to do."""
    context = runner.pair.context
    while True:
        runs: list[Run] = []

        async def run(flow: str, into: list[Run] = runs) -> None:
            into.append(await runner.run(flow))

        async with anyio.create_task_group() as group:
            for flow in flows:
                group.start_soon(run, flow)
        if any(one.reason is Reason.UNAUTHORIZED for one in runs):
            raise GaveUp
        due = [moment for flow in flows if (moment := await context.store.next_due(context.pair_id, flow)) is not None]
        if not due and all(one.result != "failure" for one in runs):
            return
        wait = min((moment - context.now()).total_seconds() for moment in due) if due else 0.0
        await context.clock.sleep(max(wait, 1.0, context.paused_until - context.clock.monotonic()))


def template(directory: Path) -> None:
    """Make the state of a first start, to be copied for every run."""

    async def make() -> None:
        store = await open_store(directory, clock=LoopClock(), inline=True)
        await store.close()

    in_virtual_time(make)
