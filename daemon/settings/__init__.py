"""The configuration: a TOML file, environment variables (``KASSABRUG_DAEMON__LOG_LEVEL=debug``) and credential files.

:func:`load` reads and checks all of it, or raises :class:`ConfigurationError`, whose text is one line that names the file, the key
and what was expected.  Durations are seconds.  Paths are relative to the folder of the file.  ``config/kassabrug.toml`` explains
every setting.
"""

from daemon.settings.loading import DEFAULT_PATHS, Settings, load, state_directory
from daemon.settings.problems import ConfigurationError
from daemon.settings.tables import (
    AlertsSettings,
    BookingSettings,
    BrakeSettings,
    DaemonSettings,
    FlowSettings,
    FlowsSettings,
    LinkSettings,
)

__all__ = [
    "DEFAULT_PATHS",
    "AlertsSettings",
    "BookingSettings",
    "BrakeSettings",
    "ConfigurationError",
    "DaemonSettings",
    "FlowSettings",
    "FlowsSettings",
    "LinkSettings",
    "Settings",
    "load",
    "state_directory",
]
