"""Where reading goes on, as SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connectors.port import Cursor
from daemon.state.failures import legible
from daemon.state.values import load, to_optional_moment, to_optional_text

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime


@legible("position")
def get(connection: sqlite3.Connection, link: str, flow: str) -> Cursor:
    """Return the stored position, an empty one when there is none."""
    row = connection.execute("SELECT moment, seen FROM position WHERE link = ? AND flow = ?", (link, flow)).fetchone()
    if row is None:
        return Cursor()
    return Cursor(to_optional_moment(row["moment"]), frozenset((record, version) for record, version in load(row["seen"])))


def scopes(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the link and flow of everything that was ever read."""
    return [(row["link"], row["flow"]) for row in connection.execute("SELECT link, flow FROM position")]


@legible("position")
def newest(connection: sqlite3.Connection) -> datetime | None:
    """Return the newest moment that any flow has read up to."""
    return to_optional_moment(connection.execute("SELECT max(moment) AS newest FROM position").fetchone()["newest"])


def put(connection: sqlite3.Connection, link: str, flow: str, position: Cursor) -> None:
    """Store a position in the place of the one before."""
    connection.execute(
        "INSERT OR REPLACE INTO position (link, flow, moment, seen) VALUES (?, ?, ?, ?)",
        (link, flow, to_optional_text(position.moment), _spelled_out(sorted(position.seen))),
    )


def _spelled_out(seen: list[tuple[str, str]]) -> str:
    # ids as the vendor has them, also half characters, which no column of text takes
    return json.dumps(seen, separators=(",", ":"))
