"""Registers that are only read here, and the company's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.call import not_found, path_id
from connectors.sandbox.eaccounting.listing import listed, listing, one

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.call import Call, Handler


def _dated(name: str) -> Handler:
    """Return the handler of a list whose rates may be asked for at a date; they have not changed in the company's time."""

    def handler(call: Call) -> bytes:
        call.moment("vatRateDate")
        return listing(call, name)

    return handler


def _dated_one(name: str) -> Handler:
    inner = one(name)

    def handler(call: Call) -> bytes:
        call.moment("vatRateDate")
        return inner(call)

    return handler


def _company(call: Call) -> bytes:
    books = call.books
    numbers = books.next_numbers
    return books.answer(
        {
            **books.company,
            "NextCustomerNumber": numbers["customer"],
            "NextSupplierNumber": numbers["supplier"],
            "NextCustomerInvoiceNumber": numbers["invoice"],
            "NextQuoteNumber": numbers["quote"],
            "NextOrderNumber": numbers["order"],
        }
    )


def _country(call: Call) -> bytes:
    table = call.books.countries
    row = table.rows.get(call.args[0].upper())
    if row is None:
        raise not_found(f"country {call.args[0][:10]}")
    return table.text(row)


def _year_accounts(call: Call) -> bytes:
    year = path_id(call.args[0])
    return listing(call, "accounts", only=lambda row: row["FiscalYearId"] == year)


def _account(call: Call) -> bytes:
    table = call.books.accounts
    row = table.rows.get(f"{path_id(call.args[0])}/{call.args[1]}")
    if row is None:
        raise not_found(f"account {call.args[1][:20]}")
    return table.text(row)


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /articleaccountcodings": _dated("articleaccountcodings"),
    "GET /articleaccountcodings/{articleAccountCodingId}": _dated_one("articleaccountcodings"),
    "GET /units": listed("units"),
    "GET /units/{id}": one("units"),
    "GET /termsofpayments": listed("termsofpayments"),
    "GET /termsofpayments/{id}": one("termsofpayments"),
    "GET /vatcodes": _dated("vatcodes"),
    "GET /vatcodes/{id}": _dated_one("vatcodes"),
    "GET /accounts": listed("accounts"),
    "GET /accounts/{fiscalyearId}": _year_accounts,
    "GET /accounts/{fiscalyearId}/{accountNumber}": _account,
    "GET /bankaccounts": listed("bankaccounts"),
    "GET /bankaccounts/{bankAccountId}": one("bankaccounts"),
    "GET /currencies": listed("currencies"),
    "GET /countries": listed("countries"),
    "GET /countries/{countrycode}": _country,
    "GET /companysettings": _company,
    "GET /fiscalyears": listed("fiscalyears"),
    "GET /fiscalyears/{id}": one("fiscalyears"),
}
