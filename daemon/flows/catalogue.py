"""The articles of the books, kept at hand: a receipt with twenty lines must not cost twenty look-ups."""

from __future__ import annotations

from collections import defaultdict
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from connectors.port import Position
from daemon.core.sku import sku_key
from daemon.engine.polling import read_pages

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from connectors.model import Product
    from connectors.port import Clock, ProductSource


class Catalogue:
    """Articles by SKU, brought up to date by what changed, and asked afresh for what is not in it."""

    def __init__(self, source: ProductSource, clock: Clock, *, life_seconds: float = 300.0) -> None:
        self._source = source
        self._clock = clock
        self._life = life_seconds
        self._by_id: dict[str, Product] = {}
        self._ids_by_sku: dict[str, set[str]] = defaultdict(set)
        self._newest: datetime | None = None
        self._read_at: float | None = None
        self._reading = anyio.Lock()

    def _take_in(self, products: Sequence[Product]) -> None:
        for product in products:
            earlier = self._by_id.get(product.id)
            if earlier is not None:
                self._ids_by_sku[sku_key(earlier.sku)].discard(product.id)
            self._by_id[product.id] = product
            self._ids_by_sku[sku_key(product.sku)].add(product.id)

    async def refresh(self) -> None:
        """Read what changed since the last time, if that was long enough ago; raises the errors of the port."""
        # several workers may be the first to ask: one of them reads
        async with self._reading:
            if self._read_at is None or self._clock.monotonic() - self._read_at >= self._life:
                await self._read_changes()

    async def _read_changes(self) -> None:
        started = self._clock.monotonic()
        position = Position(self._newest)
        async with aclosing(read_pages(self._source, position, overlap=timedelta(0), now=self._clock.now)) as readings:
            async for reading in readings:
                # whatever their date: an article is what it is by now
                self._take_in([change.record for change in (*reading.fresh, *reading.ahead)])
                self._newest = reading.position.moment
        self._read_at = started

    async def articles(self, numbers: Collection[str]) -> list[Product]:
        """Return every article with one of these numbers; what is not at hand is asked for before it counts as missing."""
        await self.refresh()
        absent = [number for number in numbers if not self._ids_by_sku.get(sku_key(number))]
        if absent:
            self._take_in(await self._source.find_products(absent))
        return self.at_hand(numbers)

    async def ask_again(self, numbers: Collection[str]) -> list[Product]:
        """Return these articles as the books have them at this moment."""
        self._take_in(await self._source.find_products(numbers))
        return self.at_hand(numbers)

    def at_hand(self, numbers: Collection[str]) -> list[Product]:
        """Return these articles without asking anybody."""
        keys = {sku_key(number) for number in numbers}
        return [self._by_id[product_id] for key in sorted(keys) for product_id in sorted(self._ids_by_sku.get(key, ()))]
