"""A person is forgotten while his receipt waits: it goes on as if nothing had been, and no second debtor is made of him."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from daemon.cli.forget import names_of
from daemon.core.customers import pseudonym
from daemon.core.ids import LinkId
from daemon.state.forgetting import Person
from tests.flow.shop import BUSINESS, MORNING, PERSON, line, open_shop, receipt, world
from tests.flow.test_holding import refuse

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_forgotten_customers_receipt_goes_to_his_own_debtor(tmp_path: Path) -> None:
    """What the state needs of him it asks the till for again; in the books he is one debtor, as the bookkeeper knows him."""
    running = open_shop(tmp_path, world(receipt("R1", line(), customer="p"), receipt("R2", line(), customer="p", minute=1)))
    async with running.process() as bridge:
        keys = {"KB-R2"}
        refuse(bridge, keys)
        await bridge.settle("sales")
        assert await bridge.held() == {"R2": "rejected"}
        address, salt = PERSON.email, await bridge.store.secret(LinkId(""), "salt") or ""
        gone = await bridge.store.forget(Person(pseudonym(address, salt), address, names_of(address)), by="ans")
        assert (gone.writes, gone.contents, gone.in_hand) == (1, 1, 0)
        assert await bridge.store.bindings(bridge.pair.context.link_id, "customer") == {}
        keys.clear()
        await bridge.store.resend(bridge.pair.context.pair_id, "R2")
        await anyio.sleep(60)
        running.till.cashier.ring_up(replace(receipt("R3", line(), customer="p"), sold_at=MORNING + timedelta(seconds=50)))
        await bridge.settle("sales")
        assert await bridge.held() == {}
    books = running.books.books
    [debtor] = [row for row in books.customers.rows.values() if (row["EmailAddress"] or "").lower() == address]
    assert sorted(running.references(), key=str) == ["KB-R1", "KB-R2", "KB-R3"]
    assert {row["CustomerNumber"] for row in books.invoices.rows.values()} == {debtor["CustomerNumber"]}
    assert running.books.ledger().remaining == 0


async def test_another_customer_is_not_forgotten_with_him(tmp_path: Path) -> None:
    """What stands for him, and the content of his receipt, stay."""
    running = open_shop(tmp_path, world(receipt("R1", line(), customer="p"), receipt("R2", line(), customer="b", minute=1)))
    async with running.process() as bridge:
        refuse(bridge, {"KB-R1", "KB-R2"})
        await bridge.settle("sales")
        salt = await bridge.store.secret(LinkId(""), "salt") or ""
        await bridge.store.forget(Person(pseudonym(PERSON.email, salt), PERSON.email, names_of(PERSON.email)), by="ans")
        kept = {work.label: work.payload for work in await bridge.store.open_work(bridge.pair.context.pair_id, "sales")}
        assert kept["R1"] == b""
        assert BUSINESS.email.encode() in (kept["R2"] or b"")
        assert {one.reference for one in await bridge.store.intents(bridge.pair.context.link_id)} == {pseudonym(BUSINESS.email, salt)}
