"""Receipts on their way: they have lowered the stock of the till, and not yet that of the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.life import State
from daemon.flows.payload import load_sale
from daemon.state.port import IntentState

if TYPE_CHECKING:
    from connectors.model import Sale
    from daemon.engine.context import Context

_FLOW = "sales"


async def sales_on_their_way(context: Context) -> tuple[list[Sale], int]:
    """Return the receipts in hand whose lines are known, and how many are in hand whose lines are not known yet.

    Left out is what has its document already, although its work goes on or is held: the books' stock has moved.  What waits for a person
    and has no lines to show (it cannot be read, or is gone from the till) is not waited for: one bad receipt would stop the stock of all.
    """
    works = await context.store.open_work(context.scope, _FLOW)
    bound = await context.store.bindings(context.scope, "sale", [work.record for work in works])
    known, unknown = [], 0
    for work in works:
        intents = await context.store.intents(context.scope, record=work.record, flow=_FLOW, state=IntentState.DONE)
        if work.record in bound or any(intent.operation == "document" for intent in intents):
            continue
        sale = load_sale(work.payload) if work.payload else None
        if sale is not None and sale.lines:
            known.append(sale)
        elif work.state not in {State.HELD, State.DEAD}:
            unknown += 1
    return known, unknown
