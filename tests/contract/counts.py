"""What the contracts covered, as one line for each vendor at the end of a test run, also one that ran on several workers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.contract.judge import Verdict

_PROPERTY = "contract"


def record(record_property: Callable[[str, object], None], vendor: str, verdict: Verdict) -> None:
    """Put what a judge saw into the report of the test that asked it."""
    record_property(_PROPERTY, {"vendor": vendor, "operations": sorted(verdict.operations), **_figures(verdict)})


def _figures(verdict: Verdict) -> dict[str, int]:
    return {"requests": verdict.requests, "answers": verdict.answers, "violations": len(verdict.violations)}


def summary(properties: list[dict[str, Any]]) -> list[str]:
    """Return a line for each vendor: operations used, bodies compared, violations found."""
    operations: dict[str, set[str]] = defaultdict(set)
    figures: dict[str, dict[str, int]] = defaultdict(lambda: {"requests": 0, "answers": 0, "violations": 0})
    for one in properties:
        operations[one["vendor"]] |= set(one["operations"])
        for name in figures[one["vendor"]]:
            figures[one["vendor"]][name] += one[name]
    return [
        f"{vendor}: {len(operations[vendor])} operations, {sums['requests']} requests and {sums['answers']} answers "
        f"compared with what is published, {sums['violations']} violations"
        for vendor, sums in sorted(figures.items())
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ()) if one.when == "call"]
    found = [value for one in reports for name, value in one.user_properties if name == _PROPERTY]
    if found:
        terminalreporter.section("contracts")
        for line in summary(found):
            terminalreporter.write_line(line)
