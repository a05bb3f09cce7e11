"""What people and time do in the books: payments, credits, deletions, codings, articles, debtors, the lock, cash terms, signs."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from connectors.sandbox.eaccounting import Refusal
from tests.contract.books_support import TODAY, Shop, writable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from connectors.sandbox.eaccounting import DocumentState

D = Decimal
RECEIVABLES, CASH, CARD, VAT_HIGH, VAT_LOW, SALES_HIGH, SALES_LOW = 1300, 1000, 1101, 1520, 1521, 8000, 8001
VOUCHER = ((1000, "DebitAmount", 121), (8000, "CreditAmount", 100), (1520, "CreditAmount", 21))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


async def sale(shop: Shop, reference: str = "KB-1", **fields: Any) -> dict[str, Any]:
    """Book two cakestands and a book for somebody: 35.49."""
    rows = [await shop.row("22423", 2, 12.75), await shop.row("BOOK", 1, 9.99)]
    return await shop.invoice(*rows, YourReference=reference, **fields)


async def balances(shop: Shop) -> dict[int, Decimal]:
    """Return what is on each account, where there is anything."""
    rows = (await shop.get(f"/accountbalances/{TODAY}", S_pagesize=1000))["Data"]
    return {row["AccountNumber"]: row["Balance"] for row in rows if row["Balance"]}


async def again(shop: Shop, document: dict[str, Any]) -> dict[str, Any]:
    """Read an invoice anew."""
    return dict(await shop.get(f"/customerinvoices/{document['Id']}"))


async def signed_in_again(shop: Shop) -> None:
    """Get a new access token after the old one's hour."""
    answer = await shop.refresh(shop.sandbox.refresh_token)
    shop.client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"


def states(shop: Shop) -> dict[int, DocumentState]:
    """Return invoices and credits as the judge sees them, by number."""
    return {one.number: one for one in shop.sandbox.documents() if one.kind in ("invoice", "credit")}


def refused(code: int, work: Callable[[], object]) -> None:
    """Do what the vendor refuses with a code."""
    with pytest.raises(Refusal) as caught:
        work()
    assert caught.value.code == code


# payments


async def test_a_payment_by_hand_is_one_like_any_other(shop: Shop) -> None:
    """It lowers what remains, sets the date, and stands on its account; the rest of it follows by itself when no amount is given."""
    booked = await sale(shop)
    keeper = shop.sandbox.bookkeeper
    keeper.pay("KB-1", D("10.00"), "Kas", paid_on=date(2026, 3, 15))
    shown = await again(shop, booked)
    assert (shown["RemainingAmount"], shown["PaymentDate"], shown["PaymentStatus"]) == (D("25.49"), "2026-03-15", 1)
    assert shown["ModifiedUtc"] == booked["ModifiedUtc"]  # the clock stands still here
    shop.clock.forward(seconds=1)
    keeper.pay(booked["InvoiceNumber"], account="Pin", fees=D("0.49"))
    shown = await again(shop, booked)
    assert (shown["RemainingAmount"], shown["PaymentStatus"]) == (0, 0)
    assert shown["ModifiedUtc"] > booked["ModifiedUtc"]
    found = await balances(shop)
    assert (found[CASH], found[CARD]) == (D(10), D(25))
    assert RECEIVABLES not in found
    [state] = states(shop).values()
    assert (state.payments, state.paid_by, state.remaining) == ({"Kas": D("10.00"), "Pin": D("25.00")}, ("hand",), D(0))


async def test_money_on_a_credit_goes_out(shop: Shop) -> None:
    """By hand it is the money that leaves: below zero."""
    credit = await shop.invoice(await shop.row("BOOK", -1, 9.99), IsCreditInvoice=True)
    shop.sandbox.bookkeeper.pay(credit["InvoiceNumber"], account="Kas")
    assert (await again(shop, credit))["RemainingAmount"] == 0
    assert (await balances(shop))[CASH] == D("-9.99")


async def test_payments_that_cannot_be(shop: Shop) -> None:
    """More than remains, tomorrow, in a locked month, on no account, on no invoice: refused, and nothing is booked."""
    await sale(shop)
    keeper = shop.sandbox.bookkeeper
    for code, work in (
        (2000, lambda: keeper.pay("KB-1", D(36))),
        (2000, lambda: keeper.pay("KB-1", D("-1"))),
        (2000, lambda: keeper.pay("KB-1", D("0.001"))),
        (4023, lambda: keeper.pay("KB-1", paid_on=date(2026, 3, 17))),
        (3001, lambda: keeper.pay("KB-1", paid_on=date(1999, 1, 1))),
        (3000, lambda: keeper.pay("KB-1", account="Sok")),
        (3000, lambda: keeper.pay(99)),
    ):
        refused(code, work)
    assert shop.sandbox.ledger().payments == {}


