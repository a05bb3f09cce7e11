"""Long after: what is forgotten is not done twice, and what changed since is still noticed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio

from daemon.core.ids import LinkId
from daemon.flow_run import FlowRunner
from daemon.state.backup import FACT
from daemon.state.retention import prune_when_due
from daemon.supervisor import PRUNE_CHECK
from daemon.sync_until_idle import settle_all
from tests.flow.judge import disagreements
from tests.flow.running import running
from tests.flow.shop import MORNING, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flow.shop import Bridge, Shop

LATER = timedelta(days=60)


async def months_pass(shop: Shop, bridge: Bridge) -> None:
    """And something is sold at its end, so that the till shows what day it is."""
    await anyio.sleep(LATER.total_seconds())
    shop.till.cashier.ring_up(replace(receipt("LATE", line()), sold_at=MORNING + LATER))
    await bridge.settle("sales")
    await prune_when_due(bridge.store, shop.clock, settled_days=30, activity_days=30)


async def test_a_receipt_that_is_forgotten_is_not_booked_again(tmp_path: Path) -> None:
    """Sent again it is found by what it is bound to: nothing is written, and it is settled."""
    shop = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line("THEE-1", "2", "3.79", "9"), customer="p", minute=1)))
    async with shop.process() as bridge:
        await bridge.settle("sales")
        await months_pass(shop, bridge)
        scope = bridge.pair.context.pair_id
        assert await bridge.store.find_work("R1") == []
        assert {intent.record for intent in await bridge.store.intents(scope)} == {
            work.record for work in await bridge.store.find_work("LATE")
        }
        writes = shop.writes()
        assert await bridge.store.resend(scope, "R1") == 1
        assert await bridge.store.resend(scope, "R2", flow="sales") == 1
        assert await bridge.store.resend(scope, "R2", flow="products") == 0
        assert await bridge.store.resend(scope, "R3") == 0
        await bridge.settle("sales")
        assert await bridge.held() == {}
        assert [work.outcome for number in ("R1", "R2") for work in await bridge.store.find_work(number)] == ["unchanged", "unchanged"]
    assert shop.writes() == writes
    ledger = shop.books.ledger()
    assert sorted(str(document.reference) for document in ledger.documents) == ["KB-LATE", "KB-R1", "KB-R2"]
    assert ledger.remaining == 0


async def test_a_change_after_booking_is_noticed_though_the_record_is_forgotten(tmp_path: Path) -> None:
    """The binding says what was booked: the receipt that has another total by now is credited and booked anew when it is sent again."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await bridge.settle("sales")
        await months_pass(shop, bridge)
        shop.till.cashier.add_row("R1", line("MOK-1", "1", "7.33"))
        assert await bridge.store.resend(bridge.pair.context.pair_id, "R1") == 1
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_daemon_forgets_by_itself(tmp_path: Path) -> None:
    """Nobody has to call for it; the age is the configuration's."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    ages = shop.settings.daemon.model_copy(update={"retention_days": 30, "activity_days": 30})
    shop.settings = shop.settings.model_copy(update={"daemon": ages})
    async with running(shop, loops=False) as daemon, anyio.create_task_group() as group:
        runner = FlowRunner(daemon.app.pairs[0])
        await settle_all(runner, ("sales",), waiting=shop.told.append)
        group.start_soon(daemon.supervisor._steadily, "forgetting", daemon.supervisor._forget_what_is_old, PRUNE_CHECK)
        await anyio.sleep(timedelta(days=29).total_seconds())
        assert await daemon.store.find_work("R1")
        await anyio.sleep(timedelta(days=2).total_seconds())
        shop.till.cashier.ring_up(replace(receipt("LATE", line()), sold_at=shop.clock.now() - timedelta(minutes=1)))
        await settle_all(runner, ("sales",), waiting=shop.told.append)
        await anyio.sleep(timedelta(days=1, hours=2).total_seconds())
        assert await daemon.store.find_work("R1") == []
        assert await daemon.store.find_work("LATE")
        group.cancel_scope.cancel()


async def test_the_moment_of_the_last_backup_reaches_the_metrics(tmp_path: Path) -> None:
    """Another process makes it, and the daemon shows it."""
    shop = open_shop(tmp_path, world())
    async with running(shop) as daemon:
        await anyio.sleep(10)
        assert daemon.metrics._backed_up._value.get() == 0
        at = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
        await daemon.store.remember(LinkId(""), {FACT: at.isoformat()})
        await anyio.sleep(10)
        assert daemon.metrics._backed_up._value.get() == at.timestamp()
