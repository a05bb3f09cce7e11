"""The settings of a connection to a company's books."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads these annotations at run time
from typing import Literal

from connectors.settings import Address, ConnectionSettings, InFlight, Limit, Redirect, Secret, Text


class EAccountingSettings(ConnectionSettings):
    """``[connections.NAME]`` with ``kind = "eaccounting"``: one company's books.  Addresses: reference, eaccounting.md."""

    kind: Literal["eaccounting"]
    api: Address = "https://eaccountingapi.vismaonline.com/v2"
    identity: Address = "https://identity.vismaonline.com"
    redirect_uri: Redirect = "http://localhost:44300/callback"
    client_id: Text
    client_secret: Secret
    client_secret_file: Path | None = None
    refresh_token: Secret | None = None
    refresh_token_file: Path | None = None
    access_token: Secret | None = None
    access_token_file: Path | None = None
    requests_per_minute: Limit = 600
    in_flight: InFlight = 20

    @property
    def place(self) -> str:
        """The address of the API."""
        return self.api
