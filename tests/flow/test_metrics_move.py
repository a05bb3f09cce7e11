"""Every series that Prometheus is told moves when the daemon works: one that nothing moves would be believed for ever."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio

from connectors.port import Rejected
from connectors.sandbox.eaccounting import BooksSwitches
from connectors.sandbox.outages import Outage
from tests.flow.running import new_metrics, running
from tests.flow.shop import ARTICLES, MORNING, line, open_shop, receipt, world
from tests.flow.test_restore import put_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from connectors.model import Document, DocumentDraft
    from connectors.sandbox.eaccounting import BooksSandbox
    from connectors.sandbox.salespos import TillSandbox
    from daemon.observe.metrics import Metrics
    from tests.flow.running import Daemon
    from tests.flow.shop import Shop

Series = tuple[str, str, str]
#: how often all flows look
OFTEN = "".join(f"[links.shop.flows.{flow}]\ninterval = 30\n" for flow in ("sales", "products", "stock"))
#: how often the test looks, in seconds
LOOK = 4.0

#: what only a process of its own moves: its start, its log, what it tells people, a backup by another one (tests/unit: log, alerts, backup)
OF_THE_PROCESS = re.compile(r"kassabrug_(build_info|config_last|log_messages|backup_last|alert_deliveries)|process_")
#: what exists so that nothing is hidden, and cannot be provoked
NEVER = {
    ("kassabrug_queue_records", "state", "dead"),  # only read any more: an earlier version gave records up
    ("kassabrug_queue_oldest_timestamp_seconds", "state", "dead"),
    ("kassabrug_http_requests_total", "code", "3xx"),  # neither vendor sends anybody elsewhere
    ("kassabrug_records_skipped_total", "reason", "no_quantity"),  # these books have a number for all that they track
    ("kassabrug_retries_total", "flow", "products"),  # a read that fails for one product alone, seconds after it was written
}


class Seen:
    """What moved so far: a series by its name and one of its labels."""

    def __init__(self) -> None:
        self.first = samples(new_metrics())
        self.moved: set[Series] = set()

    def look(self, metrics: Metrics) -> None:
        """Take in what differs from the start."""
        for series, values in samples(metrics).items():
            if values != self.first.get(series, defaultdict(float)):
                self.moved.add(series)

    def still(self, known: Metrics) -> set[Series]:
        """Return what exists and has not moved."""
        exists = {series for series in samples(known) if not OF_THE_PROCESS.match(series[0])}
        return exists - self.moved - NEVER


def samples(metrics: Metrics) -> dict[Series, dict[str, float]]:
    """Return every series under its name and each of its labels in turn."""
    found: defaultdict[Series, dict[str, float]] = defaultdict(dict)
    with ThreadPoolExecutor(1) as beside:  # a collector reads /proc
        families = beside.submit(lambda: list(metrics._registry.collect())).result()
    for family in families:
        for sample in family.samples:
            for label, value in sample.labels.items() or [("", "")]:
                if label != "le":
                    found[sample.name, label, value][repr(sample.labels)] = sample.value
    return found


@asynccontextmanager
async def watching(shop: Shop, seen: Seen) -> AsyncIterator[Daemon]:
    """Run a daemon, and look every other second at what it tells."""

    async def look(daemon: Daemon) -> None:
        while True:
            await anyio.sleep(LOOK)
            seen.look(daemon.metrics)

    async with running(shop) as daemon, anyio.create_task_group() as group:
        group.start_soon(look, daemon)
        yield daemon
        seen.look(daemon.metrics)
        group.cancel_scope.cancel()


async def a_day(daemon: Daemon) -> None:
    """What is sold, put right and never booked; articles of every kind, one of them made although the answer is lost."""
    shop = daemon.shop
    strike([shop.till], 10, Outage(kind="reset", effect=True, method="POST", path="/api/rest/v1/products"))
    await anyio.sleep(60)
    for second, one in enumerate(
        (
            receipt("R2", line("THEE-1", "-2", "0", "9"), is_correction=True),
            receipt("R3"),
            replace(receipt("R4", line()), sold_at=MORNING - timedelta(days=40)),
            receipt("R6", line("NOBODY-KNOWS")),
        )
    ):
        shop.till.ring_up(replace(one, sold_at=one.sold_at + timedelta(seconds=second)))
    shop.till.cashier.cancel(shop.till.cashier.ring_up(receipt("R5", line())))
    shop.books.bookkeeper.deactivate_article("BOEK-1")
    refuse(daemon, "KB-R7")
    await anyio.sleep(60)


async def bad_hours(daemon: Daemon) -> None:
    """Answers that are late or lost, none at all, and requests to slow down."""
    shop = daemon.shop
    both: Sequence[BooksSandbox | TillSandbox] = (shop.books, shop.till)
    for number in range(7, 60):
        shop.till.ring_up(receipt(f"R{number}", line(), minute=number))
    strike(both, 60, Outage(kind="slow", seconds=4))
    await anyio.sleep(90)
    hours: tuple[tuple[Sequence[BooksSandbox | TillSandbox], Outage], ...] = (
        ([shop.books], Outage(kind="refuse")),
        ([shop.books], Outage(kind="status_500", effect=True, method="POST", path="/v2/customerinvoicedrafts")),
        (both, Outage(kind="status_429", retry_after=5)),
    )
    for number, (vendors, outage) in enumerate(hours):
        shop.till.ring_up(receipt(f"S{number}", line(), customer="b", minute=60 + number))
        strike(vendors, 40, outage)
        await anyio.sleep(120)


async def for_one_alone(daemon: Daemon) -> None:
    """A receipt and a product that the till dislikes, while it answers for all others; a total that the books do not come to."""
    shop = daemon.shop
    mug = shop.till.till.product_id("MOK-1")
    disliked = shop.till.ring_up(receipt("D1", line(), minute=70))
    for path in (f"/api/rest/v1/products/{mug}", f"/api/rest/v1/orders/{disliked}/orderrows"):
        shop.till.outages.begin(Outage(kind="status_500", path=path))
    for number in range(5):
        shop.books.bookkeeper.change_article("MOK-1", Name=f"Mok {number}")
        shop.books.bookkeeper.change_article("THEE-1", Name=f"Thee {number}")
        shop.till.ring_up(receipt(f"T{number}", line(), minute=71 + number))
        await anyio.sleep(60)
    shop.till.outages.lift()
    # so many rows at net prices come to other cents in books that round the VAT of each
    shop.till.ring_up(receipt("V1", *[line("MOK-1", "1", "7.33") for _ in range(12)], customer="b", minute=80))
    await anyio.sleep(60)


async def signed_out(daemon: Daemon) -> None:
    """The sign-in is renewed, cannot be for a while, and is taken back; the till's keys are refused."""
    shop = daemon.shop
    shop.clock.jumped += timedelta(hours=2)
    await anyio.sleep(30)
    shop.clock.jumped += timedelta(hours=2)
    strike([shop.books], 60, Outage(kind="status_500", path="/connect"))
    await anyio.sleep(120)
    right, shop.till.secret_key = shop.till.secret_key, "another"
    await anyio.sleep(60)
    shop.till.secret_key = right
    shop.books.identity.end_all()
    await anyio.sleep(60)


