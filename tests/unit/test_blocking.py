"""The watch on blocking calls sees what it is there for; without this, a quiet watch could be a blind one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread

from tests import blocking
from tests.blocking import BlockingError, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """These tests open watches of their own."""


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """This file counts as our code."""
    monkeypatch.setattr(blocking, "WATCHED", (str(Path(__file__).parent),))


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Expect both: the call is refused, and the watch ends in a failure even if somebody swallowed that."""
    with pytest.raises(AssertionError, match="blocked the event loop"), watched(), contextlib.suppress(BlockingError):
        yield


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda path: path.open("w"), id="open"),
        pytest.param(lambda path: path.stat(), id="stat"),
        pytest.param(lambda _path: os.fsync(1), id="fsync"),
        pytest.param(lambda _path: time.sleep(0), id="sleep"),
        pytest.param(lambda path: path.mkdir(), id="mkdir"),
        pytest.param(lambda _path: subprocess.run([sys.executable, "-V"], check=False), id="process"),
        pytest.param(sqlite3.connect, id="database"),
    ],
)
async def test_a_call_that_can_take_long_is_refused_in_the_loop(call: Callable[[Path], Any], tmp_path: Path) -> None:
    """Files, processes, sleeping, the disk and databases: none is let through, also where the exception is swallowed."""
    with refusing():
        call(tmp_path / "file")


async def test_a_statement_in_the_loop_is_found(tmp_path: Path) -> None:
    """A database that a thread opened is not asked from the loop."""

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "file", check_same_thread=False)

    with pytest.raises(AssertionError, match="SQL SELECT 1"), watched():  # noqa: PT012 - the watch ends when the connection is closed
        connection = await to_thread.run_sync(opened)
        connection.execute("SELECT 1")
        await to_thread.run_sync(connection.close)


async def test_the_same_in_a_thread_is_right(tmp_path: Path) -> None:
    """A thread may wait for as long as it likes."""
    with watched():
        await to_thread.run_sync((tmp_path / "file").write_text, "content")


async def test_what_may_block_is_named(tmp_path: Path) -> None:
    """A function that is allowed to block does, and only that."""
    here = str(Path(__file__).relative_to(blocking.ROOT))

    def may_block() -> None:
        (tmp_path / "file").write_text("content")

    with watched({(here, "may_block")}):
        may_block()
