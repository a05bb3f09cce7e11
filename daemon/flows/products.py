"""Articles of the books become products of the till, matched by SKU; the books are master."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.model import Product, ProductDraft
from connectors.port import Conflict, Missing, Uncertain
from daemon.core.booking import Hold, Skip
from daemon.core.brake import products_alarm
from daemon.core.life import Outcome, Reason
from daemon.core.mapping import apply_fields
from daemon.core.products import (
    CreateProduct,
    KeepProduct,
    ProductDecision,
    UpdateProduct,
    decide_product,
    match_product,
)
from daemon.core.sku import sku_key
from daemon.core.stock import on_their_way
from daemon.engine.braking import braked
from daemon.engine.handling import drain
from daemon.engine.polling import Polled, poll
from daemon.engine.writes import OnceWrite, once
from daemon.flows.payload import dump_product, load_product, open_sales
from daemon.state.port import Binding, Intent, NewWork, Settlement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from connectors.port import Change
    from daemon.engine.context import Context
    from daemon.state.port import Work

OVERLAP = timedelta(minutes=2)
#: from so many products in hand the till's whole listing is cheaper than one look-up each
LISTING_FROM = 20
#: the fields that the mapping of products may write
PRODUCT_FIELDS = frozenset(f.name for f in fields(ProductDraft)) - {"quantity", "tracked"}


def _plain(product: Product, helpers: frozenset[str]) -> dict[str, Any]:
    plain: dict[str, Any] = {f.name: getattr(product, f.name) for f in fields(Product)}
    return {**plain, "categories": list(product.categories), "is_helper": sku_key(product.sku) in helpers}


class Products:
    """The flow of the products.  ``helpers`` are the articles that only book shipping, discounts and the like."""

    name = "products"

    def __init__(self, context: Context, helpers: frozenset[str]) -> None:
        self._context = context
        self._helpers = frozenset(sku_key(number) for number in helpers)
        self._targets: dict[str, Product] = {}
        self._by_sku: dict[str, list[Product]] = {}
        self._moving: dict[str, Decimal] = {}

    def describe(self, change: Change[Product]) -> NewWork:
        """Turn a changed article into work."""
        return NewWork(change.id, change.record.sku, change.version, change.moment, dump_product(change.record))

    async def poll(self) -> Polled:
        """Store what changed in the books."""
        polled = await poll(self._context, self.name, self._context.books, self.describe, overlap=OVERLAP)
        if polled.newest is not None:
            self._context.metrics.newest_at_source(self.name, polled.newest, link=self._context.scope)
        return polled

    async def drain(self) -> None:
        """Settle what is due."""
        works = await self._context.store.open_work(self._context.scope, self.name)
        if not works:
            return
        articles = [load_product(work.payload) for work in works if work.payload]
        await self.look_up([article.sku for article in articles])
        if not await self._braked(articles):
            await drain(self._context, self)

    async def _braked(self, articles: Sequence[Product]) -> bool:
        """Decide everything that is in hand before the first write: a mass change is seen as a whole or not at all."""
        context = self._context
        bindings = await context.store.bindings(context.scope, "product")
        decisions = [await self.decide(article, bindings.get(article.id)) for article in articles]
        return await braked(context, self.name, products_alarm(decisions, len(bindings), context.brake))

    async def look_up(self, skus: Sequence[str]) -> None:
        """Fetch what the till has of these products, and what its sales still have on their way to the books."""
        till = self._context.till
        there = await (till.all_products() if len(skus) > LISTING_FROM else till.find_products([sku for sku in skus if sku.strip()]))
        self._by_sku = {}
        for product in there:
            self._by_sku.setdefault(sku_key(product.sku), []).append(product)
        self._targets = {product.id: product for product in there}
        known, _ = open_sales(await self._context.store.open_work(self._context.scope, "sales"))
        self._moving = on_their_way(known)

    async def decide(self, source: Product, bound: Binding | None) -> ProductDecision:
        """Decide what becomes of an article; reads only."""
        names = {"product": _plain(source, self._helpers)}
        mapping = self._context.mappings.products
        if mapping.condition is not None and not mapping.condition(names):
            return Skip(Reason.FILTERED)
        candidates = list(self._by_sku.get(sku_key(source.sku), ()))
        if bound is not None and not any(product.id == bound.target for product in candidates):
            candidates += await self._bound(bound)
        stock = None if source.quantity is None else source.quantity - self._moving.get(sku_key(source.sku), type(source.price)(0))
        return decide_product(
            source,
            on_create=_draft(apply_fields(mapping.create, names)),
            on_update=_draft(apply_fields(mapping.update, names)),
            match=match_product(source, None if bound is None else bound.target, candidates),
            opening_stock=stock,
        )

    async def _bound(self, bound: Binding) -> list[Product]:
        """Ask for the product bound earlier by its id: that it is not in a listing does not say that it is gone."""
        try:
            return [self._targets.get(bound.target) or await self._context.till.get_product(bound.target)]
        except Missing:
            return []

    async def prepare(self, works: Sequence[Work]) -> None:
        """Nothing is looked up for a chunk: the whole drain did it."""

    def payload(self, work: Work) -> bytes | None:
        """Keep what is stored."""
        del work
        return None

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one article."""
        assert work.payload is not None  # noqa: S101 - work in hand keeps its payload; this tells the type checker
        source = load_product(work.payload)
        bound = (await self._context.store.bindings(self._context.scope, "product", [work.record])).get(work.record)
        decision = await self.decide(source, bound)
        match decision:
            case Hold():
                return decision
            case Skip():
                return Settlement(Outcome.SKIPPED, decision.reason, decision.detail)
            case KeepProduct(target):
                return self._settled(work, Outcome.UNCHANGED, target.id, "")
            case UpdateProduct(target, draft, changes):
                await self._context.till.update_product(target.id, draft)
                return self._settled(work, Outcome.UPDATED, target.id, ", ".join(change.field for change in changes))
            case CreateProduct(draft, _):
                return self._settled(work, Outcome.CREATED, await self._create(work, draft), "")

    async def _create(self, work: Work, draft: ProductDraft) -> str:
        context = self._context
        sku = draft.sku or work.label

        async def find_by_sku() -> str | None:
            found = await context.till.find_products([sku])
            return found[0].id if found else None

        async def send() -> str:
            try:
                created = await context.till.create_product(draft)
            except Conflict:
                created = ""
            # the till may answer without a body: then the SKU tells the id
            created = created or await find_by_sku() or ""
            if not created:
                message = "created, but not to be found by its SKU yet"
                raise Uncertain(message)
            return created

        async def find(_: Intent) -> str | None:
            return await find_by_sku()

        write = OnceWrite(f"product:{work.record}", self.name, work.record, "product", sku, repr(draft))
        return (await once(context, context.scope, write, send=send, find=find)).remote_id

    def _settled(self, work: Work, outcome: Outcome, target: str, detail: str) -> Settlement:
        binding = Binding(self._context.scope, "product", work.record, target, work.version, work.label)
        return Settlement(outcome, detail=detail, bindings=(binding,), remote_id=target)


def _draft(values: dict[str, Any]) -> ProductDraft:
    categories = values.get("categories")
    return ProductDraft(**{**values, "categories": None if categories is None else tuple(categories)})
