"""What a refusal of SalesPOS means for whoever asked (reference: salespos.md §5.5; what is assumed is marked in the dialect)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connectors.boundary import attempt
from connectors.bounded_json import from_json
from connectors.port import Conflict, ConnectorError, Missing, Rejected, Transient, Unauthorized, Uncertain, Unreadable
from connectors.salespos import dialect

if TYPE_CHECKING:
    from connectors.http import Response

_SERVER_ERRORS: Final = range(500, 600)
_LONGEST_CODE: Final = 40
_LONGEST_TEXT: Final = 1000


class Forbidden(Unauthorized):
    """The key is good, and lacks the right to read this."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not a success.  ``readable`` says that its body is an error as the vendor writes them."""

    status: int
    code: str
    text: str
    readable: bool


def read_refusal(status: int, content: bytes) -> Refusal:
    """Read the answer of a request that did not succeed, whatever its body is."""
    body = attempt(lambda: from_json(content), None)
    if not isinstance(body, dict) or not any(body.get(name) for name in ("code", "status", "developermessage")):
        return Refusal(status, str(status), f"answered with status {status} and no error that can be read", readable=False)
    code, text = body.get("code") or status, body.get("developermessage") or f"answered with status {status}"
    return Refusal(status, str(code)[:_LONGEST_CODE], str(text)[:_LONGEST_TEXT], readable=True)


def refuses(response: Response) -> bool:
    """Tell whether an answer is the vendor's own no although its status is 5xx: the vendor is well."""
    return not response.ok and read_refusal(response.status, response.content).code in dialect.REFUSALS | {dialect.EXISTS}


def error_of(refusal: Refusal, *, write: bool) -> ConnectorError:
    """Return the error to raise for anything but a met rate limit.

    A write whose refusal is not surely without effect is uncertain.  A page that is not the vendor's own answer (a proxy's, another
    site's) proves nothing about a record.
    """
    status, code, text = refusal.status, refusal.code, refusal.text
    if status == dialect.UNAUTHORIZED:
        kind: type[ConnectorError] = Unauthorized
    elif not refusal.readable:
        garbled = Transient if status in _SERVER_ERRORS else Unreadable
        kind = Uncertain if write else garbled
    elif status == dialect.FORBIDDEN:
        kind = Rejected if write else Forbidden
    elif code != dialect.UNKNOWN_RESOURCE and (status == dialect.NOT_FOUND or code.startswith(f"{dialect.NOT_FOUND}.")):
        kind = Missing
    elif write:
        refused = status not in _SERVER_ERRORS or code in dialect.REFUSALS
        kind = Conflict if code == dialect.EXISTS else Rejected if refused else Uncertain
    else:
        kind = Transient if status in _SERVER_ERRORS and code not in dialect.REFUSALS else Unreadable
    return kind(text, code=code)
