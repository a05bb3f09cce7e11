"""The command line: arguments in, exit code out, and never a traceback.

Whatever ends a command is one sentence on standard error and an exit code: what a person can cure says what and where, and what is a
fault of this program says its mark and where the details were written (:mod:`daemon.cli.problems`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import anyio

from daemon import __version__
from daemon.cli import arguments
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
        "--config", type=arguments.path, metavar="FILE", help="default: $KASSABRUG_CONFIG, ./kassabrug.toml, /etc/kassabrug/kassabrug.toml"
    )
    own.add_argument(
        "--state-dir", type=arguments.path, metavar="DIR", help="default: the configuration's, $STATE_DIRECTORY, the XDG state folder"
    )


def _with_flows(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument(
        "--flow",
        action="append",
        type=arguments.flow,
        metavar="NAME",
        help=f"{', '.join(NAMES[:-1])} or {NAMES[-1]}; may be given several times",
    )


def _world(own: argparse.ArgumentParser) -> None:
    own.add_argument(
        "--receipts",
        type=arguments.path,
        action="append",
        default=[],
        metavar="FILE.csv",
        help="a day of receipts; may be given several times",
    )
    own.add_argument("--lenient", action="store_true", help="load what can be read of a receipts file with broken lines")
    own.add_argument("--seed", type=arguments.seed, default=1, metavar="N", help="of the shop that is made up without receipts")
    own.add_argument("--limits", choices=("vendor", "off"), default="off", help="the vendors' rate limits")


def _demo(own: argparse.ArgumentParser) -> None:
    _world(own)
    own.add_argument("--once", action="store_true", help="stop when all is settled")
    own.add_argument("--state-dir", type=arguments.path, metavar="DIR", help="default: a folder that is thrown away")


def _sandbox(own: argparse.ArgumentParser) -> None:
    _world(own)
    own.add_argument("--eaccounting-port", type=arguments.port, default=0, metavar="N", help="default: a free one")
    own.add_argument("--salespos-port", type=arguments.port, default=0, metavar="N", help="default: a free one")
    own.add_argument("--faults", type=arguments.path, metavar="FILE.toml", help="faults on demand")
    own.add_argument(
        "--config-out", type=arguments.path, metavar="FILE.toml", help="write a configuration that run, sync and plan take as it is"
    )


def _login(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("connection", type=arguments.words, metavar="CONNECTION", help="its name in the configuration")
    own.add_argument("--no-browser", action="store_true", help="print the address, and read the one it ends at")
    own.add_argument("--port", type=arguments.port, metavar="N", help="where to wait for the browser; default: that of redirect_uri")
    own.add_argument("--other-company", action="store_true", help="take the sign-in though it is for another company than before")


def _check(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument(
        "--vendor-schemas",
        nargs="*",
        type=arguments.address,
        metavar="ADDRESS",
        help="compare with the vendors' published documents too; addresses instead of the vendors' own: one that ends in .json is "
        "eAccounting's OpenAPI document, another is a host with SalesPOS's /API/Docs/ and /API/Schema/",
    )


def _why(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("record", type=arguments.words, metavar="RECORD", help="receipt number, SKU or id")


def _answer(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("key", type=arguments.words, metavar="QUESTION", help="its key, as questions shows it")
    given = own.add_mutually_exclusive_group(required=True)
    given.add_argument("answer", nargs="?", type=arguments.said, metavar="ANSWER", help="one that was given before is corrected")
    given.add_argument("--revoke", action="store_true", help="take the answer back, as though it was never given")
    own.add_argument("--link", type=arguments.words, metavar="LINK/TILL", help="whose question, where several ask the same")
    own.add_argument("--unchecked", action="store_true", help="take it though the books cannot be asked whether there is such a thing")


def _resend(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("records", nargs="+", type=arguments.words, metavar="RECORD", help="receipt number, SKU or id")


def _forget(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("--email", required=True, type=arguments.email, metavar="ADDRESS", help="the person's e-mail address")


def _settle(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("record", type=arguments.words, metavar="RECORD", help="receipt number, SKU or id")
    own.add_argument(
        "--as", dest="outcome", required=True, choices=("happened", "did-not"), help="whether it stands there, looked up by a person"
    )


def _backup(own: argparse.ArgumentParser) -> None:
    _configured(own)
    own.add_argument("file", type=arguments.path, metavar="FILE", help="where to; a file that is there is replaced")
    own.add_argument("--with-key", action="store_true", help="write the key to FILE.key too; both together are a secret")


def _restore(own: argparse.ArgumentParser) -> None:
    _configured(own)
    wanted = own.add_mutually_exclusive_group(required=True)
    wanted.add_argument(
        "file", nargs="?", type=arguments.path, metavar="FILE", help="what backup has written; FILE.key is tried if it is there"
    )
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


def main(given: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    _open_streams()
    command = ""
    try:
        args = _parser().parse_args(given)
        command = args.command
        module, function, _ = COMMANDS[command]
        run: Callable[[Any], Awaitable[int]] = getattr(importlib.import_module(f"daemon.cli.{module}"), function)
        code = anyio.run(partial(run, args))
        sys.stdout.flush()  # or it would fail where nobody can say so any more
    except SystemExit as ended:  # argparse has said what is wrong, or what was asked for
        return _flushed(ended.code if isinstance(ended.code, int) else 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:  # noqa: BLE001 - the last line: whatever it is, a person is told
        return _told(error, command)
    return code


def _open_streams() -> None:
    """See that there is a standard input, output and error, and that they take every text.

    What is closed would otherwise be given to the next file that is opened, and a sentence could land in the state.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nowhere())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for as long as the process lives


def _flushed(code: int) -> int:
    """Return the exit code, or another where what was said could not be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _told(error, "")
    return code


def _told(error: BaseException, command: str) -> int:
    """Say on standard error what ended the command, and return its exit code."""
    # imported here: the store and the settings, which --help does not need
    from daemon.cli.problems import told  # noqa: PLC0415
    from daemon.core.outside import printable  # noqa: PLC0415

    line, code = told(error, command)
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = _nowhere()  # what is still in the buffer would fail once more at the exit, and be shown as a traceback
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(printable(line, lines=True) + "\n" if line else "")
        sys.stderr.flush()
    return code
