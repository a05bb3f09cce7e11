"""What every test shares."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.blocking import BlockBuster, blockbuster_ctx
from tests.contract.counts import pytest_terminal_summary  # noqa: F401 - pytest calls it: what the contracts covered

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
RETAIL = REPOSITORY.parent / "shared" / "data" / "retail"


@pytest.fixture
def anyio_backend() -> str:
    """The stack is anyio on asyncio."""
    return "asyncio"


@contextmanager
def watching_for_blocking_calls() -> Iterator[BlockBuster]:
    """Let a blocking call inside the event loop raise, but for the few that are meant."""
    with blockbuster_ctx(["daemon", "connectors"]) as blocker:
        for function in blocker.functions.values():
            # the store runs inline, knowingly, where time is virtual
            function.can_block_in("daemon/state/runner.py", {"in_the_loop"})
            # the configuration is read before anything else goes on
            function.can_block_in("daemon/settings/loading.py", {"load"})
            function.can_block_in("daemon/assembly.py", {"assemble"})
        yield blocker


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call inside the event loop fails the test that made it."""
    with watching_for_blocking_calls() as blocker:
        yield blocker
