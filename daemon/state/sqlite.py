"""Opens the store: ``state.sqlite3`` in a directory of its own, beside ``state.key`` and the lock files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from daemon.core.ids import EVERYBODY
from daemon.state.database import Database
from daemon.state.port import Activity
from daemon.state.runner import InlineRunner, ThreadRunner
from daemon.state.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.port import Clock
    from daemon.state.cipher import Cipher
    from daemon.state.runner import Runner

_log = structlog.get_logger(__name__)


async def open_store(
    directory: Path,
    *,
    clock: Clock,
    cipher: Cipher | None = None,
    inline: bool = False,
    readonly: bool = False,
) -> SqliteStore:
    """Open the store of a state directory; close it again, or the process will not end.

    Args:
        directory: made with mode 0700 where it is missing.
        clock: gives the moments that are written.
        cipher: instead of the key in ``$CREDENTIALS_DIRECTORY`` or in the directory.
        inline: block the loop instead of using a thread; for tests under virtual time.
        readonly: change nothing, not even the schema; a directory without a database is as if empty.

    Raises:
        StoreError: one line that says what is wrong and what to do.
    """

    def opener() -> Database:
        return Database.open_readonly(directory, cipher=cipher) if readonly else Database.open(directory, cipher=cipher)

    runner: Runner = InlineRunner(opener) if inline else await ThreadRunner.start(opener)
    store = SqliteStore(runner, runner.database, clock=clock)
    for note in runner.database.notes:
        _log.warning("state", found=str(note))
        await store.note([Activity(clock.now(), EVERYBODY, "", "", "", "state", detail=note)])
    return store
