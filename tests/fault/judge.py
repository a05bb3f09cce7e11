"""Whether both vendors' own ledgers say the same, in the shape of ``/_sandbox/ledger``: nothing lost, nothing doubled, to the cent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.sandbox.world import World

#: the account that each payment method of a receipt is booked on, as the sandbox's own configuration says
ACCOUNTS = {"pin": "Pin", "cash": "Kas", "ideal": "iDEAL", "voucher": "Cadeaubonnen"}
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, empty and 0 where nothing is; ``difference`` is till less books."""

    documents: int
    lost: list[str]
    doubled: list[str]
    strangers: list[str]
    difference: Decimal
    remaining: Decimal
    unpaid: list[str]
    payments: dict[str, str]
    stock: dict[str, str]
    customers: list[str]
    products: int

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        lists = (self.lost, self.doubled, self.strangers, self.unpaid, self.payments, self.stock, self.customers)
        return not (any(lists) or self.difference or self.remaining or self.products)


def judge(world: World, till: Mapping[str, Any], books: Mapping[str, Any], emails: Iterable[str]) -> Verdict:
    """Compare the ledgers with each other and with what was rung up; ``emails`` are those of the customers in the books."""
    wanted = {f"KB-{receipt.number}" for receipt in world.receipts if not receipt.is_correction}
    references = Counter(str(one["reference"]) for one in books["documents"])
    shelves = {sku.casefold(): Decimal(quantity) for sku, quantity in books["stock"].items()}
    shown = {sku.casefold(): None if quantity is None else Decimal(quantity) for sku, quantity in till["stock"].items()}
    due = {ACCOUNTS[code]: Decimal(gross) for code, gross in till["paymethods"].items() if code}
    paid = {account: Decimal(amount) for account, amount in books["payments"].items()}
    return Verdict(
        documents=len(books["documents"]),
        lost=sorted(wanted - references.keys()),
        doubled=sorted(reference for reference, count in references.items() if count > 1),
        strangers=sorted(references.keys() - wanted),
        difference=Decimal(till["gross"]) - Decimal(books["gross"]),
        remaining=Decimal(books["remaining"]),
        unpaid=sorted(str(one["reference"]) for one in books["documents"] if Decimal(one["remaining"])),
        payments={
            account: f"{due.get(account, ZERO)} at the till, {paid.get(account, ZERO)} in the books"
            for account in sorted(due.keys() | paid.keys())
            if due.get(account, ZERO) != paid.get(account, ZERO)
        },
        stock={
            sku: f"{shelves.get(sku)} in the books, {shown.get(sku)} in the till" for sku in sorted(shown) if shelves.get(sku) != shown[sku]
        },
        customers=sorted(email for email, count in Counter(email.casefold() for email in emails if email).items() if count > 1),
        products=int(till["products"]) - len(till["stock"]),
    )
