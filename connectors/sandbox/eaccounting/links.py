"""Partner resource links: a place for another system's id beside a record (reference: eaccounting.md section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal
from connectors.sandbox.eaccounting.listing import listed, one

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

#: ResourceType -> table; what buying needs is not served here
_LINKED: Final = {0: "articles", 1: "customers", 2: "suppliers", 3: "customerinvoices", 5: "customerinvoicedrafts"}


def _check(books: Books, body: Row) -> None:
    name = _LINKED.get(body["ResourceType"])
    if name is None:
        text = f"ResourceNotFoundException - There is no resource {body['ResourceId']}."
        raise Refusal(Code.RESOURCE_NOT_FOUND, text, status=books.switches.dangling_reference_status)
    books.require(books.tables[name], body["ResourceId"], "ResourceId")


def _post(call: Call) -> bytes:
    books, table = call.books, call.books.tables["partnerresourcelinks"]
    _check(books, call.body)
    return table.text(books.add(table, call.body))


def _put(call: Call) -> bytes:
    books, table = call.books, call.books.tables["partnerresourcelinks"]
    row = call.row(table)
    _check(books, call.body)
    return table.text(books.change(table, row, books.replacement(table, row, call.body)))


def _delete(call: Call) -> bytes:
    table = call.books.tables["partnerresourcelinks"]
    table.remove(call.row(table))
    return b""


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /partnerresourcelinks": listed("partnerresourcelinks"),
    "POST /partnerresourcelinks": _post,
    "GET /partnerresourcelinks/{partnerResourceLinkId}": one("partnerresourcelinks"),
    "PUT /partnerresourcelinks/{partnerResourceLinkId}": _put,
    "DELETE /partnerresourcelinks/{partnerResourceLinkId}": _delete,
}
