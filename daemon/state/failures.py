"""What went wrong with the database, in one line that says what to do."""

from __future__ import annotations

import sqlite3
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from daemon.state.port import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

#: what a person can do whose state cannot be used; the last is said by a person, and by nobody for him
ADVICE: Final = (
    "put a backup back (kassabrug restore FILE), or begin without what it knew (kassabrug restore --new-state: answers, held records and "
    "the sign-in are gone then)"
)

#: primary result codes of SQLite (the low byte of the extended ones), with what they mean here
_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, nothing that was stored is lost",
    sqlite3.SQLITE_READONLY: "the state cannot be written (read-only disk, file or connection); make it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened; check that the directory is there and writable for this user",
    sqlite3.SQLITE_PERM: "the database may not be opened; run as the user that owns it",
    sqlite3.SQLITE_AUTH: "the database may not be opened; run as the user that owns it",
    sqlite3.SQLITE_BUSY: "another process keeps the database locked; stop it and start again",
    sqlite3.SQLITE_IOERR: "the disk failed; look into the system log",
    sqlite3.SQLITE_CORRUPT: f"the database is damaged; {ADVICE}",
    sqlite3.SQLITE_NOTADB: f"this is not a database; {ADVICE}",
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


def damaged(path: Path, what: object) -> StoreError:
    """Return what is said of a database that holds what nobody has written into it."""
    return StoreError(f"{path}: the database is damaged ({what}); {ADVICE}")


#: what reading a row raises that this program has not written: a moment, a number, a word or JSON that is none
_ILLEGIBLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)


def legible(table: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function that reads rows of a table tell of one that cannot be read as damage, and not as a fault of the program."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def read(*args: P.args, **options: P.kwargs) -> T:
            try:
                return function(*args, **options)
            except _ILLEGIBLE as error:
                raise StoreError(f"the database is damaged (a row of {table} cannot be read: {type(error).__name__}); {ADVICE}") from error

        return read

    return decorate
