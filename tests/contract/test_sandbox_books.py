"""The books' sandbox against the vendor's rules, in process."""

from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connectors.sandbox.faults import FaultPlan
from tests.contract.books_support import NIL, TODAY, Shop, without, writable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


# bodies


async def test_missing_required_fields_are_refused_each_by_name(shop: Shop) -> None:
    """A body without its required fields is 400/2000 and the error names every one of them."""
    status, code, fields = await shop.refused("POST", "/articles", {"NetPrice": 1})
    assert (status, code) == (400, 2000)
    assert fields == {"IsActive", "Number", "Name", "CodingId", "UnitId"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Number", "X" * 41),
        ("Name", "N" * 51),
        ("Name", 7),
        ("IsActive", "yes"),
        ("NetPrice", 99_000_001),
        ("NetPrice", -1),
        ("NetPrice", 1.005),
        ("NetPrice", "1.00"),
        ("CodingId", "not-a-guid"),
        ("HouseWorkType", 99),
        ("Barcodes", "4006381333931"),
        ("IsStock", None),
    ],
)
async def test_a_value_outside_its_published_shape_is_refused(shop: Shop, field: str, value: object) -> None:
    """Wrong type, too long, out of range, too many decimals, no such choice: 400/2000 on that field."""
    body = await shop.article_body()
    assert await shop.refused("POST", "/articles", {**body, field: value}) == (400, 2000, {field})


async def test_read_only_and_unknown_fields_are_ignored_by_default(shop: Shop) -> None:
    """The live server tolerates what it does not write."""
    made = await shop.post("/articles", {**await shop.article_body(), "StockValue": 99, "Colour": "red"})
    assert made["StockValue"] == 0
    assert "Colour" not in made


async def test_read_only_and_unknown_fields_are_refused_on_demand() -> None:
    """Two switches make the sandbox as strict as the document."""
    async with Shop.open(refuse_read_only=True, refuse_unknown=True) as strict:
        body = {**await strict.article_body(), "StockValue": 99, "Colour": "red"}
        assert await strict.refused("POST", "/articles", body) == (400, 2000, {"StockValue", "Colour"})


@pytest.mark.parametrize("content", ["{", "[1]", "NaN", '{"NetPrice": 1e400}', ""])
async def test_a_body_that_is_no_object_is_refused(shop: Shop, content: str) -> None:
    """Broken JSON, a list, NaN and absurd numbers are 400/2000, never a crash."""
    answer = await shop.client.post("/v2/articles", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 2000)


async def test_enumerations_may_be_named(shop: Shop) -> None:
    """PaymentType takes the number and the name."""
    invoice = await shop.invoice(await shop.row("22423", 1, 12.75))
    path, body = await shop.payment(invoice, 12.75, PaymentType="CompletePayment")
    assert (await shop.post(path, body))["PaymentType"] == 2


async def test_numbers_keep_their_digits(shop: Shop) -> None:
    """What goes over the wire as 0.07 is 0.07 on the other side, in both directions."""
    invoice = await shop.invoice(await shop.row("22423", 3, 0.07))
    assert (invoice["Rows"][0]["UnitPrice"], invoice["TotalAmount"]) == (Decimal("0.07"), Decimal("0.21"))


# identity


async def test_a_refresh_token_works_once_and_its_successor_dies_with_it() -> None:
    """Rotation: the new pair works; using the old one again is invalid_grant and kills the chain."""
    async with Shop.open() as shop:
        first = await shop.refresh(shop.sandbox.refresh_token)
        assert first.status_code == 200
        granted = first.json()
        assert (granted["expires_in"], granted["token_type"]) == (3600, "Bearer")
        assert granted["refresh_token"] != shop.sandbox.refresh_token
        again = await shop.refresh(shop.sandbox.refresh_token)
        assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
        assert (await shop.refresh(granted["refresh_token"])).json() == {"error": "invalid_grant"}


async def test_the_client_may_sign_in_either_way_and_only_with_its_secret() -> None:
    """client_secret_basic and client_secret_post both work; a wrong secret is invalid_client."""
    async with Shop.open() as shop:
        sandbox = shop.sandbox
        basic = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
        form = {"grant_type": "refresh_token", "refresh_token": sandbox.refresh_token}
        answer = await shop.client.post("/connect/token", data=form, headers={"authorization": f"Basic {basic}"})
        assert answer.status_code == 200
        wrong = await shop.client.post("/connect/token", data={**form, "client_id": sandbox.client_id, "client_secret": "guess"})
        assert wrong.json() == {"error": "invalid_client"}


async def test_the_token_endpoint_takes_forms_only(shop: Shop) -> None:
    """JSON is not what OAuth speaks."""
    answer = await shop.client.post("/connect/token", json={"grant_type": "refresh_token"})
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


async def test_an_access_token_expires_after_an_hour(shop: Shop) -> None:
    """3599 seconds are fine, 3600 are not: 401 with code 4005."""
    shop.clock.forward(seconds=3599)
    await shop.get("/units")
    shop.clock.forward(seconds=1)
    assert await shop.refused("GET", "/units") == (401, 4005, set())


