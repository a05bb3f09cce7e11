"""``run`` and ``sync``."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from daemon.cli import show
from daemon.cli.session import configure, owning
from daemon.core.flow_registry import KINDS, TURNS
from daemon.flow_run import FlowRunner
from daemon.observe.alerts import Alerts, apprise_deliver
from daemon.observe.systemd import Notifier
from daemon.state.retention import prune_when_due
from daemon.supervisor import Supervisor
from daemon.sync_until_idle import GaveUp, result, settle_all
from daemon.text import Speaker
from daemon.web.serve import bind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from daemon.cli.session import Session
    from daemon.engine.tally import Tally


async def run(args: argparse.Namespace) -> int:
    """The daemon."""
    settings, metrics = configure(args.config)
    # the state first: a second daemon with this configuration is told who runs, not that a port is taken
    async with owning(settings, metrics, args.state_dir) as session:
        urls = [url.get_secret_value() for url in settings.alerts.urls]
        alerts = Alerts(
            session.shared.store,
            session.shared.clock,
            apprise_deliver(urls, metrics),
            metrics,
            settings.alerts.repeat_hours,
            say=Speaker(settings.daemon.language),
        )
        with bind(*settings.daemon.listen_on) as listening:
            await Supervisor(session.app, session.shared, alerts, Notifier(), session.ownership).run(listening)
    return 0


def chosen_flows(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the flows asked for, in the order in which they build on each other."""
    return tuple(name for name in TURNS if not names or name in names)


async def sync(args: argparse.Namespace) -> int:
    """Every flow until nothing is left to do, then exit."""
    flows = chosen_flows(args.flow)
    settings, metrics = configure(args.config, quiet=True)
    async with owning(settings, metrics, args.state_dir) as session, anyio.create_task_group() as group:
        group.start_soon(stop_on_signal, session.shared.stopping)
        gave_up = await _settle(session, flows, group)
        outcome = await result(session.app)
        await prune_when_due(
            session.shared.store,
            session.shared.clock,
            settled_days=settings.daemon.retention_days,
            activity_days=settings.daemon.activity_days,
        )
        group.cancel_scope.cancel()
    if gave_up:
        show.ERR.print(gave_up)
    if args.json:
        show.json_line(outcome.as_json())
    else:
        show.outcome(outcome)
    return 1 if gave_up or outcome.held or outcome.difference or session.shared.stopping.is_set() else 0


async def _settle(session: Session, flows: Sequence[str], group: TaskGroup) -> str:
    """Run the flows of every pair behind a progress bar; return what could not be done without a person."""
    say = Speaker(session.shared.settings.daemon.language)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[done]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=show.ERR, transient=True) as progress:
        for pair in session.app.pairs:
            bar = progress.add_task(pair.context.pair_id, total=None, done="")
            enabled = [flow for flow in flows if flow in pair.enabled]

            async def count(tally: Tally = pair.context.tally, row: object = bar) -> None:
                while True:
                    progress.update(row, done=_counts(tally))  # type: ignore[arg-type]  # rich's TaskID is an int
                    await anyio.sleep(0.25)

            group.start_soon(count)
            try:
                await settle_all(FlowRunner(pair), enabled, waiting=show.ERR.print, say=say)
            except GaveUp as error:
                return str(error)
    return ""


def _counts(tally: Tally) -> str:
    shown = []
    for flow in KINDS:
        row = tally.row(flow)
        if any(row.values()):
            shown.append(f"{flow} " + " ".join(f"{number} {column}" for column, number in row.items() if number))
    return " · ".join(shown)


async def stop_on_signal(stopping: anyio.Event) -> None:
    """Let what is in hand end on the first SIGTERM or SIGINT."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stopping.set()
