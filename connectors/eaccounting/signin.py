"""The keeper of one connection's tokens.

A refresh token can be used once, and using it twice may end the sign-in (reference: eaccounting.md sections 3 and 7, 9).  So one
refresher works at a time, in all processes; it first looks whether somebody else was faster; and the new refresh token is durable before
the access token that came with it is used.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import anyio
from pydantic import ValidationError

from connectors.eaccounting import errors
from connectors.eaccounting.wire import TokenAnswer
from connectors.http import Request
from connectors.port import ConnectorError, Throttled, Tokens, Transient, Unauthorized, Uncertain

if TYPE_CHECKING:
    from connectors.eaccounting.config import EAccountingConfig
    from connectors.http import HttpClient, Response
    from connectors.port import Clock, HttpObserver, TokenStore

#: a token is refreshed this long before it expires
_EARLY: Final = timedelta(seconds=60)
#: how long an access token of the configuration is trusted; a 401 refreshes it sooner
_CONFIGURED_LIFE: Final = timedelta(hours=1)
#: errors after which the same tokens will be refused again (RFC 6749 section 5.2)
_DENIED: Final = frozenset(
    {"invalid_grant", "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type"}
)


class TokenKeeper:
    """Gives out the access token of one connection and renews it.

    Network trouble is :class:`Unreachable`, :class:`Transient` or :class:`Throttled`, never :class:`Unauthorized`: that is only what the
    identity server said about the tokens.  ``http`` is the client for the identity server.
    """

    def __init__(
        self, config: EAccountingConfig, *, http: HttpClient, store: TokenStore, clock: Clock, observer: HttpObserver | None = None
    ) -> None:
        self._config = config
        self._http = http
        self._store = store
        self._clock = clock
        self._observer = observer
        self._held: Tokens | None = None
        self._denied: Unauthorized | None = None
        self._denied_token = ""

    async def current(self) -> Tokens:
        """Return tokens whose access token is good for a while yet.

        Raises:
            Unauthorized: there are no tokens, or the identity server no longer takes them.
        """
        if self._held is None:
            self._held = await self._store.load() or await self._first()
        if not self._expires_within(self._held, _EARLY):
            return self._held
        try:
            return await self.renew(self._held)
        except Unauthorized:
            raise
        except ConnectorError:
            if self._expires_within(self._held, timedelta()):
                raise
            return self._held  # the identity server is away, and the token is good for its last seconds

    async def renew(self, spent: Tokens) -> Tokens:
        """Return tokens newer than ``spent``, whose access token was refused or is about to expire."""
        async with self._store.exclusive():
            stored = await self._store.load() or spent
            if stored.access_token != spent.access_token and not self._expires_within(stored, _EARLY):
                self._held = stored
                return stored
            # From here to the end of save() the new refresh token exists only in this task.
            with anyio.CancelScope(shield=True):
                fresh = await self._refresh(stored)
            self._held = fresh
            return fresh

    async def _first(self) -> Tokens:
        """Take the tokens of the configuration: there was no sign-in before."""
        config = self._config
        async with self._store.exclusive():
            stored = await self._store.load()
            if stored is not None:
                return stored
            if not config.refresh_token and not config.access_token:
                raise Unauthorized("never signed in")
            expires_at = self._clock.now() + (_CONFIGURED_LIFE if config.access_token else timedelta())
            tokens = Tokens(config.access_token, config.refresh_token, expires_at)
            await self._store.save(tokens)
            return tokens

    async def _refresh(self, tokens: Tokens) -> Tokens:
        """Exchange the refresh token and save what came of it; when it is denied, look once whether the store knows a newer one."""
        try:
            return await self._exchange(tokens)
        except Unauthorized:
            stored = await self._store.load()
            if stored is None or stored.refresh_token == tokens.refresh_token:
                raise
            return stored if not self._expires_within(stored, _EARLY) else await self._exchange(stored)

    async def _exchange(self, tokens: Tokens) -> Tokens:
        if self._denied is not None and self._denied_token == tokens.refresh_token:
            raise Unauthorized(self._denied.text, code=self._denied.code)  # asking again would be denied again
        try:
            asked_at = self._clock.now()
            try:
                answer = await self._ask(tokens.refresh_token)
            except Uncertain:
                # The answer was lost, and with it perhaps the new token: the old one is all there is, so it is tried once more.
                asked_at = self._clock.now()
                answer = await self._ask(tokens.refresh_token)
        except Unauthorized as denied:
            self._denied, self._denied_token = denied, tokens.refresh_token
            self._tell("denied", tokens)
            raise
        except Uncertain as lost:
            self._tell("error", tokens)
            raise Transient(lost.text, code=lost.code, retry_after=lost.retry_after) from lost
        except ConnectorError:
            self._tell("error", tokens)
            raise
        fresh = Tokens(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token or tokens.refresh_token,
            expires_at=asked_at + timedelta(seconds=answer.expires_in),
            scope=answer.scope or tokens.scope,
            generation=tokens.generation + 1,
        )
        await self._store.save(fresh)
        self._tell("ok", fresh)
        return fresh

    async def _ask(self, refresh_token: str) -> TokenAnswer:
        """Make one token request; raises :class:`Uncertain` when the refresh token may be spent and nothing came back."""
        if not refresh_token:
            raise Unauthorized("the access token has expired and there is no refresh token")
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self._config.client_id,
            "client_secret": self._config.client_secret,
        }
        response = await self._http.send(
            Request(
                "POST",
                f"{self._config.identity.rstrip('/')}/connect/token",
                headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
                content=urlencode(form).encode(),
                budget="/connect/token",
                effect=True,
            )
        )
        if not response.ok:
            raise self._refusal(response)
        try:
            return TokenAnswer.model_validate_json(response.content)
        except ValidationError:
            raise Uncertain("the identity server's answer cannot be read") from None  # its text holds tokens

    def _refusal(self, response: Response) -> ConnectorError:
        code = errors.oauth_error(response.content)
        if code in _DENIED and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unauthorized("the identity server refuses the sign-in", code=code)
        text = f"the identity server answered {response.status}"
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(text, code=code, retry_after=errors.retry_after(response, "", now=self._clock.now()))
        return Transient(text, code=code)

    def _expires_within(self, tokens: Tokens, span: timedelta) -> bool:
        return tokens.expires_at - self._clock.now() <= span

    def _tell(self, result: str, tokens: Tokens) -> None:
        if self._observer is not None:
            self._observer.refreshed(self._config.name, result, tokens.expires_at)
