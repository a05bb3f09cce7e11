"""One signed exchange with SalesPOS: sign, send, verify, judge.

The URI is built once and the body written once, so that what is signed is what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from connectors.decimal_json import from_json, to_json
from connectors.http import Request, retried
from connectors.port import ConnectorError, Throttled, Transient, Uncertain, Unreadable
from connectors.salespos import dialect, errors, signing

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.http import HttpClient, Response
    from connectors.port import Clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What the till answered: the JSON it sent (``None`` where it sent nothing) and its clock, if it told it."""

    payload: Any
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

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Read ``path``.

        Raises:
            Unreadable: the answer is not JSON, or its signature is not the vendor's.
            ConnectorError: everything else that the port names for a read.
        """
        try:
            return await retried(
                lambda: self._exchange("GET", path, query or {}, b""),
                clock=self._clock,
                jitter=self._jitter,
                on=(Transient, Throttled),
            )
        except _Garbled as error:
            raise Unreadable(error.text) from error

    async def post(self, path: str, payload: Mapping[str, Any]) -> Answer:
        """Create something.  The answer may be empty although it was created."""
        return await self._exchange("POST", path, {}, to_json(payload))

    async def patch(self, path: str, payload: Mapping[str, Any]) -> None:
        """Change the given fields."""
        await self._exchange("PATCH", path, {}, to_json(payload))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _exchange(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
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
        return self._judge(method, uri, budget, response)

    async def _send(self, method: str, uri: str, body: bytes, budget: str, moment: datetime) -> Response:
        headers = {"accept": dialect.ACCEPT, **signing.signed_headers(self._keys, method=method, uri=uri, body=body, moment=moment)}
        if body:
            headers["content-type"] = "application/json"
        response = await self._http.send(Request(method, self._origin + uri, headers, body, budget=budget, effect=method != "GET"))
        if (server := signing.server_time(response.headers)) is not None:
            self.skew = server - self._clock.now()
        return response

    def _judge(self, method: str, uri: str, budget: str, response: Response) -> Answer:
        write = method != "GET"
        where = f"{method} {uri.partition('?')[0]}"
        server = signing.server_time(response.headers)
        if not response.ok:
            refusal = errors.read_refusal(response.status, response.content)
            if response.status == dialect.TOO_MANY:
                raise self._throttled(refusal, budget, response.headers, server)
            raise errors.error_of(refusal, write=write)
        if response.status == dialect.UNSIGNED_STATUS and not response.content:
            return Answer(None, server)
        if self._check and not signing.is_genuine(self._keys, method=method, uri=uri, body=response.content, headers=response.headers):
            raise _distrusted(f"{where}: the answer's signature is not that of its content", write=write)
        if write and not response.content:
            return Answer(None, server)
        try:
            return Answer(from_json(response.content), server)
        except ValueError as error:
            raise _distrusted(f"{where}: the answer is not JSON", write=write) from error

    def _throttled(self, refusal: errors.Refusal, budget: str, headers: Mapping[str, str], server: datetime | None) -> Throttled:
        """Close the budget (or all, when the total limit was met) until the vendor's next minute, or as long as it asks."""
        asked = headers.get("retry-after", "")
        seconds = float(asked) if asked.isdecimal() else float(dialect.RATE_PERIOD - (server or self._clock.now()).second)
        for key in self._budgets_used if refusal.code == dialect.ALL_RESOURCES_LIMITED else {budget}:
            self._http.budgets.penalise(key, seconds)
        return Throttled(refusal.text, code=refusal.code, retry_after=seconds)


def _distrusted(text: str, *, write: bool) -> ConnectorError:
    return Uncertain(text) if write else _Garbled(text)
