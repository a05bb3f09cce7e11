"""Customer invoice drafts: priced like invoices, changed freely, and gone when they become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting import invoices, sales
from connectors.sandbox.eaccounting.errors import FieldError, invalid, invalid_field
from connectors.sandbox.eaccounting.listing import listed, one
from connectors.sandbox.eaccounting.money import added_vat, cents
from connectors.sandbox.eaccounting.validate import EMPTY_ID

if TYPE_CHECKING:
    from decimal import Decimal

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_FREE: Final = "ReversedConstructionServicesVatFree"
#: what an invoice takes over from its draft under the same name
_SHARED: Final = (
    "EuThirdParty", "IsCreditInvoice", "CustomerId", "DueDate", "DeliveryDate", "RotReducedInvoicingType",
    "RotReducedInvoicingPropertyName", "RotReducedInvoicingOrgNumber", "RotPropertyType", "Persons", "ElectronicReference",
    "SubscriptionNumber", "ContractNumber", "OurReference", "YourReference", "BuyersOrderReference", "InvoiceAddress1",
    "InvoiceAddress2", "DeliveryCustomerName", "DeliveryAddress1", "DeliveryAddress2", "DeliveryPostalCode", "DeliveryCity",
    "DeliveryCountryCode", "DeliveryMethodName", "DeliveryMethodCode", "DeliveryTermName", "DeliveryTermCode", "TermsOfPaymentId",
    "ReplaceUnitPriceWhenZero", "UsesGreenTechnology", "IsDirectDebit", "BackgroundId",
)  # fmt: skip


def _post(call: Call) -> bytes:
    books = call.books
    values = {**books.drafts.schema.blank(), **call.body}
    values.update(_computed(books, values, override_private=call.flag("overrideCustomerIsPrivatePerson")))
    return books.drafts.text(books.add(books.drafts, values))


def _put(call: Call) -> bytes:
    books = call.books
    row = call.row(books.drafts)
    values = books.replacement(books.drafts, row, call.body)
    values.update(_computed(books, values, override_private=False))
    return books.drafts.text(books.change(books.drafts, row, values))


def _delete(call: Call) -> bytes:
    call.books.drafts.remove(call.row(call.books.drafts))
    return b""


def _computed(books: Books, values: Row, *, override_private: bool) -> Row:
    customer = books.require(books.customers, values["CustomerId"], "CustomerId")
    sales.check_tax_reduction(books, values)
    priced = _priced(books, customer, values, private=customer["IsPrivatePerson"] or override_private)
    credit = sales.is_credit(books, priced, asked=values["IsCreditInvoice"])
    if values["TermsOfPaymentId"] not in (None, EMPTY_ID):
        books.require(books.terms, values["TermsOfPaymentId"], "TermsOfPaymentId")
    rate = books.rates[priced.currency]
    return {
        **sales.customer_fields(customer, values, fixed=("InvoicePostalCode", "InvoiceCity", "InvoiceCountryCode")),
        "CustomerIsPrivatePerson": customer["IsPrivatePerson"] or override_private,
        "IsCreditInvoice": credit,
        "InvoiceCurrencyCode": priced.currency,
        "TotalAmount": priced.totals.total,
        "TotalVatAmount": priced.totals.vat,
        "TotalRoundings": priced.totals.rounding,
        "TotalAmountBaseCurrency": cents(priced.totals.total * rate),
        "TotalVatAmountBaseCurrency": cents(priced.totals.vat * rate),
        "IncludesVat": priced.includes_vat,
        "Rows": [_row(books, line, index + 1) for index, line in enumerate(priced.lines)],
    }


def _priced(books: Books, customer: Row, values: Row, *, private: bool) -> sales.Priced:
    return sales.price_document(
        books,
        customer,
        values["Rows"] or [],
        sales.Terms(
            customer["CurrencyCode"], private, _FREE, values["ReplaceUnitPriceWhenZero"], reverse=True, day=values["InvoiceDate"] or ""
        ),
        credit=values["IsCreditInvoice"],
    )


def _row(books: Books, line: sales.Line, number: int) -> Row:
    row = books.schemas("CustomerInvoiceDraftRowApi").blank()
    row.update(sales.row_fields(books, line, line.clean.get("LineNumber") or number, known=row))
    if line.article:
        row["VatRateId"] = books.codings.rows[line.article["CodingId"]]["VatRate"]
    return row


def _convert(call: Call) -> bytes:
    books = call.books
    draft = call.row(books.drafts)
    customer = books.require(books.customers, draft["CustomerId"], "CustomerId")
    if not draft["Rows"]:
        raise invalid_field("Rows", "An invoice must have at least one row.")
    priced = _priced(books, customer, draft, private=draft["CustomerIsPrivatePerson"])
    _check_expected(priced, call.body, draft["Rows"])
    values = {name: draft[name] for name in _SHARED}
    values["InvoiceDate"] = draft["InvoiceDate"] if _keeps_date(call) else None
    values["DueDate"] = draft["DueDate"] if values["InvoiceDate"] else None
    values["RotReducedInvoicingAmount"] = draft["RotReducedInvoicingAmount"] or None
    invoice = invoices.book(books, customer, values, sales.as_invoice_rows(priced), origin={"CreatedFromDraftId": draft["Id"]})
    books.drafts.remove(draft)
    return books.invoices.text(invoice)


def _keeps_date(call: Call) -> bool:
    asked, override = call.flag("keepOriginalDraftDate"), call.flag("overrideCompanyKeepOriginalDraftDate")
    setting = bool(call.books.company["KeepOriginalDraftDate"])
    if call.books.switches.draft_date_needs_override:
        return asked if override else setting
    return asked or setting


def _check_expected(priced: sales.Priced, expected: Row, rows: list[Row]) -> None:
    """Compare what the caller expects with what it comes to.

    Raises:
        Refusal: code 2000, something differs.
    """
    found = {
        "TotalAmountInvoiceCurrency": priced.totals.total,
        "TotalVatAmountInvoiceCurrency": priced.totals.vat,
        "TotalRoundingsInvoiceCurrency": priced.totals.rounding,
    }
    errors = [_differs(name, expected[name], value) for name, value in found.items() if expected.get(name) not in (None, value)]
    lines = {row["LineNumber"]: line for row, line in zip(rows, priced.lines, strict=True)}
    for wanted in expected.get("Rows") or ():
        line = lines.get(wanted.get("LineNumber", 0))
        if line is None:
            errors.append(FieldError("Rows", f"There is no row {wanted.get('LineNumber')}."))
            continue
        net = sales.net_of(line, includes_vat=priced.includes_vat)
        gross = line.amount if priced.includes_vat else net + added_vat(net, line.rate) if line.rate else net
        for name, value in (("TotalAmountNoVatInvoiceCurrency", net), ("TotalAmountIncVatInvoiceCurrency", gross)):
            if wanted.get(name) not in (None, value):
                errors.append(_differs(f"Rows.{name}", wanted[name], value))
    if errors:
        raise invalid(*errors)


def _differs(field: str, expected: Decimal, found: Decimal) -> FieldError:
    return FieldError(field, f"{field} was expected to be {expected} and is {found}.")


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /customerinvoicedrafts": listed("customerinvoicedrafts"),
    "POST /customerinvoicedrafts": _post,
    "GET /customerinvoicedrafts/{invoiceDraftId}": one("customerinvoicedrafts"),
    "PUT /customerinvoicedrafts/{customerInvoiceDraftId}": _put,
    "DELETE /customerinvoicedrafts/{customerInvoiceDraftId}": _delete,
    "POST /customerinvoicedrafts/{customerInvoiceDraftId}/convert": _convert,
}
