"""Run ``make test`` on every supported Python that this machine has, and say which it has not.

Each Python has an environment of its own beside ``.venv``.  Ends with 1 when one of them failed; one that is not here is told, not counted.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tools.environment import ROOT, tried_pythons
from tools.pythons import find


def supported() -> list[str]:
    """Return the Pythons that the project names as tried, and the next one, which is tried where it is to be had."""
    tried = tried_pythons((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    major, minor = tried[-1].split(".")
    return [*tried, f"{major}.{int(minor) + 1}"]


def run(version: str, program: str) -> str:
    """Test on one Python; return how it went."""
    begun = time.monotonic()
    words = ["make", "test", f"PYTHON={program}", f"VENV={Path('.venvs') / version}"]
    passed = subprocess.run(words, cwd=ROOT, check=False).returncode == 0
    return f"Python {version}: {'passed' if passed else 'FAILED'} in {time.monotonic() - begun:.0f} s ({program})"


def main(versions: list[str]) -> int:
    """Test on these Pythons, or on all that are supported; return the exit code."""
    lines = []
    for version in [name.removeprefix("python") for name in versions] or supported():
        program = find(version)
        lines.append(f"Python {version}: not on this machine, not tested" if program is None else run(version, program))
    print("\n".join(lines))
    return int(any("FAILED" in line for line in lines) or not any("passed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
