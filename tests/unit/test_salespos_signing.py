"""Signatures of SalesPOS: over exact bytes, and by the vendor's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salespos.signing import Keys, digest, is_genuine, server_time, signed_headers, stamp

KEYS = Keys("demo", "demo")
DATE = "2025-01-01T12:00:00Z"
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "uri", "body", "expected"),
    [
        (
            "GET",
            "/api/rest/v1/orders/?start=0&size=50",
            b"",
            "2333402aa06aeb9e60cc259e748e95d88f114eef8fe8bf04d9503956c3058f1d880c193cf8b3990d6811719a5a366d6023a88d0a8fc9d3691575615b2880582d",
        ),
        (
            "PATCH",
            "/api/rest/v1/products/123/",
            b'{"stock":5}',
            "e4ad5b704c9b57fc88ffeee57bae97348d68b6b8bc6e335c773ad918fe81b2aeb2390e926abac537444f6e88215fdf356138a421eb96de8c8e7baeed4b135cde",
        ),
    ],
)
def test_known_signatures(method: str, uri: str, body: bytes, expected: str) -> None:
    """Requests whose signature is known get exactly that one, whatever the case of the method."""
    assert signed_headers(KEYS, method=method.lower(), uri=uri, body=body, moment=NOON) == {
        "x-public": "demo",
        "x-date": DATE,
        "x-hash": expected,
    }


@given(st.binary(), st.binary())
def test_every_byte_of_the_body_counts(sent: bytes, received: bytes) -> None:
    """An answer is genuine only with the body that was signed."""
    headers = {"x-date": DATE, "x-hash": digest(KEYS, method="GET", uri="/x", body=sent, date=DATE)}
    assert is_genuine(KEYS, method="GET", uri="/x", body=received, headers=headers) is (sent == received)


@pytest.mark.parametrize("change", [{"x-date": "2025-01-01T12:00:01Z"}, {"x-hash": ""}, {"x-hash": "é"}])
def test_altered_headers_are_not_genuine(change: dict[str, str]) -> None:
    """A signature is refused with another date, when it is missing, and when it is not even text of the right kind."""
    headers = {"x-date": DATE, "x-hash": digest(KEYS, method="GET", uri="/x", body=b"{}", date=DATE), **change}
    assert not is_genuine(KEYS, method="GET", uri="/x", body=b"{}", headers=headers)


def test_upper_case_signatures_are_accepted() -> None:
    """Hexadecimal digits mean the same in either case."""
    headers = {"x-date": DATE, "x-hash": digest(KEYS, method="GET", uri="/x", body=b"", date=DATE).upper()}
    assert is_genuine(KEYS, method="GET", uri="/x", body=b"", headers=headers)


def test_the_secret_is_not_shown() -> None:
    """A secret key does not get into a log by way of a representation."""
    assert "hush" not in repr(Keys("demo", "hush"))


def test_dates_are_written_in_utc() -> None:
    """A moment of another zone is written as the same moment in UTC, in whole seconds."""
    assert stamp(datetime(2025, 1, 1, 13, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))) == DATE


@pytest.mark.parametrize(
    "headers",
    [
        {"x-date": "2025-01-01T12:00:00Z"},
        {"x-date": "2025-01-01T12:00:00+00:00"},
        {"x-date": "2025-01-01T12:00:00+0000"},
        {"x-date": "2025-01-01T13:00:00+01:00"},
        {"x-date": "2025-01-01T12:00:00"},
        {"x-date": "soon", "date": "Wed, 01 Jan 2025 12:00:00 GMT"},
        {"date": "Wed, 01 Jan 2025 12:00:00 GMT"},
    ],
)
def test_the_vendors_clock_is_read_in_every_known_form(headers: dict[str, str]) -> None:
    """All forms in which clients write x-date are read, and HTTP's own date stands in for it."""
    assert server_time(headers) == NOON


@pytest.mark.parametrize("headers", [{}, {"x-date": ""}, {"x-date": "soon", "date": "later"}])
def test_no_clock_is_no_clock(headers: dict[str, str]) -> None:
    """An answer without a readable date says nothing about the vendor's clock."""
    assert server_time(headers) is None
