"""What vendors answer: every kind of call of both connectors, through a transport that replays spoilt recordings of the sandboxes."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx2

from connectors.eaccounting import EAccounting, EAccountingConfig
from connectors.model import BookPayment, Customer, DocumentDraft, DocumentKind, DocumentRow, ProductPatch
from connectors.port import ConnectorError, Tokens
from connectors.salespos import SalesPos, SalesPosConfig
from connectors.sandbox import shop
from connectors.sandbox.eaccounting import BooksSandbox
from connectors.sandbox.salespos import TillSandbox
from tests.contract.clients import START, JumpingClock, MemoryTokens
from tests.fuzz.surface import Refused, Surface, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.fuzz.surface import Verdict

_WORLD: Final = shop.generate(3, 12)
_TILL: Final = "http://till.test/api/rest/v1"
_BOOKS: Final = "http://books.test"
D = Decimal


# --- the judge: written without a look at what the connectors hold for sensible -----------------------------------------------------


def absurd(value: object, name: str = "value") -> str:
    """Return what makes no sense in what was taken, empty when all of it does."""
    if isinstance(value, datetime):
        return "" if value.tzinfo is not None and value.year >= 2000 else f"{name}: {value}"
    if isinstance(value, date):
        return "" if 2000 <= value.year <= 2100 else f"{name}: {value}"
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _absurd_number(value, name)
    if isinstance(value, str):
        return _absurd_text(value, name)
    if is_dataclass(value) and not isinstance(value, type):
        parts = [(one.name, getattr(value, one.name)) for one in fields(value)]
        return next(filter(None, (absurd(part, f"{type(value).__name__}.{label}") for label, part in parts)), "")
    if isinstance(value, dict):
        return next(filter(None, (absurd(part, name) or absurd(label, name) for label, part in value.items())), "")
    if isinstance(value, list | tuple | set | frozenset):
        return next(filter(None, (absurd(part, name) for part in value)), "")
    return ""


def _absurd_number(value: float | Decimal, name: str) -> str:
    if not math.isfinite(value) or not -(10**9) <= value <= 10**9:
        return f"{name} is without measure"
    field_name = name.rpartition(".")[2]
    if field_name == "vat_rate" and not (0 <= value <= 50 or value == -1):  # minus one: a tariff that has no rate
        return f"{name} is no rate"
    if name == "Product.price" and value < 0:
        return f"{name} is negative"
    return ""


def _absurd_text(value: str, name: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in value):
        return f"{name} has half a character"
    if len(value) > 30_000:
        return f"{name} has no end"
    keys = {"id", "sku", "number", "key", "product_id", "customer_id", "method"}
    if name.rpartition(".")[2] in keys and (len(value) > 400 or any(ord(character) < 32 for character in value)):
        return f"{name} is no name"
    return ""


# --- replaying ----------------------------------------------------------------------------------------------------------------------


@dataclass
class Recorded:
    """What was answered: everything that makes an answer of HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Tape(httpx2.AsyncBaseTransport):
    """Records what a sandbox answers, then answers as it did; what is asked of ``target`` is answered with ``spoilt``."""

    inner: httpx2.AsyncBaseTransport
    sign: Callable[[httpx2.Request, bytes], dict[str, str]] = lambda _request, _body: {}
    kept: dict[str, Recorded] = field(default_factory=dict)
    recording: bool = True
    target: str = ""
    spoilt: Callable[[Recorded], Recorded] = lambda recorded: recorded

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        place = f"{request.method} {request.url.path}"
        key = f"{request.method} {request.url.raw_path.decode()}"
        if self.recording:
            answer = await self.inner.handle_async_request(request)
            body = b"".join([part async for part in answer.stream])  # type: ignore[union-attr]  # it is asynchronous
            headers = {name: value for name, value in answer.headers.items() if name not in {"content-length", "x-hash"}}
            self.kept[key] = Recorded(answer.status_code, headers, body)
            self.kept.setdefault(place, self.kept[key])
        told = self.kept.get(key) or self.kept.get(place) or Recorded(404, {}, b"")
        if not self.recording and place == self.target:
            told = self.spoilt(told)
        # what is signed is signed again, or nothing but the signature would be tried
        pairs = (told.headers | self.sign(request, told.body)).items()
        signed = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in pairs]
        return httpx2.Response(told.status, headers=signed, stream=httpx2.ByteStream(told.body))


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a connector, and the answer of it that is spoilt: what is asked for, by method and the end of its path."""

    name: str
    target: str
    make: Callable[[Any], Awaitable[object]]


@dataclass
class Rig:
    """A vendor's sandbox, recorded; ``connect`` gives a new connector to the tape each time."""

    tape: Tape
    connect: Callable[[], Any]
    tokens: MemoryTokens | None = None
    calls: list[Call] = field(default_factory=list)


