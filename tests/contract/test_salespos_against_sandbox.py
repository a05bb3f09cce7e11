"""The SalesPOS connector against the till's sandbox, which was written from the public references on its own."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpx2
import pytest

from connectors.model import LineKind, Product, ProductPatch, Sale
from connectors.port import Change, Conflict, ConnectorError, Missing, Rejected, Throttled, Unauthorized, Uncertain
from connectors.salespos import SalesPos, SalesPosConfig
from connectors.sandbox import shop
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.salespos import TillSandbox, TillSwitches

if TYPE_CHECKING:
    from connectors.sandbox.world import World, WorldReceipt

WORLD = shop.generate(5, 90)
CENT = Decimal("0.01")

AWKWARD = {
    "as documented": TillSwitches(),
    "ids as text": TillSwitches(string_ids=True),
    "nulls": TillSwitches(empty_strings=False),
    "floats of PHP": TillSwitches(php_floats=True),
    "small pages": TillSwitches(max_size=7),
    "rows without numbers": TillSwitches(rows_without_numbers=True),
    "no answer to a POST": TillSwitches(post_204=True),
    "net prices": TillSwitches(prices_include_vat=False),
    "filters that regard case": TillSwitches(filter_ignores_case=False),
}


class FakeClock:
    """A clock that jumps where it is told to sleep, shared by both sides."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime(2026, 3, 15, 9, 0, 20, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        await anyio.lowlevel.checkpoint()
        self.elapsed += seconds


def pair(world: World = WORLD, *, limits: bool = False, **settings: Any) -> tuple[TillSandbox, SalesPos, FakeClock]:
    """Return a sandbox, a connector to it, and their clock."""
    clock = FakeClock()
    sandbox = TillSandbox(world, clock=clock.now, limits=limits, **settings)
    config = SalesPosConfig("http://till.test/api/rest/v1", sandbox.public_key, sandbox.secret_key)
    transport = httpx2.ASGITransport(app=sandbox.app)
    return sandbox, SalesPos(config, clock=clock, transport=transport, jitter=random.Random(1)), clock


async def all_changes(till: SalesPos) -> dict[str, Sale]:
    """Read every sale as an engine does."""
    found: dict[str, Sale] = {}
    after: Change[Any] | None = None
    while True:
        page = await till.read_changes(None, after=after)
        assert not page.bad
        found |= {change.record.number: change.record for change in page.changes}
        if not page.more:
            return found
        after = page.changes[-1]


def drafts() -> list[ProductPatch]:
    """Return the articles of the world as they are written to the till."""
    return [
        ProductPatch(
            sku=article.sku,
            name=article.name,
            price=article.price,
            vat_rate=article.vat_rate,
            active=True,
            ean=article.ean,
            purchase_price=article.purchase_price,
            categories=(article.label,) if article.label else None,
            tracked=not article.is_service,
            quantity=article.stock,
        )
        for article in WORLD.articles
    ]


def shown(product: Product) -> ProductPatch:
    """Return what was read of a product in the form of what was written."""
    return ProductPatch(
        sku=product.sku,
        name=product.name,
        price=product.price,
        vat_rate=product.vat_rate,
        active=product.active,
        ean=product.ean,
        purchase_price=product.purchase_price or None,
        categories=product.categories or None,
        tracked=product.tracked,
        quantity=product.quantity,
    )


def expected_kinds(receipt: WorldReceipt, *, numbers: bool) -> dict[str, Decimal]:
    """Return what a receipt comes to by kind of line, its rounding among them; a voucher is only known by its number."""
    sums: dict[str, Decimal] = {}
    for line in receipt.lines:
        kind = "free" if line.kind == "voucher" and not numbers else line.kind
        sums[kind] = sums.get(kind, Decimal(0)) + line.quantity * line.unit_price
    sums["rounding"] = sums.get("rounding", Decimal(0)) + receipt.rounding
    return {kind: amount.quantize(CENT, ROUND_HALF_UP) for kind, amount in sums.items() if amount}


def kinds(sale: Sale) -> dict[str, Decimal]:
    """Return what a sale comes to by kind of line."""
    sums: dict[str, Decimal] = {}
    for line in sale.lines:
        sums[line.kind.value] = sums.get(line.kind.value, Decimal(0)) + line.gross
    return {kind: amount.quantize(CENT, ROUND_HALF_UP) for kind, amount in sums.items() if amount}


