"""What people do in the books' own screens: payments, credits, documents taken away, codings, articles, debtors and the lock.

The vendor's rules hold here as they do for the API, and so does :class:`~connectors.sandbox.eaccounting.errors.Refusal`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from connectors.sandbox.eaccounting import articles, codings, customers, documents, invoices
from connectors.sandbox.eaccounting.errors import Code, Refusal, cannot_be_deleted, invalid_field
from connectors.sandbox.eaccounting.journal import post
from connectors.sandbox.eaccounting.money import ZERO, cents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.validate import Row

_NEVER: Final = timedelta(days=1)


class Bookkeeper:
    """Works in one company's books.

    An invoice or credit is named by its number, or as a text by its Id or its YourReference (the first that is no credit of another one);
    a draft by its Id or YourReference; articles, debtors, codings and money accounts by the number or name that a person sees.  Every
    method raises :class:`Refusal` where the vendor refuses, code 3000 for what is not there, and changes nothing then.
    """

    def __init__(self, books: Books) -> None:
        self._books = books

    # documents

    def pay(
        self,
        document: int | str,
        amount: Decimal | None = None,
        account: str = "Bank",
        *,
        paid_on: date | None = None,
        fees: Decimal = ZERO,
    ) -> None:
        """Book money on an invoice, or paid out on a credit (then below 0); all that remains unless an ``amount`` is given."""
        row, money = self.document(document), self.account(account)
        day = paid_on.isoformat() if paid_on else self._books.today()
        if not money["IsActive"]:
            raise invalid_field("CompanyBankAccountId", "The bank account is not active.")
        if day > self._books.today():
            raise Refusal(Code.FUTURE_DATE, f"FutureDateCannotBeSetException - The payment cannot be dated {day}.")
        self._books.check_booking_date(day)
        remaining = row["RemainingAmountInvoiceCurrency"]
        paid = remaining - (fees if remaining > 0 else -fees) if amount is None else amount
        if paid != cents(paid):
            raise invalid_field("PaymentAmount", "PaymentAmount may have at most 2 decimals.")
        invoices.settle(self._books, row, money, paid, day, fees=fees, by="hand")

    def credit(
        self,
        document: int | str,
        *,
        quantities: Mapping[int, Decimal] | None = None,
        dated: date | None = None,
        set_off: bool = True,
        restock: bool = True,
    ) -> int:
        """Make a credit note for an invoice and return its number.

        ``quantities`` are how many of which row (LineNumber, from 1) go back; without it all of it does.  With ``set_off`` the two settle
        each other as far as the invoice is open; otherwise both stay as they are.
        """
        row = self.document(document)
        part = None if quantities is None else dict(quantities)
        known = {line["LineNumber"]: line["Quantity"] for line in row["Rows"] if line["ArticleId"] is not None}
        for number, quantity in (part or {}).items():
            if not 0 < quantity <= known.get(number, ZERO):
                raise invalid_field("Rows", f"Row {number} has {known.get(number, 0)}, of which {quantity} cannot go back.")
        if part is not None and not part:
            raise invalid_field("Rows", "A credit must have at least one row.")
        day = dated.isoformat() if dated else None
        credit = invoices.take_back(self._books, row, restock=restock, quantities=part, dated=day)
        if set_off:
            invoices.set_off(self._books, row, credit)
        return int(credit["InvoiceNumber"])

    def void(self, document: int | str, *, restock: bool = False) -> int:
        """Void an invoice on which nothing was paid, and return the number of the credit that takes it back."""
        return int(invoices.void(self._books, self.document(document), restock=restock)["InvoiceNumber"])

    def delete(self, document: int | str, *, with_payments: bool = False) -> None:
        """Delete an invoice or credit with its voucher; its number is not given again and its stock is put back.

        ``with_payments`` the money that was booked on it is taken out of the books too; otherwise a document with payments stays.
        """
        books, row = self._books, self.document(document)
        paid = [payment for payment in books.payments if payment.invoice is row]
        if paid and not with_payments:
            raise cannot_be_deleted("There are payments on the document.")
        if row["CreditedBy"] or row["ReferringInvoiceId"]:
            raise cannot_be_deleted("The document belongs to another one.")
        books.check_booking_date(row["InvoiceDate"])
        vouchers = post(books)
        books.removed.append(documents.of_invoice(books, row, deleted=True))
        for voucher in vouchers.find("SourceId", row["Id"]):
            vouchers.remove(voucher)
        books.payments = [payment for payment in books.payments if payment.invoice is not row]
        items = books.tables["customerledgeritems"]
        if row["Id"] in items.rows:
            items.remove(items.rows[row["Id"]])
        for line in row["Rows"]:
            article = books.articles.rows.get(line["ArticleId"] or "")
            stayed_out = row["IsCreditInvoice"] and line["Quantity"] < 0 and not books.switches.credit_returns_stock
            if article is not None and not stayed_out:
                books.move_stock(article, balance=line["Quantity"])
        customer = books.customers.rows[row["CustomerId"]]
        books.customers.update(customer, UnpaidInvoicesAmount=customer["UnpaidInvoicesAmount"] - row["RemainingAmount"])
        books.invoices.remove(row)

    def delete_draft(self, draft: str) -> None:
        """Delete an invoice draft."""
        drafts = self._books.drafts
        row = drafts.rows.get(draft) or next(iter(drafts.find("YourReference", draft)), None)
        if row is None:
            raise _unknown(f"draft {draft}")
        self._books.removed.append(documents.of_draft(self._books, row, deleted=True))
        drafts.remove(row)

    # articles and codings

    def set_coding_rate(self, coding: str, rate: Decimal, *, valid_from: date | None = None) -> None:
        """Give a coding another VAT rate, in percent: for all days (a person put it right), or from a day on (the law changed it)."""
        books = self._books
        codings.set_rate(books, codings.by_name(books, coding), rate, valid_from.isoformat() if valid_from else None)

    def move_article(self, number: str, coding: str, *, keep: Literal["net", "gross"] = "net") -> None:
        """Give an article another coding; ``keep`` says which of its prices stays where the rates differ."""
        books = self._books
        changes = {"CodingId": codings.by_name(books, coding)["Id"]}
        if keep == "gross":
            changes["GrossPrice"] = articles.by_number(books, number)["GrossPrice"]
        articles.edit(books, number, changes)

    def change_article(self, number: str, **fields: Any) -> None:
        """Change fields of an article by their names in the API, stock included."""
        articles.edit(self._books, number, fields)

    def renumber_article(self, number: str, new: str) -> None:
        """Give an article another number."""
        articles.edit(self._books, number, {"Number": new})

    def deactivate_article(self, number: str, *, active: bool = False) -> None:
        """Make an article inactive, or active again."""
        articles.edit(self._books, number, {"IsActive": active})

    def delete_article(self, number: str) -> None:
        """Delete an article (which ones can be is a switch)."""
        post(self._books)
        articles.delete(self._books, number)

    # debtors

    def change_customer(self, number: str, **fields: Any) -> None:
        """Change fields of a debtor by their names in the API (``IsPrivatePerson``, ``Name``, ``IsActive``, ``InvoiceCountryCode``)."""
        customers.edit(self._books, number, fields)

    def merge_customers(self, number: str, into: str) -> None:
        """Merge a debtor into another one, who gets its documents; it is left over, inactive and without any."""
        customers.merge(self._books, number, into)

    def delete_customer(self, number: str) -> None:
        """Delete a debtor who has no documents."""
        customers.delete(self._books, customers.by_number(self._books, number))

    # time

    def lock(self, until: date | None) -> None:
        """Lock the accounting up to and with a day; ``None`` lifts the lock."""
        books = self._books
        first = min(row["StartDate"] for row in books.fiscal_years.rows.values())
        day = until or date.fromisoformat(first) - _NEVER
        books.company["AccountingLockedTo"] = day.isoformat()

    def document(self, document: int | str) -> Row:
        """Return an invoice or credit as the books have it.

        Raises:
            Refusal: code 3000, there is none.
        """
        table = self._books.invoices
        if isinstance(document, int):
            found = table.find("InvoiceNumber", document)
        else:
            found = [table.rows[document]] if document in table.rows else table.find("YourReference", document)
        for row in sorted(found, key=lambda one: one["ReferringInvoiceId"] is not None):
            return row
        raise _unknown(f"document {document}")

    def account(self, name: str) -> Row:
        """Return a bank, cash or clearing account.

        Raises:
            Refusal: code 3000, there is none.
        """
        for row in self._books.bank_accounts.find("Name", name):
            return row
        raise _unknown(f"money account {name}")


def _unknown(what: str) -> Refusal:
    return Refusal(Code.RESOURCE_NOT_FOUND, f"There is no {what}.")
