"""The shop's own vocabulary, shared by every connector and flow.

Frozen dataclasses without behaviour beyond derived sums.  Amounts are :class:`~decimal.Decimal` in the major unit (euro), VAT
rates are percentages (``Decimal("21")``), moments are timezone-aware UTC.  Identifiers are strings: one vendor counts in
integers, the other in GUIDs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta  # noqa: TC003 - pydantic reads these annotations at run time, to store records as JSON
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)


class Kind(StrEnum):
    """A kind of record that is carried from one side to the other."""

    PRODUCTS = "products"
    STOCK = "stock"
    CUSTOMERS = "customers"
    SALES = "sales"


@dataclass(frozen=True, slots=True)
class Product:
    """An article a shop sells, as either side knows it.

    ``price`` is what a customer pays for one unit, VAT included.  ``quantity`` is *free* stock: what may still be sold.
    ``None`` and zero differ: ``tracked`` false means that nobody counts it, ``quantity`` ``None`` that the source gave no number.
    """

    id: str
    sku: str
    name: str
    price: Decimal
    vat_rate: Decimal
    active: bool = True
    description: str | None = None
    ean: str | None = None
    unit: str | None = None
    purchase_price: Decimal | None = None
    categories: tuple[str, ...] = ()
    is_service: bool = False
    tracked: bool = False
    quantity: Decimal | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProductPatch:
    """What is to be written of a product.  A field that is ``None`` is left as it is on the other side."""

    sku: str | None = None
    name: str | None = None
    price: Decimal | None = None
    vat_rate: Decimal | None = None
    active: bool | None = None
    description: str | None = None
    ean: str | None = None
    unit: str | None = None
    purchase_price: Decimal | None = None
    #: names of the categories that the product must be in; others that it is in are left alone
    categories: tuple[str, ...] | None = None
    tracked: bool | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StockLevel:
    """How much of a product there is: ``available`` = ``balance`` − ``reserved``; all ``None`` where it is not tracked."""

    product_id: str
    sku: str
    tracked: bool
    balance: Decimal | None = None
    reserved: Decimal | None = None
    available: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; ``country`` is ISO 3166-1 alpha-2."""

    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """Who bought.  ``company`` set means a business with ``name`` as its contact person; otherwise a private person."""

    id: str | None = None
    number: str | None = None
    email: str | None = None
    name: str | None = None
    company: str | None = None
    organisation_number: str | None = None
    vat_number: str | None = None
    phone: str | None = None
    invoice_address: Address = field(default_factory=Address)
    delivery_address: Address | None = None
    #: VAT is charged although the country is outside the EU (a tourist in the shop).
    charge_vat_abroad: bool = False
    active: bool = True
    changed_at: datetime | None = None

    @property
    def is_company(self) -> bool:
        """Whether this is a business."""
        return bool(self.company)


class LineKind(StrEnum):
    """What a line of a receipt stands for; it decides which article books it."""

    PRODUCT = "product"
    FREE = "free"  # a manual line with no article behind it
    SHIPPING = "shipping"
    DISCOUNT = "discount"  # of the whole order
    VOUCHER = "voucher"  # a gift voucher sold: a liability, not revenue
    ROUNDING = "rounding"  # the cash rounding that the customer saw


@dataclass(frozen=True, slots=True)
class SaleLine:
    """One line of a receipt.  ``unit_price`` is what was paid for one unit, VAT included, line discount already taken off."""

    kind: LineKind
    text: str
    quantity: Decimal
    unit_price: Decimal
    vat_rate: Decimal
    sku: str = ""
    product_id: str | None = None

    @property
    def gross(self) -> Decimal:
        """What this line adds to the receipt, VAT included, unrounded."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Payment:
    """How a receipt, or a part of it, was paid.  ``method`` is the till's stable code, ``label`` what the till shows."""

    method: str
    label: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Sale:
    """A receipt of the till.  ``gross`` is what the customer paid and is sacred; refunds are negative."""

    id: str
    number: str
    sold_at: datetime
    gross: Decimal
    currency: str
    lines: tuple[SaleLine, ...]
    payments: tuple[Payment, ...] = ()
    customer: Customer | None = None
    paid: bool = True
    completed: bool = True
    status: str = ""
    #: Sold to a business elsewhere in the EU without VAT.
    intra_community: bool = False
    note: str | None = None
    #: The version under which a listing of this moment shows it (see :class:`connectors.port.Change`), empty where that is not known.
    version: str = ""


