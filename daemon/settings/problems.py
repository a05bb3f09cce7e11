"""What can be wrong with a configuration, each in one line, and all of it at once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class ConfigurationError(Exception):
    """The configuration cannot be used.

    The text has a line for each thing that is wrong: ``<file>:<line>:<column>: <dotted.key>: <what is wrong>, expected <what>``.
    """

    def __init__(self, where: str, key: str, wrong: str, expected: str) -> None:
        super().__init__(" ".join(": ".join(part for part in (where, key, f"{wrong}, expected {expected}") if part).split()))

    @classmethod
    def together(cls, errors: Sequence[ConfigurationError]) -> ConfigurationError:
        """Return one error that says all of these, in this order and each once."""
        if len(errors) == 1:
            return errors[0]
        whole = cls.__new__(cls)
        whole.args = ("\n".join(dict.fromkeys(map(str, errors))),)
        return whole


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
    """Return the name that was probably meant."""
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
    """Return everything that pydantic found, without what only follows from a misspelt key.

    Args:
        error: what pydantic found.
        model: what it was to be.
        secrets: the secrets of each kind of connection; their values are never shown.
    """
    found = error.errors(include_url=False)
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
        return str(value)
    return f"a {'table' if isinstance(value, dict) else type(value).__name__}"
