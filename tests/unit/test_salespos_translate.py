"""From the till's wire to the shop's vocabulary and back."""

from __future__ import annotations

import ast
import inspect
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.bounded_json import from_json, to_json
from connectors.model import Address, LineKind, Payment, ProductPatch, Sale, SaleLine
from connectors.port import Rejected, Unreadable
from connectors.salespos import dialect, translate, wire

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
RULES = translate.Conventions()
CENTS = st.decimals(min_value=-5000, max_value=5000, places=2)


def order(**fields: Any) -> wire.Order:
    """Return an order as it comes over the wire."""
    base = {"id": 7, "ordernumber_full": "K-7", "create_date": "2025-03-01T09:00:00Z", "total_price": 0, "is_completed": True, "paid": True}
    return wire.read(wire.Order, from_json(to_json({**base, **fields})), "orders")


def row(**fields: Any) -> wire.OrderRow:
    """Return a row of an order as it comes over the wire."""
    base = {"id": 1, "product_type": "product", "product_name": "Tea", "product_number": "T1", "product_id": 4, "count": 1, "tax": 9}
    return wire.read(wire.OrderRow, from_json(to_json({**base, **fields})), "orderrows")


def sale(*rows: wire.OrderRow, **fields: Any) -> Sale:
    """Return an order with rows as a sale."""
    return translate.whole_sale(order(**fields), rows, RULES)


def only_line(**fields: Any) -> SaleLine:
    """Return the line of a sale with one row."""
    (line,) = sale(row(**fields)).lines
    return line


def test_a_whole_sale() -> None:
    """An order with its row, customer and payment arrives complete."""
    customer = {
        "email": "Ann@Example.NL",
        "btw": "NL000099998B57",
        "kvk": "12345678",
        "billingaddress": {
            "full_name": "Ann de Wit",
            "company": "Wit BV",
            "street": "Kade",
            "housenumber": 3,
            "housenumber_suffix": "b",
            "zipcode": "1000 AA",
            "city": "Assen",
            "country_code": "nl",
            "telephone": "",
            "mobile": "0611",
        },
    }
    found = sale(
        row(price=Decimal("4.50"), discount=Decimal("0.50"), count=2, total_price=8),
        total_price=8,
        paymethod="pin",
        paymethod_label="PIN",
        status=7,
        customer=customer,
        user={"id": "31"},
        is_intra_community_order=False,
    )
    assert (found.id, found.number, found.gross, found.currency, found.status) == ("7", "K-7", Decimal(8), "EUR", "7")
    assert found.sold_at == datetime(2025, 3, 1, 9, tzinfo=UTC)
    assert found.payments == (Payment("pin", "PIN", Decimal(8)),)
    assert found.lines == (SaleLine(LineKind.PRODUCT, "Tea", Decimal(2), Decimal(4), Decimal(9), "T1", "4"),)
    assert found.paid
    assert found.completed
    assert not found.intra_community
    buyer = found.customer
    assert buyer is not None
    assert (buyer.id, buyer.email, buyer.name, buyer.company) == ("31", "ann@example.nl", "Ann de Wit", "Wit BV")
    assert (buyer.vat_number, buyer.organisation_number, buyer.phone) == ("NL000099998B57", "12345678", "0611")
    assert buyer.invoice_address == Address("Kade 3b", "1000 AA", "Assen", "NL")
    assert buyer.delivery_address is None


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, LineKind.PRODUCT),
        ({"product_number": ""}, LineKind.PRODUCT),
        ({"product_id": 0}, LineKind.PRODUCT),
        ({"product_number": "", "product_id": None}, LineKind.FREE),
        ({"product_number": "", "product_id": 0}, LineKind.FREE),
        ({"product_type": "container_deposit", "tax": 0}, LineKind.FREE),
        ({"product_number": "GIFT_50", "tax": 0}, LineKind.VOUCHER),
        ({"product_number": "gift_wrap", "tax": 21}, LineKind.PRODUCT),
    ],
)
def test_what_a_row_stands_for(fields: dict[str, Any], kind: LineKind) -> None:
    """A row is a product, a manual line, a deposit (booked as a manual line) or a voucher sold."""
    assert only_line(price=1, total_price=1, **fields).kind is kind


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({"price": 595, "discount": 10, "selling_price": 585, "total_price": 585}, Decimal(585)),
        ({"price": Decimal("9.99"), "count": Decimal("0.335"), "total_price": Decimal("3.35")}, Decimal("9.99")),
        ({"price": 10, "selling_price": 9, "count": 3, "total_price": 27}, Decimal(9)),
        ({"price": 10, "count": 4, "total_price": 30}, Decimal("7.5")),
        ({"price": 10, "count": -2, "total_price": -20}, Decimal(10)),
        ({"price": 10, "total_extra_option_price": 2, "total_price": 10, "total_price_with_attributes": 12}, Decimal(12)),
        ({"price": "10.50", "discount": "", "total_price": None}, Decimal("10.50")),
        ({"selling_price": 3}, Decimal(3)),
        ({"price": 5, "count": 0, "total_price": 0}, Decimal(5)),
        ({}, Decimal(0)),
    ],
)
def test_unit_price_is_what_was_paid(fields: dict[str, Any], price: Decimal) -> None:
    """One unit costs price minus discount, unless the row's own total says otherwise."""
    assert only_line(**fields).unit_price == price


