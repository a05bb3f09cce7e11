"""Runs a sandbox on loopback inside the caller's event loop, with connections that can really fail.

uvicorn's HTTP protocol is used without its server: no signal handler is touched, nothing ticks, and the listening socket can be
closed and opened again on the same port, so that a refused connection is refused by the kernel.  No ``date`` header is added; the
vendor's sandbox sets its own, by its own clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import uvicorn
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from connectors.sandbox.faults import CONNECTION, FaultMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = "127.0.0.1"
#: how long requests in hand may go on when the server stops, in seconds
_GRACE: Final = 0.5
#: how often a port that an outage has closed is looked after
_LOOK_SECONDS: Final = 0.25
#: SO_LINGER with a time-out of zero makes the kernel send a reset instead of an orderly end
_NO_LINGER: Final = struct.pack("ii", 1, 0)


@asynccontextmanager
async def serve(app: ASGIApp, port: int = 0, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> AsyncIterator[str]:
    """Serve ``app`` on loopback and give its base address, for example ``http://127.0.0.1:41234``.

    Port 0 takes a free one.  An app that is a :class:`~connectors.sandbox.faults.FaultMiddleware` has its refusals carried out.

    Raises:
        OSError: the port is taken.
    """
    with _bound(port) as placeholder:
        listener = _Listener(app, placeholder.getsockname()[1], sleep)
        task = asyncio.create_task(listener.run())
        task.add_done_callback(lambda _: listener.settled.set())
        try:
            await listener.settled.wait()
            if task.done():
                task.result()
            yield f"http://{LOOPBACK}:{listener.port}"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            with anyio.CancelScope(shield=True):
                await listener.stop()


def _bound(port: int) -> socket.socket:
    """Return a bound socket that does not listen: it keeps the port ours while nobody listens."""
    # named as TCP, because asyncio switches Nagle's algorithm off only then, and with it every answer comes 40 ms late
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


class _Listener:
    """Listens, and now and then does not."""

    def __init__(self, app: ASGIApp, port: int, sleep: Callable[[float], Awaitable[None]]) -> None:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            # a client that was killed, or stop(), which cancels after the connection is gone: nobody is left to be told
            with contextlib.suppress(asyncio.CancelledError, ClientDisconnect):
                await app(scope, receive, send)

        self.port = port
        self.settled = asyncio.Event()
        self.refusing = asyncio.Event()
        #: as long as it says so, nobody listens
        self.away: Callable[[], bool] | None = None
        self._plan = app.plan if isinstance(app, FaultMiddleware) else None
        self._sleep = sleep
        self._state = ServerState()
        self._config = uvicorn.Config(
            answer,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self._config.load()

    async def run(self) -> None:
        """Open the port; close it for a while whenever a refusal strikes, and open it again unless it strikes again."""
        while True:
            while self._refused():
                self.settled.set()
                await self._sleep(self._plan.refuse_seconds if self._plan is not None else _LOOK_SECONDS)
            self.away = None
            self.refusing.clear()
            server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(self, self._config, self._state), sock=_bound(self.port)
            )
            self.settled.set()
            try:
                await self.refusing.wait()
            finally:
                await _close(server)
            for connection in list(self._state.connections):
                connection.shutdown()
            await self._sleep(self._plan.refuse_seconds if self._plan is not None else 0)

    def _refused(self) -> bool:
        return (self.away is not None and self.away()) or (self._plan is not None and self._plan.fires("refuse"))

    async def stop(self) -> None:
        """End the connections, after a short while also those with a request in hand."""
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks), timeout=_GRACE)
        for connection in list(self._state.connections):
            connection.reset()  # type: ignore[union-attr] # every connection here is a _Connection
        for task in set(self._state.tasks):
            task.cancel()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks))
        # let the transports report their end, so that no socket outlives the server
        await asyncio.sleep(0)


async def _close(server: asyncio.Server) -> None:
    """Listen no more.

    Who was accepted in this very moment is attached to the server one step of the loop later, and must still find it open
    (python/cpython issue 109564).
    """
    loop = asyncio.get_running_loop()
    with anyio.CancelScope(shield=True):
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        await asyncio.sleep(0)
    server.close()


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol, put into each request's scope so that a fault can reach the TCP connection."""

    def __init__(self, listener: _Listener, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, app_state={})
        self._listener = listener

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # the TypedDict knows no extensions of ours
        scope["extensions"] = {CONNECTION: self}

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and not self.transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._forget()
        self.transport.abort()

    def hang_up(self) -> None:
        """End the connection after what was written is sent."""
        self._forget()
        self.transport.close()

    def stop_listening(self, still: Callable[[], bool] | None = None) -> None:
        """Close the port and the idle connections for a while, and for as long as ``still`` says so."""
        self._listener.away = still
        self._listener.refusing.set()

    def _forget(self) -> None:
        if self.cycle is not None:
            self.cycle.disconnected = True
