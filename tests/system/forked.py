"""Commands as processes of their own, without the second that each would take to read the program.

A server reads it once and forks for each command.  What then runs is what ``kassabrug`` runs, with a process id, an environment, a folder
and an output of its own, and it ends as every Python does; it is signalled and killed like any process.  What a start from nothing needs,
the wheel's tests (tests/system/test_wheel.py) and those of the unit (tests/system/test_systemd.py) show.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.main import COMMANDS
from daemon.cli.main import main as kassabrug

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
#: more than the longest command line with its environment, in bytes
_LONGEST = 1 << 17


# -- the test's side ----------------------------------------------------------------------------------------------------------------
class Server:
    """The process that forks."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._line, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            # a session of its own: it ends with this process, and not at Ctrl-C before it
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.forked", str(there.fileno())],
                cwd=REPOSITORY,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                start_new_session=True,
            )
        #: exit codes by process id
        self.codes: dict[int, int] = {}
        atexit.register(self.close)

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], out: int, err: int) -> Forked:
        """Run a command with its output in two open files (descriptors)."""
        asked = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        socket.send_fds(self._line, [json.dumps(asked).encode()], [out, err])
        while "started" not in (told := self._hear()):
            pass
        return Forked(self, int(told["started"]), arguments)

    def listen(self, seconds: float) -> None:
        """Take in the next exit code, if one comes within this time."""
        if select.select([self._line], [], [], max(seconds, 0.0))[0]:
            self._hear()

    def _hear(self) -> dict[str, int]:
        heard = self._line.recv(_LONGEST)
        assert heard, f"the server that forks has ended with {self._process.wait()}"
        told: dict[str, int] = json.loads(heard)
        if "ended" in told:
            self.codes[told["ended"]] = told["code"]
        return told

    def close(self) -> None:
        """Let it end."""
        self._line.close()
        self._process.wait()


@dataclass(slots=True)
class Forked:
    """A command that runs, with what :class:`subprocess.Popen` has."""

    server: Server = field(repr=False)
    pid: int
    arguments: Sequence[str]
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, ``None`` while it runs; below 0 the signal that ended it."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when there is one.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        until = time.monotonic() + (3600.0 if timeout is None else timeout)
        while (code := self._ended_within(until - time.monotonic())) is None:
            if time.monotonic() >= until:
                raise subprocess.TimeoutExpired(list(self.arguments), timeout or 0)
        return code

    def _ended_within(self, seconds: float) -> int | None:
        if self.returncode is None:
            if self.pid not in self.server.codes:
                self.server.listen(seconds)
            self.returncode = self.server.codes.pop(self.pid, None)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


# -- the server's side --------------------------------------------------------------------------------------------------------------
def _serve(line: socket.socket) -> list[str] | None:
    """Fork as often as is asked; return in a child what to run, and ``None`` in the server when nobody asks any more."""
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready = select.select([line, woken], [], [])[0]
        if woken in ready:
            woken.recv(4096)
            _tell_who_ended(line)
        if line in ready:
            message, descriptors, _, _ = socket.recv_fds(line, _LONGEST, 2)
            if not message:
                return None
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (woken, wakes, line):
                    one.close()
                return _become(json.loads(message), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            line.send(json.dumps({"started": child}).encode())


def _tell_who_ended(line: socket.socket) -> None:
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            return
        line.send(json.dumps({"ended": child, "code": os.waitstatus_to_exitcode(status)}).encode())


def _become(asked: dict[str, Any], descriptors: Sequence[int]) -> list[str]:
    """Take on the environment, the folder and the output that were asked for; return the arguments."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.chdir(asked["folder"])
    for standard, descriptor in zip((1, 2), descriptors, strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    arguments: list[str] = asked["arguments"]
    return arguments


def main() -> int:
    """Read the program, and serve."""
    for module, _, _ in COMMANDS.values():
        importlib.import_module(f"daemon.cli.{module}")
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    return 0 if asked is None else kassabrug(asked)


if __name__ == "__main__":
    sys.exit(main())
