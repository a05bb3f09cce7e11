"""What each person can do to the shop of the people machine, at any moment: every act is a name and a number that chooses.

An act that makes no sense at the moment (nothing to pay, a locked day) raises what the vendor's own screen would refuse with; the machine
takes it as tried in vain.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from connectors.sandbox.eaccounting.errors import Refusal
from connectors.sandbox.outages import Outage
from connectors.sandbox.people import vat_number
from connectors.sandbox.world import WorldReceipt, cents
from tests.fault.people_judge import NOBODY, Decisions, Kept, mine, shown
from tests.fault.people_shop import CASH, GOODS, NORMAL, PREFIXES
from tests.flow.shop import BUSINESS, PERSON, line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from connectors.sandbox.eaccounting import BooksSandbox
    from connectors.sandbox.eaccounting.documents import DocumentState
    from connectors.sandbox.salespos import TillSandbox
    from connectors.sandbox.salespos.cashier import Cashier
    from connectors.sandbox.salespos.ledger import ReceiptState
    from tests.fault.people_shop import Premises

T = TypeVar("T")
D = Decimal
RATES = {one.sku: one.vat_rate for one in GOODS}
PRICES = {one.sku: one.price for one in GOODS}
SKUS = tuple(RATES)
#: what is put on the scales, and how much of it in kilograms; what is keyed in by hand has no article
WEIGHED, WEIGHTS, KEYED = "KAAS-1", (D("1.235"), D("0.345"), D("0.004")), ""
#: how far ahead of the clock a till that was set wrongly dates its receipts: a little is taken as it is
_AHEAD = (timedelta(minutes=40), timedelta(hours=2), timedelta(days=7))
PEOPLE = {"": None, PERSON.email: PERSON, BUSINESS.email: BUSINESS}
#: the codings of the rates, by their names in the books
METHODS = ("pin", "cash", "ideal")
#: what changed so long ago that no listing of the daemon reaches back to it
_FORGOTTEN = timedelta(days=2)


class Vain(Exception):
    """There is nothing to do that to."""


def choose(among: Collection[T], pick: int) -> T:
    """Take one.

    Raises:
        Vain: there is none.
    """
    there = list(among)
    if not there:
        raise Vain
    return there[pick % len(there)]


@dataclass(slots=True)
class People:
    """Everybody who works in the shop, and what they remember of what they did."""

    premises: Premises
    decisions: Decisions = field(default_factory=Decisions)
    #: receipts that were changed in a way that no listing of the till shows: whoever did that sends them again
    unseen: set[str] = field(default_factory=set)
    #: how many receipts each till has rung up: two tills count alike
    numbers: Counter[str] = field(default_factory=Counter)
    #: what each receipt ever came to
    sums: defaultdict[str, set[Decimal]] = field(default_factory=lambda: defaultdict(set))
    #: whether somebody changed the books' registers in the middle of a run, between its reading and its writing
    interfered: bool = False
    #: what the act in hand was about
    about: str = ""

    def told(self) -> str:
        """Return what the last act was about, once."""
        about, self.about = self.about, ""
        return f" {about}" if about else ""

    def __post_init__(self) -> None:
        """Know what the configuration says."""
        self.decisions.accounts.update({"pin": {"Pin"}, "cash": {"Kas"}})

    # -- looking ----------------------------------------------------------------------------------------------------------------
    @property
    def books(self) -> BooksSandbox:
        """The books."""
        return self.premises.shop.books

    def receipts(self) -> dict[str, ReceiptState]:
        """How every receipt stands, by the key of its first document."""
        tills = self.premises.tills
        return {f"{PREFIXES[name]}-{one.number}": one for name, till in tills.items() for one in till.receipts() if not one.is_correction}

    def place(self, key: str) -> tuple[TillSandbox, str]:
        """Where a receipt is, and its number there."""
        prefix, _, number = key.rpartition("-")
        return next(self.premises.tills[name] for name, one in PREFIXES.items() if one == prefix), number

    def debtors(self) -> dict[str, set[str]]:
        """The numbers of the books' debtors by address."""
        found: dict[str, set[str]] = {}
        for row in self.books.books.customers.rows.values():
            found.setdefault((row["EmailAddress"] or "").casefold(), set()).add(row["CustomerNumber"])
        return found

    def documents(self) -> Sequence[DocumentState]:
        """The documents of the books."""
        return self.books.documents()

    # -- at the till --------------------------------------------------------------------------------------------------------------
    def sell(self, pick: int, *, opened: bool = False, ahead: timedelta = timedelta(0)) -> None:
        """Ring up something; the number says what, to whom, how it is paid and whether, and whether the till rounds what it weighs."""
        rest, which = divmod(pick, len(SKUS) + 1)
        rest, quantity = divmod(rest, 3)
        rest, who = divmod(rest, len(PEOPLE))
        rest, method = divmod(rest, len(METHODS))
        rest, how = divmod(rest, 5)
        till = choose(self.premises.tills, rest)
        self.numbers[till] += 1
        sku, sign = (*SKUS, KEYED)[which], -1 if how == 4 else 1
        amount, exact = sign * (WEIGHTS[quantity] if sku == WEIGHED else quantity + 1), how % 2 == 0
        kind, price, rate = ("product", PRICES[sku], RATES[sku]) if sku else ("free", D("2.95"), D(21))
        lines = (line(sku, str(amount), str(price), str(rate), kind),)
        gross = amount * price if exact else cents(amount * price)
        now = self.premises.shop.clock.now().replace(microsecond=0)
        customer = ("", "p", "b")[who] or None
        receipt = WorldReceipt(f"R{self.numbers[till]}", now + ahead, customer, lines, METHODS[method], D(0), gross, False)
        cashier = self.premises.tills[till].cashier
        self.about = f"{PREFIXES[till]}-{receipt.number} {gross} {customer} {receipt.paymethod} {'on account' if how == 3 else ''}"
        if opened:
            cashier.open(receipt, exact=exact)
        else:
            cashier.ring_up(receipt, paid=how != 3, exact=exact)

    def sell_ahead(self, pick: int) -> None:
        """Ring up something in a till whose clock is wrong."""
        self.sell(pick, ahead=_AHEAD[pick % len(_AHEAD)])

    def redate(self, pick: int) -> None:
        """Correct the date of a receipt, or get it wrong."""
        cashier, number, _ = self._one(pick)
        now = self.premises.shop.clock.now()
        cashier.change_date(number, now + choose((timedelta(0), -timedelta(hours=3), *_AHEAD), pick))

    def leave_open(self, pick: int) -> None:
        """Begin a receipt that is not completed yet."""
        self.sell(pick, opened=True)

    def _one(
        self, pick: int, *, completed: bool | None = None, paid: bool | None = None, cancelled: bool | None = None
    ) -> tuple[Cashier, str, str]:
        there = [
            key
            for key, one in self.receipts().items()
            if not one.deleted and completed in {None, one.completed} and paid in {None, one.paid} and cancelled in {None, one.cancelled}
        ]
        self.about = key = choose(there, pick)
        till, number = self.place(key)
        return till.cashier, number, key

    def complete(self, pick: int) -> None:
        """Complete a receipt that was left open."""
        cashier, number, _ = self._one(pick, completed=False, cancelled=False)
        cashier.complete(number, paymethod=METHODS[pick % 2], paid=pick % 5 != 0)

    def pay_later(self, pick: int) -> None:
        """Take the money for what was on account."""
        cashier, number, key = self._one(pick, completed=True, paid=False, cancelled=False)
        cashier.pay(number, METHODS[pick % 3])
        self._old(key)

    def unpay(self, pick: int) -> None:
        """Say that it was not paid after all."""
        cashier, number, key = self._one(pick, completed=True, paid=True, cancelled=False)
        cashier.unpay(number)
        self._old(key)

    def cancel(self, pick: int) -> None:
        """Call a receipt off."""
        cashier, number, key = self._one(pick, cancelled=False)
        cashier.cancel(number)
        self._old(key)

    def reinstate(self, pick: int) -> None:
        """Let what was called off be a sale again."""
        cashier, number, key = self._one(pick, cancelled=True)
        cashier.reinstate(number)
        self._old(key)

    def change_method(self, pick: int) -> None:
        """Say that it was paid in another way."""
        cashier, number, key = self._one(pick, completed=True, paid=True)
        cashier.change_paymethod(number, METHODS[pick % 3])
        self._old(key)

    def change_customer(self, pick: int) -> None:
        """Give a receipt another buyer, or none."""
        cashier, number, key = self._one(pick)
        buyer = choose(PEOPLE.values(), pick)
        if buyer is None:
            cashier.drop_customer(number)
        else:
            fields = {"email": buyer.email, "name": buyer.name, "company": buyer.company, "vat_number": buyer.vat_number}
            address = {"street": buyer.street, "postal_code": buyer.postal_code, "city": buyer.city, "country": buyer.country}
            cashier.change_customer(number, **fields, **address)
        self._old(key)

    def change_vat_number(self, pick: int) -> None:
        """Correct the VAT number of a business."""
        business = [key for key, one in self.receipts().items() if one.email == BUSINESS.email and not one.deleted]
        till, number = self.place(key := choose(business, pick))
        till.cashier.change_customer(number, vat_number=(BUSINESS.vat_number, vat_number("NL", "corrected"))[pick % 2])
        self._old(key)

    def _rows(self, pick: int, **change: Any) -> None:
        cashier, number, key = self._one(pick)
        self.unseen.add(key)  # a listing shows the sum alone
        cashier.change_row(number, 0, **change)

    def change_price(self, pick: int) -> None:
        """Correct a price."""
        self._rows(pick, price=D(choose(("3.95", "2.50", "4.95", "7.33"), pick)))

    def change_quantity(self, pick: int) -> None:
        """Correct a quantity; a refund stays one."""
        cashier, number, key = self._one(pick)
        row = cashier.find(number).rows[0]
        self.unseen.add(key)
        amount = WEIGHTS[pick % 3] if row.number == WEIGHED else D(1 + pick % 3)
        cashier.change_row(number, 0, quantity=-amount if row.count < 0 else amount)

    def change_article(self, pick: int) -> None:
        """Say that it was another article."""
        sku = choose(SKUS, pick)
        self._rows(pick, sku=sku, vat_rate=RATES[sku])

    def change_rate(self, pick: int) -> None:
        """Charge another VAT rate than the article has, by mistake; or put it right."""
        self._rows(pick, vat_rate=D((9, 21)[pick % 2]))

    def add_row(self, pick: int) -> None:
        """Put something more on a receipt."""
        cashier, number, key = self._one(pick)
        sku, row = choose(SKUS, pick), cashier.find(number).rows[0]
        self.unseen.add(key)
        cashier.add_row(number, line(sku, "-1" if row.count < 0 else "1", str(PRICES[sku]), str(RATES[sku])))

    def remove_row(self, pick: int) -> None:
        """Take something off a receipt."""
        cashier, number, key = self._one(pick)
        if len(cashier.find(number).rows) < 2:
            raise Vain
        self.unseen.add(key)
        cashier.remove_row(number, 0)

    def delete_receipt(self, pick: int) -> None:
        """Delete a receipt: absence from a listing is no deletion, so that whoever did it says so."""
        cashier, number, key = self._one(pick)
        self.unseen.add(key)
        cashier.delete(number)

    def _old(self, key: str) -> None:
        if self.receipts()[key].created_at < self.premises.shop.clock.now() - _FORGOTTEN:
            self.unseen.add(key)

    # -- in the books -------------------------------------------------------------------------------------------------------------
    def _document(self, pick: int, *, remaining: bool | None = None) -> tuple[str, DocumentState]:
        known = self.receipts()
        there = [
            (one.reference.partition("#")[0], one)
            for one in self.documents()
            if one.kind in {"invoice", "credit"}
            and not one.deleted
            and remaining in {None, bool(one.remaining)}
            and not (one.credited_by or one.credits or "#C" in one.reference)
            and one.reference.partition("#")[0] in known
            and self._stands(one.reference.partition("#")[0], one)
        ]
        found = choose(there, pick)
        self.about = f"{found[0]} document {found[1].number} of {found[1].gross}, {found[1].remaining} open"
        return found

    def book_payment(self, pick: int) -> None:
        """Book money that came in by the bank, all of it or a part."""
        key, document = self._document(pick, remaining=True)
        amount = None if pick % 3 else (document.remaining / 2).quantize(D("0.01"))
        self.books.bookkeeper.pay(document.id, amount, ("Bank", "Pin", "Kas")[pick % 3])
        self.decisions.handled.add(key)

    def credit(self, pick: int) -> None:
        """Take an invoice back by a credit of one's own, and pay it out where it was paid."""
        key, document = self._document(pick)
        if document.kind == "credit":
            raise Vain
        number = self.books.bookkeeper.credit(document.id)
        self._taken_back(key)
        left = next(one for one in self.documents() if one.number == number and one.kind == "credit").remaining
        if left and pick % 2:
            self.books.bookkeeper.pay(number, account="Pin")

    def delete_document(self, pick: int) -> None:
        """Delete a document with its payments."""
        key, document = self._document(pick)
        self.books.bookkeeper.delete(document.id, with_payments=True)
        self._taken_back(key)

    def void(self, pick: int) -> None:
        """Void an invoice on which nothing was paid."""
        key, document = self._document(pick, remaining=True)
        self.books.bookkeeper.void(document.id)
        self._taken_back(key)

    def _taken_back(self, key: str) -> None:
        self.decisions.handled.add(key)
        self.decisions.taken_back.add(key)

    def delete_draft(self, pick: int) -> None:
        """Delete a draft that stands there."""
        draft = choose([one for one in self.documents() if one.kind == "draft" and not one.deleted], pick)
        self.about = f"{draft.reference} of {draft.gross}"
        self.books.bookkeeper.delete_draft(draft.id)
        if self.decisions.drafts:
            self._taken_back(draft.reference.partition("#")[0])

    def _article(self, sku: str) -> dict[str, Any]:
        rows = self.books.books.tables["articles"].rows.values()
        name = next(one.name for one in GOODS if one.sku == sku)
        return next(row for row in rows if row["Name"] == name)

    def set_rate(self, pick: int) -> None:
        """Change the VAT rate of a coding, or put it right again."""
        coding = self._article(choose(("THEE-1", "KAARS-1"), pick))["CodingName"]
        self.books.bookkeeper.set_coding_rate(coding, D(choose((9, 21, 21, 9), pick)))

    def move_article(self, pick: int) -> None:
        """Give an article another coding, or put it right again."""
        coding = self._article(choose(("KAARS-1", "THEE-1"), pick // 2))["CodingName"]
        self.books.bookkeeper.move_article(self._article("MOK-1")["Number"], coding, keep="gross")

    def renumber_article(self, pick: int) -> None:
        """Give an article another number, or its own."""
        sku = choose(SKUS, pick)
        self.books.bookkeeper.renumber_article(self._article(sku)["Number"], (f"{sku}-NEW", sku)[pick % 2])

    def deactivate_article(self, pick: int) -> None:
        """Take an article out, or bring it back."""
        self.books.bookkeeper.deactivate_article(self._article(choose(SKUS, pick))["Number"], active=bool(pick % 3))

    def lock(self, pick: int) -> None:
        """Lock the accounting up to yesterday or today, or open it."""
        today = self.premises.shop.clock.now().date()
        self.books.bookkeeper.lock((today, today - timedelta(days=1), None)[pick % 3])

    def _debtor(self, pick: int) -> tuple[str, str]:
        people = {row["CustomerNumber"]: row for row in self.books.books.customers.rows.values() if row["CustomerNumber"] != NOBODY}
        number = choose(people, pick)
        address = (people[number]["EmailAddress"] or "").casefold()
        self.about = f"{number} {address}"
        known = next((email for email, numbers in self.decisions.debtors.items() if number in numbers), address)
        return number, known

    def rename_debtor(self, pick: int) -> None:
        """Give a debtor another name."""
        self.books.bookkeeper.change_customer(self._debtor(pick)[0], Name=f"Renamed {pick}")

    def turn_debtor(self, pick: int) -> None:
        """Make a private person a business, or the other way round; also whoever stands for nobody in particular."""
        number = NOBODY if pick % 2 == 0 else self._debtor(pick)[0]
        [row] = [one for one in self.books.books.customers.rows.values() if one["CustomerNumber"] == number]
        self.books.bookkeeper.change_customer(number, IsPrivatePerson=not row["IsPrivatePerson"])

    def change_terms(self, pick: int) -> None:
        """Give a debtor cash terms, under which a document settles itself, or normal ones; also whoever stands for nobody."""
        number = NOBODY if pick % 3 else self._debtor(pick // 6)[0]
        self.about = f"{number} {'cash' if pick % 2 else 'normal'}"
        self.premises.set_terms(number, CASH if pick % 2 else NORMAL)

    def deactivate_debtor(self, pick: int) -> None:
        """Make a debtor inactive, or active again."""
        self.books.bookkeeper.change_customer(self._debtor(pick)[0], IsActive=not pick % 3)

    def readdress_debtor(self, pick: int) -> None:
        """Give a debtor another e-mail address."""
        number, email = self._debtor(pick)
        self.books.bookkeeper.change_customer(number, EmailAddress=f"new{number}@elsewhere.example")
        self.decisions.debtors[email].add(number)

    def merge_debtor(self, pick: int) -> None:
        """Merge a debtor into another one of the same address, or into the one for nobody in particular."""
        number, email = self._debtor(pick)
        others = sorted(self.debtors().get(email, set()) - {number}) or [NOBODY]
        self.books.bookkeeper.merge_customers(number, others[0])
        self.decisions.debtors[email] |= {number, others[0]}

    def delete_debtor(self, pick: int) -> None:
        """Delete a debtor who has no documents."""
        self.books.bookkeeper.delete_customer(self._debtor(pick)[0])

    # -- a vendor's operations ------------------------------------------------------------------------------------------------------
    def begin_outage(self, pick: int) -> None:
        """Let a vendor be away: all of it or one of its addresses, for everything or for writes, with or without effect."""
        rest, kind = divmod(pick, 7)
        rest, where = divmod(rest, len(_PLACES))
        side, path = _PLACES[where]
        name = ("refuse", "status_503", "maintenance_503", "maintenance_200", "status_500", "reset", "status_429")[kind]
        effect = bool(rest % 2) and name not in {"refuse", "status_429"}
        sandbox = self.books if side == "books" else self.premises.shop.till
        self.about = f"{name} {side} {path} {effect}"
        sandbox.outages.begin(Outage(kind=name, path=path, method="POST" if rest % 3 == 1 else "", effect=effect))

    def lift_outages(self, pick: int = 0) -> None:
        """Let a vendor be back, or both."""
        if pick % 3 != 1:
            self.books.outages.lift()
        if pick % 3 != 2:
            for till in self.premises.tills.values():
                till.outages.lift()

    # -- ways out -----------------------------------------------------------------------------------------------------------------
    def take_back(self, key: str) -> None:
        """Take back by hand what the books have of a receipt, as whoever answers *rebook* says was done; a payment goes back too."""
        keeper = self.books.bookkeeper
        for one in mine(self.documents(), key):
            if one.kind == "draft":
                keeper.delete_draft(one.id)
        if shown(self.documents(), key).gross:
            for one in reversed(mine(self.documents(), key)):
                if not (one.credits or one.credited_by or "#C" in one.reference) and self._stands(key, one):
                    self._away(one)
                    break
        for one in mine(self.documents(), key):
            if one.credits and one.remaining:
                keeper.pay(one.id, account="Pin")
        self.decisions.handled.add(key)

    def _stands(self, key: str, document: DocumentState) -> bool:
        """Tell whether a document was not taken back by one of the daemon's own credits."""
        revision = document.reference.partition("#")[2]
        return not any(one.reference == f"{key}#C{revision}" for one in mine(self.documents(), key))

    def _away(self, document: DocumentState) -> None:
        try:
            self.books.bookkeeper.delete(document.id, with_payments=True)
        except Refusal:
            self.books.bookkeeper.credit(document.id)

    def keep(self, key: str) -> None:
        """Take note that the books stay as they are."""
        receipt = self.receipts().get(key)
        self.decisions.kept[key] = Kept(receipt, shown(self.documents(), key))
        self.decisions.handled.add(key)

    def forget_since(self, backup: Mapping[str, Kept], known: Collection[str]) -> None:
        """An older state was put back: what people said since is said no more, and whoever said it sends its receipt again.

        Of a receipt that it did not know, nobody can tell on which account it was paid, or find it once it is deleted.
        """
        kept = self.decisions.kept
        lost = self.receipts().keys() - known
        self.decisions.lost |= lost
        self.decisions.handled |= lost
        self.unseen |= {key for key, one in kept.items() if backup.get(key) != one}
        self.decisions.kept = {key: one for key, one in kept.items() if backup.get(key) == one}

    def wrong_on_the_shelf(self) -> list[str]:
        """Return the products of the tills that show another stock than the books have free, or another name than they should."""
        found = []
        ledger, drafts = self.books.ledger(), self.books.books.drafts.rows.values()
        waiting: Counter[str] = Counter()
        for row in (row for draft in drafts for row in draft["Rows"] or ()):
            if row["ArticleId"]:
                waiting[self.books.books.articles.rows[row["ArticleId"]]["Number"]] += row["Quantity"]
        for name, till in self.premises.tills.items():
            names = {one.number.upper(): one.values["name"] for one in till.till.products.values()}
            for one in GOODS:
                shown, free = till.ledger().stock[one.sku], ledger.stock[one.sku] - waiting[one.sku]
                if shown != free:
                    found.append(f"{name} shows {shown} of {one.sku}, the books have {free} free")
                if names[one.sku] != (one.name.upper() if self.premises.capitals else one.name):
                    found.append(f"{name} calls {one.sku} {names[one.sku]}")
        return found

    def cure_the_books(self) -> None:
        """Put right what the bookkeeper made impossible: open the period, rates, articles and their numbers as they were."""
        keeper = self.books.bookkeeper
        keeper.lock(None)
        for sku in SKUS:
            row = self._article(sku)
            keeper.renumber_article(row["Number"], sku)
            keeper.deactivate_article(sku, active=True)
        for sku in ("KAARS-1", "THEE-1"):
            keeper.set_coding_rate(self._article(sku)["CodingName"], RATES[sku])
        keeper.move_article("MOK-1", self._article("KAARS-1")["CodingName"], keep="gross")
        keeper.change_customer(NOBODY, IsActive=True)
        self.premises.set_terms(NOBODY, NORMAL)

    def cure_the_receipt(self, key: str) -> None:
        """Put right what the cashier keyed in wrongly: the VAT rate of each line is that of its article, and no receipt is of tomorrow."""
        till, number = self.place(key)
        receipt, now = self.receipts()[key], self.premises.shop.clock.now()
        if receipt.deleted:
            return
        if receipt.created_at > now:
            till.cashier.change_date(number, now)
        for index, row in enumerate(till.cashier.find(number).rows):
            sku = str(row.number or "").upper().removesuffix("-NEW")
            if sku in RATES and row.tax != RATES[sku]:
                till.cashier.change_row(number, index, vat_rate=RATES[sku])

    def pay_the_rest(self, key: str) -> None:
        """Book the rest of what the till says was paid, where a part was booked by hand."""
        receipt = self.receipts()[key]
        for one in mine(self.documents(), key):
            part = one.remaining and one.remaining != one.gross and one.kind in {"invoice", "credit"}
            if part and (receipt.paid or not receipt.counts or one.credited_by):
                self.books.bookkeeper.pay(one.id, account="Pin")
                self.decisions.handled.add(key)


_PLACES = (
    ("books", ""),
    ("till", ""),
    ("books", "/v2/customerinvoices"),
    ("books", "/v2/customerinvoices/*/payments"),
    ("books", "/v2/customerinvoicedrafts"),
    ("books", "/v2/articles"),
    ("books", "/v2/customers"),
    ("books", "/connect"),
)
#: who does what; what makes no sense at a moment gives way to the next
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "sells": ("sell", "sell", "sell", "leave_open", "sell", "sell", "sell_ahead"),
    "says": ("pay_later", "cancel", "unpay", "reinstate", "change_method", "complete", "delete_receipt", "redate"),
    "edits": (
        "change_customer", "change_price", "change_article", "change_vat_number", "change_quantity", "add_row", "change_rate", "remove_row",
    ),
    "documents": ("credit", "book_payment", "delete_document", "void", "delete_draft"),
    "registers": ("set_rate", "move_article", "deactivate_article", "lock", "renumber_article"),
    "debtors": (
        "turn_debtor", "merge_debtor", "deactivate_debtor", "change_terms", "readdress_debtor", "rename_debtor", "delete_debtor",
    ),
    "operations": ("begin_outage", "begin_outage", "lift_outages"),
}  # fmt: skip
