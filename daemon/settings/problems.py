"""What can be wrong with a configuration, each in one line, and all of it at once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

#: how much is said at once: nobody reads more, and looking for what was meant takes a while for each
MOST_PROBLEMS: Final = 50
_LONGEST_PART: Final = 200
_LONGEST_NAME: Final = 60


class ConfigurationError(Exception):
    """The configuration, a mapping or another file that a person wrote cannot be used.

    The text has a line for each thing that is wrong: ``<file>:<line>:<column>: <dotted.key>: <what is wrong>, expected <what>``.  What it
    quotes is cut, and what would do something to a terminal is shown as what it is.
    """

    def __init__(self, where: str, key: str, wrong: str, expected: str) -> None:
        parts = (_visible(where, 4 * _LONGEST_PART), _visible(key), f"{_visible(wrong)}, expected {_visible(expected, 2 * _LONGEST_PART)}")
        super().__init__(" ".join(": ".join(part for part in parts if part).split()))

    @classmethod
    def together(cls, errors: Sequence[ConfigurationError]) -> ConfigurationError:
        """Return one error that says all of these, in this order and each once."""
        lines = list(dict.fromkeys(line for error in errors for line in str(error).splitlines()))
        if len(lines) > MOST_PROBLEMS:
            lines[MOST_PROBLEMS:] = [f"and {len(lines) - MOST_PROBLEMS} more"]
        whole = cls.__new__(cls)
        whole.args = ("\n".join(lines),)
        return whole


def _visible(text: str, longest: int = _LONGEST_PART) -> str:
    """The text, cut in its middle, with each sign that cannot be printed as its escape."""
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    return "".join(sign if sign.isprintable() or sign in "\t\r\n" else sign.encode("unicode_escape").decode() for sign in text)


@dataclass(eq=False)
class Problem(Exception):
    """A problem found while the file's name is not at hand.  ``names`` lead to the key."""

    names: tuple[str, ...]
    wrong: str
    expected: str

    @property
    def key(self) -> str:
        """The key as people write it."""
        return ".".join(self.names)


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the name that was probably meant; a long one is compared with nothing."""
    if len(name) > _LONGEST_NAME:
        return None
    by_case = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), by_case, n=1)
    return by_case[close[0]] if close else None


def likely(name: str, known: Collection[str]) -> str:
    """Return the name that was probably meant, else all there are."""
    return nearest(name, known) or one_of(known)


def one_of(names: Collection[str]) -> str:
    """Return the names among which there is a choice."""
    return f"one of {', '.join(sorted(names))}" if len(names) > 1 else "".join(names)


#: pydantic's kinds of error in our words; the first whose name the error's type starts with
_EXPECTED = (
    ("int", "a whole number"),
    ("float", "a number"),
    ("finite", "a number"),
    ("decimal", 'an amount like "0.05"'),
    ("bool", "true or false"),
    ("string_pattern", "text that matches {pattern}"),
    ("string_too_short", "some text"),
    ("string", "text in quotes"),
    ("secret", "text in quotes"),
    ("path", "a path in quotes"),
    ("timezone", "a moment with its offset, like 2026-01-31T09:00:00+01:00"),
    ("date", "a moment with its offset, like 2026-01-31T09:00:00+01:00"),
    ("list", 'a list, like ["one", "two"]'),
    ("dict", "a table"),
    ("model", "a table"),
    ("literal", "{expected}"),
    ("greater_than_equal", "{ge} or more"),
    ("greater_than", "more than {gt}"),
    ("less_than_equal", "{le} or less"),
)


def all_problems(error: ValidationError, model: type[BaseModel], secrets: Mapping[str, Collection[str]]) -> list[Problem]:
    """Return what pydantic found, without what only follows from a misspelt key; of very many only the first.

    Args:
        error: what pydantic found.
        model: what it was to be.
        secrets: the secrets of each kind of connection; their values are never shown.
    """
    found = error.errors(include_url=False)[: 4 * MOST_PROBLEMS]
    meant = {
        (*one["loc"][:-1], nearest(str(one["loc"][-1]), _names(model, one["loc"][:-1])))
        for one in found
        if one["type"] == "extra_forbidden"
    }
    return [_problem(one, model, secrets) for one in found if one["type"] != "missing" or one["loc"] not in meant]


def _problem(problem: ErrorDetails, model: type[BaseModel], secrets: Mapping[str, Collection[str]]) -> Problem:
    context = problem.get("ctx", {})
    place = _place(problem, secrets)
    hidden = "urls" in place or any(part in names for part in place for names in secrets.values())
    match problem["type"]:
        case "extra_forbidden":
            return Problem(place, "unknown key", likely(place[-1], _names(model, problem["loc"][:-1])))
        case "configuration":
            return Problem(place, context["what"], context["expected"])
        case "missing" if place[0] == "connections" and hidden:
            ways = f"{place[-1]}, {place[-1]}_file, or the credential {place[1]}.{place[-1]} in $CREDENTIALS_DIRECTORY"
            return Problem(place, "is missing", ways)
        case "missing":
            return Problem(place, "is missing", "a value")
        case "too_short":
            return Problem(place, "is empty", "at least one entry")
        case "union_tag_not_found":
            return Problem((*place, "kind"), "is missing", " or ".join(secrets))
        case "union_tag_invalid":
            return Problem((*place, "kind"), f'"{context["tag"]}" is not accepted', " or ".join(secrets))
        case kind:
            expected = next((words.format(**context) for start, words in _EXPECTED if kind.startswith(start)), problem["msg"])
            return Problem(place, f"{'the value' if hidden else _shown(problem['input'])} is not accepted", expected)


def _names(model: Any, place: Sequence[int | str]) -> Collection[str]:
    """Return the keys of the table at this place of a model; empty where it is no table of fixed keys."""
    for part in place:
        while get_origin(model) is Annotated:
            model = get_args(model)[0]
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(part)].annotation
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        else:
            # connections of several kinds: pydantic puts the kind into the place
            model = next(one for one in get_args(model) if str(part) in get_args(one.model_fields["kind"].annotation))
    return model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else ()


def _place(problem: ErrorDetails, kinds: Collection[str]) -> tuple[str, ...]:
    """The keys that lead to the problem, without the marks that pydantic puts between them."""
    place = [str(part) for part in problem["loc"] if part != "[key]"]
    if len(place) > 2 and place[0] == "connections" and place[2] in kinds:  # noqa: PLR2004 (connections, its name, its kind)
        del place[2]
    return tuple(place)


def _shown(value: object) -> str:
    """The refused value where it is short enough to help, else its type."""
    if isinstance(value, str):
        return f'"{value:.40}"'
    if isinstance(value, int | float | Decimal):
        return f"{value!s:.40}"
    return f"a {'table' if isinstance(value, dict) else type(value).__name__}"
