"""Webhooks: what happened is told to whoever registered for it; thin, signed, and not always once or in order (reference: section 5.7)."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio

from connectors.sandbox.salespos.signing import write_date

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from anyio.abc import ByteStream

    from connectors.sandbox.faults import FaultPlan
    from connectors.sandbox.salespos.sales import Order
    from connectors.sandbox.salespos.till import Product, Table

#: events that the sandbox has reasons for; others may be registered, and nothing ever happens to them
EVENTS: Final = frozenset(
    {
        "products.created", "products.updated", "products.deleted", "categories.created", "categories.updated", "categories.deleted",
        "orders.created", "orders.deleted", "orders.updated.ispaid", "orders.updated.status", "orders.updated.trackandtrace",
    }
)  # fmt: skip
#: a sandbox calls nobody but this machine
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT_SECONDS: Final = 5.0
#: so many deliveries are remembered
_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call to make.  ``status`` is what it was answered with, 0 while it waits or where nobody answered."""

    event: str
    address: str
    body: bytes
    signature: str
    status: int = 0


def signature(key: str, address: str, body: bytes) -> str:
    """[A] Return the ``x-hash`` of a delivery: HMAC-SHA512 with the webhook's key over ``address|body``, as in the app handshake."""
    return hmac.new(key.encode(), address.encode() + b"|" + body, hashlib.sha512).hexdigest()


def standing(order: Order) -> dict[str, Any]:
    """Return what webhooks tell of an order when it changes."""
    tracked = {name: order.details.get(name, "") for name in ("track_and_trace_code", "track_and_trace_carrier")}
    return {"paid": order.paid, "status": order.status, **tracked}


class Webhooks:
    """What waits to be told, and what was told.

    The plan may lose a delivery, make it twice, or let it overtake the one before.  [A] Nobody tries again when the receiver fails.
    """

    def __init__(self, table: Table, *, plan: FaultPlan, now: Callable[[], datetime], write: Callable[[Any], str]) -> None:
        self._table = table
        self._plan = plan
        self._now = now
        self._write = write
        self._telling = anyio.Lock()
        #: the API's address as the last request wrote it
        self.base = ""
        self.waiting: deque[Delivery] = deque()
        self.told: deque[Delivery] = deque(maxlen=_REMEMBERED)

    def happened(self, event: str, facts: Mapping[str, Any]) -> None:
        """Queue an event for every active webhook that wants it."""
        for hook in self._table.rows.values():
            if hook["event"] != event or not hook["is_active"] or self._plan.fires("webhook_lost"):
                continue
            body = self._write({"triggered_at": write_date(self._now()), **facts}).encode()
            delivery = Delivery(event, hook["address"], body, signature(hook["key"], hook["address"], body))
            overtakes = bool(self.waiting) and self._plan.fires("webhook_reordered")
            self.waiting.insert(len(self.waiting) - overtakes, delivery)
            if self._plan.fires("webhook_repeated"):
                self.waiting.append(delivery)

    def order(self, event: str, order: Order, **changed: Any) -> None:
        """Queue what happened to an order: thin, and with other names than the resource has (``order_number``)."""
        address = (order.customer_given or {}).get("billingaddress") or {}
        facts = {
            "href": f"{self.base}/orders/{order.id}",
            "id": order.id,
            "order_number": order.number,
            "ordernumber_prefix": "",
            "ordernumber_full": order.number_full,
            "total_price": order.total,
            "customer_email": order.customer.email if order.customer else (order.customer_given or {}).get("email", ""),
            "customer_mobile": (order.customer.phone or "") if order.customer else address.get("mobile", ""),
        }
        self.happened(event, facts | changed)

    def changed(self, order: Order, before: Mapping[str, Any]) -> None:
        """Queue what a change of an order was about; ``before`` is how it stood."""
        after = standing(order)
        if after["paid"] != before["paid"]:
            self.order("orders.updated.ispaid", order, paid=after["paid"])
        if after["status"] != before["status"]:
            self.order("orders.updated.status", order, previous_status=before["status"], status=after["status"])
        tracked = {name: value for name, value in after.items() if name.startswith("track")}
        if any(before[name] != value for name, value in tracked.items()):
            self.order("orders.updated.trackandtrace", order, **tracked)

    def product(self, event: str, product: Product) -> None:
        """[A] Queue what happened to a product; only that these events exist is known."""
        self.happened(event, {"href": f"{self.base}/products/{product.id}", "id": product.id})

    def category(self, event: str, number: int) -> None:
        """[A] Queue what happened to a category; only that these events exist is known."""
        self.happened(event, {"href": f"{self.base}/categories/{number}", "id": number})

    async def tell(self) -> int:
        """Make the calls that wait, one after the other, and return how many there were."""
        async with self._telling:
            count = 0
            while self.waiting:
                delivery = self.waiting.popleft()
                status = await _post(delivery)
                self.told.append(Delivery(delivery.event, delivery.address, delivery.body, delivery.signature, status))
                count += 1
            return count

    def as_json(self) -> dict[str, Any]:
        """Return what waits and what was told, oldest first."""
        return {
            "waiting": len(self.waiting),
            "told": [{"event": one.event, "address": one.address, "status": one.status} for one in self.told],
        }


async def _post(delivery: Delivery) -> int:
    """Make one call over plain HTTP on this machine and return its status, 0 where nobody answered."""
    target = urlsplit(delivery.address)
    if target.scheme != "http" or target.hostname not in _LOOPBACK:
        return 0
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {target.netloc}\r\ncontent-type: application/json\r\nx-hash: {delivery.signature}\r\n"
        f"content-length: {len(delivery.body)}\r\nconnection: close\r\n\r\n"
    )
    with anyio.move_on_after(_TIMEOUT_SECONDS):
        try:
            async with await anyio.connect_tcp(target.hostname or "", target.port or 80) as stream:
                await stream.send(head.encode() + delivery.body)
                return await _status(stream)
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError, ValueError):
            return 0
    return 0


async def _status(stream: ByteStream) -> int:
    line = b""
    while b"\r\n" not in line:
        line += await stream.receive()
    return int(line.split(b" ", 2)[1])
