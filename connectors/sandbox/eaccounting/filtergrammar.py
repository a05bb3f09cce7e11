"""The grammar of OData's ``$filter`` as far as the published document and public clients use it: text becomes a tree.

Operators stand between blanks, keywords are read in any case, a list of one has a comma behind it (``(1,)``).
Source: OData 4.0, part 2, 5.1.1; reference eaccounting.md, "Querying".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lark import Lark, Transformer, UnexpectedInput, v_args

_DAY: Final = r"[1-9]\d{3}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])"
_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,12})?)?"
_ZONE: Final = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_GRAMMAR: Final = (
    r"""
?start: disjunction
?disjunction: conjunction | disjunction OR conjunction -> either
?conjunction: equality | conjunction AND equality -> both
?equality: relation | equality EQUALITY relation -> compare
?relation: negation | relation RELATION negation -> compare
?negation: membership | NOT negation -> negated
?membership: primary | membership IN primary -> compare
?primary: "(" _WS? disjunction _WS? ")" | literal | member | call | list

list: "(" _WS? disjunction _WS? "," _WS? ")" | "(" _WS? disjunction (_WS? "," _WS? disjunction)+ _WS? ")"
call: NAME "(" _WS? ")" | NAME "(" _WS? disjunction (_WS? "," _WS? disjunction)* _WS? ")"
?member: NAME -> name
       | member "/" NAME -> attribute
       | member "/" QUANTIFIER "(" _WS? ")" -> quantified
       | member "/" QUANTIFIER "(" _WS? NAME _WS? ":" _WS? disjunction _WS? ")" -> quantified

?literal: STRING -> string | GUID -> guid | MOMENT -> moment | DATE -> date | NUMBER -> number | TRUTH -> truth | NULL -> null

STRING.20: /'(?:[^']|'')*'/
GUID.19: /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/i
NUMBER.16: /[+-]?\d+(?:\.\d+)?(?:e[-+]?\d+)?/i
TRUTH.15: /(?:true|false)\b/i
NULL.15: /null\b/i
NOT.14: /not\s+/i
QUANTIFIER.13: /(?:any|all)(?=\()/i
NAME.1: /[_a-z](?:\.?\w){0,127}/i
OR.12: /\s+or\s+/i
AND.12: /\s+and\s+/i
EQUALITY.12: /\s+(?:eq|ne)\s+/i
RELATION.12: /\s+(?:lt|le|gt|ge)\s+/i
IN.12: /\s+in\s+/i
_WS.1: /\s+/
"""
     f"MOMENT.18: /{_DAY}T{_TIME}{_ZONE}?/i\nDATE.17: /{_DAY}/\n"
)


class FilterError(ValueError):
    """A text that is no filter."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it is written; ``kind`` is string, guid, moment, date, number, boolean or null."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A property, or the variable of a quantifier."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property of a property."""

    owner: Any
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """A list of values."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison; ``operator`` is eq, ne, lt, le, gt, ge or in."""

    operator: str
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Both:
    """Two conditions that must both hold."""

    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Either:
    """Two conditions of which one must hold."""

    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition that must not hold."""

    condition: Any


@dataclass(frozen=True, slots=True)
class Quantified:
    """``any`` or ``all`` over a list of objects; without a condition ``variable`` is empty."""

    owner: Any
    quantifier: str
    variable: str = ""
    condition: Any = None


@v_args(inline=True)
class _Tree(Transformer[Any, Any]):
    """Makes the nodes."""

    def either(self, left: Any, _operator: str, right: Any) -> Either:
        return Either(left, right)

    def both(self, left: Any, _operator: str, right: Any) -> Both:
        return Both(left, right)

    def compare(self, left: Any, operator: str, right: Any) -> Compare:
        return Compare(operator.strip().lower(), left, right)

    def negated(self, _operator: str, condition: Any) -> Negated:
        return Negated(condition)

    def list(self, *values: Any) -> Values:
        return Values(values)

    def call(self, name: str, *arguments: Any) -> Call:
        return Call(str(name), arguments)

    def name(self, name: str) -> Name:
        return Name(str(name).rpartition(".")[2])

    def attribute(self, owner: Any, name: str) -> Attribute:
        return Attribute(owner, str(name))

    def quantified(self, owner: Any, quantifier: str, variable: str = "", condition: Any = None) -> Quantified:
        return Quantified(owner, quantifier.lower(), str(variable), condition)

    def string(self, text: str) -> Literal:
        return Literal("string", text[1:-1].replace("''", "'"))

    def guid(self, text: str) -> Literal:
        return Literal("guid", str(text))

    def moment(self, text: str) -> Literal:
        return Literal("moment", str(text))

    def date(self, text: str) -> Literal:
        return Literal("date", str(text))

    def number(self, text: str) -> Literal:
        return Literal("number", str(text))

    def truth(self, text: str) -> Literal:
        return Literal("boolean", text.lower())

    def null(self, _text: str) -> Literal:
        return Literal("null", "")


_PARSER: Final = Lark(_GRAMMAR, parser="lalr", transformer=_Tree())


def parse(text: str) -> Any:
    """Return the tree of a filter.

    Raises:
        FilterError: it is none.
    """
    try:
        return _PARSER.parse(text)
    except UnexpectedInput as error:
        raise FilterError(f"at {error.column}") from error
