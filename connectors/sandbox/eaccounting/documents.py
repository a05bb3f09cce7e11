"""How each document stands in the books, for whoever judges: read from the books' own records, computed from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from connectors.sandbox.eaccounting.journal import MANUAL, post
from connectors.sandbox.eaccounting.money import ZERO, totals

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books, Payment
    from connectors.sandbox.eaccounting.validate import Row

Kind = Literal["invoice", "credit", "draft", "order", "quote", "voucher"]
#: table -> kind, field of its number, of its total and of its date
_UNBOOKED: Final[dict[str, tuple[Kind, str, str, str]]] = {
    "customerinvoicedrafts": ("draft", "", "TotalAmount", "InvoiceDate"),
    "orders": ("order", "Number", "Amount", "OrderDate"),
    "quotes": ("quote", "Number", "TotalAmount", "QuoteDate"),
}


@dataclass(frozen=True, slots=True)
class DocumentState:
    """A document as it stands.

    ``number`` is the vendor's, 0 where a kind has none yet; ``reference`` its YourReference, a quote's CustomerReference or a voucher's
    text.  Amounts are in the document's currency, with their sign.  ``vat`` has (net, VAT) by rate in percent; ``remaining`` is what is not
    paid; ``payments`` is the money by account, and ``paid_by`` who booked it (``api``, ``hand``, ``terms``); ``set_off`` what credits
    settled.  ``credits`` is the number of the invoice that it takes back, ``credited_by`` the numbers of what takes it back.  ``accounts``
    is what its own voucher books on each account (debit above 0).  ``deleted`` documents are as they were when they were deleted.
    """

    kind: Kind
    id: str
    number: int
    reference: str
    customer_number: str
    dated: str
    gross: Decimal
    vat: dict[Decimal, tuple[Decimal, Decimal]] = field(default_factory=dict)
    rounding: Decimal = ZERO
    remaining: Decimal = ZERO
    set_off: Decimal = ZERO
    payments: dict[str, Decimal] = field(default_factory=dict)
    paid_by: tuple[str, ...] = ()
    credits: int = 0
    credited_by: tuple[int, ...] = ()
    accounts: dict[int, Decimal] = field(default_factory=dict)
    deleted: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain data; amounts as texts with their digits."""
        return {
            "kind": self.kind,
            "id": self.id,
            "number": self.number,
            "reference": self.reference,
            "customer_number": self.customer_number,
            "date": self.dated,
            "gross": str(self.gross),
            "vat": {f"{rate:f}": {"net": str(net), "vat": str(vat)} for rate, (net, vat) in self.vat.items()},
            "rounding": str(self.rounding),
            "remaining": str(self.remaining),
            "set_off": str(self.set_off),
            "payments": {name: str(amount) for name, amount in self.payments.items()},
            "paid_by": list(self.paid_by),
            "credits": self.credits,
            "credited_by": list(self.credited_by),
            "accounts": {str(number): str(amount) for number, amount in self.accounts.items()},
            "deleted": self.deleted,
        }


def read(books: Books) -> tuple[DocumentState, ...]:
    """Return invoices and credits, drafts, orders, quotes, manual vouchers, and at the end what was deleted."""
    paid: dict[str, list[Payment]] = {}
    for payment in books.payments:
        paid.setdefault(payment.invoice["Id"], []).append(payment)
    booked = [_booked(books, row, paid.get(row["Id"], [])) for row in books.invoices.rows.values()]
    unbooked = [_unbooked(books, name, row) for name in _UNBOOKED for row in books.tables[name].rows.values()]
    manual = [_voucher(row) for row in post(books).rows.values() if row["VoucherType"] == MANUAL]
    return (*booked, *unbooked, *manual, *books.removed)


def of_invoice(books: Books, row: Row, *, deleted: bool = False) -> DocumentState:
    """Return how an invoice or credit stands."""
    return _booked(books, row, [payment for payment in books.payments if payment.invoice is row], deleted=deleted)


def _booked(books: Books, row: Row, paid: list[Payment], *, deleted: bool = False) -> DocumentState:
    scale = 100 if books.switches.vat_percent_is_fraction else 1
    payments: dict[str, Decimal] = {}
    for payment in paid:
        payments[payment.account["Name"]] = payments.get(payment.account["Name"], ZERO) + payment.amount
    original = books.invoices.rows.get(row["ReferringInvoiceId"] or "")
    taken_back = [books.invoices.rows.get(one["CreditInvoiceId"]) for one in row["CreditedBy"] or ()]
    voucher = post(books).rows.get(row["VoucherId"])
    return DocumentState(
        kind="credit" if row["IsCreditInvoice"] else "invoice",
        id=row["Id"],
        number=row["InvoiceNumber"],
        reference=row["YourReference"] or "",
        customer_number=row["CustomerNumber"],
        dated=row["InvoiceDate"],
        gross=row["TotalAmountInvoiceCurrency"],
        vat={
            _percent(one["VatPercent"] * scale): (one["AmountInvoiceCurrency"], one["VatAmountInvoiceCurrency"])
            for one in row["VatSpecification"]
        },
        rounding=row["TotalRoundings"],
        remaining=row["RemainingAmountInvoiceCurrency"],
        set_off=row["SetOffAmountInvoiceCurrency"],
        payments=payments,
        paid_by=tuple(sorted({payment.by for payment in paid})),
        credits=original["InvoiceNumber"] if original else 0,
        credited_by=tuple(one["InvoiceNumber"] for one in taken_back if one),
        accounts=_accounts(voucher) if voucher else {},
        deleted=deleted,
    )


def of_draft(books: Books, row: Row, *, deleted: bool = False) -> DocumentState:
    """Return how an invoice draft stands."""
    return _unbooked(books, "customerinvoicedrafts", row, deleted=deleted)


def _unbooked(books: Books, table: str, row: Row, *, deleted: bool = False) -> DocumentState:
    kind, number, total, day = _UNBOOKED[table]
    scale = 1 if books.switches.vat_percent_is_fraction else 100
    sums = totals(
        ((line["VatRate"] / scale, line["Amount"]) for line in row["Rows"] or () if line["VatRate"] is not None),
        includes_vat=row["IncludesVat"],
        per_row=books.switches.vat_per_row,
        whole_units=False,
    )
    return DocumentState(
        kind=kind,
        id=row["Id"],
        number=int(row[number] or 0) if number else 0,
        reference=row.get("YourReference") or row.get("CustomerReference") or "",
        customer_number=row["CustomerNumber"],
        dated=row[day] or "",
        gross=row[total],
        vat={_percent(one.rate * 100): (one.net, one.vat) for one in sums.rates},
        deleted=deleted,
    )


def _voucher(row: Row) -> DocumentState:
    return DocumentState(
        kind="voucher",
        id=row["Id"],
        number=int("".join(sign for sign in row["NumberAndNumberSeries"] if sign.isdecimal()) or 0),
        reference=row["VoucherText"] or "",
        customer_number="",
        dated=row["VoucherDate"],
        gross=sum((one["DebitAmount"] for one in row["Rows"]), ZERO),
        accounts=_accounts(row),
    )


def _accounts(voucher: Row) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for row in voucher["Rows"]:
        number = row["AccountNumber"]
        found[number] = found.get(number, ZERO) + row["DebitAmount"] - row["CreditAmount"]
    return found


def _percent(rate: Decimal) -> Decimal:
    """Return a rate without trailing zeros, and without an exponent."""
    return Decimal(f"{rate.normalize():f}")
