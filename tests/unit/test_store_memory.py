"""What the store remembers besides work: intents, bindings, questions, facts, activity, alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from connectors.port import Cursor
from daemon.core.ids import PairId
from daemon.core.outcomes import Outcome, Reason, State
from daemon.state.port import Activity, AlertRow, AnswerUse, Binding, Intent, IntentState, Question, Settlement, StoreError, WrongAnswer
from daemon.state.sqlite import open_store
from tests.unit.store_support import NOON, StillClock, intent, minutes, new, pair, question

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.state.port import Work
    from daemon.state.store import SqliteStore


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


async def claimed(store: SqliteStore, *records: str, at: int = 0) -> list[Work]:
    """Take sales in and claim what is due."""
    await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new(record) for record in records])
    return list(await store.claim(PairId("shop"), "sales", now=minutes(at), limit=100))


# -- intents ----------------------------------------------------------------------------------------------------------------------


async def test_an_intent_is_new_once(store: SqliteStore) -> None:
    """The second is told what the first has written, field by field."""
    assert await store.intend(intent()) is None
    assert await store.intend(replace(intent(), payload_hash="other")) == intent()
    assert await store.intents(PairId("shop")) == [intent()]


async def test_of_many_who_intend_the_same_one_is_told_that_it_is_new(store: SqliteStore) -> None:
    """The claim is a unique insert, however many workers race for it."""
    answers: list[Intent | None] = []

    async def race(number: int) -> None:
        answers.append(await store.intend(replace(intent(), payload_hash=str(number))))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(race, number)
    assert answers.count(None) == 1
    [stored] = await store.intents(PairId("shop"))
    assert all(answer == stored for answer in answers if answer is not None)


async def test_the_same_key_in_another_link_is_another_intent(store: SqliteStore) -> None:
    """Keys are unique within their link."""
    assert await store.intend(intent()) is None
    assert await store.intend(replace(intent(), owner=PairId("other"))) is None


async def test_a_refused_intent_may_be_sent_again(store: SqliteStore) -> None:
    """It is renewed with the new content, and the attempts go on counting."""
    await store.intend(intent())
    await store.settle_intent(PairId("shop"), "till:1:book", IntentState.REFUSED, remote_id="no")
    renewed = replace(intent(), payload_hash="new", sent_at=minutes(1))
    assert await store.intend(renewed) is None
    assert await store.intents(PairId("shop")) == [replace(renewed, attempts=2)]


@pytest.mark.parametrize("state", [IntentState.SENT, IntentState.DONE, IntentState.UNKNOWN])
async def test_an_intent_that_may_have_happened_is_never_renewed(store: SqliteStore, state: str) -> None:
    """Only a refusal is proof that nothing happened."""
    await store.intend(intent())
    await store.settle_intent(PairId("shop"), "till:1:book", state)
    existing = await store.intend(replace(intent(), payload_hash="new"))
    assert existing == replace(intent(), state=state)


async def test_an_intent_settles_together_with_its_binding(store: SqliteStore) -> None:
    """What came of it, what is to be known of it, and who is who."""
    await store.intend(intent())
    await store.settle_intent(
        PairId("shop"), "till:1:book", IntentState.DONE, remote_id="17", binding=pair("1", "17"), memo={"total": "3.00"}
    )
    assert await store.intents(PairId("shop")) == [replace(intent(), state=IntentState.DONE, remote_id="17", memo={"total": "3.00"})]
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "17")}
    await store.settle_intent(PairId("shop"), "till:1:book", IntentState.UNKNOWN)
    assert await store.intents(PairId("shop")) == [replace(intent(), state=IntentState.UNKNOWN, remote_id="17", memo={"total": "3.00"})]


async def test_an_intent_that_is_not_there_cannot_be_settled(store: SqliteStore) -> None:
    """Nothing is bound either."""
    with pytest.raises(StoreError, match="no such intent"):
        await store.settle_intent(PairId("shop"), "till:1:book", IntentState.DONE, binding=pair("1", "17"))
    with pytest.raises(StoreError, match="no such intent"):
        await store.resend_intent(PairId("shop"), "till:1:book", now=NOON)
    assert await store.bindings(PairId("shop"), "product") == {}


async def test_an_intent_sent_again_counts_the_attempt(store: SqliteStore) -> None:
    """The look-up waits from the newest moment on."""
    await store.intend(intent())
    await store.resend_intent(PairId("shop"), "till:1:book", now=minutes(2))
    assert await store.intents(PairId("shop")) == [replace(intent(), sent_at=minutes(2), attempts=2)]


async def test_intents_are_found_by_record_flow_and_state(store: SqliteStore) -> None:
    """Each condition narrows; they come in the order in which they were sent."""
    later = replace(intent("a", record="2"), sent_at=minutes(1))
    other_flow = replace(intent("c", record="2"), flow="products", sent_at=minutes(2))
    for one in (later, intent("b"), other_flow):
        await store.intend(one)
    await store.settle_intent(PairId("shop"), "b", IntentState.DONE)
    assert [one.key for one in await store.intents(PairId("shop"))] == ["b", "a", "c"]
    assert [one.key for one in await store.intents(PairId("shop"), record="2")] == ["a", "c"]
    assert [one.key for one in await store.intents(PairId("shop"), record="2", flow="sales")] == ["a"]
    assert [one.key for one in await store.intents(PairId("shop"), state=IntentState.SENT)] == ["a", "c"]
    assert await store.intents(PairId("other")) == []


async def test_pruning_keeps_the_intents_of_open_work_and_the_undecided(store: SqliteStore, clock: StillClock) -> None:
    """Only what is decided, old, and belongs to work that is forgotten goes."""
    works = await claimed(store, "1", "2")
    for one in (intent("settled", record="1"), intent("open", record="2"), intent("lost", record="3"), intent("gone", record="4")):
        await store.intend(one)
    for key in ("settled", "open", "gone"):
        await store.settle_intent(PairId("shop"), key, IntentState.DONE)
    await store.settle_intent(PairId("shop"), "lost", IntentState.UNKNOWN)
    await store.finish(works[0], Settlement(Outcome.CREATED))
    clock.moment = minutes(10)
    await store.prune(before=minutes(5))
    assert {one.key for one in await store.intents(PairId("shop"))} == {"open", "lost"}


# -- bindings ---------------------------------------------------------------------------------------------------------------------


async def test_bindings_are_unique_both_ways(store: SqliteStore) -> None:
    """A pair that contradicts another takes its place, whichever side they share."""
    await store.bind([pair("1", "a"), pair("2", "b")])
    await store.bind([pair("1", "c")])
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "c"), "2": pair("2", "b")}
    await store.bind([pair("3", "b")])
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "c"), "3": pair("3", "b")}
    await store.bind([pair("1", "b")])
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "b")}


async def test_a_binding_takes_a_new_fingerprint(store: SqliteStore) -> None:
    """The same pair again is the same binding."""
    await store.bind([pair("1", "a", fingerprint="old")])
    await store.bind([pair("1", "a", fingerprint="new")])
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "a", fingerprint="new")}


async def test_targets_that_are_not_known_do_not_contradict_each_other(store: SqliteStore) -> None:
    """A vendor may create a record and not say which."""
    await store.bind([pair("1", ""), pair("2", "")])
    assert set(await store.bindings(PairId("shop"), "product")) == {"1", "2"}


async def test_bindings_belong_to_their_link_and_kind(store: SqliteStore) -> None:
    """The same ids elsewhere are other records."""
    customer = Binding(PairId("shop"), "customer", "1", "a")
    elsewhere = Binding(PairId("other"), "product", "1", "a")
    await store.bind([pair("1", "a"), customer, elsewhere])
    assert await store.bindings(PairId("shop"), "product") == {"1": pair("1", "a")}
    assert await store.bindings(PairId("shop"), "customer") == {"1": customer}
    await store.unbind(PairId("shop"), "product", "1")
    assert await store.bindings(PairId("shop"), "product") == {}
    assert await store.bindings(PairId("other"), "product") == {"1": elsewhere}


async def test_bindings_are_found_by_thousands_of_sources(store: SqliteStore) -> None:
    """One question, however many ids; unknown ones are simply not in the answer."""
    await store.bind([pair(str(number), f"t{number}") for number in range(3000)])
    wanted = (str(number) for number in range(2998, 40000))
    assert await store.bindings(PairId("shop"), "product", wanted) == {"2998": pair("2998", "t2998"), "2999": pair("2999", "t2999")}
    assert await store.bindings(PairId("shop"), "product", []) == {}


# -- questions --------------------------------------------------------------------------------------------------------------------


async def test_one_question_however_many_wait_for_it(store: SqliteStore) -> None:
    """It is asked once and tells how many records wait."""
    for work in await claimed(store, "1", "2", "3"):
        await store.hold(work, reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    assert await store.questions() == [replace(question(), asked_at=NOON, waiting=3)]
    assert await store.questions(answered=True) == []
    assert await store.answers(PairId("shop")) == {}


async def test_an_answer_releases_exactly_what_waited_for_it(store: SqliteStore, clock: StillClock) -> None:
    """Other questions, other holds and other links stay; the answer is remembered."""
    works = await claimed(store, "1", "2", "3", "4")
    await store.record_page(PairId("other"), "sales", Cursor(), [new("5")])
    works += await store.claim(PairId("other"), "sales", now=NOON, limit=1)
    await store.hold(works[0], reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    await store.hold(works[1], reason=Reason.VAT_RATE_UNKNOWN, question=question("vat:7"))
    await store.hold(works[2], reason=Reason.SUM_DIFFERS)
    await store.hold(works[3], reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    await store.hold(works[4], reason=Reason.PAYMENT_METHOD_UNKNOWN, question=replace(question(), pair=PairId("other")))
    clock.moment = minutes(1)
    assert await store.answer(PairId("shop"), "payment:pin", "Pin") == 2
    again = await store.claim(PairId("shop"), "sales", now=minutes(1), limit=9)
    assert [(work.record, work.attempt, work.reason, work.outcome) for work in again] == [
        ("1", 0, Reason.NONE, None),
        ("4", 0, Reason.NONE, None),
    ]
    assert await store.claim(PairId("other"), "sales", now=minutes(1), limit=9) == []
    assert await store.answers(PairId("shop")) == {"payment:pin": "Pin"}
    assert await store.questions(answered=True) == [replace(question(), asked_at=NOON, answer="Pin", answered_at=minutes(1))]
    assert {(one.pair, one.key) for one in await store.questions()} == {("shop", "vat:7"), ("other", "payment:pin")}
    assert [line.event for line in await store.activity(label="no 1")] == ["released", "held"]


async def test_a_question_nobody_asked_cannot_be_answered(store: SqliteStore) -> None:
    """A slip of the keyboard is told, not stored."""
    with pytest.raises(KeyError, match="payment:pni"):
        await store.answer(PairId("shop"), "payment:pni", "Pin")
    assert await store.answers(PairId("shop")) == {}


async def test_an_answer_given_while_the_work_was_in_hand_releases_it_at_once(store: SqliteStore, clock: StillClock) -> None:
    """Otherwise it would wait for an answer that is there already."""
    works = await claimed(store, "1", "2")
    await store.hold(works[0], reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    clock.moment = minutes(1)
    assert await store.answer(PairId("shop"), "payment:pin", "Pin") == 1
    await store.hold(works[1], reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question(), payload=b"whole")
    again = await store.claim(PairId("shop"), "sales", now=minutes(1), limit=9)
    assert [(work.record, work.reason, work.payload) for work in again] == [("1", Reason.NONE, b"{}"), ("2", Reason.NONE, b"whole")]


async def test_an_answer_that_did_not_help_is_asked_for_again(store: SqliteStore, clock: StillClock) -> None:
    """The work was claimed after the answer and still cannot go on: the question stands open again."""
    [work] = await claimed(store, "1")
    await store.hold(work, reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    await store.answer(PairId("shop"), "payment:pin", "Kas")
    clock.moment = minutes(1)
    [work] = await store.claim(PairId("shop"), "sales", now=minutes(1), limit=1)
    await store.hold(work, reason=Reason.PAYMENT_METHOD_UNKNOWN, question=replace(question(), text="Which account, really?"))
    assert await store.questions() == [replace(question(), text="Which account, really?", asked_at=minutes(1), waiting=1)]
    assert await store.answer(PairId("shop"), "payment:pin", "Pin") == 1


async def test_what_was_done_with_an_answer_is_forgotten_with_the_record(store: SqliteStore, clock: StillClock) -> None:
    """Settled with it, it is told as long as the record is known; the table does not outlive the work."""
    [first, second] = await claimed(store, "1", "2")
    await store.hold(first, reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    await store.answer(PairId("shop"), "payment:pin", "Kas", by="jip")
    await store.finish(second, Settlement(Outcome.SKIPPED))
    [first] = await store.claim(PairId("shop"), "sales", now=NOON, limit=9)
    await store.use_answers(PairId("shop"), "sales", "1", "no 1", [("payment:pin", "Kas")])
    assert await store.answer_uses(PairId("shop"), "payment:pin") == []
    await store.finish(first, Settlement(Outcome.CREATED, answers=(("payment:pin", "Kas"),)))
    assert await store.answer_uses(PairId("shop"), "payment:pin") == [AnswerUse("sales", "1", "no 1", "Kas", NOON)]

    def rows(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM answer_use").fetchone()[0])

    assert await store.look(rows) == 1
    await store.prune(before=minutes(1))
    assert await store.look(rows) == 0


async def test_what_is_held_for_a_reason_that_is_cured_goes_on(store: SqliteStore) -> None:
    """And nothing else: other reasons, what is dead, and other links stay."""
    works = await claimed(store, "1", "2", "3")
    await store.hold(works[0], reason=Reason.ARTICLE_MISSING)
    await store.hold(works[1], reason=Reason.REJECTED)
    await store.hold(works[2], reason=Reason.ARTICLE_MISSING, state=State.DEAD)
    assert await store.release_held(PairId("other"), reasons=[Reason.ARTICLE_MISSING]) == 0
    assert await store.release_held(PairId("shop"), reasons=[Reason.ARTICLE_MISSING, Reason.VAT_DIFFERS]) == 1
    assert [work.record for work in await store.claim(PairId("shop"), "sales", now=NOON, limit=9)] == ["1"]


async def test_an_answer_is_taken_back_or_overruled(store: SqliteStore) -> None:
    """The question is gone with it, and comes again when it is asked; without an answer there is nothing to take back."""
    await store.ask(question())
    with pytest.raises(KeyError):
        await store.revoke_answer(PairId("shop"), "payment:pin")
    await store.answer(PairId("shop"), "payment:pin", "Kas", by="jip")
    assert await store.revoke_answer(PairId("shop"), "payment:pin", by="ans") == 0
    assert (await store.questions(), await store.answers(PairId("shop"))) == ([], {})
    [work] = await claimed(store, "1")
    await store.hold(work, reason=Reason.PAYMENT_METHOD_UNKNOWN, question=question())
    assert await store.overrule(PairId("shop"), "payment:pin", "Pin") == 1
    assert await store.overrule(PairId("shop"), "payment:pin", "Pin") == 0
    assert [line.event for line in await store.activity(label="payment:pin")] == ["configured", "revoked", "answered"]


async def test_a_target_tells_who_holds_it(store: SqliteStore) -> None:
    """Among the links that are asked about, and of the kind."""
    await store.bind([Binding(PairId(PairId("shop/a")), "sale", "1", "D", label="R1"), Binding(PairId("shop/b"), "product", "1", "D")])
    assert await store.holder([PairId("shop/a"), PairId("shop/b")], "sale", "D") == Binding(
        PairId(PairId("shop/a")), "sale", "1", "D", label="R1"
    )
    assert await store.holder([PairId("shop/b")], "sale", "D") is None
    assert await store.holder([], "sale", "D") is None


async def test_a_question_without_a_record_is_asked_once(store: SqliteStore) -> None:
    """Asking again returns it as it stands, with its answer."""
    brake = Question(PairId("shop"), "brake:products", "products", "800 prices would change. Go on?", ("yes", "no"), asked_at=minutes(-1))
    assert await store.ask(brake) == brake
    assert await store.answer(PairId("shop"), "brake:products", "yes") == 0
    assert await store.ask(replace(brake, text="other")) == replace(brake, answer="yes", answered_at=NOON)


async def test_where_answers_are_offered_no_other_is_taken(store: SqliteStore) -> None:
    """Any case will do, another word will not: the question stands as it stood."""
    await store.ask(replace(question(), choices=("continue", "nee")))
    with pytest.raises(WrongAnswer, match="continue, nee"):
        await store.answer(PairId("shop"), "payment:pin", "misschien")
    assert [one.answer for one in await store.questions()] == [None]
    await store.answer(PairId("shop"), "payment:pin", " NEE ")
    assert await store.answers(PairId("shop")) == {"payment:pin": "nee"}


async def test_an_answer_to_stay_keeps_what_waits_waiting(store: SqliteStore) -> None:
    """It releases nothing and is not asked again when more comes to wait for it; withdrawn, the question sets all free."""
    asked = replace(question(), choices=("continue", "nee"))
    first, second = await claimed(store, "1", "2")
    await store.hold(first, reason=Reason.MASS_CHANGE, question=asked)
    assert await store.answer(PairId("shop"), "payment:pin", "nee") == 0
    await store.hold(second, reason=Reason.MASS_CHANGE, question=asked)
    assert await store.questions() == []
    assert [(one.answer, one.waiting) for one in await store.questions(answered=True)] == [("nee", 2)]
    assert await store.claim(PairId("shop"), "sales", now=NOON, limit=9) == []
    await store.withdraw_question(PairId("shop"), "payment:pin")
    assert len(await store.claim(PairId("shop"), "sales", now=NOON, limit=9)) == 2


async def test_a_question_withdrawn_sets_its_work_free(store: SqliteStore) -> None:
    """The work is decided again; the answer is forgotten."""
    [work] = await claimed(store, "1")
    await store.hold(work, reason=Reason.MASS_CHANGE, question=question())
    await store.withdraw_question(PairId("shop"), "payment:pin")
    assert await store.questions() == []
    assert [again.state for again in await store.claim(PairId("shop"), "sales", now=NOON, limit=1)] == [State.RUNNING]


# -- what is under way ------------------------------------------------------------------------------------------------------------


async def test_one_look_tells_how_far_everything_is(store: SqliteStore, clock: StillClock) -> None:
    """In hand or settled lately, of several links, with the state of its document; what was settled earlier is no part of it."""
    await store.record_page(PairId("shop"), "sales", Cursor(NOON), [new("early"), new("late"), new("sent"), new("waits")])
    works = {work.record: work for work in await store.claim(PairId("shop"), "sales", now=NOON, limit=9)}
    await store.record_page(PairId("other"), "sales", Cursor(NOON), [new("elsewhere")])
    await store.record_page(PairId("third"), "sales", Cursor(NOON), [new("not asked for")])
    await store.finish(works["early"], Settlement(Outcome.CREATED))
    clock.moment = minutes(5)
    await store.finish(works["late"], Settlement(Outcome.CREATED, bindings=(pair("late", "d1"),)))
    await store.intend(replace(intent("document of sent", record="sent"), operation="document", sent_at=minutes(4)))
    await store.intend(replace(intent("payment of waits", record="waits"), operation="payment"))
    found = await store.under_way(
        [PairId("shop"), PairId("other")], "sales", kind=pair("late", "d1").kind, operation="document", since=minutes(1)
    )
    assert {(one.work.pair, one.work.record): (one.bound, one.writes, one.sent_at) for one in found} == {
        ("shop", "late"): (True, frozenset(), None),
        ("shop", "sent"): (False, {IntentState.SENT}, minutes(4)),
        ("shop", "waits"): (False, frozenset(), None),
        ("other", "elsewhere"): (False, frozenset(), None),
    }
    assert {one.work.record: one.work.payload is None for one in found}["late"]


# -- facts, activity, alerts ------------------------------------------------------------------------------------------------------


async def test_facts_are_remembered_by_link(store: SqliteStore) -> None:
    """The newest value counts."""
    assert await store.fact(PairId("shop"), "company") is None
    await store.remember(PairId("shop"), {"company": "1", "filterable": "no"})
    await store.remember(PairId("shop"), {"company": "2"})
    assert await store.fact(PairId("shop"), "company") == "2"
    assert await store.fact(PairId("shop"), "filterable") == "no"
    assert await store.fact(PairId("other"), "company") is None


async def test_activity_comes_newest_first(store: SqliteStore) -> None:
    """All of it up to the limit, or that of one record by its label or id."""
    lines = [
        Activity(minutes(at), PairId("shop"), "sales", str(at % 2), f"no {at % 2}", "settled", "created", "", f"line {at}", "17")
        for at in range(5)
    ]
    await store.note(lines)
    assert await store.activity() == lines[::-1]
    assert await store.activity(limit=2) == [lines[4], lines[3]]
    assert await store.activity(label="no 1") == [lines[3], lines[1]]
    assert await store.activity(label="1") == [lines[3], lines[1]]


async def test_alerts_are_remembered(store: SqliteStore) -> None:
    """One row for each, with what is known last."""
    raised = AlertRow("sales-failing", NOON, None, None, "sales cannot be booked", "critical")
    other = AlertRow("reauth", minutes(-1), NOON, minutes(1), "sign in again", "warning")
    await store.save_alert(raised)
    await store.save_alert(other)
    told = replace(raised, last_sent=minutes(2))
    await store.save_alert(told)
    assert await store.alerts() == [other, told]
