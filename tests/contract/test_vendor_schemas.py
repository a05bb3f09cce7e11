"""What the vendors publish, compared with what the connectors read and send: served by a local host, as it is and changed."""

from __future__ import annotations

import copy
import json
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from connectors.eaccounting import contract as eaccounting
from connectors.eaccounting.config import REFERENCE_LENGTHS
from connectors.model import Difference
from connectors.sandbox.serve import serve
from daemon.core.findings import Problem, Severity
from daemon.settings import load
from daemon.text import ENGLISH
from daemon.vendorschemas import addresses, compare
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from daemon.core.findings import Finding
    from daemon.settings import Settings

REFERENCE = REPOSITORY.parent / "shared" / "reference"
CONFIGURATION = """
[connections.books]
kind = "eaccounting"
client_id = "a"
client_secret = "b"

[connections.till]
kind = "salespos"
api = "https://till.example/api/rest/v1"
public_key = "a"
secret_key = "b"

[links.shop]
books = "books"
tills = ["till"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A configuration for the vendors' own hosts."""
    path = tmp_path / "kassabrug.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    return load(path)


def read(name: str) -> Any:
    """A file of the references."""
    if not (REFERENCE / name).exists():
        pytest.skip("the references do not lie here")
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


@pytest.fixture
def openapi() -> dict[str, Any]:
    """The vendor's OpenAPI document."""
    return dict(read("eaccounting-v2.json"))


def texts(found: list[Finding]) -> list[str]:
    """The evidence of findings."""
    return [ENGLISH(finding.evidence) for finding in found]


@asynccontextmanager
async def served(pages: Mapping[str, Any]) -> AsyncIterator[str]:
    """Serve pages by their path: text as HTML, everything else as JSON."""

    def answer(request: Request) -> Response:
        page = pages.get(request.url.path)
        if page is None:
            return Response(status_code=404)
        return HTMLResponse(page) if isinstance(page, str) else JSONResponse(page)

    async with serve(Starlette(routes=[Route("/{path:path}", answer)]), 0) as url:
        yield url


# -- eAccounting ------------------------------------------------------------------------------------------------------------------


def schema(document: dict[str, Any], name: str) -> Any:
    """A schema of the document."""
    return document["components"]["schemas"][name]


def operation(document: dict[str, Any], method: str, path: str) -> Any:
    """An operation of the document."""
    return document["paths"][path][method]


def without_parameter(document: dict[str, Any], name: str) -> None:
    """Take a parameter away everywhere."""
    for path in document["paths"].values():
        for one in path.values():
            if isinstance(one, dict) and "parameters" in one:
                one["parameters"] = [parameter for parameter in one["parameters"] if parameter["name"] != name]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], Difference]] = {
    "an operation is gone": (
        lambda document: document["paths"].pop("/fiscalyears"),
        Difference("GET /fiscalyears", "is used, and not published"),
    ),
    "a method is gone": (
        lambda document: document["paths"]["/customerinvoices/{invoiceId}/payments"].pop("post"),
        Difference("POST /customerinvoices/{}/payments", "is used, and not published"),
    ),
    "a field that is read is gone": (
        lambda document: schema(document, "ArticleApi")["properties"].pop("GrossPrice"),
        Difference("GET /articles.Data[]", "GrossPrice is read, and not published"),
    ),
    "a field that is read has another casing": (
        lambda document: schema(document, "BankAccountApi")["properties"].update(
            name=schema(document, "BankAccountApi")["properties"].pop("Name")
        ),
        Difference("GET /bankaccounts.Data[]", "Name is read, and not published"),
    ),
    "a field that is read has another type": (
        lambda document: schema(document, "ArticleApi")["properties"]["Number"].update(type=["object", "null"]),
        Difference("GET /articles/{}.Number", "is published as object, of which object cannot be read"),
    ),
    "a nested field is gone": (
        lambda document: schema(document, "ArticleBarcodeApi")["properties"].pop("Barcode"),
        Difference("GET /articles.Data[].Barcodes[]", "Barcode is read, and not published"),
    ),
    "the envelope is another": (
        lambda document: schema(document, "CommonPaginationMetadata")["properties"].pop("ServerTimeUtc"),
        Difference("GET /units.Meta", "ServerTimeUtc is read, and not published"),
    ),
    "the error body is another": (
        lambda document: schema(document, "CommonExtendedBadRequest")["properties"].pop("ErrorCode"),
        Difference("GET /articles", "ErrorCode is read, and not published"),
    ),
    "a body needs a new field": (
        lambda document: schema(document, "CustomerInvoiceApi")["required"].append("Mood"),
        Difference("POST /customerinvoices", "Mood is required, and not sent"),
    ),
    "a row needs a new field": (
        lambda document: schema(document, "CustomerInvoiceDraftRowApi").setdefault("required", []).append("Mood"),
        Difference("POST /customerinvoicedrafts.Rows[]", "Mood is required, and not sent"),
    ),
    "a field that is sent is gone": (
        lambda document: schema(document, "InvoicePaymentApi")["properties"].pop("PaymentType"),
        Difference("POST /customerinvoices/{}/payments", "PaymentType is sent, and not published"),
    ),
    "a field that is sent may only be read": (
        lambda document: schema(document, "CustomerApi")["properties"]["CustomerNumber"].update(readOnly=True),
        Difference("POST /customers", "CustomerNumber is sent, and published as read-only"),
    ),
    "a text may be shorter than the key": (
        lambda document: schema(document, "CustomerInvoiceApi")["properties"]["YourReference"].update(maxLength=35),
        Difference("POST /customerinvoices.YourReference", "is sent with up to 100 characters, and published with 35"),
    ),
    "a number became a text": (
        lambda document: schema(document, "CustomerInvoiceRowApi")["properties"]["Quantity"].update(type="string"),
        Difference("POST /customerinvoices.Rows[].Quantity", "is sent as number, and published as string"),
    ),
    "a parameter is gone": (
        lambda document: without_parameter(document, "showPricesWithTwoDecimals"),
        Difference("GET /articles", "the parameter showPricesWithTwoDecimals is used, and not published"),
    ),
    "a parameter is needed": (
        lambda document: operation(document, "get", "/articles")["parameters"].append({"name": "colour", "in": "query", "required": True}),
        Difference("GET /articles", "the parameter colour is required, and not given"),
    ),
    "what is put back has a new read-only field": (
        lambda document: schema(document, "CustomerApi")["properties"].update(Mood={"type": "string", "readOnly": True}),
        Difference("PUT /customers/{}", "Mood is published as read-only, and put back", breaks=False),
    ),
}


