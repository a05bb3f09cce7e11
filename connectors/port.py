"""What a connector can do for the engine, and the errors it may raise.

The errors are grouped by what is to be done about them, because that is all the engine asks::

    ConnectorError
    ├── Unreachable    nobody answered and nothing was sent      wait; not an attempt
    │   └── KeptAway   known to be away, so nothing was sent
    ├── Throttled      the vendor asked us to slow down          wait; not an attempt
    ├── Transient      the vendor failed, surely without effect  retry with back-off
    ├── Uncertain      sent, and no answer that can be trusted   look up by the natural key, never send again blindly
    ├── Rejected       the vendor refuses this record            hold, with the vendor's code and text
    │   ├── Conflict   something with this key exists already    look up and adopt
    │   └── Locked     the day is closed in the books             one question for all: the first open day, or wait
    ├── Missing        the record addressed does not exist       decided by the flow
    ├── Unreadable     an answer that cannot be understood       hold this record; for a listing, fail the run
    └── Unauthorized   the sign-in is no longer good             stop this connection, alert, ``needs_reauth``

A vendor's codes are translated into these once, in its connector.  Every method of a port may raise :class:`Unreachable`,
:class:`Throttled`, :class:`Transient`, :class:`Unreadable` and :class:`Unauthorized`; only methods that write raise
:class:`Uncertain`, :class:`Rejected` or :class:`Conflict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import date, datetime

    from connectors.model import (
        BookPayment,
        BooksFacts,
        Company,
        Customer,
        Document,
        DocumentDraft,
        MoneyAccount,
        PaymentMethod,
        Product,
        ProductPatch,
        Sale,
        StockLevel,
        Store,
        TillFacts,
    )

T_co = TypeVar("T_co", covariant=True)


class ConnectorError(Exception):
    """A connector could not do what it was asked.

    ``code`` and ``text`` are the vendor's own where it gave any; ``text`` is cut to 300 characters and never holds a payload.
    """

    def __init__(self, text: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.text = text[:300]
        self.code = code
        #: seconds that the vendor asked us to wait, if it did
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.text}" if self.code else self.text


class Unreachable(ConnectorError):
    """Nobody answered, and the request had no effect."""


class KeptAway(Unreachable):
    """Nothing was sent, for the vendor is known to be away.  ``answers`` says that something at its address does answer, but wrongly."""

    def __init__(self, text: str, *, retry_after: float, answers: bool) -> None:
        super().__init__(text, retry_after=retry_after)
        self.answers = answers


class Throttled(ConnectorError):
    """The vendor's rate limit was met; ``retry_after`` says how long to wait."""


class Transient(ConnectorError):
    """The vendor failed, and the request surely had no effect (a failed read, a refused write)."""


class Uncertain(ConnectorError):
    """A write was sent and its answer never came or cannot be trusted: it may or may not have happened."""


class Rejected(ConnectorError):
    """The vendor understood the request and refuses it; sending it again would be refused again."""


class Conflict(Rejected):
    """Something with this natural key exists already."""


class Locked(Rejected):
    """The day lies in a period that the books have closed."""


class Missing(ConnectorError):
    """The record addressed does not exist (confirmed by its id, never inferred from a listing)."""


class Unreadable(ConnectorError):
    """The vendor answered with something that cannot be understood."""


class Unauthorized(ConnectorError):
    """The sign-in is no longer accepted; a person has to sign in again (or correct the keys)."""


class Unfilterable(ConnectorError):
    """The vendor does not filter on the field of the natural key; read what changed and compare instead."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where reading goes on: a moment of the vendor's own clock, inclusive, and what was already seen at and after it.

    ``seen`` holds (record id, version) pairs of the records whose moment lies within the overlap, so that re-reading the edge
    delivers nothing twice and loses nothing.  The version changes whenever the record does.
    """

    moment: datetime | None = None
    seen: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """One record as the source has it now.  ``version`` changes whenever the record does; ``moment`` is the vendor's."""

    id: str
    moment: datetime
    version: str
    record: T_co


#: how the name begins under which a record is held that has no id of its own: nobody can be asked for it by that name
NAMELESS: Final = "(no id) "


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """A page of changes, oldest first.  ``more`` says that the next page should be asked for at once.

    ``server_time`` is the vendor's clock at the answer, ``bad`` the ids of records that could not be read, with the reason: one
    broken record never hides the others of its page.
    """

    changes: tuple[Change[T_co], ...]
    more: bool
    server_time: datetime | None = None
    bad: tuple[tuple[str, datetime | None, str], ...] = ()


