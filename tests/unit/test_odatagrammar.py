"""The grammar of the sandbox's filters: what OData's rules say a text means, and what is no expression."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.eaccounting.odatagrammar import MAX_DEPTH, Kind, Node, NotUnderstood, parse

_LITERALS: Final = {
    Kind.STRING,
    Kind.GUID,
    Kind.DATETIME,
    Kind.DATE,
    Kind.DECIMAL,
    Kind.INTEGER,
    Kind.BOOLEAN,
    Kind.NULL,
}
_GUID: Final = "0b55f0c1-9f7e-4f0e-8f5d-0123456789ab"
#: how tightly an operator binds (OData 4.0 part 2, 5.1.1.14), loosest first
_BINDS: Final = {
    Kind.OR: 1,
    Kind.AND: 2,
    Kind.EQ: 3,
    Kind.NE: 3,
    Kind.LT: 4,
    Kind.LE: 4,
    Kind.GT: 4,
    Kind.GE: 4,
    Kind.NOT: 7,
    Kind.IN: 8,
}


def shown(text: str) -> str:
    """Return the tree of an expression with its operators in front."""
    return _shown(parse(text))


def _shown(node: Node) -> str:
    label = f"{node.kind}:{node.text}" if node.text else str(node.kind)
    return f"({' '.join([label, *map(_shown, node.parts)])})" if node.parts else label


# literals


@pytest.mark.parametrize(
    ("text", "kind", "kept"),
    [
        ("'a'", Kind.STRING, "a"),
        ("''", Kind.STRING, ""),
        ("'it''s'", Kind.STRING, "it's"),
        ("''''", Kind.STRING, "'"),
        ("' and ) or '", Kind.STRING, " and ) or "),
        ("12", Kind.INTEGER, "12"),
        ("-12", Kind.INTEGER, "-12"),
        ("+007", Kind.INTEGER, "+007"),
        ("2.550", Kind.DECIMAL, "2.550"),
        ("-0.10", Kind.DECIMAL, "-0.10"),
        ("99999999999999999999.123456789", Kind.DECIMAL, "99999999999999999999.123456789"),
        ("1e3", Kind.DECIMAL, "1e3"),
        ("1.5E-2", Kind.DECIMAL, "1.5E-2"),
        ("true", Kind.BOOLEAN, "true"),
        ("False", Kind.BOOLEAN, "False"),
        ("NULL", Kind.NULL, "NULL"),
        (_GUID, Kind.GUID, _GUID),
        (_GUID.upper(), Kind.GUID, _GUID.upper()),
        ("12345678-1234-1234-1234-123456789012", Kind.GUID, "12345678-1234-1234-1234-123456789012"),
        ("2026-03-16", Kind.DATE, "2026-03-16"),
        ("2026-03-16T09:30", Kind.DATETIME, "2026-03-16T09:30"),
        ("2026-03-16T09:30:00Z", Kind.DATETIME, "2026-03-16T09:30:00Z"),
        ("2026-03-16t09:30:00.1234567+01:00", Kind.DATETIME, "2026-03-16t09:30:00.1234567+01:00"),
    ],
)
def test_a_literal_keeps_its_kind_and_every_digit(text: str, kind: Kind, kept: str) -> None:
    """Numbers, moments and ids stay as they were written; only a string loses its quotes, and a doubled quote in it is one."""
    assert parse(text) == Node(kind, kept)


@pytest.mark.parametrize(
    "text",
    [
        "'a",
        "'''",
        "a'",
        "1.",
        ".5",
        "1e",
        "1_000",
        "2026-3-1",
        "2026-13-01",
        "2026-03-16T24:00",
        "2026-03-16T09:30:00.",
        "2026-03-16T09:30::00",
        "0999-01-01",
        _GUID + "0",
        "{" + _GUID + "}",
        "datetime'2026-03-16'",
        "duration'P1X'",
    ],
)
def test_what_is_nearly_a_literal_is_no_expression(text: str) -> None:
    """No literal is read in part and none is guessed at."""
    with pytest.raises(NotUnderstood):
        parse(text)


@pytest.mark.parametrize(
    "name", ["Number", "_x", "AllowTransactionText", "AnyName", "nullable", "trueNorth", "falsehood", "notice", "order", "inner"]
)
def test_a_name_may_begin_as_a_keyword_does(name: str) -> None:
    """``AllocationPeriods`` is a property, and not the word ``all`` with something behind it."""
    assert parse(name) == Node(Kind.NAME, name)


# operators


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a eq 1 or b eq 2 and c eq 3", "(or (eq Name:a Integer:1) (and (eq Name:b Integer:2) (eq Name:c Integer:3)))"),
        ("(a eq 1 or b eq 2) and c", "(and (or (eq Name:a Integer:1) (eq Name:b Integer:2)) Name:c)"),
        ("a or b or c", "(or (or Name:a Name:b) Name:c)"),
        ("a and b and c", "(and (and Name:a Name:b) Name:c)"),
        ("a eq b lt c", "(eq Name:a (lt Name:b Name:c))"),
        ("a ne b eq c", "(eq (ne Name:a Name:b) Name:c)"),
        ("not a eq b", "(eq (not Name:a) Name:b)"),
        ("not (a eq b)", "(not (eq Name:a Name:b))"),
        ("not not a", "(not (not Name:a))"),
        ("not a and b", "(and (not Name:a) Name:b)"),
        ("a or not b", "(or Name:a (not Name:b))"),
        ("not a in (1,2)", "(not (in Name:a (List Integer:1 Integer:2)))"),
        ("a eq b in ('x',)", "(eq Name:a (in Name:b (List String:x)))"),
        ("a in ( 'x' , 'y' )", "(in Name:a (List String:x String:y))"),
        ("a/b eq ('x')", "(eq (Member:b Name:a) String:x)"),
        ("contains(tolower( a ),'x') eq TRUE", "(eq (Call:contains (Call:tolower Name:a) String:x) Boolean:TRUE)"),
        ("rows/any(r: r/n eq 1 or r/n eq 2)", "(any:r Name:rows (or (eq (Member:n Name:r) Integer:1) (eq (Member:n Name:r) Integer:2)))"),
        ("rows/ALL( r : r/n ) and b", "(and (all:r Name:rows (Member:n Name:r)) Name:b)"),
        ("rows/any()", "(any Name:rows)"),
        ("a\tEQ  1\nAnd b NE 2", "(and (eq Name:a Integer:1) (ne Name:b Integer:2))"),
        ("((((a))))", "Name:a"),
    ],
)
def test_operators_bind_as_odata_says(text: str, tree: str) -> None:
    """Or, and, equality, order, not, in: each tighter than the one before, from left to right; keywords in any case."""
    assert shown(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a eq",
        "eq 1",
        "a eq 1 ",
        " a eq 1",
        "(a eq 1",
        "a eq 1)",
        "(a eq 1)and(b eq 2)",
        "a = 1",
        "a == 1",
        "a eq 1, b eq 2",
        "a eq1",
        "()",
        "(a,b,)",
        "a in 1",
        "a in ('x')",
        "a in ()",
        "not(a)",
        "a/",
        "/a",
        "a//b",
        "a/any(b)",
        "a/any(r:)",
        "a/all()",
        "any(r: r)",
        "a b",
        "a eq 1 xor b",
        "$it eq 1",
        "a eq @p",
        'a eq "x"',
        "a;b",
        "x" * 129,
    ],
)
def test_what_breaks_the_grammar_is_refused(text: str) -> None:
    """Whatever OData does not write; whitespace belongs to the operators, and a list of one needs its comma."""
    with pytest.raises(NotUnderstood):
        parse(text)


# functions


@pytest.mark.parametrize(
    "call", ["lower(a)", "Contains(a,'x')", "contains(a)", "contains(a,'x','y')", "tolower()", "now(1)", "geo.contains(a,b)"]
)
def test_an_unknown_function_or_number_of_arguments_is_refused(call: str) -> None:
    """Functions are told apart by case and by how many arguments they take."""
    with pytest.raises(NotUnderstood):
        parse(call)


@pytest.mark.parametrize(
    "part",
    [
        "a add 1",
        "a sub 1 mul 2",
        "a div 2",
        "a mod 2",
        "-a",
        "- (a)",
        "09:30:00",
        "duration'P1DT2H'",
        "geography'POINT(1 2)'",
        "a/b/c",
    ],
)
def test_what_odata_has_and_the_sandbox_has_not_is_known_as_such(part: str) -> None:
    """Arithmetic, durations, times, geography and long paths are read as a whole, to be refused as not supported."""
    assert parse(f"{part} eq 1 and b") == Node(
        Kind.AND, parts=(Node(Kind.EQ, parts=(Node(Kind.UNSUPPORTED), Node(Kind.INTEGER, "1"))), Node(Kind.NAME, "b"))
    )


# bounds


def test_a_tree_has_a_greatest_depth() -> None:
    """As deep as allowed it is read, one deeper it is refused, and so is any depth, without running out of stack."""
    assert parse("not " * (MAX_DEPTH - 1) + "a").kind is Kind.NOT
    for text in (
        "not " * MAX_DEPTH + "a",
        "not " * 50_000 + "a",
        " or ".join(["a"] * (MAX_DEPTH + 1)),
        "trim(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH,
        "a/any(r: " * MAX_DEPTH + "b" + ")" * MAX_DEPTH,
        "(" * MAX_DEPTH + "a" + ",)" * MAX_DEPTH,
    ):
        with pytest.raises(NotUnderstood):
            parse(text)


def test_parentheses_alone_are_not_depth() -> None:
    """They leave nothing in the tree, so that any number of them is read, and an open one refused."""
    assert parse("(" * 20_000 + "a" + ")" * 20_000) == Node(Kind.NAME, "a")
    with pytest.raises(NotUnderstood):
        parse("(" * 20_000 + "a")


# any expression

_names = st.sampled_from(["a", "Number", "_b1", "allow"])
_texts = st.text(max_size=8)
_leaves = st.one_of(
    _names.map(lambda name: Node(Kind.NAME, name)),
    st.tuples(_names, _names).map(lambda names: Node(Kind.MEMBER, names[1], (Node(Kind.NAME, names[0]),))),
    _texts.map(lambda text: Node(Kind.STRING, text)),
    st.integers().map(lambda number: Node(Kind.INTEGER, str(number))),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda number: Node(Kind.DECIMAL, f"{number:f}")),
    st.sampled_from([Node(Kind.BOOLEAN, "true"), Node(Kind.NULL, "null"), Node(Kind.DATE, "2026-03-16")]),
    st.uuids().map(lambda one: Node(Kind.GUID, str(one))),
    st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda at: Node(Kind.DATETIME, f"{at.isoformat()}Z")),  # noqa: DTZ001 - hypothesis wants it naive
)


def _larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    binary = st.sampled_from([kind for kind in _BINDS if kind not in (Kind.NOT, Kind.IN)])
    lists = st.lists(inner, min_size=1, max_size=3).map(lambda items: Node(Kind.LIST, parts=tuple(items)))
    return st.one_of(
        st.builds(lambda kind, left, right: Node(kind, parts=(left, right)), binary, inner, inner),
        inner.map(lambda one: Node(Kind.NOT, parts=(one,))),
        st.tuples(inner, lists).map(lambda parts: Node(Kind.IN, parts=parts)),
        st.tuples(inner, inner).map(lambda parts: Node(Kind.CALL, "contains", parts)),
        inner.map(lambda one: Node(Kind.CALL, "tolower", (one,))),
        st.builds(lambda kind, one: Node(kind, "r", (Node(Kind.NAME, "rows"), one)), st.sampled_from([Kind.ANY, Kind.ALL]), inner),
    )


def written(node: Node) -> str:
    """Write a tree with no more parentheses than precedence asks for."""
    if node.kind in _LITERALS or node.kind is Kind.NAME:
        return "'" + node.text.replace("'", "''") + "'" if node.kind is Kind.STRING else node.text
    if node.kind is Kind.MEMBER:
        return f"{written(node.parts[0])}/{node.text}"
    if node.kind is Kind.CALL:
        return f"{node.text}({','.join(map(written, node.parts))})"
    if node.kind is Kind.LIST:
        return f"({','.join(map(written, node.parts))}{',' if len(node.parts) == 1 else ''})"
    if node.kind in (Kind.ANY, Kind.ALL):
        return f"{written(node.parts[0])}/{node.kind}({node.text}: {written(node.parts[1])})"
    binds = _BINDS[node.kind]
    if node.kind is Kind.NOT:
        return f"not {_inside(node.parts[0], binds)}"
    left, right = node.parts
    return f"{_inside(left, binds)} {node.kind} {_inside(right, binds + 1)}"


def _inside(node: Node, least: int) -> str:
    text = written(node)
    return f"({text})" if _BINDS.get(node.kind, least) < least else text


@given(st.recursive(_leaves, _larger, max_leaves=12))
def test_a_tree_is_read_back_from_how_it_is_written(tree: Node) -> None:
    """Whatever is said with as few parentheses as OData's precedence allows means what was meant."""
    assert parse(written(tree)) == tree


@given(
    st.lists(
        st.sampled_from(
            [
                " ",
                "a",
                " eq ",
                " and ",
                " in ",
                "not ",
                "(",
                ")",
                ",",
                "'",
                "1",
                "-",
                ".",
                "null",
                "any",
                "/",
                ":",
                "=",
                "tolower",
                "2026-03-16",
                "T",
            ]
        )
        | st.characters(),
        max_size=20,
    ).map("".join)
)
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """Nothing but a tree or a refusal comes of a text, whatever stands in it."""
    try:
        tree = parse(text)
    except NotUnderstood:
        return
    assert isinstance(tree, Node)
