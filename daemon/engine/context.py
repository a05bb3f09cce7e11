"""What the flows of one link and till work with."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from daemon.core.outcomes import Outcome, Reason
from daemon.engine.tally import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from random import Random

    from structlog.typing import FilteringBoundLogger

    from connectors.model import Company
    from connectors.port import Books, Clock, Till
    from daemon.core.brake import BrakeRules
    from daemon.core.ids import LinkId, PairId
    from daemon.core.mapping import FieldMap
    from daemon.core.retry import RetryPolicy
    from daemon.engine.connection_health import ConnectionHealth
    from daemon.observe.metrics import Metrics
    from daemon.state.port import Store


@dataclass(slots=True)
class Mappings:
    """The compiled mapping files."""

    products: FieldMap
    customers: FieldMap


@dataclass(slots=True)
class Common:
    """What all the pairs of one process have in common: several tills may write to the same books."""

    #: when a send of this process ended without an answer, by scope and key of the write; infinite while it is under way
    sends: dict[tuple[str, str], float] = field(default_factory=dict)
    locks: dict[str, anyio.Lock] = field(default_factory=dict)


@dataclass(slots=True)
class Context:
    """One company's books and one till, and everything that their flows share.

    ``pair_id`` names the pair in the store ("shop/till"), ``link_id`` the company's side alone, for what several tills share.
    """

    link_id: LinkId
    pair_id: PairId
    #: the other pairs that write into the same books, past ones too: what they hold is not ours
    siblings: tuple[PairId, ...] = field(kw_only=True, default=())
    books: Books
    till: Till
    store: Store
    clock: Clock
    rng: Random
    policy: RetryPolicy
    brake: BrakeRules
    mappings: Mappings
    metrics: Metrics
    log: FilteringBoundLogger
    workers: int
    stopping: anyio.Event
    tally: Tally = field(default_factory=Tally)
    company: Company | None = None
    salt: str = ""
    #: the health of the connections to both
    connections: tuple[ConnectionHealth, ...] = ()
    #: nobody asks the vendors before this moment of the monotonic clock: one of them does not know us any more
    paused_until: float = 0.0
    pause_reason: Reason = Reason.NONE
    #: a run has met a connection that must be signed in to again; what waits for that is not released yet
    signed_out: bool = False
    common: Common = field(default_factory=Common)
    #: the clock of a flow's source when it was last heard, and the monotonic clock at that moment
    source_times: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    #: the monotonic clock when this process began: what an earlier one had sent, it had sent by then
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock.monotonic()

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of this name in this process: one poll of a flow at a time, one write of a customer at a time."""
        lock = self.common.locks.setdefault(name, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self.common.locks.pop(name, None)

    async def rest(self, seconds: float) -> None:
        """Wait, but not longer than the process goes on."""
        with anyio.move_on_after(seconds):
            await self.stopping.wait()

    def outcome(self, flow: str, outcome: Outcome, reason: Reason = Reason.NONE, count: int = 1) -> None:
        """Count an outcome, in the metrics and in the run's table."""
        self.tally.add(flow, outcome, reason, count)
        self.metrics.outcome(flow, outcome, reason, count)

    def pause(self, seconds: float, reason: Reason) -> None:
        """Leave the vendors alone for a while."""
        self.paused_until = max(self.paused_until, self.clock.monotonic() + seconds)
        self.pause_reason = reason

    def resume(self) -> None:
        """End the pause: what it was for is over."""
        self.paused_until, self.pause_reason, self.signed_out = 0.0, Reason.NONE, False

    @property
    def away(self) -> bool:
        """Whether one of the vendors, or a part of it, is down."""
        return any(connection.away for connection in self.connections)

    @property
    def paused(self) -> bool:
        """Whether the vendors are to be left alone now, until a person has done something about the sign-in."""
        return self.clock.monotonic() < self.paused_until

    def heard_from(self, flow: str, server_time: datetime | None) -> None:
        """Remember the clock of a flow's source."""
        if server_time is not None:
            self.source_times[flow] = (server_time, self.clock.monotonic())

    def time_of(self, flow: str) -> datetime | None:
        """Return what the clock of a flow's source shows by now, ``None`` when this process has never heard it."""
        if flow not in self.source_times:
            return None
        heard, at = self.source_times[flow]
        try:
            return heard + timedelta(seconds=self.clock.monotonic() - at)
        except OverflowError:
            return heard

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        return self.clock.now()
