"""Builds a shop from files of receipts: CSV as the data set "Online Retail" has it (Daqing Chen, UCI, 2015, CC BY 4.0).

Columns: ``InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country``.  Times are local to Amsterdam, prices
are gross euros.  What the file calls ``United Kingdom`` is the shop's home, the Netherlands; what it calls ``Netherlands`` is read as
the United Kingdom, so that home and abroad change places.

Decided here: stock codes are compared without regard to case and an article carries the code in capitals, while a row keeps what
was keyed; an article's price is the most common positive price of the first day that has one; its name the most common description.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar
from zoneinfo import ZoneInfo

from connectors.sandbox.people import EU, customer, ean13, pick, stable
from connectors.sandbox.world import World, WorldArticle, WorldCustomer, WorldLine, WorldReceipt, cash_rounding, cents, line_total

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

T = TypeVar("T")
COLUMNS: Final = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
HOME: Final = "NL"
_ZONE: Final = ZoneInfo("Europe/Amsterdam")
_SHIPPING: Final = frozenset({"POST", "DOT", "C2"})
_GOODS: Final = re.compile(r"\d{5}[A-Z]*")
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
_CUSTOMER: Final = re.compile(r"[0-9]{1,12}(\.0)?")
_AT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
#: the years in which a shop can have sold something
_YEARS: Final = range(1990, 2101)
#: characters of a line and of a column, lines of a file, and how many of them may be unreadable
_LONGEST_LINE: Final = 10_000
_LONGEST_COLUMN: Final = 200
_MOST_LINES: Final = 2_000_000
_MOST_LEFT_OUT: Final = 1_000
_LABELS: Final = ("Cadeau", "Keuken", "Kantoor", "Seizoen", "Wonen")
_STANDARD: Final = Decimal(21)
_ZERO: Final = Decimal(0)
_COUNTRIES: Final = {
    "United Kingdom": HOME, "Unspecified": HOME, "European Community": HOME, "Netherlands": "GB", "EIRE": "IE", "Australia": "AU",
    "Austria": "AT", "Bahrain": "BH", "Belgium": "BE", "Bermuda": "BM", "Brazil": "BR", "Canada": "CA", "Channel Islands": "JE",
    "Cyprus": "CY", "Czech Republic": "CZ", "Denmark": "DK", "Finland": "FI", "France": "FR", "Germany": "DE", "Greece": "GR",
    "Hong Kong": "HK", "Iceland": "IS", "Israel": "IL", "Italy": "IT", "Japan": "JP", "Korea": "KR", "Lebanon": "LB",
    "Lithuania": "LT", "Malta": "MT", "Nigeria": "NG", "Norway": "NO", "Poland": "PL", "Portugal": "PT", "RSA": "ZA",
    "Saudi Arabia": "SA", "Singapore": "SG", "Spain": "ES", "Sweden": "SE", "Switzerland": "CH", "Thailand": "TH", "USA": "US",
    "United Arab Emirates": "AE",
}  # fmt: skip


class BrokenReceipts(Exception):
    """A file of receipts cannot be read as it is; ``file``, ``line`` (from 1) and ``reason`` say where and why."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a file."""

    day: int  # which file, counted from 0
    invoice: str
    code: str
    text: str
    quantity: Decimal
    at: datetime
    price: Decimal
    customer: str | None
    country: str

    @property
    def is_credit(self) -> bool:
        return self.invoice.upper().startswith("C")

    @property
    def is_correction(self) -> bool:
        return self.quantity < 0 and self.price == 0 and not self.is_credit


def load(paths: Iterable[Path]) -> World:
    """Build one shop from these files, which may be several days.

    Raises:
        BrokenReceipts: the first line that cannot be read.
        OSError: a file cannot be opened.
    """
    world, left_out = load_lenient(paths)
    if left_out:
        raise left_out[0]
    return world


