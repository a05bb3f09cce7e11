"""Opens a company's books for a world: registers, the world's articles, the helper articles and the default debtor."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.books import Books, stock_fields
from connectors.sandbox.eaccounting.chart import DEBTOR_NUMBER, EU_COUNTRIES, OTHER_COUNTRIES, WORLD_RATES
from connectors.sandbox.eaccounting.money import cents

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.sandbox.eaccounting.chart import Coding
    from connectors.sandbox.eaccounting.validate import Row
    from connectors.sandbox.world import World, WorldArticle

_NAME_LENGTH: Final = 50
_HUNDRED: Final = Decimal(100)
_CASH: Final = 2
#: CompanySettings.ProductVariant by name
VARIANTS: Final = {"Standard": 1, "Invoicing": 2, "Bookkeeping": 3, "Solo": 4, "Pro": 5}
_TERMS: Final = ("Normal", "CurrentMonth", "Cash", "CardPayment", "DigitalWallet", "PaymentServiceProvider")
_MONEY: Final = {1: "ChequeAccount", 2: "CashAccount", 5: "DigitalWalletAccount"}


def open_books(books: Books, world: World) -> None:
    """Fill empty books; records of the past are stamped before the clock's now, a second apart."""
    opened = books.now() - timedelta(hours=1, seconds=len(world.articles))
    _places(books, opened)
    _small_registers(books, opened)
    _vat(books, opened)
    _people(books, opened)
    _fiscal_years(books, world, opened)
    _vat_report(books, opened)
    books.company.update(_company(books))
    codings = {coding.key: row for coding, row in zip(books.chart.codings, books.codings.rows.values(), strict=True)}
    for number, name, coding in books.chart.helper_articles():
        books.add(books.articles, _article_values(books, number, name, codings[coding], Decimal(0)), at=opened)
    labels = {
        name: books.add(books.article_labels, {"Name": name}, at=opened)
        for name in sorted({one.label for one in world.articles if one.label})
    }
    for index, article in enumerate(world.articles):
        category = codings[f"{'services' if article.is_service else 'goods'}-{WORLD_RATES.index(article.vat_rate)}"]
        values = _article(books, article, category)
        if article.label:
            values["ArticleLabels"] = [dict(labels[article.label])]
        books.add(books.articles, values, at=opened + timedelta(seconds=index + 1))
    books.add(books.customers, _debtor(books), at=opened)


def _places(books: Books, at: datetime) -> None:
    names = {country[0] for country in (*EU_COUNTRIES, *OTHER_COUNTRIES)}
    for members, is_eu in ((EU_COUNTRIES, True), (OTHER_COUNTRIES, False)):
        for code, name, english in members:
            books.add(books.countries, {"Code": code, "Name": name, "NameEnglish": english, "IsEuMember": is_eu}, at=at)
    if books.home not in names:
        books.add(books.countries, {"Code": books.home, "Name": books.home, "NameEnglish": books.home}, at=at)
    for code in books.rates:
        books.add(books.currencies, {"Code": code}, at=at)
    for name in books.chart.banks:
        books.add(books.tables["banks"], {"Name": name}, at=at)


def _small_registers(books: Books, at: datetime) -> None:
    chart = books.chart
    for name, english, code, short, short_english in chart.units:
        unit = {"Name": name, "NameEnglish": english, "Code": code, "Abbreviation": short, "AbbreviationEnglish": short_english}
        books.add(books.units, {key: value for key, value in unit.items() if key in books.units.schema.fields}, at=at)
    for name, english, days, kind in chart.terms:
        terms = {
            "Name": name, "NameEnglish": english, "NumberOfDays": days,
            "TermsOfPaymentTypeId": kind, "TermsOfPaymentTypeText": _TERMS[kind],
            "AvailableForSales": True, "AvailableForPurchase": kind == 0,
        }  # fmt: skip
        books.add(books.terms, terms, at=at)
    for name, english, kind, ledger in chart.money:
        account = {
            "Name": name, "NameEnglish": english, "BankAccountType": kind, "BankAccountTypeDescription": _MONEY[kind], "IsActive": True,
            "LedgerAccountNumber": ledger, "CurrencyCode": books.currency, "IsDefaultChequeAccount": ledger == chart.money[0][3],
        }  # fmt: skip
        account["Balance"] = {"Balance": Decimal(0), "Date": books.today()}
        books.add(books.bank_accounts, account, at=at)
    for number, text, _ in chart.types:
        books.add(books.tables["accountTypes"], {"Type": number, "TypeDescription": text}, at=at)
    for register, name, english in (("deliverymethods", chart.helpers[1], "Shipping"), ("deliveryterms", "DAP", "Delivered at place")):
        row = books.add(books.tables[register], {"Name": name, "NameEnglish": english, "Code": english[:3].upper()}, at=at)
        if "Editable" in row:
            books.tables[register].update(row, Editable=True)
    for number, name in ((1, "Afdeling"), (2, "Filiaal")) if books.home == "NL" else ((1, "Department"), (2, "Branch")):
        books.add(books.tables["costcenters"], {"Name": name, "Number": number, "IsActive": True, "Items": []}, at=at)


