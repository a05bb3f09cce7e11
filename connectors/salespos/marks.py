"""The page about SalesPOS, made from the dialect's marks.

``python -m connectors.salespos.marks > docs/vendors/salespos.md`` makes it anew; a test compares it with what is committed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.salespos import dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEANING: Final = {
    dialect.Status.EVIDENCE: "Read in the vendor's own or a derived public source about the CCV Shop API, by which SalesPOS is served.",
    dialect.Status.INFERRED: "Follows from such sources, and is not said by them.",
    dialect.Status.ASSUMED: "Nothing was found either way. If the till behaves otherwise, this is what has to be changed.",
}
_HEAD: Final = """# What is believed about CCV SalesPOS

This page is made from `connectors/salespos/dialect.py` (`python -m connectors.salespos.marks`); do not edit it by hand.

SalesPOS has no published specification of its own, and nothing here has ever talked to a real till. Every belief that the connector acts
on stands below with how well it is founded. A name in capitals or with brackets is a constant or a function of the dialect; a name with a
dot is a belief that the translation acts on. The sandbox makes its own assumptions (`connectors/sandbox/salespos/assumptions.py`), written
separately; that both agree is no proof that a real till does.
"""


def page() -> str:
    """Return the page as Markdown."""
    counts = Counter(mark.status for mark in dialect.MARKS.values())
    told = ", ".join(f"{counts[status]} {status}" for status in dialect.Status)
    parts = [_HEAD, f"{len(dialect.MARKS)} beliefs: {told}.\n"]
    for status in dialect.Status:
        parts.append(f"## {status.capitalize()}\n\n{_MEANING[status]}\n")
        parts.append("| belief | value | what it says | source |\n|---|---|---|---|")
        parts += [*_rows(status), ""]
    return "\n".join(parts).rstrip() + "\n"


def _rows(status: dialect.Status) -> Iterator[str]:
    for name, mark in dialect.MARKS.items():
        if mark.status is status:
            value = getattr(dialect, name, None)
            shown = f"`{name}()`" if callable(value) else f"`{name}`"
            cells = (shown, "" if callable(value) else _shown(value), mark.text, mark.source)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(value: Any) -> str:
    """Return a constant as a reader wants to see it."""
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {one}" for name, one in value.items())
    if isinstance(value, AbstractSet):
        return ", ".join(sorted(map(str, value)))
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
