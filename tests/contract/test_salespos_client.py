"""The SalesPOS client against answers written from the vendor's published conventions."""

from __future__ import annotations

import hashlib
import hmac
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpx2
import pytest

from connectors.bounded_json import from_json, to_json
from connectors.model import ProductPatch, Sale
from connectors.port import (
    Change,
    Conflict,
    ConnectorError,
    Missing,
    Rejected,
    Throttled,
    Transient,
    Unauthorized,
    Uncertain,
    Unreachable,
    Unreadable,
)
from connectors.salespos import SalesPos, SalesPosConfig

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2025, 3, 1, 9, 0, 20, tzinfo=UTC)
ROOT = "/api/rest/v1/"
DRAFT = ProductPatch(sku="T1", name="Tea", price=Decimal("4.50"), vat_rate=Decimal(9))


class FakeClock:
    """A clock that jumps where it is told to sleep."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        await anyio.lowlevel.checkpoint()
        self.elapsed += seconds


class Till:
    """A till that answers what it is told, signs its answers and checks what it is sent."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.skew = timedelta(0)
        self.routes: dict[str, Callable[[httpx2.Request], Any]] = {}
        self.requests: list[httpx2.Request] = []
        self.sent_at: list[float] = []

    @staticmethod
    def sign(request: httpx2.Request, body: bytes, date: str) -> str:
        """Return the signature as the vendor describes it, computed from what really came over the wire."""
        text = f"demo|{request.method}|{request.url.raw_path.decode()}|{body.decode()}|{date}"
        return hmac.new(b"hush", text.encode(), hashlib.sha512).hexdigest()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        self.requests.append(request)
        self.sent_at.append(self.clock.elapsed)
        now = self.clock.now() + self.skew
        date = request.headers["x-date"]
        assert request.headers["x-public"] == "demo"
        assert request.headers["accept"] == "application/vnd.verto.salespos+json"
        genuine = request.headers["x-hash"] == self.sign(request, request.content, date)
        if not genuine or abs(datetime.fromisoformat(date) - now) > timedelta(minutes=5):
            answer: Any = (401, {"status": 401, "code": "401.10", "developermessage": "hash"})
        else:
            answer = self.routes[f"{request.method} {request.url.path.removeprefix(ROOT)}"](request)
        if isinstance(answer, httpx2.Response):
            return answer
        if isinstance(answer, Exception):
            raise answer
        status, payload = answer if isinstance(answer, tuple) else (200, answer)
        body = payload if isinstance(payload, bytes) else b"" if payload is None else to_json(payload)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return httpx2.Response(status, content=body, headers={"x-date": stamp, "x-hash": self.sign(request, body, stamp)})

    def answers(self, route: str, *answers: Any) -> None:
        """Give these answers to ``route`` in turn, the last one for ever."""
        left = list(answers)
        self.routes[route] = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def lists(self, route: str, items: Callable[[httpx2.Request], list[Any]] | list[Any], *, largest: int = 250) -> None:
        """Answer ``route`` with pages of a listing."""

        def page(request: httpx2.Request) -> Any:
            every = items(request) if callable(items) else items
            start, size = int(request.url.params["start"]), min(int(request.url.params["size"]), largest)
            following = f"https://till.test{ROOT}?start={start + size}" if start + size < len(every) else None
            return {"href": "x", "start": start, "size": size, "next": following, "items": every[start : start + size]}

        self.routes[f"GET {route}"] = page

    def asked(self, route: str) -> list[httpx2.Request]:
        """Return the requests for ``route`` so far."""
        return [request for request in self.requests if f"{request.method} {request.url.path.removeprefix(ROOT)}" == route]


@pytest.fixture
def clock() -> FakeClock:
    """A clock for the till and its client."""
    return FakeClock()


@pytest.fixture
def till(clock: FakeClock) -> Till:
    """A till without any data, whose products are in no category."""
    till = Till(clock)
    till.lists("webshops/", [{"id": 1}])
    till.answers("GET webshops/1/settings/", {"prices_include_vat": True})
    till.lists("categories/", [])
    return till


