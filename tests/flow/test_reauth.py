"""``needs_reauth``: a sign-in that is no longer taken stops that connection's flows, is told once, and is over when somebody signs in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from connectors.port import Tokens
from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches
from connectors.sandbox.salespos import TillSandbox
from daemon.core.ids import PairId
from daemon.settings import load
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from daemon.text import ENGLISH
from tests.flow.running import TOKEN, running
from tests.flow.shop import ARTICLES, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flow.shop import Shop

MINUTE = 60.0


async def sign_in(shop: Shop, connection: str = "books", sandbox: BooksSandbox | None = None) -> None:
    """What ``kassabrug login`` does to the state, in a process of its own."""
    refresh, access = (sandbox or shop.books).identity.consent(shop.books.switches.scopes)
    store = await open_store(shop.directory / "state", clock=shop.clock, inline=True)
    try:
        tokens = SqliteTokenStore(store, connection, shop.directory / "state", clock=shop.clock)
        async with tokens.exclusive():
            await tokens.save(Tokens(access, refresh, shop.clock.now() + timedelta(hours=1), generation=7))
    finally:
        await store.close()


def forget_tokens(shop: Shop) -> None:
    """Let the configuration know no tokens."""
    books = cast("Any", shop.settings.connections["books"])
    connections = {**shop.settings.connections, "books": books.model_copy(update={"refresh_token": None, "access_token": None})}
    shop.settings = shop.settings.model_copy(update={"connections": connections})


SIGN_IN_AGAIN = "Kassabrug: The connection books must be signed in to again"
OVER = "Kassabrug: over: The connection books must be signed in to again"


def end_all(shop: Shop) -> None:
    """A new password, or a right that was taken back: every token ends."""
    shop.books.identity.end_all()


async def test_a_new_password_stops_the_flows_and_a_sign_in_lets_them_go_on(tmp_path: Path) -> None:
    """Told once; nobody is asked while nothing changed; what was sold meanwhile is booked within seconds of the sign-in."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with running(shop) as daemon:
        await anyio.sleep(30)
        assert daemon.documents() == ["KB-R1"]
        assert await daemon.ready()
        end_all(shop)
        await anyio.sleep(2 * MINUTE)
        asked = Counter(daemon.wires["books"].requests)
        shop.till.ring_up(receipt("R2", line(), minute=1))
        await anyio.sleep(30 * MINUTE)
        assert daemon.wires["books"].requests == asked
        assert daemon.wires["books"].tokens == 1
        assert (daemon.reauth(), await daemon.ready(), daemon.told) == (True, False, [SIGN_IN_AGAIN])
        await sign_in(shop)
        await anyio.sleep(15)
        assert (daemon.reauth(), await daemon.ready(), daemon.told) == (False, True, [SIGN_IN_AGAIN, OVER])
        await anyio.sleep(15)
        assert daemon.documents() == ["KB-R1", "KB-R2"]
        assert daemon.wires["books"].tokens == 1


async def test_what_was_in_hand_goes_on_at_once(tmp_path: Path) -> None:
    """Records that met the dead token wait for the sign-in, not for a clock, and it was no attempt."""
    shop = open_shop(tmp_path, world(*(receipt(f"R{number}", line(), minute=number) for number in range(20))))
    async with running(shop) as daemon:
        daemon.wires["books"].before = lambda path: end_all(shop) if path == "/v2/customerinvoices" else None
        await anyio.sleep(5 * MINUTE)
        waiting = await daemon.store.open_work(PairId("shop/till"), "sales")
        assert {work.attempt for work in waiting} == {0}
        assert daemon.wires["books"].tokens <= 2
        daemon.wires["books"].before = lambda _: None
        await sign_in(shop)
        await anyio.sleep(30)
        assert sorted(daemon.documents(), key=str) == sorted(f"KB-R{number}" for number in range(20))


async def test_a_restart_while_signed_out_tells_nothing_twice(tmp_path: Path) -> None:
    """The new process finds out with one question, and the alert that was told stays as it is."""
    shop = open_shop(tmp_path, world())
    async with running(shop) as daemon:
        await anyio.sleep(10)
        end_all(shop)
        await anyio.sleep(5 * MINUTE)
        assert daemon.told == [SIGN_IN_AGAIN]
    async with running(shop) as daemon:
        await anyio.sleep(5 * MINUTE)
        assert (daemon.told, daemon.reauth(), await daemon.ready()) == ([], True, False)
        assert daemon.wires["books"].tokens == 1


