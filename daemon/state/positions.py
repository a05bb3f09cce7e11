"""Where reading goes on, as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.port import Position
from daemon.state.values import dump, load, to_optional_moment, to_optional_text

if TYPE_CHECKING:
    import sqlite3


def get(connection: sqlite3.Connection, link: str, flow: str) -> Position:
    """Return the stored position, an empty one when there is none."""
    row = connection.execute("SELECT moment, seen FROM position WHERE link = ? AND flow = ?", (link, flow)).fetchone()
    if row is None:
        return Position()
    return Position(to_optional_moment(row["moment"]), frozenset((record, version) for record, version in load(row["seen"])))


def put(connection: sqlite3.Connection, link: str, flow: str, position: Position) -> None:
    """Store a position in the place of the one before."""
    connection.execute(
        "INSERT OR REPLACE INTO position (link, flow, moment, seen) VALUES (?, ?, ?, ?)",
        (link, flow, to_optional_text(position.moment), dump(sorted(position.seen))),
    )
