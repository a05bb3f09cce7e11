"""The health of one connection, known from its traffic: whether it answers, where it does not, and whether a person must sign in again.

It is the gate of the connection's requests: what is down is asked by one probe at a time, and everybody else is told at once that there
is nothing to be had.  The probe is the next request that somebody wants to make anyway.  What it decides is in
:mod:`daemon.core.reachability`.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from connectors.port import Heard, HttpGate, HttpObserver, KeptAway
from daemon.core.message import message
from daemon.core.reachability import Health, Level, Pace, after, at_once, is_alone, is_own, level, may_ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from connectors.port import Clock
    from daemon.core.message import Message
    from daemon.observe.metrics import Metrics

_UNAUTHORIZED = 401
_FIRST_ERROR = 400
#: one refused request may be a clock that differs; a second one in a row is not
_REFUSALS = 2
#: how long a vendor that refuses our keys is left alone before one more try (seconds)
_LEFT_ALONE = 60.0
#: what fails for one only, or only asks us to slow down, is told after so many seconds; a rate limit met in one place after so many
_TOLD_AFTER, _SLOWED_AFTER = 30.0, 90.0
#: how soon somebody is to come again while another one's probe is under way, in seconds
_SOON = 0.5
#: how much later than the others what has failed itself asks again, in seconds
_OTHERS_FIRST = 2.0
#: a try that was due so long ago and that nobody made is not waited for (seconds)
_STALE = 5.0
#: how many failures of records are remembered
_REMEMBERED = 5000
#: the account of the connection as a whole
_WHOLE = ""
_CIRCUIT = {Level.HEALTHY: 0, Level.SUSPECT: 1, Level.DOWN: 2}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a connection, since when.  ``where`` is empty when nothing answers at all."""

    since: datetime
    where: str
    said: str

    @property
    def says(self) -> Message:
        """What is wrong, as what is said of the connection."""
        said = message("trouble.said", said=self.said) if self.said else ""
        return message("trouble.place", where=self.where, said=said) if self.where else message("trouble.whole", said=said)


@dataclass(slots=True)
class Trace:
    """The requests that one record makes: which of them failed, and whose fault that is."""

    record: str
    failed: list[tuple[ConnectionHealth, str]] = field(default_factory=list)

    def own(self) -> bool:
        """Tell whether the last failure is the record's own; without a failed exchange it is nobody else's."""
        if not self.failed:
            return True
        connection, place = self.failed[-1]
        return connection.is_own(self.record, place)

    def pace(self) -> float:
        """Return in how many seconds it is worth trying again."""
        return max((connection.asks_again_in(place) for connection, place in self.failed), default=0.0)


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing(record: str) -> Iterator[Trace]:
    """Take note of the exchanges that are made for a record, in tasks started meanwhile too: what fails for it may be its own fault."""
    trace = Trace(record)
    token = _trace.set(trace)
    try:
        yield trace
    finally:
        _trace.reset(token)


@dataclass(frozen=True, slots=True)
class _Ticket:
    place: str
    began: float
    probes: tuple[str, ...]
    trace: Trace | None


@dataclass(frozen=True, slots=True)
class _Failure:
    """What was heard last where something fails."""

    place: str
    heard: Heard
    said: str

    def __str__(self) -> str:
        return f"{self.place}: {self.said}"


_NOTHING = _Failure("", Heard.FAILED, "")


def place_of(method: str, path: str) -> str:
    """Return a request's place: its method and address, with a star for whatever names one record (a segment with a digit in it)."""
    parts = ["*" if any(sign.isdigit() for sign in part) and not _version(part) else part for part in path.split("/")]
    return f"{method} {'/'.join(parts)}"


def _version(part: str) -> bool:
    return part[:1] == "v" and part[1:].isdigit()


