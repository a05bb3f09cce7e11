"""A third connector, as somebody else would write one: a folder of CSV files as a till.  Nothing in the daemon knows of it.

``sales/<day>.csv`` holds the lines of the receipts of a day, ``products.csv`` what the till sells, which is written here.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads these annotations at run time
from typing import TYPE_CHECKING, Literal

from connectors.model import Kind
from connectors.offer import Connector
from connectors.settings import ConnectionSettings
from tests.csvtill.till import CsvTill

if TYPE_CHECKING:
    from connectors.offer import Opening


class CsvTillSettings(ConnectionSettings):
    """``[connections.NAME]`` with ``kind = "csv"``."""

    kind: Literal["csv"]
    folder: Path
    currency: str = "EUR"

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)


def _open(own: CsvTillSettings, opening: Opening) -> CsvTill:
    return CsvTill(own.folder, own.currency, opening)


CONNECTOR = Connector(
    settings=CsvTillSettings,
    source=frozenset({Kind.CUSTOMERS, Kind.SALES}),
    target=frozenset({Kind.PRODUCTS, Kind.STOCK}),
    open_till=_open,
)
