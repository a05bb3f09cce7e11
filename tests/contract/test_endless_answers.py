"""Answers without end, through the real transport from a real socket: they are read no further than a bound, and told as what they are."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.bounded_json import MOST_BYTES
from connectors.http import Budgets, HttpClient, Request
from connectors.port import ConnectorError, Transient, Uncertain, Unreadable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import SocketStream

MEGABYTE = 1024 * 1024
#: what lies in the buffers of two sockets beyond what was read
BUFFERS = 16 * MEGABYTE
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


class RealClock:
    """Time as it is."""

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


class Wire:
    """A connection to a client, and how many bytes went out on all of them."""

    sent = 0

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream

    async def send(self, piece: bytes) -> None:
        """Send; counted when the socket has taken it."""
        await self._stream.send(piece)
        Wire.sent += len(piece)


@asynccontextmanager
async def answering(answer: Callable[[Wire], Awaitable[None]], **client: Any) -> AsyncIterator[tuple[HttpClient, str]]:
    """Give a client, and the address of a server that answers every request with the bytes that ``answer`` sends."""
    Wire.sent = 0

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await stream.receive()
                await answer(Wire(stream))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                return

    clock = RealClock()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - of a socket
    http = HttpClient("books", clock=clock, budgets=Budgets(clock=clock), user_agent="Kassabrug/test", **client)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        try:
            yield http, f"http://127.0.0.1:{port}/"
        finally:
            await http.aclose()
            tasks.cancel_scope.cancel()


async def refused(answer: Callable[[Wire], Awaitable[None]], *, effect: bool = False, **client: Any) -> tuple[ConnectorError, int]:
    """Return how a request fails, and the most memory that it took beyond what there was."""
    async with answering(answer, **client) as (http, address):
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(ConnectorError) as caught:
                await http.send(Request("POST" if effect else "GET", address, effect=effect))
            return caught.value, tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()


def packed(times: int, megabytes: int) -> bytes:
    """Return so many megabytes of zeros, packed so often."""
    content = gzip.compress(bytes(megabytes * MEGABYTE), compresslevel=1)
    for _ in range(times - 1):
        content = gzip.compress(content, compresslevel=9)
    return content


def whole(content: bytes, coding: str) -> Callable[[Wire], Awaitable[None]]:
    """Answer with a body in an encoding."""

    async def answer(wire: Wire) -> None:
        await wire.send(HEAD + f"content-encoding: {coding}\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content)

    return answer


@pytest.mark.parametrize(("times", "coding"), [(1, "gzip"), (1, "deflate"), (2, "gzip, gzip"), (2, "gzip,gzip"), (1, "br"), (1, "x" * 999)])
async def test_a_bomb_is_unpacked_no_further_than_the_bound(times: int, coding: str) -> None:
    """A hundred megabytes of zeros, once and twice packed, take no more memory than the largest answer that is read."""
    error, memory = await refused(whole(packed(times, 100), coding))
    assert isinstance(error, Unreadable)
    assert memory < 3 * MOST_BYTES


async def test_what_is_packed_twice_is_unpacked_once() -> None:
    """Where only one packing is told, the other is content, and no JSON."""
    async with answering(whole(packed(2, 100), "gzip")) as (http, address):
        assert len((await http.send(Request("GET", address))).content) < MEGABYTE


async def test_a_bomb_as_the_answer_of_a_write_leaves_it_uncertain() -> None:
    """It may have happened."""
    error, _ = await refused(whole(packed(1, 100), "gzip"), effect=True)
    assert isinstance(error, Uncertain)
    assert "more than 16777216 bytes" in str(error)


async def endless_chunks(wire: Wire) -> None:
    """Send chunk after chunk."""
    await wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        await wire.send(b"10000\r\n" + b"0" * 65536 + b"\r\n")


async def endless_body(wire: Wire) -> None:
    """Send until nobody listens."""
    await wire.send(HEAD + b"connection: close\r\n\r\n")
    while True:
        await wire.send(b"0" * 65536)


async def endless_packed_body(wire: Wire) -> None:
    """Send what unpacks to nothing at all, for ever."""
    await wire.send(HEAD + b"content-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(b"{}"))
    while True:
        await wire.send(b"0" * 65536)


async def endless_headers(wire: Wire) -> None:
    """Send header after header."""
    await wire.send(HEAD)
    while True:
        await wire.send(b"x-more: " + b"x" * 1000 + b"\r\n")


async def one_header(wire: Wire) -> None:
    """Send one header without end."""
    await wire.send(HEAD + b"x-more: ")
    while True:
        await wire.send(b"x" * 65536)


@pytest.mark.parametrize(
    "answer", [endless_chunks, endless_body, endless_packed_body, endless_headers, one_header], ids=lambda one: one.__name__
)
async def test_an_answer_without_end_is_read_to_a_bound(answer: Callable[[Wire], Awaitable[None]]) -> None:
    """No more is taken from the wire than the largest answer that is read, and the connection is closed."""
    error, memory = await refused(answer)
    assert isinstance(error, Unreadable | Transient)
    assert Wire.sent < MOST_BYTES + BUFFERS
    assert memory < 3 * MOST_BYTES


async def test_a_length_that_is_too_much_is_not_even_begun() -> None:
    """Who says that ten gigabytes follow is not listened to."""

    async def answer(wire: Wire) -> None:
        await wire.send(HEAD + b"content-length: 10737418240\r\n\r\n")
        await anyio.sleep(60)

    started = time.monotonic()
    error, _ = await refused(answer)
    assert isinstance(error, Unreadable)
    assert time.monotonic() - started < 5


async def dripping_body(wire: Wire) -> None:
    """Send a byte, and another."""
    await wire.send(HEAD + b"content-length: 100000\r\n\r\n")
    while True:
        await wire.send(b"0")
        await anyio.sleep(0.02)


async def dripping_head(wire: Wire) -> None:
    """Send the head byte by byte."""
    await wire.send(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        await wire.send(b"x")
        await anyio.sleep(0.02)


async def for_ever_continue(wire: Wire) -> None:
    """Say that it will go on."""
    while True:
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await anyio.sleep(0.001)


@pytest.mark.parametrize("answer", [dripping_body, dripping_head, for_ever_continue], ids=lambda one: one.__name__)
@pytest.mark.parametrize("effect", [False, True], ids=["read", "write"])
async def test_a_drip_ends_at_the_deadline_of_the_whole_exchange(answer: Callable[[Wire], Awaitable[None]], *, effect: bool) -> None:
    """However regularly the bytes come: no wait for one of them is too long, all of them together are."""
    started = time.monotonic()
    error, _ = await refused(answer, effect=effect, timeout=5.0, deadline=0.4)
    assert type(error) is (Uncertain if effect else Transient)
    assert time.monotonic() - started < 3


async def test_many_large_answers_are_not_in_memory_at_once() -> None:
    """Twenty that are each within the bound are read one after the other beyond their first megabyte."""
    size = 8 * MEGABYTE
    read = 0

    async def answer(wire: Wire) -> None:
        await wire.send(HEAD + f"content-length: {size}\r\nconnection: close\r\n\r\n".encode())
        for _ in range(size // 65536):
            await wire.send(bytes(65536))

    async def ask(http: HttpClient, address: str) -> None:
        nonlocal read
        length = len((await http.send(Request("GET", address))).content)
        read += length

    async with answering(answer, in_flight=20) as (http, address):
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(ask, http, address)
            memory = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
    assert read == 20 * size
    assert memory < 20 * 2 * MEGABYTE + 3 * size, f"{memory / MEGABYTE:.0f} MB"
