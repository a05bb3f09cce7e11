"""Taking work from the queue, one worker at a time for one record, and writing down what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import anyio

from connectors.port import ConnectorError, Missing, Throttled, Transient, Uncertain, Unreachable, Unreadable
from daemon.core.booking import Hold
from daemon.core.brake import exceeds
from daemon.core.message import message, word
from daemon.core.outcomes import Outcome, Reason, State
from daemon.core.outside import clean, names_in, said
from daemon.core.retry import RetryDecision, after_error
from daemon.engine.at_most_once import TooEarly, Undecidable
from daemon.engine.braking import CONTINUE
from daemon.engine.connection_health import tracing
from daemon.engine.last_line import fault_of, survived
from daemon.engine.polling import UNREADABLE_VERSION, is_unreadable
from daemon.state.port import Question, Settlement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from daemon.core.brake import BrakeRules
    from daemon.core.message import Text
    from daemon.engine.connection_health import Trace
    from daemon.engine.context import Context
    from daemon.state.port import Work

#: how many records one worker claims at once: enough to look several up in one request, few enough to stop quickly
CHUNK = 10
#: the least that work is put off, in seconds
_SHORTEST_DELAY = 0.05
#: when so many records in a row find that the vendor is away, the others need not find out
_ENOUGH = 3


class Processor(Protocol):
    """What a queue flow does with its work."""

    name: str

    async def fetch(self, work: Work) -> None:
        """Read the record itself; called before :meth:`prepare`."""
        ...

    async def prepare(self, works: Sequence[Work]) -> None:
        """Look up for a whole chunk what single look-ups would cost a request each."""
        ...

    async def process(self, work: Work) -> Settlement | Hold:
        """Settle one record or say why it is held; raises the errors of the port."""
        ...

    def looked_at(self, work: Work) -> Work:
        """Return work under the version that it was decided on: the record may have changed since a listing showed it."""
        ...

    def payload(self, work: Work) -> bytes | None:
        """Return what is known of the record by now, to be stored while it is not settled; ``None`` leaves what is stored."""
        ...


class FlowStopped(Exception):
    """A flow stands still until a person answers."""

    def __init__(self, says: Text) -> None:
        super().__init__(str(says))
        self.says = says


@dataclass(frozen=True, slots=True)
class Handled:
    """How the work on one record ended: what failed for good, or which outage it met; neither when it was settled, held or put off."""

    failure: Text = ""
    outage: ConnectorError | None = None


@dataclass(slots=True)
class _Pass:
    """What a run has handled: one bad record stops only itself, too many stop the flow; and nobody works on while the vendor is away."""

    rules: BrakeRules
    handled: int = 0
    failed: int = 0
    why: Text = ""
    #: how many records in a row met an outage, and what they were told
    met: int = 0
    outage: ConnectorError | None = None

    def note(self, ended: Handled) -> None:
        """Take in how a record ended."""
        self.handled += 1
        if ended.failure:
            self.failed += 1
            self.why = ended.failure
        self.met = self.met + 1 if ended.outage is not None else 0
        self.outage = ended.outage

    @property
    def broken(self) -> bool:
        """Whether far more failed than usual."""
        return exceeds(self.failed, self.handled, self.rules)

    @property
    def over(self) -> bool:
        """Whether going on is no use."""
        return self.broken or self.met >= _ENOUGH


async def drain(context: Context, processor: Processor) -> None:
    """Work the queue of a flow until nothing in it is due, the process is stopping, a vendor is down, or too many records fail.

    In the last case the flow stands still until a person says that it may go on; what was not tried stays queued.

    Raises:
        FlowStopped: too many records failed, now or earlier.
        ConnectorError: what a vendor that is away had to say.
    """
    if await _stands_still(context, processor):
        raise FlowStopped(message("run.stopped"))
    run = _Pass(context.brake)
    # while a vendor is away one record after the other finds out whether it is back, and its neighbours stay where they are
    while context.away and not run.over:
        if not await _take(context, processor, run, limit=1) or not run.met:
            break
    if not run.met:
        await _together(context, processor, run)
    if run.broken:
        await _stop(context, processor, run)
    if run.outage is not None:
        raise run.outage


async def _take(context: Context, processor: Processor, run: _Pass, *, limit: int) -> bool:
    """Work on what is due next, and tell whether there was anything."""
    works = await context.store.claim(context.pair_id, processor.name, now=context.now(), limit=limit)
    if works:
        await _handle_chunk(context, processor, works, run)
    return bool(works)


async def _together(context: Context, processor: Processor, run: _Pass) -> None:
    async def worker() -> None:
        while not (context.stopping.is_set() or context.paused or run.over):
            if not await _take(context, processor, run, limit=CHUNK):
                return

    async with anyio.create_task_group() as group:
        for _ in range(context.workers):
            group.start_soon(worker)


async def _stop(context: Context, processor: Processor, run: _Pass) -> None:
    """Ask whether the flow may go on; raises :class:`FlowStopped`."""
    text = message("question.failing", failed=run.failed, handled=run.handled, flow=processor.name, why=run.why)
    await context.store.ask(Question(context.pair_id, breaker_key(processor.name), processor.name, text, (CONTINUE,)))
    context.metrics.brake(processor.name, tripped=True, link=context.pair_id)
    raise FlowStopped(text)


def breaker_key(flow: str) -> str:
    """Return the key of the question that a broken flow asks."""
    return f"failing:{flow}"


async def _stands_still(context: Context, processor: Processor) -> bool:
    """Tell whether the flow waits for a person since too many of its records failed; an answer lets it go on, once."""
    key = breaker_key(processor.name)
    if any((question.pair, question.key) == (context.pair_id, key) for question in await context.store.questions()):
        return True
    if key in await context.store.answers(context.pair_id):
        await context.store.withdraw_question(context.pair_id, key)
        context.metrics.brake(processor.name, tripped=False, link=context.pair_id)
    return False


async def _handle_chunk(context: Context, processor: Processor, works: Sequence[Work], run: _Pass) -> None:
    fetched = []
    for work in works:
        if _interrupted(context, run):
            await _put_back(context, processor, work)
        elif (ended := await _attempt(context, processor, work, processor.fetch)) is not None:
            run.note(ended)
        else:
            fetched.append(work)
    if not fetched:
        return
    together = True
    try:
        await processor.prepare(fetched)
    except Exception as error:  # noqa: BLE001 - what failed for ten may be the fault of one, of whatever class: each asks for itself
        survived(error)
        together = False
    for work in fetched:
        if _interrupted(context, run):
            await _put_back(context, processor, work)
        else:
            run.note(await handle(context, processor, work, prepared=together))


def _interrupted(context: Context, run: _Pass) -> bool:
    return context.stopping.is_set() or context.paused or run.over


async def _put_back(context: Context, processor: Processor, work: Work) -> None:
    state, reason = (State.WAITING, context.pause_reason) if context.paused else (State.QUEUED, Reason.NONE)
    await context.store.defer(
        work,
        state,
        not_before=context.now(),
        reason=reason,
        attempt=work.attempt,
        payload=_payload(processor, work),
    )


def _payload(processor: Processor, work: Work) -> bytes | None:
    """Return what is known of the record; what cannot even be written down is asked for again."""
    try:
        return processor.payload(work)
    except Exception as error:  # noqa: BLE001 - the record is being put away because something is wrong with it
        survived(error)
        return None


async def handle(context: Context, processor: Processor, work: Work, *, prepared: bool = True) -> Handled:
    """Carry one record through, and store what became of it.  Only a fault of the store escapes."""

    async def carry_through(work: Work) -> None:
        if not prepared:
            await processor.prepare([work])
        ended = await processor.process(work)
        if isinstance(ended, Hold):
            await _hold(context, processor, work, ended)
        else:
            await context.store.finish(processor.looked_at(work), ended)
            context.outcome(processor.name, ended.outcome, ended.reason)

    return await _attempt(context, processor, work, carry_through) or Handled()


async def _attempt(context: Context, processor: Processor, work: Work, action: Callable[[Work], Awaitable[None]]) -> Handled | None:
    """Do something for one record; ``None`` when nothing went wrong, else what became of the record is stored."""
    with tracing(work.identity) as trace:
        try:
            await action(work)
        except Exception as error:  # noqa: BLE001 - one bad record stops only itself: a fault of ours is held like any other
            return await _settle_error(context, processor, work, survived(error), trace)
    return None


async def _settle_error(context: Context, processor: Processor, work: Work, error: Exception, trace: Trace) -> Handled:
    """Write down what becomes of a record for which something was raised."""
    if isinstance(error, Unreadable | Missing) and is_unreadable(work):
        # a listing said so, and asking for the record by its id (again, when a person sends it again) did not help
        await _hold(context, processor, work, Hold(Reason.UNREADABLE, work.version.removeprefix(UNREADABLE_VERSION)))
        return Handled(word("reason", Reason.UNREADABLE))
    if isinstance(error, Undecidable):
        await _hold(context, processor, work, Hold(Reason.UNDECIDABLE, error.says))
        return Handled()
    return await _carry_on(context, processor, work, error, trace)


async def _hold(context: Context, processor: Processor, work: Work, hold: Hold) -> None:
    seen = processor.looked_at(work)  # before the payload, with which the processor lets go of the record
    payload, question = _payload(processor, work), None
    detail = said(hold.detail, names_in(payload or work.payload))
    if hold.question:
        question = Question(context.pair_id, hold.question, processor.name, hold.question_text, hold.choices)
    await context.store.hold(seen, reason=hold.reason, detail=detail, question=question, payload=payload)
    context.outcome(processor.name, Outcome.HELD, hold.reason)
    context.log.warning("held", flow=processor.name, record=work.record, label=work.label, reason=hold.reason, detail=str(detail))


async def _carry_on(context: Context, processor: Processor, work: Work, error: Exception, trace: Trace) -> Handled:
    """Write down what follows from an error."""
    own = trace.own() and not isinstance(error, TooEarly)
    decision = after_error(error, work.attempt, context.policy, jitter=context.rng.random(), own=own, pace=trace.pace())
    seen, payload = processor.looked_at(work), _payload(processor, work)
    # the alert, the question of the brake and the log get it too, and none of them knows the record
    detail: Text = clean(str(error), names_in(payload or work.payload))
    if decision.reason is Reason.INTERNAL:
        fault = fault_of(error)
        context.log.error("internal", flow=processor.name, label=work.label, **asdict(fault), exc_info=error)
        detail = fault.says
    if decision.state in {State.HELD, State.DEAD}:
        await context.store.hold(
            seen,
            reason=decision.reason,
            detail=detail,
            outcome=decision.outcome,
            state=decision.state,
            payload=payload,
        )
        context.outcome(processor.name, decision.outcome, decision.reason)
        context.log.warning("held", flow=processor.name, record=work.record, label=work.label, reason=decision.reason, detail=str(detail))
        return Handled(message("run.failed", reason=word("reason", decision.reason), detail=detail))
    await _defer(context, processor, work, decision, detail, payload=payload)
    return Handled(outage=_outage(error, own=own))


def _outage(error: Exception, *, own: bool) -> ConnectorError | None:
    """Return an error that says that the vendor is away, for this record and perhaps for others."""
    if isinstance(error, Unreachable | Throttled):
        return error
    passing = isinstance(error, Transient | Uncertain | Unreadable) and not isinstance(error, TooEarly)
    return error if passing and not own and isinstance(error, ConnectorError) else None


async def _defer(
    context: Context, processor: Processor, work: Work, decision: RetryDecision, detail: Text, *, payload: bytes | None
) -> None:
    # never at once: what is due again before anything else could happen would be claimed again and again
    delay = max(decision.delay.total_seconds(), _SHORTEST_DELAY)
    if decision.reason is Reason.UNAUTHORIZED:
        context.pause(delay, decision.reason)
    if decision.state is State.RETRYING:
        context.metrics.retried(processor.name)
    await context.store.defer(
        work,
        decision.state,
        not_before=context.now() + type(decision.delay)(seconds=delay),
        reason=decision.reason,
        detail=detail,
        attempt=decision.attempt,
        payload=payload,
    )
    seconds = round(delay, 1)
    context.log.info("put off", flow=processor.name, label=work.label, state=decision.state, reason=decision.reason, seconds=seconds)
