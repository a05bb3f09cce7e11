"""The committed locks keep their promises, offline; and the tool that renews them decides rightly, whatever uv and the index say."""

from __future__ import annotations

import email.message
import json
import re
import subprocess
import tomllib
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging import tags
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.conftest import REPOSITORY
from tools import lock as tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from packaging.utils import NormalizedName

LOCKS = [REPOSITORY / "requirements.lock", REPOSITORY / "tools" / "requirements.lock"]
WHEELS = REPOSITORY / "requirements.wheels"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PYTHONS = ["3.11", "3.12", "3.13"]
MACHINES = ["x86_64", "aarch64"]
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
NEW = NOW - timedelta(days=3)
PLACES = tool.targets([f"Programming Language :: Python :: {python}" for python in PYTHONS])


# --- the files that are committed ---------------------------------------------------------------------------------------------------


def pinned(path: Path) -> Iterator[tuple[Requirement, list[str]]]:
    """Read a lock in another way than the tool does: a line that is not indented begins a requirement, the indented ones are hashes."""
    for block in re.split(r"\n(?=\S)", path.read_text().strip()):
        head, *rest = [line.rstrip(" \\").strip() for line in block.splitlines()]
        yield Requirement(head), [line.removeprefix("--hash=sha256:") for line in rest]


def accepted(python: str, machine: str) -> set[tags.Tag]:
    """Return the tags that pip accepts on such a machine with glibc 2.34, that of the oldest distributions in support."""
    older = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(34, 4, -1)] + [f"{name}_{machine}" for name in older]
    version = (3, int(python.removeprefix("3.")))
    short = python.replace(".", "")
    return {*tags.cpython_tags(version, [f"cp{short}"], platforms), *tags.compatible_tags(version, f"cp{short}", platforms)}


def environment(python: str, machine: str) -> dict[str, str]:
    """Return what markers are judged by on such a machine."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    cpython = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return {**linux, **cpython, "platform_machine": machine, "python_version": python, "python_full_version": python + ".9"}


def listed() -> dict[tuple[NormalizedName, str], list[tuple[str, str]]]:
    """Return the committed wheels by release, each with its hash."""
    found: dict[tuple[NormalizedName, str], list[tuple[str, str]]] = {}
    for line in WHEELS.read_text().splitlines():
        digest, name = line.split("  ")
        release, version, _, _ = parse_wheel_filename(name)
        found.setdefault((release, str(version)), []).append((name, digest))
    return found


def release_of(requirement: Requirement) -> tuple[NormalizedName, str]:
    """Return name and version of a pin."""
    (only,) = requirement.specifier
    return canonicalize_name(requirement.name), only.version


@pytest.mark.parametrize(("python", "machine"), [*product(PYTHONS, MACHINES)])
def test_every_locked_package_has_a_wheel(python: str, machine: str) -> None:
    """On each supported Python and machine nothing is ever built: each package that its marker lets in has a wheel in the list."""
    fits, wheels = accepted(python, machine), listed()
    lacking = [
        str(requirement)
        for requirement, _ in pinned(LOCKS[0])
        if (requirement.marker is None or requirement.marker.evaluate(environment(python, machine)))
        and not any(parse_wheel_filename(name)[3] & fits for name, _ in wheels.get(release_of(requirement), []))
    ]
    assert not lacking


def test_every_listed_wheel_belongs_to_the_lock() -> None:
    """A wheel in the list is of a locked version, and its hash is one that the lock accepts for that version."""
    hashes = {release_of(requirement): set(digests) for requirement, digests in pinned(LOCKS[0])}
    for release, wheels in listed().items():
        assert {digest for _, digest in wheels} <= hashes[release], release


def test_the_list_is_what_sha256sum_reads() -> None:
    """Each line is a hash, two blanks and a file name; sorted, none twice."""
    lines = WHEELS.read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [A-Za-z0-9_.+-]+\.whl", line) for line in lines)
    names = [line.split("  ")[1] for line in lines]
    assert names == sorted(set(names))


@pytest.mark.parametrize("path", LOCKS, ids=["project", "tools"])
def test_every_pin_has_hashes(path: Path) -> None:
    """A lock of which one pin has no hash is refused by pip --require-hashes."""
    for requirement, digests in pinned(path):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert digests, requirement
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests), requirement


@pytest.mark.parametrize("path", [*LOCKS, WHEELS], ids=["project", "tools", "wheels"])
def test_no_index_address_is_committed(path: Path) -> None:
    """Where the files come from is the machine's business; an address here would reveal or force a registry."""
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"index-url|find-links|@", text)


