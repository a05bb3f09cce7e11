"""What the tests of the store share: a clock that stands still, and records to store."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anyio.lowlevel import checkpoint

from daemon.core.ids import PairId
from daemon.state.database import Database
from daemon.state.port import Binding, Intent, IntentState, NewWork, Question, StoreError
from daemon.state.restore import restore

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parent.parent.parent
PYTHON = sys.executable


class StillClock:
    """Implements the clock; it moves only when told to, or when somebody waits."""

    def __init__(self) -> None:
        self.moment = NOON
        self.waits = 0

    def now(self) -> datetime:
        """Return the moment."""
        return self.moment

    def monotonic(self) -> float:
        """Return seconds since the beginning."""
        return (self.moment - NOON).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Let the others work, and the time pass."""
        self.waits += 1
        self.moment += timedelta(seconds=seconds)
        await checkpoint()


def minutes(count: int) -> datetime:
    """Return a moment so many minutes after noon."""
    return NOON + timedelta(minutes=count)


def new(record: str, *, version: str = "1", at: int = 0, payload: bytes = b"{}") -> NewWork:
    """Return a change of a record; its label is ``no <record>``."""
    return NewWork(record, f"no {record}", version, minutes(at), payload)


def intent(key: str = "till:1:book", *, record: str = "1", state: str = IntentState.SENT) -> Intent:
    """Return an intent."""
    return Intent(PairId("shop"), key, "sales", record, "book", "KB-1", "hash", state, NOON, memo={"remaining": "12.50"})


def pair(source: str, target: str, *, fingerprint: str = "") -> Binding:
    """Return a binding of products."""
    return Binding(PairId("shop"), "product", source, target, fingerprint, f"sku {source}")


def question(key: str = "payment:pin") -> Question:
    """Return a question."""
    return Question(PairId("shop"), key, "sales", "Which account takes pin payments?", ("Pin", "Kas"))


def take_it(state: Path) -> None:
    """Take the database that was copied into a state directory with nothing but ``cp``: where it is refused, do what is said."""
    try:
        Database.open(state).close()
    except StoreError as refusal:
        assert f"kassabrug restore {state / 'state.sqlite3'}" in str(refusal)  # noqa: PT017 - a copy that lacks nothing is not refused
        kept = restore(state / "state.sqlite3", state, stamp="by-hand").kept
        assert kept is not None
        shutil.rmtree(kept)
