"""What an answer can be, and which prefix a till has."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from connectors.model import LineKind, MoneyAccount, Product
from daemon.core.answers import (
    AccountWanted,
    ArticleWanted,
    account_offers,
    account_problem,
    article_offers,
    article_problem,
    combine,
    wanted,
)
from daemon.core.references import assign, clashing, dump, load

ACCOUNTS = (
    MoneyAccount("a", "Pin", "1060"),
    MoneyAccount("b", "Kas", "1000"),
    MoneyAccount("c", "Kas", "1001"),
    MoneyAccount("d", "Oud", "1090", active=False),
)
ARTICLE = Product("1", "KB-9", "Vrij", Decimal(1), Decimal(9), is_service=True)
ARTICLES = (
    replace(ARTICLE, id="2", sku="AAP", is_service=False),
    ARTICLE,
    replace(ARTICLE, id="3", sku="KB-21", vat_rate=Decimal(21)),
    replace(ARTICLE, id="4", sku="OUD", active=False),
    replace(ARTICLE, id="5", sku="DUB"),
    replace(ARTICLE, id="6", sku="dub"),
)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("payment_method:ideal", AccountWanted("ideal")),
        ("payment_method:", AccountWanted("")),
        ("payment_method:a:b", AccountWanted("a:b")),
        ("article:shipping:13", ArticleWanted(LineKind.SHIPPING, Decimal(13))),
        ("article:shiping:13", None),
        ("article:shipping:x", None),
        ("brake:products", None),
    ],
)
def test_a_key_says_what_is_wanted(key: str, meant: object) -> None:
    """And what is wanted says its key; what is not about booking wants nothing of the books."""
    found = wanted(key)
    assert found == meant
    assert found is None or found.key == key


def test_the_configuration_beats_an_answer() -> None:
    """What a file says can be read by everybody; an answer counts for what it does not say, and for nothing else."""
    answers = {
        "payment_method:pin": "Kas",
        "payment_method:ideal": "iDEAL",
        "article:free:9": "X",
        "article:free:13.0": "Y",
        "brake:x": "continue",
    }
    said = combine({"pin": "Pin"}, {(LineKind.FREE, Decimal(9)): "KB-9"}, answers)
    assert said.accounts == {"pin": "Pin", "ideal": "iDEAL"}
    assert said.articles == {(LineKind.FREE, Decimal(9)): "KB-9", (LineKind.FREE, Decimal(13)): "Y"}
    assert said.answered == {"payment_method:ideal": "iDEAL", "article:free:13.0": "Y"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Pin", ""),
        ("1001", ""),
        ("c", ""),
        ("Pni", "'Pni' is no bank or cash account of the books; there are: Pin, 1000, 1001"),
        ("", "'' is no bank or cash account"),
        ("Oud", "'Oud' is not active in the books; there are: Pin, 1000, 1001"),
        ("Kas", "2 accounts of the books are called 'Kas': answer with the number of one (1000, 1001)"),
    ],
)
def test_an_account_must_be_one(answer: str, why: str) -> None:
    """There, active, and only one: by its name, its number or its id."""
    assert account_problem(answer, ACCOUNTS)[: len(why) or None] == why
    assert account_offers(ACCOUNTS) == ("Pin", "1000", "1001")
    assert all(account_problem(one, ACCOUNTS) == "" for one in account_offers(ACCOUNTS))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("kb-9", ""),
        ("KB-X", "'KB-X' is no article in the books"),
        ("OUD", "'OUD' is not active in the books"),
        ("DUB", "2 active articles of the books carry the number 'DUB'"),
        ("KB-21", "the article 'KB-21' has VAT 21 %, the lines that are asked about have 9 %"),
    ],
)
def test_an_article_must_be_one(answer: str, why: str) -> None:
    """There, active, only one, and of the VAT rate that is asked about."""
    assert article_problem(answer, Decimal(9), ARTICLES) == why


def test_articles_are_offered_that_would_do() -> None:
    """Those of the rate; services first, for what has no article in the till is rarely goods."""
    assert article_offers(Decimal(9), ARTICLES) == ("DUB", "KB-9", "dub", "AAP")


def test_another_order_in_the_file_changes_no_prefix() -> None:
    """The first till known has the plain one, for ever; a new till never gets what another has, be that gone from the file."""
    first = assign("KB", ["a", "b"], {})
    assert first == {"a": "KB", "b": "KB-b"}
    assert assign("KB", ["b", "a"], load(dump(first))) == first
    assert assign("KB", ["c", "b"], first) == {**first, "c": "KB-c"}
    assert assign("XX", ["c", "a"], first) == {**first, "c": "XX"}
    assert assign("KB", ["a"], {"b": "kb", "c": "KB-a"}) == {"b": "kb", "c": "KB-a", "a": "KB-a-2"}
    assert load(None) == {}


def test_two_tills_with_one_prefix_in_the_same_books_are_found() -> None:
    """Of one link or of two, without regard to case; other books are another matter."""
    assert clashing([("books", "l/a", "KB"), ("other", "m/b", "kb"), ("books", "l/c", "KB-c")]) is None
    assert clashing([("books", "l/a", "KB"), ("books", "m/b", "kb")]) == ("kb", "l/a", "m/b")
