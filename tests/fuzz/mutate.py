"""Spoiling valid inputs: what a broken, careless or hostile sender would make of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.fuzz.surface import Grammar

#: a value that stands in the text of JSON just so
_NUMBERS: Final = (
    "0", "-0", "-1", "1e20000000", "-1e400", "1e-20000000", "1e99999999999999999999", "0.1e1", "9" * 400, "9" * 5000, "1." + "3" * 600,
    "NaN", "Infinity", "-Infinity", "9223372036854775808", "1e20", "2147483648", "0.30000000000000004", "20260316", "-4.95", "1e1000000",
)  # fmt: skip
_TEXTS: Final = (
    "", " ", "0", "4_95", "1e309", "NaN", "inf", "\x00", "a\x00b", "\x1b[31mred\x1b[0m", "[/bold]", "[red]", "<script>alert(1)</script>",
    "\u202e", "\ud800", "\U0001f9fe", "é" * 40, "x" * 10_000, "../../etc/passwd", "'; DROP TABLE work;--", "%s%n", "{0}", "0001-01-01",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "2026-13-01T00:00:00", "1970-01-01", "9999-12-31", "24:00",
    "jo@winkel.example", "NL91ABNA0417164300", "-4.95", "1,95", "٤", "\ufeff1", "true", "null", "1e1000000000",
)  # fmt: skip
_DEPTHS: Final = (40, 900, 20_000)
_BYTES: Final = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\r\n\r\n", b"{", b"]", b'"', b"\\", b"//[", b"\x1f\x8b")
_MOST_BYTES: Final = 2_000_000


class Raw(str):
    """Text that stands in JSON as it is."""

    __slots__ = ()


def mutate(seed: bytes, grammar: Grammar, random: Random) -> bytes:
    """Return a spoilt copy of a valid input; now and then the copy is still valid."""
    spoilt = seed
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        spoilt = _ways(grammar, random)(spoilt, random)
    return spoilt[:_MOST_BYTES]


def _ways(grammar: Grammar, random: Random) -> Callable[[bytes, Random], bytes]:
    """Return a way to spoil: mostly one that knows the grammar, for bytes alone seldom get far."""
    if random.random() < 0.25 or grammar == "bytes":
        return _spoil_bytes
    return {"json": _spoil_json, "lines": _spoil_lines, "text": _spoil_text}[grammar]


def _spoil_bytes(seed: bytes, random: Random) -> bytes:
    at, end = sorted((random.randrange(len(seed) + 1), random.randrange(len(seed) + 1)))
    match random.randrange(7):
        case 0:
            return seed[:at]
        case 1:
            return seed[:at] + seed[end:]
        case 2:
            return seed[:end] + seed[at:end] * random.choice((1, 2, 50)) + seed[end:]
        case 3:
            return seed[:at] + random.choice(_BYTES) + seed[at:]
        case 4:
            return seed[:at] + bytes([seed[at] ^ 1 << random.randrange(8)]) + seed[at + 1 :] if at < len(seed) else seed
        case 5:
            return seed[:at] + random.randbytes(random.choice((1, 4, 100))) + seed[end:]
        case _:
            return b""


def _spoil_text(seed: bytes, random: Random) -> bytes:
    """Put a hostile word in the place of one, or beside it."""
    words = seed.decode("utf-8", "surrogateescape").split(" ")
    at = random.randrange(len(words))
    new = random.choice((*_TEXTS, *_NUMBERS))
    words[at : at + random.randrange(2)] = [new]
    return " ".join(words).encode("utf-8", "surrogatepass" if "\ud800" in new else "surrogateescape")


def _spoil_lines(seed: bytes, random: Random) -> bytes:
    """Spoil the value, the name or the place of one line (TOML, CSV, headers)."""
    lines = seed.decode("utf-8", "surrogateescape").split("\n")
    at = random.randrange(len(lines))
    name, sign, value = lines[at].partition(random.choice(("=", ",", ":")))
    new = random.choice(
        (*_NUMBERS, *(json.dumps(text) for text in _TEXTS), *_TEXTS, "[]", "{}", "[" * 300 + "]" * 300, "true", "~nobody/x")
    )
    match random.randrange(7):
        case 0 | 1:
            lines[at] = f"{name}{sign}{new}" if sign else new
        case 2:
            lines[at] = f"{new}{sign}{value}"
        case 3:
            lines.insert(at, lines[random.randrange(len(lines))])
        case 4:
            del lines[at]
        case 5:
            lines[at] = lines[at].replace("[", "[[").replace("]", "]]") if "[[" not in lines[at] else lines[at].replace("[[", "[")
        case _:
            parts = lines[at].split(",")
            parts[random.randrange(len(parts))] = new
            lines[at] = ",".join(parts)
    return "\n".join(lines).encode("utf-8", "surrogatepass" if any("\ud800" in line for line in lines) else "surrogateescape")


def _spoil_json(seed: bytes, random: Random) -> bytes:
    """Spoil one value, one name or one list of a document; what is no JSON (any more) is spoilt as bytes."""
    try:
        document = json.loads(seed, parse_float=Raw, parse_int=Raw, parse_constant=Raw)
    except (ValueError, RecursionError):
        return _spoil_bytes(seed, random)
    holder: list[Any] = [document]
    places = list(_places(holder))
    owner, key = random.choice(places)
    match random.randrange(10):
        case 0 if isinstance(owner, dict):
            del owner[key]
        case 1 if isinstance(owner, dict):
            owner[random.choice(_TEXTS)] = owner.pop(key)
        case 2 if isinstance(owner, list) and owner is not holder:
            owner.extend([owner[key]] * random.choice((1, 3, 2000)))
        case 3 if isinstance(owner, list) and owner is not holder:
            del owner[key]
        case 4:
            owner[key] = _nested(random)
        case _:
            owner[key] = _hostile(owner[key], random)
    try:
        return written(holder[0]).encode("utf-8", "surrogatepass")
    except RecursionError:  # a seed that is nested deeply itself
        return _spoil_bytes(seed, random)


def _places(value: Any) -> Sequence[tuple[Any, Any]]:
    """Return every place of a document at which a value stands."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        owner = todo.pop()
        for key, inner in owner.items() if isinstance(owner, dict) else enumerate(owner):
            found.append((owner, key))
            if isinstance(inner, dict | list):
                todo.append(inner)
    return found


def _hostile(value: Any, random: Random) -> Any:
    """Return something else: of the same kind at first, for of another kind it is soon found out."""
    if isinstance(value, str) and random.random() < 0.7:
        return Raw(random.choice(_NUMBERS)) if isinstance(value, Raw) else random.choice(_TEXTS)
    return random.choice((None, True, False, [], {}, [[]], Raw(random.choice(_NUMBERS)), random.choice(_TEXTS), Raw('"\\ud800"')))


def _nested(random: Random) -> Raw:
    depth = random.choice(_DEPTHS)
    return Raw("[" * depth + "]" * depth) if random.random() < 0.5 else Raw('{"a":' * depth + "1" + "}" * depth)


def written(value: Any) -> str:
    """Return JSON, with what stands in it as it is."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)