@pytest.mark.parametrize("field", REFERENCE_LENGTHS)
def test_the_published_document_says_what_the_connector_relies_on(openapi: dict[str, Any], field: str) -> None:
    """The copy that the connector was written from: no difference, whichever field carries the key."""
    assert eaccounting.differences(openapi, reference_field=field) == []


@pytest.mark.parametrize("change", CHANGES)
def test_each_kind_of_change_is_reported(openapi: dict[str, Any], change: str) -> None:
    """A changed copy: the difference names the operation and the field."""
    alter, expected = CHANGES[change]
    alter(openapi)
    assert expected in eaccounting.differences(openapi)


def test_what_nobody_uses_may_change(openapi: dict[str, Any]) -> None:
    """New fields, new operations and the end of others are no difference."""
    schema(openapi, "ArticleApi")["properties"]["Mood"] = {"type": "string"}
    openapi["paths"]["/moods"] = {"get": {"responses": {}}}
    openapi["paths"].pop("/suppliers")
    assert eaccounting.differences(openapi) == []


async def test_a_document_is_fetched_and_a_change_breaks(settings: Settings, openapi: dict[str, Any]) -> None:
    """Over HTTP: good as it is, an error once something that is used is gone."""
    changed = copy.deepcopy(openapi)
    schema(changed, "CustomerInvoiceApi")["properties"].pop("RemainingAmount")
    async with served({"/good.json": openapi, "/changed.json": changed}) as url:
        assert await compare(settings, [f"{url}/good.json"]) == []
        found = await compare(settings, [f"{url}/changed.json"])
    assert "GET /customerinvoices/{}: RemainingAmount is read, and not published" in texts(found)
    assert {finding.severity for finding in found} == {Severity.ERROR}
    assert {finding.problem for finding in found} == {Problem.VENDOR_SCHEMA}


@pytest.mark.parametrize("path", ["/missing.json", "/page.json"])
async def test_what_cannot_be_had_is_a_warning(settings: Settings, path: str) -> None:
    """No such document, or a page of somebody else: one line, and nothing is known to be broken."""
    async with served({"/page.json": "<html></html>"}) as url:
        [finding] = await compare(settings, [f"{url}{path}"])
    assert finding.severity is Severity.WARNING
    assert "could not be compared" in ENGLISH(finding.evidence)


def test_without_addresses_the_vendors_own_are_asked(settings: Settings) -> None:
    """The document lies on the API's own host; the till's documentation on that of its platform."""
    assert addresses(settings) == ["https://eaccountingapi.vismaonline.com/openapi/v2.json", "https://demo.ccvshop.nl"]


