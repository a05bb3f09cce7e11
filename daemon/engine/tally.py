"""What a run did, counted for the table of ``demo`` and the last line of ``sync``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from daemon.core.outcomes import Outcome, Reason

#: the columns of the last line of ``sync --json``
COLUMNS = ("created", "updated", "unchanged", "skipped", "held", "failed")
_COLUMN = {
    Outcome.CREATED: "created",
    Outcome.UPDATED: "updated",
    Outcome.UNCHANGED: "unchanged",
    Outcome.SKIPPED: "skipped",
    Outcome.HELD: "held",
    Outcome.REJECTED: "failed",
}


@dataclass(slots=True)
class Tally:
    """Outcomes by flow, and the reasons of what was skipped or held."""

    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, Reason]] = field(default_factory=Counter)

    def add(self, flow: str, outcome: Outcome, reason: Reason = Reason.NONE, count: int = 1) -> None:
        """Count outcomes."""
        self.outcomes[flow, outcome] += count
        if reason is not Reason.NONE:
            self.reasons[flow, reason] += count

    def row(self, flow: str) -> dict[str, int]:
        """Return one flow's counts by column."""
        counts = dict.fromkeys(COLUMNS, 0)
        for (name, outcome), count in self.outcomes.items():
            if name == flow:
                counts[_COLUMN[outcome]] += count
        return counts

    def total(self, column: str, flows: tuple[str, ...]) -> int:
        """Return one column's sum over some flows."""
        return sum(self.row(flow)[column] for flow in flows)
