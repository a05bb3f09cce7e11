"""Registers that are read, and the two to which a name can be added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.listing import listed, listing, listing_of, one

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row


def _codings(call: Call) -> bytes:
    """List codings with their rates of the day that is asked for, or of today."""
    day = call.moment("vatRateDate")
    if day is None or not call.books.coding_rates:
        return listing(call, "articleaccountcodings")
    return listing_of(call, [_dated(call, row, day) for row in call.books.codings.rows.values()])


def _coding(call: Call) -> bytes:
    """Answer one such coding."""
    row, day = call.row(call.books.codings), call.moment("vatRateDate")
    return call.books.codings.text(row) if day is None else call.books.answer(_dated(call, row, day))


def _dated(call: Call, row: Row, day: datetime) -> Row:
    rate, code = call.books.rate_on(row, day.date().isoformat())
    return {**row, "VatRatePercent": rate, "VatRate": code}


def dated(name: str) -> Handler:
    """Return the handler of a list whose rates may be asked for at a date; they have not changed in the company's time."""

    def handler(call: Call) -> bytes:
        call.moment("vatRateDate")
        return listing(call, name)

    return handler


def dated_one(name: str) -> Handler:
    """Return the handler of one such record."""
    inner = one(name)

    def handler(call: Call) -> bytes:
        call.moment("vatRateDate")
        return inner(call)

    return handler


def _add(name: str) -> Handler:
    def handler(call: Call) -> bytes:
        table = call.books.tables[name]
        return table.text(call.books.add(table, call.body))

    return handler


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /articleaccountcodings": _codings,
    "GET /articleaccountcodings/{articleAccountCodingId}": _coding,
    "GET /units": listed("units"),
    "GET /units/{id}": one("units"),
    "GET /termsofpayments": listed("termsofpayments"),
    "GET /termsofpayments/{id}": one("termsofpayments"),
    "GET /deliverymethods": listed("deliverymethods"),
    "POST /deliverymethods": _add("deliverymethods"),
    "GET /deliverymethods/{deliveryMethodId}": one("deliverymethods"),
    "GET /deliveryterms": listed("deliveryterms"),
    "POST /deliveryterms": _add("deliveryterms"),
    "GET /deliveryterms/{deliveryTermId}": one("deliveryterms"),
    "GET /vatcodes": dated("vatcodes"),
    "GET /vatcodes/{id}": dated_one("vatcodes"),
    "GET /vatreports": listed("vatreports"),
    "GET /vatreports/{id}": one("vatreports"),
    "GET /accountTypes": listed("accountTypes"),
}
