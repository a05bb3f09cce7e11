"""Reading goes on where it stopped: nothing lost, nothing delivered twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Change, Page, Position
from daemon.core.cursor import Pass, advance, begin, made_progress

OVERLAP = timedelta(minutes=10)
START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def change(record: str, minute: int, version: str = "1") -> Change[str]:
    """A record that changed at a minute past nine."""
    return Change(record, START + timedelta(minutes=minute), version, record)


def read(position: Position, world: list[Change[str]], size: int) -> tuple[list[str], Position]:
    """Read a world to its end in pages, as a source that sorts by moment would give them."""
    current: Pass[str] = begin(position, OVERLAP)
    delivered = []
    ordered = sorted(world, key=lambda one: (one.moment, one.id))
    while True:
        since = current.since if current.last is None else current.last.moment
        rest = [one for one in ordered if since is None or one.moment >= since]
        if current.last is not None:
            rest = [one for one in rest if (one.moment, one.id) > (current.last.moment, current.last.id)]
        page = Page(tuple(rest[:size]), more=len(rest) > size)
        fresh, position, current = advance(current, page)
        delivered += [one.id for one in fresh]
        if not page.more:
            return delivered, position


def test_the_edge_is_read_again_and_delivers_nothing_twice() -> None:
    """A second pass over an unchanged world brings nothing."""
    world = [change("a", 0), change("b", 5), change("c", 5)]
    first, position = read(Position(), world, 2)
    second, after = read(position, world, 2)
    assert first == ["a", "b", "c"]
    assert second == []
    assert after == position


def test_a_record_that_shares_the_newest_moment_is_not_lost() -> None:
    """One more record with the very moment at which reading stopped arrives."""
    _, position = read(Position(), [change("a", 0), change("b", 5)], 10)
    later, _ = read(position, [change("a", 0), change("b", 5), change("c", 5)], 10)
    assert later == ["c"]


def test_a_record_that_became_visible_late_is_found_within_the_overlap() -> None:
    """Uploaded late with an older moment: still read, once."""
    _, position = read(Position(), [change("a", 0), change("c", 30)], 10)
    world = [change("a", 0), change("b", 25), change("c", 30)]
    later, position = read(position, world, 10)
    again, _ = read(position, world, 10)
    assert (later, again) == (["b"], [])


def test_a_changed_record_is_delivered_again() -> None:
    """The version tells a change from a repetition."""
    _, position = read(Position(), [change("a", 0)], 10)
    later, _ = read(position, [change("a", 0, "2")], 10)
    assert later == ["a"]


def test_an_empty_world_moves_nothing() -> None:
    """Nothing read, nothing remembered; above all, no clock is consulted."""
    assert read(Position(), [], 10) == ([], Position())


def test_a_source_that_repeats_itself_makes_no_progress() -> None:
    """The page that was read already is recognised."""
    page = Page((change("a", 0), change("b", 1)), more=True)
    _, _, current = advance(begin(Position(), OVERLAP), page)
    assert made_progress(begin(Position(), OVERLAP), page)
    assert not made_progress(current, page)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=40),
    st.integers(1, 7),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_every_record_arrives_exactly_once(records: list[tuple[int, int]], size: int, looks: list[int]) -> None:
    """Records appear one by one, never more than the overlap late; however often one looks, each arrives once."""
    delivered: list[str] = []
    position = Position()
    # a record with moment m becomes visible at minute m + up to 9
    visible = [(moment + late % 10, change(f"r{index}", moment)) for index, (moment, late) in enumerate(records)]
    for minute in [*sorted(looks), 80]:
        arrived, position = read(position, [one for at, one in visible if at <= minute], size)
        delivered += arrived
    assert sorted(delivered) == sorted(one.id for _, one in visible)