def connect(till: Till, **settings: Any) -> SalesPos:
    """Return a connector to the till."""
    config = SalesPosConfig(api="till.test", public_key="demo", secret_key="hush", **settings)
    return SalesPos(config, clock=till.clock, transport=httpx2.MockTransport(till), jitter=random.Random(1))


def order(number: int, moment: datetime, **fields: Any) -> dict[str, Any]:
    """Return an order as the till lists it."""
    date = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": number, "create_date": date, "total_price": 5, "paid": True, "is_completed": True, "paymethod": "pin", **fields}


def since(orders: list[dict[str, Any]], *, inclusive: bool = True) -> Callable[[httpx2.Request], list[Any]]:
    """Filter and order orders as the till does."""

    def answer(request: httpx2.Request) -> list[Any]:
        assert request.url.params["orderby"] == "create_date"
        edge = request.url.params.get("min_create_date", "")
        kept = [one for one in orders if one["create_date"] > edge or (inclusive and one["create_date"] == edge)]
        return sorted(kept, key=lambda one: one["create_date"])

    return answer


async def read_all(till: SalesPos, start: datetime | None = None) -> tuple[list[Change[Sale]], list[str]]:
    """Read every change as an engine does, until the till has no more."""
    changes: list[Change[Sale]] = []
    bad: list[str] = []
    after: Change[Any] | None = None
    for _ in range(50):
        page = await till.read_changes(start, after=after)
        changes += page.changes
        bad += [identity for identity, _, _ in page.bad]
        if not page.more:
            return changes, bad
        after = page.changes[-1]
    raise AssertionError("the reading does not end")


# --- signing and trust ---


async def test_what_is_signed_is_what_is_sent(till: Till) -> None:
    """The till finds every signature right, for a query with signs that a library might rewrite and for a body with accents."""
    till.lists("products/", [])
    till.answers("PATCH products/7/", (204, None))
    connector = connect(till)
    await connector.find_products(["A/b ë&'(1)+,;:~*"])
    await connector.update_product("7", ProductPatch(name='Café "au lait"', price=Decimal("4.50")))
    assert till.asked("PATCH products/7/")[0].content == '{"name":"Café \\"au lait\\"","price":4.50,"discount":0}'.encode()
    assert {request.url.params["productnumber"] for request in till.asked("GET products/")} >= {"A/b ë&'(1)+,;:~*"}


@pytest.mark.parametrize("minutes", [-30, 30])
async def test_a_wrong_clock_is_corrected_once(till: Till, minutes: int) -> None:
    """A machine whose clock is wrong learns the vendor's time from the refusal, and needs that only once."""
    till.skew = timedelta(minutes=minutes)
    till.answers("POST products/", (201, {"id": 5}))
    connector = connect(till, package_id=1)
    assert await connector.create_product(DRAFT) == "5"
    assert await connector.create_product(DRAFT) == "5"
    # the first request was refused and sent again
    assert [len(till.asked(route)) for route in ("GET webshops/", "POST products/")] == [2, 2]


async def test_wrong_keys_are_not_tried_twice(till: Till) -> None:
    """A signature refused although the clocks agree is a matter for a person."""
    till.lists("paymethods/", [])
    config = SalesPosConfig(api="till.test", public_key="demo", secret_key="wrong")
    connector = SalesPos(config, clock=till.clock, transport=httpx2.MockTransport(till))
    with pytest.raises(Unauthorized, match=r"401.10: hash"):
        await connector.payment_methods()
    assert len(till.requests) == 1


def tampered(_: httpx2.Request) -> httpx2.Response:
    """Answer with a signature of something else."""
    return httpx2.Response(200, json={"items": [], "id": 9}, headers={"x-date": "2025-03-01T09:00:20Z", "x-hash": "00"})


