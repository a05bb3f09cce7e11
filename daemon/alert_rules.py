"""What a person must be told: a flow keeps failing, a connection must be signed in to, records are held; and when it is over."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from daemon.core.message import Message, message
from daemon.core.outcomes import Reason
from daemon.waiting import HELD, RECEIPTS, waiting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from daemon.app import App
    from daemon.core.message import Text
    from daemon.engine.connection_health import ConnectionHealth
    from daemon.flow_health import FlowHealth
    from daemon.observe.alerts import Alerts
    from daemon.settings import AlertsSettings
    from daemon.state.port import Count, Store, Work

#: how the fingerprint of the alert about a fault of this program begins; its mark follows
FAULT = "fault:"
#: so many records are named in an alert
_NAMED = 5


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
    held = await _held(store, flows, counts)
    await _held_records(alerts, held)
    await _faults(alerts, held)
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


async def _held(store: Store, flows: Sequence[FlowHealth], counts: Sequence[Count]) -> dict[str, list[Work]]:
    """Return what waits for a person, by the name of its flow."""
    some = {(count.pair, count.flow) for count in counts if count.state in HELD}
    held: dict[str, list[Work]] = {}
    for state in flows:
        pair = state.pair.context.pair_id
        works = await store.open_work(pair, state.flow) if (pair, state.flow) in some else ()
        held[state.name] = [work for work in works if work.state in HELD]
    return held


async def _held_records(alerts: Alerts, held: Mapping[str, Sequence[Work]]) -> None:
    """Tell of every flow that has records for a person to decide on."""
    for flow, works in held.items():
        fingerprint = f"held:{flow}"
        reasons = Counter(work.reason.value for work in works if work.reason is not Reason.INTERNAL)
        if not reasons:
            await alerts.resolve(fingerprint)
            continue
        shown = ", ".join(f"{reason} {times}" for reason, times in sorted(reasons.items()))
        summary = message("alert.held", flow=flow, number=reasons.total())
        await alerts.raise_alert(fingerprint, summary, "warning", message("alert.held_body", reasons=shown))


async def _faults(alerts: Alerts, held: Mapping[str, Sequence[Work]]) -> None:
    """Tell of every fault of this program that holds records: one alert a cause, however many records of whatever flow it holds."""
    causes: dict[str, list[Work]] = {}
    for work in chain.from_iterable(held.values()):
        if work.reason is Reason.INTERNAL:
            mark = dict(work.detail.values).get("mark", "") if isinstance(work.detail, Message) else ""
            causes.setdefault(f"{FAULT}{mark}", []).append(work)
    for fingerprint, works in causes.items():
        labels = [work.label for work in works[:_NAMED]]
        body = message("alert.fault_body", detail=works[0].detail, records=labels, number=len(works))
        await alerts.raise_alert(fingerprint, message("alert.fault", number=len(works)), "critical", body)
    for row in await alerts.active():
        if row.fingerprint.startswith(FAULT) and row.fingerprint not in causes:
            await alerts.resolve(row.fingerprint)


async def _stopped_flows(alerts: Alerts, store: Store) -> None:
    """Tell of every flow that stopped before a mass change, or because too many of its records failed."""
    asked = {f"stopped:{q.pair}:{q.key}": q for q in await store.questions() if q.key.startswith(("brake:", "failing:"))}
    for fingerprint, question in asked.items():
        body = message("alert.stopped_body", question=question.text, key=question.key)
        await alerts.raise_alert(fingerprint, message("alert.stopped", link=question.pair, flow=question.flow), "critical", body)
    for row in await alerts.active():
        if row.fingerprint.startswith("stopped:") and row.fingerprint not in asked:
            await alerts.resolve(row.fingerprint)
