"""Anything in any order, a little of it; ``python -m tests.fault.machine`` runs more."""

from __future__ import annotations

import pytest

from tests.fault.machine import run


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """The store is inline here, knowingly; the flow tests watch for blocking calls."""


def test_nothing_is_lost_or_doubled_whatever_happens() -> None:
    """Sales, edits on both sides, faults, crashes, backups and settings in any order, the same in every run of the tests."""
    run(examples=25, steps=25)
