"""The life of a record in the store: taken in, claimed, put back, held, settled, sent again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.port import Cursor
from daemon.core.ids import PairId
from daemon.core.outcomes import Outcome, Reason, State
from daemon.state.port import Pruned, Settlement, StoreError, Work
from daemon.state.sqlite import open_store
from tests.unit.store_support import NOON, StillClock, minutes, new, pair, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.state.port import NewWork
    from daemon.state.store import SqliteStore

CREATED = Settlement(Outcome.CREATED)


@pytest.fixture
def clock() -> StillClock:
    """A clock."""
    return StillClock()


@pytest.fixture(params=["thread", "inline"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: StillClock) -> AsyncIterator[SqliteStore]:
    """A new store, with each of the two runners."""
    opened = await open_store(tmp_path / "state", clock=clock, inline=request.param == "inline")
    yield opened
    await opened.close()


async def take_in(store: SqliteStore, *works: NewWork) -> int:
    """Store one page of sales."""
    return await store.record_page(PairId("shop"), "sales", Cursor(NOON), works)


async def claim(store: SqliteStore, *, at: int = 0, limit: int = 100) -> list[Work]:
    """Claim sales."""
    return list(await store.claim(PairId("shop"), "sales", now=minutes(at), limit=limit))


async def state_of(store: SqliteStore, record: str = "1") -> State:
    """Return the state of a sale."""
    work = await store.work(PairId("shop"), "sales", record)
    assert work is not None
    return work.state


async def test_a_flow_never_read_has_an_empty_position(store: SqliteStore) -> None:
    """Reading starts at the beginning."""
    assert await store.position(PairId("shop"), "sales") == Cursor()


async def test_a_page_is_stored_with_its_position(store: SqliteStore) -> None:
    """Cursor, seen pairs and work come back exactly as given, each link and flow for itself."""
    position = Cursor(minutes(3).replace(microsecond=1), frozenset({("1", "a|b"), ("2", 'quote " and ü')}))
    assert await store.record_page(PairId("shop"), "sales", position, [new("1", payload=b"\x00raw"), new("2")]) == 2
    assert await store.position(PairId("shop"), "sales") == position
    assert await store.position(PairId("shop"), "products") == Cursor()
    assert await store.position(PairId("other"), "sales") == Cursor()
    work = await store.work(PairId("shop"), "sales", "1")
    assert work == Work(
        pair=PairId("shop"),
        flow="sales",
        record="1",
        label="no 1",
        version="1",
        moment=NOON,
        state=State.QUEUED,
        outcome=None,
        reason=Reason.NONE,
        detail="",
        attempt=0,
        not_before=None,
        payload=b"\x00raw",
        again=False,
        created_at=NOON,
        updated_at=NOON,
    )


async def test_a_known_version_is_left_alone(store: SqliteStore) -> None:
    """Reading the edge again delivers nothing twice, neither open work nor settled work."""
    await take_in(store, new("1"), new("2"))
    [first] = await claim(store, limit=1)
    await store.finish(first, CREATED)
    assert await take_in(store, new("1"), new("2"), new("3")) == 1
    assert [work.record for work in await claim(store)] == ["2", "3"]


async def test_a_record_that_comes_twice_in_a_page_counts_once(store: SqliteStore) -> None:
    """The later of the two is worked on."""
    assert await take_in(store, new("1"), new("1", version="2", payload=b"later")) == 1
    [work] = await claim(store)
    assert (work.version, work.payload) == ("2", b"later")


@pytest.mark.parametrize("state", [State.WAITING, State.RETRYING, State.HELD, State.DEAD, State.DONE])
async def test_a_changed_record_starts_afresh(store: SqliteStore, state: State) -> None:
    """Whatever became of it before, it is due at once, with attempt 0 and no reason."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    if state is State.DONE:
        await store.finish(work, CREATED)
    elif state in {State.HELD, State.DEAD}:
        await store.hold(work, reason=Reason.SUM_DIFFERS, state=state, question=question())
    else:
        await store.defer(work, state, not_before=minutes(60), reason=Reason.TRANSIENT, attempt=3)
    assert await take_in(store, new("1", version="2", payload=b"new")) == 1
    [again] = await claim(store)
    assert (again.version, again.payload, again.attempt, again.reason, again.outcome) == ("2", b"new", 0, Reason.NONE, None)


