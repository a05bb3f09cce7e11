"""Everything that is believed about SalesPOS, in one place, each entry saying how well it is founded.

SalesPOS has no published specification of its own.  It is a tenant type of the CCV Shop platform, whose REST API v1 is documented, and
what follows leans on that.  :data:`MARKS` can be read by a program, so that documentation is generated from it: a mark belongs to the
constant or function of the same name, or, with a lower-case dotted name, to a belief that the translation acts on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from connectors.model import LineKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Status(StrEnum):
    """How well a belief is founded."""

    EVIDENCE = "evidence"  # read in the vendor's own or a derived public source
    INFERRED = "inferred"  # follows from such sources, not said by them
    ASSUMED = "assumed"  # nothing found either way


@dataclass(frozen=True, slots=True)
class Mark:
    """What is believed, how well that is founded and where it was read (empty where nothing was found)."""

    status: Status
    text: str
    source: str = ""


_SDK: Final = "CCV's PHP SDK (ccvshop/ccvshop-api, 2025-09)"
_DOCS_2022: Final = "documentation and schemas of the CCV Shop API as of 2022-06 (jacobdekeizer/ccvshop-client)"
_DOCS_2025: Final = "list of operations of the CCV Shop API as of 2025-09 (MarcHoog/CCVshopPythonClient)"
_DOCS_PAGE: Final = "introduction of demo.ccvshop.nl/API/Docs as of 2022-11"

_CENT: Final = Decimal("0.01")

#: name of the symbol, or dotted name of the belief -> its mark
MARKS: Final[dict[str, Mark]] = {}


def _evidence(name: str, text: str, source: str) -> None:
    MARKS[name] = Mark(Status.EVIDENCE, text, source)


def _inferred(name: str, text: str, source: str) -> None:
    MARKS[name] = Mark(Status.INFERRED, text, source)


def _assumed(name: str, text: str, source: str = "") -> None:
    MARKS[name] = Mark(Status.ASSUMED, text, source)


# --- transport -------------------------------------------------------------------------------------------------------------------

API_PATH: Final = "/api/rest/v1"
_evidence("API_PATH", "Path under which every resource lives.", f"{_SDK}; {_DOCS_2022}")

ACCEPT: Final = "application/vnd.verto.salespos+json"
_assumed("ACCEPT", "The SalesPOS media type is sent with every request. That it exists is evidence; that a till needs it is not.", _SDK)

MAX_SKEW: Final = timedelta(minutes=4)
_evidence(
    "MAX_SKEW", "A date may differ from the server's by five minutes; from four on a refused signature is put down to it.", _DOCS_PAGE
)

UNSIGNED_STATUS: Final = 204
_assumed("UNSIGNED_STATUS", "An answer without content may come unsigned; its signature is not checked.", _SDK)

READS_PER_MINUTE: Final = 150
WRITES_PER_MINUTE: Final = 100
QUERIES_PER_MINUTE: Final = 30
_evidence("READS_PER_MINUTE", "GET, for each resource; assumed to hold for resources newer than the source.", _DOCS_2022)
_inferred("WRITES_PER_MINUTE", "POST, PUT, PATCH and DELETE, for each resource; counted together to be safe.", _DOCS_2022)
_evidence("QUERIES_PER_MINUTE", "GET of productqueries, the look-up of a scanned code.", _DOCS_2022)

QUERIES: Final = "productqueries"
_evidence("QUERIES", "Name of the resource with the lower limit.", _DOCS_2022)

PAGE_SIZE: Final = 150
_inferred(
    "PAGE_SIZE", "Records asked for in one page: the size that the oldest source names; larger ones may be cut or refused.", _DOCS_2022
)

RATE_PERIOD: Final = 60
_inferred("RATE_PERIOD", "Seconds: limits are counted by the minute, the next one is free again; no Retry-After was seen.", _DOCS_2022)


def root_of(api: str) -> tuple[str, str]:
    """Return origin and base path of a till, given its host or the whole address of its API.

    Raises:
        ValueError: there is no host in it.
    """
    parts = urlsplit(api if "://" in api else f"https://{api}")
    if not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{api!r} is neither a host nor the address of an API")
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/") or API_PATH


_assumed("root_of", "The host of a till is its own, like a shop's <name>.ccvshop.nl; it is therefore configuration.")


def resource_of(path: str) -> str:
    """Return the resource that a request to ``path`` (below the root) counts for: its last part that is not an id."""
    names = [part for part in path.split("/") if part and not part.isdigit()]
    return names[-1] if names else "root"


_evidence("resource_of", "Limits of a sub-resource (orders/:id/orderrows) are those of the sub-resource.", _DOCS_2022)


def resource_names(payload: Any) -> frozenset[str]:
    """Return the resources that the root says this key may use: bare names, and whatever an address below the root points to."""
    return frozenset(_resources(payload))


def _resources(payload: Any) -> Iterator[str]:
    if isinstance(payload, str):
        if found := re.search(rf"{API_PATH}/([a-z]+)|^([a-z]+)$", payload):
            yield found[1] or found[2]
    elif isinstance(payload, dict | list):
        for value in payload.values() if isinstance(payload, dict) else payload:
            yield from _resources(value)


_assumed("resource_names", "GET / lists the resources that the key may use; its shape is not published, so every likely one is read.", _SDK)

# --- errors ----------------------------------------------------------------------------------------------------------------------

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
TOO_MANY: Final = 429
_assumed("UNAUTHORIZED", "Status for a wrong signature, an unknown key or a stale date.")
_assumed("FORBIDDEN", "Status for a right that the key lacks: a write is refused, a read needs a person.")
_assumed("NOT_FOUND", "Status for an unknown id, with an error body; without one it is not taken as proof.")
_evidence("TOO_MANY", "Status for a limit that was met.", _SDK)

ALL_RESOURCES_LIMITED: Final = "429.11"
_evidence("ALL_RESOURCES_LIMITED", "The total limit was met, so that every resource has to wait. Its height is not published.", _SDK)

UNKNOWN_RESOURCE: Final = "404.20"
_evidence("UNKNOWN_RESOURCE", "The name of the resource is unknown: no record is missing.", _SDK)

EXISTS: Final = "500.40"
_evidence("EXISTS", "A property with this value exists already.", _SDK)

REFUSALS: Final = frozenset(
    {
        "405.10",  # method not allowed
        "500.21",  # file too big
        "500.22",  # file type
        "500.50",  # same value
        "500.60",  # product limit exceeded
        "500.70",  # method not allowed on this resource
        "500.80",  # payload too big
        "500.90",  # required app not installed
        "501.10",  # method not implemented
        "501.20",  # resource not implemented
        "501.30",  # resource is read-only
    }
)
_inferred("REFUSALS", "Codes that say no for good although their status is 5xx; the write had no effect.", _SDK)

# --- numbers ---------------------------------------------------------------------------------------------------------------------

_FINEST: Final = Decimal("0.000001")
_NOISE: Final = Decimal("0.000000001")
_WIDEST: Final = 12


def without_noise(number: Decimal) -> Decimal:
    """Return a number with at most six decimals where it differs from that by no more than binary arithmetic explains."""
    if number.adjusted() > _WIDEST:
        return number
    near = number.quantize(_FINEST)
    return number if number == near or abs(number - near) >= _NOISE else near


_inferred("without_noise", "Numbers are binary floating-point to the vendor: 2.5499999999999998 is 2.55, 30.000000000000004 is 30.", _SDK)

# --- listings --------------------------------------------------------------------------------------------------------------------

SINCE_FILTER: Final = "min_create_date"
_evidence("SINCE_FILTER", "Filter of orders on the earliest moment. There is none on the moment of a change.", _DOCS_2022)

SINCE_MARGIN: Final = timedelta(seconds=1)
_assumed("SINCE_MARGIN", "Whether that filter includes its moment is unknown: it is asked a second early, and what is too old dropped.")

SALE_ORDER: Final = "create_date"
_evidence("SALE_ORDER", "Order in which sales are listed.", _DOCS_2022)

PRODUCT_ORDER: Final = "id"
_evidence("PRODUCT_ORDER", "Order in which products are listed: a new one comes last.", _DOCS_2022)

SKU_FILTER: Final = "productnumber"
_evidence("SKU_FILTER", "Filter of products on the SKU.", _DOCS_2022)


def spellings(sku: str) -> tuple[str, ...]:
    """Return the forms in which to ask for an SKU."""
    return tuple(dict.fromkeys((sku, sku.upper(), sku.lower())))


_assumed("spellings", "Whether the filter on the SKU regards case is unknown: it is asked in each form, and the answers compared.")

_assumed(
    "listing.completed", "Orders are listed once completed (the filter's default); a till's order is completed when it is made.", _DOCS_2022
)
_assumed("listing.inactive", "Products that are not active are listed too unless a filter says otherwise.", _DOCS_2022)
_assumed("listing.cashups", "Cash-ups take the same filter as orders; whatever comes is compared again.", _DOCS_2025)

# --- a till's sale ---------------------------------------------------------------------------------------------------------------

_inferred("sale.order", "A sale is an order; the SDK of 2025 gave orders the till's receipts and signatures.", _SDK)
_inferred("sale.number", "The number on the receipt is ordernumber_full.", _DOCS_2022)
_assumed("sale.refund", "What comes back is an order with negative counts, and its total is negative.")
_assumed("sale.total", "total_price is what the customer paid, VAT, shipping, costs and discounts included, whatever the other flags say.")
_assumed("sale.payment", "One way of payment an order; paymethod holds its stable code (method in the register), paymethod_label its name.")
_assumed("sale.stock_correction", "Rows with negative counts at price 0 and a total of 0 correct the stock; nothing was sold.")
_inferred(
    "sale.unit_price", "A unit costs price − discount. Where the row's own total says otherwise, the row's total is right.", _DOCS_2022
)
_inferred("sale.options", "With paid options the row's total is total_price_with_attributes.", _DOCS_2022)
_inferred(
    "sale.net_rows",
    "Without order_row_taxes_included (shipping_taxes_included) the prices are net and get the row's tax added.",
    _DOCS_2022,
)
_inferred(
    "sale.variant", "The SKU of a variant is sub_product_number, else sub_sku_number; empty means that it is not a variant.", _DOCS_2022
)
_assumed("sale.total_discounts", "A positive total_discounts was taken off the whole order, beyond the discounts of its rows.", _DOCS_2022)
_assumed(
    "sale.costs", "paymethod_costs and extra_payment_option_price are part of the total, VAT of the normal tariff included.", _DOCS_2022
)
_assumed("sale.terminal_receipt", "A card receipt is {id, order_id, create_date, type, receipt_data}. It is not read.", _DOCS_2025)

CANCELLED: Final = "8"
_evidence("CANCELLED", "Status of an order that was cancelled: not a sale.", _DOCS_2022)

CURRENCY: Final = "EUR"
_assumed("CURRENCY", "Currency of an order that names none.")

ROUNDING_TEXT: Final = "afronding"
_assumed("ROUNDING_TEXT", "Cash rounding has no field; it comes as extra_costs with this description (whatever its case), at 0 %.")

VOUCHER_PATTERN: Final = "gift_*"
_assumed("VOUCHER_PATTERN", "A gift voucher sold is a row at 0 % whose product number matches this pattern. Configurable.")


def is_rounding(description: str | None) -> bool:
    """Tell whether extra costs with this description are the cash rounding."""
    return (description or "").strip().casefold() == ROUNDING_TEXT


_assumed("is_rounding", "Recognised by its description alone; other extra costs are costs, or a discount where they are negative.")


def kind_of_row(*, product_type: str | None, sku: str, product_id: str | None, tax: Decimal, voucher_pattern: str) -> LineKind:
    """Return what a row of an order stands for; ``tax`` is its VAT percentage."""
    if tax == 0 and sku and fnmatchcase(sku.casefold(), voucher_pattern.casefold()):
        return LineKind.VOUCHER
    if product_type not in {None, "product"} or not (sku or product_id):
        return LineKind.FREE
    return LineKind.PRODUCT


_inferred("kind_of_row", "Deposits are rows of their own at 0 % VAT that carry their product's data but are not the product.", _DOCS_2022)


def spread(amount: Decimal, gross_by_rate: Mapping[Decimal, Decimal], *, normal_rate: Decimal) -> list[tuple[Decimal, Decimal]]:
    """Spread an order's discount over VAT rates, as (rate, share); the shares add up to ``amount`` exactly.

    Pro rata to what was bought (or, for a negative amount, brought back) at each rate, what rounding leaves to the largest; with nothing
    to go by all at ``normal_rate``.
    """
    weights = {rate: gross for rate, gross in gross_by_rate.items() if gross * amount > 0}
    weights = weights or {rate: abs(gross) for rate, gross in gross_by_rate.items() if gross} or {normal_rate: Decimal(1)}
    whole = sum(weights.values(), Decimal(0))
    shares = {rate: (amount * weight / whole).quantize(_CENT, ROUND_HALF_UP) for rate, weight in weights.items()}
    largest = max(weights, key=lambda rate: abs(weights[rate]))
    shares[largest] += amount - sum(shares.values(), Decimal(0))
    return [(rate, share) for rate, share in shares.items() if share]


_assumed("spread", "total_discounts carries no VAT rate: it is spread over the rates of the rows.")


# --- products --------------------------------------------------------------------------------------------------------------------

TARIFFS: Final[Mapping[str, Decimal]] = MappingProxyType(
    {"normal": Decimal(21), "low a": Decimal(9), "low b": Decimal(9), "extra low": Decimal(9), "zero": Decimal(0)}
)
_assumed("TARIFFS", "Percentages of the tariffs in the Netherlands; the names are evidence. Configurable.", _DOCS_2022)

NORMAL: Final = "normal"
_evidence("NORMAL", "Name of the tariff that holds where nothing else is said.", _DOCS_2022)

UNKNOWN_RATE: Final = Decimal(-1)
_assumed("UNKNOWN_RATE", "Rate of a product whose tariff has no percentage: never a real one, so that the books' rate is written.")

UNLIMITED: Final = -1
_evidence("UNLIMITED", "As product_limit: as many products as one likes.", _DOCS_2022)

SAME_PRICE: Final = Decimal(0)
_evidence("SAME_PRICE", "Discount written with every price: a customer pays price − discount.", _DOCS_2022)

_assumed("product.price", "The price of a product includes VAT unless the shop's settings say prices_include_vat = false.", _DOCS_2022)

NET_PRICE: Final = Decimal("0.0001")
_assumed("NET_PRICE", "Prices without VAT are written to this fraction, so that what a customer pays comes out to the cent.")
_evidence("product.package", "A new product needs a package_id.", _DOCS_2022)
_evidence("product.active", "Read as is_active, written as active.", _DOCS_2022)
_evidence("product.create_answer", "A POST may be answered by 204 without a body although it succeeded.", _SDK)


def tariff_of(rate: Decimal, tariffs: Mapping[str, Decimal]) -> str | None:
    """Return the first tariff with this percentage, ``None`` when there is none."""
    return next((tariff for tariff, percentage in tariffs.items() if percentage == rate), None)


_assumed("tariff_of", "Of several tariffs with one percentage the first is written: 9 % becomes low a.")

# --- day closing -----------------------------------------------------------------------------------------------------------------

_evidence("cashup", "A cash-up has number_full, create_date, start_period, end_period, status, balances[] and vat_totals[].", _SDK)

OPEN: Final = "OPEN"
_evidence("OPEN", "Status of a cash-up that is not closed yet: it has no end.", _DOCS_2025)

_assumed("cashup.balances", "An element of balances holds paymethod, expected and counted.")
_assumed("cashup.vat_totals", "An element of vat_totals holds tax (a percentage), total_ex, total_tax and total_inc.")

# --- what is not relied on -------------------------------------------------------------------------------------------------------

_evidence("webhooks.events", "There are webhooks for products, orders, returns and categories; their bodies are thin.", _SDK)
_inferred(
    "webhooks.signature", "A delivery is presumably signed with the webhook's key over its address and body, like the handshake.", _SDK
)
_assumed("webhooks.delivery", "Whether a delivery is repeated, kept in order or made at all is unknown: the till is polled instead.")
