"""The watch on blocking calls sees those of built-in types too, and leaves them as they were."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest

from tests.blocking import BlockingError, blockbuster_ctx

HERE = Path(__file__)
BUILT_IN = [(io.BufferedReader, "read"), (io.TextIOWrapper, "write"), (sqlite3.Cursor, "execute"), (sqlite3.Connection, "commit")]


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Here the calls are made on purpose."""


async def test_reading_a_file_in_the_loop_is_seen() -> None:
    """A method of a built-in type, which refuses setattr, raises when the event loop runs it."""
    file = io.BufferedReader(io.FileIO(HERE))
    with blockbuster_ctx(), pytest.raises(BlockingError, match="read"):
        file.read()
    file.close()


async def test_a_statement_in_the_loop_is_seen() -> None:
    """A statement of SQLite, the daemon's slowest call, raises when the event loop runs it."""
    connection = sqlite3.connect(":memory:")
    cursor = connection.cursor()
    with blockbuster_ctx(), pytest.raises(BlockingError, match="execute"):
        cursor.execute("SELECT 1")
    connection.close()


async def test_afterwards_everything_is_as_it_was() -> None:
    """The types of the interpreter are given back: same methods, and they work in the loop."""
    before = [getattr(owner, name) for owner, name in BUILT_IN]
    with blockbuster_ctx():
        during = [getattr(owner, name) for owner, name in BUILT_IN]
    after = [getattr(owner, name) for owner, name in BUILT_IN]
    assert after == before
    assert all(seen != original for seen, original in zip(during, before, strict=True))
    with io.BufferedReader(io.FileIO(HERE)) as file:
        assert file.read(3) == b'"""'


def test_outside_the_loop_nothing_is_forbidden() -> None:
    """The watch concerns the loop: a thread may read as long as it likes."""
    with blockbuster_ctx(), HERE.open("rb") as file:
        assert file.read(3) == b'"""'
