"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

REPOSITORY = Path(__file__).resolve().parent.parent
RETAIL = REPOSITORY.parent / "shared" / "data" / "retail"


@pytest.fixture
def anyio_backend() -> str:
    """The stack is anyio on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call inside the event loop fails the test that made it."""
    with blockbuster_ctx(["daemon", "connectors"]) as blocker:
        yield blocker
