"""eAccounting's records to the shop's vocabulary and back, without a wire."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.bounded_json import from_json, to_json
from connectors.eaccounting import translate, wire
from connectors.eaccounting.config import EAccountingConfig
from connectors.model import Address, BookPayment, Customer, Document, DocumentDraft, DocumentKind, DocumentRow

D = Decimal
CODINGS = {
    "c21": wire.Coding(Id="c21", VatRatePercent=D("0.21")),
    "c9": wire.Coding(Id="c9", VatRatePercent=D("0.09")),
    "c0": wire.Coding(Id="c0", VatRatePercent=D(0)),
    "none": wire.Coding(Id="none", VatRatePercent=None),
}
ARTICLE: dict[str, Any] = {
    "Id": "a1",
    "Number": "85123A",
    "Name": "Candle",
    "IsActive": True,
    "NetPrice": 2.1074,
    "GrossPrice": 2.55,
    "CodingId": "c21",
    "UnitName": "Stuk",
    "StockBalance": 10,
    "StockBalanceReserved": 3,
    "StockBalanceAvailable": 7,
    "ChangedUtc": "2026-01-02T03:04:05.1234567Z",
    "PurchasePrice": 1.2,
    "ArticleLabels": [{"Id": "l", "Name": "Home"}],
    "IsStock": True,
    "IsServiceArticle": False,
    "Barcodes": [{"Barcode": " 8712345678906 ", "BarcodeType": 0}],
    "SomethingNew": {"x": 1},
}


def article(**changes: Any) -> wire.Article:
    """Return an article as it comes over the wire."""
    return wire.Article.model_validate_json(json.dumps(ARTICLE | changes))


def test_an_article_is_a_product() -> None:
    """Price is the gross one, VAT the coding's fraction as a percentage, quantity what is free, EAN the first barcode."""
    product = translate.product(article(), CODINGS, stock_module=True)
    assert (product.id, product.sku, product.name, product.price, product.vat_rate) == ("a1", "85123A", "Candle", D("2.55"), D(21))
    assert (product.tracked, product.quantity, product.ean, product.unit) == (True, D(7), "8712345678906", "Stuk")
    assert (product.purchase_price, product.categories, product.active, product.is_service) == (D("1.2"), ("Home",), True, False)
    assert product.changed_at == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)


@pytest.mark.parametrize(("gross", "price"), [(2.5549, "2.55"), (2.555, "2.56"), (0, "0.00"), (99000000, "99000000.00")])
def test_a_price_with_more_decimals_is_rounded_as_the_vendor_rounds(gross: float, price: str) -> None:
    """Half away from zero, to the cent."""
    assert str(translate.product(article(GrossPrice=gross), CODINGS, stock_module=True).price) == price


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"CodingId": "other"}, "unknown"),
        ({"CodingId": None}, "unknown"),
        ({"CodingId": "none"}, "no VAT"),
        ({"GrossPrice": None}, "price"),
    ],
)
def test_an_article_that_says_too_little_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    """No rate and no price is ever guessed."""
    with pytest.raises(ValueError, match=reason):
        translate.product(article(**changes), CODINGS, stock_module=True)


@pytest.mark.parametrize(
    ("changes", "module", "expected"),
    [
        ({}, True, (True, D(10), D(3), D(7))),
        ({"IsStock": False}, True, (False, None, None, None)),
        ({"IsStock": False}, False, (True, D(10), D(0), D(10))),
        ({"IsServiceArticle": True, "IsStock": False}, False, (False, None, None, None)),
        ({"IsServiceArticle": True}, True, (False, None, None, None)),
        ({"ShowStockInformation": False}, True, (False, None, None, None)),
        ({"ShowStockInformation": True, "IsStock": None}, True, (True, D(10), D(3), D(7))),
        ({"StockBalanceAvailable": None}, True, (True, D(10), D(3), D(7))),
        ({"StockBalanceAvailable": None, "StockBalanceReserved": None}, True, (True, D(10), None, None)),
        ({"StockBalance": 0, "StockBalanceAvailable": 0, "StockBalanceReserved": 0}, True, (True, D(0), D(0), D(0))),
        ({"StockBalance": None}, False, (True, None, D(0), None)),
    ],
)
def test_zero_nothing_and_not_tracked_are_told_apart(changes: dict[str, Any], module: bool, expected: tuple[Any, ...]) -> None:
    """Goods are counted when the stock module says so, or always without it; a missing number stays missing."""
    level = translate.stock_level(article(**changes), stock_module=module)
    assert (level.tracked, level.balance, level.reserved, level.available) == expected