@pytest.mark.parametrize(
    ("reading", "amount", "taken"),
    [
        ("signed", -9.99, True), ("signed", 9.99, False), ("absolute", 9.99, True), ("absolute", -9.99, False),
        ("either", 9.99, True), ("either", -9.99, True),
    ],
)  # fmt: skip
async def test_the_sign_of_a_payment_on_a_credit(reading: str, amount: float, taken: bool) -> None:
    """Each reading takes what it takes; the money that left is the same, and an invoice is paid above zero in all of them."""
    async with Shop.open(payment_sign=reading) as shop:
        credit = await shop.invoice(await shop.row("BOOK", -1, 9.99), IsCreditInvoice=True)
        path, body = await shop.payment(credit, amount, PaymentType=2)
        if taken:
            await shop.post(path, body)
        else:
            assert await shop.refused("POST", path, body) == (400, 2000, {"PaymentAmount"})
        assert (await again(shop, credit))["RemainingAmount"] == (0 if taken else D("-9.99"))
        assert (await balances(shop)).get(CASH) == (D("-9.99") if taken else None)
        invoice = await sale(shop)
        path, body = await shop.payment(invoice, -1)
        assert (await shop.refused("POST", path, body))[:2] == (400, 2000)
        path, body = await shop.payment(invoice, 1)
        await shop.post(path, body)


# cash terms


@pytest.mark.parametrize("reading", ["open", "settled"])
async def test_cash_terms(reading: str) -> None:
    """Booked open, or paid by themselves from the cash account as soon as they are booked; credits too; other terms never."""
    async with Shop.open(cash_terms=reading) as shop:
        cash = await sale(shop)  # the default debtor has cash terms
        other = await sale(shop, "KB-2", customer=await shop.customer())
        credit = await shop.invoice(await shop.row("BOOK", -1, 9.99), IsCreditInvoice=True)
        at_once = reading == "settled"
        assert (cash["RemainingAmount"], cash["PaymentStatus"], cash["PaymentDate"]) == (
            (0, 0, TODAY) if at_once else (D("35.49"), 1, None)
        )
        assert (other["RemainingAmount"], credit["RemainingAmount"]) == (D("41.75"), 0 if at_once else D("-9.99"))
        assert (await balances(shop)).get(CASH) == (D("25.50") if at_once else None)
        assert [one.paid_by for one in states(shop).values()] == ([("terms",), (), ("terms",)] if at_once else [(), (), ()])
        path, body = await shop.payment(cash, 35.49)
        assert (await shop.send("POST", path, body)).status_code == (400 if at_once else 201)


async def test_the_documents_own_terms_count() -> None:
    """A document with other terms than its customer's is settled or not by its own."""
    async with Shop.open(cash_terms="settled") as shop:
        later = await shop.one("termsofpayments", Name="30 dagen")
        assert (await sale(shop, TermsOfPaymentId=later["Id"]))["RemainingAmount"] == D("35.49")


# credits and documents taken away


async def test_a_credit_by_hand_takes_an_invoice_back(shop: Shop) -> None:
    """Both settle each other, know of each other, and the VAT, the accounts and the stock are as before the sale."""
    booked = await sale(shop)
    number = shop.sandbox.bookkeeper.credit("KB-1")
    invoice = await again(shop, booked)
    credit = await shop.one("customerinvoices", InvoiceNumber=number)
    assert (invoice["RemainingAmount"], invoice["PaymentStatus"], invoice["CreditedBy"]) == (0, 0, [{"CreditInvoiceId": credit["Id"]}])
    assert (credit["TotalAmount"], credit["RemainingAmount"], credit["IsCreditInvoice"]) == (D("-35.49"), 0, True)
    assert (credit["ReferringInvoiceId"], credit["YourReference"]) == (booked["Id"], "KB-1")
    assert await balances(shop) == {}
    assert (await shop.stock("22423"))[0] == 40
    found = states(shop)
    assert (found[1].credited_by, found[2].credits, found[1].set_off, found[2].set_off) == ((2,), 1, D("35.49"), D("-35.49"))
    assert found[2].vat == {D(21): (D("-21.07"), D("-4.43")), D(9): (D("-9.17"), D("-0.82"))}
    assert shop.sandbox.bookkeeper.document("KB-1")["Id"] == booked["Id"]  # the invoice, not its credit


