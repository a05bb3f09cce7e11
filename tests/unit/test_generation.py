"""A database that is older than what was done with it is recognised, however it was put back; a killed process is not mistaken for that."""

# ruff: noqa: ASYNC240 - these tests look into the files themselves, and nothing else waits for their loop meanwhile

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from daemon.core.ids import PairId
from daemon.state.database import Database
from daemon.state.port import IntentState, StoreError
from daemon.state.restore_guard import Generation, Marker
from daemon.state.sqlite import open_store
from tests.unit.store_support import NOON, StillClock, intent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.state.store import SqliteStore


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: these tests call what blocks directly."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory that is not there yet."""
    return tmp_path / "state"


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[SqliteStore]:
    """Open a store and close it again."""
    store = await open_store(directory, clock=StillClock())
    try:
        yield store
    finally:
        await store.close()


async def is_restored(directory: Path) -> bool:
    """What the next opening finds."""
    async with opened(directory) as store:
        return store.restored


def take(home: Path, name: str) -> None:
    """Copy the database as somebody with ``cp`` would, the log included and nothing else."""
    (home.parent / name).mkdir()
    for file in home.glob("state.sqlite3*"):
        shutil.copy(file, home.parent / name)


def put_back(home: Path, name: str) -> None:
    """Copy it back."""
    for file in home.glob("state.sqlite3*"):
        file.unlink()
    for file in (home.parent / name).iterdir():
        shutil.copy(file, home)


async def test_a_database_that_was_only_closed_and_opened_is_not_older(home: Path) -> None:
    """With intents made and settled in between; neither is a new one."""
    for number in range(3):
        async with opened(home) as store:
            assert not store.restored
            assert await store.intend(intent(f"sale:{number}")) is None
            await store.resend_intent(PairId("shop"), f"sale:{number}", now=NOON)
            await store.settle_intent(PairId("shop"), f"sale:{number}", IntentState.DONE)


async def test_a_copy_put_back_after_another_intent_is_recognised(home: Path) -> None:
    """It was taken in the same process that made the intent: the database was not opened in between."""
    async with opened(home) as store:
        await store.intend(intent("sale:1"))
        take(home, "copy")
        await store.intend(intent("sale:2"))
    put_back(home, "copy")
    async with opened(home) as store:
        assert [one.key for one in await store.intents(PairId("shop"))] == ["sale:1"]
        assert store.restored


async def test_a_copy_put_back_after_an_intent_was_sent_again_is_recognised(home: Path) -> None:
    """A second attempt is a write like the first."""
    async with opened(home) as store:
        await store.intend(intent("sale:1"))
        await store.settle_intent(PairId("shop"), "sale:1", IntentState.REFUSED)
        take(home, "copy")
        await store.intend(intent("sale:1"))
    put_back(home, "copy")
    assert await is_restored(home)


async def test_a_copy_that_lacks_no_intent_is_taken_as_it_is(home: Path) -> None:
    """What was only remembered since is read again, and nothing at the vendors is unknown to it."""
    async with opened(home) as store:
        await store.intend(intent("sale:1"))
        take(home, "copy")
        await store.remember(PairId("shop"), {"a": "1"})
    put_back(home, "copy")
    assert not await is_restored(home)


async def test_it_stays_recognised_until_everything_was_looked_up(home: Path) -> None:
    """Over any number of starts and intents; and is over then."""
    async with opened(home) as store:
        take(home, "copy")
        await store.intend(intent("sale:1"))
    put_back(home, "copy")
    for number in range(2):
        async with opened(home) as store:
            await store.intend(intent(f"sale:{number}"))
            assert store.restored
    async with opened(home) as store:
        await store.reconciled()
        assert not store.restored
    assert not await is_restored(home)


async def test_a_database_on_another_machine_is_recognised(home: Path) -> None:
    """Nobody knows there what was done since."""
    async with opened(home) as store:
        await store.intend(intent("sale:1"))
    (home / "state.generation").unlink()
    assert await is_restored(home)


async def test_a_database_that_was_moved_away_is_missed(home: Path) -> None:
    """The new one is empty, and what the old one did is at the vendors all the same."""
    async with opened(home) as store:
        await store.intend(intent("sale:1"))
    (home / "state.sqlite3").unlink()
    async with opened(home) as store:
        assert await store.intents(PairId("shop")) == []
        assert store.restored


async def test_another_database_in_its_place_is_recognised(home: Path) -> None:
    """Whatever its number says."""
    other = home.with_name("other")
    async with opened(home), opened(other) as store:
        for number in range(5):
            await store.intend(intent(f"sale:{number}"))
    shutil.copy(other / "state.sqlite3", home)
    shutil.copy(other / "state.key", home)
    assert await is_restored(home)


@pytest.mark.parametrize("spoilt", [b"", b"nonsense", b"one two", b"\xff\xfe 1"])
async def test_a_spoilt_marker_is_as_good_as_none(home: Path, spoilt: bytes) -> None:
    """Rather look up too much than double something."""
    async with opened(home):
        pass
    (home / "state.generation").write_bytes(spoilt)
    assert await is_restored(home)
    (marker,) = (home / "state.generation").read_bytes().splitlines()
    assert len(marker.split()) == 2


async def test_a_process_killed_between_database_and_marker_is_not_a_restored_backup(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is ahead then, be it at an intent or at the very first opening."""

    class Killed(BaseException):
        """Nothing after it runs."""

    follow, said = Marker.follow, 0

    def die(marker: Marker, generation: Generation) -> None:
        nonlocal said
        said += 1
        if said == at:
            raise Killed
        follow(marker, generation)

    for at in (1, 2, 3, 4):
        directory, said = home.with_name(f"state{at}"), 0
        with monkeypatch.context() as patched:
            patched.setattr(Marker, "follow", die)
            database: Database | None = None
            try:
                database = Database.open(directory)
                for _ in range(2):
                    database.announce(lambda connection: connection.execute("SELECT 1").fetchone())
            except Killed:
                pass
            if database is not None and database._lock is not None:
                database.connection.close()
                os.close(database._lock)
        assert said == at
        assert not await is_restored(directory)


async def test_two_processes_leave_the_higher_number(home: Path) -> None:
    """Whichever of them writes it down last."""
    home.mkdir()
    first, second = Marker.open(home), Marker.open(home)
    second.follow(Generation("a" * 32, 6))
    first.follow(Generation("a" * 32, 5))
    assert first.read() == second.read() == Generation("a" * 32, 6)
    first.follow(Generation("b" * 32, 1))
    assert second.read() == Generation("b" * 32, 1)
    first.close()
    first.close()
    second.close()


async def test_a_marker_that_cannot_be_written_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent is durable, and is looked up at the next start."""

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    async with opened(home) as store:
        monkeypatch.setattr(os, "pwrite", fail)
        with pytest.raises(StoreError, match="followed by its marker"):
            await store.intend(intent("sale:1"))
        assert [one.key for one in await store.intents(PairId("shop"))] == ["sale:1"]
