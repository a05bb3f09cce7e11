"""Reading the mapping files: the shipped defaults, and a shop's own file over each of them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.core.booking import HELPED_KINDS
from daemon.core.debtors import CUSTOMER_FIELDS
from daemon.core.mapping import FieldMap, MappingError, compile_map
from daemon.core.sku import sku_key
from daemon.flows.products import PRODUCT_FIELDS, PRODUCT_NAMES
from daemon.settings import ConfigurationError
from daemon.settings.document import Document, cause, read_document
from daemon.settings.problems import likely

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.model import LineKind
    from daemon.core.mapping import Names
    from daemon.settings import LinkSettings

FILES = ("products.toml", "customers.toml", "sales.toml")
_SALES_TABLES = ("articles", "sku")
_WHOLE = Decimal(100)
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
#: characters of an article's number
_LONGEST_NUMBER = 100


@dataclass(frozen=True, slots=True)
class MappingFiles:
    """The mappings of one link.  ``articles`` maps (kind of line, VAT percentage) to an article number of the books."""

    products: FieldMap
    customers: FieldMap
    articles: Mapping[tuple[LineKind, Decimal], str]
    skus: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a mapping of one kind of record may write, and what its expressions may name.  ``filtered``: whether there is a filter."""

    fields: frozenset[str]
    names: Names
    filtered: bool


_PRODUCTS = Vocabulary(PRODUCT_FIELDS, {"product": PRODUCT_NAMES}, filtered=True)
_CUSTOMERS = Vocabulary(CUSTOMER_FIELDS, {"customer": CUSTOMER_FIELDS}, filtered=False)


def shipped() -> Path:
    """Return the folder of the mapping that the program itself uses.

    An installed package carries it; in the source tree it lies where people read it, and nowhere else.
    """
    package = Path(str(resources.files("daemon")))
    installed = package / "shipped" / "mapping"
    return installed if installed.is_dir() else package.parent / "config" / "mapping"


@dataclass(frozen=True, slots=True)
class _Layered:
    """A shipped file with a shop's own one over it; ``data`` is what holds."""

    data: Mapping[str, Any]
    own: Document
    default: Document

    def where(self, names: Sequence[str], *, offset: int | None = None) -> str:
        """Name the file from which this key comes, and its place in it."""
        document = self.default if tuple(names) in self.default.keys and tuple(names) not in self.own.keys else self.own
        return document.where(names, offset=offset)

    def error(self, error: MappingError) -> ConfigurationError:
        expected = likely(error.unknown, error.known) if error.unknown else error.expected
        return ConfigurationError(self.where(error.names, offset=error.offset), ".".join(error.names), str(error), expected)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another, field by field; an empty text takes a field out that is there."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif value == "" and key in merged:
            del merged[key]
        else:
            merged[key] = value
    return merged


def _layered(name: str, own: Path | None) -> _Layered:
    default = read_document(shipped() / name)
    if own is None:
        return _Layered(default.data, default, default)
    try:
        over = read_document(own / name)
    except FileNotFoundError:
        over = Document(own / name, {})
    return _Layered(_merged(default.data, over.data), over, default)


def _strangers(own: Path) -> Iterator[ConfigurationError]:
    """Yield the files of a shop's folder that look like a mapping and would be read by nobody."""
    try:
        present = sorted(path.name for path in own.iterdir() if not path.name.startswith("."))
    except OSError as error:
        yield ConfigurationError(str(own), "", f"cannot read it ({cause(error)})", "the folder of the mapping files")
        return
    stems = {Path(name).stem: name for name in FILES}
    for name in present:
        path = Path(name)
        if name not in FILES and (path.suffix.lower() == ".toml" or (path.suffix[1:].isalnum() and path.stem.lower() in stems)):
            meant = stems.get(path.stem.lower()) or likely(name, FILES)
            yield ConfigurationError(str(own / name), "", "is no mapping file, so nobody would read it", meant)