async def test_a_changed_record_with_an_uncertain_write_is_not_due_early(store: SqliteStore) -> None:
    """Looked up before the vendor's index has it, the write would be done twice."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    await store.defer(work, State.UNCERTAIN, not_before=minutes(5), reason=Reason.ANSWER_LOST, attempt=1)
    await take_in(store, new("1", version="2"))
    assert await claim(store, at=4) == []
    assert [work.version for work in await claim(store, at=5)] == ["2"]


async def test_work_is_claimed_oldest_first_up_to_the_limit(store: SqliteStore) -> None:
    """Order is by moment, then by record; what is claimed is not claimed again."""
    await take_in(store, new("b", at=1), new("a", at=1), new("z", at=0), new("c", at=2))
    first = await claim(store, limit=3)
    assert [work.record for work in first] == ["z", "a", "b"]
    assert {work.state for work in first} == {State.RUNNING}
    assert [work.record for work in await claim(store)] == ["c"]
    assert await claim(store) == []


async def test_a_claim_is_for_one_link_and_flow(store: SqliteStore) -> None:
    """Flows and links do not take each other's work."""
    await take_in(store, new("1"))
    assert await store.claim(PairId("shop"), "products", now=NOON, limit=9) == []
    assert await store.claim(PairId("other"), "sales", now=NOON, limit=9) == []
    assert len(await claim(store)) == 1


async def test_a_claim_does_not_scan_the_table(store: SqliteStore) -> None:
    """It goes through the index made for it, which holds only what can be claimed."""
    await take_in(store, new("1"))
    statements: list[str] = []
    await store.look(lambda connection: connection.set_trace_callback(statements.append))
    await claim(store)
    await store.look(lambda connection: connection.set_trace_callback(None))
    [statement] = [text for text in statements if text.startswith("UPDATE")]
    plan = await store.look(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall())
    details = [row["detail"] for row in plan]
    assert "SEARCH work USING INDEX work_due (link=? AND flow=?)" in details
    assert not [detail for detail in details if detail.startswith("SCAN")]


async def test_settled_work_forgets_its_payload(store: SqliteStore, clock: StillClock) -> None:
    """Outcome, binding and activity stand together; the payload is gone."""
    await take_in(store, new("1", payload=b"a customer"))
    [work] = await claim(store)
    clock.moment = minutes(1)
    settlement = Settlement(Outcome.UPDATED, Reason.EXISTS, "as 17", (pair("1", "17"),), "17", {"till": "12.50"})
    await store.finish(work, settlement)
    stored = await store.work(PairId("shop"), "sales", "1")
    assert stored == replace(
        work, state=State.DONE, outcome=Outcome.UPDATED, reason=Reason.EXISTS, detail="as 17", payload=None, updated_at=minutes(1)
    )
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "17")}
    [line] = await store.activity()
    assert (line.at, line.label, line.event, line.outcome, line.reason) == (minutes(1), "no 1", "settled", "updated", "exists")
    assert (line.detail, line.remote_id) == ("as 17", "17")


async def test_several_settle_together_or_not_at_all(store: SqliteStore) -> None:
    """One that was not in hand undoes the whole transaction."""
    await take_in(store, new("1"), new("2"), new("3"))
    works = await claim(store, limit=2)
    [stranger] = await store.find_work("3")
    with pytest.raises(StoreError, match="work was not in hand"):
        await store.finish_many([(works[0], replace(CREATED, bindings=(pair("1", "17"),))), (stranger, CREATED)])
    assert await state_of(store, "1") is State.RUNNING
    assert await store.bindings(PairId("shop"), "product") == {}
    await store.finish_many([(work, CREATED) for work in works])
    assert [await state_of(store, record) for record in "123"] == [State.DONE, State.DONE, State.QUEUED]
    assert len(await store.activity()) == 2


async def test_only_work_in_hand_can_be_settled_held_or_put_back(store: SqliteStore) -> None:
    """Somebody who lost his claim cannot write over the one who has it."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    await store.finish(work, CREATED)
    with pytest.raises(StoreError, match="work was not in hand"):
        await store.finish(work, CREATED)
    with pytest.raises(StoreError, match="work was not in hand"):
        await store.hold(work, reason=Reason.SUM_DIFFERS, question=question())
    with pytest.raises(StoreError, match="work was not in hand"):
        await store.defer(work, State.RETRYING, not_before=NOON, reason=Reason.TRANSIENT, attempt=1)
    assert await state_of(store) is State.DONE
    assert await store.questions() == []


@pytest.mark.parametrize("state", [State.RUNNING, State.DONE, State.HELD, State.DEAD])
async def test_work_is_put_back_only_into_states_from_which_it_is_claimed(store: SqliteStore, state: State) -> None:
    """The table of transitions holds."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    with pytest.raises(StoreError, match="cannot be put back"):
        await store.defer(work, state, not_before=NOON, reason=Reason.TRANSIENT, attempt=1)
    if state not in {State.HELD, State.DEAD}:
        with pytest.raises(StoreError, match="cannot be held"):
            await store.hold(work, reason=Reason.SUM_DIFFERS, state=state)
    assert await state_of(store) is State.RUNNING


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.RETRYING, State.UNCERTAIN])
async def test_work_put_back_is_claimed_when_its_time_has_come(store: SqliteStore, state: State) -> None:
    """State, reason, attempt and a new payload are kept, and the moment is inclusive."""
    await take_in(store, new("1", payload=b"head"))
    [work] = await claim(store)
    await store.defer(work, state, not_before=minutes(2), reason=Reason.TRANSIENT, detail="500", attempt=2, payload=b"head and lines")
    assert await state_of(store) is state
    assert await store.next_due(PairId("shop"), "sales") == minutes(2)
    assert await claim(store, at=1) == []
    [back] = await claim(store, at=2)
    assert (back.reason, back.detail, back.attempt, back.payload) == (Reason.TRANSIENT, "500", 2, b"head and lines")


