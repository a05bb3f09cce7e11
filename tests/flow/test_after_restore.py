"""The time after an older state was put back: nothing is booked at once, nothing is doubled, and it ends by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from connectors.model import ZERO, Document, DocumentKind
from connectors.port import Unreachable
from connectors.sandbox import shop as shops
from daemon.flows.after_restore import receipts_unknown
from daemon.state.restore import begin_anew
from daemon.state.runner import in_the_loop
from tests.flow.running import running
from tests.flow.shop import MORNING, line, open_shop, receipt, world
from tests.flow.test_holding import refuse
from tests.flow.test_restore import Killed, put_back

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.model import DocumentDraft
    from connectors.sandbox.world import WorldReceipt
    from tests.flow.shop import Bridge, Shop

DOCUMENT = Document("1", "1", DocumentKind.INVOICE, "KB-1", "c", ZERO, ZERO, ZERO, "EUR")
INVOICES, DRAFTS = "/v2/customerinvoices", "/v2/customerinvoicedrafts"


def sold(number: str, after: float, customer: str | None = None) -> WorldReceipt:
    """A receipt so many seconds after this morning."""
    return replace(receipt(number, line(), customer=customer), sold_at=MORNING + timedelta(seconds=after))


def posted(running: Shop, path: str) -> int:
    """How many documents were posted there."""
    return sum(count for (method, route), count in running.books.requests.items() if method == "POST" and route.endswith(path[3:]))


def copied(running: Shop, to: str) -> Path:
    """A backup of the state as it is, made without the program."""
    target = running.directory / to
    target.write_bytes((running.directory / "state" / "state.sqlite3").read_bytes())
    return target


def is_restored(bridge: Bridge) -> bool:
    """Whether the time after a restoration goes on."""
    return bridge.store.restored


def once_each(running: Shop) -> bool:
    """Whether the books have each receipt of the till once, to the cent and paid."""
    till, books = running.till.ledger(), running.books.ledger()
    return (
        till.gross == books.gross
        and till.receipts == len(books.documents) == len(set(running.references()))
        and books.remaining == 0
        and running.books.books.drafts.rows == {}
    )


async def begun(running: Shop, *later: WorldReceipt) -> None:
    """A morning, a backup, and what was sold and booked after it; the state of then is lost."""
    async with running.process() as bridge:
        await bridge.settle()
    backup = copied(running, "backup")
    async with running.process() as bridge:
        await anyio.sleep(600)
        for one in later:
            running.till.cashier.ring_up(one)
        await bridge.settle()
    put_back(running, backup)


async def test_it_ends_by_itself_when_all_that_came_after_the_backup_is_known(tmp_path: Path) -> None:
    """Until then nothing is booked at once; after it the next receipt is, and the next process does not remember it as restored."""
    running = open_shop(tmp_path, world(*[receipt(f"R{n}", line(), minute=n) for n in range(3)]))
    await begun(running, sold("L1", 590), sold("L2", 595))
    at_once, by_draft = posted(running, INVOICES), posted(running, DRAFTS)
    async with running.process() as bridge:
        assert is_restored(bridge)
        assert bridge.store.restored_from is not None
        assert bridge.store.restored_from <= MORNING + timedelta(seconds=600)
        running.till.cashier.ring_up(sold("N1", anyio.current_time() - 1))
        await bridge.settle()
        assert (posted(running, INVOICES), posted(running, DRAFTS)) == (at_once, by_draft + 1)
        await anyio.sleep(10)
        await bridge.settle()
        assert not is_restored(bridge)
        assert [line.event for line in await bridge.store.activity(limit=1)] == ["reconciled"]
        running.till.cashier.ring_up(sold("N2", anyio.current_time() - 1))
        await bridge.settle()
        assert (posted(running, INVOICES), posted(running, DRAFTS)) == (at_once + 1, by_draft + 1)
        assert await bridge.held() == {}
    async with running.process() as bridge:
        assert not is_restored(bridge)
    assert once_each(running)
    assert running.till.ledger().receipts == 7


async def test_what_was_released_after_the_backup_is_not_held_any_more(tmp_path: Path) -> None:
    """Refused in the backup, sent again and booked since: its document is found, though nobody asks for it."""
    running = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), minute=1)))
    async with running.process() as bridge:
        refuse(bridge, {"KB-R1"})
        await bridge.settle()
        assert await bridge.held() == {"R1": "rejected"}
    backup = copied(running, "backup")
    async with running.process() as bridge:
        assert await bridge.store.resend(bridge.pair.context.pair_id, "R1") == 1
        await bridge.settle()
        assert await bridge.held() == {}
    assert once_each(running)
    writes = running.writes_to_books()
    put_back(running, backup)
    async with running.process() as bridge:
        assert await bridge.held() == {"R1": "rejected"}
        await anyio.sleep(10)
        await bridge.settle()
        assert not is_restored(bridge)
        assert await bridge.held() == {}
    assert running.writes_to_books() == writes
    assert once_each(running)


@pytest.mark.parametrize("kind", ["products", "sales"])
async def test_it_does_not_end_while_a_flow_has_not_looked(tmp_path: Path, kind: str) -> None:
    """Each flow that makes something has to have gone through once, whole."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    await begun(running, sold("L1", 590))
    other = {"products": "sales", "sales": "products"}[kind]
    async with running.process() as bridge:
        await anyio.sleep(10)
        await bridge.settle(kind)
        assert is_restored(bridge)
        await bridge.settle(other)
        assert not is_restored(bridge)
    assert once_each(running)


