"""Reading listings: filters, pages, and changes in the order they happened (reference: eaccounting.md section 4).

A page is trusted only when it is the one asked for and holds as many records as it says it should.  Changes are read by *keyset*: each
page is the first one from the last moment seen, so that records that move between pages while we read can be neither skipped nor lost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from connectors import sense
from connectors.boundary import Bad, Refusal, attempt, name_of, understood
from connectors.bounded_json import from_json
from connectors.eaccounting import wire
from connectors.port import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from connectors.eaccounting.api import Api

R = TypeVar("R", bound=wire.Recorded)
T = TypeVar("T")

REGISTER_PAGE: Final = 1000
DOCUMENT_PAGE: Final = 200
#: so many records one reading may bring: they are in memory together, and a listing without end has no end
MOST_RECORDS: Final = 60_000
#: how often a page without progress, or a listing that lost records between its pages, is read again
_PATIENCE: Final = 3


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """What is asked for.  ``by`` gives the moment of a record where changes are read; ``query`` what else goes into the address."""

    path: str
    model: type[R]
    order: str | None
    where: str | None = None
    size: int = REGISTER_PAGE
    query: Mapping[str, str] = field(default_factory=dict)

    def page(self, number: int) -> dict[str, str]:
        """Return the query of page ``number``, from 1."""
        asked = {"$page": str(number), "$pagesize": str(self.size), **self.query}
        if self.where:
            asked["$filter"] = self.where
        if self.order:
            asked["$orderby"] = self.order
        return asked


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """One page of ``size`` records.  ``more`` says that it is not the last, ``total`` how many the whole listing has."""

    records: tuple[R, ...]
    bad: tuple[Bad, ...]
    more: bool
    size: int
    total: int
    server_time: datetime | None

    @property
    def ids(self) -> set[str]:
        """The ids of all records, those that cannot be understood too."""
        return {record.id for record in self.records} | {one.id for one in self.bad}


def quoted(text: str) -> str:
    """Return an OData string literal."""
    return "'" + text.replace("'", "''") + "'"


def literal(value: datetime) -> str:
    """Return an OData date-time literal in UTC, as fine as it was read."""
    text = value.astimezone(UTC).isoformat(timespec="microseconds" if value.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def any_of(name: str, values: Iterable[str]) -> str:
    """Return a filter that takes any of the values of one field."""
    return " or ".join(f"{name} eq {quoted(value)}" for value in values)


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut ``values`` into runs of at most ``size``."""
    return (values[start : start + size] for start in range(0, len(values), size))


async def read_page(api: Api, listing: Listing[R], number: int) -> Part[R]:
    """Return page ``number`` of a listing.

    Raises:
        Unreadable: what came is not that page, however often it was asked for.
    """
    return await api.read(listing.path, partial(_page, listing.model, number, listing.path), listing.page(number))


async def read_all(api: Api, listing: Listing[R]) -> tuple[list[R], list[Bad]]:
    """Return every record of a listing, and those that cannot be understood.

    Raises:
        Unreadable: a page keeps repeating what came before, or records keep falling between the pages.
    """
    found: dict[str, R] = {}
    bad: dict[str, Bad] = {}
    for _ in range(_PATIENCE):
        number, more, total, stalled = 1, True, 0, 0
        seen: set[str] = set()
        while more and stalled < _PATIENCE:
            part = await read_page(api, listing, number)
            found.update((record.id, record) for record in part.records)
            bad.update((one.id, one) for one in part.bad)
            if part.more and part.ids <= seen:
                stalled += 1
                continue
            seen |= part.ids
            number, more, total = number + 1, part.more, part.total
            if more and len(seen) > MOST_RECORDS:
                raise Unreadable(f"GET {listing.path}: the listing has not come to its end after {MOST_RECORDS} records")
        if not more and len(found.keys() | bad.keys()) >= total:
            return list(found.values()), [one for name, one in bad.items() if name not in found]
    raise Unreadable(f"GET {listing.path}: the pages do not add up to the listing")


async def read_since(api: Api, listing: Listing[R], name: str, at: Callable[[R], datetime], since: datetime | None) -> Part[R]:
    """Return the first records whose field ``name`` is at or after ``since``, oldest first; ``at`` reads that field.

    Normally one page.  Where a whole page lies in the one moment ``since``, the pages that follow are read along, until the moment moves
    on: only so can the caller go on from the last moment.

    Raises:
        Unreadable: pages repeat without progress, or are not in order.
    """
    where = f"{name} ge {literal(since)}" if since is not None else None
    narrowed = Listing(listing.path, listing.model, listing.order, where, listing.size, listing.query)
    records: dict[str, R] = {}
    bad: dict[str, Bad] = {}
    for _ in range(_PATIENCE):
        number = 0
        seen: set[str] = set()
        while True:
            number += 1
            part = await read_page(api, narrowed, number)
            moments = [at(record) for record in part.records]
            if any(later < sooner for sooner, later in pairwise(moments)):
                raise Unreadable(f"GET {listing.path}: the listing is not in the order of {name}")
            records.update((record.id, record) for record in part.records)
            bad.update((one.id, one) for one in part.bad)
            moved_on = bool(moments) and (since is None or moments[-1] > since)
            done = not part.more or moved_on
            if done or part.ids <= seen:
                break
            seen |= part.ids
            if len(seen) > MOST_RECORDS:
                raise Unreadable(f"GET {listing.path}: so many records at one moment, {since}, that no reading comes past them")
        if done and len(records.keys() | bad.keys()) >= min(part.total, number * part.size):
            return Part(tuple(sorted(records.values(), key=at)), tuple(bad.values()), part.more, part.size, part.total, part.server_time)
    raise Unreadable(f"GET {listing.path}: the pages since {since} repeat or do not add up")


@cache
def _envelope(model: type[R]) -> type[wire.Envelope[R]]:
    """Return the model of a page of records; pydantic looks long for a class that it made before."""
    return wire.Envelope[model]  # type: ignore[valid-type]  # pydantic makes the class


_LOOSE = wire.Envelope[Any]


def _page(model: type[R], number: int, place: str, content: bytes) -> Part[R]:
    """Read page ``number``; what is not that page raises whatever goes wrong."""
    whole = attempt(lambda: _envelope(model).model_validate_json(content), None)
    bad: list[Bad] = []
    if whole is not None:
        meta, records = whole.meta, whole.data
    else:  # one of them, or more, cannot be read
        loose = _LOOSE.model_validate(from_json(content))
        meta, records = loose.meta, []
        given = Counter[str]()
        for raw in loose.data:
            try:
                records.append(understood(place, partial(model.model_validate, raw)))
            except Unreadable as error:
                bad.append(Bad(name_of(raw, "Id", given), attempt(partial(_moment_of, raw), None), error.text))
    count = len(records) + len(bad)
    expected = min(meta.page_size, max(meta.total_number_of_results - (number - 1) * meta.page_size, 0))
    if meta.current_page != number or count < expected:
        raise Refusal("not the page that was asked for, or not the whole of it")
    more = number < meta.total_number_of_pages
    return Part(tuple(records), tuple(bad), more, meta.page_size, meta.total_number_of_results, meta.server_time_utc)


def _moment_of(raw: Any) -> datetime:
    return sense.moment(raw["ChangedUtc"])
