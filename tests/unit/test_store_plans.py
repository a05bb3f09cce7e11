"""How SQLite finds what it is asked for: by an index, however many settled records lie beside it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from connectors.port import Cursor
from daemon.core.ids import PairId
from daemon.core.outcomes import Outcome, Reason
from daemon.state.port import Intent, IntentState, Settlement
from daemon.state.sqlite import open_store
from tests.unit.store_support import NOON, StillClock, intent, new

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from daemon.state.store import SqliteStore


#: what is called, the index that has to be used, and whether the rows themselves need not be looked at
FOUND_BY: dict[str, tuple[Callable[[SqliteStore], Awaitable[object]], str]] = {
    "recover": (lambda store: store.recover(), "USING INDEX work_open"),
    "release_waiting": (lambda store: store.release_waiting(PairId("shop"), reason=Reason.UNAUTHORIZED), "USING INDEX work_open (link=?)"),
    "sums": (lambda store: store.sums(PairId("shop"), "sales"), "USING COVERING INDEX work_settled (link=? AND flow=?)"),
    "counts": (lambda store: store.counts(), "USING COVERING INDEX work_open"),
    "next_due": (lambda store: store.next_due(PairId("shop"), "sales"), "USING INDEX work_due (link=? AND flow=?)"),
    "claim": (lambda store: store.claim(PairId("shop"), "sales", now=NOON, limit=1), "USING INDEX work_due (link=? AND flow=?)"),
    "open_work": (lambda store: store.open_work(PairId("shop"), "sales"), "USING INDEX work_open (link=? AND flow=?)"),
    "intent": (lambda store: store.intent(PairId("shop"), "till:1:book"), "USING PRIMARY KEY (link=? AND key=?)"),
    "intents of a record": (lambda store: store.intents(PairId("shop"), record="1"), "USING INDEX intent_record (record=?"),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with some records and their intents, nearly all of them settled."""
    opened = await open_store(tmp_path / "state", clock=StillClock(), inline=True)
    await opened.record_page(PairId("shop"), "sales", Cursor(NOON), [new(str(number)) for number in range(300)])
    done = await opened.claim(PairId("shop"), "sales", now=NOON, limit=297)
    await opened.finish_many([(work, Settlement(Outcome.CREATED, amounts={"till": "1.00", "books": "1.00"})) for work in done])
    for number in range(60):
        await opened.intend(intent("till:1:book" if number == 1 else f"till:{number}:book", record=str(number)))
    yield opened
    await opened.close()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", FOUND_BY)
async def test_it_is_found_by_its_index(store: SqliteStore, name: str) -> None:
    """As the planner says it of the very statements that are run, before and after it has counted the rows."""
    call, expected = FOUND_BY[name]
    connection = store._runner.database.connection
    for _ in range(2):
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        await call(store)
        connection.set_trace_callback(None)
        asked = [one for one in statements if (one.startswith(("SELECT", "UPDATE", "DELETE")) and " work" in one) or "FROM intent" in one]
        assert asked, statements
        steps = [row["detail"] for one in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]
        assert any(expected in step for step in steps), steps
        assert not [step for step in steps if step.startswith("SCAN") and "USING" not in step], steps
        connection.execute("ANALYZE")


async def test_one_intent_is_found_by_its_key(store: SqliteStore) -> None:
    """Within its link; none, where there is none."""
    found = await store.intent(PairId("shop"), "till:1:book")
    assert isinstance(found, Intent)
    assert (found.key, found.state, found.memo) == ("till:1:book", IntentState.SENT, {"remaining": "12.50"})
    assert await store.intent(PairId("other"), "till:1:book") is None
    assert await store.intent(PairId("shop"), "till:1:pay") is None
