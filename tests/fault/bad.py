"""Bridges that are wrong on purpose.  Each of them must be caught, or the search is worth nothing.

A variant swaps one decision of the program for the one that seems simpler.  It exists only here, in the tests.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from connectors.model import BookPayment
from connectors.port import Uncertain
from daemon.core.ids import PairId
from daemon.engine import at_most_once
from daemon.flows import carry_out, debtors, document_lookup, products
from daemon.flows.targets import invoice, payments
from daemon.state.port import Intent, IntentState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from connectors.port import Cursor
    from daemon.engine.at_most_once import OnceWrite, Written
    from daemon.engine.context import Context
    from daemon.state.port import NewWork, Store
    from tests.fault.bridge import Life


@dataclass(frozen=True, slots=True)
class Variant:
    """A wrong bridge.  ``scenarios`` are those in which it is looked for, ``patches`` what is swapped: (object, name) -> instead."""

    name: str
    about: str
    scenarios: tuple[str, ...]
    patches: Mapping[tuple[object, str], object] = field(default_factory=dict)
    spoil: Callable[[Store], Store] = lambda store: store
    index_lag: float | None = None

    @contextmanager
    def applied(self, life: Life) -> Iterator[None]:
        """Be wrong for as long as this life goes on."""
        life.spoil = self.spoil
        if self.index_lag is not None:
            life.policy = replace(life.policy, index_lag=self.index_lag)
        with ExitStack() as stack:
            for (target, name), instead in self.patches.items():
                stack.enter_context(mock.patch.object(target, name, instead))
            yield


async def _retries_blindly(
    context: Context,
    scope: str,
    write: OnceWrite,
    *,
    send: Callable[[], Awaitable[str]],
    find: Callable[[Intent], Awaitable[str | None]],
) -> Written:
    """Has an intent, and sends again when it finds one without an answer."""
    del find
    intent = Intent(
        PairId(scope), write.key, write.flow, write.record, write.operation, write.reference, "", IntentState.SENT, context.now()
    )
    earlier = await context.store.intend(intent)
    if earlier is not None and earlier.state == IntentState.DONE:
        return at_most_once.Written(earlier.remote_id, adopted=True)
    remote_id = await send()
    await context.store.settle_intent(PairId(scope), write.key, IntentState.DONE, remote_id=remote_id)
    return at_most_once.Written(remote_id, adopted=False)


async def _has_no_intent(
    context: Context,
    scope: str,
    write: OnceWrite,
    *,
    send: Callable[[], Awaitable[str]],
    find: Callable[[Intent], Awaitable[str | None]],
) -> Written:
    """Just sends."""
    del context, scope, write, find
    return at_most_once.Written(await send(), adopted=False)


async def _looks_from_the_moment_of_sending(
    context: Context, scope: str, earlier: Intent, find: Callable[[Intent], Awaitable[str | None]]
) -> Written | None:
    """Counts the index lag from the intent, as if a request took no time and died with its process."""
    age = (context.now() - earlier.sent_at).total_seconds()
    if 0 <= age < context.policy.index_lag:
        raise Uncertain("too early", retry_after=context.policy.index_lag - age)
    found = await find(earlier)
    if found is not None:
        await context.store.settle_intent(PairId(scope), earlier.key, IntentState.DONE, remote_id=found)
        return at_most_once.Written(found, adopted=True)
    await context.store.resend_intent(PairId(scope), earlier.key, now=context.now())
    return None


def _once(instead: object) -> dict[tuple[object, str], object]:
    return {(module, "at_most_once"): instead for module in (invoice, payments, debtors, products)}


class _Spoilt:
    """A store with some methods done wrong."""

    def __init__(self, store: object, **wrong: object) -> None:
        self._store, self._wrong = store, wrong

    def __getattr__(self, name: str) -> Any:
        return self._wrong[name] if name in self._wrong else getattr(self._store, name)


def _cursor_first(store: Store) -> Store:
    """Stores the position, and then, in another transaction, the work."""

    async def record_page(link: str, flow: str, position: Cursor, works: Sequence[NewWork]) -> int:
        await store.record_page(PairId(link), flow, position, ())
        return await store.record_page(PairId(link), flow, position, works)

    return cast("Store", _Spoilt(store, record_page=record_page))


def _forgets_what_was_running(store: Store) -> Store:
    """Leaves alone what a dead process had in hand."""

    async def recover() -> int:
        return 0

    return cast("Store", _Spoilt(store, recover=recover))


async def _pays_what_is_open(context: Context, paying: Any, document: Any, planned: Sequence[Any]) -> None:
    """Registers payments without an intent for each."""
    for payment in planned:
        await context.books.register_payment(
            BookPayment(document.id, payment.account.id, payment.amount, document.currency, paying.day, "", complete=True)
        )


async def _pays_what_it_does_not_remember(context: Context, paying: Any, document: Any, planned: Sequence[Any]) -> None:
    """Trusts its own memory of what was paid; leaves alone a document of which it has none, but on which something was paid."""
    intents = await context.store.intents(context.pair_id, record=paying.record)
    if document.remaining != document.gross and not any(intent.operation == "payment" for intent in intents):
        return
    amounts = [payment.amount for payment in planned]
    for index, payment in enumerate(planned):
        await payments._register(context, paying, document, payment.account.id, index=index, amounts=amounts)


def _unaware_of_backups(store: Store) -> Store:
    """Does not know that it was put back."""
    return cast("Store", _Spoilt(store, restored=False))


async def _never_begun(self: invoice.Invoices, layout: Any) -> bool:
    """Books at once as soon as it may, whatever was begun."""
    del self, layout
    return False


async def _found_nothing(self: document_lookup.DocumentLookup, keys: Sequence[str], *, since: Any) -> dict[str, list[Any]]:
    """Never finds what it wrote."""
    del self, keys, since
    return {}


ALL = (
    Variant("blind-retry", "an intent without an answer is sent again", ("sale", "split", "products"), _once(_retries_blindly)),
    Variant("no-intent", "nothing is written down before it is sent", ("sale", "newcomer", "products"), _once(_has_no_intent)),
    Variant("no-lag-wait", "a lost answer is looked up at once", ("sale", "newcomer"), index_lag=0.0),
    Variant("cursor-first", "the position is stored before the work", ("sale", "products"), spoil=_cursor_first),
    Variant(
        "lag-from-intent",
        "the index lag is counted from the intent",
        ("sale", "business"),
        {(at_most_once, "_resolve"): _looks_from_the_moment_of_sending},
    ),
    Variant("no-recovery", "what a dead process had in hand stays there", ("sale", "refund"), spoil=_forgets_what_was_running),
    Variant("plain-payments", "payments have no intent", ("sale", "split"), {(carry_out, "pay"): _pays_what_is_open}),
    Variant(
        "pays-by-memory",
        "what is not remembered was not paid, also after a backup was put back",
        ("split",),
        {(carry_out, "pay"): _pays_what_it_does_not_remember},
        spoil=_unaware_of_backups,
    ),
    Variant("leaves-drafts", "a proposal that was begun is forgotten", ("first",), {(invoice.Invoices, "_proposal_begun"): _never_begun}),
    Variant(
        "never-looks", "documents are never looked up", ("sale", "business"), {(document_lookup.DocumentLookup, "existing"): _found_nothing}
    ),
)
BY_NAME = {variant.name: variant for variant in ALL}
