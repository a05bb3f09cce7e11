"""The last line behind every boundary: whatever is raised for one record is that record's, and nothing that is data ends the process."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from connectors.port import Throttled, Transient, Unauthorized, Uncertain, Unreachable
from daemon.core.message import message
from daemon.state.port import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import CodeType

    from daemon.core.message import Message

K = TypeVar("K")
T = TypeVar("T")
F = TypeVar("F")

#: all that ends the process: without its store nothing that it promises can be kept, and without memory nothing at all.  What cancels a
#: task (the loop that ends, a signal) is no :class:`Exception`, and passes by itself.
ENDS_THE_PROCESS: Final = (StoreError, MemoryError)
#: what is not the record's own doing
_OF_THE_CONNECTION: Final = (Unreachable, Throttled, Transient, Uncertain, Unauthorized)
_HOUSE: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of this program: what it was and where, without any value; ``mark`` is the same for the same cause."""

    what: str
    where: str
    mark: str

    @property
    def says(self) -> Message:
        """What is said of it to a person."""
        return message("detail.internal", what=self.what, where=self.where, mark=self.mark)


def cause_of(error: Exception) -> Exception:
    """Return what was raised, out of the groups in which tasks that run together raise it; what ends the process goes before the rest."""
    if not isinstance(error, ExceptionGroup):
        return error
    leaves = [cause_of(one) for one in error.exceptions]
    return next((one for one in leaves if isinstance(one, ENDS_THE_PROCESS)), leaves[0])


def survived(error: Exception) -> Exception:
    """Return the cause of what was raised for data; raises it again when it ends the process."""
    cause = cause_of(error)
    if isinstance(cause, ENDS_THE_PROCESS):
        raise cause
    return cause


def fault_of(error: Exception) -> Fault:
    """Describe a fault of this program.  The text of an error is no part of it: it may quote what came from outside."""
    cause = cause_of(error)
    places = [place for frame, line in traceback.walk_tb(cause.__traceback__) if (place := _place(frame.f_code, line))]
    what, where = type(cause).__name__, places[-1] if places else "?"
    mark = hashlib.blake2b(f"{what} {where}".encode(), digest_size=4).hexdigest()
    return Fault(what, where, mark)


def _place(code: CodeType, line: int) -> str:
    """Return where in the program a frame stands; nothing for what is not the program's own.  No file is read for it."""
    path = Path(code.co_filename)
    own = path.relative_to(_HOUSE).with_suffix("").parts if path.is_relative_to(_HOUSE) else ()
    return ".".join((*own, f"{code.co_qualname}:{line}")) if own and own[0] in {"daemon", "connectors"} else ""


async def each_alone(
    gather: Callable[[Mapping[K, T]], Awaitable[Mapping[K, F]]], given: Mapping[K, T]
) -> tuple[dict[K, F], dict[K, Exception]]:
    """Return what is gathered for all at once; where that fails, for one after the other, and which of them it fails for.

    Raises what ends the process, and what says that a vendor is away: that is no record's own.
    """
    try:
        return dict(await gather(given)), {}
    except Exception as error:
        failed = survived(error)
        if isinstance(failed, _OF_THE_CONNECTION):
            raise failed from error
    if len(given) == 1:
        return {}, dict.fromkeys(given, failed)
    found: dict[K, F] = {}
    without: dict[K, Exception] = {}
    for key, one in given.items():
        more, failures = await each_alone(gather, {key: one})
        found |= more
        without |= failures
    return found, without
