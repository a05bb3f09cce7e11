"""From a receipt to the document that books it: what the customer paid is sacred, and every cent has a place.

All functions are pure.  A flow fetches what they need (articles, the customer, the accounts) and carries out what they return.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.model import Customer, DocumentDraft, DocumentKind, DocumentRow, LineKind, MoneyAccount, Product, Sale, SaleLine
from daemon.core.answers import AccountWanted, ArticleWanted
from daemon.core.message import message, word
from daemon.core.money import ZERO, net_of, split_price, spread, to_cents, total, vat_on, with_decimals
from daemon.core.outcomes import Reason
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime, tzinfo

    from daemon.core.message import Message, Text

#: how many kinds of line need an article of their own, because the till gives none
HELPED_KINDS = (LineKind.FREE, LineKind.SHIPPING, LineKind.DISCOUNT, LineKind.VOUCHER, LineKind.ROUNDING)


@dataclass(frozen=True, slots=True)
class BookingRules:
    """What the shop decided about booking.  ``articles`` maps (kind of line, VAT percentage) to an article number."""

    currency: str
    home_country: str
    eu_countries: frozenset[str]
    zone: tzinfo
    articles: Mapping[tuple[LineKind, Decimal], str]
    accounts: Mapping[str, str]
    default_debtor: str
    reference_prefix: str = "KB"
    rounding_cap: Decimal = Decimal("0.05")
    book_zero_receipts: bool = True
    start: datetime | None = None
    sku_map: Mapping[str, str] = field(default_factory=dict)
    #: what a sale becomes in the books: a target's name
    target: str = "invoice"
    #: what follows where a receipt was changed after it was booked: ``correct`` (credit, and book anew) or ``ask``
    after_booking: str = "correct"
    #: the first day that can be booked on, where a person wants receipts of closed days booked there
    open_from: date | None = None
    #: what a person decided about single receipts, by the key of the question
    decided: Mapping[str, str] = field(default_factory=dict)
    #: the answers of people that are in ``articles`` and ``accounts``, by the keys of their questions
    answered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip:
    """The receipt is settled without a document."""

    reason: Reason
    detail: Text = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """The receipt waits for a person.  ``question`` is the key of what has to be answered, if an answer can release it."""

    reason: Reason
    detail: Text = ""
    question: str = ""
    question_text: Text = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """A payment to register, with the sign of the receipt."""

    account: MoneyAccount
    amount: Decimal
    label: str


def reference(sale: Sale, rules: BookingRules) -> str:
    """Return the natural key of the receipt's document: the till's own number, which no person and no restart changes."""
    return f"{rules.reference_prefix}-{sale.number}"


def business_day(sale: Sale, rules: BookingRules) -> date:
    """Return the day on which the receipt is booked: the shop's own calendar day, whatever the clock of this machine says.

    A day that the books have closed becomes the first open one where a person decided so.
    """
    day = sale.sold_at.astimezone(rules.zone).date()
    return day if rules.open_from is None else max(day, rules.open_from)


def triage(sale: Sale, rules: BookingRules) -> Skip | Hold | None:
    """Decide what needs no look at the books at all."""
    if not sale.completed:
        return Skip(Reason.NOT_COMPLETED)
    if rules.start is not None and sale.sold_at < rules.start:
        return Skip(Reason.BEFORE_START)
    if sale.currency != rules.currency:
        return Hold(Reason.CURRENCY_DIFFERS, message("detail.currency", receipt=sale.currency, books=rules.currency))
    goods = [line for line in sale.lines if line.kind is not LineKind.ROUNDING]
    if sale.gross == 0 and all(line.unit_price == 0 for line in goods):
        if goods and all(line.quantity < 0 for line in goods):
            return Skip(Reason.STOCK_CORRECTION, message("detail.lines", number=len(goods)))
        if not goods or not rules.book_zero_receipts:
            return Skip(Reason.ZERO_TOTAL, message("detail.lines", number=len(goods)))
    return None


def article_number(line: SaleLine, rules: BookingRules) -> str | None:
    """Return the number of the article that books a line, ``None`` when nobody said which one does."""
    if line.kind is LineKind.PRODUCT and line.sku:
        return rules.sku_map.get(sku_key(line.sku), line.sku)
    return rules.articles.get((_helped(line), line.vat_rate))


def _helped(line: SaleLine) -> LineKind:
    """Return which article books a line: its own, or one of those that help out; what has no article number counts as keyed in by hand."""
    return LineKind.FREE if line.kind is LineKind.PRODUCT and not line.sku else line.kind


def articles_needed(sale: Sale, rules: BookingRules) -> frozenset[str]:
    """Return the numbers of every article that booking this receipt may need, the one for rounding included."""
    numbers = {number for line in sale.lines if (number := article_number(line, rules))}
    if rounding := rules.articles.get((LineKind.ROUNDING, ZERO)):
        numbers.add(rounding)
    return frozenset(numbers)


def answers_used(sale: Sale, rules: BookingRules, *, rounded: bool = False) -> tuple[tuple[str, str], ...]:
    """Return the answers of people that decide how a receipt is booked: (key of the question, answer).

    ``rounded`` says that its document has a row for a difference.
    """
    keys = [AccountWanted(payment.method).key for payment in sale.payments]
    keys += [ArticleWanted(_helped(line), line.vat_rate).key for line in sale.lines if _helped(line) is not LineKind.PRODUCT]
    keys += [ArticleWanted(LineKind.ROUNDING, ZERO).key] if rounded else []
    return tuple((key, rules.answered[key]) for key in dict.fromkeys(keys) if key in rules.answered)


def _of_an_answer(hold: Hold, key: str, rules: BookingRules, text: Message) -> Hold:
    """Let a hold that comes of an answer ask its question again: the answer does not help any more."""
    again = message("question.again", question=text, detail=hold.detail)
    return replace(hold, question=key, question_text=again) if key in rules.answered else hold


def plan_payments(sale: Sale, rules: BookingRules, accounts: Sequence[MoneyAccount]) -> tuple[PlannedPayment, ...] | Hold:
    """Decide on which account each payment of the receipt is registered."""
    if not sale.paid:
        return ()
    paid = total([payment.amount for payment in sale.payments])
    if paid != sale.gross:
        return Hold(Reason.PAYMENT_DIFFERS, message("detail.paid", paid=paid, receipt=sale.gross))
    planned = []
    for payment in sale.payments:
        if payment.amount == 0:
            continue
        name = rules.accounts.get(payment.method)
        if name is None:
            what = payment.label or payment.method or message("detail.no_method")
            return Hold(
                Reason.PAYMENT_METHOD_UNKNOWN,
                what,
                question=AccountWanted(payment.method).key,
                question_text=message("question.account", method=what),
            )
        account = account_of(payment.method, rules, accounts)
        if account is None:
            missing = Hold(Reason.MONEY_ACCOUNT_MISSING, f"{payment.label or payment.method} -> {name}")
            text = message("question.account", method=payment.label or payment.method)
            return _of_an_answer(missing, AccountWanted(payment.method).key, rules, text)
        planned.append(PlannedPayment(account, payment.amount, payment.label))
    return tuple(planned)


def account_of(method: str, rules: BookingRules, accounts: Sequence[MoneyAccount]) -> MoneyAccount | None:
    """Return the account of the books on which this way to pay is registered."""
    name = rules.accounts.get(method)
    return next((one for one in accounts if name and one.active and name in {one.name, one.id, one.ledger_account}), None)


def match_articles(sale: Sale, rules: BookingRules, found: Sequence[Product]) -> Hold | dict[int, Product]:
    """Find the article of each line (by its index), or say what stands in the way.

    The article's own VAT rate must be the one that the till charged, for the books take the rate from the article; only a sale
    to a business elsewhere in the EU goes without VAT whatever the article says.
    """
    by_key: dict[str, list[Product]] = defaultdict(list)
    for product in found:
        if product.active:
            by_key[sku_key(product.sku)].append(product)
    matched: dict[int, Product] = {}
    for index, line in enumerate(sale.lines):
        article = _match_article(line, rules, by_key, any_rate=sale.intra_community)
        if isinstance(article, Hold):
            return article
        matched[index] = article
    return matched


def _match_article(line: SaleLine, rules: BookingRules, by_key: Mapping[str, Sequence[Product]], *, any_rate: bool) -> Product | Hold:
    number, asked = article_number(line, rules), ArticleWanted(_helped(line), line.vat_rate).key
    what = message("detail.line", kind=word("line", _helped(line)), rate=line.vat_rate)
    text = message("question.article", line=what)
    if number is None:
        return Hold(Reason.VAT_RATE_UNKNOWN, what, question=asked, question_text=text)
    candidates = by_key.get(sku_key(number), [])
    if not candidates:
        return _of_an_answer(Hold(Reason.ARTICLE_MISSING, number), asked, rules, text)
    if len(candidates) > 1:
        return _of_an_answer(
            Hold(Reason.ARTICLE_AMBIGUOUS, message("detail.articles", article=number, number=len(candidates))), asked, rules, text
        )
    article = candidates[0]
    if article.vat_rate != line.vat_rate and not any_rate:
        differs = Hold(Reason.VAT_DIFFERS, message("detail.rates", article=number, till=line.vat_rate, books=article.vat_rate))
        return _of_an_answer(differs, asked, rules, text)
    return article


def line_amounts(sale: Sale) -> list[Decimal]:
    """Return what each line adds to the receipt, in whole cents."""
    return [to_cents(line.gross) for line in sale.lines]


def _amounts_to_book(sale: Sale, *, includes_vat: bool) -> list[Decimal]:
    """Return the amount of each row: gross, or net such that each rate's net and VAT come to its gross as nearly as cents allow."""
    grosses = line_amounts(sale)
    if includes_vat:
        return grosses
    nets = [ZERO] * len(grosses)
    by_rate: dict[Decimal, list[int]] = defaultdict(list)
    for index, line in enumerate(sale.lines):
        by_rate[line.vat_rate].append(index)
    for rate, indices in by_rate.items():
        exact = [net_of(grosses[index], rate) for index in indices]
        for index, net in zip(indices, spread(exact, to_cents(total(exact))), strict=True):
            nets[index] = net
    return nets


