"""The JSON of SalesPOS: exact to the digit, and read leniently where the vendor is known to be loose.

Identifiers come as integers or strings and are strings here.  Numbers come as integers, decimals or strings and are decimals of exactly
the digits sent, except for digits that only binary arithmetic explains.  An empty string stands for nothing, and so does the empty list
that PHP writes for an object without content.
Fields that are not named here are ignored: nothing is written back whole.  What a shop cannot have is refused (:mod:`connectors.sense`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable  # noqa: TC003 - pydantic reads the annotations of validators at run time
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from connectors import sense
from connectors.boundary import Bad, attempt, name_of, understood
from connectors.port import Unreadable
from connectors.salespos import dialect

#: a hundred and fifty are asked for; a page of more records than this is none
_MOST_ITEMS: Final = 1_000
_ID: Final = StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
_TEXT: Final = StringConstraints(max_length=20_000)


def as_sent(number: str) -> int | str:
    """Return an identifier as the wire wants it: a whole number where it is one."""
    return int(number) if number.isascii() and number.isdecimal() else number


def _nothing_as_none(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        return None
    return None if value in ([], {}) else value


def _as_text(value: Any) -> Any:
    value = _nothing_as_none(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(sense.number(value))
    return value


def _as_id(value: Any) -> Any:
    if isinstance(value, Decimal):  # a fraction: nothing can be asked for by it
        raise sense.nonsense("id_not_readable")
    return _as_text(value)


def _as_reference(value: Any) -> Any:
    value = _as_text(value)
    return None if value == "0" else value


def _of(read: Callable[[Any], Decimal]) -> Callable[[Any], Decimal]:
    return lambda value: dialect.without_noise(read(value))


def _or_nothing(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    def maybe(value: Any) -> T | None:
        value = _nothing_as_none(value)
        return None if value is None else read(value)

    return maybe


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return attempt(lambda: handler(value), None)


def _or_empty(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return _or_none(value, handler) or ()


T = TypeVar("T")
#: an identifier that must be there
Id = Annotated[str, _ID, BeforeValidator(_as_id)]
#: an identifier of another record; 0 is none
Reference = Annotated[Annotated[str, _ID] | None, BeforeValidator(_as_reference)]
#: what something is told apart by
Key = Annotated[Annotated[str, _ID] | None, BeforeValidator(_as_text)]
Text = Annotated[Annotated[str, _TEXT] | None, BeforeValidator(_as_text)]
Amount = Annotated[Decimal | None, PlainValidator(_or_nothing(_of(sense.amount)))]
Rate = Annotated[Decimal | None, PlainValidator(_or_nothing(_of(sense.rate)))]
#: figures without which the record means nothing
Sum = Annotated[Decimal, PlainValidator(_of(sense.amount))]
Count = Annotated[Decimal, PlainValidator(_of(sense.quantity))]
Percentage = Annotated[Decimal, PlainValidator(_of(sense.rate))]
Flag = Annotated[bool | None, BeforeValidator(_nothing_as_none)]
Moment = Annotated[datetime | None, PlainValidator(_or_nothing(sense.moment))]
Instant = Annotated[datetime, PlainValidator(sense.moment)]
#: read where the other side is master: what cannot be read is unknown, differs, and is written anew
LooseReference = Annotated[Reference, WrapValidator(_or_none)]
LooseKey = Annotated[Key, WrapValidator(_or_none)]
LooseText = Annotated[Text, WrapValidator(_or_none)]
LooseAmount = Annotated[Amount, WrapValidator(_or_none)]
LooseQuantity = Annotated[Decimal | None, PlainValidator(_or_nothing(_of(sense.quantity))), WrapValidator(_or_none)]
LooseFlag = Annotated[Flag, WrapValidator(_or_none)]
LooseMoment = Annotated[Moment, WrapValidator(_or_none)]


class Wire(BaseModel):
    """What all records share."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=Wire)


