"""What the system tests share: programs as real processes, and the vendors' control routes over real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from connectors.salespos.signing import Keys, signed_headers
from tests.system.forked import Forked, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
RETAIL = REPOSITORY.parent / "shared" / "data" / "retail"
#: the command as any Python with the dependencies can run it, installed or not
COMMAND = (sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())")
#: a command that takes longer than this hangs
PATIENCE = 120.0
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Return an environment in which nothing of this machine's configuration or state reaches a child."""
    foreign = ("KASSABRUG_", "NOTIFY_", "WATCHDOG_", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "XDG_", "FORCE_COLOR", "PYTHON_", "TTY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "XDG_STATE_HOME": str(folder / "xdg"), "COLUMNS": "200", **changes}


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> dict[str, Any]:
        """The last line of the output, which is JSON."""
        return cast("dict[str, Any]", json.loads(self.out.splitlines()[-1]))


def kassabrug(folder: Path, *arguments: str | Path, **changes: str) -> Finished:
    """Run a command to its end in ``folder``; no command ever shows a traceback."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = forked(folder, arguments, out.fileno(), err.fileno(), **changes)
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    assert "Traceback" not in said[0] + said[1], said[1]
    return Finished(code, said[0], said[1])


def forked(folder: Path, arguments: Sequence[str | Path], out: int, err: int, **changes: str) -> Forked:
    """Run a command in ``folder`` with its output in two open files (descriptors)."""
    return _server().start(list(map(str, arguments)), folder, environment(folder, **changes), out, err)


@cache
def _server() -> Server:
    """Return the one that forks for all tests of this process."""
    return Server(environment(REPOSITORY))


@dataclass(slots=True)
class Program:
    """A command that goes on until it is ended."""

    process: subprocess.Popen[str] | Forked
    out: Path
    err: Path

    @property
    def said(self) -> str:
        """Everything that it printed so far."""
        return self.out.read_text(encoding="utf-8") + self.err.read_text(encoding="utf-8")

    @property
    def runs(self) -> bool:
        """Whether it has not ended by itself."""
        return self.process.poll() is None

    def says(self, pattern: str, *, within: float = 20.0) -> re.Match[str]:
        """Wait until it has printed something, and return the match."""
        return until(lambda: re.search(pattern, self.said), within=within, what=lambda: f"{pattern!r} in: {self.said}", alive=self)

    def end(self, number: signal.Signals = signal.SIGTERM, *, within: float = 10.0) -> int:
        """Send a signal to this process alone and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(within)


@contextmanager
def started(folder: Path, *arguments: str | Path) -> Iterator[Program]:
    """Run a command beside the test and end it, whatever happens, by its own process id."""
    stem = f"{arguments[0]}-{time.monotonic_ns()}"
    out, err = folder / f"{stem}.out", folder / f"{stem}.err"
    with out.open("w") as to_out, err.open("w") as to_err:
        process = forked(folder, arguments, to_out.fileno(), to_err.fileno())
        try:
            yield Program(process, out, err)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)
    assert "Traceback" not in out.read_text(encoding="utf-8") + err.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")


def until(check: Callable[[], T | None], *, within: float, what: str | Callable[[], str], alive: Program | None = None) -> T:
    """Return what ``check`` gives as soon as it is true; fail after ``within`` seconds, or when the program that is watched ends."""
    deadline = time.monotonic() + within
    while True:
        found = check()
        if found:
            return found
        told = what if isinstance(what, str) else what()
        if alive is not None:
            assert alive.runs, f"ended with {alive.process.returncode} before {told}"
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {told}"
        time.sleep(0.05)


def ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> tuple[int, str, bytes]:
    """Make one request over loopback and return status, content type and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        uri = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, uri, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers.get("content-type", ""), answer.read()
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Vendors:
    """Two sandboxes in a process of their own, seen through their control routes."""

    program: Program
    config: Path
    books: str
    till: str
    keys: Keys = field(repr=False)

    def books_ledger(self) -> dict[str, Any]:
        """What the books say."""
        return cast("dict[str, Any]", self._read(self.books, "ledger"))

    def till_ledger(self) -> dict[str, Any]:
        """What the till took."""
        return cast("dict[str, Any]", self._read(self.till, "ledger"))

    def writes(self) -> int:
        """How many requests that can change something both vendors got since they were started, sign-in not counted."""
        books = sum(
            row["count"] for row in self._read(self.books, "requests") if row["method"] in _WRITES and "/connect/" not in row["route"]
        )
        till = sum(count for route, count in self._read(self.till, "requests").items() if route.startswith(_WRITES))
        return int(books) + int(till)

    def sell(self, sku: str, quantity: int = 1, paymethod: str = "pin") -> str:
        """Ring up a sale and return its receipt number."""
        body = json.dumps({"sku": sku, "quantity": quantity, "paymethod": paymethod}).encode()
        status, _, answer = ask("POST", f"{self.till}/_sandbox/sales", body)
        assert status == 201, answer
        return str(json.loads(answer)["number"])

    def place(self, sku: str, price: str) -> str:
        """Place an order through the till's own API, signed, as a web shop would, and return its number."""
        customer = {"email": "jip.bakker@example.com", "billingaddress": {"first_name": "Jip", "last_name": "Bakker", "country_code": "NL"}}
        row = f'{{"product_number": "{sku}", "product_name": "Van de webwinkel", "price": {price}, "count": 1, "tax": 21}}'
        body = f'{{"customer": {json.dumps(customer)}, "orderrows": [{row}], "paid": true, "is_completed": true}}'.encode()
        uri = "/api/rest/v1/orders/"
        headers = signed_headers(self.keys, method="POST", uri=uri, body=body, moment=datetime.now(UTC))
        status, _, answer = ask("POST", self.till + uri, body, {**headers, "content-type": "application/json"})
        assert status == 201, answer
        return str(json.loads(answer)["ordernumber_full"])

    def strike(self, **rates: float) -> None:
        """Change what goes wrong, at both vendors."""
        for base in (self.books, self.till):
            status, _, answer = ask("POST", f"{base}/_sandbox/faults", json.dumps(rates).encode())
            assert status == 200, answer

    def booked(self, number: str) -> list[dict[str, Any]]:
        """The documents of one receipt."""
        return [one for one in self.books_ledger()["documents"] if one["reference"] == f"KB-{number}"]

    def in_step(self) -> bool:
        """Whether every receipt has its document, paid, and both sides come to the same."""
        till, books = self.till_ledger(), self.books_ledger()
        return len(books["documents"]) == till["receipts"] and books["gross"] == till["gross"] and Decimal(books["remaining"]) == 0

    def _read(self, base: str, what: str) -> Any:
        status, _, body = ask("GET", f"{base}/_sandbox/{what}")
        assert status == 200, body
        return json.loads(body)


@contextmanager
def vendors(folder: Path, *arguments: str | Path, lag: float = 0.5) -> Iterator[Vendors]:
    """Run ``kassabrug sandbox``, with a configuration in ``vendors.toml`` in which a lost answer is looked up after ``lag`` seconds."""
    config = folder / "vendors.toml"
    with started(folder, "sandbox", "--config-out", config, *arguments) as program:
        ready = json.loads(program.says(r"(?m)^\{.*\}$").group())
        assert ready["pid"] == program.process.pid
        adapt(config, booking=f"index_lag_seconds = {lag}")
        books, till = ready["eaccounting"]["identity"], ready["salespos"]["api"].partition("/api/")[0]
        yield Vendors(program, config, books, till, Keys(ready["salespos"]["public_key"], ready["salespos"]["secret_key"]))


def adapt(config: Path, **tables: str) -> None:
    """Add lines to tables of the link ``shop``, by the table's name."""
    text = config.read_text(encoding="utf-8")
    for name, lines in tables.items():
        header = f"[links.shop.{name}]\n"
        text = text.replace(header, f"{header}{lines}\n") if header in text else f"{text}\n{header}{lines}\n"
    config.write_text(text, encoding="utf-8")


def references(ledger: Mapping[str, Any]) -> list[str]:
    """The natural keys of all documents; whatever was doubled is in there twice."""
    return [document["reference"] for document in ledger["documents"]]


def retail(*days: str) -> list[str | Path]:
    """The arguments for days of real receipts, empty when the data is not here."""
    files = [RETAIL / f"{day}.csv" for day in days]
    return [argument for file in files for argument in ("--receipts", file)] if all(file.is_file() for file in files) else []


def made_up_day(path: Path, receipts: int) -> Path:
    """Write a small day of receipts: few articles, so that what is not about the catalogue is quick."""
    lines = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for number in range(receipts):
        at = f"2026-03-14 {9 + number // 60:02d}:{number % 60:02d}:00"
        who = "17850.0" if number % 3 == 0 else ""
        lines.append(f"{700100 + number},2200{number % 5},MOK BLAUW,{1 + number % 4},{at},4.95,{who},United Kingdom")
        lines.append(f"{700100 + number},8412{number % 3}B,KAARS GROOT,1,{at},12.50,{who},United Kingdom")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def free_ports(number: int) -> Sequence[str]:
    """Return ports that nobody listens on, outside the range from which the kernel gives ports to anybody."""
    found: list[str] = []
    for port in random.Random().sample(range(20_000, 32_000), 1_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(str(port))
        if len(found) == number:
            return found
    raise AssertionError("no free port")