async def test_revocation_ends_what_the_refresh_token_gave(shop: Shop) -> None:
    """After a revocation neither the access token nor the refresh token is accepted."""
    sandbox = shop.sandbox
    form = {"token": sandbox.refresh_token, "client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    assert (await shop.client.post("/connect/revocation", data=form)).status_code == 200
    assert (await shop.refused("GET", "/units"))[:2] == (401, 4005)
    assert (await shop.refresh(sandbox.refresh_token)).json() == {"error": "invalid_grant"}


async def test_a_missing_scope_is_403() -> None:
    """Bank accounts need a purchase scope."""
    async with Shop.open(scopes="ea:api offline_access ea:sales") as shop:
        await shop.get("/units")
        assert await shop.refused("GET", "/bankaccounts") == (403, 4006, set())


# addresses, limits


async def test_addresses_that_are_not_served(shop: Shop) -> None:
    """Documented: 403/4002; withdrawn or unknown: 404; a method that is not documented: 405."""
    assert await shop.refused("GET", "/supplierinvoices") == (403, 4002, set())
    assert (await shop.send("GET", "/articles/batch")).status_code == 404
    assert (await shop.send("GET", "/offers")).status_code == 404
    assert (await shop.send("PATCH", "/articles")).status_code == 405


async def test_an_unknown_or_malformed_id(shop: Shop) -> None:
    """An unknown GUID is 404/3000, a malformed one 400/6001."""
    assert await shop.refused("GET", f"/articles/{NIL}") == (404, 3000, set())
    assert await shop.refused("GET", "/articles/17") == (400, 6001, set())


async def test_600_a_minute_on_each_path() -> None:
    """The 601st is 429/4010 with the seconds in text and header; another path, and the next minute, are free."""
    async with Shop.open(limits=True) as shop:
        for _ in range(600):
            assert (await shop.send("GET", "/units")).status_code == 200
        over = await shop.send("GET", "/units")
        assert (over.status_code, over.json()["ErrorCode"], over.headers["retry-after"]) == (429, 4010, "60")
        assert over.json()["DeveloperErrorMessage"].endswith("600 per Minute. Try again in 60 seconds.")
        await shop.get("/vatcodes")
        shop.clock.forward(seconds=60)
        await shop.get("/units")


# lists


async def test_a_list_has_the_vendors_envelope(shop: Shop) -> None:
    """All five members of Meta, in the vendor's words; pages are of 50 unless asked otherwise."""
    answer = await shop.get("/countries", S_page=2)
    assert answer["Meta"] == {
        "CurrentPage": 2,
        "PageSize": 50,
        "TotalNumberOfPages": 2,
        "TotalNumberOfResults": answer["Meta"]["TotalNumberOfResults"],
        "ServerTimeUtc": "2026-03-16T09:30:00Z",
    }
    assert len(answer["Data"]) == answer["Meta"]["TotalNumberOfResults"] - 50


async def test_pages_hold_every_record_once(shop: Shop) -> None:
    """Walking the pages meets each article once, in the order of creation, and after the last there is nothing."""
    whole = [row["Id"] for row in (await shop.get("/articles"))["Data"]]
    walked = [row["Id"] for page in (1, 2, 3) for row in (await shop.get("/articles", S_page=page, S_pagesize=6))["Data"]]
    assert walked == whole
    assert (await shop.get("/articles", S_page=4, S_pagesize=6))["Data"] == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Number eq '85123a'", {"85123A"}),
        ("number eq '85123A'", {"85123A"}),
        ("Number eq '85123A' or Number eq 'BOOK' or Number eq 'nothing'", {"85123A", "BOOK"}),
        ("Number in ('BOOK','22423')", {"22423", "BOOK"}),
        ("IsStock eq true and GrossPrice gt 9.98", {"22423", "BOOK"}),
        ("IsStock eq true and not (GrossPrice ge 9.99)", {"85123A"}),
        ("contains(Name,'CAKE')", {"22423"}),
        ("startswith(Number,'85') and endswith(Number,'A')", {"85123A"}),
        ("GrossPrice ne 0 and IsServiceArticle eq true", {"AMAZONFEE"}),
        ("ArticleLabels/any(l: l/Name eq 'Wonen')", {"85123A"}),
        ("ChangedUtc lt 2026-03-16T08:29:58Z and IsStock eq true", {"85123A"}),
        ("ChangedUtc ge 2026-03-16T09:29:58+01:00 and IsStock eq true", {"22423", "BOOK"}),
        ("Note eq null and Number eq 'BOOK'", {"BOOK"}),
    ],
)
async def test_filters(shop: Shop, text: str, numbers: set[str]) -> None:
    """The grammar of OData v4 as far as the vendor's own examples go."""
    assert {row["Number"] for row in (await shop.get("/articles", S_filter=text))["Data"]} == numbers


async def test_a_guid_is_filtered_without_quotes(shop: Shop) -> None:
    """CodingId eq <guid> works, 'guid' in quotes is another type."""
    coding = await shop.one("articleaccountcodings", Name="Goederen 9%")
    found = (await shop.get("/articles", S_filter=f"CodingId eq {coding['Id']}"))["Data"]
    assert [row["Number"] for row in found] == ["BOOK"]
    assert (await shop.refused("GET", "/articles", S_filter=f"CodingId eq '{coding['Id']}'"))[:2] == (400, 6000)


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": "Number eq"},
        {"$filter": "Colour eq 'red'"},
        {"$filter": "Number gt 5"},
        {"$filter": "length(Number) eq 5"},
        {"$filter": "Number"},
        {"$filter": "(" * 3000},
        {"$orderby": "Number sideways"},
        {"$select": "Colour"},
        {"$page": "0"},
        {"$page": "one"},
        {"$pagesize": "1001"},
        {"$pagesize": "0"},
        {"$top": "5"},
    ],
)
async def test_a_query_that_cannot_be_understood_is_6000(shop: Shop, query: dict[str, str]) -> None:
    """400/6000, whatever is wrong with it."""
    answer = await shop.client.get("/v2/articles", params=query)
    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 6000)


async def test_order_and_select(shop: Shop) -> None:
    """Several keys, each with its direction; only the fields that are asked for."""
    answer = await shop.get(
        "/articles", S_filter="IsStock eq true", S_orderby="CodingName desc,GrossPrice desc", S_select="Number,grossprice"
    )
    assert answer["Data"] == [
        {"Number": "BOOK", "GrossPrice": Decimal("9.99")},
        {"Number": "22423", "GrossPrice": Decimal("12.75")},
        {"Number": "85123A", "GrossPrice": Decimal("2.55")},
    ]


async def test_an_unfilterable_property_is_refused() -> None:
    """The vendor's list of filterable properties is not published, so any can be taken away."""
    async with Shop.open(unfilterable=frozenset({"CustomerInvoiceApi.YourReference"})) as shop:
        assert (await shop.refused("GET", "/customerinvoices", S_filter="YourReference eq 'KB:1'"))[:2] == (400, 6000)


# articles


async def test_the_books_open_with_the_world_and_the_helper_articles(shop: Shop) -> None:
    """Every article of the world with stock, VAT and barcode, the helpers, the debtor and the money accounts."""
    heart, book = await shop.article("85123A"), await shop.article("BOOK")
    assert (heart["StockBalance"], heart["CodingName"], heart["ArticleLabels"][0]["Name"]) == (100, "Goederen 21%", "Wonen")
    assert book["Barcodes"] == [{"Barcode": "4006381333931", "BarcodeType": 0}]
    helpers = {row["Number"] for row in (await shop.get("/articles", S_filter="startswith(Number,'KB-')"))["Data"]}
    assert helpers == {f"KB-{kind}-{rate}" for kind in ("FREE", "SHIP", "DISC") for rate in (21, 9, 0)} | {"KB-VOUCHER", "KB-ROUND"}
    debtor = await shop.debtor()
    assert (debtor["Name"], debtor["IsPrivatePerson"], debtor["TermsOfPayment"]["Name"]) == ("Kassaklant", True, "Contant")
    accounts = {row["Name"]: (row["BankAccountType"], row["LedgerAccountNumber"]) for row in (await shop.get("/bankaccounts"))["Data"]}
    assert accounts.items() >= {"Pin": (1, 1101), "Kas": (2, 1000), "iDEAL": (1, 1102), "Cadeaubonnen": (5, 1940)}.items()


