"""Putting the pieces together: connections, links and flows, as the configuration says.

The connections are opened by what their connectors offer; everything behind this knows the port alone.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import structlog

from connectors.offer import Opening
from connectors.registry import CONNECTORS
from daemon import __version__
from daemon.core import references
from daemon.core.answers import combine
from daemon.core.booking import BookingRules
from daemon.core.brake import BrakeRules
from daemon.core.flow_registry import NAMES, SALES
from daemon.core.ids import EVERYBODY, LinkId, PairId, pair_of
from daemon.core.retry import RetryPolicy
from daemon.engine.connection_health import ConnectionHealth
from daemon.engine.context import Common, Context, Mappings
from daemon.flows.after_restore import AfterRestore
from daemon.flows.products import Products
from daemon.flows.sales import Sales
from daemon.flows.starting import PREFIXES_FACT, Configured, begin
from daemon.flows.stock import Stock
from daemon.flows.unbooked_sales import Counter
from daemon.mappings import load_all
from daemon.settings import ConfigurationError
from daemon.state.tokens import SqliteTokenStore

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    import anyio

    from connectors.http import Transport
    from connectors.port import Books, Clock, Till, TokenStore
    from connectors.settings import ConnectionSettings
    from daemon.mappings import MappingFiles
    from daemon.observe.metrics import Metrics
    from daemon.settings import LinkSettings, Settings
    from daemon.state.store import SqliteStore

SALT_FACT = "salt"


class RunnableFlow(Protocol):
    """A flow of the registry, built for one pair."""

    name: str

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Run once; ``ready`` is awaited before anything that needs the books to be the right ones.  Raises the errors of the port."""
        ...


@dataclass(slots=True)
class Pair:
    """One company's books and one till with their flows."""

    context: Context
    settings: LinkSettings
    sales: Sales
    products: Products
    stock: Stock
    watches: tuple[ConnectionHealth, ConnectionHealth]
    #: ends the time after an older state was put back; ``None`` where nobody waits for that
    after_restore: AfterRestore | None = None
    configured: Configured = field(default_factory=Configured)
    _begun: bool = False

    async def begin(self) -> None:
        """Take in, once in a process, what the configuration says now."""
        async with self.context.exclusive(f"begin {self.context.pair_id}"):
            if not self._begun:
                await begin(self.context, self.configured)
                self._begun = True

    @property
    def flows(self) -> dict[str, RunnableFlow]:
        """The flows by their names."""
        built: tuple[RunnableFlow, ...] = (self.products, self.stock, self.sales)
        return {one.name: one for one in built}

    def interval(self, flow: str) -> float:
        """Return how often a flow looks, in seconds."""
        return self.settings.flows.by_name()[flow].interval

    @property
    def enabled(self) -> tuple[str, ...]:
        """The flows that the configuration enables."""
        return tuple(name for name in NAMES if self.settings.flows.by_name()[name].enabled)


@dataclass(slots=True)
class App:
    """All pairs of the configuration, and what they share."""

    pairs: tuple[Pair, ...]
    watches: Mapping[str, ConnectionHealth]


def user_agent(settings: Settings) -> str:
    """Return how the daemon introduces itself."""
    contact = settings.daemon.contact
    return f"Kassabrug/{__version__}" + (f" (+{contact})" if contact else "")


def booking_rules(link: LinkSettings, files: MappingFiles, *, prefix: str, context: Context) -> Callable[[Mapping[str, str]], BookingRules]:
    """Return what makes the rules of booking from the configuration, and from the answers given so far where it says nothing."""
    zone = ZoneInfo(link.time_zone)

    def make(answers: Mapping[str, str]) -> BookingRules:
        company = context.company
        assert company is not None  # noqa: S101 - get_ready() comes first; this tells the type checker
        said = combine(link.payment_methods, files.articles, answers)
        return BookingRules(
            currency=company.currency,
            home_country=company.country,
            eu_countries=company.eu_countries,
            zone=zone,
            articles=said.articles,
            accounts=said.accounts,
            answered=said.answered,
            default_debtor=link.booking.default_debtor,
            reference_prefix=prefix,
            rounding_cap=link.booking.rounding_cap,
            book_zero_receipts=link.booking.zero_receipts == "book",
            start=link.start,
            sku_map=files.skus,
            target=link.sales.document,
            after_booking=link.sales.after_booking,
            decided={key: answer for key, answer in answers.items() if key.startswith(("changed:", "locked:"))},
        )

    return make


async def get_ready(context: Context) -> None:
    """Learn what must be known before the first record; raises the errors of the port while a vendor does not answer."""
    if context.company is None:
        context.company = await context.books.company()
    if not context.salt:
        # all flows of all pairs begin at once, and must end up with one salt
        async with context.exclusive(SALT_FACT):
            salt = await context.store.secret(EVERYBODY, SALT_FACT)
            if salt is None:
                salt = secrets.token_hex(16)
                await context.store.remember_secret(EVERYBODY, SALT_FACT, salt)
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


def opening(name: str, settings: Settings, clock: Clock, tokens: TokenStore) -> Opening:
    """Return what the daemon opens a connection with, but for what watches it."""
    terms = {link.books: link.booking.terms_of_payment for link in settings.links.values()}
    return Opening(name, clock, tokens, user_agent(settings), terms_of_payment=terms.get(name))


def open_books(own: ConnectionSettings, opening: Opening) -> Books:
    """Open books; that the connector has any is the settings' to check."""
    opens = CONNECTORS[own.kind].open_books
    assert opens is not None  # noqa: S101 - this tells the type checker
    return opens(own, opening)


def open_till(own: ConnectionSettings, opening: Opening) -> Till:
    """Open a till, likewise."""
    opens = CONNECTORS[own.kind].open_till
    assert opens is not None  # noqa: S101 - this tells the type checker
    return opens(own, opening)