async def test_a_read_with_a_wrong_signature_is_not_believed(till: Till) -> None:
    """Such an answer is asked for again twice, and then is unreadable; with the check off it is taken."""
    till.routes["GET paymethods/"] = tampered
    with pytest.raises(Unreadable, match="signature"):
        await connect(till).payment_methods()
    assert len(till.requests) == 3
    assert await connect(till, check_response_hash=False).payment_methods() == []


async def test_a_write_with_a_wrong_signature_is_uncertain(till: Till) -> None:
    """It may have happened, so it is looked up and not sent again."""
    till.routes["POST products/"] = tampered
    with pytest.raises(Uncertain):
        await connect(till, package_id=1).create_product(DRAFT)
    assert len(till.asked("POST products/")) == 1
    assert await connect(till, package_id=1, check_response_hash=False).create_product(DRAFT) == "9"


# --- failures ---

REFUSAL = {"developermessage": "no"}


@pytest.mark.parametrize(
    ("status", "body", "read", "write"),
    [
        (401, REFUSAL | {"code": "401.1"}, Unauthorized, Unauthorized),
        (401, b"<html>", Unauthorized, Unauthorized),
        (403, REFUSAL | {"code": "403.1"}, Unauthorized, Rejected),
        (404, REFUSAL | {"code": "404.1"}, Missing, Missing),
        (404, REFUSAL | {"code": "404.20"}, Unreadable, Rejected),
        (404, b"<html>not here</html>", Unreadable, Uncertain),
        (400, REFUSAL | {"status": 400}, Unreadable, Rejected),
        (405, REFUSAL | {"code": "405.10"}, Unreadable, Rejected),
        (500, REFUSAL | {"code": "500.40"}, Transient, Conflict),
        (500, REFUSAL | {"code": "500.60"}, Unreadable, Rejected),
        (500, REFUSAL | {"code": "500.50"}, Unreadable, Rejected),
        (500, REFUSAL | {"code": "500.20"}, Transient, Uncertain),
        (501, REFUSAL | {"code": "501.30"}, Unreadable, Rejected),
        (500, b"<h1>Fatal error</h1>", Transient, Uncertain),
        (502, b"", Transient, Uncertain),
        (503, b"[]", Transient, Uncertain),
        (302, b"", Unreadable, Uncertain),
        (200, b"<html>back soon</html>", Unreadable, Uncertain),
    ],
)
async def test_what_a_refusal_means(till: Till, status: int, body: Any, read: type[ConnectorError], write: type[ConnectorError]) -> None:
    """Each kind of refusal is told apart by what is to be done about it; a write is sent once whatever happens."""
    till.answers("GET products/1/", (status, body))
    till.answers("PATCH products/1/", (status, body))
    connector = connect(till)
    with pytest.raises(ConnectorError) as caught:
        await connector.get_product("1")
    assert isinstance(caught.value, read)
    assert (type(caught.value) is Transient) == (read is Transient)
    with pytest.raises(ConnectorError) as caught:
        await connector.update_product("1", DRAFT)
    assert type(caught.value) is write
    assert len(till.asked("PATCH products/1/")) == 1
    if isinstance(body, dict):
        assert "no" in str(caught.value)


async def test_a_read_survives_two_failures(till: Till, clock: FakeClock) -> None:
    """A page in place of an answer and a lost connection are asked past, with a pause; a third failure is told."""
    product = {"id": 1, "productnumber": "T1"}
    till.answers("GET products/1/", (200, b"<html>"), httpx2.ReadError("reset"), product)
    assert (await connect(till).get_product("1")).sku == "T1"
    assert clock.elapsed > 0
    till.answers("GET products/1/", (500, b""), (500, b""), (500, b""), product)
    with pytest.raises(Transient):
        await connect(till).get_product("1")


async def test_a_lost_answer_to_a_write_is_uncertain(till: Till) -> None:
    """A connection that breaks after sending leaves it open; one that was never made had no effect."""
    till.answers("POST products/", httpx2.ReadError("reset"), httpx2.ConnectError("refused"))
    connector = connect(till, package_id=1)
    with pytest.raises(Uncertain):
        await connector.create_product(DRAFT)
    with pytest.raises(Unreachable):
        await connector.create_product(DRAFT)


