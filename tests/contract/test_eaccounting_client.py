"""The eAccounting client against answers written from the vendor's reference, one at a time."""

from __future__ import annotations

import json
import random
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import anyio
import anyio.lowlevel
import httpx2
import pytest

from connectors.eaccounting import EAccounting, EAccountingConfig
from connectors.model import Address, BookPayment, Customer, DocumentDraft, DocumentKind, DocumentRow
from connectors.port import (
    Books,
    Conflict,
    ConnectorError,
    Locked,
    Missing,
    Rejected,
    Throttled,
    Tokens,
    Transient,
    Unauthorized,
    Uncertain,
    Unfilterable,
    Unreachable,
    Unreadable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

D = Decimal
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
SETTINGS = {"Name": "Shop", "CountryCode": "NL", "CurrencyCode": "EUR", "CompanyIdentifier": "c", "ActivatedModules": ["stock_standard"]}
Answer = httpx2.Response | Exception


class FakeClock:
    """A clock that jumps where it is told to sleep."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the wall clock."""
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        self.slept.append(seconds)
        self.elapsed += seconds
        await anyio.lowlevel.checkpoint()


class FakeStore:
    """A token store that several processes could share; every write is recorded."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self.tokens = tokens
        self.saved: list[Tokens] = []
        self.lock = anyio.Lock()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold off the others."""
        async with self.lock:
            yield

    async def load(self) -> Tokens | None:
        """Return the newest."""
        await anyio.lowlevel.checkpoint()
        return self.tokens

    async def save(self, tokens: Tokens) -> None:
        """Keep them."""
        await anyio.lowlevel.checkpoint()
        self.tokens = tokens
        self.saved.append(tokens)


class Seen:
    """An observer that remembers refreshes and throttles."""

    def __init__(self) -> None:
        self.refreshes: list[str] = []
        self.throttles = 0

    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:
        """Not needed here."""

    def throttled(self, side: str) -> None:
        """Count."""
        self.throttles += 1

    def waited(self, side: str, seconds: float) -> None:
        """Not needed here."""

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:
        """Remember."""
        self.refreshes.append(result)


@dataclass
class Asked:
    """A request as the vendor got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: httpx2.Headers
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON body, numbers exact."""
        return json.loads(self.content, parse_float=D)


@dataclass
class Vendor:
    """Answers what it was told, in order; the last answer of a route is repeated.  Identity gives ``access-N`` and ``refresh-N``."""

    answers: dict[str, list[Callable[[Asked], Answer] | Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=lambda: ["refresh-0"])
    identity: list[Callable[[], Answer] | Answer] = field(default_factory=list)
    accepts: Callable[[str], bool] = lambda _: True

    def on(self, route: str, *answers: Callable[[Asked], Answer] | Answer) -> Vendor:
        """Say what a route answers."""
        self.answers[route] = list(answers)
        return self

    def calls(self, route: str) -> list[Asked]:
        """Return the requests to a route."""
        return [one for one in self.asked if f"{one.method} {one.path}" == route]

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        await anyio.lowlevel.checkpoint()
        path, _, query = request.url.raw_path.decode().partition("?")
        asked = Asked(
            request.method,
            unquote(path),
            {k: v[0] for k, v in parse_qs(query.replace("+", "%2B")).items()},
            request.headers,
            request.content,
        )
        self.asked.append(asked)
        answer = self._token(asked) if asked.path == "/connect/token" else self._api(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _token(self, asked: Asked) -> Answer:
        form = {k: v[0] for k, v in parse_qs(asked.content.decode()).items()}
        assert form["grant_type"] == "refresh_token"
        assert (form["client_id"], form["client_secret"]) == ("id", "secret&=")
        if self.identity:
            told = self.identity.pop(0)
            answer = told() if callable(told) else told
            if not (isinstance(answer, Exception) and str(answer) == "after"):
                return answer
            self._rotate(form["refresh_token"])
            return answer
        if form["refresh_token"] != self.refresh_tokens[-1]:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        return self._rotate(form["refresh_token"])

    def _rotate(self, used: str) -> httpx2.Response:
        assert used == self.refresh_tokens[-1]
        number = len(self.refresh_tokens)
        self.refresh_tokens.append(f"refresh-{number}")
        return httpx2.Response(
            200, json={"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600, "token_type": "Bearer"}
        )

    def _api(self, asked: Asked) -> Answer:
        token = asked.headers["authorization"].removeprefix("Bearer ")
        if not self.accepts(token):
            return httpx2.Response(401, json={"ErrorCode": 4005, "DeveloperErrorMessage": "AuthorizationException"})
        path = asked.path.removeprefix("/v2")
        route = f"{asked.method} {path}"
        queue = self.answers.get(route) or DEFAULTS.get(route)
        if not queue:
            return httpx2.Response(404, json={"ErrorCode": 3000, "DeveloperErrorMessage": f"no {route}"})
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        return answer(asked) if callable(answer) else answer


def listing(*records: Any, page: int = 1, pages: int = 1, total: int | None = None, size: int = 1000) -> httpx2.Response:
    """Return a page of a listing."""
    meta = {
        "CurrentPage": page,
        "PageSize": size,
        "TotalNumberOfPages": pages,
        "TotalNumberOfResults": len(records) if total is None else total,
        "ServerTimeUtc": "2026-01-31T12:00:01Z",
    }
    return httpx2.Response(200, json={"Meta": meta, "Data": list(records)})


def refusal(status: int, code: int, text: str = "no", **headers: str) -> httpx2.Response:
    """Return an error as the vendor writes it."""
    body = {"ErrorCode": code, "DeveloperErrorMessage": text, "ErrorId": "x"}
    return httpx2.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


DEFAULTS: dict[str, list[Callable[[Asked], Answer] | Answer]] = {
    "GET /companysettings": [lambda _: httpx2.Response(200, json=SETTINGS)],
    "GET /articleaccountcodings": [lambda _: listing({"Id": "c21", "VatRatePercent": 0.21})],
    "GET /countries": [lambda _: listing({"Code": "NL", "IsEuMember": True}, {"Code": "BE", "IsEuMember": True}, {"Code": "CH"})],
    "GET /termsofpayments": [
        lambda _: listing(
            {"Id": "t-buy", "Name": "Inkoop", "TermsOfPaymentTypeId": 2, "AvailableForSales": False},
            {"Id": "t-30", "Name": "30 dagen", "TermsOfPaymentTypeId": 0, "AvailableForSales": True},
            {"Id": "t-cash", "Name": "Contant", "TermsOfPaymentTypeId": 2, "AvailableForSales": True},
        )
    ],
}


def fresh(number: int = 0, life: float = 3600.0) -> Tokens:
    """Return tokens that are good for ``life`` seconds."""
    return Tokens(f"access-{number}", f"refresh-{number}", START + timedelta(seconds=life), generation=number)


def connect(
    vendor: Vendor, *, store: FakeStore | None = None, clock: FakeClock | None = None, seen: Seen | None = None, **config: Any
) -> Books:
    """Return a connector to ``vendor``."""
    made = EAccountingConfig(
        **{"name": "books", "api": "https://api.test/v2/", "identity": "https://id.test/", "client_id": "id", "client_secret": "secret&="}
        | config
    )
    return EAccounting(
        made,
        clock=clock or FakeClock(),
        tokens=store or FakeStore(fresh()),
        observer=seen,
        transport=httpx2.MockTransport(vendor),
        jitter=random.Random(1),
    )


def article(number: int, moment: str = "2026-01-31T10:00:00Z", **changes: Any) -> dict[str, Any]:
    """Return an article as it comes over the wire."""
    return {
        "Id": f"a{number:04}",
        "Number": f"S{number:04}",
        "Name": "Candle",
        "GrossPrice": 2.55,
        "CodingId": "c21",
        "IsStock": True,
        "StockBalance": 5,
        "StockBalanceReserved": 1,
        "StockBalanceAvailable": 4,
        "ChangedUtc": moment,
    } | changes


def paged(records: list[dict[str, Any]], *, size: int, field_: str = "ChangedUtc") -> Callable[[Asked], Answer]:
    """Answer a listing as the vendor does: filtered by ``ge``, sorted, cut into pages of at most ``size``."""

    def answer(asked: Asked) -> Answer:
        rows = sorted(records, key=lambda row: (row[field_], row["Number"]))
        where = asked.query.get("$filter")
        if where:
            name, operator, since = where.split(" ")
            assert (name, operator) == (field_, "ge")
            rows = [row for row in rows if row[field_] >= since]
        number = int(asked.query["$page"])
        shown = rows[(number - 1) * size : number * size]
        return listing(*shown, page=number, pages=-(-len(rows) // size), total=len(rows), size=size)

    return answer


# -- sign-in -----------------------------------------------------------------------------------------------------------------------


async def test_a_token_that_is_about_to_expire_is_renewed_before_the_call() -> None:
    """Within a minute of its end the token is refreshed, the new ones are saved, and only then used."""
    vendor, store, seen = Vendor(), FakeStore(fresh(life=59)), Seen()
    vendor.on("GET /units", lambda _: listing({"Id": "u"}) if store.saved else AssertionError("used before it was durable"))
    assert await connect(vendor, store=store, seen=seen).server_time() == START + timedelta(seconds=1)
    assert store.saved == [Tokens("access-1", "refresh-1", START + timedelta(hours=1), generation=1)]
    assert vendor.calls("GET /v2/units")[0].headers["authorization"] == "Bearer access-1"
    assert seen.refreshes == ["ok"]


async def test_a_good_token_is_used_as_it_is() -> None:
    """No refresh without need."""
    vendor = Vendor().on("GET /units", listing({"Id": "u"}))
    await connect(vendor, store=FakeStore(fresh(life=61))).server_time()
    assert [one.path for one in vendor.asked] == ["/v2/units"]


async def test_a_refused_token_is_renewed_once_and_the_call_made_again() -> None:
    """A 401 refreshes once; the write that it refused had no effect and is sent again."""
    vendor, store = Vendor(accepts=lambda token: token == "access-1"), FakeStore(fresh())
    vendor.on("POST /customers", lambda asked: httpx2.Response(201, json={"Id": "k", **asked.body}))
    assert (await connect(vendor, store=store).create_customer(Customer(name="Ann"))).id == "k"
    assert len(vendor.calls("POST /v2/customers")) == 1
    assert len(vendor.calls("POST /connect/token")) == 1


async def test_a_token_refused_twice_is_unauthorized() -> None:
    """When the new token is refused as well, a person has to look."""
    vendor = Vendor(accepts=lambda _: False)
    with pytest.raises(Unauthorized, match="4005"):
        await connect(vendor).server_time()
    assert len(vendor.calls("POST /connect/token")) == 1
    assert len(vendor.calls("GET /v2/units")) == 2


async def test_two_processes_on_one_store_refresh_once() -> None:
    """One refresher at a time, and the second finds what the first saved: the one-time token is used once."""
    vendor, store = Vendor(), FakeStore(fresh(life=0))
    vendor.on("GET /units", lambda asked: listing({"Id": "u"}))
    keepers = [connect(vendor, store=store) for _ in range(2)]
    async with anyio.create_task_group() as tasks:
        for books in keepers * 4:
            tasks.start_soon(books.server_time)
    assert len(vendor.calls("POST /connect/token")) == 1
    assert {one.headers["authorization"] for one in vendor.calls("GET /v2/units")} == {"Bearer access-1"}


async def test_a_refresh_that_somebody_else_made_is_taken_over() -> None:
    """After a 401 the store is read first: another process may have been faster."""
    vendor, store = Vendor(accepts=lambda token: token == "access-1"), FakeStore(fresh())
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    books = connect(vendor, store=store)
    store_tokens = fresh(1)

    def slower(_: Asked) -> Answer:
        store.tokens = store_tokens
        return httpx2.Response(401)

    vendor.on("GET /units", slower, listing({"Id": "u"}))
    vendor.accepts = lambda _: True
    await books.server_time()
    assert vendor.calls("POST /connect/token") == []
    assert vendor.calls("GET /v2/units")[1].headers["authorization"] == "Bearer access-1"


async def test_a_lost_answer_to_a_refresh_is_asked_for_once_more() -> None:
    """The connection broke before the server worked: the same token is tried again and works."""
    vendor, store, seen = Vendor(identity=[httpx2.ReadError("before")]), FakeStore(fresh(life=0)), Seen()
    vendor.on("GET /units", listing({"Id": "u"}))
    await connect(vendor, store=store, seen=seen).server_time()
    assert store.tokens is not None
    assert store.tokens.refresh_token == "refresh-1"
    assert seen.refreshes == ["ok"]


async def test_a_lost_answer_that_spent_the_token_is_unauthorized() -> None:
    """The server rotated and the answer was lost: the old token is denied, and only a person can help.  It is not asked a third time."""
    vendor, store, seen = Vendor(identity=[httpx2.ReadError("after")]), FakeStore(fresh(life=0)), Seen()
    books = connect(vendor, store=store, seen=seen)
    for _ in range(2):
        with pytest.raises(Unauthorized, match="invalid_grant"):
            await books.server_time()
    assert len(vendor.calls("POST /connect/token")) == 2
    assert seen.refreshes == ["denied"]
    assert store.saved == []


async def test_a_new_sign_in_ends_the_denial() -> None:
    """After a person signed in again the store holds other tokens, and work goes on without a restart."""
    vendor, store = Vendor(refresh_tokens=["refresh-0", "refresh-1"]), FakeStore(fresh(life=0))
    vendor.on("GET /units", lambda _: listing({"Id": "u"}))
    books = connect(vendor, store=store)
    with pytest.raises(Unauthorized):
        await books.server_time()
    store.tokens = fresh(1)
    await books.server_time()
    assert vendor.calls("GET /v2/units")[0].headers["authorization"] == "Bearer access-1"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([httpx2.ConnectError("down")], Unreachable),
        ([httpx2.ReadError("x"), httpx2.ReadTimeout("x")], Transient),
        ([httpx2.Response(200, content=b"<html>"), httpx2.Response(200, content=b"")], Transient),
        ([httpx2.Response(503, content=b"<html>")], Transient),
        ([httpx2.Response(502, json={"error": "invalid_grant"})], Transient),
        ([httpx2.Response(429, headers={"retry-after": "7"})], Throttled),
    ],
    ids=["refused", "lost twice", "no json", "503", "502", "429"],
)
async def test_trouble_with_the_identity_server_is_never_unauthorized(answers: list[Answer], kind: type[ConnectorError]) -> None:
    """The network, not the sign-in, is at fault: the tokens stay as they are, and the next call tries again."""
    vendor, store, seen = Vendor(identity=[*answers]), FakeStore(fresh(life=0)), Seen()
    vendor.on("POST /customerinvoices/i1/payments", httpx2.Response(201, json={"PaymentAmount": 12.1}))
    books = connect(vendor, store=store, seen=seen)
    with pytest.raises(kind):
        await books.register_payment(PAYMENT)
    assert store.tokens == fresh(life=0)
    assert seen.refreshes == ["error"]
    await books.register_payment(PAYMENT)


async def test_a_token_in_its_last_seconds_is_used_while_the_identity_server_is_away() -> None:
    """A refresh ahead of time that fails costs nothing as long as the token is good."""
    vendor = Vendor(identity=[httpx2.ConnectError("down")])
    vendor.on("GET /units", listing({"Id": "u"}))
    await connect(vendor, store=FakeStore(fresh(life=30))).server_time()
    assert vendor.calls("GET /v2/units")[0].headers["authorization"] == "Bearer access-0"


async def test_a_denial_looks_once_whether_somebody_signed_in_meanwhile() -> None:
    """A sign-in does not wait for the refresher's lock: tokens that appear while the old one is denied are used."""
    for life in (3600.0, 0.0):
        vendor, store = Vendor(refresh_tokens=["refresh-0", "refresh-1"]), FakeStore(fresh(life=0))
        vendor.on("GET /units", lambda _: listing({"Id": "u"}))

        def denied(store: FakeStore = store, life: float = life) -> Answer:
            store.tokens = fresh(1, life)
            return httpx2.Response(400, json={"error": "invalid_grant"})

        vendor.identity = [denied]
        await connect(vendor, store=store).server_time()
        expected = "access-1" if life else "access-2"
        assert vendor.calls("GET /v2/units")[0].headers["authorization"] == f"Bearer {expected}"


async def test_wrong_client_credentials_are_unauthorized() -> None:
    """The identity server says that it does not know this client."""
    vendor = Vendor(identity=[httpx2.Response(401, json={"error": "invalid_client"})])
    with pytest.raises(Unauthorized, match="invalid_client"):
        await connect(vendor, store=FakeStore(fresh(life=0))).server_time()


async def test_the_first_start_takes_the_tokens_of_the_configuration() -> None:
    """An empty store is filled from the configuration; a store with tokens is believed instead."""
    vendor = Vendor().on("GET /units", lambda _: listing({"Id": "u"}))
    store = FakeStore()
    await connect(vendor, store=store, access_token="given", refresh_token="refresh-0").server_time()
    assert [one.refresh_token for one in store.saved] == ["refresh-0"]
    assert vendor.asked[-1].headers["authorization"] == "Bearer given"
    await connect(vendor, store=store, access_token="older", refresh_token="older").server_time()
    assert vendor.asked[-1].headers["authorization"] == "Bearer given"


async def test_two_processes_that_start_together_take_the_configured_tokens_once() -> None:
    """The second finds what the first saved, and does not put the configuration's tokens back."""
    vendor, store = Vendor().on("GET /units", lambda _: listing({"Id": "u"})), FakeStore()
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(connect(vendor, store=store, refresh_token="refresh-0").server_time)
    assert [one.refresh_token for one in store.saved] == ["refresh-0", "refresh-1"]
    assert len(vendor.calls("POST /connect/token")) == 1


async def test_a_refresh_token_alone_is_enough_and_none_is_unauthorized() -> None:
    """Without an access token one is fetched; without any token somebody has to sign in."""
    vendor = Vendor().on("GET /units", lambda _: listing({"Id": "u"}))
    await connect(vendor, store=FakeStore(), refresh_token="refresh-0").server_time()
    assert vendor.asked[-1].headers["authorization"] == "Bearer access-1"
    with pytest.raises(Unauthorized, match="never signed in"):
        await connect(vendor, store=FakeStore()).server_time()
    with pytest.raises(Unauthorized, match="no refresh token"):
        await connect(Vendor(accepts=lambda _: False), store=FakeStore(), access_token="given").server_time()


async def test_a_cancelled_caller_does_not_lose_the_new_refresh_token() -> None:
    """Cancelled while the server rotates: the answer is still taken and saved."""
    vendor, store = Vendor(), FakeStore(fresh(life=0))
    with anyio.CancelScope() as scope:

        def cancelling(_: Asked) -> None:
            scope.cancel()

        rotate = vendor._rotate

        def rotating(used: str) -> httpx2.Response:
            scope.cancel()
            return rotate(used)

        vendor._rotate = rotating  # type: ignore[method-assign]  # the vendor cancels us at the worst moment
        await connect(vendor, store=store).server_time()
    assert [one.refresh_token for one in store.saved] == ["refresh-1"]


async def test_no_error_ever_shows_a_token_or_what_was_read() -> None:
    """Errors can be logged with all that led to them: an answer that cannot be understood is not quoted."""
    vendor = Vendor(identity=[httpx2.Response(200, json={"access_token": "hush", "refresh_token": "hush"})] * 2)
    vendor.on("GET /customerinvoices/i1", lambda _: httpx2.Response(200, json={"Id": "hush"}))
    vendor.on("POST /customerinvoices", lambda _: httpx2.Response(200, json={"Id": "hush"}))
    signing_in = connect(vendor, store=FakeStore(fresh(life=0)))
    books = connect(vendor)
    for call in (
        lambda: signing_in.register_payment(PAYMENT),
        lambda: books.get_document("i1"),
        lambda: books.book(DRAFT),
    ):
        with pytest.raises(ConnectorError) as caught:
            await call()
        told = "".join(traceback.format_exception(caught.value))
        assert "hush" not in told
        assert "secret&=" not in told


# -- errors ------------------------------------------------------------------------------------------------------------------------

ERRORS = [
    (refusal(400, 2000), Rejected, Rejected, "2000"),
    (refusal(400, 4002), Rejected, Rejected, "4002"),
    (refusal(400, 4008), Rejected, Rejected, "4008"),
    (refusal(400, 4026), Locked, Locked, "4026"),
    (refusal(403, 4003), Rejected, Rejected, "4003"),
    (refusal(403, 4004), Rejected, Rejected, "4004"),
    (refusal(403, 4006), Rejected, Rejected, "4006"),
    (refusal(403, 4007), Rejected, Rejected, "4007"),
    (refusal(403, 4012), Rejected, Rejected, "4012"),
    (refusal(403, 4005), Unauthorized, Unauthorized, "4005"),
    (refusal(401, 4005), Unauthorized, Unauthorized, "4005"),
    (httpx2.Response(401), Unauthorized, Unauthorized, "401"),
    (refusal(404, 3000), Missing, Rejected, "3000"),
    (refusal(400, 3000), Missing, Rejected, "3000"),
    # a page is not the vendor's own answer, and proves nothing about a record
    (httpx2.Response(404, content=b"<html>"), Transient, Uncertain, "404"),
    (httpx2.Response(404), Missing, Rejected, "404"),
    (refusal(400, 3001), Rejected, Rejected, "3001"),
    (refusal(409, 4000), Conflict, Conflict, "4000"),
    (refusal(400, 4000), Conflict, Conflict, "4000"),
    (refusal(429, 4010), Throttled, Throttled, "4010"),
    (refusal(403, 4010), Throttled, Throttled, "4010"),
    (httpx2.Response(429), Throttled, Throttled, "429"),
    (refusal(500, 5000), Transient, Uncertain, "5000"),
    (refusal(503, 5001), Transient, Uncertain, "5001"),
    (httpx2.Response(502, content=b"<html>"), Transient, Uncertain, "502"),
    (httpx2.Response(302, headers={"location": "https://x"}), Transient, Uncertain, "302"),
    (httpx2.Response(408), Transient, Uncertain, "408"),
    (httpx2.Response(418, content=b"[]"), Rejected, Rejected, "418"),
    (refusal(400, 6000), Rejected, Rejected, "6000"),
]


@pytest.mark.parametrize(("answer", "reading", "writing", "code"), ERRORS, ids=lambda value: value if isinstance(value, str) else "")
async def test_every_refusal_has_one_meaning(
    answer: httpx2.Response, reading: type[Exception], writing: type[Exception], code: str
) -> None:
    """Status and code decide what is to be done: a failed read is harmless, a failed POST may have happened."""
    vendor = Vendor().on("GET /customerinvoices/i1", lambda _: answer).on("POST /customerinvoices", lambda _: answer)
    books = connect(vendor)
    with pytest.raises(reading) as read:
        await books.get_document("i1")
    with pytest.raises(writing) as written:
        await books.book(DRAFT)
    assert isinstance(read.value, ConnectorError)
    assert isinstance(written.value, ConnectorError)
    assert (type(read.value), read.value.code) == (reading, code)
    assert (type(written.value), written.value.code) == (writing, code)


async def test_a_refusal_names_the_fields() -> None:
    """What is held says which field the vendor objects to."""
    body = {
        "ErrorCode": 2000,
        "DeveloperErrorMessage": "Invalid",
        "Errors": [{"Field": "Name", "ErrorCode": "2000", "Message": "too long"}],
    }
    vendor = Vendor().on("POST /customerinvoices", httpx2.Response(400, json=body))
    with pytest.raises(Rejected, match="2000: Invalid; Name: too long"):
        await connect(vendor).book(DRAFT)


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"retry_after": "17"}, "no", 17.0),
        ({"retry_after": "Sat, 31 Jan 2026 12:00:20 GMT"}, "no", 20.0),
        ({"retry_after": "Sat, 31 Jan 2026 11:00:00 GMT"}, "no", 0.0),
        ({"retry_after": "soon"}, "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds.", 55.0),
        ({}, "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds.", 55.0),
        ({}, "slow down", 60.0),
        ({"retry_after": "999999999"}, "no", 3600.0),
    ],
)
async def test_a_429_says_how_long_to_wait(headers: dict[str, str], text: str, seconds: float) -> None:
    """The header, else the text, else a minute; never longer than an hour."""
    vendor, seen = Vendor().on("POST /customerinvoices", lambda _: refusal(429, 4010, text, **headers)), Seen()
    with pytest.raises(Throttled) as caught:
        await connect(vendor, seen=seen).book(DRAFT)
    assert caught.value.retry_after == seconds
    assert seen.throttles == 1


