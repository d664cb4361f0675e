"""What a run has started, in a service that is killed: gone when the next one takes runs up."""

import os
import re
import signal
from contextlib import suppress

import psutil

from optifire.workers.marks import mark_of, marked, zygote_of
from optifire.workers.remains import lives
from trial import Trial, until

FLEES = """\
if os.fork() == 0:
    os.setsid()
    os.execv("/bin/sleep", ["/bin/sleep", "1000"])
(context.data_dir / "left").touch()
while True:
    await asyncio.sleep(1)
"""


def sleeping(trial: Trial) -> list[int]:
    """Give the processes that the run has started, found by where they are."""
    place = str(trial.home.data / "plugins" / "flees")
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "sleep" and (process.info["cwd"] or "").startswith(place)
    ]


def _alive(left: int) -> list[int]:
    """Give what lives of all that the same zygote has forked, and what that has started."""
    zygote = zygote_of(mark_of(left))
    return [
        pid
        for mark, pids in marked().items()
        for pid in pids
        if zygote_of(mark) == zygote and lives(pid)
    ]


def test_what_a_run_had_started_in_a_service_that_was_killed_is_ended_by_the_next(
    trial: Trial,
) -> None:
    body = f"os.chdir(context.data_dir)\n{FLEES}"
    plan = {"schedule": "@open", "effect": "effectful", "timeout": 600}
    trial.plugin("flees", body, plan=plan, head="import asyncio, os\n")
    trial.enable(flees={"sandbox": False})
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-29"})
    try:
        with trial.service() as service:
            (left,) = until(lambda: sleeping(trial), what="a process that a run has started")
            service.kill()
        until(lambda: _alive(left) == [left], what="the end of the run's own process")
        with trial.service() as service:
            assert sleeping(trial) == []
            said = service.said()
            assert re.search(r"runs of the service before had left processes, now ended: 1\b", said)
            assert service.stop() == 0
    finally:
        for pid in sleeping(trial):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
