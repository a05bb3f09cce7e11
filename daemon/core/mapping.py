"""The one expression language of mappings, filters and conditions: compiled once, bounded, over plain data, exact on amounts.

An expression is Python-like and evaluated by simpleeval over dicts, lists, strings, booleans, ``None`` and ``Decimal``.  A literal such
as ``1.21`` is a ``Decimal``.  The functions are those of :data:`FUNCTIONS` and no others.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from inspect import signature
from typing import TYPE_CHECKING, Any

from simpleeval import SimpleEval

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_EXPRESSION = 500
MOST_NODES = 150
DEEPEST_NESTING = 20


#: what an expression may name: the records that it is given, each with its fields
Names = Mapping[str, frozenset[str]]


class MappingError(Exception):
    """An expression cannot be compiled, or cannot be evaluated over this record.

    ``names`` lead to its place in the file, ``offset`` counts characters into its text where the mistake is known that well.  A name that
    does not exist is ``unknown``, and ``known`` are those that do.
    """

    def __init__(
        self,
        text: str,
        *,
        names: tuple[str, ...] = (),
        expected: str = "an expression",
        offset: int | None = None,
        unknown: str = "",
        known: Collection[str] = (),
    ) -> None:
        super().__init__(text)
        self.names = names
        self.expected = expected
        self.offset = offset
        self.unknown = unknown
        self.known = known


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


def compile_expression(source: str, known: Names | None = None) -> Expression:
    """Compile an expression; ``known`` are the names it may use, ``None`` any.

    Raises:
        MappingError: it is wrong, too large, or names what is not there.
    """
    if len(source) > LONGEST_EXPRESSION:
        raise MappingError(f"an expression may have {LONGEST_EXPRESSION} characters, this one has {len(source)}")
    try:
        node = SimpleEval.parse(source)
    except SyntaxError as error:
        raise MappingError(f"{source!r}: {error.msg}", offset=_offset(source, (error.offset or 1) - 1)) from error
    except Exception as error:
        raise MappingError(f"{source!r}: {error}") from error
    if sum(1 for _ in ast.walk(node)) > MOST_NODES or _depth(node) > DEEPEST_NESTING:
        raise MappingError(f"{source!r}: too large")
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            _check_call(source, part)
    if known is not None:
        _check_names(source, node, known)
    return Expression(source, _ExactLiterals().visit(node))


def _check_call(source: str, call: ast.Call) -> None:
    """Raise for a function that does not exist, and for one that is given too little or too much."""
    if not isinstance(call.func, ast.Name):
        return
    if call.func.id not in FUNCTIONS:
        raise _unknown(source, call, f"there is no function {call.func.id}", call.func.id, FUNCTIONS)
    takes = signature(FUNCTIONS[call.func.id])
    try:
        takes.bind(*call.args, **{str(one.arg): one.value for one in call.keywords})
    except TypeError as error:
        name, offset = call.func.id, _offset(source, call.col_offset)
        raise MappingError(f"{source!r}: {name}: {error}", expected=f"{name}({', '.join(takes.parameters)})", offset=offset) from error


def _check_names(source: str, node: ast.AST, known: Names) -> None:
    """Raise for a name, or a field of a record, that does not exist: it would hold every record, or write nothing, for ever."""
    passed = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    for part in ast.walk(node):
        record, field = _field(part)
        if record is not None and record.id in known:
            passed.add(id(record))
            if field not in known[record.id]:
                raise _unknown(source, part, f"there is no {record.id}.{field}", field, known[record.id])
        elif isinstance(part, ast.Attribute) and not isinstance(part.value, ast.Name):
            raise _unknown(source, part, f"there is no .{part.attr}", part.attr, FUNCTIONS)
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and id(part) not in passed:
            if part.id not in known:
                raise _unknown(source, part, f"there is no {part.id}", part.id, known)
            example = f"a field of it, like {part.id}.{min(known[part.id])}"
            raise MappingError(f"{source!r}: {part.id} alone is no value", expected=example, offset=_offset(source, part.col_offset))


def _field(part: ast.AST) -> tuple[ast.Name | None, str]:
    """Return the record and the field that a part names, as ``record.field`` or ``record["field"]``."""
    if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
        return part.value, part.attr
    if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name) and isinstance(part.slice, ast.Constant):
        return part.value, str(part.slice.value)
    return None, ""


def _unknown(source: str, part: ast.AST, text: str, name: str, known: Collection[str]) -> MappingError:
    offset = source.find(name, _offset(source, getattr(part, "col_offset", 0)))
    return MappingError(f"{source!r}: {text}", offset=offset, unknown=name, known=known)


def _offset(source: str, column: int) -> int:
    """Return where a column of the parsed text is in what was written: spaces before it are not parsed, and are counted in characters."""
    blanks = len(source) - len(source.lstrip())
    return blanks + len(source.lstrip().encode()[:column].decode(errors="ignore"))


@dataclass(frozen=True, slots=True)
class FieldMap:
    """What is written of a record: one expression for each field, one set for a new record and one for a known one."""

    create: Mapping[str, Expression]
    update: Mapping[str, Expression]
    condition: Expression | None = None

    @property
    def fingerprint(self) -> str:
        """A text that is another one when anything of this is."""
        parts = [f"{part}.{name} = {one.source}" for part in ("create", "update") for name, one in sorted(getattr(self, part).items())]
        return "\n".join([*parts, f"filter = {'' if self.condition is None else self.condition.source}"])


class _Compiler:
    """Compiles what it is given and keeps what is wrong, so that everything can be said at once."""

    def __init__(self, allowed: Collection[str], known: Names | None) -> None:
        self._allowed = allowed
        self._known = known
        self.errors: list[MappingError] = []

    def expression(self, names: tuple[str, ...], source: object) -> Expression | None:
        if not isinstance(source, str):
            self.errors.append(MappingError("not a text", names=names, expected="an expression in quotes"))
            return None
        try:
            return compile_expression(source, self._known)
        except MappingError as error:
            error.names = names
            self.errors.append(error)
            return None

    def fields(self, part: str, table: object) -> dict[str, Expression]:
        if not isinstance(table, dict):
            self.errors.append(MappingError("not a table", names=(part,), expected="a table of expressions"))
            return {}
        compiled = {}
        for name, source in table.items():
            if name not in self._allowed:
                self.errors.append(MappingError("unknown field", names=(part, name), unknown=name, known=self._allowed))
            elif (expression := self.expression((part, name), source)) is not None:
                compiled[name] = expression
        return compiled


def compile_map(table: Mapping[str, Any], *, allowed: Collection[str], known: Names | None = None, filtered: bool = True) -> FieldMap:
    """Compile the tables ``create`` and ``update`` and, where records are ``filtered``, the optional ``filter`` of a mapping file.

    ``update`` lists what a known record may have overwritten; a field missing there is written once and then left to the shop.

    Args:
        table: what the file holds.
        allowed: the fields that can be written.
        known: the names that an expression may use, ``None`` any.
        filtered: whether there is a filter.

    Raises:
        ExceptionGroup: of every :class:`MappingError` that was found.
    """
    compiler = _Compiler(allowed, known)
    parts = ("create", "update", "filter") if filtered else ("create", "update")
    compiler.errors += [MappingError("unknown table", names=(name,), unknown=name, known=parts) for name in table if name not in parts]
    create, update = (compiler.fields(part, table.get(part, {})) for part in ("create", "update"))
    condition = compiler.expression(("filter",), table["filter"]) if filtered and "filter" in table else None
    if compiler.errors:
        raise ExceptionGroup("mapping", compiler.errors)
    return FieldMap(create, update, condition)


def apply_fields(expressions: Mapping[str, Expression], names: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate every field."""
    return {name: expression(names) for name, expression in expressions.items()}
