"""What a folder may offer as a connector."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.eaccounting import CONNECTOR as BOOKS
from connectors.offer import Connector
from connectors.registry import CONNECTORS
from connectors.salespos import CONNECTOR as TILL
from connectors.settings import ConnectionSettings


def test_a_connector_is_known_by_the_name_in_its_settings() -> None:
    """It stands in one place: the registry, the configuration and the metrics take it from there."""
    assert CONNECTORS == {"eaccounting": BOOKS, "salespos": TILL}


def test_settings_without_a_name_of_their_own_are_refused() -> None:
    """Any text as kind would make every connection one of these."""
    with pytest.raises(TypeError, match="kind must be a Literal of one name"):
        Connector(settings=ConnectionSettings, source=frozenset(), target=frozenset())


def test_only_books_are_signed_in_to() -> None:
    """``login`` shows whose books were signed in to; a till that asks for that is a mistake in its folder."""
    with pytest.raises(TypeError, match="salespos: only books are signed in to"):
        replace(TILL, sign_in=BOOKS.sign_in)
