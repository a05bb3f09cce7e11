"""Fiscal years and the balances with which the first one opens."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_changed, invalid_field
from connectors.sandbox.eaccounting.listing import listed, listing_of, one
from connectors.sandbox.eaccounting.money import ZERO
from connectors.sandbox.eaccounting.seed import add_fiscal_year

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_MOST_YEARS: Final = 100
_FIRST, _LAST = 1900, 2999


def _post(call: Call) -> bytes:
    books, body = call.books, call.body
    if "StartDate" not in body or "EndDate" not in body:
        raise invalid_field("StartDate", "StartDate and EndDate are required.")
    start, end = date.fromisoformat(body["StartDate"]), date.fromisoformat(body["EndDate"])
    _check(books, start, end)
    row = add_fiscal_year(books, start.isoformat(), end.isoformat(), books.now())
    return books.fiscal_years.text(row)


def _check(books: Books, start: date, end: date) -> None:
    """Refuse a year that cannot be.

    Raises:
        Refusal: codes 4020 to 4022, 2000 for one that ends before it starts, 4002 for a gap between the years.
    """
    if end <= start or start.year < _FIRST or end.year > _LAST:
        raise invalid_field("EndDate", "EndDate must be after StartDate, and both within reach.")
    if end.day != calendar.monthrange(end.year, end.month)[1]:
        text = "FiscalYearEndDateMustBeLastDayOfMonthException - A fiscal year ends on the last day of a month."
        raise Refusal(Code.FISCAL_YEAR_ENDS_INSIDE_A_MONTH, text)
    if (end.year - start.year) * 12 + end.month - start.month + 1 > books.chart.longest_year:
        text = f"FiscalYearMaximumPeriodExceededException - A fiscal year has at most {books.chart.longest_year} months."
        raise Refusal(Code.FISCAL_YEAR_TOO_LONG, text)
    years = sorted((row["StartDate"], row["EndDate"]) for row in books.fiscal_years.rows.values())
    if any(start.isoformat() <= last and first <= end.isoformat() for first, last in years):
        raise Refusal(Code.FISCAL_YEAR_OVERLAPS, "FiscalYearIsOverlappingOtherYearException - The year overlaps another one.")
    before, after = date.fromisoformat(years[0][0]), date.fromisoformat(years[-1][1])
    if len(years) >= _MOST_YEARS or (end + timedelta(days=1) != before and start - timedelta(days=1) != after):
        raise cannot_be_changed("A fiscal year must adjoin the others.")


def _put(call: Call) -> bytes:
    books = call.books
    row = call.row(books.fiscal_years)
    return books.fiscal_years.text(
        books.change(books.fiscal_years, row, {"IsLockedForAccounting": call.body.get("IsLockedForAccounting", False)})
    )


def _opening(books: Books) -> list[Row]:
    """Return the opening balances of the first fiscal year."""
    first = min(books.fiscal_years.rows.values(), key=lambda row: str(row["StartDate"]))
    return [
        {"Name": row["Name"], "Number": int(row["Number"]), "Balance": books.opening_balances.get(row["Number"], ZERO)}
        for row in books.accounts.find("FiscalYearId", first["Id"])
    ]


def _list_opening(call: Call) -> bytes:
    return listing_of(call, _opening(call.books))


def _put_opening(call: Call) -> bytes:
    books = call.books
    body: list[Any] = call.body  # type: ignore[assignment]  # the one operation served here whose body is a list
    enable = call.flag("enableInactiveAccounts", default=True)
    changed: dict[str, Any] = {}
    for entry in body:
        number = str(entry.get("AccountNumber", 0))
        accounts = books.accounts.find("Number", number)
        if not accounts:
            text = f"AccountNotFoundException - There is no account {number[:20]}."
            raise Refusal(Code.ACCOUNT_NOT_FOUND, text, status=books.switches.dangling_reference_status)
        if not accounts[0]["IsActive"] and not enable:
            raise invalid_field("AccountNumber", f"The account {number} is not active.")
        changed[number] = entry.get("Balance", ZERO)
    balances = {**books.opening_balances, **changed}
    if sum(balances.values(), ZERO) != 0:
        raise invalid_field("Balance", "The sum of all opening balances must be zero.")
    for number in changed:
        for account in books.accounts.find("Number", number):
            books.change(books.accounts, account, {"IsActive": True})
    books.opening_balances = balances
    return books.answer(_opening(books))


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /fiscalyears": listed("fiscalyears"),
    "POST /fiscalyears": _post,
    "GET /fiscalyears/{id}": one("fiscalyears"),
    "PUT /fiscalyears/{id}": _put,
    "GET /fiscalyears/openingbalances": _list_opening,
    "PUT /fiscalyears/openingbalances": _put_opening,
}
