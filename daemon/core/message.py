"""What is said to a person, before it is put into words: a code with its values.

Whatever decides something says it as a :class:`Message`; `daemon.text` has the words, one catalogue a language.  A message is stored as
its code and values, so that it is shown in the language of whoever looks, and so that nothing is recognised by a sentence.  What comes
from a vendor or a person is text already, and so is what an earlier version of this program has stored: both are shown as they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

#: how a stored message begins; two names of our own, so that no vendor's JSON is taken for one
_CODE, _VALUES = "says", "with"
_BEGINNING = f'{{"{_CODE}":'


@dataclass(frozen=True, slots=True)
class Message:
    """A code, and its values by name, sorted: plain text, another message, or several of either."""

    code: str
    values: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        """For the log, which is not translated: the code and the values."""
        return " ".join([self.code, *(f"{name}={_plain(value)}" for name, value in self.values)])


Value = str | Message | tuple["Value", ...]
#: what can be shown: words from outside, as they are, or a message
Text = str | Message


def message(code: str, /, **values: object) -> Message:
    """Return a message; numbers and dates become text, lists become tuples."""
    return Message(code, tuple((name, _value(value)) for name, value in sorted(values.items())))


def word(family: str, member: StrEnum | str, /, **values: object) -> Message:
    """Return the message for a member of a closed list: a reason, a danger, a kind of line."""
    return message(f"{family}.{member}", **values)


def _value(value: object) -> Value:
    if isinstance(value, Message):
        return value
    if isinstance(value, list | tuple):
        return tuple(_value(one) for one in value)
    return str(value)


def _plain(value: Value) -> str:
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, tuple) else str(value)


# -- stored -----------------------------------------------------------------------------------------------------------------------


def encode(text: Text) -> str:
    """Return a message as a line of JSON, and text as it is."""
    return text if isinstance(text, str) else json.dumps(_tree(text), separators=(",", ":"), ensure_ascii=False)


def decode(stored: str) -> Text:
    """Return what was stored; whatever is no message is text."""
    if not stored.startswith(_BEGINNING):
        return stored
    try:
        read = _read(json.loads(stored))
    except (ValueError, RecursionError):
        return stored
    return read if isinstance(read, Message) else stored


def mapped(text: Text, change: Callable[[str], str]) -> Text:
    """Return the same with another text in it, value by value: codes stay."""
    if isinstance(text, str):
        return change(text)
    return Message(text.code, tuple((name, _mapped(value, change)) for name, value in text.values))


def _mapped(value: Value, change: Callable[[str], str]) -> Value:
    return tuple(_mapped(one, change) for one in value) if isinstance(value, tuple) else mapped(value, change)


def _tree(value: Value) -> Any:
    if isinstance(value, Message):
        return {_CODE: value.code, _VALUES: {name: _tree(one) for name, one in value.values}}
    return [_tree(one) for one in value] if isinstance(value, tuple) else value


def _read(tree: Any) -> Value:
    """Return a value; raises :class:`ValueError` for what is none."""
    if isinstance(tree, str):
        return tree
    if isinstance(tree, list):
        return tuple(_read(one) for one in tree)
    if isinstance(tree, dict) and tree.keys() == {_CODE, _VALUES}:
        code, values = tree[_CODE], tree[_VALUES]
        if isinstance(code, str) and isinstance(values, dict):
            return Message(code, _pairs(values))
    raise ValueError("no message")


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, Value], ...]:
    return tuple((name, _read(value)) for name, value in sorted(values.items()))