@pytest.mark.parametrize(
    ("wired", "shown"), [("0.21", "21"), ("21", "21"), ("0", "0"), ("0.055", "5.5"), ("5.5", "5.5"), ("0.210", "21"), ("1", "100")]
)
def test_a_rate_is_a_percentage_whether_it_came_as_a_fraction_or_not(wired: str, shown: str) -> None:
    """Both notations give the same rate, so that rates of codings and of documents can be compared."""
    assert str(translate.percent(D(wired))) == shown


CUSTOMER: dict[str, Any] = {
    "Id": "k1",
    "CustomerNumber": "1001",
    "Name": "Bakery BV",
    "ContactPersonName": "Ann",
    "EmailAddress": "ann@bakery.example",
    "CorporateIdentityNumber": "12345678",
    "VatNumber": "NL001234567B01",
    "Telephone": "",
    "MobilePhone": "06",
    "InvoiceAddress1": "Long street 1",
    "InvoiceAddress2": "rear",
    "InvoicePostalCode": "1234 AB",
    "InvoiceCity": "-",
    "InvoiceCountryCode": "NL",
    "IsPrivatePerson": False,
    "IsActive": True,
    "ForceBookkeepVat": False,
    "ChangedUtc": "2026-01-02T03:04:05",
}


def test_a_debtor_is_a_customer() -> None:
    """A business has a contact person, a private person a name; what stands for "unknown" is nothing."""
    company = translate.customer(wire.CustomerRecord.model_validate(CUSTOMER))
    assert (company.company, company.name, company.phone) == ("Bakery BV", "Ann", "06")
    assert company.invoice_address == Address("Long street 1 rear", "1234 AB", None, "NL")
    assert company.delivery_address is None
    assert company.changed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    private = translate.customer(wire.CustomerRecord.model_validate(CUSTOMER | {"IsPrivatePerson": True, "DeliveryCity": "Delft"}))
    assert (private.company, private.name) == (None, "Bakery BV")
    assert private.delivery_address == Address(None, None, "Delft", None)


def test_a_new_business_has_what_the_vendor_requires() -> None:
    """The company is the name, the person the contact, unknown city and postal code a dash, the VAT number without ornaments."""
    body = translate.new_customer(
        Customer(company="Bakery BV", name="Ann", email="ann@bakery.example", vat_number="nl 0012.345.67-B01"),
        terms_id="t",
        outside_eu=False,
    )
    assert body == {
        "Name": "Bakery BV",
        "ContactPersonName": "Ann",
        "EmailAddress": "ann@bakery.example",
        "VatNumber": "NL001234567B01",
        "InvoiceCity": "-",
        "InvoicePostalCode": "-",
        "TermsOfPaymentId": "t",
        "IsPrivatePerson": False,
        "IsActive": True,
        "ForceBookkeepVat": False,
    }


@pytest.mark.parametrize(
    ("customer", "name"),
    [
        (Customer(name="N" * 80), "N" * 50),
        (Customer(name="N" * 49 + " tail"), "N" * 49),
        (Customer(email="ann@bakery.example"), "ann@bakery.example"),
        (Customer(email="a" * 60 + "@bakery.example"), "a" * 50),
        (Customer(), "-"),
    ],
)
def test_a_new_private_person_always_has_a_name_that_fits(customer: Customer, name: str) -> None:
    """Fifty characters, the e-mail address where the till has no name, a dash where it has neither."""
    body = translate.new_customer(customer, terms_id="t", outside_eu=False)
    assert (body["Name"], body["IsPrivatePerson"]) == (name, True)


