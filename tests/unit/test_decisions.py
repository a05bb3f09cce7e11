"""The smaller decisions: products, stock, customers, retries, the brake, the table of states."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from connectors.model import Address, Customer, LineKind, Product, ProductPatch, Sale, SaleLine, StockLevel
from connectors.port import (
    ConnectorError,
    Missing,
    Rejected,
    Throttled,
    Transient,
    Unauthorized,
    Uncertain,
    Unreachable,
    Unreadable,
)
from daemon.core.booking import Hold, Skip
from daemon.core.brake import BrakeRules, Danger, exceeds, products_alarm, stock_alarm
from daemon.core.customers import changed_fields, is_anonymous, pseudonym
from daemon.core.ids import PairId
from daemon.core.outcomes import CLAIMABLE_STATES, OPEN_STATES, TRANSITIONS, Outcome, Reason, State, may_follow
from daemon.core.products import CreateProduct, FieldChange, KeepProduct, UpdateProduct, decide_product, match_product
from daemon.core.retry import RetryPolicy, after_error, back_off
from daemon.core.stock import Articles, Shelves, Shown, on_their_way, pieces, plan_stock, wanted_stock
from daemon.text import ENGLISH

D = Decimal
ARTICLE = Product("a1", "SKU-1", "Kaars", D("4.95"), D(21), tracked=True, quantity=D(7))
IN_TILL = Product("t1", "sku-1", "Kaars", D("4.95"), D(21), tracked=True, quantity=D(7))
DRAFT = ProductPatch(sku="SKU-1", name="Kaars", price=D("4.95"))


# -- products -------------------------------------------------------------------------------------------------------------------
def test_a_product_the_till_lacks_is_created_with_its_free_stock() -> None:
    """The opening stock goes with it, so that no sale meets an empty shelf."""
    decision = decide_product(ARTICLE, on_create=DRAFT, on_update=DRAFT, match=None, opening_stock=D(5))
    assert isinstance(decision, CreateProduct)
    assert (decision.draft.quantity, decision.draft.tracked) == (D(5), True)


def test_only_the_fields_that_differ_are_written() -> None:
    """A new price does not overwrite the name."""
    decision = decide_product(
        ARTICLE, on_create=DRAFT, on_update=ProductPatch(name="Kaars", price=D("5.25")), match=IN_TILL, opening_stock=None
    )
    assert isinstance(decision, UpdateProduct)
    assert decision.draft == ProductPatch(price=D("5.25"))
    assert [(c.field, c.before, c.after) for c in decision.changes] == [("price", "4.95", "5.25")]


def test_a_product_in_step_is_left_alone() -> None:
    """The same amount with other digits is no change."""
    decision = decide_product(
        ARTICLE, on_create=DRAFT, on_update=ProductPatch(name="Kaars", price=D("4.950")), match=IN_TILL, opening_stock=None
    )
    assert decision == KeepProduct(IN_TILL)


def test_an_inactive_article_is_not_brought_to_the_till() -> None:
    """What was never there need not be deactivated there."""
    gone = Product("a1", "SKU-1", "Kaars", D(1), D(21), active=False)
    decision = decide_product(gone, on_create=DRAFT, on_update=DRAFT, match=None, opening_stock=None)
    assert isinstance(decision, Skip)


def test_an_article_without_number_is_held() -> None:
    """Without SKU nothing can be matched."""
    decision = decide_product(Product("a", " ", "x", D(1), D(21)), on_create=DRAFT, on_update=DRAFT, match=None, opening_stock=None)
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.SKU_MISSING


def test_the_bound_product_wins_over_another_with_the_same_sku() -> None:
    """A binding survives a renamed SKU on either side."""
    bound = Product("t9", "OTHER", "x", D(1), D(21))
    assert match_product(ARTICLE, "t9", [IN_TILL, bound]) == bound


def test_two_products_with_one_sku_are_held() -> None:
    """Which one is meant, only a person knows."""
    held = match_product(ARTICLE, None, [IN_TILL, Product("t2", "SKU-1", "y", D(1), D(21))])
    assert isinstance(held, Hold)
    assert held.reason is Reason.SKU_AMBIGUOUS


# -- stock ----------------------------------------------------------------------------------------------------------------------
def level(available: str | None, *, tracked: bool = True, sku: str = "SKU-1") -> StockLevel:
    """A stock level."""
    return StockLevel(sku.replace("SKU-", "a"), sku, tracked, available=None if available is None else D(available))


def shelves(*products: Product, bound: dict[str, str] | None = None) -> Shelves:
    """What the till has, and which article is bound to which of it."""
    return Shelves(products, bound or {})


def test_zero_null_and_untracked_are_three_things() -> None:
    """Zero is written, no number and not counted are not."""
    assert wanted_stock(level("0"), {}) == 0
    assert wanted_stock(level(None), {}) is Reason.NO_QUANTITY
    assert wanted_stock(level("0", tracked=False), {}) is Reason.NOT_TRACKED


def test_receipts_on_their_way_are_counted() -> None:
    """Three sold, one came back, none booked yet: the till keeps showing two less than the books."""
    lines = (SaleLine(LineKind.PRODUCT, "x", D(3), D(1), D(21), "sku-1"), SaleLine(LineKind.FREE, "y", D(9), D(1), D(21)))
    back = (SaleLine(LineKind.PRODUCT, "x", D(-1), D(1), D(21), "SKU-1"),)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    sales = [(PairId("shop/till"), Sale(str(i), str(i), now, D(1), "EUR", held)) for i, held in enumerate((lines, back))]
    assert wanted_stock(level("7"), on_their_way(sales, Articles({"sku-1": "a1"}))) == 5


def test_what_was_sold_is_known_by_the_tills_product_before_its_number() -> None:
    """The number on the receipt is the old one, or by now another article's; another till's product of the same id is another product."""
    line = SaleLine(LineKind.PRODUCT, "x", D(1), D(1), D(21), "SKU-1", product_id="t1")
    articles = Articles({"sku-1": "new"}, {(PairId("shop/till"), "t1"): "a1"})
    assert articles.of(PairId("shop/till"), line) == "a1"
    assert articles.of(PairId("shop/other"), line) == "new"
    assert articles.of(PairId("shop/other"), replace(line, sku="SKU-9")) is None


def test_a_stock_plan_names_only_what_differs() -> None:
    """Equal numbers are unchanged, absent products are skipped, a product that nobody counted is counted from now on."""
    uncounted = Product("t3", "SKU-3", "z", D(1), D(21), tracked=False, quantity=D(0))
    plan = plan_stock([level("7"), level("1", sku="SKU-2"), level("0", sku="SKU-3")], shelves(IN_TILL, uncounted), {})
    assert plan.unchanged == 1
    assert plan.skipped == {Reason.NOT_AT_TARGET: 1}
    assert [(c.product.id, c.before, c.after) for c in plan.changes] == [("t3", None, D(0))]


def test_stock_goes_by_the_binding_before_the_number() -> None:
    """A renumbered article keeps its product; one that is bound to nothing is found by its number."""
    renumbered = level("9", sku="SKU-1")
    other = Product("t2", "SKU-1", "z", D(1), D(21), tracked=True, quantity=D(1))
    plan = plan_stock([renumbered], shelves(replace(IN_TILL, sku="OLD"), other, bound={"a1": "t1"}), {})
    assert [(c.product.id, c.after) for c in plan.changes] == [("t1", D(9))]
    assert [c.product.id for c in plan_stock([renumbered], shelves(other), {}).changes] == ["t2"]


def test_what_was_sold_while_we_looked_is_not_written_but_looked_at_again() -> None:
    """Neither number can be trusted then; what is equal all the same needs no second look."""
    plan = plan_stock(
        [level("9"), level("7", sku="SKU-2")], shelves(IN_TILL, replace(IN_TILL, id="t2", sku="SKU-2")), {}, doubtful={"a1", "a2"}
    )
    assert (plan.changes, plan.unchanged, plan.doubtful) == ((), 1, {"a1": "t1"})
    assert plan.shown.keys() == {"a2"}
    whole = plan.with_second_look(plan_stock([level("8")], shelves(IN_TILL), {}))
    assert [c.after for c in whole.changes] == [D(8)]
    assert (whole.unchanged, dict(whole.doubtful), set(whole.shown)) == (1, {}, {"a1", "a2"})


def test_weighed_goods_are_compared_to_the_gram() -> None:
    """Zeros at the end and the noise of a vendor's doubles are no difference; a gram is."""
    weighed = replace(IN_TILL, quantity=D("1.250"))
    assert plan_stock([level("1.25")], shelves(weighed), {}).unchanged == 1
    assert plan_stock([level("1.2500000000000002")], shelves(weighed), {}).unchanged == 1
    assert [c.after for c in plan_stock([level("10")], shelves(weighed), {"a1": D("8.751")}).changes] == [D("1.249")]
    assert str(pieces(D("40.000"))) == "40"


