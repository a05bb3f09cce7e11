"""Words from outside: never markup, never control, never a secret, never a person.

Whatever a vendor, a file or a person has written passes through here before it is stored, shown, logged or sent: cut to a length,
without control characters, and without e-mail addresses, bank accounts, telephone and VAT numbers, tokens, and the names and addresses
of the record in hand.  Every pattern takes time in proportion to the text, whatever the text is.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from daemon.core.message import mapped

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.core.message import Text

REDACTED: Final = "[redacted]"
#: so much of a text is kept where one line is wanted; a listing has a line for each
LONGEST: Final = 500
#: so much of a text is looked at; what is longer was never meant to be read
_LOOKED_AT = 65_536
#: at the cut of a text that was longer, half a word may be half a secret
_TORN = 256
ELLIPSIS = "…"

# -- control characters ------------------------------------------------------------------------------------------------------------

_BREAKS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
#: what changes how a text is shown and is not seen itself: direction, joiners, tags, annotations
_UNSEEN = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str, *, lines: bool = False) -> str:
    """Return the text without what steers a terminal or a page: control characters are blanks, what is not seen is nothing.

    ``lines`` keeps the ends of lines, for what is made of several.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _SURROGATES.sub("\ufffd", _UNSEEN.sub("", _BREAKS.sub(" ", text)))
    return text if lines else text.replace("\n", " ").replace("\t", " ")


# -- secrets and persons -----------------------------------------------------------------------------------------------------------

_COUNTRIES = "AT|BE|BG|CH|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|GR|HR|HU|IE|IS|IT|LI|LT|LU|LV|MC|MT|NL|NO|PL|PT|RO|SE|SI|SK|SM|XI"
#: record ids of this form are in half of what a vendor says, and are nobody
_UUID = r"(?P<uuid>(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z]))"
_IBAN = (
    rf"(?<![0-9A-Za-z])(?i:{_COUNTRIES})\d{{2}}"
    r"(?:[0-9A-Za-z]{11,30}|(?:[ .-][0-9A-Za-z]{4}){2,7}(?:[ .-][0-9A-Za-z]{1,3})?)(?![0-9A-Za-z])"
)
_VAT = (
    rf"(?P<vat>(?<![0-9A-Za-z-])(?:(?i:{_COUNTRIES})[0-9A-Za-z]{{7,13}}|(?:{_COUNTRIES})"
    r"[ .-][0-9A-Z]{2,12}(?:[ .-][0-9A-Z]{2,4}){0,3})(?![0-9A-Za-z]))"
)
_DATE = r"(?!\d\d[-. ]\d\d[-. ]\d{4}(?!\d))"
_PHONE = (
    r"(?<![\w.,+-])(?:\+|00)[1-9]\d{0,2}(?:[ ().-]{0,3}\d){6,12}(?!\d)"
    rf"|(?<![\w.,+-]){_DATE}(?:0[1-9]\d{{7,9}}|\(?0[1-9]\d{{0,2}}\)?[ -](?:\d{{5,8}}|\d{{2,4}}(?:[ -]\d{{2,4}}){{1,3}}))(?![\w-])"
)
_PERSON_NUMBER = r"(?P<person>(?<![\w-])(?:\d{2})?\d{6}[-+]\d{4}(?![\w-]))"
_TOKEN = r"(?P<token>(?<![\w-])[\w-]{32,}(?![\w-]))"  # noqa: S105 - the form of one
_JWT = r"(?<![\w.-])eyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?"
#: each begins only where a run of its characters begins, so that no run is looked at twice
_EMAIL = r"(?<![\w.+%&#;-])[\w.+%&#;-]+(?<![%&#;])(?:@|\uff20|%40|&#0{0,6}64;|&commat;)\s?[\w-]+(?:\.[\w-]+)+"
_ONE = re.compile(f"{_UUID}|{_EMAIL}|{_JWT}|{_IBAN}|{_VAT}|{_PHONE}|{_PERSON_NUMBER}|{_TOKEN}")
#: what is called a secret: the word, what stands between, and the secret
_ASSIGNED = re.compile(
    r"(?i)(?<![a-z])((?:refresh_?|access_?|id_?)?token|client_?secret|secret(?:_?key)?|api_?key|x-hash|signature|pass(?:word|wd)?|wachtwoord)"
    r"((?:\\?[\"'])?\s{0,4}[=:]\s{0,4}(?:\\?[\"'])?)[^\s\"'\\&,;<>]+"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s{1,4}[\w.~+/=-]{8,}")
_LOGIN = re.compile(r"(?<![a-zA-Z0-9+.-])([a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^\s/@]{1,512}@")
_LEAST_DIGITS = 7


def _judge(found: re.Match[str]) -> str:
    """Decide about what only looks like a person or a secret."""
    text, kind = found.group(), found.lastgroup
    if (
        kind == "uuid"
        or (kind == "vat" and sum(map(str.isdigit, text)) < _LEAST_DIGITS)
        or (kind == "person" and not _is_person_number(text))
    ):
        return text
    if kind == "token" and not (any(map(str.islower, text)) and any(map(str.isupper, text)) and any(map(str.isdigit, text))):
        return text  # a digest, an id, a word of somebody who likes long ones
    return REDACTED


def _is_person_number(text: str) -> bool:
    """Tell a Swedish personal number from the number of a receipt: it begins with a date, and its last digit is a check."""
    digits = [int(digit) for digit in text if digit.isdecimal()][-10:]
    month, day = digits[2] * 10 + digits[3], digits[4] * 10 + digits[5]
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 == 0 else digit for place, digit in enumerate(digits)]  # noqa: PLR2004 - the formula
    return 1 <= month <= 12 and 1 <= day % 60 <= 31 and sum(doubled) % 10 == 0  # noqa: PLR2004 - of a calendar; 60 is added for some


