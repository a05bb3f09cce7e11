"""What the engine asks of the store.  Every method is one transaction (``prune`` is many): durable when it returns, or nothing of it.

Moments are timezone-aware UTC datetimes. ``pair`` is a till of a link of the configuration, ``owner`` a pair or a link, ``flow`` the name
of a flow, ``record`` the source's id of the record. Payloads are JSON bytes; the store encrypts them and forgets them when the work is
settled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from daemon.core.outcomes import Outcome, Reason, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connectors.port import Cursor
    from daemon.core.ids import Owner, PairId
    from daemon.core.message import Text


@dataclass(frozen=True, slots=True)
class NewWork:
    """A change that was read and is now to be worked on.  ``label`` is what people call it (receipt number, SKU)."""

    record: str
    label: str
    version: str
    moment: datetime
    payload: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work as stored.  ``again`` says that the record changed while it was in hand."""

    pair: PairId
    flow: str
    record: str
    label: str
    version: str
    moment: datetime
    state: State
    outcome: Outcome | None
    reason: Reason
    detail: Text
    attempt: int
    not_before: datetime | None
    payload: bytes | None
    again: bool
    created_at: datetime
    updated_at: datetime

    @property
    def identity(self) -> str:
        """Which record it is, among all links and flows."""
        return f"{self.pair} {self.flow} {self.record}"


class IntentState:
    """The states of an intent, as plain strings."""

    SENT = "sent"  # about to be sent, or sent without a known answer
    DONE = "done"  # ``remote_id`` is what came of it
    REFUSED = "refused"  # the vendor surely did not do it; may be sent again
    UNKNOWN = "unknown"  # given up by an earlier version of this program; looked up like one that was sent


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that was decided on, durable before it is sent.  ``key`` is derived from the source's identity."""

    owner: Owner
    key: str
    flow: str
    record: str
    operation: str
    reference: str
    payload_hash: str
    state: str
    sent_at: datetime
    remote_id: str = ""
    #: what must be known to decide later whether it happened (the remaining amount before a payment, say); no personal data
    memo: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Binding:
    """Which record here is which record there.  Unique both ways within (owner, kind)."""

    owner: Owner
    kind: str
    source: str
    target: str
    fingerprint: str = ""
    label: str = ""


#: how one answers a question whether to go on: to go on, or to stay; every other answer says how
GO_ON, STAY = frozenset({"continue", "ja"}), frozenset({"stop", "nee"})


class WrongAnswer(ValueError):
    """The question offers answers, and this is none of them; the text names them."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something only a person can answer.  ``key`` identifies it (one question, however many records wait for it).

    Where there are ``choices``, nothing else is an answer.
    """

    pair: PairId
    key: str
    flow: str
    text: Text
    choices: tuple[str, ...] = ()
    asked_at: datetime | None = None
    answer: str | None = None
    answered_at: datetime | None = None
    waiting: int = 0
    #: the user of this machine who answered
    answered_by: str = ""
    #: what of the books could be an answer; others may be one too
    offers: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        """Whether it is answered, and the answer is to leave things as they are: what waits for it goes on waiting."""
        return self.answer in STAY and self.answer in self.choices


