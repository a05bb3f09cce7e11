"""Once a day, what is settled and old is forgotten (decision 0012)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from daemon.core.ids import EVERYBODY

if TYPE_CHECKING:
    from connectors.port import Clock
    from daemon.state.port import Pruned, Store

#: the fact that remembers when this was last done
FACT = "pruned_at"
EVERY = timedelta(days=1)
#: our clock may be wrong; what the vendors' clocks have shown is older than now by no more than this, or it is not now
QUIET = timedelta(days=1)


async def prune_when_due(store: Store, clock: Clock, *, settled_days: int, activity_days: int) -> Pruned | None:
    """Forget what is older than the settings say, unless that was done within a day; return how much, ``None`` when it was not due.

    Ages are counted from the newest moment that a vendor has shown, if that is earlier than our own clock: one that has jumped ahead
    by years must not make everything old.
    """
    now = clock.now()
    last = await store.fact(EVERYBODY, FACT)
    # a moment that has not come yet was written by a clock that has jumped back since
    if last is not None and datetime.fromisoformat(last) <= now < datetime.fromisoformat(last) + EVERY:
        return None
    newest = await store.newest_read()
    today = now if newest is None else min(now, newest + QUIET)
    pruned = await store.prune(before=today - timedelta(days=settled_days), activity_before=today - timedelta(days=activity_days))
    await store.remember(EVERYBODY, {FACT: now.isoformat()})
    return pruned
