"""Money: bank, cash and clearing accounts, banks, currencies and their rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.listing import listed, one
from connectors.sandbox.eaccounting.odata import bad_query

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_CASH, _TAX = 2, 7
_TYPES: Final = {
    1: "ChequeAccount",
    2: "CashAccount",
    3: "SavingsAccount",
    4: "CurrencyAccount",
    5: "DigitalWalletAccount",
    6: "CashCreditAccount",
    7: "TaxAccount",
}


def _post(call: Call) -> bytes:
    books = call.books
    values = {**books.bank_accounts.schema.blank(), "IsActive": True, **call.body}
    values.update(_derived(books, values, None))
    return books.bank_accounts.text(books.add(books.bank_accounts, values))


def _put(call: Call) -> bytes:
    books = call.books
    row = call.row(books.bank_accounts)
    values = books.replacement(books.bank_accounts, row, call.body)
    values.update(_derived(books, values, row))
    return books.bank_accounts.text(books.change(books.bank_accounts, row, values))


def _delete(call: Call) -> bytes:
    books = call.books
    row = call.row(books.bank_accounts)
    if any(payment.account is row for payment in books.payments):
        raise cannot_be_deleted("The bank account has transactions.")
    books.bank_accounts.remove(row)
    return b""


def _derived(books: Books, values: Row, row: Row | None) -> Row:
    number = str(values["LedgerAccountNumber"])
    if not books.accounts.find("Number", number):
        raise Refusal(
            Code.ACCOUNT_NOT_FOUND,
            f"AccountNotFoundException - There is no account {number[:20]}.",
            status=books.switches.dangling_reference_status,
        )
    kind = values["BankAccountType"]
    if values["Bank"]:
        books.require(books.tables["banks"], values["Bank"], "Bank")
    elif books.home != "NL" and kind not in (_CASH, _TAX):
        raise invalid_field("Bank", "Bank is required for this type of account.")
    return {
        "BankAccountTypeDescription": _TYPES[kind],
        "CurrencyCode": books.currency,
        "Balance": row["Balance"] if row else {**values["Balance"], "Date": books.today()},
    }


def _rate(call: Call) -> bytes:
    books, codes = call.books, []
    for name in ("sourceCurrencyCode", "targetCurrencyCode"):
        code = call.query.get(name, books.currency).upper()
        if code not in books.rates:
            raise bad_query(f"The currency '{code[:10]}' of {name} is not known.", Code.INVALID_INPUT)
        codes.append(code)
    day = call.moment("date")
    source, target = codes
    rate = (books.rates[source] / books.rates[target]).quantize(books.rates[source])
    return books.answer(
        {"Date": day.date().isoformat() if day else books.today(), "SourceCurrency": source, "TargetCurrency": target, "Rate": rate}
    )


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /bankaccounts": listed("bankaccounts"),
    "POST /bankaccounts": _post,
    "GET /bankaccounts/{bankAccountId}": one("bankaccounts"),
    "PUT /bankaccounts/{bankAccountId}": _put,
    "DELETE /bankaccounts/{bankAccountId}": _delete,
    "GET /banks": listed("banks"),
    "GET /currencies": listed("currencies"),
    "GET /currencies/exchangerate": _rate,
    "GET /foreignpaymentcodes": listed("foreignpaymentcodes"),
    "GET /foreignpaymentcodes/{foreignpaymentcodeId}": one("foreignpaymentcodes"),
}
