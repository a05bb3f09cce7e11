"""The side of the benchmark that is measured: the daemon's own flows in a process of their own.  Started by ``bench.py``.

Usage: ``measured.py day|backlog CONFIG STATE SECONDS``.  Prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from daemon.cli.session import configure, owning
from daemon.flow_run import FlowRunner
from daemon.sync_until_idle import result, settle_all
from tests.system.support import ask

if TYPE_CHECKING:
    from daemon.cli.session import Session

WRITES = ("POST", "PUT", "PATCH", "DELETE")


def cpu() -> float:
    """Seconds of CPU that this process has used, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def quiet(_: str) -> None:
    """Nobody watches what is waited for."""


class Requests:
    """What reached the vendors, by their own count."""

    def __init__(self, session: Session) -> None:
        connections = session.shared.settings.connections
        # of the two kinds of connection only the books have an address for signing in
        self._origins = [getattr(one, "identity", one.place.partition("/api/")[0]) for one in connections.values()]
        self._before = self._count()

    def _count(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for origin in self._origins:
            shown = json.loads(ask("GET", f"{origin}/_sandbox/requests")[2])
            rows = shown.items() if isinstance(shown, dict) else ((f"{row['method']} {row['route']}", row["count"]) for row in shown)
            for route, count in rows:
                counts[route] = counts.get(route, 0) + count
        return counts

    def since(self) -> dict[str, int]:
        """Return the requests by method and route since the last call."""
        now = self._count()
        new = {route: count - self._before.get(route, 0) for route, count in now.items() if count > self._before.get(route, 0)}
        self._before = now
        return new


async def day(session: Session) -> dict[str, Any]:
    """The catalogue first, not counted; then the day's receipts, measured; then a cycle in which nothing has changed."""
    runner = FlowRunner(session.app.pairs[0])
    await settle_all(runner, ("products", "stock"), waiting=quiet)
    requests = Requests(session)
    started, used = time.perf_counter(), cpu()
    await settle_all(runner, ("sales",), waiting=quiet)
    seconds, used = time.perf_counter() - started, cpu() - used
    sent = requests.since()
    outcome = await result(session.app)
    await settle_all(runner, ("products", "stock"), waiting=quiet)
    requests.since()
    unchanged = {}
    for flow in ("sales", "products", "stock"):
        await runner.run(flow)
        reached = requests.since()
        unchanged[flow] = [sum(reached.values()), sum(count for route, count in reached.items() if route.startswith(WRITES))]
    return {
        "receipts": outcome.receipts,
        "seconds": seconds,
        "cpu": used,
        "requests": sum(sent.values()),
        "good": outcome.difference == 0 and outcome.held == 0,
        "unchanged": unchanged,
    }


async def backlog(session: Session, seconds: float) -> dict[str, Any]:
    """Receipts only, for so long, against vendors that count requests."""
    runner = FlowRunner(session.app.pairs[0])
    requests = Requests(session)
    with anyio.move_on_after(seconds):
        while True:
            await runner.run("sales")
            await anyio.sleep(0.2)
    sent = requests.since()
    answered: dict[str, int] = {}
    for code, number in re.findall(
        r'(?m)^kassabrug_http_requests_total\{.*?code="(\w+)".*?\} (\d+)', session.shared.metrics.render().decode()
    ):
        answered[code] = answered.get(code, 0) + int(number)
    outcome = await result(session.app)
    return {
        "receipts": outcome.receipts,
        "rows_read": sum(count for route, count in sent.items() if route.startswith("GET orders/:id/orderrows")),
        "answers": sum(answered.values()),
        "throttled": answered.get("429", 0),
        "good": outcome.difference == 0 and outcome.held == 0,
    }


async def main(kind: str, config: str, state: str, seconds: str) -> None:
    """Measure, and say what came out."""
    settings, metrics = configure(Path(config), quiet=True)
    async with owning(settings, metrics, Path(state)) as session:
        found = await (day(session) if kind == "day" else backlog(session, float(seconds)))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:5]))
