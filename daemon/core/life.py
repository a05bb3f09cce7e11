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
    """Why a record is where it is.  Closed and documented: :data:`EXPLANATIONS` has a sentence for each."""

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
    OWN_ECHO = "own_echo"
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


#: for ``why`` and the documentation: what each reason means and what to do
EXPLANATIONS: dict[Reason, str] = {
    Reason.NONE: "settled without anything to remark",
    Reason.EXISTS: "a document with this receipt's number stands in the books already",
    Reason.STOCK_CORRECTION: "a stock correction rung up in the till: no sale and no money; correct the stock in the books by hand",
    Reason.ZERO_TOTAL: "a receipt of 0.00, and the settings say that such receipts are not booked",
    Reason.FILTERED: "a filter of the configuration excludes this record",
    Reason.NOT_COMPLETED: "the receipt is not completed in the till yet",
    Reason.BEFORE_START: "the receipt is older than the start date of the configuration",
    Reason.NOT_TRACKED: "nobody counts this product's stock",
    Reason.NO_QUANTITY: "the source gave no number for this product's stock",
    Reason.OWN_ECHO: "the change is what we wrote ourselves",
    Reason.NOT_AT_TARGET: "the product does not exist on the other side",
    Reason.ARTICLE_MISSING: "the books have no article with this SKU: create it there, or map the SKU, then resend",
    Reason.ARTICLE_AMBIGUOUS: "several active articles of the books carry this SKU: leave one active, then resend",
    Reason.CUSTOMER_AMBIGUOUS: "several customers of the books carry this e-mail address: merge them, then resend",
    Reason.DEFAULT_DEBTOR_MISSING: "the default debtor of the configuration does not exist in the books",
    Reason.PAYMENT_METHOD_UNKNOWN: "no account is configured for this payment method: answer the question",
    Reason.MONEY_ACCOUNT_MISSING: "the account configured for this payment method does not exist in the books",
    Reason.VAT_RATE_UNKNOWN: "no article is configured for this kind of line at this VAT rate: answer the question",
    Reason.VAT_DIFFERS: "the till charged another VAT rate than the article has in the books: correct one of them, then resend",
    Reason.SUM_DIFFERS: "the books would come to another total than the customer paid, by more than the rounding cap",
    Reason.PAYMENT_DIFFERS: "the payments of the receipt do not add up to its total",
    Reason.DOCUMENT_AMBIGUOUS: "several documents in the books carry this receipt's number",
    Reason.CURRENCY_DIFFERS: "the receipt is in another currency than the books",
    Reason.SKU_MISSING: "the product has no article number",
    Reason.SKU_AMBIGUOUS: "several products of the other side carry this SKU",
    Reason.REJECTED: "the vendor refuses this record; its code and text are shown",
    Reason.UNREADABLE: "the vendor sent something that cannot be understood",
    Reason.UNDECIDABLE: "the books do not tell whether a write happened: look there, then kassabrug settle RECORD --as happened|did-not",
    Reason.MASS_CHANGE: "the run would change far more than usual: answer the question",
    Reason.MAPPING_FAILED: "an expression of the mapping cannot be applied to this record: correct it, then resend",
    Reason.CORRECTED: "the receipt was changed in the till after it was booked: its document was credited and booked anew",
    Reason.CREDITED: "the receipt was cancelled in the till after it was booked: its document was credited",
    Reason.WITHDRAWN: "the receipt was cancelled in the till before anybody booked its draft: the draft was deleted",
    Reason.PAID_LATER: "the receipt was paid after it was booked: so is its document",
    Reason.PAID_BY_HAND: "the receipt was paid after it was booked, and somebody had registered that in the books already",
    Reason.KEPT: "a person decided that the document stays as it is",
    Reason.CHANGED_AFTER_BOOKING: "what was booked is not what the till says now: answer the question, or correct the till, then resend",
    Reason.DOCUMENT_GONE: "the document of the receipt was deleted in the books, or credited by hand: answer the question",
    Reason.PERIOD_LOCKED: "the books have closed the day of this receipt: answer the question, or open the period",
    Reason.SETTLED_BY_TERMS: "the books took the document as paid though nobody paid it (cash terms of payment?): answer the question",
    Reason.DATED_AHEAD: "the record is dated in the future: it goes on when its date has come, or correct the date and resend",
    Reason.UNREACHABLE: "the vendor is away; it goes on by itself when it is back",
    Reason.THROTTLED: "the vendor's rate limit was met; waiting",
    Reason.UNAUTHORIZED: "the connection must be signed in to again",
    Reason.TRANSIENT: "the vendor failed; it is tried again by itself",
    Reason.ANSWER_LOST: "a write was sent and its answer never came; looking it up",
    Reason.ATTEMPTS_EXHAUSTED: "the vendor fails this record while it takes others: cure what is special about it, then resend",
    Reason.INTERNAL: "a fault of this program; please report it",
    Reason.VANISHED: "the record does not exist at its source any more",
}


def may_follow(before: State, after: State) -> bool:
    """Tell whether ``after`` may follow ``before``."""
    return after in TRANSITIONS[before]
