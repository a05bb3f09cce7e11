"""How the till's records look on the wire: every field of the field lists, addresses absolute."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import EXPANDABLE, TARIFFS, without_vat
from connectors.sandbox.salespos.fields import MODELS, blank
from connectors.sandbox.salespos.signing import write_date
from connectors.sandbox.salespos.wire import ROOT, Raw, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.salespos.sales import Order, Row
    from connectors.sandbox.salespos.till import Product, Till
    from connectors.sandbox.world import WorldCustomer

_CHILDREN: Final = (
    "orderrows", "ordernotes", "ordermessages", "ordernotifications", "orderaffiliatenetworks", "orderlabels", "terminalreceipts",
    "fiscaltransactionsignatures", "invoices",
)  # fmt: skip
_COUNTRY: Final = {
    "NL": "Nederland", "BE": "België", "DE": "Duitsland", "FR": "Frankrijk", "GB": "Verenigd Koninkrijk", "IE": "Ierland",
    "ES": "Spanje", "PT": "Portugal", "IT": "Italië", "AT": "Oostenrijk", "NO": "Noorwegen", "US": "Verenigde Staten",
}  # fmt: skip
_NO_WEIGHT: Final = Decimal(0)


_COLLECTIONS: Final = tuple(
    name for name, kind in MODELS["product"].items() if kind.startswith("object") and (name.startswith("product") or name in EXPANDABLE)
)


class Shapes:
    """Writes records for one till."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self._empty = till.switches.empty_strings
        self._write = Writer(till.switches).dumps

    def order(self, order: Order, base: str) -> Raw:
        """Show an order; what was shown is kept until the order changes."""
        if base not in order.shown:
            order.shown[base] = self._write(self._order(order, f"{base}/orders/{order.id}", base))
        return Raw(order.shown[base])

    def product(self, product: Product, base: str) -> Raw:
        """Show a product; what was shown is kept until the product changes."""
        if base not in product.shown:
            product.shown[base] = self._write(self._product(product, f"{base}/products/{product.id}"))
        return Raw(product.shown[base])

    def product_expanded(self, product: Product, base: str, expand: frozenset[str]) -> dict[str, Any]:
        """Show a product with the collections in ``expand`` inside it."""
        shown = self._product(product, f"{base}/products/{product.id}")
        links = [self.link(row, base) for row in self._till.links.rows.values() if row["product_id"] == product.id]
        for name in expand:
            shown[name] = {**shown[name], "collection": links if name == "producttocategories" else []}
        return shown

    def row(self, row: Row, order: Order, base: str) -> dict[str, Any]:
        """Show a row of an order.  (reference: original_price was seen equal to selling_price in a real order)."""
        shown = self._blank("orderrow")
        product = self._till.products.get(row.product_id) if row.product_id is not None else None
        meant = self._meant
        selling, price, total = meant(row.selling_price, row.tax), meant(row.price, row.tax), meant(row.total, row.tax)
        shown.update(
            href=f"{base}/orderrows/{row.id}",
            id=row.id,
            order_id=order.id,
            product_type="product",
            product_name=row.name,
            product_name_google=row.name,
            product_number="" if self._till.switches.rows_without_numbers else row.number,
            product_id=row.product_id,
            product_href=f"{base}/products/{row.product_id}" if row.product_id is not None else None,
            count=row.count,
            price=price,
            product_purchase_price=product.values.get("purchaseprice", 0) if product is not None else 0,
            discount=price - selling,
            custom_price=False,
            tax=row.tax,
            unit="stuk",
            weight=0,
            package_id=1,
            package_name=self._till.packages.rows[1]["name"],
            user_discount=0,
            original_price=selling,
            selling_price=selling,
            price_without_discount=price,
            price_without_discount_with_attributes=price,
            total_price=total,
            total_extra_option_price=0,
            price_with_attributes=selling,
            total_price_with_attributes=total,
            attributes=[],
            uploads=[],
            parent={"href": f"{base}/orders/{order.id}"},
        )
        return shown

    def user(self, number: int, base: str) -> dict[str, Any]:
        """Show a customer with an account."""
        href = f"{base}/users/{number}"
        customer = self._till.customers.get(number)
        if customer is None:
            shown = {**self._till.users.rows[number]}
            shown["userinfo"] = self._given(shown["userinfo"])
        else:
            shown = self._blank("user")
            shown.update(id=number, username=customer.email, status=True, approval_status="approved", userinfo=self._person(customer))
        shown["href"] = href
        for child in ("creditpoints", "creditpointmutations", "disabledpaymethods"):
            shown[child] = {"href": f"{href}/{child}"}
        shown["parent"] = {"href": f"{base}/users"}
        return shown

    def category(self, row: dict[str, Any], base: str) -> dict[str, Any]:
        """Show a category."""
        href = f"{base}/categories/{row['id']}"
        parent = row["parentcategory"]
        return {
            **row,
            "href": href,
            "producttocategories": {"href": f"{href}/producttocategories"},
            "categories": {"href": f"{href}/categories"},
            "parentcategory": {"id": parent, "href": f"{base}/categories/{parent}"} if parent else None,
            "parent": {"href": f"{base}/categories"},
        }

    def link(self, row: dict[str, Any], base: str) -> dict[str, Any]:
        """Show a product's place in a category."""
        return {
            **row,
            "href": f"{base}/producttocategories/{row['id']}",
            "product_href": f"{base}/products/{row['product_id']}",
            "category_href": f"{base}/categories/{row['category_id']}",
        }

    def plain(self, resource: str) -> Callable[[dict[str, Any], str], dict[str, Any]]:
        """Return what shows a row of a small table with its addresses."""

        def show(row: dict[str, Any], base: str) -> dict[str, Any]:
            shown = {**row, "href": f"{base}/{resource}/{row['id']}"}
            if "parent" in shown:
                shown["parent"] = {"href": f"{base}/{resource}"}
            return shown

        return show

    def paymethod(self, entry: tuple[int, str, str, str], _base: str) -> dict[str, Any]:
        """Show a way to pay."""
        number, psp, method, label = entry
        shown = self._blank("paymethod")
        shown.update(id=number, psp=psp, method=method, combined_name=f"{psp}_{method}", label=label)
        return shown

    def webshop(self, base: str) -> dict[str, Any]:
        """Show what the till says of itself."""
        till = self._till
        limit = till.switches.product_limit
        shown = self._blank("webshop")
        shown.update(
            href=f"{base}/webshops/1",
            id=1,
            create_date=write_date(till.opened_at),
            name=till.name,
            is_multishop_system=False,
            is_salespos=till.switches.is_salespos,
            product_limit=limit,
            product_limit_left=limit if limit < 0 else max(0, limit - len(till.products)),
            api_root=base.removesuffix(ROOT),
            webshops={"href": f"{base}/webshops/1/webshops"},
            parent={"href": f"{base}/webshops"},
        )
        return shown

    def settings(self, base: str) -> dict[str, Any]:
        """Show the till's settings."""
        shown = self._blank("settings")
        shown.update(
            href=f"{base}/webshops/1/settings",
            webshop_enabled=True,
            currency=self._till.world.currency,
            default_vat_rat=21,
            prices_include_vat=self._till.switches.prices_include_vat,
            languages=["nl"],
            backend_language="nl",
            stock=True,
            ordering_without_stock="YES",
            stock_level_warnings={"low_threshold": 5, "high_threshold": 20},
            checkout_type=[],
            order_status=[
                {"id": 7, "status": "Completed", "status_name": "Afgerond", "text_color": "#000000", "background_color": "#ffffff"}
            ],
            parent={"href": f"{base}/webshops/1"},
        )
        return shown

    def _meant(self, gross: Decimal, rate: Decimal) -> Decimal:
        """Return an amount as this till means its prices."""
        return gross if self._till.switches.prices_include_vat else without_vat(gross, rate)

    def _blank(self, model: str) -> dict[str, Any]:
        return blank(model, empty_strings=self._empty)

    def _order(self, order: Order, href: str, base: str) -> dict[str, Any]:
        number, _, _, label = self._till.paymethods[order.paymethod] if order.paymethod is not None else (0, "", "", "")
        shown = self._blank("order")
        shown.update(
            href=href,
            id=order.id,
            ordernumber_prefix="",
            ordernumber=order.number,
            ordernumber_full=order.number_full,
            transaction_id=f"T{order.id}" if order.paymethod in ("pin", "ideal") and order.paid else "",
            create_date=write_date(order.created_at),
            deliver_method="pickup",
            deliver_date=None,
            take_out_window={"start": None, "end": None},
            is_platform_sale=False,
            orderedinlng="nl",
            status=order.status,
            is_completed=order.completed,
            basket_href=None,
            checkout_href=None,
            paid=order.paid,
            paymethod_id=number,
            paymethod=order.paymethod or "",
            paymethod_label=label,
            taxes_included=True,
            order_row_taxes_included=self._till.switches.prices_include_vat,
            shipping_taxes_included=self._till.switches.prices_include_vat,
            shipping_tax_percentage=order.shipping_rate,
            is_intra_community_order=order.intra_community,
            total_orderrow_price=sum((self._meant(row.total, row.tax) for row in order.rows), Decimal(0)),
            total_shipping=self._meant(order.shipping, order.shipping_rate),
            total_discounts=order.discounts,
            total_price=order.total,
            currency=self._till.world.currency,
            total_tax=sum((vat for _, vat in order.vat_by_rate().values()), Decimal(0)),
            total_weight=_NO_WEIGHT,
            paymethod_costs=order.paymethod_costs,
            extra_costs=order.extra,
            extra_costs_description=order.extra_text,
            user=self._order_user(order, base),
            discountcoupon=self._blank("order.discountcoupon"),
            customer=self._customer(order),
            pickup_address=None,
        )
        shown.update({name: value for name, value in order.details.items() if name in shown})
        shown.update({child: {"href": f"{href}/{child}"} for child in _CHILDREN})
        return shown

    def _order_user(self, order: Order, base: str) -> dict[str, Any]:
        """[V] order.user.id came back as a string in a real order."""
        if order.user_id is None:
            return {"id": None, "discount_percentage": None, "href": None}
        return {"id": str(order.user_id), "discount_percentage": 0, "href": f"{base}/users/{order.user_id}"}

    def _customer(self, order: Order) -> dict[str, Any]:
        if order.customer is not None:
            return self._person(order.customer)
        return self._given(order.customer_given)

    def _given(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """Show a person as another system gave him."""
        known = given or {}
        shown = {**self._blank("person"), "customertype": "b2c", **known}
        for address in ("billingaddress", "deliveryaddress"):
            shown[address] = {**self._blank(address), **(known.get(address) or {})}
        return shown

    def _person(self, customer: WorldCustomer) -> dict[str, Any]:
        first, _, last = customer.name.partition(" ")
        street, house, suffix = _split_street(customer.street)
        place = {
            "initials": first[:1] + ".",
            "full_name": customer.name,
            "company": customer.company or "",
            "address_line_1": customer.street,
            "street": street,
            "housenumber": house,
            "housenumber_suffix": suffix,
            "zipcode": customer.postal_code,
            "city": customer.city,
            "country": _COUNTRY.get(customer.country, customer.country),
            "country_code": customer.country,
            "telephone": customer.phone or "",
        }
        shown = self._blank("person")
        shown.update(
            billingaddress={**self._blank("billingaddress"), **place, "first_name": first, "last_name": last},
            deliveryaddress={**self._blank("deliveryaddress"), **place},
            email=customer.email,
            customertype="b2b" if customer.company else "b2c",
            btw=customer.vat_number or "",
            kvk=customer.organisation_number or "",
        )
        return shown

    def _product(self, product: Product, href: str) -> dict[str, Any]:
        values = product.values
        shown = self._blank("product")
        shown.update({name: value for name, value in values.items() if name in shown and MODELS["product"][name].rstrip("?") != "object"})
        tracked = bool(values.get("stockenabled", False))
        package = values["package_id"]
        shown.update(
            href=href,
            id=product.id,
            is_active=values.get("active", True),
            createdate=write_date(product.created_at),
            modifydate=write_date(product.modified_at),
            taxtariff=values.get("taxtariff", "normal"),
            vatrate=TARIFFS[values.get("taxtariff", "normal")],
            stockenabled=tracked,
            stocktype=values.get("stocktype", "product"),
            stock=values.get("stock"),
            ordering_without_stock=values.get("ordering_without_stock", "global_setting"),
            minimal_order_amount=values.get("minimal_order_amount", 1),
            package={"href": f"{href.rpartition('/products/')[0]}/packages/{package}", "id": package},
            is_visible=values.get("active", True),
            can_be_ordered=values.get("active", True),
            webshops={"href": f"{href}/webshops"},
            **{child: {"href": f"{href}/{child}"} for child in _COLLECTIONS},
        )
        shown["productshippingcosts"] |= {"costs": 0, "default_country": "", "quantity": 0}
        return shown


def _split_street(text: str) -> tuple[str, int | None, str]:
    """Split "Kerkstraat 12 bis" into street, number and what follows it; without a number all of it is the street."""
    match = re.fullmatch(r"(.*\D)\s+(\d{1,9})\s*(\D.*)?", text)
    return (match[1], int(match[2]), match[3] or "") if match else (text, None, "")
