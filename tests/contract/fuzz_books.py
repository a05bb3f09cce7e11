"""Throws generated requests at the books' sandbox, in process, and lets the vendor's document judge every answer.

``python -m tests.contract.fuzz_books [--requests N] [--seed N]``.  Schemathesis makes the requests, valid and invalid ones, from the
published document with the overlay; a part of their ids, dates and accounts is replaced by such as exist, so that they get somewhere.
Exit code 0: no server error, and no answer outside the document and its overlay.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from connectors.sandbox.eaccounting import BooksSandbox, BooksSwitches
from connectors.sandbox.eaccounting.api import HANDLERS
from tests.contract.books_support import NIL, PUBLISHED, TODAY, WORLD, Asked, Clock, Published, Violation, published

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.types import ASGIApp, Message

_MOST_SHOWN: Final = 20
#: how often a value that was generated is left as it is: in a request that is helped along, and in one that is not
_HELPED, _ALONE = 0.03, 0.6
#: how many of the requests are helped along, and how many come without a token
_HELP, _STRANGER = 0.75, 0.01
#: field of a body -> table whose ids it takes
_IDS: Final = {
    "ArticleId": "articles",
    "Bank": "banks",
    "CodingId": "articleaccountcodings",
    "CompanyBankAccountId": "bankaccounts",
    "CostCenterId": "costcenters",
    "CostCenterItemId1": "costcenteritems",
    "CostCenterItemId2": "costcenteritems",
    "CostCenterItemId3": "costcenteritems",
    "CustomerId": "customers",
    "DeliveryMethodId": "deliverymethods",
    "DeliveryTermId": "deliveryterms",
    "DockumentId": "customerinvoices",
    "DocumentId": "vouchers",
    "FiscalYearId": "fiscalyears",
    "PayFromBankAccountId": "bankaccounts",
    "AttachmentIds": "attachments",
    "ProjectId": "projects",
    "ResourceId": "articles",
    "SupplierId": "suppliers",
    "TermsOfPaymentId": "termsofpayments",
    "UnitId": "units",
    "VatCodeId": "vatcodes",
    "VoucherId": "vouchers",
}
#: field of a body -> what it may sensibly hold
_VALUES: Final[dict[str, tuple[object, ...]]] = {
    "AccountNumber": (1000, 1110, 1300, 8000),
    "Bban": ("NL00BANK0123456789",),
    "CorporateIdentityNumber": (None, "12345678"),
    "CreatedFromDraftId": (None,),
    "CurrencyRate": (1, 1.2),
    "DeliveredQuantity": (0, 1),
    "DeliveryBasedVat": (False,),
    "DiscountPercentage": (0, 0.1),
    "Email": ("jo@winkel.example",),
    "EmailAddress": ("jo@winkel.example",),
    "EmailAddresses": ((),),
    "ForceBookkeepVat": (False,),
    "IsCreditInvoice": (False,),
    "IsNorthernIreland": (False,),
    "IsStock": (True, False),
    "IsTextRow": (False,),
    "IsWorkCost": (False,),
    "PropertyReference": (None,),
    "ReverseChargeOnConstructionServices": (False,),
    "StockBalance": (0, 5),
    "Text": ("Een regel",),
    "UsesRotReducedInvoicing": (False,),
    "BankAccountType": (1, 2, 5),
    "ContentType": ("application/pdf", "image/png"),
    "CountryCode": ("NL", "DE"),
    "CreditAmount": (0, 10, 12.5),
    "CurrencyCode": ("EUR", "GBP"),
    "Data": ("JVBERi0=",),
    "DebitAmount": (0, 10, 12.5),
    "DeliveryCountryCode": ("NL", None),
    "DocumentType": (3,),
    "IsActive": (True,),
    "FileName": ("factuur.pdf",),
    "GrossPrice": (0, 12.1),
    "InvoiceCountryCode": ("NL", "DE", "US", None),
    "LedgerAccountNumber": (1000, 1110),
    "NetPrice": (0, 10),
    "PaymentAmount": (1, 12.1, 0.01),
    "PaymentCurrency": ("EUR",),
    "PaymentType": (1, 2),
    "Phone": ("+31201234567",),
    "Quantity": (1, 2, 0.5),
    "ResourceType": (0,),
    "RotPropertyType": (None,),
    "RotReducedInvoicingType": (0,),
    "Status": (1, 2, 3),
    "UnitPrice": (10, 12.1, 0.01),
    "VatNumber": (None, "DE136695976"),
}
#: what stands for ids in paths that do not carry the name of their table
_PATHS: Final[dict[str, tuple[str, ...]]] = {
    "accountNumber": ("1000", "8000", "9"),
    "countrycode": ("NL", "SE", "XX"),
    "date": (TODAY, "2025-12-31"),
}
_FILTERS: Final = (
    "Id eq 00000000-0000-0000-0000-000000000000",
    "Name eq 'x'",
    "Number eq '85123A' or contains(Number,'2')",
    "CustomerNumber eq '1000' and not (IsActive eq false)",
    "ChangedUtc ge 2026-01-01T00:00:00Z",
    "ModifiedUtc lt 2026-01-01T00:00:00.5+01:00",
    "Rows/any(r: contains(r/Text,'x'))",
    "YourReference eq 'it''s'",
    "TotalAmount gt 1.5 and PaymentStatus eq 1",
    "EmailAddress eq null",
)


def drive(app: ASGIApp, scope: dict[str, Any], content: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Call an app that waits for nothing but its messages, without an event loop: status, headers, body."""
    start: dict[str, Any] = {}
    body = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        body.extend(message.get("body", b""))

    call: Coroutine[Any, Any, None] = app(scope, receive, send)  # type: ignore[assignment]  # an async def gives a coroutine
    try:
        call.send(None)
    except StopIteration:
        return start["status"], dict(start["headers"]), bytes(body)
    call.close()
    raise RuntimeError("the app waited for something else than its messages")


