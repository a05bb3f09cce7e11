"""Which debtor a receipt goes to, and what is written of a customer."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import fields, replace

from connectors.model import Address, Customer


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


def changed_fields(before: Customer, after: Customer) -> tuple[str, ...]:
    """Name the fields that an update would write (never their content: it is personal)."""
    skipped = {"id", "number", "active", "changed_at"}
    return tuple(
        f.name
        for f in fields(Customer)
        if f.name not in skipped and (value := getattr(after, f.name)) not in (None, Address()) and value != getattr(before, f.name)
    )
