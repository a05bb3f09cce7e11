"""Reading listings page by page, by offset, while they may move under the reader (reference: salespos.md §5.2).

Every page begins with the last record of the page before.  Where it does not, records moved up meanwhile and some were skipped: the
reading goes back until it meets a record that it knows.  Records read twice are delivered once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connectors.decimal_json import to_json
from connectors.port import Transient, Unreadable
from connectors.salespos import dialect, wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from datetime import datetime

    from connectors.salespos.client import Client

#: by how many records the reading goes back at first, doubled each time that this is not enough
_STEP_BACK: Final = 10
#: so many pages in a row may bring nothing new
_GIVE_UP_AFTER: Final = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """What a page adds to what was read before.  ``more`` says that pages follow."""

    items: tuple[Any, ...]
    more: bool
    server_time: datetime | None


async def pages(client: Client, path: str, query: Mapping[str, str] | None = None) -> AsyncGenerator[Batch, None]:
    """Deliver the listing at ``path`` page by page; close the generator when enough was read.

    Raises:
        Transient: the listing moved so often that it could not be read whole.
        Unreadable: the answer is not a listing, or it never ends.
    """
    known: set[str] = set()
    start = steps_back = idle = 0
    while idle <= _GIVE_UP_AFTER:
        answer = await client.get(path, {**(query or {}), "start": str(start), "size": str(dialect.PAGE_SIZE)})
        envelope = wire.read(wire.Listing, answer.payload, path)
        names = [_name(item) for item in envelope.items]
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
        yield Batch(tuple(fresh.values()), more, answer.server_time)
        if not more:
            return
        start += len(names) - 1
    raise Transient(f"{path}: the listing moves, or repeats itself, and cannot be read whole")


async def everything(client: Client, path: str, query: Mapping[str, str] | None = None) -> list[Any]:
    """Read a whole listing."""
    return [item async for page in pages(client, path, query) for item in page.items]


def _name(item: Any) -> str:
    """Return what tells records apart: the id, or the whole record where it has none."""
    known = item.get("id") if isinstance(item, dict) else None
    return f"without id: {to_json(item).decode()}" if known is None else str(known)
