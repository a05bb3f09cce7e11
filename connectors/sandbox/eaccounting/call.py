"""What the handler of an operation is given, and the parameters that it reads from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from connectors.sandbox.eaccounting.errors import Code, Refusal
from connectors.sandbox.eaccounting.odata import bad_query
from connectors.sandbox.eaccounting.validate import identifier, moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import Scope

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.facts import Operation
    from connectors.sandbox.eaccounting.table import Table
    from connectors.sandbox.eaccounting.validate import Row


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed sign-in, limits and the shape of its body.

    ``args`` are the path's parameters in order.
    """

    books: Books
    operation: Operation
    args: tuple[str, ...]
    query: dict[str, str]
    body: Row
    scope: Scope

    @property
    def base(self) -> str:
        """The address of the server, for links in answers."""
        host = next((value.decode("latin-1") for name, value in self.scope["headers"] if name == b"host"), "localhost")
        return f"{self.scope['scheme']}://{host}"

    def row(self, table: Table) -> Row:
        """Return the record that the path names.

        Raises:
            Refusal: code 6001 when it is no GUID, 3000 when there is no such record.
        """
        row = table.rows.get(path_id(self.args[0]))
        if row is None:
            raise not_found(self.operation.path)
        return row

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Read a boolean query parameter."""
        value = self.query.get(name, str(default)).lower()
        if value not in ("true", "false"):
            raise bad_query(f"The value '{value[:60]}' of {name} is not valid.", Code.INVALID_INPUT)
        return value == "true"

    def moment(self, name: str) -> datetime | None:
        """Read a date or moment among the query parameters."""
        value = self.query.get(name)
        try:
            return moment(value) if value else None
        except ValueError as error:
            raise bad_query(f"The value of {name} is not a date.", Code.INVALID_INPUT) from error


Handler: TypeAlias = "Callable[[Call], bytes]"


class File(bytes):
    """An answer that is no JSON."""

    kind: str

    @classmethod
    def of(cls, kind: str, content: bytes) -> File:
        """Return content with its media type."""
        made = cls(content)
        made.kind = kind
        return made


def path_id(text: str) -> str:
    """Return a GUID out of a path.

    Raises:
        Refusal: code 6001.
    """
    try:
        return identifier(text)
    except ValueError as error:
        raise bad_query(str(error), Code.INVALID_INPUT) from error


def not_found(what: str) -> Refusal:
    """Return the refusal of an unknown record."""
    return Refusal(Code.RESOURCE_NOT_FOUND, f"ResourceNotFoundException - The requested resource was not found: {what}.")
