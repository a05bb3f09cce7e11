"""What the vendor's published document gets wrong, and what it says nothing about, as changes to it.

:func:`corrected` mends mistakes: names of path parameters, ``required`` flags that were lost, answers of the wrong kind.
:func:`applied` adds what the document leaves out: paging and queries, refusals, sign-in, dates without a time, enumerations that are only
told in words, and what the live server tolerates in a body.  Each function names its source in the reference.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any, Final

Json = dict[str, Any]

#: name of the schema of what may be written, next to the one of what is answered; and of a list of which fields were selected
WRITTEN: Final = "{}.Written"
SELECTED: Final = "{}.Selected"
ERROR: Final = "#/components/schemas/CommonExtendedBadRequest"
_PAGE: Final = "PaginatedResponseOf"
_ENUMERATION = re.compile(r"(?:^|[\s>,])(?:(\d+) ?= ?([A-Za-z][\w-]*)|([A-Za-z]\w*) ?= ?(\d+))")
_SCOPE = re.compile(r"\*\s*(ea:\w+)")
_VARIABLE = re.compile(r"\{([^}]+)\}")
#: required in the document of 2021 and, as far as seen, by the server (reference: eaccounting-schema.md, second appendix)
_LOST_REQUIRED: Final = {
    "AllocationPeriodRowApi": ("AccountNumber", "Amount"),
    "AllocationPlan": ("BookkeepingStartDate",),
    "CustomerLedgerItemApi": ("DueDate", "InvoiceDate", "RoundingsAmountInvoiceCurrency", "VATAmountInvoiceCurrency"),
    "CustomerLedgerItemWithVoucherApi": ("DueDate", "InvoiceDate", "RoundingsAmountInvoiceCurrency", "VATAmountInvoiceCurrency"),
    "InvoicePaymentApi": ("PaymentDate",),
    "MessageToPostApi": ("Subject",),
    "OrderApi": ("OrderDate",),
    "PaymentVoucherApi": ("VoucherDate",),
    "ProjectApi": ("StartDate",),
    "SalesDocumentRotRutReductionPersonApi": ("Ssn",),
    "VoucherApi": ("VoucherDate",),
    "VoucherDraftApi": ("VoucherDate",),
    "VoucherWithOverunderPaymentApi": ("VoucherDate",),
}
#: answers that are a file although the document names none, or JSON
_FILES: Final = (
    "/customerinvoices/{invoiceId}/print",
    "/orders/{id}/deliverynote/print",
    "/orders/{id}/print",
    "/quotes/{id}/print",
    "/salesdocumentattachments/{attachmentId}.pdf",
)
_FILE_TYPES: Final = ("application/pdf", "image/jpeg", "image/png", "image/tiff")
#: bodies that may be left out: all that they hold has a default
OPTIONAL_BODIES: Final = frozenset(
    {
        "CustomerInvoiceDraftValidationApi",
        "ElectronicInvoiceRequestApi",
        "EmailApi",
        "OrderConversionApi",
        "PaymentReminderEmailApi",
        "QuoteConversionApi",
    }
)
_REFUSALS: Final = {
    "400": "Bad request",
    "401": "Not signed in (code 4005)",
    "403": "No right, scope, module or variant",
    "404": "Not found (code 3000)",
    "405": "The method is not documented",
    "409": "Exists already (code 4000)",
    "415": "The body is not JSON",
    "429": "Too many requests (code 4010)",
    "500": "The vendor's own failure (code 5000)",
}
_QUERY: Final = {
    "$page": {"type": "integer", "minimum": 1, "default": 1},
    "$pagesize": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50},
    "$filter": {"type": "string"},
    "$orderby": {"type": "string"},
    "$select": {"type": "string"},
}


def corrected(document: Json) -> Json:
    """Return the document without its mistakes."""
    mended = deepcopy(document)
    _one_name_for_a_parameter(mended)
    _required_again(mended)
    _files_are_files(mended)
    return mended


def applied(document: Json) -> Json:
    """Return the document without its mistakes and with what it leaves out."""
    whole = corrected(document)
    schemas: Json = whole["components"]["schemas"]
    for schema in list(schemas.values()):
        for name, shape in schema.get("properties", {}).items():
            _enumerations_are_closed(shape)
            if not name.endswith("Utc"):
                _dates_without_a_time(shape)
    _bodies_as_tolerated(whole)
    _lists_are_paged(whole)
    _refusals_are_told(whole)
    _sign_in(whole)
    return whole


def enumeration(text: str) -> list[tuple[int, str]]:
    """Read ``0 = None, 1 = Month`` or ``None = 0, ...`` out of a description; a lone equation is prose (reference: section 1)."""
    start = text.find("Possible values:")
    if start < 0:
        return []
    found = [(int(a or d), b or c) for a, b, c, d in _ENUMERATION.findall(text[start:])]
    return found if len(found) > 1 else []


def scopes(operation: Json) -> list[str]:
    """Return the scopes of which an operation needs one; the document tells them in prose (reference: section 3)."""
    return _SCOPE.findall(operation.get("description", ""))


def operations(document: Json) -> list[tuple[str, str, Json]]:
    """Return path, method in lower case, and operation."""
    return [(path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def _one_name_for_a_parameter(document: Json) -> None:
    """Give a path one spelling and its parameters the same (reference: section 1, eight defects on the labels)."""
    spelled: dict[str, str] = {}
    paths: Json = {}
    for path, item in document["paths"].items():
        first = spelled.setdefault(path.lower(), path)
        names = {name.lower(): name for name in _VARIABLE.findall(first)}
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["name"] = names.get(parameter["name"].lower(), parameter["name"])
        paths.setdefault(first, {}).update(item)
    document["paths"] = paths


def _required_again(document: Json) -> None:
    for name, fields in _LOST_REQUIRED.items():
        schema = document["components"]["schemas"][name]
        schema["required"] = sorted({*schema.get("required", ()), *fields})


def _files_are_files(document: Json) -> None:
    """Say that what is printed is a PDF, and what was attached comes back as it was."""
    for path in _FILES:
        kinds = _FILE_TYPES if path.endswith(".pdf") else _FILE_TYPES[:1]
        document["paths"][path]["get"]["responses"]["200"]["content"] = {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds
        }


def _enumerations_are_closed(shape: Json) -> None:
    values = enumeration(shape.get("description", ""))
    kinds = shape.get("type", ())
    if values and "integer" in ([kinds] if isinstance(kinds, str) else kinds) and "enum" not in shape:
        shape["enum"] = [*dict(values), *([None] if "null" in kinds and not isinstance(kinds, str) else [])]


def _dates_without_a_time(shape: Json) -> None:
    """Let a ``date-time`` be a date: business dates come and go as YYYY-MM-DD (reference: section 4, formats)."""
    if shape.get("format") == "date-time":
        del shape["format"]
        choices = [{"type": "string", "format": one} for one in ("date-time", "date")]
        kinds = shape.pop("type")
        shape["anyOf"] = [*choices, {"type": "null"}] if "null" in kinds and not isinstance(kinds, str) else choices


def _bodies_as_tolerated(document: Json) -> None:
    """Give bodies schemas of their own: fields that are unknown or read-only do no harm (reference: sections 1 and 6)."""
    wanted: list[str] = []
    for _, _, operation in operations(document):
        body = operation.get("requestBody")
        if body is None:
            continue
        schema = body["content"]["application/json"]["schema"]
        names = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(schema))
        body["content"] = {"application/json": {"schema": _renamed(schema)}}
        body["required"] = not set(names) & OPTIONAL_BODIES
        wanted += names
    schemas = document["components"]["schemas"]
    while wanted:
        name = wanted.pop()
        if WRITTEN.format(name) in schemas:
            continue
        schema = deepcopy(schemas[name])
        read_only = {one for one, shape in schema.get("properties", {}).items() if shape.get("readOnly")}
        schema["properties"] = {one: {} if one in read_only else _writable(shape) for one, shape in schema.get("properties", {}).items()}
        schema["required"] = [one for one in schema.get("required", ()) if one not in read_only]
        schema["additionalProperties"] = True
        schemas[WRITTEN.format(name)] = schema
        wanted += [one.removesuffix(".Written") for one in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(schema))]


def _writable(shape: Json) -> Json:
    """Return a field as it may be sent: an enumeration by its names too, null for an object or list that is left out."""
    if "$ref" in shape:
        return {"anyOf": [_renamed(shape), {"type": "null"}]}
    if shape.get("type") == "array":
        return {**_renamed(shape), "type": ["array", "null"]}
    values = enumeration(shape.get("description", ""))
    if values and "enum" in shape:
        named = {key: value for key, value in shape.items() if key not in ("enum", "type", "format")}
        return {**named, "enum": [*shape["enum"], *(name for _, name in values)]}
    return _renamed(shape)


def _renamed(shape: Json) -> Json:
    renamed: Json = json.loads(re.sub(r'("#/components/schemas/[^"]+)"', r'\1.Written"', json.dumps(shape)))
    return renamed


def _lists_are_paged(document: Json) -> None:
    """Let every list be paged, filtered, sorted and narrowed (reference: section 4); a narrowed record has only what was asked for."""
    schemas = document["components"]["schemas"]
    for _, _, operation in operations(document):
        answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        name = str(answer.get("$ref", "")).rpartition("/")[2]
        if not name.startswith(_PAGE) or "requestBody" in operation:
            continue
        operation["parameters"] = [
            *operation.get("parameters", ()),
            *({"name": one, "in": "query", "schema": deepcopy(schema)} for one, schema in _QUERY.items()),
        ]
        narrow = deepcopy(schemas[name])
        row = narrow["properties"]["Data"]["items"]["$ref"].rpartition("/")[2]
        narrow["properties"]["Data"]["items"]["$ref"] = f"#/components/schemas/{SELECTED.format(row)}"
        schemas[SELECTED.format(name)] = narrow
        schemas[SELECTED.format(row)] = {key: value for key, value in schemas[row].items() if key != "required"}


def _refusals_are_told(document: Json) -> None:
    """Give every operation the refusals that it can be answered with; 404, 405 and 415 may come without a body (section 5)."""
    for _, _, operation in operations(document):
        for status, text in _REFUSALS.items():
            answer = operation["responses"].setdefault(status, {"description": text})
            answer["content"] = {"application/json": {"schema": {"$ref": ERROR}}}
        operation["responses"]["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}


def _sign_in(document: Json) -> None:
    """Say that a bearer token is needed, and which of its scopes (sections 3 and 5)."""
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for _, _, operation in operations(document):
        operation["security"] = [{"bearer": []}]
        operation["x-scopes"] = scopes(operation)