# --- limits ---


async def test_reads_of_a_resource_keep_to_their_minute(till: Till) -> None:
    """No more than the limit start in any minute, for each resource and for reads and writes on their own."""
    till.lists("paymethods/", [])
    till.lists("categories/", [])
    till.answers("PATCH products/1/", (204, None))
    connector = connect(till, reads_per_minute=3, writes_per_minute=2)
    for _ in range(8):
        await connector.payment_methods()
    times = [at for at, request in zip(till.sent_at, till.requests, strict=True) if "paymethods" in request.url.path]
    assert all(later - earlier > 60 for earlier, later in zip(times, times[3:], strict=False))
    before = till.clock.elapsed
    await connector.categories()
    await connector.update_product("1", DRAFT)
    await connector.update_product("1", DRAFT)
    assert till.clock.elapsed == before
    await connector.update_product("1", DRAFT)
    assert till.clock.elapsed > before


def test_limits_are_those_of_the_configuration() -> None:
    """Reads, writes and look-ups of scanned codes have limits of their own."""
    config = SalesPosConfig("till.test", "demo", "hush", reads_per_minute=3, writes_per_minute=2, queries_per_minute=1)
    assert [config.limit(budget) for budget in ("read orders", "write orders", "read productqueries")] == [3, 2, 1]


async def test_a_met_limit_holds_until_the_next_minute(till: Till, clock: FakeClock) -> None:
    """A read waits for the vendor's next minute by itself; a write is told to wait, and other resources go on meanwhile."""
    limit = (429, {"status": 429, "code": "429.10", "developermessage": "slow down"})
    till.answers("PATCH products/1/", limit, (204, None))
    till.lists("paymethods/", [])
    connector = connect(till)
    with pytest.raises(Throttled, match=r"429\.10: slow down") as caught:
        await connector.update_product("1", DRAFT)
    assert caught.value.retry_after == 40
    await connector.payment_methods()
    assert clock.elapsed == 0
    await connector.update_product("1", DRAFT)
    assert clock.elapsed >= 40
    till.answers("GET products/1/", limit, {"id": 1})
    await connector.get_product("1")
    assert clock.elapsed >= 60


async def test_the_total_limit_stops_everything(till: Till, clock: FakeClock) -> None:
    """When all requests together were too many, no resource goes on before the vendor says."""
    body = to_json({"code": "429.11", "developermessage": "total"})
    till.lists("paymethods/", [])
    till.answers("PATCH products/1/", httpx2.Response(429, content=body, headers={"retry-after": "25"}))
    connector = connect(till)
    await connector.payment_methods()
    with pytest.raises(Throttled) as caught:
        await connector.update_product("1", DRAFT)
    assert caught.value.retry_after == 25
    await connector.payment_methods()
    assert clock.elapsed >= 25


# --- reading sales ---


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("largest", [250, 40])
async def test_every_sale_is_delivered_once(till: Till, *, inclusive: bool, largest: int) -> None:
    """However many sales share a moment, whatever the till's page size, and whether its filter includes the moment it names."""
    moments = [START + timedelta(seconds=second) for second in (0, *[5] * 400, 6, *[7] * 170, 8, 9)]
    orders = [order(number, moment) for number, moment in enumerate(moments, 1)]
    till.lists("orders/", since(orders, inclusive=inclusive), largest=largest)
    changes, bad = await read_all(connect(till))
    assert list(dict.fromkeys(int(change.id) for change in changes)) == [one["id"] for one in orders]
    assert not bad
    later, _ = await read_all(connect(till), START + timedelta(seconds=7))
    assert {int(change.id) for change in later} == {one["id"] for one in orders if one["create_date"] >= "2025-03-01T09:00:27Z"}


