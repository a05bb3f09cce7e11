"""The state as somebody may find it, or make it: keys and salts, moved rows, links, places for backups, and every step that can fail."""

# ruff: noqa: ASYNC240 - these tests look into the files themselves, and nothing else waits for their loop meanwhile

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import shutil
import socket
import sqlite3
import stat
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from cryptography.fernet import Fernet

from connectors.port import Cursor, Tokens
from daemon.core.customers import pseudonym
from daemon.core.ids import EVERYBODY, LinkId, PairId
from daemon.core.outcomes import Reason
from daemon.state import schema
from daemon.state.files import open_private
from daemon.state.owner import claim_ownership, read_owner
from daemon.state.port import Binding, StoreError
from daemon.state.restore import restore
from daemon.state.tokens import SqliteTokenStore
from tests.system.support import kassabrug
from tests.unit.store_support import NOON, REPOSITORY, StillClock, intent, minutes, new
from tests.unit.test_backup import CONFIG, begun, opened, records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIR = PairId("shop/till")
PERSON = "jan@example.nl"


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: these tests call what blocks directly."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory that is not there yet, beside a configuration."""
    (tmp_path / "kassabrug.toml").write_text(CONFIG)
    return tmp_path / "state"


# -- what is encrypted --------------------------------------------------------------------------------------------------------------


async def test_pseudonyms_do_not_turn_back_without_the_key(home: Path) -> None:
    """Whoever has the file and a list of addresses tries each with every text in it as the salt, and finds nobody."""
    async with opened(home) as store:
        salt = "0123456789abcdef" * 2
        await store.remember_secret(EVERYBODY, "salt", salt)
        await store.bind([Binding(LinkId("shop"), "customer", pseudonym(PERSON, salt), "debtor")])
        assert await store.secret(EVERYBODY, "salt") == salt
    with closing(sqlite3.connect(home / "state.sqlite3")) as thief:
        texts = [str(row[0]) for row in thief.execute("SELECT value FROM fact UNION SELECT value FROM meta")]
        [(bound,)] = thief.execute("SELECT source FROM binding").fetchall()
    assert bound == hmac.new(salt.encode(), PERSON.encode(), hashlib.sha256).hexdigest()[:32]
    assert bound not in {hmac.new(text.encode(), PERSON.encode(), hashlib.sha256).hexdigest()[:32] for text in texts}
    assert salt.encode() not in (home / "state.sqlite3").read_bytes()


async def test_what_is_encrypted_cannot_be_moved_into_another_row(home: Path) -> None:
    """The content of one receipt in the place of another's, and a connection's token in the place of another's, are refused."""
    async with opened(home) as store:
        await store.record_page(PAIR, "sales", Cursor(NOON), [new("1", payload=b"dear"), new("2", payload=b"cheap")])
        for name in ("books", "other"):
            await SqliteTokenStore(store, name, home, clock=StillClock()).save(Tokens(name, name, NOON))
        await store.transact(
            lambda connection: connection.execute(
                "UPDATE work SET payload = (SELECT payload FROM work WHERE record = '1') WHERE record = '2'"
            )
        )
        await store.transact(
            lambda connection: connection.execute(
                "UPDATE token SET value = (SELECT value FROM token WHERE connection = 'books') WHERE connection = 'other'"
            )
        )
        assert [work.payload for work in await store.find_work("1")] == [b"dear"]
        with pytest.raises(StoreError, match="or the data was changed"):
            await store.find_work("2")
        with pytest.raises(StoreError, match="or the data was changed"):
            await SqliteTokenStore(store, "other", home, clock=StillClock()).load()


