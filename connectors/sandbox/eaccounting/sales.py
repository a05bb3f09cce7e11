"""What sales documents share: how a sale is taxed, what its rows come to, and the fields that follow from its customer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from connectors.sandbox.eaccounting.errors import Code, Refusal, invalid_field
from connectors.sandbox.eaccounting.money import ZERO, Totals, cents, contained_vat, row_amount, totals

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.validate import Row

_MAX_ROWS: Final = 1000
_DOMESTIC_DECIMALS: Final = 2
_FOREIGN_DECIMALS: Final = 4
_ACCOUNTS: Final = {
    "home": "DomesticSalesSubjectToVatAccountNumber",
    "free": "DomesticSalesVatExemptAccountNumber",
    "eu": "ForeignSalesSubjectToVatWithinEuAccountNumber",
    "reverse": "ForeignSalesVatExemptWithinEuAccountNumber",
    "export": "ForeignSalesVatExemptOutsideEuAccountNumber",
}
_ADDRESS: Final = ("Address1", "Address2", "PostalCode", "City", "CountryCode")

Treatment = Literal["home", "eu", "reverse", "export"]


@dataclass(frozen=True, slots=True)
class Line:
    """A priced row.  ``rate`` is ``None`` on a text row; ``amount`` holds VAT when the document's prices do."""

    article: Row | None
    text: str
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    rate: Decimal | None
    amount: Decimal
    clean: Row


@dataclass(frozen=True, slots=True)
class Priced:
    """A document's rows with what they come to, in the document's currency."""

    lines: tuple[Line, ...]
    totals: Totals
    includes_vat: bool
    currency: str


def treatment(books: Books, customer: Row) -> Treatment:
    """Tell how a sale to a customer is taxed (reference: eaccounting.md section 6, customers)."""
    based = customer["DeliveryCountryCode"] if customer["DeliveryBasedVat"] else customer["InvoiceCountryCode"]
    country = based or books.home
    if country == books.home:
        return "home"
    if books.is_eu(country) or customer["IsNorthernIreland"]:
        return "reverse" if customer["VatNumber"] and not customer["IsPrivatePerson"] else "eu"
    return "home" if customer["ForceBookkeepVat"] else "export"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a document's rows are read: what its prices hold, which row flag frees from VAT, which row field is the quantity."""

    currency: str
    private: bool
    free: str
    replace_zero: bool = False
    multiplier: str = "Quantity"


def price(books: Books, customer: Row, rows: list[Row], terms: Terms) -> Priced:
    """Price a document's rows.

    Raises:
        Refusal: a row that names no article, too many decimals, a missing sales account.
    """
    if len(rows) > _MAX_ROWS:
        raise invalid_field("Rows", f"At most {_MAX_ROWS} rows are allowed.")
    taxed = treatment(books, customer)
    includes_vat = terms.private and books.switches.show_prices_excl_vat_pc == books.switches.includes_vat_polarity
    foreign = terms.currency != books.currency or (customer["InvoiceCountryCode"] or books.home) != books.home
    lines = []
    for index, row in enumerate(rows):
        path = f"Rows[{index}]."
        if row.get("ArticleId") is None or row.get("IsTextRow"):
            lines.append(_text_line(row, path))
            continue
        article = books.require(books.articles, row["ArticleId"], path + "ArticleId")
        unit_price = row.get("UnitPrice", ZERO)
        _check_decimals(unit_price, _FOREIGN_DECIMALS if foreign else _DOMESTIC_DECIMALS, path + "UnitPrice")
        if terms.replace_zero and not unit_price:
            unit_price = cents(article["GrossPrice" if includes_vat else "NetPrice"])
        rate = _rate(books, article, taxed, free=row.get(terms.free, False))
        quantity, discount = row.get(terms.multiplier, ZERO), row.get("DiscountPercentage", ZERO)
        amount = row_amount(quantity, unit_price, discount)
        lines.append(Line(article, row.get("Text") or article["Name"], quantity, unit_price, discount, rate, amount, row))
    found = totals(
        ((line.rate, line.amount) for line in lines if line.rate is not None),
        includes_vat=includes_vat,
        per_row=books.switches.vat_per_row,
        whole_units=books.company["DomesticCurrencyRounding"] == 1 and terms.currency == books.currency,
    )
    return Priced(tuple(lines), found, includes_vat, terms.currency)


