"""Categories of products: found by name, made where they are missing, linked to products."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio

from connectors.port import Conflict, Missing, Uncertain
from connectors.reference_cache import Kept
from connectors.salespos import listing, wire
from connectors.salespos.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.port import Clock
    from connectors.salespos.client import Client


class Categories:
    """The till's categories.  Names are compared without regard to case; of two with one name the one read first is used."""

    def __init__(self, client: Client, *, clock: Clock, life: float) -> None:
        self._client = client
        self._names = Kept(self._read_names, clock=clock, life=life)
        self._links = Kept(self._read_links, clock=clock, life=life)
        self._making = anyio.Lock()

    @property
    def reads(self) -> Mapping[str, int]:
        """How often the names and the links were really read."""
        return {"categories": self._names.reads, "links of categories": self._links.reads}

    async def names(self) -> Mapping[str, str]:
        """Return the name of each category by its id."""
        return await self._names.get()

    async def by_product(self) -> Mapping[str, set[str]]:
        """Return the names of the categories that each product is in; nothing where the key may not read categories.

        Read category by category: that costs few requests, where asking product by product would cost one for each.
        """
        try:
            return await self._links.get()
        except Forbidden:
            return {}

    async def named(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return id and name of the categories with these names, making those that do not exist.

        Raises:
            Uncertain: whether a category was made is not known; asking again finds out.
        """
        return {await self._id(name.strip()): name.strip() for name in names if name.strip()}

    async def link(self, product_id: str, categories: Mapping[str, str]) -> None:
        """Put a product into categories, given by id and name; those that it is in already stay as they are."""
        if not categories:
            return
        path = f"products/{quote(product_id, safe='')}/producttocategories/"
        linked = {link.category_id for link in await listing.readable(self._client, path, wire.CategoryLink)}
        for category_id, name in categories.items():
            if category_id not in linked:
                body = {"product_id": wire.as_sent(product_id), "category_id": wire.as_sent(category_id)}
                await self._client.post("producttocategories/", body, wire.Made.model_validate)
            if (links := self._links.kept()) is not None:
                links[product_id].add(name)

    async def _read_names(self) -> Mapping[str, str]:
        return {one.id: one.name or "" for one in await listing.readable(self._client, "categories/", wire.Category)}

    async def _read_links(self) -> dict[str, set[str]]:
        links: defaultdict[str, set[str]] = defaultdict(set)
        for category_id, name in (await self._names.get()).items():
            path = f"categories/{quote(category_id, safe='')}/producttocategories/"
            try:
                there = await listing.readable(self._client, path, wire.CategoryLink)
            except Missing:  # removed since the categories were listed
                continue
            for link in there:
                links[link.product_id or ""].add(name)
        return links

    async def _id(self, name: str) -> str:
        async with self._making:  # two products of a new category must not both make it
            if found := await self._find(name):
                return found
            try:
                made = await self._client.post("categories/", {"name": name}, wire.Made.model_validate)
            except Conflict:
                made = None
            finally:
                self._names.forget()
            if made is not None and made.id:
                return made.id
            if found := await self._find(name):
                return found
            raise Uncertain(f"category {name!r} was made, but is not listed yet")

    async def _find(self, name: str) -> str | None:
        known = await self._names.get()
        return next((number for number, text in known.items() if text.strip().casefold() == name.casefold()), None)
