"""What sales documents share: how a sale is taxed, what its rows come to, and the fields that follow from its customer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from stdnum.se import personnummer

from connectors.sandbox.eaccounting.errors import Code, Refusal, invalid_field
from connectors.sandbox.eaccounting.money import ZERO, Totals, cents, contained_vat, row_amount, totals

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.validate import Row

_MAX_ROWS: Final = 1000
#: beyond it no ledger item goes (reference: CustomerLedgerItemApi)
_MOST: Final = Decimal("99999999.99")
_DOMESTIC_DECIMALS: Final = 2
_FOREIGN_DECIMALS: Final = 4
#: how a sale is taxed -> the field of a coding that holds its sales account
ACCOUNTS: Final = {
    "home": "DomesticSalesSubjectToVatAccountNumber",
    "free": "DomesticSalesVatExemptAccountNumber",
    "eu": "ForeignSalesSubjectToVatWithinEuAccountNumber",
    "reverse": "ForeignSalesVatExemptWithinEuAccountNumber",
    "export": "ForeignSalesVatExemptOutsideEuAccountNumber",
}
_FINISHED: Final = 2
_COST_CENTERS: Final = ("CostCenterItemId1", "CostCenterItemId2", "CostCenterItemId3")
_COST_OBJECTS: Final = frozenset({"ProjectId", *_COST_CENTERS})
_ADDRESS: Final = ("Address1", "Address2", "PostalCode", "City", "CountryCode")

Treatment = Literal["home", "eu", "reverse", "export"]


@dataclass(frozen=True, slots=True)
class Line:
    """A priced row.  ``rate`` is ``None`` on a text row; ``amount`` holds VAT when the document's prices do.

    ``quantity`` has the sign that counts; ``clean`` keeps the row as it was sent.
    """

    article: Row | None
    text: str
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    rate: Decimal | None
    amount: Decimal
    clean: Row
    vat_free: bool = False


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
    """How a document's rows are read: what its prices hold, which row flag frees from VAT, which row field is the quantity.

    ``reverse`` tells that the flag is about reverse charge, which takes a customer who has it too (reference: section 7, 6).
    """

    currency: str
    private: bool
    free: str
    replace_zero: bool = False
    multiplier: str = "Quantity"
    reverse: bool = False
    sign: int = 1
    #: rows of drafts, orders and quotes carry a line number, which ends at 1000; those of an invoice number themselves (reference: schema)
    numbered: bool = True
    #: the document's own day, empty for today
    day: str = ""


def price_document(books: Books, customer: Row, rows: list[Row], terms: Terms, *, credit: bool) -> Priced:
    """Price the rows of an invoice or draft; how a credit's rows are signed is one of the switches."""
    signs = books.switches.credit_rows
    if credit and signs == "positive":
        return price(books, customer, rows, replace(terms, sign=-1))
    priced = price(books, customer, rows, terms)
    if credit and signs == "either" and priced.totals.total > 0:
        return price(books, customer, rows, replace(terms, sign=-1))
    return priced


def price(books: Books, customer: Row, rows: list[Row], terms: Terms) -> Priced:
    """Price a document's rows.

    Raises:
        Refusal: a row that names no article, too many decimals, a missing sales account.
    """
    if terms.numbered and len(rows) > _MAX_ROWS:
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
        if not article["IsActive"] and books.switches.inactive_records == "refused":
            raise invalid_field(path + "ArticleId", f"The article {article['Number']} is not active.")
        if not _COST_OBJECTS.isdisjoint(row):
            check_cost_objects(books, row, path)
        unit_price = row.get("UnitPrice", ZERO)
        _check_decimals(unit_price, _FOREIGN_DECIMALS if foreign else _DOMESTIC_DECIMALS, path + "UnitPrice")
        if terms.replace_zero and not unit_price:
            unit_price = cents(article["GrossPrice" if includes_vat else "NetPrice"])
        free = row.get(terms.free, False) and (not terms.reverse or customer["ReverseChargeOnConstructionServices"])
        rate = _rate(books, article, taxed, terms, free=free)
        quantity, discount = row.get(terms.multiplier, ZERO) * terms.sign, row.get("DiscountPercentage", ZERO)
        if not -_MOST <= quantity <= _MOST or not -_MOST <= unit_price <= _MOST:
            raise invalid_field(path + terms.multiplier, f"{path}{terms.multiplier} and UnitPrice must be at most {_MOST}.")
        amount = row_amount(quantity, unit_price, discount)
        lines.append(Line(article, row.get("Text") or article["Name"], quantity, unit_price, discount, rate, amount, row, free))
    found = totals(
        ((line.rate, line.amount) for line in lines if line.rate is not None),
        includes_vat=includes_vat,
        per_row=books.switches.vat_per_row,
        whole_units=books.company["DomesticCurrencyRounding"] == 1 and terms.currency == books.currency,
    )
    if max(sum((abs(line.amount) for line in lines), ZERO), abs(found.total)) > _MOST:
        raise invalid_field("Rows", f"The rows come to more than {_MOST}.")
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


