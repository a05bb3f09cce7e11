"""What a probe, Prometheus or a person fetches.

======== ================================================================ =======================================================
/livez   200 or 503, never because of a vendor                            a restart would help
/readyz  200 or 503 with the checks as JSON                               a restart would not help, a person would
/health  ``application/health+json`` (draft-inadarei-api-health-check-06) 503 only for ``fail``; ``warn`` is a 200
/metrics Prometheus' text format
/        the dashboard
======== ================================================================ =======================================================

None of it asks who is there: it listens on the loopback address unless it is told otherwise, answers only to this machine's names, says
nothing about people, and the JSON nothing about money.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import anyio.to_thread
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from daemon import __version__
from daemon.core.outside import clean
from daemon.web.guard import Guard
from daemon.web.page import STYLE, render

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from daemon.observe.metrics import Metrics
    from daemon.web.page import Overview

Status = Literal["pass", "warn", "fail"]
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_ORDER: Final[tuple[Status, ...]] = ("pass", "warn", "fail")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.  ``component`` and ``measurement`` make its key (``flow-sales:lastSuccess``); ``output`` is shown unless it passes.

    ``value`` is what was observed (a moment in ISO 8601, a number), never money, a name of a company or a secret.
    """

    component: str
    measurement: str
    status: Status
    value: str | int | float | None = None
    unit: str = ""
    output: str = ""
    component_type: str = "component"
    time: datetime | None = None


class HealthSource(Protocol):
    """Who knows how things are."""

    def alive(self) -> bool:
        """Tell whether the work goes on; never depends on a vendor."""
        ...

    async def ready(self) -> Sequence[Check]:
        """Return whether configuration, store and tokens are usable."""
        ...

    async def health(self) -> Sequence[Check]:
        """Return the state of every flow and connection."""
        ...

    async def overview(self) -> Overview:
        """Return what the dashboard shows."""
        ...


def worst(checks: Iterable[Check]) -> Status:
    """Return the worst status there is, ``pass`` for none."""
    return max((check.status for check in checks), key=_ORDER.index, default="pass")


def document(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the health document: keys are ``component:measurement``, values lists, ``output`` only where something is wrong."""
    found: dict[str, list[dict[str, Any]]] = {}
    for check in checks:
        entry: dict[str, Any] = {"componentType": check.component_type, "status": check.status}
        if check.value is not None:
            entry["observedValue"] = check.value
        if check.unit:
            entry["observedUnit"] = check.unit
        if check.time is not None:
            entry["time"] = check.time.isoformat()
        if check.output and check.status != "pass":
            entry["output"] = clean(check.output)
        found.setdefault(f"{check.component}:{check.measurement}", []).append(entry)
    return {
        "status": worst(checks),
        "version": __version__.split(".")[0],
        "releaseId": __version__,
        "serviceId": "kassabrug",
        "description": "keeps till and books in step",
        "checks": found,
    }


def _answer(checks: Sequence[Check], media_type: str) -> Response:
    body = document(checks)
    return Response(json.dumps(body, indent=1), 503 if body["status"] == "fail" else 200, media_type=media_type, headers=_HEADERS)


def build(source: HealthSource, metrics: Metrics, hosts: Collection[str] = ()) -> ASGIApp:
    """Return the application; ``hosts`` are the names under which it may be asked for besides addresses and ``localhost``."""
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    async def livez(_request: Request) -> Response:
        alive = source.alive()
        return PlainTextResponse("ok\n" if alive else "stuck\n", 200 if alive else 503, headers=_HEADERS)

    async def readyz(_request: Request) -> Response:
        return _answer(await source.ready(), "application/json")

    async def health(_request: Request) -> Response:
        return _answer(await source.health(), "application/health+json")

    async def scrape(_request: Request) -> Response:
        text = await anyio.to_thread.run_sync(metrics.render)  # it reads /proc
        return Response(text, headers={**_HEADERS, "Content-Type": metrics.content_type})

    async def dashboard(_request: Request) -> Response:
        return HTMLResponse(render(await source.overview()), headers={**_HEADERS, "Content-Security-Policy": policy})

    app = Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/health", health),
            Route("/metrics", scrape),
            Route("/", dashboard),
        ],
    )
    app.router.redirect_slashes = False
    return Guard(app, hosts)
