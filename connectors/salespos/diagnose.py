"""How a till is set up, read for a check: past every refusal, so that one missing right does not hide the other findings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from connectors.model import Obstacle, Refusal, TillFacts
from connectors.port import Unreadable
from connectors.salespos import dialect, wire
from connectors.salespos.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connectors.model import PaymentMethod, Store
    from connectors.salespos.client import Client

T = TypeVar("T")

#: the listings that the flows read
NEEDED: Final = ("orders", "products", "categories", "packages", "paymethods", "webshops")


async def read(
    client: Client, *, store: Callable[[], Awaitable[Store]], payment_methods: Callable[[], Awaitable[Sequence[PaymentMethod]]]
) -> TillFacts:
    """Read everything that a check looks at.

    Raises:
        ConnectorError: the till cannot be asked at all.
    """
    refusals: list[Refusal] = []

    async def tried(resource: str, call: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await call()
        except Forbidden as error:
            refusals.append(Refusal(resource, Obstacle.PERMISSION, str(error)))
        except Unreadable as error:
            if error.code != dialect.UNKNOWN_RESOURCE:
                raise
            refusals.append(Refusal(resource, Obstacle.PERMISSION, str(error)))
        return None

    answer = await tried("the list of resources", lambda: client.get("", dialect.resource_names))
    listed = frozenset() if answer is None else answer.value
    found = await tried("webshops", store)
    methods = await tried("paymethods", payment_methods)
    for resource in NEEDED:
        if any(refusal.what == resource for refusal in refusals):
            continue
        if listed and resource not in listed:
            refusals.append(Refusal(resource, Obstacle.PERMISSION, "not among the resources that the till lists for this key"))
        elif resource not in {"webshops", "paymethods"}:
            await tried(resource, partial(client.get, f"{resource}/", wire.Listing.model_validate, {"start": "0", "size": "1"}))
    return TillFacts(
        store=found,
        clock_ahead=client.skew,
        payment_methods=None if methods is None else tuple(methods),
        refusals=tuple(refusals),
    )
