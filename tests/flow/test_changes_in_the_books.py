"""People change the books while receipts come in: what is booked is right by what the books say now, or waits by name."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.eaccounting import BooksSwitches
from connectors.sandbox.outages import Outage
from daemon.core.ids import PairId
from daemon.text import ENGLISH
from tests.flow.judge import disagreements
from tests.flow.shop import PERSON, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from connectors.model import Document, DocumentDraft
    from tests.flow.shop import Shop

D = Decimal


def ring_up(shop: Shop, number: str, *lines: object, customer: str | None = None, **more: object) -> None:
    """Sell something now."""
    made = receipt(number, *(lines or (line(),)), customer=customer, **more)  # type: ignore[arg-type]
    shop.till.cashier.ring_up(made)


def article(shop: Shop, number: str) -> dict[str, object]:
    """An article as the books have it."""
    return next(row for row in shop.books.books.tables["articles"].rows.values() if row["Number"] == number)


async def test_a_vat_rate_changed_in_the_books_holds_what_the_till_charged_otherwise(tmp_path: Path) -> None:
    """The coding of an article goes from 9 to 21 %: receipts at 9 % are not booked at 21, not even by a cent of VAT."""
    shop = open_shop(tmp_path, world(receipt("R1", line("THEE-1", price="3.79", rate="9"))))
    async with shop.process() as bridge:
        await bridge.settle()
        shop.books.bookkeeper.move_article("THEE-1", article(shop, "KAARS-1")["CodingName"], keep="gross")  # type: ignore[arg-type]
        await bridge.shared.clock.sleep(2)
        ring_up(shop, "R2", line("THEE-1", price="3.79", rate="9"))
        await bridge.settle("sales")
        held = await bridge.held()
        assert held == {"R2": "vat_differs"}
        # the way out: the till is corrected, and the receipt is sent again
        shop.till.cashier.change_row("R2", vat_rate=D(21))
        await bridge.store.resend(bridge.pair.context.pair_id, "R2")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_rate_changed_in_the_books_holds_what_the_till_charged_otherwise(tmp_path: Path) -> None:
    """The coding itself goes from 9 to 21 %, and no article changes by that."""
    shop = open_shop(tmp_path, world(receipt("R1", line("THEE-1", price="3.79", rate="9"))))
    async with shop.process() as bridge:
        await bridge.settle()
        shop.books.bookkeeper.set_coding_rate(str(article(shop, "THEE-1")["CodingName"]), D(21))
        await bridge.shared.clock.sleep(2)
        ring_up(shop, "R2", line("THEE-1", price="3.79", rate="9"))
        await bridge.settle("sales")
        assert await bridge.held() == {"R2": "vat_differs"}
        assert len(shop.books.documents()) == 1


async def test_a_rate_changed_while_a_receipt_is_booked_is_found_before_it_is_paid(tmp_path: Path) -> None:
    """Between reading and writing the rate changed: what the books answer is compared by rate, and asked about with a way back."""
    shop = open_shop(tmp_path, world(receipt("R1", line("THEE-1", price="3.79", rate="9"))))
    async with shop.process() as bridge:
        await bridge.settle()
        coding = str(article(shop, "THEE-1")["CodingName"])
        books = bridge.pair.context.books
        book = books.book

        async def meanwhile(draft: DocumentDraft) -> Document:
            shop.books.bookkeeper.set_coding_rate(coding, D(21))
            return await book(draft)

        books.book = meanwhile  # type: ignore[method-assign]
        ring_up(shop, "R2", line("THEE-1", price="3.79", rate="9"))
        await bridge.settle("sales")
        books.book = book  # type: ignore[method-assign]
        assert await bridge.held() == {"R2": "changed_after_booking"}
        [question] = await bridge.store.questions()
        shop.books.bookkeeper.set_coding_rate(coding, D(9))
        await bridge.shared.clock.sleep(2)
        await bridge.store.answer(question.pair, question.key, "correct")
        await bridge.settle("sales")
        # the rows of a credit carry no rate: with the rate put right it would not take back what was booked
        assert await bridge.held() == {"R2": "vat_differs"}
        shop.books.bookkeeper.credit("KB-R2")
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


CUSTOMERS: dict[str, Callable[[Shop, str], None]] = {
    "becomes a business": lambda shop, number: shop.books.bookkeeper.change_customer(number, IsPrivatePerson=False),
    "is renamed": lambda shop, number: shop.books.bookkeeper.change_customer(number, Name="Jan J. Jansen"),
    "gets another address": lambda shop, number: shop.books.bookkeeper.change_customer(number, EmailAddress="jan@elsewhere.example"),
    "becomes inactive": lambda shop, number: shop.books.bookkeeper.change_customer(number, IsActive=False),
    "is merged": lambda shop, number: shop.books.bookkeeper.merge_customers(number, "1000"),
}


@pytest.mark.parametrize("what", CUSTOMERS)
async def test_a_receipt_of_a_debtor_who_changed_comes_to_what_was_paid(what: str, tmp_path: Path) -> None:
    """The debtor is taken as the books have him now: neither his prices nor his being there is remembered."""
    shop = open_shop(tmp_path, world(receipt("R1", line(), customer="p")))
    async with shop.process() as bridge:
        await bridge.settle()
        number = shop.books.documents()[0].customer_number
        CUSTOMERS[what](shop, number)
        ring_up(shop, "R2", customer="p")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_debtor_deleted_in_the_books_is_created_anew(tmp_path: Path) -> None:
    """The id that was remembered is dead; the next receipt makes a new debtor, once."""
    shop = open_shop(tmp_path, world(receipt("R1", line(), customer="p")))
    async with shop.process() as bridge:
        await bridge.settle()
        document = shop.books.documents()[0]
        shop.till.cashier.delete("R1")
        shop.books.bookkeeper.delete("KB-R1", with_payments=True)
        shop.books.bookkeeper.delete_customer(document.customer_number)
        ring_up(shop, "R2", customer="p")
        ring_up(shop, "R3", customer="p", minute=1)
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []
    assert len({one.customer_number for one in shop.books.documents() if not one.deleted}) == 1


async def test_a_debtor_outside_the_eu_keeps_the_vat_that_was_charged(tmp_path: Path) -> None:
    """A tourist in the shop paid VAT; the bookkeeper's card does not say that it is kept, and the document comes to what was paid."""
    shop = open_shop(tmp_path, world(receipt("R1", line(), customer="p")))
    async with shop.process() as bridge:
        await bridge.settle()
        number = shop.books.documents()[0].customer_number
        shop.books.bookkeeper.change_customer(number, InvoiceCountryCode="US", ForceBookkeepVat=False)
        shop.till.cashier.ring_up(receipt("R2", line(), customer="p"))
        shop.till.cashier.change_customer("R2", country="US")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_the_default_debtor_may_change_too(tmp_path: Path) -> None:
    """He is read like any other, and not remembered for the life of the process."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await bridge.settle()
        shop.books.bookkeeper.change_customer("1000", IsPrivatePerson=False)
        ring_up(shop, "R2")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_document_deleted_in_the_books_is_asked_about_when_its_receipt_changes(tmp_path: Path) -> None:
    """Somebody deleted it: it is neither credited nor booked again unasked."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await bridge.settle()
        shop.books.bookkeeper.delete("KB-R1", with_payments=True)
        shop.till.cashier.change_row("R1", price=D("3.95"))
        await bridge.pair.sales.sweep()
        await bridge.settle("sales")
        assert await bridge.held() == {"R1": "document_gone"}
        [question] = await bridge.store.questions()
        assert "4.95" in ENGLISH(question.text)
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_credit_made_by_hand_is_not_made_again(tmp_path: Path) -> None:
    """The bookkeeper took the document back before the cashier cancelled the receipt: the books show it, and nothing is credited twice."""
    shop = open_shop(tmp_path, world())
    async with shop.process() as bridge:
        shop.till.cashier.ring_up(receipt("R1", line()), paid=False)
        await bridge.settle()
        shop.books.bookkeeper.credit("KB-R1")
        shop.till.cashier.cancel("R1")
        await bridge.pair.sales.sweep()
        await bridge.settle("sales")
        assert await bridge.held() == {"R1": "document_gone"}
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert sum(one.gross for one in shop.books.documents() if not one.deleted) == 0


