"""Who may call what: product variant, module, and the state of the company and its user.

The table is that of the vendor's document of 2021, which still printed it (reference: eaccounting-schema.md, first appendix); what has
been added since belongs to its resource.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connectors.sandbox.eaccounting.errors import Code, Refusal, no_access_to_module

if TYPE_CHECKING:
    from connectors.sandbox.eaccounting.facts import Operation
    from connectors.sandbox.eaccounting.switches import BooksSwitches

ALL: Final = frozenset({"Bookkeeping", "Invoicing", "Pro", "Solo", "Standard"})
_NOT_SOLO: Final = ALL - {"Solo"}
_NOT_INVOICING: Final = ALL - {"Invoicing"}
_BUYING: Final = frozenset({"Bookkeeping", "Pro", "Standard"})
_SELLING: Final = ALL - {"Bookkeeping"}
_SELLING_NOT_SOLO: Final = _SELLING - {"Solo"}
_PRO: Final = frozenset({"Pro"})
#: `order_standard` and `quote_standard` of 2021 have become one
SALES_MODULE: Final = "sales_standard"

#: resource -> variants that have it; what is not named is in all
VARIANTS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("costcenteritems", "costcenters", "currencies", "projects"), _NOT_SOLO),
    **dict.fromkeys(
        (
            "accountbalances",
            "approval",
            "paymentvoucher",
            "supplierinvoicedrafts",
            "supplierinvoices",
            "suppliers",
            "vatreports",
            "voucherdrafts",
        ),
        _NOT_INVOICING,
    ),
    **dict.fromkeys(("allocationperiods", "banktransactions", "foreignpaymentcodes"), _BUYING),
    **dict.fromkeys(
        (
            "articleaccountcodings",
            "articles",
            "customerinvoicedrafts",
            "customerinvoices",
            "customerledgeritems",
            "customers",
            "deliverymethods",
            "deliveryterms",
            "salesdocumentattachments",
            "units",
        ),
        _SELLING,
    ),
    **dict.fromkeys(("articlelabels", "customerlabels", "orders", "quotedrafts", "quotes", "webshoporders"), _SELLING_NOT_SOLO),
    **dict.fromkeys(("discountagreements", "salespricelists"), _PRO),
}
#: resource -> module that it needs
MODULES: Final = dict.fromkeys(("orders", "quotedrafts", "quotes"), SALES_MODULE)


@dataclass(frozen=True, slots=True)
class Barrier:
    """Why an operation is refused in a company, whoever asks."""

    code: Code
    text: str
    module: str | None = None

    def refusal(self) -> Refusal:
        """Return the refusal."""
        return no_access_to_module(self.module) if self.code is Code.CANNOT_BE_CREATED_OR_UPDATED else Refusal(self.code, self.text)


def resource(path: str) -> str:
    """Return the first part of a documented path."""
    return path.strip("/").partition("/")[0]


def barrier(operation: Operation, switches: BooksSwitches, *, served: bool) -> Barrier | None:
    """Return what stands between everybody and an operation; one that is not ``served`` belongs to a module that is not active."""
    name = resource(operation.path)
    if not switches.api_module:
        return Barrier(Code.CANNOT_BE_CREATED_OR_UPDATED, "", "api_standard")
    if not switches.startup_guide_completed:
        return Barrier(Code.STARTUP_GUIDE_NOT_COMPLETED, "StartupGuideNotCompletedException - The start-up guide is not completed.")
    if not switches.company_active:
        return Barrier(Code.COMPANY_NOT_ACTIVE, "CompanyNotActiveException - The company is not active.")
    if switches.variant not in VARIANTS.get(name, ALL):
        text = f"NoAccessDueToProductVariantException - {name} is not part of {switches.variant}."
        return Barrier(Code.NO_ACCESS_DUE_TO_PRODUCT_VARIANT, text)
    if name in MODULES and not switches.sales_module:
        return Barrier(Code.CANNOT_BE_CREATED_OR_UPDATED, "", MODULES[name])
    if operation.path.endswith("/einvoice") and not switches.auto_invoice:
        return Barrier(Code.CANNOT_BE_CREATED_OR_UPDATED, "", "autoinvoice")
    if not served:
        return Barrier(Code.CANNOT_BE_CREATED_OR_UPDATED, "")
    if operation.method != "GET" and switches.read_only_user:
        text = "NoPermissionForReadonlyUserException - The user may only read."
        return Barrier(Code.NO_PERMISSION_FOR_READONLY_USER, text)
    return None
