"""Writing the debtor of a receipt: created once, updated where the till knows better, and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.model import Customer
from daemon.core.booking import Debtor, Hold
from daemon.core.customers import fingerprint
from daemon.core.debtors import WriteDebtor, decide_debtor, mapped
from daemon.core.outcomes import Outcome
from daemon.engine.at_most_once import OnceWrite, at_most_once, identified, settled_by
from daemon.flows.receipt_facts import CUSTOMER, debtor_binding
from daemon.state.port import IntentState

if TYPE_CHECKING:
    from connectors.model import Sale
    from daemon.core.booking import BookingRules
    from daemon.engine.context import Context
    from daemon.flows.receipt_facts import ReceiptFacts
    from daemon.state.port import Intent

FLOW = "customers"


class Debtors:
    """Carries out what was decided about debtors."""

    def __init__(self, context: Context, facts: ReceiptFacts) -> None:
        self._context = context
        self._facts = facts

    async def carry_out(self, sale: Sale, rules: BookingRules, step: WriteDebtor) -> Debtor | Hold:
        """Create or update the debtor, one receipt of a customer at a time.

        Another receipt of the same customer may have been first: then the decision is made again from what the books have now.
        """
        context = self._context
        async with context.exclusive(f"customer {context.link_id} {step.name}"):
            if step.verb == "create":
                again = decide_debtor(await self._facts.debtor(sale, rules), sale, rules, context.mappings.customers)
                if isinstance(again, Hold):
                    return again
                step = again
            debtor = await self._write(step, sale.id)
            await self.remember(step, debtor)
            return debtor

    async def remember(self, step: WriteDebtor, debtor: Debtor) -> None:
        """Bind the customer to his debtor; a binding that stands as it is is not written again."""
        if not step.name:
            return
        context = self._context
        known = (await context.store.bindings(context.link_id, CUSTOMER, [step.name])).get(step.name)
        binding = debtor_binding(context.link_id, step.name, debtor.id, fingerprint(step.customer, context.salt), private=debtor.private)
        if known == binding:
            return
        if known is not None and known.target != debtor.id:
            await context.store.unbind(context.link_id, CUSTOMER, step.name)
        await settled_by(context, context.link_id, FLOW, _key(step.name), debtor.id)
        await context.store.bind([binding])

    async def _write(self, step: WriteDebtor, record: str) -> Debtor:
        context = self._context
        if step.debtor is None:
            return await self._create(step, record)
        if step.verb == "update":
            wanted = mapped(step.customer, context.mappings.customers.update)
            if step.fields == ("charge_vat_abroad",):
                wanted = Customer(charge_vat_abroad=True)
            await context.books.update_customer(step.debtor.id, wanted)
            context.outcome(FLOW, Outcome.UPDATED)
        return step.debtor

    async def _create(self, step: WriteDebtor, record: str) -> Debtor:
        context = self._context
        wanted = mapped(step.customer, context.mappings.customers.create)
        email = step.customer.email or ""
        if step.replaces:
            await self._forget_what_is_gone(step)

        async def find_by_email() -> str | None:
            found = [customer for customer in await context.books.find_customers(emails=[email]) if customer.active]
            return found[0].id if found else None

        async def send() -> str:
            # the books may answer without a body: then the address tells the id
            return await identified((await context.books.create_customer(wanted)).id or "", find_by_email)

        async def find(_: Intent) -> str | None:
            return await find_by_email()

        write = OnceWrite(_key(step.name), FLOW, record, "customer", step.name, fingerprint(wanted, context.salt))
        written = await at_most_once(context, context.link_id, write, send=send, find=find)
        context.outcome(FLOW, Outcome.CREATED)
        return Debtor(written.remote_id, private=not step.customer.is_company)

    async def _forget_what_is_gone(self, step: WriteDebtor) -> None:
        """What was created once may be created anew."""
        context = self._context
        for intent in await context.store.intents(context.link_id, flow=FLOW, state=IntentState.DONE):
            if intent.key == _key(step.name):
                await context.store.settle_intent(context.link_id, intent.key, IntentState.REFUSED)


def _key(name: str) -> str:
    return f"customer:{name}"
