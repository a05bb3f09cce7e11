"""What was booked of a receipt, remembered with all that must not change in silence; and what a later look at the receipt differs in.

Remembered is a line of JSON in the receipt's binding.  It holds no personal data: of the customer a keyed digest of who is invoiced.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.model import Customer, Sale


class Difference(StrEnum):
    """What is not as it was booked."""

    CANCELLED = "cancelled"
    REVIVED = "revived"  # it was cancelled and counts again
    PAID = "paid"  # it was open and is paid now
    UNPAID = "unpaid"  # it was paid and is open now
    METHOD = "method"  # paid otherwise than it was booked
    CUSTOMER = "customer"
    LINES = "lines"
    GROSS = "gross"
    # what the books themselves made other than it was laid out
    SUM = "sum"
    VAT = "vat"
    SETTLED = "settled"  # nothing remains to be paid although nobody paid


#: what the books made, and no later change in the till
DOUBTS = frozenset({Difference.SUM, Difference.VAT, Difference.SETTLED})


@dataclass(frozen=True, slots=True)
class Booked:
    """What stands in the books for a receipt.

    ``revision`` counts how often it was booked anew (0 is the first time); ``void`` says that its document was credited and nothing came in
    its place.  A part that is ``None`` is not known (an older version of this program remembered only the total): it is not compared.
    """

    document: str
    gross: Decimal
    currency: str
    target: str = "invoice"
    revision: int = 0
    void: bool = False
    paid: bool | None = None
    payments: tuple[tuple[str, Decimal], ...] | None = None
    customer: str | None = None
    lines: str | None = None
    #: what was registered on which account of the books, by its id, whatever the till says since; empty where that is not known
    accounts: tuple[tuple[str, Decimal], ...] = ()
    #: why the document cannot stand without a person's word, if so
    doubt: Difference | None = None
    #: it is void, and yet its document was not credited: a person wanted it to stand when the receipt was cancelled
    stands: bool = False

    def as_text(self) -> str:
        """Return what the binding keeps."""
        values = {
            "gross": str(self.gross),
            "currency": self.currency,
            "target": self.target,
            "revision": self.revision,
            "void": self.void,
            "paid": self.paid,
            "payments": None if self.payments is None else [[method, str(amount)] for method, amount in self.payments],
            "customer": self.customer,
            "lines": self.lines,
            "accounts": [[account, str(amount)] for account, amount in self.accounts] or None,
            "doubt": self.doubt,
            "stands": self.stands,
        }
        return json.dumps({name: value for name, value in values.items() if value not in (None, False, 0)}, separators=(",", ":"))


def read_booked(document: str, text: str) -> Booked | None:
    """Return what a binding keeps, ``None`` where it keeps nothing; the older form ``12.50 EUR`` is understood."""
    if not text:
        return None
    if not text.startswith("{"):
        gross, _, currency = text.partition(" ")
        return Booked(document, Decimal(gross), currency)
    kept = json.loads(text)
    payments = kept.get("payments")
    return Booked(
        document,
        Decimal(kept["gross"]),
        kept["currency"],
        kept.get("target", "invoice"),
        kept.get("revision", 0),
        kept.get("void", False),
        None if payments is None else kept.get("paid", False),
        None if payments is None else tuple((method, Decimal(amount)) for method, amount in payments),
        kept.get("customer"),
        kept.get("lines"),
        tuple((account, Decimal(amount)) for account, amount in kept.get("accounts", ())),
        Difference(kept["doubt"]) if "doubt" in kept else None,
        kept.get("stands", False),
    )


def snapshot(sale: Sale, salt: str, *, document: str, target: str, revision: int) -> Booked:
    """Return what is remembered of a whole receipt once it is booked."""
    return Booked(
        document=document,
        gross=sale.gross,
        currency=sale.currency,
        target=target,
        revision=revision,
        paid=sale.paid,
        payments=_payments(sale),
        customer=invoiced(sale.customer, salt),
        lines=lines_digest(sale),
    )


def unknown_draft(sale: Sale, document: str) -> Booked:
    """Return what is remembered of a draft that a state which was lost has made: that it stands, and has to be made anew."""
    return Booked(document, sale.gross, sale.currency, target="draft", doubt=Difference.LINES)


def invoiced(customer: Customer | None, salt: str) -> str:
    """Return a keyed digest of who is invoiced, empty for nobody in particular.  A new telephone number is no other debtor."""
    if customer is None or not (customer.email or "").strip():
        return ""
    parts = (customer.email, customer.company, customer.vat_number, customer.organisation_number)
    text = "\x1f".join((part or "").strip().casefold() for part in parts)
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def lines_digest(sale: Sale) -> str:
    """Return a digest of what was sold: article, quantity, price and VAT of each line in the till's order, and whether VAT is charged."""
    lines = [(line.kind.value, line.sku.casefold(), *map(_plain, (line.quantity, line.unit_price, line.vat_rate))) for line in sale.lines]
    return hashlib.sha256(repr((sale.intra_community, lines)).encode()).hexdigest()[:16]


def _plain(number: Decimal) -> str:
    return str(number.normalize())


def differences(booked: Booked, sale: Sale, salt: str) -> frozenset[Difference]:
    """Return in what a whole receipt is not as it was booked."""
    found = set() if booked.doubt is None else {booked.doubt}
    if booked.void:
        return frozenset({Difference.REVIVED} if sale.completed else found)
    if not sale.completed:
        return frozenset({Difference.CANCELLED})
    if (sale.gross, sale.currency) != (booked.gross, booked.currency):
        found.add(Difference.GROSS)
    if booked.lines is not None and lines_digest(sale) != booked.lines:
        found.add(Difference.LINES)
    if booked.customer is not None and invoiced(sale.customer, salt) != booked.customer:
        found.add(Difference.CUSTOMER)
    if booked.paid is not None and sale.paid != booked.paid:
        found.add(Difference.PAID if sale.paid else Difference.UNPAID)
    elif sale.paid and booked.payments is not None and _payments(sale) != booked.payments:
        found.add(Difference.METHOD)
    return frozenset(found)


def paid_on(booked: Booked, accounts: Iterable[tuple[str, Decimal]]) -> Booked:
    """Return what is remembered with (account's id, amount) of each payment: an answer may send later ones elsewhere."""
    return replace(booked, accounts=tuple(accounts))


def same_sale(one: Booked, other: Booked) -> bool:
    """Tell whether two memories are of the same state of a receipt, whatever accounts its payments were meant for."""
    return replace(one, document="", accounts=()) == replace(other, document="", accounts=())


def voided(booked: Booked) -> Booked:
    """Return what is remembered once the document was credited and nothing took its place."""
    return replace(booked, void=True)


def _payments(sale: Sale) -> tuple[tuple[str, Decimal], ...]:
    return tuple(sorted((payment.method, payment.amount) for payment in sale.payments if payment.amount)) if sale.paid else ()
