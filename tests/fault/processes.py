"""The daemon as a real process, killed with SIGKILL again and again, between two vendors at which everything goes wrong.

``python -m tests.fault.processes --kills 200 --seed 1 --receipts FILE.csv`` prints what happened and whether anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from connectors.sandbox import receipts, shop
from daemon.core.ids import PairId
from daemon.engine.clock import SystemClock
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from daemon.text import ENGLISH
from tests.fault.judge import Verdict, judge
from tests.system.support import Vendors, adapt, ask, started, until, vendors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
KINDS = (
    *("refuse", "reset_before", "reset_after", "slow", "cut_body", "not_json", "status_429", "status_500"),
    *("duplicate_page", "shifted_page", "post_204", "empty_body"),
)
#: how long after a write a listing does not show it, and how much longer the daemon waits before it looks, in seconds
STALE, LAG = 0.3, 0.6
#: one life in so many ends while the process is still starting
EARLY = 8
#: how long nobody listens on a port after a refusal, in seconds
REFUSING = 0.1
#: how long a life may take to make its requests, in seconds: a daemon that backs off makes few
LONGEST = 3.0
#: for so many seconds more nothing may change: the queue is counted every five seconds
CALM = 6
#: how long the last life may take to bring everything in order
SETTLING = 120.0


@dataclass(slots=True)
class Report:
    """What a campaign did, and what was found at its end."""

    seed: int
    receipts: int
    booked: int = 0
    kills: int = 0
    ended_by_itself: list[str] = field(default_factory=list)
    seconds: float = 0.0
    settling: float = 0.0
    ready: list[float] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    open: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def right(self) -> bool:
        """Whether the day ended as it must."""
        return self.verdict is not None and self.verdict.right and not self.open and not self.ended_by_itself

    def lines(self) -> list[str]:
        """Say it."""
        assert self.verdict is not None
        found = self.verdict
        ready = sorted(self.ready)
        fates = ", ".join(f"{kind} {count}" for kind, count in sorted(self.fired.items()))
        booked = f"lost {len(found.lost)}, doubled {len(found.doubled)}, difference {found.difference:.2f}, not paid {found.remaining:.2f}"
        others = f"stock wrong {len(found.stock)}, payments wrong {len(found.payments)}, waiting for a person {len(self.open)}"
        return [
            f"seed {self.seed}: {self.kills} kills, {self.kills + 1} starts, {self.seconds:.0f} s and {self.settling:.0f} s to settle",
            f"ready after {ready[len(ready) // 2]:.2f} s (median of {len(ready)}, worst {ready[-1]:.2f})" if ready else "never ready",
            f"faults {self.fired.total()}: {fates}",
            f"receipts {self.receipts}, documents {found.documents}, of them before the last life {self.booked}, {booked}",
            f"products doubled {found.products}, customers doubled {len(found.customers)}, {others}",
            *(f"ended by itself: {line}" for line in self.ended_by_itself),
            "right" if self.right else f"WRONG: {found} {self.open}",
        ]


def faults_file(folder: Path, rate: float, seed: int) -> Path:
    """Write a faults file with this rate for each kind at both vendors."""
    path = folder / "faults.toml"
    tables = []
    for number, vendor in enumerate(("eaccounting", "salespos")):
        rates = "\n".join(f"{kind} = {rate}" for kind in KINDS)
        more = f"stale_index_seconds = {STALE}\nslow_seconds = 0.3\nrefuse_seconds = {REFUSING}\nseed = {seed + number}\n"
        tables.append(f"[{vendor}]\n{rates}\n{more}")
    path.write_text("\n".join(tables), encoding="utf-8")
    return path


def campaign(folder: Path, *, kills: int, seed: int, day: Path | None = None, rate: float = 0.02, life: float = 60) -> Report:
    """Run a day with so many kills at random moments, ``life`` requests apart on average, then let the daemon settle in peace.

    Requests, not seconds: on a busy machine a life would else end before it did anything.
    """
    random = Random(seed)
    world = receipts.load([day]) if day else shop.generate(seed)
    source = ("--receipts", day) if day else ("--seed", str(seed))
    with vendors(folder, *source, "--faults", faults_file(folder, rate, seed), lag=LAG) as running:
        quicken(running.config, folder / "state")
        report = Report(seed, running.till_ledger()["receipts"])
        began = time.monotonic()
        for _ in range(kills):
            usual = report.ready[-1] if report.ready else 1.0
            early = random.uniform(0, usual) if random.randrange(EARLY) == 0 else None
            one_life(folder, running, report, early=early, more=round(random.expovariate(1 / life)))
        report.seconds = time.monotonic() - began
        patiently(lambda: running.strike(**dict.fromkeys(KINDS, 0), stale_index_seconds=0))
        time.sleep(REFUSING * 2)  # a port that is closed is open again then
        report.fired = fired(running)
        report.booked = len(running.books_ledger()["documents"])
        settle(folder, running, report)
        emails, report.open = anyio.run(inside, folder / "state", running)
        report.verdict = judge(world, running.till_ledger(), running.books_ledger(), emails)
    return report


def quicken(config: Path, state: Path) -> None:
    """Let the flows look often, and try as often as so many faults take."""
    adapt(config, booking="max_attempts = 100", brake="minimum = 100000")
    text = config.read_text(encoding="utf-8")
    text = "\n".join(f'state_dir = "{state}"' if line.startswith("state_dir") else line for line in text.splitlines())
    flows = "\n".join(f"[links.shop.flows.{flow}]\ninterval = {seconds}" for flow, seconds in (("products", 2), ("stock", 2), ("sales", 1)))
    config.write_text(f"{text}\n{flows}\n", encoding="utf-8")


def one_life(folder: Path, running: Vendors, report: Report, *, early: float | None, more: int) -> None:
    """Start the daemon and kill it: ``early`` seconds after its start, or when it has made ``more`` requests since it is ready."""
    born = time.monotonic()
    with started(folder, "run", "--config", running.config) as program:
        if early is not None:
            time.sleep(early)
        else:
            try:
                program.says(r"\bstarted\b", within=30)
            except AssertionError:
                if program.runs:
                    raise
            else:
                report.ready.append(time.monotonic() - born)
                ends = time.monotonic() + LONGEST
                last = asked(running) + more
                while program.runs and asked(running) < last and time.monotonic() < ends:
                    time.sleep(0.01)
        if not program.runs:
            report.ended_by_itself.append(f"exit code {program.process.returncode}: {program.said.strip().splitlines()[-1:]}")
        program.process.kill()
        program.process.wait(10)
        report.kills += 1


def patiently(call: Callable[[], T]) -> T:
    """Call something over a port that may be closed for a while."""
    for _ in range(50):
        with suppress(ConnectionError):
            return call()
        time.sleep(REFUSING / 3)
    return call()


def asked(running: Vendors) -> int:
    """How many requests the books have had."""
    rows = json.loads(patiently(lambda: ask("GET", f"{running.books}/_sandbox/requests"))[2])
    return sum(row["count"] for row in rows)


def fired(running: Vendors) -> Counter[str]:
    """How often which fault struck, at both vendors."""
    counts: Counter[str] = Counter()
    for base in (running.books, running.till):
        counts.update(json.loads(ask("GET", f"{base}/_sandbox/faults")[2]))
    return counts


def settle(folder: Path, running: Vendors, report: Report) -> None:
    """Let the daemon work in peace until nothing is in its queue and both sides agree, and end it as a service manager does."""
    began = time.monotonic()
    listen = tomllib.loads(running.config.read_text(encoding="utf-8"))["daemon"]["listen"]
    calm = 0

    def quiet() -> bool:
        nonlocal calm
        time.sleep(1)
        metrics = ask("GET", f"http://{listen}/metrics")[2].decode()
        waiting = sum(float(number) for number in re.findall(r"(?m)^kassabrug_queue_records\{.*\} (\S+)$", metrics))
        calm = calm + 1 if not waiting and running.in_step() and same_stock(running.till_ledger(), running.books_ledger()) else 0
        return calm > CALM

    with started(folder, "run", "--config", running.config) as program:
        program.says(r"\bstarted\b")
        try:
            until(quiet, within=SETTLING, what="settled", alive=program)
        except AssertionError as error:
            report.ended_by_itself.append(f"the last life: {str(error).splitlines()[0][:300]}")
        report.settling = time.monotonic() - began
        if program.runs:
            program.end()


def same_stock(till: dict[str, Any], books: dict[str, Any]) -> bool:
    """Whether every article is in the till with the stock that the books say."""
    shown = {sku.casefold(): quantity for sku, quantity in till["stock"].items()}
    return all(Decimal(shown.get(sku.casefold()) or "NaN") == Decimal(quantity) for sku, quantity in books["stock"].items())


async def inside(state: Path, running: Vendors) -> tuple[list[str], dict[str, str]]:
    """Return the e-mail addresses of all customers in the books, read with the daemon's own token, and what it still has open."""
    clock = SystemClock()
    store = await open_store(state, clock=clock)
    try:
        tokens = await SqliteTokenStore(store, "books", state, clock=clock).load()
        works = [work for flow in ("sales", "products") for work in await store.open_work(PairId("shop/till"), flow)]
        asked = {f"question {one.key}": ENGLISH(one.text) for one in await store.questions()}
        undecided = [
            intent for link in ("shop/till", "shop") for intent in await store.intents(PairId(link)) if intent.state in {"sent", "unknown"}
        ]
    finally:
        await store.close()
    given = tomllib.loads(await anyio.Path(running.config).read_text())["connections"]["books"]["access_token"]
    token = given if tokens is None else tokens.access_token
    rows = await anyio.to_thread.run_sync(customers, running.books, token)
    open_now = {f"{work.flow} {work.label}": f"{work.state} {work.reason} {ENGLISH(work.detail)}" for work in works}
    return [str(row["EmailAddress"] or "") for row in rows], open_now | asked | {f"intent {one.key}": one.state for one in undecided}


def customers(books: str, token: str) -> list[dict[str, Any]]:
    """Read the customers of the books."""
    rows: list[dict[str, Any]] = []
    while True:
        page = len(rows) // 1000 + 1
        status, _, body = ask("GET", f"{books}/v2/customers?$page={page}&$pagesize=1000", headers={"authorization": f"Bearer {token}"})
        assert status == 200, body
        answer = json.loads(body)
        rows += answer["Data"]
        if len(rows) >= answer["Meta"]["TotalNumberOfResults"]:
            return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign and print its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.processes", description="Kill the daemon through a whole day.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--receipts", type=Path, help="a day of receipts; else a shop is made up from the seed")
    parser.add_argument("--rate", type=float, default=0.02, help="of each kind of fault, a request")
    parser.add_argument("--life", type=float, default=60, help="requests to the books from ready to killed, on average")
    args = parser.parse_args(arguments)
    day = args.receipts.resolve() if args.receipts else None
    with tempfile.TemporaryDirectory() as folder:
        report = campaign(Path(folder), kills=args.kills, seed=args.seed, day=day, rate=args.rate, life=args.life)
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.right else 1


if __name__ == "__main__":
    sys.exit(main())
