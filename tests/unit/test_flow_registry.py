"""One registry of flows: what is known of a flow before it is built stands there, and nobody has a list of his own."""

from __future__ import annotations

import re
import tokenize
from typing import TYPE_CHECKING

import pytest

from connectors.registry import CONNECTORS
from daemon.core.flow_registry import FLOWS, KINDS, NAMES, TURNS, Side, wanted_of
from daemon.flows.products import Products
from daemon.flows.sales import Sales
from daemon.flows.stock import Stock
from daemon.settings import FlowsSettings
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

#: whose own names these are
REGISTRY = "daemon/core/flow_registry.py"
#: sentences about particular flows, not a list of them
SENTENCES = "daemon/core/findings.py"
#: a quoted name followed by another: a list, however it is broken into lines
LISTED = re.compile(rf"""["']({"|".join(KINDS)})["']\s*[:,]\s*["']({"|".join(KINDS)})["']""")
SOURCES = sorted((REPOSITORY / "daemon").rglob("*.py"))


def code(source: Path) -> str:
    """Return a source without its comments and docstrings' line breaks: its tokens, each followed by a blank."""
    with source.open("rb") as file:
        return " ".join(token.string for token in tokenize.tokenize(file.readline) if token.type not in {tokenize.COMMENT, tokenize.NL})


def test_nobody_else_lists_the_flows() -> None:
    """A flow that is added would be missing in such a list."""
    names = {source: source.relative_to(REPOSITORY).as_posix() for source in SOURCES}
    assert len(names) > 80
    found = {name: LISTED.findall(code(source)) for source, name in names.items() if name not in {REGISTRY, SENTENCES}}
    assert {name: lists for name, lists in found.items() if lists} == {}
    assert LISTED.findall(code(REPOSITORY / "tests" / "unit" / "test_flow_registry.py"))  # it does find what it looks for


def test_every_flow_of_the_registry_is_built() -> None:
    """Under its name."""
    assert {Products.name, Stock.name, Sales.name} == set(NAMES)


def test_the_settings_have_a_table_for_every_flow() -> None:
    """On, and as often as the registry says."""
    tables = FlowsSettings().by_name()
    assert {name: (own.enabled, own.interval) for name, own in tables.items()} == {one.name: (True, one.interval) for one in FLOWS}


def test_receipts_come_first_and_stock_last() -> None:
    """The stock that a new product starts with is the one after the receipts; what is shown keeps the order that others rely on."""
    assert TURNS == ("sales", "products", "stock")
    assert KINDS == ("products", "stock", "customers", "sales")


@pytest.mark.parametrize("kind", CONNECTORS)
def test_each_shipped_connector_offers_all_that_the_flows_want_of_its_side(kind: str) -> None:
    """With all flows on, as they are by default, the two fit together."""
    connector = CONNECTORS[kind]
    side = Side.BOOKS if connector.open_books is not None else Side.TILL
    assert (connector.source, connector.target) == wanted_of(side, NAMES)
