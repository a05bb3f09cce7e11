"""Records as bytes, for as long as their work is not settled."""

from __future__ import annotations

from pydantic import TypeAdapter

from connectors.model import Product, Sale

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
