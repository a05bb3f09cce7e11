"""The tables of the configuration, each with its settings, their types and their defaults."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, create_model, field_validator

from connectors.settings import LONGEST, Text, wrong
from daemon.core.flow_registry import FLOWS

if TYPE_CHECKING:
    from datetime import datetime
    from ipaddress import IPv4Address, IPv6Address

    from pydantic import ValidationInfo

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT: Final = 65535
#: the years in which a shop can have begun to book; far from where reckoning with time ends
_YEARS: Final = range(1990, 2101)
_DAY: Final = 86_400


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise wrong("is not a name", "at most 40 of a-z, 0-9 and - (it stands in file names, metrics and logs)")
    return value


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not (_HOST.fullmatch(host) or _address(host) is not None) or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise wrong("is not an address to listen on", f'host:port, like "127.0.0.1:9464", with a port up to {_HIGHEST_PORT}')
    return value


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that is written there, IPv6 with or without its brackets; nothing for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise wrong("is not the name of a host", 'a name without port and path, like "till.shop.example"')
    return value.lower()


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


def _year(value: datetime | None) -> datetime | None:
    if value is not None and value.year not in _YEARS:
        raise wrong(f"is in the year {value.year}", f"a year from {_YEARS[0]} to {_YEARS[-1]}")
    return value


Name = Annotated[str, AfterValidator(_name)]
#: how often something is done; more often than ten times a second, or less often than once in thirty days, nobody means
Seconds = Annotated[float, Field(ge=0.1, le=30 * _DAY, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=1, le=36_500)]


class _Table(BaseModel):
    """A table of the file: immutable, and a key it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DaemonSettings(_Table):
    """``[daemon]``: the process itself."""

    #: whether ``listen`` may be an address that other machines reach; there is no sign-in
    exposed: bool = False
    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:9464"
    #: names under which the page is asked for, besides addresses and this machine's own
    hosts: Annotated[list[Annotated[str, AfterValidator(_host)]], Field(max_length=100)] = Field(default_factory=list)
    state_dir: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    #: of what people read; the log speaks in codes
    language: Literal["en", "nl"] = "en"
    contact: Text | None = None
    shutdown_seconds: Annotated[Seconds, Field(le=3600)] = 4
    workers: Annotated[int, Field(ge=1, le=100)] = 8
    #: more than the days that are read again, or what was just forgotten would come back as new
    retention_days: Annotated[Days, Field(ge=30)] = 400
    activity_days: Days = 400

    @property
    def listen_on(self) -> tuple[str, int]:
        """Host and port of ``listen``."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def answers_to(self) -> frozenset[str]:
        """The names under which the page may be asked for."""
        return frozenset({*self.hosts, self.listen_on[0].lower()})

    @field_validator("listen")
    @classmethod
    def _said(cls, value: str, info: ValidationInfo) -> str:
        """What other machines reach is said, not slipped into."""
        host = value.rpartition(":")[0]
        address = _address(host)
        local = host.lower() == "localhost" if address is None else address.is_loopback
        if not local and not info.data.get("exposed"):
            expected = "a loopback address, or exposed = true beside it: there is no sign-in, whoever reaches it sees everything"
            raise wrong("can be reached from other machines", expected)
        return value


class FlowSettings(_Table):
    """``[links.NAME.flows.FLOW]``: whether a flow runs, and how often it looks."""

    enabled: bool = True
    interval: Seconds


class FlowTables(_Table):
    """``[links.NAME.flows]``: a table for each flow of the registry."""

    def by_name(self) -> dict[str, FlowSettings]:
        """The flows by their names."""
        return {flow.name: getattr(self, flow.name) for flow in FLOWS}


def _flow_settings(name: str, interval: float) -> type[FlowSettings]:
    return create_model(f"{name.title()}Settings", __base__=FlowSettings, interval=(Seconds, interval))


if TYPE_CHECKING:
    FlowsSettings = FlowTables
else:  # the fields are the registry's
    _MODELS = {flow.name: _flow_settings(flow.name, flow.interval) for flow in FLOWS}
    FlowsSettings = create_model("FlowsSettings", __base__=FlowTables, **{name: (model, model()) for name, model in _MODELS.items()})


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
    minimum: Annotated[int, Field(ge=0, le=1_000_000)] = 10


class LinkSettings(_Table):
    """``[links.NAME]``: one company's books with the tills that belong to it."""

    books: Name
    tills: Annotated[list[Name], Field(min_length=1, max_length=100)]
    start: Annotated[AwareDatetime | None, BeforeValidator(_moment), AfterValidator(_year)] = None
    mapping: Path | None = None
    time_zone: Annotated[str, AfterValidator(_zone)] = "Europe/Amsterdam"
    flows: FlowsSettings = FlowsSettings()
    booking: BookingSettings = BookingSettings()
    sales: SaleSettings = SaleSettings()
    payment_methods: dict[str, Text] = Field(default_factory=dict)
    brake: BrakeSettings = BrakeSettings()


class AlertsSettings(_Table):
    """``[alerts]``: who is told, and when."""

    urls: Annotated[list[Annotated[SecretStr, Field(min_length=1, max_length=LONGEST)]], Field(max_length=100)] = Field(
        default_factory=list
    )
    urls_file: Path | None = None
    repeat_hours: Annotated[float, Field(gt=0, le=8_760, allow_inf_nan=False)] = 24
    failing_runs: Annotated[int, Field(ge=1, le=1_000)] = 3
    failing_minutes: Annotated[float, Field(ge=0, le=10_080, allow_inf_nan=False)] = 15
