"""Payments on a document of the books, each registered once and in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.model import BookPayment
from daemon.core.booking import Hold
from daemon.core.flow_registry import SALES
from daemon.core.message import message
from daemon.core.money import total
from daemon.core.outcomes import Reason
from daemon.engine.at_most_once import OnceWrite, Undecidable, Written, at_most_once
from daemon.state.port import IntentState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal

    from connectors.model import Document
    from daemon.core.booking import PlannedPayment
    from daemon.engine.context import Context
    from daemon.state.port import Intent

FLOW = SALES.name


@dataclass(frozen=True, slots=True)
class Paying:
    """Whose payments these are: ``prefix`` begins the key of each write, ``record`` is the receipt's id, ``reference`` what people read."""

    record: str
    prefix: str
    reference: str
    day: date


async def pay(context: Context, paying: Paying, document: Document, payments: Sequence[PlannedPayment]) -> Hold | None:
    """Register payments on a document, each once; returns why it cannot be done.

    Payments cannot be read back, but they are registered in order: what remains on the document tells how many of them are there.
    So nothing is paid twice although this state may know nothing of it (a backup put back, another installation).
    """
    amounts = amounts_to_pay(document, payments)
    intents = await context.store.intents(context.pair_id, record=paying.record)
    begun = {intent.key for intent in intents if intent.state != IntentState.REFUSED}
    remaining = document.remaining
    for index, (payment, amount) in enumerate(zip(payments, amounts, strict=True)):
        if f"{paying.prefix}{index}" not in begun:
            if paid_so_far(amounts, document.gross, remaining) != index:
                remaining = (await context.books.get_document(document.id)).remaining
            paid = paid_so_far(amounts, document.gross, remaining)
            if paid is None or paid < index:
                return Hold(
                    Reason.PAYMENT_DIFFERS, message("detail.remains", document=document.number, gross=document.gross, remaining=remaining)
                )
            if paid > index:
                continue
        written = await _register(context, paying, document, payment.account.id, index=index, amounts=amounts)
        if not written.adopted:
            # what was registered earlier is no part of what the books said remains
            remaining -= amount
    return None


async def _register(
    context: Context, paying: Paying, document: Document, account: str, *, index: int, amounts: Sequence[Decimal]
) -> Written:
    before = document.gross - total(amounts[:index])
    entry = BookPayment(
        document_id=document.id,
        account_id=account,
        amount=amounts[index],
        currency=document.currency,
        date=paying.day,
        reference=paying.reference,
        complete=amounts[index] == before,
    )

    async def send() -> str:
        await context.books.register_payment(entry)
        return document.id

    async def find(intent: Intent) -> str | None:
        now = (await context.books.get_document(document.id)).remaining
        paid = paid_so_far(amounts, document.gross, now)
        if paid is None or paid < index:
            raise Undecidable(message("detail.unexplained", before=intent.memo["remaining"], sent=intent.memo["amount"], now=now))
        return document.id if paid > index else None

    write = OnceWrite(
        f"{paying.prefix}{index}",
        FLOW,
        paying.record,
        "payment",
        entry.reference,
        f"{entry.account_id} {entry.amount}",
        {"remaining": str(before), "amount": str(entry.amount)},
        named=False,
    )
    return await at_most_once(context, context.pair_id, write, send=send, find=find)


def amounts_to_pay(document: Document, payments: Sequence[PlannedPayment]) -> list[Decimal]:
    """Return what each payment registers; where the books round totals to whole units, the last one settles what they say remains."""
    amounts = [payment.amount for payment in payments]
    if amounts and document.rounding:
        rest = document.gross - total(amounts[:-1])
        amounts[-1] = rest if abs(rest - amounts[-1]) < 1 else amounts[-1]
    return amounts


def paid_so_far(amounts: Sequence[Decimal], gross: Decimal, remaining: Decimal) -> int | None:
    """Return how many of the payments, in order, are on a document of which this remains; ``None`` where no number explains it."""
    return next((count for count in range(len(amounts), -1, -1) if gross - total(amounts[:count]) == remaining), None)