# --- the till -----------------------------------------------------------------------------------------------------------------------


def _till() -> Rig:
    clock = JumpingClock()
    sandbox = TillSandbox(_WORLD, clock=clock.now, limits=False)
    config = SalesPosConfig(_TILL, sandbox.public_key, sandbox.secret_key, reads_per_minute=0, writes_per_minute=0, package_id=1)

    def sign(request: httpx2.Request, body: bytes) -> dict[str, str]:
        moment = request.headers["x-date"]
        text = f"{sandbox.public_key}|{request.method}|{request.url.raw_path.decode()}|".encode() + body + f"|{moment}".encode()
        return {"x-date": moment, "x-hash": hmac.new(sandbox.secret_key.encode(), text, hashlib.sha512).hexdigest()}

    tape = Tape(httpx2.ASGITransport(app=sandbox.app), sign)
    return Rig(tape, lambda: SalesPos(config, clock=clock, transport=tape, jitter=random.Random(1)))


async def _recorded_till() -> Rig:
    rig = _till()
    till: SalesPos = rig.connect()
    patch = ProductPatch(sku="NEW-1", name="Tea", price=D("4.50"), vat_rate=D(9), categories=("Thee",))
    await till.create_product(patch)
    [sale, *_] = [change.record for change in (await till.read_changes(None)).changes]
    unknown = replace(sale, currency="")
    [product, *_] = await till.all_products()
    await till.store()
    await till.payment_methods()
    await till.cash_ups()
    await till.find_users("x@example.test")
    await till.get_sale(unknown)
    await till.get_product(product.id)
    await till.update_product(product.id, ProductPatch(price=D("4.60"), categories=("Thee",)))
    await till.find_products(["NEW-1"])
    await till.facts()
    order, article = f"GET /api/rest/v1/orders/{sale.id}/", f"GET /api/rest/v1/products/{product.id}/"
    rig.calls = [
        Call("orders", "GET /api/rest/v1/orders/", lambda one: one.read_changes(None)),
        Call("order", order, lambda one: one.get_sale(unknown)),
        Call("order rows", f"{order}orderrows/", lambda one: one.get_sale(unknown)),
        Call("products", "GET /api/rest/v1/products/", lambda one: one.all_products()),
        Call("product", article, lambda one: one.get_product(product.id)),
        Call("categories", "GET /api/rest/v1/categories/", lambda one: one.all_products()),
        Call("category links", f"{article}producttocategories/", partial(_linked, product_id=product.id)),
        Call("payment methods", "GET /api/rest/v1/paymethods/", lambda one: one.payment_methods()),
        Call("shop", "GET /api/rest/v1/webshops/", lambda one: one.store()),
        Call("resources", "GET /api/rest/v1/", lambda one: one.facts()),
        Call("cash-ups", "GET /api/rest/v1/cashups/", lambda one: one.cash_ups()),
        Call("users", "GET /api/rest/v1/users/", lambda one: one.find_users("x@example.test")),
        Call("created product", "POST /api/rest/v1/products/", lambda one: one.create_product(patch)),
        Call("created category", "POST /api/rest/v1/categories/", lambda one: one.create_product(replace(patch, categories=("Nieuw",)))),
        Call("changed product", f"PATCH {article[4:]}", lambda one: one.update_product(product.id, ProductPatch(price=D("4.60")))),
    ]
    rig.tape.kept.setdefault("POST /api/rest/v1/categories/", Recorded(201, {}, b'{"id": 7, "name": "Nieuw"}'))
    rig.tape.recording = False
    return rig


async def _linked(till: SalesPos, product_id: str) -> object:
    await till.update_product(product_id, ProductPatch(categories=("Thee",)))
    return None


