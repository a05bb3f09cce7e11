"""What this connector relies on in the vendor's published OpenAPI document, and where another copy of it says otherwise."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.bounded_json import from_json
from connectors.eaccounting import diagnose, translate, wire
from connectors.eaccounting.config import REFERENCE_LENGTHS
from connectors.eaccounting.connector import KEEP_DATE, TWO_DECIMALS
from connectors.http import Request
from connectors.model import Address, BookPayment, Customer, Difference, Document, DocumentDraft, DocumentKind, DocumentRow
from connectors.port import Unreadable
from connectors.schema_diff import Shape, reading, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from connectors.http import HttpClient

#: where the document lies below the API's host (reference: eaccounting.md section 1)
PATH: Final = "/openapi/v2.json"
_SUCCESS: Final = ("200", "201")
_LONG: Final = "x" * 5000
_ID: Final = "00000000-0000-4000-8000-000000000000"

#: what is asked for, and the model that reads the answer
READS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("/articles", wire.Envelope[wire.Article]),
    ("/articles/{}", wire.Article),
    ("/articleaccountcodings", wire.Envelope[diagnose.CodingRecord]),
    ("/bankaccounts", wire.Envelope[wire.BankAccount]),
    ("/companysettings", diagnose.Settings),
    ("/countries", wire.Envelope[wire.Country]),
    ("/customerinvoicedrafts", wire.Envelope[wire.InvoiceDraft]),
    ("/customerinvoicedrafts/{}", wire.InvoiceDraft),
    ("/customerinvoices", wire.Envelope[wire.Invoice]),
    ("/customerinvoices/{}", wire.Invoice),
    ("/customers", wire.Envelope[wire.CustomerRecord]),
    ("/customers/{}", wire.CustomerRecord),
    ("/fiscalyears", wire.Envelope[diagnose.FiscalYearRecord]),
    ("/termsofpayments", wire.Envelope[wire.Terms]),
    ("/units", wire.Envelope[wire.Recorded]),
)


def _writes(reference_field: str) -> Iterator[tuple[str, str, Mapping[str, Any], type[BaseModel]]]:
    """Yield what is sent, as long as it ever is, and the model that reads the answer."""
    place = Address(_LONG, _LONG, _LONG, "NL")
    longest = translate._IDENTITIES  # noqa: SLF001 - the lengths that are refused beyond, told nowhere else
    customer = Customer(
        number="1" * longest["CustomerNumber"],
        email="e" * longest["EmailAddress"],
        name=_LONG,
        company=_LONG,
        organisation_number="1" * longest["CorporateIdentityNumber"],
        vat_number="1" * longest["VatNumber"],
        phone=_LONG,
        invoice_address=place,
        delivery_address=place,
        charge_vat_abroad=True,
    )
    row = DocumentRow(_ID, _LONG, Decimal("1.5"), Decimal("1.21"), Decimal(21))
    draft = DocumentDraft(
        kind=DocumentKind.CREDIT,
        key="k" * REFERENCE_LENGTHS[reference_field],
        customer_id=_ID,
        date=date(2026, 1, 31),
        rows=(row,),
        gross=Decimal("1.21"),
        currency="EUR",
        prices_include_vat=True,
        our_reference=None if reference_field == "OurReference" else _LONG,
        delivery_address=place,
    )
    payment = BookPayment(_ID, _ID, Decimal("1.21"), "EUR", date(2026, 1, 31), _LONG, complete=True)
    agreed = Document(_ID, "", DocumentKind.INVOICE, "", _ID, Decimal("1.21"), Decimal("0.21"), Decimal("1.21"), "EUR", booked=False)
    invoice = translate.new_invoice(draft, reference_field=reference_field)
    proposal = translate.new_draft(draft, reference_field=reference_field)
    yield "POST", "/customers", translate.new_customer(customer, terms_id=_ID, outside_eu=True), wire.CustomerRecord
    yield "POST", "/customerinvoices", invoice, wire.Invoice
    yield "POST", "/customerinvoicedrafts", proposal, wire.InvoiceDraft
    yield "POST", "/customerinvoicedrafts/{}/convert", translate.agreed(agreed), wire.Invoice
    yield "POST", "/customerinvoices/{}/payments", translate.new_payment(payment), wire.PaymentAnswer


#: what is read, changed and put back whole, and the fields that are left out when it is
REPLACED: Final = (("/customers/{}", wire.CUSTOMER_READ_ONLY), ("/customerinvoicedrafts/{}", wire.DRAFT_READ_ONLY))
REMOVED: Final = ("/customerinvoicedrafts/{}",)
QUERIES: Final = (
    ("GET", "/articles", TWO_DECIMALS),
    ("GET", "/articles/{}", TWO_DECIMALS),
    ("POST", "/customerinvoicedrafts/{}/convert", KEEP_DATE),
)


async def fetch(http: HttpClient, address: str) -> Mapping[str, Any]:
    """Fetch a published document.

    Raises:
        ConnectorError: it could not be had, or is none.
    """
    response = await http.send(Request("GET", address, {"accept": "application/json"}))
    try:
        document = from_json(response.content) if response.ok else None
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise Unreadable(f"{address} is not an OpenAPI document (status {response.status})")
    return document


def differences(document: Mapping[str, Any], *, reference_field: str = "YourReference") -> list[Difference]:
    """Compare a document with what the connector reads and sends."""
    published = _Document(document)
    found: list[Difference] = []
    for path, model in READS:
        found += published.answer("GET", path, model)
    found += published.answer("GET", "/articles", wire.ErrorBody, statuses=("400",))
    for method, path, body, model in _writes(reference_field):
        found += published.body(method, path, body)
        found += published.answer(method, path, model)
    for path, left_out in REPLACED:
        found += published.replaced(path, left_out)
    for path in REMOVED:
        found += published.there("DELETE", path)
    for method, path, query in QUERIES:
        found += published.query(method, path, query)
    return list(dict.fromkeys(found))


class _Document:
    """A published document, its paths without regard to case, version and the names of their parameters."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._paths: dict[str, dict[str, Any]] = {}
        for path, operations in document["paths"].items():
            if isinstance(operations, dict):
                self._paths.setdefault(re.sub(r"\{[^}]*\}", "{}", path.removeprefix("/v2")).lower(), {}).update(operations)

    def _find(self, reference: str) -> Mapping[str, Any] | None:
        value: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else None

    def _operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        operation = self._paths.get(path, {}).get(method.lower())
        return operation if isinstance(operation, dict) else None

    def _shape(self, holder: Any) -> Shape | None:
        content = holder.get("content", {}) if isinstance(holder, dict) else {}
        schema = next((kind.get("schema") for name, kind in content.items() if "json" in name), None)
        return Shape(schema, self._find) if isinstance(schema, dict) else None

    def there(self, method: str, path: str) -> Iterator[Difference]:
        """Tell when an operation is not published."""
        if self._operation(method, path) is None:
            yield Difference(f"{method} {path}", "is used, and not published")

    def answer(self, method: str, path: str, model: type[BaseModel], *, statuses: tuple[str, ...] = _SUCCESS) -> Iterator[Difference]:
        """Compare an answer."""
        yield from self.there(method, path)
        operation = self._operation(method, path) or {}
        shapes = [shape for status in statuses if (shape := self._shape(operation.get("responses", {}).get(status))) is not None]
        if operation and not shapes:
            yield Difference(f"{method} {path}", "is published without an answer")
        for shape in shapes:
            yield from reading(model, shape, f"{method} {path}")

    def body(self, method: str, path: str, body: Mapping[str, Any]) -> Iterator[Difference]:
        """Compare a body."""
        shape = self._shape((self._operation(method, path) or {}).get("requestBody"))
        if shape is not None:
            yield from writing(body, shape, f"{method} {path}")
        elif self._operation(method, path) is not None:
            yield Difference(f"{method} {path}", "is published without a body")

    def replaced(self, path: str, left_out: frozenset[str]) -> Iterator[Difference]:
        """Compare what is put back: everything that was read but for what must not be sent."""
        yield from self.there("PUT", path)
        shape = self._shape((self._operation("PUT", path) or {}).get("requestBody"))
        for name in sorted(shape.read_only - left_out) if shape is not None else ():
            yield Difference(f"PUT {path}", f"{name} is published as read-only, and put back", breaks=False)
        for name in sorted(shape.required & left_out) if shape is not None else ():
            yield Difference(f"PUT {path}", f"{name} is required, and not put back")

    def query(self, method: str, path: str, query: Mapping[str, str]) -> Iterator[Difference]:
        """Compare the parameters of an address."""
        parameters = (self._operation(method, path) or {}).get("parameters", [])
        declared = {one.get("name"): one for one in parameters if isinstance(one, dict) and one.get("in") == "query"}
        for used in query:
            if used not in declared and self._operation(method, path) is not None:
                yield Difference(f"{method} {path}", f"the parameter {used} is used, and not published")
        for name, one in declared.items():
            if one.get("required") is True and name not in query:
                yield Difference(f"{method} {path}", f"the parameter {name} is required, and not given")
