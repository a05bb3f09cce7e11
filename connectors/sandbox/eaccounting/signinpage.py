"""The page on which a person lets a program into a company: one button (reference: eaccounting.md section 3)."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from connectors.sandbox.eaccounting.identity import SCOPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from connectors.sandbox.eaccounting.identity import Identity

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_PROMPTS: Final = frozenset({"", "consent", "login", "none", "select_account"})
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>{text}</p>
{form}
</body>
</html>
"""


class SignIn:
    """``/connect/authorize``: shows the page, and sends the person back with a code once the button is pressed."""

    def __init__(self, identity: Identity, *, company: str, registered: tuple[str, ...]) -> None:
        self._identity = identity
        self._company = company
        self._registered = registered

    async def __call__(self, request: Request) -> Response:
        """Answer the address that a program opens (GET), and the button (POST)."""
        pressed = request.method == "POST"
        asked = dict(parse_qsl((await request.body()).decode("utf-8", "replace"))) if pressed else dict(request.query_params)
        redirect_uri = asked.get("redirect_uri", "")
        if asked.get("client_id") != self._identity.client_id:
            return _page("Sign-in refused", "unauthorized_client: this client is not known.", status=400)
        if not is_registered(redirect_uri, self._registered):
            return _page("Sign-in refused", "invalid_request: this redirect_uri is not registered.", status=400)
        error = problem(asked)
        if error:
            return _back(redirect_uri, asked, error=error)
        if not pressed:
            return self._ask(asked)
        scopes = frozenset(asked["scope"].split())
        code = self._identity.code(redirect_uri, asked.get("code_challenge", ""), scopes)
        return _back(redirect_uri, asked, code=code, scope=" ".join(sorted(scopes)))

    def _ask(self, asked: Mapping[str, str]) -> Response:
        who = {
            "login": "Sign in again as jo@winkel.example.",
            "select_account": f"Choose a company: {self._company}.",
        }.get(asked.get("prompt", ""), f"Signed in as jo@winkel.example, in {self._company}.")
        fields = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in asked.items())
        form = f'<form method="post" action="/connect/authorize">{fields}<button type="submit">Allow</button></form>'
        return _page(f"Let {self._identity.client_id} in?", f"{who} It asks for: {asked['scope']}.", form)


def is_registered(address: str, registered: tuple[str, ...]) -> bool:
    """Tell whether a person may be sent back to an address: exactly a registered one, on loopback with any port (RFC 8252)."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            if parts.netloc == f"{host}:{parts.port}":
                address = urlunsplit(parts._replace(netloc=host))
    except ValueError:
        return False
    return address in registered


def problem(asked: Mapping[str, str]) -> str:
    """Return the OAuth error of a request whose sender may be told, or nothing."""
    scopes = asked.get("scope", "").split()
    challenge, method = asked.get("code_challenge", ""), asked.get("code_challenge_method", "")
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if not scopes or not SCOPES.issuperset(scopes):
        return "invalid_scope"
    if (challenge or method) and (method != "S256" or not _CHALLENGE.fullmatch(challenge)):
        return "invalid_request"
    prompt = asked.get("prompt", "")
    if prompt not in _PROMPTS:
        return "invalid_request"
    return "login_required" if prompt == "none" else ""


def _back(address: str, asked: Mapping[str, str], **answer: str) -> Response:
    state = {"state": asked["state"]} if "state" in asked else {}
    joint = "&" if urlsplit(address).query else "?"
    return RedirectResponse(address + joint + urlencode({**answer, **state}), status_code=302)


def _page(title: str, text: str, form: str = "", *, status: int = 200) -> Response:
    return HTMLResponse(
        _PAGE.format(title=escape(title), text=escape(text), form=form), status, {"cache-control": "no-store", "x-frame-options": "DENY"}
    )
