"""What becomes of a receipt: from all that was read of it (in the till, in the books, in our own memory) to the steps to be done.

Pure: ``plan`` prints what is returned, the brake counts it, ``sync`` and ``run`` carry it out, ``why`` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from connectors.model import ZERO, DocumentDraft, DocumentKind, DocumentRow, LineKind
from daemon.core.actions import Action
from daemon.core.booked import DOUBTS, Booked, Difference, differences, snapshot, voided
from daemon.core.booking import (
    Debtor,
    Hold,
    PlannedPayment,
    Skip,
    account_of,
    business_day,
    compose,
    match_articles,
    plan_payments,
    reference,
    triage,
)
from daemon.core.debtors import DebtorFacts, WriteDebtor, decide_debtor
from daemon.core.life import Outcome, Reason
from daemon.core.money import total
from daemon.core.products import FieldChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.model import Document, MoneyAccount, Product, Sale
    from daemon.core.booking import BookingRules
    from daemon.core.mapping import FieldMap

#: stands for the debtor that a step before is going to create
NEW_DEBTOR = "(new)"
#: what a person may answer when a receipt is not as it was booked: credit and book anew; book anew, for the document was taken back by hand
#: (or is gone); leave the books as they are
CORRECT, REBOOK, KEEP = "correct", "rebook", "keep"
#: the question about days that the books have closed, and what may be answered
LOCKED_QUESTION = "locked:period"
FIRST_OPEN_DAY, WAIT = "first_open_day", "wait"


class Target(StrEnum):
    """What a sale becomes in the books."""

    INVOICE = "invoice"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """Everything that the decision on one receipt needs, read before it is made.

    ``sale`` is whole, or ``None`` when the till says that it has no such receipt.  ``booked`` is what was remembered, ``document`` that
    document as the books have it now (read when there is something to decide about it; ``None`` when it is gone).  ``found`` are documents
    in the books that carry the receipt's key and that nobody remembers; ``rivals`` counts other receipts of the same number.  ``sent`` says
    whether this state knows of a send of its document.
    """

    sale: Sale | None
    salt: str
    booked: Booked | None = None
    document: Document | None = None
    found: tuple[Document, ...] = ()
    rivals: int = 0
    sent: bool = False
    #: a document in the books that can still be withdrawn, begun for this receipt earlier
    proposal: str = ""
    debtor: DebtorFacts | None = None
    articles: tuple[Product, ...] = ()
    rounding_article: Product | None = None
    accounts: tuple[MoneyAccount, ...] = ()
    private_prices_include_vat: bool | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A document to be written for the debtor of the step before, and all that it is laid out from."""

    target: Target
    sale: Sale
    key: str
    revision: int
    articles: Mapping[int, Product]
    rounding_article: Product | None
    #: as it looks by what is known now; the books may say that their prices are read otherwise
    draft: DocumentDraft


@dataclass(frozen=True, slots=True)
class Adopt:
    """Go on with a document that stands in the books."""

    document: Document


@dataclass(frozen=True, slots=True)
class Pay:
    """Register payments on the document of the step before, in this order."""

    revision: int
    payments: tuple[PlannedPayment, ...]


