"""``forget``: a person is removed from the state, beside a running daemon or without one."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import anyio
from pydantic import ValidationError

from daemon.app import SALT_FACT
from daemon.cli import show
from daemon.cli.session import configure
from daemon.core.customers import email_key, pseudonym
from daemon.core.ids import EVERYBODY
from daemon.engine.clock import SystemClock
from daemon.flows.serialization import load_sale
from daemon.settings import state_directory
from daemon.state.forgetting import Person
from daemon.state.port import Forgotten
from daemon.state.sqlite import open_store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from daemon.state.store import SqliteStore

#: how often, and how long after each other (in seconds), it is tried again while a record of his is in hand
_TRIES, _WAIT = 15, 1.0
#: what is shorter is no name
_SHORTEST = 4


def names_of(address: str) -> Callable[[bytes], frozenset[str]]:
    """Return what tells of a stored receipt by which words it names the owner of an address: none where it is not his."""
    key = email_key(address)

    def names(payload: bytes) -> frozenset[str]:
        if key not in payload.decode("utf-8", "replace").casefold():
            return frozenset()
        try:
            customer = load_sale(payload).customer
        except ValidationError:
            return frozenset({address})
        if customer is None:
            return frozenset({address})
        where = customer.invoice_address
        known = (customer.email, customer.name, customer.company, customer.vat_number, customer.organisation_number, customer.phone)
        own = {word.strip() for word in (*known, where.street) if word and len(word.strip()) >= _SHORTEST}
        return frozenset({address, *own})

    return names


async def forget(args: argparse.Namespace) -> int:
    """Remove a person: what stands for him, the contents of his records that are not settled, and the texts that name him."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    directory = args.state_dir or state_directory(settings)
    store = await open_store(directory, clock=SystemClock())
    try:
        done = await _forget(store, args.email)
        wiped = await store.wipe()
    finally:
        await store.close()
    copies = await anyio.to_thread.run_sync(_copies, directory)
    if args.json:
        show.json_line({"removed": {**asdict(done)}, "wiped": wiped, "copies": copies})
    else:
        _say(done, wiped=wiped, copies=copies)
    return 1 if done.in_hand or not wiped else 0


async def _forget(store: SqliteStore, address: str) -> Forgotten:
    """Go on until nothing of him is found any more; what is in hand is settled, or put back, in a moment."""
    salt = await store.secret(EVERYBODY, SALT_FACT)
    person = Person(pseudonym(address, salt) if salt else "", address, names_of(address))
    done = Forgotten()
    for _ in range(_TRIES):
        last = await store.forget(person, by=_user())
        done += last
        if not last.removed and not last.in_hand:
            break
        if last.in_hand:
            await anyio.sleep(_WAIT)
    return done


def _user() -> str:
    """Return who typed the command."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _copies(directory: Path) -> list[str]:
    """Return the older copies of the state that lie in its directory: nothing is removed from them."""
    return sorted(str(path) for pattern in ("state-before-*.sqlite3", "state.before-restore-*") for path in directory.glob(pattern))


def _say(done: Forgotten, *, wiped: bool, copies: list[str]) -> None:
    if not done.removed and not done.in_hand:
        show.OUT.print("Nothing of this person is in the state.")
    else:
        show.OUT.print(
            f"Removed: {done.bindings} binding(s), {done.writes} write(s), the contents of {done.contents} record(s), {done.texts} text(s)."
        )
    if done.contents:
        show.OUT.print("His receipts that wait are asked for afresh from the till when they go on.")
    if done.in_hand:
        show.OUT.print(f"{done.in_hand} record(s) of his are in hand just now: type the command again in a while.")
    if not wiped:
        show.OUT.print("What was removed may still lie in the write-ahead log: another process reads just now. Type the command again.")
    for copy in copies:
        show.OUT.print(f"{copy}: an older copy, nothing was removed from it; delete it if it is not needed.", markup=False)
    show.OUT.print("Backups, the vendors' own records, and what the log has said elsewhere are not touched.")
