"""Two hundred strings of persons and secrets come in by every way there is, and are looked for wherever something is written down.

They belong in the encrypted contents of the state, in what is sent to the vendors (the books hold their debtors, the till its
customers), and nowhere else.  What a record is called by (its id, receipt number, SKU) is no person's.  Names and addresses are known as
such for the record in hand only: a vendor quotes them in its answer about that record.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio
import looptime
import pytest
import structlog

from connectors.sandbox.world import WorldCustomer
from daemon.cli.main import main as kassabrug
from daemon.cli.problems import told
from daemon.core.outside import REDACTED
from daemon.observe import log
from daemon.state.port import Question, WrongAnswer
from daemon.web.page import render
from tests.conftest import REPOSITORY
from tests.flow.running import running
from tests.flow.shop import ARTICLES, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from connectors.model import Sale
    from connectors.port import Page
    from tests.flow.shop import Shop

PERSONS = 20
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: commands are typed in this process."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A customer, and what else a vendor may say of him."""

    customer: WorldCustomer
    iban: str
    token: str
    secret: str

    @property
    def strings(self) -> tuple[str, ...]:
        """What must not be found."""
        own = self.customer
        known = (own.email, own.name, own.company, own.vat_number, own.street, own.postal_code, own.phone)
        return (*(one for one in known if one), self.iban, self.token, self.secret)

    @property
    def numbers(self) -> str:
        """What a vendor may say of anybody."""
        own = self.customer
        return (
            f"no: {own.email}, VAT {own.vat_number}, call {own.phone}; IBAN {self.iban}, refresh_token={self.token}, "
            f"Authorization: Bearer {self.secret} [/Rows/0/ArticleId] \x1b[31m<b>{own.email}</b>"
        )

    @property
    def words(self) -> str:
        """What a vendor says of the record in hand, which it quotes whole."""
        own = self.customer
        return f"{self.numbers} of {own.name} ({own.company}) at {own.street}, {own.postal_code}; {own.name.split()[1]}"


def person(number: int) -> Planted:
    """One of them; nothing of one is part of another."""
    letters = _LETTERS[number] * 2
    customer = WorldCustomer(
        key=f"p{number}",
        email=f"plant{number:02}.{letters.lower()}@sekrit{number:02}.example",
        name=f"Geheim{letters} Verborgen{number:02}x",
        company=f"Stil{letters} Handel {number:02} BV",
        vat_number=f"NL{854502130 + number:09}B{number + 10:02}",
        organisation_number=None,
        street=f"Schuilkade{letters} {100 + number}",
        postal_code=f"{1011 + number} {letters}",
        city="Delft",
        country="NL",
        phone=f"06{20_000_000 + 777 * number}",
    )
    iban = f"NL{10 + number}ABNA{4_170_000_000 + 13 * number}"
    return Planted(customer, iban, f"rt{number:02}-Zx9{letters}kQ7vB2mN5pL8wR1tY4uI6oP3aS0d", f"At{number:02}{letters}f7Kd93mQzX81bVn5Lp2")


