"""Small days in a shop, which together go through every flow.  Few points each, so that all of them can fail, and any two together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.model import Address, Customer, LineKind, Payment, Product, Sale, SaleLine
from daemon.core.ids import PairId
from tests.fault.bridge import FLOWS, PAIR, PAYMENT_METHODS
from tests.fault.checks import Expected
from tests.fault.shelf import START, Habits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.fault.bridge import Bridge
    from tests.fault.vendors import World

D = Decimal
PERSON = Customer(
    email="jan@example.nl", name="Jan Jansen", phone="0150000000", invoice_address=Address("Kade 1", "2611 AB", "Delft", "NL")
)
BUSINESS = Customer(
    email="inkoop@bakker.nl",
    name="Ans Bakker",
    company="Bakker BV",
    vat_number="NL100000009B01",
    invoice_address=Address("Kade 2", "2611 AC", "Delft", "NL"),
)


def line(sku: str = "KAARS", quantity: str = "1", price: str = "4.95", rate: str = "21", kind: LineKind = LineKind.PRODUCT) -> SaleLine:
    """A line of a receipt."""
    return SaleLine(kind, sku.title(), D(quantity), D(price), D(rate), sku)


def receipt(
    number: str,
    *lines: SaleLine,
    customer: Customer | None = None,
    paid: Mapping[str, str] | None = None,
    second: int = 0,
    completed: bool = True,
) -> Sale:
    """A receipt that comes to the sum of its lines, paid by card unless ``paid`` says how much by which method."""
    gross = sum((round(one.gross, 2) for one in lines), D(0))
    shares = {"pin": str(gross)} if paid is None else paid
    payments = tuple(Payment(method, method.title(), D(amount)) for method, amount in shares.items() if D(amount))
    return Sale(
        id=f"sale-{number}",
        number=number,
        sold_at=START + timedelta(seconds=second),
        gross=gross,
        currency="EUR",
        lines=lines,
        payments=payments,
        customer=customer,
        completed=completed,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """What people do at the vendors (once, and nothing fails), and what a person tells the bridge, in every life until it went through."""

    act: Callable[[World], None] = lambda _: None
    tell: Callable[[Bridge], Awaitable[None]] | None = None
    flows: tuple[str, ...] = FLOWS
    #: how long after that the bridge looks, in seconds
    pause: float = 5.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A few steps.  ``before`` happens without faults; the points count from ``steps`` on."""

    name: str
    about: str
    steps: tuple[Step, ...]
    before: tuple[Step, ...] = ()
    books: Habits = field(default_factory=Habits)
    till: Habits = field(default_factory=Habits)
    chunk: int = 10
    expected: Expected = field(default_factory=lambda: Expected({}))
    payment_methods: Mapping[str, str] = field(default_factory=lambda: PAYMENT_METHODS)
    together: bool = False


def sell(*sales: Sale) -> Step:
    """Ring up receipts; only their own flow and the stock run."""

    def act(world: World) -> None:
        for one in sales:
            world.till.ring_up(replace(one, sold_at=world.clock.now()))

    return Step(act, flows=("sales", "stock"))


def _assortment(world: World) -> None:
    world.books.add_article("KAARS", late=0)
    world.books.add_article("THEE", price=D("3.79"), vat_rate=D(9), late=0)
    world.books.add_article("KB-ROUND", vat_rate=D(0), price=D(0), tracked=False, quantity=None, late=0)


#: the articles are in both; then also a first receipt is booked, from whose answer it is known what private prices mean
OPENED = (Step(_assortment),)
KNOWN = (*OPENED, sell(receipt("R0", line())))


def _article(world: World, sku: str) -> str:
    return next(one.id for one in world.books.articles.actual() if one.sku == sku)


def _new_articles(world: World) -> None:
    """Two new articles, one of which the till has already, under other letters."""
    own = Product("prod-own", "vaas", "Vaas blauw", D("9.95"), D(21), tracked=True, quantity=D(3))
    world.till.products.put("prod-own", own, late=0)
    world.books.add_article("VAAS", price=D("9.50"))
    world.books.add_article("MOK", price=D("7.33"))


def _changed_articles(world: World) -> None:
    world.books.change_article(_article(world, "KAARS"), price=D("5.25"), name="Kaars groot")
    world.books.change_article(_article(world, "THEE"), quantity=D(12))


async def _answer(bridge: Bridge) -> None:
    """A person answers every question, if nobody did yet."""
    for question in await bridge.store.questions():
        await bridge.store.answer(PairId(PAIR), question.key, "iDEAL")


