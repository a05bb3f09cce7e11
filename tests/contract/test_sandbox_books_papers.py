"""Orders, quotes and invoices of the books' sandbox on their way: backorders, conversions, prints, mails and reminders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.books_support import NIL, TODAY, Shop, writable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

D = Decimal
MAIL = {"Email": "jo@winkel.example", "CcRecipients": ["bo@winkel.example"]}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


async def quote_body(shop: Shop, **fields: Any) -> dict[str, Any]:
    """Return a quote that can be made: two cakestands for the debtor."""
    return {"CustomerId": (await shop.debtor())["Id"], "Rows": [await shop.row("22423", 2, 12.75)], **fields}


# orders


async def test_what_was_not_delivered_is_ordered_back_once(shop: Shop) -> None:
    """The backorder holds and reserves the rest; a second one is refused, and the order cannot be voided any more."""
    order = await shop.post("/orders", await shop.order_body(Status=3, delivered=2))
    path = f"/orders/{order['Id']}"
    back = await shop.post(f"{path}/backorder", status=200)
    assert (back["Status"], back["Number"], back["Rows"][0]["Quantity"], back["Rows"][0]["DeliveredQuantity"]) == (2, 2, 5, 0)
    assert back["Id"] != order["Id"]
    assert await shop.stock() == (98, 5, 93)
    assert (await shop.refused("POST", f"{path}/backorder"))[:2] == (400, 4002)
    assert (await shop.refused("POST", f"{path}/voided"))[:2] == (400, 4028)
    await shop.send("DELETE", f"/orders/{back['Id']}")
    assert await shop.stock() == (98, 0, 98)
    await shop.post(f"{path}/backorder", status=200)


async def test_nothing_is_ordered_back_of_what_was_delivered_or_is_not_shipped(shop: Shop) -> None:
    """400/4002 either way."""
    for fields in ({"Status": 3, "delivered": 7}, {"Status": 2}):
        order = await shop.post("/orders", await shop.order_body(**fields))
        assert (await shop.refused("POST", f"/orders/{order['Id']}/backorder"))[:2] == (400, 4002)


async def test_a_shipped_order_is_taken_back(shop: Shop) -> None:
    """Voided it is ongoing again, and the goods are in the app."""
    order = await shop.post("/orders", await shop.order_body(Status=3, delivered=7, ShippedDateTime=TODAY))
    assert await shop.stock() == (93, 0, 93)
    voided = await shop.post(f"/orders/{order['Id']}/voided", status=200)
    assert (voided["Status"], voided["ShippedDateTime"]) == (2, None)
    assert (await shop.stock())[0] == 100


async def test_an_order_of_texts_is_not_invoiced(shop: Shop) -> None:
    """4031: there is no article on it."""
    flags = {"LineNumber": 1, "IsTextRow": True, "IsWorkCost": False, "EligibleForReverseChargeOnVat": False}
    order = await shop.post("/orders", await shop.order_body(Status=3, Rows=[{"Text": "Bedankt", **flags}]))
    assert (await shop.refused("POST", f"/orders/{order['Id']}/convert", {}))[:2] == (400, 4031)


async def test_states_that_do_not_follow_each_other(shop: Shop) -> None:
    """An order is confirmed once, completed once, and voided only when shipped."""
    order = await shop.post("/orders", await shop.order_body(Status=2))
    for action in ("converteddrafttoorder", "voided"):
        assert (await shop.refused("POST", f"/orders/{order['Id']}/{action}"))[:2] == (400, 4002)
    await shop.post(f"/orders/{order['Id']}/completed", status=200)
    assert (await shop.refused("POST", f"/orders/{order['Id']}/completed"))[:2] == (400, 4002)


async def test_reverse_charge_takes_customer_row_and_article(shop: Shop) -> None:
    """VAT is gone only when all three have it; an article that is not sold so is 4027."""
    builder = await shop.customer(VatNumber="NL001234560B01", ReverseChargeOnConstructionServices=True)
    flags = {"LineNumber": 1, "IsTextRow": False, "IsWorkCost": False, "EligibleForReverseChargeOnVat": True}

    async def vat(article: str, customer: dict[str, Any]) -> object:
        rows = [{**await shop.row(article, 1, 10), **flags}]
        body = await shop.order_body(Status=2, CustomerId=customer["Id"], ReverseChargeOnConstructionServices=True, Rows=rows)
        answer = await shop.send("POST", "/orders", body)
        return answer.json().get("VatAmount", answer.json().get("ErrorCode"))

    assert await vat("AMAZONFEE", builder) == 0
    assert await vat("AMAZONFEE", await shop.customer()) == 2.1
    assert await vat("22423", builder) == 4027


async def test_projects_and_cost_centres_on_rows(shop: Shop) -> None:
    """They must exist; a finished project is 5005, an inactive item 5006."""
    project = await shop.post("/projects", {"Number": "1", "Name": "Af", "StartDate": TODAY, "Status": 2})
    center = (await shop.get("/costcenters"))["Data"][0]
    item = await shop.post("/costcenteritems", {"CostCenterId": center["Id"], "Name": "Oud", "ShortName": "O", "IsActive": False})
    for field, value, refusal in (
        ("ProjectId", NIL.replace("0", "1"), (400, 3000)),
        ("ProjectId", project["Id"], (400, 5005)),
        ("CostCenterItemId1", item["Id"], (400, 5006)),
    ):
        body = await shop.invoice_body(await shop.row("BOOK", 1, 9.99, **{field: value}))
        assert (await shop.refused("POST", "/customerinvoices", body))[:2] == refusal


async def test_orders_and_quotes_need_their_module() -> None:
    """403/4002 without it; invoices go on."""
    async with Shop.open(sales_module=False) as shop:
        for path in ("/orders", "/quotes", "/quotedrafts"):
            answer = await shop.send("GET", path)
            assert (answer.status_code, answer.json()["DeveloperErrorMessage"]) == (
                403,
                "ForbiddenRequestException - No access to module: sales_standard",
            )
        await shop.invoice(await shop.row("BOOK", 1, 9.99))
        assert "sales_standard" not in (await shop.get("/companysettings"))["ActivatedModules"]


@pytest.mark.parametrize(
    ("variant", "open_to", "closed_to"),
    [
        ("Standard", ["/orders", "/suppliers", "/currencies"], ["/salespricelists"]),
        ("Invoicing", ["/orders", "/currencies"], ["/suppliers", "/voucherdrafts"]),
        ("Bookkeeping", ["/suppliers", "/vouchers"], ["/articles", "/customers", "/orders"]),
        ("Solo", ["/articles", "/voucherdrafts"], ["/orders", "/articlelabels", "/currencies", "/projects"]),
    ],
)
async def test_variants_have_their_own_operations(variant: str, open_to: list[str], closed_to: list[str]) -> None:
    """Outside the variant everything is 403/4009, and only Pro keeps stock."""
    async with Shop.open(variant=variant) as shop:
        for path in open_to:
            await shop.get(path)
        for path in closed_to:
            assert await shop.refused("GET", path) == (403, 4009, set())
        assert "stock_standard" not in (await shop.get("/companysettings"))["ActivatedModules"]


# quotes


async def test_a_quote_is_offered_accepted_and_ordered(shop: Shop) -> None:
    """Numbered and priced; the preview is the order that comes of it; afterwards nothing can be made of it again."""
    quote = await shop.post("/quotes", await quote_body(shop, CustomerReference="web 7"))
    assert (quote["Status"], quote["Number"], quote["TotalAmount"], quote["IncludesVat"]) == (1, 1, D("25.50"), True)
    assert (quote["QuoteDate"], quote["DueDate"], quote["TermsOfPayment"]["Name"]) == (TODAY, "2026-04-15", "Contant")
    path = f"/quotes/{quote['Id']}"
    assert (await shop.send("PUT", f"{path}/accept")).content == b""
    accepted = await shop.get(path)
    assert (accepted["Status"], accepted["ApprovedDate"]) == (2, TODAY)
    assert (await shop.refused("PUT", f"{path}/accept"))[:2] == (400, 4002)
    assert (await shop.refused("PUT", path, await quote_body(shop)))[:2] == (400, 4002)
    preview = await shop.post(f"{path}/previeworder", {"Type": 1}, status=200)
    assert (await shop.get("/orders"))["Data"] == []
    order = await shop.post(f"{path}/converttoorder", {"Type": 1}, status=200)
    assert (order["Amount"], order["YourReference"], order["CreatedFromQuoteId"], order["Status"]) == (D("25.50"), "web 7", quote["Id"], 2)
    assert (preview["Amount"], preview["Id"]) == (order["Amount"], NIL)
    assert await shop.stock("22423") == (40, 2, 38)
    assert (await shop.get(path))["Status"] == 4
    assert (await shop.refused("POST", f"{path}/converttocustomerinvoice", {}))[:2] == (400, 4002)
    assert (await shop.refused("DELETE", path))[:2] == (400, 4001)


async def test_a_quote_becomes_an_order_draft_by_default(shop: Shop) -> None:
    """Type 0: without a number, and nothing is reserved."""
    quote = await shop.post("/quotes", await quote_body(shop))
    order = await shop.post(f"/quotes/{quote['Id']}/converttoorder", status=200)
    assert (order["Status"], order["Number"]) == (1, None)
    assert await shop.stock("22423") == (40, 0, 40)


async def test_a_quote_becomes_an_invoice(shop: Shop) -> None:
    """Booked at once, linked both ways, and the goods are gone."""
    quote = await shop.post("/quotes", await quote_body(shop))
    invoice = await shop.post(f"/quotes/{quote['Id']}/converttocustomerinvoice", {}, status=200)
    assert (invoice["TotalAmount"], invoice["CreatedFromQuoteId"]) == (D("25.50"), quote["Id"])
    assert (await shop.get(f"/quotes/{quote['Id']}"))["Status"] == 3
    assert await shop.stock("22423") == (38, 0, 38)


async def test_a_quote_draft_becomes_a_quote(shop: Shop) -> None:
    """It has no number before, is changed freely, and is gone afterwards."""
    draft = await shop.post("/quotedrafts", await quote_body(shop))
    assert (draft["Status"], draft["Number"]) == (0, None)
    changed = await shop.put(f"/quotedrafts/{draft['Id']}", await quote_body(shop, CompanyReference="Jo"))
    assert changed["CompanyReference"] == "Jo"
    answer = await shop.send("PUT", f"/quotedrafts/{draft['Id']}/convert")
    quote = answer.json()
    assert (answer.status_code, quote["Status"], quote["Number"], quote["CompanyReference"]) == (200, 1, 1, "Jo")
    assert (await shop.refused("GET", f"/quotedrafts/{draft['Id']}"))[:2] == (404, 3000)


async def test_the_terms_of_a_quote_are_chosen_by_id(shop: Shop) -> None:
    """TermsOfPayment.Id can be written on quotes alone; one that does not exist is refused."""
    terms = await shop.one("termsofpayments", Name="30 dagen")
    quote = await shop.post("/quotes", await quote_body(shop, TermsOfPayment={"Id": terms["Id"]}))
    assert quote["TermsOfPayment"]["Name"] == "30 dagen"
    body = await quote_body(shop, TermsOfPayment={"Id": NIL.replace("0", "1")})
    assert (await shop.refused("POST", "/quotes", body))[:2] == (400, 3000)


async def test_a_customer_with_a_quote_stays(shop: Shop) -> None:
    """4001, as with any other transaction."""
    customer = await shop.customer()
    await shop.post("/quotes", await quote_body(shop, CustomerId=customer["Id"], Rows=[]))
    assert (await shop.refused("DELETE", f"/customers/{customer['Id']}"))[:2] == (400, 4001)


# invoices


async def test_an_invoice_is_booked_from_a_draft_that_it_names(shop: Shop) -> None:
    """CreatedFromDraftId: the draft is gone; one that does not exist is refused."""
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body())
    row = await shop.row("BOOK", 1, 9.99)
    invoice = await shop.invoice(row, CreatedFromDraftId=draft["Id"])
    assert invoice["CreatedFromDraftId"] == draft["Id"]
    assert (await shop.refused("GET", f"/customerinvoicedrafts/{draft['Id']}"))[:2] == (404, 3000)
    body = await shop.invoice_body(row, CreatedFromDraftId=draft["Id"])
    assert (await shop.refused("POST", "/customerinvoices", body))[:2] == (400, 3000)


async def test_prints_are_pdfs(shop: Shop) -> None:
    """Each has a page, and names the document; the temporary address needs no sign-in."""
    invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    order = await shop.post("/orders", await shop.order_body(Status=2))
    quote = await shop.post("/quotes", await quote_body(shop))
    for path, title in (
        (f"/customerinvoices/{invoice['Id']}/print", b"Invoice 1"),
        (f"/orders/{order['Id']}/print", b"Order 1"),
        (f"/orders/{order['Id']}/deliverynote/print", b"Delivery note 1"),
        (f"/quotes/{quote['Id']}/print", b"Quote 1"),
    ):
        answer = await shop.send("GET", path)
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-1.4")
        assert title in answer.content
        start = int(answer.content.rsplit(b"startxref\n", 1)[1].split()[0])
        assert answer.content[start:].startswith(b"xref")
    address = (await shop.get(f"/customerinvoices/{invoice['Id']}/pdf"))["Url"]
    shop.client.headers.pop("authorization")
    assert (await shop.client.get(address)).content.startswith(b"%PDF-")
    assert (await shop.client.get(f"/_sandbox/files/{NIL}")).status_code == 404


async def test_mails_go_to_the_address_given_or_to_the_customers(shop: Shop) -> None:
    """With copies; without any address 400/2000 on Email; what would be sent is noted and nothing is sent."""
    customer = await shop.customer(EmailAddress="a@korst.example", EmailAddressOrder="o@korst.example", EmailAddresses=["c@korst.example"])
    invoice = await shop.invoice(await shop.row("BOOK", 1, 9.17), customer=customer)
    order = await shop.post("/orders", await shop.order_body(Status=2, CustomerId=customer["Id"]))
    for path, body in (
        (f"/customerinvoices/{invoice['Id']}/email", MAIL),
        (f"/customerinvoices/{invoice['Id']}/email", None),
        (f"/orders/{order['Id']}/email", {"CcRecipients": None}),
    ):
        assert (await shop.send("POST", path, body)).status_code == 200
    assert [to for _, _, to in shop.sandbox.books.sent] == [
        "jo@winkel.example", "bo@winkel.example", "a@korst.example", "c@korst.example", "o@korst.example",
    ]  # fmt: skip
    nobody = await shop.invoice(await shop.row("BOOK", 1, 9.99))
    assert await shop.refused("POST", f"/customerinvoices/{nobody['Id']}/email", {}) == (400, 2000, {"Email"})


async def test_a_reminder_is_for_what_is_overdue(shop: Shop) -> None:
    """It is counted on the invoice; before the due date it is refused."""
    customer = await shop.customer(EmailAddress="a@korst.example")
    early = await shop.invoice(await shop.row("BOOK", 1, 9.17), customer=customer)
    assert (await shop.refused("POST", f"/customerinvoices/{early['Id']}/paymentreminders", {}))[:2] == (400, 4002)
    late = await shop.invoice(await shop.row("BOOK", 1, 9.17), customer=customer, InvoiceDate="2026-01-02", DueDate="2026-02-01")
    path = f"/customerinvoices/{late['Id']}"
    for _ in range(2):
        assert (await shop.send("POST", f"{path}/paymentreminders")).status_code == 200
    reminded = await shop.get(path)
    assert (reminded["PaymentReminderIssued"], reminded["PaymentRemindersCount"], reminded["LastPaymentReminderSentDate"]) == (
        True,
        2,
        TODAY,
    )


async def test_electronic_invoices_need_what_they_need() -> None:
    """The module, the customer's address, and in Norway a reference."""
    async with Shop.open() as shop:
        invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
        assert (await shop.refused("POST", f"/customerinvoices/{invoice['Id']}/einvoice", {"SendType": 1}))[:2] == (403, 4002)
    async with Shop.open(auto_invoice=True) as shop:
        invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
        assert (await shop.refused("POST", f"/customerinvoices/{invoice['Id']}/einvoice", {"SendType": 1}))[:2] == (400, 4017)
        assert (await shop.refused("POST", f"/customerinvoices/{invoice['Id']}/einvoice", {"SendType": 9}))[:2] == (400, 2000)
    async with Shop.open(auto_invoice=True, country="NO") as shop:
        invoice = await shop.invoice(await shop.row("BOOK", 1, 9.99))
        assert (await shop.refused("POST", f"/customerinvoices/{invoice['Id']}/einvoice", {"SendType": 1}))[:2] == (400, 4014)