# -- SalesPOS ---------------------------------------------------------------------------------------------------------------------

_TYPES = {"string": "string", "int": "integer", "float": "number", "bool": "boolean"}


def name_of(model: str) -> str:
    """The file of a schema: ``Vnd/Verto/Webshop/Resource/Orders/Orders`` is ``vnd.verto.webshop.resource.orders.v1.json``."""
    return ".".join(model.lower().split("/")[:-1]) + ".v1.json"


@cache
def _models() -> dict[str, Any]:
    return dict(read("salespos-webshop-fields-2022.json")["models"])


def field(kind: str) -> dict[str, Any]:
    """The schema of a field, as draft 3 writes it."""
    if kind.startswith("array<"):
        return {"type": "array", "items": field(kind[6:-1])}
    if kind.startswith("object:"):
        model = kind.removeprefix("object:")
        return properties(model) if "/Child/" in model else {"$ref": f"http://host.example/API/Schema/{name_of(model)}"}
    return {"type": _TYPES[kind]}


def properties(model: str) -> dict[str, Any]:
    """The schema of an object."""
    made: dict[str, Any] = {}
    for one in _models()[model]:
        shape = field(one["type"])
        if "type" in shape and one["nullable_or_optional"]:
            shape["type"] += "|null"
        made[one["name"]] = shape | {"required": not one["nullable_or_optional"]}
    return {"type": "object", "properties": made}


@pytest.fixture
def pages() -> dict[str, Any]:
    """The documentation as it was: the list of operations, and the schemas of webshops."""
    endpoints = read("salespos-endpoints.json")["endpoints"]
    lines = [f"<li><b>{one['method']}</b> <a>{one['path']}</a><p>Rate limit</p></li>" for one in endpoints]
    found: dict[str, Any] = {"/API/Docs/": f"<html><ul id='Resources'>{''.join(lines)}</ul></html>"}
    for model in _models():
        if "/Child/" not in model:
            found[f"/API/Schema/{name_of(model)}"] = properties(model)
    return found


#: what a webshop of 2022 had not: a till, and its day closings
KNOWN = {
    "vnd.verto.webshop.resource.webshops: is_salespos is read, and not published",
    "resource.cashups: neither vnd.verto.salespos.resource.cashups nor vnd.verto.webshop.resource.cashups is published",
}


async def test_the_documentation_of_webshops_says_what_the_connector_relies_on(settings: Settings, pages: dict[str, Any]) -> None:
    """All but what only a till has, which is told."""
    async with served(pages) as url:
        assert set(texts(await compare(settings, [url]))) == KNOWN


async def test_a_tills_own_schema_is_compared_before_that_of_a_webshop(settings: Settings, pages: dict[str, Any]) -> None:
    """Where the flavour for tills is published, the difference is told of that one."""
    own = copy.deepcopy(pages["/API/Schema/vnd.verto.webshop.resource.orders.v1.json"])
    del own["properties"]["extra_costs"]
    own["properties"]["total_price"]["type"] = "object"
    pages["/API/Schema/vnd.verto.salespos.resource.orders.v1.json"] = own
    async with served(pages) as url:
        found = set(texts(await compare(settings, [url]))) - KNOWN
    assert found == {
        "vnd.verto.salespos.resource.orders: extra_costs is read, and not published",
        "vnd.verto.salespos.resource.orders.total_price: is published as object, of which object cannot be read",
    }


async def test_changes_of_operations_bodies_and_what_is_referred_to_are_reported(settings: Settings, pages: dict[str, Any]) -> None:
    """An operation that is gone, a body that needs more, and a field in a schema that another one names."""
    pages["/API/Docs/"] = pages["/API/Docs/"].replace("<a>/api/rest/v1/paymethods/</a>", "<a>/api/rest/v1/paymentmethods/</a>")
    pages["/API/Schema/internal.resource.products.post.v1.json"]["properties"]["supplier_id"]["required"] = True
    pages["/API/Schema/vnd.verto.webshop.entity.personalinfo.v1.json"]["properties"].pop("kvk")
    async with served(pages) as url:
        found = set(texts(await compare(settings, [url]))) - KNOWN
    assert found == {
        "GET /paymethods/: is used, and not published",
        "internal.resource.products.post: supplier_id is required, and not sent",
        "vnd.verto.webshop.resource.orders.customer: kvk is read, and not published",
        "vnd.verto.webshop.resource.users.userinfo: kvk is read, and not published",
    }


async def test_a_host_without_documentation_is_a_warning(settings: Settings) -> None:
    """Nothing is published there: one line."""
    async with served({}) as url:
        [finding] = await compare(settings, [url])
    assert finding.severity is Severity.WARNING
