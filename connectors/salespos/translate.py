"""From the wire to the shop's vocabulary and back: pure, and total over whatever the wire models accept.

What is believed without proof comes from :mod:`connectors.salespos.dialect`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from connectors import sense
from connectors.boundary import understood
from connectors.model import (
    ZERO,
    Address,
    Customer,
    DayTakings,
    LineKind,
    Payment,
    PaymentMethod,
    Product,
    ProductPatch,
    Sale,
    SaleLine,
    Store,
)
from connectors.port import Change, Rejected
from connectors.salespos import dialect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors.salespos import wire

_CENT: Final = Decimal("0.01")
_HALF_CENT: Final = Decimal("0.005")
_HUNDRED: Final = Decimal(100)
_COUNTRY_CODE: Final = 2


@dataclass(frozen=True, slots=True)
class Conventions:
    """What a shop decides about reading and writing: the percentage of each tariff, and what a gift voucher's number looks like."""

    tariffs: Mapping[str, Decimal] = field(default_factory=lambda: dialect.TARIFFS)
    voucher_pattern: str = dialect.VOUCHER_PATTERN

    @property
    def normal_rate(self) -> Decimal:
        """The VAT percentage of amounts that carry none."""
        return self.tariffs.get(dialect.NORMAL, dialect.TARIFFS[dialect.NORMAL])


# --- sales -----------------------------------------------------------------------------------------------------------------------


def change_of(order: wire.Order) -> Change[Sale]:
    """Return a listed order as a change; its version is a digest of what can change in a sale."""
    buyer = customer_of(order.customer, None)
    facts = (
        order.status,
        order.paid,
        order.total_price.normalize(),
        order.is_completed,
        order.paymethod,
        *((buyer.email, buyer.company, buyer.vat_number, buyer.organisation_number) if buyer else ()),
        order.is_intra_community_order,
        *(None if amount is None else amount.normalize() for amount in (order.total_discounts, order.total_shipping, order.extra_costs)),
    )
    version = hashlib.sha256("\x1f".join(map(str, facts)).encode()).hexdigest()[:16]
    return Change(order.id, order.create_date, version, listed_sale(order))


def listed_sale(order: wire.Order) -> Sale:
    """Return an order of a listing, without lines.

    A total with a fraction of a cent (weighed goods) is what a drawer or a card is charged: whole cents.
    """
    method = order.paymethod or ""
    paid, gross = order.paid is True, order.total_price.quantize(_CENT, ROUND_HALF_UP)
    return Sale(
        id=order.id,
        number=order.ordernumber_full or f"{order.ordernumber_prefix or ''}{order.ordernumber or ''}" or order.id,
        sold_at=order.create_date,
        gross=gross,
        currency=order.currency or dialect.CURRENCY,
        lines=(),
        payments=(Payment(method, order.paymethod_label or method, gross),) if paid and gross else (),
        customer=customer_of(order.customer, order.user.id if order.user else None),
        paid=paid,
        completed=order.is_completed is not False and order.status != dialect.CANCELLED,
        status=order.status or "",
        intra_community=order.is_intra_community_order is True,
        note=order.reservationnumber,
    )


def whole_sale(
    order: wire.Order,
    rows: Sequence[wire.OrderRow],
    conventions: Conventions,
    *,
    account: wire.User | None = None,
    skus: Mapping[str, str] = MappingProxyType({}),
) -> Sale:
    """Return an order with its lines.

    ``account`` is whose order it is, for an order that has no e-mail address of its own; ``skus`` maps ids of products to SKUs, for
    rows that carry none.

    The lines need not add up to ``gross``: whoever books the sale decides what a difference means.
    """
    sale = listed_sale(order)
    customer = (customer_of(account.userinfo, account.id, username=account.username) if account else None) or sale.customer
    return replace(sale, lines=tuple(_lines(order, rows, conventions, skus)), customer=customer)