# --- the books ----------------------------------------------------------------------------------------------------------------------


async def _recorded_books() -> Rig:
    clock, tokens = JumpingClock(), MemoryTokens()
    sandbox = BooksSandbox(_WORLD, clock=clock.now, limits=False)
    tape = Tape(httpx2.ASGITransport(app=sandbox.app))
    config = EAccountingConfig(
        name="books",
        api=f"{_BOOKS}/v2",
        identity=_BOOKS,
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        refresh_token=sandbox.refresh_token,
        requests_per_minute=0,
    )
    rig = Rig(tape, lambda: EAccounting(config, clock=clock, tokens=tokens, transport=tape, jitter=random.Random(1)), tokens)
    books: EAccounting = rig.connect()
    [article, *_] = [change.record for change in (await books.read_changes(None)).changes]
    debtor = await books.create_customer(Customer(email="ann@example.test", name="Ann"))
    row = DocumentRow(article.id, "Tea", D(1), D("4.50"), article.vat_rate)
    draft = DocumentDraft(DocumentKind.INVOICE, "KB-1", debtor.id or "", START.date(), (row,), D("4.50"), "EUR", prices_include_vat=True)
    proposal = await books.propose(draft)
    [account, *_] = await books.money_accounts()
    await books.revise(proposal.id, draft)
    booked = await books.book(replace(draft, key="KB-2"))
    payment = BookPayment(booked.id, account.id, D("0.10"), "EUR", START.date(), "KB-2", complete=False)
    calls = _calls_of_books(article.id, article.sku, debtor, draft, proposal.id, booked.id, payment, proposal)
    for call in calls:
        await call.make(rig.connect())
    if rig.tokens is not None and rig.tokens.tokens is not None:  # renewed once, so that there is an answer to a renewal
        rig.tokens.tokens = replace(rig.tokens.tokens, expires_at=START)
        await rig.connect().server_time()
    rig.calls = calls
    tape.recording = False
    return rig


def _calls_of_books(  # noqa: PLR0917 - what was made in the books, in the order in which it was
    article_id: str,
    sku: str,
    debtor: Customer,
    draft: DocumentDraft,
    proposal_id: str,
    document_id: str,
    payment: BookPayment,
    proposal: Any,
) -> list[Call]:
    invoices, drafts = "/v2/customerinvoices", "/v2/customerinvoicedrafts"
    named = replace(debtor, name="Ann Other")
    confirmed = f"POST {drafts}/{proposal_id}/convert"
    return [
        Call("articles", "GET /v2/articles", lambda one: one.read_changes(None)),
        Call("articles by number", "GET /v2/articles", lambda one: one.find_products([sku])),
        Call("stock", "GET /v2/articles", lambda one: one.stock_levels()),
        Call("article", f"GET /v2/articles/{article_id}", lambda one: one.get_product(article_id)),
        Call("codings", "GET /v2/articleaccountcodings", lambda one: one.read_changes(None)),
        Call("settings", "GET /v2/companysettings", lambda one: one.company()),
        Call("the lock", "GET /v2/companysettings", lambda one: one.first_open_day()),
        Call("facts", "GET /v2/fiscalyears", lambda one: one.facts()),
        Call("countries", "GET /v2/countries", lambda one: one.company()),
        Call("accounts", "GET /v2/bankaccounts", lambda one: one.money_accounts()),
        Call("clock", "GET /v2/units", lambda one: one.server_time()),
        Call("customers", "GET /v2/customers", lambda one: one.find_customers(emails=["ann@example.test"])),
        Call("customer", f"GET /v2/customers/{debtor.id}", lambda one: one.find_customers(ids=[debtor.id])),
        Call("changed customer", f"GET /v2/customers/{debtor.id}", lambda one: one.update_customer(debtor.id, named)),
        Call("written customer", f"PUT /v2/customers/{debtor.id}", lambda one: one.update_customer(debtor.id, replace(debtor, name="B"))),
        Call("terms", "GET /v2/termsofpayments", lambda one: one.create_customer(Customer(email="bo@example.test", name="Bo"))),
        Call("new customer", "POST /v2/customers", lambda one: one.create_customer(Customer(email="cy@example.test", name="Cy"))),
        Call("documents", f"GET {invoices}", lambda one: one.documents_since(START - timedelta(days=1))),
        Call("document", f"GET {invoices}/{document_id}", lambda one: one.get_document(document_id)),
        Call("booked", f"POST {invoices}", lambda one: one.book(replace(draft, key="KB-3"))),
        Call("paid", f"POST {invoices}/{document_id}/payments", lambda one: one.register_payment(payment)),
        Call("proposals", f"GET {drafts}", lambda one: one.proposals_since(START - timedelta(days=1))),
        Call("proposed", f"POST {drafts}", lambda one: one.propose(replace(draft, key="KB-4"))),
        Call("revised", f"GET {drafts}/{proposal_id}", lambda one: one.revise(proposal_id, draft)),
        Call("confirmed", confirmed, lambda one: one.confirm(proposal)),
    ]


