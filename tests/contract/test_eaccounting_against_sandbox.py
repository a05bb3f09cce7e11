"""The eAccounting connector against the eAccounting sandbox, in process: the client is right on either side of what is unknown."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from connectors.eaccounting import EAccounting, EAccountingConfig
from connectors.model import Address, BookPayment, Customer, DocumentDraft, DocumentKind, DocumentRow
from connectors.port import Change, Conflict, Missing, Rejected, Tokens, Unauthorized, Unfilterable
from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches, fault_error
from connectors.sandbox.faults import FaultMiddleware, FaultPlan
from connectors.sandbox.world import World, WorldArticle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connectors.model import Product

D = Decimal
START = datetime(2026, 3, 14, 12, tzinfo=UTC)
TODAY = date(2026, 3, 14)


class FakeClock:
    """A clock for client and vendor alike that jumps where it is told to sleep."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        self.elapsed += seconds
        await anyio.lowlevel.checkpoint()


class FakeStore:
    """A token store in memory."""

    def __init__(self) -> None:
        self.tokens: Tokens | None = None
        self.lock = anyio.Lock()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold off the others."""
        async with self.lock:
            yield

    async def load(self) -> Tokens | None:
        """Return the newest."""
        return self.tokens

    async def save(self, tokens: Tokens) -> None:
        """Keep them."""
        self.tokens = tokens


class Throttles:
    """Counts how often the vendor asked us to slow down."""

    def __init__(self) -> None:
        self.count = 0

    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:
        """Not needed here."""

    def throttled(self, side: str) -> None:
        """Count."""
        self.count += 1

    def waited(self, side: str, seconds: float) -> None:
        """Not needed here."""

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:
        """Not needed here."""


@dataclass
class Shop:
    """A company in the sandbox and a connector to it."""

    sandbox: BooksSandbox
    books: EAccounting
    clock: FakeClock
    store: FakeStore
    throttles: Throttles = field(default_factory=Throttles)

    async def article(self, sku: str) -> Product:
        """Return the article with a number."""
        [found] = await self.books.find_products([sku])
        return found

    async def debtor(self) -> str:
        """Return the id of the default debtor."""
        [found] = await self.books.find_customers(numbers=["1000"])
        assert found.id is not None
        return found.id

    async def draft(self, key: str, *rows: tuple[str, str, str], **changes: Any) -> DocumentDraft:
        """Return a document of the default debtor: rows of SKU, quantity, price."""
        made = []
        for sku, quantity, price in rows:
            product = await self.article(sku)
            made.append(DocumentRow(product.id, product.name, D(quantity), D(price), product.vat_rate))
        gross = sum((row.quantity * row.unit_price for row in made), D(0))
        kind = DocumentKind.CREDIT if gross < 0 else DocumentKind.INVOICE
        draft = DocumentDraft(kind, key, await self.debtor(), TODAY, tuple(made), gross, "EUR", prices_include_vat=True)
        return replace(draft, **changes)


def world(articles: int = 3) -> World:
    """Return a shop with candles in it."""
    rates = (D(21), D(9), D(0))
    made = tuple(
        WorldArticle(f"C{number:04}A", f"Candle {number}", D("6.05") + number, rates[number % 3], D(100), label="Home", ean="8712345678906")
        for number in range(articles)
    )
    return World(made, (), ())


def open_shop(
    switches: BooksSwitches | None = None, *, plan: FaultPlan | None = None, articles: int = 3, limits: bool = False, **config: Any
) -> Shop:
    """Open a company and connect to it."""
    clock, store, throttles = FakeClock(), FakeStore(), Throttles()
    sandbox = BooksSandbox(world(articles), clock=clock.now, limits=limits, switches=switches, faults=plan)
    app = FaultMiddleware(sandbox.app, plan, errors=fault_error, sleep=clock.sleep) if plan else sandbox.app
    settings = {
        "name": "books",
        "api": "http://books.test/v2",
        "identity": "http://books.test",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "refresh_token": sandbox.refresh_token,
        "access_token": sandbox.access_token,
    }
    books = EAccounting(
        EAccountingConfig(**settings | config),
        clock=clock,
        tokens=store,
        observer=throttles,
        transport=httpx2.ASGITransport(app=app),
        jitter=random.Random(1),
    )
    return Shop(sandbox, books, clock, store, throttles)


STRICT = BooksSwitches(refuse_read_only=True, refuse_unknown=True)
EITHER_SIDE = {
    "as expected": BooksSwitches(),
    "strict bodies": STRICT,
    "no stock module": BooksSwitches(stock_module=False),
    "400 for unknown ids": BooksSwitches(undeclared_404=False, dangling_reference_status=404),
    "percent as 21": BooksSwitches(vat_percent_is_fraction=False),
    "filter regards case": BooksSwitches(filter_ignores_case=False, property_ignores_case=False),
    "whole seconds": BooksSwitches(timestamp_digits=0),
    "seven digits": BooksSwitches(timestamp_digits=6),
    "company keeps draft dates": BooksSwitches(keep_original_draft_date=True),
    "pages refused": BooksSwitches(page_past_end="refused", other_odata_options="refused"),
}
either_side = pytest.mark.parametrize("switches", EITHER_SIDE.values(), ids=EITHER_SIDE.keys())


async def everything(books: EAccounting) -> list[Change[Product]]:
    """Read all changes as the engine does."""
    found: list[Change[Product]] = []
    page = await books.read_changes(None)
    while True:
        assert page.bad == ()
        found += [change for change in page.changes if not found or change.id != found[-1].id]
        if not page.more:
            return found
        page = await books.read_changes(None, after=found[-1])


@either_side
async def test_articles_come_over_whole(switches: BooksSwitches) -> None:
    """Every article of the shop is delivered once, in order, with price, VAT, EAN, category and stock as they are in the books."""
    shop = open_shop(switches)
    products = {change.record.sku: change.record for change in await everything(shop.books)}
    assert len(products) == 3 + 11
    candle = products["C0001A"]
    assert (candle.price, candle.vat_rate, candle.ean, candle.categories) == (D("7.05"), D(9), "8712345678906", ("Home",))
    assert (candle.tracked, candle.quantity, candle.is_service, candle.unit) == (True, D(100), False, "Stuk")
    assert (products["KB-ROUND"].tracked, products["KB-ROUND"].quantity, products["KB-ROUND"].is_service) == (False, None, True)
    assert await shop.books.get_product(candle.id) == candle
    assert [one.sku for one in await shop.books.find_products(["c0001A", "nothing"])] == ["C0001A"]
    with pytest.raises(Missing):
        await shop.books.get_product("00000000-0000-4000-8000-000000000000")


async def test_a_large_catalogue_is_read_over_several_pages_with_faults() -> None:
    """More articles than a page holds; pages that overlap, pages that miss a record: nothing is lost and nothing comes twice."""
    shop = open_shop(articles=1500, plan=FaultPlan(duplicate_page=0.2, shifted_page=0.3, seed=3))
    for _ in range(8):
        levels = await shop.books.stock_levels()
        assert len({level.sku for level in levels}) == len(levels) == 1511
    assert len({change.id for change in await everything(shop.books)}) == 1511
    assert shop.sandbox.faults is not None
    assert shop.sandbox.faults.fired["shifted_page"] > 0


async def test_an_article_changed_in_the_books_is_the_next_change() -> None:
    """A person changes a price: reading on from the last moment delivers that article again, as another version."""
    shop = open_shop()
    before = (await everything(shop.books))[-1]
    shop.clock.elapsed += 5
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=shop.sandbox.app), base_url="http://books.test") as person:
        answer = await person.post("/_sandbox/articles/C0000A", json={"GrossPrice": 7.99})
        assert answer.status_code == 200
    page = await shop.books.read_changes(None, after=before)
    assert [(change.record.sku, change.record.price) for change in page.changes] == [
        (before.record.sku, before.record.price),
        ("C0000A", D("7.99")),
    ]
    assert page.server_time is not None
    assert page.changes[-1].moment <= page.server_time + timedelta(seconds=1)


@either_side
async def test_an_invoice_is_booked_found_paid_and_credited(switches: BooksSwitches) -> None:
    """What is booked comes to the cent that was decided, is found by its key, is settled by its payment, and can be taken back."""
    shop = open_shop(switches)
    books = shop.books
    draft = await shop.draft("KB-1-'42", ("C0000A", "2", "6.05"), ("C0001A", "1", "7.05"), ("KB-ROUND", "1", "-0.00"))
    booked = await books.book(draft)
    assert (booked.gross, booked.remaining, booked.key, booked.prices_include_vat) == (D("19.15"), D("19.15"), "KB-1-'42", True)
    assert {rate: net + vat for rate, net, vat in booked.vat_by_rate if net} == {D(21): D("12.10"), D(9): D("7.05")}
    assert booked.date == TODAY
    assert await books.find_documents(["KB-1-'42", "other"]) == [booked] == await books.documents_since(START - timedelta(seconds=1))
    accounts = {account.name: account for account in await books.money_accounts()}
    payment = BookPayment(booked.id, accounts["Pin"].id, booked.remaining, "EUR", TODAY, booked.key, complete=True)
    await books.register_payment(payment)
    paid = await books.get_document(booked.id)
    assert paid.remaining == 0
    with pytest.raises(Rejected):
        await books.register_payment(payment)

    credit = await books.book(await shop.draft("KB-1-43", ("C0000A", "-1", "6.05")))
    assert (credit.kind, credit.gross, credit.vat, credit.remaining) == (DocumentKind.CREDIT, D("-6.05"), D("-1.05"), D("-6.05"))
    await books.register_payment(BookPayment(credit.id, accounts["Kas"].id, D("-6.05"), "EUR", TODAY, "KB-1-43", complete=True))
    ledger = shop.sandbox.ledger()
    assert (ledger.gross, ledger.remaining) == (D("13.10"), D(0))
    assert ledger.payments == {"Pin": D("19.15"), "Kas": D("-6.05")}
    with pytest.raises(Missing):
        await books.get_document("00000000-0000-4000-8000-000000000000")


@either_side
async def test_a_proposal_is_weighed_revised_confirmed_or_withdrawn(switches: BooksSwitches) -> None:
    """The vendor's totals come before the booking; the date of the sale stays; what is withdrawn is gone."""
    shop = open_shop(switches)
    books = shop.books
    yesterday = TODAY - timedelta(days=1)
    proposal = await books.propose(await shop.draft("KB-1-50", ("C0000A", "3", "6.05"), date=yesterday))
    assert (proposal.gross, proposal.vat, proposal.booked, proposal.key) == (D("18.15"), D("3.15"), False, "KB-1-50")
    assert await books.find_proposals(["KB-1-50"]) == [proposal] == await books.proposals_since(START - timedelta(seconds=1))
    revised = await books.revise(proposal.id, await shop.draft("KB-1-50", ("C0000A", "2", "6.05"), date=yesterday))
    assert (revised.id, revised.gross) == (proposal.id, D("12.10"))
    with pytest.raises(Rejected, match="expected"):
        await books.confirm(proposal)
    booked = await books.confirm(revised)
    assert (booked.gross, booked.date, booked.key, booked.booked) == (D("12.10"), yesterday, "KB-1-50", True)
    assert await books.find_proposals(["KB-1-50"]) == []
    with pytest.raises(Missing):
        await books.confirm(revised)
    other = await books.propose(await shop.draft("KB-1-51", ("C0000A", "1", "6.05")))
    await books.withdraw(other.id)
    await books.withdraw(other.id)
    assert shop.sandbox.ledger().gross == D("12.10")


