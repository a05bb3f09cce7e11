"""Article codings over time: what happens to articles and to dates when a rate changes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal, invalid_field
from connectors.sandbox.eaccounting.journal import post
from connectors.sandbox.eaccounting.money import cents

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.validate import Row

_HUNDRED: Final = Decimal(100)
_NET: Final = Decimal("0.0001")
_SINCE_EVER: Final = ""


def by_name(books: Books, name: str) -> Row:
    """Return a coding.

    Raises:
        Refusal: code 3000, there is none.
    """
    for row in books.codings.find("Name", name):
        return row
    raise Refusal(Code.RESOURCE_NOT_FOUND, f"There is no article coding {name}.")


def set_rate(books: Books, coding: Row, rate: Decimal, valid_from: str | None = None) -> None:
    """Give a coding another VAT rate, in percent, for all days or from a day on.

    Raises:
        Refusal: code 2000, the company has no VAT code with that rate.
    """
    rates = (*books.chart.rates, Decimal(0))
    if rate not in rates:
        raise invalid_field("VatRatePercent", f"There is no VAT code of {rate} percent, only of {', '.join(map(str, rates))}.")
    new = (rate / _HUNDRED, books.chart.vat_codes[rates.index(rate)][0])
    if valid_from is None:
        books.coding_rates[coding["Id"]] = [(_SINCE_EVER, *new)]
    else:
        before = books.coding_rates.get(coding["Id"]) or [(_SINCE_EVER, coding["VatRatePercent"], coding["VatRate"])]
        books.coding_rates[coding["Id"]] = sorted([*(one for one in before if one[0] != valid_from), (valid_from, *new)])
    turn(books, coding)


def turn(books: Books, coding: Row) -> None:
    """Let a coding have the rate of today, and its articles follow."""
    rate, code = books.rate_on(coding, books.today())
    if (rate, code) == (coding["VatRatePercent"], coding["VatRate"]):
        return
    post(books)  # what is booked stays as it was booked
    changes = {"VatRatePercent": rate, "VatRate": code}
    if rate and coding["DomesticSalesSubjectToVatAccountNumber"] is None:
        changes["DomesticSalesSubjectToVatAccountNumber"] = coding["DomesticSalesVatExemptAccountNumber"]
    books.change(books.codings, coding, changes)
    for article in books.articles.rows.values():
        if article["CodingId"] == coding["Id"]:
            _reprice(books, article, rate)


def _reprice(books: Books, article: Row, rate: Decimal) -> None:
    if books.switches.coding_rate_moves == "gross":
        changes = {"GrossPrice": cents(article["NetPrice"] * (1 + rate))}
    else:
        net = (article["GrossPrice"] / (1 + rate)).quantize(_NET)
        changes = {"NetPrice": net, "NetPriceWithDiscount": net}
    if books.switches.coding_touches_article:
        books.change(books.articles, article, changes)
    else:
        books.articles.update(article, **changes)


def sweep(books: Books) -> None:
    """Let codings whose rate changes by date have that of today."""
    for key in books.coding_rates:
        turn(books, books.codings.rows[key])
