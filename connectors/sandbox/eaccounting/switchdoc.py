"""The page that lists every switch of the eAccounting sandbox, made from the switches themselves."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any, Final

from connectors.sandbox.eaccounting.switches import CompanySetup, described
from connectors.sandbox.eaccounting.unknowns import BodyUnknowns, BookingUnknowns, LimitUnknowns, ListUnknowns, RefusalUnknowns

_GROUPS: Final = (
    ("Bodies", BodyUnknowns),
    ("Refusals", RefusalUnknowns),
    ("Lists", ListUnknowns),
    ("Limits and sign-in", LimitUnknowns),
    ("Booking and stock", BookingUnknowns),
    ("The company", CompanySetup),
)
_INTRODUCTION: Final = """# What is not known about eAccounting

This page is made from the switches of the sandbox, `connectors/sandbox/eaccounting/unknowns.py` and `switches.py`
(`python -m connectors.sandbox.eaccounting.switchdoc`); do not edit it by hand.

Nobody outside the vendor knows how the live service behaves in each of these places. The sandbox has a switch for every one: its default
is the likelier side, its alternatives are the others. The tests run the main work (read articles, find and make customers, book, pay,
credit) under every single alternative. *Source* is the place in the reference notes, with their marks: measured by somebody [M],
inferred [I], told by the vendor [V]. A value marked † stops the work on purpose, and under one
marked ‡ the work does not yet go on as it should.
"""


def render() -> str:
    """Return the page as Markdown."""
    about = {one.name: one for one in described()}
    parts = [_INTRODUCTION]
    for title, group in _GROUPS:
        rows = [_row(about[one.name]) for one in fields(group) if one.name in about]
        head = "| switch | what | default | alternatives | source | what the client does |\n|---|---|---|---|---|---|"
        parts.append(f"## {title}\n\n{head}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(one: Any) -> str:
    meta = one.metadata
    others = [_shown(value) for value in meta["alternatives"]] + [f"{_shown(value)} †" for value in meta["stops"]]
    others += [f"{_shown(value)} ‡" for value in meta["owed"]]
    cells = (f"`{one.name}`", meta["what"], _shown(one.default), ", ".join(others), meta["source"], meta["client"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        return "`" + (", ".join(sorted(map(str, value))) or "none") + "`"
    if isinstance(value, tuple):
        if value and isinstance(value[0], tuple):
            return "`" + ", ".join(f"{code}→{status}" for code, status in value) + "`"
        return "`" + ("/".join(map(str, value)) or "none") + "`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(render())
