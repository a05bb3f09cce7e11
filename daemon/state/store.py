"""The store in SQLite: each method of the port as one transaction, run where the runner runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from daemon.core.life import Outcome, Reason, State
from daemon.state import bindings as binding_rows
from daemon.state import facts as fact_rows
from daemon.state import intents as intent_rows
from daemon.state import journal
from daemon.state import positions as position_rows
from daemon.state import questions as question_rows
from daemon.state import work as work_rows
from daemon.state.port import Activity, Store, StoreError
from daemon.state.values import from_cents

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from connectors.port import Clock, Position
    from daemon.state.cipher import Cipher
    from daemon.state.database import Database
    from daemon.state.port import AlertRow, Binding, Count, Intent, NewWork, Question, Settlement, Work
    from daemon.state.runner import Runner

T = TypeVar("T")


class SqliteStore(Store):
    """The port in SQLite.  Made by :func:`daemon.state.sqlite.open_store`.

    Attributes:
        identity: a random name that the database was given at its creation
        generation: how far it had come when it was opened: grows with every opening for writing and every intent
    """

    def __init__(self, runner: Runner, database: Database, *, clock: Clock) -> None:
        self.identity = database.identity
        self.generation = database.generation
        self._cipher = database.cipher
        self._runner = runner
        self._clock = clock

    async def close(self) -> None:
        """Close the database; a second call does nothing."""
        await self._runner.close()

    @property
    def restored(self) -> bool:
        """Whether the database is older than what was done with it, so that everything must be looked up before it is created."""
        return self._runner.database.restored

    async def reconciled(self) -> None:
        """Take it that everything was looked up since the database was put back: :attr:`restored` is over, for good."""
        await self._runner.run(lambda database: database.reconciled())

    # -- how calls are run ----------------------------------------------------------------------------------------------------
    async def look(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function that reads with one statement."""
        return await self._runner.run(lambda database: database.read(function))

    async def transact(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in a transaction that is durable when this returns."""
        return await self._runner.run(lambda database: database.write(function))

    async def aside(self, function: Callable[[], T]) -> T:
        """Run a short blocking function that has nothing to do with the database where it does not block the loop."""
        return await self._runner.run(lambda _: function())

    @property
    def cipher(self) -> Cipher:
        """What encrypts; raises :class:`StoreError` in a reader that has no key."""
        if self._cipher is None:
            raise StoreError("the key file is not here, so tokens and payloads cannot be read; run as the daemon's own user")
        return self._cipher

    # -- reading the source ---------------------------------------------------------------------------------------------------
    async def position(self, link: str, flow: str) -> Position:
        """Return where reading goes on."""
        return await self.look(lambda connection: position_rows.get(connection, link, flow))

    async def record_page(self, link: str, flow: str, position: Position, works: Sequence[NewWork]) -> int:
        """Store work and position together; return how many were new or changed."""
        now = self._clock.now()

        def both(connection: sqlite3.Connection) -> int:
            position_rows.put(connection, link, flow, position)
            return work_rows.take_in(connection, self.cipher, link, flow, works, now=now)

        return await self.transact(both)

    # -- work -----------------------------------------------------------------------------------------------------------------
    async def claim(self, link: str, flow: str, *, now: datetime, limit: int) -> Sequence[Work]:
        """Mark up to ``limit`` due pieces of work as running, oldest first, and return them."""
        return await self.transact(lambda connection: work_rows.claim(connection, self.cipher, link, flow, now=now, limit=limit))

    async def finish(self, work: Work, settlement: Settlement) -> None:
        """Settle one piece of work."""
        await self.finish_many([(work, settlement)])

    async def finish_many(self, settled: Sequence[tuple[Work, Settlement]]) -> None:
        """Settle several pieces of work in one transaction."""
        now = self._clock.now()

        def settle(connection: sqlite3.Connection) -> None:
            for item, settlement in settled:
                work_rows.finish(connection, item, settlement, now)
                binding_rows.put(connection, settlement.bindings)
            journal.append(connection, [_settled(item, settlement, now) for item, settlement in settled])

        await self.transact(settle)

    async def defer(
        self,
        work: Work,
        state: State,
        *,
        not_before: datetime,
        reason: Reason,
        detail: str = "",
        attempt: int,
        payload: bytes | None = None,
    ) -> None:
        """Put running work back."""
        now = self._clock.now()
        await self.transact(
            lambda connection: work_rows.defer(
                connection,
                self.cipher,
                work,
                state,
                not_before=not_before,
                reason=reason,
                detail=detail,
                attempt=attempt,
                payload=payload,
                now=now,
            )
        )

    async def hold(
        self,
        work: Work,
        *,
        reason: Reason,
        detail: str = "",
        outcome: Outcome = Outcome.HELD,
        state: State = State.HELD,
        question: Question | None = None,
        payload: bytes | None = None,
    ) -> None:
        """Hold work, or declare it dead.

        A question that was answered while the work was in hand releases it at once; one that was answered before did not help,
        and is asked afresh.
        """
        now = self._clock.now()

        def put_away(connection: sqlite3.Connection) -> None:
            if question is not None and _answered_meanwhile(connection, work, question, now):
                work_rows.defer(
                    connection,
                    self.cipher,
                    work,
                    State.QUEUED,
                    not_before=now,
                    reason=Reason.NONE,
                    detail="",
                    attempt=0,
                    payload=payload,
                    now=now,
                )
                return
            work_rows.hold(
                connection,
                self.cipher,
                work,
                state,
                outcome=outcome,
                reason=reason,
                detail=detail,
                question=None if question is None else question.key,
                payload=payload,
                now=now,
            )
            line = Activity(now, work.link, work.flow, work.record, work.label, state, outcome, reason, detail)
            journal.append(connection, [line])

        await self.transact(put_away)

    async def resend(self, link: str, label_or_record: str, *, flow: str | None = None) -> int:
        """Queue held, dead or done work again; return how many."""
        now = self._clock.now()

        def again(connection: sqlite3.Connection) -> int:
            rows = work_rows.resend(connection, link, label_or_record, flow, now)
            journal.append(connection, _released(link, rows, "resent", now))
            return len(rows)

        return await self.transact(again)

    async def release_waiting(self, link: str, *, reason: Reason) -> int:
        """Make work that waits for ``reason`` due at once; return how many."""
        now = self._clock.now()
        return await self.transact(lambda connection: work_rows.release_waiting(connection, link, reason, now))

    async def recover(self) -> int:
        """Queue what a dead process left running; return how many."""
        now = self._clock.now()
        return await self.transact(lambda connection: work_rows.recover(connection, now))

    async def work(self, link: str, flow: str, record: str) -> Work | None:
        """Return one piece of work."""
        return await self.look(lambda connection: work_rows.get(connection, self._cipher, link, flow, record))

    async def find_work(self, label_or_record: str) -> Sequence[Work]:
        """Return every piece of work with this label or record id."""
        return await self.look(lambda connection: work_rows.find(connection, self._cipher, label_or_record))

    async def open_work(self, link: str, flow: str) -> Sequence[Work]:
        """Return everything of a flow that is not settled; a reader without the key gets it without payloads."""
        return await self.look(lambda connection: work_rows.unsettled(connection, self._cipher, link, flow))

    async def next_due(self, link: str, flow: str) -> datetime | None:
        """Return when the next claimable piece of work is due."""
        now = self._clock.now()
        return await self.look(lambda connection: work_rows.next_due(connection, link, flow, now))

    async def counts(self) -> Sequence[Count]:
        """Return the work that is not settled, by link, flow and state."""
        return await self.look(work_rows.counts)

    async def sums(self, link: str, flow: str) -> Mapping[str, str]:
        """Return ``records``, ``receipts`` and ``documents`` (those with an amount of either side), and the sums ``till``, ``books``."""
        records, receipts, documents, till, books = await self.look(lambda connection: work_rows.sums(connection, link, flow))
        return {
            "records": str(records),
            "receipts": str(receipts),
            "documents": str(documents),
            "till": from_cents(till),
            "books": from_cents(books),
        }

    # -- intents --------------------------------------------------------------------------------------------------------------
    async def intend(self, intent: Intent) -> Intent | None:
        """Make an intent durable; return ``None`` when it is the caller's to send, else the existing one."""
        return await self._runner.run(lambda database: database.announce(lambda connection: intent_rows.claim(connection, intent)))

    async def settle_intent(
        self,
        link: str,
        key: str,
        state: str,
        *,
        remote_id: str = "",
        binding: Binding | None = None,
        memo: Mapping[str, str] | None = None,
    ) -> None:
        """Write down what came of an intent, and the binding that follows from it."""

        def settle(connection: sqlite3.Connection) -> None:
            intent_rows.settle(connection, link, key, state, remote_id=remote_id, memo=memo)
            if binding is not None:
                binding_rows.put(connection, [binding])

        await self.transact(settle)

    async def resend_intent(self, link: str, key: str, *, now: datetime) -> None:
        """Renew ``sent_at`` and count an attempt."""
        await self._runner.run(lambda database: database.announce(lambda connection: intent_rows.renew(connection, link, key, now)))

    async def settle_writes(self, link: str, flow: str, record: str, *, happened: bool, by: str) -> int:
        """Write down what a person says of writes whose outcome is not known, and queue the record; return how many."""
        now = self._clock.now()

        def settle(connection: sqlite3.Connection) -> int:
            work = work_rows.get(connection, None, link, flow, record)
            if work is None or work.state is State.DONE:
                return 0
            settled = intent_rows.settle_unknown(connection, (link, link.partition("/")[0]), record, happened=happened)
            if settled:
                label = work_rows.queue_now(connection, link, flow, record, now)
                said = "happened" if happened else "did not happen"
                lines = [f"{intent.operation} {intent.reference} {said}, says {by}" for intent in settled]
                journal.append(connection, [Activity(now, link, flow, record, label, "settled by hand", detail=line) for line in lines])
            return len(settled)

        return await self.transact(settle)

    async def intents(self, link: str, *, record: str | None = None, flow: str | None = None, state: str | None = None) -> Sequence[Intent]:
        """Return intents in the order in which they were sent."""
        return await self.look(lambda connection: intent_rows.find(connection, link, record=record, flow=flow, state=state))

    # -- bindings -------------------------------------------------------------------------------------------------------------
    async def bindings(self, link: str, kind: str, sources: Iterable[str] | None = None) -> Mapping[str, Binding]:
        """Return bindings by source id."""
        wanted = None if sources is None else list(sources)
        return await self.look(lambda connection: binding_rows.find(connection, link, kind, wanted))

    async def bind(self, bindings: Sequence[Binding]) -> None:
        """Store bindings; one that contradicts an existing pair replaces it."""
        await self.transact(lambda connection: binding_rows.put(connection, bindings))

    async def unbind(self, link: str, kind: str, source: str) -> None:
        """Forget a binding."""
        await self.transact(lambda connection: binding_rows.remove(connection, link, kind, source))

    # -- questions, facts, activity, alerts -----------------------------------------------------------------------------------
    async def questions(self, *, answered: bool = False) -> Sequence[Question]:
        """Return the questions that wait for an answer, or those that have one."""
        return await self.look(lambda connection: question_rows.find(connection, answered=answered))

    async def ask(self, question: Question) -> Question:
        """Ask a question; return it as stored."""
        now = self._clock.now()
        return await self.transact(lambda connection: question_rows.ask(connection, question, now))

    async def answer(self, link: str, key: str, answer: str) -> int:
        """Answer a question and queue what waited for it; return how many. Raises :class:`KeyError`."""
        now = self._clock.now()

        def answered(connection: sqlite3.Connection) -> int:
            if not question_rows.answer(connection, link, key, answer, now):
                raise KeyError(key)
            return _release(connection, link, key, now)

        return await self.transact(answered)

    async def answers(self, link: str) -> Mapping[str, str]:
        """Return the answers given so far, by question key."""
        return await self.look(lambda connection: question_rows.answers(connection, link))

    async def withdraw_question(self, link: str, key: str) -> None:
        """Forget a question and its answer; what waited for it is queued, to be decided again."""
        now = self._clock.now()

        def withdraw(connection: sqlite3.Connection) -> None:
            question_rows.remove(connection, link, key)
            _release(connection, link, key, now)

        await self.transact(withdraw)

    async def fact(self, link: str, name: str) -> str | None:
        """Return something learnt."""
        return await self.look(lambda connection: fact_rows.get(connection, link, name))

    async def remember(self, link: str, facts: Mapping[str, str]) -> None:
        """Remember facts."""
        await self.transact(lambda connection: fact_rows.put(connection, link, facts))

    async def note(self, activities: Sequence[Activity]) -> None:
        """Append to the activity log."""
        await self.transact(lambda connection: journal.append(connection, activities))

    async def activity(self, *, label: str | None = None, limit: int = 100) -> Sequence[Activity]:
        """Return the newest lines of the activity log first."""
        return await self.look(lambda connection: journal.newest(connection, label, limit))

    async def prune(self, *, before: datetime) -> int:
        """Forget activity and settled work older than this, and the decided intents of work that is gone."""

        def forget(connection: sqlite3.Connection) -> int:
            forgotten = journal.prune(connection, before) + work_rows.prune(connection, before)
            return forgotten + intent_rows.prune(connection, before)

        return await self.transact(forget)

    async def alerts(self) -> Sequence[AlertRow]:
        """Return the alerts that are remembered."""
        return await self.look(journal.alerts)

    async def save_alert(self, row: AlertRow) -> None:
        """Remember an alert."""
        await self.transact(lambda connection: journal.put_alert(connection, row))

    # -- the file -------------------------------------------------------------------------------------------------------------
    async def size(self) -> int:
        """Return the bytes that the store takes on disk."""
        return await self._runner.run(lambda database: database.size())

    async def backup(self, target: Path) -> None:
        """Write a consistent, checked copy of the database; the key is not in it and has to be kept beside it."""
        await self._runner.run(lambda database: database.backup(target))


def _answered_meanwhile(connection: sqlite3.Connection, item: Work, question: Question, now: datetime) -> bool:
    stored = question_rows.ask(connection, question, now)
    if stored.answered_at is None:
        return False
    if stored.answered_at >= item.updated_at:  # it was claimed before the answer came
        return True
    question_rows.ask_again(connection, question, now)
    return False


def _release(connection: sqlite3.Connection, link: str, key: str, now: datetime) -> int:
    rows = work_rows.release_answered(connection, link, key, now)
    journal.append(connection, _released(link, rows, "released", now))
    return len(rows)


def _released(link: str, rows: Iterable[sqlite3.Row], event: str, now: datetime) -> list[Activity]:
    return [Activity(now, link, row["flow"], row["record"], row["label"], event) for row in rows]


def _settled(item: Work, settlement: Settlement, now: datetime) -> Activity:
    return Activity(
        at=now,
        link=item.link,
        flow=item.flow,
        record=item.record,
        label=item.label,
        event="settled",
        outcome=settlement.outcome,
        reason=settlement.reason,
        detail=settlement.detail,
        remote_id=settlement.remote_id,
    )
