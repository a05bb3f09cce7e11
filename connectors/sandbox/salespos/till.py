"""What the till keeps: products, orders with their index, customers and the small tables."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salespos import sales
from connectors.sandbox.salespos.assumptions import PAYMETHODS, ROUNDING_TEXT
from connectors.sandbox.salespos.fields import blank
from connectors.sandbox.salespos.webhooks import Webhooks
from connectors.sandbox.salespos.wire import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.faults import FaultPlan
    from connectors.sandbox.salespos.sales import Order
    from connectors.sandbox.salespos.switches import TillSwitches
    from connectors.sandbox.world import World, WorldReceipt

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Product:
    """A product of the till.  ``values`` holds what was written, by the names of the wire's write model."""

    id: int
    created_at: datetime
    modified_at: datetime
    values: dict[str, Any]
    entered_at: datetime | None = None
    shown: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The product number, that is the SKU."""
        return str(self.values.get("productnumber", ""))


@dataclass(slots=True)
class Table:
    """A small table of the wire: rows by id, each a dict of the wire's fields."""

    model: str
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    ids: count[int] = field(default_factory=lambda: count(1))

    def add(self, values: dict[str, Any]) -> dict[str, Any]:
        """Add a row with the values given, and nothing known of the others."""
        row = {**blank(self.model), **values, "id": next(self.ids)}
        self.rows[row["id"]] = row
        return row