def _lines(order: wire.Order, rows: Sequence[wire.OrderRow], conventions: Conventions, skus: Mapping[str, str]) -> Iterator[SaleLine]:
    net_rows = order.order_row_taxes_included is False
    bought: dict[Decimal, Decimal] = defaultdict(Decimal)
    for row in rows:
        sku = sku_of(row) or skus.get(row.product_id or "", "")
        line = _row_line(row, sku, net=net_rows, voucher_pattern=conventions.voucher_pattern)
        bought[line.vat_rate] += line.gross
        yield line
    normal = conventions.normal_rate
    if order.total_shipping:
        rate = normal if order.shipping_tax_percentage is None else order.shipping_tax_percentage
        yield _lump(LineKind.SHIPPING, "", _gross(order.total_shipping, rate, net=order.shipping_taxes_included is False), rate)
    if order.paymethod_costs:
        yield _lump(LineKind.FREE, order.paymethod_label or "", order.paymethod_costs, normal)
    if order.extra_payment_option_price:
        yield _lump(LineKind.FREE, order.extra_payment_option or "", order.extra_payment_option_price, normal)
    discounts = [("", order.total_discounts or ZERO)]
    if extra := order.extra_costs:
        text = order.extra_costs_description or ""
        if dialect.is_rounding(text):
            yield _lump(LineKind.ROUNDING, text, extra, ZERO)
        elif extra > 0:
            yield _lump(LineKind.FREE, text, extra, normal)
        else:
            discounts.append((text, -extra))
    for text, amount in discounts:
        if amount:
            for rate, share in dialect.spread(amount, bought, normal_rate=normal):
                yield _lump(LineKind.DISCOUNT, text, -share, rate)


def sku_of(row: wire.OrderRow) -> str:
    """Return the SKU that a row carries, a variant's own before its product's; empty where there is none."""
    return row.sub_product_number or row.sub_sku_number or row.product_number or ""


def _row_line(row: wire.OrderRow, sku: str, *, net: bool, voucher_pattern: str) -> SaleLine:
    """Return a row of an order; ``net`` says that its prices are without VAT."""
    return SaleLine(
        kind=dialect.kind_of_row(
            product_type=row.product_type, sku=sku, product_id=row.product_id, tax=row.tax, voucher_pattern=voucher_pattern
        ),
        text=row.product_name or "",
        quantity=row.count,
        unit_price=_gross(_unit_price(row), row.tax, net=net),
        vat_rate=row.tax,
        sku=sku,
        product_id=row.product_id,
    )


def _unit_price(row: wire.OrderRow) -> Decimal:
    """Return what one unit was sold for: the price that explains the row's own total, else that total for each unit."""
    prices = [] if row.price is None else [row.price - (row.discount or ZERO)]
    prices += [] if row.selling_price is None else [row.selling_price]
    total = row.total_price_with_attributes if row.total_extra_option_price else row.total_price
    if total is None or row.count == 0:
        return prices[0] if prices else ZERO
    explains = (price for price in prices if abs(price * row.count - total) <= _HALF_CENT)
    return next(explains, total / row.count)


def _gross(amount: Decimal, rate: Decimal, *, net: bool) -> Decimal:
    return amount * (_HUNDRED + rate) / _HUNDRED if net else amount


def _lump(kind: LineKind, text: str, amount: Decimal, rate: Decimal) -> SaleLine:
    """Return an amount as a line of one unit, or of minus one where it is negative."""
    return SaleLine(kind, text, Decimal(1).copy_sign(amount), abs(amount), rate)


# --- people ----------------------------------------------------------------------------------------------------------------------


def customer_of(person: wire.Person | None, user_id: str | None, *, username: str | None = None) -> Customer | None:
    """Return who bought, ``None`` where nothing says who.  ``username`` serves as e-mail address where there is no other."""
    billing = person.billingaddress if person else None
    delivery = person.deliveryaddress if person else None
    email = (person.email if person else None) or (username if "@" in (username or "") else None)
    name = _name(billing)
    company = billing.company if billing else None
    if not (email or name or company):
        return None
    invoice_address = _address(billing)
    delivery_address = _address(delivery)
    return Customer(
        id=user_id,
        email=email.strip().lower() if email else None,
        name=name,
        company=company,
        organisation_number=person.kvk if person else None,
        vat_number=person.btw if person else None,
        phone=(billing.telephone or billing.mobile) if billing else None,
        invoice_address=invoice_address,
        delivery_address=delivery_address if delivery_address not in (Address(), invoice_address) else None,
    )


def _name(address: wire.Address | None) -> str | None:
    if address is None:
        return None
    return address.full_name or " ".join(part for part in (address.first_name, address.last_name) if part) or None


