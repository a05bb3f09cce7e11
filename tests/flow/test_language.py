"""A Dutch shop is spoken to in Dutch: commands, alerts and the page; keys, codes and a vendor's own words stay as they are."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import anyio

from connectors.sandbox.outages import Outage
from daemon.cli.answer import questions
from daemon.cli.state import why
from daemon.core.ids import PairId
from daemon.core.message import Message
from daemon.settings import load
from daemon.state.port import Question
from daemon.web.page import render
from tests.flow.language import english_in
from tests.flow.running import running
from tests.flow.shop import line, open_shop, receipt, world

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.flow.shop import Shop

PAIR, MINUTE = "shop/till", 60


def speak(shop: Shop, language: str) -> None:
    """Set the language; it holds from the next process on."""
    path = shop.directory / "kassabrug.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("[daemon]\n", f'[daemon]\nlanguage = "{language}"\n'), encoding="utf-8")
    shop.settings = load(path)


async def held_shop(folder: Path, language: str) -> Shop:
    """A receipt paid with a method nobody knows, one for an article that is missing, and a mass change of prices."""
    shop = open_shop(
        folder,
        world(receipt("R1", line(), paymethod="ideal"), receipt("R2", line("WEG-1"), minute=1), receipt("R3", line(), minute=2)),
        payment_methods='pin = "Pin"\n',
    )
    speak(shop, language)
    async with shop.process() as bridge:
        await bridge.settle()
    return shop


def typed(shop: Shop, **more: object) -> argparse.Namespace:
    """What was typed."""
    return argparse.Namespace(config=shop.directory / "kassabrug.toml", state_dir=shop.directory / "state", **{"json": False, **more})


async def told(shop: Shop, capsys: pytest.CaptureFixture[str], **more: object) -> str:
    """What ``questions`` and ``why`` print."""
    capsys.readouterr()
    assert await questions(typed(shop, **more)) == 1
    assert await why(typed(shop, record="R1", **more)) == 1
    return capsys.readouterr().out


async def test_commands_speak_dutch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The question, the reason and what it means, and what stands around them."""
    out = await told(await held_shop(tmp_path, "nl"), capsys)
    assert "payment_method:ideal: Op welke rekening in de boekhouding komt wat met iDEAL is betaald? (1 wachten)" in out
    assert "payment_method_unknown: voor deze betaalwijze is geen rekening ingesteld: beantwoord de vraag" in out
    assert english_in(out) == []


async def test_the_same_state_is_shown_in_another_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked while Dutch was spoken is English when English is; what is looked for here is found there."""
    shop = await held_shop(tmp_path, "nl")
    path = shop.directory / "kassabrug.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('language = "nl"\n', ""), encoding="utf-8")
    out = await told(shop, capsys)
    assert "payment_method:ideal: Which account of the books takes what is paid with iDEAL? (1 waiting)" in out
    assert len(english_in(out)) >= 2


async def test_whoever_reads_json_has_the_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its values, whatever the language; the text is beside it."""
    shop = await held_shop(tmp_path, "nl")
    capsys.readouterr()
    await questions(typed(shop, json=True))
    [asked] = json.loads(capsys.readouterr().out)["questions"]
    assert asked["says"] == {"says": "question.account", "with": {"method": "iDEAL"}}
    assert asked["text"].startswith("Op welke rekening")


async def test_a_question_of_an_earlier_version_is_shown_as_it_was_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was stored as a sentence: the sentence stays, and its answer lets go on what waited for it."""
    shop = await held_shop(tmp_path, "nl")
    old = "Which account of the books takes what is paid with iDEAL?"
    async with shop.process() as bridge:
        [now] = await bridge.store.questions()
        assert isinstance(now.text, Message)
        await bridge.store.transact(lambda connection: connection.execute("UPDATE question SET text = ?", (old,)))
        [before] = await bridge.store.questions()
        assert before.text == old
    out = await told(shop, capsys)
    assert f"{now.key}: {old}" in out
    async with shop.process() as bridge:
        assert await bridge.store.answer(PairId(PAIR), now.key, "iDEAL") == 1
        await bridge.settle()
        assert "R1" not in await bridge.held()
        await bridge.store.ask(Question(PairId(PAIR), "old:one", "sales", "Een zin.", ()))
        assert [one.text for one in await bridge.store.questions()] == ["Een zin."]


async def test_an_alert_and_the_page_speak_dutch(tmp_path: Path) -> None:
    """The headline, every table, and what is sent; what a vendor says stays as it is."""
    shop = await held_shop(tmp_path, "nl")
    async with running(shop) as daemon:
        await anyio.sleep(5 * MINUTE)
        page = render(await daemon.supervisor.health.overview())
        assert "wachten op een mens; de andere gaan door" in page
        assert "voor deze betaalwijze is geen rekening ingesteld" in page
        assert english_in(page) == []
        shop.books.outages.begin(Outage(kind="status_500"))
        await anyio.sleep(20 * MINUTE)
        page = render(await daemon.supervisor.health.overview())
        assert "De verbinding books antwoordt niet" in page
        assert english_in(page) == []
        assert {"Kassabrug: De verbinding books antwoordt niet", "Kassabrug: shop/till:sales: 2 record(s) wachten op een mens"} <= set(
            daemon.told
        )
        assert english_in("\n".join(daemon.told)) == []
