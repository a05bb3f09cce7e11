"""Which records a company keeps: one table for each kind, with the fields that are looked up without a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.money import cents
from connectors.sandbox.eaccounting.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.eaccounting.validate import Row, Schemas

_REFERENCES: Final = ("YourReference", "BuyersOrderReference", "CustomerId", "CustomerNumber")
#: table -> schema, indexed fields
_KINDS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "accounts": ("AccountApi", ("Number", "FiscalYearId")),
    "accountTypes": ("AccountTypesApi", ()),
    "articleaccountcodings": ("ArticleAccountCodingApi", ("Name",)),
    "articlelabels": ("ArticleLabelApi", ("Name",)),
    "articles": ("ArticleApi", ("Number",)),
    "attachments": ("Attachment", ()),
    "bankaccounts": ("BankAccountApi", ("Name",)),
    "banks": ("BankApi", ()),
    "costcenteritems": ("CostCenterItemApi", ("CostCenterId",)),
    "costcenters": ("CostCenterApi", ()),
    "countries": ("CountryApi", ()),
    "currencies": ("CurrencyApi", ()),
    "customerinvoicedrafts": ("CustomerInvoiceDraftApi", _REFERENCES),
    "customerinvoices": ("CustomerInvoiceApi", ("InvoiceNumber", *_REFERENCES)),
    "customerlabels": ("CustomerLabelApi", ("Name",)),
    "customerledgeritems": ("CustomerLedgerItemApi", ("CustomerId", "InvoiceNumber")),
    "customers": ("CustomerApi", ("CustomerNumber", "EmailAddress", "CorporateIdentityNumber", "VatNumber", "Name")),
    "deliverymethods": ("DeliveryMethodApi", ("Name",)),
    "deliveryterms": ("DeliveryTermApi", ("Name",)),
    "fiscalyears": ("FiscalYearApi", ()),
    "foreignpaymentcodes": ("ForeignPaymentCodesApi", ()),
    "orders": ("OrderApi", ("Number", *_REFERENCES)),
    "partnerresourcelinks": ("PartnerResourceLinkApi", ("ResourceId",)),
    "projects": ("ProjectApi", ("Number", "CustomerId")),
    "quotedrafts": ("QuoteApi", ("CustomerReference", "CustomerId")),
    "quotes": ("QuoteApi", ("Number", "CustomerReference", "CustomerId")),
    "salesdocumentattachments": ("SalesDocumentAttachmentApi", ("DocumentId",)),
    "suppliers": ("SupplierApi", ("SupplierNumber",)),
    "termsofpayments": ("TermsOfPaymentApi", ("Name",)),
    "units": ("UnitApi", ("Name",)),
    "users": ("UserApi", ()),
    "vatcodes": ("VatCodeApi", ("Code",)),
    "vatreports": ("VatReportApi", ()),
    "voucherdrafts": ("VoucherDraftApi", ()),
    "vouchers": ("VoucherApi", ("SourceId",)),
}
#: what a record is known by, where it is not its Id
_KEYS: Final[dict[str, Callable[[Row], str]]] = {
    "accounts": lambda row: f"{row['FiscalYearId']}/{row['Number']}",
    "accountTypes": lambda row: str(row["Type"]),
    "countries": lambda row: str(row["Code"]),
    "currencies": lambda row: str(row["Code"]),
}
_PRICES: Final = ("NetPrice", "NetPriceWithDiscount", "GrossPrice", "PurchasePrice", "PurchasePriceWithCurrency")


def open_tables(schemas: Schemas) -> dict[str, Table]:
    """Return the empty tables of a company."""
    made = {}
    for name, (schema, indexed) in _KINDS.items():
        made[name] = Table(schemas(schema), indexed, key=_KEYS.get(name, _by_id), views=_VIEWS.get(name))
    return made


def _two_decimals(row: Row) -> Row:
    return {**row, **{name: cents(row[name]) for name in _PRICES}}


#: named variations of a record's text
_VIEWS: Final[dict[str, dict[str, Callable[[Row], Row]]]] = {
    "articles": {"two-decimals": _two_decimals},
    "attachments": {"without-url": lambda row: {**row, "TemporaryUrl": None}},
}


def _by_id(row: Row) -> str:
    return str(row["Id"])
