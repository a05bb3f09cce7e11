"""The company itself: its settings, its users, and the countries it knows."""

from __future__ import annotations

import calendar
from datetime import date
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.call import not_found
from connectors.sandbox.eaccounting.errors import invalid_field
from connectors.sandbox.eaccounting.listing import listed

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

#: only written where a value is given (reference: CompanySettingsApi)
_KEPT_WHEN_NULL: Final = ("FirstPaymentReminderWithoutFee", "LatePaymentFee", "KeepOriginalDraftDate")


def _get(call: Call) -> bytes:
    return call.books.answer(_settings(call.books))


def _settings(books: Books) -> Row:
    numbers = books.next_numbers
    return {
        **books.company,
        "NextCustomerNumber": numbers["customer"],
        "NextSupplierNumber": numbers["supplier"],
        "NextCustomerInvoiceNumber": numbers["invoice"],
        "NextQuoteNumber": numbers["quote"],
        "NextOrderNumber": numbers["order"],
    }


def _put(call: Call) -> bytes:
    books, body = call.books, call.body
    schema = books.schemas("CompanySettingsApi")
    if body["CountryCode"] != books.home:
        raise invalid_field("CountryCode", "The country of a company cannot be changed.")
    if not body.get("Phone") and books.home != "SE":
        raise invalid_field("Phone", "Phone is required outside Sweden.")
    if body.get("UsesRotReducedInvoicing") and books.home != "SE":
        raise invalid_field("UsesRotReducedInvoicing", "Tax reductions are for Swedish companies.")
    nested = {field.name for field in schema.fields.values() if field.kind == "object"}
    kept = {name: books.company[name] for name in (*schema.read_only, *nested)}
    kept.update({name: books.company[name] for name in _KEPT_WHEN_NULL if body.get(name) is None})
    written = {name: value for name, value in body.items() if name not in kept}
    books.company.update({**schema.blank(), **kept, **written})
    if "CompanyText" in body:
        books.company["CompanyText"] = {**books.schemas("CompanyTextsApi").blank(), **body["CompanyText"]}
    return _get(call)


def _lock(call: Call) -> bytes:
    """Lock the accounting up to the end of a month."""
    books, body = call.books, call.body
    books.company["AccountingLockInterval"] = body.get("AccountingLockInterval", 0)
    month = body.get("AccountingLockedAsOf")
    if month:
        year, number = month.get("Year", 0), month.get("Month", 1)
        if not date.min.year <= year <= date.max.year:
            raise invalid_field("AccountingLockedAsOf.Year", "There is no such year.")
        books.company["AccountingLockedTo"] = date(year, number, calendar.monthrange(year, number)[1]).isoformat()
    return _get(call)


def _tax_reductions(call: Call) -> bytes:
    books = call.books
    if books.home != "SE":
        raise invalid_field("RotReducedInvoicingPercent", "Tax reductions are for Swedish companies.")
    books.company["CompanyRotRutSettings"] = {**books.schemas("CompanyRotRutSettingsApi").blank(), **call.body}
    return _get(call)


def _country(call: Call) -> bytes:
    table = call.books.countries
    row = table.rows.get(call.args[0].upper())
    if row is None:
        raise not_found(f"country {call.args[0][:10]}")
    return table.text(row)


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /companysettings": _get,
    "PUT /companysettings": _put,
    "PUT /companysettings/accountinglocksettings": _lock,
    "PUT /companysettings/rotrut": _tax_reductions,
    "GET /countries": listed("countries"),
    "GET /countries/{countrycode}": _country,
    "GET /users": listed("users"),
}
