"""What is read from eAccounting, field for field, and how JSON is read and written without touching an amount.

Models hold only the fields that are used; the vendor adds fields at will, and they are ignored here.  Where a record is read to be
written back, it is read as a plain dictionary, so that every field of it survives (reference: eaccounting.md section 7, 1).
Everything may be ``null`` except what identifies a record: the published document promises little, so translation decides.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_pascal

W = TypeVar("W")


def _utc(moment: datetime) -> datetime:
    """Read a moment without an offset as UTC, which the fields' names say it is."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
Moments: Final[TypeAdapter[datetime]] = TypeAdapter(Moment)


class Wire(BaseModel):
    """Base: PascalCase names (the live casing), unknown fields ignored."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="ignore")


class Recorded(Wire):
    """A record with an id of its own."""

    id: str


class Meta(Wire):
    """Where a page stands in its listing, and the vendor's clock."""

    current_page: int
    page_size: int
    total_number_of_pages: int
    total_number_of_results: int
    server_time_utc: Moment


class Envelope(Wire, Generic[W]):
    """A page of a listing."""

    meta: Meta
    data: list[W]


class Barcode(Wire):
    """The EAN of an article."""

    barcode: str | None = None


class Label(Wire):
    """A label of an article: its category."""

    name: str | None = None


class Article(Recorded):
    """An article as it is read (ArticleApi)."""

    number: str
    changed_utc: Moment
    name: str | None = None
    is_active: bool | None = None
    net_price: Decimal | None = None
    gross_price: Decimal | None = None
    coding_id: str | None = None
    unit_name: str | None = None
    unit_abbreviation: str | None = None
    stock_balance: Decimal | None = None
    stock_balance_reserved: Decimal | None = None
    stock_balance_available: Decimal | None = None
    purchase_price: Decimal | None = None
    article_labels: list[Label] | None = None
    is_stock: bool | None = None
    show_stock_information: bool | None = None
    is_service_article: bool | None = None
    barcodes: list[Barcode] | None = None


class Coding(Recorded):
    """A sales category of articles: it decides VAT and accounts.  ``vat_rate_percent`` is a fraction (0.21)."""

    name: str | None = None
    vat_rate_percent: Decimal | None = None


class Terms(Recorded):
    """Terms of payment; type 2 is cash."""

    name: str | None = None
    terms_of_payment_type_id: int | None = None
    available_for_sales: bool | None = None


class BankAccount(Recorded):
    """A bank, cash or clearing account."""

    name: str | None = None
    ledger_account_number: int | None = None
    is_active: bool | None = None


class Country(Recorded):
    """A country, known by its ISO code, and whether it is a member of the EU."""

    id: str = Field(alias="Code")
    is_eu_member: bool | None = None


class CompanySettings(Wire):
    """Which company this is and what it may do; ``domestic_currency_rounding`` 1 rounds totals to whole units.

    ``accounting_locked_to`` is the last day that is closed (reference: section 11, 10: a date-time).
    """

    name: str | None = None
    country_code: str | None = None
    currency_code: str | None = None
    company_identifier: str | None = None
    corporate_identity_number: str | None = None
    product_variant: int | None = None
    activated_modules: list[str] | None = None
    domestic_currency_rounding: int | None = None
    accounting_locked_to: Moment | None = None


class CustomerRecord(Recorded):
    """A debtor as it is read (CustomerApi)."""

    customer_number: str | None = None
    name: str | None = None
    contact_person_name: str | None = None
    email_address: str | None = None
    corporate_identity_number: str | None = None
    vat_number: str | None = None
    telephone: str | None = None
    mobile_phone: str | None = None
    invoice_address1: str | None = None
    invoice_address2: str | None = None
    invoice_postal_code: str | None = None
    invoice_city: str | None = None
    invoice_country_code: str | None = None
    delivery_address1: str | None = None
    delivery_address2: str | None = None
    delivery_postal_code: str | None = None
    delivery_city: str | None = None
    delivery_country_code: str | None = None
    is_private_person: bool | None = None
    is_active: bool | None = None
    force_bookkeep_vat: bool | None = None
    changed_utc: Moment | None = None


class VatLine(Wire):
    """What a document comes to at one VAT rate; whether ``vat_percent`` is 21 or 0.21 is not documented."""

    amount_invoice_currency: Decimal | None = None
    vat_amount_invoice_currency: Decimal | None = None
    vat_percent: Decimal | None = None