async def test_tax_reductions_are_swedish() -> None:
    """Refused elsewhere; there with persons whose number is valid, and with the property's name."""
    async with Shop.open() as shop:
        body = await shop.invoice_body(await shop.row("AMAZONFEE", 1, 10), RotReducedInvoicingType=1)
        assert await shop.refused("POST", "/customerinvoices", body) == (400, 2000, {"RotReducedInvoicingType"})
    async with Shop.open(country="SE") as shop:
        row = await shop.row("AMAZONFEE", 1, 10)
        for fields, refusal in (
            ({}, (400, 2000, {"Persons"})),
            ({"RotPropertyType": 1}, (400, 2000, {"RotReducedInvoicingPropertyName"})),
            ({"Persons": [{"Amount": 1}]}, (400, 2000, {"Persons[0].Ssn"})),
            ({"Persons": [{"Ssn": "811228-9875", "Amount": 1}]}, (400, 4029, set())),
        ):
            body = await shop.invoice_body(row, RotReducedInvoicingType=1, **fields)
            assert await shop.refused("POST", "/customerinvoices", body) == refusal
        await shop.invoice(row, RotReducedInvoicingType=1, Persons=[{"Ssn": "811228-9874", "Amount": 1}])


async def test_amounts_beyond_reason_are_refused(shop: Shop) -> None:
    """A quantity, a price or a total that no ledger holds is 400/2000, never a crash."""
    for quantity, price in ((1e12, 1), (1, 1e14), (99_999_999, 99)):
        body = await shop.invoice_body(await shop.row("BOOK", quantity, price))
        assert (await shop.refused("POST", "/customerinvoices", body))[:2] == (400, 2000)


