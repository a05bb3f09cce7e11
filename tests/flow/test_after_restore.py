"""The time after an older state was put back: nothing is booked at once, nothing is doubled, and it ends by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
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
from tests.flow.judge import disagreements
from tests.flow.running import running
from tests.flow.shop import MORNING, line, open_shop, receipt, world
from tests.flow.test_holding import refuse
from tests.flow.test_restore import Killed, put_back

if TYPE_CHECKING:
    from collections.abc import Callable
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


async def forgotten(running: Shop, change: Callable[[Shop], object], then: Callable[[Shop], None]) -> dict[str, str]:
    """R1 is booked, and changed and booked so after a backup; that is put back, and R1 changes once more.  Returns what is held then."""
    async with running.process() as bridge:
        await bridge.settle()
    backup = copied(running, "backup")
    async with running.process() as bridge:
        change(running)
        await bridge.settle()
    put_back(running, backup)
    then(running)
    async with running.process() as bridge:
        await anyio.sleep(10)
        await bridge.settle()
        await bridge.pair.sales.sweep()
        await bridge.settle()
        assert not is_restored(bridge)
        return await bridge.held()


async def test_a_receipt_credited_after_the_backup_is_booked_anew_when_it_counts_again(tmp_path: Path) -> None:
    """The older state knows it as booked, and so it is in the till again: the books say that it was taken back."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    held = await forgotten(running, lambda shop: shop.till.cashier.cancel("R1"), lambda shop: shop.till.cashier.reinstate("R1"))
    assert (held, disagreements(running)) == ({}, [])
    assert running.references() == ["KB-R1", "KB-R1#C", "KB-R1#1"]


