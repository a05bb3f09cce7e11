"""Reading goes on where it stopped: nothing lost, nothing delivered twice, and no date of a record ends the reading of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Change, Cursor, Page
from daemon.core.cursor import AHEAD_VERSION, Pass, advance, begin, bounds, made_progress

OVERLAP = timedelta(minutes=10)
START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
EVENING = START + timedelta(hours=10)


def change(record: str, minute: float, version: str = "1") -> Change[str]:
    """A record that changed at a minute past nine."""
    return Change(record, START + timedelta(minutes=minute), version, record)


@dataclass
class Read:
    """What a reading to the end brought."""

    fresh: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    pages: int = 0


def look(position: Cursor, world: list[Change[str]], size: int, clock: datetime | None, ours: datetime) -> tuple[Read, Cursor]:
    """Read a world to its end in pages, as a source that sorts by moment would give them, at a time of its clock."""
    current: Pass[str] = begin(position, OVERLAP)
    brought = Read()
    ordered = sorted(world, key=lambda one: (one.moment, one.id))
    while True:
        since = current.since if current.last is None else current.last.moment
        rest = [one for one in ordered if since is None or one.moment >= since]
        if current.last is not None:
            rest = [one for one in rest if (one.moment, one.id) > (current.last.moment, current.last.id)]
        page = Page(tuple(rest[:size]), more=len(rest) > size, server_time=clock)
        step = advance(current, page, ours)
        current = step.following
        brought.pages += 1
        if step.astray:
            continue
        position = step.position
        brought.fresh += [one.id for one in step.fresh]
        brought.ahead += [one.id for one in step.ahead]
        if not page.more:
            return brought, position


def read(position: Cursor, world: list[Change[str]], size: int) -> tuple[list[str], Cursor]:
    """Read to the end in the evening, when all that these tests know of has happened."""
    brought, after = look(position, world, size, EVENING, EVENING)
    assert brought.ahead == []
    return brought.fresh, after


def test_the_edge_is_read_again_and_delivers_nothing_twice() -> None:
    """A second pass over an unchanged world brings nothing."""
    world = [change("a", 0), change("b", 5), change("c", 5)]
    first, position = read(Cursor(), world, 2)
    second, after = read(position, world, 2)
    assert first == ["a", "b", "c"]
    assert second == []
    assert after == position


def test_a_record_that_shares_the_newest_moment_is_not_lost() -> None:
    """One more record with the very moment at which reading stopped arrives."""
    _, position = read(Cursor(), [change("a", 0), change("b", 5)], 10)
    later, _ = read(position, [change("a", 0), change("b", 5), change("c", 5)], 10)
    assert later == ["c"]


def test_a_record_that_became_visible_late_is_found_within_the_overlap() -> None:
    """Uploaded late with an older moment: still read, once."""
    _, position = read(Cursor(), [change("a", 0), change("c", 30)], 10)
    world = [change("a", 0), change("b", 25), change("c", 30)]
    later, position = read(position, world, 10)
    again, _ = read(position, world, 10)
    assert (later, again) == (["b"], [])


def test_a_changed_record_is_delivered_again() -> None:
    """The version tells a change from a repetition."""
    _, position = read(Cursor(), [change("a", 0)], 10)
    later, _ = read(position, [change("a", 0, "2")], 10)
    assert later == ["a"]


def test_an_empty_world_moves_nothing() -> None:
    """Nothing read, nothing remembered; above all, no clock is consulted."""
    assert read(Cursor(), [], 10) == ([], Cursor())


def test_a_source_that_repeats_itself_makes_no_progress() -> None:
    """The page that was read already is recognised."""
    page = Page((change("a", 0), change("b", 1)), more=True)
    current = advance(begin(Cursor(), OVERLAP), page, EVENING).following
    assert made_progress(begin(Cursor(), OVERLAP), page)
    assert not made_progress(current, page)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=40),
    st.integers(1, 7),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_every_record_arrives_exactly_once(records: list[tuple[int, int]], size: int, looks: list[int]) -> None:
    """Records appear one by one, never more than the overlap late; however often one looks, each arrives once."""
    delivered: list[str] = []
    position = Cursor()
    # a record with moment m becomes visible at minute m + up to 9
    visible = [(moment + late % 10, change(f"r{index}", moment)) for index, (moment, late) in enumerate(records)]
    for minute in [*sorted(looks), 80]:
        arrived, position = read(position, [one for at, one in visible if at <= minute], size)
        delivered += arrived
    assert sorted(delivered) == sorted(one.id for _, one in visible)


# -- dates in the future -----------------------------------------------------------------------------------------------------------


def at(minute: float) -> datetime:
    """A minute past nine."""
    return START + timedelta(minutes=minute)


@pytest.mark.parametrize(
    "dated", [EVENING, START + timedelta(days=7), START + timedelta(days=365), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
)
def test_a_record_dated_in_the_future_does_not_end_the_reading_of_later_ones(dated: datetime) -> None:
    """It is delivered apart, once; the position stays at the source's clock, and what is made afterwards arrives."""
    odd = Change("odd", dated, "1", "odd")
    first, position = look(Cursor(), [change("a", 0), odd], 10, at(5), at(5))
    assert (first.fresh, first.ahead) == (["a"], ["odd"])
    assert position.moment == at(0)
    second, position = look(position, [change("a", 0), change("b", 20), odd], 10, at(21), at(21))
    assert (second.fresh, second.ahead) == (["b"], [])
    assert position.moment == at(20)


