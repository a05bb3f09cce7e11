"""The store in SQLite: each method of the port as one transaction, run where the runner runs it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from daemon.core.flow_registry import FLOWS
from daemon.core.ids import EVERYBODY, link_of
from daemon.core.message import message
from daemon.core.outcomes import Outcome, Reason, State
from daemon.core.outside import clean, is_clean, names_in, said
from daemon.state import activity as activity_rows
from daemon.state import bindings as binding_rows
from daemon.state import cursors as cursor_rows
from daemon.state import facts as fact_rows
from daemon.state import forgetting, underway
from daemon.state import intents as intent_rows
from daemon.state import questions as question_rows
from daemon.state import work as work_rows
from daemon.state.port import Activity, AnswerUse, Forgotten, Pruned, Store, StoreError, WrongAnswer
from daemon.state.values import from_cents

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from connectors.port import Clock, Cursor
    from daemon.core.ids import Owner, PairId
    from daemon.core.message import Text
    from daemon.state.cipher import Cipher
    from daemon.state.database import Database
    from daemon.state.forgetting import Person
    from daemon.state.port import AlertRow, Binding, Count, Intent, NewWork, Question, Settlement, UnderWay, Work
    from daemon.state.runner import Runner

T = TypeVar("T")

#: whose work it was that left a binding of this kind behind
_OF_RECORDS = {flow.record: flow.name for flow in FLOWS if flow.record}
#: so many rows are forgotten in one transaction: it takes a few milliseconds
CHUNK = 500


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

    @property
    def restored_from(self) -> datetime | None:
        """The last moment that the database knew of when it was put back, ``None`` when it knew of none."""
        return self._runner.database.restored_from

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

    async def announce(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run the same for what nobody else knows (a write to come, a person's word, a token): it is counted beside the database too."""
        return await self._runner.run(lambda database: database.announce(function))

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
    async def position(self, pair: PairId, flow: str) -> Cursor:
        """Return where reading goes on."""
        return await self.look(lambda connection: cursor_rows.get(connection, pair, flow))

    async def record_page(self, pair: PairId, flow: str, position: Cursor, works: Sequence[NewWork]) -> int:
        """Store work and position together; return how many were new or changed."""
        now = self._clock.now()

        def both(connection: sqlite3.Connection) -> int:
            cursor_rows.put(connection, pair, flow, position)
            return work_rows.take_in(connection, self.cipher, pair, flow, works, now=now)

        return await self.transact(both)

    # -- work -----------------------------------------------------------------------------------------------------------------
    async def claim(self, pair: PairId, flow: str, *, now: datetime, limit: int) -> Sequence[Work]:
        """Mark up to ``limit`` due pieces of work as running, oldest first, and return them."""
        return await self.transact(lambda connection: work_rows.claim(connection, self.cipher, pair, flow, now=now, limit=limit))

    async def finish(self, work: Work, settlement: Settlement) -> None:
        """Settle one piece of work."""
        await self.finish_many([(work, settlement)])

    async def finish_many(self, settled: Sequence[tuple[Work, Settlement]]) -> None:
        """Settle several pieces of work in one transaction."""
        now = self._clock.now()
        settled = [(item, replace(one, detail=_told(one.detail, item.payload))) for item, one in settled]

        def settle(connection: sqlite3.Connection) -> None:
            for item, settlement in settled:
                work_rows.finish(connection, item, settlement, now)
                question_rows.settled(connection, item, settlement, now)
                binding_rows.put(connection, settlement.bindings)
            activity_rows.append(connection, [_settled(item, settlement, now) for item, settlement in settled])

        await self.transact(settle)

    async def defer(
        self,
        work: Work,
        state: State,
        *,
        not_before: datetime,
        reason: Reason,
        detail: Text = "",
        attempt: int,
        payload: bytes | None = None,
    ) -> None:
        """Put running work back."""
        now = self._clock.now()
        detail = _told(detail, payload or work.payload)
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
        detail: Text = "",
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
        names = payload or work.payload
        detail = _told(detail, names)
        question = None if question is None else _asked(question, names_in(names))

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
            line = Activity(now, work.pair, work.flow, work.record, work.label, state, outcome, reason, detail)
            activity_rows.append(connection, [line])

        await self.announce(put_away)

    async def resend(self, pair: PairId, label_or_record: str, *, flow: str | None = None) -> int:
        """Queue held, dead or done work again, also what is remembered by its binding only; return how many."""
        now = self._clock.now()
        flows = {kind: name for kind, name in _OF_RECORDS.items() if flow in {None, name}}

        def again(connection: sqlite3.Connection) -> int:
            rows = work_rows.resend(connection, pair, label_or_record, flow, now)
            rows += work_rows.revive(connection, pair, label_or_record, flows=flows, now=now)
            activity_rows.append(connection, _released(pair, rows, "resent", now))
            return len(rows)

        return await self.transact(again)

    async def release_held(self, pair: PairId, *, reasons: Iterable[Reason]) -> int:
        """Queue what is held for one of these reasons; return how many."""
        now, wanted = self._clock.now(), list(reasons)

        def release(connection: sqlite3.Connection) -> int:
            rows = work_rows.release_held(connection, pair, wanted, now)
            activity_rows.append(connection, _released(pair, rows, "released", now))
            return len(rows)

        return await self.transact(release)

    async def release_waiting(self, pair: PairId, *, reason: Reason) -> int:
        """Make work that waits for ``reason`` due at once; return how many."""
        now = self._clock.now()
        return await self.transact(lambda connection: work_rows.release_waiting(connection, pair, reason, now))

    async def recover(self) -> int:
        """Queue what a dead process left running; return how many."""
        now = self._clock.now()
        return await self.transact(lambda connection: work_rows.recover(connection, now))

    async def work(self, pair: PairId, flow: str, record: str) -> Work | None:
        """Return one piece of work."""
        return await self.look(lambda connection: work_rows.get(connection, self._cipher, pair, flow, record))

    async def find_work(self, label_or_record: str) -> Sequence[Work]:
        """Return every piece of work with this label or record id."""
        return await self.look(lambda connection: work_rows.find(connection, self._cipher, label_or_record))

    async def open_work(self, pair: PairId, flow: str) -> Sequence[Work]:
        """Return everything of a flow that is not settled; a reader without the key gets it without payloads."""
        return await self.look(lambda connection: work_rows.unsettled(connection, self._cipher, pair, flow))

    async def under_way(self, pairs: Sequence[PairId], flow: str, *, kind: str, operation: str, since: datetime) -> Sequence[UnderWay]:
        """Return what is not settled, or was settled from ``since`` until now, of a flow in several pairs, oldest first."""
        now = self._clock.now()
        return await self.look(
            lambda connection: underway.find(connection, self._cipher, pairs, flow, kind=kind, operation=operation, since=since, until=now)
        )

    async def next_due(self, pair: PairId, flow: str) -> datetime | None:
        """Return when the next claimable piece of work is due."""
        now = self._clock.now()
        return await self.look(lambda connection: work_rows.next_due(connection, pair, flow, now))

    async def counts(self) -> Sequence[Count]:
        """Return the work that is not settled, by link, flow and state."""
        return await self.look(work_rows.counts)

    async def sums(self, pair: PairId, flow: str) -> Mapping[str, str]:
        """Return ``records``, ``receipts`` and ``documents`` (those with an amount of either side), and the sums ``till``, ``books``."""
        records, receipts, documents, till, books = await self.look(lambda connection: work_rows.sums(connection, pair, flow))
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
        return await self.announce(lambda connection: intent_rows.claim(connection, intent))

    async def settle_intent(
        self,
        owner: Owner,
        key: str,
        state: str,
        *,
        remote_id: str = "",
        binding: Binding | None = None,
        memo: Mapping[str, str] | None = None,
    ) -> None:
        """Write down what came of an intent, and the binding that follows from it."""

        def settle(connection: sqlite3.Connection) -> None:
            intent_rows.settle(connection, owner, key, state, remote_id=remote_id, memo=memo)
            if binding is not None:
                binding_rows.put(connection, [binding])

        await self.transact(settle)

    async def resend_intent(self, owner: Owner, key: str, *, now: datetime) -> None:
        """Renew ``sent_at`` and count an attempt."""
        await self.announce(lambda connection: intent_rows.renew(connection, owner, key, now))

    async def intent(self, owner: Owner, key: str) -> Intent | None:
        """Return one intent by its key."""
        return await self.look(lambda connection: intent_rows.get(connection, owner, key))

    async def settle_writes(self, pair: PairId, flow: str, record: str, *, happened: bool, by: str) -> int:
        """Write down what a person says of writes whose outcome is not known, and queue the record; return how many."""
        now = self._clock.now()

        def settle(connection: sqlite3.Connection) -> int:
            work = work_rows.get(connection, None, pair, flow, record)
            if work is None or work.state is State.DONE:
                return 0
            settled = intent_rows.settle_unknown(connection, (pair, link_of(pair)), record, happened=happened)
            if settled:
                label = work_rows.queue_now(connection, pair, flow, record, now)
                lines = [_said(intent, by, happened=happened) for intent in settled]
                activity_rows.append(
                    connection, [Activity(now, pair, flow, record, label, "settled by hand", detail=line) for line in lines]
                )
            return len(settled)

        return await self.announce(settle)

    async def intents(
        self, owner: Owner, *, record: str | None = None, flow: str | None = None, state: str | None = None
    ) -> Sequence[Intent]:
        """Return intents in the order in which they were sent."""
        return await self.look(lambda connection: intent_rows.find(connection, owner, record=record, flow=flow, state=state))

    # -- bindings -------------------------------------------------------------------------------------------------------------
    async def bindings(self, owner: Owner, kind: str, sources: Iterable[str] | None = None) -> Mapping[str, Binding]:
        """Return bindings by source id."""
        wanted = None if sources is None else list(sources)
        return await self.look(lambda connection: binding_rows.find(connection, owner, kind, wanted))

    async def holder(self, owners: Iterable[Owner], kind: str, target: str) -> Binding | None:
        """Return the binding by which one of these owners holds a target."""
        wanted = list(owners)
        return await self.look(lambda connection: binding_rows.holder(connection, wanted, kind, target))

    async def bind(self, bindings: Sequence[Binding]) -> None:
        """Store bindings; one that contradicts an existing pair replaces it."""
        await self.transact(lambda connection: binding_rows.put(connection, bindings))

    async def unbind(self, owner: Owner, kind: str, source: str) -> None:
        """Forget a binding."""
        await self.transact(lambda connection: binding_rows.remove(connection, owner, kind, source))

    # -- questions, facts, activity, alerts -----------------------------------------------------------------------------------
    async def questions(self, *, answered: bool = False) -> Sequence[Question]:
        """Return the questions that wait for an answer, or those that have one."""
        return await self.look(lambda connection: question_rows.find(connection, answered=answered))

    async def ask(self, question: Question) -> Question:
        """Ask a question; return it as stored."""
        now = self._clock.now()
        question = _asked(question)
        return await self.transact(lambda connection: question_rows.ask(connection, question, now))

    async def answer(self, pair: PairId, key: str, answer: str, *, by: str = "") -> int:
        """Answer a question, or answer it otherwise, and queue what waits for it, unless it is to stay; return how many.

        Raises :class:`KeyError` and :class:`WrongAnswer`.
        """
        now = self._clock.now()
        if not is_clean(answer):
            raise WrongAnswer("an answer names no person and holds no secret or control character; it is stored and shown as it is")

        def answered(connection: sqlite3.Connection) -> int:
            before = question_rows.get(connection, pair, key)
            given = question_rows.answer(connection, pair, key, answer, now, by=by)
            if before is None or given is None:
                raise KeyError(key)
            told: Text = given.answer or ""
            if before.answer not in {None, given.answer}:
                told = message("activity.instead", answer=told, before=before.answer)
            activity_rows.append(connection, [_decided(given, "answered", told, by, now)])
            return 0 if given.stays else _release(connection, pair, key, now, given)

        return await self.announce(answered)

    async def revoke_answer(self, pair: PairId, key: str, *, by: str = "") -> int:
        """Take an answer back; queue what it held or left behind; return how many. Raises :class:`KeyError`."""
        now = self._clock.now()

        def revoked(connection: sqlite3.Connection) -> int:
            before = question_rows.get(connection, pair, key)
            if before is None or before.answer is None:
                raise KeyError(key)
            question_rows.remove(connection, pair, key)
            activity_rows.append(connection, [_decided(before, "revoked", before.answer, by, now)])
            return _release(connection, pair, key, now)

        return await self.announce(revoked)

    async def overrule(self, pair: PairId, key: str, detail: Text) -> int:
        """Forget a question because the configuration says it; queue what waited for it; return how many."""
        now = self._clock.now()

        def overruled(connection: sqlite3.Connection) -> int:
            before = question_rows.get(connection, pair, key)
            if before is None:
                return 0
            question_rows.remove(connection, pair, key)
            activity_rows.append(connection, [_decided(before, "configured", detail, "", now)])
            return _release(connection, pair, key, now)

        return await self.transact(overruled)

    async def offer(self, pair: PairId, key: str, offers: Sequence[str]) -> None:
        """Write down what of the books could answer a question."""
        shown = [clean(one) for one in offers]
        await self.transact(lambda connection: question_rows.offer(connection, pair, key, shown))

    async def use_answers(self, pair: PairId, flow: str, record: str, label: str, answers: Sequence[tuple[str, str]]) -> None:
        """Remember that a record is about to be written with these answers."""
        now = self._clock.now()
        uses = [AnswerUse(flow, record, label, text, now) for _, text in answers]
        keys = [key for key, _ in answers]
        await self.transact(lambda connection: question_rows.use(connection, pair, zip(keys, uses, strict=True)))

    async def answer_uses(self, pair: PairId, key: str) -> Sequence[AnswerUse]:
        """Return the settled records in which an answer to this question was used."""
        return await self.look(lambda connection: question_rows.uses(connection, pair, key))

    async def answers(self, pair: PairId) -> Mapping[str, str]:
        """Return the answers given so far, by question key."""
        return await self.look(lambda connection: question_rows.answers(connection, pair))

    async def withdraw_question(self, pair: PairId, key: str) -> None:
        """Forget a question and its answer; what waited for it is queued, to be decided again."""
        now = self._clock.now()

        def withdraw(connection: sqlite3.Connection) -> None:
            question_rows.remove(connection, pair, key)
            _release(connection, pair, key, now)

        await self.transact(withdraw)

    async def fact(self, owner: Owner, name: str) -> str | None:
        """Return something learnt."""
        return await self.look(lambda connection: fact_rows.get(connection, owner, name))

    async def remember(self, owner: Owner, facts: Mapping[str, str]) -> None:
        """Remember facts."""
        await self.transact(lambda connection: fact_rows.put(connection, owner, facts))

    async def secret(self, owner: Owner, name: str) -> str | None:
        """Return something that is kept encrypted; raises :class:`StoreError` in a reader that has no key."""
        kept = await self.look(lambda connection: fact_rows.get(connection, owner, name))
        return None if kept is None else self.cipher.decrypt_text(kept, fact_rows.place_of(owner, name))

    async def remember_secret(self, owner: Owner, name: str, value: str) -> None:
        """Remember something encrypted."""
        kept = {name: self.cipher.encrypt_text(value, fact_rows.place_of(owner, name))}
        await self.transact(lambda connection: fact_rows.put(connection, owner, kept))

    async def note(self, activities: Sequence[Activity]) -> None:
        """Append to the activity log."""
        lines = [replace(one, detail=said(one.detail)) for one in activities]
        await self.transact(lambda connection: activity_rows.append(connection, lines))

    async def activity(self, *, label: str | None = None, limit: int = 100) -> Sequence[Activity]:
        """Return the newest lines of the activity log first."""
        return await self.look(lambda connection: activity_rows.newest(connection, label, limit))

    async def newest_read(self) -> datetime | None:
        """Return the newest moment of any vendor's clock that was read up to."""
        return await self.look(cursor_rows.newest)

    async def prune(self, *, before: datetime, activity_before: datetime | None = None, chunk: int = CHUNK) -> Pruned:
        """Forget what is old, in transactions of at most ``chunk`` rows each, between which everybody else gets his turn."""
        work = 0
        for link, flow in await self.look(cursor_rows.scopes):
            while gone := await self.transact(partial(work_rows.prune, link=link, flow=flow, before=before, limit=chunk)):
                work += gone
        while await self.transact(partial(question_rows.prune, limit=chunk)):
            pass
        intents = 0
        place: tuple[str, str] | None = ("", "")
        while place is not None:
            gone, place = await self._prune_intents(place, before, chunk)
            intents += gone
        lines_before = activity_before or before
        lines, line, gone = 0, 0, 1
        while gone:
            gone, line = await self.transact(partial(activity_rows.prune, after=line, before=lines_before, limit=chunk))
            lines += gone
        alerts = await self.transact(partial(activity_rows.prune_alerts, before=lines_before))
        return Pruned(work, intents, lines, alerts)

    async def _prune_intents(self, after: tuple[str, str], before: datetime, limit: int) -> tuple[int, tuple[str, str] | None]:
        return await self.transact(lambda connection: intent_rows.prune(connection, after, before, limit))

    async def alerts(self) -> Sequence[AlertRow]:
        """Return the alerts that are remembered."""
        return await self.look(activity_rows.alerts)

    async def save_alert(self, row: AlertRow) -> None:
        """Remember an alert."""
        told = replace(row, summary=said(row.summary))
        await self.transact(lambda connection: activity_rows.put_alert(connection, told))

    async def forget(self, person: Person, *, by: str) -> Forgotten:
        """Take a person out of the state; return what was removed, and what is in hand just now and has to be tried again.

        The activity log says that it was done and by whom, and not of whom.
        """
        found = await self.look(lambda connection: forgetting.find(connection, self.cipher, person))
        if found.nothing:
            return Forgotten()
        now = self._clock.now()

        def remove(connection: sqlite3.Connection) -> Forgotten:
            gone = forgetting.remove(connection, person, found)
            if gone.removed:
                detail = message(
                    "activity.forgotten", bindings=gone.bindings, writes=gone.writes, records=gone.contents, texts=gone.texts, by=by
                )
                activity_rows.append(connection, [Activity(now, EVERYBODY, "", "", "", "forgotten", detail=detail)])
            return gone

        return await self.transact(remove)

    async def wipe(self) -> bool:
        """Leave nothing in the file of what was deleted; return whether that is so, or a reader stood in the way for now."""
        return await self._runner.run(lambda database: database.wipe())

    # -- the file -------------------------------------------------------------------------------------------------------------
    async def size(self) -> int:
        """Return the bytes that the store takes on disk."""
        return await self._runner.run(lambda database: database.size())

    async def backup(self, target: Path) -> None:
        """Write a consistent, checked copy of the database; the key is not in it and has to be kept beside it."""
        await self._runner.run(lambda database: database.backup(target))


