"""What ends a command, as one line and an exit code: what a person can cure, what a machine refuses, what is a fault of this program."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from typing import TYPE_CHECKING

import structlog

from connectors.sandbox.receipts import BrokenReceipts
from daemon.engine.last_line import fault_of
from daemon.observe.log import traceback_of
from daemon.settings import ConfigurationError
from daemon.state.owner import AlreadyRunning
from daemon.state.port import StoreError
from daemon.web.serve import CannotListen

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG_CONFIGURATION = 78
FAILED = 1
INTERRUPTED = 130

_CODES: dict[type[BaseException], int] = {
    ConfigurationError: WRONG_CONFIGURATION,
    AlreadyRunning: WRONG_CONFIGURATION,
    CannotListen: WRONG_CONFIGURATION,
    StoreError: FAILED,
    BrokenReceipts: FAILED,
    KeyboardInterrupt: INTERRUPTED,
}


def explain(error: BaseException) -> tuple[str, int] | None:
    """Return the line and the exit code; ``None`` for what is a fault of this program.

    Of several errors that ended the process together, the first that can be explained speaks.
    """
    for one in _leaves(error):
        code = next((code for kind, code in _CODES.items() if isinstance(one, kind)), None)
        if code is not None:
            return str(one), code
    return None


def told(error: BaseException, command: str) -> tuple[str, int]:
    """Return the line and the exit code for whatever ended a command; the line is empty where nobody reads it."""
    known = explain(error)
    if known is not None:
        return known
    for one in _leaves(error):
        if isinstance(one, OSError) and (found := _refused(one)) is not None:
            return found, FAILED
    cause = next((one for one in _leaves(error) if isinstance(one, Exception)), None)
    if cause is None:
        return f"ended by {type(error).__name__}", FAILED
    fault = fault_of(cause)
    details = _details(error, fault.mark, command)
    return f"internal error {fault.mark}: a fault of this program ({fault.what} at {fault.where}); the details are in {details}", FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _refused(error: OSError) -> str | None:
    """Say what the system would not do: to the output, or to a file that it names."""
    why = (error.strerror or type(error).__name__).lower()
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: {why}"
    if error.errno in (errno.ENOSPC, errno.EPIPE, errno.EIO):
        try:
            sys.stdout.write("\n")  # whether it was the output that is full or gone, only writing tells
            sys.stdout.flush()
        except OSError:
            return "" if error.errno == errno.EPIPE else f"standard output: {why}"
    return None


def _details(error: BaseException, mark: str, command: str) -> str:
    """Write the details where they can be found, without what is private, and say where that is."""
    text = traceback_of(error)
    if command == "run":
        structlog.get_logger("kassabrug").error("internal_error", mark=mark, exception=text)
        return "the log, under internal_error"
    try:
        number, name = tempfile.mkstemp(prefix=f"kassabrug-{mark}-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as refused:
        return f"no file, for none can be written ({(refused.strerror or '').lower()})"
    return name
