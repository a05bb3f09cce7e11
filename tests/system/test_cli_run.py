"""``run``: the daemon as a service manager starts it, asks it, stops it, and kills it."""

from __future__ import annotations

import json
import re
import signal
import tomllib
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.system.support import adapt, ask, free_ports, kassabrug, references, started, until, vendors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.support import Program

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

#: an article of the shop that seed 1 makes up
SKU = "01001A"


@contextmanager
def daemon(folder: Path, config: Path) -> Iterator[tuple[Program, str]]:
    """Run the daemon until its web answers; gives it and its base address."""
    address = f"http://{tomllib.loads(config.read_text(encoding='utf-8'))['daemon']['listen']}"
    with started(folder, "run", "--config", config) as program:
        program.says("started")
        assert ask("GET", f"{address}/livez")[0] == 200
        yield program, address


def health_of(address: str) -> dict[str, Any]:
    """What the health endpoint says."""
    return cast("dict[str, Any]", json.loads(ask("GET", f"{address}/health")[2]))


def test_a_sale_is_booked_within_ten_seconds(tmp_path: Path) -> None:
    """As shipped, without any tuning: a sale at the till and an order through its API, while a backlog is being worked off."""
    with vendors(tmp_path) as shop, daemon(tmp_path, shop.config) as (program, _):
        until(lambda: len(shop.books_ledger()["documents"]) > 10, within=20, what="the backlog is being booked", alive=program)
        for number in (shop.sell(SKU, 2, "cash"), shop.place(SKU, "12.50")):
            until(lambda sold=number: shop.booked(sold), within=10, what=f"{number} is booked", alive=program)  # type: ignore[misc]  # bound now
        until(shop.in_step, within=20, what="all is booked and paid", alive=program)
        twice = [reference for reference, times in Counter(references(shop.books_ledger())).items() if times > 1]
        assert twice == []


def test_probes_prometheus_and_people_are_answered(tmp_path: Path) -> None:
    """The five addresses, each in its own form, none with a secret or a company's name; and SIGTERM ends it with 0 in five seconds."""
    with vendors(tmp_path) as shop, daemon(tmp_path, shop.config) as (program, address):
        until(shop.in_step, within=20, what="the backlog is booked", alive=program)
        # the catalogue takes a moment longer than the receipts
        until(lambda: health_of(address)["status"] == "pass", within=20, what=lambda: f"healthy: {health_of(address)}", alive=program)
        answers = {path: ask("GET", address + path) for path in ("/livez", "/readyz", "/health", "/metrics", "/")}
        assert {path: status for path, (status, _, _) in answers.items()} == dict.fromkeys(answers, 200)
        assert answers["/health"][1].startswith("application/health+json")
        assert answers["/readyz"][1].startswith("application/json")
        assert answers["/"][1].startswith("text/html")
        assert b"<script src" not in answers["/"][2]
        health = json.loads(answers["/health"][2])
        assert {"status", "checks"} <= health.keys()
        assert any(name.startswith("flow-sales") for name in health["checks"])
        metrics = answers["/metrics"][2].decode()
        booked = re.search(r'(?m)^kassabrug_records_total\{.*?flow="sales".*?outcome="created".*?\} (\d+)', metrics)
        assert booked
        assert int(booked[1]) == len(shop.books_ledger()["documents"])
        config = tomllib.loads(shop.config.read_text(encoding="utf-8"))["connections"]
        secrets = [config["books"][name] for name in ("client_secret", "refresh_token", "access_token")] + [config["till"]["secret_key"]]
        shown = b"".join(body for _, _, body in answers.values()).decode() + program.said
        assert [secret for secret in secrets if secret in shown] == []

        assert program.end(within=5) == 0
        assert "stopped" in program.said


def test_a_kill_in_the_middle_of_a_burst_doubles_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """``kill -9`` three times with receipts in hand; the next start looks up what was on its way."""
    with vendors(tmp_path) as shop:
        adapt(shop.config, **{"flows.sales": "interval = 0.2"})
        for _ in range(3):
            before = len(shop.books_ledger()["documents"])
            with daemon(tmp_path, shop.config) as (program, _):
                for _ in range(15):
                    shop.sell(SKU)
                until(lambda seen=before: len(shop.books_ledger()["documents"]) > seen, within=20, what="it books", alive=program)  # type: ignore[misc]  # bound now
                assert program.end(signal.SIGKILL) == -signal.SIGKILL
        assert len(shop.books_ledger()["documents"]) < shop.till_ledger()["receipts"], "it was killed with work in hand"
        with daemon(tmp_path, shop.config) as (program, _):
            until(shop.in_step, within=20, what="all is booked and paid", alive=program)
        ledger = shop.books_ledger()
        assert [reference for reference, times in Counter(references(ledger)).items() if times > 1] == []
        assert shop.till_ledger()["receipts"] == 58 + 45
        status = kassabrug(tmp_path, "status", "--json", "--config", shop.config)
        assert (status.code, status.last["held"]) == (0, [])


def test_a_second_daemon_on_the_same_state_is_turned_away(tmp_path: Path) -> None:
    """It says who runs already, exits with 78, and the first goes on; reading commands work beside it."""
    with vendors(tmp_path) as shop, daemon(tmp_path, shop.config) as (program, address):
        second = kassabrug(tmp_path, "run", "--config", shop.config)
        assert second.code == 78
        assert len(second.err.splitlines()) == 1
        assert f"process {program.process.pid} on " in second.err
        sync = kassabrug(tmp_path, "sync", "--config", shop.config)
        assert (sync.code, f"process {program.process.pid} on " in sync.err) == (78, True)
        until(shop.in_step, within=20, what="the first goes on", alive=program)
        status = kassabrug(tmp_path, "status", "--json", "--config", shop.config)
        assert status.last["running"]["pid"] == program.process.pid
        assert ask("GET", f"{address}/livez")[0] == 200


def test_vendors_that_are_down_at_the_start_are_waited_for(tmp_path: Path) -> None:
    """The daemon is alive, says in the log what does not answer, and books everything as soon as somebody answers."""
    ports = free_ports(2)
    arguments = ("--eaccounting-port", ports[0], "--salespos-port", ports[1], "--seed", "3")
    with vendors(tmp_path, *arguments) as shop:
        asked_for = shop.config.read_text(encoding="utf-8")
        shop.program.end()
    with daemon(tmp_path, shop.config) as (program, address):
        program.says(r"failing.*unreachable")
        assert ask("GET", f"{address}/livez")[0] == 200
        again = tmp_path / "again"
        again.mkdir()
        # the same seed is the same company with the same keys: the configuration stays good
        with vendors(again, *arguments) as back:
            credentials = [
                line for line in asked_for.splitlines() if re.match(r"client_secret|refresh_token|access_token|secret_key|api", line)
            ]
            assert [line for line in credentials if line not in back.config.read_text(encoding="utf-8")] == []
            until(back.in_step, within=40, what="it recovers", alive=program)
            program.says("recovered")
            assert program.end(within=5) == 0
