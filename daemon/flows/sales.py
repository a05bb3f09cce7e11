"""Receipts of the till become documents in the books: gather, decide, carry out, settle.

What is to be done is decided in :mod:`daemon.core.receipts`; here it is read for, and done.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.model import ZERO, Sale
from connectors.port import NAMELESS, ConnectorError, Locked, Transient, Unreadable
from daemon.core.booked import unknown_draft
from daemon.core.booking import Hold, Skip
from daemon.core.brake import Affected, Alarm, sales_alarm
from daemon.core.corrections import with_way_out
from daemon.core.flow_registry import SALES
from daemon.core.outcomes import CLAIMABLE_STATES, Outcome, Reason
from daemon.core.receipts import decide_sale, locked_hold
from daemon.core.sale_plan import FIRST_OPEN_DAY, LOCKED_QUESTION, Credit, Plan, SaleFacts
from daemon.engine.braking import brake, spent
from daemon.engine.connection_health import tracing
from daemon.engine.last_line import each_alone
from daemon.engine.polling import Polled, is_ahead, is_unreadable, poll, still_ahead, sweep, why_unreadable
from daemon.engine.worker import drain
from daemon.flows.answering import offer
from daemon.flows.carry_out import Steps
from daemon.flows.catalogue import Catalogue
from daemon.flows.debtors import Debtors
from daemon.flows.document_lookup import DocumentLookup
from daemon.flows.receipt_facts import SALE, ReceiptFacts
from daemon.flows.serialization import dump_sale, load_sale
from daemon.flows.targets.invoice import Invoices
from daemon.state.port import NewWork, Question, Settlement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connectors.model import MoneyAccount
    from connectors.port import Change
    from daemon.core.booking import BookingRules
    from daemon.engine.context import Context
    from daemon.state.port import Work

#: how far each poll reads back behind the newest receipt: tills upload late
OVERLAP = timedelta(minutes=10)
#: how far the occasional sweep reads back, for receipts completed or changed long after they were opened
SWEEP_BACK = timedelta(days=3)
#: and how often, in seconds
SWEEP_EVERY = 900.0
#: so often is a receipt looked at again within one turn when what was found in the books is not what was decided on
_TURNS = 3


class Sales:
    """The flow of the receipts."""

    name = SALES.name

    def __init__(self, context: Context, rules: Callable[[Mapping[str, str]], BookingRules]) -> None:
        self._context = context
        self._make_rules = rules
        self._rules: BookingRules | None = None
        self._lookup = DocumentLookup(context.books)
        self._invoices = Invoices(context, self._lookup)
        self._facts = ReceiptFacts(
            context, Catalogue(context.books, context.clock, bound=self._articles_of_products), self._lookup, self._invoices
        )
        self._steps = Steps(context, Debtors(context, self._facts), self._invoices)
        self._accounts: Sequence[MoneyAccount] = ()
        self._polled = False
        self._swept_at: float | None = None
        #: the receipts of the chunk in hand, and what was gathered for them, by receipt
        self._whole: dict[str, Sale | None] = {}
        self._gathered: dict[str, SaleFacts] = {}
        #: what the brake asks before far more documents than usual are taken back
        self._stopped: Question | None = None

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Read and store what is sold, whether the books answer or not; then book it, when ``ready`` says that they do."""
        await self.poll()
        now = self._context.clock.monotonic()
        if self._swept_at is None or now - self._swept_at >= SWEEP_EVERY:
            if self._swept_at is not None:
                await self.sweep()
            self._swept_at = now
        await ready()
        await self.drain()

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
            self._context.metrics.newest_at_source(self.name, polled.newest, link=self._context.pair_id)
        return polled

    async def sweep(self) -> int:
        """Store what became visible or changed behind the cursor."""
        return await sweep(self._context, self.name, self._context.till, self.describe, back=SWEEP_BACK)

    async def drain(self) -> None:
        """Settle what is due."""
        await self.refresh()
        self._whole.clear()
        self._gathered.clear()
        context = self._context
        self._stopped = await brake(context, self.name, await self._alarm(), counted=False)
        await drain(context, self)
        if self._stopped is None and await context.store.next_due(context.pair_id, self.name) is None:
            await spent(context, self.name)
        await offer(self._context)

    async def _alarm(self) -> Alarm | None:
        """Decide every change of a booked receipt that is in hand before the first write: far more of them than usual are asked about."""
        context = self._context
        works = [work for work in await context.store.open_work(context.pair_id, self.name) if work.state in CLAIMABLE_STATES]
        bound = await context.store.bindings(context.pair_id, SALE, [work.record for work in works]) if works else {}
        if len(bound) <= context.brake.minimum:
            return None
        whole, taken_back = await self._given([work for work in works if work.record in bound]), []
        decisions, _ = await each_alone(self._decided, whole)  # one that fails is held when its turn comes
        for record, decision in decisions.items():
            credits_ = [step for step in decision.steps if isinstance(step, Credit)] if isinstance(decision, Plan) else []
            taken_back += [Affected(record, bound[record].label, after=str(step.draft.gross)) for step in credits_]
        return sales_alarm(taken_back, len(works), context.brake)

    async def _decided(self, whole: Mapping[str, Sale | None]) -> dict[str, Plan | Skip | Hold]:
        gathered = await self._facts.for_sales(whole, self.rules, self._accounts)
        return {record: self.decide(facts) for record, facts in gathered.items()}

    async def _given(self, works: Sequence[Work]) -> dict[str, Sale | None]:
        """Return the receipts that the till gives; each of the others fails when its own turn comes, and alone."""
        whole: dict[str, Sale | None] = {}
        for work in works:
            with suppress(ConnectorError), tracing(work.identity):
                whole |= (await each_alone(self._whole_of, {work.record: work}))[0]
        return whole

    async def _whole_of(self, works: Mapping[str, Work | NewWork]) -> dict[str, Sale | None]:
        return {record: await self.read(work) for record, work in works.items()}

    async def refresh(self) -> None:
        """Take in the answers given since, and the accounts of the books."""
        self._rules = self._make_rules(await self._context.store.answers(self._context.pair_id))
        self._accounts = await self._context.books.money_accounts()
        if self._rules.decided.get(LOCKED_QUESTION) == FIRST_OPEN_DAY:
            self._rules = replace(self._rules, open_from=await self._context.books.first_open_day())

    @property
    def rules(self) -> BookingRules:
        """The rules as they are with the answers given so far."""
        assert self._rules is not None  # noqa: S101 - refresh() comes first; this tells the type checker
        return self._rules

    # -- gather and decide --------------------------------------------------------------------------------------------------------
    async def gather(self, works: Mapping[str, Work | NewWork]) -> dict[str, SaleFacts]:
        """Read all that the decisions on these receipts need; each is fetched whole."""
        return await self._facts.for_sales(await self._whole_of(works), self.rules, self._accounts)

    async def read(self, work: Work | NewWork) -> Sale | None:
        """Return a receipt whole, as the till has it now, ``None`` when the till has it no more.

        Raises:
            Unreadable: the till lists it, and nothing can be made of it.
        """
        sale = None if work.record.startswith(NAMELESS) else await self._facts.whole(header(work))
        if sale is None and is_unreadable(work):
            why = await why_unreadable(self._context, self._context.till, work)
            if why is not None:
                raise Unreadable(why)
        return sale

    def decide(self, facts: SaleFacts) -> Plan | Skip | Hold:
        """Decide what becomes of a receipt: pure, so that ``plan`` says what ``sync`` does."""
        return decide_sale(facts, self.rules, self._context.mappings.customers)

    async def _articles_of_products(self) -> dict[str, str]:
        """Return which article each product of the till is bound to."""
        bindings = await self._context.store.bindings(self._context.pair_id, "product")
        return {binding.target: article for article, binding in bindings.items()}

    async def fetch(self, work: Work) -> None:
        """Read the receipt itself, whole."""
        sale = self._whole[work.record] = await self.read(work)
        if sale is None and is_unreadable(work):
            # it may be readable by now, under its own name, and behind all that is read again by itself
            newest = (await self._context.store.position(self._context.pair_id, self.name)).moment or work.moment
            await sweep(self._context, self.name, self._context.till, self.describe, back=max(newest - work.moment, SWEEP_BACK))

    async def prepare(self, works: Sequence[Work]) -> None:
        """Gather for a whole chunk what single look-ups would cost a request each."""
        whole = {work.record: self._whole[work.record] for work in works}
        self._gathered.update(await self._facts.for_sales(whole, self.rules, self._accounts))

    def looked_at(self, work: Work) -> Work:
        """Return work under the version of the receipt as it was fetched; what is dated ahead keeps what says so."""
        sale = self._whole.get(work.record)
        return work if sale is None or not sale.version or is_ahead(work) else replace(work, version=sale.version)

    def payload(self, work: Work) -> bytes | None:
        """Return the whole receipt once it was fetched."""
        self._gathered.pop(work.record, None)
        sale = self._whole.pop(work.record, None)
        return None if sale is None else dump_sale(sale)

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one receipt."""
        for _ in range(_TURNS):
            ended = await self._turn(work, self._gathered[work.record])
            if ended is not None:
                return ended
            # an earlier attempt had booked something else than the till says now: that is remembered, and decided upon like any change
            await self.fetch(work)
            await self.prepare([work])
        raise Transient("the receipt changes while it is being booked")

    async def _turn(self, work: Work, facts: SaleFacts) -> Settlement | Hold | None:
        if is_ahead(work) and facts.sale is not None and facts.booked is None:
            hold = still_ahead(self._context, self.name, facts.sale.sold_at)
            if hold is not None:
                return hold
        if facts.learnt and facts.sale is not None and facts.booked is not None:
            await self._steps.remember(facts.sale, facts.booked)
        decision = self.decide(facts)
        match decision:
            case Skip():
                return Settlement(Outcome.SKIPPED, decision.reason, decision.detail)
            case Hold():
                if self._context.store.restored and facts.sale is not None and facts.booked is None and facts.proposal:
                    # the time after a restoration may be over when it goes on, and then nobody looks for drafts
                    await self._steps.remember(facts.sale, unknown_draft(facts.sale, facts.proposal))
                return decision
            case Plan():
                if self._stopped is not None and any(isinstance(step, Credit) for step in decision.steps):
                    asked = self._stopped
                    return Hold(Reason.MASS_CHANGE, "", question=asked.key, question_text=asked.text, choices=asked.choices)
                try:
                    ended = await self._steps.carry_out(work, facts, decision, self.rules)
                except Locked:
                    # one question for all; once a person has said that it is to be waited for, it is
                    if facts.sale is None or LOCKED_QUESTION in self.rules.decided:
                        raise
                    return locked_hold(facts.sale, self.rules)
                return with_way_out(ended, facts, decision.differs) if isinstance(ended, Hold) else ended


def header(work: Work | NewWork) -> Sale:
    """Return as much of a receipt as it takes to ask for it: as a listing had it, or its id alone for one that was fetched before."""
    if work.payload and not is_ahead(work):
        listed = load_sale(work.payload)
        if not listed.lines:
            return listed
    return Sale(work.record, work.label, work.moment, ZERO, "", ())