async def test_a_part_goes_back_of_what_was_paid(shop: Shop) -> None:
    """One of two cakestands, without stock; nothing is open that it could settle, so the credit waits for its money."""
    booked = await sale(shop)
    keeper = shop.sandbox.bookkeeper
    keeper.pay("KB-1")
    number = keeper.credit("KB-1", quantities={1: D(1)}, restock=False, dated=date(2026, 3, 10))
    credit = await shop.one("customerinvoices", InvoiceNumber=number)
    assert (credit["TotalAmount"], credit["RemainingAmount"], credit["InvoiceDate"]) == (D("-12.75"), D("-12.75"), "2026-03-10")
    assert len(credit["Rows"]) == 1
    assert ((await again(shop, booked))["RemainingAmount"], (await shop.stock("22423"))[0]) == (0, 38)
    keeper.pay(number, account="Kas")
    assert (await balances(shop))[CASH] == D("-12.75")


async def test_a_credit_may_leave_both_open(shop: Shop) -> None:
    """Until somebody sets them off."""
    await sale(shop)
    shop.sandbox.bookkeeper.credit("KB-1", quantities={2: D(1)}, set_off=False)
    assert [one.remaining for one in states(shop).values()] == [D("35.49"), D("-9.99")]


async def test_a_partly_open_invoice_is_set_off_as_far_as_it_goes(shop: Shop) -> None:
    """What was paid already remains to be paid back."""
    await sale(shop)
    shop.sandbox.bookkeeper.pay("KB-1", D("30.00"))
    shop.sandbox.bookkeeper.credit("KB-1")
    assert [(one.remaining, one.set_off) for one in states(shop).values()] == [(0, D("5.49")), (D("-30.00"), D("-5.49"))]
    assert shop.sandbox.books.customers.find("CustomerNumber", "1000")[0]["UnpaidInvoicesAmount"] == -30


async def test_credits_that_cannot_be(shop: Shop) -> None:
    """More than was sold, of no row, of nothing, of a credit, in a locked month."""
    await sale(shop)
    keeper = shop.sandbox.bookkeeper
    for code, work in (
        (2000, lambda: keeper.credit("KB-1", quantities={1: D(3)})),
        (2000, lambda: keeper.credit("KB-1", quantities={7: D(1)})),
        (2000, lambda: keeper.credit("KB-1", quantities={})),
        (3001, lambda: keeper.credit("KB-1", dated=date(1999, 1, 1))),
    ):
        refused(code, work)
    assert len(states(shop)) == 1
    number = keeper.credit("KB-1")
    refused(4002, lambda: keeper.credit(number))


@pytest.mark.parametrize("copied", [True, False])
async def test_the_reference_of_a_credit_by_hand(copied: bool) -> None:
    """It carries that of its invoice, so that two documents have it; or none."""
    async with Shop.open(credit_copies_reference=copied) as shop:
        await sale(shop)
        shop.sandbox.bookkeeper.void("KB-1")
        found = (await shop.get("/customerinvoices", S_filter="YourReference eq 'KB-1'"))["Data"]
        assert len(found) == (2 if copied else 1)


async def test_void_by_hand_is_void(shop: Shop) -> None:
    """As over the API: only what nothing happened to, and the stock stays out unless it is asked back."""
    await sale(shop)
    keeper = shop.sandbox.bookkeeper
    assert keeper.void("KB-1") == 2
    assert [one.remaining for one in states(shop).values()] == [0, 0]
    assert (await shop.stock("22423"))[0] == 38
    await sale(shop, "KB-2")
    keeper.pay("KB-2", D(1))
    refused(4002, lambda: keeper.void("KB-2"))
    await sale(shop, "KB-3")
    keeper.void("KB-3", restock=True)
    assert (await shop.stock("22423"))[0] == 36


async def test_a_deleted_document_is_gone_with_its_voucher(shop: Shop) -> None:
    """404, in no list, not in the ledger; its number is not given again; the judge still sees what it was."""
    booked = await sale(shop)
    await shop.get("/customerledgeritems")
    shop.sandbox.bookkeeper.delete("KB-1")
    assert (await shop.refused("GET", f"/customerinvoices/{booked['Id']}"))[:2] == (404, 3000)
    for register in ("customerinvoices", "vouchers", "customerledgeritems"):
        assert (await shop.get(f"/{register}"))["Data"] == []
    assert (await balances(shop), (await shop.stock("22423"))[0]) == ({}, 40)
    assert (await sale(shop))["InvoiceNumber"] == 2
    assert [(one.number, one.deleted, one.gross) for one in shop.sandbox.documents()] == [(2, False, D("35.49")), (1, True, D("35.49"))]
    assert shop.sandbox.books.customers.find("CustomerNumber", "1000")[0]["UnpaidInvoicesAmount"] == D("35.49")


