"""The places of keys in a TOML file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from daemon.settings.document import Document, read_document

if TYPE_CHECKING:
    from pathlib import Path

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
    from pathlib import Path  # noqa: PLC0415 - only here
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - only here

    with TemporaryDirectory() as folder:
        file = Path(folder) / "x.toml"
        file.write_bytes(text.encode())
        return read_document(file)