def test_a_plain_number_of_the_books_is_carried_over_once() -> None:
    """Where no document moves the books' stock, the till counts by itself until a person writes another number."""
    sold = Product("t1", "SKU-1", "Kaars", D(1), D(21), tracked=True, quantity=D(4))
    carried = {"a1": Shown("t1", "7")}
    assert plan_stock([level("7")], shelves(sold), {}, carried_over=carried).unchanged == 1
    assert [c.after for c in plan_stock([level("9")], shelves(sold), {}, carried_over=carried).changes] == [D(9)]
    assert [c.after for c in plan_stock([level("7")], shelves(sold), {}, carried_over={}).changes] == [D(7)]
    assert [c.after for c in plan_stock([level("7")], shelves(sold), {}).changes] == [D(7)]


def test_a_number_that_no_product_shows_is_not_taken_over() -> None:
    """A product that is added to the till later, or anew, gets it then."""
    carried = {"a1": Shown("t1", "7")}
    assert plan_stock([level("7")], shelves(), {}, carried_over={}).shown == {}
    added = replace(IN_TILL, id="t9", quantity=D(0))
    assert [c.after for c in plan_stock([level("7")], shelves(added), {}, carried_over=carried).changes] == [D(7)]


def test_the_brake_needs_share_and_count() -> None:
    """Two of three is a small shop's day; two hundred of two hundred and thirty is an accident."""
    rules = BrakeRules(D("0.2"), 10)
    assert not exceeds(2, 3, rules)
    assert exceeds(200, 230, rules)
    assert not exceeds(11, 1000, rules)


