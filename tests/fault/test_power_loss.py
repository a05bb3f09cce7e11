"""The power goes at any write or sync: what the store said is true after the reboot, and two stores that are built worse are caught."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import pytest

from connectors.port import Cursor, Tokens
from daemon.core.ids import PairId
from daemon.core.outcomes import Outcome, Reason, State
from daemon.state import cursors as cursor_rows
from daemon.state import database, presence
from daemon.state import work as work_rows
from daemon.state.port import IntentState, Settlement, StoreError
from daemon.state.sqlite import open_store
from daemon.state.store import SqliteStore
from daemon.state.tokens import SqliteTokenStore
from tests.fault.power import Disk, PowerCut, forgetful
from tests.unit.store_support import NOON, StillClock, intent, minutes, new, pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daemon.state.port import NewWork, Work

LINK, FLOW = "shop", "sales"
PAGES, PER_PAGE = 12, 3
#: the log is folded in several times in so short a life
FOLD_AT = 60_000
#: a receipt with its lines
PAYLOAD = b"x" * 1500


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: the store is opened in the loop."""


@dataclass
class Said:
    """What the store told its caller before the power went."""

    pages: int = 0
    intended: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    tokens: int = 0


async def live(store: SqliteStore, home: Path, said: Said) -> None:
    """Read pages, write receipts at the vendor and settle them, as the flow of the receipts does; whatever is told is noted."""
    tokens = SqliteTokenStore(store, "books", home, clock=StillClock())
    await store.recover()
    before = await store.position(PairId(LINK), FLOW)
    begin = 1 if before.moment is None else round((before.moment - NOON).total_seconds() / 60) + 1
    for page in range(begin, PAGES + 1):
        records = [f"{page}.{number}" for number in range(PER_PAGE)]
        works = [new(record, at=page, payload=PAYLOAD) for record in records]
        await store.record_page(PairId(LINK), FLOW, Cursor(minutes(page), frozenset((record, "1") for record in records)), works)
        said.pages = page
        for work in await store.claim(PairId(LINK), FLOW, now=minutes(999), limit=PER_PAGE):
            key = f"sale:{work.record}"
            if work.record.endswith(".1") and work.attempt == 0:
                await store.defer(work, State.RETRYING, not_before=minutes(999), reason=Reason.TRANSIENT, attempt=1, payload=PAYLOAD)
                continue
            if await store.intend(intent(key, record=work.record)) is None:
                said.intended.add(key)
            await store.settle_intent(PairId(LINK), key, IntentState.DONE, remote_id=f"r{work.record}")
            said.written.add(key)
            bound = pair(work.record, f"t{work.record}")
            await store.finish(work, Settlement(Outcome.CREATED, bindings=(bound,), amounts={"till": "1.00", "books": "1.00"}))
            said.settled.add(work.record)
        await tokens.save(Tokens("access", "refresh", NOON, "", page))
        said.tokens = page


async def broken_promises(home: Path, said: Said) -> list[str]:
    """Open the store after the reboot, as the next start does, and return what it told and does not know any more."""
    # reading alone: who may write folds the log into the file when it closes
    with closing(sqlite3.connect(f"{(home / presence.FILE).absolute().as_uri()}?mode=ro", uri=True)) as connection:
        checks = [connection.execute(f"PRAGMA {check}").fetchall() for check in ("integrity_check", "foreign_key_check")]
    broken = [f"damaged: {found}" for found in checks if found not in ([], [("ok",)])]
    try:
        store = await open_store(home, clock=StillClock(), inline=True)
    except StoreError as refusal:  # what was lost is behind the mark
        return [*broken, f"lost, and refused: {refusal}"]
    try:
        if store.restored:
            broken.append("taken for a restored backup")
        intents = {one.key: one for one in await store.intents(PairId(LINK))}
        bindings = set(await store.bindings(PairId(LINK), "product"))
        activity = {line.record for line in await store.activity(limit=1000)}
        works = {work.record: work.state for page in range(1, PAGES + 1) for work in await _page(store, page)}
        position = await store.position(PairId(LINK), FLOW)
        read = 0 if position.moment is None else round((position.moment - NOON).total_seconds() / 60)
        tokens = await SqliteTokenStore(store, "books", home, clock=StillClock()).load()
    finally:
        await store.close()
    broken += [f"intent {key} is lost" for key in said.intended - set(intents)]
    broken += [f"the answer to {key} is lost" for key in said.written if key in intents and intents[key].state != IntentState.DONE]
    broken += [f"{record} is not settled any more" for record in said.settled if works.get(record) is not State.DONE]
    if read < said.pages:
        broken.append(f"page {said.pages} is not read any more")
    broken += [
        f"the position is ahead of {page}" for page in range(1, read + 1) if not {f"{page}.{n}" for n in range(PER_PAGE)} <= set(works)
    ]
    if said.tokens and (tokens is None or tokens.generation < said.tokens):
        broken.append("tokens are lost")
    done = {record for record, state in works.items() if state is State.DONE}
    if not done == bindings == activity:
        broken.append("a transaction is there in part")
    return broken


async def _page(store: SqliteStore, page: int) -> Sequence[Work]:
    return [work for number in range(PER_PAGE) if (work := await store.work(PairId(LINK), FLOW, f"{page}.{number}")) is not None]


async def until_the_cut(home: Path, disk: Disk, said: Said, patch: pytest.MonkeyPatch, synchronous: str) -> None:
    """Run a process on the disk to its end or to the power's."""
    with forgetful(disk, patch, synchronous=synchronous):
        try:
            store = await open_store(home, clock=StillClock(), inline=True)
            try:
                await live(store, home, said)
            finally:
                await store.close()
        except PowerCut:
            pass


async def lives(home: Path, seed: int, patch: pytest.MonkeyPatch, synchronous: str = "FULL") -> list[str]:
    """Lose the power several times in one life of a store, and return the promises that were broken."""
    patch.setattr(database, "CHECKPOINT_BYTES", FOLD_AT)
    random, said = Random(seed), Said()
    broken: list[str] = []
    while True:
        disk = Disk(random, cut_at=random.randint(1, 400))
        await until_the_cut(home, disk, said, patch, synchronous)
        if not disk.dead:
            return broken
        disk.reboot(home)
        if broken := await broken_promises(home, said):
            return broken


@pytest.mark.parametrize("seed", range(8))
async def test_what_was_said_survives_any_number_of_power_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Intents above all; positions never ahead of stored work, nothing half there, nothing damaged, no false alarm of a restored backup."""
    assert await lives(tmp_path / "state", seed, monkeypatch) == []


async def test_synchronous_normal_would_lose_intents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lives with the cheaper pragma: most of them break a promise, so the test above can fail, and FULL is what it takes."""
    broken = [await lives(tmp_path / f"{seed}", seed, monkeypatch, "NORMAL") for seed in range(8)]
    assert sum(any("lost" in one for one in life) for life in broken) >= 4


async def test_a_position_stored_before_its_work_would_be_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions where the store has one: a page is passed over for good."""

    async def record_page(store: SqliteStore, link: str, flow: str, position: Cursor, works: Sequence[NewWork]) -> int:
        await store.transact(lambda connection: cursor_rows.put(connection, link, flow, position))
        return await store.transact(lambda connection: work_rows.take_in(connection, store.cipher, link, flow, works, now=NOON))

    monkeypatch.setattr(SqliteStore, "record_page", record_page)
    for seed in range(20, 60):
        broken = await lives(tmp_path / f"{seed}", seed, monkeypatch)
        if broken:
            assert all(one.startswith("the position is ahead") for one in broken)
            return
    pytest.fail("nothing was lost")
