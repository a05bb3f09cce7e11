"""The published document of eAccounting as the judge of a client: stricter with requests than the live server is.

The server tolerates unknown and read-only fields; a client that sends one is wrong all the same, and so is one that sends a field too
long, of another type, with too many decimals, or to an address, with a method or with a query that nobody documented.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

import jsonschema

from connectors.sandbox.eaccounting import overlay
from connectors.sandbox.eaccounting.odatagrammar import Kind, Node, NotUnderstood, parse
from tests.contract.judge import Exchange, Verdict, exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,7})?Z")
_DECIMALS: Final = re.compile(r"\\d\{1,(\d)\}")
#: fields whose digits are told only in words, the fewest of the cases that are named (UnitPrice: 2 at home, 4 abroad)
_TOLD_DECIMALS: Final = {"UnitPrice": 4, "PaymentAmount": 2}
#: what a token request holds (RFC 6749 section 6; reference: eaccounting.md section 3)
_TOKEN_FORM: Final = {"grant_type", "refresh_token", "client_id", "client_secret"}
_COMPARISONS: Final = {Kind.EQ, Kind.NE, Kind.LT, Kind.LE, Kind.GT, Kind.GE, Kind.IN}
_TOKEN: Final = "POST /connect/token"
_PREFIX: Final = "/v2"


def _decimals(_validator: object, allowed: int, instance: object, _schema: object) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, Decimal) and instance != instance.quantize(Decimal(1).scaleb(-allowed)):
        yield jsonschema.ValidationError(f"{instance} has more than {allowed} decimals")


_Strict: Final = jsonschema.validators.extend(  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    jsonschema.Draft202012Validator, {"x-decimals": _decimals}
)


@dataclass(frozen=True, slots=True)
class _Operation:
    """A documented operation and the shape of its address."""

    name: str
    method: str
    address: re.Pattern[str]
    known: Json


class BooksJudge:
    """Compares what a client sends and is answered with the document, its mistakes mended and its silences filled by the overlay."""

    def __init__(self, document: Json) -> None:
        self.verdict = Verdict()
        whole = overlay.applied(document)
        self._schemas: Json = whole["components"]["schemas"]
        self._strict: Json = {name: _closed(shape) for name, shape in self._schemas.items() if not name.endswith((".Written", ".Selected"))}
        self._made: dict[tuple[str, bool], Any] = {}
        operations = [
            _Operation(f"{method.upper()} {path}", method.upper(), _address(path), known)
            for path, method, known in overlay.operations(whole)
        ]
        # an address without a variable is meant before one with a variable in the same place
        self._operations = sorted(operations, key=lambda one: one.name.count("{"))

    def exchange(self, exchange: Exchange) -> None:
        """Judge a request and its answer."""
        self.request(exchange.method, exchange.target, exchange.headers, exchange.content)
        self.answer(exchange.method, exchange.target, exchange.status, exchange.answer)

    # -- requests ----------------------------------------------------------------------------------------------------------------

    def request(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> None:
        """Judge a request."""
        self.verdict.requests += 1
        found = list(self._wrong_with(method, target, headers, content))
        self.verdict.violations += [f"{method} {target.partition('?')[0]}: {one}" for one in found]

    def _wrong_with(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Iterator[str]:
        if f"{method} {target}" == _TOKEN:
            self.verdict.operations[_TOKEN] += 1
            yield from _token_request(headers, content)
            return
        operation = self._operation(method, target)
        if operation is None:
            yield "no such operation is documented"
            return
        self.verdict.operations[operation.name] += 1
        yield from _wrong_headers(headers, body=bool(content))
        yield from self._wrong_query(operation, target.partition("?")[2])
        yield from self._wrong_body(operation, content)

    def _operation(self, method: str, target: str) -> _Operation | None:
        path = unquote(target.partition("?")[0])
        if not path.startswith(_PREFIX + "/"):
            return None
        below = path.removeprefix(_PREFIX)
        return next((one for one in self._operations if one.method == method and one.address.fullmatch(below)), None)

    def _wrong_query(self, operation: _Operation, query: str) -> Iterator[str]:
        known = {one["name"]: one["schema"] for one in operation.known.get("parameters", ()) if one["in"] == "query"}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in known:
                yield f"the query parameter {name} is not documented"
            elif name == "$filter":
                yield from self._wrong_filter(operation, value)
            elif name in ("$orderby", "$select"):
                yield from (f"{name}: {one} is no property" for one in _names(value) if one not in self._row(operation))
            else:
                yield from (f"{name}: {one}" for one in _wrong_value(known[name], value))

    def _row(self, operation: _Operation) -> Json:
        """Return the properties of the records that a listing has."""
        envelope = operation.known["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        row = self._schemas[envelope]["properties"]["Data"]["items"]["$ref"].rpartition("/")[2]
        properties: Json = self._schemas[row]["properties"]
        return properties

    def _wrong_filter(self, operation: _Operation, text: str) -> Iterator[str]:
        try:
            tree = parse(text)
        except NotUnderstood as error:
            yield f"$filter: {error}"
            return
        properties = self._row(operation)
        for name, literal in _comparisons(tree):
            if name not in properties:
                yield f"$filter: {name} is no property"
            elif not _fits(properties[name], literal):
                yield f"$filter: {name} is compared with a {literal}"

    def _wrong_body(self, operation: _Operation, content: bytes) -> Iterator[str]:
        body = operation.known.get("requestBody")
        if body is None:
            if content:
                yield "a body is sent that nobody documented"
            return
        if not content:
            if body["required"]:
                yield "the body is missing"
            return
        try:
            value = exact(content)
        except ValueError:
            yield "the body is not JSON"
            return
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2].removesuffix(".Written")
        yield from self._wrong_with_value(name, value, strict=True)

    # -- answers -----------------------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, status: int, content: bytes) -> None:
        """Judge an answer.  A success may come without a body (reference: section 7, 5)."""
        self.verdict.answers += 1
        if f"{method} {target}" == _TOKEN:
            self.verdict.violations += [f"{_TOKEN} answered {status}: {one}" for one in _wrong_token(status, content)]
            return
        operation = self._operation(method, target)
        if operation is None:
            return  # noted with its request
        where = f"{operation.name} answered {status}"
        known = operation.known["responses"].get(str(status))
        if known is None:
            self.verdict.violations.append(f"{where}: the status is not documented")
        elif content:
            name = known["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            self.verdict.violations += [f"{where}: {one}" for one in self._wrong_with_value(name, exact(content), strict=False)]

    def _wrong_with_value(self, name: str, value: object, *, strict: bool) -> list[str]:
        if (name, strict) not in self._made:
            schemas = self._strict if strict else self._schemas
            root = {"$schema": _DIALECT, "components": {"schemas": schemas}, "$ref": f"#/components/schemas/{name}"}
            self._made[name, strict] = _Strict(root, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        errors = sorted(self._made[name, strict].iter_errors(value), key=lambda one: list(map(str, one.path)))
        # the value itself is not shown: it may be a person's
        return [f"{'.'.join(map(str, one.path)) or name}: {one.validator}: {_short(one)}" for one in errors]


def _comparisons(node: Node) -> Iterator[tuple[str, str]]:
    """Yield which property is compared with what kind of literal."""
    if node.kind in _COMPARISONS:
        left, right = node.parts
        yield left.text if left.kind is Kind.NAME else "(no property)", right.kind
    else:
        for part in node.parts:
            yield from _comparisons(part)


def _closed(shape: Json) -> Json:
    """Return a schema as a client has to keep it: without read-only fields, without others that are unknown, to the decimal."""
    closed = deepcopy(shape)
    properties: Json = closed.get("properties", {})
    closed["properties"] = {name: _exactly(name, one) for name, one in properties.items() if not one.get("readOnly")}
    closed["required"] = [name for name in closed.get("required", ()) if name in closed["properties"]]
    closed["additionalProperties"] = False
    return closed


def _exactly(name: str, shape: Json) -> Json:
    told = _DECIMALS.search(shape.get("pattern", ""))
    decimals = int(told[1]) if told else _TOLD_DECIMALS.get(name)
    # an object or a list that is left out is null in what a GET gives and a PUT gives back
    if "$ref" in shape:
        return {"anyOf": [shape, {"type": "null"}]}
    return shape if decimals is None else {**shape, "x-decimals": decimals}


def _address(path: str) -> re.Pattern[str]:
    return re.compile("".join(_UUID.pattern if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", path)))


def _token_request(headers: Mapping[str, str], content: bytes) -> Iterator[str]:
    if headers.get("content-type") != "application/x-www-form-urlencoded":
        yield "a token is asked for with a form"
    form = dict(parse_qsl(content.decode()))
    if form.keys() != _TOKEN_FORM or form["grant_type"] != "refresh_token":
        yield f"the form holds {', '.join(sorted(form))}"


def _wrong_token(status: int, content: bytes) -> Iterator[str]:
    answer = exact(content)
    if status == 200:  # RFC 6749 section 5.1; reference: section 3
        kinds = {"access_token": str, "refresh_token": str, "expires_in": int, "token_type": str, "scope": str}
        yield from (f"{name} is no {kind.__name__}" for name, kind in kinds.items() if not isinstance(answer.get(name), kind))
    elif not isinstance(answer.get("error"), str):
        yield "a refusal without error"


def _wrong_headers(headers: Mapping[str, str], *, body: bool) -> Iterator[str]:
    if not headers.get("authorization", "").startswith("Bearer "):
        yield "there is no bearer token"
    if "application/json" not in headers.get("accept", ""):
        yield "JSON is not asked for"
    if body and headers.get("content-type") != "application/json":
        yield "the body is not said to be JSON"


def _names(value: str) -> list[str]:
    return [one.strip().removesuffix(" desc").removesuffix(" asc") for one in value.split(",")]


def _wrong_value(shape: Json, value: str) -> Iterator[str]:
    kind = shape.get("type")
    if kind == "boolean" and value not in ("true", "false"):
        yield "neither true nor false"
    if kind == "integer":
        if not value.isdecimal():
            yield "not a whole number"
        elif not shape.get("minimum", 0) <= int(value) <= shape.get("maximum", int(value)):
            yield "out of bounds"
    if shape.get("format") == "date-time" and not _MOMENT.fullmatch(value):
        yield "not a moment in UTC"


def _fits(shape: Json, literal: str) -> bool:
    kinds = [shape, *shape.get("anyOf", ())]
    formats = {one.get("format") for one in kinds}
    if "date-time" in formats:
        return literal == "DateTime"
    if "uuid" in formats:
        return literal == "GUID"
    types = {kind for one in kinds for kind in ([one["type"]] if isinstance(one.get("type"), str) else one.get("type", ()))}
    wanted = {"string": {"String"}, "boolean": {"Boolean"}, "integer": {"Integer"}, "number": {"Integer", "Decimal"}}
    return any(literal in wanted.get(kind, ()) for kind in types)


def _short(error: jsonschema.ValidationError) -> str:
    if error.validator in ("required", "additionalProperties", "unevaluatedProperties"):
        return error.message
    return f"{error.validator_value}"[:80]
