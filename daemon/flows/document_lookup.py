"""Finding documents of the books by their natural keys, also where the books do not filter on the field that carries it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.port import Unfilterable
from daemon.core.message import message
from daemon.engine.at_most_once import Undecidable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from connectors.model import Document
    from connectors.port import Books
    from daemon.state.port import Intent

#: how far before an intent a look-up without filter reads: more than any clock may be wrong
LOOK_BACK = timedelta(days=2)
#: before any books: a state that was lost, not put back, knew of nothing
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class DocumentLookup:
    """Reads only."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def existing(self, keys: Sequence[str], *, since: datetime) -> dict[str, list[Document]]:
        """Return the booked documents that carry one of these keys; by what changed since ``since`` where keys cannot be filtered."""
        if not keys:
            return {}
        try:
            found = await self._books.find_documents(keys)
        except Unfilterable:
            found = await self._books.documents_since(since - LOOK_BACK)
        return _by_key(found, set(keys))

    async def document_of(self, intent: Intent) -> str | None:
        """Return the id of the document that an intent made, if it did.

        Raises:
            Undecidable: several carry its key.
        """
        found = (await self.existing([intent.reference], since=intent.sent_at)).get(intent.reference, [])
        if len(found) > 1:
            raise Undecidable(message("detail.carry", number=len(found), key=intent.reference))
        return found[0].id if found else None

    async def proposal_of(self, intent: Intent) -> str | None:
        """Return the id of the draft that an intent made, if it is there."""
        found = await self.proposals([intent.reference], since=intent.sent_at)
        return found[intent.reference][0].id if found else None

    async def proposals(self, keys: Sequence[str], *, since: datetime) -> dict[str, list[Document]]:
        """Return the drafts that carry one of these keys; by what was made since ``since`` where keys cannot be filtered."""
        try:
            found = await self._books.find_proposals(keys)
        except Unfilterable:
            found = await self._books.proposals_since(since - LOOK_BACK)
        return _by_key(found, keys)


def _by_key(found: Iterable[Document], keys: Collection[str]) -> dict[str, list[Document]]:
    by_key: dict[str, list[Document]] = {}
    for document in found:
        if document.key in keys:
            by_key.setdefault(document.key, []).append(document)
    return by_key
