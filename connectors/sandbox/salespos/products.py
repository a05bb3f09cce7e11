"""The till's resources for products and the categories that they stand in."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import EXPANDABLE, TARIFFS, UNKNOWN_ID
from connectors.sandbox.salespos.fields import check
from connectors.sandbox.salespos.wire import EXISTS_ALREADY, LIMIT_EXCEEDED, Refused, invalid, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.salespos.shapes import Shapes
    from connectors.sandbox.salespos.till import Product, Table, Till
    from connectors.sandbox.salespos.wire import Call, Raw

FILTERS: Final = frozenset(
    {
        "productnumber", "eannumber", "mpnnumber", "productname", "minprice", "maxprice", "mindiscount", "maxdiscount", "minsellprice",
        "maxsellprice", "stock", "minstock", "maxstock", "quantity", "color", "active", "orderby", "expand",
    }
)  # fmt: skip
QUERY_FILTERS: Final = frozenset({"productnumber", "eannumber", "mpnnumber", "skunumber"})
_ORDERS: Final = ("id", "name", "createdate", "modifydate")
_REQUIRED: Final = ("name", "price", "discount", "package_id")
_ENUMS: Final = {"taxtariff": frozenset(TARIFFS), "stocktype": frozenset({"product", "combination"})}
_SHORTEST_NAME: Final = 3


class Products:
    """Handles ``products``, ``productqueries``, ``categories``, ``producttocategories`` and ``categorytree``."""

    def __init__(self, till: Till, shapes: Shapes) -> None:
        self._till = till
        self._shapes = shapes

    def listing(self, call: Call) -> dict[str, Any]:
        """List products."""
        name, descending = call.order(_ORDERS, "id")
        expand = _expand(call)
        found = [product for product in self._till.products.values() if self._till.in_index(product.entered_at)]
        for wanted in self._filters(call):
            found = [product for product in found if wanted(product)]
        found.sort(key=_SORT[name], reverse=descending)
        return page(call, found, lambda product: self._show(product, call.base, expand), self._till.switches, self._till.plan)

    def get(self, call: Call) -> Any:
        """Show one product."""
        return self._show(self._product(call), call.base, _expand(call))

    def create(self, call: Call) -> Raw:
        """Add a product."""
        self._check(call.body, _REQUIRED)
        limit = self._till.switches.product_limit
        if 0 <= limit <= len(self._till.products):
            raise Refused(LIMIT_EXCEEDED, "product limit exceeded")
        product = self._till.add_product(call.body)
        self._till.calls.product("products.created", product)
        return self._shapes.product(product, call.base)

    def change(self, call: Call) -> None:
        """Write the fields given."""
        product = self._product(call)
        self._check(call.body, (), product)
        self._till.change_product(product, call.body)
        self._till.calls.product("products.updated", product)

    def delete(self, call: Call) -> None:
        """Remove a product."""
        product = self._product(call)
        self._till.remove_product(product)
        self._till.calls.product("products.deleted", product)

    def query(self, call: Call) -> dict[str, Any]:
        """Look a product up by one of its numbers (reference: not meant for synchronisation)."""
        numbers = {name: text for name, text in call.query.items() if name in QUERY_FILTERS}
        if len(numbers) != 1:
            raise invalid("one of productnumber, eannumber, mpnnumber and skunumber is required")
        [(name, wanted)] = numbers.items()
        says = self._says("productnumber" if name == "skunumber" else name, wanted)
        found = [one for one in self._till.products.values() if says(one)]
        return page(call, found, lambda product: self._shapes.product(product, call.base), self._till.switches, self._till.plan)

    def categories(self, call: Call) -> dict[str, Any]:
        """List categories."""
        return self._page(call, [*self._till.categories.rows.values()], self._shapes.category)

    def category(self, call: Call) -> dict[str, Any]:
        """Show one category."""
        return self._shapes.category(_find(self._till.categories, call), call.base)

    def create_category(self, call: Call) -> dict[str, Any]:
        """Add a category."""
        row = self._till.categories.add(self._category_values(call, ("name",)))
        self._till.calls.category("categories.created", row["id"])
        return self._shapes.category(row, call.base)

    def change_category(self, call: Call) -> None:
        """Write the fields given of a category."""
        row = _find(self._till.categories, call)
        row.update(self._category_values(call, ()))
        self._till.calls.category("categories.updated", call.id)

    def delete_category(self, call: Call) -> None:
        """Remove a category; its products stay."""
        del self._till.categories.rows[_find(self._till.categories, call)["id"]]
        for link in [row for row in self._till.links.rows.values() if row["category_id"] == call.id]:
            del self._till.links.rows[link["id"]]
        self._till.calls.category("categories.deleted", call.id)

    def tree(self, call: Call) -> dict[str, Any]:
        """Show the categories as a tree."""
        return {"href": f"{call.base}/categorytree", "root_categories": self._branches(None, call.base)}

    def subcategories(self, call: Call) -> dict[str, Any]:
        """List the categories within a category."""
        _find(self._till.categories, call)
        within = [row for row in self._till.categories.rows.values() if row["parentcategory"] == call.id]
        return self._page(call, within, self._shapes.category)

    def links_of_product(self, call: Call) -> dict[str, Any]:
        """List the categories that a product stands in."""
        self._product(call)
        return self._links(call, "product_id")

    def links_of_category(self, call: Call) -> dict[str, Any]:
        """List the products that stand in a category."""
        _find(self._till.categories, call)
        return self._links(call, "category_id")

    def link(self, call: Call) -> dict[str, Any]:
        """Show one place of a product in a category."""
        return self._shapes.link(_find(self._till.links, call), call.base)

    def create_link(self, call: Call) -> dict[str, Any]:
        """Put a product into a category."""
        check("producttocategory.post", call.body, ("product_id", "category_id"))
        if call.body["product_id"] not in self._till.products or call.body["category_id"] not in self._till.categories.rows:
            raise invalid("product_id and category_id name what exists")
        return self._shapes.link(self._till.links.add(call.body), call.base)

    def change_link(self, call: Call) -> None:
        """Move a product within its category."""
        row = _find(self._till.links, call)
        check("producttocategory.patch", call.body)
        row.update(call.body)

    def delete_link(self, call: Call) -> None:
        """Take a product out of a category."""
        del self._till.links.rows[_find(self._till.links, call)["id"]]

    def _filters(self, call: Call) -> list[Callable[[Product], bool]]:
        numbers = ("productnumber", "eannumber", "mpnnumber")
        return [self._says(name, call.query[name]) for name in numbers if name in call.query] + _filters(call)

    def _says(self, name: str, wanted: str) -> Callable[[Product], bool]:
        as_compared = str.casefold if self._till.switches.filter_ignores_case else str
        return lambda product: as_compared(str(product.values.get(name, ""))) == as_compared(wanted)

    def _show(self, product: Product, base: str, expand: frozenset[str]) -> Any:
        return self._shapes.product_expanded(product, base, expand) if expand else self._shapes.product(product, base)

    def _product(self, call: Call) -> Product:
        product = self._till.products.get(call.id)
        if product is None:
            raise Refused(UNKNOWN_ID, f"product {call.id} does not exist")
        return product

    def _check(self, body: dict[str, Any], required: tuple[str, ...], product: Product | None = None) -> None:
        check("product.write", body, required)
        for name, allowed in _ENUMS.items():
            if body.get(name) not in (None, *allowed):
                raise invalid(f"{name} is not one of {', '.join(sorted(allowed))}")
        if body.get("package_id", 1) not in self._till.packages.rows:
            raise invalid(f"package {body['package_id']} does not exist")
        if body.get("name") == "":
            raise invalid("name is empty")
        number = body.get("productnumber", "")
        taken = [one for one in self._till.products_numbered(number) if one is not product] if number else []
        if taken and self._till.switches.unique_productnumber:
            raise Refused(EXISTS_ALREADY, f"productnumber {number} already exists")

    def _category_values(self, call: Call, required: tuple[str, ...]) -> dict[str, Any]:
        check("category.write", call.body, required)
        parent = call.body.get("parentcategory_id")
        if parent is not None and parent not in self._till.categories.rows:
            raise invalid(f"category {parent} does not exist")
        values = {name: value for name, value in call.body.items() if name != "parentcategory_id"}
        return {**values, "parentcategory": parent} if "parentcategory_id" in call.body else values

    def _branches(self, parent: int | None, base: str) -> list[dict[str, Any]]:
        shown = ("id", "name", "description", "position", "show_on_website", "deeplink")
        return [
            {"href": f"{base}/categories/{row['id']}", **{name: row[name] for name in shown}, "children": self._branches(row["id"], base)}
            for row in self._till.categories.rows.values()
            if row["parentcategory"] == parent
        ]

    def _links(self, call: Call, side: str) -> dict[str, Any]:
        return self._page(call, [row for row in self._till.links.rows.values() if row[side] == call.id], self._shapes.link)

    def _page(self, call: Call, rows: list[Any], show: Callable[[Any, str], dict[str, Any]]) -> dict[str, Any]:
        return page(call, rows, lambda row: show(row, call.base), self._till.switches, self._till.plan)


def _find(table: Table, call: Call) -> dict[str, Any]:
    row = table.rows.get(call.id)
    if row is None:
        raise Refused(UNKNOWN_ID, f"{table.model} {call.id} does not exist")
    return row


def _expand(call: Call) -> frozenset[str]:
    expand = frozenset(name for name in call.query.get("expand", "").split(",") if name)
    if not expand <= EXPANDABLE:
        raise invalid(f"expand {', '.join(sorted(expand - EXPANDABLE))} is not possible")
    return expand


def _filters(call: Call) -> list[Callable[[Product], bool]]:
    filters: list[Callable[[Product], bool]] = []
    if "productname" in call.query:
        part = call.query["productname"].casefold()
        if len(part) < _SHORTEST_NAME:
            raise invalid(f"productname has at least {_SHORTEST_NAME} characters")
        filters.append(lambda product: part in str(product.values["name"]).casefold())
    for name in ("price", "discount", "sellprice", "stock"):
        low, high = call.number(f"min{name}"), call.number(f"max{name}")
        if low is not None or high is not None:
            filters.append(_between(name, low, high))
    if (stock := call.number("stock")) is not None:
        filters.append(_between("stock", stock, stock))
    if (active := call.flag("active")) is not None:
        filters.append(lambda product: product.values.get("active", True) is active)
    if (color := call.integer("color")) is not None:
        filters.append(lambda product: product.values.get("color_id") == color)
    return filters


def _between(name: str, low: Decimal | None, high: Decimal | None) -> Callable[[Product], bool]:
    def matches(product: Product) -> bool:
        if name == "sellprice":
            value = Decimal(product.values["price"]) - Decimal(product.values["discount"])
        else:
            value = Decimal(product.values.get(name) or 0)
        return (low is None or value >= low) and (high is None or value <= high)

    return matches


_SORT: Final[dict[str, Callable[[Product], Any]]] = {
    "id": lambda product: product.id,
    "name": lambda product: (str(product.values["name"]).casefold(), product.id),
    "createdate": lambda product: (product.created_at, product.id),
    "modifydate": lambda product: (product.modified_at, product.id),
}
