"""Every switch of the books' sandbox: told, listed, with an effect, and the main work done under every single alternative."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from connectors.eaccounting import EAccounting, EAccountingConfig
from connectors.model import Address, BookPayment, Customer, DocumentDraft, DocumentKind, DocumentRow
from connectors.port import Rejected, Uncertain, Unfilterable
from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches
from connectors.sandbox.eaccounting.switchdoc import render
from connectors.sandbox.eaccounting.switches import alternatives, described, stops
from tests.conftest import REPOSITORY
from tests.contract.books_support import NIL, WORLD, Shop, published, without, writable
from tests.contract.clients import JumpingClock, MemoryTokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.model import Document, Product

D = Decimal
CENT = D("0.01")
PAGE = REPOSITORY / "docs" / "vendors" / "eaccounting-switches.md"


def named(value: object) -> str:
    """Return what a test is called by."""
    return "+".join(sorted(map(str, value))) if isinstance(value, frozenset) else str(value)


EVERY = [pytest.param(name, value, id=f"{name}={named(value)}") for name, value in alternatives()]


# what is told about them


def test_every_switch_says_what_it_is() -> None:
    """What, source and the client's side in words; alternatives that are none of them the default, all of them hashable and different."""
    for one in described():
        meta = one.metadata
        assert all(meta[key].endswith((".", ")")) or key == "source" for key in ("what", "client", "source")), one.name
        others = (*meta["alternatives"], *meta["stops"], *meta["owed"])
        assert others, one.name
        assert one.default not in others, one.name
        assert len(set(others)) == len(others), one.name


def test_only_free_values_have_no_alternatives() -> None:
    """The fields without metadata are those of which any value may be right."""
    assert {one.name for one in fields(BooksSwitches)} - {one.name for one in described()} == {
        "first_fiscal_year",
        "locked_to",
        "redirect_uris",
        "requests_per_minute",
        "scopes",
    }


def test_the_page_of_switches_is_up_to_date() -> None:
    """docs/vendors/eaccounting-switches.md is what the switches say; ``python -m`` of switchdoc makes it anew."""
    assert PAGE.read_text("utf-8") == render()


# the main work under every one


@dataclass
class Work:
    """A company with one switch turned, its exchanges judged, and the connector that works for it."""

    sandbox: BooksSandbox
    books: EAccounting
    clock: JumpingClock
    switches: BooksSwitches

    @classmethod
    def under(cls, **switched: Any) -> Work:
        """Open the company."""
        clock, switches, judge = JumpingClock(), BooksSwitches(**switched), published()
        sandbox = BooksSandbox(WORLD, clock=clock.now, limits=True, switches=switches)
        app = judge.watch(sandbox.app, [], lenient=True) if judge else sandbox.app
        config = EAccountingConfig(
            name="books",
            api="http://books.test/v2",
            identity="http://books.test",
            client_id=sandbox.client_id,
            client_secret=sandbox.client_secret,
            refresh_token=sandbox.refresh_token,
            access_token=sandbox.access_token,
        )
        transport = httpx2.ASGITransport(app=app)
        books = EAccounting(config, clock=clock, tokens=MemoryTokens(), transport=transport, jitter=random.Random(1))
        return cls(sandbox, books, clock, switches)

    async def product(self, sku: str) -> Product:
        """Return the product with a number."""
        [found] = await self.books.find_products([sku])
        return found

    async def sure(self, key: str, write: Callable[[], Awaitable[Document]], find: Callable[[list[str]], Awaitable[Any]]) -> Document:
        """Write a document; when no answer can be trusted, find it by its key, or among everything that was written since."""
        before = self.clock.now() - timedelta(minutes=1)
        try:
            return await write()
        except Uncertain:
            try:
                found = await find([key])
            except Unfilterable:
                since = self.books.documents_since if find == self.books.find_documents else self.books.proposals_since
                found = [one for one in await since(before) if one.key == key]
            [document] = found
            assert isinstance(document, type(found[0]))
            return document  # type: ignore[no-any-return]  # the two look-ups answer the same kind

    async def draft(self, key: str, *rows: tuple[str, int], sign: int = 1, day: date) -> DocumentDraft:
        """Return a document of the debtor for goods at their price, VAT included."""
        [debtor] = await self.books.find_customers(number="1000")
        company = await self.books.company()
        products = [(await self.product(sku), quantity * sign) for sku, quantity in rows]
        made = tuple(DocumentRow(one.id, one.name, D(quantity), one.price, one.vat_rate) for one, quantity in products)
        gross = sum((row.quantity * row.unit_price for row in made), D(0))
        kind = DocumentKind.INVOICE if sign > 0 else DocumentKind.CREDIT
        return DocumentDraft(kind, key, debtor.id or "", day, made, gross, company.currency, prices_include_vat=True)

    def net(self, draft: DocumentDraft) -> DocumentDraft:
        """Return a document with its prices without VAT."""
        rows = tuple(
            replace(row, unit_price=(row.unit_price / (1 + row.vat_rate / 100)).quantize(CENT, ROUND_HALF_UP)) for row in draft.rows
        )
        return replace(draft, rows=rows, prices_include_vat=False)