def test_a_long_street_is_broken_at_a_space() -> None:
    """Two lines of at most fifty characters, and reading them gives the street back."""
    street = "A street with a name that goes on and on until the house 123"
    body = translate.new_customer(Customer(name="Ann", invoice_address=Address(street=street)), terms_id="t", outside_eu=False)
    assert len(body["InvoiceAddress1"]) <= 50
    assert body["InvoiceAddress1"] + " " + body["InvoiceAddress2"] == street
    back = translate.customer(wire.CustomerRecord.model_validate({"Id": "k"} | body))
    assert back.invoice_address.street == street
    unbroken = translate.new_customer(Customer(name="Ann", invoice_address=Address(street="x" * 120)), terms_id="t", outside_eu=False)
    assert (unbroken["InvoiceAddress1"], unbroken["InvoiceAddress2"]) == ("x" * 50, "x" * 50)


@pytest.mark.parametrize(
    ("charge", "outside", "expected"), [(True, True, True), (True, False, False), (False, False, False), (False, True, None)]
)
def test_vat_is_forced_only_outside_the_eu(charge: bool, outside: bool, expected: bool | None) -> None:
    """Inside the vendor refuses it; outside what a person set is left alone unless the till asks for it."""
    body = translate.new_customer(Customer(name="Ann", charge_vat_abroad=charge), terms_id="t", outside_eu=outside)
    assert body.get("ForceBookkeepVat") is expected


def test_a_change_writes_what_is_set_and_keeps_the_rest() -> None:
    """A new street replaces both lines of the old one; e-mail, note and unknown fields survive; read-only fields are not sent."""
    raw = CUSTOMER | {"Note": "pays late", "Future": [1, {"x": D("0.10")}], "UnpaidInvoicesAmount": 3}
    body = translate.changed_customer(raw, Customer(name="Bob", invoice_address=Address(street="Short 2")), outside_eu=False)
    assert (body["Name"], body["ContactPersonName"], body["IsPrivatePerson"]) == ("Bakery BV", "Bob", False)
    assert (body["InvoiceAddress1"], body["InvoiceAddress2"], body["EmailAddress"]) == ("Short 2", None, "ann@bakery.example")
    assert (body["Note"], body["Future"]) == ("pays late", [1, {"x": D("0.10")}])
    assert not body.keys() & {"Id", "ChangedUtc", "UnpaidInvoicesAmount"}


