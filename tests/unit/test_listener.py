"""What listens is bounded: in size, in count and in time, whoever comes."""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import pytest
from starlette.responses import PlainTextResponse

from daemon.observe.log import configure
from daemon.web import serve as listener
from daemon.web.guard import MOST_ANSWERS, Guard
from daemon.web.serve import bind, serve
from tests.unit.test_log import _logging_as_it_was  # noqa: F401 - the set-up of the log is put back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import ByteStream
    from starlette.types import ASGIApp, Receive, Scope, Send

ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer everything."""
    await PlainTextResponse("hello")(scope, receive, send)


@asynccontextmanager
async def listening(app: ASGIApp = hello) -> AsyncIterator[tuple[str, int]]:
    """Serve an application and give its host and port."""
    async with anyio.create_task_group() as group:
        parts = urlsplit(await group.start(serve, app, bind("127.0.0.1", 0)))
        yield parts.hostname or "", parts.port or 0
        group.cancel_scope.cancel()


async def everything(stream: ByteStream) -> bytes:
    """All that comes until the other side ends it, in order or not."""
    got = b""
    try:
        async for chunk in stream:
            got += chunk
    except anyio.BrokenResourceError:
        pass
    return got


async def said(place: tuple[str, int], request: bytes) -> bytes:
    """What is answered to these bytes."""
    async with await anyio.connect_tcp(*place) as stream:
        with suppress(anyio.BrokenResourceError):
            await stream.send(request)
        return await everything(stream)


async def test_a_header_without_end_is_cut_off() -> None:
    """After 32 kB, whatever is still to come; the next who asks is answered."""
    sent = 0
    async with listening() as place:
        with anyio.fail_after(10):
            async with await anyio.connect_tcp(*place) as stream:
                await stream.send(HALF)
                with suppress(anyio.BrokenResourceError):
                    while sent < 300 * 1_048_576:
                        await stream.send(b"a" * 65_536)
                        sent += 65_536
        assert sent < 20 * 1_048_576  # what the kernel holds on its way
        assert (await said(place, HALF + b"a" * 40_000)).startswith(b"HTTP/1.1 431 ")
        assert (await said(place, ASKED)).endswith(b"hello")


async def test_who_does_not_finish_asking_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing said, and half of something said: both end when the time for it is over."""
    monkeypatch.setattr(listener, "ARRIVAL_SECONDS", 0.1)
    async with listening() as place:
        with anyio.fail_after(5):
            assert await said(place, b"") == b""
            assert await said(place, HALF) == b""


async def test_who_does_not_fetch_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer larger than what the kernel takes, to one who does not read it: it ends, and the task with it."""
    monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.2)
    ended = anyio.Event()

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1_000):
                await send({"type": "http.response.body", "body": b"a" * 65_536, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            ended.set()

    async with listening(large) as place, await anyio.connect_tcp(*place) as stream:
        await stream.send(ASKED)
        with anyio.fail_after(5):
            await ended.wait()


async def test_those_who_say_nothing_make_room_for_one_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hold a connection: so many are kept, the oldest go, and who asks is answered at once."""
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 20)
    async with listening() as place, anyio.create_task_group() as group:
        ends: list[int] = []

        async def half(number: int, *, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with await anyio.connect_tcp(*place) as stream:
                await stream.send(HALF)
                task_status.started()
                await everything(stream)
                ends.append(number)

        for number in range(50):
            await group.start(half, number)
        with anyio.fail_after(5):
            assert (await said(place, ASKED)).endswith(b"hello")
            while len(ends) < 31:  # noqa: ASYNC110 - the other side of real sockets
                await anyio.sleep(0.01)
        assert sorted(ends) == list(range(31))
        group.cancel_scope.cancel()


async def test_one_request_a_connection() -> None:
    """What comes after it, in the same bytes or later, is nobody's; a hundred at once are not a hundred answers."""
    async with listening() as place:
        answered = await said(place, ASKED * 100)
        assert (answered.count(b"hello"), b"connection: close" in answered.lower()) == (1, True)
        unfinished = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\nabc"
        assert (await said(place, unfinished)).endswith(b"hello")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nHost: [\r\n\r\n",
        b"GET http://[::1?x HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_request_are_refused_in_one_answer(request_bytes: bytes) -> None:
    """A status of 4xx and the end of the connection."""
    async with listening(Guard(hello)) as place:
        with anyio.fail_after(5):
            assert (await said(place, request_bytes)).startswith(b"HTTP/1.1 4")


async def test_a_flood_of_bad_requests_is_a_few_lines() -> None:
    """The first of them are written; two hundred are not two hundred lines."""
    stream = io.StringIO()
    configure("info", "json", stream=stream)
    async with listening() as place:
        for _ in range(200):
            await said(place, b"\x16\x03\r\n\r\n")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["event"] for line in lines} == {"Invalid HTTP request received."}
    assert len(lines) == 20


async def test_too_much_at_once_is_turned_away_but_for_livez() -> None:
    """So many answers are made at once; the probe that costs nothing is answered whatever else is asked."""
    go, busy = anyio.Event(), 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal busy
        if scope["path"] != "/livez":
            busy += 1
            await go.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async with listening(Guard(slow)) as place, anyio.create_task_group() as group:
        for _ in range(MOST_ANSWERS):
            group.start_soon(said, place, ASKED)
        with anyio.fail_after(5):
            while busy < MOST_ANSWERS:  # noqa: ASYNC110 - the other side of real sockets
                await anyio.sleep(0.01)
            assert (await said(place, ASKED)).startswith(b"HTTP/1.1 503 ")
            assert (await said(place, ASKED.replace(b"GET /", b"GET /livez"))).endswith(b"done")
        go.set()
