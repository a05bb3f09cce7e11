"""The files of the store: how it opens, what it refuses, what is on the disk."""

# ruff: noqa: ASYNC240 - these tests look into the files themselves, and nothing else waits for their loop meanwhile

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from connectors.port import Cursor, Tokens
from daemon.core.ids import EVERYBODY, PairId
from daemon.core.outcomes import Outcome, Reason
from daemon.state import schema
from daemon.state.cipher import Cipher, make_key, place
from daemon.state.database import CHECKPOINT_BYTES, Database
from daemon.state.files import share_lock, try_lock
from daemon.state.port import Settlement, StoreError
from daemon.state.restore import restore
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.unit.store_support import NOON, PYTHON, REPOSITORY, StillClock, minutes, new

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.state.store import SqliteStore

MARKER = b"jan@example.test"


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: these tests call what blocks directly."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory that is not there yet."""
    return tmp_path / "deep" / "state"


@asynccontextmanager
async def opened(directory: Path, *, readonly: bool = False, cipher: Cipher | None = None) -> AsyncIterator[SqliteStore]:
    """Open a store and close it again."""
    store = await open_store(directory, clock=StillClock(), cipher=cipher, readonly=readonly)
    try:
        yield store
    finally:
        await store.close()


async def try_opening(directory: Path, *, readonly: bool = False) -> None:
    """Open a store only to close it again; a store left open would keep the tests from ending."""
    async with opened(directory, readonly=readonly):
        pass


def leave_open(directory: Path) -> None:
    """Open the database and drop it as a killed process does: without closing it."""
    database = Database.open(directory)
    database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.connection.close()
    assert database._lock is not None
    os.close(database._lock)


def bytes_in(directory: Path) -> bytes:
    """Return everything that lies in a directory."""
    return b"".join(file.read_bytes() for file in directory.iterdir())


# -- opening ----------------------------------------------------------------------------------------------------------------------


async def test_everything_is_made_for_its_owner_alone(home: Path) -> None:
    """The directory is 0700, every file in it 0600, whatever the umask says."""
    before = os.umask(0)
    try:
        async with opened(home) as store:
            await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1")])
            async with SqliteTokenStore(store, "till/1", home, clock=StillClock()).exclusive():
                modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    database = ("state.sqlite3", "state.sqlite3-shm", "state.sqlite3-wal")
    assert modes == dict.fromkeys(("state.generation", "state.key", "state.lock", *database, "token-till%2F1.lock"), 0o600)


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
async def test_a_directory_that_others_may_enter_is_refused(home: Path, mode: int) -> None:
    """One line says which and what to do."""
    home.mkdir(parents=True)
    home.chmod(mode)
    with pytest.raises(StoreError, match=rf"other users may read the state directory \(mode {mode:04o}\); chmod 700 it"):
        await try_opening(home)


async def test_a_file_in_the_place_of_the_directory_is_refused(home: Path) -> None:
    """It is told, not deleted."""
    home.parent.mkdir()
    home.write_text("mine")
    with pytest.raises(StoreError, match="the state directory cannot be made"):
        await try_opening(home)
    assert home.read_text() == "mine"


