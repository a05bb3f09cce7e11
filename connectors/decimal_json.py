"""JSON in which a number is exactly its digits: fractions are read and written as :class:`~decimal.Decimal`, never as binary ones."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn


def from_json(content: bytes) -> Any:
    """Read JSON, numbers with a fraction as :class:`~decimal.Decimal`.

    Raises:
        ValueError: it is not JSON, holds what JSON has no number for, or is nested too deeply.
    """
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def to_json(value: Any) -> bytes:
    """Write JSON, a decimal with all its digits and no exponent.

    Raises:
        ValueError: a number that JSON cannot hold, or text that is no Unicode.
    """
    return _written(value).encode()


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


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
