"""The words of every code, one module a language: templates of ``str.format`` by code, with the values of its message by name.

Several values in one place are joined by ``", "``, or by what stands behind the colon: ``{lines: }`` puts a space between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.core.message import Message, word
from daemon.text import dutch, english

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from daemon.core.message import Text, Value

#: every language, by the name that the setting ``daemon.language`` has for it
LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": english.WORDS, "nl": dutch.WORDS}


@dataclass(frozen=True, slots=True)
class _Joined:
    """Several values in one place."""

    parts: tuple[str, ...]

    def __format__(self, separator: str) -> str:
        return (separator or ", ").join(self.parts)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Puts messages into the words of one language."""

    language: str = "en"

    def __call__(self, text: Text) -> str:
        """Return text as it is, and a message in words; one that another version of this program wrote as its code and values."""
        if isinstance(text, str):
            return text
        template = LANGUAGES[self.language].get(text.code)
        if template is None:
            return str(text)
        try:
            return template.format(**{name: self._shown(value) for name, value in text.values})
        except (KeyError, ValueError):  # the values of another version
            return str(text)

    def has(self, one: Message) -> bool:
        """Whether there are words for it."""
        return one.code in LANGUAGES[self.language]

    def word(self, family: str, member: StrEnum | str, /) -> str:
        """Return the word for a member of a closed list."""
        return self(word(family, member))

    def _shown(self, value: Value) -> str | _Joined:
        if isinstance(value, tuple):
            return _Joined(tuple(self(one) if isinstance(one, str | Message) else str(one) for one in value))
        return self(value)


ENGLISH: Final = Speaker()
