"""``kassabrug check`` as it is typed: what it prints, and how it ends.  Real sockets, real time."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import pytest

from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches
from connectors.sandbox.salespos import TillSandbox, TillSwitches
from connectors.sandbox.serve import serve
from daemon.cli.check import check
from daemon.cli.main import main
from daemon.cli.vendors import Vendors, configuration
from daemon.engine.clock import SystemClock
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.flow.language import english_in
from tests.flow.shop import world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the vendors are reached over sockets."""
    return "asyncio"


def given(folder: Path, **more: Any) -> argparse.Namespace:
    """What was typed."""
    return argparse.Namespace(config=folder / "kassabrug.toml", state_dir=None, **{"json": False, "vendor_schemas": None, **more})


async def ended(folder: Path, books: BooksSandbox, till: TillSandbox, *, change: str = "", **more: Any) -> int:
    """Serve both vendors, check, and return the exit code."""
    async with serve(books.app, 0) as books_url, serve(till.app, 0) as till_url:
        text = configuration(Vendors(world(), books, till, books_url, till_url, limits=False), state_dir="state")
        (folder / "kassabrug.toml").write_text(text + change, encoding="utf-8")
        return await check(given(folder, **more))


async def test_a_sound_shop_prints_all_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 0."""
    assert await ended(tmp_path, BooksSandbox(world()), TillSandbox(world())) == 0
    assert capsys.readouterr().out == "All good.\n"


async def test_an_error_ends_with_1_and_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding is one line with severity, evidence and cure; what only waits for a person comes after what cannot work."""
    code = await ended(
        tmp_path,
        BooksSandbox(world(), switches=BooksSwitches(sales_module=False)),
        TillSandbox(world(), switches=TillSwitches(is_salespos=False)),
        change='klarna = "Klarna"\n',
    )
    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert [line.split()[0] for line in lines] == ["error", "warning", "info"]
    assert "'Klarna'" in lines[0]
    assert all(". To do: " in line for line in lines)


async def test_warnings_alone_are_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON: what is found as data, and whether all is well."""
    code = await ended(tmp_path, BooksSandbox(world()), TillSandbox(world(), switches=TillSwitches(is_salespos=False)), json=True)
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["good"] is True
    [finding] = told["findings"]
    assert (finding["severity"], finding["problem"], finding["subject"]) == ("warning", "not_a_till", "till")
    assert {"evidence", "cure"} < finding.keys()


async def test_no_network_is_one_line_and_schemas_are_not_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens at either address."""
    text = configuration(
        Vendors(world(), BooksSandbox(world()), TillSandbox(world()), "http://127.0.0.1:1", "http://127.0.0.1:1", limits=False),
        state_dir="state",
    )
    (tmp_path / "kassabrug.toml").write_text(text, encoding="utf-8")
    assert await check(given(tmp_path, vendor_schemas=[])) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


async def test_a_token_that_was_renewed_for_the_check_is_kept(tmp_path: Path) -> None:
    """The refresh token works once: the state holds the new one afterwards."""
    books = BooksSandbox(world())
    books.identity.access.clear()
    assert await ended(tmp_path, books, TillSandbox(world())) == 0
    store = await open_store(tmp_path / "state", clock=SystemClock(), readonly=True)
    try:
        tokens = await SqliteTokenStore(store, "books", tmp_path / "state", clock=SystemClock()).load()
    finally:
        await store.close()
    assert tokens is not None
    assert books.identity.check(tokens.access_token) is not None
    assert tokens.refresh_token != books.refresh_token


async def test_published_schemas_are_compared_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address with nothing at it is a warning beside the other findings."""
    assert await ended(tmp_path, BooksSandbox(world()), TillSandbox(world()), vendor_schemas=["http://127.0.0.1:1/openapi/v2.json"]) == 0
    assert "could not be compared" in capsys.readouterr().out


def test_a_wrong_configuration_ends_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the file and the setting."""
    path = tmp_path / "kassabrug.toml"
    path.write_text("[daemon]\nlog_level = 3\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 78
    assert "daemon.log_level" in capsys.readouterr().err


async def test_check_speaks_dutch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Evidence and cure; the setting is named as it is written in the file."""
    books, till = BooksSandbox(world(), switches=BooksSwitches(sales_module=False)), TillSandbox(world())
    async with serve(books.app, 0) as books_url, serve(till.app, 0) as till_url:
        text = configuration(Vendors(world(), books, till, books_url, till_url, limits=False), state_dir="state")
        text = text.replace("[daemon]\n", '[daemon]\nlanguage = "nl"\n') + 'klarna = "Klarna"\n'
        (tmp_path / "kassabrug.toml").write_text(text, encoding="utf-8")
        assert await check(given(tmp_path)) == 1
    out = capsys.readouterr().out
    assert (
        "shop: er is geen actieve bank- of kasrekening 'Klarna', waarop komt wat met klarna is betaald. Te doen: maak of activeer haar"
        in out
    )
    assert "links.shop.payment_methods" in out
    assert english_in(out) == []
