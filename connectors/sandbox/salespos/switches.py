"""How this till behaves where the public material leaves it open, or where real ones are known to be awkward.

A field's metadata holds ``what``, ``alternatives`` (values other than the default, each of which may be the truth), ``stops`` (values that
stop work on purpose) and ``client`` (what the client does on either side).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


def _switch(default: T, *alternatives: T, what: str, client: str, stops: tuple[T, ...] = ()) -> T:
    about = {"what": what, "client": client, "alternatives": alternatives, "stops": stops}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True)
class TillSwitches:
    """Behaviours that a client has to stand either way."""

    default_size: int = _switch(150, 7, what="Page size when none is asked for.", client="Asks for 150.")
    max_size: int = _switch(250, 150, 5, what="Largest page size.", client="Believes what came: goes on where the page ended.")
    clamp_size: bool = _switch(
        True, False, what="A larger size than the largest is cut down to it; otherwise it is refused with 400.", client="Asks for 150."
    )
    post_204: bool = _switch(
        False,
        True,
        what="Every POST is answered with 204 and no body although it succeeded.",
        client="Looks for what it made by SKU or name.",
    )
    sign_answers: bool = _switch(
        True,
        what="Answers carry ``x-date`` and ``x-hash``.",
        client="Believes no answer that is not signed, unless its configuration says so.",
        stops=(False,),
    )
    string_ids: bool = _switch(
        False,
        True,
        what="Every id is a JSON string; otherwise only ``order.user.id`` is, as seen in a real order.",
        client="Reads either.",
    )
    empty_strings: bool = _switch(
        True,
        False,
        what="What is not known of a text is an empty string; otherwise it is null where the field list allows that.",
        client="Takes both for nothing.",
    )
    php_floats: bool = _switch(
        False,
        True,
        what="Numbers are written with seventeen digits, as PHP did: 2.55 becomes 2.5499999999999998.",
        client="Takes digits that only binary arithmetic explains for noise.",
    )
    filter_ignores_case: bool = _switch(
        True,
        False,
        what="Numbers of products are compared without regard to case in filters.",
        client="Asks for a number as given, in capitals and in small letters.",
    )
    rows_without_numbers: bool = _switch(
        False,
        True,
        what="Order rows carry no product number; only ``product_id`` says what was sold.",
        client="Looks the number up by the product's id.",
    )
    unique_productnumber: bool = _switch(
        False,
        True,
        what="A product number that exists is refused with 500.40; otherwise the product is there twice.",
        client="Looks before it makes one, and takes a conflict for a product to adopt.",
    )
    product_limit: int = _switch(
        -1, 100, what="How many products the subscription allows; −1 is no limit.", client="Products beyond it are held.", stops=(3,)
    )
    is_salespos: bool = _switch(True, False, what="What ``webshops`` says of itself.", client="Tells it; works with either.")
    prices_include_vat: bool = _switch(
        True,
        False,
        what="Prices of products, rows and shipping include VAT; otherwise they are net, as the settings and each order say.",
        client="Reads the settings and each order's flags, and writes prices as they are meant.",
    )

    cancelled_stays_completed: bool = _switch(
        True,
        False,
        what="A receipt that is cancelled stays completed, and listings go on showing it; otherwise they leave it out.",
        client="Judges by the status; what is no longer listed it asks for by its id.",
    )
    cancelled_returns_stock: bool = _switch(
        True,
        False,
        what="What a receipt sold goes back on the till's shelf when it is cancelled or deleted.",
        client="The books' stock is what counts.",
    )
    completed_moves_date: bool = _switch(
        False,
        True,
        what="A receipt that is completed later gets the create_date of that moment; otherwise it keeps that of its opening.",
        client="Reads with an overlap; what is older than that is found by a full comparison.",
    )
    unpaid_in_cashups: bool = _switch(
        True,
        False,
        what="A day closing counts a completed receipt that is not paid, under no way to pay; otherwise it leaves it out until it is paid.",
        client="Reads the closing, and tells a difference.",
    )


def alternatives() -> Iterator[tuple[str, Any]]:
    """Yield every single alternative under which the work goes on, as name and value."""
    return ((one.name, value) for one in fields(TillSwitches) for value in one.metadata["alternatives"])


def stops() -> Iterator[tuple[str, Any]]:
    """Yield every value that stops work on purpose, as name and value."""
    return ((one.name, value) for one in fields(TillSwitches) for value in one.metadata["stops"])
