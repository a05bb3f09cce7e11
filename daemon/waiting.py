"""What is on its way: how many records wait, since when, and what they come to; the measure of freshness, whatever the runs say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from daemon.core.flow_registry import SALES
from daemon.core.message import message
from daemon.core.outcomes import State
from daemon.flows.serialization import load_sale

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from daemon.core.message import Message
    from daemon.state.port import Count, Work

#: the flow whose records are money
RECEIPTS = SALES.name
#: the fact in which the daemon writes down what is wrong with a connection: since when, and what; empty while all is well
TROUBLE_FACT = "trouble:"
#: what waits for a person; everything else goes on by itself
HELD = frozenset({State.HELD, State.DEAD})
#: what is read is booked within seconds; what waits for longer than the first is told, longer than the second is a failure (seconds)
WAITS_LONG, WAITS_TOO_LONG = 60.0, 1800.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The records of a flow that are on their way and wait for no person: how many, since when the oldest, and their sum if known."""

    records: int = 0
    since: datetime | None = None
    amount: Decimal | None = None

    def seconds(self, now: datetime) -> float:
        """How long the oldest waits."""
        return 0.0 if self.since is None else max((now - self.since).total_seconds(), 0.0)

    @property
    def says(self) -> Message:
        """How many, and what they come to."""
        amount = "" if self.amount is None else message("status.amount", amount=f"{self.amount:.2f}")
        return message("status.receipts", records=self.records, amount=amount)


def waiting(counts: Iterable[Count], flow: str, link: str | None = None) -> Waiting:
    """Return what waits of a flow, in one link or in all."""
    own = [one for one in counts if one.flow == flow and one.state not in HELD and link in {None, one.pair} and one.records]
    return Waiting(sum(one.records for one in own), min((one.oldest for one in own if one.oldest is not None), default=None))


def amount_of(works: Iterable[Work]) -> Decimal | None:
    """Return what these receipts come to; ``None`` where one cannot be read here."""
    amounts = []
    for work in works:
        if not work.payload:
            return None
        try:
            amounts.append(load_sale(work.payload).gross)
        except ValidationError:  # of another version of this program
            return None
    return sum(amounts[1:], amounts[0]) if amounts else None
