"""The program with faults built in: runs a command of `optifire` as the folder FAULTS says.

Each commit of the ledger tells at which stage its runs are. What it has acknowledged is noted
outside of it, in ``acknowledged.txt``.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from optifire.cli.main import main
from optifire.core.ledger import Batch, Rejected
from optifire.core.run import TERMINAL, RunStatus
from optifire.store.sqlite import SqliteStore
from tests.chaos.strike import note, strike

FAULTS = Path(os.environ["FAULTS"])


def striking() -> None:
    """Have every commit strike those whose fate it is, before and after it."""
    commit = SqliteStore.commit

    async def struck(self: SqliteStore, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:
        begins = [row.run_id for row in batch.runs if row.status is RunStatus.RUNNING]
        ends = {row.run_id: row.status for row in batch.runs if row.status in TERMINAL}
        for stage, runs in (("due", begins), ("answered", ends)):
            for run_id in runs:
                strike(FAULTS, run_id, stage)
        rejected = await commit(self, batch, hold=hold)
        for run_id in ends.keys() - {one.run_id for one in rejected}:
            note(FAULTS / "acknowledged.txt", f"{run_id} {ends[run_id]}")
        for stage, runs in (("intended", begins), ("recorded", ends)):
            for run_id in runs:
                strike(FAULTS, run_id, stage)
        return rejected

    SqliteStore.commit = struck  # type: ignore[method-assign]


if __name__ == "__main__":
    striking()
    sys.exit(main())
