"""Customer invoices: booked at once, never changed, paid, voided."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting import sales
from connectors.sandbox.eaccounting.books import Payment
from connectors.sandbox.eaccounting.customers import future_allowed
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_changed, invalid_field
from connectors.sandbox.eaccounting.listing import listing, one
from connectors.sandbox.eaccounting.money import ZERO, cents
from connectors.sandbox.eaccounting.validate import EMPTY_ID

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_HIGHEST_RATE: Final = 100
#: TermsOfPaymentTypeId and BankAccountType of cash are the same number
_CASH: Final = 2
#: PaymentType
_COMPLETE: Final = 2


def _list(call: Call) -> bytes:
    return listing(call, "customerinvoices", changed_since="modifiedSinceUtc")


def _post(call: Call) -> bytes:
    books, body = call.books, call.body
    customer = books.require(books.customers, body["CustomerId"], "CustomerId")
    if not body["Rows"]:
        raise invalid_field("Rows", "An invoice must have at least one row.")
    sales.check_tax_reduction(books, body)
    draft = body.get("CreatedFromDraftId")
    if draft:
        books.require(books.drafts, draft, "CreatedFromDraftId")
    priced = sales.price_document(
        books,
        customer,
        body["Rows"],
        sales.Terms(
            customer["CurrencyCode"],
            customer["IsPrivatePerson"],
            "IsVatFree",
            body.get("ReplaceUnitPriceWhenZero", False),
            numbered=False,
            day=body.get("InvoiceDate") or books.today(),
        ),
        credit=body.get("IsCreditInvoice", False),
    )
    invoice = book(books, customer, body, priced)
    if draft:
        books.drafts.remove(books.drafts.rows[draft])
    return books.invoices.text(invoice)


def book(
    books: Books,
    customer: Row,
    values: Row,
    priced: sales.Priced,
    *,
    moves_stock: bool = True,
    origin: Row | None = None,
    settles: bool = True,
) -> Row:
    """Book an invoice and all that follows from it.  ``values`` is its own writable part, ``origin`` says what it was made from.

    With ``settles`` terms of payment that pay at once do so.

    Raises:
        Refusal: a date on which nothing can be booked, a total against the credit flag, or an inactive customer.
    """
    if not customer["IsActive"] and books.switches.inactive_records == "refused":
        raise invalid_field("CustomerId", f"The customer {customer['CustomerNumber']} is not active.")
    credit = sales.is_credit(books, priced, asked=values.get("IsCreditInvoice", False))
    terms = books.terms.rows[customer["TermsOfPaymentId"]]
    if values.get("TermsOfPaymentId") not in (None, EMPTY_ID):
        terms = books.require(books.terms, values["TermsOfPaymentId"], "TermsOfPaymentId")
    today = books.today()
    day = values.get("InvoiceDate") or today
    if day > today and not future_allowed(books, terms, priced.currency):
        raise Refusal(Code.FUTURE_DATE, f"FutureDateCannotBeSetException - The invoice cannot be dated {day}.")
    books.check_booking_date(day)
    row = books.invoices.schema.blank()
    row.update(values)
    row.update(sales.customer_fields(customer, values))
    row.update(_amounts(books, priced, values.get("CurrencyRate")))
    row.update(
        {
            "CustomerEmail": customer["EmailAddress"],
            "ElectronicAddress": customer["ElectronicAddress"],
            "TermsOfPaymentId": terms["Id"],
            "IsCreditInvoice": credit,
            "InvoiceDate": day,
            "DueDate": values.get("DueDate") or sales.due_date(terms, day),
            "InvoiceNumber": books.number("invoice"),
            "VoucherNumber": f"VK{books.number('voucher')}",
            "VoucherId": books.new_id(),
            "CreatedByUserId": books.new_id(),
            "IncludesVat": priced.includes_vat,
            "Rows": [_row(books, priced, index) for index in range(len(priced.lines))],
            **(origin or {}),
        }
    )
    row["PaymentStatus"] = books.payment_status(row, today)
    row = books.add(books.invoices, row)
    books.unposted.append(row)
    if moves_stock:
        _ship(books, priced, credit=credit)
    _owe(books, customer, row["RemainingAmount"], day)
    if settles and terms["TermsOfPaymentTypeId"] == _CASH and books.switches.cash_terms == "settled":
        _pay_at_once(books, row)
    return row


def _pay_at_once(books: Books, row: Row) -> None:
    """Pay a cash note from the company's cash account, where it has one."""
    account = next((one for one in books.bank_accounts.rows.values() if one["BankAccountType"] == _CASH and one["IsActive"]), None)
    if account is not None and row["RemainingAmountInvoiceCurrency"]:
        settle(books, row, account, row["RemainingAmountInvoiceCurrency"], row["InvoiceDate"], by="terms")


