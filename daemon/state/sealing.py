"""Everything in the database that is encrypted, written anew: when the key is replaced, and when an older version has written it.

Within the transaction of whoever calls: all of it is done, or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.state.cipher import CHECK, CHECK_PLACE, place
from daemon.state.facts import place_of as place_of_fact
from daemon.state.work import place_of as place_of_payload

if TYPE_CHECKING:
    import sqlite3

    from daemon.state.cipher import Cipher

#: the facts that are kept encrypted
SECRET_FACTS: Final = ("salt",)
#: how the tokens of the version before begin
_BEFORE: Final = b"gAAAA"


def key_check(cipher: Cipher) -> str:
    """Return what a key is recognised by."""
    return cipher.encrypt_text(CHECK.decode("ascii"), CHECK_PLACE)


def renew(connection: sqlite3.Connection, cipher: Cipher) -> None:
    """Encrypt everything with the first key of a cipher; raises :class:`StoreError` for what none of its keys opens."""
    payloads = connection.execute("SELECT id, link, flow, record, payload FROM work WHERE payload IS NOT NULL").fetchall()
    connection.executemany(
        "UPDATE work SET payload = ? WHERE id = ?",
        [(_anew(cipher, row["payload"], place_of_payload(row)), row["id"]) for row in payloads],
    )
    tokens = connection.execute("SELECT connection, value FROM token").fetchall()
    connection.executemany(
        "UPDATE token SET value = ? WHERE connection = ?",
        [(_anew(cipher, row["value"], place("token", "value", row["connection"])), row["connection"]) for row in tokens],
    )
    for name in SECRET_FACTS:
        for row in connection.execute("SELECT link, value FROM fact WHERE name = ?", (name,)).fetchall():
            where = place_of_fact(row["link"], name)
            plain = cipher.decrypt_text(row["value"], where)
            connection.execute(
                "UPDATE fact SET value = ? WHERE link = ? AND name = ?", (cipher.encrypt_text(plain, where), row["link"], name)
            )


def bind(connection: sqlite3.Connection, cipher: Cipher) -> None:
    """Encrypt what an older version has kept in plain, and bind everything that is encrypted to its place."""
    for name in SECRET_FACTS:
        for row in connection.execute("SELECT link, value FROM fact WHERE name = ?", (name,)).fetchall():
            sealed = cipher.encrypt_text(row["value"], place_of_fact(row["link"], name))
            connection.execute("UPDATE fact SET value = ? WHERE link = ? AND name = ?", (sealed, row["link"], name))
    renew(connection, cipher)


def _anew(cipher: Cipher, token: bytes, where: bytes) -> bytes:
    plain = cipher.decrypt_before(token) if token.startswith(_BEFORE) else cipher.decrypt(token, where)
    return cipher.encrypt(plain, where)
