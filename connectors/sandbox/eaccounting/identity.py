"""The sign-in server's tokens: codes and refresh tokens that work once, access tokens that last an hour (reference: section 3)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote_plus

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

LIFETIME: Final = 3600
_CODE_LIFETIME: Final = timedelta(minutes=5)
_OFFLINE: Final = "offline_access"
SCOPES: Final = frozenset(
    {
        "ea:accounting",
        "ea:accounting_readonly",
        "ea:api",
        "ea:purchase",
        "ea:purchase_readonly",
        "ea:sales",
        "ea:sales_readonly",
        "ea:settings",
        "ea:settings_readonly",
        _OFFLINE,
    }
)
#: grants that the server knows, but not for this client
_NOT_FOR_CLIENT: Final = frozenset({"client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:device_code"})


@dataclass(slots=True, eq=False)
class Grant:
    """One consent, and all tokens that follow from it."""

    scopes: frozenset[str]
    alive: bool = True


@dataclass(slots=True)
class Access:
    """An access token: whose it is, until when it is accepted, and how many requests it carried."""

    grant: Grant
    expires: datetime
    requests: int = 0
    revoked: bool = False


@dataclass(slots=True)
class Refresh:
    """A refresh token; ``used`` is when it was exchanged."""

    grant: Grant
    expires: datetime
    used: datetime | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """What a sign-in page's answer can be exchanged for, once: the address that it was sent to and the challenge are part of it."""

    redirect_uri: str
    challenge: str
    scopes: frozenset[str]
    expires: datetime


@dataclass
class Identity:
    """The tokens of one client that a company has consented to."""

    clock: Callable[[], datetime]
    seed: int
    refresh_lifetime: timedelta
    reuse_grace: timedelta
    reuse_ends_grant: bool
    client_id: str = "kassabrug-sandbox"
    client_secret: str = field(init=False)
    access: dict[str, Access] = field(default_factory=dict, init=False)
    refresh: dict[str, Refresh] = field(default_factory=dict, init=False)
    codes: dict[str, Code] = field(default_factory=dict, init=False)
    spent: dict[str, Grant] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Seed the tokens, so that two runs with one seed have the same."""
        self._random = Random(f"identity-{self.seed}")  # noqa: S311 - tokens of a simulation
        self.client_secret = self._secret()

    def consent(self, scopes: str) -> tuple[str, str]:
        """Return a new refresh token and a new access token."""
        grant = Grant(frozenset(scopes.split()))
        return self._new_refresh(grant), self._new_access(grant)

    def code(self, redirect_uri: str, challenge: str, scopes: frozenset[str]) -> str:
        """Return a new code for what a person just allowed."""
        code = self._secret()
        self.codes[code] = Code(redirect_uri, challenge, scopes, self.clock() + _CODE_LIFETIME)
        return code

    def check(self, token: str) -> Access | None:
        """Return an access token that is accepted now."""
        found = self.access.get(token)
        if found is None or found.revoked or not found.grant.alive or found.expires <= self.clock():
            return None
        return found

    def end_all(self) -> int:
        """End every grant, as a new password of the user does (reference: section 3); return how many there were."""
        grants = {one.grant for one in self.refresh.values()} | {one.grant for one in self.access.values()}
        ended = [grant for grant in grants if grant.alive]
        for grant in ended:
            grant.alive = False
        return len(ended)

    async def token(self, request: Request) -> Response:
        """Answer ``POST /connect/token``."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            return refused("invalid_request")
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if not self._is_client(request, form):
            return refused("invalid_client")
        kind = form.get("grant_type", "")
        if kind == "refresh_token":
            return self._refresh(form.get("refresh_token", ""))
        if kind == "authorization_code":
            return self._exchange(form)
        return refused("unauthorized_client" if kind in _NOT_FOR_CLIENT else "unsupported_grant_type")

    async def revocation(self, request: Request) -> Response:
        """Answer ``POST /connect/revocation``: an unknown token is no error."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if not self._is_client(request, form):
            return refused("invalid_client")
        token = form.get("token", "")
        if token in self.refresh:
            self.refresh[token].grant.alive = False
        elif token in self.access:
            self.access[token].revoked = True
        return Response(status_code=200)

    def _refresh(self, token: str) -> Response:
        now = self.clock()
        found = self.refresh.get(token)
        if found is None or not found.grant.alive or found.expires <= now:
            return refused("invalid_grant")
        if found.used is not None and now - found.used >= self.reuse_grace:
            found.grant.alive = not self.reuse_ends_grant
            return refused("invalid_grant")
        found.used = found.used or now
        return self._granted(found.grant)

    def _exchange(self, form: Mapping[str, str]) -> Response:
        value = form.get("code", "")
        code = self.codes.pop(value, None)
        if code is None:
            if value in self.spent:  # somebody else has it too
                self.spent[value].alive = False
            return refused("invalid_grant")
        proven = not code.challenge and not form.get("code_verifier")
        if code.challenge:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            proven = base64.urlsafe_b64encode(digest).decode().rstrip("=") == code.challenge
        if not proven or code.expires <= self.clock() or form.get("redirect_uri") != code.redirect_uri:
            return refused("invalid_grant")
        grant = self.spent[value] = Grant(code.scopes)
        return self._granted(grant)

    def _granted(self, grant: Grant) -> Response:
        body: dict[str, object] = {
            "access_token": self._new_access(grant),
            "expires_in": LIFETIME,
            "token_type": "Bearer",
            "scope": " ".join(sorted(grant.scopes)),
        }
        if _OFFLINE in grant.scopes:
            body["refresh_token"] = self._new_refresh(grant)
        return _json(200, body)

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

    def _new_refresh(self, grant: Grant) -> str:
        token = self._secret()
        self.refresh[token] = Refresh(grant, self.clock() + self.refresh_lifetime)
        return token

    def _new_access(self, grant: Grant) -> str:
        now = self.clock()
        self.access = {token: one for token, one in self.access.items() if one.expires > now}
        token = self._secret()
        self.access[token] = Access(grant, now + timedelta(seconds=LIFETIME))
        return token

    def _secret(self) -> str:
        return base64.urlsafe_b64encode(self._random.randbytes(32)).decode().rstrip("=")


def refused(error: str) -> Response:
    """Return an OAuth error (RFC 6749 section 5.2)."""
    return _json(400, {"error": error})


def _json(status: int, body: dict[str, object]) -> Response:
    return Response(json.dumps(body), status, {"cache-control": "no-store"}, "application/json; charset=utf-8")
