"""What the till took, computed from its own orders."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.salespos.assumptions import CANCELLED_STATUS

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.sandbox.salespos.sales import Order
    from connectors.sandbox.salespos.till import Till

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class TillLedger:
    """Completed orders that were not cancelled, added up.

    ``receipts`` counts sales and refunds, also those of nothing, but not the ``corrections`` of stock; ``gross`` is what was paid,
    refunds with their sign.  ``vat`` has (rate, gross, VAT) a rate, the VAT rounded for each receipt and rate; ``extra`` is cash
    rounding and other costs without VAT, so that the grosses of ``vat`` and ``extra`` come to ``gross``.  ``paymethods`` has
    (code, gross), the code empty for orders without one
    and for what is not paid.  ``stock`` maps product numbers in capitals to their stock, ``None`` where
    it is not tracked; ``products`` counts products, so that more products than numbers means doubles.
    """

    receipts: int
    gross: Decimal
    refunds: int
    refunds_gross: Decimal
    corrections: int
    extra: Decimal
    vat: tuple[tuple[Decimal, Decimal, Decimal], ...]
    paymethods: tuple[tuple[str, Decimal], ...]
    products: int
    stock: dict[str, Decimal | None]

    def as_json(self) -> dict[str, Any]:
        """Return plain data: amounts as texts with two decimals."""
        return {
            "receipts": self.receipts,
            "gross": _text(self.gross),
            "refunds": self.refunds,
            "refunds_gross": _text(self.refunds_gross),
            "corrections": self.corrections,
            "extra": _text(self.extra),
            "vat": {f"{rate:f}": {"gross": _text(gross), "vat": _text(vat)} for rate, gross, vat in self.vat},
            "paymethods": {code: _text(gross) for code, gross in self.paymethods},
            "products": self.products,
            "stock": {number: None if stock is None else f"{stock:f}" for number, stock in self.stock.items()},
        }


@dataclass(frozen=True, slots=True)
class ReceiptState:
    """A receipt as it stands in the till.

    ``number`` is the one printed on it; ``vat`` has (rate, gross, VAT) a rate, as the till reckons it; ``extra`` is what carries no VAT, so
    that the grosses of ``vat`` and ``extra`` come to ``gross``.  ``paymethod`` is empty where none is known.  ``deleted`` receipts are as
    they were when they were deleted.
    """

    id: int
    number: str
    created_at: datetime
    status: int
    completed: bool
    paid: bool
    is_correction: bool
    paymethod: str
    gross: Decimal
    extra: Decimal
    vat: tuple[tuple[Decimal, Decimal, Decimal], ...]
    email: str
    vat_number: str
    deleted: bool = False

    @property
    def cancelled(self) -> bool:
        """Whether it was called off."""
        return self.status == CANCELLED_STATUS

    @property
    def counts(self) -> bool:
        """Whether the till's day figures have it: a sale or refund that is completed and was neither cancelled nor deleted."""
        return self.completed and not (self.cancelled or self.deleted or self.is_correction)

    def as_json(self) -> dict[str, Any]:
        """Return plain data: amounts as texts with all their digits."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            **plain,
            "created_at": self.created_at.isoformat(),
            "gross": f"{self.gross:f}",
            "extra": f"{self.extra:f}",
            "vat": {f"{rate:f}": {"gross": f"{gross:f}", "vat": f"{vat:f}"} for rate, gross, vat in self.vat},
            "cancelled": self.cancelled,
            "counts": self.counts,
        }


def receipts(till: Till) -> tuple[ReceiptState, ...]:
    """Return every receipt as it stands, by id; those that were deleted come last."""
    standing = [_state(order) for _, order in sorted(till.orders.items())]
    return (*standing, *(_state(order, deleted=True) for order in till.deleted))


def _state(order: Order, *, deleted: bool = False) -> ReceiptState:
    given = order.customer_given or {}
    return ReceiptState(
        id=order.id,
        number=order.number_full,
        created_at=order.created_at,
        status=order.status,
        completed=order.completed,
        paid=order.paid,
        is_correction=order.is_correction,
        paymethod=order.paymethod or "",
        gross=order.total,
        extra=order.extra + order.paymethod_costs,
        vat=tuple((rate, *amounts) for rate, amounts in sorted(order.vat_by_rate().items())),
        email=order.customer.email if order.customer else str(given.get("email") or ""),
        vat_number=(order.customer.vat_number or "") if order.customer else str(given.get("btw") or ""),
        deleted=deleted,
    )


def add_up(till: Till) -> TillLedger:
    """Add up what the till sold."""
    sold = [order for order in till.orders.values() if order.sold]
    corrections = [order for order in till.orders.values() if order.is_correction and order.completed and not order.cancelled]
    refunds = [order.total for order in sold if order.total < 0]
    vat: dict[Decimal, tuple[Decimal, Decimal]] = {}
    paymethods: dict[str, Decimal] = {}
    for order in sold:
        code = (order.paymethod or "") if order.paid else ""
        paymethods[code] = paymethods.get(code, _ZERO) + order.total
        for rate, (gross, tax) in order.vat_by_rate().items():
            before = vat.get(rate, (_ZERO, _ZERO))
            vat[rate] = (before[0] + gross, before[1] + tax)
    return TillLedger(
        receipts=len(sold),
        gross=sum((order.total for order in sold), _ZERO),
        refunds=len(refunds),
        refunds_gross=sum(refunds, _ZERO),
        corrections=len(corrections),
        extra=sum((order.extra + order.paymethod_costs for order in sold), _ZERO),
        vat=tuple((rate, *vat[rate]) for rate in sorted(vat)),
        paymethods=tuple(sorted(paymethods.items())),
        products=len(till.products),
        stock={
            product.number.upper(): Decimal(product.values.get("stock") or 0) if product.values.get("stockenabled") else None
            for product in till.products.values()
        },
    )


def _text(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):f}"
