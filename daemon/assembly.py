"""Putting the pieces together: connections, links and flows, as the configuration says.

The one module that knows the vendors by name; everything behind it knows the port.
"""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from connectors.eaccounting import EAccounting, EAccountingConfig
from connectors.model import LineKind
from connectors.salespos import SalesPos, SalesPosConfig
from daemon import __version__
from daemon.core.booking import BookingRules
from daemon.core.brake import BrakeRules
from daemon.core.retry import RetryPolicy
from daemon.engine.context import Common, Context, Mappings
from daemon.engine.watch import ConnectionWatch
from daemon.flows.products import Products
from daemon.flows.sales import Sales
from daemon.flows.stock import Stock
from daemon.mappings import load_all
from daemon.settings import EAccountingSettings, SalesPosSettings
from daemon.state.tokens import SqliteTokenStore

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    import anyio
    from pydantic import SecretStr

    from connectors.http import Transport
    from connectors.port import Books, Clock, Till
    from daemon.mappings import MappingFiles
    from daemon.observe.metrics import Metrics
    from daemon.settings import LinkSettings, Settings
    from daemon.state.store import SqliteStore

FLOWS = ("products", "stock", "sales")
SALT_FACT = "salt"


@dataclass(slots=True)
class Pair:
    """One company's books and one till with their flows."""

    context: Context
    settings: LinkSettings
    sales: Sales
    products: Products
    stock: Stock
    watches: tuple[ConnectionWatch, ConnectionWatch]

    def interval(self, flow: str) -> float:
        """Return how often a flow looks, in seconds."""
        return self.settings.flows.by_name()[flow].interval

    @property
    def enabled(self) -> tuple[str, ...]:
        """The flows that the configuration enables."""
        return tuple(name for name in FLOWS if self.settings.flows.by_name()[name].enabled)


@dataclass(slots=True)
class House:
    """All pairs of the configuration, and what they share."""

    pairs: tuple[Pair, ...]
    watches: Mapping[str, ConnectionWatch]


