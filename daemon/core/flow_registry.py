"""The flows that there are, and what is known of each before it is built.

Settings, metrics, the supervisor and the commands read this; what a flow does is its module's in :mod:`daemon.flows`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from connectors.model import Kind

if TYPE_CHECKING:
    from collections.abc import Collection


class Side(StrEnum):
    """An end of a link."""

    BOOKS = "books"
    TILL = "till"


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow.

    Attributes:
        name: in the configuration, the state, the metrics and the commands
        source: the side that is read
        target: the side that is written to
        kinds: what it carries, in the order in which that is counted
        turn: its place among the flows when each is run once
        interval: how often it looks unless the configuration says otherwise, in seconds
        record: what the bindings that it leaves behind are called; empty where it leaves none
        makes: whether what it writes a second time would be there twice
        queued: whether its records are stored as work, each by itself
    """

    name: str
    source: Side
    target: Side
    kinds: tuple[Kind, ...]
    turn: int
    interval: float
    record: str = ""
    makes: bool = True
    queued: bool = True


PRODUCTS = Flow("products", Side.BOOKS, Side.TILL, (Kind.PRODUCTS,), turn=2, interval=60, record="product")
STOCK = Flow("stock", Side.BOOKS, Side.TILL, (Kind.STOCK,), turn=3, interval=60, makes=False, queued=False)
SALES = Flow("sales", Side.TILL, Side.BOOKS, (Kind.CUSTOMERS, Kind.SALES), turn=1, interval=5, record="sale")

#: in the order in which they are shown
FLOWS = (PRODUCTS, STOCK, SALES)
NAMES = tuple(flow.name for flow in FLOWS)
#: those whose records wait in the queue
QUEUED = tuple(flow.name for flow in FLOWS if flow.queued)
#: in the order in which each is run once: receipts first, for the stock that a new product starts with is then the one after them
TURNS = tuple(flow.name for flow in sorted(FLOWS, key=lambda flow: flow.turn))
#: everything that is counted, in the order in which it is shown
KINDS = tuple(kind.value for flow in FLOWS for kind in flow.kinds)


def wanted_of(side: Side, flows: Collection[str]) -> tuple[frozenset[Kind], frozenset[Kind]]:
    """Return the kinds that these flows read from a side, and those that they write to it."""
    own = [flow for flow in FLOWS if flow.name in flows]
    read = frozenset(kind for flow in own if flow.source is side for kind in flow.kinds)
    return read, frozenset(kind for flow in own if flow.target is side for kind in flow.kinds)
