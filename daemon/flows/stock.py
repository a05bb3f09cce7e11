"""The stock of the books is shown in the till: compared whole at every run, so that nothing drifts unseen."""

from __future__ import annotations

from collections import Counter as Counts
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from connectors.model import ProductPatch, StockLevel
from connectors.port import ConnectorError, Missing, Rejected, Transient, Uncertain, Unreadable
from daemon.core.brake import LASTING, stock_alarm
from daemon.core.flow_registry import STOCK
from daemon.core.outcomes import Outcome, Reason
from daemon.core.products import GONE
from daemon.core.sku import sku_key
from daemon.core.stock import CARRIED, Articles, Shelves, Shown, StockPlan, on_their_way, plan_stock
from daemon.engine.braking import brake, judge, spent
from daemon.engine.connection_health import tracing
from daemon.flows.unbooked_sales import OnTheWay
from daemon.state.port import Activity, Binding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from decimal import Decimal

    from connectors.model import Product, Sale
    from daemon.core.brake import Alarm
    from daemon.core.ids import PairId
    from daemon.core.stock import SetStock
    from daemon.engine.braking import Verdict
    from daemon.engine.context import Context
    from daemon.flows.unbooked_sales import Counter, Snapshot


#: how often an article that is sold while we look is looked at again in one run, how many of them at once, and how often in all
CLOSER_LOOKS, LOOKED_AT_AGAIN, LOOKS_IN_A_RUN = 3, 20, 15


#: what a vendor may answer for one product alone, while it is well
_MAY_BE_OWN = (Transient, Uncertain, Unreadable)


@dataclass(frozen=True, slots=True)
class Wait:
    """The run does nothing for now, and why."""

    detail: str


@dataclass(frozen=True, slots=True)
class StockRun:
    """All that a run would do, and what the brake would stop it for."""

    plan: StockPlan
    alarm: Alarm | None


