"""Both vendors in memory, behind the ports: fast, and no kinder than the real ones.

Nothing here is idempotent: a second create makes a second record, a second payment pays twice, and a SKU, an e-mail address or a
reference may stand on any number of records.  Listings and look-ups show every write, new record or change, ``lag`` seconds late; a
record asked for by its id is always as it is.  Payments cannot be read back.  Pages are small, and their records may share a moment.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, TypeVar

from connectors.model import (
    BooksFacts,
    Company,
    Customer,
    Document,
    LineKind,
    MoneyAccount,
    PaymentMethod,
    Product,
    StockLevel,
    Store,
    TillFacts,
)
from connectors.port import Change, Missing, Page, Rejected, Unfilterable, Unreadable
from tests.fault.shelf import START, Habits, LoopClock, Shelf, page_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date, datetime

    from connectors.model import BookPayment, DocumentDraft, ProductPatch, Sale

R = TypeVar("R")

CENT = Decimal("0.01")
ZERO = Decimal(0)
DEFAULT_DEBTOR = "1000"


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()


def _sale_version(sale: Sale) -> str:
    """Digest what a listing shows of a receipt: a line that changes without changing the total does not show."""
    email = sale.customer.email if sale.customer else None
    return _digest((sale.status, sale.paid, sale.gross.normalize(), sale.completed, [one.method for one in sale.payments], email))


def _key(text: str | None) -> str:
    return (text or "").strip().casefold()


def _merged(record: R, written: object) -> R:
    """Lay the fields that are given over a record."""
    names = {f.name for f in fields(record)} & {f.name for f in fields(written)}  # type: ignore[arg-type]  # both are dataclasses
    given = {name: value for name in names if (value := getattr(written, name)) is not None}
    return replace(record, **given)  # type: ignore[type-var]  # as above


@dataclass(frozen=True, slots=True)
class Paper:
    """A document or a proposal with what it was made from."""

    document: Document
    draft: DocumentDraft


class BooksTwin:
    """The port ``Books``."""

    def __init__(self, clock: LoopClock, habits: Habits) -> None:
        self._clock = clock
        self.habits = habits
        #: how many ids were given out; a plain number, for the worlds are copied
        self._given = 0
        self.articles: Shelf[Product] = Shelf(clock, habits.lag)
        self.customers: Shelf[Customer] = Shelf(clock, habits.lag)
        self.documents: Shelf[Paper] = Shelf(clock, habits.lag)
        self.proposals: Shelf[Paper] = Shelf(clock, habits.lag)
        self.payments: list[BookPayment] = []
        #: ids of articles that cannot be understood
        self.unreadable: set[str] = set()
        self.accounts = tuple(
            MoneyAccount(f"acc-{name}", name, ledger) for name, ledger in (("Pin", "1101"), ("Kas", "1000"), ("iDEAL", "1102"))
        )
        self.customers.put("cust-default", Customer(id="cust-default", number=DEFAULT_DEBTOR, name="Kassaklant"), late=0)

    def _next(self, kind: str) -> str:
        self._given += 1
        return f"{kind}-{self._given}"

    # -- what people do here ----------------------------------------------------------------------------------------------------
    def add_article(self, sku: str, *, late: float | None = None, **more: object) -> str:
        """Enter an article."""
        article_id = self._next("art")
        values = {"name": sku.title(), "price": Decimal("4.95"), "vat_rate": Decimal(21), "tracked": True, "quantity": Decimal(50), **more}
        article = Product(id=article_id, sku=sku, changed_at=self._clock.now(), **values)  # type: ignore[arg-type]  # fields of Product
        self.articles.put(article_id, article, late=late)
        return article_id

    def change_article(self, article_id: str, **values: object) -> None:
        """Edit an article."""
        article = replace(self.articles.get(article_id), changed_at=self._clock.now(), **values)  # type: ignore[arg-type]  # as above
        self.articles.put(article_id, article)

    # -- products ---------------------------------------------------------------------------------------------------------------
    async def read_changes(self, since: datetime | None, *, after: Change[object] | None = None) -> Page[Product]:
        """As the port says."""
        changes = [Change(one.id, one.changed_at or START, _digest(one), one) for one in self.articles.listed()]
        return page_of(changes, since, after, self.habits.page_size, self.unreadable)

    async def get_product(self, product_id: str) -> Product:
        """As the port says."""
        if product_id in self.unreadable:
            raise Unreadable("cannot be read")
        return self.articles.get(product_id)

    async def find_products(self, skus: Iterable[str], *, within: float | None = None) -> Sequence[Product]:
        """As the port says; nothing is kept here."""
        del within
        wanted = {_key(sku) for sku in skus}
        return [one for one in self.articles.listed() if _key(one.sku) in wanted and one.id not in self.unreadable]

    async def stock_levels(self) -> Sequence[StockLevel]:
        """As the port says."""
        return [
            StockLevel(one.id, one.sku, one.tracked, *((one.quantity, ZERO, one.quantity) if one.tracked else ()))
            for one in self.articles.listed()
        ]

    async def rates_version(self) -> str:
        """As the port says."""
        return ""

    # -- customers --------------------------------------------------------------------------------------------------------------
    async def find_customers(
        self, *, emails: Collection[str] = (), numbers: Collection[str] = (), ids: Collection[str] = ()
    ) -> Sequence[Customer]:
        """As the port says."""
        addresses = {_key(email) for email in emails}
        found = {one.id: one for one in self.customers.listed() if (one.email and _key(one.email) in addresses) or one.number in numbers}
        # what is asked for by its id is there at once
        found |= {one.id: one for one in self.customers.actual() if one.id in ids}
        return list(found.values())

    async def create_customer(self, customer: Customer) -> Customer:
        """As the port says."""
        customer_id = self._next("cust")
        created = replace(customer, id=customer_id, number=customer_id.removeprefix("cust-"), changed_at=self._clock.now())
        self.customers.put(customer_id, created)
        return created

    async def update_customer(self, customer_id: str, customer: Customer) -> None:
        """As the port says."""
        kept = self.customers.get(customer_id)
        written = _merged(kept, replace(customer, id=None, number=None))
        self.customers.put(customer_id, replace(written, active=kept.active, changed_at=self._clock.now()))

    # -- documents --------------------------------------------------------------------------------------------------------------
    def _filtered(self, papers: Iterable[Paper], keys: Sequence[str]) -> list[Document]:
        if not self.habits.filterable:
            raise Unfilterable("this field cannot be filtered on")
        return [paper.document for paper in papers if paper.document.key in keys]

    async def find_documents(self, keys: Sequence[str]) -> Sequence[Document]:
        """As the port says."""
        return self._filtered(self.documents.listed(), keys)

    async def find_proposals(self, keys: Sequence[str]) -> Sequence[Document]:
        """As the port says."""
        return self._filtered(self.proposals.listed(), keys)

    async def documents_since(self, moment: datetime) -> Sequence[Document]:
        """As the port says."""
        return [paper.document for paper in self.documents.listed() if (paper.document.changed_at or START) >= moment]

    async def proposals_since(self, moment: datetime) -> Sequence[Document]:
        """As the port says."""
        return [paper.document for paper in self.proposals.listed() if (paper.document.changed_at or START) >= moment]

    async def get_document(self, document_id: str) -> Document:
        """As the port says."""
        return self.documents.get(document_id).document

    def _written(self, draft: DocumentDraft, document_id: str, *, booked: bool) -> Paper:
        """Do the vendor's own arithmetic: VAT on each row, not on each rate, so that it may differ from anybody else's by cents."""
        customer = self._known_customer(draft.customer_id)
        private = not customer.is_company
        includes_vat = private and self.habits.private_prices_include_vat
        gross = vat = ZERO
        for row in draft.rows:
            if row.article_id not in {article.id for article in self.articles.actual()}:
                raise Rejected(f"there is no article {row.article_id}", code="4000")
            amount = (row.quantity * row.unit_price).quantize(CENT, ROUND_HALF_UP)
            share = amount * row.vat_rate / (100 + row.vat_rate if includes_vat else 100)
            tax = share.quantize(CENT, ROUND_HALF_UP)
            vat += tax
            gross += amount if includes_vat else amount + tax
        document = Document(
            id=document_id,
            number=document_id.partition("-")[2],
            kind=draft.kind,
            key=draft.key,
            customer_id=draft.customer_id,
            gross=gross,
            vat=vat,
            remaining=gross,
            currency=draft.currency,
            booked=booked,
            prices_include_vat=includes_vat if private else None,
            date=draft.date,
            changed_at=self._clock.now(),
        )
        return Paper(document, draft)

    def _known_customer(self, customer_id: str) -> Customer:
        try:
            return self.customers.get(customer_id)
        except Missing as error:
            raise Rejected(f"there is no customer {customer_id!r}", code="4000") from error

    def _book(self, draft: DocumentDraft) -> Document:
        paper = self._written(draft, self._next("doc"), booked=True)
        self.documents.put(paper.document.id, paper)
        moved: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for row in draft.rows:
            moved[row.article_id] += row.quantity
        for article_id, quantity in moved.items():
            article = self.articles.get(article_id)
            if article.tracked and article.quantity is not None:
                self.change_article(article_id, quantity=article.quantity - quantity)
        return paper.document

    @property
    def quantity_decimals(self) -> tuple[int, int]:
        """As the port says."""
        return 4, 2

    async def book(self, draft: DocumentDraft) -> Document:
        """As the port says."""
        return self._book(draft)

    async def propose(self, draft: DocumentDraft) -> Document:
        """As the port says."""
        paper = self._written(draft, self._next("draft"), booked=False)
        self.proposals.put(paper.document.id, paper)
        return paper.document

    async def revise(self, proposal_id: str, draft: DocumentDraft) -> Document:
        """As the port says."""
        self.proposals.get(proposal_id)
        paper = self._written(draft, proposal_id, booked=False)
        self.proposals.put(proposal_id, paper)
        return paper.document

    async def confirm(self, proposal: Document) -> Document:
        """As the port says."""
        paper = self.proposals.get(proposal.id)
        if (paper.document.gross, paper.document.vat) != (proposal.gross, proposal.vat):
            raise Rejected("the totals are not those of the draft", code="4000")
        document = self._book(paper.draft)
        self.proposals.put(proposal.id, None)
        return document

    async def withdraw(self, proposal_id: str) -> None:
        """As the port says."""
        self.proposals.put(proposal_id, None)

    async def register_payment(self, payment: BookPayment) -> None:
        """As the port says; it may pay more than remains."""
        paper = self.documents.get(payment.document_id)
        self.payments.append(payment)
        document = replace(paper.document, remaining=paper.document.remaining - payment.amount, changed_at=self._clock.now())
        self.documents.put(payment.document_id, replace(paper, document=document))

    async def money_accounts(self) -> Sequence[MoneyAccount]:
        """As the port says."""
        return self.accounts

    async def company(self) -> Company:
        """As the port says."""
        return Company("company", "Winkel BV", "NL", "EUR", "Pro", frozenset(), stock_module=True, eu_countries=frozenset({"NL", "BE"}))

    async def first_open_day(self) -> date | None:
        """As the port says."""
        return None

    async def server_time(self) -> datetime:
        """As the port says."""
        return self._clock.now()

    async def facts(self) -> BooksFacts:
        """As the port says."""
        return BooksFacts(company=await self.company(), money_accounts=self.accounts)

    async def aclose(self) -> None:
        """As the port says."""


class TillTwin:
    """The port ``Till``."""

    def __init__(self, clock: LoopClock, habits: Habits) -> None:
        self._clock = clock
        self.habits = habits
        #: how many ids were given out; a plain number, for the worlds are copied
        self._given = 0
        self.products: Shelf[Product] = Shelf(clock, habits.lag)
        self.sales: Shelf[Sale] = Shelf(clock, habits.lag)
        #: ids of receipts that cannot be understood
        self.unreadable: set[str] = set()

    def _next(self) -> str:
        self._given += 1
        return f"prod-{self._given}"

    # -- what people do here ----------------------------------------------------------------------------------------------------
    def ring_up(self, sale: Sale, *, late: float | None = None, moves_stock: bool = True) -> None:
        """Sell: the receipt is there, and the stock of what is a product here goes down at once."""
        self.sales.put(sale.id, sale, late=late)
        for line in sale.lines:
            product = next((one for one in self.products.actual() if _key(one.sku) == _key(line.sku)), None)
            if moves_stock and line.kind is LineKind.PRODUCT and product is not None and product.quantity is not None:
                self.products.put(product.id, replace(product, quantity=product.quantity - line.quantity))

    def add_product(self, sku: str, price: Decimal) -> None:
        """Make a product by hand."""
        product_id = self._next()
        own = Product(product_id, sku, sku.title(), price, Decimal(21), tracked=True, quantity=Decimal(5))
        self.products.put(product_id, own)

    def change_product(self, product_id: str, **values: object) -> None:
        """Edit a product."""
        self.products.put(product_id, replace(self.products.get(product_id), **values))  # type: ignore[arg-type]  # fields of Product

    # -- sales ------------------------------------------------------------------------------------------------------------------
    async def read_changes(self, since: datetime | None, *, after: Change[object] | None = None) -> Page[Sale]:
        """As the port says."""
        changes = [Change(one.id, one.sold_at, _sale_version(one), replace(one, lines=())) for one in self.sales.listed()]
        return page_of(changes, since, after, self.habits.page_size, self.unreadable)

    async def get_sale(self, sale: Sale) -> Sale:
        """As the port says."""
        if sale.id in self.unreadable:
            raise Unreadable("cannot be read")
        return self.sales.get(sale.id)

    async def payment_methods(self) -> Sequence[PaymentMethod]:
        """As the port says."""
        return [PaymentMethod(code, code, code.title()) for code in ("pin", "cash", "ideal")]

    async def store(self) -> Store:
        """As the port says."""
        return Store("1", "Winkel", "EUR", prices_include_vat=True, is_till=True, product_limit_left=None, resources=frozenset())

    # -- products ---------------------------------------------------------------------------------------------------------------
    async def all_products(self) -> Sequence[Product]:
        """As the port says."""
        return self.products.listed()

    async def find_products(self, skus: Iterable[str]) -> Sequence[Product]:
        """As the port says."""
        wanted = {_key(sku) for sku in skus}
        return [product for product in self.products.listed() if _key(product.sku) in wanted]

    async def get_product(self, product_id: str) -> Product:
        """As the port says."""
        return self.products.get(product_id)

    async def create_product(self, draft: ProductPatch) -> str:
        """As the port says."""
        product_id = self._next()
        blank = Product(product_id, draft.sku or "", draft.name or "", draft.price or ZERO, draft.vat_rate or ZERO)
        self.products.put(product_id, _merged(blank, draft))
        return product_id

    async def update_product(self, product_id: str, draft: ProductPatch) -> None:
        """As the port says."""
        self.products.put(product_id, _merged(self.products.get(product_id), draft))

    async def facts(self) -> TillFacts:
        """As the port says."""
        return TillFacts(store=await self.store(), payment_methods=tuple(await self.payment_methods()))

    async def aclose(self) -> None:
        """As the port says."""


@dataclass(slots=True)
class World:
    """Both vendors under one clock."""

    clock: LoopClock
    books: BooksTwin
    till: TillTwin

    @classmethod
    def open(cls, books: Habits, till: Habits) -> World:
        """Open the shop."""
        clock = LoopClock()
        return cls(clock, BooksTwin(clock, books), TillTwin(clock, till))
