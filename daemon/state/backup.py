"""A copy of the database that can be carried away and put back.

The key is not in it: what is personal or secret in a backup is then as safe as it is on the disk, wherever the backup goes.  Without
the key nobody can use it, so a copy of the key belongs into another safe place, once; or, if its reader says so, beside the backup.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from daemon.state.failures import finding_of
from daemon.state.files import open_private, sync_directory
from daemon.state.port import StoreError

if TYPE_CHECKING:
    from pathlib import Path

#: the fact that remembers when a backup was last made
FACT = "backup_at"


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the whole database, as of one moment, into one sound file, and only then give it its name.

    Raises:
        StoreError: the copy is not sound.
        sqlite3.Error: it could not be written.
        OSError: it could not be written.
    """
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        os.close(open_private(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        into = sqlite3.connect(draft)
        try:
            connection.backup(into)
            into.execute("PRAGMA journal_mode=DELETE")  # one file that can be carried away
            finding = finding_of(into.execute("PRAGMA integrity_check(1)"))
        finally:
            into.close()
        if finding != "ok":
            raise StoreError(
                f"{target}: the backup is not sound ({finding}); the database itself is damaged, put an older backup in its place"
            )
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(target)
        sync_directory(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def key_beside(target: Path) -> Path:
    """Return where the key lies that somebody wanted beside his backup."""
    return target.with_name(f"{target.name}.key")


def write_private(target: Path, content: bytes) -> None:
    """Write a small file for its owner alone, whole or not at all; raises :class:`OSError`."""
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        descriptor = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(target)
        sync_directory(target.parent)
    finally:
        draft.unlink(missing_ok=True)
