"""What a sale is inside the till: its rows, its figures, and how a receipt of the shop is rung up."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import CANCELLED_STATUS, SOLD_STATUS, spread, vat_in
from connectors.sandbox.world import cents, line_total

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connectors.sandbox.world import WorldCustomer, WorldLine, WorldReceipt

ZERO: Final = Decimal(0)
_STANDARD: Final = Decimal(21)


@dataclass(slots=True)
class Row:
    """A row of an order.  ``price`` and ``discount`` are gross per unit; ``number`` is the product number as keyed.

    ``exact`` is a row that a till reckons in more than whole cents.
    """

    id: int
    name: str
    number: str
    product_id: int | None
    count: Decimal
    price: Decimal
    discount: Decimal
    tax: Decimal
    exact: bool = False

    @property
    def selling_price(self) -> Decimal:
        """What one unit was sold for."""
        return self.price - self.discount

    @property
    def total(self) -> Decimal:
        """What the row comes to, rounded to cents unless it is exact."""
        amount = self.count * self.selling_price
        return amount if self.exact else cents(amount)


@dataclass(slots=True)
class Order:
    """A sale, or an order that another system placed.

    ``discounts`` is positive when something is taken off; ``entered_at`` is when the till got it, ``None`` for what was there at
    the start; ``details`` holds fields of the wire that nothing is computed with; ``taken`` is what the order has off the shelf now, by
    product.
    """

    id: int
    number: int
    number_full: str
    created_at: datetime
    rows: list[Row]
    shipping: Decimal = ZERO
    shipping_rate: Decimal = _STANDARD
    discounts: Decimal = ZERO
    discount_rate: Decimal = _STANDARD
    extra: Decimal = ZERO
    extra_text: str = ""
    paymethod: str | None = None
    paymethod_costs: Decimal = ZERO
    paid: bool = True
    completed: bool = True
    status: int = SOLD_STATUS
    customer: WorldCustomer | None = None
    customer_given: dict[str, Any] | None = None
    user_id: int | None = None
    intra_community: bool = False
    is_correction: bool = False
    entered_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    taken: dict[int, Decimal] = field(default_factory=dict)

    @property
    def cancelled(self) -> bool:
        """Whether it was called off."""
        return self.status == CANCELLED_STATUS

    @property
    def sold(self) -> bool:
        """Whether it is a sale or a refund that counts: completed, not cancelled, and no correction of stock."""
        return self.completed and not self.cancelled and not self.is_correction

    @property
    def rows_total(self) -> Decimal:
        """What the rows come to."""
        return sum((row.total for row in self.rows), ZERO)

    @property
    def total(self) -> Decimal:
        """What is paid."""
        return self.rows_total + self.shipping - self.discounts + self.extra + self.paymethod_costs

    def gross_by_rate(self) -> dict[Decimal, Decimal]:
        """Return what the order comes to for each VAT rate, discount spread; rounding and other extra costs carry no VAT."""
        by_rate: dict[Decimal, Decimal] = {}
        for row in self.rows:
            by_rate[row.tax] = by_rate.get(row.tax, ZERO) + row.total
        if self.discounts:
            for rate, share in spread(self.discounts, by_rate, self.discount_rate).items():
                by_rate[rate] = by_rate.get(rate, ZERO) - share
        if self.shipping:
            by_rate[self.shipping_rate] = by_rate.get(self.shipping_rate, ZERO) + self.shipping
        return by_rate

    def vat_by_rate(self) -> dict[Decimal, tuple[Decimal, Decimal]]:
        """Return gross and the VAT in it for each rate."""
        return {rate: (gross, vat_in(gross, rate)) for rate, gross in self.gross_by_rate().items()}


@dataclass(frozen=True, slots=True)
class Shelf:
    """What ringing up needs to know of the catalogue: the usual price of a SKU, the product's id, and the next row's id."""

    usual_price: Callable[[str], Decimal | None]
    product_id: Callable[[str], int | None]
    next_row_id: Callable[[], int]


def ring_up(
    receipt: WorldReceipt, order_id: int, number: int, shelf: Shelf, customer: WorldCustomer | None, *, exact: bool = False
) -> Order:
    """Turn a receipt into an order; with ``exact`` its rows are not rounded to cents.

    Raises:
        ValueError: the lines do not come to what the receipt says was paid.
    """
    rows = [row_of(line, shelf, exact=exact) for line in receipt.lines if line.kind in ("product", "free", "voucher")]
    shipping = [line for line in receipt.lines if line.kind == "shipping"]
    discounts = [line for line in receipt.lines if line.kind == "discount"]
    extra = receipt.rounding + sum((line_total(line) for line in receipt.lines if line.kind == "rounding"), ZERO)
    order = Order(
        id=order_id,
        number=number,
        number_full=receipt.number,
        created_at=receipt.sold_at.replace(microsecond=0),
        rows=rows,
        shipping=sum((line_total(line) for line in shipping), ZERO),
        shipping_rate=shipping[0].vat_rate if shipping else _STANDARD,
        discounts=-sum((line_total(line) for line in discounts), ZERO),
        discount_rate=discounts[0].vat_rate if discounts else _STANDARD,
        extra=extra,
        paymethod=receipt.paymethod,
        customer=customer,
        intra_community=receipt.intra_community,
        is_correction=receipt.is_correction,
    )
    if order.total != receipt.gross:
        raise ValueError(f"receipt {receipt.number}: its lines come to {order.total}, it says {receipt.gross}")
    return order


def row_of(line: WorldLine, shelf: Shelf, *, exact: bool = False) -> Row:
    """Return the row that a line makes."""
    usual = shelf.usual_price(line.sku) if line.kind == "product" else None
    price = usual if usual is not None and ZERO < line.unit_price < usual else line.unit_price
    return Row(
        id=shelf.next_row_id(),
        name=line.text,
        number="" if line.kind == "free" else line.sku,
        product_id=shelf.product_id(line.sku) if line.kind == "product" else None,
        count=line.quantity,
        price=price,
        discount=price - line.unit_price,
        tax=line.vat_rate,
        exact=exact,
    )
