"""What commands print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from daemon.core.message import encode
from daemon.core.outside import printable
from daemon.engine.tally import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import JustifyMethod

    from daemon.core.message import Text
    from daemon.sync_until_idle import Result


class Plain(Console):
    """A terminal to which texts are letters: no markup, no emoji names, no control characters, whoever wrote them."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts as they are read; what is drawn (a table, a progress bar) is drawn."""
        shown = [printable(one, lines=True) if isinstance(one, str) else one for one in objects]
        super().print(*shown, **{**options, "markup": False, "emoji": False})


#: results go to standard output, everything else to standard error
OUT = Plain(highlight=False, soft_wrap=True)
ERR = Plain(stderr=True, highlight=False, soft_wrap=True)


def json_line(value: Any) -> None:
    """Print one line of JSON, and see that it leaves at once."""
    # beyond ASCII is spelled out: a terminal would obey some of it, and half a character cannot be written at all
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def says(text: Text) -> dict[str, Any]:
    """Return what is said as data, for whoever reads JSON: its code and values; text from outside has no code."""
    return {"says": None if isinstance(text, str) else json.loads(encode(text))}


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns whose title ends in ``#`` are numbers."""
    drawn = Table(title=RichText(printable(title)), title_justify="left", title_style="bold")
    for column in columns:
        side: JustifyMethod = "right" if column.endswith("#") else "left"
        drawn.add_column(RichText(printable(column.removesuffix("#"))), justify=side, overflow="fold")
    for row in rows:
        drawn.add_row(*(RichText(printable(str(cell))) for cell in row))
    OUT.print(drawn)


def outcome(result: Result) -> None:
    """Print what ``sync`` did."""
    rows = [(name, *(counts[column] for column in COLUMNS)) for name, counts in result.flows.items()]
    table("What was done", ("flow", *(f"{column}#" for column in COLUMNS)), rows)
    OUT.print(f"till   {result.receipts} receipts, {result.till:.2f}")
    OUT.print(f"books  {result.documents} documents, {result.books:.2f}")
    OUT.print(f"difference {result.difference:.2f}, held {result.held}")
