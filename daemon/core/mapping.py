"""The one expression language of mappings, filters and conditions: compiled once, bounded, over plain data, exact on amounts.

An expression is Python-like and evaluated by simpleeval over dicts, lists, strings, booleans, ``None`` and ``Decimal``.  A literal such
as ``1.21`` is a ``Decimal``.  The functions are those of :data:`FUNCTIONS` and no others.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from simpleeval import SimpleEval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_EXPRESSION = 500
MOST_NODES = 150
DEEPEST_NESTING = 20


class MappingError(Exception):
    """An expression cannot be compiled, or cannot be evaluated over this record.  ``key`` is its place in the file."""

    def __init__(self, text: str, *, key: str = "", expected: str = "an expression") -> None:
        super().__init__(text)
        self.key = key
        self.expected = expected


def _cut(text: str | None, length: int) -> str | None:
    """The first ``length`` characters."""
    return None if text is None else text[: int(length)]


def _default(value: object, other: object) -> object:
    """``other`` where the value is none or an empty text."""
    return other if value is None or value == "" else value


def _rounded(value: Decimal, digits: int) -> Decimal:
    """Rounded half away from zero."""
    return Decimal(value).quantize(Decimal(1).scaleb(-int(digits)), ROUND_HALF_UP)


def _text(value: object) -> str:
    """As text; none is empty."""
    return "" if value is None else str(value)


#: every function an expression may call; each one's docstring is its documentation
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cut": _cut,
    "default": _default,
    "round": _rounded,
    "text": _text,
    "upper": lambda text: None if text is None else text.upper(),
    "lower": lambda text: None if text is None else text.lower(),
    "strip": lambda text: None if text is None else text.strip(),
    "replace": lambda text, old, new: None if text is None else text.replace(old, new),
    "starts": lambda text, start: text is not None and text.startswith(start),
    "contains": lambda text, part: text is not None and part in text,
    "number": lambda text: Decimal(str(text)),
}


#: making one looks through all its operators and functions; evaluating never waits, so that one serves all
_EVALUATOR = SimpleEval(functions=FUNCTIONS)


class _ExactLiterals(ast.NodeTransformer):
    """Turn decimal literals into ``Decimal``, so that no float ever meets an amount."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, float):
            # ast allows any constant; typeshed lists only those a parser makes
            return ast.copy_location(ast.Constant(Decimal(repr(node.value))), node)  # type: ignore[arg-type]
        return node


def _depth(node: ast.AST) -> int:
    return 1 + max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    node: ast.AST

    def __call__(self, names: Mapping[str, Any]) -> Any:
        """Evaluate over plain data; raises :class:`MappingError`."""
        _EVALUATOR.names = dict(names)
        try:
            return _EVALUATOR.eval(self.source, previously_parsed=self.node)
        except Exception as error:
            # the error's own words may quote the record
            message = f"{self.source!r}: {type(error).__name__}"
            raise MappingError(message) from error


def compile_expression(source: str) -> Expression:
    """Compile an expression; raises :class:`MappingError` when it is wrong, too large, or calls what is not there."""
    if len(source) > LONGEST_EXPRESSION:
        raise MappingError(f"an expression may have {LONGEST_EXPRESSION} characters, this one has {len(source)}")
    try:
        node = SimpleEval.parse(source)
    except Exception as error:
        raise MappingError(f"{source!r}: {error}") from error
    if sum(1 for _ in ast.walk(node)) > MOST_NODES or _depth(node) > DEEPEST_NESTING:
        raise MappingError(f"{source!r}: too large")
    called = {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    if unknown := called - FUNCTIONS.keys():
        raise MappingError(f"{source!r}: there is no function {min(unknown)}")
    return Expression(source, _ExactLiterals().visit(node))


@dataclass(frozen=True, slots=True)
class FieldMap:
    """What is written of a record: one expression for each field, one set for a new record and one for a known one."""

    create: Mapping[str, Expression]
    update: Mapping[str, Expression]
    condition: Expression | None = None


def _compile_at(key: str, source: object) -> Expression:
    if not isinstance(source, str):
        raise MappingError("not a text", key=key, expected="an expression in quotes")
    try:
        return compile_expression(source)
    except MappingError as error:
        raise MappingError(str(error), key=key) from error


def _compile_fields(part: str, table: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Expression]:
    compiled = {}
    for name, source in table.items():
        if name not in allowed:
            raise MappingError("unknown field", key=f"{part}.{name}", expected=f"one of {', '.join(sorted(allowed))}")
        compiled[name] = _compile_at(f"{part}.{name}", source)
    return compiled


def compile_map(table: Mapping[str, Any], *, allowed: frozenset[str]) -> FieldMap:
    """Compile the tables ``create`` and ``update`` and the optional ``filter`` of a mapping file.

    ``update`` lists what a known record may have overwritten; a field missing there is written once and then left to the shop.
    Raises :class:`MappingError` naming the field.
    """
    if unknown := set(table) - {"create", "update", "filter"}:
        raise MappingError("unknown table", key=min(unknown), expected="create, update or filter")
    condition = table.get("filter")
    return FieldMap(
        _compile_fields("create", table.get("create", {}), allowed),
        _compile_fields("update", table.get("update", {}), allowed),
        None if condition is None else _compile_at("filter", condition),
    )


def apply_fields(expressions: Mapping[str, Expression], names: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate every field."""
    return {name: expression(names) for name, expression in expressions.items()}