def predicted_total(rows: Sequence[DocumentRow], *, includes_vat: bool) -> Decimal:
    """Return what the rows come to by the arithmetic that the books are believed to use: VAT per rate on the sum of its rows."""
    by_rate: dict[Decimal, Decimal] = defaultdict(lambda: ZERO)
    for row in rows:
        by_rate[row.vat_rate] += to_cents(row.quantity * row.unit_price)
    return total([amount if includes_vat else amount + vat_on(amount, rate) for rate, amount in by_rate.items()])


@dataclass(frozen=True, slots=True)
class Debtor:
    """Who is invoiced, as far as the arithmetic cares."""

    id: str
    private: bool


def compose(
    sale: Sale,
    rules: BookingRules,
    *,
    debtor: Debtor,
    articles: Mapping[int, Product],
    rounding_article: Product | None,
    includes_vat: bool,
    correction: Decimal = ZERO,
) -> DocumentDraft | Hold:
    """Lay out the document of a receipt.

    ``articles`` holds the article of each line by index.  What the rows miss of the receipt's total goes to the rounding article, up
    to the cap; ``correction`` is what the books were found to differ from this arithmetic by.
    """
    amounts = _amounts_to_book(sale, includes_vat=includes_vat)
    rows: list[DocumentRow] = []
    for index, (line, amount) in enumerate(zip(sale.lines, amounts, strict=True)):
        article = articles[index]
        rows.extend(
            DocumentRow(article.id, line.text or article.name, quantity, price, line.vat_rate)
            for quantity, price in split_price(line.quantity, amount)
        )
    residue = sale.gross - predicted_total(rows, includes_vat=includes_vat) + correction
    if abs(residue) > rules.rounding_cap:
        return Hold(Reason.SUM_DIFFERS, message("detail.sum", receipt=sale.gross, document=sale.gross - residue, difference=residue))
    if residue:
        if rounding_article is None:
            return Hold(
                Reason.VAT_RATE_UNKNOWN,
                message("detail.rounding", amount=residue),
                question=ArticleWanted(LineKind.ROUNDING, ZERO).key,
                question_text=message("question.rounding"),
            )
        sign = 1 if residue > 0 else -1
        rows.append(DocumentRow(rounding_article.id, rounding_article.name, Decimal(sign), abs(residue), ZERO))
    return DocumentDraft(
        kind=DocumentKind.CREDIT if sale.gross < 0 else DocumentKind.INVOICE,
        key=reference(sale, rules),
        customer_id=debtor.id,
        date=business_day(sale, rules),
        rows=tuple(rows),
        gross=sale.gross,
        currency=sale.currency,
        prices_include_vat=includes_vat,
    )


