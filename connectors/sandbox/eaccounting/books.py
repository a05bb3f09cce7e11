"""A company's books in memory: its tables, its clock, its numbers, and the rules that every kind of record shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from connectors.sandbox.eaccounting.chart import CURRENCIES
from connectors.sandbox.eaccounting.charts import CHARTS, NETHERLANDS
from connectors.sandbox.eaccounting.errors import Code, Refusal
from connectors.sandbox.eaccounting.facts import facts
from connectors.sandbox.eaccounting.money import cents
from connectors.sandbox.eaccounting.odata import Expressions
from connectors.sandbox.eaccounting.table import Table, json_bytes
from connectors.sandbox.eaccounting.tables import open_tables
from connectors.sandbox.eaccounting.validate import EMPTY_ID, Row, Schemas, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.eaccounting.documents import DocumentState
    from connectors.sandbox.eaccounting.switches import BooksSwitches
    from connectors.sandbox.faults import FaultPlan
    from connectors.sandbox.world import World

_ZONES = {chart.zone: ZoneInfo(chart.zone) for chart in CHARTS.values()}
_FACTS = facts()  # read when the program starts, so that no request waits for a disk
_STAMPS = ("ChangedUtc", "ModifiedUtc")


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that was booked on an invoice: the vendor has no way to read payments back.

    ``settled`` is what it took off the invoice in the company's currency, ``fees`` the part of it that a bank or factor kept; ``by`` says
    who booked it: the ``api``, a person by ``hand``, or the ``terms`` of payment by themselves.
    """

    invoice: Row
    account: Row
    amount: Decimal
    settled: Decimal
    fees: Decimal
    paid_on: str
    voucher: int
    by: str = "api"