async def test_attachments_of_papers(shop: Shop) -> None:
    """The document knows its files, a file comes back as it was, and is taken off by document and id."""
    order = await shop.post("/orders", await shop.order_body(Status=2))
    upload = {"ContentType": "image/png", "FileName": "foto (1).png", "DockumentId": order["Id"], "Data": "iVBORw0K"}
    made = await shop.post("/salesdocumentattachments/order", upload)
    assert (made["DocumentSize"], made["OriginalFilename"]) == (6, "foto (1).png")
    assert (await shop.get(f"/orders/{order['Id']}"))["SalesDocumentAttachments"] == [made["Id"]]
    file = await shop.send("GET", f"/salesdocumentattachments/{made['Id']}.pdf")
    assert (file.headers["content-type"], file.content) == ("image/png", b"\x89PNG\r\n")
    other = f"/salesdocumentattachments/quote/{order['Id']}/{made['Id']}"
    assert (await shop.refused("DELETE", other))[:2] == (404, 3000)
    await shop.send("DELETE", f"/salesdocumentattachments/order/{order['Id']}/{made['Id']}")
    assert (await shop.get(f"/orders/{order['Id']}"))["SalesDocumentAttachments"] == []
    for fields in ({"ContentType": "text/html"}, {"FileName": "a/b"}, {"Data": "%%"}, {"Data": None}, {"DockumentId": NIL}):
        answer = await shop.send("POST", "/salesdocumentattachments/order", {**upload, **fields})
        assert answer.status_code == 400


async def test_what_a_draft_and_an_order_may_write_back(shop: Shop) -> None:
    """What a GET gives can be PUT again, without its read-only fields, and changes nothing."""
    order = await shop.post("/orders", await shop.order_body(Status=2))
    draft = await shop.post("/customerinvoicedrafts", await shop.draft_body())
    for path, schema, row in (
        (f"/orders/{order['Id']}", "OrderApi", order),
        (f"/customerinvoicedrafts/{draft['Id']}", "CustomerInvoiceDraftApi", draft),
    ):
        assert await shop.put(path, writable(schema, row)) == row