def test_an_alarm_names_what_and_how_many() -> None:
    """The shopkeeper reads numbers and article numbers, not a code."""
    rules = BrakeRules(D("0.2"), 2)
    change = FieldChange("price", "4.95", "9")
    priced = [UpdateProduct(replace(IN_TILL, id=f"t{number}"), ProductPatch(price=D(9)), (change,)) for number in range(20)]
    alarm = products_alarm(priced, 40, rules)
    assert alarm is not None
    assert ENGLISH(alarm.question).startswith("This run would change the price of 20 of 40 products.")
    assert "sku-1 (4.95 -> 9)" in ENGLISH(alarm.question)
    assert "and 5 more" in ENGLISH(alarm.question)
    assert products_alarm(priced[:2], 40, rules) is None
    free = products_alarm([UpdateProduct(IN_TILL, ProductPatch(price=D(0)), ())] * 20, 40, rules)
    gone = products_alarm([UpdateProduct(IN_TILL, ProductPatch(active=False), ())] * 20, 40, rules)
    assert free is not None
    assert gone is not None
    assert [finding.danger for finding in free.findings] == [Danger.FREE, Danger.REPRICED]
    assert [finding.danger for finding in gone.findings] == [Danger.DEACTIVATED]


def test_a_source_that_lists_nothing_any_more_is_an_alarm() -> None:
    """Absence is not deletion, and a listing that shrank is asked about."""
    rules = BrakeRules(D("0.2"), 2)
    levels = [StockLevel(f"a{number}", f"SKU-{number}", tracked=False) for number in range(10)]
    known = {level.product_id: level.sku for level in levels}
    empty = stock_alarm(plan_stock([], shelves(), {}), known, rules)
    assert empty is not None
    assert [(finding.danger, finding.of) for finding in empty.findings] == [(Danger.VANISHED, 10)]
    assert stock_alarm(plan_stock(levels[1:], shelves(), {}), known, rules) is None
    renumbered = [replace(level, sku=f"NEW-{level.sku}") for level in levels]
    assert stock_alarm(plan_stock(renumbered, shelves(), {}), known, rules) is None


def test_the_number_of_an_alarm_is_that_of_exactly_this_change() -> None:
    """In any order it is the same; another product, or another price of one, makes it another."""
    rules = BrakeRules(D("0.2"), 2)

    def number(prices: dict[str, str]) -> str:
        updates = [UpdateProduct(replace(IN_TILL, id=product), ProductPatch(price=D(price)), ()) for product, price in prices.items()]
        alarm = products_alarm(updates, 4, rules)
        assert alarm is not None
        return alarm.number

    prices = {"t1": "1", "t2": "2", "t3": "3"}
    assert number(prices) == number(dict(reversed(prices.items())))
    assert len({number(prices), number({**prices, "t3": "4"}), number({**prices, "t4": "3"})}) == 3


# -- customers ------------------------------------------------------------------------------------------------------------------
BUYER = Customer(email="Jan@Example.nl", name="Jan", invoice_address=Address(city="Delft"))


def test_a_receipt_without_email_is_anonymous() -> None:
    """Most receipts are; they share the default debtor."""
    assert is_anonymous(None)
    assert is_anonymous(Customer(name="Jan"))
    assert not is_anonymous(BUYER)


