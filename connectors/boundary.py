"""Where bytes become values: whatever goes wrong there, of whatever class, is one error that names the place and quotes nothing.

Each connector passes what it was answered through here once, and has no other place that catches what an answer can do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from connectors.bounded_json import digest, to_json
from connectors.port import NAMELESS, ConnectorError, Rejected, Unreadable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from datetime import datetime

T = TypeVar("T")
D = TypeVar("D")

#: so many fields are named of a record in which more are wrong
_NAMED: Final = 3
#: an id, or the name of a field, that is longer is none
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that cannot be read: the name under which it is held, its moment if that can be told, and why.

    ``raw`` is what came, for whoever has to know whether it may be what he looks for; it is never shown.
    """

    id: str
    moment: datetime | None
    reason: str
    raw: Any = field(default=None, repr=False, compare=False)

    @property
    def told(self) -> tuple[str, datetime | None, str]:
        """What :attr:`connectors.port.Page.bad` says of it."""
        return self.id, self.moment, self.reason


def understood(place: str, make: Callable[[], T], *, error: type[ConnectorError] = Unreadable) -> T:
    """Return what ``make`` makes of an answer.  ``place`` says where it came from, ``error`` what it means that it cannot be understood.

    Raises:
        ConnectorError: of the kind ``error``, whatever went wrong.
    """
    try:
        return make()
    except ConnectorError:
        raise
    except Exception as wrong:  # noqa: BLE001 - the one place that takes whatever an answer can do
        raise error(f"{place}: {reason(wrong)}") from None  # the cause may quote what was answered


def attempt(make: Callable[[], T], otherwise: D) -> T | D:
    """Return what ``make`` makes of a part that may as well be missing, else ``otherwise``."""
    try:
        return make()
    except Exception:  # noqa: BLE001 - as above
        return otherwise


def sendable(place: str, payload: Any) -> bytes:
    """Return a body as JSON.

    Raises:
        Rejected: there is something in it that JSON cannot hold; nothing was sent.
    """
    try:
        return to_json(payload)
    except (ValueError, RecursionError):
        raise Rejected(f"{place}: what was to be sent cannot be written as JSON") from None


def reason(wrong: Exception) -> str:
    """Name what is wrong, and in which fields, without a word of the content."""
    if isinstance(wrong, ValidationError):
        errors = wrong.errors(include_url=False, include_context=False, include_input=False)[:_NAMED]
        return "; ".join(f"{_field(one['loc'])}: {one['type']}" for one in errors)
    if isinstance(wrong, Refusal):
        return str(wrong)
    if isinstance(wrong, PydanticCustomError):
        return wrong.type
    return f"an answer that cannot be understood ({type(wrong).__name__})"


class Refusal(ValueError):
    """What was answered can be read and makes no sense; its text is ours and quotes nothing."""


def name_of(record: Any, field: str, given: Counter[str]) -> str:
    """Return the name under which a record is held: its id, or a digest of it where it has none that can be one.

    A place in a page would not do: it is another one at the next reading.  ``given`` counts the names that were given on the same page.
    """
    known = record.get(field) if isinstance(record, dict) else None
    if isinstance(known, int) and not isinstance(known, bool):
        known = str(known)
    if isinstance(known, str) and 0 < len(known) <= _LONGEST_NAME and known.isprintable():
        return known
    name = f"{NAMELESS}{digest(record)}"
    given[name] += 1
    return name if given[name] == 1 else f"{name} {given[name]}"


def _field(place: tuple[int | str, ...]) -> str:
    text = ".".join(map(str, place))
    return text if 0 < len(text) <= _LONGEST_NAME and text.isprintable() else "record"
