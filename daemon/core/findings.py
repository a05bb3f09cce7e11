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
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from connectors.model import Company, Customer, FiscalYear, MoneyAccount, PaymentMethod, Product, Refusal, Store

#: how far a vendor's clock may be from ours
CLOCK_TOLERANCE = timedelta(minutes=1)
#: what the identity server says of a client that it does not know (RFC 6749 section 5.2)
_WRONG_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
#: modules for orders and quotes, as they are and were called (reference: eaccounting-schema.md)
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
    evidence: str
    cure: str


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


def _error(problem: Problem, subject: str, evidence: str, cure: str) -> Finding:
    return Finding(Severity.ERROR, problem, subject, evidence, cure)


def findings(books: Sequence[BooksSeen], tills: Sequence[TillSeen], links: Sequence[LinkSeen]) -> list[Finding]:
    """Return everything that is not as it should be, connections first."""
    everyone: list[BooksSeen | TillSeen] = [*books, *tills]
    if len(everyone) > 1 and all(_nobody_answers(seen.facts) for seen in everyone):
        names = ", ".join(seen.name for seen in everyone)
        cure = "see that this machine has a network, a way out and a name server; if it has, correct the addresses in the configuration"
        return [_error(Problem.NETWORK, names, f"nothing answers: {everyone[0].address} and the others ({everyone[0].facts})", cure)]
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
        cure = "see that the address in the configuration is right and reachable from this machine"
        return _error(Problem.UNREACHABLE, name, f"{seen.address} does not answer ({error})", cure)
    if isinstance(error, Unauthorized) and isinstance(seen, BooksSeen) and error.code not in _WRONG_CLIENT:
        return _error(Problem.SIGNED_OUT, name, f"the sign-in is not accepted ({error})", f"kassabrug login {name}")
    if isinstance(error, Unauthorized):
        keys = "client_id and client_secret" if isinstance(seen, BooksSeen) else "public_key and secret_key"
        cure = f"correct {keys} of connections.{name}: they belong together, and to this address"
        return _error(Problem.WRONG_KEYS, name, f"the keys are not accepted ({error})", cure)
    cure = "wait and check again; if it stays so, see that the address in the configuration is the one of the API"
    return _error(Problem.NOT_ANSWERING, name, f"{seen.address} answers, but not as it should ({error})", cure)


def _clock(name: str, ahead: timedelta | None) -> Iterator[Finding]:
    if ahead is not None and abs(ahead) > CLOCK_TOLERANCE:
        seconds = round(ahead.total_seconds())
        evidence = f"the clock of this machine and the vendor's differ by {abs(seconds)} s (ours is {'behind' if seconds > 0 else 'ahead'})"
        yield _error(Problem.CLOCK, name, evidence, "set the clock of this machine, and keep it set: timedatectl set-ntp true")


# -- books ------------------------------------------------------------------------------------------------------------------------

