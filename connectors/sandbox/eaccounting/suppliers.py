"""Suppliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.customers import check_vat_number
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.listing import listed, one

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row


def _post(call: Call) -> bytes:
    books, table = call.books, call.books.tables["suppliers"]
    values = {**table.schema.blank(), "IsActive": True, **call.body}
    values.update(_derived(books, values, None))
    return table.text(books.add(table, values))


def _put(call: Call) -> bytes:
    books, table = call.books, call.books.tables["suppliers"]
    row = call.row(table)
    values = books.replacement(table, row, call.body)
    values["SupplierNumber"] = values["SupplierNumber"] or row["SupplierNumber"]
    values.update(_derived(books, values, row))
    return table.text(books.change(table, row, values))


def _delete(call: Call) -> bytes:
    books, table = call.books, call.books.tables["suppliers"]
    row = call.row(table)
    if any(article["SupplierId"] == row["Id"] for article in books.articles.rows.values()):
        raise cannot_be_deleted("The supplier is the main supplier of an article.")
    table.remove(row)
    return b""


def _derived(books: Books, values: Row, row: Row | None) -> Row:
    table = books.tables["suppliers"]
    number = values["SupplierNumber"]
    while not number or (row is None and not values["SupplierNumber"] and table.find("SupplierNumber", number)):
        number = str(books.number("supplier"))
    if any(other is not row for other in table.find("SupplierNumber", number)):
        text = f"ConflictException - A supplier with the number {number} exists already."
        raise Refusal(Code.CONFLICT, text, status=books.switches.conflict_status)
    terms = books.require(books.terms, values["TermsOfPaymentId"], "TermsOfPaymentId")
    if not terms["AvailableForPurchase"]:
        raise invalid_field("TermsOfPaymentId", "The terms of payment are not available for purchases.")
    country = values["CountryCode"] or books.home
    if country not in books.countries.rows:
        raise invalid_field("CountryCode", f"The country code {country} is not known.")
    if values["CurrencyCode"] and values["CurrencyCode"] not in books.currencies.rows:
        raise invalid_field("CurrencyCode", f"The currency {values['CurrencyCode']} is not known.")
    if values["VatNumber"]:
        check_vat_number(books, values["VatNumber"], country, northern_ireland=False)
    if values["PayFromBankAccountId"]:
        books.require(books.bank_accounts, values["PayFromBankAccountId"], "PayFromBankAccountId")
    return {"SupplierNumber": number, "CountryCode": country, "CurrencyCode": values["CurrencyCode"] or books.currency}


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /suppliers": listed("suppliers"),
    "POST /suppliers": _post,
    "GET /suppliers/{id}": one("suppliers"),
    "PUT /suppliers/{id}": _put,
    "DELETE /suppliers/{id}": _delete,
}
