"""``demo --once``: a whole day in one process, and its verdict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.system.support import kassabrug, made_up_day, retail

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.support import Finished

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

AMOUNT = re.compile(r"-?\d+\.\d\d")
COLUMNS = ["created", "updated", "unchanged", "skipped", "held", "failed"]


def real(*days: str) -> list[str | Path]:
    """The arguments for real days; a test without them is left out."""
    arguments = retail(*days)
    if not arguments:
        pytest.skip("the retail data is not here")
    return arguments


def agrees(day: Finished) -> None:
    """Till and books agree to the cent, nothing is held, and every receipt is accounted for."""
    assert day.code == 0, day.err
    result = day.last
    assert result["difference"] == "0.00"
    assert result["held"] == 0
    assert result["till"]["gross"] == result["books"]["gross"]
    sales = result["flows"]["sales"]
    assert result["books"]["documents"] == sales["created"]
    assert result["till"]["receipts"] - result["books"]["documents"] in {0, sales["skipped"]}
    assert result["flows"]["products"]["created"] > 0


def test_the_last_line_has_the_shape_that_others_rely_on(tmp_path: Path) -> None:
    """Exactly these keys; amounts are texts with two decimals; the made-up shop settles without a word from a person."""
    day = kassabrug(tmp_path, "demo", "--once", "--json")
    agrees(day)
    result = day.last
    assert list(result) == ["till", "books", "difference", "held", "flows"]
    assert list(result["till"]) == ["receipts", "gross"]
    assert list(result["books"]) == ["documents", "gross"]
    assert all(AMOUNT.fullmatch(amount) for amount in (result["till"]["gross"], result["books"]["gross"], result["difference"]))
    assert list(result["flows"]) == ["products", "stock", "customers", "sales"]
    assert all(list(row) == COLUMNS and all(type(number) is int for number in row.values()) for row in result["flows"].values())
    assert (result["till"]["receipts"], result["books"]["documents"]) == (60, 58), "two of the sixty are stock corrections"


def test_for_people_it_prints_tables_and_the_verdict(tmp_path: Path) -> None:
    """What became of the receipts, till against books, what each flow did, and one sentence; another seed is another shop."""
    day = kassabrug(tmp_path, "demo", "--once", "--seed", "7")
    assert day.code == 0, day.err
    assert [title for title in ("60 receipts in the till", "Till and books", "What was done") if title not in day.out] == []
    assert re.search(r"│ gross +│ +(\d+\.\d\d) │ +\1 │ +0\.00 │", day.out)
    assert re.search(r"│ not paid yet +│ +│ +0\.00 │", day.out)
    assert re.search(r"│ products whose stock differs +│ +│ +│ +0 │", day.out)
    assert day.out.endswith("Till and books agree to the cent.\n")


def test_a_real_day_comes_out_to_the_cent(tmp_path: Path) -> None:
    """Thirty-eight receipts as a shop rang them up: refunds, postage, a discount, a correction."""
    day = kassabrug(tmp_path, "demo", "--once", "--json", *real("2010-12-23"))
    agrees(day)
    assert day.last["books"]["documents"] == 37


def test_three_days_are_one_shop(tmp_path: Path) -> None:
    """Several files in one call are several days of the same shop: two real ones and a small one."""
    small = ("--receipts", made_up_day(tmp_path / "small.csv", 12))
    days = kassabrug(tmp_path, "demo", "--once", "--json", *real("2010-12-23", "2011-02-14"), *small)
    agrees(days)
    assert days.last["books"]["documents"] == 37 + 54 + 12
