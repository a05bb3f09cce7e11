"""Whether the state that lies here is the one that was: before anything is written to it, and before anybody reads from it.

What lies beside the database tells that there was one: the mark of its generation (:mod:`daemon.state.restore_guard`), and the key.
Nothing is made anew in the place of what is missing, and nothing is believed that is older than what was done with it; a person decides.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from daemon.state import schema
from daemon.state.cipher import KEY_FILE
from daemon.state.failures import ADVICE
from daemon.state.port import StoreError
from daemon.state.restore_guard import digest

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from daemon.state.restore_guard import Generation

FILE: Final = "state.sqlite3"
#: the database with its log, and what SQLite keeps beside it
FILES: Final = (FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal")
#: names in the table ``meta`` that a person has put this database here, whatever the mark says
PUT_BACK: Final = "put_back"
#: "Kasb": written into the header of the file since this schema
_OURS: Final = 1264677730
_SINCE: Final = 4


def check_file(directory: Path, mark: Generation | None, *, closed: bool, new_state: bool = False) -> None:
    """Look at the file without opening it as a database.

    ``closed`` says that nobody writes to it, as far as that is known here.

    Raises:
        StoreError: there was a database, and it is missing, empty, or not what it was when it was closed.
        OSError: it cannot be read.
    """
    path = directory / FILE
    size = _size(path)
    if not size:
        if was_here(directory, mark) and not new_state:
            what = "is missing" if size is None else "is empty"
            raise StoreError(f"{path}: the database {what}, and there was one ({_sign(directory, mark)}); {ADVICE}")
        return
    if closed and mark is not None and mark.digest and log_is_empty(path) and digest(path) != mark.digest and log_is_empty(path):
        raise StoreError(
            f"{path}: is not as it was closed: damaged, or another copy was put in its place; {ADVICE}. "
            f"If it is the one that is wanted: kassabrug restore {path}"
        )


def check_content(connection: sqlite3.Connection, directory: Path, mark: Generation | None, *, new_state: bool = False) -> None:
    """Look at what the database says of itself.

    Raises:
        StoreError: it is another program's, another state's, or older than what was done with it.
        sqlite3.Error: it is damaged, or no database.
        ValueError: what it says cannot be read.
    """
    path = directory / FILE
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    known = schema.version(connection)
    if not tables and not known:
        if was_here(directory, mark) and not new_state:
            raise StoreError(f"{path}: the database is empty, and there was one ({_sign(directory, mark)}); {ADVICE}")
        return
    if "meta" not in tables or known == 0 or (known >= _SINCE and _application(connection) != _OURS):
        raise StoreError(f"{path}: this is another program's database, and is left as it is; move it away, then {ADVICE}")
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if PUT_BACK in meta or mark is None or not mark.number:
        return
    if meta.get("identity") != mark.identity:
        raise StoreError(_not_the_one(path, "is another state than the one that was here"))
    if int(meta.get("generation", "0")) < mark.number:
        raise StoreError(_not_the_one(path, "is older than what was done with it: a copy was put in its place"))


def was_here(directory: Path, mark: Generation | None) -> bool:
    """Tell whether there was a state, by what lies beside the database."""
    return (mark is not None and mark.number > 0) or os.path.lexists(directory / KEY_FILE)


def log_is_empty(path: Path) -> bool:
    """Tell whether no write-ahead log belongs to the database: all that it knows is in the file itself."""
    return not _size(path.with_name(f"{path.name}-wal"))


def _sign(directory: Path, mark: Generation | None) -> str:
    return "state.generation says so" if mark is not None and mark.number else f"{directory / KEY_FILE} is its key"


def _not_the_one(path: Path, what: str) -> str:
    return f"{path}: the database {what}; {ADVICE}. If it is the one that is wanted: kassabrug restore {path}"


def _size(path: Path) -> int | None:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def _application(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])
