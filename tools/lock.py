"""Renew the locks: what is installed, from which files, how old and under which licence, and whether a weakness of it is known.

`make lock` runs this with the environment of tools/requirements.lock; why it is so stands in docs/decisions/0009-the-lock.md.  Three files:

- `requirements.lock`: what the project runs and is tested with, each version with the hashes of its wheels;
- `requirements.wheels`: the wheels of it that fit Linux on x86-64 and arm64 under the supported Pythons, as `sha256sum --check` reads them;
- `tools/requirements.lock`: what this program itself needs.

Nothing is written before everything is known and judged; each file is replaced whole.  Exit codes: 0 good, also if the database of
vulnerabilities cannot be asked, which is said; 1 refused, failed, or vulnerabilities found; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import email.message
import email.parser
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
MACHINES = ("x86_64", "aarch64")
GLIBC_MINOR = 34  # 2.34 is that of the oldest distributions in support whose Python is 3.11 or later
LEGACY_PLATFORMS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
YOUNG = timedelta(days=7)
CANARY = "urllib3==1.24.1"  # known to be vulnerable for years: a database that does not know that knows nothing
SERVICES = ("pypi", "osv")
THIS_PYTHON = ("--python", sys.executable, "--no-python-downloads")
WHEELS_ONLY = ("--only-binary", ":all:")
EVERYTHING = ""  # `--young` without a name


class LockError(Exception):
    """Why nothing was written, in one sentence."""


@dataclass(frozen=True)
class Pin:
    """One version in a lock."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]


@dataclass(frozen=True)
class File:
    """A file of a release in the index; `uploaded` is None where the index does not tell."""

    name: str
    sha256: str
    uploaded: datetime | None


@dataclass(frozen=True)
class Release:
    """A version that was resolved, with its files in the index."""

    name: str
    version: str
    marker: str
    wheels: tuple[File, ...]


@dataclass(frozen=True)
class Target:
    """A Python on a machine for which everything must be there as wheels."""

    minor: int
    machine: str

    def __str__(self) -> str:
        return f"Python 3.{self.minor} on {self.machine}"

    def applies(self, marker: str) -> bool:
        """Say whether a requirement with this marker is installed here."""
        environment = {
            "implementation_name": "cpython",
            "implementation_version": f"3.{self.minor}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"3.{self.minor}.0",
            "python_version": f"3.{self.minor}",
            "sys_platform": "linux",
        }
        return not marker or Marker(marker).evaluate(environment)

    def tags(self) -> frozenset[Tag]:
        """Return the tags of the wheels that can be installed here."""
        platforms = []
        for minor in range(GLIBC_MINOR, 4, -1):
            platforms.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in LEGACY_PLATFORMS:
                platforms.append(f"{LEGACY_PLATFORMS[minor]}_{self.machine}")
        python = (3, self.minor)
        interpreter = f"cp3{self.minor}"
        tags = [*cpython_tags(python, abis=[interpreter], platforms=platforms), *compatible_tags(python, interpreter, platforms)]
        return frozenset(tags)


