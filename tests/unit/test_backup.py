"""Backups: made beside a running daemon, checked, put back, and what was written since is not written again."""

# ruff: noqa: ASYNC240 - these tests look into the files themselves, and nothing else waits for their loop meanwhile

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import anyio
import pytest

from connectors.port import Cursor, Tokens
from daemon.core.ids import LinkId, PairId
from daemon.observe.metrics import Metrics
from daemon.state.owner import claim_ownership
from daemon.state.port import StoreError
from daemon.state.restore import restore
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.system.support import kassabrug
from tests.unit.store_support import NOON, StillClock, intent, minutes, new

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from daemon.state.store import SqliteStore

CONFIG = """
[connections.books]
kind = "eaccounting"
client_id = "id"
[connections.till]
kind = "salespos"
api = "https://till.example"
[links.shop]
books = "books"
tills = ["till"]
"""


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: these tests call what blocks directly."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory that is not there yet, beside a configuration."""
    (tmp_path / "kassabrug.toml").write_text(CONFIG)
    return tmp_path / "state"


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[SqliteStore]:
    """Open a store and close it again."""
    store = await open_store(directory, clock=StillClock())
    try:
        yield store
    finally:
        await store.close()


async def begun(home: Path) -> None:
    """Make a state with one receipt in it."""
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])


async def records(directory: Path) -> list[str]:
    """The receipts in a state, payloads readable."""
    async with opened(directory) as store:
        works = await store.open_work(PairId("shop"), "sales")
        assert all(work.payload for work in works)
        return [work.record for work in works]


def kept(home: Path) -> Path:
    """The folder of the state that was replaced."""
    (folder,) = home.glob("state.before-restore-*")
    return folder


# -- the commands -----------------------------------------------------------------------------------------------------------------


async def test_a_backup_beside_the_daemon_comes_back_as_it_was(home: Path, tmp_path: Path) -> None:
    """What was read since is gone, what was replaced is kept, and the next start looks up before it writes."""
    async with claim_ownership(home, clock=StillClock()), opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])
        made = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "backup", "copy", "--state-dir", "state", "--json"))
        await store.record_page(PairId("shop"), "sales", Cursor(minutes(1)), [new("2", payload=b"x")])
        assert await store.fact(LinkId(""), "backup_at") == made.last["at"]
    assert made.code == 0
    assert made.last["bytes"] == (tmp_path / "copy").stat().st_size
    assert (made.last["key"], made.last["key_beside"]) == ("state/state.key", False)
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    done = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "restore", "copy", "--state-dir", "state"))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("copy is in place.")
    async with opened(home) as store:
        assert store.restored
    assert await records(home) == ["1"]
    replaced = kept(home)
    assert await records(replaced) == ["1", "2"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in replaced.iterdir()} == {0o600}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy", "kassabrug.toml", "state"]


async def test_a_backup_says_that_the_key_is_not_in_it(home: Path, tmp_path: Path) -> None:
    """Or, when it is wanted beside it, that both together are a secret; on a new machine that is enough."""
    await begun(home)
    without = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "backup", "copy", "--state-dir", "state"))
    assert "The key is not in it. Keep a copy of state/state.key" in without.out
    assert not (tmp_path / "copy.key").exists()
    beside = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "backup", "copy", "--with-key", "--state-dir", "state"))
    assert "Both together are a secret" in beside.out
    assert stat.S_IMODE((tmp_path / "copy.key").stat().st_mode) == 0o600
    done = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "restore", "copy", "--state-dir", "elsewhere", "--json"))
    assert done.last == {"state": "elsewhere", "kept": None, "key_fits": True}
    assert await records(tmp_path / "elsewhere") == ["1"]


async def test_a_backup_that_cannot_be_made_is_one_line(home: Path, tmp_path: Path) -> None:
    """No state, a place inside the state, a place that is not there, a lost key."""

    async def refused(*arguments: str) -> str:
        ended = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "backup", *arguments, "--state-dir", "state"))
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        return ended.err

    assert "there is no state to copy yet" in await refused("copy")
    assert not home.exists()
    await begun(home)
    assert "choose a place outside state" in await refused("state/state.sqlite3")
    assert "the backup cannot be written (No such file or directory)" in await refused("nowhere/copy")
    (home / "state.key").unlink()
    assert "the key state.key is not in state" in await refused("copy")
    assert not list(tmp_path.glob("*.part"))