async def test_a_state_of_the_version_before_is_brought_up_to_date(home: Path) -> None:
    """Its contents and tokens were bound to nothing and its salt was plain: all of it is there, bound and encrypted, and a copy is kept."""
    home.mkdir(mode=0o700)
    key = Fernet.generate_key()
    (home / "state.key").write_bytes(key)
    token = b'{"access_token":"a","expires_at":"2026-03-02T12:00:00+00:00","generation":3,"refresh_token":"r","scope":""}'
    with closing(sqlite3.connect(home / "state.sqlite3", isolation_level=None)) as old:
        for step in schema.shipped()[:3]:
            schema.apply(old, step)
        check = Fernet(key).encrypt_at_time(b"kassabrug", 0).decode()
        old.executemany(
            "INSERT INTO meta VALUES (?, ?)", [("key_check", check), ("identity", "a" * 32), ("generation", "5"), ("open", "0")]
        )
        old.execute("INSERT INTO fact VALUES ('', 'salt', 'a plain salt of before')")
        old.execute("INSERT INTO token VALUES ('books', ?, '2026-03-02T12:00:00.000000+00:00')", (Fernet(key).encrypt_at_time(token, 0),))
        moment = "2026-03-02T12:00:00.000000+00:00"
        old.executemany(
            "INSERT INTO work (link, flow, record, label, version, moment, payload, created_at, updated_at)"
            " VALUES ('shop/till', 'sales', ?, 'no', '1', ?, ?, ?, ?)",
            [(str(n), moment, Fernet(key).encrypt_at_time(b"content", 0), moment, moment) for n in range(3)],
        )
        old.execute("VACUUM")
    for name in ("state.sqlite3", "state.key"):
        (home / name).chmod(0o600)
    (home / "state.generation").write_text(f"{'a' * 32} {5:020}\n")
    (home / "state.generation").chmod(0o600)
    for _ in range(2):
        async with opened(home) as store:
            assert [work.payload for work in await store.open_work(PAIR, "sales")] == [b"content"] * 3
            assert await store.secret(EVERYBODY, "salt") == "a plain salt of before"
            tokens = await SqliteTokenStore(store, "books", home, clock=StillClock()).load()
            assert tokens == Tokens("a", "r", NOON, "", 3)
            assert not store.restored
    lying = (home / "state.sqlite3").read_bytes()
    assert b"a plain salt of before" not in lying
    assert b"gAAAA" not in lying
    assert (home / "state-before-0004.sqlite3").exists()


async def test_a_token_that_comes_when_the_disk_is_full_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one is spent: the new one lies in room that was taken before, and the next start takes it into the database."""
    async with opened(home) as store:
        tokens = SqliteTokenStore(store, "books", home, clock=StillClock())
        await tokens.save(Tokens("a", "old", NOON, "", 1))
        connection = store._runner.database.connection
        async with tokens.exclusive():
            connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
            with pytest.raises(StoreError, match="the disk is full"):
                await tokens.save(Tokens("b", "new" * 2000, NOON, "", 2))
        connection.execute("PRAGMA max_page_count = 1000000")
    assert b"new" * 10 not in (home / "token-books.lock").read_bytes()
    for _ in range(2):
        async with opened(home) as store:
            tokens = SqliteTokenStore(store, "books", home, clock=StillClock())
            async with tokens.exclusive():
                found = await tokens.load()
            assert found is not None
            assert found.generation == 2
    assert (home / "token-books.lock").read_bytes()[:4] == b"\0" * 4

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    async with opened(home) as store:
        with pytest.raises(StoreError, match=r"there is no room for a new token .*; free some space, nothing was spent"):
            async with SqliteTokenStore(store, "books", home, clock=StillClock()).exclusive():
                pytest.fail("the vendor would be asked")


# -- files --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["state.sqlite3", "state.key", "state.generation", "state.lock", "owner.lock", "token-books.lock"])
async def test_no_link_is_followed(home: Path, tmp_path: Path, name: str) -> None:
    """What it leads to is neither read, written nor given away."""
    async with opened(home):
        pass
    target = tmp_path / "somebody's"
    target.write_bytes(b"secret of somebody")
    target.chmod(0o644)
    (home / name).unlink(missing_ok=True)
    (home / name).symlink_to(target)

    async def use() -> None:
        async with (
            claim_ownership(home, clock=StillClock()),
            opened(home) as store,
            SqliteTokenStore(store, "books", home, clock=StillClock()).exclusive(),
        ):
            pass

    with pytest.raises(StoreError, match=f"{name}: this is no file but a link or a device; look who put it there"):
        await use()
    assert target.read_bytes() == b"secret of somebody"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_away_only_what_it_has_made(tmp_path: Path) -> None:
    """A file that lay there already stays its owner's; somebody else's in the folder is refused."""
    os.chown(tmp_path, 1234, 1234)
    os.close(open_private(tmp_path / "made", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "made").stat().st_uid == 1234
    (tmp_path / "root's").write_text("")
    os.close(open_private(tmp_path / "root's", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "root's").stat().st_uid == 0
    (tmp_path / "else").write_text("")
    os.chown(tmp_path / "else", 4321, 4321)
    with pytest.raises(StoreError, match="belongs to another user than its directory"):
        open_private(tmp_path / "else", os.O_RDWR | os.O_CREAT)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b"1", b'{"pid": {}}', b"\xff", b'{"pid":1,"host":2,"started_at":3}'])
async def test_an_owner_file_that_says_nothing_is_nobody(home: Path, content: bytes) -> None:
    """The lock counts, not what stands in the file."""
    await begun(home)
    (home / "owner.lock").write_bytes(content)
    assert read_owner(home) is None
    async with claim_ownership(home, clock=StillClock()):
        assert read_owner(home) is not None


def test_the_unit_leaves_no_core_behind() -> None:
    """It would hold the tokens."""
    assert "\nLimitCORE=0\n" in (REPOSITORY / "systemd" / "kassabrug.service").read_text()


# -- a backup's place ---------------------------------------------------------------------------------------------------------------


async def test_a_backup_replaces_files_only(home: Path, tmp_path: Path) -> None:
    """A pipe, a socket, a folder, a link (to a file, to nothing, in a circle) stay what they are: one line and exit code 1."""
    await begun(home)
    kept = tmp_path / "kept"
    kept.write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_file").symlink_to(kept)
    (tmp_path / "to_nothing").symlink_to(tmp_path / "nothing")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for name in ("folder", ".", "to_file", "to_nothing", "circle", "circle/copy", "pipe", "socket"):
        before = None if "/" in name else os.lstat(tmp_path / name).st_mode
        ended = await anyio.to_thread.run_sync(partial(kassabrug, tmp_path, "backup", name, "--state-dir", "state"))
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1), name
        assert before is None or os.lstat(tmp_path / name).st_mode == before
    assert kept.read_text() == "kept"
    assert not (tmp_path / "nothing").exists()
    assert (await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "backup", "kept", "--state-dir", "state"))).code == 0
    assert kept.read_bytes().startswith(b"SQLite format 3")


async def test_a_backup_from_a_state_that_cannot_be_written_is_a_success(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is whole, and the exit code says so; what could not be noted is said on standard error."""
    await begun(home)
    (home / "state.lock").unlink()
    (home / "state.lock").mkdir()  # nobody opens it for writing now, not even root
    ended = await anyio.to_thread.run_sync(lambda: kassabrug(tmp_path, "backup", "copy", "--state-dir", "state"))
    assert ended.code == 0
    assert "bytes, checked." in ended.out
    assert "The backup is whole; only that it was made could not be written down" in ended.err
    (home / "state.lock").rmdir()
    restore(tmp_path / "copy", home, stamp="now")
    assert await records(home) == ["1"]


