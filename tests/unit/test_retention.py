"""What is settled and old is forgotten: the state of a shop stays as large as its retention, and nobody waits for that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import pytest

from connectors.port import Cursor
from daemon.core.ids import PairId
from daemon.core.outcomes import Outcome, Reason, State
from daemon.state import intents as intent_rows
from daemon.state import questions, schema
from daemon.state.database import Database
from daemon.state.port import Activity, AlertRow, Binding, Intent, IntentState, NewWork, Pruned, Settlement
from daemon.state.retention import prune_when_due
from daemon.state.sqlite import open_store
from daemon.state.store import CHUNK
from tests.blocking import Watch, watched
from tests.conftest import MAY_BLOCK
from tests.unit.store_support import NOON, StillClock, intent, minutes, new, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime
    from typing import Any

    from daemon.state.store import SqliteStore

DAY = timedelta(days=1)
#: the schema of the version before
FIRST = schema.shipped()[:1]
#: a year's receipts of a busy shop
A_DAY, DAYS = 151, 365


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[Watch]:
    """A blocking call inside the loop fails the test; the store, which is inline here, is not watched: that would take most of the time."""
    with watched(MAY_BLOCK, statements=False) as watch:
        yield watch


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where there is one: a year has thousands of transactions, and what is proven here does not depend on the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    with TemporaryDirectory(prefix="kassabrug-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def clock() -> StillClock:
    """A clock that is moved by hand."""
    return StillClock()


@pytest.fixture
async def store(tmp_path: Path, clock: StillClock) -> AsyncIterator[SqliteStore]:
    """A new store."""
    opened = await open_store(tmp_path / "state", clock=clock, inline=True)
    yield opened
    await opened.close()


async def sell_and_book(store: SqliteStore, now: datetime, receipts: int) -> None:
    """Take in the receipts of a day and settle them, each with two writes and a binding, as the flows do but in large transactions."""
    names = [f"{now:%y%j}{number:03}" for number in range(receipts)]
    works = [NewWork(name, name, "1", now, b"{}" * 300) for name in names]
    await store.record_page(PairId("shop/till"), "sales", Cursor(now, frozenset((name, "1") for name in names)), works)
    claimed = await store.claim(PairId("shop/till"), "sales", now=now, limit=receipts)

    def write(connection: sqlite3.Connection) -> None:
        for name in names:
            for step in ("document", "payment:0"):
                key, reference = f"sale:{name}:{step}", f"KB-{name}"
                memo = {"remaining": "12.50"}
                sent = Intent(
                    PairId("shop/till"), key, "sales", name, step, reference, "hash", IntentState.DONE, now, "3f2b8c7e-0000", memo
                )
                intent_rows.claim(connection, sent)

    await store.transact(write)
    amounts = {"till": "12.50", "books": "12.50"}
    settled = [
        (work, Settlement(Outcome.CREATED, bindings=(_bound(work.record),), remote_id=f"document {work.record}", amounts=amounts))
        for work in claimed
    ]
    await store.finish_many(settled)


def _bound(record: str) -> Binding:
    return Binding(PairId("shop/till"), "sale", record, f"3f2b8c7e-0000-4000-8000-{record:>012}", "12.50 EUR", record)


def rows(store: SqliteStore) -> dict[str, int]:
    """How many rows each table has."""
    connection = store._runner.database.connection
    counted = {table: f"SELECT count(*) FROM {table}" for table in ("work", "intent", "activity", "binding")}  # noqa: S608 - our own names
    return {table: connection.execute(query).fetchone()[0] for table, query in counted.items()}


@pytest.mark.timeout(300)  # seconds of work, on a machine that may be busy with others
async def test_the_state_of_a_years_55_000_receipts_stays_bounded(store: SqliteStore, clock: StillClock) -> None:
    """With ninety days of retention it has, after a year, the rows of ninety days and a binding for each receipt, and so has its file."""
    kept, sizes = 90, []
    for day in range(DAYS):
        clock.moment = NOON + day * DAY
        await sell_and_book(store, clock.moment, A_DAY)
        if day % 14 == 0:
            await prune_when_due(store, clock, settled_days=kept, activity_days=kept)
        if day in {120, 240, DAYS - 1}:
            sizes.append(await store.size())
    assert rows(store) == {
        "work": A_DAY * (kept + 1),
        "intent": 2 * A_DAY * (kept + 1),
        "activity": A_DAY * (kept + 1),
        "binding": A_DAY * DAYS,
    }
    assert A_DAY * DAYS > 55_000
    # what still grows are the bindings: a receipt takes less than half a kilobyte for good, of more than one in all
    for earlier, later, days in ((sizes[0], sizes[1], 120), (sizes[1], sizes[2], DAYS - 241)):
        assert later - earlier < days * A_DAY * 500
    assert sizes[-1] / (A_DAY * DAYS) < 1000
    assert await store.sums(PairId("shop/till"), "sales") == {
        "records": str(A_DAY * (kept + 1)),
        "receipts": str(A_DAY * (kept + 1)),
        "documents": str(A_DAY * (kept + 1)),
        "till": f"{A_DAY * (kept + 1) * 12.5:.2f}",
        "books": f"{A_DAY * (kept + 1) * 12.5:.2f}",
    }


async def test_pruning_never_keeps_the_writer_for_long(store: SqliteStore, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is old, each transaction forgets a handful, and a worker's intent gets its turn between any two of them."""
    for day in range(20):
        clock.moment = NOON + day * DAY
        await sell_and_book(store, clock.moment, A_DAY)
    written: list[int] = []
    write = Database.write

    def counting(database: Database, function: Callable[[sqlite3.Connection], Any]) -> Any:
        before = database.connection.total_changes
        answer = write(database, function)
        written.append(database.connection.total_changes - before)
        return answer

    monkeypatch.setattr(Database, "write", counting)
    sent = 0
    over = anyio.Event()

    async def work() -> None:
        nonlocal sent
        while not over.is_set():
            await store.intend(replace(intent(f"new:{sent}"), owner=PairId("other"), sent_at=clock.now()))
            sent += 1

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        pruned = await store.prune(before=clock.now() + DAY)
        over.set()
    assert pruned == Pruned(work=20 * A_DAY, intents=40 * A_DAY, activity=20 * A_DAY)
    assert max(written) <= CHUNK
    assert len(written) >= 80 * A_DAY / CHUNK
    assert sent >= (80 * A_DAY / CHUNK) - 2


