"""The accidents that a product of this kind had in four years of fixes, each with the test that would have caught it here."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connectors.port import Transient
from daemon.state.owner import AlreadyRunning, claim_ownership
from tests.flow.shop import BUSINESS, PERSON, Shop, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from connectors.model import Product

D = Decimal


def rows(running: Shop, reference: str) -> list[dict[str, Any]]:
    """The rows of the document with this reference, as the books have them."""
    found: list[dict[str, Any]] = next(
        invoice["Rows"] for invoice in running.books.books.invoices.rows.values() if invoice["YourReference"] == reference
    )
    return found


async def test_orders_without_identifier_create_many_customers(tmp_path: Path) -> None:
    """A hundred anonymous receipts: no new customer."""
    running = open_shop(tmp_path, world(*[receipt(f"R{n}", line("BOEK-1", "1", "12.50", "9"), minute=n) for n in range(100)]))
    async with running.process() as bridge:
        await bridge.settle("sales")
        assert bridge.counts("customers") == {}
    assert len(running.books.books.customers.rows) == 1
    assert len(running.books.ledger().documents) == 100


async def test_zero_value_orders(tmp_path: Path) -> None:
    """A receipt of nothing is booked, or skipped with its reason, as the setting says."""
    running = open_shop(tmp_path, world(receipt("R1", line(price="0"))))
    async with running.process() as bridge:
        await bridge.settle("sales")
        assert bridge.counts("sales") == {"created": 1}
    (tmp_path / "skip").mkdir()
    skipping = open_shop(tmp_path / "skip", world(receipt("R1", line(price="0"))), booking='zero_receipts = "skip"')
    async with skipping.process() as bridge:
        await bridge.settle("sales")
        [work] = await bridge.store.find_work("R1")
        assert (work.outcome, work.reason) == ("skipped", "zero_total")


async def test_free_shipping_row_got_an_account(tmp_path: Path) -> None:
    """Shipping for nothing makes no row."""
    running = open_shop(tmp_path, world(receipt("R1", line(), line("", "1", "0.00", kind="shipping"))))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert [row["ArticleNumber"] for row in rows(running, "KB-R1")] == ["KAARS-1"]


async def test_cron_jobs_registered_twice(tmp_path: Path) -> None:
    """Two processes cannot work on one state."""
    running = open_shop(tmp_path, world())
    async with claim_ownership(tmp_path / "state", clock=running.clock):
        with pytest.raises(AlreadyRunning, match="stop it first"):
            async with claim_ownership(tmp_path / "state", clock=running.clock):
                pass


async def test_article_lookups_handled_wrong_when_the_api_is_down(tmp_path: Path) -> None:
    """A failure is never read as "does not exist": the receipt waits, and settles when the books answer again."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    async with running.process() as bridge:
        books = bridge.pair.context.books
        real, failures = books.find_products, [1, 2]

        async def down(skus: Iterable[str], *, within: float | None = None) -> Sequence[Product]:
            if failures:
                failures.pop()
                message = "answered 503"
                raise Transient(message, code="503")
            return await real(skus, within=within)

        async def nothing_at_hand(*_: object, **__: object) -> object:
            message = "answered 503"
            raise Transient(message, code="503")

        changes = books.read_changes
        books.find_products = down  # type: ignore[method-assign]  # the vendor fails for a while
        books.read_changes = nothing_at_hand  # type: ignore[method-assign, assignment]  # as above
        await bridge.runner.run("sales")
        [work] = await bridge.store.find_work("R1")
        assert (work.state, work.reason) == ("retrying", "transient")
        books.read_changes = changes  # type: ignore[method-assign]  # it is back
        await bridge.settle("sales")
    assert running.references() == ["KB-R1"]


async def test_several_gift_cards_merged_into_one_row(tmp_path: Path) -> None:
    """Two gift cards, two rows."""
    cards = [line(f"gift_{n}", "1", "25.00", "0", "voucher") for n in range(2)]
    running = open_shop(tmp_path, world(receipt("R1", *cards)))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert len(rows(running, "KB-R1")) == 2


async def test_partial_credit_failed_when_it_included_the_shipping_row(tmp_path: Path) -> None:
    """A part of the goods and the shipping go back together."""
    sold = receipt("R1", line(quantity="3"), line("", "1", "5.95", kind="shipping"))
    back = receipt("C1", line(quantity="-1"), line("", "-1", "5.95", kind="shipping"), minute=9)
    running = open_shop(tmp_path, world(sold, back))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert [document.gross for document in running.books.ledger().documents] == [D("20.80"), D("-10.90")]


