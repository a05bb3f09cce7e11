"""What is read from eAccounting, field for field, and how JSON is read and written without touching an amount.

Models hold only the fields that are used; the vendor adds fields at will, and they are ignored here.  Where a record is read to be
written back, it is read as a plain dictionary, so that every field of it survives (reference: eaccounting.md section 7, 1).
What a shop cannot have is refused (:mod:`connectors.sense`).  Everything may be ``null`` except what identifies a record: the published
document promises little, so translation decides.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.alias_generators import to_pascal

from connectors import sense
from connectors.boundary import attempt

W = TypeVar("W")

#: so many records a page can have; at most a thousand are asked for
_MOST_RECORDS: Final = 10_000
#: rows, labels, bar codes of one record
_MOST_PARTS: Final = 1_000
_PARTS: Final = Field(max_length=_MOST_PARTS)
_MOST_PAGES: Final = 1_000_000


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return attempt(lambda: handler(value), None)


def _closed_until(value: Any) -> datetime | None:
    """Read the last day that is closed; the beginning of time, as .NET writes nothing, is none."""
    return None if value is None or str(value).startswith("0001-01-01") else sense.planned(value)


#: what becomes part of an address, and tells records apart
Id = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
#: what something is told apart by to people
Key = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(max_length=20_000)]
#: a token that goes into a form, and one that goes into a header (RFC 6750 section 2.1)
Token = Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
SendableToken = Annotated[Token, StringConstraints(pattern=r"^[\x21-\x7e]+$")]
Amount = Annotated[Decimal, PlainValidator(sense.amount)]
Quantity = Annotated[Decimal, PlainValidator(sense.quantity)]
Rate = Annotated[Decimal, PlainValidator(sense.rate)]
Whole = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]
#: a moment without an offset is UTC, which the fields' names say it is
Moment = Annotated[datetime, PlainValidator(sense.moment)]
Planned = Annotated[datetime, PlainValidator(sense.planned)]
Clock = Annotated[Planned | None, WrapValidator(_or_none)]
ClosedUntil = Annotated[datetime | None, PlainValidator(_closed_until)]


class Wire(BaseModel):
    """Base: PascalCase names (the live casing), unknown fields ignored."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="ignore")


class Recorded(Wire):
    """A record with an id of its own."""

    id: Id


class Meta(Wire):
    """Where a page stands in its listing, and the vendor's clock."""

    current_page: Annotated[int, Field(ge=0, le=_MOST_PAGES)]
    page_size: Annotated[int, Field(ge=0, le=_MOST_RECORDS)]
    total_number_of_pages: Annotated[int, Field(ge=0, le=_MOST_PAGES)]
    total_number_of_results: Annotated[int, Field(ge=0, le=_MOST_PAGES * _MOST_RECORDS)]
    server_time_utc: Clock


class Envelope(Wire, Generic[W]):
    """A page of a listing."""

    meta: Meta
    data: Annotated[list[W], Field(max_length=_MOST_RECORDS)]


class Barcode(Wire):
    """The EAN of an article."""

    barcode: Key | None = None


class Label(Wire):
    """A label of an article: its category."""

    name: Text | None = None


class Article(Recorded):
    """An article as it is read (ArticleApi)."""

    number: Key
    changed_utc: Moment
    name: Text | None = None
    is_active: bool | None = None
    net_price: Amount | None = None
    gross_price: Amount | None = None
    coding_id: Key | None = None
    unit_name: Text | None = None
    unit_abbreviation: Text | None = None
    stock_balance: Quantity | None = None
    stock_balance_reserved: Quantity | None = None
    stock_balance_available: Quantity | None = None
    purchase_price: Amount | None = None
    article_labels: Annotated[list[Label], _PARTS] | None = None
    is_stock: bool | None = None
    show_stock_information: bool | None = None
    is_service_article: bool | None = None
    barcodes: Annotated[list[Barcode], _PARTS] | None = None


class Coding(Recorded):
    """A sales category of articles: it decides VAT and accounts.  ``vat_rate_percent`` is a fraction (0.21)."""

    name: Text | None = None
    vat_rate_percent: Rate | None = None


class Terms(Recorded):
    """Terms of payment; type 2 is cash."""

    name: Text | None = None
    terms_of_payment_type_id: Whole | None = None
    available_for_sales: bool | None = None


class BankAccount(Recorded):
    """A bank, cash or clearing account."""

    name: Text | None = None
    ledger_account_number: Whole | None = None
    is_active: bool | None = None


class Country(Recorded):
    """A country, known by its ISO code, and whether it is a member of the EU."""

    id: Id = Field(alias="Code")
    is_eu_member: bool | None = None