@pytest.mark.parametrize(("path", "direct"), [(LOCKS[0], "dev"), (LOCKS[1], "release")], ids=["project", "tools"])
def test_everything_that_is_asked_for_is_locked(path: Path, direct: str) -> None:
    """A dependency added to pyproject.toml without renewing the lock would be missing on every machine."""
    asked = PROJECT["dependency-groups"][direct] + (PROJECT["project"]["dependencies"] if direct == "dev" else [])
    locked = {canonicalize_name(requirement.name) for requirement, _ in pinned(path)}
    assert {canonicalize_name(Requirement(text).name) for text in asked} <= locked


def test_the_lock_is_for_the_supported_pythons() -> None:
    """What uv resolves for, what the classifiers promise and what these tests judge are the same Pythons."""
    classifiers = [text for text in PROJECT["project"]["classifiers"] if "Python :: 3." in text]
    assert [text.rsplit(" ", 1)[1] for text in classifiers] == PYTHONS
    (written,) = PROJECT["tool"]["uv"]["environments"]
    resolved = [f"3.{minor}" for minor in range(11, 20) if Marker(written).evaluate(environment(f"3.{minor}", "x86_64"))]
    assert resolved == PYTHONS
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


# --- pure functions -----------------------------------------------------------------------------------------------------------------


def digest(letter: str) -> str:
    """Return what looks like a SHA-256."""
    return letter * 64


def wheel(name: str, letter: str, uploaded: datetime | None = OLD) -> tool.File:
    """Return a file in the index."""
    return tool.File(name, digest(letter), uploaded)


def release(name: str, version: str, *wheels: tool.File, marker: str = "") -> tool.Release:
    """Return a release."""
    return tool.Release(name, version, marker, wheels)


def pin(name: str, version: str, *letters: str) -> tool.Pin:
    """Return a pin."""
    return tool.Pin(name, version, "", frozenset(map(digest, letters)))


def test_a_lock_is_read_with_markers_and_hashes() -> None:
    """Names are canonical; comments and blank lines are nothing."""
    hashes = f"    --hash=sha256:{digest('a')} \\\n    --hash=sha256:{digest('b')}\n"
    text = f"# made by\n\nA.Thing==1.0 ; python_version < '3.12' \\\n{hashes}b==2\n"
    assert tool.parse_lock(text) == [
        tool.Pin("a-thing", "1.0", 'python_version < "3.12"', frozenset({digest("a"), digest("b")})),
        tool.Pin("b", "2", "", frozenset()),
    ]


@pytest.mark.parametrize("line", ["a", "a>=1", "a==1.*", "a==1,!=2"])
def test_what_is_not_one_version_is_no_pin(line: str) -> None:
    """A lock in which a version is left open is refused."""
    with pytest.raises(tool.LockError, match="not pinned"):
        tool.parse_lock(line + "\n")


def test_the_lock_says_only_what_differs_and_only_wheels() -> None:
    """What holds on all machines of the lock is not repeated; a source archive's hash (c) is left out, so that pip cannot build it."""
    implied = ["sys_platform == 'linux'", "python_full_version < '3.14'"]
    marker = 'python_full_version < "3.13" and sys_platform == "linux"'
    text = tool.render_lock(
        [
            tool.Pin("a", "1", marker, frozenset(map(digest, "cab"))),
            tool.Pin("d", "2", 'sys_platform == "linux"', frozenset({digest("d")})),
        ],
        [
            release("a", "1", wheel("a-1-py3-none-any.whl", "a"), wheel("a-1-py2-none-any.whl", "b")),
            release("d", "2", wheel("d-2.whl", "d")),
        ],
        implied,
    )
    head, first, second, other, last = text.splitlines()
    assert head == 'a==1 ; python_full_version < "3.13" \\'
    assert (first, second) == (f"    --hash=sha256:{digest('a')} \\", f"    --hash=sha256:{digest('b')}")
    assert (other, last) == ("d==2 \\", f"    --hash=sha256:{digest('d')}")
    assert digest("c") not in text