async def test_it_is_done_once_a_day(store: SqliteStore, clock: StillClock) -> None:
    """Whoever asks, and however often; a clock that jumps back by a year does not put it off by a year."""
    await store.record_page(PairId("shop"), "sales", Cursor(NOON), [])

    async def ask() -> bool:
        return await prune_when_due(store, clock, settled_days=90, activity_days=90) is not None

    assert await ask()
    clock.moment += timedelta(hours=23)
    assert not await ask()
    clock.moment += timedelta(hours=1)
    assert await ask()
    clock.moment -= timedelta(days=365)
    assert await ask()
    assert not await ask()


async def test_a_clock_that_jumps_ahead_makes_nothing_old(store: SqliteStore, clock: StillClock) -> None:
    """Ages are counted from what the vendors' clocks have shown."""
    await sell_and_book(store, NOON, 3)
    clock.moment += timedelta(days=3650)
    assert await prune_when_due(store, clock, settled_days=90, activity_days=90) == Pruned()
    assert rows(store)["work"] == 3


async def test_the_activity_log_has_its_own_age(store: SqliteStore, clock: StillClock) -> None:
    """Lines and alerts that are over go by theirs; an alert that lasts stays, however old."""
    await sell_and_book(store, NOON, 3)
    await store.note([Activity(NOON + 50 * DAY, PairId("shop/till"), "stock", "7", "MOK-1", "stock")])
    for name, over in (("old", minutes(1)), ("lasting", None), ("new", NOON + 60 * DAY)):
        await store.save_alert(AlertRow(name, NOON, NOON, over, name, "warning"))
    await store.record_page(PairId("shop/till"), "sales", Cursor(NOON + 100 * DAY), [])
    clock.moment = NOON + 100 * DAY
    assert await prune_when_due(store, clock, settled_days=400, activity_days=60) == Pruned(activity=3, alerts=1)
    assert [line.label for line in await store.activity()] == ["MOK-1"]
    assert {row.fingerprint for row in await store.alerts()} == {"lasting", "new"}
    assert rows(store)["work"] == 3


async def test_what_is_not_over_stays(store: SqliteStore, clock: StillClock) -> None:
    """Held and waiting work with its payload, undecided writes, questions, positions and what is bound: however old."""
    await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("held", payload=b"its lines"), new("waiting"), new("done")])
    works = {work.record: work for work in await store.claim(PairId("shop"), "sales", now=NOON, limit=9)}
    await store.intend(intent("lost", record="waiting"))
    await store.hold(works["held"], reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    await store.defer(works["waiting"], State.UNCERTAIN, not_before=NOON, reason=Reason.ANSWER_LOST, attempt=1)
    await store.finish(works["done"], Settlement(Outcome.CREATED, bindings=(_bound("1"),)))
    pruned = await store.prune(before=NOON + 1000 * DAY)
    assert pruned == Pruned(work=1, activity=2)
    assert {work.record: work.payload for work in await store.open_work(PairId("shop"), "sales")} == {
        "held": b"its lines",
        "waiting": b"{}",
    }
    assert [one.key for one in await store.intents(PairId("shop"))] == ["lost"]
    assert [one.waiting for one in await store.questions()] == [1]
    assert await store.bindings(PairId("shop/till"), "sale") == {"1": _bound("1")}
    assert (await store.position(PairId("shop"), "sales")).moment == NOON


async def test_a_state_of_the_version_before_is_brought_up_to_date(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is lost, a copy of it as it was lies beside it, and what is new works on what is old."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "shipped", lambda: FIRST)
        # the version before knew of no answers that are used
        patch.setattr(questions, "settled", lambda *_: None)
        old = await open_store(tmp_path / "state", clock=clock, inline=True)
        assert schema.version(old._runner.database.connection) == 1
        await sell_and_book(old, NOON, 5)
        await old.record_page(PairId("shop/till"), "sales", Cursor(NOON), [new("open")])
        await old.close()
    store = await open_store(tmp_path / "state", clock=clock, inline=True)
    try:
        assert schema.version(store._runner.database.connection) > 1
        assert rows(store) == {"work": 6, "intent": 10, "activity": 5, "binding": 5}
        assert (await store.sums(PairId("shop/till"), "sales"))["till"] == "62.50"
        assert await store.prune(before=NOON + DAY) == Pruned(work=5, intents=10, activity=5)
        assert [work.record for work in await store.open_work(PairId("shop/till"), "sales")] == ["open"]
    finally:
        await store.close()
    with closing(sqlite3.connect(tmp_path / "state" / "state-before-0002.sqlite3")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone()[0] == 1
        assert copy.execute("SELECT count(*) FROM work").fetchone()[0] == 6
