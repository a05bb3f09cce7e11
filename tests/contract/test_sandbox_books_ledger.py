"""The company behind the books' sandbox: accounts, vouchers, years, registers, settings, and its four countries."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connectors.sandbox.eaccounting.charts import CHARTS
from connectors.sandbox.world import World, WorldReceipt
from tests.contract.books_support import NIL, TODAY, WORLD, Shop, writable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

D = Decimal
SALE = (
    {"AccountNumber": 1300, "DebitAmount": 121},
    {"AccountNumber": 8000, "CreditAmount": 100},
    {"AccountNumber": 1520, "CreditAmount": 21},
)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


def voucher(*rows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a voucher that can be booked."""
    return {"VoucherDate": TODAY, "VoucherText": "Verkoop", "Rows": list(rows or SALE), **fields}


async def balances(shop: Shop, day: str = TODAY) -> dict[int, Decimal]:
    """Return what is on each account, where there is anything."""
    rows = (await shop.get(f"/accountbalances/{day}", S_pagesize=1000))["Data"]
    return {row["AccountNumber"]: row["Balance"] for row in rows if row["Balance"]}


async def year(shop: Shop) -> dict[str, Any]:
    """Return the fiscal year of today."""
    return await shop.one("fiscalyears", StartDate="2026-01-01")


# the general ledger


async def test_invoices_and_payments_are_on_the_accounts(shop: Shop) -> None:
    """A sale at two rates, paid by card, and a credit paid out in cash: every account is right, and the ledger balances."""
    sale = await shop.invoice(await shop.row("85123A", 3, 2.55), await shop.row("22423", 1, 12.75), await shop.row("BOOK", 1, 9.99))
    path, body = await shop.payment(sale, 30.39, account="Pin", PaymentType=2)
    await shop.post(path, body)
    credit = await shop.invoice(await shop.row("BOOK", -1, 9.99), IsCreditInvoice=True)
    path, body = await shop.payment(credit, -9.99, PaymentType=2)
    await shop.post(path, body)
    assert await balances(shop) == {
        1101: D("30.39"), 1000: D("-9.99"), 1520: D("-3.54"), 8000: D("-16.86"),
    }  # fmt: skip
    booked = (await shop.get("/vouchers"))["Data"]
    assert [one["VoucherType"] for one in booked] == [14, 10, 15, 11]
    for one in booked:
        assert sum(row["DebitAmount"] - row["CreditAmount"] for row in one["Rows"]) == 0
    assert (booked[0]["SourceId"], booked[0]["Id"], booked[0]["NumberAndNumberSeries"]) == (
        sale["Id"],
        sale["VoucherId"],
        sale["VoucherNumber"],
    )


async def test_fees_differences_and_foreign_sales_have_their_accounts() -> None:
    """A bank's fee, a rounding to whole units, a sale within the EU without VAT, one outside."""
    async with Shop.open(domestic_currency_rounding=1) as shop:
        sale = await shop.invoice(await shop.row("22423", 1, 30.39))
        path, body = await shop.payment(sale, 29, BankFeeAmount=1, PaymentType=2, account="Bank")
        await shop.post(path, body)
        german = await shop.customer(InvoiceCountryCode="DE", VatNumber="DE136695976")
        american = await shop.customer(InvoiceCountryCode="US")
        for buyer in (german, american):
            await shop.invoice(await shop.row("22423", 1, 10), customer=buyer)
        assert await balances(shop) == {
            1110: D(29), 4750: D(1), 4900: D("0.39"), 1520: D("-5.27"), 8000: D("-25.12"),
            1300: D(20), 8100: D(-10), 8110: D(-10),
        }  # fmt: skip


