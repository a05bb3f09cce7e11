"""Intents, as SQL: what is about to be sent, durable before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.ids import PairId
from daemon.state.failures import legible
from daemon.state.port import Intent, IntentState, StoreError
from daemon.state.values import dump, load, to_moment, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from datetime import datetime


def claim(connection: sqlite3.Connection, intent: Intent) -> Intent | None:
    """Insert an intent, or renew one that was refused, and return ``None``; else return the one that stands in the way."""
    cursor = connection.execute(
        "INSERT INTO intent (link, key, flow, record, operation, reference, payload_hash, state, sent_at, remote_id, memo, attempts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (link, key) DO UPDATE SET flow = excluded.flow, record = excluded.record, operation = excluded.operation,"
        " reference = excluded.reference, payload_hash = excluded.payload_hash, state = excluded.state, sent_at = excluded.sent_at,"
        " remote_id = excluded.remote_id, memo = excluded.memo, attempts = intent.attempts + 1 WHERE intent.state = 'refused'",
        (
            intent.owner,
            intent.key,
            intent.flow,
            intent.record,
            intent.operation,
            intent.reference,
            intent.payload_hash,
            intent.state,
            to_text(intent.sent_at),
            intent.remote_id,
            dump(dict(intent.memo)),
            intent.attempts,
        ),
    )
    if cursor.rowcount == 1:
        return None
    return _read(connection.execute("SELECT * FROM intent WHERE link = ? AND key = ?", (intent.owner, intent.key)).fetchone())


def settle(connection: sqlite3.Connection, link: str, key: str, state: str, *, remote_id: str, memo: Mapping[str, str] | None) -> None:
    """Write down what came of an intent; an empty ``remote_id`` and no ``memo`` leave what is known."""
    cursor = connection.execute(
        "UPDATE intent SET state = :state, remote_id = CASE :remote_id WHEN '' THEN remote_id ELSE :remote_id END,"
        " memo = coalesce(:memo, memo) WHERE link = :link AND key = :key",
        {"link": link, "key": key, "state": state, "remote_id": remote_id, "memo": None if memo is None else dump(dict(memo))},
    )
    _exists(cursor, link, key)


def settle_unknown(connection: sqlite3.Connection, links: Sequence[str], record: str, *, happened: bool) -> list[Intent]:
    """Settle a record's intents whose outcome is not known, as a person says; return them as they were."""
    found = [intent for link in dict.fromkeys(links) for intent in find(connection, link, record=record, flow=None, state=None)]
    # done without an id is what a person said before, and may take back
    said = [intent for intent in found if intent.state == IntentState.DONE and not intent.remote_id]
    unknown = [intent for intent in found if intent.state in {IntentState.SENT, IntentState.UNKNOWN}] + said
    for intent in unknown:
        state = IntentState.DONE if happened else IntentState.REFUSED
        settle(connection, intent.owner, intent.key, state, remote_id="", memo=None)
    return unknown


def renew(connection: sqlite3.Connection, link: str, key: str, now: datetime) -> None:
    """Count one more attempt, sent now."""
    cursor = connection.execute(
        "UPDATE intent SET state = 'sent', sent_at = ?, attempts = attempts + 1 WHERE link = ? AND key = ?", (to_text(now), link, key)
    )
    _exists(cursor, link, key)


def get(connection: sqlite3.Connection, link: str, key: str) -> Intent | None:
    """Return one intent."""
    row = connection.execute("SELECT * FROM intent WHERE link = ? AND key = ?", (link, key)).fetchone()
    return None if row is None else _read(row)


def find(connection: sqlite3.Connection, link: str, *, record: str | None, flow: str | None, state: str | None) -> list[Intent]:
    """Return the intents that agree with what is given, in the order in which they were sent."""
    # the plus keeps SQLite from walking through all intents of the link, which is what its primary key would be good for
    query, values = "SELECT * FROM intent WHERE link = ?" if record is None else "SELECT * FROM intent WHERE +link = ?", [link]
    for column, value in (("record", record), ("flow", flow), ("state", state)):
        if value is not None:
            query, values = f"{query} AND {column} = ?", [*values, value]
    return [_read(row) for row in connection.execute(f"{query} ORDER BY sent_at, key", values)]


def prune(connection: sqlite3.Connection, after: tuple[str, str], before: datetime, limit: int) -> tuple[int, tuple[str, str] | None]:
    """Look at the next ``limit`` intents and forget those that are decided, were sent earlier, and whose work is forgotten.

    Returns how many were forgotten, and the link and key to go on after, ``None`` at the end.
    """
    rows = connection.execute(
        "SELECT link, key, sent_at < ? AND state IN ('done', 'refused') AS old FROM intent WHERE (link, key) > (?, ?)"
        " ORDER BY link, key LIMIT ?",
        (to_text(before), *after, limit),
    ).fetchall()
    gone = connection.executemany(
        "DELETE FROM intent WHERE link = ? AND key = ? AND NOT EXISTS ("
        "SELECT 1 FROM work WHERE work.record = intent.record AND work.flow = intent.flow AND work.link = intent.link)",
        [(row["link"], row["key"]) for row in rows if row["old"]],
    ).rowcount
    return max(gone, 0), (rows[-1]["link"], rows[-1]["key"]) if len(rows) == limit else None


def _exists(cursor: sqlite3.Cursor, link: str, key: str) -> None:
    if cursor.rowcount != 1:
        raise StoreError(f"{link}/{key}: there is no such intent; please report it")


@legible("intent")
def _read(row: sqlite3.Row) -> Intent:
    return Intent(
        owner=PairId(row["link"]),
        key=row["key"],
        flow=row["flow"],
        record=row["record"],
        operation=row["operation"],
        reference=row["reference"],
        payload_hash=row["payload_hash"],
        state=row["state"],
        sent_at=to_moment(row["sent_at"]),
        remote_id=row["remote_id"],
        memo=load(row["memo"]),
        attempts=row["attempts"],
    )
