"""eAccounting's records to the shop's vocabulary and back.  Pure; what cannot be said is a ``Refusal`` with its reason.

What the vendor limits in length is cut only where nothing is identified by it: names, texts, addresses.  A key, a number or an e-mail
address that is too long is refused before it is sent: cut, it would be another's.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors import sense
from connectors.boundary import Refusal
from connectors.eaccounting.config import REFERENCE_LENGTHS
from connectors.eaccounting.wire import CUSTOMER_READ_ONLY, DRAFT_READ_ONLY
from connectors.model import (
    ZERO,
    Address,
    Company,
    Customer,
    Document,
    DocumentDraft,
    DocumentKind,
    DocumentRow,
    MoneyAccount,
    Product,
    StockLevel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from connectors.eaccounting import wire
    from connectors.model import BookPayment

_CENT: Final = Decimal("0.01")
_HUNDRED: Final = Decimal(100)
#: stands in a field that the vendor requires and the till does not know
_UNKNOWN: Final = "-"
_NAME, _CONTACT, _LINE, _CITY, _POSTAL_CODE, _PHONE, _TEXT = 50, 100, 50, 50, 10, 50, 2000
_REFERENCE: Final = 100
#: longest text of what identifies somebody (reference: CustomerApi)
_IDENTITIES: Final = {
    "CustomerNumber": 16,
    "EmailAddress": 255,
    "CorporateIdentityNumber": 20,
    "VatNumber": 20,
    "InvoiceCountryCode": 2,
    "DeliveryCountryCode": 2,
}
_PARTIAL, _COMPLETE = 1, 2
_VARIANTS: Final = {1: "Standard", 2: "Invoicing", 3: "Bookkeeping", 4: "Solo", 5: "Pro", 6: "InvoicingCollaboration"}
_NOT_IN_A_NUMBER = re.compile(r"[\s.\-]")


def percent(value: Decimal) -> Decimal:
    """Return a rate as a percentage: up to 1 it is a fraction (0.21), above it is one already (21).  There is no VAT of 1 %."""
    shown = value * _HUNDRED if value <= 1 else value
    return shown.quantize(Decimal(1)) if shown == shown.to_integral_value() else shown.normalize()


def product(article: wire.Article, codings: Mapping[str, wire.Coding], *, stock_module: bool) -> Product:
    """Return an article as a product; its VAT rate is that of its coding, its price the gross one to the cent.

    Raises:
        Refusal: it has no price, or its coding is unknown or has no rate.
    """
    coding = codings.get(article.coding_id or "")
    if coding is None or coding.vat_rate_percent is None:
        raise Refusal("the article's coding is unknown" if coding is None else "the article's coding has no VAT rate")
    if article.gross_price is None:
        raise Refusal("the article has no gross price")
    stock = stock_level(article, stock_module=stock_module)
    sense.sellable("gross price", article.gross_price)
    sense.chargeable("VAT rate", percent(coding.vat_rate_percent))
    return Product(
        id=article.id,
        sku=article.number,
        name=article.name or "",
        price=article.gross_price.quantize(_CENT, ROUND_HALF_UP),
        vat_rate=percent(coding.vat_rate_percent),
        active=article.is_active is not False,
        ean=next((code.barcode.strip() for code in article.barcodes or () if code.barcode and code.barcode.strip()), None),
        unit=article.unit_name or article.unit_abbreviation,
        purchase_price=article.purchase_price,
        categories=tuple(label.name for label in article.article_labels or () if label.name),
        is_service=article.is_service_article is True,
        tracked=stock.tracked,
        quantity=stock.available,
        changed_at=article.changed_utc,
    )


def stock_level(article: wire.Article, *, stock_module: bool) -> StockLevel:
    """Return how much there is of an article.

    Counted are goods: with the stock module those marked as stock articles, without it all (reference: ``ShowStockInformation``, which
    says just that and is believed where it is given).  Without the module nothing is reserved and the balance is what there is.
    """
    goods = article.is_service_article is not True
    tracked = article.show_stock_information
    if tracked is None:
        tracked = goods and (article.is_stock is True or not stock_module)
    if not tracked:
        return StockLevel(article.id, article.number, tracked=False)
    balance = article.stock_balance
    reserved = article.stock_balance_reserved if stock_module else ZERO
    available = article.stock_balance_available if stock_module else balance
    if available is None and balance is not None and reserved is not None:
        available = balance - reserved
    return StockLevel(article.id, article.number, tracked=True, balance=balance, reserved=reserved, available=available)


def customer(record: wire.CustomerRecord) -> Customer:
    """Return a debtor as a customer."""
    private = record.is_private_person is True
    delivery = Address(
        _joined(record.delivery_address1, record.delivery_address2),
        _known(record.delivery_postal_code),
        _known(record.delivery_city),
        _known(record.delivery_country_code),
    )
    return Customer(
        id=record.id,
        number=record.customer_number,
        email=_known(record.email_address),
        name=_known(record.name if private else record.contact_person_name),
        company=None if private else _known(record.name),
        organisation_number=_known(record.corporate_identity_number),
        vat_number=_known(record.vat_number),
        phone=_known(record.telephone) or _known(record.mobile_phone),
        invoice_address=Address(
            _joined(record.invoice_address1, record.invoice_address2),
            _known(record.invoice_postal_code),
            _known(record.invoice_city),
            _known(record.invoice_country_code),
        ),
        delivery_address=delivery if delivery != Address() else None,
        charge_vat_abroad=record.force_bookkeep_vat is True,
        active=record.is_active is not False,
        changed_at=record.changed_utc,
    )


def new_customer(customer: Customer, *, terms_id: str, outside_eu: bool) -> dict[str, Any]:
    """Return the body of a new debtor.  ``outside_eu`` tells about its country: only there can VAT be forced.

    Raises:
        Refusal: what identifies it does not fit the vendor's field.
    """
    blank: dict[str, Any] = {
        "Name": customer.email or _UNKNOWN,
        "InvoiceCity": _UNKNOWN,
        "InvoicePostalCode": _UNKNOWN,
        "TermsOfPaymentId": terms_id,
        "IsPrivatePerson": not customer.is_company,
    }
    body = blank | _customer_fields(customer, company=customer.is_company, outside_eu=outside_eu)
    return body | {"Name": body["Name"][:_NAME]}


def changed_customer(raw: Mapping[str, Any], customer: Customer, *, outside_eu: bool) -> dict[str, Any]:
    """Return the body that writes the fields of ``customer`` that are set, and every other writable field of ``raw`` as it is.

    A customer without a company's name does not turn a business into a private person: its name is then the contact person's.

    Raises:
        Refusal: what identifies it does not fit the vendor's field.
    """
    company = customer.is_company or raw.get("IsPrivatePerson") is False
    kept = writable(raw, CUSTOMER_READ_ONLY)
    return kept | {"IsPrivatePerson": not company} | _customer_fields(customer, company=company, outside_eu=outside_eu)


def writable(raw: Mapping[str, Any], read_only: frozenset[str]) -> dict[str, Any]:
    """Return the fields of a record that may be written back, those unknown here too."""
    return {name: value for name, value in raw.items() if name not in read_only}


def _customer_fields(customer: Customer, *, company: bool, outside_eu: bool) -> dict[str, Any]:
    """Return the fields that ``customer`` sets."""
    invoice, delivery = customer.invoice_address, customer.delivery_address
    fields = {
        "CustomerNumber": customer.number,
        "Name": _cut(customer.company if company else customer.name, _NAME),
        "ContactPersonName": _cut(customer.name, _CONTACT) if company else None,
        "EmailAddress": customer.email,
        "CorporateIdentityNumber": customer.organisation_number,
        "VatNumber": _NOT_IN_A_NUMBER.sub("", customer.vat_number).upper() if customer.vat_number else None,
        "Telephone": _cut(customer.phone, _PHONE),
        **_street("Invoice", invoice.street),
        "InvoicePostalCode": _cut(invoice.postal_code, _POSTAL_CODE),
        "InvoiceCity": _cut(invoice.city, _CITY),
        "InvoiceCountryCode": invoice.country,
    }
    if delivery is not None:
        fields |= {
            **_street("Delivery", delivery.street),
            "DeliveryPostalCode": _cut(delivery.postal_code, _POSTAL_CODE),
            "DeliveryCity": _cut(delivery.city, _CITY),
            "DeliveryCountryCode": delivery.country,
        }
    given: dict[str, Any] = {name: value for name, value in fields.items() if value}
    for name, length in _IDENTITIES.items():
        if len(given.get(name, "")) > length:
            raise Refusal(f"{name} is longer than {length}")
    if given.get("InvoiceAddress1"):
        given.setdefault("InvoiceAddress2", None)
    if not outside_eu:
        given["ForceBookkeepVat"] = False  # the vendor refuses it inside the EU
    elif customer.charge_vat_abroad:
        given["ForceBookkeepVat"] = True
    return given | {"IsActive": customer.active}


def document(record: wire.Invoice, *, reference_field: str, currency: str) -> Document:
    """Return a booked invoice.  Amounts are in the invoice's currency where the vendor gives them, ``currency`` is the company's.

    Raises:
        Refusal: it has no total.
    """
    gross = _cents(record.total_amount_invoice_currency, record.total_amount)
    vat = _cents(record.total_vat_amount_invoice_currency, record.total_vat_amount)
    remaining = _cents(record.remaining_amount_invoice_currency, record.remaining_amount)
    if gross is None or vat is None or remaining is None:
        raise Refusal("the document has no totals")
    found = Document(
        id=record.id,
        number=str(record.invoice_number or ""),
        kind=DocumentKind.CREDIT if record.is_credit_invoice else DocumentKind.INVOICE,
        key=key(record, reference_field),
        customer_id=record.customer_id,
        gross=gross,
        vat=vat,
        remaining=remaining,
        currency=record.currency_code or currency,
        prices_include_vat=record.includes_vat,
        rounding=_cents(record.total_roundings) or ZERO,
        vat_by_rate=tuple(map(_vat, record.vat_specification or ())),
        date=_date(record.invoice_date),
        changed_at=record.modified_utc,
        rows=_rows(record),
        credited=bool(record.credited_by),
    )
    return _signed(found)


def _rows(record: wire.Invoice) -> tuple[DocumentRow, ...]:
    """Return the rows of articles; nothing where one has a discount, for that would be lost."""
    rows = [row for row in record.rows or () if row.article_id and not row.is_text_row]
    if any(row.discount_percentage or row.quantity is None or row.unit_price is None for row in rows):
        return ()
    return tuple(
        DocumentRow(row.article_id or "", row.text or "", row.quantity or ZERO, row.unit_price or ZERO, percent(row.percent_vat or ZERO))
        for row in rows
    )


def proposal(record: wire.InvoiceDraft, *, reference_field: str, currency: str) -> Document:
    """Return an invoice that is not booked yet; all of it remains to be paid.

    Raises:
        Refusal: it has no total.
    """
    gross, vat = _cents(record.total_amount), _cents(record.total_vat_amount)
    if gross is None or vat is None:
        raise Refusal("the draft has no totals")
    found = Document(
        id=record.id,
        number="",
        kind=DocumentKind.CREDIT if record.is_credit_invoice else DocumentKind.INVOICE,
        key=key(record, reference_field),
        customer_id=record.customer_id,
        gross=gross,
        vat=vat,
        remaining=gross,
        currency=record.invoice_currency_code or currency,
        booked=False,
        prices_include_vat=record.includes_vat,
        rounding=_cents(record.total_roundings) or ZERO,
        date=_date(record.invoice_date),
        changed_at=record.created_utc,
    )
    return _signed(found)


def new_invoice(draft: DocumentDraft, *, reference_field: str, turned: bool = False) -> dict[str, Any]:
    """Return the body of an invoice that is booked at once.

    The rows carry their own sign, a credit's negative quantities [A]; ``turned``, they are given as on an invoice, and the flag turns them.

    Raises:
        Refusal: it is of a kind that is no invoice, or its key does not fit the reference field.
    """
    if draft.kind not in (DocumentKind.INVOICE, DocumentKind.CREDIT):
        raise Refusal(f"a document of kind {draft.kind} is no invoice")
    if len(draft.key) > REFERENCE_LENGTHS[reference_field]:
        raise Refusal(f"the key is longer than {reference_field} ({REFERENCE_LENGTHS[reference_field]})")
    sense.bookable("date", draft.date)
    for row in draft.rows:
        sense.countable("quantity", row.quantity)
        sense.payable("price", row.unit_price)
    sign = -1 if turned else 1
    body: dict[str, Any] = {
        "CustomerId": draft.customer_id,
        "IsCreditInvoice": draft.kind is DocumentKind.CREDIT,
        "EuThirdParty": False,
        "RotReducedInvoicingType": 0,
        "ReplaceUnitPriceWhenZero": False,
        "InvoiceDate": draft.date.isoformat(),
        "Rows": [
            {"ArticleId": row.article_id, "Text": row.text[:_TEXT] or None, "Quantity": sign * row.quantity, "UnitPrice": row.unit_price}
            for row in draft.rows
        ],
    }
    if draft.our_reference:
        body["OurReference"] = draft.our_reference[:_REFERENCE]
    if draft.delivery_address is not None:
        address = draft.delivery_address
        fields = {
            **_street("Delivery", address.street),
            "DeliveryPostalCode": _cut(address.postal_code, _POSTAL_CODE),
            "DeliveryCity": _cut(address.city, _CITY),
            "DeliveryCountryCode": address.country,
        }
        body |= {name: value for name, value in fields.items() if value}
    return body | {reference_field: draft.key}


def new_draft(draft: DocumentDraft, *, reference_field: str, turned: bool = False) -> dict[str, Any]:
    """Return the body of an invoice draft: an invoice whose rows say besides that they are articles (required there)."""
    body = new_invoice(draft, reference_field=reference_field, turned=turned)
    return body | {"Rows": [row | {"IsTextRow": False, "ReversedConstructionServicesVatFree": False} for row in body["Rows"]]}


def changed_draft(raw: Mapping[str, Any], draft: DocumentDraft, *, reference_field: str, turned: bool = False) -> dict[str, Any]:
    """Return the body that replaces what ``draft`` says of a draft and keeps every other writable field."""
    return writable(raw, DRAFT_READ_ONLY) | new_draft(draft, reference_field=reference_field, turned=turned)


def agreed(proposal: Document) -> dict[str, Any]:
    """Return the totals that the vendor has to come to when it books a draft (negative for a credit)."""
    return {
        "TotalAmountInvoiceCurrency": proposal.gross,
        "TotalVatAmountInvoiceCurrency": proposal.vat,
        "TotalRoundingsInvoiceCurrency": proposal.rounding,
    }


def new_payment(payment: BookPayment) -> dict[str, Any]:
    """Return the body of a payment; type 2 settles the invoice, type 1 a part of it.

    Raises:
        Refusal: its amount or its day is nothing that a shop has.
    """
    sense.payable("amount", payment.amount)
    sense.bookable("day", payment.date)
    return {
        "CompanyBankAccountId": payment.account_id,
        "PaymentDate": payment.date.isoformat(),
        "Reference": payment.reference[:_REFERENCE],
        "PaymentAmount": payment.amount,
        "PaymentCurrency": payment.currency,
        "PaymentType": _COMPLETE if payment.complete else _PARTIAL,
    }


def company(settings: wire.CompanySettings, *, stock_module: bool, eu_countries: frozenset[str]) -> Company:
    """Return which company this is; its identifier never changes hands (reference: CompanySettingsApi)."""
    return Company(
        id=settings.company_identifier or settings.corporate_identity_number or "",
        name=settings.name or "",
        country=settings.country_code or "",
        currency=settings.currency_code or "",
        variant=_VARIANTS.get(settings.product_variant or 0, ""),
        modules=frozenset(settings.activated_modules or ()),
        stock_module=stock_module,
        rounds_totals=settings.domestic_currency_rounding == 1,
        eu_countries=eu_countries,
    )


def money_account(account: wire.BankAccount) -> MoneyAccount:
    """Return a bank account as one on which payments are registered."""
    return MoneyAccount(account.id, account.name or "", str(account.ledger_account_number or ""), active=account.is_active is not False)


def _signed(found: Document) -> Document:
    """Give a credit its sign where the vendor gave it positive totals; what remains of a credit is always negative."""
    if found.kind is not DocumentKind.CREDIT:
        return found
    remaining = -abs(found.remaining)
    if found.gross <= 0:
        return replace(found, remaining=remaining)
    by_rate = tuple((rate, -net, -vat) for rate, net, vat in found.vat_by_rate)
    rows = tuple(replace(row, quantity=-row.quantity) for row in found.rows)
    return replace(found, rows=rows, gross=-found.gross, vat=-found.vat, remaining=remaining, rounding=-found.rounding, vat_by_rate=by_rate)


def key(record: wire.Referenced, reference_field: str) -> str:
    """Return the natural key that a document carries, or an empty string."""
    keys = {
        "YourReference": record.your_reference,
        "OurReference": record.our_reference,
        "BuyersOrderReference": record.buyers_order_reference,
    }
    return (keys[reference_field] or "").strip()


def _vat(line: wire.VatLine) -> tuple[Decimal, Decimal, Decimal]:
    net, vat = _cents(line.amount_invoice_currency), _cents(line.vat_amount_invoice_currency)
    return percent(line.vat_percent or ZERO), net or ZERO, vat or ZERO


def _cents(*amounts: Decimal | None) -> Decimal | None:
    """Return the first amount that was given, to the cent: the vendor keeps doubles, and their noise is no money."""
    amount = next((amount for amount in amounts if amount is not None), None)
    return None if amount is None else amount.quantize(_CENT, ROUND_HALF_UP)


def _date(text: str | None) -> date | None:
    return sense.day(text) if text else None


def _known(text: str | None) -> str | None:
    stripped = (text or "").strip()
    return stripped if stripped and stripped != _UNKNOWN else None


def _cut(text: str | None, length: int) -> str | None:
    return text[:length].rstrip() if text else None


def _joined(*lines: str | None) -> str | None:
    return _known(" ".join(line.strip() for line in lines if line and line.strip()))


def _street(side: str, street: str | None) -> dict[str, str | None]:
    """Return a street in two lines, broken at a space where one line is too short."""
    if not street or len(street) <= _LINE:
        return {f"{side}Address1": street}
    break_at = street.rfind(" ", 1, _LINE + 1)
    end = break_at if break_at > 0 else _LINE
    return {f"{side}Address1": street[:end].rstrip(), f"{side}Address2": street[end:].strip()[:_LINE].rstrip()}
