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
from daemon.core.money import total
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

    async def drop_proposals(self, intents: Sequence[Intent]) -> None:
        """Withdraw what was begun as a proposal of a receipt whose document turned out to be there: nobody must book it a second time."""
        for intent in intents:
            if intent.operation == "proposal" and intent.state in {IntentState.SENT, IntentState.DONE}:
                left = await self._find_proposal(intent)
                if left is not None:
                    await self._context.books.withdraw(left)
                await self._context.store.settle_intent(intent.link, intent.key, IntentState.REFUSED)

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
        # a proposal that was, or may have been, begun is carried to its end: booked at once, the receipt would leave it behind
        at_once = certain and not (self._context.store.restored or await self._proposal_begun(layout.sale))
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
        if earlier and earlier[0].state == IntentState.DONE and earlier[0].remote_id:
            return await context.books.get_document(earlier[0].remote_id)
        if earlier and earlier[0].state != IntentState.REFUSED:
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
        comes_to = before_rounding(proposal)
        if comes_to != layout.sale.gross:
            return Hold(Reason.SUM_DIFFERS, f"receipt {layout.sale.gross}, document {comes_to}")
        return proposal

    # -- payments ---------------------------------------------------------------------------------------------------------------
    async def pay(self, sale: Sale, rules: BookingRules, document: Document, payments: Sequence[PlannedPayment]) -> Hold | None:
        """Register the receipt's payments on its document, each once.

        Payments cannot be read back, but they are registered in order: what remains on the document tells how many of them are there.
        So nothing is paid twice although this state may know nothing of it (a backup put back, another installation).
        """
        amounts = _amounts(document, payments)
        intents = await self._context.store.intents(self._context.scope, record=sale.id)
        begun = {intent.key for intent in intents if intent.state != IntentState.REFUSED}
        remaining = document.remaining
        for index, (payment, amount) in enumerate(zip(payments, amounts, strict=True)):
            if _payment_key(sale, index) not in begun:
                if paid_so_far(amounts, document.gross, remaining) != index:
                    remaining = (await self._context.books.get_document(document.id)).remaining
                paid = paid_so_far(amounts, document.gross, remaining)
                if paid is None or paid < index:
                    return Hold(Reason.PAYMENT_DIFFERS, f"document {document.number} of {document.gross}: {remaining} remains to be paid")
                if paid > index:
                    continue
            written = await self._register(sale, rules, document, replace(payment, amount=amount), index=index, amounts=amounts)
            if not written.adopted:
                # what was registered earlier is no part of what the books said remains
                remaining -= amount
        return None

    async def _register(
        self,
        sale: Sale,
        rules: BookingRules,
        document: Document,
        payment: PlannedPayment,
        *,
        index: int,
        amounts: Sequence[Decimal],
    ) -> Written:
        context = self._context
        before = document.gross - total(amounts[:index])
        entry = BookPayment(
            document_id=document.id,
            account_id=payment.account.id,
            amount=payment.amount,
            currency=document.currency,
            date=business_day(sale, rules),
            reference=reference(sale, rules),
            complete=payment.amount == before,
        )

        async def send() -> str:
            await context.books.register_payment(entry)
            return document.id

        async def find(intent: Intent) -> str | None:
            now = (await context.books.get_document(document.id)).remaining
            paid = paid_so_far(amounts, document.gross, now)
            if paid is None or paid < index:
                message = f"remaining was {intent.memo['remaining']}, {intent.memo['amount']} was sent, remaining is {now}"
                raise Undecidable(message)
            return document.id if paid > index else None

        write = OnceWrite(
            _payment_key(sale, index),
            FLOW,
            sale.id,
            "payment",
            entry.reference,
            f"{entry.account_id} {entry.amount}",
            {"remaining": str(before), "amount": str(payment.amount)},
            named=False,
        )
        return await once(context, context.scope, write, send=send, find=find)


def _payment_key(sale: Sale, index: int) -> str:
    return f"sale:{sale.id}:payment:{index}"


def _amounts(document: Document, payments: Sequence[PlannedPayment]) -> list[Decimal]:
    """Return what each payment registers; where the books round totals to whole units, the last one settles what they say remains."""
    amounts = [payment.amount for payment in payments]
    if amounts and document.rounding:
        rest = document.gross - total(amounts[:-1])
        amounts[-1] = rest if abs(rest - amounts[-1]) < 1 else amounts[-1]
    return amounts


def paid_so_far(amounts: Sequence[Decimal], gross: Decimal, remaining: Decimal) -> int | None:
    """Return how many of the payments, in order, are on a document of which this remains; ``None`` where no number explains it."""
    return next((count for count in range(len(amounts), -1, -1) if gross - total(amounts[:count]) == remaining), None)


def before_rounding(document: Document) -> Decimal:
    """Return a document's total without the rounding to whole units that the books add by themselves."""
    return document.gross - document.rounding
