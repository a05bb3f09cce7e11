"""The connectors that there are: every folder beside this file that offers one.

A folder is added and nothing else changes.  :data:`CONNECTORS` is what all others read; one that lives elsewhere is put in there.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

import connectors
from connectors.offer import Connector

if TYPE_CHECKING:
    from collections.abc import Iterator


def _offered() -> Iterator[Connector]:
    for found in pkgutil.iter_modules(connectors.__path__, "connectors."):
        if found.ispkg and isinstance(offer := getattr(import_module(found.name), "CONNECTOR", None), Connector):
            yield offer


#: by their kind
CONNECTORS: dict[str, Connector] = {one.kind: one for one in _offered()}
