"""What becomes of a receipt: from all that was read of it (in the till, in the books, in our own memory) to the steps to be done.

Pure: ``plan`` prints what is returned, the brake counts it, ``sync`` and ``run`` carry it out, ``why`` shows it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.model import ZERO, LineKind
from daemon.core.book_sale import accounts_of, book, pay_step
from daemon.core.booked import paid_on, snapshot
from daemon.core.booking import Hold, Skip, business_day, plan_payments, reference, triage
from daemon.core.corrections import decide_booked, left_behind
from daemon.core.message import message
from daemon.core.money import total
from daemon.core.outcomes import Outcome, Reason
from daemon.core.sale_plan import FIRST_OPEN_DAY, KEEP, LOCKED_QUESTION, WAIT, Adopt, Plan, SaleFacts, Target, Withdraw

if TYPE_CHECKING:
    from connectors.model import Document, Sale
    from daemon.core.booking import BookingRules
    from daemon.core.mapping import FieldMap
    from daemon.core.message import Text


def decide_sale(facts: SaleFacts, rules: BookingRules, customers: FieldMap) -> Plan | Skip | Hold:
    """Decide what becomes of a receipt.

    A receipt that is booked is compared with what was booked; one that is not is booked, skipped or held.  Raises nothing: what cannot be
    decided is a `Hold` with its reason.
    """
    if facts.booked is not None:
        return decide_booked(facts, facts.booked, rules, customers)
    sale = facts.sale
    withdrawal = (Withdraw(facts.proposal),) if facts.proposal else ()
    if sale is None:
        for document in facts.found if facts.sent else ():
            if (left := left_behind(document, rules)) is not None:
                return left
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
        return Hold(Reason.DOCUMENT_AMBIGUOUS, message("detail.carry", number=len(facts.found), key=key))
    document = facts.found[0]
    if facts.holder:
        return Hold(Reason.DOCUMENT_AMBIGUOUS, message("detail.holder", document=document.number, receipt=facts.holder))
    day = business_day(sale, rules)
    asked = f"changed:{document.id}:day"
    if not facts.sent and document.date not in {None, day} and rules.decided.get(asked) != KEEP:
        number, of = document.number, document.date
        text = message("question.other_day", document=number, of=of, receipt=sale.number, day=day)
        detail = message("detail.other_day", document=number, of=of, day=day)
        return Hold(Reason.DOCUMENT_AMBIGUOUS, detail, asked, text, choices=(KEEP,))
    if not facts.sent and facts.rivals:
        return Hold(Reason.DOCUMENT_AMBIGUOUS, message("detail.rivals", number=1 + facts.rivals, receipt=sale.number))
    payments = plan_payments(sale, rules, facts.accounts)
    if isinstance(payments, Hold):
        return payments
    outcome, reason = (Outcome.CREATED, Reason.NONE) if facts.sent else (Outcome.SKIPPED, Reason.EXISTS)
    paying = pay_step(0, payments)
    booked = paid_on(snapshot(sale, facts.salt, document=document.id, target=Target.INVOICE, revision=0), accounts_of(paying))
    return Plan((*withdrawal, Adopt(document), *paying), outcome, reason, booked)


def vat_disagrees(sale: Sale, document: Document, rules: BookingRules) -> Text:
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
        return message("detail.vat", books=document.vat, till=f"{expected:.2f}") if abs(document.vat - expected) > cap else ""
    books = {rate: net + vat for rate, net, vat in document.vat_by_rate if rate}
    for rate in sorted({rate for rate in till if rate} | set(books)):
        if abs(books.get(rate, ZERO) - till.get(rate, ZERO)) > cap:
            here, there = till.get(rate, ZERO), books.get(rate, ZERO)
            return message("detail.vat_at", rate=rate, till=f"{here:.2f}", books=f"{there:.2f}")
    return ""


def locked_hold(sale: Sale, rules: BookingRules) -> Hold:
    """Return the one question about receipts of closed days."""
    return Hold(
        Reason.PERIOD_LOCKED,
        business_day(sale, rules).isoformat(),
        question=LOCKED_QUESTION,
        question_text=message("question.locked"),
        choices=(FIRST_OPEN_DAY, WAIT),
    )
