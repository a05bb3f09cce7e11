"""How this till behaves where the public material leaves it open, or where real ones are known to be awkward."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TillSwitches:
    """Behaviours that a client has to stand either way."""

    default_size: int = 150
    """Page size when none is asked for."""
    max_size: int = 250
    """Largest page size."""
    clamp_size: bool = True
    """A larger size than the largest is cut down to it; otherwise it is refused with 400."""
    post_204: bool = False
    """Every POST is answered with 204 and no body although it succeeded."""
    sign_answers: bool = True
    """Answers carry ``x-date`` and ``x-hash``."""
    string_ids: bool = False
    """Every id is a JSON string; otherwise only ``order.user.id`` is, as seen in a real order."""
    empty_strings: bool = True
    """What is not known of a text is an empty string; otherwise it is null where the field list allows that."""
    php_floats: bool = False
    """Numbers are written with seventeen digits, as PHP did: 2.55 becomes 2.5499999999999998."""
    rows_without_numbers: bool = False
    """Order rows carry no product number; only ``product_id`` says what was sold."""
    unique_productnumber: bool = False
    """A product number that exists is refused with 500.40; otherwise the product is there twice."""
    product_limit: int = -1
    """How many products the subscription allows; −1 is no limit."""
    is_salespos: bool = True
    """What ``webshops`` says of itself."""
    prices_include_vat: bool = True
    """What the settings say about prices."""
