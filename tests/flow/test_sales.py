"""Receipts: what is booked, what is skipped, what waits for a person, and what never happens."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import httpx2

from daemon.core.outcomes import Outcome
from tests.flow.shop import ARTICLES, line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

D = Decimal


async def test_a_receipt_is_booked_and_paid(tmp_path: Path) -> None:
    """One invoice with the receipt's number, paid on the account of its method."""
    running = open_shop(tmp_path, world(receipt("R1", line(quantity="3"))))
    async with running.process() as bridge:
        outcome = await bridge.settle()
    ledger = running.books.ledger()
    assert [(d.reference, d.gross, d.remaining) for d in ledger.documents] == [("KB-R1", D("14.85"), D(0))]
    assert ledger.payments == {"Pin": D("14.85")}
    assert outcome.as_json()["difference"] == "0.00"


async def test_a_document_has_the_date_of_the_shops_day(tmp_path: Path) -> None:
    """Booked at once or by a draft: the day is the receipt's."""
    running = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), customer="b"), receipt("R3", line())))
    async with running.process() as bridge:
        await bridge.settle()
    assert {d.dated[:10] for d in running.books.ledger().documents} == {"2026-03-16"}


async def test_a_refund_becomes_a_credit_that_is_paid_back(tmp_path: Path) -> None:
    """Money and stock go back."""
    running = open_shop(tmp_path, world(receipt("R1", line(quantity="3")), receipt("C2", line(quantity="-1"), minute=5)))
    async with running.process() as bridge:
        await bridge.settle()
    ledger = running.books.ledger()
    assert [(d.gross, d.is_credit, d.remaining) for d in ledger.documents] == [(D("14.85"), False, D(0)), (D("-4.95"), True, D(0))]
    assert ledger.stock["KAARS-1"] == 48


async def test_two_partial_refunds_are_two_credits(tmp_path: Path) -> None:
    """Each refund has its own document, and together they are what went back."""
    refunds = (receipt("C2", line(quantity="-1"), minute=5), receipt("C3", line(quantity="-1"), minute=6))
    running = open_shop(tmp_path, world(receipt("R1", line(quantity="3")), *refunds))
    async with running.process() as bridge:
        await bridge.settle()
    assert [d.gross for d in running.books.ledger().documents if d.is_credit] == [D("-4.95"), D("-4.95")]


async def test_a_refund_with_its_shipping_is_one_credit(tmp_path: Path) -> None:
    """The shipping row goes back too."""
    back = receipt("C2", line(quantity="-1"), line("", "-1", "5.95", kind="shipping"))
    running = open_shop(tmp_path, world(back))
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    assert [d.gross for d in running.books.ledger().documents] == [D("-10.90")]


async def test_two_gift_vouchers_are_two_rows_and_a_liability(tmp_path: Path) -> None:
    """Sold vouchers are not merged, and carry no VAT."""
    vouchers = (line("gift_1", "1", "25.00", "0", "voucher"), line("gift_2", "1", "10.00", "0", "voucher"))
    running = open_shop(tmp_path, world(receipt("R1", *vouchers)))
    async with running.process() as bridge:
        await bridge.settle()
    [document] = running.books.ledger().documents
    assert (document.gross, sum(document.vat.values(), D(0))) == (D("35.00"), D(0))
    rows = next(iter(running.books.books.invoices.rows.values()))["Rows"]
    assert [row["ArticleNumber"] for row in rows] == ["KB-VOUCHER", "KB-VOUCHER"]


async def test_a_voucher_redeemed_pays_from_the_voucher_account(tmp_path: Path) -> None:
    """The liability goes down by what was bought with it."""
    running = open_shop(tmp_path, world(receipt("R1", line(), paymethod="voucher")))
    async with running.process() as bridge:
        await bridge.settle()
    assert running.books.ledger().payments == {"Cadeaubonnen": D("4.95")}


async def test_cash_rounding_stands_on_its_own_row(tmp_path: Path) -> None:
    """7.33 in cash is 7.35: the two cents are in the document, and the total is what was paid."""
    running = open_shop(tmp_path, world(receipt("R1", line("MOK-1", price="7.33"), paymethod="cash", rounding=D("0.02"))))
    async with running.process() as bridge:
        await bridge.settle()
    ledger = running.books.ledger()
    assert (ledger.gross, ledger.remaining) == (D("7.35"), D(0))
    assert ledger.payments == {"Kas": D("7.35")}


async def test_a_business_is_booked_to_the_cent(tmp_path: Path) -> None:
    """Net prices with two decimals would miss 432 × 0.42 by more than a euro."""
    cheap = replace(ARTICLES[0], sku="SNOEP", price=D("0.42"), stock=D(1000))
    sale = receipt("R1", line("SNOEP", "432", "0.42"), line("THEE-1", "7", "3.79", "9"), customer="b")
    running = open_shop(tmp_path, world(sale, articles=(*ARTICLES, cheap)))
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    ledger = running.books.ledger()
    assert ledger.gross == D("207.97")
    assert ledger.stock["SNOEP"] == 568


