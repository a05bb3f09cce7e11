"""Do the books show every receipt as the till has it?  Read from both vendors' own records alone; no figure and no code of ours.

What a person decided by hand is known: a document taken back or deleted, money booked, a question answered with *keep*.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from connectors.sandbox.eaccounting.documents import DocumentState
    from connectors.sandbox.salespos.ledger import ReceiptState

ZERO, CENT = Decimal(0), Decimal("0.01")
#: the debtor of whoever gave no name
NOBODY = "1000"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the books show for one receipt, all its documents together.

    ``customer`` is the debtor of the one that stands, and ``draft`` tells whether that is one which nobody has booked yet.
    """

    documents: int
    gross: Decimal
    vat: Mapping[Decimal, Decimal]
    money: Mapping[str, Decimal]
    remaining: Decimal
    customer: str
    draft: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A person said that the books stay as they are: how both sides stood then."""

    receipt: ReceiptState | None
    shown: Shown


@dataclass(slots=True)
class Decisions:
    """What people did by hand, by the key of the receipt's first document."""

    #: its document was taken back, or deleted, and nobody has said yet what becomes of the receipt
    taken_back: set[str] = field(default_factory=set)
    #: money was booked on its documents by hand, on whatever account, or documents were taken back by hand at some time
    handled: set[str] = field(default_factory=set)
    kept: dict[str, Kept] = field(default_factory=dict)
    #: an older state, which had never heard of it, was put back
    lost: set[str] = field(default_factory=set)
    #: the settings have said that sales become drafts, now or earlier
    drafts: bool = False
    #: the accounts that people said take a way to pay
    accounts: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    #: debtors that stand for a person whatever their address says now, by the person's address
    debtors: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def mine(documents: Collection[DocumentState], key: str) -> list[DocumentState]:
    """Return the documents of a receipt: its own, what took them back, and what took their place."""
    return [one for one in documents if not one.deleted and (one.reference == key or one.reference.startswith(f"{key}#"))]


def shown(documents: Collection[DocumentState], key: str) -> Shown:
    """Return what the books show for a receipt."""
    own = mine(documents, key)
    vat: dict[Decimal, Decimal] = defaultdict(Decimal)
    money: dict[str, Decimal] = defaultdict(Decimal)
    for one in own:
        for rate, (_, amount) in one.vat.items():
            vat[rate] += amount
        for account, amount in one.payments.items():
            money[account] += amount
    standing = max((one for one in own if "#C" not in one.reference and not one.credits), key=_newest, default=None)
    return Shown(
        len(own),
        sum((one.gross for one in own), ZERO),
        dict(vat),
        {account: amount for account, amount in money.items() if amount},
        sum((one.remaining for one in own), ZERO),
        "" if standing is None else standing.customer_number,
        standing is not None and standing.kind == "draft",
    )


def _newest(document: DocumentState) -> tuple[bool, int]:
    """A draft has no number yet, and comes after everything that was booked."""
    return document.kind == "draft", document.number


def charged(receipt: ReceiptState) -> Decimal:
    """Return what a drawer or a card was charged: what a till reckons in fractions of a cent is paid in cents."""
    return receipt.gross.quantize(CENT, ROUND_HALF_UP)


def disagreements(
    receipts: Mapping[str, ReceiptState],
    documents: Collection[DocumentState],
    debtors: Mapping[str, Collection[str]],
    decisions: Decisions,
    *,
    held: Collection[str] = (),
) -> list[str]:
    """Return what differs, a line each.

    ``receipts`` are those of all tills by the key of their first document, ``debtors`` the numbers of the books' debtors by e-mail
    address.  One that is ``held`` by name is not judged, but what nobody sold is found in any case.
    """
    found = [line for key, receipt in receipts.items() if key not in held for line in _judge(key, receipt, documents, debtors, decisions)]
    known = set(receipts)
    strangers = [one for one in documents if not one.deleted and one.kind != "voucher" and one.reference.partition("#")[0] not in known]
    return [*found, *(f"{one.kind} {one.reference or one.number} belongs to no receipt" for one in strangers)]


