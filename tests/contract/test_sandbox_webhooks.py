"""The webhooks of the SalesPOS sandbox: who is told what, with which signature, and what gets lost on the way."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.salespos import TillSandbox
from connectors.sandbox.salespos.signing import sign
from connectors.sandbox.serve import serve
from connectors.sandbox.world import World
from tests.flow import small_day

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

NOW = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
ROOT = "/api/rest/v1"
PRODUCT = {"name": "Mok", "price": 7.33, "discount": 0, "package_id": 1, "productnumber": "MOK-1"}


@dataclass
class Receiver:
    """Somebody who registered: keeps what was told, and may be out of order."""

    status: int = 200
    told: list[tuple[str, bytes, str]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        """Take a delivery."""
        self.told.append((request.url.path + f"?{request.url.query}", await request.body(), request.headers["x-hash"]))
        return Response(status_code=self.status)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was told, in the order in which it came."""
        return [json.loads(body) for _, body, _ in self.told]


@dataclass
class Shop:
    """A till, a receiver on a real socket, and a signed client."""

    till: TillSandbox
    receiver: Receiver
    address: str
    http: httpx2.AsyncClient

    async def send(self, method: str, uri: str, body: Any = None) -> Any:
        """Send a signed request and return what came."""
        content = "" if body is None else json.dumps(body)
        date = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = sign(self.till.public_key, self.till.secret_key, method=method, uri=ROOT + uri, body=content, date=date)
        headers = {"x-public": self.till.public_key, "x-date": date, "x-hash": digest}
        answer = await self.http.request(method, ROOT + uri, content=content, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def listen(self, event: str, address: str = "") -> dict[str, Any]:
        """Register for an event."""
        hook: dict[str, Any] = await self.send("POST", "/webhooks/", {"event": event, "address": address or f"{self.address}/hook?of=shop"})
        return hook


@asynccontextmanager
async def shop(**faults: float) -> AsyncIterator[Shop]:
    """Run a till and a receiver."""
    plan = FaultPlan(seed=3)
    plan.update(faults)
    sold = World(small_day.ARTICLES, small_day.CUSTOMERS, small_day.receipts())
    sandbox = TillSandbox(sold, clock=lambda: NOW, open_shop=False, plan=plan)
    receiver = Receiver()
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with serve(app) as address:
        transport = httpx2.ASGITransport(app=sandbox.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://till.test") as http:
            yield Shop(sandbox, receiver, address, http)


async def test_an_order_that_is_placed_is_told_thinly() -> None:
    """The body names the order and who bought; the rest has to be asked for."""
    async with shop() as at:
        await at.listen("orders.created")
        row = {"product_number": "Z", "product_name": "Zegel", "price": 1.5, "count": 2}
        placed = await at.send("POST", "/orders/", {"customer": {"email": "a@b.example"}, "orderrows": [row]})
        assert at.receiver.bodies == [
            {
                "triggered_at": "2026-03-16T09:30:00Z",
                "href": placed["href"],
                "id": placed["id"],
                "order_number": placed["ordernumber"],
                "ordernumber_prefix": "",
                "ordernumber_full": placed["ordernumber_full"],
                "total_price": 3.0,
                "customer_email": "a@b.example",
                "customer_mobile": "",
            }
        ]


async def test_a_delivery_is_signed_with_the_webhooks_own_key() -> None:
    """HMAC-SHA512 over address and body, and nothing else than the key that the registration gave out."""
    async with shop() as at:
        hook = await at.listen("products.created")
        await at.send("POST", "/products/", PRODUCT)
        [(path, body, given)] = at.receiver.told
        assert path == "/hook?of=shop"
        assert given == hmac.new(hook["key"].encode(), hook["address"].encode() + b"|" + body, hashlib.sha512).hexdigest()


async def test_each_change_has_its_event() -> None:
    """Paid, status and parcel of an order; a product and a category made, changed and removed."""
    async with shop() as at:
        for event in ("products", "categories"):
            for verb in ("created", "updated", "deleted"):
                await at.listen(f"{event}.{verb}")
        for event in ("ispaid", "status", "trackandtrace"):
            await at.listen(f"orders.updated.{event}")
        product = await at.send("POST", "/products/", PRODUCT)
        await at.send("PATCH", f"/products/{product['id']}/", {"stock": 4})
        await at.send("DELETE", f"/products/{product['id']}/")
        category = await at.send("POST", "/categories/", {"name": "Wonen"})
        await at.send("PATCH", f"/categories/{category['id']}/", {"name": "Eten"})
        await at.send("DELETE", f"/categories/{category['id']}/")
        order = await at.send("POST", "/orders/", {"customer": {}, "orderrows": [], "paid": False})
        await at.send("PATCH", f"/orders/{order['id']}/", {"paid": True, "status": 5, "track_and_trace_code": "3S1", "note": "x"})
        await at.send("PATCH", f"/orders/{order['id']}/", {"paid": True, "status": 5})
        told = [(one.event, json.loads(one.body)) for one in at.till.till.calls.told]
    assert [event for event, _ in told] == [
        "products.created", "products.updated", "products.deleted", "categories.created", "categories.updated", "categories.deleted",
        "orders.updated.ispaid", "orders.updated.status", "orders.updated.trackandtrace",
    ]  # fmt: skip
    about = dict(told)
    assert about["orders.updated.ispaid"]["paid"] is True
    assert (about["orders.updated.status"]["previous_status"], about["orders.updated.status"]["status"]) == (1, 5)
    assert about["orders.updated.trackandtrace"]["track_and_trace_code"] == "3S1"


async def test_a_sale_at_the_till_is_told_and_what_was_there_before_is_not() -> None:
    """Only what happens from now on, and only to webhooks that are active."""
    async with shop() as at:
        silent = await at.listen("orders.created")
        await at.send("PATCH", f"/webhooks/{silent['id']}/", {"is_active": False})
        at.till.ring_up_all()
        await at.http.post("/_sandbox/webhooks")
        assert at.receiver.told == []
        await at.send("PATCH", f"/webhooks/{silent['id']}/", {"is_active": True})
        answer = await at.http.post("/_sandbox/sales", json={"sku": "MOK-1", "customer": "p"})
        [body] = at.receiver.bodies
        assert (body["id"], body["total_price"], body["customer_email"]) == (answer.json()["id"], 7.33, "jan@example.nl")
        assert (await at.http.get("/_sandbox/webhooks")).json()["told"][-1]["status"] == 200


@pytest.mark.parametrize("status", [500, 410])
async def test_nobody_tries_again_when_the_receiver_fails(status: int) -> None:
    """What it was answered with is remembered; the till's own answer does not suffer."""
    async with shop() as at:
        at.receiver.status = status
        await at.listen("products.created")
        await at.send("POST", "/products/", PRODUCT)
        await at.http.post("/_sandbox/webhooks")
        assert [one.status for one in at.till.till.calls.told] == [status]


async def test_a_receiver_that_is_not_there_or_not_on_this_machine_is_not_reached() -> None:
    """Nobody listens on one, and a sandbox calls no other machine."""
    async with shop() as at:
        for address in ("http://127.0.0.1:1/x", "http://192.0.2.1/x", "https://127.0.0.1/x", "mailto:a@b.example"):
            await at.listen("products.created", address)
        await at.send("POST", "/products/", PRODUCT)
        assert [one.status for one in at.till.till.calls.told] == [0, 0, 0, 0]


async def sell(at: Shop, sales: int = 200) -> list[int]:
    """Sell, tell everything at once, and return the order ids in the order in which they were told."""
    await at.listen("orders.created")
    for _ in range(sales):
        receipt = small_day.receipts()[0]
        number = str(at.till.till.new_number())
        at.till.ring_up(type(receipt)(number, NOW, None, receipt.lines, "pin", Decimal(0), receipt.gross, is_correction=False))
    await at.http.post("/_sandbox/webhooks")
    return [body["id"] for body in at.receiver.bodies]


async def test_webhooks_get_lost_repeated_and_out_of_order_on_demand() -> None:
    """A receiver that believed them would lose, double and reorder sales: that is why the till is polled."""
    async with shop() as at:
        faithful = await sell(at, 50)
        assert faithful == sorted(set(faithful))
        assert len(faithful) == 50
    async with shop(webhook_lost=0.2) as at:
        assert 100 < len(await sell(at)) < 200
    async with shop(webhook_repeated=0.2) as at:
        told = await sell(at)
        assert len(told) > len(set(told)) == 200
    async with shop(webhook_reordered=0.2) as at:
        told = await sell(at)
        assert (sorted(told) == told, len(told), len(set(told))) == (False, 200, 200)
