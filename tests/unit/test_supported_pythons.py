"""The versions of Python that are supported are said in several places, which say the same."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from tests.conftest import REPOSITORY

#: (3, 11) for 3.11
Version = tuple[int, int]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """What ``pyproject.toml`` says."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def tried(project: dict[str, Any]) -> list[Version]:
    """Return the versions that the classifiers name, in their order."""
    found = [re.fullmatch(r"Programming Language :: Python :: (\d+)\.(\d+)", one) for one in project["project"]["classifiers"]]
    return [(int(match[1]), int(match[2])) for match in found if match]


def lowest(project: dict[str, Any]) -> Version:
    """Return the version from which on the program can be installed."""
    match = re.fullmatch(r">=(\d+)\.(\d+)", project["project"]["requires-python"])
    assert match, "a lower bound and nothing else: an upper one would keep people from what works"
    return int(match[1]), int(match[2])


def test_the_lowest_version_is_the_first_that_was_tried(project: dict[str, Any]) -> None:
    """Nobody can install it where it was never tried, and every version from the lowest on was tried, without a gap."""
    major, minor = lowest(project)
    versions = tried(project)
    assert versions
    assert versions == [(major, minor + step) for step in range(len(versions))]


def test_what_is_checked_is_checked_for_the_lowest_version(project: dict[str, Any]) -> None:
    """Ruff and mypy would let pass what a newer version can and the lowest cannot."""
    major, minor = lowest(project)
    assert project["tool"]["ruff"]["target-version"] == f"py{major}{minor}"
    assert project["tool"]["mypy"]["python_version"] == f"{major}.{minor}"


def test_what_a_person_is_told_is_what_can_be_installed(project: dict[str, Any]) -> None:
    """The README names the lowest version, and no other."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"Python (\d+\.\d+)", text)) == {"{}.{}".format(*lowest(project))}
