"""The small lists of a company that hardly change: read once, kept for a while, and counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from connectors.eaccounting import wire
from connectors.eaccounting.listing import Listing, read_all
from connectors.port import Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
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
    """Registers of one company, each kept for ``life`` seconds.  ``reads`` counts how often each was really read."""

    def __init__(self, api: Api, *, clock: Clock, life: float) -> None:
        self.reads: Counter[str] = Counter()
        self._api = api
        self._clock = clock
        self._life = life
        #: when each was read, what it said, and which fetch of it that was
        self._kept: dict[str, tuple[float, Any, int]] = {}
        self._locks: dict[str, anyio.Lock] = {}
        #: how many fetches of each register were begun
        self._begun: Counter[str] = Counter()

    async def codings(self, needed: Iterable[str | None] = (), *, within: float | None = None) -> Mapping[str, wire.Coding]:
        """Return the sales categories by id, read at most ``within`` seconds ago where that is asked for.

        They are read afresh, though not every moment, when one of the ``needed`` ids is not known.
        """
        life = None if within is None else min(within, self._life)
        kept = await self._listing("/articleaccountcodings", wire.Coding, life=life)
        if any(coding not in kept for coding in needed):
            kept = await self._listing("/articleaccountcodings", wire.Coding, life=min(_SHORT_LIFE, self._life))
        return kept

    async def codings_now(self) -> Mapping[str, wire.Coding]:
        """Return the sales categories as they are now: their rates may change at any moment."""
        return await self._listing("/articleaccountcodings", wire.Coding, life=min(_NOW, self._life))

    async def bank_accounts(self) -> Mapping[str, wire.BankAccount]:
        """Return the bank, cash and clearing accounts by id."""
        return await self._listing("/bankaccounts", wire.BankAccount)

    async def eu_countries(self) -> frozenset[str]:
        """Return the ISO codes of the members of the EU."""
        countries = await self._listing("/countries", wire.Country)
        return frozenset(code for code, country in countries.items() if country.is_eu_member)

    async def settings(self) -> wire.CompanySettings:
        """Return the company's settings."""
        path = "/companysettings"
        return await self._fresh(path, lambda: self._api.read(path, wire.CompanySettings.model_validate_json))

    async def locked_to(self) -> date | None:
        """Return the last day that is closed, read afresh."""
        path = "/companysettings"
        settings = await self._fresh(path, lambda: self._api.read(path, wire.CompanySettings.model_validate_json), life=0)
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
        terms = list((await self._listing("/termsofpayments", wire.Terms)).values())
        if name is not None:
            usable = [one for one in terms if (one.name or "").casefold() == name.casefold()]
        else:
            usable = [one for one in terms if one.available_for_sales]
            usable.sort(key=lambda one: one.terms_of_payment_type_id == _CASH)
        if not usable:
            raise Rejected(f"no terms of payment called {name!r}" if name is not None else "no terms of payment for sales")
        return usable[0].id

    async def _listing(self, path: str, model: type[R], *, life: float | None = None) -> Mapping[str, R]:
        async def fetch() -> Mapping[str, R]:
            records, _ = await read_all(self._api, Listing(path, model, order=None))
            return {record.id: record for record in records}

        return await self._fresh(path, fetch, life=life)

    async def _fresh(self, path: str, fetch: Callable[[], Awaitable[T]], *, life: float | None = None) -> T:
        """Return what is kept, or fetch it when nothing is or when it is older than ``life``.

        One fetch of a register at a time; who waits for one that began after he asked needs no other.
        """
        asked_after = self._begun[path]
        async with self._locks.setdefault(path, anyio.Lock()):
            kept: tuple[float, T, int] | None = self._kept.get(path)
            if kept is not None:
                read_at, value, number = kept
                if number > asked_after or self._clock.monotonic() - read_at < (self._life if life is None else life):
                    return value
            self._begun[path] += 1
            started, number = self._clock.monotonic(), self._begun[path]
            value = await fetch()
            self._kept[path] = (started, value, number)
            self.reads[path] += 1
            return value
