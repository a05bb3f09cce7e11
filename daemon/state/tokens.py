"""Where the tokens of a connection are kept: encrypted, in the store, and refreshed by one process at a time."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio

from connectors.port import Tokens, TokenStore
from daemon.state.cipher import place
from daemon.state.failures import legible
from daemon.state.files import open_private, read_private, try_lock
from daemon.state.port import StoreError
from daemon.state.values import dump, load, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connectors.port import Clock
    from daemon.state.store import SqliteStore

#: between two looks at a lock that another process holds, in seconds
LOOK_AGAIN = 0.05


#: so much room is taken on the disk before a token is spent: what comes for it is never lost for want of space
_RESERVE = 16_384
_HEADER = b"KBT1"
_LENGTH = 4


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
        #: the open lock file, with room in it for a token, while somebody refreshes
        self._room: int | None = None

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold off every other refresher of this connection, in this process and in others.

        Raises:
            StoreError: there is no room on the disk for what the refresher will get; nothing is spent yet.
        """
        async with self._here:
            descriptor = await self._store.aside(self._open)
            try:
                while not try_lock(descriptor):
                    await self._clock.sleep(LOOK_AGAIN)
                self._room = descriptor
                await self._store.aside(lambda: self._make_room(descriptor))
                await self._take_over(descriptor)
                yield
            finally:
                self._room = None
                os.close(descriptor)

    async def load(self) -> Tokens | None:
        """Return the newest tokens, read from the disk, or ``None`` when there was never a sign-in."""
        cipher = self._store.cipher

        def newest(connection: sqlite3.Connection) -> Tokens | None:
            row = connection.execute("SELECT value FROM token WHERE connection = ?", (self._connection,)).fetchone()
            return None if row is None else _from_json(cipher.decrypt(row["value"], self._place))

        stored, kept = await self._store.look(newest), await self._store.aside(self._kept)
        return kept if kept is not None and (stored is None or kept.generation > stored.generation) else stored

    async def save(self, tokens: Tokens) -> None:
        """Make the tokens durable.

        Raises:
            StoreError: the database cannot be written.  What was refreshed is kept beside it, and found by the next start.
        """
        sealed = self._store.cipher.encrypt(_to_json(tokens), self._place)
        try:
            await self._put(sealed)
        except StoreError:
            if (room := self._room) is not None:
                await self._store.aside(lambda: _write(room, sealed))
            raise

    @property
    def _place(self) -> bytes:
        return place("token", "value", self._connection)

    async def _put(self, sealed: bytes) -> None:
        values = (self._connection, sealed, to_text(self._clock.now()))
        await self._store.announce(
            lambda connection: connection.execute("INSERT OR REPLACE INTO token (connection, value, saved_at) VALUES (?, ?, ?)", values)
        )

    # -- beside the database ----------------------------------------------------------------------------------------------------
    def _open(self) -> int:
        try:
            return open_private(self._lock_file, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StoreError(
                f"{self._lock_file}: cannot be opened ({error.strerror}); make the directory writable for this user"
            ) from error

    def _make_room(self, descriptor: int) -> None:
        try:
            os.posix_fallocate(descriptor, 0, _RESERVE)
        except OSError as error:
            raise StoreError(
                f"{self._lock_file}: there is no room for a new token ({error.strerror}); free some space, nothing was spent"
            ) from error

    async def _take_over(self, descriptor: int) -> None:
        """Bring into the database what was kept beside it when that could not be written."""
        kept = await self._store.aside(self._kept)
        if kept is None:
            return
        newest = await self.load()
        if newest == kept:
            await self._put(self._store.cipher.encrypt(_to_json(kept), self._place))
        await self._store.aside(lambda: _write(descriptor, b""))

    def _kept(self) -> Tokens | None:
        try:
            content = read_private(self._lock_file)
        except OSError:
            return None
        size = int.from_bytes(content[len(_HEADER) : len(_HEADER) + _LENGTH])
        if not content.startswith(_HEADER) or not size:
            return None
        sealed = content[len(_HEADER) + _LENGTH :][:size]
        with suppress(StoreError):  # of another key, or torn: then the database has all there is
            return _from_json(self._store.cipher.decrypt(sealed, self._place))
        return None


def _write(descriptor: int, sealed: bytes) -> None:
    """Write in place, where there is room already; the length last, so that half of it is none."""
    os.pwrite(descriptor, b"\0" * (len(_HEADER) + _LENGTH), 0)
    os.pwrite(descriptor, sealed, len(_HEADER) + _LENGTH)
    os.fdatasync(descriptor)
    if sealed:
        os.pwrite(descriptor, _HEADER + len(sealed).to_bytes(_LENGTH), 0)
        os.fdatasync(descriptor)


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


@legible("token")
def _from_json(data: bytes) -> Tokens:
    values = load(data.decode())
    return Tokens(**{**values, "expires_at": datetime.fromisoformat(values["expires_at"])})
