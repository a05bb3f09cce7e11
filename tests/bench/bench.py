"""Figures and ratios, each beside its aim.  Run by ``make bench``; never part of the tests.

The vendors are sandboxes in a process of their own, what is measured runs in another (``measured.py``, or ``kassabrug run`` for its
memory).  Both share this machine, so that rates are lower bounds.  What is short of its aim says so; the exit code is 0 all the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # run as a script, its own folder is on the path instead

from tests.system.support import RETAIL, Program, ask, environment, started, until, vendors  # noqa: E402 - the path comes first

if TYPE_CHECKING:
    from collections.abc import Sequence

#: a busy day (143 receipts, 3108 lines) for rate and CPU; three days (457 receipts) for the backlog
DAY = ("2010-12-01",)
BACKLOG = ("2010-12-01", "2011-04-18", "2011-10-06")
REPEATS = 3
#: of all budgets the one that a receipt exhausts first: one GET of its order rows, 150 a minute (reference: salespos.md)
READS_A_MINUTE = 150
MINUTE = 60


def receipts(days: Sequence[str]) -> list[str | Path]:
    """Return the arguments for real days, none (the made-up shop) where the data is not."""
    files = [RETAIL / f"{day}.csv" for day in days]
    return [argument for file in files for argument in ("--receipts", file)] if all(file.is_file() for file in files) else []


def measured(folder: Path, kind: str, config: Path, seconds: float = 0.0) -> dict[str, Any]:
    """Run the measured process to its end."""
    script = REPOSITORY / "tests" / "bench" / "measured.py"
    command = [sys.executable, str(script), kind, str(config), str(folder / "state"), str(seconds)]
    ended = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=seconds + 300)
    if ended.returncode:
        sys.exit(ended.stderr)
    return cast("dict[str, Any]", json.loads(ended.stdout.splitlines()[-1]))


def spin() -> float:
    """Seconds that a fixed piece of work takes: what differs between calls is the machine's noise."""
    begun = time.perf_counter()
    digest = b""
    for _ in range(200_000):
        digest = hashlib.sha256(digest).digest()
    return time.perf_counter() - begun


def line(name: str, figure: str, aim: str = "", *, reached: bool | None = None) -> None:
    """Print one figure."""
    verdict = {None: "", True: "ok", False: "short"}[reached]
    sys.stdout.write(f"{name:<44} {figure:>34}   {aim:<12} {verdict}".rstrip() + "\n")
    sys.stdout.flush()


def spread(values: Sequence[float], digits: int) -> str:
    """Return minimum, median and maximum."""
    return " / ".join(f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))


def noise() -> None:
    """How quiet the machine is."""
    times = [spin() for _ in range(5)]
    line("load average of the last minute", f"{os.getloadavg()[0]:.2f} on {os.cpu_count()} processors")
    line("fixed work, seconds (min / median / max)", spread(times, 3), "spread < 10%", reached=max(times) < 1.1 * min(times))


def rate_and_cpu() -> None:
    """(a) receipts a second and (b) CPU for each, limits off, catalogue there; (e) what an unchanged cycle costs."""
    runs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="kassabrug-bench-") as name, vendors(Path(name), *receipts(DAY)) as shop:
            runs.append(measured(Path(name), "day", shop.config))
    rates = [run["receipts"] / run["seconds"] for run in runs]
    each = [1000 * run["cpu"] / run["receipts"] for run in runs]
    line("receipts settled", f"{runs[0]['receipts']}, {runs[0]['requests'] / runs[0]['receipts']:.1f} requests each")
    line("  till and books agree, nothing held", str(all(run["good"] for run in runs)), "True", reached=all(run["good"] for run in runs))
    line("  a second (min / median / max)", spread(rates, 1), ">= 50", reached=statistics.median(rates) >= 50)
    line("  CPU of the daemon each, ms", spread(each, 2), "<= 12", reached=statistics.median(each) <= 12)
    for flow, (requests, writes) in runs[0]["unchanged"].items():
        line(f"unchanged cycle: {flow}", f"{requests} requests, {writes} writes", "0 writes", reached=writes == 0)


def memory() -> None:
    """(d) ``kassabrug run`` over the whole day: catalogue, receipts, stock, web."""
    with tempfile.TemporaryDirectory(prefix="kassabrug-bench-") as name, vendors(Path(name), *receipts(DAY)) as shop:
        listen = tomllib.loads(shop.config.read_text(encoding="utf-8"))["daemon"]["listen"]
        with started(Path(name), "run", "--config", shop.config) as program:
            program.says("started")
            until(lambda: settled(shop.till_ledger(), shop.books_ledger(), listen), within=300, what="all is settled", alive=program)
            resident, highest = kilobytes(program, "VmRSS"), kilobytes(program, "VmHWM")
    line("memory of run, MB now / at most", f"{resident / 1024:.0f} / {highest / 1024:.0f}", "<= 100", reached=highest <= 100 * 1024)


def settled(till: dict[str, Any], books: dict[str, Any], listen: str) -> bool:
    """Whether receipts and catalogue have arrived."""
    counters = ask("GET", f"http://{listen}/metrics")[2].decode()
    open_work = [text for text in counters.splitlines() if text.startswith("kassabrug_queue_records{") and not text.endswith(" 0.0")]
    return len(books["documents"]) == till["receipts"] and till["products"] > 0 and not open_work


def kilobytes(program: Program, name: str) -> int:
    """Read a figure of the process's memory."""
    status = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii")
    return int(next(text for text in status.splitlines() if text.startswith(f"{name}:")).split()[1])


def at_the_limits(seconds: float) -> None:
    """(c) A backlog of receipts against vendors that count: how much of what they allow is used, and how often they refuse."""
    limited = (*receipts(BACKLOG), "--limits", "vendor")
    with tempfile.TemporaryDirectory(prefix="kassabrug-bench-") as name, vendors(Path(name), *limited) as shop:
        found = measured(Path(name), "backlog", shop.config, seconds)
    bound = READS_A_MINUTE * math.ceil(seconds / MINUTE)
    used, refused = found["rows_read"] / bound, found["throttled"] / found["answers"]
    line(f"backlog with the vendors' limits, {seconds:.0f} s", f"{found['receipts']} receipts settled", f"bound {bound}")
    line("  share of the bound that is used", f"{used:.1%}", ">= 90%", reached=used >= 0.9 and found["good"])
    line("  answers that said 429", f"{found['throttled']} of {found['answers']} ({refused:.2%})", "< 0.5%", reached=refused < 0.005)


def main() -> None:
    """Measure one after the other."""
    parser = argparse.ArgumentParser(description="Figures and ratios; takes about four minutes.")
    parser.add_argument("--quick", action="store_true", help="the backlog for 30 seconds instead of two minutes")
    args = parser.parse_args()
    line("receipts", f"the real day {DAY[0]}" if receipts(DAY) else "a made-up day")
    noise()
    rate_and_cpu()
    memory()
    at_the_limits(30.0 if args.quick else 120.0)


if __name__ == "__main__":
    main()