async def test_what_has_payments_or_credits_is_not_deleted_lightly(shop: Shop) -> None:
    """Refused; with its payments it goes, and the money is out of the books again."""
    await sale(shop)
    await sale(shop, "KB-2")
    keeper = shop.sandbox.bookkeeper
    keeper.pay("KB-1", account="Kas")
    number = keeper.credit("KB-2")
    for document in ("KB-1", "KB-2", number):
        refused(4001, lambda document=document: keeper.delete(document))  # type: ignore[misc]  # mypy knows no default in a lambda
    keeper.delete("KB-1", with_payments=True)
    assert CASH not in await balances(shop)
    assert shop.sandbox.ledger().payments == {}


async def test_a_deleted_draft_is_gone(shop: Shop) -> None:
    """By its reference or its Id."""
    for by in ("YourReference", "Id"):
        draft = await shop.post("/customerinvoicedrafts", await shop.draft_body(YourReference="KB-9"))
        shop.sandbox.bookkeeper.delete_draft(draft[by])
        assert (await shop.refused("GET", f"/customerinvoicedrafts/{draft['Id']}"))[:2] == (404, 3000)
    assert [(one.kind, one.reference, one.gross, one.deleted) for one in shop.sandbox.documents()] == [
        ("draft", "KB-9", D("15.30"), True),
    ] * 2  # fmt: skip
    refused(3000, lambda: shop.sandbox.bookkeeper.delete_draft("KB-9"))


# the judge's list


async def test_the_judge_sees_every_kind_of_document(shop: Shop) -> None:
    """Invoices, credits, drafts, orders, quotes and vouchers by hand, each with what the vendor's own records say."""
    await sale(shop)
    await shop.post("/customerinvoicedrafts", await shop.draft_body(YourReference="KB-2"))
    await shop.post("/orders", await shop.order_body(YourReference="KB-3", Status=2))
    rows = [
        {"AccountNumber": 1000, "DebitAmount": 121},
        {"AccountNumber": 8000, "CreditAmount": 100},
        {"AccountNumber": 1520, "CreditAmount": 21},
    ]
    await shop.post("/vouchers", {"VoucherDate": TODAY, "VoucherText": "KB-DAG", "Rows": rows})
    found = {one.reference: one for one in shop.sandbox.documents()}
    assert {one.kind for one in found.values()} == {"invoice", "draft", "order", "voucher"}
    assert (found["KB-1"].gross, found["KB-1"].remaining, found["KB-1"].dated) == (D("35.49"), D("35.49"), TODAY)
    assert found["KB-1"].vat == {D(21): (D("21.07"), D("4.43")), D(9): (D("9.17"), D("0.82"))}
    assert found["KB-1"].accounts == {
        RECEIVABLES: D("35.49"), VAT_HIGH: D("-4.43"), VAT_LOW: D("-0.82"), SALES_HIGH: D("-21.07"), SALES_LOW: D("-9.17"),
    }  # fmt: skip
    assert found["KB-2"].vat == {D(21): (D("12.64"), D("2.66"))}
    assert (found["KB-3"].gross, found["KB-3"].number) == (D("17.85"), 1)
    assert found["KB-DAG"].accounts == {1000: D(121), 8000: D(-100), 1520: D(-21)}
    json.dumps([one.as_json() for one in found.values()])


# codings


async def test_a_codings_rate_is_changed(shop: Shop) -> None:
    """New documents have the new rate, booked ones and their vouchers stay; the article's gross price follows, unseen by its ChangedUtc."""
    await sale(shop)
    before = await shop.article("BOOK")
    shop.clock.forward(minutes=30)
    shop.sandbox.bookkeeper.set_coding_rate("Goederen 9%", D(21))
    coding = await shop.one("articleaccountcodings", Name="Goederen 9%")
    assert (coding["VatRatePercent"], coding["ChangedUtc"] > before["ChangedUtc"]) == (D("0.21"), True)
    after = await shop.article("BOOK")
    assert (after["NetPrice"], after["GrossPrice"], after["ChangedUtc"]) == (before["NetPrice"], D("11.09"), before["ChangedUtc"])
    await shop.invoice(await shop.row("BOOK", 1, 9.99))
    assert [one.vat.get(D(9)) for one in states(shop).values()] == [(D("9.17"), D("0.82")), None]
    found = await balances(shop)
    assert (found[VAT_LOW], found[VAT_HIGH]) == (D("-0.82"), D("-4.43") - D("1.73"))


