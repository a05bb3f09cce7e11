"""The articles of the books, kept at hand for a while: a receipt with twenty lines must not cost twenty look-ups.

What is kept may be wrong without the article's own moment telling it: the VAT rate of its coding was changed, or it was moved to another
one.  So nothing is used for longer than its life, and :meth:`Catalogue.fresh` says how things are at this moment.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from connectors.model import LineKind
from connectors.port import Missing, Unreadable
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.model import Product, Sale
    from connectors.port import Change, Clock, ProductSource

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
        life_seconds: float = 300.0,
        bound: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        #: an article that is kept, and the rate that it was read with, may each be half as old
        self._life = life_seconds / 2
        self._by_id: dict[str, Product] = {}
        self._ids_by_sku: dict[str, set[str]] = defaultdict(set)
        #: when each article was read, on the monotonic clock
        self._read_at: dict[str, float] = {}
        self._newest: datetime | None = None
        self._listed = False
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
        """Read the whole catalogue once: it costs less than asking for its articles one by one; raises the errors of the port."""
        # several workers may be the first to ask: one of them reads
        async with self._reading:
            if not self._listed:
                await self._read_all()
                self._listed = True

    async def _read_all(self) -> None:
        last: Change[Product] | None = None
        while True:
            started = self._clock.monotonic()
            page = await self._source.read_changes(self._newest, after=last)
            self._take_in([change.record for change in page.changes], started)
            if page.changes:
                if page.more and last is not None and page.changes[-1] == last:
                    message = "the source gives the same page again"
                    raise Unreadable(message)
                last = page.changes[-1]
                self._newest = last.moment
            if not page.more:
                return

    async def articles(self, numbers: Collection[str]) -> list[Product]:
        """Return every article with one of these numbers, none older than its life; what is not at hand is asked for."""
        await self.refresh()
        old = self._clock.monotonic() - self._life
        stale = [number for number in numbers if not self._young(number, old)]
        if stale:
            await self._ask(stale, within=self._life)
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
