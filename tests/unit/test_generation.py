"""A database that is older than what was done with it is recognised, however it was put back; a killed process is not mistaken for that."""

# ruff: noqa: ASYNC240 - these tests look into the files themselves, and nothing else waits for their loop meanwhile

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from daemon.core.ids import PairId
from daemon.state.database import Database
from daemon.state.port import IntentState, StoreError
from daemon.state.restore import begin_anew, restore
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


async def refused(directory: Path, told: str) -> None:
    """Neither a writer nor a reader takes it; the line says what can be done, and nothing was changed."""
    before = {file.name: file.read_bytes() for file in directory.glob("state.sqlite3")}
    for readonly in (False, True):
        with pytest.raises(StoreError, match=told) as refusal:
            await open_store(directory, clock=StillClock(), readonly=readonly)
        assert "kassabrug restore" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert {file.name: file.read_bytes() for file in directory.glob("state.sqlite3")} == before


async def taken_as_it_is(home: Path) -> None:
    """What the refusal says of a database that is the one that is wanted: it is older, and everything is looked up."""
    restore(home / "state.sqlite3", home, stamp="now")
    assert await is_restored(home)


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
    await refused(home, "is older than what was done with it|is not as it was closed")
    await taken_as_it_is(home)
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
    await refused(home, "is older than what was done with it|is not as it was closed")
    await taken_as_it_is(home)


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
    await taken_as_it_is(home)
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


@pytest.mark.parametrize("left", [None, b""])
async def test_a_database_that_is_gone_is_missed(home: Path, left: bytes | None) -> None:
    """Neither a reader nor a writer takes it for a first start; what a person is told to say makes a new one, and that is in the log."""
    async with opened(home) as store:
        await store.intend(intent("sale:1"))
    (home / "state.sqlite3").unlink()
    if left is not None:
        (home / "state.sqlite3").write_bytes(left)
    await refused(home, "is missing, and there was one" if left is None else "is empty, and there was one")
    assert begin_anew(home, by="ans", now=NOON).kept == home / "state.before-restore-20260302T120000Z"
    async with opened(home) as store:
        assert await store.intents(PairId("shop")) == []
        assert store.restored
        [line] = await store.activity()
        assert str(line.detail) == "activity.new_state by=ans"
    assert await is_restored(home)


async def test_the_key_alone_tells_that_there_was_a_state(home: Path) -> None:
    """The mark may be gone with the database: a folder that was half copied."""
    async with opened(home):
        pass
    (home / "state.sqlite3").unlink()
    (home / "state.generation").unlink()
    await refused(home, r"state\.key is its key")


async def test_another_programs_database_is_left_alone(home: Path) -> None:
    """Also one that has numbered its schema as we do."""
    for version in (0, 2, 4):
        directory = home.with_name(f"state{version}")
        directory.mkdir(mode=0o700)
        with closing(sqlite3.connect(directory / "state.sqlite3")) as connection:
            connection.executescript(f"CREATE TABLE meta (name TEXT, value TEXT); PRAGMA user_version = {version if version != 2 else 0}")
            if version == 2:
                connection.execute("CREATE TABLE accounts (id)")
        await refused(directory, "another program's database")


async def test_another_database_in_its_place_is_refused(home: Path) -> None:
    """Whatever its number says; it is taken when a person puts it there."""
    other = home.with_name("other")
    async with opened(home), opened(other) as store:
        for number in range(5):
            await store.intend(intent(f"sale:{number}"))
    shutil.copy(other / "state.sqlite3", home)
    shutil.copy(other / "state.key", home)
    await refused(home, "is not as it was closed")
    (home / "state.generation").write_text(" ".join((home / "state.generation").read_text().split()[:2]))  # as a killed process leaves it
    await refused(home, "is another state than the one that was here")
    await taken_as_it_is(home)


async def test_one_changed_byte_is_noticed(home: Path) -> None:
    """Anywhere in a database that was closed, also where SQLite does not look: a word of a record, a free page."""
    async with opened(home) as store:
        await store.remember(PairId("shop"), {"a": "word of a record"})
    whole = (home / "state.sqlite3").read_bytes()
    place = whole.index(b"word of a record")
    for at in (place, len(whole) - 1, 24, 4096 + 300):
        spoilt = bytearray(whole)
        spoilt[at] ^= 1
        (home / "state.sqlite3").write_bytes(spoilt)
        await refused(home, "is not as it was closed")
    (home / "state.sqlite3").write_bytes(whole)
    async with opened(home) as store:
        assert await store.fact(PairId("shop"), "a") == "word of a record"


@pytest.mark.parametrize("spoilt", [b"", b"nonsense", b"one two", b"\xff\xfe 1"])
async def test_a_spoilt_marker_is_as_good_as_none(home: Path, spoilt: bytes) -> None:
    """Rather look up too much than double something."""
    async with opened(home):
        pass
    (home / "state.generation").write_bytes(spoilt)
    assert await is_restored(home)
    (marker,) = (home / "state.generation").read_bytes().splitlines()
    assert len(marker.split()) == 3
    async with opened(home) as store:
        assert "activity.restored" in [str(line.detail) for line in await store.activity()]


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
