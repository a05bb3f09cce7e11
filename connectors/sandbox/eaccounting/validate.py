"""Bodies against the published shapes: what is refused, and what a body means once it is accepted."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.eaccounting.errors import FieldError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.eaccounting.facts import Facts, Field
    from connectors.sandbox.eaccounting.switches import BooksSwitches

Row = dict[str, Any]
EMPTY_ID: Final = "00000000-0000-0000-0000-000000000000"
_ID = re.compile(r"\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_DIGITS = 28
_MAX_EXPONENT = 15
_SIZES: Final = {"int32": 2**31, "int64": 2**63}


class Stamp(str):  # noqa: SLOT000 - holds the moment that it only roughly shows
    """The text of a moment that is kept finer than it is shown."""

    exact: datetime

    @classmethod
    def of(cls, text: str, exact: datetime) -> Stamp:
        """Return a text with its moment."""
        made = cls(text)
        made.exact = exact
        return made


def identifier(text: str) -> str:
    """Return a GUID in the form in which it is kept.

    Raises:
        ValueError: not a GUID.
    """
    if not _ID.fullmatch(text):
        raise ValueError(f"'{text[:60]}' is not a valid GUID.")
    plain = text.strip("{}").replace("-", "").lower()
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


def moment(text: str) -> datetime:
    """Read a date or an RFC 3339 moment; without an offset it is UTC.

    Raises:
        ValueError: neither.
    """
    if isinstance(text, Stamp):
        return text.exact
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


class Schema:
    """One schema of the published document, ready to check bodies and to complete answers."""

    def __init__(self, name: str, fields: dict[str, Field], schemas: Callable[[str], Schema], switches: BooksSwitches) -> None:
        self.name = name
        self.fields = fields
        self.read_only = tuple(one.name for one in fields.values() if one.read_only)
        self._required = tuple(one.name for one in fields.values() if one.required and not one.read_only)
        self._schemas = schemas
        self._switches = switches

    @cached_property
    def by_folded_name(self) -> dict[str, Field]:
        """Fields by their name in lower case."""
        return {name.lower(): field for name, field in self.fields.items()}

    @cached_property
    def _plain(self) -> Row:
        return {one.name: _empty(one) for one in self.fields.values()}

    @cached_property
    def _nested(self) -> tuple[tuple[str, str | None], ...]:
        return tuple(
            (one.name, one.ref if one.kind == "object" else None)
            for one in self.fields.values()
            if one.kind == "object" or (one.kind == "array" and not one.nullable)
        )

    def blank(self) -> Row:
        """Return a complete object of this schema in which everything is empty."""
        row = self._plain.copy()
        for name, ref in self._nested:
            row[name] = self._schemas(ref).blank() if ref else []
        return row

    def clean(self, body: object, path: str = "") -> Row:
        """Return what a body writes: checked, converted, without what cannot be written.

        Raises:
            Refusal: code 2000 with each field that is wrong.
        """
        errors: list[FieldError] = []
        row = self._clean(body, path, errors)
        if errors:
            raise invalid(*errors)
        return row

    def _clean(self, body: object, path: str, errors: list[FieldError]) -> Row:
        row: Row = {}
        if not isinstance(body, dict):
            errors.append(FieldError(path.rstrip("."), f"{path.rstrip('.') or 'The body'} must be an object."))
            return row
        missing = (name for name in self._required if body.get(name) is None and not self._excused(name))
        errors.extend(FieldError(path + name, f"The {path}{name} field is required.") for name in missing)
        for name, value in body.items():
            field = self.fields.get(name)
            if name == "Id" and path and isinstance(value, str) and _ID.fullmatch(value):
                row["Id"] = identifier(value)  # read-only, and yet what tells a row or a label that is already kept
            elif field is None or field.read_only:
                if self._switches.refuse_unknown if field is None else self._switches.refuse_read_only:
                    what = "unknown" if field is None else "read-only"
                    errors.append(FieldError(path + name, f"The field {path}{name} is {what}."))
            elif value is None:
                if field.kind not in ("object", "array") and not field.nullable and not field.required:
                    errors.append(FieldError(path + name, f"The field {path}{name} cannot be null."))
                elif field.kind != "object" and not field.required:
                    row[name] = None if field.nullable else []
            else:
                self._take(field, value, path, row, errors)
        return row

    def _excused(self, name: str) -> bool:
        return (
            not self._switches.require_invoice_flags
            and self.name == "CustomerInvoiceApi"
            and name in ("EuThirdParty", "RotReducedInvoicingType")
        )

    def _take(self, field: Field, value: object, path: str, row: Row, errors: list[FieldError]) -> None:
        where = path + field.name
        if field.kind == "object" and field.ref:
            row[field.name] = self._schemas(field.ref)._clean(value, where + ".", errors)  # noqa: SLF001 - the same class
            return
        if field.kind == "array":
            self._take_list(field, value, where, row, errors)
            return
        try:
            row[field.name] = _CONVERT[field.kind](field, value, self._switches)
        except ValueError as error:
            errors.append(FieldError(where, f"The field {where} is invalid: {error}"))

    def _take_list(self, field: Field, value: object, where: str, row: Row, errors: list[FieldError]) -> None:
        if not isinstance(value, list):
            errors.append(FieldError(where, f"The field {where} must be a list."))
        elif field.ref:
            schema = self._schemas(field.ref)
            row[field.name] = [schema._clean(one, f"{where}[{index}].", errors) for index, one in enumerate(value)]  # noqa: SLF001
        elif not all(isinstance(one, str) for one in value):
            errors.append(FieldError(where, f"The field {where} must be a list of strings."))
        else:
            row[field.name] = value


class Schemas:
    """All schemas, each made when it is first asked for."""

    def __init__(self, known: Facts, switches: BooksSwitches) -> None:
        self._facts = known
        self._switches = switches
        self._made: dict[str, Schema] = {}

    def __call__(self, name: str) -> Schema:
        """Return the schema called ``name``."""
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = Schema(name, self._facts.schemas[name], self, self._switches)
        return found


def _empty(field: Field) -> Any:
    if field.nullable or field.kind in ("object", "array"):
        return None
    if field.kind == "string":
        return {"uuid": EMPTY_ID, "date-time": "0001-01-01"}.get(field.format or "", "")
    if field.kind == "integer":
        return next((value for value, _ in field.values), max(0, int(field.minimum or 0)))
    return {"boolean": False, "number": Decimal(0)}[field.kind]


def _string(field: Field, value: object, _switches: BooksSwitches) -> str:
    if not isinstance(value, str):
        raise ValueError("a string is expected.")  # noqa: TRY004 - one kind of error for what is wrong with a value
    if field.format == "uuid":
        return identifier(value)
    if field.format == "date-time":
        return _moment_text(value)
    if field.max_length is not None and len(value) > field.max_length:
        raise ValueError(f"the maximum length is {field.max_length}.")
    if field.min_length is not None and len(value) < field.min_length:
        raise ValueError(f"the minimum length is {field.min_length}.")
    if field.required and not value.strip():
        raise ValueError("it must not be empty.")
    if field.pattern is not None and not _compiled(field.pattern).search(value):
        raise ValueError("it has not the form that is expected.")
    return value


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a published pattern, in which ``$`` is the very end."""
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def _moment_text(value: str) -> str:
    if _DATE.fullmatch(value):
        return date.fromisoformat(value).isoformat()
    if "T" not in value.upper():
        raise ValueError("a date is expected.")
    return datetime.fromisoformat(value).date().isoformat()


