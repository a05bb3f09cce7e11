"""A mapping that was changed reaches what it touches, also where nothing else changes any more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.core.ids import PairId
from daemon.flows.planning import plan_products
from daemon.settings import load
from tests.flow.shop import ARTICLES, open_shop, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flow.shop import Shop


def mapping(shop: Shop, **files: str) -> None:
    """Give the shop mapping files of its own; they hold from the next process on."""
    folder = shop.directory / "own"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    path = shop.directory / "kassabrug.toml"
    text = path.read_text(encoding="utf-8")
    if "mapping = " not in text:
        path.write_text(text.replace('tills = ["till"]', 'tills = ["till"]\nmapping = "own"'), encoding="utf-8")
    shop.settings = load(path)


def names(shop: Shop) -> set[str]:
    """What the products are called in the till."""
    return {str(product.values["name"]) for product in shop.till.till.products.values()}


CAPITALS = '[update]\nname = "upper(product.name)"\n'


async def test_a_changed_mapping_reaches_products_whose_articles_did_not_change(tmp_path: Path) -> None:
    """Every article is compared by the new mapping, once; what that leaves as it was is not written."""
    shop = open_shop(tmp_path, world())
    async with shop.process() as bridge:
        await bridge.settle()
        assert names(shop) == {article.name for article in ARTICLES}
    mapping(shop, products=CAPITALS)
    async with shop.process() as bridge:
        planned = await plan_products(bridge.pair.products, bridge.pair.context)
        assert {action.label for action in planned if action.verb == "update"} == {article.sku for article in ARTICLES}
        await bridge.settle("products")
        assert names(shop) == {article.name.upper() for article in ARTICLES}
        assert bridge.counts("products")["updated"] == len(ARTICLES)
    writes = shop.writes()
    async with shop.process() as bridge:
        assert await plan_products(bridge.pair.products, bridge.pair.context) == []
        await bridge.settle("products")
        assert bridge.counts("products") == {}
    assert shop.writes() == writes


async def test_a_filter_that_was_opened_lets_through_what_it_kept_back(tmp_path: Path) -> None:
    """An article that was skipped long ago is a product now."""
    shop = open_shop(tmp_path, world())
    mapping(shop, products="filter = \"not product.is_helper and product.sku != 'MOK-1'\"\n")
    async with shop.process() as bridge:
        await bridge.settle("products")
        assert "Mok" not in names(shop)
    mapping(shop, products="")
    async with shop.process() as bridge:
        await bridge.settle("products")
        assert "Mok" in names(shop)


async def test_a_process_that_dies_while_it_reads_anew_begins_again(tmp_path: Path) -> None:
    """The new mapping counts as taken in only when everything was read."""
    shop = open_shop(tmp_path, world())
    async with shop.process() as bridge:
        await bridge.settle("products")
    mapping(shop, products=CAPITALS)
    async with shop.process() as bridge:
        await bridge.pair.products.poll()
        await bridge.store.remember(PairId("shop/till"), {"mapping:products": "as before"})
    async with shop.process() as bridge:
        await bridge.settle("products")
    assert names(shop) == {article.name.upper() for article in ARTICLES}


async def test_a_changed_mapping_of_many_products_stops_and_asks(tmp_path: Path) -> None:
    """The brake looks at it like at any other mass change."""
    many = tuple(replace(ARTICLES[0], sku=f"KAARS-{number}", name=f"Kaars {number}") for number in range(30))
    shop = open_shop(tmp_path, world(articles=many))
    async with shop.process() as bridge:
        await bridge.settle()
    mapping(shop, products='[update]\nprice = "product.price * 2"\n')
    before = shop.writes()
    async with shop.process() as bridge:
        await bridge.settle("products")
        assert [question.flow for question in await bridge.store.questions()] == ["products"]
    assert shop.writes() == before


async def test_a_record_that_a_mapping_held_goes_on_with_the_corrected_one(tmp_path: Path) -> None:
    """An expression that fails on an article holds it; another expression lets it go."""
    shop = open_shop(tmp_path, world())
    mapping(shop, products='[create]\nname = "product.name + 1"\n')
    async with shop.process() as bridge:
        await bridge.settle("products")
        assert set((await bridge.held()).values()) == {"mapping_failed"}
    mapping(shop, products="")
    async with shop.process() as bridge:
        await bridge.settle("products")
        assert await bridge.held() == {}
    assert names(shop) == {article.name for article in ARTICLES}
