"""One HTTP exchange with a vendor: rate budgets, a cap on what is in flight, deadlines, and failures told apart by their effect.

The only module that knows the HTTP library.  It never repeats a request by itself and never judges a status: that is the business of the
vendor's connector.  What it does decide is whether a request that failed may have had an effect.
"""

from __future__ import annotations

import zlib
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import httpx2

from connectors.port import ConnectorError, Heard, KeptAway, Throttled, Transient, Uncertain, Unreachable, Unreadable
from connectors.unpacking import MOST, Body, TooMuch

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from connectors.port import Clock, HttpGate, HttpObserver

T = TypeVar("T")

#: what the program itself passes around; tests put a mock or an ASGI application behind it
Transport = httpx2.AsyncBaseTransport

#: Budget windows are dropped when they have been idle; looked after whenever this many are kept.
_WINDOWS_KEPT: Final = 512
_SHORTEST_SLEEP: Final = 0.001
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500
#: refusals that say something about the vendor's state, not about what was asked: timed out, too early
_PASSING: Final = frozenset({408, 425})
#: how JSON can begin; a page of maintenance begins otherwise, whatever its status and its content type say
_JSON_BEGINS: Final = b'{["-0123456789tfn'
#: a wait that a vendor asks for is kept inside the request up to the first (seconds); a longer one is told to whoever asked, and none
#: is kept for longer than the second: a vendor that says "in a year" is asked again before
_PATIENCE: Final = 60.0
_LONGEST_PENALTY: Final = 900.0

#: of an answer's headers together, in bytes
_MOST_HEADERS: Final = 64 * 1024
#: a body beyond this is read while no other of the same client is: many at once would fill the memory (bytes)
_LARGE: Final = 1024 * 1024

#: Failures of these kinds happen before the first byte of the request leaves.
_NOTHING_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request.  ``budget`` is the key of its rate budget; ``effect`` says that repeating it could do harm.

    The URL is sent as it is given when it is percent-encoded already, so that what was signed is what is sent.  ``most`` bounds the body
    of the answer, in bytes.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    budget: str = ""
    effect: bool = False
    most: int = MOST


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read whole.  ``headers`` has lower-case keys; ``elapsed`` is in seconds."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    elapsed: float

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of a 2xx

    @property
    def is_page(self) -> bool:
        """Whether the body is for people where data was asked for; of a refusal only markup is, for a word or two may explain it."""
        begin = self.content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        return begin == b"<" or (self.ok and begin not in _JSON_BEGINS)


@dataclass(slots=True)
class _Window:
    """When requests on one key started, and until when nobody may start."""

    limit: int | None
    queue: anyio.Lock = field(default_factory=anyio.Lock)
    starts: deque[float] = field(default_factory=deque)
    closed_until: float = float("-inf")

    def delay(self, now: float, period: float) -> float:
        """Return how many seconds from ``now`` the next request has to wait (0 or less: it may start)."""
        while self.starts and self.starts[0] + period - now <= 0:
            self.starts.popleft()
        full = self.limit is not None and len(self.starts) >= self.limit
        return max(self.closed_until - now, self.starts[0] + period - now if full else 0.0)

    def penalty(self, now: float) -> float:
        """Return how many seconds the vendor still wants to be left alone, if that is longer than a request should wait."""
        left = self.closed_until - now
        return left if left > _PATIENCE else 0.0

    def idle(self, now: float, period: float) -> bool:
        """Whether forgetting this window would let nobody start who must wait."""
        return self.delay(now, period) <= 0 and not self.starts and not self.queue.locked()


