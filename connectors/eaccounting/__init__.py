"""Visma eAccounting: sign-in, client, wire models, and translation to and from the shop's vocabulary."""

from connectors.eaccounting.config import EAccountingConfig
from connectors.eaccounting.connector import EAccounting

__all__ = ["EAccounting", "EAccountingConfig"]
