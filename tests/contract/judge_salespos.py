"""The published lists of the CCV Shop API as the judge of both sides of SalesPOS: its clients and whoever stands in for it.

There is no schema of SalesPOS itself.  What is compared: methods and addresses with the list of operations of 2025; names, types and
presence of fields with the schemas of 2022 and the SDK of 2025; paging, statuses, error bodies and signatures with their description.
A field that only one of the two lists knows may be there; one that neither knows may not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from tests.contract.judge import Exchange, Verdict, exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Fields = dict[str, tuple[str, bool]]

_ROOT: Final = "/api/rest/v1"
_RESOURCE: Final = "Vnd/Verto/Webshop/Resource/{0}/{0}"
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_ENVELOPE: Final = {"href": str, "start": int, "size": int, "first": str, "previous": str, "next": str, "items": list}
_LARGEST_PAGE: Final = 250
_MEDIA: Final = {"application/vnd.verto.salespos+json", "application/vnd.verto.webshop+json", "application/json"}
#: resources whose records are not named like the resource
_RECORDS: Final = {"settings": "Vnd/Verto/Webshop/Entity/Settings/Settings", "productqueries": _RESOURCE.format("Products")}
#: resources as the SDK calls them
_IN_SDK: Final = {
    "orders": "Order", "orderrows": "OrderRow", "products": "Product", "productqueries": "Product", "categories": "Category",
    "categorytree": "CategoryTree", "users": "User", "webhooks": "Webhook", "webshops": "Webshop", "settings": "Setting",
    "producttocategories": "ProductToCategory", "packages": "Package", "cashups": "Cashup",
}  # fmt: skip
#: what nobody published anything about
_UNPUBLISHED: Final = {"root", "status", "terminalreceipts"}
_UNPUBLISHED_BODIES: Final = {"POST cashups", "PATCH cashups/:id"}
_BODIES: Final = {
    "POST products": "Internal/Resource/Products/Post/Post",
    "PATCH products/:id": "Internal/Resource/Products/Patch/Patch",
    "POST categories": "Internal/Resource/Categories/Post/Post",
    "PATCH categories/:id": "Internal/Resource/Categories/Patch/Patch",
    "POST producttocategories": "Internal/Resource/Producttocategories/Post/Post",
    "PATCH producttocategories/:id": "Internal/Resource/Producttocategories/Patch/Patch",
    "POST orders": "Internal/Resource/Orders/Post/Post",
    "PATCH orders/:id": "Internal/Resource/Orders/Patch/Patch",
    "POST orders/:id/orderrows": "Internal/Entity/Orderrow/Input/Input",
    "PUT orders/:id/orderrows": "Internal/Resource/Orderrows/Put/Put",
    "PATCH orderrows/:id": "Internal/Resource/Orderrows/Patch/Patch",
    "POST users": "Internal/Resource/Users/Post/Post",
    "PATCH users/:id": "Internal/Resource/Users/Patch/Patch",
    "POST packages": "Internal/Resource/Packages/Input/Input",
    "PATCH packages/:id": "Internal/Resource/Packages/Input/Input",
    "POST webhooks": "Internal/Resource/Webhooks/Post/Post",
    "PATCH webhooks/:id": "Internal/Resource/Webhooks/Patch/Patch",
}
#: filters by resource (reference: salespos.md section 5.3; those of cash-ups are assumed)
_FILTERS: Final = {
    "orders": {
        "ordernumber": "int", "status": "int", "is_paid": "bool", "deliver_date": "date", "take_out_date": "date",
        "min_create_date": "date", "max_create_date": "date", "is_completed": "bool", "paymethod_id": "int", "transaction_id": "string",
    },
    "products": {
        "productnumber": "string", "eannumber": "string", "mpnnumber": "string", "productname": "string", "minprice": "float",
        "maxprice": "float", "minsellprice": "float", "maxsellprice": "float", "mindiscount": "float", "maxdiscount": "float",
        "minstock": "float", "maxstock": "float", "stock": "float", "quantity": "float", "color": "int", "active": "bool",
    },
    "productqueries": {"productnumber": "string", "eannumber": "string", "mpnnumber": "string", "skunumber": "string"},
    "users": {"approval_status": "string"},
    "cashups": {"min_create_date": "date", "max_create_date": "date"},
}  # fmt: skip
_ORDERS: Final = {
    "orders": {"id", "ordernumber", "create_date", "deliver_date"},
    "products": {"id", "name", "createdate", "modifydate"},
    "users": {"id", "first_name", "last_name"},
}
_EXPANDING: Final = {"products"}
#: codes known to the SDK (reference: section 5.5), and statuses whose codes nobody published
CODES: Final = {
    "404.20", "405.10", "429.10", "429.11", "500.10", "500.20", "500.21", "500.22", "500.23", "500.24", "500.25", "500.40", "500.50",
    "500.60", "500.70", "500.80", "500.90", "501.10", "501.20", "501.30",
}  # fmt: skip
_ASSUMED_STATUSES: Final = {400, 401, 403, 404}
_SUCCESS: Final = {"GET": {200}, "POST": {200, 201, 204}, "PATCH": {204}, "PUT": {204}, "DELETE": {204}}


class TillJudge:
    """Compares exchanges with the three lists in ``folder``; ``keys`` are those that sign.

    ``lenient`` lets identifiers be texts, as one was in a real order.
    """

    def __init__(self, folder: Path, keys: tuple[str, str], *, lenient: bool = False) -> None:
        self.verdict = Verdict()
        self._public, self._secret = keys
        self._lenient = lenient
        listed = json.loads((folder / "salespos-endpoints.json").read_text("utf-8"))["endpoints"]
        self._operations = {(one["method"], one["path"].removeprefix(_ROOT).strip("/")): one["resource"] for one in listed}
        self._models = json.loads((folder / "salespos-webshop-fields-2022.json").read_text("utf-8"))["models"]
        self._sdk = json.loads((folder / "salespos-sdk-fields-2025.json").read_text("utf-8"))["resources"]

    def documented(self, method: str, route: str) -> bool:
        """Tell whether an operation is in the list; ``route`` has ``:id`` for a number."""
        return (method, route) in self._operations

    def exchange(self, exchange: Exchange) -> None:
        """Judge a request and its answer."""
        self.request(exchange.method, exchange.target, exchange.headers, exchange.content)
        self.answer(exchange)

    def signature(self, method: str, target: str, body: bytes, date: str) -> str:
        """Return the signature as it is described (reference: section 4)."""
        text = b"|".join((self._public.encode(), method.encode(), target.encode(), body, date.encode()))
        return hmac.new(self._secret.encode(), text, hashlib.sha512).hexdigest()

    # -- requests ----------------------------------------------------------------------------------------------------------------

    def request(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> None:
        """Judge a request."""
        self.verdict.requests += 1
        path, _, query = target.partition("?")
        found = [*self._wrong_headers(method, target, headers, content), *self._wrong_operation(method, path, query, content)]
        self.verdict.violations += [f"{method} {path}: {one}" for one in found]

    def _wrong_headers(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Iterator[str]:
        date = headers.get("x-date", "")
        if headers.get("x-public") != self._public:
            yield "the public key is missing"
        if not _DATE.fullmatch(date):
            yield "x-date is not a moment in UTC"
        if headers.get("x-hash") != self.signature(method, target, content, date):
            yield "x-hash is not that of what was sent"
        if headers.get("accept") not in _MEDIA:
            yield "no media type of the vendor is asked for"
        if content and headers.get("content-type") != "application/json":
            yield "the body is not said to be JSON"

    def _wrong_operation(self, method: str, path: str, query: str, content: bytes) -> Iterator[str]:
        route, resource = self._route(method, path)
        if resource is None:
            yield "no such operation is listed"
            return
        self.verdict.operations[f"{method} {route or '(root)'}"] += 1
        yield from self._wrong_query(method, route, resource, query)
        if method in ("POST", "PATCH", "PUT"):
            yield from self._wrong_body(f"{method} {route}", resource, content)
        elif content:
            yield "a body is sent that nobody documented"

    def _route(self, method: str, path: str) -> tuple[str, str | None]:
        if path != _ROOT and not path.startswith(_ROOT + "/"):
            return path, None
        parts = path.removeprefix(_ROOT).strip("/").split("/")
        route = "/".join(":id" if part.isdecimal() else part for part in parts)
        return route, self._operations.get((method, route))

    def _wrong_query(self, method: str, route: str, resource: str, query: str) -> Iterator[str]:
        listing = method == "GET" and not route.endswith(":id")
        known = {"start": "start", "size": "size", **_FILTERS.get(resource, {})} if listing else {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name == "orderby" and listing and resource in _ORDERS:
                if value.removesuffix("_desc") not in _ORDERS[resource]:
                    yield f"orderby {value} is not documented"
            elif name == "expand" and method == "GET" and resource in _EXPANDING:
                if unknown := [one for one in value.split(",") if one not in self._fields(resource)]:
                    yield f"expand {','.join(unknown)} is no sub-resource"
            elif name not in known:
                yield f"the query parameter {name} is not documented"
            elif not _is_a(known[name], value):
                yield f"the query parameter {name} is not of type {known[name]}"

    def _wrong_body(self, operation: str, resource: str, content: bytes) -> Iterator[str]:
        try:
            body = exact(content)
        except ValueError:
            yield "the body is not JSON"
            return
        if operation in _UNPUBLISHED_BODIES:
            return
        model = _BODIES.get(operation)
        if model is None:
            yield "nothing is published about this body"
            return
        written = self._sdk.get(_IN_SDK.get(resource, ""), {})
        later = [one for verb in ("post", "patch") for one in written.get(verb, ()) if isinstance(written.get(verb), list)]
        known = dict.fromkeys(later, ("any", True)) | self._model(model)
        yield from self._wrong_record(known, body, "")

    # -- answers -----------------------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange) -> None:
        """Judge an answer."""
        self.verdict.answers += 1
        route, resource = self._route(exchange.method, exchange.path)
        where = f"{exchange.method} {route} answered {exchange.status}"
        self.verdict.violations += [f"{where}: {one}" for one in self._wrong_answer(exchange, route, resource)]

    def _wrong_answer(self, exchange: Exchange, route: str, resource: str | None) -> Iterator[str]:
        if exchange.status not in _SUCCESS[exchange.method]:
            yield from _wrong_refusal(exchange)
            return
        date = exchange.answer_headers.get("x-date", "")
        if exchange.answer_headers.get("x-hash") != self.signature(exchange.method, exchange.target, exchange.answer, date):
            yield "x-hash is not that of the answer"
        if exchange.status == 204:
            if exchange.answer:
                yield "a body where there can be none"
            return
        if exchange.answer_headers.get("content-type") not in _MEDIA:
            yield "the media type is none of the vendor's"
        if resource is None or resource in _UNPUBLISHED:
            return
        value = exact(exchange.answer)
        if exchange.method == "GET" and not route.endswith(":id") and resource not in ("settings", "categorytree"):
            yield from self._wrong_page(resource, value)
        else:
            yield from self._wrong_record(self._fields(resource), value, "")
            yield from _not_expanded(exchange.query, value)

    def _wrong_page(self, resource: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict) or value.keys() != _ENVELOPE.keys():
            yield "the envelope is not as described"
            return
        for name, kind in _ENVELOPE.items():
            if not isinstance(value[name], kind) and not (name in ("previous", "next", "first") and value[name] is None):
                yield f"{name} of the envelope is no {kind.__name__}"
                return
        if len(value["items"]) > min(value["size"], _LARGEST_PAGE):
            yield "more records than a page has"
        fields = self._fields(resource)
        for index, item in enumerate(value["items"]):
            yield from self._wrong_record(fields, item, f"items.{index}.")

    # -- records -----------------------------------------------------------------------------------------------------------------

    def _model(self, name: str) -> Fields:
        return {one["name"]: (one["type"], one["nullable_or_optional"]) for one in self._models[name]}

    def _fields(self, resource: str) -> Fields:
        """Return the fields of a resource's records: those of 2022, and those that only the SDK of 2025 knows."""
        later = {name: (_of_the_sdk(kind), True) for name, kind in self._sdk.get(_IN_SDK.get(resource, ""), {}).get("fields", {}).items()}
        name = _RECORDS.get(resource, _RESOURCE.format(resource.capitalize()))
        return later | (self._model(name) if name in self._models else {})

    def _wrong_record(self, known: Fields, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where or 'it'} is no object"
            return
        yield from (f"{where}{name} is not published" for name in value if name not in known)
        yield from (f"{where}{name} is missing" for name, (_, optional) in known.items() if not optional and value.get(name) is None)
        for name, one in value.items():
            if name in known and one is not None:
                yield from self._wrong_value(known[name][0], one, where + name)

    def _wrong_value(self, kind: str, value: Any, where: str) -> Iterator[str]:
        if kind.startswith("object:"):
            known = self._model(kind.removeprefix("object:"))
            if "collection" in known:  # it is shown where it is expanded, and left out where it is not
                known["collection"] = (known["collection"][0], True)
            yield from self._wrong_record(known, value, where + ".")
        elif kind.startswith("array<"):
            if not isinstance(value, list):
                yield f"{where} is no list"
                return
            for index, one in enumerate(value):
                yield from self._wrong_value(kind[6:-1], one, f"{where}.{index}")
        elif not self._fits(kind, value, where):
            yield f"{where} is no {kind}"

    def _fits(self, kind: str, value: Any, where: str) -> bool:
        if isinstance(value, str) and kind == "int" and where.endswith("id") and (self._lenient or where.endswith("user.id")):
            return value.isdecimal()
        if isinstance(value, bool):
            return kind in ("bool", "any")
        kinds = {"string": str, "int": int, "float": (int, Decimal), "bool": bool, "array": list, "object": dict, "date": str}
        if kind == "date":
            return isinstance(value, str) and bool(_DATE.fullmatch(value))
        return kind == "any" or isinstance(value, kinds[kind])  # type: ignore[arg-type]  # a type or several


