"""What nobody has thought of: whatever is raised for one record holds that record, and nothing that is data ends the process."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from connectors.port import Transient
from daemon.app import get_ready
from daemon.core.outcomes import Reason
from daemon.engine.last_line import each_alone, fault_of, survived
from daemon.flow_run import FlowRunner
from daemon.flows.planning import plan_sales
from daemon.state.port import StoreError
from daemon.supervisor import HEARTBEAT
from tests.flow.running import running
from tests.flow.shop import Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = [f"R{number}" for number in range(1, 8)]


def shop_of(tmp_path: Path) -> Shop:
    """A shop with seven receipts."""
    return open_shop(tmp_path, world(*[receipt(number, line(), minute=place) for place, number in enumerate(NUMBERS)]))


def stumble(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, over: Callable[..., bool]) -> None:
    """Let a method fail for what it cannot cope with, as a fault of ours would: by an error of no taxonomy."""
    real = getattr(owner, name)

    def once_more(*args: Any, **kwargs: Any) -> Any:
        if over(*args):
            raise KeyError("jan@example.nl")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, once_more)


def stumble_later(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, over: Callable[..., bool]) -> None:
    """The same of a method that waits."""
    real = getattr(owner, name)

    async def once_more(*args: Any, **kwargs: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        if over(*args):
            raise KeyError("jan@example.nl")
        return await real(*args, **kwargs)

    monkeypatch.setattr(owner, name, once_more)


@pytest.mark.parametrize("bad", ["R1", "R4", "R7"])
@pytest.mark.parametrize("where", ["gather", "decide", "carry out"])
async def test_a_fault_in_one_receipt_holds_that_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, bad: str) -> None:
    """Wherever on its way and in the queue it is; one alert names the cause, and once that is mended it is booked by being sent again."""
    shop = shop_of(tmp_path)
    async with running(shop, loops=False) as daemon:
        [pair] = daemon.app.pairs
        with monkeypatch.context() as broken:
            match where:
                case "gather":
                    stumble_later(
                        broken, pair.sales._facts, "for_sales", lambda sales, *_: any(one.number == bad for one in sales.values())
                    )
                case "decide":
                    stumble(broken, pair.sales, "decide", lambda facts: facts.sale.number == bad)
                case _:
                    stumble_later(broken, pair.sales._steps, "carry_out", lambda work, *_: work.label == bad)
            run = await FlowRunner(pair).run("sales")
            assert run.result == "partial"
        assert sorted(map(str, daemon.documents())) == sorted(f"KB-{number}" for number in NUMBERS if number != bad)
        [work] = await daemon.store.find_work(bad)
        assert work.reason is Reason.INTERNAL
        assert "KeyError" in str(work.detail)
        assert "jan@" not in str(work.detail)
        await daemon.supervisor._look_after()
        assert daemon.told == ["Kassabrug: records held by a fault of this program: 1"]
        assert await daemon.store.resend(pair.context.pair_id, bad) == 1
        await FlowRunner(pair).run("sales")
        await daemon.supervisor._look_after()
    assert sorted(map(str, daemon.documents())) == sorted(f"KB-{number}" for number in NUMBERS)
    assert len(daemon.told) == 2


async def test_one_cause_is_one_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two receipts held by one fault and one held by another are two alerts."""
    shop = shop_of(tmp_path)
    async with running(shop, loops=False) as daemon:
        [pair] = daemon.app.pairs
        stumble(monkeypatch, pair.sales, "decide", lambda facts: facts.sale.number in {"R2", "R3"})
        stumble_later(monkeypatch, pair.sales._steps, "carry_out", lambda work, *_: work.label == "R5")
        await FlowRunner(pair).run("sales")
        await daemon.supervisor._look_after()
        await daemon.supervisor._look_after()
        assert sorted(daemon.told) == [
            "Kassabrug: records held by a fault of this program: 1",
            "Kassabrug: records held by a fault of this program: 2",
        ]
        assert len(daemon.documents()) == len(NUMBERS) - 3


