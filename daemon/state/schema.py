"""The schema and its numbered migrations: ``migrations/NNNN_name.sql``, each applied whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from daemon.state.port import StoreError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; ``number`` counts from 1 and is the ``user_version`` afterwards."""

    number: int
    sql: str


def shipped() -> tuple[Migration, ...]:
    """Return the migrations of this version of the program, in order."""
    files = [entry for entry in (resources.files("daemon.state") / "migrations").iterdir() if entry.name.endswith(".sql")]
    return tuple(sorted((Migration(int(file.name[:4]), file.read_text("utf-8")) for file in files), key=lambda step: step.number))


def version(connection: sqlite3.Connection) -> int:
    """Return the number of the last migration applied, 0 for an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def pending(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Return the migrations that the database lacks.

    Raises:
        StoreError: the database was written by a newer version of the program.
    """
    known = migrations[-1].number
    present = version(connection)
    if present > known:
        raise StoreError(
            f"{path}: written by a newer version of Kassabrug (schema {present}, this version knows {known}); "
            "install that version again, or put back the backup made before the upgrade"
        )
    return [step for step in migrations if step.number > present]


def apply(connection: sqlite3.Connection, step: Migration) -> None:
    """Apply one migration in a transaction of its own; raises :class:`sqlite3.Error` and leaves the database as it was."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.number};\nCOMMIT;")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
