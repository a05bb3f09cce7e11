"""The vendor's refusals: error codes, the HTTP status of each, and the body (reference: eaccounting.md section 5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class Code(IntEnum):
    """Error codes of the vendor's catalogue, by their names there."""

    DATA_MODEL_VALIDATION = 2000
    RESOURCE_NOT_FOUND = 3000
    FISCAL_YEAR_DOES_NOT_EXIST = 3001
    ACCOUNT_NOT_FOUND = 3002
    CONFLICT = 4000
    CANNOT_BE_DELETED = 4001
    CANNOT_BE_CREATED_OR_UPDATED = 4002
    NOT_AUTHORIZED = 4005
    NO_ACCESS_TO_SCOPES = 4006
    INVALID_CONTROL_DIGIT = 4008
    TOO_MANY_REQUESTS = 4010
    FUTURE_DATE = 4023
    SALES_ACCOUNT_MISSING = 4024
    INVALID_VAT_NUMBER = 4025
    LOCKED_PERIOD = 4026
    INVALID_FORCE_BOOKKEEP_VAT = 4035
    LOCKED_FISCAL_YEAR = 4038
    DOMESTIC_AMOUNT_ON_DOMESTIC_INVOICE = 4039
    INTERNAL = 5000
    STOCK_TO_NON_STOCK = 5003
    STOCK_TO_SERVICE = 5004
    QUERY_PARAMETER = 6000
    INVALID_INPUT = 6001


#: statuses other than 400
_STATUS: Final = {
    Code.RESOURCE_NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.NOT_AUTHORIZED: 401,
    Code.NO_ACCESS_TO_SCOPES: 403,
    Code.TOO_MANY_REQUESTS: 429,
    Code.INTERNAL: 500,
}


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
        code: int,
        message: str,
        *,
        status: int | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = int(code)
        self.message = message
        self.status = status or _STATUS.get(Code(code), 400)
        self.errors = errors
        self.headers = headers


def invalid(*errors: FieldError) -> Refusal:
    """Return the refusal of a body whose fields break the data model."""
    return Refusal(Code.DATA_MODEL_VALIDATION, "DataModelValidationException - " + " ".join(one.message for one in errors), errors=errors)


def invalid_field(field: str, message: str) -> Refusal:
    """Return the refusal of one field."""
    return invalid(FieldError(field, message))


def error_body(code: int, message: str, error_id: str, *, status: int, errors: tuple[FieldError, ...] = ()) -> bytes:
    """Return an error's body; ``Errors`` is only part of a 400."""
    body: dict[str, Any] = {"ErrorCode": code, "DeveloperErrorMessage": message, "ErrorId": error_id}
    if status == 400:  # noqa: PLR2004 - the status that CommonExtendedBadRequest belongs to
        body["Errors"] = [{"Field": one.field, "ErrorCode": str(int(one.code)), "Message": one.message, "Key": one.field} for one in errors]
    return json.dumps(body).encode()