class Till:
    """The till's records.  Everything is in memory and changes within one event loop."""

    def __init__(
        self, world: World, *, clock: Callable[[], datetime], seed: int, switches: TillSwitches, plan: FaultPlan, name: str
    ) -> None:
        self.world = world
        self.name = name
        self.switches = switches
        self.plan = plan
        self.opened_at = clock()
        self.random = Random(seed)  # noqa: S311 - a seeded simulation, not a secret
        self.products: dict[int, Product] = {}
        self.orders: dict[int, Order] = {}
        #: what was deleted, oldest deletion first: the vendor has it no longer
        self.deleted: list[Order] = []
        #: the ways to pay by their code: id, psp, code, label
        self.paymethods = {entry[2]: entry for entry in PAYMETHODS}
        self.categories = Table("category")
        self.links = Table("producttocategory")
        self.packages = Table("package")
        self.webhooks = Table("webhook")
        self.cashups = Table("cashup")
        self.customers = dict(enumerate(world.customers, start=1))
        self.users = Table("user", ids=count(len(world.customers) + 1))
        self._clock = clock
        self._user_of = {customer.key: number for number, customer in self.customers.items()}
        self._usual = {article.sku.upper(): article.price for article in world.articles}
        self._by_number: dict[str, list[int]] = {}
        self._by_date: list[tuple[datetime, int]] = []
        self._numbers: set[str] = set()
        self._highest = 0
        self._product_ids, self._order_ids, self._row_ids = count(1001), count(5001), count(90001)
        self.shelf = sales.Shelf(self._usual_price, self.product_id, lambda: next(self._row_ids))
        self.packages.add({"name": "Standaard"})
        self.calls = Webhooks(self.webhooks, plan=plan, now=self.now, write=Writer(switches).dumps)

    def now(self) -> datetime:
        """Return the vendor's time, skewed as the plan says."""
        return self._clock() + timedelta(seconds=self.plan.clock_skew_seconds)

    def ring_up(
        self, receipt: WorldReceipt, *, at_start: bool = False, paid: bool = True, completed: bool = True, exact: bool = False
    ) -> Order:
        """Sell: make the order and lower the stock of what was sold, unless the receipt corrects stock or is still open.

        Raises:
            ValueError: the receipt's number is taken, or its lines do not come to what was paid.
        """
        if receipt.number in self._numbers:
            raise ValueError(f"receipt {receipt.number} was rung up before")
        customer = None
        user_id = self._user_of.get(receipt.customer_key) if receipt.customer_key is not None else None
        if user_id is not None:
            customer = self.customers[user_id]
        order = sales.ring_up(receipt, next(self._order_ids), self._number_of(receipt.number), self.shelf, customer, exact=exact)
        order.paid, order.completed = paid, completed
        order.user_id = user_id
        order.extra_text = ROUNDING_TEXT if order.extra else ""
        self.keep(order, at_start=at_start)
        return order

    def keep(self, order: Order, *, at_start: bool = False) -> None:
        """Put an order into the books of the till and take what was sold off the shelf."""
        order.entered_at = None if at_start else self.now()
        self.orders[order.id] = order
        self._numbers.add(order.number_full)
        self._highest = max(self._highest, order.number)
        insort(self._by_date, (order.created_at, order.id))
        self._keep_shelf(order)
        if not at_start:
            self.calls.order("orders.created", order)

    def changed(self, order: Order, before: Mapping[str, Any]) -> None:
        """Let follow what follows from a change of an order; ``before`` is how it stood (see :func:`.webhooks.standing`)."""
        order.shown.clear()
        if order.cancelled and not self.switches.cancelled_stays_completed:
            order.completed = False
        self._keep_shelf(order)
        self.calls.changed(order, before)

    def redate(self, order: Order, moment: datetime) -> None:
        """Give an order another ``create_date``."""
        self._by_date.remove((order.created_at, order.id))
        order.created_at = moment.replace(microsecond=0)
        insort(self._by_date, (order.created_at, order.id))

    def delete(self, order: Order) -> None:
        """Remove an order; its number is not given again, and what it sold goes back on the shelf."""
        del self.orders[order.id]
        self._by_date.remove((order.created_at, order.id))
        self.deleted.append(order)
        self._keep_shelf(order)
        self.calls.order("orders.deleted", order)

    def new_number(self) -> int:
        """Return the number of the next receipt."""
        return self._highest + 1

    def new_ids(self, rows: int) -> tuple[int, list[int]]:
        """Return an order's id and ids for its rows."""
        return next(self._order_ids), [next(self._row_ids) for _ in range(rows)]

    def orders_between(self, first: datetime | None, last: datetime | None) -> list[Order]:
        """Return the orders created from ``first`` to ``last``, both inclusive, oldest first."""
        low = bisect_left(self._by_date, (first, 0)) if first is not None else 0
        high = bisect_right(self._by_date, (last or _LAST, 2**63))
        return [self.orders[order_id] for _, order_id in self._by_date[low:high]]

    def in_index(self, entered_at: datetime | None) -> bool:
        """Whether listings have caught up with a record that came in at ``entered_at``."""
        stale = self.plan.stale_index_seconds
        return not stale or entered_at is None or entered_at <= self.now() - timedelta(seconds=stale)

    def add_product(self, values: dict[str, Any]) -> Product:
        """Add a product."""
        now = self.now()
        product = Product(next(self._product_ids), now, now, values, entered_at=now)
        self.products[product.id] = product
        self._by_number.setdefault(product.number.upper(), []).append(product.id)
        return product

    def change_product(self, product: Product, values: dict[str, Any]) -> None:
        """Write the values given and leave the others."""
        before = product.number
        product.values.update(values)
        product.modified_at = self.now()
        product.shown.clear()
        if product.number != before:
            self._forget_number(before, product.id)
            self._by_number.setdefault(product.number.upper(), []).append(product.id)

    def remove_product(self, product: Product) -> None:
        """Remove a product and its places in categories."""
        del self.products[product.id]
        self._forget_number(product.number, product.id)
        for link in [row for row in self.links.rows.values() if row["product_id"] == product.id]:
            del self.links.rows[link["id"]]

    def products_numbered(self, number: str) -> list[Product]:
        """Return the products with this number, compared without regard to case."""
        return [self.products[one] for one in self._by_number.get(number.upper(), [])]

    def product_id(self, number: str) -> int | None:
        """Return the first product with this number."""
        found = self._by_number.get(number.upper()) if number else None
        return found[0] if found else None

    def _usual_price(self, sku: str) -> Decimal | None:
        return self._usual.get(sku.upper())

    def _forget_number(self, number: str, product_id: int) -> None:
        ids = self._by_number[number.upper()]
        ids.remove(product_id)
        if not ids:
            del self._by_number[number.upper()]

    def _number_of(self, text: str) -> int:
        digits = re.sub(r"\D", "", text)
        return int(digits) if digits else self.new_number()

    def _keep_shelf(self, order: Order) -> None:
        """Take off the shelf what the order sells and put back what it no longer does."""
        gone = order.cancelled or order.id not in self.orders
        if gone and order.taken and not self.switches.cancelled_returns_stock:
            return
        sells: dict[int, Decimal] = {}
        if not gone and order.completed and not order.is_correction:
            for row in order.rows:
                if row.product_id is not None:
                    sells[row.product_id] = sells.get(row.product_id, Decimal(0)) + row.count
        for product_id in {**order.taken, **sells}:
            product = self.products.get(product_id)
            if product is not None and product.values.get("stockenabled"):
                more = sells.get(product_id, Decimal(0)) - order.taken.get(product_id, Decimal(0))
                if more:
                    self.change_product(product, {"stock": Decimal(product.values.get("stock") or 0) - more})
            else:  # nobody counts it: nothing is off a shelf
                sells.pop(product_id, None)
        order.taken = sells
