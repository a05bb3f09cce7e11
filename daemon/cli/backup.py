"""``backup`` and ``restore``: a copy of the state that can be carried away, and put back."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from daemon.cli import show
from daemon.cli.session import configure, looking
from daemon.cli.settle import person
from daemon.core.ids import EVERYBODY
from daemon.engine.clock import SystemClock
from daemon.settings import state_directory
from daemon.state import backup as copies
from daemon.state.cipher import find_key
from daemon.state.owner import claim_ownership
from daemon.state.port import StoreError
from daemon.state.restore import begin_anew, stamp_of
from daemon.state.restore import restore as put_back
from daemon.state.sqlite import open_store

if TYPE_CHECKING:
    import argparse
    from datetime import datetime


async def backup(args: argparse.Namespace) -> int:
    """Write a checked copy of the database, beside a running daemon or without one."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    directory = args.state_dir or state_directory(settings)
    clock = SystemClock()
    await anyio.to_thread.run_sync(_check_target, args.file, directory)
    async with looking(settings, args.state_dir) as store:
        if not store.identity:
            raise StoreError(f"{directory}: there is no state to copy yet; look whether --state-dir names the daemon's")
        now = clock.now()
        await store.backup(args.file)
    key = await anyio.to_thread.run_sync(partial(_key, directory, args.file, beside=args.with_key))
    unknown = await _remember(directory, clock, now)
    size = (await anyio.Path(args.file).stat()).st_size
    if args.json:
        made = {"file": args.file, "bytes": size, "at": now.isoformat(), "key": key, "key_beside": args.with_key}
        show.json_line({**made, "remembered": not unknown})
        return 0
    show.OUT.print(f"{args.file}: {size} bytes, checked.")
    if args.with_key:
        show.OUT.print(f"{key}: the key. Both together are a secret: whoever has them can sign in to the books.")
    else:
        show.OUT.print(f"The key is not in it. Keep a copy of {key} in another safe place; without it the backup is of no use.")
    if unknown:
        show.ERR.print(f"The backup is whole; only that it was made could not be written down, for the metric of its age: {unknown}")
    return 0


async def _remember(directory: Path, clock: SystemClock, now: datetime) -> str:
    """Write down that a backup was made; return why that could not be.

    Only after it is there: opening to write may change what a copy is made for.
    """
    try:
        store = await open_store(directory, clock=clock)
        try:
            await store.remember(EVERYBODY, {copies.FACT: now.isoformat()})
        finally:
            await store.close()
    except StoreError as error:
        return str(error)
    return ""


def _check_target(file: Path, directory: Path) -> None:
    """Refuse what a backup must not replace; raises :class:`StoreError`."""
    try:
        found = os.lstat(file)
    except (OSError, ValueError):
        found = None  # absent, or not to be looked at: writing tells
    if found is not None and not stat.S_ISREG(found.st_mode):
        what = "directory" if stat.S_ISDIR(found.st_mode) else "link" if stat.S_ISLNK(found.st_mode) else "device or pipe"
        raise StoreError(f"{file}: is a {what} and no file; nothing was written, choose a file that is there or a new name")
    try:
        inside = file.parent.resolve() == directory.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise StoreError(f"{file}: cannot be looked at ({error}); choose another place") from error
    if inside:
        raise StoreError(f"{file}: this is the state itself; choose a place outside {directory}, on another disk")


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
    """Put a backup, or an empty state, in the place of the database; the next start looks up what happened since before it writes."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    directory = args.state_dir or state_directory(settings)
    clock = SystemClock()
    async with claim_ownership(directory, clock=clock):
        now = clock.now()
        if args.new_state:
            done = await anyio.to_thread.run_sync(partial(begin_anew, directory, by=person(), now=now))
        else:
            done = await anyio.to_thread.run_sync(partial(put_back, args.file, directory, stamp=stamp_of(now)))
    if args.json:
        show.json_line({"state": directory, "kept": done.kept, "key_fits": done.key_fits, **({"doubt": done.doubt} if done.doubt else {})})
        return 1 if done.doubt else 0
    if args.new_state:
        show.OUT.print(
            f"{directory} has an empty state. Sign in again (kassabrug login); the next start looks up what stands at the vendors."
        )
    else:
        show.OUT.print(f"{args.file} is in place. What was written since it was made is looked up by the next start.")
    if done.kept is not None:
        show.OUT.print(f"The replaced state lies in {done.kept}.")
    if not done.key_fits:
        show.OUT.print(f"There was no key to try it with: put state.key into {directory} before the next start.")
    if done.doubt:
        show.ERR.print(f"{args.file}: {done.doubt}")
    return 1 if done.doubt else 0
