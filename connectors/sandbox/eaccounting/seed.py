"""Opens a company's books for a world: registers, the world's articles, the helper articles and the default debtor."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from connectors.sandbox.eaccounting import chart
from connectors.sandbox.eaccounting.books import ZONE, Books, first_day, stock_fields
from connectors.sandbox.eaccounting.money import cents

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.sandbox.eaccounting.validate import Row
    from connectors.sandbox.world import World, WorldArticle

_NAME_LENGTH = 50
_HUNDRED = Decimal(100)


def open_books(books: Books, world: World) -> None:
    """Fill empty books; records of the past are stamped before the clock's now, a second apart."""
    opened = books.now() - timedelta(hours=1, seconds=len(world.articles))
    _registers(books, opened)
    _fiscal_years(books, world, opened)
    books.company.update(_company(books))
    codings = {key: row for (key, *_), row in zip(chart.CODINGS, books.codings.rows.values(), strict=True)}
    for number, name, coding in chart.HELPER_ARTICLES:
        books.add(books.articles, _article_values(books, number, name, codings[coding], Decimal(0)), at=opened)
    labels = {
        name: books.add(books.article_labels, {"Name": name}, at=opened)
        for name in sorted({one.label for one in world.articles if one.label})
    }
    for index, article in enumerate(world.articles):
        category = codings[f"{'services' if article.is_service else 'goods'}-{article.vat_rate.to_integral_value()}"]
        values = _article(books, article, category)
        if article.label:
            values["ArticleLabels"] = [dict(labels[article.label])]
        books.add(books.articles, values, at=opened + timedelta(seconds=index + 1))
    number, name = chart.DEFAULT_DEBTOR
    books.add(books.customers, _debtor(books, number, name), at=opened)


def _registers(books: Books, at: datetime) -> None:
    names = {country[0] for country in (*chart.EU_COUNTRIES, *chart.OTHER_COUNTRIES)}
    for members, is_eu in ((chart.EU_COUNTRIES, True), (chart.OTHER_COUNTRIES, False)):
        for code, name, english in members:
            books.add(books.countries, {"Code": code, "Name": name, "NameEnglish": english, "IsEuMember": is_eu}, at=at)
    if books.home not in names:
        books.add(books.countries, {"Code": books.home, "Name": books.home, "NameEnglish": books.home}, at=at)
    for code, _ in chart.CURRENCIES:
        books.add(books.currencies, {"Code": code}, at=at)
    scale = Decimal(1) if books.switches.vat_percent_is_fraction else _HUNDRED
    for code, text, rate, account in chart.VAT_CODES:
        related = {"AccountNumber1": account, "AccountNumber2": None, "AccountNumber3": None}
        values = {"Code": code, "Description": text, "VatRate": Decimal(rate) / _HUNDRED * scale, "RelatedAccounts": related}
        books.add(books.vat_codes, values, at=at)
    for name, english, code, short, short_english in chart.UNITS:
        values = {"Name": name, "NameEnglish": english, "Code": code, "Abbreviation": short, "AbbreviationEnglish": short_english}
        books.add(books.units, {key: value for key, value in values.items() if key in books.units.schema.fields}, at=at)
    for name, english, days, kind, text in chart.TERMS:
        values = {
            "Name": name, "NameEnglish": english, "NumberOfDays": days, "TermsOfPaymentTypeId": kind, "TermsOfPaymentTypeText": text,
            "AvailableForSales": True, "AvailableForPurchase": kind == 0,
        }  # fmt: skip
        books.add(books.terms, values, at=at)
    for name, english, kind, text, ledger in chart.MONEY_ACCOUNTS:
        values = {
            "Name": name, "NameEnglish": english, "BankAccountType": kind, "BankAccountTypeDescription": text, "IsActive": True,
            "LedgerAccountNumber": ledger, "CurrencyCode": books.currency, "IsDefaultChequeAccount": name == "Bank",
        }  # fmt: skip
        books.add(books.bank_accounts, values, at=at)
    for _, name, english, category, code, percent, ledger in chart.CODINGS:
        coding = {
            "Name": name,
            "NameEnglish": english,
            "Type": category,
            "VatRate": code,
            "VatRatePercent": percent / _HUNDRED,
            "IsActive": True,
        }
        books.add(books.codings, {**coding, **_sales_accounts(ledger, taxed=percent > 0)}, at=at)


