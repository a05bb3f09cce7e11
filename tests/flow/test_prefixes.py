"""Two tills of one company: what they book is kept apart, whatever the order in the file."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest

from connectors.sandbox.salespos import TillSandbox, TillSwitches
from daemon.app import Shared, assemble
from daemon.core.ids import PairId
from daemon.flow_run import FlowRunner
from daemon.observe.metrics import Metrics
from daemon.settings import ConfigurationError, Settings, load
from daemon.state.sqlite import open_store
from daemon.sync_until_idle import settle_all
from daemon.text import ENGLISH
from tests.flow.shop import Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from daemon.app import App
    from daemon.state.store import SqliteStore


@dataclass(slots=True)
class TwoTills:
    """A shop with a second till, in which receipts have the same numbers."""

    shop: Shop
    second: TillSandbox

    @asynccontextmanager
    async def process(self, *, state: str = "state") -> AsyncIterator[tuple[App, SqliteStore]]:
        """Run one process."""
        shop = self.shop
        store = await open_store(shop.directory / state, clock=shop.clock, inline=True)
        apps: dict[str, ASGIApp] = {"books": shop.books.app, "till": shop.till.app, "second": self.second.app}
        transports = {name: httpx2.ASGITransport(app) for name, app in apps.items()}
        try:
            await store.recover()
            shared = Shared(shop.settings, store, shop.directory, shop.clock, Metrics(), random.Random(7), anyio.Event(), transports)
            async with assemble(shared) as app:
                yield app, store
        finally:
            await store.close()

    async def settle(self, *, state: str = "state") -> None:
        """Book what there is, in one process."""
        async with self.process(state=state) as (app, _):
            for pair in app.pairs:
                await settle_all(FlowRunner(pair), ("sales",), waiting=lambda _: None)

    def configure(self, tills: str, more: str = "") -> None:
        """Name the tills of the link in this order."""
        path = self.shop.directory / "kassabrug.toml"
        lines = path.read_text(encoding="utf-8").splitlines()
        text = "\n".join(f"tills = [{tills}]" if one.startswith("tills = ") else one for one in lines)
        path.write_text(text + more, encoding="utf-8")
        self.shop.settings = load(path)

    @property
    def references(self) -> list[str]:
        """What is booked."""
        return sorted(str(reference) for reference in self.shop.references())


def open_two(directory: Path) -> TwoTills:
    """One receipt in each till: same number, same day, same amount."""
    shop = open_shop(directory, world(receipt("1", line())))
    second = TillSandbox(world(receipt("1", line())), clock=shop.clock.now, limits=False, seed=2, switches=TillSwitches(), open_shop=True)
    two = TwoTills(shop, second)
    keys = f'public_key = "{second.public_key}"\nsecret_key = "{second.secret_key}"\n'
    two.configure('"till", "second"', f'\n[connections.second]\nkind = "salespos"\napi = "http://127.0.0.1:3/api/rest/v1"\n{keys}')
    return two


async def test_another_order_of_the_tills_changes_nothing(tmp_path: Path) -> None:
    """A receipt of the second till is booked although the first has booked one of the same number, day and amount."""
    two = open_two(tmp_path)
    await two.settle()
    assert two.references == ["KB-1", "KB-second-1"]
    for till in (two.shop.till, two.second):
        till.ring_up(receipt("2", line(), minute=1))
    two.configure('"second", "till"')
    await two.settle()
    assert two.references == ["KB-1", "KB-2", "KB-second-1", "KB-second-2"]


async def test_a_till_that_is_gone_from_the_file_keeps_its_prefix(tmp_path: Path) -> None:
    """The one that is left goes on under its own."""
    two = open_two(tmp_path)
    await two.settle()
    two.second.ring_up(receipt("2", line(), minute=1))
    two.configure('"second"')
    await two.settle()
    assert two.references == ["KB-1", "KB-second-1", "KB-second-2"]


async def test_a_state_that_knows_no_prefixes_learns_them_from_what_it_booked(tmp_path: Path) -> None:
    """An older version wrote none down; the order in the file was changed together with the version."""
    two = open_two(tmp_path)
    await two.settle()
    async with two.process() as (_, store):
        await store.remember(PairId("shop"), {"prefixes": ""})
    two.second.ring_up(receipt("2", line(), minute=1))
    two.configure('"second", "till"')
    await two.settle()
    assert two.references == ["KB-1", "KB-second-1", "KB-second-2"]


async def test_a_document_that_another_till_has_bound_is_never_adopted(tmp_path: Path) -> None:
    """However its reference came to be the same: the receipt is held, and whose the document is stands beside it."""
    two = open_two(tmp_path)
    two.configure('"till"')
    await two.settle()
    assert two.references == ["KB-1"]
    async with two.process() as (_, store):
        # as the first version would have it after the order was changed: the second till books under the plain prefix
        await store.remember(PairId("shop"), {"prefixes": '{"second": "KB", "till": "KB-till"}'})
    two.configure('"till", "second"')
    async with two.process() as (app, store):
        pair = next(pair for pair in app.pairs if pair.context.pair_id == "shop/second")
        await settle_all(FlowRunner(pair), ("sales",), waiting=lambda _: None)
        [work] = await store.open_work(PairId("shop/second"), "sales")
        assert (work.state, work.reason) == ("held", "document_ambiguous")
        assert ENGLISH(work.detail).endswith("is that of receipt 1 of shop/till")
        assert (await store.bindings(PairId("shop/second"), "sale")) == {}
    assert two.references == ["KB-1"]


async def test_two_links_never_share_a_prefix_that_was_used(tmp_path: Path) -> None:
    """Another prefix in the file is no way around: what was given once stays, and a link that wants it is refused."""
    two = open_two(tmp_path)
    two.configure('"till"')
    await two.settle()
    path = tmp_path / "kassabrug.toml"
    text = path.read_text(encoding="utf-8").replace("[links.shop.booking]\n", '[links.shop.booking]\nreference_prefix = "NEW"\n')
    path.write_text(text + '\n[links.other]\nbooks = "books"\ntills = ["second"]\npayment_methods = { pin = "Pin" }\n', encoding="utf-8")
    two.shop.settings = load(path)
    with pytest.raises(
        ConfigurationError, match=r"links\.other\.booking\.reference_prefix: shop/till and other/second .* prefix KB, expected"
    ):
        async with two.process():
            pass
    two.shop.settings = load_with(path, "[links.other]\n", '[links.other]\nbooking = { reference_prefix = "OTHER" }\n')
    await two.settle()
    assert two.references == ["KB-1", "OTHER-1"]


def load_with(path: Path, old: str, new: str) -> Settings:
    """Change the file and load it."""
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return load(path)
