"""A short mark of what went wrong: the same for the same fault, whatever the record."""

from __future__ import annotations

import hashlib
import traceback
from typing import Final

#: how many of the innermost places make the mark
_PLACES: Final = 5


def innermost(error: BaseException) -> BaseException:
    """Return what really went wrong, of the first of several."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def fingerprint(error: BaseException) -> str:
    """Return eight hexadecimal digits for the kind of an error and its place; its text, which may quote a record, is not in it."""
    cause = innermost(error)
    frames = traceback.extract_tb(cause.__traceback__)[-_PLACES:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.name}" for frame in frames]
    return hashlib.sha256("\n".join([type(cause).__qualname__, *places]).encode()).hexdigest()[:8]