async def test_never_signed_in_asks_nobody_and_says_so(tmp_path: Path) -> None:
    """Without any token there is nothing to ask with: the state is the same, and the first sign-in ends it."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    forget_tokens(shop)
    async with running(shop) as daemon:
        await anyio.sleep(10 * MINUTE)
        assert daemon.wires["books"].requests.total() == 0
        assert (daemon.reauth(), await daemon.ready(), daemon.told) == (True, False, [SIGN_IN_AGAIN])
        await sign_in(shop)
        await anyio.sleep(30)
        assert daemon.documents() == ["KB-R1"]
        assert daemon.told == [SIGN_IN_AGAIN, OVER]


@pytest.mark.parametrize(("grace", "works"), [(60, True), (0, False)])
async def test_a_lost_answer_to_a_refresh_ends_working_or_signed_out(tmp_path: Path, grace: int, works: bool) -> None:
    """The old token is tried once more: a server that allows it gives another, one that does not ends the sign-in.  Never a third time."""
    shop = open_shop(tmp_path, world(receipt("R1", line())), books=BooksSwitches(refresh_reuse_grace_seconds=grace))
    async with running(shop) as daemon:
        await anyio.sleep(30)
        daemon.wires["books"].lose_answers_to[TOKEN] = 1
        shop.clock.jumped += timedelta(hours=1)
        shop.till.ring_up(receipt("R2", line(), minute=1))
        await anyio.sleep(30 * MINUTE)
        assert daemon.wires["books"].tokens == 2
        assert daemon.reauth() is not works
        assert daemon.told == ([] if works else [SIGN_IN_AGAIN])
        assert (daemon.documents() == ["KB-R1", "KB-R2"]) is works


async def test_an_identity_server_whose_answers_all_get_lost_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    """Twenty receipts wait for a token: an hour costs a question a minute, whoever asks for it."""
    shop = open_shop(tmp_path, world(*(receipt(f"R{number}", line(), minute=number) for number in range(20))), open_at_once=False)
    async with running(shop) as daemon:
        await anyio.sleep(30)
        shop.till.ring_up_all()
        daemon.wires["books"].requests.clear()
        daemon.wires["books"].before = lambda path: daemon.wires["books"].lose_answers_to.update({TOKEN: 1}) if path == TOKEN else None
        shop.clock.jumped += timedelta(hours=1)
        await anyio.sleep(60 * MINUTE)
        assert 60 < daemon.wires["books"].tokens <= 150
        assert daemon.wires["books"].api == 0
        assert not daemon.reauth()  # nobody said that the sign-in is over; that the books do not answer is told, once
        assert daemon.told == ["Kassabrug: The connection books does not answer"]


async def test_two_processes_refresh_one_token_once(tmp_path: Path) -> None:
    """At the same moment: one of them asks, the other finds what it got, and both go on."""
    shop = open_shop(tmp_path, world())
    async with running(shop, loops=False) as one, running(shop, loops=False) as other:
        both = [daemon.app.pairs[0].context.books for daemon in (one, other)]
        for books in both:
            await books.server_time()
        shop.clock.jumped += timedelta(minutes=59, seconds=30)
        async with anyio.create_task_group() as group:
            for books in both * 4:
                group.start_soon(books.server_time)
        assert one.wires["books"].tokens + other.wires["books"].tokens == 1
        assert not one.reauth()
        assert not other.reauth()


@pytest.mark.parametrize("seen_by", ["us", "the vendor"])
async def test_a_token_that_ends_between_two_pages_loses_none(tmp_path: Path, seen_by: str) -> None:
    """The listing goes on where it was, with a new token: whether our clock says so first or the vendor."""
    many = tuple(replace(ARTICLES[0], sku=f"K{number}") for number in range(1500))
    shop = open_shop(tmp_path, world(articles=many))
    async with running(shop, loops=False) as daemon:
        books = daemon.app.pairs[0].context.books
        await books.company()

        def end(path: str) -> None:
            if path == "/v2/articles" and daemon.wires["books"].requests[path] == 2:
                if seen_by == "us":
                    shop.clock.jumped += timedelta(hours=1)
                else:
                    for access in shop.books.identity.access.values():
                        access.revoked = True

        daemon.wires["books"].before = end
        levels = await books.stock_levels()
        assert {f"K{number}" for number in range(1500)} <= {level.sku for level in levels}
        assert daemon.wires["books"].tokens == 1


async def test_an_api_that_refuses_fresh_tokens_is_not_met_with_ever_new_ones(tmp_path: Path) -> None:
    """A user without access to the company: one new token, then a try every quarter of an hour; it ends by itself when that works."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with running(shop) as daemon:
        wire = daemon.wires["books"]
        await anyio.sleep(30)
        wire.refuse_everything = True
        await anyio.sleep(2 * MINUTE)
        api = wire.api
        assert (wire.tokens, daemon.reauth(), daemon.told) == (1, True, [SIGN_IN_AGAIN])
        await anyio.sleep(60 * MINUTE)
        assert wire.tokens <= 1 + 4
        assert wire.api - api <= 2 * 3 * 4
        assert daemon.told == [SIGN_IN_AGAIN]
        wire.refuse_everything = False
        shop.till.ring_up(receipt("R2", line(), minute=1))
        await anyio.sleep(20 * MINUTE)
        assert (daemon.reauth(), daemon.told) == (False, [SIGN_IN_AGAIN, OVER])
        assert daemon.documents() == ["KB-R1", "KB-R2"]


