"""A receipt that is booked already: how the books follow when it is not, or not any more, as it was booked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.model import ZERO, DocumentDraft, DocumentKind, DocumentRow
from daemon.core.book_sale import book, pay_step
from daemon.core.booked import DOUBTS, Difference, differences, snapshot, voided
from daemon.core.booking import Hold, PlannedPayment, account_of, business_day, plan_payments, reference
from daemon.core.life import Outcome, Reason
from daemon.core.message import message
from daemon.core.money import total
from daemon.core.sale_plan import (
    CORRECT,
    KEEP,
    REBOOK,
    Adopt,
    Change,
    Credit,
    Plan,
    Target,
    Withdraw,
    credit_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.model import Document, MoneyAccount
    from daemon.core.booked import Booked
    from daemon.core.booking import BookingRules
    from daemon.core.mapping import FieldMap
    from daemon.core.sale_plan import SaleFacts


def decide_booked(facts: SaleFacts, booked: Booked, rules: BookingRules, customers: FieldMap) -> Plan | Hold:
    """Compare a receipt with what was booked of it, and decide how the books follow."""
    sale = facts.sale
    if sale is None:
        return Plan((), Outcome.UNCHANGED, booked=booked) if booked.void else _gone(facts, booked, rules)
    differs = differences(booked, sale, facts.salt)
    if not differs:
        return Plan((), Outcome.UNCHANGED, booked=booked)
    change = Change(sale, booked, differs)
    answer = rules.decided.get(change.question)
    if answer == KEEP:
        return _kept(change, facts.salt)
    decided = _follow(facts, change, rules, customers, answer)
    if isinstance(decided, Hold):
        return decided
    return replace(decided, differs=differs, outcome=Outcome.UPDATED, reason=decided.reason or Reason.CORRECTED)


def _follow(facts: SaleFacts, change: Change, rules: BookingRules, customers: FieldMap, answer: str | None) -> Plan | Hold:
    sale, booked, differs = change.sale, change.booked, change.differs
    if differs == {Difference.REVIVED}:
        return book(facts, sale, rules, customers, revision=booked.revision + 1)
    if booked.target == Target.DRAFT:
        return _change_draft(facts, change, rules, customers)
    if answer == REBOOK:
        return book(facts, sale, rules, customers, revision=booked.revision + 1) if sale.completed else _kept(change, facts.salt)
    if facts.document is None:
        return _ask(change, Reason.DOCUMENT_GONE)
    if Difference.SETTLED in differs:
        return _ask(change, Reason.SETTLED_BY_TERMS)
    if differs == {Difference.PAID}:
        return _paid_later(facts, facts.document, change, rules)
    if answer != CORRECT and (rules.after_booking != CORRECT or differs & DOUBTS):
        return _ask(change, Reason.CHANGED_AFTER_BOOKING)
    credit = credit_of(facts.document, change, rules, facts.accounts)
    if isinstance(credit, Hold):
        return credit
    if not sale.completed:
        return Plan((credit,), Outcome.UPDATED, Reason.CREDITED, voided(booked))
    return book(facts, sale, rules, customers, revision=booked.revision + 1, before=(credit,))


def credit_of(document: Document, change: Change, rules: BookingRules, accounts: Sequence[MoneyAccount]) -> Credit | Hold:
    """Lay out the credit of a booked document: its own rows turned round, on the day of the receipt, and its payments paid back."""
    booked = change.booked
    if not document.rows:
        return Hold(Reason.CHANGED_AFTER_BOOKING, message("detail.rows", document=document.number))
    repay: tuple[PlannedPayment, ...] = ()
    if document.remaining != document.gross:
        if document.remaining != ZERO or total([amount for _, amount in booked.payments or ()]) != document.gross:
            return Hold(
                Reason.PAYMENT_DIFFERS,
                message("detail.remains", document=document.number, gross=document.gross, remaining=document.remaining),
            )
        planned = _repayments(booked, rules, accounts)
        if isinstance(planned, Hold):
            return planned
        repay = planned
    rows = tuple(DocumentRow(row.article_id, row.text, -row.quantity, row.unit_price, row.vat_rate) for row in document.rows)
    draft = DocumentDraft(
        kind=DocumentKind.INVOICE if document.kind is DocumentKind.CREDIT else DocumentKind.CREDIT,
        key=credit_key(reference(change.sale, rules), booked.revision),
        customer_id=document.customer_id,
        date=business_day(change.sale, rules),
        rows=rows,
        gross=-document.gross,
        currency=document.currency,
        prices_include_vat=document.prices_include_vat is True,
    )
    return Credit(document, booked.revision, draft, repay)


def _repayments(booked: Booked, rules: BookingRules, accounts: Sequence[MoneyAccount]) -> tuple[PlannedPayment, ...] | Hold:
    repay = []
    for method, amount in booked.payments or ():
        account = account_of(method, rules, accounts)
        if account is None:
            return Hold(Reason.MONEY_ACCOUNT_MISSING, f"{method} -> {rules.accounts.get(method)}")
        repay.append(PlannedPayment(account, -amount, method))
    return tuple(repay)


def _paid_later(facts: SaleFacts, document: Document, change: Change, rules: BookingRules) -> Plan | Hold:
    """A receipt that was open when it was booked is paid: so is its document, unless somebody registered that by hand."""
    booked = change.booked
    now = snapshot(change.sale, facts.salt, document=booked.document, target=booked.target, revision=booked.revision)
    if document.remaining == ZERO:
        return Plan((), Outcome.UPDATED, Reason.PAID_BY_HAND, now)
    payments = plan_payments(change.sale, rules, facts.accounts)
    if isinstance(payments, Hold):
        return payments
    return Plan((Adopt(document), *pay_step(now.revision, payments)), Outcome.UPDATED, Reason.PAID_LATER, now)


def _change_draft(facts: SaleFacts, change: Change, rules: BookingRules, customers: FieldMap) -> Plan | Hold:
    """A document that nobody has booked yet follows the till: it is withdrawn, and written anew where the receipt still counts."""
    if not facts.proposal:
        return _ask(change, Reason.DOCUMENT_GONE)
    withdraw = Withdraw(facts.proposal)
    if not change.sale.completed:
        return Plan((withdraw,), Outcome.UPDATED, Reason.WITHDRAWN, voided(change.booked))
    return book(facts, change.sale, rules, customers, revision=change.booked.revision + 1, before=(withdraw,))


def _gone(facts: SaleFacts, booked: Booked, rules: BookingRules) -> Plan | Hold:
    """The till has no such receipt any more, which its own id has shown; the document stands until a person decides."""
    question = f"changed:{booked.document}:gone"
    if rules.decided.get(question) == KEEP or facts.document is None:
        return Plan((), Outcome.UNCHANGED, Reason.KEPT, booked)
    number, gross = facts.document.number, facts.document.gross
    return Hold(
        Reason.CHANGED_AFTER_BOOKING,
        message("detail.gone", document=number, gross=gross),
        question=question,
        question_text=message("question.gone", document=number, gross=gross),
        choices=(KEEP,),
    )


def _kept(change: Change, salt: str) -> Plan:
    """A person decided that the books stay as they are; what the till says now is what the next change is compared with."""
    booked = change.booked
    now = snapshot(change.sale, salt, document=booked.document, target=booked.target, revision=booked.revision)
    cancelled = Difference.CANCELLED in change.differs
    # a cancelled receipt that keeps its document is remembered as it was booked, so that it does not count as cancelled again
    return Plan((), Outcome.UNCHANGED, Reason.KEPT, voided(booked) if cancelled else replace(now, void=booked.void), change.differs)


def _ask(change: Change, reason: Reason) -> Hold:
    choices = {Reason.SETTLED_BY_TERMS: (KEEP,), Reason.DOCUMENT_GONE: (REBOOK, KEEP)}.get(reason, (CORRECT, REBOOK, KEEP))
    text = message("question.changed", receipt=change.sale.number, change=change.told)
    return Hold(reason, change.told, question=change.question, question_text=text, choices=choices)


def with_way_out(hold: Hold, facts: SaleFacts, plan: Plan) -> Hold:
    """Return what stopped a correction together with the question about it: whoever cannot cure it may decide otherwise."""
    if hold.question or not plan.differs or facts.sale is None or facts.booked is None:
        return hold
    asked = _ask(Change(facts.sale, facts.booked, plan.differs), Reason.CHANGED_AFTER_BOOKING)
    return replace(asked, reason=hold.reason, detail=message("detail.both", first=hold.detail, second=asked.detail))
