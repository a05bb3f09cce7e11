"""Where the configuration comes from: the TOML file, the environment, and files that hold a credential."""

from __future__ import annotations

import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from daemon.settings.problems import ConfigurationError, Problem, first_problem, likely
from daemon.settings.tables import SECRETS, AlertsSettings, ConnectionSettings, DaemonSettings, LinkSettings, Name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENVIRONMENT_PREFIX = "KASSABRUG_"
_TOML_PLACE = re.compile(r"(.*) \(at (.*)\)", re.DOTALL)
#: where :func:`load` looks when it is given no path and ``KASSABRUG_CONFIG`` is not set
DEFAULT_PATHS = (Path("kassabrug.toml"), Path("/etc/kassabrug/kassabrug.toml"))


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=_ENVIRONMENT_PREFIX, env_nested_delimiter="__")

    daemon: DaemonSettings = DaemonSettings()
    connections: Annotated[dict[Name, ConnectionSettings], Field(min_length=1)]
    links: Annotated[dict[Name, LinkSettings], Field(min_length=1)]
    alerts: AlertsSettings = AlertsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the signature is pydantic-settings')
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; credential files fill in the secrets that neither gave."""
        return env_settings, init_settings, _CredentialFiles(settings_cls)


class _SettingsWithoutSecrets(Settings):
    """For commands that only look at the state: they must work where nobody can read the credentials."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the signature is pydantic-settings')
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Secrets that are not given directly have a placeholder."""
        return env_settings, init_settings, _CredentialFiles(settings_cls, read=False)


class _CredentialFiles(PydanticBaseSettingsSource):
    """Reads ``X_file`` and ``$CREDENTIALS_DIRECTORY/<connection>.<X>`` for every secret ``X`` that was not given itself."""

    def __init__(self, settings_cls: type[BaseSettings], *, read: bool = True) -> None:
        super().__init__(settings_cls)
        self._read = read

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 (the signature is pydantic-settings')
        """Nothing: credentials sit deeper than the top-level fields that this is asked for."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {"connections": {}}
        for name, table in _tables(self.current_state.get("connections")):
            secrets = SECRETS.get(str(table.get("kind")), {})
            if self._read:
                values = {secret: _credential(f"connections.{name}", name, secret, table) for secret in secrets}
            else:
                values = {secret: "(not read)" for secret, required in secrets.items() if required}
            found["connections"][name] = {secret: value for secret, value in values.items() if value is not None}
        alerts = self.current_state.get("alerts", {})
        if self._read and isinstance(alerts, dict) and (lines := _credential("alerts", "alerts", "urls", alerts)) is not None:
            found["alerts"] = {"urls": lines.split()}
        return found