def _amounts(books: Books, priced: sales.Priced, rate: Decimal | None) -> dict[str, Any]:
    found = priced.totals
    if rate is not None and not 0 <= rate <= _HIGHEST_RATE:
        raise invalid_field("CurrencyRate", f"CurrencyRate must be between 0 and {_HIGHEST_RATE}.")
    rate = Decimal(1) if priced.currency == books.currency else rate or books.rates[priced.currency]
    total = cents(found.total * rate)
    return {
        "CurrencyCode": priced.currency,
        "CurrencyRate": rate,
        "TotalAmount": total,
        "TotalVatAmount": cents(found.vat * rate),
        "TotalRoundings": cents(found.rounding * rate),
        "TotalAmountInvoiceCurrency": found.total,
        "TotalVatAmountInvoiceCurrency": found.vat,
        "RemainingAmount": total,
        "RemainingAmountInvoiceCurrency": found.total,
        "VatSpecification": [
            {"AmountInvoiceCurrency": one.net, "VatAmountInvoiceCurrency": one.vat, "VatPercent": sales.shown_rate(books, one.rate)}
            for one in found.rates
        ],
    }


def _row(books: Books, priced: sales.Priced, index: int) -> Row:
    line = priced.lines[index]
    row = books.schemas("CustomerInvoiceRowApi").blank()
    row.update(sales.row_fields(books, line, index + 1, known=row))
    row["AmountNoVat"] = sales.net_of(line, includes_vat=priced.includes_vat)
    row["PercentVat"] = sales.shown_rate(books, line.rate) or ZERO
    row["IsVatFree"] = line.vat_free
    return row


def _ship(books: Books, priced: sales.Priced, *, credit: bool) -> None:
    for line in priced.lines:
        if line.article is not None and not (credit and line.quantity < 0 and not books.switches.credit_returns_stock):
            books.move_stock(line.article, balance=-line.quantity)


def _owe(books: Books, customer: Row, amount: Decimal, day: str | None = None) -> None:
    changes: dict[str, Any] = {"UnpaidInvoicesAmount": customer["UnpaidInvoicesAmount"] + amount}
    if day and day > (customer["LastInvoiceDate"] or ""):
        changes["LastInvoiceDate"] = day
    books.customers.update(customer, **changes)


def _pay(call: Call) -> bytes:
    books, body = call.books, call.body
    row = call.row(books.invoices)
    account = books.require(books.bank_accounts, body["CompanyBankAccountId"], "CompanyBankAccountId")
    _check_payment(books, row, account, body)
    fees = body.get("BankFeeAmount", ZERO) + body.get("FactoringFeeAmount", ZERO)
    amount = _signed(books, row, body["PaymentAmount"])
    settle(books, row, account, amount, body["PaymentDate"], fees=fees, complete=body["PaymentType"] == _COMPLETE)
    schema = books.schemas("InvoicePaymentApi")
    return books.answer({**schema.blank(), **body, "BankTransactionId": books.new_id()})


def _signed(books: Books, row: Row, amount: Decimal) -> Decimal:
    """Return a payment with the sign of what remains, as far as the vendor takes it without (reference: section 11, 2)."""
    reading = books.switches.payment_sign
    if row["RemainingAmountInvoiceCurrency"] >= 0 or reading == "signed":
        return amount
    if reading == "absolute" and amount < 0:
        raise invalid_field("PaymentAmount", f"PaymentAmount {amount} must not be negative.")
    return -abs(amount)


def settle(
    books: Books,
    row: Row,
    account: Row,
    amount: Decimal,
    paid_on: str,
    *,
    fees: Decimal = ZERO,
    complete: bool = False,
    by: str = "api",
) -> None:
    """Book money on an invoice, or out of the till on a credit; ``amount`` has the sign of what remains.

    Raises:
        Refusal: code 2000, more than remains, the wrong sign, or not all of it although ``complete``.
    """
    remaining = row["RemainingAmountInvoiceCurrency"]
    settled = amount + (fees if amount > 0 else -fees)
    if amount == 0 or (amount > 0) != (remaining > 0) or abs(settled) > abs(remaining):
        raise invalid_field("PaymentAmount", f"PaymentAmount {amount} must have the sign of what remains and not exceed it: {remaining}.")
    if complete and settled != remaining:
        raise invalid_field("PaymentAmount", f"A complete payment must equal what remains: {remaining}.")
    before = row["RemainingAmount"]
    _take_off(books, row, settled, {"PaymentDate": paid_on})
    taken = before - row["RemainingAmount"]
    books.note_payment(Payment(row, account, amount, taken, cents(fees * row["CurrencyRate"]), paid_on, books.number("voucher"), by))