def _address(address: wire.DeliveryAddress | None) -> Address:
    if address is None:
        return Address()
    house = f"{address.housenumber or ''}{address.housenumber_suffix or ''}"
    street = " ".join(part for part in (address.street, house) if part) if address.street else address.address_line_1
    country = address.country_code or address.country or ""
    return Address(street, address.zipcode, address.city, country.upper() if len(country) == _COUNTRY_CODE else None)


# --- products --------------------------------------------------------------------------------------------------------------------


def product_of(product: wire.Product, tariffs: Mapping[str, Decimal], categories: Iterable[str] = (), *, net: bool = False) -> Product:
    """Return an article that is in these categories; ``net`` says that the shop's prices are without VAT."""
    rate = tariffs.get(product.taxtariff or "", dialect.UNKNOWN_RATE)
    price = (product.price or ZERO) - (product.discount or ZERO)
    return Product(
        id=product.id,
        sku=product.productnumber or "",
        name=product.name or "",
        price=_gross(price, rate, net=True).quantize(_CENT, ROUND_HALF_UP) if net and rate >= 0 else price,
        vat_rate=rate,
        active=product.is_active is True,
        description=product.description,
        ean=product.eannumber,
        unit=product.unit,
        purchase_price=product.purchaseprice,
        categories=tuple(sorted(categories)),
        tracked=product.stockenabled is True,
        quantity=product.stock,
        changed_at=product.modifydate,
    )


def product_body(draft: ProductPatch, tariffs: Mapping[str, Decimal], *, net_at: Decimal | None = None) -> dict[str, Any]:
    """Return what is written of a product; nothing that the draft leaves out.

    ``net_at`` is the product's VAT percentage where the shop's prices are without VAT.

    Raises:
        Rejected: the till has no tariff with the draft's VAT rate, or the draft says what no shop has.
    """
    understood("product", partial(_sensible, draft), error=Rejected)
    tariff = None if draft.vat_rate is None else dialect.tariff_of(draft.vat_rate, tariffs)
    if draft.vat_rate is not None and tariff is None:
        raise Rejected(f"the till has no tariff of {draft.vat_rate} % VAT", code="taxtariff")
    price = draft.price
    if price is not None and net_at is not None:
        price = (price * _HUNDRED / (_HUNDRED + net_at)).quantize(dialect.NET_PRICE, ROUND_HALF_UP)
    body = {
        "productnumber": draft.sku,
        "active": draft.active,
        "eannumber": draft.ean,
        "name": draft.name,
        "description": draft.description,
        "taxtariff": tariff,
        "price": price,
        "discount": None if price is None else dialect.SAME_PRICE,
        "purchaseprice": draft.purchase_price,
        "unit": draft.unit,
        "stockenabled": draft.tracked,
        "stock": draft.quantity,
    }
    return {name: value for name, value in body.items() if value is not None}


def _sensible(draft: ProductPatch) -> None:
    sense.sellable("price", draft.price)
    sense.sellable("purchase price", draft.purchase_price)
    sense.chargeable("VAT rate", draft.vat_rate)
    sense.countable("stock", draft.quantity)


# --- the till itself -------------------------------------------------------------------------------------------------------------


def payment_method_of(method: wire.PayMethod) -> PaymentMethod:
    """Return a way to pay."""
    return PaymentMethod(method.id, method.method or "", method.label or method.method or "")


def store_of(webshop: wire.Webshop, settings: wire.Settings, resources: frozenset[str]) -> Store:
    """Return what the till says about itself."""
    left = webshop.product_limit_left
    unlimited = left is None or dialect.UNLIMITED in (left, webshop.product_limit)
    return Store(
        id=webshop.id,
        name=webshop.name or "",
        currency=settings.currency or dialect.CURRENCY,
        prices_include_vat=settings.prices_include_vat is not False,
        is_till=webshop.is_salespos is True,
        product_limit_left=None if unlimited else int(left or 0),
        resources=resources,
    )


def takings_of(cash_up: wire.CashUp) -> DayTakings:
    """Return a day closing."""
    return DayTakings(
        id=cash_up.id,
        number=cash_up.number_full or cash_up.id,
        opened_at=cash_up.start_period or cash_up.create_date,
        closed_at=None if cash_up.status == dialect.OPEN else cash_up.end_period,
        vat_totals=tuple((entry.tax, entry.total_ex, entry.total_tax, entry.total_inc) for entry in cash_up.vat_totals),
        balances=tuple((entry.paymethod, entry.expected, entry.counted) for entry in cash_up.balances),
    )
