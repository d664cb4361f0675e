"""An occurrence of the past is made up for: under its instant, with what was known at it.

It is a cycle of its own as a replay has them: what its run sees stood at the due instant, nothing
of it is in the ledger before it has ended, and its events start nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from optifire.core.errors import ContractError, StoreError
from optifire.core.firing import Firing
from optifire.core.graph import Graph
from optifire.core.job import Effect, Job, Overlap, Placement
from optifire.core.ports import Clock
from optifire.core.run import RunKind
from optifire.core.types import PluginId
from optifire.runtime.blackboard import Blackboard, CycleView
from optifire.runtime.cycle import Cycle
from optifire.runtime.outcome import values_of
from optifire.runtime.overlap import LiveRuns
from optifire.runtime.parts import Parts
from optifire.runtime.recorder import Recorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots

if TYPE_CHECKING:
    from optifire.core.due import Due
    from optifire.core.ledger import AttemptRow, Batch, ContextValue, LogRow, Rejected, RunRow
    from optifire.core.schedule import Schedule
    from optifire.core.types import Encoded, RunId

#: The last of all priorities: whatever is due goes first.
LAST_PRIORITY: Final = 100


def why_not(job: Job) -> str:
    """Say why no run of a job can be made up for, nothing if it can."""
    if job.effect is Effect.EFFECTFUL or job.is_exec:
        return "is effectful: what it does outside the record it may do only once, when it is due"
    if job.observes_machine:
        return "observes the machine, which is no longer what it was"
    if job.schedule.continuous:
        return "is a stream, which goes on by itself"
    if job.hooks:
        return f"lives from start to stop (it has {job.hooks[0]}()), and was not there then"
    return ""


def upstream_of(plugin_id: PluginId, graph: Graph) -> list[PluginId]:
    """Give a plugin and all whose values it needs, over any number of steps."""
    found = [plugin_id]
    for each in found:
        producers = (edge.producer for edge in graph.edges.get(each, ()))
        found += [one for one in dict.fromkeys(producers) if one is not None and one not in found]
    return found


def values_then(
    rows: Iterable[RunRow], jobs: Mapping[PluginId, Job], graph: Graph
) -> dict[str, ContextValue]:
    """Give the shared context as some successes left it: what their plugins declare today."""
    found: dict[str, ContextValue] = {}
    for row in rows:
        job = jobs.get(row.key.plugin_id)
        if job is not None:
            keys = [key for key in job.outputs if key in row.outputs]
            found |= {value.name: value for value in values_of(row, job, graph, keys)}
    return found


class PastClock:
    """The clock of runs of the past: nothing is late, and records say when they were made."""

    timeless = True

    def __init__(self, present: Clock) -> None:
        self._present = present

    def now(self) -> datetime:
        """Give the present, which is when a run of the past is made."""
        return self._present.now()

    async def wait(self, until: datetime | None) -> datetime:
        """Wait as the present does."""
        return await self._present.wait(until)

    def wake(self) -> None:
        """End a wait early."""
        self._present.wake()

    async def pause(self, seconds: float) -> None:
        """Let time pass between two attempts."""
        await self._present.pause(seconds)


class PastTables:
    """Tables hold the present, so a run of the past may not read them."""

    async def fetch(self, sql: str, params: Encoded, *, one: bool, plugin_id: str = "") -> NoReturn:
        """Raise `ContractError`: what the tables held then, nobody knows."""
        del params, one  # whatever is asked
        raise ContractError(
            f"tables hold what is there today, and not what a backfill would have seen: {sql[:80]}",
            where=plugin_id,
            remedy="Keep what later runs need in outputs, which the ledger has for every instant",
        )

    async def close(self) -> None:
        """Nothing is held."""


class PastRecorder:
    """Writes runs of the past once they have ended; what was never started leaves nothing.

    So an occurrence that could not be made, because what it needs is not there, can be made later
    by the same command.

    Parameters
    ----------
    recorder
        Whose `intend` writes to the live ledger. A value goes under its names only where there is
        none, or an older one.
    values
        The shared context as it stood at the due instant.
    """

    def __init__(self, recorder: Recorder, values: Mapping[str, ContextValue]) -> None:
        self._recorder = recorder
        self._values = values
        self._attempts: list[AttemptRow] = []
        self._logs: list[LogRow] = []
        #: Every row that came to its end, those that were not written too, in their order.
        self.ended: dict[RunId, RunRow] = {}

    async def view(self) -> CycleView:
        """Hold the context as it stood then, without tables."""
        return CycleView(self._values, PastTables())

    async def write(self, batch: Batch) -> Sequence[Rejected]:
        """Write a batch; raises `StoreError` when it cannot be: the run can be made again."""
        return await self.intend(batch)

    async def intend(self, batch: Batch) -> Sequence[Rejected]:
        """Write the runs of a batch that have ended, with all of their attempts."""
        self.ended |= {row.run_id: row for row in batch.runs}
        runs = [row for row in batch.runs if row.attempts]
        ours = {row.run_id for row in runs}
        attempts, logs = self._attempts + batch.attempts, self._logs + batch.logs
        self._attempts = [one for one in attempts if one.run_id not in ours]
        self._logs = [one for one in logs if one.run_id not in ours]
        return await self._recorder.intend(
            replace(
                batch,
                runs=runs,
                attempts=[one for one in attempts if one.run_id in ours],
                logs=[one for one in logs if one.run_id in ours],
                events_taken=[],
            )
        )

    async def end_cycle(self) -> None:
        """Nothing is left to do: every run was written as it ended."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What runs of the past are made with: catalog, rooms, and the present."""

    jobs: Mapping[PluginId, Job]
    graph: Graph
    clock: Clock
    recorder: Recorder
    runner: Runner
    slots: Slots
    board: Blackboard

    async def make(
        self, job: Job, due: Due, turn: int, values: Mapping[str, ContextValue]
    ) -> RunRow:
        """Make up for one occurrence, with what it needs run first; give its row.

        A row without attempts was not written: its reason says what is missing.

        Raises
        ------
        StoreError
            The ledger refuses; the occurrence can be made again.
        """
        recorder = PastRecorder(self.recorder, values)
        able = {each: _quiet(one) for each, one in self.jobs.items() if not why_not(one)}
        parts = Parts(
            able,
            self.graph,
            {},
            PastClock(self.clock),
            recorder,
            self.runner,
            self.slots,
            LiveRuns(),
            self.board,
            lambda _: True,
            self._schedule_of,
        )
        grace = timedelta()
        kind = RunKind.BACKFILL
        firing = Firing(able[job.plugin_id], due.instant, due.word, grace, turn, kind)
        try:
            await Cycle([firing], parts).run()
        except ExceptionGroup as group:
            refusal = _refusal(group)
            if refusal is None:
                raise
            raise refusal from group
        return recorder.ended[firing.key.run_id]

    def _schedule_of(self, plugin_id: PluginId) -> Schedule | None:
        job = self.jobs.get(plugin_id)
        return None if job is None else job.schedule


def _refusal(group: ExceptionGroup[Exception]) -> StoreError | None:
    """Give the refusal of the ledger that a group of errors comes from, if it does."""
    inner: Exception = group
    while isinstance(inner, ExceptionGroup):
        inner = inner.exceptions[0]
    return inner if isinstance(inner, StoreError) else None


def _quiet(job: Job) -> Job:
    """Give a job as its past is made up for: behind all others, and never too late."""
    return replace(
        job,
        priority=LAST_PRIORITY,
        deadline=None,
        jitter=0.0,
        overlap=Overlap.ALLOW_ALL,
        placement=Placement.ISOLATED,
    )