async def test_a_paid_document_credited_by_hand_is_not_credited_again(tmp_path: Path) -> None:
    """The books say themselves that somebody took it back: the correction is asked about, and booked once the person says so."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await bridge.settle()
        shop.books.bookkeeper.pay(shop.books.bookkeeper.credit("KB-R1"), account="Pin")
        shop.till.cashier.change_row("R1", price=D("3.95"))
        await bridge.pair.sales.sweep()
        await bridge.settle("sales")
        assert await bridge.held() == {"R1": "document_gone"}
        [question] = await bridge.store.questions()
        assert question.choices == ("rebook", "keep")
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_receipt_whose_document_was_deleted_is_asked_about_when_it_is_sent_again(tmp_path: Path) -> None:
    """The receipt is as it was booked, but the books have it no longer: that is not ``unchanged``."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await bridge.settle()
        shop.books.bookkeeper.delete("KB-R1", with_payments=True)
        await bridge.store.resend(PairId("shop/till"), "R1")
        await bridge.settle("sales")
        assert await bridge.held() == {"R1": "document_gone"}
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_document_deleted_before_it_was_paid_is_asked_about(tmp_path: Path) -> None:
    """Booked, its payment waits for the vendor, and the bookkeeper deletes it meanwhile: a person says what becomes of the receipt."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        shop.books.outages.begin(Outage(kind="refuse", path="/v2/customerinvoices/*/payments"))
        await bridge.runner.run("sales")
        shop.books.outages.lift()
        shop.books.bookkeeper.delete("KB-R1")
        await bridge.settle("sales")
        assert await bridge.held() == {"R1": "document_gone"}
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "rebook")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_terms_that_settle_a_document_by_themselves_are_noticed(tmp_path: Path) -> None:
    """With cash terms nothing remains of an invoice that nobody paid: it is held with its number, and no payment is registered on top."""
    shop = open_shop(tmp_path, world(receipt("R1", line())), books=BooksSwitches(cash_terms="settled"))
    async with shop.process() as bridge:
        shop.books.bookkeeper.change_customer("1000", TermsOfPaymentId=_cash_terms(shop))
        await bridge.settle()
        assert await bridge.held() == {"R1": "settled_by_terms"}
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "keep")
        await bridge.settle()
        assert await bridge.held() == {}
    assert [one.gross for one in shop.books.documents()] == [D("4.95")]


async def test_a_new_debtor_pays_by_invoice(tmp_path: Path) -> None:
    """New debtors get normal terms, so that nothing settles by itself."""
    shop = open_shop(tmp_path, world(receipt("R1", line(), customer="p")), books=BooksSwitches(cash_terms="settled"))
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    assert disagreements(shop) == []


def _cash_terms(shop: Shop) -> str:
    rows = shop.books.books.tables["termsofpayments"].rows.values()
    return next(str(row["Id"]) for row in rows if row["TermsOfPaymentTypeId"] == 2)


@pytest.mark.parametrize("sign", ["signed", "absolute"])
async def test_a_refund_is_paid_back_whatever_sign_the_vendor_wants(sign: str, tmp_path: Path) -> None:
    """The payment on a credit is negative for one vendor's reading and positive for the other; the client finds out."""
    shop = open_shop(
        tmp_path,
        world(receipt("R1", line(quantity="3")), receipt("C2", line(quantity="-1"), minute=5)),
        books=BooksSwitches(payment_sign=sign),  # type: ignore[arg-type]
    )
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    assert disagreements(shop) == []


