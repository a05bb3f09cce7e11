"""A state that cannot be used: one clear line, the right exit code, and not one request that could change anything at a vendor."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.system.support import COMMAND, adapt, environment, kassabrug, made_up_day, references, started, vendors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.support import Finished, Vendors

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

COMMANDS = ("run", "sync")
RECEIPTS = 12
#: runs what follows it with a limit on the size of files; not by a function between fork and exec, of which Python warns since 3.12
_LIMIT = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); os.execv(sys.argv[1], sys.argv[1:])"
SMALL_FILES_ONLY = (sys.executable, "-c", _LIMIT)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    """Two vendors with a small day that is settled already, in the state directory ``settled`` beside the configuration."""
    folder = tmp_path_factory.mktemp("shop")
    with vendors(folder, "--receipts", made_up_day(folder / "day.csv", RECEIPTS)) as running:
        assert kassabrug(folder, "sync", "--config", running.config, "--state-dir", "settled").code == 0
        yield running


@pytest.fixture
def home(shop: Vendors, tmp_path: Path) -> Path:
    """A copy of the settled state, to be spoilt."""
    shutil.copytree(shop.config.parent / "settled", tmp_path / "state")
    (tmp_path / "state").chmod(0o700)
    return tmp_path / "state"


def refused(shop: Vendors, home: Path, command: str) -> Finished:
    """Run a command that cannot work, and see that it changes nothing at the vendors and says one line."""
    before = shop.writes()
    ended = kassabrug(home.parent, command, "--config", shop.config, "--state-dir", home)
    assert shop.writes() == before
    assert ended.err.count("\n") == 1, ended.err
    return ended


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    """Mount something for a while; skips where this user may not."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


# -- at the start -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_directory(shop: Vendors, home: Path, command: str) -> None:
    """A real read-only mount, which binds root too."""
    with mounted(home, "--bind", str(home)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(home)], check=True)
        ended = refused(shop, home, command)
    assert ended.code == 1
    assert "Read-only file system" in ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_no_database(shop: Vendors, home: Path, command: str) -> None:
    """The line says what to do."""
    (home / "state.sqlite3").write_bytes(b"nothing that SQLite knows " * 400)
    ended = refused(shop, home, command)
    assert ended.code == 1
    assert "is not as it was closed: damaged, or another copy was put in its place; put a backup back" in ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_database_after_a_crash(shop: Vendors, home: Path, command: str) -> None:
    """An unclean stop is followed by a check of the whole file."""
    with closing(sqlite3.connect(home / "state.sqlite3")) as connection:
        connection.execute("UPDATE meta SET value = '1' WHERE name = 'open'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'activity'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (home / "state.sqlite3").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x55" * size)
    ended = refused(shop, home, command)
    assert ended.code == 1
    assert "damaged" in ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_lost_key(shop: Vendors, home: Path, command: str) -> None:
    """No new one is made, for what is stored would be lost."""
    (home / "state.key").unlink()
    ended = refused(shop, home, command)
    assert ended.code == 1
    assert "the key file state.key is lost; put it back from its safe place" in ended.err
    assert not (home / "state.key").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_newer_schema(shop: Vendors, home: Path, command: str) -> None:
    """An older program leaves it as it is."""
    with closing(sqlite3.connect(home / "state.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    mark = home / "state.generation"
    mark.write_text(" ".join(mark.read_text().split()[:2]))  # whoever has written it has not closed it
    ended = refused(shop, home, command)
    assert ended.code == 1
    assert "written by a newer version of Kassabrug" in ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_second_process(shop: Vendors, home: Path, command: str) -> None:
    """It is told who runs, and a service manager does not start it again."""
    with started(home.parent, "run", "--config", shop.config, "--state-dir", home) as first:
        first.says(r"\bstarted\b")
        adapted = home.parent / "second.toml"
        adapted.write_text(shop.config.read_text().replace("listen = ", 'listen = "127.0.0.1:0"\n# listen = '))
        ended = kassabrug(home.parent, command, "--config", adapted, "--state-dir", home)
    assert ended.code == 78
    assert f"process {first.process.pid}" in ended.err
    assert ended.err.count("\n") == 1


# -- while it runs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_fills_up(tmp_path: Path, command: str) -> None:
    """The process ends with one line; once there is room again everything is booked, and nothing twice."""
    home = tmp_path / "state"
    with (
        mounted(home, "-t", "tmpfs", "-o", "size=272k,mode=0700", "tmpfs"),
        vendors(tmp_path, "--receipts", made_up_day(tmp_path / "day.csv", 60)) as running,
    ):
        adapt(running.config, booking="max_attempts = 20")
        ended = kassabrug(tmp_path, command, "--config", running.config, "--state-dir", home)
        assert ended.code == 1
        assert "the disk is full; free some space, nothing that was stored is lost" in ended.err.splitlines()[-1]
        assert len(running.books_ledger()["documents"]) < 60
        subprocess.run(["mount", "-o", "remount,size=16m", str(home)], check=True)
        after = kassabrug(tmp_path, "sync", "--config", running.config, "--state-dir", home, "--json")
        assert after.code == 0, after
        assert sorted(references(running.books_ledger())) == [f"KB-{number}" for number in range(700100, 700160)]
        assert running.in_step()


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A limit on the size of files: told by SQLite as a failing disk, with the same end."""
    with vendors(tmp_path, "--receipts", made_up_day(tmp_path / "day.csv", 60)) as running:
        ended = subprocess.run(
            [*SMALL_FILES_ONLY, *COMMAND, "sync", "--config", str(running.config), "--state-dir", "state"],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        assert "state.sqlite3: the disk failed; look into the system log" in ended.stderr.splitlines()[-1]
        after = kassabrug(tmp_path, "sync", "--config", running.config, "--state-dir", "state", "--json")
        assert after.code == 0, after
        assert running.in_step()
