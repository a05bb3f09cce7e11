"""How a company is set up, read for a check: past every refusal, so that one missing right does not hide the other findings.

Variants and scopes of each operation: reference, eaccounting-schema.md; codes of refusals: eaccounting.md section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from connectors.eaccounting import translate, wire
from connectors.eaccounting.listing import Listing, read_all, read_page
from connectors.model import BooksFacts, FiscalYear, Obstacle, Refusal
from connectors.port import Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import timedelta
    from decimal import Decimal

    from connectors.eaccounting.api import Api
    from connectors.eaccounting.reference_cache import Registers
    from connectors.port import Clock, Tokens

T = TypeVar("T")

#: variants that have articles, customers and invoices
SUFFICIENT_VARIANTS: Final = frozenset({"Standard", "Invoicing", "Solo", "Pro"})
#: what the flows use; write scopes include the reading
NEEDED_SCOPES: Final = ("ea:api", "offline_access", "ea:sales", "ea:purchase_readonly")
_OBSTACLES: Final = {
    "4002": Obstacle.MODULE,  # of a read, it can only mean the module
    "4003": Obstacle.STARTUP_GUIDE,
    "4004": Obstacle.INACTIVE,
    "4006": Obstacle.SCOPE,
    "4007": Obstacle.PERMISSION,
    "4009": Obstacle.VARIANT,
    "4011": Obstacle.PERMISSION,
    "4012": Obstacle.LICENCE,
}
_ACTIVE: Final = 1


class FiscalYearRecord(wire.Recorded):
    """A fiscal year (FiscalYearApi)."""

    start_date: wire.Planned
    end_date: wire.Planned
    is_locked_for_accounting: bool | None = None


class CodingRecord(wire.Coding):
    """A sales category, and whether articles can be put into it (ArticleAccountCodingApi)."""

    is_active: bool | None = None


class Settings(wire.CompanySettings):
    """The company's settings, with what only a check looks at; ``company_status`` 1 is active, 0 inactive, 2 read-only."""

    company_status: wire.Whole | None = None


def missing_scopes(granted: str) -> tuple[str, ...]:
    """Return the needed scopes that a sign-in does not cover; an empty list of scopes is one that is not known."""
    scopes = granted.split()
    covered = {*scopes, *(f"{scope}_readonly" for scope in scopes)}
    return tuple(scope for scope in NEEDED_SCOPES if scope not in covered) if scopes else ()


async def read(api: Api, registers: Registers, *, tokens: Callable[[], Awaitable[Tokens]], clock: Clock) -> BooksFacts:
    """Read everything that a check looks at.

    Raises:
        ConnectorError: the company cannot be asked at all.
    """
    refusals: list[Refusal] = []

    async def tried(what: str, call: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await call()
        except Rejected as error:
            refusals.append(Refusal(what, _OBSTACLES.get(error.code, Obstacle.OTHER), str(error)))
            return None

    settings = await tried("company settings", lambda: api.read("/companysettings", Settings.model_validate_json))
    scopes = missing_scopes((await tokens()).scope)
    if settings is None:  # what stands in the way of this stands in the way of everything
        return BooksFacts(missing_scopes=scopes, refusals=tuple(refusals))
    years = await tried("fiscal years", lambda: _years(api, clock))
    codings = await tried("sales categories", lambda: read_all(api, Listing("/articleaccountcodings", CodingRecord, None)))
    terms = await tried("terms of payment", lambda: read_all(api, Listing("/termsofpayments", wire.Terms, None)))
    accounts = await tried("bank accounts", registers.bank_accounts)
    eu_countries = await tried("countries", registers.eu_countries) or frozenset()
    locked_to = settings.accounting_locked_to
    return BooksFacts(
        company=translate.company(settings, stock_module=await registers.stock_module(), eu_countries=eu_countries),
        can_be_written=settings.company_status in {None, _ACTIVE},
        sufficient_variants=SUFFICIENT_VARIANTS,
        missing_scopes=scopes,
        clock_ahead=None if years is None else years[1],
        fiscal_years=None if years is None else years[0],
        locked_to=None if locked_to is None else locked_to.date(),
        vat_rates=None if codings is None else _rates(codings[0]),
        terms_of_payment=None if terms is None else tuple(one.name or "" for one in terms[0] if one.available_for_sales is not False),
        money_accounts=None if accounts is None else tuple(translate.money_account(account) for account in accounts.values()),
        refusals=tuple(refusals),
    )


async def _years(api: Api, clock: Clock) -> tuple[tuple[FiscalYear, ...], timedelta | None]:
    """Return the fiscal years, and how far the vendor's clock is ahead of ours, where it tells one."""
    part = await read_page(api, Listing("/fiscalyears", FiscalYearRecord, None), 1)
    ahead = None if part.server_time is None else part.server_time - clock.now()
    years = [FiscalYear(one.start_date.date(), one.end_date.date(), one.is_locked_for_accounting is True) for one in part.records]
    return tuple(years), ahead


def _rates(codings: Iterable[CodingRecord]) -> frozenset[Decimal]:
    usable = (coding.vat_rate_percent for coding in codings if coding.is_active is not False)
    return frozenset(translate.percent(rate) for rate in usable if rate is not None)
