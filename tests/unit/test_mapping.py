"""The expression language of mappings and filters."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from daemon.core.debtors import CUSTOMER_FIELDS
from daemon.core.mapping import FUNCTIONS, MappingError, apply_fields, compile_expression, compile_map
from daemon.flows.products import PRODUCT_FIELDS
from daemon.mappings import load_mappings
from daemon.settings import ConfigurationError

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


def test_a_field_that_is_not_written_is_named() -> None:
    """The place of the mistake is part of the error."""
    with pytest.raises(MappingError) as caught:
        compile_map({"create": {"colour": "1"}}, allowed=frozenset({"name"}))
    assert caught.value.key == "create.colour"


def test_create_and_update_are_mapped_apart() -> None:
    """What is written once need not be overwritten later."""
    mapped = compile_map({"create": {"name": "product.name"}, "update": {}}, allowed=frozenset({"name"}))
    assert apply_fields(mapped.create, PRODUCT) == {"name": "Kaars"}
    assert apply_fields(mapped.update, PRODUCT) == {}


def test_the_shipped_mapping_is_the_one_that_is_used() -> None:
    """The defaults load, and cover a line of every kind."""
    files = load_mappings(None, product_fields=PRODUCT_FIELDS, customer_fields=CUSTOMER_FIELDS)
    assert files.products.create["sku"].source == "product.sku"
    assert {kind.value for kind, _ in files.articles} == {"free", "shipping", "discount", "voucher", "rounding"}


def test_a_shop_overrides_field_by_field(tmp_path: Path) -> None:
    """One line changes one field; an empty text takes a field out."""
    (tmp_path / "products.toml").write_text('[create]\nname = "upper(product.name)"\n[update]\nprice = ""\n', encoding="utf-8")
    files = load_mappings(tmp_path, product_fields=PRODUCT_FIELDS, customer_fields=CUSTOMER_FIELDS)
    assert files.products.create["name"].source == "upper(product.name)"
    assert files.products.create["sku"].source == "product.sku"
    assert "price" not in files.products.update


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[create]\nname = "1 +"\n', "create.name"),
        ("[create\n", "readable TOML"),
        ('[crate]\nname = "1"\n', "crate"),
        ("[create]\nname = 5\n", "create.name"),
    ],
)
def test_a_wrong_mapping_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    """File, place, and what was expected."""
    (tmp_path / "products.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_mappings(tmp_path, product_fields=PRODUCT_FIELDS, customer_fields=CUSTOMER_FIELDS)
    assert said in str(caught.value)
    assert "products.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_function_is_documented_where_it_is_used() -> None:
    """The mapping file lists what an expression may call."""
    shipped = (Path(__file__).parents[2] / "config" / "mapping" / "products.toml").read_text(encoding="utf-8")
    assert [name for name in FUNCTIONS if name not in shipped] == []