async def test_nothing_is_put_back_under_a_running_daemon(home: Path, tmp_path: Path) -> None:
    """It is told who runs, with the exit code of a second start."""
    await begun(home)
    async with opened(home) as store:
        await store.backup(tmp_path / "copy")
    async with claim_ownership(home, clock=StillClock()):
        ended = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "restore", "copy", "--state-dir", "state"))
    assert ended.code == 78
    assert f"process {os.getpid()}" in ended.err
    assert await records(home) == ["1"]


def test_the_last_backup_is_a_metric() -> None:
    """0 until the first."""
    metrics = Metrics()

    def shown() -> float:
        lines = metrics.render().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("kassabrug_backup_last_success_timestamp_seconds"))

    assert shown() == 0
    metrics.backed_up(NOON)
    assert shown() == NOON.timestamp()


# -- putting back -----------------------------------------------------------------------------------------------------------------


async def test_nothing_is_put_back_while_another_command_writes(home: Path, tmp_path: Path) -> None:
    """An answer that is just being given would be lost."""
    async with opened(home) as store:
        await store.backup(tmp_path / "copy")
        with pytest.raises(StoreError, match="another command has the state open"):
            restore(tmp_path / "copy", home, stamp="now")


async def test_what_a_killed_daemon_left_is_kept_whole(home: Path, tmp_path: Path) -> None:
    """Its log belongs to the replaced database, and must not be played back into the one that takes its place."""
    await begun(home)
    async with opened(home) as store:
        await store.backup(tmp_path / "copy")
        await store.record_page(PairId("shop"), "sales", Cursor(minutes(1)), [new(str(n), payload=b"x" * 5000) for n in range(2, 40)])
        shutil.copytree(home, tmp_path / "killed")
    killed = tmp_path / "killed"
    assert (killed / "state.sqlite3-wal").stat().st_size > 100_000
    assert restore(tmp_path / "copy", killed, stamp="now").kept == killed / "state.before-restore-now"
    assert await records(killed) == ["1"]
    assert len(await records(killed / "state.before-restore-now")) == 39


async def test_tokens_that_were_renewed_since_are_kept(home: Path, tmp_path: Path) -> None:
    """A refresh token works once, so the backup's is spent; one that the replaced state does not know is taken from the backup."""
    clock = StillClock()
    async with opened(home) as store:
        books, other = (SqliteTokenStore(store, name, home, clock=clock) for name in ("books", "other"))
        await books.save(Tokens("a", "spent", NOON, "", 1))
        await other.save(Tokens("a", "other", NOON, "", 1))
        await store.backup(tmp_path / "copy")
        clock.moment = minutes(60)
        await books.save(Tokens("b", "fresh", NOON, "", 2))
        await store.transact(lambda connection: connection.execute("DELETE FROM token WHERE connection = 'other'"))
    restore(tmp_path / "copy", home, stamp="now")
    async with opened(home) as store:
        found = [await SqliteTokenStore(store, name, home, clock=clock).load() for name in ("books", "other")]
    assert [tokens and tokens.refresh_token for tokens in found] == ["fresh", "other"]


async def test_a_damaged_database_is_replaced_all_the_same(home: Path, tmp_path: Path) -> None:
    """That is what a backup is for."""
    await begun(home)
    async with opened(home) as store:
        await store.backup(tmp_path / "copy")
    (home / "state.sqlite3").write_bytes(b"SQLite format 3\0" + b"damage" * 1000)
    restore(tmp_path / "copy", home, stamp="now")
    assert await records(home) == ["1"]


