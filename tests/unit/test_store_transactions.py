"""Whole transactions only: whatever fails, whoever is cancelled, however tasks interleave."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from connectors.port import Cursor
from daemon.core.ids import PairId
from daemon.core.outcomes import Outcome
from daemon.state.port import Settlement, StoreError
from daemon.state.sqlite import open_store
from tests.unit.store_support import NOON, StillClock, intent, minutes, new, pair

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.state.store import SqliteStore


@pytest.fixture(params=["thread", "inline"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A new store, with each of the two runners."""
    opened = await open_store(tmp_path / "state", clock=StillClock(), inline=request.param == "inline")
    yield opened
    await opened.close()


@pytest.fixture
async def threaded(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A new store with its thread."""
    opened = await open_store(tmp_path / "state", clock=StillClock())
    yield opened
    await opened.close()


def remember(connection: sqlite3.Connection, name: str) -> None:
    """Write a fact, as a part of a transaction."""
    connection.execute("INSERT INTO fact (link, name, value) VALUES ('shop', ?, '1')", (name,))


async def test_an_exception_undoes_the_transaction(store: SqliteStore) -> None:
    """And the next one works."""

    def fail(connection: sqlite3.Connection) -> None:
        remember(connection, "half")
        raise LookupError

    with pytest.raises(LookupError):
        await store.transact(fail)
    assert await store.fact(PairId("shop"), "half") is None
    await store.transact(lambda connection: remember(connection, "whole"))
    assert await store.fact(PairId("shop"), "whole") == "1"


async def test_an_error_of_the_database_undoes_the_transaction(store: SqliteStore) -> None:
    """It is told as one line that names the file."""

    def fail(connection: sqlite3.Connection) -> None:
        remember(connection, "half")
        remember(connection, "half")

    with pytest.raises(StoreError, match=r"^\S*state\.sqlite3: unexpected database error \(UNIQUE .*\); please report it$"):
        await store.transact(fail)
    assert await store.fact(PairId("shop"), "half") is None


async def test_a_page_fails_as_a_whole(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the work cannot be stored, the position has not moved."""
    await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1")])
    encrypt = store.cipher.encrypt

    def fail_on_the_third(plain: bytes, where: bytes) -> bytes:
        if plain == b"3":
            raise MemoryError
        return encrypt(plain, where)

    monkeypatch.setattr(store.cipher, "encrypt", fail_on_the_third)
    with pytest.raises(MemoryError):
        await store.record_page(PairId("shop"), "sales", Cursor(minutes(9)), [new("2"), new("1", version="2"), new("3", payload=b"3")])
    assert await store.position(PairId("shop"), "sales") == Cursor(NOON)
    assert [(work.record, work.version) for work in await store.open_work(PairId("shop"), "sales")] == [("1", "1")]


async def test_tasks_that_interleave_do_not_get_into_each_others_transactions(store: SqliteStore) -> None:
    """Failing and succeeding transactions side by side: each is whole or not there at all."""

    async def work_on(number: int) -> None:
        def two_steps(connection: sqlite3.Connection) -> None:
            remember(connection, f"{number} a")
            if number % 3 == 0:
                raise LookupError
            remember(connection, f"{number} b")

        for _ in range(number % 4):
            await checkpoint()
        try:
            await store.transact(two_steps)
        except LookupError:
            assert number % 3 == 0

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(work_on, number)
    names = await store.look(lambda connection: [row[0] for row in connection.execute("SELECT name FROM fact")])
    assert sorted(names) == sorted(f"{number} {part}" for number in range(60) if number % 3 for part in "ab")


async def test_every_piece_of_work_is_claimed_by_one_worker(store: SqliteStore) -> None:
    """Workers that claim at the same time share the work out between them."""
    await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new(str(number)) for number in range(100)])
    claimed: list[str] = []

    async def worker() -> None:
        while works := await store.claim(PairId("shop"), "sales", now=NOON, limit=7):
            claimed.extend(work.record for work in works)
            await store.finish_many([(work, Settlement(Outcome.CREATED)) for work in works])

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(worker)
    assert sorted(claimed, key=int) == [str(number) for number in range(100)]
    assert await store.counts() == []


async def test_a_cancelled_scope_does_not_break_a_transaction(store: SqliteStore) -> None:
    """What was begun is finished, and its caller gets the answer before it is stopped."""
    finished = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        finished.append(await store.intend(intent()))
        await checkpoint()
        finished.append(intent())
    assert finished == [None]
    assert scope.cancelled_caught
    assert await store.intents(PairId("shop")) == [intent()]


async def test_a_cancelled_task_leaves_a_whole_transaction(threaded: SqliteStore) -> None:
    """Even asyncio's own cancellation, which no shield holds off: the transaction in the thread runs to its end."""
    begun, go_on = threading.Event(), threading.Event()

    def slowly(connection: sqlite3.Connection) -> None:
        remember(connection, "a")
        begun.set()
        go_on.wait(5)
        remember(connection, "b")

    task = asyncio.create_task(threaded.transact(slowly))
    await anyio.to_thread.run_sync(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await threaded.transact(lambda connection: remember(connection, "c"))
    assert [await threaded.fact(PairId("shop"), name) for name in "abc"] == ["1", "1", "1"]


async def test_the_loop_goes_on_while_the_thread_works(threaded: SqliteStore) -> None:
    """A slow transaction delays the store, not the rest of the process."""
    go_on = threading.Event()
    told: list[bool] = []

    async def slowly() -> None:
        told.append(await threaded.transact(lambda _: go_on.wait(5)))

    async with anyio.create_task_group() as group:
        group.start_soon(slowly)
        for _ in range(10):
            await checkpoint()
        go_on.set()
    assert told == [True]  # not the time-out: the loop was free to say so


async def test_a_closed_store_says_so(store: SqliteStore) -> None:
    """Closing twice is no error; using it afterwards is one clear line."""
    await store.bind([pair("1", "a")])
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.bindings(PairId("shop"), "product")


async def test_payloads_never_reach_the_log(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    """Not even with every library at its most talkative."""
    with caplog.at_level(logging.DEBUG):
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"jan@example.test")])
        [work] = await store.claim(PairId("shop"), "sales", now=NOON, limit=1)
        await store.finish(work, Settlement(Outcome.CREATED))
    assert "jan@example.test" not in caplog.text
