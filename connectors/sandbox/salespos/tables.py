"""The till's smaller resources: what it says of itself, customers, ways to pay, packages, day closings and webhooks."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import CASHUP_CLOSED, CASHUP_OPEN, UNKNOWN_ID
from connectors.sandbox.salespos.fields import check
from connectors.sandbox.salespos.signing import read_date, write_date
from connectors.sandbox.salespos.wire import Refused, invalid, page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from connectors.sandbox.salespos.shapes import Shapes
    from connectors.sandbox.salespos.till import Table, Till
    from connectors.sandbox.salespos.wire import Call

USER_FILTERS: Final = frozenset({"approval_status", "orderby"})
#: [A] cash-up filters
CASHUP_FILTERS: Final = frozenset({"min_create_date", "max_create_date"})
_USER_ORDERS: Final = ("id", "first_name", "last_name")
_ZERO: Final = Decimal(0)


class Tables:
    """Handles ``webshops``, ``users``, ``paymethods``, ``packages``, ``cashups`` and ``webhooks``."""

    def __init__(self, till: Till, shapes: Shapes) -> None:
        self._till = till
        self._shapes = shapes

    def webshops(self, call: Call) -> dict[str, Any]:
        """List the one shop that this is."""
        return self._page(call, [None], lambda _, base: self._shapes.webshop(base))

    def webshop(self, call: Call) -> dict[str, Any]:
        """Show the shop."""
        self._only_shop(call)
        return self._shapes.webshop(call.base)

    def settings(self, call: Call) -> dict[str, Any]:
        """Show the shop's settings."""
        self._only_shop(call)
        return self._shapes.settings(call.base)

    def users(self, call: Call) -> dict[str, Any]:
        """List customers with an account."""
        name, descending = call.order(_USER_ORDERS, "id")
        shown = [self._shapes.user(number, call.base) for number in (*self._till.customers, *self._till.users.rows)]
        if (status := call.query.get("approval_status")) is not None:
            shown = [user for user in shown if user["approval_status"] == status]
        if name != "id":
            shown.sort(key=lambda user: str(((user["userinfo"] or {}).get("billingaddress") or {}).get(name) or "").casefold())
        if descending:
            shown.reverse()
        return self._page(call, shown, lambda user, _: user)

    def user(self, call: Call) -> dict[str, Any]:
        """Show one customer."""
        if call.id not in self._till.customers and call.id not in self._till.users.rows:
            raise Refused(UNKNOWN_ID, f"user {call.id} does not exist")
        return self._shapes.user(call.id, call.base)

    def create_user(self, call: Call) -> dict[str, Any]:
        """Add a customer with an account."""
        check("user.post", call.body, ("username", "password"))
        values = {name: value for name, value in call.body.items() if name not in ("password", "encryption", "gender")}
        row = self._till.users.add({"status": True, "approval_status": "approved", **values})
        return self._shapes.user(row["id"], call.base)

    def change_user(self, call: Call) -> None:
        """Write the fields given of a customer that was added here; those that came with the shop stay as they are."""
        check("user.patch", call.body)
        row = _find(self._till.users, call)
        row.update({name: value for name, value in call.body.items() if name not in ("password", "encryption")})

    def paymethods(self, call: Call) -> dict[str, Any]:
        """List the ways to pay."""
        return self._page(call, [*self._till.paymethods.values()], self._shapes.paymethod)

    def packages(self, call: Call) -> dict[str, Any]:
        """List packages."""
        return self._rows(call, self._till.packages, "packages")

    def package(self, call: Call) -> dict[str, Any]:
        """Show one package."""
        return self._shapes.plain("packages")(_find(self._till.packages, call), call.base)

    def create_package(self, call: Call) -> dict[str, Any]:
        """Add a package."""
        check("package.write", call.body, ("name",))
        return self._shapes.plain("packages")(self._till.packages.add(call.body), call.base)

    def change_package(self, call: Call) -> None:
        """Rename a package."""
        row = _find(self._till.packages, call)
        check("package.write", call.body)
        row.update(call.body)

    def webhooks(self, call: Call) -> dict[str, Any]:
        """List webhooks."""
        return self._rows(call, self._till.webhooks, "webhooks")

    def webhook(self, call: Call) -> dict[str, Any]:
        """Show one webhook with its key."""
        return self._shapes.plain("webhooks")(_find(self._till.webhooks, call), call.base)

    def create_webhook(self, call: Call) -> dict[str, Any]:
        """Register a webhook and give it a key."""
        check("webhook.post", call.body, ("event", "address"))
        key = f"{self._till.random.getrandbits(128):032x}"
        row = self._till.webhooks.add({"is_active": True, **call.body, "createdate": write_date(self._till.now()), "key": key})
        return self._shapes.plain("webhooks")(row, call.base)

    def change_webhook(self, call: Call) -> None:
        """Change address or switch a webhook on or off."""
        row = _find(self._till.webhooks, call)
        check("webhook.patch", call.body)
        row.update(call.body)

    def delete_webhook(self, call: Call) -> None:
        """Remove a webhook."""
        del self._till.webhooks.rows[_find(self._till.webhooks, call)["id"]]

    def cashups(self, call: Call) -> dict[str, Any]:
        """List day closings."""
        first, last = call.moment("min_create_date"), call.moment("max_create_date")
        rows = [
            row
            for row in self._till.cashups.rows.values()
            if (first is None or row["create_date"] >= write_date(first)) and (last is None or row["create_date"] <= write_date(last))
        ]
        return self._page(call, rows, self._shapes.plain("cashups"))

    def cashup(self, call: Call) -> dict[str, Any]:
        """Show one day closing."""
        return self._shapes.plain("cashups")(_find(self._till.cashups, call), call.base)

    def open_cashup(self, call: Call) -> dict[str, Any]:
        """Open a day closing (reference: it has status OPEN); [A] its period starts where the last one ended, or as the body says."""
        ended = [row["end_period"] for row in self._till.cashups.rows.values() if row["end_period"]]
        now = write_date(self._till.now())
        start = _moment(call.body, "start_period") or (max(ended) if ended else now)
        row = self._till.cashups.add({"create_date": now, "start_period": start, "end_period": None, "status": CASHUP_OPEN})
        row.update(number_full=f"Z{row['id']:05d}", balances=[], vat_totals=[])
        return self._shapes.plain("cashups")(row, call.base)

    def close_cashup(self, call: Call) -> None:
        """[A] Close with ``{"status": "CLOSED", "balances": [{"paymethod", "counted"}]}``; the totals are the till's own.

        ``end_period`` is now or as the body says; the period includes its start and not its end.
        """
        row = _find(self._till.cashups, call)
        if row["status"] != CASHUP_OPEN:
            raise invalid(f"cash-up {row['number_full']} is closed")
        if call.body.get("status") != CASHUP_CLOSED:
            raise invalid(f"status is {CASHUP_CLOSED}")
        counted = _counted(call.body.get("balances", []))
        end = _moment(call.body, "end_period") or write_date(self._till.now())
        expected: dict[str, Decimal] = {}
        vat: dict[Decimal, tuple[Decimal, Decimal]] = {}
        for order in self._till.orders_between(read_date(row["start_period"]), read_date(end)):
            if write_date(order.created_at) == end or not order.sold or not (order.paid or self._till.switches.unpaid_in_cashups):
                continue
            method = (order.paymethod or "") if order.paid else ""
            expected[method] = expected.get(method, _ZERO) + order.total
            for rate, (gross, tax) in order.vat_by_rate().items():
                before = vat.get(rate, (_ZERO, _ZERO))
                vat[rate] = (before[0] + gross, before[1] + tax)
        row.update(
            status=CASHUP_CLOSED,
            end_period=end,
            balances=[_balance(method, expected.get(method, _ZERO), counted.get(method)) for method in sorted({*expected, *counted})],
            vat_totals=[
                {"tax": rate, "total_ex": gross - tax, "total_tax": tax, "total_inc": gross} for rate, (gross, tax) in sorted(vat.items())
            ],
        )

    def _only_shop(self, call: Call) -> None:
        if call.id != 1:
            raise Refused(UNKNOWN_ID, f"webshop {call.id} does not exist")

    def _rows(self, call: Call, table: Table, resource: str) -> dict[str, Any]:
        return self._page(call, [*table.rows.values()], self._shapes.plain(resource))

    def _page(self, call: Call, items: Sequence[Any], show: Callable[[Any, str], dict[str, Any]]) -> dict[str, Any]:
        return page(call, items, lambda item: show(item, call.base), self._till.switches, self._till.plan)


def _find(table: Table, call: Call) -> dict[str, Any]:
    row = table.rows.get(call.id)
    if row is None:
        raise Refused(UNKNOWN_ID, f"{table.model} {call.id} does not exist")
    return row


def _moment(body: dict[str, Any], name: str) -> str | None:
    if name not in body:
        return None
    moment: datetime | None = read_date(body[name]) if isinstance(body[name], str) else None
    if moment is None:
        raise invalid(f"{name} is not a date")
    return write_date(moment)


def _counted(balances: Any) -> dict[str, Decimal]:
    counted: dict[str, Decimal] = {}
    for one in balances if isinstance(balances, list) else [None]:
        if not isinstance(one, dict) or not isinstance(one.get("paymethod"), str) or not isinstance(one.get("counted"), int | Decimal):
            raise invalid("balances are {paymethod, counted}")
        counted[one["paymethod"]] = Decimal(one["counted"])
    return counted


def _balance(method: str, expected: Decimal, counted: Decimal | None) -> dict[str, Any]:
    found = expected if counted is None else counted
    return {"paymethod": method, "expected": expected, "counted": found, "difference": found - expected}
