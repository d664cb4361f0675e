"""What holds a run: the limits in force on it, and the layers of the sandbox around it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from optifire.core.job import Placement
from optifire.core.limits import MOST_PROCESSES, limits_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.job import Job

#: Seconds in which a stream, which never ends, may use the processor time of its budget.
STREAM_WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """Where a run is stopped; None where nobody stops it.

    Attributes
    ----------
    cpu_ms, cpu_window_s
        Processor time, within so many seconds; None: in all.
    mem_mb
        Memory above that of its process before it, in megabytes of 2**20 bytes.
    wall_s
        Seconds of real time.
    processes
        Processes and threads.
    group
        Whether the kernel also holds all that it starts together in a control group.
    layers
        Those of the sandbox.
    """

    cpu_ms: float | None = None
    cpu_window_s: float | None = None
    mem_mb: float | None = None
    wall_s: float | None = None
    processes: int | None = None
    group: bool = False
    layers: tuple[str, ...] = ()

    def text(self) -> str:
        """Give the same as JSON, as the ledger keeps it once for all runs."""
        return json.dumps(asdict(self), separators=(",", ":"))


def held_by(job: Job, layers: Sequence[str], *, group: bool) -> Held:
    """Give what holds the runs of a job where its machine offers these layers."""
    wall = None if job.schedule.continuous else job.timeout
    if job.placement is Placement.INLINE:
        return Held(wall_s=wall)
    limits = limits_for(job.budget, light=not job.code.modules)
    return Held(
        cpu_ms=limits.cpu_hard_ms,
        cpu_window_s=STREAM_WINDOW if job.schedule.continuous else None,
        mem_mb=limits.mem_hard_mb,
        wall_s=wall,
        processes=MOST_PROCESSES,
        group=group,
        layers=tuple(layers) if job.sandbox else (),
    )


class Holds:
    """Says for each job what holds its runs, made out once for each of its states.

    Parameters
    ----------
    layers
        Those of the sandbox that this machine has.
    group
        Whether the kernel lets the service make control groups.
    """

    def __init__(self, layers: Sequence[str] = (), *, group: bool = False) -> None:
        self._layers = layers
        self._group = group
        self._known: dict[str, tuple[Job, str]] = {}

    def of(self, job: Job) -> str:
        """Give the text of what holds the runs of a job."""
        known = self._known.get(job.plugin_id)
        if known is not None and known[0] is job:
            return known[1]
        text = held_by(job, self._layers, group=self._group).text()
        self._known[job.plugin_id] = (job, text)
        return text
