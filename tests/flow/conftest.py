"""Flow tests run under virtual time: a day passes in milliseconds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from tests.blocking import Watch, watched
from tests.conftest import MAY_BLOCK
from tests.virtual_time import virtual_loop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """asyncio, on a loop whose time jumps to the next thing that happens."""
    return "asyncio", {"loop_factory": virtual_loop}


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[Watch]:
    """A blocking call inside the loop fails the test; the store, which is inline here, is not watched: that would take most of the time."""
    with watched(MAY_BLOCK, statements=False) as watch:
        yield watch


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where there is one: a day syncs thousands of times, and what is proven here does not depend on the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    with TemporaryDirectory(prefix="kassabrug-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """What flows log goes nowhere: printing would block the loop."""
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()
