"""Errors that a person can cure, as one line and an exit code."""

from __future__ import annotations

from connectors.sandbox.receipts import BrokenReceipts
from daemon.observe.log import traceback_of
from daemon.settings import ConfigurationError
from daemon.state.owner import AlreadyRunning
from daemon.state.port import StoreError
from daemon.web.serve import CannotListen

WRONG_CONFIGURATION = 78
FAILED = 1

_CODES: dict[type[BaseException], int] = {
    ConfigurationError: WRONG_CONFIGURATION,
    AlreadyRunning: WRONG_CONFIGURATION,
    CannotListen: WRONG_CONFIGURATION,
    StoreError: FAILED,
    BrokenReceipts: FAILED,
}


def explain(error: BaseException) -> tuple[str, int] | None:
    """Return the line and the exit code; ``None`` for what is a fault of this program.

    Of several errors that ended the process together, the first that can be explained speaks.
    """
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := explain(inner)) is not None), None)
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), None)
    return None if code is None else (str(error), code)


def crash(error: BaseException) -> str:
    """Return what is printed of a fault of this program: where it happened, and no word of a record or a secret."""
    return f"A fault of this program; please report it:\n{traceback_of(error)}"
