"""Every request that the eAccounting connector can send, and every answer it gets, against the vendor's published document."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.eaccounting import EAccounting, EAccountingConfig, translate
from connectors.model import Address, BookPayment, Customer, Document, DocumentDraft, DocumentKind, DocumentRow
from connectors.port import Change, Missing, Rejected
from connectors.sandbox.eaccounting import BooksSandbox
from connectors.sandbox.world import World, WorldArticle
from tests.contract import counts
from tests.contract.books_support import PUBLISHED
from tests.contract.clients import START, Called, JumpingClock, MemoryTokens, methods
from tests.contract.judge import Wire, exact, written
from tests.contract.judge_eaccounting import BooksJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contract.judge import Exchange

D = Decimal
TODAY = date(2026, 3, 16)
NOBODY = "00000000-0000-4000-8000-000000000000"
HEADERS = {"authorization": "Bearer x", "accept": "application/json", "content-type": "application/json"}
#: what the connector uses of the 228 documented operations, and the token request
USED = {
    "GET /articleaccountcodings",
    "GET /articles",
    "GET /articles/{articleId}",
    "GET /bankaccounts",
    "GET /companysettings",
    "GET /countries",
    "GET /customerinvoicedrafts",
    "GET /customerinvoicedrafts/{invoiceDraftId}",
    "GET /customerinvoices",
    "GET /customerinvoices/{invoiceId}",
    "GET /customers",
    "GET /customers/{customerId}",
    "GET /fiscalyears",
    "GET /termsofpayments",
    "GET /units",
    "POST /connect/token",
    "POST /customerinvoicedrafts",
    "POST /customerinvoicedrafts/{customerInvoiceDraftId}/convert",
    "POST /customerinvoices",
    "POST /customerinvoices/{invoiceId}/payments",
    "POST /customers",
    "PUT /customerinvoicedrafts/{customerInvoiceDraftId}",
    "PUT /customers/{customerId}",
    "DELETE /customerinvoicedrafts/{customerInvoiceDraftId}",
}


@cache
def published() -> Any:
    """The vendor's document.  Where the tests must be able to judge, its absence is a failure."""
    if not PUBLISHED.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the published document of eAccounting is not at {PUBLISHED}")
        pytest.skip(f"NOT JUDGED: the published document of eAccounting is not at {PUBLISHED} (KASSABRUG_EACCOUNTING_SCHEMA names it)")
    return json.loads(PUBLISHED.read_text("utf-8"))


@pytest.fixture
def judge() -> BooksJudge:
    """A judge that has seen nothing yet."""
    return BooksJudge(published())


@dataclass
class Company:
    """A company in the sandbox, a connector to it, and the wire between them with the judge on it."""

    sandbox: BooksSandbox
    books: Called
    wire: Wire
    clock: JumpingClock

    async def row(self, number: str = "C1", quantity: str = "1", price: str = "6.05") -> DocumentRow:
        """Return a row that sells an article."""
        [product] = await self.books.find_products([number])
        return DocumentRow(product.id, product.name, D(quantity), D(price), product.vat_rate)

    async def draft(self, key: str, *rows: DocumentRow, **changes: Any) -> DocumentDraft:
        """Return a document of the default debtor."""
        [debtor] = await self.books.find_customers(numbers=["1000"])
        sold = rows or (await self.row(),)
        gross = sum((row.quantity * row.unit_price for row in sold), D(0))
        kind = DocumentKind.CREDIT if gross < 0 else DocumentKind.INVOICE
        draft = DocumentDraft(kind, key, debtor.id, TODAY, tuple(sold), gross, "EUR", prices_include_vat=True)
        return replace(draft, **changes)