class Books:
    """The company that a token is bound to."""

    def __init__(self, world: World, *, clock: Callable[[], datetime], seed: int, switches: BooksSwitches, plan: FaultPlan | None) -> None:
        self.switches = switches
        self.plan = plan
        self._clock = clock
        self._random = Random(seed)  # noqa: S311 - a seeded simulation, not a secret
        self.schemas = Schemas(_FACTS, switches)
        self.home = switches.country or world.home_country
        self.chart = CHARTS.get(self.home, NETHERLANDS)
        self.currency = self.chart.currency if switches.country else world.currency
        self._zone = _ZONES[self.chart.zone]
        self.stock_module = switches.stock_module and switches.variant == "Pro"
        self.payments: list[Payment] = []
        #: booked invoices and payments that the general ledger does not have yet
        self.unposted: list[Row | Payment] = []
        #: documents that were deleted, as they were then
        self.removed: list[DocumentState] = []
        #: articles that were deleted, which older documents still name
        self.gone_articles: dict[str, Row] = {}
        #: coding -> its rates as (first day, fraction, VAT code), the newest last; a coding that is not here has one rate for all days
        self.coding_rates: dict[str, list[tuple[str, Decimal, str]]] = {}
        self.opening_balances: dict[str, Decimal] = {}
        #: order -> what was ordered back for it; attachment -> its content with its type; what was sent: (how, document, to whom)
        self.backorders: dict[str, str] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.sent: list[tuple[str, str, str]] = []
        self.next_numbers = {"customer": 1001, "invoice": 1, "order": 1, "quote": 1, "supplier": 1, "voucher": 1}
        self._swept = ""
        self.company: Row = {}
        euros = dict(CURRENCIES)
        self.rates = {code: (price / euros[self.currency]).quantize(Decimal("0.000001")) for code, price in CURRENCIES}
        self.tables = open_tables(self.schemas)
        self.articles = self.tables["articles"]
        self.article_labels = self.tables["articlelabels"]
        self.customer_labels = self.tables["customerlabels"]
        self.codings = self.tables["articleaccountcodings"]
        self.units = self.tables["units"]
        self.customers = self.tables["customers"]
        self.terms = self.tables["termsofpayments"]
        self.vat_codes = self.tables["vatcodes"]
        self.accounts = self.tables["accounts"]
        self.bank_accounts = self.tables["bankaccounts"]
        self.currencies = self.tables["currencies"]
        self.countries = self.tables["countries"]
        self.fiscal_years = self.tables["fiscalyears"]
        self.invoices = self.tables["customerinvoices"]
        self.drafts = self.tables["customerinvoicedrafts"]
        self.orders = self.tables["orders"]
        self.expressions = {name: Expressions(table.schema, self.schemas, switches) for name, table in self.tables.items()}

    # time

    def clock(self) -> datetime:
        """Return the true time."""
        return self._clock()

    def now(self) -> datetime:
        """Return the time as the vendor's servers have it."""
        skew = self.plan.clock_skew_seconds if self.plan else 0
        return self._clock() + timedelta(seconds=skew) if skew else self._clock()

    def today(self) -> str:
        """Return the company's date."""
        return self.local_date(self.now())

    def local_date(self, at: datetime) -> str:
        """Return the date that a moment has in the company's time zone."""
        return at.astimezone(self._zone).date().isoformat()

    def stamp(self, at: datetime) -> str:
        """Write a moment as the vendor's change fields have it."""
        digits = self.switches.timestamp_digits
        fraction = f".{at.microsecond:06d}0"[: digits + 1] if digits else ""
        text = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
        return Stamp.of(text, at) if self.switches.filter_moments == "finer" else text

    def new_id(self) -> str:
        """Return a fresh GUID."""
        plain = f"{self._random.getrandbits(128):032x}"
        return f"{plain[:8]}-{plain[8:12]}-4{plain[13:16]}-a{plain[17:20]}-{plain[20:]}"

    # records

    def add(self, table: Table, values: Row, *, at: datetime | None = None) -> Row:
        """Complete a record, stamp it and keep it."""
        born = at or self.now()
        row = table.schema.blank()
        row.update(values)
        fields = table.schema.fields
        if "Id" in fields and row["Id"] == EMPTY_ID:
            row["Id"] = self.new_id()
        for name in ("CreatedUtc", *_STAMPS):
            if name in fields:
                row[name] = self.stamp(born)
        return table.add(row, born)

    def change(self, table: Table, row: Row, changes: Row) -> Row:
        """Change a record and move its change field."""
        for name in _STAMPS:
            if name in table.schema.fields:
                changes[name] = self.stamp(self.now())
        return table.update(row, **changes)

    def replacement(self, table: Table, row: Row, clean: Row) -> Row:
        """Return what a PUT makes of a record: what the body leaves out is emptied, what is read-only stays."""
        new = table.schema.blank()
        new.update({name: row[name] for name in table.schema.read_only})
        new.update(clean)
        return new

    def number(self, what: str) -> int:
        """Return the next number of a series."""
        found = self.next_numbers[what]
        self.next_numbers[what] = found + 1
        return found

    def fiscal_year_of(self, day: str) -> Row | None:
        """Return the fiscal year in which a day lies."""
        return next((one for one in self.fiscal_years.rows.values() if one["StartDate"] <= day <= one["EndDate"]), None)

    def require(self, table: Table, key: str | None, field: str) -> Row:
        """Return the record that a body refers to.

        Raises:
            Refusal: code 3000, there is none.
        """
        row = table.rows.get(key or "")
        if row is None:
            raise Refusal(
                Code.RESOURCE_NOT_FOUND,
                f"ResourceNotFoundException - The resource that {field} refers to ({key}) could not be found.",
                status=self.switches.dangling_reference_status,
            )
        return row

    # rules that documents and payments share

    def check_booking_date(self, day: str) -> None:
        """Refuse a day on which nothing can be booked.

        Raises:
            Refusal: code 3001 outside the fiscal years, 4038 in a locked year, 4026 in a locked period.
        """
        year = self.fiscal_year_of(day)
        if year is None:
            raise Refusal(
                Code.FISCAL_YEAR_DOES_NOT_EXIST,
                f"FiscalYearDoesNotExistException - There is no fiscal year for {day}.",
                status=self.switches.dangling_reference_status,
            )
        if year["IsLockedForAccounting"]:
            raise Refusal(Code.LOCKED_FISCAL_YEAR, f"VoucherDateIsInLockedYearException - The fiscal year of {day} is locked.")
        if day <= self.company["AccountingLockedTo"]:
            raise Refusal(Code.LOCKED_PERIOD, f"VoucherDateIsInLockedPeriodException - The period of {day} is locked.")

    def is_eu(self, country: str | None) -> bool:
        """Tell whether a country is a member of the EU."""
        row = self.countries.rows.get(country or self.home)
        return bool(row and row["IsEuMember"])

    def sweep(self) -> bool:
        """Once a day, mark the invoices that have become overdue; tell whether it is a new day."""
        today = self.today()
        if today == self._swept:
            return False
        self._swept = today
        for row in self.invoices.rows.values():
            status = self.payment_status(row, today)
            if status != row["PaymentStatus"]:
                self.invoices.update(row, PaymentStatus=status)
        return True

    def rate_on(self, coding: Row, day: str) -> tuple[Decimal, str]:
        """Return the VAT rate that a coding has on a day, as a fraction and as its code."""
        rates = [one for one in self.coding_rates.get(coding["Id"], ()) if one[0] <= day]
        return rates[-1][1:] if rates else (coding["VatRatePercent"], coding["VatRate"])

    def article(self, key: str) -> Row:
        """Return an article that a booked document names, also one that was deleted since."""
        return self.articles.rows.get(key) or self.gone_articles[key]

    def payment_status(self, row: Row, today: str) -> int:
        """Return PaymentStatus: 0 paid, 1 unpaid, 2 overdue."""
        if row["RemainingAmountInvoiceCurrency"] == 0:
            return 0
        return 2 if row["DueDate"] is not None and row["DueDate"] < today else 1

    def note_payment(self, payment: Payment) -> None:
        """Keep a payment, which the general ledger gets when somebody looks at it."""
        self.payments.append(payment)
        self.unposted.append(payment)

    def answer(self, values: object) -> bytes:
        """Write an answer that is not a kept record."""
        return json_bytes(values)

    # stock

    def move_stock(self, article: Row, *, balance: Decimal = Decimal(0), reserved: Decimal = Decimal(0)) -> None:
        """Move an article's stock, when the stock module keeps it."""
        if not self.stock_module or not article["IsStock"] or not (balance or reserved):
            return
        changes = stock_fields(article, article["StockBalance"] + balance, article["StockBalanceReserved"] + reserved)
        if self.switches.stock_touches_article:
            self.change(self.articles, article, changes)
        else:
            self.articles.update(article, **changes)


def stock_fields(article: Row, balance: Decimal, reserved: Decimal) -> Row:
    """Return the stock fields that follow from a balance and what is reserved of it."""
    return {
        "StockBalance": balance,
        "StockBalanceReserved": reserved,
        "StockBalanceAvailable": balance - reserved,
        "StockValue": cents(balance * article["PurchasePrice"]),
    }
