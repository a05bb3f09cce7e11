"""The grammar of the OData expressions that a filter may be: text to a tree, nothing more.

It covers what the sandbox evaluates, and knows the rest of OData's common expressions (arithmetic, durations, functions of dates, longer
paths) just far enough to tell what is not supported from what is no expression at all.  Whitespace is part of an operator, as OData has
it: ``a eq 1 and b eq 2``, but not ``(a eq 1)and(b eq 2)``.  A list of one has a comma at its end, ``('a',)``, since ``('a')`` is a text
in parentheses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput

#: nodes below one another, so that whoever walks the tree may spend two frames of Python's stack on each
MAX_DEPTH: Final = 400

#: functions by how many arguments they take, in the case in which OData writes them
_FUNCTIONS: Final = {
    0: "maxdatetime mindatetime now",
    1: (
        "ceiling date day floor fractionalseconds geo.length hour length minute month round second time tolower"
        " totaloffsetminutes totalseconds toupper trim year"
    ),
    2: "concat contains endswith geo.distance geo.intersects hassubsequence hassubset indexof matchesPattern startswith substring",
    3: "substring",
}
_ARGUMENTS: Final = frozenset((name, count) for count, names in _FUNCTIONS.items() for name in names.split())

# One level of precedence for each rule, loosest first.  The terminals are tried in the order of their numbers, whatever could follow: a
# moment before the date that it begins with, a date before a number.  Punctuation takes the whitespace that may stand beside it.
_GRAMMAR: Final = r"""
?start: disjunction

?disjunction: conjunction | disjunction _OR conjunction -> or_
?conjunction: equality    | conjunction _AND equality   -> and_
?equality:    relation    | equality EQUAL relation     -> comparison
?relation:    sum         | relation ORDERED sum        -> comparison
?sum:         product     | sum _PLUS product           -> unsupported
?product:     unary       | product _TIMES unary        -> unsupported
?unary:       membership  | _NOT unary -> not_          | _MINUS unary -> unsupported
?membership:  primary     | membership _IN list         -> member_of

?primary: _OPEN disjunction _CLOSE | literal | path | quantified | call | list

literal: STRING | GUID | DATETIME | DATE | DECIMAL | INTEGER | BOOLEAN | NULL
       | (_GEOGRAPHY | _DURATION | _TIME) -> unsupported
?path: NAME -> name | owner NAME -> member
?owner: NAME "/" -> name | owner NAME "/" -> member
quantified: owner (ANY | ALL) _OPEN NAME _COLON disjunction _CLOSE
          | owner ANY _OPEN _CLOSE
call: NAME _OPEN _CLOSE
    | NAME _OPEN disjunction _CLOSE
    | NAME _OPEN named (_COMMA named)* _CLOSE
    | NAME list -> call_with_list
named: NAME "=" disjunction -> unsupported
list: _OPEN disjunction _COMMA _CLOSE
    | _OPEN disjunction (_COMMA disjunction)+ _CLOSE

_DURATION.90: /duration'[+-]?P(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?'/i
_GEOGRAPHY.90: /geography'(?:[^']|'')*'/i
STRING.90: /'(?:[^']|'')*'/
GUID.87: /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/i
DATETIME.86: /DAYT(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,12})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?/i
DATE.85: /DAY/
_TIME.84: /(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,12})?/
DECIMAL.83: /[+-]?\d+(?:\.\d+(?:e[-+]?\d+)?|e[-+]?\d+)/i
INTEGER.82: /[+-]?\d+/
BOOLEAN.81: /(?:true|false)(?!\w)/i
NULL.81: /null(?!\w)/i
ANY.81: /any(?!\w)/i
ALL.81: /all(?!\w)/i
_OR.80: /\s+or\s+/i
_AND.80: /\s+and\s+/i
EQUAL.80: /\s+(?:eq|ne)\s+/i
ORDERED.80: /\s+(?:lt|le|gt|ge)\s+/i
_PLUS.80: /\s+(?:add|sub)\s+/i
_TIMES.80: /\s+(?:mul|div|mod)\s+/i
_IN.80: /\s+in\s+/i
_NOT.80: /not\s+/i
_MINUS.79: /-\s*/
_OPEN.79: /\(\s*/
_CLOSE.79: /\s*\)/
_COMMA.79: /\s*,\s*/
_COLON.79: /\s*:\s*/
NAME.70: /[_a-z](?:\.?\w){0,127}/i
""".replace("DAY", r"[1-9]\d{3}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])")


class NotUnderstood(Exception):
    """A text that is no expression, is too deep, or calls a function that does not exist."""


class Kind(StrEnum):
    """What a node is.  Operators and quantifiers are in lower case, as they are written; the value of others is for messages."""

    STRING = "String"
    GUID = "GUID"
    DATETIME = "DateTime"
    DATE = "Date"
    DECIMAL = "Decimal"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    NULL = "Null"
    LIST = "List"
    NAME = "Name"
    MEMBER = "Member"
    CALL = "Call"
    ANY = "any"
    ALL = "all"
    AND = "and"
    OR = "or"
    NOT = "not"
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    UNSUPPORTED = "Unsupported"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression.

    ``text`` is a literal as it was written (a string without its quotes), the name of a property or of a function, or the variable that
    ``any`` and ``all`` bind.  ``parts`` are the operands: of a member its owner; of a quantifier the list, then what has to hold of its
    elements, where anything is asked of them; of what is not supported nothing.
    """

    kind: Kind
    text: str = ""
    parts: tuple[Node, ...] = ()


