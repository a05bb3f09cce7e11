"""A small shop in the books' sandbox, and a client that speaks to it in process."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl

import httpx2
import jsonschema_rs

from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches, overlay
from connectors.sandbox.eaccounting.facts import facts
from connectors.sandbox.world import World, WorldArticle

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from connectors.sandbox.faults import FaultPlan

Json = dict[str, Any]

NOW = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
TODAY = "2026-03-16"
PUBLISHED = Path(
    os.environ.get("KASSABRUG_EACCOUNTING_SCHEMA") or Path(__file__).resolve().parents[2].parent / "shared/reference/eaccounting-v2.json"
)
_VARIABLE: Final = re.compile(r"\{[^}]+\}")
NIL = "00000000-0000-0000-0000-000000000000"
WORLD = World(
    articles=(
        WorldArticle("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", Decimal("2.55"), Decimal(21), Decimal(100), label="Wonen"),
        WorldArticle("22423", "REGENCY CAKESTAND 3 TIER", Decimal("12.75"), Decimal(21), Decimal(40), purchase_price=Decimal("5.25")),
        WorldArticle("BOOK", "COOKBOOK", Decimal("9.99"), Decimal(9), Decimal(10), ean="4006381333931"),
        WorldArticle("AMAZONFEE", "AMAZON FEE", Decimal("10.00"), Decimal(21), Decimal(0), is_service=True),
    ),
    customers=(),
    receipts=(),
)


@dataclass
class Clock:
    """A clock that a test moves."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def forward(self, **how_far: float) -> None:
        """Move on."""
        self.at += timedelta(**how_far)


class Violation(AssertionError):
    """An exchange that is not what the vendor published."""


