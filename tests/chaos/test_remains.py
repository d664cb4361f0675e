"""What a run has started, in a service that is killed: gone when the next one takes runs up."""

import os
import re
import signal
from contextlib import suppress

import psutil

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
        assert sleeping(trial) == [left]
        with trial.service() as service:
            assert sleeping(trial) == []
            # The run itself may not have followed its zygote yet, and is counted then.
            said = service.said()
            assert re.search("runs of the service before had left processes, now ended: [12]", said)
            assert service.stop() == 0
    finally:
        for pid in sleeping(trial):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