async def test_after_a_429_nobody_asks_on_that_address_and_others_go_on() -> None:
    """The penalty is kept per address: the next write there waits it out, a read elsewhere does not."""
    vendor, clock = Vendor(), FakeClock()
    vendor.on("POST /customerinvoices", refusal(429, 4010, retry_after="40"), lambda _: httpx2.Response(201, json=INVOICE))
    vendor.on("GET /units", listing({"Id": "u"}))
    books = connect(vendor, clock=clock)
    with pytest.raises(Throttled):
        await books.book(DRAFT)
    await books.server_time()
    assert clock.elapsed == 0
    await books.book(DRAFT)
    assert clock.elapsed == 40


async def test_a_listing_waits_out_a_429_of_its_own() -> None:
    """One refused page does not make a long listing start again."""
    vendor, clock = Vendor(), FakeClock()
    records = [article(number) for number in range(5)]
    vendor.on("GET /articles", paged(records, size=2), refusal(429, 4010, retry_after="30"), paged(records, size=2))
    assert len(await connect(vendor, clock=clock).stock_levels()) == 5
    assert clock.elapsed >= 30


# -- listings ----------------------------------------------------------------------------------------------------------------------


async def read_everything(books: Books, since: datetime | None = None) -> list[str]:
    """Read changes to the end as the engine does, dropping what was seen."""
    seen: dict[tuple[str, str], None] = {}
    page = await books.read_changes(since)
    while True:
        seen.update(dict.fromkeys((change.id, change.version) for change in page.changes))
        if not page.more:
            return [id_ for id_, _ in seen]
        page = await books.read_changes(since, after=page.changes[-1])


