"""A vendor that is away for a while, under virtual time: what waits, and what is there afterwards."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.outages import Outage
from tests.flow.shop import MORNING, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", ["/v2/customerinvoices", ""])
async def test_three_minutes_without_the_books_are_waited_out(tmp_path: Path, path: str) -> None:
    """Connections are refused, for documents alone or altogether; then every receipt is booked once and paid, and nothing is held."""
    shop = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), minute=1)))
    back = MORNING + timedelta(minutes=3)
    shop.books.outages.begin(Outage(kind="refuse", path=path, until=back))
    async with shop.process() as bridge:
        result = await bridge.settle("sales")
    assert shop.clock.now() >= back
    assert [(one.reference, one.gross, one.remaining) for one in shop.books.documents()] == [
        (f"KB-{one.number}", one.gross, Decimal(0)) for one in shop.till.receipts()
    ]
    assert (result.held, shop.books.outages.as_json()[0]["struck"] > 0) == (0, True)
