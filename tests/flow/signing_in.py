"""A person at the vendor's sign-in page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable


def allow(address: str, change: Callable[[dict[str, str]], None] | None = None) -> str:
    """Open the address, press the button, and return where the browser is sent to.  ``change`` alters what was asked for."""
    parts = urlsplit(address)
    asked = dict(parse_qsl(parts.query))
    if change is not None:
        change(asked)
    page = f"{parts.scheme}://{parts.netloc}{parts.path}"
    with httpx2.Client() as browser:
        shown = browser.get(page, params=asked)
        assert shown.status_code == 302 or "<button" in shown.text, shown.text
        sent = browser.post(page, data=asked) if shown.status_code == 200 else shown
    assert sent.status_code == 302, sent.text
    return str(sent.headers["location"])


def arrive(address: str) -> str:
    """Let the browser load where it was sent to."""
    with httpx2.Client() as browser:
        return browser.get(address).text
