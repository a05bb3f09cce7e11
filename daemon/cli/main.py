"""The command line: arguments in, exit code out, and never a traceback for what a person can cure."""

from __future__ import annotations

import argparse
import importlib
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from daemon import __version__
from daemon.core.flow_registry import NAMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

INTERRUPTED = 130

#: command -> (module, function, one line of help); modules are imported only when asked for, so that --help is quick
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", "both vendors as sandboxes on this machine, a shop in them, all flows"),
    "sandbox": ("sandbox", "sandbox", "only the two vendors, until stopped"),
    "login": ("login", "login", "sign in to a company's books; a running daemon goes on with it"),
    "check": ("check", "check", "configuration, sign-in, rights, articles, accounts: what is wrong, and what to do about it"),
    "run": ("run", "run", "the daemon"),
    "sync": ("run", "sync", "every flow until nothing is left to do, then exit"),
    "plan": ("plan", "plan", "what sync would do, field by field, and nothing written"),
    "status": ("state", "status", "what is settled, what waits"),
    "why": ("state", "why", "the whole story of a record"),
    "questions": ("answer", "questions", "what waits for a person's answer"),
    "answer": ("answer", "answer", "answer a question, correct an answer, or take it back"),
    "resend": ("state", "resend", "do records again"),
    "forget": ("forget", "forget", "remove a person from the state"),
    "settle": ("settle", "settle", "say what became of a write that cannot be decided"),
    "backup": ("backup", "backup", "write a checked copy of the state, also while the daemon runs"),
    "restore": ("backup", "restore", "put a backup in the place of the state, while the daemon is stopped"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kassabrug", description="Keeps a CCV SalesPOS till and Visma eAccounting books in step.")
    parser.add_argument("--version", action="version", version=f"kassabrug {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, _, text) in COMMANDS.items():
        own = commands.add_parser(name, help=text, description=text)
        _ADD[name](own)
        if name not in {"login", "run", "sandbox"}:
            own.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _configured(own: argparse.ArgumentParser) -> None:
    own.add_argument(
        "--config", type=Path, metavar="FILE", help="default: $KASSABRUG_CONFIG, ./kassabrug.toml, /etc/kassabrug/kassabrug.toml"
    )
    own.add_argument("--state-dir", type=Path, metavar="DIR", help="default: the configuration's, $STATE_DIRECTORY, the XDG state folder")


def _with_flows(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("--flow", action="append", metavar="NAME", help=f"{', '.join(NAMES[:-1])} or {NAMES[-1]}; may be given several times")


def _world(own: argparse.ArgumentParser) -> None:
    own.add_argument(
        "--receipts", type=Path, action="append", default=[], metavar="FILE.csv", help="a day of receipts; may be given several times"
    )
    own.add_argument("--lenient", action="store_true", help="load what can be read of a receipts file with broken lines")
    own.add_argument("--seed", type=int, default=1, metavar="N", help="of the shop that is made up without receipts")
    own.add_argument("--limits", choices=("vendor", "off"), default="off", help="the vendors' rate limits")


def _demo(own: argparse.ArgumentParser) -> None:
    _world(own)
    own.add_argument("--once", action="store_true", help="stop when all is settled")
    own.add_argument("--state-dir", type=Path, metavar="DIR", help="default: a folder that is thrown away")


def _sandbox(own: argparse.ArgumentParser) -> None:
    _world(own)
    own.add_argument("--eaccounting-port", type=int, default=0, metavar="N", help="default: a free one")
    own.add_argument("--salespos-port", type=int, default=0, metavar="N", help="default: a free one")
    own.add_argument("--faults", type=Path, metavar="FILE.toml", help="faults on demand")
    own.add_argument("--config-out", type=Path, metavar="FILE.toml", help="write a configuration that run, sync and plan take as it is")


def _login(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("connection", metavar="CONNECTION", help="its name in the configuration")
    own.add_argument("--no-browser", action="store_true", help="print the address, and read the one it ends at")
    own.add_argument("--port", type=int, metavar="N", help="where to wait for the browser; default: that of redirect_uri")
    own.add_argument("--other-company", action="store_true", help="take the sign-in though it is for another company than before")


def _check(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument(
        "--vendor-schemas",
        nargs="*",
        metavar="ADDRESS",
        help="compare with the vendors' published documents too; addresses instead of the vendors' own: one that ends in .json is "
        "eAccounting's OpenAPI document, another is a host with SalesPOS's /API/Docs/ and /API/Schema/",
    )


def _why(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("record", metavar="RECORD", help="receipt number, SKU or id")


def _answer(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("key", metavar="QUESTION", help="its key, as questions shows it")
    given = own.add_mutually_exclusive_group(required=True)
    given.add_argument("answer", nargs="?", metavar="ANSWER", help="one that was given before is corrected")
    given.add_argument("--revoke", action="store_true", help="take the answer back, as though it was never given")
    own.add_argument("--link", metavar="LINK/TILL", help="whose question, where several ask the same")
    own.add_argument("--unchecked", action="store_true", help="take it though the books cannot be asked whether there is such a thing")


def _resend(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("records", nargs="+", metavar="RECORD", help="receipt number, SKU or id")


def _forget(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("--email", required=True, type=_email, metavar="ADDRESS", help="the person's e-mail address")


def _email(text: str) -> str:
    if "@" not in text.strip("@ ") or text != text.strip():
        raise argparse.ArgumentTypeError("is not an e-mail address")
    return text


def _settle(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("record", metavar="RECORD", help="receipt number, SKU or id")
    own.add_argument(
        "--as", dest="outcome", required=True, choices=("happened", "did-not"), help="whether it stands there, looked up by a person"
    )


def _backup(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("file", type=Path, metavar="FILE", help="where to; a file that is there is replaced")
    own.add_argument("--with-key", action="store_true", help="write the key to FILE.key too; both together are a secret")


def _restore(own: argparse.ArgumentParser) -> None:
    _configured(own)
    wanted = own.add_mutually_exclusive_group(required=True)
    wanted.add_argument("file", nargs="?", type=Path, metavar="FILE", help="what backup has written; FILE.key is tried if it is there")
    wanted.add_argument("--new-state", action="store_true", help="an empty one instead: answers, held records and the sign-in are gone")


_ADD: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "demo": _demo,
    "sandbox": _sandbox,
    "login": _login,
    "check": _check,
    "run": _configured,
    "sync": _with_flows,
    "plan": _with_flows,
    "status": _configured,
    "why": _why,
    "questions": _configured,
    "answer": _answer,
    "resend": _resend,
    "forget": _forget,
    "settle": _settle,
    "backup": _backup,
    "restore": _restore,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    args = _parser().parse_args(arguments)
    module, function, _ = COMMANDS[args.command]
    command: Callable[[Any], Awaitable[int]] = getattr(importlib.import_module(f"daemon.cli.{module}"), function)
    try:
        return anyio.run(partial(command, args))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line: whatever ends a command is told without a word of a record
        # imported here: the store and the settings, which --help does not need
        from daemon.cli.problems import FAILED, crash, explain  # noqa: PLC0415
        from daemon.core.outside import printable  # noqa: PLC0415

        known = explain(error)
        text, code = (crash(error), FAILED) if known is None else known
        sys.stderr.write(printable(text, lines=True) + "\n")
        return code
