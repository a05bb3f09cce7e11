"""How the till speaks HTTP: refusals, JSON with exact numbers, pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from connectors.sandbox.salespos.assumptions import INVALID_INPUT
from connectors.sandbox.salespos.signing import read_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from connectors.sandbox.faults import FaultPlan
    from connectors.sandbox.salespos.switches import TillSwitches

ROOT: Final = "/api/rest/v1"
UNKNOWN_RESOURCE: Final = (404, "404.20")
WRONG_METHOD: Final = (405, "405.10")
TOO_MANY: Final = (429, "429.10")
TOO_MANY_IN_ALL: Final = (429, "429.11")
EXISTS_ALREADY: Final = (500, "500.40")
LIMIT_EXCEEDED: Final = (500, "500.60")
_MOST_DIGITS: Final = 18


class Refused(Exception):
    """The till refuses a request: HTTP status, code ("HTTP.sub") and a message for the developer."""

    def __init__(self, status_and_code: tuple[int, str], message: str) -> None:
        super().__init__(message)
        self.status, self.code = status_and_code
        self.message = message


def invalid(message: str) -> Refused:
    """Return the refusal of input that makes no sense."""
    return Refused(INVALID_INPUT, message)


@dataclass(slots=True)
class Call:
    """A request that was let in.  ``base`` is the API's absolute address, ``path`` what was asked for, as sent."""

    method: str
    path: str
    query: dict[str, str]
    base: str
    id: int = 0
    body: dict[str, Any] = field(default_factory=dict)

    def flag(self, name: str) -> bool | None:
        """Read a filter that is true or false."""
        text = self.query.get(name)
        if text not in (None, "true", "false"):
            raise invalid(f"{name} is not true or false")
        return None if text is None else text == "true"

    def integer(self, name: str) -> int | None:
        """Read a filter that is a whole number."""
        text = self.query.get(name)
        if text is None:
            return None
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > _MOST_DIGITS:
            raise invalid(f"{name} is not a whole number")
        return int(text)

    def number(self, name: str) -> Decimal | None:
        """Read a filter that is a number."""
        text = self.query.get(name)
        if text is None:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise invalid(f"{name} is not a number") from None
        if not number.is_finite():
            raise invalid(f"{name} is not a number")
        return number

    def moment(self, name: str) -> datetime | None:
        """Read a filter that is a date and time."""
        text = self.query.get(name)
        if text is None:
            return None
        # an unencoded "+" of a zone arrives as a blank
        moment = read_date(text.replace(" ", "+"))
        if moment is None:
            raise invalid(f"{name} is not a date")
        return moment

    def order(self, fields: Sequence[str], default: str) -> tuple[str, bool]:
        """Read ``orderby``: the field, and whether the order is descending."""
        text = self.query.get("orderby", default)
        name = text.removesuffix("_desc")
        if name not in fields:
            raise invalid(f"orderby {text} is not one of {', '.join(fields)}")
        return name, text.endswith("_desc")


def read_query(text: str, known: frozenset[str]) -> dict[str, str]:
    """Read a query string; a parameter that the resource does not have is refused, so that no client filters in vain."""
    query = dict(parse_qsl(text, keep_blank_values=True))
    unknown = sorted(query.keys() - known - {"start", "size"})
    if unknown:
        raise invalid(f"unknown parameter {', '.join(unknown)}")
    return query


def read_body(raw: bytes) -> dict[str, Any]:
    """Read a JSON object, its fractions as exact decimals."""
    try:
        body = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise invalid("the body is not JSON") from None
    if not isinstance(body, dict):
        raise invalid("the body is not an object")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(name)


class Writer:
    """Writes JSON: decimals as numbers with their exact digits, unless a switch says that this till writes them worse."""

    def __init__(self, switches: TillSwitches) -> None:
        self._string_ids = switches.string_ids
        self._php_floats = switches.php_floats

    def dumps(self, value: Any) -> str:
        """Return ``value`` as JSON; :class:`Raw` goes in as it is."""
        if isinstance(value, Raw):
            return value.text
        if isinstance(value, dict):
            return "{" + ",".join(f"{json.dumps(name)}:{self._member(name, item)}" for name, item in value.items()) + "}"
        if isinstance(value, list | tuple):
            return "[" + ",".join([self.dumps(item) for item in value]) + "]"
        if isinstance(value, Decimal):
            # a float only to show its digits; nothing is computed with it
            return f"{float(value):.17g}" if self._php_floats else f"{value:f}"
        return json.dumps(value)

    def _member(self, name: str, value: Any) -> str:
        if self._string_ids and type(value) is int and (name == "id" or name.endswith("_id")):
            return f'"{value}"'
        return self.dumps(value)


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON that was written before."""

    text: str


def page(call: Call, items: Sequence[Any], show: Callable[[Any], Any], switches: TillSwitches, plan: FaultPlan) -> dict[str, Any]:
    """Return one page of ``items`` in the vendor's envelope, with absolute addresses of the pages around it."""
    start, size = call.integer("start") or 0, call.integer("size")
    size = switches.default_size if size is None else size
    if start < 0 or size < 1:
        raise invalid("start is at least 0 and size at least 1")
    if size > switches.max_size:
        if not switches.clamp_size:
            raise invalid(f"size is at most {switches.max_size}")
        size = switches.max_size
    first = start
    if start and plan.fires("duplicate_page"):
        first = max(0, start - min(size, 3))
    end = start + size
    if start and plan.fires("shifted_page"):
        first, end = first + 1, end + 1
    more = start + size < len(items)
    return {
        "href": _address(call, start, size),
        "start": start,
        "size": size,
        "first": _address(call, 0, size),
        "previous": _address(call, max(0, start - size), size) if start else None,
        "next": _address(call, start + size, size) if more else None,
        "items": [show(item) for item in items[first:end]],
    }


def _address(call: Call, start: int, size: int) -> str:
    kept = [(name, value) for name, value in call.query.items() if name not in ("start", "size")]
    return f"{call.base.removesuffix(ROOT)}{call.path}?{urlencode([*kept, ('start', start), ('size', size)])}"
