"""JSON whose numbers are exactly their digits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.bounded_json import from_json, to_json


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