def _boolean(_field: Field, value: object, _switches: BooksSwitches) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is expected.")  # noqa: TRY004 - one kind of error for what is wrong with a value
    return value


def _integer(field: Field, value: object, switches: BooksSwitches) -> int:
    if isinstance(value, str) and switches.enumeration_names:
        value = next((number for number, name in field.values if name.lower() == value.lower()), value)
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() <= _MAX_EXPONENT and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number is expected.")  # noqa: TRY004 - one kind of error for what is wrong with a value
    size = _SIZES[field.format or "int32"]
    if not -size <= value < size:
        raise ValueError("the number is too large.")
    _bounds(field, value)
    if field.values and all(value != number for number, _ in field.values):
        raise ValueError(f"{value} is not one of {', '.join(str(number) for number, _ in field.values)}.")
    return value


def _number(field: Field, value: object, switches: BooksSwitches) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("a number is expected.")  # noqa: TRY004 - one kind of error for what is wrong with a value
    number = Decimal(value)
    if not number.is_finite() or (number and number.adjusted() > _MAX_EXPONENT) or len(number.as_tuple().digits) > _MAX_DIGITS:
        raise ValueError("the number is too large.")
    _bounds(field, number)
    exponent = number.as_tuple().exponent
    if field.decimals is None or not isinstance(exponent, int) or exponent >= -field.decimals:
        return number
    cut = number.quantize(Decimal(1).scaleb(-field.decimals), ROUND_HALF_UP)
    if cut != number and switches.refuse_extra_decimals:
        raise ValueError(f"at most {field.decimals} decimals are allowed.")
    return cut


def _bounds(field: Field, value: Decimal | int) -> None:
    if (field.minimum is not None and value < field.minimum) or (field.maximum is not None and value > field.maximum):
        raise ValueError(f"it must be between {field.minimum} and {field.maximum}.")


_CONVERT: Final[dict[str, Callable[[Field, object, BooksSwitches], Any]]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
}
