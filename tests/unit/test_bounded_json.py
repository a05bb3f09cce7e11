"""JSON whose numbers are exactly their digits."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from connectors.bounded_json import MOST_BYTES, MOST_VALUES, digest, from_json, to_json, whole_from_json


@pytest.mark.parametrize("text", ["10.00", "0.10", "-2.50", "99000000.01", "1E+3", "0.0001", "123456789012345678.99"])
def test_an_amount_goes_over_the_wire_digit_for_digit(text: str) -> None:
    """Written as a JSON number without an exponent, and read back equal."""
    written = to_json({"x": Decimal(text)})
    assert b"E" not in written
    assert b'"' not in written.removeprefix(b'{"x":')
    assert from_json(written) == {"x": Decimal(text)}


def test_what_json_cannot_hold_is_refused() -> None:
    """NaN and infinity never reach a vendor."""
    for value in (Decimal("NaN"), Decimal("Infinity"), float("nan")):
        with pytest.raises(ValueError, match=r"JSON|range"):
            to_json(value)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(content: bytes) -> None:
    """Anything else than JSON is an error of one kind."""
    with pytest.raises(ValueError, match=r"."):
        from_json(content)


def test_what_is_written_is_what_was_given() -> None:
    """Digits, names and texts of any kind, nested."""
    assert str(from_json(b'{"a": 102.40}')["a"]) == "102.40"
    assert to_json({"price": Decimal("1E+2"), "é": ["ü", None, True, 5]}) == '{"price":100,"\\u00e9":["ü",null,true,5]}'.encode()


NUMBERS = ["1e10000000", "-1e99999999999999999999", "1e-10000000", "9" * 5000, "0." + "3" * 5000, "NaN", "Infinity", "-Infinity"]


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
def test_a_number_out_of_bounds_is_none_and_spoils_nothing_else(number: str) -> None:
    """It is read at once, as what no field takes; what is to be written back whole is refused."""
    started = time.process_time()
    read = from_json(f'{{"a": {number}, "b": 1.50}}'.encode())
    assert time.process_time() - started < 0.1
    assert read["a"].is_nan()
    assert str(read["b"]) == "1.50"
    with pytest.raises(ValueError, match="number"):
        whole_from_json(f'{{"a": [{number}]}}'.encode())


@pytest.mark.parametrize("nested", ["[" * 20_000 + "]" * 20_000, '{"a":' * 20_000 + "1" + "}" * 20_000], ids=["lists", "objects"])
def test_what_is_nested_too_deeply_is_cut_out(nested: str) -> None:
    """What stands beside it is read, texts with brackets too; what is to be written back whole is refused."""
    content = f'{{"a": "[[\\"[", "deep": {nested}, "b": ["]", 1, {{}}]}}'.encode()
    read = from_json(content)
    assert (read["a"], read["b"]) == ('[["[', ["]", 1, {}])
    assert len(str(read["deep"])) < 1000
    with pytest.raises(ValueError, match="nested"):
        whole_from_json(content)


HUGE = [
    b'"' + b"x" * MOST_BYTES + b'"',
    b"[" + b"1," * MOST_VALUES + b"1]",
    b"[" + b"[]," * MOST_VALUES + b"1]",
    b'{"a":' * 100_000,
    b"[" * 480_000,
]


@pytest.mark.parametrize("content", [*HUGE, b'"' + b'\\"' * 200_000 + b"[" * 5000], ids=range(6))
def test_more_than_is_read_at_once_is_refused_soon(content: bytes) -> None:
    """However it is made up, the loop is not held by it."""
    started = time.process_time()
    with pytest.raises(ValueError, match=r"."):
        from_json(content)
    assert time.process_time() - started < 0.5


def test_a_digest_tells_values_apart_whatever_they_are() -> None:
    """Also what JSON cannot say; and it is the same for the same."""
    odd = [None, 17, "\ud800", Decimal("NaN"), {"a": [1]}, {"a": [2]}, from_json(b"[" * 30 + b"]" * 30)]
    assert len({digest(value) for value in odd}) == len(odd)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