async def test_the_connection_is_set_for_safety(home: Path) -> None:
    """A commit survives a power cut, references hold, and the schema is trusted with nothing."""
    async with opened(home) as store:
        names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "busy_timeout")
        values = await store.look(lambda connection: [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
        tables = await store.look(
            lambda connection: connection.execute(
                "SELECT name FROM pragma_table_list WHERE NOT strict AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
        )
    assert values == ["wal", 2, 1, 0, 5000]
    assert tables == []


async def test_a_closed_store_is_one_file(home: Path) -> None:
    """The write-ahead log is folded in and gone, and everything is there at the next opening."""
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])
    assert not (home / "state.sqlite3-wal").exists()
    async with opened(home) as store:
        assert await store.position(PairId("shop"), "sales") == Cursor(NOON)
        assert [work.payload for work in await store.open_work(PairId("shop"), "sales")] == [b"x"]


def test_who_opens_waits_for_who_is_just_opening(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He is alone with the file until the schema is up to date; then they share it."""
    home.mkdir(mode=0o700, parents=True)
    other = os.open(home / "state.lock", os.O_RDWR | os.O_CREAT, 0o600)
    assert try_lock(other)

    def wait(descriptor: int) -> None:
        monkeypatch.undo()
        os.close(other)  # the other one is ready
        share_lock(descriptor)

    monkeypatch.setattr("daemon.state.database.share_lock", wait)
    first, second = Database.open(home), Database.open(home)
    second.close()
    assert first.read(lambda connection: connection.execute("SELECT value FROM meta WHERE name = 'open'").fetchone()[0]) == "1"
    first.close()
    last = Database.open_readonly(home)
    assert last.read(lambda connection: connection.execute("SELECT value FROM meta WHERE name = 'open'").fetchone()[0]) == "0"
    last.close()


async def test_each_opening_is_counted(home: Path) -> None:
    """The name stays that of the creation; reading does not count; another directory is another store."""
    async with opened(home) as first, opened(home.with_name("other")) as other:
        pass
    async with opened(home) as second, opened(home, readonly=True) as reader:
        pass
    assert first.identity == second.identity == reader.identity
    assert first.identity != other.identity
    assert (first.generation, second.generation, reader.generation) == (1, 2, 2)


async def test_the_log_does_not_grow_without_end(home: Path) -> None:
    """It is folded into the database when it is large, also while nobody closes the store."""
    log = home / "state.sqlite3-wal"
    async with opened(home) as store:
        block = "x" * (CHECKPOINT_BYTES // 2)
        for number in range(6):
            await store.remember(PairId("shop"), {"block": f"{number}{block}"})
        assert log.stat().st_size < 2 * CHECKPOINT_BYTES
        assert await store.size() == log.stat().st_size + (home / "state.sqlite3").stat().st_size


async def test_a_reader_in_the_way_of_folding_does_not_stop_the_writer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log grows until the reader has gone, and is folded then."""
    monkeypatch.setattr("daemon.state.database.BUSY_SECONDS", 0.01)
    log = home / "state.sqlite3-wal"
    async with opened(home) as store:
        await store.remember(PairId("shop"), {"a": "1"})
        with closing(sqlite3.connect(home / "state.sqlite3", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM fact").fetchone()
            block = "x" * CHECKPOINT_BYTES
            for number in range(5):
                await store.remember(PairId("shop"), {"block": f"{number}{block}"})
            assert log.stat().st_size > 4 * CHECKPOINT_BYTES
        for number in range(2):
            await store.remember(PairId("shop"), {"block": f"{number}{block}"})
        assert log.stat().st_size < 2 * CHECKPOINT_BYTES


# -- what is on the disk ----------------------------------------------------------------------------------------------------------


async def test_no_payload_and_no_token_is_readable_on_the_disk(home: Path) -> None:
    """Neither in the database nor in the write-ahead log, neither before nor after a checkpoint, nor in a backup."""
    async with opened(home) as store:
        tokens = Tokens(MARKER.decode(), MARKER.decode(), NOON)
        await SqliteTokenStore(store, "books", home, clock=StillClock()).save(tokens)
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=MARKER), new("2", payload=MARKER)])
        works = await store.claim(PairId("shop"), "sales", now=NOON, limit=2)
        await store.hold(works[0], reason=Reason.SUM_DIFFERS, payload=MARKER * 2)
        assert b"no 1" in bytes_in(home)  # labels are plain, so the search looks in the right place
        assert MARKER not in bytes_in(home)
        await store.backup(home / "copy.sqlite3")
        assert [work.payload for work in await store.find_work("1")] == [MARKER * 2]
    assert MARKER not in bytes_in(home)


async def test_a_lost_key_is_told_and_no_new_one_is_made(home: Path) -> None:
    """A second key would make it worse."""
    async with opened(home):
        pass
    key = (home / "state.key").read_bytes()
    (home / "state.key").unlink()
    with pytest.raises(StoreError, match=r"the key file state\.key is lost; put it back"):
        await try_opening(home)
    assert not (home / "state.key").exists()
    (home / "state.key").write_bytes(key)
    async with opened(home) as store:
        assert store.generation == 2  # the refused opening was none


async def test_a_wrong_key_is_told_at_opening(home: Path) -> None:
    """For writing and for reading."""
    async with opened(home):
        pass
    (home / "state.key").unlink()
    make_key(home)
    for readonly in (False, True):
        with pytest.raises(StoreError, match=r"state\.key: this is not the key that the stored data was encrypted with"):
            await try_opening(home, readonly=readonly)


async def test_a_spoilt_key_is_told(home: Path) -> None:
    """An empty key file too."""
    async with opened(home):
        pass
    for spoilt in (b"not a key\n", b""):
        (home / "state.key").write_bytes(spoilt)
        with pytest.raises(StoreError, match=r"state\.key: this is no key"):
            await try_opening(home)


async def test_a_key_that_cannot_be_read_is_told(home: Path) -> None:
    """It is not taken for a missing one, in whose place a new one would be made."""
    async with opened(home):
        pass
    (home / "state.key").unlink()
    (home / "state.key").mkdir()
    with pytest.raises(StoreError, match=r"state\.key: this is no file but a link or a device"):
        await try_opening(home)


async def test_the_key_of_systemds_credentials_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no key file is made in the state directory."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    make_key(credentials)
    (credentials / "state.key").rename(credentials / "kassabrug-state-key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=MARKER)])
    assert not (home / "state.key").exists()
    async with opened(home) as store:
        assert [work.payload for work in await store.find_work("1")] == [MARKER]


async def test_a_key_can_be_replaced(home: Path, tmp_path: Path) -> None:
    """The new one in the first line, the old one in the second: after one start the new one alone opens it, and that is in the log."""
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=MARKER)])
        await SqliteTokenStore(store, "books", home, clock=StillClock()).save(Tokens("access", "refresh", NOON))
    old = (home / "state.key").read_bytes()
    (home / "state.key").unlink()
    make_key(home)
    alone = (home / "state.key").read_bytes()
    (home / "state.key").write_bytes(alone + old)
    async with opened(home) as store:
        await store.remember_secret(EVERYBODY, "salt", "of one key")
        assert [work.payload for work in await store.find_work("1")] == [MARKER]
        assert [str(line.detail) for line in await store.activity()] == ["activity.key_replaced"]
    (home / "state.key").write_bytes(alone)
    async with opened(home) as store:
        assert [work.payload for work in await store.find_work("1")] == [MARKER]
        tokens = await SqliteTokenStore(store, "books", home, clock=StillClock()).load()
        assert tokens == Tokens("access", "refresh", NOON)
        assert await store.secret(EVERYBODY, "salt") == "of one key"
    (home / "state.key").write_bytes(old)
    with pytest.raises(StoreError, match="this is not the key"):
        await try_opening(home)


