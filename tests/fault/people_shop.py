"""The shop of the people machine: both vendors' sandboxes, the daemon between them, and processes that die where they are told to.

Every request and every transaction of the store is a point (see :mod:`tests.fault.points`): something may go wrong at it, or a person
may do something just before it.  The sign-in is none: its losses have tests of their own.
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, cast

import anyio
import httpx2

from connectors.port import Tokens, Transient, Uncertain, Unreachable
from connectors.sandbox.salespos import TillSandbox
from daemon.app import Shared, assemble
from daemon.flow_run import FlowRunner
from daemon.observe.metrics import Metrics
from daemon.settings import load
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.fault.bridge import Disk
from tests.fault.points import Kind, Points, faulty_store
from tests.flow.line import Line
from tests.flow.shop import Shop, open_shop, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.types import ASGIApp

    from daemon.app import App
    from daemon.state.store import SqliteStore

#: what the configuration says about ways to pay at first; of ``ideal`` it says nothing, so that it is asked about
KNOWN_METHODS = 'pin = "Pin"\ncash = "Kas"\n'
#: how each till's receipts are called in the books, by the documented rule: the first keeps the plain prefix, whatever the order is later
PREFIXES = {"till": "KB", "second": "KB-second"}
#: how long the next process takes to start, in seconds
RESTART = 1.0


@cache
def _metrics() -> Metrics:
    return Metrics()


@dataclass(slots=True)
class Meanwhile:
    """What people do while a run is under way, by the number of the point before which they do it."""

    points: Points
    acts: dict[int, Callable[[], None]] = field(default_factory=dict)

    def happen(self) -> None:
        """Let everything happen whose moment has come."""
        for number in [number for number in self.acts if number <= len(self.points.trace)]:
            self.acts.pop(number)()


class PointedLine(Line):
    """The line to a vendor, each request of which is a point."""

    def __init__(self, app: ASGIApp, side: str, points: Points, meanwhile: Meanwhile) -> None:
        super().__init__(app)
        self._side, self._points, self._meanwhile = side, points, meanwhile

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass one request on, unless something goes wrong.

        Raises:
            httpx2.ConnectError: nobody listened.
            httpx2.ReadError: no answer came.
        """
        if request.url.path.startswith("/connect"):
            self._points.check()
            return await super().handle_async_request(request)
        self._meanwhile.happen()
        kind = Kind.READ if request.method == "GET" else Kind.WRITE
        send = super().handle_async_request
        try:
            return await self._points.call(f"{self._side}.{request.method}", kind, lambda: send(request))
        except Unreachable as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except (Uncertain, Transient) as error:
            raise httpx2.ReadError(str(error), request=request) from error


@dataclass(slots=True)
class Daemon:
    """One process.  ``store`` is what another process (a person's command) sees: nothing goes wrong in it."""

    store: SqliteStore
    app: App
    runners: dict[str, FlowRunner]


@dataclass(slots=True)
class Premises:
    """Both vendors, the disk, and the processes that live between them one after the other."""

    shop: Shop
    tills: dict[str, TillSandbox]
    points: Points
    meanwhile: Meanwhile
    disk: Disk
    methods: str = KNOWN_METHODS
    asks: bool = False
    turned: bool = False
    lives: int = 0

    @classmethod
    def open(cls, directory: Path, template: Path, *, tills: int) -> Premises:
        """Put a shop with one till or two into both vendors; nothing was ever booked."""
        shop = open_shop(directory, world(), payment_methods=KNOWN_METHODS)
        points = Points(shop.clock)
        found = {"till": shop.till}
        if tills > 1:
            found["second"] = TillSandbox(world(), clock=shop.clock.now, limits=False, seed=2)
        one = cls(shop, found, points, Meanwhile(points), Disk(directory, like=template))
        one.configure()
        return one

    def configure(self) -> None:
        """Write the configuration as it is wanted now; it holds from the next process on."""
        path = self.shop.directory / "kassabrug.toml"
        text = path.read_text(encoding="utf-8").partition("[links.shop]")[0]
        names = sorted(self.tills, reverse=not self.turned)
        text += f'[links.shop]\nbooks = "books"\ntills = [{", ".join(f"{name!r}" for name in names)}]\n'
        text += f'[links.shop.booking]\ndefault_debtor = "1000"\n[links.shop.payment_methods]\n{self.methods}'
        text += f'[links.shop.sales]\nafter_booking = "{"ask" if self.asks else "correct"}"\n'
        if "second" in self.tills:
            second = self.tills["second"]
            keys = f'public_key = "{second.public_key}"\nsecret_key = "{second.secret_key}"\n'
            text = (
                f'[connections.second]\nkind = "salespos"\napi = "http://127.0.0.1:3/api/rest/v1"\n{keys}' + text
                if "[connections.second]" not in text
                else text
            )
        path.write_text(text, encoding="utf-8")
        self.shop.settings = load(path)

    async def sign_in(self, store: SqliteStore) -> None:
        """What ``kassabrug login`` does: a new sign-in of the books, where an outage took the answer to the last one with it."""
        shop = self.shop
        refresh, access = shop.books.identity.consent(shop.books.switches.scopes)
        tokens = SqliteTokenStore(store, "books", shop.directory, clock=shop.clock)
        async with tokens.exclusive():
            await tokens.save(Tokens(access, refresh, shop.clock.now() + timedelta(hours=1), generation=self.lives + 1000))

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Daemon]:
        """Run one process; at the end the files are what it left, however it ended."""
        shop = self.shop
        self.points.dead = False
        self.lives += 1
        store = await open_store(self.disk.state, clock=shop.clock, inline=True)
        try:
            guarded = cast("SqliteStore", faulty_store(store, self.points))
            await guarded.recover()
            apps = {"books": shop.books.app, **{name: till.app for name, till in self.tills.items()}}
            lines = {name: PointedLine(app, name, self.points, self.meanwhile) for name, app in apps.items()}
            shared = Shared(
                shop.settings,
                guarded,
                shop.directory,
                shop.clock,
                _metrics(),
                random.Random(7),
                anyio.Event(),
                lines,
            )
            async with assemble(shared) as app:
                runners = {pair.context.pair_id.rpartition("/")[2]: FlowRunner(pair) for pair in app.pairs}
                yield Daemon(store, app, runners)
        finally:
            left = self.disk.copy() if self.points.dead else None
            await store.close()
            if left is not None:
                self.disk.go_on_with(left)
