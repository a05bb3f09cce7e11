"""What is written of a product: the mapping decides the fields, the difference decides whether there is anything to do."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from connectors.model import Product, ProductPatch
from daemon.core.booking import Hold, Skip
from daemon.core.message import message
from daemon.core.outcomes import Reason
from daemon.core.sku import sku_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal


#: the version of an article that the source does not have any more
GONE = "gone"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is to change, for ``plan`` and the activity log."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CreateProduct:
    """The other side does not have the product."""

    draft: ProductPatch
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class UpdateProduct:
    """The other side has the product, and some fields differ."""

    target: Product
    draft: ProductPatch
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class KeepProduct:
    """The other side has the product as it should be."""

    target: Product


ProductDecision = CreateProduct | UpdateProduct | KeepProduct | Skip | Hold


def match_product(source: Product, bound_id: str | None, candidates: Sequence[Product]) -> Product | Hold | None:
    """Find the product on the other side: the bound one, else the only one with this SKU."""
    if bound_id is not None:
        bound = next((product for product in candidates if product.id == bound_id), None)
        if bound is not None:
            return bound
    same = [product for product in candidates if sku_key(product.sku) == sku_key(source.sku)]
    if len(same) > 1:
        return Hold(Reason.SKU_AMBIGUOUS, message("detail.products", sku=source.sku, number=len(same)))
    return same[0] if same else None


def _written(draft: ProductPatch) -> dict[str, object]:
    return {f.name: value for f in fields(ProductPatch) if (value := getattr(draft, f.name)) is not None}


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def decide_product(
    source: Product,
    *,
    on_create: ProductPatch,
    on_update: ProductPatch,
    match: Product | Hold | None,
    opening_stock: Decimal | None,
) -> ProductDecision:
    """Compare what the mapping wants with what the other side has.

    ``opening_stock`` is written with a new product only: afterwards stock is the stock flow's.
    """
    if not source.sku.strip():
        return Hold(Reason.SKU_MISSING, source.name)
    if isinstance(match, Hold):
        return match
    if match is None:
        if not source.active:
            return Skip(Reason.NOT_AT_TARGET, message("detail.never_there"))
        draft = on_create
        if source.tracked and opening_stock is not None:
            draft = replace(draft, tracked=True, quantity=opening_stock)
        changes = tuple(FieldChange(name, "", _shown(value)) for name, value in _written(draft).items())
        return CreateProduct(draft, changes)
    differing = {name: value for name, value in _written(on_update).items() if not _same(getattr(match, name, None), value)}
    if not differing:
        return KeepProduct(match)
    draft = ProductPatch(**differing)  # type: ignore[arg-type]  # the names and values come from a draft's own fields
    return UpdateProduct(match, draft, tuple(FieldChange(n, _shown(getattr(match, n, None)), _shown(v)) for n, v in differing.items()))


def _same(before: object, after: object) -> bool:
    """Tell whether there is nothing to write.

    An empty text and none are the same to a till, which gives empty strings for what it does not have.  Categories are only added:
    one that a person gave the product in the till is his.
    """
    if isinstance(before, tuple) and isinstance(after, tuple):
        return set(after) <= set(before)
    return before == after or (before in (None, "") and after in (None, ""))
