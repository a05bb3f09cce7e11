"""Faults on demand, over real sockets: what a client meets must be what a network does."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import tomllib
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest

from connectors.sandbox import faults
from connectors.sandbox.faults import FaultMiddleware, FaultPlan
from connectors.sandbox.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

BODY = json.dumps({"items": list(range(50))}).encode()


@dataclass
class Shop:
    """A vendor that counts what had an effect."""

    effects: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request and answer it."""
        self.effects[scope["method"]] += 1
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode()), (b"x-hash", b"abc")]
        await send({"type": "http.response.start", "status": 201 if scope["method"] == "POST" else 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})


@asynccontextmanager
async def shop(**rates: float) -> AsyncIterator[tuple[Shop, FaultPlan, httpx2.AsyncClient]]:
    """Run a vendor with these faults and give a client for it."""
    vendor, plan = Shop(), FaultPlan()
    plan.update(rates)
    async with serve(FaultMiddleware(vendor, plan)) as base, httpx2.AsyncClient(base_url=base, trust_env=False) as client:
        yield vendor, plan, client


async def raw(base: httpx2.URL, request: bytes) -> bytes:
    """Send bytes over a socket of our own and return all that comes back before the end."""
    reader, writer = await asyncio.open_connection(base.host, base.port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def test_without_faults_every_answer_arrives_whole_on_one_connection() -> None:
    """A plan without rates changes nothing, and connections are kept alive."""
    async with shop() as (vendor, plan, client):
        for _ in range(3):
            answer = await client.get("/orders")
            assert answer.content == BODY
            assert answer.headers["x-hash"] == "abc"
        assert (vendor.effects["GET"], plan.fired.total()) == (3, 0)


@pytest.mark.parametrize(("fault", "effects"), [("reset_before", 0), ("reset_after", 1)])
async def test_a_reset_is_a_tcp_reset_before_or_after_the_effect(fault: str, effects: int) -> None:
    """The client's kernel reports ECONNRESET and not a byte of an answer; only ``reset_after`` had its effect."""
    async with shop(**{fault: 1.0}) as (vendor, _, client):
        with pytest.raises(ConnectionResetError) as caught:
            await raw(client.base_url, b"POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        assert caught.value.errno == errno.ECONNRESET
        assert vendor.effects["POST"] == effects


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
async def test_a_reset_reaches_an_http_client_as_a_read_error_and_the_next_request_works(fault: str) -> None:
    """The server survives its own fault: once the plan is healed, the same client is answered."""
    async with shop(**{fault: 1.0}) as (_, plan, client):
        with pytest.raises(httpx2.ReadError):
            await client.post("/orders", json={})
        plan.update({fault: 0})
        assert (await client.get("/orders")).status_code == 200


async def test_a_cut_body_promises_more_than_it_sends() -> None:
    """The answer's length is announced, half of it comes, and the connection ends in order."""
    async with shop(cut_body=1.0) as (vendor, _, client):
        received = await raw(client.base_url, b"GET /orders HTTP/1.1\r\nhost: x\r\n\r\n")
        head, _, body = received.partition(b"\r\n\r\n")
        assert f"content-length: {len(BODY)}".encode() in head
        assert body == BODY[: len(BODY) // 2]
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/orders")
        assert vendor.effects["GET"] == 2


async def test_a_refusal_is_a_port_on_which_nobody_listens_and_it_passes() -> None:
    """After the strike connects are refused by the kernel and idle connections are gone; then the same port answers again."""
    async with shop(refuse_seconds=0.15) as (_, plan, client):
        assert (await client.get("/orders")).status_code == 200
        plan.update({"refuse": 1.0})
        assert (await client.get("/orders")).status_code == 200
        await anyio.sleep(0.02)
        with pytest.raises(httpx2.ConnectError):
            await client.get("/orders")
        with pytest.raises(ConnectionRefusedError):
            await raw(client.base_url, b"")
        plan.update({"refuse": 0})
        statuses: list[int] = []
        with anyio.fail_after(5):
            while not statuses:
                try:
                    statuses.append((await client.get("/orders")).status_code)
                except httpx2.ConnectError:
                    await anyio.sleep(0.02)
        assert statuses == [200]
        assert plan.fired["refuse"] >= 1


async def test_a_vendor_that_always_refuses_is_never_reached() -> None:
    """With a rate of 1 from the start not even the first connect succeeds, and nothing is served."""
    async with shop(refuse=1.0, refuse_seconds=0.01) as (vendor, _, client):
        for _ in range(3):
            with pytest.raises(httpx2.ConnectError):
                await client.get("/orders")
            await anyio.sleep(0.02)
        assert vendor.effects.total() == 0


async def test_the_port_stays_ours_while_nobody_listens() -> None:
    """Another socket that asks for a free port during a refusal is never given this one, and cannot take it by name."""
    async with shop(refuse=1.0) as (_, _, client):
        port = client.base_url.port
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


async def test_a_taken_port_is_an_os_error() -> None:
    """The second server on a port is told so at once."""
    async with serve(Shop()) as base:
        with pytest.raises(OSError, match="in use"):
            async with serve(Shop(), port=urlsplit(base).port or 0):
                pass


@pytest.mark.parametrize(
    ("fault", "method", "status", "body", "effects"),
    [
        ("not_json", "GET", 200, None, 1),
        ("empty_body", "GET", 200, b"", 1),
        ("empty_body", "POST", 201, b"", 1),
        ("post_204", "POST", 204, b"", 1),
        ("post_204", "GET", 200, BODY, 1),
        ("status_429", "POST", 429, b'{"status":429,"message":"fault on demand"}', 0),
    ],
)
async def test_what_an_answer_can_be_instead(fault: str, method: str, status: int, body: bytes | None, effects: int) -> None:
    """Each fault of the answer gives its status and body, and has an effect or not as it says."""
    async with shop(**{fault: 1.0}) as (vendor, _, client):
        answer = await client.request(method, "/orders")
        assert answer.status_code == status
        if body is None:
            assert answer.headers["content-type"].startswith("text/html")
            assert b"<html>" in answer.content
        else:
            assert answer.content == body
        assert vendor.effects[method] == effects


async def test_a_500_says_nothing_about_the_effect() -> None:
    """Of two answers with 500 one request had its effect, so that a client that repeats blindly is found out."""
    async with shop(status_500=1.0) as (vendor, _, client):
        assert [(await client.post("/orders")).status_code for _ in range(4)] == [500] * 4
        assert vendor.effects["POST"] == 2


async def test_a_slow_answer_comes_after_its_delay_and_after_the_effect() -> None:
    """The effect happens first, then the wait, then the whole answer."""
    waits: list[tuple[float, int]] = []
    vendor = Shop()

    async def sleep(seconds: float) -> None:
        waits.append((seconds, vendor.effects.total()))

    async with (
        serve(FaultMiddleware(vendor, FaultPlan(slow=1.0, slow_seconds=30), sleep=sleep)) as base,
        httpx2.AsyncClient(base_url=base, trust_env=False) as client,
    ):
        assert (await client.get("/orders")).content == BODY
    assert waits == [(30, 1)]


async def test_control_routes_never_fail_on_purpose() -> None:
    """A person's or a test's own requests are left alone whatever the plan says."""
    async with shop(reset_before=1.0, status_429=1.0) as (vendor, plan, client):
        assert (await client.get("/_sandbox/ledger")).content == BODY
        assert (vendor.effects["GET"], plan.fired.total()) == (1, 0)


async def test_answers_are_not_held_back_by_nagle() -> None:
    """The server's sockets send at once; otherwise an answer of two writes arrives 40 ms late."""
    options: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope["extensions"][faults.CONNECTION]
        options.append(connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await Shop()(scope, receive, send)

    async with serve(app) as base, httpx2.AsyncClient(base_url=base, trust_env=False) as client:
        assert (await client.get("/")).status_code == 200
    assert options
    assert options[0] != 0


async def test_a_server_that_stops_ends_a_request_in_hand() -> None:
    """Leaving the context does not wait for a request that would take for ever; its client sees the connection end."""
    stuck = anyio.Event()

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        stuck.set()
        await anyio.sleep_forever()

    failures: list[BaseException] = []

    async def ask(base: str) -> None:
        async with httpx2.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:
            try:
                await client.get("/")
            except httpx2.HTTPError as error:
                failures.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group, serve(never) as base:
            group.start_soon(ask, base)
            await stuck.wait()
    assert len(failures) == 1


async def test_in_process_a_reset_is_raised() -> None:
    """An app that is called without a socket raises what the socket would have reported."""
    app = FaultMiddleware(Shop(), FaultPlan(reset_after=1.0))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        pytest.fail("nothing is answered")

    with pytest.raises(ConnectionResetError):
        await app({"type": "http", "method": "GET", "path": "/orders"}, receive, send)


def test_the_same_seed_strikes_the_same_requests() -> None:
    """A run with faults can be repeated, and its rate is about what was asked for."""
    first, second = FaultPlan(reset_after=0.2, seed=7), FaultPlan(reset_after=0.2, seed=7)
    struck = [first.strike("GET") for _ in range(1000)]
    assert struck == [second.strike("GET") for _ in range(1000)]
    assert 150 <= first.fired["reset_after"] <= 250


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reset": 0.1}, "unknown fault 'reset'"),
        ({"slow": "often"}, "slow: 'often' is not a number"),
        ({"slow": 1.5}, "slow: 1.5 is not a rate"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_whole(changes: dict[str, object], complaint: str) -> None:
    """A wrong name, type or rate is named, and the good values beside it are not taken over."""
    plan = FaultPlan()
    with pytest.raises(ValueError, match=complaint):
        plan.update({"cut_body": 0.5, **changes})
    assert plan.cut_body == 0


def test_a_faults_file_has_a_table_for_each_vendor() -> None:
    """Rates and seconds are read as written, for each vendor its own, exact or not."""
    plans = faults.read({"salespos": {"reset_after": Decimal("0.1"), "revoke_token_after": 5}, "eaccounting": {"slow": 1}})
    assert (plans["salespos"].reset_after, plans["salespos"].revoke_token_after, plans["eaccounting"].slow) == (0.1, 5, 1)


@pytest.mark.parametrize(
    ("text", "names", "complaint"),
    [
        ("[salespos]\nbroken = 1", ("salespos",), "salespos: unknown fault"),
        ("slow = 1", ("slow",), "slow: expected a table named"),
        ("salespos = 1", ("salespos",), "salespos: expected a table of faults"),
        ("[salespos]\nslow = nan", ("salespos", "slow"), "salespos: slow: nan is not a number up to"),
        ("[salespos]\nslow_seconds = inf", ("salespos", "slow_seconds"), "slow_seconds: inf is not a number up to"),
        ("[salespos]\nslow_seconds = -1", ("salespos", "slow_seconds"), "slow_seconds: -1 is less than 0"),
        (
            "[salespos]\nclock_skew_seconds = 1e300",
            ("salespos", "clock_skew_seconds"),
            "clock_skew_seconds: 1e.300 is not a number",
        ),
        ("[salespos]\nrevoke_token_after = 0.5", ("salespos", "revoke_token_after"), "revoke_token_after: 0.5 is not a whole number"),
        ("[[salespos.outage]]\nkind = 'slow'\nseconds = inf", ("salespos", "outage"), "salespos: outage: seconds: inf is not a number"),
    ],
)
def test_a_wrong_faults_file_is_named_with_its_table(text: str, names: tuple[str, ...], complaint: str) -> None:
    """One line that names the table and what is wrong, and the names that lead there; no number that a sandbox cannot live with."""
    with pytest.raises(faults.BrokenFaults, match=complaint) as caught:
        faults.read(tomllib.loads(text))
    assert caught.value.names == names
    assert "\n" not in str(caught.value)
