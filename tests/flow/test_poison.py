"""What makes no sense stops only itself, wherever in a page it stands and whenever it comes; and is gone once it makes sense again."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.sandbox.world import WorldArticle
from daemon.alert_rules import look_after
from daemon.app import Shared, assemble
from daemon.core.outcomes import Reason, State
from daemon.flow_health import FlowHealth
from daemon.flow_run import FlowRunner
from daemon.observe.alerts import Alerts
from daemon.observe.metrics import Metrics
from daemon.state.sqlite import open_store
from daemon.sync_until_idle import settle_all
from tests.flow.judge import disagreements
from tests.flow.line import Line
from tests.flow.poison import FIELDS, POISONS, Kind, Poison, Poisoner
from tests.flow.shop import ARTICLES, Bridge, Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt
    from daemon.state.port import Work

#: more receipts than there are poisoned ones, so that all of a page are neither; no more than a run may fail for
COUNT = 9
PLACES = (0, COUNT // 2, COUNT - 1)
FLOWS = ("sales", "products")
KINDS: tuple[Kind, ...] = ("receipts", "lines", "articles")
CASES = [
    pytest.param(poison, kind, id=f"{kind} {poison.name}")
    for poison in POISONS
    for kind in KINDS
    if poison.part == "whole" or poison.part in FIELDS[kind]
]


#: articles that nobody buys, at the first, the middle and the last place: a receipt of an article that cannot be read is held too
UNSOLD = [WorldArticle(f"DOOS-{place}", "Doos", Decimal("2.50"), Decimal(21), Decimal(5)) for place in range(3)]
SHELF = (UNSOLD[0], *ARTICLES[:2], UNSOLD[1], *ARTICLES[2:], UNSOLD[2])


class Scene:
    """A shop, with something before each vendor that can poison what it says."""

    def __init__(self, directory: Path, kind: Kind) -> None:
        self.numbers = [f"R{number}" for number in range(COUNT)]
        self.shop: Shop = open_shop(
            directory, world(*self._receipts(), articles=SHELF), change="\n[links.shop.brake]\nshare = 1.0\nminimum = 1000\n"
        )
        self.kind = kind
        self.till = Poisoner(self.shop.till.app, self.shop.till.app._seal, kind)  # type: ignore[attr-defined]  # its own signature
        self.books = Poisoner(self.shop.books.app, None, kind)
        self.poisoned: set[str] = set()

    def _receipts(self) -> list[WorldReceipt]:
        rows = [line("KAARS-1"), line("THEE-1", price="3.79", rate="9"), line("MOK-1", price="7.33")]
        first = int(self.numbers[0][1:])
        return [receipt(number, *rows, minute=first + place) for place, number in enumerate(self.numbers)]

    def happen(self) -> None:
        """Sell as much again, and change the price of every article."""
        first = int(self.numbers[-1][1:]) + 1
        self.numbers = [f"R{number}" for number in range(first, first + COUNT)]
        for one in self._receipts():
            self.shop.till.cashier.ring_up(one)
        for row in self._listed():
            self.shop.books.bookkeeper.change_article(row["Number"], GrossPrice=row["GrossPrice"] + 1)

    def _listed(self) -> list[dict[str, Any]]:
        return [row for row in self.shop.books.books.tables["articles"].rows.values() if not row["Number"].startswith("KB-")]

    def poison(self, poison: Poison | None) -> None:
        """Poison three records of the kind: the first, the middle and the last of what is new."""
        for one in (self.till, self.books):
            one.poison = poison
        orders = [str(self.shop.till.cashier.find(number).id) for number in self.numbers]
        match self.kind:
            case "receipts":
                self.till.victims = {orders[place] for place in PLACES}
            case "lines":
                self.till.victims = {(orders[place], row) for row, place in enumerate(PLACES)}
            case "articles":
                self.books.victims = {row["Id"] for row in self._listed() if row["Number"].startswith("DOOS-")}
        self.poisoned = set() if self.kind == "articles" or poison is None else {self.numbers[place] for place in PLACES}

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Bridge]:
        """Run one process on the state."""
        shop = self.shop
        store = await open_store(shop.directory / "state", clock=shop.clock, inline=True)
        try:
            await store.recover()
            transports = {"books": Line(self.books), "till": Line(self.till)}
            shared = Shared(shop.settings, store, shop.directory, shop.clock, Metrics(), random.Random(7), anyio.Event(), transports)
            async with assemble(shared) as app:
                yield Bridge(shop, store, app, app.pairs[0], FlowRunner(app.pairs[0]), shared)
        finally:
            await store.close()

    async def settle(self, bridge: Bridge) -> None:
        """Run both flows until nothing is due."""
        await settle_all(bridge.runner, FLOWS, waiting=lambda _: None)

    async def held(self, bridge: Bridge) -> list[Work]:
        """Return what waits for a person."""
        return [work for flow in FLOWS for work in await bridge.store.open_work(bridge.pair.context.pair_id, flow)]

    async def judge(self, bridge: Bridge) -> None:
        """The ledgers agree on all that is not poisoned, and what is poisoned is held for what it is."""
        held = await self.held(bridge)
        assert held
        assert {work.state for work in held} == {State.HELD}
        assert {work.reason for work in held} <= {Reason.UNREADABLE, Reason.DATED_AHEAD}
        assert disagreements(self.shop, held=self.poisoned) == []

    async def cure(self, bridge: Bridge) -> None:
        """Once the vendor makes sense again, what is held comes to rest by being sent again, and nothing differs."""
        self.poison(None)
        for work in await self.held(bridge):
            assert await bridge.store.resend(bridge.pair.context.pair_id, work.record) == 1
        await self.settle(bridge)
        assert await self.held(bridge) == []
        assert disagreements(self.shop) == []
        prices = {product.number: Decimal(str(product.values["price"])) for product in self.shop.till.till.products.values()}
        assert all(prices[row["Number"]] == row["GrossPrice"] for row in self._listed())

    async def alerted(self, bridge: Bridge) -> list[str]:
        """Return what a person is told now."""
        told: list[str] = []

        async def deliver(title: str, _body: str, _severity: str) -> bool:
            told.append(title)
            return True

        shared = bridge.shared
        alerts = Alerts(bridge.store, shared.clock, deliver, shared.metrics)
        flows = [FlowHealth(bridge.pair, flow) for flow in FLOWS]
        counts = await bridge.store.counts()
        await look_after(alerts, bridge.store, bridge.app, flows, shared.settings.alerts, now=shared.clock.now(), counts=counts)
        return told


@pytest.mark.parametrize(("poison", "kind"), CASES)
async def test_a_poisoned_record_stops_only_itself(tmp_path: Path, poison: Poison, kind: Kind) -> None:
    """At a first run: all else is settled; it is held under its name, and comes to rest by being sent again once it makes sense."""
    scene = Scene(tmp_path, kind)
    scene.poison(poison)
    async with scene.process() as bridge:
        await scene.settle(bridge)
        await scene.judge(bridge)
        await scene.cure(bridge)


@pytest.mark.parametrize(("poison", "kind"), CASES[::3])
async def test_it_may_come_at_any_time(tmp_path: Path, poison: Poison, kind: Kind) -> None:
    """Behind much that was read well; also where it comes with what was changed, and not with what is new."""
    scene = Scene(tmp_path, kind)
    async with scene.process() as bridge:
        await scene.settle(bridge)
        scene.happen()
        scene.poison(poison)
        await scene.settle(bridge)
        await scene.judge(bridge)
        await scene.cure(bridge)