class ConnectionHealth(HttpObserver, HttpGate):
    """Watches one connection and keeps its gate.

    ``side`` is the kind of the vendor (a label of the metrics), ``name`` the connection's own.  A connector that renews tokens says by
    itself, through :meth:`refreshed`, whether the sign-in is good; for one with keys the answers to its requests tell.
    """

    def __init__(self, name: str, side: str, metrics: Metrics, clock: Clock, pace: Pace | None = None) -> None:
        self.name = name
        self.side = side
        self.pace = pace or Pace()
        #: the state ``needs_reauth``: a person has to sign in again, or to correct the keys
        self.reauth_required = False
        #: whether the vendor has taken our sign-in since the process began
        self.proven = False
        self.last_answer: datetime | None = None
        self.last_seconds: float | None = None
        self._places: defaultdict[str, Health] = defaultdict(Health)
        self._probing: set[str] = set()
        self._last: dict[str, _Failure] = {}
        #: how a place and the whole did when a record's request failed there
        self._marks: dict[tuple[str, str], tuple[Health, Health]] = {}
        self._refusals = 0
        self._renews = False
        self._left_alone_until = 0.0
        self._metrics = metrics
        self._clock = clock

    # -- the gate ---------------------------------------------------------------------------------------------------------------
    def check(self, method: str, path: str) -> None:
        """Raise :class:`KeptAway` where the vendor is known to be away and it is not time to try.

        What has failed here itself lets the others try first: else two records that the vendor dislikes would be all that ever asks.
        """
        now, place, trace = self._clock.monotonic(), place_of(method, path), _trace.get()
        behind = 0.0 if trace is None or (trace.record, place) not in self._marks else _OTHERS_FIRST
        for key in (_WHOLE, place):
            if not may_ask(self._places[key], now - behind, self.pace, probing=key in self._probing):
                left = max(self._places[key].ask_at + behind - now, _SOON)
                last = self._last.get(key, _NOTHING)
                message = f"{self.name} is asked again in {left:.0f} s: {last}"
                raise KeptAway(message, retry_after=left, answers=last.heard is not Heard.NOBODY)

    def enter(self, method: str, path: str, *, paced: bool = False) -> object:
        """Let a request through, as the probe if what it asks is down."""
        if not paced:
            self.check(method, path)
        now, place = self._clock.monotonic(), place_of(method, path)
        probes = tuple(key for key in (_WHOLE, place) if not paced and level(self._places[key], now, self.pace) is Level.DOWN)
        self._probing.update(probes)
        return _Ticket(place, now, probes, _trace.get())

    def leave(self, ticket: object, heard: Heard | None, said: str) -> None:
        """Take note of what was heard."""
        own = cast("_Ticket", ticket)
        self._probing.difference_update(own.probes)
        if heard is None:
            return
        record = "" if own.trace is None else own.trace.record
        mark = (record, own.place)
        fails = self._places[_WHOLE].since is not None or self._places[own.place].since is not None
        now = self._clock.monotonic()
        # the whole is down when two places are, whoever asked: a record that fails by its own fault does so in one
        for key, witness in ((_WHOLE, own.place), (own.place, record)):
            fresh = mark not in self._marks
            self._places[key] = after(self._places[key], heard, witness, began=own.began, now=now, pace=self.pace, fresh=fresh)
        if heard is Heard.ANSWERED:
            self._marks.pop(mark, None)
            if _WHOLE in own.probes:
                self._let_places_be_asked(now)
        else:
            self._last[_WHOLE] = self._last[own.place] = _Failure(own.place, heard, said)
            self._remember(own)
        if fails or heard is not Heard.ANSWERED:
            self._metrics.circuit(self.side, _CIRCUIT[self.level], connection=self.name)

    def _let_places_be_asked(self, now: float) -> None:
        """The vendor is back: whether all of it is, need not wait for the pace of the outage."""
        for place, health in self._places.items():
            self._places[place] = at_once(health, now)

    def _remember(self, own: _Ticket) -> None:
        """Remember how the place did when a record's request failed there: what follows tells whose fault it was."""
        if own.trace is None:
            return
        own.trace.failed.append((self, own.place))
        while len(self._marks) >= _REMEMBERED:
            del self._marks[next(iter(self._marks))]
        self._marks.setdefault((own.trace.record, own.place), (self._places[own.place], self._places[_WHOLE]))

    def is_own(self, record: str, place: str) -> bool:
        """Tell whether a record's failures at a place are its own fault; what was found counts from then on anew."""
        now, whole = self._places[place], self._places[_WHOLE]
        before, whole_before = self._marks.get((record, place), (now, whole))
        if is_own(before, now):
            self._marks[record, place] = (now, whole)
            return True
        elsewhere = whole.good > whole_before.good
        return is_alone(before, now, answered_elsewhere=elsewhere, moment=self._clock.monotonic(), pace=self.pace)

    # -- what is said of it -----------------------------------------------------------------------------------------------------
    @property
    def level(self) -> Level:
        """The worst of what is known."""
        now = self._clock.monotonic()
        levels = {level(health, now, self.pace) for health in self._places.values()}
        return Level.DOWN if Level.DOWN in levels else Level.SUSPECT if Level.SUSPECT in levels else Level.HEALTHY

    @property
    def away(self) -> bool:
        """Whether the vendor, or a part of it, is down."""
        return self.level is Level.DOWN

    def asks_again_in(self, place: str = _WHOLE) -> float:
        """Return in how many seconds a place is worth asking again; without one, the first of what fails.  0: now, or nothing fails."""
        now = self._clock.monotonic()
        if level(self._places[_WHOLE], now, self.pace) is Level.DOWN:
            asked = [self._places[_WHOLE]]
        else:
            asked = [self._places[place]] if place else list(self._places.values())
        # what was due some time ago is wanted by nobody any more
        left = [one.ask_at - now for one in asked if one.ask_at > now - _STALE and level(one, now, self.pace) is not Level.HEALTHY]
        return max(min(left), _SOON) if left else 0.0

    @property
    def trouble(self) -> Trouble | None:
        """What a person should know, ``None`` while all is well or it may be a blip."""
        now = self._clock.monotonic()
        told = {key: since for key, health in self._places.items() if (since := self._told_since(key, health, now)) is not None}
        if not told:
            return None
        key = _WHOLE if _WHOLE in told else min(told, key=lambda name: told[name])
        since = told[key]
        last = self._last.get(key, _NOTHING)
        return Trouble(self._clock.now() - timedelta(seconds=now - since), "" if key == _WHOLE else last.place, last.said)

    def _told_since(self, key: str, health: Health, now: float) -> float | None:
        known = level(health, now, self.pace)
        if known is Level.HEALTHY or health.since is None:
            return None
        patience = _TOLD_AFTER if key == _WHOLE or health.witnesses else _SLOWED_AFTER
        return health.since if known is Level.DOWN or now - health.since >= patience else None

    # -- the observer -----------------------------------------------------------------------------------------------------------
    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:  # noqa: ARG002 - ours is meant
        """Note an exchange."""
        self._metrics.exchange(self.side, method, status, seconds)
        if status is None:
            return
        self.last_answer, self.last_seconds = self._clock.now(), seconds
        if self._renews:
            return
        if status == _UNAUTHORIZED:
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                self._left_alone_until = self._clock.monotonic() + _LEFT_ALONE
                self._set_reauth(required=True)
        elif status < _FIRST_ERROR:
            self._refusals = 0
            self._set_reauth(required=False)

    @property
    def cure(self) -> Message:
        """What a person does about :attr:`reauth_required`."""
        return message("cure.login", name=self.name) if self._renews else message("cure.keys", name=self.name)

    @property
    def left_alone(self) -> bool:
        """Whether the keys were refused so lately that asking again would only annoy."""
        return self.reauth_required and self._clock.monotonic() < self._left_alone_until

    def throttled(self, side: str) -> None:  # noqa: ARG002 - as above
        """Note that the vendor was asked too often."""
        self._metrics.throttled(self.side)

    def waited(self, side: str, seconds: float) -> None:  # noqa: ARG002 - as above
        """Note a wait for the rate budget."""
        self._metrics.waited(self.side, seconds)

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:  # noqa: ARG002 - as above
        """Note the end of a token refresh."""
        self._metrics.refreshed(self.side, result, expires_at)
        self._renews = True
        if result in {"ok", "denied"}:
            self._left_alone_until = 0.0
            self._set_reauth(required=result == "denied")

    def _set_reauth(self, *, required: bool) -> None:
        self.proven = self.proven or not required
        if required != self.reauth_required:
            self.reauth_required = required
            self._metrics.reauth(self.side, required, connection=self.name)
