"""The keeper of one connection's tokens.

A refresh token can be used once, and using it twice may end the sign-in (reference: eaccounting.md sections 3 and 7, 9).  So one
refresher works at a time, in all processes; it first looks whether somebody else was faster; and the new refresh token is durable before
the access token that came with it is used.

What the identity server has denied, or the API refused although it was fresh, is remembered: until the store holds other tokens (somebody
has signed in), nobody is asked again, however often a caller tries.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import anyio

from connectors.boundary import Refusal, understood
from connectors.bounded_json import from_json
from connectors.eaccounting import errors
from connectors.eaccounting.wire import TokenAnswer
from connectors.http import Request
from connectors.port import ConnectorError, KeptAway, Throttled, Tokens, Transient, Unauthorized, Uncertain, Unreachable
from connectors.sense import token_life

if TYPE_CHECKING:
    from connectors.eaccounting.config import EAccountingConfig
    from connectors.http import HttpClient, Response
    from connectors.port import Clock, HttpObserver, TokenStore

#: a token is refreshed this long before it expires
_EARLY: Final = timedelta(seconds=60)
#: how long an access token of the configuration is trusted; a 401 refreshes it sooner
_CONFIGURED_LIFE: Final = timedelta(hours=1)
#: a fresh token that the API refused is tried again after this long, in case that was the API's fault (seconds)
_REFUSED_LIFE: Final = 900.0
#: how long an identity server that failed twice in a row is left alone, doubled each time up to the other number (seconds)
_FIRST_REST: Final = 5.0
_LONGEST_REST: Final = 60.0
#: the largest answer of a token request, in bytes
MOST_TOKENS: Final = 64 * 1024
#: errors after which the same tokens will be refused again (RFC 6749 section 5.2)
_DENIED: Final = frozenset(
    {"invalid_grant", "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type"}
)


class TokenKeeper:
    """Gives out the access token of one connection and renews it.

    Network trouble is :class:`Unreachable` (:class:`KeptAway` while a failing server is left alone), :class:`Transient` or
    :class:`Throttled`, never :class:`Unauthorized`: that is only what the identity server said about the tokens.  ``http`` is the client
    for the identity server.
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
        #: the tokens that were denied (``None``: there were none), and when they may be tried again in spite of it
        self._dead: Tokens | None = None
        self._try_again_at: float | None = None
        #: the access token that was last seen to work
        self._proven = ""
        #: the access token that the last renewal gave
        self._renewed = ""
        self._failures = 0
        self._failed: ConnectorError | None = None
        self._rest_until = 0.0

    async def current(self) -> Tokens:
        """Return tokens whose access token is good for a while yet.

        Raises:
            Unauthorized: there are no tokens, or they are no longer taken.
        """
        if self._denied is not None:
            await self._after_denial(self._denied)
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
            if spent.access_token == self._renewed != self._proven and not self._expires_within(spent, _EARLY):
                # two requests were the first to use it: one more renewal would help neither
                refused = Unauthorized("the API refuses a token that was just renewed")
                self._deny(refused, stored, try_again_at=self._clock.monotonic() + _REFUSED_LIFE)
                raise refused
            # From here to the end of save() the new refresh token exists only in this task.
            with anyio.CancelScope(shield=True):
                fresh = await self._refresh(stored)
            self._held, self._renewed = fresh, fresh.access_token
            return fresh

    def worked(self, tokens: Tokens) -> None:
        """Take note that the API took these tokens."""
        self._proven = tokens.access_token
        if self._denied is not None and self._try_again_at is not None:
            self._forget_denial(tokens)

    def refused(self, tokens: Tokens, error: Unauthorized) -> ConnectorError:
        """Return what it means that the API refused tokens that were renewed because of an earlier refusal.

        Tokens that worked meanwhile were taken back in use: that passes.  Those that never worked will not by being renewed once more.
        """
        if tokens.access_token == self._proven:
            return Transient(error.text, code=error.code)
        self._deny(error, tokens, try_again_at=self._clock.monotonic() + _REFUSED_LIFE)
        return error

    def _deny(self, error: Unauthorized, tokens: Tokens | None, *, try_again_at: float | None = None) -> None:
        """Remember that these tokens are no longer taken."""
        if self._denied is None:
            self._tell("denied", tokens)
        self._denied, self._dead, self._try_again_at = error, tokens, try_again_at

    def _forget_denial(self, tokens: Tokens) -> None:
        self._denied = self._dead = self._try_again_at = None
        self._tell("ok", tokens)

    async def _after_denial(self, denied: Unauthorized) -> None:
        """Look into the store, which costs nobody anything; return when it holds other tokens, or now and then to try the old ones."""
        stored = await self._store.load()
        if stored is not None and (self._dead is None or not _same(stored, self._dead)):
            self._held = stored
            self._forget_denial(stored)
            return
        now = self._clock.monotonic()
        if self._try_again_at is None or now < self._try_again_at:
            raise Unauthorized(denied.text, code=denied.code)
        self._try_again_at = now + _REFUSED_LIFE

    async def _first(self) -> Tokens:
        """Take the tokens of the configuration: there was no sign-in before."""
        config = self._config
        async with self._store.exclusive():
            stored = await self._store.load()
            if stored is not None:
                return stored
            if not config.refresh_token and not config.access_token:
                never = Unauthorized("never signed in")
                self._deny(never, None)
                raise never
            expires_at = self._clock.now() + (_CONFIGURED_LIFE if config.access_token else timedelta())
            tokens = Tokens(config.access_token, config.refresh_token, expires_at)
            await self._store.save(tokens)
            return tokens

    async def _refresh(self, tokens: Tokens) -> Tokens:
        """Exchange the refresh token and save what came of it; when it is denied, look once whether the store knows a newer one."""
        try:
            return await self._exchange(tokens)
        except Unauthorized as denied:
            stored = await self._store.load()
            if stored is None or _same(stored, tokens):
                self._deny(denied, tokens)
                raise
        if not self._expires_within(stored, _EARLY):
            return stored
        try:
            return await self._exchange(stored)
        except Unauthorized as denied:
            self._deny(denied, stored)
            raise

    async def _exchange(self, tokens: Tokens) -> Tokens:
        if self._denied is not None and self._try_again_at is None and self._dead is not None and _same(tokens, self._dead):
            raise Unauthorized(self._denied.text, code=self._denied.code)  # asking again would be denied again
        if self._failed is not None and (left := self._rest_until - self._clock.monotonic()) > 0:
            if isinstance(self._failed, Throttled):
                raise Throttled(self._failed.text, code=self._failed.code, retry_after=left)
            raise KeptAway(self._failed.text, retry_after=left, answers=not isinstance(self._failed, Unreachable))
        try:
            asked_at = self._clock.now()
            try:
                answer = await self._ask(tokens.refresh_token)
            except Uncertain:
                # The answer was lost, and with it perhaps the new token: the old one is all there is, so it is tried once more.
                asked_at = self._clock.now()
                answer = await self._ask(tokens.refresh_token)
        except Uncertain as lost:
            raise self._failure(Transient(lost.text, code=lost.code, retry_after=lost.retry_after), tokens) from lost
        except Unauthorized:
            raise
        except ConnectorError as error:
            self._failure(error, tokens)
            raise
        fresh = Tokens(
            access_token=answer.access_token or "",
            refresh_token=answer.refresh_token or tokens.refresh_token,
            expires_at=asked_at + (token_life(answer.expires_in) if answer.access_token else timedelta()),
            scope=answer.scope or tokens.scope,
            generation=tokens.generation + 1,
        )
        await self._store.save(fresh)  # also where only the refresh token is good: the old one is spent
        if not fresh.access_token:
            self._held = fresh
            raise self._failure(Transient("the identity server gave no access token that can be used"), fresh)
        self._failures, self._failed = 0, None
        if self._denied is None:
            self._tell("ok", fresh)
        return fresh

    def _failure(self, error: ConnectorError, tokens: Tokens) -> ConnectorError:
        """Take note that the identity server did not answer as it should: many who want a token must not become many requests."""
        self._tell("error", tokens)
        self._failures += 1
        rest = min(_FIRST_REST * 2.0 ** (self._failures - 2), _LONGEST_REST) if self._failures > 1 else 0.0
        self._failed, self._rest_until = error, self._clock.monotonic() + rest
        return error

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
                most=MOST_TOKENS,
            )
        )
        if not response.ok:
            raise self._refusal(response)
        return read_tokens(response.content, error=Uncertain)

    def _refusal(self, response: Response) -> ConnectorError:
        code = errors.oauth_error(response.content)
        if code in _DENIED and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unauthorized("the identity server refuses the sign-in", code=code)
        text = f"the identity server answered {response.status}"
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(text, code=code, retry_after=errors.retry_after(response, "", now=self._clock.now()))
        return Transient(text, code=code)

    def _expires_within(self, tokens: Tokens, span: timedelta) -> bool:
        """Tell whether the access token is of no use any more by then; one that no header can hold never is."""
        return tokens.expires_at - self._clock.now() <= span or not is_sendable(tokens.access_token)

    def _tell(self, result: str, tokens: Tokens | None) -> None:
        if self._observer is not None:
            self._observer.refreshed(self._config.name, result, None if tokens is None else tokens.expires_at)


def read_tokens(content: bytes, *, error: type[ConnectorError]) -> TokenAnswer:
    """Return what the identity server gave: the one place where its bytes become tokens.

    Raises:
        ConnectorError: of the kind ``error``, where there is neither an access token nor a refresh token in it.
    """

    def read() -> TokenAnswer:
        answer = TokenAnswer.model_validate(from_json(content))
        if answer.access_token is None and answer.refresh_token is None:
            raise Refusal("there is no token in it")
        return answer

    return understood("the identity server's answer", read, error=error)


def is_sendable(access_token: str) -> bool:
    """Tell whether a header can hold this token."""
    return bool(access_token) and all("!" <= character <= "~" for character in access_token)


def _same(one: Tokens, other: Tokens) -> bool:
    return (one.refresh_token, one.access_token) == (other.refresh_token, other.access_token)