async def test_a_key_is_not_replaced_under_a_running_process(home: Path) -> None:
    """It knows the old one only; whoever opens beside it goes on with that, and the next who is alone replaces it."""
    async with opened(home) as daemon:
        old = (home / "state.key").read_bytes()
        (home / "state.key").unlink()
        make_key(home)
        (home / "state.key").write_bytes((home / "state.key").read_bytes() + old)
        async with opened(home) as command:
            await command.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=MARKER)])
        assert [work.payload for work in await daemon.find_work("1")] == [MARKER]
    async with opened(home) as store:
        assert [str(line.detail) for line in await store.activity()] == ["activity.key_replaced"]
        assert [work.payload for work in await store.find_work("1")] == [MARKER]


def test_two_who_make_the_key_at_once_agree_on_one(home: Path) -> None:
    """The slower takes the key of the faster, and nothing else is left behind."""
    home.mkdir(parents=True, mode=0o700)
    first, second = make_key(home), make_key(home)
    where = place("work", "payload", "1")
    assert second.decrypt(first.encrypt(MARKER, where), where) == MARKER
    assert [file.name for file in home.iterdir()] == ["state.key"]


# -- readers ----------------------------------------------------------------------------------------------------------------------


async def test_a_reader_sees_what_a_running_daemon_has_written(home: Path) -> None:
    """Beside it, at once, and without being able to write."""
    async with opened(home) as store, opened(home, readonly=True) as reader:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])
        assert await reader.position(PairId("shop"), "sales") == Cursor(NOON)
        assert [work.payload for work in await reader.find_work("1")] == [b"x"]
        with pytest.raises(StoreError, match="cannot be written"):
            await reader.remember(PairId("shop"), {"a": "b"})


async def test_a_reader_of_nothing_sees_an_empty_store(home: Path) -> None:
    """``plan`` works before the first start, and makes nothing."""
    async with opened(home, readonly=True) as reader:
        assert await reader.position(PairId("shop"), "sales") == Cursor()
        assert await reader.counts() == []
        with pytest.raises(StoreError, match="cannot be written"):
            await reader.remember(PairId("shop"), {"a": "b"})
    assert not home.exists()


