"""The log: one JSON object a line (or columns for eyes) on standard error.

Every line, ours or a library's, goes through the same chain: redaction, so that no secret and no personal data is ever written, and
a count by level, so that a log worth reading shows in the metrics.  Of lines that say the same again and again the first of a minute are
written; how many were not stands as ``left_out`` in the next line that is.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

import structlog

from daemon.core.outside import REDACTED, clean
from daemon.observe.flood import Flood, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from structlog.typing import EventDict, Processor, WrappedLogger

    from daemon.observe.metrics import Metrics

#: so much of one value is written, and so much of where an exception came from
_LONGEST: Final = 4_000
_LONGEST_TRACE: Final = 16_000
#: so many causes of an exception are followed
_DEEPEST: Final = 6
#: a key that contains one of these names a secret or a person
_KEY_PARTS = (
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "cookie",
    "api_key",
    "credential",
    "email",
    "e_mail",
    "phone",
    "address",
)
#: a key that is one of these names a person
_KEYS = frozenset(
    {
        *("name", "first_name", "last_name", "full_name", "customer_name", "company", "company_name", "contact", "customer"),
        *("street", "postal_code", "city", "iban", "vat_number", "organisation_number", "birthday", "x-hash", "signature"),
    },
)
#: where a line of the log keeps its traceback
_TRACE: Final = "exception"
#: whose exceptions speak for themselves
_OURS: Final = frozenset({"daemon", "connectors"})


def _is_private(key: str) -> bool:
    plain = key.lower().replace("-", "_")
    return plain in _KEYS or any(part in plain for part in _KEY_PARTS)


def _key(key: Any) -> Any:
    return clean(key) if isinstance(key, str) else key


def redact(value: Any) -> Any:
    """Return ``value`` with every private key replaced and every text cleaned, at any depth."""
    if isinstance(value, str):
        return clean(value, limit=_LONGEST)
    if isinstance(value, dict):
        return {_key(key): REDACTED if _is_private(str(key)) and item not in (None, "") else redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(str(value), limit=_LONGEST)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> Mapping[str, Any]:
    trace = event.pop(_TRACE, None)
    cleaned: dict[str, Any] = redact(event)
    return cleaned if trace is None else {**cleaned, _TRACE: clean(str(trace), limit=_LONGEST_TRACE, lines=True)}


def traceback_of(error: BaseException, *, deep: int = _DEEPEST) -> str:
    """Return where an exception came from, with its causes; what it says only where the words are ours.

    What a library says of a value quotes it, and the value may be a person's or a secret.
    """
    kind = type(error)
    words = f": {clean(str(error))}" if kind.__module__.partition(".")[0] in _OURS else ""
    if isinstance(error, OSError) and error.strerror:
        words = f": {error.strerror}"
    own = "".join(traceback.format_tb(error.__traceback__)) + f"{kind.__module__}.{kind.__qualname__}{words}\n"
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    causes = [one for one in (before, *inner) if one is not None] if deep > 1 else []
    return "".join([*(f"{traceback_of(one, deep=deep - 1)}\n" for one in causes), own])


def _format_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event[_TRACE] = traceback_of(error)
    return event


def _counter(metrics: Metrics) -> Processor:
    def count(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        metrics.logged(str(event.get("level", "info")))
        return event

    return count


def _gate(flood: Flood) -> Processor:
    def gate(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if event.get("level") != "debug" and not flood.admits(kind_of(event)):
            raise structlog.DropEvent
        return event

    return gate


def _teller(flood: Flood) -> Processor:
    def tell(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if left_out := flood.left_out():
            event["left_out"] = {clean(what): lines for what, lines in left_out.items()}
        return event

    return tell


class _Gate(logging.Filter):
    """The same for the lines of libraries, which a formatter could not drop any more."""

    def __init__(self, flood: Flood, metrics: Metrics | None) -> None:
        super().__init__()
        self._flood = flood
        self._metrics = metrics

    def filter(self, record: logging.LogRecord) -> bool:
        level = record.levelname.lower()
        if self._metrics is not None:
            self._metrics.logged(level)
        return self._flood.admits(kind_of({"level": level, "logger": record.name, "event": record.getMessage()}))


def configure(level: str, form: str, metrics: Metrics | None = None, *, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for the whole process.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; libraries are heard from ``warning`` upward at most.
        form: ``json`` or ``console``.
        metrics: counts the lines by level.
        stream: where to write; standard error by default.
    """
    target = stream or sys.stderr
    flood = Flood()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _format_trace,
        _teller(flood),
    ]
    own: list[Processor] = [*([_counter(metrics)] if metrics is not None else []), _gate(flood)]
    renderer: Processor = structlog.processors.JSONRenderer()
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=target.isatty())
    structlog.configure(
        processors=[*chain[:2], *own, *chain[2:], _redact_event, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*chain[1:], structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
        ),
    )
    handler.addFilter(_Gate(flood, metrics))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines hold the addresses, which are secrets; we count the results
