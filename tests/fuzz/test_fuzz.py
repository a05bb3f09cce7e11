"""A slice of ``make fuzz``, the same at every run: what comes in from outside is taken or refused, and nothing else."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.every import SURFACES
from tests.fuzz.fuzzing import fuzz

if TYPE_CHECKING:
    from tests.fuzz.surface import Surface


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
async def test_what_is_spoilt_is_refused_by_name(surface: Surface) -> None:
    """Nothing escapes the taxonomy, takes a second, leaves 20 MB behind, or is taken although it makes no sense."""
    report = await fuzz(surface, 300, Random(f"slice {surface.name}"))
    assert not report.finds, "\n".join(map(str, report.finds.values()))
