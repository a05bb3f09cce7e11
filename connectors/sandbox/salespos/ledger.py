"""What the till took, computed from its own orders."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from connectors.sandbox.salespos.till import Till

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class TillLedger:
    """Completed orders added up.

    ``receipts`` counts sales and refunds, also those of nothing, but not the ``corrections`` of stock; ``gross`` is what was paid,
    refunds with their sign.  ``vat`` has (rate, gross, VAT) a rate, the VAT rounded for each receipt and rate; ``extra`` is cash
    rounding and other costs without VAT, so that the grosses of ``vat`` and ``extra`` come to ``gross``.  ``paymethods`` has
    (code, gross), the code empty for orders without one.  ``stock`` maps product numbers in capitals to their stock, ``None`` where
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


def add_up(till: Till) -> TillLedger:
    """Add up the till's completed orders."""
    done = [order for order in till.orders.values() if order.completed]
    sold = [order for order in done if not order.is_correction]
    refunds = [order.total for order in sold if order.total < 0]
    vat: dict[Decimal, tuple[Decimal, Decimal]] = {}
    paymethods: dict[str, Decimal] = {}
    for order in sold:
        code = order.paymethod or ""
        paymethods[code] = paymethods.get(code, _ZERO) + order.total
        for rate, (gross, tax) in order.vat_by_rate().items():
            before = vat.get(rate, (_ZERO, _ZERO))
            vat[rate] = (before[0] + gross, before[1] + tax)
    return TillLedger(
        receipts=len(sold),
        gross=sum((order.total for order in sold), _ZERO),
        refunds=len(refunds),
        refunds_gross=sum(refunds, _ZERO),
        corrections=len(done) - len(sold),
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
