"""The till as the port asks for it: products and stock are written to it, sales are read from it."""

from __future__ import annotations

import random
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from connectors.boundary import Bad, understood
from connectors.http import Budgets, HttpClient
from connectors.port import Change, ConnectorError, Missing, Page, Rejected, Uncertain, Unreadable
from connectors.reference_cache import Kept
from connectors.salespos import diagnose, dialect, listing, signing, translate, wire
from connectors.salespos.categories import Categories
from connectors.salespos.client import Client
from connectors.salespos.errors import Forbidden, refuses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from connectors.http import Transport
    from connectors.model import Customer, DayTakings, PaymentMethod, Product, ProductPatch, Sale, Store, TillFacts
    from connectors.port import Clock, HttpGate, HttpObserver

#: so many SKUs are looked up one by one; for more the whole listing is read
_FEW: Final = 5
#: how long an order of a listing spares asking for it, in seconds, and how many are kept
_LISTED_LIFE: Final = 120.0
_LISTED_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class SalesPosConfig:
    """One till.  ``api`` is its host or the address of its API; limits are requests a minute for each resource, 0 is none.

    ``package_id`` is the packaging that a new product gets; without it, the first one that the till has.  ``vat_tariffs`` maps the
    vendor's tariffs to percentages.  ``register_life_seconds`` is how long lists that hardly change are kept.
    """

    api: str
    public_key: str
    secret_key: str = field(repr=False)
    name: str = "salespos"
    reads_per_minute: int = dialect.READS_PER_MINUTE
    writes_per_minute: int = dialect.WRITES_PER_MINUTE
    queries_per_minute: int = dialect.QUERIES_PER_MINUTE
    in_flight: int = 20
    user_agent: str = "Kassabrug"
    vat_tariffs: Mapping[str, Decimal] = field(default_factory=lambda: dialect.TARIFFS)
    voucher_pattern: str = dialect.VOUCHER_PATTERN
    package_id: int | None = None
    check_response_hash: bool = True
    register_life_seconds: float = 300.0

    def limit(self, budget: str) -> int:
        """Return how many requests a minute a budget allows."""
        kind, _, resource = budget.partition(" ")
        if resource == dialect.QUERIES:
            return self.queries_per_minute
        return self.reads_per_minute if kind == "read" else self.writes_per_minute


