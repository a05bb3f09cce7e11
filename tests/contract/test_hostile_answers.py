"""What a vendor answers may be broken, absurd or hostile: one record stops itself, one answer stops its request, and nothing else stops."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from connectors.eaccounting import authorize
from connectors.http import Budgets, HttpClient
from connectors.model import BookPayment, DocumentDraft, DocumentKind, DocumentRow, ProductPatch
from connectors.offer import OtherSignIn, SignInRefused
from connectors.port import ConnectorError, Rejected, Throttled, Uncertain, Unreadable
from tests.contract.test_eaccounting_client import (
    SETTINGS,
    FakeStore,
    Vendor,
    article,
    fresh,
    listing,
)
from tests.contract.test_eaccounting_client import START as BOOKS_START
from tests.contract.test_eaccounting_client import FakeClock as BooksClock
from tests.contract.test_eaccounting_client import connect as connect_books
from tests.contract.test_salespos_client import DRAFT, START, FakeClock, Till, order
from tests.contract.test_salespos_client import connect as connect_till

D = Decimal
DEEP = "[" * 900 + "]" * 900
DEEPER = '{"a":' * 20_000 + "1" + "}" * 20_000


@pytest.fixture
def till() -> Till:
    """A till without any data."""
    till = Till(FakeClock())
    till.lists("webshops/", [{"id": 1}])
    till.answers("GET webshops/1/settings/", {"prices_include_vat": True})
    till.lists("categories/", [])
    return till


def with_values(record: dict[str, Any], raw: dict[str, str]) -> str:
    """Return a record as JSON in which some values stand as they are given."""
    named = {f"\x01{name}": text for name, text in raw.items()}
    text = json.dumps(record | {name: f"\x01{name}" for name in raw})
    for mark, value in named.items():
        text = text.replace(json.dumps(mark), value)
    return text


# --- one record stops only itself ---

ORDERS = {
    "the year 1 with a zone": ({"create_date": '"0001-01-01T00:00:00+14:00"'}, "create_date: date_out_of_range"),
    "before there were tills": ({"create_date": '"1970-01-01T00:00:00Z"'}, "create_date: date_out_of_range"),
    "the end of time with a zone": ({"create_date": '"9999-12-31T23:59:59-14:00"'}, "create_date: date_out_of_range"),
    "a day as a number": ({"create_date": "20260316"}, "create_date: date_not_readable"),
    "a day as digits": ({"create_date": '"20260316"'}, "create_date: date_not_readable"),
    "a vast price": ({"total_price": "1e10000000"}, "total_price: number_not_finite"),
    "an exponent of twenty digits": ({"total_price": "1e99999999999999999999"}, "total_price: number_not_finite"),
    "more than any shop takes": ({"total_price": "1e12"}, "total_price: amount_out_of_range"),
    "5,000 digits": ({"total_price": "9" * 5000}, "total_price: number_not_finite"),
    "not a number": ({"total_price": "NaN"}, "total_price: number_not_finite"),
    "infinite": ({"total_price": "-Infinity"}, "total_price: number_not_finite"),
    "not a number, as text": ({"total_price": '"NaN"'}, "total_price: number_not_readable"),
    "underscores": ({"total_price": '"4_95"'}, "total_price: number_not_readable"),
    "digits of another script": ({"total_price": '"٤"'}, "total_price: number_not_readable"),
    "VAT of 121 %": ({"shipping_tax_percentage": "121"}, "shipping_tax_percentage: vat_rate_out_of_range"),
    "negative VAT": ({"shipping_tax_percentage": "-21"}, "shipping_tax_percentage: vat_rate_out_of_range"),
    "a status of nested lists": ({"status": DEEP}, "status: string_type"),
    "half a character": ({"currency": '"\\ud800"'}, "currency: string_unicode"),
    "a control character in its number": ({"ordernumber_full": '"K\\u0000"'}, "ordernumber_full: string_pattern_mismatch"),
    "a text of a megabyte": ({"reservationnumber": '"' + "x" * 1_000_000 + '"'}, "reservationnumber: string_too_long"),
}


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("poison", ORDERS.values(), ids=ORDERS)
async def test_an_absurd_receipt_stops_only_itself(till: Till, poison: tuple[dict[str, str], str], place: int) -> None:
    """It is told under its id with the name of the rule that it breaks; the receipts beside it are read."""
    raw, why = poison
    orders = [json.dumps(order(number, START + timedelta(seconds=number))) for number in (1, 2)]
    orders.insert(place, with_values(order(666, START), raw))
    till.answers("GET orders/", (200, ('{"items":[' + ",".join(orders) + "]}").encode()))
    page = await connect_till(till).read_changes(None)
    assert [change.id for change in page.changes] == ["1", "2"]
    assert [(name, text) for name, _, text in page.bad] == [("666", f"orders/: {why}")]


NAMELESS = {
    "null": "null",
    "a number": "17",
    "a list": DEEP,
    "half a character": '{"name": "\\ud800"}',
    "an id with a NUL": '{"id": "6\\u00006"}',
    "an id without end": '{"id": "' + "6" * 5000 + '"}',
    "an id that is no number": '{"id": NaN}',
    "an id that is a record": '{"id": ' + DEEP + "}",
    "nested without end": f'{{"deep": {DEEPER}}}',
}


@pytest.mark.parametrize("poison", NAMELESS.values(), ids=NAMELESS)
async def test_what_has_no_id_is_held_under_a_name_that_stays(till: Till, poison: str) -> None:
    """It has a name of its own, the same at every reading and wherever it stands, short and printable; two of a kind have two."""
    one, two = (json.dumps(order(number, START + timedelta(seconds=number))) for number in (1, 2))
    readings = []
    for items in ([poison, one, poison, two], [one, two, poison]):
        till.answers("GET orders/", (200, ('{"items":[' + ",".join(items) + "]}").encode()))
        page = await connect_till(till).read_changes(None)
        assert [change.id for change in page.changes] == ["1", "2"]
        readings.append([name for name, _, _ in page.bad])
    assert len(set(readings[0])) == 2
    assert readings[1][0] in readings[0]
    assert all(name.isprintable() and len(name) < 40 for name in readings[0])


async def test_what_nobody_reads_may_be_anything(till: Till) -> None:
    """A field that is not used does no harm, however it is nested or how large its numbers are."""
    odd = with_values(order(1, START), {"extra": DEEPER, "more": "1e10000000", "id_of_it": "9" * 5000})
    till.answers("GET orders/", (200, f'{{"items":[{odd}]}}'.encode()))
    page = await connect_till(till).read_changes(None)
    assert ([change.id for change in page.changes], page.bad) == (["1"], ())


ARTICLES = {
    "the end of time with a zone": ({"ChangedUtc": '"9999-12-31T23:59:59-14:00"'}, "ChangedUtc: date_out_of_range"),
    "the year 1 with a zone": ({"ChangedUtc": '"0001-01-01T00:00:00+14:00"'}, "ChangedUtc: date_out_of_range"),
    "a negative price": ({"GrossPrice": "-4.95"}, "the gross price is negative"),
    "a vast price": ({"GrossPrice": "1e400"}, "GrossPrice: number_not_finite"),
    "more than any shop asks": ({"GrossPrice": "1e12"}, "GrossPrice: amount_out_of_range"),
    "a price of nothing": ({"GrossPrice": "NaN"}, "GrossPrice: number_not_finite"),
    "a price with underscores": ({"GrossPrice": '"4_95"'}, "GrossPrice: number_not_readable"),
    "a stock beyond all": ({"StockBalanceAvailable": "1e20"}, "StockBalanceAvailable: quantity_out_of_range"),
    "an infinite stock": ({"StockBalance": "-Infinity"}, "StockBalance: number_not_finite"),
    "a number with a NUL": ({"Number": '"A\\u0000B"'}, "Number: string_pattern_mismatch"),
    "half a character": ({"Name": '"\\ud800"'}, "Name: string_unicode"),
    "nested without end": ({"Name": DEEPER}, "Name: string_type"),
}


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("poison", ARTICLES.values(), ids=ARTICLES)
async def test_an_absurd_article_stops_only_itself(poison: tuple[dict[str, str], str], place: int) -> None:
    """It is told under its id with the name of the rule that it breaks, and nothing of it comes to the till; the others are read."""
    raw, why = poison
    articles = [json.dumps(article(number)) for number in (1, 2)]
    articles.insert(place, with_values(article(666), raw))
    vendor = Vendor().on("GET /articles", lambda _: page_of(articles))
    page = await connect_books(vendor).read_changes(None)
    assert [change.id for change in page.changes] == ["a0001", "a0002"]
    [(name, _, text)] = page.bad
    assert (name, text.partition(": ")[2]) == ("a0666", why)


def page_of(records: list[str], **meta: str) -> httpx2.Response:
    """Return a page of records that stand as they are given."""
    told = {"CurrentPage": "1", "PageSize": "1000", "TotalNumberOfPages": "1", "TotalNumberOfResults": str(len(records))}
    told |= {"ServerTimeUtc": '"2026-01-31T12:00:01Z"'} | meta
    head = ",".join(f'"{name}":{value}' for name, value in told.items())
    return httpx2.Response(200, content=f'{{"Meta":{{{head}}},"Data":[{",".join(records)}]}}'.encode())


async def test_articles_without_an_id_are_held_each() -> None:
    """Also where there is nothing at all in the place of a record."""
    vendor = Vendor().on("GET /articles", lambda _: page_of(["null", json.dumps(article(1)), "null", "[]", '{"Id": "../up"}']))
    page = await connect_books(vendor).read_changes(None)
    assert [change.id for change in page.changes] == ["a0001"]
    assert len({name for name, _, _ in page.bad}) == 4


@pytest.mark.parametrize("rate", [-0.21, 1.5e3, 121, 0.5])
async def test_a_rate_that_no_country_has_comes_to_no_till(rate: float) -> None:
    """A sales category with such a rate is unknown, and its articles are held; the others are read."""
    vendor = Vendor().on(
        "GET /articleaccountcodings", lambda _: listing({"Id": "c21", "VatRatePercent": 0.21}, {"Id": "odd", "VatRatePercent": rate})
    )
    vendor.on("GET /articles", lambda _: listing(article(1), article(2, CodingId="odd")))
    page = await connect_books(vendor).read_changes(None)
    assert ([change.id for change in page.changes], [name for name, _, _ in page.bad]) == (["a0001"], ["a0002"])


async def test_a_product_of_the_till_that_cannot_be_read_stops_no_other(till: Till) -> None:
    """Listed among others it is passed over; looked up by its number it is told, so that it is not made a second time."""
    till.lists("products/", [{"id": 1, "productnumber": "A"}, {"productnumber": "B"}, {"id": "\0", "productnumber": "C"}])
    assert [product.sku for product in await connect_till(till).all_products()] == ["A"]
    with pytest.raises(Unreadable, match="id"):
        await connect_till(till).find_products(["B"])


# --- one answer stops only its request ---


async def test_a_number_in_the_head_of_a_page_holds_nobody() -> None:
    """A page size of twenty million digits is refused at once, by name."""
    vendor = Vendor().on("GET /articles", lambda _: page_of([json.dumps(article(1))], PageSize="1e20000000"))
    started = time.process_time()
    with pytest.raises(Unreadable, match="PageSize"):
        await connect_books(vendor).read_changes(None)
    assert time.process_time() - started < 1


GARBAGE = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b"<html>",
    b"[" * 100_000,
    b"9" * 5000,
    b'{"Id": {}}',
    b'{"Id": "\\ud800"}',
    b"NaN",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_a_write_that_is_answered_with_garbage_is_uncertain(garbage: bytes) -> None:
    """It may have happened, and is looked up; whatever is wrong with the answer, and without a word of it."""
    vendor = Vendor().on("POST /customerinvoices", lambda _: httpx2.Response(200, content=garbage))
    with pytest.raises(Uncertain):
        await connect_books(vendor).book(DOCUMENT)
    vendor.on("POST /customerinvoices/i/payments", lambda _: httpx2.Response(200, content=garbage))
    with pytest.raises(Uncertain):
        await connect_books(vendor).register_payment(PAYMENT)


DOCUMENT = DocumentDraft(
    kind=DocumentKind.INVOICE,
    key="KB-1",
    customer_id="c",
    date=date(2026, 1, 31),
    rows=(DocumentRow("a", "Tea", D(1), D("4.50"), D(9)),),
    gross=D("4.50"),
    currency="EUR",
    prices_include_vat=True,
)
PAYMENT = BookPayment("i", "bank", D("4.50"), "EUR", date(2026, 1, 31), "KB-1", complete=True)


@pytest.mark.parametrize(
    "absurd",
    [
        {"TotalAmountInvoiceCurrency": 1e12},
        {"RemainingAmount": "4_95"},
        {"InvoiceDate": "0001-01-01"},
        {"VatSpecification": [{"VatPercent": 121}]},
        {"Rows": [{"Quantity": 1e20}]},
        {"Id": "../customers/1"},
    ],
    ids=str,
)
async def test_a_document_that_makes_no_sense_is_not_taken(absurd: dict[str, Any]) -> None:
    """Read, it is unreadable; as the answer of a write, what was written is uncertain."""
    sane = {"Id": "i", "CustomerId": "c", "TotalAmount": 4.5, "TotalVatAmount": 0.37, "RemainingAmount": 4.5, "YourReference": "KB-1"}
    vendor = Vendor().on("GET /customerinvoices/i", lambda _: httpx2.Response(200, json=sane))
    vendor.on("POST /customerinvoices", lambda _: httpx2.Response(200, json=sane))
    assert (await connect_books(vendor).get_document("i")).gross == D("4.50")
    assert (await connect_books(vendor).book(DOCUMENT)).gross == D("4.50")
    vendor.on("GET /customerinvoices/i", lambda _: httpx2.Response(200, json=sane | absurd))
    vendor.on("POST /customerinvoices", lambda _: httpx2.Response(200, json=sane | absurd))
    with pytest.raises(Unreadable):
        await connect_books(vendor).get_document("i")
    with pytest.raises(Uncertain):
        await connect_books(vendor).book(DOCUMENT)


async def test_what_is_garbled_is_not_quoted() -> None:
    """Neither the error nor what it came from holds what was answered."""
    vendor = Vendor().on("GET /customers/1", lambda _: httpx2.Response(200, content=b'{"Id": ["jo@winkel.example"]}'))
    with pytest.raises(Unreadable) as caught:
        await connect_books(vendor).find_customers(ids=["1"])
    error: BaseException | None = caught.value
    while error is not None:
        assert "winkel" not in f"{error!r} {error}"
        error = error.__cause__


@pytest.mark.parametrize("body", [*GARBAGE, b'{"code": ' + b"9" * 4000 + b', "developermessage": {"a": 1e99999999999999999999}}'])
async def test_a_refusal_may_hold_anything(till: Till, body: bytes) -> None:
    """Whatever stands in a refusal, it is an error of the taxonomy with a short code."""
    till.answers("GET orders/", (400, body))
    vendor = Vendor().on("GET /articles", lambda _: httpx2.Response(400, content=body.replace(b"code", b"ErrorCode")))
    for reading in (connect_till(till).read_changes, connect_books(vendor).read_changes):
        with pytest.raises(ConnectorError) as caught:
            await reading(None)
        assert len(caught.value.code) <= 40
        assert len(str(caught.value)) <= 350


# --- sense, also in what is written ---


@pytest.mark.parametrize(
    "absurd",
    [
        {"price": D("-4.95")},
        {"price": D("1e12")},
        {"price": D("NaN")},
        {"quantity": D("1e20")},
        {"quantity": D("Infinity")},
        {"vat_rate": D(-21)},
    ],
    ids=str,
)
async def test_nothing_absurd_is_written_to_the_till(till: Till, absurd: dict[str, Decimal]) -> None:
    """It is refused by name before anything is sent."""
    till.answers("PATCH products/7/", (204, None))
    with pytest.raises(Rejected, match=r"price|stock|VAT rate"):
        await connect_till(till).update_product("7", ProductPatch(**absurd))  # type: ignore[arg-type]  # each is of its field's type
    with pytest.raises(Rejected, match=r"price|stock|VAT rate"):
        await connect_till(till, package_id=1).create_product(replace(DRAFT, **absurd))
    assert not [request for request in till.requests if request.method != "GET"]


async def test_nothing_absurd_is_written_to_the_books() -> None:
    """A quantity, a price, an amount or a day that no shop has is refused by name before anything is sent."""
    vendor = Vendor()
    books = connect_books(vendor)
    row = DOCUMENT.rows[0]
    for odd in (replace(row, quantity=D("1e20")), replace(row, unit_price=D("NaN")), replace(row, unit_price=D("-1e12"))):
        with pytest.raises(Rejected, match="out of range"):
            await books.book(replace(DOCUMENT, rows=(odd,)))
    for day in (date(1, 1, 1), date(1970, 1, 1), date(9999, 12, 31)):
        with pytest.raises(Rejected, match="out of range"):
            await books.propose(replace(DOCUMENT, date=day))
        with pytest.raises(Rejected, match="out of range"):
            await books.register_payment(replace(PAYMENT, date=day))
    with pytest.raises(Rejected, match="out of range"):
        await books.register_payment(replace(PAYMENT, amount=D("Infinity")))
    assert not [one for one in vendor.asked if one.method == "POST"]


async def test_a_text_that_is_none_is_refused_before_it_is_sent(till: Till) -> None:
    """Half a character in a name cannot be written as JSON: the record is refused, and nothing else."""
    with pytest.raises(Rejected):
        await connect_till(till).update_product("7", ProductPatch(name="\ud800"))


# --- clocks ---

CLOCKS = ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2031-01-01T00:00:00Z", "x", "1e99", "9" * 5000]


@pytest.mark.parametrize("told", CLOCKS, ids=range(len(CLOCKS)))
async def test_a_clock_that_cannot_be_is_none(till: Till, told: str) -> None:
    """No position is bounded by it, no request is signed with it, and the page is read all the same."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = json.dumps({"items": [order(1, START)]}).encode()
        headers = {"x-date": told, "x-hash": till.sign(request, body, told), "date": "Fri, 31 Dec 99999 23:59:59 GMT"}
        return httpx2.Response(200, content=body, headers=headers)

    till.routes["GET orders/"] = answer
    connector = connect_till(till)
    page = await connector.read_changes(None)
    assert [change.id for change in page.changes] == ["1"]
    assert page.server_time is None
    vendor = Vendor().on("GET /articles", lambda _: page_of([json.dumps(article(1))], ServerTimeUtc=json.dumps(told)))
    page = await connect_books(vendor).read_changes(None)
    assert [change.id for change in page.changes] == ["a0001"]
    assert page.server_time is None
    till.lists("paymethods/", [])
    assert list(await connector.payment_methods()) == [], "the next request is signed as one that the till takes"