async def test_a_backup_that_is_no_good_changes_nothing(home: Path, tmp_path: Path) -> None:
    """Missing, not a database, somebody else's database, damaged, from a newer version, made with another key."""
    await begun(home)
    async with opened(home) as store:
        await store.backup(tmp_path / "copy")
    async with opened(tmp_path / "other") as store:
        await store.backup(tmp_path / "foreign")
    with closing(sqlite3.connect(tmp_path / "empty")) as connection:
        connection.execute("CREATE TABLE meta (name TEXT, value TEXT)")
    with closing(sqlite3.connect(tmp_path / "newer")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    (tmp_path / "text").write_text("not a database at all, but long enough to have a header of a hundred bytes" * 9)
    spoilt = bytearray((tmp_path / "copy").read_bytes())
    spoilt[4096 * 3 : 4096 * 6] = b"\x55" * 4096 * 3
    (tmp_path / "spoilt").write_bytes(spoilt)
    before = (home / "state.sqlite3").read_bytes()
    for name, told in (
        ("missing", "there is no such backup"),
        ("text", "this is no backup of Kassabrug"),
        ("empty", "it names no key"),
        ("spoilt", "this backup is not sound|this is no backup"),
        ("newer", "written by a newer version"),
        ("foreign", r"was made with another key than .*/state\.key; put that key at .*/foreign\.key"),
    ):
        with pytest.raises(StoreError, match=told) as refusal:
            restore(tmp_path / name, home, stamp="now")
        assert "\n" not in str(refusal.value)
    assert (home / "state.sqlite3").read_bytes() == before
    assert not list(home.glob("state.before*"))
    assert not list(home.glob("*.restored*"))


async def test_a_key_beside_the_backup_replaces_one_that_does_not_fit(home: Path, tmp_path: Path) -> None:
    """A daemon that was started on a new machine before the backup was put back has made one of its own; it is kept."""
    async with opened(tmp_path / "old") as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])
        await store.backup(tmp_path / "copy")
    shutil.copy(tmp_path / "old" / "state.key", tmp_path / "copy.key")
    async with opened(home):
        own = (home / "state.key").read_bytes()
    assert restore(tmp_path / "copy", home, stamp="now").key_fits
    assert await records(home) == ["1"]
    assert (home / "state.before-restore-now" / "state.key").read_bytes() == own


async def test_a_backup_without_any_key_waits_for_it(home: Path, tmp_path: Path) -> None:
    """It is put in place, and the start says what is missing."""
    await begun(home)
    async with opened(home) as store:
        await store.backup(tmp_path / "copy")
    assert not restore(tmp_path / "copy", tmp_path / "elsewhere", stamp="now").key_fits
    with pytest.raises(StoreError, match=r"the key file state\.key is lost"):
        await records(tmp_path / "elsewhere")
    shutil.copy(home / "state.key", tmp_path / "elsewhere")
    assert await records(tmp_path / "elsewhere") == ["1"]


async def test_killed_while_it_is_put_back_leaves_one_of_the_two(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an old database without its log is recognised as one that lacks what was done."""

    class Killed(BaseException):
        """Nothing after it runs."""

    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])
        await store.backup(tmp_path / "copy")
        await store.look(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        await store.record_page(PairId("shop"), "sales", Cursor(minutes(1)), [new("2", payload=b"x")])
        await store.intend(intent("sale:2"))
        shutil.copytree(home, tmp_path / "killed")
    outcomes: set[object] = set()
    left = 0

    def deadly(original: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return original(*arguments, **options)

        return step

    for at in range(1, 60):
        directory = tmp_path / f"at{at}"
        shutil.copytree(tmp_path / "killed", directory)
        left = at
        with monkeypatch.context() as patched:
            for name in ("link", "unlink", "rename", "replace", "mkdir", "fsync"):
                patched.setattr(os, name, deadly(getattr(os, name)))
            try:
                restore(tmp_path / "copy", directory, stamp="now")
            except Killed:
                pass
            else:
                break
        try:
            await records(directory)
        except StoreError as refusal:  # between the old log and the new database: what it says to do is done
            assert "is older than what was done with it" in str(refusal)  # noqa: PT017 - or it opens, and that is looked at below
            restore(tmp_path / "copy", directory, stamp="again")
            outcomes.add("refused")
            assert await records(directory) == ["1"]
            assert await records(directory / "state.before-restore-now") == ["1", "2"]
            continue
        async with opened(directory) as store:
            found = tuple(work.record for work in await store.open_work(PairId("shop"), "sales"))
            assert store.restored or found == ("1", "2")
            outcomes.add((found, store.restored))
    else:
        pytest.fail("it never came to its end")
    assert outcomes == {(("1", "2"), False), "refused", (("1",), True)}