class ChangeSource(Protocol[T_co]):
    """Something that can be asked what changed."""

    async def read_changes(self, since: datetime | None, *, after: Change[object] | None = None) -> Page[T_co]:
        """Return records with ``moment`` ≥ ``since``, oldest first, going on after ``after`` (inclusive of equal moments).

        ``since`` ``None`` reads from the beginning.  The caller drops what it has seen; the callee never skips.
        """
        ...


class ProductSource(ChangeSource["Product"], Protocol):
    """The side that is master of the products."""

    async def get_product(self, product_id: str) -> Product:
        """Return one product; raises :class:`Missing`."""
        ...

    async def find_products(self, skus: Iterable[str], *, within: float | None = None) -> Sequence[Product]:
        """Return every product that carries one of these SKUs (compared without regard to case), inactive ones too.

        ``within`` is how many seconds ago what they are made of (the VAT rate that a category of products has) may have been read; 0 is
        none, ``None`` leaves it to the connector.
        """
        ...

    async def stock_levels(self) -> Sequence[StockLevel]:
        """Return the stock of every product, read afresh."""
        ...

    async def rates_version(self) -> str:
        """Return what changes whenever a VAT rate that products take from elsewhere does, although they themselves do not change."""
        ...


class ProductTarget(Protocol):
    """The side to which products and stock are written."""

    async def all_products(self) -> Sequence[Product]:
        """Return every product, read afresh page by page."""
        ...

    async def find_products(self, skus: Iterable[str]) -> Sequence[Product]:
        """Return every product that carries one of these SKUs (compared without regard to case)."""
        ...

    async def get_product(self, product_id: str) -> Product:
        """Return one product; raises :class:`Missing`."""
        ...

    async def create_product(self, draft: ProductPatch) -> str:
        """Create a product and return its id, or an empty string where the vendor answered without one."""
        ...

    async def update_product(self, product_id: str, draft: ProductPatch) -> None:
        """Write the given fields and leave the others; raises :class:`Missing`."""
        ...


class SaleSource(ChangeSource["Sale"], Protocol):
    """The till.  A listing gives sales without their lines; :meth:`get_sale` gives them whole."""

    async def get_sale(self, sale: Sale) -> Sale:
        """Return the sale with its lines, its payments, its customer and the version of this state of it; raises :class:`Missing`."""
        ...

    async def payment_methods(self) -> Sequence[PaymentMethod]:
        """Return the ways to pay that the till offers."""
        ...

    async def store(self) -> Store:
        """Return what the till says about itself."""
        ...


class CustomerTarget(Protocol):
    """The side that keeps the debtors."""

    async def find_customers(
        self, *, emails: Collection[str] = (), numbers: Collection[str] = (), ids: Collection[str] = ()
    ) -> Sequence[Customer]:
        """Return the customers with one of these e-mail addresses (without regard to case), numbers or ids, inactive ones too."""
        ...

    async def create_customer(self, customer: Customer) -> Customer:
        """Create a debtor and return it with its id (empty where the vendor answered without a body)."""
        ...

    async def update_customer(self, customer_id: str, customer: Customer) -> None:
        """Write the fields of ``customer`` that are not ``None``, keeping every other field of the vendor's record."""
        ...