@either_side
async def test_a_debtor_is_made_found_and_changed(switches: BooksSwitches) -> None:
    """Private persons and businesses, at home, in the EU and beyond; a change keeps what it does not mention."""
    shop = open_shop(switches)
    books = shop.books
    private = await books.create_customer(
        Customer(name="Ann", email="Ann@Shop.example", invoice_address=Address("Street 1", "1234 AB", "Delft", "NL"))
    )
    assert private.id
    assert private.number
    assert [
        one.id for one in await books.find_customers(emails=["ann@shop.EXAMPLE" if switches.filter_ignores_case else "Ann@Shop.example"])
    ] == [private.id]
    business = await books.create_customer(
        Customer(
            name="Bob",
            company="Bakery NV",
            email="bob@bakery.example",
            vat_number="BE 0403.019.261",
            invoice_address=Address("Straat 2", "1000", "Brussel", "BE"),
            delivery_address=Address("Kade 3", "2000", "Antwerpen", "BE"),
        )
    )
    assert (business.company, business.name, business.vat_number) == ("Bakery NV", "Bob", "BE0403019261")
    abroad = await books.create_customer(Customer(name="Chris", charge_vat_abroad=True, invoice_address=Address(country="US")))
    assert abroad.charge_vat_abroad
    assert business.id
    await books.update_customer(business.id, Customer(phone="+32 2", invoice_address=Address(street="Straat 22")))
    [changed] = await books.find_customers(numbers=[business.number or ""])
    assert changed == replace(
        business, phone="+32 2", invoice_address=replace(business.invoice_address, street="Straat 22"), changed_at=changed.changed_at
    )
    with pytest.raises(Conflict):
        await books.create_customer(Customer(name="Dirk", number=business.number))
    with pytest.raises(Missing):
        await books.update_customer("00000000-0000-4000-8000-000000000000", Customer(name="Nobody"))


