"""Bindings, as SQL: which record here is which record there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.state.failures import legible
from daemon.state.port import Binding
from daemon.state.values import dump

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


def put(connection: sqlite3.Connection, bindings: Iterable[Binding]) -> None:
    """Store bindings; each replaces what its source or its target was bound to before."""
    connection.executemany(
        "INSERT OR REPLACE INTO binding (link, kind, source, target, fingerprint, label) VALUES (?, ?, ?, ?, ?, ?)",
        [(one.owner, one.kind, one.source, one.target, one.fingerprint, one.label) for one in bindings],
    )


def find(connection: sqlite3.Connection, link: str, kind: str, sources: Iterable[str] | None) -> dict[str, Binding]:
    """Return bindings by source; all of the kind when ``sources`` is ``None``."""
    if sources is None:
        rows = connection.execute("SELECT * FROM binding WHERE link = ? AND kind = ?", (link, kind))
    else:
        rows = connection.execute(
            "SELECT * FROM binding WHERE link = ? AND kind = ? AND source IN (SELECT value FROM json_each(?))",
            (link, kind, dump(list(sources))),
        )
    return {row["source"]: _read(row) for row in rows}


def holder(connection: sqlite3.Connection, links: Iterable[str], kind: str, target: str) -> Binding | None:
    """Return the binding by which one of these links holds a target, ``None`` when none does."""
    row = connection.execute(
        "SELECT * FROM binding WHERE link IN (SELECT value FROM json_each(?)) AND kind = ? AND target = ?",
        (dump(list(links)), kind, target),
    ).fetchone()
    return None if row is None else _read(row)


def remove(connection: sqlite3.Connection, link: str, kind: str, source: str) -> None:
    """Forget a binding."""
    connection.execute("DELETE FROM binding WHERE link = ? AND kind = ? AND source = ?", (link, kind, source))


@legible("binding")
def _read(row: sqlite3.Row) -> Binding:
    return Binding(row["link"], row["kind"], row["source"], row["target"], row["fingerprint"], row["label"])
