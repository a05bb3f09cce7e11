"""What comes in over a socket: to the page, and to where a browser comes back from a sign-in."""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio

from connectors.eaccounting.authorize import Application, begin
from connectors.offer import SignInRefused
from daemon.cli import callback
from daemon.observe.metrics import Metrics
from daemon.web import serve as listener
from daemon.web.app import build
from tests.fuzz.surface import Refused, Surface, Taken
from tests.unit.test_web import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.fuzz.surface import Verdict

#: in the place of ten seconds, so that half a request is soon found out
_ARRIVAL: Final = 0.03
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_HOST: Final = re.compile(rb"(?im)^host:[ \t]*([^\r\n]*)")
_PORT: Final = re.compile(r":[0-9]*$")


@asynccontextmanager
async def _soon() -> AsyncIterator[None]:
    before, log = listener.ARRIVAL_SECONDS, logging.getLogger("uvicorn.error")
    log.disabled = True  # it says of each that it is no request
    listener.ARRIVAL_SECONDS = _ARRIVAL  # type: ignore[misc]  # a test's own patience
    try:
        yield
    finally:
        log.disabled = False
        listener.ARRIVAL_SECONDS = before  # type: ignore[misc]  # the same


async def _answer(port: int, given: bytes) -> bytes:
    """Say it, and return all that is answered; whoever never ends is an error."""
    got = b""
    with anyio.fail_after(10):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with suppress(anyio.BrokenResourceError):
                await stream.send(given)
            with suppress(anyio.BrokenResourceError):
                async for chunk in stream:
                    got += chunk
    return got


def _status(answer: bytes) -> int:
    """Return the status of an answer, 0 for none; raises for two, and for what is no answer."""
    if not answer:
        return 0
    match = _STATUS.match(answer)
    if match is None:
        raise AssertionError(f"no answer of HTTP: {answer[:40]!r}")
    return int(match[1])


def _own(given: bytes) -> bool:
    """Tell whether a request names this machine, or none, as another reader than ours sees it."""
    for value in _HOST.findall(given):
        name = _PORT.sub("", value.decode("latin-1").strip().lower()).strip("[]").rstrip(".")
        try:
            ip_address(name)
        except ValueError:
            if name != "localhost" and not name.endswith(".localhost"):
                return False
    return True


@asynccontextmanager
async def _page() -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
    async with _soon(), anyio.create_task_group() as group:
        url = await group.start(listener.serve, build(Source(), Metrics()), listener.bind("127.0.0.1", 0))
        port = urlsplit(url).port or 0

        async def attempt(given: bytes) -> Verdict:
            answer = await _answer(port, given)
            status = _status(answer)
            if status >= 500:
                raise AssertionError(f"answered {status}")
            if answer.count(b"HTTP/1.1 ") > 1:
                return Taken(str(status), "several answers")
            if status == 200:
                return Taken("200", "" if _own(given) else "answered under another name")
            return Refused(str(status))

        yield attempt
        group.cancel_scope.cancel()


class _SigningIn:
    """A sign-in that is begun anew as soon as one has ended."""

    def __init__(self) -> None:
        self.port = 0
        self.ended = 0
        self.ready = anyio.Event()

    async def run(self) -> None:
        """Wait for answers for ever."""
        while True:
            with callback.listening(0) as waiting:
                self.port = waiting.port
                redirect = f"http://localhost:{waiting.port}/callback"
                attempt = begin(Application("https://identity.example", "id", "secret"), redirect, token=lambda size: "s" * size)
                with suppress(SignInRefused):
                    self.code = await waiting.code(attempt, self._listening)
            self.ready = anyio.Event()
            self.ended += 1

    async def _listening(self) -> None:
        self.ready.set()


@asynccontextmanager
async def _callback() -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
    signing_in = _SigningIn()
    async with _soon(), anyio.create_task_group() as group:
        group.start_soon(signing_in.run)

        async def attempt(given: bytes) -> Verdict:
            with anyio.fail_after(10):
                await signing_in.ready.wait()
                before = signing_in.ended
                status = _status(await _answer(signing_in.port, given))
                if status >= 500:
                    raise AssertionError(f"answered {status}")
                if status != 200:
                    return Refused(str(status))
                while signing_in.ended == before:  # noqa: ASYNC110 - the other side of a socket
                    await anyio.sleep(0.001)
            ours = b"s" * 32 in given and _own(given)
            return Taken("an answer", "" if ours else "the answer to no sign-in of ours")

        yield attempt
        group.cancel_scope.cancel()


def _asked(*paths: str) -> Iterator[bytes]:
    for path in paths:
        yield f"GET {path} HTTP/1.1\r\nHost: localhost:9464\r\nUser-Agent: fuzz\r\nAccept: */*\r\n\r\n".encode()


SURFACES: Final = (
    Surface("listener", "lines", lambda: [*_asked("/", "/livez", "/readyz", "/health", "/metrics")], _page),
    Surface(
        "callback",
        "lines",
        lambda: [*_asked(f"/callback?code=abc&state={'s' * 32}", f"/callback?error=access_denied&state={'s' * 32}")],
        _callback,
    ),
)
