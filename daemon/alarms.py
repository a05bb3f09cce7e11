"""What a person must be told: a flow keeps failing, a connection must be signed in to, records are held; and when it is over."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from daemon.core.life import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from daemon.assembly import House
    from daemon.flowstate import FlowState
    from daemon.observe.alerts import Alerts
    from daemon.settings import AlertsSettings
    from daemon.state.port import Count, Store

_HELD = frozenset({State.HELD, State.DEAD})


def keeps_failing(state: FlowState, settings: AlertsSettings, now: datetime) -> bool:
    """Tell whether a flow has failed often enough and long enough: both, so that a blip wakes nobody."""
    long_enough = state.failing_since is not None and now - state.failing_since >= timedelta(minutes=settings.failing_minutes)
    return state.failures >= settings.failing_runs and long_enough


async def look_after(
    alerts: Alerts,
    store: Store,
    house: House,
    flows: Sequence[FlowState],
    settings: AlertsSettings,
    *,
    now: datetime,
    counts: Sequence[Count],
) -> None:
    """Raise and resolve every alert as things are now."""
    for state in flows:
        fingerprint = f"flow_failing:{state.name}"
        if any(watch.reauth_required for watch in state.pair.watches):
            # one cause, one alert: a flow keeps failing only if it does so for that long once the sign-in is good again
            state.failing_since = now if state.failures else None
            continue
        if keeps_failing(state, settings, now) and state.last_run is not None:
            since = state.failing_since.isoformat(timespec="minutes") if state.failing_since else ""
            body = f"Since {since}, {state.failures} runs: {state.last_run.error}. It is tried again by itself."
            await alerts.raise_alert(fingerprint, f"The flow {state.name} keeps failing", "critical", body)
        elif state.failures == 0 and state.last_run is not None:
            await alerts.resolve(fingerprint)
    for name, watch in house.watches.items():
        fingerprint = f"reauth:{name}"
        if watch.reauth_required:
            body = f"Its flows stand still until then: {watch.cure}."
            await alerts.raise_alert(fingerprint, f"The connection {name} must be signed in to again", "critical", body)
        elif watch.proven:
            await alerts.resolve(fingerprint)
    await _held_records(alerts, store, flows, counts)
    await _stopped_flows(alerts, store)


async def _held_records(alerts: Alerts, store: Store, flows: Sequence[FlowState], counts: Sequence[Count]) -> None:
    held = Counter[tuple[str, str]]()
    for count in counts:
        if count.state in _HELD:
            held[count.link, count.flow] += count.records
    for state in flows:
        scope = state.pair.context.scope
        number = held[scope, state.flow]
        fingerprint = f"held:{state.name}"
        if not number:
            await alerts.resolve(fingerprint)
            continue
        reasons = Counter(work.reason.value for work in await store.open_work(scope, state.flow) if work.state in _HELD)
        shown = ", ".join(f"{reason} {times}" for reason, times in sorted(reasons.items()))
        body = f"{shown}. The others go on. See: kassabrug status, kassabrug why RECORD."
        await alerts.raise_alert(fingerprint, f"{state.name}: {number} record(s) wait for a person", "warning", body)


async def _stopped_flows(alerts: Alerts, store: Store) -> None:
    """Tell of every flow that stopped before a mass change, or because too many of its records failed."""
    asked = {f"stopped:{q.link}:{q.key}": q for q in await store.questions() if q.key.startswith(("brake:", "failing:"))}
    for fingerprint, question in asked.items():
        body = f"{question.text} Answer: kassabrug answer {question.key} continue"
        await alerts.raise_alert(fingerprint, f"{question.link}: the flow {question.flow} stands still", "critical", body)
    for row in await alerts.active():
        if row.fingerprint.startswith("stopped:") and row.fingerprint not in asked:
            await alerts.resolve(row.fingerprint)
