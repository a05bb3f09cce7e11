# ruff: noqa: T201 - a command prints what it finds
"""Every scenario under every fault, and under every pair of faults: nothing lost, nothing doubled.

``python -m tests.fault.enumeration`` runs all single faults and pairs of them; ``--replay 'refund:17a+42l'`` runs one schedule and
tells what happened at each point.
"""

from __future__ import annotations

import argparse
import copy
import gc
import multiprocessing
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.state.sqlite import open_store
from tests.fault import bad
from tests.fault.bridge import Disk, Life, Stuck, in_virtual_time, scratch, template
from tests.fault.checks import LOST, WRONG, Problem, at_rest, difference
from tests.fault.points import MODES, Fault, Mode, Points, Schedule
from tests.fault.scenarios import ALL, BY_NAME, Scenario, Step
from tests.fault.vendors import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.fault.bad import Variant
    from tests.fault.points import Passed

#: how long it takes to put a backup back, in seconds
_RESTORING = 60.0
#: how long nothing happens before everything is looked at, in seconds: listings show everything by then
_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a schedule ended."""

    schedule: Schedule
    problems: tuple[Problem, ...]
    trace: tuple[Passed, ...]
    fired: Counter[Mode]
    crashes: int
    documents: int
    payments: int
    difference: Decimal

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or wrong."""
        return not self.problems

    def count(self, kind: str) -> int:
        """Count the problems of a kind."""
        return sum(1 for problem in self.problems if problem.kind == kind)


@dataclass(frozen=True, slots=True)
class Morning:
    """What a scenario begins with, after all that happens before it: the vendors, the state, and the time of the loop."""

    world: World
    state: Path
    at: float


