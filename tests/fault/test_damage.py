"""A slice of ``make damage``: each way to spoil a state twice, with the same seed at every run."""

from __future__ import annotations

import pytest

from tests.fault.damage import WAYS, damage

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Not watched here: commands are typed one after the other."""


def test_a_damaged_state_is_told_and_what_is_told_cures_it() -> None:
    """No traceback; whatever a command does not refuse is what was in the state; after what the refusal says, all of it is back."""
    assert damage(2 * len(WAYS), 7) == []
