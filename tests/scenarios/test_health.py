"""`health` on real services: live, ready, and every check with what it found."""

import json
import os
import signal
from typing import Any

import pytest

from optifire.app.vitals import CHECKS
from optifire.runtime.clock import monotonic
from trial import Trial, until

#: Fails from its second run on, and leaves a value before.
FAILS_LATER = """\
if (context.data_dir / "once").exists():
    raise RuntimeError("out of order")
(context.data_dir / "once").touch()
return PluginResult(success=True, data={"x": 1})
"""


def report(trial: Trial, code: int) -> dict[str, Any]:
    """Give what ``health --json`` says, with that exit code."""
    done = trial.give("health", "--json")
    assert done.returncode == code, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.row("O042")
def test_a_service_is_green_red_with_the_reason_and_green_again(trial: Trial) -> None:
    trial.enable()
    assert report(trial, 1) == {
        "environment": None,
        "live": False,
        "ready": False,
        "state": "stopped",
        "level": "red",
        "reasons": ["no service is running in this home"],
        "checks": {},
    }
    with trial.service():
        said = report(trial, 0)
        assert (said["live"], said["ready"], said["level"]) == (True, True, "green"), said
        assert tuple(said["checks"]) == CHECKS
        assert "green  disk" in trial.give("health").stdout
        good = trial.features.read_text(encoding="utf-8")
        trial.replace(trial.features, "environment: demo\nplugins: [\n")
        until(lambda: trial.give("health").returncode == 1, what="a red service")
        said = report(trial, 1)
        assert (said["live"], said["ready"], said["level"]) == (True, False, "red")
        assert said["checks"]["configuration"]["level"] == "red"
        assert "not taken over" in said["reasons"][0]
        trial.replace(trial.features, good)
        until(lambda: trial.give("health").returncode == 0, what="a service that is well again")


def test_a_loop_that_did_not_run_is_told(trial: Trial) -> None:
    trial.enable()
    with trial.service() as service:
        os.kill(service.pid, signal.SIGSTOP)
        end = monotonic() + 2.5
        until(lambda: monotonic() > end, what="a while")
        os.kill(service.pid, signal.SIGCONT)
        said = until(
            lambda: report(trial, 0)["checks"]["event_loop"]["reasons"], what="a late loop"
        )
        assert "s late within the last 60 s" in said[0]


def test_a_value_that_its_producer_did_not_renew_is_told(trial: Trial) -> None:
    trial.plugin("makes", FAILS_LATER, plan={"schedule": "@open"}, outputs=["x"])
    trial.plugin("uses", plan={"schedule": "@close", "dependencies": ["x"]})
    trial.enable("makes", "uses")
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-30"})
    with trial.service() as service:
        service.until_finished()
        found = until(lambda: report(trial, 0)["checks"]["stale"], what="a stale value")
        assert found["level"] == "amber"
        why = "what makes left is of 2018-01-29T14:30:00Z, and it was due again since"
        assert found["reasons"] == [f"{why}; needed by uses"]
