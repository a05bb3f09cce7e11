"""The mass-change brake: a run that would change far more than usual stops before its first write and asks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from daemon.core.products import UpdateProduct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.core.products import ProductDecision
    from daemon.core.stock import StockPlan

#: so many article numbers are named in a question; the rest is counted
_NAMED = 15


@dataclass(frozen=True, slots=True)
class BrakeRules:
    """``share`` of all records (0 to 1) and ``minimum`` count that must both be exceeded."""

    share: Decimal = Decimal("0.2")
    minimum: int = 10


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why a run stopped, in the shopkeeper's words."""

    what: str
    affected: tuple[str, ...]
    of: int

    @property
    def text(self) -> str:
        """The question, with the numbers and the list."""
        named = ", ".join(self.affected[:_NAMED])
        more = f" and {len(self.affected) - _NAMED} more" if len(self.affected) > _NAMED else ""
        would = f"This run would {self.what} {len(self.affected)} of {self.of} products."
        return f"{would} I stopped before the first write. They are: {named}{more}."


def exceeds(affected: int, of: int, rules: BrakeRules) -> bool:
    """Tell whether a count is far more than usual."""
    return affected > rules.minimum and of > 0 and Decimal(affected) > rules.share * of


def _alarm(what: str, affected: Sequence[str], of: int, rules: BrakeRules) -> Alarm | None:
    return Alarm(what, tuple(affected), of) if exceeds(len(affected), of, rules) else None


def stock_alarm(plan: StockPlan, known: Sequence[str], listed: Sequence[str], rules: BrakeRules) -> Alarm | None:
    """Look at a stock plan: would it empty the shelves, or does the source suddenly not list what it listed before?

    ``known`` are the numbers of all products that were ever brought to the till, ``listed`` those that the books list now.
    """
    here = set(listed)
    vanished = [sku for sku in known if sku not in here]
    emptied = [change.product.sku for change in plan.changes if change.after <= 0 and (change.before or 0) > 0]
    return _alarm("no longer see", vanished, len(known), rules) or _alarm(
        "set the stock to zero for",
        emptied,
        len(plan.changes) + plan.unchanged,
        rules,
    )


def products_alarm(decisions: Sequence[ProductDecision], of: int, rules: BrakeRules) -> Alarm | None:
    """Look at what a run would do to products that the till has already."""
    updates = [decision for decision in decisions if isinstance(decision, UpdateProduct)]
    gone = [decision.target.sku for decision in updates if decision.draft.active is False]
    priced = [decision.target.sku for decision in updates if decision.draft.price is not None]
    free = [decision.target.sku for decision in updates if decision.draft.price == 0]
    return (
        _alarm("set the price to zero of", free, of, rules)
        or _alarm("deactivate", gone, of, rules)
        or _alarm("change the price of", priced, of, rules)
    )
