"""Puts a backup in the place of the database, keeps what it replaces, and sees that the next start looks up before it writes.

The caller owns the state (:mod:`daemon.state.owner`).  Killed at any point, the directory holds the old database or the new one.  What
fails is undone, and what is said of it is what is so.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.ids import EVERYBODY
from daemon.state import activity, schema
from daemon.state.backup import copy, key_beside, write_private
from daemon.state.cipher import KEY_FILE, Cipher, find_key, place
from daemon.state.database import LOCK_FILE, SEALED, Database
from daemon.state.failures import finding_of
from daemon.state.files import PRIVATE_DIRECTORY, check_files, open_private, private_directory, read_private, sync_directory, try_lock
from daemon.state.port import Activity, StoreError
from daemon.state.presence import FILE, FILES, PUT_BACK
from daemon.state.restore_guard import FILE as MARKER_FILE
from daemon.state.restore_guard import Generation, Marker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

_LOG_FILES = FILES[1:]


def stamp_of(now: datetime) -> str:
    """Return a moment as it stands in the name of the folder that keeps what was replaced."""
    return f"{now:%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done: where the replaced state lies now, and whether a key was here that the backup could be tried with."""

    kept: Path | None
    key_fits: bool
    #: what is not certain about it although it is in place, in words; empty when all is well
    doubt: str = ""


def restore(source: Path, directory: Path, *, stamp: str) -> Restored:
    """Put a backup in the place of the database; ``stamp`` names the folder that keeps the replaced one.

    Raises:
        StoreError: one line, which says whether anything was changed.
    """
    with _alone(directory, source) as tell:
        key = _key_for(source, directory)
        draft = directory / f"{FILE}.restored"
        with ExitStack() as after:
            after.callback(_drop, draft)
            generation = _draft(source, draft, directory / FILE, key)
            kept = _keep(directory, directory / f"state.before-restore-{stamp}")
            new_key = read_private(key_beside(source)) if key is not None and key.origin == str(key_beside(source)) else None
            _swap(directory, kept, tell, lambda: draft.replace(directory / FILE), key=new_key, mark=generation)
        return Restored(kept, key_fits=key is not None, doubt=_made_durable(directory))


def begin_anew(directory: Path, *, by: str, now: datetime) -> Restored:
    """Put an empty state in the place of what is here, and keep that; ``by`` is who said so, and stands in the new activity log.

    What stands at the vendors is looked up before anything is written, as after any restoration.

    Raises:
        StoreError: one line, which says whether anything was changed.
    """
    path = directory / FILE
    with _alone(directory, path) as tell:
        try:
            find_key(directory)
            spoilt = False
        except StoreError:
            spoilt = True  # a key that is none is put aside too, and another one made
        kept = _keep(directory, directory / f"state.before-restore-{stamp_of(now)}")

        def away() -> None:
            path.unlink(missing_ok=True)
            if spoilt:
                (directory / KEY_FILE).unlink(missing_ok=True)

        _swap(directory, kept, tell, away, key=None, mark=None)
    database = Database.open(directory, new_state=by)
    try:
        lines = [Activity(now, EVERYBODY, "", "", "", "state", detail=note) for note in database.notes]
        database.write(lambda connection: activity.append(connection, lines))
    finally:
        database.close()
    return Restored(kept, key_fits=True, doubt=_made_durable(directory))


class _Tell:
    """What is true just now of the state, for the sentence about what failed."""

    def __init__(self) -> None:
        self.so_far = "the state was not changed"


@contextmanager
def _alone(directory: Path, source: Path) -> Iterator[_Tell]:
    """Hold off every other writer; every failure becomes one line that says what is so."""
    private_directory(directory)
    tell = _Tell()
    with ExitStack() as undo:
        try:
            lock = open_private(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT)
            undo.callback(os.close, lock)
            if not try_lock(lock):
                raise StoreError(f"{directory}: another command has the state open; wait for its end and try again")
            check_files(directory, *FILES, KEY_FILE, MARKER_FILE)
            yield tell
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{source}: cannot be put back ({error}); {tell.so_far}") from error


def _swap(
    directory: Path, kept: Path | None, tell: _Tell, last: Callable[[], object], *, key: bytes | None, mark: Generation | None
) -> None:
    """Take the old log and key away and put the new database in place; undo it all when one of these steps fails."""
    done: list[str] = []
    try:
        if key is not None:
            done.append(KEY_FILE)
            write_private(directory / KEY_FILE, key)
        done.append(MARKER_FILE)
        _put_mark(directory, mark)
        # the log first: SQLite would play the old one back into the new database
        for name in _LOG_FILES:
            if os.path.lexists(directory / name):
                done.append(name)
                (directory / name).unlink()
        last()
        tell.so_far = "but the new database is in place"
    except BaseException as error:
        if isinstance(error, Exception) and kept is not None and not _undone(directory, kept, done):
            tell.so_far = (
                f"the database is still the old one, but without {', '.join(done)}, which lie in {kept}: "
                "free the disk or make it writable, then type the same command again"
            )
        raise


