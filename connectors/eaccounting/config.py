"""What a connection to one eAccounting company needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: longest text of each field that can carry the natural key of a document (reference: CustomerInvoiceApi, CustomerInvoiceDraftApi)
REFERENCE_LENGTHS: Final = {"YourReference": 100, "OurReference": 100, "BuyersOrderReference": 35}


@dataclass(frozen=True, slots=True)
class EAccountingConfig:
    """One connection.

    ``api`` is the address including ``/v2``, ``identity`` that of the identity server.  The tokens given here count only until the
    token store holds some.  ``requests_per_minute`` is for each address, 0 is no limit.  ``reference_field`` carries the natural key of
    a document.  ``terms_of_payment`` names the terms of new customers; ``None`` takes the first cash terms that sales may use.
    """

    name: str
    api: str
    identity: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    requests_per_minute: int = 600
    in_flight: int = 20
    user_agent: str = "Kassabrug"
    reference_field: str = "YourReference"
    register_life_seconds: float = 900.0
    terms_of_payment: str | None = None

    def __post_init__(self) -> None:
        """Refuse a reference field that no document has."""
        if self.reference_field not in REFERENCE_LENGTHS:
            raise ValueError(f"reference_field: {self.reference_field!r} is none of {', '.join(REFERENCE_LENGTHS)}")
