"""Which debtor a receipt goes to, and what is written of a customer."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from connectors.model import Address, Customer
from daemon.core.booking import Hold
from daemon.core.life import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence


def email_key(email: str) -> str:
    """Return the form in which e-mail addresses are compared."""
    return email.strip().casefold()


def pseudonym(email: str, salt: str) -> str:
    """Return what stands for an e-mail address in the store: it identifies, and cannot be read back."""
    return hmac.new(salt.encode(), email_key(email).encode(), hashlib.sha256).hexdigest()[:32]


def is_anonymous(customer: Customer | None) -> bool:
    """Tell whether nobody can be found again by what the till knows; such receipts share the default debtor."""
    return customer is None or not (customer.email or "").strip()


def fingerprint(customer: Customer, salt: str) -> str:
    """Return a digest of what the till says about a customer, so that a change is noticed without keeping the data."""
    text = repr(replace(customer, id=None, changed_at=None))
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Adopt:
    """The customer exists in the books; ``update`` says whether what the till knows is newer."""

    customer: Customer
    update: bool


@dataclass(frozen=True, slots=True)
class Create:
    """The customer does not exist in the books."""


def match_customer(found: Sequence[Customer], *, known_fingerprint: str | None, current_fingerprint: str) -> Adopt | Create | Hold:
    """Choose among the debtors that carry the customer's e-mail address.

    Whoever is found the first time is taken as the books have him: the bookkeeper's card is better than the till's.  Later, what
    changed in the till since then is written.
    """
    active = [customer for customer in found if customer.active]
    if len(active) > 1:
        return Hold(Reason.CUSTOMER_AMBIGUOUS, f"customers {', '.join(sorted(c.number or '?' for c in active))}")
    if not active:
        return Create()
    return Adopt(active[0], update=known_fingerprint is not None and known_fingerprint != current_fingerprint)


def changed_fields(before: Customer, after: Customer) -> tuple[str, ...]:
    """Name the fields that an update would write (never their content: it is personal)."""
    skipped = {"id", "number", "active", "changed_at"}
    return tuple(
        f.name
        for f in fields(Customer)
        if f.name not in skipped and (value := getattr(after, f.name)) not in (None, Address()) and value != getattr(before, f.name)
    )
