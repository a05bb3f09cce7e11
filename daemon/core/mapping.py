"""The one expression language of mappings, filters and conditions: compiled once, bounded, over plain data, exact on amounts.

An expression is Python-like and evaluated by simpleeval over dicts, lists, strings, booleans, ``None`` and ``Decimal``.  A literal such
as ``1.21`` is a ``Decimal``.  The functions are those of :data:`FUNCTIONS` and no others; there are no methods, no loops and no powers.

What an expression can cost is bounded three times: its text, before it is parsed; its parts, once, when it is compiled (each is evaluated
at most once); and every value on its way, its record's too, by digits, length and items.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from simpleeval import SimpleEval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_EXPRESSION: Final = 500
MOST_NODES: Final = 150
DEEPEST_NESTING: Final = 20
#: of any value on its way: characters of a text, items of a list, digits before the point of a number, and naughts after it
LONGEST_TEXT: Final = 10_000
MOST_ITEMS: Final = 1_000
MOST_DIGITS: Final = 18
_SMALLEST: Final = -30
_LARGEST: Final = 10**MOST_DIGITS
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?")


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


class TooLarge(Exception):
    """A value on its way is longer, or has more digits, than anybody needs."""


def _bounded(value: Any) -> Any:
    """Return a value as it is; raises :class:`TooLarge`."""
    if isinstance(value, str):
        good = len(value) <= LONGEST_TEXT
    elif isinstance(value, int):
        good = -_LARGEST < value < _LARGEST
    elif isinstance(value, Decimal):
        good = value.is_finite() and _SMALLEST <= value.adjusted() < MOST_DIGITS
    else:
        good = not isinstance(value, list | tuple) or len(value) <= MOST_ITEMS
    if not good:
        raise TooLarge
    return value


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


def _replaced(text: str | None, old: str, new: str) -> str | None:
    """With every ``old`` as ``new``."""
    if text is None:
        return None
    if len(text) + text.count(old) * len(new) > 2 * LONGEST_TEXT:
        raise TooLarge
    return text.replace(old, new)


def _number(text: object) -> Decimal:
    """The number that a text says in plain digits."""
    if isinstance(text, int | Decimal):
        return Decimal(text)
    if not _NUMBER.fullmatch(plain := str(text).strip()):
        raise ValueError
    return Decimal(plain)


#: every function an expression may call; each one's docstring is its documentation
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cut": _cut,
    "default": _default,
    "round": _rounded,
    "text": _text,
    "upper": lambda text: None if text is None else text.upper(),
    "lower": lambda text: None if text is None else text.lower(),
    "strip": lambda text: None if text is None else text.strip(),
    "replace": _replaced,
    "starts": lambda text, start: text is not None and text.startswith(start),
    "contains": lambda text, part: text is not None and part in text,
    "number": _number,
}


def _times(left: Any, right: Any) -> Any:
    """Multiply numbers, or repeat a text."""
    text, number = (left, right) if isinstance(left, str) else (right, left)
    if isinstance(text, str):
        if not isinstance(number, int) or len(text) * number > LONGEST_TEXT:
            raise TooLarge
        return text * number
    return _numeric(left) * _numeric(right)


def _divided(left: Any, right: Any) -> Any:
    """Divide numbers: whole ones too give a ``Decimal``, never a float."""
    return Decimal(_numeric(left)) / _numeric(right)


def _remainder(left: Any, right: Any) -> Any:
    """The rest of a division; a text is no format."""
    return _numeric(left) % _numeric(right)


def _numeric(value: Any) -> Any:
    if not isinstance(value, int | Decimal):
        raise TypeError
    return value


_OPERATORS: Final[dict[type[ast.AST], Callable[..., Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: _divided,
    ast.FloorDiv: lambda left, right: _numeric(left) // _numeric(right),
    ast.Mod: _remainder,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
#: what an expression is made of; everything else is refused when it is compiled
_PARTS: Final = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.Load),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.And, ast.Or, *_OPERATORS),
)
_CONSTANTS: Final = (str, int, float, bool, type(None))


class _Evaluator(SimpleEval):  # type: ignore[misc]  # the package has no types
    """Evaluates what :func:`compile_expression` has let pass, and lets no value grow."""

    def _eval(self, node: ast.AST) -> Any:
        return _bounded(super()._eval(node))

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        """Look up a field of a record; objects have no attributes here."""
        record = self._eval(node.value)
        if not isinstance(record, Mapping):
            raise TypeError
        return record[node.attr]


#: making one looks through all its operators and functions; evaluating never waits, so that one serves all
_EVALUATOR = _Evaluator(functions=FUNCTIONS, operators=_OPERATORS)


class _ExactLiterals(ast.NodeTransformer):
    """Turn decimal literals into ``Decimal``, so that no float ever meets an amount."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, float):
            # ast allows any constant; typeshed lists only those a parser makes
            return ast.copy_location(ast.Constant(Decimal(repr(node.value))), node)  # type: ignore[arg-type]
        return node


