"""Whether the database is older than what was done with it: a backup put back, a file copied, a snapshot of the disk.

``state.generation`` beside the database holds a number that never goes back.  The database counts every opening for writing and all that
nobody else knows: every write to a vendor that it announces (an intent), every hold, every word of a person, every token.  The file
follows before the intent is sent.  So a database that says less than the file, or belongs to another file, or has lost it, may lack
intents: what they wrote at the vendor has to be looked for before anything is written again.  The other way round, a
process that was killed between the two leaves the file behind, never ahead.

Who closes the database last writes down what the file looks like (a digest of all of it).  As long as nobody has opened it again, a file
that looks otherwise was damaged, or another copy lies in its place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.state.files import open_private, read_private

if TYPE_CHECKING:
    from pathlib import Path

FILE = "state.generation"
#: identity, number, digest; a version before the digest wrote two
_FIELDS = (2, 3)
#: more than any line of ours
_LENGTH = 128
_DIGEST_BYTES = 16
#: stands in the place of the digest while the database is open, and after a process that was killed
_OPEN = "-" * (2 * _DIGEST_BYTES)
_CHUNK = 1 << 20
#: the name of a database; of one that was put back and never had one, a dash
_IDENTITY = re.compile("[0-9a-f]{32}|-")


@dataclass(frozen=True, slots=True)
class Generation:
    """How far a database has come: its name, and how often it was opened for writing or announced a write.

    ``digest`` is that of the file as it was closed, empty where nobody has closed it.
    """

    identity: str
    number: int
    digest: str = ""


def digest(path: Path) -> str:
    """Return the digest of a whole file; raises :class:`OSError`."""
    sum_of = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sum_of.update(chunk)
    return sum_of.hexdigest()


def read_mark(directory: Path) -> Generation | None:
    """Return what stands in the file of a directory, ``None`` when there is none, or nothing of ours in it; raises :class:`OSError`."""
    try:
        return _parse(read_private(directory / FILE)[:_LENGTH])
    except FileNotFoundError:
        return None


def _parse(content: bytes) -> Generation | None:
    fields = content.decode("ascii", "replace").split()
    if len(fields) not in _FIELDS or not _IDENTITY.fullmatch(fields[0]) or not (fields[1].isascii() and fields[1].isdigit()):
        return None
    return Generation(fields[0], int(fields[1]), "" if fields[2:] in ([], [_OPEN]) else fields[2])


class Marker:
    """The file, open for as long as the database is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def open(cls, directory: Path) -> Marker:
        """Open the file, made empty where it is missing; raises :class:`OSError`."""
        return cls(open_private(directory / FILE, os.O_RDWR | os.O_CREAT))

    def read(self) -> Generation | None:
        """Return what stands in the file, ``None`` when that is nothing, or nothing of ours."""
        return _parse(os.pread(self._descriptor, _LENGTH, 0))

    def follow(self, generation: Generation) -> None:
        """Make the number durable, unless the file has a higher one of the same database; raises :class:`OSError`."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # another process may be as far already
        try:
            before = self.read()
            if before is None or before.identity != generation.identity or before.number < generation.number:
                self._write(generation)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def put(self, generation: Generation) -> None:
        """Write this down, whatever stood there: by who is alone with the database; raises :class:`OSError`."""
        self._write(generation)

    def _write(self, generation: Generation) -> None:
        line = f"{generation.identity} {generation.number:020} {generation.digest or _OPEN}\n".encode()
        # in place and of one length: one sector, which a full disk does not refuse and a power cut does not tear
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
