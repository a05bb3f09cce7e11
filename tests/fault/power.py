"""A disk that forgets at a power cut what was not synced, and the store's own code on it.

The store runs unchanged: its schema, its pragmas and its statements go through an SQLite VFS (apsw) instead of through the one of
:mod:`sqlite3`.  Of what was written since a file's last sync, a cut keeps a random part, sector by sector; what the store said
before is checked after the reboot, for which the files are opened with :mod:`sqlite3` again.

One pragma is added, ``locking_mode=EXCLUSIVE``: a VFS in Python has no shared memory.  It changes who may read, not what is synced.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    import pytest
    from typing_extensions import Buffer  # of collections.abc from Python 3.12 on

SECTOR = 512
_VFS = "forgetful"


class PowerCut(Exception):
    """The power is gone; nothing after it happened."""


@dataclass
class _Image:
    """A file: what is on the disk for sure, and what was written since its last sync."""

    durable: bytearray
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)
    """Writes as (offset, bytes), truncations as sizes, in order."""

    def survive(self, random: Random, share: float) -> bytes:
        """Return the file after a cut that keeps ``share`` of what was not synced."""
        content = bytearray(self.durable)
        for one in self.pending:
            if isinstance(one, int):
                if random.random() < share:
                    del content[one:]
                continue
            offset, data = one
            for start in range(0, len(data), SECTOR):
                if random.random() < share:
                    _write(content, offset + start, data[start : start + SECTOR])
        return bytes(content)

    def sync(self) -> None:
        """Everything is on the disk."""
        for one in self.pending:
            if isinstance(one, int):
                del self.durable[one:]
            else:
                _write(self.durable, *one)
        self.pending.clear()


def _write(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class Disk:
    """What the files of a directory are after a cut; ``cut_at`` counts the writes and syncs until it comes, 0 is never."""

    def __init__(self, random: Random, *, cut_at: int = 0) -> None:
        self.steps = 0
        self.after: dict[str, bytes] | None = None
        self._random = random
        self._cut_at = cut_at
        self._images: dict[str, _Image] = {}

    @property
    def dead(self) -> bool:
        """Whether the power is gone."""
        return self.after is not None

    def step(self) -> None:
        """Something is about to reach the disk; raises :class:`PowerCut` when it does not."""
        self.steps += 1
        if self.steps == self._cut_at:
            share = self._random.choice((0.0, 0.5, 0.9, 1.0))
            self.after = {name: image.survive(self._random, share) for name, image in self._images.items()}
            raise PowerCut

    def image(self, name: str) -> _Image:
        """Return a file, as found when it is seen for the first time."""
        if name not in self._images:
            path = Path(name)
            self._images[name] = _Image(bytearray(path.read_bytes() if path.exists() else b""))
        return self._images[name]

    def forget(self, name: str) -> None:
        """The file was deleted, and the directory synced."""
        self._images.pop(name, None)

    def reboot(self, directory: Path) -> None:
        """Put what survived in the place of what the process saw."""
        assert self.after is not None
        for file in directory.glob("state.sqlite3*"):
            file.unlink()
        for name, content in self.after.items():
            path = Path(name)
            path.write_bytes(content)
            path.chmod(0o600)


class _ForgetfulVfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        super().__init__(_VFS, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's names
        return _ForgetfulFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if not self.disk.dead:
            super().xDelete(filename, syncdir)
            self.disk.forget(filename)


class _ForgetfulFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        if self._name is not None:
            disk.image(self._name)
        super().__init__("unix", name, flags)

    def _image(self) -> _Image | None:
        """Return the file on the disk; ``None`` for a nameless one, which nobody finds again, and without power."""
        return None if self._name is None or self._disk.dead else self._disk.image(self._name)

    def xWrite(self, data: Buffer, offset: int) -> None:  # noqa: N802
        if (image := self._image()) is not None:
            self._disk.step()
            image.pending.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if (image := self._image()) is not None:
            self._disk.step()
            image.pending.append(newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if (image := self._image()) is not None:
            self._disk.step()
            image.sync()


# -- sqlite3's interface, as far as the store uses it -------------------------------------------------------------------------------


class _Row(tuple[Any, ...]):
    """A row with its columns by number and by name."""

    __slots__ = ()
    names: tuple[str, ...] = ()

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.names.index(key) if isinstance(key, str) else key)


class _Cursor:
    """What a statement gave, all of it."""

    def __init__(self, cursor: apsw.Cursor, connection: apsw.Connection) -> None:
        try:
            names = tuple(column[0] for column in cursor.get_description())
        except apsw.ExecutionCompleteError:  # it gave no row
            names = ()
        kind = type("Row", (_Row,), {"names": names})
        self._rows = [kind(row) for row in cursor]
        self._next = 0
        self.rowcount = connection.changes()

    def fetchone(self) -> Any:
        self._next += 1
        return self._rows[self._next - 1] if self._next <= len(self._rows) else None

    def fetchall(self) -> list[Any]:
        rows, self._next = self._rows[self._next :], len(self._rows)
        return rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class _Connection:
    """An apsw connection that looks like one of :mod:`sqlite3` without its implicit transactions."""

    row_factory: Any = None

    def __init__(self, path: str, synchronous: str) -> None:
        self._connection = apsw.Connection(path, vfs=_VFS)
        self._synchronous = synchronous
        self.execute("PRAGMA locking_mode=EXCLUSIVE")

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Any = ()) -> _Cursor:
        sql = sql.replace("PRAGMA synchronous=FULL", f"PRAGMA synchronous={self._synchronous}")
        return _Cursor(self._connection.execute(sql, values), self._connection)

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        self._connection.executemany(sql, cast("Sequence[Any]", list(rows)))

    def executescript(self, sql: str) -> None:
        for _ in self._connection.execute(sql):
            pass

    def close(self) -> None:
        self._connection.close(True)  # a transaction that the cut left open is nobody's error


@contextmanager
def forgetful(disk: Disk, patch: pytest.MonkeyPatch, *, synchronous: str = "FULL") -> Iterator[None]:
    """Have :mod:`sqlite3` open its files on a disk that forgets; ``synchronous`` stands in for the store's own pragma."""

    def connect(place: str, /, **_: Any) -> _Connection:
        return _Connection(unquote(urlsplit(place).path), synchronous)

    vfs = _ForgetfulVfs(disk)
    with patch.context() as patched:
        patched.setattr(sqlite3, "connect", connect)
        yield
    vfs.unregister()
