"""What a run would do, record by record and field by field: what ``plan`` prints, made by the same decisions that ``sync`` carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.outcomes import Reason

if TYPE_CHECKING:
    from daemon.core.message import Text
    from daemon.core.products import FieldChange


@dataclass(frozen=True, slots=True)
class Action:
    """One record's share of a plan.  ``verb`` is create, update, skip or hold, or stop where the brake would stop the whole run."""

    flow: str
    verb: str
    record: str
    label: str
    changes: tuple[FieldChange, ...] = ()
    reason: Reason = Reason.NONE
    detail: Text = ""
