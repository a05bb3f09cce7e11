"""Which resources there are, what can be done with them, and by what they can be filtered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salespos import orders, products, tables
from connectors.sandbox.salespos.signing import write_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.salespos.shapes import Shapes
    from connectors.sandbox.salespos.till import Till
    from connectors.sandbox.salespos.wire import Call


@dataclass(frozen=True, slots=True)
class Resource:
    """A route: ``name`` is the resource whose rate limit it uses (reference: the endpoint list), ``handlers`` go by method."""

    name: str
    handlers: dict[str, Callable[[Call], Any]]
    filters: frozenset[str] = frozenset()


def routes(till: Till, shapes: Shapes) -> dict[str, Resource]:
    """Return every route of the till, by path with ``:id`` for the number in it."""
    order, product, table = orders.Orders(till, shapes), products.Products(till, shapes), tables.Tables(till, shapes)
    expand = frozenset({"expand"})
    found = {
        "status": Resource("status", {"GET": lambda _: {"status": "ok", "date": write_date(till.now())}}),
        "webshops": Resource("webshops", {"GET": table.webshops}),
        "webshops/:id": Resource("webshops", {"GET": table.webshop}),
        "webshops/:id/settings": Resource("settings", {"GET": table.settings}),
        "products": Resource("products", {"GET": product.listing, "POST": product.create}, products.FILTERS),
        "products/:id": Resource("products", {"GET": product.get, "PATCH": product.change, "DELETE": product.delete}, expand),
        "products/:id/producttocategories": Resource("producttocategories", {"GET": product.links_of_product}),
        "productqueries": Resource("productqueries", {"GET": product.query}, products.QUERY_FILTERS),
        "categories": Resource("categories", {"GET": product.categories, "POST": product.create_category}),
        "categories/:id": Resource(
            "categories", {"GET": product.category, "PATCH": product.change_category, "DELETE": product.delete_category}
        ),
        "categories/:id/categories": Resource("categories", {"GET": product.subcategories}),
        "categories/:id/producttocategories": Resource("producttocategories", {"GET": product.links_of_category}),
        "producttocategories": Resource("producttocategories", {"POST": product.create_link}),
        "producttocategories/:id": Resource(
            "producttocategories", {"GET": product.link, "PATCH": product.change_link, "DELETE": product.delete_link}
        ),
        "categorytree": Resource("categorytree", {"GET": product.tree}),
        "orders": Resource("orders", {"GET": order.listing, "POST": order.place}, orders.FILTERS),
        "orders/:id": Resource("orders", {"GET": order.get, "PATCH": order.change}),
        "orders/:id/orderrows": Resource("orderrows", {"GET": order.rows, "POST": order.add_row, "PUT": order.replace_rows}),
        "orderrows/:id": Resource("orderrows", {"GET": order.row, "PATCH": order.change_row, "DELETE": order.delete_row}),
        "users": Resource("users", {"GET": table.users, "POST": table.create_user}, tables.USER_FILTERS),
        "users/:id": Resource("users", {"GET": table.user, "PATCH": table.change_user}),
        "paymethods": Resource("paymethods", {"GET": table.paymethods}),
        "packages": Resource("packages", {"GET": table.packages, "POST": table.create_package}),
        "packages/:id": Resource("packages", {"GET": table.package, "PATCH": table.change_package}),
        "cashups": Resource("cashups", {"GET": table.cashups, "POST": table.open_cashup}, tables.CASHUP_FILTERS),
        "cashups/:id": Resource("cashups", {"GET": table.cashup, "PATCH": table.close_cashup}),
        "terminalreceipts": Resource("terminalreceipts", {"GET": order.receipts}),
        "terminalreceipts/:id": Resource("terminalreceipts", {"GET": order.receipt}),
        "webhooks": Resource("webhooks", {"GET": table.webhooks, "POST": table.create_webhook}),
        "webhooks/:id": Resource("webhooks", {"GET": table.webhook, "PATCH": table.change_webhook, "DELETE": table.delete_webhook}),
    }
    names = sorted({path.partition("/")[0] for path in found})
    found[""] = Resource("root", {"GET": lambda call: {name: {"href": f"{call.base}/{name}"} for name in names}})
    return found