def _sales_accounts(ledger: int, *, taxed: bool) -> Row:
    own = 1000 < ledger < 8000  # noqa: PLR2004 - a liability or a difference is booked where it belongs, wherever it is sold to
    return {
        "DomesticSalesSubjectToVatAccountNumber": ledger if taxed else None,
        "DomesticSalesVatExemptAccountNumber": ledger,
        "DomesticSalesVatCodeExemptAccountNumber": ledger,
        "ForeignSalesSubjectToVatWithinEuAccountNumber": ledger if own else 8120,
        "ForeignSalesVatExemptWithinEuAccountNumber": ledger if own else 8100,
        "ForeignSalesVatExemptOutsideEuAccountNumber": ledger if own else 8110,
    }


def _fiscal_years(books: Books, world: World, at: datetime) -> None:
    years = [receipt.sold_at.astimezone(ZONE).year for receipt in world.receipts] + [books.now().year, books.now().year + 1]
    for year in range(books.switches.first_fiscal_year or min(years), max(years) + 1):
        row = books.add(books.fiscal_years, {"StartDate": first_day(year), "EndDate": f"{year}-12-31"}, at=at)
        for number, name in chart.ACCOUNTS:
            values = {"Name": name, "Number": str(number), "FiscalYearId": row["Id"], "IsActive": True, "AllowTransactionText": True}
            books.add(books.accounts, values, at=at)


def _company(books: Books) -> Row:
    row = books.schemas("CompanySettingsApi").blank()
    first = next(iter(books.fiscal_years.rows.values()))["StartDate"]
    locked = books.switches.locked_to
    modules = ["api_standard", "sales_standard", *(["stock_standard"] if books.switches.stock_module else [])]
    row.update({
        "Name": "De Winkel B.V. sandbox", "Email": "boekhouding@winkel.example", "Phone": "+31200000000", "Address1": "Dorpsstraat 1",
        "PostalCode": "1011 AA", "City": "Amsterdam", "CountryCode": books.home, "CurrencyCode": books.currency,
        "TermsOfPaymentId": next(iter(books.terms.rows)), "AccountNumberDigits": 4, "TypeOfBusiness": 6, "VatPeriod": 3,
        "AccountingLockedTo": locked.isoformat() if locked else f"{int(first[:4]) - 1}-12-31",
        "ProductVariant": 5, "CompanyStatus": 1, "ActivatedModules": modules, "CompanyIdentifier": books.new_id(),
        "ShowPricesExclVatPC": books.switches.show_prices_excl_vat_pc,
        "DomesticCurrencyRounding": books.switches.domestic_currency_rounding,
        "KeepOriginalDraftDate": books.switches.keep_original_draft_date,
        "CorporateIdentityNumber": "12345678", "VatCode": "NL001234567B01", "UseAutomaticVatCalculation": False,
    })  # fmt: skip
    return row


def _article_values(books: Books, number: str, name: str, coding: Row, gross: Decimal) -> Row:
    unit = next(iter(books.units.rows.values()))
    step = Decimal(1).scaleb(-books.switches.price_decimals)
    net = (gross / (1 + coding["VatRatePercent"])).quantize(step, ROUND_HALF_UP)
    service = coding["Type"] == "Service"
    stock = books.switches.stock_module and not service
    return {
        "Number": number, "Name": name[:_NAME_LENGTH], "IsActive": True, "NetPrice": net, "NetPriceWithDiscount": net, "GrossPrice": gross,
        "CodingId": coding["Id"], "CodingName": coding["Name"], "UnitId": unit["Id"], "UnitName": unit["Name"],
        "UnitAbbreviation": unit["Abbreviation"], "IsServiceArticle": service, "IsStock": stock,
        "ShowStockInformation": not service, "SendToWebshop": not service, "CurrencyCode": books.currency,
    }  # fmt: skip


def _article(books: Books, article: WorldArticle, coding: Row) -> Row:
    purchase = cents(article.purchase_price or Decimal(0))
    values = _article_values(books, article.sku, article.name, coding, article.price)
    values.update({
        "PurchasePrice": purchase, "PurchasePriceWithCurrency": purchase,
        "Barcodes": [{"Barcode": article.ean, "BarcodeType": 0}] if article.ean else [],
        "ArticleLabels": [],
    })  # fmt: skip
    values.update(stock_fields(values, article.stock if not article.is_service else Decimal(0), Decimal(0)))
    return values


def _debtor(books: Books, number: str, name: str) -> Row:
    terms = next(row for row in books.terms.rows.values() if row["Name"] == "Contant")
    return {
        "CustomerNumber": number, "Name": name, "InvoiceCity": "Amsterdam", "InvoicePostalCode": "1011 AA",
        "InvoiceCountryCode": books.home,
        "IsActive": True, "IsPrivatePerson": True, "TermsOfPaymentId": terms["Id"], "TermsOfPayment": dict(terms),
        "CurrencyCode": books.currency,
    }  # fmt: skip
