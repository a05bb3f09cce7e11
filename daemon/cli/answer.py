"""``questions`` and ``answer``: what waits for a person, and what a person says, corrects, or takes back."""

from __future__ import annotations

import os
import pwd
import random
from typing import TYPE_CHECKING, Any

import anyio

from connectors.port import ConnectorError
from daemon.app import Shared, assemble
from daemon.cli import show
from daemon.cli.session import configure, looking
from daemon.core.answers import wanted
from daemon.core.ids import PairId
from daemon.core.message import message, word
from daemon.engine.clock import SystemClock
from daemon.flows.answering import problem
from daemon.settings import state_directory
from daemon.state.port import WrongAnswer
from daemon.state.sqlite import open_store
from daemon.text import Speaker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from daemon.core.answers import Wanted
    from daemon.observe.metrics import Metrics
    from daemon.settings import Settings
    from daemon.state.port import AnswerUse, Question
    from daemon.state.store import SqliteStore


class _Refused(Exception):
    """The answer is not taken; the text says why."""


def who() -> str:
    """Return the user of this machine who types, and for whom it counts where that is another."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    person = os.environ.get("SUDO_USER", user)
    return user if person == user else f"{person} as {user}"


# -- questions --------------------------------------------------------------------------------------------------------------------


async def questions(args: argparse.Namespace) -> int:
    """Show what waits for an answer, and what was answered."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    say = Speaker(settings.daemon.language)
    async with looking(settings, args.state_dir) as store:
        found, answered = await store.questions(), await store.questions(answered=True)
    if args.json:
        show.json_line({"questions": [_open(one, say) for one in found], "answered": [_answered(one) for one in answered]})
        return 1 if found else 0
    for one in found:
        _print_open(one, say)
    if not found:
        show.OUT.print(say(message("cli.no_question")))
    for one in answered:
        at = _answered(one)["at"]
        by = message("cli.by", who=one.answered_by) if one.answered_by else ""
        show.OUT.print(say(message("cli.answered", key=one.key, answer=one.answer, at=at, by=by)), markup=False)
    return 1 if found else 0


def _print_open(one: Question, say: Speaker) -> None:
    choices = f" [{' | '.join(one.choices)}]" if one.choices else ""
    show.OUT.print(say(message("cli.question", key=one.key, text=one.text, choices=choices, waiting=one.waiting)), markup=False)
    for choice in one.choices:
        if say.has(what := word("choice", choice)):
            show.OUT.print(f"    {choice}: {say(what)}", markup=False)
    if one.offers:
        show.OUT.print(f"    {say(message('cli.offers', offers=one.offers))}", markup=False)


def _open(one: Question, say: Speaker) -> dict[str, Any]:
    return {
        "key": one.key,
        "link": one.pair,
        "text": say(one.text),
        **show.says(one.text),
        "choices": one.choices,
        "offers": one.offers,
        "waiting": one.waiting,
    }


def _answered(one: Question) -> dict[str, Any]:
    at = None if one.answered_at is None else one.answered_at.isoformat(timespec="seconds")
    return {"key": one.key, "link": one.pair, "answer": one.answer, "at": at, "by": one.answered_by}


# -- answer -----------------------------------------------------------------------------------------------------------------------


async def answer(args: argparse.Namespace) -> int:
    """Answer a question, correct an answer, or take it back; what waited for it goes on, what was done with another is named."""
    about = None if args.revoke or args.unchecked else wanted(args.key)
    # only what is compared with the books needs to sign in to them
    settings, metrics = configure(args.config, quiet=True, secrets=about is not None)
    store = await open_store(args.state_dir or state_directory(settings), clock=SystemClock())
    try:
        pair = await _whose(store, args.key, args.link)
        if about is not None:
            await _check(settings, metrics, store, state_dir=args.state_dir, pair=pair, about=about, text=args.answer.strip())
        if args.revoke:
            released = await store.revoke_answer(pair, args.key, by=who())
        else:
            released = await store.answer(pair, args.key, args.answer, by=who())
        otherwise = [use for use in await store.answer_uses(pair, args.key) if args.revoke or use.answer != args.answer.strip()]
    except KeyError:
        show.ERR.print(f"{args.key}: {'it has no answer' if args.revoke else 'no such question waits'}", markup=False)
        return 1
    except (_Refused, WrongAnswer) as error:
        show.ERR.print(f"{args.key}: {error}", markup=False)
        return 1
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()
    _tell(args, pair, released, otherwise)
    return 0


async def _whose(store: SqliteStore, key: str, pair: str | None) -> PairId:
    """Return the pair whose question this is, answered or not."""
    asked = [one.pair for one in [*await store.questions(), *await store.questions(answered=True)] if one.key == key]
    pairs = [PairId(pair)] if pair else asked
    if len(pairs) > 1:
        raise _Refused(f"asked by {', '.join(pairs)}: say which with --link")
    if not pairs or pairs[0] not in asked:
        raise KeyError(key)
    return pairs[0]


async def _check(
    settings: Settings, metrics: Metrics, store: SqliteStore, *, state_dir: Path | None, pair: PairId, about: Wanted, text: str
) -> None:
    """Compare an answer with the configuration and the books; raises :class:`_Refused`."""
    clock, directory = SystemClock(), state_dir or state_directory(settings)
    shared = Shared(settings, store, directory, clock, metrics, random.Random(), anyio.Event())  # noqa: S311 - jitter only
    async with assemble(shared) as app:
        there = next((one for one in app.pairs if one.context.pair_id == pair), None)
        if there is None:
            raise _Refused(f"the configuration has no {pair} any more")
        if (said := there.configured.says(about.key)) is not None:
            raise _Refused(f"the configuration says {said}, and no answer counts beside it: change it there")
        try:
            why = await problem(there.context.books, about, text)
        except ConnectorError as error:
            raise _Refused(f"the books cannot be asked whether there is {text!r} ({error}); --unchecked takes it as it is") from error
    if why:
        raise _Refused(why)


def _tell(args: argparse.Namespace, pair: PairId, released: int, otherwise: Sequence[AnswerUse]) -> None:
    if args.json:
        booked = [
            {"flow": use.flow, "record": use.label, "answer": use.answer, "at": use.at.isoformat(timespec="seconds")} for use in otherwise
        ]
        given = None if args.revoke else args.answer
        show.json_line({"key": args.key, "link": pair, "answer": given, "released": released, "booked_otherwise": booked})
        return
    show.OUT.print(f"{'Taken back' if args.revoke else 'Answered'}; {released} record(s) go on.")
    for text in dict.fromkeys(use.answer for use in otherwise):
        labels = [use.label for use in otherwise if use.answer == text]
        show.OUT.print(
            f"These {len(labels)} receipt(s) were booked with {text!r}; what is wrong with them is to be corrected in the books: "
            f"{', '.join(labels)}",
            markup=False,
        )