@dataclass(frozen=True)
class Change:
    """What becomes of one package; an absent side is empty."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Lock:
    """A lock as it will be written, what is known of its releases, and what differs from the one that is there."""

    text: str
    releases: tuple[Release, ...]
    changes: tuple[Change, ...]
    dated: bool  # the index told when the files were uploaded


# --- pure: what the files say -------------------------------------------------------------------------------------------------------


def targets(classifiers: Iterable[str]) -> list[Target]:
    """Return each supported Python on each machine, from the classifiers `Programming Language :: Python :: 3.x`."""
    found = [re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", text) for text in classifiers]
    minors = sorted({int(match[1]) for match in found if match})
    return [Target(minor, machine) for minor, machine in product(minors, MACHINES)]


def parse_lock(text: str) -> list[Pin]:
    """Read a lock as uv writes it, one version with its hashes after the other.

    Raises:
        LockError: a requirement is not pinned to one version.
    """
    pins = []
    for line in text.replace("\\\n", " ").splitlines():
        written = line.split("#", 1)[0].strip()
        if not written:
            continue
        head, *hashes = re.split(r"\s+--hash=sha256:", written)
        requirement = Requirement(head)
        pinned = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        if pinned is None:
            raise LockError(f"{head} is not pinned to one version")
        marker = str(requirement.marker) if requirement.marker else ""
        pins.append(Pin(canonicalize_name(requirement.name), pinned[1], marker, frozenset(hashes)))
    return pins


def parse_wheels(text: str) -> dict[str, str]:
    """Read `requirements.wheels`: file name to SHA-256."""
    pairs = [line.split("  ", 1) for line in text.splitlines() if line]
    return {name: digest for digest, name in pairs}


def read_releases(pylock: str) -> list[Release]:
    """Read the releases and their wheels from a pylock.toml; of a file's address only its last part, the name."""

    def file(entry: Mapping[str, Any]) -> File:
        address = entry.get("url") or entry.get("path") or ""
        name = entry.get("name") or unquote(urlsplit(address).path.rsplit("/", 1)[-1])
        return File(name, entry["hashes"]["sha256"], entry.get("upload-time"))

    packages = tomllib.loads(pylock).get("packages", [])
    return [
        Release(
            canonicalize_name(package["name"]),
            package["version"],
            package.get("marker", ""),
            tuple(file(entry) for entry in package.get("wheels", [])),
        )
        for package in packages
    ]


def bare_marker(marker: str, implied: Sequence[str]) -> str:
    """Take out of a marker what holds on every machine that the lock is for, so that it says only what differs."""
    if " or " in marker or "(" in marker:
        return marker
    known = {str(Marker(term)) for term in implied}
    return " and ".join(term for term in marker.split(" and ") if term and term not in known)


def render_lock(pins: Iterable[Pin], releases: Iterable[Release], implied: Sequence[str]) -> str:
    """Write the lock with the hashes of wheels alone: what has no wheel for a machine fails there, and is never built."""
    wheels = {(release.name, release.version): {file.sha256 for file in release.wheels} for release in releases}
    lines = []
    for pin in pins:
        marker = bare_marker(pin.marker, implied)
        head = f"{pin.name}=={pin.version}" + (f" ; {marker}" if marker else "")
        hashes = sorted(pin.hashes & wheels.get((pin.name, pin.version), set()))
        lines.append(" \\\n".join([head, *(f"    --hash=sha256:{digest}" for digest in hashes)]))
    return "\n".join(lines) + "\n"


def fitting(release: Release, target: Target) -> list[File]:
    """Return the wheels of a release that can be installed on a target."""
    tags = target.tags()
    return [file for file in release.wheels if parse_wheel_filename(file.name)[3] & tags]


def choose_wheels(releases: Iterable[Release], places: Iterable[Target]) -> list[File]:
    """Return the wheels that some target would install, by name."""
    chosen = {file for release, place in product(releases, places) if place.applies(release.marker) for file in fitting(release, place)}
    return sorted(chosen, key=lambda file: file.name)


def without_wheel(releases: Iterable[Release], places: Iterable[Target]) -> list[str]:
    """Return a line for each release of which some target would find no wheel."""
    lacking: dict[str, list[str]] = defaultdict(list)
    for release, place in product(releases, places):
        if place.applies(release.marker) and not fitting(release, place):
            lacking[f"{release.name} {release.version}"].append(str(place))
    return [f"{release} has no wheel for {', '.join(where)}" for release, where in lacking.items()]


