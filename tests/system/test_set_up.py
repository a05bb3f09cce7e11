"""The set-up that everything stands on, whatever is released tomorrow and however it is broken off."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.system import index
from tools.pythons import find

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text()
LOCK = (REPOSITORY / "requirements.lock").read_text()
TRIED = re.findall(r'"Programming Language :: Python :: (\d+\.\d+)"', PYPROJECT)
THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"
#: the first pip that looks at the pin before it looks at the newest release
CURED = (24, 0)


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Nothing of the daemon runs here."""


def fresh_copy(folder: Path, lock: str) -> Path:
    """Lay out what set-up needs of the project, with another lock."""
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, folder)
    for name in ("config", "daemon", "connectors", "tools"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements.lock").write_text(lock)
    return folder


def surroundings(registry: Path | str) -> dict[str, str]:
    """Return variables under which pip knows one registry and no setting of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    address = registry if isinstance(registry, str) else (registry / "simple").as_uri()
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}


def make(source: Path, registry: Path | str, *words: str, target: str = "environment") -> subprocess.CompletedProcess[str]:
    """Run make as a person would, in the folder."""
    return subprocess.run(
        ["make", target, *words], cwd=source, env=surroundings(registry), capture_output=True, text=True, timeout=300, check=False
    )


def installed(venv: Path) -> dict[str, str]:
    """Return what an environment holds, as Python itself finds it there."""
    question = "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    answer = subprocess.run([venv / "bin" / "python", "-I", "-c", question], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return {name.lower().replace("_", "-"): str(version) for name, version in found.items()}


def shipped_pip(program: str, folder: Path) -> list[str]:
    """Return the pip that a Python brings, in an environment of its own."""
    subprocess.run([program, "-m", "venv", folder], check=True)
    return [str(folder / "bin" / "python"), "-m", "pip"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A copy of the project whose lock holds only what builds it, and its registry: enough for all that can go wrong on the way."""
    registry = tmp_path / "registry"
    lock = index.publish(registry, LOCK, only=index.BUILDERS)
    yield fresh_copy(tmp_path / "a shop's copy", lock), registry
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", TRIED)
def test_whatever_is_released_the_lock_is_what_gets_installed(version: str, tmp_path: Path) -> None:
    """Of every package something newer exists, one broken, one yanked, one with an extra: the locked versions come, and nothing else."""
    program = find(version)
    if program is None:
        pytest.skip(f"Python {version} is not on this machine")
    registry = tmp_path / "registry"
    lock = index.publish(registry, LOCK)
    source = fresh_copy(tmp_path / "project", lock)
    done = make(source, registry, f"PYTHON={program}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Ready in \d+ s", done.stdout)
    present = installed(tmp_path / "venv")
    expected = {pin.name: pin.version for pin in index.pins(lock) if pin.counts_on(version)}
    assert {name: found for name, found in present.items() if name not in {"pip", "setuptools", "kassabrug"}} == expected
    assert "kassabrug" in present


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", TRIED)
def test_a_resolver_would_fail_on_the_same_registry(version: str, tmp_path: Path) -> None:
    """The index is no straw man: the pip that comes with Python 3.11 and 3.12, asked to resolve the same lock, gives up."""
    program = find(version)
    if program is None:
        pytest.skip(f"Python {version} is not on this machine")
    pip = shipped_pip(program, tmp_path / "venv")
    told = subprocess.run([*pip, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"pip (\d+)\.(\d+)", told)
    assert found is not None
    if (int(found.group(1)), int(found.group(2))) >= CURED:
        pytest.skip(f"{told.split(' from')[0]} looks at the pin first")
    registry = tmp_path / "registry"
    (tmp_path / "lock").write_text(index.publish(registry, LOCK))
    asked = [*pip, "install", "--require-hashes", "-r", str(tmp_path / "lock")]
    done = subprocess.run(asked, env=surroundings(registry), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "must have their versions pinned with ==" in done.stderr


def test_a_second_set_up_does_nothing(small: tuple[Path, Path]) -> None:
    """What is ready is left alone, without a word; also when nothing could be fetched any more."""
    source, registry = small
    first = make(source, registry)
    assert first.returncode == 0, first.stdout + first.stderr
    stamp = (source / ".venv" / ".ready").stat()
    second = make(source, "http://127.0.0.1:9/simple")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert (source / ".venv" / ".ready").stat().st_mtime_ns == stamp.st_mtime_ns


def test_a_set_up_that_was_killed_is_made_anew(small: tuple[Path, Path]) -> None:
    """SIGKILL while packages are being installed: the next run ends in a working environment."""
    source, registry = small
    begun = subprocess.Popen(
        ["make", "environment"],
        cwd=source,
        env=surroundings(registry),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not list(source.glob(".venv/lib/*/site-packages/pip/__init__.py")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    assert not (source / ".venv" / ".ready").exists()
    done = make(source, registry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kassabrug" in installed(source / ".venv")


def test_a_moved_folder_is_set_up_again(small: tuple[Path, Path]) -> None:
    """Programs in an environment know it by its path: after a move they would start what is gone, so they are made anew."""
    source, registry = small
    assert make(source, registry).returncode == 0
    moved = source.rename(source.parent / "moved")
    done = make(moved, registry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Setting up" in done.stdout
    assert str(moved) in (moved / ".venv" / "bin" / "kassabrug").read_text()


def test_an_environment_of_another_python_is_made_anew(small: tuple[Path, Path]) -> None:
    """``.venv`` holds the Python that was asked for, not the one it was made with first."""
    source, registry = small
    other = next((program for version in TRIED if version != THIS and (program := find(version))), None)
    if other is None:
        pytest.skip("there is one Python on this machine")
    assert make(source, registry, f"PYTHON={other}").returncode == 0
    done = make(source, registry, f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((source / ".venv" / "lib").glob(f"python{THIS}/site-packages/hatchling"))


def test_a_read_only_source_is_set_up_elsewhere(small: tuple[Path, Path]) -> None:
    """``VENV=`` names the place, and nothing is written into the source."""
    source, registry = small
    before = sorted(str(path) for path in source.rglob("*"))
    folders = [source, *(path for path in source.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = make(source, registry, f"VENV={source.parent / 'else where'}")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(str(path) for path in source.rglob("*") if "__pycache__" not in path.parts) == before
    assert "kassabrug" in installed(source.parent / "else where")


def test_a_folder_of_wheels_is_enough(small: tuple[Path, Path], tmp_path: Path) -> None:
    """``make wheels`` fills a folder, ``WHEELS=`` sets up from it where no registry answers."""
    source, registry = small
    filled = make(source, registry, f"WHEELS={tmp_path / 'wheels of mine'}", target="wheels")
    assert filled.returncode == 0, filled.stdout + filled.stderr
    assert f"{len(index.BUILDERS)} wheels" in filled.stdout
    done = make(source, "http://127.0.0.1:9/simple", f"WHEELS={tmp_path / 'wheels of mine'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kassabrug" in installed(source / ".venv")


@pytest.mark.parametrize(
    ("spoil", "words", "said"),
    [
        pytest.param("", ("WHEELS=nothing-here",), "There is no folder", id="no folder of wheels"),
        pytest.param("", ("WHEELS=.",), "has no wheel of", id="an empty folder of wheels"),
        pytest.param("away", (), "The package registry cannot be reached", id="no registry"),
        pytest.param("hash", (), "is not the one the lock names", id="another file under the name"),
        pytest.param("gone", (), "There is no wheel of", id="a Python or processor without wheels"),
        pytest.param("", ("PYTHON=python9",), "There is no python9 here", id="no such Python"),
        pytest.param("", ("VENV=daemon",), "is not an environment of this project", id="a folder that is not ours"),
    ],
)
def test_what_cannot_be_set_up_is_one_sentence(small: tuple[Path, Path], spoil: str, words: tuple[str, ...], said: str) -> None:
    """Each ends with one line that says what to do, and with no page of pip's."""
    source, registry = small
    lock = source / "requirements.lock"
    if spoil == "hash":
        lock.write_text(re.sub(r"sha256:\w{4}", "sha256:0000", lock.read_text()))
    if spoil == "gone":
        shutil.rmtree(registry / "simple" / "pluggy")
    done = make(source, "http://127.0.0.1:9/simple" if spoil == "away" else registry, *words)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    assert said in lines[0]
    assert (source / "daemon" / "app.py").exists() or (source / "daemon" / "__init__.py").exists()


def test_an_old_python_is_told_so(small: tuple[Path, Path]) -> None:
    """A Python that is too old reads enough of the set-up to say which one is needed."""
    source, registry = small
    old = next((program for version in ("3.10", "3.9", "3.8") if (program := find(version))), None)
    if old is None:
        pytest.skip("no older Python on this machine")
    done = make(source, registry, f"PYTHON={old}")
    assert done.returncode != 0
    assert "Python 3.11 or later is needed" in done.stderr
    assert "Traceback" not in done.stderr