async def test_anonymous_receipts_create_no_customer(tmp_path: Path) -> None:
    """A hundred receipts without a name go to the default debtor."""
    running = open_shop(tmp_path, world(*[receipt(f"R{n}", line("THEE-1", "1", "3.79", "9"), minute=n % 60) for n in range(40)]))
    async with running.process() as bridge:
        await bridge.settle()
        assert bridge.counts("customers") == {}
    assert {d.customer_number for d in running.books.ledger().documents} == {"1000"}


async def test_one_customer_is_created_once_for_many_receipts(tmp_path: Path) -> None:
    """Receipts of one new customer, in hand at the same time, make one debtor."""
    running = open_shop(tmp_path, world(*[receipt(f"R{n}", line(), customer="p", minute=n) for n in range(20)]))
    async with running.process() as bridge:
        await bridge.settle()
        assert bridge.counts("customers") == {"created": 1}
    assert len({d.customer_number for d in running.books.ledger().documents}) == 1


async def test_a_give_away_has_a_document_of_nothing(tmp_path: Path) -> None:
    """Its stock moved; there is nothing to pay."""
    running = open_shop(tmp_path, world(receipt("R1", line(price="0", quantity="2"))))
    async with running.process() as bridge:
        await bridge.settle()
    ledger = running.books.ledger()
    assert [d.gross for d in ledger.documents] == [0]
    assert ledger.payments == {}
    assert ledger.stock["KAARS-1"] == 48


async def test_a_stock_correction_is_skipped_with_its_reason(tmp_path: Path) -> None:
    """No sale, no money, no document; and it is told."""
    running = open_shop(tmp_path, world(receipt("X1", line(quantity="-5", price="0"), is_correction=True)))
    async with running.process() as bridge:
        outcome = await bridge.settle()
        work = (await bridge.store.find_work("X1"))[0]
    assert (work.outcome, work.reason) == (Outcome.SKIPPED, "stock_correction")
    assert (outcome.receipts, outcome.documents) == (1, 0)


async def test_an_unknown_payment_method_is_one_question(tmp_path: Path) -> None:
    """What needs the answer waits, the rest goes on, the answer releases it."""
    sales = [receipt(f"R{n}", line(), minute=n, paymethod="ideal" if n % 2 else "pin") for n in range(6)]
    running = open_shop(tmp_path, world(*sales), payment_methods='pin = "Pin"\n')
    async with running.process() as bridge:
        outcome = await bridge.settle()
        [question] = await bridge.store.questions()
        assert (question.key, question.waiting, outcome.held, outcome.documents) == ("payment_method:ideal", 3, 3, 3)
        assert await bridge.store.answer(question.pair, question.key, "iDEAL") == 3
        outcome = await bridge.settle()
        assert (outcome.held, outcome.documents, outcome.difference) == (0, 6, D(0))
    assert running.books.ledger().payments == {"Pin": D("14.85"), "iDEAL": D("14.85")}


async def test_a_missing_article_holds_only_its_receipt(tmp_path: Path) -> None:
    """Once the article is there, the receipt is sent again and settles."""
    missing = receipt("R2", line("NIEUW", price="2.00"), minute=1)
    running = open_shop(tmp_path, world(receipt("R1", line()), missing, receipt("R3", line(), minute=2)))
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {"R2": "article_missing"}
        assert len(running.books.ledger().documents) == 2
        transport = httpx2.ASGITransport(running.books.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://books") as person:
            answer = await person.post("/_sandbox/articles/MOK-1", json={"Number": "NIEUW", "GrossPrice": 7.33})
        assert answer.status_code == 200
        assert await bridge.store.resend(bridge.pair.context.pair_id, "R2") == 1
        await bridge.settle("sales")
        assert await bridge.held() == {}
    assert len(running.books.ledger().documents) == 3


async def test_another_vat_rate_in_the_books_holds_the_receipt(tmp_path: Path) -> None:
    """The till charged 9 %, the article has 21 %: nobody guesses."""
    running = open_shop(tmp_path, world(receipt("R1", line("KAARS-1", rate="9"))))
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {"R1": "vat_differs"}
    assert running.writes_to_books() == 0


async def test_a_sku_in_other_letters_is_the_same_article(tmp_path: Path) -> None:
    """85123a is 85123A."""
    running = open_shop(tmp_path, world(receipt("R1", line("kaars-1"))))
    async with running.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    assert running.books.ledger().stock["KAARS-1"] == 49


async def test_receipts_before_the_start_date_are_left_alone(tmp_path: Path) -> None:
    """History is somebody else's."""
    running = open_shop(tmp_path, world(receipt("R1", line()), receipt("R2", line(), minute=30)))
    text = (tmp_path / "kassabrug.toml").read_text(encoding="utf-8")
    (tmp_path / "kassabrug.toml").write_text(
        text.replace('tills = ["till"]', 'tills = ["till"]\nstart = 2026-03-16T06:15:00Z'), encoding="utf-8"
    )
    from daemon.settings import load  # noqa: PLC0415 - read again after the change above

    running.settings = load(tmp_path / "kassabrug.toml")
    async with running.process() as bridge:
        await bridge.settle()
        assert bridge.counts("sales") == {"created": 1, "skipped": 1}
    assert running.references() == ["KB-R2"]