@pytest.mark.parametrize(("name", "value"), EVERY)
async def test_the_main_work_goes_on(name: str, value: object) -> None:
    """Articles are read, a debtor is made and changed, a sale is weighed, booked and paid, a credit follows: the books add up."""
    work = Work.under(**{name: value})
    await _catalogue(work)
    await _debtors(work)
    sale = await _sale(work)
    credit = await _credit(work)
    work.clock.elapsed += 4000
    await work.books.server_time()
    ledger = work.sandbox.ledger()
    assert ledger.gross == sale + credit
    assert ledger.remaining == 0
    assert len(ledger.documents) == 2
    if work.switches.stock_module and work.switches.variant == "Pro":
        assert ledger.stock["85123A"] == 100 - 2 + (1 if work.switches.credit_returns_stock else 0)


async def _catalogue(work: Work) -> None:
    page = await work.books.read_changes(None)
    found = {change.record.sku: change.record for change in page.changes}
    assert len(page.changes) == len(found) == len(WORLD.articles) + 11
    assert page.bad == ()
    heart = await work.product("85123a")
    assert (heart.price, heart.quantity, heart.tracked) == (D("2.55"), D(100), True)
    assert heart == found["85123A"] == await work.books.get_product(heart.id)
    again = await work.books.read_changes(None, after=page.changes[-1])
    assert {change.id for change in again.changes} <= {change.id for change in page.changes}
    assert {level.sku: level.available for level in await work.books.stock_levels()}["BOOK"] == 10


async def _debtors(work: Work) -> None:
    books = work.books
    customer = Customer(
        name="Ann",
        company="Bakery GmbH",
        email="ann@bakery.example",
        vat_number="DE136695976",
        invoice_address=Address("Straße 1", "10115", "Berlin", "DE"),
    )
    made = await books.create_customer(customer)
    [found] = await books.find_customers(email="ann@bakery.example")
    assert made.id in (found.id, "")
    await books.update_customer(found.id or "", Customer(phone="+49 30 1", invoice_address=Address()))
    [changed] = await books.find_customers(number=found.number)
    assert (changed.phone, changed.vat_number, changed.email) == ("+49 30 1", "DE136695976", "ann@bakery.example")
    with pytest.raises(Rejected):
        await books.create_customer(replace(customer, number=found.number, email="other@bakery.example"))


async def _sale(work: Work) -> Decimal:
    books = work.books
    yesterday = (work.clock.now() - timedelta(days=1)).date()
    draft = await work.draft("KB-1-42", ("85123A", 2), ("BOOK", 1), ("22423", 1), day=yesterday)
    proposal = await work.sure(draft.key, lambda: books.propose(draft), books.find_proposals)
    if not proposal.prices_include_vat:
        draft = work.net(draft)
        proposal = await books.revise(proposal.id, draft)
    assert abs(proposal.gross - proposal.rounding - D("27.84")) <= (0 if draft.prices_include_vat else CENT * 2)
    booked = await work.sure(draft.key, lambda: books.confirm(proposal), books.find_documents)
    assert (booked.gross, booked.key, booked.date, booked.remaining) == (proposal.gross, draft.key, yesterday, proposal.gross)
    assert {rate for rate, net, _ in booked.vat_by_rate if net} == {row.vat_rate for row in draft.rows}
    await _pay(work, booked)
    return booked.gross


