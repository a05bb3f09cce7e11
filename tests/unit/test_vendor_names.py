"""The daemon knows connectors by what they offer: no vendor's name stands in it, but where this list says why."""

from __future__ import annotations

import re

from connectors.registry import CONNECTORS
from tests.conftest import REPOSITORY

VENDORS = re.compile("|".join([*CONNECTORS, "visma", "ccv"]), re.IGNORECASE)
ALLOWED = {
    "daemon/cli/main.py": "what the program says it is for, and the options of `sandbox`, which starts both vendors' sandboxes",
    "daemon/cli/sandbox.py": "the same options",
    "daemon/cli/vendors.py": "starts both sandboxes, and writes the configuration that fits them",
    "daemon/text/dutch.py": "words that tell a person in which of the vendor's screens to cure something",
    "daemon/text/english.py": "the same words",
}
SOURCES = sorted(path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "daemon").rglob("*.py"))


def test_no_vendor_stands_in_the_daemon() -> None:
    """Not in a name, a text or a comment: whoever adds a vendor has nothing to look for here."""
    found = [
        f"{source}: {line.strip()}"
        for source in SOURCES
        if source not in ALLOWED
        for line in (REPOSITORY / source).read_text(encoding="utf-8").splitlines()
        if VENDORS.search(line)
    ]
    assert found == []


def test_the_sources_are_found() -> None:
    """A test over nothing proves nothing, and what is allowed is there."""
    assert len(SOURCES) > 80
    assert set(ALLOWED) <= set(SOURCES)
    assert sorted(CONNECTORS) == ["eaccounting", "salespos"]
