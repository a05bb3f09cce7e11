"""Where the configuration comes from: the TOML file, the environment, and files that hold a credential."""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import Field, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from connectors.registry import CONNECTORS
from connectors.settings import ConnectionSettings
from daemon.core.flow_registry import NAMES, Side, wanted_of
from daemon.settings.document import LARGEST_SECRET, cause, read_bounded, read_document
from daemon.settings.problems import ConfigurationError, Problem, all_problems, likely
from daemon.settings.tables import AlertsSettings, BookingSettings, DaemonSettings, LinkSettings, Name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from connectors.offer import Connector
    from daemon.settings.document import Document

_ENVIRONMENT_PREFIX = "KASSABRUG_"
#: stands for a secret that is not looked at, or cannot be read
_NOT_READ = "(not read)"
_PREFIX = BookingSettings.model_fields["reference_prefix"].default
#: where :func:`load` looks when it is given no path and ``KASSABRUG_CONFIG`` is not set
DEFAULT_PATHS = (Path("kassabrug.toml"), Path("/etc/kassabrug/kassabrug.toml"))


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=_ENVIRONMENT_PREFIX, env_nested_delimiter="__")

    daemon: DaemonSettings = DaemonSettings()
    #: each as its connector reads it
    connections: Annotated[dict[Name, ConnectionSettings], Field(min_length=1)]
    links: Annotated[dict[Name, LinkSettings], Field(min_length=1)]
    alerts: AlertsSettings = AlertsSettings()


#: of the reading that goes on: whether credentials are read, and where what is wrong with them is noted
_READING: ContextVar[tuple[bool, list[Problem]]] = ContextVar("reading")


class _CredentialFiles(PydanticBaseSettingsSource):
    """Reads ``X_file`` and ``$CREDENTIALS_DIRECTORY/<connection>.<X>`` for every secret ``X`` that was not given itself.

    For commands that only look at the state they are not read: those must work where nobody can.  What stands in the way is noted, and the
    secret taken for given, so that nothing is said twice.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._read, self._problems = _READING.get()

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 (the signature is pydantic-settings')
        """Nothing: credentials sit deeper than the top-level fields that this is asked for."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {"connections": {}}
        for name, table in _tables(self.current_state.get("connections")):
            secrets = _secrets().get(str(table.get("kind")), {})
            if self._read:
                values = {secret: self._credential(("connections", name), name, secret, table) for secret in secrets}
            else:
                values = {secret: _NOT_READ for secret, required in secrets.items() if required}
            found["connections"][name] = {secret: value for secret, value in values.items() if value is not None}
        alerts = self.current_state.get("alerts", {})
        if self._read and isinstance(alerts, dict) and (lines := self._credential(("alerts",), "alerts", "urls", alerts)) is not None:
            found["alerts"] = {"urls": lines.split()}
        return found

    def _credential(self, place: tuple[str, ...], owner: str, secret: str, table: Mapping[str, Any]) -> str | None:
        try:
            return _credential(place, owner, secret, table)
        except Problem as problem:
            self._problems.append(problem)
            return _NOT_READ


def _secrets() -> dict[str, dict[str, bool]]:
    """Return the secrets of each kind of connection, and whether it cannot work without."""
    found = {}
    for kind, connector in CONNECTORS.items():
        fields = connector.settings.model_fields
        names = [name.removesuffix("_file") for name in fields if name.endswith("_file")]
        found[kind] = {name: fields[name].is_required() for name in names if name in fields}
    return found