def _reveal(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _user_agent(settings: Settings) -> str:
    contact = settings.daemon.contact
    return f"Kassabrug/{__version__}" + (f" (+{contact})" if contact else "")


def books_config(name: str, own: EAccountingSettings, settings: Settings, terms: str | None = None) -> EAccountingConfig:
    """Return what the connector of a company's books needs to know."""
    return EAccountingConfig(
        name=name,
        api=own.api,
        identity=own.identity,
        client_id=own.client_id,
        client_secret=_reveal(own.client_secret),
        refresh_token=_reveal(own.refresh_token),
        access_token=_reveal(own.access_token),
        requests_per_minute=own.requests_per_minute,
        in_flight=own.in_flight,
        user_agent=_user_agent(settings),
        terms_of_payment=terms,
    )


def _till(name: str, own: SalesPosSettings, settings: Settings) -> SalesPosConfig:
    return SalesPosConfig(
        name=name,
        api=own.api,
        public_key=_reveal(own.public_key),
        secret_key=_reveal(own.secret_key),
        reads_per_minute=own.reads_per_minute,
        writes_per_minute=own.writes_per_minute,
        queries_per_minute=own.queries_per_minute,
        in_flight=own.in_flight,
        user_agent=_user_agent(settings),
        vat_tariffs=own.vat_tariffs,
        package_id=own.package_id,
        voucher_pattern=own.voucher_pattern,
        check_response_hash=own.check_response_hash,
    )


def booking_rules(link: LinkSettings, files: MappingFiles, *, prefix: str, context: Context) -> Callable[[Mapping[str, str]], BookingRules]:
    """Return what makes the rules of booking from the answers given so far."""
    zone = ZoneInfo(link.time_zone)

    def make(answers: Mapping[str, str]) -> BookingRules:
        company = context.company
        assert company is not None  # noqa: S101 - get_ready() comes first; this tells the type checker
        articles, accounts = dict(files.articles), dict(link.payment_methods)
        for key, answer in answers.items():
            kind, _, rest = key.partition(":")
            if kind == "payment_method":
                accounts[rest] = answer
            elif kind == "article":
                line, _, rate = rest.partition(":")
                articles[LineKind(line), Decimal(rate)] = answer
        return BookingRules(
            currency=company.currency,
            home_country=company.country,
            eu_countries=company.eu_countries,
            zone=zone,
            articles=articles,
            accounts=accounts,
            default_debtor=link.booking.default_debtor,
            reference_prefix=prefix,
            rounding_cap=link.booking.rounding_cap,
            book_zero_receipts=link.booking.zero_receipts == "book",
            start=link.start,
            sku_map=files.skus,
        )

    return make


async def get_ready(context: Context) -> None:
    """Learn what must be known before the first record; raises the errors of the port while a vendor does not answer."""
    if context.company is None:
        context.company = await context.books.company()
    if not context.salt:
        # all flows of all pairs begin at once, and must end up with one salt
        async with context.exclusive(SALT_FACT):
            salt = await context.store.fact("", SALT_FACT)
            if salt is None:
                salt = secrets.token_hex(16)
                await context.store.remember("", {SALT_FACT: salt})
            context.salt = salt


def _policy(link: LinkSettings) -> RetryPolicy:
    return replace(RetryPolicy(), max_attempts=link.booking.max_attempts, index_lag=link.booking.index_lag_seconds)


@dataclass(frozen=True, slots=True)
class Shared:
    """What every pair is built with."""

    settings: Settings
    store: SqliteStore
    state_dir: Path
    clock: Clock
    metrics: Metrics
    rng: random.Random
    stopping: anyio.Event
    #: what stands in for the network, by connection; empty means the real one
    transports: Mapping[str, Transport] = field(default_factory=dict)
    common: Common = field(default_factory=Common)


def _connect(shared: Shared, watches: dict[str, ConnectionWatch]) -> tuple[dict[str, Books], dict[str, Till]]:
    """Build every connection that a link uses; links share them, for the rate budget belongs to the connection."""
    settings = shared.settings
    terms = {link.books: link.booking.terms_of_payment for link in settings.links.values()}
    books: dict[str, Books] = {}
    tills: dict[str, Till] = {}
    used = {link.books for link in settings.links.values()} | {till for link in settings.links.values() for till in link.tills}
    for name in sorted(used):
        own = settings.connections[name]
        watch = watches[name] = ConnectionWatch(name, own.kind, shared.metrics, shared.clock)
        if isinstance(own, EAccountingSettings):
            tokens = SqliteTokenStore(shared.store, name, shared.state_dir, clock=shared.clock)
            config = books_config(name, own, settings, terms[name])
            transport = shared.transports.get(name)
            books[name] = EAccounting(config, clock=shared.clock, tokens=tokens, observer=watch, transport=transport)
        else:
            transport = shared.transports.get(name)
            tills[name] = SalesPos(_till(name, own, settings), clock=shared.clock, observer=watch, transport=transport)
    return books, tills


@asynccontextmanager
async def assemble(shared: Shared) -> AsyncIterator[House]:
    """Build everything that the configuration names, and give it back at the end; raises ``ConfigurationError``."""
    watches: dict[str, ConnectionWatch] = {}
    loaded = load_all(shared.settings.links)
    async with AsyncExitStack() as stack:
        books, tills = _connect(shared, watches)
        for one in books.values():
            stack.push_async_callback(one.aclose)
        for other in tills.values():
            stack.push_async_callback(other.aclose)
        pairs = []
        for name, link in shared.settings.links.items():
            for number, till in enumerate(link.tills):
                context = _context(shared, name, link, loaded[name], ends=(books[link.books], tills[till]), till=till)
                # two tills may give the same receipt number: from the second on, the till's name stands in the key
                prefix = link.booking.reference_prefix if number == 0 else f"{link.booking.reference_prefix}-{till}"
                sales = Sales(context, booking_rules(link, loaded[name], prefix=prefix, context=context))
                products = Products(context, frozenset(loaded[name].articles.values()))
                watched = (watches[link.books], watches[till])
                pairs.append(Pair(context, link, sales, products, Stock(context, sales.poll), watched))
        yield House(tuple(pairs), watches)


def _context(shared: Shared, name: str, link: LinkSettings, files: MappingFiles, *, ends: tuple[Books, Till], till: str) -> Context:
    return Context(
        link=name,
        scope=f"{name}/{till}",
        books=ends[0],
        till=ends[1],
        store=shared.store,
        clock=shared.clock,
        rng=shared.rng,
        policy=_policy(link),
        brake=BrakeRules(Decimal(str(link.brake.share)), link.brake.minimum),
        mappings=Mappings(files.products, files.customers),
        metrics=shared.metrics,
        log=structlog.get_logger("kassabrug").bind(link=name, till=till),
        workers=shared.settings.daemon.workers,
        stopping=shared.stopping,
        common=shared.common,
    )
