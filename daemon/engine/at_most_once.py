"""Writes that must happen once: an intent is on disk before the request, and a lost answer is looked up, never sent again blindly."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.port import ConnectorError, Uncertain
from daemon.core.message import message
from daemon.state.port import Intent, IntentState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from daemon.core.ids import Owner
    from daemon.core.message import Text
    from daemon.engine.context import Context


class Undecidable(Exception):
    """It cannot be decided whether a write happened, although the vendor answers; only a person can: ``kassabrug settle``."""

    def __init__(self, says: Text) -> None:
        super().__init__(str(says))
        self.says = says


class TooEarly(Uncertain):
    """What was sent may not be to be found yet; it is looked up when the vendor's index has had its time."""


@dataclass(frozen=True, slots=True)
class OnceWrite:
    """A write that is not idempotent.

    ``key`` comes from the source's identity and never from chance, ``reference`` is what finds its effect at the vendor, ``memo``
    what must be known later to decide whether it happened.  Neither holds personal data.  ``named`` says that what comes of it has an id
    that is needed to go on.
    """

    key: str
    flow: str
    record: str
    operation: str
    reference: str
    content: str
    memo: Mapping[str, str] = field(default_factory=dict)
    named: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """What came of it.  ``adopted``: it had happened already, and was found."""

    remote_id: str
    adopted: bool


async def at_most_once(
    context: Context,
    owner: Owner,
    write: OnceWrite,
    *,
    send: Callable[[], Awaitable[str]],
    find: Callable[[Intent], Awaitable[str | None]],
) -> Written:
    """Carry out a write at most once, whatever happened to earlier attempts.

    Raises the errors of the port (:class:`TooEarly` while it is too early to look) and :class:`Undecidable`.
    """
    now = context.now()
    intent = Intent(
        owner=owner,
        key=write.key,
        flow=write.flow,
        record=write.record,
        operation=write.operation,
        reference=write.reference,
        payload_hash=hashlib.sha256(write.content.encode()).hexdigest()[:32],
        state=IntentState.SENT,
        sent_at=now,
        memo=write.memo,
    )
    earlier = await context.store.intend(intent)
    if earlier is None and context.store.restored:
        # a store that was put back may have forgotten that this was sent: it is looked for like any other
        earlier = intent
    if earlier is not None:
        if earlier.state == IntentState.DONE:
            said_by_a_person = write.named and not earlier.remote_id
            return Written(await _named(earlier, find) if said_by_a_person else earlier.remote_id, adopted=True)
        if found := await _resolve(context, owner, earlier, find):
            return found
    sent = (owner, write.key)
    context.common.sends[sent] = math.inf
    try:
        remote_id = await send()
    except Uncertain:
        raise
    except ConnectorError:
        # every other error of the port says that nothing happened
        await context.store.settle_intent(owner, write.key, IntentState.REFUSED)
        raise
    finally:
        # from now on the vendor's index may lag: a slow request has its effect at its end, not at its beginning
        context.common.sends[sent] = context.clock.monotonic()
    await context.store.settle_intent(owner, write.key, IntentState.DONE, remote_id=remote_id)
    del context.common.sends[sent]
    return Written(remote_id, adopted=False)


async def _named(earlier: Intent, find: Callable[[Intent], Awaitable[str | None]]) -> str:
    """Return the id of what a person says has happened; what cannot be found cannot be gone on with."""
    found = await find(earlier)
    if not found:
        raise Undecidable(message("detail.not_there", key=earlier.reference))
    return found


async def settled_by(context: Context, owner: Owner, flow: str, key: str, remote_id: str) -> None:
    """Settle an earlier attempt whose answer was lost and whose effect was then found without looking for it."""
    intent = await context.store.intent(owner, key)
    if intent is not None and intent.state == IntentState.SENT:
        await context.store.settle_intent(owner, key, IntentState.DONE, remote_id=remote_id)
        context.metrics.duplicate_prevented(flow)


async def identified(created: str, find: Callable[[], Awaitable[str | None]]) -> str:
    """Return the id of what was just created; where the answer had none, it is looked up.

    Raises :class:`Uncertain` where that fails, for whatever reason: the creation itself is not in doubt and must not be repeated.
    """
    if created:
        return created
    try:
        found = await find()
    except ConnectorError as error:
        raise Uncertain(f"created, but not to be looked up: {error}") from error
    if not found:
        raise Uncertain("created, but not to be found yet")
    return found


async def _resolve(context: Context, owner: Owner, earlier: Intent, find: Callable[[Intent], Awaitable[str | None]]) -> Written | None:
    """Find out what became of an earlier attempt; ``None`` says that it surely had no effect and may be sent again.

    However often it was sent: how long to go on is no question of one write, but of the record and of the connection.
    """
    # what an earlier process sent was sent before this one began; no wall clock is asked, for it may jump
    waited = context.clock.monotonic() - context.common.sends.get((owner, earlier.key), context.started)
    if waited < context.policy.index_lag:
        raise TooEarly(
            "too early to look whether it happened", retry_after=min(context.policy.index_lag - waited, context.policy.index_lag)
        )
    found = await find(earlier)
    context.common.sends.pop((owner, earlier.key), None)
    if found is not None:
        await context.store.settle_intent(owner, earlier.key, IntentState.DONE, remote_id=found)
        context.metrics.duplicate_prevented(earlier.flow)
        return Written(found, adopted=True)
    await context.store.resend_intent(owner, earlier.key, now=context.now())
    return None
