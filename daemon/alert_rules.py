"""What a person must be told: a flow keeps failing, a connection must be signed in to, records are held; and when it is over."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from daemon.core.message import message
from daemon.waiting import HELD, RECEIPTS, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from daemon.app import App
    from daemon.core.message import Text
    from daemon.engine.connection_health import ConnectionHealth
    from daemon.flow_health import FlowHealth
    from daemon.observe.alerts import Alerts
    from daemon.settings import AlertsSettings
    from daemon.state.port import Count, Store


def keeps_failing(state: FlowHealth, settings: AlertsSettings, now: datetime) -> bool:
    """Tell whether a flow has failed often enough and long enough: both, so that a blip wakes nobody."""
    long_enough = state.failing_since is not None and now - state.failing_since >= timedelta(minutes=settings.failing_minutes)
    return state.failures >= settings.failing_runs and long_enough


async def look_after(
    alerts: Alerts,
    store: Store,
    app: App,
    flows: Sequence[FlowHealth],
    settings: AlertsSettings,
    *,
    now: datetime,
    counts: Sequence[Count],
) -> None:
    """Raise and resolve every alert as things are now."""
    for state in flows:
        fingerprint = f"flow_failing:{state.name}"
        if any(watch.reauth_required or watch.trouble is not None for watch in state.pair.watches):
            # one cause, one alert: a flow keeps failing only if it does so for that long once the connection is well again
            state.failing_since = now if state.failures else None
            continue
        if keeps_failing(state, settings, now) and state.last_run is not None:
            since = state.failing_since.isoformat(timespec="minutes") if state.failing_since else ""
            body = message("alert.failing_body", since=since, runs=state.failures, error=state.last_run.error)
            await alerts.raise_alert(fingerprint, message("alert.failing", flow=state.name), "critical", body)
        elif state.failures == 0 and state.last_run is not None:
            await alerts.resolve(fingerprint)
    for name, watch in app.watches.items():
        fingerprint = f"reauth:{name}"
        if watch.reauth_required:
            body = message("alert.reauth_body", cure=watch.cure)
            await alerts.raise_alert(fingerprint, message("alert.reauth", name=name), "critical", body)
        elif watch.proven:
            await alerts.resolve(fingerprint)
        await _outage(alerts, watch, settings, now=now, counts=counts)
    await _held_records(alerts, store, flows, counts)
    await _stopped_flows(alerts, store)


async def _outage(alerts: Alerts, watch: ConnectionHealth, settings: AlertsSettings, *, now: datetime, counts: Sequence[Count]) -> None:
    """Tell of a vendor that is away: one alert, however many flows wait for it, and nothing for anybody to do."""
    fingerprint, trouble = f"outage:{watch.name}", watch.trouble
    if trouble is None:
        if watch.last_answer is not None:
            await alerts.resolve(fingerprint)
    elif not watch.reauth_required and now - trouble.since >= timedelta(minutes=settings.failing_minutes):
        found = waiting(counts, RECEIPTS)
        wait: Text = ""
        if found.since is not None:
            wait = message("alert.outage_wait", records=found.records, since=f"{found.since:%Y-%m-%d %H:%M}")
        body = message("alert.outage_body", trouble=trouble.says, since=f"{trouble.since:%Y-%m-%d %H:%M}", wait=wait)
        summary = message("alert.outage_part", name=watch.name) if trouble.where else message("alert.outage", name=watch.name)
        await alerts.raise_alert(fingerprint, summary, "critical", body)


async def _held_records(alerts: Alerts, store: Store, flows: Sequence[FlowHealth], counts: Sequence[Count]) -> None:
    held = Counter[tuple[str, str]]()
    for count in counts:
        if count.state in HELD:
            held[count.pair, count.flow] += count.records
    for state in flows:
        scope = state.pair.context.pair_id
        number = held[scope, state.flow]
        fingerprint = f"held:{state.name}"
        if not number:
            await alerts.resolve(fingerprint)
            continue
        reasons = Counter(work.reason.value for work in await store.open_work(scope, state.flow) if work.state in HELD)
        shown = ", ".join(f"{reason} {times}" for reason, times in sorted(reasons.items()))
        body = message("alert.held_body", reasons=shown)
        await alerts.raise_alert(fingerprint, message("alert.held", flow=state.name, number=number), "warning", body)


async def _stopped_flows(alerts: Alerts, store: Store) -> None:
    """Tell of every flow that stopped before a mass change, or because too many of its records failed."""
    asked = {f"stopped:{q.pair}:{q.key}": q for q in await store.questions() if q.key.startswith(("brake:", "failing:"))}
    for fingerprint, question in asked.items():
        body = message("alert.stopped_body", question=question.text, key=question.key)
        await alerts.raise_alert(fingerprint, message("alert.stopped", link=question.pair, flow=question.flow), "critical", body)
    for row in await alerts.active():
        if row.fingerprint.startswith("stopped:") and row.fingerprint not in asked:
            await alerts.resolve(row.fingerprint)