def load_lenient(paths: Iterable[Path]) -> tuple[World, tuple[BrokenReceipts, ...]]:
    """Build one shop from the lines that can be read, and return what was left out beside it.

    A line that cannot be read leaves only itself out; a receipt that another file has already is left out line by line.  More than a
    thousand lines that cannot be read are no receipts: the last of what was left out says so, and nothing after it was read.

    Raises:
        OSError: a file cannot be opened.
    """
    rows: list[_Row] = []
    left_out: list[BrokenReceipts] = []
    owner: dict[str, int] = {}
    files = list(paths)
    for line, day, path, row in _lines_of(files):
        if len(left_out) >= _MOST_LEFT_OUT:
            left_out.append(BrokenReceipts(str(path), line, f"{_MOST_LEFT_OUT} lines cannot be read; nothing from here on is"))
            break
        if isinstance(row, str):
            left_out.append(BrokenReceipts(str(path), line, row))
        elif owner.setdefault(row.invoice, day) != day:
            left_out.append(BrokenReceipts(str(path), line, f"receipt {row.invoice} is already in {files[owner[row.invoice]]}"))
        else:
            rows.append(row)
    return _world(rows), tuple(left_out)


def _lines_of(files: Sequence[Path]) -> Iterator[tuple[int, int, Path, _Row | str]]:
    """Give each line's number, file and meaning."""
    for day, path in enumerate(files):
        for line, row in _read(path, day):
            yield line, day, path, row


class _TooLong(Exception):
    """A line, or the file, has no end within sight."""


