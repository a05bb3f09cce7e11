"""The small lists of a company that hardly change: read once, kept for a while, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from connectors.eaccounting import wire
from connectors.eaccounting.listing import Listing, read_all
from connectors.port import Rejected
from connectors.reference_cache import Kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from connectors.eaccounting.api import Api
    from connectors.port import Clock

R = TypeVar("R", bound=wire.Recorded)
T = TypeVar("T")

_CASH: Final = 2
#: how long a register is trusted not to know something that a record speaks of (seconds)
_SHORT_LIFE: Final = 30.0
#: how long what may change at any moment is still "now" (seconds): one reading for all that is decided together
_NOW: Final = 1.0


class Registers:
    """Registers of one company, each kept for ``life`` seconds."""

    def __init__(self, api: Api, *, clock: Clock, life: float) -> None:
        self._api = api

        def listing(path: str, model: type[R]) -> Kept[Mapping[str, R]]:
            async def read() -> Mapping[str, R]:
                records, _ = await read_all(api, Listing(path, model, order=None))
                return {record.id: record for record in records}

            return Kept(read, clock=clock, life=life)

        self._codings = listing("/articleaccountcodings", wire.Coding)
        self._bank_accounts = listing("/bankaccounts", wire.BankAccount)
        self._countries = listing("/countries", wire.Country)
        self._terms = listing("/termsofpayments", wire.Terms)
        self._settings = Kept(self._read_settings, clock=clock, life=life)

    @property
    def reads(self) -> Mapping[str, int]:
        """How often each was really read."""
        registers: dict[str, Kept[Any]] = {
            "/articleaccountcodings": self._codings,
            "/bankaccounts": self._bank_accounts,
            "/countries": self._countries,
            "/termsofpayments": self._terms,
            "/companysettings": self._settings,
        }
        return {path: register.reads for path, register in registers.items() if register.reads}

    async def codings(self, needed: Iterable[str | None] = (), *, within: float | None = None) -> Mapping[str, wire.Coding]:
        """Return the sales categories by id, read at most ``within`` seconds ago where that is asked for.

        They are read afresh, though not every moment, when one of the ``needed`` ids is not known.
        """
        kept = await self._codings.get(within=within)
        if any(coding not in kept for coding in needed):
            kept = await self._codings.get(within=_SHORT_LIFE)
        return kept

    async def codings_now(self) -> Mapping[str, wire.Coding]:
        """Return the sales categories as they are now: their rates may change at any moment."""
        return await self._codings.get(within=_NOW)

    async def bank_accounts(self) -> Mapping[str, wire.BankAccount]:
        """Return the bank, cash and clearing accounts by id."""
        return await self._bank_accounts.get()

    async def eu_countries(self) -> frozenset[str]:
        """Return the ISO codes of the members of the EU."""
        countries = await self._countries.get()
        return frozenset(code for code, country in countries.items() if country.is_eu_member)

    async def settings(self) -> wire.CompanySettings:
        """Return the company's settings."""
        return await self._settings.get()

    async def locked_to(self) -> date | None:
        """Return the last day that is closed, read afresh."""
        settings = await self._settings.get(within=0)
        return None if settings.accounting_locked_to is None else settings.accounting_locked_to.date()

    async def stock_module(self) -> bool:
        """Return whether the stock module is active."""
        return any("stock" in module.casefold() for module in (await self.settings()).activated_modules or ())

    async def terms_of_payment(self, name: str | None) -> str:
        """Return the id of the terms called ``name``, or of the first terms that sales may use and that are not cash.

        Cash terms may settle a document by themselves, on whatever account the vendor takes for cash (reference: section 11, 1); they are
        taken where there is nothing else.

        Raises:
            Rejected: there are none.
        """
        terms = list((await self._terms.get()).values())
        if name is not None:
            usable = [one for one in terms if (one.name or "").casefold() == name.casefold()]
        else:
            usable = [one for one in terms if one.available_for_sales]
            usable.sort(key=lambda one: one.terms_of_payment_type_id == _CASH)
        if not usable:
            raise Rejected(f"no terms of payment called {name!r}" if name is not None else "no terms of payment for sales")
        return usable[0].id

    async def _read_settings(self) -> wire.CompanySettings:
        return await self._api.read("/companysettings", wire.CompanySettings.model_validate_json)