@pytest.mark.parametrize(
    ("switch", "value", "net", "gross", "touched"),
    [
        ("coding_rate_moves", "net", "8.2562", "9.99", False),
        ("coding_touches_article", True, "9.1651", "11.09", True),
    ],
)
async def test_the_other_readings_of_a_changed_rate(switch: str, value: Any, net: str, gross: str, touched: bool) -> None:
    """The gross price stays and the net one follows; or the articles show that something changed."""
    async with Shop.open(**{switch: value}) as shop:
        before = await shop.article("BOOK")
        shop.clock.forward(minutes=30)
        shop.sandbox.bookkeeper.set_coding_rate("Goederen 9%", D(21))
        after = await shop.article("BOOK")
        assert (after["NetPrice"], after["GrossPrice"]) == (D(net), D(gross))
        assert (after["ChangedUtc"] > before["ChangedUtc"]) is touched


@pytest.mark.parametrize(("reading", "rate"), [("today", 21), ("document", 9)])
async def test_a_rate_that_the_law_changes_holds_from_its_day(reading: str, rate: int) -> None:
    """The register answers for any day; a document of an earlier day is charged at today's rate or at that day's."""
    async with Shop.open(coding_rate_of=reading) as shop:
        shop.sandbox.bookkeeper.set_coding_rate("Goederen 9%", D(21), valid_from=date(2026, 3, 18))
        assert (await shop.one("articleaccountcodings", Name="Goederen 9%"))["VatRatePercent"] == D("0.09")
        for day, expected in (("2026-03-17", "0.09"), ("2026-03-18", "0.21")):
            rows = (await shop.get("/articleaccountcodings", vatRateDate=day))["Data"]
            [coding] = [row for row in rows if row["Name"] == "Goederen 9%"]
            assert coding["VatRatePercent"] == D(expected)
            one = await shop.get(f"/articleaccountcodings/{coding['Id']}", vatRateDate=day)
            assert one["VatRatePercent"] == D(expected)
        shop.clock.forward(days=2)
        await signed_in_again(shop)
        assert (await shop.one("articleaccountcodings", Name="Goederen 9%"))["VatRatePercent"] == D("0.21")
        await shop.invoice(await shop.row("BOOK", 1, 9.99), InvoiceDate="2026-03-17")
        assert list(states(shop)[1].vat) == [D(rate)]


async def test_a_rate_that_the_company_does_not_have(shop: Shop) -> None:
    """There is no VAT code of twelve percent, and no such coding."""
    refused(2000, lambda: shop.sandbox.bookkeeper.set_coding_rate("Goederen 9%", D(12)))
    refused(3000, lambda: shop.sandbox.bookkeeper.set_coding_rate("Goederen 12%", D(21)))


async def test_a_credit_has_the_rate_of_its_invoice(shop: Shop) -> None:
    """Also when the coding's rate, or the article's coding, has changed in between."""
    await sale(shop)
    keeper = shop.sandbox.bookkeeper
    keeper.set_coding_rate("Goederen 9%", D(21))
    keeper.move_article("22423", "Diensten 9%")
    keeper.credit("KB-1")
    assert states(shop)[2].vat == {D(21): (D("-21.07"), D("-4.43")), D(9): (D("-9.17"), D("-0.82"))}
    assert [one.remaining for one in states(shop).values()] == [0, 0]


# articles


@pytest.mark.parametrize(("keep", "net", "gross"), [("net", "9.1651", "11.09"), ("gross", "8.26", "9.99")])
async def test_an_article_is_moved_to_another_coding(shop: Shop, keep: Any, net: str, gross: str) -> None:
    """One of its prices stays, its ChangedUtc moves, and what was booked before stays on its accounts."""
    await shop.invoice(await shop.row("BOOK", 1, 9.99))
    before = await shop.article("BOOK")
    shop.clock.forward(seconds=1)
    shop.sandbox.bookkeeper.move_article("BOOK", "Goederen 21%", keep=keep)
    after = await shop.article("BOOK")
    assert (after["NetPrice"], after["GrossPrice"], after["CodingName"]) == (D(net), D(gross), "Goederen 21%")
    assert after["ChangedUtc"] > before["ChangedUtc"]
    await shop.invoice(await shop.row("BOOK", 1, 9.99))
    found = await balances(shop)
    assert (found[SALES_LOW], found[SALES_HIGH]) == (D("-9.17"), D("-8.26"))


