"""What most commands begin and end with: configuration, ownership, store, connections."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from connectors.registry import CONNECTORS
from daemon.app import App, Shared, assemble
from daemon.engine.clock import SystemClock
from daemon.observe import log
from daemon.observe.metrics import Metrics
from daemon.settings import load, state_directory
from daemon.state.owner import Ownership, claim_ownership
from daemon.state.sqlite import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.settings import Settings
    from daemon.state.store import SqliteStore


@dataclass(frozen=True, slots=True)
class Session:
    """A process that may write: it owns the state."""

    app: App
    shared: Shared
    ownership: Ownership


def configure(config: Path | None, *, quiet: bool = False, secrets: bool = True) -> tuple[Settings, Metrics]:
    """Read the configuration and set up logging.

    ``quiet`` leaves only what went wrong, for commands that print a result; without ``secrets`` no credential needs to be there.
    """
    settings = load(config, secrets=secrets)
    metrics = Metrics(sides=CONNECTORS, renewing=[kind for kind, one in CONNECTORS.items() if one.sign_in is not None])
    log.configure("error" if quiet else settings.daemon.log_level, "console" if quiet else settings.daemon.log_format, metrics)
    metrics.config_loaded(True, datetime.now(UTC))
    return settings, metrics


@asynccontextmanager
async def owning(settings: Settings, metrics: Metrics, state_dir: Path | None) -> AsyncIterator[Session]:
    """Own the state directory, open the store and build everything.

    Raises:
        AlreadyRunning: another process owns it.
        StoreError: the store cannot be used.
        ConfigurationError: a mapping file is wrong.
    """
    clock = SystemClock()
    directory = state_dir or state_directory(settings)
    async with claim_ownership(directory, clock=clock) as ownership:
        store = await open_store(directory, clock=clock)
        try:
            await store.recover()
            shared = Shared(settings, store, directory, clock, metrics, random.Random(), anyio.Event())  # noqa: S311 - jitter only
            async with assemble(shared) as app:
                yield Session(app, shared, ownership)
        finally:
            with anyio.CancelScope(shield=True):
                await store.close()


@asynccontextmanager
async def looking(settings: Settings, state_dir: Path | None) -> AsyncIterator[SqliteStore]:
    """Open the store to read it, beside a daemon that may be running."""
    store = await open_store(state_dir or state_directory(settings), clock=SystemClock(), readonly=True)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()