def render_wheels(files: Iterable[File]) -> str:
    """Write `requirements.wheels`, two blanks between hash and name as `sha256sum` has it."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files)


def compare(old: Iterable[Pin], new: Iterable[Pin]) -> list[Change]:
    """Return which packages come, go or change their version, by name."""
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for pins, versions in ((old, before), (new, after)):
        for pin in pins:
            versions[pin.name].append(pin.version)
    names = sorted(before.keys() | after.keys())
    return [Change(name, tuple(before[name]), tuple(after[name])) for name in names if sorted(before[name]) != sorted(after[name])]


def other_files(old: Iterable[Pin], new: Iterable[Pin]) -> list[str]:
    """Return the packages whose version stays while the files that are accepted for it differ."""
    before = {(pin.name, pin.version): pin.hashes for pin in old}
    return [pin.name for pin in new if before.get((pin.name, pin.version), pin.hashes) != pin.hashes]


def released(release: Release) -> datetime | None:
    """Return when the first wheel of a release was uploaded, if the index tells."""
    return min((file.uploaded for file in release.wheels if file.uploaded), default=None)


def too_young(old: Iterable[Pin], releases: Iterable[Release], now: datetime, allowed: Sequence[str]) -> list[str]:
    """Return a line for each release of which a file that is not locked yet was uploaded within the last week.

    This looks at the dates alone, whatever the resolver was told.  A file added late to an old release counts: it is as unseen by others
    as a new release.
    """
    if EVERYTHING in allowed:
        return []
    known = {digest for pin in old for digest in pin.hashes}
    lines = []
    for release in releases:
        fresh = [file.uploaded for file in release.wheels if file.uploaded and file.sha256 not in known and now - file.uploaded < YOUNG]
        if fresh and release.name not in allowed:
            when = f"{max(fresh):%Y-%m-%d}"
            lines.append(f"{release.name} {release.version} was uploaded on {when}, less than a week ago (--young {release.name})")
    return lines


def licence(metadata: email.message.Message) -> str:
    """Return the licence that a package states of itself: the expression, else the classifiers, else the first line of the free text."""
    expression = metadata.get("License-Expression")
    if expression:
        return expression
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier", []) if text.startswith("License :: ")]
    free = (metadata.get("License") or "").strip().splitlines()
    return ", ".join(classifiers) or (free[0][:60] if free else "not stated")


def render_changes(changes: Sequence[Change], releases: Iterable[Release], licences: Mapping[str, str]) -> str:
    """Return the table of what changed, which a person reads before committing it."""
    dates = {(release.name, release.version): released(release) for release in releases}
    rows = [("package", "old", "new", "released", "licence")]
    for change in changes:
        days = [dates.get((change.name, version)) for version in change.new]
        when = ", ".join(f"{day:%Y-%m-%d}" if day else "unknown" for day in days)
        stated = licences.get(change.name, "unknown") if change.new else ""
        rows.append((change.name, ", ".join(change.old) or "-", ", ".join(change.new) or "-", when, stated))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def vulnerabilities(report: Mapping[str, Any]) -> list[str]:
    """Return a line for each weakness in a report of pip-audit."""
    return [
        f"{package['name']} {package['version']}: {weakness['id']}, cured in {', '.join(weakness['fix_versions']) or 'no version yet'}"
        for package in report["dependencies"]
        for weakness in package.get("vulns", [])
    ]


def unanswered(report: Mapping[str, Any]) -> list[str]:
    """Return the packages about which the database of vulnerabilities said nothing."""
    return [package["name"] for package in report["dependencies"] if "skip_reason" in package]


def sentence(complaint: str) -> str:
    """Return uv's complaint as one line: no warnings, no hints, the registry's absence by its name."""
    lines = [line.strip() for line in complaint.partition("\nhint:")[0].splitlines() if not line.startswith(("warning:", "hint:"))]
    text = " ".join(line for line in lines if line)
    text = re.sub(r"^(error|cause): ", "", re.sub(r":? (error|cause): ", ": ", text))
    if "error sending request" in text or "Failed to fetch" in text:
        return f"the package registry cannot be reached ({text})"
    return text or "uv failed and did not say why"


def index_of(pip_settings: str) -> str | None:
    """Return the index that pip is configured with, from `pip config list`; the environment's setting comes before the files'."""
    found = dict(re.findall(r"^(\S+)\.index-url='(.*)'$", pip_settings, flags=re.MULTILINE))
    return found.get(":env:") or found.get("install") or found.get("global")


# --- the edge: programs, files ------------------------------------------------------------------------------------------------------


def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a module of this environment, for instance `uv`, in the project's folder."""
    settings = {**os.environ, **(environment or {})}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, cwd=ROOT, env=settings)


def configured_index() -> dict[str, str]:
    """Let uv ask where pip asks, unless uv itself was told something."""
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        return {}
    index = index_of(run(["pip", "config", "list"]).stdout)
    return {"UV_DEFAULT_INDEX": index} if index else {}


