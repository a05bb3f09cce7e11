"""The wire's field names and types (reference: the field lists), what a field is when nothing is known of it, and what a body may hold."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from connectors.sandbox.salespos.wire import invalid

#: model -> field -> type; a type that ends in ``?`` may be null or left out
MODELS: Final[dict[str, dict[str, str]]] = json.loads(resources.files(__package__).joinpath("fields.json").read_text("utf-8"))
_BLANK: Final[dict[str, Any]] = {"string": "", "int": 0, "float": 0, "bool": False, "array": [], "object": None}
_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "int": (int,),
    "float": (int, Decimal),
    "bool": (bool,),
    "array": (list,),
    "object": (dict,),
}


def blank(model: str, *, empty_strings: bool = True) -> dict[str, Any]:
    """Return every field of ``model`` with what stands for "nothing known": zero, false, an empty text, or null where it may be."""

    def nothing(kind: str) -> Any:
        if kind == "string?" and empty_strings:
            return ""
        return None if kind.endswith("?") else _BLANK[kind]

    return {name: nothing(kind) for name, kind in MODELS[model].items()}


def check(model: str, body: dict[str, Any], required: tuple[str, ...] = ()) -> None:
    """Refuse a body with unknown fields, wrong types, or ``required`` fields missing.

    Raises:
        Refused: 400, naming everything that is wrong.
    """
    known = MODELS[model]
    found = [f"{name} is required" for name in required if name not in body]
    for name, value in body.items():
        if name not in known:
            found.append(f"{name} is not a property of {model}")
            continue
        kind = known[name].rstrip("?")
        if not isinstance(value, _PYTHON[kind]) or (kind != "bool" and isinstance(value, bool)):
            found.append(f"{name} is not of type {kind}")
    if found:
        raise invalid("; ".join(found))
