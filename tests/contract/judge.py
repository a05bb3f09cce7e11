"""What every judge of an exchange shares: the count of what was judged, what was found wrong, and the wire that lets a judge listen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the answer to it, as they went over the wire.  ``target`` is path and query, headers have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes
    status: int
    answer_headers: Mapping[str, str]
    answer: bytes

    @property
    def path(self) -> str:
        """The address without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]


@dataclass
class Verdict:
    """What was judged so far: how often each documented operation was used, how many bodies were compared, and what was wrong."""

    operations: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    answers: int = 0
    violations: list[str] = field(default_factory=list)


class Judge(Protocol):
    """Compares exchanges with what a vendor published."""

    def exchange(self, exchange: Exchange) -> None:
        """Judge one exchange; what is wrong goes into the verdict."""
        ...


class Wire(httpx2.AsyncBaseTransport):
    """A transport that shows every exchange to a judge and keeps it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, judge: Judge) -> None:
        self._inner = inner
        self._judge = judge
        self.seen: list[Exchange] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass the request on, and show it with its answer."""
        content = await request.aread()
        response = await self._inner.handle_async_request(request)
        answer = await response.aread()
        exchange = Exchange(
            method=request.method,
            target=request.url.raw_path.decode(),
            headers={name.lower(): value for name, value in request.headers.items()},
            content=content,
            status=response.status_code,
            answer_headers={name.lower(): value for name, value in response.headers.items()},
            answer=answer,
        )
        self.seen.append(exchange)
        self._judge.exchange(exchange)
        return response


def exact(content: bytes) -> Json:
    """Read JSON with every fraction as it was written; raises ValueError."""
    return json.loads(content, parse_float=Decimal)


def written(value: Json) -> bytes:
    """Write JSON that :func:`exact` gave, a fraction as a number of its digits."""
    return json.dumps(value, default=_number).encode()


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
