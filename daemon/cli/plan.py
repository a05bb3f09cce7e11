"""``plan``: what ``sync`` would do, field by field, and nothing written."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import anyio

from connectors.port import ConnectorError
from daemon.app import Shared, assemble, get_ready
from daemon.cli import show
from daemon.cli.run import chosen_flows
from daemon.cli.session import configure, owning
from daemon.core.flow_registry import PRODUCTS, SALES, STOCK
from daemon.engine.clock import SystemClock
from daemon.flows.planning import plan_products, plan_sales, plan_stock
from daemon.settings import state_directory
from daemon.state.owner import AlreadyRunning
from daemon.state.sqlite import open_store
from daemon.text import Speaker

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from connectors.model import Sale
    from daemon.app import App, Pair
    from daemon.core.actions import Action
    from daemon.core.ids import PairId
    from daemon.observe.metrics import Metrics
    from daemon.settings import Settings


@asynccontextmanager
async def _app(settings: Settings, metrics: Metrics, state_dir: Path | None) -> AsyncIterator[App]:
    """Build everything, as owner or beside a running daemon; a token that is renewed meanwhile can be stored either way."""
    async with AsyncExitStack() as stack:
        try:
            session = await stack.enter_async_context(owning(settings, metrics, state_dir))
        except AlreadyRunning:
            clock = SystemClock()
            directory = state_dir or state_directory(settings)
            store = await open_store(directory, clock=clock)
            stack.push_async_callback(store.close)
            shared = Shared(settings, store, directory, clock, metrics, random.Random(), anyio.Event())  # noqa: S311 - jitter only
            yield await stack.enter_async_context(assemble(shared))
        else:
            yield session.app


async def plan(args: argparse.Namespace) -> int:
    """Print what would be done."""
    flows = chosen_flows(args.flow)
    settings, metrics = configure(args.config, quiet=True)
    say = Speaker(settings.daemon.language)
    actions: list[tuple[PairId, Action]] = []
    async with _app(settings, metrics, args.state_dir) as app:
        for pair in app.pairs:
            try:
                actions += [(pair.context.pair_id, action) for action in await _actions(pair, flows)]
            except ConnectorError as error:
                show.ERR.print(f"{pair.context.pair_id}: {type(error).__name__.lower()}: {error}")
                return 1
    if args.json:
        show.json_line({"actions": [_as_json(pair, action, say) for pair, action in actions], "counts": _counts(actions)})
    else:
        _print(actions, say)
    return 0


async def _actions(pair: Pair, flows: Sequence[str]) -> list[Action]:
    context = pair.context
    await get_ready(context)
    actions: list[Action] = []
    sales: list[Sale] = []
    wanted = [flow for flow in flows if flow in pair.enabled]
    if SALES.name in wanted or STOCK.name in wanted:
        planned, sales = await plan_sales(pair.sales, context)
        actions += planned if SALES.name in wanted else []
    if PRODUCTS.name in wanted:
        actions += await plan_products(pair.products, context)
    if STOCK.name in wanted:
        actions += await plan_stock(pair.stock, sales)
    return actions


def _as_json(pair: PairId, action: Action, say: Speaker) -> dict[str, Any]:
    return {"link": pair, **asdict(replace(action, detail=say(action.detail))), "changes": [asdict(change) for change in action.changes]}


def _counts(actions: Sequence[tuple[str, Action]]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for _, action in actions:
        counts.setdefault(action.flow, Counter())[action.verb] += 1
    return {flow: dict(verbs) for flow, verbs in counts.items()}


def _print(actions: Sequence[tuple[str, Action]], say: Speaker) -> None:
    for pair, action in actions:
        note = " ".join(part for part in (action.reason, say(action.detail)) if part)
        show.OUT.print(f"{pair} {action.flow}: {action.verb} {action.label}" + (f" ({note})" if note else ""), markup=False)
        for change in action.changes:
            show.OUT.print(f"    {change.field}: {change.before or '-'} -> {change.after}", markup=False)
    if not actions:
        show.OUT.print("Nothing to do.")
    for flow, verbs in _counts(actions).items():
        show.OUT.print(f"{flow}: " + ", ".join(f"{number} to {verb}" for verb, number in verbs.items()))
