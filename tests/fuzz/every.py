"""The list of all surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.fuzz.surface import Surface

#: a module of tests/fuzz/surfaces adds its own here
SURFACES: Final[tuple[Surface, ...]] = ()
