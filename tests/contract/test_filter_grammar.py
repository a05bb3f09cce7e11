"""The grammar of ``$filter`` in the sandbox of the books: what binds how, and what is no filter at all."""

from __future__ import annotations

import pytest

from connectors.sandbox.eaccounting.filtergrammar import (
    Attribute,
    Both,
    Call,
    Compare,
    Either,
    FilterError,
    Literal,
    Name,
    Negated,
    Quantified,
    Values,
    parse,
)

A, B, C = Name("A"), Name("B"), Name("C")
ONE = Literal("number", "1")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("A eq 1", Compare("eq", A, ONE)),
        ("A EQ 1 AND B ne null", Both(Compare("eq", A, ONE), Compare("ne", B, Literal("null", "")))),
        ("A or B and C", Either(A, Both(B, C))),
        ("(A or B) and C", Both(Either(A, B), C)),
        ("A or B or C", Either(Either(A, B), C)),
        ("not A eq 1", Compare("eq", Negated(A), ONE)),
        ("not (A eq 1)", Negated(Compare("eq", A, ONE))),
        ("1 le A", Compare("le", ONE, A)),
        ("A in ( 1 , 'it''s' )", Compare("in", A, Values((ONE, Literal("string", "it's"))))),
        ("A in (1,)", Compare("in", A, Values((ONE,)))),
        ("A/B eq true", Compare("eq", Attribute(A, "B"), Literal("boolean", "true"))),
        ("contains(tolower(A), 'x')", Call("contains", (Call("tolower", (A,)), Literal("string", "x")))),
        ("A/any(b:b/C eq 1)", Quantified(A, "any", "b", Compare("eq", Attribute(Name("b"), "C"), ONE))),
        ("A/all()", Quantified(A, "all")),
    ],
)
def test_a_filter_is_read_as_the_standard_binds_it(text: str, tree: object) -> None:
    """Precedence, parentheses, lists, functions, quantifiers, and keywords in any case."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("'2024-01-01'", "string"),
        ("2024-01-01", "date"),
        ("2024-01-01T10:00:00.123+02:00", "moment"),
        ("11111111-2222-3333-4444-abcdefABCDEF", "guid"),
        ("-1.5e3", "number"),
        ("TRUE", "boolean"),
        ("null", "null"),
    ],
)
def test_a_literal_has_the_kind_of_its_form(text: str, kind: str) -> None:
    """A text of digits and dashes is a date only without quotes."""
    tree = parse(f"A eq {text}")
    assert tree.right.kind == kind


@pytest.mark.parametrize("text", ["", "A eq", "(A", "A)", "A eq 'x", "1eq2", "(A)eq 1", "A eq 1 and", "A in ()", "A = 1", "A eq 1 B"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    """Half a filter, a missing blank, an operator of another language."""
    with pytest.raises(FilterError):
        parse(text)


def test_depth_costs_no_recursion() -> None:
    """Thousands of parentheses are read like one."""
    assert parse("(" * 4000 + "A" + ")" * 4000) == A