def company(judge: BooksJudge, *, articles: int = 4, **config: Any) -> Company:
    """Open a company."""
    clock = JumpingClock()
    rates = (D(21), D(9), D(0))
    sold = tuple(
        WorldArticle(f"C{n}", f"Candle {n} 'o' wax", D("6.05") + n, rates[n % 3], D(100), label="Home", ean="8712345678906")
        for n in range(articles)
    )
    sandbox = BooksSandbox(World(sold, (), ()), clock=clock.now, limits=False)
    wire = Wire(httpx2.ASGITransport(app=sandbox.app), judge)
    given = {
        "name": "books",
        "api": "http://books.test/v2",
        "identity": "http://books.test",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "refresh_token": sandbox.refresh_token,
        "access_token": sandbox.access_token,
    }
    books = EAccounting(
        EAccountingConfig(**given | config),
        clock=clock,
        tokens=MemoryTokens(),
        transport=wire,
        jitter=random.Random(1),
    )
    return Company(sandbox, Called(books), wire, clock)


PRIVATE = Customer(email="jan@example.nl", name="Jan Jansen")
FULL = Customer(
    number="K-0042",
    email="Inkoop@Bakkerij.example",
    name="Ans Bakker",
    company="Bakkerij De Korst B.V. met een naam die langer is dan vijftig tekens",
    organisation_number="12345678",
    vat_number="nl 1000.000.09-b01",
    phone="030-1234567" * 6,
    invoice_address=Address("De straat met de lange naam die niet op één enkele regel past 12", "3511 AA" * 3, "Utrecht" * 9, "NL"),
    delivery_address=Address("Kade 1", "2611 AB", "Delft", "BE"),
)
TOURIST = Customer(email="sam@example.com", name="Sam Smith", invoice_address=Address(country="US"), charge_vat_abroad=True)


async def customers(shop: Company) -> None:
    """Find, create and change debtors: with everything, with nothing, private and business, at home and abroad."""
    books = shop.books
    made = [await books.create_customer(one) for one in (PRIVATE, FULL, TOURIST, Customer(email="x@example.org"), Customer())]
    assert all(one.id for one in made)
    others = (replace(FULL, number="K-0043"), PRIVATE, replace(FULL, number=None, delivery_address=None))
    for wanted in (*others, replace(PRIVATE, active=False)):
        await books.update_customer(made[0].id, wanted)
    await books.update_customer(made[2].id, replace(TOURIST, charge_vat_abroad=False, phone="1"))
    found = [
        await books.find_customers(emails=["INKOOP@bakkerij.example"]),
        await books.find_customers(numbers=["1000"]),
        await books.find_customers(emails=["o'brien@example.ie"], numbers=["it's"]),
        await books.find_customers(),
        await books.find_customers(ids=[made[0].id or "", NOBODY]),
    ]
    assert [len(one) > 0 for one in found] == [True, True, False, False, True]
    with pytest.raises(Missing):
        await books.update_customer(NOBODY, PRIVATE)


async def products(shop: Company) -> None:
    """Read articles: from the start, since a moment, after a change, one, several, very many, and their stock."""
    books = shop.books
    page = await books.read_changes(None)
    await books.read_changes(START - timedelta(days=1), after=Change("x", page.changes[-1].moment, "1", object()))
    await books.read_changes(START + timedelta(microseconds=1500))
    await books.get_product(page.changes[0].id)
    with pytest.raises(Missing):
        await books.get_product(NOBODY)
    await books.find_products(["c1", "it's"])
    assert len(await books.find_products([f"C{n}" for n in range(300)])) == 4
    assert len(await books.stock_levels()) > 4


