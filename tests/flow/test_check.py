"""``check``: a sound shop has no findings, and each thing that can be wrong is found, with its evidence and its cure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from connectors.model import BooksFacts, Company, FiscalYear, TillFacts
from connectors.port import Unreachable
from connectors.sandbox.eaccounting import BooksSwitches
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.salespos import TillSwitches
from daemon.checks import check
from daemon.core.findings import BooksSeen, LinkSeen, Problem, Severity, TillSeen, findings
from daemon.core.ids import PairId
from daemon.flow_run import COMPANY_FACT
from daemon.text import ENGLISH
from tests.flow.running import running
from tests.flow.shop import open_shop, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from daemon.core.findings import Finding
    from tests.flow.running import Daemon
    from tests.flow.shop import Shop

D = Decimal


async def found(shop: Shop, before: Callable[[Daemon], object] | None = None) -> dict[Problem, list[Finding]]:
    """Check a shop as a command would; ``before`` happens first."""
    async with running(shop, loops=False) as process:
        if before is not None:
            before(process)
        result: dict[Problem, list[Finding]] = {}
        for finding in await check(process.app, process.shared):
            result.setdefault(finding.problem, []).append(finding)
        return result


async def one(shop: Shop, problem: Problem, severity: Severity = Severity.ERROR, before: Callable[[Daemon], object] | None = None) -> str:
    """Check that there is this one finding and no other, and return its evidence and cure."""
    result = await found(shop, before)
    assert {found: len(some) for found, some in result.items()} == {problem: 1}, result
    [finding] = result[problem]
    assert finding.severity is severity
    assert ENGLISH(finding.cure)
    return f"{finding.subject}: {ENGLISH(finding.evidence)} | {ENGLISH(finding.cure)}"


async def test_a_sound_shop_has_no_findings_and_nothing_is_written(tmp_path: Path) -> None:
    """All good, and both vendors saw nothing but reads."""
    shop = open_shop(tmp_path, world())
    assert await found(shop) == {}
    assert shop.writes() == 0


# -- connections ------------------------------------------------------------------------------------------------------------------


def cut(*names: str) -> Callable[[Daemon], None]:
    """Cut the wires of connections."""

    def cutting(process: Daemon) -> None:
        for name in names:

            async def nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
                raise httpx2.ConnectError("nobody is there")

            process.wires[name].app = nobody

    return cutting


@pytest.mark.parametrize(("name", "address"), [("books", "http://127.0.0.1:1/v2"), ("till", "http://127.0.0.1:2/api/rest/v1")])
async def test_a_connection_that_does_not_answer_is_one_line(tmp_path: Path, name: str, address: str) -> None:
    """The other one is checked all the same, and what cannot be known is not guessed."""
    text = await one(open_shop(tmp_path, world()), Problem.UNREACHABLE, before=cut(name))
    assert text.startswith(f"{name}: {address} does not answer")


async def test_no_network_is_one_line(tmp_path: Path) -> None:
    """Nothing answers: it is the network, once."""
    text = await one(open_shop(tmp_path, world()), Problem.NETWORK, before=cut("books", "till"))
    assert "books, till: nothing answers" in text


async def portal(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer whatever is asked with a page."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"<html>Hotel WiFi</html>"})


async def test_a_connection_that_answers_rubbish_is_told(tmp_path: Path) -> None:
    """A page of somebody else at that address."""

    def rubbish(process: Daemon) -> None:
        process.wires["books"].app = portal

    assert "not as it should" in await one(open_shop(tmp_path, world()), Problem.NOT_ANSWERING, before=rubbish)


async def test_a_page_of_somebody_else_everywhere_is_no_missing_network(tmp_path: Path) -> None:
    """In a hotel everything answers, and wrongly: that is said of each."""

    def rubbish(process: Daemon) -> None:
        for wire in process.wires.values():
            wire.app = portal

    result = await found(open_shop(tmp_path, world()), rubbish)
    assert {problem: len(some) for problem, some in result.items()} == {Problem.NOT_ANSWERING: 2}


async def test_wrong_keys_of_the_till(tmp_path: Path) -> None:
    """The secret key belongs to another till."""
    shop = open_shop(tmp_path, world())
    shop.till.secret_key = "another"
    assert "correct public_key and secret_key of connections.till" in await one(shop, Problem.WRONG_KEYS)


async def test_a_wrong_client_of_the_books(tmp_path: Path) -> None:
    """The identity server does not know the application."""
    shop = open_shop(tmp_path, world())
    shop.books.identity.client_secret = "another"
    shop.clock.jumped += timedelta(days=1)  # the access token has run out
    text = await one(shop, Problem.WRONG_KEYS, before=lambda process: process.shop.books.identity.access.clear())
    assert "correct client_id and client_secret of connections.books" in text


async def test_a_sign_in_that_is_over(tmp_path: Path) -> None:
    """Every token ended: the cure is to sign in."""
    shop = open_shop(tmp_path, world())
    shop.books.identity.end_all()
    assert (await one(shop, Problem.SIGNED_OUT)).endswith("| kassabrug login books")


@pytest.mark.parametrize("seconds", [90, -90])
async def test_a_clock_that_is_off(tmp_path: Path, seconds: int) -> None:
    """The vendor's clock and ours differ by more than a minute, either way."""
    shop = open_shop(tmp_path, world())
    shop.books.books.plan = FaultPlan(clock_skew_seconds=seconds)
    text = await one(shop, Problem.CLOCK)
    assert "differ by 90 s" in text
    assert ("ours is behind" in text) is (seconds > 0)