async def test_a_period_locked_in_the_middle_is_one_question(tmp_path: Path) -> None:
    """Every receipt of the locked days waits for one answer; ``first_open_day`` books them on the first day that is open."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        await bridge.settle()
        for number in ("R2", "R3", "R4"):
            ring_up(shop, number)
        await bridge.shared.clock.sleep(timedelta(days=1).total_seconds())
        shop.books.bookkeeper.lock(date(2026, 3, 16))
        await bridge.settle("sales")
        assert set((await bridge.held()).values()) == {"period_locked"}
        [question] = await bridge.store.questions()
        assert question.choices == ("first_open_day", "wait")
        await bridge.store.answer(question.pair, question.key, "first_open_day")
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []
    assert {one.dated[:10] for one in shop.books.documents()[1:]} == {"2026-03-17"}


async def test_a_locked_period_can_be_waited_for(tmp_path: Path) -> None:
    """``wait`` books them on their own day, by itself, once the bookkeeper opens it again."""
    shop = open_shop(tmp_path, world(receipt("R1", line())))
    async with shop.process() as bridge:
        shop.books.bookkeeper.lock(date(2026, 3, 17))
        await bridge.settle("sales")
        [question] = await bridge.store.questions()
        await bridge.store.answer(question.pair, question.key, "wait")
        await bridge.runner.run("sales")
        shop.books.bookkeeper.lock(None)
        await bridge.shared.clock.sleep(timedelta(hours=2).total_seconds())
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert disagreements(shop) == []
    assert PERSON.email
