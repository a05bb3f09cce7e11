"""The daemon killed again and again between two failing vendors: a shop's day ends as if nothing had happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fault.processes import campaign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.system
@pytest.mark.timeout(240)
def test_a_day_with_kills_and_faults_ends_equal(tmp_path: Path) -> None:
    """Every receipt booked once and paid once, stock right, no customer and no product twice, nothing left for a person."""
    report = campaign(tmp_path, kills=6, seed=5, life=60)
    said = "\n".join(report.lines())
    assert report.right, said
    assert report.kills == 6
    assert report.fired.total() >= 20, said
    assert report.booked > 0, said
