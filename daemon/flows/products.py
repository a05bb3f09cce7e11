"""Articles of the books become products of the till, matched by SKU; the books are master."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from connectors.model import Product, ProductPatch
from connectors.port import NAMELESS, Conflict, ConnectorError, Missing, Transient, Unreadable
from daemon.core.booking import Hold, Skip
from daemon.core.brake import products_alarm
from daemon.core.flow_registry import PRODUCTS
from daemon.core.mapping import MappingError, apply_fields
from daemon.core.message import message
from daemon.core.money import ZERO
from daemon.core.outcomes import CLAIMABLE_STATES, Outcome, Reason, State
from daemon.core.products import (
    GONE,
    CreateProduct,
    KeepProduct,
    ProductDecision,
    UpdateProduct,
    decide_product,
    match_product,
)
from daemon.core.sku import sku_key
from daemon.core.stock import CARRIED, Articles, on_their_way, pieces
from daemon.engine.at_most_once import OnceWrite, at_most_once, identified, settled_by
from daemon.engine.braking import brake, judge, spent
from daemon.engine.last_line import fault_of, survived
from daemon.engine.polling import UNREADABLE_VERSION, Polled, is_ahead, is_unreadable, poll, still_ahead, sweep, why_unreadable
from daemon.engine.worker import CHUNK, drain
from daemon.flows.serialization import dump_product, load_product
from daemon.flows.unbooked_sales import sales_on_their_way
from daemon.state.port import Binding, Intent, IntentState, NewWork, Question, Settlement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from decimal import Decimal

    from connectors.port import Change
    from daemon.core.brake import Alarm
    from daemon.core.ids import PairId
    from daemon.engine.braking import Verdict
    from daemon.engine.context import Context
    from daemon.state.port import Work

OVERLAP = timedelta(minutes=2)
#: how often (in seconds) the whole catalogue is read, and how far back that is
ALL_EVERY, ALL_TIME = 900.0, timedelta(days=36_500)
#: so many articles may be missing from the whole listing although they are there, before it is not believed at all
LEFT_OUT = 3
#: the fact of a pair that says by which mapping its articles were compared
MAPPING_FACT = "mapping:products"
#: from so many products in hand the till's whole listing is cheaper than one look-up each
LISTING_FROM = 20
#: the fields that the mapping of products may write
PRODUCT_FIELDS = frozenset(f.name for f in fields(ProductPatch)) - {"quantity", "tracked"}
#: what the mapping of products may name of an article: what the books tell of it and a product can carry
PRODUCT_NAMES = frozenset(
    {"sku", "name", "price", "vat_rate", "active", "ean", "unit", "purchase_price", "categories", "is_service", "is_helper"}
)


def _plain(product: Product, helpers: frozenset[str]) -> dict[str, Any]:
    plain: dict[str, Any] = {f.name: getattr(product, f.name) for f in fields(Product) if f.name in PRODUCT_NAMES}
    return {**plain, "categories": list(product.categories), "is_helper": sku_key(product.sku) in helpers}


@dataclass(frozen=True, slots=True)
class _Source:
    """An article, or what is known of one that the books do not have any more."""

    article: Product
    gone: bool = False


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

    ``helpers`` are the articles that only book shipping, discounts and the like, ``pairs`` the pairs of every till of the company.
    """

    name = PRODUCTS.name

    def __init__(self, context: Context, helpers: frozenset[str], pairs: Sequence[PairId] = ()) -> None:
        self._context = context
        self._pairs = pairs
        self._helpers = frozenset(sku_key(number) for number in helpers)
        self._targets: dict[str, Product] = {}
        self._by_sku: dict[str, list[Product]] = {}
        #: whether that is all that the till has
        self._listed = False
        self._moving: dict[str, Decimal] = {}
        self._read_all_at: float | None = None
        #: when this process last wrote a product of the till (monotonic): listings may show what was there before
        self._written: dict[str, float] = {}
        self._mapping = _fingerprint(context, self._helpers)

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Read what has changed in the books, and bring it to the till."""
        await ready()
        await self.poll()
        await self.drain()

    def describe(self, change: Change[Product]) -> NewWork:
        """Turn a changed article into work."""
        # compared by another mapping it is another piece of work
        version = f"{change.version} {self._mapping}"
        return NewWork(change.id, change.record.sku, version, change.moment, dump_product(change.record))

    async def mapping_changed(self) -> bool:
        """Tell whether the articles that were read so far were compared by another mapping."""
        return await self._context.store.fact(self._context.pair_id, MAPPING_FACT) != self._mapping

    async def poll(self) -> Polled:
        """Store what changed in the books; at first, and then now and again, everything is read: see :meth:`_compare_all`."""
        context = self._context
        known = (await context.store.position(context.pair_id, self.name)).moment is not None
        polled = await poll(context, self.name, context.books, self.describe, overlap=OVERLAP)
        now = context.clock.monotonic()
        # what a changed mapping touches is found again, also where the article itself has not changed
        anew = await self.mapping_changed()
        if anew or self._read_all_at is None or now - self._read_all_at >= ALL_EVERY:
            if known:
                await self._compare_all()
            self._read_all_at = now
        if anew:
            await context.store.remember(context.pair_id, {MAPPING_FACT: self._mapping})
        if polled.newest is not None:
            context.metrics.newest_at_source(self.name, polled.newest, link=context.pair_id)
        return polled

    async def _compare_all(self) -> None:
        """Read the whole catalogue.

        Some changes no moment tells: a coding has another VAT rate, a listing showed an article late.  And an article that is deleted is
        in no listing; that it is gone is believed when asking for it by its id says so.
        """
        context = self._context
        listed: set[str] = set()

        def describe(change: Change[Product]) -> NewWork:
            listed.add(change.id)
            return self.describe(change)

        await sweep(context, self.name, context.books, describe, back=ALL_TIME)
        gone = await self.gone(listed)
        async with context.exclusive(f"poll {context.pair_id} {self.name}"):
            position = await context.store.position(context.pair_id, self.name)
            await context.store.record_page(context.pair_id, self.name, position, gone)

    async def gone(self, listed: Collection[str]) -> list[NewWork]:
        """Return as work the articles that the whole listing lacks and that the books say they do not have.

        When the listing left out what is there, the listing is wrong, and nobody asks on.
        """
        context = self._context
        bindings = await context.store.bindings(context.pair_id, "product")
        gone, there = [], 0
        for article, one in bindings.items():
            if article in listed or one.fingerprint == GONE or there > LEFT_OUT:
                continue
            try:
                await context.books.get_product(article)
            except Missing:
                gone.append(NewWork(article, one.label, GONE, context.now(), b""))
                continue
            except Unreadable:
                pass
            there += 1
        return gone

    async def news(self, changes: Sequence[Change[Product]]) -> list[NewWork]:
        """Return what of the whole catalogue a run would store, as work; reads only."""
        context = self._context
        bindings = await context.store.bindings(context.pair_id, "product")
        works = []
        for change in changes:
            known = bindings[change.id].fingerprint if change.id in bindings else None
            work = self.describe(change)
            if known != work.version:
                stored = await context.store.work(context.pair_id, self.name, change.id)
                if stored is None or stored.version != work.version:
                    works.append(work)
        return [*works, *await self.gone({change.id for change in changes})]

    async def drain(self) -> None:
        """Settle what is due, unless the brake stops it."""
        context = self._context
        run = await self.decide_all([work for work in await context.store.open_work(context.pair_id, self.name) if in_play(work)])
        question = await brake(context, self.name, run.alarm)
        if question is not None:
            await self._hold_all(question)
        elif run.decided:
            await drain(context, self)
            if await context.store.next_due(context.pair_id, self.name) is None:
                await spent(context, self.name)

    async def decide_all(self, works: Sequence[Work | NewWork]) -> ProductsRun:
        """Decide everything that is in hand before the first write: a mass change is seen as a whole or not at all.  Reads only.

        One article that cannot be had stops nobody: its decision is to hold it.
        """
        if not works:
            return ProductsRun((), None)
        bindings = await self._context.store.bindings(self._context.pair_id, "product")
        found = [(work, await self._had(work, bindings.get(work.record))) for work in works]
        await self.look_up([source.article for _, source in found if isinstance(source, _Source)])
        decided = []
        for work, source in found:
            decision = source if isinstance(source, Hold | Skip) else await self._decided(source, bindings.get(work.record))
            decided.append(Decided(work.record, work.label, decision))
        return ProductsRun(tuple(decided), await self._alarm([one.decision for one in decided], bindings))

    async def _decided(self, source: _Source, bound: Binding | None) -> ProductDecision:
        try:
            return await self.decide(source.article, bound, gone=source.gone)
        except ConnectorError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours in one article keeps no other
            return Hold(Reason.INTERNAL, fault_of(survived(error)).says)

    async def verdict(self, run: ProductsRun) -> Verdict:
        """Tell whether a run may go on; reads only."""
        return await judge(self._context, self.name, run.alarm)

    async def _had(self, work: Work | NewWork, bound: Binding | None) -> _Source | Hold | Skip:
        try:
            return await self._source(work, bound)
        except (Missing, Unreadable) as error:
            if is_unreadable(work):
                return Hold(Reason.UNREADABLE, work.version.removeprefix(UNREADABLE_VERSION))
            return Hold(Reason.VANISHED if isinstance(error, Missing) else Reason.UNREADABLE, str(error))
        except ConnectorError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours in one article keeps no other
            return Hold(Reason.INTERNAL, fault_of(survived(error)).says)

    async def _source(self, work: Work | NewWork, bound: Binding | None) -> _Source | Skip:
        """Return the article of a piece of work; one that was settled and is sent again has no payload any more and is fetched afresh.

        One that the books do not have any more, and that is known here, is taken for inactive.
        """
        if is_unreadable(work) and work.record.startswith(NAMELESS):
            why = await why_unreadable(self._context, self._context.books, work)
            if why is not None:
                raise Unreadable(why)
            return Skip(Reason.VANISHED)  # or it can be read by now, and is listed under its own id
        try:
            if work.version != GONE:
                return _Source(load_product(work.payload) if work.payload else await self._context.books.get_product(work.record))
        except Missing:
            if bound is None or is_unreadable(work):
                raise
        return _Source(Product(work.record, work.label, "", ZERO, ZERO, active=False), gone=True)

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
        store, pair = self._context.store, self._context.pair_id
        while works := await store.claim(pair, self.name, now=self._context.now(), limit=CHUNK):
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
        self._moving = on_their_way(await sales_on_their_way(context, self._pairs), numbers) if moves else {}

    def _take_in(self, there: Sequence[Product], *, whole: bool) -> None:
        """Take what the till has of these products, or of all of them."""
        self._by_sku = {}
        for product in there:
            self._by_sku.setdefault(sku_key(product.sku), []).append(product)
        self._targets = {product.id: product for product in there}
        self._listed = whole

    async def decide(self, source: Product, bound: Binding | None, *, gone: bool = False) -> ProductDecision:
        """Decide what becomes of an article; reads only.  One that is ``gone`` is taken out of sale, if the mapping writes that at all."""
        names = {"product": _plain(source, self._helpers)}
        mapping = self._context.mappings.products
        try:
            if not gone and mapping.condition is not None and not mapping.condition(names):
                return Skip(Reason.FILTERED)
            on_create = _draft(apply_fields(mapping.create, names))
            on_update = _draft(apply_fields({name: mapping.update[name] for name in mapping.update if not gone or name == "active"}, names))
            old_number = "" if bound is None else self._number_given(replace(source, sku=bound.label))
        except MappingError as error:
            return Hold(Reason.MAPPING_FAILED, str(error))
        same = self._by_sku.get(sku_key(source.sku), ())
        candidates = list(same)
        if bound is not None:
            candidates = [product for product in candidates if product.id != bound.target] + await self._bound(bound)
        match = match_product(source, None if bound is None else bound.target, candidates)
        if isinstance(match, Product) and bound is not None and match.id == bound.target and sku_key(source.sku) != sku_key(bound.label):
            if any(product.id != match.id for product in same):
                return Hold(Reason.SKU_AMBIGUOUS, message("detail.renumbered", sku=source.sku, before=bound.label))
            # the number is carried over, unless somebody gave the till's product one of its own
            on_update = replace(on_update, sku=on_create.sku) if sku_key(match.sku) == sku_key(old_number) else on_update
        stock = None if source.quantity is None else source.quantity - self._moving.get(source.id, ZERO)
        return decide_product(source, on_create=on_create, on_update=on_update, match=match, opening_stock=stock)

    def _number_given(self, source: Product) -> str:
        """Return the number that a new product gets for an article."""
        number = self._context.mappings.products.create.get("sku")
        names = {"product": _plain(source, self._helpers)}
        return (_draft(apply_fields({"sku": number}, names)).sku or "") if number is not None else source.sku

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

    async def fetch(self, work: Work) -> None:
        """Nothing is read for one: the whole drain did it."""

    async def prepare(self, works: Sequence[Work]) -> None:
        """Nothing is looked up for a chunk: the whole drain did it."""

    def looked_at(self, work: Work) -> Work:
        """An article comes with its listing."""
        return work

    def payload(self, work: Work) -> bytes | None:
        """Keep what is stored."""
        del work
        return None

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one article."""
        bound = (await self._context.store.bindings(self._context.pair_id, "product", [work.record])).get(work.record)
        source = await self._source(work, bound)
        if isinstance(source, Skip):
            return Settlement(Outcome.SKIPPED, source.reason)
        if is_ahead(work) and (hold := still_ahead(self._context, self.name, source.article.changed_at or work.moment)) is not None:
            return hold
        decision = await self.decide(source.article, bound, gone=source.gone)
        if isinstance(decision, KeepProduct | UpdateProduct) and (bound is None or bound.target != decision.target.id):
            await settled_by(self._context, self._context.pair_id, self.name, _key(work), decision.target.id)
        match decision:
            case Hold():
                return decision
            case Skip():
                # gone on both sides: nobody asks for it again
                known = (replace(bound, fingerprint=GONE),) if bound is not None and source.gone else ()
                return Settlement(Outcome.SKIPPED, decision.reason, decision.detail, bindings=known)
            case KeepProduct(target):
                return self._settled(work, Outcome.UNCHANGED, target.id, "")
            case UpdateProduct(target, draft, changes):
                await self._update(target, draft)
                return self._settled(work, Outcome.UPDATED, target.id, ", ".join(change.field for change in changes))
            case CreateProduct(draft, _):
                if bound is not None:
                    await self._forget(work, bound)
                return self._created(work, source.article, draft, await self._create(work, draft))

    def _created(self, work: Work, source: Product, draft: ProductPatch, target: str) -> Settlement:
        """With its opening stock a new product has taken over the books' number."""
        settled = self._settled(work, Outcome.CREATED, target, "")
        if not target or not draft.tracked or source.quantity is None:
            return settled
        took = Binding(self._context.pair_id, CARRIED, work.record, target, str(pieces(source.quantity)))
        return replace(settled, bindings=(*settled.bindings, took))

    async def _update(self, target: Product, draft: ProductPatch) -> None:
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
        store, pair = self._context.store, self._context.pair_id
        intent = await store.intent(pair, _key(work))
        if intent is not None and intent.state == IntentState.DONE and intent.remote_id == gone.target:
            await store.settle_intent(pair, intent.key, IntentState.REFUSED)

    async def _create(self, work: Work, draft: ProductPatch) -> str:
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
        return (await at_most_once(context, context.pair_id, write, send=send, find=find)).remote_id

    def _settled(self, work: Work, outcome: Outcome, target: str, detail: str) -> Settlement:
        binding = Binding(self._context.pair_id, "product", work.record, target, work.version, work.label)
        return Settlement(outcome, detail=detail, bindings=(binding,), remote_id=target)


def _fingerprint(context: Context, helpers: frozenset[str]) -> str:
    whole = f"{context.mappings.products.fingerprint}\n{sorted(helpers)}"
    return sha256(whole.encode()).hexdigest()[:12]


def _key(work: Work) -> str:
    return f"product:{work.record}"


def _draft(values: dict[str, Any]) -> ProductPatch:
    categories = values.get("categories")
    return ProductPatch(**{**values, "categories": None if categories is None else tuple(categories)})