async def test_a_lock_at_the_end_of_time_is_refused_and_one_at_its_beginning_is_none() -> None:
    """The day after the last closed one can be told, or the company's settings are unreadable by name."""
    vendor = Vendor()
    vendor.on("GET /companysettings", lambda _: httpx2.Response(200, json=SETTINGS | {"AccountingLockedTo": "0001-01-01T00:00:00"}))
    assert await connect_books(vendor).first_open_day() is None
    vendor.on("GET /companysettings", lambda _: httpx2.Response(200, json=SETTINGS | {"AccountingLockedTo": "9999-12-31T00:00:00"}))
    with pytest.raises(Unreadable, match="date_out_of_range"):
        await connect_books(vendor).first_open_day()


# --- waits that are asked for ---

ASKED = [
    "31536000",
    "9" * 400,
    "1e9",
    "-5",
    "²",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 99999999999 23:59:59 GMT",
    "Mon, 99 Foo",
    "\t",
]


@pytest.mark.parametrize("asked", ASKED, ids=range(len(ASKED)))
async def test_a_wait_is_believed_within_an_hour(till: Till, asked: str) -> None:
    """Whatever is asked for, nobody sleeps inside a request for longer than a minute, or is told to wait for more than an hour."""
    body = {"code": "429.10", "developermessage": "slow"}
    headers = {"retry-after": asked.encode("utf-8")}
    till.routes["GET orders/"] = lambda _: httpx2.Response(429, json=body, headers=headers)  # type: ignore[arg-type]  # bytes are taken
    vendor = Vendor().on("GET /articles", lambda _: httpx2.Response(429, json={"ErrorCode": 4010}, headers=headers))  # type: ignore[arg-type]
    books_clock = BooksClock()
    for reading in (connect_till(till).read_changes, connect_books(vendor, clock=books_clock).read_changes):
        with pytest.raises(Throttled) as caught:
            await reading(None)
        assert caught.value.retry_after is not None
        assert 0 <= caught.value.retry_after <= 3600
    assert till.clock.elapsed < 200
    assert books_clock.elapsed < 200