async def _pay(work: Work, document: Document) -> None:
    account = next(one for one in await work.books.money_accounts() if one.active)
    today = work.clock.now().date()
    payment = BookPayment(document.id, account.id, document.remaining, document.currency, today, document.key, complete=True)
    try:
        await work.books.register_payment(payment)
    except Uncertain:
        assert work.switches.empty_success in ("post", "both")
    assert (await work.books.get_document(document.id)).remaining == 0
    with pytest.raises(Rejected):
        await work.books.register_payment(payment)


async def _credit(work: Work) -> Decimal:
    books = work.books
    draft = await work.draft("KB-1-43", ("85123A", 1), sign=-1, day=work.clock.now().date())
    if work.switches.includes_vat_polarity is not work.switches.show_prices_excl_vat_pc:
        draft = work.net(draft)
    credit = await work.sure(draft.key, lambda: books.book(draft), books.find_documents)
    assert credit.kind is DocumentKind.CREDIT
    assert credit.gross < 0
    assert credit.remaining == credit.gross
    await _pay(work, credit)
    return credit.gross


@pytest.mark.parametrize(("name", "value"), [pytest.param(*one, id=f"{one[0]}={one[1]}") for one in stops()])
async def test_what_stops_the_work_says_so(name: str, value: Any) -> None:
    """Each refusal has its own code, and nothing is written."""
    codes = {
        "variant": 4009,
        "api_module": 4002,
        "startup_guide_completed": 4003,
        "company_active": 4004,
        "read_only_user": 4019,
    }
    async with Shop.open(**{name: value}) as shop:
        assert await shop.refused("POST", "/customerinvoices", {}) == (403, codes[name], set())
        assert shop.sandbox.ledger().documents == ()


# what they change, one by one


async def test_an_id_in_a_post() -> None:
    """Ignored, or refused."""
    for side, good in (("ignored", True), ("refused", False)):
        async with Shop.open(id_in_post=side) as shop:
            answer = await shop.send("POST", "/articlelabels", {"Name": "Nieuw", "Id": NIL.replace("0", "1")})
            assert (answer.status_code == 201) is good
            assert not good or answer.json()["Id"] != NIL.replace("0", "1")


async def test_successes_without_a_body() -> None:
    """POST, PUT or both say nothing; what they did is done."""
    for side, bodies in (("none", (True, True)), ("post", (False, True)), ("put", (True, False)), ("both", (False, False))):
        async with Shop.open(empty_success=side) as shop:
            posted = await shop.send("POST", "/articlelabels", {"Name": "Nieuw"})
            label = (await shop.get("/articlelabels"))["Data"][-1]
            put = await shop.send("PUT", f"/articlelabels/{label['Id']}", {"Name": "Anders"})
            assert (bool(posted.content), bool(put.content)) == bodies
            assert (await shop.get(f"/articlelabels/{label['Id']}"))["Name"] == "Anders"


async def test_the_status_of_a_deletion() -> None:
    """200 or 204, without a body."""
    for status in (200, 204):
        async with Shop.open(delete_status=status) as shop:
            label = await shop.post("/articlelabels", {"Name": "Nieuw"})
            answer = await shop.send("DELETE", f"/articlelabels/{label['Id']}")
            assert (answer.status_code, answer.content) == (status, b"")


async def test_statuses_are_changed_by_code() -> None:
    """The code stays, the status is another."""
    async with Shop.open(statuses=((3000, 400), (2000, 422))) as shop:
        assert (await shop.refused("GET", f"/units/{NIL}"))[:2] == (400, 3000)
    async with Shop.open(undeclared_404=False) as shop:
        assert (await shop.refused("GET", f"/units/{NIL}"))[:2] == (404, 3000)
        assert (await shop.refused("GET", f"/articles/{NIL}"))[:2] == (400, 3000)


