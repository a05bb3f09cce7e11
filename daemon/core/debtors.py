"""Which debtor a receipt goes to, decided from what the till says, what was remembered, and the debtors that the books have now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connectors.model import Address, Customer
from daemon.core.booking import Debtor, Hold, charges_vat_abroad
from daemon.core.customers import changed_fields, fingerprint
from daemon.core.mapping import MappingError, apply_fields
from daemon.core.message import message
from daemon.core.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.model import Sale
    from daemon.core.booking import BookingRules
    from daemon.core.mapping import Expression, FieldMap


@dataclass(frozen=True, slots=True)
class DebtorFacts:
    """What was read for the debtor of a receipt.

    ``name`` is the customer's pseudonym, empty for one that shares the default debtor.  ``known`` is the debtor's id and the digest of what
    the till said when it was last written.  ``found`` are the debtors with the customer's e-mail address (or the default debtor),
    ``bound`` the remembered one as the books have it now, ``None`` when it is gone.
    """

    name: str
    salt: str
    known: tuple[str, str] | None = None
    found: tuple[Customer, ...] = ()
    bound: Customer | None = None


@dataclass(frozen=True, slots=True)
class WriteDebtor:
    """What is to happen for the debtor of a receipt.  ``verb`` is create, update or keep; ``fields`` names what is written."""

    verb: str
    name: str
    customer: Customer
    debtor: Debtor | None
    fields: tuple[str, ...] = ()
    #: a debtor was remembered, and the books do not have or use him any more
    replaces: bool = False


def plain(customer: Customer) -> dict[str, Any]:
    """Return a customer as expressions of the mapping see him."""
    address = customer.invoice_address
    return {
        "email": customer.email,
        "name": customer.name,
        "company": customer.company,
        "organisation_number": customer.organisation_number,
        "vat_number": customer.vat_number,
        "phone": customer.phone,
        "street": address.street,
        "postal_code": address.postal_code,
        "city": address.city,
        "country": address.country,
    }


#: the fields that the mapping of customers may write
CUSTOMER_FIELDS = frozenset(plain(Customer()))


def mapped(customer: Customer, expressions: Mapping[str, Expression]) -> Customer:
    """Return the customer as the mapping wants him written; raises :class:`MappingError`."""
    values = apply_fields(expressions, {"customer": plain(customer)})
    address = {name: values.pop(name, None) for name in ("street", "postal_code", "city", "country")}
    return Customer(**values, invoice_address=Address(**address), charge_vat_abroad=customer.charge_vat_abroad)


def decide_debtor(facts: DebtorFacts, sale: Sale, rules: BookingRules, customers: FieldMap) -> WriteDebtor | Hold:
    """Choose the debtor of a receipt, or say who is to be created.

    The one remembered is kept for as long as the books have it and use it, whatever its address is now; one that is inactive or gone (after
    a merge, say) is looked for by its address like a new one.  Whether the prices include VAT is decided by how the books have the debtor
    at this moment, never by what was remembered.
    """
    if not facts.name:
        return _default(facts, rules)
    assert sale.customer is not None  # noqa: S101 - an absent customer has no name; this tells the type checker
    customer = replace(sale.customer, charge_vat_abroad=charges_vat_abroad(sale, sale.customer, rules))
    active = [one for one in facts.found if one.active]
    chosen = facts.bound if facts.bound is not None and facts.bound.active else None
    if chosen is None and len(active) > 1:
        return Hold(Reason.CUSTOMER_AMBIGUOUS, message("detail.customers", numbers=sorted(one.number or "?" for one in active)))
    chosen = chosen or (active[0] if active else None)
    try:
        if chosen is None:
            wanted = mapped(customer, customers.create)
            return WriteDebtor("create", facts.name, customer, None, changed_fields(Customer(), wanted), replaces=facts.known is not None)
        return _adopted(facts, customer, chosen, customers)
    except MappingError as error:
        return Hold(Reason.MAPPING_FAILED, str(error))


def _adopted(facts: DebtorFacts, customer: Customer, chosen: Customer, customers: FieldMap) -> WriteDebtor:
    """Keep a debtor that exists; what changed in the till since it was last written is written.

    Whoever is met the first time is taken as the books have him: the bookkeeper's card is better than the till's.  One thing is not left:
    whether VAT is kept abroad, for the books would come to another total.
    """
    changed = facts.known is not None and facts.known[1] != fingerprint(customer, facts.salt)
    fields = changed_fields(chosen, mapped(customer, customers.update)) if changed else ()
    if customer.charge_vat_abroad and not chosen.charge_vat_abroad and "charge_vat_abroad" not in fields:
        fields = (*fields, "charge_vat_abroad")
    debtor = Debtor(chosen.id or "", private=not chosen.is_company)
    return WriteDebtor("update" if fields else "keep", facts.name, customer, debtor, fields)


def _default(facts: DebtorFacts, rules: BookingRules) -> WriteDebtor | Hold:
    found = [one for one in facts.found if one.active]
    if not found:
        return Hold(Reason.DEFAULT_DEBTOR_MISSING, message("detail.customer", number=rules.default_debtor))
    return WriteDebtor("keep", "", found[0], Debtor(found[0].id or "", private=not found[0].is_company))
