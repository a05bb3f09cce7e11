"""An answer's body as it arrives: counted on the wire, unpacked within a bound, never read further than that."""

from __future__ import annotations

import zlib
from typing import Final

from connectors.bounded_json import MOST_BYTES

#: of a body, on the wire as well as unpacked: the largest JSON that is read
MOST: Final = MOST_BYTES
#: zlib's sign for "gzip or zlib, whichever it is"
_EITHER: Final = zlib.MAX_WBITS | 32
_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})


class TooMuch(Exception):
    """The answer is larger than anything that is read, or packed as nobody packs."""


class Body:
    """Takes the pieces of a body in the ``content-encoding`` given; :attr:`size` is what has been unpacked of it, in bytes.

    One packing is taken and no more: packed twice, a few bytes are gigabytes.
    """

    def __init__(self, coding: str, *, length: str = "", most: int = MOST) -> None:
        packing = coding.strip().lower()
        if packing not in _PACKED | {"", "identity"}:
            raise TooMuch("packed in a way that was not asked for")
        if length.isascii() and length.isdigit() and (len(length) > len(str(most)) or int(length) > most):
            raise TooMuch(f"more than {most} bytes")
        self._most = most
        self._unpack = zlib.decompressobj(_EITHER) if packing in _PACKED else None
        self._parts: list[bytes] = []
        self._wire = 0
        self.size = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            TooMuch: it is more than is read; what came is given up.
            zlib.error: it is not packed as it says.
        """
        self._wire += len(piece)
        if self._wire <= self._most and self._unpack is not None:
            piece = b"" if self._unpack.eof else self._unpack.decompress(piece, self._most - self.size + 1)
        self.size += len(piece)
        if self.size > self._most or self._wire > self._most:
            self._parts.clear()
            raise TooMuch(f"more than {self._most} bytes")
        self._parts.append(piece)

    def whole(self) -> bytes:
        """Return the body.

        Raises:
            zlib.error: it ended before it was whole.
        """
        if self._unpack is not None and self._wire and not self._unpack.eof:
            raise zlib.error("cut off")
        content = b"".join(self._parts)
        self._parts.clear()
        return content
