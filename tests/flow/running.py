"""A whole daemon under virtual time: its loops, its alerts and its health, over wires that can be cut; without the web."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio
import httpx2

from connectors.registry import CONNECTORS
from daemon.app import Shared, assemble
from daemon.observe.alerts import Alerts
from daemon.observe.metrics import Metrics
from daemon.observe.systemd import Notifier
from daemon.state.sqlite import open_store
from daemon.supervisor import HEARTBEAT, PRUNE_CHECK, Supervisor
from daemon.text import Speaker
from tests.flow.line import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from daemon.app import App
    from daemon.state.owner import Ownership
    from daemon.state.store import SqliteStore
    from tests.flow.shop import Shop

TOKEN = "/connect/token"


class Wire:
    """What lies between us and a vendor: counts requests, loses answers, gives others, and lets something happen in between."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.requests: Counter[str] = Counter()
        self.lose_answers_to: Counter[str] = Counter()
        self.refuse_everything = False
        self.before: Callable[[str], None] = lambda _: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        path = str(scope["path"])
        self.requests[path] += 1
        self.before(path)
        if self.refuse_everything and path != TOKEN:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)
        if self.lose_answers_to[path]:
            self.lose_answers_to[path] -= 1
            raise httpx2.ReadError("the answer was lost")

    @property
    def tokens(self) -> int:
        """How often the identity server was asked."""
        return self.requests[TOKEN]

    @property
    def api(self) -> int:
        """How often the rest was asked."""
        return self.requests.total() - self.tokens


@dataclass(slots=True)
class Daemon:
    """A running daemon: its loops and its alerts, without the web."""

    shop: Shop
    shared: Shared
    store: SqliteStore
    app: App
    supervisor: Supervisor
    metrics: Metrics
    wires: dict[str, Wire]
    told: list[str] = field(default_factory=list)

    async def ready(self) -> bool:
        """Whether /readyz is well."""
        return all(check.status == "pass" for check in await self.supervisor.health.ready())

    def reauth(self, side: str = "eaccounting") -> bool:
        """What the metric says."""
        return bool(self.metrics._reauth.labels(side)._value.get())

    def documents(self) -> list[str | None]:
        """What is booked."""
        return self.shop.references()


def new_metrics() -> Metrics:
    """What a process counts with."""
    return Metrics(sides=CONNECTORS, renewing=["eaccounting"])


@asynccontextmanager
async def running(shop: Shop, more: Mapping[str, ASGIApp] | None = None, *, loops: bool = True) -> AsyncIterator[Daemon]:
    """Run a daemon over what the shop has, and ``more`` vendors by the name of their connection."""
    vendors: dict[str, ASGIApp] = {"books": shop.books.app, "till": shop.till.app, **(more or {})}
    wires = {name: Wire(app) for name, app in vendors.items()}
    store = await open_store(shop.directory / "state", clock=shop.clock, inline=True)
    try:
        await store.recover()
        transports = {name: Line(wire) for name, wire in wires.items()}
        metrics = new_metrics()
        shared = Shared(shop.settings, store, shop.directory / "state", shop.clock, metrics, random.Random(7), anyio.Event(), transports)
        told: list[str] = []

        async def deliver(title: str, _body: str, _severity: str) -> bool:
            told.append(title)
            return True

        async with assemble(shared) as app, anyio.create_task_group() as group:
            alerts = Alerts(store, shop.clock, deliver, metrics, say=Speaker(shop.settings.daemon.language))
            # nobody beats here: who owns the state matters to other processes only
            supervisor = Supervisor(app, shared, alerts, Notifier({}), cast("Ownership", None))
            if loops:
                group.start_soon(supervisor._steadily, "looking after", supervisor._look_after, HEARTBEAT)
                group.start_soon(supervisor._steadily, "forgetting", supervisor._forget_what_is_old, PRUNE_CHECK)
                for state in supervisor.flows:
                    group.start_soon(supervisor._loop, state)
            yield Daemon(shop, shared, store, app, supervisor, metrics, wires, told)
            group.cancel_scope.cancel()
    finally:
        await store.close()
