"""Lines of the log that say the same again and again: the first are written, the others counted."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: so many lines of a kind are written in so many seconds
MOST_LINES: Final = 20
WINDOW_SECONDS: Final = 60.0
_MOST_KINDS: Final = 500
_LONGEST_KIND: Final = 100
_NUMBER: Final = re.compile(r"[0-9]+")
#: whose lines are told apart
_WHOSE: Final = ("reason", "flow", "link", "till", "channel", "connection", "fingerprint", "logger")

Kind = tuple[str, ...]


@dataclass(slots=True)
class _Window:
    since: float
    lines: int = 0


class Flood:
    """Knows how much was said of each kind lately; ``now`` is in seconds, of a clock that only goes forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._windows: OrderedDict[Kind, _Window] = OrderedDict()
        self._left_out: dict[str, int] = {}

    def admits(self, kind: Kind) -> bool:
        """Tell whether a line of this kind is written, and count it."""
        now = self._now()
        self._close(now)
        window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = _Window(now)
        window.lines += 1
        return window.lines <= MOST_LINES

    def left_out(self) -> dict[str, int]:
        """Return how many lines were not written, by what they said, since this was asked last; only of times that are over."""
        self._close(self._now())
        told, self._left_out = self._left_out, {}
        return told

    def _close(self, now: float) -> None:
        """End the windows whose time is over; of very many kinds the oldest ends early."""
        while self._windows:
            kind, window = next(iter(self._windows.items()))
            if now - window.since < WINDOW_SECONDS and len(self._windows) <= _MOST_KINDS:
                return
            del self._windows[kind]
            if window.lines > MOST_LINES:
                what = kind[-1]
                self._left_out[what] = self._left_out.get(what, 0) + window.lines - MOST_LINES


def kind_of(event: Mapping[str, Any]) -> Kind:
    """Return what a line has in common with others: who says it, about whom, and its words without their numbers."""
    said = _NUMBER.sub("#", str(event.get("event", ""))[:_LONGEST_KIND])
    return (*(str(event.get(name, ""))[:_LONGEST_KIND] for name in ("level", *_WHOSE)), said)
