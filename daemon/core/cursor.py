"""Where reading goes on: inclusive, with an overlap, with a memory of what was seen at the edge, and never past the source's clock.

A position is a moment of the vendor's own clock.  Every pass reads again from ``moment − overlap``, so that a record which became
visible late, or shares its moment with others, is not missed; what was seen there already is remembered by (id, version) and
dropped.  The position moves only together with the work that it uncovered.

A record may carry any date, a clock may not: a position is bounded by the clock that came with the page, so that one record dated in
the future does not end the reading of all that are made before its date comes.  Such a record lies beyond the position and is met by
every pass; it is delivered apart, under a version that says so, and once more as what it is when its date has come or was corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from connectors.port import Change, Cursor, Page

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: a position may be this far ahead of the source's clock: it is given in seconds, and a vendor's servers need not agree to the second.
#: Less than every overlap, or what is made next would be passed over.
TOLERANCE = timedelta(seconds=30)
#: a record dated no further ahead than this is taken as it is: tills are set by hand
WELL_DATED = timedelta(hours=1)
#: where the source gives no clock, or one that cannot be, ours stands in for it, and is trusted this far and no further
OUR_CLOCK = timedelta(days=1)
#: the version under which a record dated in the future is delivered begins with this, its date and a blank follow
AHEAD_VERSION = "dated ahead: "


@dataclass(frozen=True, slots=True)
class Bounds:
    """The latest moment that a position may have, and the latest date that a record may carry to be taken as it is."""

    position: datetime
    dated: datetime


@dataclass(frozen=True, slots=True)
class Pass(Generic[T]):
    """One reading from the edge to the end, page by page.

    ``position.seen`` stays the memory that the pass began with.  ``read`` holds all that this pass has read, id -> (moment, version),
    ``edge`` what of it lies within the overlap, under the version that it was delivered with.
    """

    position: Cursor
    overlap: timedelta
    read: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    edge: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    last: Change[T] | None = None

    @property
    def since(self) -> datetime | None:
        """The inclusive lower bound to ask the source for."""
        return _before(self.position.moment, self.overlap)


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What a page brings.

    Attributes:
        fresh: what is new, in the page's order.
        ahead: what is new and dated in the future, its version marked with :data:`AHEAD_VERSION`.
        position: what is to be stored with both.
        following: the pass to go on with.
        astray: the stored position lies where no reading can have come to; ``following`` begins at the beginning.
    """

    fresh: tuple[Change[T], ...]
    ahead: tuple[Change[T], ...]
    position: Cursor
    following: Pass[T]
    astray: bool = False


def begin(position: Cursor, overlap: timedelta) -> Pass[T]:
    """Start a pass at a stored position."""
    return Pass(position, overlap)


def bounds(server_time: datetime | None, ours: datetime, position: datetime | None = None) -> Bounds:
    """Return how far a position, and the date of a record, may go.

    The source's clock decides.  Ours, with a day's tolerance, stands in for it where there is none, and where it has fallen back by
    more than a day behind what was read as well as behind ours: a till that starts without a battery is in 1970.
    """
    fallen = (
        server_time is not None
        and position is not None
        and _after(server_time, OUR_CLOCK) < position
        and _after(server_time, OUR_CLOCK) < ours
    )
    if server_time is None or fallen:
        return Bounds(_after(ours, OUR_CLOCK), _after(ours, OUR_CLOCK))
    return Bounds(_after(server_time, TOLERANCE), _after(server_time, WELL_DATED))


def advance(current: Pass[T], page: Page[T], ours: datetime) -> Step[T]:
    """Take a page in; ``ours`` is our own clock, asked only where the source's says nothing (see :func:`bounds`).

    While pages follow, the old memory is kept beside the new one: a process that dies between two pages forgets nothing.  With the
    last page the memory shrinks to what lies within the overlap.
    """
    stored = current.position.moment
    limit = bounds(page.server_time, ours, stored)
    if stored is not None and stored > _after(limit.position, OUR_CLOCK):
        # a clock that was wrong, or a version of this program that trusted dates: what lies before it may never have been read
        return Step((), (), Cursor(), begin(Cursor(), current.overlap), astray=True)
    fresh: list[Change[T]] = []
    ahead: list[Change[T]] = []
    read, edge = dict(current.read), dict(current.edge)
    for change in page.changes:
        due = change.moment <= limit.dated
        delivered = change if due else replace(change, version=_ahead_version(change))
        known = edge.get(change.id) or read.get(change.id)
        if (change.id, delivered.version) not in current.position.seen and (known is None or known[1] != delivered.version):
            (fresh if due else ahead).append(delivered)
        read[change.id] = (change.moment, change.version)
        edge[change.id] = (change.moment, delivered.version)
    moments = [change.moment for change in page.changes if change.moment <= limit.position]
    if stored is not None:
        moments.append(min(stored, limit.position))
    newest = max(moments, default=None)
    bottom = _before(newest, current.overlap)
    edge = {record: seen for record, seen in edge.items() if bottom is None or seen[0] >= bottom}
    seen = frozenset((record, version) for record, (_, version) in edge.items())
    position = Cursor(newest, (seen | current.position.seen) if page.more else seen)
    last = page.changes[-1] if page.changes else current.last
    following = Pass(Cursor(newest, current.position.seen), current.overlap, read, edge, last)
    return Step(tuple(fresh), tuple(ahead), position, following)


def made_progress(before: Pass[T], page: Page[T]) -> bool:
    """Tell whether a page brought anything that this pass had not read; a source that repeats itself must not be read for ever."""
    return any(before.read.get(change.id) != (change.moment, change.version) for change in page.changes)


def _ahead_version(change: Change[T]) -> str:
    return f"{AHEAD_VERSION}{change.moment.isoformat()} {change.version}"


def _after(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # the end of all time, as far as a computer knows
        return datetime.max.replace(tzinfo=UTC)


def _before(moment: datetime | None, by: timedelta) -> datetime | None:
    try:
        return None if moment is None else moment - by
    except OverflowError:
        return None
