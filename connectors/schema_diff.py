"""Comparing what a connector relies on with what a vendor publishes: the fields that a wire model reads, and those that a body sends.

The models and the bodies themselves are the list; there is no second one to be kept.  Understands JSON Schema as OpenAPI 3 writes it, and
the older draft 3 (``"type": "string|null"``, ``"required": true`` at the property).
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from connectors.model import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: JSON types that a field of a Python type can be read from; :class:`~pydantic.BaseModel` stands for every model
Accepts = dict[type, frozenset[str]]
ACCEPTS: Final[Accepts] = {
    str: frozenset({"string"}),
    int: frozenset({"integer", "string"}),
    Decimal: frozenset({"number", "integer", "string"}),
    bool: frozenset({"boolean"}),
    datetime: frozenset({"string"}),
}
_DEEPEST: Final = 6
_CHOICES: Final = ("oneOf", "anyOf", "allOf")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a vendor publishes of a value.  ``find`` returns the schema that a reference names, ``None`` where it was not published."""

    schema: Mapping[str, Any]
    find: Callable[[str], Mapping[str, Any] | None]

    def _choices(self) -> list[Shape]:
        """Return what this may be: itself, or what it refers to."""
        found = [self]
        for _ in range(_DEEPEST):
            following = [after for shape in found for after in shape._followed()]  # noqa: SLF001 - of its own kind
            if following == found:
                break
            found = following
        return found

    def _followed(self) -> list[Shape]:
        if (name := self.schema.get("$ref")) is not None:
            target = self.find(str(name))
            return [] if target is None else [Shape(target, self.find)]
        for word in _CHOICES:
            if isinstance(variants := self.schema.get(word), list):
                return [Shape(variant, self.find) for variant in variants]
        return [self]

    @property
    def types(self) -> frozenset[str]:
        """The JSON types, ``null`` left out; empty where nothing is said."""
        found: set[str] = set()
        for shape in self._choices():
            said = shape.schema.get("type", ())
            found.update(said.split("|") if isinstance(said, str) else (str(one) for one in said))
        return frozenset(found - {"null", "any"})

    @property
    def properties(self) -> dict[str, Shape]:
        """The fields of an object."""
        return {
            name: Shape(value, self.find)
            for shape in self._choices()
            for name, value in (shape.schema.get("properties") or {}).items()
            if isinstance(value, dict)
        }

    @property
    def items(self) -> Shape | None:
        """What an array holds."""
        found = (shape.schema.get("items") for shape in self._choices())
        return next((Shape(items, self.find) for items in found if isinstance(items, dict)), None)

    @property
    def required(self) -> frozenset[str]:
        """The fields that a body must have."""
        found = {name for shape in self._choices() if isinstance(names := shape.schema.get("required"), list) for name in names}
        return frozenset(found | {name for name, shape in self.properties.items() if shape.schema.get("required") is True})

    @property
    def read_only(self) -> frozenset[str]:
        """The fields that a body must not have."""
        return frozenset(name for name, shape in self.properties.items() if shape.schema.get("readOnly") is True)

    @property
    def max_length(self) -> int | None:
        """The longest text."""
        found = (shape.schema.get("maxLength") for shape in self._choices())
        return next((length for length in found if isinstance(length, int)), None)


def reading(model: type[BaseModel], shape: Shape, where: str, *, accepts: Accepts = ACCEPTS) -> Iterator[Difference]:
    """Yield where an answer is published other than ``model`` reads it."""
    published = shape.properties
    for name, field in model.model_fields.items():
        wire_name = field.alias or name
        if wire_name not in published:
            yield Difference(where, f"{wire_name} is read, and not published")
        else:
            yield from _value(field.annotation, published[wire_name], f"{where}.{wire_name}", accepts)


def _value(annotation: Any, shape: Shape, where: str, accepts: Accepts) -> Iterator[Difference]:
    readable: set[str] = set()
    for one in _alternatives(annotation):
        origin = get_origin(one) or one
        if isinstance(origin, type) and issubclass(origin, BaseModel):
            readable |= accepts.get(BaseModel, frozenset({"object"}))
            if shape.properties:
                yield from reading(origin, shape, where, accepts=accepts)
        elif origin in (list, tuple):
            readable.add("array")
            if shape.items is not None:
                yield from _value(get_args(one)[0], shape.items, f"{where}[]", accepts)
        elif origin in accepts:
            readable |= accepts[origin]
        else:
            return  # read as it comes
    if other := shape.types - readable:
        yield Difference(where, f"is published as {_list(shape.types)}, of which {_list(other)} cannot be read")


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, ``None`` left out."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [one for part in get_args(annotation) for one in _alternatives(part)]
    return [] if annotation is type(None) else [annotation]


def writing(body: Mapping[str, Any], shape: Shape, where: str) -> Iterator[Difference]:
    """Yield where a body like this one would not be taken as published.  Its texts are as long as they ever are."""
    published, read_only = shape.properties, shape.read_only
    for name, value in body.items():
        if name not in published:
            yield Difference(where, f"{name} is sent, and not published")
            continue
        if name in read_only:
            yield Difference(where, f"{name} is sent, and published as read-only")
        yield from _sent(value, published[name], f"{where}.{name}")
    for name in sorted(shape.required - body.keys()):
        yield Difference(where, f"{name} is required, and not sent")


def _sent(value: Any, shape: Shape, where: str) -> Iterator[Difference]:
    if isinstance(value, dict):
        yield from writing(value, shape, where)
    elif isinstance(value, list) and value and shape.items is not None:
        yield from _sent(value[0], shape.items, f"{where}[]")
    elif shape.types and value is not None and not shape.types & _types_of(value):
        yield Difference(where, f"is sent as {_list(_types_of(value))}, and published as {_list(shape.types)}")
    if isinstance(value, str) and shape.max_length is not None and len(value) > shape.max_length:
        yield Difference(where, f"is sent with up to {len(value)} characters, and published with {shape.max_length}")


def _types_of(value: Any) -> frozenset[str]:
    match value:
        case bool():
            return frozenset({"boolean"})
        case int():
            return frozenset({"integer", "number"})
        case Decimal():
            return frozenset({"number"})
        case list():
            return frozenset({"array"})
        case _:
            return frozenset({"string"})


def _list(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