class Resolver:
    """uv, with what is the same in each of its runs."""

    def __init__(self, project: Mapping[str, Any], now: datetime, *, keep: bool, young: Sequence[str]) -> None:
        lowest = re.search(r">=\s*(3\.\d+)", project["project"]["requires-python"])
        self.python = lowest[1] if lowest else "3.11"
        self.implied = project["tool"]["uv"]["environments"][0].split(" and ")
        self.now = now
        self.keep = keep
        self.young = young
        self.environment = configured_index()

    def age(self, present: Iterable[Pin]) -> list[str]:
        """Return the arguments that leave out what was uploaded within the last week; what is to be kept may stay, however young."""
        if EVERYTHING in self.young:
            return []
        free = {*self.young, *(pin.name for pin in present if self.keep)}
        single = [f"--exclude-newer-package={name}={self.now:%Y-%m-%dT%H:%M:%SZ}" for name in sorted(free)]
        return [f"--exclude-newer={self.now - YOUNG:%Y-%m-%dT%H:%M:%SZ}", *single]

    def uv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `uv pip compile`, wheels only, without any index address in what it writes."""
        always = ["--universal", "--python-version", self.python, *THIS_PYTHON, *WHEELS_ONLY]
        silent = ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"]
        return run(["uv", "pip", "compile", *always, *silent, *arguments], self.environment)

    def compile(self, sources: Sequence[str], present: str, folder: Path) -> tuple[str, str, bool]:
        """Resolve, and ask for the files of what was resolved.

        Returns:
            The lock as uv writes it, the same as pylock.toml, and whether the index tells when files were uploaded.

        Raises:
            LockError: no resolution, or no registry.
        """
        pinned = folder / "resolved.txt"
        upgrade = [] if self.keep else ["--upgrade"]
        age, dated = self.age(parse_lock(present)), True
        while True:
            pinned.write_text(present if self.keep else "")
            result = self.uv(*sources, *upgrade, *age, "-o", str(pinned))
            if not (age and "missing an upload date" in result.stderr):
                break
            age, dated = [], False
        if result.returncode:
            raise LockError(sentence(result.stderr))
        files = self.uv(str(pinned), "--no-deps", "--format", "pylock.toml", *age)
        if files.returncode:
            raise LockError(sentence(files.stderr))
        return pinned.read_text(), files.stdout, dated

    def renew(self, sources: Sequence[str], path: Path, places: Sequence[Target]) -> Lock:
        """Work out what a lock becomes.

        Raises:
            LockError: besides what `compile` raises, a version has no wheel for a target, or is too young.
        """
        present = path.read_text() if path.exists() else ""
        with tempfile.TemporaryDirectory() as folder:
            resolved, pylock, dated = self.compile(sources, present, Path(folder))
        releases = read_releases(pylock)
        text = render_lock(parse_lock(resolved), releases, self.implied)
        old = parse_lock(present)
        reasons = [*without_wheel(releases, places), *too_young(old, releases, self.now, self.young)]
        if reasons:
            raise LockError("; ".join(reasons))
        return Lock(text, tuple(releases), tuple(compare(old, parse_lock(text))), dated)

    def licences(self, lock: Lock) -> dict[str, str]:
        """Return the licences of what is new, from the wheels themselves; they are installed apart, their hashes checked."""
        new = {(change.name, version) for change in lock.changes for version in change.new}
        pins = [pin for pin in parse_lock(lock.text) if (pin.name, pin.version) in new]
        if not pins:
            return {}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            wanted = folder / "wanted.txt"
            wanted.write_text(render_lock(pins, lock.releases, []))
            strict = [*THIS_PYTHON, *WHEELS_ONLY, "--no-deps", "--require-hashes"]
            run(["uv", "pip", "install", *strict, "--target", str(folder / "installed"), "-r", str(wanted)], self.environment)
            described = [email.parser.Parser().parsestr(path.read_text()) for path in folder.glob("installed/*.dist-info/METADATA")]
        return {canonicalize_name(metadata["Name"]): licence(metadata) for metadata in described}


def show(path: Path, lock: Lock, resolver: Resolver) -> None:
    """Print what changes in a lock."""
    name = path.relative_to(ROOT)
    if not lock.dated:
        print(f"{name}: the index gives no release dates, so that the age of what is new is unknown")
    if lock.changes:
        print(f"{name}:")
        print(render_changes(lock.changes, lock.releases, resolver.licences(lock)))
    same = other_files(parse_lock(path.read_text()) if path.exists() else [], parse_lock(lock.text))
    if same:
        print(f"{name}: same version, other files: {', '.join(same)}")


def replace(contents: Mapping[Path, str]) -> bool:
    """Write the files that differ, each beside its place first; return whether any did."""
    differing = {path: text for path, text in contents.items() if not path.exists() or path.read_text() != text}
    waiting = {path: path.with_name(path.name + ".new") for path in differing}
    try:
        for path, text in differing.items():
            waiting[path].write_text(text)
        for path, beside in waiting.items():
            beside.replace(path)
    finally:
        for beside in waiting.values():
            beside.unlink(missing_ok=True)
    return bool(differing)


def ask_database(service: str, requirements: Path) -> dict[str, Any] | None:
    """Return pip-audit's report on pinned requirements; None if the service cannot be reached."""
    arguments = ["--vulnerability-service", service, "--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json"]
    result = run(["pip_audit", *arguments, "-r", str(requirements)])
    try:
        report: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        return None
    return report


