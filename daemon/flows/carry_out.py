"""Doing what was decided about a receipt, each step at most once, and remembering what then stands in the books."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connectors.model import ZERO, Sale
from daemon.core.booked import Booked, Difference, read_booked, same_sale
from daemon.core.booking import Debtor, Hold, answers_used, arithmetic_is_certain, business_day
from daemon.core.debtors import WriteDebtor
from daemon.core.describe import describe_step, summary
from daemon.core.message import message
from daemon.core.outcomes import Reason
from daemon.core.receipts import vat_disagrees
from daemon.core.sale_plan import Adopt, Credit, Paper, Pay, Plan, SaleFacts, Target, Withdraw, payment_write_prefix
from daemon.flows.receipt_facts import SALE
from daemon.flows.targets.invoice import Invoices, before_rounding
from daemon.flows.targets.layout import CreditLayout, ReceiptLayout
from daemon.flows.targets.payments import FLOW, Paying, pay
from daemon.state.port import Binding, IntentState, Settlement

if TYPE_CHECKING:
    from connectors.model import Document
    from daemon.core.booking import BookingRules
    from daemon.core.message import Text
    from daemon.core.sale_plan import Step
    from daemon.engine.context import Context
    from daemon.flows.debtors import Debtors
    from daemon.state.port import Work


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
    #: what people have answered that decides how it is booked: (key of the question, answer)
    answers: tuple[tuple[str, str], ...] = ()


class Steps:
    """Carries out plans for receipts of one till."""

    def __init__(self, context: Context, debtors: Debtors, invoices: Invoices) -> None:
        self._context = context
        self._debtors = debtors
        self._invoices = invoices

    async def carry_out(self, work: Work, facts: SaleFacts, plan: Plan, rules: BookingRules) -> Settlement | Hold | None:
        """Do the steps of a plan, each at most once; ``None`` asks for another look."""
        sale = facts.sale or Sale(work.record, work.label, work.moment, ZERO, "", ())
        hand = _Hand(sale, rules, plan.booked, sent=facts.sent and facts.booked is None)
        if facts.booked is None or facts.learnt:
            await self._found_after_all(facts)
        hand.answers = _answers(hand.sale, plan, rules)
        if hand.answers:
            # before anything is written: another answer then finds the receipt, whatever becomes of it
            await self._context.store.use_answers(self._context.pair_id, FLOW, sale.id, sale.number, hand.answers)
        for step in plan.steps:
            held = await self._step(hand, step)
            if hand.earlier is not None:
                await self.remember(sale, hand.earlier)
                return None
            if held is not None:
                if hand.doubt is not None and hand.document is not None and plan.booked is not None:
                    await self.remember(sale, replace(plan.booked, document=hand.document.id, gross=hand.document.gross, doubt=hand.doubt))
                    return None
                return held
            hand.done += [summary(action) for action in describe_step(work.record, work.label, step, plan.reason)]
        if hand.doubt is not None and plan.booked is not None:
            # all is done, and the books have made something else of it than was laid out
            document = plan.booked.document if hand.document is None else hand.document.id
            await self.remember(sale, replace(plan.booked, document=document, doubt=hand.doubt))
            return None
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

        def check(document: Document) -> Text:
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
            if kept is not None and hand.booked is not None and not same_sale(kept, hand.booked):
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
            return Hold(Reason.SUM_DIFFERS, message("detail.document_total", receipt=sale.gross, document=document.number, total=books))
        if document.vat_by_rate and (wrong := vat_disagrees(sale, document, hand.rules)):
            hand.doubt = Difference.VAT
            return Hold(Reason.VAT_DIFFERS, message("detail.document", document=document.number, wrong=wrong))
        return None

    async def _pay(self, hand: _Hand, step: Pay) -> Hold | None:
        assert hand.document is not None  # noqa: S101 - a document comes first; this tells the type checker
        prefix = payment_write_prefix(hand.sale.id, hand.key)
        paying = Paying(hand.sale.id, prefix, hand.key, business_day(hand.sale, hand.rules))
        return await pay(self._context, paying, hand.document, step.payments)

    async def _credit(self, hand: _Hand, step: Credit) -> Hold | None:
        layout = CreditLayout(hand.sale.id, step)

        def check(document: Document) -> Text:
            differs = abs(document.vat + step.document.vat) > hand.rules.rounding_cap
            return message("detail.vat_back", credit=document.vat, document=step.document.vat) if differs else ""

        booking = await self._invoices.book(layout, at_once=False, memo={}, check=check)
        if isinstance(booking, Hold):
            return booking
        hand.credit = booking.document
        if await self._settled_by_terms(hand, booking.document, payment_write_prefix(hand.sale.id, layout.key)):
            hand.doubt = Difference.SETTLED
        paying = Paying(hand.sale.id, payment_write_prefix(hand.sale.id, layout.key), layout.key, business_day(hand.sale, hand.rules))
        return await pay(self._context, paying, booking.document, step.repayments)

    async def _settled_by_terms(self, hand: _Hand, credit: Document, prefix: str) -> bool:
        """Tell whether something was paid back on a credit before we did; a state that was put back cannot tell."""
        store = self._context.store
        if store.restored or credit.remaining == credit.gross:
            return False
        return not any(intent.key.startswith(prefix) for intent in await store.intents(self._context.pair_id, record=hand.sale.id))

    # -- remembering --------------------------------------------------------------------------------------------------------------
    async def _memo(self, hand: _Hand) -> Booked | None:
        """Return what an earlier attempt had decided to book."""
        for intent in await self._context.store.intents(self._context.pair_id, record=hand.sale.id):
            if intent.operation == "document" and intent.reference == hand.key and "booked" in intent.memo:
                return read_booked("", intent.memo["booked"])
        return None

    async def _found_after_all(self, facts: SaleFacts) -> None:
        """The document of an earlier attempt whose answer was lost was found with all others: that write is settled, and its draft's."""
        if len(facts.found) != 1 or facts.sale is None:
            return
        for intent in await self._context.store.intents(self._context.pair_id, record=facts.sale.id):
            if intent.state == IntentState.DONE or intent.reference != facts.found[0].key:
                continue
            if intent.operation == "document":
                await self._context.store.settle_intent(intent.owner, intent.key, IntentState.DONE, remote_id=facts.found[0].id)
                self._context.metrics.duplicate_prevented(FLOW)
            elif intent.operation == "proposal" and intent.state == IntentState.SENT:
                # an older state was put back that knows of the draft, and not that it was booked
                await self._context.store.settle_intent(intent.owner, intent.key, IntentState.DONE)

    async def _withdrawn(self, sale: Sale) -> None:
        for intent in await self._context.store.intents(self._context.pair_id, record=sale.id):
            if intent.operation == "proposal" and intent.state in {IntentState.SENT, IntentState.DONE}:
                await self._context.store.settle_intent(intent.owner, intent.key, IntentState.REFUSED)

    async def remember(self, sale: Sale, booked: Booked) -> None:
        """Remember what is known to stand in the books, instead of what was remembered before."""
        context = self._context
        await context.store.unbind(context.pair_id, SALE, sale.id)
        await context.store.bind([self._binding(sale, booked)])

    def _binding(self, sale: Sale, booked: Booked) -> Binding:
        return Binding(self._context.pair_id, SALE, sale.id, booked.document, booked.as_text(), sale.number)

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
            answers=hand.answers,
        )


def _answers(sale: Sale, plan: Plan, rules: BookingRules) -> tuple[tuple[str, str], ...]:
    """Return the answers that the writes of a plan rest on."""
    papers = [step for step in plan.steps if isinstance(step, Paper)]
    if not papers and not any(isinstance(step, Pay) for step in plan.steps):
        return ()
    rounded = any(
        one.rounding_article is not None and any(row.article_id == one.rounding_article.id for row in one.draft.rows) for one in papers
    )
    return answers_used(sale, rules, rounded=rounded)
