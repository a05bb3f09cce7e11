"""What can be asked about booking, and what is an answer to it.

A question's key names the value that has no mapping: ``payment_method:<code of the till>`` wants a bank or cash account of the books,
``article:<kind of line>:<VAT percentage>`` an article.  The configuration can say the same things, and where it does, no answer counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from connectors.model import LineKind
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.model import MoneyAccount, Product

#: so many articles are named to somebody who looks for one
_NAMED = 20


@dataclass(frozen=True, slots=True)
class AccountWanted:
    """The account that takes what is paid with a method."""

    method: str

    @property
    def key(self) -> str:
        """The key of the question."""
        return f"payment_method:{self.method}"


@dataclass(frozen=True, slots=True)
class ArticleWanted:
    """The article that books a kind of line at a VAT rate."""

    kind: LineKind
    rate: Decimal

    @property
    def key(self) -> str:
        """The key of the question."""
        return f"article:{self.kind}:{self.rate}"


Wanted = AccountWanted | ArticleWanted


def wanted(key: str) -> Wanted | None:
    """Return what a question is about; ``None`` for one that is not about booking."""
    kind, _, rest = key.partition(":")
    if kind == "payment_method":
        return AccountWanted(rest)
    line, _, rate = rest.partition(":")
    try:
        return ArticleWanted(LineKind(line), Decimal(rate)) if kind == "article" else None
    except (ValueError, InvalidOperation):
        return None


@dataclass(frozen=True, slots=True)
class Said:
    """What holds: the configuration, and the answers about what it does not say.  ``answered`` are those answers, by their questions."""

    accounts: Mapping[str, str]
    articles: Mapping[tuple[LineKind, Decimal], str]
    answered: Mapping[str, str]


def configured(key: str, accounts: Mapping[str, str], articles: Mapping[tuple[LineKind, Decimal], str]) -> str | None:
    """Return what the configuration says about a question, ``None`` where it says nothing."""
    match wanted(key):
        case AccountWanted(method):
            return accounts.get(method)
        case ArticleWanted(kind, rate):
            return articles.get((kind, rate))
        case None:
            return None


def combine(accounts: Mapping[str, str], articles: Mapping[tuple[LineKind, Decimal], str], answers: Mapping[str, str]) -> Said:
    """Lay the answers under the configuration: what a file says can be read, and beats what somebody typed once."""
    all_accounts, all_articles = dict(accounts), dict(articles)
    answered = {}
    for key, answer in answers.items():
        if configured(key, accounts, articles) is not None:
            continue
        match wanted(key):
            case AccountWanted(method):
                all_accounts[method] = answer
            case ArticleWanted(kind, rate):
                all_articles[kind, rate] = answer
            case None:
                continue
        answered[key] = answer
    return Said(all_accounts, all_articles, answered)


def account_offers(accounts: Sequence[MoneyAccount]) -> tuple[str, ...]:
    """Name the accounts that can be answered; one whose name another has too goes by its number."""
    active = [account for account in accounts if account.active]
    names = [account.name for account in active]
    return tuple(account.name if names.count(account.name) == 1 else account.ledger_account or account.id for account in active)


def article_offers(rate: Decimal, articles: Sequence[Product]) -> tuple[str, ...]:
    """Name the articles that can be answered at a VAT rate, services first, for what has no article in the till is rarely goods."""
    fitting = sorted((one for one in articles if one.active and one.vat_rate == rate), key=lambda one: (not one.is_service, one.sku))
    return tuple(one.sku for one in fitting[:_NAMED])


def account_problem(answer: str, accounts: Sequence[MoneyAccount]) -> str:
    """Say why this is no account that can be used; an empty text when it is one."""
    meant = [account for account in accounts if answer and answer in {account.name, account.id, account.ledger_account}]
    active = [account for account in meant if account.active]
    if len(active) > 1:
        numbers = ", ".join(account.ledger_account or account.id for account in active)
        return f"{len(active)} accounts of the books are called {answer!r}: answer with the number of one ({numbers})"
    if not active:
        state = "is not active in the books" if meant else "is no bank or cash account of the books"
        return f"{answer!r} {state}; there are: {', '.join(account_offers(accounts)) or 'none'}"
    return ""


def article_problem(answer: str, rate: Decimal, found: Sequence[Product]) -> str:
    """Say why this is no article that can be used at a VAT rate; an empty text when it is one."""
    meant = [product for product in found if sku_key(product.sku) == sku_key(answer)]
    active = [product for product in meant if product.active]
    if not active:
        return f"{answer!r} {'is not active' if meant else 'is no article'} in the books"
    if len(active) > 1:
        return f"{len(active)} active articles of the books carry the number {answer!r}"
    if active[0].vat_rate != rate:
        return f"the article {answer!r} has VAT {active[0].vat_rate:f} %, the lines that are asked about have {rate:f} %"
    return ""
