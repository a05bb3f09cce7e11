"""Customer ledger items: what customers owe, from invoices and from what was booked by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting import vouchers
from connectors.sandbox.eaccounting.errors import invalid_field
from connectors.sandbox.eaccounting.journal import MANUAL, post
from connectors.sandbox.eaccounting.listing import listing
from connectors.sandbox.eaccounting.money import ZERO
from connectors.sandbox.eaccounting.validate import moment

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.table import Table
    from connectors.sandbox.eaccounting.validate import Row

_IMPORTED: Final = 9
#: how far header and voucher may differ (reference: section 6, ledger)
_TOLERANCE: Final = Decimal("0.05")


def _items(books: Books) -> Table:
    """Return the ledger with what invoices have become since."""
    table = books.tables["customerledgeritems"]
    for invoice in books.invoices.rows.values():
        known = table.rows.get(invoice["Id"])
        remaining = invoice["RemainingAmountInvoiceCurrency"]
        if known is None:
            books.add(table, _of_invoice(invoice), at=moment(invoice["CreatedUtc"]))
        elif known["RemainingAmountInvoiceCurrency"] != remaining:
            table.update(known, RemainingAmountInvoiceCurrency=remaining, ModifiedUtc=invoice["ModifiedUtc"])
    return table


def _of_invoice(invoice: Row) -> Row:
    return {
        "Id": invoice["Id"],
        "CurrencyCode": invoice["CurrencyCode"],
        "CurrencyRate": invoice["CurrencyRate"],
        "CurrencyRateUnit": 1,
        "CustomerId": invoice["CustomerId"],
        "DueDate": invoice["DueDate"],
        "InvoiceDate": invoice["InvoiceDate"],
        "InvoiceNumber": invoice["InvoiceNumber"],
        "IsCreditInvoice": invoice["IsCreditInvoice"],
        "RemainingAmountInvoiceCurrency": invoice["RemainingAmountInvoiceCurrency"],
        "TotalAmountInvoiceCurrency": invoice["TotalAmountInvoiceCurrency"],
        "VATAmountInvoiceCurrency": invoice["TotalVatAmountInvoiceCurrency"],
        "VoucherId": invoice["VoucherId"],
    }


def _list(call: Call) -> bytes:
    _items(call.books)
    return listing(call, "customerledgeritems")


def _get(call: Call) -> bytes:
    table = _items(call.books)
    return table.text(call.row(table))


def _post(call: Call) -> bytes:
    books, body = call.books, call.body
    voucher = books.require(post(books), body["VoucherId"], "VoucherId")
    if voucher["VoucherType"] not in (MANUAL, _IMPORTED):
        raise invalid_field("VoucherId", "The voucher must be a manual or an imported one.")
    _check(books, body, voucher["Rows"])
    return _keep(books, body)


def _post_with_voucher(call: Call) -> bytes:
    books, body = call.books, call.body
    _check(books, body, body["Voucher"]["Rows"])
    voucher = vouchers.create(call, body["Voucher"], "Voucher.Rows")
    return _keep(books, {**{name: value for name, value in body.items() if name != "Voucher"}, "VoucherId": voucher["Id"]})


def _keep(books: Books, values: Row) -> bytes:
    table = books.tables["customerledgeritems"]
    rate: Any = values.get("CurrencyRate") or Decimal(1)
    return table.text(books.add(table, {**values, "CurrencyRate": rate, "CurrencyRateUnit": values.get("CurrencyRateUnit") or 1}))


def _check(books: Books, body: Row, rows: list[Row]) -> None:
    """Refuse an item that does not fit its customer, its own sign or its voucher."""
    books.require(books.customers, body["CustomerId"], "CustomerId")
    if body["CurrencyCode"] not in books.currencies.rows:
        raise invalid_field("CurrencyCode", f"The currency {body['CurrencyCode']} is not known.")
    total, remaining = body["TotalAmountInvoiceCurrency"], body["RemainingAmountInvoiceCurrency"]
    if (total < 0) != body["IsCreditInvoice"] and total:
        raise invalid_field("IsCreditInvoice", "The total of a credit is negative, and that of no other.")
    if (remaining and (remaining < 0) != (total < 0)) or abs(remaining) > abs(total):
        raise invalid_field("RemainingAmountInvoiceCurrency", "What remains must lie between nothing and the total.")
    receivables = books.chart.ledger.receivables
    booked = sum(
        (row.get("DebitAmount", ZERO) - row.get("CreditAmount", ZERO) for row in rows if row["AccountNumber"] == receivables), ZERO
    )
    if body["CurrencyCode"] == books.currency and abs(booked - total) > _TOLERANCE:
        raise invalid_field("TotalAmountInvoiceCurrency", f"The voucher books {booked} on {receivables}, not {total}.")


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /customerledgeritems": _list,
    "POST /customerledgeritems": _post,
    "GET /customerledgeritems/{customerLedgerItemId}": _get,
    "POST /customerledgeritems/customerledgeritemswithvoucher": _post_with_voucher,
}
