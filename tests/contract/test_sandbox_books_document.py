"""The books' sandbox and the vendor's published document: what is mended in it, and every operation judged by it."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import pytest

from connectors.sandbox.eaccounting import access, overlay
from connectors.sandbox.eaccounting.api import HANDLERS
from connectors.sandbox.eaccounting.errors import STATUS, Code
from connectors.sandbox.eaccounting.facts import COMMITTED, extract
from tests.contract.books_support import PUBLISHED, TODAY, Published, Shop, Violation, published, writable
from tests.contract.fuzz_books import fuzz

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.books_support import Exchange

pytestmark = pytest.mark.skipif(not PUBLISHED.exists(), reason="the vendor's published document is not at hand")
APPENDIX: Final = PUBLISHED.with_name("eaccounting-schema.md")
FILE: Final = {"ContentType": "application/pdf", "FileName": "bon", "Data": "JVBERi0="}
#: what the vendor has and a Dutch company of the sandbox has not
ELSEWHERE: Final = {
    "GET /foreignpaymentcodes/{foreignpaymentcodeId}",
    "POST /customerinvoices/{invoiceId}/einvoice",
    "PUT /companysettings/rotrut",
}


def document() -> Any:
    """Return the document as it was published."""
    return json.loads(PUBLISHED.read_text("utf-8"))


def test_the_committed_facts_are_those_of_the_published_document() -> None:
    """schema.json is the extract of the document with its mistakes mended, nothing more and nothing less."""
    assert json.loads(COMMITTED.read_text("utf-8")) == extract(document())


def test_the_overlay_mends_the_names_of_path_parameters() -> None:
    """As published, four operations name a parameter in another way than their path; afterwards none, and the original is untouched."""
    original = document()
    assert _misnamed(original) == 4
    assert _misnamed(overlay.applied(original)) == 0
    assert original == document()


def _misnamed(whole: Any) -> int:
    return sum(
        set(re.findall(r"{([^}]+)}", path)) != {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        for path, _, operation in overlay.operations(whole)
    )


@pytest.mark.parametrize(
    ("schema", "value", "good"),
    [
        ("OrderApi.Written", {"OrderDate": "2026-03-16"}, False),
        ("CustomerLabelApi.Written", {"Name": "x", "Id": "anything", "Colour": "red"}, True),
        ("CustomerLabelApi", {"Id": "00000000-0000-0000-0000-000000000000", "Name": "x", "Colour": "red"}, False),
        ("FiscalYearApi", {"StartDate": "2026-01-01", "EndDate": "2026-12-31T00:00:00Z"}, True),
        ("FiscalYearApi", {"StartDate": "January"}, False),
        ("CostCenterItemApi", {"CreatedUtc": "2026-01-01"}, False),
        ("InvoicePaymentApi.Written", {"PaymentType": "CompletePayment"}, False),
        ("ElectronicInvoiceRequestApi.Written", {"SendType": "Kivra"}, True),
        ("ElectronicInvoiceRequestApi.Written", {"SendType": "Pigeon"}, False),
        ("ElectronicInvoiceRequestApi.Written", {"SendType": 5}, False),
    ],
)
def test_what_the_overlay_lets_through(schema: str, value: object, good: bool) -> None:
    """Lost required dates, tolerated fields, dates without a time, enumerations by number and by name, and no more than that."""
    judge = published()
    assert judge is not None
    assert (judge.wrong_with(f"#/components/schemas/{schema}", value) == []) is good


def test_every_list_is_paged_and_every_operation_can_be_refused() -> None:
    """Query, refusals and sign-in are told for each of them."""
    whole = overlay.applied(document())
    found = overlay.operations(whole)
    assert len(found) == 228
    for path, method, operation in found:
        assert {"401", "403", "429", "500"} <= operation["responses"].keys()
        listing = json.dumps(operation["responses"].get("200", {})).find("PaginatedResponseOf") > 0
        names = {one["name"] for one in operation.get("parameters", ())}
        assert ({"$page", "$pagesize", "$filter", "$orderby", "$select"} <= names) is (listing and method == "get"), path


def test_the_catalogue_of_errors_is_whole() -> None:
    """56 entries, of which two share code 4002; each code has a status that the overlay lets every operation answer with, or 503."""
    assert len(Code) + 1 == 56
    assert STATUS.keys() == set(Code)
    known = {int(status) for status in overlay.operations(overlay.applied(document()))[0][2]["responses"]}
    assert set(STATUS.values()) <= known | {503}


@pytest.mark.skipif(not APPENDIX.exists(), reason="the extract of the older document is not at hand")
def test_variants_and_modules_are_those_of_the_appendix() -> None:
    """Every operation that the document of 2021 named has the variants and the module that it had there."""
    text = APPENDIX.read_text("utf-8").partition("## Appendix: required modules")[2].partition("## Appendix")[0]
    checked = 0
    for heading, listed in re.findall(r"- modules: (.*)\n  - (.*)", text):
        module, _, variants = heading.partition(" · variants: ")
        named = frozenset(variants.split(", ")) - {"Visma Lön Smart"}
        for entry in listed.split("; "):
            resource = access.resource(entry.split()[-1])
            if resource in ("webhooks", "documents", "messagethreads"):
                continue
            assert access.VARIANTS.get(resource, access.ALL) == named, entry
            assert (access.MODULES.get(resource) == access.SALES_MODULE) is (module in ("order_standard", "quote_standard"))
            checked += 1
    assert checked > 60


async def test_every_served_operation_works_as_published() -> None:
    """Each of them is called, succeeds, and its answer is what the document says."""
    async with Shop.open() as shop:
        await _tour(shop)
        worked = {one.operation for one in shop.seen if one.status < 300}
        assert HANDLERS.keys() - worked == ELSEWHERE
        await shop.refused("POST", "/articles", {})
    async with Shop.open(country="SE", auto_invoice=True) as swedish:
        code = (await swedish.get("/foreignpaymentcodes"))["Data"][0]
        await swedish.get(f"/foreignpaymentcodes/{code['Id']}")
        settings = await swedish.put("/companysettings/rotrut", {"RotReducedInvoicingPercent": 0.3})
        assert str(settings["CompanyRotRutSettings"]["RotReducedInvoicingPercent"]) == "0.3"
        terms = await swedish.one("termsofpayments", Name="30 dagar")
        customer = await swedish.post(
            "/customers",
            {"Name": "Kund", "InvoiceCity": "Lund", "InvoicePostalCode": "222 22", "IsActive": True, "IsPrivatePerson": False,
             "TermsOfPaymentId": terms["Id"], "ElectronicAddress": "0088:7300010000001"},
        )  # fmt: skip
        invoice = await swedish.invoice(await swedish.row("BOOK", 1, 10), customer=customer)
        await swedish.post(f"/customerinvoices/{invoice['Id']}/einvoice", {"SendType": 1}, status=200)
        assert {one.operation for one in swedish.seen if one.status < 300} >= ELSEWHERE


async def test_a_broken_answer_is_noticed() -> None:
    """Of every operation's answer: a field renamed, a required one left out, a text too long, a value of another type."""
    judge = published()
    assert judge is not None
    async with Shop.open() as shop:
        await _tour(shop)
    kinds: dict[str, int] = {}
    for exchange in {one.operation: one for one in shop.seen if one.status < 300 and one.kind == "application/json"}.values():
        for kind, broken in _broken(judge, exchange):
            kinds[kind] = kinds.get(kind, 0) + 1
            with pytest.raises(Violation):
                judge.exchange(exchange.asked, exchange.status, exchange.kind, json.dumps(broken).encode(), lenient=True)
    assert kinds.keys() == {"renamed", "left out", "too long", "other type"}
    assert kinds["renamed"] > 100
    assert kinds["other type"] > 1000


