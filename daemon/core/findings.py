"""What a look at configuration, books and tills amounts to: findings, each with its evidence and what to do about it.  Pure.

A fault hides what cannot be known because of it, so that one cause is one line: a connection that does not answer has no missing
articles, and where nothing answers at all it is the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from connectors.model import BooksFacts, LineKind, Obstacle, TillFacts
from connectors.port import ConnectorError, KeptAway, Unauthorized, Unreachable
from daemon.core.message import message, word
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from connectors.model import Company, Customer, FiscalYear, MoneyAccount, PaymentMethod, Product, Refusal, Store
    from daemon.core.message import Message

#: how far a vendor's clock may be from ours
CLOCK_TOLERANCE = timedelta(minutes=1)
#: what the identity server says of a client that it does not know (RFC 6749 section 5.2)
_WRONG_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
#: modules for orders and quotes, as they are and were called (the vendor's schema)
_SALES_MODULES = frozenset({"sales_standard", "order_standard", "quote_standard"})


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"  # something cannot work
    WARNING = "warning"  # something will wait for a person
    INFO = "info"


class Problem(StrEnum):
    """What can be found."""

    NETWORK = "network"
    UNREACHABLE = "unreachable"
    NOT_ANSWERING = "not_answering"
    WRONG_KEYS = "wrong_keys"
    SIGNED_OUT = "signed_out"
    CLOCK = "clock"
    WRONG_COMPANY = "wrong_company"
    SCOPE = "scope"
    API_MODULE = "api_module"
    STARTUP_GUIDE = "startup_guide"
    COMPANY_INACTIVE = "company_inactive"
    LICENCE = "licence"
    RIGHT = "right"
    REFUSED = "refused"
    VARIANT = "variant"
    SALES_MODULE = "sales_module"
    STOCK_MODULE = "stock_module"
    FISCAL_YEAR = "fiscal_year"
    LOCKED_PERIOD = "locked_period"
    CODING = "coding"
    ARTICLE = "article"
    ARTICLE_RATE = "article_rate"
    DEBTOR = "debtor"
    TERMS = "terms"
    ACCOUNT = "account"
    PAYMENT_METHOD = "payment_method"
    CURRENCY = "currency"
    NOT_A_TILL = "not_a_till"
    NET_PRICES = "net_prices"
    PRODUCT_LIMIT = "product_limit"
    VENDOR_SCHEMA = "vendor_schema"
    FLOWS_OFF = "flows_off"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.  ``subject`` is a connection or a link; ``cure`` is what to do."""

    severity: Severity
    problem: Problem
    subject: str
    evidence: Message
    cure: Message


@dataclass(frozen=True, slots=True)
class BooksSeen:
    """A connection to books.  ``known_companies`` are the ids that its links remember, ``vat_rates`` those that its tills may use."""

    name: str
    address: str
    facts: BooksFacts | ConnectorError
    known_companies: frozenset[str] = frozenset()
    vat_rates: frozenset[Decimal] = frozenset()


@dataclass(frozen=True, slots=True)
class TillSeen:
    """A connection to a till."""

    name: str
    address: str
    facts: TillFacts | ConnectorError


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """What a link needs, and what of it was found; an error where that could not be read.

    ``articles`` maps (kind of line, VAT percentage) to a number, ``accounts`` a till's code of a payment method to an account's name.
    """

    name: str
    books: str
    till: str
    flows: frozenset[str]
    today: date
    debtor: str
    terms: str | None = None
    articles: Mapping[tuple[LineKind, Decimal], str] = field(default_factory=dict)
    found_articles: Sequence[Product] | ConnectorError = ()
    accounts: Mapping[str, str] = field(default_factory=dict)
    found_debtors: Sequence[Customer] | ConnectorError = ()
    #: the prefix that the configuration gives, and the one that the till's documents have
    prefixes: tuple[str, str] = ("", "")


def _error(problem: Problem, subject: str, evidence: Message, cure: Message) -> Finding:
    return Finding(Severity.ERROR, problem, subject, evidence, cure)


def findings(books: Sequence[BooksSeen], tills: Sequence[TillSeen], links: Sequence[LinkSeen]) -> list[Finding]:
    """Return everything that is not as it should be, connections first."""
    everyone: list[BooksSeen | TillSeen] = [*books, *tills]
    if len(everyone) > 1 and all(_nobody_answers(seen.facts) for seen in everyone):
        names = ", ".join(seen.name for seen in everyone)
        evidence = message("finding.network", address=everyone[0].address, error=everyone[0].facts)
        return [_error(Problem.NETWORK, names, evidence, message("cure.network"))]
    found: list[Finding] = []
    for one in books:
        found += [_unanswered(one)] if isinstance(one.facts, ConnectorError) else list(_books(one, one.facts))
    for other in tills:
        found += [_unanswered(other)] if isinstance(other.facts, ConnectorError) else list(_till(other.name, other.facts))
    books_facts, till_facts = {one.name: one.facts for one in books}, {one.name: one.facts for one in tills}
    for link in links:
        found += _link(link, books_facts[link.books], till_facts[link.till])
    return list(dict.fromkeys(found))


