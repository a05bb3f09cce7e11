"""What the eAccounting connector finds out by asking: the sign of a credit's rows, and whether a filter regards case."""

from __future__ import annotations

import json
import random
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from connectors.eaccounting import EAccounting, EAccountingConfig
from connectors.eaccounting.unknowns import CreditRows
from connectors.model import Document, DocumentDraft, DocumentKind, DocumentRow
from connectors.port import Rejected, Uncertain
from tests.contract.clients import JumpingClock, MemoryTokens

if TYPE_CHECKING:
    from collections.abc import Callable

D = Decimal
ROW = DocumentRow("a", "Kaars", D(-2), D("4.95"), D(21))
CREDIT = DocumentDraft(DocumentKind.CREDIT, "KB-1", "c", date(2026, 3, 16), (ROW,), D("-9.90"), "EUR", prices_include_vat=True)
SALE = DocumentDraft(DocumentKind.INVOICE, "KB-2", "c", date(2026, 3, 16), (ROW,), D("9.90"), "EUR", prices_include_vat=True)


def document(gross: str) -> Document:
    """A document with this total."""
    return Document("d", "1", DocumentKind.INVOICE, "KB-1", "c", D(gross), D(0), D(gross), "EUR")


def taking(*taken: bool, code: str = "2000") -> tuple[list[bool], Callable[[bool], Any]]:
    """Return what is sent, and a vendor that takes only these ways."""
    sent: list[bool] = []

    async def send(turned: bool) -> str:
        sent.append(turned)
        if turned not in taken:
            raise Rejected(f"refused {turned}", code=code)
        return "taken"

    return sent, send


async def test_a_credit_that_is_refused_as_it_is_signed_is_sent_the_other_way_and_that_is_remembered() -> None:
    """The first costs a refusal, which has no effect; from then on the other way is tried first."""
    rows = CreditRows()
    sent, send = taking(True)
    assert await rows.either_way(CREDIT, send) == ("taken", True)
    assert await rows.either_way(CREDIT, send) == ("taken", True)
    assert sent == [False, True, True]


async def test_a_credit_refused_both_ways_tells_the_first_refusal_and_changes_nothing() -> None:
    """It is not the sign; the next credit is tried as it is signed again."""
    rows = CreditRows()
    sent, send = taking()
    with pytest.raises(Rejected, match="refused False"):
        await rows.either_way(CREDIT, send)
    assert sent == [False, True]
    sent, send = taking(False)
    assert await rows.either_way(CREDIT, send) == ("taken", False)


@pytest.mark.parametrize(("draft", "code"), [(SALE, "2000"), (CREDIT, "4026"), (CREDIT, "")])
async def test_only_a_credit_whose_body_is_refused_is_turned(draft: DocumentDraft, code: str) -> None:
    """A sale never is, and neither is a credit that is refused for another reason."""
    sent, send = taking(code=code)
    with pytest.raises(Rejected):
        await CreditRows().either_way(draft, send)
    assert sent == [False]


async def test_a_lost_answer_is_no_refusal() -> None:
    """The credit may have been booked: it is not sent another way."""
    sent: list[bool] = []

    async def lost(turned: bool) -> str:
        sent.append(turned)
        raise Uncertain("lost")

    with pytest.raises(Uncertain):
        await CreditRows().either_way(CREDIT, lost)
    assert sent == [False]


async def test_a_credit_that_came_out_as_a_sale_is_noticed_and_remembered() -> None:
    """Two that were written at the same time teach the same thing."""
    rows = CreditRows()
    assert rows.came_out_wrong(CREDIT, document("9.90"), turned=False)
    assert rows.came_out_wrong(CREDIT, document("9.90"), turned=False)
    sent, send = taking(True)
    assert await rows.either_way(CREDIT, send) == ("taken", True)
    assert sent == [True]
    assert not rows.came_out_wrong(CREDIT, document("-9.90"), turned=True)
    assert not rows.came_out_wrong(SALE, document("9.90"), turned=False)


# -- a vendor that is told what to answer --------------------------------------------------------------------------------------------

META = {"CurrentPage": 1, "PageSize": 50, "TotalNumberOfPages": 1, "ServerTimeUtc": "2026-03-16T09:00:00Z"}
DRAFT = {"Id": "d", "CustomerId": "c", "TotalAmount": 9.9, "TotalVatAmount": 1.72, "IsCreditInvoice": False, "YourReference": "KB-1"}


