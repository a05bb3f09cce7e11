"""``settle``: a person says what became of a write that nobody else can decide."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

from daemon.cli import show
from daemon.cli.session import configure
from daemon.engine.clock import SystemClock
from daemon.settings import state_directory
from daemon.state.port import InHand
from daemon.state.sqlite import open_store

if TYPE_CHECKING:
    import argparse

HAPPENED, DID_NOT = "happened", "did-not"


def person() -> str:
    """Return who sits at this machine, as the activity log names them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    return f"{os.environ.get('SUDO_USER') or user}@{socket.gethostname()}"


async def settle(args: argparse.Namespace) -> int:
    """Take it that what was sent for a record, and whose outcome is not known, happened or did not; the record goes on."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    store = await open_store(args.state_dir or state_directory(settings), clock=SystemClock())
    settled, problem = 0, "no write of this record has an unknown outcome; expected a receipt number, a SKU or an id of the source"
    try:
        for work in await store.find_work(args.record):
            try:
                settled += await store.settle_writes(work.pair, work.flow, work.record, happened=args.outcome == HAPPENED, by=person())
            except InHand:
                problem = "it is being worked on at this moment; the same command does it in a moment"
    finally:
        await store.close()
    if args.json:
        show.json_line({"record": args.record, "as": args.outcome, "settled": settled, "problem": "" if settled else problem})
    elif settled:
        show.OUT.print(f"{args.record}: {settled} write(s) settled as {args.outcome}; the record goes on.", markup=False)
    else:
        show.ERR.print(f"{args.record}: {problem}", markup=False)
    return 0 if settled else 1
