"""Visma eAccounting as a server on loopback, written from the vendor's published document and the notes beside it."""

from connectors.sandbox.eaccounting.bookkeeper import Bookkeeper
from connectors.sandbox.eaccounting.documents import DocumentState
from connectors.sandbox.eaccounting.errors import Refusal
from connectors.sandbox.eaccounting.ledger import BooksLedger, LedgerDocument
from connectors.sandbox.eaccounting.sandbox import BooksSandbox, fault_error
from connectors.sandbox.eaccounting.switches import BooksSwitches

__all__ = ["Bookkeeper", "BooksLedger", "BooksSandbox", "BooksSwitches", "DocumentState", "LedgerDocument", "Refusal", "fault_error"]