async def test_gross_must_be_net_with_vat(shop: Shop) -> None:
    """Within a cent; otherwise 400/2000. The one that is left out follows from the other."""
    body = await shop.article_body()
    assert await shop.refused("POST", "/articles", {**body, "NetPrice": 10, "GrossPrice": 12.12}) == (400, 2000, {"GrossPrice"})
    close = await shop.post("/articles", {**body, "NetPrice": 10, "GrossPrice": 12.11})
    assert close["GrossPrice"] == Decimal("12.11")
    net = await shop.post("/articles", {**without(body, "NetPrice", "GrossPrice"), "Number": "N2", "NetPrice": 10})
    assert net["GrossPrice"] == Decimal("12.10")
    gross = await shop.post("/articles", {**without(body, "NetPrice", "GrossPrice"), "Number": "N3", "GrossPrice": 12.1})
    assert gross["NetPrice"] == 10


async def test_an_omitted_price_is_zero_on_demand() -> None:
    """With the switch the half that is left out is 0, so that it no longer fits."""
    async with Shop.open(omitted_price="zero") as shop:
        body = without(await shop.article_body(), "GrossPrice")
        assert await shop.refused("POST", "/articles", body) == (400, 2000, {"GrossPrice"})


async def test_an_article_number_is_taken_whatever_its_case(shop: Shop) -> None:
    """409/4000 on POST and on PUT."""
    body = await shop.article_body()
    assert (await shop.refused("POST", "/articles", {**body, "Number": "85123a"}))[:2] == (409, 4000)
    book = await shop.article("BOOK")
    assert (await shop.refused("PUT", f"/articles/{book['Id']}", {**body, "Number": "22423"}))[:2] == (409, 4000)


async def test_put_replaces_everything_but_the_read_only(shop: Shop) -> None:
    """What is left out is emptied; Id, CreatedUtc and the stock stay; ChangedUtc moves; the new number is found, the old is not."""
    book = await shop.article("BOOK")
    written = {**writable("ArticleApi", book), "NetPrice": 9.17, "NetPriceWithDiscount": 9.17, "Note": "signed"}
    await shop.put(f"/articles/{book['Id']}", written)
    shop.clock.forward(minutes=1)
    body = {name: book[name] for name in ("IsActive", "CodingId", "UnitId", "Name", "IsStock")}
    changed = await shop.put(f"/articles/{book['Id']}", {**body, "Number": "BOOK-2", "NetPrice": 9.17, "GrossPrice": 10})
    assert (changed["Note"], changed["Barcodes"], changed["StockBalance"]) == (None, None, 10)
    assert changed["CreatedUtc"] == book["CreatedUtc"]
    assert changed["ChangedUtc"] == "2026-03-16T09:31:00.000Z"
    assert (await shop.article("book-2"))["Id"] == book["Id"]
    assert (await shop.get("/articles", S_filter="Number eq 'BOOK'"))["Data"] == []


async def test_a_get_may_show_prices_that_a_put_refuses(shop: Shop) -> None:
    """Prices of articles made in the vendor's own screens have more decimals, unless two are asked for."""
    heart = await shop.article("85123A")
    assert heart["NetPrice"] == Decimal("2.1074")
    assert await shop.refused("PUT", f"/articles/{heart['Id']}", writable("ArticleApi", heart)) == (
        400,
        2000,
        {"NetPrice", "NetPriceWithDiscount"},
    )
    rounded = await shop.get(f"/articles/{heart['Id']}", showPricesWithTwoDecimals="true")
    assert (await shop.put(f"/articles/{heart['Id']}", writable("ArticleApi", rounded)))["NetPrice"] == Decimal("2.11")


async def test_stock_is_read_only_while_its_module_is_active(shop: Shop) -> None:
    """A balance in a PUT counts for nothing."""
    book = await shop.get(f"/articles/{(await shop.article('BOOK'))['Id']}", showPricesWithTwoDecimals="true")
    after = await shop.put(f"/articles/{book['Id']}", {**writable("ArticleApi", book), "StockBalance": 999})
    assert after["StockBalance"] == 10


async def test_stock_is_a_plain_number_without_its_module() -> None:
    """A PUT sets it, an invoice leaves it alone."""
    async with Shop.open(stock_module=False) as shop:
        book = await shop.get(f"/articles/{(await shop.article('BOOK'))['Id']}", showPricesWithTwoDecimals="true")
        after = await shop.put(f"/articles/{book['Id']}", {**writable("ArticleApi", book), "StockBalance": 999})
        assert after["StockBalance"] == 999
        await shop.invoice(await shop.row("BOOK", 4, 9.99))
        assert (await shop.article("BOOK"))["StockBalance"] == 999


async def test_an_article_with_stock_stays_a_stock_article(shop: Shop) -> None:
    """5003 for no stock article any more, 5004 for a service."""
    book = await shop.get(f"/articles/{(await shop.article('BOOK'))['Id']}", showPricesWithTwoDecimals="true")
    body = writable("ArticleApi", book)
    assert (await shop.refused("PUT", f"/articles/{book['Id']}", {**body, "IsStock": False}))[:2] == (400, 5003)
    service = (await shop.one("articleaccountcodings", Name="Diensten 9%"))["Id"]
    assert (await shop.refused("PUT", f"/articles/{book['Id']}", {**body, "CodingId": service}))[:2] == (400, 5004)


async def test_labels_are_shown_where_they_are_attached(shop: Shop) -> None:
    """A renamed label has its new name on the article; a deleted one is gone from it."""
    label = await shop.post("/articlelabels", {"Name": "Nieuw"})
    made = await shop.post("/articles", {**await shop.article_body(), "ArticleLabels": [{"Id": label["Id"], "Name": "Nieuw"}]})
    assert [one["Id"] for one in made["ArticleLabels"]] == [label["Id"]]
    await shop.put(f"/articlelabels/{label['Id']}", {"Name": "Anders"})
    assert [one["Name"] for one in (await shop.article("NEW-1"))["ArticleLabels"]] == ["Anders"]
    assert (await shop.send("DELETE", f"/articlelabels/{label['Id']}")).content == b""
    assert (await shop.article("NEW-1"))["ArticleLabels"] == []


# customers


