"""The configuration: what is accepted, and that everything else is one clear line."""

from __future__ import annotations

import re
import time
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.eaccounting import EAccountingSettings
from connectors.salespos import SalesPosSettings
from daemon.settings import (
    AlertsSettings,
    BookingSettings,
    BrakeSettings,
    ConfigurationError,
    DaemonSettings,
    FlowsSettings,
    LinkSettings,
    Settings,
    load,
    state_directory,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "config" / "kassabrug.toml"
MINIMAL = """
[connections.books]
kind = "eaccounting"
client_id = "id"
client_secret = "hush-books"

[connections.till]
kind = "salespos"
api = "https://shop.example/api/rest/v1"
public_key = "hush-public"
secret_key = "hush-till"

[links.shop]
books = "books"
tills = ["till"]
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own configuration reaches a test."""
    for variable in ("KASSABRUG_CONFIG", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    """Write a configuration file and return its path."""
    file = folder / "k.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problem(folder: Path, text: str) -> str:
    """Return the line with which a configuration is refused, without the place."""
    [(_, line)] = problems(folder, text)
    return line


def problems(folder: Path, text: str) -> list[tuple[str, str]]:
    """Return the lines with which a configuration is refused, each as ("line:column", rest)."""
    file = written(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert "hush" not in str(caught.value)
    found = []
    for line in str(caught.value).splitlines():
        match = re.fullmatch(rf"{re.escape(str(file))}(?::(\d+:\d+))?: (.*)", line)
        assert match, line
        found.append((match[1] or "", match[2]))
    return found


def test_a_minimal_file_gets_the_defaults(tmp_path: Path) -> None:
    """Two connections and a link are enough."""
    settings = load(written(tmp_path, MINIMAL))
    assert settings.daemon.listen_on == ("127.0.0.1", 9464)
    books = settings.connections["books"]
    assert isinstance(books, EAccountingSettings)
    assert books.client_secret.get_secret_value() == "hush-books"
    till = settings.connections["till"]
    assert isinstance(till, SalesPosSettings)
    assert till.vat_tariffs["low a"] == Decimal(9)
    flows = settings.links["shop"].flows.by_name()
    assert {name: flow.interval for name, flow in flows.items()} == {"products": 60, "stock": 60, "sales": 5}
    assert settings.links["shop"].booking.rounding_cap == Decimal("0.05")


def test_secrets_do_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    """Logging the settings by accident gives nothing away."""
    assert "hush" not in repr(load(written(tmp_path, MINIMAL + '[alerts]\nurls = ["mailto://hush@example.org"]\n')))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(MINIMAL + "x = = 3\n", "invalid value, expected TOML", id="syntax"),
        pytest.param(MINIMAL + "books = 'till'\n", "cannot overwrite a value, expected TOML", id="twice"),
        pytest.param("x = " + "9" * 5000 + "\n" + MINIMAL, "cannot be taken, expected a number of at most 18 digits", id="digits"),
        pytest.param(
            "x = 1e9999999999999999999\n" + MINIMAL,
            "x: 1e9999999999999999999 is not accepted, expected a number of at most 18 digits",
            id="exponent",
        ),
        pytest.param("x = " + "[" * 5000 + "]" * 5000 + "\n" + MINIMAL, "a line of 10004 characters, expected at most 8192", id="nesting"),
        pytest.param("[daemn]\n" + MINIMAL, "daemn: unknown key, expected daemon", id="table"),
        pytest.param("_case_sensitive = true\n" + MINIMAL, "_case_sensitive: unknown key, expected one of", id="underscore"),
        pytest.param(MINIMAL + "[daemon]\nlisten_on = 'x:1'\n", "daemon.listen_on: unknown key, expected listen", id="key"),
        pytest.param(
            MINIMAL.replace("client_secret =", "client_secrt ="),
            "connections.books.client_secrt: unknown key, expected client_secret",
            id="misspelt-secret",
        ),
        pytest.param(
            MINIMAL + "[links.shop.brake]\nzeal = 1\n", "links.shop.brake.zeal: unknown key, expected one of minimum, share", id="deep"
        ),
        pytest.param(
            MINIMAL + '[daemon]\nworkers = "many"\n', 'daemon.workers: "many" is not accepted, expected a whole number', id="integer"
        ),
        pytest.param(MINIMAL + "[daemon]\nworkers = [1]\n", "daemon.workers: a list is not accepted, expected a whole number", id="list"),
        pytest.param("daemon = 3\n" + MINIMAL, "daemon: 3 is not accepted, expected a table", id="not-a-table"),
        pytest.param(
            MINIMAL + '[daemon]\nlog_level = "loud"\n',
            "daemon.log_level: \"loud\" is not accepted, expected 'debug', 'info', 'warning' or 'error'",
            id="choice",
        ),
        pytest.param(
            MINIMAL + '[daemon]\nlisten = "9464"\n',
            'daemon.listen: is not an address to listen on, expected host:port, like "127.0.0.1:9464"',
            id="listen",
        ),
        pytest.param(
            MINIMAL + "[links.shop.flows.sales]\ninterval = 0\n",
            "links.shop.flows.sales.interval: 0 is not accepted, expected 0.1 or more",
            id="interval",
        ),
        pytest.param(
            MINIMAL + "[links.shop.flows.sales]\ninterval = nan\n",
            "links.shop.flows.sales.interval: nan is not accepted, expected a number of at most 18 digits",
            id="nan",
        ),
        pytest.param(
            MINIMAL + '[links.shop.booking]\nrounding_cap = "0.005"\n',
            'links.shop.booking.rounding_cap: "0.005" is not accepted, expected an amount like "0.05"',
            id="cents",
        ),
        pytest.param(
            MINIMAL + "start = 2026-01-01T00:00:00\n",
            "links.shop.start: a datetime is not accepted, expected a moment with its offset",
            id="moment-without-offset",
        ),
        pytest.param(MINIMAL + "start = 1700000000\n", "links.shop.start: is a number, expected a moment", id="moment-as-number"),
        pytest.param(
            MINIMAL.replace('kind = "salespos"', ""), "connections.till.kind: is missing, expected eaccounting or salespos", id="no-kind"
        ),
        pytest.param(
            MINIMAL.replace('"salespos"', '"pos"'),
            'connections.till.kind: "pos" is not accepted, expected eaccounting or salespos',
            id="unknown-kind",
        ),
        pytest.param(MINIMAL.replace('client_id = "id"', ""), "connections.books.client_id: is missing, expected a value", id="missing"),
        pytest.param(
            MINIMAL.replace('client_secret = "hush-books"', ""),
            "connections.books.client_secret: is missing, expected client_secret, client_secret_file, "
            "or the credential books.client_secret in $CREDENTIALS_DIRECTORY",
            id="missing-credential",
        ),
        pytest.param(
            MINIMAL.replace('"hush-till"', "5"), "connections.till.secret_key: the value is not accepted, expected text", id="secret-type"
        ),
        pytest.param(MINIMAL.replace('"hush-till"', '""'), "connections.till.secret_key: is empty, expected", id="empty-secret"),
        pytest.param(
            MINIMAL.replace("https://shop", "http://shop"),
            "connections.till.api: would send secrets unencrypted, expected https://",
            id="plain-http",
        ),
        pytest.param(MINIMAL.replace("https://shop", "https://u:hush@shop"), "connections.till.api: is not an address", id="userinfo"),
        pytest.param(MINIMAL.replace("links.shop", "links.Shop"), "links.Shop: is not a name, expected at most 40 of a-z", id="name"),
        pytest.param(MINIMAL.replace('["till"]', '["tull"]'), 'links.shop.tills: no connection "tull", expected till', id="till"),
        pytest.param(
            MINIMAL.replace('books = "books"', 'books = "till"'),
            'links.shop.books: connection "till" is of kind salespos, expected one of kind eaccounting',
            id="wrong-kind",
        ),
        pytest.param(MINIMAL.replace('["till"]', "[]"), "links.shop.tills: is empty, expected at least one entry", id="no-till"),
        pytest.param(
            MINIMAL + '[links.other]\nbooks = "books"\ntills = ["till"]\nbooking = { reference_prefix = "X" }\n',
            'links.other.tills: till "till" stands in link shop too, expected a till once',
            id="till-twice",
        ),
        pytest.param(
            MINIMAL
            + '[connections.second]\nkind = "salespos"\napi = "http://127.0.0.1:1"\npublic_key = "a"\nsecret_key = "b"\n'
            + '[links.other]\nbooks = "books"\ntills = ["second"]\nbooking = { reference_prefix = "kb" }\n',
            "links.other.booking.reference_prefix: link shop books into the same company under the same prefix, expected another",
            id="prefix-twice",
        ),
        pytest.param(
            MINIMAL + "[alerts]\nfailing_minutes = inf\n",
            "alerts.failing_minutes: inf is not accepted, expected a number of at most 18 digits",
            id="infinity",
        ),
        pytest.param(
            MINIMAL + "[alerts]\nfailing_minutes = 1e9\n", "alerts.failing_minutes: 1E+9 is not accepted, expected 10080", id="too-long"
        ),
        pytest.param(MINIMAL + "[alerts]\nfailing_minutes = -1\n", "alerts.failing_minutes: -1 is not accepted, expected 0", id="negative"),
        pytest.param(
            MINIMAL + "[connections.other]\nkind = 'salespos'\napi = 'https://x.example'\npublic_key = 'a'\nsecret_key = 'b'\n"
            "vat_tariffs = { normal = nan }\n",
            "connections.other.vat_tariffs.normal: nan is not accepted, expected a number of at most 18 digits",
            id="nan-rate",
        ),
        pytest.param(
            MINIMAL + "[daemon]\nretention_days = 1000000000\n",
            "daemon.retention_days: 1000000000 is not accepted, expected 36500 or less",
            id="days",
        ),
        pytest.param(
            MINIMAL + "[links.shop.flows.sales]\ninterval = 1e-9\n",
            "links.shop.flows.sales.interval: 1E-9 is not accepted, expected 0.1 or more",
            id="without-rest",
        ),
        pytest.param(
            MINIMAL + "start = 0001-01-01T00:00:00+14:00\n", "links.shop.start: is in the year 1, expected a year from 1990 to", id="year"
        ),
        pytest.param(
            MINIMAL + "[daemon]\nlisten = '0.0.0.0:9464'\n",
            "daemon.listen: can be reached from other machines, expected a loopback address, or exposed = true beside it",
            id="exposed",
        ),
        pytest.param(MINIMAL + "[daemon]\nlisten = '[::]:9464'\n", "daemon.listen: can be reached from other machines", id="exposed-six"),
        pytest.param(MINIMAL + "[daemon]\nlisten = 'shop:9464'\n", "daemon.listen: can be reached from other machines", id="exposed-name"),
        pytest.param(
            MINIMAL + "[daemon]\nlisten = '127.0.0.1:99999'\n",
            "daemon.listen: is not an address to listen on, expected host:port",
            id="port",
        ),
        pytest.param(MINIMAL + "[daemon]\nlisten = '127.0.0.1:٩'\n", "daemon.listen: is not an address to listen on", id="port-digits"),
        pytest.param(MINIMAL + "[daemon]\nhosts = ['a b']\n", "daemon.hosts.0: is not the name of a host", id="host"),
        pytest.param(
            MINIMAL.replace("hush-till", "hush\\ntill"),
            "connections.till.secret_key: has a sign in it that cannot be sent, expected letters, digits and signs of ASCII",
            id="secret-of-two-lines",
        ),
        pytest.param(
            MINIMAL.replace("hush-till", "hush-é"),
            "connections.till.secret_key: has a sign in it that cannot be sent",
            id="secret-not-ascii",
        ),
        pytest.param(MINIMAL + f"[daemon]\ncontact = '{'x' * 5000}'\n", 'daemon.contact: "' + "x" * 40 + '" is not accepted', id="long"),
        pytest.param(MINIMAL.replace("https://shop", "https://a{b}\u2100"), "connections.till.api: is not an address", id="no-host"),
        pytest.param(
            MINIMAL + 'mapping = "~nosuchuser/x"\n', 'links.shop.mapping: there is no user of the name in "~nosuchuser/x"', id="no-user"
        ),
    ],
)
def test_wrong_configuration_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    """File, key, what is wrong, what was expected; never a value that could be a secret."""
    assert problem(tmp_path, text).startswith(line)


EVERYTHING = """
[daemn]
workers = 3

[connections.books]
kind = "eaccounting"
client_id = 5
client_secrt = "hush-books"

[connections.till]
kind = "salespos"
api = "http://shop.example/api/rest/v1"
secret_key = ""
public_key_file = "absent"

[links.shop]
books = "boeken"
tills = ["till"]
flows.sales = { enabld = true, interval = 0 }

[links.shop.booking]
"rounding_cup" = "0.05"
"""


def test_everything_that_is_wrong_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    """Line and column of each key, in the order of the file; what only follows from a misspelt key is not said."""
    absent = tmp_path / "absent"
    assert problems(tmp_path, EVERYTHING) == [
        ("2:2", "daemn: unknown key, expected daemon"),
        ("7:1", "connections.books.client_id: 5 is not accepted, expected text in quotes"),
        ("8:1", "connections.books.client_secrt: unknown key, expected client_secret"),
        ("12:1", "connections.till.api: would send secrets unencrypted, expected https:// (http:// only on this machine)"),
        ("13:1", "connections.till.secret_key: is empty, expected at least one entry"),
        ("14:1", f"connections.till.public_key_file: cannot read {absent} (no such file or directory), expected a readable text file"),
        ("17:1", 'links.shop.books: no connection "boeken", expected books'),
        ("19:17", "links.shop.flows.sales.enabld: unknown key, expected enabled"),
        ("19:32", "links.shop.flows.sales.interval: 0 is not accepted, expected 0.1 or more"),
        ("22:1", "links.shop.booking.rounding_cup: unknown key, expected rounding_cap"),
    ]


def test_what_nobody_can_mean_is_said_with_all_the_rest(tmp_path: Path) -> None:
    """Once each, in the order of the file."""
    text = MINIMAL + "[daemon]\nworkerz = 1\nshutdown_seconds = nan\ncontact = 'a'\n[alerts]\nfailing_minutes = inf\nrepeat_hours = 0\n"
    assert problems(tmp_path, text) == [
        ("17:1", "daemon.workerz: unknown key, expected workers"),
        ("18:1", "daemon.shutdown_seconds: nan is not accepted, expected a number of at most 18 digits"),
        ("21:1", "alerts.failing_minutes: inf is not accepted, expected a number of at most 18 digits"),
        ("22:1", "alerts.repeat_hours: 0 is not accepted, expected more than 0.0"),
    ]


def test_what_is_missing_is_pointed_at_where_it_belongs(tmp_path: Path) -> None:
    """The table that lacks it; nothing at all has no place."""
    assert problems(tmp_path, MINIMAL.replace('client_id = "id"', "")) == [
        ("2:14", "connections.books.client_id: is missing, expected a value")
    ]
    assert [place for place, _ in problems(tmp_path, "")] == ["", ""]


def test_a_link_without_any_connection_is_told_what_is_missing(tmp_path: Path) -> None:
    """Something is expected, also where there is nothing to choose from."""
    found = [line for _, line in problems(tmp_path, '[connections]\n[links.shop]\nbooks = "books"\ntills = ["till"]\n')]
    assert 'links.shop.books: no connection "books", expected a table [connections.NAME]' in found


def test_text_that_is_no_toml_has_its_place(tmp_path: Path) -> None:
    """As a person counts, from one."""
    assert problems(tmp_path, MINIMAL + "x = = 3\n") == [("16:5", "invalid value, expected TOML")]
    assert problems(tmp_path, MINIMAL + "x = [1,")[0][0] == "16:8"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Missing, a folder, or not text."""
    with pytest.raises(
        ConfigurationError, match=r"absent\.toml: cannot read it \(no such file or directory\), expected a readable TOML file"
    ):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigurationError, match=r"cannot read it \(is a directory\)"):
        load(tmp_path)
    (tmp_path / "k.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"cannot read it \(not UTF-8\)"):
        load(tmp_path / "k.toml")


def test_the_file_is_looked_for_where_it_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names it, else it lies in the working folder."""
    monkeypatch.setattr("daemon.settings.loading.DEFAULT_PATHS", (Path("kassabrug.toml"),))
    with pytest.raises(ConfigurationError, match=r"^configuration: no file is given, expected --config FILE, KASSABRUG_CONFIG"):
        load(None)
    (tmp_path / "kassabrug.toml").write_text(MINIMAL.replace("shop]", "here]"), encoding="utf-8")
    assert list(load(None).links) == ["here"]
    named = written(tmp_path, MINIMAL.replace("shop]", "named]"))
    monkeypatch.setenv("KASSABRUG_CONFIG", str(named))
    assert list(load(None).links) == ["named"]


def test_a_secret_may_lie_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """The path is relative to the configuration's folder and the line's end is not part of the secret."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "key").write_text("from-file\n", encoding="utf-8")
    settings = load(written(tmp_path, MINIMAL.replace('secret_key = "hush-till"', 'secret_key_file = "sub/key"')))
    till = settings.connections["till"]
    assert isinstance(till, SalesPosSettings)
    assert till.secret_key.get_secret_value() == "from-file"


def test_a_secret_may_come_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LoadCredential=books.client_secret:… is all it takes, and the alert addresses work the same."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "books.client_secret").write_text("from-systemd", encoding="utf-8")
    (tmp_path / "alerts.urls").write_text("json://one\nmailto://two\n", encoding="utf-8")
    settings = load(written(tmp_path, MINIMAL.replace('client_secret = "hush-books"', "")))
    books = settings.connections["books"]
    assert isinstance(books, EAccountingSettings)
    assert books.client_secret.get_secret_value() == "from-systemd"
    assert books.refresh_token is None
    assert [url.get_secret_value() for url in settings.alerts.urls] == ["json://one", "mailto://two"]


def test_a_credential_file_that_does_not_help_is_named(tmp_path: Path) -> None:
    """Unreadable, empty, and given twice."""
    with_file = MINIMAL.replace('client_secret = "hush-books"', 'client_secret_file = "key"')
    assert problem(tmp_path, with_file) == (
        f"connections.books.client_secret_file: cannot read {tmp_path / 'key'} (no such file or directory), expected a readable text file"
    )
    (tmp_path / "key").write_text("\n", encoding="utf-8")
    assert problem(tmp_path, with_file).endswith("key is empty, expected the secret in it")
    twice = MINIMAL.replace("client_secret =", 'client_secret_file = "key"\nclient_secret =')
    assert (
        problem(tmp_path, twice) == "connections.books.client_secret: is given twice, expected either client_secret or client_secret_file"
    )


def test_a_command_that_only_looks_needs_no_credentials(tmp_path: Path) -> None:
    """`status` works for somebody who may not read the secrets; everything else is still checked."""
    text = MINIMAL.replace('client_secret = "hush-books"', 'client_secret_file = "not/for/you"').replace('secret_key = "hush-till"', "")
    assert list(load(written(tmp_path, text), secrets=False).links) == ["shop"]
    with pytest.raises(ConfigurationError, match=r"links\.shop\.tills"):
        load(written(tmp_path, text.replace('["till"]', '["x"]')), secrets=False)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has a variable; what lies beside it in the file stays."""
    monkeypatch.setenv("KASSABRUG_LINKS__SHOP__FLOWS__SALES__INTERVAL", "2")
    monkeypatch.setenv("KASSABRUG_CONNECTIONS__BOOKS__REQUESTS_PER_MINUTE", "0")
    monkeypatch.setenv("KASSABRUG_ALERTS__URLS", '["json://host"]')
    settings = load(written(tmp_path, MINIMAL + "[links.shop.flows.sales]\ninterval = 9\nenabled = false\n"))
    sales = settings.links["shop"].flows.by_name()["sales"]
    assert (sales.enabled, sales.interval) == (False, 2)
    books = settings.connections["books"]
    assert isinstance(books, EAccountingSettings)
    assert (books.requests_per_minute, books.client_id) == (0, "id")
    assert settings.alerts.urls[0].get_secret_value() == "json://host"


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("KASSABRUG_LINK__SHOP__START", "x", "environment: KASSABRUG_LINK__SHOP__START: unknown section, expected links"),
        ("KASSABRUG_DAEMON__WORKERS", "x", 'environment: daemon.workers: "x" is not accepted, expected a whole number'),
        ("KASSABRUG_DAEMON__WORKRS", "3", "environment: daemon.workrs: unknown key, expected workers"),
        ("KASSABRUG_ALERTS__URLS", "x", "environment: "),
    ],
)
def test_a_wrong_variable_is_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str) -> None:
    """The environment is named as the culprit, not the file."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, MINIMAL))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the program was started from."""
    file = written(tmp_path, MINIMAL + 'mapping = "m"\n[daemon]\nstate_dir = "s"\n[links.shop.payment_methods]\nmapping = "Pin"\n')
    monkeypatch.chdir("/")
    settings = load(file)
    assert settings.links["shop"].mapping == tmp_path / "m"
    assert settings.daemon.state_dir == tmp_path / "s"
    assert settings.links["shop"].payment_methods == {"mapping": "Pin"}


