"""The settings of a connection to a till."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path  # noqa: TC003 - pydantic reads these annotations at run time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from connectors.settings import Address, ConnectionSettings, InFlight, Limit, Secret, Text

if TYPE_CHECKING:
    from collections.abc import Mapping


class SalesPosSettings(ConnectionSettings):
    """``[connections.NAME]`` with ``kind = "salespos"``: one till.  Limits a minute: reference, salespos.md."""

    kind: Literal["salespos"]
    api: Address
    public_key: Secret
    public_key_file: Path | None = None
    secret_key: Secret
    secret_key_file: Path | None = None
    reads_per_minute: Limit = 150
    writes_per_minute: Limit = 100
    queries_per_minute: Limit = 30
    in_flight: InFlight = 20
    vat_tariffs: dict[str, Annotated[Decimal, Field(ge=0, le=100)]] = Field(
        default_factory=lambda: {
            "normal": Decimal(21),
            "low a": Decimal(9),
            "low b": Decimal(9),
            "extra low": Decimal(9),
            "zero": Decimal(0),
        },
    )
    package_id: Annotated[int | None, Field(ge=0, lt=2**31)] = None
    voucher_pattern: Text = "gift_*"
    check_response_hash: bool = True

    @property
    def place(self) -> str:
        """The address of the API."""
        return self.api

    @property
    def rates(self) -> Mapping[str, Decimal]:
        """The till's tariffs."""
        return self.vat_tariffs