# --- tokens ---


def token_answer(**fields: Any) -> httpx2.Response:
    """Return what the identity server gives, some of it spoilt; what is ``...`` is left out."""
    told = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 3600} | fields
    return httpx2.Response(200, content=json.dumps({name: value for name, value in told.items() if value is not ...}).encode())


LIVES = [1e300, -1, 0, 1e-9, float("nan"), float("inf"), "x", "1e300", None, ..., [], True, 10**400]


@pytest.mark.parametrize("life", LIVES, ids=range(len(LIVES)))
async def test_no_life_of_a_token_loses_the_sign_in(life: object) -> None:
    """Both tokens are saved before they are used, whatever life they are said to have, and that is between two minutes and a day."""
    vendor, store = Vendor(identity=[token_answer(expires_in=life)]), FakeStore(fresh(life=0))
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    await connect_books(vendor, store=store).server_time()
    assert store.tokens is not None
    assert (store.tokens.access_token, store.tokens.refresh_token) == ("access-1", "refresh-1")
    assert timedelta(minutes=2) <= store.tokens.expires_at - BOOKS_START <= timedelta(days=1)


async def test_a_token_of_no_length_is_not_renewed_for_every_request() -> None:
    """Said to live for no second, it is used for a minute; a request does not cost a renewal."""
    vendor, store = Vendor(identity=[token_answer(expires_in=0)]), FakeStore(fresh(life=0))
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    books = connect_books(vendor, store=store)
    for _ in range(50):
        await books.server_time()
    assert len(vendor.calls("POST /connect/token")) == 1