_REFUSALS: dict[Obstacle, tuple[Problem, str]] = {
    Obstacle.MODULE: (Problem.API_MODULE, "activate the API module in eAccounting, under apps and extensions"),
    Obstacle.STARTUP_GUIDE: (Problem.STARTUP_GUIDE, "complete the start-up guide in eAccounting"),
    Obstacle.INACTIVE: (Problem.COMPANY_INACTIVE, "reactivate the company in eAccounting, or sign in to the right one"),
    Obstacle.VARIANT: (Problem.VARIANT, "change to a variant of eAccounting that has articles and customer invoices"),
    Obstacle.LICENCE: (Problem.LICENCE, "have the owner of the company accept the licence agreement in eAccounting"),
    Obstacle.PERMISSION: (Problem.RIGHT, "give the user who signed in more rights in eAccounting, or sign in as another"),
    Obstacle.OTHER: (Problem.REFUSED, "see what the vendor says; kassabrug check --vendor-schemas tells whether its interface changed"),
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
        cure = f"in eAccounting, add an active article coding with that VAT rate, or correct vat_tariffs of the tills of {name}"
        yield _error(Problem.CODING, name, f"no active article coding has VAT {rates}, which the till may charge", cure)


def _scopes(name: str, facts: BooksFacts) -> Iterator[Finding]:
    refused = [refusal for refusal in facts.refusals if refusal.obstacle is Obstacle.SCOPE]
    if facts.missing_scopes or refused:
        lacks = f"the sign-in lacks {', '.join(facts.missing_scopes)}" if facts.missing_scopes else "the sign-in does not cover everything"
        evidence = f"{lacks}; {_refused(refused)}" if refused else lacks
        yield _error(Problem.SCOPE, name, evidence, f"kassabrug login {name}, and allow all that is asked for")


def _refused(refusals: Sequence[Refusal]) -> str:
    return f"{', '.join(refusal.what for refusal in refusals)} refused ({refusals[0].text})"


def _company(seen: BooksSeen, facts: BooksFacts, company: Company) -> Iterator[Finding]:
    name = seen.name
    if others := seen.known_companies - {company.id}:
        evidence = f"signed in to {company.name} ({company.id}), but these books were those of {', '.join(sorted(others))}"
        yield _error(Problem.WRONG_COMPANY, name, evidence, f"kassabrug login {name}, and choose the company that these books belong to")
    if not facts.can_be_written:
        cure = "reactivate the company in eAccounting, or sign in to the right one"
        yield _error(Problem.COMPANY_INACTIVE, name, f"{company.name} is not active, or can only be read", cure)
    if company.variant and company.variant not in facts.sufficient_variants and not _has(facts, Obstacle.VARIANT):
        evidence = f"the variant {company.variant} has no articles and customer invoices"
        yield _error(Problem.VARIANT, name, evidence, _REFUSALS[Obstacle.VARIANT][1])
    if not company.modules & _SALES_MODULES:
        evidence = "the module for orders and quotes is not active"
        yield Finding(Severity.INFO, Problem.SALES_MODULE, name, evidence, "nothing: no flow needs it")


def _has(facts: BooksFacts, obstacle: Obstacle) -> bool:
    return any(refusal.obstacle is obstacle for refusal in facts.refusals)


# -- tills ------------------------------------------------------------------------------------------------------------------------


def _till(name: str, facts: TillFacts) -> Iterator[Finding]:
    yield from _clock(name, facts.clock_ahead)
    for refusal in facts.refusals:
        cure = f"in the till's back office, give the API key of connections.{name} the right to {refusal.what}"
        yield _error(Problem.RIGHT, name, f"{refusal.what}: {refusal.text}", cure)
    store = facts.store
    if store is None:
        return
    if not store.is_till:
        evidence = f"{store.name or 'this shop'} does not call itself a SalesPOS till"
        cure = f"put the address and the keys of the till, not those of a webshop, in connections.{name}"
        yield Finding(Severity.WARNING, Problem.NOT_A_TILL, name, evidence, cure)
    if not store.prices_include_vat:
        evidence = "the till keeps its prices without VAT: what the customer pays is computed there, and may differ by a cent"
        cure = "in the till's settings, switch to prices that include VAT"
        yield Finding(Severity.WARNING, Problem.NET_PRICES, name, evidence, cure)


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

    def off(flow: str) -> str:
        return f"nothing if that is meant, else set links.{link.name}.flows.{flow}.enabled = true"

    if not link.flows:
        yield Finding(Severity.WARNING, Problem.FLOWS_OFF, link.name, "all flows are off: nothing is done for this link", off("sales"))
    elif "sales" not in link.flows and "stock" in link.flows:
        evidence = (
            "the flow stock is on and sales is off: what is sold in the till is never booked, so the books' stock does not fall by it, "
            "and the till is not brought in step while receipts wait"
        )
        cure = f"set links.{link.name}.flows.sales.enabled = true, or links.{link.name}.flows.stock.enabled = false"
        yield Finding(Severity.WARNING, Problem.FLOWS_OFF, link.name, evidence, cure)
    elif "sales" not in link.flows:
        evidence = "the flow sales is off: receipts stay in the till, none is booked"
        yield Finding(Severity.INFO, Problem.FLOWS_OFF, link.name, evidence, off("sales"))
    if "products" not in link.flows and link.flows:
        evidence = "the flow products is off: what changes in the books' articles (prices, VAT, new ones) does not reach the till"
        if "sales" in link.flows:
            evidence += ", and receipts with a VAT rate or a SKU that the books do not have any more are held"
        yield Finding(Severity.INFO, Problem.FLOWS_OFF, link.name, evidence, off("products"))


def _prefix(link: LinkSeen) -> Iterator[Finding]:
    said, used = link.prefixes
    if not used.casefold().startswith(said.casefold()):
        evidence = f"documents of {link.till} are found again by {used}-, and the configuration says {said}: {used} stays"
        cure = f"set links.{link.name}.booking.reference_prefix to what it was"
        yield Finding(Severity.WARNING, Problem.PREFIX, link.name, evidence, cure)


def _period(link: LinkSeen, years: Sequence[FiscalYear] | None, locked_to: date | None) -> Iterator[Finding]:
    if years is not None:
        current = [year for year in years if year.first_day <= link.today <= year.last_day]
        if not current:
            last = max((year.last_day for year in years), default=None)
            evidence = f"no fiscal year contains {link.today}" + (f", the last one ends on {last}" if last is not None else "")
            yield _error(Problem.FISCAL_YEAR, link.books, evidence, "in eAccounting, create the fiscal year")
        elif all(year.locked for year in current):
            evidence = f"the fiscal year of {link.today} is locked"
            yield _error(Problem.LOCKED_PERIOD, link.books, evidence, "in eAccounting, unlock the fiscal year")
    if locked_to is not None and locked_to >= link.today:
        cure = "in eAccounting, move the date of the locked period back"
        yield _error(Problem.LOCKED_PERIOD, link.books, f"the books are locked until {locked_to} inclusive", cure)


def _articles(link: LinkSeen) -> Iterator[Finding]:
    if isinstance(link.found_articles, ConnectorError):
        yield _error(Problem.REFUSED, link.name, f"articles could not be read ({link.found_articles})", "see what the vendor says")
        return
    by_number = {sku_key(product.sku): product for product in link.found_articles}
    for (kind, rate), number in link.articles.items():
        product = by_number.get(sku_key(number))
        use = f"{kind} at {rate:f} %"
        if product is None or not product.active:
            state = "does not exist, or has no usable coding" if product is None else "is not active"
            cure = (
                f"in eAccounting, make it with VAT {rate:f} %, or name another in the table articles.{kind} of the mapping file sales.toml"
            )
            yield _error(Problem.ARTICLE, link.name, f"the article {number}, which books {use}, {state}", cure)
        elif product.vat_rate != rate:
            evidence = f"the article {number}, which books {use}, has VAT {product.vat_rate:f} %"
            yield _error(Problem.ARTICLE_RATE, link.name, evidence, f"in eAccounting, give it a coding with {rate:f} %")


def _debtor(link: LinkSeen) -> Iterator[Finding]:
    if isinstance(link.found_debtors, ConnectorError):
        yield _error(Problem.REFUSED, link.name, f"customers could not be read ({link.found_debtors})", "see what the vendor says")
    elif not any(customer.active for customer in link.found_debtors):
        state = "is not active" if link.found_debtors else "does not exist"
        cure = f"in eAccounting, make it (a private person in the shop's country), or set links.{link.name}.booking.default_debtor"
        evidence = f"the customer {link.debtor}, to whom sales without a customer are booked, {state}"
        yield _error(Problem.DEBTOR, link.name, evidence, cure)


def _terms(link: LinkSeen, names: Sequence[str] | None) -> Iterator[Finding]:
    if names is None:
        return
    if link.terms is not None and link.terms.casefold() not in {name.casefold() for name in names}:
        evidence = f"there are no terms of payment {link.terms!r} for sales"
        yield _error(Problem.TERMS, link.name, evidence, f"set links.{link.name}.booking.terms_of_payment to one of {', '.join(names)}")
    elif not names:
        yield _error(Problem.TERMS, link.name, "there are no terms of payment for sales", "in eAccounting, make terms of payment")


def _accounts(link: LinkSeen, accounts: Sequence[MoneyAccount] | None) -> Iterator[Finding]:
    if accounts is None:
        return
    usable = {text for account in accounts if account.active for text in (account.name, account.id, account.ledger_account)}
    for code, name in link.accounts.items():
        if name not in usable:
            cure = f"in eAccounting, make or activate it under cash and bank, or correct links.{link.name}.payment_methods"
            evidence = f"there is no active bank or cash account {name!r}, which takes what is paid with {code or '(no method)'}"
            yield _error(Problem.ACCOUNT, link.name, evidence, cure)


def _stock_module(link: LinkSeen, company: Company) -> Iterator[Finding]:
    if "stock" in link.flows and not company.stock_module:
        evidence = "the flow stock is on, but the books have no stock module: their numbers do not fall when something is sold"
        cure = f"activate the stock module in eAccounting, or set links.{link.name}.flows.stock.enabled = false"
        yield _error(Problem.STOCK_MODULE, link.name, evidence, cure)
    elif "stock" not in link.flows and company.stock_module:
        evidence = "the books keep stock, but the flow stock is off: the till does not show it"
        cure = f"nothing if that is meant, else set links.{link.name}.flows.stock.enabled = true"
        yield Finding(Severity.INFO, Problem.STOCK_MODULE, link.name, evidence, cure)


def _payment_methods(link: LinkSeen, methods: Sequence[PaymentMethod]) -> Iterator[Finding]:
    for method in methods:
        if method.code not in link.accounts:
            cure = f"name an account of the books for it in links.{link.name}.payment_methods; receipts paid with it wait until then"
            evidence = f"no account is named for the payment method {method.code!r} ({method.label}) of {link.till}"
            yield Finding(Severity.WARNING, Problem.PAYMENT_METHOD, link.name, evidence, cure)


def _store(link: LinkSeen, store: Store, books: BooksFacts | ConnectorError) -> Iterator[Finding]:
    if "products" in link.flows and store.product_limit_left is not None and store.product_limit_left <= 0:
        cure = "extend the subscription of the till, or remove products that are no longer sold"
        yield _error(Problem.PRODUCT_LIMIT, link.till, "the till takes no more products: its limit is reached", cure)
    company = books.company if isinstance(books, BooksFacts) else None
    if company is not None and company.currency and store.currency != company.currency:
        evidence = f"{link.till} counts in {store.currency}, {link.books} in {company.currency}"
        yield _error(Problem.CURRENCY, link.name, evidence, "link the till with the books of its own company")
