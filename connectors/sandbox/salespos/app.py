"""The till as an ASGI app: signatures, limits, routes, and the unsigned routes for people and tests."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.down import OutageMiddleware
from connectors.sandbox.down import control as outage_control
from connectors.sandbox.faults import FaultMiddleware, FaultPlan
from connectors.sandbox.salespos import ledger
from connectors.sandbox.salespos.assumptions import BAD_SIGNATURE, STALE_DATE, UNKNOWN_ID
from connectors.sandbox.salespos.cashier import Cashier
from connectors.sandbox.salespos.control import Control
from connectors.sandbox.salespos.limits import Limits
from connectors.sandbox.salespos.routes import routes
from connectors.sandbox.salespos.shapes import Shapes
from connectors.sandbox.salespos.signing import read_date, same, sign, write_date
from connectors.sandbox.salespos.switches import TillSwitches
from connectors.sandbox.salespos.till import Till
from connectors.sandbox.salespos.wire import ROOT, UNKNOWN_RESOURCE, WRONG_METHOD, Call, Refused, Writer, read_body, read_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Scope

    from connectors.sandbox.salespos.ledger import ReceiptState, TillLedger
    from connectors.sandbox.salespos.routes import Resource
    from connectors.sandbox.world import World, WorldReceipt

_WINDOW: Final = timedelta(minutes=5)
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_VND: Final = ("application/vnd.verto.salespos+json", "application/vnd.verto.webshop+json")
_HTML: Final = b"<html><body><h1>500 Internal Server Error</h1></body></html>"


def utcnow() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


class TillSandbox:
    """A till with a shop in it.

    With ``open_shop`` every receipt of the world is an order from the start; the catalogue is empty either way, it comes from the
    books.  ``requests`` counts what came in and was let in, by method and route (``orders/:id``).  A second till of a shop is a second
    sandbox with its own ``seed`` and ``name``: the ids and numbers of their receipts collide, as those of two real tills do.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Callable[[], datetime] = utcnow,
        limits: bool = True,
        seed: int = 0,
        switches: TillSwitches = TillSwitches(),  # noqa: B008 - frozen, so sharing it is safe
        open_shop: bool = True,
        plan: FaultPlan | None = None,
        name: str = "Zandbakwinkel",
    ) -> None:
        keys = Random(seed)  # noqa: S311 - the keys of a simulation, the same for the same seed
        self.public_key = f"{keys.getrandbits(64):016x}"
        self.secret_key = f"{keys.getrandbits(128):032x}"
        self.plan = plan if plan is not None else FaultPlan(seed=seed)
        self.requests: Counter[tuple[str, str]] = Counter()
        self.till = Till(world, clock=clock, seed=seed, switches=switches, plan=self.plan, name=name)
        #: what people do at this till
        self.cashier = Cashier(self.till)
        self._limits = Limits() if limits else None
        self._write = Writer(switches).dumps
        self._routes = routes(self.till, Shapes(self.till))
        control = Control(self)
        #: what the vendor's operations do, by the sandbox's own clock
        self.outages = self.plan.outages
        self.outages.clock = clock
        pages = [*control.routes(), *outage_control(self.outages), Route("/{path:path}", self._answer, methods=_METHODS)]
        self.app: ASGIApp = FaultMiddleware(
            OutageMiddleware(Starlette(routes=pages), self.outages, errors=self._broken),
            self.plan,
            errors=self._broken,
            seal=self._seal,
        )
        if open_shop:
            for receipt in world.receipts:
                self.till.ring_up(receipt, at_start=True)

    def ring_up(self, receipt: WorldReceipt) -> int:
        """Sell, live, and return the order's id.

        Raises:
            ValueError: the receipt's number is taken, or its lines do not come to what was paid.
        """
        return self.till.ring_up(receipt).id

    def ring_up_all(self) -> None:
        """Ring up every receipt of the world that is not in the till yet."""
        known = {order.number_full for order in self.till.orders.values()}
        for receipt in self.till.world.receipts:
            if receipt.number not in known:
                self.till.ring_up(receipt)

    def ledger(self) -> TillLedger:
        """Return what the till took."""
        return ledger.add_up(self.till)

    def receipts(self) -> tuple[ReceiptState, ...]:
        """Return every receipt as it stands in the till, the deleted ones last."""
        return ledger.receipts(self.till)

    async def _answer(self, request: Request) -> Response:
        raw = await request.body()
        uri = _uri(request.scope)
        try:
            self._admit(request, uri, raw)
            status, shown = self._serve(request, raw)
        except Refused as refused:
            status, shown = refused.status, {"status": refused.status, "code": refused.code, "developermessage": refused.message}
        body = b"" if shown is None else self._write(shown).encode()
        kind = next((kind for kind in _VND if kind in request.headers.get("accept", "")), "application/json")
        response = Response(body, status, media_type=kind if body else None)
        for name, value in self._seal(request.scope, body):
            response.raw_headers.append((name, value))
        if self.till.calls.waiting:
            response.background = BackgroundTask(self.till.calls.tell)
        return response

    def _admit(self, request: Request, uri: str, raw: bytes) -> None:
        """Check key, signature and date.

        Raises:
            Refused: 401.
        """
        date = request.headers.get("x-date", "")
        given = request.headers.get("x-hash", "")
        try:
            body = raw.decode()
        except UnicodeDecodeError:
            raise Refused(BAD_SIGNATURE, "the body is not UTF-8") from None
        right = sign(self.public_key, self.secret_key, method=request.method, uri=uri, body=body, date=date)
        if request.headers.get("x-public") != self.public_key or not same(given, right):
            raise Refused(BAD_SIGNATURE, "unknown key or wrong hash")
        moment = read_date(date)
        if moment is None or abs(self.till.now() - moment) > _WINDOW:
            raise Refused(STALE_DATE, "x-date differs more than 5 minutes from the server's time")

    def _serve(self, request: Request, raw: bytes) -> tuple[int, Any]:
        """Find the resource, count the request and carry it out; the body to be shown is ``None`` where there is none."""
        route, number, resource = self._resource(request.url.path)
        method = request.method
        if self._limits is not None:
            self._limits.take(method, resource.name, self.till.now())
        self.requests[method, route] += 1
        if method not in resource.handlers:
            raise Refused(WRONG_METHOD, f"{method} is not allowed on {route or '/'}")
        call = Call(method, request.url.path, {}, f"{request.url.scheme}://{request.url.netloc}{ROOT}", number)
        self.till.calls.base = call.base
        call.query = read_query(request.scope["query_string"].decode("latin-1"), resource.filters if method == "GET" else frozenset())
        if method in ("POST", "PATCH", "PUT"):
            call.body = read_body(raw)
        shown = resource.handlers[method](call)
        if method == "GET":
            return 200, shown
        if method == "POST" and not self.till.switches.post_204:
            return 201, shown
        return 204, None

    def _resource(self, path: str) -> tuple[str, int, Resource]:
        """Find what a path names: its route (``orders/:id/orderrows``), the id in it and the resource."""
        below = path.removeprefix(ROOT).strip("/")
        parts = below.split("/") if below else []
        route = "/".join(":id" if place == 1 else part for place, part in enumerate(parts))
        resource = self._routes.get(route) if path.startswith(ROOT) else None
        if resource is None:
            raise Refused(UNKNOWN_RESOURCE, f"unknown resource {below}")
        number = parts[1] if len(parts) > 1 else "0"
        if not (number.isascii() and number.isdigit()):
            raise Refused(UNKNOWN_ID, f"{number} is not an id")
        return route, int(number), resource

    def _seal(self, scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell the vendor's time and sign an answer (reference: response signing)."""
        now = self.till.now()
        headers = [(b"date", format_datetime(now.astimezone(UTC), usegmt=True).encode())]
        if self.till.switches.sign_answers:
            date = write_date(now)
            signature = sign(self.public_key, self.secret_key, method=scope["method"], uri=_uri(scope), body=body.decode(), date=date)
            headers += [(b"x-date", date.encode()), (b"x-hash", signature.encode())]
        return headers

    def _broken(self, status: int) -> tuple[str, bytes]:
        """Return the vendor's 429, or a 500 that is not JSON (reference: a non-JSON body is possible)."""
        if status != 429:  # noqa: PLR2004 - the HTTP status
            return "text/html; charset=utf-8", _HTML
        return "application/json", json.dumps({"status": 429, "code": "429.10", "developermessage": "rate limit exceeded"}).encode()


def _uri(scope: Scope) -> str:
    """Return path and query as they were sent."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