@dataclass(frozen=True, slots=True)
class Credit:
    """Take a booked document back by a credit of the same rows, and pay back what was paid on it."""

    document: Document
    revision: int
    draft: DocumentDraft
    repayments: tuple[PlannedPayment, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Delete a document that is not booked."""

    proposal: str


Step = WriteDebtor | Paper | Adopt | Pay | Credit | Withdraw


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps for one receipt, in order, and how it ends when they are done.

    ``booked`` is what is remembered then; its ``document`` is filled in by the step that makes one.
    """

    steps: tuple[Step, ...]
    outcome: Outcome
    reason: Reason = Reason.NONE
    booked: Booked | None = None
    differs: frozenset[Difference] = frozenset()


def revised(key: str, revision: int) -> str:
    """Return the natural key of the document with which a receipt is booked anew; the first one carries the receipt's own."""
    return f"{key}#{revision}" if revision else key


def credit_key(key: str, revision: int) -> str:
    """Return the natural key of the credit that takes back the document of a revision."""
    return f"{key}#C{revision}" if revision else f"{key}#C"


@dataclass(frozen=True, slots=True)
class Change:
    """A receipt that is not as it was booked: what the till says now, what was booked, and in what they differ."""

    sale: Sale
    booked: Booked
    differs: frozenset[Difference]

    @property
    def question(self) -> str:
        """The key of the question about this very change; another change asks anew."""
        return f"changed:{self.sale.number}:{self.booked.revision}:{'+'.join(sorted(self.differs))}:{self.sale.gross}"

    @property
    def told(self) -> str:
        """What changed, for a person."""
        now = self.sale.gross if self.sale.completed else ZERO
        return f"{', '.join(sorted(self.differs))}: booked {self.booked.gross} {self.booked.currency}, now {now} {self.sale.currency}"


def decide_sale(facts: SaleFacts, rules: BookingRules, customers: FieldMap) -> Plan | Skip | Hold:
    """Decide what becomes of a receipt.

    A receipt that is booked is compared with what was booked; one that is not is booked, skipped or held.  Raises nothing: what cannot be
    decided is a `Hold` with its reason.
    """
    if facts.booked is not None:
        return _decide_booked(facts, facts.booked, rules, customers)
    sale = facts.sale
    withdrawal = (Withdraw(facts.proposal),) if facts.proposal else ()
    if sale is None:
        return Plan(withdrawal, Outcome.SKIPPED, Reason.VANISHED) if withdrawal else Skip(Reason.VANISHED)
    verdict = triage(sale, rules)
    if isinstance(verdict, Skip) and not facts.sent and withdrawal:
        return Plan(withdrawal, Outcome.SKIPPED, verdict.reason)
    if facts.found and (verdict is None or facts.sent):
        return _decide_found(facts, sale, rules, withdrawal)
    return verdict or book(facts, sale, rules, customers, revision=0)


def _decide_found(facts: SaleFacts, sale: Sale, rules: BookingRules, withdrawal: tuple[Withdraw, ...]) -> Plan | Hold:
    """The document is there: ours, with its answer lost, or anybody's; it is left as it is, and paid where nobody did."""
    key = reference(sale, rules)
    if len(facts.found) > 1:
        return Hold(Reason.DOCUMENT_AMBIGUOUS, f"{len(facts.found)} documents carry {key}")
    document = facts.found[0]
    day = business_day(sale, rules)
    if not facts.sent and document.date not in {None, day}:
        return Hold(Reason.DOCUMENT_AMBIGUOUS, f"document {document.number} of {document.date}, receipt of {day}")
    if not facts.sent and facts.rivals:
        return Hold(Reason.DOCUMENT_AMBIGUOUS, f"{1 + facts.rivals} receipts carry the number {sale.number}")
    payments = plan_payments(sale, rules, facts.accounts)
    if isinstance(payments, Hold):
        return payments
    outcome, reason = (Outcome.CREATED, Reason.NONE) if facts.sent else (Outcome.SKIPPED, Reason.EXISTS)
    booked = snapshot(sale, facts.salt, document=document.id, target=Target.INVOICE, revision=0)
    return Plan((*withdrawal, Adopt(document), *_pay(0, payments)), outcome, reason, booked)


def book(
    facts: SaleFacts, sale: Sale, rules: BookingRules, customers: FieldMap, *, revision: int, before: tuple[Step, ...] = ()
) -> Plan | Hold:
    """Lay out what booking a receipt takes: its debtor, its document, its payments."""
    assert facts.debtor is not None  # noqa: S101 - gathered for every receipt that may be booked; this tells the type checker
    debtor = decide_debtor(facts.debtor, sale, rules, customers)
    if isinstance(debtor, Hold):
        return debtor
    articles = match_articles(sale, rules, facts.articles)
    if isinstance(articles, Hold):
        return articles
    payments = plan_payments(sale, rules, facts.accounts)
    if isinstance(payments, Hold):
        return payments
    known = debtor.debtor or Debtor(NEW_DEBTOR, private=not debtor.customer.is_company)
    includes = known.private and facts.private_prices_include_vat is not False
    draft = compose(sale, rules, debtor=known, articles=articles, rounding_article=facts.rounding_article, includes_vat=includes)
    if isinstance(draft, Hold):
        return draft
    key = revised(reference(sale, rules), revision)
    target = Target(rules.target)
    paper = Paper(target, sale, key, revision, articles, facts.rounding_article, replace(draft, key=key))
    paying = _pay(revision, payments) if target is Target.INVOICE else ()
    booked = snapshot(sale, facts.salt, document="", target=target, revision=revision)
    return Plan((*before, debtor, paper, *paying), Outcome.CREATED, booked=booked)


def _pay(revision: int, payments: tuple[PlannedPayment, ...]) -> tuple[Pay, ...]:
    return (Pay(revision, payments),) if payments else ()


# -- what changed after it was booked ------------------------------------------------------------------------------------------------
def _decide_booked(facts: SaleFacts, booked: Booked, rules: BookingRules, customers: FieldMap) -> Plan | Hold:
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
        return Hold(Reason.CHANGED_AFTER_BOOKING, f"document {document.number}: its rows cannot be read")
    repay: tuple[PlannedPayment, ...] = ()
    if document.remaining != document.gross:
        if document.remaining != ZERO or total([amount for _, amount in booked.payments or ()]) != document.gross:
            return Hold(Reason.PAYMENT_DIFFERS, f"document {document.number} of {document.gross}: {document.remaining} remains to be paid")
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
    return Plan((Adopt(document), *_pay(now.revision, payments)), Outcome.UPDATED, Reason.PAID_LATER, now)


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
        f"document {number} of {gross}; the receipt is gone from the till",
        question=question,
        question_text=f"The receipt of document {number} ({gross}) is gone from the till. May the document stay?",
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
    text = f"Receipt {change.sale.number} is not as it was booked ({change.told}). What is to be done?"
    return Hold(reason, change.told, question=change.question, question_text=text, choices=choices)


# -- what the books made of it -------------------------------------------------------------------------------------------------------
def vat_disagrees(sale: Sale, document: Document, rules: BookingRules) -> str:
    """Compare a document's amounts by VAT rate with the receipt's lines; return what differs by more than rounding explains, or nothing.

    Where the books answer no rates (a draft) the VAT as a whole is compared.
    """
    till: dict[Decimal, Decimal] = {}
    for line in sale.lines:
        if line.kind is not LineKind.ROUNDING:
            rate = ZERO if sale.intra_community else line.vat_rate
            till[rate] = till.get(rate, ZERO) + line.gross
    cap = rules.rounding_cap + Decimal("0.01")
    if not document.vat_by_rate:
        expected = total([gross * rate / (100 + rate) for rate, gross in till.items()])
        return f"VAT {document.vat} for {expected:.2f}" if abs(document.vat - expected) > cap else ""
    books = {rate: net + vat for rate, net, vat in document.vat_by_rate if rate}
    for rate in sorted({rate for rate in till if rate} | set(books)):
        if abs(books.get(rate, ZERO) - till.get(rate, ZERO)) > cap:
            return f"{rate} %: till {till.get(rate, ZERO):.2f}, books {books.get(rate, ZERO):.2f}"
    return ""


# -- the keys of what is written at most once ------------------------------------------------------------------------------------------
def document_write_key(record: str, key: str) -> str:
    """Return the identity of the write that books the document with this natural key; the first one of a receipt has the plainest."""
    _, mark, part = key.rpartition("#")
    return f"sale:{record}:document" + (f":{part}" if mark else "")


def proposal_write_key(record: str, key: str) -> str:
    """Return the identity of the write that makes the draft of such a document."""
    return document_write_key(record, key).replace(":document", ":proposal", 1)


def payment_write_prefix(record: str, key: str) -> str:
    """Return what the identities of the payments on such a document begin with; the payment's place follows."""
    return document_write_key(record, key).replace(":document", ":payment", 1) + ":"


def with_way_out(hold: Hold, facts: SaleFacts, plan: Plan) -> Hold:
    """Return what stopped a correction together with the question about it: whoever cannot cure it may decide otherwise."""
    if hold.question or not plan.differs or facts.sale is None or facts.booked is None:
        return hold
    asked = _ask(Change(facts.sale, facts.booked, plan.differs), Reason.CHANGED_AFTER_BOOKING)
    return replace(asked, reason=hold.reason, detail=f"{hold.detail}; {asked.detail}")


def locked_hold(sale: Sale, rules: BookingRules) -> Hold:
    """Return the one question about receipts of closed days."""
    return Hold(
        Reason.PERIOD_LOCKED,
        business_day(sale, rules).isoformat(),
        question=LOCKED_QUESTION,
        question_text="The books have closed days on which the till sold. Book those receipts on the first open day, or wait?",
        choices=(FIRST_OPEN_DAY, WAIT),
    )


# -- for a person ----------------------------------------------------------------------------------------------------------------------
def describe(record: str, label: str, decision: Plan | Skip | Hold) -> list[Action]:
    """Return what a plan would do as lines for a person, one for each write; nothing to do is no line."""
    if isinstance(decision, Skip | Hold):
        verb = "skip" if isinstance(decision, Skip) else "hold"
        return [Action("sales", verb, record, label, (), decision.reason, decision.detail)]
    if decision.outcome is Outcome.SKIPPED and not any(isinstance(step, Pay | Withdraw) for step in decision.steps):
        found = [f"{step.document.kind} {step.document.number}" for step in decision.steps if isinstance(step, Adopt)]
        return [Action("sales", "skip", record, label, (), decision.reason, " ".join(found))]
    return [action for step in decision.steps for action in describe_step(record, label, step, decision.reason)]


def summary(action: Action) -> str:
    """Return a step in a few words, as the activity log keeps it: nothing personal, and the same from ``plan`` and from what was done."""
    shown = {change.field: change.after for change in action.changes}
    paid = [f"{after} {field.removeprefix('payment ')}" for field, after in shown.items() if field.startswith("payment ")]
    match action.verb:
        case "create" if action.flow == "sales":
            return f"{shown['kind']} {shown['reference']} {shown['gross']}"
        case "credit":
            return " ".join([f"credit {shown['credit']} {shown['gross']}", *(f"back {one}" for one in paid)])
        case "pay":
            return f"pay {', '.join(paid)}"
        case "withdraw":
            return "withdraw draft"
        case _:
            return f"{action.verb} {action.flow.removesuffix('s')}"


def describe_step(record: str, label: str, step: Step, reason: Reason) -> list[Action]:
    """Return what a step writes, for a person; nothing for one that writes nothing."""
    match step:
        case WriteDebtor():
            changes = tuple(FieldChange(name, "", "(personal)") for name in step.fields)
            return [] if step.verb == "keep" else [Action("customers", step.verb, record, label, changes)]
        case Paper():
            draft = step.draft
            shown = {
                "kind": draft.kind,
                "reference": draft.key,
                "date": draft.date.isoformat(),
                "rows": len(draft.rows),
                "gross": draft.gross,
            }
            changes = tuple(FieldChange(name, "", str(value)) for name, value in shown.items())
            return [Action("sales", "create", record, label, changes, reason)]
        case Credit():
            changes = (FieldChange("credit", step.document.number, step.draft.key), FieldChange("gross", "", str(step.draft.gross)))
            repaid = tuple(FieldChange(f"payment {one.account.name}", "", str(one.amount)) for one in step.repayments)
            return [Action("sales", "credit", record, label, (*changes, *repaid), reason)]
        case Pay():
            paid = tuple(FieldChange(f"payment {one.account.name}", "", str(one.amount)) for one in step.payments)
            return [Action("sales", "pay", record, label, paid, reason)]
        case Withdraw():
            return [Action("sales", "withdraw", record, label, (), reason)]
        case Adopt():
            return []
