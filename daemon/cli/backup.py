"""``backup`` and ``restore``: a copy of the state that can be carried away, and put back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from daemon.cli import show
from daemon.cli.session import configure, looking
from daemon.core.ids import EVERYBODY
from daemon.engine.clock import SystemClock
from daemon.settings import state_directory
from daemon.state import backup as copies
from daemon.state.cipher import find_key
from daemon.state.owner import claim_ownership
from daemon.state.port import StoreError
from daemon.state.restore import restore as put_back
from daemon.state.sqlite import open_store

if TYPE_CHECKING:
    import argparse


async def backup(args: argparse.Namespace) -> int:
    """Write a checked copy of the database, beside a running daemon or without one."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    directory = args.state_dir or state_directory(settings)
    clock = SystemClock()
    if await anyio.to_thread.run_sync(_is_inside, args.file, directory):
        raise StoreError(f"{args.file}: this is the state itself; choose a place outside {directory}, on another disk")
    async with looking(settings, args.state_dir) as store:
        if not store.identity:
            raise StoreError(f"{directory}: there is no state to copy yet; look whether --state-dir names the daemon's")
        now = clock.now()
        await store.backup(args.file)
    key = await anyio.to_thread.run_sync(partial(_key, directory, args.file, beside=args.with_key))
    # only now, for opening to write may change what a copy is made for
    store = await open_store(directory, clock=clock)
    try:
        await store.remember(EVERYBODY, {copies.FACT: now.isoformat()})
    finally:
        await store.close()
    size = (await anyio.Path(args.file).stat()).st_size
    if args.json:
        show.json_line({"file": args.file, "bytes": size, "at": now.isoformat(), "key": key, "key_beside": args.with_key})
        return 0
    show.OUT.print(f"{args.file}: {size} bytes, checked.", markup=False)
    if args.with_key:
        show.OUT.print(f"{key}: the key. Both together are a secret: whoever has them can sign in to the books.", markup=False)
    else:
        show.OUT.print(
            f"The key is not in it. Keep a copy of {key} in another safe place; without it the backup is of no use.", markup=False
        )
    return 0


def _is_inside(file: Path, directory: Path) -> bool:
    return file.resolve().parent == directory.resolve()


def _key(directory: Path, target: Path, *, beside: bool) -> str:
    """Return where the key lies; copy it beside the backup when that is wanted."""
    cipher = find_key(directory)
    if cipher is None:
        raise StoreError(f"{target}: written, but the key state.key is not in {directory}: put it back, the backup is of no use without")
    if not beside:
        return cipher.origin
    place = copies.key_beside(target)
    try:
        copies.write_private(place, Path(cipher.origin).read_bytes())
    except OSError as error:
        raise StoreError(f"{place}: the key cannot be written ({error.strerror}); the backup itself is whole") from error
    return str(place)


async def restore(args: argparse.Namespace) -> int:
    """Put a backup in the place of the database; the next start looks up what happened since before it writes."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    directory = args.state_dir or state_directory(settings)
    clock = SystemClock()
    async with claim_ownership(directory, clock=clock):
        stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
        done = await anyio.to_thread.run_sync(partial(put_back, args.file, directory, stamp=stamp))
    if args.json:
        show.json_line({"state": directory, "kept": done.kept, "key_fits": done.key_fits})
        return 0
    show.OUT.print(f"{args.file} is in place. What was written since it was made is looked up by the next start.", markup=False)
    if done.kept is not None:
        show.OUT.print(f"The replaced state lies in {done.kept}.", markup=False)
    if not done.key_fits:
        show.OUT.print(f"There was no key to try it with: put state.key into {directory} before the next start.", markup=False)
    return 0
