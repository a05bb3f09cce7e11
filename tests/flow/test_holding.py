"""One bad record stops only itself; too many stop the flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.port import Rejected
from daemon.sync_until_idle import GaveUp
from tests.flow.shop import Bridge, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.model import Document, DocumentDraft


def refuse(bridge: Bridge, keys: set[str]) -> None:
    """Let the books refuse the documents with these references, as a vendor does who dislikes what is in them."""
    books = bridge.pair.context.books
    for name in ("book", "propose"):
        real = getattr(books, name)

        async def picky(draft: DocumentDraft, real: object = real) -> Document:
            if draft.key in keys:
                message = "DataModelValidationException - no"
                raise Rejected(message, code="2000")
            answer: Document = await real(draft)  # type: ignore[operator]  # the connector's own method
            return answer

        setattr(books, name, picky)


async def test_one_poisoned_receipt_in_many_stops_only_itself(tmp_path: Path) -> None:
    """Everything else settles; the bad one is held with the vendor's words, and settles once its cause is cured."""
    count = 1000
    running = open_shop(tmp_path, world(*[receipt(f"R{n}", line("THEE-1", "1", "3.79", "9"), minute=n % 100) for n in range(count)]))
    async with running.process() as bridge:
        keys = {"KB-R77"}
        refuse(bridge, keys)
        outcome = await bridge.settle("sales")
        assert (outcome.documents, outcome.held) == (count - 1, 1)
        [work] = await bridge.store.find_work("R77")
        assert work.detail == "2000: DataModelValidationException - no"
        keys.clear()
        assert await bridge.store.resend(bridge.pair.context.pair_id, "R77") == 1
        outcome = await bridge.settle("sales")
        assert (outcome.documents, outcome.held, str(outcome.difference)) == (count, 0, "0.00")
    assert len(set(running.references())) == count


async def test_books_that_refuse_everything_stop_the_flow(tmp_path: Path) -> None:
    """After a dozen refusals the rest is not tried; one question, and its answer lets the flow go on."""
    count = 100
    running = open_shop(tmp_path, world(*[receipt(f"R{n}", line("THEE-1", "1", "3.79", "9"), minute=n) for n in range(count)]))
    async with running.process() as bridge:
        keys = {f"KB-R{n}" for n in range(count)}
        refuse(bridge, keys)
        with pytest.raises(GaveUp, match="failed in a row of work"):
            await bridge.settle("sales")
        held = len(await bridge.held())
        tried = bridge.counts("sales")["failed"]
        assert tried < 40
        assert held == count
        [question] = await bridge.store.questions()
        with pytest.raises(GaveUp):
            await bridge.settle("sales")
        assert bridge.counts("sales")["failed"] == tried
        keys.clear()
        await bridge.store.answer(question.pair, question.key, "continue")
        for number in range(count):
            await bridge.store.resend(bridge.pair.context.pair_id, f"R{number}")
        outcome = await bridge.settle("sales")
        assert (outcome.documents, str(outcome.difference)) == (count, "0.00")
