"""The watch on blocking calls, without the one dependency of it that is published as source only.

blockbuster changes methods of built-in types through `forbiddenfruit`, which has no wheel: installing it would run a build with tools that
no hash guards.  What blockbuster needs of it is one function; pyproject.toml leaves the package out, and this module stands in for it.
Import blockbuster from here, never directly.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from types import ModuleType


def curse(owner: type, name: str, value: object) -> None:
    """Set an attribute of a type that refuses `setattr`.

    CPython shows the attributes of a type behind a read-only proxy; the proxy's one referent is the dictionary itself.
    The interpreter caches look-ups by type, so it is told that this type changed.
    """
    (attributes,) = gc.get_referents(owner.__dict__)
    attributes[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


_STAND_IN = ModuleType("forbiddenfruit", "Only what blockbuster calls.")
vars(_STAND_IN)["curse"] = curse
sys.modules["forbiddenfruit"] = _STAND_IN

from blockbuster import BlockBuster, BlockingError, blockbuster_ctx  # noqa: E402 - only now does it find its dependency

__all__ = ["BlockBuster", "BlockingError", "blockbuster_ctx", "curse"]
