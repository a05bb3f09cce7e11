"""A TOML file with the place of every key in it, so that what is wrong can be pointed at.

``tomllib`` judges the text and gives the values; it keeps no places, so a second, much simpler look at the same text collects them.  That
look may rely on the text being TOML.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.settings.problems import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: the names that lead to a key from the document's root
Names = tuple[str, ...]

_TOML_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_SPACE = re.compile(r"[ \t]*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
#: a text on one line in which every character stands for itself
_PLAIN = re.compile(r"""(?!\"""|\'\'\')(?:"[^"\\\n]*"|'[^'\n]*')""")
_STRINGS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'"""(?:[^\\]|\\.)*?"{3,5}(?!")',
        r"'''.*?'{3,5}(?!')",
        r'"(?:[^"\\\n]|\\.)*"',
        r"'[^'\n]*'",
    )
)


class Place(NamedTuple):
    """Line and column, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, and where.

    ``keys`` has the place of each key by the names that lead there, ``texts`` that of the first character of its text, where the text is
    written on one line as it is.  Names inside a list are those of the list; of a table in several pieces the first counts.
    """

    file: Path
    data: dict[str, Any]
    keys: Mapping[Names, Place] = field(default_factory=dict)
    texts: Mapping[Names, Place] = field(default_factory=dict)

    def where(self, names: Sequence[str], *, offset: int | None = None) -> str:
        """Name the file, and the line and column of a key, or of the nearest table around it; with an offset, of a place in its text."""
        path = tuple(names)
        if offset is not None and path in self.texts:
            line, column = self.texts[path]
            return f"{self.file}:{line}:{column + offset}"
        while path:
            if path in self.keys:
                return f"{self.file}:{self.keys[path]}"
            path = path[:-1]
        return str(self.file)


def read_document(file: Path) -> Document:
    """Read a TOML file; numbers with a fraction are ``Decimal``.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: it cannot be read, or is no TOML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(file), "", f"cannot read it ({cause(error)})", "a readable TOML file") from error
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(file, text, error) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        # a number of thousands of digits, a nesting of hundreds: TOML all the same, but nobody means it
        raise ConfigurationError(str(file), "", f"cannot take it ({type(error).__name__})", "TOML of a sensible size") from error
    # lines end as tomllib counts them
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return Document(file, data, scanner.keys, scanner.texts)


def cause(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file could not be read, in a few words."""
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else (error.strerror or type(error).__name__).lower()


def _not_toml(file: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigurationError:
    said, where = str(error), str(file)
    if match := _TOML_PLACE.fullmatch(said):
        said = match[1]
        lines = text.splitlines() or [""]
        where = f"{file}:{match[2]}:{match[3]}" if match[2] else f"{file}:{len(lines)}:{len(lines[-1]) + 1}"
    return ConfigurationError(where, "", said[:1].lower() + said[1:], "TOML")


class _Scanner:
    """Walks over a text that is known to be TOML and notes where its keys and their texts begin."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self.keys: dict[Names, Place] = {}
        self.texts: dict[Names, Place] = {}

    def document(self) -> None:
        table: Names = ()
        while self._skip(_SPACE_AND_LINES) < len(self._text):
            if self._text[self._at] != "[":
                self._pair(table)
                continue
            brackets = 2 if self._text.startswith("[[", self._at) else 1
            self._at += brackets
            table = self._key(())
            self._at += brackets

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        self._at = self._at if match is None else match.end()
        return self._at

    def _place(self) -> Place:
        line = bisect_right(self._lines, self._at)
        return Place(line, self._at - self._lines[line - 1] + 1)

    def _name(self) -> str:
        start = self._at
        if self._text[start] in "\"'":
            self._string()
            return str(tomllib.loads(f"name = {self._text[start : self._at]}")["name"])
        return self._text[start : self._skip(_BARE)]

    def _key(self, table: Names) -> Names:
        """Walk over a key and note each of its names, which may be dotted; return the names from the root."""
        path = table
        while True:
            self._skip(_SPACE)
            place = self._place()
            path = (*path, self._name())
            self.keys.setdefault(path, place)
            if self._text[self._skip(_SPACE) : self._at + 1] != ".":
                return path
            self._at += 1

    def _pair(self, table: Names) -> None:
        path = self._key(table)
        self._at += 1  # the equals sign
        if (text := _PLAIN.match(self._text, self._skip(_SPACE))) is not None:
            line, column = self._place()
            self.texts.setdefault(path, Place(line, column + 1))
            self._at = text.end()
        else:
            self._value(path)

    def _value(self, path: Names) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._string()
        elif first == "[":
            for _ in self._items("]"):
                self._value(path)
        elif first == "{":
            for _ in self._items("}"):
                self._pair(path)
        else:
            self._skip(_SCALAR)

    def _items(self, end: str) -> Iterator[None]:
        """Stop at each item of a list or an inline table, and at last behind it."""
        self._at += 1
        while self._text[self._skip(_SPACE_AND_LINES)] != end:
            yield
            if self._text[self._skip(_SPACE_AND_LINES)] == ",":
                self._at += 1
        self._at += 1

    def _string(self) -> None:
        for pattern in _STRINGS:
            if (match := pattern.match(self._text, self._at)) is not None:
                self._at = match.end()
                return
