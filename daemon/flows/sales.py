"""Receipts of the till become documents in the books: gather, decide, carry out, settle.

What is to be done is decided in :mod:`daemon.core.receipts`; here it is read for, and done.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.model import ZERO, Sale
from connectors.port import Locked, Transient
from daemon.core.booked import Booked, Difference, read_booked
from daemon.core.booking import Debtor, Hold, Skip, arithmetic_is_certain, business_day
from daemon.core.debtors import WriteDebtor
from daemon.core.life import Outcome, Reason
from daemon.core.receipts import (
    FIRST_OPEN_DAY,
    LOCKED_QUESTION,
    Adopt,
    Credit,
    Paper,
    Pay,
    Plan,
    SaleFacts,
    Target,
    Withdraw,
    decide_sale,
    describe_step,
    locked_hold,
    payment_write_prefix,
    summary,
    vat_disagrees,
    with_way_out,
)
from daemon.engine.handling import drain
from daemon.engine.polling import Polled, poll, sweep
from daemon.flows.catalogue import Catalogue
from daemon.flows.debtors import Debtors
from daemon.flows.document_lookup import DocumentLookup
from daemon.flows.payload import dump_sale, load_sale
from daemon.flows.receipt_facts import SALE, ReceiptFacts
from daemon.flows.targets.invoice import Invoices, before_rounding
from daemon.flows.targets.layout import CreditLayout, ReceiptLayout
from daemon.flows.targets.payments import Paying, pay
from daemon.state.port import Binding, IntentState, NewWork, Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.model import Document, MoneyAccount
    from connectors.port import Change
    from daemon.core.booking import BookingRules
    from daemon.core.receipts import Step
    from daemon.engine.context import Context
    from daemon.state.port import Work

#: how far each poll reads back behind the newest receipt: tills upload late
OVERLAP = timedelta(minutes=10)
#: how far the occasional sweep reads back, for receipts completed or changed long after they were opened
SWEEP_BACK = timedelta(days=3)
#: so often is a receipt looked at again within one turn when what was found in the books is not what was decided on
_TURNS = 3


@dataclass(slots=True)
class _Hand:
    """One receipt in hand: what the steps done so far have made."""

    sale: Sale
    rules: BookingRules
    #: what is remembered when all is done
    booked: Booked | None
    #: whether this state knows of an earlier attempt at the document
    sent: bool
    debtor: Debtor | None = None
    document: Document | None = None
    #: what took an earlier document back
    credit: Document | None = None
    key: str = ""
    #: what was booked by an earlier attempt whose answer was lost, where it is not what was decided on now
    earlier: Booked | None = None
    doubt: Difference | None = None
    #: what was done, in a few words each
    done: list[str] = field(default_factory=list)


class Sales:
    """The flow of the receipts."""

    name = "sales"

    def __init__(self, context: Context, rules: Callable[[Mapping[str, str]], BookingRules]) -> None:
        self._context = context
        self._make_rules = rules
        self._rules: BookingRules | None = None
        self._lookup = DocumentLookup(context.books)
        self._invoices = Invoices(context, self._lookup)
        self._facts = ReceiptFacts(context, Catalogue(context.books, context.clock), self._lookup, self._invoices)
        self._debtors = Debtors(context, self._facts)
        self._accounts: Sequence[MoneyAccount] = ()
        self._polled = False
        #: what was gathered for the chunk in hand, by receipt
        self._gathered: dict[str, SaleFacts] = {}

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
        self._gathered.clear()
        await drain(self._context, self)

    async def refresh(self) -> None:
        """Take in the answers given since, and the accounts of the books."""
        self._rules = self._make_rules(await self._context.store.answers(self._context.scope))
        self._accounts = await self._context.books.money_accounts()
        if self._rules.decided.get(LOCKED_QUESTION) == FIRST_OPEN_DAY:
            self._rules = replace(self._rules, open_from=await self._context.books.first_open_day())

    @property
    def rules(self) -> BookingRules:
        """The rules as they are with the answers given so far."""
        assert self._rules is not None  # noqa: S101 - refresh() comes first; this tells the type checker
        return self._rules

    # -- gather and decide --------------------------------------------------------------------------------------------------------
    async def gather(self, sales: Mapping[str, Sale]) -> dict[str, SaleFacts]:
        """Read all that the decisions on these receipts need; each is fetched whole."""
        whole = {record: await self._facts.whole(sale) for record, sale in sales.items()}
        return await self._facts.for_sales(whole, self.rules, self._accounts)

    def decide(self, facts: SaleFacts) -> Plan | Skip | Hold:
        """Decide what becomes of a receipt: pure, so that ``plan`` says what ``sync`` does."""
        return decide_sale(facts, self.rules, self._context.mappings.customers)

    async def prepare(self, works: Sequence[Work]) -> None:
        """Gather for a whole chunk what single look-ups would cost a request each."""
        self._gathered.update(await self.gather({work.record: header(work) for work in works}))

    def payload(self, work: Work) -> bytes | None:
        """Return the whole receipt once it was fetched."""
        facts = self._gathered.pop(work.record, None)
        return None if facts is None or facts.sale is None else dump_sale(facts.sale)

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one receipt."""
        for _ in range(_TURNS):
            if work.record not in self._gathered:
                await self.prepare([work])
            ended = await self._turn(work, self._gathered[work.record])
            if ended is not None:
                return ended
            # an earlier attempt had booked something else than the till says now: that is remembered, and decided upon like any change
            del self._gathered[work.record]
        raise Transient("the receipt changes while it is being booked")

    async def _turn(self, work: Work, facts: SaleFacts) -> Settlement | Hold | None:
        decision = self.decide(facts)
        match decision:
            case Skip():
                return Settlement(Outcome.SKIPPED, decision.reason, decision.detail)
            case Hold():
                return decision
            case Plan():
                try:
                    ended = await self._carry_out(work, facts, decision)
                except Locked:
                    # one question for all; once a person has said that it is to be waited for, it is
                    if facts.sale is None or LOCKED_QUESTION in self.rules.decided:
                        raise
                    return locked_hold(facts.sale, self.rules)
                return with_way_out(ended, facts, decision) if isinstance(ended, Hold) else ended

    # -- carry out ----------------------------------------------------------------------------------------------------------------
    async def _carry_out(self, work: Work, facts: SaleFacts, plan: Plan) -> Settlement | Hold | None:
        """Do the steps of a plan, each at most once; ``None`` asks for another look."""
        sale = facts.sale or header(work)
        hand = _Hand(sale, self.rules, plan.booked, sent=facts.sent and facts.booked is None)
        if facts.booked is None and facts.sent:
            await self._found_after_all(facts)
        for step in plan.steps:
            held = await self._step(hand, step)
            if hand.earlier is not None:
                await self._bind(sale, hand.earlier)
                return None
            if held is not None:
                if hand.doubt is not None and hand.document is not None and plan.booked is not None:
                    await self._bind(sale, replace(plan.booked, document=hand.document.id, gross=hand.document.gross, doubt=hand.doubt))
                    return None
                return held
            hand.done += [summary(action) for action in describe_step(work.record, work.label, step, plan.reason)]
        return self._settled(sale, plan, hand)

    async def _step(self, hand: _Hand, step: Step) -> Hold | None:
        match step:
            case WriteDebtor():
                return await self._write_debtor(hand, step)
            case Paper():
                return await self._write_paper(hand, step)
            case Adopt(document):
                hand.document, hand.key = document, document.key
                return await self._look_at(hand, adopted=hand.sent)
            case Pay():
                return await self._pay(hand, step)
            case Credit():
                return await self._credit(hand, step)
            case Withdraw(proposal):
                await self._context.books.withdraw(proposal)
                await self._withdrawn(hand.sale)
                return None

    async def _write_debtor(self, hand: _Hand, step: WriteDebtor) -> Hold | None:
        if step.verb == "keep" and step.debtor is not None:
            await self._debtors.remember(step, step.debtor)
            hand.debtor = step.debtor
            return None
        debtor = await self._debtors.carry_out(hand.sale, hand.rules, step)
        if isinstance(debtor, Hold):
            return debtor
        hand.debtor = debtor
        return None

    async def _write_paper(self, hand: _Hand, paper: Paper) -> Hold | None:
        assert hand.debtor is not None  # noqa: S101 - the debtor's step comes first; this tells the type checker
        layout = ReceiptLayout(paper, hand.rules, hand.debtor)

        def check(document: Document) -> str:
            return vat_disagrees(paper.sale, document, hand.rules)

        hand.key = paper.key
        if paper.target is Target.DRAFT:
            proposal = await self._invoices.propose(layout, check)
            if isinstance(proposal, Hold):
                return proposal
            hand.document = proposal
            return None
        company = self._context.company
        certain = arithmetic_is_certain(
            paper.sale,
            hand.debtor,
            private_prices_include_vat=await self._invoices.private_prices_include_vat(),
            totals_rounded=company is not None and company.rounds_totals,
        )
        memo = {} if hand.booked is None else {"booked": hand.booked.as_text()}
        booking = await self._invoices.book(layout, at_once=certain, memo=memo, check=check)
        if isinstance(booking, Hold):
            return booking
        hand.document = booking.document
        if not booking.adopted and booking.document.gross and booking.document.remaining != booking.document.gross:
            hand.doubt = Difference.SETTLED
            return Hold(Reason.SETTLED_BY_TERMS)
        return await self._look_at(hand, adopted=booking.adopted)

    async def _look_at(self, hand: _Hand, *, adopted: bool) -> Hold | None:
        """Compare what stands in the books with what was decided on; an earlier attempt may have decided on something else."""
        if adopted and hand.document is not None:
            kept = await self._memo(hand)
            if kept is not None and hand.booked is not None and kept.as_text() != hand.booked.as_text():
                hand.earlier = replace(kept, document=hand.document.id)
                return None
        return self._compared(hand)

    def _compared(self, hand: _Hand) -> Hold | None:
        """Compare to the cent, and by VAT rate: a booked document cannot be changed, so that what differs is a doubt to be decided upon."""
        document, sale = hand.document, hand.sale
        assert document is not None  # noqa: S101 - called when there is one; this tells the type checker
        books = before_rounding(document)
        if books != sale.gross:
            hand.doubt = Difference.SUM
            return Hold(Reason.SUM_DIFFERS, f"receipt {sale.gross}, document {document.number} {books}")
        if document.vat_by_rate and (wrong := vat_disagrees(sale, document, hand.rules)):
            hand.doubt = Difference.VAT
            return Hold(Reason.VAT_DIFFERS, f"document {document.number}: {wrong}")
        return None

    async def _pay(self, hand: _Hand, step: Pay) -> Hold | None:
        assert hand.document is not None  # noqa: S101 - a document comes first; this tells the type checker
        prefix = payment_write_prefix(hand.sale.id, hand.key)
        paying = Paying(hand.sale.id, prefix, hand.key, business_day(hand.sale, hand.rules))
        return await pay(self._context, paying, hand.document, step.payments)

    async def _credit(self, hand: _Hand, step: Credit) -> Hold | None:
        layout = CreditLayout(hand.sale.id, step)

        def check(document: Document) -> str:
            differs = abs(document.vat + step.document.vat) > hand.rules.rounding_cap
            return f"VAT {document.vat} to take back {step.document.vat}" if differs else ""

        booking = await self._invoices.book(layout, at_once=False, memo={}, check=check)
        if isinstance(booking, Hold):
            return booking
        paying = Paying(hand.sale.id, payment_write_prefix(hand.sale.id, layout.key), layout.key, business_day(hand.sale, hand.rules))
        return await pay(self._context, paying, booking.document, step.repayments)

    # -- remembering --------------------------------------------------------------------------------------------------------------
    async def _memo(self, hand: _Hand) -> Booked | None:
        """Return what an earlier attempt had decided to book."""
        for intent in await self._context.store.intents(self._context.scope, record=hand.sale.id):
            if intent.operation == "document" and intent.reference == hand.key and "booked" in intent.memo:
                return read_booked("", intent.memo["booked"])
        return None

    async def _found_after_all(self, facts: SaleFacts) -> None:
        """The document of an earlier attempt whose answer was lost was found with all others: that write is settled."""
        if len(facts.found) != 1 or facts.sale is None:
            return
        for intent in await self._context.store.intents(self._context.scope, record=facts.sale.id):
            if intent.operation == "document" and intent.state != IntentState.DONE and intent.reference == facts.found[0].key:
                await self._context.store.settle_intent(intent.link, intent.key, IntentState.DONE, remote_id=facts.found[0].id)
                self._context.metrics.duplicate_prevented(self.name)

    async def _withdrawn(self, sale: Sale) -> None:
        for intent in await self._context.store.intents(self._context.scope, record=sale.id):
            if intent.operation == "proposal" and intent.state in {IntentState.SENT, IntentState.DONE}:
                await self._context.store.settle_intent(intent.link, intent.key, IntentState.REFUSED)

    async def _bind(self, sale: Sale, booked: Booked) -> None:
        context = self._context
        await context.store.unbind(context.scope, SALE, sale.id)
        await context.store.bind([self._binding(sale, booked)])

    def _binding(self, sale: Sale, booked: Booked) -> Binding:
        return Binding(self._context.scope, SALE, sale.id, booked.document, booked.as_text(), sale.number)

    def _settled(self, sale: Sale, plan: Plan, hand: _Hand) -> Settlement:
        """Say how it ended, and what is remembered from now on."""
        booked, document = plan.booked, hand.document
        if booked is None:
            return Settlement(plan.outcome, plan.reason)
        if document is not None:
            booked = replace(booked, document=document.id)
        amount = str(ZERO if booked.void else booked.gross)
        shown = document or hand.credit
        detail = f"{shown.kind} {shown.number}".strip() if shown is not None else ""
        return Settlement(
            plan.outcome,
            plan.reason,
            "; ".join(part for part in (*hand.done, detail) if part),
            bindings=(self._binding(sale, booked),),
            remote_id=booked.document,
            amounts={"till": amount, "books": amount},
        )


def header(work: Work) -> Sale:
    """Return as much of a receipt as it takes to ask for it: as a listing had it, or its id alone for one that was fetched before."""
    if work.payload:
        listed = load_sale(work.payload)
        if not listed.lines:
            return listed
    return Sale(work.record, work.label, work.moment, ZERO, "", ())