def _drop(draft: Path) -> None:
    with suppress(OSError):  # in the way of nobody: the next restoration writes over it
        draft.unlink(missing_ok=True)


def _undone(directory: Path, kept: Path, names: list[str]) -> bool:
    """Bring back what was taken away, from the folder that keeps it."""
    try:
        for name in reversed(names):
            if (kept / name).exists():
                write_private(directory / name, (kept / name).read_bytes())
    except OSError:
        return False
    return True


def _put_mark(directory: Path, mark: Generation | None) -> None:
    """Let the mark be that of the new database; without one it says nothing."""
    if mark is None:
        (directory / MARKER_FILE).unlink(missing_ok=True)
        return
    marker = Marker.open(directory)
    try:
        before = marker.read()
        number = max(mark.number, before.number) if before is not None and before.identity == mark.identity else mark.number
        marker.put(Generation(mark.identity, number))
    finally:
        marker.close()


def _made_durable(directory: Path) -> str:
    try:
        sync_directory(directory)
    except OSError as error:
        return f"it is in place, but may not outlive a power cut ({error.strerror}): look into the system log for the disk's faults"
    return ""


def _key_for(source: Path, directory: Path) -> Cipher | None:
    """Check that the file is a sound backup and return the key that it was made with, ``None`` when no key is here at all."""
    if not source.is_file():
        raise StoreError(f"{source}: there is no such backup")
    check = _inspect(source)
    beside = key_beside(source)
    keys = [cipher for cipher in (_try_key(directory), _read_key(beside)) if cipher is not None]
    for cipher in keys:
        with suppress(StoreError):
            cipher.preferring(check)
            return cipher
    if keys:
        raise StoreError(
            f"{source}: was made with another key than {keys[0].origin}; put that key at {beside} and try again, nothing was changed"
        )
    return None


def _try_key(directory: Path) -> Cipher | None:
    try:
        return find_key(directory)
    except StoreError:
        return None  # spoilt: the one beside the backup may do


def _inspect(source: Path) -> str:
    """Return the key check of a sound backup; raises :class:`StoreError`."""
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            finding = finding_of(connection.execute("PRAGMA integrity_check(1)"))
            if finding != "ok":
                raise StoreError(f"{source}: this backup is not sound ({finding}); nothing was changed")
            schema.pending(connection, source, schema.shipped())
            row = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchone()
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"{source}: this is no backup of Kassabrug ({error}); nothing was changed") from error
    if row is None:
        raise StoreError(f"{source}: this is no backup of Kassabrug (it names no key); nothing was changed")
    return str(row[0])


def _read_key(path: Path) -> Cipher | None:
    return Cipher(path.read_bytes(), origin=str(path)) if path.is_file() else None


def _draft(source: Path, draft: Path, present: Path, key: Cipher | None) -> Generation:
    """Copy the backup, marked as put back, with the newest tokens: each refresh spends the token that the backup has."""
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        copy(connection, draft)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('restored', '1'), (?, '1')", (PUT_BACK,))
        if present.exists():
            # of a database that is damaged, or has another key, nothing can be used
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"{present.absolute().as_uri()}?mode=ro", uri=True)) as old:
                _take_over_tokens(connection, old, key)
        meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    number = str(meta.get("generation", "0"))
    return Generation(str(meta.get("identity", "")) or "-", int(number) if number.isdigit() else 0)


def _take_over_tokens(connection: sqlite3.Connection, old: sqlite3.Connection, key: Cipher | None) -> None:
    mine, theirs = (dict(one.execute("SELECT name, value FROM meta").fetchall()) for one in (connection, old))
    if mine.get("identity") != theirs.get("identity") or (SEALED in mine and SEALED not in theirs):
        return
    rows = old.execute("SELECT connection, value, saved_at FROM token").fetchall()
    connection.executemany(
        "INSERT INTO token (connection, value, saved_at) VALUES (?, ?, ?) ON CONFLICT (connection) DO UPDATE"
        " SET value = excluded.value, saved_at = excluded.saved_at WHERE excluded.saved_at > token.saved_at",
        [row for row in rows if key is not None and _opens(key, row)],
    )


def _opens(key: Cipher, row: tuple[str, bytes, str]) -> bool:
    """Tell whether a token is whole: the replaced database may be damaged just there."""
    with suppress(StoreError):
        if row[1].startswith(b"gAAAA"):
            return bool(key.decrypt_before(row[1]))
        return bool(key.decrypt(row[1], place("token", "value", row[0])))
    return False


def _keep(directory: Path, folder: Path) -> Path | None:
    """Put what is about to be replaced into a folder of its own, without taking it away from its place."""
    if not any(os.path.lexists(directory / name) for name in (*FILES, KEY_FILE, MARKER_FILE)):
        return None
    folder.mkdir(mode=PRIVATE_DIRECTORY)
    for name in (*FILES, KEY_FILE):
        with suppress(FileNotFoundError):
            os.link(directory / name, folder / name, follow_symlinks=False)
    # written in place from now on: a copy, not a link
    with suppress(FileNotFoundError):
        write_private(folder / MARKER_FILE, (directory / MARKER_FILE).read_bytes())
    sync_directory(folder)
    return folder