class Stock:
    """The flow of the stock.

    ``counters`` are where the receipts of every till of the company come from, by the names of their pairs; ``books_sales`` says whether
    we book them.
    """

    name = STOCK.name

    def __init__(self, context: Context, counters: Mapping[PairId, Counter], *, books_sales: bool = True) -> None:
        self._context = context
        self._counters = counters
        self._books_sales = books_sales
        self._on_the_way = OnTheWay(context, counters, books_sales=books_sales)
        #: what was remembered last: mostly nothing has changed since
        self._shown: Mapping[str, Shown] = {}
        #: products whose stock the till did not take when it was last tried, and what it said
        self._refused: dict[str, str] = {}

    @property
    def _moves(self) -> bool:
        """Whether the books' stock follows the receipts by itself; otherwise it is a number that somebody writes down now and then."""
        company = self._context.company
        return self._books_sales and (company is None or company.stock_module)

    async def plan(self, *, not_stored: Sequence[Sale] | None = None) -> StockPlan | Wait:
        """Compare books and till, what is sold and not booked yet by any till of the company counted.

        The receipts are looked at before and after both sides: what was sold or booked in between is looked at again, more closely.
        With ``not_stored`` the caller has read the receipts of this till, and nothing is stored and nothing looked at twice.
        """
        context = self._context
        look_from = context.now() - timedelta(seconds=context.policy.index_lag)
        asking = self._books_sales and not_stored is None
        before = await self._on_the_way.look(look_from)
        if before.unknown and self._moves:
            return _wait(before)
        levels = await context.books.stock_levels()
        targets = await context.till.all_products()
        after = await self._on_the_way.look(look_from, poll=True) if asking else before
        if after.unknown and self._moves:
            return _wait(after)
        articles, bound = await self._articles(levels)
        plan = plan_stock(
            levels,
            Shelves(targets, bound),
            self._counted(self._sold(after, not_stored), articles),
            carried_over=await self._carried_over(),
            doubtful=self._doubtful(levels, articles, before, after) if asking else (),
        )
        return await self._look_again(plan, articles, after)

    def _sold(self, looked: Snapshot, not_stored: Sequence[Sale] | None) -> list[tuple[PairId, Sale]]:
        """Return the receipts that the books do not have: those looked at, or for this till those that the caller has read."""
        sales, pair = looked.on_their_way(), self._context.pair_id
        if not_stored is None or not self._books_sales:
            return sales
        own = [(pair, sale) for sale in not_stored if looked.may_move(pair, sale.id)]
        return [one for one in sales if one[0] != pair] + own

    def _counted(self, sales: Sequence[tuple[PairId, Sale]], articles: Articles) -> Mapping[str, Decimal]:
        """Return what is missing from the tills' shelves and not from the books' number.

        Without the stock module no document moves that number: then nothing is.
        """
        company = self._context.company
        return on_their_way(sales, articles) if company is None or company.stock_module else {}

    async def _articles(self, levels: Sequence[StockLevel]) -> tuple[Articles, Mapping[str, str]]:
        """Return which article a line is about, and which product of this till shows an article."""
        context = self._context
        bindings = {pair: await context.store.bindings(pair, "product") for pair in self._counters}
        by_product = {(pair, one.target): one.source for pair, of in bindings.items() for one in of.values()}
        bound = {article: one.target for article, one in bindings[context.pair_id].items()}
        return Articles({sku_key(level.sku): level.product_id for level in levels if level.sku.strip()}, by_product), bound

    @staticmethod
    def _doubtful(levels: Sequence[StockLevel], articles: Articles, before: Snapshot, after: Snapshot) -> Collection[str]:
        """Return the articles of which the two listings may show what does not belong together."""
        if after.rushed:
            return {level.product_id for level in levels}
        return on_their_way(after.moved(before, shown_late=True), articles).keys()

    async def _look_again(self, plan: StockPlan, articles: Articles, before: Snapshot) -> StockPlan:
        """Ask for the doubtful articles by their ids until nothing happens to them meanwhile; what never rests has its turn later."""
        context = self._context
        looked_at: Counts[str] = Counts()
        for _ in range(LOOKS_IN_A_RUN):
            waiting = [article for article in plan.doubtful if looked_at[article] < CLOSER_LOOKS]
            if not waiting:
                break
            pairs = {article: plan.doubtful[article] for article in waiting[:LOOKED_AT_AGAIN]}
            looked_at.update(pairs.keys())
            asked_at = context.now()
            levels, targets = await self._by_id(pairs)
            after = await self._on_the_way.look(asked_at, poll=True)
            again = plan_stock(
                levels,
                Shelves(targets, pairs),
                self._counted(after.on_their_way(), articles),
                carried_over=await self._carried_over(),
                doubtful=pairs if after.unknown or after.rushed else on_their_way(after.moved(before, shown_late=False), articles).keys(),
            )
            before = after
            left = {article: product for article, product in plan.doubtful.items() if article not in pairs}
            plan = plan.with_second_look(replace(again, doubtful={**again.doubtful, **left}))
        return plan

    async def _by_id(self, pairs: Mapping[str, str]) -> tuple[list[StockLevel], list[Product]]:
        """Return articles and products as they are at this moment; one that is gone is left out."""
        context = self._context
        levels: list[StockLevel] = []
        targets: list[Product] = []
        errors: list[ConnectorError] = []

        async def ask(article: str, product: str) -> None:
            try:
                source, target = await context.books.get_product(article), await context.till.get_product(product)
            except (Missing, Unreadable):
                return
            except ConnectorError as error:
                errors.append(error)
                return
            levels.append(StockLevel(article, source.sku, source.tracked, available=source.quantity))
            targets.append(target)

        async with anyio.create_task_group() as group:
            for article, product in pairs.items():
                group.start_soon(ask, article, product)
        if errors:
            raise errors[0]
        return levels, targets

    async def _carried_over(self) -> dict[str, Shown] | None:
        """Return which number each product of the till took over last, ``None`` where every difference counts."""
        return None if self._moves else await self._remembered()

    async def _remembered(self) -> dict[str, Shown]:
        bindings = await self._context.store.bindings(self._context.pair_id, CARRIED)
        return {article: Shown(one.target, one.fingerprint) for article, one in bindings.items()}

    async def _remember(self, plan: StockPlan) -> None:
        """Remember which numbers the till has taken over: whoever switches the sales off needs to know where they stood."""
        taken = {article: shown for article, shown in plan.shown.items() if shown.product not in self._refused}
        if taken == self._shown:
            return
        before = await self._remembered()
        changed = {article: shown for article, shown in taken.items() if before.get(article) != shown}
        pair = self._context.pair_id
        await self._context.store.bind([Binding(pair, CARRIED, article, one.product, one.number) for article, one in changed.items()])
        self._shown = taken

    async def decide_all(self, *, not_stored: Sequence[Sale] | None = None) -> StockRun | Wait:
        """Decide what a run would do, or why it waits; reads only, but for receipts that are stored as they are met."""
        context = self._context
        plan = await self.plan(not_stored=not_stored)
        if isinstance(plan, Wait):
            return plan
        bindings = await context.store.bindings(context.pair_id, "product")
        known = {article: binding.label for article, binding in bindings.items() if binding.fingerprint != GONE}
        return StockRun(plan, stock_alarm(plan, known, context.brake))

    async def verdict(self, run: StockRun) -> Verdict:
        """Tell whether a run may go on; reads only."""
        return await judge(self._context, self.name, run.alarm)

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Write what differs; raises the errors of the port once the others are written."""
        await ready()
        context = self._context
        run = await self.decide_all()
        if isinstance(run, Wait):
            context.log.info("stock waits", detail=run.detail)
            return
        plan = run.plan
        for reason, count in plan.skipped.items():
            context.outcome(self.name, Outcome.SKIPPED, reason, count)
        context.outcome(self.name, Outcome.UNCHANGED, count=plan.unchanged)
        context.metrics.stock_drift(len(plan.changes), link=context.pair_id)
        if await brake(context, self.name, run.alarm) is not None:
            return
        await self._write_all(plan)
        if not (context.stopping.is_set() or context.paused):
            await self._remember(plan)
            await spent(context, self.name, lasting=LASTING)

    async def _write_all(self, plan: StockPlan) -> None:
        """Write what differs; raises what a vendor that is away said, once the others are written."""
        context = self._context
        differing = {change.product.id for change in plan.changes}
        self._refused = {product: said for product, said in self._refused.items() if product in differing}
        away: list[ConnectorError] = []
        limiter = anyio.CapacityLimiter(context.workers)

        async def write(change: SetStock) -> None:
            async with limiter:
                if context.stopping.is_set() or context.paused:
                    return
                with tracing(f"{context.pair_id} {self.name} {change.product.id}") as trace:
                    try:
                        await self._write(change)
                    except ConnectorError as error:
                        if isinstance(error, Rejected) or (isinstance(error, _MAY_BE_OWN) and trace.own()):
                            await self._refused_by_till(change, error)
                        else:
                            away.append(error)

        async with anyio.create_task_group() as group:
            for change in plan.changes:
                group.start_soon(write, change)
        if away:
            raise away[0]

    async def _write(self, change: SetStock) -> None:
        context = self._context
        try:
            await context.till.update_product(change.product.id, ProductPatch(tracked=True, quantity=change.after))
        except Missing:
            context.outcome(self.name, Outcome.SKIPPED, Reason.NOT_AT_TARGET)
            return
        self._refused.pop(change.product.id, None)
        context.outcome(self.name, Outcome.UPDATED)
        before = "not counted" if change.before is None else str(change.before)
        await context.store.note([self._activity(change, Outcome.UPDATED, f"{before} -> {change.after}")])

    async def _refused_by_till(self, change: SetStock, error: ConnectorError) -> None:
        """One product whose stock the till does not take stops only itself; it is tried at every run, and told when what is said is new."""
        context, said = self._context, str(error)
        context.outcome(self.name, Outcome.REJECTED, Reason.REJECTED)
        if self._refused.get(change.product.id) != said:
            self._refused[change.product.id] = said
            context.log.warning("stock refused", flow=self.name, label=change.product.sku, detail=said)
            await context.store.note([self._activity(change, Outcome.REJECTED, said)])

    def _activity(self, change: SetStock, outcome: Outcome, detail: str) -> Activity:
        context, product = self._context, change.product
        return Activity(
            at=context.now(),
            owner=context.pair_id,
            flow=self.name,
            record=product.id,
            label=product.sku,
            event="stock",
            outcome=outcome,
            detail=detail,
            remote_id=product.id,
        )


def _wait(looked: Snapshot) -> Wait:
    return Wait(f"{looked.unknown} receipt(s) are in hand whose lines are not known yet")
