"""A person is taken out of the state: what stands for him, what is stored of his records, and every text that names him.

Found first, by reading alone, and then removed in one short transaction: a daemon beside it goes on writing meanwhile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.ids import PairId, link_of
from daemon.core.message import decode, encode, mapped
from daemon.core.outcomes import Reason, State
from daemon.state.port import Forgotten, IntentState
from daemon.state.work import place_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable

    from daemon.state.cipher import Cipher

#: what stands where he was named
GONE = "(forgotten)"
#: every column of text in which a vendor's words, or ours, may name somebody; with what identifies the row
TEXTS = (
    ("work", "id", ("detail",)),
    ("activity", "id", ("detail",)),
    ("question", "link || char(31) || key", ("text", "choices", "answer")),
    ("alert", "fingerprint", ("summary",)),
)
_DECIDED = frozenset({IntentState.DONE, IntentState.REFUSED})


@dataclass(frozen=True, slots=True)
class Person:
    """Who is to be forgotten.

    ``pseudonym`` stands for him in bindings and writes (empty where none was ever made), ``address`` names him in texts; ``names`` tells
    what else does, of the payload of a record that is his, and nothing of any other payload.
    """

    pseudonym: str
    address: str
    names: Callable[[bytes], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Found:
    """What the state has of him: ids of work whose payload is his, rows of texts as they will read, and what is in hand just now."""

    payloads: tuple[int, ...]
    texts: tuple[tuple[str, str, str, str, object], ...]
    intents: tuple[tuple[str, str], ...]
    bindings: int
    in_hand: int

    @property
    def nothing(self) -> bool:
        """Whether nothing of him is there."""
        return not (self.payloads or self.texts or self.intents or self.bindings or self.in_hand)


def find(connection: sqlite3.Connection, cipher: Cipher, person: Person) -> Found:
    """Return what there is of him."""
    payloads, in_hand, names = [], 0, {person.address}
    records: set[tuple[str, str]] = set()
    for row in connection.execute("SELECT id, link, flow, record, state, payload FROM work WHERE state <> 'done' AND payload IS NOT NULL"):
        his = person.names(cipher.decrypt(row["payload"], place_of(row)))
        if not his:
            continue
        names |= his
        records.add((row["link"], row["record"]))
        if row["state"] == State.RUNNING:
            in_hand += 1
        else:
            payloads.append(row["id"])
    intents = []
    for row in connection.execute(
        "SELECT link, key, record, state FROM intent WHERE reference = ? AND reference <> ''", (person.pseudonym,)
    ):
        records.add((row["link"], row["record"]))
        if row["state"] in _DECIDED:
            intents.append((row["link"], row["key"]))
        else:
            in_hand += 1
    bindings = connection.execute(
        "SELECT count(*) FROM binding WHERE kind = 'customer' AND source = ? AND source <> ''", (person.pseudonym,)
    ).fetchone()[0]
    return Found(tuple(payloads), tuple(_texts(connection, names, records)), tuple(intents), bindings, in_hand)


def _texts(
    connection: sqlite3.Connection, names: Collection[str], records: Collection[tuple[str, str]]
) -> Iterable[tuple[str, str, str, str, object]]:
    """Find every text that names him: (table, what identifies its rows, column, the text as it will read, the row's)."""
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(name) for name in longest_first), re.IGNORECASE)
    for table, identity, columns in TEXTS:
        for row in connection.execute(f"SELECT *, {identity} AS identity FROM {table}"):  # noqa: S608 - our own names
            # a vendor refuses in words of its own, which may quote any field of his record
            quoted = "record" in row.keys() and row["reason"] == Reason.REJECTED and _of(row["link"], row["record"], records)  # noqa: SIM118
            for column in columns:
                text = row[column]
                if not text:
                    continue
                after = GONE if quoted else encode(mapped(decode(text), lambda value: pattern.sub(GONE, value)))
                if after != text:
                    yield table, identity, column, after, row["identity"]


def _of(owner: str, record: str, records: Collection[tuple[str, str]]) -> bool:
    """Tell whether a record is his; what several tills share is written under the link that they share."""
    return (owner, record) in records or (link_of(PairId(owner)), record) in records


def remove(connection: sqlite3.Connection, person: Person, found: Found) -> Forgotten:
    """Take out what was found; what is in hand stays, for whoever has it would write it back."""
    payloads = connection.executemany(
        "UPDATE work SET payload = x'' WHERE id = ? AND state NOT IN ('running', 'done')", [(work,) for work in found.payloads]
    ).rowcount
    for table, identity, column, after, row in found.texts:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {identity} = ?", (after, row))  # noqa: S608 - our own names
    connection.executemany(
        "DELETE FROM intent WHERE link = ? AND key = ? AND state IN ('done', 'refused')",
        found.intents,
    )
    connection.execute("DELETE FROM binding WHERE kind = 'customer' AND source = ? AND source <> ''", (person.pseudonym,))
    return Forgotten(found.bindings, len(found.intents), max(payloads, 0), len(found.texts), found.in_hand)