async def test_customer_numbers_are_given_and_unique(shop: Shop) -> None:
    """The next free number, or one's own; taken is 409/4000."""
    first, second = await shop.customer(), await shop.customer(CustomerNumber="VIP")
    assert (first["CustomerNumber"], second["CustomerNumber"]) == ("1001", "VIP")
    assert (await shop.refused("POST", "/customers", await shop.customer_body(CustomerNumber="vip")))[:2] == (409, 4000)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"VatNumber": "NL123456789B01"}, (400, 4025)),
        ({"VatNumber": "DE136695976"}, (400, 4025)),
        ({"VatNumber": "nope"}, (400, 4025)),
        ({"CorporateIdentityNumber": "1234"}, (400, 4008)),
        ({"ForceBookkeepVat": True}, (400, 4035)),
        ({"DeliveryBasedVat": True}, (400, 2000)),
        ({"ReverseChargeOnConstructionServices": True}, (400, 2000)),
        ({"EmailAddresses": ["a@example.com"]}, (400, 2000)),
        ({"InvoiceCountryCode": "XX"}, (400, 2000)),
        ({"CurrencyCode": "XXX"}, (400, 2000)),
        ({"TermsOfPaymentId": NIL}, (400, 3000)),
    ],
)
async def test_a_customer_that_cannot_be(shop: Shop, fields: dict[str, Any], refusal: tuple[int, int]) -> None:
    """Each rule between fields has its own code."""
    assert (await shop.refused("POST", "/customers", await shop.customer_body(**fields)))[:2] == refusal


async def test_valid_numbers_are_accepted(shop: Shop) -> None:
    """A VAT number of the customer's country, an eight-digit chamber-of-commerce number."""
    german = await shop.customer(VatNumber="DE136695976", InvoiceCountryCode="DE")
    dutch = await shop.customer(CorporateIdentityNumber="12345678", VatNumber="NL4495445B01".replace("NL", "NL00"))
    assert (german["VatNumber"], dutch["CorporateIdentityNumber"]) == ("DE136695976", "12345678")


async def test_a_customer_is_deleted_only_without_transactions(shop: Shop) -> None:
    """4001 with an invoice; without, it is gone."""
    with_invoice, without = await shop.customer(), await shop.customer()
    await shop.invoice(await shop.row("BOOK", 1, 9.17), customer=with_invoice)
    assert (await shop.refused("DELETE", f"/customers/{with_invoice['Id']}"))[:2] == (400, 4001)
    assert (await shop.send("DELETE", f"/customers/{without['Id']}")).status_code == 200
    assert (await shop.refused("GET", f"/customers/{without['Id']}"))[:2] == (404, 3000)


async def test_a_customers_put_empties_what_is_left_out(shop: Shop) -> None:
    """E-mail and telephone are gone, the number stays, the old e-mail finds nobody."""
    made = await shop.customer(EmailAddress="korst@example.com", Telephone="030")
    changed = await shop.put(f"/customers/{made['Id']}", await shop.customer_body(Name="Korst B.V."))
    assert (changed["EmailAddress"], changed["Telephone"], changed["CustomerNumber"]) == (None, None, made["CustomerNumber"])
    assert (await shop.get("/customers", S_filter="EmailAddress eq 'korst@example.com'"))["Data"] == []


# what invoices come to


async def test_a_private_persons_prices_hold_vat(shop: Shop) -> None:
    """VAT is taken out of the sum of the rows of each rate, half a cent away from zero."""
    invoice = await shop.invoice(await shop.row("85123A", 3, 2.55), await shop.row("22423", 1, 12.75), await shop.row("BOOK", 1, 9.99))
    assert (invoice["IncludesVat"], invoice["TotalAmount"], invoice["TotalVatAmount"]) == (True, Decimal("30.39"), Decimal("4.36"))
    assert invoice["VatSpecification"] == [
        {"AmountInvoiceCurrency": Decimal("16.86"), "VatAmountInvoiceCurrency": Decimal("3.54"), "VatPercent": Decimal("0.21")},
        {"AmountInvoiceCurrency": Decimal("9.17"), "VatAmountInvoiceCurrency": Decimal("0.82"), "VatPercent": Decimal("0.09")},
    ]
    assert [row["LineNumber"] for row in invoice["Rows"]] == [1, 2, 3]
    assert (invoice["Rows"][0]["Amount"], invoice["Rows"][0]["AmountNoVat"]) == (Decimal("7.65"), Decimal("6.32"))


async def test_a_companys_prices_are_net(shop: Shop) -> None:
    """VAT comes on top of the sum of the rows."""
    company = await shop.customer()
    invoice = await shop.invoice(*[await shop.row("85123A", 1, 2.11)] * 3, customer=company)
    assert (invoice["IncludesVat"], invoice["TotalAmount"], invoice["TotalVatAmount"]) == (False, Decimal("7.66"), Decimal("1.33"))


async def test_vat_is_rounded_per_row_on_demand() -> None:
    """With the switch three rows of 0.44 VAT make 1.32."""
    async with Shop.open(vat_per_row=True) as shop:
        company = await shop.customer()
        invoice = await shop.invoice(*[await shop.row("85123A", 1, 2.11)] * 3, customer=company)
        assert invoice["TotalVatAmount"] == Decimal("1.32")


async def test_includes_vat_follows_setting_and_polarity() -> None:
    """Either switch turned makes a private person's prices net; both turned makes them hold VAT again."""
    for setting, polarity, includes in ((True, True, True), (False, True, False), (True, False, False), (False, False, True)):
        async with Shop.open(show_prices_excl_vat_pc=setting, includes_vat_polarity=polarity) as shop:
            assert (await shop.get("/companysettings"))["ShowPricesExclVatPC"] is setting
            assert (await shop.invoice(await shop.row("BOOK", 1, 9.99)))["IncludesVat"] is includes


@pytest.mark.parametrize(
    ("fields", "vat"),
    [
        ({}, "2.10"),
        ({"InvoiceCountryCode": "DE", "VatNumber": "DE136695976"}, "0"),
        ({"InvoiceCountryCode": "DE"}, "2.10"),
        ({"InvoiceCountryCode": "DE", "IsPrivatePerson": True}, "1.74"),
        ({"InvoiceCountryCode": "US"}, "0"),
        ({"InvoiceCountryCode": "US", "ForceBookkeepVat": True}, "2.10"),
    ],
)
async def test_who_buys_decides_the_vat(shop: Shop, fields: dict[str, Any], vat: str) -> None:
    """Home, EU business with a number, EU without, EU private, outside the EU, outside with VAT forced."""
    customer = await shop.customer(**fields)
    assert (await shop.invoice(await shop.row("22423", 1, 10), customer=customer))["TotalVatAmount"] == Decimal(vat)