class Budgets:
    """Sliding windows: on each key at most N requests start in any ``period`` seconds, first come first served.

    ``margin`` seconds are added to the period, because the vendor counts arrivals and we count departures.
    """

    def __init__(
        self, limits: Callable[[str], int | None] | None = None, *, clock: Clock, period: float = 60.0, margin: float = 0.5
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._period = period + margin
        self._windows: dict[str, _Window] = {}

    async def take(self, key: str, gate: anyio.Semaphore | None = None) -> float:
        """Wait until a request on ``key`` may start, count it and return the seconds waited for the budget.

        With ``gate`` the caller holds one of its slots on return.  The slot is taken last, so that callers who wait on an exhausted
        key leave the connections to the others, and the start that is counted is the moment of the request.

        Raises:
            Throttled: the vendor wants to be left alone for longer than a request should wait; nothing was sent.
        """
        window = self._window(key)
        asked = self._clock.monotonic()
        if penalty := window.penalty(asked):
            raise Throttled("the vendor asked us to wait", retry_after=penalty)
        at_gate = 0.0
        async with window.queue:
            while True:
                while (delay := window.delay(self._clock.monotonic(), self._period)) > 0:
                    await self._clock.sleep(max(delay, _SHORTEST_SLEEP))
                arrived = self._clock.monotonic()
                if gate is not None:
                    await gate.acquire()
                now = self._clock.monotonic()
                at_gate += now - arrived
                if gate is None or window.delay(now, self._period) <= 0:
                    break
                gate.release()  # penalised while waiting for the slot
            if window.limit is not None:
                window.starts.append(now)
        return now - asked - at_gate

    def penalise(self, key: str, seconds: float) -> None:
        """Let nobody start on ``key`` for ``seconds`` from now (a quarter of an hour at most): the vendor said that it has had enough."""
        window = self._window(key)
        window.closed_until = max(window.closed_until, self._clock.monotonic() + min(seconds, _LONGEST_PENALTY))

    def _window(self, key: str) -> _Window:
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= _WINDOWS_KEPT:
                now = self._clock.monotonic()
                self._windows = {name: kept for name, kept in self._windows.items() if not kept.idle(now, self._period)}
            limit = self._limits(key) if self._limits is not None else None
            window = self._windows[key] = _Window(limit or None)
        return window


#: The one TLS context of the process, made on import: loading the trust store would block a running loop for tens of milliseconds.
_TLS: Final = httpx2.create_ssl_context()


def open_transport(connections: int = 20) -> Transport:
    """Return a connection pool that any number of clients may share; whoever opens it closes it."""
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30.0)
    return httpx2.AsyncHTTPTransport(verify=_TLS, limits=limits)


class HttpClient:
    """Exchanges with one vendor, called ``side`` in metrics.

    At most ``in_flight`` requests are on their way at a time.  ``timeout`` bounds connecting and each wait for bytes, ``deadline`` the
    whole exchange (seconds).  Without a ``transport`` the client opens a pool of its own and closes it.

    ``gate`` says whether the vendor may be asked at all; with ``paced`` the caller keeps its own pace and the gate only listens.
    ``refuses`` knows the answers that say no although their status says that the vendor failed.
    """

    def __init__(
        self,
        side: str,
        *,
        clock: Clock,
        budgets: Budgets,
        user_agent: str,
        observer: HttpObserver | None = None,
        gate: HttpGate | None = None,
        paced: bool = False,
        refuses: Callable[[Response], bool] = lambda _: False,
        in_flight: int = 20,
        timeout: float = 20.0,
        deadline: float = 60.0,
        transport: Transport | None = None,
    ) -> None:
        self._gate = gate or _Open()
        self._paced = paced
        self._refuses = refuses
        self.side = side
        self.budgets = budgets
        self._clock = clock
        self._observer = observer
        self._slots = anyio.Semaphore(in_flight)
        self._headers = {"user-agent": user_agent, "accept-encoding": "gzip"}
        self._extensions = {"timeout": httpx2.Timeout(timeout, connect=min(10.0, timeout), pool=min(10.0, timeout)).as_dict()}
        self._deadline = deadline
        self._one_large = anyio.Semaphore(1)
        self._owned = transport is None
        self._transport = open_transport(in_flight) if transport is None else transport

    async def send(self, request: Request) -> Response:
        """Make one exchange and return its answer, whatever its status; a 429 is reported to the observer.

        Raises:
            Unreachable: nothing was sent, for nobody took it, or the vendor is known to be away.
            Throttled: nothing was sent, for the vendor wants to be left alone.
            Transient: it failed after sending, and the request has no effect.
            Uncertain: it failed after sending, and the request may have had its effect.
            Unreadable: the answer is larger than any that is read, and the request has no effect.
        """
        path = _path(request.url)
        if not self._paced:
            self._gate.check(request.method, path)  # before waiting for the budget, which counts only what is sent
        waited = await self.budgets.take(request.budget, self._slots)
        try:
            if self._observer is not None and waited > 0:
                self._observer.waited(self.side, waited)
            return await self._through_the_gate(request, path)
        finally:
            self._slots.release()

    async def _through_the_gate(self, request: Request, path: str) -> Response:
        ticket = self._gate.enter(request.method, path, paced=self._paced)
        heard: Heard | None = None
        said = ""
        try:
            response = await self._observed(request)
            heard, said = self._judge(response)
        except ConnectorError as error:
            heard, said = (Heard.NOBODY if isinstance(error, Unreachable) else Heard.FAILED), error.text.rpartition(": ")[2]
            raise
        finally:
            self._gate.leave(ticket, heard, said)
        return response

    async def _observed(self, request: Request) -> Response:
        started = self._clock.monotonic()
        status: int | None = None
        try:
            response = await self._exchange(request, started)
            status = response.status
        finally:
            if self._observer is not None:
                self._observer.exchange(self.side, request.method, status, self._clock.monotonic() - started)
                if status == _TOO_MANY_REQUESTS:
                    self._observer.throttled(self.side)
        return response

    def _judge(self, response: Response) -> tuple[Heard, str]:
        """Tell what an answer says about the vendor."""
        said = f"answered {response.status}"
        if response.status == _TOO_MANY_REQUESTS:
            return Heard.THROTTLED, said
        if response.is_page:
            return Heard.FAILED, f"{said} with a page"
        failed = (response.status >= _SERVER_ERROR and not self._refuses(response)) or response.status in _PASSING
        return (Heard.FAILED if failed else Heard.ANSWERED), said

    async def _exchange(self, request: Request, started: float) -> Response:
        try:
            outgoing = httpx2.Request(
                request.method,
                request.url,
                headers={**self._headers, **request.headers},
                content=request.content or None,
                extensions=self._extensions,
            )
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was sent
            raise Unreachable(_text(request, error)) from None  # a header that cannot be sent would be quoted
        try:
            with anyio.fail_after(self._deadline):
                answer = await self._transport.handle_async_request(outgoing)
                try:
                    content = await self._content(answer, request.most)
                finally:
                    await answer.aclose()
            return Response(answer.status_code, dict(answer.headers.items()), content, self._clock.monotonic() - started)
        except AssertionError:
            raise  # is about the program, not about an answer
        except Exception as error:
            raise _failure(request, error) from error

    async def _content(self, answer: httpx2.Response, most: int) -> bytes:
        """Return the body of an answer, read no further than ``most`` bytes of it."""
        if sum(len(name) + len(value) for name, value in answer.headers.raw) > _MOST_HEADERS:
            raise TooMuch("headers without end")
        body = Body(answer.headers.get("content-encoding", ""), length=answer.headers.get("content-length", ""), most=most)
        try:
            async with AsyncExitStack() as large:
                alone = False
                async for piece in _pieces(answer):
                    body.feed(piece)
                    if body.size > _LARGE and not alone:
                        await large.enter_async_context(self._one_large)
                        alone = True
                return body.whole()
        except zlib.error as error:
            raise httpx2.DecodingError("a body that cannot be unpacked") from error

    async def aclose(self) -> None:
        """Close the pool, unless it was given."""
        if self._owned:
            await self._transport.aclose()