async def test_a_voucher_is_booked_and_found_in_its_year(shop: Shop) -> None:
    """With the accounts' names and VAT codes, in the default series unless told otherwise."""
    made = await shop.post("/vouchers", voucher(NumberSeries="X"))
    own = await shop.post("/vouchers", voucher(NumberSeries="X"), useDefaultVoucherSeries="false")
    assert [one["NumberSeries"] for one in (made, own)] == ["V", "X"]
    assert made["Rows"][0]["AccountDescription"] == "Debiteuren"
    code = await shop.one("vatcodes", Code="1")
    assert [row["VatCodeId"] for row in made["Rows"]] == [None, None, code["Id"]]
    this = await year(shop)
    assert len((await shop.get(f"/vouchers/{this['Id']}"))["Data"]) == 2
    other = await shop.one("fiscalyears", StartDate="2027-01-01")
    assert (await shop.get(f"/vouchers/{other['Id']}"))["Data"] == []
    assert (await shop.refused("GET", f"/vouchers/{other['Id']}/{made['Id']}"))[:2] == (404, 3000)
    assert (await shop.refused("GET", f"/vouchers/{NIL}"))[:2] == (404, 3001)


async def test_vat_of_a_voucher_is_split_off_on_demand(shop: Shop) -> None:
    """A row with a VAT code held it; the code's account gets it."""
    code = await shop.one("vatcodes", Code="1")
    rows = [{"AccountNumber": 1000, "DebitAmount": 121}, {"AccountNumber": 8000, "CreditAmount": 121, "VatCodeId": code["Id"]}]
    made = await shop.post("/vouchers", voucher(*rows), useAutomaticVatCalculation="true")
    assert [(row["AccountNumber"], row["DebitAmount"], row["CreditAmount"]) for row in made["Rows"]] == [
        (1000, 121, 0), (8000, 0, 100), (1520, 0, 21),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"Rows": [{"AccountNumber": 1000, "DebitAmount": 1}]}, (400, 2000)),
        ({"Rows": []}, (400, 2000)),
        ({"Rows": [{"AccountNumber": 9876, "DebitAmount": 0}]}, (400, 3002)),
        ({"VoucherDate": "1999-01-01"}, (400, 3001)),
        ({"VoucherDate": None}, (400, 2000)),
        ({"VoucherText": "x" * 1001}, (400, 2000)),
    ],
)
async def test_a_voucher_that_cannot_be(shop: Shop, fields: dict[str, Any], refusal: tuple[int, int]) -> None:
    """Unbalanced, empty, on no account, on no day of a year."""
    assert (await shop.refused("POST", "/vouchers", voucher(**fields)))[:2] == refusal
    assert (await shop.get("/vouchers"))["Data"] == []


async def test_a_voucher_draft_may_be_wrong_until_it_is_booked(shop: Shop) -> None:
    """Converted it must balance; then it is gone."""
    draft = await shop.post("/voucherdrafts", voucher({"AccountNumber": 1000, "DebitAmount": 1}))
    path = f"/voucherdrafts/{draft['Id']}"
    assert (await shop.refused("POST", f"{path}/convert"))[:2] == (400, 2000)
    await shop.put(path, voucher())
    made = await shop.post(f"{path}/convert")
    assert made["Rows"][0]["DebitAmount"] == 121
    assert (await shop.refused("GET", path))[:2] == (404, 3000)


async def test_the_ledger_of_customers_follows_invoices_and_vouchers(shop: Shop) -> None:
    """An invoice is an item, paid down with it; one by hand needs a manual voucher that books the total within five cents."""
    invoice = await shop.invoice(await shop.row("22423", 1, 12.75))
    path, body = await shop.payment(invoice, 2.75)
    [item] = (await shop.get("/customerledgeritems"))["Data"]
    assert (item["Id"], item["RemainingAmountInvoiceCurrency"]) == (invoice["Id"], D("12.75"))
    await shop.post(path, body)
    assert (await shop.get(f"/customerledgeritems/{item['Id']}"))["RemainingAmountInvoiceCurrency"] == 10
    by_hand = {
        "CurrencyCode": "EUR", "CustomerId": (await shop.debtor())["Id"], "DueDate": TODAY, "InvoiceDate": TODAY, "InvoiceNumber": 900,
        "IsCreditInvoice": False, "TotalAmountInvoiceCurrency": 121.05, "RemainingAmountInvoiceCurrency": 100,
        "VATAmountInvoiceCurrency": 21, "RoundingsAmountInvoiceCurrency": 0,
    }  # fmt: skip
    made = await shop.post("/customerledgeritems/customerledgeritemswithvoucher", {**by_hand, "Voucher": voucher()})
    assert (made["InvoiceNumber"], made["CurrencyRate"]) == (900, 1)
    for fields in (
        {"TotalAmountInvoiceCurrency": 121.06},
        {"RemainingAmountInvoiceCurrency": 200},
        {"IsCreditInvoice": True},
        {"CurrencyCode": "XXX"},
        {"VoucherId": invoice["VoucherId"]},
    ):
        body = {**by_hand, "VoucherId": made["VoucherId"], **fields}
        assert (await shop.refused("POST", "/customerledgeritems", body))[:2] == (400, 2000), fields
    assert (await shop.refused("POST", "/customerledgeritems", {**by_hand, "VoucherId": NIL}))[:2] == (400, 3000)