def test_a_variant_has_its_own_sku() -> None:
    """A row's SKU is its variant's, else its product's, else the one known for its product's id."""
    assert only_line(sub_product_number="T1-L", sub_sku_number="x").sku == "T1-L"
    assert only_line(sub_sku_number="x").sku == "x"
    (line,) = translate.whole_sale(order(), [row(product_number="")], RULES, skus={"4": "T9"}).lines
    assert (line.sku, line.product_id) == ("T9", "4")


def test_net_prices_become_gross() -> None:
    """Where a till counts without VAT, rows and shipping get theirs added; fractions of a cent stay."""
    found = sale(
        row(price=Decimal("0.99"), total_price=Decimal("0.99"), tax=21),
        total_shipping=10,
        shipping_tax_percentage=9,
        order_row_taxes_included=False,
        shipping_taxes_included=False,
    )
    assert [line.gross for line in found.lines] == [Decimal("1.1979"), Decimal("10.9")]


def test_shipping_carries_its_own_rate() -> None:
    """Shipping is a line at its percentage, at the normal rate where none is given."""
    assert sale(total_shipping=5, shipping_tax_percentage=0).lines == (SaleLine(LineKind.SHIPPING, "", Decimal(1), Decimal(5), Decimal(0)),)
    assert sale(total_shipping=5).lines[0].vat_rate == 21


def test_cash_rounding_is_told_from_other_costs() -> None:
    """Extra costs called Afronding are the cash rounding; others are costs, or a discount where they are negative."""
    (rounding,) = sale(extra_costs=Decimal("-0.02"), extra_costs_description="afronding ").lines
    assert (rounding.kind, rounding.gross, rounding.vat_rate) == (LineKind.ROUNDING, Decimal("-0.02"), Decimal(0))
    assert (rounding.quantity, rounding.unit_price) == (Decimal(-1), Decimal("0.02"))
    (costs,) = sale(extra_costs=2, extra_costs_description="Gift wrap").lines
    assert (costs.kind, costs.gross, costs.vat_rate, costs.text) == (LineKind.FREE, Decimal(2), Decimal(21), "Gift wrap")
    (discount,) = sale(extra_costs=-2, extra_costs_description="Regular").lines
    assert (discount.kind, discount.gross, discount.vat_rate, discount.text) == (LineKind.DISCOUNT, Decimal(-2), Decimal(21), "Regular")


def test_costs_of_payment_are_lines() -> None:
    """What a way of payment or an extra option costs is a line of its own."""
    found = sale(paymethod_costs=Decimal("0.35"), paymethod_label="Card", extra_payment_option="Insured", extra_payment_option_price=1)
    assert [(line.kind, line.text, line.gross) for line in found.lines] == [
        (LineKind.FREE, "Card", Decimal("0.35")),
        (LineKind.FREE, "Insured", 1),
    ]


