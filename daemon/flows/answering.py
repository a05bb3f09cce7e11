"""Questions about booking and the books: what there is to answer with, and whether an answer can be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.answers import AccountWanted, ArticleWanted, account_offers, account_problem, article_offers, article_problem, wanted

if TYPE_CHECKING:
    from connectors.model import Product
    from connectors.port import Books, Change
    from daemon.core.answers import Wanted
    from daemon.engine.context import Context


async def _all_articles(books: Books) -> list[Product]:
    """Return every article of the books, read page by page until one brings nothing new."""
    found: dict[str, Product] = {}
    last: Change[object] | None = None
    while True:
        page = await books.read_changes(None, after=last)
        before = len(found)
        found |= {change.id: change.record for change in page.changes}
        if not page.more or len(found) == before:
            return list(found.values())
        last = page.changes[-1]


async def offers(books: Books, about: Wanted) -> tuple[str, ...]:
    """Return what of the books could be the answer; raises the errors of the port."""
    match about:
        case AccountWanted():
            return account_offers(await books.money_accounts())
        case ArticleWanted(_, rate):
            return article_offers(rate, await _all_articles(books))


async def problem(books: Books, about: Wanted, answer: str) -> str:
    """Say why this cannot be the answer, and what could; an empty text when it can.  Raises the errors of the port."""
    match about:
        case AccountWanted():
            return account_problem(answer, await books.money_accounts())
        case ArticleWanted(_, rate):
            why = article_problem(answer, rate, await books.find_products([answer]))
            if not why:
                return ""
            there = ", ".join(await offers(books, about))
            return f"{why}; there are, with VAT {rate:f} %: {there or 'none'}"


async def offer(context: Context) -> None:
    """Write beside each open question of this pair what of the books could answer it, so that whoever reads it can choose."""
    for question in await context.store.questions():
        about = wanted(question.key)
        if question.pair != context.pair_id or question.offers or about is None:
            continue
        if there := await offers(context.books, about):
            await context.store.offer(question.pair, question.key, there)
