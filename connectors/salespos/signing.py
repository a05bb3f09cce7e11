"""How SalesPOS requests and answers are signed (reference: salespos.md §4).

Everything is computed over exact bytes: the URI as it is sent, the body as it is sent or received, the date as it is written.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from connectors.sense import told_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Keys:
    """The public key that names the caller and the secret key that signs."""

    public: str
    secret: str = field(repr=False)


def digest(keys: Keys, *, method: str, uri: str, body: bytes, date: str) -> str:
    """Return the ``x-hash``: HMAC-SHA512 in lower-case hex over ``public|METHOD|uri|body|x-date``.

    ``uri`` is the path with its query string, without the host.
    """
    message = f"{keys.public}|{method.upper()}|{uri}|".encode() + body + f"|{date}".encode("utf-8", "replace")
    return hmac.digest(keys.secret.encode(), message, "sha512").hex()


def stamp(moment: datetime) -> str:
    """Return a moment as ``x-date`` and as every other date on the wire: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signed_headers(keys: Keys, *, method: str, uri: str, body: bytes, moment: datetime) -> dict[str, str]:
    """Return the three headers that every request carries."""
    date = stamp(moment)
    return {"x-public": keys.public, "x-date": date, "x-hash": digest(keys, method=method, uri=uri, body=body, date=date)}


def is_genuine(keys: Keys, *, method: str, uri: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Tell whether an answer's ``x-hash`` is the one of its body; an answer without signature is not genuine.

    ``method`` and ``uri`` are those of the request, ``headers`` has lower-case keys.
    """
    expected = digest(keys, method=method, uri=uri, body=body, date=headers.get("x-date", ""))
    return hmac.compare_digest(expected.encode(), headers.get("x-hash", "").lower().encode("utf-8", "replace"))


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the vendor's clock at an answer: its ``x-date``, else the ``date`` of HTTP, else ``None``; nor one that cannot be."""
    return told_moment(headers.get("x-date", "")) or told_moment(headers.get("date", ""))
