"""What each flow would do, decided by the flow itself and carried out by nobody."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from connectors.port import Cursor
from daemon.core.actions import Action
from daemon.core.booking import Hold, Skip
from daemon.core.describe import describe
from daemon.core.flow_registry import PRODUCTS, SALES, STOCK
from daemon.core.message import message
from daemon.core.outcomes import Reason
from daemon.core.products import CreateProduct, FieldChange, KeepProduct, UpdateProduct
from daemon.core.retry import RetryPolicy, after_error
from daemon.engine.last_line import each_alone, fault_of
from daemon.engine.polling import described, is_ahead, is_unreadable, read_pages, unreadable_works
from daemon.flows import products as products_flow
from daemon.flows import sales as sales_flow
from daemon.flows.stock import Wait
from daemon.state.port import NewWork, Work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from connectors.model import Product, Sale
    from connectors.port import Change, ChangeSource
    from daemon.core.sale_plan import Plan, SaleFacts
    from daemon.engine.braking import Verdict
    from daemon.engine.context import Context
    from daemon.flows.products import Decided, Products
    from daemon.flows.sales import Sales
    from daemon.flows.stock import Stock

T = TypeVar("T")
#: so many receipts are looked up in one request
_CHUNK = 20


@dataclass(frozen=True, slots=True)
class _Unread(Generic[T]):
    """What a flow has not read yet: what is new, what is dated in the future and would be held, and what cannot be read."""

    fresh: list[Change[T]] = field(default_factory=list)
    ahead: list[Change[T]] = field(default_factory=list)
    bad: list[NewWork] = field(default_factory=list)


async def _unread(context: Context, source: ChangeSource[T], position: Cursor, overlap: timedelta) -> _Unread[T]:
    """Read from a position to the end without storing anything."""
    unread: _Unread[T] = _Unread()
    async with aclosing(read_pages(source, position, overlap=overlap, now=context.now)) as readings:
        async for reading in readings:
            unread.fresh.extend(reading.fresh)
            unread.ahead.extend(reading.ahead)
            unread.bad.extend(unreadable_works(reading))
    return unread


def _ahead(flow: str, record: str, label: str, dated: datetime) -> Action:
    return Action(flow, "hold", record, label, (), Reason.DATED_AHEAD, message("detail.dated", moment=dated.isoformat(timespec="minutes")))


async def plan_sales(flow: Sales, context: Context) -> tuple[list[Action], list[Sale]]:
    """Return what would become of every receipt that is not settled, and those receipts with their lines."""
    await flow.refresh()
    works = await context.store.open_work(context.pair_id, flow.name)
    unread = await _unread(context, context.till, await context.store.position(context.pair_id, flow.name), sales_flow.OVERLAP)
    found: dict[str, Work | NewWork] = {work.record: work for work in works if not is_ahead(work)}
    found |= {one.record: one for one in (*(described(change, flow.describe) for change in unread.fresh), *unread.bad)}
    odd = {work.record: _ahead(SALES.name, work.record, work.label, work.moment) for work in works if is_ahead(work)}
    odd |= {change.id: _ahead(SALES.name, change.id, change.record.number, change.moment) for change in unread.ahead}
    actions: list[Action] = [action for record, action in odd.items() if record not in found]
    whole: list[Sale] = []
    records = list(found)
    for start in range(0, len(records), _CHUNK):
        decided, failed = await each_alone(partial(_decided, flow), {one: found[one] for one in records[start : start + _CHUNK]})
        actions += [_failed(flow.name, record, found[record].label, error) for record, error in failed.items()]
        for record, (facts, decision) in decided.items():
            actions += describe(record, found[record].label, decision)
            if facts.sale is not None and facts.booked is None:
                whole.append(facts.sale)
    return actions, whole


async def _decided(flow: Sales, works: Mapping[str, Work | NewWork]) -> dict[str, tuple[SaleFacts, Plan | Skip | Hold]]:
    return {record: (facts, flow.decide(facts)) for record, facts in (await flow.gather(works)).items()}


def _failed(flow: str, record: str, label: str, error: Exception) -> Action:
    """Return what becomes of a record for which nothing can be gathered: the same as in a run, in the end."""
    reason = after_error(error, 0, RetryPolicy(), jitter=0.0).reason
    detail = fault_of(error).says if reason is Reason.INTERNAL else str(error)
    return Action(flow, "hold", record, label, (), reason, detail)


async def plan_products(flow: Products, context: Context) -> list[Action]:
    """Return what would become of every article that changed and is not settled, and whether the brake would stop it all."""
    works: dict[str, Work | NewWork] = {work.record: work for work in await context.store.open_work(context.pair_id, flow.name)}
    unread: _Unread[Product] = await _unread(context, context.books, Cursor(), products_flow.OVERLAP)
    fresh = [*await flow.news(unread.fresh), *await _unreadable(flow, context, unread.bad)]
    works.update({one.record: one for one in fresh})
    waiting = {record for record, work in works.items() if isinstance(work, Work) and not products_flow.in_play(work)}
    run = await flow.decide_all([work for record, work in works.items() if record not in waiting])
    ahead = [_ahead(PRODUCTS.name, change.id, change.record.sku, change.moment) for change in unread.ahead if change.id not in works]
    actions = [*ahead, *(_held(work) for record, work in works.items() if record in waiting and isinstance(work, Work))]
    planned = [_product_action(one) for one in run.decided if not isinstance(one.decision, KeepProduct)]
    return [*actions, *_braked(flow.name, planned, await flow.verdict(run))]


async def _unreadable(flow: Products, context: Context, works: Sequence[NewWork]) -> list[NewWork]:
    """Return what cannot be read and is not stored already."""
    stored = {one.record: await context.store.work(context.pair_id, flow.name, one.record) for one in works}
    return [one for one in works if (known := stored[one.record]) is None or not is_unreadable(known)]


def _held(work: Work) -> Action:
    return Action(work.flow, "hold", work.record, work.label, (), work.reason, work.detail)


def _braked(flow: str, actions: Sequence[Action], verdict: Verdict) -> list[Action]:
    """Return what is left of a plan when the brake has looked at it: where it stops, all that would be written waits for the answer."""
    if verdict.question is None:
        return list(actions)
    key = verdict.question.key

    def held(one: Action) -> Action:
        return replace(one, verb="hold", reason=Reason.MASS_CHANGE, detail=key) if one.reason is Reason.NONE else one

    return [Action(flow, "stop", key, key, (), Reason.MASS_CHANGE, verdict.question.text), *map(held, actions)]


def _product_action(one: Decided) -> Action:
    match one.decision:
        case CreateProduct(_, changes):
            return Action(PRODUCTS.name, "create", one.record, one.label, changes)
        case UpdateProduct(_, _, changes):
            return Action(PRODUCTS.name, "update", one.record, one.label, changes)
        case Skip() | Hold():
            verb = "skip" if isinstance(one.decision, Skip) else "hold"
            return Action(PRODUCTS.name, verb, one.record, one.label, (), one.decision.reason, one.decision.detail)
        case KeepProduct():
            message = "nothing to do is no action"
            raise ValueError(message)


async def plan_stock(flow: Stock, sales: Sequence[Sale]) -> list[Action]:
    """Return the stock that would be written, the receipts not booked yet counted, and whether the brake would stop it."""
    run = await flow.decide_all(not_stored=sales)
    if isinstance(run, Wait):
        return []
    updates = [
        Action(
            STOCK.name,
            "update",
            change.product.id,
            change.product.sku,
            (FieldChange("stock", "" if change.before is None else str(change.before), str(change.after)),),
        )
        for change in run.plan.changes
    ]
    return _braked(flow.name, updates, await flow.verdict(run))
