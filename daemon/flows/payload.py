"""Records as bytes, for as long as their work is not settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from connectors.model import Product, Sale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.state.port import Work

_SALES = TypeAdapter(Sale)
_PRODUCTS = TypeAdapter(Product)


def dump_sale(sale: Sale) -> bytes:
    """Return a sale as JSON; amounts are strings, so that they stay exact."""
    return _SALES.dump_json(sale)


def load_sale(payload: bytes) -> Sale:
    """Return the sale that :func:`dump_sale` wrote."""
    return _SALES.validate_json(payload)


def dump_product(product: Product) -> bytes:
    """Return a product as JSON."""
    return _PRODUCTS.dump_json(product)


def load_product(payload: bytes) -> Product:
    """Return the product that :func:`dump_product` wrote."""
    return _PRODUCTS.validate_json(payload)


def open_sales(works: Sequence[Work]) -> tuple[list[Sale], int]:
    """Return the sales in hand whose lines are known, and how many are in hand whose lines are not."""
    known, unknown = [], 0
    for work in works:
        sale = load_sale(work.payload) if work.payload else None
        if sale is None or not sale.lines:
            unknown += 1
        else:
            known.append(sale)
    return known, unknown