async def test_a_row_marked_free_of_vat_has_none(shop: Shop) -> None:
    """IsVatFree takes the row out of its rate."""
    invoice = await shop.invoice(await shop.row("22423", 1, 10, IsVatFree=True), await shop.row("22423", 1, 10))
    assert invoice["TotalVatAmount"] == Decimal("1.74")


async def test_a_discount_is_a_fraction(shop: Shop) -> None:
    """3 at 9.99 less 12.5 percent is 26.22, half a cent away from zero."""
    invoice = await shop.invoice(await shop.row("BOOK", 3, 9.99, DiscountPercentage=0.125))
    assert invoice["TotalAmount"] == Decimal("26.22")


async def test_two_decimals_at_home_four_abroad(shop: Shop) -> None:
    """A unit price with three decimals is refused for a customer at home."""
    row = await shop.row("22423", 1, 1.2345)
    assert await shop.refused("POST", "/customerinvoices", await shop.invoice_body(row)) == (400, 2000, {"Rows[0].UnitPrice"})
    abroad = await shop.customer(InvoiceCountryCode="US")
    assert (await shop.invoice(row, customer=abroad))["TotalAmount"] == Decimal("1.23")


async def test_totals_are_rounded_to_whole_units_when_the_company_wants_it() -> None:
    """30.39 becomes 30, and the 0.39 is in TotalRoundings."""
    async with Shop.open(domestic_currency_rounding=1) as shop:
        invoice = await shop.invoice(await shop.row("22423", 1, 30.39))
        assert (invoice["TotalAmount"], invoice["TotalRoundings"], invoice["RemainingAmount"]) == (30, Decimal("-0.39"), 30)


async def test_a_foreign_currency_has_its_own_amounts(shop: Shop) -> None:
    """Amounts in the invoice's currency, and the base currency's by the rate."""
    customer = await shop.customer(InvoiceCountryCode="GB", CurrencyCode="GBP")
    invoice = await shop.invoice(await shop.row("22423", 2, 10), customer=customer, CurrencyRate=1.2)
    assert (invoice["TotalAmountInvoiceCurrency"], invoice["TotalAmount"]) == (20, 24)


async def test_rows_without_an_article_are_text(shop: Shop) -> None:
    """They cost nothing, and have at least one character."""
    invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99), {"Text": "KB:1"})
    text = invoice["Rows"][1]
    assert (text["IsTextRow"], text["VatRate"], text["Amount"]) == (True, None, 0)
    assert await shop.refused("POST", "/customerinvoices", await shop.invoice_body({})) == (400, 2000, {"Rows[0].Text"})


# how invoices are kept


async def test_invoices_are_numbered_and_found_by_their_reference(shop: Shop) -> None:
    """Numbers run on; YourReference finds the document; what is given and what the customer fills in are both there."""
    numbers = [(await shop.invoice(await shop.row("BOOK", 1, 9.99), YourReference=f"KB:{index}"))["InvoiceNumber"] for index in range(3)]
    assert numbers == [1, 2, 3]
    found = (await shop.get("/customerinvoices", S_filter="YourReference eq 'kb:1' or YourReference eq 'KB:2'"))["Data"]
    assert [row["InvoiceNumber"] for row in found] == [2, 3]
    assert (found[0]["InvoiceCity"], found[0]["CustomerNumber"]) == ("Amsterdam", "1000")
    assert (await shop.get("/companysettings"))["NextCustomerInvoiceNumber"] == 4


async def test_references_have_their_lengths(shop: Shop) -> None:
    """100 for YourReference, 35 for BuyersOrderReference."""
    body = await shop.invoice_body(await shop.row("BOOK", 1, 9.99), YourReference="x" * 101, BuyersOrderReference="y" * 36)
    assert await shop.refused("POST", "/customerinvoices", body) == (400, 2000, {"YourReference", "BuyersOrderReference"})


async def test_a_booked_invoice_cannot_be_changed(shop: Shop) -> None:
    """PUT and DELETE are not documented: 405."""
    invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    for method in ("PUT", "DELETE"):
        answer = await shop.send(method, f"/customerinvoices/{invoice['Id']}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_flags_of_an_invoice_may_be_missing_on_demand() -> None:
    """Once measured: not enforced."""
    async with Shop.open(require_invoice_flags=False) as lenient:
        body = without(await lenient.invoice_body(await lenient.row("BOOK", 1, 9.99)), "EuThirdParty", "RotReducedInvoicingType")
        await lenient.post("/customerinvoices", body)
    async with Shop.open() as strict:
        assert (await strict.refused("POST", "/customerinvoices", body))[2] == {"EuThirdParty", "RotReducedInvoicingType"}


async def test_flag_and_sign_of_a_credit_must_agree(shop: Shop) -> None:
    """Negative without the flag, positive with it: 400/2000; in agreement the remaining amount is negative."""
    back, sold = await shop.row("BOOK", -1, 9.99), await shop.row("BOOK", 1, 9.99)
    assert (await shop.refused("POST", "/customerinvoices", await shop.invoice_body(back)))[2] == {"IsCreditInvoice"}
    assert (await shop.refused("POST", "/customerinvoices", await shop.invoice_body(sold, IsCreditInvoice=True)))[2] == {"IsCreditInvoice"}
    credit = await shop.invoice(back, IsCreditInvoice=True)
    assert (credit["TotalAmount"], credit["RemainingAmount"]) == (Decimal("-9.99"), Decimal("-9.99"))
    assert credit["TotalVatAmount"] == Decimal("-0.82")


async def test_a_date_must_be_open_for_booking() -> None:
    """No fiscal year 3001, locked period 4026, a future date with cash terms 4023, a future date on account is fine."""
    async with Shop.open(locked_to=date(2026, 1, 31)) as shop:
        row = await shop.row("BOOK", 1, 9.99)
        for day, code in (("1999-01-01", 3001), ("2026-01-31", 4026), ("2026-03-17", 4023)):
            body = await shop.invoice_body(row, InvoiceDate=day)
            assert (await shop.refused("POST", "/customerinvoices", body))[:2] == (400, code)
        ahead = await shop.invoice(row, customer=await shop.customer(), InvoiceDate="2026-03-17")
        assert (ahead["InvoiceDate"], ahead["DueDate"]) == ("2026-03-17", "2026-04-16")


async def test_an_invoice_of_an_unknown_customer_or_article(shop: Shop) -> None:
    """400/3000: what the body refers to does not exist."""
    row = await shop.row("BOOK", 1, 9.99)
    body = await shop.invoice_body(row)
    assert (await shop.refused("POST", "/customerinvoices", {**body, "CustomerId": NIL}))[:2] == (400, 3000)
    assert (await shop.refused("POST", "/customerinvoices", {**body, "Rows": [{**row, "ArticleId": NIL}]}))[:2] == (400, 3000)


async def test_an_unpaid_invoice_becomes_overdue(shop: Shop) -> None:
    """PaymentStatus 1 until the due date, 2 after it, also in a filter."""
    invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99), customer=await shop.customer())
    assert invoice["PaymentStatus"] == 1
    shop.clock.forward(days=31)
    fresh = await shop.refresh(shop.sandbox.refresh_token)
    shop.client.headers["authorization"] = f"Bearer {fresh.json()['access_token']}"
    assert [row["Id"] for row in (await shop.get("/customerinvoices", S_filter="PaymentStatus eq 2"))["Data"]] == [invoice["Id"]]


