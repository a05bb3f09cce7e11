"""What a person got wrong is said in one line that names the place, with an exit code that others can act on; never a traceback."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.support import COMMAND, environment, kassabrug, made_up_day

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

#: good, but nobody listens at its addresses
CONFIG = """
[daemon]
state_dir = "state"

[connections.books]
kind = "eaccounting"
api = "http://127.0.0.1:9/v2"
identity = "http://127.0.0.1:9"
client_id = "shop"
client_secret = "s3cret-of-the-books"
refresh_token = "r3fresh-of-the-books"

[connections.till]
kind = "salespos"
api = "http://127.0.0.1:9/api/rest/v1"
public_key = "public"
secret_key = "s3cret-of-the-till"

[links.shop]
books = "books"
tills = ["till"]
"""


def written(folder: Path, text: str) -> Path:
    """Write a configuration."""
    path = folder / "kassabrug.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("find", "replace", "says"),
    [
        ("[daemon]", "[daemon]\nworkerz = 3", r"daemon\.workerz: unknown key, expected workers"),
        ("[daemon]", "[daemon]\nworkers = 'many'", r'daemon\.workers: "many" is not accepted, expected a whole number'),
        ('client_secret = "s3cret-of-the-books"', "", r"connections\.books\.client_secret: is missing, expected client_secret, client_"),
        ('tills = ["till"]', 'tills = ["tilt"]', r"links\.shop\.tills.*tilt"),
        ('kind = "salespos"', 'kind = "salepos"', r'connections\.till\.kind: "salepos" is not accepted, expected eaccounting or salespos'),
        ("[links.shop]", "[links.shop", r"kassabrug\.toml:\d+:\d+: "),
    ],
    ids=["unknown key", "wrong type", "missing credential", "unknown connection", "unknown vendor", "not TOML"],
)
def test_a_wrong_configuration_is_one_line_and_78(tmp_path: Path, find: str, replace: str, says: str) -> None:
    """File, key, what is wrong and what was expected; systemd does not restart on 78."""
    ended = kassabrug(tmp_path, "run", "--config", written(tmp_path, CONFIG.replace(find, replace)))
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (78, "", 1), ended.err
    assert re.search(says, ended.err), ended.err
    assert "kassabrug.toml" in ended.err
    assert "s3cret" not in ended.err


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Given, from the environment, and not found anywhere."""
    given = kassabrug(tmp_path, "sync", "--config", "nowhere.toml")
    assert (given.code, given.err) == (78, "nowhere.toml: cannot read it (no such file or directory), expected a readable TOML file\n")
    from_environment = kassabrug(tmp_path, "status", KASSABRUG_CONFIG="elsewhere.toml")
    assert (from_environment.code, len(from_environment.err.splitlines())) == (78, 1)
    assert from_environment.err.startswith("elsewhere.toml: ")
    receipts = kassabrug(tmp_path, "demo", "--once", "--receipts", "day.csv")
    assert (receipts.code, len(receipts.err.splitlines())) == (78, 1)
    assert receipts.err.startswith("day.csv: ")
    faults = kassabrug(tmp_path, "sandbox", "--faults", "faults.toml")
    assert (faults.code, len(faults.err.splitlines())) == (78, 1)
    assert faults.err.startswith("faults.toml: ")


