"""``kassabrug forget``: of a person nothing is left in the state's files, and of nobody else anything is missing."""

# ruff: noqa: ASYNC240 - these tests look into the files themselves, and nothing else waits for their loop meanwhile

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.model import ZERO, Address, Customer, Sale
from connectors.port import Cursor
from daemon.cli.forget import names_of
from daemon.core.customers import pseudonym
from daemon.core.ids import LinkId, PairId
from daemon.core.outcomes import Outcome, Reason, State
from daemon.flows.serialization import dump_sale
from daemon.state.database import Database
from daemon.state.owner import claim_ownership
from daemon.state.port import Activity, AlertRow, Binding, Forgotten, Intent, IntentState, NewWork, Question, Settlement
from daemon.state.sqlite import open_store
from daemon.state.work import place_of
from daemon.text import ENGLISH
from tests.system.support import kassabrug
from tests.unit.store_support import NOON, StillClock, new
from tests.unit.test_backup import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.state.store import SqliteStore

ADDRESS = "Jan.Jansen@Example.NL"
JAN = Customer(
    email="jan.jansen@example.nl",
    name="Jan Jansen-Vermeulen",
    company="Jansen Kaasmakerij",
    vat_number="NL123456782B90",
    phone="0655512345",
    invoice_address=Address(street="Prinsengracht 263", postal_code="1016 GV", city="Amsterdam", country="NL"),
)
ANS = Customer(email="ans@example.nl", name="Ans de Bakker", company="De Bakker", vat_number="NL100000009B01")
SALT = "00ff00ff00ff00ff00ff00ff00ff00ff"
#: what must not be found anywhere afterwards, in whatever case
PLANTED = ("jan.jansen@example.nl", "jansen-vermeulen", "jansen kaasmakerij", "nl123456782b90", "0655512345", "prinsengracht")


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: these tests call what blocks directly."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory that is not there yet, beside a configuration."""
    (tmp_path / "kassabrug.toml").write_text(CONFIG)
    return tmp_path / "state"


def sold_to(customer: Customer, record: str) -> NewWork:
    """A receipt of a customer, as work."""
    sale = Sale(record, f"no {record}", NOON, ZERO, "EUR", (), customer=customer)
    return NewWork(record, f"no {record}", "1", NOON, dump_sale(sale))


def customer_write(customer: Customer, record: str, state: str = IntentState.DONE) -> Intent:
    """The write that made a debtor."""
    name = pseudonym(customer.email or "", SALT)
    return Intent(PairId("shop"), f"customer:{name}", "customers", record, "customer", name, "hash", state, NOON, remote_id="debtor")


@pytest.fixture(autouse=True)
def _as_an_earlier_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are stored as they came, as they were before words from outside were cleaned: those states are there to be forgotten in."""
    for name in ("_told", "said", "clean"):
        monkeypatch.setattr(f"daemon.state.store.{name}", lambda text, *_: text)


async def plant(store: SqliteStore) -> None:
    """Two customers with all that the state may hold of them: bound, held, settled, refused in a vendor's words, asked about."""
    await store.remember_secret(LinkId(""), "salt", SALT)
    await store.record_page(PairId("shop/till"), "sales", Cursor(NOON), [sold_to(JAN, "1"), sold_to(ANS, "2"), sold_to(JAN, "3"), new("4")])
    works = {work.record: work for work in await store.claim(PairId("shop/till"), "sales", now=NOON, limit=9)}
    quoting = f"4000: VatNumber {JAN.vat_number} of {JAN.email} is not valid"
    await store.hold(works["1"], reason=Reason.REJECTED, outcome=Outcome.REJECTED, detail=quoting)
    await store.hold(works["2"], reason=Reason.REJECTED, outcome=Outcome.REJECTED, detail=f"4000: {ANS.vat_number} is not valid")
    asked = Question(PairId("shop/till"), "customer:which", "sales", f"Which of the two customers {JAN.name}?", (f"{JAN.name} (17)", "18"))
    await store.hold(works["3"], reason=Reason.CUSTOMER_AMBIGUOUS, detail=f"two of {ADDRESS}", question=asked)
    await store.finish(
        works["4"], Settlement(Outcome.CREATED, detail="invoice 4", bindings=(Binding(PairId("shop/till"), "sale", "4", "d4"),))
    )
    for customer, record in ((JAN, "1"), (ANS, "2")):
        name = pseudonym(customer.email or "", SALT)
        await store.intend(customer_write(customer, record))
        await store.bind([Binding(PairId("shop"), "customer", name, f"debtor {record}", "print", "private")])
    lines = [
        Activity(
            NOON,
            PairId("shop/till"),
            "sales",
            "9",
            "no 9",
            "settled",
            detail=f"Invoice for {ADDRESS.upper()} at {JAN.invoice_address.street}",
        )
    ]
    await store.note(lines)
    await store.save_alert(AlertRow("f", NOON, NOON, None, f"refused: {JAN.phone}", "warning"))