async def test_a_change_while_in_hand_is_worked_on_after_settling(store: SqliteStore, clock: StillClock) -> None:
    """The flag ``again`` keeps the newer payload and queues it when the older version is settled."""
    await take_in(store, new("1", payload=b"old"))
    [work] = await claim(store)
    assert await take_in(store, new("1", version="2", at=1, payload=b"new")) == 1
    marked = await store.work(PairId("shop"), "sales", "1")
    assert marked is not None
    assert (marked.state, marked.again) == (State.RUNNING, True)
    clock.moment = minutes(3)
    await store.finish(work, replace(CREATED, bindings=(pair("1", "17"),)))
    assert [count.oldest for count in await store.counts()] == [minutes(3)]  # the newer version waits since now
    [again] = await claim(store)
    assert (again.version, again.payload, again.again, again.moment, again.outcome) == ("2", b"new", False, minutes(1), None)
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "17")}
    await store.finish(again, CREATED)
    assert await state_of(store) is State.DONE


@pytest.mark.parametrize("state", [State.HELD, State.DEAD])
async def test_a_change_while_in_hand_overrides_a_hold(store: SqliteStore, state: State) -> None:
    """The verdict was about what the record was before."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    await take_in(store, new("1", version="2", payload=b"new"))
    await store.hold(work, reason=Reason.SUM_DIFFERS, state=state, question=question(), payload=b"old and lines")
    [again] = await claim(store)
    assert (again.version, again.payload, again.reason) == ("2", b"new", Reason.NONE)


async def test_a_change_while_in_hand_survives_being_put_back(store: SqliteStore) -> None:
    """The payload of the older version does not replace the newer one."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    await take_in(store, new("1", version="2", payload=b"new"))
    await store.defer(work, State.RETRYING, not_before=minutes(1), reason=Reason.TRANSIENT, attempt=1, payload=b"old and lines")
    assert await claim(store) == []
    [again] = await claim(store, at=1)
    assert (again.version, again.payload, again.again, again.attempt) == ("2", b"new", False, 1)


async def test_held_work_waits_with_its_reason_and_its_payload(store: SqliteStore) -> None:
    """It is not claimed, not due, and its reason is in the activity log."""
    await take_in(store, new("1", payload=b"head"))
    [work] = await claim(store)
    await store.hold(work, reason=Reason.REJECTED, detail="4000: no", outcome=Outcome.REJECTED, payload=b"whole")
    held = await store.work(PairId("shop"), "sales", "1")
    assert held is not None
    assert (held.state, held.outcome, held.reason, held.detail) == (State.HELD, Outcome.REJECTED, Reason.REJECTED, "4000: no")
    assert held.payload == b"whole"
    assert await claim(store, at=1000) == []
    assert await store.next_due(PairId("shop"), "sales") is None
    [line] = await store.activity(label="no 1")
    assert (line.event, line.reason, line.detail) == ("held", "rejected", "4000: no")


async def test_resend_queues_what_is_held_dead_or_done(store: SqliteStore) -> None:
    """By label or by record id, from attempt 0; what is queued or running is not touched."""
    await take_in(store, *(new(record) for record in "12345"))
    works = {work.record: work for work in await claim(store, limit=4)}
    await store.finish(works["1"], CREATED)
    await store.hold(works["2"], reason=Reason.SUM_DIFFERS, question=question())
    await store.hold(works["3"], reason=Reason.ATTEMPTS_EXHAUSTED, state=State.DEAD)
    assert await store.resend(PairId("other"), "no 1") == 0
    assert [await store.resend(PairId("shop"), name) for name in ("no 1", "2", "no 3", "no 4", "no 5", "no 6")] == [1, 1, 1, 0, 0, 0]
    again = await claim(store)
    assert [(work.record, work.attempt, work.reason, work.outcome) for work in again] == [
        (record, 0, Reason.NONE, None) for record in "1235"
    ]
    assert again[0].payload is None  # settled, so the payload is read from the source again
    assert [line.event for line in await store.activity(label="2")] == ["resent", "held"]
    [asked] = await store.questions()
    assert asked.waiting == 0


