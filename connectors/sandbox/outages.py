"""Outages on demand: what a vendor's operations do to everybody for a while, by address and by time, and never by chance.

An outage is a fact, not a rate: while it lasts, every request that it names fails in the same way.  The times are those of the
sandbox's own clock.  Control routes are never struck (see :mod:`connectors.sandbox.down`, which carries outages out).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: what can happen -> what it may be said with besides where and when
KINDS: Final[dict[str, frozenset[str]]] = {
    "refuse": frozenset(),
    "reset": frozenset({"effect"}),
    "status_500": frozenset({"effect"}),
    "status_502": frozenset({"effect"}),
    "status_503": frozenset({"effect", "retry_after"}),
    "maintenance_200": frozenset({"effect"}),
    "maintenance_503": frozenset({"effect", "retry_after"}),
    "status_429": frozenset({"retry_after"}),
    "slow": frozenset({"seconds"}),
}
#: a year, in seconds
_LONGEST: Final = 31_622_400
#: a path, and how many outages a file has
_LONGEST_PATH: Final = 500
_MOST: Final = 1_000
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ALWAYS: Final = frozenset({"kind", "path", "method", "from", "to"})
_EVERYTHING: Final = _ALWAYS | frozenset[str]().union(*KINDS.values())


def utcnow() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens to which requests, from when (inclusive) until when (exclusive); ``None`` is since ever, and until it is lifted.

    ``kind`` is one of :data:`KINDS`.  ``path`` is the beginning of an address (``/v2/customerinvoices``), or with stars a whole one
    (``/v2/customerinvoices/*/payments``); empty, it is every address.  The sign-in server alone is ``/connect``.  ``method`` is one of
    :data:`METHODS` or empty for all.  With ``effect`` the request has its effect all the same.  ``retry_after`` are the seconds of the
    header, 0 for no header; ``seconds`` how late a slow answer is, after its effect.
    """

    kind: str
    path: str = ""
    method: str = ""
    since: datetime | None = None
    until: datetime | None = None
    effect: bool = False
    retry_after: int = 0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Check what no reader of a file has checked.

        Raises:
            ValueError: it makes no sense.
        """
        if self.kind not in KINDS:
            raise ValueError(f"kind: {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.method and self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")
        if self.path and not self.path.startswith("/"):
            raise ValueError(f"path: {self.path!r} does not begin with a slash")
        if any(moment is not None and moment.tzinfo is None for moment in (self.since, self.until)):
            raise ValueError("from and to are moments with a zone")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("from: is not before to")
        if self.retry_after < 0 or self.seconds < 0:
            raise ValueError("retry_after and seconds are at least 0")

    @property
    def whole(self) -> bool:
        """Whether it is about every request."""
        return not self.path and not self.method

    def strikes(self, method: str, path: str, now: datetime) -> bool:
        """Tell whether a request made ``now`` is struck."""
        if (
            self.method not in ("", method)
            or (self.since is not None and now < self.since)
            or (self.until is not None and now >= self.until)
        ):
            return False
        asked, named = path.lower(), self.path.lower()
        return fnmatchcase(asked.rstrip("/"), named) if "*" in named else asked.startswith(named)

    def as_json(self) -> dict[str, Any]:
        """Return it as a faults file would say it."""
        shown: dict[str, Any] = {"kind": self.kind, "path": self.path, "method": self.method}
        shown |= {name: at.isoformat() for name, at in (("from", self.since), ("to", self.until)) if at is not None}
        return shown | {name: getattr(self, name) for name in sorted(KINDS[self.kind])}


def read(table: object) -> Outage:
    """Read an outage from a table of a faults file, or from the body of a control request.

    Raises:
        ValueError: not a table, an unknown name, or a value that makes no sense.
    """
    if not isinstance(table, dict):
        raise ValueError("outage: expected a table")  # noqa: TRY004 - to a reader of the file it is a wrong value
    for name in table:
        if name not in _EVERYTHING:
            raise ValueError(f"outage: unknown name {name!r}, expected one of {', '.join(sorted(_EVERYTHING))}")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"outage: kind: {kind!r} is not one of {', '.join(KINDS)}")
    if foreign := sorted(table.keys() - _ALWAYS - KINDS[kind]):
        raise ValueError(f"outage: {foreign[0]} says nothing about {kind}")
    try:
        return Outage(
            kind=kind,
            path=_text(table, "path"),
            method=_text(table, "method"),
            since=_moment(table, "from"),
            until=_moment(table, "to"),
            effect=_flag(table, "effect"),
            retry_after=int(_number(table, "retry_after", 0)),
            seconds=_number(table, "seconds", 1.0),
        )
    except ValueError as error:
        raise ValueError(f"outage: {error}") from None


def read_all(tables: object) -> list[Outage]:
    """Read what a faults file has under ``[[vendor.outage]]``.

    Raises:
        ValueError: not a list of tables, or one of them makes no sense.
    """
    if not isinstance(tables, list):
        raise ValueError("outage: expected a list of tables, [[vendor.outage]]")  # noqa: TRY004 - the same
    if len(tables) > _MOST:
        raise ValueError(f"outage: {len(tables)} of them, expected at most {_MOST}")
    return [read(table) for table in tables]


class Outages:
    """A vendor's outages, by number, in the order in which they were called; the first that is about a request strikes it."""

    def __init__(self, clock: Callable[[], datetime] = utcnow) -> None:
        self.clock = clock
        self.known: dict[int, Outage] = {}
        self.struck: dict[int, int] = {}
        self._last = 0

    def begin(self, outage: Outage) -> int:
        """Take over an outage and return its number, by which it is lifted."""
        self._last += 1
        self.known[self._last], self.struck[self._last] = outage, 0
        return self._last

    def lift(self, number: int | None = None) -> bool:
        """End an outage, or all of them, and tell whether there was one; how often they struck is kept."""
        if number is None:
            found = bool(self.known)
            self.known.clear()
            return found
        return self.known.pop(number, None) is not None

    def replace(self, outages: list[Outage]) -> None:
        """Lift all, and take over others."""
        self.lift()
        for one in outages:
            self.begin(one)

    def striking(self, method: str, path: str) -> Outage | None:
        """Return what strikes a request that comes in now, and count it."""
        if not self.known:
            return None
        now = self.clock()
        for number, one in self.known.items():
            if one.strikes(method, path, now):
                self.struck[number] += 1
                return one
        return None

    def refusing(self) -> bool:
        """Tell whether nobody listens at all now."""
        now = self.clock()
        return any(one.kind == "refuse" and one.whole and one.strikes("", "", now) for one in self.known.values())

    def as_json(self) -> list[dict[str, Any]]:
        """Return the outages that are not lifted, with how many requests each has struck."""
        return [{"id": number, **one.as_json(), "struck": self.struck[number]} for number, one in self.known.items()]


def _text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_PATH:
        raise ValueError(f"{name}: {value!r:.80} is not a text of at most {_LONGEST_PATH} characters")
    return value.upper() if name == "method" else value


def _flag(table: Mapping[str, Any], name: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is not true or false")  # noqa: TRY004 - the same
    return value


def _number(table: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = table.get(name, otherwise)
    number = float(value) if isinstance(value, Decimal) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= _LONGEST:
        raise ValueError(f"{name}: {value!r} is not a number of seconds up to {_LONGEST}")
    return number


def _moment(table: Mapping[str, Any], name: str) -> datetime | None:
    value = table.get(name)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{name}: {value!r} is not a moment") from None
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise ValueError(f"{name}: {value!r} is not a moment with a zone")
    return value
