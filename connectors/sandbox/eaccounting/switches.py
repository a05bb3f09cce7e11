"""What is not known about the vendor, each as a switch with the likelier side as its default (reference: eaccounting.md section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, slots=True)
class BooksSwitches:
    """Unknowns and company settings of the eAccounting sandbox.  A client must be right on either side of each."""

    # what a body may hold
    refuse_read_only: bool = False
    """A read-only field in a body is refused with 400/2000; else it is ignored."""
    refuse_unknown: bool = False
    """A field that the schema does not know is refused with 400/2000; else it is ignored."""
    refuse_extra_decimals: bool = True
    """A number with more decimals than its field allows is refused with 400/2000; else it is rounded."""
    enumeration_names: bool = True
    """An enumeration may be sent by its name as well as by its number."""
    require_invoice_flags: bool = True
    """EuThirdParty and RotReducedInvoicingType are demanded of an invoice as published; else they may be missing, as was measured once."""

    # errors
    statuses: tuple[tuple[int, int], ...] = ()
    """HTTP statuses by error code, where they are to differ from the default of the reference's table."""
    undeclared_404: bool = True
    """An unknown id in a path is 404 also where the document declares no 404; else 400, with code 3000 either way."""
    dangling_reference_status: int = 400
    """HTTP status when a body refers to a record that does not exist (code 3000)."""
    conflict_status: int = 409
    """HTTP status of code 4000 (a number that is taken)."""

    # lists
    page_past_end: Literal["empty", "refused"] = "empty"
    """A page after the last one has no data; else it is refused with 400/6000."""
    page_size_outside: Literal["refused", "clamped"] = "refused"
    """A $pagesize outside 1 to 1000 is refused with 400/6000; else the nearest bound is used."""
    other_odata_options: Literal["refused", "ignored"] = "refused"
    """$top, $skip, $count, $expand and the like are refused with 400/6000; else ignored."""
    unfilterable: frozenset[str] = frozenset()
    """Properties that $filter and $orderby refuse with 400/6000, as ``Schema.Property``."""
    filter_ignores_case: bool = True
    """Texts are compared without regard to case in $filter, as the vendor's database does."""
    property_ignores_case: bool = True
    """Property names in $filter, $orderby and $select may be written in any case."""
    timestamp_digits: int = 3
    """Digits of a second in CreatedUtc, ChangedUtc and ModifiedUtc, kept and shown."""

    # limits and sign-in
    requests_per_minute: int = 600
    """Requests a minute and client on one path."""
    limit_per_route: bool = False
    """The limit counts all ids of a route together; else each path by itself."""
    retry_after: bool = True
    """A 429 carries Retry-After; else only its text tells the seconds."""
    scopes: str = "ea:api offline_access ea:sales ea:purchase ea:accounting"
    """Scopes that were consented to."""

    # the company
    stock_module: bool = True
    """The stock module is active: balances move with documents and cannot be written."""
    stock_balance_written: Literal["ignored", "refused"] = "ignored"
    """StockBalance in a body while the stock module is active: ignored, or 400/2000 when it differs."""
    stock_touches_article: bool = False
    """A stock movement moves the article's ChangedUtc."""
    credit_returns_stock: bool = True
    """Rows with a negative quantity on a credit invoice raise the balance."""
    show_prices_excl_vat_pc: bool = True
    """The company setting of that name."""
    includes_vat_polarity: bool = True
    """IncludesVat of a private person's document is what the setting says; else its opposite, as the setting's name suggests."""
    vat_per_row: bool = False
    """VAT is rounded for each row; else once for each rate over the rows' sum."""
    vat_percent_is_fraction: bool = True
    """VatPercent, PercentVat and VatRate are 0.21; else 21."""
    domestic_currency_rounding: int = 0
    """CompanySettings.DomesticCurrencyRounding: 1 rounds totals to whole units."""
    keep_original_draft_date: bool = False
    """CompanySettings.KeepOriginalDraftDate: a converted draft keeps its date; else the invoice is dated today."""
    draft_date_needs_override: bool = True
    """keepOriginalDraftDate of a conversion only counts together with overrideCompanyKeepOriginalDraftDate."""
    omitted_price: Literal["derived", "zero"] = "derived"
    """The one of NetPrice and GrossPrice that a body leaves out is computed from the other; else it is 0."""
    price_decimals: int = 4
    """Decimals of NetPrice of the articles that the company already has (a GET may return more than two)."""
    completed_delivers_all: bool = True
    """Completing an order of which nothing was delivered delivers all of it."""
    shipped_order_editable: bool = False
    """An order that is shipped can be changed; else 400/4002."""
    first_fiscal_year: int | None = None
    """First fiscal year of the company; by default the one of the first receipt."""
    locked_to: date | None = None
    """Until this day, inclusive, nothing can be booked."""