async def test_resend_can_name_the_flow(store: SqliteStore) -> None:
    """The same label in another flow stays where it is."""
    for flow in ("sales", "stock"):
        await store.record_page(PairId("shop"), flow, Cursor(), [new("1")])
        [work] = await store.claim(PairId("shop"), flow, now=NOON, limit=1)
        await store.finish(work, CREATED)
    assert await store.resend(PairId("shop"), "no 1", flow="stock") == 1
    assert await state_of(store) is State.DONE
    assert await store.resend(PairId("shop"), "no 1") == 1
    assert await state_of(store) is State.QUEUED


async def test_a_connection_that_comes_back_releases_what_waited_for_it(store: SqliteStore) -> None:
    """Only the waiting, only for this reason, only in this link; retries keep their time."""
    await take_in(store, *(new(record) for record in "123"))
    await store.record_page(PairId("other"), "sales", Cursor(), [new("4")])
    works = [*await claim(store), *await store.claim(PairId("other"), "sales", now=NOON, limit=1)]
    for work, state, reason in zip(
        works,
        (State.WAITING, State.WAITING, State.RETRYING, State.WAITING),
        (Reason.UNREACHABLE, Reason.THROTTLED, Reason.UNREACHABLE, Reason.UNREACHABLE),
        strict=True,
    ):
        await store.defer(work, state, not_before=minutes(60), reason=reason, attempt=0)
    assert await store.release_waiting(PairId("shop"), reason=Reason.UNREACHABLE) == 1
    assert [work.record for work in await claim(store)] == ["1"]


async def test_what_a_dead_process_left_running_is_queued_again(store: SqliteStore) -> None:
    """With the newest payload, and only what was running."""
    await take_in(store, new("1"), new("2"), new("3"))
    works = await claim(store, limit=2)
    await take_in(store, new("1", version="2", payload=b"new"))
    await store.finish(works[1], CREATED)
    assert await store.recover() == 1
    assert await store.recover() == 0
    again = await claim(store)
    assert [(work.record, work.again) for work in again] == [("1", False), ("3", False)]
    assert again[0].payload == b"new"


async def test_open_work_is_everything_that_is_not_settled(store: SqliteStore) -> None:
    """Dead and held work belongs to it, with payloads, oldest first."""
    await take_in(store, new("1"), new("2", at=2), new("3", at=1, payload=b"three"))
    [first] = await claim(store, limit=1)
    await store.finish(first, CREATED)
    [third] = await claim(store, limit=1)
    await store.hold(third, reason=Reason.INTERNAL, state=State.DEAD)
    found = await store.open_work(PairId("shop"), "sales")
    assert [(work.record, work.state, work.payload) for work in found] == [("3", State.DEAD, b"three"), ("2", State.QUEUED, b"{}")]


async def test_work_is_found_by_label_and_by_record_in_every_flow(store: SqliteStore) -> None:
    """``why`` starts from what a person sees."""
    await take_in(store, new("1"))
    await store.record_page(PairId("other"), "stock", Cursor(), [new("1")])
    assert [(work.pair, work.flow) for work in await store.find_work("no 1")] == [("other", "stock"), ("shop", "sales")]
    assert len(await store.find_work("1")) == 2
    assert await store.find_work("no 2") == []
    assert await store.work(PairId("shop"), "sales", "2") is None


async def test_next_due_is_the_earliest_claimable_moment(store: SqliteStore) -> None:
    """Queued work is due at once; running work is not due at all."""
    assert await store.next_due(PairId("shop"), "sales") is None
    await take_in(store, new("1"), new("2"))
    assert await store.next_due(PairId("shop"), "sales") == NOON
    works = await claim(store)
    assert await store.next_due(PairId("shop"), "sales") is None
    for work, due in zip(works, (9, 7), strict=True):
        await store.defer(work, State.RETRYING, not_before=minutes(due), reason=Reason.TRANSIENT, attempt=1)
    assert await store.next_due(PairId("shop"), "sales") == minutes(7)


