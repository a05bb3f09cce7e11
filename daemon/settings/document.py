"""The one reader of what people write for this program: a TOML file, bounded, with the place of every key in it.

The configuration, the mapping files and the faults files are read by :func:`read_document`; whatever is wrong with their bytes is a
:class:`~daemon.settings.problems.ConfigurationError` with its place.  Numbers come out finite and of a size that somebody can mean, texts
without control characters, and nothing is long, deep or numerous enough to hurt whoever reads it after this.

``tomllib`` judges the text and gives the values; it keeps no places, so a second, much simpler look at the same text collects them.  That
look may rely on the text being TOML.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from daemon.settings.problems import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: the names that lead to a key from the document's root
Names = tuple[str, ...]

#: bytes of a file: a ``[sku]`` table of more than twenty thousand lines fits
LARGEST_FILE: Final = 1 << 20
#: bytes of a file that holds a credential
LARGEST_SECRET: Final = 1 << 16
#: characters of a line, and of a text over several lines
LONGEST_LINE: Final = 8_192
#: tables and lists in each other, and names of a dotted key: what tables are in each other is written in one key too
DEEPEST: Final = 16
#: digits before the point, and after it
MOST_DIGITS: Final = 18

_DOTTED = re.compile(
    r"""(?<![A-Za-z0-9_\-"'.])(?:(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){%d}""" % DEEPEST  # noqa: UP031 - braces of its own
)
#: more digits than ``int`` takes, which tells no place
_DIGITS = re.compile(r"[0-9][0-9_]{4000,}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
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
    ``problems`` are the values that nobody can mean.
    """

    file: Path
    data: dict[str, Any]
    keys: Mapping[Names, Place] = field(default_factory=dict)
    texts: Mapping[Names, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

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


class _Absurd(str):
    """A number of the file that nobody can mean, as it is written there."""

    __slots__ = ()


def read_bounded(file: Path, largest: int) -> str:
    """Return the text of a file of at most ``largest`` bytes; more is never read.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is no text.
        ValueError: it is larger; the text says so in a few words.
    """
    with file.open("rb") as opened:
        content = opened.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest} bytes")
    return content.decode()


def read_document(file: Path, *, strict: bool = True) -> Document:
    """Read a TOML file; numbers with a fraction are ``Decimal``.

    Args:
        file: where it lies.
        strict: whether values that nobody can mean are raised, or left to whoever has more to say about the same file.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: it cannot be read, is no TOML, or holds what nobody means; all of that at once.
    """
    try:
        text = read_bounded(file, LARGEST_FILE)
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(file), "", f"cannot read it ({cause(error)})", "a readable TOML file") from error
    except ValueError as error:
        raise ConfigurationError(str(file), "", f"cannot read it ({error})", "a TOML file of a sensible size") from error
    # lines end as tomllib counts them
    text = text.replace("\r\n", "\n")
    _check_lines(file, text)
    try:
        data = tomllib.loads(text, parse_float=_number)
        scanner = _Scanner(text)
        scanner.document()
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(file, text, error) from error
    except RecursionError:
        raise ConfigurationError(_deepest(file, text), "", "is nested too deeply", f"at most {DEEPEST} levels") from None
    except ValueError as error:
        match = _DIGITS.search(text)
        raise ConfigurationError(_at(file, text, match.start() if match else None), "", "cannot be taken", _A_NUMBER) from error
    document = Document(file, data, scanner.keys, scanner.texts, tuple(_senseless(data)))
    if strict and document.problems:
        told = [ConfigurationError(document.where(one.names), one.key, one.wrong, one.expected) for one in document.problems]
        raise ConfigurationError.together(told)
    return document


_A_NUMBER: Final = f"a number of at most {MOST_DIGITS} digits"


def _number(text: str) -> Decimal | _Absurd:
    """Read a number with a fraction or an exponent, or one of TOML's words for what is no number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return _Absurd(text)
    if not number.is_finite():
        return _Absurd(text)
    exponent = int(number.as_tuple().exponent)
    fits = -MOST_DIGITS <= exponent < MOST_DIGITS and (not number or number.adjusted() < MOST_DIGITS)
    return number if fits else _Absurd(text)


def _check_lines(file: Path, text: str) -> None:
    """Raise for a line, or a key in it, that takes longer to read than anybody would write it."""
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            what = f"a line of {len(line)} characters"
            raise ConfigurationError(f"{file}:{number}:{LONGEST_LINE + 1}", "", what, f"at most {LONGEST_LINE}")
        start += len(line) + 1
    if (match := _DOTTED.search(text)) is not None:
        raise ConfigurationError(_at(file, text, match.start()), "", "a key of too many names", f"fewer than {DEEPEST}")


def _senseless(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each value, and each name, that nobody can mean."""
    waiting: list[tuple[Names, object]] = [((), data)]
    while waiting:
        names, value = waiting.pop()
        if isinstance(value, dict | list) and len(names) > DEEPEST:
            yield Problem(tuple(name for name in names[:-1] if name), "is nested too deeply", f"at most {DEEPEST} levels")
        elif isinstance(value, dict):
            bad = [name for name in value if _CONTROL.search(name)]
            if bad:
                yield Problem((*names, *bad[:1]), "has a control character in its name", "letters, digits and signs")
            waiting += [((*names, name), one) for name, one in reversed(value.items()) if name not in bad]
        elif isinstance(value, list):
            # an item has no name; the depth is counted all the same
            waiting += [((*names, ""), one) for one in reversed(value)]
        elif (problem := _wrong_value(value)) is not None:
            yield Problem(tuple(name for name in names if name), *problem)


def _wrong_value(value: object) -> tuple[str, str] | None:
    """Return what is wrong with a text or a number, and what was expected."""
    if isinstance(value, _Absurd):
        return f"{value[:40]} is not accepted", _A_NUMBER
    if isinstance(value, str) and len(value) > LONGEST_LINE:
        return f"a text of {len(value)} characters", f"at most {LONGEST_LINE}"
    if isinstance(value, str) and (match := _CONTROL.search(value)) is not None:
        return f"has the control character U+{ord(match[0]):04X} in it", "text that can be read"
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return "a whole number of too many digits", _A_NUMBER
    return None


def _at(file: Path, text: str, offset: int | None) -> str:
    """Name the file, and the line and column of an offset into its text."""
    if offset is None:
        return str(file)
    return f"{file}:{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"


def _deepest(file: Path, text: str) -> str:
    """Name the place where brackets in each other become too many, taking each for one."""
    depth = 0
    for match in re.finditer(r"[\[{}\]]", text):
        depth += 1 if match[0] in "[{" else -1
        if depth > DEEPEST:
            return _at(file, text, match.start())
    return str(file)


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
