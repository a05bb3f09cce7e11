"""Make the project's environment from its lock: what ``make demo``, ``make test`` and all other targets stand on.

The lock is complete, so no resolver is asked: each package is installed as it is pinned, hash by hash, wheels only, without looking at what
else has been released.  Written for any Python 3 without a package installed, so that an old one gets a sentence and no traceback.

``--venv DIR [--wheels DIR]`` sets up, ``--download DIR`` fills a folder of wheels for a machine without a registry, ``--lock FILE`` takes
another lock than the project's (then the project itself is not installed).  Ends with 0 when the environment is ready, else with 1 and one
sentence that says what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"
#: says that the environment is complete, and what it was made from
STAMP = ".ready"
#: says that the folder is ours, so that it may be emptied; written before anything else
MARK = ".kassabrug-environment"
#: all that pip printed, for whom one sentence is not enough
LOG = "set-up.log"
#: settings of the machine's pip that would install elsewhere, something else, or from source
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_NO_BINARY", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_DEPS")
#: what pip's output says when it could not talk to a registry at all
AWAY = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Connection(Reset|Refused)?Error|Connection (refused|broken|aborted)|name resolution"
    r"|Network is unreachable|No route to host|Could not fetch URL|Max retries exceeded|ProxyError|SSLError|HTTP error (407|5\d\d)"
)


class NoSetUpError(Exception):
    """The environment cannot be made; the text is one sentence that says what to do."""


# -- what is wanted ----------------------------------------------------------------------------------------------------------------
def lowest_python(pyproject: str) -> tuple[int, int]:
    """Return the oldest Python that the text of ``pyproject.toml`` takes; by pattern, for an old Python has no TOML."""
    found = re.search(r'^requires-python = ">=(\d+)\.(\d+)"', pyproject, re.MULTILINE)
    if found is None:
        raise NoSetUpError("pyproject.toml does not say which Python is required; take it anew from the repository.")
    return int(found.group(1)), int(found.group(2))


def tried_pythons(pyproject: str) -> list[str]:
    """Return the Pythons that the text of ``pyproject.toml`` names as tried, oldest first."""
    return re.findall(r'"Programming Language :: Python :: (\d+\.\d+)"', pyproject)


def packages_in(lock: str) -> int:
    """Return how many packages a lock pins."""
    return len(re.findall(r"^[A-Za-z0-9._-]+==", lock, re.MULTILINE))


def fingerprint(venv: Path, lock: Path) -> dict[str, str]:
    """Return what an environment is made from; when any of it changes, it is made anew.

    The place counts, since programs in an environment know it by its whole path; of Python where it lies and what wheels are made for.
    """
    content = b"\0".join(path.read_bytes() for path in (lock, PROJECT))
    return {
        "content": hashlib.sha256(content).hexdigest(),
        "place": str(venv),
        "source": str(ROOT),
        "python": "{}.{} {}".format(sys.version_info[0], sys.version_info[1], os.path.realpath(sys.base_prefix)),
    }


def programs(lock: Path) -> tuple[str, ...]:
    """Return the programs without which an environment is not complete."""
    return ("python", "kassabrug") if lock == LOCK else ("python",)


def ready(venv: Path, lock: Path) -> bool:
    """Return whether the environment is complete, was made from what lies here, for this place and this Python."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp == fingerprint(venv, lock)) and all((venv / "bin" / name).exists() for name in programs(lock))


