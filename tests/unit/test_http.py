"""One HTTP exchange: budgets, the cap on what is in flight, and what a failure says about its effect."""

from __future__ import annotations

import gzip
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.http import Budgets, HttpClient, Request, Response, open_transport, retried
from connectors.port import ConnectorError, KeptAway, Transient, Uncertain, Unreachable

READ = Request("GET", "https://books.test/v2/articles?$filter=EmailAddress%20eq%20'ann'", budget="/articles")
WRITE = Request("POST", "https://books.test/v2/customerinvoices", content=b"{}", budget="/customerinvoices", effect=True)


class FakeClock:
    """A clock that jumps where it is told to sleep, letting other tasks run first."""

    def __init__(self) -> None:
        self.elapsed = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Jump, unless somebody else jumped further meanwhile."""
        until = self.elapsed + seconds
        self.slept.append(seconds)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        self.elapsed = max(self.elapsed, until)


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[str, str, int | None]] = []
        self.throttles = 0
        self.waits: list[float] = []

    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:
        """Remember an exchange."""
        assert seconds >= 0
        self.exchanges.append((side, method, status))

    def throttled(self, side: str) -> None:
        """Count a 429."""
        self.throttles += 1

    def waited(self, side: str, seconds: float) -> None:
        """Remember a wait."""
        self.waits.append(seconds)

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:
        """Nothing to do with an exchange."""


def client(handler: httpx2.AsyncBaseTransport, *, clock: FakeClock | None = None, seen: Seen | None = None, **options: Any) -> HttpClient:
    """Return a client of a vendor that answers as ``handler`` does."""
    clock = clock or FakeClock()
    limit = options.pop("limit", 0)
    budgets = Budgets(lambda _: limit or None, clock=clock)
    return HttpClient("books", clock=clock, budgets=budgets, user_agent="Kassabrug/test", observer=seen, transport=handler, **options)


def failing(error: Exception) -> httpx2.MockTransport:
    """Return a transport on which every request fails with ``error``."""

    def handler(_: httpx2.Request) -> httpx2.Response:
        raise error

    return httpx2.MockTransport(handler)


async def test_an_exchange_gives_status_headers_and_body_and_is_observed() -> None:
    """The answer is returned whatever its status, header names in lower case, the body decoded, our own headers sent."""
    asked: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(404, headers={"Retry-After": "7", "Content-Encoding": "gzip"}, content=gzip.compress(b"no"))

    seen = Seen()
    response = await client(httpx2.MockTransport(handler), seen=seen).send(READ)
    assert (response.status, response.content, response.headers["retry-after"], response.ok) == (404, b"no", "7", False)
    assert seen.exchanges == [("books", "GET", 404)]
    assert seen.waits == []
    assert asked[0].headers["user-agent"] == "Kassabrug/test"
    assert str(asked[0].url) == READ.url


async def test_an_encoded_address_and_the_body_are_sent_byte_for_byte() -> None:
    """What a vendor signs is what goes out: percent-encoding, order of the query and the body are left alone."""
    url = "https://till.test/api/rest/v1/orders?start=0&size=150&orderby=%2D1&q=a%2Bb%20c"
    asked: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(204)

    response = await client(httpx2.MockTransport(handler)).send(Request("PATCH", url, content='{"naam": "crème"}'.encode()))
    assert response.ok
    assert asked[0].url.raw_path.decode() == url.removeprefix("https://till.test")
    assert asked[0].content == '{"naam": "crème"}'.encode()


NOTHING_SENT = [
    httpx2.ConnectError("refused"),
    httpx2.ConnectTimeout("slow"),
    httpx2.PoolTimeout("busy"),
    httpx2.ProxyError("no"),
    httpx2.UnsupportedProtocol("gopher"),
    httpx2.InvalidURL("no"),
]
SENT = [
    httpx2.ReadTimeout("slow"),
    httpx2.WriteTimeout("slow"),
    httpx2.ReadError("reset"),
    httpx2.WriteError("reset"),
    httpx2.CloseError("reset"),
    httpx2.LocalProtocolError("bad"),
    httpx2.RemoteProtocolError("cut"),
    httpx2.DecodingError("bad gzip"),
    httpx2.TooManyRedirects("loop"),
    httpx2.SSEError("bad"),
    httpx2.StreamClosed(),
    ConnectionResetError("reset"),
]


@pytest.mark.parametrize("error", NOTHING_SENT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
async def test_a_failure_before_sending_is_unreachable(error: Exception, request_: Request) -> None:
    """When no byte left, reading and writing alike may simply wait."""
    seen = Seen()
    with pytest.raises(Unreachable):
        await client(failing(error), seen=seen).send(request_)
    assert seen.exchanges == [("books", request_.method, None)]


@pytest.mark.parametrize("error", SENT, ids=lambda error: type(error).__name__)
async def test_a_failure_after_sending_depends_on_the_effect(error: Exception) -> None:
    """A read that failed can be repeated; a write that failed may have happened."""
    with pytest.raises(Transient):
        await client(failing(error)).send(READ)
    with pytest.raises(Uncertain):
        await client(failing(error)).send(WRITE)


def test_every_failure_of_the_library_is_told_apart() -> None:
    """No exception of the HTTP library is left without a meaning, also when the library gains one."""
    told = {type(error) for error in NOTHING_SENT + SENT}
    abstract = {httpx2.RequestError, httpx2.TransportError, httpx2.TimeoutException, httpx2.NetworkError, httpx2.ProtocolError}

    def below(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert {kind for kind in below(httpx2.RequestError) if kind.__module__.startswith("httpx2")} - abstract <= told


async def test_a_failure_names_no_query() -> None:
    """The text of an error can be shown: a query may hold an e-mail address."""
    with pytest.raises(Transient) as caught:
        await client(failing(httpx2.ReadError("reset"))).send(READ)
    assert str(caught.value) == "GET /v2/articles: ReadError"


async def test_an_answer_that_drips_is_cut_at_the_deadline() -> None:
    """Bytes that keep coming do not hold a request for ever: after the deadline a write is uncertain."""

    async def handler(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    with pytest.raises(Uncertain, match="TimeoutError"):
        await client(httpx2.MockTransport(handler), deadline=0).send(WRITE)


async def test_a_body_that_cannot_be_unpacked_leaves_a_write_uncertain() -> None:
    """The status came, the body is broken: what it said is unknown."""
    broken = httpx2.MockTransport(lambda _: httpx2.Response(201, headers={"content-encoding": "gzip"}, stream=Broken()))
    with pytest.raises(Uncertain, match="DecodingError"):
        await client(broken).send(WRITE)


class Broken(httpx2.AsyncByteStream):
    """A body that is no gzip."""

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204 - the base class leaves it untyped too
        """Give bytes that no decoder takes."""
        yield b"\xff\xff\xff"


async def test_a_refused_connection_is_unreachable_through_the_real_pool() -> None:
    """The pool that is opened by default maps a refused connection as promised, and is closed with its client."""
    clock = FakeClock()
    http = HttpClient("books", clock=clock, budgets=Budgets(clock=clock), user_agent="Kassabrug/test")
    with pytest.raises(Unreachable, match="ConnectError"):
        await http.send(Request("POST", "http://127.0.0.1:1/", effect=True))
    await http.aclose()


async def test_a_given_transport_is_left_open() -> None:
    """A pool that is shared belongs to whoever opened it."""
    shared = open_transport(2)
    clock = FakeClock()
    for _ in range(2):
        http = HttpClient("books", clock=clock, budgets=Budgets(clock=clock), user_agent="Kassabrug/test", transport=shared)
        with pytest.raises(Unreachable):
            await http.send(Request("GET", "http://127.0.0.1:1/"))
        await http.aclose()
    await shared.aclose()


async def test_no_more_requests_are_in_flight_than_allowed() -> None:
    """Callers queue in front of the pool, not in it."""
    flying = 0
    most = 0

    async def handler(_: httpx2.Request) -> httpx2.Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await anyio.sleep(0.001)
        flying -= 1
        return httpx2.Response(200)

    http = client(httpx2.MockTransport(handler), in_flight=3)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(http.send, READ)
    assert most == 3


async def test_a_full_budget_waits_and_reports_how_long() -> None:
    """The request over the limit starts when the first has left the window (period and margin), and says so."""
    clock, seen = FakeClock(), Seen()
    http = client(httpx2.MockTransport(lambda _: httpx2.Response(200)), clock=clock, seen=seen, limit=2)
    for _ in range(3):
        await http.send(READ)
    assert seen.waits == [60.5]


async def test_a_429_is_told_to_the_observer() -> None:
    """The observer hears of it once; what follows is the vendor connector's decision."""
    seen = Seen()
    await client(httpx2.MockTransport(lambda _: httpx2.Response(429)), seen=seen).send(READ)
    assert seen.throttles == 1