def _nobody_answers(facts: object) -> bool:
    """Tell whether nobody at all answers at the address; a page of somebody else is an answer."""
    return isinstance(facts, Unreachable) and not (isinstance(facts, KeptAway) and facts.answers)


def _unanswered(seen: BooksSeen | TillSeen) -> Finding:
    """Return what it means that a connection could not be asked at all."""
    error, name = seen.facts, seen.name
    if _nobody_answers(error):
        silent = message("finding.unreachable", address=seen.address, error=error)
        return _error(Problem.UNREACHABLE, name, silent, message("cure.unreachable"))
    if isinstance(error, Unauthorized) and isinstance(seen, BooksSeen) and error.code not in _WRONG_CLIENT:
        return _error(Problem.SIGNED_OUT, name, message("finding.signed_out", error=error), message("cure.login", name=name))
    if isinstance(error, Unauthorized):
        cure = message("cure.books_keys", name=name) if isinstance(seen, BooksSeen) else message("cure.till_keys", name=name)
        return _error(Problem.WRONG_KEYS, name, message("finding.wrong_keys", error=error), cure)
    odd = message("finding.not_answering", address=seen.address, error=error)
    return _error(Problem.NOT_ANSWERING, name, odd, message("cure.not_answering"))


def _clock(name: str, ahead: timedelta | None) -> Iterator[Finding]:
    if ahead is not None and abs(ahead) > CLOCK_TOLERANCE:
        seconds = round(ahead.total_seconds())
        behind = message("finding.clock_behind", seconds=abs(seconds))
        evidence = behind if seconds > 0 else message("finding.clock_ahead", seconds=abs(seconds))
        yield _error(Problem.CLOCK, name, evidence, message("cure.clock"))


# -- books ------------------------------------------------------------------------------------------------------------------------

_REFUSALS: dict[Obstacle, tuple[Problem, Message]] = {
    Obstacle.MODULE: (Problem.API_MODULE, message("cure.api_module")),
    Obstacle.STARTUP_GUIDE: (Problem.STARTUP_GUIDE, message("cure.startup_guide")),
    Obstacle.INACTIVE: (Problem.COMPANY_INACTIVE, message("cure.company_inactive")),
    Obstacle.VARIANT: (Problem.VARIANT, message("cure.variant")),
    Obstacle.LICENCE: (Problem.LICENCE, message("cure.licence")),
    Obstacle.PERMISSION: (Problem.RIGHT, message("cure.right")),
    Obstacle.OTHER: (Problem.REFUSED, message("cure.refused")),
}


def _books(seen: BooksSeen, facts: BooksFacts) -> Iterator[Finding]:
    name = seen.name
    yield from _clock(name, facts.clock_ahead)
    yield from _scopes(name, facts)
    for obstacle in dict.fromkeys(refusal.obstacle for refusal in facts.refusals if refusal.obstacle is not Obstacle.SCOPE):
        refused = [refusal for refusal in facts.refusals if refusal.obstacle is obstacle]
        problem, cure = _REFUSALS[obstacle]
        yield _error(problem, name, _refused(refused), cure)
    if facts.company is None:
        return
    yield from _company(seen, facts, facts.company)
    if facts.vat_rates is not None and (missing := seen.vat_rates - facts.vat_rates):
        rates = ", ".join(f"{rate:f} %" for rate in sorted(missing, reverse=True))
        yield _error(Problem.CODING, name, message("finding.coding", rates=rates), message("cure.coding", name=name))


def _scopes(name: str, facts: BooksFacts) -> Iterator[Finding]:
    refused = [refusal for refusal in facts.refusals if refusal.obstacle is Obstacle.SCOPE]
    if facts.missing_scopes or refused:
        lacks = message("finding.scope_lacks", scopes=facts.missing_scopes) if facts.missing_scopes else message("finding.scope")
        evidence = message("detail.both", first=lacks, second=_refused(refused)) if refused else lacks
        yield _error(Problem.SCOPE, name, evidence, message("cure.scope", name=name))


def _refused(refusals: Sequence[Refusal]) -> Message:
    return message("finding.refused", what=[refusal.what for refusal in refusals], error=refusals[0].text)


