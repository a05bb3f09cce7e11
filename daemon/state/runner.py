"""Where the database's blocking calls run: in one thread of their own, or in the loop itself for tests under virtual time.

One call is one whole transaction, and one thread does one call after the other.  So tasks cannot get between the statements of
each other's transactions, and a task that is cancelled while it waits leaves nothing half done: the call runs to its end.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiosqlite
from anyio import CancelScope
from anyio.lowlevel import cancel_shielded_checkpoint

from daemon.state.port import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.state.database import Database

T = TypeVar("T")


class Runner(Protocol):
    """Runs calls one after the other."""

    database: Database

    async def run(self, call: Callable[[Database], T]) -> T:
        """Run one call to its end, whatever happens to the caller, and return what it returns."""
        ...

    async def close(self) -> None:
        """Close the database; a second call does nothing."""
        ...


def in_the_loop(call: Callable[[], T]) -> T:
    """Call what blocks the loop, knowingly: a detector of blocking calls may let pass what goes through here."""
    return call()


class InlineRunner:
    """Runs calls in the loop's thread, which blocks it."""

    def __init__(self, opener: Callable[[], Database]) -> None:
        """Opens the database at once."""
        self.database = in_the_loop(opener)
        self._closed = False

    async def run(self, call: Callable[[Database], T]) -> T:
        """Run one call."""
        await cancel_shielded_checkpoint()  # others get their turn, as they would beside a thread
        if self._closed:
            raise StoreError("the store is closed")
        return in_the_loop(lambda: call(self.database))

    async def close(self) -> None:
        """Close the database."""
        self._closed = True
        in_the_loop(self.database.close)


class ThreadRunner:
    """Runs calls in the thread of an aiosqlite connection."""

    def __init__(self, connection: aiosqlite.Connection, database: Database) -> None:
        self.database = database
        self._connection = connection
        self._closed = False

    @classmethod
    async def start(cls, opener: Callable[[], Database]) -> ThreadRunner:
        """Start the thread and open the database in it."""
        opened: list[Database] = []
        failed: list[Exception] = []

        def connect() -> sqlite3.Connection:
            # a connector that raises makes aiosqlite leave its thread behind, which then reports to a loop that may be closed by
            # now; so it gets a connection in any case, and is closed like any other
            try:
                opened.append(opener())
            except Exception as error:  # noqa: BLE001 - raised again below, in the task that waits for it
                failed.append(error)
                return sqlite3.connect(":memory:")
            return opened[0].connection

        with CancelScope(shield=True):  # cancelled in between, the thread would live on and keep the process from ending
            connection = await aiosqlite.Connection(connect, iter_chunk_size=64)
            if failed:
                await connection.close()
        if failed:
            raise failed[0]
        return cls(connection, opened[0])

    async def run(self, call: Callable[[Database], T]) -> T:
        """Run one call."""
        if self._closed:
            raise StoreError("the store is closed")
        return await self._run(call)

    async def _run(self, call: Callable[[Database], T]) -> T:
        database = self.database
        with CancelScope(shield=True):
            # aiosqlite offers no public way to run a whole function in its thread, and five awaits for a transaction of five
            # statements would cost twice the time and let others in between.  A function without arguments: aiosqlite logs them.
            result: T = await self._connection._execute(lambda: call(database))  # type: ignore[no-untyped-call]  # noqa: SLF001 - see above
        return result

    async def close(self) -> None:
        """Close the database and end the thread."""
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            try:
                await self._run(lambda database: database.close())
            finally:
                await self._connection.close()