def _tables(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of a table of tables, leaving out what has another type (the models say so later)."""
    for name, table in value.items() if isinstance(value, dict) else ():
        if isinstance(table, dict):
            yield str(name), table


def _credential(key: str, owner: str, secret: str, table: Mapping[str, Any]) -> str | None:
    """Return the secret from a file, ``None`` when it is given directly or nowhere."""
    named = table.get(f"{secret}_file")
    if secret in table:
        if named is not None:
            raise Problem(f"{key}.{secret}", "is given twice", f"either {secret} or {secret}_file")
        return None
    if isinstance(named, str):
        return _read_secret(Path(named), f"{key}.{secret}_file")
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return _read_secret(Path(directory, f"{owner}.{secret}"), f"{key}.{secret}", may_be_missing=True) if directory else None


def _read_secret(path: Path, key: str, *, may_be_missing: bool = False) -> str | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if may_be_missing and isinstance(error, FileNotFoundError):
            return None
        raise Problem(key, f"cannot read {path} ({_cause(error)})", "a readable text file") from error
    if not text:
        raise Problem(key, f"{path} is empty", "the secret in it")
    return text


def _cause(error: OSError | UnicodeDecodeError) -> str:
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else (error.strerror or type(error).__name__).lower()


def load(path: Path | None, *, secrets: bool = True) -> Settings:
    """Read and check the configuration.

    Args:
        path: the file; ``None`` takes ``$KASSABRUG_CONFIG``, else ``./kassabrug.toml``, else ``/etc/kassabrug/kassabrug.toml``.
        secrets: whether the credentials are needed; without, those in files are not read and may be missing.

    Raises:
        ConfigurationError: the first problem, as one line.
    """
    file = path if path is not None else _find()
    data = _read_toml(file)
    _resolve_paths(data, file.absolute().parent)
    try:
        _check_sections(data)
        settings = (Settings if secrets else _SettingsWithoutSecrets)(**data)
        _check_links(settings)
    except Problem as problem:
        raise ConfigurationError(_where(file, problem.key), problem.key, problem.wrong, problem.expected) from problem
    except SettingsError as error:
        raise ConfigurationError("environment", "", str(error), "JSON for a list or a table") from error
    except ValidationError as error:
        key, wrong, expected = first_problem(error, SECRETS)
        raise ConfigurationError(_where(file, key), key, wrong, expected) from None  # pydantic's own text would show secrets
    return settings


def _find() -> Path:
    if named := os.environ.get(f"{_ENVIRONMENT_PREFIX}CONFIG"):
        return Path(named)
    for candidate in DEFAULT_PATHS:
        if candidate.exists():
            return candidate
    places = " or ".join(str(path) for path in DEFAULT_PATHS)
    raise ConfigurationError("configuration", "", "no file is given", f"--config FILE, {_ENVIRONMENT_PREFIX}CONFIG, {places}")


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(file), "", f"cannot read it ({_cause(error)})", "a readable TOML file") from error
    except tomllib.TOMLDecodeError as error:
        text, place = match.groups() if (match := _TOML_PLACE.fullmatch(str(error))) else (str(error), "")
        raise ConfigurationError(str(file), place, text[:1].lower() + text[1:], "TOML") from error


def _resolve_paths(data: dict[str, Any], folder: Path) -> None:
    """Make the paths of the file absolute: they are relative to the folder that the file lies in."""
    owners = [
        *_tables({key: data.get(key) for key in ("daemon", "alerts")}),
        *_tables(data.get("connections")),
        *_tables(data.get("links")),
    ]
    for _, table in owners:
        for key, value in table.items():
            if isinstance(value, str) and (key in {"state_dir", "mapping"} or key.endswith("_file")):
                table[key] = str(folder / Path(value).expanduser())


def _check_sections(data: Mapping[str, Any]) -> None:
    """Refuse a table, or a nested environment variable, that nothing would read; deeper keys are checked by the models."""
    for section in data:
        if section not in Settings.model_fields:
            raise Problem(section, "unknown key", likely(section, Settings.model_fields))
    for variable in os.environ:
        if variable.upper().startswith(_ENVIRONMENT_PREFIX) and "__" in variable:
            section = variable[len(_ENVIRONMENT_PREFIX) :].split("__")[0].lower()
            if section not in Settings.model_fields:
                raise Problem(variable, "unknown section", likely(section, Settings.model_fields))


def _where(file: Path, key: str) -> str:
    """Name the environment as the source of what it set, else the file."""
    variable = _ENVIRONMENT_PREFIX + key.replace(".", "__")
    known = {name.upper() for name in os.environ}
    return "environment" if variable.upper() in known or key.upper() in known else str(file)


def _check_links(settings: Settings) -> None:
    """Raise for what each table alone cannot know: links and connections that do not fit together."""
    kinds = {name: connection.kind for name, connection in settings.connections.items()}
    owner_of_till: dict[str, str] = {}
    owner_of_prefix: dict[tuple[str, str], str] = {}
    for name, link in settings.links.items():
        wanted = [("books", link.books, "eaccounting"), *(("tills", till, "salespos") for till in link.tills)]
        for field, connection, kind in wanted:
            key = f"links.{name}.{field}"
            if connection not in kinds:
                raise Problem(key, f'no connection "{connection}"', f"one of {', '.join(sorted(kinds))}")
            if kinds[connection] != kind:
                raise Problem(key, f'connection "{connection}" is of kind {kinds[connection]}', f"one of kind {kind}")
        for till in link.tills:
            if till in owner_of_till:
                raise Problem(f"links.{name}.tills", f'till "{till}" stands in link {owner_of_till[till]} too', "a till once")
            owner_of_till[till] = name
        prefix = (link.books, link.booking.reference_prefix.casefold())
        if prefix in owner_of_prefix:
            wrong = f"link {owner_of_prefix[prefix]} books into the same company under the same prefix"
            raise Problem(f"links.{name}.booking.reference_prefix", wrong, "another prefix, so that receipts stay apart")
        owner_of_prefix[prefix] = name


def state_directory(settings: Settings | None, given: Path | None = None) -> Path:
    """Return where the state lives: ``--state-dir``, else the setting, else ``$STATE_DIRECTORY`` (systemd), else the XDG folder."""
    if given is not None:
        return given
    if settings is not None and settings.daemon.state_dir is not None:
        return settings.daemon.state_dir
    if by_systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(by_systemd.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "kassabrug")
