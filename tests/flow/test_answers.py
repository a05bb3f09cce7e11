"""Answers of people: corrected, taken back, overruled by the configuration; judged by where the books show the money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.core.ids import PairId
from daemon.settings import load
from daemon.text import ENGLISH
from tests.flow.shop import D, line, open_shop, receipt, world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connectors.sandbox.world import WorldReceipt
    from tests.flow.shop import Bridge, Shop

PAIR, IDEAL, PIN_ONLY = "shop/till", "payment_method:ideal", 'pin = "Pin"\n'


def sale(number: str, *, minute: int = 0, paymethod: str = "ideal") -> WorldReceipt:
    """A receipt of 4.95 paid with a method that the configuration does not know."""
    return receipt(number, line(), minute=minute, paymethod=paymethod)


def configure(shop: Shop, old: str, new: str) -> None:
    """Change the configuration; it holds from the next process on."""
    path = shop.directory / "kassabrug.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    shop.settings = load(path)


def money(shop: Shop) -> Mapping[str, object]:
    """What the books say was paid, by account."""
    return shop.books.ledger().payments


async def events(bridge: Bridge, label: str) -> list[tuple[str, str]]:
    """What the activity log says of a question, oldest first."""
    return [(one.event, ENGLISH(one.detail)) for one in reversed(await bridge.store.activity(label=label))]


async def test_a_wrong_answer_is_corrected_and_what_was_booked_with_it_is_named(tmp_path: Path) -> None:
    """What was booked stays and is told; what comes after goes where it belongs; who and when is known."""
    shop = open_shop(tmp_path, world(sale("R1"), sale("R2", minute=1)), payment_methods=PIN_ONLY)
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.store.answer(PairId(PAIR), IDEAL, "Kas", by="jip") == 2
        await bridge.settle()
        assert money(shop) == {"Kas": D("9.90")}
        assert await bridge.store.answer(PairId(PAIR), IDEAL, "iDEAL", by="ans") == 0
        assert [(use.label, use.answer) for use in await bridge.store.answer_uses(PairId(PAIR), IDEAL)] == [("R1", "Kas"), ("R2", "Kas")]
        shop.till.ring_up(sale("R3", minute=2))
        await bridge.settle()
        assert [(use.label, use.answer) for use in await bridge.store.answer_uses(PairId(PAIR), IDEAL)][2:] == [("R3", "iDEAL")]
        [standing] = await bridge.store.questions(answered=True)
        assert (standing.answer, standing.answered_by) == ("iDEAL", "ans")
        assert await events(bridge, IDEAL) == [("answered", "Kas (by jip)"), ("answered", "iDEAL instead of Kas (by ans)")]
    assert money(shop) == {"Kas": D("9.90"), "iDEAL": D("4.95")}


async def test_an_answer_taken_back_was_never_given(tmp_path: Path) -> None:
    """The next receipt asks again, and waits."""
    shop = open_shop(tmp_path, world(sale("R1")), payment_methods=PIN_ONLY)
    async with shop.process() as bridge:
        await bridge.settle()
        await bridge.store.answer(PairId(PAIR), IDEAL, "Kas")
        await bridge.settle()
        assert await bridge.store.revoke_answer(PairId(PAIR), IDEAL, by="ans") == 0
        assert [(use.label, use.answer) for use in await bridge.store.answer_uses(PairId(PAIR), IDEAL)] == [("R1", "Kas")]
        shop.till.ring_up(sale("R2", minute=1))
        await bridge.settle()
        assert await bridge.held() == {"R2": "payment_method_unknown"}
        assert [question.key for question in await bridge.store.questions()] == [IDEAL]
        assert (await events(bridge, IDEAL))[-1] == ("revoked", "Kas (by ans)")
    assert money(shop) == {"Kas": D("4.95")}


def close_account(shop: Shop, name: str) -> None:
    """Let the bookkeeper make an account inactive."""
    accounts = shop.books.books.bank_accounts
    [account] = [row for row in accounts.rows.values() if row["Name"] == name]
    accounts.update(account, IsActive=False)


async def test_what_was_refused_with_an_answer_goes_on_with_another(tmp_path: Path) -> None:
    """The account was closed a moment ago and the books refuse the payment: the receipt has no question, but belongs to the answer."""
    shop = open_shop(tmp_path, world(sale("R1")), payment_methods=PIN_ONLY)
    async with shop.process() as bridge:
        await bridge.settle()
        await bridge.store.answer(PairId(PAIR), IDEAL, "iDEAL")
        await bridge.settle()
        close_account(shop, "iDEAL")
        shop.till.ring_up(sale("R2", minute=1))
        await bridge.settle()
        assert await bridge.held() == {"R2": "rejected"}
        assert await bridge.store.answer(PairId(PAIR), IDEAL, "Pin") == 1
        await bridge.settle()
        assert await bridge.held() == {}
        assert len(shop.references()) == 2
    assert money(shop) == {"iDEAL": D("4.95"), "Pin": D("4.95")}


async def test_an_answer_that_does_not_help_any_more_is_asked_for_again(tmp_path: Path) -> None:
    """The account of the answer is closed: its receipts wait for another answer, which releases them."""
    shop = open_shop(tmp_path, world(sale("R1")), payment_methods=PIN_ONLY)
    async with shop.process() as bridge:
        await bridge.settle()
        await bridge.store.answer(PairId(PAIR), IDEAL, "iDEAL")
        await bridge.settle()
    close_account(shop, "iDEAL")
    shop.till.ring_up(sale("R2", minute=1))
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {"R2": "money_account_missing"}
        [question] = await bridge.store.questions()
        assert (question.key, question.answer, question.waiting) == (IDEAL, None, 1)
        assert "iDEAL" in ENGLISH(question.text)
        assert await bridge.store.answer(PairId(PAIR), IDEAL, "Pin") == 1
        await bridge.settle()
        assert await bridge.held() == {}
    assert money(shop) == {"iDEAL": D("4.95"), "Pin": D("4.95")}


async def test_the_configuration_overrules_an_answer_and_releases_what_it_held(tmp_path: Path) -> None:
    """From the next start on the file holds, whatever was answered; and the answer does not come back with the line taken out again."""
    shop = open_shop(tmp_path, world(sale("R1")), payment_methods=PIN_ONLY)
    async with shop.process() as bridge:
        await bridge.settle()
        await bridge.store.answer(PairId(PAIR), IDEAL, "Kas")
        await bridge.settle()
    configure(shop, PIN_ONLY, PIN_ONLY + 'ideal = "iDEAL"\n')
    shop.till.ring_up(sale("R2", minute=1))
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.store.answers(PairId(PAIR)) == {}
        assert (await events(bridge, IDEAL))[-1] == ("configured", "iDEAL instead of the answer Kas")
    assert money(shop) == {"Kas": D("4.95"), "iDEAL": D("4.95")}
    configure(shop, 'ideal = "iDEAL"\n', "")
    shop.till.ring_up(sale("R3", minute=2))
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {"R3": "payment_method_unknown"}


async def test_a_question_answered_in_the_configuration_is_answered_at_the_next_start(tmp_path: Path) -> None:
    """Receipts that waited go on by themselves, and nobody is asked any more."""
    shop = open_shop(tmp_path, world(sale("R1"), sale("R2", minute=1)), payment_methods=PIN_ONLY)
    async with shop.process() as bridge:
        await bridge.settle()
        assert len(await bridge.held()) == 2
    configure(shop, PIN_ONLY, PIN_ONLY + 'ideal = "iDEAL"\n')
    async with shop.process() as bridge:
        await bridge.settle()
        assert (await bridge.held(), await bridge.store.questions()) == ({}, [])
    assert money(shop) == {"iDEAL": D("9.90")}


async def test_a_configuration_that_was_wrong_is_corrected(tmp_path: Path) -> None:
    """No question stands, but what was held for the wrong line goes on with the right one."""
    shop = open_shop(tmp_path, world(sale("R1")), payment_methods='ideal = "iDAEL"\n')
    async with shop.process() as bridge:
        await bridge.settle()
        assert (await bridge.held(), await bridge.store.questions()) == ({"R1": "money_account_missing"}, [])
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {"R1": "money_account_missing"}
    configure(shop, "iDAEL", "iDEAL")
    async with shop.process() as bridge:
        await bridge.settle()
        assert await bridge.held() == {}
    assert money(shop) == {"iDEAL": D("4.95")}


async def test_a_question_names_what_there_is_to_answer_with(tmp_path: Path) -> None:
    """The accounts of the books; for a line without an article, the articles of its VAT rate."""
    free = receipt("R2", line("", kind="free", rate="9", price="2.00"), minute=1)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sales.toml").write_text('[articles.free]\n9 = ""\n', encoding="utf-8")
    shop = open_shop(tmp_path, world(sale("R1"), free), payment_methods=PIN_ONLY)
    configure(shop, 'tills = ["till"]', 'tills = ["till"]\nmapping = "own"')
    async with shop.process() as bridge:
        await bridge.settle()
        offers = {question.key: question.offers for question in await bridge.store.questions()}
        names = [row["Name"] for row in shop.books.books.bank_accounts.rows.values() if row["IsActive"]]
        assert sorted(offers[IDEAL]) == sorted(names)
        assert {"KB-FREE-9", "THEE-1", "BOEK-1"} <= set(offers["article:free:9"])
        assert not {"KAARS-1", "KB-FREE-21"} & set(offers["article:free:9"])
        await bridge.store.answer(PairId(PAIR), "article:free:9", "KB-FREE-9")
        await bridge.settle()
        assert await bridge.held() == {"R1": "payment_method_unknown"}
        assert [use.label for use in await bridge.store.answer_uses(PairId(PAIR), "article:free:9")] == ["R2"]