async def test_an_article_moved_over_the_api_leaves_the_ledger_alone(shop: Shop) -> None:
    """What is booked was booked with the coding of then, although nobody had looked at the ledger yet."""
    await shop.invoice(await shop.row("BOOK", 1, 9.99))
    article = await shop.article("BOOK")
    coding = await shop.one("articleaccountcodings", Name="Goederen 21%")
    body = {**writable("ArticleApi", article), "CodingId": coding["Id"], "NetPrice": 10, "GrossPrice": 12.1, "NetPriceWithDiscount": 10}
    await shop.put(f"/articles/{article['Id']}", body)
    assert (await balances(shop))[SALES_LOW] == D("-9.17")


async def test_an_article_is_renumbered_and_deactivated(shop: Shop) -> None:
    """Found by the new number alone, which must be free; inactive it is still listed, and still sold."""
    keeper = shop.sandbox.bookkeeper
    key = (await shop.article("BOOK"))["Id"]
    keeper.renumber_article("BOOK", "BOEK-2")
    assert (await shop.article("BOEK-2"))["Id"] == key
    assert (await shop.get("/articles", S_filter="Number eq 'BOOK'"))["Data"] == []
    refused(4000, lambda: keeper.renumber_article("BOEK-2", "22423"))
    keeper.deactivate_article("BOEK-2")
    assert (await shop.article("BOEK-2"))["IsActive"] is False
    await shop.invoice(await shop.row("BOEK-2", 1, 9.99))
    keeper.deactivate_article("BOEK-2", active=True)
    keeper.change_article("BOEK-2", Name="Kookboek", GrossPrice=D("10.99"))
    shown = await shop.article("BOEK-2")
    assert (shown["IsActive"], shown["Name"], shown["NetPrice"]) == (True, "Kookboek", D("10.08"))


async def test_inactive_articles_and_customers_may_be_refused() -> None:
    """The other reading of what inactive means."""
    async with Shop.open(inactive_records="refused") as shop:
        shop.sandbox.bookkeeper.deactivate_article("BOOK")
        body = await shop.invoice_body(await shop.row("BOOK", 1, 9.99))
        assert await shop.refused("POST", "/customerinvoices", body) == (400, 2000, {"Rows[0].ArticleId"})
        shop.sandbox.bookkeeper.change_customer("1000", IsActive=False)
        body = await shop.invoice_body(await shop.row("22423", 1, 1))
        assert await shop.refused("POST", "/customerinvoices", body) == (400, 2000, {"CustomerId"})


@pytest.mark.parametrize("reading", ["unused", "any"])
async def test_an_article_is_deleted(reading: str) -> None:
    """One that was never sold; or any, and then what was booked with it still stands and can be credited."""
    async with Shop.open(article_deletion=reading) as shop:
        keeper = shop.sandbox.bookkeeper
        keeper.delete_article("AMAZONFEE")
        assert (await shop.get("/articles", S_filter="Number eq 'AMAZONFEE'"))["Data"] == []
        await sale(shop)
        if reading == "unused":
            refused(4001, lambda: keeper.delete_article("BOOK"))
            return
        keeper.delete_article("BOOK")
        assert (await balances(shop))[SALES_LOW] == D("-9.17")
        keeper.credit("KB-1")
        assert await balances(shop) == {}


# debtors


async def test_a_private_debtor_becomes_a_business(shop: Shop) -> None:
    """Renamed too: new documents have net prices and the new name, old ones stay as they were."""
    person = await shop.customer(IsPrivatePerson=True, Name="Jan Jansen", CustomerNumber="77")
    old = await sale(shop, customer=person)
    shop.clock.forward(seconds=1)
    shop.sandbox.bookkeeper.change_customer("77", IsPrivatePerson=False, Name="Jansen B.V.", CorporateIdentityNumber="12345678")
    shown = await shop.get(f"/customers/{person['Id']}")
    assert (shown["IsPrivatePerson"], shown["Name"], shown["ChangedUtc"] > person["ChangedUtc"]) == (False, "Jansen B.V.", True)
    new = await sale(shop, "KB-2", customer=person)
    assert [(one["TotalAmount"], one["CustomerName"]) for one in (await again(shop, old), new)] == [
        (D("35.49"), "Jan Jansen"), (D("41.75"), "Jansen B.V."),
    ]  # fmt: skip
    shop.sandbox.bookkeeper.change_customer("77", IsPrivatePerson=True)
    assert (await sale(shop, "KB-3", customer=person))["TotalAmount"] == D("35.49")