# accounts and years


async def test_accounts_are_kept_by_year(shop: Shop) -> None:
    """A new one is in its year alone; its number is a number, is free, and stays."""
    this, other = await year(shop), await shop.one("fiscalyears", StartDate="2027-01-01")
    body = {"Name": "Wisselgeld", "Number": "1001", "FiscalYearId": this["Id"], "IsActive": True}
    made = await shop.post("/accounts", body)
    assert (made["Type"], made["TypeDescription"]) == (2, "Vlottende activa en schulden")
    assert (await shop.get(f"/accounts/{this['Id']}/1001"))["Name"] == "Wisselgeld"
    assert (await shop.refused("GET", f"/accounts/{other['Id']}/1001"))[:2] == (404, 3000)
    assert (await shop.refused("POST", "/accounts", body))[:2] == (409, 4000)
    assert (await shop.refused("PUT", f"/accounts/{this['Id']}/1001", {**body, "Number": "1002"}))[2] == {"Number"}
    for fields, refusal in (({"Number": "10a"}, (400, 2000)), ({"FiscalYearId": NIL}, (400, 3001)), ({"VatCodeId": NIL}, (400, 3000))):
        assert (await shop.refused("POST", "/accounts", {**body, "Number": "1003", **fields}))[:2] == refusal


async def test_balances_are_asked_for_at_a_day(shop: Shop) -> None:
    """Of all accounts or of one; before the voucher there is nothing on them, and a day must be a day."""
    await shop.post("/vouchers", voucher())
    assert await balances(shop) == {1300: 121, 8000: -100, 1520: -21}
    assert await balances(shop, "2026-03-15") == {}
    one = await shop.get(f"/accountbalances/1300/{TODAY}")
    assert (one["AccountName"], one["Balance"]) == ("Debiteuren", 121)
    listed = await shop.get(f"/accountbalances/{TODAY}", S_filter="AccountNumber ge 8000", S_orderby="AccountNumber desc", S_pagesize=2)
    assert (len(listed["Data"]), listed["Data"][0]["AccountNumber"]) == (2, 8120)
    assert (await shop.refused("GET", f"/accountbalances/9999/{TODAY}"))[:2] == (404, 3002)
    assert (await shop.refused("GET", "/accountbalances/yesterday"))[:2] == (400, 6001)


async def test_opening_balances_add_up_to_nothing(shop: Shop) -> None:
    """They are part of every balance; an unbalanced set, an unknown account or a list that is none is refused."""
    path = "/fiscalyears/openingbalances"
    await shop.put(path, [{"AccountNumber": 1110, "Balance": 500}, {"AccountNumber": 500, "Balance": -500}])
    assert {row["Number"]: row["Balance"] for row in (await shop.get(path))["Data"] if row["Balance"]} == {1110: 500, 500: -500}
    assert (await balances(shop))[1110] == 500
    assert (await shop.refused("PUT", path, [{"AccountNumber": 1110, "Balance": 1}]))[:2] == (400, 2000)
    assert (await shop.refused("PUT", path, [{"AccountNumber": 1, "Balance": 0}]))[:2] == (400, 3002)
    assert (await shop.refused("PUT", path, {"AccountNumber": 1110}))[:2] == (400, 2000)


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2027-07-01", "2028-06-30", 4020),
        ("2028-01-01", "2030-01-31", 4021),
        ("2028-01-01", "2028-12-30", 4022),
        ("2029-01-01", "2029-12-31", 4002),
        ("2028-12-31", "2028-01-01", 2000),
        ("0001-01-01", "0001-12-31", 2000),
    ],
)
async def test_a_fiscal_year_that_cannot_be(shop: Shop, start: str, end: str, code: int) -> None:
    """Overlapping, too long, ending inside a month, leaving a gap, ending before it starts."""
    assert (await shop.refused("POST", "/fiscalyears", {"StartDate": start, "EndDate": end}))[:2] == (400, code)


