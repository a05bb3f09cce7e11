"""The SalesPOS sandbox on the wire: signatures, pages, limits, errors, and how a sale looks."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from connectors.sandbox import shop
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.salespos import TillSandbox, TillSwitches
from connectors.sandbox.salespos.assumptions import TOTAL_PER_MINUTE, spread, vat_in
from connectors.sandbox.salespos.fields import MODELS
from connectors.sandbox.salespos.limits import Limits
from connectors.sandbox.salespos.signing import sign
from connectors.sandbox.salespos.wire import Refused
from connectors.sandbox.serve import serve
from connectors.sandbox.world import World, WorldArticle, WorldCustomer, WorldLine, WorldReceipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
ROOT = "/api/rest/v1"
MUG = WorldArticle("10001A", "Mok", Decimal("10.00"), Decimal(21), Decimal(50))
BOOK = WorldArticle("20001B", "Boek", Decimal("20.00"), Decimal(9), Decimal(50))
BUYER = WorldCustomer(
    "17", "Bram@post.example", "Bram de Boer", "De Boer B.V.", "NL123456782B01", "12345678", "Markt 12 bis", "1234 AB", "Delft", "NL", None
)
PRODUCT = {"name": "Mok", "price": 10, "discount": 0, "package_id": 1, "productnumber": "10001A", "stockenabled": True, "stock": 8}


def line(kind: str, price: str, *, sku: str = "10001A", quantity: int = 1, rate: int = 21) -> WorldLine:
    """Make a line of a receipt."""
    return WorldLine(kind, sku, f"{kind} {sku}", Decimal(quantity), Decimal(price), Decimal(rate))


def receipt(number: str, *lines: WorldLine, gross: str, minutes: int = 0, **more: Any) -> WorldReceipt:
    """Make a receipt, so many minutes after noon."""
    given: dict[str, Any] = {"customer_key": None, "paymethod": "pin", "rounding": Decimal(0), "is_correction": False, **more}
    return WorldReceipt(number=number, sold_at=NOON + timedelta(minutes=minutes), lines=lines, gross=Decimal(gross), **given)


def world(*receipts: WorldReceipt) -> World:
    """Make a shop with two articles and a customer."""
    return World(articles=(MUG, BOOK), customers=(BUYER,), receipts=receipts)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@dataclass
class Client:
    """Signs requests as the reference says, written here a second time."""

    till: TillSandbox
    http: httpx2.AsyncClient
    clock: Clock
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, uri: str, body: Any = None, *, root: str = ROOT) -> httpx2.Response:
        """Send a signed request."""
        raw = "" if body is None else json.dumps(body)
        date = self.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        text = f"{self.till.public_key}|{method}|{root}{uri}|{raw}|{date}"
        digest = hmac.new(self.till.secret_key.encode(), text.encode(), hashlib.sha512).hexdigest()
        headers = {"x-public": self.till.public_key, "x-date": date, "x-hash": digest, **self.headers}
        return await self.http.request(method, root + uri, content=raw, headers=headers)

    async def get(self, uri: str) -> Any:
        """Read a resource, its numbers exact."""
        answer = await self.send("GET", uri)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.content, parse_float=Decimal)

    async def all(self, uri: str) -> list[Any]:
        """Read every page of a listing by following ``next``."""
        items: list[Any] = []
        while uri:
            page = await self.get(uri)
            items += page["items"]
            uri = (page["next"] or "").rpartition(ROOT)[2]
        return items

    async def add(self, uri: str, body: Any) -> Any:
        """Create something and return it."""
        answer = await self.send("POST", uri, body)
        assert answer.status_code == 201, answer.text
        return json.loads(answer.content, parse_float=Decimal)

    async def refused(self, method: str, uri: str, body: Any = None) -> tuple[int, str]:
        """Send what is to be refused and return status and code."""
        answer = await self.send(method, uri, body)
        error = answer.json()
        assert error.keys() == {"status", "code", "developermessage"}
        assert error["status"] == answer.status_code
        return answer.status_code, error["code"]


@asynccontextmanager
async def till(shop_world: World | None = None, **options: Any) -> AsyncIterator[Client]:
    """Run a till over a real socket and give a client for it."""
    clock = Clock()
    sandbox = TillSandbox(shop_world or world(), clock=clock, **{"limits": False, **options})
    async with serve(sandbox.app) as base, httpx2.AsyncClient(base_url=base, trust_env=False) as http:
        yield Client(sandbox, http, clock)


# --- signatures -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "uri", "body", "digest"),
    [
        (
            "GET",
            "/api/rest/v1/orders/?start=0&size=50",
            "",
            "2333402aa06aeb9e60cc259e748e95d88f114eef8fe8bf04d9503956c3058f1d880c193cf8b3990d6811719a5a366d6023a88d0a8fc9d3691575615b2880582d",
        ),
        (
            "PATCH",
            "/api/rest/v1/products/123/",
            '{"stock":5}',
            "e4ad5b704c9b57fc88ffeee57bae97348d68b6b8bc6e335c773ad918fe81b2aeb2390e926abac537444f6e88215fdf356138a421eb96de8c8e7baeed4b135cde",
        ),
    ],
)
def test_signatures_are_those_of_the_reference(method: str, uri: str, body: str, digest: str) -> None:
    """The published vectors for key and secret "demo" come out."""
    assert sign("demo", "demo", method=method, uri=uri, body=body, date="2025-01-01T12:00:00Z") == digest


async def test_an_answer_is_signed_over_its_body_and_the_uri_as_sent() -> None:
    """The client can verify ``x-hash`` on a listing, on an empty 204 and on an error; ``date`` tells the vendor's time."""
    async with till() as client:
        product = await client.add("/products/", PRODUCT)
        for method, uri, body in (
            ("GET", "/orders?size=5&start=0", None),
            ("PATCH", f"/products/{product['id']}", {"stock": 4}),
            ("GET", "/nothing", None),
        ):
            answer = await client.send(method, uri, body)
            text = f"{client.till.public_key}|{method}|{ROOT}{uri}|{answer.text}|{answer.headers['x-date']}"
            assert answer.headers["x-hash"] == hmac.new(client.till.secret_key.encode(), text.encode(), hashlib.sha512).hexdigest()
            assert (answer.headers["x-date"], answer.headers["date"]) == ("2026-03-14T12:00:00Z", "Sat, 14 Mar 2026 12:00:00 GMT")


