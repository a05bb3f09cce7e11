"""Starts and stops everything: a loop for each flow, the web, the watchdog, the alerts; ends in order on SIGTERM.

A flow that fails is put off and tried again, and so is what looks after things, whatever fails in it: see :mod:`daemon.engine.last_line`
for the short list of what ends the process, so that the service manager starts it anew.
"""

from __future__ import annotations

import signal
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import structlog

from daemon.alert_rules import look_after
from daemon.core.ids import EVERYBODY
from daemon.core.message import encode
from daemon.core.outside import said
from daemon.engine.last_line import fault_of, survived
from daemon.flow_health import FlowHealth
from daemon.flow_run import FlowRunner
from daemon.health import Health
from daemon.state.backup import FACT as BACKUP_FACT
from daemon.state.retention import prune_when_due
from daemon.waiting import TROUBLE_FACT, waiting
from daemon.web.app import build
from daemon.web.serve import serve

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from daemon.app import App, Shared
    from daemon.observe.alerts import Alerts
    from daemon.observe.systemd import Notifier
    from daemon.state.owner import Ownership

#: how often the watchdog is fed, and gauges and alerts are brought up to date, in seconds
HEARTBEAT = 5.0
#: how often it is asked whether what is old is to be forgotten, in seconds
PRUNE_CHECK = 3600.0
#: a loop that has not ticked for this long is stuck
STUCK_AFTER = timedelta(seconds=60)

_log = structlog.get_logger("kassabrug")


