"""Work, as SQL: every change of state that :data:`daemon.core.outcomes.TRANSITIONS` allows, and no other.

A change that starts from ``running`` names the record and asks that it is still running; when it is not, somebody else has it,
and the store says so rather than write over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.ids import PairId
from daemon.core.message import decode, encode
from daemon.core.outcomes import CLAIMABLE_STATES, Outcome, Reason, State
from daemon.core.outside import identity, label
from daemon.state.cipher import place
from daemon.state.failures import legible
from daemon.state.port import Count, InHand, StoreError, Work
from daemon.state.values import dump, to_cents, to_moment, to_optional_moment, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from daemon.core.message import Text
    from daemon.state.cipher import Cipher
    from daemon.state.port import NewWork, Settlement


def take_in(connection: sqlite3.Connection, cipher: Cipher, link: str, flow: str, works: Iterable[NewWork], *, now: datetime) -> int:
    """Store what was read; return how many records are new or changed.

    Of a record that comes twice the later one counts.  A changed record starts afresh, but if a write of it is uncertain it is
    not due before its time: looked up too early, the write would not be found, and be done again.
    """
    newest = {identity(work.record): work for work in works}
    known = {
        row["record"]: row
        for row in connection.execute(
            "SELECT record, version, state FROM work WHERE link = ? AND flow = ? AND record IN (SELECT value FROM json_each(?))",
            (link, flow, dump(list(newest))),
        )
    }
    new: list[dict[str, object]] = []
    changed: list[dict[str, object]] = []
    in_hand: list[dict[str, object]] = []
    for record, work in newest.items():
        before = known.get(record)
        version = identity(work.version)
        if before is not None and before["version"] == version:
            continue
        values: dict[str, object] = {
            "link": link,
            "flow": flow,
            "record": record,
            "label": label(work.label),
            "version": version,
            "moment": to_text(work.moment),
            "payload": cipher.encrypt(work.payload, _place(link, flow, record)),
            "now": to_text(now),
        }
        (new if before is None else in_hand if before["state"] == State.RUNNING else changed).append(values)
    connection.executemany(
        "INSERT INTO work (link, flow, record, label, version, moment, payload, created_at, updated_at)"
        " VALUES (:link, :flow, :record, :label, :version, :moment, :payload, :now, :now)",
        new,
    )
    connection.executemany(
        "UPDATE work SET again = 1, label = :label, version = :version, moment = :moment, payload = :payload"
        " WHERE link = :link AND flow = :flow AND record = :record AND state = 'running'",
        in_hand,
    )
    connection.executemany(
        "UPDATE work SET state = 'queued', label = :label, version = :version, moment = :moment, payload = :payload,"
        " outcome = NULL, reason = '', detail = '', attempt = 0, question = NULL, updated_at = :now,"
        # a moment that a clock running ahead wrote down is forgotten: with updated_at renewed nobody would see that it was
        " not_before = CASE WHEN state = 'uncertain' AND updated_at <= :now THEN not_before END,"
        " created_at = CASE state WHEN 'done' THEN :now ELSE created_at END"
        " WHERE link = :link AND flow = :flow AND record = :record AND state <> 'running'",
        changed,
    )
    return len(new) + len(changed) + len(in_hand)


def claim(connection: sqlite3.Connection, cipher: Cipher, link: str, flow: str, *, now: datetime, limit: int) -> list[Work]:
    """Mark due work as running and return it, oldest first.

    What was put off at a moment that has not come yet was put off by a clock that has jumped back since, and is due.
    """
    rows = connection.execute(
        "UPDATE work SET state = 'running', updated_at = :now WHERE id IN ("
        "SELECT id FROM work WHERE link = :link AND flow = :flow AND state IN ('queued', 'waiting', 'retrying', 'uncertain')"
        " AND (not_before IS NULL OR not_before <= :now OR updated_at > :now) ORDER BY moment, record LIMIT :limit) RETURNING *",
        {"link": link, "flow": flow, "now": to_text(now), "limit": limit},
    ).fetchall()
    return _read(sorted(rows, key=lambda row: (row["moment"], row["record"])), cipher)


def finish(connection: sqlite3.Connection, work: Work, settlement: Settlement, now: datetime) -> None:
    """Settle running work and forget its payload; queue it anew when it changed meanwhile.

    What the next listing is compared with is the version that the work comes with: that of what was decided on.
    """
    cursor = connection.execute(
        "UPDATE work SET state = CASE again WHEN 0 THEN 'done' ELSE 'queued' END, payload = CASE again WHEN 1 THEN payload END,"
        " outcome = CASE again WHEN 0 THEN :outcome END, reason = CASE again WHEN 0 THEN :reason ELSE '' END,"
        " detail = CASE again WHEN 0 THEN :detail ELSE '' END, attempt = CASE again WHEN 0 THEN attempt ELSE 0 END,"
        " created_at = CASE again WHEN 0 THEN created_at ELSE :now END, not_before = NULL, question = NULL, again = 0,"
        " version = CASE again WHEN 0 THEN :version ELSE version END, till = :till, books = :books, updated_at = :now"
        " WHERE link = :link AND flow = :flow AND record = :record AND state = 'running'",
        {
            **_who(work),
            "version": work.version,
            "outcome": settlement.outcome,
            "reason": settlement.reason,
            "detail": encode(settlement.detail),
            "till": to_cents(settlement.amounts, "till"),
            "books": to_cents(settlement.amounts, "books"),
            "now": to_text(now),
        },
    )
    _was_in_hand(cursor, work)


def defer(
    connection: sqlite3.Connection,
    cipher: Cipher,
    work: Work,
    state: State,
    *,
    not_before: datetime,
    reason: Reason,
    detail: Text,
    attempt: int,
    payload: bytes | None,
    now: datetime,
) -> None:
    """Put running work back for later; what was read meanwhile is newer than a payload given."""
    if state not in CLAIMABLE_STATES:
        raise StoreError(f"work cannot be put back as {state}; please report it")
    cursor = connection.execute(
        "UPDATE work SET state = :state, not_before = :not_before, reason = :reason, detail = :detail, attempt = :attempt,"
        " payload = CASE again WHEN 0 THEN coalesce(:payload, payload) ELSE payload END, outcome = NULL, again = 0, updated_at = :now"
        " WHERE link = :link AND flow = :flow AND record = :record AND state = 'running'",
        {
            **_who(work),
            "state": state,
            "not_before": to_text(not_before),
            "reason": reason,
            "detail": encode(detail),
            "attempt": attempt,
            "payload": None if payload is None else cipher.encrypt(payload, _place(work.pair, work.flow, work.record)),
            "now": to_text(now),
        },
    )
    _was_in_hand(cursor, work)


def hold(
    connection: sqlite3.Connection,
    cipher: Cipher,
    work: Work,
    state: State,
    *,
    outcome: Outcome,
    reason: Reason,
    detail: Text,
    question: str | None,
    payload: bytes | None,
    now: datetime,
) -> None:
    """Hold running work, or declare it dead; queue it anew when it changed meanwhile, for the verdict is about what it was.

    The version that it comes with is kept, as by :func:`finish`.
    """
    if state not in {State.HELD, State.DEAD}:
        raise StoreError(f"work cannot be held as {state}; please report it")
    cursor = connection.execute(
        "UPDATE work SET state = CASE again WHEN 0 THEN :state ELSE 'queued' END, outcome = CASE again WHEN 0 THEN :outcome END,"
        " reason = CASE again WHEN 0 THEN :reason ELSE '' END, detail = CASE again WHEN 0 THEN :detail ELSE '' END,"
        " question = CASE again WHEN 0 THEN :question END, attempt = CASE again WHEN 0 THEN attempt ELSE 0 END,"
        " payload = CASE again WHEN 0 THEN coalesce(:payload, payload) ELSE payload END,"
        " version = CASE again WHEN 0 THEN :version ELSE version END, not_before = NULL, again = 0, updated_at = :now"
        " WHERE link = :link AND flow = :flow AND record = :record AND state = 'running'",
        {
            **_who(work),
            "version": work.version,
            "state": state,
            "outcome": outcome,
            "reason": reason,
            "detail": encode(detail),
            "question": question,
            "payload": None if payload is None else cipher.encrypt(payload, _place(work.pair, work.flow, work.record)),
            "now": to_text(now),
        },
    )
    _was_in_hand(cursor, work)


def resend(connection: sqlite3.Connection, link: str, label_or_record: str, flow: str | None, now: datetime) -> list[sqlite3.Row]:
    """Queue held, dead or done work again from attempt 0; return its rows."""
    return connection.execute(
        "UPDATE work SET state = 'queued', outcome = NULL, reason = '', detail = '', attempt = 0, question = NULL, not_before = NULL,"
        " created_at = CASE state WHEN 'done' THEN :now ELSE created_at END, updated_at = :now"
        " WHERE (label = :name OR record = :name) AND link = :link AND (:flow IS NULL OR flow = :flow)"
        " AND state IN ('held', 'dead', 'done') RETURNING flow, record, label",
        {"link": link, "name": label_or_record, "flow": flow, "now": to_text(now)},
    ).fetchall()


def revive(connection: sqlite3.Connection, link: str, name: str, *, flows: Mapping[str, str], now: datetime) -> list[sqlite3.Row]:
    """Queue what was settled so long ago that only its binding is left; ``flows`` maps kinds of bindings to flows.  Return its rows.

    There is no payload: the record is asked for afresh.
    """
    return connection.execute(
        "INSERT INTO work (link, flow, record, label, version, moment, payload, created_at, updated_at)"
        " SELECT link, flows.value, source, label, '', :now, x'', :now, :now FROM binding"
        " JOIN json_each(:flows) AS flows ON flows.key = binding.kind WHERE link = :link AND (label = :name OR source = :name)"
        " AND NOT EXISTS (SELECT 1 FROM work WHERE work.record = source AND work.flow = flows.value AND work.link = binding.link)"
        " RETURNING flow, record, label",
        {"link": link, "name": name, "flows": dump(dict(flows)), "now": to_text(now)},
    ).fetchall()


def queue_now(connection: sqlite3.Connection, link: str, flow: str, record: str, now: datetime) -> str:
    """Queue unsettled work from attempt 0, due at once; return its label.

    Raises:
        InHand: it is being worked on.
    """
    row = connection.execute(
        "UPDATE work SET state = 'queued', outcome = NULL, reason = '', detail = '', attempt = 0, question = NULL, not_before = NULL,"
        " updated_at = ? WHERE record = ? AND flow = ? AND link = ? AND state NOT IN ('running', 'done') RETURNING label",
        (to_text(now), record, flow, link),
    ).fetchone()
    if row is None:
        raise InHand(f"{link}/{flow}/{record}")
    return str(row["label"])


def release_answered(connection: sqlite3.Connection, link: str, question: str, now: datetime) -> list[sqlite3.Row]:
    """Queue what is held for one question; return its rows."""
    return connection.execute(
        "UPDATE work SET state = 'queued', outcome = NULL, reason = '', detail = '', attempt = 0, question = NULL, not_before = NULL,"
        " updated_at = :now WHERE link = :link AND question = :question AND state = 'held' RETURNING flow, record, label",
        {"link": link, "question": question, "now": to_text(now)},
    ).fetchall()


def release_held(connection: sqlite3.Connection, link: str, reasons: Sequence[Reason], now: datetime) -> list[sqlite3.Row]:
    """Queue what is held for one of these reasons; return its rows."""
    return connection.execute(
        "UPDATE work SET state = 'queued', outcome = NULL, reason = '', detail = '', attempt = 0, question = NULL, not_before = NULL,"
        " updated_at = :now WHERE link = :link AND state = 'held' AND reason IN (SELECT value FROM json_each(:reasons))"
        " RETURNING flow, record, label",
        {"link": link, "reasons": dump([str(reason) for reason in reasons]), "now": to_text(now)},
    ).fetchall()


def release_waiting(connection: sqlite3.Connection, link: str, reason: Reason, now: datetime) -> int:
    """Queue what waits for a reason that is over; return how many."""
    return connection.execute(
        "UPDATE work SET state = 'queued', not_before = NULL, reason = '', detail = '', updated_at = ?"
        # that it is not done is said so that SQLite sees that the index of what is open will do
        " WHERE link = ? AND state <> 'done' AND state = 'waiting' AND reason = ?",
        (to_text(now), link, reason),
    ).rowcount


def recover(connection: sqlite3.Connection, now: datetime) -> int:
    """Queue what is marked as running; return how many."""
    return connection.execute(
        # said twice, so that SQLite sees that the index of what is open will do
        "UPDATE work SET state = 'queued', again = 0, updated_at = ? WHERE state <> 'done' AND state = 'running'",
        (to_text(now),),
    ).rowcount


def get(connection: sqlite3.Connection, cipher: Cipher | None, link: str, flow: str, record: str) -> Work | None:
    """Return one piece of work."""
    rows = connection.execute("SELECT * FROM work WHERE record = ? AND flow = ? AND link = ?", (record, flow, link)).fetchall()
    return next(iter(_read(rows, cipher)), None)


def find(connection: sqlite3.Connection, cipher: Cipher | None, label_or_record: str) -> list[Work]:
    """Return every piece of work with this label or record id."""
    rows = connection.execute(
        "SELECT * FROM work WHERE label = :name OR record = :name ORDER BY link, flow, moment, record", {"name": label_or_record}
    ).fetchall()
    return _read(rows, cipher)


def unsettled(connection: sqlite3.Connection, cipher: Cipher | None, link: str, flow: str) -> list[Work]:
    """Return everything of a flow that is not settled, oldest first."""
    rows = connection.execute(
        "SELECT * FROM work WHERE link = ? AND flow = ? AND state <> 'done' ORDER BY moment, record", (link, flow)
    ).fetchall()
    return _read(rows, cipher)


def next_due(connection: sqlite3.Connection, link: str, flow: str, now: datetime) -> datetime | None:
    """Return when the next claimable piece of work is due; one that is due at once, since when it is."""
    row = connection.execute(
        "SELECT min(CASE WHEN updated_at > :now THEN :now ELSE coalesce(not_before, updated_at) END) AS due FROM work"
        " WHERE link = :link AND flow = :flow AND state IN ('queued', 'waiting', 'retrying', 'uncertain')",
        {"link": link, "flow": flow, "now": to_text(now)},
    ).fetchone()
    return to_optional_moment(row["due"])


@legible("work")
def counts(connection: sqlite3.Connection) -> list[Count]:
    """Return how much is not settled, by link, flow and state."""
    rows = connection.execute(
        "SELECT link, flow, state, count(*) AS records, min(created_at) AS oldest FROM work WHERE state <> 'done'"
        " GROUP BY link, flow, state"
    ).fetchall()
    return [Count(PairId(row["link"]), row["flow"], State(row["state"]), row["records"], to_moment(row["oldest"])) for row in rows]


def sums(connection: sqlite3.Connection, link: str, flow: str) -> tuple[int, int, int, int, int]:
    """Return of the settled records: how many, how many with an amount of the till and of the books, and both sums in cents."""
    row = connection.execute(
        "SELECT count(*), count(till), count(books), coalesce(sum(till), 0), coalesce(sum(books), 0) FROM work"
        " WHERE link = ? AND flow = ? AND state = 'done'",
        (link, flow),
    ).fetchone()
    return tuple(row)


def prune(connection: sqlite3.Connection, link: str, flow: str, before: datetime, limit: int) -> int:
    """Forget at most ``limit`` pieces of work of a flow that were settled earlier, oldest first; return how many."""
    return connection.execute(
        "DELETE FROM work WHERE id IN (SELECT id FROM work WHERE link = ? AND flow = ? AND state = 'done' AND updated_at < ?"
        " ORDER BY updated_at LIMIT ?)",
        (link, flow, to_text(before), limit),
    ).rowcount


def read(rows: Sequence[sqlite3.Row], cipher: Cipher | None) -> list[Work]:
    """Return rows of this table as work; without the key they have no payload."""
    return _read(rows, cipher)


def _place(link: str, flow: str, record: str) -> bytes:
    return place("work", "payload", link, flow, record)


def place_of(row: sqlite3.Row) -> bytes:
    """Return where the payload of a row stands, for the cipher."""
    return _place(row["link"], row["flow"], row["record"])


def _who(work: Work) -> dict[str, object]:
    return {"link": work.pair, "flow": work.flow, "record": work.record}


def _was_in_hand(cursor: sqlite3.Cursor, work: Work) -> None:
    if cursor.rowcount != 1:
        raise StoreError(f"{work.pair}/{work.flow}/{work.label}: work was not in hand; please report it")


@legible("work")
def _read(rows: Sequence[sqlite3.Row], cipher: Cipher | None) -> list[Work]:
    return [
        Work(
            pair=PairId(row["link"]),
            flow=row["flow"],
            record=row["record"],
            label=row["label"],
            version=row["version"],
            moment=to_moment(row["moment"]),
            state=State(row["state"]),
            outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
            reason=Reason(row["reason"]),
            detail=decode(row["detail"]),
            attempt=row["attempt"],
            not_before=to_optional_moment(row["not_before"]),
            payload=None if row["payload"] is None or cipher is None else cipher.decrypt(row["payload"], place_of(row)),
            again=bool(row["again"]),
            created_at=to_moment(row["created_at"]),
            updated_at=to_moment(row["updated_at"]),
        )
        for row in rows
    ]
