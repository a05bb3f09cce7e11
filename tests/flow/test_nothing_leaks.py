"""Two hundred strings of persons and secrets come in by every way there is, and are looked for wherever something is written down.

They belong in the encrypted contents of the state, in what is sent to the vendors (the books hold their debtors, the till its
customers), and nowhere else.  What a record is called by (its id, receipt number, SKU) is no person's.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio
import looptime
import pytest
import structlog

from connectors.sandbox.world import WorldCustomer
from daemon.cli.main import main as kassabrug
from daemon.cli.problems import crash
from daemon.observe import log
from daemon.state.port import WrongAnswer
from daemon.web.page import render
from tests.conftest import REPOSITORY
from tests.flow.running import running
from tests.flow.shop import ARTICLES, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    def words(self) -> str:
        """What a vendor says that quotes all of it."""
        own = self.customer
        return (
            f"no: {own.email} of {own.name} ({own.company}, VAT {own.vat_number}) at {own.street}, {own.postal_code}, call {own.phone}; "
            f"IBAN {self.iban}, refresh_token={self.token}, Authorization: Bearer {self.secret} "
            f"[/Rows/0/ArticleId] \x1b[31m<b>{own.email}</b>"
        )


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
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse two of three writes, in turn with a vendor's JSON, a page, and half a JSON."""
        path = str(scope["path"])
        if scope["method"] not in {"POST", "PUT"} or "/connect/" in path:
            await self.app(scope, receive, send)
            return
        self.asked += 1
        if self.asked % 3 == 0:
            await self.app(scope, receive, send)
            return
        one = self.planted[self.asked % len(self.planted)]
        everybody = " ".join(other.words for other in self.planted if other is one or self.asked % 2)
        kinds = (
            (400, json.dumps({"ErrorCode": 2000, "DeveloperErrorMessage": everybody, "ErrorId": one.secret}), "application/json"),
            (422, f"<html><body>{html.escape(everybody)}</body></html>", "text/html"),
            (409, everybody[: len(everybody) // 2], "application/json"),
        )
        status, body, kind = kinds[self.asked // 3 % len(kinds)]
        headers = [("content-type", kind), ("x-request-id", one.customer.email), ("retry-after", one.token), ("location", f"/{one.iban}")]
        encoded = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body.encode()})


@dataclass(slots=True)
class Spoiling:
    """A till whose listing has records that cannot be read, with words where numbers belong."""

    app: ASGIApp
    planted: tuple[Planted, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a few records of a page be wrong."""
        if scope["method"] != "GET" or "/orders/" not in str(scope["path"]):
            await self.app(scope, receive, send)
            return
        body: list[bytes] = []
        start: list[Message] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
            else:
                body.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        text = b"".join(body).decode()
        for one in self.planted[:3]:
            wrong = f'"paid": {json.dumps(one.words)}'
            text = re.sub(r'"paid": ?(true|false)', lambda _, wrong=wrong: wrong, text, count=1)  # type: ignore[misc]  # bound at once
        headers = [(name, value) for name, value in start[0]["headers"] if name != b"content-length"]
        await send({**start[0], "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})


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
    vendors = {"books": Quoting(shop.books.app, planted), "till": Spoiling(Quoting(shop.till.app, planted), planted)}
    bodies: list[str] = []
    async with running(shop, vendors) as daemon:
        real = daemon.supervisor._alerts._deliver

        async def deliver(title: str, body: str, severity: str) -> bool:
            bodies.append(f"{title}\n{body}\n")
            return await real(title, body, severity)

        daemon.supervisor._alerts._deliver = deliver
        for hour in range(3):
            await anyio.sleep(1800)
            written.add("page", render(await daemon.supervisor.health.overview()))
            written.add("health", repr([*await daemon.supervisor.health.health(), *await daemon.supervisor.health.ready()]))
            for question in await daemon.store.questions():
                with contextlib.suppress(WrongAnswer, KeyError):
                    await daemon.store.answer(question.owner, question.key, planted[hour].words)
                await daemon.store.answer(question.owner, question.key, question.choices[0] if question.choices else "1930")
        await daemon.store.backup(shop.directory / "copy")
        written.add("state while it is open", b"".join(file.read_bytes() for file in (shop.directory / "state").iterdir()))
        written.add("metrics", daemon.metrics.render())
        print(
            "DEBUG",
            vendors["books"].asked,
            __import__("collections").Counter(
                (a.event, str(a.reason), str(a.detail)[:60]) for a in await daemon.store.activity(limit=3000)
            ),
        )
        print("DEBUG", daemon.told, [(n, dict(list(w.requests.items())[:12])) for n, w in daemon.wires.items()])
        held = [work for work in await daemon.store.open_work(daemon.app.pairs[0].context.pair_id, "sales") if work.state == "held"]
        assert len({str(work.reason) for work in held}) >= 2, "nothing was refused, so nothing was quoted"
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
            texts.append(crash(ExceptionGroup(one.words, [error])))
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
