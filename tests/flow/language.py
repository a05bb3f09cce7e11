"""Which words of the catalogue stand in a text."""

from __future__ import annotations

import re
import string

from daemon.text import LANGUAGES

#: so many letters in a row are a sentence of ours; less may stand in any text
_LONG = 12


def english_in(text: str) -> list[str]:
    """The pieces of English of the catalogue that stand in a text, where the Dutch has not the same."""
    plain = re.sub(r"\s+", " ", text)
    found = []
    for code, template in LANGUAGES["en"].items():
        dutch = LANGUAGES["nl"][code]
        for piece, *_ in string.Formatter().parse(template):
            if sum(letter.isalpha() for letter in piece) >= _LONG and piece.strip() in plain and piece not in dutch:
                found.append(f"{code}: {piece}")
    return found
