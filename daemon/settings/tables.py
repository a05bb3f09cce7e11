"""The tables of the configuration, each with its settings, their types and their defaults."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from daemon.settings.problems import wrong

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise wrong("is not a name", "at most 40 of a-z, 0-9 and - (it stands in file names, metrics and logs)")
    return value


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


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:  # noqa: PLR2004 (the highest port there is)
        raise wrong("is not an address to listen on", 'host:port, like "127.0.0.1:9464"')
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong("is not a time zone", 'a name of the time zone database, like "Europe/Amsterdam"') from None
    return value


def _moment(value: object) -> object:
    if isinstance(value, int | float | Decimal):  # pydantic would take it for seconds since 1970
        raise wrong("is a number", "a moment with its offset, like 2026-01-31T09:00:00+01:00")
    return value


Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_address)]
Text = Annotated[str, Field(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Limit = Annotated[int, Field(ge=0)]


class _Table(BaseModel):
    """A table of the file: immutable, and a key it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DaemonSettings(_Table):
    """``[daemon]``: the process itself."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:9464"
    state_dir: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    #: of what people read; the log speaks in codes
    language: Literal["en", "nl"] = "en"
    contact: Text | None = None
    shutdown_seconds: Seconds = 4
    workers: Annotated[int, Field(ge=1, le=100)] = 8
    #: more than the days that are read again, or what was just forgotten would come back as new
    retention_days: Annotated[int, Field(ge=30)] = 400
    activity_days: Annotated[int, Field(ge=1)] = 400

    @property
    def listen_on(self) -> tuple[str, int]:
        """Host and port of ``listen``."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class EAccountingSettings(_Table):
    """``[connections.NAME]`` with ``kind = "eaccounting"``: one company's books.  Addresses: reference, eaccounting.md."""

    kind: Literal["eaccounting"]
    api: Address = "https://eaccountingapi.vismaonline.com/v2"
    identity: Address = "https://identity.vismaonline.com"
    redirect_uri: Annotated[str, AfterValidator(_redirect)] = "http://localhost:44300/callback"
    client_id: Text
    client_secret: Secret
    client_secret_file: Path | None = None
    refresh_token: Secret | None = None
    refresh_token_file: Path | None = None
    access_token: Secret | None = None
    access_token_file: Path | None = None
    requests_per_minute: Limit = 600
    in_flight: Annotated[int, Field(ge=1, le=100)] = 20


class SalesPosSettings(_Table):
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
    in_flight: Annotated[int, Field(ge=1, le=100)] = 20
    vat_tariffs: dict[str, Annotated[Decimal, Field(ge=0, le=100)]] = Field(
        default_factory=lambda: {
            "normal": Decimal(21),
            "low a": Decimal(9),
            "low b": Decimal(9),
            "extra low": Decimal(9),
            "zero": Decimal(0),
        },
    )
    package_id: int | None = None
    voucher_pattern: Text = "gift_*"
    check_response_hash: bool = True


ConnectionSettings = Annotated[EAccountingSettings | SalesPosSettings, Field(discriminator="kind")]


class ProductsSettings(_Table):
    """``[links.NAME.flows.products]``: articles of the books become products of the till."""

    enabled: bool = True
    interval: Seconds = 60


class StockSettings(_Table):
    """``[links.NAME.flows.stock]``: the stock of the books is shown in the till."""

    enabled: bool = True
    interval: Seconds = 60


class SalesSettings(_Table):
    """``[links.NAME.flows.sales]``: receipts of the till are booked."""

    enabled: bool = True
    interval: Seconds = 5


FlowSettings = ProductsSettings | StockSettings | SalesSettings


class FlowsSettings(_Table):
    """``[links.NAME.flows]``: which flows run, and how often they look."""

    products: ProductsSettings = ProductsSettings()
    stock: StockSettings = StockSettings()
    sales: SalesSettings = SalesSettings()

    def by_name(self) -> dict[str, FlowSettings]:
        """The flows by their names."""
        return {"products": self.products, "stock": self.stock, "sales": self.sales}


class BookingSettings(_Table):
    """``[links.NAME.booking]``: how a receipt is booked."""

    default_debtor: Text = "1000"
    rounding_cap: Annotated[Decimal, Field(ge=0, le=1, decimal_places=2)] = Decimal("0.05")
    zero_receipts: Literal["book", "skip"] = "book"
    terms_of_payment: Text | None = None
    reference_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,8}$")] = "KB"
    index_lag_seconds: Annotated[float, Field(ge=0, le=3600)] = 5
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 8


class SaleSettings(_Table):
    """``[links.NAME.sales]``: what a sale becomes in the books, and what follows when it is changed in the till after that."""

    document: Literal["invoice", "draft"] = "invoice"
    after_booking: Literal["correct", "ask"] = "correct"


class BrakeSettings(_Table):
    """``[links.NAME.brake]``: a run that would change more than ``share`` of all records, and ``minimum`` of them, stops and asks."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.2
    minimum: Annotated[int, Field(ge=0)] = 10


class LinkSettings(_Table):
    """``[links.NAME]``: one company's books with the tills that belong to it."""

    books: Name
    tills: Annotated[list[Name], Field(min_length=1)]
    start: Annotated[AwareDatetime | None, BeforeValidator(_moment)] = None
    mapping: Path | None = None
    time_zone: Annotated[str, AfterValidator(_zone)] = "Europe/Amsterdam"
    flows: FlowsSettings = FlowsSettings()
    booking: BookingSettings = BookingSettings()
    sales: SaleSettings = SaleSettings()
    payment_methods: dict[str, Text] = Field(default_factory=dict)
    brake: BrakeSettings = BrakeSettings()


class AlertsSettings(_Table):
    """``[alerts]``: who is told, and when."""

    urls: list[Secret] = Field(default_factory=list)
    urls_file: Path | None = None
    repeat_hours: Annotated[float, Field(gt=0)] = 24
    failing_runs: Annotated[int, Field(ge=1)] = 3
    failing_minutes: Annotated[float, Field(ge=0)] = 15


def _secrets(model: type[BaseModel]) -> dict[str, bool]:
    names = [name.removesuffix("_file") for name in model.model_fields if name.endswith("_file")]
    return {name: model.model_fields[name].is_required() for name in names}


#: the secrets of each kind of connection, and whether it cannot work without
SECRETS = {"eaccounting": _secrets(EAccountingSettings), "salespos": _secrets(SalesPosSettings)}
