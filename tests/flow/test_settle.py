"""A write whose outcome the books themselves do not tell: what a person says about it counts, and the receipt goes on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.outages import Outage
from daemon.core.ids import PairId
from daemon.core.outcomes import Reason
from daemon.state.port import InHand
from daemon.text import ENGLISH
from tests.flow.shop import line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flow.shop import Bridge, Shop

D = Decimal
BY = "ans@winkel"


async def undecidable(shop: Shop, bridge: Bridge) -> None:
    """The answer to a payment is lost, and meanwhile the bookkeeper books some of it by hand: what remains explains nothing."""
    payments = "/v2/customerinvoices/*/payments"
    shop.books.outages.begin(Outage(kind="status_500", path=payments))
    await bridge.runner.run("sales")
    shop.books.outages.lift()
    shop.books.bookkeeper.pay("KB-R1", D("2.00"), "Kas")
    await bridge.settle("sales")
    [work] = await bridge.store.open_work(PairId("shop/till"), "sales")
    assert (work.state, work.reason) == ("held", Reason.UNDECIDABLE)


async def say(bridge: Bridge, *, happened: bool) -> int:
    """What ``kassabrug settle`` does to the state."""
    [work] = await bridge.store.open_work(PairId("shop/till"), "sales")
    return await bridge.store.settle_writes(work.pair, work.flow, work.record, happened=happened, by=BY)


async def test_what_happened_is_gone_on_with(tmp_path: Path) -> None:
    """The bookkeeper has booked the rest too, and says so: nothing is paid a second time, and the receipt is settled."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await undecidable(shop, bridge)
        shop.books.bookkeeper.pay("KB-R1", D("2.95"), "Kas")
        assert await say(bridge, happened=True) == 1
        result = await bridge.settle("sales")
        assert (result.held, await bridge.held()) == (0, {})
        [told] = [one for one in await bridge.store.activity(label="R1") if one.event == "settled by hand"]
        assert (BY in ENGLISH(told.detail), "payment" in ENGLISH(told.detail), told.at is not None) == (True, True, True)
    assert [(one.reference, one.gross, one.remaining) for one in shop.books.documents()] == [("KB-R1", D("4.95"), D(0))]
    assert shop.books.ledger().payments == {"Kas": D("4.95")}


async def test_what_did_not_happen_is_still_not_sent_blindly(tmp_path: Path) -> None:
    """2.00 of 4.95 is paid by hand: the receipt is held with the numbers; once the rest is there too, a resend settles it."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await undecidable(shop, bridge)
        assert await say(bridge, happened=False) == 1
        await bridge.settle("sales")
        assert await bridge.held() == {"R1": "payment_differs"}
        shop.books.bookkeeper.pay("KB-R1", D("2.95"), "Kas")
        for _ in range(2):
            assert await bridge.store.resend(PairId("shop/till"), "R1") == 1
            await bridge.settle("sales")
            assert await bridge.held() == {}
    assert [(one.reference, one.remaining) for one in shop.books.documents()] == [("KB-R1", D(0))]
    assert shop.books.ledger().payments == {"Kas": D("4.95")}


async def test_a_document_that_a_person_says_is_there_must_be_found(tmp_path: Path) -> None:
    """Without it nothing can be paid: the receipt is held with what to do; once it is settled as did-not, it is booked."""
    shop = open_shop(tmp_path, world(receipt("R1", line(), customer="b")))
    shop.books.outages.begin(Outage(kind="status_500", path="/v2/customerinvoicedrafts/*/convert"))
    async with shop.process() as bridge:
        await bridge.runner.run("sales")
        [work] = await bridge.store.open_work(PairId("shop/till"), "sales")
        assert work.state == "uncertain"
        assert await say(bridge, happened=True) == 1
        await bridge.settle("sales")
        [work] = await bridge.store.open_work(PairId("shop/till"), "sales")
        assert (work.state, work.reason) == ("held", Reason.UNDECIDABLE)
        assert "KB-R1" in ENGLISH(work.detail)
        assert "did-not" in ENGLISH(work.detail)
        shop.books.outages.lift()
        assert await say(bridge, happened=False) == 1
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert [(one.reference, one.remaining) for one in shop.books.documents()] == [("KB-R1", D(0))]


async def test_nothing_is_settled_under_the_hands_of_a_worker(tmp_path: Path) -> None:
    """A record that is being worked on at this moment is left alone, and what has no unknown write has nothing to settle."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    number = shop.books.outages.begin(Outage(kind="status_500", path="/v2/customerinvoices/*/payments"))
    async with shop.process() as bridge:
        await bridge.runner.run("sales")
        [work] = await bridge.store.claim(PairId("shop/till"), "sales", now=shop.clock.now().replace(year=2030), limit=1)
        with pytest.raises(InHand):
            await bridge.store.settle_writes(work.pair, work.flow, work.record, happened=True, by=BY)
        assert "sent" in [one.state for one in await bridge.store.intents(PairId("shop/till"), record=work.record)]
        shop.books.outages.lift(number)
        await bridge.store.recover()
        await bridge.settle("sales")
        [work] = await bridge.store.find_work("R1")
        assert await bridge.store.settle_writes(work.pair, work.flow, work.record, happened=True, by=BY) == 0
    assert shop.books.ledger().payments == {"Pin": D("4.95")}
