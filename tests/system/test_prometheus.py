"""The alert rules, judged by promtool, and held against the metrics that really exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.registry import CONNECTORS
from daemon.core.outcomes import Outcome
from daemon.observe.metrics import Metrics

FOLDER = Path(__file__).resolve().parents[2] / "config" / "prometheus"
RULES = FOLDER / "kassabrug.rules.yml"
TESTS = FOLDER / "kassabrug.rules.test.yml"
NOON = datetime(2026, 5, 12, 12, tzinfo=UTC)


@pytest.fixture
def promtool() -> str:
    """promtool; without it these tests are left out, in CI they fail."""
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is not installed")
        pytest.skip("promtool is not installed")
    return found


def run(*command: str | Path, stdin: bytes = b"") -> tuple[int, str]:
    """Run a command and return its status and what it said."""
    result = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=50)
    return result.returncode, (result.stdout + result.stderr).decode()


@pytest.mark.system
@pytest.mark.parametrize(
    "command",
    [("check", "rules", RULES), ("test", "rules", TESTS), ("check", "config", FOLDER / "scrape.example.yml")],
    ids=["rules", "tests", "scrape"],
)
def test_promtool_accepts_what_is_shipped(promtool: str, command: tuple[str | Path, ...]) -> None:
    """Syntax, behaviour and the scrape example."""
    status, text = run(promtool, *command)
    assert status == 0, text
    assert "SUCCESS" in text


def filled() -> Metrics:
    """Metrics in which every family has a series."""
    metrics = Metrics(sides=CONNECTORS)
    metrics.config_loaded(True, NOON)
    metrics.alert_channel("mailto")
    metrics.flow_configured("sales", True, 5, NOON, link="shop")
    metrics.newest_at_source("sales", NOON, link="shop")
    metrics.settled("sales", NOON, link="shop")
    metrics.stock_drift(0, link="shop")
    metrics.refreshed("eaccounting", "ok", NOON)
    metrics.outcome("sales", Outcome.CREATED)
    return metrics


@pytest.mark.system
def test_promtool_accepts_what_is_served(promtool: str) -> None:
    """Names, units and texts of every metric of ours follow the conventions (the process_* ones are the library's)."""
    status, text = run(promtool, "check", "metrics", stdin=filled().render())
    assert status == 0, text


def test_every_metric_of_the_rules_exists_with_its_labels() -> None:
    """A rule over a metric that nobody exports is silent for ever."""
    series = [line for line in filled().render().decode().splitlines() if not line.startswith("#")]
    served: dict[str, set[str]] = {}
    for line in series:
        name, _, labels = line.rsplit(" ", 1)[0].partition("{")
        served.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    expressions = re.findall(r"(?m)^        expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", RULES.read_text(encoding="utf-8"))
    used = re.findall(r"\b((?:kassabrug|process)_\w+)(?:\{([^}]*)\})?", "\n".join(block or line for block, line in expressions))
    assert len(used) >= 20
    for name, selector in used:
        assert name in served, name
        assert set(re.findall(r"(\w+)=", selector)) - {"job"} <= served[name], f"{name}{{{selector}}}"


def test_the_tests_of_the_rules_use_real_names_and_cover_every_rule() -> None:
    """A rule that no test fires could be wrong for years."""
    served = {line.partition("{")[0].split(" ")[0] for line in filled().render().decode().splitlines() if not line.startswith("#")}
    text = TESTS.read_text(encoding="utf-8")
    assert set(re.findall(r"\b(?:kassabrug|process)_\w+", text)) <= served
    rules = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
    assert [name for name in rules if name not in text] == []
