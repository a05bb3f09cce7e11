"""Comparing the vendors' published documents with what the connectors rely on, where there is a network."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.eaccounting import contract as eaccounting
from connectors.http import Budgets, HttpClient
from connectors.port import ConnectorError
from connectors.salespos import contract as salespos
from daemon import __version__
from daemon.core.findings import Finding, Problem, Severity
from daemon.core.message import message
from daemon.engine.clock import SystemClock
from daemon.settings import EAccountingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.model import Difference
    from daemon.settings import Settings


def addresses(settings: Settings) -> list[str]:
    """Return where the vendors of the configuration publish: the API's own host, and the demonstration shop of the till's platform."""
    found = []
    for connection in settings.connections.values():
        if isinstance(connection, EAccountingSettings):
            parts = urlsplit(connection.api)
            found.append(f"{parts.scheme}://{parts.netloc}{eaccounting.PATH}")
        else:
            found.append(salespos.HOST)
    return list(dict.fromkeys(found))


async def compare(settings: Settings, given: Sequence[str]) -> list[Finding]:
    """Compare what is published at the ``given`` addresses, or at the vendors' own: an OpenAPI document ends in ``.json``."""
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
    if urlsplit(address).path.endswith(".json"):
        return eaccounting.differences(await eaccounting.fetch(http, address))
    return await salespos.differences(http, address)


def _finding(address: str, difference: Difference) -> Finding:
    severity = Severity.ERROR if difference.breaks else Severity.WARNING
    evidence = message("finding.schema", where=difference.where, what=difference.what)
    return Finding(severity, Problem.VENDOR_SCHEMA, address, evidence, message("cure.newer_version"))
