"""A TCP proxy between the daemon and a vendor that does to connections what networks do, by seeded dice.

It knows nothing of HTTP but where a request begins, which on a connection without pipelining is where the client speaks after the
server has.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 65536
#: SO_LINGER with a time-out of zero makes the kernel send a reset instead of an orderly end
_NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass
class Toxics:
    """How often what happens, as rates from 0 to 1 a request; may be changed while the proxy runs."""

    refuse: float = 0.0
    """Before the answer is passed on, the port closes for ``refuse_seconds``, and connections without a request end."""
    reset_before: float = 0.0
    """The client is reset, and the server never sees the request."""
    reset_after: float = 0.0
    """The server has the whole request and has begun to answer; the client is reset and sees nothing of it."""
    delay: float = 0.0
    """The request arrives ``delay_seconds`` late."""
    cut: float = 0.0
    """Up to ``cut_after`` bytes of the answer arrive, then the connection ends in order."""
    stall: float = 0.0
    """The server answers, and nothing arrives until the client gives up."""

    refuse_seconds: float = 0.1
    delay_seconds: float = 0.1
    cut_after: int = 400

    def none(self) -> None:
        """Be a plain cable from now on."""
        for one in fields(self):
            if one.name in KINDS:
                setattr(self, one.name, 0.0)


KINDS: Final = ("refuse", "reset_before", "reset_after", "delay", "cut", "stall")


class Proxy:
    """Listens on loopback; ``port`` is where, ``fired`` counts what happened."""

    def __init__(self, upstream: int, toxics: Toxics, random: Random) -> None:
        self.toxics = toxics
        self.fired: Counter[str] = Counter()
        self._upstream = upstream
        self._random = random
        self._server: asyncio.Server | None = None
        self._wires: set[_Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: asyncio.Task[None] | None = None
        # bound and never listening: it keeps the port ours while nobody listens
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind((LOOPBACK, 0))
        self.port: int = self._holder.getsockname()[1]

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, reuse_address=True)

    async def close(self) -> None:
        """End everything."""
        if self._opening is not None:
            await self._opening  # to its end: a port that is just being opened would stay open
        await self._stop_listening()
        for wire in list(self._wires):
            wire.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._holder.close()

    def throw(self) -> str:
        """Choose what happens to a request, ``""`` for nothing; at most one thing does."""
        for kind in KINDS:
            rate: float = getattr(self.toxics, kind)
            if rate > 0 and self._random.random() < rate:
                self.fired[kind] += 1
                return kind
        return ""

    def cut_after(self) -> int:
        """Choose how much of an answer arrives."""
        return self._random.randint(0, self.toxics.cut_after)

    def refuse(self) -> None:
        """Close the port for a while, and the connections on which nothing is going on."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._refuse())

    async def _stop_listening(self) -> None:
        """Close the port, once the connections that were just accepted are made.

        Between the two asyncio takes a step of its loop, and a server that is closed in it loses the connection: the client is never
        told, and nobody closes the socket (python/cpython#109564, in every version so far).
        """
        if self._server is None:
            return
        server, self._server = self._server, None
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        server.close()

    async def _refuse(self) -> None:
        await self._stop_listening()
        for wire in list(self._wires):
            if wire.idle:
                wire.reset()
        await asyncio.sleep(self.toxics.refuse_seconds)
        await self.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._upstream)
        except (OSError, asyncio.CancelledError):  # nobody is there, or the proxy is being closed
            _reset(writer)
            self._tasks.discard(task)
            return
        wire = _Wire(self, writer, up_writer)
        self._wires.add(wire)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(wire.ask(reader))
                group.create_task(wire.answer(up_reader))
        except* OSError:
            pass  # one end is gone: so is the other
        finally:
            self._wires.discard(wire)
            self._tasks.discard(task)
            wire.end()


class _Wire:
    """One connection of the client and the one that belongs to it at the server."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        #: what happens to the request in hand; ``None`` while there is none
        self._fate: str | None = None
        self._answering = False

    @property
    def idle(self) -> bool:
        """Whether no request is on its way."""
        return self._fate is None or self._answering

    async def ask(self, reader: asyncio.StreamReader) -> None:
        """Pass on what the client says."""
        while data := await reader.read(_CHUNK):
            if self.idle:
                self._fate, self._answering = self._proxy.throw(), False
                if self._fate == "reset_before":
                    self.reset()
                    return
                if self._fate == "delay":
                    await asyncio.sleep(self._proxy.toxics.delay_seconds)
            self._server.write(data)
            await self._server.drain()
        self.end()

    async def answer(self, reader: asyncio.StreamReader) -> None:
        """Pass on what the server says, or not."""
        left = 0
        while data := await reader.read(_CHUNK):
            if not self._answering:
                self._answering = True
                left = self._proxy.cut_after() if self._fate == "cut" else 0
                if self._fate == "refuse":
                    self._proxy.refuse()
            if self._fate == "reset_after":
                self.reset()
                return
            if self._fate == "stall":
                continue
            if self._fate == "cut":
                data, rest = data[:left], data[left:]
                left -= len(data)
                self._client.write(data)
                await self._client.drain()
                if rest:
                    self.end()
                    return
                continue
            self._client.write(data)
            await self._client.drain()
        self.end()

    def reset(self) -> None:
        """End both connections, the client's with a TCP reset."""
        _reset(self._client)
        self._server.transport.abort()

    def end(self) -> None:
        """End both connections after what was written is sent."""
        self._client.close()
        self._server.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


@asynccontextmanager
async def between(port: int, toxics: Toxics, *, seed: int) -> AsyncIterator[Proxy]:
    """Put a proxy in front of a port of this machine until the context ends."""
    proxy = Proxy(port, toxics, Random(seed))
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
