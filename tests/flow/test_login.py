"""A person signs in: in a browser on this machine, or elsewhere with the address pasted.  Real sockets, real time."""

from __future__ import annotations

import argparse
import webbrowser
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import pytest

from connectors.sandbox.eaccounting import BooksSandbox
from connectors.sandbox.salespos import TillSandbox
from connectors.sandbox.serve import serve
from daemon.cli import login as command
from daemon.cli.vendors import Vendors, configuration
from daemon.core.ids import PairId
from daemon.engine.clock import SystemClock
from daemon.flow_run import COMPANY_FACT
from daemon.settings import ConfigurationError
from daemon.state.sqlite import open_store
from daemon.state.tokens import LOOK_AGAIN, SqliteTokenStore
from tests.flow.shop import world
from tests.flow.signing_in import allow, arrive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from connectors.port import Tokens


@pytest.fixture
def anyio_backend() -> str:
    """Real time: a browser comes in over a socket."""
    return "asyncio"


@dataclass(slots=True)
class Company:
    """A sandbox that is served, and a configuration that knows no tokens."""

    books: BooksSandbox
    folder: Path

    async def login(self, connection: str = "books", *, port: int | None = 0, **more: bool) -> int:
        """Run the command."""
        given = {"no_browser": False, "other_company": False, **more}
        return await command.login(
            argparse.Namespace(connection=connection, port=port, config=self.folder / "kassabrug.toml", state_dir=None, **given)
        )

    async def kept(self) -> tuple[Tokens | None, str | None]:
        """The tokens and the company in the state."""
        store = await open_store(self.folder / "state", clock=SystemClock(), readonly=True)
        try:
            tokens = await SqliteTokenStore(store, "books", self.folder / "state", clock=SystemClock()).load()
            return tokens, await store.fact(PairId("shop"), COMPANY_FACT)
        finally:
            await store.close()


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    """A company of eAccounting that nobody has signed in to."""
    async with opened(tmp_path) as found:
        yield found


@asynccontextmanager
async def opened(folder: Path, *, redirect_uri: str = "http://localhost:44300/callback") -> AsyncIterator[Company]:
    """Serve a company and write the configuration."""
    books, till = BooksSandbox(world(), limits=False), TillSandbox(world(), limits=False)
    async with serve(books.app, 0) as url:
        text = configuration(Vendors(world(), books, till, url, "http://127.0.0.1:1", limits=False), state_dir="state")
        lines = [line for line in text.splitlines() if not line.startswith(("refresh_token", "access_token"))]
        lines.insert(lines.index("[connections.books]") + 1, f'redirect_uri = "{redirect_uri}"')
        (folder / "kassabrug.toml").write_text("\n".join(lines), encoding="utf-8")
        yield Company(books, folder)


def browser(monkeypatch: pytest.MonkeyPatch, visit: Callable[[str], Any]) -> None:
    """Put a person in front of the browser that the command opens."""

    def opens(address: str) -> bool:
        visit(address)
        return True

    monkeypatch.setattr(webbrowser, "open", opens)


def paste(monkeypatch: pytest.MonkeyPatch, address: Callable[[], str]) -> None:
    """Let somebody paste an address when it is asked for."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(readline=lambda: address() + "\n"))


def shown_address(capsys: pytest.CaptureFixture[str]) -> str:
    """The address that the command printed."""
    return next(line for line in capsys.readouterr().out.splitlines() if "/connect/authorize?" in line)


async def test_the_browser_comes_back_and_the_tokens_are_kept(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The company is shown; what the state then holds opens the books, can be renewed, and is not readable in the file."""
    browser(monkeypatch, lambda address: arrive(allow(address)))
    assert await company.login() == 0
    assert "De Winkel B.V. sandbox (NL, EUR)" in capsys.readouterr().out
    tokens, bound = await company.kept()
    assert tokens is not None
    assert company.books.identity.check(tokens.access_token) is not None
    assert tokens.refresh_token in company.books.identity.refresh
    assert set(tokens.scope.split()) == {"ea:api", "offline_access", "ea:sales", "ea:accounting", "ea:purchase_readonly"}
    assert timedelta(minutes=55) < tokens.expires_at - SystemClock().now() <= timedelta(hours=1)
    assert bound == company.books.books.company["CompanyIdentifier"]
    assert tokens.refresh_token.encode() not in (company.folder / "state" / "state.sqlite3").read_bytes()


