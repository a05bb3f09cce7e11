"""``sandbox``: only the two vendors, until stopped."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import anyio

from daemon.cli import show
from daemon.cli.vendors import configuration, vendors

if TYPE_CHECKING:
    import argparse


async def sandbox(args: argparse.Namespace) -> int:
    """Run both vendors; one line of JSON says when they are ready and how they are reached."""
    async with vendors(
        args.receipts,
        lenient=args.lenient,
        seed=args.seed,
        limits=args.limits == "vendor",
        open_shop=True,
        ports=(args.eaccounting_port, args.salespos_port),
        faults_file=args.faults,
    ) as running:
        if args.config_out is not None:
            path = anyio.Path(args.config_out)
            # it holds secrets, be they those of a sandbox
            await path.touch(0o600)
            await path.write_text(configuration(running), encoding="utf-8")
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            show.json_line({**running.as_json(), "pid": os.getpid()})
            async for _ in signals:
                break
    return 0
