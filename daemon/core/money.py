"""Exact arithmetic on amounts: rounding, splitting and spreading to the cent."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CENT = Decimal("0.01")
ZERO = Decimal(0)
HUNDRED = Decimal(100)


def to_cents(amount: Decimal) -> Decimal:
    """Round to two decimals, half away from zero, as the books do."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def total(amounts: Sequence[Decimal]) -> Decimal:
    """Add exactly."""
    return sum(amounts, ZERO)


def net_of(gross: Decimal, vat_rate: Decimal) -> Decimal:
    """Take the VAT out of an amount; unrounded.  ``vat_rate`` is a percentage."""
    return gross * HUNDRED / (HUNDRED + vat_rate)


def vat_on(net: Decimal, vat_rate: Decimal) -> Decimal:
    """Return the VAT that comes on top of a net amount, in whole cents."""
    return to_cents(net * vat_rate / HUNDRED)


def spread(exact: Sequence[Decimal], target: Decimal) -> list[Decimal]:
    """Round every amount to cents so that together they are ``target`` (whole cents), by largest remainder.

    ``target`` must lie within one cent for each amount of the exact sum; it always does when it is that sum, rounded.
    """
    floors = [amount.quantize(CENT, ROUND_FLOOR) for amount in exact]
    missing = int((target - total(floors)) / CENT)
    if not 0 <= missing <= len(exact):
        msg = f"{target} cannot be spread over {len(exact)} amounts that add up to {total(exact)}"
        raise ValueError(msg)
    by_remainder = sorted(range(len(exact)), key=lambda index: (floors[index] - exact[index], index))
    for index in by_remainder[:missing]:
        floors[index] += CENT
    return floors


def split_price(quantity: Decimal, amount: Decimal) -> list[tuple[Decimal, Decimal]]:
    """Express ``amount`` as rows of (quantity, unit price in whole cents) whose products add up to it exactly.

    A whole quantity needs two rows at the most, a cent apart.  A fractional quantity gets one row with the nearest price; what
    then remains is the caller's to book as rounding.  Quantities add up to ``quantity``, so that stock stays right.
    """
    if quantity == 0:
        return []
    sign = -1 if (quantity < 0) != (amount < 0) and amount != 0 else 1
    count, size = abs(quantity), abs(amount)
    direction = 1 if quantity > 0 else -1
    if count != count.to_integral_value():
        return [(quantity, sign * to_cents(size / count))]
    low = (size / count).quantize(CENT, ROUND_FLOOR)
    dearer = Decimal(int((size - low * count) / CENT))
    rows = ((count - dearer, low), (dearer, low + CENT))
    return [(direction * part, sign * price) for part, price in rows if part]
