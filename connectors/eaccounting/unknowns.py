"""What only the vendor's own answers tell, asked once and remembered: the sign of a credit's rows, and whether a filter regards case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from connectors.eaccounting import wire
from connectors.eaccounting.errors import BAD_QUERY, INVALID
from connectors.eaccounting.listing import Listing, any_of, read_all
from connectors.model import DocumentKind
from connectors.port import Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.eaccounting.api import Api
    from connectors.model import BookPayment, Document, DocumentDraft

T = TypeVar("T")

#: a register that every company has, and the field of it by which to ask
_PROBED: Final = ("/termsofpayments", wire.Terms, "Name")


class CreditRows:
    """Whether the rows of a credit carry their own sign, or are given as on an invoice and turned by the flag (not documented).

    Their own sign is tried first.  A refusal has no effect, and a draft can be written again, so that the other way may be tried after
    either; what works is remembered.
    """

    def __init__(self) -> None:
        self._turned = False

    async def either_way(self, draft: DocumentDraft, send: Callable[[bool], Awaitable[T]]) -> tuple[T, bool]:
        """Return what ``send`` returns, and whether the rows were turned, as it was told.

        Raises:
            Rejected: refused both ways; the first refusal is told.
        """
        turned = self._turned and draft.kind is DocumentKind.CREDIT
        try:
            return await send(turned), turned
        except Rejected as refused:
            if draft.kind is not DocumentKind.CREDIT or refused.code != INVALID:
                raise
            try:
                result = await send(not turned)
            except Rejected:
                raise refused from None
        self._turned = not turned
        return result, not turned

    def came_out_wrong(self, draft: DocumentDraft, document: Document, *, turned: bool) -> bool:
        """Tell whether a credit was taken for a sale, and take note that its rows have to be given the other way."""
        wrong = draft.kind is DocumentKind.CREDIT and document.gross > 0
        if wrong:
            self._turned = not turned
        return wrong


class PaymentSign:
    """Whether a payment on a credit carries the sign of what remains, or is given without it (not documented; reference: section 11, 2).

    Signed is tried first: of the two it is the one that can only be refused, never be taken for money the other way.
    """

    def __init__(self) -> None:
        self._absolute = False

    async def either_way(self, payment: BookPayment, send: Callable[[BookPayment], Awaitable[T]]) -> T:
        """Return what ``send`` returns; what works is remembered.

        Raises:
            Rejected: refused both ways; the first refusal is told.
        """
        if payment.amount >= 0:
            return await send(payment)
        absolute = replace(payment, amount=abs(payment.amount))
        if self._absolute:
            return await send(absolute)
        try:
            return await send(payment)
        except Rejected as refused:
            if refused.code != INVALID:
                raise
            try:
                result = await send(absolute)
            except Rejected:
                raise refused from None
        self._absolute = True
        return result


class Case:
    """Whether ``eq`` in a filter regards case (not documented): a name of a register is asked for in the other case, once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._regarded: bool | None = None
        self._asking = anyio.Lock()

    async def regarded(self) -> bool:
        """Return whether another spelling finds nothing; also where nothing could be found out."""
        async with self._asking:
            if self._regarded is None:
                self._regarded = await self._ask()
            return self._regarded

    async def _ask(self) -> bool:
        path, model, field = _PROBED
        records, _ = await read_all(self._api, Listing(path, model, order=None))
        swapped = next((name.swapcase() for record in records if (name := record.name or "").swapcase() != name), None)
        if swapped is None:
            return True
        try:
            found, _ = await read_all(self._api, Listing(path, model, order=None, where=any_of(field, [swapped])))
        except Rejected as error:
            if error.code not in BAD_QUERY:
                raise
            return True
        return not any((record.name or "").casefold() == swapped.casefold() for record in found)