def test_an_order_discount_follows_what_was_bought() -> None:
    """A discount on the order is spread over the rates of its rows; what came back in an exchange gets none of it."""
    bought = (row(price=30, total_price=30, tax=21), row(price=10, total_price=10, tax=9))
    found = sale(*bought, total_discounts=4, total_price=36)
    assert [(line.vat_rate, line.gross) for line in found.lines if line.kind is LineKind.DISCOUNT] == [
        (Decimal(21), Decimal(-3)),
        (Decimal(9), Decimal(-1)),
    ]
    exchange = (row(price=30, total_price=30, tax=21), row(price=29, total_price=-29, tax=9, count=-1))
    found = sale(*exchange, total_discounts=Decimal("0.10"))
    assert [(line.vat_rate, line.gross) for line in found.lines if line.kind is LineKind.DISCOUNT] == [(Decimal(21), Decimal("-0.10"))]
    assert [(line.vat_rate, line.gross) for line in sale(total_discounts=4).lines] == [(Decimal(21), Decimal(-4))]


@given(amount=CENTS, gross=st.dictionaries(st.sampled_from([Decimal(21), Decimal(9), Decimal(0)]), CENTS))
def test_shares_of_a_discount_add_up(amount: Decimal, gross: dict[Decimal, Decimal]) -> None:
    """However a discount is spread, not a cent is lost, every share has its sign, and none is zero."""
    assume(amount != 0)
    shares = dialect.spread(amount, gross, normal_rate=Decimal(21))
    assert sum(share for _, share in shares) == amount
    assert all(share * amount > 0 for _, share in shares)
    assert len({rate for rate, _ in shares}) == len(shares)


@given(
    rows=st.lists(st.tuples(st.integers(-9, 9), st.decimals(0, 500, places=2), st.sampled_from([0, 9, 21])), max_size=6),
    shipping=CENTS,
    discount=CENTS,
    extra=CENTS,
    description=st.sampled_from(["", "Afronding", "Wrapping"]),
)
def test_lines_add_up_to_the_parts_of_the_order(
    rows: list[tuple[int, Decimal, int]], shipping: Decimal, discount: Decimal, extra: Decimal, description: str
) -> None:
    """The lines of a sale come to rows + shipping − discount + extra costs, exactly."""
    wired = [row(count=count, price=price, tax=tax, total_price=count * price) for count, price, tax in rows]
    found = sale(*wired, total_shipping=shipping, total_discounts=discount, extra_costs=extra, extra_costs_description=description)
    expected = sum((count * price for count, price, _ in rows), Decimal(0)) + shipping - discount + extra
    assert sum((line.gross for line in found.lines), Decimal(0)) == expected


@given(count=st.decimals(-50, 50, places=3), price=st.decimals(0, 999, places=2), total=st.decimals(-9999, 9999, places=2))
def test_a_line_comes_to_its_rows_total(count: Decimal, price: Decimal, total: Decimal) -> None:
    """Whatever the unit price, a line is within half a cent of what the row says it came to."""
    assume(count != 0)
    assert abs(only_line(count=count, price=price, total_price=total).gross - total) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("30.000000000000004", "30"),
        ("2.5499999999999998", "2.55"),
        ("-0.33500000000000002", "-0.335"),
        ("30.005", "30.005"),
        ("0.333333333333", "0.333333333333"),
        ("99999999.5", "99999999.5"),
    ],
)
def test_noise_of_binary_arithmetic_is_dropped(sent: str, read: str) -> None:
    """Digits that come from the vendor's binary numbers are not taken for real ones; real fractions are kept."""
    assert order(total_price=Decimal(sent)).total_price == Decimal(read)
    assert product(price=sent).price == Decimal(read)


