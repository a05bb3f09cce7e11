"""What went wrong with the database, in one line that says what to do."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from daemon.state.port import StoreError

if TYPE_CHECKING:
    from pathlib import Path

#: primary result codes of SQLite (the low byte of the extended ones), with what they mean here
_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, nothing that was stored is lost",
    sqlite3.SQLITE_READONLY: "the state cannot be written (read-only disk, file or connection); make it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened; check that the directory is there and writable for this user",
    sqlite3.SQLITE_PERM: "the database may not be opened; run as the user that owns it",
    sqlite3.SQLITE_AUTH: "the database may not be opened; run as the user that owns it",
    sqlite3.SQLITE_BUSY: "another process keeps the database locked; stop it and start again",
    sqlite3.SQLITE_IOERR: "the disk failed; look into the system log",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; put a backup in its place, or move it away to read everything afresh",
    sqlite3.SQLITE_NOTADB: "this is not a database; put a backup in its place, or move it away to read everything afresh",
}


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the error as one clear line; a code that is nobody's circumstance is a fault of this program and named as such."""
    # errors of the Python module itself (a closed connection, say) carry no code
    code = getattr(error, "sqlite_errorcode", None)
    meaning = _MEANINGS.get(code & 0xFF) if code is not None else None
    return StoreError(f"{path}: {meaning} ({error})" if meaning else f"{path}: unexpected database error ({error}); please report it")


def finding_of(check: sqlite3.Cursor) -> str:
    """Return the first finding of an integrity check as one line, ``ok`` when there is none."""
    return " ".join(str(check.fetchone()[0]).removeprefix("*** in database main ***").split())
