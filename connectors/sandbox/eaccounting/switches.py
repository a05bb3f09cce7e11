"""All switches of the eAccounting sandbox: what is unknown about the vendor, and how this company is set up."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from connectors.sandbox.eaccounting.unknowns import (
    BodyUnknowns,
    BookingUnknowns,
    LimitUnknowns,
    ListUnknowns,
    RefusalUnknowns,
    switch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import Field
    from datetime import date


@dataclass(frozen=True, kw_only=True)
class CompanySetup:
    """How the company is set up: settings that a person makes in the vendor's own screens, and what was consented to."""

    country: Literal["NL", "SE", "NO", "FI"] | None = switch(
        None,
        "SE",
        "NO",
        "FI",
        what="The company's country, with its chart of accounts, VAT, currency and time zone; None is the world's own.",
        source="section 2",
        client="Reads country, currency, codings and accounts from the company.",
    )
    variant: Literal["Pro", "Standard", "Invoicing", "Bookkeeping", "Solo"] = switch(
        "Pro",
        "Standard",
        "Invoicing",
        "Solo",
        stops=("Bookkeeping",),
        what="The product variant; a call outside it is 403/4009.",
        source="section 2; eaccounting-schema.md, first appendix",
        client="Shown by `check`; without articles and invoices the sign-in is useless, and the refusal says so.",
    )
    stock_module: bool = switch(
        True,
        False,
        what="The stock module is active (variant Pro only): balances move with documents and cannot be written.",
        source="section 6, stock",
        client="Sees it in ActivatedModules and reads balances as what there is when it is not.",
    )
    sales_module: bool = switch(
        True,
        False,
        what="The module for orders and quotes is active; else they are 403/4002.",
        source="section 2",
        client="Needs neither.",
    )
    api_module: bool = switch(
        True,
        stops=(False,),
        what="The API is activated in the company; else everything is 403/4002.",
        source="sections 2 and 7, 7",
        client="The refusal names the module.",
    )
    auto_invoice: bool = switch(
        False,
        True,
        what="AutoInvoice is activated (a sandbox company has none); else sending electronically is 403/4002.",
        source="section 2",
        client="Sends nothing.",
    )
    startup_guide_completed: bool = switch(
        True,
        stops=(False,),
        what="The company's start-up guide is completed; else everything is 403/4003.",
        source="section 5",
        client="The refusal says so.",
    )
    company_active: bool = switch(
        True,
        stops=(False,),
        what="The company is active; else everything is 403/4004.",
        source="section 5",
        client="The refusal says so.",
    )
    read_only_user: bool = switch(
        False,
        stops=(True,),
        what="The user who signed in may only read; every write is 403/4019.",
        source="section 5",
        client="Documents are held with the refusal.",
    )
    show_prices_excl_vat_pc: bool = switch(
        True,
        False,
        what="CompanySettings.ShowPricesExclVatPC.",
        source="section 6",
        client="As with the polarity of IncludesVat.",
    )
    domestic_currency_rounding: Literal[0, 1] = switch(
        0,
        1,
        what="CompanySettings.DomesticCurrencyRounding: 1 rounds totals to whole units.",
        source="sections 4 and 7, 8",
        client="Reads the rounding with the totals.",
    )
    keep_original_draft_date: bool = switch(
        False,
        True,
        what="CompanySettings.KeepOriginalDraftDate: a converted draft keeps its date; else the invoice is dated today.",
        source="section 6",
        client="Overrides it.",
    )
    first_fiscal_year: int | None = field(default=None)
    locked_to: date | None = field(default=None)
    scopes: str = field(default="ea:api offline_access ea:sales ea:purchase ea:accounting")
    redirect_uris: tuple[str, ...] = field(
        default=(
            "https://localhost:44300/callback",
            *(f"http://{host}/{path}" for host in ("127.0.0.1", "[::1]", "localhost") for path in ("", "callback")),
        )
    )


@dataclass(frozen=True, kw_only=True)
class BooksSwitches(BodyUnknowns, RefusalUnknowns, ListUnknowns, LimitUnknowns, BookingUnknowns, CompanySetup):
    """Unknowns and set-up of the eAccounting sandbox.  A client must be right on either side of each.

    Without metadata, because any value may be: ``requests_per_minute`` on one path; ``first_fiscal_year`` (default: that of the first
    receipt); ``locked_to``, the last day on which nothing can be booked any more; ``scopes`` that were consented to at the start;
    ``redirect_uris`` that are registered, those on loopback for every port.
    """


def described() -> Iterator[Field[Any]]:
    """Yield the fields that carry metadata, in the order of their declaration."""
    return (one for one in fields(BooksSwitches) if one.metadata)


def alternatives() -> Iterator[tuple[str, Any]]:
    """Yield every single alternative under which the work goes on, as name and value."""
    return ((one.name, value) for one in described() for value in one.metadata["alternatives"])


def owed() -> Iterator[tuple[str, Any]]:
    """Yield every value that may be the truth and under which the work does not yet go on, as name and value."""
    return ((one.name, value) for one in described() for value in one.metadata["owed"])


def stops() -> Iterator[tuple[str, Any]]:
    """Yield every value that stops the work on purpose, as name and value."""
    return ((one.name, value) for one in described() for value in one.metadata["stops"])