texts = st.text(max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.decimals(-(10**9), 10**9, places=4) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
unknown = st.dictionaries(texts.map(lambda name: f"X{name}"), values, max_size=5)


@settings(deadline=None)
@given(raw=unknown, name=st.none() | texts, email=st.none() | texts, company=st.booleans())
def test_no_unknown_field_is_ever_lost_by_read_modify_write(
    raw: dict[str, Any], name: str | None, email: str | None, company: bool
) -> None:
    """Whatever fields the vendor adds come back as they were, to the digit, through the wire's own reader and writer."""
    read = from_json(to_json({"Id": "k", "IsPrivatePerson": not company, **raw}))
    body = from_json(to_json(translate.changed_customer(read, Customer(name=name, email=email), outside_eu=True)))
    assert {key: body[key] for key in raw} == {key: read[key] for key in raw} == raw


@settings(deadline=None)
@given(raw=unknown)
def test_a_draft_that_is_changed_keeps_its_unknown_fields(raw: dict[str, Any]) -> None:
    """Rows, dates and key are ours; everything else of the draft is put back."""
    body = translate.changed_draft({"Id": "d", "TotalAmount": 1, **raw}, DRAFT, reference_field="YourReference")
    assert {key: body[key] for key in raw} == raw
    assert body.keys() - raw.keys() == translate.new_draft(DRAFT, reference_field="YourReference").keys()


ROWS = (DocumentRow("a1", "Candle", D(2), D("2.55"), D(21)), DocumentRow("a2", "", D("-1.5"), D("10.00"), D(9)))
DRAFT = DocumentDraft(
    kind=DocumentKind.INVOICE,
    key="KB-1-42",
    customer_id="k1",
    date=date(2026, 1, 31),
    rows=ROWS,
    gross=D("-9.90"),
    currency="EUR",
    prices_include_vat=True,
)


def test_an_invoice_says_all_that_the_vendor_requires() -> None:
    """Key, dates, flags and rows; a text that is missing is the article's; prices of zero stay zero."""
    body = translate.new_invoice(DRAFT, reference_field="YourReference")
    assert body == {
        "CustomerId": "k1",
        "YourReference": "KB-1-42",
        "IsCreditInvoice": False,
        "EuThirdParty": False,
        "RotReducedInvoicingType": 0,
        "ReplaceUnitPriceWhenZero": False,
        "InvoiceDate": "2026-01-31",
        "Rows": [
            {"ArticleId": "a1", "Text": "Candle", "Quantity": D(2), "UnitPrice": D("2.55")},
            {"ArticleId": "a2", "Text": None, "Quantity": D("-1.5"), "UnitPrice": D("10.00")},
        ],
    }


def test_a_draft_marks_its_rows_as_articles() -> None:
    """The draft's rows carry the two flags that are required there."""
    rows = translate.new_draft(DRAFT, reference_field="YourReference")["Rows"]
    assert all(row["IsTextRow"] is False and row["ReversedConstructionServicesVatFree"] is False for row in rows)


def test_a_credit_a_delivery_address_and_another_reference_field() -> None:
    """The credit flag comes from the kind, the address fields only where there is something, the key where it is configured to be."""
    draft = replace(DRAFT, kind=DocumentKind.CREDIT, delivery_address=Address("Quay 1", None, "Delft", "NL"), our_reference="o" * 120)
    body = translate.new_invoice(draft, reference_field="BuyersOrderReference")
    assert (body["IsCreditInvoice"], body["BuyersOrderReference"], len(body["OurReference"])) == (True, "KB-1-42", 100)
    assert {key: value for key, value in body.items() if key.startswith("Delivery")} == {
        "DeliveryAddress1": "Quay 1",
        "DeliveryCity": "Delft",
        "DeliveryCountryCode": "NL",
    }


def test_a_key_is_never_cut() -> None:
    """A key that does not fit its field is refused: a shortened one would find nothing, or something else."""
    with pytest.raises(ValueError, match="longer than BuyersOrderReference"):
        translate.new_invoice(replace(DRAFT, key="k" * 36), reference_field="BuyersOrderReference")
    with pytest.raises(ValueError, match="no invoice"):
        translate.new_invoice(replace(DRAFT, kind=DocumentKind.ORDER), reference_field="YourReference")


INVOICE: dict[str, Any] = {
    "Id": "i1",
    "CustomerId": "k1",
    "InvoiceNumber": 7,
    "IsCreditInvoice": False,
    "CurrencyCode": "EUR",
    "YourReference": " KB-1-42 ",
    "TotalAmount": 12.1,
    "TotalVatAmount": 2.1,
    "TotalRoundings": 0,
    "TotalAmountInvoiceCurrency": 12.100000000000001,
    "TotalVatAmountInvoiceCurrency": 2.1,
    "RemainingAmount": 2,
    "RemainingAmountInvoiceCurrency": 2,
    "VatSpecification": [{"AmountInvoiceCurrency": 10, "VatAmountInvoiceCurrency": 2.1, "VatPercent": 0.21}],
    "IncludesVat": True,
    "InvoiceDate": "2026-01-31T00:00:00",
    "ModifiedUtc": "2026-01-31T10:00:00Z",
}


def invoice(**changes: Any) -> Document:
    """Return a booked document as it comes over the wire."""
    record = wire.Invoice.model_validate_json(json.dumps(INVOICE | changes))
    return translate.document(record, reference_field="YourReference", currency="SEK")


def test_a_booked_invoice_is_a_document() -> None:
    """Totals to the cent in the invoice's currency, VAT by rate, the key without blanks, the date without a time."""
    found = invoice()
    assert (found.number, found.key, found.kind, found.currency, found.booked) == ("7", "KB-1-42", DocumentKind.INVOICE, "EUR", True)
    assert (found.gross, found.vat, found.remaining, found.rounding) == (D("12.10"), D("2.10"), D("2.00"), D(0))
    assert found.vat_by_rate == ((D(21), D("10.00"), D("2.10")),)
    assert (found.date, found.prices_include_vat) == (date(2026, 1, 31), True)


def test_amounts_fall_back_to_the_companys_currency() -> None:
    """Where the invoice's currency is not given, the base amounts and the company's currency count."""
    found = invoice(
        TotalAmountInvoiceCurrency=None, TotalVatAmountInvoiceCurrency=None, RemainingAmountInvoiceCurrency=None, CurrencyCode=None
    )
    assert (found.gross, found.currency) == (D("12.10"), "SEK")


def test_a_credit_is_negative_however_the_vendor_writes_it() -> None:
    """Positive totals of a credit turn negative as a whole; negative ones stay; what remains is always negative."""
    negative = invoice(
        IsCreditInvoice=True,
        TotalAmountInvoiceCurrency=-12.1,
        TotalVatAmountInvoiceCurrency=-2.1,
        RemainingAmountInvoiceCurrency=-12.1,
        VatSpecification=[{"AmountInvoiceCurrency": -10, "VatAmountInvoiceCurrency": -2.1, "VatPercent": 21}],
    )
    positive = invoice(IsCreditInvoice=True, RemainingAmountInvoiceCurrency=12.1)
    assert negative == positive
    assert (positive.kind, positive.gross, positive.vat, positive.remaining) == (DocumentKind.CREDIT, D("-12.10"), D("-2.10"), D("-12.10"))
    assert positive.vat_by_rate == ((D(21), D("-10.00"), D("-2.10")),)


def test_a_document_without_totals_is_refused() -> None:
    """What a document comes to is never taken as zero."""
    with pytest.raises(ValueError, match="totals"):
        invoice(TotalVatAmountInvoiceCurrency=None, TotalVatAmount=None)
    draft = wire.InvoiceDraft.model_validate({"Id": "d", "CustomerId": "k"})
    with pytest.raises(ValueError, match="totals"):
        translate.proposal(draft, reference_field="YourReference", currency="EUR")


def test_a_draft_is_a_document_that_can_be_withdrawn() -> None:
    """Not booked, without a number, all of it remaining; its agreed totals are what the vendor is told on booking."""
    record = wire.InvoiceDraft.model_validate(
        {"Id": "d", "CustomerId": "k", "TotalAmount": 12.1, "TotalVatAmount": 2.1, "TotalRoundings": -0.1, "YourReference": "KB"}
    )
    found = translate.proposal(record, reference_field="YourReference", currency="EUR")
    assert (found.booked, found.number, found.remaining, found.key) == (False, "", D("12.10"), "KB")
    assert translate.agreed(found) == {
        "TotalAmountInvoiceCurrency": D("12.10"),
        "TotalVatAmountInvoiceCurrency": D("2.10"),
        "TotalRoundingsInvoiceCurrency": D("-0.10"),
    }


@pytest.mark.parametrize(("complete", "kind"), [(True, 2), (False, 1)])
def test_a_payment_says_whether_it_is_complete(complete: bool, kind: int) -> None:
    """Type 2 settles, type 1 pays a part; the date is a plain date and the amount exact."""
    body = translate.new_payment(BookPayment("i1", "b1", D("-12.10"), "EUR", date(2026, 1, 31), "KB-1-42", complete=complete))
    assert body == {
        "CompanyBankAccountId": "b1",
        "PaymentDate": "2026-01-31",
        "Reference": "KB-1-42",
        "PaymentAmount": D("-12.10"),
        "PaymentCurrency": "EUR",
        "PaymentType": kind,
    }


def test_a_company_is_known_by_the_identifier_that_never_changes() -> None:
    """The identifier, else the organisation number; variant and modules by name."""
    settings = wire.CompanySettings.model_validate(
        {
            "Name": "Shop",
            "CountryCode": "NL",
            "CurrencyCode": "EUR",
            "ProductVariant": 5,
            "CompanyIdentifier": "x",
            "ActivatedModules": ["stock"],
        }
    )
    company = translate.company(settings, stock_module=True, eu_countries=frozenset({"NL"}))
    assert (company.id, company.variant, company.modules, company.stock_module) == ("x", "Pro", frozenset({"stock"}), True)
    bare = wire.CompanySettings.model_validate({"CorporateIdentityNumber": "12345678"})
    assert translate.company(bare, stock_module=False, eu_countries=frozenset()).id == "12345678"


def test_a_reference_field_that_no_document_has_is_refused() -> None:
    """A wrong setting is a wrong setting before anything is sent; secrets do not show."""
    with pytest.raises(ValueError, match="reference_field"):
        EAccountingConfig("books", "https://a", "https://i", "id", "hush", reference_field="Note")
    assert "hush" not in repr(EAccountingConfig("books", "https://a", "https://i", "id", "hush", refresh_token="hush"))
