"""What this connector relies on in the vendor's published documentation, and where that says otherwise (reference: salespos.md §9.3).

``/API/Docs/`` lists the operations, ``/API/Schema/NAME`` holds a schema for each resource and body, in one flavour for tills and one for
webshops.  Their names are known for some (evidence) and follow the same pattern for the others (inferred); where a till's own schema is
not published, that of a webshop is compared.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from connectors.bounded_json import from_json
from connectors.http import Request
from connectors.model import Difference, ProductPatch
from connectors.port import Unreadable
from connectors.salespos import dialect, translate, wire
from connectors.schema_diff import ACCEPTS, Shape, reading, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.http import HttpClient

#: whose documentation is public
HOST: Final = "https://demo.ccvshop.nl"
_FLAVOURS: Final = ("salespos", "webshop")
_ANY: Final = frozenset({"string", "integer", "number"})
#: read leniently, see the wire models; an empty list stands for an object without content
_ACCEPTS: Final = {**ACCEPTS, str: _ANY, Decimal: _ANY, bool: frozenset({"boolean", "integer"}), BaseModel: frozenset({"object", "array"})}
#: so many schemas are followed at most
_MOST: Final = 100

#: resource -> the model that reads it
READS: Final[Mapping[str, type[BaseModel]]] = {
    "resource.orders": wire.Order,
    "resource.collection.orders": wire.Listing,
    "resource.orderrows": wire.OrderRow,
    "resource.products": wire.Product,
    "resource.categories": wire.Category,
    "resource.producttocategories": wire.CategoryLink,
    "resource.packages": wire.Package,
    "resource.paymethods": wire.PayMethod,
    "resource.users": wire.User,
    "resource.webshops": wire.Webshop,
    "entity.settings": wire.Settings,
    "resource.cashups": wire.CashUp,
}
#: operations that are called, as the documentation writes their paths
OPERATIONS: Final = (
    ("GET", "/"),
    ("GET", "/orders/"),
    ("GET", "/orders/:id/"),
    ("GET", "/orders/:id/orderrows/"),
    ("GET", "/products/"),
    ("GET", "/products/:id/"),
    ("POST", "/products/"),
    ("PATCH", "/products/:id/"),
    ("GET", "/products/:id/producttocategories/"),
    ("GET", "/categories/"),
    ("POST", "/categories/"),
    ("GET", "/categories/:id/producttocategories/"),
    ("POST", "/producttocategories/"),
    ("GET", "/packages/"),
    ("GET", "/paymethods/"),
    ("GET", "/users/:id/"),
    ("GET", "/webshops/"),
    ("GET", "/webshops/:id/settings/"),
    ("GET", "/cashups/"),
)
_TAG = re.compile(r"<[^>]*>")
_OPERATION = re.compile(rf"\b(GET|POST|PUT|PATCH|DELETE)\b|{re.escape(dialect.API_PATH)}(/[a-z0-9_:/]*)", re.IGNORECASE)


def bodies() -> dict[str, dict[str, Any]]:
    """Return what is sent, by the name of its schema."""
    product = translate.product_body(
        ProductPatch(
            sku="A",
            name="A",
            price=Decimal("1.21"),
            vat_rate=Decimal(21),
            active=True,
            description="A",
            ean="8711000000000",
            unit="st",
            purchase_price=Decimal("0.5"),
            tracked=True,
            quantity=Decimal(3),
        ),
        dialect.TARIFFS,
    )
    return {
        "internal.resource.products.post": product | {"package_id": 1},
        "internal.resource.products.patch": product,
        "internal.resource.categories.post": {"name": "A"},
        "internal.resource.producttocategories.post": {"product_id": 1, "category_id": 1},
    }


class Published:
    """What a host publishes, fetched as it is needed.  ``schemas`` keeps every schema asked for, ``None`` where there is none."""

    def __init__(self, http: HttpClient, host: str) -> None:
        self._http = http
        self._host = host.rstrip("/")
        self.schemas: dict[str, dict[str, Any] | None] = {}

    async def operations(self) -> frozenset[tuple[str, str]]:
        """Return the operations that the documentation lists: method and path below the root."""
        response = await self._http.send(Request("GET", f"{self._host}/API/Docs/", {"accept": "text/html"}))
        if not response.ok:
            raise Unreadable(f"{self._host}/API/Docs/ answered {response.status}")
        found, method = set(), ""
        for match in _OPERATION.finditer(_TAG.sub(" ", response.content.decode("utf-8", "replace"))):
            if match[1]:
                method = match[1].upper()
            elif method:
                found.add((method, match[2].rstrip("/") + "/"))
        return frozenset(found)

    async def schema(self, name: str) -> dict[str, Any] | None:
        """Return a schema with all that it refers to in :attr:`schemas`, ``None`` when it is not published."""
        name = _file(name)
        if name in self.schemas or len(self.schemas) >= _MOST:
            return self.schemas.get(name)
        response = await self._http.send(Request("GET", f"{self._host}/API/Schema/{name}", {"accept": "application/json"}))
        try:
            found = from_json(response.content) if response.ok else None
        except ValueError:
            found = None
        self.schemas[name] = found if isinstance(found, dict) else None
        for reference in _references(found):
            await self.schema(reference)
        return self.schemas[name]

    def find(self, reference: str) -> Mapping[str, Any] | None:
        """Return what a reference names, of what was fetched."""
        return self.schemas.get(_file(reference))


def _file(name: str) -> str:
    """Return the name of a schema's file, given that, its address or its name alone."""
    last = name.rsplit("/", 1)[-1].partition("#")[0]
    return last if last.endswith(".json") else f"{last}.v1.json"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str) and not reference.startswith("#"):
            yield reference
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


async def differences(http: HttpClient, host: str) -> list[Difference]:
    """Fetch what a host publishes and compare it with what the connector calls, reads and sends.

    Raises:
        ConnectorError: it could not be fetched.
    """
    published = Published(http, host)
    listed = await published.operations()
    found = [] if listed else [Difference("/API/Docs/", "no operations can be read from it", breaks=False)]
    missing = [operation for operation in OPERATIONS if operation not in listed and operation != ("GET", "/")]
    found += [Difference(f"{method} {path}", "is used, and not published") for method, path in (missing if listed else ())]
    for resource, model in READS.items():
        names = [f"vnd.verto.{flavour}.{resource}" for flavour in _FLAVOURS]
        schemas = [(name, schema) for name in names if (schema := await published.schema(name)) is not None]
        if not schemas:
            found.append(Difference(resource, f"neither {names[0]} nor {names[1]} is published", breaks=False))
            continue
        name, schema = schemas[0]
        # that a webshop does not have what a till has proves nothing about tills
        breaks = _FLAVOURS[0] in name
        found += [replace(one, breaks=breaks) for one in reading(model, Shape(schema, published.find), name, accepts=_ACCEPTS)]
    for name, body in bodies().items():
        schema = await published.schema(name)
        if schema is None:
            found.append(Difference(name, "is not published", breaks=False))
        else:
            found += writing(body, Shape(schema, published.find), name)
    return list(dict.fromkeys(found))