# -- a restoration says what is so ----------------------------------------------------------------------------------------------------


async def test_a_restoration_that_fails_at_any_step_says_what_is_so(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was changed, the state opens as it was, log and all; where it could not be undone, the same command again helps."""
    async with opened(home) as store:
        await store.record_page(PAIR, "sales", Cursor(NOON), [new("1", payload=b"x")])
        await store.backup(tmp_path / "copy")
        await store.record_page(PAIR, "sales", Cursor(minutes(1)), [new("2", payload=b"x")])
        [work, _] = await store.claim(PAIR, "sales", now=minutes(9), limit=2)
        await store.hold(work, reason=Reason.SUM_DIFFERS)
        await store.intend(intent("sale:2"))
        shutil.copytree(home, tmp_path / "killed")
    told, left, for_good = set(), 0, False

    def failing(original: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0 or (left < 0 and for_good):
                raise OSError(errno.EIO, "Input/output error")
            return original(*arguments, **options)

        return step

    for for_good in (False, True):
        for at in range(1, 60):
            directory = tmp_path / f"at{at}{for_good}"
            shutil.copytree(tmp_path / "killed", directory)
            left, said = at, ""
            with monkeypatch.context() as patched:
                for name in ("link", "unlink", "rename", "replace", "mkdir", "fsync", "pwrite"):
                    patched.setattr(os, name, failing(getattr(os, name)))
                done = None
                try:
                    done = restore(tmp_path / "copy", directory, stamp="now")
                except StoreError as error:
                    said = str(error)
            if done is not None:
                assert await labels(directory) == ["no 1"]
                if left > 0:
                    break
                told |= {"doubt"} if done.doubt.startswith("it is in place, but may not outlive a power cut") else set()
                continue
            assert "\n" not in said
            if "the state was not changed" in said:
                told.add("unchanged")
                assert await labels(directory) == ["no 1", "no 2"], (at, said)
            else:
                told.add("again")
                assert "then type the same command again" in said
                restore(tmp_path / "copy", directory, stamp="again")
                assert await labels(directory) == ["no 1"]
        else:
            pytest.fail("it never came to its end")
    assert told == {"unchanged", "again", "doubt"}


async def labels(directory: Path) -> list[str]:
    """What is in a state that opens, neither restored nor older unless it says so."""
    async with opened(directory) as store:
        return [work.label for work in await store.open_work(PAIR, "sales")]
