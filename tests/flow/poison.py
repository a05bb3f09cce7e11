"""Poison: records of a vendor that make no sense, put into pages that are otherwise as the vendor wrote them.

What is read of each kind plays a part (the moment, a figure, the id, the whole record); a poison is what stands there instead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.fuzz.mutate import Raw, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["receipts", "lines", "articles"]
Part = Literal["moment", "figure", "id", "whole"]

#: the field that plays a part in each kind; a line has no moment and no id that anything depends on
FIELDS: Final[dict[Kind, dict[Part, str]]] = {
    "receipts": {"moment": "create_date", "figure": "total_price", "id": "id"},
    "lines": {"figure": "count"},
    "articles": {"moment": "ChangedUtc", "figure": "GrossPrice", "id": "Id"},
}
_DEEP: Final = 3_000


@dataclass(frozen=True, slots=True)
class Poison:
    """What stands in the place of a part of a record."""

    name: str
    part: Part
    value: Any


def _poisons(part: Part, *values: tuple[str, Any]) -> tuple[Poison, ...]:
    return tuple(Poison(f"{part} {name}", part, value) for name, value in values)


_NOT_A_VALUE: Final[tuple[tuple[str, Any], ...]] = (
    ("missing", None),
    ("list", []),
    ("nested list", [[]]),
    ("object", {"a": 1}),
    ("true", True),
    ("lone surrogate", Raw('"\\ud800"')),
    ("very long", "9" * 30_000),
    ("deep", Raw('{"a":' * _DEEP + "1" + "}" * _DEEP)),
    ("exponent beyond", Raw("1e99999999999999999999")),
    ("huge number", Raw("1e10000000")),
    ("digits", Raw("9" * 5000)),
    ("NaN", Raw("NaN")),
    ("infinite", Raw("-Infinity")),
)
POISONS: Final = (
    *_poisons("moment", *_NOT_A_VALUE),
    *_poisons(
        "moment",
        ("year 1", "0001-01-01T00:00:00+14:00"),
        ("year 1 bare", "0001-01-01"),
        ("1970", "1970-01-01T00:00:00Z"),
        ("no such day", "2026-02-30T10:00:00Z"),
        ("word", "yesterday"),
        ("digits of a day", Raw("20260316")),
        ("seconds", Raw("1773655200")),
        ("zone of a day", "2026-03-16T10:00:00+99:99"),
        ("NUL", "2026-03-16\x00T10:00:00"),
    ),
    *_poisons("figure", *_NOT_A_VALUE),
    *_poisons(
        "figure",
        ("word", "ten"),
        ("underscore", "4_95"),
        ("comma", "4,95"),
        ("text inf", "inf"),
        ("text NaN", "nan"),
        ("hex", "0x10"),
        ("other digits", "\u0664"),
        ("absurd", Raw("1e20")),
        ("absurdly negative", Raw("-1e20")),
        ("escape", "\x1b[31m9"),
        ("markup", "[/bold]9[red]"),
        ("two numbers", "4.95 4.95"),
        ("spread", "4 .95"),
    ),
    *_poisons(
        "whole",
        ("null", None),
        ("number", Raw("7")),
        ("text", "receipt"),
        ("markup", "[/Rows/0/ArticleId]"),
        ("empty", {}),
        ("list", []),
        ("true", True),
        ("deep", Raw("[" * _DEEP + "]" * _DEEP)),
        ("only words", {"a": "\x1b]0;x\x07", "[b]": "<script>"}),
    ),
    *_poisons(
        "id",
        ("missing", None),
        ("empty", ""),
        ("list", []),
        ("object", {"a": 1}),
        ("true", True),
        ("NUL", "a\x00b"),
        ("lone surrogate", Raw('"\\ud800"')),
        ("very long", "9" * 30_000),
        ("fraction", Raw("1.5")),
        ("huge number", Raw("1e10000000")),
        ("escape", "\x1b[2J"),
    ),
)


@dataclass(slots=True)
class Poisoner:
    """Stands before a vendor and poisons what it answers of the ``victims``: ids of receipts or articles, or (receipt, row)."""

    app: ASGIApp
    #: gives an answer that was changed the vendor's signature
    seal: Callable[[Scope, bytes], list[tuple[bytes, bytes]]] | None = None
    kind: Kind = "receipts"
    poison: Poison | None = None
    victims: set[Any] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if self.poison is None or scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)

        await self.app(scope, receive, keep)
        begin, body = said[0], b"".join(message.get("body", b"") for message in said[1:])
        if begin["status"] == 200:
            changed = self._changed(str(scope["path"]), body)
            if changed != body:
                headers = [one for one in begin["headers"] if one[0].lower() not in {b"content-length", b"date", b"x-date", b"x-hash"}]
                headers += [(b"content-length", str(len(changed)).encode()), *(self.seal(scope, changed) if self.seal else ())]
                begin, body = {**begin, "headers": headers}, changed
        await send(begin)
        await send({"type": "http.response.body", "body": body})

    def _changed(self, path: str, body: bytes) -> bytes:
        place = [part for part in path.split("/") if part]
        document = json.loads(body, parse_float=Raw, parse_int=Raw)
        if not isinstance(document, dict):
            return body
        items = document.get("items", document.get("Data"))
        if isinstance(items, list):
            spoilt = [self._spoilt(place, number, item) for number, item in enumerate(items)]
            if all(one is other for one, other in zip(spoilt, items, strict=True)):
                return body
            document["Data" if "Data" in document else "items"] = spoilt
        else:
            before = document
            document = self._spoilt(place, 0, document)
            if document is before:
                return body
        return written(document).encode("utf-8", "surrogatepass")

    def _spoilt(self, place: Sequence[str], number: int, item: dict[str, Any]) -> Any:
        poison = self.poison
        if poison is None or not self._is_victim(place, number, item):
            return item
        if poison.part == "whole":
            return poison.value
        name = FIELDS[self.kind][poison.part]
        return {**item, name: poison.value}

    def _is_victim(self, place: Sequence[str], number: int, item: dict[str, Any]) -> bool:
        match self.kind:
            case "receipts":
                return "orders" in place and place[-1] != "orderrows" and str(item.get("id")) in self.victims
            case "lines":
                return place[-1] == "orderrows" and (place[-2], number) in self.victims
            case "articles":
                return "articles" in place and str(item.get("Id")) in self.victims
