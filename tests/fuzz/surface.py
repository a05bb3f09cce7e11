"""What can be fuzzed: a place where something comes in from outside, valid examples of it, and what may become of a spoilt one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

#: how the bytes of a surface are spoilt: as JSON, line by line as ``name = value``, as text, or as nothing but bytes
Grammar = Literal["json", "lines", "text", "bytes"]


@dataclass(frozen=True, slots=True)
class Refused:
    """The input was refused in the words of the taxonomy; ``why`` without what varies, so that equal refusals are equal."""

    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The input was taken.  ``nonsense`` is what an independent reader finds absurd in what was taken; empty when it makes sense."""

    what: str = ""
    nonsense: str = ""


Verdict = Refused | Taken


@dataclass(frozen=True, slots=True)
class Surface:
    """A place where something comes in.

    ``open`` gives, for as many tries as one likes, the function that tries one input.  ``seeds`` are valid inputs, of which at least
    one must be taken without a word: a surface that refuses everything tests nothing.
    """

    name: str
    grammar: Grammar
    seeds: Callable[[], Sequence[bytes]]
    open: Callable[[], AbstractAsyncContextManager[Callable[[bytes], Awaitable[Verdict]]]]
