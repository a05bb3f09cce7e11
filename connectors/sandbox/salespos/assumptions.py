"""Every assumption about SalesPOS that the public material does not settle, in one place.  [A] marks each.

What this sandbox does here is no proof of what the vendor does.  The client states its own assumptions, written independently.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_CENT: Final = Decimal("0.01")
_NET: Final = Decimal("0.0001")
_HUNDRED: Final = Decimal(100)

# [A] codes of refusals that no public material names; their form "HTTP.sub" is known
BAD_SIGNATURE: Final = (401, "401.10")
STALE_DATE: Final = (401, "401.20")
UNKNOWN_ID: Final = (404, "404.10")
INVALID_INPUT: Final = (400, "400.10")
#: [A] a total for all resources exists, its number is unknown
TOTAL_PER_MINUTE: Final = 1000
#: [A] the ways to pay of a till: id, psp, code in field ``method``, label
PAYMETHODS: Final = (
    (1, "ccv", "pin", "Pin"),
    (2, "cash", "cash", "Contant"),
    (3, "ideal", "ideal", "iDEAL"),
    (4, "voucher", "voucher", "Cadeaubon"),
)
#: [A] percentage of each tax tariff; which of the two low ones is the Dutch 9 % is unknown, so both are
TARIFFS: Final = {"normal": Decimal(21), "low a": Decimal(9), "low b": Decimal(9), "extra low": Decimal(9), "zero": Decimal(0)}
#: [A] a till sale is completed as it is rung up
SOLD_STATUS: Final = 7
#: statuses that a person gives a receipt by hand (reference: order.status)
SENT_STATUS: Final = 5
DELIVERED_STATUS: Final = 6
CANCELLED_STATUS: Final = 8
STATUSES: Final = range(1, 15)
#: [A] an order that another system places is new
PLACED_STATUS: Final = 1
#: [A] cash rounding has no field of its own; it is shown as extra costs with this description, positive or negative
ROUNDING_TEXT: Final = "Afronding"
#: [A] a discount of the whole order on a receipt without rows carries the standard rate
DISCOUNT_RATE_WITHOUT_ROWS: Final = Decimal(21)
#: [A] states of a day closing; only OPEN is evidenced
CASHUP_OPEN: Final = "OPEN"
CASHUP_CLOSED: Final = "CLOSED"
#: [A] collections that ``expand`` shows within a product
EXPANDABLE: Final = frozenset({"producttocategories", "attributecombinations", "productphotos"})
# [A] goods that came back are rows with a negative count, on an order whose total may be negative
# [A] a gift voucher that is sold is a row at 0 % with its own product number and no product
# [A] a manual line is a row with an empty product number and no product
# [A] a stock correction is an order of rows with a negative count and price 0
# [A] several shipping lines of one receipt add up in total_shipping
# [A] a price below the catalogue's is shown as the catalogue's price with a discount per unit
# [A] a weighed row has a count with three decimals, and comes to whole cents unless the till reckons finer
# [A] the customer, the way to pay and the rows of a receipt can be changed in the till itself also once it is completed; over the API not
# [A] an order that is deleted is gone: not listed, and 404 by its id; its number is not given again
# [A] orders are listed by id, products by id, unless orderby says otherwise; min_ and max_create_date are inclusive


def vat_in(gross: Decimal, rate: Decimal) -> Decimal:
    """[A] Return the VAT contained in ``gross``, rounded half up to cents once for each rate of a receipt."""
    return (gross * rate / (_HUNDRED + rate)).quantize(_CENT, ROUND_HALF_UP)


def without_vat(gross: Decimal, rate: Decimal) -> Decimal:
    """[A] Return a price without VAT, to four decimals."""
    return (gross * _HUNDRED / (_HUNDRED + rate)).quantize(_NET, ROUND_HALF_UP)


def with_vat(net: Decimal, rate: Decimal) -> Decimal:
    """[A] Return what a customer pays for a net price, to the cent."""
    return (net * (_HUNDRED + rate) / _HUNDRED).quantize(_CENT, ROUND_HALF_UP)


def spread(amount: Decimal, by_rate: Mapping[Decimal, Decimal], otherwise: Decimal = DISCOUNT_RATE_WITHOUT_ROWS) -> dict[Decimal, Decimal]:
    """[A] Spread an order's discount over the VAT rates of its rows, in proportion to what they come to, exact to the cent.

    What rounding leaves goes to the rate with the largest share.  Rows that come to nothing leave all of it to ``otherwise``.
    """
    total = sum(by_rate.values(), Decimal(0))
    if total == 0:
        return {otherwise: amount}
    shares = {rate: (amount * gross / total).quantize(_CENT, ROUND_HALF_UP) for rate, gross in by_rate.items()}
    largest = max(shares, key=lambda rate: abs(by_rate[rate]))
    shares[largest] += amount - sum(shares.values(), Decimal(0))
    return shares
