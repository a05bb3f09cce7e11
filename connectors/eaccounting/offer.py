"""What this folder offers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.eaccounting import authorize, contract
from connectors.eaccounting.config import EAccountingConfig
from connectors.eaccounting.connector import EAccounting
from connectors.eaccounting.settings import EAccountingSettings
from connectors.model import Kind
from connectors.offer import Connector, SchemaCheck, SignIn
from connectors.settings import reveal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.http import HttpClient
    from connectors.model import Difference
    from connectors.offer import Opening


def _open(own: EAccountingSettings, opening: Opening) -> EAccounting:
    config = EAccountingConfig(
        name=opening.name,
        api=own.api,
        identity=own.identity,
        client_id=own.client_id,
        client_secret=reveal(own.client_secret),
        refresh_token=reveal(own.refresh_token),
        access_token=reveal(own.access_token),
        requests_per_minute=own.requests_per_minute,
        in_flight=own.in_flight,
        user_agent=opening.user_agent,
        terms_of_payment=opening.terms_of_payment,
    )
    return EAccounting(
        config,
        clock=opening.clock,
        tokens=opening.tokens,
        observer=opening.observer,
        gate=opening.gate,
        transport=opening.transport,
    )


def _redirect_uri(own: EAccountingSettings) -> str:
    return own.redirect_uri


def _begin(own: EAccountingSettings, redirect_uri: str) -> authorize.Attempt:
    return authorize.begin(authorize.Application(own.identity, own.client_id, reveal(own.client_secret)), redirect_uri)


def _published_at(own: EAccountingSettings) -> str:
    """The API's own host publishes the document."""
    parts = urlsplit(own.api)
    return f"{parts.scheme}://{parts.netloc}{contract.PATH}"


def _is_document(address: str) -> bool:
    return urlsplit(address).path.endswith(".json")


async def _differences(http: HttpClient, address: str) -> Sequence[Difference]:
    return contract.differences(await contract.fetch(http, address))


CONNECTOR = Connector(
    settings=EAccountingSettings,
    source=frozenset({Kind.PRODUCTS, Kind.STOCK}),
    target=frozenset({Kind.CUSTOMERS, Kind.SALES}),
    open_books=_open,
    sign_in=SignIn(_redirect_uri, _begin),
    schema=SchemaCheck(_published_at, _is_document, _differences),
)
