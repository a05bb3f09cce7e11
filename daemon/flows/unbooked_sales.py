"""Receipts on their way: they have lowered the stock of a till, and not yet, or not surely, that of the books.

Between two looks at such numbers people go on selling, and the sales flow goes on booking.  What is known of every receipt before and after
a look says which numbers of it belong together (:meth:`Snapshot.moved`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from connectors.model import Sale
from connectors.port import ConnectorError, Missing, Unreadable
from daemon.core.flow_registry import SALES
from daemon.core.ids import PairId
from daemon.core.money import ZERO
from daemon.core.outcomes import State
from daemon.engine.connection_health import tracing
from daemon.flows.serialization import load_sale
from daemon.state.port import IntentState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from connectors.model import SaleLine
    from connectors.port import SaleSource
    from daemon.engine.context import Context
    from daemon.state.port import UnderWay

_FLOW, _KIND, _OPERATION = SALES.name, SALES.record, "document"
#: so many receipts whose lines nobody has fetched yet are fetched for one look; more of them are waited for
FETCHED = 20
#: what is known of a receipt: its pair, and its id there
Key = tuple[PairId, str]


class Stage(StrEnum):
    """How far a receipt is on its way into the books."""

    UNBOOKED = "unbooked"  # surely not in them
    SENT = "sent"  # sent, and nobody knows yet
    BOOKED = "booked"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt and how far it is; ``sale`` is ``None``, or has no lines, where they are not known."""

    pair: PairId
    stage: Stage
    sale: Sale | None
    #: when its document was sent, or it was settled, as far as that is lately
    moved_at: datetime | None

    @property
    def lines(self) -> tuple[SaleLine, ...]:
        """What was sold, as far as it is known."""
        return () if self.sale is None else self.sale.lines

    def booked_since(self, moment: datetime) -> bool:
        """Tell whether the books got it at this moment or later."""
        return self.stage is Stage.BOOKED and self.moved_at is not None and self.moved_at >= moment


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every receipt in hand, and those settled since ``since``.

    ``unknown`` of those in hand have lines that are not known yet; ``rushed`` says that more were settled than anybody could look at.
    """

    since: datetime
    receipts: Mapping[Key, Receipt]
    unknown: int
    rushed: bool = False

    def on_their_way(self) -> list[tuple[PairId, Sale]]:
        """Return the receipts that the books surely do not have, each with its pair."""
        return [(one.pair, one.sale) for one in self.receipts.values() if one.stage is Stage.UNBOOKED and one.sale is not None]

    def may_move(self, pair: PairId, record: str) -> bool:
        """Tell whether a receipt is not booked, as far as anything is known of it."""
        known = self.receipts.get((pair, record))
        return known is None or known.stage is Stage.UNBOOKED

    def moved(self, before: Snapshot, *, shown_late: bool) -> list[tuple[PairId, Sale]]:
        """Return the receipts that may or may not be in what was looked at between ``before`` and now.

        They were rung up, changed, sent or booked meanwhile; where listings were looked at, which show things late (``shown_late``), also
        those booked shortly before.
        """
        doubtful = []
        for key in self.receipts.keys() | before.receipts.keys():
            now, then = self.receipts.get(key), before.receipts.get(key)
            if _moved(now, then) or (shown_late and now is not None and now.booked_since(before.since)):
                doubtful += [(one.pair, one.sale) for one in (now, then) if one is not None and one.sale is not None]
        return doubtful


def _moved(now: Receipt | None, then: Receipt | None) -> bool:
    if then is None or now is None:
        # what was booked at the earlier look, and is not in hand any more, was settled
        return then is None or then.stage is not Stage.BOOKED
    return now.stage is Stage.SENT or (now.stage, now.lines) != (then.stage, then.lines)


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a till's receipts come from: ``poll`` stores what is new, ``till`` shows a receipt whole."""

    poll: Callable[[], Awaitable[object]]
    till: SaleSource


