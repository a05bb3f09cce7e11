"""The prefix with which the documents of a till are found again.  It never changes once a document may carry it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def assign(base: str, tills: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the prefix of every till of a link, past ones too.

    Two tills may give the same receipt number, so each has a prefix of its own: one till the configured one, every other the till's name
    behind it.

    Args:
        base: the prefix that the configuration gives.
        tills: the link's tills in the order of the file, which decides only who is first where nothing is known.
        known: what was given to tills before, whatever the file says now.
    """
    given = dict(known)
    for till in tills:
        if till not in given:
            taken = {prefix.casefold() for prefix in given.values()}
            choices = [base, f"{base}-{till}", *(f"{base}-{till}-{number}" for number in range(2, len(taken) + 3))]
            given[till] = next(choice for choice in choices if choice.casefold() not in taken)
    return given


def clashing(prefixes: Iterable[tuple[str, str, str]]) -> tuple[str, str, str] | None:
    """Return (prefix, one owner, another) where two owners in the same books have one prefix.  ``prefixes`` are (books, owner, prefix)."""
    owners: dict[tuple[str, str], str] = {}
    for books, owner, prefix in prefixes:
        before = owners.setdefault((books, prefix.casefold()), owner)
        if before != owner:
            return prefix, before, owner
    return None


def dump(prefixes: Mapping[str, str]) -> str:
    """Return the prefixes as a fact."""
    return json.dumps(prefixes, sort_keys=True)


def load(fact: str | None) -> dict[str, str]:
    """Return the prefixes of a fact; none where there is no fact."""
    return {str(till): str(prefix) for till, prefix in json.loads(fact).items()} if fact else {}