# --- the surfaces -------------------------------------------------------------------------------------------------------------------


class Kept:
    """A rig for all surfaces of a vendor, made once, in a loop of its own."""

    def __init__(self, make: Callable[[], Awaitable[Rig]]) -> None:
        self._make = make
        self._rig: Rig | None = None

    def rig(self) -> Rig:
        """Return it."""
        if self._rig is None:
            with ThreadPoolExecutor(1) as thread:
                self._rig = thread.submit(anyio.run, self._made).result()
        return self._rig

    def call(self, name: str) -> Call:
        """Return one of its calls."""
        return next(one for one in self.rig().calls if one.name == name)

    def recorded(self, name: str) -> Recorded:
        """Return what the call's answer was, for its seed."""
        return self.rig().tape.kept[self.call(name).target]

    async def _made(self) -> Rig:
        return await self._make()


TILL, BOOKS = Kept(_recorded_till), Kept(_recorded_books)


async def _tried(rig: Rig, call: Call) -> Verdict:
    """Make a call once, and tell what became of it."""
    rig.tape.target = call.target
    saved = rig.tokens.tokens if rig.tokens is not None else None
    try:
        value = await call.make(rig.connect())
    except ConnectorError as error:
        return Refused(f"{type(error).__name__} {absurd(str(error))}"[:80])
    finally:
        if rig.tokens is not None:
            rig.tokens.tokens = saved
    told = absurd(value)
    # the till may ask less than nothing: the books' price is written over it, and the lower it is the surer it differs
    return Taken(call.name, "" if rig.tokens is None and told == "Product.price is negative" else told)


def _body(kept: Kept, name: str) -> Surface:
    """The body of a good answer, spoilt."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
        rig = kept.rig()
        call = kept.call(name)

        async def attempt(given: bytes) -> Verdict:
            rig.tape.spoilt = lambda recorded: replace(recorded, body=given)
            return await _tried(rig, call)

        yield attempt

    return Surface(f"{'till' if kept is TILL else 'books'}: {name}", "json", lambda: [kept.recorded(name).body], opened)


def _refusal(kept: Kept, name: str, bodies: Sequence[bytes]) -> Surface:
    """The body of a refusal, spoilt, with every status that a refusal can have."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
        rig = kept.rig()
        call = kept.call(name)
        turn = iter(range(10**9))

        async def attempt(given: bytes) -> Verdict:
            if given in bodies:
                return Taken("the refusal itself")
            status = (400, 403, 404, 409, 429, 500, 503)[next(turn) % 7]
            rig.tape.spoilt = lambda recorded: replace(recorded, status=status, body=given)
            verdict = await _tried(rig, call)
            return (
                Taken("", f"{status} taken for success")
                if isinstance(verdict, Taken) and status >= 500 and verdict.what != name
                else verdict
            )

        yield attempt

    return Surface(f"{'till' if kept is TILL else 'books'}: refusals of {name}", "json", lambda: bodies, opened)