def working_service() -> str | None:
    """Return a database of vulnerabilities that answers and knows the one that everybody knows."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "canary.txt"
        requirements.write_text(CANARY + "\n")
        for service in SERVICES:
            report = ask_database(service, requirements)
            if report is not None and vulnerabilities(report):
                return service
    return None


def audit(paths: Sequence[Path]) -> int:
    """Print the known weaknesses of what is locked; return 1 if there are any."""
    service = working_service()
    reports = [ask_database(service, path) for path in paths] if service else []
    answered = [report for report in reports if report is not None]
    if service is None or len(answered) < len(paths):
        print(f"audit: the database of vulnerabilities could not be asked (or does not even know {CANARY}): nothing is known either way")
        if not answered:
            return 0
    found = sorted({line for report in answered for line in vulnerabilities(report)})
    silent = sorted({name for report in answered for name in unanswered(report)})
    if silent:
        print(f"audit: nothing is known about {', '.join(silent)}")
    for line in found:
        print(f"audit: {line}")
    if not found:
        print(f"audit: no known vulnerabilities ({service})")
    return 1 if found else 0


def arguments_of(command_line: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make lock", description="Renew the locks; arguments are given as make lock ARGS='...'.")
    keep = "leave versions as they are where they still fit; add and remove what pyproject.toml says"
    young = "take releases younger than a week, or only those of NAME"
    parser.add_argument("--keep", action="store_true", help=keep)
    parser.add_argument("--young", metavar="NAME", nargs="?", const=EVERYTHING, action="append", default=[], help=young)
    return parser.parse_args(command_line)


def main(command_line: Sequence[str] | None = None) -> int:
    """Renew all three files, then audit."""
    options = arguments_of(command_line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    places = targets(project["project"]["classifiers"])
    young = [canonicalize_name(name) if name else EVERYTHING for name in options.young]
    resolver = Resolver(project, datetime.now(UTC), keep=options.keep, young=young)
    locked, wheels, own = ROOT / "requirements.lock", ROOT / "requirements.wheels", ROOT / "tools" / "requirements.lock"
    try:
        main_lock = resolver.renew(["--group", "dev", "pyproject.toml"], locked, places)
        own_lock = resolver.renew(["--group", "pyproject.toml:release"], own, places)
    except LockError as error:
        print(f"make lock: {error}; nothing was written", file=sys.stderr)
        return 1
    show(locked, main_lock, resolver)
    show(own, own_lock, resolver)
    contents = {wheels: render_wheels(choose_wheels(main_lock.releases, places)), locked: main_lock.text, own: own_lock.text}
    if not replace(contents):
        print("nothing changed")
    return audit([locked, own])


if __name__ == "__main__":
    sys.exit(main())
