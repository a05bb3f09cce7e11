"""Calls to the API of one company: signed in, inside the budget, answers judged.

A read is repeated a bounded number of times; a write is never repeated here, except once after a 401, which is a refusal.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from connectors.boundary import Refusal, sendable, understood
from connectors.bounded_json import from_json, whole_from_json
from connectors.eaccounting.errors import Meaning, failure
from connectors.http import Request, retried
from connectors.port import Throttled, Transient, Unauthorized, Uncertain, Unreadable

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from connectors.eaccounting.config import EAccountingConfig
    from connectors.eaccounting.signin import TokenKeeper
    from connectors.http import HttpClient, Response
    from connectors.port import Clock, ConnectorError

T = TypeVar("T")


class _Garbled(Transient):
    """A request without effect was answered with 2xx and something that cannot be understood."""


class Api:
    """The API of one company.  Paths begin with ``/`` and are both address and key of the rate budget, ids included [I]."""

    def __init__(self, config: EAccountingConfig, *, http: HttpClient, keeper: TokenKeeper, clock: Clock, jitter: random.Random) -> None:
        self._base = config.api.rstrip("/")
        self._http = http
        self._keeper = keeper
        self._clock = clock
        self._jitter = jitter

    async def read(self, path: str, parse: Callable[[bytes], T], query: Mapping[str, str] | None = None, *, addressed: bool = False) -> T:
        """Return what ``parse`` makes of the answer to a GET; ``parse`` may raise whatever it likes.

        Raises:
            Unreadable: the answer could not be understood, however often it was asked for.
            Missing: ``addressed``, and the record is not there.
        """

        async def once() -> T:
            response = await self._call("GET", path, query, b"", Meaning(addressed=addressed))
            return understood(f"GET {path}", partial(parse, response.content), error=_Garbled)

        try:
            return await retried(once, clock=self._clock, jitter=self._jitter, on=(Transient, Throttled))
        except _Garbled as error:
            raise Unreadable(error.text) from error

    async def read_raw(self, path: str) -> dict[str, Any]:
        """Return one record with every field it has, numbers exact; raises :class:`Missing`."""
        return await self.read(path, _record, addressed=True)

    async def create(
        self,
        path: str,
        body: Any,
        parse: Callable[[bytes], T],
        query: Mapping[str, str] | None = None,
        *,
        addressed: bool = False,
        refers: bool = True,
    ) -> T:
        """POST and return what ``parse`` makes of the answer, which may be empty.  ``addressed`` and ``refers`` as in :class:`Meaning`.

        Raises:
            Uncertain: it may have happened; also where its answer is not what it should be.
        """
        meaning = Meaning(effect=True, addressed=addressed, refers=refers)
        response = await self._call("POST", path, query, sendable(f"POST {path}", body), meaning)
        return understood(f"POST {path}", partial(parse, response.content), error=Uncertain)

    async def replace(self, path: str, body: Any) -> None:
        """PUT.  Writing the same again does no harm, so every failure is transient; an empty answer is a good one."""
        response = await self._call("PUT", path, None, sendable(f"PUT {path}", body), Meaning(addressed=True, refers=True))
        understood(f"PUT {path}", partial(_json_or_nothing, response.content), error=_Garbled)

    async def delete(self, path: str) -> None:
        """DELETE; raises :class:`Missing` when it is gone already."""
        response = await self._call("DELETE", path, None, b"", Meaning(addressed=True))
        understood(f"DELETE {path}", partial(_json_or_nothing, response.content), error=_Garbled)

    async def _call(self, method: str, path: str, query: Mapping[str, str] | None, content: bytes, meaning: Meaning) -> Response:
        tokens = await self._keeper.current()
        url = self._base + path + ("?" + urlencode(query, quote_via=quote, safe="$") if query else "")

        def request(access_token: str) -> Request:
            headers = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
            if content:
                headers["content-type"] = "application/json"
            return Request(method, url, headers=headers, content=content, budget=path, effect=meaning.effect)

        response = await self._http.send(request(tokens.access_token))
        renewed = not response.ok and isinstance(self._failure(response, meaning), Unauthorized)
        if renewed:
            tokens = await self._keeper.renew(tokens)
            response = await self._http.send(request(tokens.access_token))
        if response.ok:
            self._keeper.worked(tokens)
            return response
        error = self._failure(response, meaning)
        if renewed and isinstance(error, Unauthorized):
            error = self._keeper.refused(tokens, error)
        if isinstance(error, Throttled):
            self._http.budgets.penalise(path, error.retry_after or 0.0)
        raise error

    def _failure(self, response: Response, meaning: Meaning) -> ConnectorError:
        return failure(response, meaning, now=self._clock.now())


def _json_or_nothing(content: bytes) -> None:
    """Refuse a page that something between us and the vendor made (reference: section 7, 5 allows no body at all)."""
    if content:
        from_json(content)


def _record(content: bytes) -> dict[str, Any]:
    value = whole_from_json(content)
    if not isinstance(value, dict) or "Id" not in value:
        raise Refusal("not a record")
    return value
