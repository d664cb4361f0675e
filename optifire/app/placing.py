"""Where the plugins of a service execute, and what is to be said about that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optifire.app.inlining import Inline
from optifire.app.residing import Residing
from optifire.core.job import Placement
from optifire.workers.isolated import IsolatedWorker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.ports import Worker
    from optifire.host.catalog import Catalog
    from optifire.runtime.engine import Program


@dataclass(frozen=True, slots=True)
class Placing:
    """The workers of a service."""

    inline: Inline
    isolated: IsolatedWorker
    residing: Residing

    @property
    def workers(self) -> Mapping[Placement, Worker]:
        """Give the worker of each placement."""
        return {
            Placement.ISOLATED: self.isolated,
            Placement.INLINE: self.inline.worker,
            Placement.RESIDENT: self.residing.worker,
        }

    def program(self, catalog: Catalog) -> Program:
        """Give what runs now, and have those stand that live on."""
        program = self.inline.program(catalog, self.isolated)
        self.residing.apply(program.jobs)
        return program

    def pids(self) -> list[int]:
        """Give the processes that stand beside the service: zygotes and residents."""
        return [*self.isolated.zygote_pids(), *self.residing.worker.pids()]

    def spare_pids(self) -> list[int]:
        """Give the processes that are forked ahead and wait for a run.

        Most of what they hold is their zygote's, too.
        """
        return self.isolated.zygotes.spares()

    def processes(self) -> dict[str, int]:
        """Count the processes beside the service, without those that are at a run."""
        return {
            "zygotes": len(self.isolated.zygote_pids()),
            "spares": len(self.spare_pids()),
            "residents": len(self.residing.worker.pids()),
        }

    def sentences(self) -> list[str]:
        """Say what is not as configured."""
        return [*self.inline.sentences(), *self.residing.sentences()]