def _rate(books: Books, article: Row, taxed: Treatment, terms: Terms, *, free: bool) -> Decimal:
    """Return the VAT rate of a row; the article's coding must know where such a sale is booked."""
    coding = books.codings.rows[article["CodingId"]]
    own: Decimal = coding["VatRatePercent"]
    if terms.day and books.switches.coding_rate_of == "document":
        own, _ = books.rate_on(coding, terms.day)
    if free and terms.reverse and coding["DomesticSalesSubjectToReversedConstructionVatAccountNumber"] is None:
        raise Refusal(Code.REVERSED_VAT_ZERO, f"ReversedVatZeroException - {coding['Name']} is not sold under reverse charge.")
    rate = own if taxed in ("home", "eu") and not free else Decimal(0)
    account = ACCOUNTS["free" if taxed == "home" and not rate else taxed]
    if coding[account] is None:
        raise Refusal(Code.SALES_ACCOUNT_MISSING, f"SalesAccountNumberMissingException - {coding['Name']} has no {account}.")
    return rate


def net_of(line: Line, *, includes_vat: bool) -> Decimal:
    """Return a row's amount without VAT."""
    return line.amount - contained_vat(line.amount, line.rate) if includes_vat and line.rate else line.amount


def mirrored(books: Books, document: Row, quantities: dict[int, Decimal] | None = None) -> Priced:
    """Return what takes a booked document back, at the prices and rates that it was booked at.

    ``quantities`` are how many of which row (its LineNumber), with the sign that they have there; without it all of it goes back.
    """
    scale = 1 if books.switches.vat_percent_is_fraction else 100
    lines = []
    for row in document["Rows"]:
        if row["ArticleId"] is None:
            lines.append(Line(None, row["Text"], ZERO, ZERO, ZERO, None, ZERO, {**row, "Id": None}))
            continue
        quantity = row["Quantity"] if quantities is None else quantities.get(row["LineNumber"], ZERO)
        amount = row_amount(-quantity, row["UnitPrice"], row["DiscountPercentage"])
        clean = {**row, "Id": None, "Quantity": -quantity}
        article = books.article(row["ArticleId"])
        if quantity:
            lines.append(
                Line(
                    article, row["Text"], -quantity, row["UnitPrice"], row["DiscountPercentage"], row["VatRate"] / scale, amount, clean,
                    row["IsVatFree"],
                )
            )  # fmt: skip
    found = totals(
        ((line.rate, line.amount) for line in lines if line.rate is not None),
        includes_vat=document["IncludesVat"],
        per_row=books.switches.vat_per_row,
        whole_units=books.company["DomesticCurrencyRounding"] == 1 and document["CurrencyCode"] == books.currency,
    )
    return Priced(tuple(lines), found, document["IncludesVat"], document["CurrencyCode"])


def as_invoice_rows(priced: Priced) -> Priced:
    """Return a priced order, quote or draft with its rows as an invoice has them."""
    lines = (
        replace(line, clean={**line.clean, "Id": None, "Quantity": line.quantity, "IsVatFree": line.vat_free}) for line in priced.lines
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


def is_credit(books: Books, priced: Priced, *, asked: bool) -> bool:
    """Tell whether a document is a credit.

    Raises:
        Refusal: code 2000, flag and total disagree.
    """
    total = priced.totals.total
    if books.switches.credit_flag == "derived":
        return total < 0
    if (asked and total > 0) or (not asked and total < 0):
        raise invalid_field("IsCreditInvoice", f"The total {total} does not agree with IsCreditInvoice.")
    return asked


def check_cost_objects(books: Books, row: Row, path: str) -> None:
    """Refuse a project or cost centre item that does not exist or is closed.

    Raises:
        Refusal: code 3000, 5005 for a finished project, 5006 for an inactive item.
    """
    if row.get("ProjectId"):
        project = books.require(books.tables["projects"], row["ProjectId"], path + "ProjectId")
        if project["Status"] == _FINISHED:
            raise Refusal(Code.PROJECT_ENDED, f"ProjectEndedException - The project {project['Number']} has ended.")
    for name in _COST_CENTERS:
        if row.get(name):
            item = books.require(books.tables["costcenteritems"], row[name], path + name)
            if not item["IsActive"]:
                raise Refusal(Code.INACTIVE_COST_CENTER, f"InactiveCostCenterException - {item['ShortName']} is not active.")


def check_tax_reduction(books: Books, values: Row, *, name: str = "RotReducedInvoicingPropertyName") -> None:
    """Refuse what a Swedish tax reduction does not allow; ``name`` is the field of the property's name (reference: section 6).

    Raises:
        Refusal: code 2000, or 4029 for a social security number.
    """
    if values.get("RotPropertyType") and not values.get(name):
        raise invalid_field(name, f"{name} is required with RotPropertyType.")
    if not values.get("RotReducedInvoicingType"):
        return
    if books.home != "SE":
        raise invalid_field("RotReducedInvoicingType", "Tax reductions are for Swedish companies.")
    if not values.get("Persons"):
        raise invalid_field("Persons", "Persons are required with a tax reduction.")
    for person in values["Persons"]:
        if not personnummer.is_valid(person["Ssn"]):
            raise Refusal(Code.INVALID_SSN, "SsnNumberIsInvalidException - The social security number is not valid.")
