"""Several processes on one state directory, and one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from connectors.port import Cursor, Tokens
from daemon.core.ids import PairId
from daemon.core.outcomes import State
from daemon.state.owner import AlreadyRunning, claim_ownership, read_owner
from daemon.state.port import StoreError
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.unit.store_support import NOON, PYTHON, REPOSITORY, StillClock, minutes, new

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from daemon.state.store import SqliteStore

TOKENS = Tokens("access", "refresh", minutes(60), "ea:api", 3)

HOLD_OWNERSHIP = """
import sys
from pathlib import Path
import anyio
from daemon.state.owner import claim_ownership
from tests.unit.store_support import StillClock
async def main():
    async with claim_ownership(Path(sys.argv[1]), clock=StillClock()):
        print("held", flush=True)
        sys.stdin.read()
anyio.run(main)
"""

HOLD_TOKENS = """
import sys
from dataclasses import replace
from pathlib import Path
import anyio
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.unit.store_support import StillClock
async def main():
    directory, clock = Path(sys.argv[1]), StillClock()
    store = await open_store(directory, clock=clock)
    tokens = SqliteTokenStore(store, "books", directory, clock=clock)
    async with tokens.exclusive():
        before = await tokens.load()
        print("held", flush=True)
        sys.stdin.read()
        await tokens.save(replace(before, refresh_token="newer", generation=before.generation + 1))
    await store.close()
anyio.run(main)
"""

WRITE_WITHOUT_END = """
import sys
from pathlib import Path
import anyio
from connectors.port import Cursor
from daemon.core.outcomes import Outcome
from daemon.state.port import IntentState, Settlement
from daemon.state.sqlite import open_store
from tests.unit.store_support import NOON, StillClock, intent, minutes, new, pair
async def main():
    store = await open_store(Path(sys.argv[1]), clock=StillClock())
    number = 0
    while True:
        number += 1
        await store.record_page("shop", "sales", Cursor(minutes(number)), [new(str(number), at=number)])
        [work] = await store.claim("shop", "sales", now=minutes(number), limit=1)
        await store.intend(intent(f"till:{number}:book", record=str(number)))
        print(f"sent {number}", flush=True)
        await store.settle_intent("shop", f"till:{number}:book", IntentState.DONE, binding=pair(str(number), f"t{number}"))
        await store.finish(work, Settlement(Outcome.CREATED, amounts={"till": "0.01"}))
        print(f"done {number}", flush=True)
