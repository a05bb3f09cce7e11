"""Vouchers and their drafts: rows that balance, on accounts that exist, on a day that is open."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting.call import not_found, path_id
from connectors.sandbox.eaccounting.errors import Code, Refusal, invalid_field
from connectors.sandbox.eaccounting.journal import MANUAL, account_name, post
from connectors.sandbox.eaccounting.listing import listed, listing, one
from connectors.sandbox.eaccounting.money import ZERO, cents
from connectors.sandbox.eaccounting.sales import check_cost_objects

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Call, Handler
    from connectors.sandbox.eaccounting.validate import Row

_SERIES: Final = "V"
_LONGEST_SERIES: Final = 10
_ATTACHED_TO_VOUCHER: Final = 3


def _list(call: Call) -> bytes:
    post(call.books)
    return listing(call, "vouchers")


def _list_year(call: Call) -> bytes:
    books = call.books
    post(books)
    year = books.fiscal_years.rows.get(path_id(call.args[0]))
    if year is None:
        raise Refusal(Code.FISCAL_YEAR_DOES_NOT_EXIST, "FiscalYearDoesNotExistException - There is no such fiscal year.")
    return listing(call, "vouchers", only=lambda row: bool(year["StartDate"] <= row["VoucherDate"] <= year["EndDate"]))


def _get(call: Call) -> bytes:
    books = call.books
    post(books)
    row = books.tables["vouchers"].rows.get(path_id(call.args[1]))
    year = books.fiscal_years.rows.get(path_id(call.args[0]))
    if row is None or year is None or not year["StartDate"] <= row["VoucherDate"] <= year["EndDate"]:
        raise not_found(call.operation.path)
    return books.tables["vouchers"].text(row)


def _post(call: Call) -> bytes:
    return call.books.tables["vouchers"].text(create(call, call.body, "Rows"))


def create(call: Call, body: Row, path: str) -> Row:
    """Book a manual voucher; ``path`` names its rows in messages.  The query says how VAT and series are chosen.

    Raises:
        Refusal: code 2000 when it does not balance, 3002 for an unknown account, 3001 or 4026 for its day.
    """
    books = call.books
    post(books)
    automatic, default_codes = call.flag("useAutomaticVatCalculation"), call.flag("useDefaultVatCodes", default=True)
    default_series = call.flag("useDefaultVoucherSeries", default=True)
    books.check_booking_date(body["VoucherDate"])
    rows = [_row(books, row, body["VoucherDate"], f"{path}[{index}].", codes=default_codes) for index, row in enumerate(body["Rows"])]
    if automatic:
        rows = _with_vat(books, rows, body["VoucherDate"])
    _check_balance(rows, path)
    series = _SERIES if default_series else (body.get("NumberSeries") or _SERIES)
    if len(series) > _LONGEST_SERIES:
        raise invalid_field("NumberSeries", "There is no such series.")
    values = {**body, "Rows": rows, "NumberSeries": series, "NumberAndNumberSeries": f"{series}{books.number('voucher')}"}
    values["VoucherType"] = MANUAL
    key = books.new_id()
    values["Attachments"] = {"DocumentId": key, "DocumentType": _ATTACHED_TO_VOUCHER, "AttachmentIds": []}
    return books.add(books.tables["vouchers"], {**values, "Id": key})


def _row(books: Books, row: Row, day: str, path: str, *, codes: bool) -> Row:
    number = row["AccountNumber"]
    name = account_name(books, day, number)
    if name is None:
        raise Refusal(
            Code.ACCOUNT_NOT_FOUND,
            f"AccountNotFoundException - There is no account {number}.",
            status=books.switches.dangling_reference_status,
        )
    check_cost_objects(books, row, path)
    if row.get("VatCodeId"):
        books.require(books.vat_codes, row["VatCodeId"], path + "VatCodeId")
    filled = {**books.schemas("VoucherRowApi").blank(), **row, "AccountDescription": name}
    if codes and not row.get("VatCodeId"):
        filled["VatCodeId"] = _vat_code(books, day, number)
    return filled


def _vat_code(books: Books, day: str, number: int) -> str | None:
    year = books.fiscal_year_of(day)
    code: str | None = books.accounts.rows[f"{year['Id']}/{number}"]["VatCodeId"] if year else None
    return code


def _with_vat(books: Books, rows: list[Row], day: str) -> list[Row]:
    """Split the VAT of a row with a VAT code off to the code's account; what was booked included it."""
    split: list[Row] = []
    for row in rows:
        code = books.vat_codes.rows.get(row["VatCodeId"] or "")
        account = code["RelatedAccounts"]["AccountNumber1"] if code else None
        if code is None or account is None or account == row["AccountNumber"]:
            split.append(row)
            continue
        rate = code["VatRate"] / (1 if books.switches.vat_percent_is_fraction else 100)
        vat = {name: cents(row[name] * rate / (1 + rate)) for name in ("DebitAmount", "CreditAmount")}
        split.append({**row, **{name: row[name] - amount for name, amount in vat.items()}})
        blank = books.schemas("VoucherRowApi").blank()
        split.append({**blank, **vat, "AccountNumber": account, "AccountDescription": account_name(books, day, account)})
    return split


