"""What is remembered of a flow between its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from daemon.app import Pair
    from daemon.flow_run import Run


@dataclass(slots=True)
class FlowHealth:
    """One flow of one pair, and how it does."""

    pair: Pair
    flow: str
    last_run: Run | None = None
    last_success: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0

    @property
    def name(self) -> str:
        """What the flow is called in alerts and logs."""
        return f"{self.pair.context.pair_id}:{self.flow}"

    def note(self, run: Run, now: datetime) -> None:
        """Take in how a run ended."""
        self.last_run = run
        if run.result == "failure":
            self.failures += 1
            self.failing_since = self.failing_since or now
        else:
            self.failures, self.failing_since = 0, None
            self.last_success = now
