"""The program with faults built in: runs a command of `optifire` as the folder FAULTS says.

Each commit of the ledger tells at which stage its runs are. What it has acknowledged is noted
outside of it, in ``acknowledged.txt``. ``pages.txt`` has the pages that the ledger may have, and
``shift.txt`` the seconds by which the system clock is not what it was at the start; where there
is ``hurry.txt``, retention does not wait for its hour.
"""

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import apscheduler.schedulers.base

import optifire.app.rooms
import optifire.runtime.clock
from optifire.cli.main import main
from optifire.core.ledger import Batch, Rejected
from optifire.core.run import TERMINAL, RunStatus
from optifire.store.sqlite import SqliteStore
from tests.chaos.strike import note, strike

FAULTS = Path(os.environ["FAULTS"])


def striking() -> None:
    """Have every commit strike those whose fate it is, before and after it."""
    commit = SqliteStore.commit
    allowed = ""

    async def struck(self: SqliteStore, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:
        begins = [row.run_id for row in batch.runs if row.status is RunStatus.RUNNING]
        ends = {row.run_id: row.status for row in batch.runs if row.status in TERMINAL}
        for stage, runs in (("due", begins), ("answered", ends)):
            for run_id in runs:
                strike(FAULTS, run_id, stage)
        nonlocal allowed
        if (FAULTS / "pages.txt").exists() and (pages := said("pages.txt")) != allowed:
            allowed = pages
            await limited(self, int(pages))
        rejected = await commit(self, batch, hold=hold)
        for run_id in ends.keys() - {one.run_id for one in rejected}:
            note(FAULTS / "acknowledged.txt", f"{run_id} {ends[run_id]}")
        for stage, runs in (("intended", begins), ("recorded", ends)):
            for run_id in runs:
                strike(FAULTS, run_id, stage)
        return rejected

    SqliteStore.commit = struck  # type: ignore[method-assign]


def said(name: str) -> str:
    """Give what a file of the faults says."""
    return (FAULTS / name).read_text(encoding="utf-8")


async def limited(store: SqliteStore, pages: int) -> None:
    """Let the ledger have so many pages, or those that it has if these are more."""

    def limit() -> None:
        assert store._connection is not None  # noqa: SLF001 - a fault of this very connection
        store._connection.execute(f"PRAGMA max_page_count = {pages}")  # noqa: SLF001

    await store._open_writer().call(limit)  # noqa: SLF001


class Shifted(datetime):
    """The system clock as somebody has set it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """Give the present, so many seconds away from what it is."""
        far = said("shift.txt") if (FAULTS / "shift.txt").exists() else "0"
        return datetime.now(tz) + timedelta(seconds=float(far))  # noqa: TID251


def shifting() -> None:
    """Have all who read the clock, this program and its timer, read that one."""
    for reader in (optifire.runtime.clock, apscheduler.schedulers.base):
        vars(reader)["datetime"] = Shifted


def hurrying() -> None:
    """Have retention looked after each second: where days take seconds an hour is long."""
    if (FAULTS / "hurry.txt").exists():
        optifire.app.rooms.PRUNING_DELAY = optifire.app.rooms.PRUNING_PERIOD = 1.0


if __name__ == "__main__":
    striking()
    shifting()
    hurrying()
    sys.exit(main())