async def test_modified_since_sees_what_was_written_and_paid_since(shop: Shop) -> None:
    """Inclusive; a payment moves ModifiedUtc."""
    first = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    shop.clock.forward(seconds=10)
    second = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    assert await _since(shop, "2026-03-16T09:30:10Z") == [second["Id"]]
    shop.clock.forward(seconds=10)
    path, body = await shop.payment(first, 1)
    await shop.post(path, body)
    assert await _since(shop, "2026-03-16T09:30:20Z") == [first["Id"]]
    assert await _since(shop, "2026-03-16T09:30:20.001Z") == []


# stock


async def test_an_invoice_lowers_stock_and_a_credit_raises_it(shop: Shop) -> None:
    """Only stock articles move, and the article's ChangedUtc does not."""
    before = await shop.article("85123A")
    await shop.invoice(await shop.row("85123A", 7, 2.55), await shop.row("AMAZONFEE", 1, 10))
    assert await shop.stock() == (93, 0, 93)
    await shop.invoice(await shop.row("85123A", -2, 2.55), IsCreditInvoice=True)
    assert await shop.stock() == (95, 0, 95)
    assert (await shop.article("85123A"))["ChangedUtc"] == before["ChangedUtc"]
    assert (await shop.article("AMAZONFEE"))["StockBalance"] == 0


async def test_stock_movements_touch_the_article_on_demand() -> None:
    """With the switch ChangedUtc moves."""
    async with Shop.open(stock_touches_article=True) as shop:
        await shop.invoice(await shop.row("85123A", 7, 2.55))
        assert (await shop.article("85123A"))["ChangedUtc"] == "2026-03-16T09:30:00.000Z"


# payments


async def test_payments_settle_an_invoice(shop: Shop) -> None:
    """A part, then the rest; the remaining amount, the status and the date follow; the payment itself cannot be read."""
    invoice = await shop.invoice(await shop.row("22423", 2, 12.75))
    path, body = await shop.payment(invoice, 10, Reference="pin 1")
    answer = await shop.post(path, body)
    assert (answer["PaymentAmount"], answer["Reference"]) == (10, "pin 1")
    assert await _paid(shop, invoice) == (Decimal("15.50"), 1, TODAY)
    await shop.post(path, {**body, "PaymentAmount": 15.5, "PaymentType": 2})
    assert await _paid(shop, invoice) == (0, 0, TODAY)
    assert (await shop.refused("POST", path, body))[2] == {"PaymentAmount"}
    assert (await shop.send("GET", path)).status_code == 405


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"PaymentAmount": 25.51}, (400, 2000)),
        ({"PaymentAmount": -1}, (400, 2000)),
        ({"PaymentAmount": 0}, (400, 2000)),
        ({"PaymentAmount": 1.001}, (400, 2000)),
        ({"PaymentType": 2}, (400, 2000)),
        ({"PaymentType": 5}, (400, 2000)),
        ({"PaymentCurrency": "GBP"}, (400, 2000)),
        ({"PaymentDate": "2026-03-17"}, (400, 4023)),
        ({"PaymentDate": "1999-03-17"}, (400, 3001)),
        ({"PaymentDate": None}, (400, 2000)),
        ({"DomesticPaymentAmount": 10}, (400, 4039)),
        ({"CompanyBankAccountId": NIL}, (400, 3000)),
    ],
)
async def test_a_payment_that_cannot_be(shop: Shop, fields: dict[str, Any], refusal: tuple[int, int]) -> None:
    """Each is refused and changes nothing."""
    invoice = await shop.invoice(await shop.row("22423", 2, 12.75))
    path, body = await shop.payment(invoice, 10)
    assert (await shop.refused("POST", path, {**body, **fields}))[:2] == refusal
    assert (await shop.get(f"/customerinvoices/{invoice['Id']}"))["RemainingAmount"] == Decimal("25.50")


async def test_a_credit_is_paid_out_with_negative_amounts(shop: Shop) -> None:
    """A positive amount is refused, the negative one settles it."""
    credit = await shop.invoice(await shop.row("BOOK", -1, 9.99), IsCreditInvoice=True)
    path, body = await shop.payment(credit, -9.99, PaymentType=2)
    assert (await shop.refused("POST", path, {**body, "PaymentAmount": 9.99}))[:2] == (400, 2000)
    await shop.post(path, body)
    assert await _paid(shop, credit) == (0, 0, TODAY)


async def test_todays_date_is_the_companys(shop: Shop) -> None:
    """At half past eleven at night in London it is tomorrow in Amsterdam."""
    shop.clock.forward(hours=0.9)
    invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    shop.clock.at = shop.clock.at.replace(hour=23, minute=30)
    fresh = await shop.refresh(shop.sandbox.refresh_token)
    shop.client.headers["authorization"] = f"Bearer {fresh.json()['access_token']}"
    path, body = await shop.payment(invoice, 1, PaymentDate="2026-03-17")
    assert (await shop.post(path, body))["PaymentDate"] == "2026-03-17"


async def test_what_a_customer_owes_is_on_the_customer(shop: Shop) -> None:
    """UnpaidInvoicesAmount follows invoices and payments."""
    customer = await shop.customer()
    invoice = await shop.invoice(await shop.row("22423", 1, 10), customer=customer)
    path, body = await shop.payment(invoice, 2.1)
    await shop.post(path, body)
    after = await shop.get(f"/customers/{customer['Id']}")
    assert (after["UnpaidInvoicesAmount"], after["LastInvoiceDate"]) == (10, TODAY)


# voiding


