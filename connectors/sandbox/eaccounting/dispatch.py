"""What leaves the house: prints, e-mails, electronic invoices and reminders.  Nothing is really sent; what would be is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.call import File
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_changed, invalid_field

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_OVERDUE: Final = 2
#: table -> the field of the customer that holds where such a document goes
_ADDRESS: Final = {"customerinvoices": "EmailAddress", "orders": "EmailAddressOrder", "quotes": "EmailAddressQuote"}


def pdf(*lines: str) -> bytes:
    """Return a PDF of one page with a few lines of text."""
    shown = " ".join(f"({_escaped(line)}) Tj T*" for line in lines)
    stream = f"BT /F1 12 Tf 14 TL 50 780 Td {shown} ET".encode("latin-1", "replace")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    out, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        table,
        size,
        len(out),
    )


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "()\\" else sign for sign in text if sign.isprintable())


def _print(table: str, title: str) -> Handler:
    """Return the handler that prints a document."""

    def handler(call: Call) -> bytes:
        return _printed(call.row(call.books.tables[table]), title)

    return handler


def _printed(row: Row, title: str) -> File:
    number = row.get("InvoiceNumber") or row.get("Number") or "-"
    total = row.get("TotalAmount", row.get("Amount"))
    return File.of("application/pdf", pdf(f"{title} {number}", str(row["CustomerName"] or ""), f"{total}"))


def _url(call: Call) -> bytes:
    """Answer an address that needs no sign-in (reference: section 6, a temporary URL)."""
    books = call.books
    row = call.row(books.invoices)
    books.files[row["Id"]] = ("application/pdf", _printed(row, "Invoice"))
    return books.answer({"Url": f"{call.base}/_sandbox/files/{row['Id']}"})


def _mail(table: str) -> Handler:
    """Return the handler that sends a document by e-mail."""

    def handler(call: Call) -> bytes:
        row = call.row(call.books.tables[table])
        _send(call.books, "email", row, call.body, _ADDRESS[table])
        return b""

    return handler


def _send(books: Books, how: str, row: Row, details: Row, field: str) -> None:
    """Note a message to the address given, or else to the customer's.

    Raises:
        Refusal: code 2000, there is no address.
    """
    customer = books.customers.rows[row["CustomerId"]]
    address = details.get("Email") or customer[field] or customer["EmailAddress"]
    if not address or "@" not in address:
        raise invalid_field("Email", "An e-mail address is required; the customer has none.")
    copies = details.get("CcRecipients", customer["EmailAddresses"]) or []
    books.sent.extend((how, row["Id"], to) for to in (address, *copies))


def _electronic(call: Call) -> bytes:
    books = call.books
    row = call.row(books.invoices)
    customer = books.customers.rows[row["CustomerId"]]
    if books.home == "NO" and not row["YourReference"]:
        text = "AutoInvoiceMissingYourReferenceException - YourReference is required to send an invoice electronically."
        raise Refusal(Code.AUTO_INVOICE_MISSING_YOUR_REFERENCE, text)
    if not customer["ElectronicAddress"]:
        text = "AutoInvoiceMissingElectronicAddressException - The customer has no electronic address."
        raise Refusal(Code.AUTO_INVOICE_MISSING_ELECTRONIC_ADDRESS, text)
    books.sent.append(("einvoice", row["Id"], customer["ElectronicAddress"]))
    return b""


def _remind(call: Call) -> bytes:
    books = call.books
    row = call.row(books.invoices)
    if row["PaymentStatus"] != _OVERDUE:
        raise cannot_be_changed("Only an overdue invoice can be reminded of.")
    _send(books, "paymentreminder", row, call.body.get("EmailDetails", {}), "EmailAddress")
    reminders = row["PaymentRemindersCount"] + 1
    books.change(
        books.invoices,
        row,
        {"PaymentReminderIssued": True, "PaymentRemindersCount": reminders, "LastPaymentReminderSentDate": books.today()},
    )
    return b""


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /customerinvoices/{invoiceId}/pdf": _url,
    "GET /customerinvoices/{invoiceId}/print": _print("customerinvoices", "Invoice"),
    "GET /orders/{id}/print": _print("orders", "Order"),
    "GET /orders/{id}/deliverynote/print": _print("orders", "Delivery note"),
    "GET /quotes/{id}/print": _print("quotes", "Quote"),
    "POST /customerinvoices/{invoiceId}/email": _mail("customerinvoices"),
    "POST /orders/{id}/email": _mail("orders"),
    "POST /quotes/{id}/email": _mail("quotes"),
    "POST /customerinvoices/{invoiceId}/einvoice": _electronic,
    "POST /customerinvoices/{invoiceId}/paymentreminders": _remind,
}
