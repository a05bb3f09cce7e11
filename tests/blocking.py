"""Let a call that blocks the event loop fail the test that made it.

Python tells an audit hook of every file that is opened, every process and name look-up; what it does not tell (sleeping, reading a file's
state, waiting for the disk) is wrapped, and a database tells each statement to its trace.  A hook cannot be taken away again, so there is
one, and a `Watch` that listens to it or does not.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
#: only what our own code does is judged
WATCHED = tuple(f"{ROOT / package}{os.sep}" for package in ("daemon", "connectors"))
#: what Python tells an audit hook, of all that can take long
AUDITED = frozenset(
    {"open", "subprocess.Popen", "os.system", "socket.getaddrinfo", "socket.gethostbyname", "sqlite3.connect"}
    | {
        f"os.{name}"
        for name in ("remove", "rename", "mkdir", "rmdir", "listdir", "scandir", "chmod", "chown", "link", "symlink", "truncate")
    }
    | {"shutil.rmtree", "shutil.copyfile", "shutil.move", "fcntl.flock", "fcntl.lockf", "tempfile.mkstemp", "tempfile.mkdtemp"}
)
#: what it does not tell
WRAPPED = ((time, "sleep"), *((os, name) for name in ("stat", "lstat", "fsync", "fdatasync", "statvfs", "readlink")))

#: what a test's own tools do in the middle of our code: coverage looks at a file when it meets the first line of it
TOOLS = (f"{os.sep}coverage{os.sep}",)


class BlockingError(Exception):
    """Our code made a call that blocks, inside the running event loop."""


class Watch:
    """What is allowed to block, and what did although it is not."""

    def __init__(self, allowed: Iterable[tuple[str, str]]) -> None:
        self.allowed = frozenset(allowed)
        self.found: list[str] = []

    def judge(self, what: str) -> None:
        """Note and refuse a call that is made inside the loop by our code, unless a function that may block makes it."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        ours = False
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib") or any(tool in name for tool in TOOLS):
                return
            if name.startswith(WATCHED):
                ours = True
                if (name[len(str(ROOT)) + 1 :], frame.f_code.co_name) in self.allowed:
                    return
            frame = frame.f_back
        if ours:
            self.found.append(what)
            raise BlockingError(what)


_watching: list[Watch] = []


def _judge(what: str) -> None:
    if _watching:
        _watching[-1].judge(what)


def _on_statement(statement: str) -> None:
    # an exception would be swallowed in here, so that what was found is looked at in the end
    try:
        _judge(f"SQL {statement[:60]}")
    except BlockingError:
        return


def _at_once(event: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether a call waits for nothing: the kernel's own figures, a lock that is taken or refused."""
    if event == "open":
        return str(arguments[0]).startswith("/proc/")
    return event == "fcntl.flock" and bool(arguments[1] & fcntl.LOCK_NB)


def _on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in AUDITED and not _at_once(event, arguments):
        _watching[-1].judge(f"{event} {arguments[0] if arguments else ''}")


def _traced(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    def call(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_trace_callback(_on_statement)
        return connection

    return call


def _wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        _judge(name)
        return function(*arguments, **named)

    return call


sys.addaudithook(_on_audit)


@contextmanager
def watched(allowed: Iterable[tuple[str, str]] = (), *, statements: bool = True) -> Iterator[Watch]:
    """Fail what blocks the loop meanwhile; ``allowed`` names files and functions of ours that may, knowingly."""
    watch = Watch(allowed)
    with ExitStack() as patches:
        for module, name in WRAPPED:
            patches.enter_context(patch.object(module, name, _wrapped(name, getattr(module, name))))
        if statements:
            patches.enter_context(patch.object(sqlite3, "connect", _traced(sqlite3.connect)))
        _watching.append(watch)
        patches.callback(_watching.remove, watch)
        yield watch
    assert not watch.found, f"blocked the event loop: {watch.found[:5]}"