async def test_voiding_books_a_credit_that_settles_both(shop: Shop) -> None:
    """With updateStock the goods are back; a second void, or one after a payment, is refused."""
    invoice = await shop.invoice(await shop.row("85123A", 7, 2.55))
    await shop.send("POST", f"/customerinvoices/{invoice['Id']}/void", updateStock="true")
    assert await shop.stock() == (100, 0, 100)
    both = (await shop.get("/customerinvoices"))["Data"]
    assert [(one["TotalAmount"], one["RemainingAmount"], one["PaymentStatus"]) for one in both] == [
        (Decimal("17.85"), 0, 0),
        (Decimal("-17.85"), 0, 0),
    ]
    assert (both[0]["CreditedBy"], both[1]["ReferringInvoiceId"]) == ([{"CreditInvoiceId": both[1]["Id"]}], invoice["Id"])
    assert (await shop.refused("POST", f"/customerinvoices/{invoice['Id']}/void"))[:2] == (400, 4002)
    paid = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    path, body = await shop.payment(paid, 1)
    await shop.post(path, body)
    assert (await shop.refused("POST", f"/customerinvoices/{paid['Id']}/void"))[:2] == (400, 4002)


async def test_voiding_leaves_the_stock_unless_asked(shop: Shop) -> None:
    """The default of updateStock is false."""
    invoice = await shop.invoice(await shop.row("85123A", 7, 2.55))
    await shop.send("POST", f"/customerinvoices/{invoice['Id']}/void")
    assert await shop.stock() == (93, 0, 93)


# drafts


async def test_a_draft_becomes_an_invoice_once(shop: Shop) -> None:
    """Same totals, linked by CreatedFromDraftId; the draft is gone and cannot be converted again."""
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body(YourReference="KB:9"))
    assert (draft["TotalAmount"], draft["TotalVatAmount"]) == (Decimal("15.30"), Decimal("2.66"))
    path = f"/customerinvoicedrafts/{draft['Id']}"
    invoice = await shop.post(f"{path}/convert", {"TotalAmountInvoiceCurrency": 15.3, "TotalVatAmountInvoiceCurrency": 2.66})
    assert (invoice["CreatedFromDraftId"], invoice["YourReference"], invoice["TotalAmount"]) == (draft["Id"], "KB:9", Decimal("15.30"))
    assert await shop.stock() == (99, 0, 99)
    assert (await shop.refused("POST", f"{path}/convert", {}))[:2] == (404, 3000)


async def test_a_conversion_checks_what_is_expected(shop: Shop) -> None:
    """A total, a VAT sum or a row that differs is refused, and the draft stays."""
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body())
    path = f"/customerinvoicedrafts/{draft['Id']}/convert"
    body = {"TotalAmountInvoiceCurrency": 15.31, "TotalVatAmountInvoiceCurrency": 2.65}
    assert await shop.refused("POST", path, body) == (400, 2000, {"TotalAmountInvoiceCurrency", "TotalVatAmountInvoiceCurrency"})
    rows = [{"LineNumber": 1, "TotalAmountIncVatInvoiceCurrency": 2.56}]
    assert await shop.refused("POST", path, {"Rows": rows}) == (400, 2000, {"Rows.TotalAmountIncVatInvoiceCurrency"})
    rows = [{"LineNumber": 1, "TotalAmountIncVatInvoiceCurrency": 2.55, "TotalAmountNoVatInvoiceCurrency": 2.11}]
    await shop.post(path, {"Rows": rows})


async def test_a_converted_draft_is_dated_today_unless_told_otherwise(shop: Shop) -> None:
    """The query parameter keepOriginalDraftDate counts together with its override."""
    dates = []
    for flag in ("false", "true"):
        draft = await shop.post("/customerinvoicedrafts", await shop.draft_body(InvoiceDate="2026-02-01"))
        path = f"/customerinvoicedrafts/{draft['Id']}/convert"
        invoice = await shop.post(path, keepOriginalDraftDate=flag, overrideCompanyKeepOriginalDraftDate=flag)
        dates.append(invoice["InvoiceDate"])
    assert dates == [TODAY, "2026-02-01"]


async def test_a_draft_is_changed_and_deleted(shop: Shop) -> None:
    """PUT prices it anew and moves no stock; after DELETE it is not found."""
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body())
    path = f"/customerinvoicedrafts/{draft['Id']}"
    body = await shop.draft_body()
    changed = await shop.put(path, {**body, "Rows": body["Rows"][:1]})
    assert (changed["TotalAmount"], changed["CreatedUtc"]) == (Decimal("2.55"), draft["CreatedUtc"])
    assert await shop.stock() == (100, 0, 100)
    await shop.send("DELETE", path)
    assert (await shop.refused("GET", path))[:2] == (404, 3000)


# orders


async def test_an_order_reserves_ships_and_is_invoiced(shop: Shop) -> None:
    """Reserved while ongoing, off the balance when shipped, not a second time when invoiced."""
    order = await shop.post("/orders", await shop.order_body(Status=2, YourReference="web 1"))
    assert (order["Number"], order["Amount"]) == (1, Decimal("17.85"))
    assert await shop.stock() == (100, 7, 93)
    shipped = await shop.post(f"/orders/{order['Id']}/completed", status=200)
    assert (shipped["Status"], shipped["ShippedDateTime"], shipped["DeliveredAmount"]) == (3, TODAY, Decimal("17.85"))
    assert await shop.stock() == (93, 0, 93)
    invoice = await shop.post(f"/orders/{order['Id']}/convert", [], status=200)
    assert (invoice["CreatedFromOrderId"], invoice["TotalAmount"], invoice["YourReference"]) == (order["Id"], Decimal("17.85"), "web 1")
    assert await shop.stock() == (93, 0, 93)
    assert (await shop.get(f"/orders/{order['Id']}"))["Status"] == 4
    assert (await shop.refused("POST", f"/orders/{order['Id']}/convert", {}))[:2] == (400, 2000)
    assert (await shop.refused("DELETE", f"/orders/{order['Id']}"))[:2] == (400, 4001)


async def test_an_order_draft_has_no_number_and_reserves_nothing(shop: Shop) -> None:
    """It gets its number when it becomes an order; deleted, its reservation is free again."""
    draft = await shop.post("/orders", await shop.order_body(Status=1))
    assert draft["Number"] is None
    assert await shop.stock() == (100, 0, 100)
    order = await shop.post(f"/orders/{draft['Id']}/converteddrafttoorder", status=200)
    assert order["Number"] == 1
    assert await shop.stock() == (100, 7, 93)
    await shop.send("DELETE", f"/orders/{draft['Id']}")
    assert await shop.stock() == (100, 0, 100)


async def test_a_partly_delivered_order_is_invoiced_for_what_was_delivered(shop: Shop) -> None:
    """Two of seven left the shop: five stay reserved until it is completed, and the invoice is for two."""
    order = await shop.post("/orders", await shop.order_body(Status=2, delivered=2))
    assert await shop.stock() == (100, 5, 95)
    await shop.post(f"/orders/{order['Id']}/completed", status=200)
    assert await shop.stock() == (98, 0, 98)
    invoice = await shop.post(f"/orders/{order['Id']}/convert", {}, status=200)
    assert invoice["TotalAmount"] == Decimal("5.10")