async def test_a_debtor_moves_outside_the_eu(shop: Shop) -> None:
    """Without ForceBookkeepVat no VAT from then on, with it VAT again; what was booked stays on its accounts."""
    await shop.customer(IsPrivatePerson=True, CustomerNumber="77")
    person = await shop.one("customers", CustomerNumber="77")
    keeper = shop.sandbox.bookkeeper
    await sale(shop, customer=person)
    keeper.change_customer("77", InvoiceCountryCode="US", ForceBookkeepVat=False)
    await sale(shop, "KB-2", customer=person)
    keeper.change_customer("77", ForceBookkeepVat=True)
    await sale(shop, "KB-3", customer=person)
    rates = [sum((tax for _, tax in one.vat.values()), D(0)) for one in states(shop).values()]
    assert rates == [D("5.25"), D(0), D("5.25")]
    found = await balances(shop)
    assert (found[SALES_HIGH], found[8110]) == (D("-42.14"), D("-35.49"))
    refused(4035, lambda: keeper.change_customer("77", InvoiceCountryCode="DE"))
    refused(2000, lambda: keeper.change_customer("77", Schoenmaat=43))
    refused(3000, lambda: keeper.change_customer("9999", Name="x"))


async def test_a_debtor_that_moves_over_the_api_leaves_the_ledger_alone(shop: Shop) -> None:
    """What is booked was booked for where the debtor lived then, although nobody had looked at the ledger yet."""
    person = await shop.customer(IsPrivatePerson=True)
    await sale(shop, customer=person)
    await shop.put(f"/customers/{person['Id']}", {**writable("CustomerApi", person), "InvoiceCountryCode": "US"})
    assert (await balances(shop))[SALES_HIGH] == D("-21.07")


async def test_debtors_are_merged(shop: Shop) -> None:
    """The one that is left over is inactive and owes nothing; its documents and debts are the other's."""
    first, second = [await shop.customer(Name=name, CustomerNumber=number) for name, number in (("Een", "71"), ("Twee", "72"))]
    booked = await sale(shop, customer=first)
    keeper = shop.sandbox.bookkeeper
    keeper.merge_customers("71", "72")
    shown = await again(shop, booked)
    assert (shown["CustomerId"], shown["CustomerNumber"]) == (second["Id"], "72")
    rows = {row["CustomerNumber"]: row for row in (await shop.get("/customers"))["Data"]}
    assert (rows["71"]["IsActive"], rows["71"]["UnpaidInvoicesAmount"]) == (False, 0)
    assert (rows["72"]["IsActive"], rows["72"]["UnpaidInvoicesAmount"]) == (True, booked["TotalAmount"])
    keeper.delete_customer("71")
    assert (await shop.refused("GET", f"/customers/{first['Id']}"))[:2] == (404, 3000)
    refused(4001, lambda: keeper.delete_customer("72"))
    refused(2000, lambda: keeper.merge_customers("72", "72"))
    refused(3000, lambda: keeper.merge_customers("72", "71"))


@pytest.mark.parametrize(("kept", "status"), [(False, 200), (True, 400)])
async def test_a_debtor_with_a_draft_alone(kept: bool, status: int) -> None:
    """Can be deleted, over the API too, and the draft cannot be booked any more; or he cannot."""
    async with Shop.open(draft_keeps_customer=kept) as shop:
        buyer = await shop.customer()
        draft = await shop.post("/customerinvoicedrafts", await shop.draft_body(CustomerId=buyer["Id"]))
        assert (await shop.send("DELETE", f"/customers/{buyer['Id']}")).status_code == status
        if not kept:
            assert (await shop.refused("POST", f"/customerinvoicedrafts/{draft['Id']}/convert", {}))[1] == 3000


# the lock


async def test_the_lock_is_set_and_lifted_at_any_moment(shop: Shop) -> None:
    """Nothing is booked, paid, credited or deleted on a locked day, by whomever; lifted, all goes on."""
    booked = await sale(shop, InvoiceDate="2026-03-10")
    keeper = shop.sandbox.bookkeeper
    keeper.lock(date(2026, 3, 15))
    assert (await shop.get("/companysettings"))["AccountingLockedTo"] == "2026-03-15"
    body = await shop.invoice_body(await shop.row("BOOK", 1, 1), InvoiceDate="2026-03-15")
    assert (await shop.refused("POST", "/customerinvoices", body))[:2] == (400, 4026)
    path, payment = await shop.payment(booked, 1, PaymentDate="2026-03-15")
    assert (await shop.refused("POST", path, payment))[:2] == (400, 4026)
    for work in (
        lambda: keeper.pay("KB-1", paid_on=date(2026, 3, 15)),
        lambda: keeper.credit("KB-1", dated=date(2026, 3, 15)),
        lambda: keeper.delete("KB-1"),
    ):
        refused(4026, work)
    keeper.lock(None)
    await shop.post("/customerinvoices", body)
    await shop.post(path, payment)