async def documents(shop: Company) -> None:
    """Book, propose, revise, confirm, withdraw, pay and find, with every field that a document can have."""
    books = shop.books
    fuller = {
        "our_reference": "Kassa 1 " * 20,
        "delivery_address": Address("Kade " * 20, "2611 AB" * 3, "Delft" * 12, "BE"),
    }
    plain = await books.book(await shop.draft("KB-1"))
    whole = await books.book(await shop.draft("KB-2 it's", replace(await shop.row(), text="T" * 2100), **fuller))
    credit = await books.book(await shop.draft("KB-C3", await shop.row(quantity="-2"), replace(await shop.row(), text="")))
    proposal = await books.propose(await shop.draft("KB-4", **fuller))
    revised = await books.revise(proposal.id, await shop.draft("KB-4", await shop.row(quantity="3")))
    confirmed = await books.confirm(revised)
    refund = await books.confirm(await books.propose(await shop.draft("KB-C5", await shop.row(quantity="-1"))))
    gone = await books.propose(await shop.draft("KB-6"))
    assert [one.key for one in await books.find_proposals(["KB-6"])] == ["KB-6"]
    await books.withdraw(gone.id)
    await books.withdraw(gone.id)
    with pytest.raises(Missing):
        await books.confirm(gone)
    with pytest.raises(Missing):
        await books.revise(gone.id, await shop.draft("KB-6"))
    assert len(await books.find_documents(["KB-1", "KB-2 it's", *(f"KB-{n}" for n in range(100, 160))])) == 2
    assert len(await books.documents_since(START - timedelta(days=2))) == 5
    assert await books.proposals_since(START - timedelta(days=2)) == []
    await pay(shop, plain, whole, credit, confirmed, refund)


async def pay(shop: Company, *sold: Document) -> None:
    """Pay part of the first and all of the rest."""
    pin = next(one for one in await shop.books.money_accounts() if one.name == "Pin")
    for index, document in enumerate(sold):
        amount = document.remaining if index else D("1.00")
        whole = amount == document.remaining
        await shop.books.register_payment(
            BookPayment(document.id, pin.id, amount, document.currency, TODAY, document.key * 40, complete=whole)
        )
        left = (await shop.books.get_document(document.id)).remaining
        assert left == document.remaining - amount
    with pytest.raises(Rejected):
        await shop.books.register_payment(BookPayment(sold[0].id, NOBODY, D(1), "EUR", TODAY, "x", complete=False))


async def setup(shop: Company) -> None:
    """Ask what the company is and can do, what the time is there, and for a new token."""
    assert (await shop.books.company()).currency == "EUR"
    await shop.books.facts()
    await shop.books.server_time()
    assert await shop.books.first_open_day() == date(2026, 1, 1)
    assert await shop.books.rates_version() == await shop.books.rates_version()
    shop.clock.elapsed += 7200
    await shop.books.server_time()


async def drive(shop: Company) -> None:
    """Do everything that the connector can do."""
    for some in (customers, products, documents, setup):
        await some(shop)
    await shop.books.aclose()


async def test_every_request_and_answer_is_as_published(judge: BooksJudge, record_property: Callable[[str, object], None]) -> None:
    """All methods, all variants: no unknown or read-only field, nothing missing, too long or of another type, no invented address."""
    shop = company(judge)
    await drive(shop)
    counts.record(record_property, "eAccounting", judge.verdict)
    assert judge.verdict.violations == []
    assert shop.books.names == methods(EAccounting), "a method that is not driven is a request that nobody judges"
    assert set(judge.verdict.operations) == USED


@pytest.mark.parametrize("field", ["OurReference", "BuyersOrderReference"])
async def test_another_reference_field_is_as_published_too(
    judge: BooksJudge, field: str, record_property: Callable[[str, object], None]
) -> None:
    """The natural key in either of the other fields: written, filtered on, found."""
    shop = company(judge, reference_field=field, terms_of_payment="30 dagen")
    await documents(shop)
    await customers(shop)
    counts.record(record_property, "eAccounting", judge.verdict)
    assert judge.verdict.violations == []


async def test_a_catalogue_of_several_pages_is_as_published(judge: BooksJudge, record_property: Callable[[str, object], None]) -> None:
    """Paging, within and beyond the first page."""
    shop = company(judge, articles=1100)
    assert len(await shop.books.stock_levels()) > 1100
    page = await shop.books.read_changes(None)
    await shop.books.read_changes(None, after=page.changes[-1])
    counts.record(record_property, "eAccounting", judge.verdict)
    assert judge.verdict.violations == []
    assert any("page=2" in one.query for one in shop.wire.seen)


