"""Signing in as a person: the address to open, the answer that comes back, and the tokens it is worth (reference: section 3).

The code flow of RFC 6749 with the proof of RFC 7636 (PKCE, S256): the code alone, seen on its way, is worth nothing.  No I/O but the one
exchange.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from connectors.boundary import attempt
from connectors.eaccounting import errors
from connectors.eaccounting.signin import MOST_TOKENS, read_tokens
from connectors.http import Request
from connectors.offer import OtherSignIn, SignInRefused
from connectors.port import Tokens, Unreadable
from connectors.sense import token_life

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.http import HttpClient
    from connectors.port import Clock

#: what is asked for; bank accounts belong to the purchases, and are only read (reference: section 3)
SCOPES: Final = ("ea:api", "offline_access", "ea:sales", "ea:accounting", "ea:purchase_readonly")
#: the shortest verifier that RFC 7636 allows has 43 characters: 32 bytes
_BYTES: Final = 32
#: of an address that a browser is sent back to
_LONGEST_ADDRESS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Application:
    """Who asks: the client that is registered at the identity server at this address."""

    identity: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in on its way.  ``address`` is what the person opens, ``redirect_uri`` where the vendor sends the browser afterwards."""

    address: str
    redirect_uri: str
    application: Application
    state: str = field(repr=False)
    verifier: str = field(repr=False)

    def code_from(self, address: str) -> str:
        """Return the code in the address to which the browser was sent back; its query alone will do.

        Raises:
            OtherSignIn: it belongs to no sign-in or to another one.
            SignInRefused: the vendor or the person refused.
        """
        text = address.strip()
        if len(text) > _LONGEST_ADDRESS:
            raise OtherSignIn("this is not the answer to this sign-in")
        answer = attempt(lambda: dict(parse_qsl(urlsplit(text).query if "?" in text else text)), {})
        if not secrets.compare_digest(answer.get("state", "").encode("utf-8", "replace"), self.state.encode()):
            raise OtherSignIn("this is not the answer to this sign-in")
        if error := answer.get("error"):
            raise SignInRefused(f"the sign-in was refused: {error[:100]}")
        if not answer.get("code"):
            raise OtherSignIn("there is no code in this address")
        return answer["code"]

    async def exchange(self, code: str, *, http: HttpClient, clock: Clock) -> Tokens:
        """Exchange a code, which works once, for tokens.

        Raises:
            SignInRefused: the identity server refuses the code or the client, or gives no token that can be renewed.
            ConnectorError: it could not be asked.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            "client_id": self.application.client_id,
            "client_secret": self.application.client_secret,
        }
        asked_at = clock.now()
        response = await http.send(
            Request(
                "POST",
                f"{self.application.identity.rstrip('/')}/connect/token",
                headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
                content=urlencode(form).encode(),
                budget="/connect/token",
                effect=True,
                most=MOST_TOKENS,
            )
        )
        if not response.ok:
            raise SignInRefused(f"the identity server refuses: {errors.oauth_error(response.content) or response.status}")
        answer = read_tokens(response.content, error=Unreadable)
        if not answer.refresh_token:
            raise SignInRefused("the sign-in cannot be renewed: offline_access was not granted to this application")
        expires_at = asked_at + (token_life(answer.expires_in) if answer.access_token else timedelta())
        return Tokens(answer.access_token or "", answer.refresh_token, expires_at, scope=answer.scope or " ".join(SCOPES), generation=1)


def begin(application: Application, redirect_uri: str, *, token: Callable[[int], str] = secrets.token_urlsafe) -> Attempt:
    """Return a new sign-in; ``token`` makes URL-safe secrets of so many bytes.

    The person chooses the company, so that nobody signs in to the one that was used last by mistake.
    """
    state, verifier = token(_BYTES), token(_BYTES)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "client_id": application.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "state": state,
        "prompt": "select_account",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    address = f"{application.identity.rstrip('/')}/connect/authorize?{urlencode(query)}"
    return Attempt(address, redirect_uri, application, state, verifier)
