"""The loopback address to which a browser comes back from a sign-in page: one answer is taken, everything else is turned away."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute

from connectors.offer import OtherSignIn, SignInRefused
from daemon.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from anyio.abc import Listener, SocketStream

    from connectors.offer import Attempt

_HOST = "127.0.0.1"
_LONGEST_REQUEST = 16384
#: how long a browser may take to say what it wants, in seconds
_PATIENCE = 10.0
_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Kassabrug</title></head>'
    "<body><h1>{title}</h1><p>{text}</p></body></html>"
)


class Callback:
    """An open port, before the sign-in that will come back to it is begun."""

    def __init__(self, listener: Listener[SocketStream]) -> None:
        self._listener = listener
        self.port = int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - of anyio, not of a database

    async def code(self, attempt: Attempt, meanwhile: Callable[[], Coroutine[Any, Any, object]]) -> str:
        """Wait for the answer to a sign-in and return its code; ``meanwhile`` opens the page.  Whoever calls sets a deadline.

        Raises:
            SignInRefused: the answer is a refusal.
        """
        path = urlsplit(attempt.redirect_uri).path or "/"
        codes: list[str] = []
        refusals: list[SignInRefused] = []
        async with anyio.create_task_group() as group:

            async def serve(stream: SocketStream) -> None:
                async with stream:
                    target = await _target(stream)
                    if urlsplit(target).path != path:
                        await _answer(stream, "404 Not Found", "Nothing here", "Go back to the sign-in page.")
                        return
                    try:
                        code = attempt.code_from(target)
                    except OtherSignIn as error:
                        # a page elsewhere may send a browser here: the answer that is waited for is still to come
                        await _answer(stream, "400 Bad Request", "Not this sign-in", f"{error}.")
                        return
                    except SignInRefused as error:
                        await _answer(stream, "200 OK", "Not signed in", "The sign-in was refused. You may close this window.")
                        refusals.append(error)
                    else:
                        await _answer(stream, "200 OK", "Thank you", "You may close this window; the rest is told where you began.")
                        codes.append(code)
                group.cancel_scope.cancel()

            group.start_soon(meanwhile)
            await self._listener.serve(serve)
        if refusals:
            raise refusals[0]
        return codes[0]


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Callback]:
    """Open a port of the loopback address, 0 for any.

    Raises:
        ConfigurationError: it is taken, or not for this user.
    """
    try:
        multi = await anyio.create_tcp_listener(local_host=_HOST, local_port=port)
    except OSError as error:
        expected = "another one with --port, if the application is registered for it, or --no-browser"
        raise ConfigurationError("", "port", f"{port} cannot be listened on ({error.strerror})", expected) from error
    async with multi:
        yield Callback(multi.listeners[0])


async def _target(stream: SocketStream) -> str:
    """Return what the first line of a request asks for, empty when it is none."""
    head = b""
    try:
        with anyio.fail_after(_PATIENCE):
            while b"\r\n\r\n" not in head and len(head) < _LONGEST_REQUEST:
                head += await stream.receive()
    except (TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
        return ""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return words[1] if words[0] == "GET" and len(words) == 3 else ""  # noqa: PLR2004 - method, target, version


async def _answer(stream: SocketStream, status: str, title: str, text: str) -> None:
    body = _PAGE.format(title=title, text=text).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
    )
    try:
        await stream.send(head.encode() + body)
    except anyio.BrokenResourceError:
        return  # the browser has gone; what it brought is here
