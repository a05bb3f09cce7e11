"""SalesPOS on both sides: what the connector sends and what the sandbox answers, against the published lists of the CCV Shop API."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest

from connectors.model import ProductPatch
from connectors.port import ConnectorError, Missing, Rejected
from connectors.salespos import SalesPos, SalesPosConfig, dialect
from connectors.sandbox.salespos import TillSandbox, TillSwitches
from connectors.sandbox.salespos.routes import routes
from connectors.sandbox.salespos.shapes import Shapes
from connectors.sandbox.world import World
from tests.contract import counts
from tests.contract.books_support import PUBLISHED
from tests.contract.clients import START, Called, JumpingClock, methods
from tests.contract.judge import Exchange, Wire, exact, written
from tests.contract.judge_salespos import CODES, TillJudge
from tests.flow import small_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

D = Decimal
ROOT: Final = "/api/rest/v1"
LISTS = PUBLISHED.parent
SHOP = World(small_day.ARTICLES, small_day.CUSTOMERS, small_day.receipts())
#: what the connector uses of the documented operations
USED = {
    "GET (root)",
    "GET cashups",
    "GET categories",
    "GET categories/:id/producttocategories",
    "GET orders",
    "GET orders/:id",
    "GET orders/:id/orderrows",
    "GET packages",
    "GET paymethods",
    "GET products",
    "GET products/:id",
    "GET products/:id/producttocategories",
    "GET users",
    "GET users/:id",
    "GET webshops",
    "GET webshops/:id/settings",
    "PATCH products/:id",
    "POST categories",
    "POST products",
    "POST producttocategories",
}


@pytest.fixture(autouse=True)
def _lists() -> None:
    """The published lists.  Where the tests must be able to judge, their absence is a failure."""
    missing = [name for name in ("endpoints", "webshop-fields-2022", "sdk-fields-2025") if not (LISTS / f"salespos-{name}.json").exists()]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"the lists of SalesPOS are not at {LISTS}: {', '.join(missing)}")
    if missing:
        pytest.skip(f"NOT JUDGED: the lists of SalesPOS are not at {LISTS}: {', '.join(missing)}")


@dataclass
class Plain:
    """Signs and sends requests of its own, and reads what comes."""

    http: httpx2.AsyncClient
    judge: TillJudge
    clock: JumpingClock
    headers: dict[str, str] = field(default_factory=lambda: {"accept": "application/vnd.verto.salespos+json"})

    async def send(self, method: str, uri: str, body: Any = None) -> httpx2.Response:
        """Send a request below the root."""
        content = b"" if body is None else written(body)
        date = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        signature = self.judge.signature(method, ROOT + uri, content, date)
        headers = {"x-public": self.judge._public, "x-date": date, "x-hash": signature, **self.headers}
        if content:
            headers["content-type"] = "application/json"
        return await self.http.request(method, ROOT + uri, content=content, headers=headers)

    async def made(self, uri: str, body: Any) -> int:
        """Create something and return its id."""
        answer = await self.send("POST", uri, body)
        assert answer.status_code == 201, answer.text
        return int(exact(answer.content)["id"])


@dataclass
class Till:
    """A till in the sandbox with a day sold in it, a connector and a plain client, and the judge on the wire between them."""

    sandbox: TillSandbox
    connector: Called
    plain: Plain
    judge: TillJudge
    wire: Wire


def till(*, lenient: bool = False, limits: bool = False, **switches: Any) -> Till:
    """Open a till."""
    clock = JumpingClock()
    sandbox = TillSandbox(SHOP, clock=clock.now, limits=limits, switches=TillSwitches(**switches))
    judge = TillJudge(LISTS, (sandbox.public_key, sandbox.secret_key), lenient=lenient)
    wire = Wire(httpx2.ASGITransport(app=sandbox.app), judge)
    connector = SalesPos(
        SalesPosConfig("http://till.test", sandbox.public_key, sandbox.secret_key),
        clock=clock,
        transport=wire,
        jitter=random.Random(1),
    )
    plain = Plain(httpx2.AsyncClient(transport=wire, base_url="http://till.test"), judge, clock)
    return Till(sandbox, Called(connector), plain, judge, wire)


EVERYTHING = ProductPatch(
    sku="MOK-9",
    name="Mok",
    price=D("7.335"),
    vat_rate=D(9),
    active=True,
    description="Een mok",
    ean="8712345678906",
    unit="stuk",
    purchase_price=D("3.1"),
    categories=("Wonen", "Keuken"),
    tracked=True,
    quantity=D("2.5"),
)


async def drive(at: Till) -> None:
    """Do everything that the connector can do."""
    pos = at.connector
    page = await pos.read_changes(None)
    listed = {change.id: change.record for change in page.changes}
    while page.more:
        page = await pos.read_changes(None, after=page.changes[-1])
        listed |= {change.id: change.record for change in page.changes}
    await pos.read_changes(START - timedelta(days=1), after=page.changes[-1])
    await pos.read_changes(START - timedelta(days=1))
    for sale in listed.values():
        await pos.get_sale(sale)
    await pos.get_sale(page.changes[0].record)  # no longer kept from the listing: asked for by its id
    order = next(one for one in at.sandbox.till.orders.values() if one.user_id)
    order.customer, order.customer_given = None, {}
    order.shown.clear()
    await pos.get_sale(listed[str(order.id)])
    first = await pos.create_product(EVERYTHING)
    await pos.create_product(ProductPatch(sku="THEE-9", name="Thee", price=D(4), vat_rate=D(21)))
    await pos.update_product(first, ProductPatch(price=D("0.1"), quantity=D(0), tracked=False, categories=("Wonen", "Nieuw")))
    await pos.update_product(first, EVERYTHING)
    with pytest.raises(Missing):
        await pos.update_product("987654", ProductPatch(active=False))
    with pytest.raises(Rejected):
        await pos.create_product(ProductPatch(sku="X", name="X", price=D(1), vat_rate=D(17)))
    assert len(await pos.all_products()) == 2
    assert [one.sku for one in await pos.find_products(["mok-9", "it's & more"])] == ["MOK-9"]
    assert len(await pos.find_products(["mok-9", *(f"X{n}" for n in range(9))])) == 1
    assert abs((await pos.get_product(first)).price - D("7.335")) <= D("0.005")  # net prices are read to the cent
    assert await pos.categories() == ["Keuken", "Nieuw", "Wonen"]
    assert {one.code for one in await pos.payment_methods()} == {"pin", "cash", "ideal", "voucher"}
    assert "orders" in (await pos.store()).resources
    await pos.facts()
    assert len(await pos.find_users("JAN@example.nl")) == 1
    await at.plain.send("POST", "/cashups/", {})
    assert len(await pos.cash_ups()) == len(await pos.cash_ups(START - timedelta(days=1))) == 1
    await pos.aclose()


async def test_everything_the_connector_sends_is_as_published(record_property: Callable[[str, object], None]) -> None:
    """Addresses, methods, queries, headers, signatures, names and types of fields: of every method in every variant."""
    at = till()
    await drive(at)
    counts.record(record_property, "SalesPOS", at.judge.verdict)
    assert at.judge.verdict.violations == []
    assert at.connector.names == methods(SalesPos), "a method that is not driven is a request that nobody judges"
    assert set(at.judge.verdict.operations) - {"POST cashups"} == USED


@pytest.mark.parametrize(
    ("switches", "lenient"),
    [
        ({"empty_strings": False}, False),
        ({"string_ids": True}, True),
        ({"php_floats": True}, False),
        ({"max_size": 5}, False),
        ({"prices_include_vat": False}, False),
    ],
    ids=["nulls", "texts for numbers", "seventeen digits", "short pages", "net prices"],
)
async def test_an_awkward_till_changes_nothing_in_what_is_sent(
    switches: dict[str, Any], lenient: bool, record_property: Callable[[str, object], None]
) -> None:
    """However the till writes what it answers: the connector's own requests stay as published, and so does what it is answered."""
    at = till(lenient=lenient, **switches)
    await drive(at)
    counts.record(record_property, "SalesPOS", at.judge.verdict)
    assert at.judge.verdict.violations == []


