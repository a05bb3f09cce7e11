"""What a pair does once in a process, before its first run: take in what the configuration says now, and has said since the last time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.core import references
from daemon.core.answers import configured
from daemon.core.message import message
from daemon.core.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from connectors.model import LineKind
    from daemon.engine.context import Context

#: the fact of a link that says which prefix each of its tills has, past ones too
PREFIXES_FACT = "prefixes"
#: the fact of a pair by what it decided the last time
_DECIDED_BY_FACT = "decided_by"
#: what another configuration can cure
_CURABLE = frozenset(
    {
        Reason.ARTICLE_MISSING,
        Reason.ARTICLE_AMBIGUOUS,
        Reason.DEFAULT_DEBTOR_MISSING,
        Reason.PAYMENT_METHOD_UNKNOWN,
        Reason.MONEY_ACCOUNT_MISSING,
        Reason.VAT_RATE_UNKNOWN,
        Reason.VAT_DIFFERS,
        Reason.SUM_DIFFERS,
        Reason.CURRENCY_DIFFERS,
        Reason.MAPPING_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says about a pair.

    Attributes:
        accounts: till's payment method -> account of the books
        articles: (kind of line, VAT percentage) -> article number
        fingerprint: of everything by which records are decided
        prefixes: of every till of the link that there ever was
    """

    accounts: Mapping[str, str] = field(default_factory=dict)
    articles: Mapping[tuple[LineKind, Decimal], str] = field(default_factory=dict)
    fingerprint: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def says(self, question: str) -> str | None:
        """Return what the configuration says about a question, ``None`` where it says nothing."""
        return configured(question, self.accounts, self.articles)


async def begin(context: Context, said: Configured) -> None:
    """Fix the prefixes, answer by the configuration what was asked, and decide again what another configuration may have cured."""
    store, scope = context.store, context.pair_id
    prefixes = references.dump(said.prefixes)
    if said.prefixes and await store.fact(context.link_id, PREFIXES_FACT) != prefixes:
        await store.remember(context.link_id, {PREFIXES_FACT: prefixes})
    for question in [*await store.questions(), *await store.questions(answered=True)]:
        now = said.says(question.key)
        if question.pair != scope or now is None:
            continue
        changed = question.answer not in {None, now}
        told = message("activity.configured", answer=now, before=question.answer) if changed else now
        released = await store.overrule(scope, question.key, told)
        context.log.info("answered by the configuration", question=question.key, answer=now, released=released)
    if await store.fact(scope, _DECIDED_BY_FACT) != said.fingerprint:
        await store.release_held(scope, reasons=_CURABLE)
        await store.remember(scope, {_DECIDED_BY_FACT: said.fingerprint})