async def test_the_tills_clock_counts_too_and_half_a_minute_does_not(tmp_path: Path) -> None:
    """Each connection tells its own time."""
    shop = open_shop(tmp_path, world())
    shop.till.plan.clock_skew_seconds = 200
    assert "till: " in await one(shop, Problem.CLOCK)
    shop.till.plan.clock_skew_seconds = 30
    assert await found(shop) == {}


# -- the company ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "problem", "evidence"),
    [
        ({"api_module": False}, Problem.API_MODULE, "api_standard"),
        ({"startup_guide_completed": False}, Problem.STARTUP_GUIDE, "start-up guide"),
        ({"company_active": False}, Problem.COMPANY_INACTIVE, "not active"),
        ({"variant": "Bookkeeping", "stock_module": True}, Problem.VARIANT, "sales categories"),
        ({"scopes": "ea:api offline_access ea:accounting ea:purchase"}, Problem.SCOPE, "company settings refused"),
        ({"scopes": "ea:api offline_access ea:accounting ea:sales"}, Problem.SCOPE, "bank accounts refused"),
        ({"locked_to": date(2026, 3, 16)}, Problem.LOCKED_PERIOD, "locked until 2026-03-16"),
        ({"stock_module": False}, Problem.STOCK_MODULE, "no stock module"),
    ],
    ids=str,
)
async def test_what_the_company_does_not_let_us(tmp_path: Path, switches: dict[str, Any], problem: Problem, evidence: str) -> None:
    """Modules, variant, scopes, periods: one line each, in the vendor's own words where it gave any."""
    result = await found(open_shop(tmp_path, world(), books=BooksSwitches(**switches)))
    assert [finding.severity for finding in result[problem]] == [Severity.ERROR]
    assert evidence in ENGLISH(result[problem][0].evidence)
    # what follows from it is not told as well; a variant without articles has neither those nor a stock module
    assert set(result) - {problem} <= ({Problem.REFUSED, Problem.STOCK_MODULE} if problem is Problem.VARIANT else set())


async def test_scopes_that_the_sign_in_is_known_to_lack(tmp_path: Path) -> None:
    """Reading works, so that no request fails: what the identity server granted tells it."""
    shop = open_shop(tmp_path, world(), books=BooksSwitches(scopes="ea:api offline_access ea:sales_readonly ea:purchase ea:accounting"))
    shop.clock.jumped += timedelta(hours=2)  # a refresh tells the scopes
    text = await one(shop, Problem.SCOPE)
    assert "lacks ea:sales" in text
    assert "kassabrug login books" in text


async def test_a_missing_module_for_orders_is_only_mentioned(tmp_path: Path) -> None:
    """No flow needs it."""
    text = await one(open_shop(tmp_path, world(), books=BooksSwitches(sales_module=False)), Problem.SALES_MODULE, Severity.INFO)
    assert "orders and quotes" in text


async def test_another_company_than_before(tmp_path: Path) -> None:
    """The sign-in is for a company that these books are not of."""
    shop = open_shop(tmp_path, world())
    async with running(shop, loops=False) as process:
        await process.store.remember(PairId("shop"), {COMPANY_FACT: "the-one-before"})
    text = await one(shop, Problem.WRONG_COMPANY)
    assert "the-one-before" in text
    assert "kassabrug login books" in text


async def test_a_company_that_can_only_be_read(tmp_path: Path) -> None:
    """It answers, and nothing could be booked in it."""
    shop = open_shop(tmp_path, world())
    shop.books.books.company["CompanyStatus"] = 2
    assert "can only be read" in await one(shop, Problem.COMPANY_INACTIVE)


