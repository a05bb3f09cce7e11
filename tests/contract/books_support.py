"""A small shop in the books' sandbox, and a client that speaks to it in process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx2
import jsonschema

from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches
from connectors.sandbox.eaccounting.facts import facts
from connectors.sandbox.world import World, WorldArticle

if TYPE_CHECKING:
    from connectors.sandbox.faults import FaultPlan

NOW = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
TODAY = "2026-03-16"
PUBLISHED = Path(
    os.environ.get("KASSABRUG_EACCOUNTING_SCHEMA") or Path(__file__).resolve().parents[2].parent / "shared/reference/eaccounting-v2.json"
)
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


class Published:
    """The vendor's published document, as the judge of answers."""

    def __init__(self) -> None:
        document = json.loads(PUBLISHED.read_text("utf-8"))
        self._components = {"components": document["components"], "$schema": "https://json-schema.org/draft/2020-12/schema"}
        self._made: dict[str, jsonschema.Draft202012Validator] = {}

    def judge(self, schema: str, answer: object) -> None:
        """Raise when an answer is not what is published."""
        if schema not in self._made:
            self._made[schema] = jsonschema.Draft202012Validator({**self._components, "$ref": f"#/components/schemas/{schema}"})
        self._made[schema].validate(answer)


@dataclass
class Shop:
    """The sandbox and a signed-in client.  Answers are read with exact numbers."""

    clock: Clock
    sandbox: BooksSandbox
    client: httpx2.AsyncClient
    published: Published | None = None
    judged: set[str] = field(default_factory=set)

    @classmethod
    def open(
        cls,
        *,
        limits: bool = False,
        faults: FaultPlan | None = None,
        world: World = WORLD,
        published: Published | None = None,
        **switches: Any,
    ) -> Self:
        """Open a shop."""
        clock = Clock()
        sandbox = BooksSandbox(world, clock=clock, limits=limits, switches=BooksSwitches(**switches), faults=faults)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(sandbox.app),
            base_url="http://books",
            headers={"authorization": f"Bearer {sandbox.access_token}"},
        )
        return cls(clock, sandbox, client, published)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def send(self, method: str, path: str, body: object = None, **query: Any) -> httpx2.Response:
        """Send one request to the API."""
        content = None if body is None else json.dumps(body, default=float)
        headers = {"content-type": "application/json"} if content is not None else {}
        answer = await self.client.request(
            method, f"/v2{path}", content=content, headers=headers, params={name.replace("S_", "$"): value for name, value in query.items()}
        )
        self._judge(method, path, answer)
        return answer

    def _judge(self, method: str, path: str, answer: httpx2.Response) -> None:
        if self.published is None or not answer.content:
            return
        parts = path.strip("/").split("/")
        known = (one for one in facts().operations if one.method == method and len(one.path.strip("/").split("/")) == len(parts))
        fits = (
            one
            for one in known
            if all(mine.startswith("{") or mine == theirs for mine, theirs in zip(one.path.strip("/").split("/"), parts, strict=True))
        )
        operation = min(fits, key=lambda one: one.path.count("{"), default=None)
        schema = "CommonExtendedBadRequest" if answer.status_code >= 400 else operation and operation.answer
        if schema:
            self.published.judge(schema, answer.json())
            self.judged.add(f"{method} {operation.path if operation else path} {answer.status_code}")

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
