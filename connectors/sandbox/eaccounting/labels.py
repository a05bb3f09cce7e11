"""Labels of articles and customers: small registers whose records are also shown inside what they are attached to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.errors import invalid_field
from connectors.sandbox.eaccounting.listing import listed, one

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.table import Table
    from connectors.sandbox.eaccounting.validate import Row

#: labels -> (what they are attached to, in which field)
_HOLDERS: Final = {"articlelabels": ("articles", "ArticleLabels"), "customerlabels": ("customers", "CustomerLabels")}


def attached(labels: Table, named: list[Row] | None) -> list[Row]:
    """Return copies of the labels that a body names, by Id or else by name.

    Raises:
        Refusal: code 2000, a label that does not exist.
    """
    found = []
    for label in named or []:
        row = labels.rows.get(label["Id"]) if "Id" in label else next(iter(labels.find("Name", label["Name"])), None)
        if row is None:
            raise invalid_field("Labels", f"There is no label {label['Name']}.")
        found.append(dict(row))
    return found


def _post(name: str) -> Handler:
    def handler(call: Call) -> bytes:
        table = call.books.tables[name]
        return table.text(call.books.add(table, call.body))

    return handler


def _put(name: str) -> Handler:
    def handler(call: Call) -> bytes:
        books, table = call.books, call.books.tables[name]
        row = call.row(table)
        books.change(table, row, books.replacement(table, row, call.body))
        _show(books, name, row["Id"], [dict(row)])
        return table.text(row)

    return handler


def _delete(name: str) -> Handler:
    def handler(call: Call) -> bytes:
        table = call.books.tables[name]
        row = call.row(table)
        table.remove(row)
        _show(call.books, name, row["Id"], [])
        return b""

    return handler


def _show(books: Books, name: str, key: str, instead: list[Row]) -> None:
    """Put ``instead`` wherever the label with this ``key`` is attached."""
    holders, field = books.tables[_HOLDERS[name][0]], _HOLDERS[name][1]
    for holder in holders.rows.values():
        if any(label["Id"] == key for label in holder[field] or ()):
            labels = [new for label in holder[field] for new in (instead if label["Id"] == key else [label])]
            holders.update(holder, **{field: labels})


def _operations(name: str, template: str) -> dict[str, Handler]:
    return {
        f"GET /{name}": listed(name),
        f"POST /{name}": _post(name),
        f"GET /{name}/{template}": one(name),
        f"PUT /{name}/{template}": _put(name),
        f"DELETE /{name}/{template}": _delete(name),
    }


OPERATIONS: Final[dict[str, Handler]] = {
    **_operations("articlelabels", "{articlelabelid}"),
    **_operations("customerlabels", "{customerlabelid}"),
}
