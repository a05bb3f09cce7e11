"""Do the books show what the till shows?  Read from both vendors' own records; nothing of ours is asked, and no sum of ours is believed."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from connectors.sandbox.eaccounting.documents import DocumentState
    from connectors.sandbox.salespos.ledger import ReceiptState
    from tests.flow.shop import Shop

#: on which account the shop of the tests registers what is paid how
ACCOUNTS = {"pin": "Pin", "cash": "Kas", "bank": "Bank"}
CENT = Decimal("0.01")


def _of(documents: Collection[DocumentState], number: str) -> list[DocumentState]:
    """Return the booked documents of a receipt: its own, and what took them back or took their place."""
    own = f"KB-{number}"
    return [
        one
        for one in documents
        if not one.deleted and one.kind in {"invoice", "credit"} and (one.reference == own or one.reference.startswith(own + "#"))
    ]


def _counts(receipt: ReceiptState) -> bool:
    return receipt.completed and not receipt.cancelled and not receipt.deleted and not receipt.is_correction


def disagreements(shop: Shop, *, held: Collection[str] = (), accounts: Mapping[str, str] = ACCOUNTS) -> list[str]:
    """Return what differs, a line each; a receipt that is held by name is not judged."""
    documents = shop.books.documents()
    return [line for receipt in shop.till.receipts() if receipt.number not in held for line in _judge(receipt, documents, accounts)]


def _judge(receipt: ReceiptState, documents: Collection[DocumentState], accounts: Mapping[str, str]) -> Iterator[str]:
    mine = _of(documents, receipt.number)
    gross = receipt.gross if _counts(receipt) else Decimal(0)
    booked = sum((one.gross for one in mine), Decimal(0))
    if booked != gross:
        yield f"{receipt.number}: till {gross}, books {booked}"
    if _counts(receipt) and not mine:
        yield f"{receipt.number}: no document"
    yield from _vat(receipt, mine)
    money: dict[str, Decimal] = defaultdict(Decimal)
    for one in mine:
        for account, amount in one.payments.items():
            money[account] += amount
    paid = {accounts[receipt.paymethod]: gross} if receipt.paid and gross else {}
    if {name: amount for name, amount in money.items() if amount} != paid:
        yield f"{receipt.number}: till paid {paid}, books {dict(money)}"
    remaining = sum((one.remaining for one in mine), Decimal(0))
    if remaining != (Decimal(0) if receipt.paid else gross):
        yield f"{receipt.number}: {remaining} remains to be paid"


def _vat(receipt: ReceiptState, mine: Collection[DocumentState]) -> Iterator[str]:
    till = {rate: vat for rate, _, vat in receipt.vat if vat} if _counts(receipt) else {}
    books: dict[Decimal, Decimal] = defaultdict(Decimal)
    for one in mine:
        for rate, (_, vat) in one.vat.items():
            books[rate] += vat
    for rate in sorted(set(till) | set(books)):
        # a document at net prices is rounded by the vendor, a cent each
        if abs(till.get(rate, Decimal(0)) - books.get(rate, Decimal(0))) > CENT * max(1, len(mine)):
            yield f"{receipt.number}: VAT at {rate} %: till {till.get(rate, 0)}, books {books.get(rate, 0)}"
