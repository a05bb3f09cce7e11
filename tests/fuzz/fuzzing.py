"""Trying spoilt inputs on a surface, and keeping those that led somewhere new as seeds of the next."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.fuzz.mutate import mutate
from tests.fuzz.surface import Refused, Taken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from tests.fuzz.surface import Surface, Verdict

#: what one input may cost of the processor (seconds), and what all of a surface may leave behind (bytes)
LONGEST: Final = 1.0
MOST_GROWTH: Final = 20 * 1024 * 1024
#: so many seeds are kept beside the given ones
_MOST_KEPT: Final = 300
_MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Find:
    """An input that broke a promise: what became of it, and the input."""

    what: str
    given: bytes

    def __str__(self) -> str:
        """Return it so that it can be made a test."""
        shown = repr(self.given[:_MOST_SHOWN]) + (f" … {len(self.given)} bytes" if len(self.given) > _MOST_SHOWN else "")
        return f"{self.what}: {shown}"


@dataclass(slots=True)
class Report:
    """What came of fuzzing one surface; ``finds`` has one input for each thing that went wrong."""

    surface: str
    tries: int = 0
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    growth: int = 0
    finds: dict[str, Find] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """Return the figures in a line."""
        return (
            f"{self.surface:32} {self.tries:7} tries  {self.taken:6} taken  {len(self.refused):4} kinds of refusal"
            f"  longest {self.longest * 1000:6.0f} ms  grew {self.growth / 1048576:5.1f} MB  {len(self.finds)} finds"
        )


async def fuzz(surface: Surface, tries: int, random: Random) -> Report:
    """Try ``tries`` inputs: first the valid ones, then such as were made of them."""
    report = Report(surface.name)
    seeds = list(surface.seeds())
    given = len(seeds)
    known: set[Verdict] = set()
    async with surface.open() as attempt:
        for seed in seeds:
            known.add(await _try(report, attempt, seed))
        if not report.taken:
            report.finds["refuses all"] = Find("not one of the valid inputs was taken", seeds[0])
        settled = _resident()
        for number in range(tries - given):
            spoilt = mutate(random.choice(seeds), surface.grammar, random)
            verdict = await _try(report, attempt, spoilt)
            if verdict not in known and len(seeds) < given + _MOST_KEPT:
                known.add(verdict)
                seeds.append(spoilt)
            if number == tries // 5:
                settled = _resident()  # what is made once (caches, compiled models) has been made by now
        report.growth = max(_resident() - settled, 0)
    if report.growth > MOST_GROWTH:
        report.finds["growth"] = Find(f"grew by {report.growth / 1048576:.0f} MB", b"")
    return report


async def _try(report: Report, attempt: Callable[[bytes], Awaitable[Verdict]], given: bytes) -> Verdict:
    report.tries += 1
    started = time.process_time()
    try:
        verdict: Verdict = await attempt(given)
    except Exception as error:  # noqa: BLE001 - whatever comes out here has escaped, and that is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} at {Path(last.filename).name}:{last.name}"
        report.finds.setdefault(what, Find(f"{what}: {error}"[:_MOST_SHOWN], given))
        verdict = Refused(what)
    seconds = time.process_time() - started
    report.longest = max(report.longest, seconds)
    if seconds > LONGEST:
        report.finds.setdefault("slow", Find(f"took {seconds:.1f} s of the processor", given))
    if isinstance(verdict, Taken):
        report.taken += 1
        if verdict.nonsense:
            report.finds.setdefault(f"nonsense: {verdict.nonsense}"[:60], Find(f"nonsense taken: {verdict.nonsense}", given))
    else:
        report.refused[verdict.why] += 1
    return verdict


def _resident() -> int:
    """Return how many bytes of memory the process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