def redacted(text: str, names: Collection[str] = ()) -> str:
    """Return the text without secrets and persons; ``names`` are those of the record in hand."""
    text = _LOGIN.sub(rf"\1{REDACTED}@", text)
    text = _ASSIGNED.sub(rf"\1\2{REDACTED}", text)
    text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    if names:
        text = _naming(names).sub(REDACTED, text)
    return _ONE.sub(_judge, text)


def clean(text: str, names: Collection[str] = (), *, limit: int = LONGEST, lines: bool = False) -> str:
    """Return words from outside as they may be stored, shown, logged and sent: at most ``limit`` characters of them."""
    if len(text) > _LOOKED_AT:
        text = text[: _LOOKED_AT - _TORN]
        text = text[: -len(text.split()[-1])] if len(text.split()) > 1 else text
    text = redacted(printable(text, lines=lines), names)
    return text if len(text) <= limit else text[: limit - len(ELLIPSIS)] + ELLIPSIS


def said(text: Text, names: Collection[str] = (), *, limit: int = LONGEST) -> Text:
    """Return the same with every text in it made safe; codes stay."""
    return mapped(text, lambda value: clean(value, names, limit=limit))


def is_clean(text: str) -> bool:
    """Tell whether nothing of it would be changed."""
    return clean(text) == text


#: so long an id or a name of a record may be
LONGEST_NAME: Final = 200


def identity(text: str) -> str:
    """Return a record's id as it can be stored and typed: what cannot be printed is spelled out, and different ids stay different."""
    own = text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode("ascii")
    return own if len(own) <= LONGEST_NAME else f"{own[:100]}{ELLIPSIS}{hashlib.sha256(own.encode()).hexdigest()[:32]}"


def label(text: str) -> str:
    """Return what people call a record (receipt number, SKU), as one short line."""
    return printable(text)[:LONGEST_NAME]


# -- the record in hand ------------------------------------------------------------------------------------------------------------

#: where a record names a person, and what there is no name
_PERSONS = frozenset({"customer", "invoice_address", "delivery_address"})
_NO_NAMES = frozenset({"id", "country", "changed_at"})
#: shorter than this, a word is in every other text
_SHORTEST, _SHORTEST_WORD = 3, 4
_MOST, _LONGEST_NAME = 64, 200


def names_in(payload: bytes | None) -> frozenset[str]:
    """Return by which words the content of a record names its person: name (and its parts), company, address, numbers.

    ``payload`` is JSON as it is stored; one that is none, or has nobody in it, gives none.
    """
    if not payload or b'"customer"' not in payload:
        return frozenset()
    try:
        record = json.loads(payload)
    except (ValueError, RecursionError):
        return frozenset()
    names: list[str] = []
    if isinstance(record, dict):
        _collect(record.get("customer"), names)
    return frozenset(names[:_MOST])


def _collect(value: Any, names: list[str]) -> None:
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if isinstance(item, str) and key not in _NO_NAMES:
            own = item.strip()[:_LONGEST_NAME]
            names += [own] if len(own) >= _SHORTEST else []
            names += [word for word in own.split() if key == "name" and len(word) >= _SHORTEST_WORD]
        elif key in _PERSONS:
            _collect(item, names)


def _naming(names: Collection[str]) -> re.Pattern[str]:
    """Return what finds these names, however they are spaced."""
    forms = [r"[\s.-]{0,3}".join(re.escape(part) for part in re.split(r"[\s.-]+", name) if part) for name in names]
    longest_first = sorted((form for form in forms if form), key=len, reverse=True)
    return re.compile(rf"(?i)(?<!\w)(?:{'|'.join(longest_first)})(?!\w)") if longest_first else re.compile(r"(?!)")