async def test_changes_are_read_from_the_last_moment_on() -> None:
    """Every page is the first one from the last moment: no page numbers, nothing skipped, in order, inclusive."""
    vendor = Vendor()
    records = [article(number, f"2026-01-31T10:00:{number:02}.5Z") for number in range(7)]
    vendor.on("GET /articles", paged(records, size=3))
    assert await read_everything(connect(vendor)) == [record["Id"] for record in records]
    asked = [one.query for one in vendor.calls("GET /v2/articles")]
    assert {one["$page"] for one in asked} == {"1"}
    assert {one["$orderby"] for one in asked} == {"ChangedUtc,Number"}
    assert asked[0]["$pagesize"] == "1000"
    assert [one.get("$filter") for one in asked][:2] == [None, "ChangedUtc ge 2026-01-31T10:00:02.500000Z"]


async def test_since_is_inclusive_and_the_page_tells_the_vendors_time() -> None:
    """A record of exactly that moment is delivered; the server's clock comes along for the cursor."""
    vendor = Vendor().on("GET /articles", paged([article(1, "2026-01-31T10:00:00Z")], size=3))
    page = await connect(vendor).read_changes(datetime(2026, 1, 31, 10, tzinfo=UTC))
    assert [change.id for change in page.changes] == ["a0001"]
    assert (page.more, page.server_time, page.bad) == (False, START + timedelta(seconds=1), ())
    assert page.changes[0].record.quantity == D(4)


