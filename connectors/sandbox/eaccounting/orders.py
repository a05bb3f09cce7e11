"""Orders: reserve stock while they are ongoing, ship it, and become invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting import invoices, sales
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_changed, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.listing import listed, one
from connectors.sandbox.eaccounting.money import ZERO, Totals
from connectors.sandbox.eaccounting.validate import EMPTY_ID

if TYPE_CHECKING:
    from decimal import Decimal

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

DRAFT, ONGOING, SHIPPED, INVOICED = 1, 2, 3, 4
_FREE: Final = "EligibleForReverseChargeOnVat"
_SHARED: Final = (
    "EuThirdParty", "CustomerId", "DeliveryDate", "RotReducedInvoicingType", "RotPropertyType", "Persons", "OurReference", "YourReference",
    "BuyersOrderReference", "InvoiceAddress1", "InvoiceAddress2", "InvoiceCity", "InvoiceCountryCode", "InvoiceCustomerName",
    "InvoicePostalCode", "DeliveryCustomerName", "DeliveryAddress1", "DeliveryAddress2", "DeliveryPostalCode", "DeliveryCity",
    "DeliveryCountryCode", "DeliveryMethodName", "DeliveryMethodCode", "DeliveryTermName", "DeliveryTermCode", "TermsOfPaymentId",
    "UsesGreenTechnology",
)  # fmt: skip


def _post(call: Call) -> bytes:
    books = call.books
    if call.body["Status"] == INVOICED:
        raise invalid_field("Status", "An order cannot be created as invoiced.")
    return books.orders.text(create(books, {**books.orders.schema.blank(), **call.body}))


def create(books: Books, values: Row) -> Row:
    """Keep a new order and reserve or ship what it holds."""
    values.update(computed(books, values))
    if values["Status"] != DRAFT:
        values["Number"] = books.number("order")
    row = books.add(books.orders, values)
    _move(books, None, row)
    return row


def _put(call: Call) -> bytes:
    books = call.books
    row = call.row(books.orders)
    if row["Status"] == INVOICED or (row["Status"] == SHIPPED and not books.switches.shipped_order_editable):
        raise cannot_be_changed("The order is shipped or invoiced.")
    if call.body["Status"] == INVOICED:
        raise invalid_field("Status", "An order is invoiced by converting it.")
    values = books.replacement(books.orders, row, call.body)
    values.update(computed(books, values))
    if values["Status"] != DRAFT and row["Number"] is None:
        values["Number"] = books.number("order")
    return _change(books, row, values)


def _delete(call: Call) -> bytes:
    books = call.books
    row = call.row(books.orders)
    if row["Status"] in (SHIPPED, INVOICED):
        raise cannot_be_deleted("The order is shipped or invoiced.")
    _move(books, row, None)
    books.orders.remove(row)
    return b""


def _confirm(call: Call) -> bytes:
    books = call.books
    row = _in_state(call, DRAFT)
    return _change(books, row, {**row, "Status": ONGOING, "Number": books.number("order")})


def _complete(call: Call) -> bytes:
    books = call.books
    row = _in_state(call, ONGOING)
    values = {**row, "Status": SHIPPED, "ShippedDateTime": books.today()}
    if books.switches.completed_delivers_all and not any(line["DeliveredQuantity"] for line in row["Rows"]):
        values["Rows"] = _delivered(row["Rows"])
        values.update(computed(books, values))
    return _change(books, row, values)


def _reopen(call: Call) -> bytes:
    row = _in_state(call, SHIPPED)
    if row["Id"] in call.books.backorders:
        raise Refusal(Code.ORDER_CANNOT_BE_VOIDED, "OrderCannotBeVoidedException - The order has a backorder.")
    return _change(call.books, row, {**row, "Status": ONGOING, "ShippedDateTime": None})


def _order_back(call: Call) -> bytes:
    """Make an order of what was ordered and not delivered, once (reference: section 6, orders)."""
    books = call.books
    row = call.row(books.orders)
    if row["Status"] not in (SHIPPED, INVOICED) or books.orders.rows.get(books.backorders.get(row["Id"], "")):
        raise cannot_be_changed("The order is not shipped, or has a backorder already.")
    rows = [
        {**line, "Quantity": line["Quantity"] - line["DeliveredQuantity"], "DeliveredQuantity": ZERO, "Id": None}
        for line in row["Rows"]
        if line["ArticleId"] is not None and line["Quantity"] > line["DeliveredQuantity"]
    ]
    if not rows:
        raise cannot_be_changed("Everything was delivered.")
    fresh = {"Id": EMPTY_ID, "Number": None, "Status": ONGOING, "ShippedDateTime": None, "OrderDate": books.today()}
    made = create(books, {**row, **fresh, "Rows": rows, "SalesDocumentAttachments": None})
    books.backorders[row["Id"]] = made["Id"]
    return books.orders.text(made)


def _convert(call: Call) -> bytes:
    """Make an invoice of what was delivered, or of everything when nothing was shipped yet."""
    books = call.books
    row = call.row(books.orders)
    if row["Status"] not in (ONGOING, SHIPPED):
        raise invalid_field("Status", "The order is a draft, or already invoiced.")
    customer = books.require(books.customers, row["CustomerId"], "CustomerId")
    shipped = row if row["Status"] == SHIPPED else {**row, "Rows": _delivered(row["Rows"])}
    shipped = {**shipped, **computed(books, shipped)}
    delivered = _priced(books, customer, shipped, "DeliveredQuantity")
    if not any(line.article for line in delivered.lines):
        text = "CustomerInvoiceMissingOrderArticlesException - There is no article on the order."
        raise Refusal(Code.INVOICE_MISSING_ORDER_ARTICLES, text)
    credit = delivered.totals.total < 0
    values = {**{name: row[name] for name in _SHARED}, "IsCreditInvoice": credit}
    invoice = invoices.book(
        books, customer, values, sales.as_invoice_rows(delivered), moves_stock=False, origin={"CreatedFromOrderId": row["Id"]}
    )
    _change(books, row, {**shipped, "Status": INVOICED, "ShippedDateTime": row["ShippedDateTime"] or books.today()})
    return books.invoices.text(invoice)


def _in_state(call: Call, status: int) -> Row:
    row = call.row(call.books.orders)
    if row["Status"] != status:
        raise cannot_be_changed(f"The order has the status {row['Status']}, not {status}.")
    return row


def _delivered(rows: list[Row]) -> list[Row]:
    return [{**line, "DeliveredQuantity": line["Quantity"]} for line in rows]


def _change(books: Books, row: Row, values: Row) -> bytes:
    before = {"Status": row["Status"], "Rows": row["Rows"]}
    books.change(books.orders, row, values)
    _move(books, before, row)
    return books.orders.text(row)


def _move(books: Books, before: Row | None, after: Row | None) -> None:
    """Move stock by the difference between what an order held and what it holds now."""
    effects: dict[str, tuple[Decimal, Decimal]] = {}
    for order, sign in ((before, -1), (after, 1)):
        for line in (order or {"Rows": ()})["Rows"]:
            if line["ArticleId"] is None or order is None or order["Status"] == DRAFT:
                continue
            reserved, shipped = effects.get(line["ArticleId"], (ZERO, ZERO))
            if order["Status"] == ONGOING:
                reserved += sign * max(line["Quantity"] - line["DeliveredQuantity"], ZERO)
            elif order["Status"] == SHIPPED and books.switches.stock_moves == "invoice":
                reserved += sign * line["DeliveredQuantity"]
            else:
                shipped += sign * line["DeliveredQuantity"]
            effects[line["ArticleId"]] = (reserved, shipped)
    for key, (reserved, shipped) in effects.items():
        books.move_stock(books.articles.rows[key], balance=-shipped, reserved=reserved)


def computed(books: Books, values: Row) -> Row:
    """Return what follows from an order's own fields: addresses, prices, sums."""
    sales.check_tax_reduction(books, values, name="HouseWorkPropertyName")
    customer = books.require(books.customers, values["CustomerId"], "CustomerId")
    if values["CurrencyCode"] not in books.currencies.rows:
        raise invalid_field("CurrencyCode", f"The currency {values['CurrencyCode']} is not known.")
    priced = _priced(books, customer, values, "Quantity")
    delivered = _priced(books, customer, values, "DeliveredQuantity")
    terms = values["TermsOfPaymentId"]
    return {
        **sales.customer_fields(customer, values),
        **_sums("", priced.totals),
        **_sums("Delivered", delivered.totals),
        "TermsOfPaymentId": books.require(books.terms, terms, "TermsOfPaymentId")["Id"] if terms else customer["TermsOfPaymentId"],
        "IncludesVat": priced.includes_vat,
        "Rows": [_row(books, line, index + 1) for index, line in enumerate(priced.lines)],
    }


def _priced(books: Books, customer: Row, values: Row, multiplier: str) -> sales.Priced:
    return sales.price(
        books,
        customer,
        values["Rows"] or [],
        sales.Terms(values["CurrencyCode"], customer["IsPrivatePerson"], _FREE, multiplier=multiplier, reverse=True),
    )


def _sums(prefix: str, found: Totals) -> dict[str, Any]:
    return {f"{prefix}Amount": found.total, f"{prefix}VatAmount": found.vat, f"{prefix}RoundingsAmount": found.rounding}


def _row(books: Books, line: sales.Line, number: int) -> Row:
    row = books.schemas("OrderRowApi").blank()
    row.update(sales.row_fields(books, line, line.clean.get("LineNumber", number), known=row))
    return row


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /orders": listed("orders"),
    "POST /orders": _post,
    "GET /orders/{id}": one("orders"),
    "PUT /orders/{id}": _put,
    "DELETE /orders/{id}": _delete,
    "POST /orders/{id}/converteddrafttoorder": _confirm,
    "POST /orders/{id}/completed": _complete,
    "POST /orders/{id}/voided": _reopen,
    "POST /orders/{id}/backorder": _order_back,
    "POST /orders/{id}/convert": _convert,
}
