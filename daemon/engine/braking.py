"""Stopping before the first write of a mass change: one question, and its answer lets one run pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.life import Outcome, Reason
from daemon.state.port import Question

if TYPE_CHECKING:
    from daemon.core.brake import Alarm
    from daemon.engine.context import Context

CONTINUE, IGNORE = "continue", "ignore"


async def braked(context: Context, flow: str, alarm: Alarm | None) -> bool:
    """Tell whether the run must stop here; asks where that was not asked yet."""
    key = f"brake:{flow}"
    context.metrics.brake(flow, tripped=alarm is not None, link=context.scope)
    if alarm is None:
        await context.store.withdraw_question(context.scope, key)
        return False
    asked = await context.store.ask(Question(context.scope, key, flow, alarm.text, (CONTINUE, IGNORE)))
    if asked.answer == CONTINUE and asked.text == alarm.text:
        await context.store.withdraw_question(context.scope, key)
        context.metrics.brake(flow, tripped=False, link=context.scope)
        return False
    if asked.text != alarm.text:
        # another change than the one that was asked about: the answer was not meant for it
        await context.store.withdraw_question(context.scope, key)
        await context.store.ask(Question(context.scope, key, flow, alarm.text, (CONTINUE, IGNORE)))
    context.outcome(flow, Outcome.HELD, Reason.MASS_CHANGE, len(alarm.affected))
    context.log.warning("stopped", flow=flow, reason=Reason.MASS_CHANGE, detail=alarm.text)
    return True