async def test_a_reader_without_the_key_sees_all_but_payloads_and_tokens(home: Path) -> None:
    """The key may lie where only the daemon can read it."""
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x")])
    (home / "state.key").unlink()
    async with opened(home, readonly=True) as reader:
        assert [(work.label, work.payload) for work in await reader.find_work("1")] == [("no 1", None)]
        with pytest.raises(StoreError, match="key file is not here"):
            await SqliteTokenStore(reader, "books", home, clock=StillClock()).load()


# -- damage -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [False, True])
async def test_what_is_not_a_database_is_told(home: Path, *, readonly: bool) -> None:
    """With what to do, and left as it is."""
    home.mkdir(parents=True, mode=0o700)
    (home / "state.sqlite3").write_bytes(b"<html>" * 1000)
    with pytest.raises(StoreError, match=r"state\.sqlite3: this is not a database; put a backup back"):
        await try_opening(home, readonly=readonly)
    assert (home / "state.sqlite3").read_bytes() == b"<html>" * 1000


def damage(directory: Path) -> None:
    """Fill the pages of an index with other bytes; the tables stay readable."""
    file = directory / "state.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        [root] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'work_label'").fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(file.read_bytes())
    data[(root - 1) * size : root * size] = b"\xff" * size
    file.write_bytes(data)


def forget_how_it_was_closed(directory: Path) -> None:
    """As an earlier version has left it: the mark says nothing of what the file looked like."""
    mark = directory / "state.generation"
    mark.write_text(" ".join(mark.read_text().split()[:2]))


async def test_damage_is_found_after_an_unclean_stop(home: Path) -> None:
    """Before anything is written on top of it."""
    leave_open(home)
    damage(home)
    with pytest.raises(StoreError, match="the database is damaged"):
        await try_opening(home)


async def test_damage_is_told_when_it_is_met(home: Path) -> None:
    """Reading ends in one clear line, closing too, and the next opening looks closer."""
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1")])
    damage(home)
    forget_how_it_was_closed(home)

    async def read() -> None:
        async with opened(home) as damaged:
            with pytest.raises(StoreError, match=r"state\.sqlite3: the database is damaged; put a backup back"):
                await damaged.find_work("no 1")

    with pytest.raises(StoreError, match="the database is damaged"):
        await read()
    with pytest.raises(StoreError, match=r"state\.sqlite3: the database is damaged \(Page .*\); put a backup back"):
        await try_opening(home)


async def test_an_unclean_stop_alone_is_no_damage(home: Path) -> None:
    """A killed process leaves a store that opens."""
    leave_open(home)
    async with opened(home) as store:
        assert store.generation == 2


async def test_a_damaged_backup_is_refused(home: Path) -> None:
    """What stood in its place stays."""
    async with opened(home):
        pass
    damage(home)
    forget_how_it_was_closed(home)
    target = home / "copy.sqlite3"
    target.write_text("older")
    async with opened(home) as store:
        with pytest.raises(StoreError, match="the backup is not sound"):
            await store.backup(target)
    assert target.read_text() == "older"
    assert not (home / "copy.sqlite3.part").exists()


