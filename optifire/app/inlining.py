"""What keeps an eye on inline plugins, and what then becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optifire.core.job import Placement
from optifire.core.ledger import NoteRow
from optifire.runtime.demotion import Demotions
from optifire.runtime.engine import Program
from optifire.workers.inline import InlineWorker
from optifire.workers.loopguard import LoopGuard

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from datetime import datetime

    from optifire.host.catalog import Catalog
    from optifire.host.home import Home
    from optifire.runtime.demotion import Demoted
    from optifire.workers.isolated import IsolatedWorker

#: The kind of note about a plugin that is no longer inline.
DEMOTED = "demoted"


@dataclass(frozen=True, slots=True)
class Inline:
    """Inline plugins of a service: their worker, the guard of its loop, and who is demoted."""

    worker: InlineWorker
    guard: LoopGuard
    demotions: Demotions = field(default_factory=Demotions)

    @classmethod
    async def open(cls, home: Home, resources: AsyncExitStack) -> Inline:
        """Open all of it; closed with `resources`."""
        demotions = Demotions()
        guard = LoopGuard(lambda block: demotions.blocked(block.plugin_id, str(block)))
        guard.open(home.data)
        resources.callback(guard.close)
        worker = InlineWorker(home.data, guard)
        await worker.start()
        resources.push_async_callback(worker.stop)
        return cls(worker, guard, demotions)

    def program(self, catalog: Catalog, isolated: IsolatedWorker) -> Program:
        """Give what runs now, and have the loop watched if any of it runs in the service."""
        jobs = self.demotions.applied(catalog.jobs)
        any_inline = any(job.placement is Placement.INLINE for job in jobs.values())
        isolated.watch(self.guard.shared if any_inline else None)
        return Program(jobs, catalog.graph)

    def sentences(self) -> list[str]:
        """Say of each plugin that is demoted why it is."""
        return [_sentence(each) for each in self.demotions.standing.values()]


def demotion_note(found: Demoted, now: datetime) -> NoteRow:
    """Give what is written down when a plugin is demoted."""
    return NoteRow(now, DEMOTED, found.plugin_id, _sentence(found))


def _sentence(found: Demoted) -> str:
    return (
        f"{found.plugin_id} runs isolated until the next start or change of features.yaml: "
        f"it {found.why}"
    )
