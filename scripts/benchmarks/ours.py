"""OptiFIRE in its own parts: engine, recorder, ledger and workers, joined as the service does."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from optifire.core.budget import Budget
from optifire.core.calendar import AlwaysOpen, Calendar
from optifire.core.graph import Declaration, build_graph
from optifire.core.job import Code, Job, Misfire, Need, Placement
from optifire.core.ports import Clock, Worker
from optifire.core.schedule import Schedule, parse_schedule
from optifire.core.types import PluginId
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.bus import CommitBus
from optifire.runtime.clock import SystemClock, wall_now
from optifire.runtime.engine import Engine, Pace, Program, Rooms
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.runtime.timer import ApsTimer
from optifire.runtime.tuning import settle
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore
from optifire.workers.inline import InlineWorker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HOUR = timedelta(hours=1)
#: No budget of a trial may stand in the way of its figure.
ROOMY = Budget(60_000.0, 4096.0)

PLUGIN = '''"""Does nothing, as quickly as a plugin can."""

from optifire.plugins import Plugin, PluginMetadata, PluginResult{imports}


class Noop(Plugin):
    def describe(self):
        return PluginMetadata(
            plugin_id={name!r}, version="1.0.0", description="Does nothing", outputs=()
        )

    def plan(self):
        return {plan!r}

    async def run(self, context):
        {body}return PluginResult(success=True)
'''


def write_plugin(
    folder: Path,
    name: str,
    *,
    plan: Mapping[str, object] | None = None,
    body: str = "",
    imports: str = "",
) -> Path:
    """Write the folder of a plugin that does nothing but one line, and give it."""
    made = folder / name
    made.mkdir(parents=True)
    text = PLUGIN.format(
        name=name,
        plan=dict(plan or {"schedule": "@manual"}),
        body=f"{body}\n        " if body else "",
        imports=f"\n{imports}" if imports else "",
    )
    (made / "impl.py").write_text(text, encoding="utf-8")
    return made


def schedule_of(word: str, calendar: Calendar | None = None) -> Schedule:
    """Give the schedule of a word."""
    return parse_schedule(word, calendar=calendar or AlwaysOpen())


def job_of(
    name: str,
    folder: Path,
    schedule: Schedule,
    *,
    needs: Iterable[str] = (),
    placement: Placement = Placement.INLINE,
    modules: tuple[str, ...] = (),
) -> Job:
    """Give the job of a plugin that stands in a folder; every late occurrence runs."""
    return Job(
        PluginId(name),
        "1.0.0",
        "feature",
        schedule,
        Code(str(folder), "Noop", "bench", modules),
        needs=tuple(Need(each) for each in needs),
        misfire=Misfire.ALL,
        placement=placement,
        budget=ROOMY,
    )


def program_of(jobs: Iterable[Job]) -> Program:
    """Give the program of some jobs."""
    by_id = {job.plugin_id: job for job in jobs}
    declared = [Declaration(each.plugin_id, needs=each.needs) for each in by_id.values()]
    return Program(by_id, build_graph(declared))


@dataclass(slots=True)
class House:
    """A ledger, an inline worker and a clock, as `optifire up` joins them."""

    folder: Path
    store: SqliteStore
    worker: Worker
    clock: Clock
    _resources: AsyncExitStack

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Open all of it in a folder."""
        resources = AsyncExitStack()
        store = SqliteStore(folder / "ours.db", clock=wall_now)
        await store.open()
        resources.push_async_callback(store.close)
        worker = InlineWorker(folder)
        await worker.start()
        resources.push_async_callback(worker.stop)
        clock = SystemClock(ApsTimer())
        resources.callback(clock.stop)
        settle()
        return cls(folder, store, worker, clock, resources)

    async def close(self) -> None:
        """Close all of it."""
        await self._resources.aclose()

    def engine(self, program: Program, pace: Pace, *, start: datetime, since: datetime) -> Engine:
        """Give an engine for a program; every job is accounted for up to ``since``."""
        bus, board = CommitBus(), Blackboard()
        rooms = Rooms(
            self.clock,
            LiveRecorder(self.store, board, self.clock, bus.tell),
            Runner(dict.fromkeys(Placement, self.worker), self.clock),
            board,
            Slots(2),
        )
        return Engine(
            program,
            rooms,
            pace,
            start=start,
            since=dict.fromkeys(program.jobs, since),
            report=crash,
        )

    async def statuses(self) -> dict[str, int]:
        """Count the runs of the ledger by status."""
        total: dict[str, int] = {}
        async with LedgerReader(self.store.path) as reader:
            for counts in (await reader.statuses()).values():
                for status, count in counts.items():
                    total[status] = total.get(status, 0) + count
        return total


def crash(name: str, error: BaseException) -> None:
    """Stop the trial: a crash is not a figure."""
    raise RuntimeError(f"{name} crashed") from error