async def test_a_reference_that_cannot_be_filtered_on_is_found_by_reading_what_changed() -> None:
    """The client says so, and the listing since a moment finds the document."""
    shop = open_shop(BooksSwitches(unfilterable=frozenset({"CustomerInvoiceApi.YourReference", "CustomerInvoiceDraftApi.YourReference"})))
    booked = await shop.books.book(await shop.draft("KB-1-42", ("C0000A", "1", "6.05")))
    for find in (shop.books.find_documents, shop.books.find_proposals):
        with pytest.raises(Unfilterable, match="6000"):
            await find(["KB-1-42"])
    assert [one.key for one in await shop.books.documents_since(START)] == [booked.key]


async def test_the_company_is_told() -> None:
    """Country, currency, variant, modules and the members of the EU; the vendor's clock."""
    shop = open_shop()
    company = await shop.books.company()
    assert (company.country, company.currency, company.variant, company.stock_module) == ("NL", "EUR", "Pro", True)
    assert len(company.eu_countries) == 27
    assert company.id
    assert not (await open_shop(BooksSwitches(stock_module=False)).books.company()).stock_module
    assert abs(await shop.books.server_time() - START) <= timedelta(seconds=1)


@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize("per_route", [True, False])
async def test_the_vendors_limit_is_kept(per_route: bool, retry_after: bool) -> None:
    """Counted per address the client never meets the limit; counted per route it meets it, waits as told, and goes on."""
    switches = BooksSwitches(requests_per_minute=20, limit_per_route=per_route, retry_after=retry_after)
    shop = open_shop(switches, limits=True, articles=30, requests_per_minute=20)
    ids = [change.id for change in await everything(shop.books)]
    for _ in range(3):
        for product_id in ids:
            assert (await shop.books.get_product(product_id)).id == product_id
        await shop.books.server_time()
    assert (shop.throttles.count > 0) is per_route


async def test_tokens_are_renewed_when_they_expire_or_are_revoked() -> None:
    """Hours pass, tokens are revoked without notice: the work goes on; when the consent is gone a person is asked."""
    shop = open_shop(plan=FaultPlan(revoke_token_after=7))
    for _ in range(30):
        await shop.books.server_time()
    shop.clock.elapsed += 7200
    await shop.books.server_time()
    assert shop.store.tokens is not None
    assert shop.store.tokens.generation >= 4
    shop.store.tokens = replace(shop.store.tokens, refresh_token=shop.sandbox.refresh_token)
    shop.clock.elapsed += 7200
    with pytest.raises(Unauthorized, match="invalid_grant"):
        await shop.books.server_time()
