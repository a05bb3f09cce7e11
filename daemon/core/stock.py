"""What stock the till should show: what the books have free, less the sales that are still on their way to them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from connectors.model import LineKind, Product, StockLevel
from daemon.core.money import ZERO
from daemon.core.outcomes import Reason
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from connectors.model import Sale, SaleLine
    from daemon.core.ids import PairId

#: the kind of binding that remembers a number of the books which a product of the till has taken over
CARRIED = "stock"
#: goods are weighed to the gram; what is beyond that is the noise of a vendor's doubles
_GRAM = Decimal("0.001")


def pieces(quantity: Decimal) -> Decimal:
    """Return a quantity to three decimals, without zeros that say nothing."""
    exact = quantity.quantize(_GRAM, ROUND_HALF_UP)
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize()


@dataclass(frozen=True, slots=True)
class SetStock:
    """One product whose stock is to change.  ``before`` ``None``: the till did not count it."""

    product: Product
    before: Decimal | None
    after: Decimal


@dataclass(frozen=True, slots=True)
class Shown:
    """A number of the books, and the till's product that shows it."""

    product: str
    number: str


@dataclass(frozen=True, slots=True)
class StockPlan:
    """What a run of the stock flow would do."""

    changes: tuple[SetStock, ...]
    unchanged: int
    skipped: Mapping[Reason, int]
    #: the ids of all articles that the books list
    listed: tuple[str, ...] = ()
    #: what the books show now of what the till has, by article id
    shown: Mapping[str, Shown] = field(default_factory=dict)
    #: articles that differ, with the till's product: but it was sold or booked while we looked, so that neither number can be trusted
    doubtful: Mapping[str, str] = field(default_factory=dict)

    def with_second_look(self, again: StockPlan) -> StockPlan:
        """Return this plan with what a closer look at the doubtful articles told."""
        return StockPlan(
            (*self.changes, *again.changes),
            self.unchanged + again.unchanged,
            {reason: self.skipped.get(reason, 0) + again.skipped.get(reason, 0) for reason in {*self.skipped, *again.skipped}},
            self.listed,
            {**self.shown, **again.shown},
            again.doubtful,
        )


@dataclass(frozen=True, slots=True)
class Articles:
    """Which article is meant: by the till's product where that is bound (its number may have changed since), else by the number.

    ``by_product`` knows products by pair and the till's id.
    """

    by_number: Mapping[str, str]
    by_product: Mapping[tuple[PairId, str], str] = field(default_factory=dict)

    def of(self, pair: PairId, line: SaleLine) -> str | None:
        """Return the article of a line, ``None`` where it is about none that is known."""
        if line.kind is not LineKind.PRODUCT:
            return None
        bound = self.by_product.get((pair, line.product_id)) if line.product_id else None
        return bound or (self.by_number.get(sku_key(line.sku)) if line.sku else None)


def on_their_way(sales: Iterable[tuple[PairId, Sale]], articles: Articles) -> dict[str, Decimal]:
    """Return, by article, how much these receipts (each with its pair) sold, net of what came back."""
    moving: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for pair, sale in sales:
        for line in sale.lines:
            if (article := articles.of(pair, line)) is not None:
                moving[article] += line.quantity
    return dict(moving)


def wanted_stock(level: StockLevel, moving: Mapping[str, Decimal]) -> Decimal | Reason:
    """Return what the till should show, or why it is not to be touched: not counted and no number are not zero."""
    if not level.tracked:
        return Reason.NOT_TRACKED
    if level.available is None:
        return Reason.NO_QUANTITY
    return pieces(level.available - moving.get(level.product_id, ZERO))


class Shelves:
    """The till's products, found by what an article is bound to, else by its number."""

    def __init__(self, products: Sequence[Product], bound: Mapping[str, str]) -> None:
        self._by_id = {product.id: product for product in products}
        self._bound = bound
        self._by_sku: dict[str, list[Product]] = defaultdict(list)
        for product in products:
            self._by_sku[sku_key(product.sku)].append(product)

    def of(self, level: StockLevel) -> Product | Reason:
        """Return the product that shows an article's stock, or why there is none."""
        if (bound := self._by_id.get(self._bound.get(level.product_id, ""))) is not None:
            return bound
        there = self._by_sku.get(sku_key(level.sku), []) if level.sku.strip() else []
        if len(there) != 1:
            return Reason.SKU_AMBIGUOUS if there else Reason.NOT_AT_TARGET
        return there[0]


def plan_stock(
    levels: Sequence[StockLevel],
    shelves: Shelves,
    moving: Mapping[str, Decimal],
    *,
    carried_over: Mapping[str, Shown] | None = None,
    doubtful: Collection[str] = (),
) -> StockPlan:
    """Compare every level with what the till shows.

    In books whose stock moves with our documents every difference counts.  Where it does not, ``carried_over`` holds, by article id, the
    number that a product of the till has taken over last: while it stands, the till knows better.
    """
    changes: list[SetStock] = []
    skipped: dict[Reason, int] = defaultdict(int)
    unchanged = 0
    shown: dict[str, Shown] = {}
    again: dict[str, str] = {}
    for level in levels:
        wanted, there = wanted_stock(level, moving), shelves.of(level)
        if isinstance(wanted, Reason) or isinstance(there, Reason):
            skipped[wanted if isinstance(wanted, Reason) else there] += 1  # type: ignore[index]  # one of the two is the reason
            continue
        number = Shown(there.id, str(pieces(level.available or ZERO)))
        before = pieces(there.quantity) if there.tracked and there.quantity is not None else None
        if before is not None and (before == wanted or (carried_over is not None and carried_over.get(level.product_id) == number)):
            unchanged += 1
        elif level.product_id in doubtful:
            again[level.product_id] = there.id
            continue
        else:
            changes.append(SetStock(there, before, wanted))
        shown[level.product_id] = number
    return StockPlan(tuple(changes), unchanged, dict(skipped), tuple(level.product_id for level in levels), shown, again)
