"""What a receipt becomes in the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.model import (
    Address,
    Customer,
    DocumentDraft,
    DocumentKind,
    LineKind,
    MoneyAccount,
    Payment,
    Product,
    Sale,
    SaleLine,
)
from daemon.core.answers import combine
from daemon.core.booking import (
    BookingRules,
    Debtor,
    Hold,
    Skip,
    answers_used,
    arithmetic_is_certain,
    article_number,
    articles_needed,
    business_day,
    charges_vat_abroad,
    compose,
    line_amounts,
    match_articles,
    plan_payments,
    predicted_total,
    reference,
    triage,
)
from daemon.core.money import total
from daemon.core.outcomes import Reason
from daemon.text import ENGLISH

D = Decimal
RATES = (D(21), D(9), D(0))
RULES = BookingRules(
    currency="EUR",
    home_country="NL",
    eu_countries=frozenset({"NL", "DE", "FR"}),
    zone=ZoneInfo("Europe/Amsterdam"),
    articles={(kind, rate): f"KB-{kind.upper()}-{rate}" for kind in LineKind for rate in RATES},
    accounts={"pin": "Pin", "cash": "Kas"},
    default_debtor="1000",
)
ACCOUNTS = [MoneyAccount("a1", "Pin", "1101"), MoneyAccount("a2", "Kas", "1000")]
PRIVATE, BUSINESS = Debtor("c1", private=True), Debtor("c2", private=False)
ROUNDING = Product("r", "KB-ROUNDING-0", "Afronding", D(0), D(0))


def line(quantity: str = "1", price: str = "2.55", rate: str = "21", *, sku: str = "85123A", kind: LineKind = LineKind.PRODUCT) -> SaleLine:
    """A line of a receipt."""
    return SaleLine(kind, "Hart", D(quantity), D(price), D(rate), sku)


def sale(*lines: SaleLine, gross: str | None = None, method: str = "pin", **more: object) -> Sale:
    """A receipt whose total is the sum of its lines unless told."""
    amount = D(gross) if gross is not None else total([round(item.gross, 2) for item in lines])
    made = Sale("7", "536365", datetime(2010, 12, 1, 8, 26, tzinfo=UTC), amount, "EUR", lines, (Payment(method, "PIN", amount),))
    return replace(made, **more)  # type: ignore[arg-type]  # fields of a sale, by name


def articles(receipt: Sale) -> dict[int, Product]:
    """An article for each line, at the line's rate."""
    return {index: Product(f"p{index}", item.sku, item.text, item.unit_price, item.vat_rate) for index, item in enumerate(receipt.lines)}


def laid_out(receipt: Sale, debtor: Debtor = PRIVATE, *, includes_vat: bool = True, rules: BookingRules = RULES) -> DocumentDraft | Hold:
    """The document of a receipt."""
    return compose(receipt, rules, debtor=debtor, articles=articles(receipt), rounding_article=ROUNDING, includes_vat=includes_vat)


def test_the_natural_key_is_the_receipts_own_number() -> None:
    """The same receipt has the same key after any restart, on any day."""
    assert reference(sale(line()), RULES) == "KB-536365"


def test_a_receipt_counts_on_the_shops_own_calendar_day() -> None:
    """Half past midnight in Amsterdam is the day before in UTC, and still today for the shop."""
    late = sale(line(), sold_at=datetime(2026, 3, 31, 22, 30, tzinfo=UTC))
    assert business_day(late, RULES).isoformat() == "2026-04-01"


@pytest.mark.parametrize(
    ("receipt", "reason"),
    [
        (sale(line(), completed=False), Reason.NOT_COMPLETED),
        (sale(line("-10", "0", sku="22139"), gross="0"), Reason.STOCK_CORRECTION),
        (sale(gross="0"), Reason.ZERO_TOTAL),
    ],
)
def test_what_is_no_sale_is_skipped_with_its_reason(receipt: Sale, reason: Reason) -> None:
    """Nothing is left out without a word."""
    verdict = triage(receipt, RULES)
    assert isinstance(verdict, Skip)
    assert verdict.reason is reason


def test_a_give_away_is_booked_unless_the_shop_wants_otherwise() -> None:
    """A give-away moves stock, so it has a document of 0.00; the setting can skip it."""
    given_away = sale(line("2", "0"), gross="0")
    assert triage(given_away, RULES) is None
    skipped = triage(given_away, replace(RULES, book_zero_receipts=False))
    assert isinstance(skipped, Skip)
    assert skipped.reason is Reason.ZERO_TOTAL


def test_a_receipt_before_the_start_date_is_left_alone() -> None:
    """History is not booked a second time when the bridge begins."""
    verdict = triage(sale(line()), replace(RULES, start=datetime(2011, 1, 1, tzinfo=UTC)))
    assert isinstance(verdict, Skip)
    assert verdict.reason is Reason.BEFORE_START


def test_a_receipt_in_another_currency_is_held() -> None:
    """Dollars are never booked as euros."""
    verdict = triage(sale(line(), currency="USD"), RULES)
    assert isinstance(verdict, Hold)
    assert verdict.reason is Reason.CURRENCY_DIFFERS


