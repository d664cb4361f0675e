"""Health of the service and its machine against fixed limits, without waiting for anything.

A plugin uses `HealthMonitor` without arguments: it looks at the service that the run belongs to,
whether it runs inside it or in a worker of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from optifire.core.errors import UsageError
from optifire.ops.readings import Reading, read
from optifire.ops.service import service_pid
from optifire.sdk.scope import scope_if_any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB: Final = 1_000_000
WHOLE: Final = 100.0
#: The kernel counts processor time in steps of 10 ms, so that a shorter stretch says nothing.
SHORTEST_S: Final = 1.0
#: A figure; None where this machine does not show it.
Figure = float | int | str | None


class Level(StrEnum):
    """How things stand."""

    #: Every figure is below the warning share of its limit.
    GREEN = "green"
    #: A figure has reached the warning share of its limit.
    AMBER = "amber"
    #: Something that the service cannot do without is used up.
    RED = "red"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service may use, and from which share of a limit on a person should know.

    ``memory_mb`` is for the service with all its processes, in megabytes of 1,000,000 bytes;
    ``percent`` is a share of whatever is limited, in percent.
    """

    memory_mb: float = 900.0
    percent: float = 90.0

    def __post_init__(self) -> None:
        """Refuse limits that can never or always be reached."""
        if not self.memory_mb > 0 or not 0 < self.percent <= WHOLE:
            raise UsageError(
                f"limits are {self.memory_mb} MB and {self.percent} %",
                where="Limits",
                remedy="Give memory_mb above 0, and percent above 0 and at most 100",
            )


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Health:
    """How the service stands.

    Attributes
    ----------
    level
        The worst of what the warnings say.
    warnings
        One sentence for each figure that is too high or that cannot be seen, the worst first.
    figures
        Plain values by name, documented in `figures_of`.
    """

    level: Level
    warnings: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """One thing that is limited, as used of whole, in percent of it."""

    name: str
    percent: float
    detail: str
    #: Whether the service fails when none is left.
    vital: bool = False


class HealthMonitor:
    """Looks at the service of the run in progress and at its machine.

    Parameters
    ----------
    disk
        Any path on the file system whose space counts; the current folder if not given.
    reader
        Gives one reading; psutil looks at the real machine if not given.
    """

    def __init__(
        self, *, disk: Path | None = None, reader: Callable[[], Reading] | None = None
    ) -> None:
        place = Path() if disk is None else disk
        self._read = reader or (lambda: read(service_pid(), place))
        self._previous: Mapping[str, Figure] | None = None

    def check(
        self, limits: Limits = DEFAULT_LIMITS, *, since: Mapping[str, Figure] | None = None
    ) -> Health:
        """Give the health against some limits.

        Processor shares cover the time since the check whose ``figures`` are given as ``since``,
        else since the previous check of this monitor. Without either, or when that is less than
        a second ago, they cover the time since the start of the service, and of the machine.

        Raises
        ------
        NotInReplay
            In a replay, of which the machine is no part.
        TransientError
            The service has just ended.
        """
        scope = scope_if_any()
        if scope is not None:
            scope.require_live("the health of the machine")
        reading = self._read()
        health = judge(reading, limits, since=self._previous if since is None else since)
        self._previous = health.figures
        return health


def judge(reading: Reading, limits: Limits, *, since: Mapping[str, Figure] | None = None) -> Health:
    """Say how one reading stands against limits; pure."""
    figures = figures_of(reading, since=since)
    shares = sorted(_shares(reading, figures, limits), key=lambda share: -share.percent)
    high = [share for share in shares if share.percent >= limits.percent]
    warnings = [f"{share.name} is at {share.percent:.0f} %: {share.detail}" for share in high]
    unseen = [name for name, value in figures.items() if value is None and name in EXPECTED]
    warnings += [f"{name} cannot be seen on this machine" for name in unseen]
    if any(share.vital and share.percent >= WHOLE for share in high):
        return Health(Level.RED, tuple(warnings), figures)
    return Health(Level.AMBER if warnings else Level.GREEN, tuple(warnings), figures)


#: Figures that are None only where the machine hides them, which a person should know.
EXPECTED: Final = frozenset({"tree_pss_mb", "fds"})