@pytest.mark.parametrize("headers", [{"x-public": "other"}, {"x-hash": "0" * 128}, {"x-hash": ""}, {"x-date": "2026-03-14T12:00:01Z"}])
async def test_a_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    """Another key, another hash, none at all, or a date that was not signed: 401, and nothing happens."""
    async with till() as client:
        client.headers = headers
        assert (await client.refused("POST", "/products/", PRODUCT))[0] == 401
        assert client.till.ledger().products == 0
        assert client.till.requests.total() == 0


@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (301, 401), (-301, 401)])
async def test_a_date_more_than_five_minutes_off_is_refused(seconds: int, status: int) -> None:
    """The window is five minutes either way, by the vendor's own clock."""
    async with till(plan=FaultPlan(clock_skew_seconds=seconds)) as client:
        answer = await client.send("GET", "/orders/")
        assert answer.status_code == status
        assert answer.headers["x-date"] == (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("date", ["2026-03-14T12:00:00+00:00", "2026-03-14T12:00:00+0000", "2026-03-14T13:00:00+01:00"])
async def test_every_form_of_the_date_is_read(date: str) -> None:
    """Zones are understood; the hash is over the text as sent."""
    async with till() as client:
        key, secret = client.till.public_key, client.till.secret_key
        digest = sign(key, secret, method="GET", uri=f"{ROOT}/orders/", body="", date=date)
        answer = await client.http.get(f"{ROOT}/orders/", headers={"x-public": key, "x-date": date, "x-hash": digest})
        assert answer.status_code == 200


async def test_both_slash_forms_are_the_same_resource() -> None:
    """With and without the trailing slash the same is answered, for lists, records and the root."""
    async with till(world(receipt("1", line("product", "10.00"), gross="10.00"))) as client:
        for uri in ("", "/orders", "/orders/5001", "/orders/5001/orderrows"):
            assert (await client.send("GET", uri)).status_code == (await client.send("GET", uri + "/")).status_code == 200


# --- pages and filters ----------------------------------------------------------------------------------------------------------


def many(count: int) -> World:
    """Make a shop with a receipt a minute."""
    return world(*(receipt(str(number), line("product", "10.00"), gross="10.00", minutes=number) for number in range(1, count + 1)))


async def test_pages_have_absolute_addresses_and_end_with_null() -> None:
    """The envelope tells start, size and the pages around it; filters stay in the addresses."""
    async with till(many(5)) as client:
        page = await client.get("/orders/?start=2&size=2&is_paid=true")
        base = str(client.http.base_url).rstrip("/")
        assert {name: page[name] for name in ("href", "start", "size", "first", "previous", "next")} == {
            "href": f"{base}{ROOT}/orders/?is_paid=true&start=2&size=2",
            "start": 2,
            "size": 2,
            "first": f"{base}{ROOT}/orders/?is_paid=true&start=0&size=2",
            "previous": f"{base}{ROOT}/orders/?is_paid=true&start=0&size=2",
            "next": f"{base}{ROOT}/orders/?is_paid=true&start=4&size=2",
        }
        assert [one["ordernumber"] for one in page["items"]] == [3, 4]
        last = await client.get("/orders/?start=4&size=2")
        assert (last["next"], len(last["items"])) == (None, 1)
        assert [one["ordernumber"] for one in await client.all("/orders/?size=2")] == [1, 2, 3, 4, 5]


async def test_a_page_has_150_records_and_never_more_than_250() -> None:
    """The default is 150; what is asked for above 250 is cut down, or refused where the switch says so."""
    async with till(many(300)) as client:
        assert [len((await client.get(uri))["items"]) for uri in ("/orders/", "/orders/?size=9999", "/orders/?start=290")] == [150, 250, 10]
    async with till(many(1), switches=TillSwitches(clamp_size=False)) as client:
        assert await client.refused("GET", "/orders/?size=251") == (400, "400.10")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("min_create_date=2026-03-14T12:02:00Z", [2, 3]),
        ("max_create_date=2026-03-14T12:02:00Z", [1, 2]),
        ("min_create_date=2026-03-14T12:02:00Z&max_create_date=2026-03-14T13:02:00%2B01:00", [2]),
        ("min_create_date=2026-03-14T13:03:00+01:00", [3]),
        ("orderby=create_date_desc", [3, 2, 1]),
        ("orderby=id_desc&max_create_date=2026-03-14T12:02:00Z", [2, 1]),
        ("ordernumber=3", [3]),
        ("paymethod_id=2", []),
        ("status=7&is_paid=true", [1, 2, 3]),
        ("is_completed=false", []),
    ],
)
async def test_orders_are_filtered_and_sorted(query: str, numbers: list[int]) -> None:
    """The date filters are inclusive and read zones; the others compare what they name."""
    async with till(many(3)) as client:
        assert [one["ordernumber"] for one in await client.all(f"/orders/?{query}")] == numbers


async def test_a_sale_that_is_older_than_others_is_found_by_its_date() -> None:
    """What is rung up late, with an earlier date, has a later id and stands in its place by date."""
    async with till(many(2)) as client:
        client.till.ring_up(receipt("9", line("product", "10.00"), gross="10.00", minutes=1))
        assert [one["ordernumber"] for one in await client.all("/orders/?orderby=create_date")] == [1, 9, 2]
        assert [one["ordernumber"] for one in await client.all("/orders/?max_create_date=2026-03-14T12:01:00Z")] == [1, 9]