class _Sales:
    """Reads the tables of ``sales.toml`` and keeps what is wrong."""

    def __init__(self, file: _Layered) -> None:
        self._file = file
        self.errors: list[ConfigurationError] = []
        for name in file.data:
            if name not in _SALES_TABLES:
                self._wrong((name,), "unknown table", likely(name, _SALES_TABLES))

    def _wrong(self, names: tuple[str, ...], what: str, expected: str) -> None:
        self.errors.append(ConfigurationError(self._file.where(names), ".".join(names), what, expected))

    def _table(self, *names: str) -> dict[str, Any]:
        table: Any = self._file.data
        for name in names:
            table = table.get(name, {})
        if isinstance(table, dict):
            return table
        self._wrong(names, "not a table", f"[{'.'.join(names)}]")
        return {}

    def _number(self, names: tuple[str, ...], number: object) -> str:
        if isinstance(number, str) and number.strip() and number.isprintable() and len(number) <= _LONGEST_NUMBER:
            return number
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return str(number)
        self._wrong(names, "not an article number", "an article number in quotes")
        return ""

    def articles(self) -> dict[tuple[LineKind, Decimal], str]:
        """The article of the books for each kind of line and VAT rate."""
        kinds = {kind.value: kind for kind in HELPED_KINDS}
        articles: dict[tuple[LineKind, Decimal], str] = {}
        for kind in self._table("articles"):
            if kind not in kinds:
                self._wrong(("articles", kind), "unknown kind of line", likely(kind, kinds))
                continue
            for rate, number in self._table("articles", kind).items():
                percentage = _percentage(rate)
                if percentage is None:
                    self._wrong(("articles", kind, rate), "not a VAT rate", "a percentage from 0 to 100")
                elif (kinds[kind], percentage) in articles:
                    self._wrong(("articles", kind, rate), "the same VAT rate twice", "each once")
                else:
                    articles[kinds[kind], percentage] = self._number(("articles", kind, rate), number)
        return articles

    def skus(self) -> dict[str, str]:
        """The article of the books for each SKU of the till that is called otherwise there."""
        return {sku_key(sku): self._number(("sku", sku), number) for sku, number in self._table("sku").items()}


def _percentage(text: str) -> Decimal | None:
    rate = Decimal(text) if _RATE.fullmatch(text) else None
    return rate if rate is not None and rate <= _WHOLE else None


def _compiled(file: _Layered, words: Vocabulary, errors: list[ConfigurationError]) -> FieldMap:
    try:
        return compile_map(file.data, allowed=words.fields, known=words.names, filtered=words.filtered)
    except ExceptionGroup as group:
        errors += [file.error(error) for error in group.exceptions if isinstance(error, MappingError)]
        return FieldMap({}, {})


def load_mappings(own: Path | None) -> MappingFiles:
    """Read the mapping files; ``own`` is a shop's folder whose files override the defaults field by field.

    Raises:
        ConfigurationError: everything that is wrong, a line each, with file, line, column and what was probably meant.
    """
    if own is not None and not own.is_dir():
        raise ConfigurationError(str(own), "", "no such folder", "the folder of the mapping files")
    errors = [] if own is None else list(_strangers(own))
    layers: dict[str, _Layered] = {}
    for name in FILES:
        try:
            layers[name] = _layered(name, own)
        except ConfigurationError as error:
            errors.append(error)
            layers[name] = _layered(name, None)
    sales = _Sales(layers["sales.toml"])
    files = MappingFiles(
        _compiled(layers["products.toml"], _PRODUCTS, errors),
        _compiled(layers["customers.toml"], _CUSTOMERS, errors),
        sales.articles(),
        sales.skus(),
    )
    errors += sales.errors
    if errors:
        raise ConfigurationError.together(errors)
    return files


def load_all(links: Mapping[str, LinkSettings]) -> dict[str, MappingFiles]:
    """Read the mapping files of every link.

    Raises:
        ConfigurationError: everything that is wrong in any of them.
    """
    loaded: dict[str, MappingFiles] = {}
    errors: list[ConfigurationError] = []
    by_folder: dict[Path | None, list[str]] = defaultdict(list)
    for name, link in links.items():
        by_folder[link.mapping].append(name)
    for folder, names in by_folder.items():
        try:
            loaded |= dict.fromkeys(names, load_mappings(folder))
        except ConfigurationError as error:
            errors.append(error)
    if errors:
        raise ConfigurationError.together(errors)
    return loaded
