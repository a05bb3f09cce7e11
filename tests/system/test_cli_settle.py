"""``settle``: beside a running daemon, as a person would type it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.support import ask, kassabrug, started, until, vendors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

SKU = "01001A"


def test_a_payment_that_cannot_be_decided_is_settled_while_the_daemon_runs(tmp_path: Path) -> None:
    """Its answer was lost and the bookkeeper booked money meanwhile: the receipt is held, and goes on with what a person says."""
    with vendors(tmp_path) as shop:
        config = ("--config", shop.config)
        assert kassabrug(tmp_path, "sync", "--flow", "sales", *config).code == 0
        body = {"kind": "status_500", "path": "/v2/customerinvoices/*/payments"}
        assert ask("POST", f"{shop.books}/_sandbox/outages", json.dumps(body).encode())[0] == 201
        number = shop.sell(SKU, 3)
        with started(tmp_path, "run", *config) as daemon:
            until(lambda: shop.booked(number), within=20, what="the document is there", alive=daemon)
            until(lambda: story(tmp_path, shop.config, number)["state"] == "uncertain", within=10, what="the payment is lost", alive=daemon)
            paid = json.dumps({"amount": "0.01", "account": "Kas"}).encode()
            status, _, said = ask("POST", f"{shop.books}/_sandbox/documents/KB-{number}/payments", paid)
            assert status < 300, said
            assert ask("DELETE", f"{shop.books}/_sandbox/outages")[0] == 204
            until(lambda: story(tmp_path, shop.config, number)["reason"] == "undecidable", within=90, what="it is held", alive=daemon)
            settled = kassabrug(tmp_path, "settle", number, "--as", "happened", *config)
            assert (settled.code, settled.out) == (0, f"{number}: 1 write(s) settled as happened; the record goes on.\n")
            until(lambda: story(tmp_path, shop.config, number)["state"] == "done", within=10, what="it goes on", alive=daemon)
            told = kassabrug(tmp_path, "why", number, "--json", *config).last
            [line] = [one for one in told["history"] if one["event"] == "settled by hand"]
            assert "happened, says " in line["detail"]
            again = kassabrug(tmp_path, "settle", number, "--as", "did-not", *config)
            assert (again.code, again.out) == (1, "")
            assert again.err.startswith(f"{number}: no write of this record has an unknown outcome")


def test_settle_wants_to_know_what_happened(tmp_path: Path) -> None:
    """There is no default for what only a person knows."""
    assert kassabrug(tmp_path, "settle", "1").code == 2
    assert kassabrug(tmp_path, "settle", "1", "--as", "perhaps").code == 2


def story(folder: Path, config: Path, number: str) -> dict[str, str]:
    """The state of a receipt, as ``why`` tells it."""
    [work] = kassabrug(folder, "why", number, "--json", "--config", config).last["works"]
    return dict(work)