def _vat(books: Books, at: datetime) -> None:
    chart = books.chart
    rates = (*chart.rates, Decimal(0))
    scale = Decimal(1) if books.switches.vat_percent_is_fraction else _HUNDRED
    for (code, text, account), rate in zip(chart.vat_codes, rates, strict=True):
        related = {"AccountNumber1": account, "AccountNumber2": None, "AccountNumber3": None}
        values = {"Code": code, "Description": text, "VatRate": rate / _HUNDRED * scale, "RelatedAccounts": related}
        books.add(books.vat_codes, values, at=at)
    for coding in chart.codings:
        values = {
            "Name": coding.name, "NameEnglish": coding.english, "Type": coding.kind, "VatRate": chart.vat_codes[coding.rate][0],
            "VatRatePercent": rates[coding.rate] / _HUNDRED, "IsActive": True,
        }  # fmt: skip
        books.add(books.codings, {**values, **_sales_accounts(books, coding, taxed=rates[coding.rate] > 0)}, at=at)


def _sales_accounts(books: Books, coding: Coding, *, taxed: bool) -> Row:
    """Return where sales are booked; a liability or a difference stays where it belongs, wherever it is sold to."""
    ledger, own = books.chart.ledger, not coding.key.startswith(("goods", "services"))
    return {
        "DomesticSalesSubjectToVatAccountNumber": coding.ledger if taxed else None,
        "DomesticSalesVatExemptAccountNumber": coding.ledger,
        "DomesticSalesVatCodeExemptAccountNumber": coding.ledger,
        "DomesticSalesSubjectToReversedConstructionVatAccountNumber": ledger.reversed_construction if coding.key == "services-0" else None,
        "ForeignSalesSubjectToVatWithinEuAccountNumber": coding.ledger if own else ledger.eu_taxed,
        "ForeignSalesVatExemptWithinEuAccountNumber": coding.ledger if own else ledger.eu_free,
        "ForeignSalesVatExemptOutsideEuAccountNumber": coding.ledger if own else ledger.export,
    }


def _people(books: Books, at: datetime) -> None:
    for first, last, mail, is_consultant in (("Jo", "Winkel", "jo", False), ("Bo", "Houder", "bo", True)):
        user = {"FirstName": first, "LastName": last, "Email": f"{mail}@winkel.example", "IsActive": True, "IsConsultant": is_consultant}
        books.add(books.tables["users"], {**user, "IsCurrentUser": not is_consultant}, at=at)
    if books.home in ("SE", "NO"):  # the only countries that categorise foreign purchases (reference: SupplierApi)
        codes = books.tables["foreignpaymentcodes"]
        for code, text in ((101, "Import of goods"), (462, "Other services")):
            books.add(codes, {"Code": code, "Description": text, "CountryCode": books.home}, at=at)


def _fiscal_years(books: Books, world: World, at: datetime) -> None:
    today = int(books.today()[:4])
    years = [int(books.local_date(receipt.sold_at)[:4]) for receipt in world.receipts] + [today, today + 1]
    for year in range(books.switches.first_fiscal_year or min(years), max(years) + 1):
        add_fiscal_year(books, date(year, 1, 1).isoformat(), f"{year}-12-31", at)


