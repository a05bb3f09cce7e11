"""The one reader of TOML: where its keys stand, and what it does not take."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.settings import ConfigurationError
from daemon.settings.document import Document, read_document

TRICKY = '''# a = 1
a = "x = 1 # no"  # b = 2
"b c" = \'\'\'
d = 4
\'\'\'
e.f . "g" = [1, [2, "]"], # h = 1
  { i = 3, j.k = {} },
]
l = 2026-01-31 09:00:00
m = """
n = "1" \\""""
'p"q' = {r = 'it"s', s = [ ]}
[t."u.v"]
w = -1.5e3
[[x]]
y = true
[[x]]
z = "\\\\"
'''


def places(folder: Path, text: str) -> dict[str, str]:
    """Return the place of each key, and of its text."""
    file = folder / "x.toml"
    file.write_bytes(text.encode())
    document = read_document(file)
    return {"|".join(names): f"{place} {document.texts.get(names, '-')}" for names, place in document.keys.items()}


def test_every_key_has_its_place_whatever_stands_around_it(tmp_path: Path) -> None:
    """Strings of four kinds, comments, dates, dotted and quoted keys, inline tables in lists, tables and lists of tables."""
    assert places(tmp_path, TRICKY) == {
        "a": "2:1 2:6",
        "b c": "3:1 -",
        "e": "6:1 -",
        "e|f": "6:3 -",
        "e|f|g": "6:7 -",
        "e|f|g|i": "7:5 -",
        "e|f|g|j": "7:12 -",
        "e|f|g|j|k": "7:14 -",
        "l": "9:1 -",
        "m": "10:1 -",
        'p"q': "12:1 -",
        'p"q|r': "12:10 12:15",
        'p"q|s': "12:22 -",
        "t": "13:2 -",
        "t|u.v": "13:4 -",
        "t|u.v|w": "14:1 -",
        "x": "15:3 -",
        "x|y": "16:1 -",
        "x|z": "18:1 -",
    }


def test_lines_may_end_as_windows_ends_them(tmp_path: Path) -> None:
    """The places are the same."""
    assert places(tmp_path, TRICKY.replace("\n", "\r\n")) == places(tmp_path, TRICKY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1\nb = 1e400", "2:1: b: 1e400 is not accepted, expected a number of at most 18 digits"),
        ("b = [1, [2, nan]]", "1:1: b: nan is not accepted, expected a number of at most 18 digits"),
        ("b.c = -inf", "1:3: b.c: -inf is not accepted, expected a number of at most 18 digits"),
        ("b = 1e-9999999999999999999", "1:1: b: 1e-9999999999999999999 is not accepted, expected a number"),
        ("b = 0.1234567890123456789", "1:1: b: 0.1234567890123456789 is not accepted, expected a number"),
        ("b = 1000000000000000000", "1:1: b: a whole number of too many digits, expected a number of at most 18 digits"),
        ("b = 0x" + "f" * 5000, "1:1: b: a whole number of too many digits, expected"),
        ("a = 'x'\nb = " + "1" * 5000, "2:5: cannot be taken, expected a number of at most 18 digits"),
        ("a = " + "[" * 300 + "]" * 300, "1:1: a: is nested too deeply, expected at most 16 levels"),
        ("a = " + "[" * 3000 + "]" * 3000, "1:21: is nested too deeply, expected at most 16 levels"),
        ("b = " + "{a = " * 30 + "1" + "}" * 30, "1:76: b.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: is nested too deeply, expected at most 16 levels"),
        ("x = 1\n" + "a." * 4000 + "a = 1", "2:1: a key of too many names, expected fewer than 16"),
        ("[" + "a . " * 40 + "a]", "1:2: a key of too many names, expected fewer than 16"),
        ("a = '" + "x" * 9000 + "'", "1:8193: a line of 9006 characters, expected at most 8192"),
        ("a = '''" + "x\n" * 9000 + "'''", "1:1: a: a text of 18000 characters, expected at most 8192"),
        ('a = "\\u0000"', "1:1: a: has the control character U+0000 in it, expected text that can be read"),
        ('"a\\u001b[2J" = 1', "1:1: a\\x1b[2J: has a control character in its name, expected letters"),
        ("a = 1\n" * 300_000, ": cannot read it (more than 1048576 bytes), expected a TOML file of a sensible size"),
    ],
)
def test_what_nobody_means_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """Numbers without measure, nesting, lengths and signs that no person types: one line, in no time, whoever reads the file."""
    file = tmp_path / "x.toml"
    file.write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        read_document(file)
    assert time.process_time() - began < 1
    [line] = str(caught.value).splitlines()
    assert line.removeprefix(str(file)).removeprefix(":").startswith(says.removeprefix(":")), line


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    """A device, or a pipe that somebody holds open."""
    with pytest.raises(ConfigurationError, match="more than 1048576 bytes"):
        read_document(Path("/dev/zero"))


def test_all_of_it_is_said_at_once_but_not_without_end(tmp_path: Path) -> None:
    """A line for each of the first fifty, and how many more there are."""
    file = tmp_path / "x.toml"
    file.write_text("\n".join(f"a{number} = nan" for number in range(5_000)), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_document(file)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (
        51,
        f"{file}:1:1: a0: nan is not accepted, expected a number of at most 18 digits",
        "and 4950 more",
    )


def names_in(table: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every key of what tomllib read, lists passed over."""
    if isinstance(table, list):
        return {name for one in table for name in names_in(one, path)}
    if not isinstance(table, dict):
        return set()
    return {found for key, value in table.items() for found in ({(*path, key)} | names_in(value, (*path, key)))}


def quoted(text: str) -> str:
    """A basic string of TOML."""
    return '"' + "".join(f"\\U{ord(one):08X}" if one in '"\\\x7f' or ord(one) < 32 else one for one in text) + '"'


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=6)
VALUES = st.recursive(
    st.one_of(WORDS.map(quoted), st.integers(-9, 9).map(str), st.just("'#]}'"), st.just('"""\n"# x = 1\n"""')),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + " ,\n# no = 1\n".join(items) + "]"),
        st.dictionaries(WORDS.map(quoted), inner, max_size=3).map(lambda t: "{" + ", ".join(f"{k} = {v}" for k, v in t.items()) + "}"),
    ),
    max_leaves=8,
)


@given(st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES, max_size=4), max_size=4))
def test_the_keys_found_are_those_that_tomllib_reads(tables: dict[str, dict[str, str]]) -> None:
    """Whatever is in the values: no key is overlooked, none made up, and each stands where it is said to stand."""
    text = "\n".join(f"[{quoted(name)}]\n" + "\n".join(f"{quoted(k)} = {v}" for k, v in table.items()) for name, table in tables.items())
    document = scanned(text)
    assert set(document.keys) == names_in(tomllib.loads(text))
    lines = text.split("\n")
    for names, (line, column) in document.keys.items():
        assert lines[line - 1][column - 1 :].startswith(quoted(names[-1]))


def scanned(text: str) -> Document:
    """The document of a text, without a file."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - only here

    with TemporaryDirectory() as folder:
        file = Path(folder) / "x.toml"
        file.write_bytes(text.encode())
        return read_document(file)
