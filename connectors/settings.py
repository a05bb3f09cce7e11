"""What the settings of a connection are made of: the table that every connector extends, and the types of its fields."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

#: characters of an address
LONGEST = 2_000
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_NO_RATES: Mapping[str, Decimal] = MappingProxyType({})


def wrong(what: str, expected: str) -> PydanticCustomError:
    """Return the error for a validator to raise; pydantic adds the place."""
    return PydanticCustomError("configuration", "{what}", {"what": what, "expected": expected})


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        raise wrong("is not an address", "https://host/path without a user name or a query") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise wrong("is not an address", "https://host/path without a user name or a query")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname):
        raise wrong("would send secrets unencrypted", "https:// (http:// only on this machine)")
    return value.rstrip("/")


def _redirect(value: str) -> str:
    _address(value)
    return value  # as it was registered, to the last slash


def _sendable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise wrong("has a sign in it that cannot be sent", "letters, digits and signs of ASCII, on one line")
    return value


Address = Annotated[str, Field(max_length=LONGEST), AfterValidator(_address)]
#: where a browser comes back to after a sign-in
Redirect = Annotated[str, Field(max_length=LONGEST), AfterValidator(_redirect)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
#: what goes into a request as it is
Secret = Annotated[SecretStr, Field(min_length=1, max_length=8_000), AfterValidator(_sendable)]
#: requests a minute; 0 is no limit
Limit = Annotated[int, Field(ge=0, le=1_000_000)]
InFlight = Annotated[int, Field(ge=1, le=100)]


def reveal(secret: SecretStr | None) -> str:
    """Return a secret as it is to be sent, empty where there is none."""
    return "" if secret is None else secret.get_secret_value()


class ConnectionSettings(BaseModel):
    """``[connections.NAME]``: one connection.  A connector's own table narrows ``kind`` to the ``Literal`` of its name.

    A field ``X_file`` beside ``X`` says that ``X`` is a secret: it may be given in that file, or as a credential of systemd's.  A field
    of type :class:`~pathlib.Path` is relative to the folder of the configuration.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    @property
    def place(self) -> str:
        """Where the other side is, as a person is told: an address or a folder."""
        return ""

    @property
    def rates(self) -> Mapping[str, Decimal]:
        """The VAT percentages that its records can have, by the names of the other side; empty where it does not say."""
        return _NO_RATES
