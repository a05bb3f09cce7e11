"""What stock the till should show: what the books have free, less the sales that are still on their way to them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.model import LineKind, Product, Sale, StockLevel
from daemon.core.life import Reason
from daemon.core.money import ZERO
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SetStock:
    """One product whose stock is to change.  ``before`` ``None``: the till did not count it."""

    product: Product
    before: Decimal | None
    after: Decimal


@dataclass(frozen=True, slots=True)
class StockPlan:
    """What a run of the stock flow would do."""

    changes: tuple[SetStock, ...]
    unchanged: int
    skipped: Mapping[Reason, int]
    #: the ids of all articles that the books list
    listed: tuple[str, ...] = ()
    #: what the books show now, by article id
    shown: Mapping[str, str] = field(default_factory=dict)


def on_their_way(sales: Iterable[Sale]) -> dict[str, Decimal]:
    """Return, by SKU, how much was sold (net of what came back) by receipts that the books have not booked yet."""
    moving: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for sale in sales:
        for line in sale.lines:
            if line.kind is LineKind.PRODUCT and line.sku:
                moving[sku_key(line.sku)] += line.quantity
    return dict(moving)


def wanted_stock(level: StockLevel, moving: Mapping[str, Decimal]) -> Decimal | Reason:
    """Return what the till should show, or why it is not to be touched: not counted and no number are not zero."""
    if not level.tracked:
        return Reason.NOT_TRACKED
    if level.available is None:
        return Reason.NO_QUANTITY
    return level.available - moving.get(sku_key(level.sku), ZERO)


def _carried(level: StockLevel, carried_over: Mapping[str, str] | None) -> bool:
    return carried_over is not None and carried_over.get(level.product_id) == str(level.available)


def plan_stock(
    levels: Sequence[StockLevel],
    targets: Sequence[Product],
    moving: Mapping[str, Decimal],
    *,
    carried_over: Mapping[str, str] | None = None,
) -> StockPlan:
    """Compare every level with what the till shows.

    In books whose stock moves with their documents every difference counts.  In books whose stock is a plain number that only a person
    changes, ``carried_over`` holds, by article id, the number that was carried over last: while it stands, the till knows better.
    """
    by_sku: dict[str, list[Product]] = defaultdict(list)
    for product in targets:
        by_sku[sku_key(product.sku)].append(product)
    changes: list[SetStock] = []
    skipped: dict[Reason, int] = defaultdict(int)
    unchanged = 0
    for level in levels:
        wanted = wanted_stock(level, moving)
        there = by_sku.get(sku_key(level.sku), []) if level.sku.strip() else []
        if isinstance(wanted, Reason):
            skipped[wanted] += 1
        elif not there:
            skipped[Reason.NOT_AT_TARGET] += 1
        elif len(there) > 1:
            skipped[Reason.SKU_AMBIGUOUS] += 1
        elif there[0].tracked and (there[0].quantity == wanted or _carried(level, carried_over)):
            unchanged += 1
        else:
            changes.append(SetStock(there[0], there[0].quantity if there[0].tracked else None, wanted))
    shown = {level.product_id: str(level.available) for level in levels if level.tracked and level.available is not None}
    return StockPlan(tuple(changes), unchanged, dict(skipped), tuple(level.product_id for level in levels), shown)
