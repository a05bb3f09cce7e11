"""A connector is a folder and no change elsewhere: a till of CSV files, of which nothing in the daemon knows, through its commands.

Real sockets, real time.  The judge is the ledger of the books' sandbox, against amounts that were added up by hand.
"""

from __future__ import annotations

import argparse
import csv
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connectors.model import Kind
from connectors.registry import CONNECTORS
from connectors.sandbox.eaccounting import BooksSandbox
from connectors.sandbox.serve import serve
from daemon.cli.check import check
from daemon.cli.login import login
from daemon.cli.plan import plan
from daemon.cli.run import sync
from daemon.core.ids import PairId
from daemon.core.outcomes import Reason, State
from daemon.engine.clock import SystemClock
from daemon.observe.metrics import Metrics
from daemon.settings import ConfigurationError, load
from daemon.state.sqlite import open_store
from tests.csvtill import CONNECTOR
from tests.flow.shop import world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

D = Decimal
COLUMNS = ("receipt", "sold_at", "email", "kind", "sku", "text", "quantity", "price", "vat", "paid")
NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY, TODAY = NOW - timedelta(days=1), NOW - timedelta(hours=1)


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the books are reached over a socket."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is done to add the connector."""
    monkeypatch.setitem(CONNECTORS, CONNECTOR.kind, CONNECTOR)


def line(receipt: str, sold_at: datetime, sku: str, amounts: str, **more: str) -> dict[str, str]:
    """A line of a file; ``amounts`` are quantity, price and VAT percentage."""
    quantity, price, vat = amounts.split()
    said = {"kind": "product", "text": sku, "email": "", "paid": "cash", **more}
    return {"receipt": receipt, "sold_at": sold_at.isoformat(), "sku": sku, "quantity": quantity, "price": price, "vat": vat, **said}


#: three receipts of yesterday and today: two rates, a customer, a refund
FIRST_DAY = (
    line("C1", YESTERDAY, "KAARS-1", "2 4.95 21"),
    line("C1", YESTERDAY, "THEE-1", "1 3.79 9"),
    line("C2", YESTERDAY + timedelta(minutes=3), "MOK-1", "1 7.33 21", paid="pin", email="jan@example.nl"),
)
SECOND_DAY = (line("C3", TODAY, "KAARS-1", "-1 4.95 21"),)


