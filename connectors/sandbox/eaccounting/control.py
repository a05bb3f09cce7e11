"""The unsigned routes for people and tests under ``/_sandbox/`` that look into the books and work in them; no fault ever strikes them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.eaccounting import articles, codings, documents
from connectors.sandbox.eaccounting.errors import Refusal, error_body, invalid_field
from connectors.sandbox.eaccounting.table import json_bytes
from connectors.sandbox.faults import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from connectors.sandbox.eaccounting.bookkeeper import Bookkeeper
    from connectors.sandbox.eaccounting.books import Books


class Control:
    """Lets a person or a test do what :class:`Bookkeeper` does."""

    def __init__(self, books: Books, bookkeeper: Bookkeeper) -> None:
        self._books = books
        self._keeper = bookkeeper

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        document, article, customer = (
            f"{CONTROL}documents/{{document}}",
            f"{CONTROL}articles/{{number:path}}",
            f"{CONTROL}customers/{{number}}",
        )
        return [
            Route(f"{CONTROL}documents", self._documents),
            Route(f"{document}/payments", self._pay, methods=["POST"]),
            Route(f"{document}/credit", self._credit, methods=["POST"]),
            Route(f"{document}/void", self._void, methods=["POST"]),
            Route(document, self._delete, methods=["DELETE"]),
            Route(f"{CONTROL}drafts/{{draft}}", self._delete_draft, methods=["DELETE"]),
            Route(f"{CONTROL}codings/{{name:path}}", self._coding, methods=["POST"]),
            Route(article, self._article, methods=["POST"]),
            Route(article, self._delete_article, methods=["DELETE"]),
            Route(f"{customer}/merge", self._merge, methods=["POST"]),
            Route(customer, self._customer, methods=["POST"]),
            Route(customer, self._delete_customer, methods=["DELETE"]),
            Route(f"{CONTROL}lock", self._lock, methods=["POST"]),
        ]

    async def _documents(self, _request: Request) -> Response:
        return _json([one.as_json() for one in documents.read(self._books)])

    async def _do(self, request: Request, work: Callable[[dict[str, Any]], Any], *known: str, shows: bool = False) -> Response:
        """Do something and answer what it returns; with ``shows`` it returns JSON already.  Nothing ``known`` is any field."""
        try:
            body = _object(await request.body() or b"{}")
            if known and (unknown := sorted(body.keys() - set(known))):
                raise ValueError(f"unknown {', '.join(unknown)}")  # noqa: TRY301 - one place answers what is wrong
            made = work(body)
        except Refusal as refusal:
            content = error_body(refusal.code, refusal.message, self._books.new_id(), status=refusal.status, errors=refusal.errors)
            return Response(content, refusal.status, media_type="application/json")
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return Response(made, media_type="application/json") if shows else _json(made if made is not None else {})

    async def _pay(self, request: Request) -> Response:
        """Pay ``{"amount"?, "account"="Bank", "date"?, "fees"?}``; without an amount all that remains."""

        def work(body: dict[str, Any]) -> Any:
            document = self._named(request)
            amount = _decimal(body["amount"]) if "amount" in body else None
            fees = _decimal(body.get("fees", 0))
            self._keeper.pay(document, amount, str(body.get("account", "Bank")), paid_on=_date(body.get("date")), fees=fees)
            return self._shown(self._keeper.document(document)["InvoiceNumber"])

        return await self._do(request, work, "amount", "account", "date", "fees")

    async def _credit(self, request: Request) -> Response:
        """Credit ``{"quantities": {"1": 2}?, "date"?, "set_off"=true, "restock"=true}``, and show the credit."""

        def work(body: dict[str, Any]) -> Any:
            given = body.get("quantities")
            if given is not None and not isinstance(given, dict):
                raise ValueError("quantities is an object of row numbers")
            quantities = None if given is None else {int(row): _decimal(quantity) for row, quantity in given.items()}
            made = self._keeper.credit(
                self._named(request),
                quantities=quantities,
                dated=_date(body.get("date")),
                set_off=_flag(body, "set_off"),
                restock=_flag(body, "restock"),
            )
            return self._shown(made)

        return await self._do(request, work, "quantities", "date", "set_off", "restock")

    async def _void(self, request: Request) -> Response:
        """Void ``{"restock"=false}``, and show the credit."""

        def work(body: dict[str, Any]) -> Any:
            return self._shown(self._keeper.void(self._named(request), restock=_flag(body, "restock", otherwise=False)))

        return await self._do(request, work, "restock")

    async def _delete(self, request: Request) -> Response:
        with_payments = request.query_params.get("with_payments") == "true"
        return await self._do(request, lambda _: self._keeper.delete(self._named(request), with_payments=with_payments))

    async def _delete_draft(self, request: Request) -> Response:
        return await self._do(request, lambda _: self._keeper.delete_draft(request.path_params["draft"]))

    async def _coding(self, request: Request) -> Response:
        """Give a coding another rate: ``{"rate": 21, "from"?}``."""

        def work(body: dict[str, Any]) -> None:
            self._keeper.set_coding_rate(request.path_params["name"], _decimal(body.get("rate")), valid_from=_date(body.get("from")))

        return await self._do(request, work, "rate", "from")

    async def _article(self, request: Request) -> Response:
        """Change fields by their names in the API; ``Coding`` is a coding by its name."""

        def work(body: dict[str, Any]) -> bytes:
            changes = {name: value for name, value in body.items() if name != "Coding"}
            if "Coding" in body:
                changes["CodingId"] = codings.by_name(self._books, str(body["Coding"]))["Id"]
            return articles.edit(self._books, request.path_params["number"], changes)

        return await self._do(request, work, shows=True)

    async def _delete_article(self, request: Request) -> Response:
        return await self._do(request, lambda _: self._keeper.delete_article(request.path_params["number"]))

    async def _customer(self, request: Request) -> Response:
        """Change fields by their names in the API."""
        return await self._do(request, lambda body: self._keeper.change_customer(request.path_params["number"], **body))

    async def _merge(self, request: Request) -> Response:
        """Merge a debtor into another one: ``{"into": number}``."""
        return await self._do(
            request, lambda body: self._keeper.merge_customers(request.path_params["number"], str(body.get("into", ""))), "into"
        )

    async def _delete_customer(self, request: Request) -> Response:
        return await self._do(request, lambda _: self._keeper.delete_customer(request.path_params["number"]))

    async def _lock(self, request: Request) -> Response:
        """Lock up to and with ``{"to": day}``, or lift the lock with ``{"to": null}``."""
        return await self._do(request, lambda body: self._keeper.lock(_date(body.get("to"))), "to")

    def _named(self, request: Request) -> int | str:
        """Return what an address names: a number, an Id or a reference."""
        text: str = request.path_params["document"]
        return int(text) if text.isascii() and text.isdecimal() else text

    def _shown(self, number: int) -> dict[str, Any]:
        return documents.of_invoice(self._books, self._keeper.document(number)).as_json()


def _object(content: bytes) -> dict[str, Any]:
    body = json.loads(content, parse_float=Decimal)
    if not isinstance(body, dict):
        raise ValueError("an object is expected")  # noqa: TRY004 - one kind of error for a wrong body
    return body


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite() or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return number


def _date(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(str(value))


def _flag(body: Mapping[str, Any], name: str, *, otherwise: bool = True) -> bool:
    value = body.get(name, otherwise)
    if not isinstance(value, bool):
        raise invalid_field(name, f"{name} is true or false.")
    return value


def _json(value: object, status: int = 200) -> Response:
    return Response(json_bytes(value), status, media_type="application/json")
