"""Quotes and their drafts: offered, accepted, and made into orders or invoices."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting import invoices, orders, sales
from connectors.sandbox.eaccounting.errors import cannot_be_changed, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.listing import listed, one
from connectors.sandbox.eaccounting.validate import EMPTY_ID

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

DRAFT, ONGOING, APPROVED, INVOICED, ORDER_CREATED = range(5)
_FREE: Final = "IsVatFree"
_VALID_DAYS: Final = 30
#: order and invoice have it under the same name
_SHARED: Final = (
    "CustomerId",
    "DeliveryDate",
    "EuThirdParty",
    "RotReducedInvoicingType",
    "RotPropertyType",
    "Persons",
    "UsesGreenTechnology",
)


def _create(name: str, status: int) -> Handler:
    def handler(call: Call) -> bytes:
        books, table = call.books, call.books.tables[name]
        values = {**table.schema.blank(), **call.body}
        values.update(_computed(books, values))
        number = books.number("quote") if status == ONGOING else None
        return table.text(books.add(table, {**values, "Status": status, "Number": number}))

    return handler


def _replace(name: str) -> Handler:
    def handler(call: Call) -> bytes:
        books, table = call.books, call.books.tables[name]
        row = call.row(table)
        if row["Status"] not in (DRAFT, ONGOING):
            raise cannot_be_changed("The quote is accepted, or something was made of it.")
        values = books.replacement(table, row, call.body)
        values.update(_computed(books, values))
        return table.text(books.change(table, row, values))

    return handler


def _delete(name: str) -> Handler:
    def handler(call: Call) -> bytes:
        table = call.books.tables[name]
        row = call.row(table)
        if row["Status"] in (INVOICED, ORDER_CREATED):
            raise cannot_be_deleted("An order or invoice was made of the quote.")
        table.remove(row)
        return b""

    return handler


def _computed(books: Books, values: Row) -> Row:
    customer = books.require(books.customers, values["CustomerId"], "CustomerId")
    sales.check_tax_reduction(books, values)
    priced = _priced(books, customer, values)
    named = values["TermsOfPayment"].get("Id", EMPTY_ID)
    terms = books.terms.rows[customer["TermsOfPaymentId"]] if named == EMPTY_ID else books.require(books.terms, named, "TermsOfPayment.Id")
    day = _given(values["QuoteDate"]) or books.today()
    return {
        **{name: value for name, value in sales.customer_fields(customer, {}).items() if name in values},
        "CurrencyCode": customer["CurrencyCode"],
        "CurrencyRate": books.rates[customer["CurrencyCode"]],
        "IsDomestic": (customer["InvoiceCountryCode"] or books.home) == books.home,
        "TermsOfPayment": dict(terms),
        "QuoteDate": day,
        "DueDate": _given(values["DueDate"]) or _after(day),
        "TotalAmount": priced.totals.total,
        "VatAmount": priced.totals.vat,
        "RoundingsAmount": priced.totals.rounding,
        "IncludesVat": priced.includes_vat,
        "Rows": [_row(books, line, index + 1) for index, line in enumerate(priced.lines)],
    }


def _given(day: str) -> str | None:
    """Return a date that was given; the field cannot be null."""
    return day if day != "0001-01-01" else None


def _after(day: str) -> str:
    start = date.fromisoformat(day)
    return (start + timedelta(days=min(_VALID_DAYS, (date.max - start).days))).isoformat()


def _priced(books: Books, customer: Row, values: Row) -> sales.Priced:
    terms = sales.Terms(customer["CurrencyCode"], customer["IsPrivatePerson"], _FREE)
    return sales.price(books, customer, values["Rows"] or [], terms)


def _row(books: Books, line: sales.Line, number: int) -> Row:
    row = books.schemas("QuoteRowApi").blank()
    row.update(sales.row_fields(books, line, number, known=row))
    row["IsVatFree"] = line.vat_free
    return row


def _accept(call: Call) -> bytes:
    books, table = call.books, call.books.tables["quotes"]
    row = call.row(table)
    if row["Status"] != ONGOING:
        raise cannot_be_changed("Only an ongoing quote can be accepted.")
    books.change(table, row, {"Status": APPROVED, "ApprovedDate": books.today()})
    return b""


def _confirm_draft(call: Call) -> bytes:
    """Make a quote of a draft, which is then gone."""
    books, drafts, table = call.books, call.books.tables["quotedrafts"], call.books.tables["quotes"]
    draft = call.row(drafts)
    values = {**draft, "Id": EMPTY_ID, "Status": ONGOING, "Number": books.number("quote")}
    drafts.remove(draft)
    return table.text(books.add(table, values))


def _open(call: Call) -> Row:
    row = call.row(call.books.tables["quotes"])
    if row["Status"] not in (ONGOING, APPROVED):
        raise cannot_be_changed("An order or invoice was made of the quote already.")
    return row


def _order_values(books: Books, quote: Row, kind: int) -> Row:
    rows = [
        {**line, "DeliveredQuantity": 0 * line["Quantity"], "EligibleForReverseChargeOnVat": line["IsVatFree"], "IsWorkCost": False}
        for line in quote["Rows"]
    ]
    return {
        **books.orders.schema.blank(),
        **{name: quote[name] for name in _SHARED},
        "CurrencyCode": quote["CurrencyCode"],
        "OrderDate": books.today(),
        "Status": orders.ONGOING if kind else orders.DRAFT,
        "YourReference": quote["CustomerReference"],
        "OurReference": quote["CompanyReference"],
        "BuyersOrderReference": quote["BuyersOrderReference"],
        "TermsOfPaymentId": quote["TermsOfPayment"]["Id"],
        "CreatedFromQuoteId": quote["Id"],
        "Rows": [{**line, "Id": EMPTY_ID} for line in rows],
    }


def _preview_order(call: Call) -> bytes:
    books = call.books
    values = _order_values(books, _open(call), call.body.get("Type", 0))
    values.update(orders.computed(books, values))
    stamp = books.stamp(books.now())
    return books.answer({**values, "CreatedUtc": stamp, "ModifiedUtc": stamp})


def _to_order(call: Call) -> bytes:
    books = call.books
    quote = _open(call)
    row = orders.create(books, _order_values(books, quote, call.body.get("Type", 0)))
    books.change(books.tables["quotes"], quote, {"Status": ORDER_CREATED})
    return books.orders.text(row)


def _to_invoice(call: Call) -> bytes:
    books = call.books
    quote = _open(call)
    customer = books.customers.rows[quote["CustomerId"]]
    priced = _priced(books, customer, quote)
    if not priced.lines:
        raise invalid_field("Rows", "An invoice must have at least one row.")
    values = {
        **{name: quote[name] for name in _SHARED},
        "YourReference": quote["CustomerReference"],
        "OurReference": quote["CompanyReference"],
        "BuyersOrderReference": quote["BuyersOrderReference"],
        "TermsOfPaymentId": quote["TermsOfPayment"]["Id"],
        "IsCreditInvoice": priced.totals.total < 0,
    }
    invoice = invoices.book(books, customer, values, sales.as_invoice_rows(priced), origin={"CreatedFromQuoteId": quote["Id"]})
    books.change(books.tables["quotes"], quote, {"Status": INVOICED})
    return books.invoices.text(invoice)


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /quotes": listed("quotes"),
    "POST /quotes": _create("quotes", ONGOING),
    "GET /quotes/{id}": one("quotes"),
    "PUT /quotes/{id}": _replace("quotes"),
    "DELETE /quotes/{id}": _delete("quotes"),
    "PUT /quotes/{id}/accept": _accept,
    "POST /quotes/{id}/converttoorder": _to_order,
    "POST /quotes/{id}/previeworder": _preview_order,
    "POST /quotes/{id}/converttocustomerinvoice": _to_invoice,
    "GET /quotedrafts": listed("quotedrafts"),
    "POST /quotedrafts": _create("quotedrafts", DRAFT),
    "GET /quotedrafts/{id}": one("quotedrafts"),
    "PUT /quotedrafts/{id}": _replace("quotedrafts"),
    "DELETE /quotedrafts/{id}": _delete("quotedrafts"),
    "PUT /quotedrafts/{id}/convert": _confirm_draft,
}
