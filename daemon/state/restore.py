"""Puts a backup in the place of the database, keeps what it replaces, and sees that the next start looks up before it writes.

The caller owns the state (:mod:`daemon.state.owner`).  Killed at any point, the directory holds the old database or the new one.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.state import schema
from daemon.state.backup import copy, key_beside, write_private
from daemon.state.cipher import KEY_FILE, Cipher, find_key
from daemon.state.database import FILE, LOCK_FILE
from daemon.state.failures import finding_of
from daemon.state.files import PRIVATE_DIRECTORY, open_private, private_directory, sync_directory, try_lock
from daemon.state.port import StoreError
from daemon.state.restore_guard import FILE as MARKER_FILE

if TYPE_CHECKING:
    from pathlib import Path

_LOG_FILES = (f"{FILE}-wal", f"{FILE}-shm")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done: where the replaced state lies now, and whether a key was here that the backup could be tried with."""

    kept: Path | None
    key_fits: bool


def restore(source: Path, directory: Path, *, stamp: str) -> Restored:
    """Put a backup in the place of the database; ``stamp`` names the folder that keeps the replaced one.

    Raises:
        StoreError: one line; nothing was changed.
    """
    private_directory(directory)
    with ExitStack() as undo:
        try:
            lock = open_private(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT)
            undo.callback(os.close, lock)
            if not try_lock(lock):
                raise StoreError(f"{directory}: another command has the state open; wait for its end and try again")
            key = _key_for(source, directory)
            draft = directory / f"{FILE}.restored"
            undo.callback(draft.unlink, missing_ok=True)
            _draft(source, draft, directory / FILE)
            kept = _keep(directory, directory / f"state.before-restore-{stamp}")
            if key is not None and key.origin == str(key_beside(source)):
                write_private(directory / KEY_FILE, key_beside(source).read_bytes())
            # the log first: SQLite would play the old one back into the new database
            for name in _LOG_FILES:
                (directory / name).unlink(missing_ok=True)
            draft.replace(directory / FILE)
            sync_directory(directory)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{source}: cannot be put back ({error}); the state was not changed") from error
    return Restored(kept, key_fits=key is not None)


def _key_for(source: Path, directory: Path) -> Cipher | None:
    """Check that the file is a sound backup and return the key that it was made with, ``None`` when no key is here at all."""
    if not source.is_file():
        raise StoreError(f"{source}: there is no such backup")
    check = _inspect(source)
    beside = key_beside(source)
    keys = [cipher for cipher in (find_key(directory), _read_key(beside)) if cipher is not None]
    for cipher in keys:
        with suppress(StoreError):
            cipher.decrypt(check)
            return cipher
    if keys:
        raise StoreError(
            f"{source}: was made with another key than {keys[0].origin}; put that key at {beside} and try again, nothing was changed"
        )
    return None


def _inspect(source: Path) -> bytes:
    """Return the key check of a sound backup; raises :class:`StoreError`."""
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            finding = finding_of(connection.execute("PRAGMA integrity_check(1)"))
            if finding != "ok":
                raise StoreError(f"{source}: this backup is not sound ({finding}); nothing was changed")
            schema.pending(connection, source, schema.shipped())
            row = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{source}: this is no backup of Kassabrug ({error}); nothing was changed") from error
    if row is None:
        raise StoreError(f"{source}: this is no backup of Kassabrug (it names no key); nothing was changed")
    return str(row[0]).encode("ascii")


def _read_key(path: Path) -> Cipher | None:
    return Cipher(path.read_bytes(), origin=str(path)) if path.is_file() else None


def _draft(source: Path, draft: Path, present: Path) -> None:
    """Copy the backup, marked as put back, with the newest tokens: each refresh spends the token that the backup has."""
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        copy(connection, draft)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('restored', '1')")
        if present.exists():
            # of a database that is damaged, or has another key, nothing can be used
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"{present.absolute().as_uri()}?mode=ro", uri=True)) as old:
                _take_over_tokens(connection, old)
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_over_tokens(connection: sqlite3.Connection, old: sqlite3.Connection) -> None:
    same = "SELECT value FROM meta WHERE name = 'identity'"
    if old.execute(same).fetchone() != connection.execute(same).fetchone():
        return
    connection.executemany(
        "INSERT INTO token (connection, value, saved_at) VALUES (?, ?, ?) ON CONFLICT (connection) DO UPDATE"
        " SET value = excluded.value, saved_at = excluded.saved_at WHERE excluded.saved_at > token.saved_at",
        old.execute("SELECT connection, value, saved_at FROM token").fetchall(),
    )


def _keep(directory: Path, folder: Path) -> Path | None:
    """Put what is about to be replaced into a folder of its own, without taking it away from its place."""
    if not (directory / FILE).exists():
        return None
    folder.mkdir(mode=PRIVATE_DIRECTORY)
    for name in (FILE, *_LOG_FILES, KEY_FILE):
        with suppress(FileNotFoundError):
            os.link(directory / name, folder / name)
    # written in place from now on: a copy, not a link
    with suppress(FileNotFoundError):
        write_private(folder / MARKER_FILE, (directory / MARKER_FILE).read_bytes())
    sync_directory(folder)
    return folder
