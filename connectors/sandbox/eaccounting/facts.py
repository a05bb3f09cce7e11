"""Facts of the vendor's published document: operations, and of each schema the shape of its fields.

``schema.json`` beside this file is made by :func:`write` from the published OpenAPI document, its mistakes mended
(:func:`connectors.sandbox.eaccounting.overlay.corrected`), and holds facts only: names, types, limits, enumerations, paths and scopes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from connectors.sandbox.eaccounting import overlay

COMMITTED: Final = Path(__file__).with_name("schema.json")
_PATTERN_DECIMALS = re.compile(r"\\d\{1,(\d)\}")
_TEXT_DECIMALS = re.compile(r"[Ff]ormat: (\d) decimals")


@dataclass(frozen=True, slots=True)
class Field:
    """A property: ``kind`` is a JSON type, ``ref`` the schema of an object or of an array's items."""

    name: str
    kind: str
    format: str | None = None
    nullable: bool = False
    required: bool = False
    read_only: bool = False
    max_length: int | None = None
    min_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    pattern: str | None = None
    values: tuple[tuple[int, str], ...] = ()
    ref: str | None = None
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A documented call.  ``body`` and ``answer`` name schemas; ``query`` the declared query parameters with their type."""

    method: str
    path: str
    success: int
    body: str | None = None
    body_is_list: bool = False
    answer: str | None = None
    statuses: tuple[int, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was read: fields by schema and name, operations, and the paths that have no method."""

    schemas: dict[str, dict[str, Field]]
    operations: tuple[Operation, ...]
    withdrawn: tuple[str, ...]


@cache
def facts() -> Facts:
    """Return the committed facts."""
    raw = json.loads(COMMITTED.read_text("utf-8"))
    schemas = {schema: {name: _field(name, shape) for name, shape in properties.items()} for schema, properties in raw["schemas"].items()}
    operations = tuple(Operation(**_frozen(one)) for one in raw["operations"])
    return Facts(schemas, operations, tuple(raw["withdrawn"]))


def write(document: Path, target: Path = COMMITTED) -> None:
    """Make ``schema.json`` anew from the published OpenAPI document at the path ``document``."""
    found = extract(json.loads(document.read_text("utf-8")))
    lines = [f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in found["schemas"].items()]
    operations = [json.dumps(one) for one in found["operations"]]
    target.write_text(
        '{"schemas": {\n' + ",\n".join(lines) + '\n},\n"operations": [\n' + ",\n".join(operations) + "\n],\n"
        '"withdrawn": ' + json.dumps(found["withdrawn"]) + "}\n",
        "utf-8",
    )


def extract(document: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of an OpenAPI document as plain data."""
    document = overlay.corrected(document)
    wanted = {"CommonExtendedBadRequest", *re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document["paths"]))}
    schemas: dict[str, dict[str, Any]] = {}
    while missing := wanted - schemas.keys():
        name = min(missing)
        schema = document["components"]["schemas"][name]
        wanted |= set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(schema)))
        schemas[name] = {prop: _shape(shape, required=prop in schema.get("required", ())) for prop, shape in schema["properties"].items()}
    schemas = {name: shape for name, shape in sorted(schemas.items()) if not name.startswith("PaginatedResponseOf")}
    operations = [
        _operation(method.upper(), path, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    return {"schemas": schemas, "operations": operations, "withdrawn": [path for path, item in document["paths"].items() if not item]}


def _field(name: str, shape: dict[str, Any]) -> Field:
    return Field(name=name, **_frozen(shape))


def _frozen(shape: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) if isinstance(value, list) else value for key, value in shape.items()}


def _tuples(value: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(one) if isinstance(one, list) else one for one in value)


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]


def _shape(shape: dict[str, Any], *, required: bool) -> dict[str, Any]:
    if "$ref" in shape:
        return {"kind": "object", "ref": _name(shape["$ref"])} | ({"required": True} if required else {})
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    fact: dict[str, Any] = {
        "kind": next(kind for kind in kinds if kind != "null"),
        "format": shape.get("format"),
        "nullable": "null" in kinds,
        "required": required,
        "read_only": shape.get("readOnly", False),
        "max_length": shape.get("maxLength"),
        "min_length": shape.get("minLength"),
        "minimum": shape.get("minimum"),
        "maximum": shape.get("maximum"),
    }
    text = shape.get("description", "")
    if fact["kind"] == "integer":
        fact["values"] = [[value, ""] for value in shape.get("enum", ())] or [list(one) for one in overlay.enumeration(text)]
    if fact["kind"] == "number":
        found = [*_PATTERN_DECIMALS.findall(shape.get("pattern", "")), *(_TEXT_DECIMALS.findall(text) if "pattern" in shape else ())]
        fact["decimals"] = max(map(int, found), default=None)
    if fact["kind"] == "string":
        fact["pattern"] = shape.get("pattern")
    items = shape.get("items", {})
    if "$ref" in items:
        fact["ref"] = _name(items["$ref"])
    elif items:
        fact["item"] = items["type"]
        fact["format"] = items.get("format")
    return {key: value for key, value in fact.items() if value not in (None, False, [], 0) or (key == "minimum" and value == 0)}


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    responses = operation["responses"]
    success = min(status for status in responses if status.startswith("2"))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answer = responses[success].get("content", {}).get("application/json", {}).get("schema", {})
    fact = {
        "method": method,
        "path": path,
        "success": int(success),
        "body": _name(body.get("$ref") or body.get("items", {}).get("$ref", "")) or None,
        "body_is_list": "items" in body,
        "answer": _name(answer.get("$ref", "")) or None,
        "statuses": sorted(int(status) for status in responses),
        "query": [[one["name"], _query_type(one["schema"])] for one in operation.get("parameters", ()) if one["in"] == "query"],
        "scopes": overlay.scopes(operation),
    }
    return {key: value for key, value in fact.items() if value not in (None, False, [])}


def _query_type(shape: dict[str, Any]) -> str:
    kinds = shape.get("type", "string")
    kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
    return str(shape.get("format") or kind)
