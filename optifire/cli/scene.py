"""The JSON shape of ``status`` as types, and what the live screen shows beside it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast
from zoneinfo import ZoneInfo

from optifire.core.calendar import CalendarRangeError
from optifire.core.session import phase_at
from optifire.host.records import instant_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.calendar import Calendar
    from optifire.core.job import Job
    from optifire.core.settings import DemoSettings
    from optifire.core.types import PluginId

#: Values of the shared context that say most, in the order in which a person looks at them.
FIRST_LOOKED_AT = (
    "regime", "exposure_multiplier", "vol_multiplier", "drawdown", "drawdown_exposure",
    "vol_forecast", "vrp_vol", "permutation_entropy",
)  # fmt: skip
#: Values shown at most.
MOST_SHOWN = 8


class Health(TypedDict):
    """``level`` is green, amber or red; ``reasons`` say why it is not green."""

    level: str
    reasons: list[str]


class Running(TypedDict):
    """One run that is due or under way."""

    run_id: str
    plugin_id: str
    due: str
    started_at: str | None
    status: str


class Coming(TypedDict):
    """One occurrence to come; ``trigger`` is the schedule word."""

    plugin_id: str
    due: str
    trigger: str


class LastRun(TypedDict):
    """The latest run of a plugin that has ended: some fields of its record."""

    run_id: str
    due: str
    status: str
    reason: str | None
    cpu_ms: float | None
    mem_mb: float | None


class Limits(TypedDict):
    """What one run may use: milliseconds of processor time, megabytes of peak memory."""

    cpu_ms: float
    mem_mb: float


class PluginStatus(TypedDict):
    """One plugin that is switched on: its state, why it is in it, and how its runs went."""

    state: str
    reason: str
    paused: NotRequired[str | None]
    category: str
    budget: Limits | None
    last: LastRun | None
    counts: dict[str, int]


class View(TypedDict):
    """What the screen shows beside the status.

    ``latest`` pairs plugin ids with runs, the latest first; ``upcoming`` gives each plugin's next
    due instant; ``done`` of ``total`` sessions of a demo are over.
    """

    tz: str
    phase: str
    half_day: bool
    highlights: dict[str, Any]
    latest: list[tuple[str, LastRun]]
    upcoming: dict[str, str]
    done: int
    total: int


class Status(TypedDict):
    """What ``optifire status`` prints.

    ``state`` is starting, running, finished (a demo after its last session), stopping or stopped;
    ``recorded`` says that market data is recorded, and every screen says so.
    """

    state: str
    environment: str
    recorded: bool
    now: str
    health: Health
    running: list[Running]
    next: list[Coming]
    plugins: dict[str, PluginStatus]
    context: dict[str, Any]
    view: NotRequired[View]


def with_view(
    status: Mapping[str, Any],
    market: Calendar,
    tz: str,
    demo: DemoSettings,
    upcoming: Mapping[str, str] | None = None,
) -> Status:
    """Give a status with what the screen shows beside it.

    Parameters
    ----------
    status
        As a service gives it.
    market
        Whose sessions and phases are shown.
    tz
        The zone of times on the screen.
    demo
        Which days a demo plays.
    upcoming
        Each plugin's next due instant, where it is known; else what the status says of them.
    """
    said = cast("Status", dict(status))
    now = datetime.fromisoformat(said["now"])
    today = now.astimezone(ZoneInfo(market.tz)).date()
    covered = market.first <= today <= market.horizon
    session = market.session_on(today) if covered else None
    sessions = market.sessions(demo.first, demo.last) if said["recorded"] else ()
    due = {each["plugin_id"]: each["due"] for each in reversed(said["next"])} | dict(upcoming or {})
    said["view"] = View(
        tz=tz,
        phase=phase_at(now, market).value if covered else "closed",
        half_day=session is not None and session.half_day,
        highlights=highlights(said["context"]),
        latest=_latest(said["plugins"]),
        upcoming={} if said["state"] == "finished" else due,
        done=sum(each.close <= now for each in sessions),
        total=len(sessions),
    )
    return said


def next_dues(jobs: Mapping[PluginId, Job], now: datetime) -> dict[str, str]:
    """Give each job's next due instant; nothing where there is none or the table ends before it."""
    found: dict[str, str] = {}
    for plugin_id, job in jobs.items():
        try:
            due = job.schedule.next_after(now)
        except CalendarRangeError:
            continue
        if due is not None:
            found[plugin_id] = instant_text(due.instant)
    return found


def highlights(context: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values of the context that a person looks at first, at most eight."""
    chosen = [name for name in FIRST_LOOKED_AT if name in context]
    chosen += [name for name in sorted(context) if name not in chosen]
    return {name: context[name] for name in chosen[:MOST_SHOWN]}


def _latest(plugins: Mapping[str, PluginStatus]) -> list[tuple[str, LastRun]]:
    """Give the last run of every plugin, the latest due first, then by id."""
    ran = [(plugin_id, each["last"]) for plugin_id, each in sorted(plugins.items())]
    found = [(plugin_id, last) for plugin_id, last in ran if last is not None]
    return sorted(found, key=lambda one: one[1]["due"], reverse=True)


def total(plugins: Mapping[str, PluginStatus]) -> Counter[str]:
    """Give how often each status was reached, by all plugins together."""
    counts: Counter[str] = Counter()
    for plugin in plugins.values():
        counts.update(plugin["counts"])
    return counts
