"""What becomes of work that could not be done: waiting, retrying, looking up, holding.  Retry is data, not a sleeping task."""

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
from daemon.core.life import Outcome, Reason, State

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
    #: how long to leave an unreachable vendor alone
    unreachable_delay: float = 15.0
    #: how long to wait when throttled without being told
    throttled_delay: float = 60.0
    #: how long a connection that must be signed in to again is left alone
    unauthorized_delay: float = 60.0
    #: how long the vendor's index may lag behind its own writes
    index_lag: float = 5.0


@dataclass(frozen=True, slots=True)
class Fate:
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


def after_error(error: Exception, attempt: int, policy: RetryPolicy, *, jitter: float) -> Fate:
    """Decide what follows an error on the ``attempt`` made so far.  Pure; the engine carries it out.

    Waiting for a vendor is not an attempt.  Whatever is not a connector's error is a fault of ours: the record is held so that the
    others go on.
    """
    match error:
        case Unauthorized():
            return Fate(State.WAITING, Reason.UNAUTHORIZED, attempt, timedelta(seconds=policy.unauthorized_delay))
        case Unreachable():
            return Fate(State.WAITING, Reason.UNREACHABLE, attempt, timedelta(seconds=policy.unreachable_delay * (0.5 + jitter)))
        case Throttled():
            delay = policy.throttled_delay if error.retry_after is None else error.retry_after
            return Fate(State.WAITING, Reason.THROTTLED, attempt, timedelta(seconds=delay + jitter))
        case Uncertain():
            return Fate(State.UNCERTAIN, Reason.ANSWER_LOST, attempt + 1, timedelta(seconds=policy.index_lag))
        case Transient():
            if attempt + 1 >= policy.max_attempts:
                return Fate(State.DEAD, Reason.ATTEMPTS_EXHAUSTED, attempt + 1)
            return Fate(State.RETRYING, Reason.TRANSIENT, attempt + 1, back_off(attempt + 1, policy, jitter))
        case Unreadable():
            # a page of maintenance passes; what stays unreadable is for a person
            if attempt + 1 >= min(policy.max_attempts, policy.unreadable_attempts):
                return Fate(State.HELD, Reason.UNREADABLE, attempt + 1)
            return Fate(State.RETRYING, Reason.UNREADABLE, attempt + 1, back_off(attempt + 1, policy, jitter))
        case Locked():
            return Fate(State.WAITING, Reason.PERIOD_LOCKED, attempt, _WHILE_LOCKED)
        case Missing():
            return Fate(State.HELD, Reason.VANISHED, attempt + 1)
        case ConnectorError():
            return Fate(State.HELD, Reason.REJECTED, attempt + 1, outcome=Outcome.REJECTED)
        case _:
            return Fate(State.HELD, Reason.INTERNAL, attempt + 1)
