"""Attachments: files beside vouchers, and files beside sales documents."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.call import File, not_found, path_id
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.journal import post
from connectors.sandbox.eaccounting.listing import listed, listing, one

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.table import Table
    from connectors.sandbox.eaccounting.validate import Row

_TYPES: Final = ("application/pdf", "image/jpeg", "image/png", "image/tiff")
#: letters, digits and - _ ( ), and the dot before an ending
_FILE_NAME: Final = re.compile(r"[\w() .-]+")
_VOUCHER: Final = 3
_INTEGRATION: Final = 105
_MATCHED, _UNMATCHED = 0, 1
#: kind of sales document in the path -> table, DocumentType
_SALES: Final = {
    "customerinvoicedraft": ("customerinvoicedrafts", 0),
    "customerinvoice": ("customerinvoices", 1),
    "order": ("orders", 2),
    "quote": ("quotes", 3),
}


def _content(body: Row) -> bytes:
    """Return the uploaded bytes; a file that is only named by its address is not fetched.

    Raises:
        Refusal: code 2000 for another type, a strange name, or neither data nor address.
    """
    if body["ContentType"] not in _TYPES:
        raise invalid_field("ContentType", f"ContentType must be one of {', '.join(_TYPES)}.")
    if not _FILE_NAME.fullmatch(body["FileName"]):
        raise invalid_field("FileName", "FileName may hold letters, digits and - _ ().")
    if not body.get("Data"):
        if not body.get("Url"):
            raise invalid_field("Data", "Data or Url is required.")
        return b""
    try:
        return base64.b64decode(body["Data"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_field("Data", "Data must be Base64.") from error


def _list(call: Call) -> bytes:
    unmatched_only = not call.flag("includeMatched", default=True)
    view = "" if call.flag("includeTemporaryUrl", default=True) else "without-url"
    return listing(call, "attachments", view=view, only=(lambda row: row["AttachmentStatus"] == _UNMATCHED) if unmatched_only else None)


def _post(call: Call) -> bytes:
    books, body, table = call.books, call.body, call.books.tables["attachments"]
    content, key = _content(body), books.new_id()
    books.files[key] = (body["ContentType"], content)
    user = next(iter(books.tables["users"].rows.values()))
    values = {
        "Id": key,
        "ContentType": body["ContentType"],
        "FileName": body["FileName"],
        "Comment": body.get("Comment"),
        "PhotoSource": _INTEGRATION,
        "AttachmentStatus": _UNMATCHED,
        "UploadedBy": f"{user['FirstName']} {user['LastName']}",
        "ImageDate": books.today(),
        "TemporaryUrl": f"{call.base}/_sandbox/files/{key}",
    }
    return table.text(books.add(table, values))


def _delete(call: Call) -> bytes:
    books, table = call.books, call.books.tables["attachments"]
    row = call.row(table)
    if row["DocumentId"] is not None:
        raise cannot_be_deleted("The attachment is linked to a document.")
    table.remove(row)
    books.files.pop(row["Id"], None)
    return b""


def _link(call: Call) -> bytes:
    books, body, table = call.books, call.body, call.books.tables["attachments"]
    document = body.get("DocumentId")
    if body["DocumentType"] != _VOUCHER or document not in post(books).rows:
        text = f"ResourceNotFoundException - There is no document {document}."
        raise Refusal(Code.RESOURCE_NOT_FOUND, text, status=books.switches.dangling_reference_status)
    rows = [table.rows.get(key) for key in body["AttachmentIds"]]
    if not rows or None in rows:
        raise Refusal(Code.ITEM_TO_ATTACH_NOT_FOUND, "ItemToAttachNotFoundException - An attachment does not exist.")
    for row in filter(None, rows):
        _unlink_from(books, row)
        table.update(row, DocumentId=document, AttachedDocumentType=_VOUCHER, AttachmentStatus=_MATCHED)
    _show(books, document)
    return books.answer({"DocumentId": document, "DocumentType": _VOUCHER, "AttachmentIds": body["AttachmentIds"]})


def _unlink(call: Call) -> bytes:
    table = call.books.tables["attachments"]
    row = call.row(table)
    if row["DocumentId"] is None:
        raise not_found("link of the attachment")
    _unlink_from(call.books, row)
    return b""


def _unlink_from(books: Books, row: Row) -> None:
    document = row["DocumentId"]
    books.tables["attachments"].update(row, DocumentId=None, AttachedDocumentType=0, AttachmentStatus=_UNMATCHED)
    if document is not None:
        _show(books, document)


def _show(books: Books, document: str) -> None:
    """Put the ids of a voucher's attachments into the voucher."""
    vouchers = books.tables["vouchers"]
    keys = [row["Id"] for row in books.tables["attachments"].rows.values() if row["DocumentId"] == document]
    link = {"DocumentId": document, "DocumentType": _VOUCHER, "AttachmentIds": keys}
    books.change(vouchers, vouchers.rows[document], {"Attachments": link})