# -- what no example thought of ----------------------------------------------------------------------------------------------------

_text = st.one_of(st.none(), st.text(max_size=130))
_addresses = st.builds(Address, _text, _text, _text, st.sampled_from([None, "NL", "BE", "US"]))
_customers = st.builds(
    Customer,
    number=st.one_of(st.none(), st.text(max_size=16)),
    email=st.one_of(st.none(), st.text(min_size=1, max_size=200).map("{}@example.nl".format)),
    name=_text,
    company=_text,
    organisation_number=st.one_of(st.none(), st.text(max_size=20)),
    vat_number=st.one_of(st.none(), st.text(alphabet="NLBE0123456789. -", max_size=20)),
    phone=_text,
    invoice_address=_addresses,
    delivery_address=st.one_of(st.none(), _addresses),
    charge_vat_abroad=st.booleans(),
    active=st.booleans(),
)
_money = st.decimals(min_value=-99999, max_value=99999, places=2)
_rows = st.builds(DocumentRow, st.just(NOBODY), st.text(max_size=2100), _money, _money, st.sampled_from([D(21), D(9), D(0)]))
_drafts = st.builds(
    DocumentDraft,
    st.sampled_from([DocumentKind.INVOICE, DocumentKind.CREDIT]),
    st.text(min_size=1, max_size=35),
    st.just(NOBODY),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.lists(_rows, min_size=1, max_size=3).map(tuple),
    _money,
    st.just("EUR"),
    st.booleans(),
    _text,
    st.one_of(st.none(), _addresses),
)
_often = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def body(judge: BooksJudge, method: str, path: str, value: Any) -> list[str]:
    """Judge a body as if it had been sent."""
    judge.verdict.violations.clear()
    judge.request(method, f"/v2{path}", HEADERS, written(value))
    return judge.verdict.violations


@given(customer=_customers, outside=st.booleans())
@_often
def test_whoever_buys_becomes_a_debtor_as_published(judge: BooksJudge, customer: Customer, outside: bool) -> None:
    """Any customer, created or changed: whatever the till knows of him fits the vendor's fields."""
    new = translate.new_customer(customer, terms_id=NOBODY, outside_eu=outside)
    assert body(judge, "POST", "/customers", new) == []
    kept = {**translate.new_customer(PRIVATE, terms_id=NOBODY, outside_eu=False), "Id": NOBODY, "ChangedUtc": "2026-03-16T09:00:00Z"}
    assert body(judge, "PUT", f"/customers/{NOBODY}", translate.changed_customer(kept, customer, outside_eu=outside)) == []


@given(draft=_drafts, field=st.sampled_from(["YourReference", "OurReference", "BuyersOrderReference"]))
@_often
def test_whatever_is_sold_becomes_a_document_as_published(judge: BooksJudge, draft: DocumentDraft, field: str) -> None:
    """Any document, booked at once or as a draft that is revised."""
    assert body(judge, "POST", "/customerinvoices", translate.new_invoice(draft, reference_field=field)) == []
    proposed = translate.new_draft(draft, reference_field=field)
    assert body(judge, "POST", "/customerinvoicedrafts", proposed) == []
    kept = {**proposed, "Id": NOBODY, "CreatedUtc": None, "TotalAmount": D("1.00")}
    changed = translate.changed_draft(kept, draft, reference_field=field)
    assert body(judge, "PUT", f"/customerinvoicedrafts/{NOBODY}", changed) == []