def strike(vendors: Sequence[BooksSandbox | TillSandbox], seconds: float, outage: Outage) -> None:
    """Let something befall vendors for a while."""
    for vendor in vendors:
        vendor.outages.begin(replace(outage, until=vendor.outages.clock() + timedelta(seconds=seconds)))


def refuse(daemon: Daemon, key: str) -> None:
    """Let the books refuse one document, as a vendor does who dislikes what is in it."""
    books: Any = daemon.app.pairs[0].context.books
    real = books.book

    async def picky(draft: DocumentDraft) -> Document:
        if draft.key == key:
            raise Rejected("DataModelValidationException - no", code="2000")
        answer: Document = await real(draft)
        return answer

    books.book = picky


async def test_every_series_moves(tmp_path: Path) -> None:
    """A week of a shop in which everything happens once."""
    seen = Seen()
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", stock=Decimal(number)) for number in range(2, 16))
    shop = open_shop(
        tmp_path,
        world(receipt("R1", line()), articles=(*ARTICLES, *many)),
        open_at_once=False,
        books=BooksSwitches(vat_per_row=True),
        booking='rounding_cap = "0.01"',
        change=OFTEN,
    )
    link = shop.settings.links["shop"].model_copy(update={"start": MORNING - timedelta(days=30)})
    shop.settings = shop.settings.model_copy(update={"links": {"shop": link}})
    async with watching(shop, seen) as daemon:
        await a_day(daemon)
        await bad_hours(daemon)
        backup = shop.directory / "backup"
        backup.write_bytes((shop.directory / "state" / "state.sqlite3").read_bytes())
        await for_one_alone(daemon)
        for article in many:
            shop.books.bookkeeper.change_article(article.sku, StockBalance=Decimal(0))
        await anyio.sleep(60)
        for number in range(10):
            shop.till.ring_up(receipt(f"W{number}", line(), minute=90 + number))
        strike([shop.till], 60, Outage(kind="slow", seconds=4))
        await anyio.sleep(40)
        daemon.shared.stopping.set()
        await anyio.sleep(30)
    state = shop.directory / "state"
    state.rename(shop.directory / "lost")
    async with watching(shop, seen):
        await anyio.sleep(60)
    shutil.rmtree(state)
    (shop.directory / "lost").rename(state)
    put_back(shop, backup)
    till = shop.settings.connections["till"].model_copy(update={"reads_per_minute": 10})
    shop.settings = shop.settings.model_copy(update={"connections": {**shop.settings.connections, "till": till}})
    async with watching(shop, seen) as daemon:
        await anyio.sleep(120)
        await signed_out(daemon)
    left = [" ".join(series) for series in sorted(seen.still(daemon.metrics))]
    assert not left, "\n".join(left)
