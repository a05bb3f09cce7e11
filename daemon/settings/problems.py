"""What can be wrong with a configuration, said in one line."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class ConfigurationError(Exception):
    """The configuration cannot be used.  The text is one line: ``<file>: <dotted.key>: <what is wrong>, expected <what>``."""

    def __init__(self, where: str, key: str, wrong: str, expected: str) -> None:
        super().__init__(" ".join(": ".join(part for part in (where, key, f"{wrong}, expected {expected}") if part).split()))


class Problem(Exception):
    """A problem found while the file's name is not at hand."""

    def __init__(self, key: str, wrong: str, expected: str) -> None:
        super().__init__(key, wrong, expected)
        self.key, self.wrong, self.expected = key, wrong, expected


def wrong(what: str, expected: str) -> PydanticCustomError:
    """Return the error for a validator to raise; pydantic adds the place."""
    return PydanticCustomError("configuration", "{what}", {"what": what, "expected": expected})


def unknown(key: str, known: Collection[str]) -> PydanticCustomError:
    """Return the error for a key that a table does not have."""
    return PydanticCustomError("unknown_key", "unknown key", {"key": key, "expected": likely(key, known)})


def likely(key: str, known: Collection[str]) -> str:
    """Return the key that was probably meant, else all there are."""
    close = difflib.get_close_matches(key, known, n=1)
    return close[0] if close else f"one of {', '.join(sorted(known))}"


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


def first_problem(error: ValidationError, secrets: Mapping[str, Collection[str]]) -> tuple[str, str, str]:
    """Return key, what is wrong and what was expected; a misspelt key comes first, for it explains what seems to be missing.

    Args:
        error: what pydantic found.
        secrets: the secrets of each kind of connection; their values are never shown.
    """
    problems = error.errors(include_url=False)
    problem = next((one for one in problems if one["type"] == "unknown_key"), problems[0])
    context = problem.get("ctx", {})
    place = _place(problem, secrets)
    key = ".".join(place)
    hidden = "urls" in place or any(part in names for part in place for names in secrets.values())
    match problem["type"]:
        case "unknown_key":
            found = f"{key}.{context['key']}", "unknown key", context["expected"]
        case "configuration":
            found = key, context["what"], context["expected"]
        case "missing" if place[0] == "connections" and hidden:
            ways = f"{place[-1]}, {place[-1]}_file, or the credential {place[1]}.{place[-1]} in $CREDENTIALS_DIRECTORY"
            found = key, "is missing", ways
        case "missing":
            found = key, "is missing", "a value"
        case "too_short":
            found = key, "is empty", "at least one entry"
        case "union_tag_not_found":
            found = f"{key}.kind", "is missing", " or ".join(secrets)
        case "union_tag_invalid":
            found = f"{key}.kind", f'"{context["tag"]}" is not accepted', " or ".join(secrets)
        case kind:
            expected = next((words for start, words in _EXPECTED if kind.startswith(start)), problem["msg"])
            found = key, f"{'the value' if hidden else _shown(problem['input'])} is not accepted", expected.format(**context)
    return found


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
