"""A state is damaged, many times over: ``python -m tests.fault.damage [--times N] [--seed N]``.

Each time a copy of the same state is spoilt in one way, commands are typed at it, and what they say is compared with what a plain
``sqlite3`` has read in the state before it was spoilt.  A command says one line and what to do, or it says what was so.  Then what the
line says is done, and the state has to be what it was again.  Exit code 0: no traceback, nothing lost without a word, every advice works.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio

from connectors.model import Customer, Sale
from connectors.port import Cursor, Tokens
from daemon.cli.main import main as kassabrug
from daemon.core.ids import EVERYBODY, PairId
from daemon.core.outcomes import Outcome, Reason
from daemon.flows.serialization import dump_sale
from daemon.state.port import IntentState, Question, Settlement, StoreError
from daemon.state.sqlite import open_store
from daemon.state.tokens import SqliteTokenStore
from tests.unit.store_support import NOON, StillClock, intent, minutes, new, pair

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONFIG = """
[connections.books]
kind = "eaccounting"
client_id = "id"
[connections.till]
kind = "salespos"
api = "https://till.example"
[links.shop]
books = "books"
tills = ["till"]
"""
PAIR = PairId("shop/till")
TOKENS = Tokens("access", "refresh-newest", NOON, "", 7)
FILES = ("state.sqlite3", "state.key", "state.generation")
#: what a person reads and changes; exit codes that are answers
COMMANDS = (("status", "--json"), ("questions", "--json"), ("why", "no 1", "--json"), ("resend", "nothing of this name", "--json"))
ANSWERS = frozenset({0, 1, 78})


def _sale(number: int) -> bytes:
    customer = Customer(email=f"jan{number}@example.nl", name="Jan de Wit")
    return dump_sale(Sale(str(number), f"no {number}", NOON, Decimal("4.95"), "EUR", (), customer=customer))


# -- the state, and what is in it --------------------------------------------------------------------------------------------------


async def _fill(home: Path) -> None:
    """Make a state that has something of everything: held, queued and settled records, questions, an answer, writes, a token."""
    clock = StillClock()
    store = await open_store(home, clock=clock)
    works = [new(str(number), at=number, payload=_sale(number)) for number in range(1, 31)]
    await store.record_page(PAIR, "sales", Cursor(minutes(30)), works)
    await store.remember_secret(EVERYBODY, "salt", "a salt")
    for work in await store.claim(PAIR, "sales", now=minutes(60), limit=20):
        number = int(work.record)
        if number % 3 == 0:
            await store.intend(intent(f"sale:{number}", record=work.record))
            await store.settle_intent(
                intent().owner, f"sale:{number}", IntentState.DONE, remote_id=f"d{number}", binding=pair(work.record, "d")
            )
            await store.finish(work, Settlement(Outcome.CREATED, amounts={"till": "4.95", "books": "4.95"}))
        else:
            asked = Question(PAIR, f"payment:{number % 2}", "sales", "Which account?", ("Pin", "Kas")) if number % 3 == 1 else None
            await store.hold(work, reason=Reason.SUM_DIFFERS, detail=f"differs by {number}", question=asked)
    await store.answer(PAIR, "payment:0", "Kas", by="ans")
    await SqliteTokenStore(store, "books", home, clock=clock).save(TOKENS)
    shutil.copytree(home, home.with_name("killed"))
    await store.backup(home.with_name("copy"))
    await store.close()


@dataclass(frozen=True, slots=True)
class Truth:
    """What is in a database, by a reader of its own."""

    works: Mapping[str, tuple[str, str, str, str]]
    questions: Mapping[str, tuple[str, str | None]]
    intents: Mapping[str, str]
    bindings: frozenset[tuple[str, str]]
    history: int


def truth(path: Path) -> Truth:
    """Read a database with nothing but ``sqlite3``; the caller gives a copy, for reading folds the log into the file."""
    with closing(sqlite3.connect(path)) as connection:
        works = {row[0]: tuple(row[1:]) for row in connection.execute("SELECT record, label, state, reason, detail FROM work")}
        questions = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT key, text, answer FROM question")}
        intents = dict(connection.execute("SELECT key, state FROM intent").fetchall())
        bindings = frozenset(connection.execute("SELECT source, target FROM binding").fetchall())
        history = connection.execute("SELECT count(*) FROM activity WHERE event <> 'state'").fetchone()[0]
    return Truth(works, questions, intents, bindings, history)


# -- ways to spoil it ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Place:
    """A folder with a configuration, the state to be spoilt, and what may be put in its place."""

    folder: Path
    home: Path
    shelf: Path
    undo: ExitStack = field(default_factory=ExitStack)
    #: what cures a cause that no command can: take a link away, make a disk writable
    cure: Callable[[], object] | None = None
    #: the newest that the vendor gave
    token: Tokens = TOKENS

    @property
    def database(self) -> Path:
        """The file."""
        return self.home / "state.sqlite3"


def _log(place: Place) -> Path:
    log = place.database.with_name("state.sqlite3-wal")
    return log if log.exists() else place.database


def _flip(file: Path, random: Random) -> None:
    data = bytearray(file.read_bytes())
    for _ in range(random.choice((1, 1, 3, 40))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)


def _cut(file: Path, random: Random) -> None:
    os.truncate(file, random.randrange(file.stat().st_size))


def _drop_log(place: Place) -> None:
    for end in ("-wal", "-shm"):
        place.database.with_name(f"state.sqlite3{end}").unlink(missing_ok=True)


def _replace(place: Place, content: bytes) -> None:
    _drop_log(place)
    place.database.write_bytes(content)


def _gone(place: Place, _: Random) -> None:
    _drop_log(place)
    place.database.unlink()


def _foreign(place: Place, random: Random) -> None:
    _gone(place, random)
    with closing(sqlite3.connect(place.database)) as connection:
        connection.executescript(
            f"CREATE TABLE meta (name, value); CREATE TABLE money (id); PRAGMA user_version = {random.choice((0, 3, 4))}"
        )
    place.database.chmod(0o600)


def _version(place: Place, random: Random) -> None:
    with closing(sqlite3.connect(place.database)) as connection:
        connection.execute(f"PRAGMA user_version = {random.choice((5, 99, 2**31 - 1))}")


def _rows(place: Place, random: Random) -> None:
    """Values that nobody has written, in a database that SQLite finds sound; closed by somebody else, so that no digest tells."""
    statement = random.choice(
        (
            "UPDATE work SET moment = 'yesterday' WHERE id % 3 = 0",
            "UPDATE work SET reason = 'x''y'",
            "UPDATE work SET payload = (SELECT payload FROM work WHERE id = 1) WHERE id = 2",
            "UPDATE question SET choices = '{'",
            "UPDATE question SET choices = '5'",
            "UPDATE meta SET value = 'many' WHERE name = 'generation'",
            "UPDATE meta SET value = char(233) WHERE name = 'key_check'",
            "UPDATE position SET seen = '[[1]]'",
            "UPDATE activity SET at = ''",
            "UPDATE token SET value = x'020304'",
        )
    )
    with closing(sqlite3.connect(place.database)) as connection:
        connection.execute(statement)
        connection.commit()


def _key(content: Callable[[bytes, Random], bytes]) -> Callable[[Place, Random], None]:
    def spoil(place: Place, random: Random) -> None:
        key = place.home / "state.key"
        key.write_bytes(content(key.read_bytes(), random))

    return spoil


def _other_letter(key: bytes, random: Random) -> bytes:
    at = random.randrange(42)
    return key[:at] + (b"B" if key[at : at + 1] == b"A" else b"A") + key[at + 1 :]


def _mark(place: Place, random: Random) -> None:
    mark = place.home / "state.generation"
    other = (place.shelf / "other" / "state.generation").read_bytes()
    mark.write_bytes(random.choice((b"", b"{}", b"\xff" * 88, mark.read_bytes()[:20], other, mark.read_bytes().replace(b" 0", b" 9", 1))))


def _link(place: Place, random: Random) -> None:
    file = place.home / random.choice(FILES)
    aside = place.folder / "aside"
    file.rename(aside)
    file.symlink_to(aside)

    def put_back() -> None:
        file.unlink()
        aside.rename(file)

    place.cure = put_back


def _open_to_others(place: Place, _: Random) -> None:
    place.home.chmod(0o755)
    place.cure = lambda: place.home.chmod(0o700)


def _owner(place: Place, random: Random) -> None:
    content = random.choice(
        (b"{}", b"[]", b"null", b'{"pid": "x"}', b"\xff\xfe", b'{"pid":1,"host":"h","started_at":"2026","heartbeat_at":"x"}')
    )
    (place.home / "owner.lock").write_bytes(content)


def _read_only(place: Place, _: Random) -> None:
    """A real read-only mount, which binds root too; where that may not be, the directory's mode."""
    if _mount("--bind", place.home, place.home) and _mount("-o", "remount,ro,bind", place.home):
        place.undo.callback(_unmount, place.home)
        place.cure = lambda: _unmount(place.home)