async def test_more_records_in_one_moment_than_fit_a_page_are_read_page_by_page() -> None:
    """An import stamps thousands of articles with one moment: reading goes through them and on."""
    vendor = Vendor()
    records = [article(number, "2026-01-31T10:00:00Z") for number in range(8)] + [article(9, "2026-01-31T10:00:01Z")]
    vendor.on("GET /articles", paged(records, size=3))
    assert await read_everything(connect(vendor)) == [record["Id"] for record in records]


async def test_a_page_that_repeats_for_ever_is_unreadable() -> None:
    """A vendor that ignores $page is found out; the loop ends."""
    same = [article(number) for number in range(3)]

    def stuck(asked: Asked) -> Answer:
        return listing(*same, page=int(asked.query["$page"]), pages=4, total=10, size=3)

    calls: list[Callable[[Books], Awaitable[object]]] = [
        lambda books: books.read_changes(START - timedelta(hours=2)),
        lambda books: books.stock_levels(),
    ]
    for call in calls:
        vendor = Vendor().on("GET /articles", stuck)
        with pytest.raises(Unreadable):
            await call(connect(vendor))
        assert len(vendor.calls("GET /v2/articles")) < 20


async def test_a_record_that_fell_between_two_pages_is_found() -> None:
    """Something moved while a whole list was read: the total tells, the list is read again, and nothing is missing."""
    records = [article(number) for number in range(7)]
    shifts = iter([False, True, False])

    def shifting(asked: Asked) -> Answer:
        number = int(asked.query["$page"])
        start = (number - 1) * 3 + next(shifts, False)
        return listing(*records[start : start + 3], page=number, pages=3, total=7, size=3)

    vendor = Vendor().on("GET /articles", shifting)
    assert len(await connect(vendor).stock_levels()) == 7


