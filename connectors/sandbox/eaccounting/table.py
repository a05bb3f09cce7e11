"""Records of one kind: complete objects by id, found by index, written to JSON once for each change."""

from __future__ import annotations

import json
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from connectors.sandbox.eaccounting.validate import Row, Schema


def json_bytes(value: object) -> bytes:
    """Write JSON.  A Decimal becomes the shortest number that reads back as its double, exact up to 15 digits as the vendor's are."""
    return json.dumps(value, default=_number, separators=(",", ":")).encode()


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def folded(value: Any) -> Any:
    """Return what an index keeps of a value: texts without their case."""
    return value.casefold() if isinstance(value, str) else value


class Table:
    """Records in the order of their creation.

    ``indexed`` fields are looked up without a scan.  Records are changed through this class alone, so that index and text follow.
    ``key`` tells what a record is known by; ``views`` are named variations of a record's text.
    """

    def __init__(
        self,
        schema: Schema,
        indexed: Iterable[str] = (),
        *,
        key: Callable[[Row], str] = itemgetter("Id"),
        views: dict[str, Callable[[Row], Row]] | None = None,
    ) -> None:
        self.schema = schema
        self.key = key
        self.rows: dict[str, Row] = {}
        self.born: dict[str, datetime] = {}
        self.order: dict[str, int] = {}
        self.index: dict[str, dict[Any, dict[str, None]]] = {name: {} for name in indexed}
        self._views = views or {}
        self._texts: dict[tuple[str, str], bytes] = {}
        self._made = 0

    def add(self, row: Row, at: datetime) -> Row:
        """Keep a new record, complete and with its key."""
        key = self.key(row)
        self.rows[key] = row
        self.born[key] = at
        self._made += 1
        self.order[key] = self._made
        for name, index in self.index.items():
            index.setdefault(folded(row[name]), {})[key] = None
        return row

    def update(self, row: Row, /, **changes: Any) -> Row:
        """Change fields of a kept record."""
        key = self.key(row)
        for name, index in self.index.items():
            if name in changes and changes[name] != row[name]:
                self._unindex(index, row[name], key)
                index.setdefault(folded(changes[name]), {})[key] = None
        row.update(changes)
        self._forget(key)
        return row

    def remove(self, row: Row) -> None:
        """Drop a record."""
        key = self.key(row)
        del self.rows[key], self.born[key], self.order[key]
        for name, index in self.index.items():
            self._unindex(index, row[name], key)
        self._forget(key)

    def find(self, field: str, value: object) -> list[Row]:
        """Return the records whose indexed ``field`` is ``value``, texts without regard to case."""
        return [self.rows[key] for key in self.index[field].get(folded(value), ())]

    def text(self, row: Row, view: str = "") -> bytes:
        """Return a record as JSON."""
        key = (self.key(row), view)
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = json_bytes(self._views[view](row) if view else row)
        return found

    def _forget(self, key: str) -> None:
        for view in ("", *self._views):
            self._texts.pop((key, view), None)

    @staticmethod
    def _unindex(index: dict[Any, dict[str, None]], value: object, key: str) -> None:
        kept = index[folded(value)]
        kept.pop(key, None)
        if not kept:
            del index[folded(value)]
