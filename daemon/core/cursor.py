"""Where reading goes on: inclusive, with an overlap, and with a memory of what was seen at the edge.

A position is a moment of the vendor's own clock.  Every pass reads again from ``moment − overlap``, so that a record which became
visible late, or shares its moment with others, is not missed; what was seen there already is remembered by (id, version) and
dropped.  The position moves only together with the work that it uncovered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from connectors.port import Change, Page, Position

if TYPE_CHECKING:
    from datetime import datetime, timedelta

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pass(Generic[T]):
    """One reading from the edge to the end, page by page.  ``read`` holds what this pass has read: id -> (moment, version)."""

    position: Position
    overlap: timedelta
    read: dict[str, tuple[datetime, str]]
    last: Change[T] | None = None

    @property
    def since(self) -> datetime | None:
        """The inclusive lower bound to ask the source for."""
        return None if self.position.moment is None else self.position.moment - self.overlap


def begin(position: Position, overlap: timedelta) -> Pass[T]:
    """Start a pass at a stored position."""
    return Pass(position, overlap, {})


def advance(current: Pass[T], page: Page[T]) -> tuple[tuple[Change[T], ...], Position, Pass[T]]:
    """Take a page in: return what is new, the position to store with it, and the pass to go on with.

    While pages follow, the old memory is kept beside the new one: a process that dies between two pages forgets nothing.  With the
    last page the memory shrinks to what lies within the overlap.
    """
    fresh = []
    read = dict(current.read)
    for change in page.changes:
        known = read.get(change.id)
        if (change.id, change.version) not in current.position.seen and (known is None or known[1] != change.version):
            fresh.append(change)
        read[change.id] = (change.moment, change.version)
    moments = [change.moment for change in page.changes]
    if current.position.moment is not None:
        moments.append(current.position.moment)
    newest = max(moments, default=None)
    edge = None if newest is None else newest - current.overlap
    seen = frozenset((record, version) for record, (moment, version) in read.items() if edge is None or moment >= edge)
    position = Position(newest, (seen | current.position.seen) if page.more else seen)
    last = page.changes[-1] if page.changes else current.last
    following = Pass(Position(newest, current.position.seen | seen), current.overlap, read, last)
    return tuple(fresh), position, following


def made_progress(before: Pass[T], page: Page[T]) -> bool:
    """Tell whether a page brought anything that this pass had not read; a source that repeats itself must not be read for ever."""
    return any(before.read.get(change.id) != (change.moment, change.version) for change in page.changes)