async def test_more_than_one_credit_per_order(tmp_path: Path) -> None:
    """Two refunds, two credits, and their sum is what went back."""
    back = [receipt(f"C{n}", line(quantity="-1"), minute=9 + n) for n in range(2)]
    running = open_shop(tmp_path, world(receipt("R1", line(quantity="3")), *back))
    async with running.process() as bridge:
        await bridge.settle("sales")
    credited = [document.gross for document in running.books.ledger().documents if document.is_credit]
    assert (len(credited), sum(credited, D(0))) == (2, D("-9.90"))


async def test_credit_note_dated_as_the_original(tmp_path: Path) -> None:
    """The credit has the date of the refund, a day later."""
    sold = receipt("R1", line(), minute=-1440)
    running = open_shop(tmp_path, world(sold, receipt("C1", line(quantity="-1"))))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert {d.reference: d.dated[:10] for d in running.books.ledger().documents} == {"KB-R1": "2026-03-15", "KB-C1": "2026-03-16"}


async def test_shipping_rounded_when_the_shop_shows_no_decimals(tmp_path: Path) -> None:
    """Cents of the shipping stay cents."""
    running = open_shop(tmp_path, world(receipt("R1", line(), line("", "1", "6.37", kind="shipping"))))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert running.books.ledger().gross == D("11.32")


async def test_description_of_more_than_fifty_characters_failed_the_update(tmp_path: Path) -> None:
    """A name that is too long for the books is cut, and the customer is written."""
    long = replace(PERSON, name="Jan " * 20)
    running = open_shop(tmp_path, replace(world(receipt("R1", line(), customer="p")), customers=(long, BUSINESS)))
    async with running.process() as bridge:
        await bridge.settle("sales")
        assert await bridge.held() == {}
    names = [row["Name"] for row in running.books.books.customers.rows.values() if row["EmailAddress"] == PERSON.email]
    assert [len(name) <= 50 for name in names] == [True]


async def test_empty_address_field_filled_from_the_old_customer_card(tmp_path: Path) -> None:
    """What the till leaves empty is not taken from somebody else's card."""
    bare = replace(PERSON, phone=None)
    both = world(receipt("R1", line(), customer="b"), receipt("R2", line(), customer="p", minute=1))
    running = open_shop(tmp_path, replace(both, customers=(bare, BUSINESS)))
    async with running.process() as bridge:
        await bridge.settle("sales")
    phones = {row["EmailAddress"]: row["Telephone"] for row in running.books.books.customers.rows.values()}
    assert phones[BUSINESS.email] == BUSINESS.phone
    assert not phones[PERSON.email]


async def test_stock_changed_in_the_books_when_a_line_was_removed_in_the_shop(tmp_path: Path) -> None:
    """Only receipts move the books' stock: a product edited in the till moves nothing."""
    running = open_shop(tmp_path, world())
    async with running.process() as bridge:
        await bridge.settle()
        product = next(one for one in running.till.till.products.values() if one.number == "KAARS-1")
        product.values["stock"] = 3
        product.shown.clear()
        await bridge.settle()
    assert running.books.ledger().stock["KAARS-1"] == 50
    assert running.till.ledger().stock["KAARS-1"] == 50


async def test_bulk_sync_in_reversed_order(tmp_path: Path) -> None:
    """Documents are numbered in the order in which the receipts were rung up."""
    running = open_shop(tmp_path, world(*[receipt(f"R{n:02}", line("BOEK-1", "1", "12.50", "9"), minute=n) for n in range(30)]))
    running.settings = running.settings.model_copy(update={"daemon": running.settings.daemon.model_copy(update={"workers": 1})})
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert running.references() == [f"KB-R{n:02}" for n in range(30)]


async def test_payment_created_but_not_booked_counted_as_paid(tmp_path: Path) -> None:
    """What is paid is what the books say remains, not what was sent."""
    running = open_shop(tmp_path, world(receipt("R1", line())))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert [document.remaining for document in running.books.ledger().documents] == [D(0)]


async def test_invoice_with_a_payment_mapped_to_the_wrong_order(tmp_path: Path) -> None:
    """Two receipts of the same amount on the same day: each has its own document and its own payment, matched by number only."""
    running = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), minute=1, paymethod="cash", rounding=D("0.00"))))
    async with running.process() as bridge:
        await bridge.settle("sales")
    assert running.books.ledger().payments == {"Pin": D("4.95"), "Kas": D("4.95")}
    assert sorted(str(reference) for reference in running.references()) == ["KB-R1", "KB-R2"]
