"""The sign-in server: refresh tokens that work once, access tokens that last an hour (reference: eaccounting.md section 3)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote_plus

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

LIFETIME: Final = 3600


@dataclass(slots=True)
class Chain:
    """All tokens that follow from one consent.  A chain whose refresh token was used twice is dead."""

    scopes: str
    alive: bool = True


@dataclass(slots=True)
class Access:
    """An access token: whose it is, until when it is accepted, and how many requests it carried."""

    chain: Chain
    expires: datetime
    requests: int = 0
    revoked: bool = False


@dataclass
class Identity:
    """The tokens of one client that a company has consented to."""

    clock: Callable[[], datetime]
    scopes: str
    seed: int
    client_id: str = "kassabrug-sandbox"
    client_secret: str = field(init=False)
    access: dict[str, Access] = field(default_factory=dict, init=False)
    refresh: dict[str, Chain] = field(default_factory=dict, init=False)
    used: dict[str, Chain] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Seed the tokens, so that two runs with one seed have the same."""
        self._random = Random(f"identity-{self.seed}")  # noqa: S311 - tokens of a simulation
        self.client_secret = self._token()

    def consent(self) -> tuple[str, str]:
        """Return a new refresh token and a new access token."""
        return self._issue(Chain(self.scopes))

    def check(self, token: str) -> Access | None:
        """Return an access token that is accepted now."""
        found = self.access.get(token)
        if found is None or found.revoked or found.expires <= self.clock():
            return None
        return found

    async def token(self, request: Request) -> Response:
        """Answer ``POST /connect/token``."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            return _refused("invalid_request")
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if not self._is_client(request, form):
            return _refused("invalid_client")
        if form.get("grant_type") != "refresh_token":
            return _refused("unsupported_grant_type")
        token = form.get("refresh_token", "")
        reused = self.used.get(token)
        if reused is not None:
            reused.alive = False
        chain = self.refresh.pop(token, None)
        if chain is None or not chain.alive:
            return _refused("invalid_grant")
        self.used[token] = chain
        refresh, access = self._issue(chain)
        answer = {
            "access_token": access,
            "expires_in": LIFETIME,
            "token_type": "Bearer",
            "refresh_token": refresh,
            "scope": chain.scopes,
        }
        return _json(200, answer)

    async def revocation(self, request: Request) -> Response:
        """Answer ``POST /connect/revocation``: an unknown token is no error."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if not self._is_client(request, form):
            return _refused("invalid_client")
        token = form.get("token", "")
        chain = self.refresh.pop(token, None)
        if chain is not None:
            chain.alive = False
            for access in self.access.values():
                access.revoked = access.revoked or access.chain is chain
        elif token in self.access:
            self.access[token].revoked = True
        return Response(status_code=200)

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                client, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return False
            client, secret = unquote_plus(client), unquote_plus(secret)
        return (client, secret) == (self.client_id, self.client_secret)

    def _issue(self, chain: Chain) -> tuple[str, str]:
        now = self.clock()
        self.access = {token: one for token, one in self.access.items() if one.expires > now}
        refresh, access = self._token(), self._token()
        self.refresh[refresh] = chain
        self.access[access] = Access(chain, now + timedelta(seconds=LIFETIME))
        return refresh, access

    def _token(self) -> str:
        return base64.urlsafe_b64encode(self._random.randbytes(32)).decode().rstrip("=")


def _json(status: int, body: dict[str, object]) -> Response:
    return Response(json.dumps(body), status, {"cache-control": "no-store"}, "application/json; charset=utf-8")


def _refused(error: str) -> Response:
    return _json(400, {"error": error})
