"""The activity log and the memory of alerts, as SQL: what happened, and who was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.ids import PairId
from daemon.core.message import decode, encode
from daemon.core.outside import label
from daemon.state.failures import legible
from daemon.state.port import Activity, AlertRow
from daemon.state.values import to_moment, to_optional_moment, to_optional_text, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime


def append(connection: sqlite3.Connection, activities: Iterable[Activity]) -> None:
    """Append lines to the activity log."""
    connection.executemany(
        "INSERT INTO activity (at, link, flow, record, label, event, outcome, reason, detail, remote_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                to_text(one.at),
                one.owner,
                one.flow,
                one.record,
                label(one.label),
                one.event,
                one.outcome,
                one.reason,
                encode(one.detail),
                one.remote_id,
            )
            for one in activities
        ],
    )


@legible("activity")
def newest(connection: sqlite3.Connection, name: str | None, limit: int) -> list[Activity]:
    """Return the newest lines first, of one record when its label or id (``name``) is given."""
    if name is None:
        rows = connection.execute("SELECT * FROM activity ORDER BY id DESC LIMIT ?", (limit,))
    else:
        rows = connection.execute(
            "SELECT * FROM activity WHERE label = :name OR record = :name ORDER BY id DESC LIMIT :limit",
            {"name": name, "limit": limit},
        )
    return [
        Activity(
            at=to_moment(row["at"]),
            owner=PairId(row["link"]),
            flow=row["flow"],
            record=row["record"],
            label=row["label"],
            event=row["event"],
            outcome=row["outcome"],
            reason=row["reason"],
            detail=decode(row["detail"]),
            remote_id=row["remote_id"],
        )
        for row in rows
    ]


def prune(connection: sqlite3.Connection, after: int, before: datetime, limit: int) -> tuple[int, int]:
    """Forget what is older of the next ``limit`` lines; return how many, and the line to go on after.

    Lines stand in the order in which they were written, so the first part that has nothing old is the last one worth a look.
    """
    rows = connection.execute("SELECT id, at FROM activity WHERE id > ? ORDER BY id LIMIT ?", (after, limit)).fetchall()
    old = [(row["id"],) for row in rows if row["at"] < to_text(before)]
    connection.executemany("DELETE FROM activity WHERE id = ?", old)
    return len(old), rows[-1]["id"] if rows else after


def prune_alerts(connection: sqlite3.Connection, before: datetime) -> int:
    """Forget alerts that were over earlier; return how many."""
    return connection.execute("DELETE FROM alert WHERE resolved_at < ?", (to_text(before),)).rowcount


@legible("alert")
def alerts(connection: sqlite3.Connection) -> list[AlertRow]:
    """Return the alerts, oldest first."""
    return [
        AlertRow(
            fingerprint=row["fingerprint"],
            first_seen=to_moment(row["first_seen"]),
            last_sent=to_optional_moment(row["last_sent"]),
            resolved_at=to_optional_moment(row["resolved_at"]),
            summary=decode(row["summary"]),
            severity=row["severity"],
        )
        for row in connection.execute("SELECT * FROM alert ORDER BY first_seen, fingerprint")
    ]


def put_alert(connection: sqlite3.Connection, row: AlertRow) -> None:
    """Remember an alert in the place of what was known of it."""
    connection.execute(
        "INSERT OR REPLACE INTO alert (fingerprint, first_seen, last_sent, resolved_at, summary, severity) VALUES (?, ?, ?, ?, ?, ?)",
        (
            row.fingerprint,
            to_text(row.first_seen),
            to_optional_text(row.last_sent),
            to_optional_text(row.resolved_at),
            encode(row.summary),
            row.severity,
        ),
    )