def test_a_record_whose_date_has_come_is_delivered_as_what_it_is() -> None:
    """Once, under its own version."""
    odd = change("odd", 300)
    _, position = look(Cursor(), [odd], 10, at(0), at(0))
    assert position.moment is None
    when_it_came = at(301)
    brought, position = look(position, [odd], 10, when_it_came, when_it_came)
    assert (brought.fresh, brought.ahead) == (["odd"], [])
    brought, _ = look(position, [odd], 10, when_it_came, when_it_came)
    assert (brought.fresh, brought.ahead) == ([], [])


def test_the_version_of_a_record_dated_in_the_future_tells_its_date() -> None:
    """So that another wrong date is another version, and a right one the record's own."""
    step = advance(begin(Cursor(), OVERLAP), Page((change("odd", 600, "v"),), more=False, server_time=at(0)), at(0))
    assert [one.version for one in step.ahead] == [f"{AHEAD_VERSION}2026-03-14T19:00:00+00:00 v"]


def test_a_position_that_passed_the_clock_is_not_believed() -> None:
    """An earlier version trusted dates: what lies behind such a position was never read, and is read from the beginning."""
    astray = Cursor(datetime(9999, 1, 1, tzinfo=UTC), frozenset({("odd", "1")}))
    brought, position = look(astray, [change("a", 0), change("b", 60)], 1, at(61), at(61))
    assert brought.fresh == ["a", "b"]
    assert position.moment == at(60)


def test_a_clock_a_little_behind_only_brings_the_position_back() -> None:
    """A vendor has several servers: what lies in between is read twice, and delivered once."""
    _, position = look(Cursor(), [change("a", 0), change("b", 60)], 10, at(60), at(60))
    brought, position = look(position, [change("a", 0), change("b", 60)], 10, at(55), at(60))
    assert (brought.fresh, brought.ahead, position.moment) == ([], [], at(55) + timedelta(seconds=30))
    brought, position = look(position, [change("a", 0), change("b", 60), change("c", 61)], 10, at(62), at(62))
    assert (brought.fresh, position.moment) == (["c"], at(61))


def test_a_till_that_wakes_in_1970_is_not_believed() -> None:
    """Its clock contradicts what was read and our clock: nothing is read from the beginning, nothing counts as dated in the future."""
    _, position = look(Cursor(), [change("a", 0)], 10, at(1), at(1))
    brought, after = look(position, [change("a", 0), change("b", 5)], 10, datetime(1970, 1, 1, tzinfo=UTC), at(6))
    assert (brought.fresh, brought.ahead, brought.pages) == (["b"], [], 1)
    assert after.moment == at(5)


def test_without_a_clock_of_the_source_ours_stands_in_with_a_day() -> None:
    """What is dated within a day of ours is taken, and no position goes further."""
    world = [change("a", 0), change("b", 23 * 60), change("c", 25 * 60)]
    brought, position = look(Cursor(), world, 10, None, START)
    assert (brought.fresh, brought.ahead, position.moment) == (["a", "b"], ["c"], at(23 * 60))


@pytest.mark.parametrize("clock", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_no_clock_and_no_date_is_too_far_away_to_reckon_with(clock: datetime) -> None:
    """The ends of all time overflow nothing."""
    assert bounds(clock, clock, clock).position >= clock
    position = Cursor(clock)
    assert begin(position, OVERLAP).since in {None, clock - OVERLAP if clock.year > 1 else None}
    brought, _ = look(position, [Change("a", clock, "1", "a")], 10, clock, clock)
    assert brought.fresh + brought.ahead == ["a"]


class Model:
    """An independent reckoning of what has to arrive: no positions and no memory, only who was visible when, and under which date."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.told: set[str] = set()

    def expect(self, visible: list[Change[str]], clock: datetime) -> tuple[set[str], set[str]]:
        """Return what a look at this time has to bring as it is, and what apart."""
        due = {one.id for one in visible if one.moment <= clock + timedelta(hours=1)} - self.taken
        odd = {one.id for one in visible if one.moment > clock + timedelta(hours=1)} - self.told - self.taken
        self.taken |= due
        self.told |= odd
        return due, odd


@given(
    # made at a minute, seen so much later, dated so far off the minute at which it was made
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 8), st.sampled_from([0, 0, 0, 0.4, 5, 59, 61, 90, 200, 10_000, 10**9])), max_size=25
    ),
    st.integers(1, 7),
    st.lists(st.integers(0, 320), max_size=8),
)
def test_whatever_is_dated_in_the_future_everything_arrives_once(
    records: list[tuple[int, int, float]], size: int, looks: list[int]
) -> None:
    """Each record arrives at the first look at which it is visible and its date is no more than an hour ahead, and earlier apart, once."""
    visible = [(made + late, change(f"r{index}", made + off)) for index, (made, late, off) in enumerate(records)]
    model, position = Model(), Cursor()
    for minute in [*sorted(looks), 330, 700]:
        clock = at(minute)
        world = [one for seen_at, one in visible if seen_at <= minute]
        brought, position = look(position, world, size, clock, clock)
        due, odd = model.expect(world, clock)
        assert sorted(brought.fresh) == sorted(due)
        assert sorted(brought.ahead) == sorted(odd)
        assert position.moment is None or position.moment <= clock + timedelta(seconds=30)
