"""What each flow would do, decided by the flow itself and carried out by nobody."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from daemon.core.actions import Action
from daemon.core.booking import Hold, Skip
from daemon.core.describe import describe
from daemon.core.life import Reason
from daemon.core.products import CreateProduct, FieldChange, KeepProduct, UpdateProduct
from daemon.engine.polling import is_ahead, read_pages
from daemon.flows import products as products_flow
from daemon.flows import sales as sales_flow
from daemon.flows.payload import load_product
from daemon.flows.sales import header
from daemon.flows.stock import Wait

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from connectors.model import Product, Sale
    from connectors.port import Change, ChangeSource
    from daemon.core.products import ProductDecision
    from daemon.engine.context import Context
    from daemon.flows.products import Products
    from daemon.flows.sales import Sales
    from daemon.flows.stock import Stock

T = TypeVar("T")
#: so many receipts are looked up in one request
_CHUNK = 20


@dataclass(frozen=True, slots=True)
class _Unread(Generic[T]):
    """What a flow has not read yet: records, and those dated in the future, which would be held."""

    records: list[T]
    ahead: list[Change[T]]


async def _unread(context: Context, flow: str, source: ChangeSource[T], overlap: timedelta) -> _Unread[T]:
    """Read from the stored position to the end without storing anything."""
    unread: _Unread[T] = _Unread([], [])
    position = await context.store.position(context.scope, flow)
    async with aclosing(read_pages(source, position, overlap=overlap, now=context.now)) as readings:
        async for reading in readings:
            unread.records.extend(change.record for change in reading.fresh)
            unread.ahead.extend(reading.ahead)
    return unread


def _ahead(flow: str, record: str, label: str, dated: datetime) -> Action:
    return Action(flow, "hold", record, label, (), Reason.DATED_AHEAD, f"dated {dated.isoformat(timespec='minutes')}")


async def plan_sales(flow: Sales, context: Context) -> tuple[list[Action], list[Sale]]:
    """Return what would become of every receipt that is not settled, and those receipts with their lines."""
    await flow.refresh()
    works = await context.store.open_work(context.scope, flow.name)
    unread = await _unread(context, flow.name, context.till, sales_flow.OVERLAP)
    sales = {work.record: header(work) for work in works if not is_ahead(work)}
    sales |= {sale.id: sale for sale in unread.records}
    odd = {work.record: _ahead("sales", work.record, work.label, work.moment) for work in works if is_ahead(work)}
    odd |= {change.id: _ahead("sales", change.id, change.record.number, change.moment) for change in unread.ahead}
    actions: list[Action] = [action for record, action in odd.items() if record not in sales]
    whole: list[Sale] = []
    records = list(sales)
    for start in range(0, len(records), _CHUNK):
        for record, facts in (await flow.gather({one: sales[one] for one in records[start : start + _CHUNK]})).items():
            actions += describe(record, sales[record].number, flow.decide(facts))
            if facts.sale is not None and facts.booked is None:
                whole.append(facts.sale)
    return actions, whole


async def plan_products(flow: Products, context: Context) -> list[Action]:
    """Return what would become of every article that changed and is not settled."""
    works = await context.store.open_work(context.scope, flow.name)
    stored = [load_product(work.payload) for work in works if work.payload]
    unread = await _unread(context, flow.name, context.books, products_flow.OVERLAP)
    articles = {product.id: product for product in [*stored, *unread.records]}
    odd = {work.record: _ahead("products", work.record, work.label, work.moment) for work in works if is_ahead(work)}
    odd |= {change.id: _ahead("products", change.id, change.record.sku, change.moment) for change in unread.ahead}
    actions = [action for record, action in odd.items() if record not in articles]
    if not articles:
        return actions
    await flow.look_up([product.sku for product in articles.values()])
    bindings = await context.store.bindings(context.scope, "product", list(articles))
    for product in articles.values():
        decision = await flow.decide(product, bindings.get(product.id))
        if not isinstance(decision, KeepProduct):
            actions.append(_product_action(product, decision))
    return actions


def _product_action(product: Product, decision: ProductDecision) -> Action:
    match decision:
        case CreateProduct(_, changes):
            return Action("products", "create", product.id, product.sku, changes)
        case UpdateProduct(_, _, changes):
            return Action("products", "update", product.id, product.sku, changes)
        case Skip() | Hold():
            verb = "skip" if isinstance(decision, Skip) else "hold"
            return Action("products", verb, product.id, product.sku, (), decision.reason, decision.detail)
        case KeepProduct():
            message = "nothing to do is no action"
            raise ValueError(message)


async def plan_stock(flow: Stock, sales: Sequence[Sale]) -> list[Action]:
    """Return the stock that would be written, the receipts not booked yet counted."""
    plan = await flow.plan(not_stored=sales)
    if isinstance(plan, Wait):
        return []
    return [
        Action(
            "stock",
            "update",
            change.product.id,
            change.product.sku,
            (FieldChange("stock", "" if change.before is None else str(change.before), str(change.after)),),
        )
        for change in plan.changes
    ]