@settings(deadline=None)
@given(limit=st.integers(1, 5), gaps=st.lists(st.floats(0, 40), min_size=1, max_size=25), penalties=st.sets(st.integers(0, 24), max_size=3))
def test_never_more_than_the_limit_in_any_period(limit: int, gaps: list[float], penalties: set[int]) -> None:
    """However requests arrive, every window of the period holds at most N starts, and none lies inside a penalty."""

    async def run() -> list[float]:
        clock = FakeClock()
        budgets = Budgets(lambda _: limit, clock=clock, period=60.0, margin=0.0)
        starts: list[float] = []
        for number, gap in enumerate(gaps):
            clock.elapsed += gap
            if number in penalties:
                budgets.penalise("k", 55.0)
                over = clock.elapsed + 55.0
                await budgets.take("k")
                assert clock.elapsed >= over
            else:
                await budgets.take("k")
            starts.append(clock.elapsed)
        return starts

    starts = anyio.run(run)
    assert all(later - sooner >= 60.0 - 1e-6 for sooner, later in zip(starts, starts[limit:], strict=False))


async def test_crowding_callers_keep_the_limit_and_their_order() -> None:
    """Callers that come at once are let through in the order they came, N a period."""
    clock = FakeClock()
    budgets = Budgets(lambda _: 3, clock=clock, period=60.0, margin=0.0)
    starts: list[tuple[int, float]] = []

    async def caller(number: int) -> None:
        await budgets.take("k")
        starts.append((number, clock.elapsed - 1000.0))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(caller, number)
    assert [number for number, _ in starts] == list(range(8))
    assert [round(at) for _, at in starts] == [0, 0, 0, 60, 60, 60, 120, 120]


