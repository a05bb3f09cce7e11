"""What a refusal of eAccounting means: status and code into the taxonomy of the port (reference: eaccounting.md section 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from connectors.boundary import attempt
from connectors.eaccounting.wire import ErrorBody, TokenError
from connectors.port import Conflict, ConnectorError, Locked, Missing, Rejected, Throttled, Transient, Unauthorized, Uncertain
from connectors.sense import asked_wait, bounded_wait

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.http import Response

#: a query or filter that the vendor does not take: 6000 names a parameter, 6001 its value
BAD_QUERY: Final = frozenset({"6000", "6001"})
#: a body that the vendor does not take
INVALID: Final = "2000"

#: refusals that pass by themselves
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
_NOT_FOUND: Final = "3000"
_CONFLICT: Final = "4000"
#: the day lies in a locked period (4026), or in a locked fiscal year (4038)
_LOCKED: Final = frozenset({"4026", "4038"})
_NOT_AUTHORIZED: Final = "4005"
_TOO_MANY: Final = "4010"
#: how long to wait when the vendor does not say: the window of its limit
_WINDOW_SECONDS: Final = 60.0
#: of a refusal: so many fields are named, a code and a text are cut to so many characters
_MOST_FIELDS: Final = 10
_LONGEST_CODE: Final = 40
_LONGEST_TEXT: Final = 1000
_TRY_AGAIN = re.compile(r"[Tt]ry again in ([0-9]{1,9}(?:\.[0-9]{1,9})?) second")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a request is, as far as its refusal depends on it.

    ``effect``: repeating it could do harm.  ``addressed``: its address names one record, so that "not found" means this one.
    ``refers``: its body names other records, so that only a 404 means the one addressed.
    """

    effect: bool = False
    addressed: bool = False
    refers: bool = False


def failure(response: Response, meaning: Meaning, *, now: datetime) -> ConnectorError:
    """Return the error that an answer other than 2xx stands for; ``now`` is our clock, for a moment in ``Retry-After``."""
    code, text = _read(response.content)
    status = response.status
    code = code or str(status)
    # a page of something between us and the vendor says nothing about the record, whatever its status
    foreign = response.is_page and status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.BAD_REQUEST or status in _PASSING or foreign:
        kind = Uncertain if meaning.effect else Transient
        return kind(text or f"answered {status}", code=code, retry_after=_asked(response, text, now=now))
    if status == HTTPStatus.TOO_MANY_REQUESTS or code == _TOO_MANY:
        return Throttled(text or "too many requests", code=code, retry_after=retry_after(response, text, now=now))
    if status == HTTPStatus.UNAUTHORIZED or code == _NOT_AUTHORIZED:
        return Unauthorized(text or "not authorized", code=code)
    if status == HTTPStatus.CONFLICT or code == _CONFLICT:
        return Conflict(text or "exists already", code=code)
    if meaning.addressed and (status == HTTPStatus.NOT_FOUND or (code == _NOT_FOUND and not meaning.refers)):
        return Missing(text or "not found", code=code)
    if code in _LOCKED:
        return Locked(text or "the period is locked", code=code)
    return Rejected(text or f"refused with {status}", code=code)


def retry_after(response: Response, text: str, *, now: datetime) -> float:
    """Return how many seconds to wait after a 429: the header, else the text's "Try again in N seconds", else a minute."""
    asked = _asked(response, text, now=now)
    return _WINDOW_SECONDS if asked is None else asked


def oauth_error(content: bytes) -> str:
    """Return the ``error`` of a token request that was refused, or an empty string when the answer is none (RFC 6749 section 5.2)."""
    return attempt(lambda: TokenError.model_validate_json(content).error, "")


def _asked(response: Response, text: str, *, now: datetime) -> float | None:
    asked = asked_wait(response.headers.get("retry-after", ""), now)
    found = _TRY_AGAIN.search(text)
    return bounded_wait(float(found[1])) if asked is None and found else asked


def _read(content: bytes) -> tuple[str, str]:
    """Return code and text of an error's body; both empty when it is none of the vendor's."""
    body = attempt(lambda: ErrorBody.model_validate_json(content), None)
    if body is None:
        return "", ""
    parts = [body.developer_error_message or ""]
    parts += [f"{error.field or '-'}: {error.message or error.error_code or ''}" for error in (body.errors or ())[:_MOST_FIELDS]]
    return str(body.error_code or "")[:_LONGEST_CODE], "; ".join(part[:_LONGEST_TEXT] for part in parts if part)
