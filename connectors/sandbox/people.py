"""Invents what a shop knows about its customers and articles, the same from the same key on every machine.

Every choice is made by a stable hash, so that the same customer has the same name, address and numbers in every run.  E-mail
addresses end in the reserved ``.example``.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING, Final

import stdnum.ean
import stdnum.eu.vat
import stdnum.gb.vat
import stdnum.no.mva

from connectors.sandbox.world import WorldCustomer

if TYPE_CHECKING:
    from collections.abc import Sequence

#: members of the European Union, ISO 3166-1 alpha-2
EU: Final = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)

_FIRST: Final = (
    "Anna",
    "Bram",
    "Carlijn",
    "Daan",
    "Eva",
    "Femke",
    "Gijs",
    "Hanna",
    "Iris",
    "Joris",
    "Koen",
    "Lotte",
    "Maarten",
    "Noor",
    "Olaf",
    "Pien",
)
_LAST: Final = (
    "Bakker", "de Boer", "Brouwer", "van Dijk", "Dekker", "Jansen", "de Jong", "Meijer", "Mulder", "Müller", "O’Brien", "Peters",
    "Smit", "van den Berg", "Visser", "de Vries",
)  # fmt: skip
_TRADE: Final = ("Bloemen", "Cadeau & Zo", "Design", "Handel", "Interieur", "Keramiek", "Papier", "Wonen")
_FORM: Final = {
    "NL": "B.V.",
    "BE": "BV",
    "DE": "GmbH",
    "AT": "GmbH",
    "FR": "SARL",
    "ES": "S.L.",
    "IT": "S.r.l.",
    "PT": "Lda.",
    "SE": "AB",
    "NO": "AS",
}
_STREET: Final = ("Dorpsstraat", "Kerkstraat", "Markt", "Molenweg", "Nieuwe Gracht", "Oranjelaan", "Stationsplein", "Wilhelminastraat")
_CITY: Final = {
    "NL": ("Amersfoort", "Breda", "Delft", "Groningen", "Haarlem", "Leiden", "Utrecht", "Zwolle"),
    "BE": ("Antwerpen", "Gent"), "DE": ("Bremen", "Köln"), "FR": ("Lille", "Lyon"), "GB": ("Leeds", "York"), "IE": ("Cork", "Dublin"),
}  # fmt: skip
#: how a postal code looks: # is a digit, @ a letter
_POSTAL: Final = {
    "NL": "1### @@",
    "GB": "@@# #@@",
    "IE": "@## @#@#",
    "BE": "1###",
    "DK": "1###",
    "NO": "1###",
    "AT": "1###",
    "PT": "1###-###",
    "SE": "1## ##",
}
#: how a VAT number looks after its prefix; the check digits are found by trying
_VAT: Final = {
    "AT": "U########", "BE": "0#########", "BG": "#########", "CY": "########@", "CZ": "########", "DE": "#########", "DK": "########",
    "EE": "#########", "ES": "B########", "FI": "########", "FR": "###########", "GB": "#########", "GR": "#########",
    "HR": "###########", "HU": "########", "IE": "#######@", "IT": "###########", "LT": "#######1#", "LU": "########",
    "LV": "###########", "MT": "########", "NL": "#########B01", "NO": "#########MVA", "PL": "##########", "PT": "#########",
    "RO": "########", "SE": "##########01", "SI": "########", "SK": "##########",
}  # fmt: skip
_PREFIX: Final = {"GR": "EL"}
_TRIES: Final = 50_000


def stable(*parts: object) -> int:
    """Return a number that depends on ``parts`` alone, on every machine and in every run."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8], "big")


def pick(choices: Sequence[str], *parts: object) -> str:
    """Choose one of ``choices`` by a stable hash."""
    return choices[stable(*parts) % len(choices)]


def is_vat_number(country: str, number: str) -> bool:
    """Whether ``number`` is a VAT number that ``country`` could have given out."""
    if country == "GB":
        return bool(stdnum.gb.vat.is_valid(number))
    if country == "NO":
        return bool(stdnum.no.mva.is_valid(number))
    return country in EU and bool(stdnum.eu.vat.is_valid(number))


def vat_number(country: str, key: str) -> str | None:
    """Return a VAT number with valid check digits, or ``None`` for a country whose numbers are not known here."""
    if country not in _VAT:
        return None
    prefix = _PREFIX.get(country, country)
    for attempt in range(_TRIES):
        number = prefix + _fill(_VAT[country], "vat", country, key, attempt)
        if is_vat_number(country, number):
            return number
    raise AssertionError(f"no VAT number found for {country} {key}")


def ean13(sku: str) -> str:
    """Return an EAN-13 with a valid check digit for an article."""
    body = f"871{stable('ean', sku) % 10**9:09d}"
    return body + str(stdnum.ean.calc_check_digit(body))


def customer(key: str, country: str) -> WorldCustomer:
    """Invent the customer ``key``; one in four is a company."""
    first, last = pick(_FIRST, "first", key), pick(_LAST, "last", key)
    business = stable("company", key) % 4 == 0
    city = pick(_CITY.get(country, ("Nieuwstad",)), "city", key)
    return WorldCustomer(
        key=key,
        email=f"{_ascii(first)}.{_ascii(last)}.{_ascii(key)}@post.example",
        name=f"{first} {last}",
        company=f"{last} {pick(_TRADE, 'trade', key)} {_FORM.get(country, 'Ltd')}" if business else None,
        vat_number=vat_number(country, key) if business else None,
        organisation_number=_fill("1#######", "kvk", key) if business and country == "NL" else None,
        street=f"{pick(_STREET, 'street', key)} {stable('house', key) % 180 + 1}",
        postal_code=_fill(_POSTAL.get(country, "1####"), "postal", key),
        city=city,
        country=country,
        phone=None if stable("phone", key) % 3 == 0 else "+31" + _fill("6########", "phone", key),
    )


def _fill(pattern: str, *parts: object) -> str:
    number, filled = stable(*parts), []
    for sign in pattern:
        if sign in "#@":
            base = 10 if sign == "#" else 26
            number, digit = divmod(number, base)
            filled.append(str(digit) if sign == "#" else chr(ord("A") + digit))
        else:
            filled.append(sign)
    return "".join(filled)


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(sign for sign in plain.lower() if sign.isalnum())