def test_an_invoice_to_a_private_person_has_the_tills_own_prices() -> None:
    """Six at 2.55 stay six at 2.55."""
    draft = laid_out(sale(line("6")))
    assert isinstance(draft, DocumentDraft)
    assert [(row.quantity, row.unit_price) for row in draft.rows] == [(D(6), D("2.55"))]
    assert draft.gross == D("15.30")
    assert draft.kind is DocumentKind.INVOICE


def test_a_refund_becomes_a_credit_with_negative_quantities() -> None:
    """Goods came back: the quantity is negative, the price is not."""
    draft = laid_out(sale(line("-2")))
    assert isinstance(draft, DocumentDraft)
    assert draft.kind is DocumentKind.CREDIT
    assert [(row.quantity, row.unit_price) for row in draft.rows] == [(D(-2), D("2.55"))]


def test_a_price_with_three_decimals_is_booked_to_the_cent() -> None:
    """Two rows a cent apart carry what one price cannot."""
    draft = laid_out(sale(line("3", "0.333"), gross="1.00"))
    assert isinstance(draft, DocumentDraft)
    assert predicted_total(draft.rows, includes_vat=True) == D("1.00")
    assert total([row.quantity for row in draft.rows]) == 3


def test_cash_rounding_has_a_row_of_its_own() -> None:
    """12.33 paid with 12.35: the two cents stand on the rounding article."""
    receipt = sale(line("1", "12.33"), SaleLine(LineKind.ROUNDING, "Afronding", D(1), D("0.02"), D(0)), method="cash")
    draft = laid_out(receipt)
    assert isinstance(draft, DocumentDraft)
    assert predicted_total(draft.rows, includes_vat=True) == D("12.35")


def test_a_difference_beyond_the_cap_is_held_with_its_numbers() -> None:
    """Nothing is silently adjusted."""
    held = laid_out(sale(line("1", "10.00"), gross="10.06"))
    assert isinstance(held, Hold)
    assert held.reason is Reason.SUM_DIFFERS
    assert "0.06" in ENGLISH(held.detail)


def test_a_difference_up_to_the_cap_goes_to_the_rounding_article() -> None:
    """Five cents are allowed, and visible."""
    draft = laid_out(sale(line("1", "10.00"), gross="9.95"))
    assert isinstance(draft, DocumentDraft)
    assert [(row.article_id, row.quantity, row.unit_price) for row in draft.rows[1:]] == [("r", D(-1), D("0.05"))]


lines_strategy = st.lists(
    st.builds(
        SaleLine,
        st.just(LineKind.PRODUCT),
        st.just("x"),
        st.integers(-60, 400).filter(bool).map(D),
        st.integers(0, 30_000).map(lambda number: D(number) / 100),
        st.sampled_from(RATES),
        st.just("sku"),
    ),
    min_size=1,
    max_size=25,
)


@given(lines_strategy, st.booleans())
def test_every_document_comes_to_what_the_customer_paid(lines: list[SaleLine], private: bool) -> None:
    """Whatever was sold to whomever, incl. or excl. VAT: the rows come to the receipt's total, with a cent a rate for rounding."""
    gross = total([round(item.gross, 2) for item in lines])
    receipt = sale(*lines, gross=str(gross))
    draft = laid_out(receipt, PRIVATE if private else BUSINESS, includes_vat=private)
    assert isinstance(draft, DocumentDraft)
    assert predicted_total(draft.rows, includes_vat=private) == gross
    goods = [row for row in draft.rows if row.article_id != "r"]
    assert total([row.quantity for row in goods]) == total([item.quantity for item in lines])
    assert total([abs(row.quantity * row.unit_price) for row in draft.rows if row.article_id == "r"]) <= D("0.03")


def test_line_amounts_are_rounded_one_by_one() -> None:
    """A till rounds each line, not the sum."""
    assert line_amounts(sale(line("1", "0.335"), line("1", "0.335"), gross="0.68")) == [D("0.34"), D("0.34")]


def test_an_unknown_payment_method_becomes_one_question() -> None:
    """No default is taken in silence."""
    held = plan_payments(sale(line(), method="tikkie"), RULES, ACCOUNTS)
    assert isinstance(held, Hold)
    assert (held.reason, held.question) == (Reason.PAYMENT_METHOD_UNKNOWN, "payment_method:tikkie")


def test_payments_must_add_up_to_the_receipt() -> None:
    """A payment that is not the total is shown, not corrected."""
    receipt = replace(sale(line()), payments=(Payment("pin", "PIN", D("2.50")),))
    held = plan_payments(receipt, RULES, ACCOUNTS)
    assert isinstance(held, Hold)
    assert held.reason is Reason.PAYMENT_DIFFERS


def test_an_account_that_the_books_do_not_have_is_held() -> None:
    """The configuration may be older than the books."""
    held = plan_payments(sale(line(), method="cash"), RULES, ACCOUNTS[:1])
    assert isinstance(held, Hold)
    assert held.reason is Reason.MONEY_ACCOUNT_MISSING


