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
    """Express ``amount`` as rows of (quantity, unit price in whole cents) that come to it exactly, each rounded to cents.

    Quantities add up to ``quantity``, so that stock stays right.  A whole quantity needs two rows at the most, a cent apart.  What is
    weighed stays one row where a price to the cent gives the amount, which it always does below one; else the fraction gets a row of its
    own, and the whole units make up for what its rounding leaves.
    """
    if quantity == 0:
        return []
    sign = -1 if (quantity < 0) != (amount < 0) and amount != 0 else 1
    direction = 1 if quantity > 0 else -1
    return [(direction * part, sign * price) for part, price in _split(abs(quantity), abs(amount)) if part]


def _split(count: Decimal, size: Decimal) -> list[tuple[Decimal, Decimal]]:
    fraction = count % 1
    if not fraction:
        low = (size / count).quantize(CENT, ROUND_FLOOR)
        dearer = Decimal(int((size - low * count) / CENT))
        return [(count - dearer, low), (dearer, low + CENT)]
    price = to_cents(size / count)
    if to_cents(count * price) == size:
        return [(count, price)]
    return [(fraction, price), *_split(count - fraction, size - to_cents(fraction * price))]


def with_decimals(quantity: Decimal, decimals: int) -> Decimal:
    """Round a quantity to so many decimals, half away from zero, and never to nothing."""
    step = Decimal(1).scaleb(-decimals)
    rounded = max(abs(quantity).quantize(step, ROUND_HALF_UP), step)
    return quantity if rounded == abs(quantity) else rounded.copy_sign(quantity)