@pytest.mark.parametrize("switches", AWKWARD.values(), ids=AWKWARD)
async def test_every_receipt_arrives_as_it_was_rung_up(switches: TillSwitches) -> None:
    """Number, moment, total, lines by kind, payment and customer of each receipt are those of the till, however awkward it is."""
    sandbox, till, _ = pair(switches=switches, open_shop=False)
    for draft in drafts():
        await till.create_product(draft)
    sandbox.ring_up_all()
    listed = await all_changes(till)
    assert listed.keys() == {receipt.number for receipt in WORLD.receipts}
    people = {customer.key: customer for customer in WORLD.customers}
    for receipt in WORLD.receipts:
        sale = await till.get_sale(listed[receipt.number])
        assert (sale.number, sale.gross, sale.completed) == (receipt.number, receipt.gross, True)
        assert sale.sold_at == receipt.sold_at.replace(microsecond=0)
        assert kinds(sale) == expected_kinds(receipt, numbers=not switches.rows_without_numbers)
        assert sum((line.gross.quantize(CENT, ROUND_HALF_UP) for line in sale.lines), Decimal(0)) == receipt.gross
        assert {line.sku.upper() for line in sale.lines if line.kind is LineKind.PRODUCT} == {
            line.sku.upper() for line in receipt.lines if line.kind == "product"
        }
        assert {payment.method: payment.amount for payment in sale.payments} == (
            {receipt.paymethod: receipt.gross} if receipt.gross else {}
        )
        assert sale.intra_community is receipt.intra_community
        customer = people.get(receipt.customer_key or "")
        if customer is None:
            assert sale.customer is None
        else:
            assert sale.customer is not None
            assert (sale.customer.email, sale.customer.name, sale.customer.company) == (
                customer.email.lower(),
                customer.name,
                customer.company,
            )
            assert sale.customer.vat_number == customer.vat_number
            address = sale.customer.invoice_address
            assert (address.postal_code, address.city, address.country) == (customer.postal_code, customer.city, customer.country)
            assert address.street == customer.street
    assert sum(sale.gross for sale in listed.values()) == sandbox.ledger().gross


@pytest.mark.parametrize("switches", [switches for name, switches in AWKWARD.items() if "rows" not in name])
async def test_products_are_read_as_they_were_written(switches: TillSwitches) -> None:
    """Everything written of a product comes back equal: prices to the cent, stock, and its category, made once for all."""
    _, till, _ = pair(switches=switches, open_shop=False)
    written = drafts()
    for draft in written:
        await till.create_product(draft)
    found = await till.all_products()
    assert [shown(product) for product in found] == written
    assert sorted(await till.categories()) == sorted({article.label for article in WORLD.articles if article.label})
    assert await till.find_products([found[3].sku.lower(), found[4].sku.upper(), "no such thing"]) == found[3:5]
    assert await till.find_products([product.sku for product in found[:20]]) == found[:20]
    await till.update_product(found[0].id, ProductPatch(price=Decimal("1.05"), quantity=Decimal(-2), active=False, categories=("Nieuw",)))
    changed = await till.get_product(found[0].id)
    expected = replace(found[0], price=Decimal("1.05"), quantity=Decimal(-2), active=False)
    assert replace(changed, categories=(), changed_at=None) == replace(expected, categories=(), changed_at=None)
    assert set(changed.categories) == {*found[0].categories, "Nieuw"}


async def test_a_shifting_listing_loses_no_product() -> None:
    """Pages that repeat records, or miss one at their edge, make no difference to what is read."""
    sandbox, till, _ = pair(open_shop=False)
    for number in range(700):
        await till.create_product(ProductPatch(sku=f"S{number}", name="x", price=Decimal(1), vat_rate=Decimal(21)))
    sandbox.plan.update({"shifted_page": 0.4, "duplicate_page": 0.3, "seed": 3})
    for _ in range(5):
        assert [product.sku for product in await till.all_products()] == [f"S{number}" for number in range(700)]
    assert sandbox.plan.fired["shifted_page"] > 3


async def test_sales_at_one_moment_survive_a_shifting_listing() -> None:
    """More sales than fit a page share a second, and pages shift: every sale is delivered."""
    moment = WORLD.receipts[0].sold_at
    same = tuple(replace(receipt, sold_at=moment) for receipt in WORLD.receipts)
    sandbox, till, _ = pair(replace(WORLD, receipts=same), switches=TillSwitches(max_size=30))
    sandbox.plan.update({"shifted_page": 0.4, "duplicate_page": 0.3, "seed": 4})
    assert (await all_changes(till)).keys() == {receipt.number for receipt in same}


FAULTS = dict.fromkeys(("reset_before", "reset_after", "cut_body", "not_json", "status_500", "empty_body"), 0.15)