async def test_sales_are_delivered_oldest_first_with_the_vendors_clock(till: Till) -> None:
    """A page is in order of time, and says when it was answered by the till's own clock."""
    till.skew = timedelta(minutes=2)
    till.lists("orders/", [order(2, START + timedelta(seconds=9)), order(1, START)])
    page = await connect(till).read_changes(None)
    assert [change.id for change in page.changes] == ["1", "2"]
    assert page.server_time == START + timedelta(minutes=2)
    assert not page.more


async def test_a_broken_sale_does_not_hide_the_others(till: Till) -> None:
    """What cannot be read is named with its reason, and the reading goes past a whole page of it."""
    broken = [order(number, START + timedelta(seconds=number), total_price="?") for number in range(2, 400)]
    orders = [order(1, START), *broken, order(900, START + timedelta(hours=1)), {"create_date": START.isoformat()}, 17]
    till.lists("orders/", orders)
    changes, bad = await read_all(connect(till))
    assert list(dict.fromkeys(change.id for change in changes)) == ["1", "900"]
    nameless = [name for name in bad if name.startswith("(no id) ")]
    assert set(bad) - set(nameless) == set(map(str, range(2, 400)))
    assert len(set(nameless)) == 2, "each has a name of its own, the same whenever it is read"
    page = await connect(till).read_changes(None)
    assert page.bad[0] == ("2", START + timedelta(seconds=2), "orders/: total_price: number_not_readable")


async def test_a_whole_sale_is_read_leniently(till: Till) -> None:
    """Ids as text, numbers as text and empty strings are read; an order without e-mail address takes it from its account."""
    wired = order(8, START, total_price="9.00", user={"id": "31"}, customer=[], ordernumber_full="K8", reservationnumber="")
    rows = [
        {
            "id": "1",
            "product_number": "",
            "sub_product_number": "",
            "product_id": "4",
            "count": "2",
            "price": "4.50",
            "tax": "9",
            "memo": "",
        }
    ]
    till.answers("GET orders/8/", wired)
    till.lists("orders/8/orderrows/", rows)
    till.lists("products/", [])
    till.answers("GET users/31/", {"id": 31, "username": "ann@x.nl"})
    connector = connect(till)
    till.lists("orders/", [wired])
    listed = (await connector.read_changes(None)).changes[0].record
    whole = await connector.get_sale(listed)
    assert listed.lines == ()
    assert [(line.product_id, line.gross, line.vat_rate) for line in whole.lines] == [("4", Decimal(9), Decimal(9))]
    assert whole.customer is not None
    assert (whole.customer.id, whole.customer.email, whole.note) == ("31", "ann@x.nl", None)
    for status in (403, 404):
        till.answers("GET users/31/", (status, REFUSAL | {"code": f"{status}.1"}))
        assert (await connector.get_sale(listed)).customer is None
    till.answers("GET orders/8/", (404, REFUSAL | {"code": "404.1"}))
    with pytest.raises(Missing):
        await connector.get_sale(listed)


# --- products ---


def products(*numbers: int) -> list[Any]:
    """Return products as the till lists them."""
    return [{"id": number, "productnumber": f"S{number}", "is_active": True} for number in numbers]


async def test_a_listing_that_shifts_is_read_whole(till: Till) -> None:
    """Products deleted between two pages make none of the others disappear."""
    gone: set[int] = set()

    def shrinking(_: httpx2.Request) -> list[Any]:
        left = products(*(number for number in range(1, 500) if number not in gone))
        gone.update(range(10 * len(till.requests), 10 * len(till.requests) + 3))
        return left

    till.lists("products/", shrinking)
    found = [int(product.id) for product in await connect(till).all_products()]
    assert len(found) == len(set(found))
    assert set(range(1, 500)) - gone <= set(found)


async def test_a_listing_that_never_rests_is_given_up(till: Till) -> None:
    """A listing that cannot be read whole fails rather than being taken for whole."""

    def restless(request: httpx2.Request) -> list[Any]:
        moved = 1000 * len(till.requests) if int(request.url.params["start"]) else 0
        return products(*range(1 + moved, 500 + moved))

    till.lists("products/", restless)
    with pytest.raises(Transient, match="cannot be read whole"):
        await connect(till).all_products()


