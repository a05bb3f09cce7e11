"""Stopping before the first write of a mass change: one question about exactly that change, and its answer counts for nothing else.

The question's key carries the number of what it asks about, so that whoever answers says which text he read.  What was asked about is
remembered item by item: a run that would do no more than that may go on with the answer given to it, and one that would do more, or
something else, asks anew under another key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.outcomes import Outcome, Reason
from daemon.state.port import GO_ON, STAY, Question

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.core.brake import Alarm
    from daemon.core.message import Text
    from daemon.engine.context import Context

CONTINUE = "continue"
#: what can be answered: go on, or stay where you are, in English and Dutch
CHOICES = ("continue", "ja", "stop", "nee")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the brake says of a run: ``question`` is what it must stop for, ``None`` when it may go on."""

    alarm: Alarm | None = None
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked about: the key of the question, every item of the change, and the answer if there is one."""

    key: str
    items: frozenset[str]
    answer: str | None
    text: Text


def _fact(flow: str) -> str:
    return f"brake:{flow}"


async def _asked(context: Context, flow: str) -> _Asked | None:
    """Return the question that stands, ``None`` when nothing is asked."""
    remembered = await context.store.fact(context.pair_id, _fact(flow))
    if not remembered:
        return None
    known = json.loads(remembered)
    for answered in (False, True):
        for one in await context.store.questions(answered=answered):
            if (one.pair, one.key) == (context.pair_id, known["key"]):
                return _Asked(one.key, frozenset(known["items"]), one.answer, one.text)
    return None  # died between remembering it and asking: it is asked now


async def judge(context: Context, flow: str, alarm: Alarm | None) -> Verdict:
    """Tell whether a run may go on; reads only."""
    return _verdict(context, flow, alarm, None if alarm is None else await _asked(context, flow))


def _verdict(context: Context, flow: str, alarm: Alarm | None, asked: _Asked | None) -> Verdict:
    if alarm is None:
        return Verdict()
    anew = Question(context.pair_id, f"brake:{flow}:{alarm.number}", flow, alarm.question, CHOICES)
    if asked is None or not alarm.items <= asked.items:
        return Verdict(alarm, anew)
    if asked.answer in GO_ON:
        return Verdict(alarm)
    if asked.answer in STAY and alarm.items != asked.items:
        return Verdict(alarm, anew)
    return Verdict(alarm, Question(context.pair_id, asked.key, flow, asked.text, CHOICES))


async def brake(context: Context, flow: str, alarm: Alarm | None, *, counted: bool = True) -> Question | None:
    """Return the question for which the run must stop here, ``None`` when it may go on.

    ``counted`` is false where each record that is held for it is counted when its turn comes.

    A "no" keeps the run stopped, and is not asked about again until the run would do something else.
    """
    asked = await _asked(context, flow)
    verdict = _verdict(context, flow, alarm, asked)
    question = verdict.question
    context.metrics.brake(flow, tripped=question is not None, link=context.pair_id)
    if alarm is None or question is None:
        if alarm is None and asked is not None:
            await _forget(context, flow, asked)
        return None
    if counted:
        context.outcome(flow, Outcome.HELD, Reason.MASS_CHANGE, len(alarm.records))
    if asked is None or asked.key != question.key:
        if asked is not None:
            await context.store.withdraw_question(context.pair_id, asked.key)
        await context.store.remember(context.pair_id, {_fact(flow): json.dumps({"key": question.key, "items": sorted(alarm.items)})})
        await context.store.ask(question)
        context.log.warning("stopped", flow=flow, reason=Reason.MASS_CHANGE, detail=str(question.text))
    return question


async def spent(context: Context, flow: str, *, lasting: Collection[str] = ()) -> None:
    """What was answered is done: the answer counts no longer, but for what is still so at the next run (the dangers in ``lasting``)."""
    asked = await _asked(context, flow)
    if asked is None or asked.answer not in GO_ON:
        return
    left = [item for item in sorted(asked.items) if item.split(" ", 1)[0] in lasting]
    if left:
        await context.store.remember(context.pair_id, {_fact(flow): json.dumps({"key": asked.key, "items": left})})
    else:
        await _forget(context, flow, asked)


async def _forget(context: Context, flow: str, asked: _Asked) -> None:
    await context.store.withdraw_question(context.pair_id, asked.key)
    await context.store.remember(context.pair_id, {_fact(flow): ""})
