"""What a document is laid out from, so that it can be laid out again when the books read prices otherwise or come to another total."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from connectors.model import ZERO
from daemon.core.booking import Debtor, Hold, compose
from daemon.core.message import message
from daemon.core.outcomes import Reason

if TYPE_CHECKING:
    from decimal import Decimal

    from connectors.model import DocumentDraft
    from daemon.core.booking import BookingRules
    from daemon.core.sale_plan import Credit, Paper


class Layout(Protocol):
    """A document that is to be written: the receipt's id, the natural key, what it must come to, and its rows."""

    @property
    def record(self) -> str:
        """The receipt's id at its source."""
        ...

    @property
    def key(self) -> str:
        """The natural key of the document."""
        ...

    @property
    def gross(self) -> Decimal:
        """What it must come to."""
        ...

    @property
    def private(self) -> bool:
        """Whether the debtor is a private person, whose prices the books may read with VAT included."""
        ...

    def includes_vat(self, private_prices_include_vat: bool | None) -> bool:
        """Return whether its prices are taken to include VAT, by what is known of private persons' prices in these books."""
        ...

    def draft(self, *, includes_vat: bool, correction: Decimal = ZERO) -> DocumentDraft | Hold:
        """Lay the rows out; ``correction`` is what the books were found to differ by."""
        ...


@dataclass(frozen=True, slots=True)
class ReceiptLayout:
    """The document of a receipt."""

    paper: Paper
    rules: BookingRules
    debtor: Debtor

    @property
    def record(self) -> str:
        """The receipt's id."""
        return self.paper.sale.id

    @property
    def key(self) -> str:
        """The natural key."""
        return self.paper.key

    @property
    def gross(self) -> Decimal:
        """What the customer paid."""
        return self.paper.sale.gross

    @property
    def private(self) -> bool:
        """Whether the debtor is a private person."""
        return self.debtor.private

    def includes_vat(self, private_prices_include_vat: bool | None) -> bool:
        """As private persons' prices are read until the books say otherwise; a business's are net."""
        return self.debtor.private and private_prices_include_vat is not False

    def draft(self, *, includes_vat: bool, correction: Decimal = ZERO) -> DocumentDraft | Hold:
        """Lay the receipt out for this debtor."""
        paper = self.paper
        draft = compose(
            paper.sale,
            self.rules,
            debtor=self.debtor,
            articles=paper.articles,
            rounding_article=paper.rounding_article,
            includes_vat=includes_vat,
            correction=correction,
        )
        return draft if isinstance(draft, Hold) else replace(draft, key=paper.key)


@dataclass(frozen=True, slots=True)
class CreditLayout:
    """The credit of a booked document: its rows turned round, and nothing that could be laid out otherwise."""

    record: str
    credit: Credit

    @property
    def key(self) -> str:
        """The natural key."""
        return self.credit.draft.key

    @property
    def gross(self) -> Decimal:
        """What the document came to, turned round."""
        return self.credit.draft.gross

    @property
    def private(self) -> bool:
        """Nothing is learnt from a credit about how private persons' prices are read."""
        return False

    def includes_vat(self, private_prices_include_vat: bool | None) -> bool:  # noqa: ARG002 - the document tells
        """As the document that it takes back."""
        return self.credit.draft.prices_include_vat

    def draft(self, *, includes_vat: bool, correction: Decimal = ZERO) -> DocumentDraft | Hold:
        """Return the rows as they are; books that would come to another total with them have changed since."""
        draft = self.credit.draft
        if correction or includes_vat != draft.prices_include_vat:
            return Hold(Reason.SUM_DIFFERS, message("detail.credit_total", document=self.credit.document.number, gross=draft.gross))
        return draft
