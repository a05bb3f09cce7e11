"""The page about SalesPOS says what the dialect says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.salespos import dialect, marks
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

PAGE: Path = REPOSITORY / "docs" / "vendors" / "salespos.md"


def test_the_page_is_made_from_the_dialect() -> None:
    """A belief that was added, changed or dropped without the page fails here; the module says how to make it anew."""
    assert PAGE.read_text("utf-8") == marks.page()


def test_every_belief_stands_on_the_page_under_its_status() -> None:
    """Each once, with its text; none is left out."""
    sections = dict(zip(["head", *dialect.Status], marks.page().split("\n## "), strict=True))
    for name, mark in dialect.MARKS.items():
        here = [status for status in dialect.Status if f"`{name}`" in sections[status] or f"`{name}()`" in sections[status]]
        assert here == [mark.status], name
        assert mark.text.replace("|", "\\|") in sections[mark.status]


def test_a_changed_belief_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another value, another text, another status: the page is no longer the committed one."""
    before = marks.page()
    changes: list[Callable[[pytest.MonkeyPatch], None]] = [
        lambda patch: patch.setattr(dialect, "PAGE_SIZE", 100),
        lambda patch: patch.setitem(dialect.MARKS, "PAGE_SIZE", dialect.Mark(dialect.Status.INFERRED, "something else", "x")),
        lambda patch: patch.setitem(dialect.MARKS, "sale.order", dialect.Mark(dialect.Status.EVIDENCE, "A sale is an order.", "x")),
        lambda patch: patch.delitem(dialect.MARKS, next(reversed(dialect.MARKS))),
    ]
    for change in changes:
        with monkeypatch.context() as patch:
            change(patch)
            assert marks.page() != before
    assert marks.page() == before
