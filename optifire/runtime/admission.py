"""Gates that an occurrence passes before it may run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from optifire.core.firing import BY_HAND, Firing
from optifire.core.job import MOST_TURNS, Job, Placement
from optifire.core.run import Reason, RunKind, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.pauses import Pause
from optifire.runtime.quarantine import GOOD, Standing, may_run, sentence
from optifire.runtime.slots import memory_of


def all_good(_: PluginId) -> Standing:
    """Give how a plugin stands where nobody counts."""
    return GOOD


def nobody_paused(_: PluginId, __: datetime) -> Pause | None:
    """Give the pause of an occurrence where nobody can pause anything."""
    return None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What gates may look at: the clock's present, the live switches, the chain of events."""

    now: datetime
    is_on: Callable[[Job], bool]
    timeless: bool = False
    chain: tuple[str, ...] = ()
    #: Megabytes that the service and its runs may use together, None where nobody counts.
    most_mb: float | None = None
    #: How the runs of a plugin have ended lately.
    standing_of: Callable[[PluginId], Standing] = all_good
    #: The pause for which an occurrence of a plugin, due at an instant, is not run.
    pause_of: Callable[[PluginId, datetime], Pause | None] = nobody_paused

    def failing(self, firing: Firing) -> bool:
        """Tell whether the latest run of its plugin that says anything of it went wrong."""
        return self.standing_of(firing.job.plugin_id).failures > 0


@dataclass(frozen=True, slots=True)
class NonRun:
    """An occurrence that does not run: its terminal status and why."""

    status: RunStatus
    reason: Reason


#: Codes of attempts that are to be made again, which are the statuses that they end with.
_TRIED = frozenset({RunStatus.PREEMPTED.value, RunStatus.LOST.value})
Gate = Callable[[Firing, Snapshot], NonRun | None]


def skipped(code: str, detail: str = "") -> NonRun:
    """Give a non-run of the kind "skipped"."""
    return NonRun(RunStatus.SKIPPED, Reason(code, detail))


def refused(code: str, detail: str = "") -> NonRun:
    """Give a non-run of the kind "refused"."""
    return NonRun(RunStatus.REFUSED, Reason(code, detail))


def switched_on(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Skip what was switched off since its cycle was planned."""
    return None if snapshot.is_on(firing.job) else skipped("disabled")


def not_dropped(firing: Firing, snapshot: Snapshot) -> NonRun | None:  # noqa: ARG001 - a gate
    """Cancel what somebody has cancelled while it waited for the machine."""
    reason = Reason("cancelled", firing.dropped)
    return NonRun(RunStatus.CANCELLED, reason) if firing.dropped else None


def fits_the_day(firing: Firing, snapshot: Snapshot) -> NonRun | None:  # noqa: ARG001 - a gate
    """Skip what the schedule itself says cannot be on this day."""
    return skipped(firing.skip) if firing.skip else None


def ends_some_time(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Refuse what events have started too often within one instant."""
    if firing.turn <= MOST_TURNS:
        return None
    return refused("event loop", " -> ".join(snapshot.chain[-4:]))


def not_paused(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Skip what a person has paused, but for what is asked for by hand.

    What a run by hand pulls in is not asked for itself, and is skipped.
    """
    if firing.kind is RunKind.MANUAL and firing.trigger == BY_HAND:
        return None
    pause = snapshot.pause_of(firing.job.plugin_id, firing.due)
    return None if pause is None else skipped("paused", str(pause))


def not_quarantined(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Refuse what keeps failing, but for its trials and for runs by hand."""
    standing = snapshot.standing_of(firing.job.plugin_id)
    if standing.held is None or firing.kind is RunKind.MANUAL:
        return None
    calendar = firing.job.schedule.calendar
    if may_run(standing, firing.key.run_id, snapshot.now, calendar):
        return None
    return refused("quarantined", sentence(standing, calendar))


def in_time(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Refuse what waited past its deadline."""
    deadline = firing.deadline
    if snapshot.timeless or deadline is None or snapshot.now <= deadline:
        return None
    return refused("over capacity", "its deadline passed while it waited")


def fits_the_machine(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Refuse what may use more memory than there is for everything: it would wait for ever."""
    job, most = firing.job, snapshot.most_mb
    if most is None or job.placement is not Placement.ISOLATED or memory_of(job) <= most:
        return None
    return refused(
        "over capacity",
        f"its memory limit of {memory_of(job):,.0f} MB is more than system.max_ram_mb, "
        f"{most:,.0f} MB, allows: lower its budget.mem_mb or raise that",
    )


def is_over(firing: Firing, now: datetime) -> bool:
    """Tell whether the closed window of idle work is over; one that runs intraday has none."""
    if not firing.idle or firing.job.intraday:
        return False
    return firing.job.schedule.calendar.session_at(now) is not None


def while_closed(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Miss idle work whose closed window is over; one that was begun ends as its last attempt."""
    if snapshot.timeless or not is_over(firing, snapshot.now):
        return None
    begun = firing.row.reason.code if firing.row is not None and firing.row.reason else ""
    if begun in _TRIED:
        return NonRun(RunStatus(begun), Reason(begun, "the market opened before another attempt"))
    return NonRun(RunStatus.MISSED, Reason("late", "the market opened before the machine was idle"))


GATES: Sequence[Gate] = (
    not_dropped, switched_on, fits_the_day, ends_some_time, not_paused, not_quarantined, in_time,
    fits_the_machine, while_closed,
)  # fmt: skip


def admit(firing: Firing, snapshot: Snapshot, gates: Sequence[Gate] = GATES) -> NonRun | None:
    """Give the first objection of the gates, or None when the occurrence may run."""
    for gate in gates:
        objection = gate(firing, snapshot)
        if objection is not None:
            return objection
    return None
