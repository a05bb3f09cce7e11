"""A flood on the listener while a day is booked: ``python -m tests.system.flood [--connections N] [--sales N] [--megabytes N]``.

On loopback only, and bounded in connections, bytes and time.  Connections that say half of something and stay, a header without end,
bytes that are no request; meanwhile the shop sells, and ``/livez`` is asked ten times a second.  What is told: how soon it answered,
how much memory the daemon ever held, how much it logged, and whether till and books agree.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.system.support import ask, kassabrug, started, until, vendors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Event

    from tests.system.support import Vendors

#: an article of the shop that seed 1 makes up
SKU = "01001A"
#: sales before the flood
_CALM_SALES = 30
#: as systemd gives it, unless it is told otherwise
OPEN_FILES = 1_024
#: so many connections come again in a second, after the first all at once
_AGAIN = 200
_HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "
_NO_REQUEST = b"\x16\x03\x01\x02\x00\x01\x00 what a browser says to a port that it takes for TLS\r\n\r\n"


@dataclass(slots=True)
class Figures:
    """What was seen: seconds, bytes."""

    answers: list[float] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)
    unanswered: int = 0
    connected: int = 0
    header: int = 0
    quiet: int = 0
    most: int = 0
    logged: int = 0
    booked: int = 0
    in_step: bool = False
    held: int = -1

    def within(self, share: float, *, calm: bool = False) -> float:
        """Return the seconds within which this share of the probes was answered, under the flood or before it."""
        answers = sorted(self.calm if calm else self.answers)
        return answers[min(int(len(answers) * share), len(answers) - 1)]

    def __str__(self) -> str:
        """Return the figures in a few lines."""
        return (
            f"/livez {len(self.answers)} answers, {self.unanswered} without; median {statistics.median(self.answers) * 1000:.1f} ms, "
            f"95 % within {self.within(0.95) * 1000:.1f} ms, longest {max(self.answers) * 1000:.1f} ms; before the flood median "
            f"{statistics.median(self.calm) * 1000:.1f} ms, 95 % within {self.within(0.95, calm=True) * 1000:.1f} ms\n"
            f"{self.connected} connections, {self.header} bytes of one header taken\n"
            f"memory {self.quiet / 1048576:.0f} MB before, {self.most / 1048576:.0f} MB at most; {self.logged} bytes logged\n"
            f"{self.booked} documents, {'in step' if self.in_step else 'NOT in step'}, {self.held} held"
        )


def memory(pid: int, name: str) -> int:
    """Return a figure of the kernel's about a process's memory, in bytes (``VmRSS`` now, ``VmHWM`` ever)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _probe(address: str, figures: Figures, over: threading.Event) -> None:
    while not over.is_set():
        began = time.perf_counter()
        try:
            good = ask("GET", f"{address}/livez")[0] == 200
        except OSError:
            good = False
        if good:
            figures.answers.append(time.perf_counter() - began)
        else:
            figures.unanswered += 1
        over.wait(0.1)


def _half_open(place: tuple[str, int], number: int, figures: Figures, over: Event) -> None:
    """Hold so many connections that never finish their request; who is put out comes again."""
    held: list[socket.socket] = []
    try:
        while not over.is_set():
            for _ in range(min(number - len(held), number if not figures.connected else _AGAIN // 4)):
                with contextlib.suppress(OSError):
                    one = socket.create_connection(place, timeout=1)
                    one.setblocking(False)
                    one.sendall(_HALF)
                    held.append(one)
                    figures.connected += 1
            held = [one for one in held if _still_there(one)]
            over.wait(0.25)
    finally:
        for one in held:
            one.close()


def _still_there(connection: socket.socket) -> bool:
    try:
        there = bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        there = False
    if not there:
        connection.close()
    return there


def _header(place: tuple[str, int], size: int, figures: Figures, over: Event) -> None:
    """Send one header without end, as often as it is ended, until so many bytes were offered."""
    chunk, left = b"a" * 65_536, size
    while left > 0 and not over.is_set():
        taken = 0
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=2) as one:
            one.sendall(_HALF)
            while left > 0 and not over.is_set():
                left -= len(chunk)
                one.sendall(chunk)
                taken += len(chunk)
        figures.header = max(figures.header, taken)
        left -= len(chunk)


def _no_request(place: tuple[str, int], over: Event) -> None:
    """Say again and again what is no request."""
    while not over.is_set():
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=1) as one:
            one.sendall(_NO_REQUEST)
            one.recv(200)
        over.wait(0.02)


