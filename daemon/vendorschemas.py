"""Comparing the vendors' published documents with what the connectors rely on, where there is a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.http import Budgets, HttpClient
from connectors.port import ConnectorError, Unreadable
from connectors.registry import CONNECTORS
from daemon import __version__
from daemon.core.findings import Finding, Problem, Severity
from daemon.core.message import message
from daemon.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.model import Difference
    from daemon.settings import Settings


def addresses(settings: Settings) -> list[str]:
    """Return where the vendors of the configuration publish what their connectors rely on."""
    found = [check.address(own) for own in settings.connections.values() if (check := CONNECTORS[own.kind].schema) is not None]
    return list(dict.fromkeys(found))


async def compare(settings: Settings, given: Sequence[str]) -> list[Finding]:
    """Compare what is published at the ``given`` addresses, or at the vendors' own."""
    clock = SystemClock()
    http = HttpClient("published", clock=clock, budgets=Budgets(clock=clock), user_agent=f"Kassabrug/{__version__}")
    found: list[Finding] = []
    try:
        for address in given or addresses(settings):
            try:
                differences = await _differences(http, address)
            except ConnectorError as error:
                evidence = message("finding.not_compared", error=error)
                found.append(Finding(Severity.WARNING, Problem.VENDOR_SCHEMA, address, evidence, message("cure.give_a_copy")))
            else:
                found += [_finding(address, difference) for difference in differences]
    finally:
        await http.aclose()
    return found


async def _differences(http: HttpClient, address: str) -> Sequence[Difference]:
    for connector in CONNECTORS.values():
        if connector.schema is not None and connector.schema.reads(address):
            return await connector.schema.differences(http, address)
    raise Unreadable("no connector reads what is published there")


def _finding(address: str, difference: Difference) -> Finding:
    severity = Severity.ERROR if difference.breaks else Severity.WARNING
    evidence = message("finding.schema", where=difference.where, what=difference.what)
    return Finding(severity, Problem.VENDOR_SCHEMA, address, evidence, message("cure.newer_version"))