# -- saying what went wrong --------------------------------------------------------------------------------------------------------
def explain(output: str, wheels: Path | None, log: Path) -> str:
    """Turn what pip printed before it gave up into one sentence that says what to do."""
    here = "Python {}.{} on {}".format(sys.version_info[0], sys.version_info[1], platform.machine())
    missing = re.search(r"No matching distribution found for ([^\s(]+)", output)
    if wheels is None and AWAY.search(output):
        return (
            "The package registry cannot be reached. Try again when it can; or run `make wheels WHEELS=DIR` on a machine that reaches it"
            " (the same Python and processor), and here the same command with WHEELS=DIR."
        )
    if "DO NOT MATCH THE HASHES" in output:
        name = re.search(r"^\s+([A-Za-z0-9._-]+==\S+)", output, re.MULTILINE)
        what = name.group(1) if name else "a package"
        return f"The file that came for {what} is not the one the lock names; do not use it, and take it from elsewhere."
    if "No space left on device" in output:
        return f"The disk is full: free some 600 MB at {log.parent}, or give another place with VENV=DIR, and try again."
    if missing and wheels is not None:
        return f"{wheels} has no wheel of {missing.group(1)} for {here}; `make wheels WHEELS=DIR` with the same Python fills it."
    if missing:
        tried = ", ".join(tried_pythons(PROJECT.read_text(encoding="utf-8")))
        return (
            f"There is no wheel of {missing.group(1)} for {here}; name one of Python {tried} with PYTHON=, for instance PYTHON=python3.11."
        )
    if re.search(r"Permission denied|Read-only file system", output):
        return f"{log.parent} cannot be written; give another place with VENV=DIR."
    errors = [line.strip() for line in output.splitlines() if line.lstrip().startswith("ERROR")]
    last = errors[-1] if errors else "it gave no reason"
    return f"pip could not install what the lock names ({last[:200]}); all it said is in {log}."


# -- doing it ----------------------------------------------------------------------------------------------------------------------
def surroundings() -> dict[str, str]:
    """Return the variables for pip: the machine's registry and certificates stay, what would change the outcome goes."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    kept.update(
        PIP_CONSTRAINT=os.devnull,
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_COLOR="1",
        PIP_NO_INPUT="1",
        PIP_ROOT_USER_ACTION="ignore",
        PIP_USER="0",
    )
    return kept


def failure(command: list[str], log: Path) -> str:
    """Run a command with its output in the log; return that output when it failed, nothing when all is well."""
    with log.open("ab") as sink:
        start = sink.tell()
        process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=surroundings(), check=False)
    if process.returncode == 0:
        return ""
    return log.read_bytes()[start:].decode("utf-8", "replace") or "it said nothing"


def pip(venv: Path, *words: str, wheels: Path | None = None, log: Path | None = None) -> None:
    """Let the environment's pip do something; raise `NoSetUpError` in its place when it fails."""
    log = log or venv / LOG
    output = failure([str(venv / "bin" / "python"), "-m", "pip", *words], log)
    if output:
        raise NoSetUpError(explain(output, wheels, log))


def from_lock(lock: Path, wheels: Path | None) -> list[str]:
    """Return the options of pip that take the lock as what it is: complete."""
    source = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    return ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--retries", "2", *source, "-r", str(lock)]


def empty_environment(venv: Path) -> None:
    """Lay out an environment with nothing but pip in it, in the place of an unfinished or outdated one of ours."""
    occupied = venv.is_dir() and any(venv.iterdir())
    ours = venv in {ROOT / ".venv", ROOT / ".venv-lock"} or any((venv / name).exists() for name in (MARK, STAMP))
    if (occupied and not ours) or (venv.exists() and not venv.is_dir()):
        raise NoSetUpError(f"{venv} is there already and is not an environment of this project; give another place with VENV=DIR.")
    venv.mkdir(parents=True, exist_ok=True)
    (venv / MARK).touch()
    for entry in venv.iterdir():
        if entry.name == MARK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    base = str(getattr(sys, "_base_executable", sys.executable))
    output = failure([base, "-m", "venv", str(venv)], venv / LOG)
    if not output:
        return
    if "ensurepip" in output:
        version = "{}.{}".format(sys.version_info[0], sys.version_info[1])
        raise NoSetUpError(
            f"{base} comes without ensurepip; install it (on Debian and Ubuntu: apt install python{version}-venv) and try again."
        )
    raise NoSetUpError(f"An environment could not be made by {base}; all it said is in {venv / LOG}.")


