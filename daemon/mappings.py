"""Reading the mapping files: the shipped defaults, and a shop's own file over each of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.core.booking import HELPED_KINDS
from daemon.core.mapping import FieldMap, MappingError, compile_map
from daemon.core.sku import sku_key
from daemon.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.model import LineKind

#: where the defaults lie: in the source tree, or beside the package when it was installed
_DEFAULTS = (Path(__file__).parent.parent / "config" / "mapping", Path(__file__).parent / "_config" / "mapping")


@dataclass(frozen=True, slots=True)
class MappingFiles:
    """The mappings of one link.  ``articles`` maps (kind of line, VAT percentage) to an article number of the books."""

    products: FieldMap
    customers: FieldMap
    articles: Mapping[tuple[LineKind, Decimal], str]
    skus: Mapping[str, str]


def _defaults() -> Path:
    return next(folder for folder in _DEFAULTS if folder.is_dir())


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(str(path), "", str(error), "a readable TOML file") from error


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another, field by field; an empty text takes a field out."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif value == "":
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _table(name: str, own: Path | None) -> tuple[dict[str, Any], str]:
    default = _defaults() / name
    table, where = _read(default), str(default)
    if own is not None and (over := _read(own / name)):
        table, where = _merged(table, over), str(own / name)
    return table, where


def _articles(table: Mapping[str, Any], where: str) -> dict[tuple[LineKind, Decimal], str]:
    kinds = {kind.value: kind for kind in HELPED_KINDS}
    articles = {}
    for kind, rates in table.items():
        if kind not in kinds or not isinstance(rates, dict):
            raise ConfigurationError(where, f"articles.{kind}", "unknown kind of line", f"one of {', '.join(kinds)}")
        for rate, number in rates.items():
            try:
                articles[kinds[kind], Decimal(rate)] = str(number)
            except InvalidOperation as error:
                raise ConfigurationError(where, f"articles.{kind}.{rate}", "not a VAT rate", "a percentage") from error
    return articles


def load_mappings(own: Path | None, *, product_fields: frozenset[str], customer_fields: frozenset[str]) -> MappingFiles:
    """Read the mapping files; ``own`` is a shop's folder whose files override the defaults field by field.

    Raises :class:`~daemon.settings.ConfigurationError` naming file, table and field.
    """
    if own is not None and not own.is_dir():
        raise ConfigurationError(str(own), "", "no such folder", "the folder of the mapping files")
    products, products_at = _table("products.toml", own)
    customers, customers_at = _table("customers.toml", own)
    sales, sales_at = _table("sales.toml", own)
    if unknown := set(sales) - {"articles", "sku"}:
        raise ConfigurationError(sales_at, min(unknown), "unknown table", "articles or sku")
    return MappingFiles(
        _compiled(products, product_fields, products_at),
        _compiled(customers, customer_fields, customers_at),
        _articles(sales.get("articles", {}), sales_at),
        {sku_key(sku): str(number) for sku, number in sales.get("sku", {}).items()},
    )


def _compiled(table: Mapping[str, Any], allowed: frozenset[str], where: str) -> FieldMap:
    try:
        return compile_map(table, allowed=allowed)
    except MappingError as error:
        raise ConfigurationError(where, error.key, str(error), error.expected) from error