class Bench:
    """Runs schedules, each of a scenario from the same morning on."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._first_start = root / "first-start"
        template(self._first_start)
        self._mornings: dict[str, Morning] = {}

    def _morning(self, scenario: Scenario) -> Morning:
        if scenario.name not in self._mornings:
            disk = Disk(Path(tempfile.mkdtemp(prefix=f"{scenario.name}-morning-", dir=self._root)), like=self._first_start)

            async def before() -> Morning:
                world = World.open(scenario.books, scenario.till)
                await _live(_life(scenario, world, disk, {}), scenario.before)
                return Morning(world, disk.state, world.clock.monotonic())

            self._mornings[scenario.name] = in_virtual_time(before)
        return self._mornings[scenario.name]

    def run(self, schedule: Schedule, variant: Variant | None = None) -> Verdict:
        """Run a schedule, on a bridge that may be wrong on purpose."""
        scenario = BY_NAME[schedule.scenario]
        morning = self._morning(scenario)
        with tempfile.TemporaryDirectory(prefix="run-", dir=self._root) as directory:
            disk = Disk(Path(directory), like=morning.state)
            life = _life(scenario, copy.deepcopy(morning.world), disk, {fault.point: fault.mode for fault in schedule.faults})
            with nullcontext() if variant is None else variant.applied(life):
                return in_virtual_time(_run, life, scenario, schedule, start=morning.at)


def _life(scenario: Scenario, world: World, disk: Disk, faults: Mapping[int, Mode]) -> Life:
    points = Points(world.clock, faults, back_up=disk.back_up)
    return Life(world, points, disk, payment_methods=scenario.payment_methods, chunk=scenario.chunk, together=scenario.together)


async def _run(life: Life, scenario: Scenario, schedule: Schedule) -> Verdict:
    problems: list[Problem] = []
    world, points = life.world, life.points
    try:
        points.armed = True
        await _live(life, scenario.steps)
        points.armed = False
        await _put_back(life, scenario)
        problems += await _look(life, scenario)
    except Stuck as stuck:
        problems.append(Problem(LOST, str(stuck)))
    except Exception as error:  # noqa: BLE001 - a fault of the program is a finding, not the end of the run
        problems.append(Problem(WRONG, "".join(traceback.format_exception(error))))
    problems += [Problem(WRONG, fault) for fault in life.log.faults]
    return Verdict(
        schedule,
        tuple(problems),
        tuple(points.trace),
        points.fired,
        points.crashes,
        len(world.books.documents.actual()),
        len(world.books.payments),
        difference(world, scenario.expected),
    )


async def _live(life: Life, steps: Sequence[Step]) -> None:
    for step in steps:
        step.act(life.world)
        await life.world.clock.sleep(step.pause)
        await life.until_quiet(step.flows, step.tell)


async def _put_back(life: Life, scenario: Scenario) -> None:
    """Put a backup back if one was made: it takes a minute, and a person answers again what is then asked again."""
    if life.disk.put_back():
        await life.world.clock.sleep(_RESTORING)
        for tell in (None, scenario.steps[-1].tell):
            await life.until_quiet(first=tell)


async def _look(life: Life, scenario: Scenario) -> list[Problem]:
    """Let everything come to rest, see that nothing more is written then, and look at the world."""
    await life.world.clock.sleep(_PAUSE)
    await life.until_quiet()
    written = life.points.writes
    await life.world.clock.sleep(_PAUSE)
    await life.until_quiet()
    problems = []
    if life.points.writes != written:
        problems.append(Problem(WRONG, f"{life.points.writes - written} writes although nothing was left to do"))
    store = await open_store(life.disk.state, clock=life.world.clock, inline=True)
    try:
        return problems + await at_rest(life.world, store, scenario.expected)
    finally:
        await store.close()


# -- which schedules there are --------------------------------------------------------------------------------------------------------
def following(verdict: Verdict) -> Iterator[Schedule]:
    """Every schedule that has one more fault, at a point that this run came to after its last fault."""
    last = max((fault.point for fault in verdict.schedule.faults), default=-1)
    for passed in verdict.trace[last + 1 :]:
        for mode in MODES[passed.kind]:
            yield verdict.schedule.then(Fault(passed.number, mode))


@dataclass(slots=True)
class Report:
    """What came of many schedules."""

    schedules: int = 0
    crashes: int = 0
    documents: int = 0
    payments: int = 0
    fired: Counter[Mode] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    by_faults: Counter[int] = field(default_factory=Counter)
    difference: Decimal = Decimal(0)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Count a schedule in."""
        self.schedules += 1
        self.crashes += verdict.crashes
        self.documents += verdict.documents
        self.payments += verdict.payments
        self.fired += verdict.fired
        self.by_faults[len(verdict.schedule.faults)] += 1
        self.problems.update(problem.kind for problem in verdict.problems)
        self.difference += abs(verdict.difference)
        if not verdict.good:
            self.failed.append((str(verdict.schedule), "; ".join(map(str, verdict.problems))))

    def merge(self, other: Report) -> None:
        """Count in what another process did."""
        self.schedules += other.schedules
        self.crashes += other.crashes
        self.documents += other.documents
        self.payments += other.payments
        self.fired += other.fired
        self.by_faults += other.by_faults
        self.problems += other.problems
        self.difference += other.difference
        self.failed += other.failed

    def lines(self, seconds: float) -> Iterator[str]:
        """Say it."""
        faults = ", ".join(f"{mode.name.lower()} {count}" for mode, count in sorted(self.fired.items(), key=lambda one: -one[1]))
        sizes = ", ".join(f"{count} with {faults} fault{'' if faults == 1 else 's'}" for faults, count in sorted(self.by_faults.items()))
        yield f"schedules {self.schedules} ({sizes}) in {seconds:.0f} s, crashes {self.crashes}"
        yield f"faults {self.fired.total()}: {faults}"
        yield f"documents {self.documents}, payments {self.payments}"
        lost, twice, wrong = (self.problems[kind] for kind in ("lost", "doubled", "wrong"))
        yield f"lost {lost}, doubled {twice}, wrong {wrong}, difference {self.difference:.2f}"