def _head(kept: Kept, name: str) -> Surface:
    """The headers of an answer, spoilt, a line each; the first line is the status."""
    seed = b"200\ndate: Mon, 16 Mar 2026 09:30:05 GMT\nretry-after: 5\ncontent-type: application/json\nx-date: 2026-03-16T09:30:05Z"
    throttled = b"429\nretry-after: Mon, 16 Mar 2026 09:31:05 GMT\ncontent-encoding: identity"

    @asynccontextmanager
    async def opened() -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
        rig = kept.rig()
        call = kept.call(name)

        async def attempt(given: bytes) -> Verdict:
            status, *lines = given.decode("utf-8", "surrogateescape").split("\n")
            pairs = (line.partition(":")[::2] for line in lines)
            headers = {key.strip().encode("ascii", "ignore").decode() or "x": value for key, value in pairs}
            number = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200
            rig.tape.spoilt = lambda recorded: replace(recorded, status=number, headers=headers)
            return await _tried(rig, call)

        yield attempt

    return Surface(f"{'till' if kept is TILL else 'books'}: headers", "lines", lambda: [seed, throttled], opened)


def _tokens() -> Surface:
    """The answer of a token request, spoilt: no sign-in is lost by it."""
    seed = json.dumps(
        {"access_token": "abc", "refresh_token": "def", "expires_in": 3600, "token_type": "Bearer", "scope": "ea:api"}
    ).encode()
    call = Call("tokens", "POST /connect/token", lambda one: one.server_time())

    @asynccontextmanager
    async def opened() -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
        rig = BOOKS.rig()
        store = rig.tokens
        assert store is not None
        before = store.tokens

        async def attempt(given: bytes) -> Verdict:
            store.tokens = Tokens("old-access", "old-refresh", START - timedelta(days=1))
            rig.tape.target = call.target
            rig.tape.spoilt = lambda recorded: replace(recorded, status=200, headers={}, body=given)
            try:
                await call.make(rig.connect())
                refused = ""
            except ConnectorError as error:
                refused = type(error).__name__
            wrong = _lost(given, store.tokens)
            return Taken("tokens", wrong) if wrong or not refused else Refused(refused)

        try:
            yield attempt
        finally:
            store.tokens = before

    return Surface("books: tokens", "json", lambda: [seed], opened)


def _lost(given: bytes, kept: Tokens) -> str:
    """Tell what is wrong with what was saved of a token answer."""
    try:
        told = json.loads(given)
    except (ValueError, RecursionError):
        told = None
    new = told.get("refresh_token") if isinstance(told, dict) else None
    usable = isinstance(new, str) and new.isascii() and new.isalnum()
    if usable and told.get("access_token") and kept.refresh_token != new:
        return "the new refresh token is lost"
    if not kept.refresh_token:
        return "there is no refresh token any more"
    if kept.access_token and not (kept.access_token.isascii() and kept.access_token.isprintable()):
        return "an access token that no header holds"
    return "" if kept.expires_at <= datetime(2026, 3, 18, tzinfo=UTC) else "a token that lives for ever"


_TILL_CALLS: Final = (
    "orders", "order", "order rows", "products", "product", "categories", "category links", "payment methods", "shop", "resources",
    "cash-ups", "users", "created product", "created category", "changed product",
)  # fmt: skip
_BOOKS_CALLS: Final = (
    "articles", "articles by number", "stock", "article", "codings", "settings", "the lock", "facts", "countries", "accounts", "clock",
    "customers", "customer", "changed customer", "written customer", "terms", "new customer", "documents", "document", "booked", "paid",
    "proposals", "proposed", "revised", "confirmed",
)  # fmt: skip
_TILL_REFUSAL: Final = b'{"status": 400, "code": "500.40", "developermessage": "exists"}'
_BOOKS_REFUSAL: Final = (
    b'{"ErrorCode": 2000, "DeveloperErrorMessage": "Try again in 5 seconds", "Errors": [{"Field": "Name", "ErrorCode": 1, "Message": "x"}]}'
)

SURFACES: Final[tuple[Surface, ...]] = (
    *(_body(TILL, name) for name in _TILL_CALLS),
    *(_body(BOOKS, name) for name in _BOOKS_CALLS),
    _refusal(TILL, "orders", [_TILL_REFUSAL]),
    _refusal(TILL, "created product", [_TILL_REFUSAL]),
    _refusal(BOOKS, "articles", [_BOOKS_REFUSAL]),
    _refusal(BOOKS, "booked", [_BOOKS_REFUSAL]),
    _head(TILL, "orders"),
    _head(BOOKS, "articles"),
    _tokens(),
)