def _not_expanded(query: str, record: Any) -> Iterator[str]:
    for name in dict(parse_qsl(query)).get("expand", "").split(","):
        shown = record.get(name)
        if name and not (isinstance(shown, dict) and isinstance(shown.get("collection"), list)):
            yield f"{name} is not expanded"


def _of_the_sdk(kind: str) -> str:
    """Return a type of the SDK in the words of the other list."""
    plain = kind.removeprefix("?")
    if plain in {"int", "string", "float", "bool", "array", "object"}:
        return plain
    return {"\\stdClass": "object", "\\DateTime": "date"}.get(plain, "any")


def _is_a(kind: str, value: str) -> bool:
    if kind in ("start", "size", "int"):
        return value.isdecimal() and (kind != "size" or 1 <= int(value) <= _LARGEST_PAGE)
    if kind == "bool":
        return value in ("true", "false")
    if kind == "float":
        return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    if kind == "date":
        return datetime.fromisoformat(value).tzinfo is not None
    return True


def _wrong_refusal(exchange: Exchange) -> Iterator[str]:
    try:
        body = exact(exchange.answer)
    except ValueError:
        yield "a refusal that is not JSON"
        return
    if not isinstance(body, dict) or body.keys() != {"status", "code", "developermessage"}:
        yield "a refusal has status, code and developermessage"
        return
    status, _, part = str(body["code"]).partition(".")
    if body["status"] != exchange.status or status != str(exchange.status) or not part.isdecimal():
        yield f"code {body['code']} and status {body['status']} do not agree with HTTP status {exchange.status}"
    elif body["code"] not in CODES and exchange.status not in _ASSUMED_STATUSES:
        yield f"code {body['code']} is not known"
