"""Whether the database is older than what was done with it: a backup put back, a file copied, a snapshot of the disk.

``state.generation`` beside the database holds a number that never goes back.  The database counts every opening for writing and
every write to a vendor that it announces (an intent), and the file follows before the intent is sent.  So a database that says less
than the file, or belongs to another file, or has lost it, may lack intents: what they wrote at the vendor has to be looked for
before anything is written again.  The other way round, a process that was killed between the two leaves the file behind, never ahead.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.state.files import open_private

if TYPE_CHECKING:
    from pathlib import Path

FILE = "state.generation"
_FIELDS = 2
#: more than any line of ours
_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Generation:
    """How far a database has come: its name, and how often it was opened for writing or announced a write."""

    identity: str
    number: int


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
        fields = os.pread(self._descriptor, _LENGTH, 0).split()
        if len(fields) != _FIELDS or not fields[1].isdigit():
            return None
        return Generation(fields[0].decode("ascii", "replace"), int(fields[1]))

    def follow(self, generation: Generation) -> None:
        """Make the number durable, unless the file has a higher one of the same database; raises :class:`OSError`."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # another process may be as far already
        try:
            before = self.read()
            if before is not None and before.identity == generation.identity and before.number >= generation.number:
                return
            line = f"{generation.identity} {generation.number:020}\n".encode()
            # in place and of one length: one sector, which a full disk does not refuse and a power cut does not tear
            os.pwrite(self._descriptor, line, 0)
            os.ftruncate(self._descriptor, len(line))
            os.fdatasync(self._descriptor)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