_NEW_PHONE = replace(PERSON, phone="0159999999")


def _price_up(world: World) -> None:
    world.books.change_article(_article(world, "KAARS"), price=D("6.00"))


def _price_back(world: World) -> None:
    world.books.change_article(_article(world, "KAARS"), price=D("4.95"))


_BUSY = sell(
    receipt("R1", line(), customer=PERSON),
    receipt("R2", line(), customer=BUSINESS),
    receipt("R3", line()),
    receipt("R4", line(quantity="2"), customer=PERSON),
    receipt("R5", line(), customer=BUSINESS),
    receipt("C6", line(quantity="-1")),
)

ALL = (
    Scenario("products", "articles are new, changed, and found in the till", (Step(_new_articles), Step(_changed_articles)), OPENED),
    Scenario(
        "back",
        "a price goes up and at once down again",
        (Step(_price_up, flows=("products",), pause=1.0), Step(_price_back, pause=1.0)),
        OPENED,
        books=Habits(lag=0.5),
        till=Habits(lag=4.0),
    ),
    Scenario(
        "stock",
        "a person corrects the stock, and something is sold",
        (Step(_changed_articles), sell(receipt("R1", line("THEE", "2", "3.79", "9")))),
        KNOWN,
    ),
    Scenario(
        "first",
        "the first two private receipts, the earlier by a proposal",
        (sell(receipt("R1", line()), receipt("R2", line())),),
        OPENED,
        chunk=1,
    ),
    Scenario("sale", "a private receipt, booked at once", (sell(receipt("R1", line(quantity="3"))),), KNOWN),
    Scenario(
        "business",
        "a new business customer, by a proposal that is off by a cent",
        (sell(receipt("R1", line("KAARS", "7", "0.42"), line("KAARS", "3", "0.47"), line("THEE", "5", "3.79", "9"), customer=BUSINESS)),),
        KNOWN,
    ),
    Scenario(
        "refund", "a receipt and its refund", (sell(receipt("R1", line(quantity="3"))), sell(receipt("C2", line(quantity="-1")))), KNOWN
    ),
    Scenario(
        "newcomer",
        "two receipts of one new customer",
        (sell(receipt("R1", line(), customer=PERSON), receipt("R2", line("THEE", "1", "3.79", "9"), customer=PERSON)),),
        KNOWN,
        chunk=1,
    ),
    Scenario(
        "changed",
        "a known customer has another telephone number",
        (sell(receipt("R2", line(), customer=_NEW_PHONE)),),
        (*KNOWN, sell(receipt("R1", line(), customer=PERSON))),
    ),
    Scenario(
        "split",
        "a receipt paid by card and in cash, without a name, and one with",
        (sell(receipt("R1", line(quantity="3"), paid={"pin": "10.00", "cash": "4.85"}), receipt("R2", line(), customer=PERSON)),),
        KNOWN,
    ),
    Scenario(
        "question",
        "an unknown payment method is asked for, and the answer releases",
        (sell(receipt("R1", line(), paid={"ideal": "4.95"}), receipt("R2", line())), Step(tell=_answer, flows=("sales", "stock"))),
        KNOWN,
        expected=Expected({}, accounts={**PAYMENT_METHODS, "ideal": "iDEAL"}),
    ),
    Scenario(
        "given",
        "something is given away, something is corrected, something is not completed",
        (sell(receipt("R1", line(price="0", quantity="2")), receipt("R2", line(), completed=False)),),
        KNOWN,
        expected=Expected({}, unbooked=frozenset({"R2"})),
    ),
    Scenario(
        "unfilterable",
        "the books do not filter on the reference: a private and a business receipt",
        (sell(receipt("R1", line()), receipt("R2", line(), customer=BUSINESS)),),
        KNOWN,
        books=Habits(filterable=False),
    ),
    Scenario(
        "net",
        "private prices are without VAT in these books",
        (sell(receipt("R1", line(quantity="3")), receipt("R2", line("THEE", "2", "3.79", "9"))),),
        OPENED,
        books=Habits(private_prices_include_vat=False),
    ),
    Scenario("busy", "six receipts of three people", (_BUSY,), OPENED, chunk=1),
    Scenario("crowd", "the same, all flows at once", (_BUSY, Step(_changed_articles)), OPENED, chunk=1, together=True),
)
BY_NAME = {scenario.name: scenario for scenario in ALL}