async def test_only_the_flows_of_that_connection_stop(tmp_path: Path) -> None:
    """Two companies in one process: the one that is signed in to goes on, and does not hide the other in the metric."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    books = BooksSandbox(world(), clock=shop.clock.now, limits=False, seed=2)
    till = TillSandbox(world(receipt("S1", line())), clock=shop.clock.now, limits=False, seed=2)
    path = tmp_path / "kassabrug.toml"
    more = f"""
[connections.second-books]
kind = "eaccounting"
api = "http://127.0.0.1:3/v2"
identity = "http://127.0.0.1:3"
client_id = "{books.client_id}"
client_secret = "{books.client_secret}"
refresh_token = "{books.refresh_token}"
access_token = "{books.access_token}"

[connections.second-till]
kind = "salespos"
api = "http://127.0.0.1:4"
public_key = "{till.public_key}"
secret_key = "{till.secret_key}"

[links.second]
books = "second-books"
tills = ["second-till"]
payment_methods = {{ pin = "Pin" }}
"""
    shop.settings = load(await _appended(path, more))
    async with running(shop, {"second-books": books.app, "second-till": till.app}) as daemon:
        await anyio.sleep(30)
        end_all(shop)
        books.identity.access.clear()  # the other one renews its token meanwhile
        till.ring_up(receipt("S2", line(), minute=1))
        await anyio.sleep(5 * MINUTE)
        assert [document.reference for document in books.ledger().documents] == ["KB-S1", "KB-S2"]
        assert daemon.told == [SIGN_IN_AGAIN]
        assert daemon.reauth()
        assert {name for name, watch in daemon.app.watches.items() if watch.reauth_required} == {"books"}


async def _appended(path: Path, text: str) -> Path:
    before = await anyio.Path(path).read_text(encoding="utf-8")
    await anyio.Path(path).write_text(before + text, encoding="utf-8")
    return path


async def test_keys_that_the_till_refuses_are_tried_once_a_minute(tmp_path: Path) -> None:
    """No sign-in cures keys: they are tried again, seldom, and the flows go on when they are taken."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with running(shop) as daemon:
        await anyio.sleep(2 * MINUTE)
        right, shop.till.secret_key = shop.till.secret_key, "another"
        await anyio.sleep(MINUTE)
        asked = daemon.wires["till"].requests.total()
        await anyio.sleep(30 * MINUTE)
        assert daemon.wires["till"].requests.total() - asked <= 30 * 8
        assert (daemon.reauth("salespos"), daemon.reauth(), await daemon.ready()) == (True, False, False)
        assert daemon.told == ["Kassabrug: The connection till must be signed in to again"]
        shop.till.secret_key = right
        shop.till.ring_up(receipt("R2", line(), minute=1))
        await anyio.sleep(2 * MINUTE)
        assert daemon.documents() == ["KB-R1", "KB-R2"]
        assert await daemon.ready()


async def test_books_of_another_company_are_not_gone_on_with(tmp_path: Path) -> None:
    """Somebody signed in to another company: nothing is booked there, for all that is known is about the first one."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with running(shop) as daemon:
        await anyio.sleep(30)
        assert daemon.documents() == ["KB-R1"]
    shop.books.books.company["CompanyIdentifier"] = "another"
    shop.till.ring_up(receipt("R2", line(), minute=1))
    async with running(shop) as daemon:
        await anyio.sleep(5 * MINUTE)
        assert daemon.documents() == ["KB-R1"]
        assert "another company" in ENGLISH(daemon.supervisor.flows[0].last_run.error)  # type: ignore[union-attr]  # it has run by now