class CompanySettings(Wire):
    """Which company this is and what it may do; ``domestic_currency_rounding`` 1 rounds totals to whole units.

    ``accounting_locked_to`` is the last day that is closed (reference: section 11, 10: a date-time).
    """

    name: Text | None = None
    country_code: Text | None = None
    currency_code: Text | None = None
    company_identifier: Text | None = None
    corporate_identity_number: Text | None = None
    product_variant: Whole | None = None
    activated_modules: Annotated[list[Text], _PARTS] | None = None
    domestic_currency_rounding: Whole | None = None
    accounting_locked_to: ClosedUntil = None


class CustomerRecord(Recorded):
    """A debtor as it is read (CustomerApi)."""

    customer_number: Key | None = None
    name: Text | None = None
    contact_person_name: Text | None = None
    email_address: Text | None = None
    corporate_identity_number: Text | None = None
    vat_number: Text | None = None
    telephone: Text | None = None
    mobile_phone: Text | None = None
    invoice_address1: Text | None = None
    invoice_address2: Text | None = None
    invoice_postal_code: Text | None = None
    invoice_city: Text | None = None
    invoice_country_code: Text | None = None
    delivery_address1: Text | None = None
    delivery_address2: Text | None = None
    delivery_postal_code: Text | None = None
    delivery_city: Text | None = None
    delivery_country_code: Text | None = None
    is_private_person: bool | None = None
    is_active: bool | None = None
    force_bookkeep_vat: bool | None = None
    changed_utc: Moment | None = None


class VatLine(Wire):
    """What a document comes to at one VAT rate; whether ``vat_percent`` is 21 or 0.21 is not documented."""

    amount_invoice_currency: Amount | None = None
    vat_amount_invoice_currency: Amount | None = None
    vat_percent: Rate | None = None


class InvoiceRow(Wire):
    """A row of a booked invoice (CustomerInvoiceRowApi); ``percent_vat`` may be a fraction or a percentage."""

    article_id: Key | None = None
    text: Text | None = None
    quantity: Quantity | None = None
    unit_price: Amount | None = None
    percent_vat: Rate | None = None
    discount_percentage: Amount | None = None
    is_text_row: bool | None = None


class Referenced(Recorded):
    """The fields that can carry the natural key of a document."""

    your_reference: Key | None = None
    our_reference: Key | None = None
    buyers_order_reference: Key | None = None


class Invoice(Referenced):
    """A booked invoice or credit (CustomerInvoiceApi)."""

    customer_id: Id
    invoice_number: Whole | None = None
    is_credit_invoice: bool | None = None
    currency_code: Text | None = None
    total_amount: Amount | None = None
    total_vat_amount: Amount | None = None
    total_roundings: Amount | None = None
    total_amount_invoice_currency: Amount | None = None
    total_vat_amount_invoice_currency: Amount | None = None
    remaining_amount: Amount | None = None
    remaining_amount_invoice_currency: Amount | None = None
    vat_specification: Annotated[list[VatLine], _PARTS] | None = None
    includes_vat: bool | None = None
    invoice_date: Text | None = None
    modified_utc: Moment | None = None
    rows: Annotated[list[InvoiceRow], _PARTS] | None = None
    credited_by: Annotated[list[Any], _PARTS] | None = None


class InvoiceDraft(Referenced):
    """An invoice that is not booked yet (CustomerInvoiceDraftApi)."""

    customer_id: Id
    is_credit_invoice: bool | None = None
    invoice_currency_code: Text | None = None
    total_amount: Amount | None = None
    total_vat_amount: Amount | None = None
    total_roundings: Amount | None = None
    includes_vat: bool | None = None
    invoice_date: Text | None = None
    created_utc: Moment | None = None


class PaymentAnswer(Wire):
    """What a payment is answered with (InvoicePaymentApi): enough to know that it is one."""

    payment_amount: Amount


class FieldError(Wire):
    """What is wrong with one field."""

    field: Text | None = None
    error_code: Text | int | None = None
    message: Text | None = None


class ErrorBody(Wire):
    """What a refusal says (CommonExtendedBadRequest)."""

    error_code: Whole | str | None = None
    developer_error_message: Text | None = None
    errors: Annotated[list[FieldError], _PARTS] | None = None


class TokenAnswer(BaseModel):
    """What the identity server answers (reference: section 3), believed as far as it can be.

    A refresh token is worth keeping whatever came with it, for it replaces one that is spent.  ``expires_in`` is in seconds, or whatever
    came instead.
    """

    access_token: Annotated[SendableToken | None, WrapValidator(_or_none)] = None
    expires_in: Any = None
    refresh_token: Annotated[Token | None, WrapValidator(_or_none)] = None
    scope: Annotated[Text | None, WrapValidator(_or_none)] = None


class TokenError(BaseModel):
    """What the identity server says when it refuses."""

    error: Key


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
