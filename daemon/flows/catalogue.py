"""The articles of the books, kept at hand for a while: a receipt with twenty lines must not cost twenty look-ups.

What is kept is brought up to date by what changed whenever it is older than its life.  A VAT rate in the register that articles take it
from may change without any article telling it: then all are read again.  :meth:`Catalogue.fresh` asks for how things are at this moment.
"""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from connectors.model import LineKind
from connectors.port import Cursor, Missing, Unreadable
from daemon.core.sku import sku_key
from daemon.engine.polling import read_pages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.model import Product, Sale
    from connectors.port import Clock, ProductSource

#: how long it is trusted which product of the till is which article, in seconds, and how long not to know one
_BOUND_LIFE, _UNBOUND_LIFE = 60.0, 5.0


class Catalogue:
    """Articles by SKU.

    ``life_seconds`` is how old what :meth:`articles` returns may be.  ``bound`` tells which article each product of the till is, by their
    ids: numbers change, and a receipt may carry the old one.
    """

    def __init__(
        self,
        source: ProductSource,
        clock: Clock,
        *,
        life_seconds: float = 1.0,
        bound: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._life = life_seconds
        self._by_id: dict[str, Product] = {}
        self._ids_by_sku: dict[str, set[str]] = defaultdict(set)
        #: when each article was read, on the monotonic clock
        self._read_at: dict[str, float] = {}
        self._newest: datetime | None = None
        self._refreshed_at: float | None = None
        self._rates = ""
        self._reading = anyio.Lock()
        self._ask_bound = bound
        self._bound: Mapping[str, str] = {}
        self._bound_at: float | None = None

    def _take_in(self, products: Sequence[Product], read_at: float) -> None:
        for product in products:
            self._drop(product.id)
            self._by_id[product.id] = product
            self._ids_by_sku[sku_key(product.sku)].add(product.id)
            self._read_at[product.id] = read_at

    def _drop(self, product_id: str) -> None:
        earlier = self._by_id.pop(product_id, None)
        if earlier is not None:
            self._ids_by_sku[sku_key(earlier.sku)].discard(product_id)

    async def refresh(self) -> None:
        """Read what changed since the last time, if that was long enough ago; raises the errors of the port."""
        # several workers may be the first to ask: one of them reads
        async with self._reading:
            if self._refreshed_at is None or self._clock.monotonic() - self._refreshed_at >= self._life:
                await self._read_changes()

    async def _read_changes(self) -> None:
        started = self._clock.monotonic()
        rates = await self._source.rates_version()
        if rates != self._rates:
            self._rates, self._newest = rates, None
        position = Cursor(self._newest)
        async with aclosing(read_pages(self._source, position, overlap=timedelta(0), now=self._clock.now)) as readings:
            async for reading in readings:
                # whatever their date: an article is what it is by now
                self._take_in([change.record for change in (*reading.fresh, *reading.ahead)], started)
                self._newest = reading.position.moment
        self._refreshed_at = started

    async def articles(self, numbers: Collection[str]) -> list[Product]:
        """Return every article with one of these numbers; what is not at hand is asked for before it counts as missing."""
        await self.refresh()
        absent = [number for number in numbers if not self._ids_by_sku.get(sku_key(number))]
        if absent:
            await self._ask(absent, within=self._life)
        return self.at_hand(numbers)

    def _young(self, number: str, old: float) -> bool:
        ids = self._ids_by_sku.get(sku_key(number)) or set()
        return bool(ids) and all(self._read_at[product_id] > old for product_id in ids)

    async def fresh(self, numbers: Collection[str], *, within: float = 0.0) -> list[Product]:
        """Return these articles, and the VAT rates of their codings, as the books have them at this moment, or had ``within`` seconds ago.

        It costs a request for a dozen numbers, and one for the codings: ask for those of several receipts at once.
        """
        old = self._clock.monotonic() - within
        stale = [number for number in numbers if not self._young(number, old)]
        if stale:
            await self._ask(stale, within=within)
        return self.at_hand(numbers)

    async def ask_again(self, numbers: Collection[str]) -> list[Product]:
        """Return these articles as the books have them at this moment."""
        return await self.fresh(numbers)

    async def _ask(self, numbers: Collection[str], *, within: float) -> None:
        """Ask for numbers; what had one of them and has it no longer was renumbered, or is gone, and is asked for by its id."""
        started = self._clock.monotonic()
        before = {product.id for product in self.at_hand(numbers)}
        found = await self._source.find_products(numbers, within=within)
        self._take_in(found, started)
        for product_id in sorted(before - {product.id for product in found}):
            await self._ask_by_id(product_id)

    async def _ask_by_id(self, product_id: str) -> Product | None:
        """Ask for one article; the rate of its coding may be an older one, so that it counts as old."""
        try:
            product = await self._source.get_product(product_id)
        except (Missing, Unreadable):
            self._drop(product_id)
            return None
        self._take_in([product], -math.inf)
        return product

    def at_hand(self, numbers: Collection[str]) -> list[Product]:
        """Return these articles without asking anybody."""
        keys = {sku_key(number) for number in numbers}
        return [self._by_id[product_id] for key in sorted(keys) for product_id in sorted(self._ids_by_sku.get(key, ()))]

    async def under_its_numbers(self, sale: Sale, mapped: Collection[str] = ()) -> Sale:
        """Return a receipt with the number that each line's article has now, by the till's product that was sold.

        A number in ``mapped`` (as :func:`sku_key` gives it) is left: a person said which article it is.
        """
        numbers = {}
        for index, line in enumerate(sale.lines):
            if line.kind is LineKind.PRODUCT and line.product_id and sku_key(line.sku) not in mapped:
                number = await self._number_of(line.product_id)
                if number and sku_key(number) != sku_key(line.sku):
                    numbers[index] = number
        if not numbers:
            return sale
        return replace(sale, lines=tuple(replace(line, sku=numbers.get(index, line.sku)) for index, line in enumerate(sale.lines)))

    async def _number_of(self, product_id: str) -> str | None:
        """Return the number of the article that a product of the till is bound to."""
        article = (await self._bindings(product_id)).get(product_id)
        if article is None:
            return None
        known = self._by_id.get(article) or await self._ask_by_id(article)
        return None if known is None else known.sku

    async def _bindings(self, product_id: str) -> Mapping[str, str]:
        life = _BOUND_LIFE if product_id in self._bound else _UNBOUND_LIFE
        now = self._clock.monotonic()
        if self._ask_bound is not None and (self._bound_at is None or now - self._bound_at >= life):
            self._bound, self._bound_at = await self._ask_bound(), now
        return self._bound
