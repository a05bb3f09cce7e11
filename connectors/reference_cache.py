"""What changes so seldom that it is kept for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.port import Clock

T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is read when it is first needed, and again when it is older than ``life`` seconds.

    One reading at a time; who waits for one that began after he asked needs no other.  ``reads`` counts how often it was really read.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], *, clock: Clock, life: float) -> None:
        self._read = read
        self._clock = clock
        self._life = life
        self._lock = anyio.Lock()
        #: when it was read, what it said, and which reading that was
        self._kept: tuple[float, T, int] | None = None
        self._begun = 0
        self.reads = 0

    async def get(self, *, within: float | None = None) -> T:
        """Return the value as it was at most ``life`` seconds ago, or at most ``within`` where that is less."""
        asked_after = self._begun
        life = self._life if within is None else min(within, self._life)
        async with self._lock:
            if self._kept is not None:
                read_at, value, number = self._kept
                if number > asked_after or self._clock.monotonic() - read_at < life:
                    return value
            self._begun += 1
            started, number = self._clock.monotonic(), self._begun
            value = await self._read()
            self._kept = (started, value, number)
            self.reads += 1
            return value

    def kept(self) -> T | None:
        """Return the value if it is kept, however old."""
        return None if self._kept is None else self._kept[1]

    def forget(self) -> None:
        """Have it read again next time."""
        self._kept = None