async def test_a_locked_year_takes_no_bookings(shop: Shop) -> None:
    """4038 for invoices and vouchers until it is unlocked; a new year has the same accounts."""
    this = await year(shop)
    made = await shop.post("/fiscalyears", {"StartDate": "2028-01-01", "EndDate": "2028-12-31"})
    accounts = [len((await shop.get(f"/accounts/{one['Id']}", S_pagesize=1000))["Data"]) for one in (this, made)]
    assert accounts[0] == accounts[1] > 20
    await shop.put(f"/fiscalyears/{this['Id']}", {"IsLockedForAccounting": True})
    body = await shop.invoice_body(await shop.row("BOOK", 1, 9.99))
    assert (await shop.refused("POST", "/customerinvoices", body))[:2] == (400, 4038)
    assert (await shop.refused("POST", "/vouchers", voucher()))[:2] == (400, 4038)
    await shop.put(f"/fiscalyears/{this['Id']}", {"IsLockedForAccounting": False})
    await shop.post("/customerinvoices", body)


async def test_a_locked_period_takes_no_bookings(shop: Shop) -> None:
    """The lock settings close the books up to the end of a month: 4026."""
    settings = await shop.put(
        "/companysettings/accountinglocksettings", {"AccountingLockedAsOf": {"Year": 2026, "Month": 2}, "AccountingLockInterval": 1}
    )
    assert (settings["AccountingLockedTo"], settings["AccountingLockInterval"]) == ("2026-02-28", 1)
    assert (await shop.refused("POST", "/vouchers", voucher(VoucherDate="2026-02-28")))[:2] == (400, 4026)
    await shop.post("/vouchers", voucher(VoucherDate="2026-03-01"))
    for year_number in (0, 10_000):
        body = {"AccountingLockedAsOf": {"Year": year_number, "Month": 1}}
        assert (await shop.refused("PUT", "/companysettings/accountinglocksettings", body))[:2] == (400, 2000)


# settings and registers


async def test_settings_are_replaced_but_for_what_is_read_only(shop: Shop) -> None:
    """Name and website change, variant and currency do not; what may be null to be left alone is; the phone is required here."""
    before = await shop.get("/companysettings")
    body = {
        **writable("CompanySettingsApi", before),
        "Name": "Nieuwe Naam",
        "Website": "winkel.example",
        "CompanyText": {"OrderTextDomestic": "Dank"},
    }
    after = await shop.put("/companysettings", {**body, "LatePaymentFee": None})
    assert (after["Name"], after["Website"], after["CompanyText"]["OrderTextDomestic"]) == ("Nieuwe Naam", "winkel.example", "Dank")
    for kept in ("ProductVariant", "CurrencyCode", "ActivatedModules", "CompanyIdentifier", "KeepOriginalDraftDate"):
        assert after[kept] == before[kept]
    assert (await shop.refused("PUT", "/companysettings", {**body, "Phone": None}))[2] == {"Phone"}
    assert (await shop.refused("PUT", "/companysettings", {**body, "CountryCode": "SE"}))[2] == {"CountryCode"}


