"""Where the tokens of a connection are kept: encrypted, in the store, and refreshed by one process at a time."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio

from connectors.port import Tokens, TokenStore
from daemon.state.files import open_private, try_lock
from daemon.state.values import dump, load, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connectors.port import Clock
    from daemon.state.store import SqliteStore

#: between two looks at a lock that another process holds, in seconds
LOOK_AGAIN = 0.05


class SqliteTokenStore(TokenStore):
    """The tokens of one connection."""

    def __init__(self, store: SqliteStore, connection: str, lock_dir: Path, *, clock: Clock) -> None:
        """``lock_dir`` is the state directory: every process that signs in for this connection has to use the same."""
        self._store = store
        self._connection = connection
        self._lock_file = lock_dir / f"token-{quote(connection, safe='')}.lock"
        self._clock = clock
        # tasks of this process queue up here, in order; only one of them at a time looks at the file
        self._here = anyio.Lock()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold off every other refresher of this connection, in this process and in others."""
        async with self._here:
            descriptor = await self._store.aside(lambda: open_private(self._lock_file, os.O_RDWR | os.O_CREAT))
            try:
                while not try_lock(descriptor):
                    await self._clock.sleep(LOOK_AGAIN)
                yield
            finally:
                os.close(descriptor)

    async def load(self) -> Tokens | None:
        """Return the newest tokens, read from the disk, or ``None`` when there was never a sign-in."""
        cipher = self._store.cipher

        def newest(connection: sqlite3.Connection) -> Tokens | None:
            row = connection.execute("SELECT value FROM token WHERE connection = ?", (self._connection,)).fetchone()
            return None if row is None else _from_json(cipher.decrypt(row["value"]))

        return await self._store.look(newest)

    async def save(self, tokens: Tokens) -> None:
        """Make the tokens durable."""
        values = (self._connection, self._store.cipher.encrypt(_to_json(tokens)), to_text(self._clock.now()))
        await self._store.transact(
            lambda connection: connection.execute("INSERT OR REPLACE INTO token (connection, value, saved_at) VALUES (?, ?, ?)", values)
        )


def _to_json(tokens: Tokens) -> bytes:
    return dump(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": to_text(tokens.expires_at),
            "scope": tokens.scope,
            "generation": tokens.generation,
        }
    ).encode()


def _from_json(data: bytes) -> Tokens:
    values = load(data.decode())
    return Tokens(**{**values, "expires_at": datetime.fromisoformat(values["expires_at"])})