class Published:
    """The vendor's document with the overlay: judge of every answer, and of every body that was accepted."""

    def __init__(self, document: Json) -> None:
        whole = overlay.applied(document)
        self.document = whole
        self._components = {"components": whole["components"], "$schema": "https://json-schema.org/draft/2020-12/schema"}
        self._made: dict[str, jsonschema_rs.Validator] = {}
        found = [
            (path, method.upper(), re.compile(_VARIABLE.sub("[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}"))), operation)
            for path, method, operation in overlay.operations(whole)
        ]
        # an address without a variable is meant before one with a variable in the same place
        self._operations = sorted(found, key=lambda one: (one[0].count("{"), -len(one[0])))

    def operation(self, method: str, path: str) -> tuple[str, Json] | None:
        """Return a documented operation with its name."""
        return next(
            (
                (f"{verb} {template}", operation)
                for template, verb, address, operation in self._operations
                if verb == method and address.fullmatch(path)
            ),
            None,
        )

    def wrong_with(self, schema: str, value: object) -> list[str]:
        """Return what is wrong with a value, without showing it."""
        if schema not in self._made:
            self._made[schema] = jsonschema_rs.validator_for({**self._components, "$ref": schema}, validate_formats=True)
        return [f"{'.'.join(map(str, one.instance_path))}: {one.message[:200]}" for one in self._made[schema].iter_errors(value)]

    def exchange(self, asked: Asked, status: int, kind: str, content: bytes, *, lenient: bool = False) -> str | None:
        """Judge an exchange and return the operation; ``lenient`` leaves the body of the request alone.

        Raises:
            Violation: status, media type or body is not what is published.
        """
        found = self.operation(asked.method, asked.path.rstrip("/"))
        if found is None:
            if status not in (404, 405) or content:
                raise Violation(f"{asked.method} {asked.path} answered {status} and is not documented")
            return None
        name, operation = found
        answer = operation["responses"].get(str(status))
        if answer is None and not (status == 204 and asked.method == "DELETE"):
            raise Violation(f"{name} answered {status}, which is not documented")
        if content:
            wrong = self._wrong_with_answer(answer or {}, kind, content, selected="$select" in asked.query)
            if wrong:
                raise Violation(f"{name} answered {status}: {'; '.join(wrong[:3])}")
        if status < 400 and "requestBody" in operation and asked.content and not lenient:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            wrong = self._wrong_with_request(schema, json.loads(asked.content))
            if wrong:
                raise Violation(f"{name} accepted a body that is not as published: {'; '.join(wrong[:3])}")
        return name

    def _wrong_with_answer(self, answer: Json, kind: str, content: bytes, *, selected: bool) -> list[str]:
        media = answer.get("content", {})
        if kind not in media:
            return [f"the media type {kind} is not documented"]
        schema = media[kind]["schema"]
        if kind != "application/json":
            return []
        reference = schema.get("$ref", "")
        if selected and "PaginatedResponseOf" in reference:
            reference = overlay.SELECTED.format(reference)
        return self.wrong_with(reference, json.loads(content)) if reference else self._wrong_with_request(schema, json.loads(content))

    def _wrong_with_request(self, schema: Json, value: Any) -> list[str]:
        if "$ref" in schema:
            return [] if value == [] else self.wrong_with(schema["$ref"], value)  # a conversion may be sent an empty list
        if schema.get("type") != "array" or not isinstance(value, list):
            return [] if isinstance(value, str) and schema.get("type") == "string" else ["a list is expected"]
        return [wrong for one in value for wrong in self.wrong_with(schema["items"]["$ref"], one)]

    def watch(self, app: ASGIApp, seen: list[Exchange], *, lenient: bool = False) -> ASGIApp:
        """Return an app that is judged with every request to the API; ``seen`` collects what was."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if not scope["path"].startswith("/v2/"):
                await app(scope, receive, send)
                return
            asked, answered = bytearray(), bytearray()
            start: dict[str, Any] = {}

            async def listen() -> Message:
                message = await receive()
                asked.extend(message.get("body", b""))
                return message

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    start.update(message)
                answered.extend(message.get("body", b""))
                await send(message)

            await app(scope, listen, note)
            headers = dict(start["headers"])
            kind = headers.get(b"content-type", b"").decode().partition(";")[0]
            query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            request = Asked(scope["method"], scope["path"].removeprefix("/v2"), query, bytes(asked))
            name = self.exchange(request, start["status"], kind, bytes(answered), lenient=lenient)
            if name:
                seen.append(Exchange(name, request, start["status"], kind, bytes(answered)))

        return watched


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its path below ``/v2``."""

    method: str
    path: str
    query: dict[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was judged, with the operation that it is, and its answer."""

    operation: str
    asked: Asked
    status: int
    kind: str
    content: bytes


@cache
def published() -> Published | None:
    """Return the judge, where the vendor's document is at hand."""
    return Published(json.loads(PUBLISHED.read_text("utf-8"))) if PUBLISHED.exists() else None


@dataclass
class Shop:
    """The sandbox and a signed-in client.  Answers are read with exact numbers, and every exchange is judged."""

    clock: Clock
    sandbox: BooksSandbox
    client: httpx2.AsyncClient
    seen: list[Exchange] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        *,
        limits: bool = False,
        faults: FaultPlan | None = None,
        world: World = WORLD,
        **switches: Any,
    ) -> Self:
        """Open a shop."""
        clock, judge = Clock(), published()
        sandbox = BooksSandbox(world, clock=clock, limits=limits, switches=BooksSwitches(**switches), faults=faults)
        seen: list[Exchange] = []
        lenient = not switches.get("require_invoice_flags", True)
        app = judge.watch(sandbox.app, seen, lenient=lenient) if judge else sandbox.app
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://books",
            headers={"authorization": f"Bearer {sandbox.access_token}"},
        )
        return cls(clock, sandbox, client, seen)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def send(self, method: str, path: str, body: object = None, **query: Any) -> httpx2.Response:
        """Send one request to the API."""
        content = None if body is None else json.dumps(body, default=float)
        headers = {"content-type": "application/json"} if content is not None else {}
        return await self.client.request(
            method, f"/v2{path}", content=content, headers=headers, params={name.replace("S_", "$"): value for name, value in query.items()}
        )

    async def get(self, path: str, **query: Any) -> Any:
        """Return a good answer's body."""
        return self.read(await self.send("GET", path, **query), 200)

    async def post(self, path: str, body: object = None, *, status: int = 201, **query: Any) -> Any:
        """Return a good POST's body."""
        return self.read(await self.send("POST", path, body, **query), status)

    async def put(self, path: str, body: object) -> Any:
        """Return a good PUT's body."""
        return self.read(await self.send("PUT", path, body), 200)

    @staticmethod
    def read(answer: httpx2.Response, status: int) -> Any:
        """Return a body after checking the status."""
        assert answer.status_code == status, answer.text
        return json.loads(answer.content, parse_float=Decimal) if answer.content else None

    async def refused(self, method: str, path: str, body: object = None, **query: Any) -> tuple[int, int, set[str]]:
        """Return status, error code and the fields named by a refusal."""
        answer = await self.send(method, path, body, **query)
        assert answer.status_code >= 400, answer.text
        error = answer.json()
        return answer.status_code, error["ErrorCode"], {one["Field"] for one in error.get("Errors", [])}

    async def article(self, number: str) -> dict[str, Any]:
        """Return an article by its number."""
        found = (await self.get("/articles", S_filter=f"Number eq '{number}'"))["Data"]
        assert len(found) == 1
        return dict(found[0])

    async def row(self, number: str, quantity: object, price: object, **more: Any) -> dict[str, Any]:
        """Return an invoice row that sells an article."""
        return {"ArticleId": (await self.article(number))["Id"], "Quantity": quantity, "UnitPrice": price, **more}

    async def one(self, register: str, **equal: Any) -> dict[str, Any]:
        """Return the record of a register whose fields are as given."""
        rows = (await self.get(f"/{register}", S_pagesize=1000))["Data"]
        return dict(next(row for row in rows if all(row[name] == value for name, value in equal.items())))

    async def debtor(self) -> dict[str, Any]:
        """Return the default debtor, a private person at home."""
        return await self.one("customers", CustomerNumber="1000")

    async def customer(self, **fields: Any) -> dict[str, Any]:
        """Create a customer; a company at home unless said otherwise."""
        return dict(await self.post("/customers", await self.customer_body(**fields)))

    async def customer_body(self, **fields: Any) -> dict[str, Any]:
        """Return a customer that can be created."""
        terms = await self.one("termsofpayments", Name="30 dagen")
        return {
            "Name": "Bakkerij De Korst",
            "InvoiceCity": "Utrecht",
            "InvoicePostalCode": "3511 AA",
            "InvoiceCountryCode": "NL",
            "IsActive": True,
            "IsPrivatePerson": False,
            "TermsOfPaymentId": terms["Id"],
            **fields,
        }

    async def invoice_body(self, *rows: dict[str, Any], customer: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Return an invoice that can be booked."""
        buyer = customer or await self.debtor()
        return {"CustomerId": buyer["Id"], "EuThirdParty": False, "RotReducedInvoicingType": 0, "Rows": list(rows), **fields}

    async def invoice(self, *rows: dict[str, Any], customer: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Book an invoice."""
        return dict(await self.post("/customerinvoices", await self.invoice_body(*rows, customer=customer, **fields)))

    async def payment(self, invoice: dict[str, Any], amount: object, **fields: Any) -> tuple[str, dict[str, Any]]:
        """Return path and body of a payment."""
        account = await self.one("bankaccounts", Name=fields.pop("account", "Kas"))
        body = {
            "CompanyBankAccountId": account["Id"],
            "PaymentAmount": amount,
            "PaymentCurrency": "EUR",
            "PaymentDate": TODAY,
            "PaymentType": 1,
            **fields,
        }
        return f"/customerinvoices/{invoice['Id']}/payments", body

    async def article_body(self, **fields: Any) -> dict[str, Any]:
        """Return an article that can be created: goods at 21 percent."""
        return {
            "Number": "NEW-1",
            "Name": "Nieuw artikel",
            "IsActive": True,
            "CodingId": (await self.one("articleaccountcodings", Name="Goederen 21%"))["Id"],
            "UnitId": (await self.one("units", Name="Stuk"))["Id"],
            "NetPrice": 10,
            "GrossPrice": 12.1,
            "IsStock": True,
            **fields,
        }

    async def draft_body(self, **fields: Any) -> dict[str, Any]:
        """Return an invoice draft that can be created."""
        rows = [await self.row("85123A", 1, 2.55), await self.row("22423", 1, 12.75)]
        flags = {"IsTextRow": False, "ReversedConstructionServicesVatFree": False}
        return {**await self.invoice_body(*({**row, **flags} for row in rows)), **fields}

    async def order_body(self, *, delivered: int = 0, **fields: Any) -> dict[str, Any]:
        """Return an order that can be created: seven hearts, of which some are delivered."""
        row = await self.row("85123A", 7, 2.55)
        flags = {
            "LineNumber": 1,
            "IsTextRow": False,
            "IsWorkCost": False,
            "EligibleForReverseChargeOnVat": False,
            "DeliveredQuantity": delivered,
        }
        return {
            "CustomerId": (await self.debtor())["Id"],
            "CurrencyCode": "EUR",
            "OrderDate": TODAY,
            "EuThirdParty": False,
            "RotReducedInvoicingType": 0,
            "ReverseChargeOnConstructionServices": False,
            "Rows": [{**row, **flags}],
            **fields,
        }

    async def stock(self, number: str = "85123A") -> tuple[object, object, object]:
        """Return balance, reserved and available of an article."""
        row = await self.article(number)
        return row["StockBalance"], row["StockBalanceReserved"], row["StockBalanceAvailable"]

    async def refresh(self, token: str) -> httpx2.Response:
        """Ask the sign-in server for new tokens."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.client.post("/connect/token", data={**form, **self.credentials})

    @property
    def credentials(self) -> dict[str, str]:
        """What the client shows of itself in a form."""
        return {"client_id": self.sandbox.client_id, "client_secret": self.sandbox.client_secret}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a body without some fields."""
    return {name: value for name, value in body.items() if name not in names}


def writable(schema: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return what of an answer may be written back."""
    fields = facts().schemas[schema]
    return {name: value for name, value in row.items() if not fields[name].read_only}
