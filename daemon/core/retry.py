"""What becomes of work that could not be done: waiting, retrying, looking up, holding.  Retry is data, not a sleeping task.

An outage belongs to the connection: only what fails for a record alone, while others go through, is an attempt of that record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from connectors.port import (
    ConnectorError,
    Locked,
    Missing,
    Throttled,
    Transient,
    Unauthorized,
    Uncertain,
    Unreachable,
    Unreadable,
)
from daemon.core.outcomes import Outcome, Reason, State

#: how long until a day that the books have closed is tried again
_WHILE_LOCKED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently; delays in seconds."""

    max_attempts: int = 8
    #: how often an answer that cannot be understood is asked for again before the record is held
    unreadable_attempts: int = 4
    first_delay: float = 5.0
    longest_delay: float = 3600.0
    #: how soon what a vendor failed for everybody is tried again; the connection's own pace makes it longer
    outage_delay: float = 1.0
    #: how long to wait when throttled without being told, and at most, whatever we are told
    throttled_delay: float = 60.0
    longest_throttled: float = 900.0
    #: how long a connection that must be signed in to again is left alone
    unauthorized_delay: float = 60.0
    #: how long the vendor's index may lag behind its own writes
    index_lag: float = 5.0


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What becomes of the work: its state, when it is due again, and how many attempts it has had."""

    state: State
    reason: Reason
    attempt: int
    delay: timedelta = timedelta(0)
    outcome: Outcome = Outcome.HELD


def back_off(attempt: int, policy: RetryPolicy, jitter: float) -> timedelta:
    """Return the delay before the next attempt: doubled each time, capped, and shifted by ``jitter`` (0 ≤ jitter < 1)."""
    delay = min(policy.first_delay * 2 ** max(attempt - 1, 0), policy.longest_delay)
    return timedelta(seconds=delay * (0.5 + jitter))


def after_error(
    error: Exception, attempt: int, policy: RetryPolicy, *, jitter: float, own: bool = True, pace: float = 0.0
) -> RetryDecision:
    """Decide what follows an error on the ``attempt`` made so far.  Pure; the engine carries it out.

    Waiting for a vendor is not an attempt.  ``own`` says that the vendor goes on answering others, ``pace`` in how many seconds the
    connection is worth asking again.  Whatever is not a connector's error is a fault of ours: the record is held so that the others go
    on.
    """
    again = timedelta(seconds=max(pace, policy.outage_delay) + jitter)
    match error:
        case Unauthorized():
            return RetryDecision(State.WAITING, Reason.UNAUTHORIZED, attempt, timedelta(seconds=policy.unauthorized_delay))
        case Unreachable():
            return RetryDecision(State.WAITING, Reason.UNREACHABLE, attempt, max(again, timedelta(seconds=error.retry_after or 0.0)))
        case Throttled():
            delay = policy.throttled_delay if error.retry_after is None else min(error.retry_after, policy.longest_throttled)
            return RetryDecision(State.WAITING, Reason.THROTTLED, attempt, timedelta(seconds=delay + jitter))
        case Uncertain():
            return _uncertain(error, attempt, policy, own=own, again=again)
        case Transient():
            return _failed(Reason.TRANSIENT, attempt, policy, again if not own else back_off(attempt + 1, policy, jitter), own=own)
        case Unreadable():
            return _failed(Reason.UNREADABLE, attempt, policy, again if not own else back_off(attempt + 1, policy, jitter), own=own)
        case Locked():
            return RetryDecision(State.WAITING, Reason.PERIOD_LOCKED, attempt, _WHILE_LOCKED)
        case Missing():
            return RetryDecision(State.HELD, Reason.VANISHED, attempt + 1)
        case ConnectorError():
            return RetryDecision(State.HELD, Reason.REJECTED, attempt + 1, outcome=Outcome.REJECTED)
        case _:
            return RetryDecision(State.HELD, Reason.INTERNAL, attempt + 1)


def _uncertain(error: Uncertain, attempt: int, policy: RetryPolicy, *, own: bool, again: timedelta) -> RetryDecision:
    """What was sent is looked up before anything else, not before the vendor's index may show it; it is never given up for impatience."""
    lag = timedelta(seconds=policy.index_lag if error.retry_after is None else min(error.retry_after, policy.index_lag))
    if not own:
        return RetryDecision(State.UNCERTAIN, Reason.ANSWER_LOST, attempt, max(lag, again))
    if attempt + 1 >= policy.max_attempts:
        return RetryDecision(State.HELD, Reason.ATTEMPTS_EXHAUSTED, attempt + 1)
    return RetryDecision(State.UNCERTAIN, Reason.ANSWER_LOST, attempt + 1, lag)


def _failed(reason: Reason, attempt: int, policy: RetryPolicy, delay: timedelta, *, own: bool) -> RetryDecision:
    """A failure without effect: nobody's attempt while the vendor fails others too; what goes on failing for one alone is held."""
    if not own:
        return RetryDecision(State.WAITING, reason, attempt, delay)
    unreadable = reason is Reason.UNREADABLE
    if attempt + 1 >= (min(policy.max_attempts, policy.unreadable_attempts) if unreadable else policy.max_attempts):
        return RetryDecision(State.HELD, reason if unreadable else Reason.ATTEMPTS_EXHAUSTED, attempt + 1)
    return RetryDecision(State.RETRYING, reason, attempt + 1, delay)