@dataclass
class Fuzz:
    """A sandbox under fire, and what came of it."""

    judge: Published
    rng: Random
    sandbox: BooksSandbox = field(init=False)
    statuses: Counter[int] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    worked: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    left_alone: float = _HELPED
    template: str = ""

    def send(self, case: Any, mode: str) -> None:
        """Send a generated request, improved or as it is, and judge the answer."""
        self.left_alone = _HELPED if self.rng.random() < _HELP else _ALONE
        self.template = template = case.path
        method = case.method
        path = self._path(template, dict(case.path_parameters or {}))
        query = self._query(
            template, {name: value for name, value in dict(case.query or {}).items() if isinstance(value, str | int | float)}
        )
        content = self._content(case)
        target = urlencode(query, errors="replace")
        name = f"{method} {template}"
        try:
            status, answered, body = self._ask(method, path, target, content, stranger=self.rng.random() < _STRANGER)
        except Exception as error:  # noqa: BLE001 - whatever breaks is what is looked for
            self._failed(f"{name} broke with {type(error).__name__}: {error}", path, target, content)
            return
        self.statuses[status] += 1
        self.modes[mode] += 1
        self.reached.add(name)
        if status >= 500:
            self._failed(f"{name} answered {status}", path, target, content)
        elif status < 300:
            self.worked.add(name)
        kind = answered.get(b"content-type", b"").decode().partition(";")[0]
        try:
            self.judge.exchange(Asked(method, path, query, content), status, kind, body)
        except Violation as wrong:
            self._failed(str(wrong), path, target, content)

    def _ask(self, method: str, path: str, query: str, content: bytes, *, stranger: bool = False) -> tuple[int, dict[bytes, bytes], bytes]:
        token = [] if stranger else [(b"authorization", f"Bearer {self.sandbox.access_token}".encode())]
        scope = {
            "type": "http", "method": method, "path": f"/v2{path}", "raw_path": b"", "root_path": "", "scheme": "http",
            "query_string": query.encode("latin-1"), "http_version": "1.1",
            "headers": [(b"host", b"books"), (b"content-type", b"application/json"), *token],
        }  # fmt: skip
        return drive(self.sandbox.app, scope, content)

    def open(self) -> None:
        """Open new books with one of each kind of record in them, so that there is something to read, change and delete."""
        self.sandbox = BooksSandbox(WORLD, clock=Clock(), limits=False, switches=BooksSwitches())
        tables = self.sandbox.books.tables
        number = f"{len(tables['customers'].rows)}-{self.rng.randrange(10**6)}"
        article = next(row for row in tables["articles"].rows.values() if row["Number"] == "22423")
        place = {"InvoiceCity": "Utrecht", "InvoicePostalCode": "3511 AA", "InvoiceCountryCode": "NL", "EmailAddress": "k@korst.example"}
        terms = next(iter(tables["termsofpayments"].rows))
        buyer = {"Name": "De Korst", **place, "IsActive": True, "IsPrivatePerson": False, "TermsOfPaymentId": terms}
        customer = self._made("/customers", buyer)
        self._made("/customers", buyer)
        flags = {"LineNumber": 1, "IsTextRow": False, "IsWorkCost": False, "EligibleForReverseChargeOnVat": False}
        row = {"ArticleId": article["Id"], "Quantity": 2, "UnitPrice": 10, "ReversedConstructionServicesVatFree": False, **flags}
        paper = {"CustomerId": customer["Id"], "EuThirdParty": False, "RotReducedInvoicingType": 0, "Rows": [row]}
        order = {**paper, "CurrencyCode": "EUR", "OrderDate": TODAY, "ReverseChargeOnConstructionServices": False}
        for status in (1, 2, 2, 3):
            self._made("/orders", {**order, "Status": status, "Rows": [{**row, "DeliveredQuantity": 1}]})
        for path in ("/customerinvoices", "/customerinvoices", "/customerinvoicedrafts", "/quotes", "/quotes", "/quotedrafts"):
            self._made(path, {**paper, "InvoiceDate": "2026-01-05", "DueDate": "2026-02-05"})
        for path in ("/articlelabels", "/customerlabels"):
            self._made(path, {"Name": "Nieuw"})
        self._made("/projects", {"Number": number[-9:], "Name": "Verbouwing", "StartDate": TODAY, "Status": 1})
        center = next(iter(tables["costcenters"].rows))
        self._made("/costcenteritems", {"CostCenterId": center, "Name": "Winkel", "ShortName": number[-9:], "IsActive": True})
        self._made("/suppliers", {"Name": "Groothandel", "TermsOfPaymentId": terms})
        self._made("/bankaccounts", {"Name": "Spaar", "BankAccountType": 3, "LedgerAccountNumber": 1110})
        link = {"ResourceId": article["Id"], "ResourceType": 0, "Href": "x", "PartnerCompanyName": "x", "PartnerSystemName": "x"}
        self._made("/partnerresourcelinks", link)
        rows = [{"AccountNumber": 1300, "DebitAmount": 10}, {"AccountNumber": 8000, "CreditAmount": 10}]
        voucher = self._made("/vouchers", {"VoucherDate": TODAY, "VoucherText": "x", "Rows": rows})
        self._made("/voucherdrafts", {"VoucherDate": TODAY, "VoucherText": "x", "Rows": rows})
        file = {"ContentType": "application/pdf", "FileName": "bon", "Data": "JVBERi0="}
        attachment = self._made("/attachments", file)
        self._made("/attachments", file)
        self._made("/attachmentlinks", {"DocumentId": voucher["Id"], "DocumentType": 3, "AttachmentIds": [attachment["Id"]]})
        for kind, table in (
            ("customerinvoicedraft", "customerinvoicedrafts"),
            ("customerinvoice", "customerinvoices"),
            ("order", "orders"),
            ("quote", "quotes"),
        ):
            self._made(f"/salesdocumentattachments/{kind}", {**file, "DockumentId": next(reversed(tables[table].rows))})

    def _made(self, path: str, body: Any) -> Any:
        status, _, content = self._ask("POST", path, "", json.dumps(body).encode())
        if status >= 300:
            raise RuntimeError(f"POST {path} answered {status}: {content.decode()}")
        return json.loads(content)

    def _failed(self, what: str, path: str, query: str, content: bytes) -> None:
        self.failures.append(f"{what}\n    {path}?{query[:200]} {content[:600]!r}")

    def _path(self, template: str, parameters: dict[str, Any]) -> str:
        path = template
        if template.startswith("/salesdocumentattachments/") and len(parameters) > 1 and self.rng.random() > self.left_alone:
            parameters = self._attached(template, parameters)
            return template.format(**parameters)
        for name, value in parameters.items():
            chosen = value if self.rng.random() < self.left_alone else self._known(template, name, value)
            path = path.replace(f"{{{name}}}", str(chosen).replace("/", "-"))
        return path

    def _attached(self, template: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a document and one of its attachments."""
        table = self.sandbox.books.tables["salesdocumentattachments"]
        kind = ("draft", "customerinvoice/", "order/", "quote/")
        wanted = next((number for number, part in enumerate(kind) if part in template), 0)
        rows = [row for row in table.rows.values() if row["DocumentType"] == wanted] or list(table.rows.values())
        if not rows:
            return parameters
        row = self.rng.choice(rows)
        return {name: row["Id"] if name == "attachmentId" else row["DocumentId"] for name in parameters}

    def _known(self, template: str, name: str, value: object) -> object:
        """Return an id that exists, of the kind that the path asks for."""
        if name in _PATHS:
            return self.rng.choice(_PATHS[name])
        resource = template.strip("/").partition("/")[0]
        table = {
            "fiscalyearId": "fiscalyears",
            "customerInvoiceDraftId": "customerinvoicedrafts",
            "customerInvoiceId": "customerinvoices",
            "orderId": "orders",
            "quoteId": "quotes",
        }.get(name, "attachments" if resource == "attachmentlinks" else resource)
        rows = self.sandbox.books.tables.get(table)
        return self.rng.choice(list(rows.rows)) if rows and rows.rows else value

    def _query(self, template: str, query: dict[str, Any]) -> dict[str, str]:
        if "$filter" in query and self.rng.random() > self.left_alone:
            query["$filter"] = self.rng.choice(_FILTERS)
        for name in ("$orderby", "$select"):
            if name in query and self.rng.random() > self.left_alone:
                query[name] = self.rng.choice(("Id", "Name", "Number desc", "ChangedUtc,Id", "CreatedUtc", "Rows"))
        if template.startswith("/currencies"):
            query.update({name: "EUR" for name in query if name.endswith("Code") and self.rng.random() > self.left_alone})
        return {name: str(value) for name, value in query.items()}

    def _content(self, case: Any) -> bytes:
        if case.media_type != "application/json" or not isinstance(case.body, dict | list | str | int | float | bytes | None):
            return b""
        if isinstance(case.body, bytes):
            return case.body
        try:
            return json.dumps(self._improved(case.body)).encode("utf-8", "replace")
        except (TypeError, ValueError):
            return b"\xff"

    def _rows(self) -> list[dict[str, Any]]:
        """Return rows for a paper or a voucher that was generated without any."""
        if "voucher" in self.template:
            return [{"AccountNumber": 1300, "DebitAmount": 0, "CreditAmount": 0}]
        flags = {
            "IsTextRow": False,
            "IsWorkCost": False,
            "EligibleForReverseChargeOnVat": False,
            "ReversedConstructionServicesVatFree": False,
        }
        return [{"LineNumber": 1, "ArticleId": NIL, "Quantity": 1, "UnitPrice": 10, **flags}]

    def _improved(self, value: Any, name: str = "") -> Any:
        """Return a body with ids, dates and amounts that make sense, most of the time."""
        if isinstance(value, list):
            filled = value or (self._rows() if name == "Rows" and self.rng.random() > self.left_alone else [])
            return [self._improved(one, name) for one in filled]
        if isinstance(value, dict):
            return {key: self._improved(one, key) for key, one in value.items()}
        if self.rng.random() < self.left_alone:
            return value
        if name in _IDS:
            # a file's document is of the kind that the address ends with
            kind = self.template.rpartition("/")[2] + "s" if name == "DockumentId" else ""
            rows = self.sandbox.books.tables[kind if kind in self.sandbox.books.tables else _IDS[name]].rows
            return self.rng.choice(list(rows)) if rows else value
        if name == "Number" and self.template.startswith("/accounts"):
            return str(self.rng.randrange(1002, 1099))
        if name in _VALUES:
            return self.rng.choice(_VALUES[name])
        return TODAY if name.endswith("Date") and isinstance(value, str) else value


def batch(strategy: Any, count: int, number: int, send: Callable[[Any], None]) -> None:
    """Generate requests and send each of them."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case: Any) -> None:
        send(case)

    run()


def fuzz(judge: Published, requests: int, number: int, *, operations: int | None = None) -> Fuzz:
    """Send at least so many requests: in every round some to each operation, two valid ones for each invalid.

    ``operations`` takes so many of them only, evenly spread.
    """
    state = Fuzz(judge, Random(number))
    every = [found.ok() for found in schemathesis.openapi.from_dict(judge.document).get_all_operations() if isinstance(found, Ok)]
    chosen = every[:: max(1, len(every) // operations)] if operations else every
    share = max(3, -(-requests // (3 * 2 * len(chosen))) + 1)
    turn = 0
    while sum(state.statuses.values()) < requests and len(state.failures) < _MOST_SHOWN:
        for operation in chosen:
            state.open()
            for mode, count in ((GenerationMode.POSITIVE, 2 * share), (GenerationMode.NEGATIVE, share)):
                turn += 1
                try:
                    batch(operation.as_strategy(generation_mode=mode), count, number * 1_000_003 + turn, _sender(state, mode.value))
                except Unsatisfiable:
                    continue  # there is nothing about this operation that could be wrong
    return state


def _sender(state: Fuzz, mode: str) -> Callable[[Any], None]:
    return lambda case: state.send(case, mode)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="how many, at least (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed sends the same requests (default 0)")
    asked = parser.parse_args()
    judge = published()
    if judge is None:
        print(f"the vendor's published document is not at {PUBLISHED} (KASSABRUG_EACCOUNTING_SCHEMA names it)", file=sys.stderr)  # noqa: T201
        return 2
    show = print
    mistakes = list(OpenAPIV31SpecValidator(judge.document).iter_errors())
    show(f"document    {len(mistakes)} mistakes left under the overlay")
    state = fuzz(judge, asked.requests, asked.seed)
    show(f"requests    {sum(state.statuses.values())}  ({', '.join(f'{mode} {count}' for mode, count in sorted(state.modes.items()))})")
    show(f"operations  {len(state.reached)} reached, {len(state.worked)} of {len(HANDLERS)} served ones worked at least once")
    show(f"statuses    {', '.join(f'{status}: {count}' for status, count in sorted(state.statuses.items()))}")
    show(f"failures    {len(state.failures)}")
    for failure in state.failures[:_MOST_SHOWN]:
        show(f"- {failure}")
    if idle := sorted(HANDLERS.keys() - state.worked):
        show(f"never worked: {', '.join(idle)}")
    return 1 if state.failures or mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