@pytest.mark.parametrize("command", ["sync", "plan"])
def test_an_unknown_flow_is_named_with_those_that_there_are(tmp_path: Path, command: str) -> None:
    """Wrong usage, before anything is read or written."""
    ended = kassabrug(tmp_path, command, "--flow", "salse", "--config", written(tmp_path, CONFIG))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].endswith("argument --flow: there is no such flow, expected one of sales, products, stock")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[create\n", r"products\.toml:1:8: "),
        ('[create]\nname = "no_such_thing(product)"\n', r"products\.toml:2:9: .*no_such_thing"),
        ('[create]\nname = "product.name +"\n', r"products\.toml:2:\d+: .*name"),
        ('[create]\nname = "product.nme"\n', r"products\.toml:2:17: .*there is no product\.nme, expected name"),
        ('[create]\ncolour = "product.name"\n', r"products\.toml:2:1: create\.colour: unknown field, expected one of .*name"),
    ],
    ids=["not TOML", "unknown function", "not an expression", "unknown name", "unknown field"],
)
def test_a_broken_mapping_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    """A shop's own mapping is checked at the start, not at the first record."""
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping" / "products.toml").write_text(text, encoding="utf-8")
    config = written(tmp_path, CONFIG.replace("[links.shop]", '[links.shop]\nmapping = "mapping"'))
    ended = kassabrug(tmp_path, "sync", "--config", config)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (78, "", 1), ended.err
    assert re.search(says, ended.err), ended.err


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """A line each, in the order of the file, so that nobody corrects one after the other; then the same for the mapping."""
    text = CONFIG.replace("[daemon]", "[daemon]\nworkerz = 3").replace('books = "books"', 'books = "boeken"')
    ended = kassabrug(tmp_path, "run", "--config", written(tmp_path, text))
    assert (ended.code, ended.out) == (78, "")
    assert [line.partition("kassabrug.toml:")[2].partition(", expected")[0] for line in ended.err.splitlines()] == [
        "3:1: daemon.workerz: unknown key",
        '21:1: links.shop.books: no connection "boeken"',
    ]
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping" / "products.toml").write_text('[create]\nname = "product.nme"\n[update]\nprise = ""\n', encoding="utf-8")
    (tmp_path / "mapping" / "slaes.toml").touch()
    config = written(tmp_path, CONFIG.replace("[links.shop]", '[links.shop]\nmapping = "mapping"'))
    ended = kassabrug(tmp_path, "check", "--config", config)
    assert (ended.code, ended.out) == (78, "")
    assert [line.rpartition("expected ")[2] for line in ended.err.splitlines()] == ["sales.toml", "name", "price"]


