"""What each flow would do, decided by the flow itself and carried out by nobody."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from connectors.port import Position
from daemon.core.actions import Action
from daemon.core.booking import Hold, Skip, reference
from daemon.core.life import Reason
from daemon.core.products import CreateProduct, FieldChange, KeepProduct, UpdateProduct
from daemon.engine.polling import UNREADABLE_VERSION, is_ahead, read_pages
from daemon.flows import products as products_flow
from daemon.flows import sales as sales_flow
from daemon.flows.payload import load_sale
from daemon.flows.sales import Booking, Found
from daemon.flows.stock import Wait
from daemon.state.port import NewWork, Work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from connectors.model import Document, Sale
    from connectors.port import Change, ChangeSource
    from daemon.engine.braking import Verdict
    from daemon.engine.context import Context
    from daemon.flows.products import Decided, Products
    from daemon.flows.sales import SaleDecision, Sales
    from daemon.flows.stock import Stock

T = TypeVar("T")
#: so many receipts are looked up in one request
_CHUNK = 20


@dataclass(frozen=True, slots=True)
class _Unread(Generic[T]):
    """What a flow has not read yet: what is new, what is dated in the future, which would be held, and what could not be read."""

    changes: list[Change[T]]
    ahead: list[Change[T]]
    bad: list[tuple[str, datetime | None, str]]


async def _unread(context: Context, flow: str, source: ChangeSource[T], overlap: timedelta, *, anew: bool = False) -> _Unread[T]:
    """Read from the stored position to the end without storing anything; ``anew`` forgets what was seen there."""
    unread: _Unread[T] = _Unread([], [], [])
    position = await context.store.position(context.scope, flow)
    start = Position(position.moment) if anew else position
    async with aclosing(read_pages(source, start, overlap=overlap, now=context.now)) as readings:
        async for reading in readings:
            unread.changes.extend(reading.fresh)
            unread.ahead.extend(reading.ahead)
            unread.bad.extend(reading.bad)
    return unread


def _ahead(flow: str, record: str, label: str, dated: datetime) -> Action:
    return Action(flow, "hold", record, label, (), Reason.DATED_AHEAD, f"dated {dated.isoformat(timespec='minutes')}")


async def plan_sales(flow: Sales, context: Context) -> tuple[list[Action], list[Sale]]:
    """Return what would become of every receipt that is not settled, and those receipts with their lines."""
    await flow.refresh()
    works = await context.store.open_work(context.scope, flow.name)
    stored = [load_sale(work.payload) for work in works if work.payload and not is_ahead(work)]
    unread = await _unread(context, flow.name, context.till, sales_flow.OVERLAP)
    sales = {sale.id: sale for sale in [*stored, *(change.record for change in unread.changes)]}
    bound = await context.store.bindings(context.scope, "sale", list(sales))
    pending = [sale for sale in sales.values() if sale.id not in bound]
    odd = {work.record: _ahead("sales", work.record, work.label, work.moment) for work in works if is_ahead(work)}
    odd |= {change.id: _ahead("sales", change.id, change.record.number, change.moment) for change in unread.ahead}
    actions: list[Action] = [action for record, action in odd.items() if record not in sales]
    whole: list[Sale] = []
    for start in range(0, len(pending), _CHUNK):
        chunk = [await flow.whole(sale) for sale in pending[start : start + _CHUNK]]
        whole += chunk
        found = await flow.documents_for(chunk)
        for sale in chunk:
            decision = await flow.decide(sale, found.get(reference(sale, flow.rules), ()))
            actions += _sale_actions(sale, decision)
    return actions, whole


def _sale_actions(sale: Sale, decision: SaleDecision) -> list[Action]:
    match decision:
        case Skip():
            return [Action("sales", "skip", sale.id, sale.number, (), decision.reason, decision.detail)]
        case Hold():
            return [Action("sales", "hold", sale.id, sale.number, (), decision.reason, decision.detail)]
        case Found(document):
            return [_found(sale, document)]
        case Booking():
            draft = decision.draft
            changes = [
                FieldChange("kind", "", draft.kind),
                FieldChange("reference", "", draft.key),
                FieldChange("date", "", draft.date.isoformat()),
                FieldChange("rows", "", str(len(draft.rows))),
                FieldChange("gross", "", str(draft.gross)),
            ]
            changes += [FieldChange(f"payment {p.account.name}", "", str(p.amount)) for p in decision.payments]
            actions = [Action("sales", "create", sale.id, sale.number, tuple(changes))]
            if decision.debtor.verb != "keep":
                fields = tuple(FieldChange(name, "", "(personal)") for name in decision.debtor.fields)
                actions.insert(0, Action("customers", decision.debtor.verb, sale.id, sale.number, fields))
            return actions


def _found(sale: Sale, document: Document) -> Action:
    return Action("sales", "skip", sale.id, sale.number, (), Reason.EXISTS, f"{document.kind} {document.number}")


async def plan_products(flow: Products, context: Context) -> list[Action]:
    """Return what would become of every article that changed and is not settled, and whether the brake would stop it all."""
    known = await context.store.open_work(context.scope, flow.name)
    works: dict[str, Work | NewWork] = {work.record: work for work in known if not is_ahead(work)}
    anew = await flow.mapping_changed()
    overlap = products_flow.EVERYTHING if anew else products_flow.OVERLAP
    unread = await _unread(context, flow.name, context.books, overlap, anew=anew)
    works.update({one.record: one for one in [*map(flow.describe, unread.changes), *(_unreadable(context, *one) for one in unread.bad)]})
    odd = {work.record: _ahead("products", work.record, work.label, work.moment) for work in known if is_ahead(work)}
    odd |= {change.id: _ahead("products", change.id, change.record.sku, change.moment) for change in unread.ahead}
    waiting = {record for record, work in works.items() if isinstance(work, Work) and not products_flow.in_play(work)}
    run = await flow.decide_all([work for record, work in works.items() if record not in waiting])
    actions = [action for record, action in odd.items() if record not in works]
    actions += [_held(work) for record, work in works.items() if record in waiting and isinstance(work, Work)]
    planned = [_product_action(one) for one in run.decided if not isinstance(one.decision, KeepProduct)]
    return [*actions, *_braked(flow.name, planned, await flow.verdict(run))]


def _unreadable(context: Context, record: str, moment: datetime | None, why: str) -> NewWork:
    return NewWork(record, record, UNREADABLE_VERSION + why, moment or context.now(), b"")


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
            return Action("products", "create", one.record, one.label, changes)
        case UpdateProduct(_, _, changes):
            return Action("products", "update", one.record, one.label, changes)
        case Skip() | Hold():
            verb = "skip" if isinstance(one.decision, Skip) else "hold"
            return Action("products", verb, one.record, one.label, (), one.decision.reason, one.decision.detail)
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
            "stock",
            "update",
            change.product.id,
            change.product.sku,
            (FieldChange("stock", "" if change.before is None else str(change.before), str(change.after)),),
        )
        for change in run.plan.changes
    ]
    return _braked(flow.name, updates, await flow.verdict(run))
