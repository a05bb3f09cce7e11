"""What must be true of both vendors and of the state: nothing lost, nothing doubled, equal to the cent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from daemon.core.customers import email_key, is_anonymous
from daemon.core.ids import PairId
from daemon.core.outcomes import OPEN_STATES, Outcome, Reason, State
from daemon.core.sku import sku_key
from daemon.flows.sales import OVERLAP
from daemon.state.port import IntentState
from tests.fault.bridge import LINK, PAIR, PAYMENT_METHODS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connectors.model import Document, Product, Sale
    from daemon.state.port import Store, Work
    from tests.fault.vendors import BooksTwin, World

ZERO = Decimal(0)
LOST, DOUBLED, WRONG = "lost", "doubled", "wrong"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must not be.  ``kind`` is lost, doubled or wrong."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a scenario expects beyond the rule.

    ``held`` maps what waits for a person to its reason, ``unbooked`` names receipts that never get a document; ``accounts`` maps
    payment methods to accounts, and ``loose`` names SKUs of which only one product is asked for, not that it agrees.
    """

    held: Mapping[str, str]
    unbooked: frozenset[str] = frozenset()
    accounts: Mapping[str, str] | None = None
    loose: frozenset[str] = frozenset()


def key_of(sale: Sale) -> str:
    """Return the natural key of a receipt's document."""
    return f"KB-{sale.number}"


def documents_by_key(books: BooksTwin) -> dict[str, list[Document]]:
    """Return all documents as they are, by natural key."""
    found: dict[str, list[Document]] = {}
    for paper in books.documents.actual():
        found.setdefault(paper.document.key, []).append(paper.document)
    return found


def doubled(world: World) -> list[Problem]:
    """Return what must not be twice at any moment, whatever else is going on."""
    problems = [
        Problem(DOUBLED, f"{len(documents)} documents carry {key}")
        for key, documents in documents_by_key(world.books).items()
        if len(documents) > 1
    ]
    addresses = Counter(email_key(one.email) for one in world.books.customers.actual() if one.email and one.active)
    problems += [Problem(DOUBLED, f"{count} customers with one address") for count in addresses.values() if count > 1]
    for paper in world.books.documents.actual():
        document = paper.document
        if abs(document.gross - document.remaining) > abs(document.gross) or document.remaining * document.gross < 0:
            problems.append(Problem(DOUBLED, f"{document.key}: total {document.gross}, remaining {document.remaining}"))
    return problems


def booked_and_in_hand(world: World, works: Mapping[str, Work], edited: Collection[str]) -> list[Problem]:
    """Compare both sides to the cent while work goes on: each receipt that the state knows is booked as sold, or in hand, or left out.

    ``edited`` are those that were changed since, of which the state may not know yet.
    """
    problems = []
    documents = documents_by_key(world.books)
    for sale in world.till.sales.actual():
        work = works.get(sale.id)
        if work is None or work.state in OPEN_STATES or sale.number in edited:
            continue
        if work.outcome is Outcome.SKIPPED and work.reason is not Reason.EXISTS:
            continue
        booked = sum((document.gross for document in documents.get(key_of(sale), ())), ZERO)
        if booked != sale.gross:
            problems.append(Problem(WRONG, f"receipt {sale.number} is settled with {booked}, it came to {sale.gross}"))
    return problems


async def cursor_ahead(world: World, store: Store, works: Mapping[str, Work], shown_late: Collection[str] = ()) -> list[Problem]:
    """A receipt that a listing shows at or before the position must be known to the state, unless it was shown only afterwards."""
    position = await store.position(PairId(PAIR), "sales")
    if position.moment is None:
        return []
    seen = {record for record, _ in position.seen}
    problems = [Problem(LOST, f"the cursor remembers {record}, and there is no work for it") for record in seen - set(works)]
    edge = position.moment - OVERLAP
    return problems + [
        Problem(LOST, f"the cursor has passed receipt {sale.number}, and there is no work for it")
        for sale in world.till.sales.listed()
        if sale.sold_at < edge and sale.id not in works and sale.number not in shown_late
    ]


def receipts(world: World, expected: Expected) -> list[Problem]:
    """Each receipt has its document, its payments and its debtor; nothing else is there."""
    problems = []
    books = world.books
    documents = documents_by_key(books)
    accounts = {account.id: account.name for account in books.accounts}
    methods = expected.accounts or PAYMENT_METHODS
    customers = {one.id: one for one in books.customers.actual()}
    sold = {key_of(sale): sale for sale in world.till.sales.actual() if sale.number not in expected.unbooked}
    problems += [Problem(DOUBLED, f"{key} is nobody's document") for key in documents.keys() - sold.keys()]
    problems += [Problem(DOUBLED, f"a draft is left of {paper.document.key}") for paper in books.proposals.actual()]
    for key, sale in sold.items():
        if sale.number in expected.held:
            continue
        mine = documents.get(key, [])
        if not mine:
            problems.append(Problem(LOST, f"{key} has no document"))
            continue
        document = mine[0]
        if document.gross != sale.gross:
            problems.append(Problem(WRONG, f"{key}: receipt {sale.gross}, document {document.gross}"))
        ids = {one.id for one in mine}
        paid = Counter((accounts[p.account_id], p.amount) for p in books.payments if p.document_id in ids)
        due = Counter((methods[p.method], p.amount) for p in sale.payments if p.amount) if sale.paid else Counter()
        problems += [Problem(LOST, f"{key}: payment of {amount} on {account}") for account, amount in (due - paid).elements()]
        problems += [Problem(DOUBLED, f"{key}: payment of {amount} on {account}") for account, amount in (paid - due).elements()]
        debtor = customers[document.customer_id].email
        wanted = None if is_anonymous(sale.customer) or sale.customer is None else sale.customer.email
        if email_key(debtor or "") != email_key(wanted or ""):
            problems.append(Problem(WRONG, f"{key} stands on another customer's account"))
    return problems


