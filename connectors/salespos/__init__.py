"""CCV SalesPOS: the till, spoken to over the CCV Shop REST API v1."""

from connectors.salespos.connector import SalesPos, SalesPosConfig

__all__ = ["SalesPos", "SalesPosConfig"]
