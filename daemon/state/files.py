"""Files that only the daemon's own user may read, and locks between processes.  Blocking calls; run them off the loop."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from daemon.state.port import StoreError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def private_directory(directory: Path) -> None:
    """Make the directory if it is missing, and see that nobody else may look into it.

    Raises:
        StoreError: it cannot be made, is no directory, or is open to others.
    """
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError as error:
        raise StoreError(f"{directory}: the state directory cannot be made ({error.strerror}); choose another with --state-dir") from error
    if mode & 0o077:
        raise StoreError(f"{directory}: other users may read the state directory (mode {mode:04o}); chmod 700 it")


def open_private(path: Path, flags: int) -> int:
    """Open a file, made for its owner alone if it is made at all, and return its descriptor.

    What root makes (a command run with sudo) is given to the owner of the directory, who has to go on with it.

    Raises:
        OSError: as :func:`os.open` does.
    """
    descriptor = os.open(path, flags, PRIVATE_FILE)
    if flags & os.O_CREAT and os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def sync_directory(directory: Path) -> None:
    """Make new names in the directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file for oneself, if nobody has it.  It ends with the descriptor, however that ends.

    A shared lock that the descriptor had before is lost either way.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share_lock(descriptor: int) -> None:
    """Share the lock of an open file, as soon as nobody has it for himself."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)
