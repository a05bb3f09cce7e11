"""The till: :class:`connectors.port.Till` over files.  What a file says is read afresh each time it is asked for."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread
from pydantic import TypeAdapter

from connectors.model import Customer, LineKind, Payment, PaymentMethod, Product, ProductPatch, Sale, SaleLine, Store, TillFacts
from connectors.port import Change, Heard, Missing, Page, Unreachable, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from connectors.offer import Opening

T = TypeVar("T")

METHODS = ("cash", "pin")
_PRODUCTS = TypeAdapter(list[Product])
_COLUMNS = tuple(field.name for field in fields(Product))


class CsvTill:
    """A till whose records are lines of files; a folder that is not there (an unmounted share) is a till that does not answer."""

    def __init__(self, folder: Path, currency: str, opening: Opening) -> None:
        self._folder = folder
        self._currency = currency
        self._opening = opening

    async def _do(self, path: str, work: Callable[[], T], *, method: str = "GET") -> T:
        """Pass the gate of the connection, work aside of the loop, and tell how it went."""
        gate, clock = self._opening.gate, self._opening.clock
        ticket = None if gate is None else gate.enter(method, path)
        began, status, heard, said = clock.monotonic(), None, Heard.NOBODY, "the folder cannot be used"
        try:
            result = await anyio.to_thread.run_sync(work)
            status, heard, said = 200, Heard.ANSWERED, ""
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}") from error
        finally:
            if self._opening.observer is not None:
                self._opening.observer.exchange("csv", method, status, clock.monotonic() - began)
            if gate is not None:
                gate.leave(ticket, heard, said)
        return result

    # -- sales ------------------------------------------------------------------------------------------------------------------
    async def read_changes(self, since: datetime | None, *, after: Change[object] | None = None) -> Page[Sale]:
        """As the port says; every receipt since then in one page."""
        sales, bad = await self._do("sales", self._read_sales)
        changes = [Change(one.id, one.sold_at, _version(one), one) for one in sales if since is None or one.sold_at >= since]
        changes.sort(key=lambda one: one.moment)
        return Page(tuple(changes), more=False, server_time=self._opening.clock.now(), bad=tuple(bad))

    async def get_sale(self, sale: Sale) -> Sale:
        """As the port says."""
        sales, bad = await self._do("sales", self._read_sales)
        for one in sales:
            if one.id == sale.id:
                return one
        for number, _, why in bad:
            if number == sale.id:
                raise Unreadable(why)
        raise Missing(f"there is no receipt {sale.id}")

    def _read_sales(self) -> tuple[list[Sale], list[tuple[str, datetime | None, str]]]:
        receipts: dict[str, list[dict[str, str]]] = {}
        for file in sorted((self._folder / "sales").iterdir()):
            with file.open(newline="", encoding="utf-8") as lines:
                for line in csv.DictReader(lines):
                    receipts.setdefault(line["receipt"], []).append(line)
        sales: list[Sale] = []
        bad: list[tuple[str, datetime | None, str]] = []
        for number, lines_of in receipts.items():
            try:
                sales.append(self._sale(number, lines_of))
            except (ValueError, KeyError, InvalidOperation) as error:
                bad.append((number, None, f"{type(error).__name__}: {error}"))
        return sales, bad

    def _sale(self, number: str, rows: list[dict[str, str]]) -> Sale:
        first = rows[0]
        lines = tuple(
            SaleLine(LineKind(row["kind"]), row["text"], Decimal(row["quantity"]), Decimal(row["price"]), Decimal(row["vat"]), row["sku"])
            for row in rows
        )
        gross = sum((round(line.gross, 2) for line in lines), Decimal("0.00"))
        sold_at = datetime.fromisoformat(first["sold_at"])
        customer = Customer(email=first["email"], name=first["email"]) if first["email"] else None
        paid = (Payment(first["paid"], first["paid"], gross),)
        return Sale(number, number, sold_at, gross, self._currency, lines, paid, customer)

    async def payment_methods(self) -> Sequence[PaymentMethod]:
        """As the port says."""
        return [PaymentMethod(code, code, code) for code in METHODS]

    async def store(self) -> Store:
        """As the port says."""
        return Store(
            "csv", self._folder.name, self._currency, prices_include_vat=True, is_till=True, product_limit_left=None, resources=frozenset()
        )

    # -- products ---------------------------------------------------------------------------------------------------------------
    async def all_products(self) -> Sequence[Product]:
        """As the port says."""
        return await self._do("products", self._read_products)

    async def find_products(self, skus: Iterable[str]) -> Sequence[Product]:
        """As the port says."""
        wanted = {sku.casefold() for sku in skus}
        return [one for one in await self.all_products() if one.sku.casefold() in wanted]

    async def get_product(self, product_id: str) -> Product:
        """As the port says."""
        for one in await self.all_products():
            if one.id == product_id:
                return one
        raise Missing(f"there is no product {product_id}")

    async def create_product(self, draft: ProductPatch) -> str:
        """As the port says; the id is the number of its line."""
        return await self._do("products", partial(self._create, draft), method="POST")

    async def update_product(self, product_id: str, draft: ProductPatch) -> None:
        """As the port says."""
        await self.get_product(product_id)
        await self._do("products", partial(self._update, product_id, draft), method="PUT")

    def _read_products(self) -> list[Product]:
        file = self._folder / "products.csv"
        if not file.exists():
            self._folder.stat()  # a folder without the file is a till without products; no folder is none
            return []
        with file.open(newline="", encoding="utf-8") as lines:
            return _PRODUCTS.validate_python([{k: json.loads(v) for k, v in line.items()} for line in csv.DictReader(lines)])

    def _write(self, products: list[Product]) -> None:
        partly = self._folder / "products.csv.new"
        with partly.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, _COLUMNS)
            writer.writeheader()
            for row in _PRODUCTS.dump_python(products, mode="json"):
                writer.writerow({k: json.dumps(v) for k, v in row.items()})
        partly.replace(self._folder / "products.csv")

    def _create(self, draft: ProductPatch) -> str:
        products = self._read_products()
        blank = Product(str(len(products) + 1), draft.sku or "", draft.name or "", draft.price or Decimal(0), draft.vat_rate or Decimal(0))
        self._write([*products, _with(blank, draft)])
        return blank.id

    def _update(self, product_id: str, draft: ProductPatch) -> None:
        self._write([_with(one, draft) if one.id == product_id else one for one in self._read_products()])

    # -- about itself -----------------------------------------------------------------------------------------------------------
    async def facts(self) -> TillFacts:
        """As the port says."""
        await self.all_products()
        return TillFacts(await self.store(), timedelta(), tuple(await self.payment_methods()))

    async def aclose(self) -> None:
        """As the port says: nothing stays open."""


def _version(sale: Sale) -> str:
    return hashlib.sha256(repr(sale).encode()).hexdigest()[:16]


def _with(product: Product, draft: ProductPatch) -> Product:
    said = {field.name: value for field in fields(draft) if (value := getattr(draft, field.name)) is not None}
    return replace(product, **said)
