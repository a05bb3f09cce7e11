"""Projects, and cost centres with their items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal, invalid_field
from connectors.sandbox.eaccounting.listing import listed, one

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row


def _post(call: Call) -> bytes:
    books, table = call.books, call.books.tables["projects"]
    values = {**table.schema.blank(), **call.body}
    values.update(_derived(books, values, None))
    return table.text(books.add(table, values))


def _put(call: Call) -> bytes:
    books, table = call.books, call.books.tables["projects"]
    row = call.row(table)
    values = books.replacement(table, row, call.body)
    values.update(_derived(books, values, row))
    return table.text(books.change(table, row, values))


def _derived(books: Books, values: Row, row: Row | None) -> Row:
    if any(other is not row for other in books.tables["projects"].find("Number", values["Number"])):
        raise _taken(books, f"A project with the number {values['Number']} exists already.")
    if values["EndDate"] and values["EndDate"] < values["StartDate"]:
        raise invalid_field("EndDate", "EndDate must not be before StartDate.")
    customer = books.require(books.customers, values["CustomerId"], "CustomerId") if values["CustomerId"] else None
    return {"CustomerName": customer and customer["Name"]}


def _taken(books: Books, text: str) -> Refusal:
    return Refusal(Code.CONFLICT, f"ConflictException - {text}", status=books.switches.conflict_status)


def _put_center(call: Call) -> bytes:
    books, table = call.books, call.books.tables["costcenters"]
    row = call.row(table)
    return table.text(books.change(table, row, books.replacement(table, row, call.body)))


def _post_item(call: Call) -> bytes:
    books, table = call.books, call.books.tables["costcenteritems"]
    center = books.require(books.tables["costcenters"], call.body["CostCenterId"], "CostCenterId")
    _check_item(books, call.body, None)
    row = books.add(table, {**call.body, "Id": books.new_id()})
    _show(books, center)
    return table.text(row)


def _put_item(call: Call) -> bytes:
    books, table = call.books, call.books.tables["costcenteritems"]
    row = call.row(table)
    if call.body["CostCenterId"] != row["CostCenterId"]:
        raise invalid_field("CostCenterId", "The cost centre of an item cannot be changed.")
    _check_item(books, call.body, row)
    books.change(table, row, books.replacement(table, row, call.body))
    _show(books, books.tables["costcenters"].rows[row["CostCenterId"]])
    return table.text(row)


def _check_item(books: Books, body: Row, row: Row | None) -> None:
    others = books.tables["costcenteritems"].find("CostCenterId", body["CostCenterId"])
    if any(other is not row and other["ShortName"].casefold() == body["ShortName"].casefold() for other in others):
        raise _taken(books, f"An item {body['ShortName']} exists already.")


def _show(books: Books, center: Row) -> None:
    """Put a centre's items as they are now into the centre."""
    items = books.tables["costcenteritems"].find("CostCenterId", center["Id"])
    books.change(books.tables["costcenters"], center, {"Items": [dict(item) for item in items]})


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /projects": listed("projects"),
    "POST /projects": _post,
    "GET /projects/{id}": one("projects"),
    "PUT /projects/{id}": _put,
    "GET /costcenters": listed("costcenters"),
    "PUT /costcenters/{id}": _put_center,
    "GET /costcenteritems/{itemId}": one("costcenteritems"),
    "POST /costcenteritems": _post_item,
    "PUT /costcenteritems/{costCenterItemId}": _put_item,
}
