"""Stopping before the first write of a mass change: one question, and its answer lets one run pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.life import Outcome, Reason
from daemon.state.port import Question

if TYPE_CHECKING:
    from daemon.core.brake import Alarm
    from daemon.engine.context import Context

CONTINUE = "continue"


async def brake(context: Context, flow: str, alarm: Alarm | None) -> Question | None:
    """Return the question for which the run must stop here, ``None`` when it may go on.

    An answer counts for the very change that was asked about, and once.
    """
    key = f"brake:{flow}"
    context.metrics.brake(flow, tripped=alarm is not None, link=context.scope)
    if alarm is None:
        await context.store.withdraw_question(context.scope, key)
        return None
    question = Question(context.scope, key, flow, alarm.text, (CONTINUE,))
    asked = await context.store.ask(question)
    if asked.text == alarm.text and asked.answer == CONTINUE:
        await context.store.withdraw_question(context.scope, key)
        context.metrics.brake(flow, tripped=False, link=context.scope)
        return None
    if asked.text != alarm.text:
        await context.store.withdraw_question(context.scope, key)
        await context.store.ask(question)
    context.outcome(flow, Outcome.HELD, Reason.MASS_CHANGE, len(alarm.affected))
    context.log.warning("stopped", flow=flow, reason=Reason.MASS_CHANGE, detail=alarm.text)
    return question
