"""How values look in the database: moments as sortable text, amounts as whole cents, small structures as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_text(moment: datetime) -> str:
    """Return a moment as text of fixed width in UTC; raises :class:`ValueError` for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {moment}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_optional_text(moment: datetime | None) -> str | None:
    """Return a moment as text, ``None`` as ``None``."""
    return None if moment is None else to_text(moment)


def to_moment(text: str) -> datetime:
    """Return a stored moment."""
    return datetime.fromisoformat(text)


def to_optional_moment(text: str | None) -> datetime | None:
    """Return a stored moment, ``None`` for ``None``."""
    return None if text is None else to_moment(text)


def to_cents(amounts: Mapping[str, str], name: str) -> int | None:
    """Return an amount in whole cents, ``None`` when it is not given; raises :class:`ValueError` for a fraction of a cent."""
    if name not in amounts:
        return None
    cents = Decimal(amounts[name]).scaleb(2)
    if cents != cents.to_integral_value():
        raise ValueError(f"{name} is not in whole cents: {amounts[name]}")
    return int(cents)


def from_cents(cents: int) -> str:
    """Return cents as an amount with two decimals."""
    return str(Decimal(cents).scaleb(-2))


def dump(value: Any) -> str:
    """Return a small structure as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def load(text: str) -> Any:
    """Return the structure again."""
    return json.loads(text)
