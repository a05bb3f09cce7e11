"""Questions, as SQL: what only a person can answer, and which work waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.state.port import Question, WrongAnswer
from daemon.state.values import dump, load, to_moment, to_optional_moment, to_text

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime


def ask(connection: sqlite3.Connection, question: Question, now: datetime) -> Question:
    """Ask a question that was not asked yet, leave alone one that stands (answered or not), and return it as it stands."""
    connection.execute(
        "INSERT INTO question (link, key, flow, text, choices, asked_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (question.link, question.key, question.flow, question.text, dump(question.choices), to_text(question.asked_at or now)),
    )
    standing = get(connection, question.link, question.key)
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
        "UPDATE question SET text = ?, choices = ?, asked_at = ?, answer = NULL, answered_at = NULL"
        " WHERE link = ? AND key = ? AND answer IS NOT NULL",
        (question.text, dump(question.choices), to_text(now), question.link, question.key),
    )


def answer(connection: sqlite3.Connection, link: str, key: str, text: str, now: datetime) -> Question | None:
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
    connection.execute("UPDATE question SET answer = ?, answered_at = ? WHERE link = ? AND key = ?", (given, to_text(now), link, key))
    return get(connection, link, key)


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


def _read(row: sqlite3.Row) -> Question:
    return Question(
        link=row["link"],
        key=row["key"],
        flow=row["flow"],
        text=row["text"],
        choices=tuple(load(row["choices"])),
        asked_at=to_moment(row["asked_at"]),
        answer=row["answer"],
        answered_at=to_optional_moment(row["answered_at"]),
        waiting=row["waiting"],
    )
