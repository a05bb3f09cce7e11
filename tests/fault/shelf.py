"""What both vendors in memory are made of: time, records that listings show late, and reading by keyset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from connectors.port import Change, Missing, Page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

R = TypeVar("R")

START = datetime(2026, 3, 16, 8, 0, tzinfo=UTC)


class LoopClock:
    """A wall clock that runs with the event loop's own time, which is virtual."""

    def now(self) -> datetime:
        """The moment."""
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """The loop's time."""
        return anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


class SkewedClock(LoopClock):
    """A machine whose wall clock is wrong, as it may be from one moment to the next."""

    def __init__(self) -> None:
        self.skew = timedelta()

    def now(self) -> datetime:
        """What the wall clock shows."""
        return super().now() + self.skew


@dataclass(frozen=True, slots=True)
class Habits:
    """What a vendor is like."""

    #: by how many seconds listings and look-ups lag behind writes
    lag: float = 3.0
    page_size: int = 2
    #: whether documents can be looked up by their key
    filterable: bool = True
    private_prices_include_vat: bool = True


class Shelf(Generic[R]):
    """Records by id: as they are, and as listings show them."""

    def __init__(self, clock: LoopClock, lag: float) -> None:
        self._clock = clock
        self._lag = lag
        self._versions: dict[str, list[tuple[datetime, R | None]]] = {}

    def put(self, record_id: str, record: R | None, *, late: float | None = None) -> None:
        """Write a record, or take it away (``None``); listings show it ``late`` seconds later, else after the usual lag."""
        shown_at = self._clock.now() + timedelta(seconds=self._lag if late is None else late)
        self._versions.setdefault(record_id, []).append((shown_at, record))

    def get(self, record_id: str) -> R:
        """Return a record as it is; raises :class:`Missing`."""
        versions = self._versions.get(record_id)
        record = versions[-1][1] if versions else None
        if record is None:
            raise Missing(f"there is no {record_id}")
        return record

    def actual(self) -> list[R]:
        """Return all records as they are."""
        return [versions[-1][1] for versions in self._versions.values() if versions[-1][1] is not None]

    def listed(self) -> list[R]:
        """Return all records as listings show them now."""
        now = self._clock.now()
        shown = (next((record for at, record in reversed(versions) if at <= now), None) for versions in self._versions.values())
        return [record for record in shown if record is not None]

    @property
    def settled_at(self) -> datetime:
        """From when on listings show everything as it is."""
        return max((versions[-1][0] for versions in self._versions.values()), default=START)


def page_of(
    changes: Iterable[Change[R]], since: datetime | None, after: Change[object] | None, size: int, unreadable: Collection[str]
) -> Page[R]:
    """Read by keyset as the port says: from a moment on, inclusive; a page ends only where the moment has moved on."""
    start = since if after is None else after.moment
    there = sorted((one for one in changes if start is None or one.moment >= start), key=lambda one: (one.moment, one.id))
    due = [one for one in there if one.id not in unreadable]
    end = size
    while end < len(due) and start is not None and due[end - 1].moment <= start:
        end += 1
    bad = tuple((one.id, one.moment, "cannot be read") for one in there if one.id in unreadable)
    return Page(tuple(due[:end]), end < len(due), bad=bad)
