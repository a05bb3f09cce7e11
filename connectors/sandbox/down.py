"""Carries a vendor's outages out, in process and on real connections, and the control routes by which a person calls and lifts them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.faults import CONTROL, MAINTENANCE, Collected, connection_of, plain_error, reply, reset
from connectors.sandbox.outages import read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from connectors.sandbox.outages import Outage, Outages

_HTML: Final = "text/html; charset=utf-8"
#: what a load balancer says in its own words, whatever is behind it
_GATEWAY: Final = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable"}


class OutageMiddleware:
    """Stands in front of a vendor, behind the faults of the network, and fails what an outage is about.

    ``errors`` gives content type and body of the vendor's own 429 and 500.  Where nobody listens at all, the connection that finds it
    out is reset and the port is closed until the outage ends; without a real connection :class:`ConnectionRefusedError` is raised, and
    :class:`ConnectionResetError` for a reset.
    """

    def __init__(
        self,
        app: ASGIApp,
        outages: Outages,
        *,
        errors: Callable[[int], tuple[str, bytes]] = plain_error,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.app = app
        self.outages = outages
        self._errors = errors
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail to (ASGI)."""
        outage = None
        if scope["type"] == "http" and not scope["path"].startswith(CONTROL):
            outage = self.outages.striking(scope["method"], scope["path"])
        if outage is None:
            await self.app(scope, receive, send)
        elif outage.kind == "refuse":
            self._refuse(outage, scope)
        elif outage.kind == "slow":
            answer = await self._effect(scope, receive)
            await self._sleep(outage.seconds)
            await reply(send, answer.status, answer.headers, answer.body)
        else:
            if outage.effect:
                await self._effect(scope, receive)
            await self._fail(outage, scope, send)

    async def _effect(self, scope: Scope, receive: Receive) -> Collected:
        answer = Collected()
        await self.app(scope, receive, answer)
        return answer

    def _refuse(self, outage: Outage, scope: Scope) -> None:
        connection = connection_of(scope)
        if connection is None:
            raise ConnectionRefusedError("connection refused on demand")
        connection.reset()
        if outage.whole:
            connection.stop_listening(self.outages.refusing)

    async def _fail(self, outage: Outage, scope: Scope, send: Send) -> None:
        if outage.kind == "reset":
            reset(scope)
            return
        name, _, number = outage.kind.partition("_")
        status = int(number)
        if name == "maintenance":
            kind, body = _HTML, MAINTENANCE
        elif status in _GATEWAY:
            kind, body = _HTML, f"<html><head><title>{_GATEWAY[status]}</title></head></html>".encode()
        else:
            kind, body = self._errors(status)
        headers = [(b"content-type", kind.encode())]
        if outage.retry_after:
            headers.append((b"retry-after", str(outage.retry_after).encode()))
        await reply(send, status, headers, body)


def control(outages: Outages) -> list[BaseRoute]:
    """Return the routes by which outages are called, looked at and lifted."""

    async def show(_request: Request) -> Response:
        return JSONResponse(outages.as_json())

    async def begin(request: Request) -> Response:
        """Call an outage, said as a table of a faults file."""
        try:
            outage = read(json.loads(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        if outage.kind == "refuse" and outage.whole and outage.until is None:
            return JSONResponse({"error": "outage: to is required, nobody could reach this address to lift it"}, 400)
        return JSONResponse({"id": outages.begin(outage), **outage.as_json()}, 201)

    async def lift(request: Request) -> Response:
        number = request.path_params.get("number")
        return Response(status_code=204 if outages.lift(number) or number is None else 404)

    return [
        Route(f"{CONTROL}outages", show),
        Route(f"{CONTROL}outages", begin, methods=["POST"]),
        Route(f"{CONTROL}outages", lift, methods=["DELETE"]),
        Route(f"{CONTROL}outages/{{number:int}}", lift, methods=["DELETE"]),
    ]
