"""Requests a minute (reference: rate limits): for each method and resource, and in all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from connectors.sandbox.salespos.assumptions import TOTAL_PER_MINUTE
from connectors.sandbox.salespos.wire import TOO_MANY, TOO_MANY_IN_ALL, Refused

if TYPE_CHECKING:
    from datetime import datetime

READS: Final = 150
WRITES: Final = 100
QUERIES: Final = 30
_MINUTE: Final = 60


class Limits:
    """Counts within the minutes of the vendor's clock."""

    def __init__(self) -> None:
        self._minute = 0
        self._taken: Counter[tuple[str, str]] = Counter()

    def take(self, method: str, resource: str, now: datetime) -> None:
        """Count a request.

        Raises:
            Refused: 429.10 when this method and resource, 429.11 when the key as a whole has had its share of this minute.
        """
        minute = int(now.timestamp()) // _MINUTE
        if minute != self._minute:
            self._minute = minute
            self._taken.clear()
        if self._taken.total() >= TOTAL_PER_MINUTE:
            raise Refused(TOO_MANY_IN_ALL, "total rate limit exceeded")
        allowed = WRITES if method != "GET" else QUERIES if resource == "productqueries" else READS
        if self._taken[method, resource] >= allowed:
            raise Refused(TOO_MANY, f"rate limit of {allowed} {method} {resource} a minute exceeded")
        self._taken[method, resource] += 1
