"""The life of a record: its states, the transitions between them, its outcomes and the closed list of reasons.

The same words stand in the log, the metrics, the dashboard and the answers of ``why``; ``docs/architecture.md`` draws this table.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a piece of work is."""

    QUEUED = "queued"  # stored together with the cursor that uncovered it
    RUNNING = "running"  # claimed by this process
    WAITING = "waiting"  # the vendor is away, throttles or must be signed in to: no attempt is counted
    RETRYING = "retrying"  # failed alone and without effect, tried again at ``not_before``
    UNCERTAIN = "uncertain"  # sent, no answer: looked up by its natural key before anything else
    HELD = "held"  # a person must answer or cure something
    DONE = "done"  # settled, with an outcome
    DEAD = "dead"  # given up, by an earlier version of this program; a person can resend it


class Outcome(StrEnum):
    """What became of a record that is settled or held."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    HELD = "held"
    REJECTED = "rejected"


#: what may follow what; everything else is a bug
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING}),
    State.RUNNING: frozenset(
        {State.QUEUED, State.WAITING, State.RETRYING, State.UNCERTAIN, State.HELD, State.DONE, State.DEAD},
    ),
    State.WAITING: frozenset({State.RUNNING, State.QUEUED}),
    State.RETRYING: frozenset({State.RUNNING, State.QUEUED}),
    State.UNCERTAIN: frozenset({State.RUNNING, State.QUEUED}),
    State.HELD: frozenset({State.QUEUED}),  # answered, resent, or changed at the source
    State.DONE: frozenset({State.QUEUED}),  # changed at the source, or resent
    State.DEAD: frozenset({State.QUEUED}),  # resent, or changed at the source
}

#: states in which a record is not settled yet
OPEN_STATES = frozenset({State.QUEUED, State.RUNNING, State.WAITING, State.RETRYING, State.UNCERTAIN, State.HELD, State.DEAD})
#: states from which work is picked up once ``not_before`` has come
CLAIMABLE_STATES = frozenset({State.QUEUED, State.WAITING, State.RETRYING, State.UNCERTAIN})


class Reason(StrEnum):
    """Why a record is where it is.  Closed and documented: `daemon.text` has a sentence for each."""

    NONE = ""
    # skipped
    EXISTS = "exists"
    STOCK_CORRECTION = "stock_correction"
    ZERO_TOTAL = "zero_total"
    FILTERED = "filtered"
    NOT_COMPLETED = "not_completed"
    BEFORE_START = "before_start"
    NOT_TRACKED = "not_tracked"
    NO_QUANTITY = "no_quantity"
    NOT_AT_TARGET = "not_at_target"
    # updated or left after a change in the till
    CORRECTED = "corrected"
    CREDITED = "credited"
    WITHDRAWN = "withdrawn"
    PAID_LATER = "paid_later"
    PAID_BY_HAND = "paid_by_hand"
    KEPT = "kept"
    # held: a question or a cure
    ARTICLE_MISSING = "article_missing"
    ARTICLE_AMBIGUOUS = "article_ambiguous"
    CUSTOMER_AMBIGUOUS = "customer_ambiguous"
    DEFAULT_DEBTOR_MISSING = "default_debtor_missing"
    PAYMENT_METHOD_UNKNOWN = "payment_method_unknown"
    MONEY_ACCOUNT_MISSING = "money_account_missing"
    VAT_RATE_UNKNOWN = "vat_rate_unknown"
    VAT_DIFFERS = "vat_differs"
    SUM_DIFFERS = "sum_differs"
    PAYMENT_DIFFERS = "payment_differs"
    DOCUMENT_AMBIGUOUS = "document_ambiguous"
    CURRENCY_DIFFERS = "currency_differs"
    SKU_MISSING = "sku_missing"
    SKU_AMBIGUOUS = "sku_ambiguous"
    REJECTED = "rejected"
    UNREADABLE = "unreadable"
    UNDECIDABLE = "undecidable"
    MASS_CHANGE = "mass_change"
    MAPPING_FAILED = "mapping_failed"
    CHANGED_AFTER_BOOKING = "changed_after_booking"
    DOCUMENT_GONE = "document_gone"
    SETTLED_BY_TERMS = "settled_by_terms"
    PERIOD_LOCKED = "period_locked"
    DATED_AHEAD = "dated_ahead"
    # waiting, retrying, uncertain, dead
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    UNAUTHORIZED = "unauthorized"
    TRANSIENT = "transient"
    ANSWER_LOST = "answer_lost"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INTERNAL = "internal"
    VANISHED = "vanished"


def may_follow(before: State, after: State) -> bool:
    """Tell whether ``after`` may follow ``before``."""
    return after in TRANSITIONS[before]