def _check_balance(rows: list[Row], path: str) -> None:
    if not rows:
        raise invalid_field(path, "A voucher must have rows.")
    debit, credit = (sum((row[name] for row in rows), ZERO) for name in ("DebitAmount", "CreditAmount"))
    if debit != credit:
        raise invalid_field(path, f"The rows do not balance: {debit} debit, {credit} credit.")


def _post_draft(call: Call) -> bytes:
    books, table = call.books, call.books.tables["voucherdrafts"]
    call.flag("amountIncludesVat")
    return table.text(books.add(table, {**call.body, "Rows": _draft_rows(books, call.body)}))


def _put_draft(call: Call) -> bytes:
    books, table = call.books, call.books.tables["voucherdrafts"]
    row = call.row(table)
    values = books.replacement(table, row, {**call.body, "Rows": _draft_rows(books, call.body)})
    return table.text(books.change(table, row, values))


def _draft_rows(books: Books, body: Row) -> list[Row]:
    rows = []
    for index, row in enumerate(body.get("Rows") or []):
        check_cost_objects(books, row, f"Rows[{index}].")
        if row.get("VatCodeId"):
            books.require(books.vat_codes, row["VatCodeId"], f"Rows[{index}].VatCodeId")
        rows.append({**books.schemas("VoucherDraftRowApi").blank(), **row})
    return rows


def _delete_draft(call: Call) -> bytes:
    table = call.books.tables["voucherdrafts"]
    table.remove(call.row(table))
    return b""


def _convert_draft(call: Call) -> bytes:
    books, table = call.books, call.books.tables["voucherdrafts"]
    draft = call.row(table)
    fields = books.schemas("VoucherRowApi").fields
    rows: list[dict[str, Any]] = [{name: value for name, value in row.items() if name in fields} for row in draft["Rows"]]
    for row in rows:
        row.update({name: row[name] or Decimal(0) for name in ("DebitAmount", "CreditAmount")})
    body = {"VoucherDate": draft["VoucherDate"], "VoucherText": draft["VoucherText"] or "", "Rows": rows}
    voucher = create(call, {**body, "NumberSeries": draft["NumberSeries"]}, "Rows")
    table.remove(draft)
    return books.tables["vouchers"].text(voucher)


OPERATIONS: Final[dict[str, Handler]] = {
    "GET /vouchers": _list,
    "POST /vouchers": _post,
    "GET /vouchers/{fiscalyearId}": _list_year,
    "GET /vouchers/{fiscalyearId}/{voucherId}": _get,
    "GET /voucherdrafts": listed("voucherdrafts"),
    "POST /voucherdrafts": _post_draft,
    "GET /voucherdrafts/{voucherDraftId}": one("voucherdrafts"),
    "PUT /voucherdrafts/{voucherDraftId}": _put_draft,
    "DELETE /voucherdrafts/{voucherDraftId}": _delete_draft,
    "POST /voucherdrafts/{voucherDraftId}/convert": _convert_draft,
}
