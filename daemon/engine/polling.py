"""Reading what changed: a page becomes work, and work and position become durable together."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from connectors.port import Change, ChangeSource, Cursor, Unreadable
from daemon.core.booking import Hold
from daemon.core.cursor import AHEAD_VERSION, advance, begin, bounds, made_progress
from daemon.core.message import message
from daemon.core.outcomes import Reason
from daemon.core.outside import clean
from daemon.engine.last_line import survived
from daemon.state.port import NewWork

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from daemon.core.cursor import Pass
    from daemon.engine.context import Context
    from daemon.state.port import Work

T = TypeVar("T")

#: a record that could not be read is stored with this version and no payload, so that it is held and the others go on
UNREADABLE_VERSION = "unreadable: "
#: nothing that is read is older
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
#: so many pages one reading may have: the year of a large shop has a tenth of them, and a source without end has no end
MOST_PAGES = 5000


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What one page brought: records that are new, new ones dated in the future (see :mod:`daemon.core.cursor`), what could not be read.

    ``position`` is to be stored with them, ``server_time`` the source's clock at the answer; nothing of the page is older than ``since``.
    """

    fresh: tuple[Change[T], ...]
    ahead: tuple[Change[T], ...]
    bad: tuple[tuple[str, datetime | None, str], ...]
    position: Cursor
    server_time: datetime | None
    since: datetime | None = None


async def read_pages(
    source: ChangeSource[T], position: Cursor, *, overlap: timedelta, now: Callable[[], datetime], most: int = MOST_PAGES
) -> AsyncGenerator[Reading[T], None]:
    """Read what changed from ``overlap`` before a position to the end, a page at a time; the one loop over pages that there is.

    ``now`` is our own clock.  Close the generator when it is left before its end.

    Raises:
        ConnectorError: the errors of the port.
        Unreadable: the source gives the same page again, or does not end within ``most`` pages; what was delivered until then stays
            good, and the next reading goes on from there.
    """
    current: Pass[T] = begin(position, overlap)
    for _ in range(most):
        page = await source.read_changes(current.since, after=current.last)
        if page.more and not made_progress(current, page):
            raise Unreadable("the source gives the same page again")
        since = current.since if current.last is None else current.last.moment
        step = advance(current, page, now())
        current = step.following
        if step.astray:
            continue
        yield Reading(step.fresh, step.ahead, page.bad, step.position, page.server_time, since)
        if not page.more:
            return
    raise Unreadable(f"the source has not come to its end after {most} pages; the next run goes on from there")


@dataclass(frozen=True, slots=True)
class Polled:
    """What a pass brought: how many records were new or changed, and the newest moment at the source."""

    new: int
    newest: datetime | None


def _why(words: str) -> str:
    return clean(" ".join(words.split()), limit=200)


def _works(reading: Reading[T], describe: Callable[[Change[T]], NewWork]) -> list[NewWork]:
    """Turn a page into work; what cannot be worked on yet has no payload, and is asked for afresh when it is looked at again."""
    works = [described(change, describe) for change in reading.fresh]
    works += [replace(described(change, describe), payload=b"") for change in reading.ahead]
    return works + unreadable_works(reading)


def unreadable_works(reading: Reading[T]) -> list[NewWork]:
    """Return what of a page cannot be read, as work; where no moment can be told, under one that it is not older than."""
    return [
        NewWork(record, record, UNREADABLE_VERSION + _why(why), moment or reading.since or BEGINNING, b"")
        for record, moment, why in reading.bad
    ]


def described(change: Change[T], describe: Callable[[Change[T]], NewWork]) -> NewWork:
    """Turn a record into work; one that cannot be written down is asked for by its id when its turn comes, and fails by itself."""
    try:
        return describe(change)
    except Exception as error:  # noqa: BLE001 - one record of a page must not keep the others of it
        survived(error)
        return NewWork(change.id, change.id, change.version, change.moment, b"")


async def poll(
    context: Context,
    flow: str,
    source: ChangeSource[T],
    describe: Callable[[Change[T]], NewWork],
    *,
    overlap: timedelta,
) -> Polled:
    """Read from the stored position to the end and store what is new.

    Raises the errors of the port; what was stored before stays stored.
    """
    async with context.exclusive(f"poll {context.pair_id} {flow}"):
        stored = await context.store.position(context.pair_id, flow)
        new = 0
        async with aclosing(read_pages(source, stored, overlap=overlap, now=context.now)) as readings:
            async for reading in readings:
                context.heard_from(flow, reading.server_time)
                works = _works(reading, describe)
                if works or reading.position != stored:
                    new += await context.store.record_page(context.pair_id, flow, reading.position, works)
                    stored = reading.position
        return Polled(new, stored.moment)


async def sweep(context: Context, flow: str, source: ChangeSource[T], describe: Callable[[Change[T]], NewWork], *, back: timedelta) -> int:
    """Read again what lies up to ``back`` behind the position, trusting neither the cursor nor its memory.

    A receipt that was completed or changed long after it was opened is found here; the store leaves alone what it knows.
    """
    stored = await context.store.position(context.pair_id, flow)
    if stored.moment is None:
        return 0
    new = 0
    async with aclosing(read_pages(source, Cursor(stored.moment), overlap=back, now=context.now)) as readings:
        async for reading in readings:
            works = _works(reading, describe)
            async with context.exclusive(f"poll {context.pair_id} {flow}"):
                position = await context.store.position(context.pair_id, flow)
                new += await context.store.record_page(context.pair_id, flow, position, works)
    return new


def is_unreadable(work: Work | NewWork) -> bool:
    """Tell whether a listing said of a record that it cannot be read."""
    return work.version.startswith(UNREADABLE_VERSION)


async def why_unreadable(context: Context, source: ChangeSource[T], work: Work | NewWork) -> str | None:
    """Return why a record that its source does not give by its name cannot be read; ``None`` where its listing has it no more.

    Asking for it by a name that is no id proves nothing: the listing is the only place that knows of it.
    """
    async with aclosing(read_pages(source, Cursor(work.moment), overlap=timedelta(), now=context.now)) as readings:
        async for reading in readings:
            for record, _, why in reading.bad:
                if record == work.record:
                    return _why(why)
    return None


def is_ahead(work: Work | NewWork) -> bool:
    """Tell whether a record was dated in the future when it was read."""
    return work.version.startswith(AHEAD_VERSION)


def still_ahead(context: Context, flow: str, dated: datetime) -> Hold | None:
    """Return why a record that is asked for afresh still has to wait, ``None`` when its date has come, or was corrected.

    Its way out: it goes on by itself when its date has come, and by ``resend`` once the date is corrected at its source.
    """
    latest = bounds(context.time_of(flow), context.now()).dated
    return Hold(Reason.DATED_AHEAD, message("detail.dated", moment=dated.isoformat(timespec="minutes"))) if dated > latest else None
