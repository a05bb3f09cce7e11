"""Things learnt and remembered, as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.state.cipher import place

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


def get(connection: sqlite3.Connection, link: str, name: str) -> str | None:
    """Return a fact, ``None`` when it was never learnt."""
    row = connection.execute("SELECT value FROM fact WHERE link = ? AND name = ?", (link, name)).fetchone()
    return None if row is None else str(row["value"])


def put(connection: sqlite3.Connection, link: str, facts: Mapping[str, str]) -> None:
    """Remember facts in the place of what was known."""
    connection.executemany(
        "INSERT OR REPLACE INTO fact (link, name, value) VALUES (?, ?, ?)", [(link, name, value) for name, value in facts.items()]
    )


def place_of(link: str, name: str) -> bytes:
    """Return where a fact stands that is kept encrypted, for the cipher."""
    return place("fact", "value", link, name)