def change(rows: Any, name: str, value: object, **fields: Any) -> None:
    """Change the records of a register of the books that have this value."""
    records = [row for row in rows.rows.values() if row[name] == value]
    assert records
    for row in records:
        rows.update(row, **fields)


async def test_no_fiscal_year_for_today(tmp_path: Path) -> None:
    """New Year has come and nobody made the year."""
    shop = open_shop(tmp_path, world())
    shop.books.books.fiscal_years.rows.clear()
    assert "no fiscal year contains 2026-03-16" in await one(shop, Problem.FISCAL_YEAR)


async def test_today_is_the_shops_own_day(tmp_path: Path) -> None:
    """At half past eleven at night in London it is tomorrow in Amsterdam: the day that a receipt is booked on counts."""
    shop = open_shop(tmp_path, world(), books=BooksSwitches(locked_to=date(2026, 3, 16)))
    shop.clock.start = datetime(2026, 3, 16, 23, 30, tzinfo=UTC)
    assert await found(shop) == {}


async def test_no_coding_for_a_rate_of_the_till(tmp_path: Path) -> None:
    """The codings at 9 percent were switched off."""
    shop = open_shop(tmp_path, world())
    change(shop.books.books.codings, "VatRatePercent", D("0.09"), IsActive=False)
    assert "no active article coding has VAT 9 %" in await one(shop, Problem.CODING)


