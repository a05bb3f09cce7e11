"""One signed exchange with SalesPOS: sign, send, verify, judge.

The URI is built once and the body written once, so that what is signed is what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from connectors.boundary import sendable, understood
from connectors.bounded_json import from_json
from connectors.http import Request, retried
from connectors.port import Throttled, Transient, Uncertain, Unreadable
from connectors.salespos import dialect, errors, signing
from connectors.sense import asked_wait, believed_clock

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from connectors.http import HttpClient, Response
    from connectors.port import Clock, ConnectorError


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the till answered, as it was asked to be read, and its clock, if it told one that can be."""

    value: T
    server_time: datetime | None


class _Garbled(Transient):
    """A read was answered with something that is not what the vendor wrote; worth asking again."""


class Client:
    """Speaks to one till.  ``api`` is its host or the address of its API; paths are given below that and end in a slash.

    Reads are repeated at most twice after a failure that may pass or when the vendor's next minute has come, writes never.
    """

    def __init__(
        self, api: str, keys: signing.Keys, *, http: HttpClient, clock: Clock, jitter: random.Random, check_response_hash: bool = True
    ) -> None:
        self._origin, self._base = dialect.root_of(api)
        self._keys = keys
        self._http = http
        self._clock = clock
        self._jitter = jitter
        self._check = check_response_hash
        self._budgets_used: set[str] = set()
        #: how far the vendor's clock is ahead of ours
        self.skew = timedelta(0)

    async def get(self, path: str, shape: Callable[[Any], T], query: Mapping[str, str] | None = None) -> Answer[T]:
        """Read ``path``; ``shape`` makes of its JSON what is wanted, and may raise whatever it likes.

        Raises:
            Unreadable: the answer is not what was asked for, or its signature is not the vendor's.
            ConnectorError: everything else that the port names for a read.
        """
        try:
            return await retried(
                lambda: self._exchange("GET", path, query or {}, b"", shape),
                clock=self._clock,
                jitter=self._jitter,
                on=(Transient, Throttled),
            )
        except _Garbled as error:
            raise Unreadable(error.text) from error

    async def post(self, path: str, payload: Mapping[str, Any], shape: Callable[[Any], T]) -> T | None:
        """Create something and return what ``shape`` makes of the answer, ``None`` where it is empty although it was created.

        Raises:
            Uncertain: it may have been created.
        """
        return (
            await self._exchange("POST", path, {}, sendable(path, payload), lambda value: None if value is None else shape(value))
        ).value

    async def patch(self, path: str, payload: Mapping[str, Any]) -> None:
        """Change the given fields."""
        await self._exchange("PATCH", path, {}, sendable(path, payload), _anything)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _exchange(self, method: str, path: str, query: Mapping[str, str], body: bytes, shape: Callable[[Any], T]) -> Answer[T]:
        uri = f"{self._base}/{path}"
        if query:
            uri += "?" + urlencode(query, quote_via=quote, safe="")
        budget = f"{'read' if method == 'GET' else 'write'} {dialect.resource_of(path)}"
        self._budgets_used.add(budget)
        sent = self._clock.now() + self.skew
        response = await self._send(method, uri, body, budget, sent)
        server = signing.server_time(response.headers)
        if response.status == dialect.UNAUTHORIZED and server is not None and abs(server - sent) >= dialect.MAX_SKEW:
            response = await self._send(method, uri, body, budget, self._clock.now() + self.skew)
        value = self._judge(method, uri, budget, response, shape)
        return Answer(value, believed_clock(signing.server_time(response.headers), self._clock.now()))

    async def _send(self, method: str, uri: str, body: bytes, budget: str, moment: datetime) -> Response:
        headers = {"accept": dialect.ACCEPT, **signing.signed_headers(self._keys, method=method, uri=uri, body=body, moment=moment)}
        if body:
            headers["content-type"] = "application/json"
        response = await self._http.send(Request(method, self._origin + uri, headers, body, budget=budget, effect=method != "GET"))
        if (server := signing.server_time(response.headers)) is not None:
            self.skew = server - self._clock.now()
        return response

    def _judge(self, method: str, uri: str, budget: str, response: Response, shape: Callable[[Any], T]) -> T:
        """Return what an answer says: the one place where its bytes become values."""
        write = method != "GET"
        where = f"{method} {uri.partition('?')[0]}"
        if not response.ok:
            refusal = errors.read_refusal(response.status, response.content)
            if response.status == dialect.TOO_MANY:
                raise self._throttled(refusal, budget, response.headers)
            raise errors.error_of(refusal, write=write)
        trouble: type[ConnectorError] = Uncertain if write else _Garbled
        unsigned = response.status == dialect.UNSIGNED_STATUS and not response.content
        if self._check and not unsigned:
            keys, headers = self._keys, response.headers
            if not signing.is_genuine(keys, method=method, uri=uri, body=response.content, headers=headers):
                raise trouble(f"{where}: the answer's signature is not that of its content")
        empty = not response.content and (unsigned or write)
        return understood(where, lambda: shape(None if empty else from_json(response.content)), error=trouble)

    def _throttled(self, refusal: errors.Refusal, budget: str, headers: Mapping[str, str]) -> Throttled:
        """Close the budget (or all, when the total limit was met) until the vendor's next minute, or as long as it asks."""
        now = self._clock.now()
        asked = asked_wait(headers.get("retry-after", ""), now)
        seconds = float(dialect.RATE_PERIOD - (signing.server_time(headers) or now).second) if asked is None else asked
        for key in self._budgets_used if refusal.code == dialect.ALL_RESOURCES_LIMITED else {budget}:
            self._http.budgets.penalise(key, seconds)
        return Throttled(refusal.text, code=refusal.code, retry_after=seconds)


def _anything(_: Any) -> None:
    """Read an answer of which only that it is JSON, or nothing, is wanted."""