@pytest.mark.parametrize(
    ("fields", "payments"),
    [
        ({"total_price": 5, "paymethod": "pin", "paymethod_label": ""}, (Payment("pin", "pin", Decimal(5)),)),
        ({"total_price": -5, "paymethod": "cash"}, (Payment("cash", "cash", Decimal(-5)),)),
        ({"total_price": 5, "paymethod": ""}, (Payment("", "", Decimal(5)),)),
        ({"total_price": 5, "paid": False, "paymethod": "account"}, ()),
        ({"total_price": 5, "paid": None}, ()),
        ({"total_price": 0, "paymethod": "pin"}, ()),
    ],
)
def test_payments(fields: dict[str, Any], payments: tuple[Payment, ...]) -> None:
    """A paid sale has one payment of its total; nothing was paid on one that is not paid or comes to nothing."""
    assert sale(**fields).payments == payments


@pytest.mark.parametrize(
    ("fields", "completed"),
    [({}, True), ({"is_completed": None}, True), ({"is_completed": False}, False), ({"status": 8}, False), ({"status": "8"}, False)],
)
def test_a_cancelled_order_is_no_sale(fields: dict[str, Any], completed: bool) -> None:
    """An order that is not completed, or cancelled, is not to be booked."""
    assert sale(**fields).completed is completed


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"ordernumber_full": "", "ordernumber_prefix": "K", "ordernumber": 12}, "K12"),
        ({"ordernumber_full": None, "ordernumber": 0}, "7"),
        ({"ordernumber_full": 2024001}, "2024001"),
    ],
)
def test_every_sale_has_a_number(fields: dict[str, Any], number: str) -> None:
    """The receipt's number is the whole one, else its parts, else the id."""
    assert sale(**fields).number == number


@pytest.mark.parametrize("customer", [None, [], {}, "", {"email": "", "billingaddress": {"full_name": " ", "city": "Assen"}}])
def test_an_anonymous_sale_has_no_customer(customer: Any) -> None:
    """Nobody is made up from an empty object, from what PHP writes for one, or from a city alone."""
    assert sale(customer=customer).customer is None


def test_an_account_names_the_customer() -> None:
    """An order without an address of its own takes it from its account, whose user name serves as e-mail address."""
    account = wire.read(
        wire.User, {"id": 5, "username": "Bo@x.nl", "userinfo": {"billingaddress": {"first_name": "Bo", "last_name": "Os"}}}, "u"
    )
    found = translate.whole_sale(order(user={"id": 5}), (), RULES, account=account).customer
    assert found is not None
    assert (found.id, found.email, found.name) == ("5", "bo@x.nl", "Bo Os")
    nameless = wire.read(wire.User, {"id": 5, "username": "till"}, "u")
    assert translate.whole_sale(order(), (), RULES, account=nameless).customer is None


def test_a_delivery_address_of_its_own_is_kept() -> None:
    """A delivery address counts where it differs; a country is a code or nothing."""
    customer = {
        "email": "a@x.nl",
        "billingaddress": {"address_line_1": "Kade 1", "country": "Nederland"},
        "deliveryaddress": {"address_line_1": "Laan 2", "country": "be"},
    }
    found = sale(customer=customer).customer
    assert found is not None
    assert found.invoice_address == Address("Kade 1", None, None, None)
    assert found.delivery_address == Address("Laan 2", None, None, "BE")


@pytest.mark.parametrize(
    "change",
    [
        {"status": 5},
        {"paid": False},
        {"total_price": 9},
        {"is_completed": False},
        {"paymethod": "cash"},
        {"customer": {"email": "b@x.nl"}},
        {"customer": {"email": "a@x.nl", "btw": "NL100000009B01"}},
        {"is_intra_community_order": True},
        {"total_discounts": 1},
        {"extra_costs": Decimal("0.02")},
    ],
)
def test_a_change_that_matters_changes_the_version(change: dict[str, Any]) -> None:
    """Two states of a sale that are booked differently have different versions; how a number is written does not matter."""
    base = {"status": 7, "total_price": Decimal("8.00"), "paymethod": "pin", "customer": {"email": "a@x.nl"}}
    known = translate.change_of(order(**base))
    assert known.version != translate.change_of(order(**{**base, **change})).version
    assert known.version == translate.change_of(order(**{**base, "total_price": 8, "status": "7", "total_weight": 3})).version
    assert (known.id, known.moment, known.record.lines) == ("7", datetime(2025, 3, 1, 9, tzinfo=UTC), ())