async def test_an_order_needs_its_date(shop: Shop) -> None:
    """OrderDate lost its flag in the document, and is required."""
    body = without(await shop.order_body(Status=2), "OrderDate")
    assert await shop.refused("POST", "/orders", body) == (400, 2000, {"OrderDate"})


# faults and control


async def test_a_duplicate_page_repeats_and_a_shifted_page_misses() -> None:
    """Page 2 starts with the last of page 1, or without its own first."""
    plan = FaultPlan(duplicate_page=1)
    async with Shop.open(faults=plan) as shop:
        whole = [row["Code"] for row in (await shop.get("/countries", S_pagesize=1000))["Data"]]
        assert [row["Code"] for row in (await shop.get("/countries", S_page=2, S_pagesize=10))["Data"]] == whole[9:20]
        plan.update({"duplicate_page": 0, "shifted_page": 1})
        assert [row["Code"] for row in (await shop.get("/countries", S_page=2, S_pagesize=10))["Data"]] == whole[11:21]


async def test_a_stale_index_hides_what_is_young() -> None:
    """A filtered list does not have it yet; the plain list and the record itself do."""
    async with Shop.open(faults=FaultPlan(stale_index_seconds=5)) as shop:
        invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99), YourReference="KB:1")
        found = [len((await shop.get("/customerinvoices", S_filter="YourReference eq 'KB:1'"))["Data"])]
        assert len((await shop.get("/customerinvoices"))["Data"]) == 1
        await shop.get(f"/customerinvoices/{invoice['Id']}")
        shop.clock.forward(seconds=5)
        found.append(len((await shop.get("/customerinvoices", S_filter="YourReference eq 'KB:1'"))["Data"]))
        assert found == [0, 1]


async def test_the_vendors_clock_may_be_off() -> None:
    """ServerTimeUtc and the change fields are the vendor's, not ours."""
    async with Shop.open(faults=FaultPlan(clock_skew_seconds=-90)) as shop:
        assert (await shop.get("/units"))["Meta"]["ServerTimeUtc"] == "2026-03-16T09:28:30Z"
        assert (await shop.invoice(await shop.row("BOOK", 1, 9.99)))["ModifiedUtc"] == "2026-03-16T09:28:30.000Z"


async def test_a_token_is_revoked_after_so_many_requests() -> None:
    """The next request is 401; a refresh brings a new token with its own count."""
    async with Shop.open(faults=FaultPlan(revoke_token_after=2)) as shop:
        await shop.get("/units")
        await shop.get("/units")
        assert (await shop.refused("GET", "/units"))[:2] == (401, 4005)
        fresh = await shop.refresh(shop.sandbox.refresh_token)
        shop.client.headers["authorization"] = f"Bearer {fresh.json()['access_token']}"
        await shop.get("/units")


async def test_a_person_edits_an_article(shop: Shop) -> None:
    """Name and price move ChangedUtc, a balance alone does not; the net price follows the gross; nonsense is refused."""
    shop.clock.forward(minutes=1)
    balance = await shop.client.post("/_sandbox/articles/book", json={"StockBalance": 12})
    assert (balance.json()["StockBalance"], balance.json()["ChangedUtc"]) == (12, "2026-03-16T08:29:59.000Z")
    edited = await shop.client.post("/_sandbox/articles/BOOK", json={"GrossPrice": 10.9, "Name": "Kookboek"})
    assert (edited.json()["NetPrice"], edited.json()["Name"], edited.json()["StockBalance"]) == (10, "Kookboek", 12)
    assert edited.json()["ChangedUtc"] == "2026-03-16T09:31:00.000Z"
    assert (await shop.client.post("/_sandbox/articles/BOOK", json={"Name": "n" * 51})).status_code == 400
    assert (await shop.client.post("/_sandbox/articles/none", json={})).status_code == 404


async def test_the_ledger_is_read_from_the_books(shop: Shop) -> None:
    """Gross, VAT by rate, money by account and stock, in process and over the control route."""
    sale = await shop.invoice(await shop.row("85123A", 2, 2.55), await shop.row("BOOK", 1, 9.99), YourReference="KB:1")
    await shop.invoice(await shop.row("BOOK", -1, 9.99), IsCreditInvoice=True, YourReference="KB:2")
    path, body = await shop.payment(sale, 15.09, PaymentType=2, account="Pin")
    await shop.post(path, body)
    ledger = shop.sandbox.ledger()
    assert [(one.reference, one.gross, one.is_credit) for one in ledger.documents] == [
        ("KB:1", Decimal("15.09"), False),
        ("KB:2", Decimal("-9.99"), True),
    ]
    assert (ledger.gross, ledger.vat) == (Decimal("5.10"), {Decimal(21): Decimal("0.89"), Decimal(9): 0})
    assert ledger.payments == {"Pin": Decimal("15.09")}
    assert (ledger.remaining, ledger.stock["85123A"]) == (Decimal("-9.99"), Decimal(98))
    assert (await shop.client.get("/_sandbox/ledger")).json() == ledger.as_json()


async def test_requests_are_counted_by_route(shop: Shop) -> None:
    """By method and documented path, whatever the id."""
    await shop.invoice(await shop.row("BOOK", 1, 9.99))
    await shop.send("GET", f"/articles/{NIL}")
    counted = {(one["method"], one["route"]): one["count"] for one in (await shop.client.get("/_sandbox/requests")).json()}
    assert counted["POST", "/v2/customerinvoices"] == 1
    assert counted["GET", "/v2/articles/{articleId}"] == 1


async def test_faults_are_changed_while_it_runs() -> None:
    """The control route changes the plan; nonsense is refused with a reason."""
    plan = FaultPlan()
    async with Shop.open(faults=plan) as shop:
        assert (await shop.client.post("/_sandbox/faults", json={"shifted_page": 1})).status_code == 200
        assert plan.shifted_page == 1
        assert "unknown fault" in (await shop.client.post("/_sandbox/faults", json={"fire": 1})).json()["error"]


async def _since(shop: Shop, moment: str) -> list[str]:
    return [row["Id"] for row in (await shop.get("/customerinvoices", modifiedSinceUtc=moment))["Data"]]


async def _paid(shop: Shop, invoice: dict[str, Any]) -> tuple[object, object, object]:
    row = await shop.get(f"/customerinvoices/{invoice['Id']}")
    return row["RemainingAmount"], row["PaymentStatus"], row["PaymentDate"]
