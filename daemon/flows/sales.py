"""Receipts of the till become documents in the books: exists? → debtor → every article → document → payment → settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.model import ZERO, LineKind, Sale
from connectors.port import Rejected
from daemon.core.booking import (
    Debtor,
    Hold,
    PlannedPayment,
    Skip,
    answers_used,
    article_number,
    articles_needed,
    business_day,
    compose,
    match_articles,
    plan_payments,
    reference,
    triage,
)
from daemon.core.life import Outcome, Reason
from daemon.engine.handling import drain
from daemon.engine.polling import Polled, is_ahead, poll, still_ahead, sweep
from daemon.flows.answering import offer
from daemon.flows.catalogue import Catalogue
from daemon.flows.debtors import DebtorPlan, Debtors
from daemon.flows.documents import Documents, Layout, before_rounding
from daemon.flows.payload import dump_sale, load_sale
from daemon.state.port import Binding, IntentState, NewWork, Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.model import Document, DocumentDraft, MoneyAccount, Product
    from connectors.port import Change
    from daemon.core.booking import BookingRules
    from daemon.engine.context import Context
    from daemon.state.port import Intent, Work

#: how far each poll reads back behind the newest receipt: tills upload late
OVERLAP = timedelta(minutes=10)
#: how far the occasional sweep reads back, for receipts completed or changed long after they were opened
SWEEP_BACK = timedelta(days=3)
#: this stands for a debtor that ``plan`` would create
NEW_DEBTOR = "(new)"


@dataclass(frozen=True, slots=True)
class Found:
    """The receipt's document stands in the books already."""

    document: Document


@dataclass(frozen=True, slots=True)
class Booking:
    """What booking a receipt takes, decided before the first write."""

    debtor: DebtorPlan
    articles: Mapping[int, Product]
    rounding_article: Product | None
    payments: tuple[PlannedPayment, ...]
    #: what ``plan`` shows: the document as it would be laid out for the debtor that is known or about to be created
    draft: DocumentDraft


SaleDecision = Skip | Hold | Found | Booking