@pytest.mark.parametrize(
    "uri",
    [
        "/orders/?min_date=2026-03-14T12:00:00Z",
        "/orders/?min_create_date=yesterday",
        "/orders/?orderby=total",
        "/orders/?start=-1",
        "/orders/?size=0",
        "/orders/?is_paid=1",
        "/products/?productname=ab",
        "/products/?expand=orders",
        "/productqueries/",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(uri: str) -> None:
    """A misspelt filter is not ignored, because a client would take everything for its answer."""
    async with till() as client:
        assert await client.refused("GET", uri) == (400, "400.10")


async def test_products_are_filtered_sorted_and_expanded() -> None:
    """Numbers compare without regard to case, names by a part, amounts by bounds; ``expand`` shows a collection inside."""
    async with till() as client:
        mug = await client.add("/products/", {**PRODUCT, "eannumber": "8710000000001"})
        client.clock.now += timedelta(minutes=1)
        book = await client.add(
            "/products/", {**PRODUCT, "name": "Boek", "productnumber": "20001B", "price": 20.5, "stock": 3, "active": False}
        )
        client.clock.now += timedelta(minutes=1)
        await client.send("PATCH", f"/products/{mug['id']}", {"memo": "x"})
        expected = {
            "productnumber=10001a": [mug],
            "eannumber=8710000000001": [mug],
            "productname=boe": [book],
            "minprice=20&maxprice=20.5": [book],
            "maxstock=5": [book],
            "active=true": [mug],
            "orderby=name": [book, mug],
            "orderby=modifydate_desc": [mug, book],
            "orderby=createdate_desc": [book, mug],
        }
        for query, products in expected.items():
            assert [one["id"] for one in await client.all(f"/products/?{query}")] == [one["id"] for one in products], query
        assert [one["id"] for one in await client.all("/productqueries/?skunumber=20001b")] == [book["id"]]
        category = await client.add("/categories/", {"name": "Keuken"})
        await client.add("/producttocategories/", {"product_id": mug["id"], "category_id": category["id"]})
        shown = await client.get(f"/products/{mug['id']}?expand=producttocategories")
        assert [one["category_id"] for one in shown["producttocategories"]["collection"]] == [category["id"]]


async def test_a_listing_lags_behind_when_its_index_is_stale() -> None:
    """A new order and a new product are found by id at once, and in listings only after the delay."""
    async with till(plan=FaultPlan(stale_index_seconds=5)) as client:
        order_id = client.till.ring_up(receipt("1", line("product", "10.00"), gross="10.00"))
        product = await client.add("/products/", PRODUCT)
        assert (await client.get(f"/orders/{order_id}"))["id"] == order_id
        assert [await client.all("/orders/"), await client.all("/products/")] == [[], []]
        client.clock.now += timedelta(seconds=5)
        assert [one["id"] for one in await client.all("/orders/")] == [order_id]
        assert [one["id"] for one in await client.all("/products/")] == [product["id"]]


async def test_pages_can_repeat_or_miss_records() -> None:
    """A duplicate page repeats the end of the one before and loses nothing; a shifted page misses the record at its edge."""
    async with till(many(6), plan=FaultPlan(duplicate_page=1)) as client:
        assert [one["ordernumber"] for one in await client.all("/orders/?size=3")] == [1, 2, 3, 1, 2, 3, 4, 5, 6]
    async with till(many(6), plan=FaultPlan(shifted_page=1)) as client:
        assert [one["ordernumber"] for one in await client.all("/orders/?size=3")] == [1, 2, 3, 5, 6]


# --- limits and errors ----------------------------------------------------------------------------------------------------------


async def test_a_resource_takes_150_reads_and_100_writes_a_minute() -> None:
    """The 151st read is 429.10, another resource and another method are not touched, and the next minute starts anew."""
    async with till(limits=True) as client:
        for _ in range(150):
            await client.get("/orders/?size=1")
        assert await client.refused("GET", "/orders/") == (429, "429.10")
        assert client.till.requests["GET", "orders"] == 150
        for _ in range(100):
            assert (await client.send("PATCH", "/orders/1", {})).status_code == 404
        assert await client.refused("PATCH", "/orders/1", {}) == (429, "429.10")
        await client.get("/paymethods/")
        client.clock.now += timedelta(minutes=1)
        await client.get("/orders/")


def test_product_queries_have_a_limit_of_their_own_and_all_requests_together_another() -> None:
    """30 a minute for look-ups; in all, the total with its own code."""
    limits = Limits()
    for _ in range(30):
        limits.take("GET", "productqueries", NOON)
    with pytest.raises(Refused, match="30 GET productqueries") as caught:
        limits.take("GET", "productqueries", NOON)
    assert caught.value.code == "429.10"
    for number in range(TOTAL_PER_MINUTE - 30):
        limits.take("GET", f"r{number}", NOON)
    with pytest.raises(Refused) as total:
        limits.take("GET", "other", NOON)
    assert total.value.code == "429.11"
    limits.take("GET", "other", NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("method", "uri", "error"),
    [
        ("GET", "/giftcards/", (404, "404.20")),
        ("GET", "/orders/5001/nonsense", (404, "404.20")),
        ("DELETE", "/orders/5001", (405, "405.10")),
        ("PUT", "/products/", (405, "405.10")),
        ("GET", "/orders/1", (404, "404.10")),
        ("GET", "/products/abc", (404, "404.10")),
        ("GET", "/orderrows/1", (404, "404.10")),
        ("DELETE", "/products/1", (404, "404.10")),
    ],
)
async def test_what_does_not_exist_has_its_code(method: str, uri: str, error: tuple[int, str]) -> None:
    """Unknown resources, methods that a resource does not have, and unknown ids are told apart."""
    async with till() as client:
        assert await client.refused(method, uri) == error


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"price": "10"},
        {"is_active": True},
        {"taxtariff": "high"},
        {"package_id": 9},
        {"stock": True},
        {"name": ""},
    ],
)
async def test_a_product_that_does_not_fit_the_schema_is_refused(changes: dict[str, Any]) -> None:
    """Wrong types, unknown values and the read name of a field (``is_active``) are refused, and nothing is created."""
    async with till() as client:
        assert await client.refused("POST", "/products/", {**PRODUCT, **changes}) == (400, "400.10")
        assert client.till.ledger().products == 0


@pytest.mark.parametrize("name", ["name", "price", "discount", "package_id"])
async def test_a_product_needs_its_required_fields(name: str) -> None:
    """Name, price, discount and package are required on POST, and on PATCH nothing is."""
    async with till() as client:
        assert (await client.refused("POST", "/products/", {key: value for key, value in PRODUCT.items() if key != name}))[0] == 400
        product = await client.add("/products/", PRODUCT)
        assert (await client.send("PATCH", f"/products/{product['id']}", {})).status_code == 204


@pytest.mark.parametrize("raw", ["[]", "{", '{"price": NaN}', ""])
async def test_a_body_that_is_no_object_is_refused(raw: str) -> None:
    """Broken JSON, another type and no body at all are 400."""
    async with till() as client:
        key, date = client.till.public_key, "2026-03-14T12:00:00Z"
        digest = sign(key, client.till.secret_key, method="POST", uri=f"{ROOT}/products/", body=raw, date=date)
        answer = await client.http.post(f"{ROOT}/products/", content=raw, headers={"x-public": key, "x-date": date, "x-hash": digest})
        assert answer.status_code == 400


