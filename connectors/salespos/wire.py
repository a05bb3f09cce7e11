"""The JSON of SalesPOS: exact to the digit, and read leniently where the vendor is known to be loose.

Identifiers come as integers or strings and are strings here.  Numbers come as integers, decimals or strings and are decimals of exactly
the digits sent, except for digits that only binary arithmetic explains.  An empty string stands for nothing, and so does the empty list
that PHP writes for an object without content.
Fields that are not named here are kept.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from connectors.port import Unreadable
from connectors.salespos import dialect


def as_sent(number: str) -> int | str:
    """Return an identifier as the wire wants it: a whole number where it is one."""
    return int(number) if number.isdecimal() else number


def _nothing_as_none(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        return None
    return None if value in ([], {}) else value


def _as_text(value: Any) -> Any:
    value = _nothing_as_none(value)
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def _as_reference(value: Any) -> Any:
    value = _as_text(value)
    return None if value == "0" else value


def _in_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _without_noise(value: Decimal | None) -> Decimal | None:
    return None if value is None else dialect.without_noise(value)


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


def _or_empty(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return _or_none(value, handler) or ()


#: an identifier that must be there
Id = Annotated[str, BeforeValidator(_as_text)]
#: an identifier of another record; 0 is none
Reference = Annotated[str | None, BeforeValidator(_as_reference)]
Text = Annotated[str | None, BeforeValidator(_as_text)]
Number = Annotated[Decimal | None, BeforeValidator(_nothing_as_none), AfterValidator(_without_noise)]
#: a number without which the record means nothing
Figure = Annotated[Decimal, BeforeValidator(_nothing_as_none), AfterValidator(_without_noise)]
Flag = Annotated[bool | None, BeforeValidator(_nothing_as_none)]
Moment = Annotated[datetime | None, BeforeValidator(_nothing_as_none), AfterValidator(_in_utc)]
Instant = Annotated[datetime, AfterValidator(_in_utc)]
#: read where the other side is master: what cannot be read is unknown, differs, and is written anew
LooseText = Annotated[Text, WrapValidator(_or_none)]
LooseNumber = Annotated[Number, WrapValidator(_or_none)]
LooseFlag = Annotated[Flag, WrapValidator(_or_none)]
LooseMoment = Annotated[Moment, WrapValidator(_or_none)]


class Wire(BaseModel):
    """What all records share."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=Wire)


def read(record: type[M], payload: Any, what: str) -> M:
    """Read a record; ``what`` names it to a person.

    Raises:
        Unreadable: a field that is needed is missing or wrong; the text names the field and never holds its content.
    """
    try:
        return record.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "record"
        raise Unreadable(f"{what}: {field}: {first['type']}") from error


class Listing(Wire):
    """A page of a listing."""

    items: Annotated[tuple[Any, ...], BeforeValidator(lambda value: value or ())] = ()
    next: Text = None


class Glimpse(Wire):
    """What can be told of a record that cannot be read."""

    id: LooseText = None
    create_date: LooseMoment = None


class DeliveryAddress(Wire):
    """Where something is brought."""

    full_name: Text = None
    company: Text = None
    address_line_1: Text = None
    street: Text = None
    housenumber: Text = None
    housenumber_suffix: Text = None
    zipcode: Text = None
    city: Text = None
    country: Text = None
    country_code: Text = None
    telephone: Text = None
    mobile: Text = None


class Address(DeliveryAddress):
    """A billing address, which tells the parts of a name too."""

    first_name: Text = None
    last_name: Text = None


class Person(Wire):
    """Who bought (``customer`` of an order, ``userinfo`` of a user)."""

    billingaddress: Annotated[Address | None, BeforeValidator(_nothing_as_none)] = None
    deliveryaddress: Annotated[DeliveryAddress | None, BeforeValidator(_nothing_as_none)] = None
    email: Text = None
    btw: Text = None
    kvk: Text = None


class OrderUser(Wire):
    """The account with which an order was made."""

    id: Reference = None


class Order(Wire):
    """A sale."""

    id: Id
    ordernumber_prefix: Text = None
    ordernumber: Reference = None
    ordernumber_full: Text = None
    create_date: Instant
    status: Text = None
    is_completed: Flag = None
    paid: Flag = None
    paymethod: Text = None
    paymethod_label: Text = None
    order_row_taxes_included: Flag = None
    shipping_taxes_included: Flag = None
    shipping_tax_percentage: Number = None
    is_intra_community_order: Flag = None
    total_shipping: Number = None
    total_discounts: Number = None
    total_price: Figure
    currency: Text = None
    extra_payment_option: Text = None
    extra_payment_option_price: Number = None
    paymethod_costs: Number = None
    extra_costs: Number = None
    extra_costs_description: Text = None
    reservationnumber: Text = None
    user: Annotated[OrderUser | None, BeforeValidator(_nothing_as_none)] = None
    customer: Annotated[Person | None, BeforeValidator(_nothing_as_none)] = None


class OrderRow(Wire):
    """A line of a sale; prices are for one unit, ``tax`` is a percentage."""

    id: Reference = None
    product_type: Text = None
    product_name: Text = None
    product_number: Text = None
    sub_product_number: Text = None
    sub_sku_number: Text = None
    product_id: Reference = None
    count: Figure
    price: Number = None
    discount: Number = None
    tax: Figure
    selling_price: Number = None
    total_price: Number = None
    total_extra_option_price: Number = None
    total_price_with_attributes: Number = None


class CategoryLink(Wire):
    """That a product is in a category."""

    id: Reference = None
    product_id: Reference = None
    category_id: Reference = None


class Product(Wire):
    """An article of the till."""

    id: Id
    is_active: LooseFlag = None
    modifydate: LooseMoment = None
    productnumber: LooseText = None
    eannumber: LooseText = None
    name: LooseText = None
    description: LooseText = None
    taxtariff: LooseText = None
    price: LooseNumber = None
    discount: LooseNumber = None
    purchaseprice: LooseNumber = None
    unit: LooseText = None
    stockenabled: LooseFlag = None
    stock: LooseNumber = None


class Category(Wire):
    """A category of products."""

    id: Id
    name: Text = None


class Package(Wire):
    """How a product is packed; every product needs one."""

    id: Id


class PayMethod(Wire):
    """A way to pay."""

    id: Id
    method: Text = None
    label: Text = None


class User(Wire):
    """A customer with an account."""

    id: Id
    username: Text = None
    status: Flag = None
    userinfo: Annotated[Person | None, BeforeValidator(_nothing_as_none)] = None


class Webshop(Wire):
    """The till as a tenant of the platform."""

    id: Id
    name: Text = None
    is_salespos: Flag = None
    product_limit: Number = None
    product_limit_left: Number = None


class Settings(Wire):
    """Settings of the tenant."""

    currency: Text = None
    prices_include_vat: Flag = None


class Balance(Wire):
    """What a way of payment took in until a day closing (assumed, see the dialect)."""

    paymethod: Id
    expected: Figure
    counted: Figure


class VatTotal(Wire):
    """What was sold at one VAT percentage until a day closing (assumed, see the dialect)."""

    tax: Figure
    total_ex: Figure
    total_tax: Figure
    total_inc: Figure


class CashUp(Wire):
    """A day closing.  A list whose elements are not as assumed is left out whole rather than read by half."""

    id: Id
    number_full: Text = None
    create_date: Instant
    start_period: Moment = None
    end_period: Moment = None
    status: Text = None
    balances: Annotated[tuple[Balance, ...], WrapValidator(_or_empty)] = ()
    vat_totals: Annotated[tuple[VatTotal, ...], WrapValidator(_or_empty)] = ()