@pytest.mark.parametrize(
    ("status", "kind", "content"),
    [(418, "application/json", b"{}"), (200, "text/html", b"<html>"), (404, "application/json", b'{"Message": "gone"}')],
)
async def test_a_wrong_status_media_type_or_error_is_noticed(status: int, kind: str, content: bytes) -> None:
    """What is not documented for an operation is a violation, whatever its body."""
    judge = published()
    assert judge is not None
    async with Shop.open() as shop:
        await shop.get("/units")
    with pytest.raises(Violation):
        judge.exchange(shop.seen[0].asked, status, kind, content)


async def test_a_body_that_should_not_have_been_accepted_is_noticed() -> None:
    """Bodies are judged too, once they are accepted."""
    judge = published()
    assert judge is not None
    async with Shop.open() as shop:
        await shop.post("/articlelabels", {"Name": "Nieuw"})
    good = shop.seen[-1]
    for body in ({}, {"Name": 7}, {"Name": "n" * 51}):
        asked = type(good.asked)(good.asked.method, good.asked.path, {}, json.dumps(body).encode())
        with pytest.raises(Violation, match="accepted a body"):
            judge.exchange(asked, good.status, good.kind, good.content)


def test_generated_requests_do_no_harm() -> None:
    """A hundred of them here; ``make fuzz`` sends many thousands."""
    judge = published()
    assert judge is not None
    state = fuzz(judge, 100, 7, operations=6)
    assert state.failures == []
    assert sum(state.statuses.values()) >= 100
    assert state.statuses[200] > 0