# -- the sandbox's side -------------------------------------------------------------------------------------------------------------


def served() -> set[tuple[str, str]]:
    """Return method and route of everything that the sandbox serves."""
    sandbox = TillSandbox(SHOP)
    return {(method, route) for route, resource in routes(sandbox.till, Shapes(sandbox.till)).items() for method in resource.handlers}


def test_the_sandbox_serves_only_what_is_documented() -> None:
    """Every method of every route is in the list of operations, and so is everything that the connector uses."""
    judge = TillJudge(LISTS, ("", ""))
    assert [one for one in sorted(served()) if not judge.documented(*one)] == []
    assert {(method, route.replace("(root)", "")) for method, route in (one.split(" ", 1) for one in USED)} <= served()


async def everything(at: Till) -> None:
    """Use every method of every route of the sandbox."""
    plain = at.plain
    order = next(iter(at.sandbox.till.orders))
    row = at.sandbox.till.orders[order].rows[0].id
    package = await plain.made("/packages/", {"name": "Doos"})
    wood = await plain.made("/categories/", {"name": "Hout", "show_on_website": True})
    inner = await plain.made("/categories", {"name": "Eik", "parentcategory_id": wood, "position": 3})
    product = await plain.made("/products/", {**PRODUCT, "package_id": package})
    link = await plain.made("/producttocategories/", {"product_id": product, "category_id": wood, "position": 1})
    placed = await plain.made("/orders/", {"customer": {"email": "a@b.example"}, "orderrows": [{"product_id": product, "count": 2}]})
    still_open = await plain.made(
        "/orders/", {"customer": {}, "orderrows": [{"product_id": product, "count": D("0.125")}], "is_completed": False}
    )
    added = await plain.made(f"/orders/{still_open}/orderrows/", {"product_id": product, "count": 1})
    user = await plain.made("/users/", {"username": "c@d.example", "password": "geheim"})
    hook = await plain.made("/webhooks/", {"event": "orders.created", "address": "http://shop.example/hook"})
    cashup = await plain.made("/cashups/", {})
    for uri in (
        "/", "", "/status/", "/webshops/", "/webshops", "/webshops/1/", "/webshops/1/settings/", "/products/", f"/products/{product}/",
        f"/products/{product}?expand=producttocategories", "/products?expand=producttocategories,productphotos&orderby=modifydate_desc",
        "/products/?productnumber=mok-1&active=true&minprice=1.5&maxstock=99&start=0&size=250", f"/products/{product}/producttocategories/",
        "/productqueries/?eannumber=8712345678906", "/categories/", f"/categories/{inner}/", f"/categories/{wood}/categories/",
        f"/categories/{wood}/producttocategories/", f"/producttocategories/{link}/", "/categorytree/", "/orders/", f"/orders/{placed}/",
        "/orders/?start=2&size=3&orderby=create_date_desc&is_paid=true&is_completed=true&min_create_date=2026-03-15T00%3A00%3A00Z",
        f"/orders/{order}/orderrows/", f"/orderrows/{row}/", "/users/", "/users/?approval_status=approved&orderby=last_name_desc",
        f"/users/{user}/", "/users/1/", "/paymethods/", "/packages/", f"/packages/{package}/", "/cashups/", f"/cashups/{cashup}/",
        "/terminalreceipts/", f"/terminalreceipts/{order}/", "/webhooks/", f"/webhooks/{hook}/",
    ):  # fmt: skip
        answer = await plain.send("GET", uri)
        assert answer.status_code == 200, (uri, answer.text)
    for uri, change in (
        (f"/products/{product}/", {"stock": 5, "price": D("0.335"), "active": False}),
        (f"/categories/{inner}/", {"name": "Es"}),
        (f"/producttocategories/{link}/", {"position": 2}),
        (f"/orders/{placed}/", {"paid": True, "status": 7}),
        (f"/orderrows/{added}/", {"count": D("2.5"), "price": D("6.99"), "discount": 0}),
        (f"/users/{user}/", {"status": False}),
        (f"/packages/{package}/", {"name": "Zak"}),
        (f"/cashups/{cashup}/", {"status": "CLOSED", "balances": [{"paymethod": "cash", "counted": 10}]}),
        (f"/webhooks/{hook}/", {"is_active": False}),
    ):
        assert (await plain.send("PATCH", uri, change)).status_code == 204, uri
    await plain.send("GET", f"/cashups/{cashup}/")
    assert (await plain.send("DELETE", f"/orderrows/{added}/")).status_code == 204
    rows = {"orderrows": [{"product_number": "X", "product_name": "X", "price": 1, "count": 1}]}
    assert (await plain.send("PUT", f"/orders/{still_open}/orderrows/", rows)).status_code == 204
    for uri in (f"/producttocategories/{link}/", f"/categories/{inner}/", f"/products/{product}/", f"/webhooks/{hook}/"):
        assert (await plain.send("DELETE", uri)).status_code == 204, uri


