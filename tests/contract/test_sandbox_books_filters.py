"""Filters of the books' sandbox at their bounds, in process: what is long, deep, or beside the point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.eaccounting.odatagrammar import MAX_DEPTH
from tests.contract.books_support import Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LABELLED = "ArticleLabels/any(l: "
#: a filter as deep as allowed -> the articles that it is true of
_DEEPEST = {
    " or ".join(["IsStock eq false"] * (MAX_DEPTH - 2) + ["IsStock"]): {"85123A", "22423", "BOOK"},
    " and ".join(["IsStock"] * (MAX_DEPTH - 2) + ["Number eq 'BOOK'"]): {"BOOK"},
    "not " * (MAX_DEPTH - 1) + "IsServiceArticle": {"85123A", "22423", "BOOK"},
    "tolower(" * (MAX_DEPTH - 2) + "Number" + ")" * (MAX_DEPTH - 2) + " eq 'book'": {"BOOK"},
    _LABELLED * (MAX_DEPTH - 2) + "IsStock eq true" + ")" * (MAX_DEPTH - 2): {"85123A"},
}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


async def _refusal(shop: Shop, text: str) -> tuple[int, int, str]:
    answer = await shop.client.get("/v2/articles", params={"$filter": text})
    error = answer.json()
    return answer.status_code, error["ErrorCode"], error["DeveloperErrorMessage"]


@pytest.mark.parametrize("text", _DEEPEST)
async def test_the_deepest_filter_is_answered(shop: Shop, text: str) -> None:
    """A tree of the greatest depth is compiled and evaluated within Python's stack, and in a time that does not double with each level."""
    found = {row["Number"] for row in (await shop.get("/articles", S_filter=text))["Data"] if not row["Number"].startswith("KB-")}
    assert found - {"AMAZONFEE"} == _DEEPEST[text]


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(["IsStock"] * (MAX_DEPTH + 1)),
        "not " * MAX_DEPTH + "IsStock",
        "not " * 2_000 + "IsStock",
        "tolower(" * 1_000 + "Number" + ")" * 1_000 + " eq 'book'",
        _LABELLED * MAX_DEPTH + "IsStock" + ")" * MAX_DEPTH,
    ],
)
async def test_a_filter_that_is_too_deep_cannot_be_understood(shop: Shop, text: str) -> None:
    """400/6000 as for any other text without a meaning, and never an error of the server."""
    assert await _refusal(shop, text) == (400, 6000, f"InvalidQueryException - The filter '{text[:200]}' cannot be understood.")


async def test_a_filter_of_more_than_ten_thousand_characters_is_too_long(shop: Shop) -> None:
    """10,000 characters are read, one more is not."""
    longest = "Number eq '" + "x" * 9_988 + "'"
    assert (await shop.get("/articles", S_filter=longest))["Data"] == []
    assert await _refusal(shop, longest + " ") == (400, 6000, "InvalidQueryException - The filter is too long.")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("Number eq 'BOOK", 6000, "The filter 'Number eq 'BOOK' cannot be understood."),
        ("lower(Number) eq 'book'", 6000, "The filter 'lower(Number) eq 'book'' cannot be understood."),
        ("GrossPrice add 1 gt 2", 6000, "The filter uses something that is not supported."),
        ("length(Number) eq 5", 6000, "The filter uses something that is not supported."),
        ("concat(a=Number,b=Name,c=Note) eq 'x'", 6000, "The filter 'concat(a=Number,b=Name,c=Note) eq 'x'' cannot be understood."),
        ("substring(a=Number,b=1,c=2) eq 'x'", 6000, "The filter uses something that is not supported."),
        ("a/b/c/any(x: x/Name eq 'y')", 6000, "any and all apply to a list of objects."),
        ("AllocationPeriods eq 1", 6000, "Could not find a property named 'AllocationPeriods' on type 'ArticleApi'."),
        ("Number eq 5", 6000, "A string cannot be compared with a number."),
        ("ChangedUtc gt 2026-02-30", 6001, "day is out of range for month"),
        ("GrossPrice gt 1e9999999999999999999", 6001, "[<class 'decimal.InvalidOperation'>]"),
    ],
)
async def test_a_refusal_says_what_is_wrong_with_a_filter(shop: Shop, text: str, code: int, message: str) -> None:
    """What is no expression, what is not supported, what is compared with another type, and a value that does not exist."""
    assert await _refusal(shop, text) == (400, code, f"InvalidQueryException - {message}")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("GrossPrice eq 2.550 and IsStock", {"85123A"}),
        ("2.56 gt GrossPrice and IsStock", {"85123A"}),
        ("GrossPrice in (2.55,12.75) and IsStock", {"85123A", "22423"}),
        ("Number IN ('BOOK' , )", {"BOOK"}),
        ("not (Number in ('BOOK','22423')) and IsStock eq TRUE", {"85123A"}),
        ("toupper(trim(' book ')) eq toupper(Number)", {"BOOK"}),
        ("contains(Name,'T-LIGHT') or contains(Name,'x''y')", {"85123A"}),
        ("ArticleLabels/all(l: l/Name eq 'nothing') and startswith(Number,'85')", set()),
        ("Number eq null", set()),
    ],
)
async def test_literals_lists_and_functions_in_a_filter(shop: Shop, text: str, numbers: set[str]) -> None:
    """Decimals are compared exactly, from either side; lists, functions and quoted quotes are what OData says."""
    assert {row["Number"] for row in (await shop.get("/articles", S_filter=text))["Data"]} == numbers