def lying_in(home: Path) -> set[str]:
    """What of the planted strings lies in the files, as whoever copies the folder would find it, and in what the key opens."""
    content = b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()).lower()
    database = Database.open_readonly(home)
    try:
        assert database.cipher is not None
        for row in database.connection.execute("SELECT * FROM work WHERE payload IS NOT NULL"):
            content += database.cipher.decrypt(row["payload"], place_of(row)).lower()
    finally:
        database.connection.close()
    return {word for word in (*PLANTED, pseudonym(JAN.email or "", SALT)) if word.encode() in content}


async def forget(tmp_path: Path, address: str = ADDRESS) -> dict[str, Any]:
    """Run the command as a person does."""
    ended = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "forget", "--email", address, "--state-dir", "state", "--json"))
    assert ended.code == 0, ended.err + ended.out
    return ended.last


async def test_nothing_of_him_is_left_beside_a_running_daemon(home: Path, tmp_path: Path) -> None:
    """In the database, its log and its free pages; what was said of others stays as it was, and the activity log says what was done."""
    async with claim_ownership(home, clock=StillClock()):
        store = await open_store(home, clock=StillClock())
        try:
            await plant(store)
            # settled in the end, so that old versions of rows lie in the free parts of pages
            await store.resend(PairId("shop/till"), "3")
            [again] = await store.claim(PairId("shop/till"), "sales", now=NOON, limit=9)
            await store.hold(again, reason=Reason.CUSTOMER_AMBIGUOUS, detail=f"still two of {JAN.email}")
            assert lying_in(home) == {*PLANTED, pseudonym(JAN.email or "", SALT)}
            said = await forget(tmp_path)
            assert lying_in(home) == set()
            await check_what_is_left(store)
        finally:
            await store.close()
    assert said["removed"] == {"bindings": 1, "writes": 1, "contents": 2, "texts": said["removed"]["texts"], "in_hand": 0}
    assert said["removed"]["texts"] >= 7
    assert said["wiped"]
    assert lying_in(home) == set()


async def check_what_is_left(store: SqliteStore) -> None:
    """His receipts wait on, without what they hold; everybody else's are whole."""
    [one] = await store.find_work("no 1")
    assert (one.state, one.reason, one.detail, one.payload) == (State.HELD, Reason.REJECTED, "(forgotten)", b"")
    [three] = await store.find_work("no 3")
    assert (three.state, three.detail, three.payload) == (State.HELD, "still two of (forgotten)", b"")
    [two] = await store.find_work("no 2")
    assert two.detail == "4000: NL100000009B01 is not valid"
    assert two.payload == sold_to(ANS, "2").payload
    [asked] = await store.questions()
    assert (asked.text, asked.choices) == ("Which of the two customers (forgotten)?", ("(forgotten) (17)", "18"))
    assert set(await store.bindings(PairId("shop"), "customer")) == {pseudonym(ANS.email or "", SALT)}
    assert set(await store.bindings(PairId("shop/till"), "sale")) == {"4"}
    assert [intent.reference for intent in await store.intents(PairId("shop"))] == [pseudonym(ANS.email or "", SALT)]
    lines = await store.activity()
    assert lines[0].event == "forgotten"
    assert ENGLISH(lines[0].detail).startswith("1 binding(s), 1 write(s), 2 record(s), ")
    assert "; by " in ENGLISH(lines[0].detail)
    assert "example.nl" not in ENGLISH(lines[0].detail)
    assert [line.detail for line in lines if line.record == "9"] == ["Invoice for (forgotten) at (forgotten)"]