async def test_what_a_wrong_clock_put_off_is_due_when_it_is_right_again(store: SqliteStore, clock: StillClock) -> None:
    """Else a record would wait for as long as the clock had been ahead."""
    await take_in(store, new("1"))
    clock.moment = minutes(26 * 60)
    [work] = await claim(store, at=26 * 60)
    await store.defer(work, State.UNCERTAIN, not_before=minutes(26 * 60 + 1), reason=Reason.ANSWER_LOST, attempt=1)
    assert await claim(store, at=26 * 60) == []
    clock.moment = minutes(5)
    assert await store.next_due(PairId("shop"), "sales") == minutes(5)
    [work] = await claim(store, at=5)
    assert (work.record, work.attempt) == ("1", 1)


async def test_counts_tell_what_waits_and_since_when(store: SqliteStore, clock: StillClock) -> None:
    """A settled record is not counted, and one that is sent again waits since then."""
    await take_in(store, new("1"), new("2"))
    [work] = await claim(store, limit=1)
    await store.finish(work, CREATED)
    clock.moment = minutes(10)
    await store.resend(PairId("shop"), "no 1")
    await store.record_page(PairId("shop"), "stock", Cursor(), [new("9")])
    counted = {(count.flow, count.state): (count.records, count.oldest) for count in await store.counts()}
    assert counted == {("sales", State.QUEUED): (2, NOON), ("stock", State.QUEUED): (1, minutes(10))}
    [work] = await claim(store, at=10, limit=1)
    assert {(count.flow, count.state) for count in await store.counts()} == {
        ("sales", State.QUEUED),
        ("sales", State.RUNNING),
        ("stock", State.QUEUED),
    }


async def test_sums_are_exact_and_count_settled_work_only(store: SqliteStore) -> None:
    """A hundred times ten cents is ten euro; refunds are subtracted; what has no amount is only a record."""
    assert await store.sums(PairId("shop"), "sales") == {"records": "0", "receipts": "0", "documents": "0", "till": "0.00", "books": "0.00"}
    await take_in(store, *(new(str(number)) for number in range(103)))
    works = await claim(store, limit=200)
    amounts = [{"till": "0.10", "books": "0.1"}] * 100 + [{"till": "-2.55"}, {}]
    await store.finish_many([(work, Settlement(Outcome.CREATED, amounts=amount)) for work, amount in zip(works, amounts, strict=False)])
    assert await store.sums(PairId("shop"), "sales") == {
        "records": "102",
        "receipts": "101",
        "documents": "100",
        "till": "7.45",
        "books": "10.00",
    }


async def test_a_fraction_of_a_cent_is_refused(store: SqliteStore) -> None:
    """A sum that cannot be kept exactly is not kept at all."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    with pytest.raises(ValueError, match="whole cents"):
        await store.finish(work, Settlement(Outcome.CREATED, amounts={"till": "0.105"}))
    assert await state_of(store) is State.RUNNING


async def test_a_moment_without_a_time_zone_is_refused(store: SqliteStore) -> None:
    """Local time never gets into the store."""
    with pytest.raises(ValueError, match="without a time zone"):
        await store.record_page(PairId("shop"), "sales", Cursor(NOON.replace(tzinfo=None)), [])


async def test_pruning_forgets_what_is_settled_and_old(store: SqliteStore, clock: StillClock) -> None:
    """Open work, bindings and positions stay, however old."""
    await take_in(store, new("1"), new("2"), new("3"))
    works = await claim(store, limit=2)
    await store.finish(works[0], replace(CREATED, bindings=(pair("1", "17"),)))
    clock.moment = minutes(10)
    await store.finish(works[1], CREATED)
    assert await store.prune(before=minutes(5)) == Pruned(work=1, activity=1)
    assert await store.work(PairId("shop"), "sales", "1") is None
    assert [await state_of(store, record) for record in "23"] == [State.DONE, State.QUEUED]
    assert len(await store.activity()) == 1
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "17")}
    assert await store.position(PairId("shop"), "sales") == Cursor(NOON)


async def test_a_moment_written_by_a_clock_that_ran_ahead_is_forgotten_when_the_record_changes(
    store: SqliteStore, clock: StillClock
) -> None:
    """Uncertain until tomorrow, said a clock a day ahead; the record changes after the clock was put right, and is due at once."""
    await take_in(store, new("1"))
    [work] = await claim(store)
    right, clock.moment = clock.moment, clock.moment + timedelta(hours=26)
    await store.defer(work, State.UNCERTAIN, not_before=clock.moment, reason=Reason.ANSWER_LOST, attempt=1)
    clock.moment = right
    await take_in(store, new("1", version="2"))
    assert [one.record for one in await claim(store)] == ["1"]
