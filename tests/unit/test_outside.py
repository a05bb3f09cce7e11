"""Words from outside are letters: they steer nothing, name nobody and give no secret away, and cleaning them takes no time."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli import show
from daemon.core.message import message
from daemon.core.outside import LONGEST, LONGEST_NAME, REDACTED, clean, identity, is_clean, names_in, printable, redacted, said

R = REDACTED


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mail jan.de-vries+x@mail.example.co.uk, jan%40example.nl or jan&#64;example.nl", f"mail {R}, {R} or {R}"),
        ("jan\u200b@exa\u00admple.nl", R),
        ("IBAN NL91ABNA0417164300 is wrong", f"IBAN {R} is wrong"),
        ("IBAN NL91 ABNA 0417 1643 00, be68539007547034", f"IBAN {R}, {R}"),
        ("VAT NL123456789B01 and BE 0123.456.789", f"VAT {R} and {R}"),
        ("call +31 6 12345678, 06-12345678, (015) 123 45 67, 0150000000 or 0031612345678", f"call {R}, {R}, {R}, {R} or {R}"),
        ("personnummer 811228-9874", f"personnummer {R}"),
        ("refresh_token=abc.def-ghi&x=1", f"refresh_token={R}&x=1"),
        ('{\\"access_token\\":\\"abc\\"}', f'{{\\"access_token\\":\\"{R}\\"}}'),
        ("Invalid refresh token: rt-1", f"Invalid refresh token: {R}"),
        ("got eyJhbGciOi.eyJzdWIi.c2ln", f"got {R}"),
        ("key Zx9kQ7vB2mN5pL8wR1tY4uI6oP3aS0dFgH", f"key {R}"),
    ],
)
def test_persons_and_secrets_are_taken_out(text: str, wanted: str) -> None:
    """However they are spelled or hidden."""
    assert clean(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "2000: DataModelValidationException - no [/Rows/0/ArticleId]",
        "id de456789-1234-4321-aaaa-123456789012 of 2026-05-12T12:00:00+00:00, 05-12-2026 at 21 %, 12.50 instead of 1234567.89",
        "receipt KB-700100, R1, 581492-1234, SKU KAARS-1 8712345678901, article 84123B",
        "fingerprint 0123456789abcdef0123456789abcdef",
    ],
)
def test_what_a_person_needs_stays(text: str) -> None:
    """Codes, ids, dates, amounts, numbers of receipts and articles."""
    assert clean(text) == text
    assert is_clean(text)


def test_control_characters_and_what_is_not_seen_are_gone() -> None:
    """Escape sequences, other directions, half characters, ends of lines; a listing has a line for each."""
    assert clean("a\x1b[31mb\x9b1mc\x00d\r\ne\u202ef\u2066g\ufeffh\ud800i\u2028j") == "a [31mb 1mc d  efgh\ufffdi j"
    assert printable("two\nlines", lines=True) == "two\nlines"
    assert clean("é ü 你好 🙂 ₤") == "é ü 你好 🙂 ₤"


def test_the_record_in_hand_names_its_person() -> None:
    """Name and its parts, company, address, numbers, in any case and spacing; somebody else's words stay."""
    payload = (
        b'{"id": "1", "customer": {"id": "17", "name": "Jan Jansen", "company": "Bakker BV", "organisation_number": "12345678",'
        b' "invoice_address": {"street": "Kade 1", "postal_code": "2611 AB", "city": "Delft", "country": "NL"}},'
        b' "lines": [{"text": "Jansen bier"}]}'
    )
    names = names_in(payload)
    text = "Customer JAN  jansen (bakker bv, 12345678) of KADE 1, 2611AB delft: Jansen, Pieters, id 17"
    assert clean(text, names) == f"Customer {R} ({R}, {R}) of {R}, {R} {R}: {R}, Pieters, id 17"
    for nobody in (None, b"", b"{}", b"not json", b'{"customer": null}', b'{"customer": "x"}', b'{"customer": {"name": 5}}', b"[" * 5000):
        assert names_in(nobody) == frozenset()


def test_a_message_keeps_its_codes() -> None:
    """Only its values are from outside, however deep."""
    asked = message("question.locked", receipt="R1", inner=message("detail.x", who=("jan@example.nl", "ok")))
    cleaned = said(asked)
    assert str(cleaned) == f"question.locked inner=detail.x who=[{R}, ok] receipt=R1"


def test_what_is_long_is_cut_and_no_secret_is_cut_in_half() -> None:
    """Also one that lies across the end of what is looked at."""
    assert clean("x " * 400) == ("x " * 400)[: LONGEST - 1] + "…"
    for before in range(65_400, 65_560, 7):
        text = "jan@example.nl " * 4000 + "y" * (before - 60_000) + " secretive@example.nl"
        assert "secretiv" not in clean(text, limit=10**6)


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    """What is stored clean is shown as it is stored."""
    assert clean(clean(text)) == clean(text)


@given(st.text(), st.text())
def test_different_ids_stay_different(one: str, other: str) -> None:
    """Whatever is in them, they can be stored, typed and told apart."""
    assert (identity(one) == identity(other)) == (one == other) or "\\" in one + other
    assert len(identity(one)) <= LONGEST_NAME
    identity(one).encode()


EVIL = (
    *("a", "a@", "a.", "@", "a-", "x%40", "+31 ", "NL12 ", "0 ", "06", "eyJ", "eyJaaaa.", "&#64;", "token:", "token ", "a://", "://@"),
    *(" ", "-", "bearer ", "A1a", "1111-", "\u202e", "\x1b[", "NL91 ABNA 0417 ", "password=", '\\"', "é"),
)


@pytest.mark.parametrize("part", EVIL)
def test_it_takes_time_in_proportion(part: str) -> None:
    """Ten times the text takes no more than about ten times as long, whatever it consists of; the old one took a hundred times."""

    def seconds(length: int) -> float:
        text = (part * length)[:length]
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            redacted(printable(text), {"Jan Jansen", "Kade 1"})
            spent.append(time.perf_counter() - began)
        return min(spent)

    assert seconds(200_000) < max(40 * seconds(20_000), 0.1)


# -- the terminal ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[/Rows/0/ArticleId] is wrong", "[bold]x", "[link=http://evil.example]here[/link]", ":smile: x"])
def test_a_terminal_shows_letters(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a vendor says in square brackets is neither markup nor the end of the command; in lines and in tables."""
    shown = io.StringIO()
    monkeypatch.setattr(show.OUT, "_file", shown)
    show.OUT.print(f"{text}\x1b[2J")
    show.table(text, (text, "n#"), [(f"{text}\x1b]0;title\x07", 1)])
    assert shown.getvalue().count(text) >= 3
    assert "\x1b" not in shown.getvalue()
    assert "\x07" not in shown.getvalue()


def test_json_of_anything_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Half characters too, and nothing that a terminal obeys."""
    show.json_line({"text": "\ud800\x1b[31m\x9b\u202e é"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