def _walked(node: ast.AST) -> Iterator[tuple[ast.AST, int]]:
    """Yield each part with its depth, without ever being as deep itself."""
    waiting = [(node, 1)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(part)]


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
    node = _parsed(source)
    for number, (part, depth) in enumerate(_walked(node)):
        if number >= MOST_NODES or depth > DEEPEST_NESTING:
            raise MappingError(f"{source!r}: too large", expected=f"at most {MOST_NODES} parts, {DEEPEST_NESTING} in each other")
        _check_part(source, part)
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            _check_call(source, part)
    if known is not None:
        _check_names(source, node, known)
    return Expression(source, _ExactLiterals().visit(node))


def _parsed(source: str) -> ast.expr:
    """Return the one expression that a text is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own advice on what was written goes to nobody
            found = ast.parse(source.strip()).body
    except SyntaxError as error:
        raise MappingError(f"{source!r}: {error.msg}", offset=_offset(source, (error.offset or 1) - 1)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise MappingError(f"{source!r}: {error}") from error
    if len(found) != 1:
        offset = _offset_of(source, found[1]) if found else 0
        raise MappingError(f"{source!r}: {len(found)} expressions", expected="one expression", offset=offset)
    if not isinstance(found[0], ast.Expr):
        raise MappingError(f"{source!r}: {type(found[0]).__name__.lower()} is no expression", offset=0)
    return found[0].value


def _check_part(source: str, part: ast.AST) -> None:
    """Raise for what is no part of an expression here, and for a number or a text that is too large as it stands."""
    offset = _offset_of(source, part)
    if not isinstance(part, _PARTS):
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(part).__name__).lower()
        raise MappingError(f"{source!r}: {kind} is no part of an expression", offset=offset)
    if isinstance(part, ast.Constant):
        if not isinstance(part.value, _CONSTANTS):
            raise MappingError(f"{source!r}: {type(part.value).__name__} is no value here", expected="a text or a number", offset=offset)
        try:
            _bounded(Decimal(repr(part.value)) if isinstance(part.value, float) else part.value)
        except TooLarge:
            expected = f"a number of at most {MOST_DIGITS} digits"
            raise MappingError(f"{source!r}: a number that nobody means", expected=expected, offset=offset) from None


def _check_call(source: str, call: ast.Call) -> None:
    """Raise for a function that does not exist, and for one that is given too little or too much."""
    if isinstance(call.func, ast.Attribute):
        raise _unknown(source, call.func, f"there is no .{call.func.attr}", call.func.attr, FUNCTIONS)
    if not isinstance(call.func, ast.Name):
        raise MappingError(f"{source!r}: what is called is no function", offset=_offset(source, call.col_offset))
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


def _offset_of(source: str, part: ast.AST) -> int | None:
    """Return where a part begins in what was written, ``None`` where that is on a later line."""
    return None if getattr(part, "lineno", 1) != 1 else _offset(source, getattr(part, "col_offset", 0))


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