def read(record: type[M], payload: Any, what: str) -> M:
    """Read a record; ``what`` names it to a person.

    Raises:
        Unreadable: a field that is needed is missing, wrong or makes no sense; the text names the field and never holds its content.
    """
    return understood(what, partial(record.model_validate, payload))


def sift(record: type[M], items: tuple[Any, ...], what: str) -> tuple[tuple[M, ...], tuple[Bad, ...]]:
    """Read the records of a page, those that can be read and those that cannot."""
    good: list[M] = []
    bad: list[Bad] = []
    given = Counter[str]()
    for item in items:
        try:
            good.append(read(record, item, what))
        except Unreadable as error:
            moment = attempt(partial(_moment_of, item), None)
            bad.append(Bad(name_of(item, "id", given), moment, error.text))
    return tuple(good), tuple(bad)


def _moment_of(item: Any) -> datetime:
    return sense.moment(item["create_date"])


class Listing(Wire):
    """A page of a listing."""

    items: Annotated[tuple[Any, ...], Field(max_length=_MOST_ITEMS), BeforeValidator(lambda value: value or ())] = ()
    next: Text = None


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
    ordernumber_prefix: Key = None
    ordernumber: Reference = None
    ordernumber_full: Key = None
    create_date: Instant
    status: Key = None
    is_completed: Flag = None
    paid: Flag = None
    paymethod: Key = None
    paymethod_label: Text = None
    order_row_taxes_included: Flag = None
    shipping_taxes_included: Flag = None
    shipping_tax_percentage: Rate = None
    is_intra_community_order: Flag = None
    total_shipping: Amount = None
    total_discounts: Amount = None
    total_price: Sum
    currency: Key = None
    extra_payment_option: Text = None
    extra_payment_option_price: Amount = None
    paymethod_costs: Amount = None
    extra_costs: Amount = None
    extra_costs_description: Text = None
    reservationnumber: Text = None
    user: Annotated[OrderUser | None, BeforeValidator(_nothing_as_none)] = None
    customer: Annotated[Person | None, BeforeValidator(_nothing_as_none)] = None


class OrderRow(Wire):
    """A line of a sale; prices are for one unit, ``tax`` is a percentage."""

    id: Reference = None
    product_type: Key = None
    product_name: Text = None
    product_number: Key = None
    sub_product_number: Key = None
    sub_sku_number: Key = None
    product_id: Reference = None
    count: Count
    price: Amount = None
    discount: Amount = None
    tax: Percentage
    selling_price: Amount = None
    total_price: Amount = None
    total_extra_option_price: Amount = None
    total_price_with_attributes: Amount = None


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
    productnumber: LooseKey = None
    eannumber: LooseText = None
    name: LooseText = None
    description: LooseText = None
    taxtariff: LooseText = None
    price: LooseAmount = None
    discount: LooseAmount = None
    purchaseprice: LooseAmount = None
    unit: LooseText = None
    stockenabled: LooseFlag = None
    stock: LooseQuantity = None


class Made(Wire):
    """What a creation is answered with; whether it holds the id is up to the till."""

    id: LooseReference = None


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
    method: Key = None
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
    product_limit: LooseQuantity = None
    product_limit_left: LooseQuantity = None


class Settings(Wire):
    """Settings of the tenant."""

    currency: Key = None
    prices_include_vat: Flag = None


class Balance(Wire):
    """What a way of payment took in until a day closing (assumed, see the dialect)."""

    paymethod: Id
    expected: Sum
    counted: Sum


class VatTotal(Wire):
    """What was sold at one VAT percentage until a day closing (assumed, see the dialect)."""

    tax: Percentage
    total_ex: Sum
    total_tax: Percentage
    total_inc: Sum


class CashUp(Wire):
    """A day closing.  A list whose elements are not as assumed is left out whole rather than read by half."""

    id: Id
    number_full: Text = None
    create_date: Instant
    start_period: Moment = None
    end_period: Moment = None
    status: Key = None
    balances: Annotated[tuple[Balance, ...], WrapValidator(_or_empty)] = ()
    vat_totals: Annotated[tuple[VatTotal, ...], WrapValidator(_or_empty)] = ()