# -- what identifies is never cut ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "too_long",
    [{"email": "x" * 245 + "@example.nl"}, {"number": "K" * 17}, {"organisation_number": "1" * 21}, {"vat_number": "NL" + "1" * 19}],
)
async def test_what_identifies_a_customer_and_does_not_fit_is_never_sent(judge: BooksJudge, too_long: dict[str, Any]) -> None:
    """A cut e-mail address or number would be somebody else's."""
    shop = company(judge)
    made = await shop.books.create_customer(PRIVATE)
    sent = len(shop.wire.seen)
    for write in (shop.books.create_customer(replace(FULL, **too_long)), shop.books.update_customer(made.id, replace(PRIVATE, **too_long))):
        with pytest.raises(Rejected, match="longer than"):
            await write
    assert {one.method for one in shop.wire.seen[sent:]} <= {"GET"}
    assert judge.verdict.violations == []


# -- the judge judges ----------------------------------------------------------------------------------------------------------------


async def captured() -> list[Exchange]:
    """Everything that the connector sends."""
    shop = company(BooksJudge(published()))
    await drive(shop)
    return shop.wire.seen


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a body with one thing wrong, and what: each field renamed, of another type, and one that nobody may write."""
    for name, one in value.items():
        others = {key: other for key, other in value.items() if key != name}
        yield f"{name} renamed", {**others, f"{name}s": one}
        yield f"{name} in other letters", {**others, name[0].lower() + name[1:]: one}
        yield f"{name} of another type", {**value, name: {"x": 1} if not isinstance(one, dict) else 1}
        if isinstance(one, str) and one and name != "PaymentCurrency":
            yield f"{name} too long", {**value, name: one * 2500}
        for index, row in enumerate(one if isinstance(one, list) else ()):
            if isinstance(row, dict):
                for what, wrong in mutations(row):
                    yield f"{name}.{what}", {**value, name: [*one[:index], wrong, *one[index + 1 :]]}
    yield "a field that is read-only", {**value, "Id": NOBODY}


async def test_every_field_of_every_body_that_is_sent_wrongly_is_noticed() -> None:
    """Renamed, in other letters, of another type, too long, read-only: each of them in each body, one at a time."""
    bodies = {one.content: one for one in await captured() if one.content and one.headers["content-type"] == "application/json"}
    judge = BooksJudge(published())
    tried = 0
    for sent in bodies.values():
        for what, wrong in mutations(exact(sent.content)):
            judge.verdict.violations.clear()
            judge.request(sent.method, sent.target, sent.headers, written(wrong))
            assert judge.verdict.violations, f"{sent.method} {sent.path}: {what} went unnoticed"
            tried += 1
    assert tried > 1000


REQUIRED = {
    "/v2/customers": {"Name", "InvoiceCity", "InvoicePostalCode", "IsActive", "IsPrivatePerson", "TermsOfPaymentId"},
    "/v2/customerinvoices": {"CustomerId", "EuThirdParty", "RotReducedInvoicingType", "Rows"},
    "/v2/customerinvoicedrafts": {"CustomerId", "EuThirdParty", "RotReducedInvoicingType"},
}


async def test_every_required_field_that_is_left_out_is_noticed() -> None:
    """Of customers, invoices, drafts and their rows, and payments."""
    judge = BooksJudge(published())
    posted = [one for one in await captured() if one.method == "POST" and one.content]
    for path, required in REQUIRED.items():
        sent = next(one for one in posted if one.path == path)
        whole = exact(sent.content)
        for name in required:
            assert body(judge, "POST", path.removeprefix("/v2"), {key: value for key, value in whole.items() if key != name}), name
    payment = next(one for one in posted if one.path.endswith("/payments"))
    for name in ("CompanyBankAccountId", "PaymentAmount", "PaymentCurrency", "PaymentDate", "PaymentType"):
        whole = exact(payment.content)
        del whole[name]
        assert body(judge, "POST", payment.path.removeprefix("/v2"), whole), name


@pytest.mark.parametrize(
    ("method", "target", "words"),
    [
        ("GET", "/v2/article", "no such operation"),
        ("GET", "/v1/articles", "no such operation"),
        ("PATCH", f"/v2/customers/{NOBODY}", "no such operation"),
        ("DELETE", f"/v2/articles/{NOBODY}", "no such operation"),
        ("GET", "/v2/articles/4711", "no such operation"),
        ("GET", "/v2/customers/batch", "no such operation"),
        ("GET", "/v2/articles?$top=5", "$top is not documented"),
        ("GET", "/v2/articles?page=1", "page is not documented"),
        ("GET", "/v2/articles?$pagesize=1001", "out of bounds"),
        ("GET", "/v2/articles?$page=x", "not a whole number"),
        ("GET", "/v2/articles?showPricesWithTwoDecimals=1", "neither true nor false"),
        ("GET", "/v2/articles?$filter=Sku%20eq%20'1'", "Sku is no property"),
        ("GET", "/v2/articles?$filter=number%20eq%20'1'", "number is no property"),
        ("GET", "/v2/articles?$filter=Number%20eq%201", "compared with a Integer"),
        ("GET", "/v2/articles?$filter=ChangedUtc%20ge%20'2026-01-01'", "compared with a String"),
        ("GET", "/v2/articles?$filter=Number%20eq", "$filter"),
        ("GET", "/v2/articles?$orderby=Changed", "Changed is no property"),
        ("GET", "/v2/customerinvoices?modifiedSinceUtc=yesterday", "not a moment"),
        ("POST", f"/v2/customerinvoicedrafts/{NOBODY}/convert?keepDate=true", "keepDate is not documented"),
    ],
)
def test_an_address_that_nobody_documented_is_noticed(judge: BooksJudge, method: str, target: str, words: str) -> None:
    """Paths, verbs, versions, query parameters, properties and literals in a filter."""
    judge.request(method, target, HEADERS, b"{}" if method == "POST" else b"")
    assert any(words in one for one in judge.verdict.violations), judge.verdict.violations


def test_headers_decimals_and_bodies_out_of_place_are_noticed(judge: BooksJudge) -> None:
    """No token, no JSON, a body where none belongs, none where one does, and an amount of three decimals."""
    wrong = [
        ("GET", "/v2/units", {}, b""),
        ("GET", "/v2/units", HEADERS, b"{}"),
        ("POST", "/v2/customers", HEADERS, b""),
        ("POST", "/v2/customers", HEADERS, b"<html>"),
        ("POST", "/connect/token", HEADERS, b"{}"),
    ]
    for request in wrong:
        judge.verdict.violations.clear()
        judge.request(*request)
        assert judge.verdict.violations, request
    row = {"ArticleId": NOBODY, "Quantity": D(1), "UnitPrice": D("1.00001")}
    invoice = {"CustomerId": NOBODY, "EuThirdParty": False, "RotReducedInvoicingType": 0}
    for rows in ([row], [{**row, "UnitPrice": D(1), "Quantity": D("0.335")}]):
        assert any("x-decimals" in one for one in body(judge, "POST", "/customerinvoices", {**invoice, "Rows": rows}))


def test_an_answer_that_is_not_as_published_is_noticed(judge: BooksJudge) -> None:
    """A status that is not documented, a field renamed, an envelope without its Meta."""
    for status, answer in ((302, b""), (200, b'{"Data":[]}'), (200, b'{"Meta":{},"Data":[]}'), (400, b'{"Error":1}')):
        judge.verdict.violations.clear()
        judge.answer("GET", "/v2/units", status, answer)
        assert judge.verdict.violations, answer


def test_without_the_published_document_the_tests_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loud skip on a machine without it, a failure where everything has to be judged."""
    monkeypatch.setattr("tests.contract.test_contract_eaccounting.PUBLISHED", tmp_path / "nowhere.json")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT JUDGED"):
        published.__wrapped__()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="is not at"):
        published.__wrapped__()
