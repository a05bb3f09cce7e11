"""A good guest at both vendors: within their limits whatever runs at once, asking for little, and saying who is there."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from daemon import __version__
from daemon.settings import load
from tests.conftest import REPOSITORY
from tests.flow import small_day
from tests.flow.small_day import shop

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from tests.flow.shop import Shop

#: so little that each vendor is asked as often as it allows; the books less, for the till's answers come first
PER_MINUTE, BOOKS_PER_MINUTE = 6, 3
_ID = re.compile(r"/\d+(?=/|$)")


@dataclass
class Door:
    """Stands in front of a vendor and writes down who came when."""

    inner: ASGIApp
    came: list[tuple[float, str, str]] = field(default_factory=list)
    agents: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in."""
        self.came.append((anyio.current_time(), scope["method"], scope["path"]))
        self.agents[dict(scope["headers"]).get(b"user-agent", b"").decode()] += 1
        await self.inner(scope, receive, send)

    def busiest(self, key: Any) -> dict[str, int]:
        """Return for each budget the most requests that came within any minute."""
        times: dict[str, list[float]] = defaultdict(list)
        for moment, method, path in self.came:
            times[key(method, path)].append(moment)
        return {name: max(sum(1 for one in came if 0 <= one - start < 60) for start in came) for name, came in times.items()}


def doors(running: Shop) -> tuple[Door, Door]:
    """Put a door in front of each vendor."""
    books, till = Door(running.books.app), Door(running.till.app)
    running.books.app, running.till.app = books, till
    return books, till


def change(running: Shop, *changes: tuple[str, str]) -> None:
    """Change the configuration."""
    path = running.directory / "kassabrug.toml"
    text = path.read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, "utf-8")
    running.settings = load(path)


async def test_everything_that_runs_at_once_shares_the_budget_of_its_connection(tmp_path: Path) -> None:
    """Three flows and eight workers at the same time stay within the limit of each address and resource, in any minute."""
    running = shop(tmp_path)
    limits = [(f"{name} = 0", f"{name} = {PER_MINUTE}") for name in ("reads_per_minute", "writes_per_minute")]
    change(running, *limits, ("requests_per_minute = 0", f"requests_per_minute = {BOOKS_PER_MINUTE}"))
    books, till = doors(running)
    running.till.ring_up_all()
    async with running.process() as bridge, anyio.create_task_group() as group:
        for flow in ("products", "stock", "sales"):
            group.start_soon(bridge.settle, flow)
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    paths = books.busiest(lambda _, path: path)
    resources = till.busiest(
        lambda method, path: ("read " if method == "GET" else "write ") + _ID.sub("", path).rstrip("/").rpartition("/")[2]
    )
    assert max(paths.values()) == BOOKS_PER_MINUTE
    assert max(resources.values()) == PER_MINUTE
    assert len(running.books.ledger().documents) == len(small_day.receipts()) - 1


async def test_links_that_use_one_connection_share_its_connector(tmp_path: Path) -> None:
    """And with it budgets, registers and sign-in: two tills on one company do not ask twice as much."""
    running = shop(tmp_path)
    more = """
[connections.other]
kind = "salespos"
api = "http://127.0.0.1:3/api/rest/v1"
public_key = "p"
secret_key = "s"
[links.second]
books = "books"
tills = ["other"]
[links.second.booking]
reference_prefix = "K2"
"""
    path = tmp_path / "kassabrug.toml"
    path.write_text(path.read_text("utf-8") + more, "utf-8")
    running.settings = load(path)
    async with running.process() as bridge:
        books = {id(pair.context.books) for pair in bridge.app.pairs}
        tills = {id(pair.context.till) for pair in bridge.app.pairs}
        assert (len(bridge.app.pairs), len(books), len(tills)) == (2, 1, 2)


async def test_registers_are_read_once_in_a_day_and_counted(tmp_path: Path) -> None:
    """Codings, countries, accounts and settings there; categories, packages and settings here: once, however many receipts."""
    running = shop(tmp_path)
    async with running.process() as bridge:
        await bridge.settle("products", "stock")
        running.till.ring_up_all()
        await bridge.settle()
        context: Any = bridge.pair.context
        assert set(context.books.register_reads.values()) == {1}
        assert set(context.books.register_reads) == {
            "/articleaccountcodings",
            "/bankaccounts",
            "/companysettings",
            "/countries",
            "/termsofpayments",
        }
        seen = context.till.register_reads
        assert (seen["packages"], seen["the shop"]) == (1, 1)
        assert max(seen.values()) <= 3  # a category that was made is read once more
        before = dict(context.books.register_reads), dict(seen)
        await running.clock.sleep(3600)
        await bridge.settle()
        assert context.books.register_reads["/companysettings"] == before[0]["/companysettings"] + 1
        assert context.till.register_reads["the shop"] == before[1]["the shop"] + 1


async def test_every_request_says_who_asks(tmp_path: Path) -> None:
    """Product, version and whom to call: to the identity server too."""
    for contact, agent in (
        ("https://shop.example/it", f"Kassabrug/{__version__} (+https://shop.example/it)"),
        ("", f"Kassabrug/{__version__}"),
    ):
        folder = tmp_path / (contact[:5] or "none")
        folder.mkdir()
        running = shop(folder)
        if contact:
            change(running, ("[daemon]", f'[daemon]\ncontact = "{contact}"'))
        books, till = doors(running)
        running.till.ring_up_all()
        async with running.process() as bridge:
            await running.clock.sleep(7200)
            await bridge.settle()
        assert set(books.agents) == set(till.agents) == {agent}
        assert any(path == "/connect/token" for _, _, path in books.came)


def test_each_vendor_has_one_place_that_reads_how_long_to_wait() -> None:
    """The header and the text of a 429 are read in one module of each connector, and nowhere else."""
    found = defaultdict(list)
    for source in [*(REPOSITORY / "connectors").rglob("*.py"), *(REPOSITORY / "daemon").rglob("*.py")]:
        where = source.relative_to(REPOSITORY).as_posix()
        if not where.startswith("connectors/sandbox/") and re.search(r"[\"']retry-after[\"']|[Tt]ry again in", source.read_text("utf-8")):
            found[where.rpartition("/")[0]].append(where.rpartition("/")[2])
    assert found == {"connectors/eaccounting": ["errors.py"], "connectors/salespos": ["client.py"]}