# control routes


async def by_hand(shop: Shop, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    """Use a control route."""
    transport = httpx2.ASGITransport(shop.sandbox.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://books") as client:
        answer = await client.request(method, f"/_sandbox/{path}", json=body)
    assert answer.status_code == status, answer.text
    return json.loads(answer.content, parse_float=D) if answer.content else None


async def test_a_person_does_all_that_at_the_control_routes(shop: Shop) -> None:
    """Each route does what its method does, and shows the document that it was about."""
    await sale(shop)
    shown = await by_hand(shop, "POST", "documents/KB-1/payments", {"amount": "5.49", "account": "Kas", "date": "2026-03-15"})
    assert (shown["number"], shown["remaining"], shown["payments"], shown["paid_by"]) == (1, "30.00", {"Kas": "5.49"}, ["hand"])
    shown = await by_hand(shop, "POST", "documents/1/credit", {"quantities": {"1": 1}, "set_off": False, "restock": False})
    assert (shown["kind"], shown["gross"], shown["credits"]) == ("credit", "-12.75", 1)
    await sale(shop, "KB-2")
    assert (await by_hand(shop, "POST", "documents/KB-2/void", {"restock": True}))["number"] == 4
    await sale(shop, "KB-3")
    await by_hand(shop, "POST", "documents/KB-3/payments", {})
    await by_hand(shop, "DELETE", "documents/KB-3", status=400)
    await by_hand(shop, "DELETE", "documents/KB-3?with_payments=true")
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body())
    await by_hand(shop, "DELETE", f"drafts/{draft['Id']}")
    found = await by_hand(shop, "GET", "documents")
    assert [(one["number"], one["kind"], one["deleted"]) for one in found] == [
        (1, "invoice", False), (2, "credit", False), (3, "invoice", False), (4, "credit", False), (5, "invoice", True), (0, "draft", True),
    ]  # fmt: skip
    await by_hand(shop, "POST", "codings/Goederen 9%", {"rate": 21})
    await by_hand(shop, "POST", "codings/Goederen 9%", {"rate": 9, "from": "2027-01-01"})
    assert (await by_hand(shop, "POST", "articles/22423", {"Coding": "Goederen 9%", "Number": "22423/X"}))["GrossPrice"] == D("12.75")
    await by_hand(shop, "DELETE", "articles/AMAZONFEE")
    await shop.customer(CustomerNumber="77")
    await by_hand(shop, "POST", "customers/77", {"IsPrivatePerson": True, "Name": "Jan"})
    assert (await shop.one("customers", CustomerNumber="77"))["Name"] == "Jan"
    await by_hand(shop, "POST", "customers/77/merge", {"into": "1000"})
    await by_hand(shop, "DELETE", "customers/77")
    for to in ("2026-03-15", None):
        await by_hand(shop, "POST", "lock", {"to": to})
    assert (await shop.get("/companysettings"))["AccountingLockedTo"] < "2026-01-01"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "documents/99/payments", {}, 404),
        ("POST", "documents/KB-1/payments", {"amount": "veel"}, 400),
        ("POST", "documents/KB-1/payments", {"sum": 1}, 400),
        ("POST", "documents/KB-1/payments", {"date": "gisteren"}, 400),
        ("POST", "documents/KB-1/payments", [], 400),
        ("POST", "documents/KB-1/credit", {"quantities": [1]}, 400),
        ("POST", "documents/KB-1/credit", {"set_off": "ja"}, 400),
        ("POST", "customers/1000", {"InvoiceCountryCode": "XX"}, 400),
        ("POST", "customers/1000/merge", {}, 404),
        ("POST", "codings/Goederen 9%", {}, 400),
        ("DELETE", "articles/NIETS", None, 404),
        ("DELETE", "drafts/NIETS", None, 404),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(shop: Shop, method: str, path: str, body: Any, status: int) -> None:
    """With the vendor's code, or with one line."""
    await sale(shop)
    before = shop.sandbox.documents()
    answer = await by_hand(shop, method, path, body, status=status)
    assert "error" in answer or "ErrorCode" in answer
    assert shop.sandbox.documents() == before
