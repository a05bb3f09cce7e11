"""The general ledger: what invoices and payments book on which accounts.

Nothing is booked while documents are written; what is not posted yet is posted when somebody looks (:func:`post`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.books import Payment
from connectors.sandbox.eaccounting.money import ZERO, cents
from connectors.sandbox.eaccounting.sales import ACCOUNTS, treatment
from connectors.sandbox.eaccounting.validate import moment

if TYPE_CHECKING:
    from decimal import Decimal

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.table import Table
    from connectors.sandbox.eaccounting.validate import Row

MANUAL: Final = 2
_DEPOSIT, _WITHDRAWAL, _INVOICE, _CREDIT = 10, 11, 14, 15


def post(books: Books) -> Table:
    """Post what is not posted yet and return the vouchers."""
    vouchers = books.tables["vouchers"]
    waiting, books.unposted = books.unposted, []
    for item in waiting:
        if isinstance(item, Payment):
            _post_payment(books, item)
        else:
            _post_invoice(books, item)
    return vouchers


def _post_invoice(books: Books, invoice: Row) -> None:
    ledger = books.chart.ledger
    amounts = {ledger.receivables: invoice["TotalAmount"]}
    _subtract(amounts, ledger.rounding, invoice["TotalRoundings"])
    rate = invoice["CurrencyRate"]
    by_rate = {one["VatPercent"]: one for one in invoice["VatSpecification"]}
    for percent, one in by_rate.items():
        account = _vat_account(books, percent)
        if account is not None:
            _subtract(amounts, account, cents(one["VatAmountInvoiceCurrency"] * rate))
    first = None
    for line in invoice["Rows"]:
        if line["ArticleId"] is not None:
            account = _sales_account(books, invoice, line)
            first = first or account
            _subtract(amounts, account, cents(line["AmountNoVat"] * rate))
    # VAT is rounded over the document, the rows by themselves: what is left over goes with the first of them
    amounts[first or ledger.rounding] = amounts.get(first or ledger.rounding, ZERO) - sum(amounts.values(), ZERO)
    kind = _CREDIT if invoice["IsCreditInvoice"] else _INVOICE
    values = {
        "Id": invoice["VoucherId"],
        "VoucherDate": invoice["InvoiceDate"],
        "VoucherText": f"{invoice['InvoiceNumber']} {invoice['CustomerName']}",
        "NumberSeries": "VK",
        "NumberAndNumberSeries": invoice["VoucherNumber"],
        "VoucherType": kind,
        "SourceId": invoice["Id"],
        "Rows": voucher_rows(books, invoice["InvoiceDate"], amounts),
    }
    books.add(books.tables["vouchers"], values, at=moment(invoice["CreatedUtc"]))


def _post_payment(books: Books, payment: Payment) -> None:
    ledger, bank = books.chart.ledger, payment.account["LedgerAccountNumber"]
    received = payment.settled - payment.fees
    amounts = {ledger.receivables: -payment.settled}
    _subtract(amounts, bank, -received)
    _subtract(amounts, ledger.bank_fees, -payment.fees)
    values = {
        "VoucherDate": payment.paid_on,
        "VoucherText": f"{payment.invoice['InvoiceNumber']} {payment.account['Name']}",
        "NumberSeries": "VB",
        "NumberAndNumberSeries": f"VB{payment.voucher}",
        "VoucherType": _DEPOSIT if received >= 0 else _WITHDRAWAL,
        "SourceId": payment.invoice["Id"],
        "Rows": voucher_rows(books, payment.paid_on, amounts),
    }
    books.add(books.tables["vouchers"], values)


def _subtract(amounts: dict[int, Decimal], account: int, amount: Decimal) -> None:
    amounts[account] = amounts.get(account, ZERO) - amount


def _vat_account(books: Books, percent: Decimal) -> int | None:
    rate = percent * (100 if books.switches.vat_percent_is_fraction else 1)
    found = (account for (_, _, account), own in zip(books.chart.vat_codes, books.chart.rates, strict=False) if own == rate)
    return next(found, None)


def _sales_account(books: Books, invoice: Row, line: Row) -> int:
    customer = books.customers.rows[invoice["CustomerId"]]
    coding = books.codings.rows[books.article(line["ArticleId"])["CodingId"]]
    taxed = treatment(books, customer)
    number = coding[ACCOUNTS["free" if taxed == "home" and not line["VatRate"] else taxed]]
    return int(number or coding[ACCOUNTS["free"]])


def voucher_rows(books: Books, day: str, amounts: dict[int, Decimal]) -> list[Row]:
    """Return a voucher's rows; an amount above zero is a debit."""
    blank = books.schemas("VoucherRowApi").blank()
    return [
        {
            **blank,
            "AccountNumber": account,
            "AccountDescription": account_name(books, day, account),
            "DebitAmount": max(amount, ZERO),
            "CreditAmount": max(-amount, ZERO),
        }
        for account, amount in amounts.items()
        if amount
    ]


def account_name(books: Books, day: str, number: int) -> str | None:
    """Return the name that an account has in the year of a day."""
    year = books.fiscal_year_of(day)
    account = books.accounts.rows.get(f"{year['Id']}/{number}") if year else None
    return str(account["Name"]) if account else None


def balances(books: Books, day: str) -> dict[int, Decimal]:
    """Return the balance of each account at the end of a day; debit is positive."""
    found = {int(number): amount for number, amount in books.opening_balances.items()}
    for voucher in post(books).rows.values():
        if voucher["VoucherDate"] <= day:
            for row in voucher["Rows"]:
                number = row["AccountNumber"]
                found[number] = found.get(number, ZERO) + row["DebitAmount"] - row["CreditAmount"]
    return found