async def test_a_customer_number_that_is_taken() -> None:
    """The status and the code of the switch; 2000 names the field."""
    for status, code, fields_named in ((409, 4000, set()), (400, 4000, set()), (400, 2000, {"CustomerNumber"})):
        async with Shop.open(customer_number_taken=(status, code)) as shop:
            body = await shop.customer_body(CustomerNumber="1000")
            assert await shop.refused("POST", "/customers", body) == (status, code, fields_named)


async def test_refusals_without_words() -> None:
    """Codes and fields are there, the texts are null."""
    async with Shop.open(message_texts="bare") as shop:
        error = (await shop.send("POST", "/articlelabels", {})).json()
        assert (error["ErrorCode"], error["DeveloperErrorMessage"]) == (2000, None)
        assert [(one["Field"], one["Message"]) for one in error["Errors"]] == [("Name", None)]


async def test_the_order_of_a_list_that_was_not_asked_for() -> None:
    """As created, by number, or by id."""
    for side in ("created", "number", "id"):
        async with Shop.open(default_order=side) as shop:
            rows = (await shop.get("/articles"))["Data"]
            numbers, ids = [row["Number"].casefold() for row in rows], [row["Id"] for row in rows]
            assert (numbers == sorted(numbers), ids == sorted(ids)) == (side == "number", side == "id")


async def test_functions_of_filters() -> None:
    """Without them only contains is left."""
    async with Shop.open(text_functions=False) as shop:
        assert len((await shop.get("/articles", S_filter="contains(Number,'KB-SHIP')"))["Data"]) == 3
        for text in ("startswith(Number,'K')", "tolower(Number) eq 'book'", "Number in ('BOOK')", "null in ('BOOK')"):
            assert (await shop.refused("GET", "/articles", S_filter=text))[:2] == (400, 6000)


async def test_how_finely_filters_compare_moments() -> None:
    """As shown, in whole seconds, or finer than shown."""
    found = {}
    for side in ("shown", "seconds", "finer"):
        async with Shop.open(filter_moments=side) as shop:
            shop.clock.forward(seconds=0.1234567)
            label = await shop.customer(Name="Fijn")
            shown = label["ChangedUtc"]
            assert shown == "2026-03-16T09:30:00.123Z"
            counts = [
                len((await shop.get("/customers", S_filter=f"ChangedUtc {how} {moment} and Name eq 'Fijn'"))["Data"])
                for how, moment in (("ge", shown), ("gt", shown), ("gt", "2026-03-16T09:30:00Z"))
            ]
            found[side] = counts
            ordered = (await shop.get("/customers", S_orderby="ChangedUtc desc"))["Data"]
            assert ordered[0]["Name"] == "Fijn"
    assert found == {"shown": [1, 0, 1], "seconds": [1, 0, 0], "finer": [1, 1, 1]}


async def test_modified_since_with_and_without_its_moment() -> None:
    """Inclusive, or exclusive."""
    for side, count in (("inclusive", 1), ("exclusive", 0)):
        async with Shop.open(modified_since=side) as shop:
            invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
            assert len((await shop.get("/customerinvoices", modifiedSinceUtc=invoice["ModifiedUtc"]))["Data"]) == count


async def test_digits_of_a_second() -> None:
    """None, three or seven."""
    for digits, shown in ((0, "00Z"), (3, "00.123Z"), (7, "00.1234560Z")):
        async with Shop.open(timestamp_digits=digits) as shop:
            shop.clock.forward(microseconds=123456)
            assert (await shop.customer())["ChangedUtc"].endswith(shown)


async def test_where_a_page_size_ends() -> None:
    """Refused outside 1 to 1000, or taken as the nearest; a page past the end is empty, or refused."""
    async with Shop.open(page_size_outside="clamped", page_past_end="refused") as shop:
        assert [(await shop.get("/units", S_pagesize=size))["Meta"]["PageSize"] for size in (0, 1001)] == [1, 1000]
        assert (await shop.refused("GET", "/units", S_page=2))[:2] == (400, 6000)


