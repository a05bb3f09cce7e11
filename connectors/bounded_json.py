"""JSON whose numbers are exactly their digits, and which is bounded: in bytes, values, nesting and the digits of a number.

A number or a nesting that is out of bounds spoils the record that holds it, not the page that holds the record: it is read as something
that no field takes.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

#: a page of a thousand records of four kilobytes has a quarter of it
MOST_BYTES: Final = 16 * 1024 * 1024
#: a value costs about seventy bytes of memory: thirty megabytes for all of them
MOST_VALUES: Final = 500_000
#: the deepest answer of either vendor has six levels
DEEPEST: Final = 32
#: characters of a number: an amount has twelve, a binary fraction written out twenty-two
LONGEST_NUMBER: Final = 40
#: powers of ten between which a number lies that somebody counted or calculated
_LARGEST_POWER: Final = 30
#: stands for a number that is out of bounds: no field takes it
UNREADABLE: Final = Decimal("NaN")
#: stands for what is nested too deeply: no field takes it, and nothing else says it
_TOO_DEEP: Final = b"[[]]"
#: a text, or a bracket outside of texts
_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
#: what is nested too deeply is cut out of no more than this: it takes two seconds for ten megabytes
_MOST_PRUNED: Final = 2 * 1024 * 1024


def from_json(content: bytes) -> Any:
    """Read JSON, numbers with a fraction as :class:`~decimal.Decimal`, those out of bounds as :data:`UNREADABLE`.

    Raises:
        ValueError: it is not JSON, or more than is read at once; the text quotes nothing.
    """
    if len(content) > MOST_BYTES:
        raise ValueError("more bytes than are read at once")
    if content.count(b",") + content.count(b"[") + content.count(b"{") > MOST_VALUES:
        raise ValueError("more values than are read at once")
    try:
        return _loads(content)
    except RecursionError:
        if len(content) > _MOST_PRUNED:
            raise ValueError("nested too deeply") from None
        return _loads(_pruned(content))


def whole_from_json(content: bytes) -> Any:
    """Read JSON that will be written back: here nothing may be out of bounds.

    Raises:
        ValueError: it is not JSON, or something in it is out of bounds.
    """
    value = from_json(content)
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        if any(one is UNREADABLE for one in level):
            raise ValueError("a number out of bounds")
        level = [child for one in level if isinstance(one, dict | list) for child in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def to_json(value: Any) -> bytes:
    """Write JSON, a decimal with all its digits and no exponent.

    Raises:
        ValueError: a number that JSON cannot hold, or text that is no Unicode.
    """
    return _written(value).encode()


def digest(value: Any) -> str:
    """Return eight characters that tell one value that was read from another."""
    try:
        text = json.dumps(value, default=str, sort_keys=True)
    except RecursionError:
        text = "nested too deeply"
    return blake2b(text.encode(), digest_size=4).hexdigest()


def _loads(content: bytes) -> Any:
    return json.loads(content, parse_float=_fraction, parse_int=_whole, parse_constant=_no_number)


def _fraction(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER:
        return UNREADABLE
    try:
        number = Decimal(text)
    except ArithmeticError:  # an exponent that no computer has
        return UNREADABLE
    return number if -_LARGEST_POWER <= number.adjusted() <= _LARGEST_POWER else UNREADABLE


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= LONGEST_NUMBER else UNREADABLE


def _no_number(_: str) -> Decimal:
    return UNREADABLE


def _pruned(content: bytes) -> bytes:
    """Return the same JSON without what is nested too deeply.  Slow, and therefore only for what could not be read otherwise."""
    kept: list[bytes] = []
    depth = begin = 0
    for token in _TOKENS.finditer(content):
        sign = content[token.start() : token.start() + 1]
        if sign in b"[{":
            if depth == DEEPEST:
                kept += (content[begin : token.start()], _TOO_DEEP)
            depth += 1
        elif sign in b"]}":
            depth -= 1
            if depth == DEEPEST:
                begin = token.end()
    return b"".join([*kept, content[begin:]] if depth <= DEEPEST else kept)


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a number that JSON cannot hold")
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(name))}:{_written(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