_UNSUPPORTED: Final = Node(Kind.UNSUPPORTED)


def _own_name(token: Token) -> str:
    """Return a name without the namespace it may carry."""
    return str(token).rpartition(".")[2]


@v_args(inline=True)
class _Tree(Transformer[Token, Node]):
    """Makes nodes while the parser reads, so that no walk over a deep tree is needed."""

    def or_(self, left: Node, right: Node) -> Node:
        return Node(Kind.OR, parts=(left, right))

    def and_(self, left: Node, right: Node) -> Node:
        return Node(Kind.AND, parts=(left, right))

    def not_(self, inner: Node) -> Node:
        return Node(Kind.NOT, parts=(inner,))

    def comparison(self, left: Node, operator: Token, right: Node) -> Node:
        return Node(Kind(operator.strip().lower()), parts=(left, right))

    def member_of(self, left: Node, right: Node) -> Node:
        return Node(Kind.IN, parts=(left, right))

    def unsupported(self, *_parts: Node | Token) -> Node:
        return _UNSUPPORTED

    def literal(self, token: Token) -> Node:
        text = str(token)
        return Node(Kind[token.type], text[1:-1].replace("''", "'") if token.type == "STRING" else text)

    def list(self, *items: Node) -> Node:
        return Node(Kind.LIST, parts=items)

    def name(self, name: Token) -> Node:
        return Node(Kind.NAME, _own_name(name))

    def member(self, owner: Node, name: Token) -> Node:
        # no property that can be compared lies deeper than in a property
        return Node(Kind.MEMBER, _own_name(name), (owner,)) if owner.kind is Kind.NAME else _UNSUPPORTED

    def quantified(self, owner: Node, quantifier: Token, variable: Token | None = None, condition: Node | None = None) -> Node:
        if variable is None or condition is None:
            return Node(Kind[quantifier.type], parts=(owner,))
        return Node(Kind[quantifier.type], _own_name(variable), (owner, condition))

    def call(self, name: Token, *arguments: Node) -> Node:
        space = str(name).rpartition(".")[0]
        if space in ("", "geo") and (str(name), len(arguments)) not in _ARGUMENTS:
            raise NotUnderstood(f"there is no function {name} of {len(arguments)} arguments")
        return Node(Kind.CALL, _own_name(name), arguments)

    def call_with_list(self, name: Token, arguments: Node) -> Node:
        return self.call(name, *arguments.parts)


_PARSER: Final = Lark(_GRAMMAR, parser="lalr", lexer="basic", transformer=_Tree())


@lru_cache(maxsize=512)
def parse(text: str) -> Node:
    """Read an expression; its tree has at most :data:`MAX_DEPTH` levels.

    Raises:
        NotUnderstood: it is none, is too deep, or calls a function that does not exist.
    """
    try:
        tree = cast("Node", _PARSER.parse(text))  # the types know nothing of a transformer that works while the parser reads
    except UnexpectedInput as error:
        raise NotUnderstood(f"it breaks off at character {error.pos_in_stream}") from error
    _measure(tree)
    return tree


def _measure(tree: Node) -> None:
    """Refuse a tree that is too deep; level by level, for the same reason."""
    level: list[Node] = [tree]
    for _ in range(MAX_DEPTH):
        level = [part for node in level for part in node.parts]
        if not level:
            return
    raise NotUnderstood("it is nested too deeply")