class Supervisor:
    """One process's loops."""

    def __init__(self, app: App, shared: Shared, alerts: Alerts, notifier: Notifier, ownership: Ownership) -> None:
        self._app = app
        self._shared = shared
        self._alerts = alerts
        self._notifier = notifier
        self._ownership = ownership
        self._beat: datetime = shared.clock.now()
        self._remembered: dict[str, str] = {}
        self.flows = [FlowHealth(pair, flow) for pair in app.pairs for flow in pair.enabled]
        for pair in app.pairs:
            for flow, own in pair.settings.flows.by_name().items():
                shared.metrics.flow_configured(flow, own.enabled, own.interval, self._beat, link=pair.context.pair_id)
        self.health = Health(shared, app, self.flows, lambda: shared.clock.now() - self._beat < STUCK_AFTER)

    async def run(self, listening: socket.socket) -> None:
        """Run until SIGTERM or SIGINT; a second signal ends at once what is still in hand."""
        async with anyio.create_task_group() as root:
            app = build(self.health, self._shared.metrics, self._shared.settings.daemon.answers_to)
            url = await root.start(serve, app, listening)
            root.start_soon(self._heart)
            root.start_soon(self._steadily, "looking after", self._look_after, HEARTBEAT)
            root.start_soon(self._steadily, "forgetting", self._forget_what_is_old, PRUNE_CHECK)
            with anyio.CancelScope() as flows_scope:
                root.start_soon(self._signals, flows_scope)
                _log.info("started", address=url, flows=[state.name for state in self.flows])
                self._notifier.ready("running")
                async with anyio.create_task_group() as loops:
                    for state in self.flows:
                        loops.start_soon(self._loop, state)
            root.cancel_scope.cancel()
        _log.info("stopped")

    async def _signals(self, flows_scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                if self._shared.stopping.is_set():
                    flows_scope.cancel()
                    return
                _log.info("stopping", signal=signal.Signals(number).name)
                self._notifier.stopping()
                self._shared.stopping.set()
                # what is in hand gets a while; what is cut off then has its intent on disk, and the next start looks it up
                flows_scope.deadline = anyio.current_time() + self._shared.settings.daemon.shutdown_seconds

    async def _loop(self, state: FlowHealth) -> None:
        """Run one flow until the process stops."""
        runner, stopping, clock = FlowRunner(state.pair), self._shared.stopping, self._shared.clock
        while not stopping.is_set():
            run = await runner.run(state.flow)
            failed_before = state.failures
            state.note(run, clock.now())
            # once on failure, once on recovery: a vendor that is down for a night is not a thousand lines
            if run.result == "failure" and not failed_before:
                _log.warning("failing", flow=state.name, reason=run.reason, error=str(run.error))
            elif failed_before and run.result != "failure":
                _log.info("recovered", flow=state.name, failures=failed_before)
            again = runner.again_in(run) if state.failures else 0.0
            await state.pair.context.rest(await self._rest(state, again))

    async def _rest(self, state: FlowHealth, again: float) -> float:
        """Return how long until the flow looks again: its interval, or sooner when something put off is due."""
        context, interval = state.pair.context, state.pair.interval(state.flow)
        if context.signed_out:
            return min(interval, HEARTBEAT)  # a run asks nobody until somebody has signed in, and that is to be noticed soon
        if again:
            return min(interval, again)  # whoever comes first finds out whether the vendor is back
        due = await context.store.next_due(context.pair_id, state.flow)
        if due is None or state.failures:
            return interval
        return min(interval, max(0.2, (due - context.now()).total_seconds(), context.paused_until - context.clock.monotonic()))

    async def _heart(self) -> None:
        """Show that the loop ticks."""
        while True:
            self._beat = self._shared.clock.now()
            self._notifier.watchdog()
            await self._ownership.heartbeat()
            await self._shared.clock.sleep(min(HEARTBEAT, self._notifier.watchdog_seconds or HEARTBEAT))

    async def _steadily(self, what: str, action: Callable[[], Awaitable[None]], pause: float) -> None:
        """Do something again and again; what fails in it is told once, until it fails otherwise or not at all."""
        told = ""
        while True:
            try:
                await action()
                told = ""
            except Exception as error:  # noqa: BLE001 - nothing that is data ends the process
                fault = fault_of(survived(error))
                if fault.mark != told:
                    _log.error("internal", at=what, **asdict(fault), exc_info=error)
                told = fault.mark
            await self._shared.clock.sleep(pause)

    async def _forget_what_is_old(self) -> None:
        """Once a day; asked often, because a laptop sleeps and a clock may jump."""
        shared = self._shared
        days = shared.settings.daemon
        pruned = await prune_when_due(shared.store, shared.clock, settled_days=days.retention_days, activity_days=days.activity_days)
        if pruned is not None and pruned.total:
            _log.info("pruned", work=pruned.work, intents=pruned.intents, activity=pruned.activity, alerts=pruned.alerts)

    async def _remember_connections(self) -> None:
        """Write down how the connections are, when that has changed, for the commands that read the state only."""
        troubles = {name: watch.trouble for name, watch in self._app.watches.items()}
        now = {
            f"{TROUBLE_FACT}{name}": "" if trouble is None else f"{trouble.since.isoformat()} {encode(said(trouble.says))}"
            for name, trouble in troubles.items()
        }
        changed = {name: text for name, text in now.items() if self._remembered.get(name) != text}
        if changed:
            await self._shared.store.remember(EVERYBODY, changed)
            self._remembered |= changed

    async def _look_after(self) -> None:
        """Keep the gauges and the alerts as things are; telling people may take a while, and holds up nothing else."""
        shared = self._shared
        counts = await shared.store.counts()
        shared.metrics.queue(counts)
        for state in self.flows:
            scope = state.pair.context.pair_id
            shared.metrics.waiting_since(state.flow, waiting(counts, state.flow, scope).since, link=scope)
        await self._remember_connections()
        shared.metrics.state_size(await shared.store.size())
        shared.metrics.state_restored(shared.store.restored)
        if (backed_up := await shared.store.fact(EVERYBODY, BACKUP_FACT)) is not None:  # another process wrote that down
            shared.metrics.backed_up(datetime.fromisoformat(backed_up))
        await look_after(
            self._alerts,
            shared.store,
            self._app,
            self.flows,
            shared.settings.alerts,
            now=shared.clock.now(),
            counts=counts,
        )
