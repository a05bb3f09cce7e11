"""One daemon for a state directory: a lock that dies with its holder, and a file that says who he is."""

from __future__ import annotations

import json
import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import CancelScope, to_thread

from daemon.state.files import open_private, private_directory, read_private, try_lock
from daemon.state.port import StoreError
from daemon.state.values import dump, to_moment, to_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from connectors.port import Clock

LOCK_FILE = "owner.lock"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs on a state directory, and when he last said so."""

    pid: int
    host: str
    started_at: datetime
    heartbeat_at: datetime


class AlreadyRunning(Exception):
    """Another process runs on this state directory; ``owner`` says which, if it has got as far as writing that down."""

    def __init__(self, directory: Path, owner: Owner | None) -> None:
        who = (
            "another process" if owner is None else f"process {owner.pid} on {owner.host} (since {owner.started_at:%Y-%m-%d %H:%M:%S} UTC)"
        )
        super().__init__(f"{directory}: {who} runs on this state already; stop it first")
        self.owner = owner


class Ownership:
    """What :func:`claim_ownership` gives; it ends with the context."""

    def __init__(self, descriptor: int, clock: Clock) -> None:
        self._descriptor = descriptor
        self._clock = clock
        self._started_at = clock.now()

    async def heartbeat(self) -> None:
        """Write down that the process is alive."""
        await to_thread.run_sync(self._write)

    def _write(self) -> None:
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": to_text(self._started_at),
            "heartbeat_at": to_text(self._clock.now()),
        }
        text = dump(owner).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


@asynccontextmanager
async def claim_ownership(directory: Path, *, clock: Clock) -> AsyncIterator[Ownership]:
    """Be the only daemon on this state directory for as long as the context lasts.

    Raises:
        AlreadyRunning: another process is.
        StoreError: the directory cannot be used.
    """
    descriptor = await to_thread.run_sync(_acquire, directory)
    try:
        ownership = Ownership(descriptor, clock)
        await ownership.heartbeat()
        yield ownership
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(_release, descriptor)


def read_owner(directory: Path) -> Owner | None:
    """Return who runs on this state directory (or died there without a word: see the heartbeat), ``None`` when nobody does.

    Raises:
        StoreError: the file cannot be read.
    """
    path = directory / LOCK_FILE
    try:
        text = read_private(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); run as the user that owns it") from error
    try:
        values = json.loads(text)
        moments = [to_moment(values[name]) for name in ("started_at", "heartbeat_at")]
        if any(moment.tzinfo is None for moment in moments):
            return None
        return Owner(int(values["pid"]), str(values["host"]), *moments)
    # empty: he has gone, or has only just come; anything else that nobody has written: it is written anew with the next heartbeat
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _acquire(directory: Path) -> int:
    private_directory(directory)
    path = directory / LOCK_FILE
    try:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror}); make the directory writable for this user") from error
    if not try_lock(descriptor):
        os.close(descriptor)
        raise AlreadyRunning(directory, read_owner(directory))
    return descriptor


def _release(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.close(descriptor)