def _broken(judge: Published, exchange: Exchange) -> Iterator[tuple[str, Any]]:
    """Yield an answer with one thing wrong at a time: in the record, in the first record of a list, and in the list's own frame."""
    answer = json.loads(exchange.content)
    if isinstance(answer, dict) and "Data" in answer:
        answer["Data"] = answer["Data"][:1]
    found = judge.operation(exchange.asked.method, exchange.asked.path)
    assert found is not None
    schema = found[1]["responses"][str(exchange.status)]["content"]["application/json"]["schema"]
    schemas = judge.document["components"]["schemas"]
    places: list[tuple[list[Any], Any]] = [([], schemas[schema["$ref"].rpartition("/")[2]])] if "$ref" in schema else []
    if places and isinstance(answer, dict) and "Data" in answer:
        places.append((["Meta"], schemas["CommonPaginationMetadata"]))
        if answer["Data"]:
            places.append((["Data", 0], schemas[places[0][1]["properties"]["Data"]["items"]["$ref"].rpartition("/")[2]]))
    for path, shape in places:
        for kind, change in _changes(shape, _at(answer, path)):
            broken = deepcopy(answer)
            change(_at(broken, path))
            yield kind, broken


def _changes(shape: Any, record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if record and "properties" in shape:
        first = next(iter(record))
        yield "renamed", lambda row: row.update({f"{first}s": row.pop(first)})
    for name in shape.get("required", ()):
        yield "left out", lambda row, name=name: row.pop(name)
    for name, field in shape.get("properties", {}).items():
        if name in record and "maxLength" in field:
            yield "too long", lambda row, name=name, field=field: row.update({name: "x" * (field["maxLength"] + 1)})
        if name in record and "$ref" not in field:
            yield "other type", lambda row, name=name: row.update({name: {"not": "this"}})


def _at(answer: Any, path: list[Any]) -> Any:
    for step in path:
        answer = answer[step]
    return answer


async def _tour(shop: Shop) -> None:
    """Call every operation that a Dutch company has."""
    await _registers(shop)
    await _articles_and_customers(shop)
    await _orders_and_quotes(shop)
    await _invoices(shop)
    await _bookkeeping(shop)
    await _files(shop)


async def _registers(shop: Shop) -> None:
    for name in (
        "articleaccountcodings", "units", "termsofpayments", "vatcodes", "vatreports", "deliverymethods", "deliveryterms", "fiscalyears",
        "bankaccounts",
    ):  # fmt: skip
        await shop.get(f"/{name}/{(await shop.get(f'/{name}'))['Data'][0]['Id']}")
    for path in (
        "accountTypes", "banks", "currencies", "currencies/exchangerate", "countries", "countries/NL", "users", "foreignpaymentcodes",
        "accounts/standardaccounts", "costcenters",
    ):  # fmt: skip
        await shop.get(f"/{path}")
    for name in ("deliverymethods", "deliveryterms"):
        await shop.post(f"/{name}", {"Name": "Koerier"}, status=200)
    settings = await shop.get("/companysettings")
    await shop.put("/companysettings", writable("CompanySettingsApi", settings))
    await shop.put("/companysettings/accountinglocksettings", {"AccountingLockedAsOf": {"Year": 2025, "Month": 12}})
    await shop.get("/articles", S_select="Number,Name", S_pagesize=2)


async def _articles_and_customers(shop: Shop) -> None:
    body = await shop.article_body()
    article = await shop.post("/articles", body)
    await shop.put(f"/articles/{article['Id']}", body)
    await shop.get(f"/articles/{article['Id']}")
    for labels in ("articlelabels", "customerlabels"):
        label = await shop.post(f"/{labels}", {"Name": "Vast"})
        await shop.put(f"/{labels}/{label['Id']}", {"Name": "Los"})
        await shop.get(f"/{labels}/{label['Id']}")
        await shop.get(f"/{labels}")
    customer = await shop.customer(InvoiceCountryCode="DE", VatNumber="DE136695976", CustomerLabels=[{"Name": "Los"}])
    await shop.put(f"/customers/{customer['Id']}", writable("CustomerApi", customer))
    for path in ("/customers", f"/customers/{customer['Id']}", f"/customers/{customer['Id']}/autoinvoicerecipients"):
        await shop.get(path)
    for register, path in (("articlelabels", "/articlelabels"), ("customerlabels", "/customerlabels")):
        await shop.send("DELETE", f"{path}/{(await shop.get(f'/{register}'))['Data'][-1]['Id']}")
    await shop.send("DELETE", f"/customers/{customer['Id']}")
    terms = await shop.one("termsofpayments", Name="30 dagen")
    supplier = await shop.post("/suppliers", {"Name": "Groothandel", "TermsOfPaymentId": terms["Id"]})
    await shop.put(f"/suppliers/{supplier['Id']}", writable("SupplierApi", supplier))
    await shop.get("/suppliers")
    await shop.get(f"/suppliers/{supplier['Id']}")
    await shop.send("DELETE", f"/suppliers/{supplier['Id']}")
    link = {"ResourceId": article["Id"], "ResourceType": 0, "Href": "x", "PartnerCompanyName": "x", "PartnerSystemName": "x"}
    made = await shop.post("/partnerresourcelinks", link)
    await shop.get("/partnerresourcelinks")
    await shop.get(f"/partnerresourcelinks/{made['Id']}")
    await shop.put(f"/partnerresourcelinks/{made['Id']}", {**link, "Href": "y"})
    await shop.send("DELETE", f"/partnerresourcelinks/{made['Id']}")


async def _orders_and_quotes(shop: Shop) -> None:
    mail = {"Email": "jo@winkel.example"}
    order = await shop.post("/orders", await shop.order_body(Status=1))
    path = f"/orders/{order['Id']}"
    await shop.post(f"{path}/converteddrafttoorder", status=200)
    await shop.put(path, {**writable("OrderApi", order), "Status": 2})
    await shop.get(path)
    await shop.get("/orders")
    for action in ("print", "deliverynote/print"):
        await shop.send("GET", f"{path}/{action}")
    await shop.send("POST", f"{path}/email", mail)
    await shop.post(f"{path}/completed", status=200)
    await shop.post(f"{path}/voided", status=200)
    await shop.post(f"{path}/convert", {}, status=200)
    partial = await shop.post("/orders", await shop.order_body(Status=3, delivered=2))
    await shop.post(f"/orders/{partial['Id']}/backorder", status=200)
    gone = await shop.post("/orders", await shop.order_body(Status=2))
    await shop.send("DELETE", f"/orders/{gone['Id']}")
    body = {"CustomerId": (await shop.debtor())["Id"], "Rows": [await shop.row("BOOK", 1, 9.99)], "QuoteDate": TODAY}
    quotes = [await shop.post("/quotes", body) for _ in range(3)]
    first, second, third = (f"/quotes/{quote['Id']}" for quote in quotes)
    await shop.put(first, body)
    await shop.get(first)
    await shop.get("/quotes")
    await shop.send("GET", f"{first}/print")
    await shop.send("POST", f"{first}/email", mail)
    await shop.send("PUT", f"{first}/accept")
    await shop.post(f"{first}/previeworder", {"Type": 1}, status=200)
    await shop.post(f"{first}/converttoorder", {"Type": 1}, status=200)
    await shop.post(f"{second}/converttocustomerinvoice", {}, status=200)
    await shop.send("DELETE", third)
    for convert in (True, False):
        draft = await shop.post("/quotedrafts", body)
        await shop.put(f"/quotedrafts/{draft['Id']}", body)
        await shop.get(f"/quotedrafts/{draft['Id']}")
        await shop.get("/quotedrafts")
        await shop.send(*(("PUT", f"/quotedrafts/{draft['Id']}/convert") if convert else ("DELETE", f"/quotedrafts/{draft['Id']}")))


async def _invoices(shop: Shop) -> None:
    row = await shop.row("BOOK", 1, 9.99)
    invoice = await shop.invoice(row, {"Text": "KB:1"})
    path = f"/customerinvoices/{invoice['Id']}"
    for address in ("/customerinvoices", path, f"{path}/pdf"):
        await shop.get(address)
    await shop.send("GET", f"{path}/print")
    await shop.send("POST", f"{path}/email", {"Email": "jo@winkel.example"})
    await shop.post(*await shop.payment(invoice, 9.99, PaymentType=2))
    late = await shop.invoice(row, InvoiceDate="2026-01-02", DueDate="2026-01-03")
    await shop.send("POST", f"/customerinvoices/{late['Id']}/paymentreminders", {"EmailDetails": {"Email": "jo@winkel.example"}})
    await shop.send("POST", f"/customerinvoices/{late['Id']}/void", updateStock="true")
    draft, other = [await shop.post("/customerinvoicedrafts", await shop.draft_body()) for _ in range(2)]
    path = f"/customerinvoicedrafts/{draft['Id']}"
    await shop.put(path, writable("CustomerInvoiceDraftApi", draft))
    await shop.get(path)
    await shop.get("/customerinvoicedrafts")
    await shop.post(f"{path}/convert")
    await shop.send("DELETE", f"/customerinvoicedrafts/{other['Id']}")


async def _bookkeeping(shop: Shop) -> None:
    year = (await shop.get("/fiscalyears", S_filter=f"StartDate le {TODAY} and EndDate ge {TODAY}"))["Data"][0]
    await shop.post("/fiscalyears", {"StartDate": "2028-01-01", "EndDate": "2028-12-31"})
    await shop.put(f"/fiscalyears/{year['Id']}", {"IsLockedForAccounting": False})
    await shop.get("/fiscalyears/openingbalances")
    opening = [{"AccountNumber": 1000, "Balance": 100}, {"AccountNumber": 500, "Balance": -100}]
    await shop.put("/fiscalyears/openingbalances", opening)
    account = {"Name": "Tweede kas", "Number": "1001", "FiscalYearId": year["Id"], "IsActive": True}
    await shop.post("/accounts", account)
    await shop.put(f"/accounts/{year['Id']}/1001", {**account, "Name": "Wisselgeld"})
    for path in ("/accounts", f"/accounts/{year['Id']}", f"/accounts/{year['Id']}/1001"):
        await shop.get(path)
    for path in (f"/accountbalances/{TODAY}", f"/accountbalances/1000/{TODAY}"):
        await shop.get(path)
    rows = [
        {"AccountNumber": 1300, "DebitAmount": 121},
        {"AccountNumber": 8000, "CreditAmount": 100},
        {"AccountNumber": 1520, "CreditAmount": 21},
    ]
    voucher = await shop.post("/vouchers", {"VoucherDate": TODAY, "VoucherText": "Verkoop", "Rows": rows})
    for path in ("/vouchers", f"/vouchers/{year['Id']}", f"/vouchers/{year['Id']}/{voucher['Id']}"):
        await shop.get(path)
    for convert in (True, False):
        draft = await shop.post("/voucherdrafts", {"VoucherDate": TODAY, "VoucherText": "Later", "Rows": rows})
        await shop.put(f"/voucherdrafts/{draft['Id']}", {"VoucherDate": TODAY, "VoucherText": "Nu", "Rows": rows})
        await shop.get(f"/voucherdrafts/{draft['Id']}")
        await shop.get("/voucherdrafts")
        await shop.send(*(("POST", f"/voucherdrafts/{draft['Id']}/convert") if convert else ("DELETE", f"/voucherdrafts/{draft['Id']}")))
    customer = await shop.customer()
    item = {
        "CurrencyCode": "EUR", "CustomerId": customer["Id"], "DueDate": TODAY, "InvoiceDate": TODAY, "InvoiceNumber": 77,
        "IsCreditInvoice": False, "TotalAmountInvoiceCurrency": 121, "RemainingAmountInvoiceCurrency": 121,
        "VATAmountInvoiceCurrency": 21, "RoundingsAmountInvoiceCurrency": 0,
    }  # fmt: skip
    made = await shop.post("/customerledgeritems", {**item, "VoucherId": voucher["Id"]})
    await shop.get("/customerledgeritems")
    await shop.get(f"/customerledgeritems/{made['Id']}")
    booked = {"VoucherDate": TODAY, "VoucherText": "Verkoop", "Rows": rows}
    await shop.post("/customerledgeritems/customerledgeritemswithvoucher", {**item, "Voucher": booked})
    bank = await shop.post("/bankaccounts", {"Name": "Spaar", "BankAccountType": 3, "LedgerAccountNumber": 1110})
    await shop.put(f"/bankaccounts/{bank['Id']}", {"Name": "Sparen", "BankAccountType": 3, "LedgerAccountNumber": 1110})
    await shop.send("DELETE", f"/bankaccounts/{bank['Id']}")
    project = {"Number": "1", "Name": "Verbouwing", "StartDate": TODAY, "Status": 1}
    made = await shop.post("/projects", project)
    assert (await shop.send("PUT", f"/projects/{made['Id']}", project)).status_code == 201
    await shop.get("/projects")
    await shop.get(f"/projects/{made['Id']}")
    center = (await shop.get("/costcenters"))["Data"][0]
    item = {"CostCenterId": center["Id"], "Name": "Winkel", "ShortName": "W", "IsActive": True}
    made = await shop.post("/costcenteritems", item)
    await shop.put(f"/costcenteritems/{made['Id']}", item)
    await shop.get(f"/costcenteritems/{made['Id']}")
    await shop.put(f"/costcenters/{center['Id']}", {"Name": "Plek", "IsActive": True})


async def _files(shop: Shop) -> None:
    files = [await shop.post("/attachments", FILE) for _ in range(2)]
    voucher = (await shop.get("/vouchers"))["Data"][0]
    await shop.post("/attachmentlinks", {"DocumentId": voucher["Id"], "DocumentType": 3, "AttachmentIds": [files[0]["Id"]]}, status=200)
    await shop.get("/attachments", includeMatched="false", includeTemporaryUrl="false")
    await shop.get(f"/attachments/{files[0]['Id']}")
    await shop.send("DELETE", f"/attachmentlinks/{files[0]['Id']}")
    await shop.send("DELETE", f"/attachments/{files[1]['Id']}")
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body())
    held = {
        "customerinvoicedraft": draft,
        "customerinvoice": (await shop.get("/customerinvoices"))["Data"][0],
        "order": (await shop.get("/orders"))["Data"][0],
        "quote": (await shop.get("/quotes"))["Data"][0],
    }
    for kind, holder in held.items():
        made = await shop.post(f"/salesdocumentattachments/{kind}", {**FILE, "DockumentId": holder["Id"]})
        await shop.send("DELETE", f"/salesdocumentattachments/{kind}/{holder['Id']}/{made['Id']}")
    made = await shop.post("/salesdocumentattachments", {**FILE, "DockumentId": draft["Id"]})
    await shop.get("/salesdocumentattachments")
    await shop.get(f"/salesdocumentattachments/{made['Id']}")
    assert (await shop.send("GET", f"/salesdocumentattachments/{made['Id']}.pdf")).content == b"%PDF-"
    await shop.send("DELETE", f"/salesdocumentattachments/{draft['Id']}/{made['Id']}")