def figures_of(reading: Reading, *, since: Mapping[str, Figure] | None = None) -> dict[str, Figure]:
    """Give the figures of one reading as plain values.

    ``_mb`` is megabytes of 1,000,000 bytes and ``_percent`` is of all there is, but ``cpu_percent``
    of the service is of one core. ``cpu_over_s`` is the stretch that it covers; ``uptime_s``,
    ``busy_s`` (all cores) and ``cpu_s`` (the service) are seconds since the start of the machine,
    for the next check. ``tree_`` figures are the service with all its processes, ``cgroup_`` the
    tightest limit of a control group (None: there is none).
    """
    service, tree, machine = reading.service, reading.tree, reading.machine
    return {
        **_processor(reading, since),
        "pid": service.pid,
        "rss_mb": service.rss / MB,
        "threads": service.threads,
        "fds": service.fds,
        "fd_limit": service.fd_limit,
        "tree_processes": tree.processes,
        "tree_rss_mb": tree.rss / MB,
        "tree_pss_mb": None if tree.pss is None else tree.pss / MB,
        "cores": machine.cores,
        "load_1m": machine.load_1m,
        "memory_total_mb": machine.memory_total / MB,
        "memory_percent": _percent(
            machine.memory_total - machine.memory_available, machine.memory_total
        ),
        "swap_total_mb": machine.swap_total / MB,
        "swap_percent": _percent(machine.swap_used, machine.swap_total),
        "disk_free_mb": machine.disk_free / MB,
        "disk_percent": machine.disk_percent,
        "cgroup_limit_mb": None if machine.group is None else machine.group.limit / MB,
        "cgroup_used_mb": None if machine.group is None else machine.group.used / MB,
    }


def _processor(reading: Reading, since: Mapping[str, Figure] | None) -> dict[str, Figure]:
    """Give processor shares since earlier figures, else since the starts of service and machine."""
    service, machine = reading.service, reading.machine
    now = {"uptime_s": machine.up_s, "busy_s": machine.busy_s, "cpu_s": service.cpu_s}
    before = _counters(since, service.pid)
    if before and now["uptime_s"] - before["uptime_s"] >= SHORTEST_S:
        over, used, busy = (now[name] - before[name] for name in ("uptime_s", "cpu_s", "busy_s"))
        whole = over
    else:
        over, used, busy = machine.up_s - service.started_s, service.cpu_s, machine.busy_s
        whole = machine.up_s
    return {
        "cpu_percent": _percent(used, over),
        "machine_cpu_percent": min(WHOLE, _percent(busy, whole * machine.cores)),
        "cpu_over_s": over,
        **now,
    }


def _counters(figures: Mapping[str, Figure] | None, pid: int) -> dict[str, float]:
    """Take the counters out of earlier figures; nothing if they are of another service."""
    if figures is None or figures.get("pid") != pid:
        return {}
    counters = {name: figures.get(name) for name in ("uptime_s", "busy_s", "cpu_s")}
    known = {name: value for name, value in counters.items() if isinstance(value, float | int)}
    return known if len(known) == len(counters) else {}


def _shares(reading: Reading, figures: Mapping[str, Figure], limits: Limits) -> Iterator[Share]:
    """Give everything that is limited here."""
    service, tree, machine = reading.service, reading.tree, reading.machine
    used = tree.rss if tree.pss is None else tree.pss
    budget = limits.memory_mb * MB
    yield Share("memory of the service", _percent(used, budget), _of(used, budget), vital=True)
    if machine.group is not None:
        group = machine.group
        detail = f"{_of(group.used, group.limit)} in control group {group.group}"
        yield Share("memory", _percent(group.used, group.limit), detail, vital=True)
    if service.fds is not None and service.fd_limit is not None:
        open_files = f"{service.fds} of {service.fd_limit} open"
        percent = _percent(service.fds, service.fd_limit)
        yield Share("file descriptors of the service", percent, open_files, vital=True)
    taken = machine.memory_total - machine.memory_available
    percent = _percent(taken, machine.memory_total)
    yield Share("memory of the machine", percent, _of(taken, machine.memory_total), vital=True)
    percent = _percent(machine.swap_used, machine.swap_total)
    yield Share("swap of the machine", percent, _of(machine.swap_used, machine.swap_total))
    free = f"{machine.disk_free / MB:,.0f} MB free"
    yield Share("disk", machine.disk_percent, free, vital=True)
    busy = figures["machine_cpu_percent"]
    if isinstance(busy, float):
        yield Share("processor of the machine", busy, f"load {machine.load_1m:.2f} over a minute")


def _percent(used: float, whole: float) -> float:
    """Give used of whole in percent; nothing of nothing is nothing."""
    return WHOLE * used / whole if whole > 0 else 0.0


def _of(used: float, whole: float) -> str:
    return f"{used / MB:,.0f} of {whole / MB:,.0f} MB"