async def test_a_listing_that_repeats_itself_is_given_up(till: Till) -> None:
    """A till that answers the same page for ever is not read for ever."""
    till.answers("GET products/", {"items": products(1, 2, 1), "next": "more"})
    with pytest.raises(Transient, match="cannot be read whole"):
        await connect(till).all_products()


@pytest.mark.parametrize("payload", [{"items": [], "next": "more"}, {"items": 5}, [], None, {"items": products(1), "next": "x"}])
async def test_a_listing_without_end_or_shape_is_refused(till: Till, payload: Any) -> None:
    """A page that leads nowhere, or is none, is an error and not an empty listing."""
    till.answers("GET products/", payload)
    with pytest.raises(Unreadable):
        await connect(till).all_products()


async def test_products_are_found_by_sku_whatever_the_case(till: Till) -> None:
    """A till whose filter regards case, or has none, still gives the one asked for; many are picked from the whole listing."""
    everything = [{"id": 1, "productnumber": "85123a"}, {"id": 2, "productnumber": "85123A"}, {"id": 3, "productnumber": "9"}]
    till.lists("products/", lambda request: [one for one in everything if one["productnumber"] == request.url.params["productnumber"]])
    connector = connect(till)
    assert [product.id for product in await connector.find_products(["85123A", " ", "85123a"])] == ["1", "2"]
    till.lists("products/", everything)
    assert [product.id for product in await connector.find_products(["9"])] == ["3"]
    till.requests.clear()
    assert [product.id for product in await connector.find_products(["9", *map(str, range(20, 30))])] == ["3"]
    assert len(till.asked("GET products/")) == 1


async def test_a_new_product_gets_a_package_and_its_categories(till: Till) -> None:
    """Packaging is taken from the till and remembered; a category is made once, and found again whatever its case."""
    made: list[dict[str, Any]] = [{"id": 1, "name": "Coffee"}]

    def make(request: httpx2.Request) -> Any:
        made.append({"id": len(made) + 1, **from_json(request.content)})
        return 201, made[-1]

    till.lists("packages/", [{"id": 12}, {"id": 13}])
    till.lists("categories/", made)
    till.lists("products/5/producttocategories/", [{"id": 3, "category_id": 1}])
    till.routes["POST categories/"] = make
    till.answers("POST products/", (201, {"id": 5}))
    till.answers("POST producttocategories/", (201, {"id": 1}))
    connector = connect(till)
    draft = ProductPatch(sku="T1", name="Tea", price=Decimal("4.50"), vat_rate=Decimal(9), categories=("Hot", " hot", "COFFEE"))
    assert await connector.create_product(draft) == "5"
    assert await connector.create_product(draft) == "5"
    assert from_json(till.asked("POST products/")[0].content) == {
        "productnumber": "T1",
        "name": "Tea",
        "taxtariff": "low a",
        "price": Decimal("4.50"),
        "discount": 0,
        "package_id": 12,
    }
    assert [from_json(request.content) for request in till.asked("POST producttocategories/")] == [{"product_id": 5, "category_id": 2}] * 2
    assert len(till.asked("POST categories/")) == 1
    assert len(till.asked("GET packages/")) == 1
    assert await connector.categories() == ["Coffee", "Hot"]


async def test_a_product_created_without_an_answer(till: Till) -> None:
    """A 204 gives no id; with categories to link the SKU is asked for it."""
    till.answers("POST products/", (204, None))
    till.lists("products/", [])
    till.lists("categories/", [{"id": 2, "name": "Hot"}])
    connector = connect(till, package_id=1)
    draft = ProductPatch(sku="T1", name="Tea", price=Decimal(1), vat_rate=Decimal(9), categories=("Hot",))
    assert await connector.create_product(draft) == ""
    till.lists("products/", [{"id": 6, "productnumber": "T1"}])
    till.lists("products/6/producttocategories/", [])
    till.answers("POST producttocategories/", (204, None))
    assert await connector.create_product(draft) == "6"
    assert from_json(till.asked("POST producttocategories/")[0].content) == {"product_id": 6, "category_id": 2}


