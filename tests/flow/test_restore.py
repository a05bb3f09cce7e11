"""A copy of the database put back with nothing but ``cp``, from any moment of the day: recognised, and nothing is done twice."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, TypeVar

import pytest

from connectors.sandbox import shop
from connectors.sandbox.faults import FaultPlan
from daemon.state.database import Database
from daemon.state.runner import in_the_loop
from tests.flow.shop import open_shop
from tests.unit.store_support import take_it

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.shop import Shop

T = TypeVar("T")
#: so many moments of the day are tried, spread over all of its transactions
MOMENTS = 16


class Killed(BaseException):
    """Nothing after it runs."""


def copied_at_every_transaction(folder: Path, patch: pytest.MonkeyPatch, *, until: int = 0) -> list[Path]:
    """Copy the database before each of its transactions from now on; the list grows meanwhile.  With the last one the process dies."""
    copies: list[Path] = []
    write = Database.write

    def copying(database: Database, function: Callable[[sqlite3.Connection], T]) -> T:
        if until and len(copies) >= until:
            raise Killed
        target = folder / f"copy-{len(copies)}"
        with closing(sqlite3.connect(target)) as into:
            database.connection.backup(into)
        copies.append(target)
        return write(database, function)

    patch.setattr(Database, "write", copying)
    return copies


def put_back(running: Shop, copy: Path) -> None:
    """Copy a database over the present one with nothing but ``cp``; where that is refused, do what the refusal says."""
    state = running.directory / "state"
    for file in state.glob("state.sqlite3*"):
        file.unlink()
    shutil.copyfile(copy, state / "state.sqlite3")
    (state / "state.sqlite3").chmod(0o600)
    in_the_loop(lambda: take_it(state))


def created(running: Shop) -> int:
    """How many requests both vendors have seen that make something; stock may be set to the same number again."""
    seen = (*running.books.requests.items(), *running.till.requests.items())
    return sum(count for (method, _), count in seen if method == "POST")


@pytest.mark.parametrize("seed", [11, 12])
async def test_a_copy_of_any_moment_put_back_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Every document, payment, customer and product since is found; nobody has to be asked."""
    running = open_shop(tmp_path, shop.generate(seed, 12))
    async with running.process() as bridge:
        with monkeypatch.context() as patch:
            copies = copied_at_every_transaction(tmp_path, patch)
            await bridge.settle()
    ledgers = running.books.ledger(), running.till.ledger()
    made = created(running)
    recognised = 0
    for copy in copies[:: len(copies) // MOMENTS]:
        put_back(running, copy)
        async with running.process() as bridge:
            recognised += bridge.store.restored
            await bridge.settle()
            assert await bridge.held() == {}, copy
        assert (running.books.ledger(), running.till.ledger()) == ledgers, copy
    assert created(running) == made
    assert recognised >= MOMENTS - 2  # only after the last intent does a copy lack nothing


@pytest.mark.parametrize("seed", range(8))
async def test_an_older_copy_in_the_place_of_what_a_killed_process_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """In the middle of the day, at vendors whose listings lag behind: the rest is done, and what was done already is not done again."""
    random = Random(seed)
    running = open_shop(tmp_path, shop.generate(seed, 12))
    lag = FaultPlan(stale_index_seconds=4)
    running.books.books.plan, running.till.plan.stale_index_seconds = lag, lag.stale_index_seconds
    killed_at = random.randint(30, 300)
    with monkeypatch.context() as patch:
        try:
            async with running.process() as bridge:
                copied_at_every_transaction(tmp_path, patch, until=killed_at)
                await bridge.settle()
        except BaseExceptionGroup as group:
            assert group.subgroup(Killed) is not None  # noqa: PT017 - the group says which task it was, and that is all the same here
    put_back(running, tmp_path / f"copy-{max(0, killed_at - random.randint(1, 60))}")
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    books, till = running.books.ledger(), running.till.ledger()
    assert books.gross == till.gross
    assert till.receipts == len(books.documents) == len(set(running.references()))
    assert books.remaining == 0
    assert till.products == len(till.stock)
    emails = [row["EmailAddress"].casefold() for row in running.books.books.customers.rows.values() if row["EmailAddress"]]
    assert len(emails) == len(set(emails))
    assert running.books.books.drafts.rows == {}