async def test_a_receipt_that_cannot_be_written_down_keeps_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for by its id when its turn comes; the page that it came with is stored, and the reading goes on."""
    shop = shop_of(tmp_path)
    async with running(shop, loops=False) as daemon:
        [pair] = daemon.app.pairs
        with monkeypatch.context() as broken:
            stumble(broken, pair.sales, "describe", lambda change: change.record.number == "R3")
            await FlowRunner(pair).run("sales")
    assert sorted(map(str, daemon.documents())) == sorted(f"KB-{number}" for number in NUMBERS)


async def test_a_fault_in_one_article_holds_that_article(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others reach the till; after it is mended and the article sent again, so does that one."""
    shop = shop_of(tmp_path)
    async with running(shop, loops=False) as daemon:
        [pair] = daemon.app.pairs
        with monkeypatch.context() as broken:
            stumble_later(broken, pair.products, "decide", lambda source, *_: source.sku == "MOK-1")
            assert (await FlowRunner(pair).run("products")).result == "partial"
        [work] = await daemon.store.find_work("MOK-1")
        assert work.reason is Reason.INTERNAL
        assert {"KAARS-1", "THEE-1", "BOEK-1"} <= {product.sku for product in await pair.context.till.all_products()}
        await daemon.store.resend(pair.context.pair_id, "MOK-1")
        assert (await FlowRunner(pair).run("products")).result == "success"


async def test_what_no_record_is_to_blame_for_ends_the_run_and_not_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow fails and says so, the others go on, and it goes on itself as soon as the cause is gone."""
    shop = shop_of(tmp_path)
    async with running(shop) as daemon:
        [pair] = daemon.app.pairs
        with monkeypatch.context() as broken:
            stumble_later(broken, pair.products, "poll", lambda: True)
            stumble_later(broken, daemon.supervisor, "_remember_connections", lambda: True)
            await anyio.sleep(30 * 60)
            assert sorted(map(str, daemon.documents())) == sorted(f"KB-{number}" for number in NUMBERS)
            [products] = [flow for flow in daemon.supervisor.flows if flow.flow == "products"]
            assert products.last_run is not None
            assert products.last_run.reason is Reason.INTERNAL
            assert products.failures > 1
        await anyio.sleep(pair.interval("products") + HEARTBEAT)
        assert products.failures == 0
        assert any("products" in one for one in daemon.told)


async def test_a_fault_of_the_store_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its store nothing that it promises can be kept: also when that is met in tasks that run together."""
    shop = shop_of(tmp_path)
    async with running(shop, loops=False) as daemon:
        [pair] = daemon.app.pairs

        async def broken(*_: object, **__: object) -> None:
            await anyio.lowlevel.checkpoint()
            raise ExceptionGroup("together", [KeyError("x"), StoreError("the disk is full")])

        monkeypatch.setattr(pair.sales._facts, "for_sales", broken)
        with pytest.raises(StoreError, match="disk is full"):
            await FlowRunner(pair).run("sales")


async def test_a_plan_says_what_a_run_would_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One receipt that nothing can be gathered for, or that cannot be decided on, is planned as held; the others as they are."""
    shop = shop_of(tmp_path)
    async with shop.process() as bridge:
        sales = bridge.pair.sales
        stumble(monkeypatch, sales, "decide", lambda facts: facts.sale.number == "R2")
        stumble_later(monkeypatch, sales, "gather", lambda given: any(one.label == "R6" for one in given.values()))
        await get_ready(bridge.pair.context)
        actions, whole = await plan_sales(sales, bridge.pair.context)
        assert {action.label for action in actions if action.verb == "hold"} == {"R2", "R6"}
        assert {action.reason for action in actions if action.verb == "hold"} == {Reason.INTERNAL}
        assert {sale.number for sale in whole} == set(NUMBERS) - {"R2", "R6"}
        assert sum((sale.gross for sale in whole), Decimal(0)) == Decimal("24.75")


async def test_what_says_that_a_vendor_is_away_is_nobodys_own() -> None:
    """It is raised, and not tried again for each; and so is what ends the process."""
    asked: list[int] = []

    async def away(given: Any) -> dict[str, str]:
        asked.append(len(given))
        await anyio.lowlevel.checkpoint()
        raise Transient("503")

    with pytest.raises(Transient):
        await each_alone(away, {"a": 1, "b": 2})
    assert asked == [2]
    with pytest.raises(StoreError):
        survived(StoreError("gone"))


def test_a_fault_is_known_by_its_cause_and_quotes_nothing() -> None:
    """Two of one cause have one mark whatever they are about; another place is another mark."""

    def at(value: str) -> Exception:
        empty: dict[str, str] = {}
        try:
            empty[value]
        except KeyError as error:
            return error
        raise AssertionError

    one, two = fault_of(at("jan@example.nl")), fault_of(at("NL91ABNA0417164300"))
    assert one == two
    assert one.what == "KeyError"
    assert "jan@" not in repr(one)
    assert fault_of(ValueError("x")).mark != one.mark
