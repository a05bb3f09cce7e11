"""Points at which things go wrong: every call of a port and every transaction of the store is one, numbered in the order they come.

A schedule says what goes wrong at which points.  It is a short text, ``refund:17a+42l``: the scenario, then number and mode of each
fault.  The same text gives the same run.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from connectors.port import ConnectorError, Rejected, Throttled, Transient, Unauthorized, Uncertain, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connectors.port import Books, Clock, Till
    from daemon.state.port import Store

T = TypeVar("T")

#: how long a request and its answer travel, and how long a slow request takes, in seconds
TRAVEL = 0.05
SLOW = 20.0
#: how long after the process a request that was on its way has its effect, in seconds
IN_FLIGHT = 2.5


class Crash(BaseException):
    """The process dies here.  Nothing that it still tries to do happens."""


class Kind(StrEnum):
    """What a point does."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"  # a write whose answer may lack the new id
    COMMIT = "commit"


class Mode(StrEnum):
    """What goes wrong at a point."""

    BEFORE = "b"  # the process dies before it
    AFTER = "a"  # it had its effect, then the process dies
    LOST = "l"  # it had its effect, and the answer is lost (this is also what a 5xx after the effect looks like)
    NOTHING = "n"  # it had no effect, but nobody can know
    UNREACHABLE = "u"
    THROTTLED = "t"
    TRANSIENT = "e"
    UNAUTHORIZED = "x"
    SLOW = "s"  # it takes very long, has its effect, then the process dies
    IN_FLIGHT = "f"  # the process dies, and it has its effect a little later
    BLANK = "k"  # the answer has no id
    REJECTED = "j"  # refused, for a reason that passes
    RESTORED = "r"  # a backup made right after it is put back when all is done


_READ = (Mode.BEFORE, Mode.LOST, Mode.UNREACHABLE, Mode.THROTTLED, Mode.UNAUTHORIZED)
_WRITE = (
    Mode.BEFORE,
    Mode.AFTER,
    Mode.LOST,
    Mode.NOTHING,
    Mode.UNREACHABLE,
    Mode.THROTTLED,
    Mode.TRANSIENT,
    Mode.UNAUTHORIZED,
    Mode.SLOW,
    Mode.IN_FLIGHT,
)
#: what may go wrong where; a read has no effect, so that dying before and after it are one
MODES: Mapping[Kind, Sequence[Mode]] = {
    Kind.READ: _READ,
    Kind.WRITE: _WRITE,
    Kind.CREATE: (*_WRITE, Mode.BLANK),
    Kind.COMMIT: (Mode.BEFORE, Mode.AFTER, Mode.RESTORED),
}

#: what is not searched through, for a person has to send again what was refused
_ALSO: Mapping[Kind, Sequence[Mode]] = {
    Kind.READ: (),
    Kind.WRITE: (Mode.REJECTED,),
    Kind.CREATE: (Mode.REJECTED,),
    Kind.COMMIT: (),
}

_READS = (
    "read_changes get_product find_products stock_levels find_customers find_documents find_proposals documents_since proposals_since "
    "get_document money_accounts company server_time facts all_products get_sale payment_methods store"
)
_WRITES = "update_customer book propose revise confirm withdraw register_payment update_product"
_CREATES = "create_customer create_product"
CALLS: Mapping[str, Kind] = {
    name: kind for names, kind in ((_READS, Kind.READ), (_WRITES, Kind.WRITE), (_CREATES, Kind.CREATE)) for name in names.split()
}
_COMMITS = (
    "record_page claim finish finish_many defer hold resend release_waiting recover intend settle_intent resend_intent bind unbind "
    "ask answer withdraw_question remember note prune save_alert reconciled"
)
COMMITS = frozenset(_COMMITS.split())


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    point: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.point}{self.mode}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that goes wrong in one run of a scenario."""

    scenario: str
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return f"{self.scenario}:{'+'.join(map(str, self.faults))}"

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read what ``str`` wrote."""
        scenario, _, faults = text.partition(":")
        found = re.findall(r"(\d+)([a-z])(?:\+|$)", faults)
        return cls(scenario, tuple(Fault(int(point), Mode(mode)) for point, mode in found))

    def then(self, fault: Fault) -> Schedule:
        """The same with one more fault."""
        return replace(self, faults=(*self.faults, fault))


@dataclass(frozen=True, slots=True)
class Passed:
    """A point that was passed: its number, what it was called, and what it does."""

    number: int
    name: str
    kind: Kind


def _without_id(answer: Any) -> Any:
    return "" if isinstance(answer, str) else replace(answer, id="")