def test_a_marker_of_alternatives_is_left_alone() -> None:
    """Only a plain chain of conditions is shortened; in any other, a condition may not be taken out."""
    marker = '(python_version < "3.12" and sys_platform == "linux") or python_version >= "3.13"'
    assert tool.bare_marker(marker, ["sys_platform == 'linux'"]) == marker


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("a-1-py3-none-any.whl", {"3.11", "3.12", "3.13"}),
        ("a-1-py2.py3-none-any.whl", {"3.11", "3.12", "3.13"}),
        ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", {"3.12"}),
        ("a-1-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", {"3.11", "3.12", "3.13"}),
        ("a-1-cp312-abi3-manylinux_2_17_x86_64.whl", {"3.12", "3.13"}),
        ("a-1-py3-none-manylinux_2_17_x86_64.whl", {"3.11", "3.12", "3.13"}),
        ("a-1-cp313-cp313t-manylinux_2_17_x86_64.whl", set()),  # the interpreter without its lock is another one
        ("a-1-cp313-cp313-musllinux_1_2_x86_64.whl", set()),
        ("a-1-cp313-cp313-manylinux_2_17_aarch64.whl", set()),
        ("a-1-cp313-cp313-manylinux_2_39_x86_64.whl", set()),  # needs a C library that few have yet
        ("a-1-cp313-cp313-win_amd64.whl", set()),
        ("a-1-pp311-pypy311_pp73-manylinux_2_17_x86_64.whl", set()),
    ],
)
def test_which_wheels_fit_an_x86_machine(name: str, where: set[str]) -> None:
    """A wheel is for those Pythons that pip would install it on."""
    candidate = release("a", "1", wheel(name, "a"))
    assert {f"3.{place.minor}" for place in PLACES if place.machine == "x86_64" and tool.fitting(candidate, place)} == where


def test_only_wheels_that_somebody_installs_are_listed() -> None:
    """Of all files those that fit some target whose marker applies, each once and by name."""
    releases = [
        release("b", "1", wheel("b-1-cp311-cp311-manylinux_2_17_aarch64.whl", "b"), wheel("b-1-cp310-cp310-win_amd64.whl", "c")),
        release("a", "1", wheel("a-1-py3-none-any.whl", "a")),
        release("w", "1", wheel("w-1-py3-none-any.whl", "d"), marker="sys_platform == 'win32'"),
    ]
    assert tool.render_wheels(tool.choose_wheels(releases, PLACES)) == (
        f"{digest('a')}  a-1-py3-none-any.whl\n{digest('b')}  b-1-cp311-cp311-manylinux_2_17_aarch64.whl\n"
    )


def test_a_release_without_wheel_is_named_with_its_places() -> None:
    """What would need a compiler somewhere is named, with where; what is not installed there needs none."""
    releases = [
        release("a", "1", wheel("a-1-cp311-abi3-manylinux_2_17_x86_64.whl", "a")),
        release("b", "2", marker="python_version < '3.11'"),
        release("c", "3", wheel("c-3-py3-none-any.whl", "c")),
    ]
    (line,) = tool.without_wheel(releases, PLACES)
    assert line == "a 1 has no wheel for Python 3.11 on aarch64, Python 3.12 on aarch64, Python 3.13 on aarch64"


def test_changes_are_what_comes_goes_and_moves() -> None:
    """Same versions are no change, whatever their files; a package locked twice has two versions."""
    old = [pin("gone", "1"), pin("same", "1", "a"), pin("moved", "1"), pin("split", "1")]
    new = [pin("came", "2"), pin("same", "1", "b"), pin("moved", "2"), pin("split", "1"), pin("split", "2")]
    assert tool.compare(old, new) == [
        tool.Change("came", (), ("2",)),
        tool.Change("gone", ("1",), ()),
        tool.Change("moved", ("1",), ("2",)),
        tool.Change("split", ("1",), ("1", "2")),
    ]
    assert tool.other_files(old, new) == ["same"]


@pytest.mark.parametrize(
    ("uploaded", "known", "allowed", "refused"),
    [
        (NOW - timedelta(days=6, hours=23), False, [], True),
        (NOW - timedelta(days=7), False, [], False),
        (NEW, False, ["a"], False),
        (NEW, False, ["b"], True),
        (NEW, False, [tool.EVERYTHING], False),
        (NEW, True, [], False),  # in the lock already: somebody decided
        (None, False, [], False),  # said elsewhere: nobody knows
    ],
)
def test_what_is_younger_than_a_week_is_refused(uploaded: datetime | None, known: bool, allowed: list[str], refused: bool) -> None:
    """Judged by the dates of the files themselves, so that a file added late to an old release is seen too."""
    files = [wheel("a-1-py2-none-any.whl", "a"), wheel("a-1-py3-none-any.whl", "b", uploaded)]
    lines = tool.too_young([pin("a", "1", "a", *("b" if known else ""))], [release("a", "1", *files)], NOW, allowed)
    assert bool(lines) is refused
    assert all("a 1 was uploaded on 2026-03-1" in line and "--young a" in line for line in lines)