@dataclass(slots=True)
class CsvShop:
    """The books as a sandbox, the till as a folder, and a configuration that names both."""

    books: BooksSandbox
    folder: Path

    def sells(self, day: str, *lines: dict[str, str]) -> None:
        """Write a day's file."""
        with (self.folder / "till" / "sales" / f"{day}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(lines)

    def products(self) -> dict[str, tuple[D, D]]:
        """Price and stock by SKU, as the till's file says."""
        with (self.folder / "till" / "products.csv").open(newline="", encoding="utf-8") as file:
            rows = [{k: json.loads(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return {row["sku"]: (D(row["price"]), D(row["quantity"])) for row in rows}

    def typed(self, **more: Any) -> argparse.Namespace:
        """What was typed."""
        return argparse.Namespace(config=self.folder / "kassabrug.toml", state_dir=None, flow=None, json=True, **more)


CONFIGURATION = """
[daemon]
state_dir = "state"

[connections.books]
kind = "eaccounting"
api = "{url}/v2"
identity = "{url}"
client_id = "{books.client_id}"
client_secret = "{books.client_secret}"
refresh_token = "{books.refresh_token}"
access_token = "{books.access_token}"
requests_per_minute = 0

[connections.files]
kind = "csv"
folder = "till"

[links.shop]
books = "books"
tills = ["files"]

[links.shop.payment_methods]
cash = "Kas"
pin = "Pin"
"""


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[CsvShop]:
    """Serve the books, and put the till's folder and the configuration down."""
    books = BooksSandbox(world(), limits=False)
    (folder / "till" / "sales").mkdir(parents=True)
    async with serve(books.app, 0) as url:
        (folder / "kassabrug.toml").write_text(CONFIGURATION.format(url=url, books=books), encoding="utf-8")
        yield CsvShop(books, folder)


async def test_sales_of_files_are_booked_and_the_catalogue_becomes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The books' own ledger has each receipt once, to the cent and by rate; the till's file has the books' prices and stock."""
    async with opened(tmp_path) as shop:
        shop.sells("yesterday", *FIRST_DAY)
        assert await sync(shop.typed()) == 0
        ledger = shop.books.ledger()
        assert {(one.reference, one.gross) for one in ledger.documents} == {("KB-C1", D("13.69")), ("KB-C2", D("7.33"))}
        # 21 %: 9.90 and 7.33 hold 1.72 and 1.27 of VAT; 9 %: 3.79 holds 0.31
        assert {rate: vat for rate, vat in ledger.vat.items() if vat} == {D(21): D("2.99"), D(9): D("0.31")}
        assert {name: paid for name, paid in ledger.payments.items() if paid} == {"Kas": D("13.69"), "Pin": D("7.33")}
        assert ledger.remaining == 0
        assert {number: ledger.stock[number] for number in ("KAARS-1", "THEE-1", "MOK-1")} == {
            "KAARS-1": D(48),
            "THEE-1": D(39),
            "MOK-1": D(29),
        }
        till = shop.products()
        assert {sku: stock for sku, (_, stock) in till.items()} == {"KAARS-1": 48, "THEE-1": 39, "MOK-1": 29, "BOEK-1": 20}
        assert till["KAARS-1"][0] == D("4.95")
        told = json.loads(capsys.readouterr().out)
        assert (told["till"], told["difference"], told["held"]) == ({"receipts": 2, "gross": "21.02"}, "0.00", 0)


async def test_a_second_file_adds_to_the_books_and_the_first_is_not_booked_again(tmp_path: Path) -> None:
    """A refund of today: a credit, its goods back on both shelves, and everything else as it was."""
    async with opened(tmp_path) as shop:
        shop.sells("yesterday", *FIRST_DAY)
        assert await sync(shop.typed()) == 0
        shop.sells("today", *SECOND_DAY)
        assert await sync(shop.typed()) == 0
        ledger = shop.books.ledger()
        assert sorted(one.reference or "" for one in ledger.documents) == ["KB-C1", "KB-C2", "KB-C3"]
        assert (ledger.gross, ledger.remaining) == (D("16.07"), D(0))
        assert shop.products()["KAARS-1"][1] == ledger.stock["KAARS-1"] == 49
        before = [one.number for one in ledger.documents]
        assert await sync(shop.typed()) == 0
        assert [one.number for one in shop.books.ledger().documents] == before


async def test_plan_says_what_sync_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other commands take the connector as any other: what is to be booked is shown, and nothing is written."""
    async with opened(tmp_path) as shop:
        shop.sells("yesterday", *FIRST_DAY)
        assert await plan(shop.typed()) == 0
        planned = json.loads(capsys.readouterr().out)["counts"]
        assert (planned["sales"], planned["products"]["create"]) == ({"create": 2, "pay": 2}, 4)
        assert shop.books.ledger().documents == ()
        assert not (tmp_path / "till" / "products.csv").exists()
        assert await check(shop.typed(vendor_schemas=None)) == 0
        assert await sync(shop.typed()) == 0
        assert len(shop.books.ledger().documents) == 2
        assert len(shop.products()) == 4


async def test_a_line_that_cannot_be_read_holds_its_receipt_alone(tmp_path: Path) -> None:
    """One receipt with a word where its price should be: the others are in the books, and it is held by its number."""
    async with opened(tmp_path) as shop:
        shop.sells("yesterday", *FIRST_DAY, line("C9", YESTERDAY, "MOK-1", "1 veel 21"))
        assert await sync(shop.typed()) == 1
        assert {one.reference for one in shop.books.ledger().documents} == {"KB-C1", "KB-C2"}
        store = await open_store(tmp_path / "state", clock=SystemClock(), readonly=True)
        try:
            [held] = await store.open_work(PairId("shop/files"), "sales")
        finally:
            await store.close()
        assert (held.label, held.state, held.reason) == ("C9", State.HELD, Reason.UNREADABLE)


async def test_a_till_without_a_sign_in_is_not_signed_in_to(tmp_path: Path) -> None:
    """The line names the connections that are."""
    async with opened(tmp_path) as shop:
        with pytest.raises(ConfigurationError, match="'files' is not signed in to, expected one of books"):
            await login(shop.typed(connection="files", no_browser=True, port=0, other_company=False))


def configured(folder: Path, change: tuple[str, str] = ("", "")) -> str:
    """Return what is said of a configuration in which one text is replaced."""
    text = CONFIGURATION.format(url="https://books.example", books=BooksSandbox(world()))
    file = folder / "kassabrug.toml"
    file.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    return str(caught.value).removeprefix(f"{file}:")


def test_its_settings_are_checked_like_all_others(tmp_path: Path) -> None:
    """File, line and column, the nearest name, and the kinds that there are."""
    assert configured(tmp_path, ('folder = "till"', 'foldr = "till"')) == "17:1: connections.files.foldr: unknown key, expected folder"
    found = configured(tmp_path, ('kind = "csv"', 'kind = "cvs"'))
    assert found == '16:1: connections.files.kind: "cvs" is not accepted, expected eaccounting or salespos or csv'
    found = configured(tmp_path, ('books = "books"', 'books = "files"'))
    assert found == '20:1: links.shop.books: connection "files" is of kind csv, expected one of kind eaccounting'


def test_a_connector_is_no_end_for_a_flow_whose_kinds_it_does_not_offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A till that only sells: the flows that would write to it are refused by name, and switched off it is a till."""
    monkeypatch.setitem(CONNECTORS, "csv", replace(CONNECTOR, target=frozenset({Kind.PRODUCTS})))
    found = configured(tmp_path)
    assert found == (
        '21:1: links.shop.tills: connection "files" is of kind csv, which cannot be the till of stock,'
        " expected another connection, or flows.stock.enabled = false"
    )
    file = tmp_path / "kassabrug.toml"
    file.write_text(file.read_text(encoding="utf-8") + "[links.shop.flows.stock]\nenabled = false\n", encoding="utf-8")
    assert load(file).connections["files"].kind == "csv"


def test_its_kind_is_a_side_of_the_metrics() -> None:
    """The label is the connector's own name, and counts from 0."""
    text = Metrics(sides=CONNECTORS).render().decode()
    assert 'kassabrug_http_requests_total{code="none",method="POST",side="csv"} 0.0' in text