async def test_reads_get_through_faults() -> None:
    """Single failures of reading are asked past; what is read is whole, and a run that fails says so."""
    sandbox, till, _ = pair(switches=TillSwitches(max_size=10))
    sandbox.plan.update({**{name: rate / 8 for name, rate in FAULTS.items()}, "seed": 2})
    complete = 0
    for _ in range(20):
        try:
            assert (await all_changes(till)).keys() == {receipt.number for receipt in WORLD.receipts}
        except ConnectorError as error:
            assert not isinstance(error, Uncertain | Rejected)  # noqa: PT017 - which error a failed run may end with is the point
        else:
            complete += 1
    assert complete >= 15
    assert sandbox.plan.fired.total() > 20


async def test_writes_under_faults_never_lie() -> None:
    """A product reported as created exists once, one reported as refused not at all; in doubt it is said to be in doubt."""
    sandbox, till, _ = pair(open_shop=False, plan=FaultPlan(seed=8))
    await till.create_product(ProductPatch(sku="first", name="x", price=Decimal(1), vat_rate=Decimal(21)))
    sandbox.plan.update({**FAULTS, "post_204": 0.1, "status_429": 0.02, "seed": 8})
    told: dict[str, str] = {}
    for number in range(150):
        sku = f"S{number}"
        try:
            await till.create_product(ProductPatch(sku=sku, name="x", price=Decimal(1), vat_rate=Decimal(21)))
            told[sku] = "created"
        except Uncertain:
            told[sku] = "uncertain"
        except Throttled:
            told[sku] = "refused"
    sandbox.plan.update(dict.fromkeys([*FAULTS, "post_204", "status_429"], 0.0))
    there = [product.sku for product in await till.all_products()]
    assert len(there) == len(set(there))
    assert {sku for sku, outcome in told.items() if outcome == "created"} <= set(there)
    assert not {sku for sku, outcome in told.items() if outcome == "refused"} & set(there)
    assert {"created", "uncertain"} <= set(told.values())


@pytest.mark.parametrize("seconds", [-1800, 1800])
async def test_a_clock_that_is_wrong_by_half_an_hour(seconds: int) -> None:
    """The connector works by the vendor's clock, whatever its own says."""
    sandbox, till, clock = pair(plan=FaultPlan(clock_skew_seconds=seconds))
    page = await till.read_changes(None)
    assert page.server_time == clock.now() + timedelta(seconds=seconds)
    assert sandbox.requests["GET", "orders"] == 1


async def test_the_vendors_limits_are_never_met() -> None:
    """Two days' worth of sales is read within the limits, one sale after the other."""
    _, till, clock = pair(limits=True)
    throttled: list[str] = []
    for sale in [*(await all_changes(till)).values()] * 2:
        try:
            await till.get_sale(sale)
        except Throttled as error:
            throttled.append(str(error))
    assert not throttled
    assert clock.elapsed > 60


async def test_what_the_till_refuses() -> None:
    """A taken number, a full subscription, an unknown product and a wrong key are told apart."""
    draft = ProductPatch(sku="T1", name="Tea", price=Decimal(1), vat_rate=Decimal(9))
    _, till, _ = pair(switches=TillSwitches(unique_productnumber=True))
    await till.create_product(draft)
    with pytest.raises(Conflict):
        await till.create_product(draft)
    _, till, _ = pair(switches=TillSwitches(product_limit=1))
    await till.create_product(draft)
    assert (await till.store()).product_limit_left == 0
    with pytest.raises(Rejected, match=r"500\.60"):
        await till.create_product(draft)
    with pytest.raises(Rejected, match="400"):
        await till.create_product(ProductPatch(sku="T2"))
    with pytest.raises(Missing):
        await till.get_product("4711")
    with pytest.raises(Missing):
        await till.update_product("4711", draft)
    sandbox, _, clock = pair()
    stranger = SalesPosConfig("till.test", "nobody", "nothing")
    with pytest.raises(Unauthorized):
        await SalesPos(stranger, clock=clock, transport=httpx2.ASGITransport(app=sandbox.app)).payment_methods()


async def test_what_the_till_says_of_itself() -> None:
    """Its store, its ways to pay, its customers and its day closings are read."""
    sandbox, till, _ = pair()
    store = await till.store()
    assert (store.currency, store.is_till, store.prices_include_vat, store.product_limit_left) == ("EUR", True, True, None)
    assert {"orders", "products", "paymethods", "webshops"} <= store.resources
    assert {method.code: method.label for method in await till.payment_methods()}.keys() == {"pin", "cash", "ideal", "voucher"}
    someone = WORLD.customers[3]
    assert [found.name for found in await till.find_users(someone.email.upper())] == [someone.name]
    await till._client.post("cashups/", {}, dict)
    (takings,) = await till.cash_ups()
    assert takings.closed_at is None
    assert takings.number
    assert sandbox.requests["GET", "cashups"] == 1