ACCESS_TOKENS = ["", "é", "a b", "a\r\nx: y", "a\x00", "x" * 20_000, 17, None, ..., ["a"], "\ud800"]


@pytest.mark.parametrize("spoilt", ACCESS_TOKENS, ids=range(len(ACCESS_TOKENS)))
async def test_an_access_token_that_cannot_be_sent_costs_no_sign_in(spoilt: object) -> None:
    """The refresh token that came with it is saved, for the old one is spent, and buys a better one: now, or after the next start."""
    vendor, store = Vendor(identity=[token_answer(access_token=spoilt)]), FakeStore(fresh(life=0))
    vendor.refresh_tokens.append("refresh-1")
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    await connect_books(vendor, store=store).server_time()
    assert [(one.access_token, one.refresh_token) for one in store.saved] == [("", "refresh-1"), ("access-2", "refresh-2")]
    store.tokens = store.saved[0]
    vendor.refresh_tokens[-1] = "refresh-1"
    await connect_books(vendor, store=store).server_time()
    assert store.saved[-1].access_token.startswith("access-")


async def test_an_access_token_that_was_saved_and_cannot_be_sent_is_renewed() -> None:
    """An earlier version saved it: the start does not end in a traceback for ever."""
    vendor, store = Vendor(), FakeStore(replace(fresh(), access_token="toké n"))
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    await connect_books(vendor, store=store).server_time()
    assert store.tokens is not None
    assert store.tokens.access_token == "access-1"


