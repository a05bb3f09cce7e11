"""What booking a receipt takes: its debtor, its document, its payments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.core.booked import paid_on, snapshot
from daemon.core.booking import Debtor, Hold, PlannedPayment, compose, match_articles, plan_payments, reference
from daemon.core.debtors import decide_debtor
from daemon.core.outcomes import Outcome
from daemon.core.sale_plan import Paper, Pay, Plan, SaleFacts, Step, Target, revised

if TYPE_CHECKING:
    from decimal import Decimal

    from connectors.model import Sale
    from daemon.core.booking import BookingRules
    from daemon.core.mapping import FieldMap

#: stands for the debtor that a step before is going to create
NEW_DEBTOR = "(new)"


def book(
    facts: SaleFacts, sale: Sale, rules: BookingRules, customers: FieldMap, *, revision: int, before: tuple[Step, ...] = ()
) -> Plan | Hold:
    """Lay out what booking a receipt takes: its debtor, its document, its payments."""
    assert facts.debtor is not None  # noqa: S101 - gathered for every receipt that may be booked; this tells the type checker
    debtor = decide_debtor(facts.debtor, sale, rules, customers)
    if isinstance(debtor, Hold):
        return debtor
    articles = match_articles(facts.named or sale, rules, facts.articles)
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
    paying = pay_step(revision, payments) if target is Target.INVOICE else ()
    booked = paid_on(snapshot(sale, facts.salt, document="", target=target, revision=revision), accounts_of(paying))
    return Plan((*before, debtor, paper, *paying), Outcome.CREATED, booked=booked)


def accounts_of(paying: tuple[Pay, ...]) -> list[tuple[str, Decimal]]:
    """Return (account's id, amount) of what a step registers."""
    return [(one.account.id, one.amount) for step in paying for one in step.payments]


def pay_step(revision: int, payments: tuple[PlannedPayment, ...]) -> tuple[Pay, ...]:
    """Return the step that registers payments; none where there are none."""
    return (Pay(revision, payments),) if payments else ()