def test_a_broken_line_of_receipts_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    """File and line; ``--lenient`` says what it leaves out and takes the rest."""
    day = made_up_day(tmp_path / "day.csv", 6)
    lines = day.read_text(encoding="utf-8").splitlines()
    lines[4] = lines[4].replace("2026-03-14", "the fourteenth")
    lines.insert(7, "700999,22000,MOK BLAUW")
    day.write_text("\n".join(lines) + "\n", encoding="utf-8")

    strict = kassabrug(tmp_path, "demo", "--once", "--receipts", day)
    assert (strict.code, strict.out, len(strict.err.splitlines())) == (1, "", 1), strict.err
    assert strict.err.startswith(f"{day}:5: ")

    lenient = kassabrug(tmp_path, "demo", "--once", "--json", "--lenient", "--receipts", day)
    assert (lenient.code, lenient.last["books"]["documents"], lenient.last["difference"]) == (0, 6, "0.00"), lenient.err
    left_out = [line for line in lenient.err.splitlines() if line.startswith("left out: ")]
    assert [line.partition(f"{day}:")[2].partition(":")[0] for line in left_out] == ["5", "8"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("synk",), ("sync", "--flou", "sales"), ("sandbox", "--seed", "one"), ("why",)],
    ids=["no command", "unknown command", "unknown option", "not a number", "no record"],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """With the usage on standard error."""
    ended = kassabrug(tmp_path, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: kassabrug")


def at_the_end_of_a_pipe(folder: Path, command: str, *arguments: str) -> tuple[int, str]:
    """Run a shell's line in which ``"$@"`` is the program; return its exit code and what it said on standard error."""
    line = ["bash", "-c", f"set -o pipefail; {command}", "bash", *COMMAND, *arguments]
    ended = subprocess.run(line, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


def test_an_output_that_is_full_closed_or_gone_is_no_traceback(tmp_path: Path) -> None:
    """A line where somebody reads it, nothing where the reader has gone; and the next file that is opened is not the output."""
    config = written(tmp_path, CONFIG)
    (tmp_path / "state").mkdir()
    status = ("status", "--json", "--config", str(config))
    assert at_the_end_of_a_pipe(tmp_path, '"$@" > /dev/full', *status) == (1, "standard output: no space left on device\n")
    assert at_the_end_of_a_pipe(tmp_path, '"$@" > /dev/full', "--help")[1] in ("", "standard output: no space left on device\n")
    assert at_the_end_of_a_pipe(tmp_path, '"$@" | true', "--help")[1] == ""
    for closed in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert at_the_end_of_a_pipe(tmp_path, f'"$@" {closed}', *status) == (0, ""), closed
    assert at_the_end_of_a_pipe(tmp_path, '"$@" 2> /dev/full', "status", "--config", "nowhere.toml") == (78, "")


@pytest.mark.parametrize("arguments", [("why", b"\xff\xfe"), ("resend", "1", b"\xff"), ("login", b"\xff")], ids=["why", "resend", "login"])
def test_bytes_that_are_no_text_are_wrong_usage(tmp_path: Path, arguments: tuple[str | bytes, ...]) -> None:
    """Said with the argument's name, whatever the terminal can show."""
    line = [*COMMAND, *arguments]
    ended = subprocess.run(line, cwd=tmp_path, env=environment(tmp_path), capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.splitlines()[-1].endswith(b"is not UTF-8")) == (2, True), ended.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[salespos]\nslow = nan\n", "faults.toml:2:1: salespos.slow: nan is not accepted, expected a number of at most 18 digits"),
        ("[salespos]\nslow_seconds = 1e12\n", "faults.toml:2:1: salespos: slow_seconds: 1E+12 is not a number up to 31622400"),
        ("[ccv]\n", "faults.toml:1:2: ccv: expected a table named eaccounting or salespos, expected a faults file"),
        ("x = " + "[" * 300 + "]" * 300, "faults.toml:1:1: x: is nested too deeply, expected at most 16 levels"),
        ("x = 1e9999999999999999999", "faults.toml:1:1: x: 1e9999999999999999999 is not accepted"),
    ],
    ids=["NaN", "too large", "unknown vendor", "nested", "exponent"],
)
def test_a_wrong_faults_file_is_one_line_and_78(tmp_path: Path, text: str, says: str) -> None:
    """Read as the configuration is, with the place of what is wrong."""
    (tmp_path / "faults.toml").write_text(text, encoding="utf-8")
    ended = kassabrug(tmp_path, "sandbox", "--faults", "faults.toml")
    assert (ended.code, len(ended.err.splitlines())) == (78, 1)
    assert ended.err.startswith(says)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Two programs on one address: the second says which address, and does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = written(tmp_path, CONFIG.replace("[daemon]", f'[daemon]\nlisten = "127.0.0.1:{port}"'))
        daemon = kassabrug(tmp_path, "run", "--config", config)
        sandbox = kassabrug(tmp_path, "sandbox", "--salespos-port", str(port))
    assert (daemon.code, daemon.out) == (78, "")
    assert daemon.err.splitlines()[-1].startswith(f"daemon.listen: cannot listen on 127.0.0.1:{port} (another program listens there)")
    assert (sandbox.code, sandbox.out, len(sandbox.err.splitlines())) == (78, "", 1)
    assert sandbox.err.startswith("port: ")


def test_a_plan_without_vendors_says_who_does_not_answer(tmp_path: Path) -> None:
    """One line with the connection's trouble and exit code 1: the configuration may well be right."""
    ended = kassabrug(tmp_path, "plan", "--config", written(tmp_path, CONFIG))
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1), ended.err
    assert ended.err.startswith("shop/till: unreachable: ")


def test_help_is_quick_because_it_loads_nothing_heavy(tmp_path: Path) -> None:
    """Neither servers, clients, the store nor the alerts are imported to say what there is."""
    heavy = ("aiosqlite", "apprise", "cryptography", "httpx2", "pydantic", "rich", "sqlite3", "starlette", "structlog", "uvicorn")
    code = (
        "import sys\nfrom daemon.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=20, check=True
    )
    assert ended.stdout.startswith("usage: kassabrug")
    assert [
        command for command in ("demo", "sandbox", "run", "sync", "plan", "status", "why") if f"\n    {command} " not in ended.stdout
    ] == []
    assert ended.stdout.splitlines()[-1] == "[]"