@pytest.mark.parametrize(
    "fields", [{"create_date": ""}, {"create_date": "soon"}, {"total_price": ""}, {"total_price": "a lot"}, {"id": ""}]
)
def test_a_broken_order_is_refused_without_showing_it(fields: dict[str, Any]) -> None:
    """An order that lacks what it needs cannot be read, and the reason names the field and not its content."""
    with pytest.raises(Unreadable, match=re.escape(f"orders: {next(iter(fields))}:")) as caught:
        order(**fields)
    assert "a lot" not in str(caught.value)


def test_numbers_keep_their_digits() -> None:
    """A number arrives with exactly the digits sent, as integer, decimal or text."""
    assert [str(order(total_price=value).total_price) for value in (3, Decimal("3.10"), "3.10")] == ["3", "3.10", "3.10"]


def test_unknown_fields_do_no_harm() -> None:
    """A field that nobody knows here is passed over, and not kept: a record is never written back whole."""
    assert order(brand_new={"x": 1}) == order()


# --- products ---


def product(**fields: Any) -> wire.Product:
    """Return a product as it comes over the wire."""
    return wire.read(wire.Product, {"id": 3, **fields}, "products")


def test_a_product_is_read() -> None:
    """The price is what a customer pays, stock and its absence are kept apart, categories are in order."""
    wired = product(
        productnumber="T1",
        name="Tea",
        price=Decimal("4.50"),
        discount=Decimal("0.50"),
        taxtariff="low b",
        is_active=True,
        stockenabled=True,
        stock="",
        eannumber="",
        modifydate="2025-03-01T09:00:00Z",
    )
    found = translate.product_of(wired, dialect.TARIFFS, {"Tea", "Hot"})
    assert (found.id, found.sku, found.price, found.vat_rate, found.active) == ("3", "T1", Decimal(4), Decimal(9), True)
    assert (found.tracked, found.quantity, found.ean, found.categories) == (True, None, None, ("Hot", "Tea"))
    assert found.changed_at == datetime(2025, 3, 1, 9, tzinfo=UTC)


def test_one_odd_field_does_not_hide_a_product() -> None:
    """A product is read with whatever can be read of it; an unknown tariff has a rate that no article has."""
    found = translate.product_of(product(price="?", stock=[], taxtariff="huge"), dialect.TARIFFS)
    assert (found.price, found.quantity, found.vat_rate) == (Decimal(0), None, dialect.UNKNOWN_RATE)


def test_only_what_is_given_is_written() -> None:
    """What a draft leaves out is not sent; zero and no are values; a price takes the discount off."""
    draft = ProductPatch(price=Decimal("2.50"), vat_rate=Decimal("9.00"), active=False, quantity=Decimal(0), tracked=True)
    assert translate.product_body(draft, dialect.TARIFFS) == {
        "price": Decimal("2.50"),
        "discount": 0,
        "taxtariff": "low a",
        "active": False,
        "stock": 0,
        "stockenabled": True,
    }
    assert translate.product_body(ProductPatch(), dialect.TARIFFS) == {}


def test_a_rate_without_tariff_is_refused() -> None:
    """A VAT rate that the till does not know is never written as another."""
    with pytest.raises(Rejected, match="12 %"):
        translate.product_body(ProductPatch(vat_rate=Decimal(12)), dialect.TARIFFS)


# --- the till itself ---


