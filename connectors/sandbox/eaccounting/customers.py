"""Customers: numbers, VAT numbers, organisation numbers, and the rules between fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.fi import ytunnus
from stdnum.gb import vat as gb_vat
from stdnum.no import orgnr as no_orgnr
from stdnum.se import orgnr as se_orgnr

from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.journal import post
from connectors.sandbox.eaccounting.labels import attached
from connectors.sandbox.eaccounting.listing import listed, listing_of, one
from connectors.sandbox.eaccounting.money import ZERO
from connectors.sandbox.eaccounting.sales import treatment

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_VAT_FORM: Final = re.compile(r"[A-Z]{2}[0-9A-Z]{8,12}")
_KVK: Final = re.compile(r"\d{8}")
_MAX_COPIES: Final = 5
_TRANSACTIONS: Final = (
    "customerinvoices",
    "customerinvoicedrafts",
    "orders",
    "quotes",
    "quotedrafts",
    "customerledgeritems",
    "projects",
)
#: VAT numbers whose country code is not the country's own
_VAT_PREFIX: Final = {"GR": "EL"}
_CONTROL: Final[dict[str, Callable[[str], object]]] = {"SE": se_orgnr.validate, "NO": no_orgnr.validate, "FI": ytunnus.validate}

for _country in eu_vat.MEMBER_STATES:  # loads each country's rules now, so that no request waits for a disk
    eu_vat.is_valid(f"{_VAT_PREFIX.get(_country.upper(), _country)}0")


def _post(call: Call) -> bytes:
    books = call.books
    values = {**books.customers.schema.blank(), **call.body}
    if not values["CustomerNumber"]:
        values["CustomerNumber"] = _next_number(books)
    _check_number(books, values["CustomerNumber"], None)
    _check(books, values)
    values.update(_derived(books, values))
    return books.customers.text(books.add(books.customers, values))


def _put(call: Call) -> bytes:
    books = call.books
    row = call.row(books.customers)
    values = books.replacement(books.customers, row, call.body)
    values["CustomerNumber"] = values["CustomerNumber"] or row["CustomerNumber"]
    _check_number(books, values["CustomerNumber"], row)
    _check(books, values)
    values.update(_derived(books, values))
    return books.customers.text(_change(books, row, values))


def _change(books: Books, row: Row, values: Row) -> Row:
    if treatment(books, values) != treatment(books, row):
        post(books)  # what is booked stays as it was booked
    return books.change(books.customers, row, values)


def edit(books: Books, number: str, changes: Row) -> bytes:
    """Change a customer as a person does in the vendor's own screens: only the fields given.

    Raises:
        Refusal: code 3000 for an unknown number, or what the vendor does not take.
    """
    row = by_number(books, number)
    schema = books.customers.schema
    if unknown := sorted(changes.keys() - schema.fields.keys()):
        raise invalid_field(unknown[0], f"A customer has no field {unknown[0]}.")
    body = schema.clean({**{name: row[name] for name, field in schema.fields.items() if field.required}, **changes})
    values = {**row, **{name: body[name] for name in changes if name in body}}
    values["CustomerNumber"] = values["CustomerNumber"] or row["CustomerNumber"]
    _check_number(books, values["CustomerNumber"], row)
    _check(books, values)
    values.update(_derived(books, values))
    return books.customers.text(_change(books, row, values))


def merge(books: Books, number: str, into: str) -> None:
    """Merge a customer into another: the other gets its documents and what it owes, and it is left over, inactive.

    Raises:
        Refusal: code 3000 for an unknown number, 2000 for a customer and itself.
    """
    row, other = by_number(books, number), by_number(books, into)
    if row is other:
        raise invalid_field("CustomerNumber", "A customer cannot be merged into itself.")
    post(books)
    named = {"CustomerId": other["Id"], "CustomerNumber": other["CustomerNumber"]}
    for name in _TRANSACTIONS:
        table = books.tables[name]
        for document in table.find("CustomerId", row["Id"]):
            books.change(table, document, {field: value for field, value in named.items() if field in table.schema.fields})
    last = max(row["LastInvoiceDate"] or "", other["LastInvoiceDate"] or "") or None
    owed = other["UnpaidInvoicesAmount"] + row["UnpaidInvoicesAmount"]
    books.change(books.customers, other, {"UnpaidInvoicesAmount": owed, "LastInvoiceDate": last})
    books.change(books.customers, row, {"UnpaidInvoicesAmount": ZERO, "IsActive": False})


def by_number(books: Books, number: str) -> Row:
    """Return a customer.

    Raises:
        Refusal: code 3000, there is none.
    """
    for row in books.customers.find("CustomerNumber", number):
        return row
    raise Refusal(Code.RESOURCE_NOT_FOUND, f"There is no customer {number}.")


def _delete(call: Call) -> bytes:
    delete(call.books, call.row(call.books.customers))
    return b""


def delete(books: Books, row: Row) -> None:
    """Delete a customer.

    Raises:
        Refusal: code 4001, there are documents.
    """
    kept = {"customerinvoicedrafts"} if not books.switches.draft_keeps_customer else set()
    if any(books.tables[name].index["CustomerId"].get(row["Id"]) for name in _TRANSACTIONS if name not in kept):
        raise cannot_be_deleted("The customer has transactions.")
    books.customers.remove(row)


def _recipients(call: Call) -> bytes:
    """Nobody in the sandbox can receive electronic invoices (reference: section 2)."""
    call.row(call.books.customers)
    return listing_of(call, [])


def _next_number(books: Books) -> str:
    while books.customers.find("CustomerNumber", number := str(books.number("customer"))):
        pass
    return number


def _check_number(books: Books, number: str, row: Row | None) -> None:
    if any(other is not row for other in books.customers.find("CustomerNumber", number)):
        status, code = books.switches.customer_number_taken
        text = f"A customer with the number {number} already exists."
        if code == Code.DATA_MODEL_VALIDATION:
            raise invalid_field("CustomerNumber", text)
        raise Refusal(Code(code), f"ConflictException - {text}", status=status)


def _check_references(books: Books, values: Row) -> None:
    """Refuse terms, countries, currencies and ways of delivery that do not exist."""
    terms = books.require(books.terms, values["TermsOfPaymentId"], "TermsOfPaymentId")
    if not terms["AvailableForSales"]:
        raise invalid_field("TermsOfPaymentId", "The terms of payment are not available for sales.")
    for field in ("InvoiceCountryCode", "DeliveryCountryCode"):
        if values[field] and values[field] not in books.countries.rows:
            raise invalid_field(field, f"The country code {values[field]} is not known.")
    if values["CurrencyCode"] and values["CurrencyCode"] not in books.currencies.rows:
        raise invalid_field("CurrencyCode", f"The currency {values['CurrencyCode']} is not known.")
    for name, register in (("DeliveryMethodId", "deliverymethods"), ("DeliveryTermId", "deliveryterms")):
        if values[name]:
            books.require(books.tables[register], values[name], name)


def _check(books: Books, values: Row) -> None:
    _check_references(books, values)
    if values["EmailAddresses"] and (len(values["EmailAddresses"]) > _MAX_COPIES or not values["EmailAddress"]):
        raise invalid_field("EmailAddresses", "At most 5 e-mail addresses can be given, next to an EmailAddress.")
    if values["DeliveryBasedVat"] and not all(values[f"Delivery{part}"] for part in ("City", "CountryCode", "PostalCode")):
        raise invalid_field("DeliveryBasedVat", "Delivery city, country code and postal code must be set with DeliveryBasedVat.")
    if values["ReverseChargeOnConstructionServices"] and not values["VatNumber"]:
        raise invalid_field("VatNumber", "VatNumber can not be null or empty when using ReverseChargeOnConstructionServices")
    if values["ForceBookkeepVat"] and books.is_eu(values["InvoiceCountryCode"]):
        raise Refusal(
            Code.INVALID_FORCE_BOOKKEEP_VAT, "InvalidForceBookkeepVatException - ForceBookkeepVat is not for customers in the EU."
        )
    country = values["InvoiceCountryCode"] or books.home
    if values["VatNumber"]:
        check_vat_number(books, values["VatNumber"], country, northern_ireland=bool(values["IsNorthernIreland"]))
    if values["CorporateIdentityNumber"] and country == books.home and not values["IsPrivatePerson"]:
        check_organisation_number(values["CorporateIdentityNumber"], country)


def check_vat_number(books: Books, number: str, country: str, *, northern_ireland: bool) -> None:
    """Refuse a VAT number that cannot be: two letters of the country, then 8 to 12 signs, with a valid check digit.

    Raises:
        Refusal: code 4025.
    """
    prefix = "XI" if northern_ireland else _VAT_PREFIX.get(country, country)
    valid = bool(_VAT_FORM.fullmatch(number)) and number.startswith(prefix)
    if books.switches.vat_numbers == "unchecked":
        pass
    elif valid and prefix in ("GB", "XI"):
        valid = bool(gb_vat.is_valid(number.removeprefix("XI").removeprefix("GB")))
    elif valid and country.lower() in eu_vat.MEMBER_STATES:
        valid = bool(eu_vat.is_valid(number))
    if not valid:
        raise Refusal(Code.INVALID_VAT_NUMBER, f"InvalidVatNumberException - The VAT number {number} is not valid.")


def check_organisation_number(number: str, country: str) -> None:
    """Refuse an organisation number of the company's own country that cannot be.

    Raises:
        Refusal: code 4008.
    """
    control = _CONTROL.get(country)
    if control is None:
        valid = country != "NL" or bool(_KVK.fullmatch(number))
    else:
        try:
            control(number)
            valid = True
        except ValidationError:
            valid = False
    if not valid:
        raise Refusal(Code.INVALID_CONTROL_DIGIT, f"InvalidControlDigitException - The organisation number {number} is not valid.")


def _derived(books: Books, values: Row) -> Row:
    terms = books.terms.rows[values["TermsOfPaymentId"]]
    return {
        "TermsOfPayment": dict(terms),
        "CurrencyCode": values["CurrencyCode"] or books.currency,
        "CustomerLabels": attached(books.customer_labels, values["CustomerLabels"]),
        "IsFutureInvoiceDateAllowed": future_allowed(books, terms, values["CurrencyCode"] or books.currency),
    }


def future_allowed(books: Books, terms: Row, currency: str) -> bool:
    """Tell whether an invoice may be dated in the future: not when it is paid at once, nor in a foreign currency."""
    return terms["TermsOfPaymentTypeId"] in (0, 1) and currency == books.currency


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /customers": listed("customers"),
    "POST /customers": _post,
    "GET /customers/{customerId}": one("customers"),
    "PUT /customers/{customerId}": _put,
    "DELETE /customers/{customerId}": _delete,
    "GET /customers/{customerId}/autoinvoicerecipients": _recipients,
}
