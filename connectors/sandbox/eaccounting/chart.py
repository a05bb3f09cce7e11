"""How a country's company is set up: accounts, VAT, codings, units, terms and money accounts, and the countries and currencies of all.

A world's VAT rates are those of the Netherlands (21, 9 and 0 percent).  In another country they stand for its normal, its low and its
zero rate, in that order: an article at 9 percent is one at 12 in Sweden, 15 in Norway and 13.5 in Finland, its gross price unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

#: ISO code, Dutch name, English name
EU_COUNTRIES: Final = (
    ("AT", "Oostenrijk", "Austria"), ("BE", "België", "Belgium"), ("BG", "Bulgarije", "Bulgaria"), ("CY", "Cyprus", "Cyprus"),
    ("CZ", "Tsjechië", "Czechia"), ("DE", "Duitsland", "Germany"), ("DK", "Denemarken", "Denmark"), ("EE", "Estland", "Estonia"),
    ("ES", "Spanje", "Spain"), ("FI", "Finland", "Finland"), ("FR", "Frankrijk", "France"), ("GR", "Griekenland", "Greece"),
    ("HR", "Kroatië", "Croatia"), ("HU", "Hongarije", "Hungary"), ("IE", "Ierland", "Ireland"), ("IT", "Italië", "Italy"),
    ("LT", "Litouwen", "Lithuania"), ("LU", "Luxemburg", "Luxembourg"), ("LV", "Letland", "Latvia"), ("MT", "Malta", "Malta"),
    ("NL", "Nederland", "Netherlands"), ("PL", "Polen", "Poland"), ("PT", "Portugal", "Portugal"), ("RO", "Roemenië", "Romania"),
    ("SE", "Zweden", "Sweden"), ("SI", "Slovenië", "Slovenia"), ("SK", "Slowakije", "Slovakia"),
)  # fmt: skip
OTHER_COUNTRIES: Final = (
    ("AE", "Verenigde Arabische Emiraten", "United Arab Emirates"), ("AU", "Australië", "Australia"), ("BH", "Bahrein", "Bahrain"),
    ("BM", "Bermuda", "Bermuda"), ("BR", "Brazilië", "Brazil"), ("CA", "Canada", "Canada"), ("CH", "Zwitserland", "Switzerland"),
    ("CN", "China", "China"), ("GB", "Verenigd Koninkrijk", "United Kingdom"), ("GG", "Guernsey", "Guernsey"),
    ("HK", "Hongkong", "Hong Kong"), ("IL", "Israël", "Israel"), ("IN", "India", "India"), ("IS", "IJsland", "Iceland"),
    ("JE", "Jersey", "Jersey"), ("JP", "Japan", "Japan"), ("KR", "Zuid-Korea", "South Korea"), ("LB", "Libanon", "Lebanon"),
    ("LI", "Liechtenstein", "Liechtenstein"), ("NG", "Nigeria", "Nigeria"), ("NO", "Noorwegen", "Norway"),
    ("NZ", "Nieuw-Zeeland", "New Zealand"), ("SA", "Saoedi-Arabië", "Saudi Arabia"), ("SG", "Singapore", "Singapore"),
    ("TH", "Thailand", "Thailand"), ("TR", "Turkije", "Turkey"), ("US", "Verenigde Staten", "United States"),
    ("ZA", "Zuid-Afrika", "South Africa"),
)  # fmt: skip
#: ISO code and the euros that one unit costs, for documents whose currency is not the company's
CURRENCIES: Final = (
    ("EUR", Decimal(1)), ("GBP", Decimal("1.15")), ("USD", Decimal("0.92")), ("SEK", Decimal("0.088")), ("NOK", Decimal("0.086")),
    ("DKK", Decimal("0.134")), ("CHF", Decimal("1.04")),
)  # fmt: skip
#: the rates in a world, in percent: normal, low, zero
WORLD_RATES: Final = (Decimal(21), Decimal(9), Decimal(0))
DEBTOR_NUMBER: Final = "1000"


@dataclass(frozen=True, slots=True)
class Coding:
    """A sales category.  ``rate`` is 0 normal, 1 low, 2 zero, 3 outside VAT; ``ledger`` its sales account at home."""

    key: str
    name: str
    english: str
    kind: str
    rate: int
    ledger: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Accounts that bookings need by their purpose."""

    receivables: int
    payables: int
    rounding: int
    bank_fees: int
    eu_taxed: int
    eu_free: int
    export: int
    reversed_construction: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A country's set-up.

    ``rates`` are in percent: normal, low, zero.  ``accounts`` are number and name; ``types`` the account types as number, words and the
    last account of each; ``vat_codes`` code, description and VAT account for the three rates and for none; ``units`` name, English name,
    code and both abbreviations; ``terms`` name, English name, days and type; ``money`` name, English name, type and ledger account;
    ``helpers`` the names of a free row, shipping and a discount; ``banks`` names.
    """

    country: str
    currency: str
    zone: str
    rates: tuple[Decimal, Decimal, Decimal]
    accounts: tuple[tuple[int, str], ...]
    types: tuple[tuple[int, str, int], ...]
    ledger: Ledger
    vat_codes: tuple[tuple[str, str, int | None], ...]
    codings: tuple[Coding, ...]
    units: tuple[tuple[str, str, str, str, str], ...]
    terms: tuple[tuple[str, str, int, int], ...]
    money: tuple[tuple[str, str, int, int], ...]
    banks: tuple[str, ...]
    helpers: tuple[str, str, str]
    voucher: str
    rounding: str
    debtor: str
    city: str
    postal_code: str
    organisation_number: str
    vat_number: str
    phone: str
    #: longest fiscal year in months
    longest_year: int = 18

    def rate_text(self, index: int) -> str:
        """Return a rate as it stands in a helper article's number."""
        return f"{self.rates[index].normalize():f}"

    def helper_articles(self) -> tuple[tuple[str, str, str], ...]:
        """Return the service articles of every sandbox company: number, name, key of the coding."""
        rows = [
            (f"KB-{kind}-{self.rate_text(index)}", f"{name} {self.rate_text(index)}%", f"services-{index}")
            for kind, name in zip(("FREE", "SHIP", "DISC"), self.helpers, strict=True)
            for index in range(len(self.rates))
        ]
        return (*rows, ("KB-VOUCHER", self.voucher, "vouchers"), ("KB-ROUND", self.rounding, "rounding"))

    def account_type(self, number: int) -> tuple[int, str]:
        """Return number and words of an account's type."""
        return next(((kind, text) for kind, text, last in self.types if number <= last), self.types[-1][:2])


def codings(goods: str, services: str, rates: tuple[Decimal, ...], accounts: tuple[int, ...]) -> tuple[Coding, ...]:
    """Return the codings of goods and services at each rate; ``accounts`` are those of the goods, then those of the services."""
    rows = []
    for key, kind, name, english, ledgers in (
        ("goods", "Goods", goods, "Goods", accounts[: len(rates)]),
        ("services", "Service", services, "Services", accounts[len(rates) :]),
    ):
        for index, rate in enumerate(rates):
            percent = f"{rate.normalize():f}%"
            rows.append(Coding(f"{key}-{index}", f"{name} {percent}", f"{english} {percent}", kind, index, ledgers[index]))
    return tuple(rows)