def test_the_state_lives_where_it_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line, else the setting, else systemd, else the XDG folder."""
    plain, placed = load(written(tmp_path, MINIMAL)), load(written(tmp_path, MINIMAL + '[daemon]\nstate_dir = "/s"\n'))
    monkeypatch.setenv("HOME", "/home/x")
    assert state_directory(plain) == Path("/home/x/.local/state/kassabrug")
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert state_directory(plain) == Path("/xdg/kassabrug")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/kassabrug:/other")
    assert state_directory(plain) == Path("/var/lib/kassabrug")
    assert state_directory(placed) == Path("/s")
    assert state_directory(placed, Path("/given")) == Path("/given")


def test_a_moment_keeps_its_offset(tmp_path: Path) -> None:
    """The start of a link is an instant, whatever the machine's zone."""
    settings = load(written(tmp_path, MINIMAL + "start = 2026-01-31T00:00:00+01:00\n"))
    assert settings.links["shop"].start == datetime(2026, 1, 30, 23, tzinfo=UTC)


def example(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """Load the shipped example with the credentials that it leaves out."""
    for credential in ("books.client_secret", "till.public_key", "till.secret_key"):
        (folder / credential).write_text("x", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return load(EXAMPLE)


TABLES: dict[str, type[BaseModel]] = {
    "daemon": DaemonSettings,
    "connections.books": EAccountingSettings,
    "connections.till": SalesPosSettings,
    "links.shop": LinkSettings,
    **{f"links.shop.flows.{name}": type(own) for name, own in FlowsSettings().by_name().items()},
    "links.shop.booking": BookingSettings,
    "links.shop.brake": BrakeSettings,
    "alerts": AlertsSettings,
}


@pytest.mark.parametrize("table", TABLES)
def test_the_example_explains_every_setting(table: str) -> None:
    """A setting that is not in the file, live or commented out, does not exist for the reader."""
    text = EXAMPLE.read_text(encoding="utf-8")
    part = re.split(r"(?m)^\[", text.split(f"\n[{table}]\n", 1)[1])[0]
    nested = set(re.findall(rf"(?m)^\[{re.escape(table)}\.(\w+)", text))
    shown = set(re.findall(r"(?m)^(?:# )?(\w+) = ", part)) | nested
    assert shown == set(TABLES[table].model_fields)


@pytest.mark.parametrize("table", TABLES)
def test_the_example_shows_the_defaults(table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the file shows as the default is what the program does without it."""
    examples_only = {"kind", "client_id", "api", "public_key", "secret_key", "books", "tills", "payment_methods"}
    data: Any = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    loaded: Any = example(monkeypatch, tmp_path)
    for part in table.split("."):
        data = data[part]
        loaded = loaded[part] if isinstance(loaded, dict) else getattr(loaded, part)
    for name, field in TABLES[table].model_fields.items():
        if name not in examples_only or (name == "api" and not field.is_required()):
            default = field.get_default(call_default_factory=True) if not field.is_required() else None
            if name in data:
                assert getattr(loaded, name) == default, name
            else:
                assert default is None or field.is_required(), name


def test_who_says_so_may_listen_to_other_machines(tmp_path: Path) -> None:
    """Said beside it, any address of this machine is taken; and the names under which it is then asked for."""
    settings = load(written(tmp_path, MINIMAL + "[daemon]\nlisten = '0.0.0.0:1'\nexposed = true\nhosts = ['Kassa.Shop.example']\n"))
    assert settings.daemon.listen_on == ("0.0.0.0", 1)  # noqa: S104 - that is what is said
    assert "kassa.shop.example" in settings.daemon.answers_to
    for listen in ("127.0.0.2:1", "[::1]:1", "localhost:1"):
        assert not load(written(tmp_path, MINIMAL + f"[daemon]\nlisten = '{listen}'\n")).daemon.exposed


def test_a_credential_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A device in the place of a file."""
    text = MINIMAL.replace('secret_key = "hush-till"', 'secret_key_file = "/dev/zero"')
    assert problem(tmp_path, text).startswith("connections.till.secret_key_file: cannot read /dev/zero (more than 65536 bytes)")


def test_very_many_wrong_keys_take_no_time(tmp_path: Path) -> None:
    """What was probably meant is looked for only as often as somebody reads it."""
    began = time.process_time()
    found = problems_of(written(tmp_path, MINIMAL + "[daemon]\n" + "\n".join(f"workerz{number} = 1" for number in range(20_000))))
    assert time.process_time() - began < 5
    assert len(found) == 51
    assert re.fullmatch(r"and \d+ more", found[-1])


def problems_of(file: Path) -> list[str]:
    """Return the lines with which a file is refused."""
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KASSABRUG_ALERTS__URLS", "[" * 50_000),
        ("KASSABRUG_ALERTS", '{"a":' * 2_000 + "1" + "}" * 2_000),
        ("KASSABRUG_ALERTS__FAILING_MINUTES", "inf"),
        ("KASSABRUG_ALERTS__REPEAT_HOURS", "nan"),
        ("KASSABRUG_DAEMON__RETENTION_DAYS", "9" * 5_000),
        ("KASSABRUG_LINKS__SHOP__START", "0001-01-01T00:00:00Z"),
    ],
)
def test_what_nobody_means_is_refused_in_the_environment_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """One line, short, that names the environment."""
    monkeypatch.setenv(variable, value)
    [line] = problems_of(written(tmp_path, MINIMAL))
    assert line.startswith("environment: ")
    assert len(line) < 1_000