def set_up(venv: Path, lock: Path, wheels: Path | None) -> None:
    """Make the environment, saying each step and its time; raise `NoSetUpError` when it cannot be."""
    print(
        f"Setting up {venv}: Python {platform.python_version()}, {packages_in(lock.read_text(encoding='utf-8'))} packages"
        f" from {'the registry' if wheels is None else wheels}; half a minute or more ...",
        flush=True,
    )
    begun = time.monotonic()
    empty_environment(venv)
    made = time.monotonic()
    pip(venv, "install", *from_lock(lock, wheels), wheels=wheels)
    output = failure([str(venv / "bin" / "python"), "-m", "pip", "check"], venv / LOG)
    if output:
        raise NoSetUpError(f"The lock contradicts itself ({' '.join(output.split())[:200]}); please report it.")
    installed = time.monotonic()
    if lock == LOCK:
        pip(venv, "install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(ROOT), wheels=wheels)
    # last, and whole: what is interrupted before has no stamp and is made anew
    partial = venv / (STAMP + ".new")
    partial.write_text(json.dumps(fingerprint(venv, lock)), encoding="utf-8")
    partial.replace(venv / STAMP)
    parts = [f"environment {made - begun:.0f} s", f"packages {installed - made:.0f} s"]
    if lock == LOCK:
        parts.append(f"kassabrug itself {time.monotonic() - installed:.0f} s")
    print(f"Ready in {time.monotonic() - begun:.0f} s ({', '.join(parts)}).", flush=True)


def download(folder: Path) -> None:
    """Fill a folder with every wheel of the lock that this Python on this machine needs."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    print(
        f"Filling {folder} with {packages_in(LOCK.read_text(encoding='utf-8'))} packages for Python {platform.python_version()} ...",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        venv = Path(scratch) / "pip"
        empty_environment(venv)
        pip(venv, "download", *from_lock(LOCK, None), "--dest", str(folder), log=folder / LOG)
    print(f"{len(list(folder.glob('*.whl')))} wheels in {time.monotonic() - begun:.0f} s; use them with WHEELS={folder}.", flush=True)


@contextlib.contextmanager
def alone(venv: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201 - its type has no name that an old Python knows
    """Let a second set-up of the same place wait for the first; the lock is the folder's own and leaves nothing behind."""
    venv.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(str(venv.parent), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def work(options: argparse.Namespace) -> None:
    """Do what was asked for."""
    pyproject = PROJECT.read_text(encoding="utf-8")
    lowest = lowest_python(pyproject)
    if sys.version_info[:2] < lowest:
        least = "{}.{}".format(*lowest)
        raise NoSetUpError(
            f"Python {least} or later is needed, and {sys.executable} is {platform.python_version()};"
            f" name another with PYTHON=, for instance PYTHON=python{least}."
        )
    if options.download is not None:
        download(Path(os.path.abspath(options.download)))
        return
    venv = Path(os.path.abspath(options.venv))
    wheels = Path(os.path.abspath(options.wheels)) if options.wheels else None
    if wheels is not None and not wheels.is_dir():
        raise NoSetUpError(
            f"There is no folder {wheels}; `make wheels WHEELS={options.wheels}` makes and fills it where a registry can be reached."
        )
    lock = Path(os.path.abspath(options.lock))
    if ready(venv, lock):
        return
    with alone(venv):
        if not ready(venv, lock):
            set_up(venv, lock, wheels)


def main() -> int:
    """Set up as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the project's environment from its lock.")
    parser.add_argument("--venv", default=str(ROOT / ".venv"), help="where the environment is (default: .venv)")
    parser.add_argument("--wheels", default="", help="take the packages from this folder and ask no registry")
    parser.add_argument("--lock", default=str(LOCK), help="take this lock, and do not install the project itself")
    parser.add_argument("--download", help="only fill this folder with wheels")
    try:
        work(parser.parse_args())
    except NoSetUpError as problem:
        print(problem, file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from the beginning.", file=sys.stderr)
    except OSError as problem:
        print(f"{problem.filename or 'A file'} cannot be used ({problem.strerror}); give another place with VENV=DIR.", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
