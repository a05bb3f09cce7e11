"""What every test shares."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.blocking import Watch, watched
from tests.contract.counts import pytest_terminal_summary  # noqa: F401 - pytest calls it: what the contracts covered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

REPOSITORY = Path(__file__).resolve().parent.parent
RETAIL = REPOSITORY.parent / "shared" / "data" / "retail"

if find_spec("sniffio") is None:
    # the transport into an ASGI application asks for it at every request, and Python remembers only what it has found
    sys.modules["sniffio"] = cast("ModuleType", None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, what starts processes and the year of receipts, in an order of chance as all others.

    A long one that is begun last is waited for by a processor that has nothing else to do.
    """
    items.sort(key=lambda item: all(item.get_closest_marker(name) is None for name in ("system", "timeout")))


@pytest.fixture
def anyio_backend() -> str:
    """The stack is anyio on asyncio."""
    return "asyncio"


#: what may block inside the loop, knowingly: the store where time is virtual, and reading the configuration before anything else goes on
MAY_BLOCK = frozenset({("daemon/state/runner.py", "in_the_loop"), ("daemon/settings/loading.py", "load"), ("daemon/app.py", "assemble")})


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[Watch]:
    """A blocking call inside the event loop fails the test that made it."""
    with watched(MAY_BLOCK) as watch:
        yield watch
