"""A compact but complete day of a shop, and what both vendors must say after it whatever their switches are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.sandbox.salespos.assumptions import TARIFFS, with_vat
from connectors.sandbox.world import World, WorldArticle, WorldCustomer
from tests.flow.shop import BUSINESS, PERSON, line, open_shop, receipt

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.sandbox.eaccounting import BooksSwitches
    from connectors.sandbox.salespos import TillSwitches
    from connectors.sandbox.salespos.till import Product
    from connectors.sandbox.world import WorldReceipt
    from tests.flow.shop import Shop

D = Decimal

ARTICLES = (
    WorldArticle("Kaars-1", "Kaars groot", D("4.95"), D(21), D(50), label="Wonen", ean="8712345678906"),
    WorldArticle("THEE-1", "Thee los", D("3.79"), D(9), D(40), label="Eten", purchase_price=D("1.20")),
    WorldArticle("MOK-1", "Mok", D("7.33"), D(21), D(30), label="Wonen"),
    WorldArticle("SNOEP", "Snoep", D("0.42"), D(9), D(900)),
    WorldArticle("INPAKKEN", "Inpakken", D("1.50"), D(21), D(0), is_service=True),
)
CUSTOMERS = (
    PERSON,
    BUSINESS,
    WorldCustomer("d", "einkauf@laden.de", "Uwe Kurz", "Laden GmbH", "DE136695976", None, "Weg 1", "10115", "Berlin", "DE", None),
    WorldCustomer("f", "marie@exemple.fr", "Marie Petit", None, None, None, "Rue 3", "75001", "Paris", "FR", "0140000000"),
    WorldCustomer("u", "sam@example.com", "Sam Smith", None, None, None, "Main St 1", "10001", "New York", "US", None),
)
#: a customer whom a person wrote down in the books before, in letters of his own
KNOWN = {
    "Name": "Marie Petit",
    "EmailAddress": "Marie@Exemple.FR",
    "InvoiceCity": "Paris",
    "InvoicePostalCode": "75001",
    "InvoiceCountryCode": "FR",
    "IsActive": True,
    "IsPrivatePerson": True,
}


def receipts() -> tuple[WorldReceipt, ...]:
    """Private and business, home and abroad, goods that come back, vouchers, discounts, shipping, rounding, gifts, and nobody's name.

    Some were rung up the evening before: their documents have that day's date, whenever they are booked.
    """
    shipping = line("", "1", "5.95", kind="shipping")
    evening = -11 * 60
    return (
        receipt("1001", line("Kaars-1", "3"), line("THEE-1", "1", "3.79", "9"), minute=1),
        receipt("1002", line("kaars-1", "2", "4.50"), line("", "1", "-1.00", kind="discount"), shipping, customer="p", minute=2),
        receipt("1003", line("SNOEP", "432", "0.42", "9"), line("MOK-1", "7", "7.33"), customer="b", minute=evening + 3),
        receipt("1004", line("MOK-1", "2", "6.06", "0"), customer="d", minute=evening + 4, intra_community=True),
        receipt("1005", line("THEE-1", "2", "3.79", "9"), customer="f", minute=5, paymethod="ideal"),
        receipt("1006", line("MOK-1", "1", "7.33"), customer="u", minute=6),
        receipt("C1007", line("Kaars-1", "-1"), minute=evening + 7),
        receipt("C1008", line("MOK-1", "-1", "7.33"), line("SNOEP", "-13", "0.42", "9"), customer="b", minute=evening + 8),
        receipt("1009", line("gift_1", "1", "25.00", "0", "voucher"), line("gift_2", "1", "10.00", "0", "voucher"), minute=9),
        receipt("1010", line("MOK-1", "1", "7.33"), minute=10, paymethod="voucher"),
        receipt("1011", line("THEE-1", "1", "3.79", "9"), minute=11, paymethod="cash", rounding=D("0.01")),
        receipt("1012", line("MOK-1", "1", "0"), minute=12),
        receipt("1013", line("", "1", "2.50", kind="free"), line("INPAKKEN", "1", "1.50"), customer="p", minute=13),
        receipt("X1014", line("THEE-1", "-2", "0", "9"), minute=14, is_correction=True),
    )


@dataclass(frozen=True, slots=True)
class Booked:
    """A document: its natural key, amounts, day, and the e-mail address of its debtor."""

    reference: str
    gross: Decimal
    rounding: Decimal
    remaining: Decimal
    day: str
    is_credit: bool
    debtor: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What both vendors say, and what the bridge says that it left for a person."""

    documents: tuple[Booked, ...]
    vat: dict[Decimal, Decimal]
    payments: dict[str, Decimal]
    customers: tuple[str, ...]
    stock: dict[str, Decimal]
    till_stock: dict[str, Decimal | None]
    till_products: int
    till_prices: dict[str, Decimal]
    held: dict[str, str]
    drafts: int


def shop(directory: Path, *, books: BooksSwitches | None = None, till: TillSwitches | None = None) -> Shop:
    """The shop before its day."""
    return open_shop(directory, World(ARTICLES, CUSTOMERS, receipts()), books=books, till=till, open_at_once=False)


async def write_down_the_known_customer(running: Shop) -> None:
    """A person does so, in the vendor's own screen."""
    books = running.books.books
    terms = next(iter(books.terms.rows))
    books.add(books.customers, {**KNOWN, "TermsOfPaymentId": terms, "CustomerNumber": "77", "CurrencyCode": books.currency})


async def live(running: Shop) -> Outcome:
    """The catalogue goes to the till, the shop opens, sells, and everything is booked."""
    await write_down_the_known_customer(running)
    async with running.process() as bridge:
        await bridge.settle("products", "stock")
        running.till.ring_up_all()
        await bridge.settle()
        held = await bridge.held()
    writes = running.writes()
    async with running.process() as bridge:
        await bridge.settle()
    assert running.writes() == writes, "a second run over the same day writes nothing"
    return look(running, held)


def look(running: Shop, held: dict[str, str]) -> Outcome:
    """Read both vendors' own records."""
    books = running.books.books
    emails = {row["CustomerNumber"]: (row["EmailAddress"] or "").lower() for row in books.customers.rows.values()}
    documents = [
        Booked(
            row["YourReference"],
            row["TotalAmount"],
            row["TotalRoundings"],
            row["RemainingAmount"],
            row["InvoiceDate"][:10],
            row["IsCreditInvoice"],
            emails[row["CustomerNumber"]],
        )
        for row in books.invoices.rows.values()
    ]
    ledger, till = running.books.ledger(), running.till.ledger()
    return Outcome(
        documents=tuple(sorted(documents, key=lambda one: one.reference)),
        vat={rate: amount for rate, amount in ledger.vat.items() if amount},
        payments=ledger.payments,
        customers=tuple(sorted(email for email in emails.values() if email)),
        stock=ledger.stock,
        till_stock=till.stock,
        till_products=till.products,
        till_prices={one.number: _paid_for(one, running) for one in running.till.till.products.values()},
        held=held,
        drafts=len(books.drafts.rows),
    )


def _paid_for(product: Product, running: Shop) -> Decimal:
    """Return what a customer pays, whether this till's prices include VAT or not."""
    price = D(product.values["price"]) - D(product.values["discount"])
    included = running.till.till.switches.prices_include_vat
    return price if included else with_vat(price, TARIFFS[product.values["taxtariff"]])