async def test_a_record_that_fell_between_two_pages_of_one_moment_is_found() -> None:
    """The same inside a moment that fills several pages of changes."""
    records = [article(number) for number in range(8)]
    shifts = iter([False, True, False])

    def shifting(asked: Asked) -> Answer:
        number = int(asked.query["$page"])
        start = (number - 1) * 3 + next(shifts, False)
        return listing(*records[start : start + 3], page=number, pages=3, total=8, size=3)

    vendor = Vendor().on("GET /articles", shifting)
    page = await connect(vendor).read_changes(datetime(2026, 1, 31, 10, tzinfo=UTC))
    assert len(page.changes) == 8


async def test_records_that_come_twice_are_delivered_once() -> None:
    """A page that overlaps the one before adds nothing twice."""
    records = [article(number) for number in range(6)]

    def overlapping(asked: Asked) -> Answer:
        number = int(asked.query["$page"])
        start = (number - 1) * 3
        return listing(*records[max(start - 1, 0) : start + 3], page=number, pages=2, total=6, size=3)

    vendor = Vendor().on("GET /articles", overlapping)
    assert [level.product_id for level in await connect(vendor).stock_levels()] == [record["Id"] for record in records]


@pytest.mark.parametrize(
    "garbled",
    [
        httpx2.Response(200, content=b""),
        httpx2.Response(200, content=b"<html>"),
        httpx2.Response(200, content=b'{"Data": []}'),
        httpx2.Response(200, json={"Meta": None, "Data": []}),
        listing(article(1), total=2),
        listing(article(1), page=2),
    ],
    ids=["empty", "html", "no meta", "null meta", "short", "other page"],
)
async def test_a_page_that_is_none_is_asked_for_again(garbled: httpx2.Response) -> None:
    """A broken answer to a read is repeated; when it stays broken the listing is unreadable."""
    vendor = Vendor().on("GET /articles", garbled, garbled, listing(article(1)))
    assert [change.id for change in (await connect(vendor).read_changes(None)).changes] == ["a0001"]
    vendor = Vendor().on("GET /articles", lambda _: garbled)
    with pytest.raises(Unreadable):
        await connect(vendor).read_changes(None)
    assert len(vendor.calls("GET /v2/articles")) == 3


async def test_a_listing_in_the_wrong_order_is_unreadable() -> None:
    """Going on from the last moment would skip what came out of order."""
    vendor = Vendor().on("GET /articles", listing(article(1, "2026-01-31T10:00:01Z"), article(2, "2026-01-31T10:00:00Z")))
    with pytest.raises(Unreadable, match="order"):
        await connect(vendor).read_changes(None)


async def test_one_broken_record_does_not_hide_the_others() -> None:
    """What cannot be read or understood is named with its id, moment and reason; its neighbours are delivered."""
    vendor = Vendor().on(
        "GET /articles",
        listing(article(1), article(2, GrossPrice="dear"), article(3, CodingId="gone"), article(4), article(5, ChangedUtc="once")),
    )
    page = await connect(vendor).read_changes(None)
    assert [change.id for change in page.changes] == ["a0001", "a0004"]
    assert {(id_, moment is not None) for id_, moment, _ in page.bad} == {("a0002", True), ("a0003", True), ("a0005", False)}
    reasons = {id_: reason for id_, _, reason in page.bad}
    assert "GrossPrice" in reasons["a0002"]
    assert "dear" not in reasons["a0002"]
    assert "coding" in reasons["a0003"]


async def test_the_version_changes_with_the_stock_though_the_moment_does_not() -> None:
    """Whether a stock move touches ChangedUtc is unknown; a product that differs is another version."""
    vendor = Vendor().on("GET /articles", listing(article(1)), listing(article(1)), listing(article(1, StockBalanceAvailable=3)))
    books = connect(vendor)
    versions = [(await books.read_changes(None)).changes[0].version for _ in range(3)]
    assert versions[0] == versions[1] != versions[2]


async def test_a_coding_that_is_new_is_read_and_registers_are_read_once() -> None:
    """Registers are kept for a while; an article that speaks of an unknown coding refreshes them, but not every moment."""
    codings = [{"Id": "c21", "VatRatePercent": 0.21}]
    vendor, clock = Vendor(), FakeClock()
    vendor.on("GET /articles", lambda _: listing(article(1, CodingId="c9")))
    vendor.on("GET /articleaccountcodings", lambda _: listing(*codings))
    books = connect(vendor, clock=clock)
    assert isinstance(books, EAccounting)
    for _ in range(3):
        assert (await books.read_changes(None)).changes == ()
    assert books.register_reads == {"/articleaccountcodings": 1, "/companysettings": 1}
    codings.append({"Id": "c9", "VatRatePercent": 0.09})
    clock.elapsed += 31
    assert (await books.read_changes(None)).changes[0].record.vat_rate == D(9)
    clock.elapsed += 901
    await books.read_changes(None)
    assert books.register_reads == {"/articleaccountcodings": 3, "/companysettings": 2}


# -- products ----------------------------------------------------------------------------------------------------------------------


async def test_products_are_found_without_regard_to_case_and_quotes_are_escaped() -> None:
    """Each SKU is asked for in its spellings; a quote in it is doubled; what only looks similar is left out."""
    vendor = Vendor().on("GET /articles", listing(article(1, Number="85123A"), article(2, Number="O'Neill"), article(3, Number="85123AB")))
    found = await connect(vendor).find_products(["85123a", "o'neill", "", " 85123A "])
    assert {product.sku for product in found} == {"85123A", "O'Neill"}
    [asked] = vendor.calls("GET /v2/articles")
    assert asked.query["$filter"].split(" or ") == [f"Number eq {one}" for one in ("'85123A'", "'85123a'", "'O''NEILL'", "'o''neill'")]


