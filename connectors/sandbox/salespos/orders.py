"""The till's resources for orders: what was sold, row by row, and orders that another system places."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import PLACED_STATUS, TARIFFS, UNKNOWN_ID, with_vat
from connectors.sandbox.salespos.fields import check
from connectors.sandbox.salespos.sales import ZERO, Order, Row
from connectors.sandbox.salespos.signing import write_date
from connectors.sandbox.salespos.webhooks import standing
from connectors.sandbox.salespos.wire import Refused, invalid, page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connectors.sandbox.salespos.shapes import Shapes
    from connectors.sandbox.salespos.till import Till
    from connectors.sandbox.salespos.wire import Call, Raw

FILTERS: Final = frozenset(
    {
        "ordernumber", "status", "is_paid", "deliver_date", "take_out_date", "min_create_date", "max_create_date", "is_completed",
        "paymethod_id", "transaction_id", "orderby",
    }
)  # fmt: skip
_ORDERS: Final = ("id", "ordernumber", "create_date", "deliver_date")
#: what a completed order no longer lets change (reference: price changes only while the order is not completed)
_FIXED: Final = ("orderrows", "total_shipping", "paymethod_costs", "extra_costs", "is_intra_community_order")
_COMPUTED: Final = (*_FIXED, "customer", "user_id", "paid", "status", "is_completed", "extra_costs_description", "note", "mail")


class Orders:
    """Handles ``orders``, ``orderrows`` and ``terminalreceipts``."""

    def __init__(self, till: Till, shapes: Shapes) -> None:
        self._till = till
        self._shapes = shapes

    def listing(self, call: Call) -> dict[str, Any]:
        """List orders."""
        name, descending = call.order(_ORDERS, "id")
        moments = call.moment("min_create_date"), call.moment("max_create_date")
        found = [order for order in self._till.orders_between(*moments) if self._till.in_index(order.entered_at)]
        for wanted in self._filters(call):
            found = [order for order in found if wanted(order)]
        if name != "create_date":
            found.sort(key=_SORT[name])
        if descending:
            found.reverse()
        return page(call, found, lambda order: self._shapes.order(order, call.base), self._till.switches, self._till.plan)

    def get(self, call: Call) -> Raw:
        """Show one order."""
        return self._shapes.order(self._order(call), call.base)

    def rows(self, call: Call) -> dict[str, Any]:
        """List the rows of an order."""
        order = self._order(call)
        return page(call, order.rows, lambda row: self._shapes.row(row, order, call.base), self._till.switches, self._till.plan)

    def row(self, call: Call) -> dict[str, Any]:
        """Show one row."""
        order, row = self._find_row(call)
        return self._shapes.row(row, order, call.base)

    def change_row(self, call: Call) -> None:
        """Change count, price or discount of a row."""
        order, row = self._find_row(call, open_only=True)
        check("orderrow.patch", call.body)
        row.count = Decimal(call.body.get("count", row.count))
        for name in ("price", "discount"):
            if name in call.body:
                given = Decimal(call.body[name])
                setattr(row, name, given if self._till.switches.prices_include_vat else with_vat(given, row.tax))
        self._till.changed(order, standing(order))

    def delete_row(self, call: Call) -> None:
        """Take a row off an order."""
        order, row = self._find_row(call, open_only=True)
        order.rows.remove(row)
        self._till.changed(order, standing(order))

    def add_row(self, call: Call) -> dict[str, Any]:
        """Put one more row on an order."""
        order = self._open(self._order(call))
        _, [row_id] = self._till.new_ids(1)
        row = self._row(call.body, row_id)
        order.rows.append(row)
        self._till.changed(order, standing(order))
        return self._shapes.row(row, order, call.base)

    def replace_rows(self, call: Call) -> None:
        """Replace all rows of an order."""
        order = self._open(self._order(call))
        check("orderrow.put", call.body, ("orderrows",))
        _, row_ids = self._till.new_ids(len(call.body["orderrows"]))
        order.rows = [self._row(row, row_id) for row, row_id in zip(call.body["orderrows"], row_ids, strict=True)]
        self._till.changed(order, standing(order))

    def _find_row(self, call: Call, *, open_only: bool = False) -> tuple[Order, Row]:
        for order in self._till.orders.values():
            for row in order.rows:
                if row.id == call.id:
                    return self._open(order) if open_only else order, row
        raise Refused(UNKNOWN_ID, f"order row {call.id} does not exist")

    @staticmethod
    def _open(order: Order) -> Order:
        """Return an order that may still be changed (reference: price changes only while the order is not completed)."""
        if order.completed:
            raise invalid("the rows of a completed order cannot be changed")
        return order

    def place(self, call: Call) -> Raw:
        """Take an order that another system places."""
        body = call.body
        check("order.post", body, ("customer", "orderrows"))
        check("person.write", body["customer"])
        till = self._till
        order_id, row_ids = till.new_ids(len(body["orderrows"]))
        number = till.new_number()
        order = Order(
            id=order_id,
            number=number,
            number_full=str(number),
            created_at=till.now().replace(microsecond=0),
            rows=[self._row(row, row_id) for row, row_id in zip(body["orderrows"], row_ids, strict=True)],
            paid=body.get("paid", False),
            completed=body.get("is_completed", True),
            customer_given=body["customer"],
        )
        if "user_id" in body:
            if body["user_id"] not in till.customers and body["user_id"] not in till.users.rows:
                raise invalid(f"user {body['user_id']} does not exist")
            order.user_id = body["user_id"]
        order.status = PLACED_STATUS
        self._take_over(order, body)
        till.keep(order)
        return self._shapes.order(order, call.base)

    def change(self, call: Call) -> None:
        """Change an order; what was sold stays as it is once the order is completed."""
        order = self._order(call)
        check("order.patch", call.body)
        fixed = [name for name in _FIXED if name in call.body]
        if order.completed and fixed:
            raise invalid(f"{', '.join(fixed)} of a completed order cannot be changed")
        if "customer" in call.body:
            check("person.write", call.body["customer"])
            order.customer, order.customer_given = None, call.body["customer"]
        if "orderrows" in call.body:
            _, row_ids = self._till.new_ids(len(call.body["orderrows"]))
            order.rows = [self._row(row, row_id) for row, row_id in zip(call.body["orderrows"], row_ids, strict=True)]
        before = standing(order)
        order.paid = call.body.get("paid", order.paid)
        self._take_over(order, call.body)
        self._till.changed(order, before)

    def receipts(self, call: Call) -> dict[str, Any]:
        """List what the card terminal printed: [A] one for each order paid by card, for the customer."""
        paid = [order for order in self._till.orders.values() if order.paymethod == "pin" and order.paid]
        return page(call, paid, lambda order: _terminal_receipt(order, call.base), self._till.switches, self._till.plan)

    def receipt(self, call: Call) -> dict[str, Any]:
        """Show one receipt of the card terminal."""
        order = self._order(call)
        if order.paymethod != "pin" or not order.paid:
            raise Refused(UNKNOWN_ID, f"terminal receipt {call.id} does not exist")
        return _terminal_receipt(order, call.base)

    def _order(self, call: Call) -> Order:
        order = self._till.orders.get(call.id)
        if order is None:
            raise Refused(UNKNOWN_ID, f"order {call.id} does not exist")
        return order

    def _filters(self, call: Call) -> list[Callable[[Order], bool]]:
        completed = call.flag("is_completed")
        completed = True if completed is None else completed
        filters: list[Callable[[Order], bool]] = [lambda order: order.completed is completed]
        if (number := call.integer("ordernumber")) is not None:
            filters.append(lambda order: order.number == number)
        if (status := call.integer("status")) is not None:
            filters.append(lambda order: order.status == status)
        if (paid := call.flag("is_paid")) is not None:
            filters.append(lambda order: order.paid is paid)
        if (method := call.integer("paymethod_id")) is not None:
            named = {number: code for code, (number, *_) in self._till.paymethods.items()}
            filters.append(lambda order: order.paymethod is not None and order.paymethod == named.get(method))
        if (transaction := call.query.get("transaction_id")) is not None:
            filters.append(lambda order: f"T{order.id}" == transaction and order.paymethod in ("pin", "ideal") and order.paid)
        delivered = [call.moment("deliver_date"), call.moment("take_out_date")]
        return filters + [_delivered_on(moment) for moment in delivered if moment is not None]

    def _row(self, given: Any, row_id: int) -> Row:
        """Read a row as another system gives it: what it says, and for the rest what the product says."""
        if not isinstance(given, dict):
            raise invalid("an order row is not an object")
        check("orderrow.write", given, ("count",))
        product = None
        if "product_id" in given:
            product = self._till.products.get(given["product_id"])
            if product is None:
                raise invalid(f"product {given['product_id']} does not exist")
        elif not {"product_number", "product_name", "price"} <= given.keys():
            raise invalid("an order row has product_id, or product_number, product_name and price")
        known = product.values if product is not None else {}
        tax = Decimal(given.get("tax", TARIFFS[known.get("taxtariff", "normal")]))
        price, discount = (Decimal(given.get(name, known.get(name, 0))) for name in ("price", "discount"))
        if not self._till.switches.prices_include_vat:
            price, discount = with_vat(price, tax), with_vat(discount, tax)
        return Row(
            id=row_id,
            name=given.get("product_name", known.get("name", "")),
            number=given.get("product_number", known.get("productnumber", "")),
            product_id=product.id if product is not None else self._till.product_id(given.get("product_number", "")),
            count=Decimal(given["count"]),
            price=price,
            discount=discount,
            tax=tax,
        )

    def _take_over(self, order: Order, body: dict[str, Any]) -> None:
        order.shipping = Decimal(body.get("total_shipping", order.shipping))
        order.extra = Decimal(body.get("extra_costs", order.extra))
        order.extra_text = body.get("extra_costs_description", order.extra_text)
        order.paymethod_costs = Decimal(body.get("paymethod_costs", order.paymethod_costs))
        order.intra_community = body.get("is_intra_community_order", order.intra_community)
        order.shipping_rate = ZERO if order.intra_community else order.shipping_rate
        order.status = body.get("status", order.status)
        order.details.update({name: value for name, value in body.items() if name not in _COMPUTED})


def _delivered_on(moment: datetime) -> Callable[[Order], bool]:
    return lambda order: str(order.details.get("deliver_date") or "")[:10] == moment.date().isoformat()


def _terminal_receipt(order: Order, base: str) -> dict[str, Any]:
    """[A] Every field but id and href is assumed."""
    return {
        "id": order.id,
        "href": f"{base}/terminalreceipts/{order.id}",
        "order_id": order.id,
        "create_date": write_date(order.created_at),
        "type": "customer",
        "receipt_data": f"BETAALD {order.total:.2f} EUR",
    }


_SORT: Final[dict[str, Callable[[Order], Any]]] = {
    "id": lambda order: order.id,
    "ordernumber": lambda order: order.number,
    "deliver_date": lambda order: (str(order.details.get("deliver_date") or ""), order.id),
}
