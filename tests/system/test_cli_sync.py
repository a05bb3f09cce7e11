"""``sandbox``, ``sync`` and the commands that look at what it left."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.system.support import kassabrug, made_up_day, references, started, vendors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]


def test_a_second_sync_finds_everything_done_and_writes_nothing(tmp_path: Path) -> None:
    """``sandbox --config-out`` is a configuration as it is; ``plan`` before says what ``sync`` does, and after it has nothing to say."""
    with vendors(tmp_path) as shop:
        config = ("--config", shop.config)
        planned = kassabrug(tmp_path, "plan", "--json", "--flow", "sales", *config)
        assert planned.code == 0, planned.err
        assert shop.writes() == 0, "a plan is a plan"

        first = kassabrug(tmp_path, "sync", "--json", *config)
        assert (first.code, first.last["difference"], first.last["held"]) == (0, "0.00", 0), first.err
        assert shop.in_step()
        assert planned.last["counts"]["sales"]["create"] == len(shop.books_ledger()["documents"])

        written = shop.writes()
        again = kassabrug(tmp_path, "sync", "--json", *config)
        assert again.code == 0, again.err
        assert shop.writes() == written, "nothing changed, so nothing is written"
        assert {name: first.last[name] for name in ("till", "books")} == {name: again.last[name] for name in ("till", "books")}
        assert {(row["created"], row["updated"], row["failed"]) for row in again.last["flows"].values()} == {(0, 0, 0)}

        after = kassabrug(tmp_path, "plan", "--json", *config)
        assert (after.code, after.last["counts"]) == (0, {}), after.out
        assert after.last["actions"] == []
        assert kassabrug(tmp_path, "plan", *config).out == "Nothing to do.\n"
        assert shop.writes() == written


def test_what_was_done_can_be_looked_up(tmp_path: Path) -> None:
    """``status`` counts, ``why`` tells the story of one receipt, ``questions`` has none."""
    with vendors(tmp_path) as shop:
        config = ("--config", shop.config)
        assert kassabrug(tmp_path, "sync", *config).code == 0

        status = kassabrug(tmp_path, "status", "--json", *config)
        assert status.code == 0, status.err
        sales = next(flow for flow in status.last["flows"] if flow["flow"] == "sales")
        ledger = shop.books_ledger()
        assert (sales["settled"], sales["open"], sales["books"]) == (60, {}, ledger["gross"])
        assert (status.last["running"], status.last["held"], status.last["questions"], status.last["alerts"]) == (None, [], [], [])
        assert "not running" in kassabrug(tmp_path, "status", *config).out

        document = ledger["documents"][0]
        number = document["reference"].removeprefix("KB-")
        why = kassabrug(tmp_path, "why", "--json", number, *config)
        assert why.code == 0, why.err
        [work] = why.last["works"]
        assert (work["flow"], work["label"], work["state"], work["outcome"]) == ("sales", number, "done", "created")
        assert {(write["operation"], write["state"]) for write in why.last["writes"]} >= {("document", "done"), ("payment", "done")}
        assert all(write["reference"] == document["reference"] for write in why.last["writes"] if write["operation"] == "document")
        told = kassabrug(tmp_path, "why", number, *config)
        assert f"sales {number}: done, created" in told.out

        nobody = kassabrug(tmp_path, "why", "NO-SUCH-RECEIPT", *config)
        assert (nobody.code, nobody.out) == (1, "")
        assert nobody.err.startswith("NO-SUCH-RECEIPT: never seen")
        assert kassabrug(tmp_path, "questions", *config).out == "No question waits for an answer.\n"


def test_a_settled_receipt_that_is_sent_again_is_found(tmp_path: Path) -> None:
    """``resend`` of what is booked, and of what was skipped, doubles nothing and holds nothing."""
    with vendors(tmp_path) as shop:
        config = ("--config", shop.config)
        assert kassabrug(tmp_path, "sync", "--flow", "sales", *config).code == 0
        ledger = shop.books_ledger()
        booked = {reference.removeprefix("KB-") for reference in references(ledger)}
        skipped = {f"260314{number:03d}" for number in range(1, 61)} - booked
        numbers = (min(booked), min(skipped))
        resent = kassabrug(tmp_path, "resend", *numbers, *config)
        assert (resent.code, resent.out) == (0, "2 record(s) queued again.\n")
        again = kassabrug(tmp_path, "sync", "--json", "--flow", "sales", *config)
        assert (again.code, again.last["held"]) == (0, 0), again.err
        assert references(shop.books_ledger()) == references(ledger)
        assert shop.books_ledger()["gross"] == ledger["gross"]


def test_one_flow_alone_leaves_the_others_alone(tmp_path: Path) -> None:
    """``--flow sales`` books receipts and touches no product of the till."""
    with vendors(tmp_path) as shop:
        result = kassabrug(tmp_path, "sync", "--json", "--flow", "sales", "--config", shop.config)
        assert result.code == 0, result.err
        assert result.last["flows"]["sales"]["created"] == shop.till_ledger()["receipts"]
        assert set(result.last["flows"]["products"].values()) == {0}
        assert shop.till_ledger()["products"] == 0


def test_vendors_that_answer_rubbish_cost_time_and_nothing_else(tmp_path: Path) -> None:
    """HTML instead of JSON, answers cut in half, 500 and resets after the effect: no cent differs, no document is doubled.

    What was held meanwhile is named, and sent again it finds what is there.
    """
    rates = {"not_json": 0.2, "cut_body": 0.1, "status_500": 0.05, "reset_after": 0.05}
    table = "".join(f"{name} = {rate}\n" for name, rate in rates.items())
    faults = tmp_path / "faults.toml"
    faults.write_text(f"[eaccounting]\n{table}[salespos]\n{table}", encoding="utf-8")
    with vendors(tmp_path, "--faults", faults, "--receipts", made_up_day(tmp_path / "day.csv", 16)) as shop:
        config = ("--config", shop.config)
        with started(tmp_path, "sync", "--json", "--flow", "sales", *config) as sync:
            with suppress(subprocess.TimeoutExpired):
                sync.process.wait(6)
            shop.strike(**dict.fromkeys(rates, 0.0))
            code = sync.process.wait(40)
            assert sync.out.read_text(encoding="utf-8"), sync.said
            result = json.loads(sync.out.read_text(encoding="utf-8").splitlines()[-1])
        assert len(set(references(shop.books_ledger()))) == len(shop.books_ledger()["documents"]), "a document is doubled"
        assert result["difference"] == "0.00"
        held = kassabrug(tmp_path, "status", "--json", *config).last["held"]
        assert (result["held"], all(one["label"] and one["explanation"] and one["detail"] for one in held)) == (len(held), True)
        assert code in {0, 1}, sync.said
        assert code == 1 or (shop.in_step() and not held), "it said that all is well"
        if held:
            assert kassabrug(tmp_path, "resend", *(one["label"] for one in held), *config).code == 0
        again = kassabrug(tmp_path, "sync", "--json", "--flow", "sales", *config)
        assert (again.code, again.last["held"], again.last["till"]["receipts"]) == (0, 0, 16), again.err
        assert shop.in_step()


def test_the_sandbox_says_how_it_is_reached_and_ends_when_told(tmp_path: Path) -> None:
    """One line of JSON with everything that another program needs; SIGTERM ends it with 0."""
    with vendors(tmp_path) as shop:
        [line] = shop.program.out.read_text(encoding="utf-8").splitlines()
        ready = json.loads(line)
        assert list(ready) == ["eaccounting", "salespos", "pid"]
        assert list(ready["eaccounting"]) == ["api", "identity", "client_id", "client_secret", "refresh_token", "access_token"]
        assert list(ready["salespos"]) == ["api", "public_key", "secret_key"]
        assert shop.config.stat().st_mode & 0o777 == 0o600
        assert shop.program.end() == 0
