"""The unsigned routes for people and tests under ``/_sandbox/``; no fault ever strikes them."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.faults import CONTROL
from connectors.sandbox.salespos.assumptions import PAYMETHODS, TARIFFS, with_vat
from connectors.sandbox.world import WorldLine, WorldReceipt, cash_rounding, cents, line_total

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from connectors.sandbox.salespos.app import TillSandbox

_CODES: Final = frozenset(method for _, _, method, _ in PAYMETHODS)
_SALE: Final = frozenset({"sku", "quantity", "paymethod", "price", "customer"})


class Control:
    """Lets a test look into the till and sell with it."""

    def __init__(self, sandbox: TillSandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route(f"{CONTROL}ledger", self._ledger),
            Route(f"{CONTROL}requests", self._requests),
            Route(f"{CONTROL}faults", self._fired),
            Route(f"{CONTROL}faults", self._faults, methods=["POST"]),
            Route(f"{CONTROL}sales", self._sales, methods=["POST"]),
            Route(f"{CONTROL}webhooks", self._webhooks, methods=["GET", "POST"]),
        ]

    async def _ledger(self, _request: Request) -> Response:
        return JSONResponse(self._sandbox.ledger().as_json())

    async def _requests(self, _request: Request) -> Response:
        return JSONResponse({f"{method} {route}".strip(): count for (method, route), count in sorted(self._sandbox.requests.items())})

    async def _fired(self, _request: Request) -> Response:
        return JSONResponse(dict(self._sandbox.plan.fired))

    async def _faults(self, request: Request) -> Response:
        try:
            self._sandbox.plan.update(_object(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self._sandbox.plan.as_json())

    async def _sales(self, request: Request) -> Response:
        """Sell ``{"sku", "quantity"=1, "paymethod"="pin", "price"?, "customer"?}``."""
        try:
            receipt = self._receipt(_object(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        order_id = self._sandbox.ring_up(receipt)
        await self._sandbox.till.calls.tell()
        return JSONResponse({"id": order_id, "number": receipt.number, "gross": f"{receipt.gross:f}"}, 201)

    async def _webhooks(self, request: Request) -> Response:
        """Show what was told to webhooks; a POST tells what waits first."""
        if request.method == "POST":
            await self._sandbox.till.calls.tell()
        return JSONResponse(self._sandbox.till.calls.as_json())

    def _receipt(self, sale: dict[str, Any]) -> WorldReceipt:
        till = self._sandbox.till
        if unknown := sorted(sale.keys() - _SALE):
            raise ValueError(f"unknown {', '.join(unknown)}")
        sku = str(sale.get("sku", ""))
        name, usual, rate = self._article(sku)
        quantity, price = _decimal(sale.get("quantity", 1)), _decimal(sale.get("price", usual))
        paymethod = sale.get("paymethod", "pin")
        if paymethod not in _CODES:
            raise ValueError(f"paymethod is one of {', '.join(sorted(_CODES))}")
        customer = sale.get("customer")
        if customer is not None and customer not in {one.key for one in till.world.customers}:
            raise ValueError(f"customer {customer} is not known")
        line = WorldLine("product", sku, name, quantity, price, rate)
        rounding = cash_rounding(line_total(line)) if paymethod == "cash" else Decimal(0)
        gross = cents(line_total(line) + rounding)
        return WorldReceipt(str(till.new_number()), till.now(), customer, (line,), paymethod, rounding, gross, is_correction=False)

    def _article(self, sku: str) -> tuple[str, Decimal, Decimal]:
        """Return name, price and VAT rate of what is sold: the till's own product, else the shop's article."""
        till = self._sandbox.till
        for product in till.products_numbered(sku):
            values = product.values
            price, rate = Decimal(values["price"]) - Decimal(values["discount"]), TARIFFS[values.get("taxtariff", "normal")]
            return str(values["name"]), price if till.switches.prices_include_vat else with_vat(price, rate), rate
        for article in till.world.articles:
            if article.sku.upper() == sku.upper():
                return article.name, article.price, article.vat_rate
        raise ValueError(f"sku {sku!r} is not known")


def _object(raw: bytes) -> dict[str, Any]:
    body = json.loads(raw)
    if not isinstance(body, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - to a caller over HTTP it is a wrong value
    return body


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite() or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return number
