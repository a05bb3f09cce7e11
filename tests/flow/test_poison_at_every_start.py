"""A record that makes no sense is there at every start: nothing waits behind it, and everybody who looks is told the same."""

from __future__ import annotations

import contextlib
import html
import io
from typing import TYPE_CHECKING

import anyio
import pytest

from daemon.cli.main import main
from daemon.flow_health import FlowHealth
from daemon.health import Health
from daemon.web.page import render
from tests.flow.test_poison import CASES, FLOWS, Scene
from tests.virtual_time import virtual_loop

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.state.port import Work
    from tests.flow.poison import Kind, Poison


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Commands read files before they do anything, in the loop that they have for themselves."""


@pytest.mark.parametrize(("poison", "kind"), CASES[::17])
def test_no_start_meets_it_first_for_ever(tmp_path: Path, poison: Poison, kind: Kind) -> None:
    """Three starts with it: what is new is settled at each; one alert, however often it is met; page and commands name it."""

    async def three_starts() -> list[str]:
        scene.poison(poison)
        told: list[str] = []
        held: list[Work] = []
        page = ""
        for _ in range(3):
            async with scene.process() as bridge:
                await scene.settle(bridge)
                await scene.judge(bridge)
                told += await scene.alerted(bridge)
                held = await scene.held(bridge)
                health = Health(bridge.shared, bridge.app, [FlowHealth(bridge.pair, flow) for flow in FLOWS], lambda: True)
                page = render(await health.overview())
            scene.happen()
        assert len(told) == 1
        assert all(html.escape(work.label) in page for work in held)
        return [work.label for work in held]

    async def in_the_end() -> None:
        async with scene.process() as bridge:
            await scene.cure(bridge)

    scene = Scene(tmp_path, kind)
    labels = anyio.run(three_starts, backend_options={"loop_factory": virtual_loop})
    status = typed(scene, "status")
    for label in labels:
        assert label[:8] in status  # a long one goes on in the next line of the table
        assert label in typed(scene, "why", label)
    anyio.run(in_the_end, backend_options={"loop_factory": virtual_loop})


def typed(scene: Scene, *arguments: str) -> str:
    """Type a command, and return what it prints."""
    out, directory = io.StringIO(), scene.shop.directory
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        main([*arguments, "--config", str(directory / "kassabrug.toml"), "--state-dir", str(directory / "state")])
    return out.getvalue()
