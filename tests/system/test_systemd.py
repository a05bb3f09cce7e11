"""The unit, and what systemd is told."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.observe.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
UNIT = REPOSITORY / "systemd" / "kassabrug.service"


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A datagram socket like systemd's, of both kinds that it uses, and its name in the environment."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@kassabrug-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        receiver.settimeout(5)
        yield receiver, name


def test_systemd_hears_the_whole_life(systemd: tuple[socket.socket, str]) -> None:
    """Ready with its first status, alive, a status, the end; a status is one line whatever is in it."""
    receiver, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("2 flows")
    notifier.watchdog()
    notifier.status("sales ok\n2 held")
    notifier.stopping()
    heard = [receiver.recv(1024).decode() for _ in range(4)]
    assert heard == ["READY=1\nSTATUS=2 flows", "WATCHDOG=1", "STATUS=sales ok 2 held", "STOPPING=1"]


async def test_it_does_not_block_the_loop(systemd: tuple[socket.socket, str]) -> None:
    """Called from the loop itself, so that only a living loop feeds the watchdog; a full socket is no reason to stop."""
    _, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for _ in range(2000):
        notifier.watchdog()


def test_outside_systemd_nothing_happens(tmp_path: Path) -> None:
    """No socket, or one that is gone."""
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert Notifier({}).watchdog_seconds is None


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_bites(environment: dict[str, str], seconds: float | None) -> None:
    """And only by the process that it watches."""
    assert Notifier(environment).watchdog_seconds == seconds


@pytest.fixture
def analyze() -> str:
    """systemd-analyze; without it these tests are left out, in CI they fail."""
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is not installed")
        pytest.skip("systemd-analyze is not installed")
    return found


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


@pytest.mark.system
def test_the_unit_is_valid(analyze: str, tmp_path: Path) -> None:
    """Not one warning.  The program is not installed here, so a copy names one that is: everything else of the unit is judged."""
    text = UNIT.read_text(encoding="utf-8")
    program = "ExecStart=/opt/kassabrug/bin/kassabrug run --config /etc/kassabrug/kassabrug.toml\n"
    assert text.count(program) == 1
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(program, "ExecStart=/bin/true\n"), encoding="utf-8")
    result = run(analyze, "verify", "--man=no", "--recursive-errors=no", copy)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@pytest.mark.system
def test_the_unit_is_hardened(analyze: str) -> None:
    """An exposure of at most 2.0 of 10 by systemd's own measure, and /proc/stat stays visible for the process metrics."""
    result = run(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", UNIT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "\nProcSubset=" not in UNIT.read_text(encoding="utf-8")


def test_the_unit_keeps_what_the_program_relies_on() -> None:
    """Wrong configuration (78) is not tried again, everything else is; the stop is waited for; the state is private."""
    settings = [line for line in UNIT.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for line in (
        *("Type=notify", "Restart=on-failure", "RestartPreventExitStatus=78", "StartLimitIntervalSec=0", "WatchdogSec=60s"),
        *("StateDirectory=kassabrug", "StateDirectoryMode=0700", "UMask=0077"),
    ):
        assert line in settings


@pytest.mark.system
def test_user_and_folders_can_be_made(tmp_path: Path, analyze: str) -> None:
    """systemd-sysusers and systemd-tmpfiles take the files; the credentials are root's alone."""
    (tmp_path / "etc").mkdir()
    users = run("systemd-sysusers", f"--root={tmp_path}", REPOSITORY / "systemd" / "sysusers.conf")
    assert users.returncode == 0, users.stderr
    assert "kassabrug:" in (tmp_path / "etc" / "passwd").read_text(encoding="utf-8")
    if os.geteuid() == 0:  # only root can give a folder to another group
        folders = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", REPOSITORY / "systemd" / "tmpfiles.conf")
        assert folders.returncode == 0, folders.stderr
        assert (tmp_path / "etc" / "kassabrug" / "credentials").stat().st_mode & 0o777 == 0o700