def test_an_email_address_is_one_person_however_it_is_written() -> None:
    """Capitals make no second customer, and the pseudonym cannot be read back."""
    assert pseudonym("Jan@Example.nl ", "salt") == pseudonym("jan@example.nl", "salt")
    assert "jan" not in pseudonym("jan@example.nl", "salt")
    assert pseudonym("jan@example.nl", "salt") != pseudonym("jan@example.nl", "other")


def test_changed_customer_fields_are_named_without_their_content() -> None:
    """An empty field of the till never wipes the books'."""
    after = Customer(email=BUYER.email, name="Piet", phone=None)
    assert changed_fields(BUYER, after) == ("name",)


# -- retries --------------------------------------------------------------------------------------------------------------------
POLICY = RetryPolicy(max_attempts=3)


@pytest.mark.parametrize(
    ("error", "state", "reason", "attempts"),
    [
        (Unreachable("x"), State.WAITING, Reason.UNREACHABLE, 1),
        (Throttled("x"), State.WAITING, Reason.THROTTLED, 1),
        (Unauthorized("x"), State.WAITING, Reason.UNAUTHORIZED, 1),
        (Transient("x"), State.RETRYING, Reason.TRANSIENT, 2),
        (Uncertain("x"), State.UNCERTAIN, Reason.ANSWER_LOST, 2),
        (Rejected("x"), State.HELD, Reason.REJECTED, 2),
        (Missing("x"), State.HELD, Reason.VANISHED, 2),
        (Unreadable("x"), State.RETRYING, Reason.UNREADABLE, 2),
        (ConnectorError("x"), State.HELD, Reason.REJECTED, 2),
        (KeyError("x"), State.HELD, Reason.INTERNAL, 2),
    ],
)
def test_each_error_has_its_fate(error: Exception, state: State, reason: Reason, attempts: int) -> None:
    """Waiting for a vendor is not an attempt; everything else is."""
    fate = after_error(error, 1, POLICY, jitter=0.5)
    assert (fate.state, fate.reason, fate.attempt) == (state, reason, attempts)


def test_what_stays_unreadable_is_held() -> None:
    """A page of maintenance passes; rubbish that stays is for a person."""
    fate = after_error(Unreadable("x"), 3, RetryPolicy(), jitter=0.5)
    assert (fate.state, fate.reason) == (State.HELD, Reason.UNREADABLE)


@pytest.mark.parametrize("error", [Transient("x"), Uncertain("x")])
def test_retries_end(error: Exception) -> None:
    """After the last attempt of its own the record is held, and says so."""
    fate = after_error(error, 2, POLICY, jitter=0.5)
    assert (fate.state, fate.reason) == (State.HELD, Reason.ATTEMPTS_EXHAUSTED)


@pytest.mark.parametrize(
    ("error", "state"),
    [(Transient("x"), State.WAITING), (Unreadable("x"), State.WAITING), (Uncertain("x"), State.UNCERTAIN)],
)
def test_what_fails_for_others_too_is_no_attempt(error: Exception, state: State) -> None:
    """However often: the record waits at the pace of the connection, and is held by nobody's impatience."""
    fate = after_error(error, 99, POLICY, jitter=0.5, own=False, pace=32)
    assert (fate.state, fate.attempt, fate.delay) == (state, 99, timedelta(seconds=32.5))


def test_the_vendors_own_delay_is_kept() -> None:
    """Try again in 55 seconds means 55 seconds, and a little."""
    fate = after_error(Throttled("x", retry_after=55), 0, POLICY, jitter=0.25)
    assert fate.delay == timedelta(seconds=55.25)


def test_back_off_doubles_up_to_its_cap() -> None:
    """Patience grows, but never beyond an hour and a half."""
    policy = RetryPolicy()
    delays = [back_off(attempt, policy, 0.5).total_seconds() for attempt in range(1, 13)]
    assert delays[:4] == [5, 10, 20, 40]
    assert delays[-1] == policy.longest_delay


def test_every_state_can_be_left_and_reached() -> None:
    """No record can be stuck where nothing leads out."""
    assert set(TRANSITIONS) == set(State)
    reached = {after for following in TRANSITIONS.values() for after in following}
    assert reached == set(State)
    assert all(TRANSITIONS.values())
    assert State.DONE not in OPEN_STATES
    assert all(may_follow(state, State.RUNNING) for state in CLAIMABLE_STATES)
    assert not may_follow(State.HELD, State.RUNNING)
    assert Outcome.HELD.value == "held"
