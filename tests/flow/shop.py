"""A whole shop in one process under virtual time: both sandboxes behind ASGI, the store inline, and the flows that run between them."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio

from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches
from connectors.sandbox.salespos import TillSandbox, TillSwitches
from connectors.sandbox.world import World, WorldArticle, WorldCustomer, WorldLine, WorldReceipt
from daemon.app import App, Pair, Shared, assemble
from daemon.cli.vendors import Vendors, configuration
from daemon.flow_run import FlowRunner
from daemon.observe.metrics import Metrics
from daemon.settings import Settings, load
from daemon.state.sqlite import open_store
from daemon.sync_until_idle import Result, result, settle_all
from tests.flow.line import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from daemon.state.store import SqliteStore

D = Decimal
MORNING = datetime(2026, 3, 16, 8, 0, tzinfo=UTC)


class VirtualClock:
    """A wall clock that runs with the event loop's own time; it may be told to jump."""

    def __init__(self, start: datetime = MORNING) -> None:
        self.start = start
        self.jumped = timedelta()

    def now(self) -> datetime:
        """The moment."""
        return self.start + self.jumped + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """The loop's time, which tests run virtually."""
        return anyio.current_time() if _in_a_loop() else 0.0

    async def sleep(self, seconds: float) -> None:
        """Wait, virtually; the loop counts in microseconds, and less than one would never pass."""
        await anyio.sleep(max(seconds, 0.001) if seconds > 0 else 0)


def _in_a_loop() -> bool:
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True


ARTICLES = (
    WorldArticle("KAARS-1", "Kaars groot", D("4.95"), D(21), D(50), label="Wonen"),
    WorldArticle("THEE-1", "Thee los", D("3.79"), D(9), D(40), label="Eten"),
    WorldArticle("MOK-1", "Mok", D("7.33"), D(21), D(30), label="Wonen"),
    WorldArticle("BOEK-1", "Boek", D("12.50"), D(9), D(20)),
)
PERSON = WorldCustomer("p", "jan@example.nl", "Jan Jansen", None, None, None, "Kade 1", "2611 AB", "Delft", "NL", "0150000000")
BUSINESS = WorldCustomer(
    "b", "inkoop@bakker.nl", "Ans Bakker", "Bakker BV", "NL100000009B01", None, "Kade 2", "2611 AC", "Delft", "NL", "0150000001"
)


def line(sku: str = "KAARS-1", quantity: str = "1", price: str = "4.95", rate: str = "21", kind: str = "product") -> WorldLine:
    """A line of a receipt."""
    return WorldLine(kind, sku, sku or kind, D(quantity), D(price), D(rate))


def receipt(
    number: str, *lines: WorldLine, customer: str | None = None, paymethod: str = "pin", minute: int = 0, **more: Any
) -> WorldReceipt:
    """A receipt of this morning, two hours ago and ``minute`` minutes later, that comes to the sum of its lines."""
    gross = sum((round(one.quantity * one.unit_price, 2) for one in lines), D(0))
    rounding = more.pop("rounding", D(0))
    sold_at = MORNING - timedelta(hours=2) + timedelta(minutes=minute)
    values = {"is_correction": False, **more}
    return WorldReceipt(number, sold_at, customer, lines, paymethod, rounding, gross + rounding, **values)


def world(*receipts: WorldReceipt, articles: Sequence[WorldArticle] = ARTICLES) -> World:
    """A small shop."""
    return World(articles=tuple(articles), customers=(PERSON, BUSINESS), receipts=tuple(receipts))


@dataclass(slots=True)
class Shop:
    """Both vendors, and the bridge between them.  ``reopen`` starts the process anew, as after a crash or with a lost state."""

    books: BooksSandbox
    till: TillSandbox
    settings: Settings
    clock: VirtualClock
    directory: Path
    told: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def process(self, *, state: str = "state", readonly: bool = False) -> AsyncIterator[Bridge]:
        """Run one process on a state directory."""
        store = await open_store(self.directory / state, clock=self.clock, inline=True, readonly=readonly)
        try:
            await store.recover()
            shared = Shared(
                self.settings,
                store,
                self.directory,
                self.clock,
                Metrics(),
                random.Random(7),
                anyio.Event(),
                {"books": Line(self.books.app), "till": Line(self.till.app)},
            )
            async with assemble(shared) as app:
                yield Bridge(self, store, app, app.pairs[0], FlowRunner(app.pairs[0]), shared)
        finally:
            await store.close()

    def writes(self) -> int:
        """How many requests both vendors have seen that could change something."""
        return self.writes_to_books() + sum(count for (method, _), count in self.till.requests.items() if method != "GET")

    def writes_to_books(self) -> int:
        """How many of them the books have seen."""
        return sum(count for (method, _), count in self.books.requests.items() if method != "GET")

    def references(self) -> list[str | None]:
        """The natural keys of all documents in the books."""
        return [document.reference for document in self.books.ledger().documents]


@dataclass(slots=True)
class Bridge:
    """One process."""

    shop: Shop
    store: SqliteStore
    app: App
    pair: Pair
    runner: FlowRunner
    shared: Shared

    async def settle(self, *flows: str) -> Result:
        """Run the flows until nothing is due, and sum up."""
        await settle_all(self.runner, flows or ("sales", "products", "stock"), waiting=self.shop.told.append)
        return await result(self.app)

    async def held(self) -> dict[str, str]:
        """Receipts and products that wait for a person, with their reasons."""
        works = [work for flow in ("sales", "products") for work in await self.store.open_work(self.pair.context.pair_id, flow)]
        return {work.label: work.reason.value for work in works}

    def counts(self, flow: str) -> dict[str, int]:
        """What this process did, without the zeros."""
        return {column: count for column, count in self.pair.context.tally.row(flow).items() if count}


def open_shop(
    directory: Path,
    shop_world: World,
    *,
    books: BooksSwitches | None = None,
    till: TillSwitches | None = None,
    open_at_once: bool = True,
    change: str = "",
    payment_methods: str | None = None,
    booking: str = "",
) -> Shop:
    """Put a shop into both vendors.

    ``change`` is TOML put after the configuration, ``booking`` a line for that table; ``payment_methods`` replaces that table.
    """
    clock = VirtualClock()
    books_sandbox = BooksSandbox(shop_world, clock=clock.now, limits=False, switches=books)
    till_sandbox = TillSandbox(shop_world, clock=clock.now, limits=False, switches=till or TillSwitches(), open_shop=open_at_once)
    running = Vendors(shop_world, books_sandbox, till_sandbox, "http://127.0.0.1:1", "http://127.0.0.1:2", limits=False)
    text = configuration(running, state_dir="state")
    if payment_methods is not None:
        text = text.split("[links.shop.payment_methods]")[0] + "[links.shop.payment_methods]\n" + payment_methods
    text = text.replace("[links.shop.booking]\n", f"[links.shop.booking]\n{booking}\n")
    path = directory / "kassabrug.toml"
    path.write_text(text + change, encoding="utf-8")
    return Shop(books_sandbox, till_sandbox, load(path), clock, directory)


def with_price(article: WorldArticle, price: str) -> WorldArticle:
    """The article at another price."""
    return replace(article, price=D(price))
