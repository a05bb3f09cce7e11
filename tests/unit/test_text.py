"""The catalogue: every code that the program can say has its words in every language, with the same values, and there are no others."""

from __future__ import annotations

import ast
import string
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import daemon
from connectors.model import LineKind
from daemon.core.booked import Difference
from daemon.core.brake import Danger
from daemon.core.message import Message, decode, encode, mapped, message, word
from daemon.core.outcomes import Reason
from daemon.core.sale_plan import CORRECT, FIRST_OPEN_DAY, KEEP, REBOOK, WAIT
from daemon.engine.braking import CHOICES, CONTINUE
from daemon.settings.tables import DaemonSettings
from daemon.text import ENGLISH, LANGUAGES

#: the closed lists whose members have words, by the family that their codes begin with
FAMILIES: dict[str, frozenset[str]] = {
    "choice": frozenset({CORRECT, REBOOK, KEEP, FIRST_OPEN_DAY, WAIT, CONTINUE, *CHOICES}),
    "danger": frozenset(Danger),
    "difference": frozenset(Difference),
    "line": frozenset(LineKind),
    "reason": frozenset(Reason),
}


def calls() -> list[tuple[str, ast.Call]]:
    """Every call in the program that says a code: the name of what is called, and the call."""
    found = []
    for path in sorted(Path(daemon.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            called = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
            if isinstance(node, ast.Call) and called in {"message", "word"} and path.name != "message.py":
                where = f"{path.name}:{node.lineno}"
                assert node.args, where
                first = node.args[0]
                if path.parent.name == "text" and isinstance(first, ast.Name):
                    continue  # Speaker.word hands on what it is given
                assert isinstance(first, ast.Constant), f"{where}: a code is written where it is said"
                assert all(keyword.arg for keyword in node.keywords), f"{where}: values are named where they are given"
                found.append((called, node))
    return found


def said() -> dict[str, frozenset[str]]:
    """Every code that the program can say, with the names of its values."""
    found: dict[str, frozenset[str]] = {}
    for called, call in calls():
        first = call.args[0]
        assert isinstance(first, ast.Constant)
        code, names = str(first.value), frozenset(keyword.arg or "" for keyword in call.keywords)
        codes = [code] if called == "message" else [f"{code}.{member}" for member in FAMILIES[code]]
        for one in codes:
            assert found.setdefault(one, names) == names, f"{one} is said with other values elsewhere"
    return found


def places(template: str) -> frozenset[str]:
    """The names of the values that a template has a place for."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_its_words_and_there_are_no_others(language: str) -> None:
    """Enumerated from the program: a code without words, words without a code, and other values than are given are found."""
    assert {code: places(template) for code, template in LANGUAGES[language].items()} == said()


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_plain(language: str) -> None:
    """Values are named, whole and once written out by themselves; no template is empty or ends in white space that shows."""
    for code, template in LANGUAGES[language].items():
        assert template.strip(), code
        for _, name, _, conversion in string.Formatter().parse(template):
            assert name is None or name.isidentifier(), code
            assert conversion is None, code


def test_no_sentence_is_the_same_in_two_languages() -> None:
    """What was forgotten to be translated is found; what is but values and signs is the same."""
    for code, template in LANGUAGES["en"].items():
        words = "".join(text for text, *_ in string.Formatter().parse(template))
        if " " in words.strip() and sum(letter.isalpha() for letter in words) > 8 and not words.startswith("kassabrug "):
            assert template != LANGUAGES["nl"][code], code


def test_the_languages_are_those_of_the_setting() -> None:
    """What can be set can be spoken."""
    assert set(get_args(get_type_hints(DaemonSettings)["language"])) == set(LANGUAGES)


def test_a_message_is_stored_and_read_as_it_was() -> None:
    """With messages in it, and several of them in one place."""
    one = message("a.b", number=3, inner=word("reason", Reason.EXISTS), many=[message("c.d", x="{y}"), 'plain "text"', "é"])
    assert decode(encode(one)) == one


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4000: no",
        "{",
        '{"code": 4000}',
        '{"says":"no"}',
        '{"says":"x","with":[]}',
        '{"says":"x","with":{"y":3}}',
        '{"says":' + "[" * 100_000,
        '{"says":"x","with":{},"more":1}',
    ],
)
def test_what_is_no_message_is_shown_as_it_is(text: str) -> None:
    """A vendor's words, and what an earlier version has stored."""
    assert decode(text) == text
    assert ENGLISH(decode(text)) == text


def test_what_another_version_has_said_is_shown_all_the_same() -> None:
    """A code that nobody knows any more, and one whose values have changed: the code and the values."""
    assert ENGLISH(Message("gone.long_ago", (("number", "3"),))) == "gone.long_ago number=3"
    assert ENGLISH(Message("detail.lines", (("count", "3"),))) == "detail.lines count=3"


def test_a_persons_name_is_taken_out_of_the_values_alone() -> None:
    """The code stays, whatever the person is called."""
    before = message("says.with", says="says with", more=["says", message("says.so", with_="so says he")])
    after = mapped(before, lambda text: text.replace("says", "X"))
    assert after == message("says.with", says="X with", more=["X", message("says.so", with_="so X he")])


def test_several_values_are_joined_as_the_words_say() -> None:
    """By a comma, or by what stands behind the colon."""
    dangers = [message("brake.would", danger="do this"), message("brake.also", danger="do that")]
    told = ENGLISH(message("question.brake", would=dangers, named=["A", "B"], more=""))
    assert told == "This run would do this. It would also do that. I stopped before the first write. They are: A, B."