def _full(place: Place, random: Random) -> None:
    """A disk of a megabyte or so, filled to the last block."""
    inside = place.folder / "inside"
    place.home.rename(inside)
    place.home.mkdir(mode=0o700)
    if not _mount("-t", "tmpfs", "-o", "size=2m,mode=0700", "none", place.home):
        place.home.rmdir()
        inside.rename(place.home)
        return
    place.undo.callback(_unmount, place.home)
    shutil.copytree(inside, place.home, dirs_exist_ok=True)
    if random.random() < 0.5:
        place.token = anyio.run(_refresh_on_a_full_disk, place, random.random() < 0.5)
    else:
        _fill_up(place)
    place.cure = (place.home / "filler").unlink


def _fill_up(place: Place) -> None:
    with contextlib.suppress(OSError), (place.home / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


async def _refresh_on_a_full_disk(place: Place, before: bool) -> Tokens:
    """Let the disk fill up before, or while a token is refreshed; return the newest that the vendor gave."""
    fresh = Tokens("access-2", "refresh-2" * 40, NOON, "", TOKENS.generation + 1)
    store = await open_store(place.home, clock=StillClock())
    tokens = SqliteTokenStore(store, "books", place.home, clock=StillClock())
    given = TOKENS
    try:
        if before:
            _fill_up(place)
        async with tokens.exclusive():
            given = fresh  # the vendor has spent the old one
            _fill_up(place)
            await tokens.save(fresh)
    except StoreError:
        pass
    finally:
        with contextlib.suppress(StoreError):
            await store.close()
    return given


def _mount(*arguments: object) -> bool:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode == 0


def _unmount(home: Path) -> None:
    subprocess.run(["umount", str(home)], capture_output=True, check=False)


def _other(place: Place, random: Random) -> None:
    _replace(place, (place.shelf / "other" / "state.sqlite3").read_bytes())
    if random.random() < 0.5:
        shutil.copy(place.shelf / "other" / "state.key", place.home)


#: name, how to spoil it, and which states it is done to: a closed one, or what a killed process left
WAYS: tuple[tuple[str, Callable[[Place, Random], None], tuple[str, ...]], ...] = (
    ("missing", _gone, ("state", "killed")),
    ("empty", lambda place, _: _replace(place, b""), ("state", "killed")),
    ("truncated", lambda place, random: _cut(place.database, random), ("state", "killed")),
    ("flipped", lambda place, random: _flip(place.database, random), ("state",)),
    ("log flipped", lambda place, random: _flip(_log(place), random), ("killed",)),
    ("log truncated", lambda place, random: _cut(_log(place), random), ("killed",)),
    ("log gone", lambda place, _: _drop_log(place), ("killed",)),
    ("noise", lambda place, random: _replace(place, random.randbytes(random.randrange(1, 20_000))), ("state",)),
    ("foreign", _foreign, ("state",)),
    ("another state", _other, ("state", "killed")),
    ("an older copy", lambda place, _: _replace(place, (place.shelf / "older").read_bytes()), ("state", "killed")),
    ("another version", _version, ("state", "killed")),
    ("impossible rows", _rows, ("state", "killed")),
    ("key changed", _key(_other_letter), ("state", "killed")),
    ("key emptied", _key(lambda _key, _random: b""), ("state", "killed")),
    ("key of noise", _key(lambda _key, random: random.randbytes(44)), ("state",)),
    ("key gone", lambda place, _: (place.home / "state.key").unlink(), ("state", "killed")),
    ("mark", _mark, ("state", "killed")),
    ("mark gone", lambda place, _: (place.home / "state.generation").unlink(), ("state", "killed")),
    ("link", _link, ("state",)),
    ("open to others", _open_to_others, ("state",)),
    ("owner", _owner, ("state", "killed")),
    ("read-only", _read_only, ("state", "killed")),
    ("full disk", _full, ("state", "killed")),
)


# -- judging --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it said a line instead of a result."""
        return bool(self.err.strip()) and not self.out.strip()


def typed(folder: Path, home: Path, *arguments: str) -> Said:
    """Type a command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = kassabrug([*arguments, "--config", str(folder / "kassabrug.toml"), "--state-dir", str(home)])
    return Said(code, out.getvalue(), err.getvalue())


class Wrong(AssertionError):
    """What may not be: a traceback, a loss without a word, advice that does not help."""


def _judged(command: tuple[str, ...], said: Said, before: Truth) -> None:
    """Compare what a command said with what was so; raises :class:`Wrong`."""
    if "Traceback" in said.out + said.err or "a fault of this program" in (said.out + said.err).lower() or said.code not in ANSWERS:
        raise Wrong(f"{command[0]}: {said.code} {said.err or said.out}")
    if said.refused and command[0] != "resend":
        if said.err.count("\n") > 1:
            raise Wrong(f"{command[0]} says more than a line: {said.err}")
        return
    if command[0] == "resend":
        return
    told = json.loads(said.out)
    held = {work[0]: work[3] for work in before.works.values() if work[1] == "held"}
    if command[0] == "status" and {one["label"]: one["detail"] for one in told["held"]} != held:
        raise Wrong("status says other records are held")
    if command[0] == "questions" and (_keys(told["questions"]), _answers(told["answered"])) != (
        {key for key, (_, answer) in before.questions.items() if answer is None},
        {key: answer for key, (_, answer) in before.questions.items() if answer is not None},
    ):
        raise Wrong("questions says another thing was asked or answered")
    if command[0] == "why" and [one["state"] for one in told["works"]] != [before.works["1"][1]]:
        raise Wrong("why tells another story")


def _keys(asked: list[dict[str, Any]]) -> set[str]:
    return {one["key"] for one in asked}


def _answers(answered: list[dict[str, Any]]) -> dict[str, str]:
    return {one["key"]: one["answer"] for one in answered}


async def _token(home: Path) -> Tokens | None:
    store = await open_store(home, clock=StillClock())
    try:
        return await SqliteTokenStore(store, "books", home, clock=StillClock()).load()
    finally:
        await store.close()


def _is_what_it_was(place: Place, before: Truth) -> str:
    """Tell what is not as it was, by a reader of its own and with the token; empty when all is."""
    with TemporaryDirectory() as aside:
        for file in place.home.glob("state.sqlite3*"):
            shutil.copy(file, aside)
        now = truth(Path(aside) / "state.sqlite3")
    for name in ("works", "questions", "intents", "bindings", "history"):
        if getattr(now, name) != getattr(before, name):
            return f"{name}: {getattr(before, name)} became {getattr(now, name)}"
    try:
        found = anyio.run(_token, place.home)
    except StoreError as error:
        return f"token: {error}"
    return "" if found == place.token else f"token: {found}"


def _advice(place: Place, line: str) -> None:
    """Do what a line says; raises :class:`Wrong` when that does not work."""
    if place.cure is not None:
        place.cure()
        return
    shutil.copy(place.shelf / "key", place.folder / "copy.key")
    shutil.copy(place.shelf / "copy", place.folder / "copy")
    if "kassabrug restore" in line or "restore the right" in line or "put back the backup" in line:
        done = typed(place.folder, place.home, "restore", str(place.folder / "copy"))
        if done.code:
            raise Wrong(f"restore does not help: {done.err}")
        return
    raise Wrong(f"says nothing that can be done: {line}")


def attempt(place: Place, before: Truth) -> str:
    """Type every command at a spoilt state, then do what was said; return what came of it."""
    lines = []
    for command in COMMANDS:
        said = typed(place.folder, place.home, *command)
        _judged(command, said, before)
        if said.refused and "nothing to send again" not in said.err:
            lines.append(said.err)
        if lines and command[0] == "questions" and place.cure is None:
            break
    if not lines:
        lost = _is_what_it_was(place, before)
        if not lost:
            return "taken as it was"
        if not lost.startswith("token: ") or "kassabrug restore" not in lost:  # a token is told of by whoever needs it
            raise Wrong(f"lost without a word: {lost}")
        lines.append(lost)
    _advice(place, lines[-1])
    if lost := _is_what_it_was(place, before):
        raise Wrong(f"after what was said was done: {lost} ({lines[-1].strip()})")
    return "refused, cured"


def damage(times: int, seed: int, *, tell: Callable[[str], object] = lambda _line: None) -> list[str]:
    """Damage the state so many times; return what went wrong."""
    random, wrong, came = Random(seed), [], Counter[str]()
    with TemporaryDirectory(prefix="kassabrug-") as folder:
        shelf = Path(folder)
        anyio.run(_fill, shelf / "state")
        shutil.copy(shelf / "state" / "state.key", shelf / "key")
        (shelf / "other").mkdir()
        anyio.run(_fill, shelf / "other" / "state")
        for file in (shelf / "other" / "state").iterdir():
            shutil.copy(file, shelf / "other")
        with closing(sqlite3.connect(shelf / "copy")) as copy, closing(sqlite3.connect(shelf / "older")) as older:
            copy.backup(older)
            older.execute("UPDATE meta SET value = value - 3 WHERE name = 'generation'")
            older.execute("DELETE FROM question WHERE answer IS NOT NULL")
            older.commit()
        before = truth(shelf / "copy")
        for number in range(times):
            name, spoil, states = WAYS[number % len(WAYS)]
            state = random.choice(states)
            with TemporaryDirectory(prefix="kassabrug-", dir=folder) as own, ExitStack() as undo:
                place = Place(Path(own), Path(own) / "state", shelf, undo)
                (place.folder / "kassabrug.toml").write_text(CONFIG)
                shutil.copytree(shelf / state, place.home)
                place.home.chmod(0o700)
                own_random = Random(f"{seed} {number}")
                try:
                    spoil(place, own_random)
                    came[f"{name}: {attempt(place, before)}"] += 1
                except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                    wrong.append(f"{number} {name} ({state}): {type(error).__name__}: {error}")
                    tell(wrong[-1])
    for line, count in sorted(came.items()):
        tell(f"{count:5} {line}")
    return wrong


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Damage, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.damage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else SystemRandom().randrange(1_000_000)
    _print(f"seed {seed}, {args.times} times")
    wrong = damage(args.times, seed, tell=_print)
    _print(f"{args.times} times, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