@dataclass(frozen=True, slots=True)
class AnswerUse:
    """A settled record, and the answer that was used in it."""

    flow: str
    record: str
    label: str
    answer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the activity log; never personal data."""

    at: datetime
    owner: Owner
    flow: str
    record: str
    label: str
    event: str
    outcome: str = ""
    reason: str = ""
    detail: Text = ""
    remote_id: str = ""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A record in hand, or settled lately, and how far its writes of one operation are.

    ``bound`` says that it has its counterpart, ``writes`` are the states of those intents, ``sent_at`` is when the newest was sent.
    """

    work: Work
    bound: bool
    writes: frozenset[str]
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a piece of work ends: written together, in one transaction."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    detail: Text = ""
    bindings: tuple[Binding, ...] = ()
    remote_id: str = ""
    #: amounts for the sums of ``status``, as strings: {"till": "12.50", "books": "12.50"}
    amounts: Mapping[str, str] = field(default_factory=dict)
    #: the answers of people that were used: (key of the question, answer)
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How much work of a flow is in a state, and since when the oldest of it waits."""

    pair: PairId
    flow: str
    state: State
    records: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """The memory of one alert: raised, told, over."""

    fingerprint: str
    first_seen: datetime
    last_sent: datetime | None
    resolved_at: datetime | None
    summary: Text
    severity: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was forgotten: settled work, decided intents, lines of the activity log, alerts that are over."""

    work: int = 0
    intents: int = 0
    activity: int = 0
    alerts: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.work + self.intents + self.activity + self.alerts


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of a person: bindings, writes, contents of records, texts; and what is in hand just now, and was not."""

    bindings: int = 0
    writes: int = 0
    contents: int = 0
    texts: int = 0
    in_hand: int = 0

    def __add__(self, other: Forgotten) -> Forgotten:
        """Return both together; in hand is what is by now."""
        return Forgotten(
            self.bindings + other.bindings,
            self.writes + other.writes,
            self.contents + other.contents,
            self.texts + other.texts,
            other.in_hand,
        )

    @property
    def removed(self) -> int:
        """How many things were removed."""
        return self.bindings + self.writes + self.contents + self.texts


class StoreError(Exception):
    """The store cannot be used; the text is one clear line.  It ends the process."""


class InHand(Exception):
    """The record is being worked on at this moment, and cannot be changed by a person meanwhile."""


class Store(Protocol):
    """The port of the store."""

    async def close(self) -> None:
        """Close the connection; without this the process would not exit."""
        ...

    @property
    def restored(self) -> bool:
        """Whether the store is older than what was done with it (a backup was put back): look up before everything is created."""
        ...

    @property
    def restored_from(self) -> datetime | None:
        """The last moment that the store knew of when it was put back, ``None`` when it knew of none: what came later is unknown to it."""
        ...

    async def reconciled(self) -> None:
        """Take it that everything was looked up since; ``restored`` is over."""
        ...

    # -- reading the source ---------------------------------------------------------------------------------------------------
    async def position(self, pair: PairId, flow: str) -> Cursor:
        """Return where reading goes on (an empty position when never read)."""
        ...

    async def record_page(self, pair: PairId, flow: str, position: Cursor, works: Sequence[NewWork]) -> int:
        """Store work and position together; return how many were new or changed.

        A record already known with the same version is left alone.  A changed one is queued again, or marked ``again`` while it
        is running.  Payload, label, moment and version are replaced.
        """
        ...

    # -- work -----------------------------------------------------------------------------------------------------------------
    async def claim(self, pair: PairId, flow: str, *, now: datetime, limit: int) -> Sequence[Work]:
        """Mark up to ``limit`` due pieces of work as running, oldest (moment, record) first, and return them."""
        ...

    async def finish(self, work: Work, settlement: Settlement) -> None:
        """Settle: bindings, work (payload forgotten), activity.  A record marked ``again`` is queued anew, keeping its payload.

        The version of the work is kept: it may be newer than that which a listing showed.
        """
        ...

    async def finish_many(self, settled: Sequence[tuple[Work, Settlement]]) -> None:
        """Settle several pieces of work in one transaction."""
        ...

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
        """Put running work back (waiting, retrying, uncertain or queued); a payload given replaces the stored one."""
        ...

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
        """Hold work (or declare it dead) with its reason and its version; a question given is asked once and released by its answer."""
        ...

    async def resend(self, pair: PairId, label_or_record: str, *, flow: str | None = None) -> int:
        """Queue held, dead or done work again from attempt 0, also what was pruned and is bound (it has no payload); return how many."""
        ...

    async def release_held(self, pair: PairId, *, reasons: Iterable[Reason]) -> int:
        """Queue what is held for one of these reasons, because what was decided by has changed; return how many."""
        ...

    async def release_waiting(self, pair: PairId, *, reason: Reason) -> int:
        """Make work that waits for ``reason`` due at once (a connection came back); return how many."""
        ...

    async def recover(self) -> int:
        """At start: what a dead process left running is queued again; return how many."""
        ...

    async def work(self, pair: PairId, flow: str, record: str) -> Work | None:
        """Return one piece of work."""
        ...

    async def find_work(self, label_or_record: str) -> Sequence[Work]:
        """Return every piece of work with this label or record id, in any pair and flow."""
        ...

    async def open_work(self, pair: PairId, flow: str) -> Sequence[Work]:
        """Return everything of a flow that is not settled, with payloads."""
        ...

    async def under_way(self, pairs: Sequence[PairId], flow: str, *, kind: str, operation: str, since: datetime) -> Sequence[UnderWay]:
        """Return what is not settled, or was settled from ``since`` until now, of a flow in several links, oldest first.

        ``kind`` is that of the binding to the counterpart, ``operation`` that of the writes asked for.  What a clock that ran ahead says
        was settled later than now was not settled lately.
        """
        ...

    async def next_due(self, pair: PairId, flow: str) -> datetime | None:
        """Return when the next claimable piece of work is due, ``None`` when there is none."""
        ...

    async def counts(self) -> Sequence[Count]:
        """Return the work that is not settled, by pair, flow and state."""
        ...

    # -- intents --------------------------------------------------------------------------------------------------------------
    async def intend(self, intent: Intent) -> Intent | None:
        """Make an intent durable.  Returns ``None`` when it is new (or was refused before and is renewed), else the existing one.

        The claim is a unique insert: two workers can never both be told that theirs is new.  It is counted beside the store too, so
        that a store that lacks it, because an older copy was put back, is recognised.
        """
        ...

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
        """Write down what came of an intent, and the binding that follows from it, together."""
        ...

    async def resend_intent(self, owner: Owner, key: str, *, now: datetime) -> None:
        """Renew ``sent_at`` and count an attempt before an intent that surely had no effect is sent again."""
        ...

    async def intent(self, owner: Owner, key: str) -> Intent | None:
        """Return one intent by its key, ``None`` when there is none."""
        ...

    async def settle_writes(self, pair: PairId, flow: str, record: str, *, happened: bool, by: str) -> int:
        """Write down what a person says of a record's writes whose outcome is not known, and queue the record; return how many.

        What ``happened`` is done, by an id that has to be looked up; what did not is refused, and may be sent again.  The activity log
        tells who (``by``) said so.

        Raises:
            InHand: the record is being worked on.
        """
        ...

    async def intents(
        self, owner: Owner, *, record: str | None = None, flow: str | None = None, state: str | None = None
    ) -> Sequence[Intent]:
        """Return intents."""
        ...

    # -- bindings -------------------------------------------------------------------------------------------------------------
    async def bindings(self, owner: Owner, kind: str, sources: Iterable[str] | None = None) -> Mapping[str, Binding]:
        """Return bindings by source id; all of the kind when ``sources`` is ``None``."""
        ...

    async def holder(self, owners: Iterable[Owner], kind: str, target: str) -> Binding | None:
        """Return the binding by which one of these links holds a target, ``None`` when none does."""
        ...

    async def bind(self, bindings: Sequence[Binding]) -> None:
        """Store bindings; one that contradicts an existing pair replaces it."""
        ...

    async def unbind(self, owner: Owner, kind: str, source: str) -> None:
        """Forget a binding."""
        ...

    # -- questions, facts, activity, alerts -----------------------------------------------------------------------------------
    async def questions(self, *, answered: bool = False) -> Sequence[Question]:
        """Return the questions that wait for an answer (or those that have one)."""
        ...

    async def ask(self, question: Question) -> Question:
        """Ask a question that no single record waits for; return it as stored (with its answer, if it has one)."""
        ...

    async def answer(self, pair: PairId, key: str, answer: str, *, by: str = "") -> int:
        """Answer a question, or answer it otherwise, and queue what waited for it; return how many pieces of work.

        What went on with an earlier answer and is held or dead since is queued too.  An answer to stay (:data:`STAY`) is an answer too,
        and releases nothing.

        Raises:
            KeyError: there is no such question.
            WrongAnswer: it offers answers, and this is none of them.
        """
        ...

    async def answers(self, pair: PairId) -> Mapping[str, str]:
        """Return the answers given so far, by question key."""
        ...

    async def revoke_answer(self, pair: PairId, key: str, *, by: str = "") -> int:
        """Take an answer back, as though it was never given, and queue what it held or left behind; return how many pieces of work.

        Raises:
            KeyError: there is no such question, or it has no answer.
        """
        ...

    async def overrule(self, pair: PairId, key: str, detail: Text) -> int:
        """Forget a question with its answer because the configuration says it; queue what waited for it; return how many."""
        ...

    async def offer(self, pair: PairId, key: str, offers: Sequence[str]) -> None:
        """Write down what of the books could answer a question."""
        ...

    async def use_answers(self, pair: PairId, flow: str, record: str, label: str, answers: Sequence[tuple[str, str]]) -> None:
        """Remember that a record is about to be written with these answers: (key of the question, answer)."""
        ...

    async def answer_uses(self, pair: PairId, key: str) -> Sequence[AnswerUse]:
        """Return the settled records in which an answer to this question was used, whichever it was."""
        ...

    async def withdraw_question(self, pair: PairId, key: str) -> None:
        """Forget a question and its answer."""
        ...

    async def fact(self, owner: Owner, name: str) -> str | None:
        """Return something learnt and remembered, ``None`` when never learnt."""
        ...

    async def remember(self, owner: Owner, facts: Mapping[str, str]) -> None:
        """Remember facts."""
        ...

    async def secret(self, owner: Owner, name: str) -> str | None:
        """Return something that is kept encrypted, ``None`` when there is none; raises :class:`StoreError` in a reader without the key."""
        ...

    async def remember_secret(self, owner: Owner, name: str, value: str) -> None:
        """Remember something encrypted, in the place of what was kept."""
        ...

    async def note(self, activities: Sequence[Activity]) -> None:
        """Append to the activity log."""
        ...

    async def activity(self, *, label: str | None = None, limit: int = 100) -> Sequence[Activity]:
        """Return the newest lines of the activity log first, of one record when a label or record id is given."""
        ...

    async def newest_read(self) -> datetime | None:
        """Return the newest moment of any vendor's clock that was read up to, ``None`` before the first reading."""
        ...

    async def prune(self, *, before: datetime, activity_before: datetime | None = None) -> Pruned:
        """Forget settled work from before, with its intents, and lines of the activity log and alerts that were over, from before theirs.

        Bindings, positions, questions, work that is not settled and intents that are not decided stay, however old.  The one method
        that is many small transactions: it never keeps the others from writing.
        """
        ...

    async def alerts(self) -> Sequence[AlertRow]:
        """Return the alerts that are remembered."""
        ...

    async def save_alert(self, row: AlertRow) -> None:
        """Remember an alert."""
        ...

    async def sums(self, pair: PairId, flow: str) -> Mapping[str, str]:
        """Return how many settled records there are and the sums of their amounts: {"records", "till", "books"}."""
        ...

    async def size(self) -> int:
        """Return the bytes that the store takes on disk."""
        ...
