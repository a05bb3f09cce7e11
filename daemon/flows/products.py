"""Articles of the books become products of the till, matched by SKU; the books are master."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from connectors.model import Product, ProductDraft
from connectors.port import Conflict, Missing, Transient, Unreadable
from daemon.core.booking import Hold, Skip
from daemon.core.brake import products_alarm
from daemon.core.life import CLAIMABLE_STATES, Outcome, Reason, State
from daemon.core.mapping import MappingError, apply_fields
from daemon.core.money import ZERO
from daemon.core.products import (
    CreateProduct,
    KeepProduct,
    ProductDecision,
    UpdateProduct,
    decide_product,
    match_product,
)
from daemon.core.sku import sku_key
from daemon.core.stock import Articles, on_their_way, pieces
from daemon.engine.braking import brake, judge, spent
from daemon.engine.handling import CHUNK, drain
from daemon.engine.polling import UNREADABLE_VERSION, Polled, is_ahead, poll, still_ahead, sweep
from daemon.engine.writes import OnceWrite, identified, once, settled_by
from daemon.flows.moving import sales_on_their_way
from daemon.flows.payload import dump_product, load_product
from daemon.flows.stock import CARRIED
from daemon.state.port import Binding, Intent, IntentState, NewWork, Question, Settlement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from connectors.port import Change
    from daemon.core.brake import Alarm
    from daemon.engine.braking import Verdict
    from daemon.engine.context import Context
    from daemon.state.port import Work

OVERLAP = timedelta(minutes=2)
#: how far behind the cursor, and how often (in seconds), changes are read again that the books may have shown late
FAR_BACK, FAR_EVERY = timedelta(days=1), 900.0
#: farther back than any article was changed
EVERYTHING = timedelta(days=36_525 // 2)
#: the fact of a pair that says by which mapping its articles were compared
MAPPING_FACT = "mapping:products"
#: from so many products in hand the till's whole listing is cheaper than one look-up each
LISTING_FROM = 20
#: the fields that the mapping of products may write
PRODUCT_FIELDS = frozenset(f.name for f in fields(ProductDraft)) - {"quantity", "tracked"}
#: what the mapping of products may name of an article: what the books tell of it and a product can carry
PRODUCT_NAMES = frozenset(
    {"sku", "name", "price", "vat_rate", "active", "ean", "unit", "purchase_price", "categories", "is_service", "is_helper"}
)


def _plain(product: Product, helpers: frozenset[str]) -> dict[str, Any]:
    plain: dict[str, Any] = {f.name: getattr(product, f.name) for f in fields(Product) if f.name in PRODUCT_NAMES}
    return {**plain, "categories": list(product.categories), "is_helper": sku_key(product.sku) in helpers}


@dataclass(frozen=True, slots=True)
class Decided:
    """What is to become of one article."""

    record: str
    label: str
    decision: ProductDecision


@dataclass(frozen=True, slots=True)
class ProductsRun:
    """All that a run would do, and what the brake would stop it for."""

    decided: tuple[Decided, ...]
    alarm: Alarm | None


def in_play(work: Work) -> bool:
    """Tell whether a run does something about this work: what waits for a person is not its business, but for what the brake stopped."""
    return work.state in CLAIMABLE_STATES or (work.state is State.HELD and work.reason is Reason.MASS_CHANGE)


class Products:
    """The flow of the products.

    ``helpers`` are the articles that only book shipping, discounts and the like, ``scopes`` the pairs of every till of the company.
    """

    name = "products"

    def __init__(self, context: Context, helpers: frozenset[str], scopes: Sequence[str] = ()) -> None:
        self._context = context
        self._scopes = scopes
        self._helpers = frozenset(sku_key(number) for number in helpers)
        self._targets: dict[str, Product] = {}
        self._by_sku: dict[str, list[Product]] = {}
        #: whether that is all that the till has
        self._listed = False
        self._moving: dict[str, Decimal] = {}
        self._read_far_at: float | None = None
        #: when this process last wrote a product of the till (monotonic): listings may show what was there before
        self._written: dict[str, float] = {}
        self._mapping = _fingerprint(context, self._helpers)

    def describe(self, change: Change[Product]) -> NewWork:
        """Turn a changed article into work."""
        # compared by another mapping it is another piece of work
        version = f"{change.version} {self._mapping}"
        return NewWork(change.id, change.record.sku, version, change.moment, dump_product(change.record))

    async def mapping_changed(self) -> bool:
        """Tell whether the articles that were read so far were compared by another mapping."""
        return await self._context.store.fact(self._context.scope, MAPPING_FACT) != self._mapping

    async def poll(self) -> Polled:
        """Store what changed in the books; at first, and then now and again, from far behind the cursor: listings may show changes late."""
        if await self.mapping_changed():
            # what the changed mapping touches is found again, also where the article itself has not changed
            await sweep(self._context, self.name, self._context.books, self.describe, back=EVERYTHING)
            await self._context.store.remember(self._context.scope, {MAPPING_FACT: self._mapping})
        now = self._context.clock.monotonic()
        far = self._read_far_at is None or now - self._read_far_at >= FAR_EVERY
        polled = await poll(self._context, self.name, self._context.books, self.describe, overlap=FAR_BACK if far else OVERLAP)
        if far:
            self._read_far_at = now
        if polled.newest is not None:
            self._context.metrics.newest_at_source(self.name, polled.newest, link=self._context.scope)
        return polled

    async def drain(self) -> None:
        """Settle what is due, unless the brake stops it."""
        context = self._context
        run = await self.decide_all([work for work in await context.store.open_work(context.scope, self.name) if in_play(work)])
        question = await brake(context, self.name, run.alarm)
        if question is not None:
            await self._hold_all(question)
        elif run.decided:
            await drain(context, self)
            if await context.store.next_due(context.scope, self.name) is None:
                await spent(context, self.name)

    async def decide_all(self, works: Sequence[Work | NewWork]) -> ProductsRun:
        """Decide everything that is in hand before the first write: a mass change is seen as a whole or not at all.  Reads only.

        One article that cannot be had stops nobody: its decision is to hold it.
        """
        if not works:
            return ProductsRun((), None)
        found = [(work, await self._had(work)) for work in works]
        await self.look_up([source for _, source in found if isinstance(source, Product)])
        bindings = await self._context.store.bindings(self._context.scope, "product")
        decided = []
        for work, source in found:
            decision = source if isinstance(source, Hold) else await self.decide(source, bindings.get(work.record))
            decided.append(Decided(work.record, work.label, decision))
        return ProductsRun(tuple(decided), await self._alarm([one.decision for one in decided], bindings))

    async def verdict(self, run: ProductsRun) -> Verdict:
        """Tell whether a run may go on; reads only."""
        return await judge(self._context, self.name, run.alarm)

    async def _had(self, work: Work | NewWork) -> Product | Hold:
        try:
            return await self._article(work)
        except (Missing, Unreadable) as error:
            if work.version.startswith(UNREADABLE_VERSION):
                return Hold(Reason.UNREADABLE, work.version.removeprefix(UNREADABLE_VERSION))
            return Hold(Reason.VANISHED if isinstance(error, Missing) else Reason.UNREADABLE, str(error))

    async def _article(self, work: Work | NewWork) -> Product:
        """Return the article of a piece of work; one that was settled and is sent again has no payload any more and is fetched afresh."""
        return load_product(work.payload) if work.payload else await self._context.books.get_product(work.record)

    async def _alarm(self, decisions: Sequence[ProductDecision], bindings: Mapping[str, Binding]) -> Alarm | None:
        """Measure what would be overwritten by what the till has of the books' products, whoever brought it there."""
        rules = self._context.brake
        updates = [decision for decision in decisions if isinstance(decision, UpdateProduct)]
        if len(updates) <= rules.minimum:
            return None
        if not self._listed:
            self._take_in(await self._context.till.all_products(), whole=True)
        matched = {decision.target.id for decision in decisions if isinstance(decision, UpdateProduct | KeepProduct)}
        bound = {binding.target for binding in bindings.values()}
        return products_alarm(updates, len(matched | (bound & self._targets.keys())), rules)

    async def _hold_all(self, question: Question) -> None:
        """Let everything that is in hand wait for the answer."""
        store, scope = self._context.store, self._context.scope
        while works := await store.claim(scope, self.name, now=self._context.now(), limit=CHUNK):
            for work in works:
                await store.hold(work, reason=Reason.MASS_CHANGE, question=question)

    async def look_up(self, articles: Sequence[Product]) -> None:
        """Fetch what the till has of these articles, and what the sales of every till still have on their way to the books."""
        context, till = self._context, self._context.till
        skus = [article.sku for article in articles]
        whole = len(skus) > LISTING_FROM
        self._take_in(await (till.all_products() if whole else till.find_products([sku for sku in skus if sku.strip()])), whole=whole)
        numbers = Articles({sku_key(article.sku): article.id for article in articles if article.sku.strip()})
        # without the stock module no document moves the books' number: nothing is missing from it
        moves = context.company is None or context.company.stock_module
        self._moving = on_their_way(await sales_on_their_way(context, self._scopes), numbers) if moves else {}

    def _take_in(self, there: Sequence[Product], *, whole: bool) -> None:
        """Take what the till has of these products, or of all of them."""
        self._by_sku = {}
        for product in there:
            self._by_sku.setdefault(sku_key(product.sku), []).append(product)
        self._targets = {product.id: product for product in there}
        self._listed = whole

    async def decide(self, source: Product, bound: Binding | None) -> ProductDecision:
        """Decide what becomes of an article; reads only."""
        names = {"product": _plain(source, self._helpers)}
        mapping = self._context.mappings.products
        try:
            if mapping.condition is not None and not mapping.condition(names):
                return Skip(Reason.FILTERED)
            on_create = _draft(apply_fields(mapping.create, names))
            on_update = _draft(apply_fields(mapping.update, names))
        except MappingError as error:
            return Hold(Reason.MAPPING_FAILED, str(error))
        candidates = list(self._by_sku.get(sku_key(source.sku), ()))
        if bound is not None:
            candidates = [product for product in candidates if product.id != bound.target] + await self._bound(bound)
        stock = None if source.quantity is None else source.quantity - self._moving.get(source.id, ZERO)
        return decide_product(
            source,
            on_create=on_create,
            on_update=on_update,
            match=match_product(source, None if bound is None else bound.target, candidates),
            opening_stock=stock,
        )

    async def _bound(self, bound: Binding) -> list[Product]:
        """Return the product bound earlier, asked for by its id where a listing cannot be trusted.

        That it is not in a listing does not say that it is gone; and what a listing shows of a product that we have just written may be
        older than that.
        """
        listed = self._targets.get(bound.target)
        context = self._context
        written = max(self._written.get(bound.target, context.started), context.started)
        if listed is not None and context.clock.monotonic() - written >= context.policy.index_lag:
            return [listed]
        try:
            return [await context.till.get_product(bound.target)]
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
        source = await self._article(work)
        if is_ahead(work) and (hold := still_ahead(self._context, self.name, source.changed_at or work.moment)) is not None:
            return hold
        bound = (await self._context.store.bindings(self._context.scope, "product", [work.record])).get(work.record)
        decision = await self.decide(source, bound)
        if isinstance(decision, KeepProduct | UpdateProduct) and (bound is None or bound.target != decision.target.id):
            await settled_by(self._context, self._context.scope, self.name, _key(work), decision.target.id)
        match decision:
            case Hold():
                return decision
            case Skip():
                return Settlement(Outcome.SKIPPED, decision.reason, decision.detail)
            case KeepProduct(target):
                return self._settled(work, Outcome.UNCHANGED, target.id, "")
            case UpdateProduct(target, draft, changes):
                await self._update(target, draft)
                return self._settled(work, Outcome.UPDATED, target.id, ", ".join(change.field for change in changes))
            case CreateProduct(draft, _):
                if bound is not None:
                    await self._forget(work, bound)
                return self._created(work, source, draft, await self._create(work, draft))

    def _created(self, work: Work, source: Product, draft: ProductDraft, target: str) -> Settlement:
        """With its opening stock a new product has taken over the books' number."""
        settled = self._settled(work, Outcome.CREATED, target, "")
        if not target or not draft.tracked or source.quantity is None:
            return settled
        took = Binding(self._context.scope, CARRIED, work.record, target, str(pieces(source.quantity)))
        return replace(settled, bindings=(*settled.bindings, took))

    async def _update(self, target: Product, draft: ProductDraft) -> None:
        context = self._context
        try:
            await context.till.update_product(target.id, draft)
        except Missing as error:
            message = "the product is gone since it was listed"
            raise Transient(message) from error
        finally:
            self._written[target.id] = context.clock.monotonic()

    async def _forget(self, work: Work, gone: Binding) -> None:
        """What was created once is gone, as asking for it by its id has shown: it may be created anew."""
        store, scope = self._context.store, self._context.scope
        intent = await store.intent(scope, _key(work))
        if intent is not None and intent.state == IntentState.DONE and intent.remote_id == gone.target:
            await store.settle_intent(scope, intent.key, IntentState.REFUSED)

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
            return await identified(created, find_by_sku)

        async def find(_: Intent) -> str | None:
            return await find_by_sku()

        write = OnceWrite(_key(work), self.name, work.record, "product", sku, repr(draft))
        return (await once(context, context.scope, write, send=send, find=find)).remote_id

    def _settled(self, work: Work, outcome: Outcome, target: str, detail: str) -> Settlement:
        binding = Binding(self._context.scope, "product", work.record, target, work.version, work.label)
        return Settlement(outcome, detail=detail, bindings=(binding,), remote_id=target)


def _fingerprint(context: Context, helpers: frozenset[str]) -> str:
    whole = f"{context.mappings.products.fingerprint}\n{sorted(helpers)}"
    return sha256(whole.encode()).hexdigest()[:12]


def _key(work: Work) -> str:
    return f"product:{work.record}"


def _draft(values: dict[str, Any]) -> ProductDraft:
    categories = values.get("categories")
    return ProductDraft(**{**values, "categories": None if categories is None else tuple(categories)})
