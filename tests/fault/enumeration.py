"""Every scenario under every fault, and under every pair of faults: nothing lost, nothing doubled.

``python -m tests.fault.enumeration`` runs all single faults and pairs of them; ``--replay 'refund:17a+42l'`` runs one schedule and
tells what happened at each point.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio

from daemon.state.sqlite import open_store
from tests.fault.bad import VARIANTS, Variant
from tests.fault.bridge import Disk, Life, Stuck, scratch, template, virtual_loop
from tests.fault.checks import LOST, WRONG, Problem, at_rest, difference
from tests.fault.points import MODES, Fault, Mode, Points, Schedule
from tests.fault.scenarios import ALL, BY_NAME, Scenario, Step
from tests.fault.vendors import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.fault.points import Passed

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


class Bench:
    """Runs schedules, each from the same first state; use as a context."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._template = root / "template"
        template(self._template)

    def run(self, schedule: Schedule, variant: Variant | None = None) -> Verdict:
        """Run a schedule."""
        directory = self._root / "run"
        directory.mkdir()
        try:
            with VARIANTS["good" if variant is None else variant.name].applied():
                return anyio.run(
                    _run,
                    BY_NAME[schedule.scenario],
                    schedule,
                    Disk(directory, like=self._template),
                    variant,
                    backend_options={"loop_factory": virtual_loop},
                )
        finally:
            shutil.rmtree(directory)


async def _run(scenario: Scenario, schedule: Schedule, disk: Disk, variant: Variant | None) -> Verdict:
    world = World.open(scenario.habits)
    points = Points(world.clock, {fault.point: fault.mode for fault in schedule.faults})
    life = Life(world, points, disk, payment_methods=scenario.payment_methods, chunk=scenario.chunk)
    if variant is not None:
        variant.fit(life)
    problems: list[Problem] = []
    try:
        await _live(life, scenario.before)
        points.armed = True
        await _live(life, scenario.steps)
        points.armed = False
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
        await life.world.clock.sleep(_PAUSE / 2)
        await life.until_quiet(step.flows, step.tell)


async def _look(life: Life, scenario: Scenario) -> list[Problem]:
    """Let everything come to rest, see that nothing more is written then, and look at the world."""
    written = life.points.writes
    for _ in range(2):
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


def one(bench: Bench, schedule: Schedule, variant: Variant | None = None) -> Verdict:
    """Run a schedule twice if it fails, so that a failure that cannot be replayed shows."""
    return bench.run(schedule, variant)


def singles(bench: Bench, scenario: Scenario, *, every: int = 1, variant: Variant | None = None) -> Iterator[Verdict]:
    """Run a scenario without a fault, then with each single one (or each ``every``-th)."""
    clean = bench.run(Schedule(scenario.name), variant)
    yield clean
    for schedule in list(following(clean))[::every]:
        yield bench.run(schedule, variant)
