"""A sale as an invoice or a credit: booked at once where its total is certain, else by a draft whose total was seen first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.model import ZERO
from connectors.port import Conflict, Locked, Missing, Rejected, Transient
from daemon.core.booking import Hold, fit_quantities
from daemon.core.flow_registry import SALES
from daemon.core.message import message
from daemon.core.outcomes import Reason
from daemon.core.sale_plan import document_write_key, proposal_write_key
from daemon.engine.at_most_once import OnceWrite, at_most_once
from daemon.state.port import IntentState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from decimal import Decimal

    from connectors.model import Document, DocumentDraft
    from daemon.core.message import Text
    from daemon.engine.context import Context
    from daemon.flows.document_lookup import DocumentLookup
    from daemon.flows.targets.layout import Layout

FLOW = SALES.name
PRICES_FACT = "private_prices_include_vat"


@dataclass(frozen=True, slots=True)
class Booking:
    """A document that stands in the books, and whether an earlier attempt had put it there."""

    document: Document
    adopted: bool


class Invoices:
    """Writes invoices and credits, each at most once."""

    def __init__(self, context: Context, lookup: DocumentLookup) -> None:
        self._context = context
        self._lookup = lookup
        self._private_prices_include_vat: bool | None = None
        self._fact_read = False
        #: whether these books may take all decimals of a quantity, as far as their answers to this process tell
        self._fine = True

    # -- what private persons' prices mean in these books -----------------------------------------------------------------------
    async def private_prices_include_vat(self) -> bool | None:
        """Return what earlier answers of the books showed, ``None`` before the first."""
        if not self._fact_read:
            known = await self._context.store.fact(self._context.link_id, PRICES_FACT)
            self._private_prices_include_vat = None if known is None else known == "yes"
            self._fact_read = True
        return self._private_prices_include_vat

    async def _learn(self, document: Document, layout: Layout) -> None:
        shown = document.prices_include_vat
        if not layout.private or shown is None or shown == await self.private_prices_include_vat():
            return
        self._private_prices_include_vat = shown
        await self._context.store.remember(self._context.link_id, {PRICES_FACT: "yes" if shown else "no"})

    # -- writing ------------------------------------------------------------------------------------------------------------------
    async def book(self, layout: Layout, *, at_once: bool, memo: dict[str, str], check: Callable[[Document], Text]) -> Booking | Hold:
        """Book a document; ``at_once`` says that its total is certain, ``check`` what must hold of a draft besides its total."""
        # a proposal that was, or may have been, begun is carried to its end: booked at once, the receipt would leave it behind
        now = at_once and not (self._context.store.restored or await self._proposal_begun(layout))
        booking = await (self._book_at_once(layout, memo) if now else self._book_by_proposal(layout, memo, check))
        if isinstance(booking, Booking):
            await self._learn(booking.document, layout)
        return booking

    async def _proposal_begun(self, layout: Layout) -> bool:
        intents = await self._context.store.intents(self._context.pair_id, record=layout.record)
        key = proposal_write_key(layout.record, layout.key)
        return any(intent.key == key and intent.state != IntentState.REFUSED for intent in intents)

    async def _book_at_once(self, layout: Layout, memo: dict[str, str]) -> Booking | Hold:
        draft = layout.draft(includes_vat=True)
        if isinstance(draft, Hold):
            return draft
        perhaps, surely = (fit_quantities(draft, decimals) for decimals in self._context.books.quantity_decimals)
        if not self._fine or perhaps.rows == surely.rows:
            return await self._send_at_once(layout, surely, memo)
        try:
            return await self._send_at_once(layout, perhaps, memo)
        except (Conflict, Locked):
            raise
        except Rejected:
            booking = await self._send_at_once(layout, surely, memo)
            self._fine = False
            return booking

    async def _send_at_once(self, layout: Layout, draft: DocumentDraft, memo: dict[str, str]) -> Booking:
        answered: list[Document] = []

        async def send() -> str:
            answered.append(await self._context.books.book(draft))
            return answered[0].id

        return await self._once(layout, draft.rows, memo, send, answered)

    async def _once(
        self, layout: Layout, content: object, memo: dict[str, str], send: Callable[[], Awaitable[str]], answered: list[Document]
    ) -> Booking:
        write = OnceWrite(document_write_key(layout.record, layout.key), FLOW, layout.record, "document", layout.key, repr(content), memo)
        written = await at_most_once(self._context, self._context.pair_id, write, send=send, find=self._lookup.document_of)
        document = answered[0] if answered else await self._context.books.get_document(written.remote_id)
        return Booking(document, adopted=written.adopted)

    async def _book_by_proposal(self, layout: Layout, memo: dict[str, str], check: Callable[[Document], Text]) -> Booking | Hold:
        context = self._context
        key = document_write_key(layout.record, layout.key)
        earlier = [one for one in await context.store.intents(context.pair_id, record=layout.record) if one.key == key]
        if earlier and earlier[0].state == IntentState.DONE and earlier[0].remote_id:
            return Booking(await context.books.get_document(earlier[0].remote_id), adopted=True)
        # where a send was begun the proposal may have become the document already: that is looked up before the proposal is touched
        under_way = bool(earlier) and earlier[0].state in {IntentState.SENT, IntentState.DONE}
        proposal = None if under_way else await self.propose(layout, check)
        if isinstance(proposal, Hold):
            return proposal
        answered: list[Document] = []

        async def send() -> str:
            ready = proposal or await self.propose(layout, check)
            if isinstance(ready, Hold):
                raise Transient(str(ready.detail))
            try:
                answered.append(await context.books.confirm(ready))
            except Missing as error:
                await self._proposal_is_gone(layout)
                raise Transient("the draft is gone") from error
            return answered[0].id

        return await self._once(layout, "confirmed proposal", memo, send, answered)

    async def _proposal_is_gone(self, layout: Layout) -> None:
        key = proposal_write_key(layout.record, layout.key)
        await self._context.store.settle_intent(self._context.pair_id, key, IntentState.REFUSED)

    async def propose(self, layout: Layout, check: Callable[[Document], Text]) -> Document | Hold:
        """Return a draft that the books themselves say comes to the right total; one that does not is withdrawn again."""
        context = self._context
        draft = self._proposed(layout, includes_vat=layout.includes_vat(await self.private_prices_include_vat()))
        if isinstance(draft, Hold):
            return draft
        answered: list[Document] = []

        async def send() -> str:
            answered.append(await context.books.propose(draft))
            return answered[0].id

        key = proposal_write_key(layout.record, layout.key)
        write = OnceWrite(key, FLOW, layout.record, "proposal", layout.key, repr(draft.rows))
        written = await at_most_once(context, context.pair_id, write, send=send, find=self._lookup.proposal_of)
        try:
            proposal = answered[0] if answered else await context.books.revise(written.remote_id, draft)
            agreed = await self._agree(layout, proposal, includes_vat=draft.prices_include_vat)
            wrong: Text = "" if isinstance(agreed, Hold) else check(agreed)
        except Missing as error:
            await self._proposal_is_gone(layout)
            raise Transient("the draft is gone") from error
        if wrong:
            agreed = Hold(Reason.VAT_DIFFERS, wrong)
        if isinstance(agreed, Hold):
            await context.books.withdraw(written.remote_id)
            await self._proposal_is_gone(layout)
        return agreed

    def _proposed(self, layout: Layout, *, includes_vat: bool, correction: Decimal = ZERO) -> DocumentDraft | Hold:
        draft = layout.draft(includes_vat=includes_vat, correction=correction)
        return draft if isinstance(draft, Hold) else fit_quantities(draft, self._context.books.quantity_decimals[1])

    async def _agree(self, layout: Layout, proposal: Document, *, includes_vat: bool) -> Document | Hold:
        """Revise the proposal until its total is the receipt's; the cap on rounding still holds."""
        books = self._context.books
        await self._learn(proposal, layout)
        shown = includes_vat if proposal.prices_include_vat is None else proposal.prices_include_vat
        if shown != includes_vat:
            redone = self._proposed(layout, includes_vat=shown)
            if isinstance(redone, Hold):
                return redone
            proposal = await books.revise(proposal.id, redone)
        difference = layout.gross - before_rounding(proposal)
        if difference:
            corrected = self._proposed(layout, includes_vat=shown, correction=difference)
            if isinstance(corrected, Hold):
                return corrected
            proposal = await books.revise(proposal.id, corrected)
        comes_to = before_rounding(proposal)
        if comes_to != layout.gross:
            return Hold(Reason.SUM_DIFFERS, message("detail.total", receipt=layout.gross, document=comes_to))
        return proposal


def before_rounding(document: Document) -> Decimal:
    """Return a document's total without the rounding to whole units that the books add by themselves."""
    return document.gross - document.rounding
