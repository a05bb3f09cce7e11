"""``questions``, ``answer`` and ``resend`` as a person types them: checked, corrected, taken back, and told what was done."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import pytest

from tests.system.support import kassabrug, made_up_day, vendors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

KEY = "payment_method:ideal"


def without(config: Path, line: str) -> None:
    """Take a line out of a configuration."""
    text = config.read_text(encoding="utf-8")
    assert line in text
    config.write_text(text.replace(line, ""), encoding="utf-8")


def test_an_answer_is_checked_corrected_and_taken_back(tmp_path: Path) -> None:
    """An account that does not exist is refused with those that do; a correction names what was booked with the wrong one."""
    with vendors(tmp_path, "--receipts", made_up_day(tmp_path / "day.csv", 4)) as shop:
        config = ("--config", shop.config)
        without(shop.config, 'ideal = "iDEAL"\n')
        number = shop.sell("22001", 1, "ideal")
        assert kassabrug(tmp_path, "sync", "--json", "--flow", "sales", *config).last["held"] == 1
        asked = kassabrug(tmp_path, "questions", "--json", *config)
        [question] = asked.last["questions"]
        assert (asked.code, question["key"], question["waiting"], asked.last["answered"]) == (1, KEY, 1, [])
        assert {"Pin", "Kas", "iDEAL"} <= set(question["offers"])
        assert "there are: " in kassabrug(tmp_path, "questions", *config).out

        wrong = kassabrug(tmp_path, "answer", KEY, "iDAEL", *config)
        assert (wrong.code, wrong.out) == (1, "")
        assert wrong.err.startswith(f"{KEY}: 'iDAEL' is no bank or cash account of the books; there are: ")
        assert all(name in wrong.err for name in question["offers"])
        assert kassabrug(tmp_path, "answer", KEY, "Kas", *config).out == "Answered; 1 record(s) go on.\n"
        assert kassabrug(tmp_path, "sync", "--flow", "sales", *config).code == 0

        right = kassabrug(tmp_path, "answer", "--json", KEY, "iDEAL", *config)
        assert (right.code, right.last["released"]) == (0, 0), right.err
        assert [(one["record"], one["answer"]) for one in right.last["booked_otherwise"]] == [(number, "Kas")]
        [answered] = kassabrug(tmp_path, "questions", "--json", *config).last["answered"]
        assert (answered["answer"], answered["by"].split()[-1]) == ("iDEAL", getpass.getuser())
        assert f"answered iDEAL instead of Kas (by {answered['by']})" in kassabrug(tmp_path, "why", KEY, *config).out

        back = kassabrug(tmp_path, "answer", KEY, "--revoke", *config)
        assert back.out.splitlines()[0] == "Taken back; 0 record(s) go on."
        assert number in back.out
        assert kassabrug(tmp_path, "answer", KEY, "--revoke", *config).err == f"{KEY}: it has no answer\n"

        resent = kassabrug(tmp_path, "resend", "--json", number, "NOBODY", *config)
        assert (resent.code, resent.last) == (1, {"queued": 1, "missing": ["NOBODY"]})


def test_an_answer_that_nobody_can_check_is_taken_only_unseen(tmp_path: Path) -> None:
    """The books are away: it says so, and takes the answer as it is when told to; what the file says needs no answer."""
    with vendors(tmp_path, "--receipts", made_up_day(tmp_path / "day.csv", 2)) as shop:
        config = ("--config", shop.config)
        without(shop.config, 'ideal = "iDEAL"\n')
        shop.sell("22001", 1, "ideal")
        assert kassabrug(tmp_path, "sync", "--flow", "sales", *config).code == 1
    away = kassabrug(tmp_path, "answer", KEY, "iDEAL", *config)
    assert (away.code, away.out) == (1, "")
    assert "the books cannot be asked whether there is 'iDEAL'" in away.err
    assert kassabrug(tmp_path, "answer", KEY, "iDEAL", "--unchecked", *config).code == 0
    shop.config.write_text(
        shop.config.read_text(encoding="utf-8").replace("[links.shop.payment_methods]", '[links.shop.payment_methods]\nideal = "iDEAL"'),
        encoding="utf-8",
    )
    said = kassabrug(tmp_path, "answer", KEY, "Kas", *config)
    assert (said.code, said.err) == (1, f"{KEY}: the configuration says iDEAL, and no answer counts beside it: change it there\n")


@pytest.mark.parametrize("arguments", [(KEY,), (KEY, "Kas", "--revoke")], ids=["nothing", "both"])
def test_an_answer_or_its_end(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """One of the two, else the usage."""
    assert kassabrug(tmp_path, "answer", *arguments).code == 2