def fit_quantities(draft: DocumentDraft, decimals: int) -> DocumentDraft:
    """Return a document whose quantities have at most so many decimals; each row still comes to the same amount.

    Stock is then moved by what is written: a few grams more or less, instead of a receipt that cannot be booked.
    """
    rows: list[DocumentRow] = []
    for row in draft.rows:
        quantity = with_decimals(row.quantity, decimals) if row.quantity else row.quantity
        if quantity == row.quantity:
            rows.append(row)
            continue
        amount = to_cents(row.quantity * row.unit_price)
        rows += [replace(row, quantity=part, unit_price=price) for part, price in split_price(quantity, amount)]
    return replace(draft, rows=tuple(rows))


def arithmetic_is_certain(sale: Sale, debtor: Debtor, *, private_prices_include_vat: bool | None, totals_rounded: bool) -> bool:
    """Tell whether the books can only come to the total that we compute, so that the document may be booked at once.

    That holds where row amounts already include VAT: then the total is their plain sum, however the vendor rounds the VAT in it.
    Everything else is proposed as a draft first, and booked when the vendor's own total is the receipt's; so is a refund, because how the
    vendor reads the sign of a credit's rows is told by its total alone.
    """
    plain = sale.gross >= 0 and not sale.intra_community and not totals_rounded
    return debtor.private and private_prices_include_vat is True and plain


def charges_vat_abroad(sale: Sale, customer: Customer, rules: BookingRules) -> bool:
    """Tell whether a buyer from outside the EU was charged VAT (in the shop he is): the books must then be told to keep it."""
    country = customer.invoice_address.country or rules.home_country
    outside = country != rules.home_country and country not in rules.eu_countries
    return outside and any(line.vat_rate > 0 for line in sale.lines)
