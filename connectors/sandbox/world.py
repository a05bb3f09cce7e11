"""The shop that both sandbox vendors are filled from: articles, customers and the receipts of a day or more.

Pure data.  Amounts are :class:`~decimal.Decimal` euros, VAT included unless a field says otherwise; VAT rates are percentages
(``Decimal(21)``); moments are timezone-aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_CENT: Final = Decimal("0.01")
_FIVE_CENTS: Final = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class WorldArticle:
    """An article of the shop.  ``price`` is gross with two decimals; ``purchase_price`` is without VAT."""

    sku: str
    name: str
    price: Decimal
    vat_rate: Decimal
    stock: Decimal
    is_service: bool = False
    label: str | None = None
    ean: str | None = None
    purchase_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class WorldCustomer:
    """A customer that the till knows; ``company`` set means a business.  ``country`` is ISO 3166-1 alpha-2."""

    key: str
    email: str
    name: str
    company: str | None
    vat_number: str | None
    organisation_number: str | None
    street: str
    postal_code: str
    city: str
    country: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class WorldLine:
    """A line of a receipt.

    ``kind`` is ``product``, ``free`` (no article behind it), ``shipping``, ``discount`` (of the whole order), ``voucher`` (sold)
    or ``rounding``.  ``sku`` is what was keyed, ``quantity`` is negative for goods that came back, ``unit_price`` is gross.
    """

    kind: str
    sku: str
    text: str
    quantity: Decimal
    unit_price: Decimal
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class WorldReceipt:
    """What was rung up.  ``gross`` is what was paid: the lines' totals, each rounded to cents, plus ``rounding``.

    ``paymethod`` is ``pin``, ``cash``, ``ideal`` or ``voucher``; ``rounding`` is the cash rounding with its sign.  A receipt with
    ``is_correction`` corrects stock and sells nothing.
    """

    number: str
    sold_at: datetime
    customer_key: str | None
    lines: tuple[WorldLine, ...]
    paymethod: str
    rounding: Decimal
    gross: Decimal
    is_correction: bool
    intra_community: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """A whole shop.  ``home_country`` is ISO 3166-1 alpha-2, ``currency`` ISO 4217."""

    articles: tuple[WorldArticle, ...]
    customers: tuple[WorldCustomer, ...]
    receipts: tuple[WorldReceipt, ...]
    home_country: str = "NL"
    currency: str = "EUR"


def cents(amount: Decimal) -> Decimal:
    """Round half up to cents, away from zero for a tie."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def line_total(line: WorldLine) -> Decimal:
    """Return what a line adds to its receipt, rounded to cents."""
    return cents(line.quantity * line.unit_price)


def cash_rounding(total: Decimal) -> Decimal:
    """Return what has to be added to ``total`` so that it can be paid in cash, to five cents (reference: Dutch till rules)."""
    return (total / _FIVE_CENTS).quantize(Decimal(1), ROUND_HALF_UP) * _FIVE_CENTS - total