class SalesPos:
    """A SalesPOS till."""

    def __init__(
        self,
        config: SalesPosConfig,
        *,
        clock: Clock,
        observer: HttpObserver | None = None,
        gate: HttpGate | None = None,
        transport: Transport | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._config = config
        self._conventions = translate.Conventions(config.vat_tariffs, config.voucher_pattern)
        self._client = Client(
            config.api,
            signing.Keys(config.public_key, config.secret_key),
            http=HttpClient(
                "salespos",
                clock=clock,
                budgets=Budgets(config.limit, clock=clock),
                user_agent=config.user_agent,
                observer=observer,
                gate=gate,
                refuses=refuses,
                in_flight=config.in_flight,
                transport=transport,
            ),
            clock=clock,
            jitter=jitter or random.Random(),  # noqa: S311 - spreads repeated reads, hides nothing
            check_response_hash=config.check_response_hash,
        )
        self._clock = clock
        self._recent: dict[str, tuple[float, wire.Order]] = {}
        self._categories = Categories(self._client, clock=clock, life=config.register_life_seconds)
        self._skus = Kept(self._read_skus, clock=clock, life=config.register_life_seconds)
        self._package = Kept(self._first_package, clock=clock, life=config.register_life_seconds)
        self._shop = Kept(self._read_shop, clock=clock, life=config.register_life_seconds)

    @property
    def register_reads(self) -> Mapping[str, int]:
        """How often each register was really read."""
        own: dict[str, Kept[Any]] = {"numbers of products": self._skus, "packages": self._package, "the shop": self._shop}
        return {name: register.reads for name, register in own.items()} | dict(self._categories.reads)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # --- sales ---

    async def read_changes(self, since: datetime | None, *, after: Change[object] | None = None) -> Page[Sale]:
        """Return completed sales made at or after ``since``, oldest first, without their lines.

        The till lists sales by the moment they were made and has no filter on changes: a sale that changes later is delivered again,
        with another version, only while that moment is asked for.
        """
        moment = since if after is None else after.moment
        query = {"orderby": dialect.SALE_ORDER}
        if moment is not None:
            query[dialect.SINCE_FILTER] = signing.stamp(moment - dialect.SINCE_MARGIN)
        changes: list[Change[Sale]] = []
        bad: list[Bad] = []
        server_time: datetime | None = None
        more = True
        async with aclosing(listing.pages(self._client, "orders/", wire.Order, query)) as pages:
            async for batch in pages:
                server_time, more = server_time or batch.server_time, batch.more
                bad += batch.bad
                for order in batch.items:
                    try:
                        change = understood("orders", partial(translate.change_of, order))
                    except Unreadable as error:
                        bad.append(Bad(order.id, order.create_date, error.text))
                        continue
                    self._remember(order)
                    if moment is None or change.moment >= moment:
                        changes.append(change)
                # asked again, the till begins at the last moment delivered: that has to be a later one
                if any(moment is None or change.moment > moment for change in changes):
                    break
        return Page(
            tuple(sorted(changes, key=lambda change: change.moment)),
            more,
            server_time,
            tuple((one.id, one.moment, one.reason) for one in bad),
        )

    async def get_sale(self, sale: Sale) -> Sale:
        """Return a sale whole, as the till has it now or had it in a listing of the last minutes.

        What the order does not say is asked for: the e-mail address of its account, the SKU of a row that names its product by id only.

        Raises:
            Missing: the till no longer has it.
        """
        path = f"orders/{quote(sale.id, safe='')}/"
        # who knows nothing but the id asks because what was read earlier is not good enough
        order = (self._listed_lately(sale.id) if sale.currency else None) or (await self._client.get(path, wire.Order.model_validate)).value
        rows = await listing.everything(self._client, f"{path}orderrows/", wire.OrderRow)
        account = None
        if order.user and order.user.id and not (order.customer and order.customer.email):
            account = await self._account(order.user.id)
        unnamed = any(row.product_id and not translate.sku_of(row) for row in rows)
        skus = await self._skus.get() if unnamed else {}
        return understood(path, lambda: translate.whole_sale(order, rows, self._conventions, account=account, skus=skus))

    def _remember(self, order: wire.Order) -> None:
        """Keep an order of a listing for a while: most sales are fetched whole right after they were listed."""
        self._recent.pop(order.id, None)
        self._recent[order.id] = (self._clock.monotonic(), order)
        while len(self._recent) > _LISTED_KEPT:
            del self._recent[next(iter(self._recent))]

    def _listed_lately(self, order_id: str) -> wire.Order | None:
        listed_at, order = self._recent.pop(order_id, (0.0, None))
        return order if order is not None and self._clock.monotonic() - listed_at < _LISTED_LIFE else None

    async def _account(self, user_id: str) -> wire.User | None:
        path = f"users/{quote(user_id, safe='')}/"
        try:
            return (await self._client.get(path, wire.User.model_validate)).value
        except (Missing, Forbidden):
            return None

    async def payment_methods(self) -> Sequence[PaymentMethod]:
        """Return the ways to pay that the till offers."""
        return [translate.payment_method_of(method) for method in await listing.readable(self._client, "paymethods/", wire.PayMethod)]

    async def store(self) -> Store:
        """Return what the till says about itself; settings that the key may not read are taken as usual for a till."""
        resources = (await self._client.get("", dialect.resource_names)).value
        self._shop.forget()
        webshop, settings = await self._shop.get()
        return translate.store_of(webshop, settings, resources)

    async def _read_shop(self) -> tuple[wire.Webshop, wire.Settings]:
        shops = await listing.everything(self._client, "webshops/", wire.Webshop)
        if not shops:
            raise Unreadable("webshops: the till lists no shop of its own")
        try:
            settings = (await self._client.get(f"webshops/{quote(shops[0].id, safe='')}/settings/", wire.Settings.model_validate)).value
        except (Missing, Forbidden):
            settings = wire.Settings()
        return shops[0], settings

    async def _net_prices(self) -> bool:
        """Return whether the shop's prices are without VAT; a key that may not ask is told nothing else than the usual."""
        try:
            return (await self._shop.get())[1].prices_include_vat is False
        except Forbidden:
            return False

    async def facts(self) -> TillFacts:
        """Return how the till is set up, for a check: reads only, and goes on past what it may not read."""
        return await diagnose.read(self._client, store=self.store, payment_methods=self.payment_methods)

    async def cash_ups(self, since: datetime | None = None) -> Sequence[DayTakings]:
        """Return the day closings made at or after ``since``."""
        query = {} if since is None else {dialect.SINCE_FILTER: signing.stamp(since - dialect.SINCE_MARGIN)}
        records = await listing.everything(self._client, "cashups/", wire.CashUp, query)
        return [translate.takings_of(record) for record in records if since is None or record.create_date >= since]

    async def find_users(self, email: str) -> Sequence[Customer]:
        """Return the customers with an account under this e-mail address.  The till has no filter for it: all are read."""
        users = await listing.readable(self._client, "users/", wire.User)
        customers = [translate.customer_of(user.userinfo, user.id, username=user.username) for user in users]
        return [customer for customer in customers if customer is not None and customer.email == email.strip().lower()]

    # --- products ---

    async def all_products(self) -> Sequence[Product]:
        """Return every product."""
        return await self._translated(await self._listed())

    async def find_products(self, skus: Iterable[str]) -> Sequence[Product]:
        """Return every product with one of these SKUs, whatever the case; more than a few are picked from the whole listing."""
        return await self._translated(await self._with_skus(skus))

    async def get_product(self, product_id: str) -> Product:
        """Return one product.

        Raises:
            Missing: the till does not have it.
        """
        path = f"products/{quote(product_id, safe='')}/"
        product = (await self._client.get(path, wire.Product.model_validate)).value
        return (await self._translated([product]))[0]

    async def create_product(self, draft: ProductPatch) -> str:
        """Create a product, with its categories.  The id is empty where the till gave none and the SKU does not tell it yet.

        Raises:
            Rejected: the till refuses it, or has no tariff with its VAT rate.
            Uncertain: it may exist, or does exist without all of its categories.
        """
        net_at = draft.vat_rate if draft.price is not None and await self._net_prices() else None
        body = translate.product_body(draft, self._config.vat_tariffs, net_at=net_at)
        body["package_id"] = self._config.package_id or wire.as_sent(await self._package.get())
        categories = await self._categories.named(draft.categories or ())
        made = await self._client.post("products/", body, wire.Made.model_validate)
        try:
            product_id = (made.id if made is not None else None) or ""
            if categories and not product_id:
                product_id = next((product.id for product in await self._with_skus([draft.sku or ""])), "")
            if product_id:
                await self._categories.link(product_id, categories)
        except ConnectorError as error:
            raise Uncertain(f"the product was created, but what follows failed: {error}", code=error.code) from error
        return product_id

    async def update_product(self, product_id: str, draft: ProductPatch) -> None:
        """Write the given fields; categories are added, never taken away.

        Raises:
            Missing: the till does not have the product.
            Rejected: the till refuses it, or has no tariff with its VAT rate.
        """
        net_at = None
        if draft.price is not None and await self._net_prices():
            net_at = draft.vat_rate if draft.vat_rate is not None else (await self.get_product(product_id)).vat_rate
        if body := translate.product_body(draft, self._config.vat_tariffs, net_at=net_at):
            await self._client.patch(f"products/{quote(product_id, safe='')}/", body)
        if draft.categories:
            await self._categories.link(product_id, await self._categories.named(draft.categories))

    async def categories(self) -> Sequence[str]:
        """Return the names of the till's categories."""
        return sorted(set((await self._categories.names()).values()))

    async def _listed(self, query: Mapping[str, str] = MappingProxyType({})) -> list[wire.Product]:
        """Return the products of a listing: all that can be read of the whole, but none may be missing where one is looked up."""
        read = listing.everything if query else listing.readable
        return await read(self._client, "products/", wire.Product, {**query, "orderby": dialect.PRODUCT_ORDER})

    async def _with_skus(self, skus: Iterable[str]) -> list[wire.Product]:
        asked = {sku.strip().casefold(): sku.strip() for sku in skus if sku.strip()}
        queries = [{dialect.SKU_FILTER: spelling} for sku in asked.values() for spelling in dialect.spellings(sku)]
        found = [product for query in (queries if len(asked) <= _FEW else [{}]) for product in await self._listed(query)]
        return list({product.id: product for product in found if (product.productnumber or "").strip().casefold() in asked}.values())

    async def _translated(self, products: Sequence[wire.Product]) -> list[Product]:
        if not products:
            return []
        categories, net, tariffs = await self._categories.by_product(), await self._net_prices(), self._config.vat_tariffs
        return understood(
            "products",
            lambda: [translate.product_of(product, tariffs, categories.get(product.id, ()), net=net) for product in products],
        )

    async def _read_skus(self) -> Mapping[str, str]:
        return {product.id: product.productnumber or "" for product in await self._listed()}

    async def _first_package(self) -> str:
        packages = await listing.readable(self._client, "packages/", wire.Package)
        if not packages:
            raise Rejected("the till has no packaging, and a product needs one", code="package_id")
        return packages[0].id
