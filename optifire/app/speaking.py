"""What the service says in its log: how, as the configuration has it, and how runs ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from optifire.core.run import TERMINAL, RunStatus
from optifire.core.secret_names import names_secret
from optifire.ops.logs import Logs, Style
from optifire.ops.masking import Masker
from optifire.runtime.standings import QUARANTINED
from optifire.store.codec import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

    from optifire.app.joining import Configuration
    from optifire.core.ledger import Batch, RunRow
    from optifire.host.home import Home

log = logging.getLogger("optifire.runs")

#: How long secrets in variables of the environment are at least: a shorter value, such as
#: ``true``, is part of other words.
_LONG: Final = 8
#: How serious the ends of runs are; all that is not here is what happens every day.
_LEVELS: Final[Mapping[RunStatus, int]] = {
    RunStatus.FAILED: logging.WARNING,
    RunStatus.TIMED_OUT: logging.WARNING,
    RunStatus.OVER_BUDGET: logging.WARNING,
    RunStatus.CRASHED: logging.WARNING,
    RunStatus.UNKNOWN: logging.WARNING,
    RunStatus.LOST: logging.WARNING,
    RunStatus.MISSED: logging.WARNING,
    RunStatus.REFUSED: logging.WARNING,
    RunStatus.CANCELLED: logging.INFO,
    RunStatus.PREEMPTED: logging.INFO,
}


def begin_logs(home: Home, configuration: Configuration, console: TextIO | None) -> Logs:
    """Begin to write the log of a home, with secrets masked."""
    system = configuration.settings.system
    return Logs(
        Masker(secrets_of(configuration)),
        level=system.log_level,
        console=console,
        style=Style(system.log_format),
        file=home.data / "optifire.log",
        size=system.log_mb << 20,
        kept=system.log_files,
    )


def follow(logs: Logs, configuration: Configuration) -> None:
    """Go on as a new configuration says."""
    system = configuration.settings.system
    logs.masker.learn(secrets_of(configuration))
    logs.set_level(system.log_level)
    logs.set_style(Style(system.log_format))
    logs.resize(system.log_mb << 20, system.log_files)


def secrets_of(configuration: Configuration) -> Iterable[str]:
    """Give what is masked: ``secrets.env``, targets of alerts, and variables named like secrets."""
    known = {*configuration.secrets, *configuration.settings.alerts.targets}
    for name, value in configuration.variables.items():
        if name in known or (names_secret(name) and len(value) >= _LONG):
            yield value


def tell_ends(batch: Batch) -> None:
    """Log how runs ended: what went wrong as a warning, what went as it should for DEBUG."""
    for row in batch.runs:
        if row.status in TERMINAL:
            level = level_of(row)
            if log.isEnabledFor(level):
                log.log(level, "%s", sentence(row), extra=fields_of(row))


def level_of(row: RunRow) -> int:
    """Give how serious the end of a run is."""
    if row.reason is not None and row.reason.code == QUARANTINED:
        return logging.DEBUG  # that it began has been said, and each further one says the same
    if row.breaches and row.status is RunStatus.SUCCEEDED:
        return logging.WARNING
    return _LEVELS.get(row.status, logging.DEBUG)


def sentence(row: RunRow) -> str:
    """Say in one line how a run ended, with its reason, its error and what it was over."""
    parts = [row.status.value]
    if row.count > 1:
        parts.append(f"{row.count} occurrences")
    if row.reason is not None:
        parts.append(str(row.reason))
    if row.failure is not None:
        parts.append(f"{row.failure.type}: {row.failure.message}")
    if row.breaches:
        parts.append(f"over its budget of {', '.join(row.breaches)}")
    return "; ".join(parts)


def fields_of(row: RunRow) -> dict[str, object]:
    """Give what a line about a run says by name."""
    return {
        "run_id": row.run_id,
        "plugin_id": row.key.plugin_id,
        "due": iso(row.key.due),
        "status": row.status.value,
        "reason": None if row.reason is None else row.reason.code,
        "attempts": row.attempts,
        "cpu_ms": row.usage.cpu_ms,
        "mem_mb": row.usage.mem_mb,
        "wall_ms": row.usage.wall_ms,
    }
