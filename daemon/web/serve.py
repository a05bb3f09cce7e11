"""Serving an application inside the caller's task group, without touching signals, to whoever may come.

What comes in is bounded: one short request a connection, a deadline for its arrival and one for its answer, and so many connections at
once.  When one more comes, the one that has waited longest without having asked anything makes room: two thousand that say nothing
cannot keep out the one that asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

import anyio
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from starlette.types import ASGIApp, Receive, Scope, Send

#: bytes of a request, all of it: a browser may bring the cookies of everything else on this machine
LARGEST_REQUEST: Final = 32_768
#: connections at once
MOST_CONNECTIONS: Final = 256
#: how many are taken over in one go; fewer than are kept, so that what has just come in is read before anything else makes room
_TAKEN_AT_ONCE: Final = 64
#: how many may wait for that in the kernel
_WAITING: Final = 2_048
#: how long a request may take to arrive, and its answer to be made and fetched, in seconds
ARRIVAL_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
#: how long requests in hand may go on when the server stops
_GRACE: Final = 1.0
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class CannotListen(Exception):
    """The address cannot be listened on; the text is one line, ``reason`` a few words of it."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"daemon.listen: cannot listen on {host}:{port} ({reason}), expected a free address of this machine")
        self.reason = reason


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address (port 0: any free one), to be given to :func:`serve`.

    Raises:
        CannotListen: somebody else listens there, the address is not this machine's, or is none.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, because asyncio switches Nagle's algorithm off only then, and with it an answer of two writes comes 40 ms late
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(_WAITING)  # now, so that of two processes only one gets the address
    except (OSError, OverflowError, UnicodeError) as error:
        bound.close()
        if not isinstance(error, OSError):
            raise CannotListen(host, port, "there is no such address") from error
        reasons = {errno.EADDRINUSE: "another program listens there", errno.EACCES: "ports below 1024 need a privilege"}
        reason = reasons.get(error.errno or 0, (error.strerror or str(error)).lower())
        raise CannotListen(host, port, reason) from error
    return bound


async def serve(app: ASGIApp, bound: socket.socket, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; reports the base address when ready (``url = await group.start(serve, app, bound)``).

    Requests in hand get a second to end.  uvicorn's protocol is used without its server: that would wake ten times a second, take the
    signals, and keep whatever connects.
    """
    listener = _Listener(app)
    server = await asyncio.get_running_loop().create_server(listener.connection, sock=bound, backlog=_TAKEN_AT_ONCE)
    bound.listen(_WAITING)  # asyncio has just said its own number to the kernel too
    try:
        host, port = bound.getsockname()[:2]
        task_status.started(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            server.close()
            await listener.stop()


class _Listener:
    """The connections that there are, in the order in which they came."""

    def __init__(self, app: ASGIApp) -> None:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            # stop() cancels an answer that takes too long: nobody is left to be told
            with contextlib.suppress(asyncio.CancelledError):
                await app(scope, receive, send)

        self.state = ServerState()
        self.config = uvicorn.Config(
            answer,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self.config.load()
        self._open: dict[_Connection, None] = {}

    def connection(self) -> _Connection:
        """Return the protocol of one that comes."""
        return _Connection(self, self.config, self.state)

    def came(self, connection: _Connection) -> None:
        """Keep it, and let the oldest go where there are too many; one that has asked something only if all have."""
        self._open[connection] = None
        if len(self._open) > MOST_CONNECTIONS:
            oldest = next((one for one in self._open if not one.asked), next(iter(self._open)))
            oldest.end()

    def went(self, connection: _Connection) -> None:
        """Forget it."""
        self._open.pop(connection, None)

    async def stop(self) -> None:
        """End what says nothing at once, and what is being answered after a while."""
        for connection in list(self._open):
            connection.shutdown()
        if self.state.tasks:
            await asyncio.wait(set(self.state.tasks), timeout=_GRACE)
        for connection in list(self._open):
            connection.end()
        for task in set(self.state.tasks):
            task.cancel()
        if self.state.tasks:
            await asyncio.wait(set(self.state.tasks))
        # let the transports report their end, so that no socket outlives the server
        await asyncio.sleep(0)


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol for one request, which is short and comes in time."""

    def __init__(self, listener: _Listener, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, app_state={})
        self._listener = listener
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None
        #: whether the head of a request has come, and whether all of it has
        self._began = False
        self.asked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._deadline = self.loop.call_later(ARRIVAL_SECONDS, self.end)
        self._listener.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_deadline()
        self._listener.went(self)

    def data_received(self, data: bytes) -> None:
        """Take what comes; what comes after a whole request is nobody's."""
        self._received += len(data)
        if self.transport.is_closing() or (self.asked and self._received <= LARGEST_REQUEST):
            return
        if self._received > LARGEST_REQUEST:
            if not self._began:
                self.transport.write(_TOO_LARGE)
            self.transport.close()
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        if self._began:  # a second request in the same bytes
            return
        super().on_headers_complete()
        self._began = True
        self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self.asked:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.asked:
            return
        super().on_message_complete()
        self.asked = True
        self._end_deadline()
        self._deadline = self.loop.call_later(ANSWER_SECONDS, self.end)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a request that asks for more than is here is answered without."""

    def end(self) -> None:
        """Let go at once."""
        self._end_deadline()
        if self._began:
            self.cycle.disconnected = True
        self._listener.went(self)
        self.transport.abort()

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