def _connect(shared: Shared, watches: dict[str, ConnectionHealth]) -> tuple[dict[str, Books], dict[str, Till]]:
    """Build every connection that a link uses; links share them, for the rate budget belongs to the connection."""
    settings = shared.settings

    def watched(name: str) -> Opening:
        watch = watches[name] = ConnectionHealth(name, settings.connections[name].kind, shared.metrics, shared.clock)
        tokens = SqliteTokenStore(shared.store, name, shared.state_dir, clock=shared.clock)
        plain = opening(name, settings, shared.clock, tokens)
        return replace(plain, observer=watch, gate=watch, transport=shared.transports.get(name))

    companies = sorted({link.books for link in settings.links.values()})
    tills = sorted({till for link in settings.links.values() for till in link.tills})
    return (
        {name: open_books(settings.connections[name], watched(name)) for name in companies},
        {name: open_till(settings.connections[name], watched(name)) for name in tills},
    )


@asynccontextmanager
async def assemble(shared: Shared) -> AsyncIterator[App]:
    """Build everything that the configuration names, and give it back at the end; raises ``ConfigurationError``."""
    watches: dict[str, ConnectionHealth] = {}
    loaded = load_all(shared.settings.links)
    prefixes = await _prefixes(shared)
    async with AsyncExitStack() as stack:
        books, tills = _connect(shared, watches)
        for one in books.values():
            stack.push_async_callback(one.aclose)
        for other in tills.values():
            stack.push_async_callback(other.aclose)
        pairs, after_restore = [], AfterRestore()
        for name, link in shared.settings.links.items():
            counters: dict[PairId, Counter] = {}
            for till in link.tills:
                siblings = _siblings(shared.settings, prefixes, pair_of(LinkId(name), till), link.books)
                context = _context(shared, name, link, loaded[name], ends=(books[link.books], tills[till]), till=till, siblings=siblings)
                sales = Sales(context, booking_rules(link, loaded[name], prefix=prefixes[name][till], context=context))
                products = Products(context, frozenset(loaded[name].articles.values()), [pair_of(LinkId(name), one) for one in link.tills])
                # the stock of each till counts what every till of the company has sold
                counters[context.pair_id] = Counter(sales.poll, context.till)
                stock = Stock(context, counters, books_sales=link.flows.by_name()[SALES.name].enabled)
                watched = (watches[link.books], watches[till])
                context.connections = watched
                said = Configured(
                    link.payment_methods, loaded[name].articles, _decided_by(shared.settings, name, till, loaded[name]), prefixes[name]
                )
                pair = Pair(context, link, sales, products, stock, watched, after_restore, said)
                after_restore.expect(context, pair.enabled, _prefix_of(sales))
                pairs.append(pair)
        yield App(tuple(pairs), watches)


def _prefix_of(sales: Sales) -> Callable[[], str]:
    return lambda: sales.rules.reference_prefix


async def _prefixes(shared: Shared) -> dict[str, dict[str, str]]:
    """Return the prefix of each till by link, past tills too: what was given once stays, whatever the file says now.

    Raises:
        ConfigurationError: two tills would book into the same books under the same prefix.
    """
    store, links = shared.store, shared.settings.links
    found = {}
    for name, link in links.items():
        known = references.load(await store.fact(LinkId(name), PREFIXES_FACT))
        if not known:
            # an older version wrote nothing down, but the documents that it booked tell
            for till in link.tills:
                if (used := await _used_prefix(store, pair_of(LinkId(name), till))) is not None:
                    known[till] = used
        found[name] = references.assign(link.booking.reference_prefix, link.tills, known)
    owners = [(links[name].books, pair_of(LinkId(name), till), prefix) for name, given in found.items() for till, prefix in given.items()]
    if (clash := references.clashing(owners)) is not None:
        prefix, one, other = clash
        key = f"links.{other.partition('/')[0]}.booking.reference_prefix"
        raise ConfigurationError(
            "", key, f"{one} and {other} would book under the same prefix {prefix}", "another prefix, never used in these books"
        )
    return found


async def _used_prefix(store: SqliteStore, pair: PairId) -> str | None:
    """Return the prefix under which this pair has sent documents, ``None`` when it has sent none."""
    for intent in await store.intents(pair, flow=SALES.name):
        if intent.operation == "document" and (work := await store.work(pair, SALES.name, intent.record)) is not None:
            return intent.reference.removesuffix(f"-{work.label}")
    return None


def _siblings(settings: Settings, prefixes: Mapping[str, Mapping[str, str]], own: str, books: str) -> tuple[PairId, ...]:
    """Name the other pairs that write, or have written, into the same books."""
    names = [pair_of(LinkId(name), till) for name, given in prefixes.items() if settings.links[name].books == books for till in given]
    return tuple(name for name in names if name != own)


def _decided_by(settings: Settings, name: str, till: str, files: MappingFiles) -> str:
    """Return a fingerprint of everything in the configuration by which the records of a pair are decided."""
    link = settings.links[name]
    parts = (
        sorted(link.payment_methods.items()),
        link.booking,
        sorted((str(kind), str(rate), number) for (kind, rate), number in files.articles.items()),
        sorted(files.skus.items()),
        files.products.fingerprint,
        files.customers.fingerprint,
        sorted(settings.connections[till].rates.items()),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _context(
    shared: Shared, name: str, link: LinkSettings, files: MappingFiles, *, ends: tuple[Books, Till], till: str, siblings: tuple[PairId, ...]
) -> Context:
    return Context(
        link_id=LinkId(name),
        pair_id=pair_of(LinkId(name), till),
        siblings=siblings,
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
