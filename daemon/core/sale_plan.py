"""What is known of a receipt before it is decided upon, and what a decision says: values, and the keys of what is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from connectors.model import ZERO
from daemon.core.booked import snapshot
from daemon.core.debtors import WriteDebtor
from daemon.core.message import message, word
from daemon.core.outcomes import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.model import Document, DocumentDraft, MoneyAccount, Product, Sale
    from daemon.core.booked import Booked, Difference
    from daemon.core.booking import PlannedPayment
    from daemon.core.debtors import DebtorFacts
    from daemon.core.message import Message, Text

#: what a person may answer when a receipt is not as it was booked: credit and book anew; book anew, for the document was taken back by hand
#: (or is gone); leave the books as they are
CORRECT, REBOOK, KEEP = "correct", "rebook", "keep"
#: the question about days that the books have closed, and what may be answered
LOCKED_QUESTION = "locked:period"
FIRST_OPEN_DAY, WAIT = "first_open_day", "wait"


class Target(StrEnum):
    """What a sale becomes in the books."""

    INVOICE = "invoice"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """Everything that the decision on one receipt needs, read before it is made.

    ``sale`` is whole, or ``None`` when the till says that it has no such receipt.  ``booked`` is what was remembered, ``document`` that
    document as the books have it now (read when there is something to decide about it; ``None`` when it is gone).  ``found`` are documents
    in the books that carry the receipt's key and that nobody remembers, or what somebody booked its draft as; ``rivals`` counts other
    receipts of the same number.  ``sent`` says whether this state knows of a send of its document.
    """

    sale: Sale | None
    salt: str
    booked: Booked | None = None
    #: the books told something newer than what was remembered: that is to be remembered first
    learnt: bool = False
    document: Document | None = None
    found: tuple[Document, ...] = ()
    rivals: int = 0
    #: whose document that is already: another till's receipt, in words
    holder: Text = ""
    sent: bool = False
    #: a document in the books that can still be withdrawn, begun for this receipt earlier
    proposal: str = ""
    debtor: DebtorFacts | None = None
    #: the receipt under the numbers that its articles have now, where they were renumbered since it was rung up
    named: Sale | None = None
    articles: tuple[Product, ...] = ()
    rounding_article: Product | None = None
    accounts: tuple[MoneyAccount, ...] = ()
    private_prices_include_vat: bool | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A document to be written for the debtor of the step before, and all that it is laid out from."""

    target: Target
    sale: Sale
    key: str
    revision: int
    articles: Mapping[int, Product]
    rounding_article: Product | None
    #: as it looks by what is known now; the books may say that their prices are read otherwise
    draft: DocumentDraft


@dataclass(frozen=True, slots=True)
class Adopt:
    """Go on with a document that stands in the books."""

    document: Document


@dataclass(frozen=True, slots=True)
class Pay:
    """Register payments on the document of the step before, in this order."""

    revision: int
    payments: tuple[PlannedPayment, ...]


@dataclass(frozen=True, slots=True)
class Credit:
    """Take a booked document back by a credit of the same rows, and pay back what was paid on it."""

    document: Document
    revision: int
    draft: DocumentDraft
    repayments: tuple[PlannedPayment, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Delete a document that is not booked."""

    proposal: str


Step = WriteDebtor | Paper | Adopt | Pay | Credit | Withdraw


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps for one receipt, in order, and how it ends when they are done.

    ``booked`` is what is remembered then; its ``document`` is filled in by the step that makes one.
    """

    steps: tuple[Step, ...]
    outcome: Outcome
    reason: Reason = Reason.NONE
    booked: Booked | None = None
    differs: frozenset[Difference] = frozenset()


def revised(key: str, revision: int) -> str:
    """Return the natural key of the document with which a receipt is booked anew; the first one carries the receipt's own."""
    return f"{key}#{revision}" if revision else key


def credit_key(key: str, revision: int) -> str:
    """Return the natural key of the credit that takes back the document of a revision."""
    return f"{key}#C{revision}" if revision else f"{key}#C"


@dataclass(frozen=True, slots=True)
class Change:
    """A receipt that is not as it was booked: what the till says now, what was booked, and in what they differ."""

    sale: Sale
    booked: Booked
    differs: frozenset[Difference]
    salt: str

    @property
    def question(self) -> str:
        """The key of the question about this very change; another change asks anew, be it of the same kind and sum."""
        now = snapshot(self.sale, self.salt, document="", target="", revision=0)
        told = f"{self.booked.as_text()} {now.as_text()} {self.sale.completed}"
        mark = hashlib.sha256(told.encode()).hexdigest()[:8]
        return f"changed:{self.sale.number}:{self.booked.revision}:{'+'.join(sorted(self.differs))}:{self.sale.gross}:{mark}"

    @property
    def told(self) -> Message:
        """What changed, for a person."""
        now = self.sale.gross if self.sale.completed else ZERO
        return message(
            "detail.change",
            differs=[word("difference", one) for one in sorted(self.differs)],
            booked=f"{self.booked.gross} {self.booked.currency}",
            now=f"{now} {self.sale.currency}",
        )


def document_write_key(record: str, key: str) -> str:
    """Return the identity of the write that books the document with this natural key; the first one of a receipt has the plainest."""
    _, mark, part = key.rpartition("#")
    return f"sale:{record}:document" + (f":{part}" if mark else "")


def proposal_write_key(record: str, key: str) -> str:
    """Return the identity of the write that makes the draft of such a document."""
    return document_write_key(record, key).replace(":document", ":proposal", 1)


def payment_write_prefix(record: str, key: str) -> str:
    """Return what the identities of the payments on such a document begin with; the payment's place follows."""
    return document_write_key(record, key).replace(":document", ":payment", 1) + ":"