class Sales:
    """The flow of the receipts."""

    name = "sales"

    def __init__(self, context: Context, rules: Callable[[Mapping[str, str]], BookingRules]) -> None:
        self._context = context
        self._make_rules = rules
        self._rules: BookingRules | None = None
        self._catalogue = Catalogue(context.books, context.clock)
        self._debtors = Debtors(context)
        self._documents = Documents(context)
        self._accounts: Sequence[MoneyAccount] = ()
        self._polled = False
        self._whole: dict[str, Sale] = {}
        #: what one look-up told about several receipts: bindings by receipt, documents by natural key
        self._bindings: dict[str, Binding] = {}
        self._found: dict[str, list[Document]] = {}

    # -- reading ----------------------------------------------------------------------------------------------------------------
    def describe(self, change: Change[Sale]) -> NewWork:
        """Turn a receipt of a listing into work."""
        return NewWork(change.id, change.record.number, change.version, change.moment, dump_sale(change.record))

    async def poll(self) -> Polled:
        """Store what is new in the till.

        The first look of a process reads as far back as a sweep: what became visible behind the cursor while none ran (or was run once an
        hour by ``sync``) is found nowhere else.
        """
        overlap = OVERLAP if self._polled else SWEEP_BACK
        polled = await poll(self._context, self.name, self._context.till, self.describe, overlap=overlap)
        self._polled = True
        if polled.newest is not None:
            self._context.metrics.newest_at_source(self.name, polled.newest, link=self._context.scope)
        return polled

    async def sweep(self) -> int:
        """Store what became visible or changed behind the cursor."""
        return await sweep(self._context, self.name, self._context.till, self.describe, back=SWEEP_BACK)

    async def drain(self) -> None:
        """Settle what is due."""
        await self.refresh()
        for remembered in (self._bindings, self._found, self._whole):
            remembered.clear()
        await drain(self._context, self)
        await offer(self._context)

    async def refresh(self) -> None:
        """Take in the answers given since, and the accounts of the books."""
        self._rules = self._make_rules(await self._context.store.answers(self._context.scope))
        self._accounts = await self._context.books.money_accounts()

    @property
    def rules(self) -> BookingRules:
        """The rules as they are with the answers given so far."""
        assert self._rules is not None  # noqa: S101 - refresh() comes first; this tells the type checker
        return self._rules

    # -- deciding ---------------------------------------------------------------------------------------------------------------
    async def whole(self, sale: Sale) -> Sale:
        """Return the receipt with its lines, fetched at most once while it is in hand."""
        if sale.lines:
            return sale
        if sale.id not in self._whole:
            self._whole[sale.id] = await self._context.till.get_sale(sale)
        return self._whole[sale.id]

    async def decide(self, sale: Sale, found: Sequence[Document]) -> SaleDecision:
        """Decide what becomes of a whole receipt; reads only, so that ``plan`` shows what ``sync`` does."""
        verdict = triage(sale, self.rules)
        if verdict is not None:
            return verdict
        if len(found) > 1:
            return Hold(Reason.DOCUMENT_AMBIGUOUS, f"{len(found)} documents carry {reference(sale, self.rules)}")
        if found:
            return Found(found[0])
        debtor = await self._debtors.plan(sale, self.rules)
        if isinstance(debtor, Hold):
            return debtor
        articles = await self._articles(sale)
        if isinstance(articles, Hold):
            return articles
        payments = plan_payments(sale, self.rules, self._accounts)
        if isinstance(payments, Hold):
            return payments
        rounding = self._rounding_article()
        known = debtor.debtor or Debtor(NEW_DEBTOR, private=not debtor.customer.is_company)
        includes = known.private and await self._documents.private_prices_include_vat() is not False
        draft = compose(sale, self.rules, debtor=known, articles=articles, rounding_article=rounding, includes_vat=includes)
        if isinstance(draft, Hold):
            return draft
        return Booking(debtor, articles, rounding, payments, draft)

    async def _articles(self, sale: Sale) -> dict[int, Product] | Hold:
        """Find the article of every line; what seems wrong is asked for once more, for it may have been cured."""
        matched = match_articles(sale, self.rules, await self._catalogue.articles(articles_needed(sale, self.rules)))
        if isinstance(matched, Hold) and not matched.question:
            numbers = [number for line in sale.lines if (number := article_number(line, self.rules))]
            matched = match_articles(sale, self.rules, await self._catalogue.ask_again(numbers))
        return matched

    def _rounding_article(self) -> Product | None:
        number = self.rules.articles.get((LineKind.ROUNDING, ZERO))
        found = self._catalogue.at_hand([number]) if number else []
        return next((article for article in found if article.active), None)

    # -- carrying out -----------------------------------------------------------------------------------------------------------
    async def prepare(self, works: Sequence[Work]) -> None:
        """Ask once for what is known of all these receipts: bindings here, documents there."""
        bindings = await self._context.store.bindings(self._context.scope, "sale", [work.record for work in works])
        unbound = [load_sale(work.payload) for work in works if work.payload and not is_ahead(work) and work.record not in bindings]
        self._bindings.update(bindings)
        self._found.update(await self.documents_for(unbound))

    async def documents_for(self, sales: Sequence[Sale]) -> Mapping[str, list[Document]]:
        """Return the documents that the books have of these receipts already, by natural key."""
        if not sales:
            return {}
        return await self._documents.existing([reference(sale, self.rules) for sale in sales], since=min(s.sold_at for s in sales))

    def payload(self, work: Work) -> bytes | None:
        """Return the whole receipt once it was fetched."""
        sale = self._whole.pop(work.record, None)
        return None if sale is None else dump_sale(sale)

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one receipt."""
        bound = self._bindings.pop(work.record, None)
        # one that was settled and is sent again, or that a listing could not show, is fetched, and looked up by its own number
        afresh = not work.payload or is_ahead(work)
        header = await self._context.till.get_sale(_stub(work)) if afresh else load_sale(work.payload or b"")
        if bound is not None and bound.fingerprint:
            return _again(header, bound)
        if is_ahead(work) and (hold := still_ahead(self._context, self.name, header.sold_at)) is not None:
            self._whole[header.id] = header  # the stock counts it as on its way
            return hold
        if afresh:
            self._found.update(await self.documents_for([header]))
        sale = await self.whole(header)
        key = reference(sale, self.rules)
        intents = await self._context.store.intents(self._context.scope, record=work.record)
        decision = await self.decide(sale, self._found.pop(key, ()))
        match decision:
            case Skip():
                self._whole.pop(work.record, None)
                return Settlement(Outcome.SKIPPED, decision.reason, decision.detail)
            case Hold():
                return decision
            case Found():
                return await self._adopt(sale, decision.document, intents)
            case Booking():
                return await self._book(sale, decision)

    async def _adopt(self, sale: Sale, document: Document, intents: Sequence[Intent]) -> Settlement | Hold:
        """The document is there.  Ours, with its answer lost: go on with it.  Anybody's: leave it, and pay what nobody did."""
        payments = plan_payments(sale, self.rules, self._accounts)
        if isinstance(payments, Hold):
            return payments
        holder = await self._context.store.holder(self._context.siblings, "sale", document.id)
        if holder is not None:
            return Hold(Reason.DOCUMENT_AMBIGUOUS, f"document {document.number} is that of receipt {holder.label} of {holder.link}")
        ours = [intent for intent in intents if intent.operation == "document"]
        if not ours and (hold := await self._anothers(sale, document)) is not None:
            return hold
        await self._documents.drop_proposals(intents)
        for intent in ours:
            if intent.state != IntentState.DONE:
                await self._context.store.settle_intent(intent.link, intent.key, IntentState.DONE, remote_id=document.id)
                self._context.metrics.duplicate_prevented(self.name)
        await self._use_answers(sale)
        outcome, reason = (Outcome.CREATED, Reason.NONE) if ours else (Outcome.SKIPPED, Reason.EXISTS)
        return await self._finish(sale, document, payments, outcome, reason=reason)

    async def _anothers(self, sale: Sale, document: Document) -> Hold | None:
        """A document that we do not know to be ours may be another receipt's of the same number: tills begin to count anew."""
        day = business_day(sale, self.rules)
        if document.date not in {None, day}:
            return Hold(Reason.DOCUMENT_AMBIGUOUS, f"document {document.number} of {document.date}, receipt of {day}")
        same = [one for one in await self._context.store.find_work(sale.number) if (one.link, one.flow) == (self._context.scope, self.name)]
        others = {one.record for one in same if one.label == sale.number} - {sale.id}
        return Hold(Reason.DOCUMENT_AMBIGUOUS, f"{1 + len(others)} receipts carry the number {sale.number}") if others else None

    async def _book(self, sale: Sale, booking: Booking) -> Settlement | Hold:
        debtor = await self._debtors.ensure(sale, self.rules, booking.debtor)
        if isinstance(debtor, Hold):
            return debtor
        rounding = booking.rounding_article
        rounded = rounding is not None and any(row.article_id == rounding.id for row in booking.draft.rows)
        await self._use_answers(sale, rounded=rounded)
        layout = Layout(sale, self.rules, debtor, booking.articles, booking.rounding_article)
        try:
            document = await self._documents.book(layout)
        except Rejected:
            await self._debtors.forget(sale)
            raise
        if isinstance(document, Hold):
            return document
        return await self._finish(sale, document, booking.payments, Outcome.CREATED, rounded=rounded)

    async def _use_answers(self, sale: Sale, *, rounded: bool = False) -> None:
        """Remember what people have answered about this receipt before it is written: another answer then finds it, refused or not."""
        if answers := answers_used(sale, self.rules, rounded=rounded):
            await self._context.store.use_answers(self._context.scope, self.name, sale.id, sale.number, answers)

    async def _finish(
        self,
        sale: Sale,
        document: Document,
        payments: Sequence[PlannedPayment],
        outcome: Outcome,
        *,
        reason: Reason = Reason.NONE,
        rounded: bool = False,
    ) -> Settlement | Hold:
        """Compare to the cent, pay, settle."""
        books = before_rounding(document)
        if books != sale.gross:
            # a booked document cannot be changed: a person has to credit it
            return Hold(Reason.SUM_DIFFERS, f"receipt {sale.gross}, document {document.number} {books}")
        unpaid = await self._documents.pay(sale, self.rules, document, payments)
        if unpaid is not None:
            return unpaid
        self._whole.pop(sale.id, None)
        return Settlement(
            outcome,
            reason,
            f"{document.kind} {document.number}",
            bindings=(Binding(self._context.scope, "sale", sale.id, document.id, fingerprint(sale), sale.number),),
            remote_id=document.id,
            amounts={"till": str(sale.gross), "books": str(books)},
            answers=answers_used(sale, self.rules, rounded=rounded),
        )


def _stub(work: Work) -> Sale:
    """Return as much of a receipt as it takes to ask for it."""
    return Sale(work.record, work.label, work.moment, ZERO, "", ())


def fingerprint(sale: Sale) -> str:
    """Return what must not change once a receipt is booked."""
    return f"{sale.gross} {sale.currency}"


def _again(sale: Sale, bound: Binding) -> Settlement | Hold:
    """A receipt that is booked turns up again: nothing to do, unless it was changed since."""
    if bound.fingerprint != fingerprint(sale):
        return Hold(Reason.CHANGED_AFTER_BOOKING, f"booked {bound.fingerprint}, now {fingerprint(sale)}")
    amount = bound.fingerprint.split()[0]
    return Settlement(Outcome.UNCHANGED, amounts={"till": amount, "books": amount}, remote_id=bound.target)