PRODUCT = {"name": "Mok", "price": D("7.33"), "discount": 0, "productnumber": "MOK-1", "eannumber": "8712345678906", "stock": 8}


@pytest.mark.parametrize("accept", ["application/vnd.verto.salespos+json", "application/vnd.verto.webshop+json", "application/json"])
async def test_everything_the_sandbox_answers_is_as_published(accept: str, record_property: Callable[[str, object], None]) -> None:
    """Every method of every route: envelope, presence, names and types of fields, statuses, signatures."""
    at = till()
    at.plain.headers["accept"] = accept
    await everything(at)
    counts.record(record_property, "SalesPOS", at.judge.verdict)
    assert at.judge.verdict.violations == []
    used = {tuple(one.replace("(root)", "").split(" ", 1)) for one in at.judge.verdict.operations}
    assert used == served()


async def test_every_refusal_of_the_sandbox_is_as_published(record_property: Callable[[str, object], None]) -> None:
    """Status, code and body agree, and every code is one that is known, or of a status whose codes nobody published."""
    at = till(limits=True, unique_productnumber=True, product_limit=2)
    plain = at.plain
    answers = [
        await plain.send("GET", "/nothing/"),
        await plain.send("DELETE", "/orders/5001/"),
        await plain.send("GET", "/orders/1/"),
        await plain.send("GET", "/orders/?modified_since=1"),
        await plain.send("POST", "/products/", {"name": "x"}),
        await plain.send("POST", "/products/", {**PRODUCT, "package_id": 1}),
        await plain.send("POST", "/products/", {**PRODUCT, "package_id": 1}),
        await plain.send("POST", "/products/", {**PRODUCT, "package_id": 1, "productnumber": "2"}),
        await plain.send("POST", "/products/", {**PRODUCT, "package_id": 1, "productnumber": "3"}),
        *[await plain.send("GET", "/productqueries/?productnumber=x") for _ in range(31)],
    ]
    plain.headers["x-hash"] = "0" * 128
    answers.append(await plain.send("GET", "/orders/"))
    codes = {exact(one.content)["code"] for one in answers if one.status_code >= 400}
    assert codes == {"404.20", "405.10", "404.10", "400.10", "500.40", "500.60", "429.10", "401.10"}
    # what was asked is wrong on purpose
    at.judge.verdict.violations[:] = [one for one in at.judge.verdict.violations if " answered " in one]
    counts.record(record_property, "SalesPOS", at.judge.verdict)
    assert at.judge.verdict.violations == []


