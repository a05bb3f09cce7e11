"""A decision on a receipt in words: for ``plan``, and for the activity log of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.actions import Action
from daemon.core.booking import Hold, Skip
from daemon.core.debtors import WriteDebtor
from daemon.core.flow_registry import SALES
from daemon.core.outcomes import Outcome, Reason
from daemon.core.products import FieldChange
from daemon.core.sale_plan import Adopt, Credit, Paper, Pay, Plan, Withdraw

if TYPE_CHECKING:
    from daemon.core.sale_plan import Step


def describe(record: str, label: str, decision: Plan | Skip | Hold) -> list[Action]:
    """Return what a plan would do as lines for a person, one for each write; nothing to do is no line."""
    if isinstance(decision, Skip | Hold):
        verb = "skip" if isinstance(decision, Skip) else "hold"
        return [Action(SALES.name, verb, record, label, (), decision.reason, decision.detail)]
    if decision.outcome is Outcome.SKIPPED and not any(isinstance(step, Pay | Withdraw) for step in decision.steps):
        found = [f"{step.document.kind} {step.document.number}" for step in decision.steps if isinstance(step, Adopt)]
        return [Action(SALES.name, "skip", record, label, (), decision.reason, " ".join(found))]
    return [action for step in decision.steps for action in describe_step(record, label, step, decision.reason)]


def summary(action: Action) -> str:
    """Return a step in a few words, as the activity log keeps it: nothing personal, and the same from ``plan`` and from what was done."""
    shown = {change.field: change.after for change in action.changes}
    paid = [f"{after} {field.removeprefix('payment ')}" for field, after in shown.items() if field.startswith("payment ")]
    match action.verb:
        case "create" if action.flow == SALES.name:
            return f"{shown['kind']} {shown['reference']} {shown['gross']}"
        case "credit":
            return " ".join([f"credit {shown['credit']} {shown['gross']}", *(f"back {one}" for one in paid)])
        case "pay":
            return f"pay {', '.join(paid)}"
        case "withdraw":
            return "withdraw draft"
        case _:
            return f"{action.verb} {action.flow.removesuffix('s')}"


def describe_step(record: str, label: str, step: Step, reason: Reason) -> list[Action]:
    """Return what a step writes, for a person; nothing for one that writes nothing."""
    match step:
        case WriteDebtor():
            changes = tuple(FieldChange(name, "", "(personal)") for name in step.fields)
            return [] if step.verb == "keep" else [Action("customers", step.verb, record, label, changes)]
        case Paper():
            draft = step.draft
            shown = {
                "kind": draft.kind,
                "reference": draft.key,
                "date": draft.date.isoformat(),
                "rows": len(draft.rows),
                "gross": draft.gross,
            }
            changes = tuple(FieldChange(name, "", str(value)) for name, value in shown.items())
            return [Action(SALES.name, "create", record, label, changes, reason)]
        case Credit():
            changes = (FieldChange("credit", step.document.number, step.draft.key), FieldChange("gross", "", str(step.draft.gross)))
            repaid = tuple(FieldChange(f"payment {one.account.name}", "", str(one.amount)) for one in step.repayments)
            return [Action(SALES.name, "credit", record, label, (*changes, *repaid), reason)]
        case Pay():
            paid = tuple(FieldChange(f"payment {one.account.name}", "", str(one.amount)) for one in step.payments)
            return [Action(SALES.name, "pay", record, label, paid, reason)]
        case Withdraw():
            return [Action(SALES.name, "withdraw", record, label, (), reason)]
        case Adopt():
            return []