def pairs(single: Verdict, count: int, seed: int) -> list[Schedule]:
    """Choose pairs of faults that begin with this single one; the same seed gives the same."""
    all_of_them = list(following(single))
    chosen = random.Random(f"{seed} {single.schedule}").sample(all_of_them, min(count, len(all_of_them)))
    return sorted(chosen, key=str)


def caught(bench: Bench, variant: Variant) -> tuple[int, int, str]:
    """Run a wrong bridge under all single faults; return how many caught it, of how many, and the first."""
    tried, found, first = 0, 0, ""
    for name in variant.scenarios:
        clean = bench.run(Schedule(name), variant)
        for schedule in [clean.schedule, *following(clean)]:
            verdict = bench.run(schedule, variant)
            tried += 1
            found += not verdict.good
            first = first or ("" if verdict.good else f"{schedule}: {verdict.problems[0]}")
    return found, tried, first


# -- on the command line --------------------------------------------------------------------------------------------------------------
def _replay(text: str, variant: Variant | None) -> int:
    """Run one schedule and tell everything."""
    with scratch() as root:
        verdict = Bench(root).run(Schedule.parse(text), variant)
    at = {fault.point: fault.mode for fault in verdict.schedule.faults}
    for passed in verdict.trace:
        mark = f"   <- {at[passed.number].name.lower()}" if passed.number in at else ""
        print(f"{passed.number:4} {passed.kind:6} {passed.name}{mark}")
    print(f"{verdict.crashes} crash(es), {verdict.documents} document(s), {verdict.payments} payment(s), difference {verdict.difference}")
    for problem in verdict.problems:
        print(problem)
    return 0 if verdict.good else 1


def _share(work: tuple[int, int, int, int]) -> Report:
    """Run one process's share: every ``of``-th single fault, from ``part`` on, and the pairs that begin with it."""
    part, of, pairs_each, seed = work
    report = Report()
    gc.freeze()
    with scratch() as root:
        bench = Bench(root)
        number = 0
        for scenario in ALL:
            clean = bench.run(Schedule(scenario.name))
            for schedule in [clean.schedule, *following(clean)]:
                number += 1
                if number % of != part:
                    continue
                single = bench.run(schedule)
                report.add(single)
                for pair in pairs(single, pairs_each, seed) if schedule.faults else ():
                    report.add(bench.run(pair))
    return report


def _variant(name: str) -> tuple[str, int, int, str]:
    with scratch() as root:
        return name, *caught(Bench(root), bad.BY_NAME[name])


def main(arguments: Sequence[str]) -> int:
    """Search, or replay."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.enumeration", description=__doc__)
    parser.add_argument("--replay", metavar="SCHEDULE", help="run one schedule and tell what happened at each point")
    parser.add_argument("--variant", choices=sorted(bad.BY_NAME), help="with --replay: on a bridge that is wrong on purpose")
    parser.add_argument("--pairs", type=int, default=4, help="how many pairs of faults for each single fault (default 4)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the pairs")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    if given.replay:
        return _replay(given.replay, bad.BY_NAME[given.variant] if given.variant else None)
    started = time.monotonic()
    report, missed = Report(), 0
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        shares = [(part, given.processes, given.pairs, given.seed) for part in range(given.processes)]
        for share in pool.imap_unordered(_share, shares):
            report.merge(share)
        for schedule, problems in report.failed:
            print(f"FAILED {problems}\n  python -m tests.fault.enumeration --replay '{schedule}'")
        for text in report.lines(time.monotonic() - started):
            print(text, flush=True)
        for name, found, tried, first in pool.imap(_variant, bad.BY_NAME):
            missed += not found
            print(
                f"wrong on purpose: {name:16} caught by {found} of {tried} schedules, first {first.splitlines()[0] if first else 'by none'}"
            )
    return 1 if report.failed or missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