async def test_a_full_disk_is_told_and_nothing_stored_is_lost(home: Path) -> None:
    """The page that did not fit is not there, its position neither; with space again it goes on."""
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1")])
        await store.look(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
        with pytest.raises(StoreError, match=r"state\.sqlite3: the disk is full; free some space"):
            await store.record_page(PairId("shop"), "sales", Cursor(minutes(1)), [new("2", payload=b"x" * 200_000)])
        assert await store.position(PairId("shop"), "sales") == Cursor(NOON)
        assert [work.record for work in await store.open_work(PairId("shop"), "sales")] == ["1"]
        await store.look(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
        await store.record_page(PairId("shop"), "sales", Cursor(minutes(1)), [new("2", payload=b"x" * 200_000)])
        assert await store.position(PairId("shop"), "sales") == Cursor(minutes(1))


def test_a_read_only_directory_is_told(tmp_path: Path) -> None:
    """In a process without root's rights, which nothing stops."""
    home = tmp_path / "state"
    home.mkdir(mode=0o500)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from daemon.state.database import Database\n"
        "from daemon.state.port import StoreError\n"
        "if os.geteuid() == 0:\n"
        "    os.chown('.', 65534, 65534)\n"
        "    os.setgid(65534)\n"
        "    os.setuid(65534)\n"
        "try:\n"
        "    Database.open(Path('.'))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [PYTHON, "-c", script], cwd=home, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True
    )
    assert (
        done.stdout
        == "state.sqlite3: the state cannot be opened for writing (Permission denied); see who owns it and whether the disk is sound\n"
    )


# -- the schema -------------------------------------------------------------------------------------------------------------------

SHIPPED = schema.shipped()
NEXT = schema.Migration(len(SHIPPED) + 1, "CREATE TABLE extra (a TEXT) STRICT; INSERT INTO extra VALUES ('x');")
BROKEN = schema.Migration(NEXT.number, "CREATE TABLE extra (a TEXT) STRICT; INSERT INTO nowhere VALUES ('x');")


def test_migrations_are_numbered_without_gaps() -> None:
    """The number is the version that the database has afterwards."""
    assert [step.number for step in SHIPPED] == list(range(1, len(SHIPPED) + 1))


@pytest.mark.parametrize("readonly", [False, True])
async def test_a_newer_schema_is_refused(home: Path, *, readonly: bool) -> None:
    """An older program never writes into it."""
    Database.open(home, migrations=[*SHIPPED, NEXT]).close()
    with pytest.raises(
        StoreError, match=rf"written by a newer version of Kassabrug \(schema {NEXT.number}, this version knows {len(SHIPPED)}\)"
    ):
        await try_opening(home, readonly=readonly)


async def test_an_existing_database_is_copied_before_it_is_changed(home: Path) -> None:
    """The copy is sound, private, and of the schema before; a new database needs none."""
    async with opened(home) as store:
        await store.remember(PairId("shop"), {"a": "1"})
    assert list(home.glob("state-before-*")) == []
    database = Database.open(home, migrations=[*SHIPPED, NEXT])
    assert database.read(lambda connection: connection.execute("SELECT a FROM extra").fetchone()[0]) == "x"
    database.close()
    copy = home / f"state-before-{NEXT.number:04}.sqlite3"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restore(copy, home, stamp="now")
    async with opened(home) as store:
        assert await store.fact(PairId("shop"), "a") == "1"


async def test_a_migration_that_fails_changes_nothing(home: Path) -> None:
    """The program of before goes on with it."""
    async with opened(home) as store:
        await store.remember(PairId("shop"), {"a": "1"})
    with pytest.raises(StoreError, match="no such table: nowhere"):
        Database.open(home, migrations=[*SHIPPED, BROKEN])
    async with opened(home) as store:
        assert await store.fact(PairId("shop"), "a") == "1"
        tables = await store.look(lambda connection: connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'extra'").fetchall())
    assert tables == []


async def test_the_schema_is_not_changed_under_a_running_process(home: Path) -> None:
    """The upgrade waits until the old version has stopped."""
    async with opened(home) as store:
        with pytest.raises(StoreError, match="another version of Kassabrug is running on this state"):
            Database.open(home, migrations=[*SHIPPED, NEXT])
        await store.remember(PairId("shop"), {"a": "1"})


async def test_a_reader_does_not_change_an_older_schema(home: Path) -> None:
    """It says who does."""
    home.mkdir(parents=True, mode=0o700)
    (home / "state.sqlite3").touch()
    with pytest.raises(StoreError, match="start the daemon once to bring it up to date"):
        await try_opening(home, readonly=True)


# -- backups ----------------------------------------------------------------------------------------------------------------------


async def test_a_backup_is_the_store_of_one_moment(home: Path, tmp_path: Path) -> None:
    """Taken while the store is in use, it is one private file that opens in another place with the same key."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    async with opened(home) as store:
        await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("1", payload=b"x"), new("2")])
        await store.backup(elsewhere / "state.sqlite3")
        [work] = await store.claim(PairId("shop"), "sales", now=NOON, limit=1)
        await store.finish(work, Settlement(Outcome.CREATED))
        cipher = store.cipher
    assert [file.name for file in elsewhere.iterdir()] == ["state.sqlite3"]
    assert stat.S_IMODE((elsewhere / "state.sqlite3").stat().st_mode) == 0o600
    async with opened(elsewhere, cipher=cipher) as restored:
        assert [(work.record, work.payload) for work in await restored.open_work(PairId("shop"), "sales")] == [("1", b"x"), ("2", b"{}")]
        assert restored.identity == store.identity


async def test_a_backup_into_nowhere_is_told(home: Path) -> None:
    """The store itself goes on."""
    async with opened(home) as store:
        with pytest.raises(StoreError, match=r"nowhere/copy: the backup cannot be written \(No such file or directory\)"):
            await store.backup(home / "nowhere" / "copy")
        await store.remember(PairId("shop"), {"a": "1"})
