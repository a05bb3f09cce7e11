"""How things are, for probes, the dashboard and ``kassabrug status``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.message import message
from daemon.core.outcomes import State
from daemon.state.port import StoreError
from daemon.text import Speaker
from daemon.waiting import HELD, RECEIPTS, WAITS_LONG, WAITS_TOO_LONG, Waiting, amount_of, waiting
from daemon.web.app import Check
from daemon.web.page import ActivityView, ConnectionView, FlowView, HeldView, Overview, QuestionView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from daemon.app import App, Shared
    from daemon.core.message import Message, Text
    from daemon.engine.connection_health import ConnectionHealth
    from daemon.flow_health import FlowHealth
    from daemon.state.port import Count, Work
    from daemon.web.app import Status
    from daemon.web.page import Tone

#: a flow is late when it has not succeeded for so many of its intervals, and a little
LATE_INTERVALS = 3
LATE_SECONDS = 300.0
#: a connection that is in trouble for so long is a failure, not a blip (seconds)
AWAY_LONG = 300.0
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Health:
    """Implements :class:`daemon.web.app.HealthSource`."""

    shared: Shared
    app: App
    flows: Sequence[FlowHealth]
    ticking: Callable[[], bool]

    @property
    def _say(self) -> Speaker:
        return Speaker(self.shared.settings.daemon.language)

    def alive(self) -> bool:
        """Tell whether the loop ticks."""
        return self.ticking()

    async def ready(self) -> Sequence[Check]:
        """The configuration is read when this can be asked; the store must answer, and every connection be signed in."""
        try:
            await self.shared.store.size()
        except StoreError as error:
            return [Check("statedb", "readable", "fail", output=str(error))]
        return [Check("statedb", "readable", "pass"), *(self._signed_in(watch) for watch in self.app.watches.values())]

    async def health(self) -> Sequence[Check]:
        """The state of every connection and flow, and what waits."""
        checks = list(await self.ready())
        checks += [self._answering(watch) for watch in self.app.watches.values()]
        checks += [self._fresh(state) for state in self.flows]
        counts = await self.shared.store.counts()
        checks += [self._waiting(flow, counts) for flow in dict.fromkeys(state.flow for state in self.flows)]
        for count in counts:
            if count.state in HELD:
                output = self._say(message("health.held"))
                checks.append(Check(f"flow-{count.flow}", count.state, "warn", count.records, output=output))
        return checks

    def _signed_in(self, watch: ConnectionHealth) -> Check:
        status = "fail" if watch.reauth_required else "pass"
        return Check(f"connection-{watch.name}", "signedIn", status, output=self._say(watch.cure))  # type: ignore[arg-type]  # one of the literals

    def _answering(self, watch: ConnectionHealth) -> Check:
        seconds = None if watch.last_seconds is None else round(watch.last_seconds, 3)
        trouble, output = watch.trouble, self._say(message("health.not_yet"))
        status: Status = "pass" if watch.last_answer is not None else "warn"
        if trouble is not None:
            output = self._say(message("health.trouble", trouble=trouble.says, since=_since(trouble.since)))
            status = "fail" if (self.shared.clock.now() - trouble.since).total_seconds() >= AWAY_LONG else "warn"
        return Check(watch.name, "responseTime", status, seconds, "s", output, time=watch.last_answer)

    def _waiting(self, flow: str, counts: Sequence[Count]) -> Check:
        """The age of the oldest record that is not settled, whatever the runs say."""
        found = waiting(counts, flow)
        seconds = found.seconds(self.shared.clock.now())
        status: Status = "fail" if seconds >= WAITS_TOO_LONG else "warn" if seconds >= WAITS_LONG else "pass"
        output = ""
        if found.since is not None:
            output = self._say(message("health.waits", records=found.records, since=_since(found.since)))
        return Check(f"flow-{flow}", "oldestWaiting", status, round(seconds), "s", output)

    def _late(self, state: FlowHealth) -> bool:
        if state.last_success is None:
            return state.failures > 0
        allowed = LATE_INTERVALS * state.pair.interval(state.flow) + LATE_SECONDS
        return (self.shared.clock.now() - state.last_success).total_seconds() > allowed

    def _fresh(self, state: FlowHealth) -> Check:
        value = None if state.last_success is None else state.last_success.isoformat()
        status = "fail" if self._late(state) and state.last_success is not None else "warn" if state.failures else "pass"
        output = self._say(state.last_run.error) if state.last_run is not None else ""
        return Check(f"flow-{state.flow}", "lastSuccess", status, value, output=output)  # type: ignore[arg-type]  # as above

    # -- the dashboard ----------------------------------------------------------------------------------------------------------
    async def overview(self) -> Overview:
        """Everything on the dashboard."""
        store, say = self.shared.store, self._say
        counts = await store.counts()
        works = [work for state in self.flows for work in await store.open_work(state.pair.context.pair_id, state.flow)]
        held = [work for work in works if work.state in HELD]
        under_way = [work for work in works if work.state not in HELD and work.flow == RECEIPTS]
        questions = await store.questions()
        alerts = [say(row.summary) for row in await store.alerts() if row.resolved_at is None]
        receipts = waiting(counts, RECEIPTS)
        receipts = Waiting(receipts.records, receipts.since, amount_of(under_way))
        headline, tone = self._headline(receipts, len(held), len(questions))
        return Overview(
            self.shared.clock.now(),
            say(headline),
            tone,
            [await self._flow_view(state, counts, works) for state in self.flows],
            [self._connection_view(watch) for watch in self.app.watches.values()],
            alerts,
            [QuestionView(question.key, say(question.text), question.choices, question.waiting) for question in questions],
            [HeldView(w.pair, w.flow, w.label, w.reason, say(w.detail), w.updated_at) for w in held[:_SHOWN]],
            len(held),
            [ActivityView(a.at, a.owner, a.flow, a.label, a.event, say(a.detail)) for a in await store.activity(limit=_SHOWN)],
            say,
        )

    def _headline(self, receipts: Waiting, held: int, questions: int) -> tuple[Message, Tone]:
        now = self.shared.clock.now()
        troubles = [(watch.name, watch.trouble) for watch in self.app.watches.values() if watch.trouble is not None]
        if any(watch.reauth_required for watch in self.app.watches.values()):
            return message("headline.signed_out"), "bad"
        if troubles:
            name, trouble = min(troubles, key=lambda one: one[1].since)
            wait = message("headline.they_wait", waiting=receipts.says) if receipts.records else message("headline.meanwhile")
            return message("headline.trouble", name=name, trouble=trouble.says, since=_since(trouble.since), wait=wait), "bad"
        if receipts.since is not None and (seconds := receipts.seconds(now)) >= WAITS_LONG:
            late = message("headline.waiting", waiting=receipts.says, since=_since(receipts.since))
            return late, "bad" if seconds >= WAITS_TOO_LONG else "warn"
        if any(self._late(state) for state in self.flows):
            return message("headline.late"), "bad"
        if held or questions:
            return message("headline.person", held=held, questions=questions), "warn"
        if any(state.last_run is None for state in self.flows):
            return message("headline.starting"), "idle"
        if any(state.failures for state in self.flows):
            return message("headline.failed"), "warn"
        return (message("headline.booking", waiting=receipts.says), "good") if receipts.records else (message("headline.good"), "good")

    async def _flow_view(self, state: FlowHealth, counts: Sequence[Count], works: Sequence[Work]) -> FlowView:
        scope = state.pair.context.pair_id
        newest = (await self.shared.store.position(scope, state.flow)).moment
        open_since = [one.moment for one in works if (one.pair, one.flow) == (scope, state.flow) and one.state not in HELD]
        settled = min(open_since, default=newest)
        own = {count.state.value: count.records for count in counts if (count.pair, count.flow) == (scope, state.flow)}
        told, tone = self._flow_state(state, own)
        return FlowView(scope, state.flow, self._say(told), tone, state.last_success, newest, settled, own)

    def _flow_state(self, state: FlowHealth, counts: dict[str, int]) -> tuple[Text, Tone]:
        if state.last_run is None:
            return message("flow.starting"), "idle"
        if state.failures:
            return state.last_run.error or message("flow.failing"), "bad"
        held = counts.get(State.HELD) or counts.get(State.DEAD)
        return (message("flow.held"), "warn") if held else (message("flow.good"), "good")

    def _connection_view(self, watch: ConnectionHealth) -> ConnectionView:
        say = self._say
        if watch.reauth_required:
            return ConnectionView(watch.name, watch.side, say(message("connection.signed_out")), "bad")
        if (trouble := watch.trouble) is not None:
            return ConnectionView(watch.name, watch.side, say(trouble.says), "bad", _since(trouble.since))
        if watch.last_answer is None:
            return ConnectionView(watch.name, watch.side, say(message("connection.not_asked")), "idle")
        return ConnectionView(watch.name, watch.side, say(message("connection.answers")), "good", _since(watch.last_answer))


def _since(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