anyio.run(main)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory that is not there yet."""
    return tmp_path / "state"


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[SqliteStore]:
    """Open a store and close it again."""
    store = await open_store(directory, clock=StillClock())
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def child(script: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a child and end it."""
    with subprocess.Popen(
        [PYTHON, "-c", script, str(directory)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a child says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


# -- the owner --------------------------------------------------------------------------------------------------------------------


async def test_a_second_daemon_is_refused_and_told_who_is_first(home: Path) -> None:
    """Until the first has gone, even if he was killed."""
    with child(HOLD_OWNERSHIP, home) as process:
        assert line(process) == "held"
        with pytest.raises(AlreadyRunning, match=rf"process {process.pid} on \S+ \(since 2026-03-02 12:00:00 UTC\)") as refusal:
            async with claim_ownership(home, clock=StillClock()):
                pass
        assert refusal.value.owner is not None
        assert refusal.value.owner.pid == process.pid
        process.kill()
        process.wait()
    dead = await anyio.to_thread.run_sync(read_owner, home)
    assert dead is not None
    assert dead.pid == process.pid
    async with claim_ownership(home, clock=StillClock()):
        living = await anyio.to_thread.run_sync(read_owner, home)
    assert living is not None
    assert living.pid == os.getpid()


async def test_the_same_process_is_refused_too(home: Path) -> None:
    """Two daemons in one process would be two daemons."""
    async with claim_ownership(home, clock=StillClock()):
        with pytest.raises(AlreadyRunning):
            async with claim_ownership(home, clock=StillClock()):
                pass


async def test_the_heartbeat_tells_when_the_owner_was_last_alive(home: Path) -> None:
    """And an owner that goes leaves no name behind."""
    clock = StillClock()
    assert await anyio.to_thread.run_sync(read_owner, home) is None
    async with claim_ownership(home, clock=clock) as ownership:
        clock.moment = minutes(5)
        await ownership.heartbeat()
        owner = await anyio.to_thread.run_sync(read_owner, home)
        assert owner is not None
        assert (owner.started_at, owner.heartbeat_at) == (NOON, minutes(5))
    assert await anyio.to_thread.run_sync(read_owner, home) is None


async def test_a_directory_that_cannot_be_owned_is_told(home: Path) -> None:
    """As one line."""
    await anyio.Path(home).write_text("")
    with pytest.raises(StoreError, match="the state directory cannot be made"):
        async with claim_ownership(home, clock=StillClock()):
            pass


# -- tokens -----------------------------------------------------------------------------------------------------------------------


async def test_tokens_outlive_the_process(home: Path) -> None:
    """Each connection has its own, the newest counts, and before the first sign-in there are none."""
    clock = StillClock()
    async with opened(home) as store:
        tokens = SqliteTokenStore(store, "books", home, clock=clock)
        assert await tokens.load() is None
        await tokens.save(replace(TOKENS, generation=2))
        await tokens.save(TOKENS)
    async with opened(home) as store:
        assert await SqliteTokenStore(store, "books", home, clock=clock).load() == TOKENS
        assert await SqliteTokenStore(store, "other", home, clock=clock).load() is None


async def test_one_refresher_at_a_time_in_a_process(home: Path) -> None:
    """Whether they share the token store or have one each; other connections do not wait."""
    clock = StillClock()
    inside: list[int] = []
    most = 0

    async def refresh(tokens: SqliteTokenStore, number: int) -> None:
        nonlocal most
        async with tokens.exclusive():
            inside.append(number)
            most = max(most, len(inside))
            await clock.sleep(0.01)
            inside.remove(number)

    async with opened(home) as store:
        shared = SqliteTokenStore(store, "books", home, clock=clock)
        async with SqliteTokenStore(store, "till", home, clock=clock).exclusive(), anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(refresh, shared, number)
                group.start_soon(refresh, SqliteTokenStore(store, "books", home, clock=clock), 10 + number)
    assert most == 1


async def test_a_refresher_that_is_cancelled_or_fails_lets_go(home: Path) -> None:
    """While it waits, and while it has the lock."""
    clock = StillClock()
    async with opened(home) as store:
        first, second = (SqliteTokenStore(store, "books", home, clock=clock) for _ in range(2))

        async def fail() -> None:
            async with first.exclusive():
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    async with second.exclusive():
                        pytest.fail("both were let in")
                raise LookupError

        with pytest.raises(LookupError):
            await fail()
        with anyio.fail_after(5):
            async with second.exclusive():
                pass


async def test_one_refresher_at_a_time_among_processes(home: Path) -> None:
    """The one who waited finds what the other has saved, and so does not spend a token that is spent."""

    class Telling(StillClock):
        async def sleep(self, seconds: float) -> None:
            if not self.waits:
                assert process.stdin is not None
                process.stdin.close()  # he was seen to have the lock: let him go on
                await anyio.to_thread.run_sync(process.wait)
            await super().sleep(seconds)

    clock = Telling()
    async with opened(home) as store:
        tokens = SqliteTokenStore(store, "books", home, clock=clock)
        await tokens.save(TOKENS)
        with child(HOLD_TOKENS, home) as process:
            assert line(process) == "held"
            async with tokens.exclusive():
                assert await tokens.load() == replace(TOKENS, refresh_token="newer", generation=4)
        assert clock.waits == 1
        assert process.returncode == 0


# -- death ------------------------------------------------------------------------------------------------------------------------


async def test_a_killed_process_has_not_lost_what_it_reported(home: Path) -> None:
    """Every intent it was about to send and everything it settled is there, and the store opens and goes on."""
    with child(WRITE_WITHOUT_END, home) as process:
        said = [line(process) for _ in range(100)]
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        said += process.stdout.read().split("\n")[:-1]
    sent = {text.removeprefix("sent ") for text in said if text.startswith("sent")}
    done = {text.removeprefix("done ") for text in said if text.startswith("done")}
    assert len(done) >= 50
    async with opened(home) as store:
        assert {one.record for one in await store.intents(PairId("shop"))} >= sent
        bound = await store.bindings(PairId("shop"), "product")
        assert set(bound) >= done
        for record in done:
            work = await store.work(PairId("shop"), "sales", record)
            assert work is not None
            assert work.state is State.DONE
        position = await store.position(PairId("shop"), "sales")
        assert position.moment is not None
        assert position.moment >= minutes(max(map(int, done)))
        assert await store.recover() <= 1
        assert await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("after")]) == 1
