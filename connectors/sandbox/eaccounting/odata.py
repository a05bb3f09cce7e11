"""The OData expressions of ``$filter``, ``$orderby`` and ``$select`` over kept records.

The grammar is in :mod:`.odatagrammar`; here an expression becomes a function over a record, and, where it demands that an indexed field
equals something, the few records that can satisfy it.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal
from connectors.sandbox.eaccounting.odatagrammar import Kind, Node, NotUnderstood, parse
from connectors.sandbox.eaccounting.table import folded
from connectors.sandbox.eaccounting.validate import identifier, moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connectors.sandbox.eaccounting.facts import Field
    from connectors.sandbox.eaccounting.switches import BooksSwitches
    from connectors.sandbox.eaccounting.table import Table
    from connectors.sandbox.eaccounting.validate import Row, Schema, Schemas

_MAX_LENGTH = 10_000
_ORDERED: Final[dict[Kind, Callable[[Any, Any], bool]]] = {
    Kind.LT: operator.lt,
    Kind.LE: operator.le,
    Kind.GT: operator.gt,
    Kind.GE: operator.ge,
}
_COMPARISONS: Final = {Kind.EQ, Kind.NE, *_ORDERED, Kind.IN}
_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_CHANGES: Final[dict[str, Callable[[str], str]]] = {"tolower": str.lower, "toupper": str.upper, "trim": str.strip}


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison: its value for a record, and its kind (a JSON type, ``moment``, ``guid``, ``null`` or ``list``)."""

    value: Callable[[Row], Any]
    kind: str
    field: str | None = None
    constant: Any = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter: ``matches`` decides, ``candidates`` narrows down by an index (``None``: every record is a candidate)."""

    matches: Callable[[Row], Any]
    candidates: Callable[[Table], set[str] | None]


def _every(_table: Table) -> set[str] | None:
    return None


def _all_of(left: Condition, right: Condition) -> Condition:
    first, second = left.matches, right.matches

    def either(table: Table) -> set[str] | None:
        found = left.candidates(table)
        return right.candidates(table) if found is None else found

    return Condition(lambda row: first(row) and second(row), either)


def _any_of(left: Condition, right: Condition) -> Condition:
    first, second = left.matches, right.matches

    def both(table: Table) -> set[str] | None:
        one, other = left.candidates(table), right.candidates(table)
        return None if one is None or other is None else one | other

    return Condition(lambda row: first(row) or second(row), both)


def bad_query(message: str, code: Code = Code.QUERY_PARAMETER) -> Refusal:
    """Return the refusal of a query parameter."""
    return Refusal(code, f"InvalidQueryException - {message}")


class Expressions:
    """Compiles expressions over records of one schema."""

    def __init__(self, schema: Schema, schemas: Schemas, switches: BooksSwitches) -> None:
        self._schema = schema
        self._schemas = schemas
        self._switches = switches

    def filter(self, text: str) -> Condition:
        """Compile a ``$filter``.

        Raises:
            Refusal: code 6000 when it cannot be understood, 6001 when a value in it is malformed.
        """
        if len(text) > _MAX_LENGTH:
            raise bad_query("The filter is too long.")
        try:
            return self._condition(parse(text), {})
        except NotUnderstood as error:
            raise bad_query(f"The filter '{text[:200]}' cannot be understood.") from error
        except (ValueError, ArithmeticError) as error:
            raise bad_query(str(error), Code.INVALID_INPUT) from error

    def order(self, text: str) -> list[tuple[str, bool]]:
        """Read an ``$orderby`` as fields with whether they descend."""
        keys = []
        for part in text.split(","):
            name, _, direction = part.strip().partition(" ")
            if direction.strip().lower() not in ("", "asc", "desc"):
                raise bad_query(f"The order '{part.strip()[:100]}' cannot be understood.")
            keys.append((self._filterable(self._schema, name).name, direction.strip().lower() == "desc"))
        return keys

    def select(self, text: str) -> list[str]:
        """Read a ``$select`` as field names."""
        return [self._field(self._schema, name.strip()).name for name in text.split(",")]

    def _field(self, schema: Schema, name: str) -> Field:
        found = schema.by_folded_name.get(name.lower()) if self._switches.property_ignores_case else schema.fields.get(name)
        if found is None:
            raise bad_query(f"Could not find a property named '{name[:100]}' on type '{schema.name}'.")
        return found

    def _filterable(self, schema: Schema, name: str) -> Field:
        field = self._field(schema, name)
        if f"{schema.name}.{field.name}" in self._switches.unfilterable:
            raise bad_query(f"The property '{field.name}' cannot be used in the query option.")
        return field

    def _condition(self, node: Node, bound: dict[str, Schema]) -> Condition:
        if node.kind in (Kind.AND, Kind.OR):
            left, right = self._condition(node.parts[0], bound), self._condition(node.parts[1], bound)
            return _all_of(left, right) if node.kind is Kind.AND else _any_of(left, right)
        if node.kind is Kind.NOT:
            inner = self._condition(node.parts[0], bound).matches
            return Condition(lambda row: not inner(row), _every)
        if node.kind in _COMPARISONS:
            return self._compare(node, bound)
        if node.kind is Kind.CALL and node.text in _TESTS and (self._switches.text_functions or node.text == "contains"):
            return self._text_test(node, bound)
        if node.kind in (Kind.ANY, Kind.ALL):
            return self._quantified(node, bound)
        operand = self._operand(node, bound)
        if operand.kind != "boolean":
            raise bad_query("A condition is expected.")
        return Condition(operand.value, _every)

    def _compare(self, node: Node, bound: dict[str, Schema]) -> Condition:
        left, right = (self._operand(one, bound) for one in node.parts)
        if node.kind is Kind.IN:
            return self._membership(left, right)
        flipped = left.field is None and right.field is not None
        if flipped:
            left, right = right, left
        if left.kind != right.kind and "null" not in (left.kind, right.kind):
            raise bad_query(f"A {left.kind} cannot be compared with a {right.kind}.")
        get, other = left.value, right.value
        if node.kind is Kind.EQ:
            same = right.constant if right.field is None else None
            if same is not None and left.field is not None and not bound:
                return Condition(lambda row: get(row) == same, _indexed(left.field, [same]))
            return Condition(lambda row: get(row) == other(row), _every)
        if node.kind is Kind.NE:
            return Condition(lambda row: get(row) != other(row), _every)
        test = _ORDERED[node.kind]

        def ordered(row: Row) -> bool:
            one, two = (other(row), get(row)) if flipped else (get(row), other(row))
            return one is not None and two is not None and test(one, two)

        return Condition(ordered, _every)

    def _membership(self, left: Operand, right: Operand) -> Condition:
        if not self._switches.text_functions or right.kind != "list" or any(kind != left.kind for kind, _ in right.constant):
            raise bad_query("A list of the property's own kind is expected.")
        values = [value for _, value in right.constant]
        get = left.value
        return Condition(lambda row: get(row) in values, _indexed(left.field, values) if left.field else _every)

    def _text_test(self, node: Node, bound: dict[str, Schema]) -> Condition:
        name = node.text
        if len(node.parts) != 2:  # noqa: PLR2004 - the text, and what is looked for
            raise bad_query(f"{name} takes two arguments.")
        left, right = (self._operand(one, bound) for one in node.parts)
        if (left.kind, right.kind) != ("string", "string"):
            raise bad_query(f"{name} takes texts.")
        test, get, other = _TESTS[name], left.value, right.value

        def holds(row: Row) -> bool:
            whole, part = get(row), other(row)
            return whole is not None and part is not None and bool(test(whole, part))

        return Condition(holds, _every)

    def _quantified(self, node: Node, bound: dict[str, Schema]) -> Condition:
        owner, *conditions = node.parts
        field = self._filterable(self._schema, owner.text) if owner.kind is Kind.NAME else None
        if field is None or field.kind != "array" or field.ref is None or not conditions:
            raise bad_query("any and all apply to a list of objects.")
        variable, name = node.text, field.name
        inner = self._condition(conditions[0], {**bound, variable: self._schemas(field.ref)}).matches
        decisive = node.kind is Kind.ANY

        def holds(row: Row) -> bool:
            # a loop and no any() of a generator: one frame of the stack for each level of nesting, not three
            for one in row[name] or ():
                if bool(inner({**row, variable: one})) is decisive:
                    return decisive
            return not decisive

        return Condition(holds, _every)

    def _operand(self, node: Node, bound: dict[str, Schema]) -> Operand:
        if node.kind is Kind.NAME:
            return self._property(self._schema, node.text)
        if node.kind is Kind.MEMBER:
            return self._nested(node.parts[0].text, node.text, bound)
        if node.kind is Kind.CALL and node.text in _CHANGES and len(node.parts) == 1 and self._switches.text_functions:
            inner = self._operand(node.parts[0], bound)
            if inner.kind == "string":
                return self._changed(inner, _CHANGES[node.text])
        if node.kind is Kind.LIST:
            parts = [self._operand(one, bound) for one in node.parts]
            return Operand(lambda _row: None, "list", constant=[(one.kind, one.constant) for one in parts])
        return self._literal(node)

    def _changed(self, inner: Operand, change: Callable[[str], str]) -> Operand:
        get = inner.value

        def changed(row: Row) -> str | None:
            text = get(row)
            return None if text is None else self._fold(change(text))

        return Operand(changed, "string", inner.field and "")

    def _nested(self, owner: str, name: str, bound: dict[str, Schema]) -> Operand:
        if owner in bound:
            inner = self._property(bound[owner], name)
        else:
            field = self._filterable(self._schema, owner)
            if field.kind != "object" or field.ref is None:
                raise bad_query(f"'{owner}' has no properties.")
            owner, inner = field.name, self._property(self._schemas(field.ref), name)
        get = inner.value
        return Operand(lambda row: get(row[owner]) if row[owner] else None, inner.kind, "")

    def _property(self, schema: Schema, name: str) -> Operand:
        field = self._filterable(schema, name)
        name = field.name
        if field.kind == "string" and field.format == "date-time":
            return Operand(lambda row: self._instant(row[name]) if row[name] else None, "moment", name)
        if field.kind == "string" and field.format == "uuid":
            return Operand(operator.itemgetter(name), "guid", name)
        if field.kind == "string" and self._switches.filter_ignores_case:
            return Operand(lambda row: folded(row[name]), "string", name)
        if field.kind in ("object", "array"):
            raise bad_query(f"'{name}' cannot be compared.")
        return Operand(operator.itemgetter(name), "number" if field.kind == "integer" else field.kind, name)

    def _literal(self, node: Node) -> Operand:
        if node.kind is Kind.STRING:
            return _constant(self._fold(node.text), "string")
        if node.kind in (Kind.INTEGER, Kind.DECIMAL):
            return _constant(Decimal(node.text), "number")
        if node.kind is Kind.BOOLEAN:
            return _constant(node.text.lower() == "true", "boolean")
        if node.kind is Kind.GUID:
            return _constant(identifier(node.text), "guid")
        if node.kind in (Kind.DATE, Kind.DATETIME):
            return _constant(self._instant(node.text), "moment")
        if node.kind is Kind.NULL:
            return _constant(None, "null")
        raise bad_query("The filter uses something that is not supported.")

    def _instant(self, text: str) -> datetime:
        at = moment(text)
        return at.replace(microsecond=0) if self._switches.filter_moments == "seconds" else at

    def _fold(self, text: str) -> str:
        return text.casefold() if self._switches.filter_ignores_case else text


def _constant(value: Any, kind: str) -> Operand:
    return Operand(lambda _row: value, kind, None, value)


def _indexed(field: str, values: list[Any]) -> Callable[[Table], set[str] | None]:
    def candidates(table: Table) -> set[str] | None:
        if field == "Id":
            return {value for value in values if value in table.rows}
        index = table.index.get(field)
        if index is None:
            return None
        return {key for value in values for key in index.get(folded(value), ())}

    return candidates
