"""What a connector needs around it in a test: a clock that jumps, a token store in memory, and a count of what was called."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connectors.port import Tokens

START = datetime(2026, 3, 16, 9, 30, 5, tzinfo=UTC)


class JumpingClock:
    """A clock for client and vendor alike that jumps where it is told to sleep."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        self.elapsed += seconds
        await anyio.lowlevel.checkpoint()


class MemoryTokens:
    """A token store in memory."""

    def __init__(self) -> None:
        self.tokens: Tokens | None = None
        self._lock = anyio.Lock()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold off the others."""
        async with self._lock:
            yield

    async def load(self) -> Tokens | None:
        """Return the newest."""
        return self.tokens

    async def save(self, tokens: Tokens) -> None:
        """Keep them."""
        self.tokens = tokens


class Called:
    """Stands in front of a connector and remembers which of its methods were called."""

    def __init__(self, connector: object) -> None:
        self._connector = connector
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._connector, name)


def methods(kind: type) -> set[str]:
    """Return the names of what a connector can be asked to do."""
    return {name for name, member in inspect.getmembers(kind, inspect.iscoroutinefunction) if not name.startswith("_")}
