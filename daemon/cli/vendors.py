"""Both vendors as sandboxes in this process, with a shop in them, and a configuration that fits them."""

from __future__ import annotations

import secrets
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from connectors.sandbox import faults, receipts, shop
from connectors.sandbox.eaccounting import BooksSandbox, fault_error
from connectors.sandbox.faults import FaultMiddleware, FaultPlan
from connectors.sandbox.salespos import TillSandbox
from connectors.sandbox.serve import serve
from daemon.cli import show
from daemon.settings import ConfigurationError
from daemon.settings.document import cause, read_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from connectors.sandbox.world import World

_VENDORS = ("eaccounting", "salespos")
#: lines of receipts files that are told one by one
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Vendors:
    """Two running sandboxes and where they listen."""

    world: World
    books: BooksSandbox
    till: TillSandbox
    books_url: str
    till_url: str
    limits: bool

    def as_json(self) -> dict[str, dict[str, str]]:
        """Return addresses and credentials in the shape that others rely on."""
        return {
            "eaccounting": {
                "api": f"{self.books_url}/v2",
                "identity": self.books_url,
                "client_id": self.books.client_id,
                "client_secret": self.books.client_secret,
                "refresh_token": self.books.refresh_token,
                "access_token": self.books.access_token,
            },
            "salespos": {
                "api": f"{self.till_url}/api/rest/v1",
                "public_key": self.till.public_key,
                "secret_key": self.till.secret_key,
            },
        }


def _load_world(paths: Sequence[Path], *, lenient: bool, seed: int) -> World:
    """Build the shop; what a lenient reading left out is told."""
    if not paths:
        return shop.generate(seed)
    try:
        if not lenient:
            return receipts.load(paths)
        world, left_out = receipts.load_lenient(paths)
    except OSError as error:
        raise ConfigurationError(str(error.filename), "", error.strerror or str(error), "a readable receipts file") from error
    for broken in left_out[:_MOST_TOLD]:
        show.ERR.print(f"left out: {broken}", markup=False)
    if len(left_out) > _MOST_TOLD:
        show.ERR.print(f"left out: {len(left_out) - _MOST_TOLD} more")
    return world


def _load_faults(path: Path | None) -> dict[str, FaultPlan]:
    if path is None:
        return {}
    try:
        document = read_document(path)
    except FileNotFoundError as error:
        raise ConfigurationError(str(path), "", f"cannot read it ({cause(error)})", "a readable faults file") from error
    try:
        return faults.read(document.data)
    except faults.BrokenFaults as error:
        raise ConfigurationError(document.where(error.names), "", str(error), "a faults file") from error


@asynccontextmanager
async def vendors(
    paths: Sequence[Path],
    *,
    lenient: bool,
    seed: int,
    limits: bool,
    open_shop: bool,
    ports: tuple[int, int] = (0, 0),
    faults_file: Path | None = None,
) -> AsyncIterator[Vendors]:
    """Run both sandboxes until the context ends.

    Raises:
        BrokenReceipts: a line of a receipts file cannot be read.
        ConfigurationError: a file cannot be read, or a port is taken.
    """
    # reading a year of receipts takes a while: not in the loop's thread
    world = await anyio.to_thread.run_sync(partial(_load_world, paths, lenient=lenient, seed=seed))
    plans = await anyio.to_thread.run_sync(_load_faults, faults_file)
    books_plan, till_plan = (plans.get(vendor, FaultPlan()) for vendor in _VENDORS)
    books = BooksSandbox(world, limits=limits, seed=seed, faults=books_plan)
    till = TillSandbox(world, limits=limits, seed=seed, open_shop=open_shop, plan=till_plan)
    books_app = FaultMiddleware(books.app, books_plan, errors=fault_error)
    try:
        # the till's app has its faults in it already
        async with serve(books_app, ports[0]) as books_url, serve(till.app, ports[1]) as till_url:
            yield Vendors(world, books, till, books_url, till_url, limits)
    except OSError as error:
        raise ConfigurationError("", "port", error.strerror or str(error), "a free port of this machine") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(running: Vendors, *, state_dir: str = "") -> str:
    """Return a configuration for these sandboxes, as TOML."""
    shown = running.as_json()
    books, till = shown["eaccounting"], shown["salespos"]
    per_minute = (600, 150, 100, 30) if running.limits else (0, 0, 0, 0)
    # a new sandbox is a new company: the state of an earlier one must not be taken for its own
    state = state_dir or f"kassabrug-sandbox-{secrets.token_hex(4)}"
    return f"""# Made for a sandbox that is running; good for as long as it runs.
[daemon]
listen = "127.0.0.1:{_free_port()}"
state_dir = "{state}"
log_format = "console"

[connections.books]
kind = "eaccounting"
api = "{books["api"]}"
identity = "{books["identity"]}"
client_id = "{books["client_id"]}"
client_secret = "{books["client_secret"]}"
refresh_token = "{books["refresh_token"]}"
access_token = "{books["access_token"]}"
requests_per_minute = {per_minute[0]}

[connections.till]
kind = "salespos"
api = "{till["api"]}"
public_key = "{till["public_key"]}"
secret_key = "{till["secret_key"]}"
reads_per_minute = {per_minute[1]}
writes_per_minute = {per_minute[2]}
queries_per_minute = {per_minute[3]}

[links.shop]
books = "books"
tills = ["till"]

[links.shop.booking]
default_debtor = "1000"

[links.shop.payment_methods]
pin = "Pin"
cash = "Kas"
ideal = "iDEAL"
voucher = "Cadeaubonnen"
"" = "Pin"  # an order that another system put into the till carries no payment method
"""
