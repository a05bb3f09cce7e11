"""The stock of the books is shown in the till: compared whole at every run, so that nothing drifts unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from connectors.model import ProductDraft
from connectors.port import ConnectorError, Missing
from daemon.core.brake import LASTING, stock_alarm
from daemon.core.life import Outcome, Reason
from daemon.core.stock import StockPlan, on_their_way, plan_stock
from daemon.engine.braking import brake, judge, spent
from daemon.flows.moving import sales_on_their_way
from daemon.state.port import Activity, Binding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connectors.model import Sale
    from daemon.core.brake import Alarm
    from daemon.core.stock import SetStock
    from daemon.engine.braking import Verdict
    from daemon.engine.context import Context


#: the kind of binding that remembers a number of the books which the till has taken over
CARRIED = "stock"


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
    """The flow of the stock."""

    name = "stock"

    def __init__(self, context: Context, poll_sales: Callable[[], Awaitable[object]]) -> None:
        self._context = context
        self._poll_sales = poll_sales

    async def plan(self, *, not_stored: Sequence[Sale] | None = None) -> StockPlan | Wait:
        """Compare books and till, sales on their way counted.

        The sales are read first: what was sold a second ago is then known, and the books' old number does not put it back.  With
        ``not_stored`` the caller has read them, and nothing is stored.
        """
        context = self._context
        if not_stored is None:
            await self._poll_sales()
            known, unknown = await sales_on_their_way(context)
        else:
            known, unknown = list(not_stored), 0
        if unknown:
            return Wait(f"{unknown} receipt(s) are in hand whose lines are not known yet")
        levels = await context.books.stock_levels()
        targets = await context.till.all_products()
        if context.company is None or context.company.stock_module:
            return plan_stock(levels, targets, on_their_way(known))
        # no document moves this stock: neither a receipt on its way nor a sale in the till is missing from it
        return plan_stock(levels, targets, {}, carried_over=await self._carried_over())

    async def _carried_over(self) -> dict[str, str]:
        bindings = await self._context.store.bindings(self._context.scope, CARRIED)
        return {article: binding.fingerprint for article, binding in bindings.items()}

    async def _remember(self, plan: StockPlan) -> None:
        """Remember which numbers the till has taken over, where the books' stock is a plain number."""
        context = self._context
        if context.company is None or context.company.stock_module:
            return
        before = await self._carried_over()
        changed = {article: number for article, number in plan.shown.items() if before.get(article) != number}
        await context.store.bind([Binding(context.scope, CARRIED, article, article, number) for article, number in changed.items()])

    async def decide_all(self, *, not_stored: Sequence[Sale] | None = None) -> StockRun | Wait:
        """Decide what a run would do, or why it waits; reads only, but for receipts that are stored as they are met."""
        context = self._context
        plan = await self.plan(not_stored=not_stored)
        if isinstance(plan, Wait):
            return plan
        known = await context.store.bindings(context.scope, "product")
        return StockRun(plan, stock_alarm(plan, {article: binding.label for article, binding in known.items()}, context.brake))

    async def verdict(self, run: StockRun) -> Verdict:
        """Tell whether a run may go on; reads only."""
        return await judge(self._context, self.name, run.alarm)

    async def run(self) -> None:
        """Write what differs; raises the errors of the port once the others are written."""
        context = self._context
        run = await self.decide_all()
        if isinstance(run, Wait):
            context.log.info("stock waits", detail=run.detail)
            return
        plan = run.plan
        for reason, count in plan.skipped.items():
            context.outcome(self.name, Outcome.SKIPPED, reason, count)
        context.outcome(self.name, Outcome.UNCHANGED, count=plan.unchanged)
        context.metrics.stock_drift(len(plan.changes), link=context.scope)
        if await brake(context, self.name, run.alarm) is not None:
            return
        await self._write_all(plan)
        if not (context.stopping.is_set() or context.paused):
            await self._remember(plan)
            await spent(context, self.name, lasting=LASTING)

    async def _write_all(self, plan: StockPlan) -> None:
        """Write what differs; raises the first error of the port once the others are written."""
        context = self._context
        errors: list[ConnectorError] = []
        limiter = anyio.CapacityLimiter(context.workers)

        async def write(change: SetStock) -> None:
            async with limiter:
                if context.stopping.is_set() or context.paused:
                    return
                try:
                    await context.till.update_product(change.product.id, ProductDraft(tracked=True, quantity=change.after))
                except Missing:
                    context.outcome(self.name, Outcome.SKIPPED, Reason.NOT_AT_TARGET)
                except ConnectorError as error:
                    errors.append(error)
                    context.outcome(self.name, Outcome.REJECTED, Reason.REJECTED)
                else:
                    context.outcome(self.name, Outcome.UPDATED)
                    await context.store.note([self._activity(change)])

        async with anyio.create_task_group() as group:
            for change in plan.changes:
                group.start_soon(write, change)
        if errors:
            raise errors[0]

    def _activity(self, change: SetStock) -> Activity:
        context = self._context
        before = "not counted" if change.before is None else str(change.before)
        product = change.product
        return Activity(
            at=context.now(),
            link=context.scope,
            flow=self.name,
            record=product.id,
            label=product.sku,
            event="stock",
            outcome=Outcome.UPDATED,
            detail=f"{before} -> {change.after}",
            remote_id=product.id,
        )