@pytest.mark.parametrize("spoilt", ["", 17, None, ["x"], {}], ids=str)
async def test_a_refresh_token_that_is_none_leaves_the_old_one(spoilt: object) -> None:
    """The access token is used, and the old refresh token is all there is."""
    vendor, store = Vendor(identity=[token_answer(refresh_token=spoilt)]), FakeStore(fresh(life=0))
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    await connect_books(vendor, store=store).server_time()
    assert store.tokens is not None
    assert (store.tokens.access_token, store.tokens.refresh_token) == ("access-1", "refresh-0")


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_a_token_answer_without_a_token_leaves_the_old_ones(garbage: bytes) -> None:
    """The old refresh token is tried once more, for it is all there is; what was saved stays."""
    vendor, store = Vendor(identity=[httpx2.Response(200, content=garbage)]), FakeStore(fresh(life=0))
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    await connect_books(vendor, store=store).server_time()
    assert store.tokens is not None
    assert store.tokens.refresh_token == "refresh-1"


@pytest.mark.parametrize("life", LIVES, ids=range(len(LIVES)))
async def test_signing_in_believes_no_more(life: object) -> None:
    """The tokens of a new sign-in have the same bounds."""
    clock = BooksClock()
    attempt = authorize.begin(authorize.Application("https://id.test", "id", "secret"), "http://localhost/")
    transport = httpx2.MockTransport(lambda _: token_answer(expires_in=life))
    http = HttpClient("books", clock=clock, budgets=Budgets(clock=clock), user_agent="Kassabrug/test", transport=transport)
    tokens = await attempt.exchange("code", http=http, clock=clock)
    assert timedelta(minutes=2) <= tokens.expires_at - BOOKS_START <= timedelta(days=1)