class InvoiceRow(Wire):
    """A row of a booked invoice (CustomerInvoiceRowApi); ``percent_vat`` may be a fraction or a percentage."""

    article_id: str | None = None
    text: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    percent_vat: Decimal | None = None
    discount_percentage: Decimal | None = None
    is_text_row: bool | None = None


class Referenced(Recorded):
    """The fields that can carry the natural key of a document."""

    your_reference: str | None = None
    our_reference: str | None = None
    buyers_order_reference: str | None = None


class Invoice(Referenced):
    """A booked invoice or credit (CustomerInvoiceApi)."""

    customer_id: str
    invoice_number: int | None = None
    is_credit_invoice: bool | None = None
    currency_code: str | None = None
    total_amount: Decimal | None = None
    total_vat_amount: Decimal | None = None
    total_roundings: Decimal | None = None
    total_amount_invoice_currency: Decimal | None = None
    total_vat_amount_invoice_currency: Decimal | None = None
    remaining_amount: Decimal | None = None
    remaining_amount_invoice_currency: Decimal | None = None
    vat_specification: list[VatLine] | None = None
    includes_vat: bool | None = None
    invoice_date: str | None = None
    modified_utc: Moment | None = None
    rows: list[InvoiceRow] | None = None
    credited_by: list[Any] | None = None


class DraftRow(Wire):
    """A row of an invoice that is not booked yet (CustomerInvoiceDraftRowApi); ``vat_rate`` may be a fraction or a percentage."""

    article_id: str | None = None
    text: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    vat_rate: Decimal | None = None
    discount_percentage: Decimal | None = None
    is_text_row: bool | None = None


class InvoiceDraft(Referenced):
    """An invoice that is not booked yet (CustomerInvoiceDraftApi)."""

    customer_id: str
    is_credit_invoice: bool | None = None
    invoice_currency_code: str | None = None
    total_amount: Decimal | None = None
    total_vat_amount: Decimal | None = None
    total_roundings: Decimal | None = None
    includes_vat: bool | None = None
    invoice_date: str | None = None
    created_utc: Moment | None = None
    rows: list[DraftRow] | None = None


class PaymentAnswer(Wire):
    """What a payment is answered with (InvoicePaymentApi): enough to know that it is one."""

    payment_amount: Decimal


class FieldError(Wire):
    """What is wrong with one field."""

    field: str | None = None
    error_code: str | int | None = None
    message: str | None = None


class ErrorBody(Wire):
    """What a refusal says (CommonExtendedBadRequest)."""

    error_code: int | str | None = None
    developer_error_message: str | None = None
    errors: list[FieldError] | None = None


class TokenAnswer(BaseModel):
    """What the identity server answers (reference: section 3); ``expires_in`` in seconds."""

    access_token: str
    expires_in: float
    refresh_token: str | None = None
    scope: str | None = None


class TokenError(BaseModel):
    """What the identity server says when it refuses."""

    error: str


#: fields that an answer has and a request must not: the document's ``readOnly``, and what merely repeats another field or a sum
CUSTOMER_READ_ONLY: Final = frozenset(
    {
        "Id",
        "PayToAccountId",
        "LastInvoiceDate",
        "ChangedUtc",
        "MessageThreads",
        "Notes",
        "IsFutureInvoiceDateAllowed",
        "UnpaidInvoicesAmount",
        "TermsOfPayment",
    }
)
DRAFT_READ_ONLY: Final = frozenset(
    {
        "Id",
        "CreatedUtc",
        "MaxAllowedTaxReductionAmount",
        "InvoiceCustomerName",
        "InvoicePostalCode",
        "InvoiceCity",
        "InvoiceCountryCode",
        "InvoiceCurrencyCode",
        "CustomerIsPrivatePerson",
        "ReverseChargeOnConstructionServices",
        "SalesDocumentAttachments",
        "MessageThreads",
        "Notes",
        "TotalAmount",
        "TotalVatAmount",
        "TotalRoundings",
        "TotalAmountBaseCurrency",
        "TotalVatAmountBaseCurrency",
        "CustomerNumber",
        "CustomerName",
        "IncludesVat",
        "ContributionMargin",
    }
)