def test_a_day_closing_is_read() -> None:
    """A closed one has its end, an open one none; lists of another shape than assumed are left out whole."""
    fields = {
        "id": 1,
        "number_full": "Z1",
        "create_date": "2025-03-01T18:00:00Z",
        "start_period": "2025-03-01T08:00:00Z",
        "end_period": "2025-03-01T18:00:00Z",
        "balances": [{"paymethod": "cash", "expected": 10, "counted": Decimal("9.95")}],
        "vat_totals": [{"tax": 21, "total_ex": 100, "total_tax": 21, "total_inc": 121}, {"rate": 9}],
    }
    closed = translate.takings_of(wire.read(wire.CashUp, {**fields, "status": "CLOSED"}, "c"))
    assert closed.closed_at == datetime(2025, 3, 1, 18, tzinfo=UTC)
    assert closed.balances == (("cash", Decimal(10), Decimal("9.95")),)
    assert closed.vat_totals == ()
    still_open = translate.takings_of(wire.read(wire.CashUp, {**fields, "status": "OPEN", "vat_totals": fields["vat_totals"][:1]}, "c"))  # type: ignore[index] # a list
    assert still_open.closed_at is None
    assert still_open.vat_totals == ((Decimal(21), Decimal(100), Decimal(21), Decimal(121)),)


@pytest.mark.parametrize(
    "payload",
    [
        ["orders", "products"],
        {"items": [{"href": "https://t/api/rest/v1/orders/"}, {"href": "/api/rest/v1/products"}]},
        {"orders": {"href": "https://t/api/rest/v1/orders/"}, "products": {"href": "https://t/api/rest/v1/products/"}},
        {"resources": [{"name": "orders"}, {"name": "products"}]},
    ],
)
def test_what_a_key_may_use_is_read_in_every_likely_shape(payload: Any) -> None:
    """The root names resources by address or by name."""
    assert dialect.resource_names(payload) == {"orders", "products"}


@pytest.mark.parametrize(
    ("api", "root"),
    [
        ("shop.ccvshop.nl", ("https://shop.ccvshop.nl", "/api/rest/v1")),
        ("http://127.0.0.1:81/", ("http://127.0.0.1:81", "/api/rest/v1")),
        ("https://shop.nl/api/rest/v1/", ("https://shop.nl", "/api/rest/v1")),
    ],
)
def test_a_till_is_named_by_host_or_address(api: str, root: tuple[str, str]) -> None:
    """A host is enough, the whole address is accepted."""
    assert dialect.root_of(api) == root


@pytest.mark.parametrize("api", ["", "https://", "shop.nl?x=1"])
def test_no_till_without_host(api: str) -> None:
    """What has no host is refused."""
    with pytest.raises(ValueError, match="neither a host"):
        dialect.root_of(api)


def test_every_belief_is_marked() -> None:
    """Each public constant and function of the dialect has a mark, each mark a symbol or a dotted name, and evidence a source."""
    tree = ast.parse(inspect.getsource(dialect))
    symbols = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    symbols |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    public = {name for name in symbols if not name.startswith("_")} - {"MARKS"}
    assert {name for name in dialect.MARKS if name.lower() != name or "." not in name} - {"cashup"} == public
    assert not [name for name, mark in dialect.MARKS.items() if mark.status is not dialect.Status.ASSUMED and not mark.source]
    assert {mark.status for mark in dialect.MARKS.values()} == set(dialect.Status)


# --- field lists ---

SAMPLES = {"int": 1, "float": 1.5, "bool": True, "string": "text", "object": {}, "array": []}
SCHEMAS = [
    (wire.Order, "Resource/Orders/Orders", "Order"),
    (wire.OrderUser, "Resource/Orders/Child/User", None),
    (wire.OrderRow, "Resource/Orderrows/Orderrows", "OrderRow"),
    (wire.Person, "Entity/Personalinfo/Personalinfo", None),
    (wire.Address, "Entity/Personalinfo/Child/Billingaddress", None),
    (wire.Product, "Resource/Products/Products", "Product"),
    (wire.Category, "Resource/Categories/Categories", "Category"),
    (wire.CategoryLink, "Resource/Producttocategories/Producttocategories", "ProductToCategory"),
    (wire.Package, "Resource/Packages/Packages", "Package"),
    (wire.PayMethod, "Resource/Paymethods/Paymethods", None),
    (wire.User, "Resource/Users/Users", "User"),
    (wire.Webshop, "Resource/Webshops/Webshops", "Webshop"),
    (wire.Settings, "Entity/Settings/Settings", "Setting"),
    (wire.Listing, "Resource/Collection/Orders/Orders", None),
    (wire.CashUp, None, "Cashup"),
]


