"""When a change of config.yaml holds: at once, or from the next start on.

Each setting is in one of the two sets; a test says when a new one is in neither. All of
features.yaml holds at once but for ``environment``, since each environment has its own ledger.
"""

from collections.abc import Mapping
from typing import Final

from optifire.core.setting import Setting
from optifire.core.settings import Settings

#: Keys whose names in the file are words of the language.
RENAMED: Final[Mapping[str, str]] = {"from": "first", "to": "last"}
#: What a running service takes over as soon as the file is changed.
AT_ONCE: Final = frozenset(
    {
        "system.log_level", "system.log_format", "system.log_mb", "system.log_files",
        "market.calendar", "market.tz", "backup.daily", "backup.keep",
        "retention.days", "retention.runs", "retention.table_days",
        "alerts.targets", "alerts.topics", "alerts.window", "alerts.quiet_hours",
        "alerts.quiet_closed", "alerts.tz", "alerts.demo",
    }
)  # fmt: skip
#: What a service is made with: slots, room, workers, clock and the door of its API.
AT_START: Final = frozenset(
    {
        "system.concurrency", "system.max_ram_mb", "system.quarantine_after",
        "data.default_symbol", "data.aliases", "demo.from", "demo.to", "demo.pace",
        "api.enabled", "api.host", "api.port", "api.tls_certificate", "api.tls_key",
        "api.behind_proxy", "api.requests_per_minute",
    }
)  # fmt: skip


def value_of(settings: Settings, setting: Setting) -> object:
    """Give what settings have for one of config.yaml."""
    section, key = setting.path
    value: object = getattr(getattr(settings, section), RENAMED.get(key, key))
    return value