# --- products -------------------------------------------------------------------------------------------------------------------


async def test_a_product_is_written_and_read_with_every_field_of_the_list() -> None:
    """POST answers 201 with the whole resource, ``active`` comes back as ``is_active``, numbers exactly as given, EAN empty."""
    async with till() as client:
        made = await client.add("/products/", {**PRODUCT, "price": 2.55, "taxtariff": "low a", "active": False})
        assert made == await client.get(f"/products/{made['id']}")
        assert made.keys() == MODELS["product"].keys()
        told = {
            name: made[name] for name in ("is_active", "price", "taxtariff", "vatrate", "stock", "stockenabled", "eannumber", "createdate")
        }
        assert told == {
            "is_active": False,
            "price": Decimal("2.55"),
            "taxtariff": "low a",
            "vatrate": 9,
            "stock": 8,
            "stockenabled": True,
            "eannumber": "",
            "createdate": "2026-03-14T12:00:00Z",
        }
        assert made["package"]["id"] == 1


async def test_patch_writes_only_what_is_sent_and_delete_removes() -> None:
    """Other fields stay, the change is dated, and a deleted product is unknown afterwards."""
    async with till() as client:
        made = await client.add("/products/", PRODUCT)
        client.clock.now += timedelta(minutes=2)
        answer = await client.send("PATCH", f"/products/{made['id']}/", {"price": 12.34, "productnumber": "99"})
        assert (answer.status_code, answer.content) == (204, b"")
        changed = await client.get(f"/products/{made['id']}")
        told = {**made, "price": Decimal("12.34"), "productnumber": "99", "modifydate": "2026-03-14T12:02:00Z"}
        assert changed == told
        assert client.till.ledger().stock == {"99": Decimal(8)}
        assert (await client.send("DELETE", f"/products/{made['id']}")).status_code == 204
        assert (await client.refused("GET", f"/products/{made['id']}"))[0] == 404
        assert client.till.ledger().stock == {}


async def test_a_number_may_be_there_twice_unless_the_till_forbids_it() -> None:
    """Without the switch a product that is sent twice is there twice, and the ledger shows it; with it the second is 500.40."""
    async with till() as client:
        for _ in range(2):
            await client.add("/products/", PRODUCT)
        assert (client.till.ledger().products, len(client.till.ledger().stock)) == (2, 1)
    async with till(switches=TillSwitches(unique_productnumber=True)) as client:
        made = await client.add("/products/", PRODUCT)
        assert await client.refused("POST", "/products/", {**PRODUCT, "productnumber": "10001a"}) == (500, "500.40")
        assert (await client.send("PATCH", f"/products/{made['id']}", {"productnumber": "10001A"})).status_code == 204


async def test_the_product_limit_of_a_subscription() -> None:
    """What is left is told by the webshop, and beyond it 500.60."""
    async with till(switches=TillSwitches(product_limit=1)) as client:
        await client.add("/products/", PRODUCT)
        assert (await client.get("/webshops/1"))["product_limit_left"] == 0
        assert await client.refused("POST", "/products/", {**PRODUCT, "productnumber": "2"}) == (500, "500.60")


async def test_switches_make_the_wire_awkward() -> None:
    """A POST without a body, ids as strings, floats of seventeen digits, null for what is unknown, and no signature."""
    switches = TillSwitches(post_204=True, string_ids=True, php_floats=True, empty_strings=False, sign_answers=False)
    async with till(switches=switches) as client:
        answer = await client.send("POST", "/products/", {**PRODUCT, "price": 2.55})
        assert (answer.status_code, answer.content) == (204, b"")
        listed = await client.send("GET", "/products/")
        assert '"price":2.5499999999999998' in listed.text
        assert "x-hash" not in listed.headers
        [product] = listed.json()["items"]
        assert (product["id"], product["package"]["id"], product["eannumber"], product["description"]) == ("1001", "1", "", None)


# --- sales ----------------------------------------------------------------------------------------------------------------------


