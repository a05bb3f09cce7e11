"""What a shop can have: bounds of dates, amounts, quantities and rates, and of what a vendor says about time.

A value outside is refused by the name of its rule, which is the type of the error; both vendors' wire models and what is written to them
are held to the same bounds.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final, LiteralString

from pydantic_core import PydanticCustomError

from connectors.boundary import Refusal, attempt

#: years that a shop can have: neither vendor existed before, and nobody plans beyond
FIRST_YEAR: Final = 2000
END_YEAR: Final = 2100
#: of one price, total or payment: a hundred million
LARGEST_AMOUNT: Final = Decimal(100_000_000)
#: pieces of one article, on one row or in stock: ten million
LARGEST_QUANTITY: Final = Decimal(10_000_000)
#: percent: no country of Europe ever had a VAT of more than 27
HIGHEST_RATE: Final = Decimal(30)
#: our clock is taken for a clock from here on; before, it has not been set
_CLOCK_IS_SET: Final = datetime(2025, 1, 1, tzinfo=UTC)
#: a vendor's clock that is further ahead of ours is none
_AHEAD: Final = timedelta(days=366)
#: seconds: who asks for a longer wait is asked again before
LONGEST_WAIT: Final = 3600.0
#: of an access token: longer than the minute before its end in which it is renewed, and no longer than anybody gives one
SHORTEST_LIFE: Final = timedelta(minutes=2)
USUAL_LIFE: Final = timedelta(hours=1)
LONGEST_LIFE: Final = timedelta(days=1)

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_LONGEST_DATE: Final = 40
_BITS: Final = 100


def nonsense(name: LiteralString) -> PydanticCustomError:
    """Return the error of a value that breaks the rule of this name."""
    return PydanticCustomError(name, name)


def moment(value: Any) -> datetime:
    """Read the moment of a record as ISO 8601 writes it, without an offset as UTC; a number is no moment, whatever it counts from.

    One that lies ahead is taken: by how much it does is for whoever knows the vendor's clock to judge (``daemon/core/cursor.py``).
    """
    read = value if isinstance(value, datetime) else None
    if isinstance(value, str) and len(value) <= _LONGEST_DATE and value[4:5] == "-":
        read = attempt(lambda: datetime.fromisoformat(value), None)
    if read is None:
        raise nonsense("date_not_readable")
    if read.year < FIRST_YEAR:
        raise nonsense("date_out_of_range")
    if read.tzinfo is UTC:
        return read
    moved = read.replace(tzinfo=UTC) if read.tzinfo is None else attempt(lambda: read.astimezone(UTC), None)
    if moved is None:
        raise nonsense("date_out_of_range")
    return moved


def planned(value: Any) -> datetime:
    """Read a moment that may lie ahead, though not beyond what anybody plans."""
    read = moment(value)
    if read.year >= END_YEAR:
        raise nonsense("date_out_of_range")
    return read


def day(text: str) -> date:
    """Read the day with which a moment begins, as it is written and whatever its offset."""
    read = attempt(lambda: date.fromisoformat(text[:10]), None)
    if read is None:
        raise nonsense("date_not_readable")
    if not FIRST_YEAR <= read.year < END_YEAR:
        raise nonsense("date_out_of_range")
    return read


def number(value: Any) -> Decimal:
    """Read a number that is finite: a JSON number, or a text that is nothing but its digits (``4_95`` is none)."""
    kind = type(value)
    if kind is Decimal:
        read: Decimal = value
    elif kind is int:
        if value.bit_length() > _BITS:
            raise nonsense("number_out_of_range")
        read = Decimal(value)
    elif kind is float:
        read = Decimal(repr(value))
    elif kind is str and _NUMBER.fullmatch(text := value.strip(" ")):
        read = Decimal(text)
    else:
        raise nonsense("number_not_readable")
    if not read.is_finite():
        raise nonsense("number_not_finite")
    return read


def amount(value: Any) -> Decimal:
    """Read an amount of money."""
    read = number(value)
    if abs(read) > LARGEST_AMOUNT:
        raise nonsense("amount_out_of_range")
    return read


def quantity(value: Any) -> Decimal:
    """Read how many of something there are."""
    read = number(value)
    if abs(read) > LARGEST_QUANTITY:
        raise nonsense("quantity_out_of_range")
    return read


def rate(value: Any) -> Decimal:
    """Read a VAT rate: a percentage, or the fraction that some write for it."""
    read = number(value)
    if not 0 <= read <= HIGHEST_RATE:
        raise nonsense("vat_rate_out_of_range")
    return read


# --- what is to be written -------------------------------------------------------------------------------------------------------


def sellable(name: str, price: Decimal | None) -> None:
    """Refuse a price at which nothing is sold.

    Raises:
        Refusal: it is negative, absurd or no number.
    """
    if price is not None and not (price.is_finite() and 0 <= price <= LARGEST_AMOUNT):
        raise Refusal(f"the {name} is {'negative' if price.is_finite() and price < 0 else 'out of range'}")


def countable(name: str, count: Decimal | None) -> None:
    """Refuse a quantity that nobody has.

    Raises:
        Refusal: it is absurd or no number.
    """
    if count is not None and not (count.is_finite() and abs(count) <= LARGEST_QUANTITY):
        raise Refusal(f"the {name} is out of range")


def payable(name: str, sum_: Decimal | None) -> None:
    """Refuse an amount that nobody pays.

    Raises:
        Refusal: it is absurd or no number.
    """
    if sum_ is not None and not (sum_.is_finite() and abs(sum_) <= LARGEST_AMOUNT):
        raise Refusal(f"the {name} is out of range")


def chargeable(name: str, percentage: Decimal | None) -> None:
    """Refuse a VAT rate that no country has.

    Raises:
        Refusal: it is outside what countries have, or no number.
    """
    if percentage is not None and not (percentage.is_finite() and 0 <= percentage <= HIGHEST_RATE):
        raise Refusal(f"the {name} is one that no country has")


def bookable(name: str, day: date) -> None:
    """Refuse a day that no shop has.

    Raises:
        Refusal: it lies before the first or after the last plausible year.
    """
    if not FIRST_YEAR <= day.year < END_YEAR:
        raise Refusal(f"the {name} is out of range")


# --- what a vendor says about time -----------------------------------------------------------------------------------------------


def told_moment(text: str) -> datetime | None:
    """Return the moment that a header tells, as ISO 8601 or as HTTP writes it; ``None`` where it tells none that can be."""
    if len(text) > _LONGEST_DATE:
        return None
    told = attempt(lambda: planned(text), None)
    return told or attempt(lambda: planned(parsedate_to_datetime(text)), None)


def believed_clock(told: datetime | None, ours: datetime) -> datetime | None:
    """Return a vendor's clock, or ``None`` where it is more than a year ahead of ours: nothing may be read up to there.

    A vendor's clock is better than one of ours that was never set.
    """
    if told is None or told.year >= END_YEAR:
        return None
    return None if ours >= _CLOCK_IS_SET and told - ours > _AHEAD else told


def asked_wait(header: str, now: datetime) -> float | None:
    """Return how many seconds a ``Retry-After`` asks for, between 0 and an hour; ``None`` where it asks for nothing that can be read."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), LONGEST_WAIT)
    until = told_moment(text)
    return None if until is None else bounded_wait((until - now).total_seconds())


def bounded_wait(seconds: float) -> float:
    """Return a wait that can be waited."""
    return min(max(seconds, 0.0), LONGEST_WAIT)


def token_life(expires_in: Any) -> timedelta:
    """Return how long an access token is used; what cannot be a life is taken for the usual one.

    One that ends sooner is refused and then renewed, and one of no length must not cost a renewal a request.
    """
    seconds = attempt(lambda: number(expires_in), None)
    if seconds is None:
        return USUAL_LIFE
    longest, shortest = Decimal(LONGEST_LIFE.total_seconds()), Decimal(SHORTEST_LIFE.total_seconds())
    return timedelta(seconds=float(min(max(seconds, shortest), longest)))