async def test_many_skus_read_the_whole_list() -> None:
    """Few SKUs go in chunks of a filter, more than two hundred cost less as the whole list."""
    records = [article(number) for number in range(300)]
    vendor = Vendor().on("GET /articles", lambda _: listing(*records))
    books = connect(vendor)
    assert len(await books.find_products([f"s{number:04}" for number in range(201)])) == 201
    [asked] = vendor.calls("GET /v2/articles")
    assert "$filter" not in asked.query
    await books.find_products([str(number) for number in range(60)])
    assert [one.query["$filter"].count(" eq ") for one in vendor.calls("GET /v2/articles")[1:]] == [25, 25, 10]


async def test_one_product_is_read_by_its_id() -> None:
    """Missing is confirmed by the id; an article that cannot be understood is unreadable."""
    vendor = Vendor().on("GET /articles/a1", httpx2.Response(200, json=article(1)))
    vendor.on("GET /articles/a2", httpx2.Response(200, json=article(2, GrossPrice=None)))
    books = connect(vendor)
    assert (await books.get_product("a1")).price == D("2.55")
    with pytest.raises(Unreadable, match="S0002"):
        await books.get_product("a2")
    with pytest.raises(Missing):
        await books.get_product("a3")


async def test_stock_is_read_of_every_article() -> None:
    """Tracked articles with what is free, untracked ones without a number; a broken one hides nobody."""
    vendor = Vendor().on("GET /articles", listing(article(1), article(2, IsStock=False), article(3, StockBalance="many")))
    levels = {level.sku: level.available for level in await connect(vendor).stock_levels()}
    assert levels == {"S0001": D(4), "S0002": None}


# -- customers ---------------------------------------------------------------------------------------------------------------------


async def test_customers_are_found_by_address_or_number() -> None:
    """Case of the address does not count; what the vendor found too much is left out; nothing asked finds nothing."""
    vendor = Vendor().on(
        "GET /customers",
        listing(
            {"Id": "k1", "EmailAddress": "Ann@Shop.example", "CustomerNumber": "1"},
            {"Id": "k2", "EmailAddress": "else@shop.example", "CustomerNumber": "7"},
            {"Id": "k3", "EmailAddress": "else@shop.example", "CustomerNumber": "8"},
        ),
    )
    books = connect(vendor)
    assert [one.id for one in await books.find_customers(emails=["ann@shop.EXAMPLE"], numbers=["7"])] == ["k1", "k2"]
    assert await books.find_customers() == []
    [asked] = vendor.calls("GET /v2/customers")
    assert asked.query["$filter"] == ("EmailAddress eq 'ann@shop.EXAMPLE' or EmailAddress eq 'ann@shop.example' or CustomerNumber eq '7'")


async def test_a_customer_record_that_cannot_be_read_fails_the_search() -> None:
    """Leaving it out would create the customer a second time."""
    vendor = Vendor().on("GET /customers", listing({"Id": "k1", "EmailAddress": 5}))
    with pytest.raises(Unreadable, match="k1"):
        await connect(vendor).find_customers(emails=["a@b.example"])


async def test_a_new_customer_gets_normal_terms_and_comes_back_with_its_id() -> None:
    """The first terms that sales may use and that are not cash, the VAT flag outside the EU, dashes for what is required and unknown."""
    vendor = Vendor().on("POST /customers", lambda asked: httpx2.Response(201, json={"Id": "k9", "CustomerNumber": "1002", **asked.body}))
    swiss = Customer(name="Ann", email="ann@shop.example", charge_vat_abroad=True, invoice_address=Address(country="CH"))
    made = await connect(vendor).create_customer(swiss)
    assert (made.id, made.number, made.name, made.invoice_address.city) == ("k9", "1002", "Ann", None)
    body = vendor.calls("POST /v2/customers")[0].body
    assert (body["TermsOfPaymentId"], body["ForceBookkeepVat"], body["InvoiceCity"]) == ("t-30", True, "-")


async def test_terms_of_payment_can_be_named() -> None:
    """The configured name is looked up without regard to case; one that is not there is refused before anything is sent."""
    vendor = Vendor().on("POST /customers", lambda asked: httpx2.Response(201, json={"Id": "k9", **asked.body}))
    await connect(vendor, terms_of_payment="30 DAGEN").create_customer(Customer(name="Ann"))
    assert vendor.calls("POST /v2/customers")[0].body["TermsOfPaymentId"] == "t-30"
    with pytest.raises(Rejected, match="'60 dagen'"):
        await connect(vendor, terms_of_payment="60 dagen").create_customer(Customer(name="Ann"))
    assert len(vendor.calls("POST /v2/customers")) == 1


async def test_a_customer_created_without_an_answering_body_has_an_empty_id() -> None:
    """204 says that it happened; something that cannot be understood says nothing."""
    vendor = Vendor().on("POST /customers", httpx2.Response(204), httpx2.Response(200, content=b"<html>"))
    books = connect(vendor)
    assert (await books.create_customer(Customer(name="Ann"))).id == ""
    with pytest.raises(Uncertain):
        await books.create_customer(Customer(name="Ann"))


async def test_what_is_no_record_is_never_written_back() -> None:
    """A list where a record should be is unreadable; nothing is put."""
    vendor = Vendor().on("GET /customers/k1", lambda _: httpx2.Response(200, json=[]))
    with pytest.raises(Unreadable):
        await connect(vendor).update_customer("k1", Customer(name="Bob"))
    assert not [one for one in vendor.asked if one.method == "PUT"]


async def test_a_customer_is_changed_by_reading_modifying_and_writing_back() -> None:
    """The PUT carries every field that was read, to the digit; nothing is written where nothing changes."""
    raw = {
        "Id": "k1",
        "Name": "Bakery BV",
        "ContactPersonName": "Ann",
        "IsPrivatePerson": False,
        "IsActive": True,
        "InvoiceCountryCode": "CH",
        "ForceBookkeepVat": True,
        "DiscountPercentage": 0.1250,
        "Note": "pays late",
        "Future": {"a": [1.10]},
        "ChangedUtc": "2026-01-01T00:00:00Z",
    }
    vendor = Vendor().on("GET /customers/k1", httpx2.Response(200, content=json.dumps(raw).encode()))
    vendor.on("PUT /customers/k1", lambda asked: httpx2.Response(200, json={"Id": "k1"}))
    books = connect(vendor)
    await books.update_customer("k1", Customer(company="Bakery BV", name="Bob", phone="06"))
    [put] = vendor.calls("PUT /v2/customers/k1")
    assert put.body == {**wire_exact(raw), "ContactPersonName": "Bob", "Telephone": "06"}
    await books.update_customer("k1", Customer(company="Bakery BV", name="Ann"))
    assert len(vendor.calls("PUT /v2/customers/k1")) == 1


