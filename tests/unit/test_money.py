"""Exact arithmetic on amounts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.money import CENT, net_of, split_price, spread, to_cents, total, vat_on, with_decimals

cents = st.integers(-1_000_000, 1_000_000).map(lambda number: Decimal(number) * CENT)
rates = st.sampled_from([Decimal(21), Decimal(9), Decimal(0), Decimal(25), Decimal("13.5")])


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0.005", "0.01"), ("-0.005", "-0.01"), ("1.004999", "1.00"), ("2.675", "2.68")],
)
def test_amounts_are_rounded_half_away_from_zero(exact: str, rounded: str) -> None:
    """Half a cent goes away from zero, on both sides of it."""
    assert to_cents(Decimal(exact)) == Decimal(rounded)


@given(st.lists(st.tuples(cents, rates), min_size=1, max_size=40))
def test_spread_amounts_add_up_to_their_rounded_sum(lines: list[tuple[Decimal, Decimal]]) -> None:
    """Largest remainder loses and invents no cent, and moves no amount by more than one."""
    exact = [net_of(gross, rate) for gross, rate in lines]
    target = to_cents(total(exact))
    parts = spread(exact, target)
    assert total(parts) == target
    assert all(abs(part - whole) <= CENT for part, whole in zip(parts, exact, strict=True))


def test_a_target_that_is_not_the_sum_is_refused() -> None:
    """A sum that cannot be right is a bug of the caller, not to be smeared over the lines."""
    with pytest.raises(ValueError, match="cannot be spread"):
        spread([Decimal("1.00")], Decimal("2.00"))


@given(st.integers(-5000, 5000).filter(bool), cents)
def test_split_prices_keep_quantity_and_amount(quantity: int, amount: Decimal) -> None:
    """Two prices a cent apart express any amount over a whole quantity, so that stock and money are both exact."""
    rows = split_price(Decimal(quantity), amount)
    assert total([count for count, _ in rows]) == quantity
    assert total([count * price for count, price in rows]) == amount
    assert len(rows) <= 2
    assert all(price == to_cents(price) for _, price in rows)


@given(st.decimals("0.001", "50", places=3), cents, st.sampled_from([1, -1]))
def test_a_weighed_quantity_keeps_quantity_and_amount(quantity: Decimal, amount: Decimal, sign: int) -> None:
    """Rows rounded to cents, as the books round them, come to the amount; below one it is one row, else three at the most."""
    rows = split_price(sign * quantity, sign * amount)
    assert total([count for count, _ in rows]) == sign * quantity
    assert total([to_cents(count * price) for count, price in rows]) == sign * amount
    assert len(rows) <= (1 if quantity < 1 else 3)
    assert all(price == to_cents(price) for _, price in rows)


@given(st.decimals("-50", "50", places=4).filter(bool), st.integers(0, 4))
def test_a_quantity_of_fewer_decimals_is_near_and_never_nothing(quantity: Decimal, decimals: int) -> None:
    """Half a step off at the most, or a whole one where else nothing would be sold; what fits stays as it is."""
    step = Decimal(1).scaleb(-decimals)
    rounded = with_decimals(quantity, decimals)
    assert rounded % step == 0
    assert rounded * quantity > 0
    assert abs(rounded - quantity) <= step / 2 or (abs(rounded) == step and abs(quantity) < step)
    assert with_decimals(rounded, decimals) == rounded


@given(cents, rates)
def test_net_and_vat_come_within_a_cent_of_gross(gross: Decimal, rate: Decimal) -> None:
    """The books' way back from net to gross misses the till's total by a cent at the most, for each rate."""
    net = to_cents(net_of(gross, rate))
    assert abs(net + vat_on(net, rate) - gross) <= CENT
