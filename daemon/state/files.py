"""Files that only the daemon's own user may read, and locks between processes.  Blocking calls; run them off the loop.

No link is followed: a file of the state is a file in its directory, or it is refused.  Root gives away what it makes, and nothing else.
"""

from __future__ import annotations

import errno
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
        OSError: as :func:`os.open` does; ``ELOOP`` for a link.
        StoreError: it is no file, or somebody else's.
    """
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe without a writer would be waited for
    made = flags & os.O_CREAT != 0
    if made:
        try:
            descriptor = os.open(path, flags | os.O_EXCL, PRIVATE_FILE)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            made, descriptor = False, _open(path, flags & ~os.O_CREAT)
    else:
        descriptor = _open(path, flags)
    try:
        if made and os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        elif not made:
            check_own(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise StoreError(f"{path}: this is no file but a link or a device; look who put it there, and take it away") from error
        raise


def check_own(path: Path, found: os.stat_result) -> None:
    """Raise :class:`StoreError` unless this is a file, and ours: this user's, or the owner's of its directory."""
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path}: this is no file but a link or a device; look who put it there, and take it away")
    if found.st_uid not in {os.geteuid(), path.parent.stat().st_uid}:
        raise StoreError(f"{path}: belongs to another user than its directory; look who put it there, then chown it or take it away")


def check_files(directory: Path, *names: str) -> None:
    """Raise :class:`StoreError` unless these are files and ours, as far as they are there."""
    for name in names:
        try:
            found = os.lstat(directory / name)
        except OSError:
            continue
        check_own(directory / name, found)


def read_private(path: Path) -> bytes:
    """Return the content of a file that is ours; raises :class:`OSError` and :class:`StoreError`."""
    descriptor = open_private(path, os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


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
