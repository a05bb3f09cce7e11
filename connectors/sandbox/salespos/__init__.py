"""CCV SalesPOS as a server on loopback: the CCV Shop REST API with a till's resources, written from the public references alone."""

from connectors.sandbox.salespos.app import TillSandbox
from connectors.sandbox.salespos.ledger import TillLedger
from connectors.sandbox.salespos.switches import TillSwitches

__all__ = ["TillLedger", "TillSandbox", "TillSwitches"]