async def test_a_receipt_booked_anew_after_the_backup_stays_so(tmp_path: Path) -> None:
    """The same change is decided once more, and found done."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    held = await forgotten(running, lambda shop: shop.till.cashier.change_row("R1", price=Decimal("3.95")), lambda _: None)
    assert (held, disagreements(running), running.books.books.drafts.rows) == ({}, [], {})
    assert running.references() == ["KB-R1", "KB-R1#C", "KB-R1#1"]


@pytest.mark.parametrize("paid", [True, False])
async def test_a_receipt_booked_anew_after_the_backup_and_changed_back_follows_the_till(tmp_path: Path, *, paid: bool) -> None:
    """It is as the older state remembers it, and not as the books have it; where the money went is not known any more, so that one asks."""
    running = open_shop(tmp_path, world())
    running.till.cashier.ring_up(receipt("R1", line()), paid=paid)

    def price(amount: str) -> Callable[[Shop], None]:
        return lambda shop: shop.till.cashier.change_row("R1", price=Decimal(amount))

    held = await forgotten(running, price("3.95"), price("4.95"))
    if not paid:
        assert (held, disagreements(running)) == ({}, [])
        return
    assert held == {"R1": "payment_differs"}
    running.books.bookkeeper.delete("KB-R1#1", with_payments=True)
    async with running.process() as bridge:
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle()
        assert await bridge.held() == {}
    assert disagreements(running) == []


async def test_a_receipt_booked_after_the_backup_and_cancelled_since_is_credited(tmp_path: Path) -> None:
    """The older state knows nothing of it, and the till shows it as cancelled: its document is found all the same."""
    running = open_shop(tmp_path, world())
    held = await forgotten(running, lambda shop: shop.till.ring_up(sold("R1", -60)), lambda shop: shop.till.cashier.cancel("R1"))
    assert (held, disagreements(running)) == ({}, [])
    assert running.references() == ["KB-R1", "KB-R1#C"]


async def test_a_receipt_paid_after_the_backup_and_open_again_since_is_asked_about(tmp_path: Path) -> None:
    """Its document is paid, and nobody knows any more on which account: taken back by hand, it is booked anew, and open."""
    running = open_shop(tmp_path, world())
    held = await forgotten(running, lambda shop: shop.till.ring_up(sold("R1", -60)), lambda shop: shop.till.cashier.unpay("R1"))
    assert held == {"R1": "payment_differs"}
    running.books.bookkeeper.delete("KB-R1", with_payments=True)
    async with running.process() as bridge:
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle()
        assert await bridge.held() == {}
    assert disagreements(running) == []


async def test_a_receipt_booked_after_the_backup_and_credited_by_hand_is_asked_about(tmp_path: Path) -> None:
    """Two documents carry its key, one of which takes the other back: that is one question, and its answer helps."""
    running = open_shop(tmp_path, world())

    def taken_back(shop: Shop) -> None:
        shop.books.bookkeeper.pay(shop.books.bookkeeper.credit("KB-R1"), account="Pin")

    held = await forgotten(running, lambda shop: shop.till.ring_up(sold("R1", -60)), taken_back)
    assert held == {"R1": "document_gone"}
    async with running.process() as bridge:
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle()
        assert await bridge.held() == {}
    assert disagreements(running) == []


async def test_a_draft_made_anew_after_the_backup_is_the_only_one(tmp_path: Path) -> None:
    """Drawn up after the backup, changed, and drawn up anew: the older state knows of neither, and leaves none behind."""
    running = open_shop(tmp_path, world(), change='\n[links.shop.sales]\ndocument = "draft"\n')

    async with running.process() as bridge:
        await bridge.settle()
    backup = copied(running, "backup")
    async with running.process() as bridge:
        running.till.ring_up(sold("R1", -60))
        await bridge.settle()
        running.till.cashier.change_row("R1", price=Decimal("3.95"))
        await bridge.pair.sales.sweep()
        await bridge.settle()
    put_back(running, backup)
    async with running.process() as bridge:
        await anyio.sleep(10)
        await bridge.settle()
        await bridge.settle()
        assert not is_restored(bridge)
        assert await bridge.held() == {}
    assert [one.gross for one in running.books.documents() if not one.deleted] == [Decimal("3.95")]


async def test_a_draft_of_a_receipt_that_is_held_after_the_restore_is_not_made_twice(tmp_path: Path) -> None:
    """The time after the restoration ends while its receipt waits for a person; when it goes on, the draft is known all the same."""
    running = open_shop(tmp_path, world(), change='\n[links.shop.sales]\ndocument = "draft"\n')
    article = running.books.bookkeeper.deactivate_article

    def closed(_: Shop) -> None:
        article("KAARS-1")

    assert await forgotten(running, lambda shop: shop.till.ring_up(sold("R1", -60)), closed) == {"R1": "article_missing"}
    article("KAARS-1", active=True)
    async with running.process() as bridge:
        await bridge.store.resend(bridge.pair.context.pair_id, "R1")
        await bridge.settle()
        assert await bridge.held() == {}
    assert [one.gross for one in running.books.documents() if not one.deleted] == [Decimal("4.95")]


async def test_a_receipt_of_another_day_than_its_forgotten_document_is_asked_about(tmp_path: Path) -> None:
    """The cashier corrected its date, or its day was closed: whether the document of its number is its own, a person says."""
    running = open_shop(tmp_path, world())
    yesterday = MORNING - timedelta(days=1)
    held = await forgotten(
        running, lambda shop: shop.till.ring_up(sold("R1", -60)), lambda shop: shop.till.cashier.change_date("R1", yesterday)
    )
    assert held == {"R1": "document_ambiguous"}
    async with running.process() as bridge:
        [question] = await bridge.store.questions()
        assert question.choices == ("keep",)
        await bridge.store.answer(question.pair, question.key, "keep")
        await bridge.settle()
        assert await bridge.held() == {}
    assert once_each(running)


def test_only_our_documents_that_nobody_here_knows_are_looked_up() -> None:
    """By the key that we wrote, the id that is bound, and the key that is intended."""

    def document(number: str, key: str) -> Document:
        return replace(DOCUMENT, id=number, key=key)

    found = [document("1", "KB-7"), document("2", "KB-8"), document("3", "KB-9"), document("4", "order 12"), document("5", "KBX-7")]
    assert receipts_unknown(found, "KB", {"1"}, {"KB-8"}) == {"9"}
    assert receipts_unknown(found, "KBX", set(), set()) == {"7"}
    assert receipts_unknown([], "KB", set(), set()) == set()