class OnTheWay:
    """Looks at the receipts of every till of a company, by the names of their pairs."""

    def __init__(self, context: Context, counters: Mapping[PairId, Counter], *, books_sales: bool) -> None:
        self._context = context
        self._counters = counters
        self._books_sales = books_sales
        #: lines that were fetched here; the sales flow stores them only once it has to keep a receipt
        self._fetched: dict[tuple[str, str, str], Sale] = {}

    async def look(self, since: datetime, *, poll: bool = False) -> Snapshot:
        """Return how every receipt stands; with ``poll``, after the tills were asked for new ones.

        Another till that cannot be reached holds up nobody: what is stored of it counts.  Raises the errors of the port for one's own.
        """
        if poll:
            for pair, counter in self._counters.items():
                await self._ask(pair, counter)
        found = await under_way(self._context, list(self._counters), since)
        return await self._with_lines(since, found)

    async def _ask(self, pair: PairId, counter: Counter) -> None:
        try:
            await counter.poll()
        except ConnectorError as error:
            if pair == self._context.pair_id:
                raise
            self._context.log.info("another till is not answering", other=pair, error=str(error))

    async def _with_lines(self, since: datetime, found: Sequence[UnderWay]) -> Snapshot:
        now = self._context.now()
        receipts = {
            (one.work.pair, one.work.record): _receipt(one, lines_of(one) or self._fetched.get(_version(one)), now) for one in found
        }
        unseen = [one for one in found if receipts[one.work.pair, one.work.record].sale is None and not _given_up(one)]
        settled = [one for one in unseen if one.work.state is State.DONE]
        open_ones = [one for one in unseen if one.work.state is not State.DONE]
        # so many are fetched by the sales flow soon; with the sales off nobody else ever does
        few = open_ones[:FETCHED] if len(open_ones) <= FETCHED or not self._books_sales else []
        too_many = len(settled) > FETCHED
        for one in few if too_many else [*few, *settled]:
            receipts[one.work.pair, one.work.record] = _receipt(one, await self._fetch(one), now)
        kept = {_version(one) for one in found}
        self._fetched = {key: sale for key, sale in self._fetched.items() if key in kept}
        return Snapshot(since, receipts, len(open_ones) - len(few), rushed=too_many)

    async def _fetch(self, one: UnderWay) -> Sale | None:
        """Fetch a receipt whole; what is gone, cannot be read or lies in a till that does not answer has no lines to show."""
        work = one.work
        header = load_sale(work.payload) if work.payload else Sale(work.record, work.label, work.moment, ZERO, "", ())
        try:
            # that this one cannot be had says nothing about the others
            with tracing(work.identity):
                sale = await self._counters[work.pair].till.get_sale(header)
        except (Missing, Unreadable):
            return None
        except ConnectorError:
            if work.pair == self._context.pair_id:
                raise
            return None
        self._fetched[_version(one)] = sale
        return sale


async def under_way(context: Context, pairs: Sequence[PairId], since: datetime) -> Sequence[UnderWay]:
    """Return the receipts of these pairs that are in hand, or were settled since."""
    return await context.store.under_way(pairs, _FLOW, kind=_KIND, operation=_OPERATION, since=since)


async def sales_on_their_way(context: Context, pairs: Sequence[PairId] = ()) -> list[tuple[PairId, Sale]]:
    """Return the stored receipts of these pairs that the books surely do not have, each with its pair, as far as lines are known."""
    found = await under_way(context, list(pairs) or [context.pair_id], context.now())
    known = [(one, lines_of(one)) for one in found if stage(one) is Stage.UNBOOKED]
    return [(one.work.pair, sale) for one, sale in known if sale is not None]


def stage(one: UnderWay) -> Stage:
    """Tell how far a receipt is; what was settled without a document is never to come."""
    if one.bound or IntentState.DONE in one.writes or one.work.state is State.DONE:
        return Stage.BOOKED
    return Stage.SENT if IntentState.SENT in one.writes else Stage.UNBOOKED


def lines_of(one: UnderWay) -> Sale | None:
    """Return a receipt with its lines, ``None`` while they are not stored."""
    sale = load_sale(one.work.payload) if one.work.payload else None
    return sale if sale is not None and sale.lines else None


def _receipt(one: UnderWay, sale: Sale | None, now: datetime) -> Receipt:
    moved_at = one.work.updated_at if one.work.state is State.DONE else one.sent_at
    if moved_at is not None and moved_at > now:
        moved_at = None  # written down by a clock that ran ahead
    # an open receipt has taken nothing off the shelf yet
    return Receipt(one.work.pair, stage(one), sale if sale is None or sale.completed else None, moved_at)


def _version(one: UnderWay) -> tuple[str, str, str]:
    return one.work.pair, one.work.record, one.work.version


def _given_up(one: UnderWay) -> bool:
    """What waits for a person and has no lines to show is not waited for: one bad receipt would stop the stock of all."""
    return one.work.state in {State.HELD, State.DEAD}