def _attach(kind: str | None) -> Handler:
    """Return the handler that attaches a file to a kind of sales document, or to whichever has the id."""

    def handler(call: Call) -> bytes:
        books, body = call.books, call.body
        parent, number, document = _parent(books, kind, body["DockumentId"])
        content, key = _content(body), books.new_id()
        books.files[key] = (body["ContentType"], content)
        user = next(iter(books.tables["users"].rows.values()))
        table = books.tables["salesdocumentattachments"]
        values = {
            "Id": key,
            "DocumentId": document["Id"],
            "DocumentType": number,
            "OriginalFilename": body["FileName"],
            "DocumentSize": len(content),
            "CreatedBy": f"{user['FirstName']} {user['LastName']}",
        }
        row = books.add(table, values)
        books.change(parent, document, {"SalesDocumentAttachments": [*(document["SalesDocumentAttachments"] or []), key]})
        return table.text(row)

    return handler


def _parent(books: Books, kind: str | None, key: str) -> tuple[Table, int, Row]:
    """Return table, DocumentType and record of a sales document."""
    for name, (table, number) in _SALES.items():
        tables = (table, "quotedrafts") if name == "quote" else (table,)
        for one_table in tables:
            row = books.tables[one_table].rows.get(key)
            if row is not None and kind in (None, name):
                return books.tables[one_table], number, row
    raise Refusal(
        Code.RESOURCE_NOT_FOUND,
        f"ResourceNotFoundException - There is no document {key}.",
        status=books.switches.dangling_reference_status,
    )


def _detach(kind: str) -> Handler:
    def handler(call: Call) -> bytes:
        books, table = call.books, call.books.tables["salesdocumentattachments"]
        document, key = (path_id(one) for one in call.args)
        row = table.rows.get(key)
        if row is None or row["DocumentId"] != document or row["DocumentType"] != _SALES[kind][1]:
            raise not_found(call.operation.path)
        parent, _, holder = _parent(books, kind, document)
        books.change(parent, holder, {"SalesDocumentAttachments": [one for one in holder["SalesDocumentAttachments"] if one != key]})
        table.remove(row)
        books.files.pop(key, None)
        return b""

    return handler


def _download(call: Call) -> bytes:
    row = call.row(call.books.tables["salesdocumentattachments"])
    return File.of(*call.books.files[row["Id"]])


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /attachments": _list,
    "POST /attachments": _post,
    "GET /attachments/{attachmentId}": one("attachments"),
    "DELETE /attachments/{attachmentId}": _delete,
    "POST /attachmentlinks": _link,
    "DELETE /attachmentlinks/{attachmentId}": _unlink,
    "GET /salesdocumentattachments": listed("salesdocumentattachments"),
    "GET /salesdocumentattachments/{attachmentId}": one("salesdocumentattachments"),
    "GET /salesdocumentattachments/{attachmentId}.pdf": _download,
    "POST /salesdocumentattachments": _attach(None),
    **{f"POST /salesdocumentattachments/{kind}": _attach(kind) for kind in _SALES},
    "DELETE /salesdocumentattachments/{customerInvoiceDraftId}/{attachmentId}": _detach("customerinvoicedraft"),
    "DELETE /salesdocumentattachments/customerinvoicedraft/{customerInvoiceDraftId}/{attachmentId}": _detach("customerinvoicedraft"),
    "DELETE /salesdocumentattachments/customerinvoice/{customerInvoiceId}/{attachmentId}": _detach("customerinvoice"),
    "DELETE /salesdocumentattachments/order/{orderId}/{attachmentId}": _detach("order"),
    "DELETE /salesdocumentattachments/quote/{quoteId}/{attachmentId}": _detach("quote"),
}
