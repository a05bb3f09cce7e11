"""What each flow would do, decided by the flow itself and carried out by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from connectors.port import Position, Unreadable
from daemon.core.actions import Action
from daemon.core.booking import Hold, Skip, reference
from daemon.core.cursor import advance, begin, made_progress
from daemon.core.life import Reason
from daemon.core.products import CreateProduct, FieldChange, KeepProduct, UpdateProduct
from daemon.flows import products as products_flow
from daemon.flows import sales as sales_flow
from daemon.flows.payload import load_product, load_sale
from daemon.flows.sales import Booking, Found
from daemon.flows.stock import Wait

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from connectors.model import Document, Product, Sale
    from connectors.port import ChangeSource
    from daemon.core.cursor import Pass
    from daemon.core.products import ProductDecision
    from daemon.engine.context import Context
    from daemon.flows.products import Products
    from daemon.flows.sales import SaleDecision, Sales
    from daemon.flows.stock import Stock

T = TypeVar("T")
#: so many receipts are looked up in one request
_CHUNK = 20


async def _unread(context: Context, flow: str, source: ChangeSource[T], overlap: timedelta, *, anew: bool = False) -> list[T]:
    """Read from the stored position to the end without storing anything; ``anew`` forgets what was seen there."""
    position = await context.store.position(context.scope, flow)
    current: Pass[T] = begin(Position(position.moment) if anew else position, overlap)
    fresh: list[T] = []
    while True:
        page = await source.read_changes(current.since, after=current.last)
        if page.more and not made_progress(current, page):
            message = "the source gives the same page again"
            raise Unreadable(message)
        changes, _, current = advance(current, page)
        fresh += [change.record for change in changes]
        if not page.more:
            return fresh


async def plan_sales(flow: Sales, context: Context) -> tuple[list[Action], list[Sale]]:
    """Return what would become of every receipt that is not settled, and those receipts with their lines."""
    await flow.refresh()
    stored = [load_sale(work.payload) for work in await context.store.open_work(context.scope, flow.name) if work.payload]
    unread = await _unread(context, flow.name, context.till, sales_flow.OVERLAP)
    sales = {sale.id: sale for sale in [*stored, *unread]}
    bound = await context.store.bindings(context.scope, "sale", list(sales))
    pending = [sale for sale in sales.values() if sale.id not in bound]
    actions: list[Action] = []
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
    """Return what would become of every article that changed and is not settled."""
    stored = [load_product(work.payload) for work in await context.store.open_work(context.scope, flow.name) if work.payload]
    anew = await flow.mapping_changed()
    overlap = products_flow.EVERYTHING if anew else products_flow.OVERLAP
    unread = await _unread(context, flow.name, context.books, overlap, anew=anew)
    articles = {product.id: product for product in [*stored, *unread]}
    if not articles:
        return []
    await flow.look_up([product.sku for product in articles.values()])
    bindings = await context.store.bindings(context.scope, "product", list(articles))
    actions = []
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