def _tables(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of a table of tables, leaving out what has another type (the models say so later)."""
    for name, table in value.items() if isinstance(value, dict) else ():
        if isinstance(table, dict):
            yield str(name), table


def _credential(place: tuple[str, ...], owner: str, secret: str, table: Mapping[str, Any]) -> str | None:
    """Return the secret from a file, ``None`` when it is given directly or nowhere; raises :class:`Problem`."""
    named = table.get(f"{secret}_file")
    if secret in table:
        if named is not None:
            raise Problem((*place, secret), "is given twice", f"either {secret} or {secret}_file")
        return None
    if isinstance(named, str):
        return _read_secret(Path(named), (*place, f"{secret}_file"))
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return _read_secret(Path(directory, f"{owner}.{secret}"), (*place, secret), may_be_missing=True) if directory else None


def _read_secret(path: Path, place: tuple[str, ...], *, may_be_missing: bool = False) -> str | None:
    try:
        text = read_bounded(path, LARGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if may_be_missing and isinstance(error, FileNotFoundError):
            return None
        why = cause(error) if isinstance(error, OSError | UnicodeDecodeError) else str(error)
        raise Problem(place, f"cannot read {path} ({why})", "a readable text file") from error
    if not text:
        raise Problem(place, f"{path} is empty", "the secret in it")
    return text


def load(path: Path | None, *, secrets: bool = True) -> Settings:
    """Read and check the configuration.

    Args:
        path: the file; ``None`` takes ``$KASSABRUG_CONFIG``, else ``./kassabrug.toml``, else ``/etc/kassabrug/kassabrug.toml``.
        secrets: whether the credentials are needed; without, those in files are not read and may be missing.

    Raises:
        ConfigurationError: everything that is wrong, a line each.
    """
    file = path if path is not None else _find()
    try:
        document = read_document(file, strict=False)
    except FileNotFoundError as error:
        raise ConfigurationError(str(file), "", f"cannot read it ({cause(error)})", "a readable TOML file") from error
    problems: list[Problem] = []
    data = _known_sections(document.data, problems)
    _resolve_paths(data, file.absolute().parent, problems)
    reading, settings = _reading(tuple(connector.settings for connector in CONNECTORS.values())), None
    going_on = _READING.set((secrets, problems))
    try:
        settings = reading(**data)
    except (SettingsError, RecursionError) as error:
        why = str(error) if isinstance(error, SettingsError) else "JSON that is nested too deeply"
        raise ConfigurationError("environment", "", why, "JSON for a list or a table") from None
    except ValidationError as error:
        problems += all_problems(error, reading, _secrets())
    finally:
        _READING.reset(going_on)
    problems += _contradictions(data if settings is None else settings.model_dump(include={"connections", "links"}))
    # what is said of a value that nobody can mean is said once
    senseless = {one.names for one in document.problems}
    problems = [one for one in problems if not any(one.names[:length] in senseless for length in range(len(one.names) + 1))]
    if problems or senseless or settings is None:
        raise _all(document, [*document.problems, *problems]) from None  # pydantic's own text would show secrets
    return settings


def _all(document: Document, problems: Sequence[Problem]) -> ConfigurationError:
    """Return all problems as one error, in the order of the file."""

    def order(problem: Problem) -> tuple[int, ...]:
        for length in range(len(problem.names), 0, -1):
            if (place := document.keys.get(problem.names[:length])) is not None:
                return place
        return ()

    errors = [ConfigurationError(_where(document, one.names), one.key, one.wrong, one.expected) for one in sorted(problems, key=order)]
    return ConfigurationError.together(errors)


@lru_cache(maxsize=8)
def _reading(tables: tuple[type[ConnectionSettings], ...]) -> type[Settings]:
    """Return the settings with their sources, and a table for each kind of connection that there is; making them takes a while."""

    class Reading(Settings):
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

    kinds: Any = reduce(or_, tables)
    connections = dict[Name, Annotated[kinds, Field(discriminator="kind")]]
    return create_model("Reading", __base__=Reading, connections=(Annotated[connections, Field(min_length=1)], ...))


def _find() -> Path:
    if named := os.environ.get(f"{_ENVIRONMENT_PREFIX}CONFIG"):
        return Path(named)
    for candidate in DEFAULT_PATHS:
        if candidate.exists():
            return candidate
    places = " or ".join(str(path) for path in DEFAULT_PATHS)
    raise ConfigurationError("configuration", "", "no file is given", f"--config FILE, {_ENVIRONMENT_PREFIX}CONFIG, {places}")


def _resolve_paths(data: dict[str, Any], folder: Path, problems: list[Problem]) -> None:
    """Make the paths of the file absolute: they are relative to the folder that the file lies in."""
    owners: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((key,), table) for key, table in _tables({key: data.get(key) for key in ("daemon", "alerts")})
    ]
    owners += [((group, name), table) for group in ("connections", "links") for name, table in _tables(data.get(group))]
    for place, table in owners:
        own = _paths(str(table.get("kind"))) if place[0] == "connections" else {"state_dir", "mapping", "urls_file"}
        for key, value in table.items():
            if isinstance(value, str) and key in own:
                try:
                    table[key] = str(folder / Path(value).expanduser())
                except RuntimeError:
                    problems.append(Problem((*place, key), f'there is no user of the name in "{value}"', "a path"))


def _paths(kind: str) -> Collection[str]:
    """Return the settings of a kind of connection that are paths."""
    fields = CONNECTORS[kind].settings.model_fields if kind in CONNECTORS else {}
    return {name for name, field in fields.items() if Path in {field.annotation, *get_args(field.annotation)}}


def _known_sections(data: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return the tables that there are, and note each other table, and nested environment variable, that nothing would read."""
    sections = Settings.model_fields
    problems += [Problem((section,), "unknown key", likely(section, sections)) for section in data if section not in sections]
    for variable in os.environ:
        if variable.upper().startswith(_ENVIRONMENT_PREFIX) and "__" in variable:
            section = variable[len(_ENVIRONMENT_PREFIX) :].split("__")[0].lower()
            if section not in sections:
                problems.append(Problem((variable,), "unknown section", likely(section, sections)))
    return {section: table for section, table in data.items() if section in sections}


def _where(document: Document, names: tuple[str, ...]) -> str:
    """Name the environment as the source of what it set, else the place in the file."""
    variable = _ENVIRONMENT_PREFIX + "__".join(names)
    known = {name.upper() for name in os.environ}
    return "environment" if variable.upper() in known or names[0].upper() in known else document.where(names)


def _contradictions(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what each table alone cannot know: links and connections that do not fit together.

    ``data`` may be wrong in any other way; what has not the right type is left out, for that is said elsewhere.
    """
    kinds = {name: str(table.get("kind")) for name, table in _tables(data.get("connections"))}
    owner_of_till: dict[str, str] = {}
    owner_of_prefix: dict[tuple[str, str], str] = {}
    for name, link in _tables(data.get("links")):
        books = [link["books"]] if isinstance(link.get("books"), str) else []
        tills = [till for till in link["tills"] if isinstance(till, str)] if isinstance(link.get("tills"), list) else []
        flows = _enabled(link.get("flows"))
        yield from _ends(("links", name, "books"), books, flows, kinds)
        yield from _ends(("links", name, "tills"), tills, flows, kinds)
        for till in tills:
            if till in owner_of_till:
                yield Problem(("links", name, "tills"), f'till "{till}" stands in link {owner_of_till[till]} too', "a till once")
            owner_of_till[till] = name
        booking = link.get("booking")
        prefix = str(booking.get("reference_prefix", _PREFIX) if isinstance(booking, dict) else _PREFIX).casefold()
        for company in books:
            if (company, prefix) in owner_of_prefix:
                wrong = f"link {owner_of_prefix[company, prefix]} books into the same company under the same prefix"
                place = ("links", name, "booking", "reference_prefix")
                yield Problem(place, wrong, "another prefix, so that receipts stay apart")
            owner_of_prefix[company, prefix] = name


def _enabled(flows: Any) -> list[str]:
    """Return the flows that a link does not switch off."""
    off = {name for name, table in _tables(flows) if table.get("enabled") is False}
    return [name for name in NAMES if name not in off]


def _opens(connector: Connector, side: Side) -> bool:
    return (connector.open_books if side is Side.BOOKS else connector.open_till) is not None


def _ends(place: tuple[str, ...], connections: Sequence[str], flows: Sequence[str], kinds: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the ends of a link that are no connections, or connections that cannot do what its flows need."""
    side = Side.BOOKS if place[-1] == "books" else Side.TILL
    able = sorted(kind for kind, connector in CONNECTORS.items() if _opens(connector, side))
    fitting = sorted(name for name, own in kinds.items() if own in able)
    for connection in connections:
        kind = kinds.get(connection)
        if kind is None:
            yield Problem(place, f'no connection "{connection}"', likely(connection, fitting or kinds) or "a table [connections.NAME]")
        elif kind in CONNECTORS and kind not in able:
            yield Problem(place, f'connection "{connection}" is of kind {kind}', f"one of kind {' or '.join(able)}")
        elif kind in able:
            for flow in flows:
                read, written = wanted_of(side, [flow])
                if not (read <= CONNECTORS[kind].source and written <= CONNECTORS[kind].target):
                    wrong = f'connection "{connection}" is of kind {kind}, which cannot be the {side} of {flow}'
                    yield Problem(place, wrong, f"another connection, or flows.{flow}.enabled = false")


def state_directory(settings: Settings | None, given: Path | None = None) -> Path:
    """Return where the state lives: ``--state-dir``, else the setting, else ``$STATE_DIRECTORY`` (systemd), else the XDG folder."""
    if given is not None:
        return given
    if settings is not None and settings.daemon.state_dir is not None:
        return settings.daemon.state_dir
    if by_systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(by_systemd.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "kassabrug")
