"""A package index in a folder: every package of the lock as pinned, and of every one something newer.

Made from the metadata of what is installed and from nothing else, but for the few packages by which the project itself is built: those
must work and are packed again whole.  Imports nothing of the set-up that is tested by it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from packaging.markers import Marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: what `pip install --editable` of the project needs to run
BUILDERS = frozenset({"hatchling", "editables", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"})
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;[^\\\n]*)?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock: name, version, and the condition under which it counts (with its semicolon, or empty)."""

    name: str
    version: str
    marker: str

    @property
    def stem(self) -> str:
        """The name as files spell it."""
        return self.name.replace("-", "_").replace(".", "_").lower()

    def counts_on(self, version: str) -> bool:
        """Whether Linux with this Python needs it."""
        if not self.marker:
            return True
        surroundings = {
            "python_version": version,
            "python_full_version": f"{version}.0",
            "sys_platform": "linux",
            "platform_system": "Linux",
        }
        return Marker(self.marker.removeprefix(";").strip()).evaluate(surroundings)

    def newer(self) -> Pin:
        """A release of the next year or the next major number."""
        first = re.match(r"\d+", self.version)
        assert first is not None
        return Pin(self.name, f"{int(first.group()) + 1}.0", self.marker)


def pins(lock: str) -> list[Pin]:
    """Return what a lock pins."""
    return [Pin(name, version, marker.strip()) for name, version, marker in PIN.findall(lock)]


def metadata(pin: Pin, more: Iterable[str] = ()) -> str:
    """Return the metadata of a release: what the installed one requires and offers, under this version."""
    try:
        known = distribution(pin.name).metadata
    except PackageNotFoundError:
        return "\n".join(["Metadata-Version: 2.1", f"Name: {pin.name}", f"Version: {pin.version}", *more, ""])
    kept = [f"{key}: {value}" for key in ("Requires-Dist", "Provides-Extra") for value in known.get_all(key) or ()]
    return "\n".join(["Metadata-Version: 2.1", f"Name: {pin.name}", f"Version: {pin.version}", *kept, *more, ""])


def content(pin: Pin) -> dict[str, bytes]:
    """Return the files of a package that must work; of others a module that says which release it is."""
    if pin.name not in BUILDERS:
        return {f"{pin.stem}_release.py": f"VERSION = {pin.version!r}\n".encode()}
    own = distribution(pin.name)
    kept = [path for path in own.files or () if path.suffix != ".pyc" and ".." not in path.parts]
    generated = {"RECORD", "METADATA", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json"}
    return {str(path): own.locate_file(path).read_bytes() for path in kept if path.name not in generated}  # type: ignore[attr-defined]


def write_wheel(folder: Path, pin: Pin, text: str, files: Mapping[str, bytes]) -> Path:
    """Write a wheel for every platform."""
    info = f"{pin.stem}-{pin.version}.dist-info"
    every = {
        **{(f"{info}/{name.split('.dist-info/')[1]}" if ".dist-info/" in name else name): body for name, body in files.items()},
        f"{info}/METADATA": text.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b'=').decode()},{len(body)}"
        for name, body in every.items()
    ]
    every[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{pin.stem}-{pin.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in every.items():
            archive.writestr(name, body)
    return path


def sha256(path: Path) -> str:
    """Return the hash by which a lock and an index name a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def publish(root: Path, lock: str, *, only: Iterable[str] | None = None) -> str:
    """Write the index under ``root/simple`` (its files in ``root/files``); return the lock with the hashes of what was written.

    Of every package there is a newer release; the first three are special: one cannot even be read, one is yanked, one offers an extra and
    wants a package that does not exist.
    """
    wanted = [pin for pin in pins(lock) if only is None or pin.name in set(only)]
    (root / "files").mkdir(parents=True)
    lines = []
    for place, pin in enumerate(wanted):
        pinned = write_wheel(root / "files", pin, metadata(pin), content(pin))
        more = ["Provides-Extra: future", "Requires-Dist: does-not-exist>=1"] if place == 2 else []
        newer = write_wheel(root / "files", pin.newer(), metadata(pin.newer(), more), {})
        if place == 0:
            newer.write_bytes(b"not a wheel")
        links = [
            f'<a href="../../files/{path.name}#sha256={sha256(path)}"{extra}>{path.name}</a>'
            for path, extra in ((pinned, ""), (newer, ' data-yanked="a mistake"' if place == 1 else ""))
        ]
        page = root / "simple" / pin.name.lower().replace("_", "-").replace(".", "-") / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>")
        lines.append(f"{pin.name}=={pin.version} {pin.marker} \\\n    --hash=sha256:{sha256(pinned)}")
    return "\n".join([*lines, ""])