async def test_bank_accounts_are_kept(shop: Shop) -> None:
    """On an account of the ledger; one with payments is not deleted but put out of use."""
    account = await shop.one("bankaccounts", Name="Kas")
    body = writable("BankAccountApi", account)
    await shop.post(*await shop.payment(await shop.invoice(await shop.row("BOOK", 1, 9.99)), 9.99))
    assert (await shop.refused("DELETE", f"/bankaccounts/{account['Id']}"))[:2] == (400, 4001)
    closed = await shop.put(f"/bankaccounts/{account['Id']}", {**body, "IsActive": False})
    assert closed["IsActive"] is False
    path, payment = await shop.payment(await shop.invoice(await shop.row("BOOK", 1, 9.99)), 9.99)
    assert (await shop.refused("POST", path, payment))[2] == {"CompanyBankAccountId"}
    assert (await shop.refused("POST", "/bankaccounts", {**body, "LedgerAccountNumber": 9999}))[:2] == (400, 3002)
    assert (await shop.refused("POST", "/bankaccounts", {**body, "Bank": NIL.replace("0", "1")}))[:2] == (400, 3000)


async def test_exchange_rates_are_from_one_currency_to_another(shop: Shop) -> None:
    """Both ways, at a date; an unknown currency is 6001."""
    rate = await shop.get("/currencies/exchangerate", sourceCurrencyCode="GBP", targetCurrencyCode="EUR", date="2026-03-01")
    assert (rate["Rate"], rate["Date"]) == (D("1.15"), "2026-03-01")
    assert (await shop.get("/currencies/exchangerate", sourceCurrencyCode="EUR", targetCurrencyCode="USD"))["Rate"] == D("1.086957")
    assert (await shop.refused("GET", "/currencies/exchangerate", sourceCurrencyCode="XXX"))[:2] == (400, 6001)


async def test_projects_have_their_own_numbers(shop: Shop) -> None:
    """Taken is 409/4000; a project belongs to a customer by name too; it does not end before it starts."""
    customer = await shop.customer()
    body = {"Number": "P1", "Name": "Verbouwing", "StartDate": TODAY, "Status": 1, "CustomerId": customer["Id"]}
    made = await shop.post("/projects", body)
    assert made["CustomerName"] == customer["Name"]
    assert (await shop.refused("POST", "/projects", {**body, "Number": "p1"}))[:2] == (409, 4000)
    assert (await shop.refused("POST", "/projects", {**body, "Number": "P2", "EndDate": "2026-03-15"}))[2] == {"EndDate"}
    assert (await shop.refused("POST", "/projects", {**body, "Number": "P" * 10}))[2] == {"Number"}


async def test_cost_centres_show_their_items(shop: Shop) -> None:
    """An item belongs to one centre for good, under a short name of its own."""
    first, second = (await shop.get("/costcenters"))["Data"]
    body = {"CostCenterId": first["Id"], "Name": "Winkel", "ShortName": "W", "IsActive": True}
    made = await shop.post("/costcenteritems", body)
    assert [item["Id"] for item in (await shop.get("/costcenters"))["Data"][0]["Items"]] == [made["Id"]]
    assert (await shop.refused("POST", "/costcenteritems", {**body, "ShortName": "w"}))[:2] == (409, 4000)
    assert (await shop.refused("PUT", f"/costcenteritems/{made['Id']}", {**body, "CostCenterId": second["Id"]}))[2] == {"CostCenterId"}
    await shop.put(f"/costcenteritems/{made['Id']}", {**body, "Name": "Kelder"})
    assert (await shop.get("/costcenters"))["Data"][0]["Items"][0]["Name"] == "Kelder"


