"""The unsigned routes for people and tests under ``/_sandbox/``; no fault ever strikes them."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.faults import CONTROL
from connectors.sandbox.salespos.assumptions import STATUSES, TARIFFS, with_vat
from connectors.sandbox.world import WorldLine, WorldReceipt, cash_rounding, cents, line_total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from connectors.sandbox.salespos.app import TillSandbox
    from connectors.sandbox.salespos.ledger import ReceiptState

_LINE: Final = frozenset({"sku", "quantity", "price", "vat_rate", "text"})
_SALE: Final = _LINE | {"paymethod", "customer", "number", "create_date", "paid", "completed", "exact", "rounding", "lines"}
_EDIT: Final = frozenset({"paymethod", "customer", "rounding", "create_date", "status", "paid"})
_PRODUCT: Final = frozenset({"sku", "name", "price", "taxtariff", "stock"})


class Control:
    """Lets a person or a test look into the till and work with it."""

    def __init__(self, sandbox: TillSandbox) -> None:
        self._sandbox = sandbox
        self._cashier = sandbox.cashier

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        one = f"{CONTROL}receipts/{{receipt:int}}"
        return [
            Route(f"{CONTROL}ledger", self._ledger),
            Route(f"{CONTROL}requests", self._requests),
            Route(f"{CONTROL}faults", self._fired),
            Route(f"{CONTROL}faults", self._faults, methods=["POST"]),
            Route(f"{CONTROL}sales", self._sales, methods=["POST"]),
            Route(f"{CONTROL}webhooks", self._webhooks, methods=["GET", "POST"]),
            Route(f"{CONTROL}receipts", self._receipts),
            Route(one, self._receipt_at),
            Route(one, self._edit, methods=["PATCH"]),
            Route(one, self._delete, methods=["DELETE"]),
            Route(f"{one}/rows", self._add_row, methods=["POST"]),
            Route(f"{one}/rows/{{row:int}}", self._change_row, methods=["PATCH"]),
            Route(f"{one}/rows/{{row:int}}", self._remove_row, methods=["DELETE"]),
            Route(f"{one}/{{what}}", self._do, methods=["POST"]),
            Route(f"{CONTROL}paymethods", self._add_paymethod, methods=["POST"]),
            Route(f"{CONTROL}products", self._add_product, methods=["POST"]),
            Route(f"{CONTROL}products/{{sku:path}}", self._change_product, methods=["PATCH"]),
            Route(f"{CONTROL}products/{{sku:path}}", self._delete_product, methods=["DELETE"]),
        ]

    # looking

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

    async def _webhooks(self, request: Request) -> Response:
        """Show what was told to webhooks; a POST tells what waits first."""
        if request.method == "POST":
            await self._sandbox.till.calls.tell()
        return JSONResponse(self._sandbox.till.calls.as_json())

    async def _receipts(self, _request: Request) -> Response:
        return JSONResponse([one.as_json() for one in self._sandbox.receipts()])

    async def _receipt_at(self, request: Request) -> Response:
        found = self._state(request.path_params["receipt"])
        return JSONResponse(found.as_json()) if found else JSONResponse({"error": "there is no such receipt"}, 404)

    def _state(self, number: int) -> ReceiptState | None:
        return next((one for one in self._sandbox.receipts() if one.id == number), None)

    # selling

    async def _sales(self, request: Request) -> Response:
        """Sell ``{"sku", "quantity"=1, "price"?, "vat_rate"?, "text"?}``, or several such as ``"lines"``.

        Besides ``"paymethod"="pin", "customer"?, "number"?, "create_date"?, "rounding"?, "exact"=false, "paid"=true, "completed"=true``.
        """
        try:
            sale = _object(await request.body())
            receipt, exact = self._receipt(sale), _flag(sale, "exact", otherwise=False)
            if _flag(sale, "completed", otherwise=True):
                order_id = self._cashier.ring_up(receipt, paid=_flag(sale, "paid", otherwise=True), exact=exact)
            else:
                order_id = self._cashier.open(receipt, exact=exact)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        await self._sandbox.till.calls.tell()
        return JSONResponse({"id": order_id, "number": receipt.number, "gross": f"{receipt.gross:f}"}, 201)

    def _receipt(self, sale: dict[str, Any]) -> WorldReceipt:
        till = self._sandbox.till
        _known(sale, _SALE)
        given = sale.get("lines", [{name: sale[name] for name in _LINE & sale.keys()}])
        if not isinstance(given, list) or not given:
            raise ValueError("lines is a list of what is sold")
        lines = tuple(self._line(one) for one in given)
        customer = sale.get("customer")
        if customer is not None and customer not in {one.key for one in till.world.customers}:
            raise ValueError(f"customer {customer} is not known")
        paymethod = sale.get("paymethod", "pin")
        exact = _flag(sale, "exact", otherwise=False)
        total = sum((one.quantity * one.unit_price if exact else line_total(one) for one in lines), Decimal(0))
        rounding = _decimal(sale["rounding"]) if "rounding" in sale else cash_rounding(total) if paymethod == "cash" else Decimal(0)
        gross = total + rounding if exact or "rounding" in sale else cents(total + rounding)
        number = str(sale.get("number", till.new_number()))
        sold_at = _moment(sale["create_date"]) if "create_date" in sale else till.now()
        return WorldReceipt(number, sold_at, customer, lines, paymethod, rounding, gross, is_correction=False)

    def _line(self, given: Any) -> WorldLine:
        if not isinstance(given, dict):
            raise ValueError("a line is an object")  # noqa: TRY004 - to a caller over HTTP it is a wrong value
        _known(given, _LINE)
        sku = str(given.get("sku", ""))
        name, usual, rate = self._article(sku)
        price, quantity = _decimal(given.get("price", usual)), _decimal(given.get("quantity", 1))
        return WorldLine("product", sku, str(given.get("text", name)), quantity, price, _decimal(given.get("vat_rate", rate)))

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

    # receipts afterwards

    async def _at(self, request: Request, work: Callable[[int, dict[str, Any]], None]) -> Response:
        """Do something with a receipt and show how it stands; 404 for one that is not there."""
        receipt = request.path_params["receipt"]
        try:
            body = _object(await request.body() or b"{}")
            self._cashier.find(receipt)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400 if receipt in self._sandbox.till.orders else 404)
        try:
            work(receipt, body)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        await self._sandbox.till.calls.tell()
        state = self._state(receipt)
        return JSONResponse(state.as_json() if state else {})

    async def _do(self, request: Request) -> Response:
        """Do what the address says: ``cancel``, ``reinstate``, ``complete``, ``pay``, ``unpay``, ``ship``, ``hand_over``."""
        what, cashier = request.path_params["what"], self._cashier
        words: Mapping[str, tuple[Callable[..., None], frozenset[str]]] = {
            "cancel": (cashier.cancel, frozenset()),
            "reinstate": (cashier.reinstate, frozenset()),
            "complete": (cashier.complete, frozenset({"paymethod", "paid"})),
            "pay": (cashier.pay, frozenset({"paymethod"})),
            "unpay": (cashier.unpay, frozenset()),
            "ship": (cashier.ship, frozenset({"code", "carrier"})),
            "hand_over": (cashier.hand_over, frozenset()),
        }
        if what not in words:
            return Response(status_code=404)

        def work(receipt: int, body: dict[str, Any]) -> None:
            call, known = words[what]
            _known(body, known)
            if "paid" in body:
                _flag(body, "paid", otherwise=True)
            call(receipt, **body)

        return await self._at(request, work)

    async def _edit(self, request: Request) -> Response:
        """Change what is given of ``{"paymethod", "customer": {...} or null, "rounding", "create_date", "status", "paid"}``."""

        def work(receipt: int, body: dict[str, Any]) -> None:
            _known(body, _EDIT)
            cashier = self._cashier
            cashier.paymethod(body.get("paymethod"))
            if body.get("status", 1) not in STATUSES:
                raise ValueError("status is one of 1 to 14")
            rounding = _decimal(body["rounding"]) if "rounding" in body else None
            moment = _moment(body["create_date"]) if "create_date" in body else None
            if "customer" in body:
                if body["customer"] is None:
                    cashier.drop_customer(receipt)
                else:
                    cashier.change_customer(receipt, **_person(body["customer"]))
            if "paymethod" in body:
                cashier.change_paymethod(receipt, body["paymethod"])
            if "status" in body:
                cashier.mark(receipt, body["status"])
            if "paid" in body:
                (cashier.pay if _flag(body, "paid", otherwise=True) else cashier.unpay)(receipt)
            if rounding is not None:
                cashier.change_rounding(receipt, rounding)
            if moment is not None:
                cashier.change_date(receipt, moment)

        return await self._at(request, work)

    async def _delete(self, request: Request) -> Response:
        return await self._at(request, lambda receipt, _: self._cashier.delete(receipt))

    async def _add_row(self, request: Request) -> Response:
        """Put ``{"sku", "quantity"=1, "price"?, "vat_rate"?, "text"?}`` on a receipt."""
        return await self._at(request, lambda receipt, body: self._cashier.add_row(receipt, self._line(body)))

    async def _change_row(self, request: Request) -> Response:
        """Change what is given of a row, counted from 0: ``{"sku", "quantity", "price", "vat_rate", "text"}``."""

        def work(receipt: int, body: dict[str, Any]) -> None:
            _known(body, _LINE)
            numbers: dict[str, Any] = {name: _decimal(body[name]) for name in ("quantity", "price", "vat_rate") if name in body}
            texts: dict[str, Any] = {name: str(body[name]) for name in ("sku", "text") if name in body}
            self._cashier.change_row(receipt, request.path_params["row"], **numbers, **texts)

        return await self._at(request, work)

    async def _remove_row(self, request: Request) -> Response:
        return await self._at(request, lambda receipt, _: self._cashier.remove_row(receipt, request.path_params["row"]))

    # the till's registers

    async def _add_paymethod(self, request: Request) -> Response:
        """Let the till take another way to pay: ``{"code", "label"?}``."""
        try:
            body = _object(await request.body())
            _known(body, frozenset({"code", "label"}))
            self._cashier.add_paymethod(str(body["code"]), body.get("label"))
        except (ValueError, KeyError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({}, 201)

    async def _add_product(self, request: Request) -> Response:
        """Add ``{"sku", "name", "price", "taxtariff"="normal", "stock"?}`` by hand."""
        try:
            body = _object(await request.body())
            _known(body, _PRODUCT)
            stock = _decimal(body["stock"]) if body.get("stock") is not None else None
            sku, name, tariff = str(body.get("sku", "")), str(body.get("name", "")), str(body.get("taxtariff", "normal"))
            number = self._cashier.add_product(sku, name, _decimal(body.get("price")), tariff=tariff, stock=stock)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        await self._sandbox.till.calls.tell()
        return JSONResponse({"id": number}, 201)

    async def _change_product(self, request: Request) -> Response:
        """Change what is given of a product by hand, by the names in which the wire writes them."""
        try:
            body = json.loads(await request.body(), parse_float=Decimal)
            if not isinstance(body, dict):
                raise ValueError("expected an object")  # noqa: TRY004, TRY301 - to a caller over HTTP it is a wrong value
            self._cashier.change_product(request.path_params["sku"], **body)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        await self._sandbox.till.calls.tell()
        return JSONResponse({})

    async def _delete_product(self, request: Request) -> Response:
        try:
            self._cashier.delete_product(request.path_params["sku"])
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 404)
        await self._sandbox.till.calls.tell()
        return JSONResponse({})


def _object(raw: bytes) -> dict[str, Any]:
    body = json.loads(raw)
    if not isinstance(body, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - to a caller over HTTP it is a wrong value
    return body


def _known(body: Mapping[str, Any], names: frozenset[str]) -> None:
    if unknown := sorted(body.keys() - names):
        raise ValueError(f"unknown {', '.join(unknown)}")


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite() or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return number


def _flag(body: Mapping[str, Any], name: str, *, otherwise: bool) -> bool:
    value = body.get(name, otherwise)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false")  # noqa: TRY004 - to a caller over HTTP it is a wrong value
    return value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a moment") from None
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no zone")
    return moment


def _person(value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict) or not all(one is None or isinstance(one, str) for one in value.values()):
        raise ValueError("customer is an object of texts, or null")
    return value