def _attack(place: tuple[str, int], connections: int, megabytes: int, over: Event, told: multiprocessing.Queue[tuple[int, int]]) -> None:
    """Everything hostile, in a process of its own: what asks meanwhile must not wait for it."""
    figures = Figures()
    with _all_at_once(
        lambda: _half_open(place, connections, figures, over),
        lambda: _header(place, megabytes * 1_048_576, figures, over),
        lambda: _no_request(place, over),
    ):
        over.wait()
    told.put((figures.connected, figures.header))


@contextmanager
def _attacked(place: tuple[str, int], connections: int, megabytes: int, figures: Figures) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    over, told = context.Event(), context.Queue()
    attack = context.Process(target=_attack, args=(place, connections, megabytes, over, told), daemon=True)
    attack.start()
    try:
        yield
    finally:
        over.set()
        figures.connected, figures.header = told.get(timeout=30)
        attack.join(30)


@contextmanager
def _all_at_once(*works: Callable[[], None]) -> Iterator[None]:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(10)


def _calm(address: str, shop: Vendors) -> list[float]:
    """Return how soon probes are answered while a few sales are booked and nobody floods."""
    figures, over = Figures(), threading.Event()
    with _all_at_once(lambda: _probe(address, figures, over)):
        for _ in range(_CALM_SALES):
            shop.sell(SKU)
            time.sleep(0.1)
        over.set()
    return figures.answers


def flood(folder: Path, *, connections: int, sales: int, megabytes: int, seconds: float = 60.0) -> Figures:
    """Flood a daemon that books, and return what was seen."""
    figures, over = Figures(), threading.Event()
    with vendors(folder) as shop:
        address = f"http://{tomllib.loads(shop.config.read_text(encoding='utf-8'))['daemon']['listen']}"
        parts = urlsplit(address)
        place = (parts.hostname or "", parts.port or 0)
        with started(folder, "run", "--config", shop.config) as program:
            pid = program.process.pid
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
            program.says("started")
            until(lambda: len(shop.books_ledger()["documents"]) > 10, within=60, what="it books", alive=program)
            figures.calm = _calm(address, shop)
            figures.quiet, said = memory(pid, "VmRSS"), len(program.said)
            with _all_at_once(lambda: _probe(address, figures, over)), _attacked(place, connections, megabytes, figures):
                try:
                    for _ in range(sales):
                        shop.sell(SKU)
                        time.sleep(0.02)
                    until(shop.in_step, within=seconds, what="the day is booked under the flood", alive=program)
                finally:
                    over.set()
            figures.in_step = shop.in_step()
            figures.most, figures.logged = memory(pid, "VmHWM"), len(program.said) - said
            figures.booked = len(shop.books_ledger()["documents"])
            status = kassabrug(folder, "status", "--json", "--config", shop.config)
            figures.held = len(status.last["held"])
    return figures


def main() -> int:
    """Flood as told, print the figures, and tell whether all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.flood", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--connections", type=int, default=2_000)
    parser.add_argument("--sales", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=300)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kassabrug-flood-") as folder:
        figures = flood(Path(folder), connections=args.connections, sales=args.sales, megabytes=args.megabytes, seconds=120)
    sys.stdout.write(f"{figures}\n")
    # a probe that comes in the very moment in which thousands do waits for those before it; on a busy machine every probe waits
    soon = figures.within(0.95) < max(0.1, 3 * figures.within(0.95, calm=True))
    good = figures.in_step and not figures.held and not figures.unanswered and figures.most < 200 * 1_048_576 and soon
    sys.stdout.write("held\n" if good else "did NOT hold\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
