"""A receipt that is booked already: how the books follow when it is not, or not any more, as it was booked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.model import ZERO, DocumentDraft, DocumentKind, DocumentRow
from daemon.core.answers import AccountWanted
from daemon.core.book_sale import accounts_of, book, pay_step
from daemon.core.booked import DOUBTS, Difference, differences, paid_on, snapshot, voided
from daemon.core.booking import Hold, PlannedPayment, account_of, business_day, plan_payments, reference
from daemon.core.message import message
from daemon.core.money import total
from daemon.core.outcomes import Outcome, Reason
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
    if booked.stands and sale.completed:
        # what counts again is compared with the document that was left to it
        booked = replace(booked, void=False, stands=False)
    differs = differences(booked, sale, facts.salt)
    if not differs and not _taken_back(facts, booked):
        return Plan((), Outcome.UNCHANGED, booked=booked)
    change = Change(sale, booked, differs, facts.salt)
    answer = rules.decided.get(change.question)
    if answer == KEEP:
        return _kept(change, facts.salt, stands=True)
    decided = _follow(facts, change, rules, customers, answer)
    if isinstance(decided, Hold):
        return with_way_out(decided, facts, differs)
    return replace(decided, differs=differs, outcome=Outcome.UPDATED, reason=decided.reason or Reason.CORRECTED)


def _follow(facts: SaleFacts, change: Change, rules: BookingRules, customers: FieldMap, answer: str | None) -> Plan | Hold:
    sale, booked, differs = change.sale, change.booked, change.differs
    if differs == {Difference.REVIVED}:
        return book(facts, sale, rules, customers, revision=booked.revision + 1)
    if booked.target == Target.DRAFT and facts.proposal:
        return _change_draft(facts, change, rules, customers)
    if answer == REBOOK:
        return (
            book(facts, sale, rules, customers, revision=booked.revision + 1) if sale.completed else _kept(change, facts.salt, stands=False)
        )
    if _taken_back(facts, booked) or booked.target == Target.DRAFT:
        return _ask(change, Reason.DOCUMENT_GONE)
    assert facts.document is not None  # noqa: S101 - asked about above; this tells the type checker
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


def _taken_back(facts: SaleFacts, booked: Booked) -> bool:
    """Tell whether somebody deleted a document in the books, or made a credit of it, which nobody may do a second time."""
    if booked.void:
        return False
    if booked.target == Target.DRAFT:
        return not (facts.proposal or facts.found)
    return facts.document is None or facts.document.credited


def credit_of(document: Document, change: Change, rules: BookingRules, accounts: Sequence[MoneyAccount]) -> Credit | Hold:
    """Lay out the credit of a booked document: its own rows turned round, on the day of the receipt, and its payments paid back."""
    booked = change.booked
    if not document.rows:
        return Hold(Reason.CHANGED_AFTER_BOOKING, message("detail.rows", document=document.number))
    repay: tuple[PlannedPayment, ...] = ()
    if document.remaining != document.gross:
        if document.remaining != ZERO or total([amount for _, amount in booked.accounts or booked.payments or ()]) != document.gross:
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
    """Pay back where it was registered; where that is not known, or that account is closed, where it would be registered now."""
    there = {account.id: account for account in accounts if account.active}
    if booked.accounts and all(account in there for account, _ in booked.accounts):
        return tuple(PlannedPayment(there[account], -amount, there[account].name) for account, amount in booked.accounts)
    repay = []
    for method, amount in booked.payments or ():
        account = account_of(method, rules, accounts)
        if account is None:
            return _unknown_account(method, rules)
        repay.append(PlannedPayment(account, -amount, method))
    return tuple(repay)


def _unknown_account(method: str, rules: BookingRules) -> Hold:
    """The account that money has to go back from is not known, or not any more."""
    name = rules.accounts.get(method)
    if name is not None:
        return Hold(Reason.MONEY_ACCOUNT_MISSING, f"{method} -> {name}")
    text = message("question.account_back", method=method or "?")
    return Hold(Reason.PAYMENT_METHOD_UNKNOWN, method, AccountWanted(method).key, text)


def _paid_later(facts: SaleFacts, document: Document, change: Change, rules: BookingRules) -> Plan | Hold:
    """A receipt that was open when it was booked is paid: so is its document, unless somebody registered that by hand."""
    booked = change.booked
    now = snapshot(change.sale, facts.salt, document=booked.document, target=booked.target, revision=booked.revision)
    if document.remaining == ZERO:
        return Plan((), Outcome.UPDATED, Reason.PAID_BY_HAND, now)
    payments = plan_payments(change.sale, rules, facts.accounts)
    if isinstance(payments, Hold):
        return payments
    paying = pay_step(now.revision, payments)
    return Plan((Adopt(document), *paying), Outcome.UPDATED, Reason.PAID_LATER, paid_on(now, accounts_of(paying)))


def _change_draft(facts: SaleFacts, change: Change, rules: BookingRules, customers: FieldMap) -> Plan | Hold:
    """A document that nobody has booked yet follows the till: it is withdrawn, and written anew where the receipt still counts."""
    withdraw = Withdraw(facts.proposal)
    if not change.sale.completed:
        return Plan((withdraw,), Outcome.UPDATED, Reason.WITHDRAWN, voided(change.booked))
    return book(facts, change.sale, rules, customers, revision=change.booked.revision + 1, before=(withdraw,))


def _gone(facts: SaleFacts, booked: Booked, rules: BookingRules) -> Plan | Hold:
    """The till has no such receipt any more, which its own id has shown; the document stands until a person decides."""
    if booked.target == Target.DRAFT and facts.proposal:
        return Plan((Withdraw(facts.proposal),), Outcome.UPDATED, Reason.WITHDRAWN, voided(booked))
    standing = next((one for one in (facts.document, *facts.found) if one is not None), None)
    left = None if standing is None else left_behind(standing, rules)
    return left or Plan((), Outcome.UNCHANGED, Reason.KEPT, booked)


def left_behind(document: Document, rules: BookingRules) -> Hold | None:
    """Ask about a document whose receipt is gone from the till, unless a person has said that it may stay."""
    question = f"changed:{document.id}:gone"
    if rules.decided.get(question) == KEEP:
        return None
    number, gross = document.number, document.gross
    return Hold(
        Reason.CHANGED_AFTER_BOOKING,
        message("detail.gone", document=number, gross=gross),
        question=question,
        question_text=message("question.gone", document=number, gross=gross),
        choices=(KEEP,),
    )


def _kept(change: Change, salt: str, *, stands: bool) -> Plan:
    """A person decided that the books stay as they are; what the till says now is what the next change is compared with."""
    booked = change.booked
    now = paid_on(snapshot(change.sale, salt, document=booked.document, target=booked.target, revision=booked.revision), booked.accounts)
    cancelled = Difference.CANCELLED in change.differs
    # a cancelled receipt that keeps its document is remembered as it was booked, so that it does not count as cancelled again
    remembered = replace(voided(booked), stands=stands) if cancelled else replace(now, void=booked.void)
    return Plan((), Outcome.UNCHANGED, Reason.KEPT, remembered, change.differs)


def _ask(change: Change, reason: Reason) -> Hold:
    choices = {Reason.SETTLED_BY_TERMS: (KEEP,), Reason.DOCUMENT_GONE: (REBOOK, KEEP)}.get(reason, (CORRECT, REBOOK, KEEP))
    text = message("question.changed", receipt=change.sale.number, change=change.told)
    if reason is Reason.DOCUMENT_GONE:
        text = message("question.taken_back", receipt=change.sale.number, change=change.told)
    return Hold(reason, change.told, question=change.question, question_text=text, choices=choices)


def with_way_out(hold: Hold, facts: SaleFacts, differs: frozenset[Difference]) -> Hold:
    """Return what stopped a correction together with the question about it: whoever cannot cure it may decide otherwise."""
    if hold.question or not differs or facts.sale is None or facts.booked is None:
        return hold
    asked = _ask(Change(facts.sale, facts.booked, differs, facts.salt), Reason.CHANGED_AFTER_BOOKING)
    return replace(asked, reason=hold.reason, detail=message("detail.both", first=hold.detail, second=asked.detail))
