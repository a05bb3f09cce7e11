"""What the books say at a moment, read from the books themselves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.eaccounting.money import ZERO

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.validate import Row


@dataclass(frozen=True, slots=True)
class LedgerDocument:
    """An invoice or credit; ``vat`` by rate in percent, amounts in the company's currency with their sign."""

    number: int
    reference: str | None
    customer_number: str
    dated: str
    gross: Decimal
    vat: dict[Decimal, Decimal]
    remaining: Decimal
    is_credit: bool


@dataclass(frozen=True, slots=True)
class BooksLedger:
    """All documents and their sums, money by account, and stock by article number."""

    documents: tuple[LedgerDocument, ...]
    gross: Decimal
    vat: dict[Decimal, Decimal]
    remaining: Decimal
    payments: dict[str, Decimal]
    stock: dict[str, Decimal]

    def as_json(self) -> dict[str, Any]:
        """Return plain data; amounts as texts with their digits."""
        return {
            "documents": [
                {
                    "number": one.number,
                    "reference": one.reference,
                    "customer_number": one.customer_number,
                    "date": one.dated,
                    "gross": str(one.gross),
                    "vat": _texts(one.vat),
                    "remaining": str(one.remaining),
                    "is_credit": one.is_credit,
                }
                for one in self.documents
            ],
            "gross": str(self.gross),
            "vat": _texts(self.vat),
            "remaining": str(self.remaining),
            "payments": _texts(self.payments),
            "stock": _texts(self.stock),
        }


def read(books: Books) -> BooksLedger:
    """Read the ledger."""
    documents = tuple(_document(books, row) for row in books.invoices.rows.values())
    vat: dict[Decimal, Decimal] = {}
    for document in documents:
        for rate, amount in document.vat.items():
            vat[rate] = vat.get(rate, ZERO) + amount
    payments: dict[str, Decimal] = {}
    for payment in books.payments:
        name = payment.account["Name"]
        payments[name] = payments.get(name, ZERO) + payment.amount
    return BooksLedger(
        documents,
        sum((one.gross for one in documents), ZERO),
        vat,
        sum((one.remaining for one in documents), ZERO),
        payments,
        {row["Number"]: row["StockBalance"] for row in books.articles.rows.values() if row["IsStock"]},
    )


def _document(books: Books, row: Row) -> LedgerDocument:
    scale = 100 if books.switches.vat_percent_is_fraction else 1
    vat = {_percent(one["VatPercent"] * scale): one["VatAmountInvoiceCurrency"] for one in row["VatSpecification"]}
    return LedgerDocument(
        row["InvoiceNumber"],
        row["YourReference"],
        row["CustomerNumber"],
        row["InvoiceDate"],
        row["TotalAmount"],
        vat,
        row["RemainingAmount"],
        row["IsCreditInvoice"],
    )


def _percent(rate: Decimal) -> Decimal:
    """Return a rate without trailing zeros, and without an exponent."""
    return Decimal(f"{rate.normalize():f}")


def _texts(amounts: dict[Any, Decimal]) -> dict[str, str]:
    return {str(key): str(value) for key, value in amounts.items()}
