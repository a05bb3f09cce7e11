"""CCV SalesPOS as a server on loopback: the CCV Shop REST API with a till's resources, written from the public references alone."""

from connectors.sandbox.salespos.app import TillSandbox
from connectors.sandbox.salespos.cashier import Cashier
from connectors.sandbox.salespos.ledger import ReceiptState, TillLedger
from connectors.sandbox.salespos.switches import TillSwitches

__all__ = ["Cashier", "ReceiptState", "TillLedger", "TillSandbox", "TillSwitches"]
