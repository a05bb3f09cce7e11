"""What commands print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from daemon.core.message import encode
from daemon.engine.tally import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from daemon.core.message import Text
    from daemon.sync_until_idle import Result

#: results go to standard output, everything else to standard error
OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def json_line(value: Any) -> None:
    """Print one line of JSON, and see that it leaves at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def says(text: Text) -> dict[str, Any]:
    """Return what is said as data, for whoever reads JSON: its code and values; text from outside has no code."""
    return {"says": None if isinstance(text, str) else json.loads(encode(text))}


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns whose title ends in ``#`` are numbers."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column.removesuffix("#"), justify="right" if column.endswith("#") else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(str(cell) for cell in row))
    OUT.print(drawn)


def outcome(result: Result) -> None:
    """Print what ``sync`` did."""
    rows = [(name, *(counts[column] for column in COLUMNS)) for name, counts in result.flows.items()]
    table("What was done", ("flow", *(f"{column}#" for column in COLUMNS)), rows)
    OUT.print(f"till   {result.receipts} receipts, {result.till:.2f}")
    OUT.print(f"books  {result.documents} documents, {result.books:.2f}")
    OUT.print(f"difference {result.difference:.2f}, held {result.held}")