def _company(seen: BooksSeen, facts: BooksFacts, company: Company) -> Iterator[Finding]:
    name = seen.name
    if others := seen.known_companies - {company.id}:
        evidence = message("finding.wrong_company", company=company.name, id=company.id, others=sorted(others))
        yield _error(Problem.WRONG_COMPANY, name, evidence, message("cure.wrong_company", name=name))
    if not facts.can_be_written:
        evidence = message("finding.company_inactive", company=company.name)
        yield _error(Problem.COMPANY_INACTIVE, name, evidence, message("cure.company_inactive"))
    if company.variant and company.variant not in facts.sufficient_variants and not _has(facts, Obstacle.VARIANT):
        yield _error(Problem.VARIANT, name, message("finding.variant", variant=company.variant), message("cure.variant"))
    if not company.modules & _SALES_MODULES:
        yield Finding(Severity.INFO, Problem.SALES_MODULE, name, message("finding.sales_module"), message("cure.sales_module"))


def _has(facts: BooksFacts, obstacle: Obstacle) -> bool:
    return any(refusal.obstacle is obstacle for refusal in facts.refusals)


# -- tills ------------------------------------------------------------------------------------------------------------------------


def _till(name: str, facts: TillFacts) -> Iterator[Finding]:
    yield from _clock(name, facts.clock_ahead)
    for refusal in facts.refusals:
        evidence = message("finding.till_right", what=refusal.what, error=refusal.text)
        yield _error(Problem.RIGHT, name, evidence, message("cure.till_right", name=name, what=refusal.what))
    store = facts.store
    if store is None:
        return
    if not store.is_till:
        evidence = message("finding.not_a_till", shop=store.name or message("finding.this_shop"))
        yield Finding(Severity.WARNING, Problem.NOT_A_TILL, name, evidence, message("cure.not_a_till", name=name))
    if not store.prices_include_vat:
        yield Finding(Severity.WARNING, Problem.NET_PRICES, name, message("finding.net_prices"), message("cure.net_prices"))


# -- links ------------------------------------------------------------------------------------------------------------------------


def _link(link: LinkSeen, books: BooksFacts | ConnectorError, till: TillFacts | ConnectorError) -> Iterator[Finding]:
    yield from _flows(link)
    yield from _prefix(link)
    if isinstance(books, BooksFacts) and books.company is not None:
        if "sales" in link.flows:
            yield from _period(link, books.fiscal_years, books.locked_to)
            yield from _articles(link)
            yield from _debtor(link)
            yield from _terms(link, books.terms_of_payment)
            yield from _accounts(link, books.money_accounts)
        yield from _stock_module(link, books.company)
    if isinstance(till, TillFacts):
        if "sales" in link.flows:
            yield from _payment_methods(link, till.payment_methods or ())
        if till.store is not None:
            yield from _store(link, till.store, books)


def _flows(link: LinkSeen) -> Iterator[Finding]:
    """What follows from flows that are on without those that they go together with."""

    def off(flow: str) -> Message:
        return message("cure.flow_off", link=link.name, flow=flow)

    def found(severity: Severity, evidence: Message, cure: Message) -> Finding:
        return Finding(severity, Problem.FLOWS_OFF, link.name, evidence, cure)

    if not link.flows:
        yield found(Severity.WARNING, message("finding.all_off"), off("sales"))
    elif "sales" not in link.flows and "stock" in link.flows:
        yield found(Severity.WARNING, message("finding.stock_alone"), message("cure.stock_alone", link=link.name))
    elif "sales" not in link.flows:
        yield found(Severity.INFO, message("finding.sales_off"), off("sales"))
    if "products" not in link.flows and link.flows:
        evidence = message("finding.products_off_sold") if "sales" in link.flows else message("finding.products_off")
        yield found(Severity.INFO, evidence, off("products"))


def _prefix(link: LinkSeen) -> Iterator[Finding]:
    said, used = link.prefixes
    if not used.casefold().startswith(said.casefold()):
        evidence = message("finding.prefix", till=link.till, used=used, said=said)
        yield Finding(Severity.WARNING, Problem.PREFIX, link.name, evidence, message("cure.prefix", link=link.name))


def _period(link: LinkSeen, years: Sequence[FiscalYear] | None, locked_to: date | None) -> Iterator[Finding]:
    if years is not None:
        current = [year for year in years if year.first_day <= link.today <= year.last_day]
        if not current:
            last = max((year.last_day for year in years), default=None)
            evidence = message("finding.no_year", today=link.today)
            if last is not None:
                evidence = message("finding.year_over", today=link.today, last=last)
            yield _error(Problem.FISCAL_YEAR, link.books, evidence, message("cure.fiscal_year"))
        elif all(year.locked for year in current):
            yield _error(Problem.LOCKED_PERIOD, link.books, message("finding.year_locked", today=link.today), message("cure.year_locked"))
    if locked_to is not None and locked_to >= link.today:
        yield _error(Problem.LOCKED_PERIOD, link.books, message("finding.locked", day=locked_to), message("cure.locked"))


