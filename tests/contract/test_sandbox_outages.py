"""Outages of both vendors: by address, by time, in process and on real sockets, from a faults file and by a person."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from connectors.sandbox import faults
from connectors.sandbox.eaccounting import BooksSandbox
from connectors.sandbox.faults import FaultMiddleware, FaultPlan
from connectors.sandbox.outages import KINDS, Outage, read
from connectors.sandbox.salespos import TillSandbox
from connectors.sandbox.serve import serve
from tests.contract.books_support import NOW, WORLD, Shop
from tests.contract.test_sandbox_till import PRODUCT, till

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CUSTOMERS = "/v2/customers"


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


async def ask(shop: Shop, path: str = CUSTOMERS, method: str = "GET", **more: Any) -> httpx2.Response:
    """Send a request past the judge, who knows no outages."""
    token = {"authorization": f"Bearer {shop.sandbox.access_token}"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(shop.sandbox.app), base_url="http://books", headers=token) as client:
        return await client.request(method, path, **more)


# what happens


@pytest.mark.parametrize(
    ("kind", "status", "media", "text"),
    [
        ("status_500", 500, "application/json", '"ErrorCode": 5000'),
        ("status_502", 502, "text/html", "502 Bad Gateway"),
        ("status_503", 503, "text/html", "503 Service Temporarily Unavailable"),
        ("maintenance_200", 200, "text/html", "Down for maintenance"),
        ("maintenance_503", 503, "text/html", "Down for maintenance"),
        ("status_429", 429, "application/json", "4010"),
    ],
)
async def test_an_outage_answers_every_request_in_its_way_until_it_is_lifted(
    shop: Shop, kind: str, status: int, media: str, text: str
) -> None:
    """The same status and body each time, whatever is asked, and no effect; once lifted, the vendor is as it was."""
    number = shop.sandbox.outages.begin(Outage(kind=kind))
    for _ in range(3):
        answer = await ask(shop, method="POST", json=await _nothing())
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (status, media)
        assert text in answer.text
        assert "retry-after" not in answer.headers
    assert (len(shop.sandbox.books.customers.rows), shop.sandbox.requests.total()) == (1, 0)
    assert shop.sandbox.outages.as_json()[0]["struck"] == 3
    assert shop.sandbox.outages.lift(number)
    assert (await ask(shop)).status_code == 200


async def _nothing() -> dict[str, Any]:
    return {"Name": "niemand"}


@pytest.mark.parametrize(("kind", "error"), [("refuse", ConnectionRefusedError), ("reset", ConnectionResetError)])
async def test_in_process_a_connection_fails_as_a_socket_would(shop: Shop, kind: str, error: type[Exception]) -> None:
    """Refused is another thing than reset: the one had no effect for certain."""
    shop.sandbox.outages.begin(Outage(kind=kind))
    with pytest.raises(error):
        await ask(shop)
    assert shop.sandbox.requests.total() == 0


@pytest.mark.parametrize("kind", sorted(kind for kind, words in KINDS.items() if "effect" in words))
async def test_an_outage_may_lose_only_the_answer(shop: Shop, kind: str) -> None:
    """With ``effect`` the customer is there although the answer said that something is broken."""
    body = await shop.customer_body()
    shop.sandbox.outages.begin(Outage(kind=kind, effect=True))
    try:
        assert "Bakkerij" not in (await ask(shop, method="POST", json=body)).text
    except ConnectionResetError:
        assert kind == "reset"
    assert [row["Name"] for row in shop.sandbox.books.customers.rows.values()][1:] == ["Bakkerij De Korst"]


@pytest.mark.parametrize("kind", sorted(kind for kind, words in KINDS.items() if "retry_after" in words))
async def test_an_outage_may_say_when_to_come_back(shop: Shop, kind: str) -> None:
    """``retry_after`` is the header's seconds."""
    shop.sandbox.outages.begin(Outage(kind=kind, retry_after=120))
    assert (await ask(shop)).headers["retry-after"] == "120"


