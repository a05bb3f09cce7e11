"""The vendor's refusals: error codes, the HTTP status of each, and the body (reference: eaccounting.md section 5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class Code(IntEnum):
    """The vendor's catalogue of error codes."""

    DATA_MODEL_VALIDATION = 2000
    RESOURCE_NOT_FOUND = 3000
    FISCAL_YEAR_DOES_NOT_EXIST = 3001
    ACCOUNT_NOT_FOUND = 3002
    INSUFFICIENT_APPROVAL_PERMISSION = 3003
    CONFLICT = 4000
    CANNOT_BE_DELETED = 4001
    #: "no access to module" as well, then with 403
    CANNOT_BE_CREATED_OR_UPDATED = 4002
    STARTUP_GUIDE_NOT_COMPLETED = 4003
    COMPANY_NOT_ACTIVE = 4004
    NOT_AUTHORIZED = 4005
    NO_ACCESS_TO_SCOPES = 4006
    PERMISSION_DENIED = 4007
    INVALID_CONTROL_DIGIT = 4008
    NO_ACCESS_DUE_TO_PRODUCT_VARIANT = 4009
    TOO_MANY_REQUESTS = 4010
    NO_ACCESS_FOR_AUTHENTICATED_USER = 4011
    LICENCE_AGREEMENT_NOT_ACCEPTED = 4012
    CANNOT_BOOKKEEP_INVOICE = 4013
    AUTO_INVOICE_MISSING_YOUR_REFERENCE = 4014
    AUTO_INVOICE_MISSING_OUR_REFERENCE = 4015
    SUPPLIER_INVOICE_INVALID_DUE_DATE = 4016
    AUTO_INVOICE_MISSING_ELECTRONIC_ADDRESS = 4017
    SUPPLIER_INVOICE_SKIP_SEND_TO_BANK = 4018
    NO_PERMISSION_FOR_READONLY_USER = 4019
    FISCAL_YEAR_OVERLAPS = 4020
    FISCAL_YEAR_TOO_LONG = 4021
    FISCAL_YEAR_ENDS_INSIDE_A_MONTH = 4022
    FUTURE_DATE = 4023
    SALES_ACCOUNT_MISSING = 4024
    INVALID_VAT_NUMBER = 4025
    LOCKED_PERIOD = 4026
    REVERSED_VAT_ZERO = 4027
    ORDER_CANNOT_BE_VOIDED = 4028
    INVALID_SSN = 4029
    INVALID_OCR = 4030
    INVOICE_MISSING_ORDER_ARTICLES = 4031
    SUPPLIER_INVOICE_DOES_NOT_BALANCE = 4032
    FORBIDDEN_IN_APPROVAL_FLOW = 4033
    NOT_ALLOWED_WITH_SANDBOX_CLIENT = 4034
    INVALID_FORCE_BOOKKEEP_VAT = 4035
    RECONCILIATION_IN_LOCKED_PERIOD = 4037
    LOCKED_FISCAL_YEAR = 4038
    DOMESTIC_AMOUNT_ON_DOMESTIC_INVOICE = 4039
    EXTERNAL_SERVICE_VALIDATION = 4100
    INTERNAL = 5000
    DEPENDENCY_UNREACHABLE = 5001
    OPERATION_CANCELLED = 5002
    STOCK_TO_NON_STOCK = 5003
    STOCK_TO_SERVICE = 5004
    PROJECT_ENDED = 5005
    INACTIVE_COST_CENTER = 5006
    ITEM_TO_ATTACH_NOT_FOUND = 5007
    QUERY_PARAMETER = 6000
    INVALID_INPUT = 6001


_OTHER_THAN_400: Final = {
    Code.RESOURCE_NOT_FOUND: 404,
    Code.FISCAL_YEAR_DOES_NOT_EXIST: 404,
    Code.ACCOUNT_NOT_FOUND: 404,
    Code.INSUFFICIENT_APPROVAL_PERMISSION: 403,
    Code.CONFLICT: 409,
    Code.STARTUP_GUIDE_NOT_COMPLETED: 403,
    Code.COMPANY_NOT_ACTIVE: 403,
    Code.NOT_AUTHORIZED: 401,
    Code.NO_ACCESS_TO_SCOPES: 403,
    Code.PERMISSION_DENIED: 403,
    Code.NO_ACCESS_DUE_TO_PRODUCT_VARIANT: 403,
    Code.TOO_MANY_REQUESTS: 429,
    Code.NO_ACCESS_FOR_AUTHENTICATED_USER: 403,
    Code.LICENCE_AGREEMENT_NOT_ACCEPTED: 403,
    Code.NO_PERMISSION_FOR_READONLY_USER: 403,
    Code.NOT_ALLOWED_WITH_SANDBOX_CLIENT: 403,
    Code.INTERNAL: 500,
    Code.DEPENDENCY_UNREACHABLE: 503,
    Code.OPERATION_CANCELLED: 503,
}
#: HTTP status by code; most are inferred, see the switches
STATUS: Final[dict[Code, int]] = {code: _OTHER_THAN_400.get(code, 400) for code in Code}


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a body."""

    field: str
    message: str
    code: int = Code.DATA_MODEL_VALIDATION


class Refusal(Exception):
    """A request that the vendor answers with an error."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        status: int | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = int(code)
        self.message = message
        self.status = status or STATUS[code]
        self.errors = errors
        self.headers = headers


def invalid(*errors: FieldError) -> Refusal:
    """Return the refusal of a body whose fields break the data model."""
    return Refusal(Code.DATA_MODEL_VALIDATION, "DataModelValidationException - " + " ".join(one.message for one in errors), errors=errors)


def invalid_field(field: str, message: str) -> Refusal:
    """Return the refusal of one field."""
    return invalid(FieldError(field, message))


def cannot_be_changed(why: str) -> Refusal:
    """Return the refusal of a change that the state of a record does not allow."""
    return Refusal(Code.CANNOT_BE_CREATED_OR_UPDATED, f"CanNotBeCreatedOrUpdatedException - {why}")


def cannot_be_deleted(why: str) -> Refusal:
    """Return the refusal of a deletion."""
    return Refusal(Code.CANNOT_BE_DELETED, f"CanNotBeDeletedException - {why}")


def no_access_to_module(name: str | None) -> Refusal:
    """Return the refusal of what belongs to a module that is not active; its ``name`` where it is known."""
    text = "ForbiddenRequestException - No access to module" + (f": {name}" if name else "")
    return Refusal(Code.CANNOT_BE_CREATED_OR_UPDATED, text, status=403)


def error_body(code: int, message: str | None, error_id: str, *, status: int, errors: tuple[FieldError, ...] = ()) -> bytes:
    """Return an error's body; ``Errors`` is only part of a 400, and without a ``message`` nothing is said in words."""
    body: dict[str, Any] = {"ErrorCode": code, "DeveloperErrorMessage": message, "ErrorId": error_id}
    if status == 400:  # noqa: PLR2004 - the status that CommonExtendedBadRequest belongs to
        body["Errors"] = [
            {"Field": one.field, "ErrorCode": str(int(one.code)), "Message": one.message if message else None, "Key": one.field}
            for one in errors
        ]
    return json.dumps(body).encode()