def _bounded(file: TextIO) -> Iterator[str]:
    """Give the lines of a file; raises for one that is longer than any, and when there are more than a shop has."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise _TooLong(f"more than {_LONGEST_LINE} characters")
        if number > _MOST_LINES:
            raise _TooLong(f"more than {_MOST_LINES} lines")
        yield line


def _read(path: Path, day: int) -> Iterator[tuple[int, _Row | str]]:
    """Give each line's number with what it says, or with why it cannot be read."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(_bounded(file), strict=True)
        header: list[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                columns = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                yield line, f"not CSV: {error}"
                continue
            except _TooLong as error:
                yield line, f"{error}; nothing after it is read"
                return
            if not columns:
                continue
            if header is None:
                header = columns
                if tuple(header) != COLUMNS:
                    yield line, f"unknown header, expected {','.join(COLUMNS)}"
                    return
                continue
            yield line, _row(columns, day)
        if header is None:
            yield 1, f"no header, expected {','.join(COLUMNS)}"


def _row(columns: Sequence[str], day: int) -> _Row | str:
    if len(columns) != len(COLUMNS):
        return f"{len(columns)} columns, expected {len(COLUMNS)}"
    if any("\udc80" <= sign <= "\udcff" for text in columns for sign in text):
        return "not UTF-8"
    if (problem := _unfit(columns)) is not None:
        return problem
    invoice, code, text, quantity, at, price, buyer, country = (one.strip() for one in columns)
    if not invoice or not code:
        return "no InvoiceNo" if not invoice else "no StockCode"
    for name, number in (("Quantity", quantity), ("UnitPrice", price)):
        if not _NUMBER.fullmatch(number):
            return f"{name} {number!r} is not a number"
    if country not in _COUNTRIES:
        return f"Country {country!r} is not known"
    if buyer and not _CUSTOMER.fullmatch(buyer):
        return f"CustomerID {buyer!r} is not a number"
    try:
        local = datetime.strptime(at if _AT.fullmatch(at) else "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE)
    except ValueError:
        return f"InvoiceDate {at!r} is not a date and time"
    if local.year not in _YEARS:
        return f"InvoiceDate {at!r} is not in the years from {_YEARS[0]} to {_YEARS[-1]}"
    moment = local.astimezone(UTC)
    return _Row(day, invoice, code, text, Decimal(quantity), moment, Decimal(price), buyer.removesuffix(".0") or None, _COUNTRIES[country])


def _unfit(columns: Sequence[str]) -> str | None:
    """Say which column no till would hold."""
    for name, text in zip(COLUMNS, columns, strict=True):
        if len(text) > _LONGEST_COLUMN:
            return f"{name} has {len(text)} characters, expected at most {_LONGEST_COLUMN}"
        if not text.strip().isprintable():
            return f"{name} has a control character in it"
    return None


def _world(rows: Sequence[_Row]) -> World:
    invoices: dict[str, list[_Row]] = {}
    articles: dict[str, list[_Row]] = {}
    customers: dict[str, WorldCustomer] = {}
    for row in rows:
        invoices.setdefault(row.invoice, []).append(row)
        if kind_of(row.code) == "product":
            articles.setdefault(row.code.upper(), []).append(row)
        if row.customer is not None and row.customer not in customers:
            customers[row.customer] = customer(row.customer, row.country)
    catalogue = {sku: _article(sku, seen) for sku, seen in articles.items()}
    receipts = [_receipt(number, lines, catalogue, customers) for number, lines in invoices.items()]
    return World(
        articles=tuple(catalogue[sku] for sku in sorted(catalogue)),
        customers=tuple(customers[key] for key in sorted(customers)),
        receipts=tuple(sorted(receipts, key=lambda receipt: receipt.sold_at)),
    )


def kind_of(code: str) -> str:
    """Return what kind of line a stock code makes."""
    key = code.upper()
    if key in _SHIPPING:
        return "shipping"
    if key.startswith("GIFT_"):
        return "voucher"
    return {"D": "discount", "M": "free"}.get(key, "product")


def vat_rate_of(sku: str) -> Decimal:
    """Return the VAT rate of an article: a fixed mix of 21, 9 and 0 %, 21 % for services."""
    share = stable("vat", sku.upper()) % 100
    if share < 72 or not _GOODS.fullmatch(sku.upper()):  # noqa: PLR2004 - the mix: 72 % standard, 20 % reduced, 8 % zero
        return _STANDARD
    return Decimal(9) if share < 92 else _ZERO  # noqa: PLR2004 - the mix, as above


def paymethod_of(number: str) -> str:
    """Return how a receipt was paid, a fixed mix."""
    share = stable("paymethod", number) % 100
    return next(method for limit, method in ((60, "pin"), (82, "cash"), (94, "ideal"), (100, "voucher")) if share < limit)


def _article(sku: str, rows: Sequence[_Row]) -> WorldArticle:
    priced = [row for row in rows if row.price > 0]
    first_day = [row.price for row in priced if row.day == priced[0].day]
    price = cents(_most_common(first_day, _ZERO))
    rate = vat_rate_of(sku)
    service = not _GOODS.fullmatch(sku)
    moved = sum((abs(row.quantity) for row in rows), _ZERO)
    return WorldArticle(
        sku=sku,
        name=_most_common([row.text for row in priced if row.text] or [row.text for row in rows if row.text], sku),
        price=price,
        vat_rate=rate,
        stock=_ZERO if service else moved + 10 + stable("stock", sku) % 50,
        is_service=service,
        label=None if service else pick(_LABELS, "label", sku),
        ean=None if service or stable("has ean", sku) % 4 == 0 else ean13(sku),
        purchase_price=cents(price * 100 / (100 + rate) * Decimal("0.45")) if price and not service else None,
    )


def _most_common(values: Sequence[T], otherwise: T) -> T:
    """Return the most common value, the first seen among equals."""
    return Counter(values).most_common(1)[0][0] if values else otherwise


def _receipt(number: str, rows: Sequence[_Row], catalogue: dict[str, WorldArticle], customers: dict[str, WorldCustomer]) -> WorldReceipt:
    key = next((row.customer for row in rows if row.customer is not None), None)
    buyer = customers[key] if key is not None else None
    intra = buyer is not None and buyer.company is not None and buyer.country in EU and buyer.country != HOME
    lines = tuple(_line(row, catalogue, intra=intra) for row in rows)
    total = sum((line_total(line) for line in lines), _ZERO)
    paymethod = paymethod_of(number)
    rounding = cash_rounding(total) if paymethod == "cash" else _ZERO
    return WorldReceipt(
        number=number,
        sold_at=min(row.at for row in rows),
        customer_key=key,
        lines=lines,
        paymethod=paymethod,
        rounding=rounding,
        gross=cents(total + rounding),
        is_correction=all(row.is_correction for row in rows),
        intra_community=intra,
    )


def _line(row: _Row, catalogue: dict[str, WorldArticle], *, intra: bool) -> WorldLine:
    kind = kind_of(row.code)
    rate = catalogue[row.code.upper()].vat_rate if kind == "product" else _STANDARD
    if intra or kind == "voucher":
        rate = _ZERO
    return WorldLine(kind=kind, sku=row.code, text=row.text or row.code, quantity=row.quantity, unit_price=row.price, vat_rate=rate)
