"""What people did to a shop that the bridge is not to undo, and what may therefore differ or be held at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.core.outcomes import Reason
from daemon.core.sku import sku_key
from tests.fault.checks import DOUBLED, LOST, WRONG, Expected, Problem, documents_by_key, key_of

if TYPE_CHECKING:
    from connectors.model import Product, Sale
    from daemon.state.port import Work
    from tests.fault.vendors import World

#: an article that is given other numbers keeps the old one in the till
RENAMED = ("MOK", "BEKER")


@dataclass(slots=True)
class Touched:
    """What people did."""

    #: receipts that were changed, and those that listings showed late, by number
    edited: set[str] = field(default_factory=set)
    shown_late: set[str] = field(default_factory=set)
    #: SKUs whose product was edited or deleted in the till: that lasts until the article changes
    loose: set[str] = field(default_factory=set)
    #: how many products of a SKU people made
    own_products: Counter[str] = field(default_factory=Counter)


def products(world: World, sku: str) -> list[Product]:
    """Return the products of the till that are one SKU."""
    return [product for product in world.till.products.actual() if sku_key(product.sku) == sku_key(sku)]


def completed(world: World) -> list[Sale]:
    """Return the receipts of the till that are completed."""
    return [sale for sale in world.till.sales.actual() if sale.completed]


def unexplained(world: World, touched: Touched, work: Work) -> list[Problem]:
    """Complain of what is held without the shop being as the reason says."""
    sale = next((one for one in world.till.sales.actual() if one.id == work.record), None)
    active = Counter(sku_key(article.sku) for article in world.books.articles.actual() if article.active)
    skus = {sku_key(one.sku) for one in sale.lines} if sale is not None else set()
    edited = sale is not None and sale.number in touched.edited
    true = {
        Reason.ARTICLE_MISSING: any(not active[sku] for sku in skus),
        Reason.ARTICLE_AMBIGUOUS: any(active[sku] > 1 for sku in skus),
        Reason.SUM_DIFFERS: edited,
        Reason.CHANGED_AFTER_BOOKING: edited,
        Reason.SKU_AMBIGUOUS: sale is None and (len(products(world, work.label)) > 1 or _number_is_taken(world, work.label)),
    }
    return [] if true.get(work.reason) else [Problem(WRONG, f"{work.label} is held: {work.reason} {work.detail}")]


def _number_is_taken(world: World, sku: str) -> bool:
    """An article that was renamed cannot give its product the new number while another product of the till has it."""
    return sku in RENAMED and all(products(world, one) for one in RENAMED)


def products_agree(world: World, touched: Touched, expected: Expected) -> list[Problem]:
    """Each article is one product of the till, the same and with the same stock, unless somebody made it otherwise."""
    problems: list[Problem] = []
    booked = documents_by_key(world.books)
    waiting: Counter[str] = Counter()
    unsure: set[str] = set()
    for sale in completed(world):
        for one in sale.lines:
            if key_of(sale) not in booked:
                waiting[sku_key(one.sku)] += int(one.quantity)
            elif expected.held.get(sale.number) == Reason.SUM_DIFFERS:
                unsure.add(sku_key(one.sku))  # its document has another total: nobody can say which lines moved the stock
    for article in world.books.articles.actual():
        sku = sku_key(article.sku)
        if not article.active or article.sku.startswith("KB-") or article.sku in RENAMED or article.sku in expected.held:
            continue
        there = products(world, sku)
        if len(there) > 1 + touched.own_products[sku]:
            problems.append(Problem(DOUBLED, f"{len(there)} products are {article.sku}"))
        if not there and sku not in touched.loose:
            problems.append(Problem(LOST, f"no product is {article.sku}"))
        if len(there) == 1 and sku not in touched.loose:
            problems += _agrees(article, there[0], None if sku in unsure else waiting[sku])
    return problems


def _agrees(article: Product, product: Product, waiting: int | None) -> list[Problem]:
    problems = []
    if (product.price, product.name, product.active) != (article.price, article.name, article.active):
        problems.append(Problem(WRONG, f"{article.sku}: {article.price} in the books, {product.price} in the till"))
    if waiting is not None and product.quantity != (article.quantity or 0) - waiting:
        text = f"{article.sku}: stock {article.quantity}, on its way {waiting}, till {product.quantity}"
        problems.append(Problem(WRONG, text))
    return problems
