"""Every scenario under single faults: nothing lost, nothing doubled; and bridges that are wrong on purpose are caught.

Here each scenario runs under a sample of its single faults, always the same: most of those at calls that write to a vendor, and some of
all others.  ``python -m tests.fault.enumeration`` runs all of them, and pairs.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.fault import bad
from tests.fault.bad import Variant
from tests.fault.bridge import scratch
from tests.fault.enumeration import Bench, Verdict, following, pairs
from tests.fault.points import Fault, Kind, Mode, Schedule
from tests.fault.scenarios import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fault.scenarios import Scenario


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """The store is inline here, knowingly; the flow tests watch for blocking calls."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Where schedules run."""
    with scratch() as root:
        yield Bench(root)


def _sample(clean: Verdict, *, writes: int, others: int) -> list[Schedule]:
    """Choose among all single faults, always the same."""
    at_writes: list[Schedule] = []
    elsewhere: list[Schedule] = []
    for schedule in following(clean):
        kind = clean.trace[schedule.faults[0].point].kind
        (at_writes if kind in {Kind.WRITE, Kind.CREATE} else elsewhere).append(schedule)
    chance = random.Random(clean.schedule.scenario)
    return chance.sample(at_writes, min(writes, len(at_writes))) + chance.sample(elsewhere, min(others, len(elsewhere)))


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_no_single_fault_loses_or_doubles_anything(bench: Bench, scenario: Scenario) -> None:
    """Whatever fails, and wherever the process dies: one document, its payments and its customer for each receipt, and equal stock."""
    clean = bench.run(Schedule(scenario.name))
    verdicts = [clean, *(bench.run(schedule) for schedule in _sample(clean, writes=50, others=30))]
    failed = [verdict for verdict in verdicts if not verdict.good]
    replay = [f"python -m tests.fault.enumeration --replay '{verdict.schedule}'" for verdict in failed]
    assert not failed, "\n".join([*map(str, failed[0].problems), *replay])


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_some_pairs_of_faults_lose_and_double_nothing(bench: Bench, scenario: Scenario) -> None:
    """The second fault strikes while the first is being cured."""
    for single in _sample(bench.run(Schedule(scenario.name)), writes=3, others=1):
        for schedule in pairs(bench.run(single), 2, seed=1):
            assert bench.run(schedule).problems == (), schedule


@pytest.mark.parametrize("variant", bad.ALL, ids=lambda variant: variant.name)
def test_what_is_wrong_on_purpose_is_caught(bench: Bench, variant: Variant) -> None:
    """A search that finds nothing in these would prove nothing."""
    for name in variant.scenarios:
        clean = bench.run(Schedule(name), variant)
        if any(not bench.run(schedule, variant).good for schedule in following(clean)):
            return
    pytest.fail(f"{variant.about}: not caught")


def test_a_schedule_is_its_text() -> None:
    """What is printed can be read back, and names the same faults."""
    schedule = Schedule("split", (Fault(3, Mode.AFTER), Fault(41, Mode.LOST)))
    assert str(schedule) == "split:3a+41l"
    assert Schedule.parse(str(schedule)) == schedule
    assert Schedule.parse("split:") == Schedule("split")


def test_the_same_schedule_gives_the_same_run(bench: Bench) -> None:
    """Time, chance and order of the tasks are the schedule's own; so a failure can be replayed."""
    clean = bench.run(Schedule("crowd"))
    dies = next(schedule for schedule in following(clean) if schedule.faults[0].mode is Mode.IN_FLIGHT)
    dies_twice = next(schedule for schedule in following(bench.run(dies)) if schedule.faults[1].mode is Mode.AFTER)
    one, other = bench.run(dies_twice), bench.run(dies_twice)
    assert one.trace == other.trace
    assert (one.crashes, other.crashes) == (2, 2)


def test_a_run_that_breaks_does_not_break_the_next(tmp_path: Path) -> None:
    """Whatever ends a run, it leaves no folder behind, and the bench can be used again."""
    bench = Bench(tmp_path)
    assert bench.run(Schedule("sale")).good
    before = {path.name for path in tmp_path.iterdir()}
    cannot_begin = Variant("cannot-begin", "swaps what is not there", ("sale",), patches={(bad, "no_such_thing"): None})
    with pytest.raises(AttributeError, match="no_such_thing"):
        bench.run(Schedule("sale"), cannot_begin)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert bench.run(Schedule("sale")).good