async def test_it_does_not_end_while_the_books_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else goes on well: what they have since the backup has to be read."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    await begun(running, sold("L1", 590))
    async with running.process() as bridge:
        await anyio.sleep(10)
        with monkeypatch.context() as patch:

            async def away(_: object) -> None:
                await anyio.lowlevel.checkpoint()
                raise Unreachable("nobody answers")

            patch.setattr(bridge.pair.context.books, "documents_since", away)
            for flow in ("products", "sales"):
                await bridge.runner.run(flow)
            assert is_restored(bridge)
        await bridge.settle()
        assert not is_restored(bridge)
    assert once_each(running)


async def test_a_draft_that_the_lost_state_left_behind_becomes_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was laid out and not confirmed when the state was lost: it is taken up, and no second one is made beside it."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
    backup = copied(running, "backup")
    running.till.cashier.ring_up(sold("B1", 0, customer="b"))
    with monkeypatch.context() as patch:
        try:
            async with running.process() as bridge:

                async def die(_: DocumentDraft) -> None:
                    await anyio.lowlevel.checkpoint()
                    raise Killed

                patch.setattr(bridge.pair.context.books, "confirm", die)
                await bridge.settle()
        except BaseExceptionGroup as group:
            assert group.subgroup(Killed) is not None  # noqa: PT017 - the group says which task it was, and that is all the same here
    assert len(running.books.books.drafts.rows) == 1
    put_back(running, backup)
    async with running.process() as bridge:
        await anyio.sleep(10)
        await bridge.settle()
        await bridge.settle()
        assert not is_restored(bridge)
    assert once_each(running)
    assert len(running.references()) == 1


async def test_a_lost_state_of_a_whole_day_is_known_again(tmp_path: Path) -> None:
    """Without any backup: the books are read from the beginning, and the time after it ends."""
    running = open_shop(tmp_path, shops.generate(5, 15))
    async with running.process() as bridge:
        await bridge.settle()
    (tmp_path / "state" / "state.sqlite3").unlink()
    in_the_loop(lambda: begin_anew(tmp_path / "state", by="ans", now=running.clock.now()))
    async with running.process() as bridge:
        assert is_restored(bridge)
        assert bridge.store.restored_from is None
        await anyio.sleep(10)
        await bridge.settle()
        await bridge.settle()
        assert not is_restored(bridge)
        assert await bridge.held() == {}
    assert once_each(running)


async def test_the_metrics_say_so(tmp_path: Path) -> None:
    """1 while it lasts, 0 when it is over, of a daemon that works as ever."""
    running_shop = open_shop(tmp_path, world(receipt("R1", line())))
    await begun(running_shop, sold("L1", 590))
    async with running(running_shop) as daemon:
        await anyio.sleep(1)
        assert daemon.metrics._restored._value.get() == 1
        await anyio.sleep(200)
        assert daemon.metrics._restored._value.get() == 0
    assert once_each(running_shop)


def test_only_our_documents_that_nobody_here_knows_are_looked_up() -> None:
    """By the key that we wrote, the id that is bound, and the key that is intended."""

    def document(number: str, key: str) -> Document:
        return replace(DOCUMENT, id=number, key=key)

    found = [document("1", "KB-7"), document("2", "KB-8"), document("3", "KB-9"), document("4", "order 12"), document("5", "KBX-7")]
    assert receipts_unknown(found, "KB", {"1"}, {"KB-8"}) == {"9"}
    assert receipts_unknown(found, "KBX", set(), set()) == {"7"}
    assert receipts_unknown([], "KB", set(), set()) == set()