@pytest.mark.parametrize(
    ("headers", "stated"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "see file")], "MIT OR Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: BSD License"), ("Classifier", "Typing :: Typed")], "BSD License"),
        ([("License", "MIT\n\nPermission is hereby granted")], "MIT"),
        ([("Name", "a")], "not stated"),
    ],
)
def test_the_licence_is_the_most_exact_that_is_stated(headers: list[tuple[str, str]], stated: str) -> None:
    """The expression before the classifiers before the free text, of which the first line says enough."""
    metadata = email.message.Message()
    for name, value in headers:
        metadata.add_header(name, value)
    assert tool.licence(metadata) == stated


def test_the_table_is_one_that_a_person_reads() -> None:
    """Columns stand under each other; what does not exist is a dash, what is not known says so."""
    changes = [tool.Change("came", (), ("1.0",)), tool.Change("gone", ("2",), ()), tool.Change("dark", ("1",), ("2",))]
    releases = [release("came", "1.0", wheel("a.whl", "a", NEW), wheel("b.whl", "b", OLD)), release("dark", "2", wheel("c.whl", "c", None))]
    assert tool.render_changes(changes, releases, {"came": "MIT"}).splitlines() == [
        "  package  old  new  released    licence",
        "  came     -    1.0  2026-02-18  MIT",
        "  gone     2    -",
        "  dark     1    2    unknown     unknown",
    ]


def test_of_a_pylock_only_names_hashes_and_dates_are_read() -> None:
    """The address of a file is not kept; its name is decoded; an index without dates gives none."""
    text = f"""
        [[packages]]
        name = "A_b"
        version = "1+l"
        wheels = [
            {{ url = "s://h/a_b-1%2Bl-py3-none-any.whl#f", upload-time = 2026-02-18T12:00:00Z, hashes = {{ sha256 = "{digest("a")}" }} }},
            {{ url = "s://h/a_b-1-py2-none-any.whl", hashes = {{ sha256 = "{digest("b")}" }} }},
        ]
        [[packages]]
        name = "s"
        version = "1"
        marker = "sys_platform == 'linux'"
        sdist = {{ url = "s://h/s-1.tar.gz", hashes = {{ sha256 = "{digest("c")}" }} }}
    """
    assert tool.read_releases(text) == [
        release("a-b", "1+l", wheel("a_b-1+l-py3-none-any.whl", "a"), wheel("a_b-1-py2-none-any.whl", "b", None)),
        release("s", "1", marker="sys_platform == 'linux'"),
    ]


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        (
            "warning: x\nerror: No solution found when resolving dependencies:\n  cause: Because a\n   depends on b, no.\n\nhint: try\n",
            "No solution found when resolving dependencies: Because a depends on b, no.",
        ),
        ("error: Request failed after 3 retries\n  cause: Failed to fetch: here\n", "the package registry cannot be reached ("),
        ("", "uv failed and did not say why"),
    ],
)
def test_a_complaint_becomes_one_line(complaint: str, said: str) -> None:
    """It is uv's own sentence, without warnings and hints; the registry's absence by its name."""
    line = tool.sentence(complaint)
    assert line.startswith(said)
    assert "\n" not in line


def test_pip_tells_the_index() -> None:
    """The environment's setting comes before the file's; none is none."""
    assert tool.index_of(":env:.index-url='one'\nglobal.index-url='two'\nglobal.extra-index-url='three'\n") == "one"
    assert tool.index_of("global.index-url='two'\n") == "two"
    assert tool.index_of("global.extra-index-url='three'\n") is None


# --- the whole, with uv and pip-audit played ----------------------------------------------------------------------------------------