def articles(world: World, expected: Expected) -> list[Problem]:
    """Each article is one product of the till, equal in what is kept equal, with the stock of the books."""
    problems = []
    by_sku: dict[str, list[Product]] = {}
    for product in world.till.products.actual():
        by_sku.setdefault(sku_key(product.sku), []).append(product)
    for article in world.books.articles.actual():
        if not article.active or article.sku.startswith("KB-") or article.sku in expected.held:
            continue
        there = by_sku.get(sku_key(article.sku), [])
        if len(there) != 1:
            problems.append(Problem(DOUBLED if there else LOST, f"{len(there)} products of the till are {article.sku}"))
            continue
        if article.sku in expected.loose:
            continue
        for name in ("name", "price", "vat_rate", "active", "ean"):
            mine, theirs = getattr(article, name), getattr(there[0], name)
            if mine not in (theirs, None):
                problems.append(Problem(WRONG, f"{article.sku}: {name} is {mine} in the books and {theirs} in the till"))
        if article.tracked and (there[0].quantity != article.quantity or not there[0].tracked):
            problems.append(Problem(WRONG, f"{article.sku}: stock {article.quantity} in the books, {there[0].quantity} in the till"))
    return problems


def cards(world: World) -> list[Problem]:
    """The books know of each customer what the newest receipt said."""
    newest = {email_key(sale.customer.email or ""): sale.customer for sale in _by_age(world) if sale.customer is not None}
    return [
        Problem(WRONG, f"customer {card.number} has another {name} than the till knows")
        for card in world.books.customers.actual()
        if (told := newest.get(email_key(card.email or ""))) is not None
        for name in ("name", "company", "phone", "invoice_address")
        if getattr(card, name) != getattr(told, name)
    ]


def _by_age(world: World) -> list[Sale]:
    return sorted(world.till.sales.actual(), key=lambda sale: (sale.sold_at, sale.id))


async def state(world: World, store: Store, expected: Expected) -> list[Problem]:
    """Nothing is open but what waits for a person, no write is undecided, and the bindings say where things are."""
    problems = []
    works = [work for flow in ("sales", "products") for work in await store.open_work(PairId(PAIR), flow)]
    held = {work.label: work.reason.value for work in works if work.state in {State.HELD, State.DEAD}}
    if held != dict(expected.held):
        details = "; ".join(f"{work.label}: {work.reason} {work.detail}" for work in works)
        problems.append(Problem(WRONG, f"held: {held}, expected {dict(expected.held)} ({details})"))
    problems += [Problem(LOST, f"{work.label} is left {work.state}") for work in works if work.state not in {State.HELD, State.DEAD}]
    customers = await store.bindings(PairId(LINK), "customer")
    problems += [
        Problem(WRONG, f"the intent {intent.key} is left {intent.state}")
        for link in (PAIR, LINK)
        for intent in await store.intents(PairId(link))
        if intent.state in {IntentState.SENT, IntentState.UNKNOWN}
        and _label(world, intent.record) not in expected.held
        # of a customer whom, since a backup was put back, no receipt has needed yet
        and not (link == LINK and intent.reference not in customers)
    ]
    documents = documents_by_key(world.books)
    for sale in world.till.sales.actual():
        bound = (await store.bindings(PairId(PAIR), "sale", [sale.id])).get(sale.id)
        ids = {document.id for document in documents.get(key_of(sale), ())}
        if ids and sale.number not in expected.held and (bound is None or bound.target not in ids):
            problems.append(Problem(WRONG, f"receipt {sale.number} is not bound to its document"))
    return problems


def _label(world: World, record: str) -> str:
    labels = {sale.id: sale.number for sale in world.till.sales.actual()}
    labels.update((article.id, article.sku) for article in world.books.articles.actual())
    return labels.get(record, record)


async def at_rest(world: World, store: Store, expected: Expected) -> list[Problem]:
    """Return everything that is not as it must be once nothing is left to do."""
    works = await all_sales_work(world, store)
    return [
        *doubled(world),
        *receipts(world, expected),
        *cards(world),
        *articles(world, expected),
        *await state(world, store, expected),
        *await cursor_ahead(world, store, works),
    ]


async def all_sales_work(world: World, store: Store) -> dict[str, Work]:
    """Return what the state knows of the receipts of the till."""
    found = {sale.id: await store.work(PairId(PAIR), "sales", sale.id) for sale in world.till.sales.actual()}
    return {record: work for record, work in found.items() if work is not None}


def difference(world: World, expected: Expected) -> Decimal:
    """Return the till's total less the books' total of all receipts that are to be booked."""
    numbers = expected.unbooked | set(expected.held)
    sold = sum((sale.gross for sale in world.till.sales.actual() if sale.number not in numbers), ZERO)
    keys = {key_of(sale) for sale in world.till.sales.actual() if sale.number in numbers}
    return sold - sum((paper.document.gross for paper in world.books.documents.actual() if paper.document.key not in keys), ZERO)