async def test_a_penalised_key_holds_no_connection_from_the_others() -> None:
    """Waiting for one exhausted endpoint leaves the connections free: the other endpoint is answered at once."""
    clock = FakeClock()
    budgets = Budgets(clock=clock)
    gate = anyio.Semaphore(1)
    budgets.penalise("/customerinvoices", 55.0)
    order: list[tuple[str, float]] = []

    async def caller(key: str) -> None:
        await budgets.take(key, gate)
        order.append((key, clock.elapsed - 1000.0))
        gate.release()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller, "/customerinvoices")
        tasks.start_soon(caller, "/articles")
    assert order == [("/articles", 0.0), ("/customerinvoices", 55.0)]


async def test_a_penalty_that_falls_while_waiting_for_a_connection_is_kept() -> None:
    """A caller that got its connection too late gives it back and waits the penalty out."""
    clock = FakeClock()
    budgets = Budgets(lambda _: 10, clock=clock)
    gate = anyio.Semaphore(0, max_value=2)
    started: list[float] = []

    async def caller() -> None:
        await budgets.take("k", gate)
        started.append(clock.elapsed - 1000.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        await anyio.wait_all_tasks_blocked()
        budgets.penalise("k", 10.0)
        gate.release()
    assert started == [10.0]


async def test_windows_of_addresses_not_seen_again_are_forgotten() -> None:
    """A key for every document does not grow for ever, and a window still in force survives the clearing."""
    clock = FakeClock()
    budgets = Budgets(lambda _: 1, clock=clock, margin=0.0)
    for number in range(2000):
        clock.elapsed += 1.0
        await budgets.take(f"/customerinvoices/{number}/payments")
    assert len(budgets._windows) < 600
    assert await budgets.take("/customerinvoices/1999/payments") == 60.0


async def test_a_read_is_repeated_a_bounded_number_of_times_with_back_off() -> None:
    """A read that fails twice and then succeeds is a success; the waits double, within their jitter."""
    clock = FakeClock()
    answers = [Transient("one"), Transient("two", retry_after=9.0), None]

    async def call() -> str:
        error = answers.pop(0)
        if error is not None:
            raise error
        return "read"

    assert await retried(call, clock=clock, jitter=random.Random(1)) == "read"
    assert 0.25 <= clock.slept[0] <= 0.75
    assert clock.slept[1] == 9.0


async def test_a_read_that_keeps_failing_gives_up() -> None:
    """After the last attempt the failure is the caller's."""
    clock = FakeClock()
    calls = 0

    async def call() -> Response:
        nonlocal calls
        calls += 1
        raise Transient(str(calls))

    with pytest.raises(Transient, match="3"):
        await retried(call, clock=clock, jitter=random.Random(1))
    assert calls == 3


async def test_a_read_that_may_not_be_repeated_tells_what_failed() -> None:
    """The first answer says whose fault it is; that the vendor is not asked again meanwhile says nothing about this read."""
    answers: list[ConnectorError] = [Transient("503"), KeptAway("asked again in 4 s", retry_after=4.0, answers=True)]

    async def call() -> Response:
        raise answers.pop(0)

    with pytest.raises(Transient, match="503"):
        await retried(call, clock=FakeClock(), jitter=random.Random(1))
    answers.append(KeptAway("asked again in 4 s", retry_after=4.0, answers=True))
    with pytest.raises(KeptAway):
        await retried(call, clock=FakeClock(), jitter=random.Random(1))