class Programs:
    """Plays uv, pip and pip-audit; the world it plays is in its attributes."""

    def __init__(self) -> None:
        self.version = "2.0"
        self.dated = True
        self.uploaded = OLD
        self.complaint = ""
        self.wheel = "a-{version}-py3-none-any.whl"
        self.database: Callable[[str], dict[str, Any] | None] = lambda _: None
        self.asked: list[list[str]] = []

    def run(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Answer as the program would."""
        self.asked.append(list(arguments))
        if arguments[0] == "pip_audit":
            report = self.database(Path(arguments[-1]).read_text())
            return self.answer("" if report is None else json.dumps(report), "" if report else "no such host", 0 if report else 1)
        if arguments[:3] == ["uv", "pip", "compile"]:
            return self.compile(arguments)
        return self.answer()

    def compile(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Resolve to one package, as uv would."""
        if self.complaint:
            return self.answer(errors=self.complaint, code=1)
        if not self.dated and any(argument.startswith("--exclude-newer=") for argument in arguments):
            return self.answer(errors="warning: `a.whl` is missing an upload date, but user provided: x\nerror: No solution found", code=1)
        if "pylock.toml" in arguments:
            when = f"upload-time = {self.uploaded:%Y-%m-%dT%H:%M:%SZ}, " if self.dated else ""
            file = f'{{ url = "s://h/{self.wheel.format(version=self.version)}", {when}hashes = {{ sha256 = "{self.hash()}" }} }}'
            return self.answer(f'[[packages]]\nname = "a"\nversion = "{self.version}"\nwheels = [{file}]\n')
        out = Path(arguments[list(arguments).index("-o") + 1])
        out.write_text(f"a=={self.version} ; sys_platform == 'linux' \\\n    --hash=sha256:{self.hash()}\n")
        return self.answer()

    def hash(self) -> str:
        """Return the hash of the one wheel there is."""
        return digest(self.version[0])

    @staticmethod
    def answer(output: str = "", errors: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        """Return what a program said."""
        return subprocess.CompletedProcess([], code, output, errors)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a lock of version 1."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nrequires-python = ">=3.11"\nclassifiers = ["Programming Language :: Python :: 3.11"]\n'
        "[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]\n"
    )
    for path in (tmp_path / "requirements.lock", tmp_path / "tools" / "requirements.lock"):
        path.write_text(f"a==1.0 \\\n    --hash=sha256:{digest('1')}\n")
    (tmp_path / "requirements.wheels").write_text(f"{digest('1')}  a-1.0-py3-none-any.whl\n")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def programs(root: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The programs, played; the clock stands at noon."""
    played = Programs()
    monkeypatch.setattr(tool, "run", played.run)

    class Noon(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Noon:
            return cls(2026, 3, 20, 12, 0, tzinfo=tz)

    monkeypatch.setattr(tool, "datetime", Noon)
    return played


def contents(root: Path) -> dict[str, str]:
    """Return every file of the project."""
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_renewal_writes_all_three_files(root: Path, programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    """The new version with its date stands in the table; lock, wheels and the tool's own lock agree; nothing else is left."""
    assert tool.main([]) == 0
    written = contents(root)
    assert written["requirements.lock"] == written["tools/requirements.lock"] == f"a==2.0 \\\n    --hash=sha256:{digest('2')}\n"
    assert written["requirements.wheels"] == f"{digest('2')}  a-2.0-py3-none-any.whl\n"
    assert len(written) == 4
    said = capsys.readouterr().out
    assert "a        1.0  2.0  2026-02-18" in said
    assert "could not be asked" in said


def test_the_second_time_nothing_changes(root: Path, programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    """Without anything new the run says so and leaves the files untouched."""
    tool.main([])
    before = [path.stat().st_mtime_ns for path in root.rglob("*.*")]
    capsys.readouterr()
    assert tool.main([]) == 0
    assert capsys.readouterr().out.startswith("nothing changed\n")
    assert [path.stat().st_mtime_ns for path in root.rglob("*.*")] == before


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        ("error: Request failed\n  cause: Failed to fetch: x", "the package registry cannot be reached"),
        ("error: No solution found\n  cause: Because a and b, no.", "Because a and b, no."),
    ],
)
def test_without_a_resolution_nothing_is_written(
    root: Path, programs: Programs, capsys: pytest.CaptureFixture[str], complaint: str, said: str
) -> None:
    """Registry away or versions in conflict: one sentence, exit 1, every file as it was."""
    before = contents(root)
    programs.complaint = complaint
    assert tool.main([]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert contents(root) == before


def test_the_resolver_is_told_to_leave_out_the_last_week(root: Path, programs: Programs) -> None:
    """What is younger is out of uv's sight, but for what is named."""
    tool.main(["--young", "B_c"])
    first = next(asked for asked in programs.asked if asked[:3] == ["uv", "pip", "compile"])
    assert "--exclude-newer=2026-03-13T12:00:00Z" in first
    assert "--exclude-newer-package=b-c=2026-03-20T12:00:00Z" in first


def test_a_young_release_is_refused_even_if_the_resolver_takes_it(
    root: Path, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dates are judged again; nothing is written; `--young` and `--young NAME` let it pass."""
    programs.uploaded = NEW
    before = contents(root)
    assert tool.main([]) == 1
    assert "a 2.0 was uploaded on 2026-03-17, less than a week ago (--young a); nothing was written" in capsys.readouterr().err
    assert contents(root) == before
    assert tool.main(["--young", "a"]) == 0
    assert contents(root) != before


def test_an_index_without_dates_is_said_to_have_none(root: Path, programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    """The lock is renewed all the same, and nobody is told that it is a week old."""
    programs.dated = False
    assert tool.main([]) == 0
    said = capsys.readouterr().out
    assert "the index gives no release dates" in said
    assert "2.0  unknown" in said
    assert "a==2.0" in contents(root)["requirements.lock"]


def test_a_release_that_would_need_a_compiler_is_refused(root: Path, programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    """A version without wheel for one of the machines is not locked."""
    programs.wheel = "a-{version}-cp311-cp311-manylinux_2_17_x86_64.whl"
    before = contents(root)
    assert tool.main([]) == 1
    assert "a 2.0 has no wheel for Python 3.11 on aarch64" in capsys.readouterr().err
    assert contents(root) == before


def test_keeping_asks_for_no_upgrade_and_shows_uv_the_present_lock(root: Path, programs: Programs) -> None:
    """With `--keep` what is locked may stay, however young; without it uv starts from nothing."""
    tool.main(["--keep"])
    kept = next(asked for asked in programs.asked if asked[:3] == ["uv", "pip", "compile"])
    programs.asked.clear()
    tool.main([])
    renewed = next(asked for asked in programs.asked if asked[:3] == ["uv", "pip", "compile"])
    assert "--upgrade" not in kept
    assert "--exclude-newer-package=a=2026-03-20T12:00:00Z" in kept
    assert "--upgrade" in renewed


def test_a_failed_write_leaves_the_old_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of writing: every file is whole and old, and no half of a new one lies about."""
    before = contents(root)
    write = Path.write_text

    def full(path: Path, text: str) -> int:
        write(path, text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        tool.replace({root / "requirements.lock": "a==3\n", root / "requirements.wheels": "x\n"})
    assert contents(root) == before


def known(*weak: str) -> Callable[[str], dict[str, Any]]:
    """Return a database that knows the weaknesses of these packages, and that others exist."""

    def report(requirements: str) -> dict[str, Any]:
        pins = tool.parse_lock(requirements)
        weakness = [{"id": "CVE-1", "fix_versions": ["9"]}]
        return {"dependencies": [{"name": pin.name, "version": pin.version, "vulns": weakness if pin.name in weak else []} for pin in pins]}

    return report


def ignorant(requirements: str) -> dict[str, Any]:
    """Be a registry's mirror that serves files and knows of no weakness."""
    return {"dependencies": [{"name": pin.name, "skip_reason": "not found"} for pin in tool.parse_lock(requirements)]}


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (known("urllib3"), (0, "audit: no known vulnerabilities (pypi)")),
        (known("urllib3", "a"), (1, "audit: a 2.0: CVE-1, cured in 9")),
        (known(), (0, "could not be asked")),  # it answers, and does not know what everybody knows
        (ignorant, (0, "could not be asked")),
        (lambda _: None, (0, "could not be asked")),
    ],
)
def test_what_the_database_of_vulnerabilities_says(
    root: Path, programs: Programs, capsys: pytest.CaptureFixture[str], database: Any, expected: tuple[int, str]
) -> None:
    """Found: listed, exit 1. Not reached, or it knows nothing at all: said in one line, exit 0, and never called clean."""
    programs.database = database
    code, said = expected
    assert tool.main([]) == code
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("audit: ")]
    assert len(lines) == 1
    assert said in lines[0]


def test_packages_that_the_database_does_not_know_are_named(root: Path, programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    """What was not judged is not called good."""
    programs.database = lambda text: known("urllib3")(text) if "urllib3" in text else ignorant(text)
    assert tool.main([]) == 0
    assert "audit: nothing is known about a\n" in capsys.readouterr().out