class DocumentKind(StrEnum):
    """What a sale becomes in the books."""

    INVOICE = "invoice"
    CREDIT = "credit"
    ORDER = "order"
    QUOTE = "quote"
    VOUCHER = "voucher"


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A row to be booked.  ``unit_price`` is gross or net as :attr:`DocumentDraft.prices_include_vat` says."""

    article_id: str
    text: str
    quantity: Decimal
    unit_price: Decimal
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document to be written.  ``key`` is the natural key by which it is found again; ``gross`` what it must come to."""

    kind: DocumentKind
    key: str
    customer_id: str
    date: date
    rows: tuple[DocumentRow, ...]
    gross: Decimal
    currency: str
    prices_include_vat: bool
    our_reference: str | None = None
    delivery_address: Address | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the books hold it.  ``gross``, ``vat`` and ``remaining`` carry the sign: negative for a credit.

    ``vat_by_rate`` maps a percentage to (net, VAT).  ``booked`` is false for what can still be changed or withdrawn.
    """

    id: str
    number: str
    kind: DocumentKind
    key: str
    customer_id: str
    gross: Decimal
    vat: Decimal
    remaining: Decimal
    currency: str
    booked: bool = True
    prices_include_vat: bool | None = None
    rounding: Decimal = ZERO
    vat_by_rate: tuple[tuple[Decimal, Decimal, Decimal], ...] = ()
    date: date | None = None
    changed_at: datetime | None = None
    #: what it was made of, where the answer shows it; quantities as they count (negative where goods come back)
    rows: tuple[DocumentRow, ...] = ()
    #: whether somebody made a credit of it in the books themselves, of all of it or of a part
    credited: bool = False


@dataclass(frozen=True, slots=True)
class BookPayment:
    """A payment to be registered on a document; ``amount`` has the sign of what remains."""

    document_id: str
    account_id: str
    amount: Decimal
    currency: str
    date: date
    reference: str
    complete: bool


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A way to pay that the till offers."""

    id: str
    code: str
    label: str


@dataclass(frozen=True, slots=True)
class MoneyAccount:
    """A bank, cash or clearing account in the books on which payments are registered."""

    id: str
    name: str
    ledger_account: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class DayTakings:
    """What one closing of the till (Z report) says, by VAT rate and by payment method."""

    id: str
    number: str
    opened_at: datetime
    closed_at: datetime | None
    #: percentage -> (net, VAT, gross)
    vat_totals: tuple[tuple[Decimal, Decimal, Decimal, Decimal], ...] = ()
    #: (payment method code, expected, counted)
    balances: tuple[tuple[str, Decimal, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Company:
    """Which company the books belong to and what it may do; ``id`` is stable and never changes hands."""

    id: str
    name: str
    country: str
    currency: str
    variant: str
    modules: frozenset[str]
    stock_module: bool
    #: whether documents are rounded to whole units of the currency
    rounds_totals: bool = False
    #: EU members by ISO code, as the books list them
    eu_countries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Store:
    """Which till this is and what it may do."""

    id: str
    name: str
    currency: str
    prices_include_vat: bool
    is_till: bool
    product_limit_left: int | None
    resources: frozenset[str]


class Obstacle(StrEnum):
    """Why a vendor shows nothing of a kind, whatever is asked for."""

    SCOPE = "scope"  # the sign-in does not cover it
    MODULE = "module"  # it belongs to a module that is not active
    STARTUP_GUIDE = "startup_guide"  # the company was never set up to its end
    INACTIVE = "inactive"  # the company is closed
    VARIANT = "variant"  # the product variant does not have it
    LICENCE = "licence"  # terms that nobody has agreed to
    PERMISSION = "permission"  # the user, or the key, has no right to it
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a vendor did not show, and why, in its own words too."""

    what: str
    obstacle: Obstacle
    text: str


@dataclass(frozen=True, slots=True)
class FiscalYear:
    """A year that can be booked in, both days inclusive, unless it is locked."""

    first_day: date
    last_day: date
    locked: bool = False


@dataclass(frozen=True, slots=True)
class BooksFacts:
    """How a company's books are set up.  A field is ``None`` where the vendor refused it; ``refusals`` then says why.

    ``clock_ahead`` is the vendor's clock less ours.  ``locked_to`` is the last day on which nothing can be booked any more.
    ``missing_scopes`` are those that the sign-in should have and is known not to have.
    """

    company: Company | None = None
    can_be_written: bool = True
    sufficient_variants: frozenset[str] = frozenset()
    missing_scopes: tuple[str, ...] = ()
    clock_ahead: timedelta | None = None
    fiscal_years: tuple[FiscalYear, ...] | None = None
    locked_to: date | None = None
    #: percentages for which an article can be made
    vat_rates: frozenset[Decimal] | None = None
    terms_of_payment: tuple[str, ...] | None = None
    money_accounts: tuple[MoneyAccount, ...] | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class TillFacts:
    """How a till is set up.  A field is ``None`` where the vendor refused it; ``refusals`` then says why."""

    store: Store | None = None
    clock_ahead: timedelta | None = None
    payment_methods: tuple[PaymentMethod, ...] | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a vendor's published document says other than a connector relies on.  ``breaks``: something cannot work any more."""

    where: str
    what: str
    breaks: bool = True
