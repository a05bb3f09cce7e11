"""Questions, as SQL: what only a person can answer, and which work waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.ids import PairId
from daemon.core.message import decode, encode
from daemon.state.failures import legible
from daemon.state.port import AnswerUse, Question, WrongAnswer
from daemon.state.values import dump, load, to_moment, to_optional_moment, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from daemon.state.port import Settlement, Work


def ask(connection: sqlite3.Connection, question: Question, now: datetime) -> Question:
    """Ask a question that was not asked yet, leave alone one that stands (answered or not), and return it as it stands."""
    connection.execute(
        "INSERT INTO question (link, key, flow, text, choices, asked_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (question.pair, question.key, question.flow, encode(question.text), dump(question.choices), to_text(question.asked_at or now)),
    )
    standing = get(connection, question.pair, question.key)
    assert standing is not None  # noqa: S101 - it was written just now; this tells the type checker
    return standing


def get(connection: sqlite3.Connection, link: str, key: str) -> Question | None:
    """Return a question as it stands."""
    row = connection.execute(
        "SELECT question.*, (SELECT count(*) FROM work WHERE work.link = question.link AND work.question = question.key) AS waiting"
        " FROM question WHERE link = ? AND key = ?",
        (link, key),
    ).fetchone()
    return None if row is None else _read(row)


def ask_again(connection: sqlite3.Connection, question: Question, now: datetime) -> None:
    """Ask afresh a question whose answer did not help."""
    connection.execute(
        "UPDATE question SET text = ?, choices = ?, asked_at = ?, answer = NULL, answered_at = NULL, answered_by = ''"
        " WHERE link = ? AND key = ? AND answer IS NOT NULL",
        (encode(question.text), dump(question.choices), to_text(now), question.pair, question.key),
    )


def answer(connection: sqlite3.Connection, link: str, key: str, text: str, now: datetime, *, by: str = "") -> Question | None:
    """Write an answer down, spelled as it is offered; return the question as it stands then, ``None`` when there is none.

    Raises:
        WrongAnswer: answers are offered, and this is none of them.
    """
    asked = get(connection, link, key)
    if asked is None:
        return None
    given = text.strip()
    if asked.choices:
        spelled = next((choice for choice in asked.choices if choice.casefold() == given.casefold()), None)
        if spelled is None:
            raise WrongAnswer(f"{given!r} is no answer to it; expected one of: {', '.join(asked.choices)}")
        given = spelled
    connection.execute(
        "UPDATE question SET answer = ?, answered_at = ?, answered_by = ? WHERE link = ? AND key = ?", (given, to_text(now), by, link, key)
    )
    return get(connection, link, key)


def offer(connection: sqlite3.Connection, link: str, key: str, offers: Sequence[str]) -> None:
    """Write down what there is to answer a question with."""
    connection.execute("UPDATE question SET offers = ? WHERE link = ? AND key = ?", (dump(list(offers)), link, key))


def remove(connection: sqlite3.Connection, link: str, key: str) -> None:
    """Forget a question."""
    connection.execute("DELETE FROM question WHERE link = ? AND key = ?", (link, key))


def find(connection: sqlite3.Connection, *, answered: bool) -> list[Question]:
    """Return the questions with an answer, or those without, oldest first."""
    rows = connection.execute(
        "SELECT question.*, (SELECT count(*) FROM work WHERE work.link = question.link AND work.question = question.key) AS waiting"
        " FROM question WHERE (answer IS NOT NULL) = ? ORDER BY asked_at, link, key",
        (answered,),
    )
    return [_read(row) for row in rows]


def answers(connection: sqlite3.Connection, link: str) -> dict[str, str]:
    """Return the answers of a link by key."""
    return dict(connection.execute("SELECT key, answer FROM question WHERE link = ? AND answer IS NOT NULL", (link,)).fetchall())


@legible("question")
def _read(row: sqlite3.Row) -> Question:
    return Question(
        pair=PairId(row["link"]),
        key=row["key"],
        flow=row["flow"],
        text=decode(row["text"]),
        choices=tuple(load(row["choices"])),
        asked_at=to_moment(row["asked_at"]),
        answer=row["answer"],
        answered_at=to_optional_moment(row["answered_at"]),
        waiting=row["waiting"],
        answered_by=row["answered_by"],
        offers=tuple(load(row["offers"])),
    )


# -- what was done with an answer ---------------------------------------------------------------------------------------------------


def released(connection: sqlite3.Connection, asked: Question, rows: Iterable[sqlite3.Row], now: datetime) -> None:
    """Remember which records went on with an answer."""
    went_on = [AnswerUse(row["flow"], row["record"], row["label"], asked.answer or "", now) for row in rows]
    use(connection, asked.pair, [(asked.key, one) for one in went_on])


def settled(connection: sqlite3.Connection, work: Work, settlement: Settlement, now: datetime) -> None:
    """Remember with which answers a record was settled; those that it only went on with count no longer."""
    connection.execute(
        "DELETE FROM answer_use WHERE record = ? AND flow = ? AND link = ?",
        (work.record, work.flow, work.pair),
    )
    use(connection, work.pair, [(key, AnswerUse(work.flow, work.record, work.label, text, now)) for key, text in settlement.answers])


def use(connection: sqlite3.Connection, link: str, uses: Iterable[tuple[str, AnswerUse]]) -> None:
    """Remember uses of answers, each with the key of its question."""
    connection.executemany(
        "INSERT OR REPLACE INTO answer_use (link, key, flow, record, label, answer, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(link, key, one.flow, one.record, one.label, one.answer, to_text(one.at)) for key, one in uses],
    )


@legible("answer_use")
def uses(connection: sqlite3.Connection, link: str, key: str) -> list[AnswerUse]:
    """Return the settled records in which an answer to this question was used, whichever it was, oldest first."""
    rows = connection.execute(
        "SELECT answer_use.* FROM answer_use JOIN work USING (link, flow, record)"
        " WHERE answer_use.link = ? AND answer_use.key = ? AND work.state = 'done' ORDER BY at, label",
        (link, key),
    )
    return [AnswerUse(row["flow"], row["record"], row["label"], row["answer"], to_moment(row["at"])) for row in rows]


def release_users(connection: sqlite3.Connection, link: str, key: str, now: datetime) -> list[sqlite3.Row]:
    """Queue what went on with an answer and is held or dead since; return its rows."""
    return connection.execute(
        "UPDATE work SET state = 'queued', outcome = NULL, reason = '', detail = '', attempt = 0, question = NULL, not_before = NULL,"
        " updated_at = :now WHERE link = :link AND state IN ('held', 'dead') AND (flow, record) IN"
        " (SELECT flow, record FROM answer_use WHERE link = :link AND key = :key) RETURNING flow, record, label",
        {"link": link, "key": key, "now": to_text(now)},
    ).fetchall()


def prune(connection: sqlite3.Connection, *, limit: int) -> int:
    """Forget what was done with answers in records that are forgotten themselves, at most so many rows; return how many."""
    return connection.execute(
        "DELETE FROM answer_use WHERE (link, key, flow, record) IN (SELECT link, key, flow, record FROM answer_use AS used"
        " WHERE NOT EXISTS (SELECT 1 FROM work WHERE work.record = used.record AND work.flow = used.flow AND work.link = used.link)"
        " LIMIT ?)",
        (limit,),
    ).rowcount
