"""People at any moment, a little of it; ``python -m tests.fault.people`` runs more, and counts the machines that find a variant out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fault import people
from tests.fault.people_bad import ALL, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """The store is inline here, knowingly; the flow tests watch for blocking calls."""


@pytest.fixture(autouse=True)
def _found_nothing_yet() -> Iterator[None]:
    """What one test finds is not another's."""
    people.FOUND.clear()
    yield
    people.FOUND.clear()


@pytest.mark.timeout(120)
def test_the_books_end_as_the_till_is_whatever_people_do() -> None:
    """Sales, corrections on both sides, outages, kills and settings in any order, the same in every run of the tests."""
    people.run(examples=5, steps=12)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("variant", ALL, ids=[variant.name for variant in ALL])
def test_a_daemon_that_is_wrong_about_people_is_found_out(variant: Variant) -> None:
    """A daemon that is wrong on purpose is found out by one of a few machines; they stop at the first."""
    with variant.applied():
        steps = 3 if variant.name == "outage-attempts" else 8  # each of its steps is a night
        people.run(
            examples=25, steps=steps, chance=4 if variant.name == "no-vat" else 3, goes_on=True, one_is_enough=True, **variant.stage()
        )
    assert people.FOUND