async def test_a_product_whose_categories_fail_is_not_made_again(till: Till) -> None:
    """Once the product exists, whatever fails afterwards leaves it to be looked up: never is it as if nothing had been sent."""
    till.answers("POST products/", (201, {"id": 5}))
    till.lists("categories/", [{"id": 2, "name": "Hot"}])
    till.answers("GET products/5/producttocategories/", httpx2.ConnectError("refused"))
    with pytest.raises(Uncertain, match="was created"):
        await connect(till, package_id=1).create_product(ProductPatch(sku="T1", name="Tea", price=Decimal(1), categories=("Hot",)))


@pytest.mark.parametrize("answer", [(204, None), (500, REFUSAL | {"code": "500.40"})])
async def test_a_category_that_was_made_meanwhile_is_used(till: Till, answer: Any) -> None:
    """A category that exists after all, or was made without an answer, is found in the listing; not finding it is no success."""
    listed: list[dict[str, Any]] = []

    def make(_: httpx2.Request) -> Any:
        listed.append({"id": 4, "name": "Hot"})
        return answer

    till.lists("categories/", listed)
    till.routes["POST categories/"] = make
    till.lists("products/1/producttocategories/", [])
    till.answers("POST producttocategories/", (201, {"id": 1}))
    await connect(till).update_product("1", ProductPatch(categories=("Hot",)))
    assert len(till.asked("POST producttocategories/")) == 1
    till.lists("categories/", [])
    with pytest.raises(Uncertain, match="not listed yet"):
        await connect(till).update_product("1", ProductPatch(categories=("Hot",)))


async def test_categories_of_products_are_read_by_name(till: Till) -> None:
    """A product names the categories that it is in; those of all products cost a request for each category, and are kept."""
    till.lists("categories/", [{"id": 2, "name": "Hot"}, {"id": 3, "name": "Gone"}, {"id": 4, "name": "Cold"}])
    till.lists("categories/2/producttocategories/", [{"id": 1, "product_id": 1}, {"id": 2, "product_id": "2"}])
    till.answers("GET categories/3/producttocategories/", (404, REFUSAL | {"code": "404.1"}))
    till.lists("categories/4/producttocategories/", [{"id": 3, "product_id": 1}])
    till.lists("products/", products(1, 2, 3))
    connector = connect(till)
    for _ in range(2):
        assert [product.categories for product in await connector.all_products()] == [("Cold", "Hot"), ("Hot",), ()]
    assert len(till.asked("GET categories/2/producttocategories/")) == 1
    till.lists("products/3/producttocategories/", [])
    till.answers("POST producttocategories/", (204, None))
    await connector.update_product("3", ProductPatch(categories=("Hot",)))
    assert (await connector.all_products())[2].categories == ("Hot",)
    assert len(till.asked("GET categories/2/producttocategories/")) == 1


async def test_a_key_without_right_to_categories_still_reads_products(till: Till) -> None:
    """What the key may not read is left out; the products and their stock are still there."""
    till.answers("GET categories/", (403, REFUSAL | {"code": "403.1"}))
    till.lists("products/", products(1))
    assert [product.categories for product in await connect(till).all_products()] == [()]


async def test_rows_without_a_number_are_named_by_their_product(till: Till) -> None:
    """A till whose rows say only the id of the product is asked once for the numbers of all."""
    till.answers("GET orders/8/", order(8, START))
    till.lists("orders/8/orderrows/", [{"id": 1, "product_number": "", "product_id": 5, "count": 1, "price": 5, "tax": 9}])
    till.lists("products/", products(5, 6))
    connector = connect(till)
    till.lists("orders/", [order(8, START)])
    listed = (await connector.read_changes(None)).changes[0].record
    for _ in range(2):
        assert [line.sku for line in (await connector.get_sale(listed)).lines] == ["S5"]
    assert len(till.asked("GET products/")) == 1


