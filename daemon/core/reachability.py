"""Whether a vendor can be asked, decided from its exchanges alone: healthy, suspect or down.

The same account is kept of a connection as a whole and of each of its places (an address without the ids in it, with its method), for
a vendor may be away with all it has or with one of its resources.  Moments are seconds of a clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from connectors.port import Heard


class Level(StrEnum):
    """What can be expected of the next request."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"  # it failed, but that may have been the request's own fault, or a blip
    DOWN = "down"  # it failed for more than one; asked by one probe at a time


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what fails is tried, in seconds: after ``first``, doubled up to ``longest``.

    What nobody has wanted to try for ``forgotten`` seconds since its moment came, or for ``slowed`` seconds since it asked us to slow down,
    says nothing about now.  What fails for one record for longer than ``alone`` seconds, where nobody else asks, is no outage any more.
    """

    first: float = 1.0
    longest: float = 60.0
    forgotten: float = 180.0
    slowed: float = 1000.0
    alone: float = 86400.0


@dataclass(frozen=True, slots=True)
class Health:
    """What the exchanges so far say.

    ``good`` counts the answers, ``bad`` those for whom it failed, each once however often they tried.  The rest is about what failed
    since the last answer: ``witnesses`` are those for whom (as many as matter), ``rounds`` how often it was tried, ``ask_at`` when it
    is worth trying again.
    """

    good: int = 0
    bad: int = 0
    failures: int = 0
    since: float | None = None
    heard_at: float = 0.0
    witnesses: frozenset[str] = frozenset()
    rounds: int = 0
    ask_at: float = 0.0


#: for so many it must fail before it is nobody's own fault
_WITNESSES = 2
#: a place works if it answers so many times as often as it fails another one
_MOSTLY = 2
_DOUBLINGS = 20


def after(before: Health, what: Heard, witness: str, *, began: float, now: float, pace: Pace, fresh: bool = True) -> Health:
    """Return what is known after an exchange that began at ``began``.

    ``witness`` names the record whose request it was, ``fresh`` says that it had not failed here before; empty for a request that is no
    single record's, which is evidence each time, as is a connection that nobody takes.  Requests that were on their way when it began to
    fail do not make it fail any longer.
    """
    if what is Heard.ANSWERED:
        return Health(before.good + 1, before.bad)
    if level(before, now, pace) is Level.HEALTHY:
        before = Health(before.good, before.bad)
    since = now if before.since is None else before.since
    if what is Heard.THROTTLED:
        # how long to wait is the rate budget's business; this is when it is worth looking again
        return replace(before, since=since, heard_at=now, ask_at=before.ask_at if before.witnesses else now + pace.longest)
    own = f"#{before.failures}" if what is Heard.NOBODY or not witness else witness
    witnesses = before.witnesses if len(before.witnesses) >= _WITNESSES else before.witnesses | {own}
    rounds, ask_at = before.rounds, before.ask_at
    if not rounds or began >= ask_at:
        ask_at = now + min(pace.first * 2.0 ** min(rounds, _DOUBLINGS), pace.longest)
        rounds += 1
    return Health(before.good, before.bad + fresh, before.failures + 1, since, now, witnesses, rounds, ask_at)


def at_once(health: Health, now: float) -> Health:
    """Return the same, to be tried at once: something else of the vendor answers again."""
    return replace(health, rounds=0, ask_at=now) if health.ask_at > now else health


def level(health: Health, now: float, pace: Pace) -> Level:
    """Tell what can be expected."""
    if health.since is None:
        return Level.HEALTHY
    asked_no_more = now - health.ask_at >= pace.forgotten if health.witnesses else now - health.heard_at >= pace.slowed
    if asked_no_more and now - health.heard_at >= pace.forgotten:
        return Level.HEALTHY
    return Level.DOWN if len(health.witnesses) >= _WITNESSES else Level.SUSPECT


def may_ask(health: Health, now: float, pace: Pace, *, probing: bool) -> bool:
    """Tell whether a request may leave: what is down is asked by one at a time, when its moment has come."""
    return level(health, now, pace) is not Level.DOWN or (now >= health.ask_at and not probing)


def is_own(before: Health, now: Health) -> bool:
    """Tell whether a failure was the record's own: since it failed (``before``) the place has answered, and failed hardly anybody else."""
    good, bad = now.good - before.good, now.bad - before.bad
    return good > 0 and good >= _MOSTLY * bad


def is_alone(before: Health, now: Health, *, answered_elsewhere: bool, moment: float, pace: Pace) -> bool:
    """Tell whether a place has failed one record and nobody else for longer than outages last, while the vendor answered elsewhere."""
    nobody_else = len(now.witnesses) < _WITNESSES and now.bad == before.bad
    return nobody_else and answered_elsewhere and moment - before.heard_at >= pace.alone