async def test_the_vendor_is_asked_for_a_proof_and_the_choice_of_a_company(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """PKCE with S256, a state of its own each time, and the port that is really listened on."""
    asked: list[dict[str, str]] = []

    def look(address: str) -> None:
        asked.append(dict(parse_qsl(urlsplit(address).query)))
        arrive(allow(address))

    browser(monkeypatch, look)
    assert [await company.login() for _ in range(2)] == [0, 0]
    assert {(one["code_challenge_method"], one["prompt"], one["response_type"]) for one in asked} == {("S256", "select_account", "code")}
    assert len({one["state"] for one in asked} | {one["code_challenge"] for one in asked}) == 4
    assert all(one["redirect_uri"].startswith("http://localhost:") for one in asked)


async def test_an_answer_to_another_sign_in_is_turned_away(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page elsewhere sends the browser here with a code of its own: it is not taken, and the real answer still is."""
    seen: list[str] = []

    def confused(address: str) -> None:
        back = dict(parse_qsl(urlsplit(address).query))["redirect_uri"]
        seen.append(arrive(f"{back}?code=theirs&state=theirs"))
        seen.append(arrive(back.replace("/callback", "/favicon.ico")))
        seen.append(arrive(allow(address)))

    browser(monkeypatch, confused)
    assert await company.login() == 0
    assert ["Not this sign-in" in seen[0], "Nothing here" in seen[1], "Thank you" in seen[2]] == [True] * 3


async def test_a_refusal_at_the_page_ends_with_one_line(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The vendor sends the browser back with an error: nothing is kept."""
    browser(monkeypatch, lambda address: arrive(allow(address, lambda asked: asked.update(scope="ea:everything"))))
    assert await company.login() == 1
    assert "books: the sign-in was refused: invalid_scope" in capsys.readouterr().err
    assert await company.kept() == (None, None)


async def test_nobody_who_comes_back_is_waited_for_without_end(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wait is bounded."""
    browser(monkeypatch, lambda _: None)
    monkeypatch.setattr(command, "WAIT_SECONDS", 0.05)
    assert await company.login() == 1
    assert "nobody came back" in capsys.readouterr().err


async def test_without_a_browser_the_address_is_pasted(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a server: the sign-in happens elsewhere, and the address it ends at comes back by hand."""
    paste(monkeypatch, lambda: allow(shown_address(capsys)))
    assert await company.login(no_browser=True) == 0
    tokens, _ = await company.kept()
    assert tokens is not None


async def test_an_https_redirect_is_pasted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing here can answer for https: the address is asked for without --no-browser."""
    async with opened(tmp_path, redirect_uri="https://localhost:44300/callback") as company:
        paste(monkeypatch, lambda: allow(shown_address(capsys)))
        assert await company.login() == 0


@pytest.mark.parametrize("pasted", ["", "https://example.org/", "?code=a&state=b"])
async def test_what_is_no_answer_is_refused(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pasted: str
) -> None:
    """An empty line, another address, a code of another sign-in: one line, exit code 1."""
    paste(monkeypatch, lambda: pasted)
    assert await company.login(no_browser=True) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert await company.kept() == (None, None)


async def test_another_company_is_refused_unless_it_is_meant(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed in to the wrong company: the tokens of the right one stay, until somebody insists."""
    browser(monkeypatch, lambda address: arrive(allow(address)))
    assert await company.login() == 0
    first, bound = await company.kept()
    company.books.books.company["CompanyIdentifier"] = "another"
    assert await company.login() == 1
    assert "belong to another company" in capsys.readouterr().err
    assert await company.kept() == (first, bound)
    assert await company.login(other_company=True) == 0
    second, bound = await company.kept()
    assert bound == "another"
    assert first is not None
    assert second is not None
    assert second.generation == first.generation + 1


async def test_a_till_is_not_signed_in_to(company: Company) -> None:
    """The line names the connections that are."""
    with pytest.raises(ConfigurationError, match="one of books"):
        await company.login("till")


async def test_a_port_that_is_taken_is_one_line(company: Company) -> None:
    """Somebody else listens on the port of the redirect address."""
    async with serve(company.books.app, 0) as url:
        with pytest.raises(ConfigurationError, match="cannot be listened on"):
            await company.login(port=urlsplit(url).port)


async def test_a_sign_in_waits_for_a_refresh_in_another_process(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody refreshes the old token, the new one is not put in its place: it would be overwritten."""
    browser(monkeypatch, lambda address: arrive(allow(address)))
    assert await company.login() == 0
    clock, waits = SystemClock(), anyio.Event()

    async def sleep(_: SystemClock, seconds: float) -> None:
        if seconds == LOOK_AGAIN:
            waits.set()
        await anyio.sleep(seconds)

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    store = await open_store(company.folder / "state", clock=clock)
    try:
        daemon = SqliteTokenStore(store, "books", company.folder / "state", clock=clock)
        before = await daemon.load()
        async with anyio.create_task_group() as group, daemon.exclusive():
            group.start_soon(company.login)
            await waits.wait()
            assert await daemon.load() == before
        assert await daemon.load() != before
    finally:
        await store.close()
