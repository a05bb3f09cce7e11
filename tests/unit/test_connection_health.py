"""Healthy, suspect, down: decided from exchanges alone, and what the gate of a connection makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http import Response
from connectors.port import Heard, Unreachable
from daemon.core.reachability import Health, Level, Pace, after, is_alone, is_own, level, may_ask
from daemon.engine.connection_health import ConnectionHealth, place_of, tracing
from daemon.observe.metrics import Metrics
from daemon.text import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable

NOON = datetime(2026, 5, 12, 12, tzinfo=UTC)
PACE = Pace()
GET, OTHER, POST = ("GET", "/v2/articles"), ("GET", "/v2/customers"), ("POST", "/v2/customerinvoices")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Noon and the seconds."""
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """The seconds."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Pass."""
        self.seconds += seconds


def told(moments: Iterable[tuple[float, Heard, str]]) -> Health:
    """What is known after exchanges that ended at these moments at once."""
    health = Health()
    for moment, heard, witness in moments:
        health = after(health, heard, witness, began=moment, now=moment, pace=PACE)
    return health


def connection() -> tuple[ConnectionHealth, Clock, Metrics]:
    """A connection nobody has asked yet."""
    clock, metrics = Clock(), Metrics()
    return ConnectionHealth("books", "eaccounting", metrics, clock), clock, metrics


def exchange(health: ConnectionHealth, where: tuple[str, str], heard: Heard, record: str = "") -> None:
    """One exchange, a record's or nobody's."""
    if not record:
        health.leave(health.enter(*where), heard, "answered 500")
        return
    with tracing(record):
        health.leave(health.enter(*where), heard, "answered 500")


def test_one_record_is_no_outage_however_often_it_tries() -> None:
    """It takes a second one, or a request that is no record's."""
    one = [(float(second), Heard.FAILED, "R1") for second in range(20)]
    assert level(told(one), 20, PACE) is Level.SUSPECT
    assert level(told([*one, (21, Heard.FAILED, "R2")]), 21, PACE) is Level.DOWN
    assert level(told([*one, (21, Heard.FAILED, "")]), 21, PACE) is Level.DOWN


def test_a_connection_that_nobody_takes_is_nobodys_own_fault() -> None:
    """Twice is enough, whoever asked; once is a blip."""
    assert level(told([(0, Heard.NOBODY, "R1")]), 0, PACE) is Level.SUSPECT
    assert level(told([(0, Heard.NOBODY, "R1"), (0, Heard.NOBODY, "R1")]), 0, PACE) is Level.DOWN


def test_one_answer_ends_it() -> None:
    """Whatever was before."""
    health = told([(0, Heard.FAILED, ""), (1, Heard.FAILED, ""), (2, Heard.ANSWERED, "")])
    assert (level(health, 2, PACE), health.since, health.rounds) == (Level.HEALTHY, None, 0)


def test_being_slowed_down_is_trouble_but_no_reason_not_to_ask() -> None:
    """A rate limit has its own waiting; what asks us to wait throughout is shown all the same."""
    health = told([(float(second), Heard.THROTTLED, "") for second in range(0, 600, 60)])
    assert (level(health, 600, PACE), health.since) == (Level.SUSPECT, 0)
    assert may_ask(health, 600, PACE, probing=False)


def test_the_first_probe_comes_after_a_second_and_then_half_as_often_up_to_a_minute() -> None:
    """Each probe that fails doubles the wait; those that were on their way already do not."""
    health, waits = told([(0, Heard.FAILED, ""), (0, Heard.FAILED, "")]), []
    for _ in range(9):
        waits.append(health.ask_at - max(health.heard_at, 0))
        moment = health.ask_at
        assert not may_ask(health, moment - 0.01, PACE, probing=False)
        assert may_ask(health, moment, PACE, probing=False)
        assert not may_ask(health, moment, PACE, probing=True)
        late = after(health, Heard.FAILED, "", began=moment - 0.01, now=moment, pace=PACE)
        assert late.ask_at == health.ask_at
        health = after(late, Heard.FAILED, "", began=moment, now=moment, pace=PACE)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_nobody_wants_any_more_is_forgotten() -> None:
    """A record that is held, a flow that is switched off: their failures say nothing about now."""
    health = told([(0, Heard.FAILED, ""), (0, Heard.FAILED, "")])
    assert level(health, health.ask_at + PACE.forgotten - 1, PACE) is Level.DOWN
    assert level(health, health.ask_at + PACE.forgotten, PACE) is Level.HEALTHY


@given(st.lists(st.tuples(st.sampled_from([Heard.FAILED, Heard.NOBODY]), st.sampled_from(["", "R1", "R2"])), max_size=30))
def test_what_never_answers_is_never_anybodys_own(exchanges: list[tuple[Heard, str]]) -> None:
    """Whoever fails in whatever order: without an answer nothing shows that others fare better."""
    before = told([(0, Heard.FAILED, "R1")])
    health = before
    for number, (heard, witness) in enumerate(exchanges):
        health = after(health, heard, witness, began=number, now=number, pace=PACE, fresh=witness != "R1")
    assert not is_own(before, health)


