"""The document of a receipt in the books, and the payments on it: found, booked or proposed, verified to the cent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.model import BookPayment, Document
from connectors.port import Missing, Transient, Unfilterable
from daemon.core.booking import Hold, arithmetic_is_certain, business_day, compose, reference
from daemon.core.life import Reason
from daemon.engine.writes import OnceWrite, Undecidable, Written, once
from daemon.state.port import Intent, IntentState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connectors.model import DocumentDraft, Product, Sale
    from daemon.core.booking import BookingRules, Debtor, PlannedPayment
    from daemon.engine.context import Context

FLOW = "sales"
#: how far before an intent a look-up without filter reads: more than any clock may be wrong
LOOK_BACK = timedelta(days=2)
PRICES_FACT = "private_prices_include_vat"


@dataclass(frozen=True, slots=True)
class Layout:
    """All that the document of a receipt is made from."""

    sale: Sale
    rules: BookingRules
    debtor: Debtor
    articles: Mapping[int, Product]
    rounding_article: Product | None

    def draft(self, *, includes_vat: bool, correction: Decimal = Decimal(0)) -> DocumentDraft | Hold:
        """Lay the document out."""
        return compose(
            self.sale,
            self.rules,
            debtor=self.debtor,
            articles=self.articles,
            rounding_article=self.rounding_article,
            includes_vat=includes_vat,
            correction=correction,
        )


class Documents:
    """Writes documents and payments, each at most once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._private_prices_include_vat: bool | None = None
        self._fact_read = False

    # -- finding --------------------------------------------------------------------------------------------------------------
    async def existing(self, keys: Sequence[str], *, since: datetime) -> dict[str, list[Document]]:
        """Return the booked documents that carry one of these keys; by what changed since ``since`` where keys cannot be filtered."""
        books = self._context.books
        try:
            found = await books.find_documents(keys)
        except Unfilterable:
            found = await books.documents_since(since - LOOK_BACK)
        wanted = set(keys)
        by_key: dict[str, list[Document]] = {}
        for document in found:
            if document.key in wanted:
                by_key.setdefault(document.key, []).append(document)
        return by_key

    async def _find_document(self, intent: Intent) -> str | None:
        found = (await self.existing([intent.reference], since=intent.sent_at)).get(intent.reference, [])
        if len(found) > 1:
            raise Undecidable(f"{len(found)} documents carry {intent.reference}")
        return found[0].id if found else None

    async def _find_proposal(self, intent: Intent) -> str | None:
        books = self._context.books
        try:
            found = await books.find_proposals([intent.reference])
        except Unfilterable:
            found = await books.proposals_since(intent.sent_at - LOOK_BACK)
        ids = [document.id for document in found if document.key == intent.reference]
        return ids[0] if ids else None

    # -- what private persons' prices mean in these books -----------------------------------------------------------------------
    async def private_prices_include_vat(self) -> bool | None:
        """Return what earlier answers of the books showed, ``None`` before the first."""
        if not self._fact_read:
            known = await self._context.store.fact(self._context.link, PRICES_FACT)
            self._private_prices_include_vat = None if known is None else known == "yes"
            self._fact_read = True
        return self._private_prices_include_vat

    async def _learn(self, document: Document, debtor: Debtor) -> None:
        shown = document.prices_include_vat
        if not debtor.private or shown is None or shown == await self.private_prices_include_vat():
            return
        self._private_prices_include_vat = shown
        await self._context.store.remember(self._context.link, {PRICES_FACT: "yes" if shown else "no"})

    # -- booking --------------------------------------------------------------------------------------------------------------
    async def book(self, layout: Layout) -> Document | Hold:
        """Book the receipt: at once where the total is certain, else by a proposal whose total was seen first."""
        private_includes = await self.private_prices_include_vat()
        certain = arithmetic_is_certain(
            layout.sale,
            layout.debtor,
            private_prices_include_vat=private_includes,
            totals_rounded=self._context.company is not None and self._context.company.rounds_totals,
        )
        # a proposal that was begun is carried to its end: booked at once, the receipt would leave it behind
        at_once = certain and not await self._proposal_begun(layout.sale)
        document = await (self._book_at_once(layout) if at_once else self._book_by_proposal(layout))
        if isinstance(document, Document):
            await self._learn(document, layout.debtor)
        return document

    async def _proposal_begun(self, sale: Sale) -> bool:
        intents = await self._context.store.intents(self._context.scope, record=sale.id)
        return any(intent.operation == "proposal" and intent.state != IntentState.REFUSED for intent in intents)

    def _write(self, layout: Layout, operation: str, content: object) -> OnceWrite:
        key = reference(layout.sale, layout.rules)
        return OnceWrite(f"sale:{layout.sale.id}:{operation}", FLOW, layout.sale.id, operation, key, repr(content))

    async def _book_at_once(self, layout: Layout) -> Document | Hold:
        draft = layout.draft(includes_vat=True)
        if isinstance(draft, Hold):
            return draft
        answered: list[Document] = []

        async def send() -> str:
            answered.append(await self._context.books.book(draft))
            return answered[0].id

        write = self._write(layout, "document", draft.rows)
        written = await once(self._context, self._context.scope, write, send=send, find=self._find_document)
        return answered[0] if answered else await self._context.books.get_document(written.remote_id)

    async def _book_by_proposal(self, layout: Layout) -> Document | Hold:
        context = self._context
        earlier = [i for i in await context.store.intents(context.scope, record=layout.sale.id) if i.operation == "document"]
        if earlier and earlier[0].state == IntentState.DONE:
            return await context.books.get_document(earlier[0].remote_id)
        if earlier and earlier[0].state == IntentState.SENT:
            # the proposal may have become the document already: that is looked up before the proposal is touched
            proposal: Document | Hold | None = None
        else:
            proposal = await self._proposal(layout)
        if isinstance(proposal, Hold):
            return proposal
        answered: list[Document] = []

        async def send() -> str:
            ready = proposal or await self._proposal(layout)
            if isinstance(ready, Hold):
                raise Transient(ready.detail)
            try:
                answered.append(await context.books.confirm(ready))
            except Missing as error:
                await context.store.settle_intent(context.scope, f"sale:{layout.sale.id}:proposal", IntentState.REFUSED)
                message = "the draft is gone"
                raise Transient(message) from error
            return answered[0].id

        write = self._write(layout, "document", "confirmed proposal")
        written = await once(context, context.scope, write, send=send, find=self._find_document)
        return answered[0] if answered else await context.books.get_document(written.remote_id)

    async def _proposal(self, layout: Layout) -> Document | Hold:
        """Return a proposal that the books themselves say comes to the receipt's total."""
        context = self._context
        includes_vat = layout.debtor.private and await self.private_prices_include_vat() is not False
        draft = layout.draft(includes_vat=includes_vat)
        if isinstance(draft, Hold):
            return draft
        answered: list[Document] = []

        async def send() -> str:
            answered.append(await context.books.propose(draft))
            return answered[0].id

        write = self._write(layout, "proposal", draft.rows)
        written = await once(context, context.scope, write, send=send, find=self._find_proposal)
        try:
            proposal = answered[0] if answered else await context.books.revise(written.remote_id, draft)
            agreed = await self._agree(layout, proposal, draft)
        except Missing as error:
            await context.store.settle_intent(context.scope, write.key, IntentState.REFUSED)
            message = "the draft is gone"
            raise Transient(message) from error
        if isinstance(agreed, Hold):
            await context.books.withdraw(written.remote_id)
            await context.store.settle_intent(context.scope, write.key, IntentState.REFUSED)
        return agreed

    async def _agree(self, layout: Layout, proposal: Document, draft: DocumentDraft) -> Document | Hold:
        """Revise the proposal until its total is the receipt's; the cap on rounding still holds."""
        context = self._context
        await self._learn(proposal, layout.debtor)
        includes_vat = draft.prices_include_vat if proposal.prices_include_vat is None else proposal.prices_include_vat
        if includes_vat != draft.prices_include_vat:
            redone = layout.draft(includes_vat=includes_vat)
            if isinstance(redone, Hold):
                return redone
            draft = redone
            proposal = await context.books.revise(proposal.id, draft)
        difference = layout.sale.gross - before_rounding(proposal)
        if difference:
            corrected = layout.draft(includes_vat=includes_vat, correction=difference)
            if isinstance(corrected, Hold):
                return corrected
            proposal = await context.books.revise(proposal.id, corrected)
        total = before_rounding(proposal)
        if total != layout.sale.gross:
            return Hold(Reason.SUM_DIFFERS, f"receipt {layout.sale.gross}, document {total}")
        return proposal

    # -- payments ---------------------------------------------------------------------------------------------------------------
    async def pay(self, sale: Sale, rules: BookingRules, document: Document, payments: Sequence[PlannedPayment]) -> None:
        """Register the receipt's payments on its document, each once.  What remains on the document decides after a lost answer.

        A document on which something was paid that this state knows nothing of (a restored backup, another installation) is left alone.
        """
        remaining = document.remaining
        if remaining != document.gross and not await self._payments_begun(sale):
            return
        for index, payment in enumerate(payments):
            # where the books round totals to whole units, the last payment settles what they say remains
            last = index == len(payments) - 1
            amount = remaining if last and abs(remaining - payment.amount) < 1 and document.rounding else payment.amount
            written = await self._register(sale, rules, document, replace(payment, amount=amount), index=index, remaining=remaining)
            if not written.adopted:
                # what was registered earlier is no part of what the books said remains
                remaining -= amount

    async def _payments_begun(self, sale: Sale) -> bool:
        intents = await self._context.store.intents(self._context.scope, record=sale.id)
        return any(intent.operation == "payment" for intent in intents)

    async def _register(
        self,
        sale: Sale,
        rules: BookingRules,
        document: Document,
        payment: PlannedPayment,
        *,
        index: int,
        remaining: Decimal,
    ) -> Written:
        context = self._context
        entry = BookPayment(
            document_id=document.id,
            account_id=payment.account.id,
            amount=payment.amount,
            currency=document.currency,
            date=business_day(sale, rules),
            reference=reference(sale, rules),
            complete=payment.amount == remaining,
        )

        async def send() -> str:
            await context.books.register_payment(entry)
            return document.id

        async def find(intent: Intent) -> str | None:
            now = (await context.books.get_document(document.id)).remaining
            before, amount = Decimal(intent.memo["remaining"]), Decimal(intent.memo["amount"])
            if now == before - amount:
                return document.id
            if now == before:
                return None
            message = f"remaining was {before}, {amount} was sent, remaining is {now}"
            raise Undecidable(message)

        write = OnceWrite(
            f"sale:{sale.id}:payment:{index}",
            FLOW,
            sale.id,
            "payment",
            entry.reference,
            f"{entry.account_id} {entry.amount}",
            {"remaining": str(remaining), "amount": str(payment.amount)},
        )
        return await once(context, context.scope, write, send=send, find=find)


def before_rounding(document: Document) -> Decimal:
    """Return a document's total without the rounding to whole units that the books add by themselves."""
    return document.gross - document.rounding
