"""What is not known about the vendor, each as a field that says so: what it is, where that comes from, and what else it could be.

A field's metadata holds ``what``, ``source`` (a place in reference/eaccounting.md), ``alternatives`` (values other than the default, each
of which may be the truth), ``stops`` (values that stop the work on purpose), ``owed`` (values that may be the truth too, and under which
the work does not yet go on as it should) and ``client`` (what the client does on either side).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

T = TypeVar("T")
#: codes of business rules whose status is inferred
_RULES: Final = (4001, 4002, 4013, 4023, 4024, 4026, 4028, 4038)
_REFERENCES: Final = frozenset({"CustomerInvoiceApi.YourReference", "CustomerInvoiceDraftApi.YourReference"})


def switch(default: T, *alternatives: T, what: str, source: str, client: str, stops: tuple[T, ...] = (), owed: tuple[T, ...] = ()) -> T:
    """Return a field of a frozen dataclass that carries what is known about it."""
    about = {"what": what, "source": source, "alternatives": alternatives, "stops": stops, "owed": owed, "client": client}
    return field(default=default, metadata=about)


@dataclass(frozen=True, kw_only=True)
class BodyUnknowns:
    """What a body may hold, and what comes back."""

    refuse_read_only: bool = switch(
        False,
        True,
        what="A read-only field in a body is refused with 400/2000; else it is ignored.",
        source="sections 1 and 9",
        client="Never sends one.",
    )
    refuse_unknown: bool = switch(
        False,
        True,
        what="A field that the schema does not know is refused with 400/2000; else it is ignored.",
        source="section 1 (tolerated, [M/I])",
        client="Sends none of its own; writes back what it read, as a PUT must.",
    )
    refuse_extra_decimals: bool = switch(
        True,
        False,
        what="A number with more decimals than its field allows is refused with 400/2000; else it is rounded.",
        source="section 7, 2",
        client="Sends two decimals.",
    )
    enumeration_names: bool = switch(
        True,
        False,
        what="An enumeration may be sent by its name as well as by its number.",
        source="section 1 (apparently, [M])",
        client="Sends numbers.",
    )
    require_invoice_flags: bool = switch(
        True,
        False,
        what="EuThirdParty and RotReducedInvoicingType are demanded of an invoice as published; else they may be missing.",
        source="section 6 (not enforced, measured once)",
        client="Sends both.",
    )
    id_in_post: Literal["ignored", "refused"] = switch(
        "ignored",
        "refused",
        what="The read-only Id in the body of a POST is ignored; else refused with 400/2000.",
        source="section 9",
        client="Sends none.",
    )
    empty_success: Literal["none", "put", "post", "both"] = switch(
        "none",
        "put",
        "post",
        "both",
        what="Which successful writes are answered without a body.",
        source="section 7, 5 ([M])",
        client="After a PUT it reads where it needs to; a POST without an answer is uncertain and looked up by its key.",
    )
    delete_status: Literal[200, 204] = switch(
        200,
        204,
        what="The status of a DELETE that worked.",
        source="section 7, 5",
        client="Any 2xx is success.",
    )


@dataclass(frozen=True, kw_only=True)
class RefusalUnknowns:
    """How the vendor refuses."""

    statuses: tuple[tuple[int, int], ...] = switch(
        (),
        ((3000, 400), (3001, 400), (3002, 400)),
        tuple((code, 403) for code in _RULES),
        ((4006, 401), (4007, 401), (4009, 401)),
        what="HTTP statuses by error code, where they differ from the table of defaults (each is inferred, mark [I]).",
        source="section 5, table",
        client="Looks at the code as well as the status: 4000, 4005 and 4010 whatever the status; 3000 together with the address.",
    )
    undeclared_404: bool = switch(
        True,
        False,
        what="An unknown id in a path is 404 also where the document declares no 404; else 400, with code 3000 either way.",
        source="sections 5 and 9",
        client="Takes code 3000 on an address that names one record as missing; where the body names others too, only 404.",
    )
    dangling_reference_status: Literal[400, 404] = switch(
        400,
        404,
        what="HTTP status when a body refers to a record, fiscal year or account that does not exist (codes 3000 to 3002).",
        source="section 5 ([I])",
        client="A create that is refused is held with its code; a payment that is answered with 404 reads as a missing document.",
    )
    conflict_status: Literal[409, 400] = switch(
        409,
        400,
        what="HTTP status of code 4000 (an article number, project number or label that is taken).",
        source="section 5 (409 measured on articles)",
        client="Takes status 409 or code 4000 as a conflict.",
    )
    customer_number_taken: tuple[int, int] = switch(
        (409, 4000),
        (400, 4000),
        (400, 2000),
        what="Status and code for a CustomerNumber that is taken.",
        source="sections 5 and 9",
        client="A conflict for the first two; for 400/2000 the customer is rejected with the vendor's text.",
    )
    message_texts: Literal["worded", "bare"] = switch(
        "worded",
        "bare",
        what="Whether refusals say anything in words (a 429 always does).",
        source="section 9 (texts unknown)",
        client="Decides by status and code, never by the text; shows the text to people.",
    )


@dataclass(frozen=True, kw_only=True)
class ListUnknowns:
    """How lists are paged, filtered and sorted."""

    page_past_end: Literal["empty", "refused"] = switch(
        "empty",
        "refused",
        what="A page after the last one has no data; else it is refused with 400/6000.",
        source="sections 4 and 9",
        client="Never asks for one.",
    )
    page_size_outside: Literal["refused", "clamped"] = switch(
        "refused",
        "clamped",
        what="A $pagesize of 0 or above 1000 is refused with 400/6000; else the nearest bound is used.",
        source="sections 4 and 9",
        client="Asks for at most 1000, and believes Meta about what it got.",
    )
    default_order: Literal["created", "number", "id"] = switch(
        "created",
        "number",
        "id",
        what="The order of a list without $orderby.",
        source="sections 4 and 9",
        client="Sends $orderby where the order matters; compares what came with Meta's total otherwise.",
    )
    other_odata_options: Literal["refused", "ignored"] = switch(
        "refused",
        "ignored",
        what="$top, $skip, $count, $expand and the like are refused with 400/6000; else ignored.",
        source="sections 4 and 9",
        client="Sends none.",
    )
    text_functions: bool = switch(
        True,
        False,
        what="startswith, endswith, tolower, toupper, trim and in are understood; else only what the vendor's own texts show (contains).",
        source="section 9",
        client="Filters with eq, ge and or alone.",
    )
    unfilterable: frozenset[str] = switch(
        frozenset(),
        frozenset({"CustomerInvoiceApi.YourReference"}),
        frozenset({"CustomerInvoiceDraftApi.YourReference"}),
        _REFERENCES,
        what="Properties that $filter and $orderby refuse with 400/6000, as Schema.Property.",
        source="sections 4, 5 and 9",
        client="Says that the key cannot be filtered on; the caller then reads everything since its intent and compares.",
    )
    filter_ignores_case: bool = switch(
        True,
        False,
        what="Texts are compared without regard to case in $filter (an article's Number too).",
        source="section 4 (not told)",
        client="Finds out once by asking for a name of a register in the other case; then asks in as many spellings as it takes.",
    )
    property_ignores_case: bool = switch(
        True,
        False,
        what="Property names in $filter, $orderby and $select may be written in any case.",
        source="section 4 (not told)",
        client="Writes them as published.",
    )
    timestamp_digits: int = switch(
        3,
        0,
        7,
        what="Digits of a second in CreatedUtc, ChangedUtc and ModifiedUtc.",
        source="section 4, formats (not told)",
        client="Reads any; sends back as many as it can keep, with ge.",
    )
    filter_moments: Literal["shown", "seconds", "finer"] = switch(
        "shown",
        "seconds",
        "finer",
        what="$filter and $orderby compare moments as they are shown; else in whole seconds; else finer than they are shown.",
        source="section 4 (not told)",
        client="Reads from the last moment inclusive and knows what it has already seen at it.",
    )
    modified_since: Literal["inclusive", "exclusive"] = switch(
        "inclusive",
        "exclusive",
        what="modifiedSinceUtc lists what was modified at that very moment too; else only later.",
        source="section 4 (not told)",
        client="The caller asks from well before its intent.",
    )


@dataclass(frozen=True, kw_only=True)
class LimitUnknowns:
    """Limits and sign-in."""

    requests_per_minute: int = field(default=600)
    limit_per_route: bool = switch(
        False,
        True,
        what="The limit counts all ids of a route together; else each path by itself.",
        source="sections 5 and 9",
        client="Budgets by path; where it meets the limit all the same, it waits as long as it is told.",
    )
    retry_after: bool = switch(
        True,
        False,
        what="A 429 carries Retry-After; else only its text tells the seconds.",
        source="sections 5 and 9",
        client="Reads the header, else the text, else waits a minute.",
    )
    concurrent_requests: int = switch(
        0,
        5,
        what="Requests at the same time above which one is refused with 429; 0 is no limit.",
        source="sections 5 and 9",
        client="Keeps `in_flight` requests at a time and takes a 429 as a wait.",
    )
    refresh_reuse_grace_seconds: int = switch(
        0,
        60,
        what="For so long a used refresh token works again, for an answer that was lost.",
        source="sections 3 and 9",
        client="When an answer is lost it tries the same token once more; refused, it asks a person.",
    )
    refresh_reuse_ends_grant: bool = switch(
        True,
        False,
        what="Using a refresh token twice ends everything that followed from the sign-in; else only the second use fails.",
        source="section 7, 9 ([V/I])",
        client="Never uses one twice but for a lost answer.",
    )
    refresh_lifetime_days: int = switch(
        730,
        18262,
        what="How long a refresh token that is not used stays good: two years, or fifty.",
        source="sections 3 and 9",
        client="Asks for a new sign-in when it is refused.",
    )


@dataclass(frozen=True, kw_only=True)
class BookingUnknowns:
    """What documents come to, and what they move."""

    stock_balance_written: Literal["ignored", "refused"] = switch(
        "ignored",
        "refused",
        what="StockBalance in a body while the stock module is active: ignored, or 400/2000 when it differs.",
        source="sections 6 and 9",
        client="Never writes articles.",
    )
    stock_touches_article: bool = switch(
        False,
        True,
        what="A stock movement moves the article's ChangedUtc.",
        source="sections 4 and 9",
        client="Reads all stock levels afresh; products are compared by content, so that a moment alone is no change.",
    )
    stock_moves: Literal["shipment", "invoice"] = switch(
        "shipment",
        "invoice",
        what="An order lowers the balance when it is shipped; else when it is invoiced.",
        source="sections 6 and 9",
        client="Publishes what is available, which is the same either way.",
    )
    credit_returns_stock: bool = switch(
        True,
        False,
        what="Rows with a negative quantity on a credit invoice raise the balance.",
        source="section 9 (moments of stock bookkeeping)",
        client="The books' balance is read, never computed.",
    )
    completed_delivers_all: bool = switch(
        True,
        False,
        what="Completing an order of which nothing was delivered delivers all of it.",
        source="section 6 (not told)",
        client="Writes no orders.",
    )
    shipped_order_editable: bool = switch(
        False,
        True,
        what="An order that is shipped can be changed by PUT; else 400/4002.",
        source="section 9",
        client="Writes no orders.",
    )
    credit_rows: Literal["signed", "positive", "either"] = switch(
        "signed",
        "positive",
        "either",
        what=(
            "Rows of a credit invoice carry their own sign, so that the total is negative; "
            "else they are given as on an invoice and the flag turns the sign (signed rows are then refused); else both are taken."
        ),
        source="section 6 (ledger: negative totals for credits; rows not told)",
        client="Tries signed rows first; where they are refused, or a draft comes out positive, it turns them and remembers.",
    )
    credit_flag: Literal["checked", "derived"] = switch(
        "checked",
        "derived",
        what="IsCreditInvoice must agree with the total (400/2000); else it is ignored and follows from the total.",
        source="section 6 (not told)",
        client="Sends both in agreement.",
    )
    includes_vat_polarity: bool = switch(
        True,
        False,
        what="IncludesVat of a private person's document is what ShowPricesExclVatPC says; else its opposite, as the name suggests.",
        source="sections 6 and 9",
        client="Reads IncludesVat from the document itself; a proposal shows it before anything is booked.",
    )
    vat_per_row: bool = switch(
        False,
        True,
        what="VAT is rounded for each row; else once for each rate over the rows' sum.",
        source="section 4 (not told)",
        client="Takes the vendor's VAT; where prices include VAT the total is the same.",
    )
    vat_percent_is_fraction: bool = switch(
        True,
        False,
        what="VatPercent, PercentVat and VatRate are 0.21; else 21.",
        source="section 4, formats",
        client="Reads up to 1 as a fraction, above as a percentage.",
    )
    omitted_price: Literal["derived", "zero"] = switch(
        "derived",
        "zero",
        what="The one of NetPrice and GrossPrice that a body leaves out is computed from the other; else it is 0.",
        source="sections 6 and 9",
        client="Never writes articles.",
    )
    price_decimals: Literal[4, 2, 12] = switch(
        4,
        2,
        12,
        what="Decimals of NetPrice of the articles that the company already has, as a GET returns them.",
        source="sections 4 and 7, 2",
        client="Asks for two decimals and reads the gross price to the cent.",
    )
    draft_date_needs_override: bool = switch(
        True,
        False,
        what="keepOriginalDraftDate of a conversion only counts together with overrideCompanyKeepOriginalDraftDate.",
        source="section 6 (not told)",
        client="Sends both as true.",
    )
    cash_terms: Literal["open", "settled"] = switch(
        "open",
        owed=("settled",),
        what="A document with cash terms is booked open; else it is paid at once from the cash account, and RemainingAmount is 0.",
        source="section 11, 1",
        client="Pays it itself, and takes a remainder of 0 for a payment.",
    )
    payment_sign: Literal["signed", "absolute", "either"] = switch(
        "signed",
        "either",
        owed=("absolute",),
        what="PaymentAmount on a credit has the sign of what remains; else it is given without its sign; else both are taken.",
        source="section 11, 2",
        client="Sends it signed.",
    )
    credit_copies_reference: bool = switch(
        True,
        False,
        what="A credit made in the vendor's own screens, or by void, carries YourReference of its invoice.",
        source="section 11, 3 (no credit operation is documented)",
        client="Takes the first document with its key for its own.",
    )
    coding_rate_moves: Literal["gross", "net"] = switch(
        "gross",
        "net",
        what="Where the rate of a coding changes, the articles keep NetPrice and GrossPrice follows; else the other way round.",
        source="section 6 (VAT comes from the coding; not told)",
        client="Reads the gross price of the day.",
    )
    coding_touches_article: bool = switch(
        False,
        True,
        what="A change of a coding moves ChangedUtc of the articles that have it.",
        source="section 4 (not told)",
        client="Reads codings afresh; a moment alone is no change.",
    )
    coding_rate_of: Literal["today", "document"] = switch(
        "today",
        "document",
        what="A row is charged at the rate that its coding has today; else at the one of the document's day.",
        source="section 11, 7",
        client="Compares the document's VAT with the receipt's.",
    )
    inactive_records: Literal["taken", "refused"] = switch(
        "taken",
        "refused",
        what="A document for an inactive customer, or of an inactive article, is booked; else it is 400/2000.",
        source="section 6 (not told)",
        client="The refusal is shown with the document.",
    )
    article_deletion: Literal["unused", "any"] = switch(
        "unused",
        "any",
        what="Only an article that is in no document can be deleted in the vendor's own screens; else any.",
        source="sections 4 and 6 (no DELETE in the API)",
        client="What is no longer listed is not taken for deleted.",
    )
    draft_keeps_customer: bool = switch(
        False,
        True,
        what="A customer who has only a draft cannot be deleted (400/4001); else he can.",
        source="section 11, 14",
        client="Deletes nobody.",
    )
    vat_numbers: Literal["checked", "unchecked"] = switch(
        "checked",
        "unchecked",
        what="A VAT number is checked to its last digit (for the register itself); else only its form.",
        source="section 6 (2024 bugfix post)",
        client="Shows the refusal; the number is the customer's.",
    )