@dataclass(slots=True)
class Quoting:
    """A vendor that answers writes with what it was told, and more, in body and headers; ``fails`` says by which status."""

    app: ASGIApp
    planted: tuple[Planted, ...]
    whose: Callable[[bytes], Planted | None]
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse two of three writes, in turn with a vendor's JSON, a page, and half a JSON."""
        path = str(scope["path"])
        if scope["method"] not in {"POST", "PUT"} or "/connect/" in path:
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        self.asked += 1
        if self.asked % 3 == 0:
            await self.app(scope, _again(body), send)
            return
        mine = self.whose(body)
        everybody = " ".join([*(one.words for one in self.planted if one is mine), *(one.numbers for one in self.planted)])
        one = mine or self.planted[0]
        kinds = (
            (400, json.dumps({"ErrorCode": 2000, "DeveloperErrorMessage": everybody, "ErrorId": one.secret}), "application/json"),
            (422, f"<html><body>{html.escape(everybody)}</body></html>", "text/html"),
            (409, everybody[: len(everybody) // 2], "application/json"),
        )
        status, answer, kind = kinds[self.asked // 3 % len(kinds)]
        headers = [("content-type", kind), ("x-request-id", one.customer.email), ("retry-after", one.token), ("location", f"/{one.iban}")]
        encoded = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": answer.encode()})


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def spoil(till: object, planted: tuple[Planted, ...]) -> None:
    """Let the till's pages have records that cannot be read, whose reason quotes what was found in them (the answers are signed)."""
    real = till.read_changes  # type: ignore[attr-defined]  # the port's method

    async def spoilt(*arguments: object, **options: object) -> Page[Sale]:
        page: Page[Sale] = await real(*arguments, **options)
        return replace(page, bad=tuple((f"X{number}", None, one.numbers) for number, one in enumerate(planted[:5])))

    till.read_changes = spoilt  # type: ignore[attr-defined]  # the same


@dataclass(slots=True)
class Written:
    """Everything that was written down somewhere, by where."""

    at: dict[str, bytes] = field(default_factory=dict)

    def add(self, where: str, what: str | bytes) -> None:
        """Keep one thing."""
        own = what.encode("utf-8", "surrogatepass") if isinstance(what, str) else what
        self.at[where] = self.at.get(where, b"") + own


def found_in(written: Mapping[str, bytes], planted: tuple[Planted, ...]) -> set[tuple[str, str]]:
    """The scanner, which knows nothing of what cleans: each string, as it is and as it may be written, in any case."""
    found = set()
    for where, content in written.items():
        seen = content.lower()
        unspaced = re.sub(rb"[\s-]", b"", seen)
        for text in (text for one in planted for text in one.strings):
            low = text.lower()
            forms = {low.encode(), quote(low).encode(), html.escape(low).encode(), low.encode("utf-16-le"), json.dumps(low)[1:-1].encode()}
            if any(form in seen for form in forms) or low.replace(" ", "").replace("-", "").encode() in unspaced:
                found.add((where, text))
    return found


async def through_the_day(shop: Shop, planted: tuple[Planted, ...], written: Written) -> None:
    """Run the daemon over vendors that quote, and keep all that it writes down."""

    def whose(body: bytes) -> Planted | None:
        rows = shop.books.books.customers.rows
        known = [str(row["EmailAddress"]).encode() for key, row in rows.items() if str(key).encode() in body]
        return next((one for one in planted if one.customer.email.encode() in body or one.customer.email.encode() in known), None)

    vendors = {"books": Quoting(shop.books.app, planted, whose), "till": Quoting(shop.till.app, planted, whose)}
    bodies: list[str] = []
    async with running(shop, vendors) as daemon:
        spoil(daemon.app.pairs[0].context.till, planted)
        real = daemon.supervisor._alerts._deliver

        async def deliver(title: str, body: str, severity: str) -> bool:
            bodies.append(f"{title}\n{body}\n")
            return await real(title, body, severity)

        daemon.supervisor._alerts._deliver = deliver
        for hour in range(2):
            await anyio.sleep(2400)
            written.add("page", render(await daemon.supervisor.health.overview()))
            written.add("health", repr([*await daemon.supervisor.health.health(), *await daemon.supervisor.health.ready()]))
            pair = daemon.app.pairs[0].context.pair_id
            await daemon.store.ask(Question(pair, f"planted:{hour}", "sales", planted[hour].numbers, ("yes", "no")))
            for question in await daemon.store.questions():
                with pytest.raises(WrongAnswer, match="an answer names no person"):
                    await daemon.store.answer(question.pair, question.key, planted[hour].numbers)
                await daemon.store.answer(question.pair, question.key, question.choices[0] if question.choices else "1930")
        await daemon.store.backup(shop.directory / "copy")
        written.add("state while it is open", b"".join(file.read_bytes() for file in (shop.directory / "state").iterdir()))
        written.add("metrics", daemon.metrics.render())
        held = [work for work in await daemon.store.open_work(daemon.app.pairs[0].context.pair_id, "sales") if work.state == "held"]
        assert sum(REDACTED in str(work.detail) for work in held) >= 5, "nothing was refused, so nothing was quoted"
        written.add("what the scan has to find nothing in", " ".join(str(work.detail) for work in held))
    written.add("alerts", "".join(bodies))
    written.add("backup", (shop.directory / "copy").read_bytes())
    written.add("state", b"".join(file.read_bytes() for file in (shop.directory / "state").iterdir()))


def typed(shop: Shop, *arguments: str) -> str:
    """Type a command, and return all that it prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        kassabrug([*arguments, "--config", str(shop.directory / "kassabrug.toml"), "--state-dir", str(shop.directory / "state")])
    return out.getvalue() + err.getvalue()


def crashed(planted: tuple[Planted, ...]) -> str:
    """What is printed of a fault of this program that met a record."""
    texts = []
    for one in planted:
        try:
            try:
                int(one.words)
            except ValueError as error:
                raise KeyError(one.words) from error
        except KeyError as error:
            line, _ = told(ExceptionGroup(one.words, [error]), "why")
            details = Path(line.rpartition(" ")[2])
            texts += [line, details.read_text(encoding="utf-8")]
            details.unlink()
    return "".join(texts)


def test_two_hundred_strings_are_found_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come in records, refusals of three kinds, headers, what cannot be read, and answers; everything written down is scanned."""
    planted = tuple(person(number) for number in range(PERSONS))
    assert len({text for one in planted for text in one.strings}) == 10 * PERSONS
    receipts = [receipt(f"R{n}", line(), customer=one.customer.key, minute=n) for n, one in enumerate(planted)]
    shop_world = replace(world(*receipts, articles=ARTICLES), customers=tuple(one.customer for one in planted))
    shop, written, stream = open_shop(tmp_path, shop_world), Written(), io.StringIO()
    log.configure("debug", "json", stream=stream)
    try:
        anyio.run(through_the_day, shop, planted, written, backend_options={"loop_factory": looptime.new_event_loop})
        structlog.get_logger().error("a fault", exc_info=ValueError(planted[0].words))
    finally:
        structlog.reset_defaults()
    written.add("log", stream.getvalue())
    written.add("crash", crashed(planted))
    labels = [one.number for one in receipts]
    for command in (("status",), ("status", "--json"), ("questions",), ("questions", "--json"), *(("why", label) for label in labels)):
        written.add(f"kassabrug {command[0]}", typed(shop, *command))
    assert all(written.at[where] for where in ("log", "alerts", "page", "state", "backup", "kassabrug why", "crash", "metrics"))
    assert found_in(written.at, planted) == set()
    # the scanner finds what is there: the same strings in what the vendors sent
    sent = {"refusal": "".join(one.words for one in planted).encode()}
    assert len(found_in(sent, planted)) == 10 * PERSONS
    for where in ("kassabrug status", "kassabrug why", "page"):
        assert b"\x1b" not in written.at[where]


def test_no_process_is_started_that_could_be_given_a_secret() -> None:
    """Arguments are seen by every user of the machine; a program that starts nothing gives none."""
    for package in ("daemon", "connectors"):
        for file in (REPOSITORY / package).rglob("*.py"):
            assert not re.search(r"\bimport subprocess|\bos\.(exec|spawn|popen|system|posix_spawn)|create_subprocess", file.read_text()), (
                file
            )
