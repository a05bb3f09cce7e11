"""The mass-change brake: a run that would change far more than usual stops before its first write and asks.

What it stops for is a code with its figures, never a sentence: an answer counts for what was asked about, and that is compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from daemon.core.message import message, word
from daemon.core.products import UpdateProduct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connectors.model import ProductPatch
    from daemon.core.message import Message
    from daemon.core.products import ProductDecision
    from daemon.core.stock import StockPlan

#: so many products are named in a question; the rest is counted
_NAMED = 15
#: how long the number of a question is, in hexadecimal digits
_NUMBER_LENGTH = 8


@dataclass(frozen=True, slots=True)
class BrakeRules:
    """``share`` of all records (0 to 1) and ``minimum`` count that must both be exceeded."""

    share: Decimal = Decimal("0.2")
    minimum: int = 10


class Danger(StrEnum):
    """What a run would do to far more products, or receipts, than usual."""

    FREE = "free"
    DEACTIVATED = "deactivated"
    REPRICED = "repriced"
    TAXED = "taxed"
    RENAMED = "renamed"
    RENUMBERED = "renumbered"
    EMPTIED = "emptied"
    VANISHED = "vanished"
    TAKEN_BACK = "taken_back"


#: what is true again at the next run, however often it was answered: an article that is gone stays gone
LASTING = frozenset({Danger.VANISHED})
#: which updates are dangerous when there are many of them, and the field that they write
_UPDATES: tuple[tuple[Danger, str, Callable[[ProductPatch], bool]], ...] = (
    (Danger.FREE, "price", lambda draft: draft.price == 0),
    (Danger.DEACTIVATED, "active", lambda draft: draft.active is False),
    (Danger.REPRICED, "price", lambda draft: draft.price is not None),
    (Danger.TAXED, "vat_rate", lambda draft: draft.vat_rate is not None),
    (Danger.RENAMED, "name", lambda draft: draft.name is not None),
    (Danger.RENUMBERED, "sku", lambda draft: draft.sku is not None),
)


@dataclass(frozen=True, slots=True)
class Affected:
    """One product or receipt: its id, its number, and what would be written (before and after are empty where the danger says it all)."""

    record: str
    label: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.label} ({self.before} -> {self.after})" if self.after else self.label


@dataclass(frozen=True, slots=True)
class Finding:
    """One danger, the products that it concerns, and of how many they are."""

    danger: Danger
    affected: tuple[Affected, ...]
    of: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why a run stops."""

    findings: tuple[Finding, ...]

    @property
    def items(self) -> frozenset[str]:
        """What exactly would be done: a text for each danger, product and value."""
        return frozenset(f"{finding.danger} {one.record} {one.after}" for finding in self.findings for one in finding.affected)

    @property
    def number(self) -> str:
        """A number for exactly this: another product, or another value, gives another one."""
        return hashlib.sha256("\n".join(sorted(self.items)).encode()).hexdigest()[:_NUMBER_LENGTH]

    @property
    def records(self) -> frozenset[str]:
        """The products that it is about."""
        return frozenset(one.record for finding in self.findings for one in finding.affected)

    @property
    def question(self) -> Message:
        """The question, with the numbers and the list."""
        first, *others = [word("danger", one.danger, number=len(one.affected), of=one.of) for one in self.findings]
        would = [message("brake.would", danger=first), *(message("brake.also", danger=other) for other in others)]
        named = {one.record: str(one) for finding in reversed(self.findings) for one in finding.affected}
        more = message("brake.more", number=len(named) - _NAMED) if len(named) > _NAMED else ""
        return message("question.brake", would=would, named=list(named.values())[:_NAMED], more=more)


def exceeds(affected: int, of: int, rules: BrakeRules) -> bool:
    """Tell whether a count is far more than usual."""
    return affected > rules.minimum and of > 0 and Decimal(affected) > rules.share * of


def _alarm(found: Iterable[Finding], rules: BrakeRules) -> Alarm | None:
    findings = tuple(finding for finding in found if exceeds(len(finding.affected), finding.of, rules))
    return Alarm(findings) if findings else None


def stock_alarm(plan: StockPlan, known: Mapping[str, str], rules: BrakeRules) -> Alarm | None:
    """Look at a stock plan: would it empty the shelves, or does the source suddenly not list what it listed before?

    ``known`` are the articles that were ever brought to the till, their numbers by their ids.
    """
    here = set(plan.listed)
    vanished = [Affected(article, number) for article, number in known.items() if article not in here]
    emptied = [Affected(one.product.id, one.product.sku) for one in plan.changes if one.after <= 0 and (one.before or 0) > 0]
    return _alarm(
        (
            Finding(Danger.VANISHED, tuple(vanished), len(known)),
            Finding(Danger.EMPTIED, tuple(emptied), len(plan.changes) + plan.unchanged),
        ),
        rules,
    )


def products_alarm(decisions: Sequence[ProductDecision], of: int, rules: BrakeRules) -> Alarm | None:
    """Look at what a run would do to products that the till has already.

    ``of`` is how many of the books' products the till has, whoever brought them there: on a first run nothing is bound yet, and all that
    would be overwritten is what a shopkeeper typed in.
    """
    updates = [decision for decision in decisions if isinstance(decision, UpdateProduct)]
    return _alarm(
        (
            Finding(danger, tuple(_affected(one, field) for one in updates if dangerous(one.draft)), of)
            for danger, field, dangerous in _UPDATES
        ),
        rules,
    )


def sales_alarm(taken_back: Sequence[Affected], of: int, rules: BrakeRules) -> Alarm | None:
    """Look at what a run would do to documents that are booked: credit far more of them than usual.  ``of`` is how many receipts it has."""
    return _alarm((Finding(Danger.TAKEN_BACK, tuple(taken_back), of),), rules)


def _affected(update: UpdateProduct, field: str) -> Affected:
    changed = {change.field: change for change in update.changes}
    before = changed[field].before if field in changed else ""
    return Affected(update.target.id, update.target.sku, before, str(getattr(update.draft, field)))