async def test_a_slow_vendor_answers_late_and_rightly() -> None:
    """Each answer comes so many seconds after its effect, and is what it would have been."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    async with till() as client:
        client.till.app.app._sleep = sleep  # type: ignore[attr-defined]  # the middleware in front of the vendor
        client.till.outages.begin(Outage(kind="slow", seconds=45))
        assert (await client.add("/products/", PRODUCT))["name"] == "Mok"
    assert waits == [45]


# which requests


@pytest.mark.parametrize(
    ("where", "struck"),
    [
        ({}, {"GET /v2/customers", "POST /v2/customers", "GET /v2/articles", "POST /connect/token"}),
        ({"path": "/v2"}, {"GET /v2/customers", "POST /v2/customers", "GET /v2/articles"}),
        ({"path": "/V2/Customers"}, {"GET /v2/customers", "POST /v2/customers"}),
        ({"path": "/v2/customers", "method": "POST"}, {"POST /v2/customers"}),
        ({"method": "POST"}, {"POST /v2/customers", "POST /connect/token"}),
        ({"path": "/connect"}, {"POST /connect/token"}),
        ({"path": "/v2/*"}, {"GET /v2/customers", "POST /v2/customers", "GET /v2/articles"}),
        ({"path": "/v2/customers/*/merge"}, set()),
    ],
)
async def test_an_outage_is_about_some_requests(shop: Shop, where: dict[str, Any], struck: set[str]) -> None:
    """By the beginning of the address in any case, by an address with stars, by method; the sign-in alone; everything."""
    shop.sandbox.outages.begin(Outage(kind="status_502", **where))
    found = set()
    for one in ("GET /v2/customers", "POST /v2/customers", "GET /v2/articles", "POST /connect/token"):
        method, path = one.split()
        if (await ask(shop, path, method)).status_code == 502:
            found.add(one)
    assert found == struck


async def test_an_outage_has_its_time_by_the_vendors_own_clock(shop: Shop) -> None:
    """From its first moment, until its last but not at it."""
    shop.sandbox.outages.begin(Outage(kind="status_503", since=NOW + timedelta(minutes=5), until=NOW + timedelta(minutes=10)))
    statuses = []
    for _ in range(4):
        statuses.append((await ask(shop)).status_code)
        shop.clock.forward(minutes=4, seconds=60 if len(statuses) < 3 else 0)
    assert statuses == [200, 503, 200, 200]


async def test_the_first_outage_that_is_about_a_request_strikes_it(shop: Shop) -> None:
    """Several at once: a broken sign-in, and behind it a slow everything else."""
    shop.sandbox.outages.replace([Outage(kind="status_500", path="/connect"), Outage(kind="status_429")])
    assert (await ask(shop, "/connect/token", "POST")).status_code == 500
    assert (await ask(shop)).status_code == 429
    assert [one["struck"] for one in shop.sandbox.outages.as_json()] == [1, 1]


def test_an_outage_throws_no_dice() -> None:
    """What strikes by chance is the same with and without an outage that struck in between."""
    plain, other = FaultPlan(slow=0.5, seed=3), FaultPlan(slow=0.5, seed=3)
    other.outages.begin(Outage(kind="status_502"))
    struck = [(plain.strike("GET"), other.outages.striking("GET", "/v2"), other.strike("GET")) for _ in range(50)]
    assert [first for first, _, _ in struck] == [last for _, _, last in struck]
    assert all(outage is not None for _, outage, _ in struck)
    assert {first for first, _, _ in struck} == {None, "slow"}


# on real sockets


async def test_a_refused_port_is_closed_until_the_outage_ends() -> None:
    """The connection that finds out is reset, the kernel refuses the others, and the same port answers afterwards."""
    plan = FaultPlan(refuse_seconds=0.01)
    sandbox = BooksSandbox(WORLD, faults=plan)
    async with serve(FaultMiddleware(sandbox.app, plan)) as base, httpx2.AsyncClient(base_url=base, trust_env=False) as client:
        number = sandbox.outages.begin(Outage(kind="refuse"))
        with pytest.raises(httpx2.ReadError):
            await client.get(CUSTOMERS)
        await anyio.sleep(0.02)
        for _ in range(2):
            with pytest.raises(httpx2.ConnectError):
                await client.get(CUSTOMERS)
        sandbox.outages.lift(number)
        statuses: list[int] = []
        with anyio.fail_after(5):
            while not statuses:
                try:
                    statuses.append((await client.get(CUSTOMERS)).status_code)
                except httpx2.ConnectError:
                    await anyio.sleep(0.02)
        assert statuses == [401]


async def test_a_reset_of_one_address_leaves_the_others_alone() -> None:
    """The till resets the listing of orders and answers the rest, over a real connection."""
    async with till() as client:
        client.till.outages.begin(Outage(kind="reset", path="/api/rest/v1/orders"))
        with pytest.raises(httpx2.ReadError):
            await client.send("GET", "/orders/")
        assert await client.all("/products/") == []


# by a person


@pytest.mark.parametrize("vendor", ["eaccounting", "salespos"])
async def test_a_person_calls_and_lifts_outages(vendor: str) -> None:
    """Control routes of both vendors take what a faults file says, show it, lift one or all, and are never struck themselves."""
    sandbox = BooksSandbox(WORLD) if vendor == "eaccounting" else TillSandbox(WORLD)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(sandbox.app), base_url="http://vendor") as client:
        said = {"kind": "maintenance_503", "path": "/", "from": "2026-03-16T09:00:00+00:00", "retry_after": 60}
        made = await client.post("/_sandbox/outages", json=said)
        assert made.status_code == 201
        assert made.json() == {"id": 1, **said, "method": "", "effect": False}
        assert (await client.get("/v2/customers")).status_code == 503
        assert (await client.get("/_sandbox/outages")).json() == [{**made.json(), "struck": 1}]
        assert (await client.delete("/_sandbox/outages/1")).status_code == 204
        assert (await client.delete("/_sandbox/outages/1")).status_code == 404
        assert (await client.get("/v2/customers")).status_code != 503
        await client.post("/_sandbox/outages", json=said)
        assert (await client.delete("/_sandbox/outages")).status_code == 204
        assert (await client.get("/_sandbox/outages")).json() == []


async def test_a_person_cannot_lock_himself_out() -> None:
    """A port that nobody listens on takes no request to open it again: such an outage needs its end."""
    sandbox = BooksSandbox(WORLD)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(sandbox.app), base_url="http://vendor") as client:
        assert (await client.post("/_sandbox/outages", json={"kind": "refuse"})).status_code == 400
        assert (await client.post("/_sandbox/outages", json={"kind": "refuse", "to": "2126-01-01T00:00:00Z"})).status_code == 201
    assert sandbox.outages.refusing()


# in a faults file


def test_a_faults_file_says_outages() -> None:
    """As an array of tables for each vendor, next to the rates."""
    text = (
        "[eaccounting]\nslow = 0.5\n"
        '[[eaccounting.outage]]\nkind = "status_503"\npath = "/v2/customerinvoices"\nmethod = "post"\n'
        "from = 2026-03-16T09:00:00Z\nto = 2026-03-16T10:00:00+01:00\nretry_after = 30\neffect = true\n"
        '[[eaccounting.outage]]\nkind = "refuse"\npath = "/connect"\n'
        '[[salespos.outage]]\nkind = "slow"\nseconds = 2.5\n'.replace("10:00:00+01:00", "11:00:00+01:00")
    )
    plans = faults.read(tomllib.loads(text))
    assert plans["eaccounting"].slow == 0.5
    assert list(plans["eaccounting"].outages.known.values()) == [
        Outage(
            kind="status_503",
            path="/v2/customerinvoices",
            method="POST",
            since=datetime(2026, 3, 16, 9, tzinfo=UTC),
            until=datetime(2026, 3, 16, 10, tzinfo=UTC),
            retry_after=30,
            effect=True,
        ),
        Outage(kind="refuse", path="/connect"),
    ]
    assert list(plans["salespos"].outages.known.values()) == [Outage(kind="slow", seconds=2.5)]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ('outage = "all"', "expected a list of tables"),
        ("outage = [1]", "expected a table"),
        ('outage = [{path = "/v2"}]', "kind: None is not one of refuse"),
        ('outage = [{kind = "fire"}]', "kind: 'fire' is not one of refuse"),
        ('outage = [{kind = "slow", rate = 1}]', "unknown name 'rate'"),
        ('outage = [{kind = "slow", effect = true}]', "effect says nothing about slow"),
        ('outage = [{kind = "slow", seconds = -1}]', "seconds: -1 is not a number of seconds"),
        ('outage = [{kind = "slow", seconds = nan}]', "seconds: nan is not a number of seconds"),
        ('outage = [{kind = "status_429", retry_after = true}]', "retry_after: True is not a number"),
        ('outage = [{kind = "reset", effect = 1}]', "effect: 1 is not true or false"),
        ('outage = [{kind = "reset", path = "v2"}]', "does not begin with a slash"),
        ('outage = [{kind = "reset", path = 2}]', "path: 2 is not a text"),
        ('outage = [{kind = "reset", method = "BREW"}]', "method: 'BREW' is not one of GET"),
        ('outage = [{kind = "reset", from = 2026-03-16T09:00:00}]', "not a moment with a zone"),
        ('outage = [{kind = "reset", to = "morgen"}]', "'morgen' is not a moment"),
        ('outage = [{kind = "reset", from = 2026-03-16T09:00:00Z, to = 2026-03-16T09:00:00Z}]', "from: is not before to"),
    ],
)
def test_an_outage_that_makes_no_sense_is_refused_with_its_place(said: str, complaint: str) -> None:
    """One line that names the table and what is wrong, and the names that lead there."""
    with pytest.raises(faults.BrokenFaults, match="outage") as caught:
        faults.read(tomllib.loads(f"[salespos]\n{said}\n"))
    assert str(caught.value).startswith("salespos: outage: ")
    assert caught.value.names == ("salespos", "outage")
    assert complaint in str(caught.value)


def test_a_plan_keeps_its_outages_when_a_change_is_refused() -> None:
    """All or nothing."""
    plan = FaultPlan()
    plan.outages.begin(Outage(kind="reset"))
    with pytest.raises(ValueError, match="rate"):
        plan.update({"outage": [{"kind": "slow"}], "slow": 7})
    assert [one.kind for one in plan.outages.known.values()] == ["reset"]
    plan.update({"outage": []})
    assert plan.outages.known == {}


def test_an_outage_reads_back_as_it_was_said() -> None:
    """What a control route shows can be sent to it again."""
    for kind in KINDS:
        outage = Outage(kind=kind, path="/v2", method="GET", since=NOW, until=NOW + timedelta(days=2))
        assert read(outage.as_json()) == outage
