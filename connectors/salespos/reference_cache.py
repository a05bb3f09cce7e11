"""What changes so seldom that it is kept for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.port import Clock

T = TypeVar("T")


class Register(Generic[T]):
    """A value that is read when it is first needed, and again when it is older than ``life`` seconds.  One reader at a time.

    ``reads`` counts how often it was really read.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], *, clock: Clock, life: float) -> None:
        self._read = read
        self._clock = clock
        self._life = life
        self._lock = anyio.Lock()
        self._kept: tuple[float, T] | None = None
        self.reads = 0

    async def get(self) -> T:
        """Return the value."""
        async with self._lock:
            if self._kept is None or self._clock.monotonic() - self._kept[0] >= self._life:
                self._kept = (self._clock.monotonic(), await self._read())
                self.reads += 1
            return self._kept[1]

    def kept(self) -> T | None:
        """Return the value if it is kept, however old."""
        return None if self._kept is None else self._kept[1]

    def forget(self) -> None:
        """Have it read again next time."""
        self._kept = None