class Vendor(httpx2.AsyncBaseTransport):
    """Answers by method and path and keeps what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "GET /v2/companysettings": {"CurrencyCode": "EUR"},
            "GET /v2/termsofpayments": [{"Id": "t", "Name": "Contant"}],
            **answers,
        }
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        self.asked.append(f"{request.method} {request.url.path}{'?' if '$filter' in request.url.params else ''}")
        answer = self.answers[f"{request.method} {request.url.path}"]
        if callable(answer):
            answer = answer(request.url.params.get("$filter", ""))
        if isinstance(answer, httpx2.Response):
            return answer
        if isinstance(answer, list):
            answer = {"Meta": {**META, "TotalNumberOfResults": len(answer)}, "Data": answer}
        return httpx2.Response(200, content=json.dumps(answer).encode())

    def books(self) -> EAccounting:
        """Return a connector."""
        config = EAccountingConfig("books", "http://books.test/v2", "http://books.test", "id", "secret", access_token="x")
        return EAccounting(config, clock=JumpingClock(), tokens=MemoryTokens(), transport=self, jitter=random.Random(1))


def refusal(code: int) -> httpx2.Response:
    """A refusal of the vendor."""
    return httpx2.Response(400, content=json.dumps({"ErrorCode": code, "DeveloperErrorMessage": "no"}).encode())


MARIE = {"Id": "m", "CustomerNumber": "7", "EmailAddress": "Marie@Exemple.FR", "IsPrivatePerson": True, "Name": "Marie"}


def by_case(question: str) -> list[Any]:
    """A vendor whose ``eq`` regards case."""
    return [MARIE] if not question or "'Marie@Exemple.FR'" in question else []


async def test_a_customer_in_other_letters_is_found_where_a_filter_regards_case() -> None:
    """The whole list is read for an address that its own spelling does not find; whether that is needed is asked once."""
    vendor = Vendor(**{"GET /v2/customers": by_case})
    terms = vendor.answers["GET /v2/termsofpayments"]
    vendor.answers["GET /v2/termsofpayments"] = lambda question: [] if question else terms
    books = vendor.books()
    assert [one.id for one in await books.find_customers(emails=["marie@exemple.fr"])] == ["m"]
    assert await books.find_customers(emails=["sam@example.com"]) == []
    assert vendor.asked == [
        "GET /v2/customers?",
        "GET /v2/termsofpayments",
        "GET /v2/termsofpayments?",
        "GET /v2/customers",
        "GET /v2/customers?",
        "GET /v2/customers",
    ]


async def test_nobody_reads_the_whole_list_where_a_filter_does_not_regard_case() -> None:
    """Asked once; an address that is not found is not there."""
    vendor = Vendor(**{"GET /v2/customers": lambda _: []})
    books = vendor.books()
    assert await books.find_customers(emails=["marie@exemple.fr"]) == []
    assert await books.find_customers(emails=["sam@example.com"]) == []
    assert vendor.asked.count("GET /v2/customers") == 0
    assert vendor.asked.count("GET /v2/termsofpayments?") == 1


@pytest.mark.parametrize("answer", [lambda question: refusal(6000) if question else [{"Id": "t", "Name": "Contant"}], [], [{"Id": "t"}]])
async def test_where_it_cannot_be_found_out_case_is_taken_to_matter(answer: Any) -> None:
    """A refused filter or a register without a name: the whole list is read, and nobody is made twice."""
    vendor = Vendor(**{"GET /v2/customers": by_case, "GET /v2/termsofpayments": answer})
    assert [one.id for one in await vendor.books().find_customers(emails=["marie@exemple.fr"])] == ["m"]


async def test_another_refusal_of_the_question_is_not_taken_for_an_answer() -> None:
    """A missing scope says nothing about case."""
    vendor = Vendor(**{"GET /v2/customers": by_case, "GET /v2/termsofpayments": lambda question: refusal(4006)})
    with pytest.raises(Rejected):
        await vendor.books().find_customers(emails=["marie@exemple.fr"])


async def test_a_draft_that_cannot_be_corrected_is_uncertain_and_never_written_again_blindly() -> None:
    """It stands in the books with the wrong sign: it has to be found by its key, not made a second time."""
    drafts = {
        "POST /v2/customerinvoicedrafts": DRAFT,
        "GET /v2/customerinvoicedrafts/d": DRAFT,
        "PUT /v2/customerinvoicedrafts/d": refusal(4026),
    }
    vendor = Vendor(**drafts)
    with pytest.raises(Uncertain, match="was written"):
        await vendor.books().propose(CREDIT)
    assert vendor.asked.count("POST /v2/customerinvoicedrafts") == 1


async def test_a_company_that_rounds_to_whole_units_says_so() -> None:
    """So that its documents are proposed before they are booked."""
    for setting, rounds in ((0, False), (1, True), (None, False)):
        vendor = Vendor(
            **{"GET /v2/companysettings": {"CurrencyCode": "SEK", "DomesticCurrencyRounding": setting}, "GET /v2/countries": []}
        )
        assert (await vendor.books().company()).rounds_totals is rounds
