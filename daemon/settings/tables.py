"""The tables of the configuration, each with its settings, their types and their defaults."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, create_model

from connectors.settings import Secret, Text, wrong
from daemon.core.flow_registry import FLOWS

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise wrong("is not a name", "at most 40 of a-z, 0-9 and - (it stands in file names, metrics and logs)")
    return value


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
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


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
