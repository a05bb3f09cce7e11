"""What people do at the till: receipts left open, paid later, cancelled, edited, deleted, dated oddly; by hand and over the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from connectors.sandbox.salespos import TillSandbox, TillSwitches
from tests.contract.judge import Wire
from tests.contract.judge_salespos import TillJudge
from tests.contract.test_contract_salespos import LISTS
from tests.contract.test_sandbox_till import NOON, PRODUCT, Client, Clock, line, receipt, till, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

D = Decimal
TWO = receipt("R1", line("product", "10.00"), line("product", "20.00", sku="20001B", rate=9), gross="30.00")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A till with one receipt of two articles in it, whose answers are judged by the published lists."""
    clock = Clock()
    sandbox = TillSandbox(world(TWO), clock=clock, limits=False)
    judge = TillJudge(LISTS, (sandbox.public_key, sandbox.secret_key))
    wire = Wire(httpx2.ASGITransport(sandbox.app), judge)
    async with httpx2.AsyncClient(transport=wire, base_url="http://till") as http:
        yield Client(sandbox, http, clock, {"accept": "application/json"})
    assert [one for one in judge.verdict.violations if " answered " in one and "_sandbox" not in one] == []


async def by_hand(client: Client, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    """Use a control route."""
    answer = await client.http.request(method, f"/_sandbox/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content and answer.headers.get("content-type") == "application/json" else None


async def listed(client: Client, query: str = "") -> list[tuple[str, str]]:
    """Return numbers and totals of what is listed."""
    return [(one["ordernumber_full"], str(one["total_price"])) for one in await client.all(f"/orders/?orderby=id{query}")]


def vat(client: Client, receipt_id: int = 5001) -> dict[int, tuple[Decimal, Decimal]]:
    """Return gross and VAT by rate of a receipt as the till has it."""
    [state] = [one for one in client.till.receipts() if one.id == receipt_id]
    return {int(rate): (gross, tax) for rate, gross, tax in state.vat}


# cancelled


async def test_a_cancelled_receipt_is_still_there_and_counts_no_longer(client: Client) -> None:
    """Listed with status 8, as it was paid; the day's figures are without it, and what it sold is back on the shelf."""
    await client.add("/products/", PRODUCT)
    sold = client.till.cashier.ring_up(receipt("R2", line("product", "10.00", quantity=3), gross="30.00"))
    before = client.till.ledger()
    client.till.cashier.cancel("R2")
    shown = await client.get(f"/orders/{sold}")
    assert (shown["status"], shown["is_completed"], shown["paid"], shown["total_price"]) == (8, True, True, 30)
    assert await listed(client) == [("R1", "30.00"), ("R2", "30.00")]
    after = client.till.ledger()
    assert (before.gross, after.gross, before.receipts, after.receipts) == (D(60), D(30), 2, 1)
    assert (before.stock, after.stock) == ({"10001A": D(5)}, {"10001A": D(8)})
    [state] = [one for one in client.till.receipts() if one.cancelled]
    assert (state.number, state.counts, state.gross) == ("R2", False, D(30))


async def test_a_cancelled_receipt_is_in_no_day_closing(client: Client) -> None:
    """A closing made afterwards leaves it out; one made before stays as it was."""
    client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00", minutes=1))
    closings = []
    for moment in ("before", "after"):
        made = await client.add("/cashups/", {"start_period": "2026-03-14T00:00:00Z"})
        if moment == "after":
            client.till.cashier.cancel("R1")
        await client.send("PATCH", f"/cashups/{made['id']}", {"status": "CLOSED", "end_period": "2026-03-15T00:00:00Z"})
        closings.append(made["id"])
    found = [[one["total_inc"] for one in (await client.get(f"/cashups/{number}"))["vat_totals"]] for number in closings]
    assert found == [[20, 20], [10]]


async def test_a_status_given_over_the_api_does_the_same(client: Client) -> None:
    """PATCH of the order's status to 8 and back is cancelling and taking that back, stock and figures included."""
    await client.add("/products/", PRODUCT)
    sold = client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00"))
    for status, gross, stock in ((8, D(30), D(8)), (7, D(40), D(7))):
        assert (await client.send("PATCH", f"/orders/{sold}", {"status": status})).status_code == 204
        assert (client.till.ledger().gross, client.till.ledger().stock["10001A"]) == (gross, stock)


@pytest.mark.parametrize(("switch", "value"), [("cancelled_stays_completed", False), ("cancelled_returns_stock", False)])
async def test_the_other_readings_of_a_cancelled_receipt(switch: str, value: bool) -> None:
    """It is completed no longer, so that listings leave it out and only its id finds it; or its goods stay off the shelf."""
    async with till(world(TWO), switches=TillSwitches(**{switch: value})) as client:
        await client.add("/products/", PRODUCT)
        sold = client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00"))
        client.till.cashier.cancel(sold)
        assert (await client.get(f"/orders/{sold}"))["status"] == 8
        assert len(await listed(client)) == (1 if switch == "cancelled_stays_completed" else 2)
        assert client.till.ledger().stock["10001A"] == (8 if switch == "cancelled_stays_completed" else 7)
        client.till.cashier.reinstate(sold)
        assert len(await listed(client)) == 2
        assert (client.till.ledger().gross, client.till.ledger().stock["10001A"]) == (D(40), D(7))


# open, paid later


async def test_an_open_receipt_is_no_sale_until_it_is_completed(client: Client) -> None:
    """Not in the usual listing, in no figure, nothing off the shelf; completed three days later it is, with the date of its opening."""
    await client.add("/products/", PRODUCT)
    opened = client.till.cashier.open(receipt("R2", line("product", "10.00"), gross="10.00", minutes=5))
    shown = await client.get(f"/orders/{opened}")
    assert (shown["is_completed"], shown["paid"], shown["paymethod"], shown["total_price"]) == (False, False, "", 10)
    assert await listed(client) == [("R1", "30.00")]
    assert await listed(client, "&is_completed=false") == [("R2", "10.00")]
    assert (client.till.ledger().gross, client.till.ledger().stock["10001A"]) == (D(30), D(8))
    client.clock.now += timedelta(days=3)
    client.till.cashier.complete(opened, paymethod="ideal")
    shown = await client.get(f"/orders/{opened}")
    assert (shown["is_completed"], shown["paid"], shown["paymethod"]) == (True, True, "ideal")
    assert shown["create_date"] == "2026-03-14T12:05:00Z"
    assert (client.till.ledger().gross, client.till.ledger().stock["10001A"]) == (D(40), D(7))
    with pytest.raises(ValueError, match="is completed"):
        client.till.cashier.complete(opened)


async def test_a_completed_receipt_may_get_the_date_of_its_completion() -> None:
    """The other reading: it comes up among the newest."""
    async with till(switches=TillSwitches(completed_moves_date=True)) as client:
        opened = client.till.cashier.open(receipt("R2", line("product", "10.00"), gross="10.00"))
        client.clock.now += timedelta(days=3)
        client.till.cashier.complete(opened)
        assert await listed(client, "&min_create_date=2026-03-17T00%3A00%3A00Z") == [("R2", "10.00")]


async def test_a_receipt_on_account_is_paid_later(client: Client) -> None:
    """Completed and unpaid it is turnover, but nobody's money; paid, in another way than said, it is that way's."""
    sold = client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00"), paid=False)
    assert await listed(client, "&is_paid=false") == [("R2", "10.00")]
    ledger = client.till.ledger()
    assert (ledger.gross, dict(ledger.paymethods)) == (D(40), {"": D(10), "pin": D(30)})
    assert await client.all("/terminalreceipts/") != []
    assert (await client.refused("GET", f"/terminalreceipts/{sold}"))[0] == 404
    client.till.cashier.pay(sold, "cash")
    assert dict(client.till.ledger().paymethods) == {"cash": D(10), "pin": D(30)}
    assert await listed(client, "&is_paid=true&paymethod_id=2") == [("R2", "10.00")]
    client.till.cashier.unpay(sold)
    assert (await client.send("PATCH", f"/orders/{sold}", {"paid": True})).status_code == 204
    assert [one.paid for one in client.till.receipts()] == [True, True]


@pytest.mark.parametrize(("counted", "expected"), [(True, {"": 10, "pin": 30}), (False, {"pin": 30})])
async def test_a_day_closing_with_what_is_not_paid(counted: bool, expected: dict[str, int]) -> None:
    """It stands under no way to pay, or is left out until it is paid."""
    async with till(world(TWO), switches=TillSwitches(unpaid_in_cashups=counted)) as client:
        client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00"), paid=False)
        made = await client.add("/cashups/", {"start_period": "2026-03-14T00:00:00Z"})
        await client.send("PATCH", f"/cashups/{made['id']}", {"status": "CLOSED", "end_period": "2026-03-15T00:00:00Z"})
        balances = (await client.get(f"/cashups/{made['id']}"))["balances"]
        assert {one["paymethod"]: one["expected"] for one in balances} == expected


# edited


async def test_a_row_is_changed_after_the_sale(client: Client) -> None:
    """Another article, count, price and rate: the rows, the total, the VAT and the shelf follow, number and date stay."""
    await client.add("/products/", PRODUCT)
    sold = client.till.cashier.ring_up(receipt("R2", line("product", "10.00", quantity=2), gross="20.00"))
    client.till.cashier.change_row("R2", quantity=D("1.125"), price=D("8.00"), vat_rate=D(9), text="Gewogen")
    [row] = await client.all(f"/orders/{sold}/orderrows/")
    assert (row["count"], row["selling_price"], row["total_price"], row["tax"], row["product_name"]) == (D("1.125"), 8, 9, 9, "Gewogen")
    assert (vat(client, sold), client.till.ledger().stock["10001A"]) == ({9: (D("9.00"), D("0.74"))}, D("6.875"))
    client.till.cashier.change_row("R2", sku="BESTAAT-NIET")
    [row] = await client.all(f"/orders/{sold}/orderrows/")
    assert (row["product_number"], row["product_id"], client.till.ledger().stock["10001A"]) == ("BESTAAT-NIET", None, D(8))
    shown = await client.get(f"/orders/{sold}")
    assert (shown["ordernumber_full"], shown["create_date"], shown["total_price"]) == ("R2", "2026-03-14T12:00:00Z", 9)
    with pytest.raises(ValueError, match="no row 1"):
        client.till.cashier.change_row("R2", 1, quantity=D(1))


async def test_rows_come_and_go(client: Client) -> None:
    """One article more, one less."""
    client.till.cashier.add_row("R1", line("product", "2.50", quantity=2, sku="NIEUW"))
    assert (await client.get("/orders/5001"))["total_price"] == 35
    client.till.cashier.remove_row("R1", 1)
    rows = await client.all("/orders/5001/orderrows/")
    assert [one["product_number"] for one in rows] == ["10001A", "NIEUW"]
    assert vat(client) == {21: (D("15.00"), D("2.60"))}


async def test_the_buyer_of_a_receipt_is_changed(client: Client) -> None:
    """E-mail, VAT number, company: also of a receipt of nobody, and of one that another system placed; then nobody again."""
    client.till.cashier.change_customer(
        "R1", email="nieuw@post.example", vat_number="NL123456782B01", company="Nieuw B.V.", name="Jo Nieuw"
    )
    shown = (await client.get("/orders/5001"))["customer"]
    assert (shown["email"], shown["btw"], shown["customertype"]) == ("nieuw@post.example", "NL123456782B01", "b2b")
    assert shown["billingaddress"]["company"] == "Nieuw B.V."
    placed = await client.add(
        "/orders/", {"customer": {"email": "a@b.example", "btw": "OUD", "billingaddress": {"city": "Gent"}}, "orderrows": []}
    )
    client.till.cashier.change_customer(placed["id"], vat_number="BE0403170701")
    shown = (await client.get(f"/orders/{placed['id']}"))["customer"]
    assert (shown["email"], shown["btw"], shown["billingaddress"]["city"]) == ("a@b.example", "BE0403170701", "Gent")
    assert [(one.email, one.vat_number) for one in client.till.receipts()] == [
        ("nieuw@post.example", "NL123456782B01"), ("a@b.example", "BE0403170701"),
    ]  # fmt: skip
    client.till.cashier.drop_customer("R1")
    assert (await client.get("/orders/5001"))["customer"]["email"] == ""
    with pytest.raises(ValueError, match="unknown shoe_size"):
        client.till.cashier.change_customer("R1", shoe_size="43")


async def test_the_buyers_account_and_other_receipts_stay(client: Client) -> None:
    """What is written on one receipt is written on that one."""
    one = client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00", customer_key="17"))
    other = client.till.cashier.ring_up(receipt("R3", line("product", "10.00"), gross="10.00", customer_key="17"))
    client.till.cashier.change_customer(one, email="anders@post.example")
    assert (await client.get(f"/orders/{other}"))["customer"]["email"] == "Bram@post.example"
    assert (await client.get("/users/1"))["username"] == "Bram@post.example"


async def test_the_way_to_pay_is_changed(client: Client) -> None:
    """Also to one that the till did not have before; one that it does not take is refused."""
    with pytest.raises(ValueError, match="paymethod is one of"):
        client.till.cashier.change_paymethod("R1", "tikkie")
    client.till.cashier.add_paymethod("tikkie", "Tikkie")
    client.till.cashier.change_paymethod("R1", "tikkie")
    shown = await client.get("/orders/5001")
    assert (shown["paymethod"], shown["paymethod_id"], shown["paymethod_label"]) == ("tikkie", 5, "Tikkie")
    assert {one["method"] for one in await client.all("/paymethods/")} == {"pin", "cash", "ideal", "voucher", "tikkie"}
    assert dict(client.till.ledger().paymethods) == {"tikkie": D(30)}


async def test_sent_and_taken_along(client: Client) -> None:
    """Statuses 5, with where the parcel is, and 6; a sale all the same."""
    client.till.cashier.ship("R1", "3S123", "PostNL")
    shown = await client.get("/orders/5001")
    assert (shown["status"], shown["track_and_trace_code"], shown["deliver_method"]) == (5, "3S123", "shipping")
    client.till.cashier.hand_over("R1")
    assert (await client.get("/orders/5001"))["status"] == 6
    assert (client.till.ledger().gross, [one.counts for one in client.till.receipts()]) == (D(30), [True])
    with pytest.raises(ValueError, match="status 15"):
        client.till.cashier.mark("R1", 15)


# rows over the API


async def test_rows_of_an_open_order_change_over_the_api(client: Client) -> None:
    """One more, another count, one less, all others: what the vendor allows while the order is not completed."""
    opened = client.till.cashier.open(receipt("R2", line("product", "10.00"), gross="10.00"))
    [first] = await client.all(f"/orders/{opened}/orderrows/")
    added = await client.add(f"/orders/{opened}/orderrows/", {"product_number": "X", "product_name": "X", "price": 2, "count": 3, "tax": 9})
    assert (await client.get(f"/orders/{opened}"))["total_price"] == 16
    assert (await client.send("PATCH", f"/orderrows/{first['id']}", {"count": 2, "price": 9, "discount": 1})).status_code == 204
    assert (await client.get(f"/orders/{opened}"))["total_price"] == 22
    assert (await client.send("DELETE", f"/orderrows/{added['id']}")).status_code == 204
    assert (await client.get(f"/orders/{opened}"))["total_price"] == 16
    rows = {"orderrows": [{"product_number": "Y", "product_name": "Y", "price": 1.5, "count": 1}]}
    assert (await client.send("PUT", f"/orders/{opened}/orderrows/", rows)).status_code == 204
    assert (await client.get(f"/orders/{opened}"))["total_price"] == D("1.5")


async def test_rows_of_a_completed_order_do_not(client: Client) -> None:
    """Refused, and nothing changes; an unknown row is 404."""
    [first, _] = await client.all("/orders/5001/orderrows/")
    row = {"product_number": "X", "product_name": "X", "price": 2, "count": 3}
    for method, uri, body in (
        ("PATCH", f"/orderrows/{first['id']}", {"count": 2}),
        ("DELETE", f"/orderrows/{first['id']}", None),
        ("POST", "/orders/5001/orderrows/", row),
        ("PUT", "/orders/5001/orderrows/", {"orderrows": [row]}),
    ):
        assert await client.refused(method, uri, body) == (400, "400.10")
    assert (await client.refused("PATCH", "/orderrows/1", {"count": 2}))[0] == 404
    assert await listed(client) == [("R1", "30.00")]


# deleted, dated oddly, in fractions


async def test_a_deleted_receipt_is_gone(client: Client) -> None:
    """In no listing, 404 by its id and for its rows, in no figure; its number is not given again, and the judge still sees it."""
    await client.add("/products/", PRODUCT)
    hook = await client.add("/webhooks/", {"event": "orders.deleted", "address": "http://127.0.0.1:9/"})
    sold = client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00"))
    client.till.cashier.delete("R2")
    assert await listed(client) == [("R1", "30.00")]
    assert (await client.refused("GET", f"/orders/{sold}"))[0] == (await client.refused("GET", f"/orders/{sold}/orderrows"))[0] == 404
    assert (client.till.ledger().gross, client.till.ledger().stock["10001A"]) == (D(30), D(8))
    assert [(one.number, one.deleted, one.counts) for one in client.till.receipts()] == [("R1", False, True), ("R2", True, False)]
    with pytest.raises(ValueError, match="was rung up before"):
        client.till.cashier.ring_up(receipt("R2", line("product", "10.00"), gross="10.00"))
    with pytest.raises(ValueError, match="R2 does not exist"):
        client.till.cashier.cancel("R2")
    assert hook["event"] == client.till.till.calls.told[0].event == "orders.deleted"


@pytest.mark.parametrize("away", [timedelta(days=400), timedelta(days=-4000)])
async def test_a_receipt_from_the_future_or_long_ago(client: Client, away: timedelta) -> None:
    """It is listed in its place and found by its date, whatever the clock says; its date can be put right."""
    sold = client.till.cashier.ring_up(replace(receipt("R2", line("product", "10.00"), gross="10.00"), sold_at=NOON + away))
    order = [one["id"] for one in await client.all("/orders/?orderby=create_date")]
    assert order == ([5001, sold] if away > timedelta() else [sold, 5001])
    moment = (NOON + away).strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")
    assert await listed(client, f"&min_create_date={moment}&max_create_date={moment}") == [("R2", "10.00")]
    client.till.cashier.change_date("R2", NOON + timedelta(minutes=3))
    assert [one["create_date"] for one in await client.all("/orders/?orderby=create_date")][1] == "2026-03-14T12:03:00Z"


async def test_weighed_goods_and_fractions_of_a_cent(client: Client) -> None:
    """Three decimals in a count come to whole cents; a till that reckons finer, or odd extra costs, has a total that does not."""
    weighed = replace(line("product", "7.99"), quantity=D("0.345"))
    client.till.cashier.ring_up(receipt("R2", weighed, gross="2.76"))
    exact = client.till.cashier.ring_up(receipt("R3", weighed, gross="2.75655"), exact=True)
    client.till.cashier.change_rounding("R1", D("0.005"), "Afronding")
    assert await listed(client) == [("R1", "30.005"), ("R2", "2.76"), ("R3", "2.75655")]
    [row] = await client.all(f"/orders/{exact}/orderrows/")
    assert (row["count"], row["total_price"]) == (D("0.345"), D("2.75655"))
    assert client.till.ledger().gross == D("35.52155")


# two tills


async def test_the_numbers_of_a_second_till_collide_with_the_firsts() -> None:
    """Two sandboxes: other keys and names, the same ids and numbers, other sales."""
    first, second = (TillSandbox(world(), clock=Clock(), seed=seed, name=name) for seed, name in ((0, "Voor"), (1, "Achter")))
    assert (first.public_key, first.secret_key) != (second.public_key, second.secret_key)
    ids = [
        sandbox.cashier.ring_up(receipt("100", line("product", price), gross=price))
        for sandbox, price in ((first, "10.00"), (second, "12.00"))
    ]
    assert ids == [5001, 5001]
    assert [one.receipts()[0].gross for one in (first, second)] == [D(10), D(12)]
    assert [one.receipts()[0].number for one in (first, second)] == ["100", "100"]


async def test_a_second_till_says_its_name() -> None:
    """By which a person tells them apart."""
    async with till(name="Achter", seed=1) as client:
        assert [one["name"] for one in await client.all("/webshops/")] == ["Achter"]


# the till's own products


async def test_products_by_hand(client: Client) -> None:
    """Added, renumbered, priced and deleted at the till itself; sales find them by their number."""
    added = client.till.cashier.add_product("EIGEN", "Eigen", D("3.50"), stock=D(4))
    client.till.cashier.ring_up(receipt("R2", line("product", "3.50", sku="EIGEN"), gross="3.50"))
    client.till.cashier.change_product("eigen", productnumber="EIGEN-2", price=D("3.75"))
    shown = await client.get(f"/products/{added}")
    assert (shown["productnumber"], shown["price"], shown["stock"]) == ("EIGEN-2", D("3.75"), 3)
    client.till.cashier.delete_product("EIGEN-2")
    assert (await client.refused("GET", f"/products/{added}"))[0] == 404
    for work in (
        lambda: client.till.cashier.delete_product("EIGEN-2"),
        lambda: client.till.cashier.add_product("X", "X", D(1), tariff="hoog"),
    ):
        with pytest.raises(ValueError, match=r"does not exist|tariff is one of"):
            work()


# control routes


async def test_a_person_does_all_that_at_the_control_routes(client: Client) -> None:
    """Each route answers how the receipt stands now, as the judge's list has it."""
    sold = await by_hand(
        client, "POST", "sales",
        {"number": "W1", "lines": [{"sku": "10001A", "quantity": 0.125}, {"sku": "20001B", "price": 1.5, "vat_rate": 0}],
         "completed": False, "create_date": "2027-01-01T00:00:00Z"},
        status=201,
    )  # fmt: skip
    assert sold == {"id": 5002, "number": "W1", "gross": "2.75"}
    path = "receipts/5002"
    state = await by_hand(client, "POST", f"{path}/complete", {"paymethod": "cash", "paid": False})
    assert (state["completed"], state["paid"], state["paymethod"], state["created_at"]) == (
        True,
        False,
        "cash",
        "2027-01-01T00:00:00+00:00",
    )
    assert (await by_hand(client, "POST", f"{path}/pay", {"paymethod": "pin"}))["paid"]
    assert (await by_hand(client, "POST", f"{path}/rows", {"sku": "10001A", "price": "4.00"}))["gross"] == "6.75"
    assert (await by_hand(client, "PATCH", f"{path}/rows/1", {"sku": "ANDERS", "quantity": 2}))["gross"] == "8.25"
    state = await by_hand(client, "DELETE", f"{path}/rows/0")
    assert state["vat"] == {"0": {"gross": "3.00", "vat": "0.00"}, "21": {"gross": "4.00", "vat": "0.69"}}
    edit = {
        "customer": {"email": "x@y.example"}, "paymethod": "ideal", "status": 5, "paid": True, "rounding": "0.004",
        "create_date": "2026-03-14T12:30:00Z",
    }  # fmt: skip
    state = await by_hand(client, "PATCH", path, edit)
    assert (state["email"], state["paymethod"], state["status"], state["gross"]) == ("x@y.example", "ideal", 5, "7.004")
    for what in ("ship", "hand_over", "unpay", "cancel", "reinstate"):
        state = await by_hand(client, "POST", f"{path}/{what}", {})
    assert (state["counts"], state["paid"]) == (True, False)
    assert await by_hand(client, "GET", path) == state
    await by_hand(client, "DELETE", path)
    assert [(one["id"], one["deleted"]) for one in await by_hand(client, "GET", "receipts")] == [(5001, False), (5002, True)]
    await by_hand(client, "POST", "paymethods", {"code": "tikkie"}, status=201)
    await by_hand(client, "POST", "products", {"sku": "EIGEN/1", "name": "Eigen", "price": "3.50", "stock": 4}, status=201)
    await by_hand(client, "PATCH", "products/EIGEN/1", {"price": 3.75})
    assert [str(one["price"]) for one in await client.all("/products/")] == ["3.75"]
    await by_hand(client, "DELETE", "products/EIGEN/1")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "receipts/9/cancel", {}, 404),
        ("POST", "receipts/5001/burn", {}, 404),
        ("POST", "receipts/5001/complete", {}, 400),
        ("POST", "receipts/5001/pay", {"paymethod": ["pin"]}, 400),
        ("POST", "receipts/5001/pay", {"paid": True}, 400),
        ("PATCH", "receipts/5001", {"status": 99, "customer": {"email": "x@y.example"}}, 400),
        ("PATCH", "receipts/5001", {"customer": {"email": 7}}, 400),
        ("PATCH", "receipts/5001", {"create_date": "morgen"}, 400),
        ("PATCH", "receipts/5001", {"create_date": "2026-03-14T12:30:00"}, 400),
        ("PATCH", "receipts/5001/rows/7", {"quantity": 1}, 400),
        ("PATCH", "receipts/5001/rows/0", {"quantity": "veel"}, 400),
        ("DELETE", "products/NIETS", None, 404),
        ("POST", "paymethods", {}, 400),
        ("POST", "sales", {"lines": []}, 400),
        ("POST", "sales", {"sku": "10001A", "paid": "ja"}, 400),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    client: Client, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    """With the reason, where there is one."""
    before = client.till.receipts()
    await by_hand(client, method, path, body, status=status)
    assert client.till.receipts() == before
