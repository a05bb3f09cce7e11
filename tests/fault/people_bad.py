"""Daemons that are wrong about people on purpose.  Each must be found out by the people machine, or it is worth nothing.

A variant swaps one decision of the program for the one that seems simpler.  It exists only here, in the tests.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from connectors.port import Throttled, Unreachable
from daemon.core import book_sale, booked, booking, corrections, receipts, references
from daemon.core.booked import Difference
from daemon.core.outcomes import Reason, State
from daemon.core.retry import RetryDecision, after_error
from daemon.engine import worker
from daemon.flows import carry_out, receipt_facts
from daemon.flows.receipt_facts import ReceiptFacts
from daemon.flows.sales import Sales

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.model import Sale
    from daemon.core.booking import BookingRules
    from daemon.core.debtors import DebtorFacts
    from daemon.core.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Variant:
    """A wrong daemon: ``patches`` are what is swapped, (object, name) -> instead."""

    name: str
    about: str
    patches: Mapping[tuple[object, str], object]
    #: what people do where it is looked for, by kind of act; and in how many tills
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    tills: tuple[int, ...] = (1,)

    def stage(self) -> dict[str, object]:
        """Return what a machine is like in which it is looked for."""
        return {"only": self.only, "rules_of_it": self.rules, "tills": self.tills}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Be wrong for a while."""
        with ExitStack() as stack:
            for (target, name), instead in self.patches.items():
                stack.enter_context(mock.patch.object(target, name, instead))
            yield


def _gross_only(known: booked.Booked, sale: Sale, salt: str) -> frozenset[Difference]:
    """Remembers of a receipt what it came to, and nothing else."""
    del salt
    return frozenset({Difference.GROSS}) if known.gross != sale.gross else frozenset()


_prepare, _debtors, _match = Sales.prepare, ReceiptFacts._debtors, booking.match_articles


async def _decides_by_the_first_look(self: Sales, works: Sequence[Any]) -> None:
    """Takes a receipt, and all that belongs to it, as it was when this process saw it first."""
    seen = self.__dict__.setdefault("first_look", {})
    await _prepare(self, works)
    for work in works:
        kept = seen.setdefault(work.record, self._gathered[work.record])
        now = self._gathered[work.record]
        self._gathered[work.record] = replace(kept, booked=now.booked, document=now.document, found=now.found, sent=now.sent)


async def _remembers_debtors(self: ReceiptFacts, sales: Sequence[Sale], rules: BookingRules) -> dict[str, DebtorFacts]:
    """Reads a debtor once, and keeps how he was for the life of the process."""
    cache: dict[str, DebtorFacts] = self.__dict__.setdefault("debtors_read", {})
    read = {}
    for record, facts in (await _debtors(self, sales, rules)).items():
        known = cache.get(facts.name)
        cache[facts.name] = facts if known is None or not (known.found or known.bound) else known
        read[record] = cache[facts.name]
    return read


def _spends_attempts(
    error: Exception, attempt: int, policy: RetryPolicy, *, jitter: float, own: bool = True, pace: float = 0.0
) -> RetryDecision:
    """Takes every failure for the record's own, and waiting for a vendor for an attempt."""
    del own
    fate = after_error(error, attempt, policy, jitter=jitter, own=True, pace=pace)
    if not isinstance(error, Unreachable | Throttled):
        return fate
    if attempt + 1 >= policy.max_attempts:
        return RetryDecision(State.HELD, Reason.ATTEMPTS_EXHAUSTED, attempt + 1)
    return replace(fate, attempt=attempt + 1)


def _by_position(base: str, tills: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Gives the first till of the file the plain prefix, whoever had it before."""
    del known
    return {till: base if index == 0 else f"{base}-{till}" for index, till in enumerate(tills)}


def _no_rate_is_wrong(*_: object) -> str:
    """Does not look at the VAT that the books answer."""
    return ""


def _any_article(sale: Sale, rules: BookingRules, found: Sequence[Any]) -> Any:
    """Does not look at the VAT rate of an article."""
    return _match(replace(sale, intra_community=True), rules, found)


_KINDS = ("says", "edits", "documents", "registers", "debtors")


def _only(*acts: str) -> dict[str, tuple[str, ...]]:
    """Whoever does anything does one of these; the cashier sells."""
    return {"sells": ("sell",), **dict.fromkeys(_KINDS, acts)}


ALL = (
    Variant(
        "gross-only",
        "what was booked is remembered by its sum alone",
        {(corrections, "differences"): _gross_only},
        _only("pay_later", "change_method", "cancel", "change_customer"),
        frozenset({"cashier_sells", "cashier_says", "cashier_edits"}),
    ),
    Variant(
        "decides-first",
        "a receipt is decided by how it was at the first look",
        {(Sales, "prepare"): _decides_by_the_first_look},
        _only("change_price", "cancel", "change_quantity", "pay_later"),
        frozenset({"cashier_sells", "cashier_says", "cashier_edits"}),
    ),
    Variant(
        "outage-attempts",
        "an outage spends the attempts of every record",
        {(worker, "after_error"): _spends_attempts},
        {**_only("sell"), "operations": ("begin_outage",)},
        frozenset({"operations"}),
    ),
    Variant(
        "cached-debtor",
        "a debtor is read once",
        {(ReceiptFacts, "_debtors"): _remembers_debtors},
        _only("turn_debtor"),
        frozenset({"bookkeeper"}),
    ),
    Variant(
        "no-vat",
        "VAT is compared nowhere",
        {
            (carry_out, "vat_disagrees"): _no_rate_is_wrong,
            (receipts, "vat_disagrees"): _no_rate_is_wrong,
            (book_sale, "match_articles"): _any_article,
            (receipt_facts, "match_articles"): _any_article,
        },
        _only("set_rate", "move_article", "change_rate"),
        frozenset({"bookkeeper"}),
    ),
    Variant(
        "prefix-by-position",
        "the first till of the file has the plain prefix",
        {(references, "assign"): _by_position},
        _only("sell"),
        frozenset({"cashier_sells", "administrator"}),
        tills=(2,),
    ),
)
BY_NAME = {variant.name: variant for variant in ALL}