def test_an_unpaid_receipt_registers_no_payment() -> None:
    """On account stays on account."""
    assert plan_payments(sale(line(), paid=False), RULES, ACCOUNTS) == ()


def test_articles_are_matched_without_regard_to_case() -> None:
    """85123a is 85123A, keyed in by a person."""
    found = [Product("p", "85123A", "Hart", D("2.55"), D(21))]
    assert match_articles(sale(line(sku="85123a")), RULES, found) == {0: found[0]}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], Reason.ARTICLE_MISSING),
        ([Product("p", "85123A", "Hart", D(1), D(21), active=False)], Reason.ARTICLE_MISSING),
        ([Product(i, "85123A", "Hart", D(1), D(21)) for i in "pq"], Reason.ARTICLE_AMBIGUOUS),
        ([Product("p", "85123A", "Hart", D(1), D(9))], Reason.VAT_DIFFERS),
    ],
)
def test_a_line_without_its_article_is_held(found: list[Product], reason: Reason) -> None:
    """Missing, inactive, twice, or at another VAT rate: each has its own reason."""
    held = match_articles(sale(line()), RULES, found)
    assert isinstance(held, Hold)
    assert held.reason is reason


def test_a_business_elsewhere_in_the_eu_is_matched_at_no_vat() -> None:
    """The article says 21 %, the customer's country says none."""
    found = [Product("p", "85123A", "Hart", D(1), D(21))]
    assert match_articles(sale(line(rate="0"), intra_community=True), RULES, found) == {0: found[0]}


def test_a_line_kind_without_article_is_a_question() -> None:
    """Postage at a rate nobody thought of waits for the bookkeeper."""
    held = match_articles(sale(line("1", "5", "13", kind=LineKind.SHIPPING, sku="")), RULES, [])
    assert isinstance(held, Hold)
    assert (held.reason, held.question) == (Reason.VAT_RATE_UNKNOWN, "article:shipping:13")


def test_a_product_without_a_number_asks_for_what_books_it() -> None:
    """It is booked like a line keyed in by hand: the question is about those, and its answer is what is looked for."""
    unnamed = sale(line(sku="", rate="13"))
    held = match_articles(unnamed, RULES, [])
    assert isinstance(held, Hold)
    assert held.question == "article:free:13"
    said = combine({}, {}, {held.question: "X"})
    answered = replace(RULES, articles=said.articles, answered=said.answered)
    assert article_number(unnamed.lines[0], answered) == "X"
    assert answers_used(unnamed, answered) == (("article:free:13", "X"),)


def test_what_comes_of_an_answer_asks_again_and_what_comes_of_the_file_does_not() -> None:
    """An answer that does not help can be given anew; a line of the configuration can only be corrected there."""
    article = Product("1", "X", "Vrij", D(1), D(21))
    unnamed, found = sale(line(sku="", rate="9")), [article]
    by_file = replace(RULES, articles={(LineKind.FREE, D(9)): "X"}, accounts={"pin": "gone"})
    by_answer = replace(by_file, answered={"article:free:9": "X", "payment_method:pin": "gone"})
    for rules, questions in ((by_file, {""}), (by_answer, {"article:free:9", "payment_method:pin"})):
        differs, missing = match_articles(unnamed, rules, found), plan_payments(unnamed, rules, ACCOUNTS)
        assert isinstance(differs, Hold)
        assert isinstance(missing, Hold)
        assert (differs.reason, missing.reason) == (Reason.VAT_DIFFERS, Reason.MONEY_ACCOUNT_MISSING)
        assert {differs.question, missing.question} == questions


def test_the_rounding_article_is_always_fetched() -> None:
    """A business invoice may need it although no line does."""
    assert articles_needed(sale(line()), RULES) == {"85123A", "KB-ROUNDING-0"}


def test_a_tourists_vat_is_kept() -> None:
    """Charged in the shop to somebody from outside the EU: the books are told to keep the VAT."""
    abroad = Customer(email="a@b.ch", invoice_address=Address(country="CH"))
    assert charges_vat_abroad(sale(line()), abroad, RULES)
    assert not charges_vat_abroad(sale(line(rate="0")), abroad, RULES)
    assert not charges_vat_abroad(sale(line()), replace(abroad, invoice_address=Address(country="DE")), RULES)


def test_only_plain_sums_are_booked_without_a_look_at_the_vendors_total() -> None:
    """Everything that the vendor computes with VAT on top, or rounds, is proposed first."""
    receipt = sale(line())
    assert arithmetic_is_certain(receipt, PRIVATE, private_prices_include_vat=True, totals_rounded=False)
    assert not arithmetic_is_certain(receipt, PRIVATE, private_prices_include_vat=None, totals_rounded=False)
    assert not arithmetic_is_certain(receipt, PRIVATE, private_prices_include_vat=True, totals_rounded=True)
    assert not arithmetic_is_certain(receipt, BUSINESS, private_prices_include_vat=True, totals_rounded=False)
    refund = sale(line(quantity="-1"))
    assert refund.gross < 0
    assert not arithmetic_is_certain(refund, PRIVATE, private_prices_include_vat=True, totals_rounded=False)
