"""CCV SalesPOS: the till, spoken to over the CCV Shop REST API v1."""

from connectors.salespos.connector import SalesPos, SalesPosConfig
from connectors.salespos.offer import CONNECTOR
from connectors.salespos.settings import SalesPosSettings

__all__ = ["CONNECTOR", "SalesPos", "SalesPosConfig", "SalesPosSettings"]
