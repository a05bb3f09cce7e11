"""Visma eAccounting as a server on loopback, written from the vendor's published document and the notes beside it."""

from connectors.sandbox.eaccounting.ledger import BooksLedger, LedgerDocument
from connectors.sandbox.eaccounting.sandbox import BooksSandbox, fault_error
from connectors.sandbox.eaccounting.switches import BooksSwitches

__all__ = ["BooksLedger", "BooksSandbox", "BooksSwitches", "LedgerDocument", "fault_error"]
