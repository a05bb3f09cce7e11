"""Visma eAccounting: sign-in, client, wire models, and translation to and from the shop's vocabulary."""

from connectors.eaccounting.config import EAccountingConfig
from connectors.eaccounting.connector import EAccounting
from connectors.eaccounting.offer import CONNECTOR
from connectors.eaccounting.settings import EAccountingSettings

__all__ = ["CONNECTOR", "EAccounting", "EAccountingConfig", "EAccountingSettings"]
