"""Whose a row of the state is: a link's, which is one company, or a pair's, which is one till of that company."""

from __future__ import annotations

from typing import Final, NewType, TypeAlias

#: one company of the books with its tills, by its name in the configuration
LinkId = NewType("LinkId", str)
#: one till of a link: "shop/till"
PairId = NewType("PairId", str)
#: bindings, writes and facts are of a link (its debtors) or of a pair (its receipts and products)
Owner: TypeAlias = LinkId | PairId
#: what belongs to the whole installation
EVERYBODY: Final = LinkId("")


def pair_of(link: LinkId, till: str) -> PairId:
    """Return the pair that a till of a link is."""
    return PairId(f"{link}/{till}")


def link_of(pair: PairId) -> LinkId:
    """Return the link of a pair."""
    return LinkId(pair.partition("/")[0])