@dataclass(slots=True)
class Points:
    """The points of one run, through all the processes that live in it.  Until it is armed, nothing is counted and nothing fails."""

    clock: Clock
    faults: Mapping[int, Mode] = field(default_factory=dict)
    armed: bool = False
    dead: bool = False
    crashes: int = 0
    #: how many calls had an effect that could change something
    writes: int = 0
    trace: list[Passed] = field(default_factory=list)
    fired: Counter[Mode] = field(default_factory=Counter)
    #: until when (monotonic) a vendor refuses our sign-in
    refused_until: dict[str, float] = field(default_factory=dict)
    #: keeps a copy of the state as it is
    back_up: Callable[[], None] = lambda: None
    #: what a dead process had sent and what the vendor has not done yet
    on_their_way: list[Callable[[], Awaitable[object]]] = field(default_factory=list)

    def _take(self, name: str, kind: Kind) -> Mode | None:
        self.check()
        if not self.armed:
            return None
        self.trace.append(Passed(len(self.trace), name, kind))
        mode = self.faults.get(len(self.trace) - 1)
        if mode is None or mode not in (*MODES[kind], *_ALSO[kind]):
            return None
        self.fired[mode] += 1
        return mode

    def check(self) -> None:
        """Let nothing happen after death."""
        if self.dead:
            raise Crash

    def die(self) -> Crash:
        """The process is gone."""
        self.dead = True
        self.crashes += 1
        return Crash()

    async def call(self, name: str, kind: Kind, effect: Callable[[], Awaitable[T]]) -> T:
        """Call a vendor."""
        mode = self._take(name, kind)
        if self.clock.monotonic() < self.refused_until.get(name.partition(".")[0], 0.0):
            raise Unauthorized("signed out")
        if mode is Mode.BEFORE:
            raise self.die()
        if mode is Mode.IN_FLIGHT:
            self.on_their_way.append(effect)
            raise self.die()
        await self.clock.sleep(SLOW if mode is Mode.SLOW else TRAVEL)
        if (error := _without_effect(mode)) is not None:
            raise error
        self.check()
        answer = await effect()
        self.writes += kind is not Kind.READ
        if mode in {Mode.AFTER, Mode.SLOW}:
            raise self.die()
        await self.clock.sleep(TRAVEL)
        if mode is Mode.LOST:
            raise Transient("no answer") if kind is Kind.READ else Uncertain("no answer")
        return cast("T", _without_id(answer)) if mode is Mode.BLANK else answer

    async def commit(self, name: str, transaction: Callable[[], Awaitable[T]]) -> T:
        """Run a transaction of the store."""
        mode = self._take(name, Kind.COMMIT)
        if mode is Mode.BEFORE:
            raise self.die()
        result = await transaction()
        if mode is Mode.AFTER:
            raise self.die()
        if mode is Mode.RESTORED:
            self.back_up()
        return result


def _without_effect(mode: Mode | None) -> ConnectorError | None:
    match mode:
        case Mode.NOTHING:
            return Uncertain("no answer")
        case Mode.UNREACHABLE:
            return Unreachable("nobody answers")
        case Mode.THROTTLED:
            return Throttled("too often", retry_after=7.0)
        case Mode.TRANSIENT:
            return Transient("busy")
        case Mode.UNAUTHORIZED:
            return Unauthorized("signed out")
        case Mode.REJECTED:
            return Rejected("not now", code="4000")
        case _:
            return None


class _Vendor:
    """A vendor all of whose calls are points."""

    def __init__(self, side: str, twin: object, points: Points) -> None:
        self._side, self._twin, self._points = side, twin, points

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._twin, name)
        kind = CALLS.get(name)
        if kind is None:
            return member

        async def call(*args: Any, **more: Any) -> Any:
            return await self._points.call(f"{self._side}.{name}", kind, lambda: member(*args, **more))

        return call


class _Store:
    """A store all of whose transactions are points."""

    def __init__(self, store: object, points: Points) -> None:
        self._store, self._points = store, points

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not callable(member):
            return member

        async def commit(*args: Any, **more: Any) -> Any:
            return await self._points.commit(f"store.{name}", lambda: member(*args, **more))

        async def look(*args: Any, **more: Any) -> Any:
            self._points.check()
            return await member(*args, **more)

        return commit if name in COMMITS else look


def faulty_books(twin: Books, points: Points) -> Books:
    """The books, with everything that may go wrong."""
    return cast("Books", _Vendor("books", twin, points))


def faulty_till(twin: Till, points: Points) -> Till:
    """The till, with everything that may go wrong."""
    return cast("Till", _Vendor("till", twin, points))


def faulty_store(store: Store, points: Points) -> Store:
    """The store, with everything that may go wrong."""
    return cast("Store", _Store(store, points))
