"""Reading listings page by page, by offset, while they may move under the reader (reference: salespos.md §5.2).

Every page begins with the last record of the page before.  Where it does not, records moved up meanwhile and some were skipped: the
reading goes back until it meets a record that it knows.  Records read twice are delivered once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from connectors.boundary import name_of
from connectors.port import Transient, Unreadable
from connectors.salespos import dialect, wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from datetime import datetime

    from connectors.boundary import Bad
    from connectors.salespos.client import Client

M = TypeVar("M", bound=wire.Wire)

#: by how many records the reading goes back at first, doubled each time that this is not enough
_STEP_BACK: Final = 10
#: so many pages in a row may bring nothing new
_GIVE_UP_AFTER: Final = 20
#: so many records one reading may bring: they are in memory together, and a listing without end has no end
MOST_RECORDS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Batch(Generic[M]):
    """What a page adds to what was read before; ``bad`` could not be read.  ``more`` says that pages follow."""

    items: tuple[M, ...]
    bad: tuple[Bad, ...]
    more: bool
    server_time: datetime | None


async def pages(client: Client, path: str, record: type[M], query: Mapping[str, str] | None = None) -> AsyncGenerator[Batch[M], None]:
    """Deliver the listing at ``path`` page by page; close the generator when enough was read.

    Raises:
        Transient: the listing moved so often that it could not be read whole.
        Unreadable: the answer is not a listing, or it never ends.
    """
    known: set[str] = set()
    start = steps_back = idle = 0
    while idle <= _GIVE_UP_AFTER:
        asked = {**(query or {}), "start": str(start), "size": str(dialect.PAGE_SIZE)}
        answer = await client.get(path, wire.Listing.model_validate, asked)
        envelope = answer.value
        names = _names(envelope.items)
        idle += 1
        if start and (not names or names[0] not in known):
            start = max(0, start - _STEP_BACK * 2**steps_back)
            steps_back += 1
            continue
        more = envelope.next is not None
        if more and len(names) <= 1:
            raise Unreadable(f"{path}: the listing goes on without end")
        fresh = {name: item for name, item in zip(names, envelope.items, strict=True) if name not in known}
        if fresh:
            known.update(fresh)
            steps_back = idle = 0
        if len(known) > MOST_RECORDS:
            raise Unreadable(f"{path}: the listing has not come to its end after {MOST_RECORDS} records")
        yield Batch(*wire.sift(record, tuple(fresh.values()), path), more, answer.server_time)
        if not more:
            return
        start += len(names) - 1
    raise Transient(f"{path}: the listing moves, or repeats itself, and cannot be read whole")


async def everything(client: Client, path: str, record: type[M], query: Mapping[str, str] | None = None) -> list[M]:
    """Read a whole listing of which no record may be missing.

    Raises:
        Unreadable: one of them cannot be read.
    """
    found: list[M] = []
    async for page in pages(client, path, record, query):
        if page.bad:
            raise Unreadable(page.bad[0].reason)
        found += page.items
    return found


async def readable(client: Client, path: str, record: type[M], query: Mapping[str, str] | None = None) -> list[M]:
    """Read a whole listing, leaving out what cannot be read."""
    return [item async for page in pages(client, path, record, query) for item in page.items]


def _names(items: tuple[Any, ...]) -> list[str]:
    """Return what tells the records of a page apart."""
    given = Counter[str]()
    return [name_of(item, "id", given) for item in items]