class _Open:
    """The gate of a client that has none."""

    def check(self, method: str, path: str) -> None:
        """Let everybody through."""

    def enter(self, method: str, path: str, *, paced: bool = False) -> object:
        """Let everybody through."""

    def leave(self, ticket: object, heard: Heard | None, said: str) -> None:
        """Take no note."""


def _path(url: str) -> str:
    """Return the path of an address: a query may hold personal data."""
    return "/" + url.partition("?")[0].partition("://")[2].partition("/")[2]


def _pieces(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Return the body as it comes over the wire, packed as it is: what unpacks has to know when to stop."""
    stream: Any = answer.stream  # an asynchronous one, as the transport is
    pieces: AsyncIterator[bytes] = aiter(stream)
    return pieces


def _failure(request: Request, error: Exception) -> ConnectorError:
    """Return what a failed exchange means, whatever failed in it."""
    text = _text(request, error)
    if isinstance(error, _NOTHING_SENT):
        return Unreachable(text)
    if request.effect:
        return Uncertain(text)
    return Unreadable(text) if isinstance(error, TooMuch) else Transient(text)


def _text(request: Request, error: Exception) -> str:
    """Say what failed.  The text names the path only: a query or a body may hold personal data."""
    what = str(error) if isinstance(error, TooMuch) else type(error).__name__
    return f"{request.method} {_path(request.url)}: {what}"


async def retried(
    call: Callable[[], Awaitable[T]],
    *,
    clock: Clock,
    jitter: random.Random,
    on: tuple[type[ConnectorError], ...] = (Transient,),
    attempts: int = 3,
    pause: float = 0.5,
) -> T:
    """Return what ``call`` returns, calling it again after an error of a kind in ``on`` until ``attempts`` calls were made.

    For reads only.  Between calls it waits ``pause`` seconds, doubled each time, times 0.5 to 1.5, or as long as the vendor asked; where
    that is longer than a request should wait, it is left to the caller.  When the vendor is not to be asked again meanwhile, the caller
    learns what had failed, and not that nothing was sent.
    """
    failed: ConnectorError | None = None
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except KeptAway as error:
            raise failed or error from error
        except on as error:
            failed = error
            if attempt == attempts or (error.retry_after or 0.0) > _PATIENCE:
                raise
            backoff = pause * 2 ** (attempt - 1) * (0.5 + jitter.random())
            await clock.sleep(max(backoff, error.retry_after or 0.0))
    raise AssertionError("attempts is at least 1")
