"""The expression language of mappings and filters."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from connectors.eaccounting import translate, wire
from daemon.core.debtors import CUSTOMER_FIELDS
from daemon.core.mapping import FUNCTIONS, MappingError, apply_fields, compile_expression, compile_map
from daemon.flows.products import PRODUCT_NAMES, _plain
from daemon.mappings import load_mappings, shipped
from daemon.settings import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

PRODUCT = {"product": {"name": "Kaars", "price": Decimal("1.005"), "ean": None}}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("product.price * 1.21", Decimal("1.21605")),
        ("round(product.price, 2)", Decimal("1.01")),
        ("cut(product.name, 3)", "Kaa"),
        ("default(product.ean, '-')", "-"),
        ("upper(product.name) if product.price > 1 else lower(product.name)", "KAARS"),
        ("not contains(product.name, 'x') and starts(product.name, 'K')", True),
        ("replace(strip(' a/b '), '/', '_')", "a_b"),
        ("number('2.50') + 1", Decimal("3.50")),
        ("text(product.ean)", ""),
    ],
)
def test_expressions_are_exact_over_plain_data(source: str, value: object) -> None:
    """No float ever meets an amount; none is no text."""
    assert compile_expression(source)(PRODUCT) == value


@pytest.mark.parametrize(
    "source",
    ["__import__('os')", "product.__class__", "9 ** 9 ** 9", "'a' * 99999999", "(lambda: 1)()", "unknown.name", "open('/etc/passwd')"],
)
def test_expressions_reach_nothing_but_their_data(source: str) -> None:
    """What could harm is refused, whether when it is compiled or when it is used."""
    with pytest.raises(MappingError):
        compile_expression(source)(PRODUCT)


@pytest.mark.parametrize("source", ["1 +", "x" * 501, "+".join(["1"] * 200), "(" * 60 + "1" + ")" * 60])
def test_an_expression_is_bounded(source: str) -> None:
    """Wrong, too long, too large or too deep is said before the first record."""
    if source.startswith("("):
        assert compile_expression(source)(PRODUCT) == 1  # brackets alone are no depth
        return
    with pytest.raises(MappingError):
        compile_expression(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("3999999**3999999", "pow is no part of an expression"),
        ("1 << 9999", "lshift is no part of an expression"),
        ("'x'.zfill(300000000)", "there is no .zfill"),
        ("product.name.ljust(300000000)", "there is no .ljust"),
        ("product.name.join('ab')", "there is no .join"),
        ("f'{product.name:>300000000}'", "joined str is no part of an expression"),
        ("product.name if True else [1] * 9", "list is no part of an expression"),
        ("product.name in ('a', 'b')", "tuple is no part of an expression"),
        ("[x for x in product.name]", "list comp is no part of an expression"),
        ("(y := 5)", "named expr is no part of an expression"),
        ("cut(*product.name)", "starred is no part of an expression"),
        ("cut(text='a', **product.name)", "cut: "),
        ("b'x'", "bytes is no value here"),
        ("1j", "complex is no value here"),
        ("...", "ellipsis is no value here"),
        ("9" * 400, "a number that nobody means"),
        ("1e400", "a number that nobody means"),
        ("-" * 400 + "1", "too large"),
        ("1\n2", "2 expressions"),
        ("product.name; product.ean", "2 expressions"),
        ("name = 5", "assign is no expression"),
        ("import os", "import is no expression"),
        ("", "0 expressions"),
        ("cut(product.name, 3)(1)", "what is called is no function"),
    ],
)
def test_what_could_cost_or_hide_something_is_refused_when_it_is_compiled(source: str, says: str) -> None:
    """Powers, methods, formats, loops, and a second expression that nobody would evaluate: before the first record."""
    with pytest.raises(MappingError, match=re.escape(says)):
        compile_expression(source)


@pytest.mark.parametrize(
    "source",
    [
        "'a' * 10001",
        "1000000 * 'abc'",
        "replace(product.long, 'a', product.long)",
        "replace(product.long, '', product.long)",
        "product.long + product.long",
        "'%300000000d' % 5",
        "product.categories * 1000000",
        "product.huge * 1",
        "product.price + product.nan",
        "text(product.huge)",
        "cut(product.name, product.huge)",
        "round(1, 999999999)",
        "999999999999999999 * 999999999999999999",
        "999999999999999999 + 1",
        "1 / 999999999999999999 / 999999999999999999",
        "number('4_95')",
        "number('NaN')",
        "number('1e999999999')",
        "number('٤')",
        "number('9' * 5000)",
        "product.name.upper",
        "product.items",
    ],
)
def test_a_value_does_not_grow_on_its_way(source: str) -> None:
    """Whatever the record holds: length, digits and items are bounded at every step, and it takes no time to find out."""
    record = {
        "name": "Kaars",
        "long": "a" * 9_999,
        "price": Decimal(1),
        "categories": ["x"] * 10,
        "huge": Decimal("1e20000000"),
        "nan": Decimal("NaN"),
    }
    began = time.process_time()
    with pytest.raises(MappingError):
        compile_expression(source)({"product": record})
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 / 4", Decimal("0.25")),
        ("'-' * 3", "---"),
        ("7 // 2 + 7 % 4", 6),
        ("product.name[0:2]", "Ka"),
        ("product['name'] is not None", True),
        ("'a' in product.name", True),
        ("number(' 4.95 ') + number(1)", Decimal("5.95")),
        ("-product.price if product.price > 0 else +product.price", Decimal("-1.005")),
    ],
)
def test_what_a_shop_needs_is_still_there(source: str, value: object) -> None:
    """Arithmetic that stays exact, pieces of texts, comparisons."""
    result = compile_expression(source)(PRODUCT)
    assert (result, type(result)) == (value, type(value))


def test_a_field_that_is_not_written_is_named() -> None:
    """The place of the mistake is part of the error."""
    with pytest.raises(ExceptionGroup) as caught:
        compile_map({"create": {"colour": "1"}}, allowed=frozenset({"name"}))
    [error] = caught.value.exceptions
    assert isinstance(error, MappingError)
    assert error.names == ("create", "colour")


def test_create_and_update_are_mapped_apart() -> None:
    """What is written once need not be overwritten later."""
    mapped = compile_map({"create": {"name": "product.name"}, "update": {}}, allowed=frozenset({"name"}))
    assert apply_fields(mapped.create, PRODUCT) == {"name": "Kaars"}
    assert apply_fields(mapped.update, PRODUCT) == {}


def test_the_shipped_mapping_is_the_one_that_is_used() -> None:
    """The defaults load, and cover a line of every kind."""
    files = load_mappings(None)
    assert files.products.create["sku"].source == "product.sku"
    assert {kind.value for kind, _ in files.articles} == {"free", "shipping", "discount", "voucher", "rounding"}


def test_a_shop_overrides_field_by_field(tmp_path: Path) -> None:
    """One line changes one field; an empty text takes a field out."""
    (tmp_path / "products.toml").write_text('[create]\nname = "upper(product.name)"\n[update]\nprice = ""\n', encoding="utf-8")
    files = load_mappings(tmp_path)
    assert files.products.create["name"].source == "upper(product.name)"
    assert files.products.create["sku"].source == "product.sku"
    assert "price" not in files.products.update


def said(folder: Path, **files: str) -> list[str]:
    """Write mapping files and return what is said of them, line by line, the folder left out."""
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_mappings(folder)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[create]\nname = "1 +"\n', "products.toml:2:12: create.name: '1 +': invalid syntax, expected an expression"),
        ("[create\n", "products.toml:1:8: expected ']' at the end of a table declaration, expected TOML"),
        ('[crate]\nname = "1"\n', "products.toml:1:2: crate: unknown table, expected create"),
        (
            '[create]\nname = "product.name; 1"\n',
            "products.toml:2:23: create.name: 'product.name; 1': 2 expressions, expected one expression",
        ),
        (
            '[create]\nname = "2 ** product.price"\n',
            "products.toml:2:9: create.name: '2 ** product.price': pow is no part of an expression, expected an expression",
        ),
        ('[create]\nname = "\\u001b[2J"\n', "products.toml:2:1: create.name: has the control character U+001B in it, expected text that"),
        ("create = 5\n", "products.toml:1:1: create: not a table, expected a table of expressions"),
        ("[[update]]\n", "products.toml:1:3: update: not a table, expected a table of expressions"),
        ("[create]\nname = 5\n", "products.toml:2:1: create.name: not a text, expected an expression in quotes"),
        ('[create]\nnaam = ""\n', "products.toml:2:1: create.naam: unknown field, expected name"),
        ("filter = 1\n", "products.toml:1:1: filter: not a text, expected an expression in quotes"),
        ('[update]\nname = " product.nme"\n', "products.toml:2:18: update.name: ' product.nme': there is no product.nme, expected name"),
        ("filter = 'prod.active'\n", "products.toml:1:11: filter: 'prod.active': there is no prod, expected product"),
        (
            '[create]\nname = """\nproduct.nme"""\n',
            "products.toml:2:1: create.name: 'product.nme': there is no product.nme, expected name",
        ),
        (
            "[create]\nname = \"product['nme']\"\n",
            "products.toml:2:18: create.name: \"product['nme']\": there is no product.nme, expected name",
        ),
        (
            '[create]\ndescription = "product.description"\n',
            "products.toml:2:24: create.description: 'product.description': there is no product.description, expected one of active",
        ),
        (
            '[create]\nname = "product.name.uper()"\n',
            "products.toml:2:22: create.name: 'product.name.uper()': there is no .uper, expected upper",
        ),
        (
            '[create]\nname = "uper(product.name)"\n',
            "products.toml:2:9: create.name: 'uper(product.name)': there is no function uper, expected",
        ),
        (
            '[create]\nname = "cut(product.name)"\n',
            "products.toml:2:9: create.name: 'cut(product.name)': cut: missing a required argument: 'length', expected cut(text, length)",
        ),
        (
            '[create]\nname = "product"\n',
            "products.toml:2:9: create.name: 'product': product alone is no value, expected a field of it, like product.active",
        ),
    ],
)
def test_a_wrong_mapping_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    """File, line, column, what is wrong and what was probably meant, before the first record."""
    [only] = said(tmp_path, products=text)
    assert only.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[sku]]\n", "sales.toml:1:3: sku: not a table, expected [sku]"),
        ("[[articles]]\n", "sales.toml:1:3: articles: not a table, expected [articles]"),
        *(
            (f'[articles.free]\n"{rate}" = "X"\n', "sales.toml:2:1: articles.free.")
            for rate in ("2_1", "nan", "-0", "1e1", "٩", "Infinity", "100.1")
        ),
        *(
            (f"[sku]\nA = {number}\n", "sales.toml:2:1: sku.A: not an article number")
            for number in ("-1", '"a\\nb"', "''", "1.5", f"'{'9' * 200}'")
        ),
    ],
)
def test_a_table_of_articles_that_makes_no_sense_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    """Rates as a country writes them, numbers that an article can have, tables that are tables."""
    [only] = said(tmp_path, sales=text)
    assert only.startswith(line)


def test_everything_that_is_wrong_in_all_files_is_said_at_once(tmp_path: Path) -> None:
    """Also files and tables that nobody would read, and a filter where none is used."""
    (tmp_path / "prodcuts.toml").touch()
    (tmp_path / "sales.tml").touch()
    (tmp_path / "products.toml~").touch()
    (tmp_path / "README").touch()
    assert said(
        tmp_path,
        products='[create]\nname = "product.nme"\nprice = "product.prise"\n[update]\nname = "customer.name"\n',
        customers='filter = "customer.emial"\n[create]\nemail = "customer.emial"\n',
        sales='[article.free]\n21 = "X"\n[articles.fre]\n21 = "X"\n[articles.free]\n"121" = "X"\n21 = ["X"]\n9.0 = "Y"\n[sku]\nA = true\n',
    ) == [
        "prodcuts.toml: is no mapping file, so nobody would read it, expected products.toml",
        "sales.tml: is no mapping file, so nobody would read it, expected sales.toml",
        "products.toml:2:17: create.name: 'product.nme': there is no product.nme, expected name",
        "products.toml:3:18: create.price: 'product.prise': there is no product.prise, expected price",
        "products.toml:5:9: update.name: 'customer.name': there is no customer, expected product",
        "customers.toml:1:1: filter: unknown table, expected one of create, update",
        "customers.toml:3:19: create.email: 'customer.emial': there is no customer.emial, expected email",
        "sales.toml:1:2: article: unknown table, expected articles",
        "sales.toml:7:1: articles.free.21: not an article number, expected an article number in quotes",
        "sales.toml:8:1: articles.free.9: not an article number, expected an article number in quotes",
        "sales.toml:6:1: articles.free.121: not a VAT rate, expected a percentage from 0 to 100",
        "sales.toml:3:11: articles.fre: unknown kind of line, expected free",
        "sales.toml:10:1: sku.A: not an article number, expected an article number in quotes",
    ]


@pytest.mark.parametrize(("file", "names"), [("products.toml", {*FUNCTIONS, *PRODUCT_NAMES}), ("customers.toml", CUSTOMER_FIELDS)])
def test_every_name_is_documented_where_it_is_used(file: str, names: set[str]) -> None:
    """The head of a mapping file lists what an expression may name and call, and nothing else."""
    head = (shipped() / file).read_text(encoding="utf-8").partition("\n[")[0]
    assert [name for name in names if not re.search(rf"\b{name}\b", head)] == []
    assert set(re.findall(r"(?:product|customer)? ?\.([a-z_]+)", head.partition("Functions")[0])) - {"toml"} <= names


FULL = {
    "Id": "a",
    "Number": "S",
    "ChangedUtc": "2026-03-16T08:00:00Z",
    "Name": "Kaars",
    "IsActive": True,
    "GrossPrice": "4.95",
    "CodingId": "c",
    "UnitName": "stuk",
    "PurchasePrice": "2",
    "ArticleLabels": [{"Name": "Wonen"}],
    "IsServiceArticle": True,
    "Barcodes": [{"Barcode": "8710000000001"}],
}


def test_the_names_of_an_article_are_filled_by_the_books() -> None:
    """A name that stands for nothing, as ``product.description`` did, is not offered: every one is told by an article that has it all."""
    coding = wire.Coding.model_validate({"Id": "c", "VatRatePercent": "0.21", "ChangedUtc": "2026-03-16T08:00:00Z"})
    article = wire.Article.model_validate(FULL)
    told = translate.product(article, {"c": coding}, stock_module=True)
    plain = _plain(told, frozenset({"S"}))
    assert {name for name in PRODUCT_NAMES if plain[name] in (None, "", [], ())} == set()
    assert set(plain) == PRODUCT_NAMES
