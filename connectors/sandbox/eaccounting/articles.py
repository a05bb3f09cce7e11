"""Articles: numbers, prices against the coding's VAT, and stock."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.books import stock_fields
from connectors.sandbox.eaccounting.call import path_id
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.journal import post
from connectors.sandbox.eaccounting.labels import attached
from connectors.sandbox.eaccounting.listing import listing
from connectors.sandbox.eaccounting.money import cents
from connectors.sandbox.eaccounting.validate import EMPTY_ID

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_CENT: Final = Decimal("0.01")
_WITH_ROWS: Final = ("customerinvoices", "customerinvoicedrafts", "orders", "quotes", "quotedrafts")


def _list(call: Call) -> bytes:
    _customer_prices(call)
    return listing(call, "articles", view="two-decimals" if call.flag("showPricesWithTwoDecimals") else "")


def _get(call: Call) -> bytes:
    _customer_prices(call)
    articles = call.books.articles
    return articles.text(call.row(articles), "two-decimals" if call.flag("showPricesWithTwoDecimals") else "")


def _customer_prices(call: Call) -> None:
    """Check the customer whose prices are asked for; without price lists they are the common ones."""
    customer = call.query.get("customerId")
    if customer is not None:
        call.books.require(call.books.customers, path_id(customer), "customerId")


def _post(call: Call) -> bytes:
    books = call.books
    _check_number(books, call.body["Number"], None)
    values = {**books.articles.schema.blank(), "SendToWebshop": True, **call.body}
    values.update(_derived(books, call.body, values))
    values.update(_stock(books, call.body, values, None))
    return books.articles.text(books.add(books.articles, values))


def _put(call: Call) -> bytes:
    books = call.books
    row = call.row(books.articles)
    _check_number(books, call.body["Number"], row)
    values = books.replacement(books.articles, row, {"SendToWebshop": True, **call.body})
    values.update(_derived(books, call.body, values))
    values.update(_stock(books, call.body, values, row))
    if values["CodingId"] != row["CodingId"]:
        post(books)  # what is booked stays where it was booked
    return books.articles.text(books.change(books.articles, row, values))


def edit(books: Books, number: str, changes: Row) -> bytes:
    """Change an article as a person does in the vendor's own screens: only the fields given, stock included.

    Where only the coding changes, the net price stays.

    Raises:
        Refusal: code 3000 for an unknown number, 4000 for one that is taken, 2000 for what cannot be.
    """
    row = by_number(books, number)
    schema = books.articles.schema
    body = schema.clean({**{name: row[name] for name, field in schema.fields.items() if field.required}, **changes})
    values = {**row, **{name: body[name] for name in changes if name in body}}
    if "Number" in changes:
        _check_number(books, body["Number"], row)
    if "NetPrice" in changes or "GrossPrice" in changes:
        prices: Row = {name: body[name] for name in ("NetPrice", "GrossPrice") if name in changes}
    elif values["CodingId"] != row["CodingId"]:
        coding = books.require(books.codings, values["CodingId"], "CodingId")
        prices = {"NetPrice": row["NetPrice"], "GrossPrice": cents(row["NetPrice"] * (1 + coding["VatRatePercent"]))}
    else:
        prices = {"NetPrice": row["NetPrice"], "GrossPrice": row["GrossPrice"]}
    values.update(_derived(books, prices, values))
    moved = "StockBalance" in body and body["StockBalance"] != row["StockBalance"]
    if moved:
        values.update(stock_fields(values, body["StockBalance"], row["StockBalanceReserved"]))
        values["StockBalanceManuallyChangedUtc"] = books.stamp(books.now())
    if changes.keys() <= {"StockBalance"} and not books.switches.stock_touches_article:
        return books.articles.text(books.articles.update(row, **values))
    if values["CodingId"] != row["CodingId"]:
        post(books)  # what is booked stays where it was booked
    return books.articles.text(books.change(books.articles, row, values))


def by_number(books: Books, number: str) -> Row:
    """Return an article.

    Raises:
        Refusal: code 3000, there is none.
    """
    for row in books.articles.find("Number", number):
        return row
    raise Refusal(Code.RESOURCE_NOT_FOUND, f"There is no article {number}.")


def delete(books: Books, number: str) -> None:
    """Delete an article as a person does in the vendor's own screens.

    Raises:
        Refusal: code 3000 for an unknown number, 4001 for one that a document has.
    """
    row = by_number(books, number)
    documents = (document for name in _WITH_ROWS for document in books.tables[name].rows.values())
    if books.switches.article_deletion == "unused" and any(
        line["ArticleId"] == row["Id"] for document in documents for line in document["Rows"] or ()
    ):
        raise cannot_be_deleted("The article has transactions.")
    books.gone_articles[row["Id"]] = row
    books.articles.remove(row)


def _check_number(books: Books, number: str, row: Row | None) -> None:
    if any(other is not row for other in books.articles.find("Number", number)):
        raise Refusal(
            Code.CONFLICT, f"ConflictException - An article with the number {number} already exists.", status=books.switches.conflict_status
        )


def _derived(books: Books, body: Row, values: Row) -> Row:
    """Return the fields that follow from the others: prices, coding, unit, labels, supplier."""
    coding = books.require(books.codings, values["CodingId"], "CodingId")
    unit = books.require(books.units, values["UnitId"], "UnitId")
    if values["SupplierId"] not in (None, EMPTY_ID):
        books.require(books.tables["suppliers"], values["SupplierId"], "SupplierId")
    net, gross = _prices(books, body, coding["VatRatePercent"])
    purchase = cents(values["PurchasePrice"])
    return {
        "NetPrice": net,
        "GrossPrice": gross,
        "NetPriceWithDiscount": net,
        "CodingName": coding["Name"],
        "UnitName": unit["Name"],
        "UnitAbbreviation": unit["Abbreviation"],
        "PurchasePrice": purchase,
        "PurchasePriceWithCurrency": purchase,
        "CurrencyCode": values["CurrencyCode"] or books.currency,
        "IsServiceArticle": coding["Type"] == "Service",
        "ShowStockInformation": coding["Type"] != "Service" and (values["IsStock"] or not books.stock_module),
        "ArticleLabels": attached(books.article_labels, values["ArticleLabels"]),
        "SupplierId": None if values["SupplierId"] == EMPTY_ID else values["SupplierId"],
    }


def _prices(books: Books, body: Row, rate: Decimal) -> tuple[Decimal, Decimal]:
    net, gross = body.get("NetPrice"), body.get("GrossPrice")
    if books.switches.omitted_price == "derived":
        if net is None and gross is not None:
            net = cents(gross / (1 + rate))
        elif gross is None and net is not None:
            gross = cents(net * (1 + rate))
    net, gross = net or Decimal(0), gross or Decimal(0)
    if abs(net * (1 + rate) - gross) > _CENT:
        raise invalid_field("GrossPrice", f"GrossPrice must equal NetPrice with VAT: {net} with {rate:.0%} is {cents(net * (1 + rate))}.")
    return net, gross


def _stock(books: Books, body: Row, values: Row, row: Row | None) -> Row:
    """Return the stock fields; with the stock module active a balance in a body counts for nothing."""
    switches = books.switches
    balance = row["StockBalance"] if row else Decimal(0)
    reserved = row["StockBalanceReserved"] if row else Decimal(0)
    service = values["IsServiceArticle"]
    if not books.stock_module:
        if values["IsStock"]:
            raise invalid_field("IsStock", "IsStock can only be set while the stock module is active.")
        return stock_fields(values, body.get("StockBalance", Decimal(0)), Decimal(0))
    if row and row["IsStock"] and balance and service:
        raise Refusal(Code.STOCK_TO_SERVICE, "StockToServiceNoZeroBalanceException - The stock balance of the article is not zero.")
    if row and row["IsStock"] and balance and not values["IsStock"]:
        raise Refusal(Code.STOCK_TO_NON_STOCK, "StockToNonStockNoZeroBalanceException - The stock balance of the article is not zero.")
    if values["IsStock"] and service:
        raise invalid_field("IsStock", "An article of the type Service cannot be a stock article.")
    if switches.stock_balance_written == "refused" and body.get("StockBalance", balance) != balance:
        raise invalid_field("StockBalance", "StockBalance is read-only while the stock module is active.")
    return stock_fields(values, balance, reserved)


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /articles": _list,
    "POST /articles": _post,
    "GET /articles/{articleId}": _get,
    "PUT /articles/{articleId}": _put,
}
