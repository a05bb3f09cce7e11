"""Flow tests run under virtual time: a day passes in milliseconds."""

from __future__ import annotations

from typing import Any

import looptime
import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """asyncio, on a loop whose time jumps to the next thing that happens."""
    return "asyncio", {"loop_factory": looptime.new_event_loop}
