"""The signature of requests and answers (reference: transport and authentication)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime


def sign(public: str, secret: str, *, method: str, uri: str, body: str, date: str) -> str:
    """Return the lower-case hex HMAC-SHA512 over ``public|METHOD|uri|body|date``.

    ``uri`` is path and query exactly as sent, without the host; ``body`` the exact text, empty when there is none.
    """
    text = f"{public}|{method}|{uri}|{body}|{date}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two signatures without telling by the time taken where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def read_date(text: str) -> datetime | None:
    """Read an ``x-date``: ISO 8601 with ``Z``, ``+00:00`` or ``+0000``; ``None`` when it is not one or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def write_date(moment: datetime) -> str:
    """Write a moment as the vendor does: ``YYYY-MM-DDThh:mm:ssZ``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
