"""The list of all surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.fuzz.surfaces import answers, files, requests

if TYPE_CHECKING:
    from tests.fuzz.surface import Surface

#: a module of tests/fuzz/surfaces adds its own here
SURFACES: Final[tuple[Surface, ...]] = (*answers.SURFACES, *files.SURFACES, *requests.SURFACES)
