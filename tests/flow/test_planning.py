"""``plan`` says what ``sync`` does: the same decisions, and nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.sandbox import shop
from daemon.app import get_ready
from daemon.flow_health import FlowHealth
from daemon.flow_run import Run
from daemon.flows.planning import plan_products, plan_sales, plan_stock
from daemon.health import Health
from tests.flow.shop import Bridge, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.core.actions import Action


async def planned(bridge: Bridge) -> list[Action]:
    """Everything that would be done."""
    pair, context = bridge.pair, bridge.pair.context
    await get_ready(context)
    actions, sales = await plan_sales(pair.sales, context)
    return [*actions, *await plan_products(pair.products, context), *await plan_stock(pair.stock, sales)]


@pytest.mark.parametrize("seed", [6, 7])
async def test_sync_does_what_plan_said(tmp_path: Path, seed: int) -> None:
    """Counted by flow and verb, what was planned is what was done; planning writes nothing, here or there."""
    running = open_shop(tmp_path, shop.generate(seed))
    async with running.process() as bridge:
        before = running.writes()
        actions = await planned(bridge)
        assert running.writes() == before
        assert await bridge.store.counts() == []
        await bridge.settle()
        done = bridge.counts
        for flow, verb, column in (
            ("sales", "create", "created"),
            ("sales", "skip", "skipped"),
            ("products", "create", "created"),
            ("products", "skip", "skipped"),
        ):
            wanted = len([action for action in actions if (action.flow, action.verb) == (flow, verb)])
            assert (flow, verb, done(flow).get(column, 0)) == (flow, verb, wanted)
        new = {action.label for action in actions if (action.flow, action.verb) == ("customers", "create")}
        assert done("customers").get("created", 0) <= len(new)
        assert await planned(bridge) == []


async def test_a_plan_shows_fields_and_reasons(tmp_path: Path) -> None:
    """The document with its total and its payment, the products with what is written, a held receipt with its question; no name."""
    sales = (receipt("R1", line(quantity="2"), customer="p"), receipt("R2", line(), paymethod="ideal", minute=1))
    running = open_shop(tmp_path, world(*sales), payment_methods='pin = "Pin"\n')
    async with running.process() as bridge:
        every = await planned(bridge)
    actions = {(action.flow, action.label): action for action in every}
    shown = {change.field: change.after for action in every if action.label == "R1" for change in action.changes}
    assert (shown["reference"], shown["gross"], shown["payment Pin"]) == ("KB-R1", "9.90", "9.90")
    assert (actions["sales", "R2"].verb, actions["sales", "R2"].reason) == ("hold", "payment_method_unknown")
    assert actions["customers", "R1"].verb == "create"
    assert "example.nl" not in str(actions["customers", "R1"])
    assert ("price", "4.95") in {(change.field, change.after) for change in actions["products", "KAARS-1"].changes}


async def test_health_and_overview_follow_the_flows(tmp_path: Path) -> None:
    """In step, held, failing, signed out: probes and the dashboard say which, without a word about people or money."""
    running = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), paymethod="ideal")), payment_methods='pin = "Pin"\n')
    async with running.process() as bridge:
        flow = FlowHealth(bridge.pair, "sales")
        health = Health(bridge.shared, bridge.app, [flow], lambda: True)
        assert health.alive()
        flow.note(await bridge.runner.run("sales"), running.clock.now())
        overview = await health.overview()
        assert (overview.tone, overview.held_total, len(overview.questions)) == ("warn", 1, 1)
        assert {check.status for check in await health.ready()} == {"pass"}
        assert "warn" in {check.status for check in await health.health()}
        for _ in range(3):
            flow.note(Run("failure", "answered 503"), running.clock.now())
        assert "answered 503" in {check.output for check in await health.health()}
        assert (await health.overview()).flows[0].tone == "bad"
        bridge.pair.watches[0].reauth_required = True
        assert "fail" in {check.status for check in await health.ready()}
        assert (await health.overview()).headline == "A connection must be signed in to again."
