"""After an older state was put back: until all that was done since is known again, every write is looked for before it is sent.

What a lost state wrote is found where it was written.  Every flow looks its records up anyway; what may escape it is a record that the
older state takes for settled or lets wait for a person.  So when nothing else is in hand, the books are read from the last moment that
the older state knew of, and whatever carries our key and is not known to it is sent through its flow once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from daemon.core.flow_registry import FLOWS, SALES
from daemon.core.message import message
from daemon.core.outcomes import State
from daemon.flows.document_lookup import LOOK_BACK
from daemon.state.port import Activity, IntentState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from connectors.model import Document
    from daemon.core.ids import PairId
    from daemon.engine.context import Context
    from daemon.state.port import Count

#: the flows that make something; what the others write may be written twice
MAKERS = frozenset(flow.name for flow in FLOWS if flow.makes)
_FLOW = SALES.name
_AT_REST = frozenset({State.HELD, State.DEAD})
#: before any books: a state that was lost, not put back, knew of nothing
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def receipts_unknown(found: Iterable[Document], prefix: str, ids: Collection[str], keys: Collection[str]) -> frozenset[str]:
    """Return the numbers of the receipts whose documents carry our key and are neither bound (``ids``) nor intended (``keys``)."""
    ours = [one for one in found if one.key.startswith(f"{prefix}-")]
    return frozenset(one.key.removeprefix(f"{prefix}-").partition("#")[0] for one in ours if one.id not in ids and one.key not in keys)


@dataclass(frozen=True, slots=True)
class _Party:
    """One pair whose flows make something, and what its documents' keys begin with."""

    context: Context
    flows: tuple[str, ...]
    prefix: Callable[[], str]


class AfterRestore:
    """Ends the time after a restoration; one for a process, told of every run."""

    def __init__(self) -> None:
        self._parties: dict[PairId, _Party] = {}
        self._whole: set[tuple[PairId, str]] = set()
        self._sent_again: set[tuple[PairId, str]] = set()
        self._looking = anyio.Lock()

    def expect(self, context: Context, flows: Iterable[str], prefix: Callable[[], str]) -> None:
        """Wait for the flows of this pair too; ``prefix`` tells what the keys of its documents begin with, once its sales have run."""
        self._parties[context.pair_id] = _Party(context, tuple(flow for flow in flows if flow in MAKERS), prefix)

    async def ran(self, context: Context, flow: str, began: float) -> None:
        """Take in that a run ended well that began at this moment of the monotonic clock; raises the errors of the port."""
        if not _restored(context):
            return
        # what was written just before this process began may be shown only now: a run that began earlier has proven nothing
        if began - context.started >= context.policy.index_lag:
            self._whole.add((context.pair_id, flow))
        expected = {(pair, name) for pair, party in self._parties.items() for name in party.flows}
        if not expected <= self._whole:
            return
        store = context.store
        async with self._looking:  # which another run may have done meanwhile
            if _restored(context) and not _in_hand(await store.counts(), expected) and not await self._send_again():
                await store.reconciled()
                line = Activity(context.now(), context.pair_id, flow, "", "", "reconciled", detail=message("activity.reconciled"))
                await store.note([line])
                context.log.info("reconciled")

    async def _send_again(self) -> int:
        """Read what the books have from the older state's last moment on; send again whose document it does not know.  Each once."""
        sent = 0
        for pair, party in self._parties.items():
            if _FLOW not in party.flows:
                continue
            numbers = await self._unknown(party)
            for number in sorted(numbers):
                if (pair, number) not in self._sent_again:
                    self._sent_again.add((pair, number))
                    sent += await party.context.store.resend(pair, number, flow=_FLOW)
        return sent

    async def _unknown(self, party: _Party) -> frozenset[str]:
        context, store = party.context, party.context.store
        since = _BEGINNING if store.restored_from is None else store.restored_from - LOOK_BACK
        found = [*await context.books.documents_since(since), *await context.books.proposals_since(since)]
        ids = {binding.target for binding in (await store.bindings(context.pair_id, "sale")).values()}
        # what was refused here may have been sent again since, and done
        keys = {one.reference for one in await store.intents(context.pair_id, flow=_FLOW) if one.state != IntentState.REFUSED}
        return receipts_unknown(found, party.prefix(), ids, keys)


def _restored(context: Context) -> bool:
    return context.store.restored


def _in_hand(counts: Iterable[Count], expected: Collection[tuple[PairId, str]]) -> int:
    """Return how many records of these flows are on their way; one that waits for a person is not."""
    return sum(count.records for count in counts if (count.pair, count.flow) in expected and count.state not in _AT_REST)