def _take_off(books: Books, row: Row, amount: Decimal, changes: Row) -> None:
    """Lower what remains of a document by an amount in its currency, with its sign, and what its customer owes."""
    left = row["RemainingAmountInvoiceCurrency"] - amount
    before = row["RemainingAmount"]
    after = ZERO if not left else cents(left * row["CurrencyRate"])
    books.change(books.invoices, row, {"RemainingAmountInvoiceCurrency": left, "RemainingAmount": after, **changes})
    books.invoices.update(row, PaymentStatus=books.payment_status(row, books.today()))
    _owe(books, books.customers.rows[row["CustomerId"]], after - before)


def _check_payment(books: Books, row: Row, account: Row, body: Row) -> None:
    if not account["IsActive"]:
        raise invalid_field("CompanyBankAccountId", "The bank account is not active.")
    if body["PaymentCurrency"] != row["CurrencyCode"]:
        raise invalid_field("PaymentCurrency", f"The payment must be in the invoice's currency, {row['CurrencyCode']}.")
    if body.get("DomesticPaymentAmount") and row["CurrencyCode"] == books.currency:
        raise Refusal(
            Code.DOMESTIC_AMOUNT_ON_DOMESTIC_INVOICE,
            "NoDomesticAmountAllowedOnDomesticInvoicesException - DomesticPaymentAmount is only for foreign invoices.",
        )
    if body["PaymentAmount"] != cents(body["PaymentAmount"]):
        raise invalid_field("PaymentAmount", "PaymentAmount may have at most 2 decimals.")
    if body["PaymentDate"] > books.today():
        raise Refusal(Code.FUTURE_DATE, f"FutureDateCannotBeSetException - The payment cannot be dated {body['PaymentDate']}.")
    books.check_booking_date(body["PaymentDate"])


def _void(call: Call) -> bytes:
    """Void an invoice: a credit invoice takes it back, and the two settle each other."""
    void(call.books, call.row(call.books.invoices), restock=call.flag("updateStock"))
    return b""


def void(books: Books, row: Row, *, restock: bool) -> Row:
    """Void an invoice and return the credit that takes it back.

    Raises:
        Refusal: code 4002, it is a credit itself, or something happened to it already.
    """
    paid = row["RemainingAmountInvoiceCurrency"] != row["TotalAmountInvoiceCurrency"]
    if row["IsCreditInvoice"] or paid or row["PaymentDate"] or row["CreditedBy"] or row["IsQuickInvoice"] or row["IsSold"]:
        raise cannot_be_changed("The invoice cannot be voided.")
    credit = take_back(books, row, restock=restock)
    set_off(books, row, credit)
    return credit


def take_back(books: Books, row: Row, *, restock: bool, quantities: dict[int, Decimal] | None = None, dated: str | None = None) -> Row:
    """Book a credit for an invoice, or for a part of it, that refers to it; see :func:`.sales.mirrored` for ``quantities``.

    Raises:
        Refusal: code 4002, it is a credit itself; or its day is locked.
    """
    if row["IsCreditInvoice"]:
        raise cannot_be_changed("A credit cannot be credited.")
    customer = books.customers.rows[row["CustomerId"]]
    writable = {name: row[name] for name, field in books.invoices.schema.fields.items() if not field.read_only}
    values = {**writable, "IsCreditInvoice": True, "InvoiceDate": dated or books.today(), "DueDate": None}
    if not books.switches.credit_copies_reference:
        values["YourReference"] = None
    credit = book(
        books,
        customer,
        values,
        sales.mirrored(books, row, quantities),
        moves_stock=restock,
        origin={"ReferringInvoiceId": row["Id"]},
        settles=False,
    )
    books.change(books.invoices, row, {"CreditedBy": [*(row["CreditedBy"] or ()), {"CreditInvoiceId": credit["Id"]}]})
    return credit


def set_off(books: Books, row: Row, credit: Row) -> Decimal:
    """Let an invoice and its credit settle each other as far as both go, and return how far, in their currency."""
    amount: Decimal = min(row["RemainingAmountInvoiceCurrency"], -credit["RemainingAmountInvoiceCurrency"])
    if amount <= 0:
        return ZERO
    for document, part in ((row, amount), (credit, -amount)):
        _take_off(books, document, part, {"SetOffAmountInvoiceCurrency": document["SetOffAmountInvoiceCurrency"] + part})
    return amount


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /customerinvoices": _list,
    "POST /customerinvoices": _post,
    "GET /customerinvoices/{invoiceId}": one("customerinvoices"),
    "POST /customerinvoices/{invoiceId}/payments": _pay,
    "POST /customerinvoices/{invoiceId}/void": _void,
}
