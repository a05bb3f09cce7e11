"""What people do at the till besides selling: a receipt left open, paid later, cancelled, edited or deleted, and the till's own products.

Everything here happens on the till's screen; what of it the vendor's API allows too is in :mod:`connectors.sandbox.salespos.orders`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import CANCELLED_STATUS, DELIVERED_STATUS, SENT_STATUS, SOLD_STATUS, STATUSES, TARIFFS
from connectors.sandbox.salespos.sales import row_of
from connectors.sandbox.salespos.webhooks import standing
from connectors.sandbox.world import WorldCustomer

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.sandbox.salespos.sales import Order, Row
    from connectors.sandbox.salespos.till import Product, Till
    from connectors.sandbox.world import WorldLine, WorldReceipt

_NOBODY: Final = WorldCustomer("", "", "", None, None, None, "", "", "", "NL", None)
#: fields of a customer -> where another system's order has them: in the person, or in its billing address
_GIVEN: Final = {"email": "email", "vat_number": "btw", "organisation_number": "kvk"}
_BILLED: Final = {
    "name": "full_name", "company": "company", "street": "address_line_1", "postal_code": "zipcode", "city": "city",
    "country": "country_code", "phone": "telephone",
}  # fmt: skip


class Cashier:
    """Works at one till.

    A receipt is named by its id (a number) or by what is printed on it (a text).  Every method raises :class:`ValueError` for what is not
    there or cannot be, and changes nothing then.
    """

    def __init__(self, till: Till) -> None:
        self._till = till

    def find(self, receipt: int | str) -> Order:
        """Return a receipt as the till has it.

        Raises:
            ValueError: there is none.
        """
        found = self._till.orders.get(receipt) if isinstance(receipt, int) else None
        for order in self._till.orders.values() if isinstance(receipt, str) else ():
            if order.number_full == receipt:
                found = order
        if found is None:
            raise ValueError(f"receipt {receipt} does not exist")
        return found

    # the course of a receipt

    def ring_up(self, receipt: WorldReceipt, *, paid: bool = True, exact: bool = False) -> int:
        """Sell, and return the receipt's id.

        Not ``paid`` is on account.  With ``exact`` the rows are not rounded to cents, so that the total may have a fraction of one.
        ``receipt.sold_at`` becomes the create_date, be it long ago or in the future.
        """
        self.paymethod(receipt.paymethod)
        return self._till.ring_up(receipt, paid=paid, exact=exact).id

    def open(self, receipt: WorldReceipt, *, exact: bool = False) -> int:
        """Begin a receipt that is neither completed nor paid, and return its id; how it is paid is not known yet."""
        self.paymethod(receipt.paymethod)
        order = self._till.ring_up(receipt, paid=False, completed=False, exact=exact)
        order.paymethod = None
        return order.id

    def complete(self, receipt: int | str, *, paymethod: str | None = "pin", paid: bool = True) -> None:
        """Complete a receipt that is open, whenever it was opened."""
        order = self.find(receipt)
        if order.completed:
            raise ValueError(f"receipt {order.number_full} is completed")
        code, before = self.paymethod(paymethod), standing(order)
        order.paymethod, order.paid, order.completed = code, paid, True
        order.entered_at = self._till.now()
        if self._till.switches.completed_moves_date:
            self._till.redate(order, self._till.now())
        self._till.changed(order, before)

    def pay(self, receipt: int | str, paymethod: str | None = None) -> None:
        """Take the money for a receipt that is not paid, in the way that it says or in another."""
        order = self.find(receipt)
        code, before = order.paymethod if paymethod is None else self.paymethod(paymethod), standing(order)
        order.paymethod, order.paid = code, True
        self._till.changed(order, before)

    def unpay(self, receipt: int | str) -> None:
        """Say that a receipt is not paid after all."""
        order = self.find(receipt)
        before = standing(order)
        order.paid = False
        self._till.changed(order, before)

    def cancel(self, receipt: int | str) -> None:
        """Call a receipt off."""
        self.mark(receipt, CANCELLED_STATUS)

    def ship(self, receipt: int | str, code: str = "", carrier: str = "") -> None:
        """Mark a receipt as sent."""
        order = self.find(receipt)
        before = standing(order)
        order.status = SENT_STATUS
        order.details.update(track_and_trace_code=code, track_and_trace_carrier=carrier, deliver_method="shipping")
        self._till.changed(order, before)

    def hand_over(self, receipt: int | str) -> None:
        """Mark a receipt's goods as taken along."""
        self.mark(receipt, DELIVERED_STATUS)

    def reinstate(self, receipt: int | str) -> None:
        """Make a receipt that was cancelled a sale again."""
        order = self.find(receipt)
        before = standing(order)
        order.status, order.completed = SOLD_STATUS, True
        self._till.changed(order, before)

    def mark(self, receipt: int | str, status: int) -> None:
        """Give a receipt another status (1 to 14, reference: order.status)."""
        order = self.find(receipt)
        if status not in STATUSES:
            raise ValueError(f"status {status} is not one of 1 to 14")
        before = standing(order)
        order.status = status
        self._till.changed(order, before)

    def delete(self, receipt: int | str) -> None:
        """Delete a receipt: it is in no listing any more, and 404 by its id."""
        self._till.delete(self.find(receipt))

    # what a receipt says

    def add_row(self, receipt: int | str, line: WorldLine) -> None:
        """Put one more article on a receipt, after the others."""
        order = self.find(receipt)
        exact = any(row.exact for row in order.rows)
        order.rows.append(row_of(line, self._till.shelf, exact=exact))
        self._till.changed(order, standing(order))

    def change_row(
        self,
        receipt: int | str,
        row: int = 0,
        *,
        sku: str | None = None,
        text: str | None = None,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        vat_rate: Decimal | None = None,
    ) -> None:
        """Change what is given of a row, counted from 0; ``price`` is what one unit is sold for."""
        order = self.find(receipt)
        found = self._row(order, row)
        if sku is not None:
            found.number, found.product_id = sku, self._till.product_id(sku)
        if price is not None:
            found.price, found.discount = price, Decimal(0)
        found.name = found.name if text is None else text
        found.count = found.count if quantity is None else quantity
        found.tax = found.tax if vat_rate is None else vat_rate
        self._till.changed(order, standing(order))

    def remove_row(self, receipt: int | str, row: int = 0) -> None:
        """Take a row off a receipt."""
        order = self.find(receipt)
        order.rows.remove(self._row(order, row))
        self._till.changed(order, standing(order))

    def change_paymethod(self, receipt: int | str, paymethod: str | None) -> None:
        """Say that a receipt was paid in another way."""
        order = self.find(receipt)
        order.paymethod = self.paymethod(paymethod)
        self._till.changed(order, standing(order))

    def change_customer(self, receipt: int | str, **fields: str | None) -> None:
        """Change what is given of a receipt's buyer, by the names of :class:`WorldCustomer`; a receipt of nobody gets one.

        The buyer's account and other receipts stay as they are.
        """
        order = self.find(receipt)
        if unknown := sorted(fields.keys() - {*_GIVEN, *_BILLED}):
            raise ValueError(f"unknown {', '.join(unknown)}, expected of {', '.join(sorted({*_GIVEN, *_BILLED}))}")
        buyer = order.customer or _given(order.customer_given)
        order.customer, order.customer_given = replace(buyer, **fields), None  # type: ignore[arg-type]  # the names are checked above
        self._till.changed(order, standing(order))

    def drop_customer(self, receipt: int | str) -> None:
        """Make a receipt anonymous."""
        order = self.find(receipt)
        order.customer, order.customer_given, order.user_id = None, None, None
        self._till.changed(order, standing(order))

    def change_rounding(self, receipt: int | str, amount: Decimal, text: str | None = None) -> None:
        """Give a receipt other extra costs without VAT, with their sign, also with a fraction of a cent."""
        order = self.find(receipt)
        order.extra = amount
        order.extra_text = order.extra_text if text is None else text
        self._till.changed(order, standing(order))

    def change_date(self, receipt: int | str, moment: datetime) -> None:
        """Give a receipt another create_date."""
        order = self.find(receipt)
        self._till.redate(order, moment)
        self._till.changed(order, standing(order))

    # the till's own registers

    def add_paymethod(self, code: str, label: str | None = None) -> None:
        """Let the till take another way to pay."""
        number = max(entry[0] for entry in self._till.paymethods.values()) + 1
        self._till.paymethods.setdefault(code, (number, "own", code, label or code))

    def add_product(self, sku: str, name: str, price: Decimal, *, tariff: str = "normal", stock: Decimal | None = None) -> int:
        """Add a product by hand and return its id; ``price`` is as the till means its prices, without ``stock`` nobody counts it."""
        self._tariff(tariff)
        values: dict[str, Any] = {"productnumber": sku, "name": name, "price": price, "discount": Decimal(0), "package_id": 1}
        values |= {"taxtariff": tariff, "active": True, "stockenabled": stock is not None}
        product = self._till.add_product(values if stock is None else {**values, "stock": stock})
        self._till.calls.product("products.created", product)
        return product.id

    def change_product(self, sku: str, **values: Any) -> None:
        """Change a product by hand: fields by the names in which the wire writes them (``price``, ``stock``, ``productnumber``)."""
        product = self._product(sku)
        self._tariff(str(values.get("taxtariff", "normal")))
        self._till.change_product(product, values)
        self._till.calls.product("products.updated", product)

    def delete_product(self, sku: str) -> None:
        """Delete a product by hand."""
        product = self._product(sku)
        self._till.remove_product(product)
        self._till.calls.product("products.deleted", product)

    def _row(self, order: Order, row: int) -> Row:
        if not 0 <= row < len(order.rows):
            raise ValueError(f"receipt {order.number_full} has no row {row}")
        return order.rows[row]

    def _product(self, sku: str) -> Product:
        for product in self._till.products_numbered(sku):
            return product
        raise ValueError(f"product {sku!r} does not exist")

    def paymethod(self, code: Any) -> str | None:
        """Return a code that the till takes, or that nothing is known.

        Raises:
            ValueError: the till does not take it.
        """
        if code is not None and not (isinstance(code, str) and code in self._till.paymethods):
            raise ValueError(f"paymethod is one of {', '.join(sorted(self._till.paymethods))}")
        return code

    @staticmethod
    def _tariff(name: str) -> None:
        if name not in TARIFFS:
            raise ValueError(f"tariff is one of {', '.join(TARIFFS)}")


def _given(person: dict[str, Any] | None) -> WorldCustomer:
    """Return the buyer of an order that another system placed."""
    known = person or {}
    address = known.get("billingaddress") or {}
    found = {field: known.get(name) for field, name in _GIVEN.items()} | {field: address.get(name) for field, name in _BILLED.items()}
    return replace(_NOBODY, **{field: value for field, value in found.items() if value})
