"""The natural key of a product."""

from __future__ import annotations


def sku_key(sku: str) -> str:
    """Return the form in which SKUs are compared: ``85123A`` and ``85123a`` are one article, keyed in twice by a person."""
    return sku.strip().casefold()
