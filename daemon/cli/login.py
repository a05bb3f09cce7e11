"""``login``: a person signs in to a company's books; the daemon, running or not, goes on with what that gives."""

from __future__ import annotations

import sys
import webbrowser
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.to_thread

from connectors.http import Budgets, HttpClient
from connectors.offer import OtherSignIn, SignInRefused
from connectors.port import ConnectorError
from connectors.registry import CONNECTORS
from daemon.app import open_books, opening, user_agent
from daemon.cli import callback, show
from daemon.cli.session import configure
from daemon.core.ids import LinkId
from daemon.engine.clock import SystemClock
from daemon.flow_run import COMPANY_FACT
from daemon.settings import ConfigurationError, state_directory
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connectors.model import Company
    from connectors.offer import Attempt, SignIn
    from connectors.port import Tokens
    from connectors.settings import ConnectionSettings
    from daemon.settings import Settings
    from daemon.state.store import SqliteStore

_LOOPBACK = ("localhost", "127.0.0.1")
#: how long a person may take at the vendor's page, in seconds
WAIT_SECONDS = 600.0
_ANOTHER = (
    "these books belong to another company; nothing was changed.  Sign in to that one.  If the books really moved, stop the daemon, give "
    "it a new state directory, for all that is known of the old company is wrong for this one, and sign in with --other-company."
)


async def login(args: argparse.Namespace) -> int:
    """Sign in, show the company, and keep the tokens encrypted in the state."""
    settings, _ = configure(args.config, quiet=True)
    own, sign_in = _signed_in_to(settings, args.connection)
    directory = args.state_dir or state_directory(settings)
    # a state that cannot be written is not to be found out after the person has signed in; nor is it held open that long
    async with _state(directory):
        pass
    try:
        attempt, code = await _allowed(own, sign_in, args)
        tokens = await _exchange(attempt, code, args.connection, user_agent(settings))
        company = await _company(args.connection, settings, tokens)
    except (SignInRefused, OtherSignIn, ConnectorError) as error:
        show.ERR.print(f"{args.connection}: {error}", markup=False)
        return 1
    except TimeoutError:
        show.ERR.print(f"{args.connection}: nobody came back from the sign-in page", markup=False)
        return 1
    show.OUT.print(f"Signed in to {company.name} ({company.country}, {company.currency}).", markup=False)
    links = [LinkId(name) for name, link in settings.links.items() if link.books == args.connection]
    async with _state(directory) as store:
        known = {await store.fact(link, COMPANY_FACT) for link in links} - {None}
        if known - {company.id} and not args.other_company:
            show.ERR.print(f"{args.connection}: {_ANOTHER}")
            return 1
        await _keep(SqliteTokenStore(store, args.connection, directory, clock=SystemClock()), tokens)
        for link in links if company.id else ():
            await store.remember(link, {COMPANY_FACT: company.id})
    show.OUT.print("Kept.  A daemon that is running goes on within seconds.")
    return 0


def _signed_in_to(settings: Settings, connection: str) -> tuple[ConnectionSettings, SignIn]:
    """Return the settings of a connection and how it is signed in to; raises ``ConfigurationError`` where it is not."""
    able = {name: CONNECTORS[own.kind].sign_in for name, own in settings.connections.items()}
    if (found := able.get(connection)) is None:
        names = ", ".join(name for name, sign_in in able.items() if sign_in is not None)
        raise ConfigurationError("", "CONNECTION", f"{connection!r} is not signed in to", f"one of {names}")
    return settings.connections[connection], found


@asynccontextmanager
async def _state(directory: Path) -> AsyncIterator[SqliteStore]:
    """Open the state for writing, beside a daemon that may be running: they take turns."""
    store = await open_store(directory, clock=SystemClock())
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


async def _allowed(own: ConnectionSettings, sign_in: SignIn, args: argparse.Namespace) -> tuple[Attempt, str]:
    """Let the person sign in, in a browser on this machine or elsewhere, and return the code that this gave."""
    redirect_uri = sign_in.redirect_uri(own)
    parts = urlsplit(redirect_uri)
    if args.no_browser or parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        attempt = sign_in.begin(own, redirect_uri)
        return attempt, attempt.code_from(await _pasted(attempt))
    with callback.listening((parts.port or 80) if args.port is None else args.port) as waiting:
        attempt = sign_in.begin(own, urlunsplit(parts._replace(netloc=f"{parts.hostname}:{waiting.port}")))
        show.OUT.print(f"Open this address, if no browser opens by itself:\n{attempt.address}", markup=False)
        with anyio.fail_after(WAIT_SECONDS):
            # a browser in a terminal returns only when it is closed
            code = await waiting.code(attempt, partial(anyio.to_thread.run_sync, webbrowser.open, attempt.address, abandon_on_cancel=True))
    return attempt, code


async def _pasted(attempt: Attempt) -> str:
    show.OUT.print(f"Open this address in a browser, on any machine:\n{attempt.address}", markup=False)
    show.OUT.print(f"It ends at {attempt.redirect_uri}?…, which need not load.  Paste that whole address here:", markup=False)
    line: str = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if not line.strip():
        raise OtherSignIn("no address was pasted")
    return line


async def _exchange(attempt: Attempt, code: str, connection: str, agent: str) -> Tokens:
    clock = SystemClock()
    http = HttpClient(connection, clock=clock, budgets=Budgets(clock=clock), user_agent=agent)
    try:
        return await attempt.exchange(code, http=http, clock=clock)
    finally:
        await http.aclose()


class _OnlyHere:
    """The tokens of a sign-in before it is known whether they are wanted."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Nobody else has them."""
        yield

    async def load(self) -> Tokens:
        """Return them."""
        return self._tokens

    async def save(self, tokens: Tokens) -> None:
        """Take newer ones."""
        self._tokens = tokens


async def _company(connection: str, settings: Settings, tokens: Tokens) -> Company:
    """Ask which company was signed in to."""
    books = open_books(settings.connections[connection], opening(connection, settings, SystemClock(), _OnlyHere(tokens)))
    try:
        return await books.company()
    finally:
        await books.aclose()


async def _keep(kept: SqliteTokenStore, tokens: Tokens) -> None:
    """Put the tokens in the place of the old ones, while no process is refreshing those."""
    with anyio.CancelScope(shield=True):
        async with kept.exclusive():
            before = await kept.load()
            generation = 1 if before is None else before.generation + 1
            await kept.save(replace(tokens, generation=generation))