def doubled(documents: Collection[DocumentState]) -> list[str]:
    """Return the keys under which something of ours stands twice; a credit by hand copies the key of what it takes back."""
    keys = Counter(one.reference for one in documents if not one.deleted and one.kind in {"invoice", "credit"} and not one.credits)
    drafts = Counter(one.reference for one in documents if not one.deleted and one.kind == "draft")
    return [f"{key} stands {count} times" for counted in (keys, drafts) for key, count in counted.items() if count > 1]


def never_rung_up(documents: Collection[DocumentState], sums: Mapping[str, Collection[Decimal]]) -> list[str]:
    """Return the documents of ours that came to what their receipt never came to, ``sums`` by the key of its first document."""
    ours = [one for one in documents if one.kind in {"invoice", "credit"} and not one.credits and "#C" not in one.reference]
    wrong = [one for one in ours if one.gross not in sums.get(one.reference.partition("#")[0], {one.gross})]
    return [f"{one.reference} was booked at {one.gross}, which nobody ever paid" for one in wrong]


def _judge(
    key: str,
    receipt: ReceiptState,
    documents: Collection[DocumentState],
    debtors: Mapping[str, Collection[str]],
    decisions: Decisions,
) -> Iterator[str]:
    if receipt.deleted and key in decisions.lost:
        return
    now = shown(documents, key)
    drafts = [one for one in mine(documents, key) if one.kind == "draft"]
    if len(drafts) > decisions.drafts:
        yield f"{key}: a draft is left behind"
    kept = decisions.kept.get(key)
    if kept is not None and kept.receipt == receipt:
        if now != kept.shown:
            yield f"{key}: kept as {kept.shown}, now {now}"
        return
    gross = charged(receipt) if receipt.counts else ZERO
    if now.gross != gross and not (key in decisions.taken_back and now.gross == ZERO):
        yield f"{key}: till {gross}, books {now.gross}"
    if key in decisions.taken_back:
        return
    if receipt.counts and not now.documents:
        yield f"{key}: no document"
    yield from _vat(key, receipt, now)
    yield from _paid(key, receipt, now, decisions)
    if receipt.counts and now.documents:
        yield from _customer(key, receipt, now, debtors, decisions)


def _vat(key: str, receipt: ReceiptState, now: Shown) -> Iterator[str]:
    till = {rate: vat for rate, _, vat in receipt.vat if vat} if receipt.counts else {}
    for rate in sorted(set(till) | set(now.vat)):
        # a document at net prices is rounded by the vendor, a cent each
        if abs(till.get(rate, ZERO) - now.vat.get(rate, ZERO)) > CENT * max(1, now.documents):
            yield f"{key}: VAT at {rate} %: till {till.get(rate, ZERO)}, books {now.vat.get(rate, ZERO)}"


def _paid(key: str, receipt: ReceiptState, now: Shown, decisions: Decisions) -> Iterator[str]:
    # of a draft nothing is due, and nothing paid, until somebody books it
    due = charged(receipt) if receipt.counts and not now.draft else ZERO
    paid = due if receipt.paid else ZERO
    if key in decisions.handled:
        # on which account, and how early, was a person's choice; what the till says is paid is paid all the same
        if receipt.paid and now.remaining:
            yield f"{key}: paid in the till, {now.remaining} remains in the books"
        return
    if now.remaining != due - paid:
        yield f"{key}: {due - paid} is open in the till, {now.remaining} in the books"
    accounts = decisions.accounts[receipt.paymethod]
    right = [{account: paid} if paid else {} for account in accounts or {""}]
    if now.money not in right:
        yield f"{key}: {paid} by {receipt.paymethod or 'nothing'} in the till, {dict(now.money)} in the books"


def _customer(key: str, receipt: ReceiptState, now: Shown, debtors: Mapping[str, Collection[str]], decisions: Decisions) -> Iterator[str]:
    email = receipt.email.casefold()
    right = {NOBODY} if not email else {*debtors.get(email, ()), *decisions.debtors[email]}
    if now.customer not in right:
        yield f"{key}: {email or 'nobody'} in the till, debtor {now.customer} in the books, who is not one of {sorted(right)}"
