"""The debtor of a receipt: found by e-mail, created once, and never one for each anonymous receipt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connectors.model import Address, Customer
from daemon.core.booking import Debtor, Hold, charges_vat_abroad
from daemon.core.customers import Adopt, Create, changed_fields, fingerprint, is_anonymous, match_customer, pseudonym
from daemon.core.life import Outcome, Reason
from daemon.core.mapping import MappingError, apply_fields
from daemon.engine.writes import OnceWrite, identified, once, settled_by
from daemon.state.port import Binding, Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.model import Sale
    from daemon.core.booking import BookingRules
    from daemon.core.mapping import Expression
    from daemon.engine.context import Context

FLOW = "customers"
PRIVATE, BUSINESS = "private", "business"


@dataclass(frozen=True, slots=True)
class DebtorPlan:
    """What is to happen for the debtor of a receipt.  ``verb`` is create, update or keep; ``fields`` names what is written."""

    verb: str
    customer: Customer
    debtor: Debtor | None
    fields: tuple[str, ...] = ()
    #: what the store knew of the customer when this was decided
    known: Binding | None = None


def _plain(customer: Customer) -> dict[str, Any]:
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
CUSTOMER_FIELDS = frozenset(_plain(Customer()))


def mapped(customer: Customer, expressions: Mapping[str, Expression]) -> Customer:
    """Return the customer as the mapping wants it written."""
    values = apply_fields(expressions, {"customer": _plain(customer)})
    address = {name: values.pop(name, None) for name in ("street", "postal_code", "city", "country")}
    return Customer(**values, invoice_address=Address(**address), charge_vat_abroad=customer.charge_vat_abroad)


class Debtors:
    """Finds and writes the customers that sales need."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._default: Customer | None = None

    async def plan(self, sale: Sale, rules: BookingRules) -> DebtorPlan | Hold:
        """Decide which debtor the receipt goes to; reads only."""
        if is_anonymous(sale.customer):
            return await self._default_debtor(rules)
        assert sale.customer is not None  # noqa: S101 - an absent customer is anonymous; this tells the type checker
        customer = replace(sale.customer, charge_vat_abroad=charges_vat_abroad(sale, sale.customer, rules))
        context = self._context
        name, print_now = pseudonym(customer.email or "", context.salt), fingerprint(customer, context.salt)
        known = (await context.store.bindings(context.link, "customer", [name])).get(name)
        if known is not None and known.fingerprint == print_now:
            return DebtorPlan("keep", customer, Debtor(known.target, private=known.label == PRIVATE), known=known)
        try:
            return await self._choose(customer, known, print_now)
        except MappingError as error:
            return Hold(Reason.MAPPING_FAILED, str(error))

    async def _choose(self, customer: Customer, known: Binding | None, print_now: str) -> DebtorPlan | Hold:
        context = self._context
        choice = match_customer(
            await context.books.find_customers(email=customer.email),
            known_fingerprint=None if known is None else known.fingerprint,
            current_fingerprint=print_now,
        )
        match choice:
            case Hold():
                return choice
            case Create():
                wanted = mapped(customer, context.mappings.customers.create)
                return DebtorPlan("create", customer, None, changed_fields(Customer(), wanted), known)
            case Adopt(found, update):
                fields = changed_fields(found, mapped(customer, context.mappings.customers.update)) if update else ()
                debtor = Debtor(found.id or "", private=not found.is_company)
                return DebtorPlan("update" if fields else "keep", customer, debtor, fields, known)

    async def _default_debtor(self, rules: BookingRules) -> DebtorPlan | Hold:
        if self._default is None:
            found = await self._context.books.find_customers(number=rules.default_debtor)
            if not found:
                return Hold(Reason.DEFAULT_DEBTOR_MISSING, f"customer number {rules.default_debtor}")
            self._default = found[0]
        return DebtorPlan("keep", self._default, Debtor(self._default.id or "", private=not self._default.is_company))

    async def ensure(self, sale: Sale, rules: BookingRules, decided: DebtorPlan) -> Debtor | Hold:
        """Return the debtor of the receipt, created or brought up to date as was decided."""
        if is_anonymous(sale.customer):
            return _known(decided)
        context = self._context
        name = pseudonym(decided.customer.email or "", context.salt)
        # two receipts of one new customer, in hand at once, must not make two customers
        async with context.exclusive(f"customer {context.link} {name}"):
            known = (await context.store.bindings(context.link, "customer", [name])).get(name)
            plan = decided if known == decided.known else await self.plan(sale, rules)
            if isinstance(plan, Hold):
                return plan
            debtor = await self._carry_out(plan, name, sale.id)
            if known is None:
                await settled_by(context, context.link, FLOW, _key(name), debtor.id)
            # private or business as the books have him, for that decides how prices are read
            label = PRIVATE if debtor.private else BUSINESS
            binding = Binding(context.link, "customer", name, debtor.id, fingerprint(plan.customer, context.salt), label)
            if known != binding:
                await context.store.bind([binding])
            return debtor

    async def forget(self, sale: Sale) -> None:
        """Look for the debtor afresh the next time: the books refused a document, perhaps because he is gone."""
        if sale.customer is not None and sale.customer.email:
            await self._context.store.unbind(self._context.link, "customer", pseudonym(sale.customer.email, self._context.salt))
        self._default = None

    async def _carry_out(self, plan: DebtorPlan, name: str, record: str) -> Debtor:
        context = self._context
        if plan.verb == "keep":
            return _known(plan)
        if plan.verb == "update":
            debtor = _known(plan)
            await context.books.update_customer(debtor.id, mapped(plan.customer, context.mappings.customers.update))
            context.outcome(FLOW, Outcome.UPDATED)
            return debtor
        wanted = mapped(plan.customer, context.mappings.customers.create)

        async def find_by_email() -> str | None:
            found = [customer for customer in await context.books.find_customers(email=plan.customer.email) if customer.active]
            return found[0].id if found else None

        async def send() -> str:
            # the books may answer without a body: then the address tells the id
            return await identified((await context.books.create_customer(wanted)).id or "", find_by_email)

        async def find(_: Intent) -> str | None:
            return await find_by_email()

        write = OnceWrite(_key(name), FLOW, record, "customer", name, fingerprint(wanted, context.salt))
        written = await once(context, context.link, write, send=send, find=find)
        context.outcome(FLOW, Outcome.CREATED)
        return Debtor(written.remote_id, private=not plan.customer.is_company)


def _key(name: str) -> str:
    return f"customer:{name}"


def _known(plan: DebtorPlan) -> Debtor:
    assert plan.debtor is not None  # noqa: S101 - only a plan to create has none
    return plan.debtor
