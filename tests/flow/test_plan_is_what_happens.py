"""``plan`` and ``sync`` are one value: what was announced is what is done, step by step, in every situation that these tests know."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from daemon.app import get_ready
from daemon.core.describe import summary
from daemon.flows.planning import plan_sales
from daemon.text import ENGLISH
from tests.flow.judge import disagreements
from tests.flow.shop import line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt
    from tests.flow.shop import Bridge, Shop

D = Decimal

#: receipts, as rung up before the first run
SALES: dict[str, tuple[WorldReceipt, ...]] = {
    "a sale": (receipt("R1", line(quantity="3")),),
    "a person": (receipt("R1", line(), customer="p"),),
    "a business": (receipt("R1", line(), customer="b"),),
    "a refund": (receipt("R1", line(quantity="3")), receipt("R2", line(quantity="-1"), minute=1)),
    "cash and its rounding": (receipt("R1", line(), paymethod="cash", rounding=D("0.05")),),
    "nothing to pay": (receipt("R1", line(price="0.00")),),
    "no article": (receipt("R1", line("NO-SUCH")),),
    "no account": (receipt("R1", line(), paymethod="ideal"), receipt("R2", line(), minute=1)),
    "another VAT rate": (receipt("R1", line(rate="9")),),
}
#: what happens to R1 after it was booked
LATER: dict[str, Callable[[Shop], Any]] = {
    "cancelled": lambda shop: shop.till.cashier.cancel("R1"),
    "another price": lambda shop: shop.till.cashier.change_row("R1", price=D("3.95")),
    "another method": lambda shop: shop.till.cashier.change_paymethod("R1", "cash"),
    "another article": lambda shop: shop.till.cashier.change_row("R1", sku="MOK-1", price=D("7.33")),
    "open again": lambda shop: shop.till.cashier.unpay("R1"),
    "a business now": lambda shop: shop.till.cashier.change_customer("R1", email="x@y.example", name="X", company="Y BV"),
    "nothing": lambda _shop: None,
}


async def announced(bridge: Bridge) -> dict[str, list[str]]:
    """What ``plan`` says will be done, by receipt; what is skipped or held has no step."""
    await get_ready(bridge.pair.context)
    actions, _ = await plan_sales(bridge.pair.sales, bridge.pair.context)
    found: dict[str, list[str]] = {}
    for action in actions:
        if action.verb not in {"skip", "hold"}:
            found.setdefault(action.label, []).append(summary(action))
    return found


async def done(bridge: Bridge, before: int) -> dict[str, list[str]]:
    """What the activity log says was done since, by receipt: the steps, and last the document that is there now."""
    lines = list(await bridge.store.activity(limit=1000))
    found = {}
    for one in lines[: len(lines) - before]:
        if one.flow == "sales" and one.outcome in {"created", "updated", "unchanged", "skipped"}:
            *steps, _document = ENGLISH(one.detail).split("; ")
            if steps:
                found[one.label] = steps
    return found


async def compare(bridge: Bridge) -> None:
    """Announce, do, and compare; and again, when there is nothing left to do."""
    before = len(list(await bridge.store.activity(limit=1000)))
    plan = await announced(bridge)
    await bridge.settle("sales")
    assert await done(bridge, before) == plan
    assert await announced(bridge) == {}


@pytest.mark.parametrize("what", SALES)
async def test_a_first_run_does_what_the_plan_said(what: str, tmp_path: Path) -> None:
    """Customers, documents and payments of new receipts."""
    shop = open_shop(tmp_path, world(*SALES[what]), payment_methods='pin = "Pin"\ncash = "Kas"\n')
    async with shop.process() as bridge:
        await compare(bridge)


@pytest.mark.parametrize("what", LATER)
@pytest.mark.parametrize("customer", [None, "b"])
async def test_a_correction_is_what_the_plan_said(what: str, customer: str | None, tmp_path: Path) -> None:
    """Credits, repayments and new documents of receipts that were changed; also where somebody sends them again."""
    shop = open_shop(tmp_path, world(receipt("R1", line(), customer=customer)))
    async with shop.process() as bridge:
        await bridge.settle()
        LATER[what](shop)
        await bridge.pair.sales.sweep()
        await compare(bridge)
        await bridge.store.resend(bridge.pair.context.pair_id, "R1")
        await compare(bridge)
    assert disagreements(shop) == []
