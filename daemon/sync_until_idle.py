"""Every flow until nothing is left to do: what ``sync`` and ``demo --once`` are made of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from daemon.core.flow_registry import KINDS, SALES
from daemon.core.outcomes import Reason, State
from daemon.engine.tally import COLUMNS
from daemon.text import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from daemon.app import App
    from daemon.flow_run import FlowRunner, Run
    from daemon.text import Speaker

#: what is worth waiting for; anything else needs a person
_PASSING = frozenset({Reason.UNREACHABLE, Reason.THROTTLED, Reason.TRANSIENT, Reason.ANSWER_LOST})
_WAIT_SECONDS = 5.0
#: so many runs in a row may end with an answer that cannot be understood although the vendor is not away
_UNREADABLE_RUNS = 5
#: how long an outage is waited for before the command ends; what is not done stays where it is, and the next one goes on with it
PATIENCE = 1800.0


class GaveUp(Exception):
    """A flow cannot go on without a person; the text is one line."""


async def settle_all(runner: FlowRunner, flows: Sequence[str], *, waiting: Callable[[str], None], say: Speaker = ENGLISH) -> None:
    """Run the flows in order, again and again, until none has anything due; ``waiting`` is told what is waited for.

    Raises:
        GaveUp: a vendor refuses the whole flow (signed out, no right), which waiting does not cure, or is away for too long.
    """
    context = runner.pair.context
    unreadable, failing_since = 0, None
    while not context.stopping.is_set():
        failed, flow = await _one_round(runner, flows)
        due = [moment for name in flows if (moment := await context.store.next_due(context.pair_id, name)) is not None]
        if failed is None and not due:
            return
        now = context.clock.monotonic()
        failing_since = (now if failing_since is None else failing_since) if failed else None
        unreadable = unreadable + 1 if failed and failed.reason is Reason.UNREADABLE and not context.away else 0
        if failed:
            passing = failed.reason in _PASSING or context.away or 0 < unreadable < _UNREADABLE_RUNS
            if not passing or (failing_since is not None and now - failing_since >= PATIENCE):
                message = f"{context.pair_id}: {flow}: {failed.reason}: {say(runner.away() or failed.error)}"
                raise GaveUp(message)
        seconds = _wait(runner, failed, due)
        for_what = f": {failed.reason} {say(failed.error)}" if failed else " for what was put off"
        waiting(f"waiting {seconds:.0f} s{for_what}")
        await context.rest(seconds)


async def _one_round(runner: FlowRunner, flows: Sequence[str]) -> tuple[Run | None, str]:
    """Run the flows in order up to the first that fails; return how it failed, and which it was."""
    for flow in flows:
        run = await runner.run(flow)
        if run.result == "failure":
            return run, flow
    return None, ""


def _wait(runner: FlowRunner, failed: Run | None, due: Sequence[datetime]) -> float:
    """Return how long until it is worth trying again."""
    context = runner.pair.context
    again = (runner.again_in(failed) or _WAIT_SECONDS) if failed else 0.0
    seconds = max(context.paused_until - context.clock.monotonic(), again)
    if due and failed is None:
        seconds = max(seconds, (min(due) - context.now()).total_seconds(), 0.0)
    return seconds


@dataclass(frozen=True, slots=True)
class Result:
    """What the last line of ``sync --json`` says; amounts in the books' currency."""

    receipts: int
    till: Decimal
    documents: int
    books: Decimal
    held: int
    flows: dict[str, dict[str, int]]

    @property
    def difference(self) -> Decimal:
        """Till less books."""
        return self.till - self.books

    def as_json(self) -> dict[str, Any]:
        """The shape that others rely on."""
        return {
            "till": {"receipts": self.receipts, "gross": f"{self.till:.2f}"},
            "books": {"documents": self.documents, "gross": f"{self.books:.2f}"},
            "difference": f"{self.difference:.2f}",
            "held": self.held,
            "flows": self.flows,
        }


async def result(app: App) -> Result:
    """Sum up: every receipt that this run settled or found settled, and what each flow did."""
    receipts, documents, held = 0, 0, 0
    till, books = Decimal(0), Decimal(0)
    flows = {name: dict.fromkeys(COLUMNS, 0) for name in KINDS}
    for pair in app.pairs:
        context = pair.context
        sums = await context.store.sums(context.pair_id, SALES.name)
        receipts += int(sums["records"])
        till += Decimal(sums["till"])
        books += Decimal(sums["books"])
        documents += int(sums["documents"])
        for name, row in flows.items():
            for column, number in context.tally.row(name).items():
                row[column] += number
    for count in await app.pairs[0].context.store.counts():
        if count.state in {State.HELD, State.DEAD}:
            held += count.records
    return Result(receipts, till, documents, books, held, flows)
