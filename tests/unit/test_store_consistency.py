"""Whatever happens in whatever order: what the position has passed is stored, and nothing is worked on twice."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.port import Cursor
from daemon.core.outcomes import Outcome, Reason, State
from daemon.state import cursors, work
from daemon.state.database import Database
from daemon.state.port import Settlement
from tests.unit.store_support import NOON, minutes, new

if TYPE_CHECKING:
    import sqlite3

    from daemon.state.cipher import Cipher
    from daemon.state.port import NewWork, Work


class PowerCut(Exception):
    """The transaction is cut off in the middle."""


class ShopDay(RuleBasedStateMachine):
    """Reads pages, works on records, and loses power.

    ``versions`` is what the source has delivered and the store has accepted, ``open`` what of it is not settled, and ``changed``
    what has changed while it was in ``hand``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="kassabrug-"))
        self.directory = self.place / "0"
        self.versions: dict[str, str] = {}
        self.open: set[str] = set()
        self.changed: set[str] = set()
        self.hand: list[Work] = []
        self.page = 0

    @initialize()
    def start(self) -> None:
        """Open a new store."""
        self.database = Database.open(self.directory)

    def teardown(self) -> None:
        """Close the store, and leave nothing behind, even of a run that failed."""
        try:
            self.database.close()
        finally:
            shutil.rmtree(self.place)

    @property
    def cipher(self) -> Cipher:
        """The store's cipher."""
        assert self.database.cipher is not None
        return self.database.cipher

    def take_in(self, connection: sqlite3.Connection, works: list[NewWork]) -> None:
        """Store a page and its position."""
        cursors.put(connection, "shop", "sales", Cursor(minutes(self.page), frozenset((one.record, one.version) for one in works)))
        work.take_in(connection, self.cipher, "shop", "sales", works, now=NOON)

    @rule(records=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123")), max_size=4), cut=st.booleans())
    def read_a_page(self, records: list[tuple[str, str]], *, cut: bool) -> None:
        """The source delivers changes; the power may fail after everything is written and before it is committed."""
        works = [replace(new(record, version=version, payload=f"{record}{version}".encode()), label="shop") for record, version in records]
        self.page += 1

        def page(connection: sqlite3.Connection) -> None:
            self.take_in(connection, works)
            if cut:
                raise PowerCut

        if cut:
            with pytest.raises(PowerCut):
                self.database.write(page)
            self.page -= 1
        else:
            self.database.write(page)
            changed = {record for record, version in dict(records).items() if self.versions.get(record) != version}
            self.versions.update(records)
            self.open |= changed
            self.changed |= changed & {one.record for one in self.hand}

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        """A worker takes work in hand: never what is in a hand already."""
        claimed = self.database.write(lambda connection: work.claim(connection, self.cipher, "shop", "sales", now=NOON, limit=limit))
        assert not {one.record for one in claimed} & {one.record for one in self.hand}
        for one in claimed:
            assert one.record in self.open
            assert one.payload == f"{one.record}{one.version}".encode()
        self.hand += claimed

    @precondition(lambda self: self.hand)
    @rule()
    def settle(self) -> None:
        """A worker is done."""
        one = self.hand.pop()
        self.database.write(lambda connection: work.finish(connection, one, Settlement(Outcome.CREATED), NOON))
        if one.record not in self.changed:
            self.open.remove(one.record)
        self.changed.discard(one.record)

    @precondition(lambda self: self.hand)
    @rule(state=st.sampled_from([State.RETRYING, State.UNCERTAIN, State.WAITING, State.QUEUED]))
    def put_back(self, state: State) -> None:
        """A worker has to try again later."""
        one = self.hand.pop(0)
        self.changed.discard(one.record)
        self.database.write(
            lambda connection: work.defer(
                connection,
                self.cipher,
                one,
                state,
                not_before=NOON,
                reason=Reason.TRANSIENT,
                detail="",
                attempt=one.attempt + 1,
                payload=one.payload,
                now=NOON,
            )
        )

    @rule()
    def lose_power(self) -> None:
        """What is on the disk at this moment is all that is left; the next process recovers."""
        before, self.directory = self.directory, self.directory.with_name(str(int(self.directory.name) + 1))
        self.directory.mkdir(mode=0o700)
        for name in ("state.sqlite3", "state.sqlite3-wal", "state.key"):
            if (before / name).exists():
                shutil.copy(before / name, self.directory)
        self.database.close()
        self.database = Database.open(self.directory)
        recovered = self.database.write(lambda connection: work.recover(connection, NOON))
        assert recovered == len(self.hand)
        self.hand = []
        self.changed = set()

    @invariant()
    def what_the_position_has_passed_is_stored(self) -> None:
        """In its newest version, with its payload for as long as it is not settled."""
        position = self.database.read(lambda connection: cursors.get(connection, "shop", "sales"))
        assert position.moment == (minutes(self.page) if self.page else None)
        found = self.database.read(lambda connection: work.find(connection, self.cipher, "shop"))
        assert {one.record: one.version for one in found} == self.versions
        assert {one.record for one in found if one.state is not State.DONE} == self.open
        assert {one.record for one in found if one.state is State.RUNNING} == {one.record for one in self.hand}
        for one in found:
            assert one.payload == (f"{one.record}{one.version}".encode() if one.record in self.open else None)


TestShopDay = ShopDay.TestCase
TestShopDay.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, database=None)
