"""Whoever floods the page does not stop the day from being booked."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from tests.system.flood import flood

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(170)]


def test_two_thousand_half_open_connections_and_a_header_without_end_while_a_day_is_booked(tmp_path: Path) -> None:
    """Till and books agree, nothing is held, every probe is answered, memory and log stay small.

    How soon the probes are answered is judged here only by orders of magnitude, for other tests run beside this one; ``make flood``
    measures it.
    """
    figures = flood(tmp_path, connections=2_000, sales=60, megabytes=300)
    assert (figures.in_step, figures.held, figures.booked) == (True, 0, 58 + 30 + 60)
    assert figures.connected >= 2_000
    assert figures.most < 200 * 1_048_576
    assert figures.logged < 200_000
    assert len(figures.answers) > 10
    assert figures.unanswered == 0
    assert statistics.median(figures.answers) < 1