async def test_an_error_code_of_the_sdk_has_a_meaning_for_the_connector() -> None:
    """Whatever the till refuses with, the connector makes one of the port's errors of it, never a fault of its own."""

    class Refusing(httpx2.AsyncBaseTransport):
        """Answers everything with one code."""

        def __init__(self, code: str) -> None:
            self.code = code

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            """Refuse."""
            status = int(self.code.partition(".")[0])
            return httpx2.Response(status, content=json.dumps({"status": status, "code": self.code, "developermessage": "no"}).encode())

    clock = JumpingClock()
    for code in sorted(CODES):
        pos = SalesPos(SalesPosConfig("http://till.test", "p", "s"), clock=clock, transport=Refusing(code), jitter=random.Random(1))
        for call in (pos.get_product("1"), pos.update_product("1", ProductPatch(active=True))):
            with pytest.raises(ConnectorError) as caught:
                await call
            assert caught.value.code == code


# -- the judge judges ----------------------------------------------------------------------------------------------------------------


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a record with one thing wrong, and what: each field renamed, of another type, and one that nobody knows."""
    for name, one in value.items():
        others = {key: other for key, other in value.items() if key != name}
        yield f"{name} renamed", {**others, f"{name}_": one}
        yield f"{name} of another type", {**value, name: [1] if not isinstance(one, list) else "x"}
    yield "an unknown field", {**value, "modified_since": 1}


async def test_every_field_of_every_body_that_is_sent_wrongly_is_noticed() -> None:
    """Renamed, of another type, unknown: each of them in each body that the connector sends."""
    at = till()
    await drive(at)
    sent = [one for one in at.wire.seen if one.content and "/cashups" not in one.target]
    tried = 0
    for one in {one.content: one for one in sent}.values():
        for what, wrong in mutations(exact(one.content)):
            at.judge.verdict.violations.clear()
            at.judge.request(one.method, one.target, resigned(at.judge, one, written(wrong)), written(wrong))
            assert at.judge.verdict.violations, f"{one.method} {one.path}: {what} went unnoticed"
            tried += 1
    assert tried > 50


def resigned(judge: TillJudge, one: Exchange, body: bytes) -> dict[str, str]:
    """Return the headers of a request with another body."""
    return {**one.headers, "x-hash": judge.signature(one.method, one.target, body, one.headers["x-date"])}


async def test_every_field_of_every_record_that_is_answered_wrongly_is_noticed() -> None:
    """Renamed, of another type, unknown: in an order, a row, a product, a customer, a shop, a webhook."""
    at = till()
    await everything(at)
    answered = {(one.method, at.judge._route(one.method, one.path)[0]): one for one in at.wire.seen if one.status in (200, 201)}
    tried = 0
    for route in ("orders/:id", "orderrows/:id", "products/:id", "users/:id", "webshops/:id", "webshops/:id/settings", "webhooks/:id"):
        one = answered["GET", route]
        for what, wrong in mutations(exact(one.answer)):
            body = written(wrong)
            at.judge.verdict.violations.clear()
            at.judge.answer(signed_again(at.judge, one, body))
            assert at.judge.verdict.violations, f"{route}: {what} went unnoticed"
            tried += 1
    assert tried > 400


def signed_again(judge: TillJudge, one: Exchange, body: bytes) -> Exchange:
    """Return an exchange with another answer."""
    headers = {**one.answer_headers, "x-hash": judge.signature(one.method, one.target, body, one.answer_headers["x-date"])}
    return Exchange(one.method, one.target, one.headers, one.content, one.status, headers, body)


@pytest.mark.parametrize(
    ("method", "uri", "words"),
    [
        ("GET", "/order/", "no such operation"),
        ("GET", "/orders/x/", "no such operation"),
        ("DELETE", "/orders/1/", "no such operation"),
        ("GET", "/orders/?page=2", "page is not documented"),
        ("GET", "/orders/?min_modify_date=2026-01-01T00:00:00Z", "min_modify_date is not documented"),
        ("GET", "/orders/?size=251", "size is not of type size"),
        ("GET", "/orders/?start=-1", "start is not of type start"),
        ("GET", "/orders/?is_paid=1", "is_paid is not of type bool"),
        ("GET", "/orders/?orderby=modifydate", "orderby modifydate"),
        ("GET", "/orders/?expand=orderrows", "expand is not documented"),
        ("GET", "/products/?expand=orderrows", "expand orderrows"),
        ("GET", "/orders/1/?size=5", "size is not documented"),
    ],
)
def test_an_address_that_nobody_documented_is_noticed(method: str, uri: str, words: str) -> None:
    """Paths, verbs, and parameters of a query."""
    judge = TillJudge(LISTS, ("p", "s"))
    judge.request(method, ROOT + uri, {}, b"")
    assert any(words in one for one in judge.verdict.violations), judge.verdict.violations


def test_headers_and_signatures_that_are_wrong_are_noticed() -> None:
    """Key, date, signature, media type and content type of a request; signature, media type, envelope and code of an answer."""
    judge = TillJudge(LISTS, ("p", "s"))
    judge.request("PATCH", f"{ROOT}/products/1/", {}, b'{"stock":1}')
    said = "\n".join(judge.verdict.violations)
    assert all(word in said for word in ("public key", "x-date", "x-hash", "media type", "not said to be JSON"))
    wrong = [
        (200, b'{"items":[]}', "envelope"),
        (200, b"[]", "envelope"),
        (201, b"{}", "status, code and developermessage"),
        (404, b'{"status":404,"code":"404.20"}', "status, code and developermessage"),
        (404, b'{"status":400,"code":"404.20","developermessage":""}', "do not agree"),
        (500, b'{"status":500,"code":"500.99","developermessage":""}', "is not known"),
        (500, b"<html>", "not JSON"),
    ]
    for status, body, words in wrong:
        judge.verdict.violations.clear()
        date = "2026-03-16T09:00:00Z"
        headers = {"x-date": date, "x-hash": judge.signature("GET", f"{ROOT}/orders/", body, date), "content-type": "application/json"}
        judge.answer(Exchange("GET", f"{ROOT}/orders/", {}, b"", status, headers, body))
        assert any(words in one for one in judge.verdict.violations), (words, judge.verdict.violations)


def test_the_connectors_codes_are_those_of_the_list() -> None:
    """What the connector knows of error codes is what the SDK knows."""
    assert {dialect.ALL_RESOURCES_LIMITED, dialect.UNKNOWN_RESOURCE, dialect.EXISTS, *dialect.REFUSALS} <= CODES
