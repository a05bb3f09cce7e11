"""``check``: what is wrong with configuration, sign-in, rights, articles and accounts, and what to do about it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import anyio

from daemon.app import Shared, assemble
from daemon.checks import check as look
from daemon.cli import show
from daemon.cli.session import configure
from daemon.core.findings import Problem, Severity
from daemon.core.message import message
from daemon.engine.clock import SystemClock
from daemon.settings import state_directory
from daemon.state.sqlite import open_store
from daemon.text import Speaker
from daemon.vendorschemas import compare

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from daemon.core.findings import Finding

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_ORDER = tuple(Severity)


async def check(args: argparse.Namespace) -> int:
    """Look at everything; nothing is written at a vendor."""
    settings, metrics = configure(args.config, quiet=True)
    say = Speaker(settings.daemon.language)
    directory = args.state_dir or state_directory(settings)
    clock = SystemClock()
    # not as a reader: a token that has to be renewed for this is lost unless it can be kept
    store = await open_store(directory, clock=clock)
    try:
        shared = Shared(settings, store, directory, clock, metrics, random.Random(), anyio.Event())  # noqa: S311 - jitter only
        async with assemble(shared) as app:
            found = await look(app, shared)
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()
    offline = any(finding.problem is Problem.NETWORK for finding in found)
    if args.vendor_schemas or (args.vendor_schemas is not None and not offline):
        found += await compare(settings, args.vendor_schemas)
    found.sort(key=lambda finding: _ORDER.index(finding.severity))
    good = all(finding.severity is not Severity.ERROR for finding in found)
    if args.json:
        show.json_line({"good": good, "findings": [_as_json(finding, say) for finding in found]})
    else:
        _print(found, say)
    return 0 if good else 1


def _as_json(finding: Finding, say: Speaker) -> dict[str, Any]:
    named = {"severity": finding.severity, "problem": finding.problem, "subject": finding.subject}
    return {**named, "evidence": say(finding.evidence), "cure": say(finding.cure), **show.says(finding.evidence)}


def _print(found: Sequence[Finding], say: Speaker) -> None:
    for finding in found:
        severity = f"{finding.severity:<8}"
        show.OUT.print(severity, style=_COLOURS[finding.severity], end="", markup=False)
        show.OUT.print(say(message("cli.finding", subject=finding.subject, evidence=finding.evidence, cure=finding.cure)), markup=False)
    if not found:
        show.OUT.print(say(message("cli.all_good")))