class DocumentTarget(Protocol):
    """The side that books sales.

    ``book`` writes a document that cannot be changed any more.  ``propose`` writes one that can still be withdrawn and answers
    with the vendor's own arithmetic, so that what is then confirmed is known to agree to the cent.
    """

    @property
    def quantity_decimals(self) -> tuple[int, int]:
        """How many decimals of a quantity a booked document may take, and how many it and a proposal surely take."""
        ...

    async def find_documents(self, keys: Sequence[str]) -> Sequence[Document]:
        """Return booked documents that carry one of these natural keys; raises :class:`Unfilterable`."""
        ...

    async def find_proposals(self, keys: Sequence[str]) -> Sequence[Document]:
        """Return documents not yet confirmed that carry one of these keys; raises :class:`Unfilterable`."""
        ...

    async def documents_since(self, moment: datetime) -> Sequence[Document]:
        """Return every booked document changed at or after ``moment``, for when the key cannot be filtered on."""
        ...

    async def proposals_since(self, moment: datetime) -> Sequence[Document]:
        """Return every document not yet confirmed that was created at or after ``moment``."""
        ...

    async def get_document(self, document_id: str) -> Document:
        """Return one booked document; raises :class:`Missing`."""
        ...

    async def book(self, draft: DocumentDraft) -> Document:
        """Book a document.  It is final."""
        ...

    async def propose(self, draft: DocumentDraft) -> Document:
        """Write a document that is not booked yet, and return it with the vendor's totals."""
        ...

    async def revise(self, proposal_id: str, draft: DocumentDraft) -> Document:
        """Replace a proposal and return it with the vendor's totals."""
        ...

    async def confirm(self, proposal: Document) -> Document:
        """Book a proposal; the vendor is told the totals that were agreed and refuses others."""
        ...

    async def withdraw(self, proposal_id: str) -> None:
        """Delete a proposal; one that is gone already is no error."""
        ...

    async def register_payment(self, payment: BookPayment) -> None:
        """Register a payment.  It cannot be read back: compare what remains on the document before and after."""
        ...

    async def money_accounts(self) -> Sequence[MoneyAccount]:
        """Return the accounts on which payments can be registered."""
        ...

    async def company(self) -> Company:
        """Return which company these books belong to."""
        ...

    async def server_time(self) -> datetime:
        """Return the vendor's clock."""
        ...

    async def first_open_day(self) -> date | None:
        """Return the first day that can be booked on, read afresh; ``None`` where nothing is closed."""
        ...


class Books(ProductSource, CustomerTarget, DocumentTarget, Protocol):
    """All that a bookkeeping connector offers today."""

    async def facts(self) -> BooksFacts:
        """Return how the books are set up, for a check: reads only, and goes on past what it may not read."""
        ...

    async def aclose(self) -> None:
        """Give back what the connector holds."""
        ...


class Till(ProductTarget, SaleSource, Protocol):
    """All that a till connector offers today."""

    async def facts(self) -> TillFacts:
        """Return how the till is set up, for a check: reads only, and goes on past what it may not read."""
        ...

    async def aclose(self) -> None:
        """Give back what the connector holds."""
        ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in gave.  ``refresh_token`` can be used once; ``generation`` counts how often it was replaced."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    scope: str = ""
    generation: int = 0


class TokenStore(Protocol):
    """Where tokens outlive the process.  Given to a connector by whoever runs it."""

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Hold off every other refresher of this connection, in this process and in others."""
        ...

    async def load(self) -> Tokens | None:
        """Return the newest tokens, or ``None`` when there was never a sign-in."""
        ...

    async def save(self, tokens: Tokens) -> None:
        """Make the tokens durable; returns only when they would survive a power cut."""
        ...


class Clock(Protocol):
    """Time, so that tests can run a day in milliseconds."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Heard(Enum):
    """What an exchange says about the vendor, whatever it says about the record."""

    ANSWERED = "answered"  # as the vendor answers when it is well, refusals too
    FAILED = "failed"  # 5xx, a page where data was asked for, an answer that broke off
    NOBODY = "nobody"  # the connection was not taken
    THROTTLED = "throttled"  # asked too often


class HttpGate(Protocol):
    """Decides whether a vendor may be asked now, and learns from every exchange whether it is well."""

    def check(self, method: str, path: str) -> None:
        """Raise :class:`KeptAway`, with the time to wait, where the vendor is known to be away and it is not time to try."""
        ...

    def enter(self, method: str, path: str, *, paced: bool = False) -> object:
        """Return what :meth:`leave` is to be given in the end; raises as :meth:`check` does, unless the caller is ``paced``."""
        ...

    def leave(self, ticket: object, heard: Heard | None, said: str) -> None:
        """Take note of what was heard, ``said`` in a few words; ``None`` says that the exchange was given up by us."""
        ...


class HttpObserver(Protocol):
    """What wants to know about every exchange: the metrics, and who watches the sign-in of a connection."""

    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:
        """One request was answered with ``status``, or with nothing (``None``)."""
        ...

    def throttled(self, side: str) -> None:
        """The vendor answered that we ask too often."""
        ...

    def waited(self, side: str, seconds: float) -> None:
        """A request waited this long for the rate budget."""
        ...

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:
        """A token refresh ended with ``result``: ``ok``, ``denied`` or ``error``.

        ``denied`` begins the state in which a person has to sign in, also where nobody had to be asked for it (there are no tokens, or
        fresh ones are refused); it is told once, and ``ok`` ends it, also when it was somebody else who signed in.
        """
        ...