def published(old: str | None, new: str | None) -> dict[str, str]:
    """Return the type of each published field; the newer list wins."""
    types: dict[str, str] = {}
    if old is not None:
        models = json.loads((REFERENCE / "salespos-webshop-fields-2022.json").read_text("utf-8"))["models"]
        types |= {entry["name"]: entry["type"].partition(":")[0].partition("<")[0] for entry in models[f"Vnd/Verto/Webshop/{old}"]}
    if new is not None:
        fields = json.loads((REFERENCE / "salespos-sdk-fields-2025.json").read_text("utf-8"))["resources"][new]["fields"]
        kinds = {"\\stdClass": "object", "\\DateTime": "date", "mixed": "object"}
        types |= {
            name: kinds.get(kind.lstrip("?"), kind.lstrip("?")) for name, kind in fields.items() if name not in types or "Date" in kind
        }
    return types


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the published field lists are not here")
@pytest.mark.parametrize(("model", "old", "new"), SCHEMAS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_fields_are_the_published_ones(model: type[wire.Wire], old: str | None, new: str | None) -> None:
    """Every field that is read exists under that name, and a value of its published type is taken for what it is."""
    types = published(old, new)
    assert set(model.model_fields) <= set(types)
    samples = {**SAMPLES, "date": "2025-03-01T09:00:00Z"}
    for name, field in model.model_fields.items():
        kind = "date" if "date" in name and types[name] == "string" else types[name]
        others = {
            other: "2025-03-01T09:00:00Z" if "date" in other else 1 for other, info in model.model_fields.items() if info.is_required()
        }
        read = getattr(wire.read(model, {**others, name: samples[kind]}, "sample"), name)
        assert kind in {"object", "array"} or read is not None, f"{name}: {kind} became {field.annotation}"


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the published field lists are not here")
def test_what_is_written_of_a_product_is_published() -> None:
    """Every field that is written is one that the vendor takes."""
    models = json.loads((REFERENCE / "salespos-webshop-fields-2022.json").read_text("utf-8"))["models"]
    accepted = {entry["name"] for entry in models["Internal/Resource/Products/Post/Post"]}
    full = ProductPatch("s", "n", Decimal(1), Decimal(21), True, "d", "e", "u", Decimal(1), (), True, Decimal(1))
    body = translate.product_body(full, dialect.TARIFFS)
    assert set(body) <= accepted
    assert len(body) == 12


@given(price=st.decimals(min_value=0, max_value=99999, places=2), rate=st.sampled_from([Decimal(21), Decimal(9), Decimal(0)]))
def test_a_price_survives_a_till_that_means_net_prices(price: Decimal, rate: Decimal) -> None:
    """Written without VAT and read back, it is the same to the cent: nothing is written again for it."""
    body = translate.product_body(ProductPatch(price=price, vat_rate=rate), dialect.TARIFFS, net_at=rate)
    assert body["price"] <= price
    shown = wire.read(wire.Product, {"id": 1, "taxtariff": body["taxtariff"], "price": body["price"], "discount": 0}, "product")
    assert translate.product_of(shown, dialect.TARIFFS, net=True).price == price


def test_a_net_price_without_a_known_rate_is_left_as_it_is() -> None:
    """Nobody knows what to add; the rate that differs has the books' price written."""
    shown = wire.read(wire.Product, {"id": 1, "taxtariff": "unheard of", "price": 5, "discount": 1}, "product")
    assert translate.product_of(shown, dialect.TARIFFS, net=True).price == 4
