"""The mass-change brake: a run that would change far more than usual stops before its first write and asks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class BrakeRules:
    """``share`` of all records (0 to 1) and ``minimum`` count that must both be exceeded."""

    share: Decimal = Decimal("0.2")
    minimum: int = 10


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why a run stopped, in the shopkeeper's words."""

    what: str
    affected: int
    of: int

    @property
    def text(self) -> str:
        """One sentence with the numbers."""
        return f"This run would {self.what} for {self.affected} of {self.of} products. I stopped before the first write."


def exceeds(affected: int, of: int, rules: BrakeRules) -> bool:
    """Tell whether a count is far more than usual."""
    return affected > rules.minimum and of > 0 and Decimal(affected) > rules.share * of
