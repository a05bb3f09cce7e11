"""The wheel, installed into an environment of its own outside the repository: everything that the program reads is inside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.salespos.signing import Keys
from tests.system.support import PATIENCE, REPOSITORY, Program, Vendors, ask, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

#: an article of the shop that seed 1 makes up
SKU = "01001A"


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel, and an empty folder to work in, with an empty home."""

    python: Path
    folder: Path

    @property
    def command(self) -> Path:
        """The program as pip has put it there."""
        return self.python.with_name("kassabrug")

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this machine but where programs are: above all no PYTHONPATH."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "COLUMNS": "200", "LC_ALL": "C.UTF-8"}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in the empty folder."""
        ended = subprocess.run(
            list(map(str, arguments)),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
        return ended

    def kassabrug(self, *arguments: str | Path) -> dict[str, Any]:
        """Run a command that must do well and return its last line, which is JSON."""
        ended = self.run(self.command, *arguments)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found

    @contextmanager
    def started(self, *arguments: str | Path) -> Iterator[Program]:
        """Run a command beside the test; it must end well when it is told to."""
        out, err = (self.folder.parent / f"{arguments[0]}.{name}" for name in ("out", "err"))
        with out.open("w") as to_out, err.open("w") as to_err:
            process = subprocess.Popen(
                [str(self.command), *map(str, arguments)], cwd=self.folder, env=self.environment, stdout=to_out, stderr=to_err, text=True
            )
            program = Program(process, out, err)
            try:
                yield program
                assert program.end(signal.SIGTERM) == 0, program.said
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait(5)
        assert "Traceback" not in program.said


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the repository without asking anybody."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=REPOSITORY, check=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own, which borrows the other packages of the present one, so that nothing is fetched."""
    home = tmp_path_factory.mktemp("installed")
    venv, folder = home / "venv", home / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    [packages] = (venv / "lib").glob("python*/site-packages")
    # a folder named in a .pth is searched, but the .pth files in it are not read: the editable installation does not come along
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    (folder / "home").mkdir(parents=True)
    return Installed(python, folder)


def test_the_wheel_is_what_is_tested(installed: Installed) -> None:
    """Neither package comes from the repository, although it is installed beside it for those who work on it."""
    code = "import connectors, daemon, sys; print(daemon.__file__, connectors.__file__, *sys.path, sep='\\n')"
    paths = installed.run(installed.python, "-c", code).stdout.splitlines()
    assert [Path(path).is_relative_to(installed.python.parents[1]) for path in paths[:2]] == [True, True]
    assert str(REPOSITORY) not in paths


def test_the_shipped_mapping_is_that_of_the_repository(installed: Installed) -> None:
    """One source: what people read in ``config`` is, byte by byte, what the installed program uses."""
    code = "from daemon.mappings import shipped; print(shipped())"
    inside = Path(installed.run(installed.python, "-c", code).stdout.strip())
    assert inside.is_relative_to(installed.python.parents[1])
    files = {file.name: file.read_bytes() for file in (REPOSITORY / "config" / "mapping").iterdir()}
    assert {file.name: file.read_bytes() for file in inside.iterdir()} == files
    assert len(files) == 3


def test_the_demonstration_runs(installed: Installed) -> None:
    """Both sandboxes with their published documents, the store with its migrations, the mapping: to the cent."""
    day = installed.kassabrug("demo", "--once", "--json")
    assert (day["difference"], day["held"], day["books"]["documents"]) == ("0.00", 0, 58)


def test_a_sandbox_and_the_daemon_against_it(installed: Installed) -> None:
    """``sandbox --config-out``, then ``plan``, ``sync`` and ``run`` with what it wrote, as a newcomer types them."""
    with installed.started("sandbox", "--config-out", "shop.toml") as sandbox:
        ready = json.loads(sandbox.says(r"(?m)^\{.*\}$").group())
        keys = Keys(ready["salespos"]["public_key"], ready["salespos"]["secret_key"])
        till = ready["salespos"]["api"].partition("/api/")[0]
        shop = Vendors(sandbox, installed.folder / "shop.toml", ready["eaccounting"]["identity"], till, keys)
        planned = installed.kassabrug("plan", "--json", "--config", "shop.toml")["counts"]
        synced = installed.kassabrug("sync", "--json", "--config", "shop.toml")
        assert planned["sales"]["create"] == synced["books"]["documents"] == 58
        assert (synced["difference"], synced["held"]) == ("0.00", 0)
        address = tomllib.loads(shop.config.read_text(encoding="utf-8"))["daemon"]["listen"]
        with installed.started("run", "--config", "shop.toml") as daemon:
            daemon.says("started")
            assert ask("GET", f"http://{address}/livez")[0] == 200
            number = shop.sell(SKU, 2, "cash")
            until(lambda: shop.booked(number), within=15, what="the sale is booked", alive=daemon)
    # the state lies where the configuration says, and nothing in the home
    assert sorted(path.name for path in (installed.folder / "home").iterdir()) == []
