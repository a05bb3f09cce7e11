"""Accounts and what is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.call import not_found, path_id
from connectors.sandbox.eaccounting.errors import Code, Refusal, invalid_field, no_access_to_module
from connectors.sandbox.eaccounting.journal import balances
from connectors.sandbox.eaccounting.listing import listed, listing, listing_of
from connectors.sandbox.eaccounting.money import ZERO
from connectors.sandbox.eaccounting.odata import bad_query
from connectors.sandbox.eaccounting.validate import moment

if TYPE_CHECKING:
    from decimal import Decimal

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_LONGEST_NUMBER: Final = 10


def _year_accounts(call: Call) -> bytes:
    year = path_id(call.args[0])
    return listing(call, "accounts", only=lambda row: row["FiscalYearId"] == year)


def _account(call: Call) -> Row:
    row = call.books.accounts.rows.get(f"{path_id(call.args[0])}/{call.args[1]}")
    if row is None:
        raise not_found(f"account {call.args[1][:20]}")
    return row


def _get(call: Call) -> bytes:
    return call.books.accounts.text(_account(call))


def _post(call: Call) -> bytes:
    books, body = call.books, call.body
    number = body["Number"]
    call.flag("useDefaultAccountType", default=True)
    if not (number.isascii() and number.isdecimal() and len(number) <= _LONGEST_NUMBER) or not int(number):
        raise invalid_field("Number", "The number of an account is a whole number.")
    year = books.fiscal_years.rows.get(body["FiscalYearId"])
    if year is None:
        text = "FiscalYearDoesNotExistException - There is no such fiscal year."
        raise Refusal(Code.FISCAL_YEAR_DOES_NOT_EXIST, text, status=books.switches.dangling_reference_status)
    if f"{year['Id']}/{number}" in books.accounts.rows:
        text = f"ConflictException - The account {number} exists already."
        raise Refusal(Code.CONFLICT, text, status=books.switches.conflict_status)
    values = {**books.accounts.schema.blank(), **body, **_derived(books, body)}
    return books.accounts.text(books.add(books.accounts, values))


def _put(call: Call) -> bytes:
    books, body = call.books, call.body
    row = _account(call)
    if body["Number"] != row["Number"] or body["FiscalYearId"] != row["FiscalYearId"]:
        raise invalid_field("Number", "Number and fiscal year of an account cannot be changed.")
    values = {**books.replacement(books.accounts, row, body), **_derived(books, body)}
    return books.accounts.text(books.change(books.accounts, row, values))


def _derived(books: Books, body: Row) -> Row:
    code = books.require(books.vat_codes, body["VatCodeId"], "VatCodeId") if body.get("VatCodeId") else None
    kind, text = books.chart.account_type(int(body["Number"]))
    return {"VatCodeDescription": code and code["Description"], "Type": kind, "TypeDescription": text}


def _standard(call: Call) -> bytes:
    """Answer the predefined accounts, which only Dutch companies have (reference: section 2)."""
    if call.books.home != "NL":
        raise no_access_to_module(None)
    ledger = call.books.chart.ledger
    named = (
        ("Receivables", ledger.receivables),
        ("Payables", ledger.payables),
        ("RoundingDifferences", ledger.rounding),
        ("BankCharges", ledger.bank_fees),
        *((f"Vat{code}", account) for code, _, account in call.books.chart.vat_codes if account),
    )
    return listing_of(call, [{"AccountType": kind, "AccountNumber": number} for kind, number in named])


def _day(text: str) -> str:
    try:
        return moment(text).date().isoformat()
    except (ValueError, OverflowError) as error:
        raise bad_query(f"'{text[:30]}' is not a date.", Code.INVALID_INPUT) from error


def _balance(books: Books, account: Row, found: dict[int, Decimal]) -> Row:
    number = int(account["Number"])
    kind, text = books.chart.account_type(number)
    return {
        "AccountNumber": number,
        "AccountName": account["Name"],
        "Balance": found.get(number, ZERO),
        "AccountType": kind,
        "AccountTypeDescription": text,
    }


def _accounts_at(books: Books, day: str) -> list[Row]:
    year = books.fiscal_year_of(day)
    return books.accounts.find("FiscalYearId", year["Id"]) if year else []


def _balances(call: Call) -> bytes:
    books, day = call.books, _day(call.args[0])
    found = balances(books, day)
    return listing_of(call, [_balance(books, row, found) for row in _accounts_at(books, day)])


def _one_balance(call: Call) -> bytes:
    books, number, day = call.books, call.args[0], _day(call.args[1])
    row = next((one for one in _accounts_at(books, day) if one["Number"] == number), None)
    if row is None:
        raise Refusal(Code.ACCOUNT_NOT_FOUND, f"AccountNotFoundException - There is no account {number[:20]}.")
    return books.answer(_balance(books, row, balances(books, day)))


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /accounts": listed("accounts"),
    "POST /accounts": _post,
    "GET /accounts/standardaccounts": _standard,
    "GET /accounts/{fiscalyearId}": _year_accounts,
    "GET /accounts/{fiscalyearId}/{accountNumber}": _get,
    "PUT /accounts/{fiscalyearId}/{accountNumber}": _put,
    "GET /accountbalances/{date}": _balances,
    "GET /accountbalances/{accountNumber}/{date}": _one_balance,
}