@pytest.mark.parametrize(
    "address", ["http://[::1?code=1", "//[", "?state=\ud800", "\x00", "?" + "a=b&" * 100_000, "?state=%ff%fe"], ids=range(6)
)
def test_an_address_that_is_none_belongs_to_no_sign_in(address: str) -> None:
    """Whatever comes back from the browser, or is pasted, is a sign-in's answer or is not."""
    attempt = authorize.begin(authorize.Application("https://id.test", "id", "secret"), "http://localhost/")
    with pytest.raises((OtherSignIn, SignInRefused)):
        attempt.code_from(address)


# --- listings end ---


async def test_a_listing_of_the_till_without_end_is_given_up(till: Till) -> None:
    """However many new records every page brings, a bound is told, and the memory holds no more than that."""

    def page(request: httpx2.Request) -> Any:
        start = int(request.url.params["start"])
        return {"next": "x", "items": [{"id": number, "productnumber": f"P{number}"} for number in range(start, start + 150)]}

    till.routes["GET products/"] = page
    with pytest.raises(Unreadable, match="60000 records"):
        await connect_till(till, reads_per_minute=0).all_products()
    assert len(till.asked("GET products/")) <= 60_000 / 149 + 2


async def test_a_listing_of_the_books_without_end_is_given_up() -> None:
    """Also where it says that there are always more pages."""

    def page(asked: Any) -> httpx2.Response:
        number = int(asked.query["$page"])
        rows = [{"Id": f"t{number}-{row}", "Name": "x"} for row in range(1000)]
        return listing(*rows, page=number, pages=number + 1, total=number * 1000 + 1000)

    vendor = Vendor().on("GET /articleaccountcodings", page)
    with pytest.raises(Unreadable, match="60000 records"):
        await connect_books(vendor, requests_per_minute=0).rates_version()
    assert len(vendor.calls("GET /articleaccountcodings")) <= 62


async def test_articles_that_all_share_one_moment_without_end_are_given_up() -> None:
    """The reading of changes has the same bound."""

    def page(asked: Any) -> httpx2.Response:
        number = int(asked.query["$page"])
        rows = [article(0, Id=f"a{number}-{row}", Number=f"{number}-{row}") for row in range(1000)]
        return listing(*rows, page=number, pages=number + 1, total=number * 1000 + 1000)

    vendor = Vendor().on("GET /articles", page)
    with pytest.raises(Unreadable, match="no reading comes past them"):
        await connect_books(vendor, requests_per_minute=0).read_changes(datetime(2026, 1, 31, 10, tzinfo=UTC))


async def test_a_page_of_too_many_records_is_none(till: Till) -> None:
    """Ten thousand at once are more than anybody asked for."""
    till.answers("GET orders/", {"items": [{"id": number} for number in range(10_001)]})
    with pytest.raises(Unreadable, match="items"):
        await connect_till(till).read_changes(None)