def test_a_failure_is_own_where_others_are_answered() -> None:
    """And hardly any fails: three answers beside two other records that failed prove nothing, four do."""
    before = told([(0, Heard.FAILED, "R1")])
    others = [(1.0, Heard.FAILED, "R2"), (1.0, Heard.FAILED, "R3")]

    def then(answers: int) -> Health:
        health = before
        for moment, heard, witness in [*others, *[(2.0, Heard.ANSWERED, "R4")] * answers]:
            health = after(health, heard, witness, began=moment, now=moment, pace=PACE)
        return health

    assert [is_own(before, then(answers)) for answers in (0, 3, 4)] == [False, False, True]


@pytest.mark.parametrize(
    ("hours", "elsewhere", "second", "alone"),
    [(23, True, "", False), (24, True, "", True), (24, False, "", False), (24, True, "R2", False)],
)
def test_where_nobody_else_asks_longer_than_any_outage_counts(hours: int, elsewhere: bool, second: str, alone: bool) -> None:
    """A day, while the vendor answers elsewhere, and no second record fails there."""
    before = told([(0, Heard.FAILED, "R1")])
    now = after(before, Heard.FAILED, second or "R1", began=1, now=1, pace=PACE, fresh=bool(second))
    assert is_alone(before, now, answered_elsewhere=elsewhere, moment=hours * 3600.0, pace=PACE) is alone


def test_the_gate_lets_one_probe_through_and_tells_the_others_when_to_come() -> None:
    """Two places that fail are the whole vendor; the answer to the probe opens the gate for everybody."""
    health, clock, metrics = connection()
    for where in (GET, OTHER):
        exchange(health, where, Heard.FAILED)
    with pytest.raises(Unreachable) as refused:
        health.check(*POST)
    assert refused.value.retry_after == 1
    clock.seconds = 1
    probe = health.enter(*POST)
    with pytest.raises(Unreachable, match="books is asked again"):
        health.enter(*POST)
    assert (health.away, metrics._circuit.labels("eaccounting")._value.get()) == (True, 2)
    health.leave(probe, Heard.ANSWERED, "")
    health.check(*POST)
    assert (health.away, metrics._circuit.labels("eaccounting")._value.get()) == (False, 1)  # both places are still to be tried


def test_a_probe_that_was_given_up_leaves_its_place_to_the_next() -> None:
    """A process that stops in the middle of it, a deadline of ours: that says nothing about the vendor."""
    health, clock, _ = connection()
    for where in (GET, OTHER):
        exchange(health, where, Heard.FAILED)
    clock.seconds = 1
    health.leave(health.enter(*POST), None, "")
    health.check(*POST)


def test_one_place_that_is_down_closes_nothing_else() -> None:
    """The others go on, also while it is asked."""
    health, _, _ = connection()
    exchange(health, POST, Heard.FAILED, "R1")
    exchange(health, GET, Heard.ANSWERED)
    exchange(health, POST, Heard.FAILED, "R2")
    health.check(*GET)
    with pytest.raises(Unreachable):
        health.check(*POST)
    assert health.trouble is not None
    assert ENGLISH(health.trouble.says) == "does not answer POST /v2/customerinvoices (answered 500)"


def test_a_caller_with_a_pace_of_its_own_is_never_turned_away_and_counts() -> None:
    """The sign-in server keeps its own pace, and its answers say something about the vendor too."""
    health, clock, _ = connection()
    for where in (GET, OTHER):
        exchange(health, where, Heard.FAILED)
    health.leave(health.enter("POST", "/connect/token", paced=True), Heard.ANSWERED, "")
    clock.seconds = 0.5
    assert health.trouble is None
    health.check(*GET)


def test_a_blip_is_not_told() -> None:
    """What fails once is told when it goes on for half a minute."""
    health, clock, _ = connection()
    exchange(health, GET, Heard.FAILED, "R1")
    before = health.trouble
    clock.seconds = 31
    after_a_while = health.trouble
    assert before is None
    assert after_a_while is not None
    assert after_a_while.since == NOON


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v2/customerinvoices/0f0e6a2b-93d0-4b7c-9a50-5b7b0e6f2a01/payments", "GET /v2/customerinvoices/*/payments"),
        ("/api/rest/v1/orders/5001/orderrows/", "GET /api/rest/v1/orders/*/orderrows/"),
        ("/connect/token", "GET /connect/token"),
    ],
)
def test_a_place_has_no_ids(path: str, place: str) -> None:
    """So that many records share it; the version of an interface is no id."""
    assert place_of("GET", path) == place


@pytest.mark.parametrize(
    ("status", "content", "page"),
    [
        (200, b'{"a": 1}', False),
        (200, b"  [1]", False),
        (200, b"", False),
        (200, b"\xef\xbb\xbf<!DOCTYPE html>", True),
        (200, b"We will be right back", True),
        (404, b"Not Found", False),
        (404, b"<html>", True),
        (503, b"<html>", True),
    ],
)
def test_a_page_is_known_by_how_it_begins(status: int, content: bytes, page: bool) -> None:
    """Not by what its header says of it."""
    assert Response(status, {"content-type": "application/json"}, content, 0.1).is_page is page