async def test_suppliers_are_numbered_and_checked(shop: Shop) -> None:
    """The next number or one's own; terms for purchases, a valid VAT number; the main supplier of an article stays."""
    terms = await shop.one("termsofpayments", Name="30 dagen")
    cash = await shop.one("termsofpayments", Name="Contant")
    body = {"Name": "Groothandel", "TermsOfPaymentId": terms["Id"]}
    made = await shop.post("/suppliers", body)
    assert (made["SupplierNumber"], made["CountryCode"], made["CurrencyCode"], made["IsActive"]) == ("1", "NL", "EUR", True)
    assert (await shop.post("/suppliers", body))["SupplierNumber"] == "2"
    for fields, refusal in (
        ({"SupplierNumber": "1"}, (409, 4000)),
        ({"TermsOfPaymentId": cash["Id"]}, (400, 2000)),
        ({"VatNumber": "NL123456789B01"}, (400, 4025)),
        ({"CountryCode": "XX"}, (400, 2000)),
        ({"BankIban": "no"}, (400, 2000)),
    ):
        assert (await shop.refused("POST", "/suppliers", {**body, **fields}))[:2] == refusal
    await shop.post("/articles", await shop.article_body(SupplierId=made["Id"]))
    assert (await shop.refused("DELETE", f"/suppliers/{made['Id']}"))[:2] == (400, 4001)


async def test_partner_links_point_at_what_exists(shop: Shop) -> None:
    """By kind and id; orders have no kind, and what buying needs is not here."""
    article = await shop.article("BOOK")
    body = {"ResourceId": article["Id"], "ResourceType": 0, "Href": "till/7", "PartnerCompanyName": "P", "PartnerSystemName": "S"}
    made = await shop.post("/partnerresourcelinks", body)
    assert [one["Id"] for one in (await shop.get("/partnerresourcelinks", S_filter=f"ResourceId eq {article['Id']}"))["Data"]] == [
        made["Id"]
    ]
    for fields, refusal in (({"ResourceType": 1}, (400, 3000)), ({"ResourceType": 4}, (400, 3000)), ({"ResourceType": 7}, (400, 2000))):
        assert (await shop.refused("POST", "/partnerresourcelinks", {**body, **fields}))[:2] == refusal


async def test_attachments_are_linked_to_vouchers(shop: Shop) -> None:
    """Matched while they are, and then not deleted; an unknown one is 5007, another document 3000."""
    upload = {"ContentType": "application/pdf", "FileName": "bon", "Data": "JVBERi0="}
    made, other = [await shop.post("/attachments", upload) for _ in range(2)]
    booked = await shop.post("/vouchers", voucher())
    link = {"DocumentId": booked["Id"], "DocumentType": 3, "AttachmentIds": [made["Id"]]}
    assert (await shop.refused("POST", "/attachmentlinks", {**link, "AttachmentIds": [NIL]}))[:2] == (400, 5007)
    assert (await shop.refused("POST", "/attachmentlinks", {**link, "DocumentType": 1}))[:2] == (400, 3000)
    await shop.post("/attachmentlinks", link, status=200)
    unmatched = await shop.get("/attachments", includeMatched="false", includeTemporaryUrl="false")
    assert [(one["Id"], one["TemporaryUrl"]) for one in unmatched["Data"]] == [(other["Id"], None)]
    this = await year(shop)
    assert (await shop.get(f"/vouchers/{this['Id']}/{booked['Id']}"))["Attachments"]["AttachmentIds"] == [made["Id"]]
    assert (await shop.refused("DELETE", f"/attachments/{made['Id']}"))[:2] == (400, 4001)
    assert (await shop.client.get(made["TemporaryUrl"])).content == b"%PDF-"
    await shop.send("DELETE", f"/attachmentlinks/{made['Id']}")
    assert (await shop.refused("DELETE", f"/attachmentlinks/{made['Id']}"))[:2] == (404, 3000)
    await shop.send("DELETE", f"/attachments/{made['Id']}")
    assert (await shop.client.get(made["TemporaryUrl"])).status_code == 404


# countries


