"""A part of a stream as a record of its own: what it made since the part before, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ContractError
from optifire.core.firing import Firing
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.runtime.needs import Values
from optifire.runtime.outcome import Leavings, close_attempt, open_attempt
from optifire.runtime.parts import Parts

if TYPE_CHECKING:
    from optifire.core.ports import Outcome

#: How the trigger of a part begins; the id of the stream's run follows.
PART: Final = "part of "
_LATER: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class Parting:
    """Records the parts of one run of a stream.

    Each is a run of its own whose due instant is that of its commit, so that its values are as
    old as they are, its events start others at once, and lineage names it.
    """

    firing: Firing
    row: RunRow
    parts: Parts
    last: datetime
    count: int = 0

    async def commit(self, part: Outcome) -> None:
        """Record one part; raises `ContractError` when its statements failed, and it is nothing."""
        job, parts = self.firing.job, self.parts
        self.count += 1
        began, self.last = self.last, max(parts.clock.now(), self.last + _LATER)
        firing = Firing(job, self.last, f"{PART}{self.row.run_id}", self.firing.grace)
        row = new_run(firing.key, trigger=firing.trigger)
        row.version, row.budget, row.inputs = job.version, job.budget, self.row.inputs
        batch = Batch(runs=[row])
        open_attempt(row, parts.clock, self.row.worker, batch)
        row.held = self.row.held
        row.started_at = began
        batch.attempts.clear()
        ending = close_attempt(firing, row, part, parts, batch)
        leavings, values = Leavings(), Values({})
        leavings.take(ending, values)
        batch.extend(leavings.settle_names(parts))
        rejected = await parts.recorder.write(batch)
        for one in rejected:
            leavings.reject(row, one.failure, values)
        told = Batch()
        leavings.judge(job, row, parts, told)  # a stream that goes on for days has no other success
        await parts.recorder.write(told)
        parts.announce(leavings.events)
        if rejected:
            raise ContractError(
                f"part {self.count} was not recorded: {rejected[0].failure.message}",
                where=job.plugin_id,
                remedy="Correct the statement; what the part wrote and published is dropped",
            )