def _vat_report(books: Books, at: datetime) -> None:
    """File an empty report for the quarter before this one."""
    today = date.fromisoformat(books.today())
    end = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1) - timedelta(days=1)
    start = end.replace(month=end.month - 2, day=1)
    name = f"{end.year} Q{end.month // 3}"
    books.add(books.tables["vatreports"], {"Name": name, "StartDate": start.isoformat(), "EndDate": end.isoformat()}, at=at)


def add_fiscal_year(books: Books, start: str, end: str, at: datetime) -> Row:
    """Open a fiscal year with the country's accounts."""
    row = books.add(books.fiscal_years, {"StartDate": start, "EndDate": end}, at=at)
    vat = {account: code for code, *_, account in books.chart.vat_codes if account}
    codes = {one["Code"]: one for one in books.vat_codes.rows.values()}
    for number, name in books.chart.accounts:
        code = codes.get(vat.get(number, ""))
        kind, text = books.chart.account_type(number)
        values = {
            "Name": name, "Number": str(number), "FiscalYearId": row["Id"], "IsActive": True, "AllowTransactionText": True,
            "IsProjectAllowed": True, "IsCostCenterAllowed": True, "Type": kind, "TypeDescription": text,
            "VatCodeId": code and code["Id"], "VatCodeDescription": code and code["Description"],
        }  # fmt: skip
        books.add(books.accounts, values, at=at)
    return row


def _company(books: Books) -> Row:
    row = books.schemas("CompanySettingsApi").blank()
    chart, switches = books.chart, books.switches
    first = next(iter(books.fiscal_years.rows.values()))["StartDate"]
    locked = switches.locked_to
    modules = ["api_standard"] if switches.api_module else []
    modules += [*(["sales_standard"] if switches.sales_module else []), *(["stock_standard"] if books.stock_module else [])]
    row.update({
        "Name": "De Winkel B.V. sandbox", "Email": "boekhouding@winkel.example", "Phone": chart.phone, "Address1": "Dorpsstraat 1",
        "PostalCode": chart.postal_code, "City": chart.city, "CountryCode": books.home, "CurrencyCode": books.currency,
        "TermsOfPaymentId": next(iter(books.terms.rows)), "AccountNumberDigits": 4, "TypeOfBusiness": 1, "VatPeriod": 3,
        "AccountingLockedTo": locked.isoformat() if locked else f"{int(first[:4]) - 1}-12-31",
        "ProductVariant": VARIANTS[switches.variant], "CompanyStatus": int(switches.company_active), "ActivatedModules": modules,
        "CompanyIdentifier": books.new_id(), "ShowPricesExclVatPC": switches.show_prices_excl_vat_pc,
        "DomesticCurrencyRounding": switches.domestic_currency_rounding, "KeepOriginalDraftDate": switches.keep_original_draft_date,
        "CorporateIdentityNumber": chart.organisation_number, "VatCode": chart.vat_number, "UseAutomaticVatCalculation": False,
        "UsesCostCenter": True, "UsesProject": True,
    })  # fmt: skip
    row["AutoInvoice"]["AutoInvoiceActivationStatus"] = 2 if switches.auto_invoice else 0
    return row


def _article_values(books: Books, number: str, name: str, coding: Row, gross: Decimal) -> Row:
    unit = next(iter(books.units.rows.values()))
    step = Decimal(1).scaleb(-books.switches.price_decimals)
    net = (gross / (1 + coding["VatRatePercent"])).quantize(step, ROUND_HALF_UP)
    service = coding["Type"] == "Service"
    stock = books.stock_module and not service
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


def _debtor(books: Books) -> Row:
    terms = next(row for row in books.terms.rows.values() if row["TermsOfPaymentTypeId"] == _CASH)
    return {
        "CustomerNumber": DEBTOR_NUMBER, "Name": books.chart.debtor, "InvoiceCity": books.chart.city,
        "InvoicePostalCode": books.chart.postal_code, "InvoiceCountryCode": books.home,
        "IsActive": True, "IsPrivatePerson": True, "TermsOfPaymentId": terms["Id"], "TermsOfPayment": dict(terms),
        "CurrencyCode": books.currency,
    }  # fmt: skip