async def test_stock_moves_when_an_order_is_invoiced() -> None:
    """What is shipped stays reserved until then; what is available is the same either way."""
    steps = {}
    for side in ("shipment", "invoice"):
        async with Shop.open(stock_moves=side) as shop:
            order = await shop.post("/orders", await shop.order_body(Status=2))
            seen = [await shop.stock()]
            for action in ("completed", "convert"):
                await shop.post(f"/orders/{order['Id']}/{action}", status=200)
                seen.append(await shop.stock())
            steps[side] = seen
    assert steps == {
        "shipment": [(100, 7, 93), (93, 0, 93), (93, 0, 93)],
        "invoice": [(100, 7, 93), (100, 7, 93), (93, 0, 93)],
    }


async def test_how_a_credits_rows_are_signed() -> None:
    """Signed rows, positive ones, or either; the total and the stock are the same."""
    for side, signs in (("signed", {-1}), ("positive", {1}), ("either", {1, -1})):
        for sign in (1, -1):
            async with Shop.open(credit_rows=side) as shop:
                body = await shop.invoice_body(await shop.row("85123A", 2 * sign, 2.55), IsCreditInvoice=True)
                if sign not in signs:
                    assert (await shop.refused("POST", "/customerinvoices", body))[:2] == (400, 2000)
                    continue
                credit = await shop.post("/customerinvoices", body)
                assert (credit["TotalAmount"], credit["RemainingAmount"]) == (D("-5.10"), D("-5.10"))
                assert credit["Rows"][0]["Quantity"] == 2 * sign
                assert await shop.stock() == (102, 0, 102)


async def test_the_flag_of_a_credit_may_follow_from_the_total() -> None:
    """Then it is not needed, and does no harm."""
    async with Shop.open(credit_flag="derived") as shop:
        credit = await shop.invoice(await shop.row("BOOK", -1, 9.99))
        sale = await shop.invoice(await shop.row("BOOK", 1, 9.99), IsCreditInvoice=True)
        assert (credit["IsCreditInvoice"], sale["IsCreditInvoice"]) == (True, False)


async def test_a_shipped_order_may_be_changed_on_demand() -> None:
    """By default it may not."""
    for allowed in (False, True):
        async with Shop.open(shipped_order_editable=allowed) as shop:
            order = await shop.post("/orders", await shop.order_body(Status=3, delivered=7))
            body = {**writable("OrderApi", order), "YourReference": "anders"}
            assert (await shop.send("PUT", f"/orders/{order['Id']}", body)).status_code == (200 if allowed else 400)


async def test_vat_numbers_may_be_left_unchecked() -> None:
    """The form still counts, the check digit does not."""
    async with Shop.open(vat_numbers="unchecked") as shop:
        await shop.customer(VatNumber="NL123456789B01")
        body = await shop.customer_body(VatNumber="nope")
        assert (await shop.refused("POST", "/customers", body))[:2] == (400, 4025)


async def test_too_many_requests_at_a_time() -> None:
    """While one request is in hand a second is one too many; afterwards there is room again."""
    async with Shop.open(limits=True, concurrent_requests=1) as shop:
        api = shop.sandbox.app.app.routes[0].app  # type: ignore[attr-defined]  # behind the outages, the mount of the API is the first route
        api._in_hand = 1
        refusal = await shop.send("GET", "/units")
        assert (refusal.status_code, refusal.json()["ErrorCode"], refusal.headers["retry-after"]) == (429, 4010, "1")
        api._in_hand = 0
        await shop.get("/units")


async def test_a_stock_balance_written_against_the_module() -> None:
    """Ignored by default; refused on demand, unless it is what it was."""
    async with Shop.open(stock_balance_written="refused") as shop:
        book = await shop.get(f"/articles/{(await shop.article('BOOK'))['Id']}", showPricesWithTwoDecimals="true")
        body = without(writable("ArticleApi", book), "StockBalance")
        await shop.put(f"/articles/{book['Id']}", {**body, "StockBalance": 10})
        assert await shop.refused("PUT", f"/articles/{book['Id']}", {**body, "StockBalance": 11}) == (400, 2000, {"StockBalance"})
