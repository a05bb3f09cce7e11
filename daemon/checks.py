"""A look at everything that the configuration names, before or beside the daemon: reads only, and decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import anyio

from connectors.model import BooksFacts
from connectors.port import ConnectorError
from daemon.core.answers import combine
from daemon.core.findings import BooksSeen, Finding, LinkSeen, TillSeen, findings
from daemon.flow_run import COMPANY_FACT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.model import TillFacts
    from daemon.app import App, Pair, Shared

T = TypeVar("T")


async def _tried(read: Callable[[], Awaitable[T]]) -> T | ConnectorError:
    try:
        return await read()
    except ConnectorError as error:
        return error


async def check(app: App, shared: Shared) -> list[Finding]:
    """Ask every connection how it is set up, and every link for what it needs."""
    books = {pair.settings.books: pair.context.books for pair in app.pairs}
    tills = {pair.watches[1].name: pair.context.till for pair in app.pairs}
    books_facts: dict[str, BooksFacts | ConnectorError] = {}
    till_facts: dict[str, TillFacts | ConnectorError] = {}

    async def ask_books(name: str) -> None:
        books_facts[name] = await _tried(books[name].facts)

    async def ask_till(name: str) -> None:
        till_facts[name] = await _tried(tills[name].facts)

    async with anyio.create_task_group() as group:
        for name in books:
            group.start_soon(ask_books, name)
        for name in tills:
            group.start_soon(ask_till, name)
    return findings(
        [await _books_seen(name, facts, app, shared) for name, facts in sorted(books_facts.items())],
        [TillSeen(name, shared.settings.connections[name].place, facts) for name, facts in sorted(till_facts.items())],
        [await _link_seen(pair, books_facts[pair.settings.books], shared) for pair in app.pairs],
    )


async def _books_seen(name: str, facts: BooksFacts | ConnectorError, app: App, shared: Shared) -> BooksSeen:
    pairs = [pair for pair in app.pairs if pair.settings.books == name]
    known = {await shared.store.fact(pair.context.link_id, COMPANY_FACT) for pair in pairs}
    rates = {rate for pair in pairs for rate in shared.settings.connections[pair.watches[1].name].rates.values()}
    return BooksSeen(
        name,
        shared.settings.connections[name].place,
        facts,
        frozenset(company for company in known if company is not None),
        frozenset(rates),
    )


async def _link_seen(pair: Pair, facts: BooksFacts | ConnectorError, shared: Shared) -> LinkSeen:
    context, link = pair.context, pair.settings
    answers = await context.store.answers(context.pair_id)
    seen = LinkSeen(
        name=context.link_id,
        books=link.books,
        till=pair.watches[1].name,
        flows=frozenset(pair.enabled),
        today=shared.clock.now().astimezone(ZoneInfo(link.time_zone)).date(),
        debtor=link.booking.default_debtor,
        terms=link.booking.terms_of_payment,
        prefixes=(link.booking.reference_prefix, pair.configured.prefixes[pair.watches[1].name]),
        accounts=combine(link.payment_methods, pair.configured.articles, answers).accounts,
    )
    if not isinstance(facts, BooksFacts) or facts.company is None:
        return seen
    context.company = facts.company
    await _tried(pair.sales.refresh)  # the rules are there even when the accounts are refused, which is among the facts
    rules = pair.sales.rules
    return replace(
        seen,
        articles=rules.articles,
        found_articles=await _tried(lambda: context.books.find_products(sorted(set(rules.articles.values())))),
        found_debtors=await _tried(lambda: context.books.find_customers(numbers=[rules.default_debtor])),
    )
