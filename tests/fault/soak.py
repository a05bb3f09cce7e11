"""Sales rung up for hours at a steady rate, and what the daemon takes meanwhile: memory, descriptors, threads, disk, time to answer.

``python -m tests.fault.soak --hours 2`` (or ``make soak HOURS=2``) prints a line a minute and, at its end, what grows by how much an hour.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from connectors.sandbox import shop
from tests.system.support import adapt, ask, started, until, vendors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.system.support import Program, Vendors

#: the beginning is left out of the slopes, at most half of the run (seconds): the catalogue is written, bounded memories fill, and each
#: look at the till grows until it reads the ten minutes that it always reads again
WARM_UP = 900.0
#: between two samples, in seconds
EVERY = 2.0
#: a run this long (in hours) is judged by its slopes too; in a shorter one they are noise
LONG = 1.0
#: what may grow an hour in a long run
MOST = {"rss_kib": 4096.0, "descriptors": 1.0, "threads": 1.0}


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at a moment, ``at`` seconds after it was ready; ``answer_ms`` is how long the loop took to answer ``/livez``."""

    at: float
    rss_kib: float
    descriptors: float
    threads: float
    wal_kib: float
    state_kib: float
    answer_ms: float
    unsettled: float


MEASURES = tuple(one.name for one in fields(Sample) if one.name != "at")


def slope(samples: Sequence[Sample], measure: str) -> float:
    """Return how much a measure grows an hour, by least squares."""
    times, values = [one.at / 3600 for one in samples], [float(getattr(one, measure)) for one in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread if spread else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the others do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Watch:
    """Looks at a running daemon from outside."""

    def __init__(self, program: Program, config: Path, state: Path) -> None:
        listen = tomllib.loads(config.read_text(encoding="utf-8"))["daemon"]["listen"]
        self._url = f"http://{listen}"
        self._process = Path(f"/proc/{program.process.pid}")
        self._state = state

    def sample(self, at: float) -> Sample:
        """Take one sample."""
        began = time.perf_counter()
        status, _, _ = ask("GET", f"{self._url}/livez")
        answer = (time.perf_counter() - began) * 1000
        assert status == 200
        rss = re.search(r"VmRSS:\s+(\d+)", (self._process / "status").read_text())
        metrics = ask("GET", f"{self._url}/metrics")[2].decode()
        unsettled = sum(float(number) for number in re.findall(r"(?m)^kassabrug_queue_records\{.*\} (\S+)$", metrics))
        return Sample(
            at=at,
            rss_kib=float(rss.group(1)) if rss else 0.0,
            descriptors=len(list((self._process / "fd").iterdir())),
            threads=len(list((self._process / "task").iterdir())),
            wal_kib=self._size("state.sqlite3-wal"),
            state_kib=self._size("state.sqlite3"),
            answer_ms=answer,
            unsettled=unsettled,
        )

    def _size(self, name: str) -> float:
        file = self._state / name
        return file.stat().st_size / 1024 if file.exists() else 0.0


def sell_and_watch(running: Vendors, watch: Watch, *, hours: float, rate: float, seed: int, tell: Callable[[str], None]) -> list[Sample]:
    """Ring up sales at ``rate`` a second for ``hours``, and take samples meanwhile."""
    random = Random(seed)
    skus = [article.sku for article in shop.generate(seed).articles if not article.is_service]
    samples: list[Sample] = []
    began = time.monotonic()
    sold, told = 0, 0.0
    while (now := time.monotonic() - began) < hours * 3600:
        while sold < now * rate:
            running.sell(random.choice(skus), random.randint(1, 3), random.choice(("pin", "cash", "ideal")))
            sold += 1
        if now >= len(samples) * EVERY:
            samples.append(watch.sample(now))
            if now - told >= 60:
                told = now
                tell(f"{now / 60:.0f} min, {sold} sold: " + ", ".join(f"{name} {getattr(samples[-1], name):.1f}" for name in MEASURES))
        time.sleep(min(0.05, 1 / rate))
    return samples


def after_warm_up(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Leave out the beginning."""
    return [one for one in samples if one.at >= min(WARM_UP, samples[-1].at / 2)]


def report(samples: Sequence[Sample]) -> list[str]:
    """Say what each measure was and how it grows."""
    steady = after_warm_up(samples)
    lines = [f"{len(samples)} samples, the last {len(steady)} of them steady"]
    for name in MEASURES:
        values = [float(getattr(one, name)) for one in steady]
        lines.append(
            f"{name:12} first {values[0]:9.1f}  last {values[-1]:9.1f}  most {max(values):9.1f}  "
            f"median {percentile(values, 0.5):9.1f}  p99 {percentile(values, 0.99):9.1f}  {slope(steady, name):+12.1f} an hour"
        )
    return lines


def soak(folder: Path, *, hours: float, rate: float, seed: int, tell: Callable[[str], None]) -> bool:
    """Run it all; return whether both sides agree in the end and nothing grew that must not."""
    with vendors(folder, "--seed", str(seed)) as running:
        state = folder / "state"
        adapt(running.config, **{"flows.products": "interval = 10", "flows.stock": "interval = 5", "flows.sales": "interval = 1"})
        with started(folder, "run", "--config", running.config, "--state-dir", state) as program:
            program.says(r"\bstarted\b")
            samples = sell_and_watch(running, Watch(program, running.config, state), hours=hours, rate=rate, seed=seed, tell=tell)
            took = time.monotonic()
            until(running.in_step, within=120, what="in step", alive=program)
            till = running.till_ledger()
            tell(f"in step {time.monotonic() - took:.1f} s after the last sale: {till['receipts']} receipts, {till['gross']}")
            code = program.end()
    for line in report(samples):
        tell(line)
    steady = after_warm_up(samples)
    grown = [name for name, most in MOST.items() if hours >= LONG and slope(steady, name) > most]
    tell(f"exit code {code}; " + (f"GROWS: {', '.join(grown)}" if grown else "nothing grows that must not"))
    return code == 0 and not grown


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.soak", description="Sell for hours and watch the daemon.")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=2.0, help="sales a second")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)

    def tell(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder:
        return 0 if soak(Path(folder), hours=args.hours, rate=args.rate, seed=args.seed, tell=tell) else 1


if __name__ == "__main__":
    sys.exit(main())
