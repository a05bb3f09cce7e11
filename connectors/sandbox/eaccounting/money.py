"""What a sales document adds up to.  Amounts are Decimal with two decimals, rates fractions (``Decimal("0.21")``)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_CENT: Final = Decimal("0.01")
ZERO: Final = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class VatSum:
    """Of one rate: the net amount and its VAT."""

    rate: Decimal
    net: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a document: ``total`` holds VAT and the rounding to whole units, which is given by itself too."""

    total: Decimal
    vat: Decimal
    rounding: Decimal
    rates: tuple[VatSum, ...]


def cents(amount: Decimal) -> Decimal:
    """Round to two decimals, half away from zero (reference: eaccounting.md section 4)."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def row_amount(quantity: Decimal, unit_price: Decimal, discount: Decimal) -> Decimal:
    """Return what a row comes to, in the document's own terms (with or without VAT)."""
    return cents(quantity * unit_price * (1 - discount))


def contained_vat(amount: Decimal, rate: Decimal) -> Decimal:
    """Return the VAT that an amount contains."""
    return cents(amount * rate / (1 + rate))


def added_vat(amount: Decimal, rate: Decimal) -> Decimal:
    """Return the VAT that comes on top of an amount."""
    return cents(amount * rate)


def totals(rows: Iterable[tuple[Decimal, Decimal]], *, includes_vat: bool, per_row: bool, whole_units: bool) -> Totals:
    """Add up ``(rate, amount)`` of each row; VAT is rounded once for each rate, or ``per_row``."""
    vat_of = contained_vat if includes_vat else added_vat
    amounts: dict[Decimal, Decimal] = {}
    vats: dict[Decimal, Decimal] = {}
    for rate, amount in rows:
        amounts[rate] = amounts.get(rate, ZERO) + amount
        if per_row:
            vats[rate] = vats.get(rate, ZERO) + vat_of(amount, rate)
    if not per_row:
        vats = {rate: vat_of(amount, rate) for rate, amount in amounts.items()}
    rates = tuple(
        VatSum(rate, amounts[rate] - vats[rate] if includes_vat else amounts[rate], vats[rate]) for rate in sorted(amounts, reverse=True)
    )
    exact = sum((one.net + one.vat for one in rates), ZERO)
    total = cents(exact.quantize(Decimal(1), ROUND_HALF_UP)) if whole_units else exact
    return Totals(total, sum((one.vat for one in rates), ZERO), total - exact, rates)