def wire_exact(raw: dict[str, Any]) -> dict[str, Any]:
    """Return what may be written of a record, as exact numbers."""
    exact: dict[str, Any] = json.loads(json.dumps(raw), parse_float=D)
    return {name: value for name, value in exact.items() if name not in {"Id", "ChangedUtc"}}


@pytest.mark.parametrize("answer", [httpx2.Response(500), httpx2.Response(200, content=b"<html>"), httpx2.ReadError("reset")])
async def test_a_put_that_failed_may_be_repeated(answer: Answer) -> None:
    """Replacing a record by the same again does no harm: it is transient, not uncertain; an empty answer is a success."""
    vendor = Vendor().on("GET /customers/k1", lambda _: httpx2.Response(200, json={"Id": "k1", "Name": "Ann", "IsPrivatePerson": True}))
    vendor.on("PUT /customers/k1", answer, httpx2.Response(204))
    books = connect(vendor)
    with pytest.raises(Transient):
        await books.update_customer("k1", Customer(name="Bob"))
    await books.update_customer("k1", Customer(name="Bob"))


# -- documents ---------------------------------------------------------------------------------------------------------------------

DRAFT = DocumentDraft(
    kind=DocumentKind.INVOICE,
    key="KB-1-42",
    customer_id="k1",
    date=date(2026, 1, 31),
    rows=(DocumentRow("a1", "Candle", D("2.00"), D("6.05"), D(21)),),
    gross=D("12.10"),
    currency="EUR",
    prices_include_vat=True,
)
INVOICE: dict[str, Any] = {
    "Id": "i1",
    "CustomerId": "k1",
    "InvoiceNumber": 7,
    "YourReference": "KB-1-42",
    "TotalAmount": 12.1,
    "TotalVatAmount": 2.1,
    "RemainingAmount": 12.1,
    "ModifiedUtc": "2026-01-31T10:00:00Z",
}


async def test_booking_sends_exact_amounts_and_returns_the_document() -> None:
    """The digits that were decided are the digits that are sent, as JSON numbers."""
    vendor = Vendor().on("POST /customerinvoices", httpx2.Response(201, json=INVOICE))
    document = await connect(vendor).book(DRAFT)
    assert (document.id, document.number, document.gross, document.currency) == ("i1", "7", D("12.10"), "EUR")
    [asked] = vendor.calls("POST /v2/customerinvoices")
    assert b'"Quantity":2.00,"UnitPrice":6.05' in asked.content
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(204),
        httpx2.Response(201, content=b""),
        httpx2.Response(200, content=b"<html>"),
        httpx2.Response(201, json={"Id": "i1"}),
        httpx2.Response(201, json={**INVOICE, "TotalAmount": None}),
        httpx2.ReadTimeout("late"),
        httpx2.RemoteProtocolError("cut"),
        httpx2.Response(500),
    ],
    ids=["204", "empty", "html", "fragment", "no totals", "timeout", "cut", "500"],
)
async def test_a_document_whose_answer_cannot_be_trusted_is_uncertain_and_never_sent_again(answer: Answer) -> None:
    """It may have been booked: the caller looks it up; the client does not send it twice."""
    calls: dict[str, Callable[[Books], Awaitable[object]]] = {
        "/customerinvoices": lambda books: books.book(DRAFT),
        "/customerinvoicedrafts": lambda books: books.propose(DRAFT),
        "/customerinvoices/i1/payments": lambda books: books.register_payment(PAYMENT),
    }
    for route, call in calls.items():
        vendor = Vendor().on(f"POST {route}", answer)
        with pytest.raises(Uncertain):
            await call(connect(vendor))
        assert len(vendor.calls(f"POST /v2{route}")) == 1


async def test_nothing_that_can_fail_is_left_for_after_a_document_is_sent() -> None:
    """The company's currency is asked for first: its failure must not make a booked document look unbooked."""
    vendor = Vendor().on("GET /companysettings", httpx2.ConnectError("down"))
    vendor.on("POST /customerinvoices", httpx2.Response(201, json=INVOICE))
    with pytest.raises(Unreachable):
        await connect(vendor).book(DRAFT)
    assert vendor.calls("POST /v2/customerinvoices") == []


async def test_a_document_that_cannot_be_said_is_rejected_before_it_is_sent() -> None:
    """A key that does not fit holds the record; nothing goes out."""
    vendor = Vendor()
    with pytest.raises(Rejected, match="longer"):
        await connect(vendor).book(replace(DRAFT, key="k" * 101))
    assert not [one for one in vendor.asked if one.method == "POST"]


async def test_documents_are_found_by_their_key() -> None:
    """Exactly by key, in chunks of one filter, quotes doubled; nothing asked finds nothing."""
    vendor = Vendor().on("GET /customerinvoices", lambda asked: listing(INVOICE) if "'KB-1-42'" in asked.query["$filter"] else listing())
    books = connect(vendor)
    keys = ["KB-1-42", "it's", *(f"KB-2-{number}" for number in range(30))]
    assert [one.id for one in await books.find_documents(keys)] == ["i1"]
    filters = [one.query["$filter"] for one in vendor.calls("GET /v2/customerinvoices")]
    assert [text.count(" eq ") for text in filters] == [25, 7]
    assert any("YourReference eq 'it''s'" in text for text in filters)
    assert await books.find_documents([]) == []


async def test_a_key_that_differs_in_case_only_is_another_key() -> None:
    """The vendor compares loosely; we do not adopt a stranger's document."""
    vendor = Vendor().on("GET /customerinvoices", listing({**INVOICE, "YourReference": "kb-1-42"}))
    assert await connect(vendor).find_documents(["KB-1-42"]) == []


@pytest.mark.parametrize("code", [6000, 6001])
async def test_a_key_that_cannot_be_filtered_on_is_said_and_remembered(code: int) -> None:
    """The first answer is enough; drafts are another listing and are asked for themselves."""
    vendor = Vendor().on("GET /customerinvoices", lambda _: refusal(400, code, "not filterable"))
    vendor.on("GET /customerinvoicedrafts", listing())
    books = connect(vendor)
    for _ in range(2):
        with pytest.raises(Unfilterable, match=str(code)):
            await books.find_documents(["KB-1-42"])
    assert len(vendor.calls("GET /v2/customerinvoices")) == 1
    assert await books.find_proposals(["KB-1-42"]) == []


async def test_a_filter_that_is_ignored_is_found_out() -> None:
    """A vendor that answers with whatever there is does not filter, whatever its status says."""
    vendor = Vendor().on("GET /customerinvoices", lambda _: listing({**INVOICE, "Id": "i2", "YourReference": "somebody"}, INVOICE))
    with pytest.raises(Unfilterable):
        await connect(vendor).find_documents(["KB-1-42"])


async def test_other_refusals_of_a_search_are_not_about_the_filter() -> None:
    """A missing right is a missing right."""
    vendor = Vendor().on("GET /customerinvoices", refusal(403, 4006))
    with pytest.raises(Rejected, match="4006"):
        await connect(vendor).find_documents(["KB-1-42"])


