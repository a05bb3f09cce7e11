"""Lists: the envelope, paging, and the query options (reference: eaccounting.md section 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import ge, gt
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting.odata import Expressions, bad_query
from connectors.sandbox.eaccounting.table import Table, json_bytes
from connectors.sandbox.eaccounting.validate import Stamp, moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_DEFAULT_SIZE: Final = 50
_MAX_SIZE: Final = 1000
_NUMBERS: Final = ("Number", "InvoiceNumber", "CustomerNumber", "SupplierNumber", "Code", "Name")
_KNOWN: Final = frozenset({"$page", "$pagesize", "$filter", "$orderby", "$select"})


def listed(name: str) -> Handler:
    """Return the handler that lists a table."""

    def handler(call: Call) -> bytes:
        return listing(call, name)

    return handler


def one(name: str) -> Handler:
    """Return the handler that answers one record of a table."""

    def handler(call: Call) -> bytes:
        table = call.books.tables[name]
        return table.text(call.row(table))

    return handler


def listing(call: Call, name: str, *, view: str = "", changed_since: str | None = None, only: Callable[[Row], bool] | None = None) -> bytes:
    """Answer a list.  ``changed_since`` names a query parameter that keeps records modified at or after it."""
    return _answer(call, call.books.tables[name], call.books.expressions[name], view=view, changed_since=changed_since, only=only)


def listing_of(call: Call, rows: list[Row]) -> bytes:
    """Answer a list of records that are computed and not kept."""
    books = call.books
    schema = books.schemas(str(call.operation.answer).removeprefix("PaginatedResponseOf"))
    table = Table(schema, key=lambda row: str(id(row)))
    for row in rows:
        table.add(row, _LONG_AGO)
    return _answer(call, table, Expressions(schema, books.schemas, books.switches))


def _answer(
    call: Call,
    table: Table,
    expressions: Expressions,
    *,
    view: str = "",
    changed_since: str | None = None,
    only: Callable[[Row], bool] | None = None,
) -> bytes:
    books, query = call.books, call.query
    number, size = _page(call)
    rows = _matching(call, table, expressions, changed_since)
    if only:
        rows = [row for row in rows if only(row)]
    if "$orderby" in query:
        for field, descending in reversed(expressions.order(query["$orderby"])):
            rows.sort(key=lambda row, field=field: _sortable(row[field]), reverse=descending)  # type: ignore[misc]  # mypy knows no default in a lambda
    elif books.switches.default_order != "created":
        _put_in_default_order(rows, table, books.switches.default_order)
    total = len(rows)
    pages = -(-total // size)
    if number > max(pages, 1) and books.switches.page_past_end == "refused":
        raise bad_query(f"The page {number} does not exist.")
    start = (number - 1) * size
    shown = rows[start : start + size]
    if books.plan and number > 1 and shown:
        if books.plan.fires("duplicate_page"):
            shown = rows[start - 1 : start + size]
        elif books.plan.fires("shifted_page"):
            shown = rows[start + 1 : start + 1 + size]
    if "$select" in query:
        names = expressions.select(query["$select"])
        data = [json_bytes({one: row[one] for one in names}) for row in shown]
    else:
        data = [table.text(row, view) for row in shown]
    meta = (
        f'{{"Meta":{{"CurrentPage":{number},"PageSize":{size},"TotalNumberOfPages":{pages},"TotalNumberOfResults":{total},'
        f'"ServerTimeUtc":"{books.now():%Y-%m-%dT%H:%M:%SZ}"}},"Data":['
    )
    return b"".join((meta.encode(), b",".join(data), b"]}"))


def _page(call: Call) -> tuple[int, int]:
    switches = call.books.switches
    if switches.other_odata_options == "refused":
        for name in call.query:
            if name.startswith("$") and name not in _KNOWN:
                raise bad_query(f"The query option '{name[:60]}' is not supported.")
    number, size = _whole(call, "$page", 1), _whole(call, "$pagesize", _DEFAULT_SIZE)
    if number < 1:
        raise bad_query("$page starts at 1.")
    if not 1 <= size <= _MAX_SIZE:
        if switches.page_size_outside == "refused":
            raise bad_query(f"$pagesize must be between 1 and {_MAX_SIZE}.")
        size = min(max(size, 1), _MAX_SIZE)
    return number, size


def _whole(call: Call, name: str, default: int) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    if not text.lstrip("-").isdecimal() or len(text) > 9:  # noqa: PLR2004 - no list is longer
        raise bad_query(f"The value '{text[:60]}' of {name} is not a number.")
    return int(text)


def _matching(call: Call, table: Table, expressions: Expressions, changed_since: str | None) -> list[Row]:
    rows: list[Row] | None = None
    text = call.query.get("$filter")
    if text:
        condition = expressions.filter(text)
        keys = condition.candidates(table)
        among = table.rows.values() if keys is None else [table.rows[key] for key in sorted(keys, key=table.order.__getitem__)]
        try:
            rows = [row for row in among if condition.matches(row)]
        except TypeError as error:
            raise bad_query("The filter compares what cannot be compared.") from error
    since = call.moment(changed_since) if changed_since else None
    if since is not None:
        reached = ge if call.books.switches.modified_since == "inclusive" else gt
        rows = [row for row in (table.rows.values() if rows is None else rows) if reached(moment(row["ModifiedUtc"]), since)]
    if rows is None:
        return list(table.rows.values())
    return _indexed_already(call.books, table, rows)


def _indexed_already(books: Books, table: Table, rows: list[Row]) -> list[Row]:
    """Leave out what a stale index does not have yet."""
    if not books.plan or not books.plan.stale_index_seconds:
        return rows
    visible = books.now() - timedelta(seconds=books.plan.stale_index_seconds)
    return [row for row in rows if table.born[table.key(row)] <= visible]


def _put_in_default_order(rows: list[Row], table: Table, order: str) -> None:
    """Sort by what the switch says: the record's number or name, or its id."""
    name = next((one for one in _NUMBERS if one in table.schema.fields), None) if order == "number" else None
    rows.sort(key=table.key if name is None else lambda row: _sortable(row[name]))


def _sortable(value: Any) -> tuple[bool, Any]:
    if isinstance(value, Stamp):
        return (True, value.exact)
    if isinstance(value, dict | list):
        raise bad_query("A property that is an object or a list cannot be sorted by.")
    return (value is not None, value.casefold() if isinstance(value, str) else value)
