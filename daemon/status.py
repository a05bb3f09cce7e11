"""How things are, for probes, the dashboard and ``kassabrug status``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.life import State
from daemon.state.port import StoreError
from daemon.web.app import Check
from daemon.web.page import ActivityView, ConnectionView, FlowView, HeldView, Overview, QuestionView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from daemon.assembly import House, Shared
    from daemon.engine.watch import ConnectionWatch
    from daemon.flowstate import FlowState
    from daemon.state.port import Count
    from daemon.web.page import Tone

#: a flow is late when it has not succeeded for so many of its intervals, and a little
LATE_INTERVALS = 3
LATE_SECONDS = 300.0
_HELD = frozenset({State.HELD, State.DEAD})
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Health:
    """Implements :class:`daemon.web.app.HealthSource`."""

    shared: Shared
    house: House
    flows: Sequence[FlowState]
    ticking: Callable[[], bool]

    def alive(self) -> bool:
        """Tell whether the loop ticks."""
        return self.ticking()

    async def ready(self) -> Sequence[Check]:
        """The configuration is read when this can be asked; the store must answer, and every connection be signed in."""
        try:
            await self.shared.store.size()
        except StoreError as error:
            return [Check("statedb", "readable", "fail", output=str(error))]
        return [Check("statedb", "readable", "pass"), *(self._signed_in(watch) for watch in self.house.watches.values())]

    async def health(self) -> Sequence[Check]:
        """The state of every connection and flow, and what waits."""
        checks = list(await self.ready())
        checks += [self._answering(watch) for watch in self.house.watches.values()]
        checks += [self._fresh(state) for state in self.flows]
        for count in await self.shared.store.counts():
            if count.state in _HELD:
                output = "records wait for a person"
                checks.append(Check(f"flow-{count.flow}", count.state, "warn", count.records, output=output))
        return checks

    def _signed_in(self, watch: ConnectionWatch) -> Check:
        status = "fail" if watch.reauth_required else "pass"
        return Check(f"connection-{watch.name}", "signedIn", status, output=watch.cure)  # type: ignore[arg-type]  # one of the literals

    def _answering(self, watch: ConnectionWatch) -> Check:
        seconds = None if watch.last_seconds is None else round(watch.last_seconds, 3)
        status = "warn" if watch.failing_since or watch.last_answer is None else "pass"
        output = "does not answer" if watch.failing_since else "has not answered yet"
        return Check(watch.name, "responseTime", status, seconds, "s", output, time=watch.last_answer)  # type: ignore[arg-type]  # as above

    def _late(self, state: FlowState) -> bool:
        if state.last_success is None:
            return state.failures > 0
        allowed = LATE_INTERVALS * state.pair.interval(state.flow) + LATE_SECONDS
        return (self.shared.clock.now() - state.last_success).total_seconds() > allowed

    def _fresh(self, state: FlowState) -> Check:
        value = None if state.last_success is None else state.last_success.isoformat()
        status = "fail" if self._late(state) and state.last_success is not None else "warn" if state.failures else "pass"
        output = state.last_run.error if state.last_run is not None else ""
        return Check(f"flow-{state.flow}", "lastSuccess", status, value, output=output)  # type: ignore[arg-type]  # as above

    # -- the dashboard ----------------------------------------------------------------------------------------------------------
    async def overview(self) -> Overview:
        """Everything on the dashboard."""
        store = self.shared.store
        counts = await store.counts()
        held = [work for state in self.flows for work in await store.open_work(state.pair.context.scope, state.flow) if work.state in _HELD]
        questions = await store.questions()
        alerts = [row.summary for row in await store.alerts() if row.resolved_at is None]
        headline, tone = self._headline(len(held), len(questions))
        return Overview(
            self.shared.clock.now(),
            headline,
            tone,
            [self._flow_view(state, counts) for state in self.flows],
            [self._connection_view(watch) for watch in self.house.watches.values()],
            alerts,
            [QuestionView(question.key, question.text, question.choices, question.waiting) for question in questions],
            [HeldView(w.link, w.flow, w.label, w.reason, w.detail, w.updated_at) for w in held[:_SHOWN]],
            len(held),
            [ActivityView(a.at, a.link, a.flow, a.label, a.event, a.detail) for a in await store.activity(limit=_SHOWN)],
        )

    def _headline(self, held: int, questions: int) -> tuple[str, Tone]:
        if any(watch.reauth_required for watch in self.house.watches.values()):
            return "A connection must be signed in to again.", "bad"
        if any(self._late(state) for state in self.flows):
            return "A flow is late.", "bad"
        if held or questions:
            return f"{held} record(s) and {questions} question(s) wait for a person; the others go on.", "warn"
        return "Everything is in step.", "good"

    def _flow_view(self, state: FlowState, counts: Sequence[Count]) -> FlowView:
        scope = state.pair.context.scope
        own = {count.state.value: count.records for count in counts if (count.link, count.flow) == (scope, state.flow)}
        word, tone = self._flow_state(state, own)
        return FlowView(scope, state.flow, word, tone, state.last_success, counts=own)

    def _flow_state(self, state: FlowState, counts: dict[str, int]) -> tuple[str, Tone]:
        if state.last_run is None:
            return "starting", "idle"
        if state.failures:
            return state.last_run.error or "failing", "bad"
        return ("some held", "warn") if counts.get(State.HELD) or counts.get(State.DEAD) else ("up to date", "good")

    def _connection_view(self, watch: ConnectionWatch) -> ConnectionView:
        if watch.reauth_required:
            return ConnectionView(watch.name, watch.side, "must be signed in to again", "bad")
        if watch.failing_since is not None:
            return ConnectionView(watch.name, watch.side, "does not answer", "bad", _since(watch.failing_since))
        if watch.last_answer is None:
            return ConnectionView(watch.name, watch.side, "not asked yet", "idle")
        return ConnectionView(watch.name, watch.side, "answers", "good", _since(watch.last_answer))


def _since(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