@pytest.mark.parametrize("country", CHARTS)
async def test_a_company_of_each_country(country: str) -> None:
    """Its currency, rates and accounts; the world's rates stand for its own; the helpers, the debtor and the money accounts are there."""
    chart = CHARTS[country]
    async with Shop.open(country=country) as shop:
        settings = await shop.get("/companysettings")
        assert (settings["CountryCode"], settings["CurrencyCode"]) == (country, chart.currency)
        rates = {row["Name"]: row["VatRatePercent"] for row in (await shop.get("/articleaccountcodings"))["Data"]}
        assert list(rates.values()) == [*(rate / 100 for rate in chart.rates * 2), 0, 0]
        book, heart = await shop.article("BOOK"), await shop.article("85123A")
        assert (rates[heart["CodingName"]], rates[book["CodingName"]]) == (chart.rates[0] / 100, chart.rates[1] / 100)
        assert book["GrossPrice"] == D("9.99")
        helpers = {row["Number"] for row in (await shop.get("/articles", S_filter="startswith(Number,'KB-')"))["Data"]}
        assert helpers == {number for number, _, _ in chart.helper_articles()}
        invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99), await shop.row("85123A", 2, 2.55))
        assert (invoice["TotalAmount"], invoice["CurrencyCode"], invoice["CustomerName"]) == (D("15.09"), chart.currency, chart.debtor)
        account = (await shop.get("/bankaccounts"))["Data"][0]
        body = {
            "CompanyBankAccountId": account["Id"],
            "PaymentAmount": 15.09,
            "PaymentCurrency": chart.currency,
            "PaymentDate": TODAY,
            "PaymentType": 2,
        }
        await shop.post(f"/customerinvoices/{invoice['Id']}/payments", body)
        ledger = shop.sandbox.ledger()
        assert (ledger.gross, ledger.remaining, set(ledger.vat)) == (D("15.09"), D(0), set(chart.rates[:2]))
        assert ledger.as_json()["vat"].keys() == {chart.rate_text(index) for index in (0, 1)}
        found = await balances(shop)
        assert (found[account["LedgerAccountNumber"]], sum(found.values())) == (D("15.09"), 0)
        if country == "NL":
            assert len((await shop.get("/accounts/standardaccounts"))["Data"]) == 6
        else:
            assert (await shop.refused("GET", "/accounts/standardaccounts"))[:2] == (403, 4002)


@pytest.mark.parametrize(
    ("country", "good", "bad"),
    [("NL", "12345678", "1234567"), ("SE", "5561234567", "5561234568"), ("NO", "912345009", "912345000"), ("FI", "2345678-0", "2345678-1")],
)
async def test_organisation_numbers_are_checked_at_home(country: str, good: str, bad: str) -> None:
    """By the rules of the company's own country: 4008."""
    async with Shop.open(country=country) as shop:
        terms = (await shop.get("/termsofpayments"))["Data"][0]
        body = {
            "Name": "Klant", "InvoiceCity": "X", "InvoicePostalCode": "1", "IsActive": True, "IsPrivatePerson": False,
            "TermsOfPaymentId": terms["Id"], "InvoiceCountryCode": country,
        }  # fmt: skip
        await shop.post("/customers", {**body, "CorporateIdentityNumber": good})
        assert (await shop.refused("POST", "/customers", {**body, "CorporateIdentityNumber": bad}))[:2] == (400, 4008)


async def test_the_companys_day_is_its_countrys() -> None:
    """At half past ten in the evening in London it is tomorrow in Helsinki, and today in Amsterdam."""
    for country, day in (("FI", "2026-03-17"), ("NL", "2026-03-16")):
        async with Shop.open(country=country) as shop:
            shop.clock.at = datetime(2026, 3, 16, 22, 30, tzinfo=UTC)
            fresh = (await shop.refresh(shop.sandbox.refresh_token)).json()
            shop.client.headers["authorization"] = f"Bearer {fresh['access_token']}"
            assert (await shop.invoice(await shop.row("BOOK", 1, 9.99)))["InvoiceDate"] == day


async def test_the_books_open_with_the_year_of_the_first_receipt() -> None:
    """A day of long ago can be booked; on demand an earlier year too."""
    receipt = WorldReceipt("1", datetime(2010, 12, 1, tzinfo=UTC), None, (), "pin", D(0), D(0), is_correction=False)
    world = World(WORLD.articles, (), (receipt,))
    async with Shop.open(world=world) as shop:
        assert (await shop.get("/fiscalyears"))["Data"][0]["StartDate"] == "2010-01-01"
    async with Shop.open(world=world, first_fiscal_year=2009) as shop:
        assert (await shop.get("/fiscalyears"))["Data"][0]["StartDate"] == "2009-01-01"
