"""Settings that a running service cannot take over: said by name until it is started again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from optifire.core.ledger import NoteRow
from optifire.core.settings import CONFIG_FIELDS
from optifire.core.settings_live import AT_START, value_of

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.core.settings import Settings

log = logging.getLogger("optifire.service")

#: The kind of note about a setting that waits for a restart, or no longer does.
RESTART: Final = "restart"


class Restarts:
    """What config.yaml says now against what a service began with.

    Parameters
    ----------
    begun
        The settings that the service was made with.
    """

    def __init__(self, begun: Settings) -> None:
        self._begun = begun
        self._waiting: dict[str, str] = {}

    def adopt(self, settings: Settings, now: datetime) -> list[NoteRow]:
        """Go over to other settings; gives, and logs, what that changes of what has to wait."""
        before, self._waiting = self._waiting, waiting(self._begun, settings)
        fresh = {key: said for key, said in self._waiting.items() if before.get(key) != said}
        for key in sorted(before.keys() - self._waiting.keys()):
            fresh[key] = f"{key} is again what is in force: no restart is needed for it"
        for said in fresh.values():
            log.warning("%s", said)
        return [NoteRow(now, RESTART, key, said) for key, said in fresh.items()]

    def sentences(self) -> list[str]:
        """Say of each setting that waits for a restart what is in force until then."""
        return list(self._waiting.values())


def waiting(begun: Settings, now: Settings) -> dict[str, str]:
    """Give what waits for a restart, a sentence for each key."""
    found: dict[str, str] = {}
    for setting in CONFIG_FIELDS:
        old, new = value_of(begun, setting), value_of(now, setting)
        if setting.key in AT_START and old != new:
            found[setting.key] = (
                f"{setting.key} needs a restart: {_text(old)} is in force, {_text(new)} comes then"
            )
    return found


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {each}" for key, each in value.items()) or "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return "the default" if value is None or value == "" else str(value)