async def test_a_document_that_cannot_be_read_fails_the_search() -> None:
    """Leaving it out would book it a second time."""
    for broken in ({**INVOICE, "TotalAmount": "much"}, {**INVOICE, "TotalAmount": None}):
        vendor = Vendor().on("GET /customerinvoices", listing(broken))
        with pytest.raises(Unreadable, match="i1"):
            await connect(vendor).find_documents(["KB-1-42"])


async def test_documents_and_drafts_since_a_moment() -> None:
    """Invoices by the vendor's own parameter, drafts by when they were created, both in an order that does not move."""
    vendor = Vendor().on("GET /customerinvoices", listing(INVOICE)).on("GET /customerinvoicedrafts", listing(PROPOSAL))
    books = connect(vendor)
    since = datetime(2026, 1, 31, 10, 0, 0, 500000, tzinfo=UTC)
    assert [one.id for one in await books.documents_since(since)] == ["i1"]
    assert [one.id for one in await books.proposals_since(since)] == ["d1"]
    [invoices], [drafts] = vendor.calls("GET /v2/customerinvoices"), vendor.calls("GET /v2/customerinvoicedrafts")
    assert (invoices.query["modifiedSinceUtc"], invoices.query["$orderby"]) == ("2026-01-31T10:00:00.500000Z", "InvoiceNumber")
    assert (drafts.query["$filter"], drafts.query["$orderby"]) == ("CreatedUtc ge 2026-01-31T10:00:00.500000Z", "CreatedUtc")


PROPOSAL: dict[str, Any] = {
    "Id": "d1",
    "CustomerId": "k1",
    "YourReference": "KB-1-42",
    "TotalAmount": 12.1,
    "TotalVatAmount": 2.1,
    "TotalRoundings": 0,
    "CreatedUtc": "2026-01-31T10:00:00Z",
    "Future": {"a": 1.10},
}


async def test_a_proposal_is_written_revised_and_confirmed() -> None:
    """Revising keeps what is not ours; confirming tells the totals and keeps the draft's date."""
    vendor = Vendor()
    vendor.on("POST /customerinvoicedrafts", httpx2.Response(201, json=PROPOSAL))
    vendor.on("GET /customerinvoicedrafts/d1", lambda _: httpx2.Response(200, json=PROPOSAL))
    vendor.on("PUT /customerinvoicedrafts/d1", httpx2.Response(200, content=b""))
    vendor.on("POST /customerinvoicedrafts/d1/convert", httpx2.Response(201, json=INVOICE))
    books = connect(vendor)
    proposal = await books.propose(DRAFT)
    assert (proposal.id, proposal.booked, proposal.gross) == ("d1", False, D("12.10"))
    assert (await books.revise("d1", replace(DRAFT, customer_id="k2"))).id == "d1"
    [put] = vendor.calls("PUT /v2/customerinvoicedrafts/d1")
    assert (put.body["CustomerId"], put.body["Future"]) == ("k2", {"a": D("1.1")})
    assert not put.body.keys() & {"Id", "TotalAmount", "CreatedUtc"}
    assert (await books.confirm(proposal)).number == "7"
    [confirmed] = vendor.calls("POST /v2/customerinvoicedrafts/d1/convert")
    assert confirmed.query == {"keepOriginalDraftDate": "true", "overrideCompanyKeepOriginalDraftDate": "true"}
    assert b'"TotalAmountInvoiceCurrency":12.10,"TotalVatAmountInvoiceCurrency":2.10' in confirmed.content


async def test_a_proposal_that_is_gone_is_missing_and_withdrawing_it_is_no_error() -> None:
    """Confirming something that was confirmed already says so, whichever status the vendor has for it; withdrawing succeeds."""
    vendor = Vendor().on("POST /customerinvoicedrafts/d1/convert", refusal(400, 3000), refusal(404, 3000))
    vendor.on("DELETE /customerinvoicedrafts/d1", httpx2.Response(200), refusal(404, 3000), refusal(400, 3000))
    books = connect(vendor)
    vendor.on("POST /customerinvoicedrafts", httpx2.Response(201, json=PROPOSAL))
    proposal = await books.propose(DRAFT)
    for _ in range(2):
        with pytest.raises(Missing):
            await books.confirm(proposal)
    for _ in range(3):
        await books.withdraw("d1")


PAYMENT = BookPayment("i1", "b1", D("12.10"), "EUR", date(2026, 1, 31), "KB-1-42", complete=True)


async def test_a_payment_is_registered_and_its_account_may_be_the_one_that_is_missing() -> None:
    """A 404 is about the document; code 3000 with 400 may be about the account in the body, and is a refusal."""
    vendor = Vendor().on(
        "POST /customerinvoices/i1/payments",
        httpx2.Response(201, json={"PaymentAmount": 12.1}),
        refusal(404, 3000),
        refusal(400, 3000),
    )
    books = connect(vendor)
    await books.register_payment(PAYMENT)
    assert b'"PaymentAmount":12.10' in vendor.calls("POST /v2/customerinvoices/i1/payments")[0].content
    with pytest.raises(Missing):
        await books.register_payment(PAYMENT)
    with pytest.raises(Rejected, match="3000"):
        await books.register_payment(PAYMENT)


async def test_company_and_money_accounts() -> None:
    """What the flows need to know of the company, read once."""
    vendor = Vendor().on("GET /bankaccounts", listing({"Id": "b1", "Name": "Pin", "LedgerAccountNumber": 1101, "IsActive": True}))
    books = connect(vendor)
    await books.company()
    await books.money_accounts()
    company = await books.company()
    [account] = await books.money_accounts()
    assert (company.id, company.currency, company.stock_module, company.eu_countries) == ("c", "EUR", True, frozenset({"NL", "BE"}))
    assert (account.id, account.name, account.ledger_account, account.active) == ("b1", "Pin", "1101", True)
    assert len(vendor.calls("GET /v2/bankaccounts")) == 1


async def test_the_budget_counts_each_address_by_itself() -> None:
    """Two requests a minute on one address: the third waits, another address does not."""
    vendor, clock = Vendor(), FakeClock()
    vendor.on("GET /units", lambda _: listing({"Id": "u"})).on("GET /articles/a1", lambda _: httpx2.Response(200, json=article(1)))
    books = connect(vendor, clock=clock, requests_per_minute=2)
    for _ in range(2):
        await books.server_time()
    await books.get_product("a1")
    assert clock.elapsed == 0
    await books.server_time()
    assert clock.elapsed > 60


async def test_a_connector_of_its_own_closes_what_it_opened() -> None:
    """Without a given transport there is a pool, and closing ends it; a pool that was given stays open."""
    config = EAccountingConfig("books", "http://127.0.0.1:1/v2", "http://127.0.0.1:1", "id", "secret")
    books = EAccounting(config, clock=FakeClock(), tokens=FakeStore(fresh()))
    with pytest.raises(Unreachable):
        await books.server_time()
    await books.aclose()
    shared = connect(Vendor().on("GET /units", listing({"Id": "u"})))
    await shared.aclose()
    await shared.server_time()