async def sale_of(client: Client, order_id: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read an order and its rows."""
    return await client.get(f"/orders/{order_id}"), await client.all(f"/orders/{order_id}/orderrows")


async def test_an_order_and_a_row_have_every_field_of_the_lists() -> None:
    """The webshop's order model with a till's own children, and the order row's."""
    async with till(world(receipt("1", line("product", "10.00"), gross="10.00", customer_key="17"))) as client:
        order, [row] = await sale_of(client, 5001)
        assert order.keys() == MODELS["order"].keys()
        assert row.keys() == MODELS["orderrow"].keys()
        assert order["customer"].keys() == MODELS["person"].keys()
        for address in ("billingaddress", "deliveryaddress"):
            assert order["customer"][address].keys() == MODELS[address].keys()
        assert order["terminalreceipts"]["href"].endswith("/orders/5001/terminalreceipts")
        assert await client.get("/orders/5001") == (await client.get("/orders/"))["items"][0]
        assert await client.get(f"/orderrows/{row['id']}") == row


async def test_a_sale_carries_what_was_rung_up() -> None:
    """Number as in the file, UTC time, how it was paid; a price below the catalogue's shows as a discount per unit."""
    sold = receipt(
        "536365", line("product", "8.50", sku="10001a", quantity=3), line("free", "1.25", sku="M"), gross="26.75", paymethod="ideal"
    )
    async with till(world(sold)) as client:
        order, rows = await sale_of(client, 5001)
        told = (
            "ordernumber",
            "ordernumber_prefix",
            "ordernumber_full",
            "create_date",
            "paid",
            "is_completed",
            "status",
            "total_price",
            "currency",
        )
        assert [order[name] for name in told] == [536365, "", "536365", "2026-03-14T12:00:00Z", True, True, 7, Decimal("26.75"), "EUR"]
        assert (order["paymethod_id"], order["paymethod"], order["paymethod_label"]) == (3, "ideal", "iDEAL")
        [method] = [one for one in await client.all("/paymethods/") if one["id"] == 3]
        assert (method["method"], method["label"]) == ("ideal", "iDEAL")
        fields = ("product_number", "product_id", "count", "price", "discount", "selling_price", "tax", "total_price")
        assert [[row[name] for name in fields] for row in rows] == [
            ["10001a", None, 3, Decimal("10.00"), Decimal("1.50"), Decimal("8.50"), 21, Decimal("25.50")],
            ["", None, 1, Decimal("1.25"), Decimal("0.00"), Decimal("1.25"), 21, Decimal("1.25")],
        ]


async def test_a_refund_counts_backwards() -> None:
    """Rows with a negative count and a positive price, and a negative total; the letter stays in the full number only."""
    async with till(world(receipt("C536379", line("product", "10.00", quantity=-2), gross="-20.00"))) as client:
        order, [row] = await sale_of(client, 5001)
        assert (order["ordernumber"], order["ordernumber_full"], order["total_price"]) == (536379, "C536379", Decimal("-20.00"))
        assert (row["count"], row["price"], row["total_price"]) == (-2, Decimal("10.00"), Decimal("-20.00"))
        assert order["total_tax"] == Decimal("-3.47")
        ledger = client.till.ledger()
        assert (ledger.receipts, ledger.refunds, ledger.refunds_gross) == (1, 1, Decimal("-20.00"))


async def test_carriage_discount_rounding_and_vouchers_have_their_places() -> None:
    """Shipping adds up in the order, a discount is taken off, rounding is an extra cost, a voucher sold is a row at 0 %."""
    sold = receipt(
        "7",
        line("product", "10.00"),
        line("product", "20.00", sku="20001B", rate=9),
        line("voucher", "25.00", sku="gift_25", rate=0),
        line("shipping", "4.00", sku="POST"),
        line("shipping", "2.95", sku="POST"),
        line("discount", "5.52", sku="D", quantity=-1),
        gross="56.45",
        paymethod="cash",
        rounding=Decimal("0.02"),
    )
    async with till(world(sold)) as client:
        order, rows = await sale_of(client, 5001)
        assert [row["product_number"] for row in rows] == ["10001A", "20001B", "gift_25"]
        told = ("total_orderrow_price", "total_shipping", "shipping_tax_percentage", "total_discounts", "extra_costs", "total_price")
        assert [order[name] for name in told] == [Decimal("55.00"), Decimal("6.95"), 21, Decimal("5.52"), Decimal("0.02"), Decimal("56.45")]
        assert order["extra_costs_description"] == "Afronding"
        # 5.52 spread over 10 : 20 : 25 is 1.00, 2.01 and 2.51; so 21 % of 10 − 1.00 + 6.95, and 9 % of 20 − 2.01
        ledger = client.till.ledger()
        assert ledger.vat == (
            (Decimal(0), Decimal("22.49"), Decimal("0.00")),
            (Decimal(9), Decimal("17.99"), Decimal("1.49")),
            (Decimal(21), Decimal("15.95"), Decimal("2.77")),
        )
        assert order["total_tax"] == Decimal("4.26")
        assert sum(gross for _, gross, _ in ledger.vat) + ledger.extra == ledger.gross == Decimal("56.45")
        assert ledger.paymethods == (("cash", Decimal("56.45")),)


async def test_a_receipt_of_a_discount_alone() -> None:
    """Without rows the discount carries the standard rate and the total is negative."""
    async with till(world(receipt("C5", line("discount", "27.50", sku="D", quantity=-1), gross="-27.50"))) as client:
        order, rows = await sale_of(client, 5001)
        assert (rows, order["total_discounts"], order["total_price"]) == ([], Decimal("27.50"), Decimal("-27.50"))
        assert client.till.ledger().vat == ((Decimal(21), Decimal("-27.50"), Decimal("-4.77")),)


def test_a_spread_discount_loses_no_cent() -> None:
    """What rounding leaves goes to the largest share; rows that come to nothing leave all to the standard rate."""
    a, b, c = Decimal(21), Decimal(9), Decimal(0)
    for amount in ("0.01", "0.05", "1.00", "9.99", "-3.33"):
        shares = spread(Decimal(amount), {a: Decimal("3.33"), b: Decimal("3.33"), c: Decimal("3.34")})
        assert sum(shares.values()) == Decimal(amount)
    assert spread(Decimal(1), {a: Decimal(5), b: Decimal(-5)}) == {Decimal(21): Decimal(1)}


@pytest.mark.parametrize(
    ("gross", "rate", "vat"), [("1.21", 21, "0.21"), ("0.03", 21, "0.01"), ("-2.55", 21, "-0.44"), ("10.00", 0, "0.00")]
)
def test_vat_is_taken_out_of_the_gross(gross: str, rate: int, vat: str) -> None:
    """Gross × rate ÷ (100 + rate), rounded half up to cents."""
    assert vat_in(Decimal(gross), Decimal(rate)) == Decimal(vat)


async def test_a_line_of_three_decimals_is_rounded_once() -> None:
    """3 × 0.335 is 1.01 in the row, in the order and in the ledger; the unit price keeps its decimals on the wire."""
    async with till(world(receipt("1", line("product", "0.335", sku="X", quantity=3), gross="1.01"))) as client:
        order, [row] = await sale_of(client, 5001)
        assert (row["price"], row["total_price"], order["total_price"]) == (Decimal("0.335"), Decimal("1.01"), Decimal("1.01"))
        assert client.till.ledger().gross == Decimal("1.01")


async def test_a_line_that_is_rounding_is_an_extra_cost() -> None:
    """Rounding rung up as a line of its own ends up where the receipt's own rounding does."""
    async with till(world(receipt("1", line("product", "10.02"), line("rounding", "-0.02", rate=0), gross="10.00"))) as client:
        order, rows = await sale_of(client, 5001)
        assert (len(rows), order["extra_costs"], order["total_price"]) == (1, Decimal("-0.02"), Decimal("10.00"))


async def test_a_known_customer_and_an_anonymous_one() -> None:
    """A company is told with its numbers, address split and account; ``user.id`` is a string; an anonymous sale has empty texts."""
    known = receipt("1", line("product", "10.00", rate=0), gross="10.00", customer_key="17", intra_community=True)
    async with till(world(known, receipt("2", line("product", "10.00"), gross="10.00"))) as client:
        order, anonymous = await client.get("/orders/5001"), await client.get("/orders/5002")
        customer = order["customer"]
        told = ("first_name", "last_name", "company", "street", "housenumber", "housenumber_suffix", "zipcode", "city", "country_code")
        assert [customer["billingaddress"][name] for name in told] == [
            "Bram",
            "de Boer",
            "De Boer B.V.",
            "Markt",
            12,
            "bis",
            "1234 AB",
            "Delft",
            "NL",
        ]
        assert [customer[name] for name in ("email", "customertype", "btw", "kvk")] == [
            "Bram@post.example",
            "b2b",
            "NL123456782B01",
            "12345678",
        ]
        assert (order["user"]["id"], order["user"]["href"].rpartition(ROOT)[2], order["is_intra_community_order"]) == (
            "1",
            "/users/1",
            True,
        )
        user = await client.get("/users/1")
        assert (user["username"], user["userinfo"]["btw"]) == ("Bram@post.example", "NL123456782B01")
        assert (anonymous["customer"]["email"], anonymous["customer"]["billingaddress"]["last_name"]) == ("", "")
        assert (anonymous["user"]["id"], anonymous["is_intra_community_order"]) == (None, False)


async def test_a_sale_takes_its_goods_off_the_shelf() -> None:
    """Keyed in any spelling; a refund puts back; a product that is not tracked or not there is left alone."""
    async with till() as client:
        made = await client.add("/products/", PRODUCT)
        await client.add("/products/", {**PRODUCT, "productnumber": "20001B", "stockenabled": False, "stock": 4})
        client.clock.now += timedelta(minutes=1)
        goods = (
            line("product", "10.00", sku="10001a", quantity=3),
            line("product", "20.00", sku="20001B"),
            line("product", "1.00", sku="?"),
        )
        sold = client.till.ring_up(receipt("1", *goods, gross="51.00"))
        assert client.till.ledger().stock == {"10001A": Decimal(5), "20001B": None}
        changed = await client.get(f"/products/{made['id']}")
        assert (changed["stock"], changed["modifydate"]) == (5, "2026-03-14T12:01:00Z")
        assert [row["product_id"] for row in await client.all(f"/orders/{sold}/orderrows")] == [made["id"], made["id"] + 1, None]
        client.till.ring_up(receipt("C2", line("product", "10.00", quantity=-1), gross="-10.00"))
        assert client.till.ledger().stock["10001A"] == Decimal(6)


async def test_a_stock_correction_sells_nothing_and_moves_nothing() -> None:
    """It is an order of nothing, counted apart, and the books' stock is left to the books."""
    async with till() as client:
        await client.add("/products/", PRODUCT)
        client.till.ring_up(receipt("1", line("product", "0.00", quantity=-4), gross="0.00", is_correction=True))
        ledger = client.till.ledger()
        assert (ledger.receipts, ledger.corrections, ledger.gross, ledger.stock) == (0, 1, Decimal(0), {"10001A": Decimal(8)})


async def test_a_receipt_that_does_not_add_up_or_comes_twice_is_no_sale() -> None:
    """The till refuses what a till could not have printed."""
    async with till() as client:
        good = receipt("1", line("product", "10.00"), gross="10.00")
        with pytest.raises(ValueError, match=r"come to 10\.00, it says 10\.01"):
            client.till.ring_up(replace(good, gross=Decimal("10.01")))
        client.till.ring_up(good)
        with pytest.raises(ValueError, match="rung up before"):
            client.till.ring_up(good)
        assert client.till.ledger().receipts == 1


async def test_the_shop_can_open_with_nothing_sold() -> None:
    """Without an open shop the day's receipts come when they are rung up, each once, with their own times."""
    async with till(many(3), open_shop=False) as client:
        assert await client.all("/orders/") == []
        client.till.ring_up(client.till.till.world.receipts[1])
        client.till.ring_up_all()
        assert [one["ordernumber"] for one in await client.all("/orders/?orderby=create_date")] == [1, 2, 3]


async def test_another_system_places_an_order() -> None:
    """It gets the next number, is filled from the product, lowers stock, is not paid and has no way to pay; PATCH marks it paid."""
    async with till(many(3)) as client:
        product = await client.add("/products/", {**PRODUCT, "taxtariff": "low a", "price": 20.5})
        body = {
            "customer": {"email": "web@post.example", "billingaddress": {"last_name": "Web", "country_code": "NL"}},
            "orderrows": [
                {"product_id": product["id"], "count": 2},
                {"product_number": "Z", "product_name": "Zegel", "price": 1.01, "tax": 0, "count": 1},
            ],
            "total_shipping": 4.5,
            "reservationnumber": "WEB-1",
        }
        placed = await client.add("/orders/", body)
        told = ("ordernumber_full", "total_price", "paid", "paymethod_id", "paymethod", "status", "reservationnumber", "is_completed")
        assert [placed[name] for name in told] == ["4", Decimal("46.51"), False, 0, "", 1, "WEB-1", True]
        assert (placed["customer"]["email"], placed["customer"]["billingaddress"]["last_name"]) == ("web@post.example", "Web")
        rows = await client.all(f"/orders/{placed['id']}/orderrows")
        assert [(row["product_name"], row["tax"], row["total_price"]) for row in rows] == [
            ("Mok", 9, Decimal("41.00")),
            ("Zegel", 0, Decimal("1.01")),
        ]
        assert client.till.ledger().stock == {"10001A": Decimal(6)}
        assert (await client.send("PATCH", f"/orders/{placed['id']}", {"paid": True, "status": 7})).status_code == 204
        assert [(await client.get(f"/orders/{placed['id']}"))[name] for name in ("paid", "status")] == [True, 7]
        assert (await client.refused("PATCH", f"/orders/{placed['id']}", {"total_shipping": 1}))[0] == 400
        assert [one["id"] for one in await client.all("/orders/?ordernumber=4")] == [placed["id"]]


async def test_an_order_that_is_not_completed_is_not_listed_and_sells_nothing_yet() -> None:
    """Listings show completed orders unless asked otherwise; its rows can still be changed."""
    async with till() as client:
        row = {"product_number": "Z", "product_name": "Zegel", "price": 1, "count": 1}
        placed = await client.add("/orders/", {"customer": {}, "orderrows": [row], "is_completed": False})
        assert await client.all("/orders/") == []
        assert [one["id"] for one in await client.all("/orders/?is_completed=false")] == [placed["id"]]
        assert (await client.send("PATCH", f"/orders/{placed['id']}", {"orderrows": [{**row, "count": 3}]})).status_code == 204
        assert (await client.get(f"/orders/{placed['id']}"))["total_price"] == 3
        assert client.till.ledger().receipts == 0


@pytest.mark.parametrize(
    "body",
    [
        {"orderrows": []},
        {"customer": {}},
        {"customer": {}, "orderrows": [{"count": 1}]},
        {"customer": {}, "orderrows": [{"product_id": 9, "count": 1}]},
        {"customer": {}, "orderrows": ["x"]},
        {"customer": {"mail": "x"}, "orderrows": []},
        {"customer": {}, "orderrows": [], "user_id": 9},
        {"customer": {}, "orderrows": [], "paymethod": "pin"},
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    """Missing parts, unknown products and users, and fields that do not exist (there is no way to pay in a POST)."""
    async with till() as client:
        assert await client.refused("POST", "/orders/", body) == (400, "400.10")
        assert client.till.till.orders == {}


# --- the other resources --------------------------------------------------------------------------------------------------------


async def test_the_root_names_what_this_key_may_use_and_the_webshop_what_it_is() -> None:
    """Capabilities, status, the flag of a till and the settings of its prices."""
    async with till() as client:
        root = await client.get("/")
        assert {"orders", "products", "cashups", "terminalreceipts", "paymethods", "webhooks"} <= root.keys()
        assert (await client.get("/status"))["status"] == "ok"
        [webshop] = await client.all("/webshops/")
        assert webshop.keys() == MODELS["webshop"].keys()
        assert (webshop["is_salespos"], webshop["product_limit_left"]) == (True, -1)
        settings = await client.get("/webshops/1/settings")
        assert settings.keys() == MODELS["settings"].keys()
        assert (settings["currency"], settings["prices_include_vat"]) == ("EUR", True)


async def test_the_media_type_that_is_asked_for_is_answered() -> None:
    """SalesPOS has its own; plain JSON is the default."""
    async with till() as client:
        assert (await client.send("GET", "/status")).headers["content-type"] == "application/json"
        client.headers = {"accept": "application/vnd.verto.salespos+json"}
        assert (await client.send("GET", "/status")).headers["content-type"] == "application/vnd.verto.salespos+json"


async def test_a_day_is_closed_with_its_totals() -> None:
    """Opened with status OPEN; closing computes what each way to pay should hold and the VAT of the period, end excluded."""
    day = world(
        receipt("1", line("product", "12.10"), gross="12.10", paymethod="cash"),
        receipt("2", line("product", "10.90", rate=9), gross="10.90", minutes=1),
        receipt("3", line("product", "99.00"), gross="99.00", minutes=2),
    )
    async with till(day) as client:
        opened = await client.add("/cashups/", {"start_period": "2026-03-14T12:00:00Z"})
        assert (opened["status"], opened["number_full"], opened["balances"]) == ("OPEN", "Z00001", [])
        body = {"status": "CLOSED", "end_period": "2026-03-14T12:02:00Z", "balances": [{"paymethod": "cash", "counted": 12.05}]}
        assert (await client.send("PATCH", f"/cashups/{opened['id']}", body)).status_code == 204
        closed = await client.get(f"/cashups/{opened['id']}")
        assert (closed["status"], closed["end_period"]) == ("CLOSED", "2026-03-14T12:02:00Z")
        assert closed["balances"] == [
            {"paymethod": "cash", "expected": Decimal("12.10"), "counted": Decimal("12.05"), "difference": Decimal("-0.05")},
            {"paymethod": "pin", "expected": Decimal("10.90"), "counted": Decimal("10.90"), "difference": Decimal("0.00")},
        ]
        assert closed["vat_totals"] == [
            {"tax": 9, "total_ex": Decimal("10.00"), "total_tax": Decimal("0.90"), "total_inc": Decimal("10.90")},
            {"tax": 21, "total_ex": Decimal("10.00"), "total_tax": Decimal("2.10"), "total_inc": Decimal("12.10")},
        ]
        assert (await client.refused("PATCH", f"/cashups/{opened['id']}", body))[0] == 400
        assert (await client.add("/cashups/", {}))["start_period"] == "2026-03-14T12:02:00Z"
        assert [one["id"] for one in await client.all("/cashups/?max_create_date=2026-03-14T11:00:00Z")] == []


async def test_webhooks_are_registered_changed_and_removed() -> None:
    """A webhook gets a key; address and activity can be changed, the event cannot."""
    async with till() as client:
        hook = await client.add("/webhooks/", {"event": "orders.created", "address": "https://shop.example/hook"})
        assert hook["is_active"] is True
        assert len(hook["key"]) == 32
        assert (await client.send("PATCH", f"/webhooks/{hook['id']}", {"is_active": False})).status_code == 204
        assert (await client.get(f"/webhooks/{hook['id']}"))["is_active"] is False
        assert (await client.refused("PATCH", f"/webhooks/{hook['id']}", {"event": "x"}))[0] == 400
        assert (await client.send("DELETE", f"/webhooks/{hook['id']}")).status_code == 204
        assert await client.all("/webhooks/") == []


async def test_categories_make_a_tree_and_hold_products() -> None:
    """A category within another, a product in it, and both gone with what they depended on."""
    async with till() as client:
        upper = await client.add("/categories/", {"name": "Wonen"})
        lower = await client.add("/categories/", {"name": "Kaarsen", "parentcategory_id": upper["id"]})
        product = await client.add("/products/", PRODUCT)
        link = await client.add("/producttocategories/", {"product_id": product["id"], "category_id": lower["id"], "position": 2})
        [root] = (await client.get("/categorytree"))["root_categories"]
        assert (root["name"], [child["name"] for child in root["children"]]) == ("Wonen", ["Kaarsen"])
        assert [one["id"] for one in await client.all(f"/categories/{upper['id']}/categories")] == [lower["id"]]
        assert [one["id"] for one in await client.all(f"/categories/{lower['id']}/producttocategories")] == [link["id"]]
        assert (await client.send("PATCH", f"/categories/{lower['id']}", {"name": "Lichtjes"})).status_code == 204
        assert (await client.get(f"/categories/{lower['id']}"))["name"] == "Lichtjes"
        assert (await client.send("DELETE", f"/products/{product['id']}")).status_code == 204
        assert (await client.refused("GET", f"/producttocategories/{link['id']}"))[0] == 404
        assert (await client.refused("POST", "/producttocategories/", {"product_id": 1, "category_id": lower["id"]}))[0] == 400


async def test_users_packages_and_terminal_receipts() -> None:
    """A customer can be added and changed, a package too; the terminal printed a receipt for what was paid by card."""
    day = world(
        receipt("1", line("product", "10.00"), gross="10.00"), receipt("2", line("product", "5.00"), gross="5.00", paymethod="cash")
    )
    async with till(day) as client:
        user = await client.add("/users/", {"username": "new@post.example", "password": "x"})
        assert (user["username"], "password" in user) == ("new@post.example", False)
        assert (await client.send("PATCH", f"/users/{user['id']}", {"approval_status": "denied"})).status_code == 204
        assert [one["id"] for one in await client.all("/users/?approval_status=approved&orderby=last_name")] == [1]
        package = await client.add("/packages/", {"name": "Doos"})
        assert (await client.send("PATCH", f"/packages/{package['id']}", {"name": "Grote doos"})).status_code == 204
        assert [one["name"] for one in await client.all("/packages/")] == ["Standaard", "Grote doos"]
        assert [one["order_id"] for one in await client.all("/terminalreceipts/")] == [5001]
        assert (await client.get("/terminalreceipts/5001"))["receipt_data"] == "BETAALD 10.00 EUR"
        assert (await client.refused("GET", "/terminalreceipts/5002"))[0] == 404


# --- faults and the routes for people -------------------------------------------------------------------------------------------


async def test_faults_speak_as_the_vendor_does() -> None:
    """429 has the vendor's code, 500 is no JSON, and a POST answered 204 had its effect and a signature over nothing."""
    async with till() as client:
        client.till.plan.update({"status_429": 1})
        assert await client.refused("GET", "/orders/") == (429, "429.10")
        client.till.plan.update({"status_429": 0, "status_500": 1})
        answer = await client.send("GET", "/orders/")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
        client.till.plan.update({"status_500": 0, "post_204": 1})
        answer = await client.send("POST", "/products/", PRODUCT)
        text = f"{client.till.public_key}|POST|{ROOT}/products/||{answer.headers['x-date']}"
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers.get_list("x-hash") == [hmac.new(client.till.secret_key.encode(), text.encode(), hashlib.sha512).hexdigest()]
        assert client.till.ledger().products == 1


async def test_a_write_whose_answer_is_lost_had_its_effect() -> None:
    """After a reset that came too late the product is there, so that repeating it would double it."""
    async with till(plan=FaultPlan(reset_after=1.0)) as client:
        with pytest.raises(httpx2.ReadError):
            await client.send("POST", "/products/", PRODUCT)
        assert client.till.ledger().products == 1


async def test_a_person_sells_and_looks() -> None:
    """The unsigned routes ring up a sale with stock and cash rounding, and tell ledger, requests and faults."""
    async with till(many(2)) as client:
        await client.add("/products/", {**PRODUCT, "price": 10.01})
        sold = await client.http.post("/_sandbox/sales", json={"sku": "10001a", "quantity": 3, "paymethod": "cash", "customer": "17"})
        assert (sold.status_code, sold.json()) == (201, {"id": 5003, "number": "3", "gross": "30.05"})
        order = await client.get("/orders/5003")
        assert (order["extra_costs"], order["create_date"], order["user"]["id"]) == (Decimal("0.02"), "2026-03-14T12:00:00Z", "1")
        ledger = (await client.http.get("/_sandbox/ledger")).json()
        assert (ledger["receipts"], ledger["gross"], ledger["extra"], ledger["stock"]) == (3, "50.05", "0.02", {"10001A": "5"})
        assert ledger["vat"] == {"21": {"gross": "50.03", "vat": "8.69"}}
        assert (await client.http.get("/_sandbox/requests")).json() == {"GET orders/:id": 1, "POST products": 1}
        assert (await client.http.post("/_sandbox/faults", json={"slow": 2})).status_code == 400
        assert (await client.http.post("/_sandbox/faults", json={"status_429": 1})).json()["status_429"] == 1
        assert (await client.refused("GET", "/orders/"))[0] == 429


@pytest.mark.parametrize(
    "sale",
    [{"sku": "?"}, {}, {"sku": "10001A", "paymethod": "crypto"}, {"sku": "10001A", "quantity": "x"}, {"sku": "10001A", "colour": 1}, []],
)
async def test_a_sale_that_makes_no_sense_is_refused(sale: Any) -> None:
    """Unknown goods, ways to pay and words are named with 400, and nothing is sold."""
    async with till() as client:
        answer = await client.http.post("/_sandbox/sales", json=sale)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
        assert client.till.ledger().receipts == 0


@pytest.mark.parametrize("seed", [1, 2])
async def test_an_invented_day_agrees_with_itself_on_the_wire(seed: int) -> None:
    """Every order's rows, carriage, discount and rounding come to its total, the totals to the ledger, the ledger to the receipts."""
    day = shop.generate(seed=seed, receipts=120)
    async with till(day) as client:
        orders = await client.all("/orders/?orderby=create_date")
        assert all(one["create_date"] <= other["create_date"] for one, other in pairwise(orders))
        for order in orders:
            rows = await client.all(f"/orders/{order['id']}/orderrows")
            assert sum(row["total_price"] for row in rows) == order["total_orderrow_price"]
            assert all(row["price"] - row["discount"] == row["selling_price"] for row in rows)
            parts = order["total_orderrow_price"] + order["total_shipping"] - order["total_discounts"] + order["extra_costs"]
            assert parts == order["total_price"]
        ledger = client.till.ledger()
        assert sum(order["total_price"] for order in orders) == ledger.gross == sum(one.gross for one in day.receipts)
        assert sum(gross for _, gross, _ in ledger.vat) + ledger.extra == ledger.gross
        assert ledger.receipts + ledger.corrections == len(day.receipts)
        assert sum(order["total_tax"] for order in orders) == sum(vat for _, _, vat in ledger.vat)


async def test_a_filter_may_regard_case() -> None:
    """Where the switch says so another spelling finds nothing, in products and in the look-up of a scanned code."""
    for ignores in (True, False):
        async with till(switches=TillSwitches(filter_ignores_case=ignores)) as client:
            await client.add("/products/", {**PRODUCT, "productnumber": "Mok-1"})
            for uri in ("/products/?productnumber=MOK-1", "/productqueries/?skunumber=mok-1"):
                assert len(await client.all(uri)) == ignores
            assert len(await client.all("/products/?productnumber=Mok-1")) == 1