def _text_line(row: Row, path: str) -> Line:
    if row.get("ArticleId") is None and row.get("IsTextRow") is False:
        raise invalid_field(path + "ArticleId", f"{path}ArticleId is required unless the row is a text row.")
    if not row.get("Text"):
        raise invalid_field(path + "Text", f"{path}Text must have at least one character on a text row.")
    return Line(None, row["Text"], ZERO, ZERO, ZERO, None, ZERO, row)


def _check_decimals(value: Decimal, allowed: int, field: str) -> None:
    if value != value.quantize(Decimal(1).scaleb(-allowed)):
        raise invalid_field(field, f"{field} may have at most {allowed} decimals.")


def _rate(books: Books, article: Row, taxed: Treatment, *, free: bool) -> Decimal:
    """Return the VAT rate of a row; the article's coding must know where such a sale is booked."""
    coding = books.codings.rows[article["CodingId"]]
    rate: Decimal = coding["VatRatePercent"] if taxed in ("home", "eu") and not free else Decimal(0)
    account = _ACCOUNTS["free" if taxed == "home" and not rate else taxed]
    if coding[account] is None:
        raise Refusal(Code.SALES_ACCOUNT_MISSING, f"SalesAccountNumberMissingException - {coding['Name']} has no {account}.")
    return rate


def net_of(line: Line, *, includes_vat: bool) -> Decimal:
    """Return a row's amount without VAT."""
    return line.amount - contained_vat(line.amount, line.rate) if includes_vat and line.rate else line.amount


def as_invoice_rows(priced: Priced, free: str) -> Priced:
    """Return a priced order or draft with its rows as an invoice has them; ``free`` names their flag for no VAT."""
    lines = (
        replace(line, clean={**line.clean, "Id": None, "Quantity": line.quantity, "IsVatFree": line.clean.get(free, False)})
        for line in priced.lines
    )
    return replace(priced, lines=tuple(lines))


def shown_rate(books: Books, rate: Decimal | None) -> Decimal | None:
    """Return a rate as rows and specifications show it."""
    return rate if rate is None or books.switches.vat_percent_is_fraction else rate * 100


def row_fields(books: Books, line: Line, number: int, *, known: Row) -> dict[str, Any]:
    """Return a row's fields, as far as its kind of row (``known``) has them."""
    article = line.article
    fields: dict[str, Any] = {
        **line.clean,
        "Id": line.clean.get("Id") or books.new_id(),
        "LineNumber": number,
        "IsTextRow": article is None,
        "Text": line.text,
        "UnitPrice": line.unit_price,
        "Quantity": line.clean.get("Quantity", ZERO) if article else ZERO,
        "DiscountPercentage": line.discount,
        "Amount": line.amount,
        "VatRate": shown_rate(books, line.rate),
        "ArticleId": article and article["Id"],
        "ArticleNumber": article and article["Number"],
    }
    if article:
        unit = books.units.rows[article["UnitId"]]
        fields.update({name: article[name] for name in ("IsServiceArticle", "UnitId", "UnitName", "PurchasePrice", "FreightCosts")})
        fields.update(UnitAbbreviation=unit["Abbreviation"], UnitAbbreviationEnglish=unit["AbbreviationEnglish"])
    return {name: value for name, value in fields.items() if name in known}


def customer_fields(customer: Row, values: Row, *, fixed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return addresses, names and numbers: the document's own where it has them, else the customer's; ``fixed`` are never its own."""
    fields: dict[str, Any] = {
        "CustomerNumber": customer["CustomerNumber"],
        "CustomerName": customer["Name"],
        "CustomerIsPrivatePerson": customer["IsPrivatePerson"],
        "InvoiceCustomerName": values.get("InvoiceCustomerName") or customer["Name"],
        "DeliveryCustomerName": values.get("DeliveryCustomerName") or customer["DeliveryCustomerName"],
    }
    for side in ("Invoice", "Delivery"):
        for part in _ADDRESS:
            name = side + part
            fields[name] = customer[name] if name in fixed else values.get(name) or customer[name]
    return fields


def due_date(terms: Row, day: str) -> str:
    """Return the date by which terms of payment want the money of a document of ``day``."""
    start = date.fromisoformat(day)
    if terms["TermsOfPaymentTypeId"] == 1:  # the current month ends first
        start = (start.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return (start + timedelta(days=terms["NumberOfDays"])).isoformat()


def check_sign(priced: Priced, *, credit: bool) -> None:
    """Refuse a document whose credit flag and total disagree.

    Raises:
        Refusal: code 2000.
    """
    total = priced.totals.total
    if (credit and total > 0) or (not credit and total < 0):
        raise invalid_field("IsCreditInvoice", f"The total {total} does not agree with IsCreditInvoice.")
