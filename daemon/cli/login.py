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

from connectors.eaccounting import EAccounting, authorize
from connectors.eaccounting.authorize import OtherSignIn, SignInRefused
from connectors.http import Budgets, HttpClient
from connectors.port import ConnectorError
from daemon.assembly import books_config
from daemon.cli import callback, show
from daemon.cli.session import configure
from daemon.engine.clock import SystemClock
from daemon.runs import COMPANY_FACT
from daemon.settings import ConfigurationError, EAccountingSettings, state_directory
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connectors.eaccounting import EAccountingConfig
    from connectors.eaccounting.authorize import Attempt
    from connectors.model import Company
    from connectors.port import Tokens
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
    own = settings.connections.get(args.connection)
    if not isinstance(own, EAccountingSettings):
        books = [name for name, one in settings.connections.items() if isinstance(one, EAccountingSettings)]
        raise ConfigurationError("", "CONNECTION", f"{args.connection!r} is not signed in to", f"one of {', '.join(books)}")
    directory = args.state_dir or state_directory(settings)
    config = books_config(args.connection, own, settings)
    # a state that cannot be written is not to be found out after the person has signed in; nor is it held open that long
    async with _state(directory):
        pass
    try:
        tokens = await _tokens(config, own.redirect_uri, args)
        company = await _company(config, tokens)
    except (SignInRefused, OtherSignIn, ConnectorError) as error:
        show.ERR.print(f"{args.connection}: {error}", markup=False)
        return 1
    except TimeoutError:
        show.ERR.print(f"{args.connection}: nobody came back from the sign-in page", markup=False)
        return 1
    show.OUT.print(f"Signed in to {company.name} ({company.country}, {company.currency}).", markup=False)
    links = [name for name, link in settings.links.items() if link.books == args.connection]
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


@asynccontextmanager
async def _state(directory: Path) -> AsyncIterator[SqliteStore]:
    """Open the state for writing, beside a daemon that may be running: they take turns."""
    store = await open_store(directory, clock=SystemClock())
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


async def _tokens(config: EAccountingConfig, redirect_uri: str, args: argparse.Namespace) -> Tokens:
    """Let the person sign in, in a browser on this machine or elsewhere, and fetch the tokens."""
    parts = urlsplit(redirect_uri)
    if args.no_browser or parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        attempt = authorize.begin(config, redirect_uri)
        return await _exchange(config, attempt, authorize.code_from(await _pasted(attempt), attempt))
    async with callback.listening((parts.port or 80) if args.port is None else args.port) as waiting:
        attempt = authorize.begin(config, urlunsplit(parts._replace(netloc=f"{parts.hostname}:{waiting.port}")))
        show.OUT.print(f"Open this address, if no browser opens by itself:\n{attempt.address}", markup=False)
        with anyio.fail_after(WAIT_SECONDS):
            # a browser in a terminal returns only when it is closed
            code = await waiting.code(attempt, partial(anyio.to_thread.run_sync, webbrowser.open, attempt.address, abandon_on_cancel=True))
    return await _exchange(config, attempt, code)


async def _pasted(attempt: Attempt) -> str:
    show.OUT.print(f"Open this address in a browser, on any machine:\n{attempt.address}", markup=False)
    show.OUT.print(f"It ends at {attempt.redirect_uri}?…, which need not load.  Paste that whole address here:", markup=False)
    line: str = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if not line.strip():
        raise OtherSignIn("no address was pasted")
    return line


async def _exchange(config: EAccountingConfig, attempt: Attempt, code: str) -> Tokens:
    clock = SystemClock()
    http = HttpClient(config.name, clock=clock, budgets=Budgets(clock=clock), user_agent=config.user_agent)
    try:
        return await authorize.exchange(config, attempt, code, http=http, clock=clock)
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


async def _company(config: EAccountingConfig, tokens: Tokens) -> Company:
    """Ask which company was signed in to."""
    books = EAccounting(config, clock=SystemClock(), tokens=_OnlyHere(tokens))
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