async def person(shop: Shop, number: str, **fields: Any) -> None:
    """Change an article in the books, as a person does."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(shop.books.app), base_url="http://books") as browser:
        answer = await browser.post(f"/_sandbox/articles/{number}", json=fields)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("fields", "evidence"), [({"Number": "KB-OLD"}, "does not exist"), ({"IsActive": False}, "is not active")], ids=["gone", "inactive"]
)
async def test_a_helper_article_is_missing(tmp_path: Path, fields: dict[str, Any], evidence: str) -> None:
    """The article that books shipping at 21 percent."""
    shop = open_shop(tmp_path, world())
    await person(shop, "KB-SHIP-21", **fields)
    text = await one(shop, Problem.ARTICLE)
    assert f"the article KB-SHIP-21, which books shipping at 21 %, {evidence}" in text


async def test_a_helper_article_has_the_wrong_rate(tmp_path: Path) -> None:
    """The article for vouchers was put into a taxed coding."""
    shop = open_shop(tmp_path, world())
    taxed = next(row["Id"] for row in shop.books.books.codings.rows.values() if row["VatRatePercent"] == D("0.21"))
    await person(shop, "KB-VOUCHER", CodingId=taxed)
    assert "KB-VOUCHER, which books voucher at 0 %, has VAT 21 %" in await one(shop, Problem.ARTICLE_RATE)


@pytest.mark.parametrize(
    ("fields", "evidence"), [({"CustomerNumber": "77"}, "does not exist"), ({"IsActive": False}, "is not active")], ids=["gone", "inactive"]
)
async def test_the_default_debtor_is_missing(tmp_path: Path, fields: dict[str, Any], evidence: str) -> None:
    """Sales without a customer have nobody to be booked to."""
    shop = open_shop(tmp_path, world())
    customers = shop.books.books.customers
    customers.update(next(row for row in customers.rows.values() if row["CustomerNumber"] == "1000"), **fields)
    assert f"the customer 1000, to whom sales without a customer are booked, {evidence}" in await one(shop, Problem.DEBTOR)


async def test_terms_of_payment_that_do_not_exist(tmp_path: Path) -> None:
    """The configuration names terms that the books do not have; the cure lists those that they have."""
    shop = open_shop(tmp_path, world())
    name_terms(shop, "Op de pof")
    text = await one(shop, Problem.TERMS)
    assert "no terms of payment 'Op de pof'" in text
    assert "30 dagen" in text
    name_terms(shop, "30 DAGEN")
    assert await found(shop) == {}


def name_terms(shop: Shop, name: str) -> None:
    """Name terms of payment in the configuration."""
    link = shop.settings.links["shop"]
    booking = link.booking.model_copy(update={"terms_of_payment": name})
    shop.settings = shop.settings.model_copy(update={"links": {"shop": link.model_copy(update={"booking": booking})}})


async def test_no_terms_of_payment_at_all(tmp_path: Path) -> None:
    """No debtor could be made."""
    shop = open_shop(tmp_path, world())
    change(shop.books.books.terms, "AvailableForSales", True, AvailableForSales=False)
    assert "no terms of payment for sales" in await one(shop, Problem.TERMS)


async def test_an_account_of_a_payment_method_is_missing(tmp_path: Path) -> None:
    """Cash goes to an account that nobody made."""
    methods = 'pin = "Pin"\ncash = "Kas 2"\nideal = "iDEAL"\nvoucher = "Cadeaubonnen"\n'
    text = await one(open_shop(tmp_path, world(), payment_methods=methods), Problem.ACCOUNT)
    assert "no active bank or cash account 'Kas 2', which takes what is paid with cash" in text


async def test_an_account_may_be_named_by_its_ledger_number_and_must_be_active(tmp_path: Path) -> None:
    """What booking takes for an account, check does too."""
    methods = 'pin = "Pin"\ncash = "1000"\nideal = "iDEAL"\nvoucher = "Cadeaubonnen"\n'
    shop = open_shop(tmp_path, world(), payment_methods=methods)
    assert await found(shop) == {}
    change(shop.books.books.bank_accounts, "Name", "Kas", IsActive=False)
    assert "'1000'" in await one(shop, Problem.ACCOUNT)


# -- the till ---------------------------------------------------------------------------------------------------------------------


async def test_a_payment_method_of_the_till_has_no_account(tmp_path: Path) -> None:
    """Its receipts will wait for an answer: a warning."""
    shop = open_shop(tmp_path, world(), payment_methods='pin = "Pin"\ncash = "Kas"\nvoucher = "Cadeaubonnen"\n')
    text = await one(shop, Problem.PAYMENT_METHOD, Severity.WARNING)
    assert "no account is named for the payment method 'ideal' (iDEAL) of till" in text


async def test_an_answer_that_was_given_counts(tmp_path: Path) -> None:
    """What a person answered to a question needs no line in the configuration."""
    shop = open_shop(tmp_path, world(), payment_methods='pin = "Pin"\ncash = "Kas"\nvoucher = "Cadeaubonnen"\n')
    async with running(shop, loops=False) as process:
        from daemon.state.port import Question  # noqa: PLC0415 - only here

        await process.store.ask(Question(PairId("shop/till"), "payment_method:ideal", "sales", "Which account?"))
        await process.store.answer(PairId("shop/till"), "payment_method:ideal", "iDEAL")
    assert await found(shop) == {}


def forbid(*resources: str) -> Callable[[Daemon], None]:
    """Let the till refuse to read resources."""

    def forbidding(process: Daemon) -> None:
        app = process.wires["till"].app

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if any(f"/{resource}/" in scope["path"] for resource in resources):
                body = json.dumps({"status": 403, "code": "403.10", "developermessage": "no permission"}).encode()
                await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"application/json")]})
                await send({"type": "http.response.body", "body": body})
            else:
                await app(scope, receive, send)

        process.wires["till"].app = guarded

    return forbidding


@pytest.mark.parametrize("resource", ["orders", "products", "categories", "packages", "paymethods", "webshops"])
async def test_the_key_lacks_a_right(tmp_path: Path, resource: str) -> None:
    """Reading it is refused; the rest is checked."""
    text = await one(open_shop(tmp_path, world()), Problem.RIGHT, before=forbid(resource))
    assert f"till: {resource}: " in text
    assert f"give the API key of connections.till the right to {resource}" in text


async def test_what_the_till_does_not_list_for_the_key_is_a_missing_right(tmp_path: Path) -> None:
    """The root names the resources of this key, and orders are not among them."""
    shop = open_shop(tmp_path, world())
    root = shop.till._routes[""]
    listed = root.handlers["GET"]
    shop.till._routes[""] = replace(
        root, handlers={"GET": lambda call: {name: link for name, link in listed(call).items() if name != "orders"}}
    )
    assert "orders: not among the resources" in await one(shop, Problem.RIGHT)


async def test_not_a_till(tmp_path: Path) -> None:
    """A webshop of the same platform answers at this address."""
    text = await one(open_shop(tmp_path, world(), till=TillSwitches(is_salespos=False)), Problem.NOT_A_TILL, Severity.WARNING)
    assert "does not call itself a SalesPOS till" in text


async def test_prices_without_vat(tmp_path: Path) -> None:
    """The till computes what the customer pays: a cent may differ."""
    text = await one(open_shop(tmp_path, world(), till=TillSwitches(prices_include_vat=False)), Problem.NET_PRICES, Severity.WARNING)
    assert "without VAT" in text


async def test_the_limit_of_products_is_reached(tmp_path: Path) -> None:
    """No new article can arrive in the till."""
    assert "takes no more products" in await one(open_shop(tmp_path, world(), till=TillSwitches(product_limit=0)), Problem.PRODUCT_LIMIT)


# -- flows ------------------------------------------------------------------------------------------------------------------------


def off(*flows: str) -> str:
    """TOML that switches flows off."""
    return "".join(f"\n[links.shop.flows.{flow}]\nenabled = false\n" for flow in flows)


async def test_what_a_flow_that_is_off_needs_is_not_asked_for(tmp_path: Path) -> None:
    """Without the flow of sales nobody misses accounts, debtors and periods; stock that is kept and not shown is mentioned."""
    shop = open_shop(
        tmp_path,
        world(),
        books=BooksSwitches(locked_to=date(2026, 3, 16)),
        till=TillSwitches(product_limit=0),
        payment_methods='cash = "Kas 2"\n' + off("sales", "stock", "products"),
    )
    assert {problem: [one.severity for one in some] for problem, some in (await found(shop)).items()} == {
        Problem.STOCK_MODULE: [Severity.INFO],
        Problem.FLOWS_OFF: [Severity.WARNING],
    }


@pytest.mark.parametrize(
    ("flows", "severity", "says"),
    [
        (("sales",), Severity.WARNING, "never booked, so the books' stock does not fall by it"),
        (("sales", "stock"), Severity.INFO, "receipts stay in the till, none is booked"),
        (("products",), Severity.INFO, "does not reach the till, and receipts with a VAT rate or a SKU"),
        (("products", "sales", "stock"), Severity.WARNING, "nothing is done for this link"),
    ],
)
async def test_what_follows_from_flows_that_are_off(tmp_path: Path, flows: tuple[str, ...], severity: Severity, says: str) -> None:
    """Switched off while others go on that lean on them: said before anybody wonders."""
    methods = 'pin = "Pin"\ncash = "Kas"\nideal = "iDEAL"\nvoucher = "Cadeaubonnen"\n'
    shop = open_shop(tmp_path, world(), payment_methods=methods + off(*flows))
    result = await found(shop)
    [finding] = result.pop(Problem.FLOWS_OFF)
    assert (finding.severity, says in ENGLISH(finding.evidence)) == (severity, True)
    assert set(result) <= {Problem.STOCK_MODULE}


async def test_another_prefix_in_the_file_is_said_to_count_for_nothing(tmp_path: Path) -> None:
    """Documents are found again by the one that they carry; it stays."""
    shop = open_shop(tmp_path, world())
    async with running(shop, loops=False) as process:
        await process.app.pairs[0].begin()
    link = shop.settings.links["shop"]
    booking = link.booking.model_copy(update={"reference_prefix": "NEW"})
    shop.settings = shop.settings.model_copy(update={"links": {"shop": link.model_copy(update={"booking": booking})}})
    assert "KB stays" in await one(shop, Problem.PREFIX, Severity.WARNING)


COMPANY = Company("c", "Winkel", "NL", "EUR", "Pro", frozenset({"sales_standard", "stock_standard"}), stock_module=True)


def test_a_locked_year_and_another_currency_are_found() -> None:
    """What no sandbox shows: the decisions alone."""
    today = date(2026, 3, 16)
    books = BooksFacts(
        COMPANY, sufficient_variants=frozenset({"Pro"}), fiscal_years=(FiscalYear(date(2026, 1, 1), date(2026, 12, 31), True),)
    )
    link = LinkSeen("shop", "books", "till", frozenset({"sales", "stock", "products"}), today, "1000")
    result = findings([BooksSeen("books", "a", books)], [TillSeen("till", "b", TillFacts())], [link])
    assert {finding.problem for finding in result} == {Problem.LOCKED_PERIOD, Problem.DEBTOR}


def test_two_links_of_one_company_tell_what_is_its_own_once() -> None:
    """A locked period is the company's: one line, however many links and tills it has."""
    today = date(2026, 3, 16)
    books = BooksFacts(COMPANY, sufficient_variants=frozenset({"Pro"}), locked_to=today)
    links = [LinkSeen(name, "books", "till", frozenset({"sales", "stock"}), today, "1000") for name in ("a", "b")]
    result = findings([BooksSeen("books", "a", books)], [TillSeen("till", "b", TillFacts())], links)
    assert [finding.problem for finding in result].count(Problem.LOCKED_PERIOD) == 1


def test_a_single_connection_that_is_away_is_not_called_the_network() -> None:
    """With one answering, the network is there."""
    books = BooksSeen("books", "a", Unreachable("x"))
    assert [finding.problem for finding in findings([books], [TillSeen("till", "b", TillFacts())], [])] == [Problem.UNREACHABLE]
