"""What this folder offers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.model import Kind
from connectors.offer import Connector, SchemaCheck
from connectors.salespos import contract
from connectors.salespos.connector import SalesPos, SalesPosConfig
from connectors.salespos.settings import SalesPosSettings
from connectors.settings import reveal

if TYPE_CHECKING:
    from connectors.offer import Opening


def _open(own: SalesPosSettings, opening: Opening) -> SalesPos:
    config = SalesPosConfig(
        name=opening.name,
        api=own.api,
        public_key=reveal(own.public_key),
        secret_key=reveal(own.secret_key),
        reads_per_minute=own.reads_per_minute,
        writes_per_minute=own.writes_per_minute,
        queries_per_minute=own.queries_per_minute,
        in_flight=own.in_flight,
        user_agent=opening.user_agent,
        vat_tariffs=own.vat_tariffs,
        package_id=own.package_id,
        voucher_pattern=own.voucher_pattern,
        check_response_hash=own.check_response_hash,
    )
    return SalesPos(config, clock=opening.clock, observer=opening.observer, gate=opening.gate, transport=opening.transport)


def _published_at(_: SalesPosSettings) -> str:
    """The demonstration shop of the till's platform publishes for all."""
    return contract.HOST


def _is_host(address: str) -> bool:
    return not urlsplit(address).path.endswith(".json")


CONNECTOR = Connector(
    settings=SalesPosSettings,
    source=frozenset({Kind.CUSTOMERS, Kind.SALES}),
    target=frozenset({Kind.PRODUCTS, Kind.STOCK}),
    open_till=_open,
    schema=SchemaCheck(_published_at, _is_host, contract.differences),
)
