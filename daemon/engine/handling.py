"""Taking work from the queue, one worker at a time for one record, and writing down what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio

from connectors.port import ConnectorError
from daemon.core.booking import Hold
from daemon.core.life import Outcome, Reason, State
from daemon.core.retry import Fate, after_error
from daemon.engine.polling import UNREADABLE_VERSION
from daemon.engine.writes import Undecidable
from daemon.state.port import Question, Settlement, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.engine.context import Context
    from daemon.state.port import Work

#: how many records one worker claims at once: enough to look several up in one request, few enough to stop quickly
CHUNK = 10


class Processor(Protocol):
    """What a queue flow does with its work."""

    name: str

    async def prepare(self, works: Sequence[Work]) -> None:
        """Look up for a whole chunk what single look-ups would cost a request each."""
        ...

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one record or say why it is held; raises the errors of the port."""
        ...

    def payload(self, work: Work) -> bytes | None:
        """Return what is known of the record by now, to be stored while it is not settled; ``None`` leaves what is stored."""
        ...


async def drain(context: Context, processor: Processor) -> None:
    """Work the queue of a flow until nothing in it is due, or the process is stopping, or a vendor is down."""

    async def worker() -> None:
        while not (context.stopping.is_set() or context.paused):
            works = await context.store.claim(context.scope, processor.name, now=context.now(), limit=CHUNK)
            if not works:
                return
            await _handle_chunk(context, processor, works)

    async with anyio.create_task_group() as group:
        for _ in range(context.workers):
            group.start_soon(worker)


async def _handle_chunk(context: Context, processor: Processor, works: Sequence[Work]) -> None:
    try:
        await processor.prepare(works)
    except ConnectorError as error:
        for work in works:
            await _settle_fate(context, processor, work, error)
        return
    for work in works:
        if context.stopping.is_set() or context.paused:
            await _put_back(context, processor, work)
        else:
            await handle(context, processor, work)


async def _put_back(context: Context, processor: Processor, work: Work) -> None:
    state, reason = (State.WAITING, context.pause_reason) if context.paused else (State.QUEUED, Reason.NONE)
    await context.store.defer(
        work,
        state,
        not_before=context.now(),
        reason=reason,
        attempt=work.attempt,
        payload=processor.payload(work),
    )


async def handle(context: Context, processor: Processor, work: Work) -> None:
    """Carry one record through, and store what became of it.  Only a fault of the store escapes."""
    if work.version.startswith(UNREADABLE_VERSION):
        await _hold(context, processor, work, Hold(Reason.UNREADABLE, work.version.removeprefix(UNREADABLE_VERSION)))
        return
    try:
        ended = await processor.process(work)
    except StoreError:
        raise
    except Undecidable as error:
        await _hold(context, processor, work, Hold(Reason.UNDECIDABLE, str(error)))
    except Exception as error:  # noqa: BLE001 - one bad record stops only itself: a fault of ours is held like any other
        await _settle_fate(context, processor, work, error)
    else:
        if isinstance(ended, Hold):
            await _hold(context, processor, work, ended)
        else:
            await context.store.finish(work, ended)
            context.outcome(processor.name, ended.outcome, ended.reason)


async def _hold(context: Context, processor: Processor, work: Work, hold: Hold) -> None:
    question = None
    if hold.question:
        question = Question(context.scope, hold.question, processor.name, hold.question_text)
    await context.store.hold(work, reason=hold.reason, detail=hold.detail, question=question, payload=processor.payload(work))
    context.outcome(processor.name, Outcome.HELD, hold.reason)
    context.log.warning("held", flow=processor.name, record=work.record, label=work.label, reason=hold.reason, detail=hold.detail)


async def _settle_fate(context: Context, processor: Processor, work: Work, error: Exception) -> None:
    fate = after_error(error, work.attempt, context.policy, jitter=context.rng.random())
    if fate.reason is Reason.INTERNAL:
        context.log.error("internal", flow=processor.name, label=work.label, error=type(error).__name__, exc_info=error)
    detail = type(error).__name__ if fate.reason is Reason.INTERNAL else str(error)
    if fate.state in {State.HELD, State.DEAD}:
        await context.store.hold(
            work,
            reason=fate.reason,
            detail=detail,
            outcome=fate.outcome,
            state=fate.state,
            payload=processor.payload(work),
        )
        context.outcome(processor.name, fate.outcome, fate.reason)
        context.log.warning("held", flow=processor.name, record=work.record, label=work.label, reason=fate.reason, detail=detail)
        return
    await _defer(context, processor, work, fate, error)


async def _defer(context: Context, processor: Processor, work: Work, fate: Fate, error: Exception) -> None:
    delay = fate.delay.total_seconds()
    if isinstance(error, ConnectorError) and error.retry_after is not None:
        delay = error.retry_after
    if fate.reason in {Reason.UNREACHABLE, Reason.UNAUTHORIZED}:
        context.pause(delay, fate.reason)
    if fate.state is State.RETRYING:
        context.metrics.retried(processor.name)
    await context.store.defer(
        work,
        fate.state,
        not_before=context.now() + type(fate.delay)(seconds=delay),
        reason=fate.reason,
        detail=str(error),
        attempt=fate.attempt,
        payload=processor.payload(work),
    )
    context.log.info("put off", flow=processor.name, label=work.label, state=fate.state, reason=fate.reason, seconds=round(delay, 1))