def _told(text: Text, payload: bytes | None) -> Text:
    """Return words about a record as they may be stored: without what they quote of its person."""
    return text if text == "" else said(text, names_in(payload))


def _asked(question: Question, names: Collection[str] = ()) -> Question:
    return replace(question, text=said(question.text, names), choices=tuple(clean(one, names) for one in question.choices))


def _answered_meanwhile(connection: sqlite3.Connection, item: Work, question: Question, now: datetime) -> bool:
    stored = question_rows.ask(connection, question, now)
    if stored.answered_at is None or stored.stays:
        return False
    # it was claimed before the answer came; at the same moment it was not, or an answer that does not help would be tried for ever
    if stored.answered_at > item.updated_at:
        return True
    question_rows.ask_again(connection, question, now)
    return False


def _release(connection: sqlite3.Connection, pair: PairId, key: str, now: datetime, asked: Question | None = None) -> int:
    """Queue what waits for a question, and what went on with an earlier answer and is held since; the answer's use is remembered."""
    rows = work_rows.release_answered(connection, pair, key, now) + question_rows.release_users(connection, pair, key, now)
    activity_rows.append(connection, _released(pair, rows, "released", now))
    if asked is not None:
        question_rows.released(connection, asked, rows, now)
    return len(rows)


def _decided(question: Question, event: str, detail: Text, by: str, now: datetime) -> Activity:
    """What a person, or the configuration, decided about a question."""
    told = message("activity.by", what=detail, by=by) if by else detail
    return Activity(now, question.pair, question.flow, question.key, question.key, event, detail=told)


def _said(intent: Intent, by: str, *, happened: bool) -> Text:
    """What a person says of a write."""
    if happened:
        return message("activity.happened", operation=intent.operation, reference=intent.reference, by=by)
    return message("activity.did_not", operation=intent.operation, reference=intent.reference, by=by)


def _released(pair: PairId, rows: Iterable[sqlite3.Row], event: str, now: datetime) -> list[Activity]:
    return [Activity(now, pair, row["flow"], row["record"], row["label"], event) for row in rows]


def _settled(item: Work, settlement: Settlement, now: datetime) -> Activity:
    return Activity(
        at=now,
        owner=item.pair,
        flow=item.flow,
        record=item.record,
        label=item.label,
        event="settled",
        outcome=settlement.outcome,
        reason=settlement.reason,
        detail=settlement.detail,
        remote_id=settlement.remote_id,
    )
