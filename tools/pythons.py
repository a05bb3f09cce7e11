"""Find the Pythons of this machine that the project supports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: what each Python is asked, so that a name on the path that starts nothing (or something else) is not believed
QUESTION = "import sys; print('%d.%d' % sys.version_info[:2])"


def candidates(version: str) -> list[str]:
    """Return the places where a Python of this version (``3.12``) may be: on the path, or kept by pyenv beside it."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = [str(path) for path in sorted(root.glob(f"{version}.*/bin/python"))]
    named = shutil.which(f"python{version}")
    return [*([named] if named else []), sys.executable, *kept]


def answers(program: str, version: str) -> bool:
    """Return whether a program is a Python of this version."""
    try:
        asked = subprocess.run([program, "-c", QUESTION], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == version


def find(version: str) -> str | None:
    """Return a Python of this version, or nothing."""
    return next((program for program in candidates(version) if answers(program, version)), None)
