"""The database file: opened with every check, whole transactions only, closed clean.

Everything here blocks and belongs to one thread (see :mod:`daemon.state.runner`).

Several processes may open the file for writing (the daemon, and a command that a person types); they take turns through SQLite's
own lock.  Checkpoints are never left to SQLite: the automatic ones do not hold the writer's lock, and the versions of SQLite before
3.51.3 can then corrupt the file when another process writes at that moment ("WAL-reset bug").  ``wal_checkpoint(TRUNCATE)`` holds it.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from daemon.core.message import message
from daemon.state import presence, schema, sealing
from daemon.state.backup import copy
from daemon.state.cipher import Cipher, find_key, make_key
from daemon.state.failures import ADVICE, damaged, explain, finding_of
from daemon.state.files import check_files, open_private, private_directory, share_lock, sync_directory, try_lock
from daemon.state.port import StoreError
from daemon.state.presence import FILE, FILES, PUT_BACK
from daemon.state.restore_guard import Generation, Marker, digest, read_mark
from daemon.state.values import to_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from daemon.core.message import Message

T = TypeVar("T")

LOCK_FILE = "state.lock"
#: the write-ahead log is folded into the database when it is larger than this
CHECKPOINT_BYTES = 4 * 1024 * 1024
BUSY_SECONDS = 5.0
#: names in the table ``meta`` how what is encrypted was written
SEALED = "sealed"
#: stands in the place of the last moment of a database that was put back while nobody has looked for it, or where there is none
UNKNOWN = "1"


class Database:
    """One open connection with its cipher.  Made by :meth:`open` and :meth:`open_readonly`."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, cipher: Cipher | None, lock: int | None, marker: Marker | None = None
    ) -> None:
        self.path = path
        self.connection = connection
        #: ``None`` only in a reader that has no key: it sees everything but payloads and tokens
        self.cipher = cipher
        #: a random name given at creation, and how far it has come (see :mod:`daemon.state.restore_guard`)
        self.identity = ""
        self.generation = 0
        #: what was done at the vendors may be missing here, until :meth:`reconciled`
        self.restored = False
        #: what was found at the opening, and is to be told: in the log, and in the activity log
        self.notes: list[Message] = []
        #: the last moment that the database knew of when it was put back, ``None`` when it knew of none
        self.restored_from: datetime | None = None
        self._lock = lock
        self._marker = marker
        self._log = path.with_name(f"{path.name}-wal")
        self._checkpoint_at = CHECKPOINT_BYTES

    # -- opening --------------------------------------------------------------------------------------------------------------
    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        cipher: Cipher | None = None,
        migrations: Sequence[schema.Migration] | None = None,
        new_state: str = "",
    ) -> Database:
        """Open for writing; make directory, key and file at the first start, bring the schema up to date.

        ``new_state`` is who says that it is to begin anew where there was a state (see :func:`daemon.state.restore.begin_anew`).

        Raises:
            StoreError: one line that says what to do; also when what was here is missing, older than what was done with it, or another.
        """
        private_directory(directory)
        path = directory / FILE
        with _in_one_line(path, "opened for writing"), ExitStack() as undo:
            lock = open_private(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT)
            undo.callback(os.close, lock)
            alone = _enter_alone(lock)
            check_files(directory, *FILES)
            mark = read_mark(directory)
            presence.check_file(directory, mark, new_state=bool(new_state), closed=alone)
            os.close(open_private(path, os.O_RDWR | os.O_CREAT))
            # by a reader: who may write folds the log into the file when it closes, and what is refused is left as it is
            with closing(_connect_reading(path)) as reader:
                presence.check_content(reader, directory, mark, new_state=bool(new_state))
            marker = Marker.open(directory)
            undo.callback(marker.close)
            sync_directory(directory)
            connection = _connect(f"{path.absolute().as_uri()}?mode=rw")
            undo.callback(connection.close)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            # what is forgotten is overwritten: otherwise it would lie in free pages until they are used again, and in every backup
            connection.execute("PRAGMA secure_delete=ON")
            if alone:
                _check_integrity(connection, path)
            steps = schema.shipped() if migrations is None else migrations
            if mark is not None and mark.digest and alone and schema.pending(connection, path, steps):
                # whatever comes of it, the file is not what it was from here on
                marker.put(Generation(mark.identity, mark.number))
            _migrate(connection, path, steps, alone=alone)
            database = cls(path, connection, cipher or find_key(directory), lock, marker)
            database.write(lambda _: database._mark(directory, marker, alone=alone, new_state=new_state))
            marker.follow(Generation(database.identity, database.generation))
            share_lock(lock)
            undo.pop_all()
            return database

    @classmethod
    def open_readonly(cls, directory: Path, *, cipher: Cipher | None = None) -> Database:
        """Open for reading, beside a running daemon or without one; where there was never a state, it is as if empty.

        Raises:
            StoreError: one line that says what to do.
        """
        path = directory / FILE
        with _in_one_line(path, "read"), ExitStack() as undo:
            check_files(directory, *FILES)
            # before the database: whoever writes is never behind its mark
            mark = read_mark(directory)
            presence.check_file(directory, mark, closed=True)
            present = path.exists()
            connection = _connect_reading(path) if present else _connect(":memory:")
            undo.callback(connection.close)
            if present:
                presence.check_content(connection, directory, mark)
            missing = schema.pending(connection, path, schema.shipped())
            if present and missing:
                raise StoreError(f"{path}: written by an older version of Kassabrug; start the daemon once to bring it up to date")
            for step in missing:
                schema.apply(connection, step)
            connection.execute("PRAGMA query_only=ON")
            database = cls(path, connection, cipher or find_key(directory), None)
            meta = database._meta()
            if "key_check" in meta and database.cipher is not None:
                database.cipher.preferring(meta["key_check"])
            database._recognise(meta)
            undo.pop_all()
            return database

    def _meta(self) -> dict[str, str]:
        return dict(self.connection.execute("SELECT name, value FROM meta").fetchall())

    def _recognise(self, meta: dict[str, str]) -> None:
        self.identity, self.generation = meta.get("identity", ""), int(meta.get("generation", "0"))
        self.restored = "restored" in meta
        known = meta.get("restored", UNKNOWN)
        self.restored_from = None if known == UNKNOWN else to_moment(known)

    def _mark(self, directory: Path, marker: Marker, *, alone: bool, new_state: str) -> None:
        """Within the first transaction: recognise key and age (a new database gets its own) and mark the file as open."""
        meta = self._meta()
        self._take_key(directory, meta, alone=alone)
        here, beside = int(meta.get("generation", "0")), marker.read()
        if "identity" in meta:
            # a lower number, or another identity, was refused unless a person has put this database back
            older = PUT_BACK in meta or beside is None or beside.identity != meta["identity"] or beside.number > here
        else:
            older = bool(new_state)
            meta["identity"] = secrets.token_hex(16)
            if not older:  # killed before the end of this transaction, the next opening finds nothing that was lost
                marker.follow(Generation(meta["identity"], 0))
        if older and "restored" not in meta:
            self.notes.append(message("activity.new_state", by=new_state) if new_state else message("activity.restored"))
        # of several restorations that were not looked up yet, the first lacks most
        if (older or "restored" in meta) and meta.get("restored", UNKNOWN) == UNKNOWN:
            meta["restored"] = _last_moment(self.connection) or UNKNOWN
        if beside is not None and beside.identity == meta["identity"]:
            here = max(here, beside.number)
        meta["generation"] = str(here + 1)
        meta["open"] = "1"
        self._recognise(meta)
        if meta.pop(PUT_BACK, None):
            self.connection.execute("DELETE FROM meta WHERE name = ?", (PUT_BACK,))
        self.connection.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", list(meta.items()))

    def _take_key(self, directory: Path, meta: dict[str, str], *, alone: bool) -> None:
        """Find the key that the database was written with; bring what is encrypted up to date with this version, and to a new key."""
        given = self.cipher
        if given is None:
            if "key_check" in meta:
                raise StoreError(f"{self.path}: the key file state.key is lost; put it back from its safe place. Without it, {ADVICE}")
            given = make_key(directory)
        self.cipher = given
        if "key_check" not in meta:
            meta["key_check"] = sealing.key_check(given)
        opening, number = given.preferring(meta["key_check"])
        if number and not alone:
            self.cipher = opening  # whoever runs beside may know the old key only
        elif SEALED not in meta or number:
            (sealing.renew if SEALED in meta else sealing.bind)(self.connection, given)
            meta["key_check"] = sealing.key_check(given)
            self.notes += [message("activity.key_replaced")] if number else []
        meta[SEALED] = "2"

    # -- using ----------------------------------------------------------------------------------------------------------------
    def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function that reads with one statement (several would need a transaction to see one state of things)."""
        try:
            return function(self.connection)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function in a transaction: all of it is durable when this returns, or none when it raises."""
        try:
            self._checkpoint_when_large()
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                result = function(self.connection)
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        return result

    def announce(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function in a transaction that says what is about to be written at a vendor.

        It is durable when this returns, and so is, beside the database, that it was said.
        """

        def counted(connection: sqlite3.Connection) -> tuple[T, int]:
            result = function(connection)
            row = connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation' RETURNING value").fetchone()
            return result, int(row["value"])

        result, self.generation = self.write(counted)
        if self._marker is not None:
            with _in_one_line(self.path, "followed by its marker"):
                self._marker.follow(Generation(self.identity, self.generation))
        return result

    def reconciled(self) -> None:
        """Forget that the database was older than what was done with it."""
        self.write(lambda connection: connection.execute("DELETE FROM meta WHERE name = 'restored'"))
        self.restored, self.restored_from = False, None

    def wipe(self) -> bool:
        """Fold the log into the file; alone with it, write the file anew.  Return whether nothing of what was deleted is left.

        What this version of the program deletes is overwritten at once; what an earlier one did lies in free pages until then.
        """
        if self._lock is None:
            raise StoreError(f"{self.path}: opened for reading only; please report it")
        try:
            alone = _enter_alone(self._lock)
            if alone:
                self.connection.execute("VACUUM")
            busy = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        finally:
            share_lock(self._lock)
        return not busy

    def _checkpoint_when_large(self) -> None:
        # before a transaction, not after it: a failure here must not look like the failure of what is durable already
        with suppress(FileNotFoundError):
            size = self._log.stat().st_size
            if size < self._checkpoint_at:
                return
            busy = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            # a reader stands in the way: not again at every transaction, each would wait for it
            self._checkpoint_at = size + CHECKPOINT_BYTES if busy else CHECKPOINT_BYTES

    def size(self) -> int:
        """Return the bytes on disk, the write-ahead log included."""
        total = 0
        for file in (self.path, self._log):
            with suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def backup(self, target: Path) -> None:
        """Write a consistent, checked copy; what stood at ``target`` is replaced only when the copy is whole.

        Raises:
            StoreError: the copy could not be written or is not sound.
        """
        try:
            copy(self.connection, target)
        except sqlite3.Error as error:
            raise explain(error, target) from error
        except OSError as error:
            raise StoreError(f"{target}: the backup cannot be written ({error.strerror}); nothing was changed") from error

    def close(self) -> None:
        """Fold the log into the file and mark it as cleanly closed (the last writer does); a second call does nothing."""
        if self._lock is None:
            self.connection.close()
            return
        lock, self._lock = self._lock, None
        last = False
        try:
            if try_lock(lock):
                self.connection.execute("PRAGMA optimize")
                self.connection.execute("UPDATE meta SET value = '0' WHERE name = 'open'")
                last = not self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        finally:
            self.connection.close()
            if self._marker is not None:
                if last:
                    self._seal(self._marker)
                self._marker.close()
            os.close(lock)

    def _seal(self, marker: Marker) -> None:
        """Write down what the file looks like now that nobody has it open; where that fails, the next opening does without."""
        with suppress(OSError):
            if presence.log_is_empty(self.path):
                marker.put(Generation(self.identity, self.generation, digest(self.path)))


@contextmanager
def _in_one_line(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        raise StoreError(
            f"{path}: the state cannot be {doing} ({error.strerror}); see who owns it and whether the disk is sound"
        ) from error
    except (ValueError, TypeError, KeyError, IndexError) as error:  # a number, a moment or a text that is none
        raise damaged(path, type(error).__name__) from error


def _enter_alone(lock: int) -> bool:
    """Wait until nobody is just opening or closing, and tell whether nobody else has the file open for writing."""
    if try_lock(lock):
        return True
    share_lock(lock)
    if try_lock(lock):
        return True
    share_lock(lock)
    return False


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, cached_statements=256, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _connect_reading(path: Path) -> sqlite3.Connection:
    """Open for reading; on a disk that cannot be written SQLite has no place for its log, and needs none where there is none."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = _connect(address)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if not presence.log_is_empty(path):
            raise
        connection = _connect(f"{address}&immutable=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _last_moment(connection: sqlite3.Connection) -> str | None:
    """Return the newest moment that anything in the database was written at, but for what is said of the state itself."""
    moments = [
        connection.execute(query).fetchone()[0]
        for query in (
            "SELECT max(at) FROM activity WHERE event <> 'state'",
            "SELECT max(sent_at) FROM intent",
            "SELECT max(updated_at) FROM work",
        )
    ]
    return max((moment for moment in moments if moment is not None), default=None)


def _check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    """After an unclean stop (nobody else has it open, and yet it is marked so), look whether the file is sound."""
    if schema.version(connection) == 0:
        return
    marker = connection.execute("SELECT value FROM meta WHERE name = 'open'").fetchone()
    if marker is not None and marker["value"] == "1":
        finding = finding_of(connection.execute("PRAGMA quick_check(1)"))
        if finding != "ok":
            raise damaged(path, finding)


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[schema.Migration], *, alone: bool) -> None:
    missing = schema.pending(connection, path, migrations)
    if not missing:
        return
    if not alone:
        raise StoreError(f"{path}: another version of Kassabrug is running on this state; stop it before the upgrade")
    if schema.version(connection) > 0:
        copy(connection, path.with_name(f"state-before-{missing[0].number:04}.sqlite3"))
    for step in missing:
        schema.apply(connection, step)