async def test_nothing_to_write_is_not_sent(till: Till) -> None:
    """An empty draft makes no request, a rate without tariff and a till without packaging are refused before one."""
    connector = connect(till)
    await connector.update_product("1", ProductPatch(categories=()))
    with pytest.raises(Rejected, match="tariff"):
        await connector.update_product("1", ProductPatch(vat_rate=Decimal(12)))
    assert not till.requests
    till.lists("packages/", [])
    with pytest.raises(Rejected, match="packaging"):
        await connector.create_product(DRAFT)
    assert not till.asked("POST products/")


async def test_registers_are_read_again_when_old(till: Till, clock: FakeClock) -> None:
    """What hardly changes is kept for its time, and no longer."""
    till.lists("categories/", [{"id": 2, "name": "Hot"}])
    connector = connect(till, register_life_seconds=100)
    await connector.categories()
    await connector.categories()
    clock.elapsed += 101
    await connector.categories()
    assert len(till.asked("GET categories/")) == 2


# --- the till itself ---


async def test_the_till_says_what_it_is(till: Till) -> None:
    """Name, currency, whether it is a till, what the key may use, and how many products may still be made."""
    shop = {"id": 3, "name": "De Kade", "is_salespos": True, "product_limit": 500, "product_limit_left": 20}
    till.answers("GET ", {"items": [{"href": f"https://till.test{ROOT}orders/"}]})
    till.lists("webshops/", [shop])
    till.answers("GET webshops/3/settings/", {"currency": "SEK", "prices_include_vat": False})
    store = await connect(till).store()
    assert (store.id, store.name, store.currency, store.is_till) == ("3", "De Kade", "SEK", True)
    assert (store.prices_include_vat, store.product_limit_left, store.resources) == (False, 20, frozenset({"orders"}))
    till.lists("webshops/", [shop | {"product_limit": -1}])
    till.answers("GET webshops/3/settings/", (403, REFUSAL | {"code": "403.1"}))
    store = await connect(till).store()
    assert (store.currency, store.prices_include_vat, store.product_limit_left) == ("EUR", True, None)
    till.lists("webshops/", [])
    with pytest.raises(Unreadable, match="no shop"):
        await connect(till).store()


async def test_ways_to_pay_are_listed(till: Till) -> None:
    """Each has its stable code and the name that the till shows."""
    till.lists("paymethods/", [{"id": 1, "method": "pin", "label": "PIN"}, {"id": "2", "method": "cash", "label": ""}])
    found = await connect(till).payment_methods()
    assert [(one.id, one.code, one.label) for one in found] == [("1", "pin", "PIN"), ("2", "cash", "cash")]


async def test_day_closings_since_a_moment(till: Till) -> None:
    """Only those made since are given, whether or not the till's filter works."""
    till.lists("cashups/", [{"id": number, "create_date": f"2025-03-0{number}T18:00:00Z", "status": "OPEN"} for number in (1, 2, 3)])
    connector = connect(till)
    assert [one.id for one in await connector.cash_ups(datetime(2025, 3, 2, 18, tzinfo=UTC))] == ["2", "3"]
    assert len(await connector.cash_ups()) == 3
    assert till.requests[0].url.params["min_create_date"] == "2025-03-02T17:59:59Z"


async def test_customers_with_an_account_are_found_by_address(till: Till) -> None:
    """All accounts are read and compared without regard to case."""
    people = [
        {"id": 1, "username": "x"},
        {"id": 2, "username": "ann", "userinfo": {"email": "Ann@X.nl"}},
        {"id": 3, "username": "ann@x.nl"},
    ]
    till.lists("users/", people)
    assert [one.id for one in await connect(till).find_users(" ANN@x.nl")] == ["2", "3"]


async def test_closing_twice_is_harmless(till: Till) -> None:
    """A connector may be closed whatever it did before."""
    config = SalesPosConfig(api="till.test", public_key="demo", secret_key="hush")
    connector = SalesPos(config, clock=till.clock)
    await connector.aclose()
    await connector.aclose()
