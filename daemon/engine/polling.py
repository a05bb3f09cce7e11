"""Reading what changed: a page becomes work, and work and position become durable together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from connectors.port import Change, ChangeSource, Page, Unreadable
from daemon.core.cursor import advance, begin, made_progress
from daemon.state.port import NewWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from daemon.core.cursor import Pass
    from daemon.engine.context import Context

T = TypeVar("T")

#: a record that could not be read is stored with this version and no payload, so that it is held and the others go on
UNREADABLE_VERSION = "unreadable: "


@dataclass(frozen=True, slots=True)
class Polled:
    """What a pass brought: how many records were new or changed, and the newest moment at the source."""

    new: int
    newest: datetime | None


def _unreadable(page: Page[T], now: datetime) -> list[NewWork]:
    return [
        NewWork(record, record, UNREADABLE_VERSION + " ".join(why.split())[:200], moment or page.server_time or now, b"")
        for record, moment, why in page.bad
    ]


async def poll(
    context: Context,
    flow: str,
    source: ChangeSource[T],
    describe: Callable[[Change[T]], NewWork],
    *,
    overlap: timedelta,
) -> Polled:
    """Read from the stored position to the end and store what is new.

    Raises the errors of the port; what was stored before stays stored.  A source that gives the same page again and again is
    :class:`Unreadable`, never an endless loop.
    """
    async with context.exclusive(f"poll {context.scope} {flow}"):
        stored = await context.store.position(context.scope, flow)
        current: Pass[T] = begin(stored, overlap)
        new = 0
        while True:
            page = await source.read_changes(current.since, after=current.last)
            if page.more and not made_progress(current, page):
                message = "the source gives the same page again"
                raise Unreadable(message)
            fresh, position, current = advance(current, page)
            works = [describe(change) for change in fresh] + _unreadable(page, context.now())
            if works or position != stored:
                new += await context.store.record_page(context.scope, flow, position, works)
                stored = position
            if not page.more:
                return Polled(new, position.moment)


async def sweep(context: Context, flow: str, source: ChangeSource[T], describe: Callable[[Change[T]], NewWork], *, back: timedelta) -> int:
    """Read again what lies up to ``back`` behind the position, trusting neither the cursor nor its memory.

    A receipt that was completed or changed long after it was opened is found here; the store leaves alone what it knows.
    """
    stored = await context.store.position(context.scope, flow)
    if stored.moment is None:
        return 0
    current: Pass[T] = begin(type(stored)(stored.moment, frozenset()), back)
    new = 0
    while True:
        page = await source.read_changes(current.since, after=current.last)
        if page.more and not made_progress(current, page):
            message = "the source gives the same page again"
            raise Unreadable(message)
        fresh, _, current = advance(current, page)
        works = [describe(change) for change in fresh] + _unreadable(page, context.now())
        async with context.exclusive(f"poll {context.scope} {flow}"):
            position = await context.store.position(context.scope, flow)
            new += await context.store.record_page(context.scope, flow, position, works)
        if not page.more:
            return new
