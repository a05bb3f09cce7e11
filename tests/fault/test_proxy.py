"""A day over a network that drops, delays and cuts: at the end both vendors' ledgers say the same."""

from __future__ import annotations

import contextlib
import gc
import random
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import httpx2
import pytest

from connectors.http import open_transport
from connectors.sandbox import shop
from connectors.sandbox.eaccounting import BooksSandbox
from connectors.sandbox.salespos import TillSandbox
from connectors.sandbox.serve import serve
from daemon import sync_until_idle
from daemon.app import App, Shared, assemble
from daemon.cli.vendors import Vendors, configuration
from daemon.core.flow_registry import TURNS
from daemon.core.reachability import Pace
from daemon.engine.clock import SystemClock
from daemon.flow_run import FlowRunner
from daemon.observe.metrics import Metrics
from daemon.settings import load
from daemon.state.sqlite import open_store
from daemon.sync_until_idle import settle_all
from tests.fault.judge import judge
from tests.fault.proxy import KINDS, LOOPBACK, Toxics, between

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fault.proxy import Proxy

RECEIPTS = 15
#: how long the daemon waits for bytes here, in seconds; a stalled answer costs that
PATIENCE = 0.4


class Impatient(httpx2.AsyncBaseTransport):
    """The real transport with short time-outs."""

    def __init__(self) -> None:
        self._real = open_transport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Make an exchange."""
        request.extensions = {**request.extensions, "timeout": httpx2.Timeout(PATIENCE).as_dict()}
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the pool."""
        await self._real.aclose()


@dataclass(slots=True)
class Line:
    """Both vendors behind a bad line, and the daemon at its other end."""

    books: BooksSandbox
    till: TillSandbox
    proxies: tuple[Proxy, Proxy]
    app: App

    def fired(self) -> Counter[str]:
        """What happened so far."""
        return self.proxies[0].fired + self.proxies[1].fired

    async def settle(self) -> None:
        """Run all flows until nothing is due."""
        await settle_all(FlowRunner(self.app.pairs[0]), TURNS, waiting=lambda _: None)


@asynccontextmanager
async def bad_line(directory: Path, toxics: Toxics, seed: int) -> AsyncIterator[Line]:
    """Serve a made-up shop on loopback, put proxies in front, and build the daemon on them with a short patience."""
    world = shop.generate(seed, RECEIPTS)
    books, till = BooksSandbox(world, limits=False, seed=seed), TillSandbox(world, limits=False, seed=seed)
    async with AsyncExitStack() as stack:
        ports = [urlsplit(await stack.enter_async_context(serve(app))).port or 0 for app in (books.app, till.app)]
        proxies = [await stack.enter_async_context(between(port, toxics, seed=seed + n)) for n, port in enumerate(ports)]
        books_url, till_url = (f"http://{LOOPBACK}:{proxy.port}" for proxy in proxies)
        running = Vendors(world, books, till, books_url, till_url, limits=False)
        path = anyio.Path(directory / "kassabrug.toml")
        await path.write_text(configuration(running, state_dir=str(directory / "state")))
        clock = SystemClock()
        store = await open_store(directory / "state", clock=clock)
        stack.push_async_callback(store.close)
        transports = {"books": Impatient(), "till": Impatient()}
        for transport in transports.values():
            stack.push_async_callback(transport.aclose)
        settings = await anyio.to_thread.run_sync(load, directory / "kassabrug.toml")
        shared = Shared(settings, store, directory / "state", clock, Metrics(), random.Random(seed), anyio.Event(), transports)
        app = await stack.enter_async_context(assemble(shared))
        context = app.pairs[0].context
        context.policy = replace(
            context.policy, max_attempts=99, first_delay=0.1, longest_delay=0.5, outage_delay=0.1, throttled_delay=0.2, index_lag=0.2
        )
        for connection in context.connections:
            connection.pace = Pace(first=0.1, longest=0.5)
        yield Line(books, till, (proxies[0], proxies[1]), app)


@pytest.mark.parametrize("seed", [21])
async def test_a_day_over_a_bad_line_ends_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Every kind of trouble struck, and no receipt, payment, product or customer is lost or there twice."""
    monkeypatch.setattr(sync_until_idle, "_WAIT_SECONDS", 0.2)
    often = 0.03
    toxics = Toxics(often, often, often, often, often, stall=0.01, refuse_seconds=0.05, delay_seconds=0.05)
    async with bad_line(tmp_path, toxics, seed) as line:
        await line.settle()
        toxics.none()
        await line.settle()
        ledgers = line.till.ledger().as_json(), line.books.ledger().as_json()
        emails = [str(row["EmailAddress"] or "") for row in line.books.books.customers.rows.values()]
        verdict = judge(line.till.till.world, *ledgers, emails)
        fired = line.fired()
    assert verdict.right, verdict
    assert verdict.documents == ledgers[0]["receipts"]
    assert set(fired) == set(KINDS), fired


@pytest.mark.parametrize("steps", range(6))
async def test_a_port_that_closes_loses_no_connection(steps: int) -> None:
    """Whichever step of the loop it closes in, a client that was let in a moment before is told, and no socket stays open."""
    with socket.socket() as client:
        client.settimeout(5)
        async with between(1, Toxics(refuse_seconds=0.0), seed=1) as proxy:
            client.connect((LOOPBACK, proxy.port))
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            proxy.refuse()
            with contextlib.suppress(ConnectionResetError):  # that is being told, too
                assert await anyio.to_thread.run_sync(client.recv, 1) == b""
    gc.collect()  # what is still open is told now, and fails the test