async def test_a_person_who_is_not_there_leaves_no_trace(home: Path, tmp_path: Path) -> None:
    """The address is not even in the activity log; whoever is there stays."""
    store = await open_store(home, clock=StillClock())
    await plant(store)
    before = len(await store.activity())
    await store.close()
    said = await forget(tmp_path, "nobody@example.nl")
    assert said["removed"] == {"bindings": 0, "writes": 0, "contents": 0, "texts": 0, "in_hand": 0}
    assert lying_in(home) == {*PLANTED, pseudonym(JAN.email or "", SALT)}
    assert b"nobody@" not in (home / "state.sqlite3").read_bytes()
    store = await open_store(home, clock=StillClock())
    assert len(await store.activity()) == before
    await store.close()


async def test_what_an_earlier_version_left_in_free_pages_goes_too(home: Path, tmp_path: Path) -> None:
    """It did not overwrite what it deleted; alone with the file, the command writes it anew.  Older copies are named, not touched."""
    store = await open_store(home, clock=StillClock())
    store._runner.database.connection.execute("PRAGMA secure_delete=OFF")
    await store.note(
        [Activity(NOON, PairId("shop"), "sales", "1", "1", "settled", detail=f"{JAN.email} {number} " * 40) for number in range(50)]
    )
    await store.prune(before=NOON, activity_before=NOON + timedelta(days=1))
    await store.close()
    (home / "state-before-0002.sqlite3").write_bytes((home / "state.sqlite3").read_bytes())
    assert b"jan.jansen@" in (home / "state.sqlite3").read_bytes()
    said = await forget(tmp_path)
    assert b"jan.jansen@" not in (home / "state.sqlite3").read_bytes()
    assert said["copies"] == [str(home.relative_to(tmp_path) / "state-before-0002.sqlite3")]
    assert b"jan.jansen@" in (home / "state-before-0002.sqlite3").read_bytes()


async def test_what_is_in_hand_is_waited_for(home: Path, tmp_path: Path) -> None:
    """A worker would write it back: it is taken out as soon as it was put away."""
    store = await open_store(home, clock=StillClock())
    await store.remember_secret(LinkId(""), "salt", SALT)
    await store.record_page(PairId("shop/till"), "sales", Cursor(NOON), [sold_to(JAN, "1")])
    [work] = await store.claim(PairId("shop/till"), "sales", now=NOON, limit=1)
    await store.intend(customer_write(JAN, "1", IntentState.SENT))

    async def put_away() -> None:
        await anyio.sleep(2.5)
        await store.settle_intent(PairId("shop"), customer_write(JAN, "1").key, IntentState.DONE)
        await store.hold(work, reason=Reason.ARTICLE_MISSING, payload=sold_to(JAN, "1").payload)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(put_away)
            said = await forget(tmp_path)
        assert said["removed"] == {"bindings": 0, "writes": 1, "contents": 1, "texts": 0, "in_hand": 0}
        assert lying_in(home) == set()
    finally:
        await store.close()


async def test_what_is_no_address_is_refused(home: Path, tmp_path: Path) -> None:
    """With the exit code of wrong usage, before anything is opened."""
    for wrong in ("jan", "@", " jan@example.nl"):
        ended = await anyio.to_thread.run_sync(partial(kassabrug, tmp_path, "forget", f"--email={wrong}", "--state-dir", "state"))
        assert ended.code == 2
    assert not home.exists()


def test_a_receipt_names_its_customer_and_nobody_else() -> None:
    """By every field that is a person's own; a place or a country is not."""
    names = names_of(ADDRESS)(sold_to(JAN, "1").payload)
    assert {name.casefold() for name in names} == {
        "jan.jansen@example.nl",
        "jan jansen-vermeulen",
        "jansen kaasmakerij",
        "nl123456782b90",
        "0655512345",
        "prinsengracht 263",
    }
    assert names_of(ADDRESS)(sold_to(ANS, "2").payload) == frozenset()
    assert names_of(ADDRESS)(b'{"note": "for jan.jansen@example.nl"}') == {ADDRESS}
    assert names_of(ADDRESS)(dump_sale(Sale("5", "5", NOON, ZERO, "EUR", (), note=f"for {JAN.email}"))) == {ADDRESS}


def test_what_was_removed_adds_up() -> None:
    """Over the tries; in hand is what is by now."""
    assert Forgotten(1, 2, 3, 4, 5) + Forgotten(1, 1, 1, 1, 0) == Forgotten(2, 3, 4, 5, 0)
    assert Forgotten(1, 2, 3, 4, 5).removed == 10