def _articles(link: LinkSeen) -> Iterator[Finding]:
    if isinstance(link.found_articles, ConnectorError):
        yield _error(Problem.REFUSED, link.name, message("finding.no_articles", error=link.found_articles), message("cure.see"))
        return
    by_number = {sku_key(product.sku): product for product in link.found_articles}
    for (kind, rate), number in link.articles.items():
        product = by_number.get(sku_key(number))
        use = message("finding.use", kind=word("line", kind), rate=f"{rate:f}")
        if product is None or not product.active:
            gone = message("finding.article_gone", article=number, use=use)
            evidence = gone if product is None else message("finding.article_inactive", article=number, use=use)
            yield _error(Problem.ARTICLE, link.name, evidence, message("cure.article", rate=f"{rate:f}", kind=kind))
        elif product.vat_rate != rate:
            evidence = message("finding.article_rate", article=number, use=use, rate=f"{product.vat_rate:f}")
            yield _error(Problem.ARTICLE_RATE, link.name, evidence, message("cure.article_rate", rate=f"{rate:f}"))


def _debtor(link: LinkSeen) -> Iterator[Finding]:
    if isinstance(link.found_debtors, ConnectorError):
        yield _error(Problem.REFUSED, link.name, message("finding.no_customers", error=link.found_debtors), message("cure.see"))
    elif not any(customer.active for customer in link.found_debtors):
        gone = message("finding.debtor_gone", customer=link.debtor)
        evidence = message("finding.debtor_inactive", customer=link.debtor) if link.found_debtors else gone
        yield _error(Problem.DEBTOR, link.name, evidence, message("cure.debtor", link=link.name))


def _terms(link: LinkSeen, names: Sequence[str] | None) -> Iterator[Finding]:
    if names is None:
        return
    if link.terms is not None and link.terms.casefold() not in {name.casefold() for name in names}:
        evidence = message("finding.no_such_terms", terms=repr(link.terms))
        yield _error(Problem.TERMS, link.name, evidence, message("cure.set_terms", link=link.name, names=names))
    elif not names:
        yield _error(Problem.TERMS, link.name, message("finding.no_terms"), message("cure.make_terms"))


def _accounts(link: LinkSeen, accounts: Sequence[MoneyAccount] | None) -> Iterator[Finding]:
    if accounts is None:
        return
    usable = {text for account in accounts if account.active for text in (account.name, account.id, account.ledger_account)}
    for code, name in link.accounts.items():
        if name not in usable:
            evidence = message("finding.account", account=repr(name), method=code or message("detail.no_method"))
            yield _error(Problem.ACCOUNT, link.name, evidence, message("cure.account", link=link.name))


def _stock_module(link: LinkSeen, company: Company) -> Iterator[Finding]:
    if "stock" in link.flows and not company.stock_module:
        yield _error(Problem.STOCK_MODULE, link.name, message("finding.no_stock_module"), message("cure.stock_module", link=link.name))
    elif "stock" not in link.flows and company.stock_module:
        cure = message("cure.flow_off", link=link.name, flow="stock")
        yield Finding(Severity.INFO, Problem.STOCK_MODULE, link.name, message("finding.stock_off"), cure)


def _payment_methods(link: LinkSeen, methods: Sequence[PaymentMethod]) -> Iterator[Finding]:
    for method in methods:
        if method.code not in link.accounts:
            cure = message("cure.payment_method", link=link.name)
            evidence = message("finding.payment_method", method=repr(method.code), label=method.label, till=link.till)
            yield Finding(Severity.WARNING, Problem.PAYMENT_METHOD, link.name, evidence, cure)


def _store(link: LinkSeen, store: Store, books: BooksFacts | ConnectorError) -> Iterator[Finding]:
    if "products" in link.flows and store.product_limit_left is not None and store.product_limit_left <= 0:
        yield _error(Problem.PRODUCT_LIMIT, link.till, message("finding.product_limit"), message("cure.product_limit"))
    company = books.company if isinstance(books, BooksFacts) else None
    if company is not None and company.currency and store.currency != company.currency:
        evidence = message("finding.currency", till=link.till, counts=store.currency, books=link.books, others=company.currency)
        yield _error(Problem.CURRENCY, link.name, evidence, message("cure.currency"))
