"""The real clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import anyio


class SystemClock:
    """This machine's time.  It decides when to look again, never where reading goes on."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)
